//! The organization itself: queues, IVRs, user prompts and limits.
//!
//! How the filters by name of IVRs and prompts treat case and asterisks is not described:
//! an IVR's does here what a queue's is described to do, a prompt's takes whole names. Of
//! the largest page nothing is said but that the vendor's own provider asks for 100.

use axum::http::Method;
use serde_json::{Value, json};

use super::super::model::problem::Problem;
use super::gate::{MOST_BYTES, Operation};
use super::paging;
use super::platform::{Answer, Ask, Platform, ok};

const QUEUES: &str = "/api/v2/routing/queues";
const IVRS: &str = "/api/v2/architect/ivrs";
const PROMPTS: &str = "/api/v2/architect/prompts";

const VIEW_IVRS: &[&str] = &["routing:callRoute:view"];
const VIEW_PROMPTS: &[&str] = &["architect:userPrompt:view"];

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::new(Method::GET, QUEUES, &["routing:queue:view"], list_queues),
    Operation::new(
        Method::GET,
        "/api/v2/routing/queues/{queueId}",
        &["routing:queue:view"],
        get_queue,
    ),
    Operation::new(Method::GET, IVRS, VIEW_IVRS, list_ivrs),
    Operation::new(Method::GET, "/api/v2/architect/ivrs/{ivrId}", VIEW_IVRS, get_ivr),
    Operation::new(Method::GET, PROMPTS, VIEW_PROMPTS, list_prompts),
    Operation::new(Method::GET, "/api/v2/architect/prompts/{promptId}", VIEW_PROMPTS, get_prompt),
    Operation::new(Method::GET, "/api/v2/organizations/me", &[], organization),
    Operation::new(
        Method::GET,
        "/api/v2/organizations/limits/namespaces/{namespaceName}",
        &[],
        limits,
    ),
];

fn list_queues(platform: &Platform, ask: &Ask) -> Answer {
    let (size, number) =
        (ask.number("pageSize", 25, 1..=500)?, ask.number("pageNumber", 1, 1..=10_000)?);
    let (name, ids) = (ask.text("name").unwrap_or("*").to_lowercase(), ask.list("id"));
    let world = platform.world();
    let mut found: Vec<&(String, String)> = world
        .queues
        .iter()
        .filter(|(id, title)| {
            named(&name, &title.to_lowercase()) && (ids.is_empty() || ids.contains(&id.as_str()))
        })
        .collect();
    if ask.text("sortOrder") == Some("desc") {
        found.reverse();
    }
    let page = sim::paging::page(found.len(), number, size);
    let entities = found[page].iter().map(|(id, name)| render_queue(id, name)).collect();
    ok(paging::numbered(QUEUES, found.len(), size, number, entities))
}

/// Leading and trailing asterisks stand for anything.
fn named(pattern: &str, name: &str) -> bool {
    let middle = pattern.trim_matches('*');
    match (pattern.starts_with('*'), pattern.ends_with('*')) {
        (true, true) => name.contains(middle),
        (true, false) => name.ends_with(middle),
        (false, true) => name.starts_with(middle),
        (false, false) => name == middle,
    }
}

fn get_queue(platform: &Platform, ask: &Ask) -> Answer {
    let world = platform.world();
    let found = world.queues.iter().find(|(id, _)| id == ask.param("queueId"));
    let (id, name) = found.ok_or_else(Problem::not_found)?;
    ok(render_queue(id, name))
}

fn render_queue(id: &str, name: &str) -> Value {
    json!({
        "id": id,
        "name": name,
        "division": { "id": "*" },
        "memberCount": 0,
        "selfUri": format!("{QUEUES}/{id}"),
    })
}

/// An `IVR` as the vendor's models have it.
pub(crate) fn ivr((id, name, dnis): &(String, String, Vec<String>)) -> Value {
    json!({
        "id": id,
        "name": name,
        "division": { "id": "*" },
        "version": 1,
        "state": "active",
        "dnis": dnis,
        "selfUri": format!("{IVRS}/{id}"),
    })
}

/// A `Prompt` with one spoken text.
pub(crate) fn prompt((id, name): &(String, String)) -> Value {
    let spoken = json!({
        "id": "en-us",
        "promptId": id,
        "language": "en-us",
        "ttsString": name,
        "languageDefault": true,
        "selfUri": format!("{PROMPTS}/{id}/resources/en-us"),
    });
    json!({
        "id": id,
        "name": name,
        "resources": [spoken],
        "selfUri": format!("{PROMPTS}/{id}"),
    })
}

fn text<'a>(one: &'a Value, key: &str) -> &'a str {
    one[key].as_str().unwrap_or_default()
}

fn list_ivrs(platform: &Platform, ask: &Ask) -> Answer {
    let (name, dnis) = (ask.text("name").unwrap_or("*").to_lowercase(), ask.text("dnis"));
    let world = platform.world();
    let fits = |one: &&Value| {
        let numbers = one["dnis"].as_array().map(Vec::as_slice).unwrap_or_default();
        named(&name, &text(one, "name").to_lowercase())
            && dnis.is_none_or(|dnis| numbers.iter().any(|own| own == dnis))
    };
    let mut found: Vec<Value> = world.ivrs.iter().filter(fits).cloned().collect();
    found.sort_by_key(|one| text(one, "name").to_lowercase());
    in_pages(ask, IVRS, found)
}

fn list_prompts(platform: &Platform, ask: &Ask) -> Answer {
    let names: Vec<&str> = ask.list("name");
    let world = platform.world();
    let fits = |one: &&Value| names.is_empty() || names.contains(&text(one, "name"));
    let mut found: Vec<Value> = world.prompts.iter().filter(fits).cloned().collect();
    found.sort_by_key(|one| text(one, "id").to_owned());
    if ask.text("includeResources") == Some("false") {
        for one in found.iter_mut().filter_map(Value::as_object_mut) {
            one.remove("resources");
        }
    }
    in_pages(ask, PROMPTS, found)
}

fn in_pages(ask: &Ask, path: &str, mut found: Vec<Value>) -> Answer {
    if ask.text("sortOrder").is_some_and(|order| order.eq_ignore_ascii_case("desc")) {
        found.reverse();
    }
    let (size, number) =
        (ask.number("pageSize", 25, 1..=100)?, ask.number("pageNumber", 1, 1..=10_000)?);
    let range = sim::paging::page(found.len(), number, size);
    ok(paging::numbered(path, found.len(), size, number, found[range].to_vec()))
}

fn get_ivr(platform: &Platform, ask: &Ask) -> Answer {
    one(&platform.world().ivrs, ask.param("ivrId"))
}

fn get_prompt(platform: &Platform, ask: &Ask) -> Answer {
    one(&platform.world().prompts, ask.param("promptId"))
}

fn one(all: &[Value], id: &str) -> Answer {
    let found = all.iter().find(|one| one["id"] == id);
    ok(found.ok_or_else(Problem::not_found)?.clone())
}

fn organization(platform: &Platform, _: &Ask) -> Answer {
    let config = &platform.config;
    ok(json!({
        "id": config.organization_id,
        "name": config.organization_name,
        "defaultLanguage": "en-US",
        "defaultCountryCode": "US",
        "domain": "simulated",
        "version": 1,
        "state": "active",
        "features": {},
        "productPlatform": "GenesysCloud",
        "selfUri": "/api/v2/organizations/me",
    }))
}

fn limits(platform: &Platform, ask: &Ask) -> Answer {
    let rate = platform.config.rate_per_minute;
    let limits: &[(&str, u64)] = match ask.param("namespaceName") {
        "platform.api" => &[
            ("client.credentials.token.rate.per.minute", u64::from(rate)),
            ("token.rate.per.minute", u64::from(rate)),
            ("org.app.user.rate.per.minute", 3000),
            ("request.bytes.max", MOST_BYTES as u64),
        ],
        "external.contacts" => &[],
        _ => return Err(Problem::not_found()),
    };
    let entity = |(key, value): &(&str, u64)| json!({ "key": key, "namespace": ask.param("namespaceName"), "value": value });
    ok(json!({ "entities": limits.iter().map(entity).collect::<Vec<_>>() }))
}
