//! Who is let in: a user by password or token, into the one client there is, and for
//! changes with the CSRF token of the session that the cookies name.

use std::collections::{HashMap, VecDeque};

use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use sim::seed::SplitMix64;

use super::World;
use super::http::{Answer, Asked};

/// Sessions alive at once; past it the oldest ends.
const MOST_SESSIONS: usize = 1_000;

/// Session ids and their CSRF tokens.
#[derive(Default)]
pub(super) struct Sessions {
    alive: HashMap<String, String>,
    order: VecDeque<String>,
    begun: u64,
}

impl Sessions {
    pub(super) fn clear(&mut self) {
        self.alive.clear();
        self.order.clear();
    }

    /// A new session: its id and its CSRF token.
    fn begin(&mut self) -> (String, String) {
        self.begun += 1;
        let mut dice = SplitMix64::new(self.begun ^ 0x5E55_1015);
        let id = format!("{:016x}{:016x}", dice.next_u64(), dice.next_u64());
        let token = STANDARD.encode(format!("{:016x}", dice.next_u64()));
        if self.order.len() >= MOST_SESSIONS
            && let Some(oldest) = self.order.pop_front()
        {
            self.alive.remove(&oldest);
        }
        self.order.push_back(id.clone());
        self.alive.insert(id.clone(), token.clone());
        (id, token)
    }
}

impl World {
    /// `POST /sap/bc/sec/oauth2/token`
    pub(super) fn token(&self, asked: &Asked<'_>) -> Answer {
        let refuse = |code: &str, told: &str| {
            let body = json!({ "error": code, "error_description": told });
            let status = if code == "invalid_client" {
                StatusCode::UNAUTHORIZED
            } else {
                StatusCode::BAD_REQUEST
            };
            Answer::json(status, &body)
        };
        if basic(asked.headers)
            != Some((self.config.client_id.clone(), self.config.client_secret.clone()))
        {
            return refuse("invalid_client", "Client authentication failed");
        }
        let form: HashMap<String, String> =
            url::form_urlencoded::parse(asked.body).into_owned().collect();
        if form.get("grant_type").map(String::as_str) != Some("client_credentials") {
            return refuse("unsupported_grant_type", "Grant type is not supported");
        }
        let token = self.tokens.issue("", &self.config.username, "API_BUSINESS_PARTNER_0001");
        let body = json!({
            "access_token": token, "token_type": "Bearer",
            // As a text, as some releases send it.
            "expires_in": self.config.token_lifetime.as_secs().to_string(),
            "scope": "API_BUSINESS_PARTNER_0001",
        });
        Answer::json(StatusCode::OK, &body)
    }

    /// Refuses whoever is not known, or asks for another client.
    pub(super) fn admit(&self, asked: &Asked<'_>) -> Result<(), Answer> {
        let client = asked.option("sap-client").or(asked.header("sap-client"));
        let is_client = client.is_none_or(|client| client == self.config.sap_client);
        let by_password = basic(asked.headers)
            == Some((self.config.username.clone(), self.config.password.clone()));
        let bearer = asked.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let by_token = bearer.is_some_and(|token| self.tokens.check(token).is_ok());
        if is_client && (by_password || by_token) {
            Ok(())
        } else {
            Err(unauthorized(bearer.is_some()))
        }
    }

    /// Refuses a change without the CSRF token of its session.
    pub(super) fn guard(&self, asked: &Asked<'_>) -> Result<(), Answer> {
        let sessions = self.sessions();
        let cookies = asked.header("cookie").unwrap_or_default();
        let session = cookies
            .split(';')
            .find_map(|cookie| cookie.trim().strip_prefix("SAP_SESSIONID_S4H_100="));
        let token = session.and_then(|id| sessions.alive.get(id));
        if token.is_some() && token.map(String::as_str) == asked.header("x-csrf-token") {
            return Ok(());
        }
        Err(csrf_failed())
    }

    /// Gives a token to whoever asks for one on a read.
    pub(super) fn with_session(&self, asked: &Asked<'_>, answer: Answer) -> Answer {
        let fetches =
            asked.header("x-csrf-token").is_some_and(|word| word.eq_ignore_ascii_case("fetch"));
        if !fetches {
            return answer;
        }
        let (id, token) = self.sessions().begin();
        answer
            .with("x-csrf-token", token)
            .with("set-cookie", format!("SAP_SESSIONID_S4H_100={id}; path=/; HttpOnly"))
            .with(
                "set-cookie",
                format!("sap-usercontext=sap-client={}; path=/", self.config.sap_client),
            )
    }
}

/// 403 in plain text, with the header that says what is wanted.
pub(super) fn csrf_failed() -> Answer {
    Answer {
        status: StatusCode::FORBIDDEN,
        headers: vec![
            ("content-type", "text/plain;charset=utf-8".to_owned()),
            ("x-csrf-token", "Required".to_owned()),
        ],
        body: b"CSRF token validation failed".to_vec(),
    }
}

/// 401 as a page of HTML.
pub(super) fn unauthorized(by_token: bool) -> Answer {
    let asks = if by_token {
        "Bearer realm=\"S4H\", error=\"invalid_token\""
    } else {
        "Basic realm=\"SAP NetWeaver Application Server [S4H/100][alias]\""
    };
    Answer {
        status: StatusCode::UNAUTHORIZED,
        headers: vec![
            ("content-type", "text/html; charset=utf-8".to_owned()),
            ("www-authenticate", asks.to_owned()),
        ],
        body: b"<html><head><title>Logon Error Message</title></head><body>Anmeldung fehlgeschlagen</body></html>".to_vec(),
    }
}

/// User and password of `Authorization: Basic …`.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let pair = STANDARD.decode(value.strip_prefix("Basic ")?.trim()).ok()?;
    let (user, password) = std::str::from_utf8(&pair).ok()?.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}
