//! The simulated Genesys Cloud, for those who do not know it by name.

use super::sim::{self, Config, GenesysCloud};
use crate::{Setup, Simulation, Simulator, Starting};
use ::sim::faults::Faults;
use async_trait::async_trait;
use kit::{Secret, Settings};

/// What the path of every request to the platform has in it, save the login's.
pub const API: &str = "/api/v2/";

/// Starts an organization. It has no people until somebody writes them.
pub fn start(setup: Setup) -> Starting {
    Box::pin(async move {
        let usual = Config::default();
        let rate_per_minute = setup.requests_per_minute.unwrap_or(usual.rate_per_minute);
        let organization =
            sim::start(Config { port: setup.port, rate_per_minute, ..usual }).await?;
        let logins = vec![login(&organization)];
        Ok(Simulation { simulator: Box::new(organization), logins, api: API })
    })
}

/// What an administrator would write to use this organization.
#[must_use]
pub fn login(organization: &GenesysCloud) -> Settings {
    let config = organization.config();
    let plain = [
        ("api_url", organization.url()),
        ("client_id", config.client_id.clone()),
        ("external_source", config.external_source.1.clone()),
    ];
    let secret = Secret::new(config.client_secret.clone());
    Settings {
        plain: plain.map(|(key, text)| (key.to_owned(), text.into())).into(),
        secrets: [("client_secret".to_owned(), secret)].into(),
    }
}

#[async_trait]
impl Simulator for GenesysCloud {
    fn url(&self) -> String {
        Self::url(self)
    }

    fn faults(&self) -> &Faults {
        Self::faults(self)
    }

    fn revoke_tokens(&self) {
        Self::revoke_tokens(self);
    }

    fn contacts(&self) -> usize {
        Self::contacts(self).len()
    }

    async fn stop(self: Box<Self>) {
        Self::stop(*self).await;
    }
}
