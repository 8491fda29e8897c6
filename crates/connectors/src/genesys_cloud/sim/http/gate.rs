//! Does for every request what the platform does before it looks at what is asked.
//!
//! In order: correlation id, bearer token (401), rate (429), permission (403),
//! size (413), media type (415), JSON (400), then the handler. Every answer
//! carries `ININ-Correlation-Id`, which is the `contextId` of an error's body.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::{MethodFilter, on};
use axum::{Router, http};
use serde_json::Value;

use super::super::model::problem::Problem;
use super::platform::{Answer, Ask, Platform, now};

/// Largest request body: `request.bytes.max` of the namespace `platform.api`.
pub(crate) const MOST_BYTES: usize = 512_000;

/// One operation of the platform.
pub(crate) struct Operation {
    pub(crate) method: Method,
    /// As in the vendor's API description, `{parameter}` in braces.
    pub(crate) path: &'static str,
    /// Any one of these is enough; none are needed where it is empty.
    pub(crate) permissions: &'static [&'static str],
    pub(crate) handler: fn(&Platform, &Ask) -> Answer,
}

impl Operation {
    pub(crate) const fn new(
        method: Method,
        path: &'static str,
        permissions: &'static [&'static str],
        handler: fn(&Platform, &Ask) -> Answer,
    ) -> Self {
        Self { method, path, permissions, handler }
    }
}

/// Every operation that is simulated.
pub(crate) fn operations() -> impl Iterator<Item = &'static Operation> {
    let tables = [
        super::contacts::OPERATIONS,
        super::bulk::OPERATIONS,
        super::sources::OPERATIONS,
        super::schemas::OPERATIONS,
        super::organizations::OPERATIONS,
        super::conversations::OPERATIONS,
        super::organization::OPERATIONS,
        super::integrations::OPERATIONS,
        super::users::OPERATIONS,
        super::presence::OPERATIONS,
        super::notifications::OPERATIONS,
    ];
    tables.into_iter().flatten()
}

/// The platform as a router: all operations, the token endpoint, and 404 for the rest.
pub(crate) fn router(platform: Arc<Platform>) -> Router {
    let mut router = Router::new();
    for operation in operations() {
        let filter = MethodFilter::try_from(operation.method.clone()).unwrap_or(MethodFilter::GET);
        let serve = move |State(platform): State<Arc<Platform>>, request: Request| async move {
            serve(&platform, operation, request).await
        };
        router = router.route(operation.path, on(filter, serve));
    }
    router
        .route("/channels/{channelId}", axum::routing::get(super::notifications::connect))
        .route("/oauth/authorize", axum::routing::get(super::oauth::authorize))
        .route("/oauth/token", axum::routing::post(super::oauth::token))
        .merge(super::control::router())
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        .with_state(platform)
}

async fn unknown(State(platform): State<Arc<Platform>>) -> Response {
    refusal(&platform.correlation_id(), &Problem::not_found())
}

async fn serve(platform: &Platform, operation: &'static Operation, request: Request) -> Response {
    let correlation = platform.correlation_id();
    match handle(platform, operation, request).await {
        Ok(reply) => {
            let body = reply.body.map(|body| body.to_string());
            respond(&correlation, reply.status, body)
        }
        Err(problem) => refusal(&correlation, &problem),
    }
}

async fn handle(platform: &Platform, operation: &'static Operation, request: Request) -> Answer {
    let (mut parts, body) = request.into_parts();
    let token = bearer(&parts)?;
    let grant = platform.tokens.check(&token).map_err(|_| Problem::bad_credentials())?;
    platform.count(&grant.subject)?;
    // A user's roles are not simulated: they may ask who they are.
    if grant.scope == super::users::SCOPE && !operation.permissions.is_empty() {
        return Err(Problem::missing_permissions(operation.permissions));
    }
    platform.permit(operation.permissions)?;
    let body = read(&parts, body).await?;
    let params = RawPathParams::from_request_parts(&mut parts, &()).await;
    let params = params.map_err(|_| Problem::malformed())?;
    let params = params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let query = parts.uri.query().unwrap_or_default();
    let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let now = now();
    platform.world().contacts.index.catch_up(now);
    (operation.handler)(platform, &Ask { params, query, body, token, now })
}

fn bearer(parts: &http::request::Parts) -> Result<String, Problem> {
    let value = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (scheme, token) = value
        .and_then(|value| value.split_once(' '))
        .ok_or_else(Problem::authentication_required)?;
    if !scheme.eq_ignore_ascii_case("bearer") || token.trim().is_empty() {
        return Err(Problem::authentication_required());
    }
    Ok(token.trim().to_owned())
}

async fn read(parts: &http::request::Parts, body: Body) -> Result<Value, Problem> {
    let length = parts.headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > MOST_BYTES) {
        return Err(Problem::too_large(MOST_BYTES));
    }
    let bytes = to_bytes(body, MOST_BYTES).await.map_err(|_| Problem::too_large(MOST_BYTES))?;
    if bytes.is_empty() || !matches!(parts.method, Method::POST | Method::PUT | Method::PATCH) {
        return Ok(Value::Null);
    }
    let media = parts.headers.get(header::CONTENT_TYPE).and_then(|media| media.to_str().ok());
    let media = media.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !media.eq_ignore_ascii_case("application/json") {
        return Err(Problem::unsupported_media_type());
    }
    serde_json::from_slice(&bytes).map_err(|_| Problem::malformed())
}

/// A refusal with the vendor's headers; also what faults answer with.
pub(crate) fn refusal(correlation: &str, problem: &Problem) -> Response {
    let body = problem.body(correlation).to_string();
    let mut response = respond(correlation, problem.status, Some(body));
    if let Some(seconds) = problem.retry_after_seconds {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// An answer with the header every answer has.
pub(crate) fn respond(correlation: &str, status: u16, body: Option<String>) -> Response {
    let json = body.is_some();
    let mut response = Response::new(body.map_or_else(Body::empty, Body::from));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if json {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    if let Ok(value) = HeaderValue::from_str(correlation) {
        headers.insert("inin-correlation-id", value);
    }
    response
}
