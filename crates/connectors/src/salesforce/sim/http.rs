//! The REST surface: which path is which resource, who may ask, what it costs.
//!
//! One function takes every request ([`World::handle`]); it checks the token, counts
//! the request against the daily limit and hands it to its resource. Errors are the
//! vendor's array of `{message, errorCode, fields}`; every REST answer carries
//! `Sforce-Limit-Info`.

mod collections;
mod oauth;
pub(super) mod pubsub;
mod query;
mod records;
mod sessions;

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use serde_json::{Map, Value as Json, json};

use super::store::Refused;
use super::{World, Writing};

pub(super) use self::oauth::der;
pub(super) use self::sessions::Sessions;
pub use self::sessions::{Page, SignedInUser};

/// Most characters of a request's path and query.
const MOST_URI: usize = 16_088;

/// A request taken apart.
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    /// Decoded path segments without the empty ones.
    pub(super) path: Vec<String>,
    pub(super) query: HashMap<String, String>,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

/// An answer before it is put on the wire.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn json(status: StatusCode, body: &Json) -> Answer {
        Answer::bytes(status, body.to_string().into_bytes())
    }

    pub(super) fn bytes(status: StatusCode, body: Vec<u8>) -> Answer {
        let headers = vec![("content-type", "application/json;charset=UTF-8".to_owned())];
        Answer { status, headers, body }
    }

    pub(super) fn empty(status: StatusCode) -> Answer {
        Answer { status, headers: vec![], body: vec![] }
    }

    pub(super) fn with(mut self, name: &'static str, value: String) -> Answer {
        self.headers.push((name, value));
        self
    }

    /// The vendor's error array.
    pub(super) fn error(status: StatusCode, code: &str, message: &str) -> Answer {
        Answer::json(status, &json!([{ "message": message, "errorCode": code }]))
    }

    pub(super) fn response(self) -> Response {
        let mut response = Response::builder().status(self.status);
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        response.body(Body::from(self.body)).unwrap_or_default()
    }
}

/// The status that goes with an error code of section 1.5 of the vendor's table.
impl From<Refused> for Answer {
    fn from(refused: Refused) -> Answer {
        let status = match refused.code {
            "NOT_FOUND" | "ENTITY_IS_DELETED" => StatusCode::NOT_FOUND,
            "INSUFFICIENT_ACCESS" | "REQUEST_LIMIT_EXCEEDED" => StatusCode::FORBIDDEN,
            "INVALID_SESSION_ID" => StatusCode::UNAUTHORIZED,
            _ => StatusCode::BAD_REQUEST,
        };
        let mut one = json!({ "message": refused.message, "errorCode": refused.code });
        if !refused.fields.is_empty() {
            one["fields"] = Json::from(refused.fields);
        }
        Answer::json(status, &json!([one]))
    }
}

pub(super) fn not_found() -> Answer {
    Answer::error(StatusCode::NOT_FOUND, "NOT_FOUND", "The requested resource does not exist")
}

pub(super) fn wrong_method(method: &Method) -> Answer {
    let message =
        format!("HTTP Method '{method}' not allowed. Allowed are HEAD,GET,POST,PATCH,DELETE");
    Answer::error(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", &message)
}

/// The vendor's answers that a fault plan may name.
pub(super) fn vendor_answer(name: &str) -> Option<Response> {
    let throttled =
        |message: &str| Answer::error(StatusCode::FORBIDDEN, "REQUEST_LIMIT_EXCEEDED", message);
    let answer = match name {
        "unauthorized" => expired(),
        "throttled" | "throttled_daily" => throttled("TotalRequests Limit exceeded."),
        "throttled_concurrent" => {
            throttled("ConcurrentRequests (Concurrent API Requests) Limit exceeded.")
        }
        "maintenance" => Answer {
            status: StatusCode::SERVICE_UNAVAILABLE,
            headers: vec![("content-type", "text/html;charset=UTF-8".to_owned())],
            body: MAINTENANCE.as_bytes().to_vec(),
        },
        "forbidden" => Answer::error(
            StatusCode::FORBIDDEN,
            "INSUFFICIENT_ACCESS",
            "insufficient access rights on cross-reference id",
        ),
        "not_found" => Answer::error(
            StatusCode::NOT_FOUND,
            "NOT_FOUND",
            "Provided external ID field does not exist or is not accessible: External_Id__c",
        ),
        "conflict" => Answer::error(
            StatusCode::BAD_REQUEST,
            "UNABLE_TO_LOCK_ROW",
            "unable to obtain exclusive access to this record or 1 records",
        ),
        "unavailable" => Answer::error(
            StatusCode::SERVICE_UNAVAILABLE,
            "SERVER_UNAVAILABLE",
            "Service temporarily unavailable.",
        ),
        "unknown" => Answer::error(
            StatusCode::INTERNAL_SERVER_ERROR,
            "UNKNOWN_EXCEPTION",
            "An unexpected error occurred. Please include this ErrorId if you contact support: 1-1 (1)",
        ),
        _ => return None,
    };
    Some(answer.response())
}

const MAINTENANCE: &str = "<!DOCTYPE html><html><head><title>Maintenance</title></head><body>\
<h1>Down for Maintenance</h1><p>Sorry for the inconvenience. We'll be back shortly.</p></body></html>";

fn expired() -> Answer {
    Answer::error(StatusCode::UNAUTHORIZED, "INVALID_SESSION_ID", "Session expired or invalid")
        .with("www-authenticate", "Token".to_owned())
}

impl World {
    /// Answers one request, whatever it is.
    pub(super) fn handle(&self, asked: &Asked<'_>, uri_length: usize) -> Answer {
        if uri_length > MOST_URI {
            return Answer::error(StatusCode::URI_TOO_LONG, "URI_TOO_LONG", "The URI is too long");
        }
        let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
        match path.as_slice() {
            ["services", "oauth2", "token"] => self.token(asked),
            ["services", "oauth2", "revoke"] => self.revoke(asked),
            ["services", "oauth2", "introspect"] => self.introspect(asked),
            ["services", "oauth2", "userinfo"] | ["id", _, _] => self.userinfo(asked),
            ["services", "data"] => self.versions(),
            ["services", "data", version, rest @ ..] => self.rest(asked, version, rest),
            ["_sim", "sign-in"] => self.signed_in(asked),
            ["_sim", "omni", what] => self.omni(asked, what),
            ["_sim", "state"] => self.state(),
            _ => not_found(),
        }
    }

    fn rest(&self, asked: &Asked<'_>, version: &str, path: &[&str]) -> Answer {
        let known =
            self.config.api_versions.iter().any(|have| version.strip_prefix('v') == Some(have));
        if !known {
            return not_found();
        }
        if self.holder(asked.headers).is_err() {
            return expired();
        }
        let used = self.used.fetch_add(1, Ordering::Relaxed) + 1;
        let limit = self.limit.load(Ordering::Relaxed);
        let usage = format!("api-usage={}/{limit}", used.min(limit));
        let answer = if used > limit {
            Answer::error(
                StatusCode::FORBIDDEN,
                "REQUEST_LIMIT_EXCEEDED",
                "TotalRequests Limit exceeded.",
            )
        } else {
            self.resource(asked, &format!("/services/data/{version}"), path)
        };
        answer.with("sforce-limit-info", usage)
    }

    fn resource(&self, asked: &Asked<'_>, base: &str, path: &[&str]) -> Answer {
        match path {
            [] => self.resources(base),
            ["query"] => self.query(asked, base, false),
            ["queryAll"] => self.query(asked, base, true),
            ["query" | "queryAll", locator] => self.more(asked, base, locator),
            ["search"] => self.search(asked, base),
            ["parameterizedSearch"] => self.parameterized_search(asked, base),
            ["limits"] => self.limits(),
            ["sobjects", rest @ ..] => self.sobjects(asked, base, rest),
            ["composite", "sobjects", rest @ ..] => self.collections(asked, base, rest),
            _ => not_found(),
        }
    }

    /// A transaction of a request, whose client may have given itself a name.
    pub(super) fn write_for(&self, asked: &Asked<'_>) -> Writing<'_> {
        let version = asked.path.get(2).and_then(|version| version.strip_prefix('v'));
        let mut origin = format!("com/salesforce/api/rest/{}", version.unwrap_or_default());
        let options = asked.headers.get("sforce-call-options").and_then(|v| v.to_str().ok());
        let mut options = options.unwrap_or_default().split(',');
        if let Some(client) = options.find_map(|one| one.trim().strip_prefix("client=")) {
            origin = format!("{origin};client={client}");
        }
        self.write_from(origin)
    }

    /// The token of a request.
    pub(super) fn bearer<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let token = value.strip_prefix("Bearer ").or_else(|| value.strip_prefix("OAuth "))?;
        Some(token.trim())
    }

    /// The user behind the token of a request.
    pub(super) fn holder(&self, headers: &HeaderMap) -> Result<String, ()> {
        let token = self.bearer(headers).ok_or(())?;
        self.tokens.check(token).map(|grant| grant.subject).map_err(|_| ())
    }

    fn versions(&self) -> Answer {
        let one = |version: &String| json!({ "label": label(version), "url": format!("/services/data/v{version}"), "version": version });
        let all: Vec<Json> = self.config.api_versions.iter().map(one).collect();
        Answer::json(StatusCode::OK, &Json::from(all))
    }

    fn resources(&self, base: &str) -> Answer {
        let mut all = Map::new();
        for name in [
            "composite",
            "limits",
            "parameterizedSearch",
            "query",
            "queryAll",
            "search",
            "sobjects",
        ] {
            all.insert(name.to_owned(), Json::from(format!("{base}/{name}")));
        }
        all.insert("identity".to_owned(), Json::from(self.identity()));
        Answer::json(StatusCode::OK, &Json::Object(all))
    }

    fn limits(&self) -> Answer {
        let limit = self.limit.load(Ordering::Relaxed);
        let left = limit.saturating_sub(self.used.load(Ordering::Relaxed));
        let body = json!({
            "DailyApiRequests": { "Max": limit, "Remaining": left },
            "DailyBulkV2QueryJobs": { "Max": 10_000, "Remaining": 10_000 },
            "DataStorageMB": { "Max": 1024, "Remaining": 1024 },
        });
        Answer::json(StatusCode::OK, &body)
    }

    fn search(&self, asked: &Asked<'_>, base: &str) -> Answer {
        let Some(text) = asked.query.get("q") else {
            return Answer::error(
                StatusCode::BAD_REQUEST,
                "MALFORMED_SEARCH",
                "A search string has to be specified",
            );
        };
        found(super::search::sosl(&mut self.write(), base, text))
    }

    fn parameterized_search(&self, asked: &Asked<'_>, base: &str) -> Answer {
        if asked.method == Method::POST {
            return match body_object(asked.body) {
                Ok(body) => found(super::search::parameterized(&mut self.write(), base, &body)),
                Err(refused) => refused,
            };
        }
        let mut body = Map::new();
        for (key, value) in &asked.query {
            let value = match key.as_str() {
                "fields" => Json::from(value.split(',').collect::<Vec<_>>()),
                "sobject" => json!([{ "name": value }]),
                "defaultLimit" | "overallLimit" => Json::from(value.parse::<u64>().unwrap_or(0)),
                _ => Json::from(value.as_str()),
            };
            body.insert(if key == "sobject" { "sobjects".to_owned() } else { key.clone() }, value);
        }
        found(super::search::parameterized(&mut self.write(), base, &body))
    }

    fn state(&self) -> Answer {
        let store = self.read();
        let rows: Map<String, Json> = (0..store.objects.len())
            .map(|at| (store.objects[at].name.clone(), Json::from(store.rows(at))))
            .collect();
        let body = json!({
            "rows": rows, "apiUsage": self.used.load(Ordering::Relaxed),
            "search": super::search::lag(&store), "openCursors": self.results.len(),
        });
        Answer::json(StatusCode::OK, &body)
    }
}

fn found(result: Result<Vec<u8>, Refused>) -> Answer {
    result.map_or_else(Answer::from, |body| Answer::bytes(StatusCode::OK, body))
}

/// The body as a JSON object, or the vendor's refusal.
pub(super) fn body_object(body: &[u8]) -> Result<Map<String, Json>, Answer> {
    serde_json::from_slice(body).map_err(|error| {
        let message = format!(
            "Unexpected character or end of input at [line:{}, column:{}]",
            error.line(),
            error.column()
        );
        Answer::error(StatusCode::BAD_REQUEST, "JSON_PARSER_ERROR", &message)
    })
}

/// `Summer '26` for 67.0: three releases a year, Winter first, 64.0 being Summer '25.
fn label(version: &str) -> String {
    let number: u32 = version.split('.').next().and_then(|n| n.parse().ok()).unwrap_or(0);
    let since = number.saturating_sub(59);
    let season = ["Winter", "Spring", "Summer"][usize::try_from(since % 3).unwrap_or(0)];
    format!("{season} '{}", 24 + since / 3)
}

/// Names and values of a query string or form; the last of a name counts.
pub(super) fn decode_form(text: &[u8]) -> HashMap<String, String> {
    url::form_urlencoded::parse(text).into_owned().collect()
}

/// Percent-decoding of a path segment, where a `+` is a plus.
pub(super) fn decode(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let mut out = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|two| std::str::from_utf8(two).ok());
        match (bytes[at], hex.and_then(|two| u8::from_str_radix(two, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
                continue;
            }
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}
