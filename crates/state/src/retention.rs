//! Forgets calls that are older than they may be kept, for real.
//!
//! With a call goes everything that hangs on it: its data, its events, its outcome, what was
//! decided for it, whose it was, its news and the jobs that ended. What stays is a number of calls by a keyed hash, which says
//! nothing of anybody. On SQLite the pages that become free are overwritten with zeros,
//! and [`Store::fold_log`] does away with what the log still holds of them.

use crate::error::{Boxed, Error, Result};
use crate::feed::forget_call;
use crate::keys::Keyring;
use crate::labels;
use crate::sql::{Touched, Tx, Work};
use crate::store::{Engine, Store};
use domain::Timestamp;
use std::sync::Arc;

/// Calls in one part; a writer's queue is never held up for longer.
const PART: i64 = 500;

impl Store {
    /// Forgets calls that arrived before this, the oldest first, at most 500 at once.
    /// Then what is as old and has no call, decisions also at most 500 at once. Returns how
    /// many calls and such decisions: 0 when there are none left.
    pub fn purge_calls(&self, before: Timestamp) -> Boxed<'_, u64> {
        Box::pin(async move {
            self.place_news().await?;
            self.write(Purge { before: before.0, keys: self.keys() }).await
        })
    }

    /// Folds the log of a SQLite store into its file and empties it, so that nothing of
    /// what was deleted is left in it. Blocks writers for as long as it takes.
    pub fn fold_log(&self) -> Boxed<'_, ()> {
        let store = self.clone();
        Box::pin(async move {
            let folded = tokio::task::spawn_blocking(move || match store.engine() {
                Engine::Sqlite(sqlite) => sqlite.fold_log(),
                Engine::Postgres(_) => Ok(()), // its own vacuum does that
            });
            folded.await.unwrap_or_else(|_| {
                Err(Error::Unavailable {
                    during: "folding the log",
                    reason: "it was cut off".into(),
                })
            })
        })
    }
}

struct Purge {
    before: i64,
    keys: Arc<Keyring>,
}

impl Work for Purge {
    type Output = u64;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<u64> {
        // Calls lie in the order of their arrival: where the oldest are young, all are.
        const OLDEST: &str = "SELECT seq, id, arrived_at, labels FROM calls ORDER BY seq LIMIT ?1";
        const CALL: &str = "DELETE FROM calls WHERE seq = ?1";
        const OF_CALL: [&str; 6] = [
            "DELETE FROM call_data WHERE call = ?1",
            "DELETE FROM enrichments WHERE call = ?1",
            "DELETE FROM decisions WHERE call = ?1",
            "DELETE FROM call_events WHERE call = ?1",
            "DELETE FROM call_outcomes WHERE call = ?1",
            "DELETE FROM jobs WHERE call = ?1 AND state IN ('skipped', 'dead')",
        ];
        const STRAY_EVENTS: &str = "
            DELETE FROM call_events WHERE received_at < ?1
                AND NOT EXISTS (SELECT 1 FROM calls WHERE calls.id = call_events.call)";
        const STRAY_ENRICHMENTS: &str = "
            DELETE FROM enrichments WHERE created_at < ?1
                AND NOT EXISTS (SELECT 1 FROM calls WHERE calls.id = enrichments.call)";
        const STRAY_AGENTS: &str = "
            DELETE FROM call_agents WHERE at < ?1
                AND NOT EXISTS (SELECT 1 FROM calls WHERE calls.id = call_agents.call)";
        // A switch may ask for decisions alone: there may be as many of these as of calls.
        const STRAY_DECISIONS: &str = "
            DELETE FROM decisions WHERE seq IN (
                SELECT seq FROM decisions WHERE at < ?1
                    AND NOT EXISTS (SELECT 1 FROM calls WHERE calls.id = decisions.call)
                ORDER BY at, seq LIMIT ?2)";
        const OLD_NOTES: &str = "
            DELETE FROM reconcile_calls WHERE run IN (
                SELECT id FROM reconcile_runs WHERE ended_at < ?1)";
        tx.touched = Touched::Nothing;
        let mut purged = 0;
        for row in tx.rows(OLDEST, &[PART.into()]).await? {
            if row.int(2)? >= self.before {
                continue;
            }
            let call = row.text(1)?;
            forget_call(tx, &self.keys, call).await?;
            for sql in OF_CALL {
                tx.execute(sql, &[call.into()]).await?;
            }
            let place = (row.int(2)?, row.int(0)?);
            labels::unindex(tx, row.opt_text(3)?, place).await?;
            purged += tx.execute(CALL, &[row.int(0)?.into()]).await?;
        }
        if purged == 0 {
            tx.execute(STRAY_EVENTS, &[self.before.into()]).await?;
            tx.execute(STRAY_ENRICHMENTS, &[self.before.into()]).await?;
            tx.execute(STRAY_AGENTS, &[self.before.into()]).await?;
            tx.execute(OLD_NOTES, &[self.before.into()]).await?;
            purged += tx.execute(STRAY_DECISIONS, &[self.before.into(), PART.into()]).await?;
        }
        Ok(purged)
    }
}
