//! Speaks to one instance: logs in, reads rows, and changes what may be changed.
//!
//! A connection logs in by tokens minted behind, or sends a user's password with each
//! request. [`Client::rows`] sends a [`Query`] and nothing else; what an answer means is
//! `signals`' to say.

use super::query::{Name, Query};
use super::signals::{classify, resets_in};
use domain::Timestamp;
use kit::http::Request;
use kit::{Error, Http, Lane, Reply, Secret, Token, Tokens};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use url::Url;

/// How long background work waits for a token being minted.
const TOKEN_WAIT: Duration = Duration::from_secs(10);

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
                tokens.fresh(TOKEN_WAIT).await.map(Some)
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
