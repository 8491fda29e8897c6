//! A Acme Crm that runs on this machine, on a port of its own.
//!
//! It knows none of our types and behaves as the vendor documents.

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use sim::faults::Faults;
use sim::server::{self, Running};
use std::collections::HashMap;
use std::io;

/// The key it lets in.
pub const KEY: &str = "simulated-key-of-acme_crm";

/// An account that runs.
pub struct Account {
    people: usize,
    faults: Faults,
    running: Running,
}

/// Starts it; port 0 takes a free one.
///
/// # Errors
/// When the port cannot be listened on.
pub async fn start(port: u16) -> io::Result<Account> {
    let people: Vec<Value> = sim::seed::fixed().into_iter().enumerate().map(record).collect();
    let faults = Faults::default();
    faults.vendor(own_answer);
    let count = people.len();
    let router = Router::new().route("/people", get(search)).with_state(people);
    let running = server::start(router, port, faults.clone()).await?;
    Ok(Account { people: count, faults, running })
}

/// Phones as people type them.
fn record((at, person): (usize, sim::seed::Person)) -> Value {
    json!({
        "id": (at + 1).to_string(),
        "name": person.name(),
        "email": person.email,
        "phone": person.phones.first().map(|phone| &phone.typed),
    })
}

/// The vendor's own refusals, by the names a fault plan gives them.
fn own_answer(name: &str) -> Option<Response> {
    match name {
        "unauthorized" => Some(refusal(StatusCode::UNAUTHORIZED).into_response()),
        "forbidden" => Some(refusal(StatusCode::FORBIDDEN).into_response()),
        "not_found" => Some(refusal(StatusCode::NOT_FOUND).into_response()),
        "conflict" => Some(refusal(StatusCode::CONFLICT).into_response()),
        "throttled" => {
            let told = [("retry-after", "1")];
            Some((told, refusal(StatusCode::TOO_MANY_REQUESTS)).into_response())
        }
        _ => None,
    }
}

fn refusal(status: StatusCode) -> (StatusCode, Json<Value>) {
    (status, Json(json!({ "error": status.as_str() })))
}

impl Account {
    /// Where it listens.
    pub fn url(&self) -> String {
        self.running.url()
    }

    /// What goes wrong on purpose, and what was asked.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// How many people it knows.
    pub fn people(&self) -> usize {
        self.people
    }

    /// Stops answering.
    pub async fn stop(self) {
        self.running.stop().await;
    }
}

async fn search(
    State(people): State<Vec<Value>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Result<Json<Value>, (StatusCode, Json<Value>)> {
    let key = headers.get("authorization").and_then(|value| value.to_str().ok());
    if key != Some(&format!("Bearer {KEY}")) {
        return Err(refusal(StatusCode::UNAUTHORIZED));
    }
    let digits = |text: &str| -> String { text.chars().filter(char::is_ascii_digit).collect() };
    let sought = query.get("phone").map(|phone| digits(phone)).unwrap_or_default();
    let found = people.iter().filter(|person| {
        let typed = digits(person["phone"].as_str().unwrap_or_default());
        let national = typed.strip_prefix('1').unwrap_or(&typed);
        !national.is_empty() && (sought.is_empty() || sought.ends_with(national))
    });
    Ok(Json(json!({ "people": found.collect::<Vec<_>>() })))
}
