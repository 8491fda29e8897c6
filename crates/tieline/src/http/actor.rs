//! Who asks, for the audit log.

use super::access::Caller;
use axum::extract::Request;

/// The agent whom a token is bound to, else the person or the key that a request came from.
pub fn actor(request: &Request) -> String {
    request.extensions().get::<Caller>().map_or_else(|| "nobody".to_owned(), Caller::actor)
}

/// An agent whom a connection's vendor vouched for: another's may have the same id.
pub fn signed_in(agent: &str, connection: &str) -> String {
    format!("agent {agent} at {connection}")
}
