//! Runs of a sync: one at a time for each, held by one worker under a lease.
//!
//! Whoever has lost the hold writes nothing any more: every write of a run looks for its
//! token first, in its own transaction.

mod lease;

pub(super) use lease::{count, held};

use crate::crash;
use crate::error::{Boxed, Error, Result};
use crate::jobs::note;
use crate::keys::fill_random;
use crate::reconcile::{Counts, RunState};
use crate::sql::{Param, Row, Touched, Tx, Work};
use crate::store::Store;
use domain::Timestamp;
use lease::{End, HoldOn, Move, Take};
use std::time::Duration;

macro_rules! run_columns {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            " id, sync, kind, of_run, is_dry, due_at, asked_by, state, step, cursor, counts, note, ",
            "started_at, updated_at, ended_at ",
            $after
        )
    };
}
use run_columns;

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunKind {
    /// Both sides are made the same.
    Run,
    /// What a run would do.
    Plan,
    /// What another run did is taken back.
    Undo,
    /// How far both sides are apart is measured.
    Measure,
    /// What a run would do if the sync were configured otherwise.
    Rehearsal,
    /// As a run, of those alone that a side has told of by itself.
    Push,
    /// As a run, of the sides alone that tell what changed.
    Nudge,
}

impl RunKind {
    pub const ALL: [Self; 7] = [
        Self::Run,
        Self::Plan,
        Self::Undo,
        Self::Measure,
        Self::Rehearsal,
        Self::Push,
        Self::Nudge,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Plan => "plan",
            Self::Undo => "undo",
            Self::Measure => "measure",
            Self::Rehearsal => "rehearsal",
            Self::Push => "push",
            Self::Nudge => "nudge",
        }
    }

    /// Is something written that could be taken back?
    #[must_use]
    pub fn is_sync(self) -> bool {
        matches!(self, Self::Run | Self::Push | Self::Nudge)
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A run that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun {
    pub kind: RunKind,
    /// The run that is to be undone.
    pub of: Option<i64>,
    /// Nothing is written to others.
    pub is_dry: bool,
    /// The time of the schedule that it is for; such a time has one run of a sync, ever.
    pub due_at: Option<Timestamp>,
    /// Who asked: a key's id, a command, or the schedule.
    pub by: String,
}

/// What became of asking for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    Started {
        run: i64,
    },
    /// Another of this sync is under way.
    Busy {
        run: i64,
    },
    /// The schedule's time has had its run.
    Had,
}

/// A run as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub id: i64,
    pub sync: i64,
    pub kind: RunKind,
    pub of: Option<i64>,
    pub is_dry: bool,
    pub due_at: Option<Timestamp>,
    pub by: String,
    pub state: RunState,
    /// Where it is, in the engine's words; empty at the beginning.
    pub step: String,
    /// Where the step goes on; nothing personal.
    pub cursor: Option<String>,
    pub counts: Counts,
    pub note: Option<String>,
    pub started_at: Timestamp,
    pub updated_at: Timestamp,
    pub ended_at: Option<Timestamp>,
}

/// Proof that a worker holds a run, for as long as nobody takes it after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    pub run: i64,
    pub sync: i64,
    token: i64,
}

/// Runs of a sync, of each kind, that are kept; older ones are forgotten as new ones begin.
const RUNS_KEPT: i64 = 1000;

impl Store {
    /// Begins a run of a sync, if none of it is under way.
    pub fn begin_sync_run(&self, sync: i64, new: NewRun, now: Timestamp) -> Boxed<'_, Begun> {
        Box::pin(async move { self.write(Begin { sync, new, now: now.0 }).await })
    }

    /// Takes a run under way for a while, of whatever sync, that nobody else holds.
    pub fn take_sync_run(
        &self,
        hold_for: Duration,
        now: Timestamp,
    ) -> Boxed<'_, Option<(Hold, Run)>> {
        Box::pin(async move {
            // Where there is none this is a read.
            let Some(id) = self.read(&Free { now: now.0 }).await? else { return Ok(None) };
            let mut token = [0; 8];
            fill_random(&mut token)?;
            let token = i64::from_le_bytes(token);
            let row =
                self.write(Take { id, token, until: now.plus(hold_for).0, now: now.0 }).await?;
            let Some(row) = row else { return Ok(None) };
            let run = run(&row)?;
            let hold = Hold { run: run.id, sync: run.sync, token };
            self.finish_passes(hold, now).await?;
            Ok(Some((hold, run)))
        })
    }

    /// Holds the run for longer; false when another has taken it, or it has ended.
    pub fn hold_sync_run(&self, hold: Hold, hold_for: Duration, now: Timestamp) -> Boxed<'_, bool> {
        Box::pin(async move {
            self.write(HoldOn { hold, until: now.plus(hold_for).0, now: now.0 }).await
        })
    }

    /// Says where the run is, and adds to its counts. False when another holds it.
    pub fn move_sync_run(
        &self,
        hold: Hold,
        place: Option<(String, Option<String>)>,
        counts: Counts,
        now: Timestamp,
    ) -> Boxed<'_, bool> {
        Box::pin(async move { self.write(Move { hold, place, counts, now: now.0 }).await })
    }

    /// Ends a run. False when another holds it.
    pub fn end_sync_run(
        &self,
        hold: Hold,
        state: RunState,
        why: Option<String>,
        now: Timestamp,
    ) -> Boxed<'_, bool> {
        Box::pin(async move {
            let why = why.map(|why| note(&why));
            self.write(End { hold, state, why, now: now.0 }).await
        })
    }

    /// Runs with an id below `before` (all when `None`), of one sync or of all, newest
    /// first, at most 1,000.
    pub fn sync_runs(
        &self,
        sync: Option<i64>,
        before: Option<i64>,
        limit: usize,
    ) -> Boxed<'_, Vec<Run>> {
        Box::pin(async move {
            let limit = i64::try_from(limit).unwrap_or(RUNS_KEPT).min(RUNS_KEPT);
            let rows = self.read(&Runs { sync, before: before.unwrap_or(i64::MAX), limit }).await?;
            rows.iter().map(run).collect()
        })
    }

    /// Runs of one kind of a sync, newest first, at most 1,000.
    pub fn sync_runs_of(&self, sync: i64, kind: RunKind, limit: usize) -> Boxed<'_, Vec<Run>> {
        Box::pin(async move {
            let limit = i64::try_from(limit).unwrap_or(RUNS_KEPT).min(RUNS_KEPT);
            let rows = self.read(&OfKind { sync, kind, limit }).await?;
            rows.iter().map(run).collect()
        })
    }

    /// One run.
    pub fn sync_run(&self, id: i64) -> Boxed<'_, Option<Run>> {
        Box::pin(async move { self.read(&One { id }).await?.map(|row| run(&row)).transpose() })
    }
}

fn run(row: &Row) -> Result<Run> {
    const ODD: Error = Error::Corrupt { what: "a run's words" };
    Ok(Run {
        id: row.int(0)?,
        sync: row.int(1)?,
        kind: RunKind::parse(row.text(2)?).ok_or(ODD)?,
        of: row.opt_int(3)?,
        is_dry: row.int(4)? != 0,
        due_at: row.opt_int(5)?.map(Timestamp),
        by: row.text(6)?.to_owned(),
        state: RunState::parse(row.text(7)?).ok_or(ODD)?,
        step: row.text(8)?.to_owned(),
        cursor: row.opt_text(9)?.map(str::to_owned),
        counts: serde_json::from_str(row.text(10)?).map_err(|_| ODD)?,
        note: row.opt_text(11)?.map(str::to_owned),
        started_at: Timestamp(row.int(12)?),
        updated_at: Timestamp(row.int(13)?),
        ended_at: row.opt_int(14)?.map(Timestamp),
    })
}

struct Begin {
    sync: i64,
    new: NewRun,
    now: i64,
}

impl Work for Begin {
    type Output = Begun;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Begun> {
        const UNDER_WAY: &str = "SELECT id FROM sync_runs WHERE sync = ?1 AND slot = 1";
        const SQL: &str = "
            INSERT INTO sync_runs (sync, slot, kind, of_run, is_dry, due_at, asked_by, state, step, counts,
                started_at, updated_at, held_until)
            VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6, 'waiting', '', '{}', ?7, ?7, 0)
            ON CONFLICT DO NOTHING
            RETURNING id";
        const FORGET: &str = "
            DELETE FROM sync_runs WHERE sync = ?1 AND kind = ?3 AND slot IS NULL AND id <= (
                SELECT id FROM sync_runs WHERE sync = ?1 AND kind = ?3
                ORDER BY id DESC LIMIT 1 OFFSET ?2)";
        tx.touched = Touched::Nothing;
        let by = note(&self.new.by);
        let params = [
            self.sync.into(),
            self.new.kind.as_str().into(),
            self.new.of.into(),
            i64::from(self.new.is_dry).into(),
            self.new.due_at.map(|at| at.0).into(),
            by.as_str().into(),
            self.now.into(),
        ];
        let Some(row) = tx.row(SQL, &params).await? else {
            let busy = tx.row(UNDER_WAY, &[self.sync.into()]).await?;
            return busy.map_or(Ok(Begun::Had), |row| Ok(Begun::Busy { run: row.int(0)? }));
        };
        crash::point("sync.begun");
        let kind = self.new.kind.as_str();
        tx.execute(FORGET, &[self.sync.into(), RUNS_KEPT.into(), kind.into()]).await?;
        Ok(Begun::Started { run: row.int(0)? })
    }
}

struct Free {
    now: i64,
}

impl Work for Free {
    type Output = Option<i64>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<i64>> {
        const SQL: &str = "
            SELECT id FROM sync_runs WHERE slot = 1 AND held_until <= ?1 ORDER BY updated_at, id LIMIT 1";
        tx.row(SQL, &[self.now.into()]).await?.map(|row| row.int(0)).transpose()
    }
}

struct Runs {
    sync: Option<i64>,
    before: i64,
    limit: i64,
}

impl Work for Runs {
    type Output = Vec<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        let all = run_columns!("SELECT", "FROM sync_runs WHERE id < ?1 ORDER BY id DESC LIMIT ?2");
        let one = run_columns!(
            "SELECT",
            "FROM sync_runs WHERE id < ?1 AND sync = ?3 ORDER BY id DESC LIMIT ?2"
        );
        let mut params = vec![self.before.into(), self.limit.into()];
        params.extend(self.sync.map(Param::from));
        tx.rows(if self.sync.is_some() { one } else { all }, &params).await
    }
}

struct OfKind {
    sync: i64,
    kind: RunKind,
    limit: i64,
}

impl Work for OfKind {
    type Output = Vec<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        let sql = run_columns!(
            "SELECT",
            "FROM sync_runs WHERE sync = ?1 AND kind = ?2 ORDER BY id DESC LIMIT ?3"
        );
        let params = [self.sync.into(), self.kind.as_str().into(), self.limit.into()];
        tx.rows(sql, &params).await
    }
}

struct One {
    id: i64,
}

impl Work for One {
    type Output = Option<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<Row>> {
        tx.row(run_columns!("SELECT", "FROM sync_runs WHERE id = ?1"), &[self.id.into()]).await
    }
}
