//! Which columns a table has, as the instance itself says.
//!
//! A column that is misspelled ServiceNow drops from a query, leaves out of an answer and
//! ignores in a write, each time without a word. So names are compared with the dictionary
//! (`sys_dictionary`, and `sys_db_object` for what a table inherits) at check, and before
//! the first write of a table; where it may not be read, with a row. Never on a call.

use super::client::Client;
use super::mapping::stored;
use super::query::{AnyOf, Name, Query, Term};
use kit::{Error, Lane};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// Tables that a table inherits from, at most.
const PARENTS_MAX: usize = 8;
/// Rows of the dictionary for one question: each column once a table.
const ROWS_MAX: u32 = 1_000;
/// Tables whose columns are remembered.
const TABLES_MAX: usize = 50;

/// The columns of one instance, as far as they were asked for.
pub(super) struct Dictionary {
    pub(super) client: Arc<Client>,
    pub(super) known: Mutex<BTreeMap<String, BTreeSet<String>>>,
    /// Types of columns, by table.
    types: Mutex<BTreeMap<String, BTreeMap<String, String>>>,
}

impl Dictionary {
    pub(super) fn new(client: Arc<Client>) -> Self {
        Self { client, known: Mutex::default(), types: Mutex::default() }
    }

    /// Makes sure that the instance shows us these columns, before something depends on it.
    ///
    /// # Errors
    /// `Invalid` naming the first that it does not; `Forbidden` when nothing can be said,
    /// because neither a row nor the dictionary may be read.
    pub(super) async fn require(&self, table: &Name, columns: &[Name]) -> Result<(), Error> {
        let unknown = self.unknown(table, columns);
        if unknown.is_empty() {
            return Ok(());
        }
        let missing = match self.hidden(table, &unknown).await? {
            Some(hidden) => hidden,
            None => {
                let described = self.described(table, &unknown).await?;
                let described = described.ok_or_else(|| Error::Forbidden {
                    missing: format!("sys_dictionary, while {} shows us no row", table.as_str()),
                })?;
                absent(&unknown, &described)
            }
        };
        if let Some(first) = missing.first() {
            return Err(Error::Invalid {
                field: Some(first.as_str().to_owned()),
                reason: format!("{} has no such field, or does not show it to us", table.as_str()),
            });
        }
        self.remember(table, &unknown);
        Ok(())
    }

    /// Those of the columns that a row of the table does not have; `None` without any row.
    pub(super) async fn hidden(
        &self,
        table: &Name,
        columns: &[Name],
    ) -> Result<Option<Vec<Name>>, Error> {
        let mut fields = columns.to_vec();
        fields.push(Name::fixed("sys_id"));
        let query = Query::of(table, Vec::new(), fields, 1);
        let rows = self.client.rows(Lane::Background, &query).await?.rows;
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(Some(columns.iter().filter(|c| row.get(c.as_str()).is_none()).cloned().collect()))
    }

    /// Those of the columns (the first step of a path) that the dictionary names for the
    /// table or what it inherits from; `None` where the dictionary may not be read.
    pub(super) async fn described(
        &self,
        table: &Name,
        columns: &[Name],
    ) -> Result<Option<BTreeSet<String>>, Error> {
        let types = self.types(table, columns).await?;
        Ok(types.map(|types| types.into_keys().collect()))
    }

    /// Learns the types of these columns, for [`Dictionary::holds`]; nothing where the
    /// dictionary may not be read.
    pub(super) async fn learn(&self, table: &Name, columns: &[Name]) -> Result<(), Error> {
        let is_known = |column: &Name| self.holds(table, column).is_some();
        if columns.iter().all(is_known) {
            return Ok(());
        }
        let Some(types) = self.types(table, columns).await? else { return Ok(()) };
        let mut known = self.types.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= TABLES_MAX && !known.contains_key(table.as_str()) {
            known.clear();
        }
        known.entry(table.as_str().to_owned()).or_default().extend(types);
        Ok(())
    }

    /// The type of a column (`glide_date_time`), as far as it was learned.
    pub(super) fn holds(&self, table: &Name, column: &Name) -> Option<String> {
        let known = self.types.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(table.as_str())?.get(column.as_str()).cloned()
    }

    /// The types of those of the columns that the dictionary names, by the first step.
    async fn types(
        &self,
        table: &Name,
        columns: &[Name],
    ) -> Result<Option<BTreeMap<String, String>>, Error> {
        let tables = match self.lineage(table).await {
            Err(Error::Forbidden { .. }) => return Ok(None),
            tables => tables?,
        };
        let steps = columns.iter().map(step).chain(["sys_id"]);
        let steps: BTreeSet<&str> = steps.collect();
        let of = |column, values: Vec<&str>| Term::one_of(&Name::fixed(column), values);
        let all = [
            of("name", tables.iter().map(String::as_str).collect()),
            of("element", steps.into_iter().collect()),
        ];
        let all: Vec<AnyOf> = all.into_iter().flatten().map(AnyOf::from).collect();
        let fields = ["name", "element", "internal_type"].map(Name::fixed).to_vec();
        let query = Query::of(&Name::fixed("sys_dictionary"), all, fields, ROWS_MAX);
        let rows = match self.client.rows(Lane::Background, &query).await {
            Err(Error::Forbidden { .. }) => return Ok(None),
            rows => rows?.rows,
        };
        let text = |row: &Json, key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let ours = rows.iter().filter(|row| tables.contains(&text(row, "name")));
        let of_column = |row: &Json| {
            let kind = stored(row, "internal_type").unwrap_or_default();
            (text(row, "element"), kind.to_owned())
        };
        let found: BTreeMap<String, String> = ours.map(of_column).collect();
        // Every table has an id: without it the rows are hidden from us.
        Ok((!found.is_empty()).then_some(found))
    }

    /// The table and those it inherits from.
    async fn lineage(&self, table: &Name) -> Result<Vec<String>, Error> {
        let parent = Name::fixed("super_class.name");
        let mut tables = vec![table.as_str().to_owned()];
        for _ in 0..PARENTS_MAX {
            let last = tables.last().cloned().unwrap_or_default();
            let all = Term::is(&Name::fixed("name"), &last).map(AnyOf::from);
            let fields = vec![Name::fixed("name"), parent.clone()];
            let query =
                Query::of(&Name::fixed("sys_db_object"), all.into_iter().collect(), fields, 1);
            let rows = self.client.rows(Lane::Background, &query).await?.rows;
            let next = rows.first().filter(|row| row["name"] == last.as_str());
            let next = next.and_then(|row| row.get(parent.as_str())?.as_str());
            match next.filter(|next| !next.is_empty() && !tables.iter().any(|t| t == next)) {
                Some(next) => tables.push(next.to_owned()),
                None => break,
            }
        }
        Ok(tables)
    }

    fn unknown(&self, table: &Name, columns: &[Name]) -> Vec<Name> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get(table.as_str());
        let is_known = |column: &&Name| known.is_some_and(|all| all.contains(column.as_str()));
        columns.iter().filter(|column| !is_known(column)).cloned().collect()
    }

    fn remember(&self, table: &Name, columns: &[Name]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= TABLES_MAX && !known.contains_key(table.as_str()) {
            known.clear();
        }
        let of_table = known.entry(table.as_str().to_owned()).or_default();
        of_table.extend(columns.iter().map(|column| column.as_str().to_owned()));
    }
}

/// Those of the columns that are not described.
pub(super) fn absent(columns: &[Name], described: &BTreeSet<String>) -> Vec<Name> {
    columns.iter().filter(|column| !described.contains(step(column))).cloned().collect()
}

fn step(column: &Name) -> &str {
    column.as_str().split('.').next().unwrap_or_default()
}
