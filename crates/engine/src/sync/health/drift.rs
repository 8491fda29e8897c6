//! How far both sides are apart, measured: some pairs, drawn by chance, are read from both
//! vendors as they are now and compared field by field, in canonical form, through the map.
//!
//! What differs is drift only where the sync knows nothing of it: not where the pair waits
//! or is in conflict, nor where a record changed since the last run began reading, for then
//! the next run will be told. So a difference that is counted is one that nothing would
//! ever mend: a change that its vendor did not tell, a write that was lost, an edit of the
//! mirror that was left. All is read in the lane of background work.

use crate::lookup::Engine;
use crate::sync::Sync;
use crate::sync::agreed::Kept;
use crate::sync::map::Map;
use crate::sync::work::{Halt, Worker};
use domain::Timestamp;
use domain::sync::{Agreed, Side, Values};
use kit::{Lane, Record};
use state::sync::{Begun, Copy, Drift, Half, NewRun, Pair, ReviewState, RunKind, RunState};
use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// Among so many runs the last one is looked for.
const LOOKED_AT: usize = 200;

/// Begins a measurement where it is time. When it was measured last, which may be now;
/// `None`: it cannot be yet.
pub(in crate::sync) async fn begin(
    engine: &Engine,
    sync: &Sync,
    now: Timestamp,
) -> Result<Option<Timestamp>, state::Error> {
    let known = engine.sync_state(sync).await?;
    let Some(approved_at) = known.approved_at else { return Ok(None) };
    if known.paused.is_some() || known.connections != sync.connections() {
        return Ok(None);
    }
    // One that failed is not tried again before its time.
    let runs = engine.store.sync_runs(Some(known.id), None, 1_000).await?;
    let tried = runs.iter().filter(|run| run.kind == RunKind::Measure);
    let tried = tried.map(|run| run.started_at).max();
    let kept = engine.store.drifts(known.id, 1).await?.pop().map(|drift| drift.at);
    let last = tried.max(kept).unwrap_or(approved_at);
    if now.since(last) < sync.upkeep.measure_every {
        return Ok(Some(last));
    }
    let (kind, by) = (RunKind::Measure, "schedule".to_owned());
    let new = NewRun { kind, of: None, is_dry: true, due_at: None, by };
    let begun = engine.store.begin_sync_run(known.id, new, now).await?;
    Ok(matches!(begun, Begun::Started { .. }).then_some(now))
}

/// Measures, and keeps what came of it.
pub(in crate::sync) async fn measure(worker: &mut Worker<'_>) -> Result<(), Halt> {
    let (sync, number) = (worker.run.sync, worker.sync.upkeep.sample);
    let seed = RandomState::new().build_hasher().finish();
    let sampled = worker.engine.store.sample_pairs(sync, number, seed);
    let sampled = worker.held(sampled).await??;
    let mut drift = Drift {
        run: worker.run.id,
        at: worker.now(),
        sampled: sampled.len() as u64,
        compared: 0,
        pending: 0,
        differing: 0,
        missing: [0; 2],
        fields: BTreeMap::new(),
    };
    let is_settled = |pair: &Pair| !pair.is_waiting && !pair.is_dead && pair.failure.is_none();
    let (pairs, waiting): (Vec<Pair>, Vec<Pair>) = sampled.into_iter().partition(is_settled);
    drift.pending += waiting.len() as u64;
    let told_until = told_until(worker).await?;
    let mut records = Vec::new();
    for &side in Side::ALL {
        let id = |pair: &Pair| pair.halves[side.index()].id().unwrap_or_default().to_owned();
        records.push(read(worker, side, &pairs.iter().map(id).collect::<Vec<_>>()).await?);
    }
    let right = records.pop().unwrap_or_default();
    for (pair, now) in pairs.iter().zip(records.pop().unwrap_or_default().into_iter().zip(right)) {
        let seen = Seen::of(&worker.sync.map, pair, [now.0, now.1]);
        compare(worker, &seen, pair, told_until, &mut drift).await?;
    }
    let (counts, now) = (&mut worker.counts, worker.engine.clock.now());
    for (word, number) in
        [("compared", drift.compared), ("pending", drift.pending), ("differing", drift.differing)]
    {
        *counts.entry(word.to_owned()).or_default() += number;
    }
    if worker.engine.store.keep_drift(worker.hold, drift, now).await? {
        Ok(())
    } else {
        Err(Halt::Taken)
    }
}

/// What changed before this, its vendor has told: when the last whole run began to read, less
/// what clocks may differ by. `None`: nothing was ever read.
async fn told_until(worker: &Worker<'_>) -> Result<Option<Timestamp>, Halt> {
    let runs = worker.engine.store.sync_runs(Some(worker.run.sync), None, LOOKED_AT).await?;
    let mut runs =
        runs.iter().filter(|run| run.kind == RunKind::Run && run.state == RunState::Done);
    Ok(runs.next().map(|run| run.started_at.minus(worker.sync.trusting().skew)))
}

/// The records of these ids, in the same order.
pub(in crate::sync) async fn read(
    worker: &mut Worker<'_>,
    side: Side,
    ids: &[String],
) -> Result<Vec<Option<Record>>, Halt> {
    let most = worker.sync.end(side).writes.read_max().max(1);
    let mut all = Vec::with_capacity(ids.len());
    for part in ids.chunks(most) {
        all.extend(worker.read(side, part, Lane::Background).await?);
    }
    Ok(all)
}

/// Both records of a pair as they are now.
struct Seen {
    /// What each side holds; `None`: the record is not there.
    values: [Option<Values>; 2],
    agreed: Vec<Agreed>,
    /// Each side's record, without what it holds.
    records: [Option<Record>; 2],
}

impl Seen {
    fn of(map: &Map, pair: &Pair, records: [Option<Record>; 2]) -> Self {
        let mut base = Kept::decode(pair.base.as_deref());
        let values = [Side::Left, Side::Right].map(|side| {
            let record = records[side.index()].as_ref()?;
            let seen = map.read(side, &record.id, &record.fields);
            if base.is_own(side, record.version.as_deref()) {
                base.wear(map, side, &seen);
            }
            Some(base.bare(map, side, seen))
        });
        Self { values, agreed: base.agreed(map), records }
    }

    /// Fields that differ, and which sides moved away from what was agreed on.
    fn differing(&self) -> Vec<(usize, [bool; 2])> {
        let [Some(left), Some(right)] = &self.values else { return Vec::new() };
        let each = left.iter().zip(right).zip(&self.agreed).enumerate();
        let apart = each.filter(|(_, ((left, right), _))| left != right);
        apart
            .map(|(at, ((left, right), agreed))| {
                let moved = [left, right].map(|value| !agreed.is_on(value.as_ref()));
                (at, moved)
            })
            .collect()
    }

    /// Will the next run be told of a change of this side?
    fn is_news(&self, side: Side, pair: &Pair, told_until: Option<Timestamp>) -> bool {
        let (Some(record), Half::Present(copy)) =
            (&self.records[side.index()], &pair.halves[side.index()])
        else {
            return false;
        };
        let is_as_known = |copy: &Copy| copy.version.is_some() && copy.version == record.version;
        !is_as_known(copy)
            && match (record.modified, told_until) {
                (Some(modified), Some(until)) => modified >= until,
                _ => true,
            }
    }
}

async fn compare(
    worker: &Worker<'_>,
    seen: &Seen,
    pair: &Pair,
    told_until: Option<Timestamp>,
    drift: &mut Drift,
) -> Result<(), Halt> {
    let mut fields = seen.differing();
    let missing = seen.values.each_ref().map(Option::is_none);
    let is_apart = !fields.is_empty() || missing.contains(&true);
    let mut is_pending = Side::ALL.iter().any(|side| seen.is_news(*side, pair, told_until));
    if is_apart && !is_pending {
        let map = &worker.sync.map;
        let reviews = worker.engine.store.reviews_of(pair.seq).await?;
        let open = || reviews.iter().filter(|review| review.state == ReviewState::Open);
        fields.retain(|(at, _)| !open().any(|review| review.field == map.key(*at)));
        is_pending = open().any(|review| review.field.is_empty())
            || (fields.is_empty() && !missing.contains(&true));
    }
    if is_apart && is_pending {
        drift.pending += 1;
        return Ok(());
    }
    drift.compared += 1;
    if !is_apart {
        return Ok(());
    }
    drift.differing += 1;
    for (missing, is_missing) in drift.missing.iter_mut().zip(missing) {
        *missing += u64::from(is_missing);
    }
    for (at, moved) in fields {
        let of_field = drift.fields.entry(worker.sync.map.key(at).to_owned()).or_default();
        for (number, has_moved) in of_field.iter_mut().zip(moved) {
            *number += u64::from(has_moved);
        }
    }
    Ok(())
}
