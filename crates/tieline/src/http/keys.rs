//! The store's own keys, rotated while serving.

use super::{ApiError, App};
use axum::Json;
use axum::extract::{Request, State};
use serde::Serialize;
use state::audit::Act;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What a rotation came to.
#[derive(Serialize, ToSchema)]
pub struct Rotated {
    /// Cells that are sealed by the new key now and were not before.
    cells: u64,
}

/// Makes a new data key and seals everything anew with it. Answers when that is done;
/// a rotation that is cut off goes on at the next start.
#[utoipa::path(
    post, path = "/api/v1/store/keys/rotate", tag = "operation",
    responses((status = 200, body = Rotated), (status = 503, body = super::error::ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn rotate(State(app): State<App>, request: Request) -> Result<Json<Rotated>, ApiError> {
    let actor = super::actor::actor(&request);
    let engine = app.engine.clone();
    // In a task of its own: a client that gives up does not cut it off.
    let cells = tokio::spawn(async move {
        let cells = engine.rotate_keys().await?;
        let details = BTreeMap::from([("cells".to_owned(), cells.to_string())]);
        let act = Act { actor, action: "keys.rotated", subject: "data".to_owned(), details };
        engine.store.audit(act, engine.clock.now()).await?;
        Ok::<u64, state::Error>(cells)
    });
    let cells = cells.await.unwrap_or_else(|_| {
        Err(state::Error::Unavailable { during: "rotating", reason: "it was cut off".to_owned() })
    })?;
    Ok(Json(Rotated { cells }))
}
