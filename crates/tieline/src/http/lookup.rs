//! `POST /api/v1/genesys/lookup`: a call arrives, who is it?

use super::input::read_json;
use super::{ApiError, App, schemas};
use axum::Json;
use axum::extract::{Request, State};
use domain::{CallId, Direction, MediaType, Value};
use engine::Answer;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;
use utoipa::ToSchema;

/// A call, as a flow or a data action describes it. Every field but `callId` may
/// be absent or empty.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LookupBody {
    /// The contact center's id of the conversation. The same id is the same call.
    #[schema(required = true, schema_with = schemas::call_id)]
    call_id: Option<String>,
    /// Who dialled: `+E.164`, national, `tel:` or `sip:`.
    #[schema(example = "+15550199999", max_length = 1_024)]
    from_number: Option<String>,
    /// What was dialled, or a queue id. Outbound: the customer.
    #[schema(example = "+15550190000", max_length = 1_024)]
    to_number: Option<String>,
    /// `inbound` (default) or `outbound` (click-to-dial).
    #[serde(rename = "type")]
    #[schema(schema_with = schemas::direction)]
    direction: Option<String>,
    /// `voice` (default), `chat`, `message` or `email`.
    #[schema(schema_with = schemas::media_type)]
    media_type: Option<String>,
    /// The queue, by id or name.
    #[schema(schema_with = schemas::short_text)]
    queue_id: Option<String>,
    /// The agent, on an outbound call.
    #[schema(schema_with = schemas::short_text)]
    user_id: Option<String>,
    #[schema(schema_with = schemas::short_text)]
    email: Option<String>,
    /// An id from an earlier answer.
    #[schema(schema_with = schemas::short_text)]
    external_id: Option<String>,
}

/// Who it is. Always whole: what is not known is empty, never absent or null.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LookupAnswer {
    /// `CRM:{id}` of a confirmed record, `PHONE:{hash}`, or `UNKNOWN`.
    #[schema(example = "CRM:0035g00000ABCdEAAW")]
    external_id: String,
    name: String,
    email: String,
    /// Customer data by configured names, and `previousInteractionCount`.
    data: BTreeMap<String, serde_json::Value>,
    /// `hit`, `miss`, `partial`, `ambiguous` or `unknown`.
    #[schema(example = "hit")]
    status: &'static str,
    /// `directory`, `crm` or `none`.
    #[schema(example = "crm")]
    source: &'static str,
    /// When the customer's own system said so.
    #[schema(example = "2026-11-21T20:15:00.000Z")]
    as_of: String,
    /// The data is past its limit and the CRM could not be asked.
    stale: bool,
    /// How many people it could be, when the policy names nobody.
    candidate_count: usize,
    /// Connections beside the CRM that could not be asked in time: what they know is not in
    /// `data`, or as old as `stale` says. It follows.
    missing: Vec<String>,
    warnings: Vec<String>,
}

/// One answered call, as the demo prints it. No number and no full id (invariant 9
/// holds for logs; the demo's people are made up, and it prints names on purpose).
#[derive(Debug, Clone)]
pub struct Line {
    pub call: CallId,
    pub answer: Answer,
    pub took: Duration,
}

/// Answers a lookup. The deadline counts from here, before the body is read.
#[utoipa::path(
    post, path = "/api/v1/genesys/lookup", tag = "calls", request_body = LookupBody,
    responses(
        (status = 200, description = "Who it is, as far as is known in time", body = LookupAnswer),
        (status = 400, description = "A field is missing or wrong", body = super::error::ErrorBody),
        (status = 401, description = "No key, or an unknown one", body = super::error::ErrorBody),
        (status = 413, description = "The body is too large", body = super::error::ErrorBody),
        (status = 415, description = "The body is not declared as JSON", body = super::error::ErrorBody),
        (status = 503, description = "The call could not be stored", body = super::error::ErrorBody),
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn answer(
    State(app): State<App>,
    request: Request,
) -> Result<Json<LookupAnswer>, ApiError> {
    let arrived = Instant::now();
    let body: LookupBody = read_json(request).await?;
    let request = translate(body)?;
    let call = request.call.clone();
    // Boxed, or the router would move the whole of it several times.
    let answer = Box::pin(app.engine.lookup(request, arrived)).await?;
    if app.calls.receiver_count() > 0 {
        let line = Line { call, answer: answer.clone(), took: arrived.elapsed() };
        // Whoever watches may have gone meanwhile.
        app.calls.send(line).ok();
    }
    Ok(Json(wire(answer)))
}

fn translate(body: LookupBody) -> Result<engine::Request, ApiError> {
    let call = body.call_id.as_deref().map(str::trim).filter(|id| !id.is_empty());
    let Some(call) = call else {
        let fix = "Pass the conversation's id: Call.ConversationId in a flow.";
        return Err(ApiError::field("callId", "callId is required.", fix));
    };
    let Some(call) = CallId::new(call) else {
        let fix = "Pass the conversation's id unchanged.";
        return Err(ApiError::field("callId", "callId is 1 to 128 visible ASCII characters.", fix));
    };
    let direction =
        word("type", body.direction, Direction::Inbound, Direction::parse, "inbound or outbound")?;
    let media_words = "voice, chat, message or email";
    let media =
        word("mediaType", body.media_type, MediaType::Voice, MediaType::parse, media_words)?;
    let short = |at: &str, text: Option<String>| match text {
        Some(text) if text.chars().count() > 1_024 => {
            let message = format!("{at} is longer than 1,024 characters.");
            Err(ApiError::field(at, message, "Shorten it."))
        }
        text => Ok(text),
    };
    Ok(engine::Request {
        call,
        direction,
        media,
        from: short("fromNumber", body.from_number)?,
        to: short("toNumber", body.to_number)?,
        queue: short("queueId", body.queue_id)?,
        user: short("userId", body.user_id)?,
        email: short("email", body.email)?,
        external_id: short("externalId", body.external_id)?,
    })
}

fn word<T>(
    at: &str,
    text: Option<String>,
    default: T,
    parse: fn(&str) -> Option<T>,
    words: &str,
) -> Result<T, ApiError> {
    match text.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
        None => Ok(default),
        Some(text) => parse(&text.to_ascii_lowercase()).ok_or_else(|| {
            ApiError::field(at, format!("{at} is {words}."), "Correct it or leave it out.")
        }),
    }
}

fn wire(answer: Answer) -> LookupAnswer {
    LookupAnswer {
        external_id: answer.external_id.to_string(),
        name: answer.name,
        email: answer.email,
        data: answer.data.into_iter().map(|(key, value)| (key, json(value))).collect(),
        status: answer.status.as_str(),
        source: answer.source.as_str(),
        as_of: answer.as_of.to_string(),
        stale: answer.is_stale,
        candidate_count: answer.candidates.len(),
        missing: answer.missing,
        warnings: answer.warnings,
    }
}

/// A value as the API writes it.
pub(super) fn json(value: Value) -> serde_json::Value {
    match value {
        Value::Text(text) => text.into(),
        Value::Integer(number) => number.into(),
        // JSON has no infinity; an empty text keeps the answer free of null.
        Value::Number(number) => serde_json::Number::from_f64(number)
            .map_or_else(|| String::new().into(), serde_json::Value::Number),
        Value::Bool(flag) => flag.into(),
        Value::List(items) => items.into_iter().map(json).collect(),
    }
}
