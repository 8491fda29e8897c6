//! Tokens for agents: short, and good for that agent's own view alone.
//!
//! Whoever shows the agent's widget asks for one with a key that has the scope
//! `agents`, and hands the token, never the key, to the page. A page inside a vendor's
//! gets one without a key ([`super::sign_in`]).

use super::scopes::Scopes;
use super::{Caller, Claims};
use crate::http::error::ErrorBody;
use crate::http::input::read_json;
use crate::http::{ApiError, App, schemas};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use domain::{CallId, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;

/// How long an agent's token lives.
pub(super) const LIFETIME: Duration = Duration::from_secs(15 * 60);
/// Characters of an agent's id: an e-mail address fits, a page of text does not.
const AGENT_MAX: usize = 256;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentTokenRequest {
    /// The agent's id in the contact center or the CRM, at most 256 characters.
    #[schema(required = true, schema_with = schemas::agent)]
    agent: Option<String>,
    /// Only for this call.
    #[schema(schema_with = schemas::some_call_id)]
    call_id: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentToken {
    /// Send it as `Authorization: Bearer`.
    token: String,
    expires_at: String,
    /// Seconds.
    expires_in: u64,
    agent: String,
    /// Empty when it is good for every call of the agent.
    call_id: String,
}

/// Issues a token for one agent.
#[utoipa::path(
    post, path = "/api/v1/agent-tokens", tag = "access", request_body = AgentTokenRequest,
    responses((status = 200, body = AgentToken), (status = 400, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn issue(
    State(app): State<App>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let body: AgentTokenRequest = read_json(request).await?;
    // As it came: a line break at an end is no part of an id either.
    let has_control =
        body.agent.as_deref().is_some_and(|agent| agent.chars().any(char::is_control));
    let agent = given(body.agent).ok_or_else(|| {
        ApiError::field(
            "agent",
            "agent is required.",
            "Pass the agent's id: the user's id in Genesys Cloud.",
        )
    })?;
    if !is_agent(&agent) || has_control {
        let message = "agent is at most 256 characters, without control characters.";
        return Err(ApiError::field("agent", message, "Pass the agent's id unchanged."));
    }
    let now = app.engine.clock.now();
    let call = call(body.call_id)?;
    let claims = Claims::new(&*caller.key, Scopes::of_an_agent(), now.plus(LIFETIME));
    // Made in somebody's session it ends with that.
    let (session, began_at) = caller
        .session
        .map_or((None, None), |session| (Some(session.id.to_string()), Some(session.began_at.0)));
    let claims = Claims { agent: Some(agent), call, session, began_at, ..claims };
    Ok(issued(&app, &claims, now))
}

/// Whether the text can be an agent's id.
pub(super) fn is_agent(text: &str) -> bool {
    (1..=AGENT_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

fn given(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The call that a token shall be for, if it shall be for one.
pub(super) fn call(given_id: Option<String>) -> Result<Option<String>, ApiError> {
    let call = given(given_id);
    if call.as_deref().is_some_and(|call| CallId::new(call).is_none()) {
        let message = "callId is 1 to 128 visible ASCII characters.";
        return Err(ApiError::field("callId", message, "Pass the conversation's id unchanged."));
    }
    Ok(call)
}

/// The answer that hands a token out, at `now`.
pub(super) fn issued(app: &App, claims: &Claims, now: Timestamp) -> Response {
    let expires_at = Timestamp(claims.expires_at);
    let token = AgentToken {
        token: app.access.signer.sign(claims),
        expires_at: expires_at.to_string(),
        expires_in: expires_at.since(now).as_secs(),
        agent: claims.agent.clone().unwrap_or_default(),
        call_id: claims.call.clone().unwrap_or_default(),
    };
    ([(header::CACHE_CONTROL, "no-store")], Json(token)).into_response()
}
