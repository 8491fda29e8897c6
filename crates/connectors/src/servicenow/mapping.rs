//! ServiceNow's rows as contacts, and whether a row is what was asked for.
//!
//! [`Shape`] says which columns of a table are asked for and what each means. Every value
//! is a text; phones are stored as somebody typed them, so every one is parsed, and what
//! is no possible number is left out.

use super::query::{Name, sys_id};
use domain::{Contact, ContactPhone, Numbering, PhoneKind, Timestamp, Value};
use kit::Error;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use url::Url;

/// Columns that every table has and every question needs.
const SYSTEM: [&str; 3] = ["sys_id", "sys_created_on", "sys_updated_on"];
/// Columns of a person, where the table is none of those known.
const PERSON: [&str; 3] = ["name", "first_name", "last_name"];

/// What is read of one table of people.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) table: Name,
    pub(super) phones: Vec<(Name, PhoneKind)>,
    pub(super) email: Name,
    /// Every column asked for, each once.
    pub(super) fields: Vec<Name>,
    account: Option<Name>,
    pub(super) data: Data,
}

/// What joins an answer's `data`: a name of the administrator's and a column.
#[derive(Debug, Clone, Default)]
pub(super) struct Data {
    /// The stored values.
    pub(super) plain: Vec<(String, Name)>,
    /// The words that people see in their place.
    pub(super) display: Vec<(String, Name)>,
}

impl Shape {
    /// `phones` and `email` as configured, or as the vendor's own tables have them.
    pub(super) fn new(table: Name, phones: &[Name], email: Option<Name>, data: Data) -> Self {
        let is_consumer = table.as_str() == "csm_consumer";
        let usual = if is_consumer { "business_phone" } else { "phone" };
        let usual: Vec<Name> =
            [usual, "mobile_phone", "home_phone"].into_iter().map(Name::fixed).collect();
        let phones = if phones.is_empty() { usual } else { phones.to_vec() };
        let phones = phones.into_iter().map(|name| (name.clone(), kind(&name))).collect();
        let account = match table.as_str() {
            "customer_contact" => Some(Name::fixed("account")),
            "sys_user" => Some(Name::fixed("company")),
            _ => None,
        };
        let email = email.unwrap_or_else(|| Name::fixed("email"));
        let mut shape = Self { table, phones, email, fields: Vec::new(), account, data };
        let fixed = SYSTEM.into_iter().chain(PERSON).map(Name::fixed);
        let columns = fixed
            .chain([shape.email.clone()])
            .chain(shape.phones.iter().map(|(name, _)| name.clone()))
            .chain(shape.account.clone())
            .chain(shape.data.columns());
        let mut fields: Vec<Name> = Vec::new();
        for column in columns {
            if !fields.contains(&column) {
                fields.push(column);
            }
        }
        shape.fields = fields;
        shape
    }

    /// Reads one row.
    ///
    /// # Errors
    /// `Protocol` when the row has no id of the vendor's form.
    pub(super) fn contact(
        &self,
        row: &Json,
        instance: &Url,
        numbers: Numbering,
    ) -> Result<Contact, Error> {
        let record = record(row)?;
        let part = |column: &str| Some(text(row, column)).filter(|t| !t.is_empty());
        let time = |column: &str| Timestamp::parse(&text(row, column));
        let mut phones = Vec::new();
        for (column, kind) in &self.phones {
            let stored = numbers.read(&text(row, column.as_str()));
            let phone = stored.map(|phone| ContactPhone::new(*kind, phone.e164));
            phones.extend(phone.filter(|phone| !phones.contains(phone)));
        }
        Ok(Contact {
            object: self.table.as_str().to_owned(),
            name: text(row, "name"),
            first_name: part("first_name"),
            last_name: part("last_name"),
            email: part(self.email.as_str()),
            phones,
            created_at: time("sys_created_on"),
            modified_at: time("sys_updated_on"),
            last_call_at: None,
            account: self.account.as_ref().and_then(|column| part(column.as_str())),
            url: page(instance, &self.table, &record),
            data: self.data.of(row),
            record,
        })
    }
}

impl Data {
    /// Every column that is needed for it.
    pub(super) fn columns(&self) -> impl Iterator<Item = Name> + '_ {
        self.plain.iter().chain(&self.display).map(|(_, column)| column.clone())
    }

    /// What a row says; what is empty there is left out.
    pub(super) fn of(&self, row: &Json) -> BTreeMap<String, Value> {
        let plain = self.plain.iter().map(|(name, column)| (name, text(row, column.as_str())));
        let display = self.display.iter().map(|(name, column)| (name, shown(row, column.as_str())));
        let told = plain.chain(display).filter(|(_, text)| !text.is_empty());
        told.map(|(name, text)| (name.clone(), Value::Text(text))).collect()
    }
}

/// The row's id.
///
/// # Errors
/// `Protocol` when it has none of the vendor's form.
pub(super) fn record(row: &Json) -> Result<String, Error> {
    sys_id(&text(row, "sys_id")).ok_or_else(|| Error::protocol("a row without a sys_id"))
}

/// The stored value of a column, outer space removed; empty where there is none. Where
/// words are told beside values, both stand in an object.
pub(super) fn text(row: &Json, column: &str) -> String {
    stored(row, column).unwrap_or_default().trim().to_owned()
}

/// The stored value of a column exactly; `None` where the column is not told.
pub(super) fn stored<'a>(row: &'a Json, column: &str) -> Option<&'a str> {
    let value = row.get(column)?;
    value.get("value").unwrap_or(value).as_str()
}

/// The words that people see in the place of a value.
fn shown(row: &Json, column: &str) -> String {
    let Some(value) = row.get(column) else { return String::new() };
    let shown = value.get("display_value").unwrap_or(value);
    shown.as_str().unwrap_or_default().trim().to_owned()
}

/// Could this stored value be one that was asked for? The database compares without regard
/// to case, and takes some accented letters for plain ones: what it may have taken so passes.
pub(super) fn is_asked(stored: &str, asked: &str) -> bool {
    let fold = |text: &str| text.trim().to_lowercase();
    let (stored, asked) = (fold(stored), fold(asked));
    let may_be_folded = !stored.is_ascii() || !asked.is_ascii();
    stored == asked || (may_be_folded && !stored.is_empty())
}

/// Why an answer that holds rows nobody asked for cannot be trusted.
pub(super) fn ignored(table: &Name) -> Error {
    let table = table.as_str();
    Error::protocol(format!(
        "rows of {table} that were not asked for: ServiceNow ignored a part of the query, such as a column that it does not show us; tieline check names it"
    ))
}

/// What a phone column is for, as the vendor's own names say.
fn kind(column: &Name) -> PhoneKind {
    match column.as_str() {
        "phone" | "business_phone" => PhoneKind::Work,
        "mobile_phone" => PhoneKind::Mobile,
        "home_phone" => PhoneKind::Home,
        _ => PhoneKind::Other,
    }
}

/// The record's page within the instance's frame.
pub(super) fn page(instance: &Url, table: &Name, record: &str) -> Option<String> {
    let mut url = instance.join("nav_to.do").ok()?;
    let target = format!("{}.do?sys_id={record}", table.as_str());
    url.query_pairs_mut().append_pair("uri", &target);
    Some(url.into())
}

#[cfg(test)]
mod tests {
    use super::{Data, Shape, is_asked};
    use crate::servicenow::query::Name;
    use domain::{Numbering, Region, Value};
    use serde_json::{Value as Json, json};
    use url::Url;

    fn region() -> Numbering {
        Region::parse("US").expect("a region").into()
    }

    fn shape(table: &str) -> Shape {
        let data = Data {
            plain: vec![
                ("crmTier".to_owned(), Name::fixed("u_tier")),
                ("company".to_owned(), Name::fixed("account.name")),
                ("nothing".to_owned(), Name::fixed("title")),
            ],
            display: vec![("state".to_owned(), Name::fixed("u_state"))],
        };
        Shape::new(Name::fixed(table), &[], None, data)
    }

    /// Maps the rows of one documented answer and compares with the snapshot beside it.
    fn check(fixture: &str, table: &str, answer: &str) {
        let instance = Url::parse("https://acme.service-now.com/").expect("an address");
        let answer: Json = serde_json::from_str(answer).expect("JSON");
        let rows = answer["result"].as_array().expect("rows");
        let shape = shape(table);
        let told = rows.iter().map(|row| {
            let contact = shape.contact(row, &instance, region()).expect("a contact");
            let phones =
                contact.phones.iter().map(|phone| json!([phone.kind.as_str(), phone.e164]));
            let data = contact.data.iter().map(|(name, value)| {
                let Value::Text(text) = value else { panic!("all are texts") };
                (name.clone(), json!(text))
            });
            json!({
                "record": contact.record, "object": contact.object, "name": contact.name,
                "first_name": contact.first_name, "last_name": contact.last_name,
                "email": contact.email, "phones": phones.collect::<Vec<_>>(),
                "created_at": contact.created_at.map(|at| at.0),
                "modified_at": contact.modified_at.map(|at| at.0),
                "account": contact.account, "url": contact.url,
                "data": data.collect::<serde_json::Map<_, _>>(),
            })
        });
        let told: Vec<Json> = told.collect();
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("fixtures");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_json_snapshot!(fixture, told));
    }

    #[test]
    fn documented_answers_map_as_their_snapshots_say() {
        check("contacts", "customer_contact", include_str!("fixtures/contacts.json"));
        check("consumers", "csm_consumer", include_str!("fixtures/consumers.json"));
    }

    #[test]
    fn a_row_without_an_id_is_outside_the_protocol() {
        let instance = Url::parse("https://acme.service-now.com/").expect("an address");
        for row in [json!({}), json!({"sys_id": ""}), json!({"sys_id": "x"}), json!(7)] {
            let error = shape("sys_user").contact(&row, &instance, region()).expect_err("no id");
            assert_eq!(error.kind(), "protocol");
        }
    }

    #[test]
    fn what_a_database_may_take_for_the_same_was_asked_for() {
        assert!(is_asked("John.Doe@Example.com ", "john.doe@example.com"));
        assert!(is_asked("josé@example.com", "jose@example.com"));
        assert!(!is_asked("jane@example.com", "john@example.com"));
        assert!(!is_asked("", "josé@example.com"));
    }
}
