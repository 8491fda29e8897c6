//! Jobs as the operator sees them: without payloads, which stay sealed.

use super::{JobState, attempts};
use crate::error::{Error, Result};
use crate::sql::{Param, Tx, Work};
use crate::store::Store;
use domain::{CallId, Timestamp};

/// A job as the operator sees it, without its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    pub id: i64,
    pub kind: String,
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

/// How many jobs of a kind are in a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobCount {
    pub kind: String,
    pub state: JobState,
    pub jobs: u64,
}

/// Which jobs to list; empty is all.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    pub state: Option<JobState>,
    pub kind: Option<String>,
}

impl Store {
    /// Jobs as the operator sees them, newest first, at most 1000.
    pub async fn jobs(&self, filter: JobFilter, limit: usize) -> Result<Vec<JobRow>> {
        self.read(&List { filter, limit: i64::try_from(limit.min(1000)).unwrap_or(1000) }).await
    }

    /// How many jobs there are, by kind and state.
    pub async fn job_counts(&self) -> Result<Vec<JobCount>> {
        self.read(&Count).await
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
            SELECT id, kind, state, attempts, call, due_at, created_at, updated_at, note FROM jobs
            WHERE (?1 = '' OR state = ?1) AND (?2 = '' OR kind = ?2) ORDER BY id DESC LIMIT ?3";
        let state: Param<'_> = self.filter.state.map_or("", JobState::as_str).into();
        let kind: Param<'_> = self.filter.kind.as_deref().unwrap_or_default().into();
        let rows = tx.rows(SQL, &[state, kind, self.limit.into()]).await?;
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
            "SELECT kind, state, count(*) FROM jobs GROUP BY kind, state ORDER BY kind, state";
        let rows = tx.rows(SQL, &[]).await?;
        rows.iter()
            .map(|row| {
                Ok(JobCount {
                    kind: row.text(0)?.to_owned(),
                    state: state_of(row.text(1)?)?,
                    jobs: u64::try_from(row.int(2)?).unwrap_or(0),
                })
            })
            .collect()
    }
}
