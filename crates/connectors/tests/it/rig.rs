//! One connection of any connector to its own simulated vendor.
//!
//! All it knows of a vendor is its [`Vendor`], as `connectors::all()` lists it. The
//! tests of one vendor alone give [`Rig::new`] a simulator whose type they know.

use crate::logs;
use connectors::{Setup, Simulation, Simulator, Vendor};
use domain::{ContactPhone, Phone, PhoneKind, Region};
use kit::{Ask, Capabilities, Connector, Error, Lane, Limits, Network, Opening, Profile, Push};
use kit::{Secret, Settings};
use sim::faults::Faults;
use std::time::Duration;

/// The number and e-mail of a person every simulator knows or accepts.
pub(crate) const PHONE: &str = "+15550199999";
pub(crate) const EMAIL: &str = "john.doe@example.com";

/// A connector, its simulator, and complete settings for each way of logging in.
pub(crate) struct Rig<S: Simulator + ?Sized = dyn Simulator> {
    pub(crate) connector: Connector,
    pub(crate) simulator: Box<S>,
    pub(crate) logins: Vec<Settings>,
    pub(crate) timeout: Duration,
    /// What the paths of everything but the login have in them.
    pub(crate) api: &'static str,
}

impl Rig {
    /// The simulator of a vendor, running.
    pub(crate) async fn of(vendor: Vendor) -> Self {
        let starting = (vendor.simulate)(Setup::default());
        let Simulation { simulator, logins, api } = starting.await.expect("a port");
        Self::new(vendor.connector, simulator, logins, api)
    }
}

impl<S: Simulator + ?Sized> Rig<S> {
    /// A simulator that runs already.
    pub(crate) fn new(
        connector: Connector,
        simulator: Box<S>,
        logins: Vec<Settings>,
        api: &'static str,
    ) -> Self {
        logs::capture();
        let timeout = Duration::from_millis(connector.manifest.limits.timeout_ms);
        Self { connector, simulator, logins, timeout, api }
    }

    pub(crate) fn name(&self) -> &str {
        &self.connector.manifest.name
    }

    pub(crate) fn faults(&self) -> &Faults {
        self.simulator.faults()
    }

    /// Requests for a token so far, and for anything else.
    pub(crate) fn requests(&self) -> (usize, usize) {
        let log = self.faults().requests().log();
        let mints = log.iter().filter(|seen| !seen.target.contains(self.api)).count();
        (mints, log.len() - mints)
    }

    pub(crate) fn open_with(&self, settings: Settings) -> Result<Capabilities, Error> {
        let limits = self.connector.manifest.limits;
        (self.connector.open)(Opening {
            name: "test".to_owned(),
            settings,
            limits: Limits {
                requests_per_minute: limits.requests_per_minute,
                reserved_for_calls: limits.reserved_for_calls,
                concurrent_calls: limits.concurrent_calls,
                concurrent_background: limits.concurrent_background,
                timeout: self.timeout,
            },
            network: Network { allow_private_addresses: true, ..Network::default() },
            numbers: Region::parse("US").expect("a region").into(),
        })
    }

    /// An open connection that has logged in, where the vendor has one do that.
    pub(crate) async fn open(&self) -> Capabilities {
        let connection = self.open_with(self.logins[0].clone()).expect("complete settings");
        if let Some(tokens) = &connection.tokens {
            tokens.fresh(Duration::from_secs(10)).await.expect("a token");
        }
        connection
    }
}

/// Does what the connector claims to do, once, in the background.
pub(crate) async fn exercise(connection: &Capabilities) -> Result<(), Error> {
    if let Some(lookup) = &connection.lookup {
        lookup.find(Lane::Background, &[ask()]).await?;
    }
    if let Some(accounts) = &connection.accounts {
        accounts.find(Lane::Background, &["1000001".to_owned()]).await?;
    }
    if let Some(contact_center) = &connection.contact_center {
        contact_center.enrich(&[push()]).await?.remove(0)?;
    }
    Ok(())
}

pub(crate) fn phone(e164: &str) -> Phone {
    Phone { e164: e164.to_owned(), extension: None }
}

pub(crate) fn ask() -> Ask {
    Ask { phone: Some(phone(PHONE)), email: Some(EMAIL.to_owned()), record: None }
}

pub(crate) fn push() -> Push {
    Push {
        external_id: "CRM:0035g00000Jd9XaAAJ".to_owned(),
        profile: Profile {
            name: "John Doe".to_owned(),
            first_name: Some("John".to_owned()),
            last_name: Some("Doe".to_owned()),
            email: Some(EMAIL.to_owned()),
            phones: vec![ContactPhone::new(PhoneKind::Work, PHONE)],
            url: Some("https://acme.example.com/0035g00000Jd9XaAAJ".to_owned()),
        },
    }
}

/// Settings as a file and its secrets would give them.
pub(crate) fn settings(plain: &[(&str, toml::Value)], secrets: &[(&str, &str)]) -> Settings {
    let secret = |(key, text): &(&str, &str)| ((*key).to_owned(), Secret::new((*text).to_owned()));
    Settings {
        plain: plain.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect(),
        secrets: secrets.iter().map(secret).collect(),
    }
}
