//! Requests that an administrator wrote as a data action, sent with this connection's login.
//!
//! They stay at the source's own address. A source of one's own has no query language that
//! is known here: values are encoded as path, query or JSON, and that is all.

use super::client::Client;
use async_trait::async_trait;
use kit::http::Request;
use kit::{Custom, Error, Lane, Language, Place, Requests, Secret};
use serde_json::Value as Json;
use std::sync::Arc;

/// Set by us, or by HTTP itself.
pub(super) const OWN_HEADERS: [&str; 7] = [
    "authorization",
    "cookie",
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
];

/// The administrator's requests of one source.
pub(super) struct Door {
    pub(super) client: Arc<Client>,
    /// The header that carries the connection's own key.
    pub(super) own_header: Option<String>,
}

#[async_trait]
impl Requests for Door {
    fn language(&self, _: Place<'_>) -> Option<Language> {
        None
    }

    async fn send(&self, lane: Lane, request: &Custom) -> Result<Json, Error> {
        let url = request.url(&self.client.base)?;
        for (name, _) in &request.headers {
            let own = OWN_HEADERS.into_iter().chain(self.own_header.as_deref());
            if own.into_iter().any(|own| own.eq_ignore_ascii_case(name)) {
                return Err(invalid(name, "is set by the connection itself"));
            }
        }
        let build = || {
            let mut built = Request::of(&request.method, url.clone())?;
            built = built.header("accept", "application/json");
            if let Some(body) = &request.body {
                built = built.json(body);
            }
            request.headers.iter().try_fold(built, |built, (name, value)| {
                built.named_header(name, &Secret::new(value.clone()))
            })
        };
        self.client.exchange(lane, &build).await
    }
}

fn invalid(field: &str, reason: &str) -> Error {
    Error::Invalid { field: Some(field.to_owned()), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use kit::Custom;
    use url::Url;

    #[test]
    fn a_request_never_leaves_the_source() {
        let base = Url::parse("https://api.example.com/v2").expect("an address");
        let custom = |path: &str| Custom {
            method: "GET".to_owned(),
            path: path.to_owned(),
            query: vec![("a".to_owned(), "b&c=d".to_owned())],
            headers: vec![],
            body: None,
        };
        let url = custom("/x/y").url(&base).expect("an address");
        assert_eq!(url.as_str(), "https://api.example.com/v2/x/y?a=b%26c%3Dd");
        for path in
            ["", "x", "/../x", "/..", "/%2e%2e/x", "/x/../../v3", "//y.example/", "/a?b", "/\\y"]
        {
            assert!(custom(path).url(&base).is_err(), "{path}");
        }
    }
}
