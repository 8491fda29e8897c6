//! Keeps the schemas of custom fields, every version of each, and judges values by them.
//!
//! A property's key ends in its core type. What each core type takes is the API
//! description's words read plainly; how long a text may be is a number of ours, given out
//! by the core types themselves, for the vendor's is not to be had.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::problem::Problem;

/// Name, JSON types, bounds of it and of the items in it.
type Core = (&'static str, &'static [&'static str], Option<u64>, Option<u64>);

const CORE_TYPES: [Core; 11] = [
    ("text", &["string"], Some(256), None),
    ("longtext", &["string"], Some(1000), None),
    ("url", &["string"], Some(1000), None),
    ("identifier", &["string"], Some(100), None),
    ("enum", &["string"], None, None),
    ("date", &["string"], None, None),
    ("datetime", &["string"], None, None),
    ("integer", &["integer"], None, None),
    ("number", &["number", "integer"], None, None),
    ("checkbox", &["boolean"], None, None),
    ("tag", &["array"], Some(20), Some(100)),
];

/// Versions by the schema's id, the first one first.
#[derive(Debug, Default)]
pub(crate) struct Schemas(BTreeMap<String, Vec<Value>>);

impl Schemas {
    /// Every schema at its latest version.
    pub(crate) fn all(&self) -> Vec<&Value> {
        self.0.values().filter_map(|versions| versions.last()).collect()
    }

    pub(crate) fn latest(&self, id: &str) -> Result<&Value, Problem> {
        self.0.get(id).and_then(|versions| versions.last()).ok_or_else(Problem::not_found)
    }

    /// A new one, version 1.
    pub(crate) fn add(&mut self, id: &str, schema: Value) {
        self.0.insert(id.to_owned(), vec![schema]);
    }

    /// The next version; 409 unless the one before was seen.
    pub(crate) fn change(
        &mut self,
        id: &str,
        seen: Option<u64>,
        schema: Value,
    ) -> Result<(), Problem> {
        let versions = self.0.get_mut(id).ok_or_else(Problem::not_found)?;
        if seen != Some(versions.len() as u64) {
            return Err(Problem::conflict("The version does not match the current version."));
        }
        versions.push(schema);
        Ok(())
    }

    /// 400 when custom fields come without a known schema, name fields it has not, or hold
    /// what their core type does not take.
    pub(crate) fn check(&self, fields: &Map<String, Value>) -> Result<(), Problem> {
        let Some(Value::Object(custom)) = fields.get("customFields") else {
            return Ok(());
        };
        let refuse =
            |why: &str| Err(Problem::bad_request(why).at("invalid.schema", "customFields"));
        let reference = fields.get("schema").unwrap_or(&Value::Null);
        let versions = reference["id"].as_str().and_then(|id| self.0.get(id));
        let schema = versions.and_then(|versions| match reference["version"].as_u64() {
            Some(version) => versions.get(usize::try_from(version).ok()?.checked_sub(1)?),
            None => versions.last(),
        });
        let Some(schema) = schema else {
            return refuse("Custom fields need a schema that exists.");
        };
        let known = &schema["jsonSchema"]["properties"];
        for (name, value) in custom {
            if known.get(name.as_str()).is_none() {
                return refuse(&format!("The schema has no field {name}."));
            }
            if !fits(name, value) {
                let field = format!("customFields.{name}");
                let why = format!("The value of {name} does not fit its core type.");
                return Err(Problem::bad_request(why).at("invalid.value", &field));
            }
        }
        Ok(())
    }
}

/// The core type that a key ends in.
fn core(key: &str) -> Option<&'static Core> {
    let (name, end) = key.rsplit_once('_')?;
    CORE_TYPES.iter().find(|(known, ..)| *known == end && !name.is_empty())
}

fn fits(key: &str, value: &Value) -> bool {
    let Some((_, kinds, most, each)) = core(key) else { return false };
    let within = |size: usize, most: &Option<u64>| most.is_none_or(|most| size as u64 <= most);
    match value {
        Value::String(text) => kinds.contains(&"string") && within(text.chars().count(), most),
        Value::Bool(_) => kinds.contains(&"boolean"),
        Value::Number(number) => {
            kinds.contains(&if number.is_f64() { "number" } else { "integer" })
        }
        Value::Array(items) => {
            let text =
                |item: &Value| item.as_str().is_some_and(|t| within(t.chars().count(), each));
            kinds.contains(&"array") && within(items.len(), most) && items.iter().all(text)
        }
        _ => false,
    }
}

/// 400 unless every property has a key of a core type, and refers to that one.
pub(crate) fn check_document(document: &Value) -> Result<(), Problem> {
    let properties = document["properties"].as_object().ok_or_else(|| {
        Problem::bad_request("The field jsonSchema is required.").at("field.required", "jsonSchema")
    })?;
    for (key, property) in properties {
        let refers = property.pointer("/allOf/0/$ref").and_then(Value::as_str);
        let is_one = core(key).is_some_and(|(name, ..)| {
            refers.is_none_or(|refers| refers == format!("#/definitions/{name}"))
        });
        if !is_one {
            let why = format!("The field {key} is of no core type.");
            return Err(Problem::bad_request(why).at("invalid.schema", "jsonSchema.properties"));
        }
    }
    Ok(())
}

/// The vendor's `Coretype`s.
pub(crate) fn core_types() -> Vec<Value> {
    let bounds = |most: u64| json!({ "min": 0, "max": most });
    let each = |(name, kinds, most, items): &Core| {
        let mut core = json!({
            "name": name,
            "version": 1,
            "current": true,
            "schema": { "title": name, "type": kinds },
        });
        if let Some(most) = most {
            let (least, largest) = match items {
                Some(_) => ("minItems", "maxItems"),
                None => ("minLength", "maxLength"),
            };
            core["validationFields"] = json!([least, largest]);
            core["validationLimits"] = json!({ least: bounds(*most), largest: bounds(*most) });
        }
        if let Some(items) = items {
            core["itemValidationFields"] = json!(["minLength", "maxLength"]);
            core["itemValidationLimits"] =
                json!({ "minLength": bounds(*items), "maxLength": bounds(*items) });
        }
        core
    };
    CORE_TYPES.iter().map(each).collect()
}

#[cfg(test)]
mod tests {
    use super::{check_document, fits};
    use serde_json::json;

    #[test]
    fn a_value_fits_the_core_type_that_its_key_ends_in() {
        for (key, value, expected) in [
            ("tier_text", json!("Gold"), true),
            ("tier_text", json!(7), false),
            ("tags_tag", json!(["a", "b"]), true),
            ("tags_tag", json!(["a", 7]), false),
            ("tags_tag", json!("a"), false),
            ("score_number", json!(7.5), true),
            ("score_integer", json!(7.5), false),
            ("vip_checkbox", json!(true), true),
            ("vip", json!(true), false),
        ] {
            assert_eq!(fits(key, &value), expected, "{key} {value}");
        }
    }

    #[test]
    fn a_property_refers_to_its_own_core_type() {
        let document = |key: &str, core: &str| {
            let refers = json!([{ "$ref": format!("#/definitions/{core}") }]);
            json!({ "properties": { key: { "allOf": refers } } })
        };
        assert!(check_document(&document("tags_tag", "tag")).is_ok());
        assert!(check_document(&document("tags_tag", "text")).is_err());
        assert!(check_document(&document("tags", "tag")).is_err());
    }
}
