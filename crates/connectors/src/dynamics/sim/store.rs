//! The rows: by id, each with a version that counts over all tables, and what is gone.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value as Json;

use super::schema::{self, Kind, Table};

/// One record.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pub(super) version: u64,
    /// Columns that hold something; the table that a lookup leads to is under its name and `@to`.
    pub(super) values: BTreeMap<String, Json>,
}

impl Row {
    pub(super) fn get(&self, column: &str) -> &Json {
        self.values.get(column).unwrap_or(&Json::Null)
    }

    pub(super) fn etag(&self) -> String {
        format!("W/\"{}\"", self.version)
    }
}

/// One table's records, in the order of their ids.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) table: Table,
    pub(super) rows: BTreeMap<String, Row>,
    /// Ids of deleted records, by the version of the deletion.
    pub(super) gone: BTreeMap<u64, String>,
}

/// All of an environment.
#[derive(Debug)]
pub(super) struct Store {
    tables: Vec<Rows>,
    /// Of the last change.
    pub(super) version: u64,
    /// Change tokens below this version have expired.
    pub(super) oldest_token: u64,
}

impl Store {
    pub(super) fn new() -> Store {
        let rows = |table| Rows { table, rows: BTreeMap::new(), gone: BTreeMap::new() };
        let tables = schema::tables().into_iter().map(rows).collect();
        Store { tables, version: 72_201_000, oldest_token: 0 }
    }

    pub(super) fn all(&self) -> &[Rows] {
        &self.tables
    }

    /// The table of that set.
    pub(super) fn set(&self, name: &str) -> Option<usize> {
        self.tables.iter().position(|rows| rows.table.set == name)
    }

    pub(super) fn of(&self, logical: &str) -> Option<usize> {
        self.tables.iter().position(|rows| rows.table.logical == logical)
    }

    pub(super) fn rows(&self, at: usize) -> &Rows {
        &self.tables[at]
    }

    pub(super) fn row(&self, at: usize, id: &str) -> Option<&Row> {
        self.tables[at].rows.get(id)
    }

    /// The ids of the records with these values; texts compare in any case.
    pub(super) fn with(&self, at: usize, pairs: &[(String, Json)]) -> Vec<String> {
        let rows = self.tables[at].rows.iter();
        let fits = |row: &Row| pairs.iter().all(|(column, value)| same(row.get(column), value));
        rows.filter(|(_, row)| fits(row)).map(|(id, _)| id.clone()).collect()
    }

    /// Makes or replaces a record, as the system does it: version, times and names follow.
    pub(super) fn put(&mut self, at: usize, id: &str, mut row: Row, by: &str) {
        self.version += 1;
        let now = now();
        let table = &self.tables[at].table;
        row.values.insert(table.id.to_owned(), id.into());
        row.version = self.version;
        let defaults = [
            ("createdon", Json::from(now.clone())),
            ("_createdby_value", by.into()),
            ("_ownerid_value", by.into()),
            ("statecode", 0.into()),
            ("statuscode", 1.into()),
        ];
        for (column, value) in defaults {
            row.values.entry(column.to_owned()).or_insert(value);
        }
        row.values.insert("modifiedon".to_owned(), now.into());
        row.values.insert("_modifiedby_value".to_owned(), by.into());
        row.values.insert("versionnumber".to_owned(), self.version.into());
        if table.column("merged").is_some() {
            row.values.entry("merged".to_owned()).or_insert(false.into());
        }
        if table.column("fullname").is_some() {
            let parts =
                ["firstname", "lastname"].map(|part| row.get(part).as_str().unwrap_or_default());
            let full = parts.join(" ").trim().to_owned();
            row.values.insert("fullname".to_owned(), full.into());
        }
        self.tables[at].rows.insert(id.to_owned(), row);
    }

    /// Undoes what a change set began: as if it had never been.
    pub(super) fn set_back(&mut self, at: usize, id: &str, row: Option<Row>) {
        match row {
            Some(row) => drop(self.tables[at].rows.insert(id.to_owned(), row)),
            None => drop(self.tables[at].rows.remove(id)),
        }
        self.tables[at].gone.retain(|_, gone| gone != id);
    }

    /// Deletes a record; false when there is none.
    pub(super) fn remove(&mut self, at: usize, id: &str) -> bool {
        if self.tables[at].rows.remove(id).is_none() {
            return false;
        }
        self.version += 1;
        self.tables[at].gone.insert(self.version, id.to_owned());
        true
    }
}

/// Equal as the database compares: texts in any case.
pub(super) fn same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::String(a), Json::String(b)) => a.to_lowercase() == b.to_lowercase(),
        (Json::Number(a), Json::Number(b)) => a.as_f64() == b.as_f64(),
        (a, b) => a == b,
    }
}

/// This second, as the API writes it.
pub(super) fn now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    moment(seconds)
}

/// `2026-11-21T18:55:00Z`; days after Hinnant's `civil_from_days`.
fn moment(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        rest / 3_600,
        rest / 60 % 60,
        rest % 60
    )
}

/// Is this a value that the column takes? The reason where it is not.
pub(super) fn fits(table: &Table, name: &str, value: &Json) -> Result<(), String> {
    let column = table.column(name).filter(|column| !column.is_own);
    let unknown = || {
        format!(
            "The property '{name}' does not exist on type 'Microsoft.Dynamics.CRM.{}'. \
             Make sure to only use property names that are defined by the type.",
            table.logical
        )
    };
    let column = column.ok_or_else(unknown)?;
    if value.is_null() {
        return Ok(());
    }
    let is_fit = match column.kind {
        Kind::Text(most) => {
            let length = value.as_str().map(|text| text.chars().count());
            if length.is_some_and(|length| length > most) {
                return Err(format!(
                    "A validation error occurred. The length of the '{name}' attribute of the '{}' \
                     entity exceeded the maximum allowed length of '{most}'.",
                    table.logical
                ));
            }
            length.is_some()
        }
        Kind::Id => value.as_str().is_some_and(is_guid),
        Kind::Date => {
            value.as_str().is_some_and(|text| text.len() >= 10 && text.as_bytes()[4] == b'-')
        }
        Kind::Int => value.is_i64() || value.is_u64(),
        Kind::Decimal => value.is_number(),
        Kind::Bool => value.is_boolean(),
        Kind::Choice(all) => all.iter().any(|(number, _)| value.as_i64() == Some(*number)),
        Kind::Lookup => return Err(unknown()),
    };
    if is_fit {
        return Ok(());
    }
    Err(format!("Cannot convert the value of property '{name}' to the type of the column."))
}

/// Five groups of hexadecimal digits.
pub(super) fn is_guid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::moment;

    #[test]
    fn a_moment_is_written_as_the_api_writes_it() {
        assert_eq!(moment(0), "1970-01-01T00:00:00Z");
        assert_eq!(moment(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(moment(1_795_287_300), "2026-11-21T18:55:00Z");
    }
}
