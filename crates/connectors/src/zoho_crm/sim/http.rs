//! The way of a request: what was asked, who asks, who answers it.

use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Response;
use serde_json::{Value as Json, json};

use super::schema::{self, Module};
use super::{World, oauth};

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

    /// A parameter of the query.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    pub(super) fn number(&self, name: &str, default: usize) -> usize {
        self.get(name).and_then(|text| text.parse().ok()).unwrap_or(default)
    }

    pub(super) fn json(&self) -> Result<Json, Answer> {
        serde_json::from_slice(self.body)
            .map_err(|_| Answer::refused("INVALID_DATA", json!({}), "the body is no JSON"))
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

    /// An error in the vendor's envelope.
    pub(super) fn error(status: StatusCode, code: &str, details: Json, message: &str) -> Answer {
        let body =
            json!({ "code": code, "details": details, "message": message, "status": "error" });
        Answer::json(status, &body)
    }

    pub(super) fn refused(code: &str, details: Json, message: &str) -> Answer {
        Answer::error(StatusCode::BAD_REQUEST, code, details, message)
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

/// The vendor's own answers that a plan of faults may name.
pub(super) fn vendor_answer(name: &str) -> Option<Response> {
    let answer = match name {
        "unauthorized" => invalid_token(),
        "throttled" => {
            let told = "too many requests fired in concurrent";
            Answer::error(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_REQUESTS", json!({}), told)
        }
        "login_throttled" => oauth::too_many(),
        "forbidden" | "no_permission" => {
            let details = json!({ "permissions": ["Crm_Implied_View_Contacts"] });
            Answer::error(StatusCode::FORBIDDEN, "NO_PERMISSION", details, "permission denied")
        }
        "scope" => {
            let told = "invalid oauth scope to access this URL";
            Answer::error(StatusCode::UNAUTHORIZED, "OAUTH_SCOPE_MISMATCH", json!({}), told)
        }
        "not_found" => {
            let told = "the id given seems to be invalid";
            Answer::refused("INVALID_DATA", json!({ "api_name": "id" }), told)
        }
        "conflict" => {
            let details = json!({ "api_name": "External_Number" });
            Answer::refused("DUPLICATE_DATA", details, "duplicate data")
        }
        "locked" => Answer::refused("RECORD_LOCKED", json!({}), "the record is locked"),
        "error" => {
            let told = "Internal Server Error";
            Answer::error(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", json!({}), told)
        }
        _ => return None,
    };
    Some(answer.response())
}

fn invalid_token() -> Answer {
    Answer::error(StatusCode::UNAUTHORIZED, "INVALID_TOKEN", json!({}), "invalid oauth token")
}

fn no_such_url() -> Answer {
    let told = "Please check if the URL trying to access is a correct one";
    Answer::error(StatusCode::NOT_FOUND, "INVALID_URL_PATTERN", json!({}), told)
}

fn no_such_method() -> Answer {
    let told = "The http request method type is not a valid one";
    Answer::error(StatusCode::METHOD_NOT_ALLOWED, "INVALID_REQUEST_METHOD", json!({}), told)
}

impl World {
    pub(super) fn handle(&self, asked: &Asked<'_>) -> Answer {
        if asked.path == "/oauth/v2/token" {
            return if *asked.method == Method::POST {
                self.token(asked)
            } else {
                no_such_method()
            };
        }
        let Some(path) = asked.path.strip_prefix("/crm/v8/") else { return no_such_url() };
        // Not Bearer, whatever the token answer says of its type.
        let token =
            asked.header("authorization").and_then(|value| value.strip_prefix("Zoho-oauthtoken "));
        if token.is_none_or(|token| self.tokens.check(token.trim()).is_err()) {
            return invalid_token();
        }
        let mut answer = match self.charge(1) {
            Ok(()) => self.routed(asked, path).unwrap_or_else(|refused| refused),
            Err(refused) => refused,
        };
        let (used, all) = (self.credits_used.load(Ordering::Relaxed), self.config.credits);
        // Told only once half of them are used.
        if used * 2 >= all {
            answer.headers.push(("x-api-credits-remaining", all.saturating_sub(used).to_string()));
        }
        answer
    }

    /// Takes API credits.
    pub(super) fn charge(&self, credits: u64) -> Result<(), Answer> {
        let used = self.credits_used.fetch_add(credits, Ordering::Relaxed);
        if used < self.config.credits {
            return Ok(());
        }
        self.credits_used.store(self.config.credits, Ordering::Relaxed);
        let told = "You have crossed your API limit for the day";
        Err(Answer::error(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_REQUESTS", json!({}), told))
    }

    fn routed(&self, asked: &Asked<'_>, path: &str) -> Result<Answer, Answer> {
        let steps: Vec<&str> = path.split('/').collect();
        let (get, post) = (*asked.method == Method::GET, *asked.method == Method::POST);
        match steps.as_slice() {
            ["coql"] if post => self.coql(asked),
            ["users"] if get => Ok(self.users()),
            ["org"] if get => Ok(self.organization()),
            ["settings", "modules"] if get => Ok(self.modules()),
            ["settings", "fields"] if get => self.fields(asked),
            ["coql" | "users" | "org"] | ["settings", ..] => Err(no_such_method()),
            [module, "search"] if get => self.search(asked, known(module)?),
            [module, "deleted"] if get => self.deleted(asked, known(module)?),
            [module, "upsert"] if post => self.upsert(asked, known(module)?),
            [module] => {
                let module = known(module)?;
                match *asked.method {
                    Method::GET => self.list(asked, module),
                    Method::POST => self.insert(asked, module),
                    Method::PUT => self.update(asked, module, None),
                    Method::DELETE => self.delete_many(asked, module),
                    _ => Err(no_such_method()),
                }
            }
            [module, id] => {
                let module = known(module)?;
                match *asked.method {
                    Method::GET => self.one(asked, module, id),
                    Method::PUT => self.update(asked, module, Some(id)),
                    Method::DELETE => self.delete_one(module, id),
                    _ => Err(no_such_method()),
                }
            }
            _ => Err(no_such_url()),
        }
    }
}

fn known(module: &str) -> Result<&'static Module, Answer> {
    schema::module(module).ok_or_else(|| {
        let details = json!({ "resource_path_index": 0 });
        Answer::refused("INVALID_MODULE", details, "the module name given seems to be invalid")
    })
}
