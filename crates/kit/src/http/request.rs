//! A request as a connector describes it, and as an administrator may add to it.

use crate::{Error, Secret};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use std::fmt;
use std::time::Duration;
use url::Url;

/// Headers that say who asks, or how the request is framed: a connector may set them after
/// those of an administrator, who may set none.
const OURS: [&str; 7] = [
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "host",
    "proxy-authorization",
    "transfer-encoding",
];

/// A request as a connector describes it.
pub struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    pub(super) timeout: Option<Duration>,
}

impl Request {
    #[must_use]
    pub fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: HeaderMap::new(), body: Vec::new(), timeout: None }
    }

    /// A request by the name of its method, as an administrator writes it.
    ///
    /// # Errors
    /// `Invalid` naming `method` when there is no such method.
    pub fn of(method: &str, url: Url) -> Result<Self, Error> {
        let known = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        let method = known.into_iter().find(|known| known.as_str() == method);
        let method = method.ok_or_else(|| Error::Invalid {
            field: Some("method".to_owned()),
            reason: "is none of GET, POST, PUT, PATCH and DELETE".to_owned(),
        })?;
        Ok(Self::new(method, url))
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
    pub fn delete(url: Url) -> Self {
        Self::new(Method::DELETE, url)
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

    /// Adds a header marked so that no debug output shows its value.
    #[must_use]
    pub fn secret_header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(mut value) = HeaderValue::from_str(value) {
            value.set_sensitive(true);
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }

    /// Adds a header whose name is known only at run time.
    ///
    /// # Errors
    /// `Invalid` naming the header, when no request can carry it so.
    pub fn named_header(mut self, name: &str, value: &Secret) -> Result<Self, Error> {
        let refused = || Error::Invalid {
            field: Some(name.to_owned()),
            reason: "is no header that a request can carry".to_owned(),
        };
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused())?;
        let mut value = HeaderValue::from_str(value.reveal()).map_err(|_| refused())?;
        value.set_sensitive(true);
        self.headers.insert(header, value);
        Ok(self)
    }

    /// Adds `Authorization`, marked so that no debug output shows it.
    #[must_use]
    pub fn authorization(self, value: &str) -> Self {
        self.secret_header("authorization", value)
    }

    /// Adds `Authorization` by user and password (RFC 7617).
    #[must_use]
    pub fn basic(self, user: &str, password: &Secret) -> Self {
        let pair = STANDARD.encode(format!("{user}:{}", password.reveal()));
        self.authorization(&format!("Basic {pair}"))
    }

    /// Adds headers that an administrator wrote, after those that the connector sets.
    ///
    /// # Errors
    /// `Invalid` naming a header that is set already, or that no request can carry.
    pub fn more_headers(mut self, headers: &[(String, String)]) -> Result<Self, Error> {
        for (name, value) in headers {
            let refused = |reason: &str| Error::Invalid {
                field: Some(format!("headers.{name}")),
                reason: reason.to_owned(),
            };
            let key = HeaderName::from_bytes(name.as_bytes());
            let key = key.map_err(|_| refused("is no name of a header"))?;
            if OURS.contains(&key.as_str()) {
                return Err(refused("is set by the connection"));
            }
            let value = HeaderValue::from_str(value).map_err(|_| refused("has no such value"))?;
            if self.headers.insert(key, value).is_some() {
                return Err(refused("is set by the connection"));
            }
        }
        Ok(self)
    }

    #[must_use]
    pub fn json(self, body: &serde_json::Value) -> Self {
        self.whole("application/json", body.to_string().into_bytes())
    }

    /// A body of another kind, as it is.
    #[must_use]
    pub fn whole(self, kind: &str, body: Vec<u8>) -> Self {
        let mut request = self.header("content-type", kind);
        request.body = body;
        request
    }

    /// Waits for the answer as long as this in place of the connection's own limit: for many
    /// writes in one request, which the vendor does one after another.
    #[must_use]
    pub fn patient(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    #[must_use]
    pub fn form(self, pairs: &[(&str, &str)]) -> Self {
        let mut request = self.header("content-type", "application/x-www-form-urlencoded");
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        request.body = body.extend_pairs(pairs).finish().into_bytes();
        request
    }
}

impl fmt::Debug for Request {
    /// Without query and body, which hold customers and secrets (invariant 9).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("host", &self.url.host_str())
            .field("path", &self.url.path())
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}
