//! What Dataverse's answers mean: the one place that knows the vendor's signals.
//!
//! The status decides, because the codes in the body are hardly documented: only those of
//! a throttle and of a missing user are relied on. 412 is a conflict whatever header was
//! sent; who sent it knows which. No sentence of the vendor's is passed on: it may quote
//! the query, and the query holds a customer's number (invariant 9).
//!
//! Sources: Microsoft Learn, "Compose HTTP requests and handle errors", "Service
//! protection API limits", "Perform conditional operations using the Web API".

use super::odata::Name;
use kit::{Error, Reply};
use serde_json::Value;
use std::time::Duration;

/// Pause after a throttle that names none.
const PAUSE: Duration = Duration::from_secs(30);
/// No application user stands for the client in this environment.
const NO_USER: &str = "0x80072560";
/// The error of a change token that is too old.
const EXPIRED: &str = "0x80044352";

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
    let body = reply.json().ok().and_then(|mut body| body.get_mut("error").map(Value::take));
    let text =
        |key: &str| body.as_ref().and_then(|error| error.get(key)?.as_str()).unwrap_or_default();
    let (code, message) = (plain_code(text("code")), text("message"));
    let told = named(status, code);
    Err(match status {
        401 => Error::Unauthorized { reason: told },
        429 => Error::RateLimited { retry_after: Some(reply.retry_after().unwrap_or(PAUSE)) },
        503 if reply.retry_after().is_some() => {
            Error::RateLimited { retry_after: reply.retry_after() }
        }
        408 | 500.. => Error::unavailable(told),
        412 => Error::Conflict { reason: told },
        // What has no error of Dataverse's own comes from something between it and us.
        _ if body.is_none() => Error::protocol(told),
        403 if code == NO_USER => Error::Forbidden {
            missing: format!("an application user for client_id in this environment ({code})"),
        },
        403 => Error::Forbidden { missing: privilege(message).map_or(told, str::to_owned) },
        404 => match quoted(message, "for the segment '") {
            Some(segment) => Error::Invalid { field: Some(segment), reason: told },
            None => Error::NotFound,
        },
        409 => Error::Conflict { reason: told },
        300..=399 => Error::protocol(told),
        _ => Error::Invalid { field: property(message), reason: told },
    })
}

/// Does this refuse the token of a change link, so that everything is read anew?
pub(super) fn is_expired(error: &Error) -> bool {
    match error {
        Error::Invalid { reason, .. } => reason.starts_with(EXPIRED) || reason == "status 410",
        Error::Protocol { reason } => reason == "status 410",
        _ => false,
    }
}

/// The code if it has a code's form: nothing else of the body gets into a message.
fn plain_code(code: &str) -> &str {
    let hex = code.strip_prefix("0x").unwrap_or_default();
    let fits = (1..=8).contains(&hex.len()) && hex.bytes().all(|b| b.is_ascii_hexdigit());
    if fits { code } else { "" }
}

fn named(status: u16, code: &str) -> String {
    if code.is_empty() {
        return format!("status {status}");
    }
    format!("{code}, status {status}")
}

/// The privilege that a refusal names, such as `prvReadContact`.
fn privilege(message: &str) -> Option<&str> {
    let words = message.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.into_iter().find(|word| {
        word.strip_prefix("prv")
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
    })
}

/// The column that a refusal names.
fn property(message: &str) -> Option<String> {
    let before = [
        "property named '",
        "property '",
        "attribute '",
        "Attribute '",
        "column '",
        "length of the '",
    ];
    before.iter().find_map(|before| quoted(message, before))
}

/// A name in quotes behind these words.
fn quoted(message: &str, before: &str) -> Option<String> {
    let rest = message.split_once(before)?.1;
    let name = Name::new(rest.split_once('\'')?.0)?;
    Some(name.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::{classify, is_expired};
    use kit::http::HeaderMap;
    use kit::{Error, Reply};
    use serde_json::json;
    use std::time::Duration;

    fn reply(status: u16, headers: &[(&'static str, &str)], body: &str) -> Reply {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.insert(*name, value.parse().expect("a header"));
        }
        Reply { status, headers: all, body: body.as_bytes().to_vec() }
    }

    fn told(code: &str, message: &str) -> String {
        json!({ "error": { "code": code, "message": message } }).to_string()
    }

    fn check(status: u16, body: &str, expected: &Error) {
        let error = classify(reply(status, &[], body)).expect_err("a refusal");
        assert_eq!(&error, expected, "{status} {body}");
    }

    #[test]
    fn a_refusal_is_told_by_what_it_names_and_never_by_the_vendors_sentence() {
        let forbidden = |missing: &str| Error::Forbidden { missing: missing.to_owned() };
        let invalid = |field: Option<&str>, reason: &str| Error::Invalid {
            field: field.map(str::to_owned),
            reason: reason.to_owned(),
        };
        let message = "Principal user (Id=1, type=8) is missing prvReadContact privilege (Id=2)";
        check(403, &told("0x80040220", message), &forbidden("prvReadContact"));
        check(
            403,
            &told("0x80072560", "The user is not a member of the organization."),
            &forbidden("an application user for client_id in this environment (0x80072560)"),
        );
        let message =
            "Could not find a property named 'tier' on type 'Microsoft.Dynamics.CRM.contact'.";
        check(400, &told("0x80060888", message), &invalid(Some("tier"), "0x80060888, status 400"));
        let message = "Resource not found for the segment 'contats'.";
        check(
            404,
            &told("0x8006088a", message),
            &invalid(Some("contats"), "0x8006088a, status 404"),
        );
        check(404, &told("0x80040217", "contact With Id = 1 Does Not Exist"), &Error::NotFound);
        let stale = Error::Conflict { reason: "status 412".to_owned() };
        check(412, &told("", "The version of the existing record doesn't match"), &stale);
        check(400, &told("jane@example.com", "'jane'"), &invalid(None, "status 400"));
        check(500, &told("0x80040216", "jane"), &Error::unavailable("0x80040216, status 500"));
        check(403, "<html>a proxy</html>", &Error::protocol("status 403"));
        check(404, "", &Error::protocol("status 404"));
    }

    #[test]
    fn a_throttle_waits_as_told() {
        let after = |s| Err(Error::RateLimited { retry_after: Some(Duration::from_secs(s)) });
        let body = told("0x80072322", "Number of requests exceeded the limit of 6000");
        let classified = |status, headers: &[(&'static str, &str)]| {
            classify(reply(status, headers, &body)).map(|reply| reply.status)
        };
        assert_eq!(classified(429, &[("retry-after", "17")]), after(17));
        assert_eq!(classified(429, &[]), after(30));
        assert_eq!(classified(503, &[("retry-after", "2")]), after(2));
    }

    #[test]
    fn a_change_token_that_is_too_old_is_known() {
        let body = told("0x80044352", "Version stamp associated with the client has expired.");
        let error = classify(reply(400, &[], &body)).expect_err("too old");
        assert!(is_expired(&error));
        assert!(!is_expired(&Error::NotFound));
    }
}
