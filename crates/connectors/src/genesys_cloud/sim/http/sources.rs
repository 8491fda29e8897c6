//! What surrounds contacts: external sources and notes.

use axum::http::Method;
use serde_json::{Value, json};

use super::super::model::dates;
use super::super::model::problem::Problem;
use super::super::model::world::{Note, Source, World};
use super::gate::Operation;
use super::paging;
use super::platform::{Answer, Ask, Platform, ok};

const SOURCES: &str = "/api/v2/externalcontacts/externalsources";
const SOURCE: &str = "/api/v2/externalcontacts/externalsources/{externalSourceId}";
const NOTES: &str = "/api/v2/externalcontacts/contacts/{contactId}/notes";
const NOTE: &str = "/api/v2/externalcontacts/contacts/{contactId}/notes/{noteId}";

const VIEW_SOURCES: &[&str] = &[
    "externalContacts:externalSource:view",
    "externalContacts:contact:view",
    "externalContacts:externalOrganization:view",
];
const VIEW: &[&str] = &["relate:contact:view", "externalContacts:contact:view"];
const EDIT: &[&str] = &["relate:contact:edit", "externalContacts:contact:edit"];

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::new(Method::GET, SOURCES, VIEW_SOURCES, list_sources),
    Operation::new(Method::POST, SOURCES, &["externalContacts:externalSource:add"], add_source),
    Operation::new(Method::GET, SOURCE, VIEW_SOURCES, get_source),
    Operation::new(Method::PUT, SOURCE, &["externalContacts:externalSource:edit"], put_source),
    Operation::new(
        Method::DELETE,
        SOURCE,
        &["externalContacts:externalSource:delete"],
        delete_source,
    ),
    Operation::new(Method::GET, NOTES, VIEW, list_notes),
    Operation::new(Method::POST, NOTES, EDIT, add_note),
    Operation::new(Method::GET, NOTE, VIEW, get_note),
    Operation::new(Method::PUT, NOTE, EDIT, put_note),
    Operation::new(Method::DELETE, NOTE, EDIT, delete_note),
];

fn list_sources(platform: &Platform, ask: &Ask) -> Answer {
    let after = paging::cursor(ask)?;
    let prefix = ask.text("name").unwrap_or_default().to_lowercase();
    let active = ask.text("active").map(|_| ask.flag("active")).transpose()?;
    let world = platform.world();
    let mut rows: Vec<(u64, &String)> = world
        .sources
        .0
        .iter()
        .filter(|(_, source)| {
            source.sequence > after && source.name.to_lowercase().starts_with(&prefix)
        })
        .filter(|(_, source)| active.is_none_or(|active| active == source.active))
        .map(|(id, source)| (source.sequence, id))
        .collect();
    rows.sort_unstable();
    let rows = rows
        .into_iter()
        .filter_map(|(sequence, id)| Some((sequence, world.sources.render(id).ok()?)));
    ok(paging::cursored(ask, SOURCES, rows)?)
}

fn add_source(platform: &Platform, ask: &Ask) -> Answer {
    let mut world = platform.world();
    let id = world.ids.next();
    write_source(&mut world, &id, &ask.body)?;
    ok(world.sources.render(&id)?)
}

fn get_source(platform: &Platform, ask: &Ask) -> Answer {
    ok(platform.world().sources.render(ask.param("externalSourceId"))?)
}

fn put_source(platform: &Platform, ask: &Ask) -> Answer {
    let mut world = platform.world();
    let id = ask.param("externalSourceId");
    world.sources.render(id)?;
    write_source(&mut world, id, &ask.body)?;
    ok(world.sources.render(id)?)
}

fn delete_source(platform: &Platform, ask: &Ask) -> Answer {
    let gone = platform.world().sources.0.remove(ask.param("externalSourceId"));
    gone.ok_or_else(Problem::not_found)?;
    ok(json!({}))
}

/// Writes a source under its id; names are unique, at most 200 characters.
pub(crate) fn write_source(world: &mut World, id: &str, body: &Value) -> Result<(), Problem> {
    let name = body.get("name").and_then(Value::as_str).unwrap_or_default().trim();
    if name.is_empty() || name.chars().count() > 200 {
        return Err(Problem::bad_request("The field name has 1 to 200 characters.")
            .at("field.required", "name"));
    }
    if world.sources.named(name).is_some_and(|known| known != id) {
        return Err(
            Problem::conflict("An external source with that name exists.").at("conflict", "name")
        );
    }
    let template =
        body["linkConfiguration"]["uriTemplate"].as_str().map(|text| text.trim().to_owned());
    if template.as_deref().is_some_and(|text| text.is_empty() || text.chars().count() > 400) {
        let field = "linkConfiguration.uriTemplate";
        return Err(
            Problem::bad_request("A link has at most 400 characters.").at("max.length", field)
        );
    }
    let last = world.sources.0.values().map(|source| source.sequence).max().unwrap_or(0);
    let sequence = world.sources.0.get(id).map_or(last + 1, |source| source.sequence);
    let active = body.get("active").and_then(Value::as_bool).unwrap_or(true);
    let source = Source { name: name.to_owned(), active, uri_template: template, sequence };
    world.sources.0.insert(id.to_owned(), source);
    Ok(())
}

fn list_notes(platform: &Platform, ask: &Ask) -> Answer {
    let (size, number) =
        (ask.number("pageSize", 20, 1..=100)?, ask.number("pageNumber", 1, 1..=1000)?);
    let world = platform.world();
    let contact = &world.contacts.resolve(ask.param("contactId"))?.id;
    let mut found: Vec<(&String, &Note)> =
        world.notes.iter().filter(|(_, note)| note.contact == *contact).collect();
    found.sort_by_key(|(_, note)| note.created_at);
    let page = sim::paging::page(found.len(), number, size);
    let entities = found[page].iter().map(|(id, note)| render(id, note)).collect();
    let path = format!("/api/v2/externalcontacts/contacts/{contact}/notes");
    ok(paging::numbered(&path, found.len(), size, number, entities))
}

fn read_note(body: &Value) -> Result<(String, String), Problem> {
    let text = body["noteText"].as_str().unwrap_or_default();
    if !(1..=32_000).contains(&text.chars().count()) {
        return Err(
            Problem::bad_request("A note has 1 to 32,000 characters.").at("field.size", "noteText")
        );
    }
    let author = body["createdBy"]["id"].as_str().ok_or_else(|| {
        Problem::bad_request("The field createdBy is required.").at("field.required", "createdBy")
    })?;
    Ok((text.to_owned(), author.to_owned()))
}

fn add_note(platform: &Platform, ask: &Ask) -> Answer {
    let (text, author) = read_note(&ask.body)?;
    let mut world = platform.world();
    let contact = world.contacts.resolve(ask.param("contactId"))?.id.clone();
    let note = Note { contact, text, author, created_at: ask.now, modified_at: ask.now };
    let id = world.ids.next();
    let body = render(&id, &note);
    world.notes.insert(id, note);
    ok(body)
}

/// A note of that contact, or 404.
fn find<'a>(world: &'a mut World, ask: &Ask) -> Result<&'a mut Note, Problem> {
    let contact = world.contacts.resolve(ask.param("contactId"))?.id.clone();
    let note = world.notes.get_mut(ask.param("noteId")).filter(|note| note.contact == contact);
    note.ok_or_else(Problem::not_found)
}

fn get_note(platform: &Platform, ask: &Ask) -> Answer {
    ok(render(ask.param("noteId"), find(&mut platform.world(), ask)?))
}

fn put_note(platform: &Platform, ask: &Ask) -> Answer {
    let (text, author) = read_note(&ask.body)?;
    let mut world = platform.world();
    let note = find(&mut world, ask)?;
    (note.text, note.author, note.modified_at) = (text, author, ask.now);
    ok(render(ask.param("noteId"), note))
}

fn delete_note(platform: &Platform, ask: &Ask) -> Answer {
    let mut world = platform.world();
    find(&mut world, ask)?;
    world.notes.remove(ask.param("noteId"));
    ok(json!({}))
}

fn render(id: &str, note: &Note) -> Value {
    json!({
        "id": id,
        "entityId": note.contact,
        "entityType": "contact",
        "noteText": note.text,
        "createDate": dates::iso(note.created_at),
        "modifyDate": dates::iso(note.modified_at),
        "createdBy": { "id": note.author, "selfUri": format!("/api/v2/users/{}", note.author) },
        "externalDataSources": [],
        "selfUri": format!("/api/v2/externalcontacts/contacts/{}/notes/{id}", note.contact),
    })
}
