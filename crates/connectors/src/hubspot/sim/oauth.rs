//! Tokens of an app, for its refresh token. The path's version decides how a refusal looks.

use std::sync::PoisonError;

use axum::http::StatusCode;
use serde_json::json;
use sim::tokens::Tokens;

use super::World;
use super::http::{Answer, Asked};

impl World {
    /// `POST /oauth/{version}/token`.
    pub(super) fn token(&self, asked: &Asked<'_>, version: &str) -> Answer {
        let form: Vec<(String, String)> =
            url::form_urlencoded::parse(asked.body).into_owned().collect();
        let field = |name: &str| {
            let found = form.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.as_str()).unwrap_or_default()
        };
        let refused = |status: &str, error: &str, message: &str| {
            let mut body = json!({
                "status": status, "message": message, "correlationId": self.correlation_id(),
                "category": status,
            });
            if version != "v1" {
                body["error"] = error.into();
                body["error_description"] = message.into();
            }
            Answer::json(StatusCode::BAD_REQUEST, &body)
        };
        let config = &self.config;
        if field("client_id") != config.client_id || field("client_secret") != config.client_secret
        {
            return refused(
                "BAD_CLIENT_SECRET",
                "invalid_client",
                "missing or invalid client secret",
            );
        }
        if field("grant_type") != "refresh_token" {
            return refused(
                "BAD_GRANT_TYPE",
                "unsupported_grant_type",
                "missing or unknown grant type",
            );
        }
        let mut held = self.refresh_token.lock().unwrap_or_else(PoisonError::into_inner);
        if field("refresh_token") != *held {
            return refused(
                "BAD_REFRESH_TOKEN",
                "invalid_grant",
                "missing or invalid refresh token",
            );
        }
        if config.rotates {
            *held = Tokens::new(config.token_lifetime).issue("sim-refresh-", "", "");
        }
        let scopes = &config.scopes;
        let body = json!({
            "token_type": "bearer", "token_use": "access_token", "refresh_token": *held,
            "access_token": self.tokens.issue("sim-access-", "app", &scopes.join(" ")),
            "expires_in": self.tokens.lifetime().as_secs(), "hub_id": 123_456, "scopes": scopes,
        });
        Answer::json(StatusCode::OK, &body)
    }
}
