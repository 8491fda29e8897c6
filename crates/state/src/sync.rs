//! Contact sync: which records of two systems are one person, and how far each is read.
//!
//! A run holds its sync under a lease ([`run`]). What a side says is taken in pages, each
//! one commit together with the cursor behind it ([`page`]; invariant 4): copies are kept,
//! what changed waits. What waits is settled in batches, one commit each, where nothing
//! changed meanwhile ([`settle`]); what is about to be written elsewhere is written down
//! before ([`journal`]). So whoever is killed has lost nothing: what was not settled still
//! waits (invariants 3 and 10). What lost a conflict stays in the journal, and a person is
//! asked by [`review`] (invariant 6). Copies, ids and values are sealed, and found by keyed
//! hashes (invariant 9).

mod alias;
mod asked;
mod copy;
mod dissolve;
mod drift;
mod failure;
mod follow;
pub(crate) mod forget;
mod journal;
mod nudge;
mod one;
mod others;
mod page;
mod read;
mod review;
mod run;
mod settle;

pub use copy::{Copy, Half, Key, Pair, PairState};
pub use dissolve::Dissolved;
pub use drift::Drift;
pub use failure::{Failed, Failure, Redrive};
pub use follow::Follower;
pub use forget::Kept;
pub use journal::{Entry, EntryState, Logged};
pub use nudge::Nudged;
pub use others::{Candidate, Others};
pub use page::{Arrival, Page, Paged, Taken};
pub use read::Waiting;
pub use review::{NewReview, Review, ReviewState};
pub use run::{Begun, Hold, NewRun, Run, RunKind};
pub use settle::{Outcome, Settled};

pub use crate::reconcile::{Counts, RunState};

pub(crate) use copy::{base_place, place};

use crate::audit::{Act, Sealed};
use crate::error::{Boxed, Error, Result};
use crate::keys::Keyring;
use crate::sql::{Param, Row, Touched, Tx, Work};
use crate::store::Store;
use domain::Timestamp;

/// The two sides by their index: 0 left, 1 right.
pub const SIDES: [&str; 2] = ["left", "right"];

/// A sync as it stands.
#[derive(Clone, PartialEq, Eq)]
pub struct Sync {
    pub id: i64,
    pub name: String,
    /// Left and right, as they were when the sync was first seen: what is kept is theirs.
    pub connections: [String; 2],
    /// Where reading goes on; `None`: at the beginning.
    pub cursors: [Option<String>; 2],
    /// How often each side was begun from nothing.
    pub passes: [i64; 2],
    pub pairs: u64,
    pub approved_at: Option<Timestamp>,
    pub approved_by: Option<String>,
    /// Why it is paused.
    pub paused: Option<String>,
    /// The engine's word; empty at first.
    pub phase: String,
    pub created_at: Timestamp,
    pub(crate) stages: [i64; 2],
}

impl Sync {
    /// Somebody has seen a plan and said that it may run.
    #[must_use]
    pub fn is_approved(&self) -> bool {
        self.approved_at.is_some()
    }
}

/// What a person changes about a sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Approve,
    /// It has to be approved anew.
    Disapprove,
    Pause(String),
    Resume,
    Phase(String),
}

impl Store {
    /// The sync of this name, made at first sight. Its connections stay those it was made
    /// with: whoever configures others sees that in [`Sync::connections`].
    pub fn sync<'a>(
        &'a self,
        name: &'a str,
        connections: [&'a str; 2],
        now: Timestamp,
    ) -> Boxed<'a, Sync> {
        Box::pin(async move {
            if let Some(known) = self.find_sync(name).await? {
                return Ok(known);
            }
            let connections = connections.map(str::to_owned);
            self.write(Make { name: name.to_owned(), connections, now: now.0 }).await?;
            self.find_sync(name).await?.ok_or(Error::Corrupt { what: "a sync just made" })
        })
    }

    /// The sync of this name, if it was ever seen.
    pub fn find_sync<'a>(&'a self, name: &'a str) -> Boxed<'a, Option<Sync>> {
        Box::pin(async move {
            let row = self.read(&ByName { name }).await?;
            self.unseal(|keys| row.as_ref().map(|row| opened(keys, row)).transpose()).await
        })
    }

    /// Every sync that was ever seen, by name, at most 1,000.
    pub fn syncs(&self) -> Boxed<'_, Vec<Sync>> {
        Box::pin(async move {
            let rows = self.read(&All).await?;
            self.unseal(|keys| rows.iter().map(|row| opened(keys, row)).collect()).await
        })
    }

    /// Changes a sync and writes down who did. False where there is none of this name.
    pub fn change_sync<'a>(
        &'a self,
        name: &'a str,
        change: Change,
        act: Act,
        now: Timestamp,
    ) -> Boxed<'a, bool> {
        Box::pin(async move {
            let by = act.actor.clone();
            let act = Sealed::seal(self.keys(), act, now)?;
            self.write(ChangeWork { name: name.to_owned(), change, by, act, now: now.0 }).await
        })
    }

    pub(crate) async fn sync_of(&self, id: i64) -> Result<Option<Sync>> {
        let row = self.read(&ById { id }).await?;
        self.unseal(|keys| row.as_ref().map(|row| opened(keys, row)).transpose()).await
    }
}

/// Writes a statement for one side: `own_` and `other_` become the columns of the sides.
pub(crate) fn sided(sql: &str, side: usize) -> String {
    let (own, other) = if side == 0 { ("left_", "right_") } else { ("right_", "left_") };
    sql.replace("own_", own).replace("other_", other)
}

/// What a cursor is sealed to.
pub(crate) fn cursor_place(sync: i64) -> Vec<u8> {
    sync.to_le_bytes().to_vec()
}

const CURSORS: [&str; 2] = ["syncs.left_cursor", "syncs.right_cursor"];

macro_rules! sync_columns {
    ($after:literal) => {
        concat!(
            "SELECT id, name, left_connection, right_connection, left_cursor, right_cursor, left_pass, ",
            "right_pass, pairs, approved_at, approved_by, paused, phase, created_at, left_stage, right_stage ",
            "FROM syncs ",
            $after
        )
    };
}

fn opened(keys: &Keyring, row: &Row) -> Result<Sync> {
    let id = row.int(0)?;
    let cursor = |side: usize| -> Result<Option<String>> {
        let Some(sealed) = row.opt_blob(4 + side)? else { return Ok(None) };
        let plain = keys.open(CURSORS[side], &cursor_place(id), sealed)?;
        String::from_utf8(plain).map(Some).map_err(|_| Error::Corrupt { what: "a cursor" })
    };
    Ok(Sync {
        id,
        name: row.text(1)?.to_owned(),
        connections: [row.text(2)?.to_owned(), row.text(3)?.to_owned()],
        cursors: [cursor(0)?, cursor(1)?],
        passes: [row.int(6)?, row.int(7)?],
        pairs: row.int(8)?.unsigned_abs(),
        approved_at: row.opt_int(9)?.map(Timestamp),
        approved_by: row.opt_text(10)?.map(str::to_owned),
        paused: row.opt_text(11)?.map(str::to_owned),
        phase: row.text(12)?.to_owned(),
        created_at: Timestamp(row.int(13)?),
        stages: [row.int(14)?, row.int(15)?],
    })
}

struct Make {
    name: String,
    connections: [String; 2],
    now: i64,
}

impl Work for Make {
    type Output = ();
    async fn run(&self, tx: &mut Tx<'_>) -> Result<()> {
        const SQL: &str = "
            INSERT INTO syncs (name, left_connection, right_connection, left_pass, right_pass,
                left_stage, right_stage, pairs, phase, created_at, updated_at)
            VALUES (?1, ?2, ?3, 0, 0, 0, 0, 0, '', ?4, ?4)
            ON CONFLICT (name) DO NOTHING";
        tx.touched = Touched::Nothing;
        let [left, right] = &self.connections;
        let params = [
            self.name.as_str().into(),
            left.as_str().into(),
            right.as_str().into(),
            self.now.into(),
        ];
        tx.execute(SQL, &params).await.map(drop)
    }
}

struct ByName<'a> {
    name: &'a str,
}

impl Work for ByName<'_> {
    type Output = Option<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<Row>> {
        tx.row(sync_columns!("WHERE name = ?1"), &[self.name.into()]).await
    }
}

struct ById {
    id: i64,
}

impl Work for ById {
    type Output = Option<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<Row>> {
        tx.row(sync_columns!("WHERE id = ?1"), &[self.id.into()]).await
    }
}

struct All;

impl Work for All {
    type Output = Vec<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        tx.rows(sync_columns!("ORDER BY name LIMIT 1000"), &[]).await
    }
}

struct ChangeWork {
    name: String,
    change: Change,
    by: String,
    act: Sealed,
    now: i64,
}

impl Work for ChangeWork {
    type Output = bool;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool> {
        const APPROVE: &str = "
            UPDATE syncs SET updated_at = ?2, approved_at = ?2, approved_by = ?3 WHERE name = ?1";
        const DISAPPROVE: &str = "
            UPDATE syncs SET updated_at = ?2, approved_at = NULL, approved_by = NULL WHERE name = ?1";
        const PAUSE: &str = "UPDATE syncs SET updated_at = ?2, paused = ?3 WHERE name = ?1";
        const RESUME: &str = "UPDATE syncs SET updated_at = ?2, paused = NULL WHERE name = ?1";
        const PHASE: &str = "UPDATE syncs SET updated_at = ?2, phase = ?3 WHERE name = ?1";
        tx.touched = Touched::Nothing;
        let (sql, text) = match &self.change {
            Change::Approve => (APPROVE, Some(crate::jobs::note(&self.by))),
            Change::Disapprove => (DISAPPROVE, None),
            Change::Pause(why) => (PAUSE, Some(crate::jobs::note(why))),
            Change::Resume => (RESUME, None),
            Change::Phase(phase) => (PHASE, Some(crate::jobs::note(phase))),
        };
        let mut params = vec![self.name.as_str().into(), self.now.into()];
        params.extend(text.as_deref().map(Param::from));
        let is_there = tx.execute(sql, &params).await? == 1;
        if is_there {
            self.act.append(tx).await?;
        }
        Ok(is_there)
    }
}
