//! Speaks to one S/4HANA system: logs in, reads, and changes what may be changed.
//!
//! [`kit::oauth::ClientCredentials`] mints tokens behind; a communication user's password goes with each
//! request instead. [`Client::all`] reads rows, several requests at a time;
//! [`Client::update`] changes one entity under the two guards that SAP demands:
//! a CSRF token with the session's cookies (`session`), and the entity's ETag.

use super::odata::{Entity, Query, below};
use super::session::Session;
use super::signals::{classify, message, wants_csrf};
use domain::Timestamp;
use kit::http::Request;
use kit::{Error, Http, Lane, Reply, Secret, Token, Tokens};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use url::Url;

/// Life of a token whose answer names none; SAP's default is an hour.
pub(super) const TOKEN_LIFE: Duration = Duration::from_secs(600);
/// Pages read of one query; the rest belongs to nobody in particular.
const PAGES_MAX: usize = 5;

/// Who asks.
pub(super) enum Identity {
    /// A communication user, by password with each request.
    User { name: String, password: Secret },
    /// By tokens, minted behind.
    Tokens(Arc<Tokens>),
}

/// Sends requests to the business partner service within the connection's limits.
pub struct Client {
    pub(super) http: Http,
    pub(super) service: Url,
    pub(super) sap_client: Option<String>,
    pub(super) identity: Identity,
    pub(super) session: Session,
}

/// What a change left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Updated {
    /// The entity's new version, where the system tells it.
    pub etag: Option<String>,
    /// Code of a business message that came with the success, such as a warning.
    pub message: Option<String>,
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

    /// The rows of all these queries, asked for at the same time.
    pub(super) async fn all(
        self: &Arc<Self>,
        lane: Lane,
        mut queries: Vec<Query>,
    ) -> Result<Vec<Value>, Error> {
        let Some(last) = queries.pop() else { return Ok(Vec::new()) };
        // Dropped with this future, the others end as well.
        let mut asking = JoinSet::new();
        for query in queries {
            let client = Arc::clone(self);
            asking.spawn(async move { client.rows(lane, &query).await });
        }
        let mut rows = self.rows(lane, &last).await?;
        while let Some(joined) = asking.join_next().await {
            let more = joined.map_err(|_| Error::unavailable("a request was given up"))?;
            rows.append(&mut more?);
        }
        Ok(rows)
    }

    /// The rows a query selects, page after page.
    async fn rows(&self, lane: Lane, query: &Query) -> Result<Vec<Value>, Error> {
        let mut url = query.url(&self.service, &self.fixed());
        let mut rows = Vec::new();
        for _ in 0..PAGES_MAX {
            let mut page = self.get(lane, &url).await?.json()?;
            let next = page.pointer("/d/__next").and_then(Value::as_str).map(str::to_owned);
            match page.pointer_mut("/d/results").map(Value::take) {
                Some(Value::Array(mut more)) => rows.append(&mut more),
                _ => return Err(Error::protocol("an answer without d/results")),
            }
            let Some(next) = next.filter(|_| rows.len() < usize::from(query.top)) else { break };
            // Behind a proxy the system names a host of its own: of the next page only
            // the options are taken.
            let options = next.split_once('?').map(|(_, options)| options);
            url.set_query(Some(
                options.ok_or_else(|| Error::protocol("a next page without options"))?,
            ));
        }
        Ok(rows)
    }

    /// One page of rows, whether there are more, and the system's clock.
    pub(super) async fn page(
        &self,
        query: &Query,
    ) -> Result<(Vec<Value>, bool, Option<Timestamp>), Error> {
        let url = query.url(&self.service, &self.fixed());
        let reply = self.get(Lane::Background, &url).await?;
        let mut page = reply.json()?;
        let has_next = page.pointer("/d/__next").is_some_and(Value::is_string);
        match page.pointer_mut("/d/results").map(Value::take) {
            Some(Value::Array(rows)) => Ok((rows, has_next, reply.date())),
            _ => Err(Error::protocol("an answer without d/results")),
        }
    }

    /// One entity, and its ETag.
    ///
    /// # Errors
    /// `NotFound` when there is none, any other [`Error`].
    pub async fn entity(
        &self,
        lane: Lane,
        entity: &Entity,
    ) -> Result<(Value, Option<String>), Error> {
        let reply = self.get(lane, &entity.url(&self.service, &self.fixed())).await?;
        let mut body = reply.json()?;
        let Some(row @ Value::Object(_)) = body.get_mut("d").map(Value::take) else {
            return Err(Error::protocol("an answer without d"));
        };
        let etag = row.pointer("/__metadata/etag").and_then(Value::as_str);
        let etag = etag.or_else(|| reply.header("etag")).map(str::to_owned);
        Ok((row, etag))
    }

    /// What the service says of itself: EDMX.
    pub(super) async fn metadata(&self) -> Result<String, Error> {
        let mut url = below(&self.service, "$metadata");
        url.set_query(
            self.sap_client.as_ref().map(|client| format!("sap-client={client}")).as_deref(),
        );
        let reply = self.exchange(Lane::Background, &|| Request::get(url.clone())).await?;
        String::from_utf8(reply.body).map_err(|_| Error::protocol("a $metadata that is no text"))
    }

    /// Changes the fields of one entity, if it still is the version that `etag` names.
    /// Fields that are not named are left alone (invariant 7); repeated with the same
    /// ETag it changes nothing a second time, because the ETag is then an old one.
    ///
    /// # Errors
    /// `Conflict` when the entity was changed meanwhile, any other [`Error`].
    pub async fn update(
        &self,
        entity: &Entity,
        etag: Option<&str>,
        fields: &Value,
    ) -> Result<Updated, Error> {
        let url = entity.url(&self.service, &self.fixed());
        let patch = || {
            let request =
                Request::patch(url.clone()).json(fields).header("accept", "application/json");
            match etag {
                Some(etag) => request.header("if-match", etag),
                None => request,
            }
        };
        let reply = self.change(Lane::Background, &patch).await?;
        Ok(Updated {
            etag: reply.header("etag").map(str::to_owned),
            message: message(&reply).map(|(code, _)| code),
        })
    }

    /// Creates an entity of a set; it as it is then.
    ///
    /// # Errors
    /// `Invalid` naming the property that was refused, any other [`Error`].
    pub(super) async fn create(&self, set: &str, fields: &Value) -> Result<Value, Error> {
        let mut url = below(&self.service, set);
        url.query_pairs_mut().extend_pairs(self.fixed());
        let post = || Request::post(url.clone()).json(fields).header("accept", "application/json");
        let reply = self.change(Lane::Background, &post).await?;
        match reply.json()?.get_mut("d").map(Value::take) {
            Some(row @ Value::Object(_)) => Ok(row),
            _ => Err(Error::protocol("an answer without d")),
        }
    }

    async fn get(&self, lane: Lane, url: &Url) -> Result<Reply, Error> {
        let ask = || Request::get(url.clone()).header("accept", "application/json");
        self.exchange(lane, &ask).await
    }

    /// One request, and what its answer means.
    pub(super) async fn exchange(
        &self,
        lane: Lane,
        request: &(dyn Fn() -> Request + Sync),
    ) -> Result<Reply, Error> {
        let reply = self.send(lane, request).await?;
        self.told(reply, None)
    }

    /// One change, under the session that SAP demands of changes; made once more with a
    /// new one where the system refuses that of before.
    pub(super) async fn change(
        &self,
        lane: Lane,
        request: &(dyn Fn() -> Request + Sync),
    ) -> Result<Reply, Error> {
        let guarded = |held: &super::session::Held| {
            let request = request().secret_header("x-csrf-token", held.token.reveal());
            request.secret_header("cookie", held.cookies.reveal())
        };
        let mut held = self.session.open(self, None).await?;
        let mut reply = self.send(lane, &|| guarded(&held)).await?;
        if wants_csrf(&reply) {
            held = self.session.open(self, Some(&held)).await?;
            reply = self.send(lane, &|| guarded(&held)).await?;
        }
        self.told(reply, None)
    }

    /// One request as this identity; in the background a refused token is replaced once.
    pub(super) async fn send(
        &self,
        lane: Lane,
        request: &(dyn Fn() -> Request + Sync),
    ) -> Result<Reply, Error> {
        let token = self.token(lane).await?;
        let reply = self.send_with(lane, token.as_ref(), request()).await?;
        if reply.status != 401 {
            return Ok(reply);
        }
        let refused = self.told(reply, token.as_ref());
        if token.is_none() || lane == Lane::Call {
            return refused;
        }
        let token = self.token(lane).await?;
        let reply = self.send_with(lane, token.as_ref(), request()).await?;
        if reply.status == 401 { self.told(reply, token.as_ref()) } else { Ok(reply) }
    }

    async fn send_with(
        &self,
        lane: Lane,
        token: Option<&Arc<Token>>,
        request: Request,
    ) -> Result<Reply, Error> {
        let request = match (&self.identity, token) {
            (Identity::User { name, password }, _) => request.basic(name, password),
            (_, Some(token)) => request.authorization(&format!("Bearer {}", token.value.reveal())),
            (_, None) => request,
        };
        self.http.send(lane, request).await
    }

    /// What an answer means; what a refusal asks for is kept to.
    pub(super) fn told(&self, reply: Reply, token: Option<&Arc<Token>>) -> Result<Reply, Error> {
        let outcome = classify(reply);
        match (&outcome, &self.identity, token) {
            (Err(Error::Unauthorized { .. }), Identity::Tokens(tokens), Some(token)) => {
                tokens.reject(token)
            }
            (Err(Error::RateLimited { retry_after: Some(pause) }), ..) => {
                self.http.budget().pause(*pause)
            }
            _ => {}
        }
        outcome
    }

    /// What every address carries.
    pub(super) fn fixed(&self) -> Vec<(&str, &str)> {
        self.sap_client.iter().map(|client| ("sap-client", client.as_str())).collect()
    }
}
