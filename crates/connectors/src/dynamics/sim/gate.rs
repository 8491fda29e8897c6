//! Who is let in: tokens from Entra, the bearer on each request, and how much one may ask.

use std::collections::HashMap;
use std::sync::PoisonError;
use std::time::Duration;

use aws_lc_rs::signature::{RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
use axum::http::{Method, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::World;
use super::http::{Answer, Asked};

/// How long requests are counted together.
const WINDOW: Duration = Duration::from_secs(300);
/// Requests in that time.
const MOST_REQUESTS: u32 = 6_000;

/// Requests of the window that runs.
pub(super) struct Counted {
    since: Instant,
    count: u32,
}

impl Default for Counted {
    fn default() -> Counted {
        Counted { since: Instant::now(), count: 0 }
    }
}

impl World {
    /// Entra's token endpoint.
    pub(super) fn token(&self, asked: &Asked<'_>) -> Answer {
        if asked.method != Method::POST {
            return Answer::empty(StatusCode::METHOD_NOT_ALLOWED);
        }
        let form: HashMap<String, String> =
            url::form_urlencoded::parse(asked.body).into_owned().collect();
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        if field("grant_type") != "client_credentials" {
            return refused(
                "unsupported_grant_type",
                70003,
                "The app requested an unsupported grant type.",
            );
        }
        if field("client_id") != self.config.client_id {
            let message = "Application with identifier was not found in the directory.";
            return refused("unauthorized_client", 700_016, message);
        }
        if field("scope") != format!("{}/.default", self.url()) {
            let message = "The provided value for the input parameter 'scope' is not valid.";
            return refused("invalid_scope", 70011, message);
        }
        let is_known = if form.contains_key("client_assertion") {
            match self.asserted(&form) {
                Ok(()) => true,
                Err(message) => return refused("invalid_client", 700_027, message),
            }
        } else {
            field("client_secret") == self.config.client_secret
        };
        if !is_known {
            return refused("invalid_client", 7_000_215, "Invalid client secret provided.");
        }
        let lifetime = self.config.token_lifetime.as_secs();
        let token = self.tokens.issue("eyJ0eXAi.", &self.config.client_id, field("scope"));
        let body = json!({
            "token_type": "Bearer", "expires_in": lifetime, "ext_expires_in": lifetime,
            "access_token": token,
        });
        Answer::json(StatusCode::OK, &body)
    }

    /// Is the assertion signed by the app's certificate, for this endpoint, now, and new?
    fn asserted(&self, form: &HashMap<String, String>) -> Result<(), &'static str> {
        let kind = form.get("client_assertion_type").map(String::as_str);
        if kind != Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer") {
            return Err("The client_assertion_type is not supported.");
        }
        let malformed = "Client assertion is malformed.";
        let (key, thumbprint) =
            self.config.certificate.as_ref().ok_or("The certificate is not registered.")?;
        let assertion = form.get("client_assertion").ok_or(malformed)?;
        let (signed, signature) = assertion.rsplit_once('.').ok_or(malformed)?;
        let (head, claims) = signed.split_once('.').ok_or(malformed)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        let json = |part: &str| decode(part).and_then(|p| serde_json::from_slice::<Json>(&p).ok());
        let (head, claims) = (json(head).ok_or(malformed)?, json(claims).ok_or(malformed)?);
        if head["alg"] != "PS256" || head["x5t#S256"].as_str() != Some(thumbprint) {
            return Err("The certificate with this identifier is not registered on application.");
        }
        let signature = decode(signature).ok_or(malformed)?;
        let verified = UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, key)
            .verify(signed.as_bytes(), &signature);
        verified.map_err(|_| "Client assertion failed signature validation.")?;
        let endpoint = format!("{}/{}/oauth2/v2.0/token", self.url(), self.config.tenant);
        let id = self.config.client_id.as_str();
        if claims["aud"] != endpoint.as_str() || claims["iss"] != id || claims["sub"] != id {
            return Err("Client assertion audience, issuer or subject claim does not match.");
        }
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = since.map_or(0, |since| since.as_secs());
        let (from, until) = (claims["nbf"].as_u64(), claims["exp"].as_u64());
        let is_now =
            from.is_some_and(|from| from <= now + 5) && until.is_some_and(|until| until > now);
        if !is_now || until.is_some_and(|until| until > now + 86_400) {
            return Err("Client assertion is not within its valid time range.");
        }
        let own = claims["jti"].as_str().ok_or("Client assertion has no jti claim.")?;
        let mut seen = self.assertions.lock().unwrap_or_else(PoisonError::into_inner);
        if !seen.insert(own.to_owned()) {
            return Err("Client assertion was used before.");
        }
        Ok(())
    }

    /// Refuses whoever is not known or asks too much; how many requests are left.
    pub(super) fn admit(&self, asked: &Asked<'_>) -> Result<u32, Answer> {
        let bearer = asked.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        if bearer.is_none_or(|token| self.tokens.check(token).is_err()) {
            return Err(unauthorized());
        }
        let most =
            self.config.requests_per_minute.map_or(MOST_REQUESTS, |most| most.saturating_mul(5));
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.since.elapsed() >= WINDOW {
            *counted = Counted::default();
        }
        if counted.count >= most {
            let left = WINDOW.saturating_sub(counted.since.elapsed()).as_secs();
            return Err(throttled("0x80072322", left.max(1)));
        }
        counted.count += 1;
        Ok(most - counted.count)
    }
}

pub(super) fn unauthorized() -> Answer {
    let asks = "Bearer authorization_uri=https://login.microsoftonline.com/common/oauth2/authorize, \
                resource_id=https://org.crm.dynamics.com/";
    Answer {
        status: StatusCode::UNAUTHORIZED,
        headers: vec![("www-authenticate", asks.to_owned())],
        body: vec![],
    }
}

/// Service protection: which of the three limits, and for how many seconds.
pub(super) fn throttled(code: &str, seconds: u64) -> Answer {
    let message = match code {
        "0x80072321" => {
            "Combined execution time of incoming requests exceeded limit of 1,200,000 milliseconds over time window of 300 seconds."
        }
        "0x80072326" => "Number of concurrent requests exceeded the limit of 52.",
        _ => "Number of requests exceeded the limit of 6000 over time window of 300 seconds.",
    };
    Answer::error(StatusCode::TOO_MANY_REQUESTS, code, message)
        .with("retry-after", seconds.to_string())
}

pub(super) fn unknown_tenant() -> Answer {
    refused(
        "invalid_request",
        90002,
        "Tenant not found. Check to make sure you have the correct tenant ID.",
    )
}

/// Entra's refusal.
fn refused(error: &str, number: u64, message: &str) -> Answer {
    let status =
        if error == "invalid_client" { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
    let trace = "0a1b2c3d-0000-4000-8000-000000000001";
    let told = format!(
        "AADSTS{number}: {message} Trace ID: {trace} Correlation ID: {trace} Timestamp: 2026-01-01 00:00:00Z"
    );
    let body = json!({
        "error": error, "error_description": told, "error_codes": [number],
        "timestamp": "2026-01-01 00:00:00Z", "trace_id": trace, "correlation_id": trace,
        "error_uri": format!("https://login.microsoftonline.com/error?code={number}"),
    });
    Answer::json(status, &body)
}
