//! Logs in to one Salesforce org: by the app's secret, or by a signed assertion.
//!
//! A token lives as long as its session, which the org does not tell; all that it tells is
//! kept, because other nodes learn from it which org and user are ours.

use super::sign_in;
use async_trait::async_trait;
use kit::oauth::{self, Claims};
use kit::vault::{Given, Renewed};
use kit::{Error, Http, Mint, Minted, Secret};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use url::Url;

/// How a connection logs in.
pub(super) enum Grant {
    ClientCredentials { id: String, secret: Secret },
    JwtBearer { id: String, username: String, audience: String, key: Secret },
}

/// Mints this connection's tokens.
pub(super) struct Login {
    pub(super) http: Http,
    pub(super) endpoint: Url,
    pub(super) grant: Grant,
    pub(super) lifetime: Duration,
    /// Our own org, told with every token: it never changes.
    pub(super) org: Arc<OnceLock<String>>,
}

impl Login {
    /// The token request, which also proves a private key to be one.
    ///
    /// # Errors
    /// `Invalid` naming `private_key`.
    pub(super) fn request(&self) -> Result<oauth::Login, Error> {
        match &self.grant {
            Grant::ClientCredentials { id, secret } => {
                Ok(oauth::client_credentials(self.endpoint.clone(), id, secret))
            }
            Grant::JwtBearer { id, username, audience, key } => {
                let claims = Claims {
                    issuer: id,
                    subject: username,
                    audience,
                    // The vendor takes at most three minutes; clocks differ.
                    lifetime: 150,
                };
                oauth::jwt_bearer(self.endpoint.clone(), &claims, key)
            }
        }
    }
}

#[async_trait]
impl Mint for Login {
    async fn mint(&self) -> Result<Minted, Error> {
        self.renew(&Given::new()).await.map(|renewed| renewed.minted)
    }

    async fn renew(&self, _before: &Given) -> Result<Renewed, Error> {
        let granted = oauth::log_in(&self.http, self.request()?).await?;
        let given = granted.given();
        let instance = granted
            .instance_url
            .ok_or_else(|| Error::protocol("a token answer without instance_url"))?;
        if self.endpoint.scheme() == "https" && !instance.starts_with("https://") {
            return Err(Error::protocol("an instance_url without TLS"));
        }
        if let Some((org, _)) = granted.id.as_deref().and_then(sign_in::identity) {
            self.org.get_or_init(|| org);
        }
        let minted = Minted {
            value: Secret::new(granted.access_token),
            // The vendor sends no expires_in: a token lives as long as its session, two hours
            // unless an administrator shortened it, and a refused one is replaced at once.
            lifetime: self.lifetime,
            base_url: Some(instance.trim_end_matches('/').to_owned()),
            scope: granted.scope.unwrap_or_default(),
        };
        Ok(Renewed { minted, given })
    }
}
