//! Every row of a store, from one engine to the other.
//!
//! The two schemas have the same tables and columns, so a copy is a walk over
//! each table by its primary key, a bounded page at a time.

use crate::error::{Error, Result};
use crate::sql::{Cell, Param, Tx};

/// Rows read and written at once; times columns it stays below both engines' limits.
const PAGE: usize = 200;

enum Type {
    Int,
    Text,
    Blob,
}
use Type::{Blob, Int, Text};

struct Table {
    name: &'static str,
    /// The first `key` columns are the primary key.
    key: usize,
    columns: &'static [(&'static str, Type)],
    /// PostgreSQL counts these up by itself.
    counted: bool,
}

/// In an order that satisfies the references between them.
const TABLES: &[Table] = &[
    Table {
        name: "keys",
        key: 1,
        columns: &[
            ("id", Int),
            ("purpose", Text),
            ("wrapped", Blob),
            ("created_at", Int),
            ("retired_at", Int),
        ],
        counted: false,
    },
    Table {
        name: "calls",
        key: 1,
        columns: &[
            ("seq", Int),
            ("id", Text),
            ("direction", Text),
            ("media", Text),
            ("queue", Text),
            ("connection", Text),
            ("status", Text),
            ("source", Text),
            ("certainty", Int),
            ("subject", Blob),
            ("earlier_calls", Int),
            ("arrived_at", Int),
            ("answered_in_us", Int),
            ("identified_at", Int),
            ("details", Blob),
            ("identity", Blob),
            ("labels", Text),
            ("news", Int),
            ("deadline_us", Int),
            ("answered", Text),
        ],
        counted: true,
    },
    Table {
        name: "call_labels",
        key: 4,
        columns: &[("name", Text), ("value", Text), ("arrived_at", Int), ("seq", Int)],
        counted: false,
    },
    Table {
        name: "label_names",
        key: 1,
        columns: &[("name", Text), ("refused_at", Int), ("bound", Int)],
        counted: false,
    },
    Table {
        name: "label_values",
        key: 2,
        columns: &[("name", Text), ("value", Text)],
        counted: false,
    },
    Table {
        name: "interactions",
        key: 1,
        columns: &[("subject", Blob), ("calls", Int), ("last_call_at", Int)],
        counted: false,
    },
    Table {
        name: "contacts",
        key: 1,
        columns: &[
            ("id", Int),
            ("connection", Text),
            ("record", Blob),
            ("sealed", Blob),
            ("as_of", Int),
            ("pushed", Blob),
        ],
        counted: true,
    },
    Table {
        name: "contact_keys",
        key: 3,
        columns: &[
            ("connection", Text),
            ("hash", Blob),
            ("contact", Int),
            ("asked_at", Int),
            ("gone_at", Int),
        ],
        counted: false,
    },
    Table {
        name: "overrides",
        key: 1,
        columns: &[
            ("id", Int),
            ("number", Blob),
            ("queue", Text),
            ("connection", Text),
            ("record", Blob),
            ("sealed", Blob),
            ("created_at", Int),
            ("expires_at", Int),
        ],
        counted: true,
    },
    Table {
        name: "customer_data",
        key: 1,
        columns: &[("subject", Blob), ("sealed", Blob), ("version", Int), ("updated_at", Int)],
        counted: false,
    },
    Table {
        name: "call_data",
        key: 1,
        columns: &[("call", Text), ("sealed", Blob), ("version", Int), ("updated_at", Int)],
        counted: false,
    },
    Table {
        name: "links",
        key: 1,
        columns: &[("contact", Blob), ("subject", Blob), ("sealed", Blob), ("linked_at", Int)],
        counted: false,
    },
    Table {
        name: "news",
        key: 1,
        columns: &[("place", Int), ("stream", Blob), ("call", Text), ("kind", Text), ("at", Int)],
        counted: false,
    },
    Table {
        name: "news_waiting",
        key: 1,
        columns: &[("seq", Int), ("stream", Blob), ("call", Text), ("kind", Text), ("at", Int)],
        counted: true,
    },
    Table {
        name: "call_agents",
        key: 2,
        columns: &[("call", Text), ("agent", Blob), ("at", Int)],
        counted: false,
    },
    Table {
        name: "audit",
        key: 1,
        columns: &[
            ("seq", Int),
            ("at", Int),
            ("actor", Text),
            ("action", Text),
            ("uid", Blob),
            ("sealed", Blob),
            ("digest", Blob),
            ("chain", Blob),
        ],
        counted: false,
    },
    Table {
        name: "jobs",
        key: 1,
        columns: &[
            ("id", Int),
            ("uid", Blob),
            ("kind", Text),
            ("connection", Text),
            ("slot", Blob),
            ("state", Text),
            ("call", Text),
            ("payload", Blob),
            ("run_at", Int),
            ("due_at", Int),
            ("attempts", Int),
            ("lease", Int),
            ("created_at", Int),
            ("updated_at", Int),
            ("note", Text),
        ],
        counted: true,
    },
    Table {
        name: "api_keys",
        key: 1,
        columns: &[
            ("id", Text),
            ("name", Text),
            ("hash", Blob),
            ("scopes", Text),
            ("requests_per_minute", Int),
            ("created_at", Int),
            ("expires_at", Int),
            ("revoked_at", Int),
            ("rotated_from", Text),
        ],
        counted: false,
    },
    Table {
        name: "erasures",
        key: 1,
        columns: &[("id", Text), ("at", Int), ("actor", Text), ("reason", Text), ("swept_at", Int)],
        counted: false,
    },
    Table {
        name: "tombstones",
        key: 2,
        columns: &[("erasure", Text), ("hash", Blob), ("kind", Text)],
        counted: false,
    },
    Table {
        name: "call_events",
        key: 2,
        columns: &[
            ("call", Text),
            ("id", Blob),
            ("at", Int),
            ("received_at", Int),
            ("sealed", Blob),
        ],
        counted: false,
    },
    Table {
        name: "call_outcomes",
        key: 1,
        columns: &[
            ("call", Text),
            ("started_at", Int),
            ("ended_at", Int),
            ("talk_ms", Int),
            ("hold_ms", Int),
            ("work_ms", Int),
            ("handle_ms", Int),
            ("queue", Text),
            ("wrap_up", Text),
            ("updated_at", Int),
            ("sealed", Blob),
            ("journal", Text),
            ("journal_connection", Text),
            ("journal_record", Text),
            ("journal_digest", Blob),
        ],
        counted: false,
    },
    Table {
        name: "reconcile_runs",
        key: 1,
        columns: &[
            ("id", Int),
            ("slot", Int),
            ("due_at", Int),
            ("is_dry", Int),
            ("since_at", Int),
            ("until_at", Int),
            ("jobs_after", Int),
            ("state", Text),
            ("step", Text),
            ("cursor", Text),
            ("reached_at", Int),
            ("counts", Text),
            ("note", Text),
            ("started_at", Int),
            ("updated_at", Int),
            ("ended_at", Int),
            ("lease", Int),
            ("held_until", Int),
        ],
        counted: true,
    },
    Table {
        name: "reconcile_calls",
        key: 2,
        columns: &[("run", Int), ("call", Text), ("what", Text), ("reason", Text)],
        counted: false,
    },
    Table {
        name: "tokens",
        key: 1,
        columns: &[
            ("connection", Text),
            ("credentials", Blob),
            ("generation", Int),
            ("sealed", Blob),
            ("hold", Int),
            ("held_until", Int),
            ("updated_at", Int),
        ],
        counted: false,
    },
    Table {
        name: "alerts",
        key: 3,
        columns: &[
            ("kind", Text),
            ("connection", Text),
            ("node", Int),
            ("since", Int),
            ("seen_at", Int),
        ],
        counted: false,
    },
];

/// Whether the target has ever been a store.
pub(super) async fn is_used(tx: &mut Tx<'_>) -> Result<bool> {
    Ok(tx.row("SELECT id FROM keys LIMIT 1", &[]).await?.is_some())
}

/// Empties every table.
pub(super) async fn clear(tx: &mut Tx<'_>) -> Result<()> {
    for table in TABLES.iter().rev() {
        tx.execute(&format!("DELETE FROM {}", table.name), &[]).await?;
    }
    Ok(())
}

/// Copies every table into empty ones.
pub(super) async fn all(from: &mut Tx<'_>, to: &mut Tx<'_>) -> Result<()> {
    for table in TABLES {
        table.copy(from, to).await?;
        if table.counted && to.is_postgres() {
            table.count_on(to).await?;
        }
    }
    Ok(())
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
    use super::TABLES;
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
            let mut copied: Vec<_> = TABLES
                .iter()
                .flat_map(|table| table.columns.iter().map(|(column, _)| (table.name, *column)))
                .collect();
            declared.sort_unstable();
            copied.sort_unstable();
            assert_eq!(declared, copied);
        }
    }
}
