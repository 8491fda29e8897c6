//! Bulk operations on contacts: many in one request, each with its own outcome.
//!
//! Results come in another order than asked (reversed), as the vendor warns:
//! whoever matches them by position is found out here. `id` is the tracker the
//! writer gave to an enrich operation, elsewhere the contact's id.

use axum::http::Method;
use serde_json::{Value, json};

use super::super::model::contacts::enrich as enriching;
use super::super::model::problem::Problem;
use super::super::model::world::{Expand, World};
use super::contacts::{added, replaced};
use super::gate::Operation;
use super::platform::{Answer, Ask, Platform, ok};

/// Most enrich operations in one request. The vendor states no number for the
/// other bulk operations; the size of the request bounds them.
pub(super) const MOST_ENRICH: usize = 10;

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::new(
        Method::POST,
        "/api/v2/externalcontacts/bulk/contacts",
        &["externalContacts:contact:view"],
        fetch,
    ),
    Operation::new(
        Method::POST,
        "/api/v2/externalcontacts/bulk/contacts/unresolved",
        &["externalContacts:contact:view"],
        fetch_unresolved,
    ),
    Operation::new(
        Method::POST,
        "/api/v2/externalcontacts/bulk/contacts/add",
        &["externalContacts:contact:add"],
        add,
    ),
    Operation::new(
        Method::POST,
        "/api/v2/externalcontacts/bulk/contacts/update",
        &["externalContacts:contact:edit"],
        update,
    ),
    Operation::new(
        Method::POST,
        "/api/v2/externalcontacts/bulk/contacts/remove",
        &["externalContacts:contact:delete"],
        remove,
    ),
    Operation::new(
        Method::POST,
        "/api/v2/externalcontacts/bulk/contacts/enrich",
        &["externalContacts:contact:enrich"],
        enrich,
    ),
];

type Outcome = Result<(Option<String>, Value, u16), Problem>;

fn enrich(platform: &Platform, ask: &Ask) -> Answer {
    let dry_run = ask.flag("dryRun")?;
    let many = ask.body.get("entities").and_then(Value::as_array).map_or(0, Vec::len);
    if many > MOST_ENRICH {
        return Err(too_many());
    }
    each(platform, ask, |world, entity| {
        let (contact, status) = enriching::enrich(world, entity, dry_run, ask.now)?;
        Ok((tracker(entity), world.render(&contact, Expand::default()), status))
    })
}

fn add(platform: &Platform, ask: &Ask) -> Answer {
    each(platform, ask, |world, entity| {
        let contact = added(world, entity, ask.now)?;
        Ok((Some(contact.id.clone()), world.render(&contact, Expand::default()), 200))
    })
}

fn update(platform: &Platform, ask: &Ask) -> Answer {
    each(platform, ask, |world, entity| {
        let id = required_id(entity)?;
        let contact = replaced(world, &id, entity, ask.now)?;
        Ok((Some(id), world.render(&contact, Expand::default()), 200))
    })
}

fn fetch(platform: &Platform, ask: &Ask) -> Answer {
    each(platform, ask, |world, entity| {
        let id = required_id(entity)?;
        let found = world.render(world.contacts.resolve(&id)?, Expand::default());
        Ok((Some(id), found, 200))
    })
}

fn fetch_unresolved(platform: &Platform, ask: &Ask) -> Answer {
    each(platform, ask, |world, entity| {
        let id = required_id(entity)?;
        let found = world.render(world.contacts.unresolved(&id)?, Expand::default());
        Ok((Some(id), found, 200))
    })
}

fn remove(platform: &Platform, ask: &Ask) -> Answer {
    each(platform, ask, |world, entity| {
        let id = required_id(entity)?;
        let canonical = world.contacts.resolve(&id)?.id.clone();
        world.contacts.remove(&canonical, ask.now);
        Ok((Some(id), json!({}), 200))
    })
}

pub(super) fn too_many() -> Problem {
    let why = format!("At most {MOST_ENRICH} operations can be sent in one request.");
    Problem::bad_request(why).at("max.size", "entities")
}

pub(super) fn tracker(entity: &Value) -> Option<String> {
    entity.get("id").and_then(Value::as_str).map(str::to_owned)
}

pub(super) fn required_id(entity: &Value) -> Result<String, Problem> {
    let missing = || Problem::bad_request("The field id is required.").at("field.required", "id");
    tracker(entity).ok_or_else(missing)
}

pub(super) fn each(
    platform: &Platform,
    ask: &Ask,
    mut one: impl FnMut(&mut World, &Value) -> Outcome,
) -> Answer {
    let entities = ask.body.get("entities").and_then(Value::as_array).filter(|all| !all.is_empty());
    let entities = entities.ok_or_else(|| {
        Problem::bad_request("The field entities is required.").at("field.required", "entities")
    })?;
    let mut world = platform.world();
    let mut results = Vec::with_capacity(entities.len());
    for entity in entities {
        results.push(match one(&mut world, entity) {
            Ok((id, body, status)) => {
                result(id, json!({ "success": true, "status": status, "entity": body }))
            }
            Err(problem) => result(tracker(entity), failure(&problem, entity)),
        });
    }
    results.reverse();
    let failed = |(at, result): (usize, &Value)| (result["success"] == false).then_some(at);
    let indexes: Vec<usize> = results.iter().enumerate().filter_map(failed).collect();
    ok(json!({ "results": results, "errorCount": indexes.len(), "errorIndexes": indexes }))
}

fn result(id: Option<String>, mut body: Value) -> Value {
    if let Some(id) = id {
        body["id"] = id.into();
    }
    body
}

fn failure(problem: &Problem, entity: &Value) -> Value {
    let detail = |(_, field): &(&'static str, String)| json!({ "fieldName": field, "message": problem.message });
    json!({
        "success": false,
        "status": problem.status,
        "error": {
            "code": problem.code,
            "message": problem.message,
            "status": problem.status,
            "retryable": problem.retryable(),
            "details": problem.details.iter().map(detail).collect::<Vec<_>>(),
            "entity": entity,
        },
    })
}
