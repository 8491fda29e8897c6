//! How a job ends: by the holder of its lease, or by the operator.

use super::{Lease, NewJob, Redrive, SealedJob, note};
use crate::crash;
use crate::error::{Boxed, Result};
use crate::keys::Keyring;
use crate::sql::{AddedJobs, Touched, Tx, Work};
use crate::store::Store;
use domain::Timestamp;
use std::sync::Arc;

/// What became of a leased job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Done: the job is gone.
    Done,
    /// Nothing to do, for a stated reason. Kept, to be seen.
    Skipped { reason: String },
    /// Again, not before `at`.
    Retry { at: Timestamp, error: String },
    /// Given up. Kept, to be seen and redriven.
    Dead { error: String },
}

/// A job's end and the jobs that follow from it.
#[derive(Debug, Clone)]
pub struct Settlement {
    pub lease: Lease,
    pub outcome: Outcome,
    pub follow_up: Vec<NewJob>,
}

/// Whether a settlement counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    Applied,
    /// Someone else has leased the job since, or it is settled already: no effect.
    Stale,
}

impl Store {
    /// Settles jobs with what follows from them, in one transaction. A stale
    /// settlement has no effect, its follow-up included, and disturbs no other.
    /// Reasons and errors carry no personal data; 500 characters are kept.
    pub fn settle(&self, settlements: Vec<Settlement>, now: Timestamp) -> Boxed<'_, Vec<Settled>> {
        Box::pin(async move {
            let keys = self.keys();
            let sealed = settlements.into_iter().map(|settlement| Sealed::seal(&keys, settlement));
            let settlements = sealed.collect::<Result<Vec<_>>>()?;
            self.write(SettleAll { settlements, now }).await
        })
    }
}

/// A settlement whose follow-up is ready to be stored.
pub(crate) struct Sealed {
    lease: Lease,
    outcome: Outcome,
    follow_up: Vec<SealedJob>,
}

impl Sealed {
    pub(crate) fn seal(keys: &Arc<Keyring>, settlement: Settlement) -> Result<Self> {
        let Settlement { lease, outcome, follow_up } = settlement;
        Ok(Self { lease, outcome, follow_up: SealedJob::seal_all(keys, follow_up)? })
    }
}

struct SettleAll {
    settlements: Vec<Sealed>,
    now: Timestamp,
}

impl Work for SettleAll {
    type Output = Vec<Settled>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Settled>> {
        tx.touched = Touched::Nothing;
        let mut settled = Vec::with_capacity(self.settlements.len());
        for settlement in &self.settlements {
            settled.push(settle_one(tx, settlement, self.now).await?);
        }
        Ok(settled)
    }
}

/// Settles one job within a transaction that may do more.
pub(crate) async fn settle_one(
    tx: &mut Tx<'_>,
    settlement: &Sealed,
    now: Timestamp,
) -> Result<Settled> {
    const DONE: &str = "DELETE FROM jobs WHERE id = ?1 AND lease = ?2 AND state = 'leased'";
    const ENDED: &str = "
        UPDATE jobs SET state = ?3, note = ?4, updated_at = ?5, lease = NULL
        WHERE id = ?1 AND lease = ?2 AND state = 'leased'";
    crash::point("job.settle");
    let Lease { job, token } = settlement.lease;
    let touched = match &settlement.outcome {
        Outcome::Done => tx.execute(DONE, &[job.into(), token.into()]).await?,
        Outcome::Skipped { reason: why } | Outcome::Dead { error: why } => {
            let skipped = matches!(settlement.outcome, Outcome::Skipped { .. });
            let (state, why) = (if skipped { "skipped" } else { "dead" }, note(why));
            let params =
                [job.into(), token.into(), state.into(), why.as_str().into(), now.0.into()];
            tx.execute(ENDED, &params).await?
        }
        Outcome::Retry { at, error } => retry(tx, settlement.lease, *at, error, now).await?,
    };
    if touched == 0 {
        return Ok(Settled::Stale);
    }
    for job in &settlement.follow_up {
        job.insert(tx).await?;
    }
    crash::point("job.settled");
    Ok(Settled::Applied)
}

/// Back to waiting. Where a newer job of the same key waits already, that one
/// takes over the pause and the count of attempts, and this one is gone.
async fn retry(
    tx: &mut Tx<'_>,
    lease: Lease,
    at: Timestamp,
    error: &str,
    now: Timestamp,
) -> Result<u64> {
    const HELD: &str = "
        SELECT kind, slot, attempts FROM jobs WHERE id = ?1 AND lease = ?2 AND state = 'leased'
        /*pg: FOR UPDATE */";
    const TAKE_OVER: &str = "
        UPDATE jobs SET
            attempts = CASE WHEN attempts < ?3 THEN ?3 ELSE attempts END,
            due_at = CASE WHEN due_at < ?4 THEN ?4 ELSE due_at END,
            note = ?5, updated_at = ?6
        WHERE kind = ?1 AND slot = ?2 AND slot IS NOT NULL AND state = 'waiting'";
    const GONE: &str = "DELETE FROM jobs WHERE id = ?1";
    const AGAIN: &str = "
        UPDATE jobs SET state = 'waiting', due_at = ?2, note = ?3, updated_at = ?4, lease = NULL WHERE id = ?1";
    let Some(row) = tx.row(HELD, &[lease.job.into(), lease.token.into()]).await? else {
        return Ok(0);
    };
    let error = note(error);
    if let Some(slot) = row.opt_hash(1)? {
        let attempts = row.int(2)?;
        let params = [
            row.text(0)?.into(),
            (&slot).into(),
            attempts.into(),
            at.0.into(),
            error.as_str().into(),
            now.0.into(),
        ];
        if tx.execute(TAKE_OVER, &params).await? > 0 {
            return tx.execute(GONE, &[lease.job.into()]).await;
        }
    }
    let params = [lease.job.into(), at.0.into(), error.as_str().into(), now.0.into()];
    tx.execute(AGAIN, &params).await
}

/// The operator lets dead jobs be tried again.
pub(super) struct Revive {
    pub(super) which: Redrive,
    pub(super) now: Timestamp,
}

impl Work for Revive {
    type Output = u64;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<u64> {
        // Of several dead with one key the newest is tried; what waits already is newer still.
        const DROP_OLDER: &str = "
            DELETE FROM jobs WHERE state = 'dead' AND slot IS NOT NULL AND (?1 = 0 OR id = ?1) AND EXISTS (
                SELECT 1 FROM jobs AS newer WHERE newer.kind = jobs.kind AND newer.slot = jobs.slot
                    AND (newer.state = 'waiting' OR (?1 = 0 AND newer.state = 'dead' AND newer.id > jobs.id)))";
        const REVIVE: &str = "
            UPDATE jobs SET state = 'waiting', attempts = 0, run_at = ?2, due_at = ?2, created_at = ?2,
                updated_at = ?2, lease = NULL
            WHERE state = 'dead' AND (?1 = 0 OR id = ?1)";
        let id = match self.which {
            Redrive::One(id) => id,
            Redrive::AllDead => 0, // ids begin at 1
        };
        tx.execute(DROP_OLDER, &[id.into()]).await?;
        let revived = tx.execute(REVIVE, &[id.into(), self.now.0.into()]).await?;
        if revived > 0 {
            tx.added_jobs = AddedJobs::OfAll;
        }
        Ok(revived)
    }
}

/// Skipped jobs are forgotten after a while.
pub(super) struct Prune {
    pub(super) before: Timestamp,
}

impl Work for Prune {
    type Output = u64;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<u64> {
        const SQL: &str = "
            DELETE FROM jobs WHERE id IN (
                SELECT id FROM jobs WHERE state = 'skipped' AND updated_at < ?1 ORDER BY id LIMIT 1000)";
        tx.execute(SQL, &[self.before.0.into()]).await
    }
}
