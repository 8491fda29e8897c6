//! Syncs: which there are, their runs, begun, watched and taken back, and what people decide.

pub mod failures;
pub mod forget;
pub mod health;
pub mod promotion;
pub mod records;
pub mod reviews;
pub mod runs;
pub mod sample;

use super::error::ErrorBody;
use super::input::Segment;
use super::{ApiError, App};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use domain::sync::Side;
use engine::sync::{Asked, Started, Sync};
use serde::Serialize;
use state::sync::{Change, RunKind};
use utoipa::ToSchema;

/// Every sync, by name.
#[derive(Serialize, ToSchema)]
pub struct SyncsBody {
    items: Vec<SyncBody>,
}

/// A sync as it stands. How it is configured: `GET /api/v1/settings/syncs/{name}`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncBody {
    name: String,
    left: EndBody,
    right: EndBody,
    /// People it knows of, on either side or both.
    pairs: u64,
    /// When somebody said that it may run; empty: nobody has.
    approved_at: String,
    approved_by: String,
    /// Why it rests; empty where it does not.
    paused: String,
    /// What a side tells by itself begins a run at once.
    push: bool,
    /// Conflicts and the like that wait for a person.
    open_reviews: u64,
}

/// One side of a sync.
#[derive(Serialize, ToSchema)]
pub struct EndBody {
    connection: String,
    object: String,
}

/// Every sync that is configured.
#[utoipa::path(
    get, path = "/api/v1/syncs", tag = "syncs", responses((status = 200, body = SyncsBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn list(State(app): State<App>) -> Result<Json<SyncsBody>, ApiError> {
    let mut items = Vec::new();
    for sync in app.engine.syncs.all() {
        items.push(told(&app, sync).await?);
    }
    Ok(Json(SyncsBody { items }))
}

/// One sync.
#[utoipa::path(
    get, path = "/api/v1/syncs/{name}", tag = "syncs", params(("name" = String, Path)),
    responses((status = 200, body = SyncBody), (status = 404, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn one(
    State(app): State<App>,
    Segment(name): Segment,
) -> Result<Json<SyncBody>, ApiError> {
    let sync = app.engine.syncs.get(&name).ok_or_else(unknown)?;
    Ok(Json(told(&app, sync).await?))
}

async fn told(app: &App, sync: &Sync) -> Result<SyncBody, ApiError> {
    let known = app.engine.sync_state(sync).await?;
    let end = |side: Side| EndBody {
        connection: sync.end(side).connection.name.clone(),
        object: sync.end(side).object.clone(),
    };
    Ok(SyncBody {
        name: sync.name.clone(),
        left: end(Side::Left),
        right: end(Side::Right),
        pairs: known.pairs,
        approved_at: known.approved_at.map(|at| at.to_string()).unwrap_or_default(),
        approved_by: known.approved_by.unwrap_or_default(),
        paused: known.paused.unwrap_or_default(),
        push: sync.is_pushed(),
        open_reviews: app.engine.store.open_reviews(known.id).await?,
    })
}

/// Says that a sync may run by itself: a plan of it was seen.
#[utoipa::path(
    post, path = "/api/v1/syncs/{name}/approve", tag = "syncs", params(("name" = String, Path)),
    responses((status = 200, body = SyncBody), (status = 404, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn approve(
    State(app): State<App>,
    Segment(name): Segment,
    request: Request,
) -> Result<Json<SyncBody>, ApiError> {
    change(&app, &name, Change::Approve, super::actor::actor(&request)).await
}

/// Lets a sync rest: no run begins until it is resumed.
#[utoipa::path(
    post, path = "/api/v1/syncs/{name}/pause", tag = "syncs", params(("name" = String, Path)),
    responses((status = 200, body = SyncBody), (status = 404, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn pause(
    State(app): State<App>,
    Segment(name): Segment,
    request: Request,
) -> Result<Json<SyncBody>, ApiError> {
    change(&app, &name, Change::Pause("paused by API".to_owned()), super::actor::actor(&request))
        .await
}

/// Ends the rest of a sync.
#[utoipa::path(
    post, path = "/api/v1/syncs/{name}/resume", tag = "syncs", params(("name" = String, Path)),
    responses((status = 200, body = SyncBody), (status = 404, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn resume(
    State(app): State<App>,
    Segment(name): Segment,
    request: Request,
) -> Result<Json<SyncBody>, ApiError> {
    change(&app, &name, Change::Resume, super::actor::actor(&request)).await
}

async fn change(
    app: &App,
    name: &str,
    change: Change,
    actor: String,
) -> Result<Json<SyncBody>, ApiError> {
    if !app.engine.change_sync(name, change, &actor).await? {
        return Err(unknown());
    }
    let sync = app.engine.syncs.get(name).ok_or_else(unknown)?;
    Ok(Json(told(app, sync).await?))
}

/// A run, or what kept it from beginning.
async fn start(
    app: &App,
    name: &str,
    asked: Asked,
) -> Result<(StatusCode, Json<SyncBegunBody>), ApiError> {
    outcome(app.engine.start_sync(name, asked).await?)
}

fn outcome(started: Started) -> Result<(StatusCode, Json<SyncBegunBody>), ApiError> {
    let conflict = |code, message: String, fix: &'static str| {
        Err(ApiError::new(StatusCode::CONFLICT, code, message, fix))
    };
    match started {
        Started::Run(run) => Ok((StatusCode::ACCEPTED, Json(SyncBegunBody { run_id: run }))),
        Started::Unknown => Err(unknown()),
        Started::Busy(run) => {
            let fix = "Wait until it has ended: GET /api/v1/runs/{id} says how far it is.";
            conflict("sync.busy", format!("Run {run} of this sync is under way."), fix)
        }
        Started::Paused(why) => {
            let fix = "Look at a plan, then POST /api/v1/syncs/{name}/resume.";
            conflict("sync.paused", format!("The sync rests: {why}."), fix)
        }
        Started::NotApproved => {
            let fix = "Look at a plan (POST /api/v1/syncs/{name}/plan), then approve it, or pass \"yes\": true.";
            conflict(
                "sync.not_approved",
                "Nobody has approved a plan of this sync yet.".to_owned(),
                fix,
            )
        }
        Started::NothingToUndo => {
            let fix = "Name a run of this sync that has ended and was no plan.";
            conflict("sync.nothing_to_undo", "There is nothing to take back.".to_owned(), fix)
        }
        Started::Moved { from: [left, right] } => {
            let message = format!("The sync was made between {left} and {right}.");
            let fix = "Give a sync between other connections another name.";
            conflict("sync.moved", message, fix)
        }
    }
}

/// A run that has begun.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncBegunBody {
    run_id: i64,
}

fn asked(kind: RunKind, of: Option<i64>, is_approved: bool, request: &Request) -> Asked {
    Asked { kind, of, is_approved, by: super::actor::actor(request) }
}

fn unknown() -> ApiError {
    let fix = "GET /api/v1/syncs lists those there are.";
    ApiError::new(StatusCode::NOT_FOUND, "sync.unknown", "There is no such sync.", fix)
}
