//! What came of some pairs: one commit, each pair only where it did not change meanwhile.
//!
//! What was written to others is a fact whatever became of the pair: its entries are kept
//! in any case. A pair that changed keeps waiting, and is settled with what it is now.

mod apply;
mod split;

use super::copy::{Half, Key, PRESENT, Pair, PairState, SealedHalf, Whose, seal_base};
use super::failure::Failure;
use super::journal::{Entry, EntryState, SealedEntry};
use super::page::hashes;
use super::review::{NewReview, SealedReview};
use super::run::{Hold, count, held};
use super::{Counts, Sync};
use crate::crash;
use crate::error::{Boxed, Result};
use crate::keys::{Hash, Keyring};
use crate::sql::{Touched, Tx, Work};
use crate::store::Store;
use crate::subject::Guard;
use apply::Settling;
use domain::Timestamp;

/// What came of a pair.
#[derive(Clone, PartialEq, Eq)]
pub struct Settled {
    pub seq: i64,
    /// As it was read.
    pub turn: i64,
    /// Records as they are now; `None`: as they were.
    pub halves: [Option<Half>; 2],
    /// What they are matched by now; `None`: as before.
    pub keys: [Option<Vec<Key>>; 2],
    /// What both agree on now; `None`: as before.
    pub base: Option<Vec<u8>>,
    /// With a base: it tells of a write of which nobody knows whether it was done.
    pub is_in_doubt: bool,
    pub state: PairState,
    /// Another pair and its turn, which ends in this one: a record that this pair has none
    /// of comes with it, the other's id stays as an alias.
    pub absorbs: Option<(i64, i64)>,
    /// What was written; kept whatever becomes of the pair.
    pub entries: Vec<Entry>,
    /// Older entries of which it is known now what came of them; kept whatever becomes of the
    /// pair.
    pub told: Vec<(i64, EntryState)>,
    /// All that a person has to decide about it. Open ones that are not named are withdrawn,
    /// unless it failed.
    pub reviews: Vec<NewReview>,
    /// Decisions that are done, by the id of their review.
    pub spent: Vec<i64>,
    pub failure: Option<Failure>,
    /// There is more to be done at once.
    pub is_waiting: bool,
}

impl Settled {
    /// Nothing came of it, and nothing is left to be done. Of a record that is gone its id
    /// alone is kept from then on.
    #[must_use]
    pub fn of(pair: &Pair) -> Self {
        // Who was merely not listed is no more sure to be gone than before.
        let gone = |side: usize| {
            let half = &pair.halves[side];
            let is_sure = matches!(half, Half::Gone { .. }) && !pair.is_unsure[side];
            is_sure.then(|| half.clone())
        };
        Self {
            seq: pair.seq,
            turn: pair.turn,
            halves: [gone(0), gone(1)],
            keys: [None, None],
            base: None,
            is_in_doubt: false,
            state: pair.state,
            absorbs: None,
            entries: Vec::new(),
            told: Vec::new(),
            reviews: Vec::new(),
            spent: Vec::new(),
            failure: None,
            is_waiting: false,
        }
    }
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Applied,
    /// It, or what it absorbs, changed meanwhile: nothing but the entries was taken, and it
    /// still waits.
    Changed,
    /// A record of it is that of another pair, which is tied already: nothing but the
    /// entries was taken, and it still waits.
    Tied {
        pair: i64,
    },
    /// Its person was erased: nothing is kept.
    Erased,
}

impl Store {
    /// Commits what came of some pairs, and adds to the run's counts: the outcomes in the
    /// same order; `None` when another holds the run, and then nothing was done.
    pub fn settle_pairs(
        &self,
        hold: Hold,
        settled: Vec<Settled>,
        counts: Counts,
        now: Timestamp,
    ) -> Boxed<'_, Option<Vec<Outcome>>> {
        Box::pin(async move {
            let Some(sync) = self.sync_of(hold.sync).await? else { return Ok(None) };
            let keys = self.keys();
            let settled = settled.iter().map(|one| Sealed::seal(&keys, &sync, one));
            let settled = settled.collect::<Result<_>>()?;
            self.write(Settle { hold, settled, counts, now: now.0 }).await
        })
    }
}

/// One side ready to be stored.
struct Side {
    half: SealedHalf,
    /// What it is matched by now; `None`: as before.
    keys: Option<Vec<Hash>>,
    names: Vec<Hash>,
}

struct Sealed {
    seq: i64,
    turn: i64,
    sides: [Option<Side>; 2],
    base: Option<Vec<u8>>,
    is_in_doubt: bool,
    state: PairState,
    absorbs: Option<(i64, i64)>,
    entries: Vec<SealedEntry>,
    told: Vec<(i64, EntryState)>,
    reviews: Vec<SealedReview>,
    spent: Vec<i64>,
    failure: Option<Failure>,
    is_waiting: bool,
}

impl Sealed {
    fn seal(ring: &Keyring, sync: &Sync, one: &Settled) -> Result<Self> {
        let side = |side: usize| -> Result<Option<Side>> {
            let connection = &sync.connections[side];
            let whose = Whose { keys: ring, sync: sync.id, side, connection };
            let Some(half) = &one.halves[side] else { return Ok(None) };
            let Some(half) = whose.half(half)? else { return Ok(None) };
            let given = one.keys[side].as_deref();
            let (keys, names) = hashes(whose, &half.record, given.unwrap_or_default());
            let keys = (given.is_some() || half.half != PRESENT).then_some(keys);
            Ok(Some(Side { half, keys, names }))
        };
        let base = one.base.as_deref();
        Ok(Self {
            seq: one.seq,
            turn: one.turn,
            sides: [side(0)?, side(1)?],
            base: base.map(|base| seal_base(ring, sync.id, one.seq, base)).transpose()?,
            is_in_doubt: one.is_in_doubt,
            state: one.state,
            absorbs: one.absorbs,
            entries: one
                .entries
                .iter()
                .map(|one| SealedEntry::seal(ring, one))
                .collect::<Result<_>>()?,
            told: one.told.clone(),
            reviews: one
                .reviews
                .iter()
                .map(|one| SealedReview::seal(ring, one))
                .collect::<Result<_>>()?,
            spent: one.spent.clone(),
            failure: one.failure.clone(),
            is_waiting: one.is_waiting,
        })
    }
}

struct Settle {
    hold: Hold,
    settled: Vec<Sealed>,
    counts: Counts,
    now: i64,
}

impl Work for Settle {
    type Output = Option<Vec<Outcome>>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output> {
        const PASSES: &str = "SELECT left_pass, right_pass FROM syncs WHERE id = ?1";
        const PAIRS: &str = "UPDATE syncs SET pairs = pairs - ?2 WHERE id = ?1";
        tx.touched = Touched::Nothing;
        let Some(counts) = held(tx, self.hold).await? else { return Ok(None) };
        let Some(row) = tx.row(PASSES, &[self.hold.sync.into()]).await? else { return Ok(None) };
        let passes = [row.int(0)?, row.int(1)?];
        let guard = Guard::take(tx).await?;
        let mut settling = Settling { hold: self.hold, passes, guard, now: self.now, absorbed: 0 };
        let mut outcomes = Vec::with_capacity(self.settled.len());
        for one in &self.settled {
            outcomes.push(settling.one(tx, one).await?);
            crash::point("sync.settled");
        }
        if settling.absorbed > 0 {
            tx.execute(PAIRS, &[self.hold.sync.into(), settling.absorbed.into()]).await?;
        }
        count(tx, self.hold.run, (counts, &self.counts), self.now).await?;
        crash::point("sync.counted");
        Ok(Some(outcomes))
    }
}
