//! Tokens: JWT bearer and client credentials, and who the token belongs to.
//!
//! The JWT's signature is really verified. There is no refresh token in either flow
//! and no `expires_in`; other grants are refused as unsupported here.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value as Json, json};
use std::collections::HashMap;

use super::super::World;
use super::super::store::{clock, ids};
use super::{Answer, Asked};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// How far ahead a JWT may expire, with a little for clocks that differ.
const FARTHEST_EXPIRY: i64 = 180 + 5;

pub(super) type Refusal = (&'static str, &'static str);

impl World {
    pub(super) fn org(&self) -> &'static str {
        "00DHs00000000ABMAY"
    }

    pub(super) fn user(&self) -> String {
        ids::id("005", 0)
    }

    /// The identity URL of the integration user, on this host.
    pub(super) fn identity(&self) -> String {
        format!("{}/id/{}/{}", self.url(), self.org(), self.user())
    }

    /// `POST /services/oauth2/token`
    pub(super) fn token(&self, asked: &Asked<'_>) -> Answer {
        if asked.method != axum::http::Method::POST {
            return refuse(("invalid_request", "must use HTTP POST"));
        }
        let mut form = asked.query.clone();
        form.extend(super::decode_form(asked.body));
        let granted = match form.get("grant_type").map(String::as_str) {
            Some(JWT_BEARER) => self.jwt_bearer(&form),
            Some("client_credentials") => self.client_credentials(&form, asked.headers),
            Some("authorization_code") => {
                return match self.redeem(&form, asked.headers) {
                    Ok(token) => self.granted(&token),
                    Err(refusal) => refuse(refusal),
                };
            }
            Some("password") => Err(("invalid_grant", "authentication failure")),
            Some("refresh_token") => Err(("invalid_grant", "expired access/refresh token")),
            Some(_) => Err(("unsupported_grant_type", "grant type not supported")),
            None => Err(("invalid_request", "grant type not specified")),
        };
        match granted {
            Ok(()) => {
                let own = format!("{}!AQ", &self.org()[..15]);
                self.granted(&self.tokens.issue(&own, &self.config.username, "api"))
            }
            Err(refusal) => refuse(refusal),
        }
    }

    fn granted(&self, token: &str) -> Answer {
        let issued = clock::now().to_string();
        let body = json!({
            "access_token": token, "signature": STANDARD.encode(format!("sim-{issued}")), "scope": self.config.scope,
            "instance_url": self.url(), "id": self.identity_of(token).0, "token_type": "Bearer", "issued_at": issued,
        });
        Answer::json(StatusCode::OK, &body).with("cache-control", "no-cache, no-store".to_owned())
    }

    fn jwt_bearer(&self, form: &HashMap<String, String>) -> Result<(), Refusal> {
        let assertion =
            form.get("assertion").ok_or(("invalid_request", "assertion is required"))?;
        let invalid = ("invalid_grant", "invalid assertion");
        let (signed, signature) = assertion.rsplit_once('.').ok_or(invalid)?;
        let (head, claims) = signed.split_once('.').ok_or(invalid)?;
        let (head, claims) = (json_part(head).ok_or(invalid)?, json_part(claims).ok_or(invalid)?);
        let claim = |name: &str| claims.get(name).and_then(Json::as_str).unwrap_or_default();
        if claim("iss") != self.config.consumer_key {
            return Err(("invalid_client_id", "client identifier invalid"));
        }
        let key = self.key.as_deref().ok_or(("invalid_grant", "no certificate on this app"))?;
        let signature = decode(signature).ok_or(invalid)?;
        let verified = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key)
            .verify(signed.as_bytes(), &signature);
        if head.get("alg").and_then(Json::as_str) != Some("RS256") || verified.is_err() {
            return Err(invalid);
        }
        let own = self.url();
        let audiences =
            ["https://login.salesforce.com", "https://test.salesforce.com", own.as_str()];
        if !audiences.contains(&claim("aud").trim_end_matches('/')) {
            return Err(("invalid_grant", "audience is invalid"));
        }
        // One client library sends `exp` as text, and the vendor takes it.
        let expires = claims.get("exp").and_then(|exp| match exp {
            Json::String(text) => text.parse::<i64>().ok(),
            other => other.as_f64().map(|seconds| seconds as i64),
        });
        let now = clock::now() / 1000;
        if !expires.is_some_and(|at| at > now && at <= now + FARTHEST_EXPIRY) {
            return Err(("invalid_grant", "assertion is expired or expires too late"));
        }
        if claim("sub") != self.config.username || !self.config.approved {
            return Err(("invalid_grant", "user hasn't approved this consumer"));
        }
        Ok(())
    }

    fn client_credentials(
        &self,
        form: &HashMap<String, String>,
        headers: &HeaderMap,
    ) -> Result<(), Refusal> {
        let host =
            headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let shared = host.starts_with("login.") || host.starts_with("test.");
        if self.config.my_domain_only && shared {
            return Err(("invalid_grant", "request not supported on this domain"));
        }
        let (id, secret) = client(form, headers);
        if id != self.config.consumer_key {
            return Err(("invalid_client_id", "client identifier invalid"));
        }
        if secret != self.config.consumer_secret {
            return Err(("invalid_client", "invalid client credentials"));
        }
        if !self.config.run_as {
            return Err(("invalid_grant", "no client credentials user enabled"));
        }
        Ok(())
    }

    /// `POST /services/oauth2/revoke`
    pub(super) fn revoke(&self, asked: &Asked<'_>) -> Answer {
        let form = super::decode_form(asked.body);
        let token = form.get("token").or_else(|| asked.query.get("token"));
        match token.map(|token| self.tokens.revoke(token)) {
            Some(true) => Answer::empty(StatusCode::OK),
            _ => refuse(("invalid_token", "expired access/refresh token")),
        }
    }

    /// `GET /services/oauth2/userinfo`, and the identity URL.
    pub(super) fn userinfo(&self, asked: &Asked<'_>) -> Answer {
        let token = match (self.holder(asked.headers), self.bearer(asked.headers)) {
            (Ok(_), Some(token)) => token,
            _ => {
                let body = b"Bad_OAuth_Token".to_vec();
                let headers = vec![("content-type", "text/html;charset=UTF-8".to_owned())];
                return Answer { status: StatusCode::FORBIDDEN, headers, body };
            }
        };
        let (identity, user) = self.identity_of(token);
        let name = if user == self.user() { "Integration User" } else { "Ann Agent" };
        let body = json!({
            "sub": identity, "id": identity, "user_id": user, "organization_id": self.org(),
            "preferred_username": self.config.username, "username": self.config.username,
            "name": name, "display_name": name, "email": "integration@example.com",
            "active": true, "user_type": "STANDARD", "language": "en_US", "locale": "en_US", "utcOffset": 0,
            "urls": { "rest": format!("{}/services/data/v{{version}}/", self.url()) },
        });
        Answer::json(StatusCode::OK, &body)
    }
}

/// Id and secret of the app that asks, by Basic or in the form.
pub(super) fn client(form: &HashMap<String, String>, headers: &HeaderMap) -> (String, String) {
    let basic = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let basic = basic.and_then(|value| value.strip_prefix("Basic ")).and_then(decode);
    let basic = basic.and_then(|bytes| String::from_utf8(bytes).ok());
    match basic.as_deref().and_then(|both| both.split_once(':')) {
        Some((id, secret)) => (id.to_owned(), secret.to_owned()),
        None => {
            let field = |name: &str| form.get(name).cloned().unwrap_or_default();
            (field("client_id"), field("client_secret"))
        }
    }
}

fn refuse((error, description): Refusal) -> Answer {
    Answer::json(
        StatusCode::BAD_REQUEST,
        &json!({ "error": error, "error_description": description }),
    )
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    URL_SAFE_NO_PAD
        .decode(text)
        .or_else(|_| URL_SAFE.decode(text))
        .or_else(|_| STANDARD.decode(text))
        .ok()
}

fn json_part(text: &str) -> Option<Json> {
    serde_json::from_slice(&decode(text)?).ok()
}

/// The key's DER, from DER or from PEM.
pub(in super::super) fn der(key: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(key) else { return key.to_vec() };
    if !text.contains("-----BEGIN") {
        return key.to_vec();
    }
    let body: String =
        text.lines().map(str::trim).filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(body).unwrap_or_default()
}
