//! The crosswalk: which record of one connection is which of another.
//!
//! A link is between a customer's externalId and their record in another connection, by
//! that one's own id. Fields that lead beside a CRM are shown with them, and are changed
//! where they are: in the CRM.

use super::input::{Params, Segment, read_json};
use super::{ApiError, App};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use engine::{Leads, Linked};
use serde::{Deserialize, Serialize};
use state::subject::Record;
use utoipa::{IntoParams, ToSchema};

/// What leads from a customer's record to their record elsewhere.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LinkBody {
    /// 0 for a field.
    id: i64,
    /// Whose record was linked; empty where its connection has no prefix any more.
    #[schema(example = "CRM:0035g00000ABCdEAAW")]
    external_id: String,
    /// The connection that it leads to.
    connection: String,
    /// The record there, as that system writes it.
    record: String,
    /// `api`: made by PUT. `field`: a field of the record itself, which its own system keeps.
    source: &'static str,
    /// Empty for a field.
    created_at: String,
}

impl LinkBody {
    fn of(app: &App, external_id: &str, leads: Leads) -> Self {
        let link = match leads {
            Leads::Link(link) => link,
            Leads::Field(other) => {
                return Self {
                    id: 0,
                    external_id: external_id.to_owned(),
                    connection: other.connection,
                    record: other.record,
                    source: "field",
                    created_at: String::new(),
                };
            }
        };
        Self {
            id: link.id,
            external_id: shown(app, &link.record),
            connection: link.other.connection,
            record: link.other.record,
            source: link.source.as_str(),
            created_at: link.created_at.to_string(),
        }
    }
}

fn shown(app: &App, record: &Record) -> String {
    let owner = app.engine.connections.get(&record.connection);
    let prefix = owner.and_then(|owner| owner.prefix.as_ref());
    prefix.map(|prefix| format!("{}:{}", prefix.as_str(), record.record)).unwrap_or_default()
}

/// Which links.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub struct LinksQuery {
    /// Of this customer's record alone, from it and to it; with fields that lead beside it.
    external_id: Option<String>,
    /// Only what is older than this id.
    before: Option<i64>,
    #[serde(default = "super::admin::fifty")]
    #[param(maximum = 4_294_967_295_i64)]
    limit: u32,
}

/// Links, newest first; or all of one customer's record.
#[utoipa::path(
    get, path = "/api/v1/links", tag = "customers", params(LinksQuery),
    responses((status = 200, body = Vec<LinkBody>)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn list(
    State(app): State<App>,
    Params(query): Params<LinksQuery>,
) -> Result<Json<Vec<LinkBody>>, ApiError> {
    let leads = match &query.external_id {
        Some(id) => app.engine.links_of(id).await?.ok_or_else(|| {
            let message = "externalId names no record of a connection.";
            ApiError::field(
                "externalId",
                message,
                "Pass PREFIX:id, such as CRM:0035g00000ABCdEAAW.",
            )
        })?,
        None => {
            let limit = query.limit.clamp(1, 1_000) as usize;
            let links = app.engine.store.links(query.before, limit).await?;
            links.into_iter().map(Leads::Link).collect()
        }
    };
    let id = query.external_id.as_deref().unwrap_or_default().trim();
    Ok(Json(leads.into_iter().map(|leads| LinkBody::of(&app, id, leads)).collect()))
}

/// Two records of one customer.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewLinkBody {
    #[schema(example = "CRM:0035g00000ABCdEAAW")]
    external_id: String,
    /// Another connection, by its name.
    #[schema(example = "sap")]
    connection: String,
    /// The customer's record there: its own id, with or without the connection's prefix.
    #[schema(example = "2000001")]
    record: String,
}

/// Links a customer's record to their record in another connection, in the place of what it
/// was linked to there. Requests for queues of that connection then ask by its own id.
#[utoipa::path(
    put, path = "/api/v1/links", tag = "customers", request_body = NewLinkBody,
    responses(
        (status = 200, body = LinkBody), (status = 400, body = super::error::ErrorBody),
        (status = 409, body = super::error::ErrorBody, description = "One of the two was erased")
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn put(State(app): State<App>, request: Request) -> Result<Json<LinkBody>, ApiError> {
    let actor = super::actor::actor(&request);
    let body: NewLinkBody = read_json(request).await?;
    let NewLinkBody { external_id, connection, record } = &body;
    let linked = app.engine.link(external_id, connection, record, actor).await?;
    let id = match linked {
        Linked::Linked { id } => id,
        Linked::Erased => {
            let message = "One of the two was erased here.";
            let fix = "See GET /api/v1/subjects/tombstones.";
            return Err(ApiError::new(StatusCode::CONFLICT, "link.erased", message, fix));
        }
        Linked::Refused { field, reason } => {
            let message = format!("{field} {reason}.");
            let fix = "Pass an externalId, the name of another connection, and the id of the \
                       record there.";
            return Err(ApiError::field(field, message, fix));
        }
    };
    let leads = app.engine.links_of(external_id).await?.unwrap_or_default();
    let mut links = leads.into_iter();
    let link = links.find(|leads| matches!(leads, Leads::Link(link) if link.id == id));
    // Whoever was erased in between has none any more.
    let link = link.ok_or_else(unknown)?;
    Ok(Json(LinkBody::of(&app, external_id, link)))
}

/// How many were taken away.
#[derive(Serialize, ToSchema)]
pub struct Removed {
    removed: u64,
}

/// Takes a link away.
#[utoipa::path(
    delete, path = "/api/v1/links/{id}", tag = "customers",
    params(("id" = i64, Path, description = "The link's id")),
    responses((status = 200, body = Removed), (status = 404, body = super::error::ErrorBody)),
    security(("key" = []), ("bearer" = []))
)]
pub async fn remove(
    State(app): State<App>,
    Segment(id): Segment,
    request: Request,
) -> Result<Json<Removed>, ApiError> {
    let actor = super::actor::actor(&request);
    let id: i64 = id.parse().map_err(|_| unknown())?;
    match app.engine.unlink(id, actor).await? {
        true => Ok(Json(Removed { removed: 1 })),
        false => Err(unknown()),
    }
}

fn unknown() -> ApiError {
    let message = "No link has this id.";
    let fix = "See GET /api/v1/links; a field of a record is changed in its own system.";
    ApiError::new(StatusCode::NOT_FOUND, "link.unknown", message, fix).at("id")
}
