//! The simulated HubSpot, for those who do not know it by name.

use super::sim::{self, Config, HubSpot};
use crate::{Sample, Setup, Simulation, Simulator, Starting};
use ::sim::faults::Faults;
use async_trait::async_trait;
use kit::{Fields, Secret, Settings};

/// What the path of every request to the account's data has in it.
pub const API: &str = "/crm/";

/// Starts an account.
pub fn start(setup: Setup) -> Starting {
    Box::pin(async move {
        let Setup { port, people, requests_per_minute } = setup;
        // Ten times the searches of a real account: who tries a connection in a loop would
        // meet nothing but that limit. The connector's own tests keep to five.
        let mut config = Config { port, people, searches: 50, ..Config::default() };
        if let Some(requests) = requests_per_minute {
            // HubSpot counts by ten seconds.
            config.requests = (requests / 6).max(1) as usize;
        }
        let account = sim::start(config).await?;
        let logins = logins(&account, &account.url());
        Ok(Simulation { simulator: Box::new(account), logins, api: API })
    })
}

/// What an administrator would write to use it at this address: by service key, and by the
/// refresh token of an app.
#[must_use]
pub fn logins(account: &HubSpot, url: &str) -> Vec<Settings> {
    let config = account.config();
    let table = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(key, name)| ((*key).to_owned(), (*name).into()));
        toml::Value::from(pairs.collect::<toml::Table>())
    };
    let settings = |more: Vec<(&str, toml::Value)>, secrets: &[(&str, &str)]| {
        let mut plain = vec![
            ("api_url", toml::Value::from(url)),
            ("data", table(&[("loyaltyTier", "loyalty_tier")])),
            ("portal_id", "123456".into()),
            (
                "searches_per_second",
                toml::Value::Integer(i64::try_from(config.searches).unwrap_or(5)),
            ),
        ];
        plain.extend(more);
        let secret =
            |(key, text): &(&str, &str)| ((*key).to_owned(), Secret::new((*text).to_owned()));
        Settings {
            plain: plain.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            secrets: secrets.iter().map(secret).collect(),
        }
    };
    let companies = table(&[("erpNumber", "erp_number"), ("industry", "industry")]);
    let by_key =
        settings(vec![("account_data", companies)], &[("service_key", &config.service_key)]);
    let by_app = settings(
        vec![("auth", "oauth".into()), ("client_id", config.client_id.clone().into())],
        &[("client_secret", &config.client_secret), ("refresh_token", &config.refresh_token)],
    );
    vec![by_key, by_app]
}

#[async_trait]
impl Simulator for HubSpot {
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
        self.count("contacts")
    }

    fn sample(&self) -> Option<Sample> {
        Some(Sample {
            object: "contacts",
            key: "external_number",
            fields: ["jobtitle", "city"],
            needs: Fields::new(),
            made_by: ("POST", "/batch/upsert"),
            many_by: None,
            can_delete: true,
            tells_version: true,
        })
    }

    async fn stop(self: Box<Self>) {
        Self::stop(*self).await;
    }
}
