//! External organizations: read, write, find, enrich, one by one and in bulk.

use axum::http::Method;
use serde_json::{Value, json};

use super::super::model::problem::Problem;
use super::bulk::{MOST_ENRICH, each, required_id, too_many, tracker};
use super::gate::Operation;
use super::paging;
use super::platform::{Answer, Ask, Platform, Reply, ok};

const ROOT: &str = "/api/v2/externalcontacts/organizations";
const ONE: &str = "/api/v2/externalcontacts/organizations/{externalOrganizationId}";
const SCAN: &str = "/api/v2/externalcontacts/scan/organizations";

const VIEW: &[&str] =
    &["relate:externalOrganization:view", "externalContacts:externalOrganization:view"];
const ADD: &[&str] =
    &["relate:externalOrganization:add", "externalContacts:externalOrganization:add"];
const EDIT: &[&str] =
    &["relate:externalOrganization:edit", "externalContacts:externalOrganization:edit"];
const DELETE: &[&str] =
    &["relate:externalOrganization:delete", "externalContacts:externalOrganization:delete"];
const ONLY_VIEW: &[&str] = &["externalContacts:externalOrganization:view"];
const ENRICH: &[&str] = &["externalContacts:externalOrganization:enrich"];

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::new(Method::POST, ROOT, ADD, create),
    Operation::new(Method::GET, ONE, VIEW, get),
    Operation::new(Method::PUT, ONE, EDIT, put),
    Operation::new(Method::DELETE, ONE, DELETE, delete),
    Operation::new(Method::GET, SCAN, VIEW, scan),
    Operation::new(
        Method::POST,
        "/api/v2/externalcontacts/identifierlookup/organizations",
        ONLY_VIEW,
        lookup,
    ),
    Operation::new(Method::POST, "/api/v2/externalcontacts/organizations/enrich", ENRICH, enrich),
    Operation::new(
        Method::POST,
        "/api/v2/externalcontacts/bulk/organizations",
        ONLY_VIEW,
        fetch_all,
    ),
    Operation::new(
        Method::POST,
        "/api/v2/externalcontacts/bulk/organizations/add",
        &["externalContacts:externalOrganization:add"],
        add_all,
    ),
    Operation::new(
        Method::POST,
        "/api/v2/externalcontacts/bulk/organizations/update",
        &["externalContacts:externalOrganization:edit"],
        update_all,
    ),
    Operation::new(
        Method::POST,
        "/api/v2/externalcontacts/bulk/organizations/remove",
        &["externalContacts:externalOrganization:delete"],
        remove_all,
    ),
    Operation::new(
        Method::POST,
        "/api/v2/externalcontacts/bulk/organizations/enrich",
        ENRICH,
        enrich_all,
    ),
];

fn id(ask: &Ask) -> &str {
    ask.param("externalOrganizationId")
}

fn create(platform: &Platform, ask: &Ask) -> Answer {
    let mut world = platform.world();
    let made = world.add_organization(&ask.body, ask.now)?;
    ok(world.render_organization(&made))
}

fn get(platform: &Platform, ask: &Ask) -> Answer {
    let world = platform.world();
    ok(world.render_organization(world.organizations.get(id(ask))?))
}

fn put(platform: &Platform, ask: &Ask) -> Answer {
    let mut world = platform.world();
    let changed = world.replace_organization(id(ask), &ask.body, ask.now)?;
    ok(world.render_organization(&changed))
}

fn delete(platform: &Platform, ask: &Ask) -> Answer {
    platform.world().organizations.remove(id(ask))?;
    ok(json!({}))
}

fn scan(platform: &Platform, ask: &Ask) -> Answer {
    let division = ask.text("divisionId").unwrap_or("*");
    let after = paging::cursor(ask)?;
    let world = platform.world();
    let rows = world.organizations.after(after);
    let rows = rows.filter(|one| division == "*" || one.division == division);
    let rows = rows.map(|one| (one.sequence, world.render_organization(one)));
    ok(paging::cursored(ask, SCAN, rows)?)
}

fn lookup(platform: &Platform, ask: &Ask) -> Answer {
    let world = platform.world();
    let key = world.organization_key(&ask.body)?;
    let found = world.organizations.holder(&key).ok_or_else(Problem::not_found)?;
    ok(world.render_organization(found))
}

fn enrich(platform: &Platform, ask: &Ask) -> Answer {
    let dry_run = ask.flag("dryRun")?;
    let mut world = platform.world();
    let (organization, status) = world.enrich_organization(&ask.body, dry_run, ask.now)?;
    Ok(Reply { status, body: Some(world.render_organization(&organization)) })
}

fn fetch_all(platform: &Platform, ask: &Ask) -> Answer {
    each(platform, ask, |world, entity| {
        let id = required_id(entity)?;
        let found = world.render_organization(world.organizations.get(&id)?);
        Ok((Some(id), found, 200))
    })
}

fn add_all(platform: &Platform, ask: &Ask) -> Answer {
    each(platform, ask, |world, entity| {
        let made = world.add_organization(entity, ask.now)?;
        Ok((Some(made.id.clone()), world.render_organization(&made), 200))
    })
}

fn update_all(platform: &Platform, ask: &Ask) -> Answer {
    each(platform, ask, |world, entity| {
        let id = required_id(entity)?;
        let changed = world.replace_organization(&id, entity, ask.now)?;
        Ok((Some(id), world.render_organization(&changed), 200))
    })
}

fn remove_all(platform: &Platform, ask: &Ask) -> Answer {
    each(platform, ask, |world, entity| {
        let id = required_id(entity)?;
        world.organizations.remove(&id)?;
        Ok((Some(id), json!({}), 200))
    })
}

fn enrich_all(platform: &Platform, ask: &Ask) -> Answer {
    let dry_run = ask.flag("dryRun")?;
    let many = ask.body.get("entities").and_then(Value::as_array).map_or(0, Vec::len);
    if many > MOST_ENRICH {
        return Err(too_many());
    }
    each(platform, ask, |world, entity| {
        let (organization, status) = world.enrich_organization(entity, dry_run, ask.now)?;
        Ok((tracker(entity), world.render_organization(&organization), status))
    })
}
