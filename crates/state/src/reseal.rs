//! Seals anew, with the newest data key, what older ones have sealed, while serving.
//!
//! [`Store::reseal`] does one small part at a time and says where to go on. A killed
//! process begins again from the start: what is sealed by the newest key already is
//! passed over. A row that somebody changes meanwhile is theirs: it is sealed by the
//! newest key anyway. `PHONE:` ids and the hashes by which things are found have keys
//! of their own and stay.

use crate::crash;
use crate::decisions::place as decided_place;
use crate::error::{Boxed, Result};
use crate::keys::Keyring;
use crate::rules::{draft_place, set_place};
use crate::sql::{Cell, Row, Touched, Tx, Work};
use crate::store::Store;
use crate::sync;
use domain::Timestamp;
use std::sync::Arc;

/// Where to go on; `Default` is the beginning.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Place {
    column: usize,
    after: Option<Cell>,
}

/// What one part came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Resealed {
    /// Cells that had an older key.
    pub cells: u64,
    /// `None`: everything has the newest key.
    pub next: Option<Place>,
}

/// Rows in one part; a writer's queue is never held up for longer.
const PART: i64 = 200;

impl Store {
    /// Seals the next part anew.
    pub fn reseal(&self, place: Place) -> Boxed<'_, Resealed> {
        Box::pin(async move {
            let Some(column) = COLUMNS.get(place.column) else {
                return Ok(Resealed { cells: 0, next: None });
            };
            let work = Reseal { keys: self.keys(), column, after: place.after.clone() };
            let (cells, last) = self.write(work).await?;
            let next = match last {
                Some(last) => Place { column: place.column, after: Some(last) },
                None => Place { column: place.column + 1, after: None },
            };
            Ok(Resealed { cells, next: (next.column < COLUMNS.len()).then_some(next) })
        })
    }
}

impl Store {
    /// Whether anything may still be sealed by a key that is not the newest.
    pub fn needs_reseal(&self) -> Boxed<'_, bool> {
        Box::pin(async move { Ok(self.read(&OpenKeys).await? > 1) })
    }

    /// Notes that nothing is sealed by the older data keys any more. They go on opening:
    /// a backup, or another node that learns late, may still need them.
    pub fn retire_older_keys(&self, now: Timestamp) -> Boxed<'_, ()> {
        Box::pin(async move { self.write(Retire { now: now.0 }).await })
    }
}

struct OpenKeys;

impl Work for OpenKeys {
    type Output = i64;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<i64> {
        const SQL: &str = "SELECT count(*) FROM keys WHERE purpose = 'data' AND retired_at IS NULL";
        tx.row(SQL, &[]).await?.map_or(Ok(0), |row| row.int(0))
    }
}

struct Retire {
    now: i64,
}

impl Work for Retire {
    type Output = ();
    async fn run(&self, tx: &mut Tx<'_>) -> Result<()> {
        const SQL: &str = "
            UPDATE keys SET retired_at = ?1 WHERE purpose = 'data' AND retired_at IS NULL
                AND id < (SELECT max(id) FROM keys WHERE purpose = 'data')";
        tx.touched = Touched::Nothing;
        tx.execute(SQL, &[self.now.into()]).await.map(drop)
    }
}

/// One sealed column: how its rows are read page by page, and how one is written.
struct Column {
    /// As it is sealed with.
    name: &'static str,
    /// ?1 the cursor, ?2 how many rows: cursor, sealed cell, then what `place` needs.
    page: &'static str,
    /// ?1 the row's cursor, ?2 the new cell, ?3 the old one (else it has changed
    /// meanwhile), and ?4 the third column of the page where the key has two parts.
    update: &'static str,
    has_two_keys: bool,
    /// Sorts before every cursor.
    start: Start,
    /// What the cell is sealed to.
    place: fn(&Row) -> Result<Vec<u8>>,
}

enum Start {
    Number,
    Text,
    Bytes,
}

impl Start {
    fn cell(&self) -> Cell {
        match self {
            Self::Number => Cell::Int(0),
            Self::Text => Cell::Text(String::new()),
            Self::Bytes => Cell::Blob(Vec::new()),
        }
    }
}

const fn one(
    name: &'static str,
    page: &'static str,
    update: &'static str,
    start: Start,
    place: fn(&Row) -> Result<Vec<u8>>,
) -> Column {
    Column { name, page, update, has_two_keys: false, start, place }
}

/// Every sealed column. A test holds this list to what a store really seals.
const COLUMNS: &[Column] = &[
    one(
        "calls.details",
        "SELECT seq, details, id FROM calls WHERE seq > ?1 ORDER BY seq LIMIT ?2",
        "UPDATE calls SET details = ?2 WHERE seq = ?1 AND details = ?3",
        Start::Number,
        text_place,
    ),
    one(
        "calls.identity",
        "SELECT seq, identity, id FROM calls WHERE seq > ?1 ORDER BY seq LIMIT ?2",
        "UPDATE calls SET identity = ?2 WHERE seq = ?1 AND identity = ?3",
        Start::Number,
        text_place,
    ),
    one(
        "contacts.sealed",
        "SELECT id, sealed, record FROM contacts WHERE id > ?1 ORDER BY id LIMIT ?2",
        "UPDATE contacts SET sealed = ?2 WHERE id = ?1 AND sealed = ?3",
        Start::Number,
        blob_place,
    ),
    one(
        "jobs.payload",
        "SELECT id, payload, uid, kind FROM jobs WHERE id > ?1 ORDER BY id LIMIT ?2",
        "UPDATE jobs SET payload = ?2 WHERE id = ?1 AND payload = ?3",
        Start::Number,
        |row| Ok([row.blob(2)?, row.text(3)?.as_bytes()].concat()),
    ),
    one(
        "overrides.sealed",
        "SELECT id, sealed, number, queue FROM overrides WHERE id > ?1 ORDER BY id LIMIT ?2",
        "UPDATE overrides SET sealed = ?2 WHERE id = ?1 AND sealed = ?3",
        Start::Number,
        |row| Ok([row.blob(2)?, row.text(3)?.as_bytes()].concat()),
    ),
    one(
        "audit.sealed",
        // Of an erased person's entries nothing is sealed any more.
        "SELECT seq, sealed, uid FROM audit WHERE seq > ?1 AND length(sealed) > 0 ORDER BY seq LIMIT ?2",
        "UPDATE audit SET sealed = ?2 WHERE seq = ?1 AND sealed = ?3",
        Start::Number,
        blob_place,
    ),
    one(
        "customer_data.sealed",
        "SELECT subject, sealed, subject FROM customer_data WHERE subject > ?1 ORDER BY subject LIMIT ?2",
        "UPDATE customer_data SET sealed = ?2 WHERE subject = ?1 AND sealed = ?3",
        Start::Bytes,
        blob_place,
    ),
    one(
        "call_data.sealed",
        "SELECT call, sealed, call FROM call_data WHERE call > ?1 ORDER BY call LIMIT ?2",
        "UPDATE call_data SET sealed = ?2 WHERE call = ?1 AND sealed = ?3",
        Start::Text,
        text_place,
    ),
    one(
        "enrichments.sealed",
        "SELECT id, sealed, call, queue FROM enrichments WHERE id > ?1 ORDER BY id LIMIT ?2",
        "UPDATE enrichments SET sealed = ?2 WHERE id = ?1 AND sealed = ?3",
        Start::Number,
        |row| Ok([row.text(2)?, " ", row.text(3)?].concat().into_bytes()),
    ),
    one(
        "links.sealed",
        "SELECT contact, sealed, contact FROM links WHERE contact > ?1 ORDER BY contact LIMIT ?2",
        "UPDATE links SET sealed = ?2 WHERE contact = ?1 AND sealed = ?3",
        Start::Bytes,
        blob_place,
    ),
    one(
        "crosswalk.sealed",
        "SELECT id, sealed, record, other_record FROM crosswalk WHERE id > ?1 ORDER BY id LIMIT ?2",
        "UPDATE crosswalk SET sealed = ?2 WHERE id = ?1 AND sealed = ?3",
        Start::Number,
        |row| Ok([row.blob(2)?, row.blob(3)?].concat()),
    ),
    one(
        "call_outcomes.sealed",
        "SELECT call, sealed, call FROM call_outcomes WHERE call > ?1 ORDER BY call LIMIT ?2",
        "UPDATE call_outcomes SET sealed = ?2 WHERE call = ?1 AND sealed = ?3",
        Start::Text,
        text_place,
    ),
    one(
        "tokens.sealed",
        "SELECT connection, sealed, connection FROM tokens WHERE connection > ?1 AND length(sealed) > 0 ORDER BY connection LIMIT ?2",
        "UPDATE tokens SET sealed = ?2 WHERE connection = ?1 AND sealed = ?3",
        Start::Text,
        text_place,
    ),
    one(
        "users.sealed",
        "SELECT id, sealed, id FROM users WHERE id > ?1 ORDER BY id LIMIT ?2",
        "UPDATE users SET sealed = ?2 WHERE id = ?1 AND sealed = ?3",
        Start::Text,
        text_place,
    ),
    one(
        "settings.sealed",
        "SELECT id, sealed, kind, name FROM settings WHERE id > ?1 ORDER BY id LIMIT ?2",
        "UPDATE settings SET sealed = ?2 WHERE id = ?1 AND sealed = ?3",
        Start::Number,
        |row| Ok([row.text(2)?, " ", row.text(3)?].concat().into_bytes()),
    ),
    one(
        "rule_drafts.sealed",
        // Of one that is to go nothing is sealed.
        "SELECT id, sealed, kind, name FROM rule_drafts WHERE id > ?1 AND sealed IS NOT NULL ORDER BY id LIMIT ?2",
        "UPDATE rule_drafts SET sealed = ?2 WHERE id = ?1 AND sealed = ?3",
        Start::Number,
        |row| Ok(draft_place(row.text(2)?, row.text(3)?)),
    ),
    one(
        "rule_sets.sealed",
        "SELECT revision, sealed, revision FROM rule_sets WHERE revision > ?1 ORDER BY revision LIMIT ?2",
        "UPDATE rule_sets SET sealed = ?2 WHERE revision = ?1 AND sealed = ?3",
        Start::Number,
        |row| Ok(set_place(row.int(0)?)),
    ),
    one(
        "decisions.sealed",
        "SELECT seq, sealed, call, at, entry FROM decisions WHERE seq > ?1 ORDER BY seq LIMIT ?2",
        "UPDATE decisions SET sealed = ?2 WHERE seq = ?1 AND sealed = ?3",
        Start::Number,
        |row| Ok(decided_place(row.text(2)?, row.int(3)?, row.text(4)?)),
    ),
    one(
        "syncs.left_cursor",
        "SELECT id, left_cursor, id FROM syncs WHERE id > ?1 AND left_cursor IS NOT NULL ORDER BY id LIMIT ?2",
        "UPDATE syncs SET left_cursor = ?2 WHERE id = ?1 AND left_cursor = ?3",
        Start::Number,
        |row| Ok(sync::cursor_place(row.int(2)?)),
    ),
    one(
        "syncs.right_cursor",
        "SELECT id, right_cursor, id FROM syncs WHERE id > ?1 AND right_cursor IS NOT NULL ORDER BY id LIMIT ?2",
        "UPDATE syncs SET right_cursor = ?2 WHERE id = ?1 AND right_cursor = ?3",
        Start::Number,
        |row| Ok(sync::cursor_place(row.int(2)?)),
    ),
    one(
        "sync_pairs.left_copy",
        "SELECT seq, left_copy, sync, left_record FROM sync_pairs WHERE seq > ?1 AND left_copy IS NOT NULL ORDER BY seq LIMIT ?2",
        "UPDATE sync_pairs SET left_copy = ?2 WHERE seq = ?1 AND left_copy = ?3",
        Start::Number,
        |row| Ok(sync::place(row.int(2)?, 0, &row.hash(3)?)),
    ),
    one(
        "sync_pairs.right_copy",
        "SELECT seq, right_copy, sync, right_record FROM sync_pairs WHERE seq > ?1 AND right_copy IS NOT NULL ORDER BY seq LIMIT ?2",
        "UPDATE sync_pairs SET right_copy = ?2 WHERE seq = ?1 AND right_copy = ?3",
        Start::Number,
        |row| Ok(sync::place(row.int(2)?, 1, &row.hash(3)?)),
    ),
    one(
        "sync_pairs.base",
        "SELECT seq, base, sync FROM sync_pairs WHERE seq > ?1 AND base IS NOT NULL ORDER BY seq LIMIT ?2",
        "UPDATE sync_pairs SET base = ?2 WHERE seq = ?1 AND base = ?3",
        Start::Number,
        |row| Ok(sync::base_place(row.int(2)?, row.int(0)?)),
    ),
    one(
        "sync_journal.sealed",
        "SELECT id, sealed, uid FROM sync_journal WHERE id > ?1 ORDER BY id LIMIT ?2",
        "UPDATE sync_journal SET sealed = ?2 WHERE id = ?1 AND sealed = ?3",
        Start::Number,
        blob_place,
    ),
    one(
        "sync_reviews.sealed",
        "SELECT id, sealed, uid FROM sync_reviews WHERE id > ?1 ORDER BY id LIMIT ?2",
        "UPDATE sync_reviews SET sealed = ?2 WHERE id = ?1 AND sealed = ?3",
        Start::Number,
        blob_place,
    ),
    one(
        "sync_reviews.decision",
        "SELECT id, decision, uid FROM sync_reviews WHERE id > ?1 AND decision IS NOT NULL ORDER BY id LIMIT ?2",
        "UPDATE sync_reviews SET decision = ?2 WHERE id = ?1 AND decision = ?3",
        Start::Number,
        blob_place,
    ),
    // Whole calls: a page never ends between two events of one call.
    Column {
        name: "call_events.sealed",
        page: "
            SELECT call, sealed, id, call FROM call_events WHERE call IN (
                SELECT DISTINCT call FROM call_events WHERE call > ?1 ORDER BY call LIMIT ?2)
            ORDER BY call, id",
        update: "UPDATE call_events SET sealed = ?2 WHERE call = ?1 AND id = ?4 AND sealed = ?3",
        has_two_keys: true,
        start: Start::Text,
        place: |row| Ok([row.blob(2)?, row.text(3)?.as_bytes()].concat()),
    },
];

fn text_place(row: &Row) -> Result<Vec<u8>> {
    Ok(row.text(2)?.as_bytes().to_vec())
}

fn blob_place(row: &Row) -> Result<Vec<u8>> {
    Ok(row.blob(2)?.to_vec())
}

struct Reseal {
    keys: Arc<Keyring>,
    column: &'static Column,
    after: Option<Cell>,
}

impl Work for Reseal {
    /// How many cells were sealed anew, and the last row's cursor.
    type Output = (u64, Option<Cell>);

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output> {
        tx.touched = Touched::Nothing;
        let column = self.column;
        let after = self.after.clone().unwrap_or_else(|| column.start.cell());
        let rows = tx.rows(column.page, &[after.as_param(0.into()), PART.into()]).await?;
        let mut cells = 0;
        for row in &rows {
            let old = row.blob(1)?;
            if self.keys.is_newest(old)? {
                continue;
            }
            let place = (column.place)(row)?;
            let plain = self.keys.open(column.name, &place, old)?;
            let new = self.keys.seal(column.name, &place, plain)?;
            let [cursor, _, third, ..] = row.cells() else { continue };
            let mut params = vec![cursor.as_param(0.into()), new[..].into(), old.into()];
            if column.has_two_keys {
                params.push(third.as_param(0.into()));
            }
            cells += tx.execute(column.update, &params).await?;
            crash::point("reseal.cell");
        }
        Ok((cells, rows.last().and_then(|row| row.cells().first().cloned())))
    }
}

#[cfg(test)]
mod tests {
    use super::COLUMNS;
    use crate::sql::schema::MIGRATIONS;

    #[test]
    fn every_column_that_is_sealed_is_sealed_anew() {
        let schema: String = MIGRATIONS.iter().map(|migration| migration.sqlite).collect();
        let (mut table, mut sealed) = ("", Vec::new());
        for line in schema.lines() {
            if let Some(name) = line.strip_prefix("CREATE TABLE ") {
                table = name.trim_end_matches(" (");
            }
            let name = line.split_whitespace().next().unwrap_or_default();
            let says_so = line.contains("-- sealed") || name == "sealed";
            if line.starts_with("    ") && says_so {
                sealed.push(format!("{table}.{name}"));
            }
        }
        sealed.retain(|name| name != "keys.wrapped"); // by the master key
        let mut known: Vec<&str> = COLUMNS.iter().map(|column| column.name).collect();
        sealed.sort_unstable();
        known.sort_unstable();
        assert_eq!(sealed, known);
    }
}
