//! Rules tried before they are in force: against a number, a typed record, stored calls.

use super::explain::LineBody;
use super::{RulesRefusedBody, SetDocument, plainly, refused};
use crate::http::input::read_object;
use crate::http::{ApiError, App, schemas};
use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use engine::rules::edit::Kind;
use engine::rules::form::Body;
use engine::rules::{Against, Replay, ReplayError, Replayed, SetBody, value};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use utoipa::ToSchema;

/// A rule, and what it is tried against.
#[derive(Deserialize, ToSchema)]
pub struct TryBody {
    /// The name of a rule, in force or drafted. Or give `body`.
    rule: Option<String>,
    /// A rule as it would be.
    #[schema(value_type = Option<Object>)]
    body: Option<Body>,
    /// A number: its record is asked for.
    #[schema(example = "+15550199999", max_length = 1_024)]
    number: Option<String>,
    /// Or a record as somebody types it: fields and values.
    #[schema(value_type = Option<Object>)]
    record: Option<BTreeMap<String, serde_json::Value>>,
}

/// Every line's verdict.
#[derive(Serialize, ToSchema)]
pub struct TriedBody {
    /// Such as `queue:Premium Support`; empty where no line holds.
    destination: String,
    lines: Vec<LineBody>,
    warnings: Vec<String>,
}

/// Tries a rule. Nothing is kept, and no call goes anywhere.
#[utoipa::path(
    post, path = "/api/v1/routing/test", tag = "rules", request_body = TryBody,
    responses((status = 200, body = TriedBody), (status = 400, body = RulesRefusedBody), (status = 404, body = super::ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn try_rule(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let TryBody { rule, body, number, record } = read_object(request).await?;
    let (name, body) = match (rule, body) {
        (rule, Some(body)) => (rule.unwrap_or_else(|| "tried".to_owned()), body),
        (Some(name), None) => {
            let told = app.rules.one(&app.live, Kind::Rule, &name).await.map_err(plainly)?;
            let body = told.draft.flatten().or(told.published);
            (name, body.unwrap_or_default())
        }
        (None, None) => {
            let fix = "Name a rule, or send one as `body`.";
            return Err(ApiError::field("rule", "rule or body is required.", fix));
        }
    };
    let against = match (number, record) {
        (Some(number), None) => Against::Number(number),
        (None, Some(record)) => {
            let known = record.iter().filter_map(|(k, v)| Some((k.clone(), value(v)?)));
            Against::Record(known.collect())
        }
        _ => {
            let fix = "Send one of the two.";
            return Err(ApiError::field("number", "number or record is required.", fix));
        }
    };
    match Box::pin(app.engine.try_rule(&name, &body, against)).await {
        Err(faults) => Ok(refused(&faults)),
        Ok(tried) => Ok(Json(TriedBody {
            destination: tried.destination.unwrap_or_default(),
            lines: tried.lines.into_iter().map(LineBody::from).collect(),
            warnings: tried.warnings,
        })
        .into_response()),
    }
}

/// What is replayed over the calls that there were.
#[derive(Deserialize, ToSchema)]
pub struct ReplayBody {
    /// How far back, such as `7d`; a week where it is left out.
    #[schema(schema_with = schemas::since)]
    since: Option<String>,
    /// A whole set as it would be; every draft over what is in force where it is left out.
    set: Option<SetDocument>,
}

/// What would have become of them.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReplayedBody {
    decisions: u64,
    /// Would go where they went.
    same: u64,
    /// Would go elsewhere.
    elsewhere: u64,
    /// A value that is needed was never fetched for them.
    never_fetched: u64,
    /// Of those elsewhere, most first.
    ways: Vec<WayBody>,
    /// Fields that were never fetched, such as `salesforce.loyaltyTier`, and for how many.
    lacking: BTreeMap<String, u64>,
}

#[derive(Serialize, ToSchema)]
pub struct WayBody {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) decisions: u64,
}

/// Replays rules over stored decisions.
#[utoipa::path(
    post, path = "/api/v1/routing/replay", tag = "rules", request_body = ReplayBody,
    responses((status = 200, body = ReplayedBody), (status = 400, body = RulesRefusedBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn replay(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let ReplayBody { since, set } = crate::http::input::read_set(request).await?;
    let since = length(since)?;
    let set = match set {
        Some(SetDocument { rules, chains, .. }) => SetBody { rules, chains },
        None => app.rules.body(&app.live, true).await.map_err(plainly)?.1,
    };
    let until = app.engine.clock.now();
    match app.engine.replay(Replay { set, from: until.minus(since), until }).await {
        Ok(replayed) => Ok(Json(ReplayedBody::from(replayed)).into_response()),
        Err(ReplayError::Faults(faults)) => Ok(refused(&faults)),
        Err(ReplayError::Store(error)) => Err(error.into()),
    }
}

/// A length of time such as `7d`; a week where none is given.
pub(super) fn length(text: Option<String>) -> Result<Duration, ApiError> {
    const WEEK: Duration = Duration::from_secs(7 * 86_400);
    let Some(text) = text else { return Ok(WEEK) };
    text.parse::<crate::config::Period>().map(|period| period.0).map_err(|_| {
        let fix = "Write a number and s, m, h or d, such as 7d.";
        ApiError::field("since", "since is no length of time.", fix)
    })
}

impl From<Replayed> for ReplayedBody {
    fn from(replayed: Replayed) -> Self {
        let ways = replayed.ways.into_iter();
        let mut ways: Vec<WayBody> =
            ways.map(|((from, to), decisions)| WayBody { from, to, decisions }).collect();
        ways.sort_by_key(|way| std::cmp::Reverse(way.decisions));
        Self {
            decisions: replayed.decisions,
            same: replayed.same,
            elsewhere: replayed.elsewhere,
            never_fetched: replayed.never_fetched,
            ways,
            lacking: replayed.lacking,
        }
    }
}
