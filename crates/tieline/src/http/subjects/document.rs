//! What somebody who asks for their data is given: one document, times in RFC 3339.

use super::{ElsewhereBody, WhoBody, syncing};
use crate::http::lookup::json as wire;
use domain::{Contact, Timestamp, Value};
use engine::Preview;
use serde::Serialize;
use serde_json::{Value as Json, json};
use state::customers::Kept;
use state::decisions::Decision;
use state::enrichments::Enrichment;
use state::subject::{Export, ExportedCall, ExportedJob, KnownContact};
use state::{StoredEvent, StoredOutcome};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Everything that is kept of a person, in lists of objects.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    exported_at: String,
    /// False: there are more calls or jobs than one export holds.
    complete: bool,
    subject: WhoBody,
    /// What their own systems say of them, as far as it is kept here.
    #[schema(value_type = Vec<Object>)]
    contacts: Vec<Json>,
    /// What systems beside the CRM say of accounts that they alone are linked to.
    #[schema(value_type = Vec<Object>)]
    accounts: Vec<Json>,
    /// What was kept of them besides.
    #[schema(value_type = Vec<Object>)]
    customer_data: Vec<Json>,
    /// With what was told of each, agents' notes among it.
    #[schema(value_type = Vec<Object>)]
    calls: Vec<Json>,
    /// How many calls count to each id, and when the last one was.
    #[schema(value_type = Vec<Object>)]
    interactions: Vec<Json>,
    #[schema(value_type = Vec<Object>)]
    corrections: Vec<Json>,
    /// Their records in one system and another.
    #[schema(value_type = Vec<Object>)]
    links: Vec<Json>,
    /// Copies of their records on both sides of a sync, and what was written to them.
    #[schema(value_type = Vec<Object>)]
    syncs: Vec<Json>,
    /// Where their calls were sent, and what was seen of them.
    #[schema(value_type = Vec<Object>)]
    decisions: Vec<Json>,
    /// Work that is still to be done, or was given up, with what it says of them.
    #[schema(value_type = Vec<Object>)]
    jobs: Vec<Json>,
    /// Who changed or saw something of theirs.
    #[schema(value_type = Vec<Object>)]
    audit: Vec<Json>,
    /// What was put into other systems.
    elsewhere: Vec<ElsewhereBody>,
    /// Erasures that they were part of before.
    erasures: Vec<String>,
}

impl Document {
    pub(super) fn of(preview: Preview, now: Timestamp) -> Self {
        let Preview { subject, export, elsewhere, erasures } = preview;
        let Export { calls, contacts, accounts, customer_data, overrides, links: _, jobs, .. } =
            export;
        let customer_data = customer_data.into_iter().map(|(record, kept)| {
            json!({ "connection": record.connection, "record": record.record, "kept": data(kept) })
        });
        let corrections = overrides.into_iter().map(|found| {
            json!({
                "id": found.id, "number": found.said.number, "queue": found.said.queue,
                "connection": found.said.connection, "externalId": found.said.external_id,
                "callId": found.said.call, "reason": found.said.reason, "actor": found.said.actor,
                "createdAt": found.created_at.to_string(), "expiresAt": found.said.expires_at.to_string(),
            })
        });
        let links = export.crosswalk.into_iter().map(|link| {
            json!({
                "id": link.id, "connection": link.record.connection, "record": link.record.record,
                "otherConnection": link.other.connection, "otherRecord": link.other.record,
                "source": link.source.as_str(), "createdAt": link.created_at.to_string(),
            })
        });
        let interactions = export.interactions.into_iter().map(|(who, (calls, last))| {
            json!({ "externalId": who, "calls": calls, "lastCallAt": last.to_string() })
        });
        let audit = export.audit.into_iter().map(|entry| {
            json!({
                "seq": entry.seq, "at": entry.at.to_string(), "actor": entry.actor,
                "action": entry.action, "subject": entry.subject, "details": entry.details,
            })
        });
        Self {
            exported_at: now.to_string(),
            complete: !(export.is_cut || subject.is_cut),
            subject: WhoBody::of(subject),
            contacts: contacts.into_iter().map(contact).collect(),
            accounts: accounts.into_iter().map(contact).collect(),
            customer_data: customer_data.collect(),
            calls: calls.into_iter().map(call).collect(),
            interactions: interactions.collect(),
            corrections: corrections.collect(),
            links: links.collect(),
            syncs: export.syncs.into_iter().map(syncing::document).collect(),
            decisions: export.decisions.into_iter().map(decision).collect(),
            jobs: jobs.into_iter().map(job).collect(),
            audit: audit.collect(),
            elsewhere: elsewhere.into_iter().map(ElsewhereBody::from).collect(),
            erasures,
        }
    }
}

/// How many rows of each table an erasure would take, as far as they are listed.
pub(super) fn counts(preview: &Preview) -> BTreeMap<String, u64> {
    let export = &preview.export;
    let of_calls = |count: fn(&ExportedCall) -> usize| export.calls.iter().map(count).sum();
    let counts = [
        ("calls", export.calls.len()),
        ("call_data", of_calls(|call| usize::from(call.data.version > 0))),
        ("call_events", of_calls(|call| call.events.len())),
        ("decisions", export.decisions.len()),
        ("enrichments", of_calls(|call| call.enrichments.len())),
        ("call_outcomes", of_calls(|call| usize::from(call.outcome.is_some()))),
        ("reconcile_calls", of_calls(|call| call.reconciled.len())),
        ("contacts", export.contacts.len() + export.accounts.len()),
        ("customer_data", export.customer_data.len()),
        ("interactions", export.interactions.len()),
        ("jobs", export.jobs.len()),
        ("links", export.links.len()),
        ("crosswalk", export.crosswalk.len()),
        ("sync_pairs", export.syncs.len()),
        ("sync_journal", export.syncs.iter().map(|of| of.journal.len()).sum()),
        ("sync_reviews", export.syncs.iter().map(|of| of.reviews.len()).sum()),
        ("overrides", export.overrides.len()),
        ("audit", export.audit.len()),
    ];
    let some = counts.into_iter().filter(|(_, count)| *count > 0);
    some.map(|(table, count)| (table.to_owned(), count as u64)).collect()
}

fn at(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

fn values(data: BTreeMap<String, Value>) -> BTreeMap<String, Json> {
    data.into_iter().map(|(name, value)| (name, wire(value))).collect()
}

fn data(kept: Kept) -> Json {
    json!({ "data": values(kept.data), "updatedAt": at(kept.updated_at) })
}

fn contact(known: KnownContact) -> Json {
    let KnownContact { connection, contact, as_of, is_pushed } = known;
    let Contact { record, object, name, first_name, last_name, email, phones, .. } = contact;
    let phones =
        phones.into_iter().map(|one| json!({ "kind": one.kind.as_str(), "number": one.e164 }));
    json!({
        "connection": connection, "record": record, "object": object, "name": name,
        "firstName": first_name, "lastName": last_name, "email": email,
        "phones": phones.collect::<Vec<_>>(), "createdAt": at(contact.created_at),
        "modifiedAt": at(contact.modified_at), "account": contact.account, "url": contact.url,
        "data": values(contact.data), "asOf": as_of.to_string(),
        "toldContactCenter": is_pushed,
    })
}

fn call(exported: ExportedCall) -> Json {
    let ExportedCall { call: stored, events, outcome, data: kept, enrichments, reconciled } =
        exported;
    let call = stored.call;
    let reconciled = reconciled
        .into_iter()
        .map(|one| json!({ "run": one.run, "found": one.what, "reason": one.reason }));
    let reconciled: Vec<Json> = reconciled.collect();
    json!({
        "callId": call.id.to_string(), "direction": call.direction.as_str(),
        "mediaType": call.media.as_str(), "number": call.number, "email": call.email,
        "askedRecord": call.asked_record, "dialled": call.dialled, "queue": call.queue,
        "agent": call.user, "connection": call.connection,
        "externalId": call.external_id.to_string(), "record": call.contact,
        "status": call.status.as_str(), "source": call.source.as_str(),
        "arrivedAt": call.arrived_at.to_string(), "identifiedAt": at(stored.identified_at),
        "previousInteractionCount": stored.earlier_calls, "warnings": call.warnings,
        "labels": call.labels, "shown": values(call.data), "kept": data(kept),
        "deadlineUs": call.deadline_us, "answeredInUs": call.answered_in_us,
        "events": events.into_iter().map(event).collect::<Vec<_>>(),
        "outcome": outcome.map(came_to), "reconciled": reconciled,
        "enrichments": enrichments.into_iter().map(enrichment).collect::<Vec<_>>(),
    })
}

fn enrichment(kept: Enrichment) -> Json {
    let Enrichment { queue, asked, answer, created_at, .. } = kept;
    json!({
        "queue": queue, "asked": asked, "answer": answer, "createdAt": created_at.to_string(),
    })
}

fn decision(decided: Decision) -> Json {
    let records = decided.records.iter();
    let records = records.map(|one| json!({ "connection": one.connection, "record": one.record }));
    // JSON of our own, or nothing.
    let says: Json = serde_json::from_slice(&decided.details).unwrap_or_default();
    json!({
        "callId": decided.call.to_string(), "entry": decided.entry, "at": decided.at.to_string(),
        "revision": decided.set_revision, "rule": decided.rule, "line": decided.line,
        "destination": decided.destination, "status": decided.status, "tookUs": decided.took_us,
        "draftDestination": decided.shadow, "number": decided.number,
        "connection": decided.connection, "records": records.collect::<Vec<_>>(), "says": says,
    })
}

fn event(told: StoredEvent) -> Json {
    let event = told.event;
    let session = event.session.map(|one| json!({ "id": one.id, "side": one.side.as_str() }));
    json!({
        "at": event.at.to_string(), "receivedAt": told.received_at.to_string(),
        "kind": event.kind.as_str(), "session": session, "until": at(event.until),
        "talkMs": event.spent.talk_ms, "holdMs": event.spent.hold_ms,
        "afterCallWorkMs": event.spent.work_ms, "queue": event.queue, "agent": event.agent,
        "wrapUp": event.wrap_up, "notes": event.notes,
    })
}

fn came_to(kept: StoredOutcome) -> Json {
    let outcome = kept.outcome;
    let activity = kept
        .journal
        .map(|journal| json!({ "connection": journal.connection, "record": journal.record }));
    let agents = outcome.agents.iter().map(|part| {
        json!({
            "agent": part.agent, "queue": part.queue, "joined": part.joined.to_string(),
            "left": at(part.left), "wrapUps": part.wrap_ups,
        })
    });
    let agents: Vec<Json> = agents.collect();
    json!({
        "startedAt": at(outcome.started), "endedAt": at(outcome.ended),
        "talkMs": outcome.talk_ms, "holdMs": outcome.hold_ms, "afterCallWorkMs": outcome.work_ms,
        "queue": outcome.queue, "wrapUps": outcome.wrap_ups, "notes": outcome.notes,
        "agents": agents, "activity": activity,
    })
}

fn job(job: ExportedJob) -> Json {
    // What a job says is JSON of our own, or nothing.
    let says: Json = serde_json::from_slice(&job.payload).unwrap_or_default();
    json!({ "id": job.id, "kind": job.kind, "callId": job.call, "says": says })
}
