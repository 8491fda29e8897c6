//! Speaks to the running server of a configuration.

use super::pinned;
use crate::config;
use crate::exit::{self, Failure};
use crate::wiring;
use kit::Secret;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

pub struct Client {
    base: String,
    key: Secret,
    http: reqwest::Client,
}

impl Client {
    /// The server that runs with this configuration, on this machine.
    pub fn of(path: &Path) -> Result<Self, Failure> {
        let loaded = config::load(path).map_err(exit::input)?;
        let mut keys = wiring::api_keys(&loaded)?;
        let mut address = loaded.config.server.listen;
        if address.ip().is_unspecified() {
            address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(600));
        let (scheme, http) = match &loaded.config.server.tls {
            Some(section) => ("https", http.tls_backend_preconfigured(pinned::config(section)?)),
            None => ("http", http),
        };
        let http = http.build().map_err(exit::environment)?;
        Ok(Self { base: format!("{scheme}://{address}"), key: keys.swap_remove(0), http })
    }

    pub async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.send(self.http.get(format!("{}{path}", self.base))).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.send(self.http.post(format!("{}{path}", self.base)).json(body)).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.send(self.http.put(format!("{}{path}", self.base)).json(body)).await
    }

    pub async fn delete(&self, path: &str) -> Result<Value, Failure> {
        self.send(self.http.delete(format!("{}{path}", self.base))).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Value, Failure> {
        let answer = request.bearer_auth(self.key.reveal()).send().await.map_err(|_| {
            exit::environment(format!(
                "no server answers at {}: is `tieline serve` running?",
                self.base
            ))
        })?;
        let is_ok = answer.status().is_success();
        let body: Value = answer.json().await.map_err(exit::failed)?;
        if is_ok {
            return Ok(body);
        }
        if let Some(mistakes) = body["mistakes"].as_array() {
            let text = |mistake: &Value, key| mistake[key].as_str().unwrap_or_default().to_owned();
            let told = mistakes.iter().map(|one| {
                format!("{}: {}\n    {}", text(one, "at"), text(one, "message"), text(one, "fix"))
            });
            return Err(exit::input(told.collect::<Vec<_>>().join("\n")));
        }
        let told = |key: &str| body["error"][key].as_str().unwrap_or_default().to_owned();
        Err(exit::failed(format!("{}: {} {}", told("code"), told("message"), told("fix"))))
    }
}
