//! Keys by API: listed, made, replaced, withdrawn.
//!
//! Keys of the configuration are shown beside the stored ones and changed only
//! in their file. A secret is told once, in the answer that made it.

use super::Caller;
use super::keys::Principal;
use super::scopes::{Scope, Scopes};
use crate::http::error::ErrorBody;
use crate::http::input::{Segment, read_json, some_whole};
use crate::http::{ApiError, App, schemas};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::Timestamp;
use serde::{Deserialize, Serialize};
use state::access::By;
use state::{ApiKey, IssuedKey, NewApiKey, Rotation};
use std::time::Duration;
use utoipa::ToSchema;

/// Seconds that a replaced key goes on when nobody says otherwise: a day.
const OVERLAP_S: u64 = 86_400;
/// And at most: 30 days.
const OVERLAP_MAX_S: u64 = 30 * 86_400;

/// A key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyBody {
    /// Public; the user name of Basic and the `client_id` of OAuth.
    id: String,
    name: String,
    /// `store`, or `file` for those of the configuration, which only it can change.
    source: &'static str,
    scopes: Vec<String>,
    /// 0: as `server.requests_per_minute` says.
    requests_per_minute: u32,
    /// `active`, `expired` or `revoked`.
    state: &'static str,
    /// Empty for those of the configuration.
    created_at: String,
    /// Empty: never.
    expires_at: String,
    /// Empty: it is not.
    revoked_at: String,
    /// Id of the key it came to replace.
    rotated_from: String,
}

impl ApiKeyBody {
    fn of(key: ApiKey, now: Timestamp) -> Self {
        let text = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
        let state = match key.revoked_at {
            Some(_) => "revoked",
            None if key.is_alive(now) => "active",
            None => "expired",
        };
        Self {
            id: key.id,
            name: key.name,
            source: "store",
            scopes: key.scopes,
            requests_per_minute: key.requests_per_minute.unwrap_or(0),
            state,
            created_at: key.created_at.to_string(),
            expires_at: text(key.expires_at),
            revoked_at: text(key.revoked_at),
            rotated_from: key.rotated_from.unwrap_or_default(),
        }
    }

    fn of_the_file(key: &Principal) -> Self {
        Self {
            id: key.id.to_string(),
            name: key.name.to_string(),
            source: "file",
            scopes: key.scopes.words(),
            requests_per_minute: 0,
            state: "active",
            created_at: String::new(),
            expires_at: String::new(),
            revoked_at: String::new(),
            rotated_from: String::new(),
        }
    }
}

/// A key just made.
#[derive(Serialize, ToSchema)]
pub struct IssuedBody {
    #[serde(flatten)]
    about: ApiKeyBody,
    /// The key itself, `tl_<id>_<secret>`. It is never shown again.
    key: String,
}

fn issued(issued: &IssuedKey, now: Timestamp) -> Response {
    let about = ApiKeyBody::of(issued.key.clone(), now);
    let body = IssuedBody { about, key: issued.text.to_string() };
    (StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

/// Every key: those of the configuration, then the stored ones, newest first.
#[utoipa::path(
    get, path = "/api/v1/api-keys", tag = "access",
    responses((status = 200, body = Vec<ApiKeyBody>)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn list(State(app): State<App>) -> Result<Json<Vec<ApiKeyBody>>, ApiError> {
    let now = app.engine.clock.now();
    let stored = app.engine.store.api_keys().await?;
    let file = app.access.keys.of_the_file().map(ApiKeyBody::of_the_file);
    Ok(Json(file.chain(stored.into_iter().map(|key| ApiKeyBody::of(key, now))).collect()))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewApiKeyBody {
    /// What it is for, at most 100 characters.
    #[schema(required = true, schema_with = schemas::key_name)]
    name: Option<String>,
    /// `lookup`, `events`, `context`, `routing`, `rules`, `read`, `supervise`, `agents`, `admin`.
    #[schema(required = true, schema_with = schemas::scopes)]
    scopes: Option<Vec<String>>,
    /// 0 or absent: as `server.requests_per_minute` says.
    #[serde(default, deserialize_with = "some_whole")]
    #[schema(maximum = 4_294_967_295_i64)]
    requests_per_minute: Option<u32>,
    /// RFC 3339, in the future; absent: never.
    #[schema(schema_with = schemas::body_time)]
    expires_at: Option<String>,
}

/// Makes a key and tells it, once.
#[utoipa::path(
    post, path = "/api/v1/api-keys", tag = "access", request_body = NewApiKeyBody,
    responses((status = 201, body = IssuedBody), (status = 400, body = ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let body: NewApiKeyBody = read_json(request).await?;
    let now = app.engine.clock.now();
    let name = body.name.unwrap_or_default();
    let is_visible = !name.trim().is_empty() && !name.chars().any(char::is_control);
    if !is_visible || name.chars().count() > 100 {
        let message = "name is 1 to 100 characters, without control characters.";
        return Err(ApiError::field("name", message, "Say what the key is for."));
    }
    let scopes = body.scopes.unwrap_or_default();
    let known: Option<Scopes> = scopes.iter().map(|word| Scope::parse(word)).collect();
    let Some(scopes) = known.filter(|held| !held.is_empty() && held.is_grantable()) else {
        let message = "scopes is a list of lookup, events, context, routing, rules, read, supervise, agents and admin.";
        return Err(ApiError::field("scopes", message, "Name at least one, and only these."));
    };
    let expires_at = match body.expires_at.as_deref().map(str::trim).filter(|at| !at.is_empty()) {
        None => None,
        Some(text) => Some(Timestamp::parse(text).filter(|at| *at > now).ok_or_else(|| {
            let fix = "Write it as 2027-01-31T00:00:00Z, or leave it out.";
            ApiError::field("expiresAt", "expiresAt is no time in the future.", fix)
        })?),
    };
    let requests_per_minute = body.requests_per_minute.filter(|limit| *limit > 0);
    let new = NewApiKey {
        name: name.trim().to_owned(),
        scopes: scopes.words(),
        requests_per_minute,
        expires_at,
    };
    let made = app.engine.store.create_api_key(new, by(&caller), now).await?;
    tell(&caller, &made.key.id, "an API key was created");
    Ok(issued(&made, now))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RotateBody {
    /// How long the old key goes on; at most 2,592,000 (30 days), 86,400 (a day)
    /// when absent, 0 to end it at once.
    #[serde(default, deserialize_with = "some_whole")]
    #[schema(maximum = 2_592_000)]
    overlap_seconds: Option<u64>,
}

/// Makes a key that replaces this one, which goes on for the overlap.
#[utoipa::path(
    post, path = "/api/v1/api-keys/{id}/rotate", tag = "access", request_body = RotateBody,
    params(("id" = String, Path, description = "The key's public id")),
    responses(
        (status = 201, body = IssuedBody), (status = 400, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn rotate(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
    request: Request,
) -> Result<Response, ApiError> {
    refuse_those_of_the_file(&app, &id)?;
    let body: RotateBody = read_json(request).await?;
    let overlap = body.overlap_seconds.unwrap_or(OVERLAP_S);
    if overlap > OVERLAP_MAX_S {
        let message = "overlapSeconds is at most 2,592,000: 30 days.";
        return Err(ApiError::field("overlapSeconds", message, "Shorten it."));
    }
    let now = app.engine.clock.now();
    let overlap = Duration::from_secs(overlap);
    let rotation = app.engine.store.rotate_api_key(&id, overlap, by(&caller), now).await;
    app.access.keys.forget(&id);
    match rotation? {
        Rotation::Done(made) => {
            tell(&caller, &id, "an API key was replaced");
            tell(&caller, &made.key.id, "an API key was created");
            Ok(issued(&made, now))
        }
        Rotation::Unknown => Err(unknown()),
        Rotation::Ended => {
            let message = "The key is revoked or has expired: there is nothing to replace.";
            let fix = "Create a new key.";
            Err(ApiError::new(StatusCode::CONFLICT, "api_key.ended", message, fix).at("id"))
        }
    }
}

/// Withdraws a key for good: it and its tokens open nothing any more.
#[utoipa::path(
    delete, path = "/api/v1/api-keys/{id}", tag = "access",
    params(("id" = String, Path, description = "The key's public id")),
    responses(
        (status = 200, body = ApiKeyBody), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody)
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
) -> Result<Json<ApiKeyBody>, ApiError> {
    refuse_those_of_the_file(&app, &id)?;
    let now = app.engine.clock.now();
    let revoked = app.engine.store.revoke_api_key(&id, by(&caller), now).await;
    app.access.keys.forget(&id);
    let key = revoked?.ok_or_else(unknown)?;
    tell(&caller, &key.id, "an API key was revoked");
    Ok(Json(ApiKeyBody::of(key, now)))
}

/// Who changes a key, for the audit log.
fn by(caller: &Caller) -> By {
    By { actor: caller.actor(), address: caller.address.to_string() }
}

/// Who changed which key, by their public ids.
fn tell(caller: &Caller, id: &str, what: &str) {
    let Caller { key, name, address, .. } = caller;
    tracing::info!(api_key.id = id, caller.key = %key, caller.name = %name, caller.address = %address, "{what}");
}

fn unknown() -> ApiError {
    let message = "No key has this id.";
    let fix = "List the keys: GET /api/v1/api-keys.";
    ApiError::new(StatusCode::NOT_FOUND, "api_key.unknown", message, fix).at("id")
}

fn refuse_those_of_the_file(app: &App, id: &str) -> Result<(), ApiError> {
    if app.access.keys.of_the_file().all(|key| &*key.id != id) {
        return Ok(());
    }
    let message = "The key stands in the configuration.";
    let fix = "Change server.api_keys there, and restart.";
    Err(ApiError::new(StatusCode::CONFLICT, "api_key.from_file", message, fix).at("id"))
}
