//! Tells a CRM of a call: one activity, on the record of whoever it was from last.
//!
//! Who the call was from and what it came to are read when it is written, so the
//! newest word of both counts. What says the same as before costs no request. A
//! caller known by a number alone is a stated skip (invariant 8).

use crate::activity::Facts;
use crate::jobs::{End, Failure};
use crate::lookup::Engine;
use domain::{CallId, ExternalId, Timestamp};
use kit::Activity;
use state::{Journal, JournalState, Leased, NewJob};

/// Tell the CRM of a call.
pub(crate) const JOURNAL: &str = "journal";

/// The job, in the line of the CRM that it asks.
pub(crate) fn job(connection: &str, call: &CallId, now: Timestamp) -> NewJob {
    NewJob::of_call(JOURNAL, connection, call, now)
}

/// Writes the activity, or changes it.
pub(crate) async fn write(engine: &Engine, line: &str, job: &Leased) -> Result<End, Failure> {
    let Some(id) = job.subject.clone() else {
        return Err(Failure::dead("an activity without its call"));
    };
    let skipped = |reason: &str| {
        let (call, reason) = (id.clone(), Some(reason.to_owned()));
        Ok(End::Journaled { call, state: JournalState::Skipped, written: None, reason })
    };
    let (Some(call), Some(stored)) =
        (engine.store.call(&id).await?, engine.store.outcome(&id).await?)
    else {
        return skipped("the call is no longer stored");
    };
    let call = call.call;
    let ExternalId::Record { prefix, record } = &call.external_id else {
        return skipped("the caller is known by a number alone, or not at all");
    };
    let Some(connection) = engine.connections.by_prefix(prefix) else {
        return skipped("the externalId's connection is no longer configured");
    };
    if connection.name != line {
        // Meanwhile the call is somebody's in another CRM.
        let now = engine.clock.now();
        return Ok(End::Followed(vec![self::job(&connection.name, &id, now)]));
    }
    let Some(journal) = &connection.capabilities.journal else {
        return skipped("the CRM's connector keeps no activities");
    };
    let facts = Facts::of(engine, &call, &stored.outcome);
    let options = &engine.options.calls;
    // Elsewhere an activity of before may stay: it is that CRM's own record by now.
    let written = stored.journal.filter(|written| written.connection == connection.name);
    let activity = Activity {
        call: id.clone(),
        record: record.clone(),
        known: written.as_ref().map(|written| written.record.clone()),
        subject: options.subject.fill(&facts),
        body: options.body.fill(&facts),
        direction: call.direction,
        started: stored.outcome.started.unwrap_or(call.arrived_at),
        duration_ms: stored.outcome.duration_ms(),
        wrap_up: stored.outcome.wrap_ups.last().cloned(),
    };
    let digest = digest(engine, &activity);
    let state = JournalState::Written;
    if written.is_some_and(|written| written.digest == digest) {
        return Ok(End::Journaled { call: id, state, written: None, reason: None });
    }
    let kept = journal.write(&activity).await?;
    let connection = connection.name.clone();
    let written = Some(Journal { connection, record: kept.id, digest });
    Ok(End::Journaled { call: id, state, written, reason: None })
}

/// Of all that the CRM is told, so that it is told no second time.
fn digest(engine: &Engine, activity: &Activity) -> [u8; 16] {
    let Activity { call, record, known: _, subject, body, direction, .. } = activity;
    let numbers = format!("{} {}", activity.started, activity.duration_ms);
    let wrap_up = activity.wrap_up.as_deref().unwrap_or_default();
    let parts = [call.as_str(), record, subject, body, direction.as_str(), &numbers, wrap_up]
        .join("\u{1f}");
    engine.store.digest(&parts)
}
