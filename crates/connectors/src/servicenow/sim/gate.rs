//! Who is let in: the token endpoint, and the user behind a password or a token.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use sim::tokens::Tokens;

use super::World;
use super::http::{Answer, Asked};

/// Tokens, and the one that each client has at the moment.
pub(super) struct Gate {
    access: Tokens,
    refresh: Tokens,
    current: Mutex<HashMap<String, Current>>,
}

#[derive(Clone)]
struct Current {
    access: String,
    refresh: String,
    until: Instant,
}

impl Gate {
    pub(super) fn new(lifetime: Duration) -> Gate {
        Gate {
            access: Tokens::new(lifetime),
            refresh: Tokens::new(Duration::from_secs(100 * 24 * 3_600)),
            current: Mutex::default(),
        }
    }

    pub(super) fn revoke_all(&self) {
        self.access.revoke_all();
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl World {
    /// `POST /oauth_token.do`
    pub(super) fn token(&self, asked: &Asked<'_>) -> Answer {
        // Whatever is wrong is told the same way; the reason stands in the log there.
        let refused = || {
            let body = json!({ "error_description": "access_denied", "error": "server_error" });
            Answer::json(StatusCode::UNAUTHORIZED, &body)
        };
        let kind = asked.header("content-type").unwrap_or_default();
        if !kind.starts_with("application/x-www-form-urlencoded") {
            return refused();
        }
        let form: HashMap<String, String> =
            url::form_urlencoded::parse(asked.body).into_owned().collect();
        let is = |key: &str, value: &str| form.get(key).is_some_and(|given| given == value);
        let config = &self.config;
        // In the form, or as HTTP Basic, as some clients send them.
        let in_form =
            is("client_id", &config.client_id) && is("client_secret", &config.client_secret);
        let known = format!("{}:{}", config.client_id, config.client_secret);
        if !in_form && basic(asked).as_deref() != Some(known.as_bytes()) {
            return refused();
        }
        let grant = form.get("grant_type").map(String::as_str).unwrap_or_default();
        let is_granted = match grant {
            "client_credentials" => true,
            "password" => is("username", &config.username) && is("password", &config.password),
            "refresh_token" => {
                form.get("refresh_token").is_some_and(|t| self.gate.refresh.check(t).is_ok())
            }
            _ => false,
        };
        if !is_granted {
            return refused();
        }
        let current = self.current(grant == "refresh_token", form.get("refresh_token"));
        let left = current.until.saturating_duration_since(Instant::now());
        Answer::json(
            StatusCode::OK,
            &json!({
                "access_token": current.access, "refresh_token": current.refresh,
                "scope": "useraccount", "token_type": "Bearer", "expires_in": left.as_secs(),
            }),
        )
    }

    /// The token there is, with what is left of its life; a new one for a refresh token,
    /// which itself stays the same.
    fn current(&self, is_refresh: bool, refresh: Option<&String>) -> Current {
        let gate = &self.gate;
        let mut current = gate.current.lock().unwrap_or_else(PoisonError::into_inner);
        let held = current.get("").filter(|held| {
            !is_refresh && held.until > Instant::now() && gate.access.check(&held.access).is_ok()
        });
        if let Some(held) = held {
            return held.clone();
        }
        let user = &self.config.username;
        let next = Current {
            access: gate.access.issue("", user, "useraccount"),
            refresh: refresh
                .filter(|_| is_refresh)
                .cloned()
                .unwrap_or_else(|| gate.refresh.issue("", user, "useraccount")),
            until: Instant::now() + gate.access.lifetime(),
        };
        current.insert(String::new(), next.clone());
        next
    }

    /// Refuses whoever is not known.
    pub(super) fn admit(&self, asked: &Asked<'_>) -> Result<(), Answer> {
        let given = asked.header("authorization").unwrap_or_default();
        if let Some(token) = given.strip_prefix("Bearer ") {
            return self.gate.access.check(token).map(drop).map_err(|_| unauthorized());
        }
        let known = format!("{}:{}", self.config.username, self.config.password);
        if basic(asked).as_deref() == Some(known.as_bytes()) { Ok(()) } else { Err(unauthorized()) }
    }
}

/// Name and password of `Authorization: Basic …`, with a colon between.
fn basic(asked: &Asked<'_>) -> Option<Vec<u8>> {
    let pair = asked.header("authorization")?.strip_prefix("Basic ")?;
    STANDARD.decode(pair.trim()).ok()
}

/// 401 in the vendor's own words.
pub(super) fn unauthorized() -> Answer {
    let body = json!({
        "error": {
            "message": "User Not Authenticated", "detail": "Required to provide Auth information",
        },
        "status": "failure",
    });
    Answer::json(StatusCode::UNAUTHORIZED, &body)
        .with("www-authenticate", "BASIC realm=\"Service-now\"".to_owned())
}
