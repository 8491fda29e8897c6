//! What is wrong, what was, and who is told.

use super::App;
use super::error::{ApiError, ErrorBody};
use super::input::{Params, Segment};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use engine::Alert;
use serde::{Deserialize, Serialize};
use state::alerts::{Past, Trouble};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// How much of what was is told.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AlertsQuery {
    /// So many of what has begun and ended, 1 to 1,000; else 100.
    #[serde(default = "hundred")]
    #[param(minimum = 1, maximum = 1_000)]
    limit: usize,
}

fn hundred() -> usize {
    100
}

/// What is wrong, what was, and who is told.
#[derive(Serialize, ToSchema)]
pub struct AlertsBody {
    /// What is wrong now over all nodes, the newest first.
    open: Vec<OpenAlertBody>,
    /// What has begun and ended, the newest first; a thousand are kept.
    history: Vec<PastAlertBody>,
    channels: Vec<AlertChannelBody>,
    thresholds: ThresholdsBody,
}

/// Something that is wrong.
#[derive(Serialize, ToSchema)]
pub struct OpenAlertBody {
    /// `token_failed`, `breaker_open`, `budget_low`, `late` or `partial` of a connection;
    /// `sync_…` of a sync; others of a team whose presence is kept.
    kind: String,
    /// The name of its connection, sync or team.
    of: String,
    since: String,
    title: String,
    /// What was known of it when it began, and what to do.
    detail: String,
}

/// Something that began or was over.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PastAlertBody {
    kind: String,
    of: String,
    is_over: bool,
    /// When it began, and when this was noticed.
    since: String,
    at: String,
    title: String,
    detail: String,
}

/// Where alerts are sent; set in tieline.toml.
#[derive(Serialize, ToSchema)]
pub struct AlertChannelBody {
    name: String,
    /// `webhook`, `slack` or `email`.
    #[serde(rename = "type")]
    kind: &'static str,
}

/// From when on something is wrong; set in tieline.toml. Those of a sync are its own.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ThresholdsBody {
    /// Shares of a connection's calls in five minutes, 0 to 1.
    late_rate: f64,
    partial_rate: f64,
    /// It is over when it was not seen for so many seconds.
    settle_s: f64,
    /// How often it is looked.
    every_s: f64,
}

/// What came of a test.
#[derive(Serialize, ToSchema)]
pub struct SentBody {
    sent: bool,
    /// Why it could not be sent; empty where it could.
    error: String,
}

/// What is wrong now and was before, where it is sent, and from when on it is told.
#[utoipa::path(
    get, path = "/api/v1/alerts", tag = "operation", params(AlertsQuery),
    responses((status = 200, body = AlertsBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn list(
    State(app): State<App>,
    Params(query): Params<AlertsQuery>,
) -> Result<Json<AlertsBody>, ApiError> {
    if !(1..=1_000).contains(&query.limit) {
        return Err(ApiError::field("limit", "limit is 1 to 1,000.", "Correct it."));
    }
    let store = &app.engine.store;
    let past = store.past_troubles(state::alerts::TURNS_MAX).await?;
    // What began last of each kind, as it was told.
    let mut told: BTreeMap<&Trouble, &Past> = BTreeMap::new();
    for one in past.iter().filter(|one| !one.turn.is_over) {
        told.entry(&one.turn.trouble).or_insert(one);
    }
    let mut open: Vec<OpenAlertBody> = Vec::new();
    let mut now: Vec<_> = store.troubles().await?.into_iter().collect();
    now.sort_by_key(|(_, since)| std::cmp::Reverse(*since));
    for (trouble, since) in now {
        let words = told.get(&trouble);
        open.push(OpenAlertBody {
            since: since.to_string(),
            title: words.map_or_else(|| trouble.kind.clone(), |words| words.title.clone()),
            detail: words.map(|words| words.detail.clone()).unwrap_or_default(),
            kind: trouble.kind,
            of: trouble.connection,
        });
    }
    let alerting = &app.engine.options.alerts;
    let channels = alerting.channels.iter();
    Ok(Json(AlertsBody {
        open,
        history: past.into_iter().take(query.limit).map(past_body).collect(),
        channels: channels
            .map(|one| AlertChannelBody { name: one.name().to_owned(), kind: one.kind() })
            .collect(),
        thresholds: ThresholdsBody {
            late_rate: alerting.late_rate,
            partial_rate: alerting.partial_rate,
            settle_s: alerting.settle.as_secs_f64(),
            every_s: alerting.every.as_secs_f64(),
        },
    }))
}

fn past_body(past: Past) -> PastAlertBody {
    let Past { turn, title, detail } = past;
    PastAlertBody {
        kind: turn.trouble.kind,
        of: turn.trouble.connection,
        is_over: turn.is_over,
        since: turn.since.to_string(),
        at: turn.at.to_string(),
        title,
        detail,
    }
}

/// Sends an alert that says that it is a test.
#[utoipa::path(
    post, path = "/api/v1/alerts/channels/{name}/test", tag = "operation",
    params(("name" = String, Path, description = "The channel, as tieline.toml names it")),
    responses((status = 200, body = SentBody), (status = 404, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn test(
    State(app): State<App>,
    Segment(name): Segment,
) -> Result<Json<SentBody>, ApiError> {
    let channels = &app.engine.options.alerts.channels;
    let channel = channels.iter().find(|one| one.name() == name).ok_or_else(|| {
        let message = "There is no channel of this name.";
        let fix = "GET /api/v1/alerts names them all; they are set as [alerts.channels.NAME].";
        ApiError::new(StatusCode::NOT_FOUND, "alerts.no_channel", message, fix).at("name")
    })?;
    let at = app.engine.clock.now().to_string();
    let alert = Alert {
        kind: "test".to_owned(),
        connection: String::new(),
        sync: String::new(),
        team: String::new(),
        is_over: false,
        since: at.clone(),
        at,
        title: "a test: nothing is wrong".to_owned(),
        detail: "Somebody has asked whether alerts arrive here.".to_owned(),
    };
    let error = channel.send(&alert).await.err().map(|error| error.to_string());
    Ok(Json(SentBody { sent: error.is_none(), error: error.unwrap_or_default() }))
}
