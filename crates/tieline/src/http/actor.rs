//! Who asks, for the audit log.

use super::access::Caller;
use axum::extract::Request;

/// The agent whom a token is bound to, else the key that a request came with.
pub fn actor(request: &Request) -> String {
    match request.extensions().get::<Caller>() {
        Some(Caller { agent: Some(agent), connection: Some(connection), .. }) => {
            signed_in(agent, connection)
        }
        Some(Caller { agent: Some(agent), .. }) => format!("agent {agent}"),
        Some(caller) => format!("key {}", caller.key),
        None => "nobody".to_owned(),
    }
}

/// An agent whom a connection's vendor vouched for: another's may have the same id.
pub fn signed_in(agent: &str, connection: &str) -> String {
    format!("agent {agent} at {connection}")
}
