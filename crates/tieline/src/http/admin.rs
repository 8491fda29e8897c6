//! What operators and the CLI ask the running server for.

use super::error::ErrorBody;
use super::events::OutcomeBody;
use super::input::{Params, Segment, read_json};
use super::lookup::json;
use super::{ApiError, App};
use crate::rights;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use domain::CallId;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use state::backup::Existing;
use state::calls::ListedCall;
use state::customers::Whose;
use state::jobs::{JobFilter, JobRow, JobState, Redrive};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

/// A stored call.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CallBody {
    pub(super) call_id: String,
    pub(super) direction: &'static str,
    pub(super) media_type: &'static str,
    from_number: String,
    email: String,
    pub(super) queue: String,
    connection: String,
    pub(super) external_id: String,
    pub(super) status: &'static str,
    pub(super) source: &'static str,
    previous_interaction_count: u64,
    pub(super) arrived_at: String,
    /// Microseconds from arrival to decision.
    answered_in_us: u64,
    /// When the enrichment last spoke; empty when it never did.
    identified_at: String,
    warnings: Vec<String>,
}

impl From<state::StoredCall> for CallBody {
    fn from(stored: state::StoredCall) -> Self {
        let call = stored.call;
        Self {
            call_id: call.id.to_string(),
            direction: call.direction.as_str(),
            media_type: call.media.as_str(),
            from_number: call.number.unwrap_or_default(),
            email: call.email.unwrap_or_default(),
            queue: call.queue.unwrap_or_default(),
            connection: call.connection,
            external_id: call.external_id.to_string(),
            status: call.status.as_str(),
            source: call.source.as_str(),
            previous_interaction_count: stored.earlier_calls,
            arrived_at: call.arrived_at.to_string(),
            answered_in_us: call.answered_in_us,
            identified_at: stored.identified_at.map(|at| at.to_string()).unwrap_or_default(),
            warnings: call.warnings,
        }
    }
}

pub(super) fn fifty() -> u32 {
    50
}

/// A stored call, and what it came to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OneCallBody {
    #[serde(flatten)]
    pub(super) call: CallBody,
    /// Its report dimensions.
    pub(super) dimensions: BTreeMap<String, String>,
    /// What our own copy has of the customer by now, the CRM's word and what has joined it; over
    /// it, of the time of the call, what `reports.columns` names, and what was kept of the call
    /// itself. In a list only the latter two.
    pub(super) data: BTreeMap<String, serde_json::Value>,
    /// From start to end; 0 while it goes on, as far as was told.
    pub(super) duration_ms: u64,
    pub(super) outcome: OutcomeBody,
}

impl From<ListedCall> for OneCallBody {
    fn from(listed: ListedCall) -> Self {
        let ListedCall { mut call, outcome, own_data } = listed;
        let dimensions = std::mem::take(&mut call.call.labels);
        let data = std::mem::take(&mut call.call.data).into_iter().chain(own_data);
        let lasted = outcome.as_ref().map_or(0, |stored| {
            let outcome = &stored.outcome;
            outcome.ended.zip(outcome.started).map_or(0, |(end, start)| end.0 - start.0)
        });
        Self {
            call: call.into(),
            dimensions,
            data: data.map(|(name, value)| (name, json(value))).collect(),
            duration_ms: u64::try_from(lasted).unwrap_or(0),
            outcome: OutcomeBody::of(outcome),
        }
    }
}

/// One call.
#[utoipa::path(
    get, path = "/api/v1/calls/{callId}", tag = "calls",
    params(("callId" = String, Path, description = "The contact center's id of the conversation")),
    responses((status = 200, body = OneCallBody), (status = 404, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn call(
    State(app): State<App>,
    Segment(call_id): Segment,
) -> Result<Json<OneCallBody>, ApiError> {
    let stored = match CallId::new(&call_id) {
        Some(id) => app.engine.store.call(&id).await?,
        None => None,
    };
    let call = stored.ok_or_else(ApiError::unknown_call)?;
    let outcome = app.engine.store.outcome(&call.call.id).await?;
    let own_data = app.engine.store.data_of(Whose::Call(&call.call.id)).await?.data;
    let known = app.engine.data_of_call(&call).await?;
    let mut body = OneCallBody::from(ListedCall { call, outcome, own_data });
    for (name, value) in known {
        body.data.entry(name).or_insert_with(|| json(value));
    }
    Ok(Json(body))
}

/// A durable job, without its payload.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobBody {
    id: i64,
    kind: String,
    /// The connection it works on.
    connection: String,
    /// `waiting`, `leased`, `skipped` or `dead`.
    state: &'static str,
    attempts: u32,
    call_id: String,
    due_at: String,
    created_at: String,
    updated_at: String,
    /// The last error, or why it was skipped.
    note: String,
}

impl From<JobRow> for JobBody {
    fn from(job: JobRow) -> Self {
        Self {
            id: job.id,
            kind: job.kind,
            connection: job.connection,
            state: job.state.as_str(),
            attempts: job.attempts,
            call_id: job.subject.map(|call| call.to_string()).unwrap_or_default(),
            due_at: job.due_at.to_string(),
            created_at: job.created_at.to_string(),
            updated_at: job.updated_at.to_string(),
            note: job.note.unwrap_or_default(),
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct JobsQuery {
    /// Only jobs in this state: `waiting`, `leased`, `skipped` or `dead`.
    #[param(schema_with = super::schemas::job_state)]
    state: Option<String>,
    kind: Option<String>,
    #[serde(default = "fifty")]
    #[param(maximum = 4_294_967_295_i64)]
    limit: u32,
}

/// Durable jobs, newest first.
#[utoipa::path(
    get, path = "/api/v1/jobs", tag = "operation", params(JobsQuery),
    responses((status = 200, body = Vec<JobBody>), (status = 400, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn jobs(
    State(app): State<App>,
    Params(query): Params<JobsQuery>,
) -> Result<Json<Vec<JobBody>>, ApiError> {
    let state = match query.state.as_deref() {
        None => None,
        Some(text) => Some(JobState::parse(text).ok_or_else(|| {
            let message = "state is waiting, leased, skipped or dead.";
            ApiError::field("state", message, "Correct it or leave it out.")
        })?),
    };
    let filter = JobFilter { state, kind: query.kind, subject: None };
    let jobs = app.engine.store.jobs(filter, query.limit.clamp(1, 1_000) as usize).await?;
    Ok(Json(jobs.into_iter().map(JobBody::from).collect()))
}

/// How many jobs wait anew.
#[derive(Debug, Serialize, ToSchema)]
pub struct Redriven {
    redriven: u64,
}

/// Tries every dead job again.
#[utoipa::path(
    post, path = "/api/v1/jobs/redrive", tag = "operation",
    responses((status = 200, body = Redriven)), security(("key" = []), ("bearer" = []))
)]
pub async fn redrive_all(State(app): State<App>) -> Result<Json<Redriven>, ApiError> {
    let now = app.engine.clock.now();
    let redriven = app.engine.store.redrive(Redrive::AllDead, now).await?;
    Ok(Json(Redriven { redriven }))
}

/// Tries one dead job again.
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/redrive", tag = "operation",
    params(("id" = i64, Path, description = "The job's id")),
    responses((status = 200, body = Redriven), (status = 409, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn redrive(
    State(app): State<App>,
    Segment(id): Segment,
) -> Result<Json<Redriven>, ApiError> {
    let not_dead = || {
        let message = "There is no dead job of this id.";
        let fix = "List dead jobs: GET /api/v1/jobs?state=dead.";
        ApiError::new(StatusCode::CONFLICT, "job.not_dead", message, fix).at("id")
    };
    let id: i64 = id.parse().map_err(|_| not_dead())?;
    let now = app.engine.clock.now();
    match app.engine.store.redrive(Redrive::One(id), now).await? {
        0 => Err(not_dead()),
        redriven => Ok(Json(Redriven { redriven })),
    }
}

/// One thing that was checked at a vendor.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct FindingBody {
    pub connection: String,
    /// The permission, scope, object or setting, in the vendor's words.
    pub what: String,
    /// False where something is wrong; what is only warned of is no fault.
    pub ok: bool,
    /// Calls go on, but somebody should know: what the vendor does not tell, and credentials
    /// that may do whatever an administrator may.
    pub warning: bool,
    /// Empty when all is well.
    pub code: String,
    pub message: String,
    pub fix: String,
}

/// Calls every connection and names what each lacks.
#[utoipa::path(
    post, path = "/api/v1/connections/check", tag = "operation",
    responses((status = 200, body = Vec<FindingBody>)), security(("key" = []), ("bearer" = []))
)]
pub async fn check(State(app): State<App>) -> Json<Vec<FindingBody>> {
    Json(findings(&app.engine.connections).await)
}

/// Calls one connection and names what it lacks.
#[utoipa::path(
    post, path = "/api/v1/connections/{name}/check", tag = "operation",
    params(("name" = String, Path, description = "The connection's name")),
    responses((status = 200, body = Vec<FindingBody>), (status = 404, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn check_one(
    State(app): State<App>,
    Segment(name): Segment,
) -> Result<Json<Vec<FindingBody>>, ApiError> {
    let connection = app.engine.connections.get(&name);
    let connection = connection.ok_or_else(|| super::connections::unknown(&name))?;
    Ok(Json(findings_of(connection).await))
}

/// The findings of every connection, in the order of their names.
pub async fn findings(connections: &engine::Connections) -> Vec<FindingBody> {
    // Each asks its own system: the slowest says how long it takes.
    let all = join_all(connections.all().map(|one| findings_of(one))).await;
    all.into_iter().flatten().collect()
}

/// How long a check of one connection may take: whoever asked looks at it.
const CHECK_MAX: Duration = Duration::from_secs(8);
// A vendor that is down is told as that, with its own words, and not as slow.
const _: () = assert!(kit::tokens::WAIT.as_secs() < CHECK_MAX.as_secs());

async fn findings_of(connection: &engine::Connection) -> Vec<FindingBody> {
    let looked = async {
        let mut findings = connection.capabilities.check.check().await;
        // Who is not let in is told so once.
        if findings.iter().any(|finding| finding.outcome.is_ok()) {
            findings.extend(rights::look(connection).await);
        }
        findings
    };
    let findings = match in_time(&connection.name, CHECK_MAX, looked).await {
        Ok(findings) => findings,
        Err(slow) => return vec![slow],
    };
    let told = findings.into_iter().map(|finding| {
        let (code, message, fix) = match &finding.outcome {
            Ok(()) => (String::new(), String::new(), String::new()),
            Err(flaw) => (flaw.code.to_owned(), flaw.message.clone(), flaw.fix.clone()),
        };
        let warning = finding.outcome.as_ref().is_err_and(kit::connector::Flaw::is_warning);
        let ok = finding.outcome.is_ok() || warning;
        let (connection, what) = (connection.name.clone(), finding.what);
        FindingBody { connection, what, ok, warning, code, message, fix }
    });
    told.collect()
}

/// What came of a check, or that it was not done in time.
async fn in_time<T>(
    connection: &str,
    most: Duration,
    looked: impl Future<Output = T>,
) -> Result<T, FindingBody> {
    let looked = tokio::time::timeout(most, looked).await;
    looked.map_err(|_| FindingBody {
        connection: connection.to_owned(),
        what: "the check".to_owned(),
        ok: false,
        warning: false,
        code: "connection.check_slow".to_owned(),
        message: format!("It was not done within {} s.", most.as_secs()),
        fix: "Look at its health: its rate budget may be used up, or it answers slowly. Then check again."
            .to_owned(),
    })
}

#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct BackupBody {
    /// Where to write it, on the server's own disk.
    #[schema(value_type = String)]
    pub path: PathBuf,
    /// Overwrite a file that is there.
    #[serde(default)]
    pub overwrite: bool,
}

/// Copies the store into one file while serving.
#[utoipa::path(
    post, path = "/api/v1/store/backup", tag = "operation", request_body = BackupBody,
    responses((status = 200, body = BackupBody), (status = 409, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn backup(
    State(app): State<App>,
    request: Request,
) -> Result<Json<BackupBody>, ApiError> {
    let body: BackupBody = read_json(request).await?;
    let existing = if body.overwrite { Existing::Replace } else { Existing::Keep };
    app.engine.store.backup(&body.path, existing).await.map_err(|error| {
        tracing::error!("a backup failed: {error}");
        let fix = "Name a file that does not exist yet in a directory the server may write to.";
        ApiError::new(StatusCode::CONFLICT, "store.backup_failed", error.to_string(), fix)
            .at("path")
    })?;
    Ok(Json(body))
}

#[cfg(test)]
mod tests {
    use super::in_time;
    use std::time::Duration;

    #[tokio::test]
    async fn a_check_that_waits_for_its_budget_is_told_and_not_waited_for() {
        let never = std::future::pending::<()>();
        let slow = in_time("crm", Duration::ZERO, never).await.expect_err("it never ends");
        assert_eq!((slow.connection.as_str(), slow.ok), ("crm", false));
        assert_eq!(slow.code, "connection.check_slow");
        assert_eq!(in_time("crm", Duration::ZERO, async { 1 }).await.ok(), Some(1));
    }
}
