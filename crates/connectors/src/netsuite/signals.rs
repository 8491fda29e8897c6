//! What NetSuite's answers mean: the one place that knows the vendor's signals.
//!
//! An error's code goes before its status. No sentence of the vendor's is passed on: it
//! may quote the query, and the query holds a customer's number (invariant 9); of what it
//! says only names of fields, tables and permissions are taken, by their form.
//!
//! Source: Oracle, "REST Web Services Exceptions", "SuiteQL errors".

use super::suiteql::Name;
use kit::{Error, Reply};
use serde_json::Value;
use std::time::Duration;

/// Pause after too many requests at once; the vendor states no time.
const PAUSE: Duration = Duration::from_secs(2);

/// Tells what an answer means.
///
/// # Errors
/// Everything but success.
pub(super) fn classify(reply: Reply) -> Result<Reply, Error> {
    if reply.is_success() {
        let is_html =
            reply.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
        let told = || Error::protocol(format!("status {} with a page of HTML", reply.status));
        return if is_html { Err(told()) } else { Ok(reply) };
    }
    let status = reply.status;
    let body = reply.json().ok();
    let first = body.as_ref().and_then(|body| body.pointer("/o:errorDetails/0"));
    let text = |key: &str| first.and_then(|one| one.get(key)?.as_str()).unwrap_or_default();
    let (code, detail) = (plain_code(text("o:errorCode")), text("detail"));
    let told = named(status, code);
    Err(match (status, code) {
        (429, _) | (_, "CONCURRENCY_LIMIT_EXCEEDED" | "SSS_REQUEST_LIMIT_EXCEEDED") => {
            Error::RateLimited { retry_after: Some(reply.retry_after().unwrap_or(PAUSE)) }
        }
        (401, _) | (_, "INVALID_LOGIN" | "INVALID_LOGIN_ATTEMPT") => {
            Error::Unauthorized { reason: told }
        }
        (503, _) if reply.retry_after().is_some() => {
            Error::RateLimited { retry_after: reply.retry_after() }
        }
        (408 | 500.., _) => Error::unavailable(told),
        // What has no error of NetSuite's own comes from something between it and us.
        _ if first.is_none() => Error::protocol(told),
        (_, "NONEXISTENT_ID" | "RCRD_DSNT_EXIST") => Error::NotFound,
        (403, _) | (_, "INSUFFICIENT_PERMISSION") => {
            Error::Forbidden { missing: permission(detail).unwrap_or(told) }
        }
        (404, _) => Error::NotFound,
        (409 | 412, _) | (_, "RCRD_HAS_BEEN_CHANGED") => Error::Conflict { reason: told },
        (300..=399, _) => Error::protocol(told),
        _ => {
            let path = Name::new(text("o:errorPath")).map(|name| name.as_str().to_owned());
            Error::Invalid { field: path.or_else(|| property(detail)), reason: told }
        }
    })
}

/// The code if it has a code's form: nothing else of the body gets into a message.
fn plain_code(code: &str) -> &str {
    let is_code = code.len() <= 60 && code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    if is_code { code } else { "" }
}

fn named(status: u16, code: &str) -> String {
    if code.is_empty() {
        return format!("status {status}");
    }
    format!("{code}, status {status}")
}

/// The permission that a refusal names, such as `Lists -> Customers -> View`.
fn permission(detail: &str) -> Option<String> {
    let inner = detail.split_once("the '")?.1.split_once('\'')?.0;
    let is_part = |c: char| c.is_ascii_alphabetic() || " ->".contains(c);
    let fits = inner.contains("->") && inner.len() <= 80 && inner.chars().all(is_part);
    fits.then(|| inner.to_owned())
}

/// The field or table that a refusal names.
fn property(detail: &str) -> Option<String> {
    let before = ["Field '", "Record '", "Unknown identifier '", "Invalid value for the field '"];
    before.iter().find_map(|before| {
        let inner = detail.split_once(before)?.1.split_once('\'')?.0;
        Name::new(inner).map(|name| name.as_str().to_owned())
    })
}

/// The id at the end of a `Location`.
///
/// # Errors
/// `Protocol` when there is none.
pub(super) fn located(reply: &Reply) -> Result<super::suiteql::Id, Error> {
    let location = reply.header("location").unwrap_or_default();
    let id = location.rsplit('/').next().and_then(super::suiteql::Id::new);
    id.ok_or_else(|| Error::protocol("a record was written without a Location"))
}

/// The rows of a SuiteQL answer, and whether more follow.
///
/// # Errors
/// `Protocol` when it is none.
pub(super) fn items(mut body: Value) -> Result<(Vec<Value>, bool), Error> {
    let has_more = body.get("hasMore") == Some(&Value::Bool(true));
    match body.get_mut("items").map(Value::take) {
        Some(Value::Array(rows)) => Ok((rows, has_more)),
        _ => Err(Error::protocol("an answer without a list of items")),
    }
}

#[cfg(test)]
mod tests {
    use super::classify;
    use kit::http::HeaderMap;
    use kit::{Error, Reply};
    use serde_json::json;
    use std::time::Duration;

    fn told(code: &str, detail: &str) -> String {
        json!({ "title": "x", "o:errorDetails": [{ "detail": detail, "o:errorCode": code }] })
            .to_string()
    }

    fn check(status: u16, body: &str, expected: &Error) {
        let reply = Reply { status, headers: HeaderMap::new(), body: body.as_bytes().to_vec() };
        assert_eq!(&classify(reply).expect_err("a refusal"), expected, "{status} {body}");
    }

    #[test]
    fn a_refusal_is_told_by_its_code_and_what_it_names() {
        let invalid = |field: Option<&str>, reason: &str| Error::Invalid {
            field: field.map(str::to_owned),
            reason: reason.to_owned(),
        };
        let detail = "Invalid search query. Search error occurred: Field 'tier' for record 'customer' was not found.";
        check(
            400,
            &told("INVALID_PARAMETER", detail),
            &invalid(Some("tier"), "INVALID_PARAMETER, status 400"),
        );
        check(
            400,
            &told("USER_ERROR", "jane@example.com is taken"),
            &invalid(None, "USER_ERROR, status 400"),
        );
        let detail = "Permission Violation: You need  the 'Lists -> Customers -> View' permission to access this page.";
        let missing = "Lists -> Customers -> View".to_owned();
        check(403, &told("INSUFFICIENT_PERMISSION", detail), &Error::Forbidden { missing });
        check(
            404,
            &told("NONEXISTENT_ID", "The record instance does not exist."),
            &Error::NotFound,
        );
        let reason = "INVALID_LOGIN, status 401".to_owned();
        check(
            401,
            &told("INVALID_LOGIN", "Invalid login attempt."),
            &Error::Unauthorized { reason },
        );
        let pause = Error::RateLimited { retry_after: Some(Duration::from_secs(2)) };
        check(429, &told("CONCURRENCY_LIMIT_EXCEEDED", "x"), &pause);
        check(400, &told("SSS_REQUEST_LIMIT_EXCEEDED", "x"), &pause);
        check(
            500,
            &told("UNEXPECTED_ERROR", "x"),
            &Error::unavailable("UNEXPECTED_ERROR, status 500"),
        );
        check(403, "<html>a proxy</html>", &Error::protocol("status 403"));
    }
}
