//! People who sign in at the console, by API: listed, made, changed, taken away.
//!
//! A password that is made here is told once, in the answer that made it. Whatever takes
//! something from somebody ends their sessions at once on this node, and within seconds on
//! every other.

use super::access::roles::Role;
use super::access::{Caller, account, passwords};
use super::error::ErrorBody;
use super::input::{Segment, read_json};
use super::{ApiError, App, schemas};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use kit::Secret;
use serde::{Deserialize, Serialize};
use state::audit::Act;
use state::users::Who;
use state::{NewUser, User};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Characters of a name and of a full name.
const NAME_MAX: usize = 64;
const FULL_NAME_MAX: usize = 128;

/// A person who signs in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserBody {
    id: String,
    /// What they sign in with, in lower case.
    name: String,
    full_name: String,
    /// `admin`, `supervisor`, `analyst`, `agent`.
    role: String,
    is_disabled: bool,
    /// They have a second factor, and it is on.
    totp: bool,
    /// `password`, or `oidc` where an identity provider says who they are.
    signs_in_by: &'static str,
    created_at: String,
}

impl From<&User> for UserBody {
    fn from(user: &User) -> Self {
        Self {
            id: user.id.clone(),
            name: user.name.clone(),
            full_name: user.full_name.clone(),
            role: user.role.clone(),
            is_disabled: user.disabled_at.is_some(),
            totp: user.totp.as_ref().is_some_and(|totp| totp.is_on),
            signs_in_by: if user.subject.is_empty() { "password" } else { "oidc" },
            created_at: user.created_at.to_string(),
        }
    }
}

/// A user whose password was just made.
#[derive(Serialize, ToSchema)]
pub struct MadeUserBody {
    #[serde(flatten)]
    about: UserBody,
    /// Where none was given: it is never shown again. Empty otherwise.
    password: String,
}

/// Not to be shown: it may hold a password.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewUserBody {
    /// 1 to 64 of a-z, 0-9 and `.`, `_`, `-`, `@`, `+`; capitals become small.
    #[schema(required = true, schema_with = schemas::user_name)]
    name: Option<String>,
    /// At most 128 characters.
    #[schema(schema_with = schemas::full_name)]
    full_name: Option<String>,
    #[schema(required = true)]
    role: Option<Role>,
    /// At least 12 characters; one is made and told where none is given.
    #[schema(max_length = 256)]
    password: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserChangeBody {
    /// At most 128 characters; as it was when absent.
    #[schema(schema_with = schemas::full_name)]
    full_name: Option<String>,
    /// As it was when absent.
    role: Option<Role>,
    /// They may not sign in, and their sessions end; as it was when absent.
    is_disabled: Option<bool>,
}

/// Every user, by name.
#[utoipa::path(
    get, path = "/api/v1/users", tag = "access",
    responses((status = 200, body = Vec<UserBody>)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn list(State(app): State<App>) -> Result<Json<Vec<UserBody>>, ApiError> {
    Ok(Json(app.engine.store.users().await?.iter().map(UserBody::from).collect()))
}

/// Makes a user.
#[utoipa::path(
    post, path = "/api/v1/users", tag = "access", request_body = NewUserBody,
    responses(
        (status = 201, body = MadeUserBody), (status = 400, body = ErrorBody),
        (status = 409, body = ErrorBody, description = "Somebody has the name")
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let body: NewUserBody = read_json(request).await?;
    let name = body.name.unwrap_or_default().to_ascii_lowercase();
    if !is_name(&name) {
        let message = "name is 1 to 64 of a-z, 0-9 and . _ - @ +.";
        return Err(ApiError::field("name", message, "Use what they are known by: ada.byron."));
    }
    let Some(role) = body.role else {
        let fix = "Name one of admin, supervisor, analyst and agent.";
        return Err(ApiError::field("role", "role is required.", fix));
    };
    let full_name = full_name(body.full_name)?.unwrap_or_default();
    let (hash, told) = match body.password.filter(|password| !password.is_empty()) {
        Some(given) => {
            let hash = account::hashed(&app, Secret::new(given), &name).await;
            (hash.map_err(|error| error.at("password"))?, String::new())
        }
        None => made(&app).await?,
    };
    let new = NewUser {
        name: name.clone(),
        full_name,
        role: role.as_str().to_owned(),
        password: hash,
        subject: String::new(),
    };
    let about = [("name", name), ("role", role.as_str().to_owned())];
    let act = act(&caller, "user.created", "", &about);
    let made = app.engine.store.create_user(new, act, app.engine.clock.now()).await?;
    let user = made.ok_or_else(|| {
        let message = "Somebody has this name.";
        let fix = "Choose another, or change theirs: PATCH /api/v1/users/{name}.";
        ApiError::new(StatusCode::CONFLICT, "user.taken", message, fix).at("name")
    })?;
    let body = MadeUserBody { about: UserBody::from(&user), password: told };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response())
}

/// Changes a user's full name or role, or keeps them from signing in.
#[utoipa::path(
    patch, path = "/api/v1/users/{name}", tag = "access", request_body = UserChangeBody,
    params(("name" = String, Path, description = "What they sign in with")),
    responses(
        (status = 200, body = UserBody), (status = 400, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn change(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment,
    request: Request,
) -> Result<Json<UserBody>, ApiError> {
    let body: UserChangeBody = read_json(request).await?;
    let (mut user, now) = (found(&app, &name).await?, app.engine.clock.now());
    let mut about = Vec::new();
    if let Some(full_name) = full_name(body.full_name)? {
        user.full_name = full_name;
        about.push(("fullName", "changed".to_owned()));
    }
    if let Some(role) = body.role {
        user.role = role.as_str().to_owned();
        about.push(("role", user.role.clone()));
    }
    if let Some(is_disabled) = body.is_disabled {
        let since = user.disabled_at.unwrap_or(now);
        // Whoever may sign in again begins anew.
        user.sessions_after = if is_disabled { now } else { user.sessions_after };
        user.disabled_at = is_disabled.then_some(since);
        about.push(("isDisabled", is_disabled.to_string()));
    }
    let act = act(&caller, "user.changed", &user.id, &about);
    keep(&app, user, act).await.map(|user| Json(UserBody::from(&user)))
}

/// Makes a user a new password and tells it, once. Their sessions end, and their second factor
/// is off: who has lost one has often lost both.
#[utoipa::path(
    post, path = "/api/v1/users/{name}/password", tag = "access",
    params(("name" = String, Path, description = "What they sign in with")),
    responses(
        (status = 200, body = MadeUserBody), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody, description = "An identity provider says who they are; or changed meanwhile")
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn reset_password(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment,
) -> Result<Response, ApiError> {
    let user = found(&app, &name).await?;
    if !user.subject.is_empty() {
        let message = "An identity provider says who this user is.";
        let fix = "Reset their password there.";
        return Err(ApiError::new(StatusCode::CONFLICT, "user.elsewhere", message, fix).at("name"));
    }
    let (hash, told) = made(&app).await?;
    let sessions_after = app.engine.clock.now();
    let act = act(&caller, "user.password_reset", &user.id, &[]);
    let user = User { password: hash, totp: None, sessions_after, ..user };
    let user = keep(&app, user, act).await?;
    let body = MadeUserBody { about: UserBody::from(&user), password: told };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response())
}

/// Takes a user away, and ends their sessions. Who comes by the organization's own sign-in is
/// made anew when they come again: whoever is disabled there is to stay so, and is not taken away.
#[utoipa::path(
    delete, path = "/api/v1/users/{name}", tag = "access",
    params(("name" = String, Path, description = "What they sign in with")),
    responses((status = 200, body = UserBody), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn remove(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment,
) -> Result<Json<UserBody>, ApiError> {
    let user = found(&app, &name).await?;
    if !user.subject.is_empty() && user.disabled_at.is_some() {
        let message = "They come by the organization's sign-in and are kept out by this entry.";
        let fix = "Take their groups away there; then enable and remove them.";
        return Err(ApiError::new(StatusCode::CONFLICT, "user.kept_out", message, fix).at("name"));
    }
    let act = act(&caller, "user.removed", &user.id, &[("name", user.name.clone())]);
    let is_removed = app.engine.store.remove_user(&user.id, act, app.engine.clock.now()).await?;
    app.access.users.forget(&user.id);
    if is_removed { Ok(Json(UserBody::from(&user))) } else { Err(unknown()) }
}

/// The hash of a password that is made here, and the password.
async fn made(app: &App) -> Result<(String, String), ApiError> {
    let made = passwords::made().ok_or_else(account::no_chance)?;
    let told = made.reveal().to_owned();
    let hash = app.access.sessions.passwords.hash(made).await;
    Ok((hash.ok_or_else(account::no_chance)?, told))
}

fn is_name(name: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-@+".contains(&b);
    (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(is_plain)
}

fn full_name(given: Option<String>) -> Result<Option<String>, ApiError> {
    let Some(given) = given else { return Ok(None) };
    if given.chars().count() > FULL_NAME_MAX || given.chars().any(char::is_control) {
        let message = "fullName is at most 128 characters, without control characters.";
        return Err(ApiError::field("fullName", message, "Shorten it."));
    }
    Ok(Some(given.trim().to_owned()))
}

async fn found(app: &App, name: &str) -> Result<User, ApiError> {
    let name = name.to_lowercase();
    app.engine.store.user(Who::Name(&name)).await?.ok_or_else(unknown)
}

async fn keep(app: &App, user: User, act: Act) -> Result<User, ApiError> {
    let now = app.engine.clock.now();
    let is_changed = app.engine.store.change_user(user.clone(), act, now).await?;
    app.access.users.forget(&user.id);
    if is_changed { Ok(user) } else { Err(changed()) }
}

fn act(caller: &Caller, action: &'static str, id: &str, about: &[(&str, String)]) -> Act {
    let address = ("address", caller.address.to_string());
    let details: BTreeMap<String, String> =
        about.iter().chain([&address]).map(|(n, value)| ((*n).to_owned(), value.clone())).collect();
    Act { actor: caller.actor(), action, subject: id.to_owned(), details }
}

fn unknown() -> ApiError {
    let message = "No user has this name.";
    let fix = "List the users: GET /api/v1/users.";
    ApiError::new(StatusCode::NOT_FOUND, "user.unknown", message, fix).at("name")
}

/// Somebody else has changed the user since they were read.
pub(super) fn changed() -> ApiError {
    let message = "The user was changed meanwhile.";
    let fix = "Look at them again, and repeat the change.";
    ApiError::new(StatusCode::CONFLICT, "user.changed", message, fix).at("name")
}
