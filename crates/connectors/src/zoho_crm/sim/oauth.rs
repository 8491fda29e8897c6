//! The accounts server: tokens for the refresh token and for the self client.
//!
//! Parameters come in the query, as a form, or as multipart (the vendor's own SDKs send
//! that). A refusal has status 200; too many logins are 400.

use std::sync::PoisonError;
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::json;
use tokio::time::Instant;

use super::World;
use super::http::{Answer, Asked};

/// In which logins are counted.
const WINDOW: Duration = Duration::from_secs(600);

impl World {
    pub(super) fn token(&self, asked: &Asked<'_>) -> Answer {
        let parameters = parameters(asked);
        let get = |name: &str| {
            let found = parameters.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.as_str()).unwrap_or_default()
        };
        let refused = |code: &str| Answer::json(StatusCode::OK, &json!({ "error": code }));
        if self.too_many_logins() {
            return too_many();
        }
        let config = &self.config;
        if get("client_id") != config.client_id {
            return refused("invalid_client");
        }
        if get("client_secret") != config.client_secret {
            return refused("invalid_client_secret");
        }
        let scope = match get("grant_type") {
            "refresh_token" if get("refresh_token") == config.refresh_token => config.scope.clone(),
            "client_credentials" if get("soid") == format!("ZohoCRM.{}", config.org_id) => {
                get("scope").replace(',', " ")
            }
            "refresh_token" | "client_credentials" | "authorization_code" => {
                return refused("invalid_code");
            }
            _ => return refused("unsupported_grant_type"),
        };
        let body = json!({
            "access_token": self.tokens.issue("1000.", "integration", &scope),
            "scope": scope,
            "api_domain": self.api_domain.get(),
            "token_type": "Bearer",
            "expires_in": self.tokens.lifetime().as_secs(),
        });
        Answer::json(StatusCode::OK, &body)
    }

    fn too_many_logins(&self) -> bool {
        let now = Instant::now();
        let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        while logins.front().is_some_and(|login| now.duration_since(*login) >= WINDOW) {
            logins.pop_front();
        }
        // One that was refused counts as well, so that trying on makes it last.
        logins.push_back(now);
        if logins.len() > 4 * self.config.logins {
            logins.pop_front();
        }
        logins.len() > self.config.logins
    }
}

/// 400, with words of its own and no code.
pub(super) fn too_many() -> Answer {
    let body = json!({
        "error_description": "You have made too many requests continuously. Please try again after some time.",
        "error": "Access Denied",
        "status": "failure",
    });
    Answer::json(StatusCode::BAD_REQUEST, &body)
}

fn parameters(asked: &Asked<'_>) -> Vec<(String, String)> {
    let mut all = asked.query.clone();
    let kind = asked.header("content-type").unwrap_or_default();
    match kind.split_once("boundary=") {
        Some((_, boundary)) => all.extend(multipart(asked.body, boundary.trim_matches('"'))),
        None => all.extend(url::form_urlencoded::parse(asked.body).into_owned()),
    }
    all
}

/// The texts of a multipart form.
fn multipart(body: &[u8], boundary: &str) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(body);
    let part = |part: &str| {
        let (head, value) = part.split_once("\r\n\r\n")?;
        let (_, name) = head.split_once("name=\"")?;
        let value = value.strip_suffix("\r\n").unwrap_or(value);
        Some((name.split('"').next()?.to_owned(), value.to_owned()))
    };
    text.split(&format!("--{boundary}")).filter_map(part).collect()
}
