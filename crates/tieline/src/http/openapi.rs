//! The API's own description, made from the handlers.

use super::{admin, health, lookup};
use axum::Json;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tieline",
        description = "The line between the contact center and every CRM and ERP behind it.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        lookup::answer, admin::calls, admin::call, admin::jobs, admin::redrive_all, admin::redrive,
        admin::check, admin::backup, health::healthz, health::readyz, health::metrics
    ),
    modifiers(&Keys)
)]
struct Document;

struct Keys;

impl Modify for Keys {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_with(Default::default);
        let key = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-API-Key")));
        components.add_security_scheme("key", key);
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    }
}

/// The description as JSON.
pub fn document() -> serde_json::Value {
    // The document is texts, lists and maps: there is nothing JSON cannot hold.
    serde_json::to_value(Document::openapi()).unwrap_or_default()
}

pub async fn serve() -> Json<serde_json::Value> {
    Json(document())
}
