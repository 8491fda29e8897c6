//! Speaks to one instance: logs in, reads rows, and changes what may be changed.
//!
//! A connection logs in by tokens minted behind, or sends a user's password with each
//! request. [`Client::rows`] sends a [`Query`] and nothing else; what an answer means is
//! `signals`' to say.

use super::query::{Name, Query};
use super::signals::{classify, resets_in};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::Timestamp;
use kit::http::{HeaderMap, Request};
use kit::{Error, Http, Lane, Reply, Secret, Token, Tokens};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;
use url::{Position, Url};

/// How long a batch may take; the instance ends it after 30 seconds by itself.
const BATCH_TIME: Duration = Duration::from_secs(45);
/// What is missing where a batch as a whole was refused; then records go one by one.
const BATCH_API: &str = "the Batch API (/api/now/v1/batch)";
/// How long nobody asks again for an API that may not be used.
const REFUSED_FOR: Duration = Duration::from_secs(3_600);

/// Was a batch refused as a whole, so that none of its calls was done?
pub(super) fn is_batch_refused(error: &Error) -> bool {
    matches!(error, Error::Forbidden { missing } if missing == BATCH_API)
}

/// Who asks.
pub(super) enum Identity {
    User { name: String, password: Secret },
    Tokens(Arc<Tokens>),
}

/// Sends requests within the connection's limits.
pub(super) struct Client {
    pub(super) http: Http,
    /// The instance, with a slash at the end.
    pub(super) instance: Url,
    pub(super) identity: Identity,
    /// When the instance last had no Batch API for us.
    pub(super) batch_refused: Mutex<Option<Instant>>,
}

/// One call among many in a batch.
pub(super) struct Call {
    method: &'static str,
    url: Url,
    body: Option<Value>,
}

/// Rows, and what came with them.
pub(super) struct Rows {
    pub(super) rows: Vec<Value>,
    /// How many there are, those that an ACL hides included; where it was asked for.
    pub(super) total: Option<u64>,
    /// The instance's clock.
    pub(super) date: Option<Timestamp>,
}

impl Client {
    /// The token to be used in `lane`: a call takes what there is (invariant 11).
    ///
    /// # Errors
    /// `Unauthorized` when a call finds none, the mint's own error in the background.
    pub(super) async fn token(&self, lane: Lane) -> Result<Option<Arc<Token>>, Error> {
        match (&self.identity, lane) {
            (Identity::User { .. }, _) => Ok(None),
            (Identity::Tokens(tokens), Lane::Background) => {
                tokens.fresh(kit::tokens::WAIT).await.map(Some)
            }
            (Identity::Tokens(tokens), Lane::Call) => tokens.current().map(Some).ok_or_else(|| {
                Error::Unauthorized { reason: "no live token; one is being minted".to_owned() }
            }),
        }
    }

    /// The rows of all these queries, asked for at the same time, in their order.
    pub(super) async fn all(
        self: &Arc<Self>,
        lane: Lane,
        queries: Vec<Query>,
    ) -> Result<Vec<Vec<Value>>, Error> {
        if let [only] = queries.as_slice() {
            return Ok(vec![self.rows(lane, only).await?.rows]);
        }
        let mut found = vec![Vec::new(); queries.len()];
        // Dropped with this future, the others end as well.
        let mut asking = JoinSet::new();
        for (at, query) in queries.into_iter().enumerate() {
            let client = Arc::clone(self);
            asking.spawn(async move { (at, client.rows(lane, &query).await) });
        }
        while let Some(joined) = asking.join_next().await {
            let (at, rows) = joined.map_err(|_| Error::unavailable("a request was given up"))?;
            found[at] = rows?.rows;
        }
        Ok(found)
    }

    /// The rows that a query selects; one page.
    pub(super) async fn rows(&self, lane: Lane, query: &Query) -> Result<Rows, Error> {
        let mut url = self.table(&query.table, None)?;
        url.query_pairs_mut().extend_pairs(query.options());
        let ask = || Request::get(url.clone());
        let reply = match self.exchange(lane, &ask).await {
            // The first version of the API says so where no row fits.
            Err(Error::NotFound) => return Ok(Rows { rows: Vec::new(), total: None, date: None }),
            reply => reply?,
        };
        let (reply, mut body) = reply;
        let rows = match body.get_mut("result").map(Value::take) {
            Some(Value::Array(rows)) => rows,
            _ => return Err(Error::protocol("an answer without a list of results")),
        };
        let total = reply.header("x-total-count").and_then(|count| count.parse().ok());
        Ok(Rows { rows, total, date: reply.date() })
    }

    /// Creates a record; the fields asked for, as they are now.
    pub(super) async fn create(
        &self,
        table: &Name,
        fields: &[Name],
        body: &Value,
    ) -> Result<Value, Error> {
        let url = self.written(table, None, fields)?;
        self.one(&|| Request::post(url.clone()).json(body)).await
    }

    /// Changes a record; the fields asked for, as they are now.
    pub(super) async fn change(
        &self,
        table: &Name,
        id: &str,
        fields: &[Name],
        body: &Value,
    ) -> Result<Value, Error> {
        let url = self.written(table, Some(id), fields)?;
        self.one(&|| Request::patch(url.clone()).json(body)).await
    }

    /// Deletes a record.
    pub(super) async fn remove(&self, table: &Name, id: &str) -> Result<(), Error> {
        let url = self.table(table, Some(id))?;
        self.exchange(Lane::Background, &|| Request::delete(url.clone())).await.map(drop)
    }

    /// Many calls in one request, and what each was answered, in their order. Those that
    /// the instance did not come to may be tried again.
    ///
    /// # Errors
    /// When the request as a whole failed.
    pub(super) async fn batch(&self, calls: &[Call]) -> Result<Vec<Result<Value, Error>>, Error> {
        let url = self.instance.join("api/now/v1/batch");
        let url = url.map_err(|_| Error::protocol("an address that is none"))?;
        let body = json!({
            "batch_request_id": "tieline",
            "rest_requests":
                calls.iter().enumerate().map(|(at, call)| self.told(at, call)).collect::<Vec<_>>(),
        });
        let ask = || Request::post(url.clone()).json(&body).patient(BATCH_TIME);
        let refused = || Error::Forbidden { missing: BATCH_API.to_owned() };
        if self.is_without_batches() {
            return Err(refused());
        }
        let told = self.exchange(Lane::Background, &ask).await;
        // Said of the whole: no record is gone, or changed, because of it.
        let (_, mut told) = told.map_err(|error| match error {
            Error::NotFound | Error::Forbidden { .. } => {
                *self.refused_at() = Some(Instant::now());
                refused()
            }
            // Of no such API, or of this batch alone, such as one that is too large.
            Error::Invalid { .. } => refused(),
            Error::Conflict { reason } => Error::Protocol { reason },
            other => other,
        })?;
        let Some(Value::Array(served)) = told.get_mut("serviced_requests").map(Value::take) else {
            return Err(Error::protocol("an answer to many without any"));
        };
        let untried = || Err(Error::unavailable("the instance had no time left for this one"));
        let mut outcomes: Vec<Result<Value, Error>> = calls.iter().map(|_| untried()).collect();
        for served in &served {
            let at = served.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok());
            let place = at.and_then(|at: usize| outcomes.get_mut(at));
            let place = place.ok_or_else(|| Error::protocol("an answer to what was not asked"))?;
            *place = answer(served).and_then(|reply| {
                let outcome = classify(&reply);
                if let Err(Error::RateLimited { retry_after: Some(pause) }) = &outcome {
                    self.http.budget().pause(*pause);
                }
                outcome
            });
        }
        Ok(outcomes)
    }

    /// Was the Batch API refused a short while ago?
    fn is_without_batches(&self) -> bool {
        self.refused_at().is_some_and(|at| at.elapsed() < REFUSED_FOR)
    }

    fn refused_at(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.batch_refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One call of many, as the instance wants it. Behind a proxy it may lie elsewhere: a
    /// call names its own place there.
    fn told(&self, at: usize, call: &Call) -> Value {
        let path = &call.url[Position::BeforePath..][self.instance.path().len() - 1..];
        let header = |name: &str| json!({ "name": name, "value": "application/json" });
        let mut told = json!({
            "id": at.to_string(), "method": call.method, "url": path,
            "headers": [header("Content-Type"), header("Accept")],
            "exclude_response_headers": false,
        });
        if let Some(body) = &call.body {
            told["body"] = STANDARD.encode(body.to_string()).into();
        }
        told
    }

    /// The question for rows, as one call of many.
    pub(super) fn asks(&self, query: &Query) -> Result<Call, Error> {
        let mut url = self.table(&query.table, None)?;
        url.query_pairs_mut().extend_pairs(query.options());
        Ok(Call { method: "GET", url, body: None })
    }

    /// A record made (without an id) or changed, as one call of many.
    pub(super) fn writes(
        &self,
        table: &Name,
        id: Option<&str>,
        fields: &[Name],
        body: Value,
    ) -> Result<Call, Error> {
        let method = if id.is_some() { "PATCH" } else { "POST" };
        Ok(Call { method, url: self.written(table, id, fields)?, body: Some(body) })
    }

    /// A record deleted, as one call of many.
    pub(super) fn removes(&self, table: &Name, id: &str) -> Result<Call, Error> {
        Ok(Call { method: "DELETE", url: self.table(table, Some(id))?, body: None })
    }

    async fn one(&self, request: &(dyn Fn() -> Request + Sync)) -> Result<Value, Error> {
        let (_, mut body) = self.exchange(Lane::Background, request).await?;
        match body.get_mut("result").map(Value::take) {
            Some(row @ Value::Object(_)) => Ok(row),
            _ => Err(Error::protocol("a record was written without a result")),
        }
    }

    fn written(&self, table: &Name, id: Option<&str>, fields: &[Name]) -> Result<Url, Error> {
        let mut url = self.table(table, id)?;
        let fields: Vec<&str> = fields.iter().map(Name::as_str).collect();
        url.query_pairs_mut()
            .append_pair("sysparm_fields", &fields.join(","))
            .append_pair("sysparm_exclude_reference_link", "true");
        Ok(url)
    }

    /// A table's address, or a record's; `id` was read by [`super::query::sys_id`].
    fn table(&self, table: &Name, id: Option<&str>) -> Result<Url, Error> {
        let path = match id {
            Some(id) => format!("api/now/table/{}/{id}", table.as_str()),
            None => format!("api/now/table/{}", table.as_str()),
        };
        self.instance.join(&path).map_err(|_| Error::protocol("an address that is none"))
    }

    /// One request as this identity, and its JSON; in the background a refused token is
    /// replaced once.
    pub(super) async fn exchange(
        &self,
        lane: Lane,
        request: &(dyn Fn() -> Request + Sync),
    ) -> Result<(Reply, Value), Error> {
        let token = self.token(lane).await?;
        match self.exchange_with(lane, token.as_ref(), request()).await {
            Err(Error::Unauthorized { .. }) if token.is_some() && lane == Lane::Background => {
                let token = self.token(lane).await?;
                self.exchange_with(lane, token.as_ref(), request()).await
            }
            outcome => outcome,
        }
    }

    async fn exchange_with(
        &self,
        lane: Lane,
        token: Option<&Arc<Token>>,
        request: Request,
    ) -> Result<(Reply, Value), Error> {
        let request = request.header("accept", "application/json");
        let request = match (&self.identity, token) {
            (Identity::User { name, password }, _) => request.basic(name, password),
            (_, Some(token)) => request.authorization(&format!("Bearer {}", token.value.reveal())),
            (_, None) => request,
        };
        let reply = self.http.send(lane, request).await?;
        let outcome = classify(&reply);
        match (&outcome, &self.identity, token) {
            (Err(Error::Unauthorized { .. }), Identity::Tokens(tokens), Some(token)) => {
                tokens.reject(token);
            }
            (Err(Error::RateLimited { retry_after: Some(pause) }), ..) => {
                self.http.budget().pause(*pause);
                // A rule's own hour; what is left before its end, no answer tells.
                if let Some(reset) = resets_in(&reply) {
                    self.http.budget().told_left_until(0, reset);
                }
            }
            _ => {}
        }
        outcome.map(|body| (reply, body))
    }
}

/// The answer to one call of a batch.
fn answer(served: &Value) -> Result<Reply, Error> {
    let odd = || Error::protocol("an answer to one of many that is none");
    let status = served.get("status_code").and_then(Value::as_u64);
    let status = status.and_then(|status| u16::try_from(status).ok()).ok_or_else(odd)?;
    let mut headers = HeaderMap::new();
    for header in served.get("headers").and_then(Value::as_array).into_iter().flatten() {
        let name = header.get("name").and_then(Value::as_str).unwrap_or_default();
        let known = ["content-type", "retry-after"];
        let name = known.into_iter().find(|known| name.eq_ignore_ascii_case(known));
        let value =
            header.get("value").and_then(Value::as_str).and_then(|value| value.parse().ok());
        if let (Some(name), Some(value)) = (name, value) {
            headers.insert(name, value);
        }
    }
    let body = served.get("body").and_then(Value::as_str).unwrap_or_default();
    let body = STANDARD.decode(body).map_err(|_| odd())?;
    Ok(Reply { status, headers, body })
}
