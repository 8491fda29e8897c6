//! Who is let in: a client that signs, and the bearer on each request.

use std::collections::HashMap;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
use axum::http::{Method, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value as Json, json};

use super::http::{Answer, Asked};
use super::{Algorithm, World};

/// How long an assertion may be good.
const MOST_LIFE: u64 = 3_600;

impl World {
    /// The token endpoint.
    pub(super) fn token(&self, asked: &Asked<'_>) -> Answer {
        if asked.method != Method::POST {
            return Answer::empty(StatusCode::METHOD_NOT_ALLOWED);
        }
        let form: HashMap<String, String> =
            url::form_urlencoded::parse(asked.body).into_owned().collect();
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        if field("grant_type") != "client_credentials" {
            return refused("unsupported_grant_type");
        }
        if field("client_assertion_type") != kind {
            return refused("invalid_request");
        }
        if let Err(error) = self.asserted(field("client_assertion")) {
            return refused(error);
        }
        let token = self.tokens.issue("eyJraWQi.", &self.config.client_id, "rest_webservices");
        let body = json!({
            "access_token": token,
            // As a text, as the vendor sends it.
            "expires_in": self.config.token_lifetime.as_secs().to_string(),
            "token_type": "bearer",
        });
        Answer::json(StatusCode::OK, &body)
    }

    /// Is it signed by a certificate of the integration's, for this endpoint, now?
    fn asserted(&self, assertion: &str) -> Result<(), &'static str> {
        let invalid = "invalid_request";
        let (signed, signature) = assertion.rsplit_once('.').ok_or(invalid)?;
        let (head, claims) = signed.split_once('.').ok_or(invalid)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        let json = |part: &str| decode(part).and_then(|p| serde_json::from_slice::<Json>(&p).ok());
        let (head, claims) = (json(head).ok_or(invalid)?, json(claims).ok_or(invalid)?);
        let mut known = self.config.certificates.iter();
        let known = known.find(|(id, ..)| head["kid"] == id.as_str()).ok_or("invalid_client")?;
        let (name, algorithm): (_, &dyn aws_lc_rs::signature::VerificationAlgorithm) = match known.1
        {
            Algorithm::Ps256 => ("PS256", &RSA_PSS_2048_8192_SHA256),
            Algorithm::Es256 => ("ES256", &ECDSA_P256_SHA256_FIXED),
        };
        let signature = decode(signature).ok_or(invalid)?;
        let verified =
            UnparsedPublicKey::new(algorithm, &known.2).verify(signed.as_bytes(), &signature);
        if head["alg"] != name || verified.is_err() {
            return Err("invalid_grant");
        }
        if claims["iss"] != self.config.client_id.as_str() {
            return Err("invalid_client");
        }
        let scopes = match &claims["scope"] {
            Json::String(one) => one.split([',', ' ']).map(str::to_owned).collect(),
            Json::Array(all) => all.iter().filter_map(Json::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        let endpoint = format!("{}/services/rest/auth/oauth2/v1/token", self.url());
        let audience = match &claims["aud"] {
            Json::Array(all) => all.first().cloned().unwrap_or_default(),
            one => one.clone(),
        };
        if !scopes.iter().any(|scope| scope == "rest_webservices") || audience != endpoint.as_str()
        {
            return Err("invalid_grant");
        }
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = since.map_or(0, |since| since.as_secs());
        let (from, until) = (claims["iat"].as_u64(), claims["exp"].as_u64());
        let (Some(from), Some(until)) = (from, until) else { return Err("invalid_grant") };
        let is_now = from <= now + 5 && now < until && until - from.min(until) <= MOST_LIFE;
        if is_now { Ok(()) } else { Err("invalid_grant") }
    }

    /// Refuses whoever has no living token.
    pub(super) fn admit(&self, asked: &Asked<'_>) -> Result<(), Answer> {
        let bearer = asked.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        if bearer.is_some_and(|token| self.tokens.check(token).is_ok()) {
            return Ok(());
        }
        Err(unauthorized())
    }
}

pub(super) fn unauthorized() -> Answer {
    let detail =
        "Invalid login attempt. For more details, see the Login Audit Trail in the NetSuite UI.";
    Answer::error(StatusCode::UNAUTHORIZED, "INVALID_LOGIN", detail)
        .with("www-authenticate", "Bearer realm=\"123456_SB1\", error=\"invalid_token\"".to_owned())
}

fn refused(error: &str) -> Answer {
    Answer::json(StatusCode::BAD_REQUEST, &json!({ "error": error }))
}
