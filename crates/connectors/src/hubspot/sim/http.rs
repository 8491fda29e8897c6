//! The way of a request: what was asked, who asks, how often, who answers it.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Response;
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::World;
use super::store;

/// A request as it came in.
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

impl<'a> Asked<'a> {
    pub(super) fn new(parts: &'a Parts, body: &'a [u8]) -> Asked<'a> {
        let query = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
        Asked {
            method: &parts.method,
            path: parts.uri.path(),
            query: query.into_owned().collect(),
            headers: &parts.headers,
            body,
        }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The values of a parameter that may come several times, or once with commas.
    pub(super) fn list(&self, name: &str) -> Vec<&str> {
        let found = self.query.iter().filter(|(key, _)| key == name);
        found.flat_map(|(_, value)| value.split(',')).filter(|value| !value.is_empty()).collect()
    }

    pub(super) fn json(&self) -> Result<Json, Refusal> {
        serde_json::from_slice(self.body).map_err(|_| Refusal::invalid("Invalid input JSON"))
    }
}

/// What is answered.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Option<String>,
    pub(super) headers: Vec<(&'static str, String)>,
}

impl Answer {
    pub(super) fn json(status: StatusCode, body: &Json) -> Answer {
        Answer { status, body: Some(body.to_string()), headers: vec![] }
    }

    pub(super) fn nothing() -> Answer {
        Answer { status: StatusCode::NO_CONTENT, body: None, headers: vec![] }
    }

    pub(super) fn response(self) -> Response {
        let mut response = Response::new(Body::from(self.body.clone().unwrap_or_default()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if self.body.is_some() {
            let kind = HeaderValue::from_static("application/json;charset=utf-8");
            headers.insert("content-type", kind);
        }
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

/// An error: status, category, message, and the errors in it.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) category: &'static str,
    pub(super) message: String,
    pub(super) errors: Vec<Json>,
}

impl Refusal {
    pub(super) fn new(status: u16, category: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { status, category, message: message.into(), errors: vec![] }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Refusal {
        Refusal::new(400, "VALIDATION_ERROR", message)
    }

    pub(super) fn not_found(what: &str) -> Refusal {
        Refusal::new(404, "OBJECT_NOT_FOUND", format!("{what} not found"))
    }

    pub(super) fn with(mut self, error: Json) -> Refusal {
        self.errors.push(error);
        self
    }

    fn answer(self, correlation: &str) -> Answer {
        let mut body = json!({
            "status": "error", "message": self.message, "correlationId": correlation,
            "category": self.category,
        });
        if !self.errors.is_empty() {
            body["errors"] = self.errors.into();
        }
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Answer::json(status, &body)
    }
}

const CORRELATION: &str = "7f0d3c1e-0000-4000-8000-000000000000";

/// The vendor's own answers that a plan of faults may name.
pub(super) fn vendor_answer(name: &str) -> Option<Response> {
    let answer = match name {
        "unauthorized" => unauthorized().answer(CORRELATION),
        "throttled" => throttled("SECONDLY", "secondly"),
        "throttled_ten" => throttled("TEN_SECONDLY_ROLLING", "ten_secondly_rolling"),
        "throttled_daily" => throttled("DAILY", "daily"),
        "forbidden" | "scopes" => {
            let context = json!({ "requiredGranularScopes": ["crm.objects.contacts.read"] });
            let error = json!({ "message": "One or more of the following scopes are required.", "context": context });
            let told = "This app hasn't been granted all required scopes to make this call.";
            Refusal::new(403, "MISSING_SCOPES", told).with(error).answer(CORRELATION)
        }
        "not_found" => Refusal::not_found("contact").answer(CORRELATION),
        "conflict" => {
            let told = "Contact already exists. Existing ID: 1";
            Refusal::new(409, "CONFLICT", told).answer(CORRELATION)
        }
        "locked" => Refusal::new(423, "LOCKED", "The resource is locked").answer(CORRELATION),
        "migration" => {
            let mut answer = Refusal::new(477, "MIGRATION_IN_PROGRESS", "This portal is migrating")
                .answer(CORRELATION);
            answer.headers.push(("retry-after", "7".to_owned()));
            answer
        }
        "error" => Refusal::new(500, "INTERNAL_ERROR", "internal error").answer(CORRELATION),
        _ => return None,
    };
    Some(answer.response())
}

fn unauthorized() -> Refusal {
    let told = "Authentication credentials not found. This API supports OAuth 2.0 authentication.";
    Refusal::new(401, "INVALID_AUTHENTICATION", told)
}

/// 429, by the policy that was broken, and without `Retry-After`.
fn throttled(policy: &str, limit: &str) -> Answer {
    let body = json!({
        "status": "error", "message": format!("You have reached your {limit} limit."),
        "errorType": "RATE_LIMIT", "correlationId": CORRELATION, "policyName": policy,
        "requestId": CORRELATION, "category": "RATE_LIMITS",
    });
    Answer::json(StatusCode::TOO_MANY_REQUESTS, &body)
}

impl World {
    pub(super) fn correlation_id(&self) -> String {
        let number = self.correlation.fetch_add(1, Ordering::Relaxed);
        format!("7f0d3c1e-0000-4000-8000-{number:012x}")
    }

    pub(super) fn handle(&self, asked: &Asked<'_>) -> Answer {
        let decoded: Vec<String> = asked.path.trim_matches('/').split('/').map(decoded).collect();
        let steps: Vec<&str> = decoded.iter().map(String::as_str).collect();
        if let ["oauth", version, "token"] = steps.as_slice()
            && *asked.method == Method::POST
        {
            return self.token(asked, version);
        }
        if let Err(refused) = self.admit(asked) {
            return refused.answer(&self.correlation_id());
        }
        let is_search = steps.last() == Some(&"search") && *asked.method == Method::POST;
        let (window, most, spent) = match is_search {
            true => (&self.searches, self.config.searches, Duration::from_secs(1)),
            false => (&self.requests, self.config.requests, Duration::from_secs(10)),
        };
        let left = match left(window, most, spent) {
            Some(left) => left,
            None if is_search => return throttled("SECONDLY", "secondly"),
            None => return throttled("TEN_SECONDLY_ROLLING", "ten_secondly_rolling"),
        };
        let today = self.today.fetch_add(1, Ordering::Relaxed) + 1;
        if today > self.config.daily {
            return throttled("DAILY", "daily");
        }
        let answered = self.routed(asked, &steps);
        let mut answer = answered.unwrap_or_else(|refused| refused.answer(&self.correlation_id()));
        // The search has none of these headers.
        if !is_search {
            answer.headers.extend([
                ("x-hubspot-ratelimit-daily", self.config.daily.to_string()),
                ("x-hubspot-ratelimit-daily-remaining", (self.config.daily - today).to_string()),
                ("x-hubspot-ratelimit-interval-milliseconds", "10000".to_owned()),
                ("x-hubspot-ratelimit-max", most.to_string()),
                ("x-hubspot-ratelimit-remaining", left.to_string()),
            ]);
        }
        answer
    }

    fn admit(&self, asked: &Asked<'_>) -> Result<(), Refusal> {
        let token = asked.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let token = token.ok_or_else(unauthorized)?.trim();
        if token == self.config.service_key {
            return Ok(());
        }
        match self.tokens.check(token) {
            Ok(_) => Ok(()),
            Err(sim::tokens::Refusal::Expired) => {
                let told = "The OAuth token used to make this call expired 3 seconds ago.";
                Err(Refusal::new(401, "EXPIRED_AUTHENTICATION", told))
            }
            Err(sim::tokens::Refusal::Unknown) => Err(unauthorized()),
        }
    }

    /// Numbered and dated paths lead to the same.
    fn routed(&self, asked: &Asked<'_>, steps: &[&str]) -> Result<Answer, Refusal> {
        let rest = match steps {
            ["crm", "v3" | "v4", "objects", rest @ ..] => rest,
            ["crm", "objects", date, rest @ ..] if is_date(date) => rest,
            ["crm", "v3", "properties", object, name] => {
                return self.property(known(object)?, name);
            }
            ["crm", "properties", date, object, name] if is_date(date) => {
                return self.property(known(object)?, name);
            }
            _ => return Err(Refusal::not_found("resource")),
        };
        let [object, rest @ ..] = rest else { return Err(Refusal::not_found("resource")) };
        let object = known(object)?;
        match (asked.method.as_str(), rest) {
            ("GET", []) => self.list(asked, object),
            ("POST", []) => self.create(asked, object),
            ("POST", ["search"]) => self.search(asked, object),
            ("POST", ["batch", what]) => self.batch(asked, object, what),
            ("POST", ["merge"]) => self.merge(asked, object),
            ("POST", ["gdpr-delete"]) => self.gdpr_delete(asked, object),
            ("GET", [id]) => self.get(asked, object, id),
            ("PATCH", [id]) => self.update(asked, object, id),
            ("DELETE", [id]) => self.archive(object, id),
            ("PUT", [id, "associations", "default", to, other]) => {
                self.tie(object, id, known(to)?, other)
            }
            ("DELETE", [id, "associations", to, other]) => {
                self.untie(object, id, known(to)?, other)
            }
            _ => Err(Refusal::new(405, "METHOD_NOT_ALLOWED", "no such method here")),
        }
    }
}

/// A step of a path, with `%40` as `@`.
fn decoded(step: &str) -> String {
    let pair = format!("x={}", step.replace('+', "%2B").replace('&', "%26"));
    let mut pairs = url::form_urlencoded::parse(pair.as_bytes());
    pairs.next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

fn is_date(step: &str) -> bool {
    step.split_once('-').is_some_and(|(year, month)| year.len() == 4 && month.len() == 2)
}

fn known(object: &str) -> Result<&'static str, Refusal> {
    let told = || Refusal::invalid(format!("Unable to infer object type from: {object}"));
    store::kind(object).ok_or_else(told)
}

/// What is left of a window after this one; `None` when it is full.
fn left(window: &Mutex<VecDeque<Instant>>, most: usize, spent: Duration) -> Option<usize> {
    let now = Instant::now();
    let mut window = window.lock().unwrap_or_else(PoisonError::into_inner);
    while window.front().is_some_and(|begun| now.duration_since(*begun) >= spent) {
        window.pop_front();
    }
    if window.len() >= most {
        return None;
    }
    window.push_back(now);
    Some(most - window.len())
}
