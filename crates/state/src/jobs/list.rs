//! Jobs as the operator sees them: without payloads, which stay sealed.

use super::{JobState, attempts};
use crate::error::{Boxed, Error, Result};
use crate::sql::{Param, Tx, Work};
use crate::store::Store;
use domain::{CallId, Timestamp};

/// A job as the operator sees it, without its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    pub id: i64,
    pub kind: String,
    /// Whose work it is.
    pub connection: String,
    pub state: JobState,
    pub attempts: u32,
    pub subject: Option<CallId>,
    /// When it may run; of a leased one, when the lease runs out.
    pub due_at: Timestamp,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// The last error, or why it was skipped.
    pub note: Option<String>,
}

/// How many jobs of a kind and a connection are in a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobCount {
    pub kind: String,
    pub connection: String,
    pub state: JobState,
    pub jobs: u64,
}

/// Which jobs to list; empty is all.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    pub state: Option<JobState>,
    pub kind: Option<String>,
    /// About this call.
    pub subject: Option<CallId>,
}

impl Store {
    /// Jobs as the operator sees them, newest first, at most 1000.
    pub fn jobs(&self, filter: JobFilter, limit: usize) -> Boxed<'_, Vec<JobRow>> {
        Box::pin(async move {
            self.read(&List { filter, limit: i64::try_from(limit.min(1000)).unwrap_or(1000) }).await
        })
    }

    /// The connections that jobs are there for, also those no longer configured.
    pub fn connections_with_jobs(&self) -> Boxed<'_, Vec<String>> {
        Box::pin(async move { self.read(&WithJobs).await })
    }

    /// How many jobs there are, by kind, connection and state.
    pub fn job_counts(&self) -> Boxed<'_, Vec<JobCount>> {
        Box::pin(async move { self.read(&Count).await })
    }
}

struct List {
    filter: JobFilter,
    limit: i64,
}

impl Work for List {
    type Output = Vec<JobRow>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<JobRow>> {
        const SQL: &str = "
            SELECT id, kind, state, attempts, call, due_at, created_at, updated_at, note, connection FROM jobs
            WHERE (?1 = '' OR state = ?1) AND (?2 = '' OR kind = ?2) AND (?4 = '' OR call = ?4)
            ORDER BY id DESC LIMIT ?3";
        let state: Param<'_> = self.filter.state.map_or("", JobState::as_str).into();
        let kind: Param<'_> = self.filter.kind.as_deref().unwrap_or_default().into();
        let subject: Param<'_> = self.filter.subject.as_ref().map_or("", CallId::as_str).into();
        let rows = tx.rows(SQL, &[state, kind, self.limit.into(), subject]).await?;
        rows.iter()
            .map(|row| {
                Ok(JobRow {
                    id: row.int(0)?,
                    kind: row.text(1)?.to_owned(),
                    state: state_of(row.text(2)?)?,
                    attempts: attempts(row.int(3)?),
                    subject: row.opt_text(4)?.and_then(CallId::new),
                    due_at: Timestamp(row.int(5)?),
                    created_at: Timestamp(row.int(6)?),
                    updated_at: Timestamp(row.int(7)?),
                    note: row.opt_text(8)?.map(str::to_owned),
                    connection: row.text(9)?.to_owned(),
                })
            })
            .collect()
    }
}

fn state_of(text: &str) -> Result<JobState> {
    JobState::parse(text).ok_or(Error::Corrupt { what: "a job's state" })
}

struct Count;

impl Work for Count {
    type Output = Vec<JobCount>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<JobCount>> {
        const SQL: &str =
            "SELECT kind, connection, state, count(*) FROM jobs GROUP BY 1, 2, 3 ORDER BY 1, 2, 3";
        let rows = tx.rows(SQL, &[]).await?;
        rows.iter()
            .map(|row| {
                Ok(JobCount {
                    kind: row.text(0)?.to_owned(),
                    connection: row.text(1)?.to_owned(),
                    state: state_of(row.text(2)?)?,
                    jobs: u64::try_from(row.int(3)?).unwrap_or(0),
                })
            })
            .collect()
    }
}

struct WithJobs;

impl Work for WithJobs {
    type Output = Vec<String>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<String>> {
        const SQL: &str = "SELECT DISTINCT connection FROM jobs ORDER BY connection";
        let rows = tx.rows(SQL, &[]).await?;
        rows.iter().map(|row| row.text(0).map(str::to_owned)).collect()
    }
}
