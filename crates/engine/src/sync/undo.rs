//! Takes back what a run has changed, where nothing changed since.
//!
//! From the newest write to the oldest: the record is read, and where it holds in every
//! field what the run has written, it gets what it held before, on the condition that it is
//! still the version that was read. What was made is deleted. What cannot be taken back is
//! listed by the undo's own journal, as failed, with the reason.

use super::fetch::{decode, encode};
use super::perform::count;
use super::work::{Halt, Worker};
use domain::sync::Side;
use kit::{Fields, Lane, Record, Saved, Write};
use serde_json::Value as Json;
use state::sync::{Copy, Entry, EntryState, Half, Logged, PairState, Settled};
use std::sync::Arc;

/// Entries of one part; each part is committed.
const PART: usize = 200;

pub(super) async fn undo(worker: &mut Worker<'_>) -> Result<(), Halt> {
    let Some(of) = worker.run.of else { return Ok(()) };
    let mut before = worker.run.cursor.as_deref().and_then(|cursor| cursor.parse::<i64>().ok());
    loop {
        let entries = worker.store().journal_of_run(of, before, PART).await?;
        let Some(last) = entries.last() else { return Ok(()) };
        before = Some(last.id);
        for &side in Side::ALL {
            let own = entries.iter().filter(|one| {
                one.entry.side == side.index()
                    && one.entry.state == EntryState::Done
                    && matches!(one.entry.kind.as_str(), "create" | "update" | "mark" | "delete")
            });
            let own: Vec<&Logged> = own.collect();
            back(worker, side, &own).await?;
        }
        worker.reached("undo", before.map(|id| id.to_string())).await?;
    }
}

/// Takes back what was written to one side.
async fn back(worker: &mut Worker<'_>, side: Side, entries: &[&Logged]) -> Result<(), Halt> {
    let sync = Arc::clone(&worker.sync);
    let end = sync.end(side);
    for part in entries.chunks(end.writes.read_max().max(1)) {
        let ids: Vec<String> = part.iter().map(|one| one.entry.record.clone()).collect();
        let fields = super::fetch::asked(&sync, side);
        let read = || end.writes.read(Lane::Background, &end.object, &ids, &fields);
        let records = worker.patiently(read).await?;
        let records = records.map_err(|error| Halt::vendor(side, end, &error))?;
        for (one, record) in part.iter().zip(records) {
            let outcome = match reverse(&sync.map, side, one, record) {
                Ok(None) => Ok(None),
                Ok(Some(write)) => {
                    let saved = worker.write_one(side, write).await?;
                    saved.map(Some).map_err(|error| error.to_string())
                }
                Err(reason) => Err(reason.to_owned()),
            };
            kept(worker, side, one, outcome).await?;
        }
    }
    Ok(())
}

/// Commits what came of it: the pair is as it was before the write, or the reason why not.
async fn kept(
    worker: &mut Worker<'_>,
    side: Side,
    one: &Logged,
    outcome: Result<Option<Saved>, String>,
) -> Result<(), Halt> {
    let reason = outcome.as_ref().err().cloned();
    let Some(pair) = worker.pairs(&[one.entry.pair]).await?.pop() else { return Ok(()) };
    let mut settled = Settled::of(&pair);
    if let Some(why) = reason {
        let entry = Entry {
            id: None,
            kind: "undo".to_owned(),
            why,
            state: EntryState::Failed,
            ..one.entry.clone()
        };
        settled.entries.push(entry);
        count(&mut worker.counts, "left");
        worker.settle(vec![settled]).await?;
        return Ok(());
    }
    let before: Json = serde_json::from_slice(&one.entry.before).unwrap_or_default();
    let at = side.index();
    match (one.entry.kind.as_str(), &pair.halves[at]) {
        ("create", _) => {
            settled.halves[at] = Some(Half::Never);
            settled.keys[at] = Some(Vec::new());
            settled.state = PairState::Open;
        }
        (_, Half::Present(copy)) => {
            let mut fields = decode(&copy.fields);
            fields.extend(before["fields"].as_object().cloned().unwrap_or_default());
            let values = worker.sync.map.read(side, &copy.id, &fields);
            settled.keys[at] = Some(worker.sync.map.store_keys(&values));
            let version = outcome.ok().flatten().and_then(|saved| saved.version);
            let fields = encode(&fields);
            settled.halves[at] = Some(Half::Present(Copy { version, fields, ..copy.clone() }));
            settled.state = PairState::Linked;
        }
        _ => {}
    }
    settled.base = Some(serde_json::to_vec(&before["base"]).unwrap_or_default());
    settled.is_waiting = true;
    settled.entries.push(Entry {
        id: Some(one.id),
        state: EntryState::Undone,
        ..one.entry.clone()
    });
    count(&mut worker.counts, "undone");
    worker.settle(vec![settled]).await?;
    Ok(())
}

/// The write that takes an entry back; `None`: there is nothing to take back.
fn reverse(
    map: &super::map::Map,
    side: Side,
    one: &Logged,
    record: Option<Record>,
) -> Result<Option<Write>, &'static str> {
    let fields_of = |bytes: &[u8]| -> Fields {
        let json: Json = serde_json::from_slice(bytes).unwrap_or_default();
        json["fields"].as_object().cloned().unwrap_or_default()
    };
    let (before, after) = (fields_of(&one.entry.before), fields_of(&one.entry.after));
    match (one.entry.kind.as_str(), record) {
        ("delete", Some(_)) | ("create", None) => Ok(None),
        ("delete", None) => {
            Err("it was deleted, and its system makes no record anew under the same id")
        }
        (_, None) => Err("the record is gone"),
        (kind, Some(record)) => {
            if !map.is_same(side, &record.fields, &after) {
                return Err("it was changed since");
            }
            Ok(Some(if kind == "create" {
                Write::Delete { id: record.id, seen: record.version }
            } else {
                Write::Update { id: record.id, seen: record.version, fields: before }
            }))
        }
    }
}
