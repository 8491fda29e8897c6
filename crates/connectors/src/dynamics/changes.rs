//! What changed in a table, by Dataverse's own change tracking.
//!
//! Without a cursor all rows are read with `Prefer: odata.track-changes`; the last page has
//! a delta link, whose token leads to what came later, deletions included. A cursor is the
//! options of the next link with a mark of the columns it was made for: with other columns,
//! or when the token is too old (seven days by default), everything is read anew.
//!
//! Source: Microsoft Learn, "Use change tracking to synchronize data with external systems".

use super::client::{Client, LABELS, Page};
use super::forms::{held, is_annotated, sources};
use super::mapping::text;
use super::odata::{Guid, Name, Query, below};
use super::signals::is_expired;
use super::tables::{Table, Tables};
use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use domain::Timestamp;
use kit::{Change, Changes, ChangesAsk, ChangesPage, Error, Fields, Lane, Record};
use serde_json::Value;
use std::sync::Arc;

/// Rows of one page at most.
const PAGE_MAX: usize = 5_000;
/// Characters of a cursor.
const CURSOR_MAX: usize = 8_000;

/// The changes of one environment.
pub(super) struct Tracking {
    pub(super) client: Arc<Client>,
    pub(super) tables: Arc<Tables>,
}

/// Where the next page is.
struct Cursor {
    /// Of the columns it was made for.
    mark: String,
    /// The options of the link, as they came.
    options: String,
}

#[async_trait]
impl Changes for Tracking {
    fn tells_deletions(&self) -> bool {
        true
    }

    async fn page(&self, ask: &ChangesAsk) -> Result<ChangesPage, Error> {
        let table = self.tables.table(&ask.object).await?;
        if !table.is_tracked {
            return Err(Error::Invalid {
                field: Some("object".to_owned()),
                reason: "has no change tracking; turn it on in the table's properties".to_owned(),
            });
        }
        let select = select(&table, &ask.fields)?;
        let mark = mark(&select);
        let cursor = ask.cursor.as_deref().map(Cursor::read).transpose()?;
        let is_restart = cursor.as_ref().is_some_and(|cursor| cursor.mark != mark);
        let read_on = cursor.filter(|_| !is_restart);
        let has_read_on = read_on.is_some();
        let page = match self.read(&table, &select, read_on, ask).await {
            Err(error) if has_read_on && is_expired(&error) => {
                let page = self.read(&table, &select, None, ask).await?;
                return told(&table, &ask.fields, page, &mark, true);
            }
            // A link has all that is asked: what it is refused for is the link itself.
            Err(Error::Invalid { field: None, reason }) if has_read_on => {
                return Err(Error::Invalid { field: Some("cursor".to_owned()), reason });
            }
            page => page?,
        };
        told(&table, &ask.fields, page, &mark, is_restart)
    }
}

impl Tracking {
    async fn read(
        &self,
        table: &Table,
        select: &[Name],
        cursor: Option<Cursor>,
        ask: &ChangesAsk,
    ) -> Result<Page, Error> {
        let (page_max, is_annotated) = (ask.page_max, is_annotated(table, &ask.fields));
        let api = &self.client.api;
        let url = match cursor {
            Some(cursor) => {
                let mut url = below(api, table.set.as_str());
                url.set_query(Some(&cursor.options));
                url
            }
            None => {
                let (set, select) = (table.set.clone(), select.to_vec());
                Query { set, filter: None, select, expand: vec![], top: None }.url(api)
            }
        };
        let rows = page_max.clamp(1, PAGE_MAX);
        let labels = if is_annotated { format!(",{LABELS}") } else { String::new() };
        let prefer = format!("odata.track-changes,odata.maxpagesize={rows}{labels}");
        self.client.page(Lane::Background, &url, &prefer).await
    }
}

impl Cursor {
    fn read(text: &str) -> Result<Self, Error> {
        let invalid = || Error::Invalid {
            field: Some("cursor".to_owned()),
            reason: "is none of this connection's".to_owned(),
        };
        let (mark, options) = text.split_once(':').ok_or_else(invalid)?;
        let is_mark = mark.len() == 16 && mark.bytes().all(|b| b.is_ascii_hexdigit());
        let has_token = options.contains("deltatoken=") || options.contains("skiptoken=");
        let is_plain = options.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
        if !is_mark || !has_token || !is_plain || text.len() > CURSOR_MAX {
            return Err(invalid());
        }
        Ok(Self { mark: mark.to_owned(), options: options.to_owned() })
    }
}

/// The columns to be read: those asked for, and what a record and a merge need.
fn select(table: &Table, fields: &[String]) -> Result<Vec<Name>, Error> {
    let mut select =
        vec![table.id.clone(), Name::fixed("modifiedon"), Name::fixed("_modifiedby_value")];
    if table.can_merge {
        select.extend(["merged", "_masterid_value"].map(Name::fixed));
    }
    for name in sources(table, fields)? {
        select.extend((!select.contains(&name)).then_some(name));
    }
    Ok(select)
}

fn mark(select: &[Name]) -> String {
    let mut names: Vec<&str> = select.iter().map(Name::as_str).collect();
    names.sort_unstable();
    let hash = digest(&SHA256, names.join(",").as_bytes());
    hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn told(
    table: &Table,
    fields: &[String],
    page: Page,
    mark: &str,
    is_restart: bool,
) -> Result<ChangesPage, Error> {
    let has_more = page.next.is_some();
    // Without a token of either kind there would be no way on but from the beginning.
    let options = page.next.or(page.delta);
    let options = options.ok_or_else(|| Error::protocol("changes without a link to later ones"))?;
    let changes: Result<Vec<Change>, Error> =
        page.rows.iter().map(|row| change(table, fields, row)).collect();
    let cursor = format!("{mark}:{options}");
    if cursor.len() > CURSOR_MAX {
        return Err(Error::protocol("a link to later changes of more than 8,000 characters"));
    }
    Ok(ChangesPage { changes: changes?, cursor, has_more, is_restart })
}

fn change(table: &Table, fields: &[String], row: &Value) -> Result<Change, Error> {
    let is_deleted = text(row, "@odata.context").is_some_and(|of| of.ends_with("/$deletedEntity"));
    if is_deleted || text(row, "reason") == Some("deleted") {
        let id = text(row, "id").and_then(Guid::new);
        let id = id.ok_or_else(|| Error::protocol("a deletion without an id"))?;
        return Ok(Change::Deleted { id: id.as_str().to_owned(), into: None });
    }
    let record = record(table, fields, row)?;
    let master = text(row, "_masterid_value").and_then(Guid::new);
    match master.filter(|_| row.get("merged") == Some(&Value::Bool(true))) {
        Some(into) => Ok(Change::Deleted { id: record.id, into: Some(into.as_str().to_owned()) }),
        None => Ok(Change::Saved(record)),
    }
}

/// One row as a record, with these of its columns.
///
/// # Errors
/// `Protocol` when it has no id.
pub(super) fn record(table: &Table, fields: &[String], row: &Value) -> Result<Record, Error> {
    let id = text(row, table.id.as_str()).and_then(Guid::new);
    let id = id.ok_or_else(|| Error::protocol("a row without an id"))?;
    let own = |field: &String| (field.clone(), held(table, field, row));
    Ok(Record {
        id: id.as_str().to_owned(),
        version: text(row, "@odata.etag").map(str::to_owned),
        modified: text(row, "modifiedon").and_then(Timestamp::parse),
        modified_by: text(row, "_modifiedby_value").map(str::to_owned),
        fields: fields.iter().map(own).collect::<Fields>(),
    })
}

#[cfg(test)]
mod tests {
    use super::Cursor;

    #[test]
    fn a_cursor_that_is_none_is_refused_by_name() {
        assert!(Cursor::read("0123456789abcdef:$select=a&$deltatoken=919042%2108").is_ok());
        for odd in [
            "",
            "x",
            "0123456789abcdef:$select=a",
            "short:$deltatoken=1",
            "0123456789abcdef:$deltatoken=1#x",
            "0123456789abcdef:$deltatoken=1 2",
        ] {
            let error = Cursor::read(odd).err().expect(odd);
            assert!(error.to_string().contains("cursor"), "{odd}: {error}");
        }
    }
}
