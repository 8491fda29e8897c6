//! Connections, actions, queues and syncs: those of the file to be read, those of the store to be
//! made, changed and deleted while calls go on.

use super::error::{ErrorBody, ErrorDetail};
use super::input::{Params, Segment, read_json};
use super::{ApiError, App};
use crate::config::Mistake;
use crate::settings::item::{Body, Kind};
use crate::settings::{Refused, Told, Wish};
use axum::Json;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// What an item is, as the address says it.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code, reason = "only described")]
enum KindWord {
    Connections,
    Actions,
    Queues,
    Syncs,
}

/// Every item of a kind.
#[derive(Serialize, ToSchema)]
pub struct SettingsBody {
    items: Vec<SettingBody>,
}

/// An item, without what is set.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SettingBody {
    name: String,
    /// `file`: it stands in tieline.toml and is read-only here. `store`: it was made here.
    from: &'static str,
    /// Counts up with each change of anything; 0 for an item of the file.
    revision: u64,
    /// Empty for an item of the file.
    changed_at: String,
    /// Who changed it last, as the audit log has it; empty for an item of the file.
    changed_by: String,
    /// Why it is left out, though it is there; empty where it is served.
    problem: String,
    /// The routing rule that has brought it and takes it away; empty for others.
    of_rule: String,
}

/// An item with what is set.
#[derive(Serialize, ToSchema)]
pub struct SettingDetailBody {
    #[serde(flatten)]
    setting: SettingBody,
    /// As the section of tieline.toml, of secrets only that they are `{"set": true}`.
    #[schema(value_type = Object)]
    section: Body,
}

/// Everything that is wrong with a change. Nothing was changed.
#[derive(Serialize, ToSchema)]
pub struct RefusedBody {
    /// The first mistake.
    error: ErrorDetail,
    /// Absent where the request itself could not be read.
    #[schema(required = false)]
    mistakes: Vec<MistakeBody>,
}

#[derive(Serialize, ToSchema)]
pub struct MistakeBody {
    /// Which setting, such as `queues.Billing.connection`: also of another item that still
    /// needs what is to go.
    at: String,
    message: String,
    fix: String,
}

impl From<&Mistake> for MistakeBody {
    fn from(mistake: &Mistake) -> Self {
        let Mistake { at, message, fix, .. } = mistake;
        Self { at: at.clone(), message: message.clone(), fix: fix.clone() }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ChangeQuery {
    /// Only say what would be wrong, and change nothing.
    #[serde(default)]
    dry_run: bool,
}

/// The two variable parts of an address.
pub struct Which {
    kind: Kind,
    name: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Which {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((kind, name)) = path.map_err(|_| {
            let message = "The address is not valid UTF-8 once decoded.";
            ApiError::field("path", message, "Percent-encode the name as UTF-8.")
        })?;
        Ok(Self { kind: kind_of(&kind)?, name })
    }
}

fn kind_of(text: &str) -> Result<Kind, ApiError> {
    Kind::of_plural(text).ok_or_else(unknown)
}

/// Every connection, action, queue or sync, whether it stands in the file or was made here.
#[utoipa::path(
    get, path = "/api/v1/settings/{kind}", tag = "settings",
    params(("kind" = inline(KindWord), Path, description = "What they are")),
    responses((status = 200, body = SettingsBody), (status = 404, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn list(
    State(app): State<App>,
    Segment(kind): Segment,
) -> Result<Json<SettingsBody>, ApiError> {
    let all = app.settings.list(&app.live, kind_of(&kind)?).await;
    let all = all.map_err(refused_plainly)?;
    Ok(Json(SettingsBody { items: all.iter().map(SettingBody::from).collect() }))
}

/// One of them. Secrets are never shown.
#[utoipa::path(
    get, path = "/api/v1/settings/{kind}/{name}", tag = "settings",
    params(
        ("kind" = inline(KindWord), Path, description = "What it is"),
        ("name" = String, Path, description = "Its name")
    ),
    responses((status = 200, body = SettingDetailBody), (status = 404, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn one(State(app): State<App>, which: Which) -> Result<Response, ApiError> {
    let told = app.settings.one(&app.live, which.kind, &which.name).await;
    Ok(tagged(told.map_err(refused_plainly)?.ok_or_else(unknown)?))
}

/// Makes one, or changes it as a whole: the body is its section of tieline.toml as JSON.
/// It is checked together with everything else, and served at once. Secrets are texts; one
/// that is left out, or sent as `{"set": true}`, stays where the connection's type and
/// settings (but `data`) stay, and `null` takes it away.
#[utoipa::path(
    put, path = "/api/v1/settings/{kind}/{name}", tag = "settings",
    request_body = BTreeMap<String, serde_json::Value>,
    params(
        ("kind" = inline(KindWord), Path, description = "What it is"),
        ("name" = String, Path, description = "Its name"), ChangeQuery
    ),
    responses(
        (status = 200, body = SettingDetailBody), (status = 400, body = RefusedBody),
        (status = 404, body = ErrorBody), (status = 409, body = ErrorBody),
        (status = 412, body = ErrorBody)
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn put(
    State(app): State<App>,
    which: Which,
    Params(query): Params<ChangeQuery>,
    request: Request,
) -> Result<Response, ApiError> {
    let (actor, seen) = (super::actor::actor(&request), seen(request.headers())?);
    let body: Body = read_json(request).await?;
    let Which { kind, name } = which;
    let wish = Wish { kind, name, body: Some(body), seen, is_dry: query.dry_run, actor };
    change(app, wish).await
}

/// Deletes one. What still needs it keeps it from going, and is named.
#[utoipa::path(
    delete, path = "/api/v1/settings/{kind}/{name}", tag = "settings",
    params(
        ("kind" = inline(KindWord), Path, description = "What it is"),
        ("name" = String, Path, description = "Its name"), ChangeQuery
    ),
    responses(
        (status = 200, description = "As it was", body = SettingDetailBody),
        (status = 400, body = RefusedBody), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody), (status = 412, body = ErrorBody)
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn remove(
    State(app): State<App>,
    which: Which,
    Params(query): Params<ChangeQuery>,
    request: Request,
) -> Result<Response, ApiError> {
    let (actor, seen) = (super::actor::actor(&request), seen(request.headers())?);
    let Which { kind, name } = which;
    let wish = Wish { kind, name, body: None, seen, is_dry: query.dry_run, actor };
    change(app, wish).await
}

async fn change(app: App, wish: Wish) -> Result<Response, ApiError> {
    // In a task of its own: a client that gives up does not come between stored and served.
    match changed(&app, wish).await? {
        Ok(told) => Ok(tagged(told)),
        Err(Refused::Mistakes(mistakes)) => Ok(refused(&mistakes)),
        Err(other) => Err(refused_plainly(other)),
    }
}

/// Makes a change in a task of its own, which goes on when its client does not.
pub(super) async fn changed(app: &App, wish: Wish) -> Result<Result<Told, Refused>, ApiError> {
    let shared = app.shared();
    let changed = tokio::spawn(async move { shared.settings.change(&shared.live, wish).await });
    changed.await.map_err(|_| {
        state::Error::Unavailable {
            during: "changing settings",
            reason: "it was cut off".to_owned(),
        }
        .into()
    })
}

/// The revision that a change is meant for; `*` means whatever there is.
fn seen(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    if headers.get(header::IF_NONE_MATCH).is_some_and(|none| none == "*") {
        return Ok(Some(0));
    }
    let Some(wanted) = headers.get(header::IF_MATCH).filter(|wanted| *wanted != "*") else {
        return Ok(None);
    };
    let text = wanted.to_str().unwrap_or_default().trim_matches('"');
    let revision = text.strip_prefix('r').and_then(|revision| revision.parse().ok());
    revision.filter(|revision| *revision > 0).map(Some).ok_or_else(meanwhile)
}

fn tagged(told: Told) -> Response {
    let tag =
        if told.from_file { "\"file\"".to_owned() } else { format!("\"r{}\"", told.revision) };
    let tag = HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("\"\""));
    let setting = SettingBody::from(&told);
    ([(header::ETAG, tag)], Json(SettingDetailBody { setting, section: told.section }))
        .into_response()
}

impl From<&Told> for SettingBody {
    fn from(told: &Told) -> Self {
        let (changed_at, changed_by) = told
            .changed
            .clone()
            .map_or_else(|| (String::new(), String::new()), |(at, by)| (at.to_string(), by));
        let problems: Vec<String> = told.problems.iter().map(Mistake::to_string).collect();
        Self {
            name: told.name.clone(),
            from: if told.from_file { "file" } else { "store" },
            revision: told.revision,
            changed_at,
            changed_by,
            problem: problems.join("\n"),
            of_rule: told.of_rule.clone(),
        }
    }
}

fn refused(mistakes: &[Mistake]) -> Response {
    let first = mistakes.first().cloned();
    let first = first.unwrap_or_else(|| Mistake::new("", "It cannot be served.", ""));
    let body = RefusedBody {
        error: ErrorDetail {
            code: "settings.refused".to_owned(),
            message: format!("{}: {}", first.at, first.message),
            at: first.at,
            fix: first.fix,
            docs: "/docs/errors/settings.refused".to_owned(),
        },
        mistakes: mistakes.iter().map(MistakeBody::from).collect(),
    };
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

pub(super) fn refused_plainly(refused: Refused) -> ApiError {
    match refused {
        Refused::Store(error) => error.into(),
        Refused::Unknown => unknown(),
        Refused::Changed => meanwhile(),
        Refused::FromFile => {
            let message = "It stands in tieline.toml, and is read-only here.";
            let fix = "Change it in the file and restart, or take another name.";
            ApiError::new(StatusCode::CONFLICT, "settings.from_file", message, fix).at("name")
        }
        Refused::Mistakes(mistakes) => {
            let told: Vec<String> = mistakes.iter().map(Mistake::to_string).collect();
            let status = StatusCode::BAD_REQUEST;
            ApiError::new(status, "settings.refused", told.join("\n"), "Mend what is named.")
        }
    }
}

fn unknown() -> ApiError {
    let message = "There is no such connection, action or queue.";
    let fix = "GET /api/v1/settings/connections, …/actions and …/queues name them all.";
    ApiError::new(StatusCode::NOT_FOUND, "settings.unknown", message, fix).at("name")
}

fn meanwhile() -> ApiError {
    let message = "It has changed since it was read.";
    let fix = "Read it again, and send the new ETag as If-Match.";
    ApiError::new(StatusCode::PRECONDITION_FAILED, "settings.changed", message, fix).at("If-Match")
}
