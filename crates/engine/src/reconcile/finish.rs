//! The end of a run: others have been told, or it is said what they were not told.

use super::{Halt, Worker};
use crate::follow_up::{ANNOTATE, PUSH};
use state::reconcile::RunState;
use std::time::Duration;
use tokio::time::Instant;

/// How long jobs that have not failed yet are waited for. They are durable and go on.
const TOLD_WITHIN: Duration = Duration::from_secs(1_800);
/// How long those that fail are waited for.
const MENDED_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(200);

impl Worker<'_> {
    /// Waits for what tells others, notes what they were not told, and ends the run.
    pub(super) async fn finish(&mut self) -> Result<(), Halt> {
        let (store, clock) = (&self.engine.store, &self.engine.clock);
        let begun = Instant::now();
        loop {
            let jobs = store.run_jobs(self.run.id, &[PUSH, ANNOTATE]).await?;
            let mut told = jobs.told;
            let is_patient = match (jobs.under_way, jobs.retried.is_empty()) {
                (0, true) => false,
                (0, false) => begun.elapsed() < MENDED_WITHIN,
                _ => begun.elapsed() < TOLD_WITHIN,
            };
            let goes_on = is_patient || told.len() >= 1_000;
            if !is_patient {
                told.extend(jobs.retried.into_iter().map(|mut one| {
                    one.reason = format!("still being told: {}", one.reason);
                    one
                }));
            }
            if !told.is_empty() && !store.run_told(self.hold, told, clock.now()).await? {
                return Err(Halt::Taken);
            }
            if !goes_on {
                if jobs.under_way > 0 {
                    let waiting = jobs.under_way;
                    self.trouble
                        .insert(format!("{waiting} writes still wait; they go on by themselves"));
                }
                break;
            }
            self.held(tokio::time::sleep(LOOK_EVERY)).await?;
        }
        self.end().await
    }

    async fn end(&mut self) -> Result<(), Halt> {
        let (store, clock) = (&self.engine.store, &self.engine.clock);
        let run = store.run(self.run.id).await?.ok_or(Halt::Taken)?;
        let count = |word: &str| run.counts.get(word).copied().unwrap_or(0);
        let is_partial = count("unasked") > 0 || count("unread") > 0;
        let state = if is_partial { RunState::Partial } else { RunState::Done };
        let mut why: Vec<String> = self.trouble.iter().cloned().collect();
        if is_partial && why.is_empty() {
            why.push("not everybody could be asked; the next run looks again".to_owned());
        }
        let why = (!why.is_empty()).then(|| why.join("; "));
        if !store.end_run(self.hold, state, why, clock.now()).await? {
            return Err(Halt::Taken);
        }
        if !run.is_dry {
            self.engine.metrics.reconciled(state.as_str(), &run.counts);
        }
        let (linked, failed) = (count("linked"), count("failed"));
        let (run, state) = (run.id, state.as_str());
        tracing::info!(run, state, linked, failed, "reconciled");
        Ok(())
    }
}
