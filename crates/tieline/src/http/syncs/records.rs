//! A record's story: whose it is, what both sides hold, what was written and decided.

use super::reviews::{ReviewBody, names, told};
use super::runs::{SyncWriteBody, write};
use crate::http::error::ErrorBody;
use crate::http::{ApiError, App};
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use domain::sync::Side;
use engine::sync::health::agreed;
use serde::Serialize;
use serde_json::{Map, Value};
use state::sync::{Half, Pair};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A record of the left and the one of the right that are the same person.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PairBody {
    pair: i64,
    /// `open` (one side alone), `linked`, `held` (a person is asked), `buried` (one was deleted,
    /// and nothing rises again by itself) or `erased`.
    state: &'static str,
    left: HalfBody,
    right: HalfBody,
    /// What both last agreed on, by the names of the map.
    #[schema(value_type = Object)]
    agreed: BTreeMap<String, Value>,
    /// The next run looks at it.
    is_waiting: bool,
    /// Why it could not be settled last; empty where it could.
    failure: String,
    /// It is given up until somebody says otherwise.
    is_dead: bool,
    tries: u32,
}

/// One side of a pair, as it was last seen.
#[derive(Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HalfBody {
    /// `never`, `present` or `gone`.
    state: &'static str,
    /// The record's id in its own system; empty where there never was one.
    id: String,
    /// The record that it was merged into.
    merged_into: String,
    /// When it was changed, by its own system's clock; empty where that does not say.
    modified_at: String,
    modified_by: String,
    /// By its own system's names.
    #[schema(value_type = Object)]
    fields: Map<String, Value>,
}

/// All that is known of a record.
#[derive(Serialize, ToSchema)]
pub struct StoryBody {
    #[serde(flatten)]
    pair: PairBody,
    /// What was written to either side, newest first, at most 1,000.
    writes: Vec<SyncWriteBody>,
    /// What people were asked, newest first, at most 1,000.
    reviews: Vec<ReviewBody>,
}

/// What is known of a record: its other, what was written, by what it was decided.
#[utoipa::path(
    get, path = "/api/v1/syncs/{name}/records/{side}/{id}", tag = "syncs",
    params(("name" = String, Path), ("side" = inline(SideWord), Path), ("id" = String, Path)),
    responses((status = 200, body = StoryBody), (status = 404, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn story(
    State(app): State<App>,
    path: Result<Path<(String, String, String)>, PathRejection>,
) -> Result<Json<StoryBody>, ApiError> {
    let Path((name, side, id)) = path.map_err(|_| {
        let message = "The address is not valid UTF-8 once decoded.";
        ApiError::field("path", message, "Percent-encode the id as UTF-8.")
    })?;
    let sync = app.engine.syncs.get(&name).ok_or_else(super::unknown)?;
    let side = Side::parse(&side)
        .ok_or_else(|| ApiError::field("side", "A sync has two sides.", "Write left or right."))?;
    let known = app.engine.sync_state(sync).await?;
    let story = app.engine.store.sync_story(&known, side.index(), &id).await?;
    let story = story.ok_or_else(|| {
        let message = "The sync knows no such record on this side.";
        let fix = "Pass the record's id as its own system writes it; a record comes in with the next run.";
        ApiError::new(StatusCode::NOT_FOUND, "record.unknown", message, fix)
    })?;
    let names = names(&app).await?;
    Ok(Json(StoryBody {
        pair: pair_body(story.pair),
        writes: story.journal.into_iter().map(write).collect(),
        reviews: story.reviews.into_iter().map(|review| told(review, &names)).collect(),
    }))
}

/// Which side.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "it describes a part of an address")]
pub enum SideWord {
    Left,
    Right,
}

pub(super) fn pair_body(pair: Pair) -> PairBody {
    let [left, right] = pair.halves;
    PairBody {
        pair: pair.seq,
        state: pair.state.as_str(),
        left: half(left),
        right: half(right),
        agreed: agreed(pair.base.as_deref()),
        is_waiting: pair.is_waiting,
        failure: pair.failure.unwrap_or_default(),
        is_dead: pair.is_dead,
        tries: pair.tries,
    }
}

fn half(half: Half) -> HalfBody {
    match half {
        Half::Never => HalfBody { state: "never", ..HalfBody::default() },
        Half::Gone { id, into } => {
            let merged_into = into.unwrap_or_default();
            HalfBody { state: "gone", id, merged_into, ..HalfBody::default() }
        }
        Half::Present(copy) => HalfBody {
            state: "present",
            id: copy.id,
            merged_into: String::new(),
            modified_at: copy.modified.map(|at| at.to_string()).unwrap_or_default(),
            modified_by: copy.modified_by.unwrap_or_default(),
            fields: serde_json::from_slice(&copy.fields).unwrap_or_default(),
        },
    }
}
