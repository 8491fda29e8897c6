//! The agent's own console in the CRM: asks what to set, and says what came of it.
//!
//! A page inside the CRM calls this from another origin with an agent's token in the address:
//! no header of its own and no body, so that no browser has to ask first. The token is no
//! cookie: whichever page has it was given it.

use crate::http::access::Caller;
use crate::http::error::ErrorBody;
use crate::http::input::{Params, Segment};
use crate::http::{ApiError, App};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use engine::presence::Outcome;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

/// What a console is to set.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderBody {
    /// 0: there is nothing to set.
    number: u64,
    /// The status by the CRM's id.
    status_id: String,
    /// What must still be shown; whoever finds another sets nothing and answers `late`.
    expected_id: String,
    /// For so long the order holds; after that it is dropped.
    valid_for_ms: u64,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OrderQuery {
    /// The number of the last order that was taken; 0: none was.
    #[serde(default)]
    #[param(maximum = 9_007_199_254_740_991_i64)]
    after: u64,
    /// Seconds to wait for an order, at most 25.
    #[serde(default)]
    #[param(maximum = 4_294_967_295_i64)]
    wait: u32,
    /// An agent's token, where no header can be sent. Never a key.
    #[allow(dead_code, reason = "read before the routes")]
    access_token: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AnswerQuery {
    /// The order's number.
    #[param(required = true, maximum = 9_007_199_254_740_991_i64)]
    number: Option<u64>,
    /// `done`, `late` (nothing was set) or `refused` (the CRM did not take it).
    #[param(required = true, pattern = "^(done|late|refused)$")]
    outcome: Option<String>,
    #[allow(dead_code, reason = "read before the routes")]
    access_token: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LeaveQuery {
    #[allow(dead_code, reason = "read before the routes")]
    access_token: Option<String>,
}

/// The next order for an agent's console; waits for one. That it asks says that it is there.
#[utoipa::path(
    get, path = "/api/v1/agents/{agentId}/presence/order", tag = "presence",
    params(("agentId" = String, Path, description = "The CRM's id of the agent"), OrderQuery),
    responses(
        (status = 200, body = OrderBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 503, body = ErrorBody)
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn order(
    State(app): State<App>,
    caller: Caller,
    Segment(agent): Segment,
    Params(query): Params<OrderQuery>,
) -> Response {
    readable(next(&app, &caller, &agent, &query).await.map(Json))
}

async fn next(
    app: &App,
    caller: &Caller,
    agent: &str,
    query: &OrderQuery,
) -> Result<OrderBody, ApiError> {
    let connection = connection(app, caller, agent)?;
    let wait = Duration::from_secs(u64::from(query.wait));
    let after = (query.after > 0).then_some(query.after);
    let consoles = app.engine.presence.consoles();
    let order = consoles.next((&connection, agent), after, (wait, &app.engine.clock)).await;
    let now = app.engine.clock.now();
    let order = order.map(|order| OrderBody {
        number: order.number,
        status_id: order.status.as_str().to_owned(),
        expected_id: order.expected.as_str().to_owned(),
        valid_for_ms: u64::try_from(order.until.since(now).as_millis()).unwrap_or_default(),
    });
    Ok(order.filter(|order| order.valid_for_ms > 0).unwrap_or_else(|| OrderBody {
        number: 0,
        status_id: String::new(),
        expected_id: String::new(),
        valid_for_ms: 0,
    }))
}

/// Says what came of an order. What is really shown, the CRM itself is asked.
#[utoipa::path(
    post, path = "/api/v1/agents/{agentId}/presence/answer", tag = "presence",
    params(("agentId" = String, Path, description = "The CRM's id of the agent"), AnswerQuery),
    responses(
        (status = 204), (status = 400, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody),
        (status = 503, body = ErrorBody, description = "Another node works for this agent: ask the next")
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn answer(
    State(app): State<App>,
    caller: Caller,
    Segment(agent): Segment,
    Params(query): Params<AnswerQuery>,
) -> Response {
    let answered = || {
        let connection = connection(&app, &caller, &agent)?;
        let outcome = query.outcome.as_deref().and_then(Outcome::parse).ok_or_else(|| {
            let message = "outcome is done, late or refused.";
            ApiError::field("outcome", message, "Say what came of the order.")
        })?;
        let number = query.number.ok_or_else(|| {
            ApiError::field("number", "number is required.", "Say which order it is about.")
        })?;
        app.engine.presence.consoles().answer((&connection, &agent), number, outcome);
        Ok(StatusCode::NO_CONTENT)
    };
    readable(answered())
}

/// Says that an agent's console is being closed.
#[utoipa::path(
    post, path = "/api/v1/agents/{agentId}/presence/leave", tag = "presence",
    params(("agentId" = String, Path, description = "The CRM's id of the agent"), LeaveQuery),
    responses(
        (status = 204), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 503, body = ErrorBody, description = "Another node works for this agent: ask the next")
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn leave(
    State(app): State<App>,
    caller: Caller,
    Segment(agent): Segment,
    Params(_): Params<LeaveQuery>,
) -> Response {
    let left = connection(&app, &caller, &agent).map(|connection| {
        app.engine.presence.consoles().leave(&connection, &agent);
        StatusCode::NO_CONTENT
    });
    readable(left)
}

/// The CRM whose agent this is, if the caller may speak for them.
fn connection(app: &App, caller: &Caller, agent: &str) -> Result<String, ApiError> {
    // A key that may make tokens for agents speaks for any of them; a token for its own alone.
    let is_own = caller.agent.as_deref().is_none_or(|own| own == agent);
    let is_theirs = is_own && caller.call.is_none();
    if !is_theirs {
        let message = "This token is for another agent or another call.";
        let fix = "Use a token for this agent: POST /api/v1/agent-tokens.";
        return Err(
            ApiError::new(StatusCode::FORBIDDEN, "stream.not_yours", message, fix).at("agentId")
        );
    }
    let found = app.engine.presence.of_crm(agent, caller.connection.as_deref());
    found.ok_or_else(|| super::absent(app, agent))
}

/// An answer that a page of the CRM's origin may read, also where it is an error.
fn readable(answer: Result<impl IntoResponse, ApiError>) -> Response {
    let mut response = match answer {
        Ok(answer) => answer.into_response(),
        Err(error) => error.into_response(),
    };
    let any = HeaderValue::from_static("*");
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
