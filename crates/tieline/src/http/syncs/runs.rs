//! Runs of syncs: begun, planned, watched, taken back; and what they have written.

use super::{SyncBegunBody, asked, start, unknown as unknown_sync};
use crate::http::error::ErrorBody;
use crate::http::input::{Params, Segment, read_object};
use crate::http::{ApiError, App};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use domain::sync::Side;
use engine::sync::Told;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use state::sync::{Counts, Logged, Run, RunKind};
use utoipa::{IntoParams, ToSchema};

/// A run to begin.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BeginRunBody {
    /// Approves a sync that nobody has approved yet, without a plan.
    yes: bool,
}

/// A run as it stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncRunBody {
    run_id: i64,
    sync: String,
    /// `run`, `plan`, `undo`, `measure`, `rehearsal` (a plan with other settings), `push`: a run
    /// of those whom a side has told of by itself, or `nudge`: of the sides that tell what changed.
    kind: &'static str,
    /// The run that it takes back; 0 for others.
    of: i64,
    /// `waiting`, `running`, `done`, or `partial`: the note says why, and the next one goes on.
    state: &'static str,
    /// Empty where nobody's schedule has asked for it.
    due_at: String,
    by: String,
    /// Why it is partial; empty where it is not.
    note: String,
    started_at: String,
    updated_at: String,
    /// Empty while it is under way.
    ended_at: String,
    /// By word, those of a side with its name behind: `created_right`, `updated_left`,
    /// `deleted_right`, `new_left` (records seen for the first time), `changed_left`,
    /// `seen_left` (told, and unchanged), `gone_left`, `gaps_left` (what a feed did not tell, and
    /// was read), `linked`, `echoes` (own writes that came back), `unchanged`, `conflicts`,
    /// `duplicates`, `held`, `drift`, `errors`, `undone`, `left`; `expected`: records that waited
    /// to be settled when all had been read; of a measurement `compared`, `pending`, `differing`;
    /// requests `calls_left`, `calls_right`.
    #[schema(value_type = std::collections::BTreeMap<String, u64>)]
    counts: Counts,
}

/// Runs, newest first.
#[derive(Serialize, ToSchema)]
pub struct SyncRunsBody {
    items: Vec<SyncRunBody>,
}

/// What a run wrote, or a plan would.
#[derive(Serialize, ToSchema)]
pub struct WritesBody {
    items: Vec<SyncWriteBody>,
    /// For the next page; empty on the last.
    next: String,
}

/// One write.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncWriteBody {
    id: i64,
    run_id: i64,
    at: String,
    /// `create`, `update`, `delete`, `mark`, `link`, `conflict` (a value that lost), `undo`.
    kind: String,
    /// `planned` (of a run that writes nothing), `intended` (nobody knows), `done`, `failed`, `undone`.
    state: &'static str,
    /// `left` or `right`.
    side: &'static str,
    /// The record's id there; empty where it is to be made.
    record: String,
    /// Fields as they were, by the side's own names.
    #[schema(value_type = Object)]
    before: Value,
    /// Fields as they were written.
    #[schema(value_type = Object)]
    after: Value,
    /// By which rule, or why not.
    why: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// `next` of the page before.
    #[serde(default)]
    #[param(schema_with = crate::http::schemas::place)]
    before: String,
    /// At most this many, 1 to 1,000.
    #[serde(default = "hundred")]
    #[param(maximum = 4_294_967_295_i64)]
    limit: u32,
}

pub(in crate::http) fn hundred() -> u32 {
    100
}

/// Begins a run of a sync. One is under way at a time, over all nodes.
#[utoipa::path(
    post, path = "/api/v1/syncs/{name}/runs", tag = "syncs", params(("name" = String, Path)),
    request_body = BeginRunBody,
    responses(
        (status = 202, description = "It has begun", body = SyncBegunBody),
        (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn begin(
    State(app): State<App>,
    Segment(name): Segment,
    request: Request,
) -> Result<(StatusCode, Json<SyncBegunBody>), ApiError> {
    let mut asked = asked(RunKind::Run, None, false, &request);
    let body: BeginRunBody = read_object(request).await?;
    asked.is_approved = body.yes;
    start(&app, &name, asked).await
}

/// What became of it that records have changed.
#[derive(Serialize, ToSchema)]
pub struct NudgedBody {
    sync: String,
    /// `heard`: a run begins, after the one under way; `rests`: the sync is paused or not approved,
    /// and its next run reads what changed.
    state: &'static str,
}

/// Says that records have changed, as a vendor's webhook does. A run begins at once and reads what
/// changed of the sides that tell it; what is sent along is not read. Said often, it begins a run
/// every five seconds at most.
#[utoipa::path(
    post, path = "/api/v1/syncs/{name}/nudge", tag = "syncs", params(("name" = String, Path)),
    responses((status = 202, body = NudgedBody), (status = 404, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn nudge(
    State(app): State<App>,
    Segment(name): Segment,
) -> Result<(StatusCode, Json<NudgedBody>), ApiError> {
    let state = match app.engine.nudge_sync(&name).await? {
        Told::Heard => "heard",
        Told::Rests => "rests",
        Told::Unknown => return Err(unknown_sync()),
    };
    Ok((StatusCode::ACCEPTED, Json(NudgedBody { sync: name, state })))
}

/// Finds out what a run would do, and writes nothing to anybody.
#[utoipa::path(
    post, path = "/api/v1/syncs/{name}/plan", tag = "syncs", params(("name" = String, Path)),
    responses(
        (status = 202, description = "It has begun", body = SyncBegunBody),
        (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn plan(
    State(app): State<App>,
    Segment(name): Segment,
    request: Request,
) -> Result<(StatusCode, Json<SyncBegunBody>), ApiError> {
    start(&app, &name, asked(RunKind::Plan, None, false, &request)).await
}

/// The runs of a sync, newest first, at most 100.
#[utoipa::path(
    get, path = "/api/v1/syncs/{name}/runs", tag = "syncs", params(("name" = String, Path)),
    responses((status = 200, body = SyncRunsBody), (status = 404, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn list(
    State(app): State<App>,
    Segment(name): Segment,
) -> Result<Json<SyncRunsBody>, ApiError> {
    let sync = app.engine.syncs.get(&name).ok_or_else(super::unknown)?;
    let known = app.engine.sync_state(sync).await?;
    let runs = app.engine.store.sync_runs(Some(known.id), None, hundred() as usize).await?;
    let items = runs.into_iter().map(|run| told(run, &name)).collect();
    Ok(Json(SyncRunsBody { items }))
}

/// One run.
#[utoipa::path(
    get, path = "/api/v1/runs/{id}", tag = "syncs", params(("id" = i64, Path)),
    responses((status = 200, body = SyncRunBody), (status = 404, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn one(
    State(app): State<App>,
    Segment(id): Segment,
) -> Result<Json<SyncRunBody>, ApiError> {
    let (run, sync) = found(&app, &id).await?;
    Ok(Json(told(run, &sync)))
}

/// What a run has written, or a plan would write, newest first.
#[utoipa::path(
    get, path = "/api/v1/runs/{id}/writes", tag = "syncs", params(("id" = i64, Path), PageQuery),
    responses((status = 200, body = WritesBody), (status = 404, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn writes(
    State(app): State<App>,
    Segment(id): Segment,
    Params(page): Params<PageQuery>,
) -> Result<Json<WritesBody>, ApiError> {
    let (run, _) = found(&app, &id).await?;
    let limit = page.limit.clamp(1, 1_000) as usize;
    let before = page.before.parse().ok();
    let all = app.engine.store.journal_of_run(run.id, before, limit).await?;
    let next = all.last().filter(|_| all.len() == limit).map(|last| last.id.to_string());
    let items = all.into_iter().map(write).collect();
    Ok(Json(WritesBody { items, next: next.unwrap_or_default() }))
}

/// Takes back what a run has changed, where nothing changed since. The sync rests then until
/// it is resumed.
#[utoipa::path(
    post, path = "/api/v1/runs/{id}/undo", tag = "syncs", params(("id" = i64, Path)),
    responses(
        (status = 202, description = "It has begun", body = SyncBegunBody),
        (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn undo(
    State(app): State<App>,
    Segment(id): Segment,
    request: Request,
) -> Result<(StatusCode, Json<SyncBegunBody>), ApiError> {
    let (run, sync) = found(&app, &id).await?;
    start(&app, &sync, asked(RunKind::Undo, Some(run.id), true, &request)).await
}

async fn found(app: &App, id: &str) -> Result<(Run, String), ApiError> {
    let store = &app.engine.store;
    let run = match id.parse() {
        Ok(id) => store.sync_run(id).await?,
        Err(_) => None,
    };
    let run = run.ok_or_else(unknown)?;
    let mut syncs = store.syncs().await?.into_iter();
    let sync = syncs.find(|sync| sync.id == run.sync).ok_or_else(unknown)?;
    Ok((run, sync.name))
}

pub(super) fn told(run: Run, sync: &str) -> SyncRunBody {
    let at = |at: Option<domain::Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
    SyncRunBody {
        run_id: run.id,
        sync: sync.to_owned(),
        kind: run.kind.as_str(),
        of: run.of.unwrap_or_default(),
        state: run.state.as_str(),
        due_at: at(run.due_at),
        by: run.by,
        note: run.note.unwrap_or_default(),
        started_at: run.started_at.to_string(),
        updated_at: run.updated_at.to_string(),
        ended_at: at(run.ended_at),
        counts: run.counts,
    }
}

pub(super) fn write(logged: Logged) -> SyncWriteBody {
    let fields = |bytes: &[u8]| {
        let mut json: Value = serde_json::from_slice(bytes).unwrap_or_default();
        if let Some(fields) = json.get_mut("fields") {
            return fields.take();
        }
        if json.is_object() { json } else { Value::Object(serde_json::Map::new()) }
    };
    let entry = logged.entry;
    SyncWriteBody {
        id: logged.id,
        run_id: logged.run,
        at: logged.at.to_string(),
        before: fields(&entry.before),
        after: fields(&entry.after),
        kind: entry.kind,
        state: entry.state.as_str(),
        side: Side::ALL[entry.side & 1].as_str(),
        record: entry.record,
        why: entry.why,
    }
}

fn unknown() -> ApiError {
    let fix = "GET /api/v1/syncs/{name}/runs lists those that are kept.";
    ApiError::new(StatusCode::NOT_FOUND, "run.unknown", "There is no such run.", fix)
}
