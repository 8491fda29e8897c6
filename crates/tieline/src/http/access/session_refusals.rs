//! What a sign-in at the console is refused with, and who is told of it.

use super::Caller;
use crate::http::{ApiError, App};
use axum::http::StatusCode;
use state::audit::Act;
use std::time::{Duration, Instant};

/// Written down and logged once a minute, with how many there were.
pub(super) async fn say_refused(app: &App, caller: &Caller, what: &str, why: &str) {
    let Some(refusals) = app.access.sessions.refusals.count(Instant::now()) else { return };
    let address = caller.address;
    tracing::warn!(caller.address = %address, refusals, "a sign-in at the console was refused: {what} {why}");
    let about = [
        ("address", address.to_string()),
        ("refusals", refusals.to_string()),
        ("reason", why.to_owned()),
    ];
    let about = about.into_iter().filter(|(_, value)| !value.is_empty());
    let act = Act {
        actor: "nobody".to_owned(),
        action: "session.refused",
        subject: what.to_owned(),
        details: about.map(|(name, value)| (name.to_owned(), value)).collect(),
    };
    if let Err(error) = app.engine.store.audit(act, app.engine.clock.now()).await {
        tracing::error!("a refused sign-in could not be written down: {error}");
    }
}

/// Says what is wrong, and not as whom: a password is typed into the wrong field now and then.
pub(super) async fn refused(app: &App, caller: &Caller, what: &'static str) -> ApiError {
    say_refused(app, caller, what, "").await;
    let (message, fix) = match what {
        "key" => (
            "The key opens nothing.",
            "Type it as it was told when it was made, or make one: tieline api-keys create.",
        ),
        "code" => (
            "The code is not the one of now, or was used.",
            "Wait for the next one, and look at the clock of the device that shows it.",
        ),
        _ => (
            "Name and password open nothing.",
            "Type them again; an admin can reset a password: tieline users reset-password NAME.",
        ),
    };
    ApiError::new(StatusCode::UNAUTHORIZED, "session.refused", message, fix).at(what)
}

pub(super) fn too_many(wait: Duration) -> ApiError {
    let message = "Too many tries to sign in from this address, or as this user.";
    let fix = "Wait as long as Retry-After says.";
    let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "session.rate_limited", message, fix)
        .retry_after(whole.max(1))
}
