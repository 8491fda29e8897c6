//! An action tried by a person: the request and the answer, with values hidden by their shape.

use super::App;
use super::enrich::{EnrichAnswer, ExecuteBody, no_action, values};
use super::error::{ApiError, ErrorBody};
use super::input::{Params, Segment, read_json};
use axum::Json;
use axum::extract::{Request, State};
use engine::actions::Tried;
use kit::Custom;
use serde::{Deserialize, Serialize};
use state::audit::Act;
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// Whether to ask.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub struct ActionTryQuery {
    /// Make the request and do not send it.
    #[serde(default)]
    dry_run: bool,
}

/// What a try has come to. Letters and digits of values are `x`, but for the last two of what
/// is long.
#[derive(Serialize, ToSchema)]
pub struct ActionTriedBody {
    /// What was sent, or would be; `null` where a value is lacking or cannot stand in it, as
    /// `told` says.
    #[schema(required = true)]
    request: Option<ActionRequestBody>,
    /// What came back; `null` where nothing was sent, or it failed.
    #[schema(required = true, value_type = Option<Object>)]
    answer: Option<serde_json::Value>,
    /// Why it failed; empty where it did not.
    error: String,
    /// What a flow is told.
    told: EnrichAnswer,
}

/// A request as it goes out, below the address of the connection's API and without its login.
#[derive(Serialize, ToSchema)]
pub struct ActionRequestBody {
    method: String,
    path: String,
    query: Vec<ActionPairBody>,
    headers: Vec<ActionPairBody>,
    #[schema(required = true, value_type = Option<Object>)]
    body: Option<serde_json::Value>,
}

/// A parameter or a header.
#[derive(Serialize, ToSchema)]
pub struct ActionPairBody {
    name: String,
    value: String,
}

impl From<Custom> for ActionRequestBody {
    fn from(custom: Custom) -> Self {
        let Custom { method, path, query, headers, body } = custom;
        let pairs = |pairs: Vec<(String, String)>| {
            pairs.into_iter().map(|(name, value)| ActionPairBody { name, value }).collect()
        };
        Self { method, path, query: pairs(query), headers: pairs(headers), body }
    }
}

impl From<Tried> for ActionTriedBody {
    fn from(tried: Tried) -> Self {
        let Tried { request, answer, told, error } = tried;
        Self { request: request.map(ActionRequestBody::from), answer, error, told: told.into() }
    }
}

/// Tries an action with these values, past its cache, and shows what was asked and answered.
/// That it was sent stands in the audit log: an action may write.
#[utoipa::path(
    post, path = "/api/v1/actions/{name}/try", tag = "calls", request_body = ExecuteBody,
    params(("name" = String, Path, description = "The action, as the configuration names it"), ActionTryQuery),
    responses(
        (status = 200, body = ActionTriedBody), (status = 400, body = ErrorBody),
        (status = 404, body = ErrorBody)
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn try_one(
    State(app): State<App>,
    Segment(name): Segment,
    Params(query): Params<ActionTryQuery>,
    request: Request,
) -> Result<Json<ActionTriedBody>, ApiError> {
    let actor = super::actor::actor(&request);
    let (_, given) = values(read_json(request).await?)?;
    if app.engine.actions.get(&name).is_none() {
        return Err(no_action());
    }
    if !query.dry_run {
        let named: Vec<&str> = given.keys().map(String::as_str).collect();
        let details = BTreeMap::from([("values".to_owned(), named.join(", "))]);
        let act = Act { actor, action: "action.tried", subject: name.clone(), details };
        app.engine.store.audit(act, app.engine.clock.now()).await?;
    }
    let tried = Box::pin(app.engine.try_action(&name, given, query.dry_run)).await;
    Ok(Json(tried.ok_or_else(no_action)?.into()))
}
