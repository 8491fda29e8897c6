//! The simulated Genesys Cloud, for those who do not know it by name.

pub use super::presence::Times;
use super::sim::{self, Config, GenesysCloud};
use crate::{Sample, Setup, Simulation, Simulator, Starting};
use ::sim::faults::Faults;
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kit::{Capabilities, Error, Fields, Opening, Secret, Settings};

/// What the path of every request to the platform has in it, save the login's.
pub const API: &str = "/api/v2/";

/// Starts an organization. It has no people until somebody writes them.
pub fn start(setup: Setup) -> Starting {
    Box::pin(async move {
        let usual = Config::default();
        let rate_per_minute = setup.requests_per_minute.unwrap_or(usual.rate_per_minute);
        let organization =
            sim::start(Config { port: setup.port, rate_per_minute, ..usual }).await?;
        let logins = vec![login(&organization), with_widget(&organization)];
        Ok(Simulation { simulator: Box::new(organization), logins, api: API })
    })
}

/// Opens a connection whose presence keeps these times.
///
/// # Errors
/// Those of the connector.
pub fn open_in(opening: Opening, times: Times) -> Result<Capabilities, Error> {
    super::open_in(opening, times)
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

/// The same, and the client through which its agents sign in.
fn with_widget(organization: &GenesysCloud) -> Settings {
    let mut settings = login(organization);
    let widgets = vec![organization.config().widget_client_id.clone()];
    settings.plain.insert("widget_client_id".to_owned(), widgets.into());
    settings
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

    fn sample(&self) -> Option<Sample> {
        Some(Sample {
            object: "contacts",
            key: "externalIds",
            fields: ["title", "middleName"],
            needs: Fields::new(),
            made_by: ("POST", "contacts/enrich"),
            many_by: None,
            can_delete: true,
            tells_version: true,
        })
    }

    /// Two days later: the platform's cursors live for one.
    fn outlived(&self, cursor: &str) -> Option<String> {
        let (head, own) = cursor.rsplit_once('.')?;
        let told = String::from_utf8(URL_SAFE_NO_PAD.decode(own).ok()?).ok()?;
        let (issued, place) = told.split_once('.')?;
        let issued = issued.parse::<i64>().ok()? - 2 * 24 * 3_600_000;
        Some(format!("{head}.{}", URL_SAFE_NO_PAD.encode(format!("{issued}.{place}"))))
    }

    async fn stop(self: Box<Self>) {
        Self::stop(*self).await;
    }
}
