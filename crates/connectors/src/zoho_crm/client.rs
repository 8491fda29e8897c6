//! Speaks to one Zoho CRM organization within the connection's limits.
//!
//! A request goes to the host that the token names, with Zoho's own scheme
//! (`Zoho-oauthtoken`). [`signals`](super::signals) says what an answer means; here it is
//! kept to: a refused token is replaced once, a throttle pauses everything, longer each
//! time because Zoho does not say how long, and what is left of the day's credits is told.

use super::coql::Query;
use super::signals::{THROTTLE_PAUSE, classify};
use domain::Timestamp;
use kit::http::Request;
use kit::{Error, Http, Lane, Token, Tokens};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use url::Url;

/// The API's path; its version is what all of this was written for.
pub(super) const API: &str = "/crm/v8";
/// Throttles in a row after which the pause grows no longer: 2 s to 64 s.
const THROTTLES_MAX: u32 = 5;

/// The way to one organization.
pub(super) struct Client {
    pub(super) http: Http,
    pub(super) tokens: Arc<Tokens>,
    /// Throttles since the last answer that was none.
    pub(super) throttled: AtomicU32,
}

/// How a request is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

/// A request, below [`API`].
pub(super) struct Ask {
    pub(super) method: Method,
    /// Percent-encoded, beginning with `/`.
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Option<Value>,
}

/// What came back.
pub(super) struct Answer {
    /// `None` where there is nothing.
    pub(super) body: Option<Value>,
    /// Zoho's clock when it answered; ours where it did not say.
    pub(super) at: Timestamp,
}

impl Ask {
    pub(super) fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), query: Vec::new(), headers: Vec::new(), body: None }
    }

    pub(super) fn query(mut self, key: &str, value: impl Into<String>) -> Self {
        self.query.push((key.to_owned(), value.into()));
        self
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn json(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// As it goes out to the API at `base`.
    ///
    /// # Errors
    /// `Invalid` where the path leads out of the API.
    fn request(&self, base: &str) -> Result<Request, Error> {
        let mut url =
            Url::parse(base).map_err(|_| Error::protocol("an api_domain that is no address"))?;
        url.set_path(&format!("{API}{}", self.path));
        if !url.path().starts_with(&format!("{API}/")) {
            let reason = format!("leads out of {API}");
            return Err(Error::Invalid { field: Some("path".to_owned()), reason });
        }
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        let mut request = match self.method {
            Method::Get => Request::get(url),
            Method::Post => Request::post(url),
            Method::Put => Request::put(url),
            Method::Patch => Request::patch(url),
            Method::Delete => Request::delete(url),
        };
        request = request.header("accept", "application/json");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        Ok(match &self.body {
            Some(body) => request.json(body),
            None => request,
        })
    }
}

impl Client {
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

    /// The rows of a query, whether there are more, and when it was answered.
    pub(super) async fn rows(
        &self,
        lane: Lane,
        query: &Query,
    ) -> Result<(Vec<Value>, bool, Timestamp), Error> {
        let ask = Ask::new(Method::Post, "/coql").json(json!({ "select_query": query.as_str() }));
        let answer = self.send(lane, &ask).await?;
        let at = answer.at;
        let (rows, more) = page(answer)?;
        Ok((rows, more, at))
    }

    /// One request; in the background a refused token is replaced once.
    pub(super) async fn send(&self, lane: Lane, ask: &Ask) -> Result<Answer, Error> {
        let token = self.token(lane).await?;
        match self.send_with(lane, &token, ask).await {
            Err(Error::Unauthorized { .. }) if lane == Lane::Background => {
                let token = self.token(lane).await?;
                self.send_with(lane, &token, ask).await
            }
            outcome => outcome,
        }
    }

    async fn send_with(&self, lane: Lane, token: &Arc<Token>, ask: &Ask) -> Result<Answer, Error> {
        let request = ask
            .request(token.base_url.as_deref().unwrap_or_default())?
            .authorization(&format!("Zoho-oauthtoken {}", token.value.reveal()));
        let reply = self.http.send(lane, request).await?;
        let left =
            reply.header("x-api-credits-remaining").and_then(|left| left.trim().parse().ok());
        if let Some(left) = left {
            self.http.budget().told_left(left);
        }
        let outcome = classify(&reply);
        self.heed(&outcome, token);
        let at = reply.date().unwrap_or_else(now);
        outcome.map(|body| Answer { body, at })
    }

    /// Keeps to what an answer asks for.
    fn heed(&self, outcome: &Result<Option<Value>, Error>, token: &Arc<Token>) {
        match outcome {
            Err(Error::Unauthorized { .. }) => self.tokens.reject(token),
            Err(Error::RateLimited { .. }) => {
                let before = self.throttled.fetch_add(1, Ordering::Relaxed);
                self.http.budget().pause(THROTTLE_PAUSE * 2_u32.pow(before.min(THROTTLES_MAX)));
            }
            _ => self.throttled.store(0, Ordering::Relaxed),
        }
    }
}

/// The rows of an answer, and whether there are more.
pub(super) fn page(answer: Answer) -> Result<(Vec<Value>, bool), Error> {
    let Some(mut body) = answer.body else { return Ok((Vec::new(), false)) };
    let more = body["info"]["more_records"] == true;
    match body.get_mut("data").map(Value::take) {
        Some(Value::Array(rows)) => Ok((rows, more)),
        _ => Err(Error::protocol("an answer without data")),
    }
}

/// Our own clock.
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The id if it has the form of one: digits alone, so that it can stand anywhere.
pub(super) fn record_id(text: &str) -> Option<&str> {
    let fits = (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    fits.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::{Ask, Method, record_id};

    #[test]
    fn no_path_leads_out_of_the_api() {
        let ask = |path: &str| Ask::new(Method::Get, path).request("https://www.zohoapis.com");
        for path in ["/../../oauth", "/%2e%2e/x", "/a/../../v9/x", "x", "", "/..\\..\\x"] {
            assert!(ask(path).is_err(), "{path}");
        }
        for path in ["/Contacts/search", "/coql", "//evil.example/x", "/Contacts?x#y"] {
            let shown = format!("{:?}", ask(path).expect(path));
            assert!(shown.contains("www.zohoapis.com") && shown.contains("\"/crm/v8/"), "{shown}");
        }
    }

    #[test]
    fn an_id_is_digits_and_nothing_else() {
        assert_eq!(record_id("5725767000000524157"), Some("5725767000000524157"));
        for text in ["", "zcrm_1", "12'", "1/2", "-1", "١", "123456789012345678901"] {
            assert_eq!(record_id(text), None, "{text}");
        }
    }
}
