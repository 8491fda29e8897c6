//! The Batch API: calls of other APIs in one request, each answered for itself.
//!
//! Bodies go there and back in base64. Nothing is undone: a call that fails stands beside
//! those that went well. What the time of a batch did not suffice for is named as unserviced.

use axum::body::Bytes;
use axum::http::{Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

use super::World;
use super::http::{Answer, Asked};

/// Bytes of one call's body.
const MOST_INPUT: usize = 5 * 1024 * 1024;

impl World {
    /// `POST /api/now/v1/batch`
    pub(super) fn batch(&self, asked: &Asked<'_>) -> Answer {
        if asked.method != "POST" {
            return Answer::refused(StatusCode::METHOD_NOT_ALLOWED, "Method not supported", "");
        }
        let body: Option<Json> = serde_json::from_slice(asked.body).ok();
        let calls = body.as_ref().and_then(|body| body["rest_requests"].as_array());
        let (Some(body), Some(calls)) = (&body, calls) else {
            let words = "Exception while reading request";
            return Answer::refused(StatusCode::BAD_REQUEST, words, "No rest_requests");
        };
        let most = self.config.calls_per_batch.unwrap_or(usize::MAX);
        let mut served: Vec<Json> = Vec::new();
        for call in calls.iter().take(most) {
            match self.call(call) {
                Ok(answer) => served.push(told(call, answer)),
                Err(detail) => {
                    let words = "Exception while reading request";
                    return Answer::refused(StatusCode::BAD_REQUEST, words, detail);
                }
            }
        }
        let rest: Vec<&Json> = calls.iter().skip(most).map(|call| &call["id"]).collect();
        let id = match &body["batch_request_id"] {
            Json::String(id) => id.clone(),
            other => other.to_string(),
        };
        let body = json!({
            "batch_request_id": id, "serviced_requests": served, "unserviced_requests": rest,
        });
        Answer::json(StatusCode::OK, &body)
    }

    fn call(&self, call: &Json) -> Result<Answer, &'static str> {
        let text = |key: &str| call[key].as_str().unwrap_or_default();
        if text("id").is_empty() || !text("url").starts_with('/') {
            return Err("A request needs an id and a relative url");
        }
        let mut request = Request::builder().method(text("method")).uri(text("url"));
        for header in call["headers"].as_array().into_iter().flatten() {
            let of = |key: &str| header[key].as_str().unwrap_or_default();
            request = request.header(of("name"), of("value"));
        }
        let (parts, ()) = request.body(()).map_err(|_| "A request is none")?.into_parts();
        let body = STANDARD.decode(text("body")).map_err(|_| "A body is not base64")?;
        if body.len() > MOST_INPUT {
            return Err("A body is larger than glide.rest.batch.max.inputSize");
        }
        let body = Bytes::from(body);
        let asked = Asked::new(&parts, &body);
        if asked.path.ends_with("/batch") {
            return Ok(Answer::refused(StatusCode::BAD_REQUEST, "Nested batch", ""));
        }
        Ok(self.api(&asked))
    }
}

/// One call's answer as the batch's body has it.
fn told(call: &Json, answer: Answer) -> Json {
    let mut out = json!({
        "id": call["id"], "status_code": answer.status.as_u16(),
        "status_text": answer.status.canonical_reason().unwrap_or_default(),
        "body": STANDARD.encode(&answer.body), "execution_time": 7,
    });
    if call["exclude_response_headers"] != true {
        let header = |(name, value): &(&str, String)| json!({ "name": name, "value": value });
        out["headers"] = answer.headers.iter().map(header).collect::<Vec<_>>().into();
    }
    out
}
