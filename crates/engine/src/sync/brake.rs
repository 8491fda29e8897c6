//! Stops a run that would delete too many, and asks.
//!
//! Before anything is written, by how many are told of as gone; and again before each batch, since
//! who is found to be gone when a write is refused was not among them.

use super::work::{Halt, SETTLING, Worker};
use domain::sync::{OnDelete, Side, brake};
use state::sync::ReviewState;

impl Worker<'_> {
    /// Stops a run that would delete too many.
    pub(super) async fn brake(&mut self) -> Result<(), Halt> {
        let waiting = self.engine.store.waiting_counts(self.run.sync).await?;
        let policy = &self.sync.policy;
        let is_deleting = |side: Side| policy.on_deleted(side) == OnDelete::Delete;
        let deletes = Side::ALL.iter().filter(|side| is_deleting(**side));
        self.stop_before(deletes.map(|side| waiting.gone[side.index()]).sum()).await
    }

    /// Counts who is about to be deleted, and stops where it would be too many: of who is found
    /// to be gone while others are settled the brake has not known.
    pub(super) async fn delete(&mut self, more: u64) -> Result<(), Halt> {
        if more > 0 {
            self.stop_before(self.deleted + more).await?;
            self.deleted += more;
        }
        Ok(())
    }

    async fn stop_before(&self, deletes: u64) -> Result<(), Halt> {
        let limits = self.sync.brake;
        if !brake(deletes, self.pairs, limits.deletes_max, limits.percent_max)
            || self.is_let_through(deletes).await?
        {
            return Ok(());
        }
        let review = super::review::braked(deletes, self.pairs);
        if !self.engine.store.ask_review(self.hold, review, self.now()).await? {
            return Err(Halt::Taken);
        }
        Err(Halt::Braked)
    }

    /// Somebody has seen that so many go, and said that they may.
    async fn is_let_through(&self, deletes: u64) -> Result<bool, Halt> {
        let (store, sync) = (&self.engine.store, Some(self.run.sync));
        let decided = Some(ReviewState::Decided);
        let reviews = store.reviews(sync, decided, None, 1_000).await?;
        // Said once, it holds for one run: the last that came so far has used it up.
        let runs = store.sync_runs(sync, None, 1_000).await?;
        let used = runs
            .iter()
            .find(|run| run.kind.is_sync() && run.id != self.run.id && run.step == SETTLING);
        let used = used.map(|run| run.started_at);
        let mut brakes = reviews.iter().filter(|review| review.kind == "brake");
        Ok(brakes
            .any(|review| review.decided_at > used && super::review::lets_through(review, deletes)))
    }
}
