//! Who sends a request, as handlers and the audit log may know it.

use super::Identity;
use super::refusal::Refusal;
use super::scopes::Scopes;
use super::users::{self, Session};
use crate::http::{ApiError, actor};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use domain::Timestamp;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

/// Who sends a request. Laid on every request before the routes; a handler
/// takes it as an argument. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Public id of the key, also where a token made from it was sent:
    /// 16 hex digits of a stored key, `file-…` of one of the configuration, `user-…` where
    /// a person signed in with a password or at an identity provider;
    /// `page-…` with the connection where an agent came from a vendor's page.
    /// Empty at addresses that need none.
    pub key: Arc<str>,
    /// The key's or user's name; `server.api_keys` for those of the configuration.
    pub name: Arc<str>,
    #[allow(dead_code, reason = "for handlers that show more to some")]
    pub scopes: Scopes,
    /// The agent whom an agent's token is bound to, by their id at a vendor.
    pub agent: Option<Arc<str>>,
    /// The connection whose agent it is, where the vendor said so at sign-in. `None`
    /// where a key named the agent, whose holder knows what they meant.
    pub connection: Option<Arc<str>>,
    /// The call that token is for, if it is for one.
    pub call: Option<Arc<str>>,
    /// The browser's session that it is sent in, if it is.
    pub session: Option<Session>,
    /// When the token ends, if it is one.
    pub expires_at: Option<Timestamp>,
    /// Where the request comes from, behind proxies as far as they are trusted.
    pub address: IpAddr,
}

impl Caller {
    pub(super) fn new(identity: &Identity, address: IpAddr) -> Self {
        Self {
            key: Arc::clone(&identity.principal.id),
            name: Arc::clone(&identity.principal.name),
            scopes: identity.scopes,
            agent: identity.agent.clone(),
            connection: identity.connection.clone(),
            call: identity.call.clone(),
            session: identity.session.clone(),
            expires_at: identity.expires_at,
            address,
        }
    }

    /// Whoever asks where no key is needed.
    pub(super) fn nobody(address: IpAddr) -> Self {
        static EMPTY: LazyLock<Arc<str>> = LazyLock::new(|| "".into());
        let (key, name) = (Arc::clone(&EMPTY), Arc::clone(&EMPTY));
        let scopes = Scopes::default();
        let (agent, connection, call, session, expires_at) = (None, None, None, None, None);
        Self { key, name, scopes, agent, connection, call, session, expires_at, address }
    }

    /// The user's id, where a person signed in as one.
    pub fn user(&self) -> Option<&str> {
        users::id_of(&self.key)
    }

    /// Who it is, for the audit log.
    pub fn actor(&self) -> String {
        match (&self.agent, &self.connection) {
            (Some(agent), Some(connection)) => actor::signed_in(agent, connection),
            (Some(agent), None) => format!("agent {agent}"),
            (None, _) => match self.user() {
                // A name may be another's later.
                Some(id) => format!("user {} ({id})", self.name),
                None => format!("key {}", self.key),
            },
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Refusal::Missing.into())
    }
}
