//! What SAP's answers mean: the one place that knows the vendor's signals.
//!
//! The gateway's error codes go before statuses; a status without a body of the
//! gateway's own comes from something between it and us. No sentence of the
//! vendor's is passed on: it may quote the query, and the query holds a
//! customer's number (invariant 9).
//!
//! Sources: SAP Gateway Foundation, "Error Response Template"; OData 2.0.

use super::odata::Name;
use kit::{Error, Reply};
use serde_json::Value;
use std::time::Duration;

/// Pause after a throttle that names none.
const PAUSE: Duration = Duration::from_secs(5);

/// Tells what an answer means.
///
/// # Errors
/// Everything but success.
pub(super) fn classify(reply: Reply) -> Result<Reply, Error> {
    if reply.is_success() {
        return if is_html(&reply) { Err(login_page(&reply)) } else { Ok(reply) };
    }
    let status = reply.status;
    let body = reply.json().ok().and_then(|mut body| body.get_mut("error").map(Value::take));
    let Some(error) = body else { return Err(bare(&reply)) };
    let code = plain_code(error.get("code").and_then(Value::as_str).unwrap_or_default());
    let told = named(status, code);
    Err(match (status, code) {
        (401, _) => Error::Unauthorized { reason: told },
        // The service is not activated, or not under this name.
        (_, "/IWFND/MED/170") => {
            Error::Invalid { field: Some("service_path".to_owned()), reason: told }
        }
        (403, _) if wants_csrf(&reply) => Error::Forbidden { missing: "a CSRF token".to_owned() },
        (403, _) => Error::Forbidden { missing: told },
        (404, _) => Error::NotFound,
        (409 | 412 | 423, _) => Error::Conflict { reason: told },
        (428, _) => Error::Invalid { field: Some("If-Match".to_owned()), reason: told },
        (429, _) => throttled(&reply),
        (503, _) if reply.retry_after().is_some() => throttled(&reply),
        (408 | 500.., _) => Error::unavailable(told),
        (300..=399, _) => Error::protocol(told),
        _ => Error::Invalid { field: property(&error), reason: told },
    })
}

/// Does the vendor ask for a CSRF token, for want of one or because it is too old?
pub(super) fn wants_csrf(reply: &Reply) -> bool {
    reply.status == 403
        && reply.header("x-csrf-token").is_some_and(|word| word.eq_ignore_ascii_case("required"))
}

/// The code of a business message that came with a success (`sap-message`), and how severe it is.
pub(super) fn message(reply: &Reply) -> Option<(String, String)> {
    let told: Value = serde_json::from_str(reply.header("sap-message")?).ok()?;
    let text = |key: &str| told.get(key).and_then(Value::as_str).unwrap_or_default();
    let severity = text("severity");
    let is_word = severity.bytes().all(|b| b.is_ascii_lowercase());
    Some((plain_code(text("code")).to_owned(), if is_word { severity } else { "" }.to_owned()))
}

/// A refusal without the gateway's own body.
fn bare(reply: &Reply) -> Error {
    let told = named(reply.status, "");
    match reply.status {
        401 => Error::Unauthorized { reason: told },
        403 if wants_csrf(reply) => Error::Forbidden { missing: "a CSRF token".to_owned() },
        412 => Error::Conflict { reason: told },
        429 => throttled(reply),
        503 if reply.retry_after().is_some() => throttled(reply),
        408 | 500.. => Error::unavailable(told),
        _ => Error::protocol(told),
    }
}

fn throttled(reply: &Reply) -> Error {
    Error::RateLimited { retry_after: Some(reply.retry_after().unwrap_or(PAUSE)) }
}

fn is_html(reply: &Reply) -> bool {
    reply.header("content-type").is_some_and(|kind| kind.starts_with("text/html"))
}

fn login_page(reply: &Reply) -> Error {
    Error::protocol(format!("status {} with a page of HTML, such as a login page", reply.status))
}

/// The code if it has a code's form: nothing else of the body gets into a message.
fn plain_code(code: &str) -> &str {
    let is_part = |b: u8| b.is_ascii_alphanumeric() || b == b'/' || b == b'_';
    let has_letter = code.bytes().any(|b| b.is_ascii_uppercase());
    if has_letter && code.len() <= 60 && code.bytes().all(is_part) { code } else { "" }
}

fn named(status: u16, code: &str) -> String {
    if code.is_empty() {
        return format!("status {status}");
    }
    format!("{code}, status {status}")
}

/// The property at fault, where an error's details name one.
fn property(error: &Value) -> Option<String> {
    let details = error.pointer("/innererror/errordetails")?.as_array()?;
    let named = details.iter().find_map(|detail| {
        let name = detail.get("propertyref").or(detail.get("target"))?.as_str()?;
        Name::new(name.rsplit('/').next().unwrap_or(name))
    });
    named.map(|name| name.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::{classify, message};
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

    fn check(status: u16, headers: &[(&'static str, &str)], body: &str, expected: &Error) {
        let error = classify(reply(status, headers, body)).expect_err("a refusal");
        assert_eq!(&error, expected, "{status} {body}");
    }

    fn told(code: &str) -> String {
        let value = "Partner jane@example.com is locked";
        json!({ "error": { "code": code, "message": { "lang": "en", "value": value } } })
            .to_string()
    }

    #[test]
    fn a_refusal_is_told_by_its_code_and_never_by_the_vendors_sentence() {
        let reason = |text: &str| text.to_owned();
        check(
            412,
            &[],
            &told("/IWBEP/CM_MGW_RT/022"),
            &Error::Conflict { reason: reason("/IWBEP/CM_MGW_RT/022, status 412") },
        );
        check(
            423,
            &[],
            &told("R11/123"),
            &Error::Conflict { reason: reason("R11/123, status 423") },
        );
        check(
            403,
            &[],
            &told("/IWFND/MED/100"),
            &Error::Forbidden { missing: reason("/IWFND/MED/100, status 403") },
        );
        check(404, &[], &told("/IWBEP/CM_MGW_RT/020"), &Error::NotFound);
        check(500, &[], &told("jane@example.com"), &Error::unavailable("status 500"));
        check(500, &[], &told("5550199999"), &Error::unavailable("status 500"));
        let field = Some("service_path".to_owned());
        check(
            404,
            &[],
            &told("/IWFND/MED/170"),
            &Error::Invalid { field, reason: reason("/IWFND/MED/170, status 404") },
        );
        let field = Some("If-Match".to_owned());
        check(428, &[], &told("X/1"), &Error::Invalid { field, reason: reason("X/1, status 428") });
    }

    #[test]
    fn the_property_at_fault_is_named() {
        let detail =
            json!({ "code": "R11/123", "message": "jane", "propertyref": "to_X/SearchTerm1" });
        let body =
            json!({ "error": { "code": "R11/123", "innererror": { "errordetails": [detail] } } });
        let field = Some("SearchTerm1".to_owned());
        check(
            400,
            &[],
            &body.to_string(),
            &Error::Invalid { field, reason: "R11/123, status 400".to_owned() },
        );
    }

    #[test]
    fn a_throttle_waits_as_told() {
        let after = |s| Error::RateLimited { retry_after: Some(Duration::from_secs(s)) };
        check(429, &[("retry-after", "17")], "", &after(17));
        check(429, &[], &told("X/1"), &after(5));
        check(503, &[("retry-after", "2")], "<html>busy</html>", &after(2));
        check(503, &[], "<html>busy</html>", &Error::unavailable("status 503"));
    }

    #[test]
    fn what_is_not_the_gateways_own_is_outside_the_protocol() {
        check(403, &[], "<html>a proxy</html>", &Error::protocol("status 403"));
        check(404, &[], "<html>", &Error::protocol("status 404"));
        check(302, &[], "", &Error::protocol("status 302"));
        let html = [("content-type", "text/html; charset=utf-8")];
        let expected = "status 200 with a page of HTML, such as a login page";
        check(200, &html, "<html>Logon</html>", &Error::protocol(expected));
        check(
            401,
            &html,
            "<html>Logon</html>",
            &Error::Unauthorized { reason: "status 401".to_owned() },
        );
        let required = [("x-csrf-token", "Required")];
        let missing = "a CSRF token".to_owned();
        check(403, &required, "CSRF token validation failed", &Error::Forbidden { missing });
    }

    #[test]
    fn a_message_beside_a_success_is_known_by_code_and_severity() {
        let header =
            r#"{"code":"R1/285","message":"jane@example.com","severity":"warning","details":[]}"#;
        let reply = reply(204, &[("sap-message", header)], "");
        assert_eq!(message(&reply), Some(("R1/285".to_owned(), "warning".to_owned())));
    }
}
