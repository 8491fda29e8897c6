//! External contacts: read, write, find, enrich, merge, claim.

use axum::http::Method;
use serde_json::{Value, json};

use super::super::model::contacts::identifiers::{self, Key};
use super::super::model::contacts::{Contact, ContactType};
use super::super::model::contacts::{enrich as enriching, merge as merging, patch as patching};
use super::super::model::problem::Problem;
use super::super::model::world::{Expand, World};
use super::gate::Operation;
use super::paging;
use super::platform::{Answer, Ask, Platform, Reply, ok};

const VIEW: &[&str] = &["relate:contact:view", "externalContacts:contact:view"];
const ADD: &[&str] = &["relate:contact:add", "externalContacts:contact:add"];
const EDIT: &[&str] = &["relate:contact:edit", "externalContacts:contact:edit"];
const DELETE: &[&str] = &["relate:contact:delete", "externalContacts:contact:delete"];
const ONLY_VIEW: &[&str] = &["externalContacts:contact:view"];
const ONLY_EDIT: &[&str] = &["externalContacts:contact:edit"];
const ENRICH: &[&str] = &["externalContacts:contact:enrich"];
const MERGE: &[&str] = &["externalContacts:identity:merge"];
const PROMOTE: &[&str] = &["externalContacts:identity:promote"];

const ROOT: &str = "/api/v2/externalcontacts/contacts";
const ONE: &str = "/api/v2/externalcontacts/contacts/{contactId}";
const SCAN: &str = "/api/v2/externalcontacts/scan/contacts";

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::new(Method::GET, ROOT, VIEW, list),
    Operation::new(Method::POST, ROOT, ADD, create),
    Operation::new(Method::GET, ONE, VIEW, get),
    Operation::new(Method::PUT, ONE, EDIT, put),
    Operation::new(Method::PATCH, ONE, ONLY_EDIT, patch),
    Operation::new(Method::DELETE, ONE, DELETE, delete),
    Operation::new(Method::POST, "/api/v2/externalcontacts/contacts/search", &[], search),
    Operation::new(
        Method::GET,
        "/api/v2/externalcontacts/contacts/{contactId}/unresolved",
        ONLY_VIEW,
        unresolved,
    ),
    Operation::new(
        Method::GET,
        "/api/v2/externalcontacts/contacts/{contactId}/identifiers",
        ONLY_VIEW,
        list_identifiers,
    ),
    Operation::new(
        Method::PATCH,
        "/api/v2/externalcontacts/contacts/{contactId}/identifiers",
        ONLY_EDIT,
        claim,
    ),
    Operation::new(
        Method::POST,
        "/api/v2/externalcontacts/contacts/{contactId}/promotion",
        PROMOTE,
        promote,
    ),
    Operation::new(Method::POST, "/api/v2/externalcontacts/contacts/enrich", ENRICH, enrich),
    Operation::new(Method::POST, "/api/v2/externalcontacts/contacts/merge", MERGE, merge),
    Operation::new(Method::POST, "/api/v2/externalcontacts/merge/contacts", MERGE, merge_two),
    Operation::new(
        Method::POST,
        "/api/v2/externalcontacts/identifierlookup/contacts",
        ONLY_VIEW,
        lookup,
    ),
    Operation::new(
        Method::POST,
        "/api/v2/externalcontacts/identifierlookup",
        &["externalContacts:contact:view", "relate:contact:view"],
        lookup,
    ),
    Operation::new(
        Method::GET,
        "/api/v2/externalcontacts/reversewhitepageslookup",
        ONLY_VIEW,
        reverse,
    ),
    Operation::new(Method::GET, SCAN, VIEW, scan),
];

fn list(platform: &Platform, ask: &Ask) -> Answer {
    let (size, number) =
        (ask.number("pageSize", 20, 1..=1000)?, ask.number("pageNumber", 1, 1..=1000)?);
    let divisions = ask.list("divisionIds");
    if divisions.len() > 50 {
        return Err(Problem::bad_request("At most 50 divisions can be searched.")
            .at("max.size", "divisionIds"));
    }
    let query = Query {
        text: ask.text("q").unwrap_or_default(),
        sort: ask.text("sortOrder"),
        size,
        number,
        divisions,
        expand: ask.expand()?,
    };
    ok(query.run(&platform.world())?)
}

fn search(platform: &Platform, ask: &Ask) -> Answer {
    let number = |name: &str, default: usize| {
        let value = ask.body.get(name).and_then(Value::as_u64);
        value.and_then(|value| usize::try_from(value).ok()).unwrap_or(default)
    };
    let simple = &ask.body["operation"]["simpleSearch"];
    let sort = simple["sortOrder"].get(0).and_then(Value::as_str);
    let divisions = ask.body["divisionIds"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let text = simple["query"].as_str().unwrap_or_default();
    let query = Query {
        text,
        sort,
        size: number("pageSize", 20),
        number: number("pageNumber", 1),
        divisions,
        expand: Expand::default(),
    };
    ok(query.run(&platform.world())?)
}

struct Query<'a> {
    text: &'a str,
    sort: Option<&'a str>,
    size: usize,
    number: usize,
    divisions: Vec<&'a str>,
    expand: Expand,
}

impl Query<'_> {
    fn run(&self, world: &World) -> Result<Value, Problem> {
        if self.size == 0 || self.number == 0 || self.size.saturating_mul(self.number) > 1000 {
            let why = "Only the first 1,000 records can be fetched; pageNumber * pageSize must be <= 1,000.";
            return Err(Problem::bad_request(why).at("invalid.value", "pageNumber"));
        }
        let in_division = |division: &str| {
            self.divisions.is_empty()
                || self.divisions.iter().any(|one| *one == "*" || *one == division)
        };
        let mut found = world.contacts.index.search(self.text);
        found.retain(|contact| in_division(&contact.division));
        if let Some(order) = self.sort {
            let (field, direction) = order.split_once(':').unwrap_or((order, "asc"));
            if !["firstName", "lastName", "middleName", "title"].contains(&field)
                || !["asc", "desc"].contains(&direction)
            {
                return Err(Problem::invalid_value(
                    "sortOrder",
                    order,
                    "String",
                    "firstName, lastName, middleName, title",
                ));
            }
            found.sort_by_cached_key(|contact| {
                contact.fields.get(field).and_then(Value::as_str).unwrap_or_default().to_lowercase()
            });
            if direction == "desc" {
                found.reverse();
            }
        }
        let page = sim::paging::page(found.len(), self.number, self.size);
        let entities =
            found[page].iter().map(|contact| world.render(contact, self.expand)).collect();
        Ok(paging::numbered(ROOT, found.len(), self.size, self.number, entities))
    }
}

fn scan(platform: &Platform, ask: &Ask) -> Answer {
    let division = ask.text("divisionId").unwrap_or("*");
    let after = paging::cursor(ask)?;
    let world = platform.world();
    let rows = world.contacts.index.after(after);
    let rows = rows.filter(|contact| division == "*" || contact.division == division);
    ok(paging::cursored(
        ask,
        SCAN,
        rows.map(|contact| (contact.sequence, world.render(contact, Expand::default()))),
    )?)
}

fn reverse(platform: &Platform, ask: &Ask) -> Answer {
    let value = ask.text("lookupVal").ok_or_else(|| {
        Problem::bad_request("The parameter lookupVal is required.")
            .at("field.required", "lookupVal")
    })?;
    let expand = ask.expand()?;
    let division = ask.text("divisionId").unwrap_or("*");
    let world = platform.world();
    let found = world.contacts.index.having(value.trim());
    let found = found.filter(|contact| division == "*" || contact.division == division).take(25);
    ok(
        json!({ "contacts": found.map(|contact| world.render(contact, expand)).collect::<Vec<_>>() }),
    )
}

fn lookup(platform: &Platform, ask: &Ask) -> Answer {
    let expand = ask.expand()?;
    let world = platform.world();
    ok(world.render(world.lookup(&ask.body)?, expand))
}

fn create(platform: &Platform, ask: &Ask) -> Answer {
    let mut world = platform.world();
    let contact = added(&mut world, &ask.body, ask.now)?;
    ok(world.render(&contact, Expand::default()))
}

/// A new curated contact.
pub(crate) fn added(world: &mut World, body: &Value, now: i64) -> Result<Contact, Problem> {
    let fields = world.fields(body)?;
    let division = identifiers::division(body)?.unwrap_or_else(|| "*".to_owned());
    let id = world.ids.next();
    let draft = world.contacts.draft(id, &division, ContactType::Curated, fields, now);
    Ok(Contact::clone(&world.contacts.put(draft, now)))
}

/// A contact replaced as a whole; an ancestor's id means its canonical contact.
pub(crate) fn replaced(
    world: &mut World,
    id: &str,
    body: &Value,
    now: i64,
) -> Result<Contact, Problem> {
    let mut contact = Contact::clone(world.contacts.resolve(id)?);
    if identifiers::division(body)?.is_some_and(|division| division != contact.division) {
        return Err(Problem::bad_request("The division of a contact cannot be changed.")
            .at("invalid.value", "division"));
    }
    contact.fields = world.fields(body)?;
    Ok(Contact::clone(&world.contacts.put(contact, now)))
}

/// A contact with some fields set; null empties one.
pub(crate) fn edited(world: &mut World, id: &str, fields: &Value, now: i64) -> Result<(), Problem> {
    let change = |(name, value): (&String, &Value)| {
        let action = if value.is_null() { "Remove" } else { "Update" };
        json!({ "field": format!("$.{name}"), "action": action, "value": value })
    };
    let changes: Vec<Value> = fields.as_object().into_iter().flatten().map(change).collect();
    let contact = Contact::clone(world.contacts.resolve(id)?);
    let contact = patching::patched(world, &contact, &json!({ "changes": changes }))?;
    world.contacts.put(contact, now);
    Ok(())
}

fn get(platform: &Platform, ask: &Ask) -> Answer {
    let expand = ask.expand()?;
    let world = platform.world();
    ok(world.render(world.contacts.resolve(ask.param("contactId"))?, expand))
}

fn unresolved(platform: &Platform, ask: &Ask) -> Answer {
    let expand = ask.expand()?;
    let world = platform.world();
    ok(world.render(world.contacts.unresolved(ask.param("contactId"))?, expand))
}

fn put(platform: &Platform, ask: &Ask) -> Answer {
    let mut world = platform.world();
    let contact = replaced(&mut world, ask.param("contactId"), &ask.body, ask.now)?;
    ok(world.render(&contact, Expand::default()))
}

fn patch(platform: &Platform, ask: &Ask) -> Answer {
    let mut world = platform.world();
    let contact = Contact::clone(world.contacts.resolve(ask.param("contactId"))?);
    let contact = patching::patched(&world, &contact, &ask.body)?;
    let contact = world.contacts.put(contact, ask.now);
    ok(world.render(&contact, Expand::default()))
}

fn delete(platform: &Platform, ask: &Ask) -> Answer {
    let mut world = platform.world();
    let id = world.contacts.resolve(ask.param("contactId"))?.id.clone();
    world.contacts.remove(&id, ask.now);
    ok(json!({}))
}

fn promote(platform: &Platform, ask: &Ask) -> Answer {
    let mut world = platform.world();
    let mut contact = Contact::clone(world.contacts.resolve(ask.param("contactId"))?);
    contact.kind = ContactType::Curated;
    let contact = world.contacts.put(contact, ask.now);
    ok(world.render(&contact, Expand::default()))
}

fn enrich(platform: &Platform, ask: &Ask) -> Answer {
    let dry_run = ask.flag("dryRun")?;
    let mut world = platform.world();
    let (contact, status) = enriching::enrich(&mut world, &ask.body, dry_run, ask.now)?;
    Ok(Reply { status, body: Some(world.render(&contact, Expand::default())) })
}

fn merge(platform: &Platform, ask: &Ask) -> Answer {
    let mut world = platform.world();
    let contact = merging::merge(&mut world, &ask.body, ask.now)?;
    ok(world.render(&contact, Expand::default()))
}

fn merge_two(platform: &Platform, ask: &Ask) -> Answer {
    let mut world = platform.world();
    let contact = merging::merge_two(&mut world, &ask.body, ask.now)?;
    ok(world.render(&contact, Expand::default()))
}

fn list_identifiers(platform: &Platform, ask: &Ask) -> Answer {
    let world = platform.world();
    let contact = world.contacts.resolve(ask.param("contactId"))?;
    ok(json!({ "entities": world.identifiers(contact) }))
}

fn claim(platform: &Platform, ask: &Ask) -> Answer {
    let mut world = platform.world();
    let contact = Contact::clone(world.contacts.resolve(ask.param("contactId"))?);
    let mut key = Key::read(&ask.body["identifier"], &world.sources)?;
    key.division.clone_from(&contact.division);
    let at = match ask.body["operation"].as_str() {
        Some("Claim") => world.contacts.claim(&contact.id, &key, ask.now)?,
        Some("Release") => world.contacts.release(&contact.id, &key, ask.now)?,
        other => {
            let word = other.unwrap_or_default();
            return Err(Problem::invalid_value("operation", word, "String", "Claim, Release"));
        }
    };
    ok(key.render(at, &world.sources))
}
