//! Requests that an administrator wrote, sent as a connection's user.
//!
//! A data action names method, path, query, headers and body; the connector adds where
//! and who, and reads the vendor's signals as everywhere. Values of a call are put in by
//! [`Language`] where the vendor has a query language, so that none can end a literal.

use crate::{Error, Lane};
use async_trait::async_trait;
use std::fmt;
use url::Url;

/// Where in a request a value is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// The path; percent-encoding comes after the language.
    Path,
    /// The query parameter of this name; percent-encoding comes after the language.
    Query(&'a str),
    /// The text of the body's member of this name, such as `q`; JSON's own escaping
    /// comes after the language.
    Json(&'a str),
}

/// A vendor's query language, as far as values are concerned.
#[derive(Clone, Copy)]
pub struct Language {
    /// As its vendor calls it, such as `SOQL`.
    pub name: &'static str,
    /// A value as it is written where `before` ends: the text of this place up to there,
    /// values before it left out. Where no value may stand (outside quotes), or this
    /// value cannot be written at all, the reason is told instead. What is told names
    /// no value.
    pub literal: fn(before: &str, value: &str) -> Result<String, &'static str>,
}

impl fmt::Debug for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A request with all values in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Custom {
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    /// Below the API's own address, percent-encoded, beginning with `/`.
    pub path: String,
    /// Names and values, not yet encoded.
    pub query: Vec<(String, String)>,
    /// Besides what the connector sets itself; it refuses those that would replace it.
    pub headers: Vec<(String, String)>,
    pub body: Option<serde_json::Value>,
}

impl fmt::Debug for Custom {
    /// Without values, which name customers (invariant 9).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Custom")
            .field("method", &self.method)
            .field("query", &self.query.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("headers", &self.headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("has_body", &self.body.is_some())
            .finish_non_exhaustive()
    }
}

/// Sends what an administrator wrote.
#[async_trait]
pub trait Requests: Send + Sync {
    /// The language of a place, where the vendor has one there.
    fn language(&self, place: Place<'_>) -> Option<Language>;

    /// Sends it to this connection's own system, within its limits, with its credentials,
    /// and returns the JSON of an answer that means success (`null` for one without body).
    /// It never leaves the API's host and path, whatever the path says.
    ///
    /// # Errors
    /// Any [`Error`], as the vendor's signals mean.
    async fn send(&self, lane: Lane, request: &Custom) -> Result<serde_json::Value, Error>;
}

impl Custom {
    /// Where it goes, below the API's own address.
    ///
    /// # Errors
    /// `Invalid` naming `path` where that would lead anywhere else.
    pub fn url(&self, api: &Url) -> Result<Url, Error> {
        let mut url = self.address(api)?;
        if !self.query.is_empty() {
            let pairs = self.query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            url.query_pairs_mut().clear().extend_pairs(pairs);
            // Not every vendor reads a plus sign as a space; a real one is encoded by now.
            let spaced = url.query().unwrap_or_default().replace('+', "%20");
            url.set_query(Some(&spaced));
        }
        Ok(url)
    }

    /// The same without the query, for a vendor that writes one in its own way.
    ///
    /// # Errors
    /// As [`Custom::url`].
    pub fn address(&self, api: &Url) -> Result<Url, Error> {
        let refused = |reason: &str| Error::Invalid {
            field: Some("path".to_owned()),
            reason: reason.to_owned(),
        };
        if !self.path.starts_with('/') || self.path.contains("//") {
            return Err(refused(
                "begins with one /, below the address of the API, and holds no //",
            ));
        }
        if self.path.contains(['?', '#', '\\']) || self.path.chars().any(char::is_control) {
            return Err(refused("has no ?, # or \\ in it; a query has its own place"));
        }
        let base = api.path().trim_end_matches('/');
        let mut url = api.clone();
        url.set_path(&format!("{base}{}", self.path));
        // Dots, also percent-encoded, have been resolved by now.
        if !url.path().starts_with(&format!("{base}/")) || url.path().contains("/..") {
            return Err(refused("leads out of the API"));
        }
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::Custom;
    use url::Url;

    fn url(path: &str, query: &[(&str, &str)]) -> Result<String, String> {
        let api = Url::parse("https://crm.example.com/api/data/v9.2").expect("an address");
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let custom = Custom {
            method: "GET".to_owned(),
            path: path.to_owned(),
            query: query.iter().map(pair).collect(),
            headers: vec![],
            body: None,
        };
        custom.url(&api).map(String::from).map_err(|error| error.to_string())
    }

    #[test]
    fn a_request_never_leaves_the_api() {
        let whole = url("/contacts(1)", &[("$filter", "a eq 'b&c'")]).expect("below");
        assert_eq!(
            whole,
            "https://crm.example.com/api/data/v9.2/contacts(1)?%24filter=a%20eq%20%27b%26c%27"
        );
        for path in [
            "contacts",
            "//other.example/x",
            "/../v9.1/x",
            "/a/../../x",
            "/%2e%2e/x",
            "/a?b",
            "/a#b",
            "/a\\..\\b",
            "https://other.example/",
            "",
        ] {
            assert!(url(path, &[]).is_err(), "{path}");
        }
    }
}
