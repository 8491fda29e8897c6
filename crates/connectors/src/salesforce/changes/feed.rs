//! What the org tells by itself: Change Data Capture over the Pub/Sub API.
//!
//! Each reader has a line of its own: a subscription that goes on ([`kit::http::grpc`]), and
//! the events that came over it since the place the reader last asked from. So the same
//! question is answered twice alike, and a stream that breaks off is taken up behind what has
//! come. An event says who changed (`feed::events`), once its schema is known; one that cannot
//! be read is a gap, and so is a place that the org keeps no more (72 hours).
//!
//! Source: Pub/Sub API Guide, "Subscribe RPC Method", "Event Message Durability", "Handle
//! Errors"; Change Data Capture Developer Guide.

mod avro;
mod events;
mod line;
mod messages;

use super::super::client::{CLIENT, Client};
use super::super::records::object;
use super::super::soql::{Name, RecordId};
use async_trait::async_trait;
use avro::Schema;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use domain::Timestamp;
use events::{Event, Own};
use kit::http::grpc::{Failed, Rpc, Status};
use kit::{Change, Error, Feed, FeedAsk, FeedPage, Http, Lane, Notice, Secret, Token};
use line::Line;
use messages::{
    ConsumerEvent, FetchRequest, FetchResponse, ReplayPreset, SchemaRequest, SchemaTold,
};
use prost::Message as _;
use std::collections::HashMap;
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

/// Events asked for at once: the vendor's most.
const REQUESTED: usize = 100;
/// Events that wait for their reader before no more are asked for.
const HELD_MAX: usize = 200;
/// Lines at once; the one that was asked longest ago goes.
const LINES_MAX: usize = 32;
/// Schemas kept; an object has a new one when a field is added.
const SCHEMAS_MAX: usize = 64;
/// An org says at least every 270 seconds that a stream still is one.
const SILENCE_MAX: Duration = Duration::from_secs(300);
/// What begins a cursor.
const FORM: &str = "sfe1.";
const SERVICE: &str = "/eventbus.v1.PubSub/";

/// By the reader who listens and the object.
type Lines = HashMap<(String, String), Arc<Mutex<Line>>>;

/// The events of one org.
pub(in crate::salesforce) struct Events {
    client: Arc<Client>,
    http: Http,
    endpoint: Url,
    /// A channel that an administrator made for us; else each object's own.
    channel: Option<String>,
    changes: super::Feed,
    lines: Lock<Lines>,
    schemas: Lock<HashMap<String, Arc<Schema>>>,
}

/// What came of listening.
enum Heard {
    Something,
    Nothing,
    /// The org keeps no more what came after this place.
    Lost,
}

#[async_trait]
impl Feed for Events {
    async fn next(&self, ask: &FeedAsk) -> Result<FeedPage, Error> {
        let object = object(&ask.object)?;
        let cursor = ask.cursor.as_deref().map(|text| read_cursor(text, &object)).transpose()?;
        let line = self.line(ask);
        let mut line = line.lock().await;
        line.go_on(cursor);
        let until = Instant::now() + ask.wait;
        // What lies ready comes along; a stream that has ended meanwhile ends below.
        while line.stream.is_some()
            && line.held.len() < HELD_MAX
            && matches!(self.hear(&mut line, &object, Instant::now()).await, Ok(Heard::Something))
        {
        }
        loop {
            let page = self.page(&mut line, &object).await?;
            if page.has_gap || !page.notices.is_empty() {
                return Ok(page);
            }
            match self.hear(&mut line, &object, until).await? {
                Heard::Something => {}
                Heard::Nothing => return Ok(page),
                Heard::Lost => {
                    *line = Line::new(None);
                    return Ok(FeedPage { has_gap: true, ..FeedPage::default() });
                }
            }
        }
    }
}

impl Events {
    pub(in crate::salesforce) fn new(
        client: &Arc<Client>,
        http: Http,
        endpoint: Url,
        channel: Option<String>,
    ) -> Self {
        let changes = super::Feed { client: Arc::clone(client) };
        let (lines, schemas) = (Lock::default(), Lock::default());
        Self { client: Arc::clone(client), http, endpoint, channel, changes, lines, schemas }
    }

    fn line(&self, ask: &FeedAsk) -> Arc<Mutex<Line>> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let whose = (ask.reader.clone(), ask.object.to_lowercase());
        if lines.len() >= LINES_MAX && !lines.contains_key(&whose) {
            // Whoever is being asked now is held by somebody else as well.
            lines.retain(|_, line| Arc::strong_count(line) > 1);
        }
        Arc::clone(lines.entry(whose).or_insert_with(|| Arc::new(Mutex::new(Line::new(None)))))
    }

    /// The reader will not come back: its subscription ends.
    pub(in crate::salesforce) fn leave(&self, reader: &str, object: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.remove(&(reader.to_owned(), object.to_lowercase()));
    }

    fn topic(&self, object: &Name) -> String {
        let object = object.as_str();
        match (&self.channel, object.strip_suffix("__c")) {
            (Some(channel), _) => format!("/data/{channel}"),
            (None, Some(custom)) => format!("/data/{custom}__ChangeEvent"),
            (None, None) => format!("/data/{object}ChangeEvent"),
        }
    }

    /// Waits for what the org tells, and takes it.
    async fn hear(&self, line: &mut Line, object: &Name, until: Instant) -> Result<Heard, Error> {
        let topic = self.topic(object);
        if line.stream.is_none() {
            self.subscribe(line, &topic).await?;
        }
        let Some((stream, token)) = &mut line.stream else { return Ok(Heard::Nothing) };
        if line.pending < REQUESTED / 2 && line.held.len() < HELD_MAX {
            let ask = FetchRequest {
                topic_name: topic,
                num_requested: i32::try_from(REQUESTED - line.pending).unwrap_or(1),
                ..FetchRequest::default()
            };
            line.pending = REQUESTED;
            // A stream that has ended says why below.
            stream.send(&ask.encode_to_vec()).await.ok();
        }
        let silent = line.heard + SILENCE_MAX;
        let failed = match tokio::time::timeout_at(until.min(silent), stream.next()).await {
            Ok(Ok(Some(message))) => {
                let response = FetchResponse::decode(&message[..]);
                line.take(response.map_err(|_| Error::protocol("an answer of another form"))?);
                return Ok(Heard::Something);
            }
            Err(_) if until <= silent => return Ok(Heard::Nothing),
            Err(_) => Error::unavailable("nothing was heard for five minutes").into(),
            Ok(Ok(None)) => Error::unavailable("the org has ended the stream").into(),
            Ok(Err(failed)) => failed,
        };
        let token = Arc::clone(token);
        line.stream = None;
        match failed {
            Failed::Refused(status) if is_lost(&status) => Ok(Heard::Lost),
            Failed::Refused(Status { code: UNAUTHENTICATED, .. }) if !line.is_refused => {
                // It ends with its session; the next one begins at once.
                self.client.reject(&token);
                line.is_refused = true;
                Ok(Heard::Something)
            }
            failed => Err(told(failed)),
        }
    }

    /// Begins behind everything that came.
    async fn subscribe(&self, line: &mut Line, topic: &str) -> Result<(), Error> {
        let token = self.client.token(Lane::Background).await?;
        let rpc = self.rpc("Subscribe", &token)?;
        let mut stream = self.http.stream(Lane::Background, rpc).await?;
        let preset = match line.tip {
            Some(_) => ReplayPreset::Custom,
            None => ReplayPreset::Latest,
        };
        let first = FetchRequest {
            topic_name: topic.to_owned(),
            replay_preset: preset.into(),
            replay_id: line.tip.clone().unwrap_or_default(),
            num_requested: i32::try_from(REQUESTED).unwrap_or(1),
        };
        stream.send(&first.encode_to_vec()).await?;
        (line.pending, line.heard) = (REQUESTED, Instant::now());
        line.stream = Some((stream, token));
        Ok(())
    }

    fn rpc(&self, method: &str, token: &Token) -> Result<Rpc, Error> {
        let (org, _) = self
            .client
            .identity()
            .ok_or_else(|| Error::protocol("the token's answer does not say whose org it is"))?;
        let instance = token.base_url.clone().unwrap_or_default();
        Rpc::new(&self.endpoint, &format!("{SERVICE}{method}"))?
            .with("accesstoken", &token.value)?
            .with("instanceurl", &Secret::new(instance))?
            .with("tenantid", &Secret::new(org))
    }

    /// What the line holds, as notices; what is of no interest goes.
    async fn page(&self, line: &mut Line, object: &Name) -> Result<FeedPage, Error> {
        let cursor = |place: Option<&Vec<u8>>| place.map(|place| write_cursor(place, object));
        if line.is_new {
            let has_gap = line.at.is_some();
            return Ok(FeedPage { notices: Vec::new(), cursor: cursor(line.at.as_ref()), has_gap });
        }
        let user = self.client.identity().map(|(_, user)| user);
        let own = Own { client: CLIENT, user: user.as_deref() };
        let mut page = FeedPage { cursor: cursor(line.tip.as_ref()), ..FeedPage::default() };
        for (at, event) in line.held.iter().enumerate() {
            match self.read(event, object, &own).await? {
                Event::Saved { ids, is_own } => {
                    page.notices.extend(ids.into_iter().map(|id| Notice::Saved { id, is_own }));
                }
                Event::Deleted { ids } => {
                    let gone = ids.into_iter().map(|id| Notice::Deleted { id, into: None });
                    page.notices.extend(gone);
                }
                Event::Gap => page.has_gap = true,
                Event::Other => {}
            }
            let is_full = page.notices.len() >= HELD_MAX && at + 1 < line.held.len();
            if page.has_gap || is_full {
                page.cursor = cursor(Some(&event.replay_id));
                break;
            }
        }
        if page.notices.is_empty() && !page.has_gap {
            line.held.clear();
        }
        self.follow_merges(object, &mut page.notices).await?;
        Ok(page)
    }

    async fn read(
        &self,
        event: &ConsumerEvent,
        object: &Name,
        own: &Own<'_>,
    ) -> Result<Event, Error> {
        let Some(event) = &event.event else { return Ok(Event::Gap) };
        let value = match self.schema(&event.schema_id).await {
            Ok(schema) => schema.read(&event.payload),
            Err(error) => Err(error),
        };
        match value {
            Ok(value) => Ok(events::read(&value, object.as_str(), own)),
            Err(Error::Protocol { .. } | Error::Invalid { .. } | Error::NotFound) => Ok(Event::Gap),
            Err(error) => Err(error),
        }
    }

    /// A schema never changes: its id is a digest of it.
    async fn schema(&self, id: &str) -> Result<Arc<Schema>, Error> {
        let known = || self.schemas.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(schema) = known().get(id).map(Arc::clone) {
            return Ok(schema);
        }
        let token = self.client.token(Lane::Background).await?;
        let ask = SchemaRequest { schema_id: id.to_owned() }.encode_to_vec();
        let rpc = self.rpc("GetSchema", &token)?;
        let answer = self.http.call(Lane::Background, rpc, &ask).await;
        let answer = answer.map_err(|failed| {
            if matches!(&failed, Failed::Refused(Status { code: UNAUTHENTICATED, .. })) {
                self.client.reject(&token);
            }
            told(failed)
        })?;
        let answer = SchemaTold::decode(&answer[..]);
        let answer = answer.map_err(|_| Error::protocol("an answer of another form"))?;
        let schema = Arc::new(Schema::parse(&answer.schema_json)?);
        let mut known = known();
        if known.len() >= SCHEMAS_MAX {
            known.clear();
        }
        known.insert(id.to_owned(), Arc::clone(&schema));
        Ok(schema)
    }

    /// An event does not tell into whom a record was merged: the record itself does.
    async fn follow_merges(&self, object: &Name, all: &mut [Notice]) -> Result<(), Error> {
        let gone = all.iter().filter_map(|notice| match notice {
            Notice::Deleted { id, .. } => RecordId::new(id),
            Notice::Saved { .. } => None,
        });
        let gone: Vec<(Timestamp, RecordId)> = gone.map(|id| (Timestamp(0), id)).collect();
        if gone.is_empty() {
            return Ok(());
        }
        let fates = self.changes.fates(object, &gone).await?;
        let fates = fates.into_iter().filter_map(|fate| match fate {
            Change::Deleted { id, into } => Some((id, into)),
            Change::Saved(_) => None,
        });
        let mut fates: HashMap<String, Option<String>> = fates.collect();
        for notice in all {
            if let Notice::Deleted { id, into } = notice {
                match fates.get_mut(id.as_str()) {
                    Some(fate) => into.clone_from(fate),
                    // Brought back since.
                    None => *notice = Notice::Saved { id: std::mem::take(id), is_own: false },
                }
            }
        }
        Ok(())
    }
}

const UNAUTHENTICATED: u32 = 16;
/// What begins each of the vendor's own codes.
const CODES: &str = "sfdc.platform.eventbus.grpc.";

/// Is the place that was asked from kept no more?
fn is_lost(status: &Status) -> bool {
    let code = status.detail("error-code").and_then(|code| code.strip_prefix(CODES));
    code.is_some_and(|code| code.starts_with("subscription.fetch.replay"))
}

/// What the end of a call means.
fn told(failed: Failed) -> Error {
    let status = match failed {
        Failed::Broken(error) => return error,
        Failed::Refused(status) => status,
    };
    let code = status.detail("error-code").and_then(|code| code.strip_prefix(CODES));
    let code = code.filter(|code| is_code(code)).unwrap_or_default();
    let reason = format!("gRPC status {} ({code})", status.code);
    match (status.code, code) {
        (_, "topic.not.found") => Error::Invalid {
            field: Some("object".to_owned()),
            reason: "the org tells no changes of it: select it in Setup".to_owned(),
        },
        (UNAUTHENTICATED, _) => Error::Unauthorized { reason },
        (7, _) | (_, "subscription.topic.cannot.subscribe" | "service.tenant.license") => {
            Error::Forbidden { missing: format!("the events of this object ({code})") }
        }
        (8, _) => Error::RateLimited { retry_after: None },
        (1 | 2 | 4 | 10 | 13 | 14, _) => Error::unavailable(reason),
        (3 | 5, _) => Error::Invalid { field: None, reason },
        _ => Error::protocol(reason),
    }
}

/// Nothing but a code gets into a message.
fn is_code(text: &str) -> bool {
    text.len() <= 100 && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'.' || b == b'_')
}

fn write_cursor(place: &[u8], object: &Name) -> String {
    format!("{FORM}{}.{}", object.as_str(), BASE64.encode(place))
}

/// # Errors
/// `Invalid` naming `cursor` when it is none of ours, or another object's.
fn read_cursor(text: &str, object: &Name) -> Result<Vec<u8>, Error> {
    let own = text.strip_prefix(FORM).and_then(|rest| rest.split_once('.'));
    let place = own.filter(|(of, _)| of.eq_ignore_ascii_case(object.as_str()));
    let place = place.and_then(|(_, place)| BASE64.decode(place).ok());
    place.filter(|place| !place.is_empty()).ok_or_else(|| Error::Invalid {
        field: Some("cursor".to_owned()),
        reason: "is none of this connection's for this object".to_owned(),
    })
}
