//! Takes back what a run has changed, where nothing changed since.
//!
//! From the newest write to the oldest: the record is read, and where it holds in every
//! field what the run has written, it gets what it held before, on the condition that it is
//! still the version that was read. What was made is deleted, unless somebody has touched it
//! since. What cannot be taken back is listed by the undo's own journal, as failed, with the
//! reason. Where a record already holds what it held before (an undo that was killed went so
//! far), that is kept and nothing is written.

use super::agreed::Kept;
use super::fetch::{decode, encode};
use super::map::Map;
use super::perform::count;
use super::work::{Halt, Worker};
use domain::sync::Side;
use kit::{Fields, Lane, Record, Saved, Write};
use serde_json::Value as Json;
use state::sync::{Copy, Entry, EntryState, Half, Logged, Pair, PairState, Settled};
use std::collections::HashSet;

/// Entries of one part; each part is committed.
const PART: usize = 200;
/// How often a pair that changed meanwhile is looked at again.
const TRIES: usize = 3;

pub(super) async fn undo(worker: &mut Worker<'_>) -> Result<(), Halt> {
    let Some(of) = worker.run.of else { return Ok(()) };
    let mut before = worker.run.cursor.as_deref().and_then(|cursor| cursor.parse::<i64>().ok());
    loop {
        let entries = worker.engine.store.journal_of_run(of, before, PART).await?;
        let Some(last) = entries.last() else { return Ok(()) };
        before = Some(last.id);
        for &side in Side::ALL {
            let own = entries.iter().filter(|one| {
                one.entry.side == side.index()
                    && matches!(one.entry.state, EntryState::Done | EntryState::Intended)
                    && matches!(one.entry.kind.as_str(), "create" | "update" | "mark" | "delete")
            });
            let own: Vec<&Logged> = own.collect();
            back(worker, side, &own).await?;
        }
        worker.reached("undo", before.map(|id| id.to_string())).await?;
    }
}

/// Takes back what was written to one side, as many at once as its system takes.
async fn back(worker: &mut Worker<'_>, side: Side, entries: &[&Logged]) -> Result<(), Halt> {
    let writes = &worker.sync.end(side).writes;
    let most = writes.read_max().min(writes.write_max().max(1)).max(1);
    let mut entries = entries;
    while !entries.is_empty() {
        // A record that was written twice is read again before the earlier write is taken back.
        let mut met = HashSet::new();
        let fits = entries.iter().take(most).take_while(|one| met.insert(&one.entry.record));
        let (part, rest) = entries.split_at(fits.count().max(1));
        entries = rest;
        back_at_once(worker, side, part).await?;
    }
    Ok(())
}

async fn back_at_once(worker: &mut Worker<'_>, side: Side, part: &[&Logged]) -> Result<(), Halt> {
    let ids: Vec<String> = part.iter().map(|one| one.entry.record.clone()).collect();
    let records = worker.read(side, &ids, Lane::Background).await?;
    let map = worker.sync.map.clone();
    let mut waiting = Vec::new();
    for (one, record) in part.iter().zip(records) {
        match reverse(&map, side, one, record) {
            Ok(None) => taken_back(worker, side, one, None).await?,
            Ok(Some(write)) => waiting.push((*one, write)),
            Err(reason) => left(worker, one, reason.to_owned()).await?,
        }
    }
    let writes: Vec<Write> = waiting.iter().map(|(_, write)| write.clone()).collect();
    let outcomes = worker.write(side, &writes).await?;
    for ((one, _), outcome) in waiting.into_iter().zip(outcomes) {
        match outcome {
            Ok(saved) => taken_back(worker, side, one, Some(saved)).await?,
            Err(error) => left(worker, one, error.to_string()).await?,
        }
    }
    Ok(())
}

/// It could not be taken back: the undo's own journal says why.
async fn left(worker: &mut Worker<'_>, one: &Logged, why: String) -> Result<(), Halt> {
    count(&mut worker.counts, "left");
    let kind = "undo".to_owned();
    let state = EntryState::Failed;
    let entry = Entry { id: None, kind, why, state, ..one.entry.clone() };
    worker.intend(vec![entry]).await.map(drop)
}

/// Commits that a write was taken back: the pair is as it was before.
async fn taken_back(
    worker: &mut Worker<'_>,
    side: Side,
    one: &Logged,
    saved: Option<Saved>,
) -> Result<(), Halt> {
    let undone = Entry { id: Some(one.id), state: EntryState::Undone, ..one.entry.clone() };
    let mut is_counted = false;
    for _ in 0..TRIES {
        let Some(pair) = worker.pairs(&[one.entry.pair]).await?.pop() else { return Ok(()) };
        let pair = match one.entry.kind.as_str() {
            "create" => part(worker, side, pair).await?,
            _ => Some(pair),
        };
        let Some(pair) = pair else { continue };
        let mut settled = before(worker, side, one, &pair, saved.as_ref());
        settled.entries.push(undone.clone());
        if !std::mem::replace(&mut is_counted, true) {
            count(&mut worker.counts, "undone");
        }
        if worker.settle(vec![settled]).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// What was made is gone again: it gets a row of its own, as a tombstone, so that nothing
/// follows from it for whom it was made of. `None`: the pair changed meanwhile.
async fn part(worker: &mut Worker<'_>, side: Side, pair: Pair) -> Result<Option<Pair>, Halt> {
    let at = side.index();
    let (Some(id), Some(_)) = (pair.halves[at].id(), pair.halves[side.other().index()].id()) else {
        return Ok(Some(pair));
    };
    let id = id.to_owned();
    let (store, hold) = (&worker.engine.store, worker.hold);
    let Some(new) = store.split_pair(hold, (pair.seq, pair.turn), at).await? else {
        return Ok(None);
    };
    if let Some(gone) = worker.pairs(&[new]).await?.pop() {
        let mut settled = Settled::of(&gone);
        settled.halves[at] = Some(Half::Gone { id, into: None });
        settled.keys[at] = Some(Vec::new());
        settled.state = PairState::Buried;
        worker.settle(vec![settled]).await?;
    }
    Ok(worker.pairs(&[pair.seq]).await?.pop())
}

/// The pair as it was before a write.
fn before(
    worker: &Worker<'_>,
    side: Side,
    one: &Logged,
    pair: &Pair,
    saved: Option<&Saved>,
) -> Settled {
    let mut settled = Settled::of(pair);
    let before: Json = serde_json::from_slice(&one.entry.before).unwrap_or_default();
    let (map, at) = (&worker.sync.map, side.index());
    if let Half::Present(copy) = &pair.halves[at] {
        let mut fields = decode(&copy.fields);
        fields.extend(before["fields"].as_object().cloned().unwrap_or_default());
        settled.keys[at] = Some(map.store_keys(&map.read(side, &copy.id, &fields)));
        let version = saved.and_then(|saved| saved.version.clone());
        let fields = encode(&fields);
        settled.halves[at] = Some(Half::Present(Copy { version, fields, ..copy.clone() }));
    }
    let base: Kept = serde_json::from_value(before["base"].clone()).unwrap_or_default();
    base.store(&mut settled);
    settled.is_waiting = true;
    settled
}

/// The write that takes an entry back; `None`: there is nothing to take back.
fn reverse(
    map: &Map,
    side: Side,
    one: &Logged,
    record: Option<Record>,
) -> Result<Option<Write>, &'static str> {
    let read = |bytes: &[u8]| serde_json::from_slice::<Json>(bytes).unwrap_or_default();
    let (before, after) = (read(&one.entry.before), read(&one.entry.after));
    let fields = |json: &Json| json["fields"].as_object().cloned().unwrap_or_default();
    let (old, new): (Fields, Fields) = (fields(&before), fields(&after));
    let is_sure = one.entry.state == EntryState::Done;
    match (one.entry.kind.as_str(), record) {
        ("create", _) if !is_sure => {
            Err("it was about to be made, and nobody knows whether it was")
        }
        ("create", _) if after["wasThere"] == true => {
            Err("it was there before, and what it held then is not known")
        }
        ("delete", Some(_)) | ("create", None) => Ok(None),
        ("delete", None) => {
            Err("it was deleted, and its system makes no record anew under the same id")
        }
        (_, None) => Err("the record is gone"),
        ("create", Some(record)) => {
            let is_touched = after["version"].is_string()
                && after["version"].as_str() != record.version.as_deref();
            if is_touched || !map.is_same(side, &record.fields, &new) {
                return Err("it was changed since");
            }
            Ok(Some(Write::Delete { id: record.id, seen: record.version }))
        }
        (_, Some(record)) if map.is_same(side, &record.fields, &old) => Ok(None),
        (_, Some(record)) => {
            if !map.is_same(side, &record.fields, &new) {
                return Err("it was changed since");
            }
            Ok(Some(Write::Update { id: record.id, seen: record.version, fields: old }))
        }
    }
}
