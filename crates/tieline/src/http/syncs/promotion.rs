//! Moving a sync up: where it stands, what is to be changed and looked at, the change planned
//! without being made, and made.

use super::{SyncBegunBody, outcome};
use crate::config::SyncSection;
use crate::http::error::ErrorBody;
use crate::http::input::{Params, Segment, read_object};
use crate::http::settings::MistakeBody;
use crate::http::{ApiError, App, actor, settings};
use crate::settings::item::Kind;
use crate::settings::promote::{Ground, Proposal};
use crate::settings::{Told, Wish};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use engine::sync::Sync;
use engine::sync::promote::{Check, Phase, SideUsage, Usage, checks};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use state::sync::RunState;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Where a sync stands, and what its next phase takes.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PromotionBody {
    sync: String,
    /// `one_way`, `more_fields`, `two_way` or `optimise`.
    phase: &'static str,
    /// The phase that this is about.
    next: &'static str,
    /// `file`: it stands in tieline.toml, and is changed there. `store`: it can be applied.
    from: &'static str,
    /// What is to be set otherwise.
    changes: Vec<SettingChangeBody>,
    /// The section as it would stand in tieline.toml.
    toml: String,
    /// What is still missing before it could be set so.
    needs: Vec<MistakeBody>,
    /// What has to hold first.
    checks: Vec<CheckBody>,
    /// All of these hold, nothing is missing, and the change was rehearsed.
    ready: bool,
    /// The newest run that has planned this very change; 0: none has.
    rehearsal: i64,
    usage: UsageBody,
}

/// A setting that is another then.
#[derive(Serialize, ToSchema)]
pub struct SettingChangeBody {
    /// Such as `direction` or `left.filter`.
    at: String,
    #[schema(value_type = Object)]
    from: Value,
    #[schema(value_type = Object)]
    to: Value,
}

/// Something that has to hold first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckBody {
    /// `runs_well_in_a_row`, `score`, `drift_percent`, `drift_measured_days_ago`, `open_reviews`
    /// or `failing`.
    what: &'static str,
    /// Absent: it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    is: Option<f64>,
    limit: f64,
    /// It has to be as much at least; else at most.
    at_least: bool,
    met: bool,
}

/// What a sync costs, and which of its fields change.
#[derive(Serialize, ToSchema)]
pub struct UsageBody {
    /// How many days are looked at, and how many writes were found in them.
    days: u64,
    writes: u64,
    /// There were more writes than are looked at.
    cut: bool,
    left: SideUsageBody,
    right: SideUsageBody,
    /// By field of the map, how often it was written to the left and to the right.
    fields: Vec<FieldUsageBody>,
}

/// One side's part of it, of a run in the mean of the last ten.
#[derive(Serialize, ToSchema)]
pub struct SideUsageBody {
    /// Requests.
    calls: f64,
    /// Records that it told as new, changed or gone.
    changes: f64,
    /// `poll`: it is asked for changes. `push`: it tells them by itself.
    mode: &'static str,
}

/// How often a field was written.
#[derive(Serialize, ToSchema)]
pub struct FieldUsageBody {
    /// As the map has it: `FirstName>firstName`.
    field: String,
    left: u64,
    right: u64,
}

/// Which phase is meant.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub struct PromotionQuery {
    /// A phase; empty: the next one.
    #[param(schema_with = crate::http::schemas::place)]
    to: String,
    /// Of both ways: the field by which records are made on the side that was only read so far.
    #[param(schema_with = crate::http::schemas::place)]
    key: String,
}

/// A move up.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PromoteBody {
    /// A phase; empty: the next one.
    #[schema(pattern = "^(one_way|more_fields|two_way|optimise)?$")]
    to: String,
    /// Of both ways: the field by which records are made on the side that was only read so far.
    key: String,
    /// Apply it though not everything holds that should.
    anyway: bool,
}

/// A sync, and the same as it would be.
struct Move {
    live: Arc<Sync>,
    told: Told,
    phase: Phase,
    to: Phase,
    proposal: Proposal,
}

impl Move {
    async fn find(app: &App, name: &str, to: &str, key: &str) -> Result<Self, ApiError> {
        let live = Arc::clone(app.engine.syncs.get(name).ok_or_else(super::unknown)?);
        let shared = app.shared();
        let told = shared.settings.one(&shared.live, Kind::Sync, name).await;
        let told = told.map_err(settings::refused_plainly)?.ok_or_else(super::unknown)?;
        let section = section(&told).map_err(|_| super::unknown())?;
        let ground =
            Ground { loaded: shared.settings.loaded(), connections: &app.engine.connections };
        let known = app.engine.sync_state(&live).await?;
        let phase = match Phase::of(&live, ground.widens(&section)) {
            Phase::TwoWay if known.phase == Phase::Optimise.as_str() => Phase::Optimise,
            phase => phase,
        };
        let to = match to {
            "" => phase.next(),
            word => Phase::parse(word).ok_or_else(odd_phase)?,
        };
        if to < phase {
            let (from, below) = (phase.as_str(), to.as_str());
            let message = format!("The sync stands at {from}, and {below} lies below that.");
            let fix = "Take the settings of it back by hand, with a plan, if that is meant.";
            return Err(ApiError::new(StatusCode::CONFLICT, "sync.not_ready", message, fix));
        }
        let proposal = ground.propose(&section, to, key);
        Ok(Self { live, told, phase, to, proposal })
    }

    /// The run that has planned this very change to its end.
    async fn rehearsal(&self, app: &App) -> Result<Option<i64>, ApiError> {
        let run = app.engine.rehearsal(&self.live, &self.proposal.digest()).await?;
        Ok(run.filter(|run| run.state == RunState::Done).map(|run| run.id))
    }

    /// Is there anything to be planned?
    fn changes_something(&self) -> bool {
        !self.proposal.changes.is_empty()
    }
}

pub(super) fn section(told: &Told) -> Result<SyncSection, serde_json::Error> {
    let mut body = told.section.clone();
    body.insert("name".to_owned(), told.name.clone().into());
    serde_json::from_value(Value::Object(body))
}

fn odd_phase() -> ApiError {
    let fix = "One of one_way, more_fields, two_way and optimise, and none below where it stands.";
    ApiError::field("to", "This is no phase of a sync.", fix)
}

/// Where a sync stands, what the next phase changes, and what has to hold first.
#[utoipa::path(
    get, path = "/api/v1/syncs/{name}/promotion", tag = "syncs",
    params(("name" = String, Path), PromotionQuery),
    responses((status = 200, body = PromotionBody), (status = 404, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn one(
    State(app): State<App>,
    Segment(name): Segment,
    Params(query): Params<PromotionQuery>,
) -> Result<Json<PromotionBody>, ApiError> {
    let found = Move::find(&app, &name, &query.to, &query.key).await?;
    Ok(Json(told(&app, &name, &found).await?))
}

/// Plans a sync as it would be after the move, and changes nothing: watch the run, and read
/// what it would write.
#[utoipa::path(
    post, path = "/api/v1/syncs/{name}/promotion", tag = "syncs", params(("name" = String, Path)),
    request_body = PromoteBody,
    responses(
        (status = 202, description = "It has begun", body = SyncBegunBody),
        (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn rehearse(
    State(app): State<App>,
    Segment(name): Segment,
    request: Request,
) -> Result<(StatusCode, Json<SyncBegunBody>), ApiError> {
    let by = actor::actor(&request);
    let body: PromoteBody = read_object(request).await?;
    let found = Move::find(&app, &name, &body.to, &body.key).await?;
    let digest = found.proposal.digest();
    let proposed = found.proposal.sync.map_err(|mistakes| not_ready(mistakes_of(&mistakes)))?;
    outcome(app.engine.rehearse_sync(&name, proposed, digest, by).await?)
}

/// Makes the change, where the sync was made by API and the change was rehearsed.
#[utoipa::path(
    post, path = "/api/v1/syncs/{name}/promotion/apply", tag = "syncs",
    params(("name" = String, Path)), request_body = PromoteBody,
    responses(
        (status = 200, body = PromotionBody), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody)
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn apply(
    State(app): State<App>,
    Segment(name): Segment,
    request: Request,
) -> Result<Json<PromotionBody>, ApiError> {
    let by = actor::actor(&request);
    let body: PromoteBody = read_object(request).await?;
    let found = Move::find(&app, &name, &body.to, &body.key).await?;
    let before = told(&app, &name, &found).await?;
    if !before.needs.is_empty() {
        let needs = found.proposal.sync.as_ref().err().map(|mistakes| mistakes_of(mistakes));
        return Err(not_ready(needs.unwrap_or_default()));
    }
    if found.changes_something() && before.rehearsal == 0 {
        return Err(not_ready(vec!["this change was not rehearsed yet".to_owned()]));
    }
    if !body.anyway && !before.ready {
        let open = before.checks.iter().filter(|check| !check.met);
        return Err(not_ready(open.map(|check| check.what.to_owned()).collect()));
    }
    if found.changes_something() {
        let wish = Wish {
            kind: Kind::Sync,
            name: name.clone(),
            body: Some(found.proposal.body()),
            seen: Some(found.told.revision),
            is_dry: false,
            actor: by.clone(),
        };
        settings::changed(&app, wish).await?.map_err(settings::refused_plainly)?;
    }
    app.engine.promoted(&name, found.to, &by).await?;
    Ok(Json(before))
}

fn mistakes_of(mistakes: &[crate::config::Mistake]) -> Vec<String> {
    mistakes.iter().map(ToString::to_string).collect()
}

/// What is wrong with a map that is not saved yet.
pub(super) fn not_ready_map(mistakes: &[crate::config::Mistake]) -> ApiError {
    let message = mistakes_of(mistakes).join("\n");
    let fix = "Mend what is named; saving it with ?dryRun=true names the same.";
    ApiError::new(StatusCode::BAD_REQUEST, "settings.refused", message, fix).at("fields")
}

fn not_ready(why: Vec<String>) -> ApiError {
    let message = format!("The sync cannot move up yet: {}.", why.join("; "));
    let fix = "GET /api/v1/syncs/{name}/promotion says what has to hold; POST rehearses it.";
    ApiError::new(StatusCode::CONFLICT, "sync.not_ready", message, fix)
}

async fn told(app: &App, name: &str, found: &Move) -> Result<PromotionBody, ApiError> {
    let health = app.engine.sync_health(&found.live).await?;
    let usage = app.engine.sync_usage(&found.live, &health).await?;
    let checks: Vec<Check> = checks(&health, app.engine.clock.now());
    let rehearsal = found.rehearsal(app).await?;
    let proposal = &found.proposal;
    let needs = proposal.sync.as_ref().err().map(Vec::as_slice).unwrap_or_default();
    let is_rehearsed = rehearsal.is_some() || !found.changes_something();
    let changes = proposal.changes.iter();
    Ok(PromotionBody {
        sync: name.to_owned(),
        phase: found.phase.as_str(),
        next: found.to.as_str(),
        from: if found.told.from_file { "file" } else { "store" },
        changes: changes
            .map(|one| SettingChangeBody {
                at: one.at.clone(),
                from: one.from.clone(),
                to: one.to.clone(),
            })
            .collect(),
        toml: proposal.toml(),
        ready: is_rehearsed && needs.is_empty() && checks.iter().all(Check::is_met),
        needs: needs.iter().map(MistakeBody::from).collect(),
        checks: checks.iter().map(check).collect(),
        rehearsal: rehearsal.unwrap_or_default(),
        usage: usage_body(usage),
    })
}

fn check(check: &Check) -> CheckBody {
    CheckBody {
        what: check.what,
        is: check.is.map(|is| (is * 100.0).round() / 100.0),
        limit: check.limit,
        at_least: check.at_least,
        met: check.is_met(),
    }
}

fn usage_body(usage: Usage) -> UsageBody {
    let [left, right] = usage.sides.map(|side: SideUsage| SideUsageBody {
        calls: side.calls,
        changes: side.changes,
        mode: if side.is_pushed { "push" } else { "poll" },
    });
    let fields = usage.fields.into_iter();
    UsageBody {
        days: usage.days,
        writes: usage.writes,
        cut: usage.is_cut,
        left,
        right,
        fields: fields
            .map(|(field, [left, right])| FieldUsageBody { field, left, right })
            .collect(),
    }
}
