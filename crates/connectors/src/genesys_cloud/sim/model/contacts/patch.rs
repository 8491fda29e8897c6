//! Changes single fields of a contact by path (`PATCH /contacts/{contactId}`).
//!
//! Paths are `$.field` or `$.field.inner`. A field patched together with a part
//! of itself is a conflict (409). The patched contact goes through the same
//! checks as a written one, so that a phone is normalised here, too.

use serde_json::{Map, Value};

use super::super::problem::Problem;
use super::super::world::World;
use super::Contact;
use super::fields::{self, Fields, LISTS};

const ACTIONS: [&str; 6] = [
    "UpdateIfEmpty",
    "UpdateIfExists",
    "Update",
    "AppendToCollection",
    "Remove",
    "RemoveFromCollection",
];

/// The contact with the changes applied; not stored yet.
pub(crate) fn patched(world: &World, contact: &Contact, body: &Value) -> Result<Contact, Problem> {
    let changes = body.get("changes").and_then(Value::as_array).ok_or_else(|| {
        Problem::bad_request("The field changes is required.").at("field.required", "changes")
    })?;
    let paths: Result<Vec<Vec<&str>>, Problem> = changes.iter().map(path).collect();
    let paths = paths?;
    for (at, one) in paths.iter().enumerate() {
        if paths.iter().enumerate().any(|(other, two)| other != at && two.starts_with(one)) {
            let why = "A field cannot be patched together with its parent or itself.";
            return Err(Problem::conflict(why).at("conflict", &one.join(".")));
        }
    }
    let mut written = contact.fields.clone();
    for (change, path) in changes.iter().zip(&paths) {
        apply(&mut written, change, path, world)?;
    }
    let mut fields: Fields = world.fields(&Value::Object(written))?;
    // What no path names stays as it is: a phone keeps what was typed.
    for (name, value) in &contact.fields {
        if !paths.iter().any(|path| path.first() == Some(&name.as_str())) {
            fields.insert(name.clone(), value.clone());
        }
    }
    Ok(Contact { fields, ..contact.clone() })
}

fn path(change: &Value) -> Result<Vec<&str>, Problem> {
    let text = change.get("field").and_then(Value::as_str).unwrap_or_default();
    let parts: Vec<&str> =
        text.strip_prefix("$.").map_or_else(Vec::new, |rest| rest.split('.').collect());
    let plain = |part: &&str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let known = parts.first().is_some_and(|name| fields::is_writable(name));
    if !known || parts.len() > 2 || !parts.iter().all(plain) {
        return Err(Problem::invalid_value(
            "changes.field",
            text,
            "JSONPath",
            "a path such as $.address.city",
        ));
    }
    Ok(parts)
}

fn apply(fields: &mut Fields, change: &Value, path: &[&str], world: &World) -> Result<(), Problem> {
    let word = change.get("action").and_then(Value::as_str).unwrap_or_default();
    let action = ACTIONS.into_iter().find(|action| *action == word).ok_or_else(|| {
        Problem::invalid_value("changes.action", word, "String", &ACTIONS.join(", "))
    })?;
    let value = change.get("value").filter(|value| !value.is_null());
    if value.is_none() && action != "Remove" {
        return Err(Problem::bad_request("The field changes.value is required.")
            .at("field.required", "changes.value"));
    }
    if action.ends_with("Collection") {
        return collect(fields, path, action == "AppendToCollection", value, world);
    }
    let (parent, name) = match path {
        [name, inner] => {
            let outer = fields.entry(*name).or_insert_with(|| Value::Object(Map::new()));
            (outer.as_object_mut().ok_or_else(Problem::malformed)?, *inner)
        }
        path => (fields, path[0]),
    };
    let present = parent.contains_key(name);
    match (action, value) {
        ("Remove", _) => {
            parent.remove(name);
        }
        ("UpdateIfEmpty", _) if present => {}
        ("UpdateIfExists", _) if !present => {}
        (_, Some(value)) => {
            parent.insert(name.to_owned(), value.clone());
        }
        (_, None) => {}
    }
    Ok(())
}

fn collect(
    fields: &mut Fields,
    path: &[&str],
    append: bool,
    value: Option<&Value>,
    world: &World,
) -> Result<(), Problem> {
    let [name] = path else {
        return Err(Problem::bad_request("Only lists can be appended to."));
    };
    if !LISTS.contains(name) {
        return Err(
            Problem::bad_request("Only lists can be appended to.").at("invalid.value", name)
        );
    }
    let items = match value {
        Some(Value::Array(items)) => items.clone(),
        Some(item) => vec![item.clone()],
        None => Vec::new(),
    };
    // Stored form on both sides, so that a source by name equals the same by id.
    let mut written = Map::new();
    written.insert((*name).to_owned(), Value::Array(items));
    let items = world.fields(&Value::Object(written))?.remove(*name).unwrap_or(Value::Null);
    let items = items.as_array().cloned().unwrap_or_default();
    let all = fields.entry(*name).or_insert_with(|| Value::Array(Vec::new()));
    let all = all.as_array_mut().ok_or_else(Problem::malformed)?;
    if append {
        let new: Vec<Value> = items.into_iter().filter(|item| !all.contains(item)).collect();
        all.extend(new);
    } else {
        all.retain(|item| !items.contains(item));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::super::world::World;
    use super::super::ContactType;
    use super::patched;

    fn run(changes: Value) -> Result<Value, u16> {
        let mut world = World::new(1, 0);
        let start = json!({ "firstName": "Ada", "address": { "city": "London" }, "appleOpaqueIds": [{ "value": "a" }] });
        let fields = world.fields(&start).expect("valid");
        let id = world.ids.next();
        let contact = world.contacts.draft(id, "*", ContactType::Curated, fields, 1);
        let result = patched(&world, &contact, &json!({ "changes": changes }));
        result.map(|contact| Value::Object(contact.fields)).map_err(|problem| problem.status)
    }

    #[test]
    fn a_field_or_a_part_of_it_is_changed() {
        let changes = json!([
            { "field": "$.firstName", "action": "UpdateIfEmpty", "value": "Eve" },
            { "field": "$.title", "action": "UpdateIfExists", "value": "Dr" },
            { "field": "$.lastName", "action": "UpdateIfEmpty", "value": "Lovelace" },
            { "field": "$.address.city", "action": "Update", "value": "Rome" },
            { "field": "$.workPhone", "action": "Update", "value": { "display": "(555) 019-9999" } },
            { "field": "$.appleOpaqueIds", "action": "AppendToCollection", "value": [{ "value": "b" }, { "value": "a" }] },
        ]);
        let fields = run(changes).expect("patched");
        assert_eq!(fields["firstName"], "Ada");
        assert!(fields.get("title").is_none());
        assert_eq!(fields["lastName"], "Lovelace");
        assert_eq!(fields["address"]["city"], "Rome");
        assert_eq!(fields["workPhone"]["e164"], "+15550199999");
        assert_eq!(fields["appleOpaqueIds"], json!([{ "value": "a" }, { "value": "b" }]));
    }

    #[test]
    fn a_field_is_removed_or_loses_an_entry() {
        let changes = json!([
            { "field": "$.firstName", "action": "Remove" },
            { "field": "$.appleOpaqueIds", "action": "RemoveFromCollection", "value": [{ "value": "a" }] },
        ]);
        let fields = run(changes).expect("patched");
        assert!(fields.get("firstName").is_none());
        assert_eq!(fields["appleOpaqueIds"], json!([]));
    }

    #[test]
    fn a_parent_and_its_part_together_conflict() {
        let changes = json!([
            { "field": "$.address", "action": "Update", "value": { "city": "Rome" } },
            { "field": "$.address.city", "action": "Update", "value": "Paris" },
        ]);
        assert_eq!(run(changes), Err(409));
    }

    #[test]
    fn odd_paths_and_actions_are_refused() {
        for change in [
            json!({ "field": "firstName", "action": "Update", "value": "x" }),
            json!({ "field": "$.type", "action": "Update", "value": "Curated" }),
            json!({ "field": "$.externalIds[0]", "action": "Update", "value": "x" }),
            json!({ "field": "$.firstName", "action": "Set", "value": "x" }),
            json!({ "field": "$.firstName", "action": "Update" }),
            json!({ "field": "$.firstName", "action": "AppendToCollection", "value": "x" }),
        ] {
            assert_eq!(run(json!([change])), Err(400), "{change}");
        }
    }
}
