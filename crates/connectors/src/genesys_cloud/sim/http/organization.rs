//! The organization itself: queues and limits.

use axum::http::Method;
use serde_json::{Value, json};

use super::super::model::problem::Problem;
use super::gate::{MOST_BYTES, Operation};
use super::paging;
use super::platform::{Answer, Ask, Platform, ok};

const QUEUES: &str = "/api/v2/routing/queues";

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::new(Method::GET, QUEUES, &["routing:queue:view"], list_queues),
    Operation::new(
        Method::GET,
        "/api/v2/routing/queues/{queueId}",
        &["routing:queue:view"],
        get_queue,
    ),
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
