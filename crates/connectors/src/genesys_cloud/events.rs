//! What Genesys Cloud tells of calls, as domain events.
//!
//! One message may be an EventBridge envelope, what a process-automation trigger
//! hands to a workflow (the whole event under `jsonData`, or its top-level fields
//! alone), a notification, or a whole conversation ([`detail`]). A message of
//! another topic tells nothing that matters here. Read, never guessed: a flat
//! message that may be one of several topics is refused and the field named.
//!
//! Source: `*DetailEventTopic*` in the vendor's API description; data formats in
//! "Create a trigger" of its Resource Center.

mod detail;

use domain::timeline::{Event, Kind, Session, Side, Spent};
use domain::{CallId, Timestamp};
use kit::{CallEvents, Error};
use serde_json::{Map, Value};

/// Before the id of a conversation in a topic.
const TOPIC: &str = "v2.detail.events.conversation.";
/// Wrappings around an event: envelope, workflow variable, notification.
const WRAPPINGS_MAX: usize = 4;

type Fields = Map<String, Value>;

/// Reads messages of one organization.
pub(super) struct Events {
    /// `https://apps.{region}`
    pub(super) apps: String,
}

impl CallEvents for Events {
    fn read(&self, message: &Value) -> Option<Result<Vec<Event>, Error>> {
        read(message)
    }

    fn page(&self, call: &CallId) -> Option<String> {
        // The platform's ids; those of a PBX or of a test have no page.
        let is_uuid = call.as_str().len() == 36 && call.as_str().matches('-').count() == 4;
        let page = || format!("{}/directory/#/engage/admin/interactions/{call}", self.apps);
        is_uuid.then(page)
    }
}

fn read(message: &Value) -> Option<Result<Vec<Event>, Error>> {
    let mut topic = String::new();
    let mut sent_at = None;
    let mut body = message.clone();
    for _ in 0..WRAPPINGS_MAX {
        let fields = body.as_object()?;
        let word = |key: &str| text(fields, key).unwrap_or_default();
        topic = [word("topicName"), word("topic"), topic, word("detail-type")]
            .into_iter()
            .find(|topic| !topic.is_empty())
            .unwrap_or_default();
        sent_at = time(fields, "time").or(sent_at);
        let inner = ["detail", "jsonData", "eventBody", "event"].map(|key| fields.get(key));
        let Some(inner) = inner.into_iter().flatten().find_map(object) else { break };
        body = inner;
    }
    let fields = body.as_object()?;
    if let Some(told) = detail::read(fields) {
        return Some(told);
    }
    if topic.trim().is_empty() && !fields.contains_key("conversationId") {
        return None;
    }
    Some(event(&topic, fields, sent_at).map(|event| event.into_iter().collect()))
}

/// An object, also one that a workflow has passed on as text.
fn object(value: &Value) -> Option<Value> {
    match value {
        Value::Object(_) => Some(value.clone()),
        Value::String(text) => serde_json::from_str(text).ok().filter(Value::is_object),
        _ => None,
    }
}

/// The one event in a message; `None` where it tells nothing that matters.
fn event(topic: &str, fields: &Fields, sent_at: Option<Timestamp>) -> Result<Option<Event>, Error> {
    let topic = topic.trim();
    let topic = match topic.strip_prefix(TOPIC) {
        // The id, or `{id}` as it was subscribed to, and what has happened.
        Some(rest) => rest.split_once('.').map_or("", |(_, what)| what),
        None if topic.is_empty() => untold_topic(fields)?,
        None => return Ok(None),
    };
    let (side, kind) = match topic {
        "customer.start" => (Side::Customer, Kind::Joined),
        "customer.end" => (Side::Customer, Kind::Left),
        "user.start" => (Side::Agent, Kind::Joined),
        "user.end" => (Side::Agent, Kind::Left),
        "acw" => (Side::Agent, Kind::WorkEnded),
        "wrapup" => (Side::Agent, Kind::WrappedUp),
        _ => return Ok(None),
    };
    if !is_a_call(text(fields, "mediaType").as_deref()) {
        return Ok(None);
    }
    let call = text(fields, "conversationId").and_then(|id| CallId::new(&id));
    let call = call.ok_or_else(|| invalid("conversationId"))?;
    let at = time(fields, "eventTime").or(sent_at).ok_or_else(|| invalid("eventTime"))?;
    let ms = |key: &str| number(fields, key).and_then(|ms| u64::try_from(ms).ok());
    let mut event = Event::new(call, at, kind);
    if kind != Kind::WrappedUp {
        // Whose session a wrap-up code was set on is not told: it is the call's.
        let id = text(fields, "sessionId").ok_or_else(|| invalid("sessionId"))?;
        event.session = Some(Session { id, side });
        event.queue = text(fields, "queueId");
        event.agent = text(fields, "userId");
    }
    if kind == Kind::Left {
        let (talk_ms, hold_ms) = (ms("interactingDurationMs"), ms("heldDurationMs"));
        event.spent = Spent { talk_ms, hold_ms, work_ms: None };
        event.is_transfer = is_transfer(text(fields, "disconnectType").as_deref());
    }
    if kind == Kind::WorkEnded {
        event.spent.work_ms = ms("wrapupDurationMs");
    }
    event.wrap_up = text(fields, "wrapupCode");
    event.notes = text(fields, "wrapupNotes");
    Ok(Some(event))
}

/// The topic of a flat message that does not name it, by the fields that only one has.
fn untold_topic(fields: &Fields) -> Result<&'static str, Error> {
    let has = |key: &str| fields.get(key).is_some_and(|value| !value.is_null() && value != "");
    let has_any = |keys: &[&str]| keys.iter().any(|key| has(key));
    let of_others = ["acdOutcome", "answeredUserId", "connectedDurationMs", "flowId", "flowType"];
    Ok(match () {
        () if has_any(&["wrapupDurationMs", "wrapupCode"]) && has("userId") => "acw",
        () if has_any(&["wrapupDurationMs", "wrapupCode"]) => "wrapup",
        () if has_any(&of_others) => "",
        () if has("userId") && has_any(&["interactingDurationMs", "heldDurationMs"]) => "user.end",
        () if has("userId") && has("disconnectType") => "user.end",
        () if !has("userId") && has("interactingDurationMs") => "customer.end",
        () if !has_any(&["userId", "queueId"]) && has("disconnectType") => "customer.end",
        () => return Err(invalid("topicName")),
    })
}

/// Screens and cobrowsing go on beside a call, callbacks before it: they are not it.
fn is_a_call(media: Option<&str>) -> bool {
    let media = media.unwrap_or_default().to_ascii_uppercase();
    matches!(media.as_str(), "" | "UNKNOWN" | "VOICE" | "CHAT" | "EMAIL" | "MESSAGE")
}

fn is_transfer(disconnect: Option<&str>) -> bool {
    disconnect.is_some_and(|word| word.to_ascii_uppercase().contains("TRANSFER"))
}

fn text(fields: &Fields, key: &str) -> Option<String> {
    let text = fields.get(key)?.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// A number, also as text: a workflow may have made it one.
fn number(fields: &Fields, key: &str) -> Option<i64> {
    match fields.get(key)? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Milliseconds since 1970, or a time as text.
fn time(fields: &Fields, key: &str) -> Option<Timestamp> {
    let text = || fields.get(key)?.as_str().and_then(Timestamp::parse);
    number(fields, key).map(Timestamp).or_else(text)
}

fn invalid(field: &str) -> Error {
    let reason = "is missing or has a wrong form".to_owned();
    Error::Invalid { field: Some(field.to_owned()), reason }
}

#[cfg(test)]
mod tests;
