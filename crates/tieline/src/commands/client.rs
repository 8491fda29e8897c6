//! Speaks to the running server of a configuration, or to the demo's.

use super::pinned;
use crate::config;
use crate::demo;
use crate::exit::{self, Failure};
use crate::simulate::fault;
use crate::wiring;
use kit::Secret;
use serde_json::Value;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

/// The configuration that is meant where none is named.
const USUAL: &str = "tieline.toml";
/// How long an answer may take: a backup is one.
const PATIENCE: Duration = Duration::from_secs(600);

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
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE);
        let (scheme, http) = match &loaded.config.server.tls {
            Some(section) => ("https", http.tls_backend_preconfigured(pinned::config(section)?)),
            None => ("http", http),
        };
        let http = http.build().map_err(exit::environment)?;
        Ok(Self { base: format!("{scheme}://{address}"), key: keys.swap_remove(0), http })
    }

    /// The same; where no configuration is named and there is none, the demo that runs. Only
    /// for commands whose mistaken use in a wrong folder does no harm.
    pub fn of_or_demo(path: &Path) -> Result<Self, Failure> {
        let is_usual = path == Path::new(USUAL) && !path.exists();
        match is_usual.then(fault::own).flatten() {
            Some(demo) => Self::of_demo(&demo),
            None => Self::of(path),
        }
    }

    /// The server of a demo. Only its port is taken from its folder: the machine is this one,
    /// and the key the public one.
    fn of_demo(folder: &Path) -> Result<Self, Failure> {
        let loaded = config::load(&folder.join(USUAL)).map_err(exit::input)?;
        let port = loaded.config.server.listen.port();
        let base = format!("http://{}:{port}", std::net::Ipv4Addr::LOCALHOST);
        // Talk; nobody listening is no failure.
        writeln!(std::io::stderr(), "there is no {USUAL} here: asking the demo at {base}").ok();
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build();
        let key = Secret::new(demo::KEY.to_owned());
        Ok(Self { base, key, http: http.map_err(exit::environment)? })
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

    pub async fn patch(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.send(self.http.patch(format!("{}{path}", self.base)).json(body)).await
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
