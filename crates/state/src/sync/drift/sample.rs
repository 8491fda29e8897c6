//! A fair sample of the pairs that are tied: each of them is as likely as any other.
//!
//! A number between the first and the last pair of the store is drawn and thrown away where
//! no tied pair of the sync has it. So nobody behind a gap is drawn more often, and of a
//! million a few hundred rows are read. Where the numbers are few, or the sync has few of
//! them, all are walked through, a stretch at a time, and a reservoir keeps the sample.

use crate::error::{Boxed, Result};
use crate::sql::{Param, Tx, Work};
use crate::store::Store;
use crate::sync::copy::Pair;
use std::collections::BTreeSet;

/// Numbers drawn for each pair that is wanted, before the sync is taken for a small one.
const DRAWS: u64 = 50;
/// Numbers that are looked for at once.
const TOGETHER: usize = 8;
/// Numbers of one stretch.
const STRETCH: i64 = 20_000;

impl Store {
    /// At most `number` pairs of a sync that are tied and whose records are both there, in
    /// the order of their numbers. The same seed over the same pairs draws the same.
    pub fn sample_pairs(&self, sync: i64, number: usize, seed: u64) -> Boxed<'_, Vec<Pair>> {
        Box::pin(async move {
            let Some((first, last)) = self.read(&Span).await? else { return Ok(Vec::new()) };
            let mut dice = Dice(seed);
            let draws = DRAWS.saturating_mul(number as u64);
            let mut seqs = BTreeSet::new();
            let is_wide = (last - first).unsigned_abs() > draws;
            if is_wide {
                let draw = Draw { sync, number, draws, first, last, seed: dice.next() };
                seqs = self.read_apart(draw).await?;
            }
            if !is_wide || seqs.len() < number.div_ceil(4) {
                seqs = self.walk_through(sync, number, (first, last), &mut dice).await?;
            }
            let seqs: Vec<i64> = seqs.into_iter().collect();
            self.pairs_at(sync, &seqs).await
        })
    }

    async fn walk_through(
        &self,
        sync: i64,
        number: usize,
        (first, last): (i64, i64),
        dice: &mut Dice,
    ) -> Result<BTreeSet<i64>> {
        let (mut kept, mut seen) = (Vec::with_capacity(number), 0_u64);
        let mut after = first - 1;
        while after < last {
            let until = after.saturating_add(STRETCH);
            for seq in self.read_apart(Stretch { sync, after, until }).await? {
                seen += 1;
                if kept.len() < number {
                    kept.push(seq);
                } else if let Some(place) =
                    usize::try_from(dice.below(seen)).ok().and_then(|at| kept.get_mut(at))
                {
                    *place = seq;
                }
            }
            after = until;
        }
        Ok(kept.into_iter().collect())
    }
}

/// Numbers that look like chance; nothing secret hangs on them (SplitMix64, by Steele, Lea
/// and Flood, public domain).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// 0 up to, and without, the bound; how uneven it is lies below one in 2⁴⁰ for a million.
    fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.next()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or(0)
    }
}

/// The first and the last pair of all syncs.
struct Span;

impl Work for Span {
    type Output = Option<(i64, i64)>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output> {
        // One statement each, so that each is one look at the end of the key.
        let first = tx.row("SELECT min(seq) FROM sync_pairs", &[]).await?;
        let last = tx.row("SELECT max(seq) FROM sync_pairs", &[]).await?;
        let of = |row: Option<crate::sql::Row>| row.map_or(Ok(None), |row| row.opt_int(0));
        Ok(of(first)?.zip(of(last)?))
    }
}

struct Draw {
    sync: i64,
    number: usize,
    draws: u64,
    first: i64,
    last: i64,
    seed: u64,
}

impl Work for Draw {
    type Output = BTreeSet<i64>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<BTreeSet<i64>> {
        const SQL: &str = "
            SELECT seq FROM sync_pairs
            WHERE seq IN (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) AND sync = ?9 AND state = 1
                AND left_half = 1 AND right_half = 1";
        let (mut dice, mut drawn) = (Dice(self.seed), BTreeSet::new());
        let span = (self.last - self.first).unsigned_abs() + 1;
        let (mut found, mut left) = (Vec::with_capacity(self.number), self.draws);
        while found.len() < self.number && left > 0 {
            let mut params: Vec<Param<'_>> = Vec::with_capacity(TOGETHER + 1);
            let mut order = Vec::with_capacity(TOGETHER);
            for _ in 0..TOGETHER {
                let seq = self.first.saturating_add_unsigned(dice.below(span));
                params.push(seq.into());
                if drawn.insert(seq) {
                    order.push(seq);
                }
            }
            params.push(self.sync.into());
            left = left.saturating_sub(TOGETHER as u64);
            let rows = tx.rows(SQL, &params).await?;
            let there = rows.iter().map(|row| row.int(0)).collect::<Result<BTreeSet<_>>>()?;
            // In the order drawn: whoever is left out at the end is left out by chance.
            found.extend(order.into_iter().filter(|seq| there.contains(seq)));
        }
        found.truncate(self.number);
        Ok(found.into_iter().collect())
    }
}

struct Stretch {
    sync: i64,
    after: i64,
    until: i64,
}

impl Work for Stretch {
    type Output = Vec<i64>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<i64>> {
        const SQL: &str = "
            SELECT seq FROM sync_pairs
            WHERE seq > ?1 AND seq <= ?2 AND sync = ?3 AND state = 1 AND left_half = 1
                AND right_half = 1
            ORDER BY seq";
        let params = [self.after.into(), self.until.into(), self.sync.into()];
        tx.rows(SQL, &params).await?.iter().map(|row| row.int(0)).collect()
    }
}
