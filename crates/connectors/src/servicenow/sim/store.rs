//! The rows, of whatever table, in the order of entry.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sim::seed::SplitMix64;

use super::schema::{self, Table};

/// One row of one table.
#[derive(Clone)]
pub(super) struct Row {
    pub(super) table: &'static Table,
    values: BTreeMap<String, String>,
}

impl Row {
    /// The stored value; empty where there is none.
    pub(super) fn get(&self, column: &str) -> &str {
        self.values.get(column).map(String::as_str).unwrap_or_default()
    }
}

/// All rows of an instance.
pub(super) struct Store {
    rows: Vec<Row>,
    by_id: BTreeMap<String, usize>,
    /// Rows that the integration user may not see.
    pub(super) hidden: BTreeSet<String>,
    dice: SplitMix64,
    numbered: u64,
}

impl Store {
    /// An instance with its own description, and one user.
    pub(super) fn new(username: &str) -> Store {
        let mut store = Store {
            rows: Vec::new(),
            by_id: BTreeMap::new(),
            hidden: BTreeSet::new(),
            dice: SplitMix64::new(0x5E9D),
            numbered: 0,
        };
        let mut described = BTreeMap::new();
        for table in schema::all() {
            let parent = table.extends.and_then(|name| described.get(name).cloned());
            let parent: String = parent.unwrap_or_default();
            let values = [("name", table.name), ("super_class", &parent)];
            described.insert(table.name, store.insert("sys_db_object", values, "system"));
            let audit = if table.is_audited { "true" } else { "false" };
            let of_table =
                [("name", table.name), ("internal_type", "collection"), ("audit", audit)];
            store.insert("sys_dictionary", of_table, "system");
            for (column, kind) in table.own() {
                let kind = if kind.starts_with('>') { "reference" } else { kind };
                let values = [("name", table.name), ("element", column), ("internal_type", kind)];
                store.insert("sys_dictionary", values, "system");
            }
        }
        store.insert("sys_user", [("user_name", username), ("name", "Tieline")], "system");
        store
    }

    /// Roles of the one user there is.
    pub(super) fn give_roles(&mut self, roles: &[String]) {
        let user = self.of("sys_user").map(|row| row.get("sys_id").to_owned()).next();
        let user = user.unwrap_or_default();
        for role in roles {
            let id = self.insert("sys_user_role", [("name", role.as_str())], "system");
            let values = [("user", user.as_str()), ("role", &id), ("inherited", "false")];
            self.insert("sys_user_has_role", values, "system");
        }
    }

    /// The rows of a table and of those that extend it.
    pub(super) fn of<'a>(&'a self, table: &'a str) -> impl Iterator<Item = &'a Row> + 'a {
        self.rows.iter().filter(move |row| row.table.is(table))
    }

    pub(super) fn row(&self, sys_id: &str) -> Option<&Row> {
        self.by_id.get(sys_id).map(|at| &self.rows[*at])
    }

    /// Inserts a row; columns that the table does not have are ignored. Its sys_id.
    pub(super) fn insert<'a>(
        &mut self,
        table: &str,
        values: impl IntoIterator<Item = (&'a str, &'a str)>,
        by: &str,
    ) -> String {
        let table = schema::find(table).expect("a table of the schema");
        let id = format!("{:016x}{:016x}", self.dice.next_u64(), self.dice.next_u64());
        let now = now();
        let mut row = Row { table, values: BTreeMap::new() };
        let system = [
            ("sys_id", id.as_str()),
            ("sys_created_on", &now),
            ("sys_created_by", by),
            ("sys_updated_on", &now),
            ("sys_updated_by", by),
            ("sys_mod_count", "0"),
        ];
        row.values.extend(system.map(|(name, value)| (name.to_owned(), value.to_owned())));
        if table.kind("number").is_some() {
            self.numbered += 1;
            let number = format!("{:0>10}", self.numbered);
            row.values.insert("number".to_owned(), format!("{}{number}", prefix(table.name)));
        }
        self.by_id.insert(id.clone(), self.rows.len());
        self.rows.push(row);
        self.set(&id, values, by);
        id
    }

    /// Changes a row. An update that changes nothing leaves the count of changes alone.
    pub(super) fn update<'a>(
        &mut self,
        sys_id: &str,
        values: impl IntoIterator<Item = (&'a str, &'a str)>,
        by: &str,
    ) -> bool {
        let Some(at) = self.by_id.get(sys_id).copied() else { return false };
        if self.set(sys_id, values, by) {
            let count: u64 = self.rows[at].get("sys_mod_count").parse().unwrap_or(0);
            self.put(sys_id, "sys_mod_count", &(count + 1).to_string());
            self.put(sys_id, "sys_updated_on", &now());
            self.put(sys_id, "sys_updated_by", by);
        }
        true
    }

    /// Sets what may be set; whether something changed.
    fn set<'a>(
        &mut self,
        sys_id: &str,
        values: impl IntoIterator<Item = (&'a str, &'a str)>,
        by: &str,
    ) -> bool {
        let Some(at) = self.by_id.get(sys_id).copied() else { return false };
        let table = self.rows[at].table;
        let mut has_changed = false;
        let mut notes = Vec::new();
        for (column, value) in values {
            let Some(kind) = table.kind(column).filter(|_| !column.starts_with("sys_")) else {
                continue;
            };
            if kind == "journal_input" && table.name != "sys_journal_field" {
                has_changed |= !value.is_empty();
                notes.extend((!value.is_empty()).then(|| (column.to_owned(), value.to_owned())));
            } else if self.rows[at].get(column) != value {
                has_changed = true;
                self.rows[at].values.insert(column.to_owned(), value.to_owned());
            }
        }
        let name = [self.rows[at].get("first_name"), self.rows[at].get("last_name")];
        let name = name.join(" ").trim().to_owned();
        if !name.is_empty() {
            self.rows[at].values.insert("name".to_owned(), name);
        }
        for (element, value) in notes {
            let entry = [
                ("element_id", sys_id),
                ("element", &element),
                ("name", table.name),
                ("value", &value),
            ];
            self.insert("sys_journal_field", entry, by);
        }
        has_changed
    }

    /// Sets a stored value past all rules.
    pub(super) fn put(&mut self, sys_id: &str, column: &str, value: &str) {
        if let Some(at) = self.by_id.get(sys_id).copied() {
            self.rows[at].values.insert(column.to_owned(), value.to_owned());
        }
    }

    /// Deletes a row, and remembers it where the table is audited.
    pub(super) fn delete(&mut self, sys_id: &str, by: &str) -> bool {
        let Some(at) = self.by_id.remove(sys_id) else { return false };
        let row = self.rows.remove(at);
        for place in self.by_id.values_mut().filter(|place| **place > at) {
            *place -= 1;
        }
        if row.table.is_audited {
            let values = [
                ("tablename", row.table.name),
                ("documentkey", sys_id),
                ("display_value", row.get("name")),
            ];
            self.insert("sys_audit_delete", values, by);
        }
        true
    }

    /// The value at a path through references; `None` when a step is no column.
    pub(super) fn at(&self, row: &Row, path: &str) -> Option<String> {
        match path.split_once('.') {
            None => row.table.kind(path).map(|_| row.get(path).to_owned()),
            Some((step, rest)) => {
                let table = row.table.refers(step)?;
                match self.row(row.get(step)) {
                    Some(next) => self.at(next, rest),
                    None => known(table, rest).then(String::new),
                }
            }
        }
    }
}

/// Is there such a path from the table?
pub(super) fn known(table: &Table, path: &str) -> bool {
    match path.split_once('.') {
        None => table.kind(path).is_some(),
        Some((step, rest)) => table.refers(step).is_some_and(|next| known(next, rest)),
    }
}

/// What an automatic number of the table begins with.
fn prefix(table: &str) -> &'static str {
    match table {
        "customer_account" => "ACCT",
        "csm_consumer" => "CSMR",
        "interaction" => "IMS",
        _ => "INC",
    }
}

/// Now, as the vendor writes it.
fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    written(since)
}

/// A moment as the vendor writes it: UTC, to the second (civil dates after Hinnant).
pub(super) fn written(since: Duration) -> String {
    let seconds = i64::try_from(since.as_secs()).unwrap_or_default();
    let (days, rest) = (seconds.div_euclid(86_400) + 719_468, seconds.rem_euclid(86_400));
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}",
        rest / 3_600,
        rest / 60 % 60,
        rest % 60
    )
}
