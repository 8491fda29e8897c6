//! Who was erased, as keyed hashes: listed, taken back, and brought into a store that was
//! restored from an older backup.

use crate::http::actor::actor;
use crate::http::error::ErrorBody;
use crate::http::input::{Params, Segment, read_json};
use crate::http::{ApiError, App};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use domain::Timestamp;
use serde::{Deserialize, Serialize};
use state::audit::Act;
use state::subject::{Erasure, Mark};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// An erasure that holds.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErasureBody {
    id: String,
    erased_at: String,
    actor: String,
    reason: String,
    /// Empty while something may still be there.
    #[serde(default)]
    swept_at: String,
    tombstones: Vec<TombstoneBody>,
}

/// One tombstone: it says nothing of anybody without the store's keys.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct TombstoneBody {
    kind: String,
    /// 32 hex digits.
    hash: String,
}

impl From<Erasure> for ErasureBody {
    fn from(erasure: Erasure) -> Self {
        let tombstones = erasure
            .marks
            .into_iter()
            .map(|mark| TombstoneBody { kind: mark.kind, hash: state::hex(&mark.hash) });
        Self {
            id: erasure.id,
            erased_at: erasure.at.to_string(),
            actor: erasure.actor,
            reason: erasure.reason,
            swept_at: erasure.swept_at.map(|at| at.to_string()).unwrap_or_default(),
            tombstones: tombstones.collect(),
        }
    }
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ErasuresQuery {
    /// So many of the newest are left out.
    #[serde(default)]
    #[param(maximum = 4_294_967_295_i64)]
    skip: u32,
    #[serde(default = "crate::http::syncs::runs::hundred")]
    #[param(maximum = 4_294_967_295_i64)]
    limit: u32,
}

/// Erasures that hold, newest first.
#[utoipa::path(
    get, path = "/api/v1/subjects/tombstones", tag = "privacy", params(ErasuresQuery),
    responses((status = 200, body = Vec<ErasureBody>)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn list(
    State(app): State<App>,
    Params(page): Params<ErasuresQuery>,
) -> Result<Json<Vec<ErasureBody>>, ApiError> {
    let (skip, limit) = (page.skip as usize, page.limit.clamp(1, 1_000) as usize);
    let found = app.engine.store.erasures(skip, limit).await?;
    Ok(Json(found.into_iter().map(ErasureBody::from).collect()))
}

/// How many erasures were not there before.
#[derive(Serialize, ToSchema)]
pub struct Applied {
    applied: u64,
}

/// Puts up erasures of the same store again, as they were listed, and sweeps: for a store
/// that was restored from a backup older than they are.
#[utoipa::path(
    post, path = "/api/v1/subjects/tombstones", tag = "privacy", request_body = Vec<ErasureBody>,
    responses((status = 200, body = Applied), (status = 400, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn apply(State(app): State<App>, request: Request) -> Result<Json<Applied>, ApiError> {
    let actor = actor(&request);
    let bodies: Vec<ErasureBody> = read_json(request).await?;
    let erasures = bodies.into_iter().map(erasure).collect::<Option<Vec<_>>>();
    let Some(erasures) = erasures else {
        let message = "An erasure is not as it was listed.";
        let fix = "Send what GET /api/v1/subjects/tombstones has answered, unchanged.";
        return Err(ApiError::field("tombstones", message, fix));
    };
    let details = BTreeMap::from([("erasures".to_owned(), erasures.len().to_string())]);
    let act = Act { actor, action: "subjects.erased_again", subject: String::new(), details };
    let applied = app.engine.store.erase_again(erasures, act, app.engine.clock.now()).await?;
    app.engine.sweep().await?;
    Ok(Json(Applied { applied }))
}

fn erasure(body: ErasureBody) -> Option<Erasure> {
    let is_id = body.id.len() == 16 && body.id.bytes().all(|b| b.is_ascii_hexdigit());
    let marks = body.tombstones.into_iter().map(|one| {
        let hash = u128::from_str_radix(&one.hash, 16).ok().filter(|_| one.hash.len() == 32)?;
        Some(Mark { kind: one.kind, hash: hash.to_be_bytes() })
    });
    Some(Erasure {
        id: Some(body.id).filter(|_| is_id)?,
        at: Timestamp::parse(&body.erased_at)?,
        actor: body.actor,
        reason: body.reason,
        swept_at: None,
        marks: marks.collect::<Option<_>>()?,
    })
}

/// Takes an erasure's tombstones away: its people may be known again.
#[utoipa::path(
    delete, path = "/api/v1/subjects/tombstones/{id}", tag = "privacy",
    params(("id" = String, Path, description = "The erasure's id")),
    responses((status = 200, body = TakenBack), (status = 404, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn take_back(
    State(app): State<App>,
    Segment(id): Segment,
    request: Request,
) -> Result<Json<TakenBack>, ApiError> {
    let act = Act {
        actor: actor(&request),
        action: "subject.taken_back",
        subject: id.clone(),
        details: BTreeMap::new(),
    };
    if !app.engine.store.take_back(&id, act, app.engine.clock.now()).await? {
        let message = "No erasure has this id.";
        let fix = "See GET /api/v1/subjects/tombstones; it may have been taken back.";
        let error = ApiError::new(StatusCode::NOT_FOUND, "subject.unknown_erasure", message, fix);
        return Err(error.at("id"));
    }
    Ok(Json(TakenBack { id }))
}

/// Whose people may be known again.
#[derive(Serialize, ToSchema)]
pub struct TakenBack {
    id: String,
}
