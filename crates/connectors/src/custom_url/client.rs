//! Speaks to one source: sends what a template made, and reads its pages.
//!
//! Everything goes to the configured address and nowhere else: a redirect is not followed,
//! and a next page at another address is none.

use super::login::Identity;
use super::signals::Errors;
use super::template::Filled;
use kit::http::{Method, Request};
use kit::{Error, Http, Lane, Token};
use serde_json::Value as Json;
use std::sync::Arc;
use url::Url;

/// Sends requests within the connection's limits.
pub(super) struct Client {
    pub(super) http: Http,
    /// The source, without a slash at the end of its path.
    pub(super) base: Url,
    pub(super) identity: Identity,
    pub(super) errors: Errors,
    /// The header that tells how many requests are left.
    pub(super) left_header: Option<String>,
    pub(super) paging: Paging,
}

/// How pages are chained, and how many are read.
#[derive(Debug, Clone)]
pub(super) struct Paging {
    pub(super) next: Next,
    pub(super) pages_max: usize,
}

/// Where the next page is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    Nowhere,
    /// Its address stands at this JSON pointer.
    Link {
        at: String,
    },
    /// What stands at this JSON pointer goes into this parameter.
    Cursor {
        at: String,
        parameter: String,
    },
    /// So many records are read; their number goes into this parameter.
    Offset {
        parameter: String,
        size: usize,
    },
    /// Pages are counted from 1 in this parameter; one with fewer records is the last.
    Page {
        parameter: String,
        size: usize,
    },
}

/// A request that repeats itself page by page.
pub(super) struct Asked {
    pub(super) filled: Filled,
    pub(super) method: Method,
    /// Where the records of an answer stand.
    pub(super) records: String,
}

impl Client {
    /// The token to be used in `lane`: a call takes what there is (invariant 11).
    ///
    /// # Errors
    /// `Unauthorized` when a call finds none, the mint's own error in the background.
    pub(super) async fn token(&self, lane: Lane) -> Result<Option<Arc<Token>>, Error> {
        match (&self.identity, lane) {
            (Identity::Tokens(tokens), Lane::Background) => {
                tokens.fresh(kit::tokens::WAIT).await.map(Some)
            }
            (Identity::Tokens(tokens), Lane::Call) => tokens.current().map(Some).ok_or_else(|| {
                Error::Unauthorized { reason: "no live token; one is being minted".to_owned() }
            }),
            _ => Ok(None),
        }
    }

    /// The answers, page after page.
    pub(super) async fn pages(&self, lane: Lane, asked: &Asked) -> Result<Vec<Json>, Error> {
        let mut url = asked.filled.url.clone();
        let mut pages: Vec<Json> = Vec::new();
        let mut read = 0;
        if let Next::Page { parameter, .. } = &self.paging.next {
            set(&mut url, parameter, "1");
        }
        for number in 1..=self.paging.pages_max {
            let page = self.send(lane, &asked.method, &url, &asked.filled).await?;
            let found = records(&page, &asked.records)?.len();
            read += found;
            let next = match &self.paging.next {
                Next::Nowhere => None,
                Next::Link { at } => self.linked(&page, at, &url)?,
                Next::Cursor { at, parameter } => told(&page, at).map(|cursor| {
                    let mut next = url.clone();
                    set(&mut next, parameter, &cursor);
                    next
                }),
                Next::Offset { parameter, size } => {
                    (found >= *size).then(|| with(&url, parameter, &read.to_string()))
                }
                Next::Page { parameter, size } => {
                    (found >= *size).then(|| with(&url, parameter, &(number + 1).to_string()))
                }
            };
            pages.push(page);
            match next {
                // A source that names the same page again would be read for ever.
                Some(next) if next != url && found > 0 => url = next,
                _ => break,
            }
        }
        Ok(pages)
    }

    /// The next page's address, which must lie where the source does.
    fn linked(&self, page: &Json, at: &str, here: &Url) -> Result<Option<Url>, Error> {
        let Some(link) = told(page, at) else { return Ok(None) };
        let next =
            here.join(&link).map_err(|_| Error::protocol("a next page that is no address"))?;
        let is_ours = next.origin() == self.base.origin()
            && is_below(&self.base, &next)
            && next.username().is_empty()
            && next.password().is_none();
        if !is_ours {
            return Err(Error::protocol("a next page at another address"));
        }
        Ok(Some(next))
    }

    async fn send(
        &self,
        lane: Lane,
        method: &Method,
        url: &Url,
        filled: &Filled,
    ) -> Result<Json, Error> {
        let build = || {
            let mut request =
                Request::new(method.clone(), url.clone()).header("accept", "application/json");
            if let Some(body) = &filled.body {
                request = request.json(body);
            }
            filled
                .headers
                .iter()
                .try_fold(request, |request, (name, value)| request.named_header(name, value))
        };
        self.exchange(lane, &build).await
    }

    /// One request as this identity, and its JSON; in the background a refused token is
    /// replaced once.
    pub(super) async fn exchange(
        &self,
        lane: Lane,
        build: &(dyn Fn() -> Result<Request, Error> + Sync),
    ) -> Result<Json, Error> {
        let token = self.token(lane).await?;
        match self.exchange_with(lane, token.as_ref(), build()?).await {
            Err(Error::Unauthorized { .. }) if token.is_some() && lane == Lane::Background => {
                let token = self.token(lane).await?;
                self.exchange_with(lane, token.as_ref(), build()?).await
            }
            outcome => outcome,
        }
    }

    async fn exchange_with(
        &self,
        lane: Lane,
        token: Option<&Arc<Token>>,
        request: Request,
    ) -> Result<Json, Error> {
        let request = self.identity.prove(request, token)?;
        let reply = self.http.send(lane, request).await?;
        let left = self.left_header.as_deref().and_then(|name| reply.header(name));
        if let Some(left) = left.and_then(|left| left.trim().parse().ok()) {
            self.http.budget().told_left(left);
        }
        let outcome = self.errors.classify(&reply);
        match (&outcome, &self.identity, token) {
            (Err(Error::Unauthorized { .. }), Identity::Tokens(tokens), Some(token)) => {
                tokens.reject(token);
            }
            (Err(Error::RateLimited { retry_after: Some(pause) }), ..) => {
                self.http.budget().pause(*pause);
            }
            _ => {}
        }
        outcome
    }
}

/// The records of an answer: a list, one alone, or none where null stands.
///
/// # Errors
/// `Protocol` when nothing stands at the pointer.
pub(super) fn records<'a>(page: &'a Json, at: &str) -> Result<Vec<&'a Json>, Error> {
    if page.is_null() {
        // An answer without a body.
        return Ok(Vec::new());
    }
    match page.pointer(at) {
        Some(Json::Array(items)) if items.iter().all(Json::is_object) => Ok(items.iter().collect()),
        Some(one @ Json::Object(_)) => Ok(vec![one]),
        Some(Json::Null) => Ok(Vec::new()),
        _ => Err(Error::protocol(format!("an answer without records at \"{at}\""))),
    }
}

/// Is the address at or below the source's own path?
pub(super) fn is_below(base: &Url, url: &Url) -> bool {
    let root = base.path().trim_end_matches('/');
    url.path().strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A text or number that stands at the pointer; nothing where it is empty.
fn told(page: &Json, at: &str) -> Option<String> {
    match page.pointer(at)? {
        Json::String(text) => (!text.is_empty()).then(|| text.clone()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn with(url: &Url, parameter: &str, value: &str) -> Url {
    let mut url = url.clone();
    set(&mut url, parameter, value);
    url
}

/// Sets a parameter of the query, in place of the one that is there.
fn set(url: &mut Url, parameter: &str, value: &str) {
    let others: Vec<(String, String)> =
        url.query_pairs().into_owned().filter(|(name, _)| name != parameter).collect();
    let mut pairs = url.query_pairs_mut();
    pairs.clear().extend_pairs(others).append_pair(parameter, value);
}
