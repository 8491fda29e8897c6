//! NetSuite's rows as people and accounts.
//!
//! [`Table`] names the columns that customers and contacts have; [`Shape`] says which of
//! them are asked for with what was configured, and what they mean. A row has texts only:
//! flags are `T` and `F`, and what is empty is left out.

use super::suiteql::{Column, Id, Name};
use domain::{Contact, ContactPhone, Numbering, PhoneKind, Timestamp, Value};
use kit::{Account, Error};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// Standing of an account over all that speaks against it.
const STATUS: &str = "status";
/// What the standing is read from.
const STATUS_OF: [&str; 3] = ["isinactive", "creditholdoverride", "overduebalancesearch"];

/// A table that holds people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Customer,
    Contact,
}

/// What is read of the rows of one table.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) table: Table,
    pub(super) phones: Vec<(Name, PhoneKind)>,
    pub(super) emails: Vec<Name>,
    data: Vec<(String, Path)>,
    /// The account's application, without a slash at its end.
    app: String,
}

/// What a configured name stands for: `category`, `category@label`, `balancesearch@number`,
/// each for one table alone with `customer.` before it; or `status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    table: Option<Table>,
    column: Name,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Number,
    Label,
    Status,
}

/// A person, and the e-mails that a contact has no room for.
#[derive(Clone)]
pub(super) struct Person {
    pub(super) contact: Contact,
    pub(super) emails: Vec<String>,
}

impl Table {
    pub(super) const ALL: [Self; 2] = [Self::Customer, Self::Contact];

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.as_str() == text)
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Contact => "contact",
        }
    }

    pub(super) fn name(self) -> Name {
        Name::fixed(self.as_str())
    }

    fn phones(self) -> &'static [(&'static str, PhoneKind)] {
        match self {
            Self::Customer => &[
                ("phone", PhoneKind::Work),
                ("mobilephone", PhoneKind::Mobile),
                ("homephone", PhoneKind::Home),
                ("altphone", PhoneKind::Other),
            ],
            Self::Contact => &[
                ("phone", PhoneKind::Work),
                ("officephone", PhoneKind::Work),
                ("mobilephone", PhoneKind::Mobile),
                ("homephone", PhoneKind::Home),
            ],
        }
    }

    fn emails(self) -> &'static [&'static str] {
        match self {
            Self::Customer => &["email"],
            Self::Contact => &["email", "altemail"],
        }
    }

    fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Customer => &["entityid", "companyname", "firstname", "lastname", "isperson"],
            Self::Contact => &["entityid", "firstname", "lastname", "company"],
        }
    }

    /// The page of a record.
    fn page(self) -> &'static str {
        match self {
            Self::Customer => "common/entity/custjob.nl",
            Self::Contact => "common/entity/contact.nl",
        }
    }
}

impl Path {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (table, rest) = match text.split_once('.') {
            Some((table, rest)) => (Some(Table::parse(table)?), rest),
            None => (None, text),
        };
        let (column, form) = match rest.split_once('@') {
            None if rest == STATUS => (rest, Form::Status),
            None => (rest, Form::Text),
            Some((column, "number")) => (column, Form::Number),
            Some((column, "label")) => (column, Form::Label),
            Some(_) => return None,
        };
        Some(Self { table, column: Name::new(column)?, form })
    }

    fn columns(&self) -> Vec<Column> {
        match self.form {
            Form::Status => STATUS_OF.map(|name| Column::Plain(Name::fixed(name))).to_vec(),
            Form::Label => vec![Column::Label(self.column.clone())],
            Form::Text | Form::Number => vec![Column::Plain(self.column.clone())],
        }
    }

    fn value(&self, row: &Json) -> Option<Value> {
        let name = self.column.as_str();
        match self.form {
            Form::Status => Some(status(row).into()),
            Form::Label => text(row, &format!("{name}_label")).map(Value::from),
            Form::Number => text(row, name).and_then(number),
            Form::Text => text(row, name).map(|text| match text {
                "T" => Value::Bool(true),
                "F" => Value::Bool(false),
                text => text.into(),
            }),
        }
    }
}

/// A whole number as one, any other as a fraction.
pub(super) fn number(text: &str) -> Option<Value> {
    let whole = text.parse().ok().map(Value::Integer);
    whole.or_else(|| text.parse().ok().filter(|n: &f64| n.is_finite()).map(Value::Number))
}

impl Shape {
    /// `more`: columns with numbers besides the usual ones, of every table.
    pub(super) fn new(table: Table, more: &[Name], data: &[(String, Path)], app: String) -> Self {
        let mut phones: Vec<(Name, PhoneKind)> =
            table.phones().iter().map(|(name, kind)| (Name::fixed(name), *kind)).collect();
        for name in more {
            let is_known = phones.iter().any(|(known, _)| known == name);
            phones.extend((!is_known).then(|| (name.clone(), PhoneKind::Other)));
        }
        let emails = table.emails().iter().copied().map(Name::fixed).collect();
        let is_own = |path: &Path| path.table.is_none_or(|only| only == table);
        let data = data.iter().filter(|(_, path)| is_own(path)).cloned().collect();
        Self { table, phones, emails, data, app }
    }

    /// The columns that an answer about people must carry.
    pub(super) fn of_person(&self) -> Vec<Column> {
        let own = self.table.columns().iter().copied().map(Name::fixed);
        let reached = self.phones.iter().map(|(name, _)| name.clone());
        let plain = own.chain(reached).chain(self.emails.iter().cloned()).map(Column::Plain);
        let moments =
            ["datecreated", "lastmodifieddate"].map(|name| Column::Moment(Name::fixed(name)));
        self.with_data(plain.chain(moments))
    }

    /// Those of an account that the column `key` names.
    pub(super) fn of_account(&self, key: &Name) -> Vec<Column> {
        let names = ["entityid", "companyname", "firstname", "lastname", "isperson", "isinactive"];
        let own = names.into_iter().map(Name::fixed).chain([key.clone()]);
        self.with_data(own.map(Column::Plain))
    }

    fn with_data(&self, these: impl Iterator<Item = Column>) -> Vec<Column> {
        let data = self.data.iter().flat_map(|(_, path)| path.columns());
        let mut columns: Vec<Column> = Vec::new();
        for column in [Column::Plain(Name::fixed("id"))].into_iter().chain(these).chain(data) {
            columns.extend((!columns.contains(&column)).then_some(column));
        }
        columns
    }

    /// Reads one row as a person, or as the company that a customer is.
    ///
    /// # Errors
    /// `Protocol` when it has no id.
    pub(super) fn person(&self, row: &Json, numbers: Numbering) -> Result<Person, Error> {
        let record = record(row)?;
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
        // In the time zone of the integration's user, which the set-up makes GMT.
        let moment = |name| Timestamp::parse(&format!("{}Z", text(row, name)?));
        let is_company = self.table == Table::Customer && text(row, "isperson") == Some("F");
        let contact = Contact {
            object: self.table.as_str().to_owned(),
            name: name(row, is_company),
            first_name: part("firstname").filter(|_| !is_company),
            last_name: part("lastname").filter(|_| !is_company),
            email: emails.first().cloned(),
            phones,
            created_at: moment("datecreated"),
            modified_at: moment("lastmodifieddate"),
            last_call_at: None,
            account: part("company").filter(|_| self.table == Table::Contact),
            url: Some(self.url(record)),
            data: self.data(row),
            record: record.text(),
        };
        Ok(Person { contact, emails })
    }

    /// Reads one customer as an account.
    ///
    /// # Errors
    /// `Protocol` when it has no id.
    pub(super) fn account(&self, row: &Json) -> Result<Account, Error> {
        let record = record(row)?;
        Ok(Account {
            name: name(row, text(row, "isperson") != Some("T")),
            url: Some(self.url(record)),
            data: self.data(row),
            record: record.text(),
        })
    }

    fn url(&self, record: Id) -> String {
        format!("{}/app/{}?id={}", self.app, self.table.page(), record.text())
    }

    fn data(&self, row: &Json) -> BTreeMap<String, Value> {
        let pairs = self.data.iter();
        pairs.filter_map(|(name, path)| Some((name.clone(), path.value(row)?))).collect()
    }
}

/// The id of a row.
///
/// # Errors
/// `Protocol` when it has none.
pub(super) fn record(row: &Json) -> Result<Id, Error> {
    text(row, "id").and_then(Id::new).ok_or_else(|| Error::protocol("a row without an id"))
}

fn name(row: &Json, is_company: bool) -> String {
    let parts = [text(row, "firstname"), text(row, "lastname")];
    let full = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let own = if is_company || full.is_empty() { text(row, "companyname") } else { None };
    let own = own.map(str::to_owned).or(Some(full).filter(|full| !full.is_empty()));
    own.or_else(|| text(row, "entityid").map(str::to_owned)).unwrap_or_default()
}

/// The worst that is said of an account.
fn status(row: &Json) -> &'static str {
    let overdue = text(row, "overduebalancesearch").and_then(|text| text.parse::<f64>().ok());
    if text(row, "isinactive") == Some("T") {
        return "inactive";
    }
    let hold = text(row, "creditholdoverride").unwrap_or_default();
    if hold.eq_ignore_ascii_case("ON") {
        return "credit_hold";
    }
    if overdue.is_some_and(|due| due > 0.0) { "overdue" } else { "active" }
}

/// A text that says something.
pub(super) fn text<'a>(row: &'a Json, column: &str) -> Option<&'a str> {
    row.get(column)?.as_str().map(str::trim).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{Path, Person, Shape, Table, status};
    use domain::Region;
    use serde_json::{Value as Json, json};

    fn shape(table: Table) -> Shape {
        let data = [
            ("status", "customer.status"),
            ("category", "customer.category@label"),
            ("balance", "customer.balancesearch@number"),
            ("isPerson", "customer.isperson"),
            ("title", "contact.title"),
        ];
        let data = data.map(|(name, path)| (name.to_owned(), Path::parse(path).expect(path)));
        Shape::new(table, &[], &data, "https://123456.app.netsuite.com".to_owned())
    }

    fn shown(Person { contact, emails }: &Person) -> Json {
        crate::shown::person(contact, emails)
    }

    /// Maps the rows of one documented answer and compares with the snapshot beside it.
    fn check(fixture: &str, table: Table, answer: &str) {
        let answer: Json = serde_json::from_str(answer).expect("JSON");
        let region = Region::parse("US").expect("a region").into();
        let rows = answer["items"].as_array().expect("rows").iter();
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
        check("customers", Table::Customer, include_str!("fixtures/customers.json"));
        check("contacts", Table::Contact, include_str!("fixtures/contacts.json"));
    }

    #[test]
    fn the_status_is_the_worst_of_all() {
        let check = |row: Json, expected: &str| assert_eq!(status(&row), expected, "{row}");
        check(json!({}), "active");
        check(json!({ "overduebalancesearch": "0", "creditholdoverride": "AUTO" }), "active");
        check(json!({ "overduebalancesearch": "12.5" }), "overdue");
        check(json!({ "overduebalancesearch": "12.5", "creditholdoverride": "ON" }), "credit_hold");
        check(json!({ "isinactive": "T", "creditholdoverride": "ON" }), "inactive");
    }

    #[test]
    fn what_is_configured_is_a_column_in_a_form() {
        for odd in ["", "a b", "vendor.phone", "category@Label", "x'y", "customer."] {
            assert_eq!(Path::parse(odd), None, "{odd}");
        }
    }
}
