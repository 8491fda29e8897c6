//! One connection of any connector to its own simulated vendor.
//!
//! The contract suite knows nothing more of a vendor than what stands here: how
//! its simulator is started, and what an administrator would write to use it.

use crate::logs;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use connectors::genesys_cloud::sim::{self as genesys_cloud, GenesysCloud};
use connectors::salesforce::sim::{self as salesforce, Salesforce};
use domain::{Phone, Region};
use kit::{Ask, Capabilities, Connector, Error, Lane, Limits, Network, Opening, Profile, Push};
use kit::{Secret, Settings};
use sim::faults::Faults;
use std::sync::OnceLock;
use std::time::Duration;

/// The number and e-mail of a person every simulator knows or accepts.
pub(crate) const PHONE: &str = "+15550199999";
pub(crate) const EMAIL: &str = "john.doe@example.com";

pub(crate) enum Vendor {
    Salesforce(Box<Salesforce>),
    GenesysCloud(Box<GenesysCloud>),
}

/// A connector, its simulator, and complete settings for each way of logging in.
pub(crate) struct Rig {
    pub(crate) connector: Connector,
    pub(crate) vendor: Vendor,
    pub(crate) logins: Vec<Settings>,
    pub(crate) timeout: Duration,
}

impl Rig {
    /// The simulator of a connector, running.
    pub(crate) async fn of(connector: Connector) -> Self {
        logs::capture();
        let (vendor, logins) = match connector.manifest.name.as_str() {
            "salesforce" => salesforce_org(salesforce::Config::default()).await,
            "genesys_cloud" => genesys_organization().await,
            other => panic!("{other} has no simulator here"),
        };
        let timeout = Duration::from_millis(connector.manifest.limits.timeout_ms);
        Self { connector, vendor, logins, timeout }
    }

    pub(crate) async fn salesforce(config: salesforce::Config) -> Self {
        logs::capture();
        let connector = connectors::by_name("salesforce").expect("Salesforce");
        let (vendor, logins) = salesforce_org(config).await;
        Self { connector, vendor, logins, timeout: Duration::from_secs(5) }
    }

    pub(crate) async fn genesys_cloud() -> Self {
        Self::of(connectors::by_name("genesys_cloud").expect("Genesys Cloud")).await
    }

    pub(crate) fn org(&self) -> &Salesforce {
        let Vendor::Salesforce(org) = &self.vendor else { panic!("no Salesforce") };
        org
    }

    pub(crate) fn organization(&self) -> &GenesysCloud {
        let Vendor::GenesysCloud(organization) = &self.vendor else { panic!("no Genesys Cloud") };
        organization
    }

    pub(crate) fn faults(&self) -> &Faults {
        match &self.vendor {
            Vendor::Salesforce(org) => org.faults(),
            Vendor::GenesysCloud(organization) => organization.faults(),
        }
    }

    pub(crate) fn revoke_tokens(&self) {
        match &self.vendor {
            Vendor::Salesforce(org) => org.revoke_tokens(),
            Vendor::GenesysCloud(organization) => organization.revoke_tokens(),
        }
    }

    /// What the paths of everything but the login have in them.
    pub(crate) fn api(&self) -> &'static str {
        match &self.vendor {
            Vendor::Salesforce(_) => "/services/data/",
            Vendor::GenesysCloud(_) => "/api/v2/",
        }
    }

    /// Requests for a token so far, and for anything else.
    pub(crate) fn requests(&self) -> (usize, usize) {
        let log = self.faults().requests().log();
        let mints = log.iter().filter(|seen| !seen.target.contains(self.api())).count();
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
            network: Network { allow_private_addresses: true },
            region: Region::parse("US").expect("a region"),
        })
    }

    /// An open connection that has logged in.
    pub(crate) async fn open(&self) -> Capabilities {
        let connection = self.open_with(self.logins[0].clone()).expect("complete settings");
        let tokens = connection.tokens.as_ref().expect("tokens");
        tokens.fresh(Duration::from_secs(10)).await.expect("a token");
        connection
    }
}

/// Does what the connector claims to do, once, in the background.
pub(crate) async fn exercise(connection: &Capabilities) -> Result<(), Error> {
    if let Some(lookup) = &connection.lookup {
        lookup.find(Lane::Background, &[ask()]).await?;
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
            email: Some(EMAIL.to_owned()),
            phones: vec![PHONE.to_owned()],
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

async fn salesforce_org(config: salesforce::Config) -> (Vendor, Vec<Settings>) {
    let (private, public) = keys();
    let config = salesforce::Config { public_key: Some(public.clone()), ..config };
    let org = salesforce::start(config.clone()).await.expect("a port");
    let url = toml::Value::from(org.url());
    let data: toml::Table = [
        ("crmCaseId", "CRM_Case_Id__c"),
        ("loyaltyTier", "Loyalty_Tier__c"),
        ("company", "Account.Name"),
    ]
    .map(|(k, v)| (k.to_owned(), v.into()))
    .into_iter()
    .collect();
    let key = || toml::Value::from(config.consumer_key.clone());
    let by_secret = settings(
        &[("login_url", url.clone()), ("client_id", key()), ("data", data.into())],
        &[("client_secret", &config.consumer_secret)],
    );
    let by_key = settings(
        &[
            ("login_url", url),
            ("auth", "jwt_bearer".into()),
            ("client_id", key()),
            ("username", config.username.clone().into()),
        ],
        &[("private_key", private)],
    );
    (Vendor::Salesforce(Box::new(org)), vec![by_secret, by_key])
}

async fn genesys_organization() -> (Vendor, Vec<Settings>) {
    let config = genesys_cloud::Config::default();
    let (id, secret) = (config.client_id.clone(), config.client_secret.clone());
    let source = config.external_source.1.clone();
    let organization = genesys_cloud::start(config).await.expect("a port");
    let settings = settings(
        &[
            ("api_url", organization.url().into()),
            ("client_id", id.into()),
            ("external_source", source.into()),
        ],
        &[("client_secret", &secret)],
    );
    (Vendor::GenesysCloud(Box::new(organization)), vec![settings])
}

/// One RSA key for all tests: making one takes a while.
fn keys() -> (&'static str, &'static Vec<u8>) {
    static KEYS: OnceLock<(String, Vec<u8>)> = OnceLock::new();
    let (private, public) = KEYS.get_or_init(|| {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
        let private = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).expect("its private half");
        let public =
            AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()).expect("its public half");
        let text = STANDARD.encode(private.as_ref());
        let lines: Vec<&str> =
            (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
        let (begin, end) = ("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----");
        (format!("{begin}\n{}\n{end}\n", lines.join("\n")), public.as_ref().to_vec())
    });
    (private, public)
}
