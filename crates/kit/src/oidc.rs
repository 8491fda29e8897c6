//! Who somebody is, by an identity provider's word: OpenID Connect, authorization code with PKCE.
//!
//! The provider is found by its issuer (Discovery 1.0), its answer verified by its published keys:
//! signature, issuer, audience, time, nonce (Core 1.0, 3.1.3.7). Signing and its algorithms are the
//! crate `jsonwebtoken`'s; none that a client secret could sign by is taken. What the provider
//! publishes is kept for an hour, and its keys read again where a token names one that is not known.

use crate::http::Request;
use crate::{Error, Http, Secret};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

const KEPT_FOR: Duration = Duration::from_secs(3_600);
/// Keys are read again at most this often, whatever tokens name.
/// So long nobody asks again after it could not be asked.
const FAILED_FOR: Duration = Duration::from_secs(5);
const KEYS_EVERY: Duration = Duration::from_secs(60);
/// What clocks may differ by, in seconds.
const LEEWAY_S: u64 = 60;
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// One client of one provider.
pub struct Provider {
    http: Http,
    issuer: String,
    client_id: String,
    client_secret: Option<Secret>,
    /// Where the browser comes back to.
    redirect: Url,
    scopes: String,
    known: Mutex<Held>,
}

/// What is held of what a provider publishes.
#[derive(Default)]
struct Held {
    known: Option<Arc<Known>>,
    /// When it could not be asked last, and why.
    failed: Option<(Instant, Error)>,
}

/// What a provider publishes.
struct Known {
    authorize: Url,
    token: Url,
    keys: JwkSet,
    /// The secret goes into the form, for it is not taken in the header.
    secret_in_form: bool,
    read_at: Instant,
}

/// What one sign-in must be told again when the browser comes back. All three are secrets of
/// that browser's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub state: String,
    pub nonce: String,
    pub verifier: String,
}

impl Provider {
    /// `issuer` as the provider writes it; `scopes` between spaces, `openid` among them.
    #[must_use]
    pub fn new(
        http: Http,
        issuer: &str,
        (client_id, client_secret): (&str, Option<Secret>),
        redirect: Url,
        scopes: &str,
    ) -> Self {
        let (issuer, client_id) = (issuer.to_owned(), client_id.to_owned());
        let (scopes, known) = (scopes.to_owned(), Mutex::default());
        Self { http, issuer, client_id, client_secret, redirect, scopes, known }
    }

    /// Where to send the browser for this attempt.
    ///
    /// # Errors
    /// Any [`Error`] of reading what the provider publishes.
    pub async fn authorize(&self, attempt: &Attempt) -> Result<Url, Error> {
        let mut to = self.known(None).await?.authorize.clone();
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, attempt.verifier.as_bytes()));
        to.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client_id)
            .append_pair("redirect_uri", self.redirect.as_str())
            .append_pair("scope", &self.scopes)
            .append_pair("state", &attempt.state)
            .append_pair("nonce", &attempt.nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        Ok(to)
    }

    /// The claims of whoever came back with this code: `iss` and `sub` are among them.
    ///
    /// # Errors
    /// `Unauthorized` where the code or the token is not good; any other [`Error`] where the
    /// provider could not be asked.
    pub async fn redeem(&self, code: &str, attempt: &Attempt) -> Result<Map<String, Value>, Error> {
        let known = self.known(None).await?;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self.redirect.as_str()),
            ("client_id", &self.client_id),
            ("code_verifier", &attempt.verifier),
        ];
        let mut request = Request::post(known.token.clone()).header("accept", "application/json");
        match &self.client_secret {
            Some(secret) if known.secret_in_form => form.push(("client_secret", secret.reveal())),
            Some(secret) => request = request.basic(&self.client_id, secret),
            None => {}
        }
        let reply = self.http.send_unmetered(request.form(&form)).await?;
        let body = match reply.status {
            200 => reply.json()?,
            400 | 401 | 403 => {
                let code = reply.json().unwrap_or_default();
                let code = code["error"].as_str().unwrap_or_default().to_owned();
                let is_word =
                    code.len() <= 60 && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
                let code = if is_word { code } else { String::new() };
                return Err(refused(format!("the code was refused: {} {code}", reply.status)));
            }
            429 => return Err(Error::RateLimited { retry_after: reply.retry_after() }),
            500.. => return Err(Error::unavailable(format!("status {}", reply.status))),
            status => return Err(Error::protocol(format!("status {status}"))),
        };
        let token = body["id_token"].as_str();
        let token = token.ok_or_else(|| Error::protocol("a token answer without an id_token"))?;
        self.claims(token, &attempt.nonce).await
    }

    async fn claims(&self, token: &str, nonce: &str) -> Result<Map<String, Value>, Error> {
        let header = decode_header(token).map_err(|_| refused("an id_token that is none"))?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(refused("an id_token signed by an algorithm that is not taken"));
        }
        let known = self.known(header.kid.as_deref()).await?;
        let key = known.key(header.kid.as_deref());
        let key =
            key.ok_or_else(|| refused("an id_token signed by a key that is not published"))?;
        let key =
            DecodingKey::from_jwk(key).map_err(|_| refused("a published key that is none"))?;
        let mut wanted = Validation::new(header.alg);
        wanted.leeway = LEEWAY_S;
        wanted.validate_nbf = true;
        wanted.set_audience(&[&self.client_id]);
        wanted.set_issuer(&[&self.issuer]);
        wanted.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let token = decode::<Map<String, Value>>(token, &key, &wanted);
        let claims = token
            .map_err(|error| refused(format!("an id_token that does not hold: {error}")))?
            .claims;
        if claims.get("nonce").and_then(Value::as_str) != Some(nonce) {
            return Err(refused("an id_token of another attempt"));
        }
        // Of several audiences, who it was made for is said apart.
        let is_for_many =
            claims.get("aud").and_then(Value::as_array).is_some_and(|all| all.len() > 1);
        let party = claims.get("azp").and_then(Value::as_str);
        if party.map_or(is_for_many, |party| party != self.client_id) {
            return Err(refused("an id_token made for another client"));
        }
        Ok(claims)
    }

    /// What the provider publishes; its keys anew where this one is not among them. Where it
    /// cannot be asked, what it said before goes on; who comes meanwhile does not wait as well.
    async fn known(&self, kid: Option<&str>) -> Result<Arc<Known>, Error> {
        let mut held = self.known.lock().await;
        let known = held.known.clone();
        if let Some(known) = &known {
            let age = known.read_at.elapsed();
            let has_key = kid.is_none_or(|kid| known.keys.find(kid).is_some());
            if age < KEPT_FOR && (has_key || age < KEYS_EVERY) {
                return Ok(Arc::clone(known));
            }
        }
        if let Some((at, error)) = &held.failed
            && at.elapsed() < FAILED_FOR
        {
            return known.ok_or_else(|| error.clone());
        }
        match self.read().await {
            Ok(read) => {
                let read = Arc::new(read);
                *held = Held { known: Some(Arc::clone(&read)), failed: None };
                Ok(read)
            }
            Err(error) => {
                held.failed = Some((Instant::now(), error.clone()));
                known.ok_or(error)
            }
        }
    }

    async fn read(&self) -> Result<Known, Error> {
        let at = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let at = Url::parse(&at).map_err(|_| Error::protocol("the issuer is no address"))?;
        let told = self.get(at).await?;
        if told["issuer"].as_str() != Some(&self.issuer) {
            return Err(Error::protocol("the provider calls itself by another issuer"));
        }
        let address = |name: &str| {
            let text = told[name].as_str().and_then(|text| Url::parse(text).ok());
            text.ok_or_else(|| Error::protocol(format!("the provider names no {name}")))
        };
        let keys = serde_json::from_value(self.get(address("jwks_uri")?).await?);
        let ways = told["token_endpoint_auth_methods_supported"].as_array();
        let takes = |way: &str| ways.is_some_and(|ways| ways.iter().any(|one| one == way));
        Ok(Known {
            authorize: address("authorization_endpoint")?,
            token: address("token_endpoint")?,
            keys: keys.map_err(|_| Error::protocol("the provider's keys are none"))?,
            // Without a word it is the header (Core 1.0, 9).
            secret_in_form: takes("client_secret_post") && !takes("client_secret_basic"),
            read_at: Instant::now(),
        })
    }

    async fn get(&self, at: Url) -> Result<Value, Error> {
        let request = Request::get(at).header("accept", "application/json");
        let reply = self.http.send_unmetered(request).await?;
        match reply.status {
            200 => reply.json(),
            500.. => Err(Error::unavailable(format!("status {}", reply.status))),
            status => Err(Error::protocol(format!("status {status}"))),
        }
    }
}

impl Known {
    /// The key of this id; without one, the only one that there is.
    fn key(&self, kid: Option<&str>) -> Option<&Jwk> {
        match kid {
            Some(kid) => self.keys.find(kid),
            None => self.keys.keys.first().filter(|_| self.keys.keys.len() == 1),
        }
    }
}

fn refused(reason: impl Into<String>) -> Error {
    Error::Unauthorized { reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::{Attempt, Provider};
    use crate::{Http, Limits, Network};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;
    use tokio::net::TcpListener;
    use url::Url;

    #[tokio::test]
    async fn who_comes_while_the_provider_is_away_does_not_ask_it_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let issuer = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        // It hangs up on whoever asks.
        let away = tokio::spawn(async move {
            while let Ok((line, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                drop(line);
            }
        });
        let limits = Limits {
            requests_per_minute: 60,
            reserved_for_calls: 0,
            concurrent_calls: 1,
            concurrent_background: 2,
            timeout: Duration::from_secs(5),
        };
        let network = Network { allow_private_addresses: true, ..Network::default() };
        let http = Http::new(limits, network).expect("a client");
        let back = Url::parse("https://tieline.example.com/done").expect("an address");
        let provider = Provider::new(http, &issuer, ("tieline", None), back, "openid");
        let text = || "x".to_owned();
        let attempt = Attempt { state: text(), nonce: text(), verifier: text() };
        provider.authorize(&attempt).await.expect_err("it is away");
        let before = asked.load(Ordering::Relaxed);
        for _ in 0..10 {
            provider.authorize(&attempt).await.expect_err("it is away");
        }
        assert_eq!(asked.load(Ordering::Relaxed), before);
        assert!(before >= 1);
        away.abort();
    }
}
