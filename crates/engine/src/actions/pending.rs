//! Enrichments that are answered `pending` and run behind the answer.
//!
//! The question is stored with its job before it is acknowledged (invariants 1 and 10):
//! at once, or once an agent has accepted the call, of which an event or a request tells.
//! What comes of it is committed with its news, with the attributes that the contact
//! center is to have, and can be asked for.

use super::fields::Kind;
use super::outcome::{CODES, Enrichment, Outcome, Word};
use super::{Enrich, FIXED};
use crate::follow_up::{self, AnnotatePayload, Found};
use crate::jobs::{End, Failure};
use crate::lookup::{Engine, Request, identify, micros};
use domain::timeline::{Kind as EventKind, Side};
use domain::{CallId, Direction, MediaType, Timestamp, Value};
use kit::{Given, Lane};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use state::enrichments::{Enrichment as Kept, Flat, Stage};
use state::{Leased, NewCall, NewEvent, NewJob};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// Ask a queue's CRM behind an answer.
pub(crate) const ASK: &str = "enrich_queue";
/// An agent has accepted a call: what waits for that begins.
pub(crate) const ACCEPT: &str = "accept_call";

/// How long one try behind an answer may take: nobody waits for it.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);
/// Tries before the answer says that the CRM has failed: a call lasts some minutes.
const TRIES_MAX: u32 = 5;

/// Payload of [`ASK`].
#[derive(Serialize, Deserialize)]
struct AskPayload {
    queue: String,
}

/// What an acceptance has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started(pub u64);

impl Engine {
    /// Keeps the question and says that its answer follows; one that is known already is
    /// answered with what there is.
    pub(super) async fn enrich_behind(
        &self,
        request: Enrich,
        waits_for_agent: bool,
        arrived: Instant,
    ) -> Result<Enrichment, state::Error> {
        let queue = self.queue_of(&request).map(|queue| queue.name.clone()).unwrap_or_default();
        if let Some(kept) = self.store.enrichment(&request.call, Some(&queue)).await? {
            return Ok(self.read_back(&kept, arrived));
        }
        let now = self.clock.now();
        self.note_call(&request, &queue, arrived).await?;
        let kept = Kept {
            call: request.call.clone(),
            queue: queue.clone(),
            stage: if waits_for_agent { Stage::Waiting } else { Stage::Pending },
            asked: request.given.clone().into_iter().collect(),
            answer: Flat::new(),
            created_at: now,
        };
        let job = self.ask_job(&request.call, &queue, now);
        let jobs = if waits_for_agent { Vec::new() } else { vec![job] };
        self.store.put_enrichment(kept.clone(), jobs).await?;
        // Told before, or while this was stored: whoever comes second begins it.
        if waits_for_agent && self.has_agent(&request.call).await? {
            self.accepted(&request.call).await?;
        }
        Ok(self.read_back(&kept, arrived))
    }

    /// An agent has accepted the call: what waits for that begins. Twice is once.
    ///
    /// # Errors
    /// When our own store fails.
    pub async fn accepted(&self, call: &CallId) -> Result<Started, state::Error> {
        let now = self.clock.now();
        let kept = self.store.enrichments(call).await?;
        let waiting = kept.into_iter().filter(|kept| kept.stage == Stage::Waiting);
        let jobs: Vec<(String, NewJob)> = waiting
            .map(|kept| (kept.queue.clone(), self.ask_job(call, &kept.queue, now)))
            .collect();
        if jobs.is_empty() {
            return Ok(Started(0));
        }
        self.store.start_enrichments(call, jobs, now).await.map(Started)
    }

    /// The newest enrichment of a call that was answered `pending`.
    ///
    /// # Errors
    /// When our own store fails.
    pub async fn enrichment_of(&self, call: &CallId) -> Result<Option<Enrichment>, state::Error> {
        let kept = self.store.enrichment(call, None).await?;
        Ok(kept.map(|kept| self.read_back(&kept, Instant::now())))
    }

    /// The jobs that events of agents bring, where any queue waits for them.
    pub(crate) fn after_events(&self, events: &[NewEvent], now: Timestamp) -> Vec<NewJob> {
        if !self.actions.waits_for_agents {
            return Vec::new();
        }
        let line = &self.connections.default_connection().name;
        let accepted = events.iter().map(|new| &new.event).filter(|event| is_accepted(event));
        let calls: BTreeSet<&CallId> = accepted.map(|event| &event.call).collect();
        calls.into_iter().map(|call| NewJob::of_call(ACCEPT, line, call, now)).collect()
    }

    async fn has_agent(&self, call: &CallId) -> Result<bool, state::Error> {
        Ok(self.store.events(call).await?.iter().any(|told| is_accepted(&told.event)))
    }

    /// The job in the line of the connection that is asked.
    fn ask_job(&self, call: &CallId, queue: &str, now: Timestamp) -> NewJob {
        let named = self.connections.queue_by_word(queue, self.options.region);
        let target = self.target_of(named);
        let payload = AskPayload { queue: queue.to_owned() };
        NewJob {
            kind: ASK,
            connection: target.connection().name.clone(),
            key: Some(format!("{call} {queue}")),
            // A text: there is nothing in it that JSON cannot hold.
            payload: serde_json::to_vec(&payload).unwrap_or_default(),
            run_at: now,
            subject: Some(call.clone()),
        }
    }

    /// The call is known from here on, so that its news and its end find it; who it is
    /// from is found out behind. One that was looked up already stays as it is.
    async fn note_call(
        &self,
        request: &Enrich,
        queue: &str,
        arrived: Instant,
    ) -> Result<(), state::Error> {
        if self.store.call_exists(&request.call).await? {
            return Ok(());
        }
        let text = |name: &str| request.given.get(name).and_then(Json::as_str).map(str::to_owned);
        let external_id = text("externalId").or_else(|| text("customerExternalId"));
        let lookup = Request {
            call: request.call.clone(),
            direction: Direction::Inbound,
            media: MediaType::Voice,
            from: text("ani"),
            to: text("dnis"),
            queue: Some(queue.to_owned()),
            user: text("userId"),
            email: text("email"),
            external_id,
        };
        let now = self.clock.now();
        let customer = self.customer(&lookup);
        let named = self.connections.queue_by_word(queue, self.options.region);
        let usual = named.and_then(|queue| self.connections.get(&queue.connection));
        let usual = customer.owner.as_ref().or(usual);
        let connection = usual.unwrap_or_else(|| self.connections.default_connection());
        let asked = customer.ask.filter(|ask| !self.names_erased(ask, connection));
        let found = Found::failed(now);
        let identity = identify(self, connection, asked.as_ref(), found, connection.policy);
        let jobs = follow_up::after_answer(self, connection, &request.call, &identity, now);
        let ask = asked.unwrap_or_default();
        let call = NewCall {
            id: lookup.call,
            direction: lookup.direction,
            media: lookup.media,
            number: ask.phone.map(|phone| phone.e164),
            email: ask.email,
            asked_record: ask.record,
            dialled: lookup.to,
            queue: lookup.queue,
            user: lookup.user,
            connection: connection.name.clone(),
            external_id: identity.external_id.clone(),
            contact: None,
            status: identity.status,
            source: identity.source,
            arrived_at: now,
            answered_in_us: micros(arrived.elapsed()),
            deadline_us: 0,
            warnings: customer.warnings,
            labels: BTreeMap::new(),
            data: BTreeMap::new(),
        };
        self.store.record_call(call, jobs).await.map(drop)
    }

    /// An enrichment as it was kept; `pending` until it is done.
    fn read_back(&self, kept: &Kept, arrived: Instant) -> Enrichment {
        let queue = self.connections.queue_by_word(&kept.queue, self.options.region);
        let target = self.target_of(queue);
        let fields = self.actions.fields().clone();
        let pending = Outcome::of(Word::Pending, "");
        let answer = pending.answer(fields, target.connection(), arrived.elapsed());
        if kept.stage == Stage::Done { read(answer, &kept.answer) } else { answer }
    }
}

/// An agent and the customer speak.
fn is_accepted(event: &domain::timeline::Event) -> bool {
    matches!(event.kind, EventKind::Connected | EventKind::Talked)
        && event.session.as_ref().is_some_and(|session| session.side == Side::Agent)
}

/// The fields of `answer` as they were kept, in the types that they have today.
fn read(mut answer: Enrichment, kept: &Flat) -> Enrichment {
    for (name, standing) in &mut answer.fields {
        let value = kept.get(name).and_then(|value| Kind::of(standing).read(value));
        if let Some(value) = value {
            *standing = value;
        }
    }
    let text = |name: &str| kept.get(name).and_then(Json::as_str).unwrap_or_default();
    let code = CODES.iter().find(|code| **code == text("errorCode"));
    let source = ["crm", "directory", "cache"].into_iter().find(|one| *one == text("source"));
    Enrichment {
        crm_type: text("crmType").to_owned(),
        crm_error: kept.get("crmError") == Some(&Json::Bool(true)),
        error_code: code.copied().unwrap_or_default(),
        fallback_crm: text("fallbackCrm").to_owned(),
        fallback_queue: text("fallbackQueue").to_owned(),
        status: Word::parse(text("status")).unwrap_or(Word::Failed),
        latency: Duration::from_millis(
            kept.get("latencyMs").and_then(Json::as_u64).unwrap_or_default(),
        ),
        source: source.unwrap_or("none"),
        as_of: Timestamp::parse(text("asOf")),
        ..answer
    }
}

/// Asks, and keeps what comes of it. A CRM that fails is asked again for a while.
pub(crate) async fn run(engine: &Engine, job: &Leased) -> Result<End, Failure> {
    let payload: Option<AskPayload> = serde_json::from_slice(&job.payload).ok();
    let (Some(payload), Some(call)) = (payload, job.subject.clone()) else {
        return Err(Failure::dead("an enrichment without its call or queue"));
    };
    let Some(kept) = engine.store.enrichment(&call, Some(&payload.queue)).await? else {
        return Ok(End::Skipped("the call is no longer stored".to_owned()));
    };
    if kept.stage == Stage::Done {
        return Ok(End::Done);
    }
    let given: Given = kept.asked.clone().into_iter().collect();
    let request = Enrich { call: call.clone(), queue: kept.queue.clone(), given };
    let answer = engine.enrich_now(&request, Lane::Background, Instant::now()).await;
    if answer.crm_error && job.attempts < TRIES_MAX {
        return Err(Failure::from(kit::Error::unavailable(answer.error_code)));
    }
    let flat = answer.flat();
    let jobs = annotation(engine, &call, &kept.queue, &flat);
    let answer: Map<String, Json> =
        flat.into_iter().map(|(name, value)| (name, json(value))).collect();
    Ok(End::Enriched { kept: Box::new(Kept { answer, stage: Stage::Done, ..kept }), jobs })
}

/// An agent has accepted the call, as an event said.
pub(crate) async fn accept(engine: &Engine, job: &Leased) -> Result<End, Failure> {
    let Some(call) = job.subject.clone() else {
        return Err(Failure::dead("an acceptance without its call"));
    };
    engine.accepted(&call).await?;
    Ok(End::Done)
}

/// The attributes that a flow would have set from an answer in time.
fn annotation(
    engine: &Engine,
    call: &CallId,
    queue: &str,
    flat: &BTreeMap<String, Value>,
) -> Vec<NewJob> {
    let Some(center) = engine.connections.contact_center() else { return Vec::new() };
    let is_fixed = |name: &str| {
        let identity = follow_up::ATTRIBUTES.iter().map(|(known, _)| *known);
        FIXED.iter().map(|(fixed, _)| *fixed).chain(identity).any(|taken| taken == name)
    };
    let mut attributes: BTreeMap<String, String> = flat
        .iter()
        .filter(|(name, _)| !is_fixed(name))
        .map(|(name, value)| (name.clone(), crate::beside::text(value)))
        .filter(|(_, text)| !text.is_empty())
        .collect();
    for (attribute, key) in ENRICHED {
        let value = flat.get(*key).map(crate::beside::text).unwrap_or_default();
        attributes.insert((*attribute).to_owned(), value);
    }
    attributes.retain(|_, text| !text.is_empty());
    let payload = AnnotatePayload { call: call.to_string(), contact: None, attributes };
    let job = follow_up::annotate(&center.name, call, &payload, engine.clock.now());
    // Beside what is told of who it is from, and never in its place.
    vec![NewJob { key: Some(format!("{call} enriched {queue}")), ..job }]
}

/// Attributes that are set besides the declared fields, and the key of each.
pub const ENRICHED: &[(&str, &str)] = &[
    ("enrichStatus", "status"),
    ("enrichErrorCode", "errorCode"),
    ("enrichFallbackCrm", "fallbackCrm"),
    ("enrichFallbackQueue", "fallbackQueue"),
];

fn json(value: Value) -> Json {
    match value {
        Value::Text(text) => text.into(),
        Value::Integer(number) => number.into(),
        Value::Number(number) => number.into(),
        Value::Bool(flag) => flag.into(),
        Value::List(items) => items.into_iter().map(json).collect(),
    }
}
