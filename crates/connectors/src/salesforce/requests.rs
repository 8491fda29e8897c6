//! Requests that an administrator wrote: below the REST API, or one of the org's own.
//!
//! A value stands within a quoted text of SOQL or SOSL, or is one word of a search, and
//! is escaped for it; anywhere else in a query none may stand ([`literal`]).
//!
//! Source: SOQL and SOSL Reference, "Quoted String Escape Sequences", "LIKE", "FIND".

use super::client::Client;
use super::soql::escaped;
use async_trait::async_trait;
use kit::http::Request;
use kit::{Custom, Error, Lane, Language, Place, Requests};
use serde_json::Value;
use std::sync::Arc;
use url::Url;

/// Sends what an administrator wrote.
pub(super) struct Written {
    pub(super) client: Arc<Client>,
}

#[async_trait]
impl Requests for Written {
    fn language(&self, place: Place<'_>) -> Option<Language> {
        match place {
            Place::Query("q") | Place::Json("q") => Some(Language { name: "SOQL", literal }),
            // An address within a body, and GraphQL, whose values have a place of their own.
            Place::Json("url" | "query") => Some(Language { name: "none", literal: nowhere }),
            Place::Path | Place::Query(_) | Place::Json(_) => None,
        }
    }

    async fn send(&self, lane: Lane, request: &Custom) -> Result<Value, Error> {
        let path = whole_path(request, self.client.api_version())?;
        self.client.custom(lane, &path, request).await
    }
}

/// A path below the version in use, unless it names one, or a service of the org's own.
fn whole_path(custom: &Custom, version: &str) -> Result<String, Error> {
    let roots = ["/services/data", "/services/apexrest"];
    let named = roots.into_iter().find_map(|root| {
        let below = custom.path.strip_prefix(root).filter(|below| below.starts_with('/'))?;
        Some((root.to_owned(), below))
    });
    let (root, below) =
        named.unwrap_or_else(|| (format!("/services/data/v{version}"), &custom.path));
    let org = Url::parse("https://org.invalid").and_then(|org| org.join(&root));
    let org = org.map_err(|_| Error::protocol("a root that is no address"))?;
    let below = Custom { path: below.to_owned(), query: Vec::new(), ..custom.clone() };
    Ok(below.address(&org)?.path().to_owned())
}

/// The request without who asks.
///
/// # Errors
/// `Invalid` where its method is none.
pub(super) fn request(custom: &Custom, mut url: Url) -> Result<Request, Error> {
    if !custom.query.is_empty() {
        url.query_pairs_mut().extend_pairs(&custom.query);
    }
    let request = Request::of(&custom.method, url)?;
    Ok(match &custom.body {
        Some(body) => request.json(body),
        None => request,
    })
}

fn nowhere(_: &str, _: &str) -> Result<String, &'static str> {
    Err("a value here would be part of a query; write the request as an action of its own")
}

/// Where a query's text ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Syntax,
    /// Within `'…'`; after LIKE, `%` and `_` stand for others.
    Quotes {
        is_like: bool,
    },
    /// Within `{…}` of a search, or a phrase in it.
    Term,
    Phrase,
}

/// A value where `before` ends.
fn literal(before: &str, value: &str) -> Result<String, &'static str> {
    match at(before)? {
        At::Syntax => Err("it would be syntax of the query"),
        At::Quotes { is_like: false } => Ok(escaped(value)),
        At::Quotes { is_like: true } => Ok(escaped(value).replace('%', "\\%").replace('_', "\\_")),
        At::Term => word(value),
        At::Phrase => Ok(in_search(value)),
    }
}

fn at(before: &str) -> Result<At, &'static str> {
    let text = before.trim_start();
    let begins = |word: &str| text.get(..word.len()).is_some_and(|s| s.eq_ignore_ascii_case(word));
    if !begins("SELECT ") && !begins("FIND ") {
        return Err("the query begins with neither SELECT nor FIND");
    }
    let mut at = At::Syntax;
    let mut chars = text.char_indices();
    while let Some((index, c)) = chars.next() {
        at = match (at, c) {
            (At::Quotes { .. } | At::Term | At::Phrase, '\\') => {
                chars.next().ok_or("it would be the rest of an escape")?;
                at
            }
            (At::Syntax, '\'') => {
                let word = text[..index].trim_end();
                let like = word.len().checked_sub(4).and_then(|from| word.get(from..));
                At::Quotes { is_like: like.is_some_and(|word| word.eq_ignore_ascii_case("LIKE")) }
            }
            (At::Quotes { .. }, '\'') | (At::Term, '}') => At::Syntax,
            (At::Syntax, '{') => At::Term,
            (At::Term, '"') => At::Phrase,
            (At::Phrase, '"') => At::Term,
            _ => at,
        };
    }
    Ok(at)
}

/// One word of a search.
fn word(value: &str) -> Result<String, &'static str> {
    let is_operator =
        ["AND", "OR", "NOT"].iter().any(|operator| value.eq_ignore_ascii_case(operator));
    if is_operator || value.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("outside a phrase it would be more than one word; put quotes around it");
    }
    Ok(in_search(value))
}

/// A backslash before what means something in a search.
fn in_search(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        if "?&|!{}[]()^~*:\\\"'+-".contains(c) {
            text.push('\\');
        }
        text.push(if c.is_control() { ' ' } else { c });
    }
    text
}

#[cfg(test)]
mod tests;
