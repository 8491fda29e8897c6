//! Routing rules to be read, drafted, put in force and rolled back.
//!
//! A rule or a chain is one object, as `tieline rules export` writes it. What is changed here
//! is a draft; `publish` puts drafts in force together.

mod explain;
mod own;
mod publish;
mod set;
mod shadow;
mod try_out;

pub use explain::{__path_explain, explain};
pub use publish::{__path_history, __path_publish, __path_roll_back, history, publish, roll_back};
pub use set::{__path_apply, __path_export, SetDocument, apply, export};
pub use shadow::{__path_shadow, shadow};
pub use try_out::{__path_replay, __path_try_rule, replay, try_rule};

use super::error::{ErrorBody, ErrorDetail};
use super::input::{Params, read_json};
use super::{ApiError, App};
use axum::Json;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use engine::rules::edit::{Kind, Refused, Seen, Told, Wanted, Wish};
use engine::rules::form::{Body, Fault};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Everything: what is in force, and drafts.
#[derive(Serialize, ToSchema)]
pub struct RulesBody {
    /// The rule set in force; 0 for none.
    revision: u64,
    rules: Vec<ItemBody>,
    chains: Vec<ItemBody>,
}

/// A rule, or a chain at an entry.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ItemBody {
    /// The rule's name, or the chain's entry.
    name: String,
    /// `published`: in force and unchanged. `new`, `changed` or `going`: a draft.
    state: &'static str,
    /// Of the draft; 0 where there is none.
    version: u64,
    /// Empty where there is no draft.
    changed_at: String,
    changed_by: String,
    /// As it is in force; absent where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = Object)]
    published: Option<Body>,
    /// As it is to become; absent where there is no draft, or it is to go.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = Object)]
    draft: Option<Body>,
    /// Of a rule: where it hangs. Empty for one that hangs nowhere.
    attached: Vec<String>,
    /// Of a rule: what each line compares as.
    compared: Vec<ComparedBody>,
    /// What is wrong with it now.
    mistakes: Vec<MistakeBody>,
    /// Of an item that was just drafted: where it leads to what the platform has not, or
    /// could not be asked for.
    warnings: Vec<String>,
}

#[derive(Serialize, ToSchema)]
pub struct ComparedBody {
    /// Such as `lines[0]`.
    at: String,
    /// `number`, `date` or `text`.
    #[serde(rename = "as")]
    compared_as: &'static str,
}

#[derive(Serialize, ToSchema)]
pub struct MistakeBody {
    /// Which field, such as `rules.Gold.lines[0].operator`.
    at: String,
    message: String,
    fix: String,
}

/// Everything that is wrong with a change. Nothing was changed.
#[derive(Serialize, ToSchema)]
pub struct RulesRefusedBody {
    error: ErrorDetail,
    /// Absent where the request itself could not be read.
    #[schema(required = false)]
    mistakes: Vec<MistakeBody>,
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct DraftQuery {
    /// Only say what would be wrong, and change nothing.
    #[serde(default)]
    dry_run: bool,
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct RemoveQuery {
    /// Only say what would be wrong, and change nothing.
    #[serde(default)]
    dry_run: bool,
    /// Forget the draft alone: what is in force stays.
    #[serde(default)]
    draft: bool,
}

/// The two variable parts of an address.
pub struct Which {
    kind: Kind,
    name: String,
}

/// What an item is, as the address says it.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code, reason = "only described")]
enum KindWord {
    Rules,
    Chains,
}

impl<S: Send + Sync> FromRequestParts<S> for Which {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((kind, name)) = path.map_err(|_| {
            let message = "The address is not valid UTF-8 once decoded.";
            ApiError::field("path", message, "Percent-encode the name as UTF-8.")
        })?;
        let kind = kind.strip_suffix('s').and_then(Kind::of_word).ok_or_else(unknown)?;
        Ok(Self { kind, name })
    }
}

/// Every rule and chain, in force or drafted.
#[utoipa::path(
    get, path = "/api/v1/routing", tag = "rules",
    responses((status = 200, body = RulesBody)), security(("key" = []), ("bearer" = []))
)]
pub async fn list(State(app): State<App>) -> Result<Json<RulesBody>, ApiError> {
    let (revision, all) = app.rules.list(&app.live).await.map_err(plainly)?;
    let (rules, chains): (Vec<Told>, Vec<Told>) =
        all.into_iter().partition(|told| told.kind == Kind::Rule);
    let bodies = |all: Vec<Told>| all.into_iter().map(ItemBody::from).collect();
    Ok(Json(RulesBody { revision, rules: bodies(rules), chains: bodies(chains) }))
}

/// One of them.
#[utoipa::path(
    get, path = "/api/v1/routing/items/{kind}/{name}", tag = "rules",
    params(
        ("kind" = inline(KindWord), Path, description = "What it is"),
        ("name" = String, Path, description = "The rule's name, or the entry such as did:+15550190000")
    ),
    responses((status = 200, body = ItemBody), (status = 404, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn one(State(app): State<App>, which: Which) -> Result<Response, ApiError> {
    Ok(tagged(app.rules.one(&app.live, which.kind, &which.name).await.map_err(plainly)?))
}

/// Drafts one, new or changed, as a whole.
#[utoipa::path(
    put, path = "/api/v1/routing/items/{kind}/{name}", tag = "rules",
    request_body = BTreeMap<String, serde_json::Value>,
    params(
        ("kind" = inline(KindWord), Path, description = "What it is"),
        ("name" = String, Path, description = "The rule's name, or the entry such as did:+15550190000"),
        DraftQuery
    ),
    responses(
        (status = 200, body = ItemBody), (status = 400, body = RulesRefusedBody),
        (status = 404, body = ErrorBody), (status = 412, body = ErrorBody)
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn put(
    State(app): State<App>,
    which: Which,
    Params(query): Params<DraftQuery>,
    request: Request,
) -> Result<Response, ApiError> {
    let (actor, seen) = (super::actor::actor(&request), seen(request.headers())?);
    let body: Body = read_json(request).await?;
    let to = Wanted::Body(body);
    let Which { kind, name } = which;
    draft(app, Wish { kind, name, to, seen, is_dry: query.dry_run, actor, brings: false }).await
}

/// Drafts that one is to go, or forgets its draft.
#[utoipa::path(
    delete, path = "/api/v1/routing/items/{kind}/{name}", tag = "rules",
    params(
        ("kind" = inline(KindWord), Path, description = "What it is"),
        ("name" = String, Path, description = "The rule's name, or the entry such as did:+15550190000"),
        RemoveQuery
    ),
    responses(
        (status = 200, body = ItemBody), (status = 400, body = RulesRefusedBody),
        (status = 404, body = ErrorBody), (status = 412, body = ErrorBody)
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn remove(
    State(app): State<App>,
    which: Which,
    Params(query): Params<RemoveQuery>,
    request: Request,
) -> Result<Response, ApiError> {
    let (actor, seen) = (super::actor::actor(&request), seen(request.headers())?);
    let to = if query.draft { Wanted::AsPublished } else { Wanted::Gone };
    let Which { kind, name } = which;
    draft(app, Wish { kind, name, to, seen, is_dry: query.dry_run, actor, brings: false }).await
}

async fn draft(app: App, wish: Wish) -> Result<Response, ApiError> {
    let (is_dry, actor, to) = (wish.is_dry, wish.actor.clone(), wish.to.clone());
    match own::draft_all(&app, vec![wish], is_dry, &actor).await {
        Ok(mut told) => {
            let told = told.pop().ok_or_else(unknown)?;
            Ok(tagged(match to {
                Wanted::Body(body) => app.rules.with_places(&app.live, told, body).await,
                Wanted::Gone | Wanted::AsPublished => told,
            }))
        }
        Err(Refused::Faults(faults)) => Ok(refused(&faults)),
        Err(other) => Err(plainly(other)),
    }
}

/// What of the item a change is meant for; `*` means whatever there is.
fn seen(headers: &HeaderMap) -> Result<Option<Seen>, ApiError> {
    if headers.get(header::IF_NONE_MATCH).is_some_and(|none| none == "*") {
        return Ok(Some(Seen::Nothing));
    }
    let Some(wanted) = headers.get(header::IF_MATCH).filter(|wanted| *wanted != "*") else {
        return Ok(None);
    };
    let tag = wanted.to_str().unwrap_or_default().trim_matches('"');
    (!tag.is_empty()).then(|| Some(Seen::Tag(tag.to_owned()))).ok_or_else(meanwhile)
}

fn tagged(told: Told) -> Response {
    let tag = HeaderValue::try_from(format!("\"{}\"", told.tag));
    let tag = tag.unwrap_or(HeaderValue::from_static("\"\""));
    ([(header::ETAG, tag)], Json(ItemBody::from(told))).into_response()
}

impl From<Told> for ItemBody {
    fn from(told: Told) -> Self {
        let state = match (&told.published, &told.draft) {
            (_, None) => "published",
            (_, Some(None)) => "going",
            (None, Some(Some(_))) => "new",
            (Some(_), Some(Some(_))) => "changed",
        };
        let (changed_at, changed_by) =
            told.changed.map_or_else(Default::default, |(at, by)| (at.to_string(), by));
        let compared = told.compared.into_iter();
        Self {
            name: told.name,
            state,
            version: told.version,
            changed_at,
            changed_by,
            published: told.published,
            draft: told.draft.flatten(),
            attached: told.entries,
            compared: compared.map(|(at, compared_as)| ComparedBody { at, compared_as }).collect(),
            mistakes: told.faults.iter().map(MistakeBody::from).collect(),
            warnings: told.warnings,
        }
    }
}

impl From<&Fault> for MistakeBody {
    fn from(Fault { at, message, fix }: &Fault) -> Self {
        Self { at: at.clone(), message: message.clone(), fix: fix.clone() }
    }
}

pub(super) fn refused(faults: &[Fault]) -> Response {
    let first = faults.first().cloned();
    let first = first.unwrap_or_else(|| Fault {
        at: String::new(),
        message: "cannot be used.".to_owned(),
        fix: String::new(),
    });
    let body = RulesRefusedBody {
        error: ErrorDetail {
            code: "rules.refused".to_owned(),
            message: format!("{} {}", first.at, first.message),
            at: first.at,
            fix: first.fix,
            docs: "/docs/errors/rules.refused".to_owned(),
        },
        mistakes: faults.iter().map(MistakeBody::from).collect(),
    };
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

pub(super) fn plainly(refused: Refused) -> ApiError {
    match refused {
        Refused::Store(error) => error.into(),
        Refused::Unknown => unknown(),
        Refused::Changed => meanwhile(),
        Refused::Nothing => {
            let message = "There is no draft to put in force.";
            let fix = "Draft a rule or a chain first.";
            ApiError::new(StatusCode::CONFLICT, "rules.nothing_drafted", message, fix)
        }
        Refused::Faults(faults) => {
            let told: Vec<String> =
                faults.iter().map(|fault| format!("{} {}", fault.at, fault.message)).collect();
            let status = StatusCode::BAD_REQUEST;
            ApiError::new(status, "rules.refused", told.join("\n"), "Mend what is named.")
        }
    }
}

fn unknown() -> ApiError {
    let message = "There is no such rule, chain or rule set.";
    let fix = "GET /api/v1/routing names all; /api/v1/routing/history the sets.";
    ApiError::new(StatusCode::NOT_FOUND, "rules.unknown", message, fix).at("name")
}

fn meanwhile() -> ApiError {
    let message = "It has changed since it was read.";
    let fix = "Read it again, and send the new ETag as If-Match.";
    ApiError::new(StatusCode::PRECONDITION_FAILED, "rules.changed", message, fix).at("If-Match")
}
