//! Speaks to one Salesforce org: asks, writes, and tells what its answers mean.
//!
//! `login` mints tokens behind; [`Client`] sends [`Soql`] and [`Sosl`] with the
//! token there is. [`classify`] is the one place that knows the vendor's signals:
//! it throttles with 403, and one error code stands for several troubles.
//! No message of the vendor's is passed on whole: it may quote the query, and
//! the query holds a customer's number (invariant 9).

use super::soql::{Name, Soql, Sosl};
use super::{requests, sign_in};
use domain::Timestamp;
use kit::http::Request;
use kit::{Error, Http, Lane, Reply, Token, Tokens};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Pause after "too many long requests at once"; the vendor states no time.
const CONCURRENT_PAUSE: Duration = Duration::from_secs(2);
/// Pages read of one query; its LIMIT is below two full pages, but the server may give fewer rows.
const PAGES_MAX: usize = 10;

/// What our requests are tagged with: an event that one of them causes says so.
///
/// Source: REST API Guide, "Call Options Header".
pub(super) const CLIENT: &str = "Tieline";

/// Sends queries within the connection's limits.
pub(super) struct Client {
    http: Http,
    tokens: Arc<Tokens>,
    api_version: String,
}

/// A record's fields, on their way to the org.
#[derive(Clone, Copy)]
pub(super) enum Write<'a> {
    Create(&'a Value),
    Change(&'a Value),
    /// Only if it was not changed after this HTTP date.
    ChangeSince(&'a Value, &'a str),
    Delete,
}

#[derive(Clone, Copy)]
enum What<'a> {
    /// With these parameters.
    Read(&'a [(&'a str, &'a str)]),
    Write(Write<'a>),
    Custom(&'a kit::Custom),
}

/// What the org answered.
pub(super) struct Heard {
    pub(super) body: Value,
    instance: String,
    /// Its own clock.
    pub(super) date: Option<Timestamp>,
}

/// Rows, and the org's address, which the token named.
pub(super) struct Rows {
    pub(super) rows: Vec<Value>,
    pub(super) instance: String,
}

impl Client {
    pub(super) fn new(http: Http, tokens: Arc<Tokens>, api_version: String) -> Self {
        Self { http, tokens, api_version }
    }

    /// The token to be used in `lane`: a call takes what there is (invariant 11).
    ///
    /// # Errors
    /// `Unauthorized` when a call finds none, the mint's own error in the background.
    pub(super) async fn token(&self, lane: Lane) -> Result<Arc<Token>, Error> {
        match lane {
            Lane::Background => self.tokens.fresh(kit::tokens::WAIT).await,
            Lane::Call => self.tokens.current().ok_or_else(|| Error::Unauthorized {
                reason: "no live token; one is being minted".to_owned(),
            }),
        }
    }

    /// Our own org and user, as the token in use names them; it may be another node's.
    pub(super) fn identity(&self) -> Option<(String, String)> {
        let given = self.tokens.given()?;
        given.get("id").and_then(Value::as_str).and_then(sign_in::identity)
    }

    /// The org does not take this token any more.
    pub(super) fn reject(&self, token: &Arc<Token>) {
        self.tokens.reject(token);
    }

    /// The rows a query selects, all pages.
    pub(super) async fn query(&self, lane: Lane, soql: &Soql) -> Result<Rows, Error> {
        let path = format!("/services/data/v{}/query", self.api_version);
        let Heard { body: mut page, instance, .. } =
            self.get(lane, &path, &[("q", soql.as_str())]).await?;
        let mut rows = taken(&mut page, "records")?;
        for _ in 1..PAGES_MAX {
            let next = page.get("nextRecordsUrl").and_then(Value::as_str);
            let Some(next) = next.filter(|_| page.get("done") == Some(&Value::Bool(false))) else {
                break;
            };
            if !next.starts_with("/services/data/") {
                return Err(Error::protocol("a next page at another address"));
            }
            let next = next.to_owned();
            page = self.get(lane, &next, &[]).await?.body;
            rows.append(&mut taken(&mut page, "records")?);
        }
        Ok(Rows { rows, instance })
    }

    /// The first page of a query that also sees what was deleted or merged away lately.
    pub(super) async fn query_all(&self, lane: Lane, soql: &Soql) -> Result<Vec<Value>, Error> {
        let path = format!("/services/data/v{}/queryAll", self.api_version);
        let mut heard = self.get(lane, &path, &[("q", soql.as_str())]).await?;
        taken(&mut heard.body, "records")
    }

    /// The same with what else the answer tells: whether there is more, and the org's clock.
    pub(super) async fn query_all_page(&self, soql: &Soql) -> Result<(Vec<Value>, Heard), Error> {
        let path = format!("/services/data/v{}/queryAll", self.api_version);
        let mut heard = self.get(Lane::Background, &path, &[("q", soql.as_str())]).await?;
        Ok((taken(&mut heard.body, "records")?, heard))
    }

    /// The records of an object that were deleted between two moments.
    pub(super) async fn deleted(
        &self,
        object: &Name,
        start: Timestamp,
        end: Timestamp,
    ) -> Result<Value, Error> {
        let object = object.as_str();
        let path = format!("/services/data/v{}/sobjects/{object}/deleted/", self.api_version);
        let (start, end) = (start.to_string(), end.to_string());
        let asked = [("start", start.as_str()), ("end", end.as_str())];
        self.get(Lane::Background, &path, &asked).await.map(|heard| heard.body)
    }

    /// The records a search finds.
    pub(super) async fn search(&self, lane: Lane, sosl: &Sosl) -> Result<Rows, Error> {
        let path = format!("/services/data/v{}/search", self.api_version);
        let Heard { mut body, instance, .. } =
            self.get(lane, &path, &[("q", sosl.as_str())]).await?;
        let rows = taken(&mut body, "searchRecords")?;
        Ok(Rows { rows, instance })
    }

    /// Creates a record (`sobjects/Task`) or changes one (`sobjects/Task/00T…`), in the
    /// background; what the org answers.
    pub(super) async fn write(&self, what: Write<'_>, path: &str) -> Result<Value, Error> {
        let path = format!("/services/data/v{}/{path}", self.api_version);
        self.send(Lane::Background, &path, What::Write(what)).await.map(|heard| heard.body)
    }

    /// What the user may do with an object, as the org describes it.
    pub(super) async fn describe(&self, object: &Name) -> Result<Value, Error> {
        let object = object.as_str();
        let path = format!("/services/data/v{}/sobjects/{object}/describe", self.api_version);
        self.get(Lane::Background, &path, &[]).await.map(|heard| heard.body)
    }

    /// What an administrator wrote; `path` is the whole of it.
    pub(super) async fn custom(
        &self,
        lane: Lane,
        path: &str,
        custom: &kit::Custom,
    ) -> Result<Value, Error> {
        self.send(lane, path, What::Custom(custom)).await.map(|heard| heard.body)
    }

    pub(super) fn api_version(&self) -> &str {
        &self.api_version
    }

    async fn get(&self, lane: Lane, path: &str, query: &[(&str, &str)]) -> Result<Heard, Error> {
        self.send(lane, path, What::Read(query)).await
    }

    /// One request; in the background a refused token is replaced once.
    async fn send(&self, lane: Lane, path: &str, what: What<'_>) -> Result<Heard, Error> {
        let token = self.token(lane).await?;
        match self.send_with(lane, &token, path, what).await {
            Err(Error::Unauthorized { .. }) if lane == Lane::Background => {
                let token = self.token(lane).await?;
                self.send_with(lane, &token, path, what).await
            }
            outcome => outcome,
        }
    }

    async fn send_with(
        &self,
        lane: Lane,
        token: &Arc<Token>,
        path: &str,
        what: What<'_>,
    ) -> Result<Heard, Error> {
        let instance = token.base_url.clone().unwrap_or_default();
        let mut url = Url::parse(&instance)
            .and_then(|base| base.join(path))
            .map_err(|_| Error::protocol("an instance_url that is no address"))?;
        if let What::Read(query @ [_, ..]) = what {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = match what {
            What::Read(_) => Request::get(url),
            What::Write(Write::Create(body)) => Request::post(url).json(body),
            What::Write(Write::Change(body)) => Request::patch(url).json(body),
            What::Write(Write::ChangeSince(body, seen)) => {
                Request::patch(url).json(body).header("if-unmodified-since", seen)
            }
            What::Write(Write::Delete) => Request::delete(url),
            What::Custom(custom) => requests::request(custom, url)?,
        };
        let mut request = request
            .authorization(&format!("Bearer {}", token.value.reveal()))
            .header("accept", "application/json")
            .header("sforce-call-options", &format!("client={CLIENT}"));
        if let What::Custom(custom) = what {
            request = request.more_headers(&custom.headers)?;
        }
        let reply = self.http.send(lane, request).await?;
        if let Some(left) = reply.header("sforce-limit-info").and_then(requests_left) {
            self.http.budget().told_left(left);
        }
        let date = reply.date();
        match classify(reply) {
            // A change is answered with nothing.
            Ok(reply) if reply.status == 204 => Ok(Heard { body: Value::Null, instance, date }),
            Ok(reply) => Ok(Heard { body: reply.json()?, instance, date }),
            Err(error) => {
                self.heed(&error, token);
                Err(error)
            }
        }
    }

    /// Keeps to what a refusal asks for.
    fn heed(&self, error: &Error, token: &Arc<Token>) {
        match error {
            Error::Unauthorized { .. } => self.tokens.reject(token),
            Error::RateLimited { retry_after: Some(pause) } => self.http.budget().pause(*pause),
            // The day's allowance: background work stops. Calls go on asking, because the
            // allowance is of a rolling day, so that single requests come free all the time.
            Error::RateLimited { retry_after: None } => self.http.budget().told_left(0),
            _ => {}
        }
    }
}

/// Tells what an answer means.
///
/// # Errors
/// Everything but success, by the vendor's error code first and its status second.
pub(super) fn classify(reply: Reply) -> Result<Reply, Error> {
    if reply.is_success() {
        return Ok(reply);
    }
    let body = reply.json().unwrap_or(Value::Null);
    // A list of records, where one was named by an external id.
    if reply.status == 300 && body.get(0).is_some_and(Value::is_string) {
        let reason = "several records have this external id".to_owned();
        return Err(Error::Conflict { reason });
    }
    // An array of errors; a few resources answer a bare object.
    let mut error = refused(reply.status, body.get(0).unwrap_or(&body), "errorCode");
    if reply.status == 429
        && let Error::RateLimited { retry_after } = &mut error
    {
        *retry_after = reply.retry_after().or(*retry_after);
    }
    Err(error)
}

/// The same for one error, whose code is under `key`: of an answer, or of one record among
/// many, which has no status of its own (0).
pub(super) fn refused(status: u16, told: &Value, key: &str) -> Error {
    let text = |key: &str| told.get(key).and_then(Value::as_str).unwrap_or_default();
    let (code, message) = (plain_code(text(key)), text("message"));
    let field = told.get("fields").and_then(|fields| fields.get(0)?.as_str());
    let field = field.and_then(Name::new).map(|name| name.as_str().to_owned());
    let is_the_record = field.as_deref().is_none_or(|field| field.eq_ignore_ascii_case("Id"));
    match (status, code) {
        (401, "INVALID_SESSION_ID") if !message.contains("expired or invalid") => {
            // A new token would be refused too ("not valid for use with the REST API").
            Error::Forbidden { missing: "use of the REST API (INVALID_SESSION_ID)".to_owned() }
        }
        (401, _) => Error::Unauthorized { reason: named(status, code) },
        (_, "REQUEST_LIMIT_EXCEEDED") => Error::RateLimited {
            retry_after: message.contains("Concurrent").then_some(CONCURRENT_PAUSE),
        },
        (429, _) => Error::RateLimited { retry_after: Some(CONCURRENT_PAUSE) },
        (_, "INVALID_FIELD" | "INVALID_TYPE") => {
            Error::Forbidden { missing: named_in(message).unwrap_or_else(|| code.to_owned()) }
        }
        // Another try finds the record that was made meanwhile.
        (_, "UNABLE_TO_LOCK_ROW" | "DUPLICATE_VALUE") | (409 | 412, _) => {
            Error::Conflict { reason: named(status, code) }
        }
        (_, "QUERY_TIMEOUT" | "REQUEST_RUNNING_TOO_LONG" | "SERVER_UNAVAILABLE")
        | (0, "UNKNOWN_EXCEPTION")
        | (408 | 420 | 500.., _) => Error::unavailable(named(status, code)),
        // Among many it is told by its code alone; a field named is another record's.
        (0, "ENTITY_IS_DELETED" | "NOT_FOUND" | "INVALID_CROSS_REFERENCE_KEY" | "MALFORMED_ID")
            if is_the_record =>
        {
            Error::NotFound
        }
        (404, "") | (300..=399, _) => Error::protocol(named(status, code)),
        (404, _) => Error::NotFound,
        (410, _) => Error::Invalid {
            field: Some("api_version".to_owned()),
            reason: "the org no longer offers this version".to_owned(),
        },
        (403, "") => Error::protocol(named(status, code)),
        (403, _) => Error::Forbidden { missing: code.to_owned() },
        (0, code) if code.starts_with("INSUFFICIENT_ACCESS") => {
            Error::Forbidden { missing: code.to_owned() }
        }
        _ => Error::Invalid {
            field: field.or_else(|| named_in(message)),
            reason: named(status, code),
        },
    }
}

/// The code if it has a code's form: nothing else of the body gets into a message.
fn plain_code(code: &str) -> &str {
    let is_code = code.len() <= 80 && code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    if is_code { code } else { "" }
}

fn named(status: u16, code: &str) -> String {
    match (code, status) {
        ("", _) => format!("status {status}"),
        (_, 0) => code.to_owned(),
        _ => format!("{code}, status {status}"),
    }
}

/// The field or object that a message says is not there, as `Contact.Tier__c` or `Lead`.
fn named_in(message: &str) -> Option<String> {
    // A query says it of an entity, a write of an `sobject of type Contact`.
    let written = message.split_once("on sobject of type ").map(|(_, name)| name);
    let written = written.and_then(|name| Name::new(name.split_whitespace().next()?));
    let quoted_after = |words: &str| {
        let (_, rest) = message.split_once(words)?;
        let name = rest.split('\'').next()?;
        Name::new(name).map(|name| name.as_str().to_owned())
    };
    let entity = quoted_after("on entity '");
    let entity = entity.or_else(|| written.map(|name| name.as_str().to_owned()));
    let field = quoted_after("No such column '")
        .or_else(|| quoted_after("No such relation '"))
        .or_else(|| quoted_after("Didn't understand relationship '"));
    match (entity, field) {
        (Some(entity), Some(field)) => Some(format!("{entity}.{field}")),
        (None, Some(field)) => Some(field),
        _ => quoted_after("sObject type '"),
    }
}

/// `api-usage=18/5000; per-app-api-usage=…` → 4982.
fn requests_left(header: &str) -> Option<u64> {
    let mut parts = header.split([';', ',']).map(str::trim);
    let (used, of) = parts.find_map(|part| part.strip_prefix("api-usage="))?.split_once('/')?;
    let (used, of): (u64, u64) = (used.parse().ok()?, of.parse().ok()?);
    Some(of.saturating_sub(used))
}

/// Takes the list out of an answer, so that no row is copied.
fn taken(answer: &mut Value, key: &str) -> Result<Vec<Value>, Error> {
    match answer.get_mut(key).map(Value::take) {
        Some(Value::Array(rows)) => Ok(rows),
        _ => Err(Error::protocol(format!("an answer without {key}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::{classify, requests_left};
    use kit::{Error, Reply};
    use std::time::Duration;

    fn check(status: u16, body: &str, expected: &Error) {
        let reply =
            Reply { status, headers: kit::http::HeaderMap::new(), body: body.as_bytes().to_vec() };
        let error = classify(reply).expect_err("a refusal");
        assert_eq!(&error, expected, "{status} {body}");
    }

    fn told(code: &str, message: &str) -> String {
        serde_json::json!([{ "message": message, "errorCode": code }]).to_string()
    }

    fn forbidden(missing: &str) -> Error {
        Error::Forbidden { missing: missing.to_owned() }
    }

    #[test]
    fn a_throttle_is_told_by_its_code_and_not_by_its_status() {
        let code = "REQUEST_LIMIT_EXCEEDED";
        let concurrent = "ConcurrentRequests (Concurrent API Requests) Limit exceeded.";
        let pause = Some(Duration::from_secs(2));
        check(403, &told(code, concurrent), &Error::RateLimited { retry_after: pause });
        let daily = "TotalRequests Limit exceeded.";
        check(403, &told(code, daily), &Error::RateLimited { retry_after: None });
    }

    #[test]
    fn an_expired_session_is_curable_and_a_wrong_one_is_not() {
        let code = "INVALID_SESSION_ID";
        let reason = "INVALID_SESSION_ID, status 401".to_owned();
        check(401, &told(code, "Session expired or invalid"), &Error::Unauthorized { reason });
        let wrong = "This session is not valid for use with the REST API";
        check(401, &told(code, wrong), &forbidden("use of the REST API (INVALID_SESSION_ID)"));
    }

    #[test]
    fn a_missing_field_or_object_is_named() {
        let field = "\nSELECT Id,Tier__c FROM Contact WHERE Phone = '+15550199999'\n          ^\n\
            ERROR at Row:1:Column:11\nNo such column 'Tier__c' on entity 'Contact'. If you are \
            attempting to use a custom field, be sure to append the '__c'";
        check(400, &told("INVALID_FIELD", field), &forbidden("Contact.Tier__c"));
        let object = "sObject type 'Lead' is not supported.";
        check(400, &told("INVALID_TYPE", object), &forbidden("Lead"));
        check(403, &told("API_DISABLED_FOR_ORG", "no"), &forbidden("API_DISABLED_FOR_ORG"));
    }

    #[test]
    fn what_the_vendor_quotes_is_not_passed_on() {
        let message = "\nFROM Contact WHERE Email = 'jane@example.com'\nunexpected token: 'jane'";
        for (code, status) in [("MALFORMED_QUERY", 400), ("jane@example.com", 400), ("", 403)] {
            let reply = Reply {
                status,
                headers: kit::http::HeaderMap::new(),
                body: told(code, message).into_bytes(),
            };
            let error = classify(reply).expect_err("a refusal").to_string();
            assert!(!error.contains("jane"), "{error}");
        }
    }

    #[test]
    fn statuses_without_a_code_are_read_by_their_class() {
        let conflict = |reason: &str| Error::Conflict { reason: reason.to_owned() };
        check(503, "<html>maintenance</html>", &Error::unavailable("status 503"));
        check(
            500,
            &told("UNKNOWN_EXCEPTION", ""),
            &Error::unavailable("UNKNOWN_EXCEPTION, status 500"),
        );
        check(412, "", &conflict("status 412"));
        check(400, &told("UNABLE_TO_LOCK_ROW", ""), &conflict("UNABLE_TO_LOCK_ROW, status 400"));
        check(404, &told("NOT_FOUND", ""), &Error::NotFound);
        check(404, "<html>", &Error::protocol("status 404"));
        check(302, "", &Error::protocol("status 302"));
        check(403, "<html>proxy</html>", &Error::protocol("status 403"));
        let bare = r#"{"message":"x","errorCode":"JSON_PARSER_ERROR"}"#;
        let reason = "JSON_PARSER_ERROR, status 400".to_owned();
        check(400, bare, &Error::Invalid { field: None, reason });
    }

    #[test]
    fn what_is_left_of_the_days_requests_is_read_from_every_answer() {
        assert_eq!(requests_left("api-usage=18/5000"), Some(4982));
        let both = "per-app-api-usage=17/250(appName=x); api-usage=5001/5000";
        assert_eq!(requests_left(both), Some(0));
        assert_eq!(requests_left("api-bursts=1/750"), None);
    }
}
