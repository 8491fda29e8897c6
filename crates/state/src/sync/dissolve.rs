//! A sync that is configured no more is forgotten: its pairs with all that hangs on them, in
//! bounded parts, then its runs and itself, with the act in the audit log.
//!
//! What was written goes with the pairs: an erasure finds it through them, and would find
//! it no more. Killed in between, it is forgotten the rest of the way when asked again.

use super::page::{drop_keys, split};
use crate::audit::{Act, Sealed};
use crate::error::{Boxed, Result};
use crate::keys::Hash;
use crate::sql::{Touched, Tx, Work};
use crate::store::Store;
use domain::Timestamp;

/// What became of asking that a sync be forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dissolved {
    /// So many pairs went with it.
    Done {
        pairs: u64,
    },
    Unknown,
    /// A run of it is under way.
    Busy {
        run: i64,
    },
}

/// Pairs looked at, and taken away, at once.
const LOOK: i64 = 20_000;
const PART: usize = 200;
const ROWS: i64 = 500;

impl Store {
    /// Forgets a sync with everything that is kept of it, and writes down who did.
    pub fn dissolve_sync<'a>(
        &'a self,
        name: &'a str,
        act: Act,
        now: Timestamp,
    ) -> Boxed<'a, Dissolved> {
        Box::pin(async move {
            let Some(sync) = self.find_sync(name).await?.map(|sync| sync.id) else {
                return Ok(Dissolved::Unknown);
            };
            if let Some(run) = self.read(&UnderWay { sync }).await? {
                return Ok(Dissolved::Busy { run });
            }
            let (mut pairs, mut after) = (0, 0);
            while let Some((next, seqs)) = self.read_apart(Look { sync, after }).await? {
                for part in seqs.chunks(PART) {
                    pairs += self.write(Part { sync, seqs: part.to_vec() }).await?;
                }
                after = next;
            }
            while self.write(Rest { sync }).await? > 0 {}
            let act = Sealed::seal(self.keys(), act, now)?;
            Ok(match self.write(Last { sync, act }).await? {
                None => Dissolved::Done { pairs },
                Some(run) => Dissolved::Busy { run },
            })
        })
    }
}

const UNDER_WAY: &str = "SELECT id FROM sync_runs WHERE sync = ?1 AND slot = 1";

struct UnderWay {
    sync: i64,
}

impl Work for UnderWay {
    type Output = Option<i64>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<i64>> {
        tx.row(UNDER_WAY, &[self.sync.into()]).await?.map(|row| row.int(0)).transpose()
    }
}

/// Pairs of a stretch; `None` behind the last one.
struct Look {
    sync: i64,
    after: i64,
}

impl Work for Look {
    type Output = Option<(i64, Vec<i64>)>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output> {
        const LAST: &str = "SELECT max(seq) FROM sync_pairs";
        const SQL: &str = "
            SELECT seq FROM sync_pairs WHERE seq > ?1 AND seq <= ?2 AND sync = ?3 ORDER BY seq";
        let last = tx.row(LAST, &[]).await?.map_or(Ok(None), |row| row.opt_int(0))?;
        if last.is_none_or(|last| last <= self.after) {
            return Ok(None);
        }
        let until = self.after + LOOK;
        let rows = tx.rows(SQL, &[self.after.into(), until.into(), self.sync.into()]).await?;
        Ok(Some((until, rows.iter().map(|row| row.int(0)).collect::<Result<_>>()?)))
    }
}

struct Part {
    sync: i64,
    seqs: Vec<i64>,
}

impl Work for Part {
    type Output = u64;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<u64> {
        const KEYS: &str =
            "SELECT left_keys, right_keys FROM sync_pairs WHERE seq = ?1 AND sync = ?2";
        const OF_PAIR: [&str; 4] = [
            "DELETE FROM sync_aliases WHERE pair = ?1",
            "DELETE FROM sync_journal WHERE pair = ?1",
            "DELETE FROM sync_reviews WHERE pair = ?1",
            "DELETE FROM sync_pairs WHERE seq = ?1",
        ];
        tx.touched = Touched::Nothing;
        let mut gone = 0;
        for seq in &self.seqs {
            let Some(row) = tx.row(KEYS, &[(*seq).into(), self.sync.into()]).await? else {
                continue;
            };
            for side in [0, 1] {
                let keys: Vec<Hash> = split(row.opt_blob(side)?)?;
                drop_keys(tx, (self.sync, side, *seq), &keys, &[]).await?;
            }
            for sql in OF_PAIR {
                tx.execute(sql, &[(*seq).into()]).await?;
            }
            gone += 1;
        }
        Ok(gone)
    }
}

/// What was written in runs that are kept and hangs on no pair any more; how much.
struct Rest {
    sync: i64,
}

impl Work for Rest {
    type Output = u64;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<u64> {
        const SQL: &str = "
            DELETE FROM sync_journal WHERE id IN (
                SELECT sync_journal.id FROM sync_runs JOIN sync_journal ON run = sync_runs.id
                WHERE sync_runs.sync = ?1 LIMIT ?2)";
        tx.touched = Touched::Nothing;
        tx.execute(SQL, &[self.sync.into(), ROWS.into()]).await
    }
}

/// The sync itself, unless a run of it has begun meanwhile.
struct Last {
    sync: i64,
    act: Sealed,
}

impl Work for Last {
    type Output = Option<i64>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<i64>> {
        const OF_SYNC: [&str; 4] = [
            "DELETE FROM sync_reviews WHERE pair = 0 AND sync = ?1",
            "DELETE FROM sync_drift WHERE sync = ?1",
            "DELETE FROM sync_runs WHERE sync = ?1",
            "DELETE FROM syncs WHERE id = ?1",
        ];
        tx.touched = Touched::Nothing;
        if let Some(row) = tx.row(UNDER_WAY, &[self.sync.into()]).await? {
            return row.int(0).map(Some);
        }
        for sql in OF_SYNC {
            tx.execute(sql, &[self.sync.into()]).await?;
        }
        self.act.append(tx).await?;
        Ok(None)
    }
}
