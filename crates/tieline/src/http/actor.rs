//! Who asks, for the audit log.

use super::access::Caller;
use axum::extract::Request;

/// The agent whom a token is bound to, else the key that a request came with.
pub fn actor(request: &Request) -> String {
    match request.extensions().get::<Caller>() {
        Some(Caller { agent: Some(agent), .. }) => format!("agent {agent}"),
        Some(caller) => format!("key {}", caller.key),
        None => "nobody".to_owned(),
    }
}
