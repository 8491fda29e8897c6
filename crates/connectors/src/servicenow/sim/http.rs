//! The way of a request: what was asked, who answers, and the vendor's own refusals.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{Response as HttpResponse, StatusCode};
use axum::response::Response;
use serde_json::{Value as Json, json};

use super::{World, gate};

/// What a rule counts in.
const HOUR: Duration = Duration::from_secs(3_600);
/// The sys_id of a rule.
const RULE: &str = "7a2b1c0de1d0c01037f6a2c8e9f4d3b7";

/// One request.
pub(super) struct Asked<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) options: HashMap<String, String>,
    parts: &'a Parts,
    pub(super) body: &'a Bytes,
}

impl<'a> Asked<'a> {
    pub(super) fn new(parts: &'a Parts, body: &'a Bytes) -> Asked<'a> {
        let query = parts.uri.query().unwrap_or_default();
        Asked {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            options: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            parts,
            body,
        }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.parts.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(super) fn option(&self, name: &str) -> &str {
        self.options.get(name).map(String::as_str).unwrap_or_default()
    }

    /// Is a flag set? In any case of letters, as Java reads it.
    pub(super) fn is(&self, name: &str) -> bool {
        self.option(name).eq_ignore_ascii_case("true")
    }

    /// The body's members, as the texts that the vendor makes of them.
    pub(super) fn fields(&self) -> Option<Vec<(String, String)>> {
        let body: Json = serde_json::from_slice(self.body).ok()?;
        let text = |value: &Json| match value {
            Json::String(text) => text.clone(),
            Json::Null => String::new(),
            other => other.to_string(),
        };
        Some(body.as_object()?.iter().map(|(key, value)| (key.clone(), text(value))).collect())
    }
}

/// One answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn json(status: StatusCode, body: &Json) -> Answer {
        let headers = vec![("content-type", "application/json;charset=UTF-8".to_owned())];
        Answer { status, headers, body: body.to_string().into_bytes() }
    }

    pub(super) fn nothing() -> Answer {
        Answer { status: StatusCode::NO_CONTENT, headers: Vec::new(), body: Vec::new() }
    }

    /// A refusal in the vendor's form.
    pub(super) fn refused(status: StatusCode, message: &str, detail: &str) -> Answer {
        let detail = if detail.is_empty() { Json::Null } else { json!(detail) };
        let body =
            json!({ "error": { "message": message, "detail": detail }, "status": "failure" });
        Answer::json(status, &body)
    }

    pub(super) fn with(mut self, name: &'static str, value: String) -> Answer {
        self.headers.push((name, value));
        self
    }

    pub(super) fn response(self) -> Response {
        let mut response = HttpResponse::builder().status(self.status);
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        response.body(Body::from(self.body)).unwrap_or_default()
    }
}

impl World {
    pub(super) fn handle(&self, asked: &Asked<'_>) -> Answer {
        if asked.path == "/oauth_token.do" && asked.method == "POST" {
            return self.token(asked);
        }
        if let Err(refused) = self.admit(asked) {
            return refused;
        }
        let Some(most) = self.config.requests_per_hour else { return self.api(asked) };
        let reset = (SystemTime::now() + HOUR).duration_since(UNIX_EPOCH).unwrap_or_default();
        let answer = match self.counted.fetch_add(1, Ordering::Relaxed) < most {
            true => self.api(asked),
            false => limited(most, HOUR.as_secs()),
        };
        answer
            .with("x-ratelimit-limit", most.to_string())
            .with("x-ratelimit-reset", reset.as_secs().to_string())
            .with("x-ratelimit-rule", RULE.to_owned())
    }

    pub(super) fn api(&self, asked: &Asked<'_>) -> Answer {
        let path: Vec<&str> = asked.path.trim_matches('/').split('/').collect();
        match path.as_slice() {
            ["api", "now", "batch"] | ["api", "now", _, "batch"] => self.batch(asked),
            ["api", "now", "table", table] => self.table(asked, table, None, false),
            ["api", "now", "table", table, id] => self.table(asked, table, Some(id), false),
            ["api", "now", version, "table", table] => {
                self.table(asked, table, None, *version == "v1")
            }
            ["api", "now", version, "table", table, id] => {
                self.table(asked, table, Some(id), *version == "v1")
            }
            _ => {
                let words = "Requested URI does not represent any resource";
                Answer::refused(StatusCode::BAD_REQUEST, words, asked.path)
            }
        }
    }
}

/// 429, and in how many seconds there is more.
fn limited(most: u64, seconds: u64) -> Answer {
    let detail = format!("Rate limit of {most} requests per hour for Table API exceeded");
    Answer::refused(StatusCode::TOO_MANY_REQUESTS, "Rate limit exceeded", &detail)
        .with("retry-after", seconds.to_string())
}

/// The vendor's own answers, by the names a fault plan gives them.
pub(super) fn vendor_answer(name: &str) -> Option<Response> {
    let answer = match name {
        "unauthorized" => gate::unauthorized(),
        "throttled" => limited(100, 1)
            .with("x-ratelimit-limit", "100".to_owned())
            .with("x-ratelimit-rule", RULE.to_owned()),
        "forbidden" => Answer::refused(
            StatusCode::FORBIDDEN,
            "Operation Failed",
            "ACL Exception Query Failed due to security constraints",
        ),
        "not_found" => Answer::refused(
            StatusCode::NOT_FOUND,
            "No Record found",
            "Record doesn't exist or ACL restricts the record retrieval",
        ),
        "conflict" => Answer::refused(
            StatusCode::FORBIDDEN,
            "Operation Failed",
            "Error during insert of customer_contact: Unique Key violation detected by database",
        ),
        "hibernating" => Answer {
            status: StatusCode::OK,
            headers: vec![("content-type", "text/html;charset=UTF-8".to_owned())],
            body: b"<html><head><title>Instance Hibernating page</title></head><body>Your instance is hibernating.</body></html>".to_vec(),
        },
        "cancelled" => {
            let words = "Transaction cancelled: maximum execution time exceeded";
            let body = json!({
                "result": [{ "sys_id": "0a1b2c3d4e5f60718293a4b5c6d7e8f9", "name": "Somebody" }],
                "error": { "message": words, "detail": "maximum execution time exceeded" },
                "status": "failure",
            });
            Answer::json(StatusCode::OK, &body)
        }
        "error" => Answer::refused(StatusCode::INTERNAL_SERVER_ERROR, "Unknown error", ""),
        _ => return None,
    };
    Some(answer.response())
}
