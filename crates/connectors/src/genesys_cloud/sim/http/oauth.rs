//! Gives tokens for client credentials, and for the codes of users who signed in, as
//! `login.{domain}` does.
//!
//! Errors here have the shape of OAuth, not of the platform: 400 with
//! `{"error":…,"description":…}`. The platform's rate limit does not count these.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::gate::respond;
use super::platform::Platform;

/// `POST /oauth/token`.
pub(crate) async fn token(
    State(platform): State<Arc<Platform>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let correlation = platform.correlation_id();
    let refuse = |error: &str, description: &str| {
        let body = json!({ "error": error, "description": description });
        respond(&correlation, 400, Some(body.to_string()))
    };
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&body).into_owned().collect();
    let field =
        |name: &str| form.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    match field("grant_type") {
        Some("client_credentials") => {}
        Some("authorization_code") => {
            let part = |name| field(name).unwrap_or_default();
            let (code, verifier) = (part("code"), part("code_verifier"));
            let token = super::users::redeem(&platform, code, part("client_id"), verifier);
            return match token {
                Some(token) => granted(&platform, &correlation, &token),
                None => refuse("invalid_grant", "authorization code is invalid: invalid_grant"),
            };
        }
        Some(_) => return refuse("unsupported_grant_type", "unsupported grant type"),
        None => return refuse("invalid_request", "grant_type is required"),
    }
    let Some((id, secret)) = basic(&headers) else {
        return refuse("invalid_client", "client credentials are required: invalid_client");
    };
    let config = &platform.config;
    if id != config.client_id {
        return refuse("invalid_client", "client not found: invalid_client");
    }
    if secret != config.client_secret {
        return refuse("invalid_client", "authentication failed: invalid_client");
    }
    granted(&platform, &correlation, &platform.tokens.issue("", &id, ""))
}

fn granted(platform: &Platform, correlation: &str, token: &str) -> Response {
    let lifetime = platform.tokens.lifetime().as_secs();
    let body = json!({
        "access_token": token,
        "token_type": "bearer",
        // One second less than granted, as the 86399 of a day's token.
        "expires_in": lifetime.saturating_sub(1),
    });
    respond(correlation, 200, Some(body.to_string()))
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, encoded) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let decoded =
        STANDARD.decode(encoded.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let text = String::from_utf8(decoded).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}
