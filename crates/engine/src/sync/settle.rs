//! Settles who waits, a batch at a time: matches, plans, writes, commits.
//!
//! A pair that changed while it was being settled is not committed, and waits on. Whoever
//! another of the same batch may be meant by waits for the next round, so that two records
//! of one person never become two.

use super::agreed::Kept;
use super::doubt::There;
use super::fetch::decode;
use super::map::number;
use super::matching::{find_others, follow};
use super::work::{Halt, Worker};
use super::{Sync, doubt, perform, returned, review};
use domain::sync::matching::KeyKind;
use domain::sync::{Half, Now, Pair as Planned, Plan, Side, Stands, Step, Strategy, Values, plan};
use kit::Lane;
use state::sync::{Copy, EntryState, Key, Pair, PairState};
use std::collections::HashSet;
use std::sync::Arc;

/// Pairs that are settled together, in one commit: twice the largest batch that a vendor
/// takes, so that no batch goes out half full, and enough for several to be under way.
const BATCH: usize = 400;
/// How often what changed meanwhile is looked at again; the next run takes up the rest.
const ROUNDS: usize = 4;

/// One person of a batch.
pub(super) struct Item {
    pub(super) pair: Pair,
    /// The other side's row, which goes into this one.
    pub(super) absorbed: Option<Pair>,
    /// Records that were read again just now, by side.
    pub(super) fresh: [Option<state::sync::Half>; 2],
    /// What each side holds, where it has a record.
    pub(super) values: [Option<Values>; 2],
    pub(super) base: Kept,
    pub(super) by: Option<KeyKind>,
    pub(super) fate: Fate,
    /// Entries of the journal of which it was found out whether they were done.
    pub(super) told: Vec<(i64, EntryState)>,
}

/// What is to become of a person now.
pub(super) enum Fate {
    /// To be planned.
    Open,
    /// Nothing yet: somebody else of the batch goes first. `is_duplicate`: they have a key in
    /// common.
    Later {
        is_duplicate: bool,
    },
    /// A person is asked which of these, if any, is meant.
    Ambiguous {
        pairs: Vec<i64>,
        by: KeyKind,
    },
    /// The one who is meant is tied already.
    Duplicate {
        of: i64,
        by: KeyKind,
    },
    Planned(Plan),
}

/// Settles everybody who waits.
pub(super) async fn settle(worker: &mut Worker<'_>) -> Result<(), Halt> {
    for _ in 0..ROUNDS {
        let (mut after, mut is_left) = (0, false);
        loop {
            let pairs = worker.waiting(after, BATCH).await?;
            let Some(last) = pairs.last() else { break };
            after = last.seq;
            is_left |= batch(worker, pairs, Deletions::Go).await?;
        }
        if !is_left {
            break;
        }
    }
    Ok(())
}

/// Finds out about writes without an answer before anything new is heard, or a record that was
/// made would be told of as somebody new. Those that were done are settled; the others are tried
/// again when they are due. Nobody is deleted yet: the brake has not been asked.
pub(super) async fn settle_unanswered(worker: &mut Worker<'_>) -> Result<(), Halt> {
    let mut after = 0;
    loop {
        let pairs = worker.in_doubt(after, BATCH).await?;
        let Some(last) = pairs.last() else { return Ok(()) };
        after = last.seq;
        let sync = Arc::clone(&worker.sync);
        let mut items: Vec<Item> = pairs.into_iter().map(|pair| Item::new(&sync, pair)).collect();
        let lacking = |item: &Item| [Side::Left, Side::Right].map(|side| item.copy(side).is_none());
        let before: Vec<[bool; 2]> = items.iter().map(lacking).collect();
        doubt::clear(worker, &mut items).await?;
        // Known to be done, or made: it lacks nobody any more.
        let is_done = |(item, before): &(&Item, [bool; 2])| {
            let is_made = |side: usize| before[side] && !lacking(item)[side];
            !item.told.is_empty() || is_made(0) || is_made(1)
        };
        let done = items.iter().zip(before).filter(is_done);
        let done: Vec<i64> = done.map(|(item, _)| item.pair.seq).collect();
        let done = worker.pairs(&done).await?;
        if !done.is_empty() {
            batch(worker, done, Deletions::Wait).await?;
        }
    }
}

/// Whether records may be deleted, and marked as deleted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deletions {
    Go,
    /// Whose other is gone waits.
    Wait,
}

/// Whether somebody of them waits on and can be settled at once.
async fn batch(
    worker: &mut Worker<'_>,
    mut pairs: Vec<Pair>,
    deletions: Deletions,
) -> Result<bool, Halt> {
    let mut items = loop {
        let sync = Arc::clone(&worker.sync);
        let mut items: Vec<Item> = pairs.into_iter().map(|pair| Item::new(&sync, pair)).collect();
        doubt::clear(worker, &mut items).await?;
        find_others(worker, &mut items).await?;
        returned::hold_back(worker, &mut items).await?;
        for item in &mut items {
            item.plan(&sync);
        }
        freshen(worker, &mut items).await?;
        if Arc::ptr_eq(&sync, &worker.sync) {
            break items;
        }
        // A field was left out, and the plans count by those that there were. There are only
        // so many fields.
        worker.spoken.take_back();
        pairs = items.into_iter().map(|item| item.pair).collect();
    };
    for item in items.iter_mut().filter(|_| deletions == Deletions::Wait) {
        if let Fate::Planned(Plan { step: Step::Delete(_) | Step::Mark(_), .. }) = item.fate {
            item.fate = Fate::Later { is_duplicate: false };
        }
    }
    let is_later = items.iter().any(|item| matches!(item.fate, Fate::Later { .. }));
    if worker.is_dry() {
        perform::foretell(worker, &items).await?;
        return Ok(false);
    }
    let is_deleted =
        |item: &&Item| matches!(item.fate, Fate::Planned(Plan { step: Step::Delete(_), .. }));
    worker.delete(items.iter().filter(is_deleted).count() as u64).await?;
    Ok(perform::perform(worker, items).await? || is_later)
}

impl Item {
    pub(super) fn new(sync: &Sync, pair: Pair) -> Self {
        let base = Kept::decode(pair.base.as_deref());
        let mut item = Self {
            pair,
            absorbed: None,
            fresh: [None, None],
            values: [None, None],
            base,
            by: None,
            fate: Fate::Open,
            told: Vec::new(),
        };
        item.read(sync);
        item
    }

    pub(super) fn half(&self, side: Side) -> &state::sync::Half {
        let at = side.index();
        if let Some(fresh) = &self.fresh[at] {
            return fresh;
        }
        match (&self.absorbed, &self.pair.halves[at]) {
            (Some(other), state::sync::Half::Never) => &other.halves[at],
            (_, own) => own,
        }
    }

    /// The record of a side, where there is one.
    pub(super) fn copy(&self, side: Side) -> Option<&Copy> {
        match self.half(side) {
            state::sync::Half::Present(copy) => Some(copy),
            _ => None,
        }
    }

    /// The one side that has a record, of somebody who has no other yet.
    pub(super) fn lonely(&self) -> Option<Side> {
        let is_open = matches!(self.pair.state, PairState::Open) && self.absorbed.is_none();
        let [left, right] = [Side::Left, Side::Right].map(|side| self.copy(side).is_some());
        match (is_open, left, right) {
            (true, true, false) => Some(Side::Left),
            (true, false, true) => Some(Side::Right),
            _ => None,
        }
    }

    /// By what the record of a side is found.
    pub(super) fn keys(&self, sync: &Sync, side: Side) -> Vec<(KeyKind, Key)> {
        let Some(values) = &self.values[side.index()] else { return Vec::new() };
        let keys = sync.map.keys(values).into_iter();
        keys.map(|(kind, text)| (kind, Key { kind: number(kind), text })).collect()
    }

    /// Another row goes into this one.
    pub(super) fn absorb(&mut self, other: Pair) {
        self.base.inherit(Kept::decode(other.base.as_deref()));
        self.absorbed = Some(other);
    }

    /// Reads the values of both sides; our own write that came back is known again.
    pub(super) fn read(&mut self, sync: &Sync) {
        for &side in Side::ALL {
            self.find_out(sync, side);
            let read = self.copy(side).map(|copy| {
                let fields = decode(&copy.fields);
                let seen = sync.map.read(side, &copy.id, &fields);
                (seen, self.base.is_own(side, copy.version.as_deref()))
            });
            self.values[side.index()] = read.map(|(seen, is_own)| {
                if is_own {
                    self.base.wear(&sync.map, side, &seen);
                }
                self.base.bare(&sync.map, side, seen)
            });
        }
    }

    /// What the record of a side tells of a write in doubt: as it was read since, or as it was
    /// told of for the first time.
    fn find_out(&mut self, sync: &Sync, side: Side) {
        let Some(doubt) = self.base.doubt(side) else { return };
        // What was to be made is there, or is still to be looked for.
        let is_told = match doubt.is_made() {
            true => self.copy(side).is_some(),
            false => self.fresh[side.index()].is_some(),
        };
        if !is_told {
            return;
        }
        let values = |side: Side| {
            let copy = self.copy(side)?;
            Some(sync.map.read(side, &copy.id, &decode(&copy.fields)))
        };
        let (seen, other) = (values(side), values(side.other()));
        let skew = sync.trusting().skew;
        let found = match self.half(side).clone() {
            // It was there before another was to be made, and is back.
            state::sync::Half::Present(copy) if doubt.is_old(&copy.id) => {
                self.base.clear(side).map(|doubt| (false, doubt))
            }
            state::sync::Half::Present(copy) => {
                let record = There {
                    version: copy.version.as_deref(),
                    modified: copy.modified,
                    skew,
                    values: &seen.unwrap_or_default(),
                };
                self.base.found(&sync.map, side, &record, other.as_ref())
            }
            // Who was to be deleted is.
            state::sync::Half::Gone { .. } => {
                self.base.clear(side).map(|doubt| (doubt.is_deletion(), doubt))
            }
            state::sync::Half::Never => None,
        };
        if let Some((true, doubt)) = found {
            self.told.push((doubt.entry(), EntryState::Done));
        }
    }

    pub(super) fn plan(&mut self, sync: &Sync) {
        if !matches!(self.fate, Fate::Open | Fate::Planned(_)) {
            return;
        }
        let half = |side: Side| match (self.half(side), &self.values[side.index()]) {
            (state::sync::Half::Present(copy), Some(values)) => {
                Half::Present(Now { values, modified: copy.modified })
            }
            (state::sync::Half::Gone { .. }, _) => Half::Gone,
            _ => Half::Never,
        };
        let base = self.base.agreed(&sync.map);
        let (decided, stands) = review::decided(&sync.map, &self.pair.decisions);
        // Who was merged into somebody is not deleted, whatever has become of that one.
        let is_merged =
            |side: &Side| matches!(self.half(*side), state::sync::Half::Gone { into: Some(_), .. });
        let stands = if Side::ALL.iter().any(is_merged) { Some(Stands::Both) } else { stands };
        let pair = Planned {
            left: half(Side::Left),
            right: half(Side::Right),
            base: &base,
            buried: self.base.buried(),
            decided: &decided,
            stands,
        };
        self.fate = Fate::Planned(plan(sync.map.fields(), &sync.trusting(), &pair));
    }

    /// Which records are to be read again before anything is done: those whose version is
    /// not known, and under `timestamp_with_lock` both of a conflict. Those that are not sure
    /// were read before they were planned.
    fn is_stale(&self, sync: &Sync, side: Side) -> bool {
        let Fate::Planned(plan) = &self.fate else { return false };
        if self.fresh[side.index()].is_some() {
            return false;
        }
        let is_locked =
            sync.policy.strategy == Strategy::TimestampWithLock && !plan.conflicts.is_empty();
        let is_unknown = |copy: &Copy| copy.version.is_none() && plan.step != Step::Rest;
        self.copy(side).is_some_and(|copy| is_locked || is_unknown(copy))
    }
}

/// The row that goes into one of a batch may wait in this very batch, and be planned for itself.
fn pass_over_absorbed(items: &mut [Item], at: usize) {
    let own = items[at].pair.seq;
    let Some(row) = items[at].absorbed.as_ref().map(|other| other.seq) else { return };
    let same = items.iter_mut().find(|one| one.pair.seq == row && row != own);
    same.into_iter().for_each(|one| one.fate = Fate::Later { is_duplicate: false });
}

/// Reads again what may have changed since it was told, and plans anew.
async fn freshen(worker: &mut Worker<'_>, items: &mut [Item]) -> Result<(), Halt> {
    let sync = Arc::clone(&worker.sync);
    let mut taken: HashSet<(Side, String)> = HashSet::new();
    for other in items.iter().filter_map(|item| item.absorbed.as_ref()) {
        let own = |side: &Side| other.halves[side.index()].id().map(|id| (*side, id.to_owned()));
        taken.extend(Side::ALL.iter().filter_map(own));
    }
    for at in 0..items.len() {
        let item = &mut items[at];
        let Fate::Planned(Plan { step: Step::Create { side, .. }, .. }) = item.fate else {
            continue;
        };
        // Where there was one before, one may have come back under its key.
        if item.half(side).id().is_some() {
            doubt::look_for(worker, item, side, &mut taken).await?;
            item.read(&sync);
            item.plan(&sync);
            pass_over_absorbed(items, at);
        }
    }
    for &side in Side::ALL {
        let stale = items.iter().enumerate().filter(|(_, item)| item.is_stale(&sync, side));
        let stale: Vec<usize> = stale.map(|(at, _)| at).collect();
        let end = sync.end(side);
        for part in stale.chunks(end.writes.read_max().max(1)) {
            let ids: Vec<String> = part
                .iter()
                .filter_map(|at| items[*at].half(side).id().map(str::to_owned))
                .collect();
            let halves = worker.read_again(side, &ids, Lane::Background).await?;
            for (at, half) in part.iter().zip(halves) {
                let item = &mut items[*at];
                item.fresh[side.index()] = Some(half);
                // It may have become another: nobody has said so before.
                follow(worker, item, side, &mut taken).await?;
                item.read(&sync);
                item.plan(&sync);
                pass_over_absorbed(items, *at);
            }
        }
    }
    Ok(())
}
