//! The way of a request: which address is which resource, who may ask, what it answers.
//!
//! Errors are `{"type","title","status","o:errorDetails":[{"detail","o:errorCode"}]}`.

use std::collections::HashMap;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use serde_json::{Value as Json, json};

use super::World;
use super::{gate, query, run};

/// Where the services lie.
const API: &str = "/services/rest";
/// Rows of one page at most.
const MOST_ROWS: usize = 1_000;
/// Rows that a query can give in all.
const MOST_RESULTS: usize = 100_000;

/// A request taken apart.
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    /// As sent, percent-encoded.
    pub(super) path: &'a str,
    options: HashMap<String, String>,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

impl<'a> Asked<'a> {
    pub(super) fn new(parts: &'a Parts, body: &'a [u8]) -> Asked<'a> {
        let query = parts.uri.query().unwrap_or_default();
        Asked {
            method: &parts.method,
            path: parts.uri.path(),
            options: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            headers: &parts.headers,
            body,
        }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    fn number(&self, name: &str, usual: usize) -> Option<usize> {
        self.options.get(name).map_or(Some(usual), |text| text.parse().ok())
    }
}

/// An answer before it is put on the wire.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn empty(status: StatusCode) -> Answer {
        Answer { status, headers: vec![], body: vec![] }
    }

    pub(super) fn json(status: StatusCode, body: &Json) -> Answer {
        let kind = "application/vnd.oracle.resource+json; type=collection".to_owned();
        Answer {
            status,
            headers: vec![("content-type", kind)],
            body: body.to_string().into_bytes(),
        }
    }

    pub(super) fn with(mut self, name: &'static str, value: String) -> Answer {
        self.headers.push((name, value));
        self
    }

    pub(super) fn error(status: StatusCode, code: &str, detail: &str) -> Answer {
        Answer::at(status, code, detail, None)
    }

    /// With the field that is at fault.
    pub(super) fn at(status: StatusCode, code: &str, detail: &str, path: Option<&str>) -> Answer {
        let mut one = json!({ "detail": detail, "o:errorCode": code });
        if let Some(path) = path {
            one["o:errorPath"] = path.into();
        }
        let body = json!({
            "type": "https://www.rfc-editor.org/rfc/rfc9110.html#section-15.5.1",
            "title": status.canonical_reason().unwrap_or_default(),
            "status": status.as_u16(),
            "o:errorDetails": [one],
        });
        let mut answer = Answer::json(status, &body);
        answer.headers =
            vec![("content-type", "application/vnd.oracle.resource+json; type=error".to_owned())];
        answer
    }

    pub(super) fn response(self) -> Response {
        let mut response = Response::builder().status(self.status);
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        response.body(Body::from(self.body)).unwrap_or_default()
    }
}

/// The vendor's answers that a fault plan may name.
pub(super) fn vendor_answer(name: &str) -> Option<Response> {
    let limited = |code| {
        let detail = "Concurrent request limit exceeded. Request blocked.";
        Answer::error(StatusCode::TOO_MANY_REQUESTS, code, detail)
    };
    let answer = match name {
        "unauthorized" => gate::unauthorized(),
        "throttled" => limited("CONCURRENCY_LIMIT_EXCEEDED"),
        "request_limit" => limited("SSS_REQUEST_LIMIT_EXCEEDED"),
        "forbidden" | "no_permission" => Answer::error(
            StatusCode::FORBIDDEN,
            "INSUFFICIENT_PERMISSION",
            "Permission Violation: You need  the 'Lists -> Contacts -> View' permission to access this page.",
        ),
        "not_found" => Answer::error(
            StatusCode::NOT_FOUND,
            "NONEXISTENT_ID",
            "The record instance does not exist. Provide a valid record instance ID.",
        ),
        "conflict" => {
            Answer::error(StatusCode::CONFLICT, "RCRD_HAS_BEEN_CHANGED", "Record has been changed")
        }
        "error" => Answer::error(
            StatusCode::INTERNAL_SERVER_ERROR,
            "UNEXPECTED_ERROR",
            "An unexpected error occurred. Error ID: sim",
        ),
        _ => return None,
    };
    Some(answer.response())
}

impl World {
    /// Answers one request, whatever it is.
    pub(super) fn handle(&self, asked: &Asked<'_>) -> Answer {
        let Some(below) = asked.path.strip_prefix(API) else {
            return Answer::empty(StatusCode::NOT_FOUND);
        };
        if below == "/auth/oauth2/v1/token" {
            return self.token(asked);
        }
        if let Err(refused) = self.admit(asked) {
            return refused;
        }
        let steps: Vec<&str> = below.split('/').filter(|step| !step.is_empty()).collect();
        let answer = match steps.as_slice() {
            ["query", "v1", "suiteql"] if asked.method == Method::POST => self.query(asked),
            ["record", "v1", record] => self.record(asked, record, None),
            ["record", "v1", record, id] => self.record(asked, record, Some(id)),
            _ => Err(Answer::error(
                StatusCode::NOT_FOUND,
                "NONEXISTENT_ID",
                "The URL does not exist.",
            )),
        };
        answer.unwrap_or_else(|refused| refused)
    }

    /// SuiteQL, one page.
    fn query(&self, asked: &Asked<'_>) -> Result<Answer, Answer> {
        let bad =
            |detail: &str| Answer::error(StatusCode::BAD_REQUEST, "INVALID_PARAMETER", detail);
        if asked.header("prefer").is_none_or(|prefer| !prefer.contains("transient")) {
            let detail = "The required request header 'Prefer' is missing or has an invalid value. It must be 'transient'.";
            return Err(Answer::error(StatusCode::BAD_REQUEST, "INVALID_HEADER", detail));
        }
        let body: Json = serde_json::from_slice(asked.body).map_err(|_| {
            Answer::error(StatusCode::BAD_REQUEST, "INVALID_CONTENT", "Invalid content.")
        })?;
        let text = body
            .get("q")
            .and_then(Json::as_str)
            .ok_or_else(|| bad("The q parameter is missing."))?;
        let (limit, offset) = (asked.number("limit", MOST_ROWS), asked.number("offset", 0));
        let (Some(limit @ 1..=MOST_ROWS), Some(offset)) = (limit, offset) else {
            return Err(bad("The limit must be between 1 and 1000."));
        };
        if offset % limit != 0 {
            return Err(bad("The offset must be divisible by the limit."));
        }
        let told = |why: String| {
            bad(&format!(
                "Invalid search query. Detailed unprocessed description follows. Search error occurred: {why}"
            ))
        };
        let query = query::read(text).map_err(told)?;
        let mut rows = run::run(&self.read(), &query).map_err(told)?;
        rows.truncate(MOST_RESULTS);
        let total = rows.len();
        let items: Vec<Json> = rows.into_iter().skip(offset).take(limit).collect();
        let has_more = offset + items.len() < total;
        let at =
            |offset: usize| format!("{}{}?limit={limit}&offset={offset}", self.url(), asked.path);
        let mut links = vec![json!({ "rel": "self", "href": at(offset) })];
        if has_more {
            links.push(json!({ "rel": "next", "href": at(offset + limit) }));
        }
        let body = json!({
            "links": links, "count": items.len(), "hasMore": has_more, "items": items,
            "offset": offset, "totalResults": total,
        });
        Ok(Answer::json(StatusCode::OK, &body))
    }
}
