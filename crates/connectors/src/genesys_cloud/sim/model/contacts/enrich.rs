//! The platform's upsert: find a contact by identifiers, then combine or create.
//!
//! Identifiers are tried in the order given. What each action does with what is
//! found (the vendor documents the words, not these sentences; they are our
//! reading of them):
//!
//! | action | nothing found | one or more found |
//! | --- | --- | --- |
//! | `Upsert` | created, 201 | the first is updated, 200 |
//! | `Update` | 404 | the first is updated, 200 |
//! | `Insert` | created, 201 | 409 |
//! | `Merge` | created, 201 | all are merged and updated, 200 |
//!
//! Matching identifiers only match; a contact claims what its own fields say.
//! With `dryRun` the same answer is given and nothing changes.

use serde_json::{Map, Value};

use super::super::problem::Problem;
use super::super::world::World;
use super::fields::{self, Fields, LISTS, MAX_LIST};
use super::identifiers::{Key, division};
use super::merge;
use super::{Contact, ContactType};

const ACTIONS: [&str; 4] = ["Merge", "Upsert", "Update", "Insert"];
const VALUE_ACTIONS: [&str; 3] = ["AlwaysUseProvided", "PreferExisting", "PreferProvided"];
const LIST_ACTIONS: [&str; 3] = ["Replace", "Extend", "Fill"];

/// Carries out one enrich request; the contact as it is (or would be), and 201 or 200.
pub(crate) fn enrich(
    world: &mut World,
    body: &Value,
    dry_run: bool,
    now: i64,
) -> Result<(Contact, u16), Problem> {
    let request = Request::read(world, body)?;
    let mut found: Vec<String> = Vec::new();
    for key in &request.matching {
        if let Some(contact) = world.contacts.holder(key)
            && !found.contains(&contact.id)
        {
            found.push(contact.id.clone());
        }
    }
    let status = if found.is_empty() { 201 } else { 200 };
    let contact = match (request.action, found.as_slice()) {
        ("Update", []) => return Err(Problem::not_found()),
        ("Insert", [_, ..]) => {
            return Err(Problem::conflict("A contact with a matching identifier exists."));
        }
        (_, []) => {
            let id = world.ids.next();
            let kind = ContactType::Curated;
            world.contacts.draft(id, &request.division, kind, request.fields, now)
        }
        ("Merge", [_, _, ..]) => {
            let mut draft = merge::draft(world, &found, &Fields::new(), now)?;
            request.apply(&mut draft)?;
            let merged = if dry_run { draft } else { merge::apply(world, draft, now) };
            return Ok((merged, status));
        }
        (_, [first, ..]) => {
            let mut contact = Contact::clone(world.contacts.resolve(first)?);
            request.apply(&mut contact)?;
            contact
        }
    };
    if dry_run {
        return Ok((contact, status));
    }
    Ok((Contact::clone(&world.contacts.put(contact, now)), status))
}

struct Request {
    division: String,
    matching: Vec<Key>,
    action: &'static str,
    fields: Fields,
    rules: Rules,
    promote: bool,
}

impl Request {
    fn read(world: &World, body: &Value) -> Result<Self, Problem> {
        let identifiers = body.get("matchingIdentifiers").and_then(Value::as_array);
        let identifiers =
            identifiers.filter(|all| (1..=25).contains(&all.len())).ok_or_else(|| {
                let why = "There must be between 1 and 25 matching identifiers.";
                Problem::bad_request(why).at("field.size", "matchingIdentifiers")
            })?;
        let matching: Result<Vec<Key>, Problem> =
            identifiers.iter().map(|identifier| Key::read(identifier, &world.sources)).collect();
        let contact = body.get("contact").filter(|contact| !contact.is_null());
        let fields = contact.map_or_else(|| Ok(Fields::new()), |contact| world.fields(contact))?;
        let own = contact.map(division).transpose()?.flatten();
        let action = one_of("action", body.get("action"), &ACTIONS)?.ok_or_else(|| {
            Problem::bad_request("The field action is required.").at("field.required", "action")
        })?;
        Ok(Self {
            division: division(body)?.or(own).unwrap_or_else(|| "*".to_owned()),
            matching: matching?,
            action,
            fields,
            rules: Rules::read(body.get("fieldRules").unwrap_or(&Value::Null))?,
            promote: body["options"]["promote"].as_bool().unwrap_or(false),
        })
    }

    fn apply(&self, contact: &mut Contact) -> Result<(), Problem> {
        contact.fields = self.rules.combine("$", &contact.fields, &self.fields)?;
        if self.promote {
            contact.kind = ContactType::Curated;
        }
        Ok(())
    }
}

pub(crate) fn one_of(
    field: &str,
    value: Option<&Value>,
    allowed: &[&'static str],
) -> Result<Option<&'static str>, Problem> {
    let value = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value,
    };
    let found = allowed.iter().find(|word| value.as_str() == Some(**word)).copied();
    let wrong = || Problem::invalid_value(field, &value.to_string(), "String", &allowed.join(", "));
    found.map(Some).ok_or_else(wrong)
}

/// How provided and existing values are combined, by default and by field.
pub(crate) struct Rules {
    value: &'static str,
    list: &'static str,
    fields: Vec<(String, Option<&'static str>, Option<&'static str>)>,
}

impl Rules {
    pub(crate) fn read(body: &Value) -> Result<Self, Problem> {
        let mut fields = Vec::new();
        for rule in body.get("rules").and_then(Value::as_array).into_iter().flatten() {
            let path = rule.get("field").and_then(Value::as_str).unwrap_or_default();
            let name = path.strip_prefix("$.").and_then(|path| path.split('.').next());
            let plain = path.chars().all(|c| c.is_ascii_alphanumeric() || "$._".contains(c));
            if !plain || !name.is_some_and(fields::is_writable) {
                let allowed = "a path such as $.workEmail";
                return Err(Problem::invalid_value(
                    "fieldRules.rules.field",
                    path,
                    "JSONPath",
                    allowed,
                ));
            }
            fields.push((
                path.to_owned(),
                one_of("fieldRules.rules.action", rule.get("action"), &VALUE_ACTIONS)?,
                one_of("fieldRules.rules.arrayAction", rule.get("arrayAction"), &LIST_ACTIONS)?,
            ));
        }
        let value = one_of("fieldRules.defaultAction", body.get("defaultAction"), &VALUE_ACTIONS)?;
        let list =
            one_of("fieldRules.defaultArrayAction", body.get("defaultArrayAction"), &LIST_ACTIONS)?;
        Ok(Self { value: value.unwrap_or("PreferProvided"), list: list.unwrap_or("Fill"), fields })
    }

    /// The rule for a path: its own, else that of the field it is part of, else the default.
    fn action(&self, path: &str) -> &'static str {
        let parts = |rule: &str| {
            path == rule || path.strip_prefix(rule).is_some_and(|rest| rest.starts_with('.'))
        };
        let fitting =
            self.fields.iter().filter(|(rule, action, _)| action.is_some() && parts(rule));
        fitting
            .max_by_key(|(rule, ..)| rule.len())
            .and_then(|(_, action, _)| *action)
            .unwrap_or(self.value)
    }

    fn list_action(&self, path: &str) -> &'static str {
        let own = self.fields.iter().find(|(rule, _, list)| rule == path && list.is_some());
        own.and_then(|(_, _, list)| *list).unwrap_or(self.list)
    }

    pub(crate) fn combine(
        &self,
        at: &str,
        existing: &Fields,
        provided: &Fields,
    ) -> Result<Fields, Problem> {
        let mut combined = Map::new();
        let names =
            existing.keys().chain(provided.keys().filter(|name| !existing.contains_key(*name)));
        for name in names {
            let path = format!("{at}.{name}");
            if let Some(value) = self.pick(&path, name, existing.get(name), provided.get(name))? {
                combined.insert(name.clone(), value);
            }
        }
        Ok(combined)
    }

    fn pick(
        &self,
        path: &str,
        name: &str,
        existing: Option<&Value>,
        provided: Option<&Value>,
    ) -> Result<Option<Value>, Problem> {
        let action = self.action(path);
        if LISTS.contains(&name) {
            return self.pick_list(path, name, existing, provided);
        }
        // Only these combine leaf by leaf; a phone, an id, a schema is one value.
        if let ("address" | "customFields", Some(Value::Object(old))) = (name, existing)
            && let Some(Value::Object(new)) = provided
        {
            let inner = self.combine(path, old, new)?;
            return Ok((!inner.is_empty()).then_some(Value::Object(inner)));
        }
        let picked = match action {
            "AlwaysUseProvided" => provided,
            "PreferExisting" => existing.or(provided),
            _ => provided.or(existing),
        };
        Ok(picked.cloned())
    }

    fn pick_list(
        &self,
        path: &str,
        name: &str,
        existing: Option<&Value>,
        provided: Option<&Value>,
    ) -> Result<Option<Value>, Problem> {
        let items =
            |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
        let action = self.list_action(path);
        if action == "Replace" {
            let keep = provided.is_none() && self.action(path) != "AlwaysUseProvided";
            return Ok(if keep { existing.cloned() } else { provided.cloned() });
        }
        let mut all = items(existing);
        for item in items(provided) {
            if !all.contains(&item) {
                all.push(item);
            }
        }
        if all.len() > MAX_LIST && action == "Extend" {
            let why = format!("The field {name} has at most {MAX_LIST} entries.");
            return Err(Problem::bad_request(why).at("max.size", name));
        }
        all.truncate(MAX_LIST);
        Ok((!all.is_empty()).then_some(Value::Array(all)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::super::problem::Problem;
    use super::super::super::world::{Expand, Source, World};
    use super::super::fields::Fields;
    use super::super::{Contact, ContactType};
    use super::enrich;

    fn world() -> World {
        let mut world = World::new(1, 0);
        let source = Source { name: "CRM".into(), active: true, uri_template: None, sequence: 1 };
        world.sources.0.insert("crm".into(), source);
        world
    }

    fn id(value: &str) -> Value {
        json!({ "type": "ExternalId", "value": value, "externalSource": { "id": "crm" } })
    }

    fn phone(value: &str) -> Value {
        json!({ "type": "Phone", "value": value })
    }

    fn run(
        world: &mut World,
        action: &str,
        matching: &[Value],
        contact: Value,
        more: Value,
    ) -> Result<(Contact, u16), Problem> {
        let mut body =
            json!({ "action": action, "matchingIdentifiers": matching, "contact": contact });
        for (name, value) in more.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        enrich(world, &body, false, 1)
    }

    fn ada() -> Value {
        json!({
            "firstName": "Ada",
            "cellPhone": { "display": "+15550199999" },
            "externalIds": [{ "externalSource": { "id": "crm" }, "value": "003" }],
        })
    }

    #[test]
    fn the_same_upsert_twice_leaves_one_contact() {
        let mut world = world();
        let (first, created) =
            run(&mut world, "Upsert", &[id("003")], ada(), json!({})).expect("created");
        let (second, updated) =
            run(&mut world, "Upsert", &[id("003")], ada(), json!({})).expect("updated");
        assert_eq!((created, updated), (201, 200));
        assert_eq!(first.id, second.id);
        assert_eq!(
            (world.contacts.all().count(), second.fields["externalIds"].as_array().map(Vec::len)),
            (1, Some(1))
        );
    }

    #[test]
    fn actions_differ_in_what_they_do_with_what_is_found() {
        let mut world = world();
        let none = run(&mut world, "Update", &[id("003")], ada(), json!({}));
        assert!(none.is_err_and(|problem| problem.status == 404));
        assert!(
            run(&mut world, "Insert", &[id("003")], ada(), json!({}))
                .is_ok_and(|(_, status)| status == 201)
        );
        let found = run(&mut world, "Insert", &[id("003")], ada(), json!({}));
        assert!(found.is_err_and(|problem| problem.status == 409));
        assert!(
            run(&mut world, "Update", &[id("003")], ada(), json!({}))
                .is_ok_and(|(_, status)| status == 200)
        );
    }

    #[test]
    fn identifiers_match_in_the_order_given() {
        let mut world = world();
        let (by_phone, _) = run(
            &mut world,
            "Insert",
            &[phone("+15550190001")],
            json!({ "homePhone": { "display": "+15550190001" } }),
            json!({}),
        )
        .expect("created");
        let (by_id, _) =
            run(&mut world, "Insert", &[id("003")], ada(), json!({})).expect("created");
        let both = [phone("+1 555 019 0001"), id("003")];
        let (hit, _) = run(&mut world, "Upsert", &both, json!({}), json!({})).expect("updated");
        assert_eq!(hit.id, by_phone.id);
        let (hit, _) = run(&mut world, "Upsert", &[id("unknown"), id("003")], json!({}), json!({}))
            .expect("updated");
        assert_eq!(hit.id, by_id.id);
    }

    #[test]
    fn merge_makes_one_of_all_that_match() {
        let mut world = world();
        let (one, _) = run(
            &mut world,
            "Insert",
            &[phone("+15550190001")],
            json!({ "homePhone": { "display": "+15550190001" } }),
            json!({}),
        )
        .expect("created");
        let (two, _) = run(&mut world, "Insert", &[id("003")], ada(), json!({})).expect("created");
        let (merged, status) = run(
            &mut world,
            "Merge",
            &[id("003"), phone("+15550190001")],
            json!({ "title": "Countess" }),
            json!({}),
        )
        .expect("merged");
        assert_eq!(status, 200);
        assert_eq!(merged.fields["title"], "Countess");
        assert_eq!(merged.held.len(), 3);
        for old in [one.id, two.id] {
            assert_eq!(world.contacts.resolve(&old).expect("redirected").id, merged.id);
        }
    }

    #[test]
    fn a_phone_held_by_a_caller_the_platform_made_stays_there_unless_matched() {
        let mut world = world();
        let fields: Fields =
            json!({ "otherPhone": { "display": "+15550199999", "e164": "+15550199999" } })
                .as_object()
                .cloned()
                .expect("an object");
        let made = world.contacts.draft("made".into(), "*", ContactType::Identified, fields, 1);
        world.contacts.put(made, 1);
        let (created, status) =
            run(&mut world, "Upsert", &[id("003")], ada(), json!({})).expect("created");
        assert_eq!((status, created.held.len()), (201, 1));
        let promote = json!({ "options": { "promote": true } });
        let (hit, status) = run(
            &mut world,
            "Upsert",
            &[phone("+15550199999")],
            json!({ "firstName": "Ada" }),
            promote,
        )
        .expect("updated");
        assert_eq!((hit.id.as_str(), status, hit.kind), ("made", 200, ContactType::Curated));
    }

    #[test]
    fn rules_say_which_value_wins() {
        let cases = [
            ("PreferProvided", json!({ "firstName": "Eve" }), Some("Eve")),
            ("PreferProvided", json!({}), Some("Ada")),
            ("PreferExisting", json!({ "firstName": "Eve" }), Some("Ada")),
            ("AlwaysUseProvided", json!({ "firstName": null }), None),
        ];
        for (action, contact, expected) in cases {
            let mut world = world();
            run(&mut world, "Insert", &[id("003")], ada(), json!({})).expect("created");
            let rules =
                json!({ "fieldRules": { "defaultAction": action, "defaultArrayAction": "Fill" } });
            let (hit, _) =
                run(&mut world, "Update", &[id("003")], contact, rules).expect("updated");
            assert_eq!(hit.fields.get("firstName").and_then(Value::as_str), expected, "{action}");
        }
    }

    #[test]
    fn a_rule_of_a_field_beats_the_default() {
        let mut world = world();
        let start = json!({ "firstName": "Ada", "title": "Miss", "address": { "city": "London", "state": "E" } });
        let matching = [phone("+15550199999")];
        let mut with_phone = start.clone();
        with_phone["cellPhone"] = json!({ "display": "+15550199999" });
        run(&mut world, "Insert", &matching, with_phone, json!({})).expect("created");
        let rules = json!({ "fieldRules": { "rules": [
            { "field": "$.title", "action": "PreferExisting" },
            { "field": "$.address.city", "action": "PreferExisting" },
        ] } });
        let new = json!({ "firstName": "Eve", "title": "Countess", "address": { "city": "Paris", "state": "F" } });
        let (hit, _) = run(&mut world, "Update", &matching, new, rules).expect("updated");
        assert_eq!(hit.fields["firstName"], "Eve");
        assert_eq!(hit.fields["title"], "Miss");
        assert_eq!(hit.fields["address"], json!({ "city": "London", "state": "F" }));
    }

    #[test]
    fn lists_are_filled_extended_or_replaced() {
        let ids = |from: usize, to: usize| -> Value {
            (from..to)
                .map(|n| json!({ "externalSource": { "id": "crm" }, "value": n.to_string() }))
                .collect()
        };
        for (action, expected) in [("Fill", Some(10)), ("Extend", None), ("Replace", Some(8))] {
            let mut world = world();
            run(&mut world, "Insert", &[id("0")], json!({ "externalIds": ids(0, 6) }), json!({}))
                .expect("created");
            let rules = json!({ "fieldRules": { "defaultArrayAction": action } });
            let result =
                run(&mut world, "Update", &[id("0")], json!({ "externalIds": ids(6, 14) }), rules);
            let many =
                result.ok().and_then(|(hit, _)| hit.fields["externalIds"].as_array().map(Vec::len));
            assert_eq!(many, expected, "{action}");
        }
    }

    #[test]
    fn a_dry_run_changes_nothing() {
        let mut world = world();
        let body =
            json!({ "action": "Upsert", "matchingIdentifiers": [id("003")], "contact": ada() });
        let (would_be, status) = enrich(&mut world, &body, true, 1).expect("planned");
        assert_eq!((status, would_be.fields["firstName"].as_str()), (201, Some("Ada")));
        assert_eq!(world.contacts.all().count(), 0);
        assert!(world.lookup(&id("003")).is_err());
        assert_eq!(world.render(&would_be, Expand::default())["type"], "Curated");
    }

    #[test]
    fn what_is_no_enrich_request_is_refused() {
        let mut world = world();
        let many: Vec<Value> = (0..26).map(|n| id(&n.to_string())).collect();
        let cases = [
            json!({ "action": "Upsert", "matchingIdentifiers": [] }),
            json!({ "action": "Upsert", "matchingIdentifiers": many }),
            json!({ "action": "Replace", "matchingIdentifiers": [id("1")] }),
            json!({ "matchingIdentifiers": [id("1")] }),
            json!({ "action": "Upsert", "matchingIdentifiers": [phone("555 019 9999")] }),
            json!({ "action": "Upsert", "matchingIdentifiers": [{ "type": "ExternalId", "value": "1" }] }),
            json!({ "action": "Upsert", "matchingIdentifiers": [id("1")], "contact": { "workEmail": "nobody" } }),
            json!({ "action": "Upsert", "matchingIdentifiers": [id("1")], "fieldRules": { "rules": [{ "field": "$.externalIds[0]" }] } }),
        ];
        for body in cases {
            let refused = enrich(&mut world, &body, false, 1);
            assert!(refused.is_err_and(|problem| problem.status == 400), "{body}");
        }
        assert_eq!(world.contacts.all().count(), 0);
    }
}
