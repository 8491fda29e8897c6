//! Runs of reconciliation: begun, watched, and what they report.

use super::error::ErrorBody;
use super::input::{Params, Segment, read_json};
use super::{ApiError, App, schemas};
use crate::config::Period;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use state::reconcile::{Begun, Counts, Noted, Run};
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

/// A run to begin.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ReconcileBody {
    /// How far it looks back, such as `24h`, which it is when this is absent.
    #[schema(schema_with = super::schemas::since)]
    since: Option<String>,
    /// Finds out what a run would do and writes nothing anywhere.
    dry_run: bool,
}

/// A run that has begun.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BegunBody {
    run_id: i64,
}

/// A run as it stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunBody {
    run_id: i64,
    /// `waiting`, `running`, `done`, or `partial`: not everybody could be asked, and
    /// the next run looks again.
    state: &'static str,
    /// `history`, `calls` or `writes`.
    step: &'static str,
    dry_run: bool,
    /// The time of the schedule that it is for; empty where somebody asked for it.
    due_at: String,
    since: String,
    until: String,
    /// When the call was that it came to last; empty before the first.
    reached: String,
    started_at: String,
    updated_at: String,
    /// Empty while it is under way.
    ended_at: String,
    /// Why it is partial; empty where it is not.
    note: String,
    /// How many calls were looked at.
    examined: u64,
    /// How many came to what. Each call to one of `linked`, `known`, `unknown`, `ambiguous`,
    /// `withheld`, `erased` (of somebody who was erased here: no CRM was asked), `internal`,
    /// `ongoing`, `unasked`, `refused`; besides, `unseen`: never looked up before; `promoted`: contacts kept for good; `reported`: linked, and others could
    /// not be told all; `failed`; `unread`: the history ended early.
    #[schema(value_type = std::collections::BTreeMap<String, u64>)]
    counts: Counts,
}

impl From<Run> for RunBody {
    fn from(run: Run) -> Self {
        let at = |at: Option<domain::Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
        Self {
            run_id: run.id,
            state: run.state.as_str(),
            step: run.step.as_str(),
            dry_run: run.is_dry,
            due_at: at(run.due_at),
            since: run.since.to_string(),
            until: run.until.to_string(),
            reached: at(run.reached),
            started_at: run.started_at.to_string(),
            updated_at: run.updated_at.to_string(),
            ended_at: at(run.ended_at),
            note: run.note.unwrap_or_default(),
            examined: EXAMINED.iter().filter_map(|word| run.counts.get(*word)).sum(),
            counts: run.counts,
        }
    }
}

/// Of these words each call has one.
const EXAMINED: [&str; 10] = [
    "linked",
    "known",
    "unknown",
    "ambiguous",
    "withheld",
    "erased",
    "internal",
    "ongoing",
    "unasked",
    "refused",
];

/// A run with its report.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReportBody {
    #[serde(flatten)]
    run: RunBody,
    /// Why calls are told below, the most first, at most 100 reasons.
    reasons: Vec<ReasonBody>,
    /// Calls with something to be told, by id.
    calls: Vec<NotedBody>,
    /// For the next page of `calls`; empty on the last.
    next: String,
}

/// How many calls are told for a reason.
#[derive(Serialize, ToSchema)]
pub struct ReasonBody {
    reason: String,
    calls: u64,
}

/// A call of a run.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotedBody {
    call_id: String,
    /// `linked`, `ambiguous`, `unasked`, `refused` or `failed`.
    what: String,
    reason: String,
}

impl From<Noted> for NotedBody {
    fn from(noted: Noted) -> Self {
        Self { call_id: noted.call, what: noted.what, reason: noted.reason }
    }
}

/// Which page of a run's calls.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// `next` of the page before.
    #[serde(default)]
    #[param(schema_with = schemas::place)]
    after: String,
    /// At most this many, 1 to 1,000.
    #[serde(default = "super::syncs::runs::hundred")]
    #[param(maximum = 4_294_967_295_i64)]
    limit: u32,
}

const SINCE: &str = "24h";

/// Begins a run. One is under way at a time, over all nodes.
#[utoipa::path(
    post, path = "/api/v1/reconcile", tag = "reconcile", request_body = ReconcileBody,
    responses(
        (status = 202, description = "It has begun", body = BegunBody),
        (status = 409, description = "Another run is under way", body = ErrorBody)
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn begin(
    State(app): State<App>,
    request: Request,
) -> Result<(StatusCode, Json<BegunBody>), ApiError> {
    let body: ReconcileBody = read_json(request).await?;
    let since = period(body.since.as_deref().unwrap_or(SINCE))?;
    match app.engine.reconcile(since, body.dry_run).await? {
        Begun::Started { run } => Ok((StatusCode::ACCEPTED, Json(BegunBody { run_id: run }))),
        Begun::Busy { run } => {
            let message = format!("Run {run} is under way.");
            let fix =
                "Wait until it has ended: GET /api/v1/reconcile/runs/{id} says how far it is.";
            Err(ApiError::new(StatusCode::CONFLICT, "reconcile.busy", message, fix))
        }
        Begun::Had => Err(unknown()),
    }
}

/// Up to six digits and a unit: seconds, minutes, hours or days; not none at all.
fn period(text: &str) -> Result<Duration, ApiError> {
    let number = text.strip_suffix(['s', 'm', 'h', 'd']).unwrap_or_default();
    let is_number = (1..=6).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    let read = text.parse::<Period>().ok().filter(|_| is_number && !number.starts_with('0'));
    read.map(|period| period.0)
        .ok_or_else(|| ApiError::field("since", "since is no length of time.", "Write 24h or 3d."))
}

/// The runs of late, newest first, at most 100.
#[utoipa::path(
    get, path = "/api/v1/reconcile/runs", tag = "reconcile",
    responses((status = 200, body = Vec<RunBody>)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn runs(State(app): State<App>) -> Result<Json<Vec<RunBody>>, ApiError> {
    let runs = app.engine.store.runs(100).await?;
    Ok(Json(runs.into_iter().map(RunBody::from).collect()))
}

/// A run: how far it is, and what it reports.
#[utoipa::path(
    get, path = "/api/v1/reconcile/runs/{id}", tag = "reconcile", params(("id" = i64, Path), PageQuery),
    responses((status = 200, body = ReportBody), (status = 404, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn one(
    State(app): State<App>,
    Segment(id): Segment,
    Params(page): Params<PageQuery>,
) -> Result<Json<ReportBody>, ApiError> {
    let store = &app.engine.store;
    let run = match id.parse() {
        Ok(id) => store.run(id).await?,
        Err(_) => None,
    };
    let run = run.ok_or_else(unknown)?;
    let limit = page.limit.clamp(1, 1_000) as usize;
    let calls = store.run_notes(run.id, &page.after, limit).await?;
    let next = calls.last().filter(|_| calls.len() == limit).map(|last| last.call.clone());
    let reasons = store.run_reasons(run.id).await?.into_iter();
    Ok(Json(ReportBody {
        run: run.into(),
        reasons: reasons.map(|(reason, calls)| ReasonBody { reason, calls }).collect(),
        calls: calls.into_iter().map(NotedBody::from).collect(),
        next: next.unwrap_or_default(),
    }))
}

fn unknown() -> ApiError {
    let fix = "GET /api/v1/reconcile/runs lists those that are kept.";
    ApiError::new(StatusCode::NOT_FOUND, "reconcile.unknown", "There is no such run.", fix)
}
