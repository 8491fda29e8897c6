//! What signing in takes, and what is told of who is signed in.

use super::Caller;
use crate::http::{ApiError, App, schemas};
use serde::{Deserialize, Serialize};
use state::User;
use state::users::Who;
use utoipa::ToSchema;

/// Not to be shown: it holds a secret. Either a key, or a name and a password.
#[derive(Deserialize)]
pub(super) struct Given {
    pub(super) key: Option<String>,
    pub(super) name: Option<String>,
    pub(super) password: Option<String>,
    pub(super) code: Option<String>,
}

/// How a [`Given`] is described.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "described, and read in another form for clearer mistakes")]
pub enum SessionRequest {
    WithKey(KeySessionRequest),
    WithPassword(PasswordSessionRequest),
}

#[derive(Deserialize, ToSchema)]
#[allow(dead_code, reason = "as above")]
pub struct KeySessionRequest {
    /// A key, as it was told when it was made.
    #[schema(required = true, schema_with = schemas::key)]
    key: String,
}

#[derive(Deserialize, ToSchema)]
#[allow(dead_code, reason = "as above")]
pub struct PasswordSessionRequest {
    /// A user's name.
    #[schema(required = true, schema_with = schemas::typed)]
    name: String,
    #[schema(required = true, schema_with = schemas::typed)]
    password: String,
    /// What the user's authenticator app shows, where they have a second factor.
    #[schema(schema_with = schemas::typed_code)]
    code: Option<String>,
}

/// Who is signed in.
#[derive(Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionBody {
    user: SessionUser,
    /// What they may do; empty where nobody is signed in, or they may do nothing.
    scopes: Vec<String>,
    /// To be sent as `X-CSRF-Token` with whatever changes something; empty where nobody is.
    csrf: String,
    /// When one has to sign in anew; empty where nobody is.
    expires_at: String,
    /// The user has a second factor, and it is on.
    totp: bool,
    /// The user has a password of their own here.
    has_password: bool,
    /// How one can sign in: `password`, `oidc`, `key`.
    ways: Vec<&'static str>,
}

/// Empty where nobody is signed in.
#[derive(Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionUser {
    /// The user's id as `user-…`, or the key's public id.
    id: String,
    /// What the user signs in with, or the key's name.
    name: String,
    full_name: String,
    /// `admin`, `supervisor`, `analyst`, `agent`; empty where a key signed in.
    role: String,
}

/// How one can sign in here.
async fn ways(app: &App) -> Result<Vec<&'static str>, ApiError> {
    let has_users = app.engine.store.has_users().await?;
    let ways = [("password", has_users), ("oidc", app.oidc.is_some()), ("key", true)];
    Ok(ways.into_iter().filter(|(_, is_open)| *is_open).map(|(way, _)| way).collect())
}

/// Who is signed in, or that nobody is.
pub(super) async fn body(app: &App, caller: Option<&Caller>) -> Result<SessionBody, ApiError> {
    let ways = ways(app).await?;
    let Some((caller, session)) = caller.and_then(|one| Some((one, one.session.as_ref()?))) else {
        return Ok(SessionBody { ways, ..SessionBody::default() });
    };
    let user = match caller.user() {
        Some(id) => app.engine.store.user(Who::Id(id)).await?,
        None => None,
    };
    let shown = |text: fn(&User) -> &str| user.as_ref().map(text).unwrap_or_default().to_owned();
    Ok(SessionBody {
        user: SessionUser {
            id: caller.key.to_string(),
            name: caller.name.to_string(),
            full_name: shown(|user| &user.full_name),
            role: shown(|user| &user.role),
        },
        scopes: caller.scopes.words(),
        csrf: app.access.sessions.csrf_of(&session.id),
        expires_at: caller.expires_at.map(|at| at.to_string()).unwrap_or_default(),
        totp: user.as_ref().is_some_and(has_second_factor),
        has_password: user.as_ref().is_some_and(|user| !user.password.is_empty()),
        ways,
    })
}

fn has_second_factor(user: &User) -> bool {
    user.totp.as_ref().is_some_and(|totp| totp.is_on)
}
