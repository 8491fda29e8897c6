//! The statements of a table: names of the catalogue, quoted as the engine quotes, and
//! placeholders. No value is part of them.

use super::shape::{Column, Holds, Shape, XMIN};
use crate::sql::statement::{Dialect, Statement, placeholder};

/// What the columns of a description are called in answers; fields are `f0`, `f1`, …
pub(super) const RECORD: &str = "tieline_record";
pub(super) const MODIFIED: &str = "tieline_modified";
pub(super) const VERSION: &str = "tieline_version";
pub(super) const MODIFIED_BY: &str = "tieline_by";
pub(super) const DELETED: &str = "tieline_deleted";

/// A name in the engine's own quotes.
pub(super) fn quote(dialect: Dialect, name: &str) -> String {
    match dialect {
        Dialect::PostgreSql | Dialect::Sqlite => format!("\"{}\"", name.replace('"', "\"\"")),
        Dialect::MySql => format!("`{}`", name.replace('`', "``")),
        Dialect::SqlServer => format!("[{}]", name.replace(']', "]]")),
    }
}

/// A table's name in the engine's own quotes.
pub(super) fn quoted(dialect: Dialect, (schema, name): &(Option<String>, String)) -> String {
    let own = quote(dialect, name);
    schema.as_ref().map_or(own.clone(), |schema| format!("{}.{own}", quote(dialect, schema)))
}

impl Shape {
    pub(super) fn quote(&self, name: &str) -> String {
        quote(self.dialect, name)
    }

    pub(super) fn from(&self) -> String {
        quoted(self.dialect, &self.table.name)
    }

    /// The rows that have one of so many values in a column; locked until the transaction ends.
    pub(super) fn by(
        &self,
        column: &Column,
        count: usize,
        is_locked: bool,
        fields: &[&Column],
    ) -> Statement {
        let places: Vec<String> = (1..=count).map(|nth| self.place(nth, column)).collect();
        let hint = match self.dialect {
            Dialect::SqlServer if is_locked => " WITH (UPDLOCK, ROWLOCK)",
            _ => "",
        };
        let lock = match self.dialect {
            // Rows in one order, so that no two writers wait for each other.
            Dialect::PostgreSql | Dialect::MySql if is_locked => {
                format!(" ORDER BY {} FOR UPDATE", self.quote(&self.table.record))
            }
            // SQLite locks the file when the transaction begins.
            _ => String::new(),
        };
        self.made(format!(
            "SELECT {} FROM {}{hint} WHERE {} IN ({}){lock}",
            self.list(fields),
            self.from(),
            self.quote(&column.name),
            places.join(", ")
        ))
    }

    /// Rows in the order of their changes: from a time on, or after a time and an id. Bound
    /// are the time, then twice the time's place and the id where `goes_on`, then how many.
    pub(super) fn page(&self, goes_on: bool, fields: &[&Column]) -> Option<Statement> {
        let (time, id) = (self.column(&self.table.modified_at)?, self.column(&self.table.record)?);
        let (at, of) = (self.quote(&time.name), self.quote(&id.name));
        let (condition, next) = if goes_on {
            let (first, second) = (self.place(1, time), self.place(2, time));
            let own = self.place(3, id);
            let condition = match self.dialect {
                // The pair tells the engine where in its index to begin, the rest is exact.
                Dialect::PostgreSql | Dialect::Sqlite => {
                    format!("{at} >= {first} AND ({at}, {of}) > ({second}, {own})")
                }
                Dialect::MySql | Dialect::SqlServer => {
                    format!("{at} > {first} OR ({at} = {second} AND {of} > {own})")
                }
            };
            (condition, 4)
        } else {
            (format!("{at} >= {}", self.place(1, time)), 2)
        };
        let most = placeholder(self.dialect, next);
        let end = match self.dialect {
            Dialect::SqlServer => format!("OFFSET 0 ROWS FETCH NEXT {most} ROWS ONLY"),
            _ => format!("LIMIT {most}"),
        };
        let (list, from) = (self.list(fields), self.from());
        Some(
            self.made(format!(
                "SELECT {list} FROM {from} WHERE {condition} ORDER BY {at}, {of} {end}"
            )),
        )
    }

    /// Makes a row with these columns.
    pub(super) fn insert(&self, columns: &[&Column]) -> Statement {
        let mut names: Vec<String> =
            columns.iter().map(|column| self.quote(&column.name)).collect();
        let places = columns.iter().enumerate();
        let mut values: Vec<String> =
            places.map(|(at, column)| self.place(at + 1, column)).collect();
        if let Some((name, now)) = self.stamp() {
            names.push(name);
            values.push(now);
        }
        let (names, values) = (names.join(", "), values.join(", "));
        self.made(format!("INSERT INTO {} ({names}) VALUES ({values})", self.from()))
    }

    /// Sets these columns of one row, and no other (invariant 7).
    pub(super) fn update(&self, columns: &[&Column], record: &Column) -> Statement {
        let places = columns.iter().enumerate();
        let mut sets: Vec<String> = places
            .map(|(at, column)| {
                format!("{} = {}", self.quote(&column.name), self.place(at + 1, column))
            })
            .collect();
        sets.extend(self.stamp().map(|(name, now)| format!("{name} = {now}")));
        self.set(&sets, record, columns.len() + 1)
    }

    /// Takes one row away, or says in it that it is gone.
    pub(super) fn delete(&self, record: &Column) -> Statement {
        let deleted = self.table.deleted.as_ref().and_then(|name| self.column(name));
        if let Some((column, gone)) = deleted.and_then(|column| Some((column, self.gone(column)?)))
        {
            let mut sets = vec![format!("{} = {gone}", self.quote(&column.name))];
            sets.extend(self.stamp().map(|(name, now)| format!("{name} = {now}")));
            return self.set(&sets, record, 1);
        }
        let condition = format!("{} = {}", self.quote(&record.name), self.place(1, record));
        self.made(format!("DELETE FROM {} WHERE {condition}", self.from()))
    }

    fn set(&self, sets: &[String], record: &Column, nth: usize) -> Statement {
        let condition = format!("{} = {}", self.quote(&record.name), self.place(nth, record));
        self.made(format!("UPDATE {} SET {} WHERE {condition}", self.from(), sets.join(", ")))
    }

    fn made(&self, text: String) -> Statement {
        Statement::made(&self.table.at, text)
    }

    /// A placeholder; PostgreSQL is told of which type the text is.
    fn place(&self, nth: usize, column: &Column) -> String {
        let place = placeholder(self.dialect, nth);
        match self.dialect {
            Dialect::PostgreSql => format!("{place}::{}", column.kind),
            _ => place,
        }
    }

    fn stamp(&self) -> Option<(String, String)> {
        let column = self.column(&self.table.modified_at).filter(|_| self.table.stamps)?;
        Some((self.quote(&column.name), self.now(column)?))
    }

    /// The database's own time, as this column holds it.
    pub(super) fn now(&self, column: &Column) -> Option<String> {
        let text = match (self.dialect, column.holds) {
            (Dialect::PostgreSql, Holds::Moment { zoned: true }) => "clock_timestamp()",
            (Dialect::PostgreSql, Holds::Moment { zoned: false }) => {
                "(clock_timestamp() AT TIME ZONE 'UTC')"
            }
            (Dialect::MySql, Holds::Moment { .. }) => "UTC_TIMESTAMP(6)",
            (Dialect::Sqlite, Holds::Moment { .. } | Holds::Text) => {
                "strftime('%Y-%m-%d %H:%M:%f', 'now')"
            }
            (Dialect::SqlServer, Holds::Moment { .. }) => "SYSUTCDATETIME()",
            _ => return None,
        };
        Some(text.to_owned())
    }

    /// What says in this column that the row is gone.
    pub(super) fn gone(&self, column: &Column) -> Option<String> {
        match (self.dialect, column.holds) {
            (Dialect::PostgreSql, Holds::Bool) => Some("true".to_owned()),
            (_, Holds::Bool | Holds::Integer) => Some("1".to_owned()),
            _ => self.now(column),
        }
    }

    /// The columns of the description, and the fields.
    fn list(&self, fields: &[&Column]) -> String {
        let table = &self.table;
        let named = [
            (Some(&table.record), RECORD),
            (Some(&table.modified_at), MODIFIED),
            (table.version.as_ref().filter(|_| !self.counts_itself()), VERSION),
            (table.modified_by.as_ref(), MODIFIED_BY),
            (table.deleted.as_ref(), DELETED),
        ];
        let named = named.into_iter().filter_map(|(name, called)| {
            let column = self.column(name?)?;
            Some(format!("{} AS {called}", self.shown(column)))
        });
        let own = self.counts_itself().then(|| format!("{}::text AS {VERSION}", self.quote(XMIN)));
        let fields = fields.iter().enumerate();
        let fields = fields.map(|(at, column)| format!("{} AS f{at}", self.shown(column)));
        named.chain(own).chain(fields).collect::<Vec<_>>().join(", ")
    }

    /// A column as it is read. Bytes may look like text; written out they are all told apart.
    fn shown(&self, column: &Column) -> String {
        let name = self.quote(&column.name);
        match (self.dialect, column.holds) {
            (Dialect::SqlServer, Holds::Bytes) => format!("CONVERT(varchar(max), {name}, 1)"),
            (Dialect::MySql | Dialect::Sqlite, Holds::Bytes) => format!("hex({name})"),
            _ => name,
        }
    }
}
