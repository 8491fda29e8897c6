//! What changed in a table, oldest first, by time of change and id.
//!
//! ServiceNow has no change feed: rows are read in the order of `sys_updated_on` and
//! `sys_id` from where the page before ended. Times have seconds, so the rest of a second
//! is read by id before what comes after it. A transaction that ends late has an early time:
//! at the end of what there is, the cursor waits a few minutes behind the instance's clock
//! and tells the last ones again. Deletions stand in `sys_audit_delete`, where a table is
//! audited; who is there again by then was restored and is told as saved.
//!
//! A limit counts rows that an ACL hides from us, so a short page is no end: the count of
//! all is asked for. Rows out of the order asked for mean that the instance ignored a part
//! of the query; then nothing is believed (invariant 4).

use super::client::{Client, Rows};
use super::columns::{columns, table};
use super::mapping::{ignored, record, stored};
use super::query::{AnyOf, Moment, Name, Query, Term, sys_id};
use super::writes::{Records, read, record_of};
use async_trait::async_trait;
use kit::{Change, Changes, ChangesAsk, ChangesPage, Error, Lane};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::time::Duration;

/// Rows of one page, whatever is wanted.
const PAGE_MAX: usize = 1_000;
/// How late a transaction may end.
const OVERLAP: Duration = Duration::from_secs(5 * 60);
/// Pages in a row that an ACL hides whole from us.
const HIDDEN_PAGES_MAX: u32 = 20;

/// The changes of one instance.
pub(super) struct Feed {
    pub(super) client: Arc<Client>,
    pub(super) records: Records,
    /// Are deletions looked up in `sys_audit_delete`?
    pub(super) with_deletions: bool,
}

/// A place in a table's history: everything up to this time and id was told. With an empty
/// id the whole second is still to come.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    at: Moment,
    id: String,
}

/// Where the next page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cursor {
    /// `None`: at the very beginning.
    saved: Option<Place>,
    deleted: Option<Place>,
}

/// Rows of a table in an order of time.
struct Scan<'a> {
    table: &'a Name,
    time: &'a Name,
    /// What holds besides.
    also: Vec<AnyOf>,
    fields: Vec<Name>,
    most: usize,
}

/// Rows in order of change, and whether there are more behind them.
struct Page {
    rows: Vec<Json>,
    has_more: bool,
    date: Option<Moment>,
}

#[async_trait]
impl Changes for Feed {
    fn tells_deletions(&self) -> bool {
        self.with_deletions
    }

    async fn page(&self, ask: &ChangesAsk) -> Result<ChangesPage, Error> {
        let (table, fields) = (table(&ask.object)?, columns(&ask.fields)?);
        let mut cursor = Cursor::read(ask.cursor.as_deref())?;
        let most = ask.page_max.clamp(1, PAGE_MAX);
        let updated = Name::fixed("sys_updated_on");
        let scan =
            Scan { table: &table, time: &updated, also: vec![], fields: read(&fields), most };
        let page = self.after(&scan, cursor.saved.as_ref()).await?;
        let mut changes = Vec::with_capacity(page.rows.len());
        for row in &page.rows {
            changes.push(Change::Saved(record_of(row, &table, &fields)?));
        }
        let mut has_more = page.has_more;
        // Deletions of the time before the first page are nobody's news.
        if cursor.deleted.is_none() {
            cursor.deleted = page.date.as_ref().map(|now| Place::since(&now.minus(OVERLAP)));
        }
        if let Some(last) = page.rows.last() {
            cursor.saved = Some(Place::of(last, &updated)?);
        }
        if !page.has_more {
            cursor.saved = cursor.saved.map(|place| place.settled(page.date.as_ref()));
        }
        if let (true, Some(from)) = (self.with_deletions, cursor.deleted.clone()) {
            let (deleted, place, more) = self.deletions(&table, &fields, from, most).await?;
            changes.extend(deleted);
            cursor.deleted = Some(place);
            has_more |= more;
        }
        Ok(ChangesPage { changes, cursor: cursor.written(), has_more, is_restart: false })
    }
}

impl Feed {
    /// Who was deleted since, and has not come back.
    async fn deletions(
        &self,
        table: &Name,
        fields: &[Name],
        from: Place,
        most: usize,
    ) -> Result<(Vec<Change>, Place, bool), Error> {
        let audit = Name::fixed("sys_audit_delete");
        let (created, key) = (Name::fixed("sys_created_on"), Name::fixed("documentkey"));
        let of_table = Term::is(&Name::fixed("tablename"), table.as_str()).map(AnyOf::from);
        let columns = ["sys_id", "sys_created_on", "documentkey", "tablename"].map(Name::fixed);
        let (also, fields_of_audit) = (of_table.into_iter().collect(), columns.to_vec());
        let scan = Scan { table: &audit, time: &created, also, fields: fields_of_audit, most };
        let page = self.after(&scan, Some(&from)).await?;
        if page.rows.iter().any(|row| stored(row, "tablename") != Some(table.as_str())) {
            return Err(ignored(&audit));
        }
        let ids = page.rows.iter().filter_map(|row| sys_id(stored(row, key.as_str())?));
        let ids: Vec<String> = ids.collect();
        let mut changes = Vec::with_capacity(ids.len());
        for batch in ids.chunks(60) {
            let alive = self.records.rows(Lane::Background, table, batch, fields).await?;
            for id in batch {
                let back = alive.iter().find(|row| record(row).as_ref() == Ok(id));
                changes.push(match back {
                    Some(row) => Change::Saved(record_of(row, table, fields)?),
                    None => Change::Deleted { id: id.clone(), into: None },
                });
            }
        }
        let last = page.rows.last().map(|row| Place::of(row, &created)).transpose()?;
        let place = last.unwrap_or(from);
        let place = if page.has_more { place } else { place.settled(page.date.as_ref()) };
        Ok((changes, place, page.has_more))
    }

    /// Rows after a place: first the rest of its second by id, then what is later.
    async fn after(&self, scan: &Scan<'_>, from: Option<&Place>) -> Result<Page, Error> {
        let time = scan.time;
        let Some(from) = from else { return self.visible(scan.query(vec![]), time, None).await };
        if from.id.is_empty() {
            let since = scan.query(vec![Some(Term::since(time, &from.at))]);
            return self.visible(since, time, Some(from)).await;
        }
        let beyond = Term::beyond(&Name::fixed("sys_id"), &from.id);
        let ties = scan.query(vec![Some(Term::at(time, &from.at)), beyond]);
        let ties = self.visible(ties, time, Some(from)).await?;
        if !ties.rows.is_empty() {
            // What is later comes with the next page.
            return Ok(Page { has_more: true, ..ties });
        }
        let later = scan.query(vec![Some(Term::after(time, &from.at))]);
        self.visible(later, time, Some(from)).await
    }

    /// The first page on which the query shows us something, in the order asked for.
    async fn visible(
        &self,
        mut query: Query,
        time: &Name,
        from: Option<&Place>,
    ) -> Result<Page, Error> {
        for _ in 0..HIDDEN_PAGES_MAX {
            let Rows { rows, total, date } = self.client.rows(Lane::Background, &query).await?;
            let read = u64::from(query.offset) + u64::from(query.limit);
            let is_full = rows.len() >= usize::try_from(query.limit).unwrap_or(usize::MAX);
            let has_more = total.map_or(is_full, |total| total > read);
            let mut last = from.cloned();
            for row in &rows {
                let place = Place::of(row, time)?;
                if last.as_ref().is_some_and(|last| place <= *last) {
                    return Err(ignored(&query.table));
                }
                last = Some(place);
            }
            if !rows.is_empty() || !has_more {
                return Ok(Page { rows, has_more, date: date.map(Moment::of) });
            }
            query.offset = query.offset.saturating_add(query.limit);
        }
        let missing = format!("most rows of {}, which an ACL hides", query.table.as_str());
        Err(Error::Forbidden { missing })
    }
}

impl Scan<'_> {
    fn query(&self, terms: Vec<Option<Term>>) -> Query {
        let all = terms.into_iter().flatten().map(AnyOf::from).chain(self.also.iter().cloned());
        let limit = u32::try_from(self.most).unwrap_or(u32::MAX);
        let mut query = Query::of(self.table, all.collect(), self.fields.clone(), limit)
            .ordered(&[self.time, &Name::fixed("sys_id")]);
        query.is_counted = true;
        query
    }
}

impl Place {
    fn of(row: &Json, time: &Name) -> Result<Self, Error> {
        let at = stored(row, time.as_str()).and_then(Moment::parse);
        let at = at.ok_or_else(|| Error::protocol("a row without its time of change"))?;
        Ok(Self { at, id: record(row)? })
    }

    fn since(at: &Moment) -> Self {
        Self { at: at.clone(), id: String::new() }
    }

    /// Where to go on once nothing more is there: not so late that a transaction which
    /// is about to end could still come before it.
    fn settled(self, now: Option<&Moment>) -> Self {
        let safe = now.map_or_else(|| self.at.minus(OVERLAP), |now| now.minus(OVERLAP));
        if self.at < safe { self } else { Self::since(&safe) }
    }
}

impl Cursor {
    fn read(text: Option<&str>) -> Result<Self, Error> {
        let Some(text) = text else { return Ok(Self { saved: None, deleted: None }) };
        let odd = || Error::Invalid {
            field: Some("cursor".to_owned()),
            reason: "is none that this connection gave".to_owned(),
        };
        let told: Json = serde_json::from_str(text).map_err(|_| odd())?;
        let place = |key: &str| match &told[key] {
            Json::Null => Ok(None),
            held => {
                let at = held[0].as_str().and_then(Moment::parse).ok_or_else(odd)?;
                let id = held[1].as_str().ok_or_else(odd)?;
                let is_id = id.is_empty() || sys_id(id).as_deref() == Some(id);
                is_id.then(|| Some(Place { at, id: id.to_owned() })).ok_or_else(odd)
            }
        };
        if !told.is_object() {
            return Err(odd());
        }
        Ok(Self { saved: place("saved")?, deleted: place("deleted")? })
    }

    fn written(&self) -> String {
        let place = |place: &Option<Place>| {
            place.as_ref().map_or(Json::Null, |place| json!([place.at.as_str(), place.id]))
        };
        json!({ "saved": place(&self.saved), "deleted": place(&self.deleted) }).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::{Cursor, Place};
    use crate::servicenow::query::Moment;

    fn place(at: &str, id: &str) -> Place {
        Place { at: Moment::parse(at).expect(at), id: id.to_owned() }
    }

    #[test]
    fn a_cursor_reads_back_as_it_was_written() {
        let id = "a1b2c3d4e5f60718293a4b5c6d7e8f90";
        let cursor = Cursor {
            saved: Some(place("2026-11-22 06:00:00", id)),
            deleted: Some(place("2026-11-22 05:00:00", "")),
        };
        assert_eq!(Cursor::read(Some(&cursor.written())), Ok(cursor));
        for odd in [
            "",
            "x",
            "[]",
            "7",
            r#"{"saved":["x",""]}"#,
            r#"{"saved":["2026-11-22 06:00:00","^x"]}"#,
        ] {
            let error = Cursor::read(Some(odd)).expect_err(odd);
            assert_eq!(error.kind(), "invalid", "{odd}");
        }
    }

    #[test]
    fn a_cursor_at_the_end_waits_for_what_ends_late() {
        let now = Moment::parse("2026-11-22 06:00:00").expect("a moment");
        let id = "a1b2c3d4e5f60718293a4b5c6d7e8f90";
        let old = place("2026-11-22 05:54:59", id);
        assert_eq!(old.clone().settled(Some(&now)), old, "nothing can come before it any more");
        let new = place("2026-11-22 05:59:00", id);
        assert_eq!(new.settled(Some(&now)), place("2026-11-22 05:55:00", ""));
    }
}
