//! Forgetting a sync that is configured no more.

use crate::http::error::ErrorBody;
use crate::http::input::{Segment, read_object};
use crate::http::{ApiError, App, actor};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use engine::sync::Forgotten;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// That it is really meant.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ForgetSyncBody {
    /// The name of the sync once more.
    confirm: String,
}

/// What went with it.
#[derive(Serialize, ToSchema)]
pub struct ForgottenSyncBody {
    pairs: u64,
}

/// Forgets a sync that is configured no more, with everything that is kept of it. The records
/// themselves are left alone.
#[utoipa::path(
    post, path = "/api/v1/syncs/{name}/forget", tag = "syncs", params(("name" = String, Path)),
    request_body = ForgetSyncBody,
    responses(
        (status = 200, body = ForgottenSyncBody), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody)
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn forget(
    State(app): State<App>,
    Segment(name): Segment,
    request: Request,
) -> Result<Json<ForgottenSyncBody>, ApiError> {
    let by = actor::actor(&request);
    let body: ForgetSyncBody = read_object(request).await?;
    // What cannot be forgotten yet, needs no name to say so.
    if app.engine.syncs.get(&name).is_none() && body.confirm != name {
        let fix = "Pass the name of the sync: what is kept of it is gone for good.";
        return Err(ApiError::field("confirm", "This is not the name of the sync.", fix));
    }
    let conflict = |code, message: String, fix: &'static str| {
        Err(ApiError::new(StatusCode::CONFLICT, code, message, fix))
    };
    match app.engine.forget_sync(&name, &by).await? {
        Forgotten::Done { pairs } => Ok(Json(ForgottenSyncBody { pairs })),
        Forgotten::Unknown => Err(super::unknown()),
        Forgotten::Configured => {
            let fix = "Take it out of tieline.toml, or delete it from the settings, first.";
            conflict("sync.configured", "The sync is configured.".to_owned(), fix)
        }
        Forgotten::Busy(run) => {
            let fix = "Wait until it has ended: GET /api/v1/runs/{id} says how far it is.";
            conflict("sync.busy", format!("Run {run} of this sync is under way."), fix)
        }
    }
}
