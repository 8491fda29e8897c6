//! `POST /api/v1/genesys/events`: what happened in calls.
//!
//! Plain events of our own form, or the contact center's own messages, which its
//! connector reads. All of a request is stored or nothing is, and it is answered once
//! it is stored (invariant 1).

use super::input::{read_json, whole};
use super::{ApiError, App, schemas};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use domain::timeline::{Event, Kind, Session, Side, Spent};
use domain::{CallId, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};
use state::{NewEvent, StoredOutcome};
use utoipa::ToSchema;

type Fields = Map<String, Value>;

/// Longest text of a field, and of what an agent wrote; in characters.
const TEXT_MAX: usize = 1_024;
const NOTES_MAX: usize = 32_000;

/// One event in our own form. For its documentation alone: the fields are read one by
/// one, because beside it stand the contact center's own messages.
#[derive(ToSchema)]
#[allow(dead_code)]
#[schema(rename_all = "camelCase")]
pub struct PlainEvent {
    /// `callStarted`, `callAccepted` (an agent and the customer speak) or `callEnded`.
    #[schema(example = "callEnded")]
    r#type: String,
    /// The contact center's id of the conversation, as it was looked up with.
    #[schema(schema_with = schemas::call_id)]
    call_id: String,
    /// RFC 3339, or milliseconds since 1970. Absent: now.
    #[schema(schema_with = schemas::event_time)]
    started_at: Option<String>,
    /// The same, of `callEnded`.
    #[schema(schema_with = schemas::event_time)]
    ended_at: Option<String>,
    /// The same, of `callAccepted`.
    #[schema(schema_with = schemas::event_time)]
    accepted_at: Option<String>,
    #[schema(schema_with = schemas::short_text)]
    queue_id: Option<String>,
    /// The agent.
    #[schema(schema_with = schemas::short_text)]
    user_id: Option<String>,
    /// Wrap-up code.
    #[schema(schema_with = schemas::short_text)]
    wrap_up: Option<String>,
    /// What the agent wrote beside it.
    #[schema(max_length = 32_000)]
    notes: Option<String>,
    #[schema(schema_with = schemas::milliseconds)]
    talk_ms: Option<u64>,
    #[schema(schema_with = schemas::milliseconds)]
    hold_ms: Option<u64>,
    /// After-call work.
    #[schema(schema_with = schemas::milliseconds)]
    acw_ms: Option<u64>,
}

/// What became of the events of a request.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventsAnswer {
    stored: u64,
    /// Were stored already.
    repeated: u64,
    /// Messages that tell nothing that matters here, such as those of other topics.
    ignored: u64,
    /// Messages in a form that neither we nor any connection knows.
    not_understood: u64,
}

/// Takes in what happened in calls: one event, a list of them, or `{"events": […]}`.
#[utoipa::path(
    post, path = "/api/v1/genesys/events", tag = "calls", request_body = PlainEvent,
    responses(
        (status = 202, description = "Stored", body = EventsAnswer),
        (status = 400, description = "An event cannot be read; none was stored", body = super::error::ErrorBody),
        (status = 401, description = "No key, or an unknown one", body = super::error::ErrorBody),
        (status = 413, description = "The body is too large", body = super::error::ErrorBody),
        (status = 415, description = "The body is not declared as JSON", body = super::error::ErrorBody),
        (status = 503, description = "Nothing could be stored", body = super::error::ErrorBody),
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn receive(
    State(app): State<App>,
    request: Request,
) -> Result<(StatusCode, Json<EventsAnswer>), ApiError> {
    let body: Value = read_json(request).await?;
    let now = app.engine.clock.now();
    let (mut ignored, mut not_understood) = (0, 0);
    let mut events = Vec::new();
    for (at, message) in messages(&body) {
        let fields = message.as_object().ok_or_else(|| {
            ApiError::field(at.trim_end_matches('.'), "An event is an object.", FIX)
        })?;
        if let Some(plain) = plain(&at, fields, now)? {
            events.extend(plain);
            continue;
        }
        let mut calls = app.engine.connections.all().filter_map(|c| c.capabilities.calls.as_ref());
        match calls.find_map(|calls| calls.read(message)) {
            None => not_understood += 1,
            Some(Ok(told)) if told.is_empty() => ignored += 1,
            Some(Ok(told)) => {
                events.extend(told.into_iter().map(|event| NewEvent { event, is_timed: true }));
            }
            Some(Err(error)) => return Err(unreadable(&at, error)),
        }
    }
    let received = match events.is_empty() {
        true => state::Received::default(),
        false => app.engine.receive(events).await?,
    };
    let state::Received { stored, repeated } = received;
    app.engine.metrics.received([
        ("stored", stored),
        ("repeated", repeated),
        ("ignored", ignored),
        ("not_understood", not_understood),
    ]);
    let answer = EventsAnswer { stored, repeated, ignored, not_understood };
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

const FIX: &str = "See docs/API.md for the forms of an event.";

/// Each message with where it stands: nowhere when it is the only one.
fn messages(body: &Value) -> Vec<(String, &Value)> {
    let (name, list) = match body {
        Value::Array(list) => ("", list),
        Value::Object(fields) => match fields.get("events") {
            Some(Value::Array(list)) => ("events", list),
            _ => return vec![(String::new(), body)],
        },
        _ => return vec![(String::new(), body)],
    };
    list.iter().enumerate().map(|(at, one)| (format!("{name}[{at}]."), one)).collect()
}

fn unreadable(at: &str, error: kit::Error) -> ApiError {
    let field = match error {
        kit::Error::Invalid { field: Some(field), .. } => field,
        _ => String::new(),
    };
    let message = format!("{field} is missing or has a wrong form.");
    ApiError::field(&format!("{at}{field}"), message, FIX)
}

/// An event in our own form; `None` when it is in another.
fn plain(at: &str, fields: &Fields, now: Timestamp) -> Result<Option<Vec<NewEvent>>, ApiError> {
    let kind = match fields.get("type").and_then(Value::as_str).map(str::trim) {
        Some(word) if word.eq_ignore_ascii_case("callStarted") => Kind::Started,
        Some(word) if word.eq_ignore_ascii_case("callAccepted") => Kind::Connected,
        Some(word) if word.eq_ignore_ascii_case("callEnded") => Kind::Ended,
        _ => return Ok(None),
    };
    let read = Reader { at, fields };
    let call = read.text("callId", TEXT_MAX)?.and_then(|id| CallId::new(&id));
    let call = call.ok_or_else(|| {
        read.wrong("callId", "callId is required: 1 to 128 visible ASCII characters.")
    })?;
    let (started, ended) = (read.time("startedAt")?, read.time("endedAt")?);
    let time = match kind {
        Kind::Started => started,
        Kind::Connected => read.time("acceptedAt")?,
        _ => ended,
    };
    let agent = read.text("userId", TEXT_MAX)?;
    let event = Event {
        session: (kind == Kind::Connected).then(|| Session {
            id: format!("agent {}", agent.as_deref().unwrap_or_default()),
            side: Side::Agent,
        }),
        queue: read.text("queueId", TEXT_MAX)?,
        agent,
        wrap_up: read.text("wrapUp", TEXT_MAX)?,
        notes: read.text("notes", NOTES_MAX)?,
        spent: Spent {
            talk_ms: read.number("talkMs")?,
            hold_ms: read.number("holdMs")?,
            work_ms: read.number("acwMs")?,
        },
        ..Event::new(call.clone(), time.unwrap_or(now), kind)
    };
    let mut events = vec![NewEvent { event, is_timed: time.is_some() }];
    if let (Kind::Ended, Some(started)) = (kind, started) {
        let event = Event::new(call, started, Kind::Started);
        events.push(NewEvent { event, is_timed: true });
    }
    Ok(Some(events))
}

/// Reads fields, and names the one that cannot be read. Absent, null and empty are one.
struct Reader<'a> {
    at: &'a str,
    fields: &'a Fields,
}

impl Reader<'_> {
    fn wrong(&self, field: &str, message: impl Into<String>) -> ApiError {
        ApiError::field(&format!("{}{field}", self.at), message.into(), FIX)
    }

    fn value(&self, field: &str) -> Option<&Value> {
        self.fields.get(field).filter(|value| !value.is_null() && *value != "")
    }

    fn text(&self, field: &str, most: usize) -> Result<Option<String>, ApiError> {
        match self.value(field) {
            None => Ok(None),
            Some(Value::String(text)) if text.chars().count() <= most => {
                let text = text.trim();
                Ok((!text.is_empty()).then(|| text.to_owned()))
            }
            Some(Value::String(_)) => {
                Err(self.wrong(field, format!("{field} is longer than {most} characters.")))
            }
            Some(_) => Err(self.wrong(field, format!("{field} is a text."))),
        }
    }

    fn time(&self, field: &str) -> Result<Option<Timestamp>, ApiError> {
        let Some(value) = self.value(field) else { return Ok(None) };
        let read = match value {
            Value::Number(ms) => whole(ms).and_then(|ms| i64::try_from(ms).ok()).map(Timestamp),
            Value::String(text) => {
                Timestamp::parse(text).or_else(|| text.trim().parse().ok().map(Timestamp))
            }
            _ => None,
        };
        let message = format!("{field} is RFC 3339 or milliseconds since 1970.");
        // Of the years that a date can be written for.
        let is_date = |at: &Timestamp| (0..253_402_300_800_000).contains(&at.0);
        read.filter(is_date).map(Some).ok_or_else(|| self.wrong(field, message))
    }

    fn number(&self, field: &str) -> Result<Option<u64>, ApiError> {
        let Some(value) = self.value(field) else { return Ok(None) };
        let read = match value {
            Value::Number(ms) => whole(ms),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        let message = format!("{field} is a whole number of milliseconds.");
        read.map(Some).ok_or_else(|| self.wrong(field, message))
    }
}

/// What a call came to; all empty and 0 until something was told of it.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutcomeBody {
    pub(super) started_at: String,
    /// Empty while it goes on, as far as was told.
    pub(super) ended_at: String,
    /// Talk, hold and after-call work together, over all agents.
    pub(super) handle_ms: u64,
    pub(super) talk_ms: u64,
    pub(super) hold_ms: u64,
    /// After-call work.
    pub(super) acw_ms: u64,
    /// No agent's time was told: talk is all of the customer's, or all of the call.
    estimated: bool,
    pub(super) queue: String,
    /// The agent who handled it last.
    pub(super) user_id: String,
    /// Wrap-up codes in order, each once.
    pub(super) wrap_up: Vec<String>,
    agents: Vec<AgentBody>,
    /// Whether the CRM knows: `none`, `waiting`, `written` or `skipped`.
    journal: &'static str,
    /// Where the activity is, and its id there.
    journal_connection: String,
    journal_record: String,
}

/// One agent's part in a call.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentBody {
    user_id: String,
    queue: String,
    talk_ms: u64,
    hold_ms: u64,
    acw_ms: u64,
}

impl OutcomeBody {
    pub(super) fn of(stored: Option<StoredOutcome>) -> Self {
        let Some(StoredOutcome { outcome, journal_state, journal, .. }) = stored else {
            return Self { journal: "none", ..Self::default() };
        };
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
        let agents = outcome.agents.iter().map(|part| AgentBody {
            user_id: part.agent.clone().unwrap_or_default(),
            queue: part.queue.clone().unwrap_or_default(),
            talk_ms: part.talk_ms,
            hold_ms: part.hold_ms,
            acw_ms: part.work_ms,
        });
        let (journal_connection, journal_record) =
            journal.map(|journal| (journal.connection, journal.record)).unwrap_or_default();
        Self {
            started_at: time(outcome.started),
            ended_at: time(outcome.ended),
            handle_ms: outcome.handle_ms(),
            talk_ms: outcome.talk_ms,
            hold_ms: outcome.hold_ms,
            acw_ms: outcome.work_ms,
            estimated: outcome.is_estimated,
            user_id: outcome.agent().unwrap_or_default().to_owned(),
            agents: agents.collect(),
            queue: outcome.queue.unwrap_or_default(),
            wrap_up: outcome.wrap_ups,
            journal: journal_state.as_str(),
            journal_connection,
            journal_record,
        }
    }
}
