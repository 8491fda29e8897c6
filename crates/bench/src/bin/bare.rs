//! The limit: endpoints of our own framework that answer the lookup's and the events' JSON and do nothing else.
//!
//! It parses the same body, takes the same allocator and answers constants of
//! the same shape, so that a ratio to it is the price of the work and not of
//! the framework. Prints `{"url": …}` once it listens; stops when killed.

use axum::extract::Json;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use axum::{Router, serve};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{self, Write};
use tokio::net::TcpListener;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The body of `POST /api/v1/genesys/lookup`, as a contact center sends it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    from_number: String,
    to_number: String,
    call_id: String,
    #[serde(rename = "type")]
    direction: String,
}

/// The answer's shape; every value but `seen` is a constant.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    external_id: &'static str,
    name: &'static str,
    email: &'static str,
    data: BTreeMap<&'static str, serde_json::Value>,
    status: &'static str,
    source: &'static str,
    as_of: &'static str,
    stale: bool,
    candidate_count: usize,
    warnings: Vec<String>,
}

async fn lookup(Json(request): Json<Request>) -> Json<Answer> {
    // Read every field, so that none of the parsing can be left out.
    let seen = request.from_number.len()
        + request.to_number.len()
        + request.call_id.len()
        + request.direction.len();
    let mut data = BTreeMap::new();
    data.insert("crmCaseId", "CASE-99812".into());
    data.insert("loyaltyTier", "Gold".into());
    data.insert("previousInteractionCount", (seen % 5).into());
    Json(Answer {
        external_id: "CRM:0035g00000ABCDEAA4",
        name: "John Doe",
        email: "john.doe@example.com",
        data,
        status: "hit",
        source: "directory",
        as_of: "2026-11-21T12:00:00.000Z",
        stale: false,
        candidate_count: 0,
        warnings: Vec::new(),
    })
}

/// Takes events in and forgets them: as many as there are messages in the body.
async fn events(Json(body): Json<serde_json::Value>) -> (StatusCode, Json<serde_json::Value>) {
    let stored = body.as_array().map_or(1, Vec::len);
    let answer = json!({ "stored": stored, "repeated": 0, "ignored": 0, "notUnderstood": 0 });
    (StatusCode::ACCEPTED, Json(answer))
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let port = std::env::args().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let address = listener.local_addr()?;
    writeln!(io::stdout(), "{{\"url\":\"http://{address}\"}}")?;
    // A socket that refuses TCP_NODELAY still answers; it is only slower.
    let listener = listener.tap_io(|socket| {
        let _ = socket.set_nodelay(true);
    });
    let routes = Router::new()
        .route("/api/v1/genesys/lookup", post(lookup))
        .route("/api/v1/genesys/events", post(events))
        .route("/healthz", get(|| async { "ok" }));
    serve(listener, routes).await
}
