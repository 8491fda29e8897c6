//! Requests that an administrator wrote, to this account's own REST services and nowhere else.

use super::client::Client;
use super::suiteql::SUITEQL;
use async_trait::async_trait;
use kit::http::Request;
use kit::{Custom, Error, Lane, Language, Place, Requests};
use serde_json::Value;
use std::sync::Arc;

/// What the connector sets on every request.
const OWN: [&str; 2] = ["authorization", "accept"];
/// Where queries go, which NetSuite takes only as transient ones.
const QUERY: &str = "/query/v1/suiteql";

/// The requests of one connection.
pub(super) struct Sender {
    pub(super) client: Arc<Client>,
}

#[async_trait]
impl Requests for Sender {
    fn language(&self, place: Place<'_>) -> Option<Language> {
        match place {
            Place::Json("q") => Some(SUITEQL),
            Place::Json(_) | Place::Path | Place::Query(_) => None,
        }
    }

    async fn send(&self, lane: Lane, request: &Custom) -> Result<Value, Error> {
        let url = request.url(&self.client.api)?;
        for (name, _) in &request.headers {
            if OWN.iter().any(|own| own.eq_ignore_ascii_case(name)) {
                let reason = "is set by the connection".to_owned();
                return Err(Error::Invalid { field: Some(format!("headers.{name}")), reason });
            }
        }
        let is_query = request.path == QUERY;
        // Tried once, so that a mistake is told before anything is sent.
        let build = || {
            let built = Request::of(&request.method, url.clone())?;
            let built = match &request.body {
                Some(body) => built.json(body),
                None => built,
            };
            let built = if is_query { built.header("prefer", "transient") } else { built };
            built.more_headers(&request.headers)
        };
        build()?;
        let ask = || build().unwrap_or_else(|_| Request::get(url.clone()));
        let reply = self.client.exchange(lane, &ask).await?;
        if reply.body.is_empty() { Ok(Value::Null) } else { reply.json() }
    }
}
