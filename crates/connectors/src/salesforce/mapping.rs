//! Salesforce's rows as contacts.
//!
//! [`Shape`] says which fields of an object are asked for and what each means;
//! [`Shape::contact`] reads one row of an answer. Phones are stored as somebody
//! typed them, so every one is parsed, and what is no possible number is left out.

use super::soql::Name;
use domain::{Contact, ContactPhone, Numbering, PhoneKind, Timestamp, Value};
use kit::{Account, Error};
use std::collections::BTreeMap;

/// An object that holds people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Object {
    Contact,
    Lead,
}

impl Object {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "Contact" => Some(Self::Contact),
            "Lead" => Some(Self::Lead),
            _ => None,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Contact => "Contact",
            Self::Lead => "Lead",
        }
    }

    /// The standard phone fields that the object has of those configured, or all
    /// that matter for a caller; custom fields are left to the vendor to judge.
    fn phone_fields(self, configured: &[Name]) -> Vec<Name> {
        const CONTACT_ONLY: [&str; 3] = ["HomePhone", "OtherPhone", "AssistantPhone"];
        let defaults: &[&str] = match self {
            Self::Contact => &["Phone", "MobilePhone", "HomePhone", "OtherPhone"],
            Self::Lead => &["Phone", "MobilePhone"],
        };
        if configured.is_empty() {
            return defaults.iter().map(|name| fixed(name)).collect();
        }
        let has = |name: &&Name| self == Self::Contact || !CONTACT_ONLY.iter().any(|c| name.is(c));
        configured.iter().filter(has).cloned().collect()
    }
}

/// What a phone field is for. The vendor says it by the field's name; a field that
/// somebody added may be for anything.
fn kind(field: &Name) -> PhoneKind {
    let standard = [
        ("Phone", PhoneKind::Work),
        ("MobilePhone", PhoneKind::Mobile),
        ("HomePhone", PhoneKind::Home),
    ];
    let known = standard.into_iter().find(|(name, _)| field.is(name));
    known.map_or(PhoneKind::Other, |(_, kind)| kind)
}

/// What is read of one object.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) object: Name,
    pub(super) phone_fields: Vec<Name>,
    /// Every field asked for, each once: the vendor refuses duplicates.
    pub(super) fields: Vec<Name>,
    data: Vec<(String, Name)>,
}

impl Shape {
    pub(super) fn new(object: Object, phone_fields: &[Name], data: Vec<(String, Name)>) -> Self {
        let phone_fields = object.phone_fields(phone_fields);
        let mut standard = vec!["Id", "Name", "FirstName", "LastName", "Email"];
        standard.extend(["CreatedDate", "LastModifiedDate"]);
        if object == Object::Contact {
            standard.push("AccountId");
        }
        let mut fields: Vec<Name> = standard.into_iter().map(fixed).collect();
        for field in phone_fields.iter().chain(data.iter().map(|(_, path)| path)) {
            if !fields.iter().any(|known| known.is(field.as_str())) {
                fields.push(field.clone());
            }
        }
        Self { object: fixed(object.as_str()), phone_fields, fields, data }
    }

    /// Reads one row.
    ///
    /// # Errors
    /// `Protocol` when the row has no id of the vendor's form.
    pub(super) fn contact(
        &self,
        row: &serde_json::Value,
        instance: &str,
        numbers: Numbering,
    ) -> Result<Contact, Error> {
        let text = |field: &str| at(row, field).and_then(serde_json::Value::as_str);
        let record = text("Id")
            .filter(|id| id.len() >= 15 && id.bytes().all(|b| b.is_ascii_alphanumeric()))
            .ok_or_else(|| Error::protocol("a row without an Id"))?
            .to_owned();
        let time = |field: &str| text(field).and_then(Timestamp::parse);
        let part = |field: &str| text(field).map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
        let mut phones = Vec::new();
        for field in &self.phone_fields {
            let stored = text(field.as_str()).and_then(|t| numbers.read(t));
            let phone = stored.map(|phone| ContactPhone::new(kind(field), phone.e164));
            phones.extend(phone.filter(|phone| !phones.contains(phone)));
        }
        let object = self.object.as_str();
        Ok(Contact {
            url: Some(format!("{instance}/lightning/r/{object}/{record}/view")),
            object: object.to_owned(),
            name: text("Name").unwrap_or_default().trim().to_owned(),
            first_name: part("FirstName"),
            last_name: part("LastName"),
            email: part("Email"),
            phones,
            created_at: time("CreatedDate"),
            modified_at: time("LastModifiedDate"),
            last_call_at: None,
            account: text("AccountId").map(str::to_owned),
            data: data(&self.data, row),
            record,
        })
    }
}

/// What is read of an account.
#[derive(Debug, Clone)]
pub(super) struct Ledger {
    /// The field by which it is known elsewhere.
    pub(super) key: Name,
    /// Every field asked for, each once.
    pub(super) fields: Vec<Name>,
    data: Vec<(String, Name)>,
}

impl Ledger {
    pub(super) fn new(key: Name, data: Vec<(String, Name)>) -> Self {
        let mut fields = vec![fixed("Id"), fixed("Name")];
        for field in std::iter::once(&key).chain(data.iter().map(|(_, path)| path)) {
            if !fields.iter().any(|known| known.is(field.as_str())) {
                fields.push(field.clone());
            }
        }
        Self { key, fields, data }
    }

    /// Reads one row.
    ///
    /// # Errors
    /// `Protocol` when the row has no id of the vendor's form.
    pub(super) fn account(
        &self,
        row: &serde_json::Value,
        instance: &str,
    ) -> Result<Account, Error> {
        let text = |field: &str| at(row, field).and_then(serde_json::Value::as_str);
        let record = text("Id").and_then(record_id);
        let record = record.ok_or_else(|| Error::protocol("a row without an Id"))?;
        Ok(Account {
            name: text("Name").unwrap_or_default().trim().to_owned(),
            url: Some(format!("{instance}/lightning/r/Account/{record}/view")),
            data: data(&self.data, row),
            record,
        })
    }
}

/// The configured fields of a row, without those that are empty.
fn data(pairs: &[(String, Name)], row: &serde_json::Value) -> BTreeMap<String, Value> {
    let value = |path: &Name| at(row, path.as_str()).and_then(value);
    pairs.iter().filter_map(|(name, path)| Some((name.clone(), value(path)?))).collect()
}

/// The object that a row says it is of.
pub(super) fn object_of(row: &serde_json::Value) -> Option<&str> {
    row.get("attributes")?.get("type")?.as_str()
}

/// The 18-character form of a record id, or `None` when it cannot be one: 15
/// letters and digits, with a checksum of their capitals behind them or without.
pub(super) fn record_id(text: &str) -> Option<String> {
    if !text.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let bare = text.get(..15)?;
    let checksum: String = bare.as_bytes().chunks(5).map(checksum_letter).collect();
    match text.len() {
        15 => Some(format!("{bare}{checksum}")),
        18 if text[15..].eq_ignore_ascii_case(&checksum) => Some(format!("{bare}{checksum}")),
        _ => None,
    }
}

/// One of `A`-`Z`, `0`-`5`: bit n says whether letter n of the five is a capital.
fn checksum_letter(five: &[u8]) -> char {
    let capitals = five.iter().enumerate();
    let bits = capitals.fold(0, |bits, (n, b)| bits | (u8::from(b.is_ascii_uppercase()) << n));
    char::from(if bits < 26 { b'A' + bits } else { b'0' + bits - 26 })
}

/// The value at a path through related records; their absence is a null there.
/// Field names keep the case in which the vendor spells them, whatever was asked.
pub(super) fn at<'a>(row: &'a serde_json::Value, path: &str) -> Option<&'a serde_json::Value> {
    path.split('.').try_fold(row, |record, step| {
        let fields = record.as_object()?;
        let found = fields.get(step).or_else(|| {
            let mut named = fields.iter();
            named.find(|(key, _)| key.eq_ignore_ascii_case(step)).map(|(_, value)| value)
        });
        found.filter(|value| !value.is_null())
    })
}

/// A field's value; numbers are sent with a fraction also where they have none (`4.0`).
fn value(json: &serde_json::Value) -> Option<Value> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match json {
        serde_json::Value::String(text) => Some(Value::Text(text.clone())),
        serde_json::Value::Bool(flag) => Some(Value::Bool(*flag)),
        serde_json::Value::Number(number) => {
            if let Some(whole) = number.as_i64() {
                return Some(Value::Integer(whole));
            }
            let number = number.as_f64()?;
            #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
            let whole = (number.fract() == 0.0 && number.abs() < EXACT).then_some(number as i64);
            Some(whole.map_or(Value::Number(number), Value::Integer))
        }
        serde_json::Value::Array(items) => {
            Some(Value::List(items.iter().filter_map(value).collect()))
        }
        // Compound fields (addresses, places) are read part by part: `MailingCity`.
        serde_json::Value::Null | serde_json::Value::Object(_) => None,
    }
}

fn fixed(name: &str) -> Name {
    Name::new(name).expect("written in this file")
}

#[cfg(test)]
mod tests {
    use super::{Object, Shape, record_id};
    use crate::salesforce::soql::Name;
    use domain::{Contact, ContactPhone, PhoneKind, Region};
    use serde_json::json;

    fn shape(object: Object) -> Shape {
        let name = |text: &str| Name::new(text).expect(text);
        let data = [
            ("crmCaseId", "CRM_Case_Id__c"),
            ("loyaltyTier", "Loyalty_Tier__c"),
            ("openCases", "Open_Cases__c"),
            ("score", "Score__c"),
            ("vip", "VIP__c"),
            ("company", "Account.Name"),
            ("region", "Account.Region__c"),
            ("address", "MailingAddress"),
        ];
        let data = data.map(|(key, path)| (key.to_owned(), name(path)));
        Shape::new(object, &[], data.to_vec())
    }

    /// The whole of a contact, with the times as Salesforce's own are compared.
    fn shown(contact: &Contact) -> serde_json::Value {
        let mut shown = crate::shown::contact(contact);
        shown["created_at"] = contact.created_at.map(|at| at.0).into();
        shown["modified_at"] = contact.modified_at.map(|at| at.0).into();
        shown["last_call_at"] = contact.last_call_at.map(|at| at.0).into();
        shown
    }

    /// Maps the rows of one documented answer and compares with the snapshot beside it.
    fn check(fixture: &str, answer: &str) {
        let region = Region::parse("US").expect("a region").into();
        let answer: serde_json::Value = serde_json::from_str(answer).expect("JSON");
        let rows = answer.get("records").or(answer.get("searchRecords"));
        let rows = rows.and_then(|rows| rows.as_array()).expect("rows");
        let mapped: Result<Vec<_>, _> = rows
            .iter()
            .map(|row| {
                let object = super::object_of(row).and_then(Object::parse);
                let shape = shape(object.expect("a known object"));
                shape.contact(row, "https://acme.my.salesforce.com", region)
            })
            .collect();
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("fixtures");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        let shown: Vec<_> = mapped.expect("rows").iter().map(shown).collect();
        settings.bind(|| insta::assert_json_snapshot!(fixture, shown));
    }

    #[test]
    fn documented_answers_map_as_their_snapshots_say() {
        check("query", include_str!("fixtures/query.json"));
        check("search", include_str!("fixtures/search.json"));
    }

    #[test]
    fn a_phone_is_of_the_kind_that_its_field_says() {
        let fields =
            ["phone", "MobilePhone", "HomePhone", "OtherPhone", "AssistantPhone", "Tel__c"];
        let fields = fields.map(|field| Name::new(field).expect(field));
        let shape = Shape::new(Object::Contact, &fields, vec![]);
        let number = |n: usize| format!("+1555019999{n}");
        let mut row = json!({ "Id": "0035g00000Jd9XaAAJ", "Name": "John Doe" });
        for (n, field) in fields.iter().enumerate() {
            row[field.as_str()] = json!(number(n));
        }
        let region = Region::parse("US").expect("a region").into();
        let contact = shape.contact(&row, "https://x", region).expect("a contact");
        let other = PhoneKind::Other;
        let kinds = [PhoneKind::Work, PhoneKind::Mobile, PhoneKind::Home, other, other, other];
        let expected = kinds.into_iter().enumerate();
        let expected: Vec<_> =
            expected.map(|(n, kind)| ContactPhone::new(kind, number(n))).collect();
        assert_eq!(contact.phones, expected);
    }

    #[test]
    fn a_row_without_an_id_is_outside_the_protocol() {
        let region = Region::parse("US").expect("a region").into();
        for row in [json!({}), json!({"Id": null}), json!({"Id": "x"}), json!(7)] {
            let error = shape(Object::Contact).contact(&row, "https://x", region);
            assert_eq!(error.expect_err("no id").kind(), "protocol");
        }
    }

    #[test]
    fn no_field_is_asked_for_twice() {
        let name = |text: &str| Name::new(text).expect(text);
        let data = vec![("a".to_owned(), name("phone")), ("b".to_owned(), name("Fax"))];
        let shape = Shape::new(Object::Contact, &[name("Phone")], data);
        let fields: Vec<&str> = shape.fields.iter().map(Name::as_str).collect();
        let mut expected = vec!["Id", "Name", "FirstName", "LastName", "Email"];
        expected.extend(["CreatedDate", "LastModifiedDate", "AccountId", "Phone", "Fax"]);
        assert_eq!(fields, expected);
    }

    #[test]
    fn a_lead_is_not_asked_for_fields_of_contacts() {
        let name = |text: &str| Name::new(text).expect(text);
        let shape = Shape::new(Object::Lead, &[name("HomePhone"), name("Phone")], vec![]);
        assert_eq!(shape.phone_fields, [name("Phone")]);
        assert!(!shape.fields.contains(&name("AccountId")));
    }

    #[test]
    fn an_id_is_fifteen_characters_or_eighteen_with_their_checksum() {
        let (short, long) = ("0015000000Gv7qJ", "0015000000Gv7qJAAR");
        assert_eq!(record_id(short).as_deref(), Some(long));
        assert_eq!(record_id(long).as_deref(), Some(long));
        assert_eq!(record_id("0015000000Gv7qJaar").as_deref(), Some(long));
        let wrong = ["", "003", "0015000000Gv7qJAAA", "0015000000Gv7q'", "0015000000Gv7qJAARx"];
        for text in wrong {
            assert_eq!(record_id(text), None, "{text}");
        }
    }
}
