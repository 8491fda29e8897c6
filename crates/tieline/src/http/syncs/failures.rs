//! Pairs that could not be settled: why, and tried again.

use super::records::{PairBody, pair_body};
use super::reviews::names;
use crate::http::error::ErrorBody;
use crate::http::input::{Params, read_object, some_whole};
use crate::http::{ApiError, App, actor};
use axum::Json;
use axum::extract::{Request, State};
use serde::{Deserialize, Serialize};
use state::sync::{Failed, Redrive};
use utoipa::{IntoParams, ToSchema};

/// A pair that could not be settled.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailureBody {
    sync: String,
    /// A stable word: `rate_limited`, `unanswered` (nobody knows whether it was written),
    /// `invalid`, `conflict` and the like.
    class: String,
    /// What its system said; no values of a record.
    note: String,
    failed_at: String,
    /// When it is tried again; empty where it is given up.
    due_at: String,
    #[serde(flatten)]
    pair: PairBody,
}

/// Failures, by their pair.
#[derive(Serialize, ToSchema)]
pub struct FailuresBody {
    items: Vec<FailureBody>,
    /// For the next page; empty on the last.
    next: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FailuresQuery {
    /// Of this sync alone; empty: of all.
    #[serde(default)]
    #[param(schema_with = crate::http::schemas::place)]
    sync: String,
    /// Of this class alone; empty: of all.
    #[serde(default)]
    #[param(schema_with = crate::http::schemas::place)]
    class: String,
    /// `next` of the page before.
    #[serde(default)]
    #[param(schema_with = crate::http::schemas::place)]
    after: String,
    /// At most this many, 1 to 500.
    #[serde(default = "super::runs::hundred")]
    #[param(maximum = 4_294_967_295_i64)]
    limit: u32,
}

/// Which failures are tried again: one, those of a class, or all of the sync.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RedriveBody {
    /// Of which sync.
    #[schema(example = "contacts")]
    sync: String,
    /// Those of this class; empty: of all.
    #[serde(default)]
    #[schema(schema_with = crate::http::schemas::place)]
    class: String,
    /// This pair alone, whatever its class.
    #[serde(default, deserialize_with = "some_whole")]
    #[schema(minimum = 0)]
    pair: Option<i64>,
}

/// How many are tried again.
#[derive(Serialize, ToSchema)]
pub struct RedrivenBody {
    redriven: u64,
}

/// What could not be settled, and why.
#[utoipa::path(
    get, path = "/api/v1/failures", tag = "syncs", params(FailuresQuery),
    responses((status = 200, body = FailuresBody), (status = 404, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn list(
    State(app): State<App>,
    Params(query): Params<FailuresQuery>,
) -> Result<Json<FailuresBody>, ApiError> {
    let store = &app.engine.store;
    let limit = query.limit.clamp(1, 500) as usize;
    let after = query.after.parse().unwrap_or_default();
    let class = Some(query.class.as_str()).filter(|class| !class.is_empty());
    let syncs = match query.sync.as_str() {
        "" => names(&app).await?,
        name => [(super::reviews::known(&app, name).await?, name.to_owned())].into(),
    };
    let mut all: Vec<(i64, String, Failed)> = Vec::new();
    for (id, name) in syncs {
        let found = store.sync_failures(id, class, after, limit).await?;
        all.extend(found.into_iter().map(|failed| (failed.pair.seq, name.clone(), failed)));
    }
    // Pairs are numbered over all syncs.
    all.sort_by_key(|(seq, ..)| *seq);
    all.truncate(limit);
    let next = all.last().filter(|_| all.len() == limit).map(|(seq, ..)| seq.to_string());
    let items = all.into_iter().map(|(_, name, failed)| told(name, failed)).collect();
    Ok(Json(FailuresBody { items, next: next.unwrap_or_default() }))
}

/// Tries failures again with the next run, with what their records are then.
#[utoipa::path(
    post, path = "/api/v1/failures/redrive", tag = "syncs", request_body = RedriveBody,
    responses((status = 200, body = RedrivenBody), (status = 404, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn redrive(
    State(app): State<App>,
    request: Request,
) -> Result<Json<RedrivenBody>, ApiError> {
    let by = actor::actor(&request);
    let body: RedriveBody = read_object(request).await?;
    let sync = app.engine.syncs.get(&body.sync).ok_or_else(super::unknown)?;
    if body.class.contains('\0') {
        return Err(ApiError::field("class", "It holds a NUL character.", "Leave it out."));
    }
    let which = match (body.pair, body.class) {
        (Some(pair), _) => Redrive::One(pair),
        (None, class) if class.is_empty() => Redrive::All,
        (None, class) => Redrive::Class(class),
    };
    Ok(Json(RedrivenBody { redriven: app.engine.redrive_sync(sync, which, &by).await? }))
}

fn told(sync: String, failed: Failed) -> FailureBody {
    let failure = failed.failure;
    FailureBody {
        sync,
        class: failure.class,
        note: failure.note.unwrap_or_default(),
        failed_at: failed.failed_at.to_string(),
        due_at: if failure.is_dead { String::new() } else { failure.due_at.to_string() },
        pair: pair_body(failed.pair),
    }
}
