//! Takes what a side says, a page at a time: copies, what they are matched by, what waits,
//! and the cursor behind it are one commit (invariant 4).
//!
//! A record that came back as it was known (a keyed digest says so) does not wait. One that
//! our own write has replaced is an answer from before that write, and changes nothing.

mod keys;
mod pass;
mod taking;

pub(super) use keys::{add_keys, drop_keys, hashes, split};

use super::copy::{Key, SealedHalf, Whose};
use super::run::{Hold, count, held};
use super::{CURSORS, Copy, Counts, Sync, cursor_place, sided};
use crate::crash;
use crate::error::{Boxed, Result};
use crate::keys::Hash;
use crate::sql::{Touched, Tx, Work};
use crate::store::Store;
use domain::Timestamp;
use taking::Taking;

/// What a side says of one record.
#[derive(Clone, PartialEq, Eq)]
pub enum Arrival {
    Saved {
        copy: Copy,
        keys: Vec<Key>,
        /// If it is not known yet, it comes in; who is in stays in whatever this says.
        may_enter: bool,
    },
    /// `into`: it was merged into that one.
    Gone { id: String, into: Option<String> },
}

/// Some records, and where reading goes on after them.
#[derive(Clone, PartialEq, Eq)]
pub struct Page {
    /// 0 left, 1 right.
    pub side: usize,
    /// The cursor that it was read with; `None`: none.
    pub after: Option<String>,
    pub arrivals: Vec<Arrival>,
    pub cursor: String,
    /// With it everything is read anew.
    pub is_restart: bool,
    /// With it everything was read once: who was not seen since the beginning is gone.
    pub ends_pass: bool,
}

/// What a page came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    pub new: u64,
    pub changed: u64,
    pub unchanged: u64,
    /// Of these, our own writes that came back for the first time (invariant 5).
    pub echoes: u64,
    pub gone: u64,
    /// Of people who were erased: nothing of them is kept.
    pub erased: u64,
}

/// What became of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paged {
    /// It stands; all zero where it stood before.
    Taken(Taken),
    /// Another holds the run: nothing was done.
    Stale,
    /// It does not follow what was taken last: nothing was done.
    OutOfTurn,
}

impl Store {
    /// Commits a page. Repeating the last one has no second effect (invariant 3).
    pub fn take_page(&self, hold: Hold, mut page: Page, now: Timestamp) -> Boxed<'_, Paged> {
        Box::pin(async move {
            let Some(sync) = self.sync_of(hold.sync).await? else { return Ok(Paged::Stale) };
            if crash::planted("cursor-before-copies") {
                let early = Page { arrivals: Vec::new(), ends_pass: false, ..page.clone() };
                (page.after, page.is_restart) = (Some(page.cursor.clone()), false);
                self.write(self.seal_page(&sync, hold, early, now)?).await?;
            }
            let side = page.side & 1;
            if sync.stages[side] == ENDING && !self.end_pass(hold, &sync, side, now).await?.is_whole
            {
                return Ok(Paged::Stale); // of the pass before
            }
            let work = self.seal_page(&sync, hold, page, now)?;
            let ends = work.ends_pass;
            let paged = self.write(work).await?;
            let Paged::Taken(mut taken) = paged else { return Ok(paged) };
            if ends
                && let Some(sync) = self.sync_of(hold.sync).await?
                && sync.stages[side] == ENDING
            {
                taken.gone += self.end_pass(hold, &sync, side, now).await?.gone;
            }
            Ok(Paged::Taken(taken))
        })
    }

    fn seal_page(&self, sync: &Sync, hold: Hold, page: Page, now: Timestamp) -> Result<Take> {
        let (keys, side) = (self.keys(), page.side & 1);
        let whose = Whose { keys: &keys, sync: sync.id, side, connection: &sync.connections[side] };
        let at = |cursor: &str| keys.hash("sync cursor", &[cursor]);
        let cursor = page.cursor.as_bytes().to_vec();
        Ok(Take {
            hold,
            side,
            arrivals: page
                .arrivals
                .iter()
                .map(|one| Arriving::seal(whose, one))
                .collect::<Result<_>>()?,
            after: page.after.as_deref().map(at),
            at: at(&page.cursor),
            cursor: keys.seal(CURSORS[side], &cursor_place(sync.id), cursor)?,
            is_restart: page.is_restart,
            ends_pass: page.ends_pass,
            now: now.0,
        })
    }
}

/// A side reads on: who is not seen is not looked for.
const READING: i64 = 0;
/// It is read from the beginning.
const WHOLE: i64 = 1;
/// Everything was read: who was not seen is being marked as gone.
const ENDING: i64 = 2;

struct Arriving {
    half: SealedHalf,
    /// Hashes of what it is matched by, sorted.
    keys: Vec<Hash>,
    /// All that an erased person might be known by.
    names: Vec<Hash>,
    is_merged: bool,
    may_enter: bool,
}

impl Arriving {
    fn seal(whose: Whose<'_>, arrival: &Arrival) -> Result<Self> {
        let (half, keys, is_merged) = match arrival {
            Arrival::Saved { copy, keys, .. } => (whose.copy(copy)?, &keys[..], false),
            Arrival::Gone { id, into } => {
                (whose.gone(id, into.as_deref())?, &[][..], into.is_some())
            }
        };
        let (keys, names) = hashes(whose, &half.record, keys);
        let may_enter = matches!(arrival, Arrival::Saved { may_enter: true, .. });
        Ok(Self { half, keys, names, is_merged, may_enter })
    }
}

struct Take {
    hold: Hold,
    side: usize,
    arrivals: Vec<Arriving>,
    after: Option<Hash>,
    at: Hash,
    cursor: Vec<u8>,
    is_restart: bool,
    ends_pass: bool,
    now: i64,
}

impl Work for Take {
    type Output = Paged;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Paged> {
        const PLACE: &str = "SELECT own_at, own_pass, own_stage FROM syncs WHERE id = ?1";
        tx.touched = Touched::Nothing;
        let Some(counts) = held(tx, self.hold).await? else { return Ok(Paged::Stale) };
        let sync = self.hold.sync;
        let Some(row) = tx.row(&sided(PLACE, self.side), &[sync.into()]).await? else {
            return Ok(Paged::Stale);
        };
        let (at, mut pass, mut stage) = (row.opt_hash(0)?, row.int(1)?, row.int(2)?);
        if !self.is_restart && at != self.after {
            let is_repeated = at == Some(self.at);
            return Ok(if is_repeated { Paged::Taken(Taken::default()) } else { Paged::OutOfTurn });
        }
        if self.is_restart || at.is_none() {
            (pass, stage) = (pass + 1, WHOLE);
        }
        let mut taking = Taking::begin(tx, (sync, self.side, pass)).await?;
        for arriving in &self.arrivals {
            taking.take(tx, arriving).await?;
        }
        crash::point("sync.taken");
        if self.ends_pass && stage == WHOLE {
            stage = ENDING;
        }
        self.keep(tx, (pass, stage), &taking.taken).await?;
        count(tx, self.hold.run, (counts, &Counts::new()), self.now).await?;
        crash::point("sync.cursor");
        Ok(Paged::Taken(taking.taken))
    }
}

impl Take {
    async fn keep(&self, tx: &mut Tx<'_>, (pass, stage): (i64, i64), taken: &Taken) -> Result<()> {
        const SQL: &str = "
            UPDATE syncs SET own_cursor = ?2, own_at = ?3, own_pass = ?4, own_stage = ?5,
                pairs = pairs + ?6, updated_at = ?7
            WHERE id = ?1";
        let params = [
            self.hold.sync.into(),
            self.cursor[..].into(),
            (&self.at).into(),
            pass.into(),
            stage.into(),
            taken.new.cast_signed().into(),
            self.now.into(),
        ];
        tx.execute(&sided(SQL, self.side), &params).await.map(drop)
    }
}
