//! What an agent does at a call that is theirs: corrects who it is, and sees who they have had
//! to do with before. With an agent's token; a key does so for any.

use super::access::Caller;
use super::context::{ContextAnswer, corrected};
use super::error::ErrorBody;
use super::events::OutcomeBody;
use super::input::{Segment, read_object};
use super::{ApiError, App, actor, news};
use axum::Json;
use axum::extract::{Request, State};
use domain::CallId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Earlier calls that are shown.
const SHOWN: usize = 20;

/// A correction of who this call is from.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CorrectionBody {
    /// Who it is: `CRM:{id}`, as a candidate has it, or with the prefix of another connection.
    #[schema(example = "CRM:0035g00000ABCdEAAW")]
    new_external_id: Option<String>,
    /// Why, for whoever reads the audit log.
    reason: Option<String>,
}

/// A call of the same customer or number, before this one.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PastCallBody {
    call_id: String,
    direction: &'static str,
    media_type: &'static str,
    queue: String,
    arrived_at: String,
    /// `hit`, `miss`, `partial`, `ambiguous` or `unknown`.
    status: &'static str,
    outcome: OutcomeBody,
}

/// Earlier calls, newest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryBody {
    calls: Vec<PastCallBody>,
}

/// Corrects who a call is from, by the agent whose it is.
#[utoipa::path(
    post, path = "/api/v1/calls/{callId}/context", tag = "calls", request_body = CorrectionBody,
    params(("callId" = String, Path, description = "The contact center's id of the conversation")),
    responses(
        (status = 200, description = "Corrected, or why not", body = ContextAnswer),
        (status = 400, body = ErrorBody),
        (status = 404, description = "No call can have this id", body = ErrorBody)
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn correct(
    State(app): State<App>,
    caller: Caller,
    Segment(call): Segment,
    request: Request,
) -> Result<Json<ContextAnswer>, ApiError> {
    let call = CallId::new(&call).ok_or_else(ApiError::unknown_call)?;
    news::refuse_others(&app, &caller, &call).await?;
    let actor = actor::actor(&request);
    let body: CorrectionBody = read_object(request).await?;
    corrected(&app, call, (body.new_external_id, body.reason), actor).await
}

/// The customer's last calls before this one, at most 20.
#[utoipa::path(
    get, path = "/api/v1/calls/{callId}/history", tag = "calls",
    params(("callId" = String, Path, description = "The contact center's id of the conversation")),
    responses(
        (status = 200, description = "None where the call counts to nobody, or is not known", body = HistoryBody),
        (status = 404, description = "No call can have this id", body = ErrorBody)
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn history(
    State(app): State<App>,
    caller: Caller,
    Segment(call): Segment,
) -> Result<Json<HistoryBody>, ApiError> {
    let call = CallId::new(&call).ok_or_else(ApiError::unknown_call)?;
    news::refuse_others(&app, &caller, &call).await?;
    let calls = app.engine.store.calls_before(&call, SHOWN).await?;
    let calls = calls.into_iter().map(|one| {
        let call = one.call.call;
        PastCallBody {
            call_id: call.id.to_string(),
            direction: call.direction.as_str(),
            media_type: call.media.as_str(),
            queue: call.queue.unwrap_or_default(),
            arrived_at: call.arrived_at.to_string(),
            status: call.status.as_str(),
            outcome: OutcomeBody::of(one.outcome),
        }
    });
    Ok(Json(HistoryBody { calls: calls.collect() }))
}
