//! Plans a sync as it would be with other settings, and changes nothing by it.
//!
//! A plan of the sync as it is reads on, and what it reads is kept. This one must not: who
//! comes in by a wider filter would stay in. So everybody the sync knows is planned from
//! what is kept of them, with the other map and policy; where the map asks for more, both
//! records are read anew; and whom only the new filter lets in is read, counted and
//! forgotten. Of these last the writes are counted and not listed.

use super::Sync;
use super::control::Proposed;
use super::fetch::{self, Condition};
use super::health::drift::read;
use super::matching::find_others;
use super::perform::{count, foretell};
use super::settle::Item;
use super::work::{Halt, Worker, end};
use crate::lookup::Engine;
use domain::sync::Side;
use kit::{Change, ChangesAsk, Record};
use state::sync::{Half, Hold, Pair, PairState, Run, RunState};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

/// Pairs that are planned together, and changes of one page.
const BATCH: usize = 200;
const PAGE: usize = 500;

/// The step of a run that has rehearsed what has this digest: what a run's place is, goes
/// with its end.
pub(super) fn rehearsed(digest: &str) -> String {
    format!("rehearsed {digest}")
}

/// Plans everybody as `proposed` would have it.
pub(super) async fn rehearse(worker: &mut Worker<'_>, proposed: &Proposed) -> Result<(), Halt> {
    let live = Arc::clone(&worker.sync);
    worker.sync = Arc::clone(&proposed.sync);
    let reads = [Side::Left, Side::Right].map(|side| {
        let known = fetch::asked(&live, side);
        fetch::asked(&worker.sync, side).iter().any(|field| !known.contains(field))
    });
    let mut after = 0;
    loop {
        let pairs = worker.engine.store.pairs_after(worker.run.sync, after, BATCH);
        let mut pairs = worker.held(pairs).await??;
        let Some(last) = pairs.last() else { break };
        after = last.seq;
        // Who waits for a person, waits on.
        let held = pairs.iter().filter(|pair| pair.state == PairState::Held).count();
        (0..held).for_each(|_| count(&mut worker.counts, "held"));
        pairs.retain(|pair| !matches!(pair.state, PairState::Held | PairState::Erased));
        plan(worker, pairs, reads).await?;
    }
    for &side in Side::ALL {
        let [now, then] = [&live, &worker.sync].map(|sync| filter(&sync.end(side).filter));
        if now != then {
            newcomers(worker, &live, side).await?;
        }
    }
    worker.reached(&rehearsed(&proposed.digest), None).await
}

fn filter(conditions: &[Condition]) -> String {
    format!("{conditions:?}")
}

async fn plan(worker: &mut Worker<'_>, pairs: Vec<Pair>, reads: [bool; 2]) -> Result<(), Halt> {
    let sync = Arc::clone(&worker.sync);
    let mut items: Vec<Item> = pairs.into_iter().map(|pair| Item::new(&sync, pair)).collect();
    for &side in Side::ALL {
        if reads[side.index()] {
            refresh(worker, &mut items, side).await?;
        }
    }
    find_others(worker, &mut items).await?;
    let sync = Arc::clone(&worker.sync);
    for item in &mut items {
        item.plan(&sync);
    }
    foretell(worker, &items).await
}

/// Reads the records of a side anew, with what the other map asks for.
async fn refresh(worker: &mut Worker<'_>, items: &mut [Item], side: Side) -> Result<(), Halt> {
    let there = items.iter().enumerate().filter_map(|(at, item)| Some((at, item.copy(side)?)));
    let (places, ids): (Vec<usize>, Vec<String>) =
        there.map(|(at, copy)| (at, copy.id.clone())).unzip();
    let records = read(worker, side, &ids).await?;
    let sync = Arc::clone(&worker.sync);
    for ((at, id), record) in places.into_iter().zip(ids).zip(records) {
        items[at].fresh[side.index()] = Some(match record {
            Some(record) => Half::Present(fetch::copy(record)),
            None => Half::Gone { id, into: None },
        });
        items[at].read(&sync);
    }
    Ok(())
}

/// Plans whom only the new filter lets in.
async fn newcomers(worker: &mut Worker<'_>, live: &Sync, side: Side) -> Result<(), Halt> {
    let (mut cursor, mut seen, mut number) = (None, HashSet::new(), 0);
    loop {
        let sync = Arc::clone(&worker.sync);
        let end = sync.end(side);
        let ask = ChangesAsk {
            object: end.object.clone(),
            fields: fetch::asked(&sync, side),
            cursor: cursor.clone(),
            page_max: PAGE,
        };
        let page = match worker.patiently(|| end.changes.page(&ask)).await? {
            Ok(page) => page,
            Err(error) if worker.leave_out(side, &error) => continue,
            Err(error) => return Err(Halt::vendor(side, end, &error)),
        };
        let mut new = Vec::new();
        for change in page.changes {
            let Change::Saved(record) = change else { continue };
            let enters = |sync: &Sync| sync.end(side).lets_in(&record.fields);
            // Told twice, it is one.
            if enters(&sync) && !enters(live) && seen.insert(told_apart(&record.id)) {
                new.push(record);
            }
        }
        let mut pairs = Vec::with_capacity(new.len());
        for record in new {
            if worker.pair_of(side, &record.id).await?.is_none() {
                number += 1;
                pairs.push(alone(worker.run.sync, side, record, number));
            }
        }
        count_new(worker, side, pairs.len());
        plan(worker, pairs, [false; 2]).await?;
        if !page.has_more {
            return Ok(());
        }
        cursor = Some(page.cursor);
    }
}

fn count_new(worker: &mut Worker<'_>, side: Side, number: usize) {
    if number > 0 {
        *worker.counts.entry(format!("new_{}", side.as_str())).or_default() += number as u64;
    }
}

fn told_apart(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

/// A pair that the store does not have, under a number that no other has: below nothing, the
/// left ones even.
fn alone(sync: i64, side: Side, record: Record, number: i64) -> Pair {
    let mut halves = [Half::Never, Half::Never];
    halves[side.index()] = Half::Present(fetch::copy(record));
    Pair {
        seq: -(2 * number + i64::from(side == Side::Right)),
        sync,
        turn: 0,
        halves,
        base: None,
        state: PairState::Open,
        is_waiting: true,
        tries: 0,
        failure: None,
        is_dead: false,
        is_unsure: [false; 2],
        decisions: Vec::new(),
    }
}

/// How long a rehearsal waits for the process that knows what is to be rehearsed, and how
/// long it is left to it each time.
const ELSEWHERE_MAX: Duration = Duration::from_secs(60);
const ELSEWHERE: Duration = Duration::from_secs(2);

/// Leaves a rehearsal to the process that knows what it is about.
pub(super) async fn elsewhere(engine: &Engine, hold: Hold, run: &Run) {
    let now = engine.clock.now();
    if now.since(run.started_at) < ELSEWHERE_MAX {
        engine.store.hold_sync_run(hold, ELSEWHERE, now).await.ok();
        return;
    }
    let why = "the process that has begun it has stopped: ask for it again".to_owned();
    end(engine, hold, RunState::Partial, Some(why)).await;
}
