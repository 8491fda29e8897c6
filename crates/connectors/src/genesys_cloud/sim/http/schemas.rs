//! Schemas of custom fields, of contacts and of organizations alike.

use axum::http::Method;
use serde_json::{Value, json};

use super::super::model::dates;
use super::super::model::problem::Problem;
use super::super::model::schemas::{Schemas, check_document, core_types};
use super::super::model::world::World;
use super::gate::Operation;
use super::platform::{Answer, Ask, Platform, ok};

const CONTACTS: &str = "/api/v2/externalcontacts/contacts/schemas";
const ORGANIZATIONS: &str = "/api/v2/externalcontacts/organizations/schemas";

const VIEW: &[&str] = &["externalContacts:customFields:view"];
const ADD: &[&str] = &["externalContacts:customFields:add"];
const EDIT: &[&str] = &["externalContacts:customFields:edit"];

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::new(Method::GET, CONTACTS, VIEW, |platform, _| {
        ok(listed(&platform.world().schemas, CONTACTS))
    }),
    Operation::new(Method::GET, ORGANIZATIONS, VIEW, |platform, _| {
        ok(listed(&platform.world().organization_schemas, ORGANIZATIONS))
    }),
    Operation::new(Method::POST, CONTACTS, ADD, |platform, ask| add(platform, ask, &OF_CONTACTS)),
    Operation::new(Method::POST, ORGANIZATIONS, ADD, |platform, ask| {
        add(platform, ask, &OF_ORGANIZATIONS)
    }),
    Operation::new(
        Method::GET,
        "/api/v2/externalcontacts/contacts/schemas/{schemaId}",
        VIEW,
        |platform, ask| ok(platform.world().schemas.latest(ask.param("schemaId"))?.clone()),
    ),
    Operation::new(
        Method::GET,
        "/api/v2/externalcontacts/organizations/schemas/{schemaId}",
        VIEW,
        |platform, ask| {
            ok(platform.world().organization_schemas.latest(ask.param("schemaId"))?.clone())
        },
    ),
    Operation::new(
        Method::PUT,
        "/api/v2/externalcontacts/contacts/schemas/{schemaId}",
        EDIT,
        |platform, ask| change(platform, ask, &OF_CONTACTS),
    ),
    Operation::new(
        Method::PUT,
        "/api/v2/externalcontacts/organizations/schemas/{schemaId}",
        EDIT,
        |platform, ask| change(platform, ask, &OF_ORGANIZATIONS),
    ),
    Operation::new(
        Method::GET,
        "/api/v2/externalcontacts/contacts/schemas/coretypes",
        VIEW,
        |_, _| ok(core_listing(CONTACTS)),
    ),
    Operation::new(
        Method::GET,
        "/api/v2/externalcontacts/organizations/schemas/coretypes",
        VIEW,
        |_, _| ok(core_listing(ORGANIZATIONS)),
    ),
    Operation::new(
        Method::GET,
        "/api/v2/externalcontacts/contacts/schemas/coretypes/{coreTypeName}",
        VIEW,
        core_type,
    ),
    Operation::new(
        Method::GET,
        "/api/v2/externalcontacts/organizations/schemas/coretypes/{coreTypeName}",
        VIEW,
        core_type,
    ),
];

/// Whose schemas they are.
struct Of {
    path: &'static str,
    applies_to: &'static str,
    within: fn(&mut World) -> &mut Schemas,
}

const OF_CONTACTS: Of =
    Of { path: CONTACTS, applies_to: "CONTACT", within: |world| &mut world.schemas };
const OF_ORGANIZATIONS: Of = Of {
    path: ORGANIZATIONS,
    applies_to: "EXTERNAL_ORGANIZATION",
    within: |world| &mut world.organization_schemas,
};

fn listed(schemas: &Schemas, path: &str) -> Value {
    let entities = schemas.all();
    json!({ "total": entities.len(), "entities": entities, "selfUri": path })
}

fn core_listing(path: &str) -> Value {
    let entities = core_types();
    let total = entities.len();
    json!({ "total": total, "entities": entities, "selfUri": format!("{path}/coretypes") })
}

fn core_type(_: &Platform, ask: &Ask) -> Answer {
    let name = ask.param("coreTypeName");
    let found = core_types().into_iter().find(|core| core["name"] == name);
    ok(found.ok_or_else(Problem::not_found)?)
}

fn rendered(of: &Of, id: &str, version: u64, ask: &Ask) -> Result<Value, Problem> {
    let document = &ask.body["jsonSchema"];
    check_document(document)?;
    Ok(json!({
        "id": id,
        "name": ask.body["name"].as_str().or(document["title"].as_str()).unwrap_or("Contact"),
        "version": version,
        "appliesTo": [of.applies_to],
        "enabled": ask.body["enabled"].as_bool().unwrap_or(true),
        "dateCreated": dates::iso(ask.now),
        "jsonSchema": document,
        "selfUri": format!("{}/{id}", of.path),
    }))
}

fn add(platform: &Platform, ask: &Ask, of: &Of) -> Answer {
    let mut world = platform.world();
    let id = world.ids.next();
    let schema = rendered(of, &id, 1, ask)?;
    (of.within)(&mut world).add(&id, schema.clone());
    ok(schema)
}

fn change(platform: &Platform, ask: &Ask, of: &Of) -> Answer {
    let mut world = platform.world();
    let (id, seen) = (ask.param("schemaId"), ask.body["version"].as_u64());
    let schema = rendered(of, id, seen.unwrap_or_default() + 1, ask)?;
    (of.within)(&mut world).change(id, seen, schema.clone())?;
    ok(schema)
}
