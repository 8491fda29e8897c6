//! What written fields stand for, in the platform's own paths. Pure.
//!
//! Most are the platform's own. The id under our External Source is one entry of a list
//! whose others stay; a contact's organization is named by the platform's id; a custom
//! field needs the schema that has it.

use super::super::mapping::Source;
use super::forms::PHONES;
use super::schemas::{Schema, holding};
use super::{CLOSED, CUSTOM, EXTERNAL_ID, EXTERNAL_IDS, ORGANIZATION_ID};
use kit::{Error, Fields};
use serde_json::{Value, json};
use std::collections::HashMap;

/// What is known beyond the entity.
#[derive(Default)]
pub(super) struct Beyond {
    pub(super) source: Option<Source>,
    /// The platform's ids of organizations, by the other system's.
    pub(super) organizations: HashMap<String, Result<String, Error>>,
    pub(super) schemas: Vec<Schema>,
}

/// A path of the platform's, and what it shall hold; `None` removes.
pub(super) type Set = (String, Option<Value>);

impl Beyond {
    /// What the fields are for this entity, as it is now (empty where it is yet to be made).
    ///
    /// # Errors
    /// `Invalid` naming a field that cannot be this; what came of asking for its organization.
    pub(super) fn sets(&self, entity: &Value, fields: &Fields) -> Result<Vec<Set>, Error> {
        let mut sets = Vec::with_capacity(fields.len());
        let mut custom = Vec::new();
        for (path, value) in fields {
            match path.as_str() {
                EXTERNAL_ID => sets.push(self.ids(entity, value)?),
                ORGANIZATION_ID => sets.push(self.organization(value)?),
                path => {
                    let key = path.strip_prefix(CUSTOM).and_then(|rest| rest.strip_prefix('.'));
                    custom.extend(key.filter(|_| !value.is_null()));
                    let value = Some(value.clone()).filter(|value| !value.is_null());
                    sets.push((path.to_owned(), value.map(|value| as_typed(path, value))));
                }
            }
        }
        if !custom.is_empty() && !fields.contains_key("schema") {
            sets.extend(self.schema(entity, &custom)?);
        }
        Ok(sets)
    }

    /// The list of ids with ours set or taken out.
    fn ids(&self, entity: &Value, value: &Value) -> Result<Set, Error> {
        let source = self.source.as_ref();
        let source = source.ok_or_else(|| Error::protocol("no External Source was asked for"))?;
        let all = entity.get(EXTERNAL_IDS).and_then(Value::as_array);
        let mut all = all.cloned().unwrap_or_default();
        all.retain(|id| id["externalSource"]["id"] != source.id.as_str());
        if !value.is_null() {
            let value = text(EXTERNAL_ID, value)?;
            all.push(json!({ "externalSource": source.reference(), "value": value }));
        }
        // An empty list is not what a contact without ids has.
        Ok((EXTERNAL_IDS.to_owned(), Some(Value::Array(all)).filter(|all| *all != json!([]))))
    }

    fn organization(&self, value: &Value) -> Result<Set, Error> {
        let field = "externalOrganization".to_owned();
        if value.is_null() {
            return Ok((field, None));
        }
        let id = self.organizations.get(text(ORGANIZATION_ID, value)?);
        let id = id.ok_or_else(|| Error::protocol("an organization that was not asked for"))?;
        Ok((field, Some(json!({ "id": id.clone()? }))))
    }

    /// The schema that the entity needs for these custom fields, where it has not it yet.
    fn schema(&self, entity: &Value, keys: &[&str]) -> Result<Option<Set>, Error> {
        let own = entity.pointer("/schema/id").and_then(Value::as_str);
        let schema = match own {
            Some(own) => self.schemas.iter().find(|schema| schema.id == own),
            None => holding(&self.schemas, keys),
        };
        let missing = keys.iter().find(|key| !schema.is_some_and(|s| s.keys.contains(**key)));
        if let Some(key) = missing {
            return Err(Error::Invalid {
                field: Some(format!("{CUSTOM}.{key}")),
                reason: match own {
                    Some(_) => "the schema that it has does not know this custom field",
                    None => "no enabled schema has this custom field",
                }
                .to_owned(),
            });
        }
        let version = entity.pointer("/schema/version").and_then(Value::as_u64);
        let is_new_enough = |schema: &&Schema| own.is_none() || version < Some(schema.version);
        let needed = schema.filter(is_new_enough);
        let set = |schema: &Schema| json!({ "id": schema.id, "version": schema.version });
        Ok(needed.map(|schema| ("schema".to_owned(), Some(set(schema)))))
    }
}

fn text<'a>(field: &str, value: &'a Value) -> Result<&'a str, Error> {
    value.as_str().filter(|text| !text.is_empty()).ok_or_else(|| Error::Invalid {
        field: Some(field.to_owned()),
        reason: "is a text".to_owned(),
    })
}

/// A phone as somebody typed it: of what is written the platform reads `display` alone, and
/// takes that for what was typed, so that its own rewriting would be taken for a person's.
fn as_typed(field: &str, mut value: Value) -> Value {
    let typed = value.get("userInput").and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(typed) = typed.filter(|_| PHONES.contains(&field)).map(str::to_owned) {
        value["display"] = typed.into();
    }
    value
}

/// Puts what is set into an entity, at `field` or `field.part`.
pub(super) fn put(entity: &mut Value, sets: Vec<Set>) {
    for (path, value) in sets {
        let (field, part) = match path.split_once('.') {
            Some((field, part)) => (field, Some(part)),
            None => (path.as_str(), None),
        };
        match (part, value) {
            (None, Some(value)) => entity[field] = value,
            (Some(part), Some(value)) => {
                if !entity[field].is_object() {
                    entity[field] = json!({});
                }
                entity[field][part] = value;
            }
            (part, None) => {
                let within = match part {
                    Some(_) => entity.get_mut(field),
                    None => Some(&mut *entity),
                };
                if let Some(within) = within.and_then(Value::as_object_mut) {
                    within.remove(part.unwrap_or(field));
                }
            }
        }
    }
}

/// The entity as it is sent back whole: all but what the platform sets itself. What is
/// unknown here goes back as it came, or it would be lost (invariant 7).
pub(super) fn writable(entity: &Value) -> Value {
    let mut whole = entity.clone();
    if let Some(fields) = whole.as_object_mut() {
        fields.retain(|name, _| name == "id" || !CLOSED.contains(&name.as_str()));
        // References come back with addresses, which are no part of what is written.
        for ids in fields.get_mut(EXTERNAL_IDS).and_then(Value::as_array_mut).into_iter().flatten()
        {
            strip(ids.get_mut("externalSource"));
        }
        strip(fields.get_mut("externalOrganization"));
        strip(fields.get_mut("schema"));
        for field in PHONES {
            if let Some(phone) = fields.get_mut(field) {
                *phone = as_typed(field, phone.take());
            }
        }
    }
    whole
}

/// A reference as its id and, where it has one, its version.
fn strip(reference: Option<&mut Value>) {
    if let Some(reference) = reference.and_then(Value::as_object_mut) {
        reference.retain(|name, _| matches!(name.as_str(), "id" | "name" | "version"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::mapping::Source;
    use super::super::schemas::Schema;
    use super::{Beyond, put, writable};
    use kit::{Error, Fields};
    use serde_json::{Value, json};

    fn beyond() -> Beyond {
        let unknown =
            Error::Invalid { field: Some("externalOrganization".into()), reason: "".into() };
        Beyond {
            source: Some(Source { id: "s".into(), name: "CRM".into() }),
            organizations: [
                ("001".to_owned(), Ok("o".to_owned())),
                ("009".to_owned(), Err(unknown)),
            ]
            .into(),
            schemas: vec![Schema {
                id: "x".into(),
                name: "Contact".into(),
                version: 3,
                keys: ["tags_tag".to_owned(), "tier_text".to_owned()].into(),
            }],
        }
    }

    fn written(entity: Value, fields: Value) -> Result<Value, String> {
        let fields: Fields = fields.as_object().cloned().expect("fields");
        let sets = beyond().sets(&entity, &fields).map_err(|error| error.to_string())?;
        let mut whole = writable(&entity);
        put(&mut whole, sets);
        Ok(whole)
    }

    #[test]
    fn what_nobody_mapped_goes_back_as_it_came() {
        let entity = json!({
            "id": "1", "type": "Curated", "modifyDate": "2026", "selfUri": "/x",
            "title": "old", "unheardOf": { "a": [1] },
            "externalOrganization": { "id": "o", "selfUri": "/o" },
            "schema": { "id": "x", "version": 3 }, "customFields": { "other_text": "stays" },
        });
        let whole = written(entity, json!({ "title": null, "customFields.tier_text": "Gold" }));
        let expected = json!({
            "id": "1", "unheardOf": { "a": [1] }, "externalOrganization": { "id": "o" },
            "schema": { "id": "x", "version": 3 },
            "customFields": { "other_text": "stays", "tier_text": "Gold" },
        });
        assert_eq!(whole, Ok(expected));
    }

    #[test]
    fn a_phone_goes_back_as_it_was_typed() {
        let typed = json!({ "display": "+1 555-019-9999", "userInput": "555 019 9999",
            "e164": "+15550199999" });
        let back = json!({ "display": "555 019 9999", "userInput": "555 019 9999",
            "e164": "+15550199999" });
        let entity = json!({ "cellPhone": typed, "workPhone": { "display": "+15550190000" } });
        let whole = written(entity, json!({ "workPhone": typed }));
        assert_eq!(whole, Ok(json!({ "cellPhone": back, "workPhone": back })));
    }

    #[test]
    fn our_id_is_set_beside_those_of_others() {
        let other = json!({ "externalSource": { "id": "other" }, "value": "7" });
        let entity = json!({ "externalIds": [
            other, { "externalSource": { "id": "s" }, "value": "old" },
        ] });
        let own = json!({ "externalSource": { "id": "s", "name": "CRM" }, "value": "new" });
        assert_eq!(
            written(entity.clone(), json!({ "externalId": "new" })),
            Ok(json!({ "externalIds": [other, own] }))
        );
        let without = written(entity, json!({ "externalId": null }));
        assert_eq!(without, Ok(json!({ "externalIds": [other] })));
        let alone = json!({ "externalIds": [own] });
        assert_eq!(written(alone, json!({ "externalId": null })), Ok(json!({})));
    }

    #[test]
    fn an_organization_is_named_by_the_platforms_id_or_the_field_is_told() {
        let field = "externalOrganization.externalId";
        assert_eq!(
            written(json!({}), json!({ field: "001" })),
            Ok(json!({ "externalOrganization": { "id": "o" } }))
        );
        let gone =
            written(json!({ "externalOrganization": { "id": "o" } }), json!({ field: null }));
        assert_eq!(gone, Ok(json!({})));
        let refused = written(json!({}), json!({ field: "009" })).expect_err("unknown");
        assert!(refused.contains("externalOrganization"), "{refused}");
    }

    #[test]
    fn a_custom_field_brings_its_schema() {
        let custom = json!({ "customFields.tags_tag": ["vip"] });
        let with = |version: u64| json!({ "id": "x", "version": version });
        let values = json!({ "tags_tag": ["vip"] });
        for before in [json!({}), json!({ "schema": with(1) }), json!({ "schema": with(3) })] {
            let expected = json!({ "schema": with(3), "customFields": values });
            assert_eq!(written(before, custom.clone()), Ok(expected));
        }
        for (before, key) in [
            (json!({}), "customFields.none_text"),
            (json!({ "schema": { "id": "another", "version": 1 } }), "customFields.tags_tag"),
        ] {
            let refused = written(before, json!({ key: "x" })).expect_err("unknown");
            assert!(refused.contains(key), "{refused}");
        }
    }
}
