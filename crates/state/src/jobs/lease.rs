//! How a worker comes to hold jobs: those that are due, one of each key at a time.
//!
//! What waits behind a running job of the same key is not due before that is settled.

use super::{Lease, Leased, attempts, bound_to};
use crate::crash;
use crate::error::Result;
use crate::keys::Keyring;
use crate::sql::{Row, Touched, Tx, Work};
use domain::{CallId, Timestamp};

pub(super) struct TakeLease {
    pub(super) kind: &'static str,
    pub(super) connection: String,
    pub(super) limit: i64,
    pub(super) until: Timestamp,
    pub(super) now: Timestamp,
    pub(super) token: i64,
}

impl Work for TakeLease {
    type Output = Vec<Row>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        // What waits behind a running job of the same key stays there until that is settled.
        const SQL: &str = "
            WITH free AS MATERIALIZED (
                SELECT due.id FROM jobs AS due
                WHERE due.kind = ?1 AND due.connection = ?6 AND due.state IN ('waiting', 'leased') AND due.due_at <= ?2
                    AND NOT (due.state = 'waiting' AND due.slot IS NOT NULL AND EXISTS (
                        SELECT 1 FROM jobs AS running
                        WHERE running.kind = due.kind AND running.slot = due.slot AND running.state = 'leased'
                            AND running.slot IS NOT NULL))
                ORDER BY due.due_at, due.id LIMIT ?3 /*pg: FOR UPDATE SKIP LOCKED */)
            UPDATE jobs SET state = 'leased', due_at = ?4, attempts = attempts + 1, lease = ?5, updated_at = ?2
            WHERE id IN (SELECT id FROM free)
            RETURNING id, uid, payload, attempts, call, run_at, created_at";
        tx.touched = Touched::Nothing;
        crash::point("job.lease");
        let (now, until) = (self.now.0, self.until.0);
        let params = [
            self.kind.into(),
            now.into(),
            self.limit.into(),
            until.into(),
            self.token.into(),
            self.connection.as_str().into(),
        ];
        let rows = tx.rows(SQL, &params).await?;
        crash::point("job.leased");
        Ok(rows)
    }
}

/// When the next job is due.
pub(super) struct NextDue<'a> {
    pub(super) kind: &'static str,
    pub(super) connection: &'a str,
}

impl Work for NextDue<'_> {
    type Output = Option<Timestamp>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<Timestamp>> {
        // As in TakeLease, or a worker would turn in circles over what it cannot have.
        const SQL: &str = "
            SELECT due.due_at FROM jobs AS due
            WHERE due.kind = ?1 AND due.connection = ?2 AND due.state IN ('waiting', 'leased')
                AND NOT (due.state = 'waiting' AND due.slot IS NOT NULL AND EXISTS (
                    SELECT 1 FROM jobs AS running
                    WHERE running.kind = due.kind AND running.slot = due.slot AND running.state = 'leased'
                        AND running.slot IS NOT NULL))
            ORDER BY due.due_at, due.id LIMIT 1";
        let row = tx.row(SQL, &[self.kind.into(), self.connection.into()]).await?;
        row.map(|row| Ok(Timestamp(row.int(0)?))).transpose()
    }
}

/// Makes what a process had in hand when it was killed due at once.
pub(crate) struct ReleaseLeases;

impl Work for ReleaseLeases {
    type Output = ();
    async fn run(&self, tx: &mut Tx<'_>) -> Result<()> {
        const SQL: &str = "
            UPDATE jobs SET due_at = run_at
            WHERE state IN ('waiting', 'leased') AND state = 'leased'";
        const RUNS: &str = "UPDATE reconcile_runs SET held_until = 0 WHERE slot = 1";
        const SYNCS: &str = "UPDATE sync_runs SET held_until = 0 WHERE slot = 1";
        const TOKENS: &str = "UPDATE tokens SET hold = NULL, held_until = 0";
        tx.execute(SQL, &[]).await?;
        tx.execute(TOKENS, &[]).await?;
        tx.execute(SYNCS, &[]).await?;
        tx.execute(RUNS, &[]).await.map(drop)
    }
}

/// The job, and its place in the order.
pub(super) fn leased(
    keys: &Keyring,
    kind: &'static str,
    token: i64,
    row: &Row,
) -> Result<((i64, i64), Leased)> {
    let id = row.int(0)?;
    let job = Leased {
        lease: Lease { job: id, token },
        kind,
        payload: keys.open("jobs.payload", &bound_to(kind, row.blob(1)?), row.blob(2)?)?,
        attempts: attempts(row.int(3)?),
        subject: row.opt_text(4)?.and_then(CallId::new),
        created_at: Timestamp(row.int(6)?),
    };
    Ok(((row.int(5)?, id), job))
}
