//! A record shown through a sync's map, each way, before anything is written by it.

use super::promotion::{not_ready_map, section};
use crate::http::error::ErrorBody;
use crate::http::input::{Segment, read_object};
use crate::http::lookup::json;
use crate::http::{ApiError, App, settings};
use crate::settings::item::Kind;
use crate::settings::promote::Ground;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use domain::sync::{Direction, Side};
use engine::sync::Sync;
use engine::sync::sample::{Carried, Pictured};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use utoipa::ToSchema;

/// Which record, and by which map.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SyncSampleBody {
    /// `left` or `right`.
    #[schema(required = true, pattern = "^(left|right)$")]
    side: String,
    /// The record's id in its own system.
    #[schema(required = true, min_length = 1, max_length = 256)]
    id: String,
    /// A map that is not saved yet, as the `fields` of the sync's section; absent: the sync's own.
    #[schema(required = false, value_type = Vec<Object>, nullable = false)]
    fields: Option<Vec<Value>>,
}

/// The record and, where the sync knows it, its other, as their systems hold them now.
#[derive(Serialize, ToSchema)]
pub struct PictureBody {
    /// The records' ids; empty where there is none.
    left: String,
    right: String,
    lines: Vec<CarriedBody>,
}

/// What one line of the map does. What is absent is not there.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CarriedBody {
    /// The field's names.
    left: String,
    right: String,
    /// `right`, `left` or `both`.
    direction: &'static str,
    /// What each side holds, as the map reads it.
    #[schema(required = true, value_type = Option<Object>)]
    left_holds: Option<Value>,
    #[schema(required = true, value_type = Option<Object>)]
    right_holds: Option<Value>,
    /// What would be written there if what the other holds were to win; `null` also where it
    /// would be emptied, or nothing goes that way.
    #[schema(required = true, value_type = Option<Object>)]
    to_left: Option<Value>,
    #[schema(required = true, value_type = Option<Object>)]
    to_right: Option<Value>,
}

impl From<Pictured> for PictureBody {
    fn from(pictured: Pictured) -> Self {
        let [left, right] = pictured.ids.map(Option::unwrap_or_default);
        Self { left, right, lines: pictured.lines.into_iter().map(CarriedBody::from).collect() }
    }
}

impl From<Carried> for CarriedBody {
    fn from(carried: Carried) -> Self {
        let Carried { names: [left, right], direction, held, written } = carried;
        let [left_holds, right_holds] = held.map(|value| value.map(json));
        let [to_left, to_right] = written;
        let direction = match direction {
            Direction::ToRight => "right",
            Direction::ToLeft => "left",
            Direction::Both => "both",
        };
        Self { left, right, direction, left_holds, right_holds, to_left, to_right }
    }
}

/// Reads a record, and its other, from their own systems, and says what the map makes of them
/// each way. Nothing is written or kept.
#[utoipa::path(
    post, path = "/api/v1/syncs/{name}/sample", tag = "syncs", params(("name" = String, Path)),
    request_body = SyncSampleBody,
    responses(
        (status = 200, body = PictureBody), (status = 404, body = ErrorBody),
        (status = 400, description = "The map has mistakes", body = ErrorBody),
        (status = 502, description = "A system could not be asked", body = ErrorBody)
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn sample(
    State(app): State<App>,
    Segment(name): Segment,
    request: Request,
) -> Result<Json<PictureBody>, ApiError> {
    let SyncSampleBody { side, id, fields } = read_object(request).await?;
    let live = Arc::clone(app.engine.syncs.get(&name).ok_or_else(super::unknown)?);
    let side = Side::parse(&side)
        .ok_or_else(|| ApiError::field("side", "A sync has two sides.", "Write left or right."))?;
    if id.is_empty() {
        let fix = "Pass the record's id as its own system writes it.";
        return Err(ApiError::field("id", "No record is named.", fix));
    }
    let known = app.engine.sync_state(&live).await?;
    let story = app.engine.store.sync_story(&known, side.index(), &id).await?;
    let other = story.and_then(|story| {
        let other = &story.pair.halves[side.other().index()];
        other.id().map(str::to_owned)
    });
    let sync = match fields {
        Some(fields) => Arc::new(unsaved(&app, &name, fields).await?),
        None => live,
    };
    let pictured = app.engine.picture(&sync, side, &id, other.as_deref()).await;
    let pictured = pictured.map_err(|(side, error)| unread(&sync, side, &error))?;
    Ok(Json(pictured.ok_or_else(no_record)?.into()))
}

/// The sync as it would be with other fields.
async fn unsaved(app: &App, name: &str, fields: Vec<Value>) -> Result<Sync, ApiError> {
    let shared = app.shared();
    let told = shared.settings.one(&shared.live, Kind::Sync, name).await;
    let mut told = told.map_err(settings::refused_plainly)?.ok_or_else(super::unknown)?;
    told.section.insert("fields".to_owned(), fields.into());
    let section = section(&told).map_err(|wrong| {
        let fix = "Write each as in tieline.toml: left, right, direction, type, winner, match_as.";
        ApiError::field("fields", format!("A field of the map cannot be read: {wrong}."), fix)
    })?;
    let ground = Ground { loaded: shared.settings.loaded(), connections: &app.engine.connections };
    ground.check(&section).map_err(|mistakes| not_ready_map(&mistakes))
}

fn unread(sync: &Sync, side: Side, error: &kit::Error) -> ApiError {
    let name = &sync.end(side).connection.name;
    let message = format!("{name} could not be asked: {error}.");
    let fix = "Look at the connection's health; try again when it answers.";
    ApiError::new(StatusCode::BAD_GATEWAY, "record.unread", message, fix).at(side.as_str())
}

fn no_record() -> ApiError {
    let message = "The system has no such record.";
    let fix = "Pass the record's id as its own system writes it.";
    ApiError::new(StatusCode::NOT_FOUND, "record.unknown", message, fix).at("id")
}
