//! The journal of what is written to others: before it is written, and what came of it.
//!
//! An entry that is still intended when its run is over is one of which nobody knows
//! whether it was written: its pair still waits, and whoever settles it finds out.

use super::Sync;
use super::copy::Pair;
use super::review::Review;
use super::run::{Hold, held};
use crate::crash;
use crate::error::{Boxed, Error, Result};
use crate::jobs::note;
use crate::keys::{Hash, Keyring, fill_random};
use crate::rows::{decode, encode};
use crate::sql::{Row, Touched, Tx, Work};
use crate::store::Store;
use domain::Timestamp;
use serde::{Deserialize, Serialize};

/// Where a write stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryState {
    /// About to be done, or nobody knows.
    Intended,
    Done,
    Failed,
    /// Done, and taken back.
    Undone,
    /// What a run without writes would have done.
    Planned,
}

impl EntryState {
    const ALL: [Self; 5] = [Self::Intended, Self::Done, Self::Failed, Self::Undone, Self::Planned];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Intended => "intended",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Undone => "undone",
            Self::Planned => "planned",
        }
    }
}

/// One write.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// `None`: it is new. Else that entry becomes this one.
    pub id: Option<i64>,
    pub pair: i64,
    pub side: usize,
    /// Empty where its system has not given it an id yet.
    pub record: String,
    /// A stable word: `create`, `update`, `delete`, `mark`, `link`, `unlink`.
    pub kind: String,
    /// The mapped fields, in the engine's own JSON.
    pub before: Vec<u8>,
    pub after: Vec<u8>,
    /// Who or what decided.
    pub why: String,
    pub state: EntryState,
}

/// An entry as it stands.
#[derive(Clone, PartialEq, Eq)]
pub struct Logged {
    pub id: i64,
    pub sync: i64,
    pub run: i64,
    pub at: Timestamp,
    /// With its id.
    pub entry: Entry,
}

/// What is known of a record.
#[derive(Clone, PartialEq, Eq)]
pub struct Story {
    pub pair: Pair,
    /// Newest first.
    pub journal: Vec<Logged>,
    /// Newest first.
    pub reviews: Vec<Review>,
}

/// Entries read at once, and forgotten at once.
const ENTRIES_MAX: i64 = 1000;
const PART: i64 = 500;

impl Store {
    /// Writes down what is about to be written: their ids in the same order, `None` for
    /// one that must not be written because its person was erased meanwhile. `None` as a
    /// whole when another holds the run.
    pub fn intend(
        &self,
        hold: Hold,
        entries: Vec<Entry>,
        now: Timestamp,
    ) -> Boxed<'_, Option<Vec<Option<i64>>>> {
        Box::pin(async move {
            let keys = self.keys();
            let entries = entries.iter().map(|entry| SealedEntry::seal(&keys, entry));
            let entries = entries.collect::<Result<_>>()?;
            self.write(Intend { hold, entries, now: now.0 }).await
        })
    }

    /// What a run has written, newest first: below an id (all when `None`), at most 1,000.
    pub fn journal_of_run(
        &self,
        run: i64,
        before: Option<i64>,
        limit: usize,
    ) -> Boxed<'_, Vec<Logged>> {
        self.journal(Of::Run(run), before, limit)
    }

    /// What was written to the records of a pair, newest first, as above.
    pub fn journal_of_pair(
        &self,
        pair: i64,
        before: Option<i64>,
        limit: usize,
    ) -> Boxed<'_, Vec<Logged>> {
        self.journal(Of::Pair(pair), before, limit)
    }

    /// What runs of a sync were about to write and have not said more of, newest first, as above.
    pub fn intended(&self, sync: i64, before: Option<i64>, limit: usize) -> Boxed<'_, Vec<Logged>> {
        self.journal(Of::Intended(sync), before, limit)
    }

    fn journal(&self, of: Of, before: Option<i64>, limit: usize) -> Boxed<'_, Vec<Logged>> {
        Box::pin(async move {
            let limit = i64::try_from(limit).unwrap_or(ENTRIES_MAX).min(ENTRIES_MAX);
            let rows = self.read(&List { of, before: before.unwrap_or(i64::MAX), limit }).await?;
            self.unseal(|keys| rows.iter().map(|row| opened(keys, row)).collect()).await
        })
    }

    /// What is known of a record of one side: its pair, what was written, what was asked.
    pub fn sync_story<'a>(
        &'a self,
        sync: &'a Sync,
        side: usize,
        id: &'a str,
    ) -> Boxed<'a, Option<Story>> {
        Box::pin(async move {
            let Some(pair) = self.pair_of(sync, side, id).await? else { return Ok(None) };
            let journal = self.journal_of_pair(pair.seq, None, usize::MAX).await?;
            let reviews = self.reviews_of(pair.seq).await?;
            Ok(Some(Story { pair, journal, reviews }))
        })
    }

    /// Forgets entries, and reviews that nothing follows from, older than this, at most 500
    /// of each at once. Returns how many: 0 when there are none left.
    pub fn purge_journal(&self, before: Timestamp) -> Boxed<'_, u64> {
        Box::pin(async move { self.write(Purge { before: before.0 }).await })
    }
}

#[derive(Serialize, Deserialize)]
struct Head {
    #[serde(rename = "r")]
    record: String,
    #[serde(rename = "w")]
    why: String,
    #[serde(rename = "b")]
    before: usize,
}

/// An entry ready to be stored.
pub(super) struct SealedEntry {
    id: Option<i64>,
    pair: i64,
    side: i64,
    kind: String,
    state: EntryState,
    uid: Hash,
    sealed: Vec<u8>,
}

const ODD: Error = Error::Corrupt { what: "an entry's form" };

impl SealedEntry {
    pub(super) fn seal(keys: &Keyring, entry: &Entry) -> Result<Self> {
        let head = Head {
            record: entry.record.clone(),
            why: entry.why.clone(),
            before: entry.before.len(),
        };
        let head = encode(&head)?;
        let length = u32::try_from(head.len()).map_err(|_| ODD)?;
        let plain = [&length.to_le_bytes(), &head[..], &entry.before, &entry.after].concat();
        let mut uid = Hash::default();
        fill_random(&mut uid)?;
        Ok(Self {
            id: entry.id,
            pair: entry.pair,
            side: i64::from(entry.side == 1),
            kind: note(&entry.kind),
            state: entry.state,
            sealed: keys.seal("sync_journal.sealed", &uid, plain)?,
            uid,
        })
    }

    /// Its id; `None` where its person was erased.
    pub(super) async fn keep(&self, tx: &mut Tx<'_>, hold: Hold, now: i64) -> Result<Option<i64>> {
        const NEW: &str = "
            INSERT INTO sync_journal (sync, run, pair, side, kind, state, at, uid, sealed)
            SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9
            WHERE EXISTS (SELECT 1 FROM sync_pairs WHERE seq = ?3 AND state <> 4) /*pg: RETURNING id */";
        const OLD: &str = "
            UPDATE sync_journal SET state = ?2, uid = ?3, sealed = ?4 WHERE id = ?1 AND sync = ?5";
        let (state, uid, sealed) = (self.state as i64, (&self.uid).into(), self.sealed[..].into());
        if let Some(id) = self.id {
            let params = [id.into(), state.into(), uid, sealed, hold.sync.into()];
            let is_there = tx.execute(OLD, &params).await? == 1;
            return Ok(is_there.then_some(id));
        }
        let params = [
            hold.sync.into(),
            hold.run.into(),
            self.pair.into(),
            self.side.into(),
            self.kind.as_str().into(),
            state.into(),
            now.into(),
            uid,
            sealed,
        ];
        let row = tx.insert(NEW, &params).await?;
        row.map(|row| row.int(0)).transpose()
    }
}

macro_rules! entry_columns {
    ($after:literal) => {
        concat!(
            "SELECT id, sync, run, pair, side, kind, state, at, uid, sealed FROM sync_journal ",
            $after
        )
    };
}

fn opened(keys: &Keyring, row: &Row) -> Result<Logged> {
    let (id, state) = (row.int(0)?, usize::try_from(row.int(6)?).map_err(|_| ODD)?);
    let plain = keys.open("sync_journal.sealed", &row.hash(8)?, row.blob(9)?)?;
    let (length, rest) = plain.split_first_chunk::<4>().ok_or(ODD)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| ODD)?;
    let (head, values) = rest.split_at_checked(length).ok_or(ODD)?;
    let head: Head = decode(head)?;
    let (before, after) = values.split_at_checked(head.before).ok_or(ODD)?;
    let entry = Entry {
        id: Some(id),
        pair: row.int(3)?,
        side: usize::from(row.int(4)? == 1),
        record: head.record,
        kind: row.text(5)?.to_owned(),
        before: before.to_vec(),
        after: after.to_vec(),
        why: head.why,
        state: EntryState::ALL.get(state).copied().ok_or(ODD)?,
    };
    Ok(Logged { id, sync: row.int(1)?, run: row.int(2)?, at: Timestamp(row.int(7)?), entry })
}

struct Intend {
    hold: Hold,
    entries: Vec<SealedEntry>,
    now: i64,
}

impl Work for Intend {
    type Output = Option<Vec<Option<i64>>>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output> {
        tx.touched = Touched::Nothing;
        if held(tx, self.hold).await?.is_none() {
            return Ok(None);
        }
        let mut ids = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            ids.push(entry.keep(tx, self.hold, self.now).await?);
        }
        crash::point("sync.intended");
        Ok(Some(ids))
    }
}

enum Of {
    Run(i64),
    Pair(i64),
    Intended(i64),
}

struct List {
    of: Of,
    before: i64,
    limit: i64,
}

impl Work for List {
    type Output = Vec<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        let (sql, of) = match self.of {
            Of::Run(run) => {
                (entry_columns!("WHERE run = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"), run)
            }
            Of::Pair(pair) => {
                (entry_columns!("WHERE pair = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"), pair)
            }
            Of::Intended(sync) => {
                let sql = entry_columns!(
                    "WHERE state = 0 AND sync = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"
                );
                (sql, sync)
            }
        };
        tx.rows(sql, &[of.into(), self.before.into(), self.limit.into()]).await
    }
}

struct Purge {
    before: i64,
}

impl Work for Purge {
    type Output = u64;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<u64> {
        // Entries lie in the order of their making: where the oldest are young, all are.
        const ENTRIES: &str = "
            DELETE FROM sync_journal WHERE at < ?1 AND id IN (
                SELECT id FROM sync_journal ORDER BY id LIMIT ?2)";
        const REVIEWS: &str = "
            DELETE FROM sync_reviews WHERE id IN (
                SELECT id FROM sync_reviews WHERE state IN (2, 3) AND made_at < ?1 ORDER BY id LIMIT ?2)";
        tx.touched = Touched::Nothing;
        let params = [self.before.into(), PART.into()];
        Ok(tx.execute(ENTRIES, &params).await? + tx.execute(REVIEWS, &params).await?)
    }
}
