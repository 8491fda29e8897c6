//! Every row of a store, from one engine to the other.
//!
//! The two schemas have the same tables and columns, so a copy is a walk over
//! each table by its primary key, a bounded page at a time.

use super::alerts::ALERTS;
use super::presence::PRESENCE;
use super::routing::ROUTING;
use super::syncing::SYNCING;
use super::tables::Type::{Blob, Int, Text};
use super::tables::{TABLES, Table, Type};
use crate::error::{Error, Result};
use crate::sql::{Cell, Param, Tx};

/// Rows read and written at once; times columns it stays below both engines' limits.
const PAGE: usize = 200;

/// Whether the target has ever been a store.
pub(super) async fn is_used(tx: &mut Tx<'_>) -> Result<bool> {
    Ok(tx.row("SELECT id FROM keys LIMIT 1", &[]).await?.is_some())
}

/// Empties every table.
pub(super) async fn clear(tx: &mut Tx<'_>) -> Result<()> {
    for table in tables().rev() {
        tx.execute(&format!("DELETE FROM {}", table.name), &[]).await?;
    }
    Ok(())
}

/// Copies every table into empty ones.
pub(super) async fn all(from: &mut Tx<'_>, to: &mut Tx<'_>) -> Result<()> {
    for table in tables() {
        table.copy(from, to).await?;
        if table.counted && to.is_postgres() {
            table.count_on(to).await?;
        }
    }
    Ok(())
}

fn tables() -> impl DoubleEndedIterator<Item = &'static Table> {
    TABLES.iter().chain(ROUTING).chain(SYNCING).chain(PRESENCE).chain(ALERTS)
}

impl Table {
    async fn copy(&self, from: &mut Tx<'_>, to: &mut Tx<'_>) -> Result<()> {
        let (first, next) = (self.select(false), self.select(true));
        let mut last: Option<Vec<Cell>> = None;
        loop {
            let rows = match &last {
                None => from.rows(&first, &[]).await?,
                Some(key) => {
                    let key: Vec<Param<'_>> = key
                        .iter()
                        .zip(self.columns)
                        .map(|(cell, (_, kind))| cell.as_param(kind.null()))
                        .collect();
                    from.rows(&next, &key).await?
                }
            };
            let Some(end) = rows.last() else { return Ok(()) };
            let params: Vec<Param<'_>> = rows
                .iter()
                .flat_map(|row| row.cells().iter().zip(self.columns))
                .map(|(cell, (_, kind))| cell.as_param(kind.null()))
                .collect();
            let written = to.execute(&self.insert(rows.len()), &params).await?;
            if written != rows.len() as u64 {
                return Err(Error::Corrupt { what: "not every row could be copied" });
            }
            last = Some(end.cells()[..self.key].to_vec());
        }
    }

    fn names(&self, columns: usize) -> String {
        let names: Vec<&str> = self.columns[..columns].iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }

    fn select(&self, after: bool) -> String {
        let (all, key) = (self.names(self.columns.len()), self.names(self.key));
        let after =
            if after { format!("WHERE ({key}) > ({})", marks(1, self.key)) } else { String::new() };
        format!("SELECT {all} FROM {} {after} ORDER BY {key} LIMIT {PAGE}", self.name)
    }

    fn insert(&self, rows: usize) -> String {
        let width = self.columns.len();
        let values: Vec<String> =
            (0..rows).map(|row| format!("({})", marks(row * width + 1, width))).collect();
        format!("INSERT INTO {} ({}) VALUES {}", self.name, self.names(width), values.join(", "))
    }

    /// The next row gets a number that none has.
    async fn count_on(&self, to: &mut Tx<'_>) -> Result<()> {
        let (table, key) = (self.name, self.names(1));
        let sql = format!(
            "SELECT setval(pg_get_serial_sequence('{table}', '{key}'), coalesce(max({key}), 0) + 1, false) FROM {table}"
        );
        to.execute(&sql, &[]).await?;
        Ok(())
    }
}

impl Type {
    fn null(&self) -> Param<'static> {
        match self {
            Int => Param::Int(None),
            Text => Param::Text(None),
            Blob => Param::Blob(None),
        }
    }
}

/// `?1, ?2, ?3`
fn marks(first: usize, count: usize) -> String {
    let marks: Vec<String> = (first..first + count).map(|at| format!("?{at}")).collect();
    marks.join(", ")
}

#[cfg(test)]
mod tests {
    use super::tables;
    use crate::sql::schema::MIGRATIONS;

    #[test]
    fn every_column_of_both_schemas_is_copied() {
        let sqlite: String = MIGRATIONS.iter().map(|migration| migration.sqlite).collect();
        let postgres: String = MIGRATIONS.iter().map(|migration| migration.postgres).collect();
        for schema in [sqlite, postgres] {
            let mut declared = Vec::new();
            let mut table = "";
            for line in schema.lines() {
                if let Some(name) = line.strip_prefix("CREATE TABLE ") {
                    table = name.trim_end_matches(" (");
                } else if let Some(added) = line.strip_prefix("ALTER TABLE ") {
                    let mut words = added.split_whitespace();
                    declared
                        .push((words.next().unwrap_or_default(), words.nth(2).unwrap_or_default()));
                } else if let Some(column) = line.strip_prefix("    ") {
                    let name = column.split_whitespace().next().unwrap_or_default();
                    if !matches!(name, "UNIQUE" | "PRIMARY") {
                        declared.push((table, name));
                    }
                }
            }
            let mut copied: Vec<_> = tables()
                .flat_map(|table| table.columns.iter().map(|(column, _)| (table.name, *column)))
                .collect();
            declared.sort_unstable();
            copied.sort_unstable();
            assert_eq!(declared, copied);
        }
    }
}
