//! `GET /api/v1/calls/{callId}/explain`: everything decided for a call, in one trace.
//!
//! For people who look into one call. Numbers and ids are masked but for their last four
//! characters, values but for their beginning.

use crate::http::error::ErrorBody;
use crate::http::input::Segment;
use crate::http::{ApiError, App};
use axum::Json;
use axum::extract::State;
use domain::CallId;
use engine::rules::{ConditionSeen, DecisionTrace, Explained, LineSeen};
use serde::Serialize;
use utoipa::ToSchema;

/// What happened to a call, and why.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExplainBody {
    call_id: String,
    /// Absent where nobody asked who it was from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    lookup: Option<LookupTraceBody>,
    decisions: Vec<DecisionTraceBody>,
    writes: Vec<WriteBody>,
}

/// Who it was from.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LookupTraceBody {
    arrived_at: String,
    /// Its last four characters.
    number: String,
    /// Its record's last four characters.
    external_id: String,
    connection: String,
    queue: String,
    /// `hit`, `miss`, `partial`, `ambiguous` or `unknown`.
    status: &'static str,
    /// `directory`, `crm` or `none`.
    source: &'static str,
    answered_ms: u64,
    deadline_ms: u64,
    /// When it was known better than in the answer; empty where it was not.
    identified_at: String,
    /// An agent's correction of its number that holds now; empty for none.
    corrected_to: String,
    /// Who it could be, where nobody was chosen.
    candidates: usize,
    warnings: Vec<String>,
}

/// One decision.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DecisionTraceBody {
    at: String,
    /// Such as `did:+15550190000`; `?` for what was none.
    entry: String,
    /// The caller's, its last four characters.
    number: String,
    revision: u64,
    /// As in `/api/v1/routing/decide`.
    status: String,
    destination: String,
    reason: String,
    /// An agent's correction of the number was followed.
    corrected: bool,
    took_ms: u64,
    /// Where the draft would have sent it, if elsewhere.
    shadow: String,
    warnings: Vec<String>,
    asked: Vec<AskedBody>,
    /// Empty where the rule set of that time is no longer kept.
    lines: Vec<LineBody>,
}

/// A system that was asked.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AskedBody {
    connection: String,
    /// `directory`, `crm` or `none`.
    source: String,
    took_ms: f64,
    /// Why it was not heard; else empty.
    failure: String,
}

/// A line of a rule, and what became of it.
#[derive(Serialize, ToSchema)]
pub struct LineBody {
    rule: String,
    /// Counted from 1.
    line: u32,
    destination: String,
    /// `holds`, `fails`, `unheard`, or `not reached` behind the line that won.
    verdict: &'static str,
    conditions: Vec<ConditionBody>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConditionBody {
    connection: String,
    /// `leads`, `contacts`, `accounts`; empty for all.
    module: &'static str,
    field: String,
    /// Such as `loyaltyTier = Gold`.
    words: String,
    /// `number`, `date` or `text`.
    compared_as: &'static str,
    /// Masked; empty for what is empty.
    seen: String,
    /// `holds`, `fails` or `unheard`.
    verdict: &'static str,
}

/// Something that others were, or are yet to be, told.
#[derive(Serialize, ToSchema)]
pub struct WriteBody {
    /// Such as `push_contact`, or `activity`.
    what: String,
    connection: String,
    state: String,
    /// The last error, or why it was skipped.
    note: String,
}

/// Everything decided for a call.
#[utoipa::path(
    get, path = "/api/v1/calls/{callId}/explain", tag = "calls",
    params(("callId" = String, Path, description = "The contact center's id of the conversation")),
    responses((status = 200, body = ExplainBody), (status = 404, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn explain(
    State(app): State<App>,
    Segment(call_id): Segment,
) -> Result<Json<ExplainBody>, ApiError> {
    let explained = match CallId::new(&call_id) {
        Some(id) => app.engine.explain(&id).await?,
        None => None,
    };
    Ok(Json(body(call_id, explained.ok_or_else(ApiError::unknown_call)?)))
}

fn body(call_id: String, explained: Explained) -> ExplainBody {
    let Explained { call, corrected, candidates, decisions, outcome, jobs } = explained;
    let lookup = call.map(|stored| {
        let call = stored.call;
        LookupTraceBody {
            arrived_at: call.arrived_at.to_string(),
            number: last_four(call.number.as_deref().unwrap_or_default()),
            external_id: last_four(&call.external_id.to_string()),
            connection: call.connection,
            queue: call.queue.unwrap_or_default(),
            status: call.status.as_str(),
            source: call.source.as_str(),
            answered_ms: call.answered_in_us / 1_000,
            deadline_ms: call.deadline_us / 1_000,
            identified_at: stored.identified_at.map(|at| at.to_string()).unwrap_or_default(),
            corrected_to: corrected.map(|old| last_four(&old.said.external_id)).unwrap_or_default(),
            candidates,
            warnings: call.warnings,
        }
    });
    let activity = outcome.and_then(|stored| {
        let journal = stored.journal?;
        let (state, note) = (stored.journal_state.as_str().to_owned(), String::new());
        Some(WriteBody { what: "activity".to_owned(), connection: journal.connection, state, note })
    });
    let jobs = jobs.into_iter().map(|job| WriteBody {
        what: job.kind,
        connection: job.connection,
        state: job.state.as_str().to_owned(),
        note: job.note.unwrap_or_default(),
    });
    ExplainBody {
        call_id,
        lookup,
        decisions: decisions.into_iter().map(DecisionTraceBody::from).collect(),
        writes: activity.into_iter().chain(jobs).collect(),
    }
}

impl From<DecisionTrace> for DecisionTraceBody {
    fn from(trace: DecisionTrace) -> Self {
        let kept = trace.decision;
        let asked = trace.asked.into_iter().map(|(connection, source, took_us, failure)| {
            #[allow(clippy::cast_precision_loss, reason = "microseconds of a request")]
            let took_ms = took_us as f64 / 1_000.0;
            AskedBody { connection, source, took_ms, failure: failure.unwrap_or_default() }
        });
        Self {
            at: kept.at.to_string(),
            entry: kept.entry,
            number: last_four(kept.number.as_deref().unwrap_or_default()),
            revision: kept.set_revision,
            status: kept.status.to_string(),
            destination: kept.destination,
            reason: trace.reason,
            corrected: trace.is_corrected,
            took_ms: kept.took_us / 1_000,
            shadow: kept.shadow.unwrap_or_default(),
            warnings: trace.warnings,
            asked: asked.collect(),
            lines: trace.lines.into_iter().map(LineBody::from).collect(),
        }
    }
}

impl From<LineSeen> for LineBody {
    fn from(line: LineSeen) -> Self {
        let LineSeen { rule, line, destination, verdict, conditions } = line;
        let conditions = conditions.into_iter().map(ConditionBody::from).collect();
        Self { rule, line, destination, verdict, conditions }
    }
}

impl From<ConditionSeen> for ConditionBody {
    fn from(one: ConditionSeen) -> Self {
        let ConditionSeen { connection, module, field, words, compared_as, seen, verdict } = one;
        Self { connection, module, field, words, compared_as, seen, verdict }
    }
}

fn last_four(text: &str) -> String {
    match text.chars().count() {
        0 => String::new(),
        length => format!("…{}", text.chars().skip(length.saturating_sub(4)).collect::<String>()),
    }
}
