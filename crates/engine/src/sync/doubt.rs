//! Writes of which nobody knows whether they were done: their answer was lost, or the run was
//! killed before it was kept.
//!
//! Such a write is kept with the pair. Before anything else is decided about it the record is
//! read, and tells: what holds what we wrote is agreed on, so that an edit that somebody made on
//! top of it is an edit, and no conflict with our own value. What was to be made is looked for
//! by its key, and never made again blindly over what stands there by now.

mod write;

pub(super) use write::{Doubt, There, Told};

use super::agreed::Kept;
use super::map::Map;
use super::matching::meets;
use super::outcome::UNANSWERED;
use super::perform::Task;
use super::send::Told as Outcomes;
use super::settle::{Fate, Item};
use super::work::{Halt, Worker};
use super::{Sync, fetch};
use domain::Timestamp;
use domain::sync::Side;
use kit::{Error, Lane, Record, Saved, Write};
use serde_json::Value as Json;
use state::sync::{Entry, EntryState, Failure, Half, Logged, Outcome, Pair, Settled};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// Entries read at once.
const PART: usize = 500;

/// May this have been done all the same?
pub(super) fn is_unclear(error: &Error) -> bool {
    matches!(error, Error::Unavailable { .. } | Error::Protocol { .. })
}

/// The other of a pair was made under a key that somebody else's record has: it is looked for
/// from now on, and never made over that one again.
pub(super) fn made_elsewhere(pair: &Pair, settled: &mut Settled) {
    let mut base = Kept::decode(pair.base.as_deref());
    for &side in Side::ALL {
        if matches!(pair.halves[side.index()], Half::Never) && base.doubt(side).is_none() {
            base.doubts(side, Doubt::to_be_made());
        }
    }
    base.store(settled);
}

/// Looks at once at what was written without an answer: most often the record is there to be
/// read, and tells that it was done. Where it does not, it stays in doubt: the vendor may still
/// be at it.
pub(super) async fn look(sync: &Sync, tasks: &[Task], told: &mut Outcomes) {
    for &side in Side::ALL {
        let unclear = |(at, outcome): &(usize, Result<Saved, Error>)| {
            let is_one = tasks[*at].side == side && outcome.as_ref().is_err_and(is_unclear);
            is_one.then_some(*at)
        };
        let open: Vec<usize> = told.iter().filter_map(unclear).collect();
        let mut seen: BTreeMap<usize, Result<Saved, Error>> = BTreeMap::new();
        // Once a side does not answer, the rest is asked for with the next try.
        look_at(sync, tasks, side, &open, &mut seen).await.ok();
        for (at, outcome) in told.iter_mut() {
            if let Some(seen) = seen.remove(at) {
                *outcome = seen;
            }
        }
    }
}

async fn look_at(
    sync: &Sync,
    tasks: &[Task],
    side: Side,
    open: &[usize],
    seen: &mut BTreeMap<usize, Result<Saved, Error>>,
) -> Result<(), Error> {
    let (end, lane) = (sync.end(side), Lane::Background);
    let fields = fetch::asked(sync, side);
    let mut ids: Vec<(usize, String)> = Vec::new();
    for &at in open {
        let task = &tasks[at];
        let Write::Create { key: (field, value), .. } = &task.write else {
            ids.push((at, task.record.clone()));
            continue;
        };
        let found = end.writes.find(&end.object, (field, value)).await?;
        ids.extend(found.map(|id| (at, id)));
    }
    for part in ids.chunks(end.writes.read_max().max(1)) {
        let asked: Vec<String> = part.iter().map(|(_, id)| id.clone()).collect();
        let records = end.writes.read(lane, &end.object, &asked, &fields).await?;
        for ((at, id), record) in part.iter().zip(records) {
            let told = says(sync, &tasks[*at], id, record.as_ref());
            seen.extend(told.map(|told| (*at, told)));
        }
    }
    Ok(())
}

/// `None`: it does not tell.
fn says(
    sync: &Sync,
    task: &Task,
    id: &str,
    record: Option<&Record>,
) -> Option<Result<Saved, Error>> {
    // Whose the version is by now, ours or of who saved in the same second, nobody can say.
    let saved = || {
        let is_new = matches!(task.write, Write::Create { .. });
        Some(Ok(Saved { id: id.to_owned(), version: None, is_new }))
    };
    match (&task.write, record) {
        (Write::Delete { .. }, None) => saved(),
        (Write::Delete { .. }, Some(_)) => None,
        (_, None) => Some(Err(Error::NotFound)),
        (Write::Update { seen: Some(seen), .. }, Some(record))
            if record.version.as_ref() == Some(seen) =>
        {
            None
        }
        (_, Some(record)) if sync.map.is_same(task.side, &record.fields, &task.fields) => saved(),
        _ => None,
    }
}

/// What runs that did not come to their end leave open in the journal is kept with its pairs, so
/// that their records are looked at before anything is decided.
pub(super) async fn recover(worker: &mut Worker<'_>) -> Result<(), Halt> {
    let mut before = None;
    loop {
        let open = worker.engine.store.intended(worker.run.sync, before, PART).await?;
        let Some(last) = open.last() else { return Ok(()) };
        before = Some(last.id);
        let mut entries: BTreeMap<i64, Vec<Logged>> = BTreeMap::new();
        for one in open {
            entries.entry(one.entry.pair).or_default().push(one);
        }
        let mut seqs: Vec<i64> = entries.keys().copied().collect();
        // Somebody may decide about a pair just then: it is kept all the same.
        while !seqs.is_empty() {
            let (map, now) = (&worker.sync.map, worker.now());
            let pairs = worker.pairs(&seqs).await?;
            let settled = pairs.iter().map(|pair| open_again(map, pair, &entries[&pair.seq], now));
            let settled: Vec<Settled> = settled.collect();
            let outcomes = worker.settle_each(settled).await?;
            let is_left = |(pair, outcome): (&Pair, Outcome)| {
                (outcome == Outcome::Changed).then_some(pair.seq)
            };
            seqs = pairs.iter().zip(outcomes).filter_map(is_left).collect();
        }
    }
}

/// A pair with what is open of it, newest first, in doubt.
fn open_again(map: &Map, pair: &Pair, entries: &[Logged], now: Timestamp) -> Settled {
    let mut settled = Settled::of(pair);
    let mut base = Kept::decode(pair.base.as_deref());
    let mut is_known = [false, false];
    for one in entries {
        let side = if one.entry.side == 0 { Side::Left } else { Side::Right };
        // What a conflict may have cost is kept, whether or not it has.
        let is_lost = one.entry.kind == "conflict";
        let state = if is_lost { EntryState::Done } else { EntryState::Failed };
        settled.told.push((one.id, state));
        // The newest was decided on when what became of older ones was known.
        if !is_lost && !std::mem::replace(&mut is_known[side.index()], true) {
            if base.doubt(side).is_some() {
                base = decided_on(&one.entry).unwrap_or(base);
            }
            base.doubts(side, Doubt::new(map, side, (one.id, one.at), &one.entry));
        }
    }
    base.store(&mut settled);
    settled.failure = Some(Failure {
        class: UNANSWERED.to_owned(),
        note: Some("the run ended before the answer was kept".to_owned()),
        due_at: now,
        is_dead: false,
    });
    settled
}

/// What was agreed on when a write was decided on.
fn decided_on(entry: &Entry) -> Option<Kept> {
    let known: Json = serde_json::from_slice(&entry.before).ok()?;
    serde_json::from_value(known.get("base")?.clone()).ok()
}

/// Finds out about every write in doubt of a batch, before anybody is matched or planned.
pub(super) async fn clear(worker: &mut Worker<'_>, items: &mut [Item]) -> Result<(), Halt> {
    let sync = Arc::clone(&worker.sync);
    for &side in Side::ALL {
        let at = side.index();
        let is_open = |item: &&mut Item| {
            let is_open = item.base.doubt(side).is_some() || item.pair.is_unsure[at];
            is_open && item.fresh[at].is_none()
        };
        let mut open: Vec<&mut Item> = items.iter_mut().filter(is_open).collect();
        let end = sync.end(side);
        for part in open.chunks_mut(end.writes.read_max().max(1)) {
            // What was to be made has no id yet; what was merely missed has one.
            let is_known = |item: &Item| item.copy(side).is_some() || item.pair.is_unsure[at];
            let known: Vec<usize> = (0..part.len()).filter(|one| is_known(part[*one])).collect();
            let id = |one: &usize| part[*one].half(side).id().unwrap_or_default().to_owned();
            let ids: Vec<String> = known.iter().map(id).collect();
            let halves = worker.read_again(side, &ids, Lane::Background).await?;
            for (one, half) in known.into_iter().zip(halves) {
                part[one].fresh[at] = Some(half);
            }
        }
    }
    let mut taken: HashSet<(Side, String)> = HashSet::new();
    for item in items.iter_mut() {
        for &side in Side::ALL {
            let is_made = item.base.doubt(side).is_some_and(Doubt::is_made);
            if is_made && item.copy(side).is_none() {
                look_for(worker, item, side, &mut taken).await?;
            }
        }
        if item.fresh.iter().any(Option::is_some) {
            item.read(&sync);
        }
    }
    // Who is found may wait in this very batch, and be planned for itself.
    let rows: HashSet<i64> =
        items.iter().filter_map(|item| item.absorbed.as_ref().map(|other| other.seq)).collect();
    for item in items.iter_mut().filter(|item| rows.contains(&item.pair.seq)) {
        item.fate = Fate::Later { is_duplicate: false };
    }
    Ok(())
}

/// Looks by its key for a record that is to be made; one that is there is this one's other.
pub(super) async fn look_for(
    worker: &mut Worker<'_>,
    item: &mut Item,
    side: Side,
    taken: &mut HashSet<(Side, String)>,
) -> Result<(), Halt> {
    let sync = Arc::clone(&worker.sync);
    let end = sync.end(side);
    // Whoever it was made for may be gone since.
    let other = item.half(side.other()).id().map(|id| sync.end(side.other()).external_id(id));
    let Some((key, value)) = end.key.clone().zip(other) else { return Ok(()) };
    let find = || async {
        match end.writes.find(&end.object, (&key, &value)).await {
            // Several have the key, or it is none there: making it says so once more, of this
            // record alone. One stops no others.
            Err(Error::Conflict { .. } | Error::Invalid { .. }) => Ok(None),
            found => found.map(Some),
        }
    };
    let found = match worker.patiently(find).await? {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(()),
        // Not looked for is not found: nothing is made blindly.
        Err(error) => return Err(Halt::vendor(side, end, &error)),
    };
    let Some(id) = found else {
        // It was not made, and may be.
        item.base.clear(side);
        return Ok(());
    };
    let half = worker.read_again(side, &[id], Lane::Background).await?.pop();
    match half {
        Some(half @ Half::Present(_)) => meets(worker, item, side, half, taken).await,
        _ => Ok(()),
    }
}
