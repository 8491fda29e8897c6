//! What drafts would have done with the calls there were, asked beside what is in force.

use super::try_out::{WayBody, length};
use crate::http::error::ErrorBody;
use crate::http::input::Params;
use crate::http::{ApiError, App, schemas};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// How far back.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ShadowQuery {
    /// Such as `7d`; a week where it is left out.
    #[param(schema_with = schemas::since)]
    since: Option<String>,
}

/// What drafts would have done.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShadowBody {
    /// Drafts are asked for each call: `routing.shadow` in tieline.toml.
    is_on: bool,
    /// Decisions there were, whether or not a draft was asked.
    decisions: u64,
    /// Of these, how many a draft would have sent elsewhere.
    elsewhere: u64,
    /// Where they went and would have gone, most first, at most 100.
    ways: Vec<WayBody>,
}

/// What the drafts would have done with calls, where they were asked beside what is in force.
#[utoipa::path(
    get, path = "/api/v1/routing/shadow", tag = "rules", params(ShadowQuery),
    responses((status = 200, body = ShadowBody), (status = 400, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn shadow(
    State(app): State<App>,
    Params(query): Params<ShadowQuery>,
) -> Result<Json<ShadowBody>, ApiError> {
    let since = app.engine.clock.now().minus(length(query.since)?);
    let found = app.engine.store.shadowed(since).await?;
    let ways = found.ways.into_iter();
    Ok(Json(ShadowBody {
        is_on: app.engine.options.routing.has_shadow,
        decisions: found.decisions,
        elsewhere: ways.as_slice().iter().map(|(.., decisions)| decisions).sum(),
        ways: ways.map(|(from, to, decisions)| WayBody { from, to, decisions }).collect(),
    }))
}
