//! Sends what an administrator wrote, below `/crm/v8` of the organization's own API.
//!
//! COQL stands in the member `select_query` of a body, search criteria in the parameter
//! `criteria`; values get into both by [`coql::language`](super::coql::language) alone.

use super::client::{Ask, Client, Method};
use super::coql;
use async_trait::async_trait;
use kit::{Custom, Error, Lane, Language, Place, Requests};
use serde_json::Value;
use std::sync::Arc;
use url::Url;

/// Headers of Zoho's own that a request may have.
const HEADERS: [&str; 4] = ["if-modified-since", "if-unmodified-since", "x-external", "x-crm-org"];

/// The data actions of one connection.
pub(super) struct Actions {
    pub(super) client: Arc<Client>,
}

#[async_trait]
impl Requests for Actions {
    fn language(&self, place: Place<'_>) -> Option<Language> {
        coql::language(place)
    }

    async fn send(&self, lane: Lane, request: &Custom) -> Result<Value, Error> {
        let answer = self.client.send(lane, &ask(request)?).await?;
        Ok(answer.body.unwrap_or(Value::Null))
    }
}

fn ask(request: &Custom) -> Result<Ask, Error> {
    let refused = |field: &str, reason: &str| Error::Invalid {
        field: Some(field.to_owned()),
        reason: reason.to_owned(),
    };
    let method = match request.method.as_str() {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "PATCH" => Method::Patch,
        "DELETE" => Method::Delete,
        _ => return Err(refused("method", "is none of GET, POST, PUT, PATCH and DELETE")),
    };
    // Whatever its dots come to: it stays below the address of the API.
    let api = Url::parse("https://zoho.invalid/crm/v8").map_err(|_| refused("path", "is none"))?;
    request.url(&api)?;
    let mut ask = Ask::new(method, request.path.clone());
    ask.query.clone_from(&request.query);
    ask.body.clone_from(&request.body);
    for (name, value) in &request.headers {
        let known = HEADERS.iter().find(|known| known.eq_ignore_ascii_case(name));
        let Some(known) = known else {
            return Err(refused("headers", &format!("may be {} and no other", HEADERS.join(", "))));
        };
        ask = ask.header(known, value.clone());
    }
    Ok(ask)
}
