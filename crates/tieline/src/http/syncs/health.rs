//! How a sync did of late, and what its newest plan comes to.

use super::runs::{SyncRunBody, told};
use crate::http::error::ErrorBody;
use crate::http::input::Segment;
use crate::http::{ApiError, App};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use engine::sync::health::{Did, Forecast};
use serde::Serialize;
use utoipa::ToSchema;

/// How a sync did of late.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncHealthBody {
    /// Of the guides: 100 − 5 × mean errors − mean seconds over these runs, never below 0.
    score: f64,
    open_reviews: u64,
    /// Pairs that have failed and are tried again.
    failing: u64,
    /// Pairs that are given up until somebody says otherwise.
    dead: u64,
    /// The last ten that have ended, newest first.
    runs: Vec<DidBody>,
}

/// What one run did, of both sides together.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DidBody {
    run_id: i64,
    started_at: String,
    /// `done` or `partial`.
    state: &'static str,
    created: u64,
    updated: u64,
    deleted: u64,
    /// Looked at and left.
    skipped: u64,
    errors: u64,
    conflicts: u64,
    seconds: f64,
}

/// A plan with what it comes to.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlannedBody {
    #[serde(flatten)]
    run: SyncRunBody,
    /// People that the sync knows.
    pairs: u64,
    left: ForecastBody,
    right: ForecastBody,
    /// It would delete more than the brake allows, and stop to ask.
    braked: bool,
}

/// What a plan would do to one side, and what that takes.
#[derive(Serialize, ToSchema)]
pub struct ForecastBody {
    creates: u64,
    updates: u64,
    deletes: u64,
    /// All of them, of a hundred people that the sync knows.
    percent: f64,
    /// Calls to write it, in batches as large as the vendor takes: at least so many.
    calls: u64,
    /// How long these wait for the connection's rate budget.
    seconds: u64,
}

/// How a sync did of late: its last runs, and the score of the guides.
#[utoipa::path(
    get, path = "/api/v1/syncs/{name}/health", tag = "syncs", params(("name" = String, Path)),
    responses((status = 200, body = SyncHealthBody), (status = 404, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn health(
    State(app): State<App>,
    Segment(name): Segment,
) -> Result<Json<SyncHealthBody>, ApiError> {
    let sync = app.engine.syncs.get(&name).ok_or_else(super::unknown)?;
    let health = app.engine.sync_health(sync).await?;
    Ok(Json(SyncHealthBody {
        score: health.score,
        open_reviews: health.open_reviews,
        failing: health.failing,
        dead: health.dead,
        runs: health.runs.into_iter().map(did).collect(),
    }))
}

/// The newest plan of a sync, under way or ended, and what it comes to. What it would write:
/// `GET /api/v1/runs/{id}/writes`.
#[utoipa::path(
    get, path = "/api/v1/syncs/{name}/plan", tag = "syncs", params(("name" = String, Path)),
    responses((status = 200, body = PlannedBody), (status = 404, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn plan(
    State(app): State<App>,
    Segment(name): Segment,
) -> Result<Json<PlannedBody>, ApiError> {
    let sync = app.engine.syncs.get(&name).ok_or_else(super::unknown)?;
    let planned = app.engine.sync_plan(sync).await?.ok_or_else(|| {
        let fix = "POST /api/v1/syncs/{name}/plan makes one.";
        let message = "No plan of this sync is kept.";
        ApiError::new(StatusCode::NOT_FOUND, "sync.not_planned", message, fix)
    })?;
    let [left, right] = planned.sides.map(forecast);
    let (pairs, braked) = (planned.pairs, planned.is_braked);
    Ok(Json(PlannedBody { run: told(planned.run, &name), pairs, left, right, braked }))
}

fn did(did: Did) -> DidBody {
    DidBody {
        run_id: did.run.id,
        started_at: did.run.started_at.to_string(),
        state: did.run.state.as_str(),
        created: did.created,
        updated: did.updated,
        deleted: did.deleted,
        skipped: did.skipped,
        errors: did.errors,
        conflicts: did.conflicts,
        seconds: did.seconds,
    }
}

fn forecast(of: Forecast) -> ForecastBody {
    let Forecast { creates, updates, deletes, percent, calls, seconds, .. } = of;
    ForecastBody { creates, updates, deletes, percent, calls, seconds }
}
