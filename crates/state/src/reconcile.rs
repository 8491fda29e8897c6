//! Runs of reconciliation: which is under way, how far it is, what it came to.
//!
//! Of all processes one works on the one run there is, under a lease. What a run finds
//! out of calls, their jobs and the run's cursor are one commit ([`page`]): a run that
//! is killed goes on where it was, and a call is counted once (invariants 3, 4 and 10).
//! A call that somebody has identified meanwhile is left alone.

mod ends;
mod page;
mod read;

pub use page::{ERASED, Found, Note, Page, Paged};
pub use read::{Before, Noted, RunJobs, Told, Unresolved};

use crate::crash;
use crate::error::{Boxed, Error, Result};
use crate::keys::fill_random;
use crate::sql::{Row, Touched, Tx, Work};
use crate::store::Store;
use domain::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// How many calls came to what, by the words of [`Note::what`].
pub type Counts = BTreeMap<String, u64>;

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// Nobody works on it yet.
    Waiting,
    Running,
    /// It has looked at everything.
    Done,
    /// It has ended before that, or something failed for good: its note says why.
    Partial,
}

impl RunState {
    const ALL: [Self; 4] = [Self::Waiting, Self::Running, Self::Done, Self::Partial];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Partial => "partial",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// What a run goes through, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// What the contact center remembers of calls.
    History,
    /// Calls of our own that are known by a number alone.
    Calls,
    /// Waits until others have been told, and notes what could not be.
    Writes,
}

impl Step {
    const ALL: [Self; 3] = [Self::History, Self::Calls, Self::Writes];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::History => "history",
            Self::Calls => "calls",
            Self::Writes => "writes",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.as_str() == text)
    }
}

/// A run that is asked for.
#[derive(Debug, Clone, Copy)]
pub struct NewRun {
    /// The time of the schedule that it is for; such a time has one run, ever.
    pub due_at: Option<Timestamp>,
    /// Finds out and writes nothing.
    pub is_dry: bool,
    /// Calls from then on,
    pub since: Timestamp,
    /// and before then.
    pub until: Timestamp,
}

/// What became of asking for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    Started {
        run: i64,
    },
    /// Another is under way.
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
    pub due_at: Option<Timestamp>,
    pub is_dry: bool,
    pub since: Timestamp,
    pub until: Timestamp,
    pub state: RunState,
    pub step: Step,
    /// Where the step goes on, in its own words.
    pub cursor: Option<String>,
    /// When the call was that it came to last.
    pub reached: Option<Timestamp>,
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
    token: i64,
}

/// Runs that are kept; older ones are forgotten as new ones begin.
const RUNS_KEPT: i64 = 100;

impl Store {
    /// Begins a run, if none is under way.
    pub fn begin_run(&self, new: NewRun, now: Timestamp) -> Boxed<'_, Begun> {
        Box::pin(async move { self.write(Begin { new, now: now.0 }).await })
    }

    /// Takes the run under way for a while, unless another holds it.
    pub fn take_run(&self, hold_for: Duration, now: Timestamp) -> Boxed<'_, Option<(Hold, Run)>> {
        Box::pin(async move {
            // Where there is none this is a read.
            let free = self.read(&Free { now: now.0 }).await?;
            if !free {
                return Ok(None);
            }
            let mut token = [0; 8];
            fill_random(&mut token)?;
            let token = i64::from_le_bytes(token);
            let until = now.plus(hold_for).0;
            let row = self.write(Take { token, until, now: now.0 }).await?;
            row.map(|row| run(&row).map(|run| (Hold { run: run.id, token }, run))).transpose()
        })
    }

    /// Holds the run for longer; false when another has taken it.
    pub fn hold_run(&self, hold: Hold, hold_for: Duration, now: Timestamp) -> Boxed<'_, bool> {
        Box::pin(async move {
            let until = now.plus(hold_for).0;
            self.write(ends::HoldOn { hold, until, now: now.0 }).await
        })
    }

    /// Runs, newest first, at most 100.
    pub fn runs(&self, limit: usize) -> Boxed<'_, Vec<Run>> {
        Box::pin(async move {
            let limit = i64::try_from(limit).unwrap_or(RUNS_KEPT).min(RUNS_KEPT);
            let rows = self.read(&Runs { limit }).await?;
            rows.iter().map(run).collect()
        })
    }

    /// One run.
    pub fn run(&self, id: i64) -> Boxed<'_, Option<Run>> {
        Box::pin(async move { self.read(&One { id }).await?.map(|row| run(&row)).transpose() })
    }
}

macro_rules! run_columns {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            " id, due_at, is_dry, since_at, until_at, state, step, cursor, counts, note, started_at, ",
            "updated_at, ended_at, reached_at ",
            $after
        )
    };
}

fn run(row: &Row) -> Result<Run> {
    const ODD: Error = Error::Corrupt { what: "a run's words" };
    Ok(Run {
        id: row.int(0)?,
        due_at: row.opt_int(1)?.map(Timestamp),
        is_dry: row.int(2)? != 0,
        since: Timestamp(row.int(3)?),
        until: Timestamp(row.int(4)?),
        state: RunState::parse(row.text(5)?).ok_or(ODD)?,
        step: Step::parse(row.text(6)?).ok_or(ODD)?,
        cursor: row.opt_text(7)?.map(str::to_owned),
        counts: serde_json::from_str(row.text(8)?).map_err(|_| ODD)?,
        note: row.opt_text(9)?.map(str::to_owned),
        started_at: Timestamp(row.int(10)?),
        updated_at: Timestamp(row.int(11)?),
        ended_at: row.opt_int(12)?.map(Timestamp),
        reached: row.opt_int(13)?.map(Timestamp),
    })
}

struct Begin {
    new: NewRun,
    now: i64,
}

impl Work for Begin {
    type Output = Begun;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Begun> {
        const UNDER_WAY: &str = "SELECT id FROM reconcile_runs WHERE slot = 1";
        const SQL: &str = "
            INSERT INTO reconcile_runs (slot, due_at, is_dry, since_at, until_at, jobs_after, state, step, counts,
                started_at, updated_at, held_until)
            VALUES (1, ?1, ?2, ?3, ?4, coalesce((SELECT max(id) FROM jobs), 0), 'waiting', 'history', '{}', ?5, ?5, 0)
            ON CONFLICT DO NOTHING
            RETURNING id";
        const OLD: &str =
            "SELECT id FROM reconcile_runs WHERE slot IS NULL ORDER BY id DESC LIMIT 1 OFFSET ?1";
        const FORGET_CALLS: &str = "DELETE FROM reconcile_calls WHERE run = ?1";
        const FORGET: &str = "DELETE FROM reconcile_runs WHERE id = ?1";
        tx.touched = Touched::Nothing;
        let params = [
            self.new.due_at.map(|at| at.0).into(),
            i64::from(self.new.is_dry).into(),
            self.new.since.0.into(),
            self.new.until.0.into(),
            self.now.into(),
        ];
        let Some(row) = tx.row(SQL, &params).await? else {
            let busy = tx.row(UNDER_WAY, &[]).await?;
            return busy.map_or(Ok(Begun::Had), |row| Ok(Begun::Busy { run: row.int(0)? }));
        };
        crash::point("reconcile.begun");
        if let Some(old) = tx.row(OLD, &[RUNS_KEPT.into()]).await? {
            let old = old.int(0)?;
            tx.execute(FORGET_CALLS, &[old.into()]).await?;
            tx.execute(FORGET, &[old.into()]).await?;
        }
        Ok(Begun::Started { run: row.int(0)? })
    }
}

struct Free {
    now: i64,
}

impl Work for Free {
    type Output = bool;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool> {
        const SQL: &str = "SELECT id FROM reconcile_runs WHERE slot = 1 AND held_until <= ?1";
        Ok(tx.row(SQL, &[self.now.into()]).await?.is_some())
    }
}

struct Take {
    token: i64,
    until: i64,
    now: i64,
}

impl Work for Take {
    type Output = Option<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<Row>> {
        tx.touched = Touched::Nothing;
        let sql = run_columns!(
            "UPDATE reconcile_runs SET state = 'running', lease = ?1, held_until = ?2, updated_at = ?3
             WHERE slot = 1 AND held_until <= ?3 RETURNING",
            ""
        );
        let taken = tx.row(sql, &[self.token.into(), self.until.into(), self.now.into()]).await?;
        crash::point("reconcile.leased");
        Ok(taken)
    }
}

struct Runs {
    limit: i64,
}

impl Work for Runs {
    type Output = Vec<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        let sql = run_columns!("SELECT", "FROM reconcile_runs ORDER BY id DESC LIMIT ?1");
        tx.rows(sql, &[self.limit.into()]).await
    }
}

struct One {
    id: i64,
}

impl Work for One {
    type Output = Option<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<Row>> {
        tx.row(run_columns!("SELECT", "FROM reconcile_runs WHERE id = ?1"), &[self.id.into()]).await
    }
}
