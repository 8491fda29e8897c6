//! Dataverse's rows as people and accounts.
//!
//! [`Table`] names the columns that each of the three tables of people has; [`Shape`] says
//! which of them are asked for with what was configured, and what they mean.

use super::odata::{Guid, Name};
use domain::{Contact, ContactPhone, Numbering, PhoneKind, Timestamp, Value};
use kit::{Account, Error};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// Where the label of a choice stands, behind the column's name.
const LABEL: &str = "@OData.Community.Display.V1.FormattedValue";
/// Which table a lookup leads to, likewise.
const LEADS_TO: &str = "@Microsoft.Dynamics.CRM.lookuplogicalname";

/// A table that holds people, or the accounts they hang on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Contact,
    Lead,
    Account,
}

/// What is read of the rows of one table.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) table: Table,
    pub(super) phones: Vec<(Name, PhoneKind)>,
    pub(super) emails: Vec<Name>,
    data: Vec<(String, Path)>,
    page: Page,
}

/// Where people look at a record.
#[derive(Debug, Clone)]
pub(super) struct Page {
    /// The environment's address, without a slash at its end.
    pub(super) base: String,
    /// The model-driven app to open it in.
    pub(super) app: Option<Guid>,
}

/// What a configured name stands for: `tier`, `tier@label`, `parentcustomerid_account/name`,
/// each for one table alone with `contact.` before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    table: Option<Table>,
    /// The navigation property to follow.
    way: Option<Name>,
    column: Name,
    is_label: bool,
}

/// A person, and the e-mails that a contact has no room for.
#[derive(Clone)]
pub(super) struct Person {
    pub(super) contact: Contact,
    pub(super) emails: Vec<String>,
}

impl Table {
    pub(super) const ALL: [Self; 3] = [Self::Contact, Self::Lead, Self::Account];

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.logical() == text)
    }

    /// Its logical name.
    pub(super) fn logical(self) -> &'static str {
        match self {
            Self::Contact => "contact",
            Self::Lead => "lead",
            Self::Account => "account",
        }
    }

    /// What stands for it in an address.
    pub(super) fn set(self) -> Name {
        Name::fixed(match self {
            Self::Contact => "contacts",
            Self::Lead => "leads",
            Self::Account => "accounts",
        })
    }

    pub(super) fn id(self) -> Name {
        Name::fixed(match self {
            Self::Contact => "contactid",
            Self::Lead => "leadid",
            Self::Account => "accountid",
        })
    }

    fn phones(self) -> &'static [(&'static str, PhoneKind)] {
        const PERSON: &[(&str, PhoneKind)] = &[
            ("telephone1", PhoneKind::Work),
            ("mobilephone", PhoneKind::Mobile),
            ("telephone2", PhoneKind::Home),
            ("telephone3", PhoneKind::Other),
        ];
        const COMPANY: &[(&str, PhoneKind)] = &[
            ("telephone1", PhoneKind::Work),
            ("telephone2", PhoneKind::Other),
            ("telephone3", PhoneKind::Other),
        ];
        match self {
            Self::Contact | Self::Lead => PERSON,
            Self::Account => COMPANY,
        }
    }

    /// Besides the id, numbers and e-mails.
    fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Contact => &[
                "fullname",
                "firstname",
                "lastname",
                "_parentcustomerid_value",
                "createdon",
                "modifiedon",
            ],
            Self::Lead => &[
                "fullname",
                "firstname",
                "lastname",
                "_parentaccountid_value",
                "createdon",
                "modifiedon",
            ],
            Self::Account => &["name", "createdon", "modifiedon"],
        }
    }
}

impl Path {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (table, rest) = match text.split_once('.') {
            Some((table, rest)) => (Some(Table::parse(table)?), rest),
            None => (None, text),
        };
        let (rest, is_label) = match rest.strip_suffix("@label") {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        let (way, column) = match rest.split_once('/') {
            Some((way, column)) => (Some(Name::new(way)?), column),
            None => (None, rest),
        };
        Some(Self { table, way, column: Name::new(column)?, is_label })
    }

    fn of<'a>(&self, row: &'a Json) -> Option<&'a Json> {
        let row = match &self.way {
            Some(way) => row.get(way.as_str())?,
            None => row,
        };
        if self.is_label {
            return row.get(format!("{}{LABEL}", self.column.as_str()));
        }
        row.get(self.column.as_str())
    }
}

impl Shape {
    /// `more`: columns with numbers besides the usual ones, of every table.
    pub(super) fn new(table: Table, more: &[Name], data: &[(String, Path)], page: Page) -> Self {
        let mut phones: Vec<(Name, PhoneKind)> =
            table.phones().iter().map(|(name, kind)| (Name::fixed(name), *kind)).collect();
        for name in more {
            let is_known = phones.iter().any(|(known, _)| known == name);
            phones.extend((!is_known).then(|| (name.clone(), PhoneKind::Other)));
        }
        let emails = ["emailaddress1", "emailaddress2", "emailaddress3"].map(Name::fixed);
        let is_own = |path: &Path| path.table.is_none_or(|only| only == table);
        let data = data.iter().filter(|(_, path)| is_own(path)).cloned().collect();
        Self { table, phones, emails: emails.to_vec(), data, page }
    }

    /// The columns and ways that an answer must carry.
    pub(super) fn of_person(&self) -> (Vec<Name>, Vec<(Name, Vec<Name>)>) {
        let own = self.table.columns().iter().copied().map(Name::fixed);
        let reached = self.phones.iter().map(|(name, _)| name.clone());
        self.with_data(own.chain(reached).chain(self.emails.iter().cloned()))
    }

    /// Those of an account that the column `key` names.
    pub(super) fn of_account(&self, key: &Name) -> (Vec<Name>, Vec<(Name, Vec<Name>)>) {
        self.with_data(["name", "statecode"].into_iter().map(Name::fixed).chain([key.clone()]))
    }

    fn with_data(&self, these: impl Iterator<Item = Name>) -> (Vec<Name>, Vec<(Name, Vec<Name>)>) {
        let direct = self.data.iter().filter(|(_, path)| path.way.is_none());
        let direct = direct.map(|(_, path)| path.column.clone());
        let mut select: Vec<Name> = Vec::new();
        for name in [self.table.id()].into_iter().chain(these).chain(direct) {
            select.extend((!select.contains(&name)).then_some(name));
        }
        let mut expand: BTreeMap<Name, Vec<Name>> = BTreeMap::new();
        for (_, path) in &self.data {
            let Some(way) = &path.way else { continue };
            let columns = expand.entry(way.clone()).or_default();
            columns.extend((!columns.contains(&path.column)).then(|| path.column.clone()));
        }
        (select, expand.into_iter().collect())
    }

    /// Reads one row as a person.
    ///
    /// # Errors
    /// `Protocol` when it has no id.
    pub(super) fn person(&self, row: &Json, numbers: Numbering) -> Result<Person, Error> {
        let record = self.record(row)?;
        let mut phones: Vec<ContactPhone> = Vec::new();
        for (column, kind) in &self.phones {
            let typed = text(row, column.as_str());
            let Some(phone) = typed.and_then(|typed| numbers.read(typed)) else {
                continue;
            };
            if !phones.iter().any(|known| known.e164 == phone.e164) {
                phones.push(ContactPhone::new(*kind, phone.e164));
            }
        }
        let emails: Vec<String> = self
            .emails
            .iter()
            .filter_map(|name| text(row, name.as_str()))
            .map(str::to_owned)
            .collect();
        let part = |name| text(row, name).map(str::to_owned);
        let account = match self.table {
            // The customer that a contact hangs on may be another contact.
            Table::Contact => part("_parentcustomerid_value").filter(|_| {
                text(row, &format!("_parentcustomerid_value{LEADS_TO}"))
                    .is_none_or(|to| to == "account")
            }),
            Table::Lead => part("_parentaccountid_value"),
            Table::Account => None,
        };
        let moment = |name| text(row, name).and_then(Timestamp::parse);
        let contact = Contact {
            object: self.table.logical().to_owned(),
            name: text(row, "fullname").or(text(row, "name")).unwrap_or_default().to_owned(),
            first_name: part("firstname"),
            last_name: part("lastname"),
            email: emails.first().cloned(),
            phones,
            created_at: moment("createdon"),
            modified_at: moment("modifiedon"),
            last_call_at: None,
            account,
            url: Some(self.url(&record)),
            data: self.data(row),
            record: record.as_str().to_owned(),
        };
        Ok(Person { contact, emails })
    }

    /// Reads one row as an account.
    ///
    /// # Errors
    /// `Protocol` when it has no id.
    pub(super) fn account(&self, row: &Json) -> Result<Account, Error> {
        let record = self.record(row)?;
        Ok(Account {
            name: text(row, "name").unwrap_or_default().to_owned(),
            url: Some(self.url(&record)),
            data: self.data(row),
            record: record.as_str().to_owned(),
        })
    }

    fn record(&self, row: &Json) -> Result<Guid, Error> {
        let id = text(row, self.table.id().as_str()).and_then(Guid::new);
        id.ok_or_else(|| {
            Error::protocol(format!("a row of {} without an id", self.table.logical()))
        })
    }

    fn url(&self, record: &Guid) -> String {
        let app = self.page.app.as_ref().map(|app| format!("appid={}&", app.as_str()));
        let (base, table) = (&self.page.base, self.table.logical());
        let app = app.unwrap_or_default();
        format!("{base}/main.aspx?{app}pagetype=entityrecord&etn={table}&id={}", record.as_str())
    }

    fn data(&self, row: &Json) -> BTreeMap<String, Value> {
        let pairs = self.data.iter();
        pairs.filter_map(|(name, path)| Some((name.clone(), value(path.of(row)?)?))).collect()
    }
}

/// A text that says something.
pub(super) fn text<'a>(row: &'a Json, column: &str) -> Option<&'a str> {
    row.get(column)?.as_str().map(str::trim).filter(|text| !text.is_empty())
}

fn value(json: &Json) -> Option<Value> {
    match json {
        Json::String(text) if text.trim().is_empty() => None,
        Json::String(text) => Some(Value::Text(text.clone())),
        Json::Bool(flag) => Some(Value::Bool(*flag)),
        Json::Number(number) => {
            number.as_i64().map(Value::Integer).or_else(|| number.as_f64().map(Value::Number))
        }
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Page, Path, Person, Shape, Table};
    use domain::Region;
    use serde_json::{Value as Json, json};

    fn shape(table: Table) -> Shape {
        let data = [
            ("company", "contact.parentcustomerid_account/name"),
            ("company", "lead.companyname"),
            ("method", "preferredcontactmethodcode@label"),
            ("methodCode", "preferredcontactmethodcode"),
            ("limit", "creditlimit"),
        ];
        let data = data.map(|(name, path)| (name.to_owned(), Path::parse(path).expect(path)));
        let page = Page { base: "https://org.crm.dynamics.com".to_owned(), app: None };
        Shape::new(table, &[], &data, page)
    }

    fn shown(Person { contact, emails }: &Person) -> Json {
        crate::shown::person(contact, emails)
    }

    /// Maps the rows of one documented answer and compares with the snapshot beside it.
    fn check(fixture: &str, table: Table, answer: &str) {
        let answer: Json = serde_json::from_str(answer).expect("JSON");
        let region = Region::parse("US").expect("a region").into();
        let rows = answer["value"].as_array().expect("rows").iter();
        let people = rows.map(|row| shown(&shape(table).person(row, region).expect("a person")));
        let people: Vec<Json> = people.collect();
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("fixtures");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_json_snapshot!(fixture, people));
    }

    #[test]
    fn documented_answers_map_as_their_snapshots_say() {
        check("contacts", Table::Contact, include_str!("fixtures/contacts.json"));
        check("leads", Table::Lead, include_str!("fixtures/leads.json"));
    }

    #[test]
    fn a_row_without_an_id_is_outside_the_protocol() {
        let region = Region::parse("US").expect("a region").into();
        for row in [json!({}), json!({ "contactid": "7" }), json!([])] {
            let error = shape(Table::Contact).person(&row, region).err().expect("no id");
            assert_eq!(error.kind(), "protocol");
        }
    }

    #[test]
    fn what_is_configured_is_a_column_its_label_or_a_way_and_a_column() {
        for odd in ["", "a/b/c", "a b", "task.subject", "contact.", "a@labels", "x'y", "a,b"] {
            assert_eq!(Path::parse(odd), None, "{odd}");
        }
        let (select, expand) = shape(Table::Contact).of_person();
        assert!(select.iter().any(|name| name.as_str() == "preferredcontactmethodcode"));
        assert!(!select.iter().any(|name| name.as_str() == "companyname"), "a lead's");
        assert_eq!(expand.len(), 1);
    }
}
