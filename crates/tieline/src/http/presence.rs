//! Presence: how agents stand in both systems, why, and who is left alone.

pub mod console;

use super::actor::actor;
use super::error::ErrorBody;
use super::input::{Params, Segment};
use super::{ApiError, App};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use domain::presence::Side;
use engine::presence::{AgentView, Desk, SideView, Standing, TeamView};
use serde::{Deserialize, Serialize};
use state::presence::{StoredLine, Who};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// The teams, and a page of their agents.
#[derive(Serialize, ToSchema)]
pub struct PresenceBody {
    teams: Vec<TeamBody>,
    items: Vec<AgentPresenceBody>,
    /// For the next page; empty on the last.
    next: String,
}

/// A team whose presence is kept.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TeamBody {
    name: String,
    contact_center: String,
    crm: String,
    /// `one_at_a_time` or `both_at_once`.
    scenario: String,
    /// `working`, `starting`, `elsewhere` (another node works at it), `faulty` (its settings do
    /// not fit what the systems have) or `unreachable`.
    standing: String,
    /// What is wrong, in words; one for each fault.
    faults: Vec<String>,
    agents: usize,
    /// Agents of the contact center whose other is not there, or not certain; at most 100 ids.
    alone: Vec<String>,
    alone_count: usize,
    /// Why the contact center, or the CRM, does not tell what happens; empty where it does.
    contact_center_unheard: String,
    crm_unheard: String,
    /// Statuses that wait to be set.
    contact_center_backlog: usize,
    crm_backlog: usize,
}

/// An agent in both systems.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentPresenceBody {
    team: String,
    name: String,
    email: String,
    contact_center: SideBody,
    crm: SideBody,
    /// `agent_in_contact_center`, `agent_in_crm`, `missed` or `console_gone`; empty: nobody yet.
    decided_by: String,
    decided_at: String,
    is_paused: bool,
    /// Both sides show what they are to show, and would tell of anything else.
    is_settled: bool,
    /// Since when the agent's console in the CRM is not there; empty where it is.
    console_gone: String,
    /// `drift`, `console_gone`, `both_work`.
    alerts: Vec<String>,
}

/// One side of an agent.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SideBody {
    id: String,
    /// The status by its id, and by its name; empty before it was read.
    status_id: String,
    status: String,
    since: String,
    /// What it is to show; empty where it is left alone.
    target: String,
    /// `free`, `handling`, `after_call` or `missed`.
    work: String,
}

/// An agent, and what became of them.
#[derive(Serialize, ToSchema)]
pub struct AgentStoryBody {
    agent: AgentPresenceBody,
    /// Newest first.
    lines: Vec<PresenceLineBody>,
    /// For the next page; empty on the last.
    next: String,
}

/// A line of an agent's story.
#[derive(Serialize, ToSchema)]
pub struct PresenceLineBody {
    at: String,
    /// `shows`, `work`, `decided`, `told`, `gave_up`, `brought_back`, `paused`, `resumed`, `alert`
    /// or `alert_over`.
    what: String,
    /// `contact_center`, `crm`, or empty.
    side: String,
    /// A status by its name; by its id where there is none any more.
    status: String,
    note: String,
}

/// Whether something changed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PausedBody {
    is_paused: bool,
    /// False: it was so already.
    has_changed: bool,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AgentsQuery {
    /// Of this team alone; empty: of all.
    #[serde(default)]
    #[param(schema_with = crate::http::schemas::place)]
    team: String,
    /// `next` of the page before.
    #[serde(default)]
    #[param(schema_with = crate::http::schemas::place)]
    after: String,
    /// At most this many, 1 to 500.
    #[serde(default = "crate::http::syncs::runs::hundred")]
    #[param(maximum = 4_294_967_295_i64)]
    limit: u32,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StoryQuery {
    /// `next` of the page before.
    #[serde(default)]
    #[param(schema_with = crate::http::schemas::place)]
    before: String,
    /// At most this many lines, 1 to 500.
    #[serde(default = "crate::http::syncs::runs::hundred")]
    #[param(maximum = 4_294_967_295_i64)]
    limit: u32,
}

/// The teams, and their agents as they stand.
#[utoipa::path(
    get, path = "/api/v1/presence", tag = "presence", params(AgentsQuery),
    responses((status = 200, body = PresenceBody), (status = 404, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn list(
    State(app): State<App>,
    Params(query): Params<AgentsQuery>,
) -> Result<Json<PresenceBody>, ApiError> {
    let presence = &app.engine.presence;
    let limit = query.limit.clamp(1, 500) as usize;
    // A place is a team and the last agent of it that was told.
    let (team, agent) = query.after.split_once('/').unwrap_or_default();
    if !query.team.is_empty() && presence.desk(&query.team).is_none() {
        return Err(unknown());
    }
    let desks = || presence.desks().filter(|desk| is_asked(desk, &query.team));
    let mut items = Vec::new();
    let mut next = String::new();
    for desk in desks().skip_while(|desk| !team.is_empty() && desk.team().name != team) {
        let after = Some(agent).filter(|_| desk.team().name == team);
        let page = desk.agents(after, limit - items.len());
        items.extend(page);
        if items.len() == limit {
            let last = items.last().map(|last: &AgentView| &last.sides[0].id);
            next = format!("{}/{}", desk.team().name, last.map_or("", String::as_str));
            break;
        }
    }
    let teams = desks().map(|desk| TeamBody::from(desk.view())).collect();
    Ok(Json(PresenceBody { teams, items: items.into_iter().map(Into::into).collect(), next }))
}

fn is_asked(desk: &Arc<Desk>, team: &str) -> bool {
    team.is_empty() || desk.team().name == team
}

/// One agent, by an id of either system or by e-mail, and what became of them.
#[utoipa::path(
    get, path = "/api/v1/presence/agents/{agentId}", tag = "presence",
    params(("agentId" = String, Path), StoryQuery),
    responses((status = 200, body = AgentStoryBody), (status = 404, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn one(
    State(app): State<App>,
    Segment(word): Segment,
    Params(query): Params<StoryQuery>,
) -> Result<Json<AgentStoryBody>, ApiError> {
    let (desk, agent) = app.engine.presence.find(&word).ok_or_else(|| absent(&app, &word))?;
    let limit = query.limit.clamp(1, 500) as usize;
    let (before, ids) =
        (query.before.parse().ok(), (desk.team().name.as_str(), &agent.sides[0].id));
    let lines = app.engine.presence_story((ids.0, ids.1), before, limit).await?;
    let next = lines.last().filter(|_| lines.len() == limit).map(|line| line.id.to_string());
    let lines = lines.into_iter().map(|line| line_body(desk, line)).collect();
    Ok(Json(AgentStoryBody { agent: agent.into(), lines, next: next.unwrap_or_default() }))
}

/// Leaves one agent alone until they are resumed.
#[utoipa::path(
    post, path = "/api/v1/presence/agents/{agentId}/pause", tag = "presence",
    params(("agentId" = String, Path)),
    responses((status = 200, body = PausedBody), (status = 404, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn pause(
    State(app): State<App>,
    Segment(word): Segment,
    request: Request,
) -> Result<Json<PausedBody>, ApiError> {
    change_agent(&app, &word, true, actor(&request)).await
}

/// Keeps one agent's presence again.
#[utoipa::path(
    post, path = "/api/v1/presence/agents/{agentId}/resume", tag = "presence",
    params(("agentId" = String, Path)),
    responses((status = 200, body = PausedBody), (status = 404, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn resume(
    State(app): State<App>,
    Segment(word): Segment,
    request: Request,
) -> Result<Json<PausedBody>, ApiError> {
    change_agent(&app, &word, false, actor(&request)).await
}

/// Leaves everybody of a team alone until it is resumed.
#[utoipa::path(
    post, path = "/api/v1/presence/teams/{team}/pause", tag = "presence",
    params(("team" = String, Path)),
    responses((status = 200, body = PausedBody), (status = 404, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn pause_team(
    State(app): State<App>,
    Segment(team): Segment,
    request: Request,
) -> Result<Json<PausedBody>, ApiError> {
    change(&app, &team, &Who::Team, true, actor(&request)).await
}

/// Keeps the presence of a team again; who was paused alone stays so.
#[utoipa::path(
    post, path = "/api/v1/presence/teams/{team}/resume", tag = "presence",
    params(("team" = String, Path)),
    responses((status = 200, body = PausedBody), (status = 404, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn resume_team(
    State(app): State<App>,
    Segment(team): Segment,
    request: Request,
) -> Result<Json<PausedBody>, ApiError> {
    change(&app, &team, &Who::Team, false, actor(&request)).await
}

async fn change_agent(
    app: &App,
    word: &str,
    is_paused: bool,
    actor: String,
) -> Result<Json<PausedBody>, ApiError> {
    let (desk, agent) = app.engine.presence.find(word).ok_or_else(|| absent(app, word))?;
    let [center, _] = agent.sides;
    change(app, &desk.team().name, &Who::Agent(center.id), is_paused, actor).await
}

async fn change(
    app: &App,
    team: &str,
    who: &Who,
    is_paused: bool,
    actor: String,
) -> Result<Json<PausedBody>, ApiError> {
    if app.engine.presence.desk(team).is_none() {
        return Err(unknown());
    }
    let has_changed = app.engine.pause_presence((team, who), is_paused, &actor).await?;
    Ok(Json(PausedBody { is_paused, has_changed }))
}

/// Why an agent is not found here: there is none, or another node works for them.
fn absent(app: &App, agent: &str) -> ApiError {
    if !app.engine.presence.is_elsewhere(agent) {
        return unknown();
    }
    let message = "Another node works for this agent.";
    let fix = "Ask the next node; let the balancer do so after a 503 (docs/presence.md).";
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "presence.elsewhere", message, fix)
}

fn unknown() -> ApiError {
    let message = "There is no such team, or no such agent in one.";
    let fix = "List them: GET /api/v1/presence. An agent is named by an id of either system, or \
               by e-mail.";
    ApiError::new(StatusCode::NOT_FOUND, "presence.unknown", message, fix)
}

fn line_body(desk: &Desk, line: StoredLine) -> PresenceLineBody {
    let status = line.status.map(|status| {
        let name = line.side.and_then(|side| desk.status_name(side, &status));
        name.unwrap_or_else(|| status.as_str().to_owned())
    });
    PresenceLineBody {
        at: line.at.to_string(),
        what: line.what,
        side: line.side.map(Side::as_str).unwrap_or_default().to_owned(),
        status: status.unwrap_or_default(),
        note: line.note.unwrap_or_default(),
    }
}

impl From<TeamView> for TeamBody {
    fn from(view: TeamView) -> Self {
        let [contact_center, crm] = view.connections;
        let [center_unheard, crm_unheard] = view.unheard.map(Option::unwrap_or_default);
        let [contact_center_backlog, crm_backlog] = view.backlog;
        let standing = view.standing.as_str().to_owned();
        let faults = match view.standing {
            Standing::Faulty(faults) => faults,
            Standing::Unreachable(why) => vec![why],
            Standing::Starting | Standing::Working | Standing::Elsewhere => Vec::new(),
        };
        Self {
            name: view.name,
            contact_center,
            crm,
            scenario: view.scenario.to_owned(),
            standing,
            faults,
            agents: view.agents,
            alone: view.alone,
            alone_count: view.alone_count,
            contact_center_unheard: center_unheard,
            crm_unheard,
            contact_center_backlog,
            crm_backlog,
        }
    }
}

impl From<AgentView> for AgentPresenceBody {
    fn from(view: AgentView) -> Self {
        let [contact_center, crm] = view.sides.map(SideBody::from);
        Self {
            team: view.team,
            name: view.name,
            email: view.email.unwrap_or_default(),
            contact_center,
            crm,
            decided_by: view.decided_by.unwrap_or_default().to_owned(),
            decided_at: view.decided_at.map(|at| at.to_string()).unwrap_or_default(),
            is_paused: view.is_paused,
            is_settled: view.is_settled,
            console_gone: view.console_gone.map(|at| at.to_string()).unwrap_or_default(),
            alerts: view.alerts.into_iter().map(str::to_owned).collect(),
        }
    }
}

impl From<SideView> for SideBody {
    fn from(view: SideView) -> Self {
        Self {
            id: view.id,
            status_id: view.status.unwrap_or_default(),
            status: view.status_name.unwrap_or_default(),
            since: view.since.map(|at| at.to_string()).unwrap_or_default(),
            target: view.target_name.unwrap_or_default(),
            work: view.work.to_owned(),
        }
    }
}
