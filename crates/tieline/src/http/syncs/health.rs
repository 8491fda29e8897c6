//! How a sync did of late, how far both sides are apart, and what its newest plan comes to.

use super::runs::{SyncRunBody, told};
use super::{SyncBegunBody, asked, start};
use crate::http::error::ErrorBody;
use crate::http::input::Segment;
use crate::http::{ApiError, App};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use engine::sync::health::{Did, Forecast, drifted};
use serde::Serialize;
use state::sync::{Drift, RunKind};
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
    /// How far both sides were apart when it was measured last; absent: it never was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    drift: Option<DriftBody>,
    /// The last ten that have ended, newest first.
    runs: Vec<DidBody>,
}

/// What was measured of a sync, newest first.
#[derive(Serialize, ToSchema)]
pub struct DriftsBody {
    items: Vec<DriftBody>,
}

/// One measurement: some pairs, drawn by chance, were read from both sides.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DriftBody {
    run_id: i64,
    at: String,
    /// Of a hundred pairs that were compared, how many differed.
    percent: f64,
    /// Pairs that were drawn.
    sampled: u64,
    /// Of these, those that were compared, and those that were not: they wait, are in conflict,
    /// or changed since the last run began, which the next one will be told.
    compared: u64,
    pending: u64,
    /// Of those compared, those that differed.
    differing: u64,
    /// Of those that differed, the record of a side was not there.
    missing_left: u64,
    missing_right: u64,
    fields: Vec<FieldDriftBody>,
}

/// A field in which some differed.
#[derive(Serialize, ToSchema)]
pub struct FieldDriftBody {
    /// As the map has it: `FirstName>firstName`.
    field: String,
    /// How often the left, and the right, had moved away from what was agreed on.
    left: u64,
    right: u64,
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
    /// Calls of a run, to hear what changed and to write it in batches as large as the vendor
    /// takes: at least so many.
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
        drift: health.drift.map(drift),
        runs: health.runs.into_iter().map(did).collect(),
    }))
}

/// What was measured of a sync, newest first, at most 100: how far both sides were apart.
#[utoipa::path(
    get, path = "/api/v1/syncs/{name}/drift", tag = "syncs", params(("name" = String, Path)),
    responses((status = 200, body = DriftsBody), (status = 404, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn drifts(
    State(app): State<App>,
    Segment(name): Segment,
) -> Result<Json<DriftsBody>, ApiError> {
    let sync = app.engine.syncs.get(&name).ok_or_else(super::unknown)?;
    let known = app.engine.sync_state(sync).await?;
    let all = app.engine.store.drifts(known.id, DRIFTS).await?;
    Ok(Json(DriftsBody { items: all.into_iter().map(drift).collect() }))
}

/// Measurements that are told at once.
const DRIFTS: usize = 100;

/// Measures how far both sides are apart: reads some pairs, drawn by chance, from both, and
/// writes nothing.
#[utoipa::path(
    post, path = "/api/v1/syncs/{name}/drift", tag = "syncs", params(("name" = String, Path)),
    responses(
        (status = 202, description = "It has begun", body = SyncBegunBody),
        (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn measure(
    State(app): State<App>,
    Segment(name): Segment,
    request: Request,
) -> Result<(StatusCode, Json<SyncBegunBody>), ApiError> {
    start(&app, &name, asked(RunKind::Measure, None, false, &request)).await
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

fn drift(of: Drift) -> DriftBody {
    let percent = drifted(&of);
    let fields = of.fields.into_iter();
    DriftBody {
        run_id: of.run,
        at: of.at.to_string(),
        percent,
        sampled: of.sampled,
        compared: of.compared,
        pending: of.pending,
        differing: of.differing,
        missing_left: of.missing[0],
        missing_right: of.missing[1],
        fields: fields
            .map(|(field, [left, right])| FieldDriftBody { field, left, right })
            .collect(),
    }
}

fn forecast(of: Forecast) -> ForecastBody {
    let Forecast { creates, updates, deletes, percent, calls, seconds, .. } = of;
    ForecastBody { creates, updates, deletes, percent, calls, seconds }
}
