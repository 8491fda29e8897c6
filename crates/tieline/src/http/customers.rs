//! What is known and kept of a customer, and what is kept of one call.
//!
//! `persistent` outlives calls: it belongs to the customer's record, whichever number
//! the next call comes from. Call data belongs to one conversation alone. Both are
//! changed by naming what changes: `null` removes, what is not named stays.

pub mod search;

use super::input::{Segment, read_json};
use super::lookup::json;
use super::{ApiError, App};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::{CallId, Value};
use engine::{Changed, Profile};
use serde::{Deserialize, Serialize};
use state::audit::Act;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Names in one map, and characters of a name and of a text.
const NAMES_MAX: usize = 64;
const NAME_MAX: usize = 64;
const TEXT_MAX: usize = 4_096;

/// A customer, as known now.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomerBody {
    #[schema(example = "CRM:0035g00000ABCdEAAW")]
    external_id: String,
    name: String,
    email: String,
    /// E.164, in the order of the customer's own system.
    phones: Vec<String>,
    /// What the customer's own system says; read-only here.
    data: BTreeMap<String, serde_json::Value>,
    /// What is kept here for as long as the customer is known; see PUT.
    persistent: BTreeMap<String, serde_json::Value>,
    interaction_count: u64,
    /// Empty when no call was ever seen.
    last_call_at: String,
    as_of: String,
    stale: bool,
    /// Connections beside the customer's own system that could not be asked.
    missing: Vec<String>,
}

/// What to keep: `null` removes a name, names that are not mentioned stay.
#[derive(Deserialize, ToSchema)]
pub struct DataBody {
    #[schema(required = true, schema_with = super::schemas::data)]
    data: Option<BTreeMap<String, serde_json::Value>>,
}

/// What is kept of one call.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CallDataBody {
    call_id: String,
    data: BTreeMap<String, serde_json::Value>,
    /// Empty when nothing was ever kept.
    updated_at: String,
}

/// The newest there is to know of a customer. Its `ETag` changes with anything in it.
#[utoipa::path(
    get, path = "/api/v2/customers/{id}", tag = "customers",
    params(("id" = String, Path, description = "externalId, or the contact center's id of the contact")),
    responses(
        (status = 200, body = CustomerBody), (status = 304, description = "As `If-None-Match` says"),
        (status = 404, body = super::error::ErrorBody)
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn customer(
    State(app): State<App>,
    Segment(id): Segment,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let profile = app.engine.customer_profile(&id).await?.ok_or_else(unknown)?;
    Ok(tagged(&app, &headers, CustomerBody::from(profile)))
}

/// Keeps data of a customer beyond the call. `If-Match` with the `ETag` of the last GET
/// makes sure that nobody has changed it meanwhile.
#[utoipa::path(
    put, path = "/api/v2/customers/{id}", tag = "customers", request_body = DataBody,
    params(("id" = String, Path, description = "externalId, or the contact center's id of the contact")),
    responses(
        (status = 200, body = CustomerBody), (status = 400, body = super::error::ErrorBody),
        (status = 404, body = super::error::ErrorBody), (status = 412, body = super::error::ErrorBody)
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn keep(
    State(app): State<App>,
    Segment(id): Segment,
    request: Request,
) -> Result<Response, ApiError> {
    let (headers, actor) = (request.headers().clone(), super::actor::actor(&request));
    let changes = changes(read_json(request).await?)?;
    let profile = app.engine.customer_profile(&id).await?.ok_or_else(unknown)?;
    let (external_id, version) = (profile.external_id.to_string(), profile.kept.version);
    let named: Vec<String> = changes.keys().cloned().collect();
    let wanted = wanted(&headers);
    if wanted.is_some_and(|wanted| *wanted != etag(&app, &CustomerBody::from(profile.clone()))) {
        return Err(meanwhile());
    }
    let seen = wanted.map(|_| version);
    match app.engine.keep_of_customer(&profile, changes, seen).await? {
        Changed::Kept => {}
        Changed::Meanwhile => return Err(meanwhile()),
        Changed::Unknown => return Err(unknown()),
    }
    let details = BTreeMap::from([("names".to_owned(), named.join(", "))]);
    let act = Act { actor, action: "customer.changed", subject: external_id, details };
    app.engine.store.audit(act, app.engine.clock.now()).await?;
    let profile = app.engine.customer_profile(&id).await?.ok_or_else(unknown)?;
    Ok(tagged(&app, &HeaderMap::new(), CustomerBody::from(profile)))
}

/// What is kept of one call alone.
#[utoipa::path(
    get, path = "/api/v1/calls/{callId}/data", tag = "calls",
    params(("callId" = String, Path, description = "The contact center's id of the conversation")),
    responses((status = 200, body = CallDataBody), (status = 404, body = super::error::ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn call_data(
    State(app): State<App>,
    Segment(call): Segment,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let body = call_data_of(&app, &call).await?;
    Ok(tagged(&app, &headers, body))
}

/// Keeps data of one call alone. For what is to outlive it, see PUT of the customer.
#[utoipa::path(
    put, path = "/api/v1/calls/{callId}/data", tag = "calls", request_body = DataBody,
    params(("callId" = String, Path, description = "The contact center's id of the conversation")),
    responses(
        (status = 200, body = CallDataBody), (status = 400, body = super::error::ErrorBody),
        (status = 404, body = super::error::ErrorBody), (status = 412, body = super::error::ErrorBody)
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn keep_call_data(
    State(app): State<App>,
    Segment(call): Segment,
    request: Request,
) -> Result<Response, ApiError> {
    let headers = request.headers().clone();
    let changes = changes(read_json(request).await?)?;
    let id = CallId::new(&call).ok_or_else(ApiError::unknown_call)?;
    let before = app.engine.store.data_of(state::customers::Whose::Call(&id)).await?;
    let wanted = wanted(&headers);
    if let Some(wanted) = wanted
        && *wanted != etag(&app, &call_data_of(&app, &call).await?)
    {
        return Err(meanwhile());
    }
    let seen = wanted.map(|_| before.version);
    match app.engine.keep_of_call(&id, changes, seen).await? {
        Changed::Kept => Ok(tagged(&app, &HeaderMap::new(), call_data_of(&app, &call).await?)),
        Changed::Meanwhile => Err(meanwhile()),
        Changed::Unknown => Err(ApiError::unknown_call()),
    }
}

async fn call_data_of(app: &App, call: &str) -> Result<CallDataBody, ApiError> {
    let id = CallId::new(call).ok_or_else(ApiError::unknown_call)?;
    if !app.engine.store.call_exists(&id).await? {
        return Err(ApiError::unknown_call());
    }
    let kept = app.engine.store.data_of(state::customers::Whose::Call(&id)).await?;
    Ok(CallDataBody {
        call_id: call.to_owned(),
        data: kept.data.into_iter().map(|(name, value)| (name, json(value))).collect(),
        updated_at: kept.updated_at.map(|at| at.to_string()).unwrap_or_default(),
    })
}

impl From<Profile> for CustomerBody {
    fn from(profile: Profile) -> Self {
        let contact = profile.contact;
        let wire = |data: BTreeMap<String, Value>| {
            data.into_iter().map(|(name, value)| (name, json(value))).collect()
        };
        Self {
            external_id: profile.external_id.to_string(),
            name: contact.name,
            email: contact.email.unwrap_or_default(),
            phones: contact.phones.into_iter().map(|phone| phone.e164).collect(),
            data: wire(contact.data),
            persistent: wire(profile.kept.data),
            interaction_count: profile.calls,
            last_call_at: profile.last_call_at.map(|at| at.to_string()).unwrap_or_default(),
            as_of: profile.as_of.to_string(),
            stale: profile.is_stale,
            missing: profile.missing,
        }
    }
}

/// The state that a change is meant for; `*` means whatever there is.
fn wanted(headers: &HeaderMap) -> Option<&HeaderValue> {
    headers.get(header::IF_MATCH).filter(|wanted| *wanted != "*")
}

/// The body with its tag, or 304 where the client has it already.
fn tagged<T: Serialize>(app: &App, headers: &HeaderMap, body: T) -> Response {
    let tag = etag(app, &body);
    if headers.get(header::IF_NONE_MATCH) == Some(&tag) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
    }
    ([(header::ETAG, tag)], Json(body)).into_response()
}

/// Changes with anything in the body; keyed, so that it tells nothing of it.
fn etag<T: Serialize>(app: &App, body: &T) -> HeaderValue {
    let text = serde_json::to_string(body).unwrap_or_default();
    let digest = state::hex(&app.engine.store.digest(&text));
    HeaderValue::try_from(format!("\"{digest}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// What is to change, checked.
fn changes(body: DataBody) -> Result<BTreeMap<String, Option<Value>>, ApiError> {
    let Some(data) = body.data else {
        return Err(ApiError::field("data", "data is required.", "Pass an object of names."));
    };
    if data.len() > NAMES_MAX {
        let message = format!("data has more than {NAMES_MAX} names.");
        return Err(ApiError::field("data", message, "Keep only what calls need."));
    }
    let mut changes = BTreeMap::new();
    for (name, value) in data {
        let is_name = (1..=NAME_MAX).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
        if !is_name {
            let message = "A name in data has other characters than letters, digits, _ - and .";
            return Err(ApiError::field("data", message, "Rename it; at most 64 characters."));
        }
        let value = match value {
            serde_json::Value::Null => None,
            value => Some(kept(value).ok_or_else(|| {
                let message = format!("data.{name} is no text, number, truth or list of them.");
                ApiError::field("data", message, "Flatten it; a text has at most 4,096 characters.")
            })?),
        };
        changes.insert(name, value);
    }
    Ok(changes)
}

fn kept(value: serde_json::Value) -> Option<Value> {
    match value {
        serde_json::Value::String(text) => {
            (text.chars().count() <= TEXT_MAX && !text.contains('\0')).then_some(Value::Text(text))
        }
        serde_json::Value::Bool(flag) => Some(Value::Bool(flag)),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(whole) => Some(Value::Integer(whole)),
            None => number.as_f64().filter(|number| number.is_finite()).map(Value::Number),
        },
        serde_json::Value::Array(items) => {
            let is_short = items.len() <= NAMES_MAX && !items.iter().any(|item| item.is_array());
            let items = is_short.then(|| items.into_iter().map(kept).collect::<Option<Vec<_>>>());
            items.flatten().map(Value::List)
        }
        serde_json::Value::Null | serde_json::Value::Object(_) => None,
    }
}

fn unknown() -> ApiError {
    let message = "No customer has this id.";
    let fix = "Pass an externalId as PREFIX:id, or the contact center's id of a known contact.";
    ApiError::new(StatusCode::NOT_FOUND, "customer.unknown", message, fix).at("id")
}

fn meanwhile() -> ApiError {
    let message = "The data has changed since it was read.";
    let fix = "Read it again, and send the new ETag as If-Match.";
    ApiError::new(StatusCode::PRECONDITION_FAILED, "customer.changed", message, fix).at("If-Match")
}
