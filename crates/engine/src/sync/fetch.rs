//! What a side says: its changes, into the store, with the cursor they end at.
//!
//! A page and its cursor are one commit (invariant 4), so a page that was cut off, or a run
//! that was killed, is asked for again from where it was. The cursor is kept together with a
//! digest of the map: where the map asks for other fields, everything is read anew.

use super::map::Map;
use super::work::{Halt, Worker};
use super::{End, Sync};
use domain::rules::Test;
use domain::sync::Side;
use kit::forms::read_plain;
use kit::{Change, ChangesAsk, Fields, Record};
use serde_json::Value as Json;
use state::sync::{Arrival, Copy, Key, Page};
use std::sync::Arc;

/// Changes of one page; what comes of one page is one commit.
const PAGE: usize = 500;

/// Who comes into a sync.
#[derive(Debug, Clone)]
pub struct Condition {
    /// The vendor's name of the field.
    pub field: String,
    pub test: Test,
}

impl Condition {
    fn holds(&self, fields: &Fields) -> bool {
        let value = fields.get(&self.field).and_then(read_plain);
        self.test.holds(value.as_ref())
    }
}

/// Reads on from a side's cursor to the end of what there is.
pub(super) async fn fetch(worker: &mut Worker<'_>, side: Side) -> Result<(), Halt> {
    let mut sync = Arc::clone(&worker.sync);
    let mut fields = asked(&sync, side);
    let mut form = digest(sync.end(side), &fields);
    let mut cursor = worker.cursor(side).and_then(|text| own_part(text, &form).map(str::to_owned));
    let mut is_first = true;
    loop {
        let end = sync.end(side);
        let ask = ChangesAsk {
            object: end.object.clone(),
            fields: fields.clone(),
            cursor: cursor.clone(),
            page_max: PAGE,
        };
        let changes = &end.changes;
        let page = worker.patiently(|| changes.page(&ask)).await?;
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
        let kept = Page {
            side: side.index(),
            after: worker.cursor(side).map(str::to_owned),
            arrivals,
            cursor: format!("{form}.{}", page.cursor),
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
    kept.split_once('.').filter(|(of, _)| *of == form).map(|(_, own)| own)
}

fn arrival(map: &Map, side: Side, end: &End, change: Change) -> Arrival {
    match change {
        Change::Deleted { id, into } => Arrival::Gone { id, into },
        Change::Saved(record) => {
            let may_enter = end.filter.iter().all(|condition| condition.holds(&record.fields));
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
    use super::{own_part, told_apart};

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
}
