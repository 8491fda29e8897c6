//! The way of a request: which address is which resource, who may ask, what it answers.
//!
//! One function takes every request ([`World::handle`]). Errors are
//! `{"error":{"code","message"}}`.

use std::collections::HashMap;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use serde_json::{Value as Json, json};

use super::filter::quoted;
use super::store::{Store, is_guid};
use super::{World, gate};

/// Where the API lies.
pub(super) const API: &str = "/api/data/v9.2";
/// Most characters of an address.
const MOST_URI: usize = 32_768;

/// A request taken apart.
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    /// As sent, percent-encoded.
    pub(super) path: &'a str,
    options: HashMap<String, String>,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
    length: usize,
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
            length: parts.uri.path_and_query().map_or(0, |both| both.as_str().len()),
        }
    }

    pub(super) fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }

    /// An option that is none of these.
    pub(super) fn unknown_option(&self, known: &[&str]) -> Option<&str> {
        self.options.keys().map(String::as_str).find(|name| !known.contains(name))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// A preference and its value, of `Prefer: a=1,b`.
    pub(super) fn preference(&self, name: &str) -> Option<String> {
        let all = self.header("prefer")?;
        let mut is_quoted = false;
        let parts = all.split(|c: char| {
            is_quoted ^= c == '"';
            c == ',' && !is_quoted
        });
        parts.map(str::trim).find_map(|part| match part.split_once('=') {
            Some((own, value)) => (own == name).then(|| value.trim_matches('"').to_owned()),
            None => (part == name).then(String::new),
        })
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
        Answer { status, headers: vec![("odata-version", "4.0".to_owned())], body: vec![] }
    }

    pub(super) fn json(status: StatusCode, body: &Json) -> Answer {
        let mut answer = Answer::empty(status);
        answer.body = body.to_string().into_bytes();
        answer.with("content-type", "application/json; odata.metadata=minimal".to_owned())
    }

    pub(super) fn with(mut self, name: &'static str, value: String) -> Answer {
        self.headers.push((name, value));
        self
    }

    pub(super) fn error(status: StatusCode, code: &str, message: &str) -> Answer {
        Answer::json(status, &json!({ "error": { "code": code, "message": message } }))
    }

    pub(super) fn bad(message: &str) -> Answer {
        Answer::error(StatusCode::BAD_REQUEST, "0x80060888", message)
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
    let forbidden = |code, message| Answer::error(StatusCode::FORBIDDEN, code, message);
    let answer = match name {
        "unauthorized" => gate::unauthorized(),
        "throttled" => gate::throttled("0x80072322", 1),
        "throttled_time" => gate::throttled("0x80072321", 1),
        "throttled_concurrency" => gate::throttled("0x80072326", 1),
        "no_user" => forbidden("0x80072560", "The user is not a member of the organization."),
        "forbidden" | "no_privilege" => forbidden(
            "0x80040220",
            "Principal user (Id=1, type=8, roleCount=1) is missing prvReadContact privilege (Id=2) on OTC=2",
        ),
        "not_found" => missing("contact", "00000000-0000-0000-0000-000000000001"),
        "conflict" => Answer::error(
            StatusCode::PRECONDITION_FAILED,
            "0x80060882",
            "The version of the existing record doesn't match the RowVersion property provided.",
        ),
        "expired" => expired(),
        _ => return None,
    };
    Some(answer.response())
}

/// A change token that is too old.
pub(super) fn expired() -> Answer {
    let message =
        "Version stamp associated with the client has expired. Please perform a full sync.";
    Answer::error(StatusCode::BAD_REQUEST, "0x80044352", message)
}

pub(super) fn missing(logical: &str, id: &str) -> Answer {
    let message = format!("Entity '{logical}' With Id = {id} Does Not Exist");
    Answer::error(StatusCode::NOT_FOUND, "0x80040217", &message)
}

/// What an address leads to.
pub(super) enum Target {
    Set(usize),
    Id(usize, String),
    /// An alternate key's columns and values.
    Key(usize, Vec<(String, Json)>),
}

impl World {
    /// Answers one request, whatever it is.
    pub(super) fn handle(&self, asked: &Asked<'_>) -> Answer {
        if asked.length > MOST_URI {
            return Answer::empty(StatusCode::URI_TOO_LONG);
        }
        if asked.path == format!("/{}/oauth2/v2.0/token", self.config.tenant) {
            return self.token(asked);
        }
        if asked.path.ends_with("/oauth2/v2.0/token") {
            return gate::unknown_tenant();
        }
        let remaining = match self.admit(asked) {
            Ok(remaining) => remaining,
            Err(refused) => return refused,
        };
        let answer = self.api(asked).unwrap_or_else(|refused| refused);
        // With a thousands comma, as the vendor's own.
        let time = format!("1,{:03}.87", 199);
        answer
            .with("x-ms-ratelimit-burst-remaining-xrm-requests", remaining.to_string())
            .with("x-ms-ratelimit-time-remaining-xrm-requests", time)
    }

    pub(super) fn api(&self, asked: &Asked<'_>) -> Result<Answer, Answer> {
        let unknown = |segment: &str| {
            let message = format!("Resource not found for the segment '{segment}'.");
            Answer::error(StatusCode::NOT_FOUND, "0x8006088a", &message)
        };
        let below = asked.path.strip_prefix(API).ok_or_else(|| unknown("api"))?;
        let steps: Vec<&str> = below.split('/').filter(|step| !step.is_empty()).collect();
        let [step] = steps.as_slice() else {
            return match steps.as_slice() {
                [set, "$count"] => self.count(set, asked),
                [first, ..] => Err(unknown(first)),
                [] => Ok(self.service()),
            };
        };
        let step = decoded(step);
        match step.as_str() {
            "$batch" => return self.batch(asked),
            "WhoAmI" | "WhoAmI()" => return Ok(self.who_am_i()),
            step if step.starts_with("systemusers(") => return self.own_roles(step, asked),
            step if step.starts_with("EntityDefinitions") => return self.definitions(step, asked),
            _ => {}
        }
        let target = {
            let store = self.read();
            target(&store, &step).map_err(|refused| {
                refused.unwrap_or_else(|| unknown(step.split('(').next().unwrap_or_default()))
            })?
        };
        match (asked.method, target) {
            (&Method::GET, Target::Set(at)) => self.rows(at, asked),
            (&Method::GET, target) => self.row(&target, asked),
            (&Method::POST, Target::Set(at)) => self.make(at, asked),
            (&Method::PATCH, target @ (Target::Id(..) | Target::Key(..))) => {
                self.patch(target, asked)
            }
            (&Method::DELETE, target @ (Target::Id(..) | Target::Key(..))) => {
                self.delete(&target, asked)
            }
            _ => Err(Answer::empty(StatusCode::METHOD_NOT_ALLOWED)),
        }
    }
}

/// What a step of a path stands for; `Err(None)` where there is no such table.
pub(super) fn target(store: &Store, step: &str) -> Result<Target, Option<Answer>> {
    let Some((set, key)) = step.split_once('(') else {
        return store.set(step).map(Target::Set).ok_or(None);
    };
    let at = store.set(set).ok_or(None)?;
    let table = &store.rows(at).table;
    let key = key.strip_suffix(')').ok_or_else(|| Some(Answer::bad("Malformed key.")))?;
    let named = format!("{}=", table.id);
    let id = key.strip_prefix(&named).unwrap_or(key);
    if is_guid(id) {
        return Ok(Target::Id(at, id.to_lowercase()));
    }
    let pairs = pairs(key).map_err(|message| Some(Answer::bad(&message)))?;
    let names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
    let is_key = table.keys.iter().any(|(_, columns, is_ready)| {
        *is_ready && columns.len() == names.len() && columns.iter().all(|own| names.contains(own))
    });
    let is_taken = |value: &Json| {
        !value.as_str().is_some_and(|text| text.contains(|c| "/<>*%&:\\?+".contains(c)))
    };
    if !is_key || !pairs.iter().all(|(_, value)| is_taken(value)) {
        let message = "The key in the request URI is not valid for resource \
                       'Microsoft.Dynamics.CRM'. Ensure that the names and number of key properties match.";
        return Err(Some(Answer::bad(message)));
    }
    Ok(Target::Key(at, pairs))
}

/// `a='x',b=7` as names and values.
fn pairs(key: &str) -> Result<Vec<(String, Json)>, String> {
    let chars: Vec<char> = key.chars().collect();
    let mut pairs = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let name: String = chars[at..].iter().take_while(|c| **c != '=').collect();
        at += name.chars().count() + 1;
        let value = if chars.get(at) == Some(&'\'') {
            let (value, end) = quoted(&chars, at)?;
            at = end;
            Json::String(value)
        } else {
            let word: String =
                chars.get(at..).unwrap_or_default().iter().take_while(|c| **c != ',').collect();
            at += word.chars().count();
            word.parse::<i64>().map(Json::from).map_err(|_| "Malformed key.".to_owned())?
        };
        pairs.push((name.trim_start_matches(',').trim().to_owned(), value));
        at += 1;
    }
    Ok(pairs)
}

/// Percent-encoding undone; a plus sign is one.
fn decoded(step: &str) -> String {
    let step = step.replace('+', "%2B").replace('=', "%3D").replace('&', "%26");
    url::form_urlencoded::parse(step.as_bytes())
        .next()
        .map_or_else(String::new, |(key, _)| key.into_owned())
}
