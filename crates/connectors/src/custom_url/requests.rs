//! Requests that an administrator wrote as a data action, sent with this connection's login.
//!
//! They stay at the source's own address. A source of one's own has no query language that
//! is known here: values are encoded as path, query or JSON, and that is all.

use super::client::{Client, is_below};
use async_trait::async_trait;
use kit::http::{Method, Request};
use kit::{Custom, Error, Lane, Language, Place, Requests, Secret};
use serde_json::Value as Json;
use std::sync::Arc;
use url::Url;

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
        let url = address(&self.client.base, request)?;
        let method = match request.method.as_str() {
            "GET" => Method::GET,
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            "PATCH" => Method::PATCH,
            "DELETE" => Method::DELETE,
            _ => return Err(invalid("method", "is GET, POST, PUT, PATCH or DELETE")),
        };
        for (name, _) in &request.headers {
            let own = OWN_HEADERS.into_iter().chain(self.own_header.as_deref());
            if own.into_iter().any(|own| own.eq_ignore_ascii_case(name)) {
                return Err(invalid(name, "is set by the connection itself"));
            }
        }
        let build = || {
            let mut built = Request::new(method.clone(), url.clone());
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

/// The address below the source's own, or a refusal when the path leads elsewhere.
fn address(base: &Url, request: &Custom) -> Result<Url, Error> {
    let path = &request.path;
    if !path.starts_with('/') || path.contains(['?', '#', '\\']) || path.contains("//") {
        return Err(invalid("path", "begins with one / and holds no ?, #, \\ or //"));
    }
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    // Dots, written out or encoded, are resolved by now.
    if !is_below(base, &url) || url.origin() != base.origin() {
        return Err(invalid("path", "leads out of base_url"));
    }
    if !request.query.is_empty() {
        url.query_pairs_mut().extend_pairs(&request.query);
    }
    Ok(url)
}

fn invalid(field: &str, reason: &str) -> Error {
    Error::Invalid { field: Some(field.to_owned()), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::address;
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
        let url = address(&base, &custom("/x/y")).expect("an address");
        assert_eq!(url.as_str(), "https://api.example.com/v2/x/y?a=b%26c%3Dd");
        for path in
            ["", "x", "/../x", "/..", "/%2e%2e/x", "/x/../../v3", "//y.example/", "/a?b", "/\\y"]
        {
            assert!(address(&base, &custom(path)).is_err(), "{path}");
        }
    }
}
