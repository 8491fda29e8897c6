//! Closes a call: what it came to, once nothing more is told of it.
//!
//! Events come in any order and for a while after the end (wrap-up is the last).
//! So the call is closed when its last event has settled, and closed again when
//! another one comes. What it came to, the job that tells the CRM ([`crate::journal`])
//! and the end of this job are one commit (invariant 10).

use crate::jobs::{End, Failure};
use crate::journal;
use crate::lookup::Engine;
use domain::timeline::fold;
use domain::{CallId, ExternalId, Timestamp};
use state::events::CLOSE_CALL;
use state::{JournalState, Leased, NewEvent, NewJob, NewOutcome, Received};
use std::collections::BTreeSet;

impl Engine {
    /// Stores what was told of calls; when it returns, it may be acknowledged
    /// (invariant 1). Calls that never were looked up are kept for the case that
    /// they still will be.
    ///
    /// # Errors
    /// When it could not be stored: nothing of it was.
    pub async fn receive(&self, events: Vec<NewEvent>) -> Result<Received, state::Error> {
        let now = self.clock.now();
        let calls: BTreeSet<CallId> = events.iter().map(|e| e.event.call.clone()).collect();
        let line = &self.connections.default_connection().name;
        let mut jobs: Vec<NewJob> = calls.iter().map(|call| close(self, line, call, now)).collect();
        jobs.extend(self.after_events(&events, now));
        self.store.record_events(events, jobs, now).await
    }
}

/// The job that closes a call; the store takes it only where something was told of
/// the call. For everybody who changes what is known of one.
pub(crate) fn close(engine: &Engine, line: &str, call: &CallId, now: Timestamp) -> NewJob {
    NewJob::of_call(CLOSE_CALL, line, call, now.plus(engine.options.calls.settle_for))
}

/// Closes the call if its last event is old enough, else comes back then.
pub(crate) async fn run(engine: &Engine, line: &str, job: &Leased) -> Result<End, Failure> {
    let Some(call) = job.subject.clone() else {
        return Err(Failure::dead("a call's end without its call"));
    };
    let told = engine.store.events(&call).await?;
    let Some(last) = told.iter().map(|told| told.received_at).max() else {
        return Ok(End::Done);
    };
    let now = engine.clock.now();
    let settled = last.plus(engine.options.calls.settle_for);
    if settled > now {
        let again = NewJob { run_at: settled, ..close(engine, line, &call, now) };
        return Ok(End::Followed(vec![again]));
    }
    let stored = engine.store.call(&call).await?;
    let arrived = stored.as_ref().map(|stored| stored.call.arrived_at);
    let outcome = fold(told.iter().map(|told| &told.event), arrived);
    let (journal, jobs) = match stored {
        Some(stored) if outcome.ended.is_some() => match stored.call.external_id {
            ExternalId::Record { .. } if engine.options.calls.writes_activities => {
                let job = journal::job(&stored.call.connection, &call, now);
                (JournalState::Waiting, vec![job])
            }
            // Known by a number alone, there is no record that an activity could be on.
            _ => (JournalState::Skipped, Vec::new()),
        },
        _ => (JournalState::None, Vec::new()),
    };
    Ok(End::Closed { call, came_to: Box::new(NewOutcome { outcome, journal, jobs }) })
}
