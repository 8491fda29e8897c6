//! How each connection is: its token, scopes, budget, breaker, pace, and what went wrong.
//!
//! Everything is what this node knows; no vendor is asked.

pub mod history;

use super::error::ErrorBody;
use super::input::Segment;
use super::{ApiError, App};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use engine::Connection;
use kit::Lane;
use kit::health::Trouble;
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// All connections.
#[derive(Serialize, ToSchema)]
pub struct ConnectionsBody {
    connections: Vec<StandingBody>,
}

/// How a connection stands, in short.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StandingBody {
    name: String,
    /// What its externalIds begin with; empty for one that identifies nobody.
    prefix: String,
    /// `ok`, `failing` (what was tried last went wrong) or `degraded` (calls had better
    /// go elsewhere for a while).
    status: &'static str,
    /// `budget`, `sick` or `no_token`; empty where it is not degraded.
    degraded_by: &'static str,
    /// Seconds after which that is likely to be over; 0 where it cannot be said.
    degraded_for_s: u64,
    /// What it can do.
    capabilities: Vec<&'static str>,
}

/// How a connection is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthBody {
    #[serde(flatten)]
    standing: StandingBody,
    token: TokenBody,
    budget: BudgetBody,
    breaker: BreakerBody,
    latency: LatencyBody,
    clock: ClockBody,
    /// Permissions, scopes or objects that were found missing, in the vendor's words.
    missing: Vec<String>,
    rights: RightsBody,
    /// What went wrong, the latest first, at most ten.
    errors: Vec<TroubleBody>,
}

/// The connection's token, never itself.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenBody {
    /// `ok`, `failing` (there is one, but the next could not be had), `missing`, or `none`
    /// where the vendor wants none.
    status: &'static str,
    age_s: u64,
    expires_in_s: u64,
    /// Scopes that the vendor granted, in its own words; empty where it did not say.
    scopes: Vec<String>,
    /// Why the last one could not be had; empty when it could.
    error: String,
}

/// What the vendor said that the credentials may do, when it was asked last: at the start,
/// and by every check.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RightsBody {
    /// `ok`, `missing`, `too_broad` (an administrator's), `unknown` (the vendor does not tell)
    /// or `not_asked`.
    status: &'static str,
    granted: Vec<String>,
    /// Scopes that the connection or an action needs and that were not granted.
    missing: Vec<String>,
    /// What gives an administrator's breadth; empty where nothing does.
    administrator: String,
    /// Empty where it was not asked yet.
    asked_at: String,
}

/// The rate budget.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BudgetBody {
    /// Requests that could go out at once by our own count, and the most there can be.
    available: u64,
    per_minute: u64,
    /// What the vendor says is left of its own allowance; -1 where it does not say.
    left: i64,
    /// At or below this the connection is degraded.
    floor: u64,
    is_low: bool,
    /// Seconds until it is likely not to be low any more.
    resets_in_s: u64,
    calls_under_way: usize,
    background_under_way: usize,
}

/// The breaker.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BreakerBody {
    /// `closed`, `open` (nothing is asked) or `trying` (one request is under way).
    position: &'static str,
    /// Milliseconds until a request may try.
    tries_in_ms: u64,
    /// How often it was opened since the start.
    opened: u64,
}

/// How fast it was in the last five minutes.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LatencyBody {
    requests: usize,
    p50_ms: u64,
    p95_ms: u64,
    p99_ms: u64,
    /// Above this a request is slow.
    slow_after_ms: u64,
    /// Slow requests since the start.
    slow: u64,
    /// How long the last of them took; 0 without one.
    slow_last_ms: u64,
    /// When that was; empty without one.
    slow_last_at: String,
}

/// The system's clock beside ours, as its answers tell it. A contact sync calls no edit the
/// later one that lies closer than two systems' clocks can be apart.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClockBody {
    /// It has told its time lately.
    is_known: bool,
    /// So many milliseconds ahead of ours at the least and at the most; behind is negative.
    ahead_least_ms: i64,
    ahead_most_ms: i64,
}

/// Something that went wrong.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TroubleBody {
    /// When it was seen last.
    at: String,
    /// How often in a row.
    times: u64,
    /// What was tried, such as `lookup`.
    doing: &'static str,
    /// `unauthorized`, `forbidden`, `rate_limited`, `unavailable`, `invalid` or `protocol`.
    kind: &'static str,
    message: String,
    fix: String,
    /// The same has gone well since.
    is_over: bool,
}

impl From<&Connection> for StandingBody {
    fn from(connection: &Connection) -> Self {
        let degraded = connection.degraded();
        let is_failing = connection.health().troubles().iter().any(|trouble| !trouble.is_over);
        Self {
            name: connection.name.clone(),
            prefix: connection
                .prefix
                .as_ref()
                .map(|prefix| prefix.as_str().to_owned())
                .unwrap_or_default(),
            status: match (degraded, is_failing) {
                (Some(_), _) => "degraded",
                (None, true) => "failing",
                (None, false) => "ok",
            },
            degraded_by: degraded.map_or("", engine::Degraded::as_str),
            degraded_for_s: degraded.and_then(engine::Degraded::ends_in).map_or(0, whole_seconds),
            capabilities: connection.capabilities.names(),
        }
    }
}

impl From<&Connection> for HealthBody {
    fn from(connection: &Connection) -> Self {
        let health = connection.health();
        Self {
            standing: connection.into(),
            token: token(connection),
            budget: budget(connection),
            breaker: breaker(connection),
            latency: latency(connection),
            clock: clock(connection),
            missing: health.missing(),
            rights: rights(connection),
            errors: health.troubles().into_iter().map(TroubleBody::from).collect(),
        }
    }
}

impl From<Trouble> for TroubleBody {
    fn from(trouble: Trouble) -> Self {
        Self {
            at: trouble.at.to_string(),
            times: trouble.times,
            doing: trouble.doing,
            kind: trouble.error.kind(),
            message: trouble.error.to_string(),
            fix: trouble.fix(),
            is_over: trouble.is_over,
        }
    }
}

fn token(connection: &Connection) -> TokenBody {
    let Some(tokens) = &connection.capabilities.tokens else {
        let (scopes, error) = (Vec::new(), String::new());
        return TokenBody { status: "none", age_s: 0, expires_in_s: 0, scopes, error };
    };
    let (current, error) = (tokens.current(), tokens.last_error());
    let current = current.as_ref();
    TokenBody {
        status: match (&current, &error) {
            (Some(_), None) => "ok",
            (Some(_), Some(_)) => "failing",
            (None, _) => "missing",
        },
        age_s: current.map_or(0, |token| token.age().as_secs()),
        expires_in_s: current.map_or(0, |token| token.expires_in().as_secs()),
        scopes: current
            .map(|token| token.scope.split_whitespace().map(str::to_owned).collect())
            .unwrap_or_default(),
        error: error.map(|error| error.to_string()).unwrap_or_default(),
    }
}

fn rights(connection: &Connection) -> RightsBody {
    let Some(seen) = connection.health().rights.seen() else {
        let (granted, missing) = (Vec::new(), Vec::new());
        let (administrator, asked_at) = (String::new(), String::new());
        return RightsBody { status: "not_asked", granted, missing, administrator, asked_at };
    };
    let status = match (&seen.granted, &seen.administrator) {
        _ if !seen.missing.is_empty() => "missing",
        (_, Some(_)) => "too_broad",
        (None, None) => "unknown",
        (Some(_), None) => "ok",
    };
    RightsBody {
        status,
        granted: seen.granted.unwrap_or_default(),
        missing: seen.missing,
        administrator: seen.administrator.unwrap_or_default(),
        asked_at: seen.at.to_string(),
    }
}

fn budget(connection: &Connection) -> BudgetBody {
    let http = &connection.capabilities.turnstile;
    let standing = http.budget().standing();
    BudgetBody {
        available: standing.available,
        per_minute: standing.capacity,
        left: standing.left.map_or(-1, |left| i64::try_from(left).unwrap_or(i64::MAX)),
        floor: standing.floor,
        is_low: standing.is_low,
        resets_in_s: standing.resets_in.map_or(0, whole_seconds),
        calls_under_way: http.gate().under_way(Lane::Call),
        background_under_way: http.gate().under_way(Lane::Background),
    }
}

fn breaker(connection: &Connection) -> BreakerBody {
    let breaker = &connection.health().breaker;
    let position = breaker.position();
    let tries_in = match position {
        kit::breaker::Position::Open(wait) => wait,
        _ => Duration::ZERO,
    };
    BreakerBody { position: position.as_str(), tries_in_ms: ms(tries_in), opened: breaker.opened() }
}

fn latency(connection: &Connection) -> LatencyBody {
    let pace = connection.health().pace();
    LatencyBody {
        requests: pace.requests,
        p50_ms: ms(pace.p50),
        p95_ms: ms(pace.p95),
        p99_ms: ms(pace.p99),
        slow_after_ms: ms(pace.slow_after),
        slow: pace.slow,
        slow_last_ms: pace.slow_last.map_or(0, |(_, time)| ms(time)),
        slow_last_at: pace.slow_last.map(|(at, _)| at.to_string()).unwrap_or_default(),
    }
}

fn clock(connection: &Connection) -> ClockBody {
    let ahead = connection.capabilities.turnstile.clock().ahead();
    ClockBody {
        is_known: ahead.is_some(),
        ahead_least_ms: ahead.map_or(0, |ahead| ahead.least_ms),
        ahead_most_ms: ahead.map_or(0, |ahead| ahead.most_ms),
    }
}

/// Every connection and how it stands.
#[utoipa::path(
    get, path = "/api/v1/connections", tag = "connections",
    responses((status = 200, description = "All connections, by name", body = ConnectionsBody))
)]
pub async fn list(State(app): State<App>) -> Json<ConnectionsBody> {
    let connections = app.engine.connections.all().map(|one| StandingBody::from(one.as_ref()));
    Json(ConnectionsBody { connections: connections.collect() })
}

/// How one connection is, as this node knows it; the vendor is not asked.
#[utoipa::path(
    get, path = "/api/v1/connections/{name}/health", tag = "connections",
    params(("name" = String, Path, description = "The connection's name")),
    responses(
        (status = 200, description = "Token, budget, breaker, pace and errors", body = HealthBody),
        (status = 404, description = "No such connection", body = ErrorBody),
    )
)]
pub async fn health(
    State(app): State<App>,
    Segment(name): Segment,
) -> Result<Json<HealthBody>, ApiError> {
    let connection = app.engine.connections.get(&name).ok_or_else(|| unknown(&name))?;
    Ok(Json(connection.as_ref().into()))
}

pub(super) fn unknown(name: &str) -> ApiError {
    ApiError {
        status: StatusCode::NOT_FOUND,
        code: "connection.unknown",
        message: "there is no connection of this name".into(),
        at: format!("connections.{name}"),
        fix: "GET /api/v1/connections names them all".into(),
        retry_after_s: 0,
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn whole_seconds(time: Duration) -> u64 {
    ms(time).div_ceil(1_000)
}
