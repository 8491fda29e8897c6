//! Data actions: what a queue's own CRM says of a caller, flat and always with the same
//! keys. A CRM that fails is an answer like any other (200), and says so in it.

use super::error::ErrorBody;
use super::input::{Segment, read_json};
use super::lookup::json;
use super::{ApiError, App, schemas};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use domain::CallId;
use engine::actions::{Enrich, Enrichment, Ready};
use kit::Given;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::time::Instant;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

/// Longest text of a value, and how many values there are at most.
const TEXT_MAX: usize = 1_024;
const VALUES_MAX: usize = 64;

/// Values that are texts in every action.
const TEXTS: [&str; 5] = ["callId", "ani", "dnis", "email", "externalId"];

/// A call that is to be enriched: the values that its action, or a lookup, is asked with.
pub struct EnrichBody;

/// Values that an action is run with.
pub struct ExecuteBody;

/// The declared fields, and what Tieline says of them.
#[derive(Serialize)]
pub struct EnrichAnswer(Map<String, Value>);

impl PartialSchema for EnrichBody {
    fn schema() -> RefOr<Schema> {
        schemas::values(true).into()
    }
}
impl ToSchema for EnrichBody {}

impl PartialSchema for ExecuteBody {
    fn schema() -> RefOr<Schema> {
        schemas::values(false).into()
    }
}
impl ToSchema for ExecuteBody {}

impl PartialSchema for EnrichAnswer {
    fn schema() -> RefOr<Schema> {
        schemas::enrichment().into()
    }
}
impl ToSchema for EnrichAnswer {}

impl From<Enrichment> for EnrichAnswer {
    fn from(answer: Enrichment) -> Self {
        Self(answer.flat().into_iter().map(|(name, value)| (name, json(value))).collect())
    }
}

/// Whether a connection can be asked now.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReadyBody {
    connection: String,
    /// Its connector.
    crm_type: String,
    /// A request of a call would go out now.
    ready: bool,
    /// There is a live token, or none is needed.
    token: bool,
    /// The budget is at its floor: calls are answered without this connection.
    degraded: bool,
    /// Requests that could go out at once.
    budget: i64,
    /// Why it is not ready: `crm.unauthorized` or `crm.degraded`; else empty.
    error_code: &'static str,
}

/// What an acceptance has begun.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedBody {
    call_id: String,
    /// Enrichments that waited for it.
    started: u64,
}

/// Enriches a call by its queue: id, name, or a number that leads to it. A queue that is
/// not configured is served by `Standard_CRM`, else by the default connection.
#[utoipa::path(
    post, path = "/api/v1/queues/{queue}/enrich", tag = "calls", request_body = EnrichBody,
    params(("queue" = String, Path, description = "Id, name or number of the queue")),
    responses(
        (status = 200, description = "What is known in time; a CRM that failed is said so", body = EnrichAnswer),
        (status = 400, body = ErrorBody)
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn enrich(
    State(app): State<App>,
    Segment(queue): Segment,
    request: Request,
) -> Result<Json<EnrichAnswer>, ApiError> {
    let arrived = Instant::now();
    let (call, given) = values(read_json(request).await?)?;
    let call = call.ok_or_else(|| {
        let fix = "Pass the conversation's id: Call.ConversationId in a flow.";
        ApiError::field("callId", "callId is required.", fix)
    })?;
    let queue = queue.chars().take(TEXT_MAX).collect();
    // Boxed, or the router would move the whole of it several times.
    let answer = Box::pin(app.engine.enrich(Enrich { call, queue, given }, arrived)).await?;
    Ok(Json(answer.into()))
}

/// Runs one action by its name, whatever the queue.
#[utoipa::path(
    post, path = "/api/v1/actions/{name}/execute", tag = "calls", request_body = ExecuteBody,
    params(("name" = String, Path, description = "The action, as the configuration names it")),
    responses(
        (status = 200, description = "What it answered; a CRM that failed is said so", body = EnrichAnswer),
        (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn execute(
    State(app): State<App>,
    Segment(name): Segment,
    request: Request,
) -> Result<Json<EnrichAnswer>, ApiError> {
    let arrived = Instant::now();
    let (call, given) = values(read_json(request).await?)?;
    let ran = Box::pin(app.engine.execute(&name, call.as_ref(), given, arrived)).await;
    Ok(Json(ran.ok_or_else(no_action)?.into()))
}

pub(super) fn no_action() -> ApiError {
    let message = "There is no action of this name.";
    let fix = "Name one of the configuration: `tieline actions list` lists them.";
    ApiError::new(StatusCode::NOT_FOUND, "action.unknown", message, fix).at("name")
}

/// The enrichment of a call that was answered `pending`, as far as it is.
#[utoipa::path(
    get, path = "/api/v1/calls/{callId}/enrichment", tag = "calls",
    params(("callId" = String, Path, description = "The contact center's id of the conversation")),
    responses(
        (status = 200, body = EnrichAnswer), (status = 404, body = ErrorBody)
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn of_call(
    State(app): State<App>,
    Segment(call): Segment,
) -> Result<Json<EnrichAnswer>, ApiError> {
    let found = match CallId::new(&call) {
        Some(call) => app.engine.enrichment_of(&call).await?,
        None => None,
    };
    let answer = found.ok_or_else(|| {
        let message = "No enrichment of this call was answered `pending`.";
        let fix =
            "Ask for one: POST /api/v1/queues/{queue}/enrich, for a queue whose mode is async.";
        ApiError::new(StatusCode::NOT_FOUND, "enrichment.unknown", message, fix).at("callId")
    })?;
    Ok(Json(answer.into()))
}

/// An agent has accepted the call: enrichments that wait for that begin.
#[utoipa::path(
    post, path = "/api/v1/calls/{callId}/accepted", tag = "calls",
    params(("callId" = String, Path, description = "The contact center's id of the conversation")),
    responses((status = 202, description = "Begun", body = AcceptedBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn accepted(
    State(app): State<App>,
    Segment(call): Segment,
) -> Result<(StatusCode, Json<AcceptedBody>), ApiError> {
    let started = match CallId::new(&call) {
        Some(call) => app.engine.accepted(&call).await?.0,
        None => 0,
    };
    Ok((StatusCode::ACCEPTED, Json(AcceptedBody { call_id: call, started })))
}

/// Whether a connection can be asked: the step before a call.
#[utoipa::path(
    get, path = "/api/v1/connections/{name}/ready", tag = "calls",
    params(("name" = String, Path, description = "The connection, as the configuration names it")),
    responses((status = 200, body = ReadyBody), (status = 404, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn ready(
    State(app): State<App>,
    Segment(name): Segment,
) -> Result<Json<ReadyBody>, ApiError> {
    let ready = app.engine.ready(&name).ok_or_else(|| {
        let message = "There is no connection of this name.";
        let fix = "Name one of the configuration's [connections].";
        ApiError::new(StatusCode::NOT_FOUND, "connection.unknown", message, fix).at("name")
    })?;
    let Ready { connection, crm_type, is_ready, has_token, is_degraded, budget, error_code } =
        ready;
    Ok(Json(ReadyBody {
        connection,
        crm_type,
        ready: is_ready,
        token: has_token,
        degraded: is_degraded,
        budget,
        error_code,
    }))
}

/// The call, if it is named, and the values: texts, numbers and truth values. Absent,
/// null and empty are one.
pub(super) fn values(body: Map<String, Value>) -> Result<(Option<CallId>, Given), ApiError> {
    const FIX: &str = "Send texts, numbers, true or false.";
    let wrong = |at: &str, message: String| Err(ApiError::field(at, message, FIX));
    if body.len() > VALUES_MAX {
        return wrong("", format!("The body has more than {VALUES_MAX} values."));
    }
    let (mut call, mut given) = (None, Given::new());
    for (name, value) in body {
        match value {
            Value::Array(_) | Value::Object(_) => {
                return wrong(&name, format!("{name} is no plain value."));
            }
            Value::String(text) if text.chars().count() > TEXT_MAX => {
                return wrong(&name, format!("{name} is longer than 1,024 characters."));
            }
            Value::String(text) if text.contains('\0') => {
                return wrong(&name, format!("{name} holds a NUL character."));
            }
            Value::String(text) if name == "callId" && !text.trim().is_empty() => {
                let Some(id) = CallId::new(text.trim()) else {
                    return wrong("callId", "callId is 1 to 128 visible ASCII characters.".into());
                };
                call = Some(id);
            }
            Value::Number(_) | Value::Bool(_) if TEXTS.contains(&name.as_str()) => {
                return wrong(&name, format!("{name} is a text."));
            }
            value => drop(given.insert(name, value)),
        }
    }
    Ok((call, given))
}
