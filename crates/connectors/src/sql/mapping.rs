//! Rows ⇄ what Tieline knows; pure.
//!
//! A column is the field of its name, or the one that `columns` says. Every other column goes
//! to `data` under its own name. What is NULL or blank is left out.

use super::cell::{Cell, Row};
use super::queries::invalid;
use domain::{Contact, ContactPhone, Numbering, PhoneKind, Timestamp, Value};
use kit::{Account, Error, Settings};
use std::collections::BTreeMap;

/// Fields that a column can be.
const FIELDS: [&str; 18] = [
    "record",
    "object",
    "name",
    "first_name",
    "last_name",
    "email",
    "phone",
    "phones",
    "work_phone",
    "mobile_phone",
    "home_phone",
    "other_phone",
    "account",
    "url",
    "created_at",
    "modified_at",
    "modified_by",
    "version",
];
/// Fields with numbers, and what the numbers are for.
const PHONES: [(&str, PhoneKind); 6] = [
    ("work_phone", PhoneKind::Work),
    ("mobile_phone", PhoneKind::Mobile),
    ("home_phone", PhoneKind::Home),
    ("other_phone", PhoneKind::Other),
    ("phone", PhoneKind::Other),
    ("phones", PhoneKind::Other),
];
/// Numbers of one record that are read.
const PHONES_MAX: usize = 32;

/// Which column is which field.
#[derive(Debug, Clone)]
pub(super) struct Columns(BTreeMap<&'static str, String>);

impl Columns {
    /// Reads the setting `columns`.
    ///
    /// # Errors
    /// `Invalid` naming a field that there is not.
    pub(super) fn of(settings: &Settings) -> Result<Self, Error> {
        let mut columns: BTreeMap<&'static str, String> =
            FIELDS.into_iter().map(|field| (field, field.to_owned())).collect();
        for (field, column) in settings.pairs("columns") {
            let Some(field) = FIELDS.into_iter().find(|known| *known == field) else {
                let reason = format!("`{field}` is no field; there is {}", FIELDS.join(", "));
                return Err(invalid("columns", &reason));
            };
            columns.insert(field, column);
        }
        Ok(Self(columns))
    }

    /// The column of a field.
    pub(super) fn column(&self, field: &str) -> &str {
        self.0.get(field).map_or("", String::as_str)
    }

    pub(super) fn text(&self, row: &Row, field: &str) -> Option<String> {
        row.text(self.column(field))
    }

    /// Is one of these columns a number to call?
    pub(super) fn has_phone(&self, columns: &[String]) -> bool {
        PHONES.iter().any(|(field, _)| has(columns, self.column(field)))
    }

    pub(super) fn has(&self, columns: &[String], field: &str) -> bool {
        has(columns, self.column(field))
    }

    /// A person; `None` where the row names no record.
    pub(super) fn contact(&self, row: &Row, numbers: Numbering) -> Option<Contact> {
        let text = |field| self.text(row, field);
        let record = text("record")?;
        let (first_name, last_name) = (text("first_name"), text("last_name"));
        let name = text("name").unwrap_or_else(|| {
            let parts = [first_name.as_deref(), last_name.as_deref()];
            parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
        });
        let time = |field| Timestamp::parse(&text(field)?);
        Some(Contact {
            record,
            object: text("object").unwrap_or_default(),
            name,
            first_name,
            last_name,
            email: text("email"),
            phones: self.phones(row, numbers),
            created_at: time("created_at"),
            modified_at: time("modified_at"),
            last_call_at: None,
            account: text("account"),
            url: text("url"),
            data: self.data(row),
        })
    }

    /// An account that was asked for by `id`.
    pub(super) fn account(&self, row: &Row, id: &str) -> Account {
        let text = |field| self.text(row, field);
        Account {
            record: text("record").unwrap_or_else(|| id.to_owned()),
            name: text("name").unwrap_or_default(),
            url: text("url"),
            data: self.data(row),
        }
    }

    /// Every column that is no field.
    fn data(&self, row: &Row) -> BTreeMap<String, Value> {
        let is_field = |name: &str| self.0.values().any(|column| column.eq_ignore_ascii_case(name));
        let rest = row.0.iter().filter(|(name, _)| !is_field(name));
        rest.filter_map(|(name, cell)| Some((name.clone(), cell.value()?))).collect()
    }

    fn phones(&self, row: &Row, numbers: Numbering) -> Vec<ContactPhone> {
        let mut phones: Vec<ContactPhone> = Vec::new();
        for (field, kind) in PHONES {
            let typed = row.get(self.column(field)).map(several).unwrap_or_default();
            for text in typed {
                let Some(phone) = numbers.read(&text) else { continue };
                let is_known = phones.iter().any(|known| known.e164 == phone.e164);
                if !is_known && phones.len() < PHONES_MAX {
                    phones.push(ContactPhone::new(kind, phone.e164));
                }
            }
        }
        phones
    }
}

fn has(columns: &[String], name: &str) -> bool {
    columns.iter().any(|column| column.eq_ignore_ascii_case(name))
}

/// The texts of a column that may hold several: a list, JSON of one, or parts with `,`, `;` or
/// `|` between them.
fn several(cell: &Cell) -> Vec<String> {
    match cell {
        Cell::List(cells) => cells.iter().filter_map(Cell::text).collect(),
        Cell::Text(text) if text.trim_start().starts_with('[') => match Cell::of_json(text) {
            Some(list @ Cell::List(_)) => several(&list),
            _ => Vec::new(),
        },
        other => {
            let text = other.text().unwrap_or_default();
            let parts = text.split([',', ';', '|', '\n']).map(str::trim);
            parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Columns;
    use crate::sql::cell::{Cell, Row};
    use domain::{PhoneKind, Region, Timestamp};
    use kit::Settings;

    fn row(cells: &[(&str, Cell)]) -> Row {
        Row(cells.iter().map(|(name, cell)| ((*name).to_owned(), cell.clone())).collect())
    }

    fn text(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }

    fn columns(toml: &str) -> Columns {
        let plain: toml::Table = toml.parse().expect("toml");
        let settings = Settings { plain: plain.into_iter().collect(), ..Settings::default() };
        Columns::of(&settings).expect("columns")
    }

    #[test]
    fn a_column_is_the_field_of_its_name_and_every_other_is_data() {
        let row = row(&[
            ("CUSTOMER_NO", Cell::Integer(4711)),
            ("first_name", text("John")),
            ("last_name", text("Doe")),
            ("email", text(" john.doe@example.com ")),
            ("mobile_phone", text("(555) 019-9999")),
            ("phones", text("555-019-8888; +1 555 019 9999 | nonsense")),
            ("modified_at", text("2026-11-22 08:00:00.123456")),
            ("open_invoices", Cell::Integer(3)),
            ("note", Cell::Null),
            ("tier", text("  ")),
        ]);
        let region = Region::parse("US").expect("a region").into();
        let columns = columns("[columns]\nrecord = 'customer_no'");
        let contact = columns.contact(&row, region).expect("a contact");
        assert_eq!((contact.record.as_str(), contact.name.as_str()), ("4711", "John Doe"));
        assert_eq!(contact.email.as_deref(), Some("john.doe@example.com"));
        let phones: Vec<_> =
            contact.phones.iter().map(|phone| (phone.kind, phone.e164.as_str())).collect();
        let expected = [(PhoneKind::Mobile, "+15550199999"), (PhoneKind::Other, "+15550198888")];
        assert_eq!(phones, expected);
        assert_eq!(contact.modified_at, Timestamp::parse("2026-11-22T08:00:00.123Z"));
        assert_eq!(contact.data.keys().collect::<Vec<_>>(), ["open_invoices"]);
    }

    #[test]
    fn a_row_without_a_record_is_nobody() {
        let region = Region::parse("US").expect("a region").into();
        let row = row(&[("record", Cell::Null), ("name", text("Nobody"))]);
        assert_eq!(columns("").contact(&row, region), None);
    }

    #[test]
    fn a_list_of_numbers_may_be_json() {
        let region = Region::parse("US").expect("a region").into();
        let row = row(&[("record", text("1")), ("phones", text("[\"5550199999\", null, 7]"))]);
        let contact = columns("").contact(&row, region).expect("a contact");
        assert_eq!(contact.phones.len(), 1);
    }

    #[test]
    fn a_field_that_there_is_not_is_refused() {
        let settings = Settings {
            plain: "[columns]\nphon = 'x'"
                .parse::<toml::Table>()
                .expect("toml")
                .into_iter()
                .collect(),
            ..Settings::default()
        };
        assert!(Columns::of(&settings).expect_err("no field").to_string().contains("phon"));
    }
}
