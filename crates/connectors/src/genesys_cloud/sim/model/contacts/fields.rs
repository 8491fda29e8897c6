//! Turns an `ExternalContact` that somebody wrote into what the platform stores.
//!
//! Texts are trimmed, empty and null mean absent, lengths and e-mail forms are
//! checked, phones are normalised, external sources resolved to their ids.
//! Read-only properties and unknown ones are passed over, as the vendor does
//! with what its own read answers contain.

use serde_json::{Map, Value, json};

use super::super::problem::Problem;
use super::super::schemas::Schemas;
use super::super::world::Sources;
use super::identifiers::{EMAIL_FIELDS, PHONE_FIELDS};
use super::phones;

/// Fields as stored: only what is set, each in its stored form.
pub(crate) type Fields = Map<String, Value>;

/// Most external ids, and most Apple ids, that one contact can have.
pub(crate) const MAX_LIST: usize = 10;

/// The lists among the fields: `fieldRules.arrayAction` and collection patches apply to these.
pub(crate) const LISTS: [&str; 2] = ["externalIds", "appleOpaqueIds"];

const TEXTS: [(&str, usize); 6] = [
    ("firstName", 1000),
    ("middleName", 1000),
    ("lastName", 1000),
    ("salutation", 1000),
    ("title", 1000),
    ("externalSystemUrl", 1000),
];

const ADDRESS: [(&str, usize); 6] = [
    ("address1", 200),
    ("address2", 200),
    ("city", 100),
    ("state", 50),
    ("postalCode", 25),
    ("countryCode", 25),
];

/// Objects that are stored as written: no identity of ours depends on their inside.
const OBJECTS: [&str; 5] =
    ["twitterId", "lineId", "facebookId", "instagramId", "externalOrganization"];

/// Every field a writer may set, for patches and rules.
pub(crate) fn is_writable(name: &str) -> bool {
    TEXTS.iter().any(|(text, _)| *text == name)
        || PHONE_FIELDS.contains(&name)
        || EMAIL_FIELDS.contains(&name)
        || OBJECTS.contains(&name)
        || LISTS.contains(&name)
        || matches!(name, "address" | "whatsAppId" | "surveyOptOut" | "schema" | "customFields")
}

/// What is stored of a written contact; refuses what the platform refuses.
pub(crate) fn stored(
    written: &Value,
    sources: &Sources,
    schemas: &Schemas,
) -> Result<Fields, Problem> {
    let Value::Object(written) = written else {
        return Err(Problem::malformed());
    };
    let mut fields = Fields::new();
    for (name, value) in written.iter().filter(|(_, value)| !value.is_null()) {
        if let Some(value) = field(name, value, sources)? {
            fields.insert(name.clone(), value);
        }
    }
    schemas.check(&fields)?;
    Ok(fields)
}

fn field(name: &str, value: &Value, sources: &Sources) -> Result<Option<Value>, Problem> {
    if let Some((_, most)) = TEXTS.iter().find(|(text, _)| *text == name) {
        return text(name, value, *most);
    }
    if EMAIL_FIELDS.contains(&name) {
        let address = text(name, value, 256)?;
        return match address.as_ref().and_then(Value::as_str) {
            Some(text) if !is_email(text) => {
                Err(Problem::bad_request("The e-mail address is not valid.")
                    .at("invalid.email", name))
            }
            _ => Ok(address),
        };
    }
    if PHONE_FIELDS.contains(&name) {
        return Ok(phones::stored(name, value)?.map(Value::Object));
    }
    match name {
        "address" => address(value),
        "externalIds" => external_ids(value, sources).map(Some),
        "appleOpaqueIds" => apple_ids(value).map(Some),
        "whatsAppId" => whats_app(value),
        "surveyOptOut" if value.is_boolean() => Ok(Some(value.clone())),
        "schema" | "customFields" if value.is_object() => Ok(Some(value.clone())),
        "surveyOptOut" | "schema" | "customFields" => Err(wrong_type(name, value)),
        // The id alone counts; what else a read answer says of it is passed over.
        "externalOrganization" if value["id"].is_string() => Ok(Some(json!({ "id": value["id"] }))),
        name if OBJECTS.contains(&name) => {
            value.is_object().then(|| Some(value.clone())).ok_or_else(|| wrong_type(name, value))
        }
        _ => Ok(None),
    }
}

pub(crate) fn wrong_type(name: &str, value: &Value) -> Problem {
    Problem::invalid_value(name, &value.to_string(), name, "a value of the documented type")
}

/// A trimmed text of at most `most` characters; empty is absent.
pub(crate) fn text(name: &str, value: &Value, most: usize) -> Result<Option<Value>, Problem> {
    let text = value.as_str().ok_or_else(|| wrong_type(name, value))?.trim();
    if text.chars().count() > most {
        let why = format!("The field {name} has at most {most} characters.");
        return Err(Problem::bad_request(why).at("max.length", name));
    }
    Ok((!text.is_empty()).then(|| text.into()))
}

fn is_email(text: &str) -> bool {
    let Some((name, host)) = text.rsplit_once('@') else {
        return false;
    };
    !name.is_empty()
        && !text.chars().any(|c| c.is_whitespace() || c == ',')
        && host.contains('.')
        && host.split('.').all(|label| !label.is_empty())
}

pub(crate) fn address(value: &Value) -> Result<Option<Value>, Problem> {
    let Value::Object(written) = value else {
        return Err(wrong_type("address", value));
    };
    let mut stored = Map::new();
    for (name, most) in ADDRESS {
        if let Some(value) = written.get(name).filter(|value| !value.is_null())
            && let Some(value) = text(&format!("address.{name}"), value, most)?
        {
            stored.insert(name.to_owned(), value);
        }
    }
    Ok((!stored.is_empty()).then_some(Value::Object(stored)))
}

fn list<'a>(name: &str, value: &'a Value) -> Result<&'a [Value], Problem> {
    let items = value.as_array().ok_or_else(|| wrong_type(name, value))?;
    if items.len() > MAX_LIST {
        let why = format!("The field {name} has at most {MAX_LIST} entries.");
        return Err(Problem::bad_request(why).at("max.size", name));
    }
    Ok(items)
}

pub(crate) fn external_ids(value: &Value, sources: &Sources) -> Result<Value, Problem> {
    let mut stored: Vec<Value> = Vec::new();
    for id in list("externalIds", value)? {
        let source = sources.resolve(id.get("externalSource").unwrap_or(&Value::Null))?;
        let written = id.get("value").unwrap_or(&Value::Null);
        let Some(value) = text("externalIds.value", written, 255)? else {
            let why = "The field externalIds.value is required.";
            return Err(Problem::bad_request(why).at("field.required", "externalIds.value"));
        };
        let id = json!({ "externalSource": { "id": source }, "value": value });
        if !stored.contains(&id) {
            stored.push(id);
        }
    }
    Ok(Value::Array(stored))
}

fn apple_ids(value: &Value) -> Result<Value, Problem> {
    let read =
        |id: &Value| text("appleOpaqueIds.value", id.get("value").unwrap_or(&Value::Null), 255);
    let ids: Result<Vec<Option<Value>>, Problem> =
        list("appleOpaqueIds", value)?.iter().map(read).collect();
    Ok(ids?.into_iter().flatten().map(|id| json!({ "value": id })).collect())
}

fn whats_app(value: &Value) -> Result<Option<Value>, Problem> {
    let phone = value.get("phoneNumber").ok_or_else(|| wrong_type("whatsAppId", value))?;
    let Some(phone) = phones::stored("whatsAppId.phoneNumber", phone)? else {
        return Ok(None);
    };
    let mut stored = json!({ "phoneNumber": phone });
    if let Some(name) = value.get("displayName").filter(|name| name.is_string()) {
        stored["displayName"] = name.clone();
    }
    Ok(Some(stored))
}
