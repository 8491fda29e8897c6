//! Logs in at an instance's own token endpoint.
//!
//! The form names the client; the user as well, for the password grant. As long as a
//! token lives the endpoint gives the same one again with what is left of its life, so
//! that a fresh one ahead of need is had by the refresh token, where one came. All that
//! came is kept in the vault; what of it has ended is replaced by the credentials.
//!
//! Source: OAuth 2.0 with inbound REST ("oauth_token.do").

use async_trait::async_trait;
use kit::oauth::{self, Grant};
use kit::vault::{Given, Renewed};
use kit::{Error, Http, Mint, Minted, Secret};
use std::time::Duration;
use url::Url;

/// Life of a token whose answer names none: the vendor's default is half an hour.
const LIFETIME: Duration = Duration::from_secs(900);

/// Mints this connection's tokens.
pub(super) struct Login {
    pub(super) http: Http,
    pub(super) endpoint: Url,
    pub(super) client_id: String,
    pub(super) client_secret: Secret,
    /// In whose name; `None`: the application's own user.
    pub(super) user: Option<(String, Secret)>,
}

#[async_trait]
impl Mint for Login {
    async fn mint(&self) -> Result<Minted, Error> {
        self.renew(&Given::new()).await.map(|renewed| renewed.minted)
    }

    async fn renew(&self, before: &Given) -> Result<Renewed, Error> {
        if let Some(refresh) = oauth::last_refresh_token(before) {
            let pairs = [("grant_type", "refresh_token"), ("refresh_token", refresh.reveal())];
            match self.granted(&pairs, &refresh).await {
                Ok(grant) => {
                    let mut renewed = renewed(grant);
                    oauth::keep_refresh_token(&mut renewed.given, &refresh);
                    return Ok(renewed);
                }
                // It has ended or was revoked: the credentials themselves decide.
                Err(Error::Unauthorized { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let grant = match &self.user {
            None => {
                self.granted(&[("grant_type", "client_credentials")], &self.client_secret).await?
            }
            Some((name, password)) => {
                let pairs = [
                    ("grant_type", "password"),
                    ("username", name.as_str()),
                    ("password", password.reveal()),
                ];
                self.granted(&pairs, password).await?
            }
        };
        Ok(renewed(grant))
    }
}

impl Login {
    async fn granted(&self, pairs: &[(&str, &str)], secret: &Secret) -> Result<Grant, Error> {
        let mut all = pairs.to_vec();
        all.extend([
            ("client_id", self.client_id.as_str()),
            ("client_secret", self.client_secret.reveal()),
        ]);
        let secrets = vec![self.client_secret.clone(), secret.clone()];
        oauth::log_in(&self.http, oauth::form(self.endpoint.clone(), &all, secrets)).await
    }
}

/// The token, and all that came with it.
fn renewed(grant: Grant) -> Renewed {
    let given = grant.given();
    let minted = Minted {
        value: Secret::new(grant.access_token),
        lifetime: grant.expires_in.map_or(LIFETIME, Duration::from_secs),
        base_url: None,
        scope: grant.scope.unwrap_or_default(),
    };
    Renewed { minted, given }
}
