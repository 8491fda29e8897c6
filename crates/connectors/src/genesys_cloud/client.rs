//! Speaks to one Genesys Cloud organization: logs in, sends, tells what answers mean.
//!
//! [`kit::oauth::ClientCredentials`] mints tokens behind; [`Client::send`] uses the one there is and
//! replaces a refused one once. [`classify`] is the one place that knows the
//! platform's signals. Of its messages only codes, field names, permissions and
//! the correlation id are passed on: the rest may quote a customer (invariant 9).

use kit::http::{Request, Socket};
use kit::{Error, Http, Lane, Reply, Secret, Token, Tokens};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Pause after a 429 that does not say how long: the limits are per minute.
const THROTTLE_PAUSE: Duration = Duration::from_secs(10);
/// A token's life where the answer does not tell it: the shortest a client can have.
pub(super) const LIFETIME_UNTOLD: Duration = Duration::from_secs(300);

/// What is sent: a verb with what it carries.
#[derive(Debug, Clone, Copy)]
pub(super) enum Send<'a> {
    Get(&'a [(&'a str, &'a str)]),
    Post(&'a Value),
    PostNothing,
    Put(&'a Value),
    Patch(&'a Value),
    Delete,
    /// What an administrator wrote, with a path of its own.
    Custom(&'a kit::Custom),
}

/// Sends within the connection's limits.
pub(super) struct Client {
    http: Http,
    tokens: Arc<Tokens>,
    api: Url,
}

impl Client {
    pub(super) fn new(http: Http, tokens: Arc<Tokens>, api: Url) -> Self {
        Self { http, tokens, api }
    }

    /// The token there is, or the next one.
    ///
    /// # Errors
    /// The mint's own.
    pub(super) async fn token(&self) -> Result<Arc<Token>, Error> {
        self.tokens.fresh(kit::tokens::WAIT).await
    }

    /// Sends to `/api/v2/{path}`; every success is an `Ok`. All of it is work
    /// behind the call, because a call is answered without the platform's help.
    ///
    /// # Errors
    /// See [`classify`].
    pub(super) async fn send(&self, what: Send<'_>, path: &str) -> Result<Reply, Error> {
        self.send_in(Lane::Background, what, path).await
    }

    /// The same in either lane: a call takes the token there is and is told at once.
    ///
    /// # Errors
    /// See [`classify`].
    pub(super) async fn send_in(
        &self,
        lane: Lane,
        what: Send<'_>,
        path: &str,
    ) -> Result<Reply, Error> {
        if lane == Lane::Call {
            let token = self
                .tokens
                .current()
                .ok_or_else(|| Error::Unauthorized { reason: "no token yet".to_owned() })?;
            return self.send_with(lane, &token, what, path).await;
        }
        let token = self.token().await?;
        match self.send_with(lane, &token, what, path).await {
            Err(Error::Unauthorized { .. }) => {
                let token = self.token().await?;
                self.send_with(lane, &token, what, path).await
            }
            outcome => outcome,
        }
    }

    /// What the platform knows of our own token (`TokenInfo`).
    ///
    /// # Errors
    /// See [`classify`].
    pub(super) async fn own_token(&self) -> Result<Reply, Error> {
        self.send(Send::Get(&[]), "tokens/me").await
    }

    /// Gets `/api/v2/{path}` with a token that somebody showed. The platform counts it
    /// against that token, and what it refuses or throttles is theirs: our own token,
    /// budget and pace stay as they are.
    ///
    /// # Errors
    /// See [`classify`].
    pub(super) async fn get_as(&self, shown: &Secret, path: &str) -> Result<Reply, Error> {
        let request = self.request(Send::Get(&[]), path)?;
        let request = request.authorization(&format!("Bearer {}", shown.reveal()));
        classify(self.http.send_unmetered(request).await?)
    }

    /// Opens a socket where the platform has told us to; its address is its key.
    ///
    /// # Errors
    /// Those of [`Http::socket`].
    pub(super) async fn socket(&self, address: &Url) -> Result<Socket, Error> {
        self.http.socket(address).await
    }

    /// The platform says that this token is no good any more.
    pub(super) fn reject(&self, token: &Arc<Token>) {
        self.tokens.reject(token);
    }

    async fn send_with(
        &self,
        lane: Lane,
        token: &Arc<Token>,
        what: Send<'_>,
        path: &str,
    ) -> Result<Reply, Error> {
        let request = self.request(what, path)?;
        let request = request.authorization(&format!("Bearer {}", token.value.reveal()));
        let outcome = classify(self.http.send(lane, request).await?);
        match &outcome {
            Err(Error::Unauthorized { .. }) => self.tokens.reject(token),
            Err(Error::RateLimited { retry_after }) => {
                self.http.budget().pause(retry_after.unwrap_or(THROTTLE_PAUSE));
            }
            _ => {}
        }
        outcome
    }

    fn request(&self, what: Send<'_>, path: &str) -> Result<Request, Error> {
        let mut url = self
            .api
            .join(&format!("/api/v2/{path}"))
            .map_err(|_| Error::protocol("a path that is no address"))?;
        let request = match what {
            Send::Get(query) => {
                if !query.is_empty() {
                    url.query_pairs_mut().extend_pairs(query);
                }
                Request::get(url)
            }
            Send::Post(body) => Request::post(url).json(body),
            Send::PostNothing => Request::post(url),
            Send::Put(body) => Request::put(url).json(body),
            Send::Patch(body) => Request::patch(url).json(body),
            Send::Delete => Request::delete(url),
            Send::Custom(custom) => return self.custom(custom),
        };
        Ok(request.header("accept", "application/json"))
    }

    /// What an administrator wrote, and no other address than below `/api/v2/`.
    fn custom(&self, custom: &kit::Custom) -> Result<Request, Error> {
        let api = self.api.join("/api/v2");
        let api = api.map_err(|_| Error::protocol("a path that is no address"))?;
        let mut request =
            Request::of(&custom.method, custom.url(&api)?)?.header("accept", "application/json");
        if let Some(body) = &custom.body {
            request = request.json(body);
        }
        request.more_headers(&custom.headers)
    }
}

/// Tells what an answer means.
///
/// # Errors
/// Everything but success.
pub(super) fn classify(reply: Reply) -> Result<Reply, Error> {
    if reply.is_success() {
        return Ok(reply);
    }
    let body = reply.json().unwrap_or(Value::Null);
    let mut error = refused(reply.status, &body);
    if let Error::RateLimited { retry_after } = &mut error
        && let Some(told) = reply.retry_after()
    {
        *retry_after = Some(told);
    }
    Err(error)
}

/// The same for a status and an `ErrorBody`, which bulk answers carry per contact.
pub(super) fn refused(status: u16, body: &Value) -> Error {
    let told = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
    let (code, message) = (plain_word(told("code")), told("message"));
    let reason = || reason(status, code, plain_word(told("contextId")));
    match status {
        401 => Error::Unauthorized { reason: reason() },
        403 if code.is_empty() => Error::protocol(reason()),
        403 => {
            Error::Forbidden { missing: permissions(message).unwrap_or_else(|| code.to_owned()) }
        }
        404 => Error::NotFound,
        429 => Error::RateLimited { retry_after: seconds_in(message) },
        409 => Error::Conflict { reason: reason() },
        // Some services say it with 400: "does not match the current version".
        400 if message.contains("does not match the current version") => {
            Error::Conflict { reason: reason() }
        }
        400 if message.contains("invalid routing status transition") => {
            Error::Conflict { reason: reason() }
        }
        408 | 500.. => Error::unavailable(reason()),
        413 => Error::Invalid {
            field: None,
            reason: format!("{}: the request is over the platform's size limit", reason()),
        },
        400 | 405 | 415 | 422 => Error::Invalid { field: field(body), reason: reason() },
        _ => Error::protocol(reason()),
    }
}

fn reason(status: u16, code: &str, correlation: &str) -> String {
    let mut reason = if code.is_empty() {
        format!("status {status}")
    } else {
        format!("{code}, status {status}")
    };
    if !correlation.is_empty() {
        reason.push_str(&format!(", correlation id {correlation}"));
    }
    reason
}

/// A code, a field's name or an id, if it has such a form: nothing else is passed on.
fn plain_word(text: &str) -> &str {
    let is_word = text.len() <= 100
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-[]".contains(&b));
    if is_word { text } else { "" }
}

fn field(body: &Value) -> Option<String> {
    let details = body.get("details")?.as_array()?;
    let name = details.iter().find_map(|detail| detail.get("fieldName")?.as_str())?;
    Some(plain_word(name).to_owned()).filter(|name| !name.is_empty())
}

/// The permissions a message lists: words of the form `domain:entity:action`.
fn permissions(message: &str) -> Option<String> {
    let words = message.split(|c: char| !(c.is_ascii_alphanumeric() || ":_*".contains(c)));
    let permissions: Vec<&str> = words.filter(|word| word.matches(':').count() == 2).collect();
    (!permissions.is_empty()).then(|| permissions.join(", "))
}

/// `Retry the request in [42] seconds`
fn seconds_in(message: &str) -> Option<Duration> {
    let (_, rest) = message.split_once('[')?;
    rest.split(']').next()?.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::{classify, refused};
    use kit::http::HeaderMap;
    use kit::{Error, Reply};
    use serde_json::json;
    use std::time::Duration;

    #[test]
    fn a_missing_permission_is_named() {
        for (message, expected) in [
            (
                "Unable to perform the requested action. You are missing the following permission(s): externalContacts:contact:enrich",
                "externalContacts:contact:enrich",
            ),
            (
                "You must have at least one of the following permissions assigned: [relate:conversation:associate, externalContacts:conversation:associate]",
                "relate:conversation:associate, externalContacts:conversation:associate",
            ),
            ("Not allowed.", "missing.permissions"),
        ] {
            let error = refused(403, &json!({ "code": "missing.permissions", "message": message }));
            assert_eq!(error, Error::Forbidden { missing: expected.into() });
        }
    }

    #[test]
    fn a_throttle_says_how_long_to_wait() {
        let message = "Rate limit exceeded the maximum. Retry the request in [42] seconds";
        let body = json!({ "code": "too.many.requests.retry.after", "message": message });
        let told = refused(429, &body);
        assert_eq!(told, Error::RateLimited { retry_after: Some(Duration::from_secs(42)) });
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", "7".parse().expect("a header"));
        let reply = Reply { status: 429, headers, body: b"busy".to_vec() };
        let error = classify(reply).expect_err("a refusal");
        assert_eq!(error, Error::RateLimited { retry_after: Some(Duration::from_secs(7)) });
    }

    #[test]
    fn refusals_keep_code_field_and_correlation_and_quote_nobody() {
        let body = json!({
            "message": "Value [jane@example.com] is not valid for field type [String].",
            "code": "invalid.value",
            "contextId": "5f3b-77",
            "details": [{ "errorCode": "invalid.value", "fieldName": "contact.workEmail" }],
        });
        let error = refused(400, &body);
        let expected =
            "refused (contact.workEmail): invalid.value, status 400, correlation id 5f3b-77";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn statuses_mean_what_to_do_next() {
        let kind = |status: u16| refused(status, &json!({ "code": "x" })).kind();
        let kinds =
            [400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503, 504, 302, 0].map(kind);
        let expected = [
            "invalid",
            "unauthorized",
            "forbidden",
            "not_found",
            "unavailable",
            "conflict",
            "invalid",
            "invalid",
            "invalid",
            "rate_limited",
            "unavailable",
            "unavailable",
            "unavailable",
            "protocol",
            "protocol",
        ];
        assert_eq!(kinds, expected);
        let version = json!({ "message": "The version does not match the current version 3" });
        assert_eq!(refused(400, &version).kind(), "conflict");
        let routing = json!({ "message": "An invalid routing status transition was attempted." });
        assert_eq!(refused(400, &routing).kind(), "conflict");
        assert_eq!(refused(403, &json!(null)).kind(), "protocol", "a proxy's page");
    }
}
