//! An alert as a POST: as it is, or as the one line that Slack and those like it show.

use crate::config::{ChannelKind, ChannelSection};
use async_trait::async_trait;
use engine::{Alert, Channel};
use kit::http::Request;
use kit::{Error, Http, Lane, Limits, Network, Secret};
use reqwest::Url;
use serde_json::{Value, json};
use std::time::Duration;

/// A channel is told a few things a day.
const LIMITS: Limits = Limits {
    requests_per_minute: 60,
    reserved_for_calls: 0,
    concurrent_calls: 1,
    concurrent_background: 2,
    timeout: Duration::from_secs(10),
};

/// One address.
pub(super) struct Webhook {
    name: String,
    kind: ChannelKind,
    http: Http,
    url: Url,
    authorization: Option<Secret>,
}

impl Webhook {
    pub(super) fn open(name: &str, section: &ChannelSection) -> Result<Self, String> {
        let url = match (&section.url, &section.url_from) {
            (Some(url), None) => Secret::new(url.clone()),
            (None, Some(source)) => source.read().map_err(|wrong| format!("url_from: {wrong}"))?,
            _ => return Err("url: one of url and url_from is required".to_owned()),
        };
        // Not repeated: who knows the address may post.
        let url = Url::parse(url.reveal()).map_err(|_| "url: is no address".to_owned())?;
        let authorization = section.authorization.as_ref().map(|source| source.read());
        let authorization = authorization.transpose();
        let network = Network {
            allow_private_addresses: section.allow_private_addresses,
            proxy_hosts: Vec::new(),
        };
        Ok(Self {
            name: name.to_owned(),
            kind: section.kind,
            http: Http::new(LIMITS, network).map_err(|wrong| format!("url: {wrong}"))?,
            url,
            authorization: authorization.map_err(|wrong| format!("authorization: {wrong}"))?,
        })
    }

    fn body(&self, alert: &Alert) -> Value {
        match self.kind {
            ChannelKind::Slack => {
                let mark = if alert.is_over { ":white_check_mark:" } else { ":warning:" };
                // `<` and `&` begin markup there.
                let plain = |text: &str| {
                    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
                };
                let (title, detail) = (plain(&alert.title), plain(&alert.detail));
                json!({ "text": format!("{mark} *{title}*\n{detail}") })
            }
            _ => serde_json::to_value(alert).unwrap_or_default(),
        }
    }
}

#[async_trait]
impl Channel for Webhook {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &'static str {
        match self.kind {
            ChannelKind::Slack => "slack",
            _ => "webhook",
        }
    }

    async fn send(&self, alert: &Alert) -> Result<(), Error> {
        let request = Request::post(self.url.clone()).json(&self.body(alert));
        let request = match &self.authorization {
            Some(value) => request.authorization(value.reveal()),
            None => request,
        };
        let reply = self.http.send(Lane::Background, request).await?;
        let told = format!("status {}", reply.status);
        match reply.status {
            200..=299 => Ok(()),
            401 => Err(Error::Unauthorized { reason: told }),
            429 => Err(Error::RateLimited { retry_after: reply.retry_after() }),
            408 | 500.. => Err(Error::unavailable(told)),
            _ => Err(Error::Invalid { field: Some("url".to_owned()), reason: told }),
        }
    }
}
