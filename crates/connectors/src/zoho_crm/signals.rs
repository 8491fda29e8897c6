//! What Zoho CRM's answers mean: the one place that knows the vendor's signals.
//!
//! Errors have a code, in an envelope of their own or, of a write, in each row of `data`;
//! a status alone decides nothing. Of what the vendor says, only codes and names of fields
//! are passed on: its sentences may quote the query, and that holds a customer's number
//! (invariant 9).
//!
//! Source: "Status codes and errors" (v8), and the vendor's own description of the API.

use kit::{Error, Reply};
use serde_json::Value;
use std::time::Duration;

/// The first pause after "too many requests": Zoho says neither how long to wait nor
/// whether the day's credits or the requests at once were too many.
pub(super) const THROTTLE_PAUSE: Duration = Duration::from_secs(2);

/// One refusal, as far as it may be passed on.
struct Told<'a> {
    code: &'a str,
    details: &'a Value,
    status: u16,
}

/// The body of an answer that is a success, `None` where there is nothing (204, 304).
///
/// # Errors
/// What the vendor's code means. Rows of a write are the caller's to read ([`row`]).
pub(super) fn classify(reply: &Reply) -> Result<Option<Value>, Error> {
    let status = reply.status;
    if status == 204 || status == 304 {
        return Ok(None);
    }
    if reply.is_success() {
        let body = reply.json()?;
        return match refusal(&body, status) {
            Some(told) => Err(meaning(&told)),
            None if body.is_object() => Ok(Some(body)),
            None => Err(Error::protocol("an answer that is no object")),
        };
    }
    let body = reply.json().unwrap_or(Value::Null);
    // Of several rows none was written: each says why itself.
    if matches!(status, 400 | 412) && body["data"].as_array().is_some_and(|rows| rows.len() > 1) {
        return Ok(Some(body));
    }
    let told = refusal(&body, status).or_else(|| refusal(&body["data"][0], status));
    Err(meaning(&told.unwrap_or(Told { code: "", details: &Value::Null, status })))
}

/// What became of the one row that was written: its `details`, and what was done.
///
/// # Errors
/// What the row's own code means, also where the answer as a whole is a success.
pub(super) fn row(body: &Value) -> Result<(&Value, &str), Error> {
    outcome(&body["data"][0])
}

/// The same of one row among many.
///
/// # Errors
/// As [`row`].
pub(super) fn outcome(row: &Value) -> Result<(&Value, &str), Error> {
    if let Some(told) = refusal(row, 400) {
        return Err(meaning(&told));
    }
    if row["code"] != "SUCCESS" || !row["details"].is_object() {
        return Err(Error::protocol("a write without an outcome"));
    }
    Ok((&row["details"], row["action"].as_str().unwrap_or_default()))
}

/// The refusal in an envelope, if it is one.
fn refusal(envelope: &Value, status: u16) -> Option<Told<'_>> {
    let is_error = envelope["status"] == "error";
    let code = envelope["code"].as_str().filter(|_| is_error)?;
    Some(Told { code: plain(code), details: &envelope["details"], status })
}

fn meaning(told: &Told<'_>) -> Error {
    let Told { code, status, .. } = *told;
    let named = || match code {
        "" => format!("status {status}"),
        code => format!("{code}, status {status}"),
    };
    match (status, code) {
        (_, "INVALID_TOKEN" | "AUTHENTICATION_FAILURE") => Error::Unauthorized { reason: named() },
        (_, "OAUTH_SCOPE_MISMATCH") => {
            Error::Forbidden { missing: "a scope of the token (OAUTH_SCOPE_MISMATCH)".to_owned() }
        }
        (_, "NO_PERMISSION" | "AUTHORIZATION_FAILED" | "FEATURE_NOT_SUPPORTED") => {
            Error::Forbidden {
                missing: permission(told.details).unwrap_or_else(|| code.to_owned()),
            }
        }
        (429, _) | (_, "TOO_MANY_REQUESTS" | "RATE_LIMIT_EXCEEDED") => {
            Error::RateLimited { retry_after: Some(THROTTLE_PAUSE) }
        }
        (412, _) | (_, "ALREADY_MODIFIED" | "RECORD_LOCKED" | "DUPLICATE_DATA") => {
            Error::Conflict { reason: named() }
        }
        (_, "INVALID_MODULE") => Error::Invalid {
            field: Some("object".to_owned()),
            reason: "no such module, or the user may not see it".to_owned(),
        },
        (408 | 500.., _) | (_, "INTERNAL_ERROR" | "SERVICE_UNAVAILABLE") => {
            Error::unavailable(named())
        }
        (401, _) => Error::Unauthorized { reason: named() },
        // Without a code it was something between us and the vendor that spoke.
        (_, "") => Error::protocol(named()),
        (403, _) => Error::Forbidden { missing: code.to_owned() },
        _ if is_gone(told) => Error::NotFound,
        _ => Error::Invalid { field: field(told.details), reason: named() },
    }
}

/// A record that is not there is told as an id that is wrong.
fn is_gone(told: &Told<'_>) -> bool {
    let of_id = field(told.details).is_some_and(|field| field == "id");
    let bare = told.details["resource_path_index"] == 1 && told.details["api_name"].is_null();
    told.code == "RECORD_NOT_FOUND" || told.code == "INVALID_DATA" && (of_id || bare)
}

/// The field that a refusal names.
fn field(details: &Value) -> Option<String> {
    let names = ["api_name", "column_name", "param_name", "param"];
    let name = names.iter().find_map(|key| details[*key].as_str())?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$');
    let fits = !name.is_empty() && name.len() <= 100 && name.chars().all(is_plain);
    fits.then(|| name.to_owned())
}

/// The permissions that a refusal names, such as `Crm_Implied_Api_Access`.
fn permission(details: &Value) -> Option<String> {
    let names: Vec<&str> =
        details["permissions"].as_array()?.iter().filter_map(Value::as_str).collect();
    let is_plain = |name: &&str| {
        name.len() <= 60 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    (!names.is_empty() && names.len() <= 10 && names.iter().all(is_plain)).then(|| names.join(", "))
}

/// The code if it has a code's form: nothing else of the body gets into a message.
fn plain(code: &str) -> &str {
    let is_plain = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    if code.len() <= 80 && code.bytes().all(is_plain) { code } else { "UNKNOWN" }
}

#[cfg(test)]
mod tests {
    use super::{classify, row};
    use kit::http::HeaderMap;
    use kit::{Error, Reply};
    use serde_json::{Value, json};

    fn outcome(status: u16, body: &str) -> Result<Option<Value>, Error> {
        classify(&Reply { status, headers: HeaderMap::new(), body: body.as_bytes().to_vec() })
    }

    fn told(status: u16, code: &str, details: Value) -> Error {
        let body = json!({ "code": code, "details": details, "message": "jane@example.com", "status": "error" });
        let bare = outcome(status, &body.to_string()).expect_err("a refusal");
        let in_a_row = outcome(status, &json!({ "data": [body] }).to_string());
        if status >= 400 {
            assert_eq!(in_a_row.expect_err("a refusal"), bare, "in whichever envelope");
        }
        assert!(!format!("{bare} {bare:?}").contains("jane"));
        bare
    }

    #[test]
    fn each_signal_has_its_one_meaning() {
        let check = |status, code: &str, details: Value, kind: &str| {
            assert_eq!(told(status, code, details).kind(), kind, "{status} {code}");
        };
        check(401, "INVALID_TOKEN", json!({}), "unauthorized");
        check(401, "AUTHENTICATION_FAILURE", json!({}), "unauthorized");
        check(401, "OAUTH_SCOPE_MISMATCH", json!({}), "forbidden");
        check(
            403,
            "NO_PERMISSION",
            json!({ "permissions": ["Crm_Implied_View_Contacts"] }),
            "forbidden",
        );
        check(429, "TOO_MANY_REQUESTS", json!({}), "rate_limited");
        check(200, "RATE_LIMIT_EXCEEDED", json!({}), "rate_limited");
        check(412, "ALREADY_MODIFIED", json!({}), "conflict");
        check(400, "DUPLICATE_DATA", json!({ "api_name": "Email" }), "conflict");
        check(400, "INVALID_DATA", json!({ "api_name": "Email" }), "invalid");
        check(400, "INVALID_DATA", json!({ "api_name": "id" }), "not_found");
        check(400, "INVALID_DATA", json!({ "resource_path_index": 1 }), "not_found");
        check(400, "INVALID_QUERY", json!({ "column_name": "Tier" }), "invalid");
        check(404, "INVALID_URL_PATTERN", json!({}), "invalid");
        check(500, "INTERNAL_ERROR", json!({}), "unavailable");
        check(503, "SERVICE_UNAVAILABLE", json!({}), "unavailable");
    }

    #[test]
    fn what_is_missing_is_named_and_nothing_else() {
        let missing =
            told(403, "NO_PERMISSION", json!({ "permissions": ["Crm_Implied_View_Leads"] }));
        assert_eq!(missing, Error::Forbidden { missing: "Crm_Implied_View_Leads".to_owned() });
        let odd = told(400, "INVALID_QUERY", json!({ "column_name": "jane@example.com" }));
        assert_eq!(
            odd,
            Error::Invalid { field: None, reason: "INVALID_QUERY, status 400".to_owned() }
        );
        assert_eq!(told(400, "jane's code", json!({})).kind(), "invalid");
    }

    #[test]
    fn nothing_is_no_error_and_no_answer_of_zohos_is() {
        assert_eq!(outcome(204, ""), Ok(None));
        assert_eq!(outcome(304, ""), Ok(None));
        for (status, body, kind) in [
            (200, "<html>", "protocol"),
            (200, "[]", "protocol"),
            (302, "", "protocol"),
            (403, "<html>a proxy</html>", "protocol"),
            (404, "<html>", "protocol"),
            (502, "<html>", "unavailable"),
            (401, "", "unauthorized"),
        ] {
            assert_eq!(outcome(status, body).expect_err("no answer").kind(), kind, "{status}");
        }
    }

    #[test]
    fn a_row_that_was_refused_is_an_error_in_any_success() {
        let refused = json!({ "data": [{ "code": "MANDATORY_NOT_FOUND", "status": "error",
            "details": { "api_name": "Last_Name" }, "message": "required" }] });
        let error = row(&refused).expect_err("a refusal");
        assert!(matches!(error, Error::Invalid { field: Some(f), .. } if f == "Last_Name"));
        let done = json!({ "data": [{ "code": "SUCCESS", "status": "success", "action": "insert",
            "details": { "id": "1" }, "message": "record added" }] });
        assert_eq!(row(&done).expect("a row"), (&json!({ "id": "1" }), "insert"));
        assert_eq!(row(&json!({ "data": [] })).expect_err("none").kind(), "protocol");
    }
}
