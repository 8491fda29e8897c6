//! What a run reads: calls that are known by a number alone, what it has noted, and
//! what became of telling others.

use crate::calls::{OneCall, StoredCall, call_columns, stored};
use crate::error::{Boxed, Result};
use crate::sql::{Row, Tx, Work};
use crate::store::Store;
use domain::{CallId, Timestamp};

/// A call of a run of which others could not be told all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub call: CallId,
    pub reason: String,
    /// It is given up, or still fails.
    pub has_failed: bool,
}

/// A call as a run has noted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    pub call: String,
    pub what: String,
    pub reason: String,
}

/// Calls known by less than a record, with where to go on.
#[derive(Debug, Clone)]
pub struct Unresolved {
    pub calls: Vec<StoredCall>,
    /// After the last of them; `None`: there are no more.
    pub next: Option<String>,
}

/// What a run knows of a call before it looks at it.
#[derive(Debug, Clone)]
pub struct Before {
    pub is_noted: bool,
    pub stored: Option<StoredCall>,
}

impl Store {
    /// Calls of a span that are known by less than a record, oldest first. A cursor that
    /// cannot be read begins anew.
    pub fn unresolved_calls<'a>(
        &'a self,
        (since, until): (Timestamp, Timestamp),
        after: Option<&'a str>,
        limit: usize,
    ) -> Boxed<'a, Unresolved> {
        Box::pin(async move {
            let place = after.and_then(|text| {
                let (at, seq) = text.split_once(' ')?;
                Some((at.parse().ok()?, seq.parse().ok()?))
            });
            let limit = i64::try_from(limit.min(1_000)).unwrap_or(1_000);
            let work = Page { since, until, after: place.unwrap_or((i64::MIN, 0)), limit };
            let rows = self.read(&work).await?;
            let calls =
                self.unseal(|keys| rows.iter().map(|row| stored(keys, row)).collect()).await?;
            let next = match rows.last() {
                Some(last) if rows.len().cast_signed() as i64 == limit => {
                    Some(format!("{} {}", last.int(8)?, last.int(15)?))
                }
                _ => None,
            };
            Ok(Unresolved { calls, next })
        })
    }

    /// What is known of calls before a run looks at them, in order.
    pub fn before_run<'a>(&'a self, run: i64, calls: &'a [CallId]) -> Boxed<'a, Vec<Before>> {
        Box::pin(async move {
            let rows = self.read(&BeforeRun { run, calls }).await?;
            self.unseal(|keys| {
                let each = rows.iter().map(|(is_noted, row)| {
                    let stored = row.as_ref().map(|row| stored(keys, row)).transpose()?;
                    Ok(Before { is_noted: *is_noted, stored })
                });
                each.collect()
            })
            .await
        })
    }

    /// What has become of telling others of a run's calls: how many jobs still go on
    /// (those that have failed before not among them), and what ended otherwise than well.
    pub fn run_jobs<'a>(&'a self, run: i64, kinds: &'a [&'static str]) -> Boxed<'a, RunJobs> {
        Box::pin(async move { self.read(&JobsOf { run, kinds }).await })
    }

    /// The calls of a run that have something to be told, by id.
    pub fn run_notes<'a>(
        &'a self,
        run: i64,
        after: &'a str,
        limit: usize,
    ) -> Boxed<'a, Vec<Noted>> {
        Box::pin(async move {
            let limit = i64::try_from(limit.min(1_000)).unwrap_or(1_000);
            self.read(&Notes { run, after, limit }).await
        })
    }

    /// How many calls of a run are told for which reason, the most first, at most 100.
    pub fn run_reasons(&self, run: i64) -> Boxed<'_, Vec<(String, u64)>> {
        Box::pin(async move { self.read(&Reasons { run }).await })
    }

    /// How many jobs of a kind and a connection are due or under way. Those that wait
    /// for another try are in nobody's way.
    pub fn jobs_in_line<'a>(
        &'a self,
        kind: &'static str,
        connection: &'a str,
        now: Timestamp,
    ) -> Boxed<'a, u64> {
        Box::pin(async move { self.read(&InLine { kind, connection, now: now.0 }).await })
    }
}

struct Page {
    since: Timestamp,
    until: Timestamp,
    after: (i64, i64),
    limit: i64,
}

impl Work for Page {
    type Output = Vec<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        let sql = call_columns!(
            "WHERE certainty < 2 AND arrived_at >= ?1 AND arrived_at < ?2 AND (arrived_at, seq) > (?3, ?4)
             ORDER BY arrived_at, seq LIMIT ?5"
        );
        let params = [
            self.since.0.into(),
            self.until.0.into(),
            self.after.0.into(),
            self.after.1.into(),
            self.limit.into(),
        ];
        tx.rows(sql, &params).await
    }
}

struct BeforeRun<'a> {
    run: i64,
    calls: &'a [CallId],
}

impl Work for BeforeRun<'_> {
    type Output = Vec<(bool, Option<Row>)>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output> {
        const NOTED: &str = "SELECT run FROM reconcile_calls WHERE run = ?1 AND call = ?2";
        let mut found = Vec::with_capacity(self.calls.len());
        for id in self.calls {
            let noted = tx.row(NOTED, &[self.run.into(), id.as_str().into()]).await?;
            found.push((noted.is_some(), OneCall { id }.run(tx).await?));
        }
        Ok(found)
    }
}

/// What has become of telling others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunJobs {
    /// Jobs that have not failed yet.
    pub under_way: u64,
    /// At most 1000 at once; those that were noted before are not among them.
    pub told: Vec<Told>,
    /// Jobs that have failed and are tried again, with the last error.
    pub retried: Vec<Told>,
}

struct JobsOf<'a> {
    run: i64,
    kinds: &'a [&'static str],
}

impl Work for JobsOf<'_> {
    type Output = RunJobs;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<RunJobs> {
        const ENDED: &str = "
            SELECT jobs.call, jobs.note, jobs.state FROM jobs
            JOIN reconcile_calls AS noted ON noted.run = ?1 AND noted.call = jobs.call
            WHERE jobs.state IN ('skipped', 'dead') AND jobs.kind = ?2 AND noted.reason IS NULL
                AND noted.what = 'linked'
                AND jobs.id > (SELECT jobs_after FROM reconcile_runs WHERE id = ?1)
            ORDER BY jobs.id LIMIT 1000";
        const LIVE: &str = "
            SELECT jobs.call, jobs.note, jobs.state FROM jobs
            JOIN reconcile_calls AS noted ON noted.run = ?1 AND noted.call = jobs.call
            WHERE jobs.state IN ('waiting', 'leased') AND jobs.kind = ?2 AND noted.what = 'linked'
            ORDER BY jobs.id LIMIT 1000";
        let mut jobs = RunJobs::default();
        // First who lives, in the order in which one follows from another: whoever ends
        // between two of these statements is counted by the one or the other.
        for kind in self.kinds {
            for row in tx.rows(LIVE, &[self.run.into(), (*kind).into()]).await? {
                match row.opt_text(1)? {
                    Some(_) => jobs.retried.extend(told(&row)?),
                    None => jobs.under_way += 1,
                }
            }
        }
        for kind in self.kinds {
            for row in tx.rows(ENDED, &[self.run.into(), (*kind).into()]).await? {
                jobs.told.extend(told(&row)?);
            }
        }
        Ok(jobs)
    }
}

fn told(row: &Row) -> Result<Option<Told>> {
    let Some(call) = row.opt_text(0)?.and_then(CallId::new) else { return Ok(None) };
    let reason = row.opt_text(1)?.unwrap_or_default().to_owned();
    Ok(Some(Told { call, reason, has_failed: row.text(2)? != "skipped" }))
}

struct Notes<'a> {
    run: i64,
    after: &'a str,
    limit: i64,
}

impl Work for Notes<'_> {
    type Output = Vec<Noted>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Noted>> {
        const SQL: &str = "
            SELECT call, what, reason FROM reconcile_calls
            WHERE run = ?1 AND reason IS NOT NULL AND call > ?2 ORDER BY call LIMIT ?3";
        let rows = tx.rows(SQL, &[self.run.into(), self.after.into(), self.limit.into()]).await?;
        let noted = |row: &Row| {
            let (call, what) = (row.text(0)?.to_owned(), row.text(1)?.to_owned());
            Ok(Noted { call, what, reason: row.opt_text(2)?.unwrap_or_default().to_owned() })
        };
        rows.iter().map(noted).collect()
    }
}

struct Reasons {
    run: i64,
}

impl Work for Reasons {
    type Output = Vec<(String, u64)>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output> {
        const SQL: &str = "
            SELECT reason, count(*) FROM reconcile_calls WHERE run = ?1 AND reason IS NOT NULL
            GROUP BY reason ORDER BY 2 DESC, 1 LIMIT 100";
        let rows = tx.rows(SQL, &[self.run.into()]).await?;
        let one = |row: &Row| Ok((row.text(0)?.to_owned(), row.int(1)?.unsigned_abs()));
        rows.iter().map(one).collect()
    }
}

struct InLine<'a> {
    kind: &'static str,
    connection: &'a str,
    now: i64,
}

impl Work for InLine<'_> {
    type Output = u64;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<u64> {
        const SQL: &str = "
            SELECT count(*) FROM jobs
            WHERE kind = ?1 AND connection = ?2 AND state IN ('waiting', 'leased')
                AND (state = 'leased' OR due_at <= ?3)";
        let params = [self.kind.into(), self.connection.into(), self.now.into()];
        let row = tx.row(SQL, &params).await?;
        Ok(row.map_or(Ok(0), |row| row.int(0))?.unsigned_abs())
    }
}
