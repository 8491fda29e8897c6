//! The simulated S/4HANA, for those who do not know it by name.

use super::sim::{self, Config, S4};
use crate::{Sample, Setup, Simulation, Simulator, Starting};
use ::sim::faults::Faults;
use async_trait::async_trait;
use kit::{Secret, Settings};
use serde_json::json;
use std::io;

/// What the path of every request to the service has in it.
pub const API: &str = "/sap/opu/odata/";

/// Starts a system.
pub fn start(setup: Setup) -> Starting {
    Box::pin(async move {
        if setup.requests_per_minute.is_some() {
            let reason = "SAP states no limit of requests per minute";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        let Setup { port, people, .. } = setup;
        let system = sim::start(Config { port, people, ..Config::default() }).await?;
        let logins = logins(&system);
        Ok(Simulation { simulator: Box::new(system), logins, api: API })
    })
}

/// What an administrator would write to use it: by client credentials, and by password.
#[must_use]
pub fn logins(system: &S4) -> Vec<Settings> {
    let data = [
        ("erpAccountStatus", "status"),
        ("erpCustomer", "Customer"),
        ("erpClass", "to_Customer/CustomerClassification"),
        ("erpIsBlocked", "BusinessPartnerIsBlocked"),
    ];
    let data: toml::Table =
        data.into_iter().map(|(key, path)| (key.to_owned(), path.into())).collect();
    let config = system.config();
    let settings = |more: Vec<(&str, toml::Value)>, (name, secret): (&str, &str)| {
        let mut plain =
            vec![("base_url", toml::Value::from(system.url())), ("data", data.clone().into())];
        plain.extend(more);
        Settings {
            plain: plain.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            secrets: [(name.to_owned(), Secret::new(secret.to_owned()))].into(),
        }
    };
    let page = format!("{}/ui#BusinessPartner-manage?BusinessPartner={{record}}", system.url());
    let by_token = settings(
        vec![("client_id", config.client_id.clone().into()), ("record_url", page.into())],
        ("client_secret", &config.client_secret),
    );
    let by_password = settings(
        vec![
            ("auth", "basic".into()),
            ("username", config.username.clone().into()),
            ("sap_client", config.sap_client.clone().into()),
        ],
        ("password", &config.password),
    );
    vec![by_token, by_password]
}

#[async_trait]
impl Simulator for S4 {
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
        self.partners()
    }

    fn sample(&self) -> Option<Sample> {
        let needs = [("BusinessPartnerCategory", "1"), ("LastName", "Sample")];
        Some(Sample {
            object: "A_BusinessPartner",
            key: "BusinessPartnerIDByExtSystem",
            fields: ["SearchTerm2", "MiddleName"],
            needs: needs.into_iter().map(|(name, text)| (name.to_owned(), json!(text))).collect(),
            made_by: ("POST", "A_BusinessPartner"),
            many_by: None,
            can_delete: false,
            tells_version: false,
        })
    }

    async fn stop(self: Box<Self>) {
        Self::stop(*self).await;
    }
}
