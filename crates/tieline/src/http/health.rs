//! Is it alive, may it be sent calls, what has it counted.

use super::App;
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use kit::Lane;
use prometheus_client::encoding::text::encode;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

/// The process answers.
#[utoipa::path(get, path = "/healthz", tag = "operation", responses((status = 200, description = "Alive")))]
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// Calls may come: the store answers and nobody has asked us to stop. A CRM that
/// is down does not make us unready: its callers are answered in time all the same.
#[utoipa::path(
    get, path = "/readyz", tag = "operation",
    responses((status = 200, description = "Send calls"), (status = 503, description = "Send them elsewhere"))
)]
pub async fn readyz(State(app): State<App>) -> Response {
    let is_draining = !app.is_ready.load(Ordering::Acquire);
    let store = app.engine.store.check().await;
    let connections: Value = app
        .engine
        .connections
        .all()
        .map(|c| (c.name.clone(), state_of(c)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let is_ready = store.is_ok() && !is_draining;
    let body = json!({
        "ready": is_ready,
        "draining": is_draining,
        "store": { "kind": app.store_kind, "ok": store.is_ok() },
        "connections": connections,
    });
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(body)).into_response()
}

/// Its token, and what is left of its budget and places.
fn state_of(connection: &engine::Connection) -> Value {
    let token = match &connection.capabilities.tokens {
        None => "none needed",
        Some(tokens) => match (tokens.current(), tokens.last_error()) {
            (Some(_), None) => "ok",
            (Some(_), Some(_)) => "ok, but cannot be refreshed",
            (None, Some(error)) => error.kind(),
            (None, None) => "on its way",
        },
    };
    let turnstile = &connection.capabilities.turnstile;
    json!({
        "token": token,
        "requestsAvailable": turnstile.budget().available().floor(),
        "callsUnderWay": turnstile.gate().under_way(Lane::Call),
        "backgroundUnderWay": turnstile.gate().under_way(Lane::Background),
    })
}

/// What was counted, for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "operation", responses((status = 200, description = "OpenMetrics text")))]
pub async fn metrics(State(app): State<App>) -> Response {
    if let Err(error) = app.engine.metrics.gauge(&app.engine).await {
        tracing::warn!("the jobs could not be counted: {error}");
    }
    let mut text = String::new();
    if encode(&mut text, &app.registry).is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}
