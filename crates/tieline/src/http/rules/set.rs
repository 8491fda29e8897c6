//! A whole rule set, written out and taken in: all of it or nothing.

use super::{RulesRefusedBody, plainly, refused};
use crate::http::actor::actor;
use crate::http::error::ErrorBody;
use crate::http::input::{Params, read_set};
use crate::http::{ApiError, App};
use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use engine::rules::SetBody;
use engine::rules::edit::{Kind, Refused, Wanted, Wish};
use engine::rules::form::Body;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// A whole rule set.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetDocument {
    /// By name.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, Object>)]
    pub(super) rules: BTreeMap<String, Body>,
    /// By entry.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, Object>)]
    pub(super) chains: BTreeMap<String, Body>,
    /// Of what was exported; it changes nothing.
    #[serde(default, skip_serializing)]
    #[allow(dead_code, reason = "an export can be sent back as it is")]
    revision: Option<u64>,
}

/// A whole rule set, and which it is.
#[derive(Serialize, ToSchema)]
pub struct ExportBody {
    revision: u64,
    /// By name.
    #[schema(value_type = BTreeMap<String, Object>)]
    rules: BTreeMap<String, Body>,
    /// By entry.
    #[schema(value_type = BTreeMap<String, Object>)]
    chains: BTreeMap<String, Body>,
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    /// As it would be with every draft; else what is in force.
    #[serde(default)]
    drafts: bool,
    /// As this set was; else what is in force.
    revision: Option<u64>,
}

/// A whole rule set, to be kept or moved.
#[utoipa::path(
    get, path = "/api/v1/routing/set", tag = "rules", params(ExportQuery),
    responses((status = 200, body = ExportBody), (status = 404, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn export(
    State(app): State<App>,
    Params(query): Params<ExportQuery>,
) -> Result<Json<ExportBody>, ApiError> {
    let (revision, set) = match query.revision {
        Some(revision) => (revision, app.rules.revision(revision).await.map_err(plainly)?),
        None => app.rules.body(&app.live, query.drafts).await.map_err(plainly)?,
    };
    let SetBody { rules, chains } = set;
    Ok(Json(ExportBody { revision, rules, chains }))
}

/// What a whole set would change, or has changed, as drafts.
#[derive(Default, Serialize, ToSchema)]
pub struct AppliedBody {
    /// Such as `rule Gold callers`.
    new: Vec<String>,
    changed: Vec<String>,
    going: Vec<String>,
    /// Every rule of the set.
    rules: Vec<String>,
    /// Every chain of the set, by its entry as it is kept.
    chains: Vec<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ApplyQuery {
    /// Only say what would change, and change nothing.
    #[serde(default)]
    dry_run: bool,
    /// What the set does not name stays as it is; else it is to go.
    #[serde(default)]
    keep: bool,
}

/// Drafts a whole set: all of it or nothing.
#[utoipa::path(
    put, path = "/api/v1/routing/set", tag = "rules", request_body = SetDocument, params(ApplyQuery),
    responses((status = 200, body = AppliedBody), (status = 400, body = RulesRefusedBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn apply(
    State(app): State<App>,
    Params(query): Params<ApplyQuery>,
    request: Request,
) -> Result<Response, ApiError> {
    let who = actor(&request);
    let document: SetDocument = read_set(request).await?;
    let (_, now) = app.rules.body(&app.live, true).await.map_err(plainly)?;
    let mut applied = AppliedBody::default();
    let mut wishes = Vec::new();
    for (kind, wanted, there) in
        [(Kind::Rule, document.rules, &now.rules), (Kind::Chain, document.chains, &now.chains)]
    {
        let named = |name: &str| format!("{} {name}", kind.word());
        let wish = |name: &str, to| {
            let (name, actor) = (name.to_owned(), who.clone());
            Wish { kind, name, to, seen: None, is_dry: query.dry_run, actor, brings: false }
        };
        let wanted = match app.engine.named(kind, wanted) {
            Ok(wanted) => wanted,
            Err(faults) => return Ok(refused(&faults)),
        };
        let names = wanted.keys().cloned().collect();
        match kind {
            Kind::Rule => applied.rules = names,
            Kind::Chain => applied.chains = names,
        }
        if !query.keep {
            for name in there.keys().filter(|name| !wanted.contains_key(*name)) {
                applied.going.push(named(name));
                wishes.push(wish(name, Wanted::Gone));
            }
        }
        for (name, body) in wanted {
            match there.get(&name) {
                Some(old) if *old == body => continue,
                Some(_) => applied.changed.push(named(&name)),
                None => applied.new.push(named(&name)),
            }
            wishes.push(wish(&name, Wanted::Body(body)));
        }
    }
    if wishes.is_empty() {
        return Ok(Json(applied).into_response());
    }
    match super::own::draft_all(&app, wishes, query.dry_run, &who).await {
        Ok(_) => Ok(Json(applied).into_response()),
        Err(Refused::Faults(faults)) => Ok(refused(&faults)),
        Err(other) => Err(plainly(other)),
    }
}
