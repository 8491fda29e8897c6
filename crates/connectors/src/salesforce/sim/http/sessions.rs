//! Users who are signed in, the tokens that apps got for them, and who may ask whose
//! a token is.
//!
//! At the vendor a user logs in on a page and the app gets a code (web server flow),
//! the token itself (user agent), or is posted a signed request that carries one
//! (Canvas). There is nobody here to do it: [`World::sign_in`], or `POST
//! /_sim/sign-in`, stands for that page and gives all three. `POST
//! /services/oauth2/introspect` follows RFC 7662 and the vendor's help; an app is told
//! of its own tokens only, and of others' what is told of none: `{"active":false}`.
//! What the vendor answers to a wrong secret is not in its documents: here it is the
//! RFC's 401.

use std::collections::{HashMap, VecDeque};
use std::sync::{MutexGuard, PoisonError};

use aws_lc_rs::hmac;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::super::World;
use super::super::store::{clock, ids};
use super::oauth::{self, Refusal};
use super::{Answer, Asked};

/// Sessions remembered; past it the oldest is forgotten.
const MOST_SESSIONS: usize = 10_000;

/// Somebody who signs in, and through what. The default is an agent of this org at
/// the widget's app.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct SignedInUser {
    /// The user's id; absent: the second user of the org.
    pub user_id: Option<String>,
    /// Consumer key of the app; absent: the widget's.
    pub app: Option<String>,
    /// The org's id; absent: this one.
    pub org: Option<String>,
}

/// What a page of the org has in hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The agent's token.
    pub token: String,
    /// A code, for which an app gets that token.
    pub code: String,
    /// What a Canvas app is posted.
    pub signed_request: String,
}

/// One token's session.
pub(crate) struct Session {
    user: String,
    app: String,
    org: String,
    issued: i64,
}

/// Every session by its token, and the codes that were not redeemed yet.
#[derive(Default)]
pub(crate) struct Sessions {
    by_token: HashMap<String, Session>,
    order: VecDeque<String>,
    codes: HashMap<String, String>,
}

impl World {
    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in super::super) fn sign_in(&self, who: SignedInUser) -> Page {
        let user = who.user_id.unwrap_or_else(|| ids::id("005", 1));
        let org = who.org.unwrap_or_else(|| self.org().to_owned());
        let app = who.app.unwrap_or_else(|| self.config.widget_key.clone());
        let token = self.tokens.issue(&format!("{}!AQ", &org[..15]), &user, "api id");
        let code = self.tokens.issue("aPrx", &user, "code");
        let signed_request = self.signed_request(&token, &user, &org);
        let mut sessions = self.sessions();
        if sessions.order.len() >= MOST_SESSIONS
            && let Some(oldest) = sessions.order.pop_front()
        {
            sessions.by_token.remove(&oldest);
        }
        if sessions.codes.len() >= MOST_SESSIONS {
            sessions.codes.clear();
        }
        sessions.order.push_back(token.clone());
        sessions.codes.insert(code.clone(), token.clone());
        let issued = clock::now();
        sessions.by_token.insert(token.clone(), Session { user, app, org, issued });
        Page { token, code, signed_request }
    }

    /// As the Canvas Developer Guide has it: `signature.envelope` under the app's secret.
    fn signed_request(&self, token: &str, user: &str, org: &str) -> String {
        let envelope = json!({
            "algorithm": "HMACSHA256", "issuedAt": 0, "userId": user,
            "client": {
                "refreshId": null, "instanceId": "_:Tieline:", "targetOrigin": self.url(),
                "instanceUrl": self.url(), "oauthToken": token, "refreshToken": null,
            },
            "context": {
                "user": {
                    "userId": user, "userName": "ann.agent@acme.example.com", "fullName": "Ann Agent",
                    "email": "ann.agent@example.com", "language": "en_US", "userType": "STANDARD",
                },
                "links": { "restUrl": "/services/data/v67.0/", "loginUrl": self.url() },
                "application": { "name": "Tieline", "authType": "SIGNED_REQUEST", "developerName": "Tieline" },
                "environment": { "parameters": {}, "locationUrl": self.url(), "displayLocation": "OpenCTI" },
                "organization": { "organizationId": org, "name": "Acme", "multicurrencyEnabled": false },
            },
        });
        let envelope = STANDARD.encode(envelope.to_string());
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.config.widget_secret.as_bytes());
        let signature = STANDARD.encode(hmac::sign(&key, envelope.as_bytes()));
        format!("{signature}.{envelope}")
    }

    /// `POST /_sim/sign-in`
    pub(super) fn signed_in(&self, asked: &Asked<'_>) -> Answer {
        let Ok(who) = serde_json::from_slice(asked.body) else {
            return Answer::error(StatusCode::BAD_REQUEST, "JSON_PARSER_ERROR", "no such user");
        };
        let Page { token, code, signed_request } = self.sign_in(who);
        let body = json!({ "access_token": token, "code": code, "signed_request": signed_request });
        Answer::json(StatusCode::OK, &body)
    }

    /// The token of a code, once, by the app that it was given to.
    pub(super) fn redeem(
        &self,
        form: &HashMap<String, String>,
        headers: &HeaderMap,
    ) -> Result<String, Refusal> {
        let app =
            self.app(form, headers).ok_or(("invalid_client", "invalid client credentials"))?;
        let mut sessions = self.sessions();
        let token = form.get("code").and_then(|code| sessions.codes.remove(code));
        let token = token.ok_or(("invalid_grant", "invalid authorization code"))?;
        let is_its = sessions.by_token.get(&token).is_some_and(|session| session.app == app);
        if is_its { Ok(token) } else { Err(("invalid_grant", "invalid authorization code")) }
    }

    /// `POST /services/oauth2/introspect`
    pub(super) fn introspect(&self, asked: &Asked<'_>) -> Answer {
        let form = super::decode_form(asked.body);
        let Some(app) = self.app(&form, asked.headers) else {
            let body = json!({ "error": "invalid_client", "error_description": "invalid client credentials" });
            return Answer::json(StatusCode::UNAUTHORIZED, &body);
        };
        let Some(token) = form.get("token") else {
            let body =
                json!({ "error": "invalid_request", "error_description": "token is required" });
            return Answer::json(StatusCode::BAD_REQUEST, &body);
        };
        let told = self.told(token, &app).unwrap_or_else(|| json!({ "active": false }));
        Answer::json(StatusCode::OK, &told).with("cache-control", "no-cache, no-store".to_owned())
    }

    /// What an app is told of a token that lives and is its own.
    fn told(&self, token: &str, app: &str) -> Option<Json> {
        let grant = self.tokens.check(token).ok().filter(|grant| grant.scope != "code")?;
        let sessions = self.sessions();
        let session = sessions.by_token.get(token);
        let of = session.map_or(self.config.consumer_key.as_str(), |session| &session.app);
        if of != app {
            return None;
        }
        let lifetime = i64::try_from(self.tokens.lifetime().as_secs()).unwrap_or(i64::MAX / 2);
        let issued = session.map_or_else(clock::now, |session| session.issued) / 1_000;
        let sub = session.map_or_else(
            || self.identity(),
            |session| format!("{}/id/{}/{}", self.url(), session.org, session.user),
        );
        let username =
            session.map_or(self.config.username.as_str(), |_| "ann.agent@acme.example.com");
        Some(json!({
            "active": true, "scope": grant.scope, "client_id": of, "username": username, "sub": sub,
            "token_type": "access_token", "exp": issued + lifetime, "iat": issued, "nbf": issued,
        }))
    }

    /// The app that asks, by the form or by Basic.
    fn app(&self, form: &HashMap<String, String>, headers: &HeaderMap) -> Option<String> {
        let (id, secret) = oauth::client(form, headers);
        let config = &self.config;
        let apps = [
            (&config.consumer_key, &config.consumer_secret),
            (&config.widget_key, &config.widget_secret),
        ];
        apps.into_iter().any(|(key, known)| *key == id && *known == secret).then_some(id)
    }

    /// The identity URL and the user's id of whoever holds a token.
    pub(super) fn identity_of(&self, token: &str) -> (String, String) {
        match self.sessions().by_token.get(token) {
            Some(Session { user, org, .. }) => {
                (format!("{}/id/{org}/{user}", self.url()), user.clone())
            }
            None => (self.identity(), self.user()),
        }
    }
}
