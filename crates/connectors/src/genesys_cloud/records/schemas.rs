//! Where custom fields are: the schemas of contacts and organizations.
//!
//! A property's key ends in its core type (`tags_tag`, `tier_text`), and all custom fields
//! of one entity are of one schema. What a map needs and no schema has is put into the one
//! that has most of it already, or into a new one; nothing is ever taken out.
//!
//! Source: the platform's API description (`DataSchema`, `Coretype`). The form of a property
//! is that of the exports of its schemas, and was not tried on a live organization.

use super::super::client::Send;
use super::{CUSTOM, Object, Records};
use kit::Error;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The schema that is made where there is none.
const NAME: &str = "Tieline";
/// Core types, by how their keys end; longer ones first where one ends in another.
pub(super) const CORE_TYPES: [&str; 11] = [
    "longtext",
    "text",
    "url",
    "identifier",
    "enum",
    "datetime",
    "date",
    "integer",
    "number",
    "checkbox",
    "tag",
];

/// One schema that is enabled.
#[derive(Debug, Clone)]
pub(super) struct Schema {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) version: u64,
    pub(super) keys: BTreeSet<String>,
}

/// Those that were read, by object.
#[derive(Default)]
pub(super) struct Schemas(Mutex<BTreeMap<&'static str, Vec<Schema>>>);

impl Schemas {
    fn known(&self) -> MutexGuard<'_, BTreeMap<&'static str, Vec<Schema>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads them anew next time.
    pub(super) fn forget(&self) {
        self.known().clear();
    }
}

/// The one that has most of these keys; of equals the first by name.
pub(super) fn holding<'a>(schemas: &'a [Schema], keys: &[&str]) -> Option<&'a Schema> {
    let held = |schema: &Schema| keys.iter().filter(|key| schema.keys.contains(**key)).count();
    let mut all: Vec<&Schema> = schemas.iter().collect();
    all.sort_by(|one, two| (held(two), &one.name).cmp(&(held(one), &two.name)));
    all.first().copied()
}

/// The core type of a key.
pub(super) fn core_type(key: &str) -> Option<&'static str> {
    let (name, end) = key.rsplit_once('_')?;
    CORE_TYPES.into_iter().find(|known| *known == end && !name.is_empty())
}

impl Records {
    /// The enabled schemas of an object; read once, until somebody has them forgotten.
    ///
    /// # Errors
    /// Any [`Error`].
    pub(super) async fn schemas(&self, object: Object) -> Result<Vec<Schema>, Error> {
        let known = self.schemas.known().get(object.path()).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let read: Vec<Schema> = self.listed(object).await?.iter().filter_map(schema).collect();
        self.schemas.known().insert(object.path(), read.clone());
        Ok(read)
    }

    async fn listed(&self, object: Object) -> Result<Vec<Value>, Error> {
        let path = format!("externalcontacts/{}/schemas", object.path());
        let mut listing = self.platform.client.send(Send::Get(&[]), &path).await?.json()?;
        match listing.get_mut("entities").map(Value::take) {
            Some(Value::Array(all)) => Ok(all),
            _ => Err(Error::protocol("a listing without entities")),
        }
    }

    /// Makes the custom fields among these that no enabled schema has.
    ///
    /// # Errors
    /// `Invalid` naming a key whose end is no core type; any [`Error`].
    pub(super) async fn prepare_custom(
        &self,
        object: Object,
        fields: &[String],
    ) -> Result<Vec<String>, Error> {
        let key = |field: &'_ String| -> Option<String> {
            field.strip_prefix(CUSTOM)?.strip_prefix('.').map(str::to_owned)
        };
        let keys: Vec<String> = fields.iter().filter_map(key).collect();
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let all = self.listed(object).await?;
        let read: Vec<Schema> = all.iter().filter_map(schema).collect();
        let wanted: Vec<&str> = keys.iter().map(String::as_str).collect();
        let into = holding(&read, &wanted);
        let has = |key: &&&str| into.is_some_and(|schema| schema.keys.contains(**key));
        let missing: Vec<&str> = wanted.iter().filter(|key| !has(key)).copied().collect();
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let mut properties = Map::new();
        for key in &missing {
            properties.insert((*key).to_owned(), self.property(object, key).await?);
        }
        self.schemas.forget();
        let path = format!("externalcontacts/{}/schemas", object.path());
        let name = match into {
            None => {
                let body = made(properties);
                self.platform.client.send(Send::Post(&body), &path).await?;
                NAME
            }
            Some(schema) => {
                let whole = all.iter().find(|one| one["id"] == schema.id.as_str());
                let body = changed(whole.unwrap_or(&Value::Null), properties);
                let path = format!("{path}/{}", schema.id);
                self.platform.client.send(Send::Put(&body), &path).await?;
                &schema.name
            }
        };
        let told = |key: &&str| format!("custom field {key} of {} (schema {name})", object.path());
        Ok(missing.iter().map(told).collect())
    }

    /// A property of this key, as wide as the platform allows.
    async fn property(&self, object: Object, key: &str) -> Result<Value, Error> {
        let kind = core_type(key).ok_or_else(|| Error::Invalid {
            field: Some(format!("{CUSTOM}.{key}")),
            reason: format!("ends in none of the core types _{}", CORE_TYPES.join(", _")),
        })?;
        let path = format!("externalcontacts/{}/schemas/coretypes/{kind}", object.path());
        let core = self.platform.client.send(Send::Get(&[]), &path).await?.json()?;
        let title = key.strip_suffix(kind).and_then(|rest| rest.strip_suffix('_')).unwrap_or(key);
        let mut property = json!({
            "allOf": [{ "$ref": format!("#/definitions/{kind}") }],
            "title": title,
            "description": "Kept the same as in the CRM by Tieline",
        });
        for (limits, into) in [("validationLimits", None), ("itemValidationLimits", Some("items"))]
        {
            for (bound, end) in [
                ("minLength", "min"),
                ("maxLength", "max"),
                ("minItems", "min"),
                ("maxItems", "max"),
                ("minimum", "min"),
                ("maximum", "max"),
            ] {
                let told = core.pointer(&format!("/{limits}/{bound}/{end}"));
                let Some(told) = told.filter(|told| told.is_number()) else { continue };
                match into {
                    Some(into) => property[into][bound] = told.clone(),
                    None => property[bound] = told.clone(),
                }
            }
        }
        Ok(property)
    }
}

fn made(properties: Map<String, Value>) -> Value {
    json!({
        "name": NAME,
        "version": 1,
        "enabled": true,
        "jsonSchema": {
            "$schema": "http://json-schema.org/draft-04/schema#",
            "title": NAME,
            "description": "Custom fields that a sync keeps",
            "type": "object",
            "properties": properties,
        },
    })
}

/// A schema with further properties; its version says which one was seen.
fn changed(schema: &Value, properties: Map<String, Value>) -> Value {
    let mut document = schema["jsonSchema"].clone();
    for (key, property) in properties {
        document["properties"][key] = property;
    }
    json!({
        "id": schema["id"],
        "name": schema["name"],
        "version": schema["version"],
        "enabled": true,
        "jsonSchema": document,
    })
}

fn schema(entity: &Value) -> Option<Schema> {
    let text = |key: &str| entity.get(key).and_then(Value::as_str).map(str::to_owned);
    let keys = entity.pointer("/jsonSchema/properties")?.as_object()?.keys().cloned().collect();
    let schema =
        Schema { id: text("id")?, name: text("name")?, version: entity["version"].as_u64()?, keys };
    (entity["enabled"] != false).then_some(schema)
}

#[cfg(test)]
mod tests {
    use super::{Schema, core_type, holding};

    #[test]
    fn a_key_ends_in_its_core_type() {
        for (key, expected) in [
            ("tags_tag", Some("tag")),
            ("customer_type_text", Some("text")),
            ("notes_longtext", Some("longtext")),
            ("since_datetime", Some("datetime")),
            ("_tag", None),
            ("tags", None),
            ("tags_tags", None),
        ] {
            assert_eq!(core_type(key), expected, "{key}");
        }
    }

    #[test]
    fn the_schema_with_most_of_the_keys_is_taken() {
        let schema = |name: &str, keys: &[&str]| Schema {
            id: name.to_lowercase(),
            name: name.to_owned(),
            version: 1,
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        };
        let all = [schema("B", &["a_text"]), schema("C", &["a_text", "b_text"]), schema("A", &[])];
        let taken = |keys: &[&str]| holding(&all, keys).map(|schema| schema.name.as_str());
        assert_eq!(taken(&["a_text", "b_text"]), Some("C"));
        assert_eq!(taken(&["a_text"]), Some("B"));
        assert_eq!(taken(&["z_text"]), Some("A"));
        assert!(holding(&[], &["a_text"]).is_none());
    }
}
