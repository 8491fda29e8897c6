//! Why somebody is not let in, told in the house's shape.
//!
//! Only who proved to hold a secret is told that it is revoked or has expired.

use super::scopes::Scope;
use crate::http::ApiError;
use axum::http::StatusCode;

/// Why somebody is not let in.
#[derive(Debug)]
pub enum Refusal {
    /// Nothing was sent that could be a key.
    Missing,
    /// What was sent is no key of ours.
    Unknown,
    Revoked,
    Expired,
    /// A token that we never made, or that was changed.
    TokenInvalid,
    TokenExpired,
    ScopeMissing(Scope),
    /// A browser's session, and nothing that only our own page could say.
    ForeignPage,
    /// Too many requests; whole seconds until the next one may come.
    RateLimited {
        retry_after_s: u64,
    },
    /// It could not be found out.
    Store(state::Error),
}

impl From<state::Error> for Refusal {
    fn from(error: state::Error) -> Self {
        Self::Store(error)
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let unauthorized = |code, message, fix: &'static str| {
            Self::new(StatusCode::UNAUTHORIZED, code, message, fix)
        };
        let send = "Send Authorization: Bearer KEY, X-API-Key: KEY, or Basic with id and secret.";
        let replace = "Use the key that replaced it, or create one: tieline api-keys create.";
        let renew = "Get a new token.";
        match refusal {
            Refusal::Missing => {
                unauthorized("auth.key_missing", "The request carries no API key.", send)
            }
            Refusal::Unknown => unauthorized("auth.key_unknown", "The API key is not known.", send),
            Refusal::Revoked => {
                unauthorized("auth.key_revoked", "The API key has been revoked.", replace)
            }
            Refusal::Expired => {
                unauthorized("auth.key_expired", "The API key has expired.", replace)
            }
            Refusal::TokenInvalid => {
                unauthorized("auth.token_invalid", "The token is not one of this server.", renew)
            }
            Refusal::TokenExpired => {
                unauthorized("auth.token_expired", "The token has expired.", renew)
            }
            Refusal::ScopeMissing(scope) => {
                let message = format!("This address needs the scope `{scope}`.");
                let fix = "Use a key that has it: tieline api-keys list shows what each may do.";
                Self::new(StatusCode::FORBIDDEN, "auth.scope_missing", message, fix)
                    .at(scope.as_str())
            }
            Refusal::ForeignPage => {
                let message = "The request does not come from this server's own page.";
                let fix = "Reload the page. A program sends a key, not a cookie.";
                Self::new(StatusCode::FORBIDDEN, "session.foreign_page", message, fix)
            }
            Refusal::RateLimited { retry_after_s } => {
                let message = "The key has used up its requests for now.";
                let fix = "Wait as long as Retry-After says, or raise the key's limit.";
                Self::new(StatusCode::TOO_MANY_REQUESTS, "auth.rate_limited", message, fix)
                    .retry_after(retry_after_s)
            }
            Refusal::Store(error) => error.into(),
        }
    }
}
