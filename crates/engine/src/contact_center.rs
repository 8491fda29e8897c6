//! Tells the contact center what it must know, by what costs least.
//!
//! Pushes of several people travel in one request; the association and the
//! attributes of a conversation follow as a job of their own once its contact
//! is there. Everything here may be repeated without a second effect
//! (invariant 3). A conversation that the platform does not know is a stated
//! skip: a test call, a PBX call, or one whose detail is gone.

use crate::follow_up::{self, AnnotatePayload, Identity, PushPayload, digest};
use crate::jobs::{End, Failure};
use crate::lookup::Engine;
use domain::{CallId, Contact};
use kit::{ContactCenter, Conversation, Error, Push};
use state::customers::Link;
use state::{Key, Leased, NewJob};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many pushes one lease takes: as many as the platform takes at once.
pub(crate) fn batch_max(engine: &Engine) -> usize {
    platform(engine).map_or(1, |platform| platform.batch_max().max(1))
}

fn platform(engine: &Engine) -> Option<&Arc<dyn ContactCenter>> {
    engine.connections.contact_center()?.capabilities.contact_center.as_ref()
}

/// The platform, if it is still the one that a job was meant for.
fn platform_of<'a>(engine: &'a Engine, connection: &str) -> Option<&'a Arc<dyn ContactCenter>> {
    engine.connections.contact_center().filter(|center| center.name == connection)?;
    platform(engine)
}

const GONE: &str = "its contact center is no longer configured";
const NOT_KNOWN: &str = "the contact center does not know this call";
const NOBODY_THERE: &str = "the conversation, or its customer, is gone from the contact center";
const TOO_LATE: &str = "the conversation has ended: the platform takes no attributes any more";

/// Pushes the people of several jobs in one request; one end per job, in order.
pub(crate) async fn push(
    engine: &Engine,
    connection: &str,
    jobs: &[Leased],
) -> Vec<Result<End, Failure>> {
    let Some(platform) = platform_of(engine, connection) else {
        let skipped = || Ok(End::Skipped(GONE.to_owned()));
        return jobs.iter().map(|_| skipped()).collect();
    };
    let mut payloads: Vec<Option<PushPayload>> =
        jobs.iter().map(|job| serde_json::from_slice(&job.payload).ok()).collect();
    for payload in &mut payloads {
        // Erased since the job was leased: its end will not count, and nobody is told.
        let erased = |p: &mut PushPayload| engine.is_erased_record(&p.connection, &p.record);
        payload.take_if(erased);
    }
    for payload in payloads.iter_mut().flatten() {
        renew(engine, payload).await;
    }
    let mut pushes: Vec<Push> = Vec::new();
    for payload in payloads.iter().flatten() {
        // The newest word about a person is the one that counts. Here, and not in each
        // platform's connector: one job has one person, so that all a platform would ever
        // see twice comes from this loop, and only the engine knows which word is newer.
        let push = payload.push();
        match pushes.iter_mut().find(|p| p.external_id == push.external_id) {
            Some(earlier) => *earlier = push,
            None => pushes.push(push),
        }
    }
    let outcomes = match platform.enrich(&pushes).await {
        Ok(outcomes) => outcomes,
        Err(error) => vec![Err(error); pushes.len()],
    };
    let told: BTreeMap<&str, _> =
        pushes.iter().map(|p| p.external_id.as_str()).zip(&outcomes).collect();
    let mut ends = Vec::with_capacity(jobs.len());
    for payload in &payloads {
        let end = match payload {
            None => Err(Failure::dead("the job's payload cannot be read")),
            Some(payload) => match told.get(payload.external_id.as_str()) {
                Some(Ok(enriched)) => {
                    after_push(engine, connection, payload, &enriched.contact).await
                }
                Some(Err(error)) => Err(Failure::from(error.clone())),
                None => Err(Failure::from(Error::protocol("fewer outcomes than pushes"))),
            },
        };
        ends.push(end);
    }
    ends
}

/// A push may have waited for hours: what the directory knows now is what is told,
/// so that an old profile never overwrites a newer one.
async fn renew(engine: &Engine, payload: &mut PushPayload) {
    let key = Key::Record(payload.record.clone());
    let known = engine.store.find(&payload.connection, &[key]).await;
    let Some(entry) = known.ok().and_then(|entries| entries.into_iter().next()) else { return };
    let Contact { name, first_name, last_name, email, phones, url, .. } = entry.contact;
    payload.name = name;
    payload.first_name = first_name;
    payload.last_name = last_name;
    payload.email = email;
    payload.phones = phones;
    payload.url = url;
}

async fn after_push(
    engine: &Engine,
    center: &str,
    payload: &PushPayload,
    contact: &str,
) -> Result<End, Failure> {
    let digest = digest(engine, &payload.push());
    engine.store.mark_pushed(&payload.connection, &payload.record, digest).await?;
    let link = Link {
        center: center.to_owned(),
        contact: contact.to_owned(),
        connection: payload.connection.clone(),
        record: payload.record.clone(),
    };
    engine.store.link(&link, engine.clock.now()).await?;
    let Some(call) = CallId::new(&payload.call) else { return Ok(End::Done) };
    let annotation = AnnotatePayload {
        call: payload.call.clone(),
        contact: Some(contact.to_owned()),
        attributes: payload.attributes.clone(),
    };
    let next: NewJob = follow_up::annotate(center, &call, &annotation, engine.clock.now());
    Ok(End::Followed(vec![next]))
}

/// Sets a conversation's attributes and ties it to its contact.
pub(crate) async fn annotate(
    engine: &Engine,
    connection: &str,
    job: &Leased,
) -> Result<End, Failure> {
    let Some(platform) = platform_of(engine, connection) else {
        return Ok(End::Skipped(GONE.to_owned()));
    };
    let payload: AnnotatePayload = serde_json::from_slice(&job.payload)
        .map_err(|_| Failure::dead("the job's payload cannot be read"))?;
    let Some(call) = CallId::new(&payload.call) else {
        return Err(Failure::dead("the job's call id cannot be read"));
    };
    let conversation = match platform.conversation(&call).await {
        Ok(conversation) => conversation,
        Err(Error::NotFound) => {
            return Ok(End::Skipped(NOT_KNOWN.to_owned()));
        }
        Err(error) => return Err(error.into()),
    };
    if conversation.participant.is_none() && !conversation.has_ended {
        return Err(Error::unavailable("the conversation has no customer yet").into());
    }
    let told = tell(platform.as_ref(), &conversation, payload).await;
    match told {
        // Gone between two requests, or without a leg that a contact can be tied to.
        Err(Error::NotFound) => Ok(End::Skipped(NOBODY_THERE.to_owned())),
        Err(error) => Err(error.into()),
        Ok(end) => Ok(end),
    }
}

async fn tell(
    platform: &dyn ContactCenter,
    conversation: &Conversation,
    payload: AnnotatePayload,
) -> Result<End, Error> {
    let news = changed(conversation, &payload.attributes);
    if !news.is_empty() && !conversation.has_ended {
        platform.set_attributes(conversation, &news).await?;
    }
    if let Some(contact) = payload.contact.filter(|c| conversation.contact.as_ref() != Some(c)) {
        platform.associate(conversation, &contact).await?;
    }
    if conversation.has_ended && !news.is_empty() {
        return Ok(End::Skipped(TOO_LATE.to_owned()));
    }
    Ok(End::Done)
}

/// Why the contact center could not be told all of an identity, by asking it and telling
/// it nothing; `None` where it could.
pub(crate) async fn foresee(
    engine: &Engine,
    call: &CallId,
    identity: &Identity,
) -> Result<Option<String>, Error> {
    let Some(platform) = platform(engine) else { return Ok(None) };
    let conversation = match platform.conversation(call).await {
        Ok(conversation) => conversation,
        Err(Error::NotFound) => return Ok(Some(NOT_KNOWN.to_owned())),
        Err(error) => return Err(error),
    };
    let news = changed(&conversation, &follow_up::attributes(identity));
    let reason = match () {
        () if conversation.communication.is_none() => Some(NOBODY_THERE),
        () if conversation.has_ended && !news.is_empty() => Some(TOO_LATE),
        () => None,
    };
    Ok(reason.map(str::to_owned))
}

/// Only what differs costs a request.
fn changed(
    conversation: &Conversation,
    wanted: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let differs =
        |(key, value): &(&String, &String)| conversation.attributes.get(*key) != Some(*value);
    wanted.iter().filter(differs).map(|(k, v)| (k.clone(), v.clone())).collect()
}
