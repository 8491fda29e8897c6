//! The API's own description, made from the handlers.

use super::App;
use super::access::{Scope, scopes};
use super::access::{account, agent_tokens, api_keys, oauth, sessions, sign_in};
use super::subjects::{self, tombstones};
use super::{
    access, admin, alerts, connections, connectors, context, customers, desk, enrich, events,
    health, keys, links, lookup, news, overrides, presence, reconcile, reports, retention, routing,
    rules, settings, syncs, tried, users,
};
use axum::Json;
use axum::extract::State;
use axum::http::Method;
use serde_json::json;
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
        lookup::answer, enrich::enrich, enrich::execute, enrich::of_call, enrich::accepted, enrich::ready, context::update, events::receive, customers::customer, customers::keep, customers::call_data,
        customers::keep_call_data, keys::rotate, reports::handle_time, reports::identification::identification, reports::calls::list, overrides::list, overrides::one, overrides::clear,
        overrides::clear_many, overrides::audit, overrides::verify, admin::call, admin::jobs, admin::redrive_all, admin::redrive,
        links::list, links::put, links::remove, reconcile::begin, reconcile::runs, reconcile::one,
        api_keys::list, api_keys::create, api_keys::rotate, api_keys::revoke, agent_tokens::issue, sign_in::issue, sessions::current, sessions::begin, sessions::end,
        account::change_password, account::make_second_factor, account::turn_second_factor_on, account::turn_second_factor_off,
        users::list, users::create, users::change, users::reset_password, users::remove,
        oauth::token, news::of_call, news::of_agent, desk::correct, desk::history,
        subjects::export, subjects::erase, tombstones::list, tombstones::apply, tombstones::take_back,
        settings::list, settings::one, settings::put, settings::remove,
        routing::decide::decide, routing::decide::decide_flat, routing::asterisk::get, routing::asterisk::post, routing::freeswitch::post, rules::list, rules::one, rules::put, rules::remove, rules::export,
        rules::apply, rules::publish, rules::roll_back, rules::history, rules::try_rule, rules::replay, rules::shadow, rules::explain,
        syncs::list, syncs::one, syncs::approve, syncs::pause, syncs::resume, syncs::runs::begin, syncs::runs::nudge, syncs::runs::plan, syncs::runs::list, syncs::runs::one, syncs::runs::writes, syncs::runs::undo,
        syncs::health::plan, syncs::health::health, syncs::health::drifts, syncs::health::measure, syncs::promotion::one, syncs::promotion::rehearse, syncs::promotion::apply, syncs::forget::forget,
        syncs::records::story, syncs::sample::sample, syncs::reviews::list, syncs::reviews::one, syncs::reviews::decide, syncs::reviews::decide_many,
        syncs::failures::list, syncs::failures::redrive,
        presence::list, presence::one, presence::pause, presence::resume, presence::pause_team, presence::resume_team,
        presence::console::order, presence::console::answer, presence::console::leave,
        connections::list, connections::health, connections::history::history, connectors::list, alerts::list, alerts::test, retention::retention,
        customers::search::search, tried::try_one, admin::check_one, admin::check, admin::backup, health::healthz, health::readyz, health::metrics
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
        let cookie = ApiKeyValue::new("tieline_session");
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
        for (path, item) in &mut document.paths.paths {
            if path.starts_with("/api/") {
                for (method, operation) in operations(item) {
                    if access::scopes::is_open(&method, path) {
                        operation.security = Some(Vec::new());
                    } else {
                        guard(operation, path, access::scopes::needed(&method, path));
                    }
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
fn guard(operation: &mut Operation, path: &str, scope: Scope) {
    let extensions = operation.extensions.get_or_insert_with(Default::default);
    // What an agent's token opens for that agent, a key opens for all.
    let scope = if scope == Scope::Agent {
        extensions.insert("x-agent-token".to_owned(), true.into());
        scopes::of_keys(path)
    } else {
        scope
    };
    let ways: &[&str] = if scopes::is_ones_own(path) {
        &["session"]
    } else {
        extensions.insert("x-scope".to_owned(), scope.as_str().into());
        &["key", "bearer", "basic"]
    };
    let ways = ways.iter().map(|way| SecurityRequirement::new(*way, std::iter::empty::<&str>()));
    operation.security = Some(ways.collect());
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
    if operation.parameters.is_some() {
        may_answer("400", "A parameter has a wrong form");
    }
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

/// The description of this server: with the dimensions that its configuration names.
pub async fn serve(State(app): State<App>) -> Json<serde_json::Value> {
    let mut document = document();
    let names = app.engine.options.dimensions.iter().map(|name| format!("data.{name}"));
    with_dimensions(&mut document, &names.collect::<Vec<_>>());
    Json(document)
}

fn with_dimensions(document: &mut serde_json::Value, names: &[String]) {
    let Some(paths) = document["paths"].as_object_mut() else { return };
    for (path, item) in paths {
        let parameters = item.pointer_mut("/get/parameters");
        let Some(parameters) = parameters.and_then(|all| all.as_array_mut()) else { continue };
        for by in parameters.iter_mut().filter(|parameter| parameter["name"] == "group_by") {
            let words = ["queue", "source", "status"].into_iter();
            let none = (by["required"] != true).then_some("");
            let all = words.chain(names.iter().map(String::as_str)).chain(none);
            by["schema"] = json!({ "type": "string", "enum": all.collect::<Vec<_>>() });
        }
        if path == "/api/v1/calls" {
            parameters.extend(names.iter().map(|name| {
                let about = format!("Calls with this value of {name}");
                json!({ "name": name, "in": "query", "required": false, "description": about,
                    "schema": { "type": "string" } })
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{document, with_dimensions};

    #[test]
    fn a_server_describes_the_dimensions_that_it_has() {
        let mut described = document();
        with_dimensions(&mut described, &[]);
        assert_eq!(described["paths"]["/healthz"], document()["paths"]["/healthz"]);
        with_dimensions(&mut described, &["data.tier".to_owned()]);
        let parameter = |path: &str, name: &str| {
            let all = described["paths"][path]["get"]["parameters"].as_array().expect("a list");
            all.iter().find(|one| one["name"] == name).cloned().expect(name)
        };
        for (path, last) in [("handle-time", "data.tier"), ("identification", "")] {
            let by = parameter(&format!("/api/v1/reports/{path}"), "group_by");
            assert_eq!(by["schema"]["enum"].as_array().expect("words").last(), Some(&last.into()));
        }
        assert_eq!(parameter("/api/v1/calls", "data.tier")["in"], "query");
    }

    #[test]
    fn who_takes_parameters_or_a_body_may_refuse_them() {
        let document = document();
        let paths = document["paths"].as_object().expect("paths").iter();
        let paths = paths.filter(|(path, _)| path.starts_with("/api/"));
        let operations = paths.flat_map(|(path, item)| {
            item.as_object().expect("operations").values().map(move |one| (path, one))
        });
        for (path, operation) in operations {
            let takes = |what: &str| !operation[what].is_null();
            let refuses = |status: &str| !operation["responses"][status].is_null();
            assert!(refuses("400") || !(takes("parameters") || takes("requestBody")), "{path}");
            // Where agents and people sign in there is no key that could lack a scope.
            let may_lack = operation["security"].as_array().is_some_and(|ways| !ways.is_empty());
            if !may_lack && !takes("requestBody") {
                continue;
            }
            assert!(refuses("401") && refuses("503") && refuses("403") == may_lack, "{path}");
        }
    }

    #[test]
    fn a_parameter_stands_where_it_is_sent() {
        let document = document();
        for (path, item) in document["paths"].as_object().expect("paths") {
            let operations = item.as_object().expect("operations").values();
            let all = operations.filter_map(|one| one["parameters"].as_array()).flatten();
            for parameter in all {
                let name = parameter["name"].as_str().expect("a name");
                let in_path = path.contains(&format!("{{{name}}}"));
                assert_eq!(parameter["in"] == "path", in_path, "{name} of {path}");
            }
        }
    }
}
