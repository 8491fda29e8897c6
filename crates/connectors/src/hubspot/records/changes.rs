//! What changed in a type of records: by the time of their change, then what was archived.
//!
//! A search gives at most 10,000 records and shifts under the reader when one of them
//! changes. So each page begins a search anew, at the time of the last record of the page
//! before; where a whole page has one time, the rest of that moment is read by id. The
//! search's index lags behind: at the end the cursor waits two minutes back, and what lies
//! in them is told twice.
//!
//! What was archived is a list in the order of ids, without a filter: it is walked to its
//! end, at most every ten minutes. What was deleted for privacy leaves nothing to be told.

use super::super::client::{Ask, BATCH_MAX, Client, Found, Method, SEARCH_MAX};
use super::super::mapping::{ID, MERGED, id_of, merged};
use super::cursor::{Cursor, Step};
use super::{BY, all_known, modified_property, object, properties, record};
use async_trait::async_trait;
use domain::Timestamp;
use kit::{Change, ChangesAsk, ChangesPage, Error, Lane};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How late the index may know of a change.
const OVERLAP: Duration = Duration::from_secs(120);
/// How often the list of what was archived is walked.
const ARCHIVE_EVERY: Duration = Duration::from_secs(600);

/// The changes of one account.
pub(in super::super) struct Changes {
    pub(in super::super) client: Arc<Client>,
}

#[async_trait]
impl kit::Changes for Changes {
    /// What is archived or merged away is told. What is deleted for privacy (GDPR) is in no
    /// list, and so not every deletion is.
    fn tells_deletions(&self) -> bool {
        false
    }

    async fn page(&self, ask: &ChangesAsk) -> Result<ChangesPage, Error> {
        let known = ask.cursor.as_deref().map(Cursor::read).transpose()?;
        let cursor = known.unwrap_or(Cursor {
            step: Step::Window,
            from: Timestamp(0),
            // What was archived before everything was read is not there, and never was told.
            archived_since: super::super::client::now().minus(OVERLAP),
        });
        match cursor.step {
            Step::Window => self.window(ask, cursor).await,
            Step::Moment { behind } => self.moment(ask, cursor, behind).await,
            Step::Archived { behind, begun } => self.archived(ask, cursor, behind, begun).await,
        }
    }
}

impl Changes {
    async fn window(&self, ask: &ChangesAsk, from: Cursor) -> Result<ChangesPage, Error> {
        let property = modified_property(&ask.object);
        let since = filter(property, "GTE", &from.from.0.max(0).to_string());
        let (found, is_full) = self.search(ask, vec![since], property).await?;
        let changes = changes(&found, ask)?;
        let last = found.records.last().map(|last| modified(last, property)).transpose()?;
        let next = match last {
            Some(last) if is_full && last > from.from => Cursor { from: last, ..from },
            // A whole page of one time.
            Some(_) if is_full => Cursor { step: Step::Moment { behind: 0 }, ..from },
            last => return Ok(self.ended(changes, from, last, found.at)),
        };
        Ok(ChangesPage { changes, cursor: next.write(), has_more: true, is_restart: false })
    }

    /// The end of what was saved: on with what was archived, if that is due.
    fn ended(
        &self,
        changes: Vec<Change>,
        from: Cursor,
        last: Option<Timestamp>,
        at: Timestamp,
    ) -> ChangesPage {
        let settled = at.minus(OVERLAP);
        // What lies before is settled: of its last moment all is told.
        let until = last.map_or(from.from, |last| last.plus(Duration::from_millis(1)));
        let is_due = at.since(from.archived_since) >= ARCHIVE_EVERY + OVERLAP;
        let step = match is_due {
            true => Step::Archived { behind: 0, begun: at },
            false => Step::Window,
        };
        let next = Cursor { step, from: until.min(settled), ..from };
        ChangesPage { changes, cursor: next.write(), has_more: is_due, is_restart: false }
    }

    async fn moment(
        &self,
        ask: &ChangesAsk,
        from: Cursor,
        behind: u64,
    ) -> Result<ChangesPage, Error> {
        let property = modified_property(&ask.object);
        let filters = vec![
            filter(property, "EQ", &from.from.0.to_string()),
            filter(ID, "GT", &behind.to_string()),
        ];
        let (found, is_full) = self.search(ask, filters, ID).await?;
        let changes = changes(&found, ask)?;
        let last = found.records.iter().map(number).collect::<Result<Vec<u64>, Error>>()?;
        let next = match last.into_iter().max() {
            Some(last) if is_full => Cursor { step: Step::Moment { behind: last }, ..from },
            _ => Cursor {
                step: Step::Window,
                from: from.from.plus(Duration::from_millis(1)),
                ..from
            },
        };
        Ok(ChangesPage { changes, cursor: next.write(), has_more: true, is_restart: false })
    }

    async fn archived(
        &self,
        ask: &ChangesAsk,
        from: Cursor,
        behind: u64,
        begun: Timestamp,
    ) -> Result<ChangesPage, Error> {
        let path = self.client.paths.objects(object(&ask.object)?);
        let mut request = Ask::new(Method::Get, path)
            .query("limit", BATCH_MAX.to_string())
            .query("archived", "true");
        if behind > 0 {
            request = request.query("after", behind.to_string());
        }
        let found = self.client.page(Lane::Background, &request).await?;
        let is_new = |record: &&Value| {
            let at = record["archivedAt"].as_str().and_then(Timestamp::parse);
            at.is_none_or(|at| at >= from.archived_since)
        };
        let deleted =
            |record: &Value| Ok(Change::Deleted { id: id_of(record)?.to_owned(), into: None });
        let changes: Result<Vec<Change>, Error> =
            found.records.iter().filter(is_new).map(deleted).collect();
        let after = found.next.map(|after| {
            let number = after.parse::<u64>().ok().filter(|after| *after > behind);
            number.ok_or_else(|| Error::protocol("a list of archived records that leads nowhere"))
        });
        let next = match after.transpose()? {
            Some(after) => Cursor { step: Step::Archived { behind: after, begun }, ..from },
            None => Cursor { step: Step::Window, archived_since: begun.minus(OVERLAP), ..from },
        };
        let has_more = next.step != Step::Window;
        Ok(ChangesPage { changes: changes?, cursor: next.write(), has_more, is_restart: false })
    }

    /// One page in the order of a property, and whether it is a full one.
    async fn search(
        &self,
        ask: &ChangesAsk,
        filters: Vec<Value>,
        sort: &str,
    ) -> Result<(Found, bool), Error> {
        let limit = ask.page_max.clamp(1, SEARCH_MAX);
        let own = [modified_property(&ask.object), MERGED, BY];
        let body = json!({
            "filterGroups": [{ "filters": filters }], "properties": properties(&ask.fields, &own)?,
            "limit": limit, "after": "0", "sorts": [sort],
        });
        let found = self.client.search(Lane::Background, object(&ask.object)?, body).await?;
        all_known(&self.client, &ask.object, &ask.fields, &found.records).await?;
        let is_full = found.next.is_some() || found.records.len() >= limit;
        Ok((found, is_full))
    }
}

fn filter(property: &str, operator: &str, value: &str) -> Value {
    json!({ "propertyName": property, "operator": operator, "value": value })
}

/// What was merged into a record, then the record.
fn changes(found: &Found, ask: &ChangesAsk) -> Result<Vec<Change>, Error> {
    let mut changes = Vec::with_capacity(found.records.len());
    for saved in &found.records {
        let record = record(saved, &ask.fields)?;
        let into = Some(record.id.clone());
        changes.extend(
            merged(saved).map(|id| Change::Deleted { id: id.to_owned(), into: into.clone() }),
        );
        changes.push(Change::Saved(record));
    }
    Ok(changes)
}

/// When a record was changed, as the search sorts it.
fn modified(record: &Value, property: &str) -> Result<Timestamp, Error> {
    let told = record["properties"][property].as_str().and_then(Timestamp::parse);
    told.ok_or_else(|| Error::protocol("a record without the time of its change"))
}

fn number(record: &Value) -> Result<u64, Error> {
    id_of(record)?.parse().map_err(|_| Error::protocol("an id beyond 64 bits"))
}
