//! What changed in an org: by `SystemModstamp`, with the bin's contents among it, and by
//! the log of deletions.
//!
//! A pass reads everything that changed since the pass before began, less an overlap (a
//! transaction may commit with a time that others have passed), and then the log
//! (`/deleted`, which also knows what was emptied from the bin). So a change is told at
//! least once, and those of the last minutes more than once. The next pass begins where
//! this one began, by the org's own clock.
//!
//! The log holds fifteen days at most and is purged early when it is full: a cursor
//! older than it begins everything anew.
//!
//! Source: REST API Guide, "Get a List of Deleted Records"; SOQL, `queryAll`.

mod cursor;
pub(super) mod feed;

use super::client::Client;
use super::mapping::record_id;
use super::records::{fixed, id, object, record, selected};
use super::soql::{Condition, Name, RecordId, Soql};
use async_trait::async_trait;
use cursor::{Cursor, Phase};
use domain::Timestamp;
use kit::{Change, Changes, ChangesAsk, ChangesPage, Error, Lane};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// How far a pass looks back behind the beginning of the one before.
const OVERLAP: Duration = Duration::from_secs(5 * 60);
/// The log takes no shorter window, and counts whole minutes.
const WINDOW_MIN: Duration = Duration::from_secs(60);
/// Rows of one page at most: one batch of the vendor's.
const PAGE_MAX: usize = 2_000;
/// Ids in one query: their list stays below the longest WHERE clause.
const IDS_MAX: usize = 150;
/// Objects whose records can be merged, and then name their master.
const MERGEABLE: [&str; 3] = ["Account", "Contact", "Lead"];

/// The changes of one org.
pub(super) struct Feed {
    pub(super) client: Arc<Client>,
}

#[async_trait]
impl Changes for Feed {
    fn tells_deletions(&self) -> bool {
        true
    }

    /// What was changed, and what was deleted.
    fn pass_requests(&self, _: u64) -> u64 {
        2
    }

    async fn page(&self, ask: &ChangesAsk) -> Result<ChangesPage, Error> {
        let object = object(&ask.object)?;
        let fields = with_fate(&object, selected(&ask.fields)?);
        let pass = Pass { ask, object, fields, most: ask.page_max.clamp(1, PAGE_MAX) };
        let cursor = match &ask.cursor {
            Some(text) => Cursor::read(text, pass.object.as_str())?,
            None => Cursor::beginning(),
        };
        match &cursor.phase {
            Phase::Saved { began, after } => {
                self.saved(&pass, &cursor, *began, after.as_ref()).await
            }
            Phase::Deleted { began, after } => {
                if let Some(page) = self.deleted(&pass, &cursor, *began, after.as_ref()).await? {
                    return Ok(page);
                }
                let page = self.saved(&pass, &Cursor::beginning(), None, None).await?;
                Ok(ChangesPage { is_restart: true, ..page })
            }
        }
    }
}

/// What stays the same over the pages of a pass.
struct Pass<'a> {
    ask: &'a ChangesAsk,
    object: Name,
    fields: Vec<Name>,
    most: usize,
}

impl Pass<'_> {
    fn page(&self, changes: Vec<Change>, next: &Cursor, has_more: bool) -> ChangesPage {
        let cursor = next.text(self.object.as_str());
        ChangesPage { changes, cursor, has_more, is_restart: false }
    }
}

impl Feed {
    /// A page of what is there, or lies in the bin, in the order of its changes.
    async fn saved(
        &self,
        pass: &Pass<'_>,
        cursor: &Cursor,
        began: Option<Timestamp>,
        after: Option<&(Timestamp, RecordId)>,
    ) -> Result<ChangesPage, Error> {
        let condition = match after {
            Some((moment, id)) => Some(Condition::changed_after(*moment, id)),
            None => cursor.since.map(|since| Condition::since(&fixed("SystemModstamp"), since)),
        };
        let soql = Soql::changes(&pass.object, &pass.fields, condition.as_ref(), pass.most);
        let (rows, heard) = self.client.query_all_page(&soql).await?;
        // The first page's own moment: what changes from now on is of the next pass.
        let began = began.or(heard.date);
        let began = began.ok_or_else(|| Error::protocol("an answer without a date"))?;
        let has_more =
            rows.len() >= pass.most || heard.body.get("done") == Some(&Value::Bool(false));
        let last = rows.last().map(place).transpose()?;
        let log = cursor.log.unwrap_or(began.minus(WINDOW_MIN));
        let cursor = Cursor { log: Some(log), ..cursor.clone() };
        let changes = rows.iter().map(|row| change(row, &pass.ask.fields));
        let changes = changes.collect::<Result<Vec<Change>, Error>>()?;
        Ok(match last.filter(|_| has_more) {
            Some(last) => {
                let phase = Phase::Saved { began: Some(began), after: Some(last) };
                pass.page(changes, &Cursor { phase, ..cursor }, true)
            }
            None if began.since(log) < WINDOW_MIN * 2 => {
                pass.page(changes, &cursor.next_pass(began.minus(OVERLAP), log), false)
            }
            None => {
                let phase = Phase::Deleted { began, after: None };
                pass.page(changes, &Cursor { phase, ..cursor }, true)
            }
        })
    }

    /// A page of the log of deletions; `None` when the log no longer reaches back so far.
    async fn deleted(
        &self,
        pass: &Pass<'_>,
        cursor: &Cursor,
        began: Timestamp,
        after: Option<&(Timestamp, RecordId)>,
    ) -> Result<Option<ChangesPage>, Error> {
        let log = cursor.log.unwrap_or(began);
        let start = after.map_or(log, |(moment, _)| *moment).min(began.minus(WINDOW_MIN * 2));
        let told = match self.client.deleted(&pass.object, start, began).await {
            Ok(told) => told,
            Err(Error::Invalid { reason, .. }) if reason.contains("INVALID_REPLICATION_DATE") => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let time = |key: &str| told.get(key).and_then(Value::as_str).and_then(Timestamp::parse);
        if time("earliestDateAvailable").is_some_and(|earliest| earliest > log) {
            return Ok(None);
        }
        let Some(Value::Array(gone)) = told.get("deletedRecords") else {
            return Err(Error::protocol("an answer without deletedRecords"));
        };
        let order = |one: &(Timestamp, RecordId)| (one.0, one.1.as_str().to_owned());
        let mut gone: Vec<(Timestamp, RecordId)> = gone.iter().filter_map(of_log).collect();
        gone.sort_unstable_by_key(order);
        gone.dedup();
        gone.retain(|one| after.is_none_or(|after| order(one) > order(after)));
        let has_more = gone.len() > pass.most;
        gone.truncate(pass.most);
        let next = match gone.last().filter(|_| has_more) {
            Some(last) => {
                let phase = Phase::Deleted { began, after: Some(last.clone()) };
                Cursor { phase, ..cursor.clone() }
            }
            // Seconds are cut off at the vendor's: what is covered ends with a whole minute.
            None => {
                let covered = time("latestDateCovered").unwrap_or(log).min(began);
                let covered = Timestamp(covered.0 - covered.0.rem_euclid(60_000));
                cursor.next_pass(began.minus(OVERLAP), covered.max(log))
            }
        };
        let changes = self.fates(&pass.object, &gone).await?;
        Ok(Some(pass.page(changes, &next, has_more)))
    }

    /// Whether these were deleted, and into which they were merged; who was brought back
    /// is told with what changed.
    async fn fates(
        &self,
        object: &Name,
        gone: &[(Timestamp, RecordId)],
    ) -> Result<Vec<Change>, Error> {
        let mut fates = Vec::with_capacity(gone.len());
        for batch in gone.chunks(IDS_MAX) {
            let ids = batch.iter().map(|(_, id)| id.as_str());
            let condition = Condition::one_of(&fixed("Id"), ids);
            let fields = with_fate(object, vec![fixed("Id")]);
            let soql = Soql::select(object, &fields, condition.as_ref(), 200);
            let rows = self.client.query_all(Lane::Background, &soql).await?;
            for (_, one) in batch {
                let row = rows.iter().find(|row| id(row).is_ok_and(|id| id == one.as_str()));
                match row {
                    Some(row) if row["IsDeleted"] != true => {}
                    row => {
                        let into = row.and_then(master);
                        fates.push(Change::Deleted { id: one.as_str().to_owned(), into });
                    }
                }
            }
        }
        Ok(fates)
    }
}

/// The fields, and those that tell whether a record is gone, and into which.
pub(super) fn with_fate(object: &Name, mut fields: Vec<Name>) -> Vec<Name> {
    let merged = MERGEABLE.iter().any(|name| object.is(name)).then_some("MasterRecordId");
    for name in ["IsDeleted"].into_iter().chain(merged) {
        if !fields.iter().any(|known| known.is(name)) {
            fields.push(fixed(name));
        }
    }
    fields
}

fn change(row: &Value, fields: &[String]) -> Result<Change, Error> {
    if row["IsDeleted"] == true {
        return Ok(Change::Deleted { id: id(row)?, into: master(row) });
    }
    record(row, fields).map(Change::Saved)
}

/// Into which record this one was merged.
pub(super) fn master(row: &Value) -> Option<String> {
    row.get("MasterRecordId").and_then(Value::as_str).and_then(record_id)
}

/// Where a row stands in the order of changes.
fn place(row: &Value) -> Result<(Timestamp, RecordId), Error> {
    let moment = row.get("SystemModstamp").and_then(Value::as_str).and_then(Timestamp::parse);
    let id = id(row).ok().and_then(|id| RecordId::new(&id));
    moment.zip(id).ok_or_else(|| Error::protocol("a row without SystemModstamp"))
}

fn of_log(row: &Value) -> Option<(Timestamp, RecordId)> {
    let text = |key: &str| row.get(key).and_then(Value::as_str);
    let id = text("id").and_then(record_id).and_then(|id| RecordId::new(&id));
    text("deletedDate").and_then(Timestamp::parse).zip(id)
}
