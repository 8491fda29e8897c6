//! For how long what is kept is kept.

use super::App;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// Seconds after which each is forgotten, as tieline.toml says; 0: never.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetentionBody {
    /// Calls, with all that hangs on them.
    calls_s: u64,
    /// What syncs have written, and who changed it.
    sync_journal_s: u64,
    /// What became of agents' presence.
    presence_s: u64,
    /// Agents' corrections.
    corrections_s: u64,
}

/// For how long what is kept is kept.
#[utoipa::path(
    get, path = "/api/v1/retention", tag = "operation",
    responses((status = 200, body = RetentionBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn retention(State(app): State<App>) -> Json<RetentionBody> {
    let options = &app.engine.options;
    let seconds = |kept: Option<Duration>| kept.map_or(0, |kept| kept.as_secs());
    Json(RetentionBody {
        calls_s: seconds(options.keep_calls_for),
        sync_journal_s: seconds(options.syncing.keep_journal_for()),
        presence_s: seconds(options.keep_presence_for),
        corrections_s: options.corrections.remember_for.as_secs(),
    })
}
