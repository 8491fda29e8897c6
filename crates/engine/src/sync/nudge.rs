//! Somebody says that records have changed, such as a vendor's webhook: what changed is read
//! at once, of the sides that tell it.
//!
//! What is said is trusted no further: it names nobody, and the run reads by its own cursors.
//! It is kept until a run was begun for it, so that none is lost to a run under way or a
//! restart; and however often it is said, a run begins every few seconds at most.

use super::control::Due;
use crate::lookup::Engine;
use domain::Timestamp;
use domain::sync::Side;
use state::sync::{Begun, NewRun, Nudged, RunKind};
use std::time::Duration;

/// Between the runs of one sync that begin so.
const APART: Duration = Duration::from_secs(5);

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// A run begins, or follows the one under way.
    Heard,
    /// It is paused, or nobody has approved it: its next run reads what changed.
    Rests,
    Unknown,
}

impl Engine {
    /// Takes note that records of a sync have changed.
    ///
    /// # Errors
    /// When our own store fails.
    pub async fn nudge_sync(&self, name: &str) -> Result<Told, state::Error> {
        let Some(sync) = self.syncs.get(name) else { return Ok(Told::Unknown) };
        let known = self.sync_state(sync).await?;
        if !may_begin(&known, &sync.connections()) {
            return Ok(Told::Rests);
        }
        self.store.nudge_sync(known.id, self.clock.now()).await?;
        self.options.syncing.nudge.notify_one();
        Ok(Told::Heard)
    }
}

fn may_begin(known: &state::sync::Sync, connections: &[String; 2]) -> bool {
    known.approved_at.is_some() && known.paused.is_none() && known.connections == *connections
}

impl Due {
    /// Begins a run of every sync of which it was said that records have changed.
    pub(super) async fn heed(&mut self, engine: &Engine) {
        let nudged = match engine.store.nudged_syncs().await {
            Ok(nudged) => nudged,
            Err(error) => return tracing::warn!("no run begins by itself: {error}"),
        };
        let now = engine.clock.now();
        for one in nudged {
            if self.heeded.get(&one.name).is_some_and(|last| now.since(*last) < APART) {
                continue;
            }
            match heed_one(engine, &one, now).await {
                Ok(true) => drop(self.heeded.insert(one.name, now)),
                Ok(false) => {} // when the one under way has ended
                Err(error) => tracing::warn!(sync = one.name, "a run cannot begin: {error}"),
            }
        }
    }
}

/// Whether a run was begun, or none is to be.
async fn heed_one(engine: &Engine, nudged: &Nudged, now: Timestamp) -> Result<bool, state::Error> {
    let store = &engine.store;
    let Some(sync) = engine.syncs.get(&nudged.name) else {
        store.take_nudge(nudged).await?;
        return Ok(true);
    };
    let known = engine.sync_state(sync).await?;
    if may_begin(&known, &sync.connections()) {
        // What there is, is read before what changes.
        let is_begun = known.cursors.iter().all(Option::is_some);
        let kind = if is_begun { RunKind::Nudge } else { RunKind::Run };
        let by = "nudge".to_owned();
        let new = NewRun { kind, of: None, is_dry: false, due_at: None, by };
        if let Begun::Busy { .. } = store.begin_sync_run(known.id, new, now).await? {
            return Ok(false);
        }
    }
    store.take_nudge(nudged).await?;
    Ok(true)
}

impl super::Sync {
    /// Does a side tell what changed, so that reading it does not grow with who is there?
    pub(super) fn tells_changes(&self, side: Side) -> bool {
        const MANY: u64 = 1_000_000;
        let changes = &self.end(side).changes;
        changes.pass_requests(MANY) == changes.pass_requests(1)
    }
}
