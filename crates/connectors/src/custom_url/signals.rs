//! What a source's answers mean: by status, and by the code in the body where one is told.
//!
//! No sentence of the source's is passed on: it may quote the request, and that names a
//! customer (invariant 9).

use kit::{Error, Reply};
use serde_json::Value as Json;
use std::time::Duration;

/// Pause after a throttle that names none.
const PAUSE: Duration = Duration::from_secs(10);

/// Where an answer tells an error, and what its codes mean.
#[derive(Debug, Clone, Default)]
pub(super) struct Errors {
    /// A JSON pointer; what stands there and is neither null, false, 0 nor empty is an error.
    pub(super) at: Option<String>,
    pub(super) codes: Vec<(String, Meaning)>,
}

/// What a code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Unauthorized,
    Forbidden,
    RateLimited,
    Unavailable,
    NotFound,
    Invalid,
}

impl Meaning {
    pub(super) fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "unauthorized" => Self::Unauthorized,
            "forbidden" => Self::Forbidden,
            "rate_limited" => Self::RateLimited,
            "unavailable" => Self::Unavailable,
            "not_found" => Self::NotFound,
            "invalid" => Self::Invalid,
            _ => return None,
        })
    }

    fn error(self, reply: &Reply, told: &str) -> Error {
        match self {
            Self::Unauthorized => Error::Unauthorized { reason: told.to_owned() },
            Self::Forbidden => Error::Forbidden { missing: format!("this request ({told})") },
            Self::RateLimited => throttled(reply),
            Self::Unavailable => Error::unavailable(told),
            Self::NotFound => Error::NotFound,
            Self::Invalid => Error::Invalid { field: None, reason: told.to_owned() },
        }
    }
}

impl Errors {
    /// Has the source a code of its own for "nobody"?
    pub(super) fn tells_nobody(&self) -> bool {
        self.codes.iter().any(|(_, meaning)| *meaning == Meaning::NotFound)
    }

    /// The JSON of an answer that means success; `null` for one without a body.
    ///
    /// # Errors
    /// Everything but success.
    pub(super) fn classify(&self, reply: &Reply) -> Result<Json, Error> {
        if (300..400).contains(&reply.status) {
            // Where it leads was not checked, and our credentials would go along.
            let reason = format!("status {}: redirects are not followed", reply.status);
            return Err(Error::protocol(reason));
        }
        let is_empty = reply.status == 204 || reply.body.is_empty();
        let body = if is_empty { Ok(Json::Null) } else { reply.json() };
        if let Ok(body) = &body
            && let Some(error) = self.told(reply, body)
        {
            return Err(error);
        }
        if !reply.is_success() {
            return Err(by_status(reply, body.is_ok() && !is_empty));
        }
        body
    }

    /// The error that the body tells.
    fn told(&self, reply: &Reply, body: &Json) -> Option<Error> {
        let at = self.at.as_ref()?;
        let told = body.pointer(at).filter(|told| is_told(told))?;
        let code = match told {
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        let known = self.codes.iter().find(|(known, _)| *known == code);
        let status = reply.status;
        match known {
            Some((code, meaning)) => {
                Some(meaning.error(reply, &format!("{code}, status {status}")))
            }
            None if reply.is_success() => {
                Some(Error::unavailable(format!("an error at {at}, with status {status}")))
            }
            None => None,
        }
    }
}

fn by_status(reply: &Reply, is_json: bool) -> Error {
    let told = format!("status {}", reply.status);
    match reply.status {
        401 => Error::Unauthorized { reason: told },
        429 => throttled(reply),
        503 if reply.retry_after().is_some() => throttled(reply),
        408 | 500.. => Error::unavailable(told),
        404 | 410 => Error::NotFound,
        // A page in place of JSON comes from something between the source and us.
        _ if !is_json => Error::protocol(told),
        403 => Error::Forbidden { missing: format!("this request ({told})") },
        409 | 412 => Error::Conflict { reason: told },
        _ => Error::Invalid { field: None, reason: told },
    }
}

fn throttled(reply: &Reply) -> Error {
    Error::RateLimited { retry_after: Some(reply.retry_after().unwrap_or(PAUSE)) }
}

fn is_told(value: &Json) -> bool {
    match value {
        Json::Null | Json::Bool(false) => false,
        Json::Bool(true) => true,
        Json::Number(number) => number.as_f64() != Some(0.0),
        Json::String(text) => !text.is_empty(),
        Json::Array(items) => !items.is_empty(),
        Json::Object(map) => !map.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Errors, Meaning};
    use kit::Reply;
    use kit::http::HeaderMap;

    fn check(errors: &Errors, status: u16, body: &str, expected: &str) {
        let reply = Reply { status, headers: HeaderMap::new(), body: body.as_bytes().to_vec() };
        let outcome = errors.classify(&reply);
        let kind = outcome.as_ref().map_or_else(|error| error.kind(), |_| "ok");
        assert_eq!(kind, expected, "{status} {body}");
        if let Err(error) = outcome {
            assert!(!error.to_string().contains("jane"), "{error}");
        }
    }

    #[test]
    fn a_status_means_what_it_says() {
        let errors = Errors::default();
        for (status, body, kind) in [
            (200, "{}", "ok"),
            (204, "", "ok"),
            (200, "<html>", "protocol"),
            (302, "", "protocol"),
            (400, r#"{"message":"jane"}"#, "invalid"),
            (401, "", "unauthorized"),
            (403, "{}", "forbidden"),
            (403, "<html>", "protocol"),
            (404, "<html>", "not_found"),
            (409, "{}", "conflict"),
            (429, "", "rate_limited"),
            (500, "<html>", "unavailable"),
        ] {
            check(&errors, status, body, kind);
        }
    }

    #[test]
    fn an_error_in_the_body_goes_before_the_status() {
        let code = |code: &str, meaning| (code.to_owned(), meaning);
        let codes = vec![code("E7", Meaning::RateLimited), code("401", Meaning::Unauthorized)];
        let errors = Errors { at: Some("/error/code".to_owned()), codes };
        check(&errors, 200, r#"{"error":{"code":"E7"}}"#, "rate_limited");
        check(&errors, 400, r#"{"error":{"code":"E7"}}"#, "rate_limited");
        check(&errors, 200, r#"{"error":{"code":401}}"#, "unauthorized");
        check(&errors, 200, r#"{"error":{"code":"jane"}}"#, "unavailable");
        check(&errors, 400, r#"{"error":{"code":"jane"}}"#, "invalid");
        for none in ["null", "0", "\"\"", "false", "[]", "{}"] {
            check(&errors, 200, &format!("{{\"error\":{{\"code\":{none}}}}}"), "ok");
        }
    }
}
