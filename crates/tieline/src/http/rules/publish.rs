//! Drafts put in force, what was in force before, and the way back.

use super::{RulesRefusedBody, own, plainly, refused};
use crate::http::actor::actor;
use crate::http::error::ErrorBody;
use crate::http::input::read_object;
use crate::http::{ApiError, App};
use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use engine::rules::edit::{Kind, Refused};
use engine::rules::{Published, Publishing};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is to be put in force.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PublishBody {
    /// Names of rules whose drafts are taken; where neither these nor `chains` are given,
    /// every draft is.
    rules: Option<Vec<String>>,
    /// Entries of chains whose drafts are taken.
    chains: Option<Vec<String>>,
    /// Only say what would be wrong.
    #[serde(default)]
    dry_run: bool,
    /// Also where the platform has not what is led to: then it is a warning.
    #[serde(default)]
    allow_unknown_destinations: bool,
}

#[derive(Serialize, ToSchema)]
pub struct PublishedBody {
    /// What is in force now.
    revision: u64,
    /// What could not be found out, or is not there and was taken all the same.
    warnings: Vec<String>,
}

/// Puts drafts in force, together.
#[utoipa::path(
    post, path = "/api/v1/routing/publish", tag = "rules", request_body = PublishBody,
    responses(
        (status = 200, body = PublishedBody), (status = 400, body = RulesRefusedBody),
        (status = 404, body = ErrorBody), (status = 409, body = ErrorBody), (status = 412, body = ErrorBody)
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn publish(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let who = actor(&request);
    let PublishBody { rules, chains, dry_run, allow_unknown_destinations } =
        read_object(request).await?;
    let chosen = (rules.is_some() || chains.is_some()).then(|| {
        let rules = rules.unwrap_or_default().into_iter().map(|name| (Kind::Rule, name));
        rules
            .chain(chains.unwrap_or_default().into_iter().map(|name| (Kind::Chain, name)))
            .collect()
    });
    let publishing =
        Publishing { chosen, is_dry: dry_run, takes_unknown_places: allow_unknown_destinations };
    let outcome = app.rules.publish(&app.live, publishing, &who).await;
    if !dry_run && outcome.is_ok() {
        own::sweep(&app, &who).await;
    }
    in_force(outcome)
}

/// Which set is to be in force again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RollBackBody {
    /// Its revision; the one before the newest where it is left out.
    revision: Option<u64>,
}

/// Puts an older set in force again, as a new one.
#[utoipa::path(
    post, path = "/api/v1/routing/rollback", tag = "rules", request_body = RollBackBody,
    responses(
        (status = 200, body = PublishedBody), (status = 400, body = RulesRefusedBody),
        (status = 404, body = ErrorBody), (status = 412, body = ErrorBody)
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn roll_back(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let who = actor(&request);
    let RollBackBody { revision } = read_object(request).await?;
    let outcome = match own::restore(&app, revision, &who).await {
        Ok(()) => app.rules.roll_back(&app.live, revision, &who).await,
        Err(refused) => Err(refused),
    };
    own::sweep(&app, &who).await;
    in_force(outcome)
}

fn in_force(outcome: Result<Published, Refused>) -> Result<Response, ApiError> {
    match outcome {
        Ok(Published { revision, warnings }) => {
            Ok(Json(PublishedBody { revision, warnings }).into_response())
        }
        Err(Refused::Faults(faults)) => Ok(refused(&faults)),
        Err(other) => Err(plainly(other)),
    }
}

/// A rule set that was put in force.
#[derive(Serialize, ToSchema)]
pub struct RevisionBody {
    revision: u64,
    at: String,
    /// Who, as the audit log has it.
    by: String,
    /// What changed.
    summary: String,
}

/// What was put in force, newest first: at most 200 are kept.
#[utoipa::path(
    get, path = "/api/v1/routing/history", tag = "rules",
    responses((status = 200, body = Vec<RevisionBody>)), security(("key" = []), ("bearer" = []))
)]
pub async fn history(State(app): State<App>) -> Result<Json<Vec<RevisionBody>>, ApiError> {
    let heads = app.rules.history(200).await.map_err(plainly)?;
    let body = heads.into_iter().map(|head| RevisionBody {
        revision: head.revision,
        at: head.at.to_string(),
        by: head.by,
        summary: head.summary,
    });
    Ok(Json(body.collect()))
}
