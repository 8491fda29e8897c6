//! How a run goes on and ends: the lease, what others took of it, the last word.

use super::page::held;
use super::{Hold, RunState, Told};
use crate::crash;
use crate::error::{Boxed, Result};
use crate::jobs::note;
use crate::sql::{Touched, Tx, Work};
use crate::store::Store;
use domain::Timestamp;

/// Calls that are forgotten at once when a run ends.
const PART: i64 = 500;

impl Store {
    /// Notes of calls of this run that others could not be told, each once. `failed`
    /// are counted as such, the others with their reason alone. False when another
    /// holds the run.
    pub fn run_told(&self, hold: Hold, told: Vec<Told>, now: Timestamp) -> Boxed<'_, bool> {
        Box::pin(async move { self.write(NoteTold { hold, told, now: now.0 }).await })
    }

    /// Ends a run: what there is nothing to be told of is forgotten. False when another
    /// holds it.
    pub fn end_run(
        &self,
        hold: Hold,
        state: RunState,
        why: Option<String>,
        now: Timestamp,
    ) -> Boxed<'_, bool> {
        Box::pin(async move {
            while self.write(ForgetPart { hold }).await? == PART.unsigned_abs() {}
            let why = why.map(|why| note(&why));
            self.write(End { hold, state, why, now: now.0 }).await
        })
    }
}

pub(super) struct HoldOn {
    pub(super) hold: Hold,
    pub(super) until: i64,
    pub(super) now: i64,
}

impl Work for HoldOn {
    type Output = bool;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool> {
        const SQL: &str = "
            UPDATE reconcile_runs SET held_until = ?3, updated_at = ?4
            WHERE id = ?1 AND lease = ?2 AND slot = 1";
        tx.touched = Touched::Nothing;
        let Hold { run, token } = self.hold;
        let params = [run.into(), token.into(), self.until.into(), self.now.into()];
        Ok(tx.execute(SQL, &params).await? == 1)
    }
}

struct NoteTold {
    hold: Hold,
    told: Vec<Told>,
    now: i64,
}

impl Work for NoteTold {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool> {
        const NOTE: &str = "
            UPDATE reconcile_calls SET reason = ?3, what = CASE WHEN ?4 = 1 THEN 'failed' ELSE what END
            WHERE run = ?1 AND call = ?2 AND reason IS NULL";
        const COUNTED: &str =
            "UPDATE reconcile_runs SET counts = ?2, updated_at = ?3 WHERE id = ?1";
        tx.touched = Touched::Nothing;
        let Some(mut counts) = held(tx, self.hold).await? else { return Ok(false) };
        for told in &self.told {
            let reason = note(&told.reason);
            let params = [
                self.hold.run.into(),
                told.call.as_str().into(),
                reason.as_str().into(),
                i64::from(told.has_failed).into(),
            ];
            if tx.execute(NOTE, &params).await? == 1 {
                let word = if told.has_failed { "failed" } else { "reported" };
                *counts.entry(word.to_owned()).or_default() += 1;
            }
        }
        let counts = serde_json::to_string(&counts).unwrap_or_default();
        let params = [self.hold.run.into(), counts.as_str().into(), self.now.into()];
        tx.execute(COUNTED, &params).await?;
        crash::point("reconcile.told");
        Ok(true)
    }
}

struct ForgetPart {
    hold: Hold,
}

impl Work for ForgetPart {
    type Output = u64;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<u64> {
        const SQL: &str = "
            DELETE FROM reconcile_calls WHERE run = ?1 AND call IN (
                SELECT call FROM reconcile_calls WHERE run = ?1 AND reason IS NULL LIMIT ?2)";
        tx.touched = Touched::Nothing;
        if held(tx, self.hold).await?.is_none() {
            return Ok(0);
        }
        tx.execute(SQL, &[self.hold.run.into(), PART.into()]).await
    }
}

struct End {
    hold: Hold,
    state: RunState,
    why: Option<String>,
    now: i64,
}

impl Work for End {
    type Output = bool;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool> {
        const SQL: &str = "
            UPDATE reconcile_runs SET slot = NULL, lease = NULL, cursor = NULL, state = ?3, note = ?4,
                ended_at = ?5, updated_at = ?5
            WHERE id = ?1 AND lease = ?2 AND slot = 1";
        tx.touched = Touched::Nothing;
        let params = [
            self.hold.run.into(),
            self.hold.token.into(),
            self.state.as_str().into(),
            self.why.as_deref().into(),
            self.now.into(),
        ];
        let ended = tx.execute(SQL, &params).await? == 1;
        crash::point("reconcile.ended");
        Ok(ended)
    }
}
