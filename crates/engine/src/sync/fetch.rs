//! What a side says: its changes, into the store, with the cursor they end at.
//!
//! A page and its cursor are one commit (invariant 4), so a page that was cut off, or a run
//! that was killed, is asked for again from where it was. The cursor is kept together with a
//! digest of the map: where the map asks for other fields, everything is read anew.
//!
//! Where a side tells by itself who changed, the place in its feed is kept with the cursor, and
//! moves in the same commit as what was told. A gap is filled by reading what changed, begun
//! after the place to go on from is known: nothing is missed, and what comes twice is no change.

use super::map::Map;
use super::work::{Halt, Worker};
use super::{End, Sync};
use domain::rules::Test;
use domain::sync::Side;
use kit::forms::read_plain;
use kit::{Change, ChangesAsk, ChangesPage, Error, FeedAsk, Fields, Lane, Notice, Record};
use serde_json::Value as Json;
use state::sync::{Arrival, Copy, Key, Page};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Changes of one page; what comes of one page is one commit.
const PAGE: usize = 500;

/// The next page on its way; none where it is not known to be there.
type Ahead = JoinSet<Result<ChangesPage, Error>>;

/// Who comes into a sync.
#[derive(Debug, Clone)]
pub struct Condition {
    /// The vendor's name of the field.
    pub field: String,
    pub test: Test,
}

impl Condition {
    pub(super) fn holds(&self, fields: &Fields) -> bool {
        let value = fields.get(&self.field).and_then(read_plain);
        self.test.holds(value.as_ref())
    }
}

/// What becomes of the place in a side's feed.
pub(super) enum Place {
    Stays,
    /// With the last page, this one, or none.
    Becomes(Option<String>),
}

/// Reads on from a side's cursor to the end of what there is.
pub(super) async fn fetch(worker: &mut Worker<'_>, side: Side, place: Place) -> Result<(), Halt> {
    let mut sync = Arc::clone(&worker.sync);
    let mut fields = asked(&sync, side);
    let mut form = digest(sync.end(side), &fields);
    let mut cursor = worker.cursor(side).and_then(|text| own_part(text, &form).map(str::to_owned));
    let mut is_first = true;
    let mut ahead = Ahead::new();
    loop {
        let end = sync.end(side);
        let ask = ChangesAsk {
            object: end.object.clone(),
            fields: fields.clone(),
            cursor: cursor.clone(),
            page_max: PAGE,
        };
        let changes = &end.changes;
        let page = match worker.held(ahead.join_next()).await? {
            Some(Ok(Ok(page))) => Ok(page),
            // Nobody asked yet, or once was not enough.
            _ => worker.patiently(|| changes.page(&ask)).await?,
        };
        let page = match page {
            Ok(page) => page,
            Err(error) if worker.leave_out(side, &error) => {
                sync = Arc::clone(&worker.sync);
                fields = asked(&sync, side);
                form = digest(sync.end(side), &fields);
                let kept = worker.cursor(side).and_then(|text| own_part(text, &form));
                cursor = kept.map(str::to_owned);
                continue;
            }
            Err(error) => return Err(Halt::vendor(side, end, &error)),
        };
        let is_restart = page.is_restart || (is_first && ask.cursor.is_none());
        let arrivals = page.changes.into_iter().map(|change| arrival(&sync.map, side, end, change));
        let arrivals = arrivals.collect();
        let feed = match &place {
            Place::Becomes(feed) if !page.has_more => feed.as_deref(),
            _ => worker.cursor(side).and_then(feed_part),
        };
        // The next page comes while this one is committed. It changes nothing here: should the
        // commit fail, it is forgotten.
        if page.has_more {
            let (changes, cursor) = (Arc::clone(changes), Some(page.cursor.clone()));
            let ask = ChangesAsk { cursor, ..ask.clone() };
            ahead.spawn(async move { changes.page(&ask).await });
        }
        let kept = Page {
            side: side.index(),
            after: worker.cursor(side).map(str::to_owned),
            arrivals,
            cursor: kept_as(&form, &page.cursor, feed),
            is_restart,
            ends_pass: !page.has_more,
        };
        worker.take_page(side, kept).await?;
        (cursor, is_first) = (Some(page.cursor), false);
        if !page.has_more {
            return Ok(());
        }
    }
}

/// Every field that is asked for: of the map and of the filter.
pub(super) fn asked(sync: &Sync, side: Side) -> Vec<String> {
    let mut fields = sync.map.asked(side);
    for condition in &sync.end(side).filter {
        if !fields.contains(&condition.field) {
            fields.push(condition.field.clone());
        }
    }
    let mark = sync.end(side).mark.iter().map(|(field, _)| field);
    for field in mark {
        if !fields.contains(field) {
            fields.push(field.clone());
        }
    }
    fields
}

/// Something that is another where other fields are asked for, or others may come in.
fn digest(end: &End, fields: &[String]) -> String {
    let filter = end.filter.iter().map(|one| format!("{} {:?}", one.field, one.test));
    let all: Vec<String> = fields.iter().cloned().chain(filter).collect();
    format!("{}-{}", told_apart(std::slice::from_ref(&end.object)), told_apart(&all))
}

/// Was a side read by another object than it has now?
pub(super) fn is_of_another(end: &End, kept: Option<&str>) -> bool {
    let own = told_apart(std::slice::from_ref(&end.object));
    kept.is_some_and(|kept| !kept.starts_with(&format!("{own}-")))
}

fn told_apart(texts: &[String]) -> String {
    // FNV-1a: no secret and no key, only told apart.
    let bytes = texts.iter().flat_map(|text| text.bytes().chain([0]));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// The vendor's part of a cursor that was kept for the same fields.
fn own_part<'a>(kept: &'a str, form: &str) -> Option<&'a str> {
    let own = kept.split_once('.').filter(|(of, _)| *of == form).map(|(_, own)| own)?;
    Some(own.split_once(BETWEEN).map_or(own, |(own, _)| own))
}

/// Between a cursor and the place in a feed: no vendor's cursor has it.
const BETWEEN: char = '\u{1f}';

/// The place in the feed that was kept with a cursor; it holds whatever the map asks for.
pub(super) fn feed_part(kept: &str) -> Option<&str> {
    kept.split_once(BETWEEN).map(|(_, feed)| feed)
}

fn kept_as(form: &str, own: &str, feed: Option<&str>) -> String {
    match feed {
        Some(feed) => format!("{form}.{own}{BETWEEN}{feed}"),
        None => format!("{form}.{own}"),
    }
}

/// Pages that one run takes of a feed; the next run takes the rest.
const FED_MAX: usize = 1_000;
/// How long the first of them is waited for: somebody has heard of it, here or elsewhere.
const FIRST_WAIT: Duration = Duration::from_secs(5);

/// Takes what a side has told by itself.
pub(super) async fn heed(worker: &mut Worker<'_>, side: Side) -> Result<(), Halt> {
    let mut wait = FIRST_WAIT;
    for _ in 0..FED_MAX {
        // Reading may have left out a field, and the cursor goes with the fields.
        let sync = Arc::clone(&worker.sync);
        let end = sync.end(side);
        let Some(feed) = &end.feed else { return Ok(()) };
        let form = digest(end, &asked(&sync, side));
        let kept = worker.cursor(side).unwrap_or_default().to_owned();
        let Some(own) = own_part(&kept, &form) else {
            fetch(worker, side, Place::Stays).await?;
            continue;
        };
        let ask = ask(&sync, side, &kept, wait);
        let page = worker.patiently(|| feed.next(&ask)).await?;
        let page = page.map_err(|error| Halt::vendor(side, end, &error))?;
        wait = Duration::ZERO;
        if page.has_gap {
            *worker.counts.entry(format!("gaps_{}", side.as_str())).or_default() += 1;
            fetch(worker, side, Place::Becomes(page.cursor)).await?;
            continue;
        }
        let is_end = page.notices.is_empty();
        if is_end && page.cursor == ask.cursor {
            return Ok(());
        }
        let arrivals = noticed(worker, side, page.notices).await?;
        let taken = Page {
            side: side.index(),
            after: Some(kept.clone()),
            arrivals,
            cursor: kept_as(&form, own, page.cursor.as_deref()),
            is_restart: false,
            ends_pass: false,
        };
        worker.take_page(side, taken).await?;
        if is_end {
            return Ok(());
        }
    }
    Ok(())
}

/// What is asked of a side's feed from what was kept.
pub(super) fn ask(sync: &Sync, side: Side, kept: &str, wait: Duration) -> FeedAsk {
    FeedAsk {
        reader: format!("{} {}", sync.name, side.as_str()),
        object: sync.end(side).object.clone(),
        cursor: feed_part(kept).map(str::to_owned),
        wait,
    }
}

/// The records that were told of, as they are now.
async fn noticed(
    worker: &mut Worker<'_>,
    side: Side,
    notices: Vec<Notice>,
) -> Result<Vec<Arrival>, Halt> {
    // The last that was told of each counts.
    let mut last: BTreeMap<String, Notice> = BTreeMap::new();
    for notice in notices {
        last.insert(notice.id().to_owned(), notice);
    }
    let (mut arrivals, mut ids) = (Vec::with_capacity(last.len()), Vec::new());
    for (id, notice) in last {
        match notice {
            Notice::Saved { .. } => ids.push(id),
            Notice::Deleted { id, into } => arrivals.push(Arrival::Gone { id, into }),
        }
    }
    let most = worker.sync.end(side).writes.read_max().max(1);
    for ids in ids.chunks(most) {
        let records = worker.read(side, ids, Lane::Background).await?;
        let sync = Arc::clone(&worker.sync);
        // Who is not there any more is told of once more, as gone.
        let saved = records.into_iter().flatten().map(Change::Saved);
        arrivals.extend(saved.map(|change| arrival(&sync.map, side, sync.end(side), change)));
    }
    Ok(arrivals)
}

fn arrival(map: &Map, side: Side, end: &End, change: Change) -> Arrival {
    match change {
        Change::Deleted { id, into } => Arrival::Gone { id, into },
        Change::Saved(record) => {
            let may_enter = end.lets_in(&record.fields);
            let keys = keys(map, side, &record.id, &record.fields);
            Arrival::Saved { copy: copy(record), keys, may_enter }
        }
    }
}

/// A record as it is kept.
pub(super) fn copy(record: Record) -> Copy {
    Copy {
        id: record.id,
        version: record.version,
        modified: record.modified,
        modified_by: record.modified_by,
        fields: encode(&record.fields),
    }
}

/// What a record may be found by.
pub(super) fn keys(map: &Map, side: Side, id: &str, fields: &Fields) -> Vec<Key> {
    map.store_keys(&map.read(side, id, fields))
}

pub(super) fn encode(fields: &Fields) -> Vec<u8> {
    serde_json::to_vec(fields).unwrap_or_default()
}

pub(super) fn decode(bytes: &[u8]) -> Fields {
    match serde_json::from_slice(bytes) {
        Ok(Json::Object(fields)) => fields,
        _ => Fields::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{feed_part, kept_as, own_part, told_apart};

    #[test]
    fn a_cursor_of_another_map_is_none() {
        let fields = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        let (old, new) = (told_apart(&fields(&["ab", "c"])), told_apart(&fields(&["a", "bc"])));
        assert_ne!(old, new);
        let kept = format!("{old}.gc1.at.-.x.y");
        assert_eq!(own_part(&kept, &old), Some("gc1.at.-.x.y"));
        assert_eq!(own_part(&kept, &new), None);
        assert_eq!(own_part("", &new), None);
    }

    #[test]
    fn a_place_in_a_feed_stands_beside_the_cursor_and_outlives_another_map() {
        let kept = kept_as("form", "gc1.at", Some("sfe1.Contact.AAA"));
        assert_eq!(own_part(&kept, "form"), Some("gc1.at"));
        assert_eq!(feed_part(&kept), Some("sfe1.Contact.AAA"));
        assert_eq!((own_part(&kept, "other"), feed_part("form.gc1.at")), (None, None));
        assert_eq!(own_part(&kept_as("form", "gc1.at", None), "form"), Some("gc1.at"));
    }
}
