//! Zoho's records as contacts and accounts; pure.
//!
//! [`Shape`] says which fields of a module are asked for and what each means. Phones are
//! stored as somebody typed them, so every one is parsed, and what is no possible number
//! is left out.

use super::client::record_id;
use super::coql::{COLUMNS_MAX, Name, name};
use domain::{Contact, ContactPhone, Numbering, PhoneKind, Timestamp, Value};
use kit::{Account, Error};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// A module that holds people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Module {
    Contacts,
    Leads,
}

impl Module {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "Contacts" => Some(Self::Contacts),
            "Leads" => Some(Self::Leads),
            _ => None,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Contacts => "Contacts",
            Self::Leads => "Leads",
        }
    }

    /// The phone fields that the module has of those configured, or all that matter for a
    /// caller; custom fields are left to the vendor to judge.
    fn phone_fields(self, configured: &[Name]) -> Vec<Name> {
        const CONTACTS_ONLY: [&str; 3] = ["Home_Phone", "Other_Phone", "Asst_Phone"];
        let defaults: &[&'static str] = match self {
            Self::Contacts => &["Phone", "Mobile", "Home_Phone", "Other_Phone"],
            Self::Leads => &["Phone", "Mobile"],
        };
        if configured.is_empty() {
            return defaults.iter().map(|field| name(field)).collect();
        }
        let has =
            |field: &&Name| self == Self::Contacts || !CONTACTS_ONLY.contains(&field.as_str());
        configured.iter().filter(has).cloned().collect()
    }
}

/// What a phone field is for. The vendor says it by the field's name; a field that
/// somebody added may be for anything.
fn kind(field: &Name) -> PhoneKind {
    match field.as_str() {
        "Phone" => PhoneKind::Work,
        "Mobile" => PhoneKind::Mobile,
        "Home_Phone" => PhoneKind::Home,
        _ => PhoneKind::Other,
    }
}

/// The pages of records: where people look at them.
#[derive(Debug, Clone)]
pub(super) struct Pages(pub(super) Option<String>);

impl Pages {
    fn of(&self, module: &str, record: &str) -> Option<String> {
        let page = self.0.as_ref()?;
        Some(page.replace("{module}", module).replace("{record}", record))
    }
}

/// What is read of one module of people.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) module: Module,
    pub(super) phone_fields: Vec<Name>,
    /// Every field asked for, each once: the vendor refuses duplicates.
    pub(super) fields: Vec<Name>,
    data: Vec<(String, Name)>,
    pages: Pages,
}

impl Shape {
    /// # Errors
    /// `Invalid` naming `data` where that is more than one query can ask for.
    pub(super) fn new(
        module: Module,
        phone_fields: &[Name],
        data: Vec<(String, Name)>,
        pages: Pages,
    ) -> Result<Self, Error> {
        let phone_fields = module.phone_fields(phone_fields);
        let mut standard = vec!["id", "Full_Name", "First_Name", "Last_Name", "Email"];
        standard.extend(["Created_Time", "Modified_Time"]);
        if module == Module::Contacts {
            standard.push("Account_Name");
        }
        let more = phone_fields.iter().chain(data.iter().map(|(_, path)| path));
        let fields = each_once(standard, more)?;
        Ok(Self { module, phone_fields, fields, data, pages })
    }

    /// Reads one row.
    ///
    /// # Errors
    /// `Protocol` when the row has no id of the vendor's form.
    pub(super) fn contact(&self, row: &Json, numbers: Numbering) -> Result<Contact, Error> {
        let record = id_of(row)?;
        let part = |field: &str| text(row, field).map(str::to_owned);
        let time = |field: &str| text(row, field).and_then(Timestamp::parse);
        let mut phones = Vec::new();
        for field in &self.phone_fields {
            let stored = text(row, field.as_str()).and_then(|t| numbers.read(t));
            let phone = stored.map(|phone| ContactPhone::new(kind(field), phone.e164));
            phones.extend(phone.filter(|phone| !phones.contains(phone)));
        }
        let account = at(row, "Account_Name").and_then(|account| account["id"].as_str());
        Ok(Contact {
            url: self.pages.of(self.module.as_str(), record),
            object: self.module.as_str().to_owned(),
            name: part("Full_Name").unwrap_or_default(),
            first_name: part("First_Name"),
            last_name: part("Last_Name"),
            email: part("Email"),
            phones,
            created_at: time("Created_Time"),
            modified_at: time("Modified_Time"),
            last_call_at: None,
            account: account.filter(|_| self.module == Module::Contacts).map(str::to_owned),
            data: data(row, &self.data),
            record: record.to_owned(),
        })
    }
}

/// What is read of an account.
#[derive(Debug, Clone)]
pub(super) struct AccountShape {
    pub(super) fields: Vec<Name>,
    data: Vec<(String, Name)>,
    pages: Pages,
}

impl AccountShape {
    /// # Errors
    /// As [`Shape::new`].
    pub(super) fn new(data: Vec<(String, Name)>, pages: Pages) -> Result<Self, Error> {
        let fields = each_once(vec!["id", "Account_Name"], data.iter().map(|(_, path)| path))?;
        Ok(Self { fields, data, pages })
    }

    /// Reads one row.
    ///
    /// # Errors
    /// `Protocol` when the row has no id of the vendor's form.
    pub(super) fn account(&self, row: &Json) -> Result<Account, Error> {
        let record = id_of(row)?;
        Ok(Account {
            record: record.to_owned(),
            name: text(row, "Account_Name").unwrap_or_default().to_owned(),
            url: self.pages.of("Accounts", record),
            data: data(row, &self.data),
        })
    }
}

fn each_once<'a>(
    standard: Vec<&'static str>,
    more: impl Iterator<Item = &'a Name>,
) -> Result<Vec<Name>, Error> {
    let mut fields: Vec<Name> = standard.into_iter().map(name).collect();
    for field in more {
        if !fields.contains(field) {
            fields.push(field.clone());
        }
    }
    if fields.len() > COLUMNS_MAX {
        let reason =
            format!("with it a query has {} fields; {COLUMNS_MAX} are possible", fields.len());
        return Err(Error::Invalid { field: Some("data".to_owned()), reason });
    }
    Ok(fields)
}

/// The row's id.
///
/// # Errors
/// `Protocol` when it has none of the vendor's form.
pub(super) fn id_of(row: &Json) -> Result<&str, Error> {
    let id = row["id"].as_str().and_then(record_id);
    id.ok_or_else(|| Error::protocol("a record without an id"))
}

fn data(row: &Json, fields: &[(String, Name)]) -> BTreeMap<String, Value> {
    let value = |path: &Name| at(row, path.as_str()).and_then(value);
    fields.iter().filter_map(|(key, path)| Some((key.clone(), value(path)?))).collect()
}

/// The field's value; a field of a related record stands under its whole path.
fn at<'a>(row: &'a Json, path: &str) -> Option<&'a Json> {
    row.get(path).filter(|value| !value.is_null())
}

fn text<'a>(row: &'a Json, field: &str) -> Option<&'a str> {
    let text = at(row, field)?.as_str()?.trim();
    (!text.is_empty()).then_some(text)
}

/// A field's value; of a related record its name.
fn value(json: &Json) -> Option<Value> {
    match json {
        Json::String(text) => Some(Value::Text(text.clone())),
        Json::Bool(flag) => Some(Value::Bool(*flag)),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Some(Value::Integer(whole)),
            None => number.as_f64().map(Value::Number),
        },
        Json::Array(items) => Some(Value::List(items.iter().filter_map(value).collect())),
        Json::Object(related) => related.get("name")?.as_str().map(Value::from),
        Json::Null => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{AccountShape, Module, Pages, Shape};
    use crate::zoho_crm::coql::{Name, name};
    use domain::{ContactPhone, PhoneKind, Region, Timestamp, Value};
    use serde_json::{Value as Json, json};

    fn pages() -> Pages {
        Pages(Some("https://crm.zoho.com/crm/tab/{module}/{record}".to_owned()))
    }

    fn rows(answer: &str) -> Vec<Json> {
        let answer: Json = serde_json::from_str(answer).expect("JSON");
        answer["data"].as_array().expect("rows").clone()
    }

    #[test]
    fn a_documented_answer_maps_to_a_contact() {
        let data = [
            ("tier", "Loyalty_Tier"),
            ("company", "Account_Name"),
            ("tags", "Tags"),
            ("none", "Gone"),
        ];
        let data = data.map(|(key, path)| (key.to_owned(), Name::new(path).expect(path)));
        let shape = Shape::new(Module::Contacts, &[], data.to_vec(), pages()).expect("a shape");
        let region = Region::parse("US").expect("a region").into();
        let rows = rows(include_str!("fixtures/coql.json"));
        let contact = shape.contact(&rows[0], region).expect("a contact");
        assert_eq!(contact.record, "5725767000000524157");
        assert_eq!(contact.name, "John Doe");
        assert_eq!(contact.email.as_deref(), Some("john.doe@example.com"));
        let phones = [(PhoneKind::Work, "+15550199999"), (PhoneKind::Mobile, "+15550199998")];
        assert_eq!(contact.phones, phones.map(|(kind, e164)| ContactPhone::new(kind, e164)));
        assert_eq!(contact.account.as_deref(), Some("5725767000000524001"));
        assert_eq!(contact.created_at, Timestamp::parse("2026-03-02T05:30:00Z"));
        let page = "https://crm.zoho.com/crm/tab/Contacts/5725767000000524157";
        assert_eq!(contact.url.as_deref(), Some(page));
        assert_eq!(contact.data["tier"], Value::from("Gold"));
        assert_eq!(contact.data["company"], Value::from("Acme Corporation"));
        assert_eq!(contact.data["tags"], Value::List(vec!["vip".into(), "eu".into()]));
        assert!(!contact.data.contains_key("none"), "null is no value");
    }

    #[test]
    fn a_row_without_an_id_is_outside_the_protocol() {
        let region = Region::parse("US").expect("a region").into();
        let shape = Shape::new(Module::Leads, &[], vec![], pages()).expect("a shape");
        let accounts = AccountShape::new(vec![], pages()).expect("a shape");
        for row in [json!({}), json!({ "id": null }), json!({ "id": "x" }), json!(7)] {
            assert_eq!(shape.contact(&row, region).expect_err("no id").kind(), "protocol");
            assert_eq!(accounts.account(&row).expect_err("no id").kind(), "protocol");
        }
    }

    #[test]
    fn a_lead_is_not_asked_for_fields_of_contacts_and_none_twice() {
        let phones = [name("Home_Phone"), name("Phone")];
        let data = vec![("a".to_owned(), name("Phone")), ("b".to_owned(), name("Fax"))];
        let shape = Shape::new(Module::Leads, &phones, data, pages()).expect("a shape");
        assert_eq!(shape.phone_fields, [name("Phone")]);
        let fields: Vec<&str> = shape.fields.iter().map(Name::as_str).collect();
        assert_eq!(fields[7..], ["Phone", "Fax"]);
        assert!(!fields.contains(&"Account_Name"));
        let many = (0..60).map(|n| (n.to_string(), Name::new(&format!("F{n}")).expect("a name")));
        let error = Shape::new(Module::Leads, &[], many.collect(), pages()).expect_err("too many");
        assert!(matches!(error, kit::Error::Invalid { field: Some(f), .. } if f == "data"));
    }
}
