//! The one way out to a vendor.
//!
//! Outermost to innermost: the connection's bulkhead ([`Gate`]), its rate
//! [`Budget`], the guard against private addresses, the timeout, a bound on the
//! body. What a status means is the connector's to say.

use crate::budget::Budget;
use crate::gate::{Gate, Lane};
use crate::{Error, guard};
pub use reqwest::header::HeaderMap;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Answers larger than this are given up: a page of records is far smaller.
const BODY_MAX: usize = 16 * 1024 * 1024;

/// How much of a vendor one connection may use.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub requests_per_minute: u32,
    pub reserved_for_calls: u32,
    pub concurrent_calls: u32,
    pub concurrent_background: u32,
    /// When one request is given up.
    pub timeout: Duration,
}

/// Where a connection may send to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Network {
    /// Loopback and private addresses too: for on-premises systems and simulators.
    pub allow_private_addresses: bool,
}

/// A cheap handle; all clones share one pool, budget and bulkhead.
#[derive(Debug, Clone)]
pub struct Http(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: reqwest::Client,
    gate: Gate,
    budget: Budget,
    network: Network,
    timeout: Duration,
}

/// A request as a connector describes it.
#[derive(Debug)]
pub struct Request {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// A whole answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Http {
    /// A client of its own for one connection.
    ///
    /// # Errors
    /// `Unavailable` when the system's certificates cannot be read.
    pub fn new(limits: Limits, network: Network) -> Result<Self, Error> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("tieline/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            // Shorter than what usual edges keep open (nginx 75 s, ALB 60 s), so that
            // no request goes into a connection that the other side has closed.
            .pool_idle_timeout(Duration::from_secs(15))
            .connect_timeout(Duration::from_secs(3).min(limits.timeout))
            .timeout(limits.timeout)
            .tcp_nodelay(true);
        if network.allow_private_addresses {
            // An on-premises address is not for the proxy of the outside world.
            builder = builder.no_proxy();
        } else {
            builder = builder.dns_resolver(Arc::new(guard::PublicOnly));
        }
        let client = builder.build().map_err(|e| Error::unavailable(plain(e)))?;
        Ok(Self(Arc::new(Inner {
            client,
            gate: Gate::new(limits.concurrent_calls, limits.concurrent_background),
            budget: Budget::new(limits.requests_per_minute, limits.reserved_for_calls),
            network,
            timeout: limits.timeout,
        })))
    }

    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.0.budget
    }

    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.0.gate
    }

    /// Sends within the connection's limits. Every status is an `Ok`.
    ///
    /// # Errors
    /// `RateLimited` by our own budget, `Unavailable` when nothing whole came back.
    pub async fn send(&self, lane: Lane, request: Request) -> Result<Reply, Error> {
        self.check(&request.url)?;
        let _place = self.0.gate.enter(lane).await?;
        self.0.budget.take(lane).await?;
        self.exchange(request).await
    }

    /// Sends outside budget and bulkhead: for minting tokens, which must go on
    /// while a sick vendor holds every place.
    ///
    /// # Errors
    /// `Unavailable` when nothing whole came back.
    pub async fn send_unmetered(&self, request: Request) -> Result<Reply, Error> {
        self.check(&request.url)?;
        self.exchange(request).await
    }

    fn check(&self, url: &Url) -> Result<(), Error> {
        if self.0.network.allow_private_addresses {
            return Ok(());
        }
        guard::check_literal(url)
            .map_err(|reason| Error::Invalid { field: Some("url".to_owned()), reason })
    }

    async fn exchange(&self, request: Request) -> Result<Reply, Error> {
        let Request { method, url, headers, body } = request;
        let sending = self.0.client.request(method, url).headers(headers).body(body).send();
        let answer = sending.await.map_err(|e| self.failed(e))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = read_bounded(answer).await.map_err(|e| match e {
            Unread::Broken(e) => self.failed(e),
            Unread::TooLarge => Error::protocol("an answer of more than 16 MiB"),
        })?;
        Ok(Reply { status: status.as_u16(), headers, body })
    }

    fn failed(&self, error: reqwest::Error) -> Error {
        if error.is_timeout() {
            let ms = self.0.timeout.as_millis();
            return Error::unavailable(format!("no whole answer within {ms} ms"));
        }
        Error::unavailable(plain(error))
    }
}

enum Unread {
    Broken(reqwest::Error),
    TooLarge,
}

async fn read_bounded(mut answer: reqwest::Response) -> Result<Vec<u8>, Unread> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(Unread::Broken)? {
        if body.len() + chunk.len() > BODY_MAX {
            return Err(Unread::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The innermost cause without the address: a query string may carry a number.
fn plain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

impl Request {
    #[must_use]
    pub fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: HeaderMap::new(), body: Vec::new() }
    }

    #[must_use]
    pub fn get(url: Url) -> Self {
        Self::new(Method::GET, url)
    }

    #[must_use]
    pub fn post(url: Url) -> Self {
        Self::new(Method::POST, url)
    }

    #[must_use]
    pub fn put(url: Url) -> Self {
        Self::new(Method::PUT, url)
    }

    #[must_use]
    pub fn patch(url: Url) -> Self {
        Self::new(Method::PATCH, url)
    }

    /// Adds a header. A value that no header can carry is left out: the vendor's
    /// refusal names it better than a broken request would.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }

    /// Adds `Authorization`, marked so that no debug output shows it.
    #[must_use]
    pub fn authorization(mut self, value: &str) -> Self {
        if let Ok(mut value) = HeaderValue::from_str(value) {
            value.set_sensitive(true);
            self.headers.insert(reqwest::header::AUTHORIZATION, value);
        }
        self
    }

    #[must_use]
    pub fn json(self, body: &serde_json::Value) -> Self {
        let mut request = self.header("content-type", "application/json");
        request.body = body.to_string().into_bytes();
        request
    }

    #[must_use]
    pub fn form(self, pairs: &[(&str, &str)]) -> Self {
        let mut request = self.header("content-type", "application/x-www-form-urlencoded");
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        request.body = body.extend_pairs(pairs).finish().into_bytes();
        request
    }
}

impl Reply {
    /// The body as JSON.
    ///
    /// # Errors
    /// `Protocol` when it is none: sick edges answer HTML with 200.
    pub fn json(&self) -> Result<serde_json::Value, Error> {
        serde_json::from_slice(&self.body).map_err(|_| {
            Error::protocol(format!("status {} with a body that is no JSON", self.status))
        })
    }

    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// `Retry-After` in seconds, as the vendors here send it.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.header("retry-after")?.trim().parse().ok().map(Duration::from_secs)
    }

    #[must_use]
    pub fn is_success(&self) -> bool {
        StatusCode::from_u16(self.status).is_ok_and(|s| s.is_success())
    }
}
