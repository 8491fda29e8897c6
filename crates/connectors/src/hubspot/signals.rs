//! What HubSpot's answers mean: the one place that knows the vendor's signals.
//!
//! An error has a category; a batch that found or wrote only a part is a success (207) with
//! errors in it, which [`partial`] reads. Only categories, codes, scopes and names of
//! properties are passed on: HubSpot's sentences quote what was asked (invariant 9).
//!
//! Source: "Error handling", "API usage guidelines and limits".

use kit::{Error, Reply};
use serde_json::Value;
use std::time::Duration;

/// Pauses by the policy that was broken; HubSpot promises no `Retry-After`.
const SECONDLY: Duration = Duration::from_secs(1);
const TEN_SECONDLY: Duration = Duration::from_secs(10);

/// The body of an answer that is a success; null where there is none (204).
///
/// # Errors
/// What the vendor's category and status mean.
pub(super) fn classify(reply: &Reply) -> Result<Value, Error> {
    if reply.status == 204 {
        return Ok(Value::Null);
    }
    if reply.is_success() {
        let body = reply.json()?;
        return if body.is_object() {
            Ok(body)
        } else {
            Err(Error::protocol("an answer that is no object"))
        };
    }
    let body = reply.json().unwrap_or(Value::Null);
    Err(meaning(reply, &body))
}

/// The first error of a batch of one, where the answer as a whole is a success.
///
/// # Errors
/// What that error means.
pub(super) fn partial(body: &Value) -> Result<&Value, Error> {
    if let Some(found) = body["results"].get(0) {
        return Ok(found);
    }
    Err(failed(&body["errors"][0]))
}

/// What one error of a batch means.
pub(super) fn failed(error: &Value) -> Error {
    match plain(error["category"].as_str().unwrap_or_default()) {
        "OBJECT_NOT_FOUND" => Error::NotFound,
        "CONFLICT" => Error::Conflict { reason: "CONFLICT, in a batch".to_owned() },
        "" => Error::protocol("a batch without results and errors"),
        category => {
            Error::Invalid { field: property(error), reason: format!("{category}, in a batch") }
        }
    }
}

fn meaning(reply: &Reply, body: &Value) -> Error {
    let status = reply.status;
    let category =
        plain(body["category"].as_str().or(body["errorType"].as_str()).unwrap_or_default());
    let named = || match category {
        "" => format!("status {status}"),
        category => format!("{category}, status {status}"),
    };
    match (status, category) {
        (429, _) | (_, "RATE_LIMITS" | "RATE_LIMIT") => throttle(reply, body),
        // The account moves to another data center; it says until when.
        (477, _) => Error::RateLimited { retry_after: reply.retry_after().or(Some(TEN_SECONDLY)) },
        (401, _) | (_, "EXPIRED_AUTHENTICATION" | "INVALID_AUTHENTICATION") => {
            Error::Unauthorized { reason: named() }
        }
        (423, _) => Error::unavailable(format!("{}: locked by another change", named())),
        (408 | 500.., _) => Error::unavailable(named()),
        // Without a category it was something between us and the vendor that spoke.
        (_, "") => Error::protocol(named()),
        (403, _) => {
            Error::Forbidden { missing: scopes(body).unwrap_or_else(|| category.to_owned()) }
        }
        (404, _) | (_, "OBJECT_NOT_FOUND") => Error::NotFound,
        (409, _) | (_, "CONFLICT") => Error::Conflict { reason: named() },
        (300..=399, _) => Error::protocol(named()),
        _ => Error::Invalid { field: property(body), reason: named() },
    }
}

/// How long to wait: as told, or by the policy; `None` where the day's requests are used up.
fn throttle(reply: &Reply, body: &Value) -> Error {
    let pause = match body["policyName"].as_str() {
        Some("DAILY") => None,
        Some("SECONDLY") => Some(SECONDLY),
        _ => Some(TEN_SECONDLY),
    };
    let retry_after = match (pause, reply.retry_after()) {
        (None, _) => None,
        (_, Some(told)) => Some(told),
        (pause, None) => pause,
    };
    Error::RateLimited { retry_after }
}

/// The scopes that a refusal names.
fn scopes(body: &Value) -> Option<String> {
    let keys = ["requiredGranularScopes", "requiredScopes", "missingScopes"];
    let of = |context: &Value| keys.iter().find_map(|key| context[*key].as_array().cloned());
    let errors = body["errors"].as_array().into_iter().flatten();
    let found = errors.map(|error| &error["context"]).chain([&body["context"]]).find_map(of)?;
    let is_plain = |scope: &&str| {
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        scope.len() <= 80 && scope.bytes().all(fits)
    };
    let scopes: Vec<&str> =
        found.iter().filter_map(Value::as_str).filter(is_plain).take(10).collect();
    (!scopes.is_empty()).then(|| scopes.join(", "))
}

/// The property that a refusal names.
fn property(body: &Value) -> Option<String> {
    let first = &body["errors"][0];
    let named = |context: &Value| context["propertyName"][0].as_str().map(str::to_owned);
    let name = named(&first["context"]).or_else(|| named(&body["context"]));
    let name = name.or_else(|| first["in"].as_str().map(str::to_owned))?;
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (!name.is_empty() && name.len() <= 100 && name.bytes().all(fits)).then_some(name)
}

/// The word if it has a category's form: nothing else of the body gets into a message.
fn plain(word: &str) -> &str {
    let fits = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    if word.len() <= 80 && word.bytes().all(fits) { word } else { "UNKNOWN" }
}

#[cfg(test)]
mod tests {
    use super::{classify, partial};
    use kit::http::HeaderMap;
    use kit::{Error, Reply};
    use serde_json::{Value, json};
    use std::time::Duration;

    fn reply(status: u16, body: &str) -> Reply {
        Reply { status, headers: HeaderMap::new(), body: body.as_bytes().to_vec() }
    }

    fn told(status: u16, mut body: Value) -> Error {
        body["message"] = "Contact jane@example.com".into();
        let error = classify(&reply(status, &body.to_string())).expect_err("a refusal");
        assert!(!format!("{error} {error:?}").contains("jane"));
        error
    }

    #[test]
    fn each_signal_has_its_one_meaning() {
        let check = |status, category: &str, kind: &str| {
            let error = told(status, json!({ "status": "error", "category": category }));
            assert_eq!(error.kind(), kind, "{status} {category}");
        };
        check(401, "EXPIRED_AUTHENTICATION", "unauthorized");
        check(401, "INVALID_AUTHENTICATION", "unauthorized");
        check(403, "MISSING_SCOPES", "forbidden");
        check(404, "OBJECT_NOT_FOUND", "not_found");
        check(409, "CONFLICT", "conflict");
        check(400, "VALIDATION_ERROR", "invalid");
        check(400, "jane's category", "invalid");
        check(423, "LOCKED", "unavailable");
        check(477, "MIGRATION_IN_PROGRESS", "rate_limited");
        check(502, "", "unavailable");
        check(524, "", "unavailable");
    }

    #[test]
    fn a_throttle_is_as_long_as_its_policy() {
        let pause =
            |policy: &str| told(429, json!({ "errorType": "RATE_LIMIT", "policyName": policy }));
        let limited =
            |seconds| Error::RateLimited { retry_after: Some(Duration::from_secs(seconds)) };
        assert_eq!(pause("SECONDLY"), limited(1));
        assert_eq!(pause("TEN_SECONDLY_ROLLING"), limited(10));
        assert_eq!(pause("DAILY"), Error::RateLimited { retry_after: None });
        let mut with_header = reply(429, "{}");
        with_header.headers.insert("retry-after", "3".parse().expect("a header"));
        assert_eq!(classify(&with_header), Err(limited(3)));
    }

    #[test]
    fn what_is_missing_or_wrong_is_named_and_nothing_else() {
        let scopes = json!({ "category": "MISSING_SCOPES",
            "errors": [{ "context": { "requiredGranularScopes": ["crm.objects.contacts.read"] } }] });
        let missing = "crm.objects.contacts.read".to_owned();
        assert_eq!(told(403, scopes), Error::Forbidden { missing });
        let field = |name: &str| {
            let error = told(
                400,
                json!({ "category": "VALIDATION_ERROR",
                "errors": [{ "context": { "propertyName": [name] } }] }),
            );
            let Error::Invalid { field, .. } = error else { panic!("{error}") };
            field
        };
        assert_eq!(field("loyalty_tier").as_deref(), Some("loyalty_tier"));
        assert_eq!(field("jane@example.com"), None);
    }

    #[test]
    fn no_answer_of_hubspots_is_outside_the_protocol() {
        for (status, body, kind) in [
            (200, "<html>", "protocol"),
            (200, "[]", "protocol"),
            (302, "", "protocol"),
            (403, "<html>a proxy</html>", "protocol"),
            (404, "<html>", "protocol"),
            (500, "<html>", "unavailable"),
        ] {
            let error = classify(&reply(status, body)).expect_err("no answer");
            assert_eq!(error.kind(), kind, "{status}");
        }
        assert_eq!(classify(&reply(204, "")), Ok(Value::Null));
    }

    #[test]
    fn a_batch_of_one_is_its_result_or_its_error() {
        let found = json!({ "results": [{ "id": "1" }] });
        assert_eq!(partial(&found), Ok(&json!({ "id": "1" })));
        let gone = json!({ "results": [], "numErrors": 1, "errors": [{ "category": "OBJECT_NOT_FOUND" }] });
        assert_eq!(partial(&gone), Err(Error::NotFound));
        let refused = json!({ "results": [], "errors": [{ "category": "VALIDATION_ERROR",
            "errors": [{ "in": "email" }] }] });
        let error = partial(&refused).expect_err("refused");
        assert!(matches!(error, Error::Invalid { field: Some(f), .. } if f == "email"));
        assert_eq!(partial(&json!({})).expect_err("nothing").kind(), "protocol");
    }
}
