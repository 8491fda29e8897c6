//! Speaks to Acme Crm: asks for people, and tells what its answers mean.
//!
//! [`classify`] is the one place that knows the vendor's signals.

use super::mapping;
use async_trait::async_trait;
use domain::{Contact, Numbering};
use kit::connector::Flaw;
use kit::http::Request;
use kit::{Ask, Check, Error, Finding, Http, Lane, Lookup, Reply, Secret};
use serde_json::Value;
use std::time::Duration;
use url::Url;

/// Pause after a throttle that does not say how long.
const THROTTLE_PAUSE: Duration = Duration::from_secs(10);

/// The way to one account.
pub(super) struct Client {
    pub(super) http: Http,
    pub(super) base: Url,
    pub(super) key: Secret,
    /// For numbers that records hold in national form.
    pub(super) numbers: Numbering,
}

#[async_trait]
impl Lookup for Client {
    async fn find(&self, lane: Lane, asks: &[Ask]) -> Result<Vec<Vec<Contact>>, Error> {
        let mut found = Vec::with_capacity(asks.len());
        for ask in asks {
            let Some(phone) = &ask.phone else {
                found.push(Vec::new());
                continue;
            };
            let answer = self.get(lane, "people", &[("phone", &phone.e164)]).await?;
            found.push(mapping::contacts(&answer, self.numbers)?);
        }
        Ok(found)
    }
}

#[async_trait]
impl Check for Client {
    async fn check(&self) -> Vec<Finding> {
        let asked = self.get(Lane::Background, "people", &[]).await;
        vec![Finding {
            what: "people".to_owned(),
            outcome: asked.map(drop).map_err(|error| flaw(&error)),
        }]
    }
}

fn flaw(error: &Error) -> Flaw {
    let (code, message, fix) = match error {
        Error::Unauthorized { .. } => (
            "connection.credentials_refused",
            format!("Acme Crm refused the key: {error}."),
            "Make a new key there and set it as api_key.",
        ),
        Error::Forbidden { missing } => (
            "connection.scope_missing",
            format!("Acme Crm let us in but not to {missing}."),
            "Grant it to the user of the key.",
        ),
        Error::NotFound | Error::Invalid { .. } => (
            "connection.setting_refused",
            format!("Acme Crm refused the request: {error}."),
            "Compare base_url with the address of its API.",
        ),
        error => (
            "connection.unreachable",
            format!("Acme Crm did not answer: {error}."),
            "Make sure that base_url is right and can be reached from here, and try again.",
        ),
    };
    Flaw { code, message, fix: fix.to_owned() }
}

impl Client {
    async fn get(&self, lane: Lane, path: &str, query: &[(&str, &str)]) -> Result<Value, Error> {
        let mut url = self.base.join(path).map_err(|_| Error::protocol("a path that is none"))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = Request::get(url).authorization(&format!("Bearer {}", self.key.reveal()));
        let outcome = classify(&self.http.send(lane, request).await?);
        if let Err(Error::RateLimited { retry_after }) = &outcome {
            self.http.budget().pause(retry_after.unwrap_or(THROTTLE_PAUSE));
        }
        outcome
    }
}

/// What an answer means: its body, or what to do next. A refusal that is no JSON
/// comes from something between us and the vendor.
fn classify(reply: &Reply) -> Result<Value, Error> {
    match reply.status {
        200..=299 => reply.json(),
        401 => Err(Error::Unauthorized { reason: "the key was refused".to_owned() }),
        403 if reply.json().is_ok() => {
            Err(Error::Forbidden { missing: "access to people".to_owned() })
        }
        404 => Err(Error::NotFound),
        409 => Err(Error::Conflict { reason: "status 409".to_owned() }),
        429 => Err(Error::RateLimited { retry_after: reply.retry_after() }),
        500..=599 => Err(Error::unavailable(format!("status {}", reply.status))),
        status => Err(Error::protocol(format!("status {status}"))),
    }
}
