//! Tells what changed, by queries that go on after a time and an id.
//!
//! The last row of a page says where the next one begins. A transaction commits later than
//! the time it writes: until a read has begun an overlap after the end was reached, every
//! read at the end begins that much earlier and tells some changes again, and misses none.

mod cursor;

use super::cell::Row;
use super::database::{Database, ROWS_MAX};
use super::queries::{Queries, invalid};
use super::statement::{Argument, Dialect, Given, Statement};
use super::tables::{Shape, Shapes};
use async_trait::async_trait;
use cursor::{Cursor, Place};
use domain::Timestamp;
use kit::{Change, Changes, ChangesAsk, ChangesPage, Error, Fields, Lane, Record};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The changes of one connection.
pub(super) struct Journey {
    pub(super) database: Arc<dyn Database>,
    pub(super) queries: Arc<Queries>,
    pub(super) shapes: Arc<Shapes>,
    /// What `:after_time` is before the first change.
    pub(super) begin: String,
    /// Seconds after which every transaction has ended.
    pub(super) overlap: Duration,
    pub(super) dialect: Dialect,
}

#[async_trait]
impl Changes for Journey {
    fn tells_deletions(&self) -> bool {
        let queries = &self.queries;
        let told = |object: &String| queries.deletions.contains_key(object);
        let tables = &self.shapes.tables;
        queries.changes.keys().all(told)
            && tables.iter().all(|(object, table)| table.deleted.is_some() || told(object))
    }

    async fn page(&self, ask: &ChangesAsk) -> Result<ChangesPage, Error> {
        let source = match self.queries.changes.get(&ask.object) {
            Some(saved) => Source::Query(saved),
            None => Source::Table(self.table(&ask.object).await?, &ask.fields),
        };
        let cursor = match &ask.cursor {
            None => Cursor::at(&self.begin),
            Some(text) => Cursor::parse(text)
                .ok_or_else(|| invalid("cursor", "is none of this connection's"))?,
        };
        let page = ask.page_max.clamp(1, ROWS_MAX);
        let now = now();
        let (rows, saved_place) = self.rows(&source, &cursor.saved, page, now).await?;
        let mut changes = rows
            .iter()
            .map(|row| match &source {
                Source::Query(saved) => self.record(row, saved, &ask.fields).map(Change::Saved),
                Source::Table(shape, wanted) => shape.change(row, wanted),
            })
            .collect::<Result<Vec<Change>, Error>>()?;
        let mut next = Cursor { saved: saved_place, deleted: cursor.deleted };
        // What fills the page leaves the deletions to the next one.
        let left = page - rows.len().min(page);
        let deletions = self.queries.deletions.get(&ask.object);
        if let Some(deleted) = deletions.filter(|_| left > 0) {
            let source = Source::Query(deleted);
            let (rows, place) = self.rows(&source, &next.deleted, left, now).await?;
            for row in &rows {
                let id = self.id(row, deleted)?;
                changes.push(Change::Deleted { id, into: row.text("into") });
            }
            next.deleted = place;
        }
        Ok(ChangesPage {
            changes,
            has_more: next.saved.is_under_way()
                || (deletions.is_some() && next.deleted.is_under_way()),
            cursor: next.text(),
            is_restart: false,
        })
    }
}

/// Where rows come from.
enum Source<'a> {
    Query(&'a Statement),
    /// With the fields that are wanted of it.
    Table(Arc<Shape>, &'a [String]),
}

impl Journey {
    async fn table(&self, object: &str) -> Result<Arc<Shape>, Error> {
        if self.shapes.tables.contains_key(object) {
            return self.shapes.of(Lane::Background, object).await;
        }
        let shown: String = object.chars().filter(|c| !c.is_control()).take(60).collect();
        Err(invalid("object", &format!("`{shown}` has no query in changes, and is no table")))
    }

    /// The rows of one source after a place, and the place after them.
    async fn rows(
        &self,
        source: &Source<'_>,
        place: &Place,
        page: usize,
        now: Timestamp,
    ) -> Result<(Vec<Row>, Place), Error> {
        let (mut time, id) = place.begin(self.overlap);
        if self.dialect == Dialect::MySql && time.ends_with('Z') {
            // It takes no zone; the session's is UTC.
            time.pop();
        }
        let most = i64::try_from(page).unwrap_or(i64::MAX);
        let made;
        let (statement, arguments) = match source {
            Source::Query(statement) => {
                let given = [
                    ("after_time", Given::from(time.as_str())),
                    ("after_id", Given::from(id.as_str())),
                    ("page", Given::One(Argument::Integer(most))),
                ];
                (*statement, statement.arguments(&given)?)
            }
            Source::Table(shape, wanted) => {
                let (statement, arguments) = shape.page_after((&time, &id), page, wanted)?;
                made = statement;
                (&made, arguments)
            }
        };
        let answer = self.database.rows(Lane::Background, statement, arguments).await;
        let rows = answer.map_err(|error| match error {
            Error::NotFound => {
                let reason =
                    "cannot compare :after_time or :after_id with what it holds; cast them";
                invalid(&statement.setting, reason)
            }
            error => error,
        })?;
        let last = match (rows.last(), source) {
            (None, _) => None,
            (Some(row), Source::Query(_)) => {
                Some((self.time(row, statement)?, self.id(row, statement)?))
            }
            (Some(row), Source::Table(shape, _)) => {
                Some((shape.modified(row)?, shape.record_id(row)?))
            }
        };
        let is_full = rows.len() >= page;
        if is_full
            && last.as_ref().is_some_and(|(at, of)| {
                at.trim_end_matches('Z') == time.trim_end_matches('Z') && *of == id
            })
        {
            let reason = "answers the row again after which it was to go on; compare with >";
            return Err(invalid(&statement.setting, reason));
        }
        let next = place.after(last, is_full, now, self.overlap);
        Ok((rows, next))
    }

    fn id(&self, row: &Row, statement: &Statement) -> Result<String, Error> {
        let columns = &self.queries.columns;
        let lacks = || {
            let reason = format!("answers a row without `{}`", columns.column("record"));
            invalid(&statement.setting, &reason)
        };
        columns.text(row, "record").ok_or_else(lacks)
    }

    fn time(&self, row: &Row, statement: &Statement) -> Result<String, Error> {
        let columns = &self.queries.columns;
        let lacks = || {
            let reason = format!("answers a row without `{}`", columns.column("modified_at"));
            invalid(&statement.setting, &reason)
        };
        columns.text(row, "modified_at").ok_or_else(lacks)
    }

    fn record(&self, row: &Row, statement: &Statement, wanted: &[String]) -> Result<Record, Error> {
        let columns = &self.queries.columns;
        let mut fields = Fields::new();
        for name in wanted {
            let Some(cell) = row.get(name) else {
                return Err(invalid(name, &format!("is no column of {}", statement.setting)));
            };
            fields.insert(name.clone(), cell.json());
        }
        let time = self.time(row, statement)?;
        Ok(Record {
            id: self.id(row, statement)?,
            modified: Timestamp::parse(&time),
            version: columns.text(row, "version").or(Some(time)),
            modified_by: columns.text(row, "modified_by"),
            fields,
        })
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
