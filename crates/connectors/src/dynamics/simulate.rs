//! The simulated Dataverse, for those who do not know it by name.

use super::sim::{self, Config, Dataverse};
use crate::{Sample, Setup, Simulation, Simulator, Starting};
use ::sim::faults::Faults;
use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use kit::{Secret, Settings};
use std::io;
use std::sync::OnceLock;

/// What the path of every request but a login has in it.
pub const API: &str = "/api/data/";

/// Starts an environment.
pub fn start(setup: Setup) -> Starting {
    Box::pin(async move {
        let Setup { port, people, requests_per_minute } = setup;
        let config = Config { port, people, requests_per_minute, ..Config::default() };
        let (environment, logins) = with_logins(config).await?;
        Ok(Simulation { simulator: Box::new(environment), logins, api: API })
    })
}

/// Starts an environment, and says what an administrator would write to use it: by secret,
/// and by a certificate that its app registration is given.
///
/// # Errors
/// When the port is taken or no key can be made.
pub async fn with_logins(config: Config) -> io::Result<(Dataverse, Vec<Settings>)> {
    let keys = keys()?;
    let certificate = Some((keys.public.clone(), keys.thumbprint.clone()));
    let environment = sim::start(Config { certificate, ..config }).await?;
    let config = environment.config();
    let map = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(key, path)| ((*key).to_owned(), (*path).into()));
        toml::Value::from(pairs.collect::<toml::Table>())
    };
    let plain = |more: Vec<(&str, toml::Value)>| {
        let mut plain = vec![
            ("base_url", toml::Value::from(environment.url())),
            ("login_url", environment.url().into()),
            ("tenant", config.tenant.clone().into()),
            ("client_id", config.client_id.clone().into()),
        ];
        plain.extend(more);
        plain.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    };
    let secret = |name: &str, text: &str| (name.to_owned(), Secret::new(text.to_owned()));
    let data = map(&[
        ("crmCaseId", "new_caseref"),
        ("loyaltyTier", "new_tier@label"),
        ("company", "parentcustomerid_account/name"),
    ]);
    let account_data = map(&[("creditHold", "creditonhold"), ("creditLimit", "creditlimit")]);
    let by_secret = Settings {
        plain: plain(vec![("data", data), ("account_data", account_data)]),
        secrets: [secret("client_secret", &config.client_secret)].into(),
    };
    let by_certificate = Settings {
        plain: plain(vec![("auth", "certificate".into())]),
        secrets: [secret("private_key", &keys.private), secret("certificate", &keys.certificate)]
            .into(),
    };
    Ok((environment, vec![by_secret, by_certificate]))
}

/// A key pair, and what stands for its certificate: Entra knows one by its SHA-256, and
/// neither side reads what is in it.
struct Keys {
    private: String,
    public: Vec<u8>,
    certificate: String,
    thumbprint: String,
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
    let certificate = [b"certificate of ", public.as_ref()].concat();
    Ok(KEYS.get_or_init(|| Keys {
        private: pem("PRIVATE KEY", private.as_ref()),
        public: public.as_ref().to_vec(),
        certificate: pem("CERTIFICATE", &certificate),
        thumbprint: URL_SAFE_NO_PAD.encode(digest(&SHA256, &certificate)),
    }))
}

fn pem(what: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", lines.join("\n"))
}

#[async_trait]
impl Simulator for Dataverse {
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
        self.count("contact")
    }

    fn sample(&self) -> Option<Sample> {
        Some(Sample {
            object: "contacts",
            key: "externaluseridentifier",
            fields: ["jobtitle", "address1_city"],
            needs: [("lastname".to_owned(), "Sample".into())].into_iter().collect(),
            made_by: ("PATCH", "/contacts("),
            many_by: Some(("POST", "/$batch")),
            can_delete: true,
            tells_version: true,
        })
    }

    async fn stop(self: Box<Self>) {
        Self::stop(*self).await;
    }
}
