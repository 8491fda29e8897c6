//! How a connection did over the last day, for a chart.

use super::{ms, unknown};
use crate::http::error::ErrorBody;
use crate::http::input::Segment;
use crate::http::{ApiError, App};
use axum::Json;
use axum::extract::State;
use kit::course::{EVERY, Sample};
use serde::Serialize;
use utoipa::ToSchema;

/// The last day of a connection, as this node has seen it since its start.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionHistoryBody {
    /// Seconds from one sample to the next.
    every_s: u64,
    /// The oldest first.
    samples: Vec<ConnectionSampleBody>,
}

/// How it was at one moment.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionSampleBody {
    at: String,
    /// Requests of the five minutes before, which the times are of.
    requests: usize,
    p50_ms: u64,
    p95_ms: u64,
    p99_ms: u64,
    /// Requests that could go out at once by our own count.
    available: u64,
    /// What the vendor said was left of its own allowance; -1 where it does not say.
    left: i64,
    /// Nothing was asked: the breaker was open.
    breaker_open: bool,
}

impl From<Sample> for ConnectionSampleBody {
    fn from(sample: Sample) -> Self {
        let left = sample.left.map_or(-1, |left| i64::try_from(left).unwrap_or(i64::MAX));
        Self {
            at: sample.at.to_string(),
            requests: sample.requests,
            p50_ms: ms(sample.p50),
            p95_ms: ms(sample.p95),
            p99_ms: ms(sample.p99),
            available: sample.available,
            left,
            breaker_open: sample.is_open,
        }
    }
}

/// How a connection did over the last day: a sample a minute, of this node.
#[utoipa::path(
    get, path = "/api/v1/connections/{name}/history", tag = "connections",
    params(("name" = String, Path, description = "The connection's name")),
    responses(
        (status = 200, body = ConnectionHistoryBody),
        (status = 404, description = "No such connection", body = ErrorBody),
    )
)]
pub async fn history(
    State(app): State<App>,
    Segment(name): Segment,
) -> Result<Json<ConnectionHistoryBody>, ApiError> {
    let connection = app.engine.connections.get(&name).ok_or_else(|| unknown(&name))?;
    let samples = connection.health().course.samples();
    let samples = samples.into_iter().map(ConnectionSampleBody::from).collect();
    Ok(Json(ConnectionHistoryBody { every_s: EVERY.as_secs(), samples }))
}
