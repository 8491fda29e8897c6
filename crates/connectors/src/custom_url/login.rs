//! Who asks: with what each request proves it.
//!
//! Tokens are minted behind, by client credentials (RFC 6749 §4.4); everything else is a
//! secret that goes with each request.

use async_trait::async_trait;
use kit::http::Request;
use kit::oauth;
use kit::{Error, Http, Mint, Minted, Secret, Token, Tokens};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Life of a token whose answer names none.
const LIFETIME: Duration = Duration::from_secs(300);

/// With what a request proves who asks.
pub(super) enum Identity {
    Nobody,
    User {
        name: String,
        password: Secret,
    },
    /// Always the same token.
    Bearer(Secret),
    /// A key in a header of this name.
    Key {
        header: String,
        key: Secret,
    },
    Tokens(Arc<Tokens>),
}

impl Identity {
    /// The request with its proof.
    ///
    /// # Errors
    /// `Invalid` naming the header that cannot be sent so.
    pub(super) fn prove(
        &self,
        request: Request,
        token: Option<&Arc<Token>>,
    ) -> Result<Request, Error> {
        Ok(match self {
            Self::Nobody => request,
            Self::User { name, password } => request.basic(name, password),
            Self::Bearer(token) => request.authorization(&format!("Bearer {}", token.reveal())),
            Self::Key { header, key } => request.named_header(header, key)?,
            Self::Tokens(_) => match token {
                Some(token) => request.authorization(&format!("Bearer {}", token.value.reveal())),
                None => request,
            },
        })
    }
}

/// Mints this connection's tokens.
pub(super) struct Login {
    pub(super) http: Http,
    pub(super) endpoint: Url,
    pub(super) id: String,
    pub(super) secret: Secret,
    pub(super) scope: Option<String>,
    /// Are id and secret members of the form, in place of HTTP Basic?
    pub(super) in_form: bool,
}

#[async_trait]
impl Mint for Login {
    async fn mint(&self) -> Result<Minted, Error> {
        let mut pairs = vec![("grant_type", "client_credentials")];
        pairs.extend(self.scope.as_deref().map(|scope| ("scope", scope)));
        if self.in_form {
            pairs
                .extend([("client_id", self.id.as_str()), ("client_secret", self.secret.reveal())]);
        }
        let mut login = oauth::form(self.endpoint.clone(), &pairs, vec![self.secret.clone()]);
        if !self.in_form {
            login = login.basic(&self.id, &self.secret);
        }
        let granted = oauth::log_in(&self.http, login).await?;
        Ok(Minted {
            value: Secret::new(granted.access_token),
            lifetime: granted.expires_in.map_or(LIFETIME, Duration::from_secs),
            base_url: None,
            scope: granted.scope.unwrap_or_default(),
        })
    }
}
