//! Speaks to one HubSpot account within the connection's limits.
//!
//! By a service key, or by tokens that are minted behind. What an answer means is said in
//! [`signals`](super::signals) and kept to here: a refused token is replaced once, a
//! throttle pauses what it was about (the search alone, or everything), and what the headers
//! say is left of the day is told to the budget.

use super::pace::Pace;
use super::paths::Paths;
use super::signals::classify;
use domain::Timestamp;
use kit::http::Request;
use kit::{Error, Http, Lane, Reply, Secret, Token, Tokens};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use url::Url;

/// Pause when the headers say that nothing is left of the running ten seconds.
const WINDOW_PAUSE: Duration = Duration::from_secs(1);
/// Records of one batch.
pub(super) const BATCH_MAX: usize = 100;
/// Records of one answer of the search.
pub(super) const SEARCH_MAX: usize = 200;

/// Who asks.
pub(super) enum Identity {
    /// A service key (or the token of a legacy private app), which does not end.
    Key(Secret),
    /// By tokens of an app.
    Tokens(Arc<Tokens>),
}

/// The way to one account.
pub(super) struct Client {
    pub(super) http: Http,
    pub(super) base: Url,
    pub(super) paths: Paths,
    pub(super) identity: Identity,
    pub(super) searches: Pace,
    /// Properties that were looked up and exist, by type of records and name.
    pub(super) known: Mutex<BTreeSet<(String, String)>>,
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

/// A request.
pub(super) struct Ask {
    pub(super) method: Method,
    /// Percent-encoded, beginning with `/`.
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Option<Value>,
}

/// Records that were found, and when.
pub(super) struct Found {
    pub(super) records: Vec<Value>,
    /// Where the next page begins.
    pub(super) next: Option<String>,
    /// HubSpot's clock when it answered; ours where it did not say.
    pub(super) at: Timestamp,
}

impl Ask {
    pub(super) fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), query: Vec::new(), body: None }
    }

    pub(super) fn query(mut self, key: &str, value: impl Into<String>) -> Self {
        self.query.push((key.to_owned(), value.into()));
        self
    }

    pub(super) fn json(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    fn is_search(&self) -> bool {
        self.method == Method::Post && self.path.ends_with("/search")
    }

    fn request(&self, base: &Url) -> Request {
        let mut url = base.clone();
        url.set_path(&self.path);
        url.set_query(None);
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        let request = match self.method {
            Method::Get => Request::get(url),
            Method::Post => Request::post(url),
            Method::Put => Request::put(url),
            Method::Patch => Request::patch(url),
            Method::Delete => Request::delete(url),
        };
        let request = request.header("accept", "application/json");
        match &self.body {
            Some(body) => request.json(body),
            None => request,
        }
    }
}

impl Client {
    /// The records with these values of a unique property, or with these ids. Who is not
    /// there is left out: that such a batch is only a part (207) is no failure.
    pub(super) async fn batch(
        &self,
        lane: Lane,
        object: &str,
        id_property: Option<&str>,
        ids: &[&str],
        properties: &[&str],
    ) -> Result<Vec<Value>, Error> {
        let mut records = Vec::new();
        for ids in ids.chunks(BATCH_MAX) {
            let inputs: Vec<Value> = ids.iter().map(|id| json!({ "id": id })).collect();
            let mut body = json!({
                "inputs": inputs, "properties": properties, "propertiesWithHistory": [],
            });
            if let Some(property) = id_property {
                body["idProperty"] = property.into();
            }
            let path = format!("{}/batch/read", self.paths.objects(object));
            let (mut body, _) = self.send(lane, &Ask::new(Method::Post, path).json(body)).await?;
            records.extend(results(&mut body)?);
        }
        Ok(records)
    }

    /// Does this property exist? Asked for once; both stand in the path and were read as
    /// names.
    ///
    /// # Errors
    /// `Invalid` naming it when it does not, any other [`Error`].
    pub(super) async fn require(&self, object: &str, property: &str) -> Result<(), Error> {
        let key = (object.to_owned(), property.to_owned());
        if self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(&key) {
            return Ok(());
        }
        let ask = Ask::new(Method::Get, self.paths.property(object, property));
        self.send(Lane::Background, &ask).await.map_err(|error| match error {
            Error::NotFound => Error::Invalid {
                field: Some(property.to_owned()),
                reason: format!("{object} have no such property"),
            },
            error => error,
        })?;
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
        Ok(())
    }

    /// One page of a search.
    pub(super) async fn search(
        &self,
        lane: Lane,
        object: &str,
        body: Value,
    ) -> Result<Found, Error> {
        let path = format!("{}/search", self.paths.objects(object));
        self.page(lane, &Ask::new(Method::Post, path).json(body)).await
    }

    /// One page of records.
    pub(super) async fn page(&self, lane: Lane, ask: &Ask) -> Result<Found, Error> {
        let (mut body, at) = self.send(lane, ask).await?;
        let next = body["paging"]["next"]["after"].as_str().map(str::to_owned);
        Ok(Found { records: results(&mut body)?, next, at })
    }

    /// One request; in the background a refused token is replaced once.
    pub(super) async fn send(&self, lane: Lane, ask: &Ask) -> Result<(Value, Timestamp), Error> {
        let token = self.token(lane).await?;
        match self.send_with(lane, token.as_ref(), ask).await {
            Err(Error::Unauthorized { .. }) if token.is_some() && lane == Lane::Background => {
                let token = self.token(lane).await?;
                self.send_with(lane, token.as_ref(), ask).await
            }
            outcome => outcome,
        }
    }

    /// The token to be used in `lane`: a call takes what there is (invariant 11).
    pub(super) async fn token(&self, lane: Lane) -> Result<Option<Arc<Token>>, Error> {
        match (&self.identity, lane) {
            (Identity::Key(_), _) => Ok(None),
            (Identity::Tokens(tokens), Lane::Background) => {
                tokens.fresh(kit::tokens::WAIT).await.map(Some)
            }
            (Identity::Tokens(tokens), Lane::Call) => tokens.current().map(Some).ok_or_else(|| {
                Error::Unauthorized { reason: "no live token; one is being minted".to_owned() }
            }),
        }
    }

    async fn send_with(
        &self,
        lane: Lane,
        token: Option<&Arc<Token>>,
        ask: &Ask,
    ) -> Result<(Value, Timestamp), Error> {
        let value = match (&self.identity, token) {
            (_, Some(token)) => token.value.reveal(),
            (Identity::Key(key), None) => key.reveal(),
            (Identity::Tokens(_), None) => "",
        };
        if ask.is_search() {
            self.searches.take(lane).await?;
        }
        let request = ask.request(&self.base).authorization(&format!("Bearer {value}"));
        let reply = self.http.send(lane, request).await?;
        self.heed_headers(&reply);
        let outcome = classify(&reply);
        if let Err(error) = &outcome {
            self.heed(error, token, ask.is_search());
        }
        let at = reply.date().unwrap_or_else(now);
        outcome.map(|body| (body, at))
    }

    /// What is left of the day, and of the running ten seconds. The search tells neither.
    fn heed_headers(&self, reply: &Reply) {
        let number = |name: &str| reply.header(name)?.trim().parse::<u64>().ok();
        if let Some(left) = number("x-hubspot-ratelimit-daily-remaining") {
            self.http.budget().told_left(left);
        }
        if number("x-hubspot-ratelimit-remaining") == Some(0) {
            self.http.budget().pause(WINDOW_PAUSE);
        }
    }

    /// Keeps to what a refusal asks for.
    fn heed(&self, error: &Error, token: Option<&Arc<Token>>, is_search: bool) {
        match (error, &self.identity, token) {
            (Error::Unauthorized { .. }, Identity::Tokens(tokens), Some(token)) => {
                tokens.reject(token)
            }
            // Searches are counted apart, by the second.
            (Error::RateLimited { retry_after: Some(pause) }, ..)
                if is_search && pause.as_secs() <= 1 =>
            {
                self.searches.pause(*pause);
            }
            (Error::RateLimited { retry_after: Some(pause) }, ..) => {
                self.http.budget().pause(*pause)
            }
            // The day's requests: background work stops, calls go on asking.
            (Error::RateLimited { retry_after: None }, ..) => self.http.budget().told_left(0),
            _ => {}
        }
    }
}

fn results(body: &mut Value) -> Result<Vec<Value>, Error> {
    match body.get_mut("results").map(Value::take) {
        Some(Value::Array(records)) => Ok(records),
        _ => Err(Error::protocol("an answer without results")),
    }
}

/// Our own clock.
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The id if it has the form of one: digits alone, so that it can stand in a path.
pub(super) fn record_id(text: &str) -> Option<&str> {
    let fits = (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    fits.then_some(text)
}
