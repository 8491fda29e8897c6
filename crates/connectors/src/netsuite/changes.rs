//! What changed in a table: rows in the order of their last change, then deletions.
//!
//! A cursor names the last row by moment and id, so that a page that is cut off, or rows
//! that change between two pages, lose nothing. Commits may come later than their moment
//! says: once all is told, the cursor waits five minutes before the last change, and what
//! lies after it is told twice. Deletions stand in a table of their own.

use super::client::Client;
use super::mapping::{record, text};
use super::suiteql::{Column, Condition, Id, Moment, Name, Query};
use async_trait::async_trait;
use domain::Timestamp;
use kit::{Change, Changes, ChangesAsk, ChangesPage, Error, Fields, Lane, Record};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Rows of one page at most.
const PAGE_MAX: usize = 1_000;
/// How much later a commit may come than its moment says.
const OVERLAP: Duration = Duration::from_secs(300);
/// Before everything.
const BEGINNING: &str = "1970-01-01T00:00:00";

/// The changes of one account.
pub(super) struct Journaled {
    pub(super) client: Arc<Client>,
    pub(super) deletions: Deletions,
}

/// Where deletions stand, as this account has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Deletions {
    /// Whether they are asked for at all.
    pub(super) are_told: bool,
    /// The column with the id of what was deleted.
    pub(super) id: Name,
    /// The column with its type.
    pub(super) kind: Name,
}

/// Where a page ended.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cursor {
    at: Moment,
    /// 0 while nothing of that moment was told.
    id: u64,
    gone: Moment,
}

#[async_trait]
impl Changes for Journaled {
    fn tells_deletions(&self) -> bool {
        self.deletions.are_told
    }

    async fn page(&self, ask: &ChangesAsk) -> Result<ChangesPage, Error> {
        let table = named("object", &ask.object)?;
        let columns = columns(&ask.fields)?;
        let mut cursor = ask.cursor.as_deref().map_or_else(Cursor::beginning, Cursor::read)?;
        let limit = ask.page_max.clamp(1, PAGE_MAX);
        let by = Name::fixed("lastmodifieddate");
        let condition = match Id::new(&cursor.id.to_string()) {
            Some(id) => Condition::behind(&by, &cursor.at, id),
            None => Condition::since(&by, &cursor.at),
        };
        let query = Query::select(&table, &columns, Some(&condition), Some(&by));
        let (rows, has_more) = self.client.page(Lane::Background, &query, limit, 0).await?;
        let mut changes = Vec::with_capacity(rows.len());
        for row in &rows {
            cursor.at = moment(row, "lastmodifieddate")?;
            cursor.id = record(row)?.text().parse().unwrap_or(0);
            changes.push(Change::Saved(read(&ask.fields, row)?));
        }
        if !has_more {
            let (gone, has_more) = self.gone(&table, &mut cursor, limit).await?;
            changes.extend(gone);
            if !has_more {
                cursor.wait();
            }
            let cursor = cursor.write();
            return Ok(ChangesPage { changes, cursor, has_more, is_restart: false });
        }
        Ok(ChangesPage { changes, cursor: cursor.write(), has_more, is_restart: false })
    }
}

impl Journaled {
    /// Deletions since the last one told, and whether there are more.
    async fn gone(
        &self,
        table: &Name,
        cursor: &mut Cursor,
        limit: usize,
    ) -> Result<(Vec<Change>, bool), Error> {
        if !self.deletions.are_told {
            return Ok((Vec::new(), false));
        }
        let by = Name::fixed("deleteddate");
        let of = Condition::text(&self.deletions.kind, table.as_str());
        let condition = of.and(Condition::since(&by, &cursor.gone));
        let query = Query::deletions(&self.deletions.id, &condition);
        let (mut rows, mut has_more, mut offset) = (Vec::new(), true, 0);
        // All of one moment come together: behind it the next page begins.
        while has_more && offset < 10 * limit {
            let page = self.client.page(Lane::Background, &query, limit, offset).await?;
            has_more = page.1;
            rows.extend(page.0);
            offset += limit;
        }
        let mut changes = Vec::with_capacity(rows.len());
        for row in &rows {
            let id = text(row, self.deletions.id.as_str()).and_then(Id::new);
            let id = id.ok_or_else(|| Error::protocol("a deletion without an id"))?;
            cursor.gone = moment(row, "deleteddate")?;
            changes.push(Change::Deleted { id: id.text(), into: None });
        }
        Ok((changes, has_more))
    }
}

impl Cursor {
    fn beginning() -> Result<Self, Error> {
        let beginning = Moment::new(BEGINNING).ok_or_else(|| Error::protocol("no beginning"))?;
        Ok(Self { at: beginning.clone(), id: 0, gone: beginning })
    }

    /// Steps back, to tell again what may have been committed late.
    fn wait(&mut self) {
        if let Some(earlier) = minus(&self.at, OVERLAP) {
            (self.at, self.id) = (earlier, 0);
        }
        if let Some(earlier) = minus(&self.gone, OVERLAP) {
            self.gone = earlier;
        }
    }

    fn write(&self) -> String {
        format!("{}/{}/{}", self.at.as_str(), self.id, self.gone.as_str())
    }

    fn read(text: &str) -> Result<Self, Error> {
        let parts: Vec<&str> = text.split('/').collect();
        let cursor = match parts.as_slice() {
            [at, id, gone] => Moment::new(at).zip(id.parse().ok()).zip(Moment::new(gone)),
            _ => None,
        };
        let ((at, id), gone) = cursor.ok_or_else(|| Error::Invalid {
            field: Some("cursor".to_owned()),
            reason: "is none of this connection's".to_owned(),
        })?;
        Ok(Self { at, id, gone })
    }
}

fn minus(at: &Moment, by: Duration) -> Option<Moment> {
    let earlier = Timestamp::parse(&format!("{}Z", at.as_str()))?.minus(by);
    Moment::new(earlier.to_string().get(..19)?)
}

fn moment(row: &Value, column: &str) -> Result<Moment, Error> {
    let moment = text(row, column).and_then(Moment::new);
    moment.ok_or_else(|| Error::protocol(format!("a row without a {column}")))
}

/// A name of a table or column that somebody gave.
///
/// # Errors
/// `Invalid` naming it, or `as_field`.
pub(super) fn named(as_field: &str, text: &str) -> Result<Name, Error> {
    Name::new(text).ok_or_else(|| Error::Invalid {
        field: Some(as_field.chars().take(60).collect()),
        reason: "is no name that SuiteQL takes".to_owned(),
    })
}

/// What is read of a record: its id, its last change, and these.
///
/// # Errors
/// `Invalid` naming the field that is none.
pub(super) fn columns(fields: &[String]) -> Result<Vec<Column>, Error> {
    let mut columns =
        vec![Column::Plain(Name::fixed("id")), Column::Moment(Name::fixed("lastmodifieddate"))];
    for field in fields {
        let column = Column::Plain(named(field, field)?);
        let is_there = columns.contains(&column) || field.eq_ignore_ascii_case("lastmodifieddate");
        columns.extend((!is_there).then_some(column));
    }
    Ok(columns)
}

/// One row as a record, its version being the moment of its last change.
///
/// # Errors
/// `Protocol` when it has no id.
pub(super) fn read(fields: &[String], row: &Value) -> Result<Record, Error> {
    let version = text(row, "lastmodifieddate").map(str::to_owned);
    let own = |field: &String| {
        (field.clone(), row.get(field.to_ascii_lowercase()).cloned().unwrap_or_default())
    };
    Ok(Record {
        id: record(row)?.text(),
        modified: version.as_ref().and_then(|at| Timestamp::parse(&format!("{at}Z"))),
        version,
        modified_by: None,
        fields: fields.iter().map(own).collect::<Fields>(),
    })
}

#[cfg(test)]
mod tests {
    use super::Cursor;

    #[test]
    fn a_cursor_reads_back_waits_and_is_refused_by_name() {
        let text = "2026-11-22T00:02:00/7/2026-11-20T00:00:00";
        let mut cursor = Cursor::read(text).expect("a cursor");
        assert_eq!(cursor.write(), text);
        cursor.wait();
        assert_eq!(cursor.write(), "2026-11-21T23:57:00/0/2026-11-19T23:55:00");
        for odd in [
            "",
            "x/7/y",
            "2026-11-22T00:02:00/7",
            "2026-11-22T00:02:00/x/2026-11-20T00:00:00",
            "2026-11-22T00:02:0'/7/2026-11-20T00:00:00",
        ] {
            let error = Cursor::read(odd).expect_err(odd);
            assert!(error.to_string().contains("cursor"), "{odd}: {error}");
        }
    }
}
