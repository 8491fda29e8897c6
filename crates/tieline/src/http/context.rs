//! `POST /api/v1/genesys/update-context`: an agent, or a caller in an IVR, knows better.
//!
//! Once the request itself can be read the answer is 200: a flow would take any other
//! for a failure and lose the caller's identity.

use super::input::read_json;
use super::lookup::json;
use super::{ApiError, App, schemas};
use axum::Json;
use axum::extract::{Request, State};
use domain::CallId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A correction of who a call is from.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContextBody {
    /// The contact center's id of the conversation, as it was looked up with.
    #[schema(required = true, schema_with = schemas::call_id)]
    call_id: Option<String>,
    /// Who it is: `CRM:{id}`, as from a lookup, or with the prefix of another connection.
    #[schema(example = "CRM:0035g00000ABCdEAAW")]
    new_external_id: Option<String>,
    /// Why, for whoever reads the audit log.
    #[schema(example = "The caller gave her customer number")]
    reason: Option<String>,
}

/// What the correction has changed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContextAnswer {
    call_id: String,
    /// Who the call is from now: the new id where it was confirmed, else the one before,
    /// else `UNKNOWN`.
    external_id: String,
    previous_external_id: String,
    /// The CRM knows the new id, and the call has it.
    confirmed: bool,
    /// It differs from the one before.
    changed: bool,
    /// The next calls of this number are answered with it.
    remembered: bool,
    /// `queued` where the contact center is being told, else `unchanged`.
    contact_center: &'static str,
    /// Why it was not confirmed; empty when it was.
    reason: String,
    name: String,
    email: String,
    /// Customer data of the confirmed record.
    data: BTreeMap<String, serde_json::Value>,
}

/// Corrects who a call is from.
#[utoipa::path(
    post, path = "/api/v1/genesys/update-context", tag = "calls", request_body = ContextBody,
    responses(
        (status = 200, description = "Corrected, or why not", body = ContextAnswer),
        (status = 400, description = "callId is missing or no id", body = super::error::ErrorBody),
        (status = 401, description = "No key, or an unknown one", body = super::error::ErrorBody),
        (status = 413, description = "The body is too large", body = super::error::ErrorBody),
        (status = 415, description = "The body is not declared as JSON", body = super::error::ErrorBody),
        (status = 503, description = "The store could not be written", body = super::error::ErrorBody),
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn update(
    State(app): State<App>,
    request: Request,
) -> Result<Json<ContextAnswer>, ApiError> {
    let actor = super::actor::actor(&request);
    let body: ContextBody = read_json(request).await?;
    let Some(call) = body.call_id.as_deref().map(str::trim).and_then(CallId::new) else {
        let message = "callId is required: 1 to 128 visible ASCII characters.";
        let fix = "Pass the conversation's id: Call.ConversationId in a flow.";
        return Err(ApiError::field("callId", message, fix));
    };
    corrected(&app, call, (body.new_external_id, body.reason), actor).await
}

/// Corrects it, by this actor: who it is now, and why.
pub(super) async fn corrected(
    app: &App,
    call: CallId,
    (new_external_id, reason): (Option<String>, Option<String>),
    actor: String,
) -> Result<Json<ContextAnswer>, ApiError> {
    let short =
        |text: Option<String>| -> String { text.unwrap_or_default().chars().take(1_024).collect() };
    let correction = engine::Correction {
        call: call.clone(),
        new_external_id: short(new_external_id),
        reason: short(reason),
        actor,
    };
    let answer = app.engine.correct(correction).await?;
    Ok(Json(ContextAnswer {
        call_id: call.to_string(),
        changed: answer.external_id != answer.previous,
        external_id: answer.external_id.to_string(),
        previous_external_id: answer.previous.to_string(),
        confirmed: answer.is_confirmed,
        remembered: answer.is_remembered,
        contact_center: if answer.is_told { "queued" } else { "unchanged" },
        reason: answer.reason,
        name: answer.name,
        email: answer.email,
        data: answer.data.into_iter().map(|(key, value)| (key, json(value))).collect(),
    }))
}
