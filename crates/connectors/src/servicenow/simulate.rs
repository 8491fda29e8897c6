//! The simulated ServiceNow, for those who do not know it by name.

use super::sim::{self, Config, Instance};
use crate::{Sample, Setup, Simulation, Simulator, Starting};
use ::sim::faults::Faults;
use async_trait::async_trait;
use kit::{Secret, Settings};
use std::io;

/// What the path of every request to the tables has in it.
pub const API: &str = "/api/now/";

/// Starts an instance.
pub fn start(setup: Setup) -> Starting {
    Box::pin(async move {
        if setup.requests_per_minute.is_some() {
            let reason = "ServiceNow counts by the hour, and only where the customer says so";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        let Setup { port, people, .. } = setup;
        let instance = sim::start(Config { port, people, ..Config::default() }).await?;
        let logins = logins(&instance);
        Ok(Simulation { simulator: Box::new(instance), logins, api: API })
    })
}

/// What an administrator would write to use it: by client credentials, with a user's
/// password for a token, and with the password on each request.
#[must_use]
pub fn logins(instance: &Instance) -> Vec<Settings> {
    let table = |pairs: &[(&str, &str)]| -> toml::Value {
        let pairs = pairs.iter().map(|(name, path)| ((*name).to_owned(), (*path).into()));
        toml::Value::Table(pairs.collect())
    };
    let config = instance.config();
    let settings = |more: &[(&str, &str)], secrets: &[(&str, &str)]| {
        let mut plain = vec![
            ("instance_url", toml::Value::from(instance.url())),
            ("data", table(&[("crmCaseId", "u_external_key"), ("company", "account.name")])),
        ];
        plain.extend(more.iter().map(|(key, value)| (*key, toml::Value::from(*value))));
        let secret =
            |(key, text): &(&str, &str)| ((*key).to_owned(), Secret::new((*text).to_owned()));
        Settings {
            plain: plain.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            secrets: secrets.iter().map(secret).collect(),
        }
    };
    let (id, secret) =
        (config.client_id.as_str(), ("client_secret", config.client_secret.as_str()));
    let (user, password) = (config.username.as_str(), ("password", config.password.as_str()));
    let mut by_client = settings(&[("client_id", id)], &[secret]);
    by_client.plain.insert("data_display".to_owned(), table(&[("loyaltyTier", "u_tier")]));
    let by_password = [("auth", "password"), ("client_id", id), ("username", user)];
    vec![
        by_client,
        settings(&by_password, &[secret, password]),
        settings(&[("auth", "basic"), ("username", user)], &[password]),
    ]
}

#[async_trait]
impl Simulator for Instance {
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
        self.count("customer_contact")
    }

    fn sample(&self) -> Option<Sample> {
        Some(Sample {
            object: "customer_contact",
            key: "u_external_key",
            fields: ["title", "first_name"],
            needs: [("last_name".to_owned(), "Sample".into())].into_iter().collect(),
            made_by: ("POST", "/table/customer_contact"),
            many_by: Some(("POST", "/now/v1/batch")),
            can_delete: true,
            tells_version: true,
        })
    }

    async fn stop(self: Box<Self>) {
        Self::stop(*self).await;
    }
}
