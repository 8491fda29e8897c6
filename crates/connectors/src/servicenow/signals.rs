//! What ServiceNow's answers mean: the one place that knows the vendor's signals.
//!
//! A status does not decide alone: an instance that sleeps answers 200 with a page of
//! HTML, and one that gave up a query answers 200 with an `error` beside the rows it had.
//! No sentence of the vendor's is passed on: it may quote the query, and the query holds
//! a customer's number (invariant 9).
//!
//! Sources: REST API HTTP response codes; Inbound REST API rate limiting.

use kit::{Error, Reply};
use serde_json::Value;
use std::time::Duration;

/// Pause after a throttle that names none.
const PAUSE: Duration = Duration::from_secs(5);

/// The JSON of an answer that means success; `null` for one without a body.
///
/// # Errors
/// Everything but success.
pub(super) fn classify(reply: &Reply) -> Result<Value, Error> {
    if !reply.is_success() {
        return Err(refusal(reply));
    }
    if reply.status == 204 {
        return Ok(Value::Null);
    }
    if is_page(reply) {
        let reason = "a page of HTML with status 200: the instance hibernates or is being upgraded; wake it on its own page";
        return Err(Error::protocol(reason));
    }
    let body = reply.json()?;
    match body.get("error").filter(|error| !error.is_null()) {
        // With some of the rows: who is not among them may be there all the same.
        Some(error) if is_cancelled(error) => {
            Err(Error::unavailable("the instance gave up the query: it ran too long"))
        }
        Some(_) => Err(Error::unavailable("an error beside the rows, with status 200")),
        None => Ok(body),
    }
}

fn refusal(reply: &Reply) -> Error {
    let status = reply.status;
    let told = format!("status {status}");
    let body = reply.json().ok();
    let error = body.as_ref().and_then(|body| body.get("error"));
    match (status, error) {
        (429, _) => {
            let pause = reply.retry_after().or_else(|| resets_in(reply));
            Error::RateLimited { retry_after: Some(pause.unwrap_or(PAUSE)) }
        }
        (408 | 500.., _) => Error::unavailable(told),
        (401, _) => Error::Unauthorized { reason: told },
        // Without the vendor's own body it comes from something between it and us.
        (_, None) => Error::protocol(told),
        (_, Some(error)) if mentions(error, "unique key violation") => Error::Conflict {
            reason: "another record has a value that only one may have".to_owned(),
        },
        (403, _) => Error::Forbidden { missing: "this table or operation (an ACL)".to_owned() },
        (404, _) => Error::NotFound,
        (400, Some(error)) if mentions(error, "invalid table") => Error::Invalid {
            field: Some("table".to_owned()),
            reason: "the instance has no such table, or shows us none".to_owned(),
        },
        (409 | 412, _) => Error::Conflict { reason: told },
        (300..=399, _) => Error::protocol(told),
        _ => Error::Invalid { field: None, reason: told },
    }
}

/// How long until the hour that a rule counts is over (`X-RateLimit-Reset`, a second since
/// 1970), by the instance's own clock; `None` where no rule is meant.
pub(super) fn resets_in(reply: &Reply) -> Option<Duration> {
    let reset: i64 = reply.header("x-ratelimit-reset")?.trim().parse().ok()?;
    let left = reset.checked_mul(1_000)?.saturating_sub(reply.date()?.0);
    u64::try_from(left).ok().map(Duration::from_millis)
}

fn is_page(reply: &Reply) -> bool {
    reply.header("content-type").is_some_and(|kind| kind.starts_with("text/html"))
}

fn is_cancelled(error: &Value) -> bool {
    mentions(error, "transaction cancelled") || mentions(error, "maximum execution time")
}

/// Do the vendor's words hold these (in lower case)?
fn mentions(error: &Value, words: &str) -> bool {
    let told = ["message", "detail"].into_iter().filter_map(|key| error.get(key)?.as_str());
    told.map(str::to_lowercase).any(|told| told.contains(words))
}

#[cfg(test)]
mod tests {
    use super::classify;
    use kit::http::HeaderMap;
    use kit::{Error, Reply};
    use std::time::Duration;

    fn reply(status: u16, headers: &[(&'static str, &str)], body: &str) -> Reply {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.insert(*name, value.parse().expect("a header"));
        }
        Reply { status, headers: all, body: body.as_bytes().to_vec() }
    }

    fn told(message: &str) -> String {
        serde_json::json!({ "error": { "message": message, "detail": null }, "status": "failure" })
            .to_string()
    }

    fn check(status: u16, body: &str, expected: &str) {
        let error = classify(&reply(status, &[], body)).expect_err("a refusal");
        assert_eq!(error.kind(), expected, "{status} {body}");
        assert!(!error.to_string().contains("jane"), "{error}");
    }

    #[test]
    fn statuses_and_bodies_have_one_meaning_each() {
        check(401, &told("User Not Authenticated"), "unauthorized");
        check(403, &told("Operation Failed for jane"), "forbidden");
        check(403, &told("Unique Key violation detected by database (jane)"), "conflict");
        check(403, "<html>a proxy</html>", "protocol");
        check(404, &told("No Record found"), "not_found");
        check(404, "<html>", "protocol");
        check(400, &told("Invalid table jane"), "invalid");
        check(500, &told("x"), "unavailable");
        check(302, "", "protocol");
        check(200, "{\"result\":", "protocol");
    }

    #[test]
    fn a_success_that_is_none_is_told_as_what_it_is() {
        let page = reply(200, &[("content-type", "text/html;charset=UTF-8")], "<html></html>");
        let error = classify(&page).expect_err("a page").to_string();
        assert!(error.contains("hibernates"), "{error}");
        let partial = r#"{"result":[{"sys_id":"x"}],"error":{"message":"Transaction cancelled: maximum execution time exceeded"}}"#;
        let error = classify(&reply(200, &[], partial)).expect_err("partial");
        assert_eq!(error, Error::unavailable("the instance gave up the query: it ran too long"));
    }

    #[test]
    fn a_throttle_names_its_pause() {
        let error = classify(&reply(429, &[("retry-after", "37")], &told("Rate limit exceeded")));
        let expected = Error::RateLimited { retry_after: Some(Duration::from_secs(37)) };
        assert_eq!(error.expect_err("throttled"), expected);
    }
}
