//! What connections there can be: each vendor's facts, for a form that makes one.

use super::App;
use axum::Json;
use axum::extract::State;
use kit::Manifest;
use kit::manifest::{Kind, Setting};
use serde::Serialize;
use utoipa::ToSchema;

/// Every connector there is.
#[derive(Serialize, ToSchema)]
pub struct ConnectorsBody {
    connectors: Vec<ConnectorBody>,
}

/// A vendor's facts.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectorBody {
    /// What `type` of a connection says.
    name: String,
    title: String,
    about: String,
    is_contact_center: bool,
    settings: Vec<ConnectorSettingBody>,
    limits: ConnectorLimitsBody,
}

/// A setting that it takes.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectorSettingBody {
    name: String,
    kind: SettingKind,
    required: bool,
    /// Required where the first setting has the second as its value; empty where it never is.
    required_if: Vec<String>,
    /// The values there are; empty where it may be any.
    one_of: Vec<String>,
    /// What holds where it is left out; empty for nothing.
    default: String,
    /// It names something on the server's own machine: only tieline.toml sets it.
    of_the_file_only: bool,
    help: String,
}

/// The form of a setting.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SettingKind {
    Text,
    Secret,
    Url,
    Flag,
    Number,
    List,
    Map,
    Tables,
}

/// The limits of a connection that has none of its own.
#[derive(Serialize, ToSchema)]
pub struct ConnectorLimitsBody {
    requests_per_minute: u32,
    reserved_for_calls: u32,
    concurrent_calls: u32,
    concurrent_background: u32,
    timeout_ms: u64,
}

impl From<Manifest> for ConnectorBody {
    fn from(manifest: Manifest) -> Self {
        let limits = manifest.limits;
        Self {
            name: manifest.name,
            title: manifest.title,
            about: manifest.about,
            is_contact_center: manifest.is_contact_center,
            settings: manifest.settings.into_iter().map(ConnectorSettingBody::from).collect(),
            limits: ConnectorLimitsBody {
                requests_per_minute: limits.requests_per_minute,
                reserved_for_calls: limits.reserved_for_calls,
                concurrent_calls: limits.concurrent_calls,
                concurrent_background: limits.concurrent_background,
                timeout_ms: limits.timeout_ms,
            },
        }
    }
}

impl From<Setting> for ConnectorSettingBody {
    fn from(setting: Setting) -> Self {
        let required_if = setting.required_if.map(|(key, value)| vec![key, value]);
        Self {
            name: setting.name,
            kind: setting.kind.into(),
            required: setting.required,
            required_if: required_if.unwrap_or_default(),
            one_of: setting.one_of,
            default: setting.default.unwrap_or_default(),
            of_the_file_only: setting.on_this_machine,
            help: setting.help,
        }
    }
}

impl From<Kind> for SettingKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text,
            Kind::Secret => Self::Secret,
            Kind::Url => Self::Url,
            Kind::Flag => Self::Flag,
            Kind::Number => Self::Number,
            Kind::List => Self::List,
            Kind::Map => Self::Map,
            Kind::Tables => Self::Tables,
        }
    }
}

/// Every connector, with the settings that a connection of it takes.
#[utoipa::path(
    get, path = "/api/v1/connectors", tag = "connections",
    responses((status = 200, description = "All connectors, by name", body = ConnectorsBody))
)]
pub async fn list(State(_): State<App>) -> Json<ConnectorsBody> {
    let all = connectors::all().into_iter();
    let all = all.map(|vendor| ConnectorBody::from(vendor.connector.manifest));
    Json(ConnectorsBody { connectors: all.collect() })
}
