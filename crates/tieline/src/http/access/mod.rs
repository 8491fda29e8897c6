//! Who may do what: decided for every request, before any route sees it.
//!
//! [`credentials`] reads what was sent, [`keys`] and [`tokens`] say whose it is,
//! [`limits`] how often they may ask, [`scopes`] what the address needs, and
//! [`forwarded`] where they really are; [`pages`] knows agents whom a vendor signed
//! in. What comes out is a [`Caller`], laid on
//! the request for handlers and the audit log. Unknown keys, dead ones and
//! missing scopes never reach a handler.

pub mod agent_tokens;
pub mod api_keys;
mod caller;
mod credentials;
pub mod forwarded;
mod keys;
mod limits;
pub mod oauth;
mod pages;
mod refusal;
pub mod scopes;
pub mod sign_in;
mod tokens;

pub use caller::Caller;
pub use scopes::{Scope, Scopes};

use super::ApiError;
use crate::config::ServerSection;
use axum::http::{HeaderMap, Method};
use credentials::Presented;
use engine::Engine;
use forwarded::Proxies;
use keys::{Keys, Principal};
use kit::Secret;
use pages::Pages;
use refusal::Refusal;
use std::net::IpAddr;
use std::sync::Arc;
use tokens::{Claims, Signer};

/// What needs a key: everything below this, whether or not there is anything, save
/// what [`scopes::is_open`] names.
const GUARDED: &str = "/api/";

/// Everything that is known about who may do what. One for the process.
pub struct Access {
    keys: Keys,
    pages: Pages,
    signer: Signer,
    proxies: Proxies,
}

/// Somebody known, before it is asked whether they may.
struct Identity {
    principal: Arc<Principal>,
    scopes: Scopes,
    agent: Option<Arc<str>>,
    connection: Option<Arc<str>>,
    call: Option<Arc<str>>,
}

impl From<Arc<Principal>> for Identity {
    fn from(principal: Arc<Principal>) -> Self {
        let scopes = principal.scopes;
        Self { principal, scopes, agent: None, connection: None, call: None }
    }
}

impl Access {
    /// `keys` are those of the configuration, which may do everything.
    pub fn new(engine: &Engine, keys: &[Secret], section: &ServerSection) -> Self {
        Self {
            keys: Keys::new(&engine.store, &engine.clock, keys, section.requests_per_minute),
            pages: Pages::new(&engine.connections, section.requests_per_minute),
            signer: Signer::new(&engine.store.derived_key("access tokens")),
            proxies: Proxies::new(section.trusted_proxies.clone(), section.forwarded_header),
        }
    }

    /// Lets a request pass that needs no key, or whose key or token may do it.
    pub async fn admit(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        peer: IpAddr,
    ) -> Result<Caller, ApiError> {
        let address = self.proxies.caller(peer, headers);
        if !path.starts_with(GUARDED) || scopes::is_open(method, path) {
            return Ok(Caller::nobody(address));
        }
        let (key, refused) = match self.identify(headers).await {
            Err(refused) => (None, refused),
            Ok(found) => match found.may(method, path) {
                Ok(()) => return Ok(Caller::new(&found, address)),
                Err(refused) => (Some(found.principal), refused),
            },
        };
        let refused = ApiError::from(refused);
        let key = key.as_ref().map_or("", |principal| &principal.id);
        tracing::debug!(caller.address = %address, caller.key = key, code = refused.code, "refused");
        Err(refused)
    }

    async fn identify(&self, headers: &HeaderMap) -> Result<Identity, Refusal> {
        match credentials::of(headers).ok_or(Refusal::Missing)? {
            Presented::Text(text) if tokens::is_token(text) => self.bearer_of(text).await,
            Presented::Text(text) => self.keys.by_text(text).await.map(Identity::from),
            // Whoever sends a token as a password may call themselves anything.
            Presented::Basic { password, .. } if tokens::is_token(&password) => {
                self.bearer_of(&password).await
            }
            Presented::Basic { user, password } => {
                self.keys.by_pair(&user, &password).await.map(Identity::from)
            }
        }
    }

    /// Who holds this token: it is as alive as the key or page that it came from.
    async fn bearer_of(&self, token: &str) -> Result<Identity, Refusal> {
        let claims = self.signer.verify(token, self.keys.now())?;
        if let Some(holder) = self.pages.holder(&claims) {
            return holder;
        }
        let principal = self.keys.by_id(&claims.key).await?;
        let mut scopes = Scopes::parse(&claims.scopes).unwrap_or_default();
        if claims.agent.is_none() {
            scopes = scopes.within(principal.scopes);
        }
        let (agent, call) = (claims.agent.map(Into::into), claims.call.map(Into::into));
        Ok(Identity { principal, scopes, agent, connection: None, call })
    }
}

impl Identity {
    fn may(&self, method: &Method, path: &str) -> Result<(), Refusal> {
        self.principal.count()?;
        let needed = scopes::needed(method, path);
        if self.scopes.allow(needed) { Ok(()) } else { Err(Refusal::ScopeMissing(needed)) }
    }
}
