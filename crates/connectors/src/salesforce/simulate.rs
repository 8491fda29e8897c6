//! The simulated Salesforce, for those who do not know it by name.

use super::sim::{self, Config, Salesforce};
use crate::{Sample, Setup, Simulation, Simulator, Starting};
use ::sim::faults::Faults;
use async_trait::async_trait;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kit::{Secret, Settings};
use serde_json::json;
use std::io;
use std::sync::OnceLock;

/// What the path of every request to the org's data has in it.
pub const API: &str = "/services/data/";

/// Starts an org whose day is long enough for any test.
pub fn start(setup: Setup) -> Starting {
    Box::pin(async move {
        if setup.requests_per_minute.is_some() {
            let reason = "Salesforce counts requests by the day and not by the minute";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        let Setup { port, people, .. } = setup;
        let config = Config { port, people, daily_limit: u64::MAX / 2, ..Config::default() };
        let (org, logins) = with_logins(config).await?;
        Ok(Simulation { simulator: Box::new(org), logins, api: API })
    })
}

/// Starts an org, and says what an administrator would write to use it: by the
/// client's secret, and by a private key, whose public half the org is given.
///
/// # Errors
/// When the port is taken, a configured row is refused, or no key can be made.
pub async fn with_logins(config: Config) -> io::Result<(Salesforce, Vec<Settings>)> {
    let keys = keys()?;
    let config = Config { public_key: Some(keys.public.clone()), ..config };
    let org = sim::start(config.clone()).await?;
    let data = [
        ("crmCaseId", "CRM_Case_Id__c"),
        ("loyaltyTier", "Loyalty_Tier__c"),
        ("company", "Account.Name"),
    ];
    let data: toml::Table =
        data.into_iter().map(|(key, field)| (key.to_owned(), field.into())).collect();
    let client = |more: Vec<(&str, toml::Value)>, (name, secret): (&str, &str)| {
        let mut plain = vec![
            ("login_url", toml::Value::from(org.url())),
            ("pubsub_url", org.pubsub_url().into()),
            ("client_id", config.consumer_key.clone().into()),
        ];
        plain.extend(more);
        Settings {
            plain: plain.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            secrets: [(name.to_owned(), Secret::new(secret.to_owned()))].into(),
        }
    };
    let by_secret = client(vec![("data", data.into())], ("client_secret", &config.consumer_secret));
    let user = config.username.clone();
    let widget = config.widget_key.clone();
    let mut by_key = client(
        vec![
            ("auth", "jwt_bearer".into()),
            ("username", user.into()),
            ("widget_client_id", widget.into()),
        ],
        ("private_key", &keys.private),
    );
    let secret = Secret::new(config.widget_secret.clone());
    by_key.secrets.insert("widget_client_secret".to_owned(), secret);
    Ok((org, vec![by_secret, by_key]))
}

/// A key pair: PKCS#8 in PEM, and the public half in DER.
struct Keys {
    private: String,
    public: Vec<u8>,
}

/// One pair for the whole process: making one takes a while.
fn keys() -> io::Result<&'static Keys> {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    if let Some(keys) = KEYS.get() {
        return Ok(keys);
    }
    let failed = |_| io::Error::other("no RSA key can be made");
    let pair = KeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
    let private: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(failed)?;
    let text = STANDARD.encode(private.as_ref());
    let lines: Vec<&str> =
        (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    let (begin, end) = ("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----");
    let private = format!("{begin}\n{}\n{end}\n", lines.join("\n"));
    Ok(KEYS.get_or_init(|| Keys { private, public: public.as_ref().to_vec() }))
}

#[async_trait]
impl Simulator for Salesforce {
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
        self.count("Contact")
    }

    fn sample(&self) -> Option<Sample> {
        Some(Sample {
            object: "Contact",
            key: "External_Id__c",
            fields: ["Title", "Department"],
            needs: [("LastName".to_owned(), json!("Sample"))].into_iter().collect(),
            made_by: ("PATCH", "External_Id__c"),
            many_by: None,
            can_delete: true,
            tells_version: false,
        })
    }

    /// Twenty days later: the log of deletions holds fifteen.
    fn outlived(&self, cursor: &str) -> Option<String> {
        let mut parts: Vec<&str> = cursor.split('.').collect();
        let log = parts.get(3)?.parse::<i64>().ok()? - 20 * 24 * 3_600_000;
        let log = log.to_string();
        parts[3] = &log;
        Some(parts.join("."))
    }

    async fn stop(self: Box<Self>) {
        Self::stop(*self).await;
    }
}
