//! What agents have corrected, listed and cleared; and who changed what.

use super::input::{Params, Segment};
use super::{ApiError, App};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use state::audit::{Act, Entry};
use state::overrides::{Clear, Override};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// A correction that is remembered.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OverrideBody {
    id: i64,
    number: String,
    /// Empty: in every queue.
    queue: String,
    connection: String,
    external_id: String,
    /// The call that was corrected.
    call_id: String,
    reason: String,
    /// Who corrected it: an API key's id, or an agent's.
    actor: String,
    created_at: String,
    expires_at: String,
}

impl From<Override> for OverrideBody {
    fn from(found: Override) -> Self {
        let Override { id, created_at, said } = found;
        Self {
            id,
            number: said.number,
            queue: said.queue.unwrap_or_default(),
            connection: said.connection,
            external_id: said.external_id,
            call_id: said.call,
            reason: said.reason,
            actor: said.actor,
            created_at: created_at.to_string(),
            expires_at: said.expires_at.to_string(),
        }
    }
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Only what is older than this id.
    before: Option<i64>,
    #[serde(default = "super::admin::fifty")]
    #[param(maximum = 4_294_967_295_i64)]
    limit: u32,
}

/// Corrections that are remembered, newest first.
#[utoipa::path(
    get, path = "/api/v1/overrides", tag = "calls", params(PageQuery),
    responses((status = 200, body = Vec<OverrideBody>)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn list(
    State(app): State<App>,
    Params(page): Params<PageQuery>,
) -> Result<Json<Vec<OverrideBody>>, ApiError> {
    let found =
        app.engine.store.overrides(page.before, page.limit.clamp(1, 1_000) as usize).await?;
    Ok(Json(found.into_iter().map(OverrideBody::from).collect()))
}

/// One of them.
#[utoipa::path(
    get, path = "/api/v1/overrides/{id}", tag = "calls",
    params(("id" = i64, Path, description = "The override's id")),
    responses((status = 200, body = OverrideBody), (status = 404, body = super::error::ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn one(
    State(app): State<App>,
    Segment(id): Segment,
) -> Result<Json<OverrideBody>, ApiError> {
    let found = match id.parse() {
        Ok(id) => app.engine.store.override_by_id(id).await?,
        Err(_) => None,
    };
    found.map(|found| Json(found.into())).ok_or_else(unknown)
}

/// How many were cleared.
#[derive(Serialize, ToSchema)]
pub struct Cleared {
    cleared: u64,
}

/// Clears one.
#[utoipa::path(
    delete, path = "/api/v1/overrides/{id}", tag = "calls",
    params(("id" = i64, Path, description = "The override's id")),
    responses((status = 200, body = Cleared), (status = 404, body = super::error::ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn clear(
    State(app): State<App>,
    Segment(id): Segment,
    request: Request,
) -> Result<Json<Cleared>, ApiError> {
    let which = id.parse().map(Clear::One).map_err(|_| unknown())?;
    let Json(cleared) = clear_which(&app, which, &id, super::actor::actor(&request)).await?;
    if cleared.cleared == 0 { Err(unknown()) } else { Ok(Json(cleared)) }
}

/// Which to clear.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ClearQuery {
    /// All of this number, as E.164.
    number: Option<String>,
    /// Really all of them.
    #[serde(default)]
    all: bool,
}

/// Clears all of a number, or all there are.
#[utoipa::path(
    delete, path = "/api/v1/overrides", tag = "calls", params(ClearQuery),
    responses((status = 200, body = Cleared), (status = 400, body = super::error::ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn clear_many(
    State(app): State<App>,
    Params(query): Params<ClearQuery>,
    request: Request,
) -> Result<Json<Cleared>, ApiError> {
    let actor = super::actor::actor(&request);
    match query {
        ClearQuery { number: Some(number), .. } => {
            clear_which(&app, Clear::Number(number.clone()), &number, actor).await
        }
        ClearQuery { all: true, .. } => clear_which(&app, Clear::All, "all", actor).await,
        ClearQuery { .. } => {
            let message = "Nothing says which corrections to clear.";
            Err(ApiError::field("number", message, "Pass number=+E.164, or all=true."))
        }
    }
}

async fn clear_which(
    app: &App,
    which: Clear,
    subject: &str,
    actor: String,
) -> Result<Json<Cleared>, ApiError> {
    let act = Act {
        actor,
        action: "overrides.cleared",
        subject: subject.to_owned(),
        details: BTreeMap::new(),
    };
    let now = app.engine.clock.now();
    let cleared = app.engine.store.clear_overrides(which, act, now).await?;
    Ok(Json(Cleared { cleared }))
}

fn unknown() -> ApiError {
    let message = "No override has this id.";
    let fix = "See GET /api/v1/overrides; it may have ended or been cleared.";
    ApiError::new(StatusCode::NOT_FOUND, "override.unknown", message, fix).at("id")
}

/// An entry of the audit log.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditBody {
    seq: u64,
    at: String,
    actor: String,
    action: String,
    subject: String,
    details: BTreeMap<String, String>,
}

impl From<Entry> for AuditBody {
    fn from(entry: Entry) -> Self {
        let Entry { seq, at, actor, action, subject, details } = entry;
        Self { seq, at: at.to_string(), actor, action, subject, details }
    }
}

/// Who changed or saw what, newest first.
#[utoipa::path(
    get, path = "/api/v1/audit", tag = "operation", params(PageQuery),
    responses((status = 200, body = Vec<AuditBody>)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn audit(
    State(app): State<App>,
    Params(page): Params<PageQuery>,
) -> Result<Json<Vec<AuditBody>>, ApiError> {
    let before = page.before.and_then(|seq| u64::try_from(seq).ok());
    let entries =
        app.engine.store.audit_entries(before, page.limit.clamp(1, 1_000) as usize).await?;
    Ok(Json(entries.into_iter().map(AuditBody::from).collect()))
}

/// What a walk along the audit log found.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerdictBody {
    whole: bool,
    entries: u64,
    /// Of these, how many lost their details when a person was erased.
    blanked: u64,
    /// The first entry that is not as it was written; 0 where all are.
    broken_at: u64,
    fault: &'static str,
    /// Write it down elsewhere: as long as a later walk passes it, nothing was taken off the end.
    head: String,
}

/// Walks along the whole audit log and says whether it is as it was written.
#[utoipa::path(
    get, path = "/api/v1/audit/verify", tag = "operation",
    responses((status = 200, body = VerdictBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn verify(State(app): State<App>) -> Result<Json<VerdictBody>, ApiError> {
    let verdict = app.engine.store.verify_audit().await?;
    let (broken_at, fault) = verdict.broken.unwrap_or_default();
    Ok(Json(VerdictBody {
        whole: verdict.broken.is_none(),
        entries: verdict.entries,
        blanked: verdict.blanked,
        broken_at,
        fault,
        head: verdict.head,
    }))
}
