//! The simulated Zoho CRM, for those who do not know it by name.

use super::sim::{self, Config, Zoho};
use crate::{Sample, Setup, Simulation, Simulator, Starting};
use ::sim::faults::Faults;
use async_trait::async_trait;
use kit::{Secret, Settings};
use std::io;

/// What the path of every request to the organization's data has in it.
pub const API: &str = "/crm/v8/";

/// Starts an organization.
pub fn start(setup: Setup) -> Starting {
    Box::pin(async move {
        if setup.requests_per_minute.is_some() {
            let reason = "Zoho counts credits by the day and not requests by the minute";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        let Setup { port, people, .. } = setup;
        let zoho = sim::start(Config { port, people, ..Config::default() }).await?;
        let logins = logins(&zoho);
        Ok(Simulation { simulator: Box::new(zoho), logins, api: API })
    })
}

/// What an administrator would write to use it: by refresh token, and as a self client.
#[must_use]
pub fn logins(zoho: &Zoho) -> Vec<Settings> {
    let config = zoho.config();
    let domain = config.api_domain.clone().unwrap_or_else(|| zoho.url());
    let table = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(key, field)| ((*key).to_owned(), (*field).into()));
        toml::Value::from(pairs.collect::<toml::Table>())
    };
    let settings = |more: Vec<(&str, toml::Value)>, secrets: &[(&str, &str)]| {
        let mut plain = vec![
            ("accounts_url", toml::Value::from(zoho.url())),
            ("api_domain", domain.clone().into()),
            ("client_id", config.client_id.clone().into()),
            ("data", table(&[("loyaltyTier", "Loyalty_Tier")])),
            ("record_url", format!("{}/tab/{{module}}/{{record}}", zoho.url()).into()),
        ];
        plain.extend(more);
        let secret =
            |(key, text): &(&str, &str)| ((*key).to_owned(), Secret::new((*text).to_owned()));
        Settings {
            plain: plain.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            secrets: secrets.iter().map(secret).collect(),
        }
    };
    let secret = ("client_secret", config.client_secret.as_str());
    let accounts = table(&[("accountNumber", "Account_Number"), ("rating", "Rating")]);
    let by_token = settings(
        vec![("account_data", accounts)],
        &[secret, ("refresh_token", &config.refresh_token)],
    );
    let by_client = settings(
        vec![("auth", "client_credentials".into()), ("org_id", config.org_id.clone().into())],
        &[secret],
    );
    vec![by_token, by_client]
}

#[async_trait]
impl Simulator for Zoho {
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
        self.count("Contacts")
    }

    fn pass_time(&self) {
        Self::pass_time(self);
    }

    fn sample(&self) -> Option<Sample> {
        Some(Sample {
            object: "Contacts",
            key: "External_Number",
            fields: ["Title", "Mailing_City"],
            needs: [("Last_Name".to_owned(), "Sample".into())].into_iter().collect(),
            made_by: ("POST", "/Contacts/upsert"),
            many_by: None,
            can_delete: true,
            tells_version: false,
        })
    }

    async fn stop(self: Box<Self>) {
        Self::stop(*self).await;
    }
}
