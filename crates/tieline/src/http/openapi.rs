//! The API's own description, made from the handlers.

use super::access::Scope;
use super::access::{agent_tokens, api_keys, oauth};
use super::{
    access, admin, context, customers, events, health, keys, lookup, news, overrides, reports,
};
use axum::Json;
use axum::http::Method;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ContentBuilder, Ref, ResponseBuilder};
use utoipa::{Modify, OpenApi};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tieline",
        description = "The line between the contact center and every CRM and ERP behind it.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        lookup::answer, context::update, events::receive, customers::customer, customers::keep, customers::call_data,
        customers::keep_call_data, keys::rotate, reports::handle_time, overrides::list, overrides::one, overrides::clear,
        overrides::clear_many, overrides::audit, overrides::verify, admin::calls, admin::call, admin::jobs, admin::redrive_all, admin::redrive,
        api_keys::list, api_keys::create, api_keys::rotate, api_keys::revoke, agent_tokens::issue,
        oauth::token, news::of_call, news::of_agent,
        admin::check, admin::backup, health::healthz, health::readyz, health::metrics
    ),
    modifiers(&Keys)
)]
struct Document;

/// The ways to say who asks, and on every address what it needs and how it refuses.
struct Keys;

impl Modify for Keys {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_with(Default::default);
        let key = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-API-Key")));
        components.add_security_scheme("key", key);
        for (name, scheme) in [("bearer", HttpAuthScheme::Bearer), ("basic", HttpAuthScheme::Basic)]
        {
            let scheme = HttpBuilder::new().scheme(scheme).build();
            components.add_security_scheme(name, SecurityScheme::Http(scheme));
        }
        for (path, item) in &mut document.paths.paths {
            if path.starts_with("/api/") {
                for (method, operation) in operations(item) {
                    guard(operation, access::scopes::needed(&method, path));
                }
            }
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let all = [
        (Method::GET, &mut item.get),
        (Method::PUT, &mut item.put),
        (Method::POST, &mut item.post),
        (Method::PATCH, &mut item.patch),
        (Method::DELETE, &mut item.delete),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// What holds for every address behind the keys, so that no handler repeats it.
fn guard(operation: &mut Operation, scope: Scope) {
    let extensions = operation.extensions.get_or_insert_with(Default::default);
    // What an agent's token opens for that agent, a key that may read opens for all.
    let scope = if scope == Scope::Agent {
        extensions.insert("x-agent-token".to_owned(), true.into());
        Scope::Read
    } else {
        scope
    };
    extensions.insert("x-scope".to_owned(), scope.as_str().into());
    let ways = ["key", "bearer", "basic"];
    let ways = ways.map(|way| SecurityRequirement::new(way, std::iter::empty::<&str>()));
    operation.security = Some(ways.to_vec());
    let mut may_answer = |status: &str, description: &str| {
        let schema = Ref::from_schema_name("ErrorBody");
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let response = ResponseBuilder::new().description(description);
        let response = response.content("application/json", content).build();
        operation.responses.responses.entry(status.to_owned()).or_insert_with(|| response.into());
    };
    may_answer("401", "No key or token, or one that opens nothing");
    may_answer("403", &format!("The key lacks the scope `{scope}`"));
    may_answer("429", "The key has used up its requests: wait for Retry-After seconds");
    may_answer("503", "The store could not be read or written");
    if operation.request_body.is_some() {
        may_answer("400", "The body is no JSON or a field is wrong");
        may_answer("413", "The body is too large");
        may_answer("415", "The body is not declared as JSON");
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
