//! Finishes what a deadline cut short.
//!
//! Asks the directory for what a late answer has brought meanwhile, then the
//! CRM, thoroughly. What it finds, the call's new identity, the jobs that tell
//! the contact center and the end of this job are one commit (invariant 10).

use crate::answer::{labels, listed};
use crate::beside::{by_number, stands_beside};
use crate::flights::{Flights, Landing, Outcome};
use crate::follow_up::{self, Found};
use crate::jobs::{End, Failure};
use crate::lookup::{Engine, identify, keys, known};
use crate::overrides::queue_word;
use crate::{call_end, finish};
use domain::matching::Policy;
use domain::{Phone, Status, Timestamp};
use kit::{Ask, Lane, Lookup};
use state::{Identified, Leased, NewCall};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long the store may take to say whether a number was corrected.
const CORRECTION_MAX: Duration = Duration::from_secs(5);

/// Runs one enrichment. Its end is committed together with the call's identity.
pub(crate) async fn run(engine: &Engine, line: &str, job: &Leased) -> Result<End, Failure> {
    let Some(call_id) = job.subject.clone() else {
        return Err(Failure::dead("an enrichment without its call"));
    };
    let Some(call) = engine.store.call(&call_id).await?.map(|stored| stored.call) else {
        return Ok(End::Skipped("the call is no longer stored".to_owned()));
    };
    // Answered by a system beside the CRM, whose word goes before.
    let is_beside = call.status == Status::Hit && stands_beside(engine, &call.connection, line);
    if call.status == Status::Hit && !is_beside {
        return Ok(End::Done);
    }
    let asked = if is_beside { line } else { &call.connection };
    let Some(mut connection) = engine.connections.get(asked) else {
        return Ok(End::Skipped("the call's connection is no longer configured".to_owned()));
    };
    let ask = ask_of(&call);
    let Some(mut ask) = (if is_beside { ask.as_ref().and_then(by_number) } else { ask }) else {
        return Ok(End::Skipped("the call has nothing to be found by".to_owned()));
    };
    if engine.names_erased(&ask, connection) {
        return Ok(End::Skipped("the caller was erased".to_owned()));
    }
    let route = engine.connections.route(call.queue.as_deref(), None, engine.options.region);
    let policy = route.policy(connection);
    let queue = queue_word(&route, call.queue.as_deref());
    let until = Instant::now() + CORRECTION_MAX;
    let corrected = engine.correction_of(&ask, queue, until, engine.clock.now()).await;
    let mut find_by = ask.clone();
    if let Some((old, owner)) = &corrected {
        // An agent has said who this number is; a search does not know better.
        connection = owner;
        ask.record = Some(old.said.record.clone());
        find_by = Ask { record: ask.record.clone(), ..Ask::default() };
    }
    let found = find(engine, connection, &find_by, policy, call.arrived_at).await?;
    let was_partial = call.status == Status::Partial;
    let mut identity = identify(engine, connection, Some(&ask), found, policy);
    let now = engine.clock.now();
    if is_beside && identity.status != Status::Hit {
        return Ok(End::Done);
    }
    engine.join_known(connection, &mut identity, now).await;
    // The answer in time said `miss` and the flow has set it: nothing is news.
    let is_news = was_partial || identity.status != Status::Miss;
    let must_tell = is_news || !engine.options.flow_sets_attributes;
    let mut jobs =
        follow_up::tell_contact_center(engine, connection, &call_id, &identity, must_tell, now);
    jobs.extend(finish::after_enrichment(engine, connection, &call, &identity, now));
    // A call that is over by now has an activity to be written.
    jobs.push(call_end::close(engine, &connection.name, &call_id, now));
    let identified = Identified {
        connection: connection.name.clone(),
        external_id: identity.external_id.clone(),
        contact: identity.contact.as_ref().map(|contact| contact.record.clone()),
        status: identity.status,
        source: identity.source,
        labels: labels(&engine.options.dimensions, identity.contact.as_ref()),
        data: listed(&engine.options.columns, identity.contact.as_ref()),
        says_more: false,
        at: now,
    };
    engine.metrics.enriched(&connection.name, identity.status);
    Ok(End::Identified { call: call_id, identified, jobs })
}

pub(crate) fn ask_of(call: &NewCall) -> Option<Ask> {
    let phone = call.number.clone().map(|e164| Phone { e164, extension: None });
    let ask = Ask { phone, email: call.email.clone(), record: call.asked_record.clone() };
    (ask != Ask::default()).then_some(ask)
}

/// What is known now: by a late answer since the call came, else by asking.
pub(crate) async fn find(
    engine: &Engine,
    connection: &Arc<crate::Connection>,
    ask: &Ask,
    policy: Policy,
    since: Timestamp,
) -> Result<Found, Failure> {
    let flight = connection.flights.under_way(ask);
    // The call's own request may still be out: its answer is awaited, not doubled.
    let late = match flight {
        Some(flight) => flight.outcome().await.ok().filter(|people| !people.is_empty()),
        None => None,
    };
    let keys = keys(ask);
    let entries = known(&engine.store, &connection.name, &keys, policy).await?;
    let kept = Found::from_directory(&keys, entries);
    if let Some(people) = late {
        return Ok(Found::from_crm(people.to_vec(), kept, engine.clock.now()));
    }
    if let Some(kept) =
        kept.as_ref().filter(|kept| kept.was_asked && kept.has_all && kept.as_of >= since)
    {
        return Ok(kept.clone());
    }
    let Some(lookup) = &connection.capabilities.lookup else {
        return Err(Failure::dead("the connection cannot look anybody up"));
    };
    let landing = Arc::new(engine.landing(connection));
    let people = thoroughly(&connection.behind, ask, lookup, &landing).await?;
    Ok(Found::from_crm(people.to_vec(), kept, engine.clock.now()))
}

/// Asks behind an answer, with others: a minute of many strangers costs few requests.
pub(crate) async fn thoroughly<L: Landing>(
    behind: &Arc<Flights>,
    ask: &Ask,
    lookup: &Arc<dyn Lookup>,
    landing: &Arc<L>,
) -> Outcome {
    match behind.join(ask, lookup, landing).outcome().await {
        // Refused for good: alone, in case it was for somebody else's ask.
        Err(error) if !error.is_worth_retrying() => {
            let asked_at = landing.now();
            let people = lookup.find(Lane::Background, std::slice::from_ref(ask)).await?.pop();
            let people = Arc::new(people.unwrap_or_default());
            let answers = vec![(ask.clone(), Arc::clone(&people))];
            landing.landed(Lane::Background, answers, asked_at).await;
            Ok(people)
        }
        outcome => outcome,
    }
}
