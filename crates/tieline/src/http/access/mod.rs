//! Who may do what: decided for every request, before any route sees it.
//!
//! [`credentials`] reads what was sent, [`keys`] and [`tokens`] say whose it is,
//! [`limits`] how often they may ask, [`scopes`] what the address needs, and
//! [`forwarded`] where they really are; [`pages`] knows agents whom a vendor signed
//! in, [`sessions`] people in their browsers, [`users`] and [`roles`] who these are. What comes out is a [`Caller`], laid on
//! the request for handlers and the audit log. Unknown keys, dead ones and
//! missing scopes never reach a handler.

pub mod account;
pub mod agent_tokens;
pub mod api_keys;
mod caller;
mod credentials;
pub mod forwarded;
mod keys;
mod limits;
pub mod oauth;
pub mod oidc;
mod pages;
pub mod passwords;
mod refusal;
pub mod roles;
pub mod scopes;
mod second_factor;
mod session_body;
mod session_refusals;
pub mod sessions;
pub mod sign_in;
mod tokens;
pub mod users;

pub use caller::Caller;
pub use scopes::{Scope, Scopes};

use super::ApiError;
use crate::config::ServerSection;
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use credentials::Presented;
use domain::Timestamp;
use engine::Live;
use forwarded::Proxies;
use keys::{Keys, Principal};
use kit::Secret;
use pages::Pages;
use refusal::Refusal;
use sessions::Sessions;
use std::net::IpAddr;
use std::sync::Arc;
use tokens::{Claims, Signer};
use users::{Session, Users};

/// What needs a key: everything below this, whether or not there is anything, save
/// what [`scopes::is_open`] names.
const GUARDED: &str = "/api/";

/// Everything that is known about who may do what. One for the process.
pub struct Access {
    keys: Keys,
    pages: Pages,
    pub sessions: Sessions,
    pub users: Users,
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
    session: Option<Session>,
    expires_at: Option<Timestamp>,
}

impl From<Arc<Principal>> for Identity {
    fn from(principal: Arc<Principal>) -> Self {
        let scopes = principal.scopes;
        let (agent, connection, call, session, expires_at) = (None, None, None, None, None);
        Self { principal, scopes, agent, connection, call, session, expires_at }
    }
}

impl Access {
    /// `keys` are those of the configuration, which may do everything.
    pub fn new(live: &Live, keys: &[Secret], section: &ServerSection) -> Self {
        let engine = live.now();
        Self {
            keys: Keys::new(&engine.store, &engine.clock, keys, section.requests_per_minute),
            pages: Pages::new(live, section.requests_per_minute),
            sessions: Sessions::new(&engine.store.derived_key("sessions of browsers")),
            users: Users::new(&engine.store, &engine.clock, section.requests_per_minute),
            signer: Signer::new(&engine.store.derived_key("access tokens")),
            proxies: Proxies::new(section.trusted_proxies.clone(), section.forwarded_header),
        }
    }

    /// Lets a request pass that needs no key, or whose key or token may do it.
    pub async fn admit(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        peer: IpAddr,
    ) -> Result<Caller, ApiError> {
        let (address, path) = (self.proxies.caller(peer, headers), uri.path());
        if !path.starts_with(GUARDED) || scopes::is_open(method, path) {
            return Ok(Caller::nobody(address));
        }
        let found = match scopes::needed(method, path) {
            Scope::Agent => self.identify_page((method, uri), headers).await,
            _ => self.identify(method, headers).await,
        };
        let (key, refused) = match found {
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

    async fn identify(&self, method: &Method, headers: &HeaderMap) -> Result<Identity, Refusal> {
        let Some(presented) = credentials::of(headers) else {
            return self.identify_browser(method, headers).await;
        };
        match presented {
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

    /// Whoever signed in in a browser, which sends nothing but its cookie.
    async fn identify_browser(
        &self,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Identity, Refusal> {
        let token = sessions::token_of(headers).ok_or(Refusal::Missing)?;
        // A page of a neighbouring host may open a WebSocket, and the cookie goes along.
        if headers.contains_key(header::UPGRADE) && !is_same_host(headers) {
            return Err(Refusal::ForeignPage);
        }
        let found = self.bearer_of(token).await?;
        let session = found.session.as_ref().ok_or(Refusal::TokenInvalid)?;
        if !self.sessions.is_from_our_page(method, headers, &session.id) {
            return Err(Refusal::ForeignPage);
        }
        Ok(found)
    }

    /// As [`Access::identify`], at the addresses that a page opens by itself: where it can
    /// send no header, an agent's token may stand in the address, or beside the name of
    /// the protocol. Never a key: addresses are written down along the way.
    async fn identify_page(
        &self,
        (method, uri): (&Method, &Uri),
        headers: &HeaderMap,
    ) -> Result<Identity, Refusal> {
        match credentials::of(headers) {
            // A browser sends a password that it remembers to whichever page asks.
            Some(Presented::Basic { .. }) if headers.contains_key(header::ORIGIN) => {}
            Some(_) => return self.identify(method, headers).await,
            None => {}
        }
        let Some(token) = credentials::of_page(uri.query(), headers) else {
            return self.identify_browser(method, headers).await;
        };
        let found = self.bearer_of(token).await?;
        if found.agent.is_none() {
            return Err(Refusal::TokenInvalid);
        }
        Ok(found)
    }

    /// Whether what opened a stream would still open it.
    pub async fn still(&self, caller: &Caller) -> Result<(), ApiError> {
        if caller.expires_at.is_some_and(|end| self.keys.now() >= end) {
            return Err(Refusal::TokenExpired.into());
        }
        if let Some(session) = &caller.session {
            self.users.goes_on(session).await?;
        }
        // Whoever signed in at a page holds no key that could die before their token.
        if caller.connection.is_none() {
            let principal = self.principal(&caller.key, caller.session.as_ref()).await?;
            // Whoever may less than when it was opened opens it anew, with what they may now.
            let may_less = caller.scopes.within(principal.scopes) != caller.scopes;
            if caller.agent.is_none() && may_less {
                return Err(Refusal::TokenExpired.into());
            }
        }
        Ok(())
    }

    /// Who holds this token: it is as alive as the key or page that it came from.
    async fn bearer_of(&self, token: &str) -> Result<Identity, Refusal> {
        let claims = self.signer.verify(token, self.keys.now())?;
        if let Some(holder) = self.pages.holder(&claims) {
            return holder;
        }
        let session = claims
            .session
            .zip(claims.began_at)
            .map(|(id, began_at)| Session { id: id.into(), began_at: Timestamp(began_at) });
        let principal = self.principal(&claims.key, session.as_ref()).await?;
        if let Some(session) = &session {
            self.users.goes_on(session).await?;
        }
        let mut scopes = Scopes::parse(&claims.scopes).unwrap_or_default();
        // Who may make such tokens no more has made none.
        if claims.agent.is_some() && !principal.scopes.allow(Scope::Agents) {
            return Err(Refusal::TokenInvalid);
        }
        if claims.agent.is_none() {
            // What a person may do is what their role says now.
            let is_user = users::id_of(&claims.key).is_some();
            scopes = if is_user { principal.scopes } else { scopes.within(principal.scopes) };
        }
        let (agent, call) = (claims.agent.map(Into::into), claims.call.map(Into::into));
        let expires_at = Some(Timestamp(claims.expires_at));
        Ok(Identity { principal, scopes, agent, connection: None, call, session, expires_at })
    }

    /// Whoever holds the key, or is the user, by the id that a token names.
    async fn principal(
        &self,
        key: &str,
        session: Option<&Session>,
    ) -> Result<Arc<Principal>, Refusal> {
        match users::id_of(key) {
            Some(user) => self.users.by_id(user, session).await,
            None => self.keys.by_id(key).await,
        }
    }
}

/// Whether the page that asks is of the host that is asked.
fn is_same_host(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let origin = text(header::ORIGIN).and_then(|origin| origin.split_once("://"));
    origin.is_some_and(|(_, host)| text(header::HOST) == Some(host))
}

impl Identity {
    fn may(&self, method: &Method, path: &str) -> Result<(), Refusal> {
        self.principal.count()?;
        // One's own account, whatever else one may do.
        if self.session.is_some() && self.agent.is_none() && scopes::is_ones_own(path) {
            return Ok(());
        }
        // No key is an agent's; one that may read sees what any of them may see.
        let needed = match scopes::needed(method, path) {
            Scope::Agent if self.agent.is_none() => scopes::of_keys(path),
            needed => needed,
        };
        if self.scopes.allow(needed) { Ok(()) } else { Err(Refusal::ScopeMissing(needed)) }
    }
}
