//! The OAuth 2 grants that machines use, as requests and answers.
//!
//! Only the wire: which grant, which claims and what an answer lacks is each
//! vendor's own (RFC 6749 §4.4 client credentials, RFC 7523 JWT bearer).

use crate::{Error, Reply, Secret, http::Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use std::time::{SystemTime, UNIX_EPOCH};
use url::Url;

/// A token endpoint's success (RFC 6749 §5.1), with what vendors add.
#[derive(Debug, Deserialize)]
pub struct Grant {
    pub access_token: String,
    /// Seconds; absent at some vendors.
    #[serde(default)]
    pub expires_in: Option<u64>,
    /// Where to send requests, at vendors that say so.
    #[serde(default)]
    pub instance_url: Option<String>,
    #[serde(default)]
    pub scope: Option<String>,
}

/// Client credentials by HTTP Basic (RFC 6749 §2.3.1).
#[must_use]
pub fn client_credentials(endpoint: Url, id: &str, secret: &Secret) -> Request {
    let pair = STANDARD.encode(format!("{id}:{}", secret.reveal()));
    Request::post(endpoint)
        .authorization(&format!("Basic {pair}"))
        .form(&[("grant_type", "client_credentials")])
}

/// What a JWT bearer assertion claims.
#[derive(Debug, Clone)]
pub struct Claims<'a> {
    pub issuer: &'a str,
    pub subject: &'a str,
    pub audience: &'a str,
    /// Seconds until the assertion expires.
    pub lifetime: u64,
}

/// A signed RS256 assertion as grant (RFC 7523 §2.1).
///
/// # Errors
/// `Invalid` when the private key is no RSA key in PEM.
pub fn jwt_bearer(endpoint: Url, claims: &Claims<'_>, key: &Secret) -> Result<Request, Error> {
    let assertion = signed(claims, key)?;
    Ok(Request::post(endpoint).form(&[
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", &assertion),
    ]))
}

fn signed(claims: &Claims<'_>, key: &Secret) -> Result<String, Error> {
    let refused = |reason: &str| Error::Invalid {
        field: Some("private_key".to_owned()),
        reason: reason.to_owned(),
    };
    let key = jsonwebtoken::EncodingKey::from_rsa_pem(key.reveal().as_bytes())
        .map_err(|_| refused("is no RSA private key in PEM form"))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let body = serde_json::json!({
        "iss": claims.issuer,
        "sub": claims.subject,
        "aud": claims.audience,
        "exp": now + claims.lifetime,
    });
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::RS256);
    jsonwebtoken::encode(&header, &body, &key).map_err(|_| refused("cannot sign"))
}

/// Reads a token endpoint's answer.
///
/// # Errors
/// `Unauthorized` when the credentials are refused (RFC 6749 §5.2, whatever the
/// status), `RateLimited`, `Unavailable` on a server's fault, `Protocol` else.
pub fn granted(reply: &Reply) -> Result<Grant, Error> {
    if reply.status == 429 {
        return Err(Error::RateLimited { retry_after: reply.retry_after() });
    }
    if reply.status >= 500 {
        return Err(Error::unavailable(format!("the token endpoint answered {}", reply.status)));
    }
    let body = reply.json()?;
    if let Some(code) = body.get("error").and_then(Value::as_str) {
        let told = ["error_description", "description"];
        let told = told.iter().find_map(|key| body.get(key).and_then(Value::as_str));
        if code == "rate_limit_exceeded" {
            return Err(Error::RateLimited { retry_after: reply.retry_after() });
        }
        let reason = told.map_or_else(|| code.to_owned(), |told| format!("{code} ({told})"));
        return Err(Error::Unauthorized { reason });
    }
    if !reply.is_success() {
        return Err(Error::Unauthorized { reason: format!("status {}", reply.status) });
    }
    serde_json::from_value(body).map_err(|_| Error::protocol("a token answer without access_token"))
}
