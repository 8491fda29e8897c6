//! How contacts and organizations hold their values, and what guides call their fields.
//!
//! A phone is an object: its `display` is written, and read back is the `e164` that the
//! platform made of it, where it could. Custom fields are plain values under a key that
//! ends in their core type.

use super::schemas::{CORE_TYPES, core_type};
use super::{CLOSED, CUSTOM, EXTERNAL_ID, EXTERNAL_IDS, ORGANIZATION_ID, Object, Records};
use async_trait::async_trait;
use domain::Value;
use domain::sync::Kind;
use kit::forms::read_plain;
use kit::{Error, Form, Forms};
use serde_json::{Value as Json, json};

pub(super) const PHONES: [&str; 6] =
    ["workPhone", "cellPhone", "homePhone", "otherPhone", "phoneNumber", "faxNumber"];

/// What guides call a field, in lower case, and what the platform does.
const CONTACT_NAMES: [(&str, &str); 21] = [
    ("phone", "workPhone"),
    ("phonenumber", "workPhone"),
    ("phonenumbers", "workPhone"),
    ("phonenumbers[0]", "workPhone"),
    ("phonenumbers[1]", "cellPhone"),
    ("phonenumbers[2]", "homePhone"),
    ("phonenumbers[3]", "otherPhone"),
    ("mobilephone", "cellPhone"),
    ("email", "workEmail"),
    ("emailaddress", "workEmail"),
    ("emails[0]", "workEmail"),
    ("emails[1]", "personalEmail"),
    ("emails[2]", "otherEmail"),
    ("org", ORGANIZATION_ID),
    ("org.externalid", ORGANIZATION_ID),
    ("organization.externalid", ORGANIZATION_ID),
    ("externalorganization", ORGANIZATION_ID),
    ("externalorganization.externalid", ORGANIZATION_ID),
    ("externalid", EXTERNAL_ID),
    ("externalids", EXTERNAL_ID),
    ("externalids[0]", EXTERNAL_ID),
];
const ORGANIZATION_NAMES: [(&str, &str); 9] = [
    ("phone", "phoneNumber"),
    ("phonenumbers[0]", "phoneNumber"),
    ("fax", "faxNumber"),
    ("website", "websites"),
    ("employees", "employeeCount"),
    ("numberofemployees", "employeeCount"),
    ("externalid", EXTERNAL_ID),
    ("externalids", EXTERNAL_ID),
    ("externalids[0]", EXTERNAL_ID),
];

#[async_trait]
impl Forms for Records {
    fn form(&self, object: &str, name: &str, kind: Option<Kind>) -> Result<Form, Error> {
        form(Object::named(object)?, name, kind)
    }

    fn key(&self, object: &str) -> Option<String> {
        Object::named(object).is_ok().then(|| EXTERNAL_ID.to_owned())
    }

    async fn prepare(&self, object: &str, fields: &[String]) -> Result<Vec<String>, Error> {
        self.prepare_custom(Object::named(object)?, fields).await
    }
}

fn form(object: Object, name: &str, kind: Option<Kind>) -> Result<Form, Error> {
    let field = field(object, name, kind);
    object.check(&field, false)?;
    let key = field.strip_prefix(CUSTOM).and_then(|rest| rest.strip_prefix('.'));
    if let Some(key) = key {
        let core = core_type(key).ok_or_else(|| Error::Invalid {
            field: Some(field.clone()),
            reason: format!("ends in none of the core types _{}", CORE_TYPES.join(", _")),
        })?;
        let kind = kind.unwrap_or_else(|| custom_kind(core));
        return Ok(Form::plain(field, kind));
    }
    let kind = kind.unwrap_or_else(|| told(&field));
    if PHONES.contains(&field.as_str()) {
        return Ok(Form::new(field, kind, read_phone, write_phone));
    }
    let first = field.split('.').next().unwrap_or_default();
    let is_closed = CLOSED.contains(&first);
    let form = Form::plain(field, kind);
    Ok(if is_closed { form.read_only() } else { form })
}

/// The platform's name, or our own for what is not a field of its.
fn field(object: Object, name: &str, kind: Option<Kind>) -> String {
    for prefix in ["attributes.", "customFields."] {
        let Some(key) = name.strip_prefix(prefix) else { continue };
        return format!("{CUSTOM}.{}", custom_key(key, kind));
    }
    let names: &[(&str, &str)] = match object {
        Object::Contacts => &CONTACT_NAMES,
        Object::Organizations => &ORGANIZATION_NAMES,
    };
    let lower = name.to_ascii_lowercase();
    let meant = names.iter().find(|(guide, _)| *guide == lower).map(|(_, own)| *own);
    let own = object.open().iter().chain(&CLOSED).find(|own| own.to_ascii_lowercase() == lower);
    meant.or(own.copied()).filter(|own| *own != EXTERNAL_IDS).unwrap_or(name).to_owned()
}

/// `tags` is `tags_tag`; a key that ends in a core type is one already.
fn custom_key(name: &str, kind: Option<Kind>) -> String {
    if core_type(name).is_some() {
        return name.to_owned();
    }
    let lower = name.to_ascii_lowercase();
    let kind = kind.unwrap_or(if lower.ends_with("tags") { Kind::Tags } else { Kind::Text });
    let core = match kind {
        Kind::Text | Kind::Email | Kind::Phone => "text",
        Kind::Number => "number",
        Kind::Bool => "checkbox",
        Kind::Date => "date",
        Kind::Moment => "datetime",
        Kind::Tags => "tag",
    };
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
    format!("{}_{core}", name.chars().map(plain).collect::<String>())
}

fn custom_kind(core: &str) -> Kind {
    match core {
        "tag" => Kind::Tags,
        "integer" | "number" => Kind::Number,
        "checkbox" => Kind::Bool,
        "date" => Kind::Date,
        "datetime" => Kind::Moment,
        _ => Kind::Text,
    }
}

fn told(field: &str) -> Kind {
    match field {
        field if PHONES.contains(&field) => Kind::Phone,
        "workEmail" | "personalEmail" | "otherEmail" => Kind::Email,
        "surveyOptOut" => Kind::Bool,
        "employeeCount" | "revenue" => Kind::Number,
        "tags" | "websites" => Kind::Tags,
        "createDate" | "modifyDate" => Kind::Moment,
        _ => Kind::Text,
    }
}

/// What could not be read as a number is kept as it was typed.
fn read_phone(held: &Json) -> Option<Value> {
    let text = |key: &str| held.get(key).and_then(Json::as_str).filter(|text| !text.is_empty());
    let number = text("e164").or_else(|| text("display")).or_else(|| text("userInput"));
    number.map(Value::from).or_else(|| read_plain(held))
}

fn write_phone(value: &Value) -> Json {
    let Value::Text(number) = value else { return kit::forms::write_plain(value) };
    json!({ "display": number })
}

#[cfg(test)]
mod tests {
    use super::{Object, form};
    use domain::Value;
    use domain::sync::Kind;
    use serde_json::json;

    #[test]
    fn the_names_of_guides_are_those_of_the_platform() {
        let check = |object: Object, name: &str, kind: Option<Kind>, expected: (&str, Kind)| {
            let form = form(object, name, kind).expect(name);
            assert_eq!((form.field.as_str(), form.kind), expected, "{name}");
            assert!(form.can_write, "{name}");
        };
        let organization = "externalOrganization.externalId";
        for (name, expected) in [
            ("phoneNumbers[0]", ("workPhone", Kind::Phone)),
            ("phone", ("workPhone", Kind::Phone)),
            ("email", ("workEmail", Kind::Email)),
            ("firstName", ("firstName", Kind::Text)),
            ("lastname", ("lastName", Kind::Text)),
            ("address.city", ("address.city", Kind::Text)),
            ("externalId", ("externalId", Kind::Text)),
            ("externalIds", ("externalId", Kind::Text)),
            ("org.externalId", (organization, Kind::Text)),
            ("externalOrganization", (organization, Kind::Text)),
            ("attributes.tags", ("customFields.tags_tag", Kind::Tags)),
            ("attributes.tier", ("customFields.tier_text", Kind::Text)),
            ("customFields.tier_enum", ("customFields.tier_enum", Kind::Text)),
            ("surveyOptOut", ("surveyOptOut", Kind::Bool)),
        ] {
            check(Object::Contacts, name, None, expected);
        }
        let score = Some(Kind::Number);
        check(
            Object::Contacts,
            "attributes.score",
            score,
            ("customFields.score_number", Kind::Number),
        );
        check(Object::Organizations, "phone", None, ("phoneNumber", Kind::Phone));
        check(Object::Organizations, "tags", None, ("tags", Kind::Tags));
        assert!(!form(Object::Contacts, "modifyDate", None).expect("read").can_write);
        for (object, odd) in [
            (Object::Contacts, "nothing"),
            (Object::Contacts, "industry"),
            (Object::Organizations, "firstName"),
            (Object::Contacts, "attributes.a.b"),
            (Object::Contacts, "x y"),
        ] {
            let told = form(object, odd, None);
            let is_fine = odd == "attributes.a.b" && told.is_ok();
            assert!(told.is_err() || is_fine, "{odd}");
        }
    }

    #[test]
    fn a_phone_is_written_as_typed_and_read_as_the_platform_understood_it() {
        let form = form(Object::Contacts, "workPhone", None).expect("a form");
        let number = Value::from("+15550199999");
        assert_eq!(form.write(Some(&number)), json!({ "display": "+15550199999" }));
        assert_eq!(form.write(None), json!(null));
        for (held, expected) in [
            (json!({ "display": "+1 555-019-9999", "e164": "+15550199999" }), "+15550199999"),
            (json!({ "display": "ext 7", "userInput": "ext 7" }), "ext 7"),
        ] {
            assert_eq!(form.read(&held), Some(expected.into()));
        }
        assert_eq!(form.read(&json!({})), None);
    }
}
