//! Trades the refresh token of an app for tokens that live half an hour.
//!
//! HubSpot gives the same refresh token back; should it give another one, that one is kept
//! in the vault with all that came with it, and used from then on.
//!
//! Source: "OAuth API" (`/oauth/2026-09/token`). How a refusal is written differs between
//! versions (`status` with a HubSpot code, or `error` of RFC 6749): both are read.

use async_trait::async_trait;
use kit::http::Request;
use kit::vault::{Given, Renewed};
use kit::{Error, Http, Mint, Minted, Reply, Secret, oauth};
use serde_json::Value;
use std::time::Duration;
use url::Url;

/// Life of a token whose answer names none: that of HubSpot's, and a little less.
const LIFETIME_UNTOLD: Duration = Duration::from_secs(1_500);
const LIFETIME_MAX: Duration = Duration::from_secs(3_600);

/// Mints this connection's tokens.
pub(super) struct Login {
    pub(super) http: Http,
    pub(super) endpoint: Url,
    pub(super) id: String,
    pub(super) secret: Secret,
    /// As an administrator wrote it down: where none was kept.
    pub(super) refresh_token: Secret,
}

#[async_trait]
impl Mint for Login {
    async fn mint(&self) -> Result<Minted, Error> {
        self.renew(&Given::new()).await.map(|renewed| renewed.minted)
    }

    async fn renew(&self, before: &Given) -> Result<Renewed, Error> {
        let held = oauth::last_refresh_token(before);
        let held = held.unwrap_or_else(|| self.refresh_token.clone());
        let request = Request::post(self.endpoint.clone()).form(&[
            ("grant_type", "refresh_token"),
            ("client_id", &self.id),
            ("client_secret", self.secret.reveal()),
            ("refresh_token", held.reveal()),
        ]);
        let body = granted(&self.http.send_unmetered(request).await?)?;
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        let mut given = oauth::given(&body);
        oauth::keep_refresh_token(&mut given, &held);
        let life = body["expires_in"].as_u64().map_or(LIFETIME_UNTOLD, Duration::from_secs);
        let scopes = body["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let scopes: Vec<&str> = scopes.collect();
        let minted = Minted {
            value: Secret::new(text("access_token")),
            lifetime: life.clamp(Duration::from_secs(1), LIFETIME_MAX),
            base_url: None,
            scope: if scopes.is_empty() { text("scope") } else { scopes.join(" ") },
        };
        Ok(Renewed { minted, given })
    }

    fn rotates(&self) -> bool {
        true
    }
}

/// The body of a token answer that holds a token.
fn granted(reply: &Reply) -> Result<Value, Error> {
    if reply.status == 429 {
        return Err(Error::RateLimited { retry_after: reply.retry_after() });
    }
    if reply.status >= 500 {
        return Err(Error::unavailable(format!("the token endpoint answered {}", reply.status)));
    }
    let body = reply.json()?;
    if reply.is_success() {
        return match body["access_token"].as_str() {
            Some(token) if !token.is_empty() => Ok(body),
            _ => Err(Error::protocol("a token answer without access_token")),
        };
    }
    let is_plain = |code: &&str| {
        let fits = |b: u8| b.is_ascii_alphabetic() || b == b'_';
        !code.is_empty() && code.len() <= 60 && code.bytes().all(fits)
    };
    let told = [&body["error"], &body["status"], &body["category"]];
    let mut codes = told.into_iter().filter_map(Value::as_str).filter(is_plain);
    let code = codes.find(|code| *code != "error");
    let reason = code.map_or_else(|| format!("status {}", reply.status), str::to_owned);
    Err(Error::Unauthorized { reason })
}

#[cfg(test)]
mod tests {
    use super::granted;
    use kit::http::HeaderMap;
    use kit::{Error, Reply};
    use serde_json::{Value, json};

    #[test]
    fn a_refusal_is_read_in_both_of_its_forms_and_quotes_nothing() {
        let outcome = |status: u16, body: Value| {
            let body = body.to_string().into_bytes();
            granted(&Reply { status, headers: HeaderMap::new(), body }).map(drop)
        };
        let refused = |code: &str| Err(Error::Unauthorized { reason: code.to_owned() });
        let bad =
            json!({ "status": "BAD_REFRESH_TOKEN", "message": "missing or invalid refresh token" });
        assert_eq!(outcome(400, bad), refused("BAD_REFRESH_TOKEN"));
        assert_eq!(outcome(401, json!({ "error": "invalid_client" })), refused("invalid_client"));
        let category = json!({ "status": "error", "category": "INVALID_AUTHENTICATION" });
        assert_eq!(outcome(400, category), refused("INVALID_AUTHENTICATION"));
        let odd = json!({ "status": "jane@example.com" });
        assert_eq!(outcome(400, odd), refused("status 400"));
        assert_eq!(outcome(200, json!({})).expect_err("no token").kind(), "protocol");
        assert_eq!(outcome(503, json!({})).expect_err("down").kind(), "unavailable");
    }
}
