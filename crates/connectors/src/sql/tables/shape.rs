//! A described table as the database has it: its columns, and what each of them holds.

use super::{Table, Tables, catalogue};
use crate::sql::database::Database;
use crate::sql::queries::invalid;
use crate::sql::statement::Dialect;
use kit::connector::Flaw;
use kit::{Error, Lane};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long the catalogue's word is taken for true. A column that is gone earlier, the
/// server tells by its name.
const FRESH: Duration = Duration::from_secs(300);

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sql) enum Holds {
    Text,
    Integer,
    Number,
    Bool,
    Date,
    /// A time; with its zone, or in UTC.
    Moment {
        zoned: bool,
    },
    Json,
    /// PostgreSQL's arrays.
    List,
    Uuid,
    Bytes,
    /// What is written as text, in the engine's own form.
    Other,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sql) struct Column {
    pub(super) name: String,
    pub(super) holds: Holds,
    /// Its type as the engine writes it, to which PostgreSQL casts what is bound.
    pub(super) kind: String,
    /// Characters that fit.
    pub(super) length: Option<usize>,
    pub(super) is_nullable: bool,
    /// By an index of its own: at most one row has a value.
    pub(super) is_unique: bool,
    /// The database computes it.
    pub(super) is_computed: bool,
    pub(super) may_insert: bool,
    pub(super) may_update: bool,
}

/// A table and its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sql) struct Shape {
    pub(in crate::sql) table: Table,
    pub(super) dialect: Dialect,
    pub(super) columns: Vec<Column>,
    pub(super) may_delete: bool,
}

/// PostgreSQL's own count of transactions, as a column.
pub(super) const XMIN: &str = "xmin";

impl Shape {
    /// A column by the name that somebody has for it: as it is, else in any case.
    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        let exact = self.columns.iter().find(|column| column.name == name);
        exact.or_else(|| self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name)))
    }

    /// A column of the description; that it is there was looked at before.
    ///
    /// # Errors
    /// `Invalid` naming it.
    pub(super) fn own(&self, name: &str) -> Result<&Column, Error> {
        self.column(name).ok_or_else(|| invalid(name, "is no column of this table"))
    }

    /// A column that may be written.
    ///
    /// # Errors
    /// `Invalid` naming the one that is none, or may not.
    pub(super) fn writable(&self, name: &str) -> Result<&Column, Error> {
        let shown: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
        let column =
            self.column(name).ok_or_else(|| invalid(&shown, "is no column of this table"))?;
        if self.table.writes(&column.name) {
            return Ok(column);
        }
        Err(invalid(&shown, &format!("may not be written: it is not in {}.write", self.table.at)))
    }

    /// Is the version PostgreSQL's own?
    pub(super) fn counts_itself(&self) -> bool {
        let version = self.table.version.as_deref();
        self.dialect == Dialect::PostgreSql && version == Some(XMIN) && self.column(XMIN).is_none()
    }

    /// What keeps this table from being an end of a sync, all of it.
    pub(super) fn flaws(&self) -> Vec<Flaw> {
        let table = &self.table;
        if self.columns.is_empty() {
            let message = format!("{}: there is no such table, or not for this user.", table.at);
            let fix = "Correct its name, or GRANT SELECT on it.".to_owned();
            return vec![Flaw { code: "connection.setting_refused", message, fix }];
        }
        let mut flaws = Vec::new();
        let named = [
            ("record", Some(&table.record)),
            ("key", table.key.as_ref()),
            ("version", table.version.as_ref().filter(|_| !self.counts_itself())),
            ("modified_at", Some(&table.modified_at)),
            ("modified_by", table.modified_by.as_ref()),
            ("deleted", table.deleted.as_ref()),
        ];
        let named = named.into_iter().filter_map(|(key, name)| Some((key, name?)));
        for (key, name) in named.chain(table.write.iter().map(|name| ("write", name))) {
            match self.column(name) {
                None => flaws.push(missing(&format!("{}.{key}", table.at), name)),
                Some(column) => flaws.extend(self.unfit(key, column)),
            }
        }
        flaws
    }

    /// What keeps a column from being what it is named for.
    fn unfit(&self, key: &str, column: &Column) -> Option<Flaw> {
        let (at, name) = (format!("{}.{key}", self.table.at), &column.name);
        let refused = |message: String, fix: String| {
            Some(Flaw {
                code: "connection.setting_refused",
                message: format!("{at}: {message}"),
                fix,
            })
        };
        let index = || {
            let table = self.from();
            format!("CREATE UNIQUE INDEX tieline_{key} ON {table} ({});", self.quote(name))
        };
        match key {
            "record" if !matches!(column.holds, Holds::Text | Holds::Integer | Holds::Uuid) => {
                let fix = "Name a column of text, whole numbers or uuids.".to_owned();
                refused(format!("`{name}` cannot be an id."), fix)
            }
            "record" | "key" if !column.is_unique => {
                let message =
                    format!("`{name}` has no unique index: two rows could have one value.");
                refused(message, index())
            }
            "modified_at" if column.is_nullable => {
                let message = format!("`{name}` may be empty, and who has none is never told.");
                refused(message, format!("Make {} NOT NULL, with a default.", self.quote(name)))
            }
            "modified_at" if self.table.stamps && self.now(column).is_none() => {
                let message = format!("`{name}` holds no time that Tieline could set.");
                refused(message, "Leave `stamps` out, and let a trigger keep it.".to_owned())
            }
            "deleted" if self.gone(column).is_none() => {
                let fix = "Name a column of a time, or of yes or no.".to_owned();
                refused(format!("`{name}` cannot say that a row is deleted."), fix)
            }
            "write" if column.is_computed => {
                let fix = "Take it out: what is not in `write` is only read.".to_owned();
                refused(format!("`{name}` is computed by the database."), fix)
            }
            _ => None,
        }
    }
}

fn missing(at: &str, name: &str) -> Flaw {
    Flaw {
        code: "connection.field_missing",
        message: format!("{at}: the table has no column `{name}`."),
        fix: "Correct its name, or add the column.".to_owned(),
    }
}

/// The tables of one connection, each as the database has it.
pub(in crate::sql) struct Shapes {
    pub(in crate::sql) database: Arc<dyn Database>,
    pub(in crate::sql) dialect: Dialect,
    pub(in crate::sql) tables: Tables,
    known: Mutex<BTreeMap<String, (Instant, Arc<Shape>)>>,
}

impl Shapes {
    pub(in crate::sql) fn new(
        database: Arc<dyn Database>,
        dialect: Dialect,
        tables: Tables,
    ) -> Self {
        Self { database, dialect, tables, known: Mutex::new(BTreeMap::new()) }
    }

    /// The table of this name, fit to be read and written.
    ///
    /// # Errors
    /// `Invalid` naming `object`, or the setting that does not fit what the database has.
    pub(in crate::sql) async fn of(&self, lane: Lane, object: &str) -> Result<Arc<Shape>, Error> {
        let Some(table) = self.tables.get(object) else {
            let shown: String = object.chars().filter(|c| !c.is_control()).take(60).collect();
            return Err(invalid("object", &format!("`{shown}` is described under no tables")));
        };
        let known = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let fresh = known.get(object).filter(|(at, _)| at.elapsed() < FRESH);
            fresh.map(|(_, shape)| Arc::clone(shape))
        };
        if let Some(shape) = known {
            return Ok(shape);
        }
        let shape = self.look(lane, table).await?;
        if let Some(flaw) = shape.flaws().into_iter().next() {
            let reason = format!("{} {}", flaw.message.trim_start_matches(&table.at), flaw.fix);
            return Err(invalid(&table.at, reason.trim_start_matches([':', '.', ' '])));
        }
        let shape = Arc::new(shape);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(object.to_owned(), (Instant::now(), Arc::clone(&shape)));
        Ok(shape)
    }

    /// The table as the catalogue has it now, fit or not.
    pub(super) async fn look(&self, lane: Lane, table: &Table) -> Result<Shape, Error> {
        catalogue::look(self.database.as_ref(), self.dialect, lane, table).await
    }
}
