//! One's own account, for whoever is signed in as a user: the password and the second factor.
//!
//! Whatever changes how one signs in asks for the password again: a browser may have been left
//! open. A new password ends every other session of the user, and this one goes on.

use super::roles::Role;
use super::session_refusals::too_many;
use super::sessions::handed_out;
pub use super::sessions::no_chance;
use super::users::Session;
use super::{Caller, passwords, second_factor};
use crate::http::error::ErrorBody;
use crate::http::input::read_json;
use crate::http::{ApiError, App};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use kit::Secret;
use serde::{Deserialize, Serialize};
use state::audit::Act;
use state::users::Who;
use state::{Totp, User};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Not to be shown: it holds passwords.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewPasswordRequest {
    /// The password now.
    #[schema(required = true, max_length = 1024)]
    password: Option<String>,
    /// At least 12 characters, at most 256 bytes, without the user's name.
    #[schema(required = true, min_length = 12, max_length = 256)]
    new_password: Option<String>,
}

/// Not to be shown: it holds a password.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PasswordRequest {
    /// The password now.
    #[schema(required = true, max_length = 1024)]
    password: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CodeRequest {
    /// What the app shows now.
    #[schema(required = true, max_length = 64)]
    code: Option<String>,
}

/// A second factor that was just made. It is never shown again.
#[derive(Serialize, ToSchema)]
pub struct SecondFactorBody {
    /// Base32, to be typed into an authenticator app.
    secret: String,
    /// The same as `otpauth://…`, for an app on this device.
    uri: String,
}

/// Changes one's own password.
#[utoipa::path(
    put, path = "/api/v1/session/password", tag = "access", request_body = NewPasswordRequest,
    responses(
        (status = 200, body = super::session_body::SessionBody), (status = 400, body = ErrorBody),
        (status = 403, body = ErrorBody, description = "The password now is another"),
        (status = 409, body = ErrorBody, description = "Signed in with a key, or without a password; or changed meanwhile"),
        (status = 429, body = ErrorBody)
    ),
    security(("session" = []))
)]
pub async fn change_password(
    State(app): State<App>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let body: NewPasswordRequest = read_json(request).await?;
    let (user, session) = proved(&app, &caller, body.password).await?;
    let new = Secret::new(body.new_password.unwrap_or_default());
    let hash = hashed(&app, new, &user.name).await?;
    let now = app.engine.clock.now();
    // This one began a moment later than all that end.
    let session = Session { began_at: now, ..session };
    let changed = User { password: hash, sessions_after: now, ..user.clone() };
    change(&app, &caller, changed, "user.password_changed").await?;
    let scopes = Role::parse(&user.role).map(Role::scopes).unwrap_or_default();
    handed_out(&app, &caller, (&caller.key, scopes), &session).await
}

/// The hash of a password that was chosen, if it is a good one.
pub(crate) async fn hashed(app: &App, new: Secret, name: &str) -> Result<String, ApiError> {
    if let Some(fault) = passwords::fault(new.reveal(), name) {
        let message = format!("The new password {fault}.");
        let fix = "Choose another of 12 characters or more: a sentence is good.";
        return Err(ApiError::field("newPassword", message, fix));
    }
    app.access.sessions.passwords.hash(new).await.ok_or_else(no_chance)
}

/// Makes a second factor. It counts once a code of it was sent.
#[utoipa::path(
    post, path = "/api/v1/session/totp", tag = "access", request_body = PasswordRequest,
    responses(
        (status = 200, body = SecondFactorBody), (status = 400, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 409, body = ErrorBody),
        (status = 429, body = ErrorBody)
    ),
    security(("session" = []))
)]
pub async fn make_second_factor(
    State(app): State<App>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let body: PasswordRequest = read_json(request).await?;
    let (user, _) = proved(&app, &caller, body.password).await?;
    if user.totp.as_ref().is_some_and(|totp| totp.is_on) {
        let message = "The second factor is on.";
        let fix = "Turn it off first, then make another.";
        return Err(ApiError::new(StatusCode::CONFLICT, "session.totp_state", message, fix));
    }
    let totp = second_factor::made().ok_or_else(no_chance)?;
    let uri = second_factor::uri(&totp, &user.name).ok_or_else(no_chance)?;
    let secret = totp.secret.clone();
    change(&app, &caller, User { totp: Some(totp), ..user }, "user.totp_made").await?;
    let body = SecondFactorBody { secret, uri };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response())
}

/// Turns the second factor on, with a code that it shows.
#[utoipa::path(
    put, path = "/api/v1/session/totp", tag = "access", request_body = CodeRequest,
    responses(
        (status = 204), (status = 400, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 409, body = ErrorBody), (status = 429, body = ErrorBody)
    ),
    security(("session" = []))
)]
pub async fn turn_second_factor_on(
    State(app): State<App>,
    caller: Caller,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let body: CodeRequest = read_json(request).await?;
    let (user, _) = signed_in(&app, &caller).await?;
    app.access.sessions.may_try_as(&user.id).map_err(too_many)?;
    let Some(totp) = user.totp.clone().filter(|totp| !totp.is_on) else {
        let message = "There is no second factor to turn on.";
        let fix = "Make one first: POST /api/v1/session/totp.";
        return Err(ApiError::new(StatusCode::CONFLICT, "session.totp_state", message, fix));
    };
    let code = body.code.unwrap_or_default();
    let step = second_factor::step_of(&totp, &code, app.engine.clock.now());
    let Some(step) = step else {
        let message = "The code is not the one of now.";
        let fix = "Type the next one, and look at the clock of the device that shows it.";
        return Err(
            ApiError::new(StatusCode::FORBIDDEN, "session.proof_wrong", message, fix).at("code")
        );
    };
    app.engine.store.spend_totp_step(&user.id, step).await?;
    let totp = Some(Totp { is_on: true, ..totp });
    change(&app, &caller, User { totp, ..user }, "user.totp_on").await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Turns the second factor off.
#[utoipa::path(
    delete, path = "/api/v1/session/totp", tag = "access", request_body = PasswordRequest,
    responses(
        (status = 204), (status = 400, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 409, body = ErrorBody), (status = 429, body = ErrorBody)
    ),
    security(("session" = []))
)]
pub async fn turn_second_factor_off(
    State(app): State<App>,
    caller: Caller,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let body: PasswordRequest = read_json(request).await?;
    let (user, _) = proved(&app, &caller, body.password).await?;
    change(&app, &caller, User { totp: None, ..user }, "user.totp_off").await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The user who is signed in.
async fn signed_in(app: &App, caller: &Caller) -> Result<(User, Session), ApiError> {
    let id = caller.user().zip(caller.session.clone());
    let found = match id {
        Some((id, session)) => app.engine.store.user(Who::Id(id)).await?.zip(Some(session)),
        None => None,
    };
    found.ok_or_else(|| {
        let message = "Nobody is signed in as a user here.";
        let fix = "Sign in with a name and a password, not with a key.";
        ApiError::new(StatusCode::CONFLICT, "session.not_a_user", message, fix)
    })
}

/// The user who is signed in, and has just typed their password.
async fn proved(
    app: &App,
    caller: &Caller,
    password: Option<String>,
) -> Result<(User, Session), ApiError> {
    let (user, session) = signed_in(app, caller).await?;
    if user.password.is_empty() {
        let message = "The user signs in elsewhere and has no password here.";
        let fix = "Change it where they sign in.";
        return Err(ApiError::new(StatusCode::CONFLICT, "session.not_a_user", message, fix));
    }
    app.access.sessions.may_try_as(&user.id).map_err(too_many)?;
    let password = Secret::new(password.unwrap_or_default());
    if password.reveal().len() <= passwords::LENGTH_MAX {
        let fits = app.access.sessions.passwords.fits(password, Some(&user.password)).await;
        if fits.ok_or_else(|| too_many(std::time::Duration::from_secs(1)))? {
            return Ok((user, session));
        }
    }
    let message = "That is not the password.";
    let fix = "Type the one that you sign in with.";
    Err(ApiError::new(StatusCode::FORBIDDEN, "session.proof_wrong", message, fix).at("password"))
}

async fn change(
    app: &App,
    caller: &Caller,
    user: User,
    action: &'static str,
) -> Result<(), ApiError> {
    let (id, now) = (user.id.clone(), app.engine.clock.now());
    let act = Act {
        actor: caller.actor(),
        action,
        subject: id.clone(),
        details: BTreeMap::from([("address".to_owned(), caller.address.to_string())]),
    };
    let is_changed = app.engine.store.change_user(user, act, now).await?;
    app.access.users.forget(&id);
    if is_changed { Ok(()) } else { Err(crate::http::users::changed()) }
}
