//! Phase two beside a CRM: what a system there could not say in time.
//!
//! A job in that system's own line, so that one that hangs holds up no CRM's work. Of a
//! known customer it asks for the linked account, thoroughly; of a caller whom the CRM
//! does not know it asks whether the number is its own. What it brings, the call's newer
//! identity and the jobs that tell the contact center are one commit (invariant 10).

use crate::accounts::{self, Booked};
use crate::answer::{labels, listed};
use crate::beside::{Asking, Linked, STORE_MAX, by_number, stands_beside};
use crate::connections::Connection;
use crate::enrich::{self, ask_of};
use crate::follow_up::{self, Identity};
use crate::jobs::{End, Failure};
use crate::lookup::{Engine, identify};
use domain::matching::Policy;
use domain::{CallId, ExternalId, Status, Timestamp};
use kit::Ask;
use state::{Identified, Leased, NewCall, NewJob};
use std::sync::Arc;
use tokio::time::Instant;

/// Ask a system beside the CRM for what it could not say in time.
pub(crate) const FINISH: &str = "finish_beside";

/// The jobs that ask `missing` systems again, each in that system's own line.
pub(crate) fn jobs(call: &CallId, missing: &[String], now: Timestamp) -> Vec<NewJob> {
    missing.iter().map(|name| NewJob::of_call(FINISH, name, call, now)).collect()
}

/// What is left to ask beside a CRM that has been asked thoroughly.
pub(crate) fn after_enrichment(
    engine: &Engine,
    crm: &Connection,
    call: &NewCall,
    identity: &Identity,
    now: Timestamp,
) -> Vec<NewJob> {
    let ask = ask_of(call).as_ref().and_then(by_number);
    match (identity.status, ask) {
        (Status::Hit, _) => jobs(&call.id, &identity.missing, now),
        (Status::Miss, Some(ask)) => {
            let others = engine.identifying(crm).filter(|other| !other.misses.holds(&ask));
            let names: Vec<String> = others.map(|other| other.name.clone()).collect();
            jobs(&call.id, &names, now)
        }
        _ => Vec::new(),
    }
}

/// Runs one job of [`FINISH`]: what the system of this line knows of a call's customer.
pub(crate) async fn run(engine: &Engine, line: &str, job: &Leased) -> Result<End, Failure> {
    let Some(id) = job.subject.clone() else {
        return Err(Failure::dead("a question beside the CRM without its call"));
    };
    let Some(call) = engine.store.call(&id).await?.map(|stored| stored.call) else {
        return Ok(End::Skipped("the call is no longer stored".to_owned()));
    };
    let Some(other) = engine.connections.get(line) else {
        return Ok(End::Skipped("the connection is no longer configured".to_owned()));
    };
    match (&call.external_id, call.contact.clone()) {
        (ExternalId::Record { .. }, Some(record)) if call.connection != line => {
            join_late(engine, other, &call, record).await
        }
        (ExternalId::Record { .. }, _) => Ok(End::Done),
        _ => name_late(engine, other, &call).await,
    }
}

/// The customer is the CRM's: what this system says of their account joins.
async fn join_late(
    engine: &Engine,
    other: &Arc<Connection>,
    call: &NewCall,
    record: String,
) -> Result<End, Failure> {
    let crm = engine.connections.get(&call.connection);
    let beside = |crm: &&Arc<Connection>| stands_beside(engine, &other.name, &crm.name);
    let Some(crm) = crm.filter(beside) else {
        let reason = "the call is from somebody whom this connection is not asked about";
        return Ok(End::Skipped(reason.to_owned()));
    };
    let ask = Ask { record: Some(record), ..Ask::default() };
    // As old as may be: the link seldom changes, and the next call renews it.
    let mut found = enrich::find(engine, crm, &ask, Policy::First, Timestamp(0)).await?;
    let Some(contact) = found.people.pop() else { return Ok(End::Done) };
    let linked = crm.beside.iter().filter(|beside| beside.connection == other.name);
    let linked = linked.filter_map(|beside| engine.linked(beside, &contact)).next();
    let Some(Linked { accounts, id: account, .. }) = linked else { return Ok(End::Done) };
    let ask = accounts::ask(&account);
    let landing = Booked::new(engine, other);
    // The call's own request may still be out: its answer is awaited, not doubled.
    let late = match accounts.flights.under_way(&ask) {
        Some(flight) => flight.outcome().await.ok(),
        None => None,
    };
    let known = engine.kept_account(other, &account, Instant::now() + STORE_MAX).await;
    let known = known.filter(|(_, as_of)| *as_of >= call.arrived_at).map(|(data, _)| data);
    let data = match (late, known) {
        (Some(found), _) => engine.data_of_account(other, &found),
        (None, Some(data)) => Some(data),
        (None, None) => {
            let found =
                enrich::thoroughly(&accounts.behind, &ask, &accounts.lookup, &landing).await?;
            engine.data_of_account(other, &found)
        }
    };
    let mut identity = Identity::person(call.external_id.clone(), contact, &found);
    let told = Asking::Told(&other.name, data.as_ref());
    let now = engine.clock.now();
    engine.join(crm, &mut identity, told, Instant::now() + STORE_MAX, now).await;
    if data.is_none() {
        return Ok(End::Done); // there is no such account, so that nothing is news
    }
    Ok(identified(engine, crm, call, &identity))
}

/// The CRM knows nobody: this system may.
async fn name_late(
    engine: &Engine,
    other: &Arc<Connection>,
    call: &NewCall,
) -> Result<End, Failure> {
    let Some(ask) = ask_of(call).as_ref().and_then(by_number) else { return Ok(End::Done) };
    let route = engine.connections.route(call.queue.as_deref(), None, engine.options.region);
    let policy = route.policy(other);
    let found = enrich::find(engine, other, &ask, policy, call.arrived_at).await?;
    let identity = identify(engine, other, Some(&ask), found, policy);
    if identity.status != Status::Hit {
        return Ok(End::Done);
    }
    engine.metrics.enriched(&other.name, identity.status);
    Ok(identified(engine, other, call, &identity))
}

/// The call's newer identity, and that the contact center is told what the flow could not set.
fn identified(
    engine: &Engine,
    connection: &Connection,
    call: &NewCall,
    identity: &Identity,
) -> End {
    let now = engine.clock.now();
    let is_new = call.external_id != identity.external_id;
    let must_tell = is_new || !identity.joined.is_empty();
    let mut jobs =
        follow_up::tell_contact_center(engine, connection, &call.id, identity, must_tell, now);
    jobs.push(crate::call_end::close(engine, &connection.name, &call.id, now));
    let identified = Identified {
        connection: connection.name.clone(),
        external_id: identity.external_id.clone(),
        contact: identity.contact.as_ref().map(|contact| contact.record.clone()),
        status: Status::Hit,
        source: if is_new { identity.source } else { call.source },
        labels: labels(&engine.options.dimensions, identity.contact.as_ref()),
        data: listed(&engine.options.columns, identity.contact.as_ref()),
        says_more: !identity.joined.is_empty(),
        at: now,
    };
    End::Identified { call: call.id.clone(), identified, jobs }
}
