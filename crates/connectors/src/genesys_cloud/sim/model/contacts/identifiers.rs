//! Names what a contact can be found by: the keys that contacts claim.
//!
//! A key belongs to one division and has at most one holder at a time (see
//! `contacts`). Phones are keys only in E.164 with `+`, e-mails ignore case,
//! external ids belong to their source.

use serde_json::{Map, Value, json};

use super::super::dates;
use super::super::problem::Problem;
use super::super::world::Sources;
use super::phones;

/// The vendor's `ContactIdentifier.type` enumeration.
pub(crate) const TYPES: [&str; 12] = [
    "SocialLine",
    "SocialFacebook",
    "SocialTwitter",
    "SocialWhatsapp",
    "SocialInstagram",
    "SocialWhatsappBsuid",
    "AppleOpaqueId",
    "Email",
    "Phone",
    "Cookie",
    "ExternalId",
    "SocialInstagramHandle",
];

pub(crate) const PHONE_FIELDS: [&str; 4] = ["workPhone", "cellPhone", "homePhone", "otherPhone"];
pub(crate) const EMAIL_FIELDS: [&str; 3] = ["workEmail", "personalEmail", "otherEmail"];

/// One thing a contact can be found by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) division: String,
    pub(crate) kind: &'static str,
    /// Id of the external source; empty for every other kind.
    pub(crate) source: String,
    pub(crate) value: String,
}

impl Key {
    pub(crate) fn new(division: &str, kind: &'static str, value: &str) -> Self {
        let (division, value) = (division.to_owned(), value.to_owned());
        Self { division, kind, source: String::new(), value }
    }

    pub(crate) fn phone(division: &str, e164: &str) -> Self {
        Self::new(division, "Phone", e164)
    }

    fn email(division: &str, address: &str) -> Self {
        Self::new(division, "Email", &address.to_lowercase())
    }

    pub(crate) fn external(division: &str, source: &str, value: &str) -> Self {
        Self { source: source.to_owned(), ..Self::new(division, "ExternalId", value) }
    }

    /// Reads a `ContactIdentifier` that somebody looks up, matches by, or claims.
    pub(crate) fn read(body: &Value, sources: &Sources) -> Result<Self, Problem> {
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::trim);
        let wanted = text("type").ok_or_else(|| missing("type"))?;
        let kind = TYPES.into_iter().find(|kind| *kind == wanted).ok_or_else(|| {
            Problem::invalid_value("type", wanted, "ContactIdentifierType", &TYPES.join(", "))
        })?;
        let value =
            text("value").filter(|value| !value.is_empty()).ok_or_else(|| missing("value"))?;
        if value.chars().count() > 255 {
            return Err(Problem::bad_request("An identifier has at most 255 characters.")
                .at("max.length", "value"));
        }
        let division = division(body)?.unwrap_or_else(|| "*".to_owned());
        Ok(match kind {
            "Phone" => {
                let number = Some(value).filter(|value| value.starts_with('+'));
                let number = number.and_then(|value| phones::e164(value, None));
                let allowed = "the country code with a leading '+'";
                Self::phone(
                    &division,
                    &number
                        .ok_or_else(|| Problem::invalid_value("value", value, "Phone", allowed))?,
                )
            }
            "Email" => Self::email(&division, value),
            "ExternalId" => {
                let source = body.get("externalSource").unwrap_or(&Value::Null);
                Self::external(&division, &sources.resolve(source)?, value)
            }
            kind => Self::new(&division, kind, value),
        })
    }

    /// The vendor's `ContactIdentifier`.
    pub(crate) fn render(&self, claimed_at: i64, sources: &Sources) -> Value {
        let mut body = json!({
            "division": { "id": self.division },
            "type": self.kind,
            "value": self.value,
            "dateCreated": dates::iso(claimed_at),
        });
        if !self.source.is_empty() {
            body["externalSource"] = sources.reference(&self.source, true);
        }
        body
    }
}

fn missing(field: &str) -> Problem {
    Problem::bad_request(format!("The field {field} is required.")).at("field.required", field)
}

/// The division a body names: `*` (unassigned) or a UUID; anything else is refused.
pub(crate) fn division(body: &Value) -> Result<Option<String>, Problem> {
    match body.get("division").and_then(|division| division.get("id")) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(id)) if id == "*" || super::super::ids::is_uuid(id) => {
            Ok(Some(id.clone()))
        }
        Some(other) => {
            Err(Problem::invalid_value("division.id", &other.to_string(), "Division", "*, a UUID"))
        }
    }
}

/// Every key the fields of a contact (as stored by `fields::stored`) speak for.
pub(crate) fn of(fields: &Map<String, Value>, division: &str) -> Vec<Key> {
    let text = |value: &Value, name: &str| Some(value.get(name)?.as_str()?.to_owned());
    let phone = |field: &str| fields.get(field).and_then(|phone| text(phone, "e164"));
    let mut keys: Vec<Key> = Vec::new();
    let mut add = |key: Key| {
        if !keys.contains(&key) {
            keys.push(key);
        }
    };
    PHONE_FIELDS
        .iter()
        .filter_map(|field| phone(field))
        .for_each(|e164| add(Key::phone(division, &e164)));
    EMAIL_FIELDS
        .iter()
        .filter_map(|field| fields.get(*field)?.as_str())
        .for_each(|address| add(Key::email(division, address)));
    if let Some(e164) = fields.get("whatsAppId").and_then(|id| text(id.get("phoneNumber")?, "e164"))
    {
        add(Key::new(division, "SocialWhatsapp", &e164));
    }
    if let Some(id) = fields.get("twitterId").and_then(|id| text(id, "id")) {
        add(Key::new(division, "SocialTwitter", &id));
    }
    let list = |field: &str| fields.get(field).and_then(Value::as_array).into_iter().flatten();
    for id in list("appleOpaqueIds").filter_map(|id| text(id, "value")) {
        add(Key::new(division, "AppleOpaqueId", &id));
    }
    for id in list("externalIds") {
        if let (Some(source), Some(value)) = (text(&id["externalSource"], "id"), text(id, "value"))
        {
            add(Key::external(division, &source, &value));
        }
    }
    keys
}
