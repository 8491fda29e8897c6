//! Speaks to one Dataverse environment: logs in with Microsoft Entra, reads and writes.
//!
//! [`Login`] mints tokens behind, by secret or by a certificate's signature; [`Client`]
//! sends with the token there is. [`Client::all`] reads rows, several requests at a time.
//! What an answer means stands in `signals`.

use super::odata::{Guid, Query, below};
use super::signals::classify;
use async_trait::async_trait;
use kit::http::Request;
use kit::oauth::{self, ClientAssertion, Signature};
use kit::odata::{Operation, answers, batch};
use kit::{Error, Http, Lane, Mint, Minted, Reply, Secret, Token, Tokens};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use url::{Position, Url};

/// Life of a token whose answer names none; the usual one is an hour.
const TOKEN_LIFE: Duration = Duration::from_secs(600);
/// Pages read of one query; the rest belongs to nobody in particular.
const PAGES_MAX: usize = 5;
/// Rows of one page of a lookup. Numbers shared by more people are switchboards.
const PAGE_ROWS: u16 = 250;
/// How long a batch may take: the environment does its operations one after another, and
/// gives a request two minutes.
const BATCH_TIME: Duration = Duration::from_secs(120);
/// Labels of choices beside their numbers.
pub(super) const LABELS: &str = "odata.include-annotations=\"OData.Community.Display.V1.FormattedValue,Microsoft.Dynamics.CRM.lookuplogicalname\"";

/// How a connection logs in.
pub(super) enum Proof {
    Secret(Secret),
    /// The private key, and the SHA-256 of its certificate.
    Certificate {
        key: Secret,
        thumbprint: String,
    },
}

/// Mints this connection's tokens.
pub(super) struct Login {
    pub(super) http: Http,
    pub(super) endpoint: Url,
    pub(super) client_id: String,
    pub(super) proof: Proof,
    /// `https://org.crm.dynamics.com/.default`.
    pub(super) scope: String,
    /// Counts assertions, so that each has an id of its own.
    pub(super) assertions: AtomicU64,
}

impl Login {
    /// The token request, which also proves a private key to be one.
    ///
    /// # Errors
    /// `Invalid` naming `private_key`.
    pub(super) fn request(&self) -> Result<oauth::Login, Error> {
        let (key, thumbprint) = match &self.proof {
            Proof::Secret(secret) => {
                let (id, scope) = (&self.client_id, &self.scope);
                let endpoint = self.endpoint.clone();
                return Ok(oauth::client_credentials_in_form(endpoint, id, secret, scope));
            }
            Proof::Certificate { key, thumbprint } => (key, thumbprint),
        };
        let nth = self.assertions.fetch_add(1, Ordering::Relaxed);
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = since.map_or(0, |since| since.as_nanos());
        let assertion = ClientAssertion {
            claims: json!({
                "aud": self.endpoint.as_str(), "iss": self.client_id, "sub": self.client_id,
                "jti": format!("{now:x}-{nth:x}"),
            }),
            // Entra recommends five to ten minutes; clocks differ.
            lifetime: 300,
            is_dated: true,
            signature: Signature::Ps256,
            key_id: None,
            thumbprint: Some(thumbprint.clone()),
            fields: &[("client_id", &self.client_id), ("scope", &self.scope)],
        };
        oauth::client_assertion(self.endpoint.clone(), &assertion, key)
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

/// Sends requests to one environment within the connection's limits.
pub(super) struct Client {
    pub(super) http: Http,
    pub(super) tokens: Arc<Tokens>,
    /// The address of the API with its version.
    pub(super) api: Url,
}

/// A write, and what it depends on.
pub(super) struct Write<'a> {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) body: Option<&'a Value>,
    pub(super) condition: Condition<'a>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Patch,
    Delete,
}

impl Method {
    fn as_str(self) -> &'static str {
        match self {
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

impl Write<'_> {
    fn headers(&self) -> Vec<(&'static str, &str)> {
        let mut headers = Vec::new();
        headers.extend(self.body.map(|_| ("prefer", "return=representation")));
        headers.extend(match self.condition {
            Condition::None => None,
            Condition::New => Some(("if-none-match", "*")),
            Condition::There => Some(("if-match", "*")),
            Condition::Unchanged(version) => Some(("if-match", version)),
        });
        headers
    }
}

/// When a write is carried out.
#[derive(Clone, Copy)]
pub(super) enum Condition<'a> {
    /// Whether the record is there or not.
    None,
    /// Only if there is none yet: 412 otherwise.
    New,
    /// Only if there is one: 404 otherwise.
    There,
    /// Only if it is still this version: 412 otherwise.
    Unchanged(&'a str),
}

/// One page of rows, and the options of the addresses that lead on.
pub(super) struct Page {
    pub(super) rows: Vec<Value>,
    pub(super) next: Option<String>,
    pub(super) delta: Option<String>,
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
    pub(super) async fn rows(&self, lane: Lane, query: &Query) -> Result<Vec<Value>, Error> {
        let mut url = query.url(&self.api);
        // With a page's size Dataverse ignores `$top`.
        let size =
            query.top.map_or_else(|| format!("odata.maxpagesize={PAGE_ROWS},"), |_| String::new());
        let prefer = format!("{size}{LABELS}");
        let mut rows = Vec::new();
        for _ in 0..PAGES_MAX {
            let mut page = self.page(lane, &url, &prefer).await?;
            rows.append(&mut page.rows);
            let Some(next) = page.next else { break };
            url.set_query(Some(&next));
        }
        Ok(rows)
    }

    /// One page of rows.
    pub(super) async fn page(&self, lane: Lane, url: &Url, prefer: &str) -> Result<Page, Error> {
        let mut body = self.get(lane, url, prefer).await?.json()?;
        let Some(Value::Array(rows)) = body.get_mut("value").map(Value::take) else {
            return Err(Error::protocol("an answer without a list of rows"));
        };
        // Behind a proxy the environment names a host of its own: of a link only the
        // options are taken, as they are.
        let options = |key: &str| -> Result<Option<String>, Error> {
            let Some(link) = body.get(key).and_then(Value::as_str) else { return Ok(None) };
            let options = link.split_once('?').map(|(_, options)| options.to_owned());
            options.map(Some).ok_or_else(|| Error::protocol("a link without options"))
        };
        let (next, delta) = (options("@odata.nextLink")?, options("@odata.deltaLink")?);
        Ok(Page { rows, next, delta })
    }

    /// One record.
    ///
    /// # Errors
    /// `NotFound` when there is none, any other [`Error`].
    pub(super) async fn one(&self, lane: Lane, url: &Url) -> Result<Value, Error> {
        let body = self.get(lane, url, LABELS).await?.json()?;
        if body.is_object() { Ok(body) } else { Err(Error::protocol("an answer without a record")) }
    }

    /// A function of the API, such as `WhoAmI()`.
    pub(super) async fn function(&self, name: &str) -> Result<Value, Error> {
        self.one(Lane::Background, &below(&self.api, name)).await
    }

    async fn get(&self, lane: Lane, url: &Url, prefer: &str) -> Result<Reply, Error> {
        let ask = || {
            // Nothing is to be answered from a cache on the way.
            Request::get(url.clone()).header("if-none-match", "null").header("prefer", prefer)
        };
        self.exchange(lane, &ask).await
    }

    /// Writes, in the background. A successful answer has the record in its body.
    pub(super) async fn write(&self, write: &Write<'_>) -> Result<Reply, Error> {
        let ask = || {
            let request = match write.method {
                Method::Patch => Request::patch(write.url.clone()),
                Method::Delete => Request::delete(write.url.clone()),
            };
            let request = match write.body {
                Some(body) => request.json(body),
                None => request,
            };
            write
                .headers()
                .into_iter()
                .fold(request, |request, (name, value)| request.header(name, value))
        };
        self.exchange(Lane::Background, &ask).await
    }

    /// Writes many in one request, and what each of them was answered, in order.
    ///
    /// # Errors
    /// When the request as a whole failed, or there is not one answer for each.
    pub(super) async fn write_many(
        &self,
        writes: &[Write<'_>],
    ) -> Result<Vec<Result<Reply, Error>>, Error> {
        let url = below(&self.api, "$batch");
        // Behind a proxy the API may lie elsewhere; an operation names its own place there.
        let outside = url.path().rfind("/api/data/").unwrap_or_default();
        let operations: Vec<Operation<'_>> = writes
            .iter()
            .map(|write| Operation {
                method: write.method.as_str(),
                target: &write.url[Position::BeforePath..][outside..],
                headers: write.headers(),
                body: write.body,
            })
            .collect();
        let mark = format!("batch_{}", Guid::random()?.as_str());
        let body = batch(&mark, &operations)?;
        let kind = format!("multipart/mixed; boundary=\"{mark}\"");
        let ask = || {
            let request = Request::post(url.clone()).whole(&kind, body.clone());
            request.header("prefer", "odata.continue-on-error").patient(BATCH_TIME)
        };
        let reply = self.exchange(Lane::Background, &ask).await;
        // Said of the whole: no record is gone, or changed, because of it.
        let reply = reply.map_err(|error| match error {
            Error::NotFound | Error::Conflict { .. } => {
                Error::protocol("a batch that was refused as one record is")
            }
            other => other,
        })?;
        let told = answers(&reply)?;
        // Answers have no names: with one missing, nobody knows whose the others are.
        if told.len() != writes.len() {
            return Err(Error::protocol("not one answer for each operation of a batch"));
        }
        let outcomes: Vec<Result<Reply, Error>> = told.into_iter().map(classify).collect();
        for outcome in &outcomes {
            if let Err(Error::RateLimited { retry_after: Some(pause) }) = outcome {
                self.http.budget().pause(*pause);
            }
        }
        Ok(outcomes)
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
            .header("accept", "application/json")
            .header("odata-version", "4.0")
            .header("odata-maxversion", "4.0");
        let reply = self.http.send(lane, request).await?;
        // Of the window of five minutes on one web server, which is what the rest is about.
        let left = reply.header("x-ms-ratelimit-burst-remaining-xrm-requests");
        if let Some(left) = left.and_then(|left| left.replace(',', "").parse().ok()) {
            self.http.budget().told_left(left);
        }
        let outcome = classify(reply);
        match &outcome {
            Err(Error::Unauthorized { .. }) => self.tokens.reject(token),
            Err(Error::RateLimited { retry_after: Some(pause) }) => {
                self.http.budget().pause(*pause)
            }
            _ => {}
        }
        outcome
    }
}
