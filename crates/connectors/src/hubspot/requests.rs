//! Sends what an administrator wrote, below `/crm` of HubSpot's API.
//!
//! HubSpot has no query language: filters are JSON, and JSON's own escaping is enough.

use super::client::{Ask, Client, Method};
use async_trait::async_trait;
use kit::{Custom, Error, Lane, Language, Place, Requests};
use serde_json::Value;
use std::sync::Arc;

/// Where a data action may go.
const BELOW: &str = "/crm/";

/// The data actions of one connection.
pub(super) struct Actions {
    pub(super) client: Arc<Client>,
}

#[async_trait]
impl Requests for Actions {
    fn language(&self, _place: Place<'_>) -> Option<Language> {
        None
    }

    async fn send(&self, lane: Lane, request: &Custom) -> Result<Value, Error> {
        let ask = ask(request)?;
        self.client.send(lane, &ask).await.map(|(body, _)| body)
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
    // As the address will be read: steps back are taken before it is compared.
    let mut url = url::Url::parse("https://api.invalid").map_err(|_| refused("path", "is none"))?;
    url.set_path(&request.path);
    if !request.path.starts_with('/') || !url.path().starts_with(BELOW) {
        return Err(refused("path", "begins with /crm/ and stays below it"));
    }
    if !request.headers.is_empty() {
        return Err(refused("headers", "HubSpot has none that a request may set"));
    }
    let mut ask = Ask::new(method, url.path());
    ask.query.clone_from(&request.query);
    ask.body.clone_from(&request.body);
    Ok(ask)
}

#[cfg(test)]
mod tests {
    use super::ask;
    use kit::Custom;

    #[test]
    fn a_path_stays_below_crm() {
        let path = |path: &str| {
            let request = Custom {
                method: "GET".to_owned(),
                path: path.to_owned(),
                query: vec![],
                headers: vec![],
                body: None,
            };
            ask(&request).map(|ask| ask.path)
        };
        for text in [
            "",
            "crm/x",
            "/oauth/v1/token",
            "/crm/../oauth",
            "/crm/%2e%2e/oauth",
            "//crm/x",
            "/crm",
        ] {
            assert!(path(text).is_err(), "{text}");
        }
        let sent = path("/crm/objects/2026-09/contacts/search?x#y").expect("below");
        assert_eq!(sent, "/crm/objects/2026-09/contacts/search%3Fx%23y");
    }
}
