//! Integrations, their data actions, and triggers, as far as setting up needs them.

use axum::http::Method;
use serde_json::{Value, json};

use super::super::model::problem::Problem;
use super::gate::Operation;
use super::paging;
use super::platform::{Answer, Ask, Platform, ok};

const INTEGRATIONS: &str = "/api/v2/integrations";
const ACTIONS: &str = "/api/v2/integrations/actions";
const TRIGGERS: &str = "/api/v2/processautomation/triggers";

const VIEW_ACTIONS: &[&str] = &["integrations:action:view", "bridge:actions:view"];
const VIEW_TRIGGERS: &[&str] =
    &["processautomation:trigger:edit", "processautomation:trigger:view"];

/// Reserved by the platform among a contract's inputs.
const RESERVED: [&str; 3] = ["orgId", "integrationId", "rawRequest"];

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::new(
        Method::GET,
        INTEGRATIONS,
        &["integrations:integration:view"],
        list_integrations,
    ),
    Operation::new(Method::POST, INTEGRATIONS, &["integrations:integration:add"], add_integration),
    Operation::new(Method::GET, ACTIONS, VIEW_ACTIONS, list_actions),
    Operation::new(Method::POST, ACTIONS, &["integrations:action:add"], add_action),
    Operation::new(Method::GET, TRIGGERS, VIEW_TRIGGERS, list_triggers),
    Operation::new(Method::POST, TRIGGERS, &["processautomation:trigger:add"], add_trigger),
];

fn required<'a>(body: &'a Value, field: &str) -> Result<&'a str, Problem> {
    let text = body.pointer(&format!("/{}", field.replace('.', "/"))).and_then(Value::as_str);
    text.map(str::trim).filter(|text| !text.is_empty()).ok_or_else(|| {
        Problem::bad_request(format!("The field {field} is required.")).at("field.required", field)
    })
}

fn page(ask: &Ask, path: &str, found: Vec<Value>) -> Answer {
    let (size, number) =
        (ask.number("pageSize", 25, 1..=100)?, ask.number("pageNumber", 1, 1..=10_000)?);
    let range = sim::paging::page(found.len(), number, size);
    ok(paging::numbered(path, found.len(), size, number, found[range].to_vec()))
}

fn list_integrations(platform: &Platform, ask: &Ask) -> Answer {
    let kind = ask.text("integrationType");
    let world = platform.world();
    let fits = |one: &&Value| kind.is_none_or(|kind| one["integrationType"]["id"] == kind);
    let found = world.integrations.iter().filter(fits).cloned().collect();
    page(ask, INTEGRATIONS, found)
}

fn add_integration(platform: &Platform, ask: &Ask) -> Answer {
    let (name, kind) = (required(&ask.body, "name")?, required(&ask.body, "integrationType.id")?);
    let mut world = platform.world();
    let id = world.ids.next();
    let made = json!({
        "id": id, "name": name, "integrationType": { "id": kind }, "intendedState": "DISABLED",
        "selfUri": format!("{INTEGRATIONS}/{id}"),
    });
    world.integrations.push(made.clone());
    ok(made)
}

fn list_actions(platform: &Platform, ask: &Ask) -> Answer {
    let (name, category) = (ask.text("name"), ask.text("category"));
    let world = platform.world();
    // A name finds those that have it in them.
    let has = |one: &Value, key: &str, part: Option<&str>| {
        let text = one[key].as_str().unwrap_or_default().to_lowercase();
        part.is_none_or(|part| text.contains(&part.to_lowercase()))
    };
    let fits = |one: &&Value| has(one, "name", name) && has(one, "category", category);
    let found = world.actions.iter().filter(fits).cloned().collect();
    page(ask, ACTIONS, found)
}

fn add_action(platform: &Platform, ask: &Ask) -> Answer {
    let body = &ask.body;
    let name = required(body, "name")?;
    let (category, integration) = (required(body, "category")?, required(body, "integrationId")?);
    if name.chars().count() > 256 {
        return Err(
            Problem::bad_request("A name has at most 256 characters.").at("max.length", "name")
        );
    }
    let url = required(body, "config.request.requestUrlTemplate")?;
    if !url.starts_with("https://") {
        let field = "config.request.requestUrlTemplate";
        return Err(Problem::bad_request("The address is not https.").at("invalid.value", field));
    }
    let seconds = &body["config"]["timeoutSeconds"];
    if !seconds.is_null() && !seconds.as_u64().is_some_and(|s| (1..=60).contains(&s)) {
        let field = "config.timeoutSeconds";
        return Err(Problem::bad_request("The timeout is 1 to 60.").at("invalid.value", field));
    }
    contract(body)?;
    let mut world = platform.world();
    if !world.integrations.iter().any(|one| one["id"] == integration) {
        return Err(Problem::not_found());
    }
    let id = format!("custom_-_{}", world.ids.next());
    let made = json!({
        "id": id, "name": name, "category": category, "integrationId": integration,
        "config": body["config"], "contract": body["contract"], "version": 1,
        "secure": body["secure"].as_bool().unwrap_or(false), "selfUri": format!("{ACTIONS}/{id}"),
    });
    world.actions.push(made.clone());
    ok(made)
}

/// Inputs are flat, and some names are the platform's own.
fn contract(body: &Value) -> Result<(), Problem> {
    let wrong = |field: &str| {
        Err(Problem::bad_request("The contract is not valid.").at("invalid.schema", field))
    };
    let Some(inputs) = body.pointer("/contract/input/inputSchema/properties") else {
        return wrong("contract.input.inputSchema");
    };
    for (name, schema) in inputs.as_object().into_iter().flatten() {
        let is_plain = ["string", "integer", "number", "boolean", "null"]
            .iter()
            .any(|kind| schema["type"] == *kind);
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if !is_plain || !is_name || RESERVED.contains(&name.as_str()) {
            return wrong(name);
        }
    }
    match body.pointer("/contract/output/successSchema/type") {
        Some(kind) if kind == "object" => Ok(()),
        _ => wrong("contract.output.successSchema"),
    }
}

fn list_triggers(platform: &Platform, ask: &Ask) -> Answer {
    let topic = ask.text("topicName");
    let world = platform.world();
    let fits = |one: &&Value| topic.is_none_or(|topic| one["topicName"] == topic);
    let found: Vec<Value> = world.triggers.iter().filter(fits).cloned().collect();
    ok(json!({ "entities": found, "selfUri": TRIGGERS }))
}

fn add_trigger(platform: &Platform, ask: &Ask) -> Answer {
    let body = &ask.body;
    let (name, topic) = (required(body, "name")?, required(body, "topicName")?);
    if required(body, "target.type")? != "Workflow" {
        return Err(Problem::bad_request("The target is a Workflow.").at("invalid.value", "target"));
    }
    required(body, "target.id")?;
    if !body["enabled"].is_boolean() {
        return Err(
            Problem::bad_request("The field enabled is required.").at("field.required", "enabled")
        );
    }
    let mut world = platform.world();
    let id = world.ids.next();
    let made = json!({
        "id": id, "name": name, "topicName": topic, "target": body["target"], "version": 1,
        "enabled": body["enabled"], "matchCriteria": body["matchCriteria"],
        "selfUri": format!("{TRIGGERS}/{id}"),
    });
    world.triggers.push(made.clone());
    ok(made)
}
