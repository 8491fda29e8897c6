//! Speaks to one NetSuite account: logs in by a signed assertion, asks SuiteQL, and reads
//! and writes records.
//!
//! [`Login`] mints tokens behind; [`Client`] sends with the token there is. A query goes
//! with `Prefer: transient`, without which NetSuite refuses it. What an answer means
//! stands in `signals`.

use super::signals::{classify, items};
use super::suiteql::Query;
use async_trait::async_trait;
use kit::http::Request;
use kit::oauth::{self, ClientAssertion, Signature};
use kit::{Error, Http, Lane, Mint, Minted, Reply, Secret, Token, Tokens};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use url::Url;

/// Life of a token whose answer names none; the usual one is an hour.
const TOKEN_LIFE: Duration = Duration::from_secs(600);
/// Rows of one page; an offset must be a multiple of it.
const PAGE_ROWS: usize = 200;
/// Pages read of one query; the rest belongs to nobody in particular.
const PAGES_MAX: usize = 5;

/// Mints this connection's tokens.
pub(super) struct Login {
    pub(super) http: Http,
    pub(super) endpoint: Url,
    pub(super) client_id: String,
    pub(super) certificate_id: String,
    pub(super) key: Secret,
    pub(super) signature: Signature,
}

impl Login {
    /// The token request, which also proves a private key to be one.
    ///
    /// # Errors
    /// `Invalid` naming `private_key`.
    pub(super) fn request(&self) -> Result<oauth::Login, Error> {
        let assertion = ClientAssertion {
            claims: json!({
                "iss": self.client_id, "scope": ["rest_webservices"], "aud": self.endpoint.as_str(),
            }),
            // The vendor takes at most an hour; clocks differ.
            lifetime: 300,
            is_dated: false,
            signature: self.signature,
            key_id: Some(&self.certificate_id),
            thumbprint: None,
            fields: &[],
        };
        oauth::client_assertion(self.endpoint.clone(), &assertion, &self.key)
    }
}

#[async_trait]
impl Mint for Login {
    async fn mint(&self) -> Result<Minted, Error> {
        let granted = oauth::log_in(&self.http, self.request()?).await?;
        Ok(Minted {
            value: Secret::new(granted.access_token),
            lifetime: granted.expires_in.map_or(TOKEN_LIFE, Duration::from_secs),
            base_url: None,
            scope: granted.scope.unwrap_or_default(),
        })
    }
}

/// Sends requests to one account within the connection's limits.
pub(super) struct Client {
    pub(super) http: Http,
    pub(super) tokens: Arc<Tokens>,
    /// The address of the REST services, `…/services/rest`.
    pub(super) api: Url,
}

/// A record's fields, on their way to the account.
#[derive(Clone, Copy)]
pub(super) enum Write<'a> {
    /// Makes the record with this external id, or changes it.
    Upsert(&'a Value),
    Change(&'a Value),
    Delete,
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

    /// The rows of all these queries, asked for at the same time, each query's apart.
    pub(super) async fn all(
        self: &Arc<Self>,
        lane: Lane,
        mut queries: Vec<Query>,
    ) -> Result<Vec<Vec<Value>>, Error> {
        let Some(last) = queries.pop() else { return Ok(Vec::new()) };
        // Dropped with this future, the others end as well.
        let mut asking = JoinSet::new();
        for (at, query) in queries.into_iter().enumerate() {
            let client = Arc::clone(self);
            asking.spawn(async move { (at, client.rows(lane, &query).await) });
        }
        let mut found = vec![Vec::new(); asking.len()];
        found.push(self.rows(lane, &last).await?);
        while let Some(joined) = asking.join_next().await {
            let (at, rows) = joined.map_err(|_| Error::unavailable("a request was given up"))?;
            found[at] = rows?;
        }
        Ok(found)
    }

    /// The rows a query selects, page after page.
    pub(super) async fn rows(&self, lane: Lane, query: &Query) -> Result<Vec<Value>, Error> {
        let mut rows = Vec::new();
        for page in 0..PAGES_MAX {
            let (mut more, has_more) = self.page(lane, query, PAGE_ROWS, page * PAGE_ROWS).await?;
            rows.append(&mut more);
            if !has_more {
                break;
            }
        }
        Ok(rows)
    }

    /// One page of a query, and whether more follow.
    pub(super) async fn page(
        &self,
        lane: Lane,
        query: &Query,
        limit: usize,
        offset: usize,
    ) -> Result<(Vec<Value>, bool), Error> {
        let mut url = self.below("query/v1/suiteql");
        url.set_query(Some(&format!("limit={limit}&offset={offset}")));
        let body = json!({ "q": query.as_str() });
        let ask = || Request::post(url.clone()).json(&body).header("prefer", "transient");
        items(self.exchange(lane, &ask).await?.json()?)
    }

    /// Writes a record, in the background. `path`: `customer/5` or `customer/eid:X`.
    ///
    /// # Errors
    /// `Protocol` when nobody knows whether it was done, any other [`Error`].
    pub(super) async fn write(&self, path: &str, write: Write<'_>) -> Result<Reply, Error> {
        let url = self.below(&format!("record/v1/{path}"));
        let ask = || match write {
            Write::Upsert(body) => Request::put(url.clone()).json(body),
            Write::Change(body) => Request::patch(url.clone()).json(body),
            Write::Delete => Request::delete(url.clone()),
        };
        let reply = self.exchange(Lane::Background, &ask).await?;
        // What was written is answered with nothing; whoever says more may not be NetSuite.
        if reply.status == 204 {
            return Ok(reply);
        }
        Err(Error::protocol("a write that was not answered with 204"))
    }

    /// One request, and what its answer means; in the background a refused token is
    /// replaced once.
    pub(super) async fn exchange(
        &self,
        lane: Lane,
        request: &(dyn Fn() -> Request + Sync),
    ) -> Result<Reply, Error> {
        let token = self.token(lane).await?;
        match self.send(lane, &token, request()).await {
            Err(Error::Unauthorized { .. }) if lane == Lane::Background => {
                let token = self.token(lane).await?;
                self.send(lane, &token, request()).await
            }
            outcome => outcome,
        }
    }

    async fn send(&self, lane: Lane, token: &Arc<Token>, request: Request) -> Result<Reply, Error> {
        let request = request
            .authorization(&format!("Bearer {}", token.value.reveal()))
            .header("accept", "application/json");
        let outcome = classify(self.http.send(lane, request).await?);
        match &outcome {
            Err(Error::Unauthorized { .. }) => self.tokens.reject(token),
            Err(Error::RateLimited { retry_after: Some(pause) }) => {
                self.http.budget().pause(*pause)
            }
            _ => {}
        }
        outcome
    }

    /// An address below that of the REST services; the path is written as it is.
    fn below(&self, path: &str) -> Url {
        let mut url = self.api.clone();
        url.set_path(&format!("{}/{path}", self.api.path().trim_end_matches('/')));
        url
    }
}
