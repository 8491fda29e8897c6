//! Finds the other record of whoever has none yet, among those that the store has.
//!
//! Nobody is guessed: of several a person decides, and whoever is meant but tied already is
//! a duplicate. What the store cannot know yet is who of this very batch will be made: of
//! two with a key in common the second waits for the next round, and then finds the first.

use super::settle::{Fate, Item};
use super::work::{Halt, Worker};
use domain::sync::Side;
use domain::sync::matching::{Candidate, KeyKind, Matched, choose};
use kit::Lane;
use state::sync::{Half, Key};
use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

/// Who has spoken for whom: of a batch, or of a whole plan, which changes nothing that the
/// next batch could see. Keys are told apart by a hash of 64 bits.
#[derive(Default)]
pub(super) struct Spoken {
    /// Rows that go into another's.
    taken: HashSet<i64>,
    /// Keys of those who will be made on the other side.
    made: HashSet<u64>,
    /// Keys that are nobody's own.
    generic: HashSet<u64>,
}

pub(super) async fn find_others(worker: &mut Worker<'_>, items: &mut [Item]) -> Result<(), Halt> {
    let sync = Arc::clone(&worker.sync);
    for item in items.iter_mut() {
        for &side in Side::ALL {
            follow(worker, item, side).await?;
        }
    }
    let mut candidates: BTreeMap<usize, Vec<Candidate>> = BTreeMap::new();
    let mut spoken = std::mem::take(&mut worker.spoken);
    spoken.generic.clear();
    if !worker.is_dry() {
        spoken = Spoken::default();
    }
    let followed = items.iter().filter_map(|item| item.absorbed.as_ref().map(|other| other.seq));
    spoken.taken.extend(followed);
    for &side in Side::ALL {
        let (mut keys, mut of) = (Vec::new(), Vec::new());
        for (at, item) in items.iter().enumerate() {
            if item.lonely() == Some(side) {
                for (kind, key) in item.keys(&sync, side) {
                    keys.push(key);
                    of.push((at, kind));
                }
            }
        }
        if keys.is_empty() {
            continue;
        }
        // A number that many of our own side have is as little their own.
        let mut shared = vec![0; keys.len()];
        for own in worker.candidates(side, &keys).await? {
            shared[own.key] = own.shared_by;
        }
        for (key, shared) in keys.iter().zip(&shared) {
            if *shared > sync.generic_over && key.kind != Key::EXTERNAL_ID {
                spoken.generic.insert(hash(None, key));
            }
        }
        for found in worker.candidates(side.other(), &keys).await? {
            let (at, kind) = of[found.key];
            candidates.entry(at).or_default().push(Candidate {
                kind,
                pair: found.pair,
                is_linked: found.is_linked,
                shared_by: found.shared_by.max(shared[found.key]),
            });
        }
    }
    let mut others: BTreeMap<i64, usize> = BTreeMap::new();
    for (at, item) in items.iter_mut().enumerate() {
        let Some(side) = item.lonely() else { continue };
        let refused = super::review::refused(&item.pair.decisions);
        let mut candidates = candidates.remove(&at).unwrap_or_default();
        candidates.retain(|one| !refused.contains(&one.pair));
        let matched = choose(&sync.steps, sync.generic_over, &candidates);
        let keys = item.keys(&sync, side);
        if let Some(other) = spoken.fate(item, side, matched, &keys) {
            others.insert(other, at);
        }
    }
    worker.spoken = spoken;
    let wanted: Vec<i64> = others.keys().copied().collect();
    for other in worker.pairs(&wanted).await? {
        let item = &mut items[others[&other.seq]];
        item.absorbed = Some(other);
        item.read(&sync);
    }
    Ok(())
}

/// A record that was merged into another of its side goes on as that one: the pair goes with
/// it. Is that one tied itself, the other side has this person twice, and somebody decides.
async fn follow(worker: &Worker<'_>, item: &mut Item, side: Side) -> Result<(), Halt> {
    let Half::Gone { into: Some(into), .. } = item.half(side) else { return Ok(()) };
    let into = into.clone();
    if item.copy(side.other()).is_none() {
        return Ok(());
    }
    match worker.pair_of(side, &into).await?.filter(|pair| pair.seq != item.pair.seq) {
        Some(pair) if matches!(pair.halves[side.other().index()], Half::Never) => {
            item.fresh[side.index()] = Some(pair.halves[side.index()].clone());
            item.absorbed = Some(pair);
        }
        Some(pair) if super::review::refused(&item.pair.decisions).contains(&pair.seq) => {
            return Ok(());
        }
        Some(pair) => {
            item.fate = Fate::Duplicate { of: pair.seq, by: KeyKind::ExternalId };
            return Ok(());
        }
        // Not told yet: it is asked for.
        None => {
            let half = worker.read_again(side, &[into], Lane::Background).await?.pop();
            item.fresh[side.index()] = half.filter(|half| matches!(half, Half::Present(_)));
        }
    }
    item.by = Some(KeyKind::ExternalId);
    item.read(&worker.sync);
    Ok(())
}

fn hash(side: Option<Side>, key: &Key) -> u64 {
    let mut hasher = DefaultHasher::new();
    (side, key.kind, &key.text).hash(&mut hasher);
    hasher.finish()
}

impl Spoken {
    /// What a match makes of somebody; the row that goes into theirs.
    fn fate(
        &mut self,
        item: &mut Item,
        side: Side,
        matched: Matched,
        keys: &[(KeyKind, Key)],
    ) -> Option<i64> {
        if self.taken.contains(&item.pair.seq) {
            item.fate = Fate::Later { is_duplicate: false };
            return None;
        }
        match matched {
            Matched::Nobody => {
                let is_own = |key: &&Key| !self.generic.contains(&hash(None, key));
                let own = keys.iter().map(|(_, key)| key).filter(is_own);
                let made: Vec<u64> = own.map(|key| hash(Some(side), key)).collect();
                if made.iter().any(|key| self.made.contains(key)) {
                    item.fate = Fate::Later { is_duplicate: true };
                } else {
                    self.made.extend(made);
                }
                None
            }
            Matched::One { pair, by } => {
                if !self.taken.insert(pair) {
                    item.fate = Fate::Later { is_duplicate: true };
                    return None;
                }
                // Nobody else may be tied to this one in this batch either.
                self.taken.insert(item.pair.seq);
                item.by = Some(by);
                Some(pair)
            }
            Matched::Linked { pair, by } => {
                item.fate = Fate::Duplicate { of: pair, by };
                None
            }
            Matched::Several { pairs, by } => {
                item.fate = Fate::Ambiguous { pairs, by };
                None
            }
        }
    }
}
