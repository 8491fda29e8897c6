//! Gives tokens for client credentials, and for the codes of users who signed in, as
//! `login.{domain}` does.
//!
//! Errors here have the shape of OAuth, not of the platform: 400 with
//! `{"error":…,"description":…}`. The platform's rate limit does not count these.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use url::Url;

use super::gate::respond;
use super::platform::Platform;
use super::users::SignedInUser;

/// `GET /oauth/authorize`, for whoever is signed in in their browser: here that is always the
/// default user. The browser goes back with a code, for the client and the challenge that it
/// came with; without one of them it stays here.
pub(crate) async fn authorize(
    State(platform): State<Arc<Platform>>,
    Query(asked): Query<HashMap<String, String>>,
) -> Response {
    let part = |name: &str| asked.get(name).map(String::as_str).unwrap_or_default();
    let back = Url::parse(part("redirect_uri"));
    let is_ours = part("client_id") == platform.config.widget_client_id;
    let is_asked = part("response_type") == "code" && part("code_challenge_method") == "S256";
    let (true, Ok(mut back)) = (is_ours && is_asked, back) else {
        let body =
            json!({ "error": "invalid_request", "description": "unknown client or request" });
        return respond(&platform.correlation_id(), 400, Some(body.to_string()));
    };
    let challenge = Some(part("code_challenge").to_owned());
    let user = SignedInUser { code_challenge: challenge, ..SignedInUser::default() };
    let (_, code) = super::users::sign_in(&platform, user);
    back.query_pairs_mut().append_pair("code", &code);
    if let Some(state) = asked.get("state") {
        back.query_pairs_mut().append_pair("state", state);
    }
    Redirect::to(back.as_str()).into_response()
}

/// `POST /oauth/token`. Pages redeem their codes themselves, so any origin may read the answer.
pub(crate) async fn token(
    platform: State<Arc<Platform>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut response = answered(platform, headers, body).await;
    let anybody = HeaderValue::from_static("*");
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, anybody);
    response
}

async fn answered(
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
