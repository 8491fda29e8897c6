//! A source's records as contacts and data, by the JSON pointers of the configuration.

use aws_lc_rs::hmac;
use domain::{Contact, ContactPhone, Numbering, PhoneKind, Timestamp, Value};
use kit::{Ask, Error, Secret};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Entries of a list that are read.
const LIST_MAX: usize = 100;

/// What each part of a contact is called, as the setting `fields` names it.
const PARTS: [&str; 13] = [
    "record",
    "name",
    "first_name",
    "last_name",
    "email",
    "phone",
    "mobile_phone",
    "home_phone",
    "other_phone",
    "account",
    "url",
    "created_at",
    "modified_at",
];
const PHONES: [(&str, PhoneKind); 4] = [
    ("phone", PhoneKind::Work),
    ("mobile_phone", PhoneKind::Mobile),
    ("home_phone", PhoneKind::Home),
    ("other_phone", PhoneKind::Other),
];

/// Where a record holds what.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    fields: BTreeMap<String, String>,
    data: Vec<(String, String)>,
    /// The kind of record, as answers name it.
    object: String,
    /// A record's page, with `{record}` in place of its id.
    page: Option<String>,
    asked: Option<OfAsked>,
}

/// An answer's first record is whoever was asked for.
#[derive(Debug, Clone)]
pub(super) struct OfAsked {
    /// Under which records without an id are told apart: a number is nobody's id, since ids
    /// are written to logs and numbers never (invariant 9).
    pub(super) key: Option<Secret>,
}

impl Shape {
    /// # Errors
    /// A sentence about the part that cannot be.
    pub(super) fn new(
        fields: Vec<(String, String)>,
        data: Vec<(String, String)>,
        object: &str,
        page: Option<String>,
    ) -> Result<Self, String> {
        for (part, pointer) in &fields {
            if !PARTS.contains(&part.as_str()) {
                return Err(format!("`{part}` is none of {}", PARTS.join(", ")));
            }
            is_pointer(pointer)?;
        }
        let fields: BTreeMap<String, String> = fields.into_iter().collect();
        Ok(Self { fields, data, object: object.to_owned(), page, asked: None })
    }

    /// # Errors
    /// A sentence where nothing tells records apart.
    pub(super) fn of_asked(self, asked: Option<OfAsked>) -> Result<Self, String> {
        let has_key = asked.as_ref().is_some_and(|asked| asked.key.is_some());
        if !has_key && !self.fields.contains_key("record") {
            return Err("`record` is missing: where a record's id stands".to_owned());
        }
        Ok(Self { asked, ..self })
    }

    pub(super) fn is_of_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// The record of whoever was asked for.
    ///
    /// # Errors
    /// As [`Shape::contact`].
    pub(super) fn asked_contact(
        &self,
        record: &Json,
        ask: &Ask,
        numbers: Numbering,
    ) -> Result<Contact, Error> {
        let hashed = self.hashed(ask);
        let mut contact = self.read(record, hashed, numbers)?;
        if let Some(phone) = &ask.phone
            && !contact.has_phone(&phone.e164)
        {
            contact.phones.push(ContactPhone::new(PhoneKind::Other, phone.e164.clone()));
        }
        if contact.email.is_none() {
            contact.email.clone_from(&ask.email);
        }
        Ok(contact)
    }

    /// The id of a record that has none.
    fn hashed(&self, ask: &Ask) -> Option<String> {
        let key = self.asked.as_ref()?.key.as_ref()?;
        let by_phone = ask.phone.as_ref().map(|phone| phone.e164.clone());
        let by_email = || ask.email.as_ref().map(|email| email.trim().to_lowercase());
        let asked = by_phone.or_else(by_email).or_else(|| ask.record.clone())?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.reveal().as_bytes());
        let tag = hmac::sign(&key, asked.as_bytes());
        let mut id = String::new();
        for byte in tag.as_ref().iter().take(16) {
            let _ = write!(id, "{byte:02x}");
        }
        Some(id)
    }

    pub(super) fn has_phone(&self) -> bool {
        PHONES.iter().any(|(part, _)| self.fields.contains_key(*part))
    }

    pub(super) fn has_email(&self) -> bool {
        self.fields.contains_key("email")
    }

    /// Reads one record.
    ///
    /// # Errors
    /// `Protocol` when it has no id.
    pub(super) fn contact(&self, record: &Json, numbers: Numbering) -> Result<Contact, Error> {
        self.read(record, None, numbers)
    }

    fn read(
        &self,
        record: &Json,
        otherwise: Option<String>,
        numbers: Numbering,
    ) -> Result<Contact, Error> {
        let part = |part: &str| text(record.pointer(self.fields.get(part)?)?);
        let id = part("record")
            .or(otherwise)
            .ok_or_else(|| Error::protocol("a record without an id, where `fields` says it is"))?;
        let mut phones: Vec<ContactPhone> = Vec::new();
        for (part, kind) in PHONES {
            let held = self.fields.get(part).and_then(|pointer| record.pointer(pointer));
            for number in held.into_iter().flat_map(texts) {
                let stored = numbers.read(&number);
                let found = stored.map(|phone| ContactPhone::new(kind, phone.e164));
                phones.extend(found.filter(|found| !phones.contains(found)));
            }
        }
        let names = [part("first_name"), part("last_name")];
        let joined = names.iter().flatten().cloned().collect::<Vec<_>>().join(" ");
        let time = |name: &str| part(name).and_then(|text| Timestamp::parse(&text));
        let page = self.page.as_ref().map(|page| page.replace("{record}", &super::percent(&id)));
        let [first_name, last_name] = names;
        Ok(Contact {
            object: self.object.clone(),
            name: part("name").unwrap_or(joined),
            first_name,
            last_name,
            email: part("email"),
            phones,
            created_at: time("created_at"),
            modified_at: time("modified_at"),
            last_call_at: None,
            account: part("account"),
            url: page.or_else(|| part("url").filter(|url| is_page(url))),
            data: data(&self.data, record),
            record: id,
        })
    }
}

/// What the pointers lead to; what is empty is left out.
pub(super) fn data(pointers: &[(String, String)], record: &Json) -> BTreeMap<String, Value> {
    let told = |pointer: &str| record.pointer(pointer).and_then(value);
    let pairs = pointers.iter();
    pairs.filter_map(|(name, pointer)| Some((name.clone(), told(pointer)?))).collect()
}

/// A value of an answer's data: no nulls, no objects.
pub(super) fn value(json: &Json) -> Option<Value> {
    match json {
        Json::String(text) => (!text.trim().is_empty()).then(|| Value::Text(text.clone())),
        Json::Bool(flag) => Some(Value::Bool(*flag)),
        Json::Number(number) => {
            number.as_i64().map(Value::Integer).or_else(|| number.as_f64().map(Value::Number))
        }
        Json::Array(items) => {
            Some(Value::List(items.iter().take(LIST_MAX).filter_map(value).collect()))
        }
        Json::Null | Json::Object(_) => None,
    }
}

/// A text or a number as a text, outer space removed; nothing where it is empty.
pub(super) fn text(json: &Json) -> Option<String> {
    let text = match json {
        Json::String(text) => text.trim().to_owned(),
        Json::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// The text there is, or those of a list.
fn texts(json: &Json) -> Vec<String> {
    match json {
        Json::Array(items) => items.iter().take(LIST_MAX).filter_map(text).collect(),
        one => text(one).into_iter().collect(),
    }
}

/// Only a page may be opened from an agent's screen.
fn is_page(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "https" | "http"))
}

/// A JSON pointer (RFC 6901): empty, or beginning with `/`.
///
/// # Errors
/// A sentence that names the text.
pub(super) fn is_pointer(text: &str) -> Result<(), String> {
    if text.is_empty() || text.starts_with('/') {
        return Ok(());
    }
    Err(format!("`{text}` is no JSON pointer, such as /customer/name"))
}

#[cfg(test)]
mod tests {
    use super::{OfAsked, Shape};
    use domain::{ContactPhone, PhoneKind, Region, Value};
    use serde_json::json;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    #[test]
    fn a_record_maps_by_the_pointers_of_the_configuration() {
        let fields = [
            ("record", "/id"),
            ("first_name", "/name/first"),
            ("last_name", "/name/last"),
            ("email", "/mail"),
            ("phone", "/tel"),
            ("other_phone", "/more"),
            ("url", "/link"),
            ("modified_at", "/changed"),
        ];
        let data = pairs(&[("tier", "/tier"), ("open", "/open"), ("tags", "/tags"), ("no", "/no")]);
        let shape = Shape::new(pairs(&fields), data, "Customer", None).expect("a shape");
        let record = json!({
            "id": 4711, "name": { "first": "John", "last": "Doe" }, "mail": " john@example.com ",
            "tel": "(555) 019-9999", "more": ["+442079460018", "none", 15550198888_i64], "link": "javascript:x",
            "changed": "2026-11-21T20:15:00Z", "tier": "", "open": 3, "tags": ["a", null, "b"], "no": {},
        });
        let region = Region::parse("US").expect("a region").into();
        let contact = shape.contact(&record, region).expect("a contact");
        assert_eq!((contact.record.as_str(), contact.name.as_str()), ("4711", "John Doe"));
        assert_eq!(contact.email.as_deref(), Some("john@example.com"));
        let other = |number: &str| ContactPhone::new(PhoneKind::Other, number);
        let work = ContactPhone::new(PhoneKind::Work, "+15550199999");
        assert_eq!(contact.phones, [work, other("+442079460018"), other("+15550198888")]);
        assert_eq!(contact.url, None, "no page that an agent should open");
        assert!(contact.modified_at.is_some());
        let tags = Value::List(vec!["a".into(), "b".into()]);
        assert_eq!(contact.data, [("open".to_owned(), 3.into()), ("tags".to_owned(), tags)].into());
        let error = shape.contact(&json!({ "id": null }), region).expect_err("no id");
        assert_eq!(error.kind(), "protocol");
    }

    #[test]
    fn parts_that_cannot_be_are_refused_by_name() {
        let refused = |fields: &[(&str, &str)]| {
            let shape = Shape::new(pairs(fields), vec![], "x", None);
            shape.and_then(|shape| shape.of_asked(None)).expect_err("refused")
        };
        assert!(refused(&[("record", "/id"), ("fone", "/tel")]).contains("fone"));
        assert!(refused(&[("record", "id")]).contains("`id`"));
        assert!(refused(&[("name", "/n")]).contains("record"));
    }

    #[test]
    fn whoever_was_asked_for_is_told_apart_without_an_id_and_without_their_number() {
        let data = pairs(&[("tier", "/tier")]);
        let key = Some(kit::Secret::new("a-key-of-this-source".to_owned()));
        let shape = Shape::new(vec![], data, "Record", None).expect("a shape");
        assert!(shape.clone().of_asked(Some(OfAsked { key: None })).is_err(), "no id and no key");
        let shape = shape.of_asked(Some(OfAsked { key })).expect("a shape");
        let region = Region::parse("US").expect("a region").into();
        let ask = |number: &str| kit::Ask {
            phone: Some(domain::Phone { e164: number.to_owned(), extension: None }),
            ..kit::Ask::default()
        };
        let of = |number: &str| {
            shape
                .asked_contact(&json!({ "tier": "gold" }), &ask(number), region)
                .expect("a contact")
        };
        let (john, again, maria) = (of("+15550199999"), of("+15550199999"), of("+15550198888"));
        assert!(john.has_phone("+15550199999") && john.data["tier"] == "gold".into());
        assert!(john.record == again.record && john.record != maria.record);
        assert!(john.record.len() == 32 && !john.record.contains("199999"), "{}", john.record);
    }
}
