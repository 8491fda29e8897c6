//! What changed in a module: records by the time of their change, then what was deleted.
//!
//! Records come in the order of `Modified_Time` and id, each page behind the last record of
//! the one before, so that equal times and a record that changes meanwhile lose nothing. A
//! change may become visible a little after its time: at the end the cursor waits two
//! minutes back, and what lies in them is told twice. Deletions have a list of their own.
//!
//! Source: "Query API", "Get Deleted Records" (v8): deleted records are listed for 60 days.

use super::super::client::{Ask, Client, Method, now, page};
use super::super::coql::{Condition, Query, ROWS_MAX, name, second};
use super::super::mapping::id_of;
use super::cursor::{Cursor, Step};
use super::{columns, module, record};
use async_trait::async_trait;
use domain::Timestamp;
use kit::{Change, ChangesAsk, ChangesPage, Error, Lane};
use std::sync::Arc;
use std::time::Duration;

/// How late a change may become visible.
const OVERLAP: Duration = Duration::from_secs(120);
/// How long a deletion is listed, less a day: a cursor that is older begins anew.
const LISTED: Duration = Duration::from_secs(59 * 24 * 3_600);

/// The changes of one organization.
pub(in super::super) struct Changes {
    pub(in super::super) client: Arc<Client>,
}

#[async_trait]
impl kit::Changes for Changes {
    fn tells_deletions(&self) -> bool {
        true
    }

    async fn page(&self, ask: &ChangesAsk) -> Result<ChangesPage, Error> {
        let known = ask.cursor.as_deref().map(Cursor::read).transpose()?;
        let is_listed = |cursor: &Cursor| now().since(cursor.deleted_since) < LISTED;
        let is_restart = known.as_ref().is_some_and(|cursor| !is_listed(cursor));
        let page = match known.filter(is_listed) {
            Some(cursor) => match cursor.step {
                Step::Saved => self.saved(ask, cursor).await,
                Step::Deleted { page, begun } => self.deleted(ask, cursor, page, begun).await,
            },
            None => self.saved(ask, beginning()).await,
        };
        page.map(|page| ChangesPage { is_restart, ..page })
    }
}

/// Before everything there is. What was deleted before now was never told.
fn beginning() -> Cursor {
    let deleted_since = now().minus(OVERLAP);
    Cursor { step: Step::Saved, deleted_since, saved: (Timestamp(0), 0) }
}

impl Changes {
    async fn saved(&self, ask: &ChangesAsk, from: Cursor) -> Result<ChangesPage, Error> {
        let (time, id) = (name("Modified_Time"), name("id"));
        let behind = match from.saved {
            (Timestamp(0), 0) => Condition::any_record(),
            (at, id) => Condition::behind(&time, at, id),
        };
        let limit = ask.page_max.clamp(1, ROWS_MAX);
        let object = module(&ask.object)?;
        let query = Query::select(&object, &columns(&ask.fields)?, &behind, &[&time, &id], limit);
        let (rows, more, at) = self.client.rows(Lane::Background, &query).await?;
        let mut saved = from.saved;
        let mut changes = Vec::with_capacity(rows.len());
        for row in &rows {
            let record = record(row, &ask.fields)?;
            let modified =
                record.modified.ok_or_else(|| Error::protocol("a record without Modified_Time"))?;
            let id = id_of(row)?.parse().map_err(|_| Error::protocol("an id beyond 64 bits"))?;
            saved = saved.max((modified, id));
            changes.push(Change::Saved(record));
        }
        let is_full = more || rows.len() >= limit;
        if is_full && saved == from.saved {
            return Err(Error::protocol("a page of changes that leads nowhere"));
        }
        let step = match is_full {
            true => Step::Saved,
            false => Step::Deleted { page: 1, begun: at },
        };
        let cursor = Cursor { step, saved, ..from }.write();
        Ok(ChangesPage { changes, cursor, has_more: true, is_restart: false })
    }

    async fn deleted(
        &self,
        ask: &ChangesAsk,
        from: Cursor,
        number: u32,
        begun: Timestamp,
    ) -> Result<ChangesPage, Error> {
        let object = module(&ask.object)?;
        let request = Ask::new(Method::Get, format!("/{}/deleted", object.as_str()))
            .query("type", "all")
            .query("page", number.to_string())
            .query("per_page", ROWS_MAX.to_string())
            .header("if-modified-since", second(from.deleted_since));
        let (rows, more) = page(self.client.send(Lane::Background, &request).await?)?;
        let deleted = |row| Ok(Change::Deleted { id: id_of(row)?.to_owned(), into: None });
        let changes: Result<Vec<Change>, Error> = rows.iter().map(deleted).collect();
        let next = match more {
            true => Cursor { step: Step::Deleted { page: number + 1, begun }, ..from },
            false => Cursor {
                step: Step::Saved,
                deleted_since: begun.minus(OVERLAP),
                // What is older than the overlap is settled; within it all is told again.
                saved: from.saved.min((begun.minus(OVERLAP), 0)),
            },
        };
        Ok(ChangesPage {
            changes: changes?,
            cursor: next.write(),
            has_more: more,
            is_restart: false,
        })
    }
}
