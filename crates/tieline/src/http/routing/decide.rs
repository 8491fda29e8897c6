//! `POST /api/v1/routing/decide`: an inbound call, where does it go?
//!
//! What is wrong with a request is refused; what a CRM does is an answer, and says so in it.

use super::switch::{Question, Told};
use crate::http::error::ErrorBody;
use crate::http::input::read_json;
use crate::http::{ApiError, App, schemas};
use axum::Json;
use axum::extract::{Request, State};
use domain::CallId;
use domain::rules::Destination;
use engine::{Arriving, Decided};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;

/// A call that is to go somewhere, as a flow or a switch describes it. `callId` is
/// needed; every other field may be absent or empty. Of `did` and `ivrOption` the option
/// counts; without either the call goes to the default of all.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DecideBody {
    /// The contact center's id of the conversation, or the switch's of the call.
    #[schema(required = true, schema_with = schemas::call_id)]
    call_id: Option<String>,
    /// What was dialled: `+E.164`, national, `tel:` or `sip:`.
    #[schema(example = "+15550190000", max_length = 1_024)]
    did: Option<String>,
    /// The IVR and the option that the caller chose, such as `Main menu/1`.
    #[schema(example = "Main menu/1", max_length = 1_024)]
    ivr_option: Option<String>,
    /// Who dialled.
    #[schema(example = "+15550199999", max_length = 1_024)]
    ani: Option<String>,
    #[schema(schema_with = schemas::short_text)]
    email: Option<String>,
    /// An id from an earlier answer.
    #[schema(schema_with = schemas::short_text)]
    external_id: Option<String>,
    /// The queue, by id or name, where the call has one already.
    #[schema(schema_with = schemas::short_text)]
    queue: Option<String>,
}

/// Where it goes, and why.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DecisionBody {
    /// Absent where no chain hangs and there is no default for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    destination: Option<DestinationBody>,
    /// What the IVR says first; empty for nothing.
    greeting: String,
    /// The rule that decided; empty for none.
    rule: String,
    /// The line of that rule, counted from 1; 0 for none.
    line: u32,
    /// `matched`: by a line. `default`: none holds. `degraded`: a CRM that a line depends on
    /// was not heard in time. `loop`: the call was led on too often. `unattached`: no chain
    /// hangs at this entry.
    #[schema(example = "matched")]
    status: &'static str,
    #[schema(example = "loyaltyTier = Gold (line 1 of Gold callers).")]
    reason: String,
    /// The rule set that was in force; 0 for none.
    revision: u64,
    latency_ms: u64,
    warnings: Vec<String>,
}

/// A place where calls go.
#[derive(Debug, Serialize, ToSchema)]
pub struct DestinationBody {
    /// `queue`, `ivr` or `recording`.
    #[serde(rename = "type")]
    #[schema(example = "queue")]
    kind: &'static str,
    /// Number, name or file.
    #[schema(example = "Premium Support")]
    option: String,
    /// Where it is for a switch, as `routing.uris` says; empty where it does not.
    uri: String,
}

impl DestinationBody {
    fn nowhere() -> Self {
        Self { kind: "", option: String::new(), uri: String::new() }
    }
}

/// The same for a contact center's data action: flat, and never null.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FlatDecisionBody {
    /// `queue`, `ivr` or `recording`; empty for nowhere.
    destination_type: &'static str,
    /// Number, name or file.
    destination: String,
    destination_uri: String,
    greeting: String,
    rule: String,
    line: u32,
    /// As in `/api/v1/routing/decide`.
    status: &'static str,
    reason: String,
    revision: u64,
    latency_ms: u64,
}

/// Decides where a call goes, inside `routing.deadline`.
#[utoipa::path(
    post, path = "/api/v1/routing/decide", tag = "calls", request_body = DecideBody,
    responses(
        (status = 200, description = "Where it goes", body = DecisionBody),
        (status = 400, description = "A field is missing or wrong", body = ErrorBody),
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn decide(
    State(app): State<App>,
    request: Request,
) -> Result<Json<DecisionBody>, ApiError> {
    let arrived = Instant::now();
    let arriving = arriving(read_json(request).await?)?;
    // Boxed, or the router would move the whole of it several times.
    let decided = Box::pin(app.engine.decide(arriving, arrived)).await;
    Ok(Json(body(&app, decided)))
}

/// The same, flat.
#[utoipa::path(
    post, path = "/api/v1/genesys/decide", tag = "calls", request_body = DecideBody,
    responses(
        (status = 200, description = "Where it goes", body = FlatDecisionBody),
        (status = 400, description = "A field is missing or wrong", body = ErrorBody),
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn decide_flat(
    State(app): State<App>,
    request: Request,
) -> Result<Json<FlatDecisionBody>, ApiError> {
    let arrived = Instant::now();
    let arriving = arriving(read_json(request).await?)?;
    let decided = Box::pin(app.engine.decide(arriving, arrived)).await;
    let DecisionBody {
        destination,
        greeting,
        rule,
        line,
        status,
        reason,
        revision,
        latency_ms,
        ..
    } = body(&app, decided);
    let to = destination.unwrap_or_else(DestinationBody::nowhere);
    Ok(Json(FlatDecisionBody {
        destination_type: to.kind,
        destination: to.option,
        destination_uri: to.uri,
        greeting,
        rule,
        line,
        status,
        reason,
        revision,
        latency_ms,
    }))
}

/// The same for a switch, which has a format of its own.
pub(super) async fn told(
    app: &App,
    question: Question,
    arrived: Instant,
) -> Result<Told, ApiError> {
    let Question { did, ivr_option, ani, call_id } = question;
    let arriving = arriving(DecideBody {
        call_id: Some(call_id),
        did: Some(did),
        ivr_option: Some(ivr_option),
        ani: Some(ani),
        email: None,
        external_id: None,
        queue: None,
    })?;
    let decided = Box::pin(app.engine.decide(arriving, arrived)).await;
    let DecisionBody { destination, greeting, rule, line, status, revision, .. } =
        body(app, decided);
    let to = destination.unwrap_or_else(DestinationBody::nowhere);
    let DestinationBody { kind: destination_type, option: destination, uri } = to;
    Ok(Told { destination_type, destination, uri, greeting, rule, line, status, revision })
}

fn arriving(body: DecideBody) -> Result<Arriving, ApiError> {
    let call = body.call_id.as_deref().map(str::trim).filter(|id| !id.is_empty());
    let call = call.ok_or_else(|| {
        let fix = "Pass the conversation's id: Call.ConversationId in a flow, Call-ID in SIP.";
        ApiError::field("callId", "callId is required.", fix)
    })?;
    let call = CallId::new(call).ok_or_else(|| {
        let fix = "Pass the conversation's id unchanged.";
        ApiError::field("callId", "callId is 1 to 128 visible ASCII characters.", fix)
    })?;
    let short = |at: &str, text: Option<String>| match text {
        Some(text) if text.chars().count() > 1_024 => {
            let message = format!("{at} is longer than 1,024 characters.");
            Err(ApiError::field(at, message, "Shorten it."))
        }
        text => Ok(text.filter(|text| !text.trim().is_empty())),
    };
    let (did, option) = (short("did", body.did)?, short("ivrOption", body.ivr_option)?);
    let entry = match (did, option) {
        (Some(did), None) => format!("did:{}", did.trim()),
        // A flow may pass the number on all the way: the option is where the call is now.
        (_, Some(option)) => format!("ivr:{}", option.trim()),
        // Whoever is on the line goes to the default of all, and the reason says why.
        (None, None) => String::new(),
    };
    Ok(Arriving {
        call,
        entry,
        ani: short("ani", body.ani)?,
        email: short("email", body.email)?,
        external_id: short("externalId", body.external_id)?,
        queue: short("queue", body.queue)?,
    })
}

/// Where a destination is for a switch; empty where nobody has said.
pub fn uri(app: &App, destination: &Destination) -> String {
    app.uris.get(&destination.key()).cloned().unwrap_or_default()
}

fn body(app: &App, decided: Decided) -> DecisionBody {
    let destination = decided.destination.map(|to| DestinationBody {
        kind: to.kind.as_str(),
        uri: uri(app, &to),
        option: to.option,
    });
    DecisionBody {
        destination,
        greeting: decided.greeting.unwrap_or_default(),
        rule: decided.rule.unwrap_or_default(),
        line: decided.line.unwrap_or(0),
        status: decided.how.as_str(),
        reason: decided.reason,
        revision: decided.revision,
        latency_ms: u64::try_from(decided.took.as_millis()).unwrap_or(u64::MAX),
        warnings: decided.warnings,
    }
}
