//! The simulated NetSuite, for those who do not know it by name.

use super::sim::{self, Account, Algorithm, Config};
use crate::{Sample, Setup, Simulation, Simulator, Starting};
use ::sim::faults::Faults;
use async_trait::async_trait;
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kit::{Secret, Settings};
use std::io;
use std::sync::OnceLock;

/// What the path of every query has in it.
pub const API: &str = "/services/rest/query/";

/// Starts an account.
pub fn start(setup: Setup) -> Starting {
    Box::pin(async move {
        if setup.requests_per_minute.is_some() {
            let reason = "NetSuite limits requests at once and not those of a minute";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        let Setup { port, people, .. } = setup;
        let (account, logins) = with_logins(Config { port, people, ..Config::default() }).await?;
        Ok(Simulation { simulator: Box::new(account), logins, api: API })
    })
}

/// Starts an account, and says what an administrator would write to use it: by an RSA key
/// and by one on a curve, whose certificates the account is given.
///
/// # Errors
/// When the port is taken or no key can be made.
pub async fn with_logins(config: Config) -> io::Result<(Account, Vec<Settings>)> {
    let keys = keys()?;
    let certificate = |key: &Key| (key.id.to_owned(), key.algorithm, key.public.clone());
    let certificates = keys.iter().map(certificate).collect();
    let account = sim::start(Config { certificates, ..config }).await?;
    let map = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(key, path)| ((*key).to_owned(), (*path).into()));
        toml::Value::from(pairs.collect::<toml::Table>())
    };
    let data = map(&[("tier", "contact.custentity_tier"), ("category", "customer.category@label")]);
    let account_data = map(&[
        ("erpAccountStatus", "status"),
        ("erpBalance", "balancesearch@number"),
        ("erpOverdue", "overduebalancesearch@number"),
        ("erpHold", "creditholdoverride@label"),
    ]);
    let invoices = map(&[("count", "erpOpenInvoices"), ("due", "erpOpenAmount")]);
    let login = |key: &Key| Settings {
        plain: [
            ("account", toml::Value::from("123456_SB1")),
            ("base_url", account.url().into()),
            ("client_id", account.config().client_id.clone().into()),
            ("certificate_id", key.id.into()),
            ("algorithm", key.name.into()),
            ("data", data.clone()),
            ("account_data", account_data.clone()),
            ("account_invoices", invoices.clone()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect(),
        secrets: [("private_key".to_owned(), Secret::new(pem(&key.private)))].into(),
    };
    // By the RSA key as usual, which is also the default and need not be named.
    let mut logins: Vec<Settings> = keys.iter().map(login).collect();
    logins[0].plain.remove("algorithm");
    Ok((account, logins))
}

/// A key whose certificate the account knows.
pub struct Key {
    /// The certificate's id.
    pub id: &'static str,
    /// As in the header of what it signs.
    pub name: &'static str,
    algorithm: Algorithm,
    /// PKCS #8 in DER.
    pub private: Vec<u8>,
    public: Vec<u8>,
}

/// The keys of this process: making them takes a while.
///
/// # Errors
/// When none can be made.
pub fn keys() -> io::Result<&'static [Key; 2]> {
    static KEYS: OnceLock<[Key; 2]> = OnceLock::new();
    if let Some(keys) = KEYS.get() {
        return Ok(keys);
    }
    let failed = |_| io::Error::other("no key can be made");
    let pair = RsaKeyPair::generate(KeySize::Rsa3072).map_err(failed)?;
    let private: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(failed)?;
    let curve = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?;
    let curve_private = curve.to_pkcs8v1().map_err(failed)?;
    let rsa = Key {
        id: "sim-certificate-rsa",
        name: "PS256",
        algorithm: Algorithm::Ps256,
        private: private.as_ref().to_vec(),
        public: public.as_ref().to_vec(),
    };
    let curve = Key {
        id: "sim-certificate-ec",
        name: "ES256",
        algorithm: Algorithm::Es256,
        private: curve_private.as_ref().to_vec(),
        public: curve.public_key().as_ref().to_vec(),
    };
    Ok(KEYS.get_or_init(|| [rsa, curve]))
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    let (begin, end) = ("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----");
    format!("{begin}\n{}\n{end}\n", lines.join("\n"))
}

#[async_trait]
impl Simulator for Account {
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

    fn pass_time(&self) {
        self.advance(1);
    }

    fn sample(&self) -> Option<Sample> {
        let needs = [("entityId", "Sample"), ("lastName", "Sample")];
        Some(Sample {
            object: "contact",
            key: "externalId",
            fields: ["title", "custentity_tier"],
            needs: needs.into_iter().map(|(name, text)| (name.to_owned(), text.into())).collect(),
            made_by: ("PUT", "/contact/eid:"),
            many_by: None,
            can_delete: true,
            tells_version: false,
        })
    }

    async fn stop(self: Box<Self>) {
        Self::stop(*self).await;
    }
}
