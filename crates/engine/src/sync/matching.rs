//! Finds the other record of whoever has none yet, among those that the store has.
//!
//! Nobody is guessed: of several a person decides, and whoever is meant but tied already is
//! a duplicate. What the store cannot know yet is who of this very batch will be made: of
//! two with a key in common the second waits for the next round, and then finds the first.

use super::settle::{Fate, Item};
use super::work::{Halt, Worker};
use domain::sync::Side;
use domain::sync::matching::{Candidate, KeyKind, Marks, Matched, choose};
use kit::Lane;
use state::sync::{Half, Key, Pair};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

/// Pairs that are read at once.
const PAIRS: usize = 500;
/// Merges one after the other that are followed at once; of a longer chain the rest waits.
const MERGES_MAX: usize = 10;

/// Who has spoken for whom: of a batch, or of a whole plan, which changes nothing that the
/// next batch could see. Keys are told apart by a hash of 64 bits.
#[derive(Default)]
pub(super) struct Spoken {
    /// Rows that go into another's.
    taken: HashSet<i64>,
    /// Keys of those who will be made on the other side.
    made: HashSet<u64>,
    /// Of their numbers: who has them, the first and all others.
    numbers: HashMap<u64, Marks>,
    others: HashMap<u64, Vec<Marks>>,
    /// Keys that are nobody's own.
    generic: HashSet<u64>,
    /// Of these the last batch's.
    latest: (Vec<i64>, Vec<u64>, Vec<u64>),
}

pub(super) async fn find_others(worker: &mut Worker<'_>, items: &mut [Item]) -> Result<(), Halt> {
    let sync = Arc::clone(&worker.sync);
    let mut merged = HashSet::new();
    for item in items.iter_mut() {
        for &side in Side::ALL {
            follow(worker, item, side, &mut merged).await?;
        }
    }
    let mut spoken = std::mem::take(&mut worker.spoken);
    spoken.generic.clear();
    spoken.latest = Default::default();
    if !worker.is_dry() {
        spoken = Spoken::default();
    }
    let followed = items.iter().filter_map(|item| item.absorbed.as_ref().map(|other| other.seq));
    for pair in followed {
        spoken.take(pair);
    }
    let mut candidates = candidates(worker, items, &mut spoken).await?;
    for (at, candidates) in &mut candidates {
        let refused = super::review::refused(&items[*at].pair.decisions);
        candidates.retain(|one| !refused.contains(&one.pair));
    }
    tell_apart(worker, items, &mut candidates).await?;
    let mut others: BTreeMap<i64, usize> = BTreeMap::new();
    for (at, item) in items.iter_mut().enumerate() {
        // Of who was found by a key already nothing more is asked.
        let Some(side) = item.lonely().filter(|_| matches!(item.fate, Fate::Open)) else {
            continue;
        };
        let candidates = candidates.remove(&at).unwrap_or_default();
        let matched = choose(&sync.steps, sync.generic_over, &candidates);
        let keys = item.keys(&sync, side);
        let marks = item.values[side.index()].as_ref().map(|values| sync.map.marks(values));
        if let Some(other) = spoken.fate(item, side, matched, (&keys, marks)) {
            others.insert(other, at);
        }
    }
    worker.spoken = spoken;
    let wanted: Vec<i64> = others.keys().copied().collect();
    for other in worker.pairs(&wanted).await? {
        let item = &mut items[others[&other.seq]];
        item.absorb(other);
        item.read(&sync);
    }
    Ok(())
}

/// Whom each may be, by its place in the batch; and which keys are nobody's own.
async fn candidates(
    worker: &Worker<'_>,
    items: &[Item],
    spoken: &mut Spoken,
) -> Result<BTreeMap<usize, Vec<Candidate>>, Halt> {
    let sync = Arc::clone(&worker.sync);
    let mut candidates: BTreeMap<usize, Vec<Candidate>> = BTreeMap::new();
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
        let others = worker.others(side, &keys).await?;
        // A number that many of our own side have is as little their own.
        for (key, shared) in keys.iter().zip(&others.shared) {
            if *shared > sync.generic_over && key.kind != Key::EXTERNAL_ID {
                spoken.generic.insert(hash(None, key));
            }
        }
        for found in others.found {
            let (at, kind) = of[found.key];
            candidates.entry(at).or_default().push(Candidate {
                kind,
                pair: found.pair,
                is_linked: found.is_linked,
                shared_by: found.shared_by.max(others.shared[found.key]),
            });
        }
    }
    Ok(candidates)
}

/// Takes out whoever has nothing but a number in common with somebody, and is another.
async fn tell_apart(
    worker: &Worker<'_>,
    items: &[Item],
    candidates: &mut BTreeMap<usize, Vec<Candidate>>,
) -> Result<(), Halt> {
    let sync = &worker.sync;
    let mut asked: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for (at, candidates) in &*candidates {
        let found = match choose(&sync.steps, sync.generic_over, candidates) {
            Matched::One { pair, by: KeyKind::Phone }
            | Matched::Linked { pair, by: KeyKind::Phone } => vec![pair],
            Matched::Several { pairs, by: KeyKind::Phone } => pairs,
            _ => continue,
        };
        found.into_iter().for_each(|pair| asked.entry(pair).or_default().push(*at));
    }
    let seqs: Vec<i64> = asked.keys().copied().collect();
    for seqs in seqs.chunks(PAIRS) {
        for pair in worker.pairs(seqs).await? {
            let seq = pair.seq;
            let other = Item::new(sync, pair);
            for at in &asked[&seq] {
                let Some(side) = items[*at].lonely() else { continue };
                let marks = |item: &Item, side: Side| {
                    item.values[side.index()].as_ref().map(|values| sync.map.marks(values))
                };
                let (own, found) = (marks(&items[*at], side), marks(&other, side.other()));
                if own.zip(found).is_some_and(|(own, found)| own.are_two(&found)) {
                    let candidates = candidates.entry(*at).or_default();
                    candidates.retain(|one| one.kind != KeyKind::Phone || one.pair != seq);
                }
            }
        }
    }
    Ok(())
}

/// A record that was merged into another of its side goes on as that one, or as what that one
/// has become: the pair goes with it. Is that one tied itself, the other side has this person
/// twice, and somebody decides.
///
/// `taken`: the records that somebody of this batch goes on as; of two who were merged into one
/// the second waits until the first is tied to it. Where nothing is found out, the half stays
/// what it is, and no merge ever counts as a deletion ([`Item::plan`]).
pub(super) async fn follow(
    worker: &mut Worker<'_>,
    item: &mut Item,
    side: Side,
    taken: &mut HashSet<(Side, String)>,
) -> Result<(), Halt> {
    let Half::Gone { into: Some(into), .. } = item.half(side) else { return Ok(()) };
    let mut into = into.clone();
    if item.copy(side.other()).is_none() {
        return Ok(());
    }
    for _ in 0..MERGES_MAX {
        let found = worker.pair_of(side, &into).await?.filter(|pair| pair.seq != item.pair.seq);
        let told = found.as_ref().filter(|pair| is_sure(pair, side));
        let half = match told {
            Some(pair) => pair.halves[side.index()].clone(),
            // Not told yet, or nothing would tell that it has changed since: it is asked for.
            None => {
                let read = worker.read_again(side, std::slice::from_ref(&into), Lane::Background);
                read.await?.pop().unwrap_or(Half::Never)
            }
        };
        match half {
            Half::Gone { into: Some(next), .. } => into = next,
            // What it had become is gone as well, for all that is known.
            Half::Gone { into: None, .. } | Half::Never => return Ok(()),
            Half::Present(_) => return goes_on(worker, item, side, (half, found), taken),
        }
    }
    item.fate = Fate::Later { is_duplicate: true };
    Ok(())
}

/// Whether what is known of a side can be built on: a change of a record with a version is
/// refused where it is another by now.
fn is_sure(pair: &Pair, side: Side) -> bool {
    let half = &pair.halves[side.index()];
    let is_behind = matches!(half, Half::Present(copy) if copy.version.is_none());
    !is_behind && !pair.is_unsure[side.index()]
}

/// A record that was to be made stands, and was found by its key.
pub(super) async fn meets(
    worker: &Worker<'_>,
    item: &mut Item,
    side: Side,
    half: Half,
    taken: &mut HashSet<(Side, String)>,
) -> Result<(), Halt> {
    let found = worker.pair_of(side, half.id().unwrap_or_default()).await?;
    let found = found.filter(|pair| pair.seq != item.pair.seq);
    let is_tied = |pair: &&Pair| !matches!(pair.halves[side.other().index()], Half::Never);
    if let Some(tied) = found.as_ref().filter(is_tied) {
        item.fate = Fate::Duplicate { of: tied.seq, by: KeyKind::ExternalId };
        return Ok(());
    }
    goes_on(worker, item, side, (half, found), taken)
}

/// The one that a record has become stands.
fn goes_on(
    worker: &Worker<'_>,
    item: &mut Item,
    side: Side,
    (half, found): (Half, Option<Pair>),
    taken: &mut HashSet<(Side, String)>,
) -> Result<(), Halt> {
    let other = side.other().index();
    let tied = found.as_ref().filter(|pair| !matches!(pair.halves[other], Half::Never));
    if let Some(tied) = tied {
        if !super::review::parted(&item.pair.decisions).contains(&tied.seq) {
            item.fate = Fate::Duplicate { of: tied.seq, by: KeyKind::ExternalId };
        }
        return Ok(());
    }
    let id = half.id().unwrap_or_default().to_owned();
    if !taken.insert((side, id)) {
        item.fate = Fate::Later { is_duplicate: true };
        return Ok(());
    }
    item.fresh[side.index()] = Some(half);
    if let Some(found) = found {
        item.absorb(found);
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
    /// Whether nobody has taken the row before.
    fn take(&mut self, pair: i64) -> bool {
        let is_first = self.taken.insert(pair);
        if is_first {
            self.latest.0.push(pair);
        }
        is_first
    }

    /// As if the last batch had not been looked at.
    pub(super) fn take_back(&mut self) {
        let (taken, made, numbers) = std::mem::take(&mut self.latest);
        for pair in taken {
            self.taken.remove(&pair);
        }
        for key in made {
            self.made.remove(&key);
        }
        for key in numbers.into_iter().rev() {
            // Whoever had it before has it again.
            match self.others.get_mut(&key).and_then(Vec::pop) {
                Some(before) => drop(self.numbers.insert(key, before)),
                None => drop(self.numbers.remove(&key)),
            }
        }
    }

    /// What a match makes of somebody; the row that goes into theirs.
    fn fate(
        &mut self,
        item: &mut Item,
        side: Side,
        matched: Matched,
        (keys, marks): (&[(KeyKind, Key)], Option<Marks>),
    ) -> Option<i64> {
        if self.taken.contains(&item.pair.seq) {
            item.fate = Fate::Later { is_duplicate: false };
            return None;
        }
        match matched {
            Matched::Nobody => {
                let is_own = |key: &&Key| !self.generic.contains(&hash(None, key));
                let own = keys.iter().map(|(_, key)| key).filter(is_own);
                let (numbers, others): (Vec<&Key>, Vec<&Key>) =
                    own.partition(|key| key.kind == Key::PHONE);
                let [numbers, made] = [numbers, others]
                    .map(|keys| keys.iter().map(|key| hash(Some(side), key)).collect::<Vec<_>>());
                let marks = marks.unwrap_or(Marks::new(&[], None));
                if made.iter().any(|key| self.made.contains(key))
                    || numbers.iter().any(|key| self.is_of_same(*key, &marks))
                {
                    item.fate = Fate::Later { is_duplicate: true };
                    return None;
                }
                for key in made {
                    if self.made.insert(key) {
                        self.latest.1.push(key);
                    }
                }
                for key in numbers {
                    self.note(key, marks);
                    self.latest.2.push(key);
                }
                // Whoever means this one finds them settled, with the next round.
                self.take(item.pair.seq);
                None
            }
            Matched::One { pair, by } => {
                if !self.take(pair) {
                    item.fate = Fate::Later { is_duplicate: true };
                    return None;
                }
                // Nobody else may be tied to this one in this batch either.
                self.take(item.pair.seq);
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
    /// Will somebody be made who has this number, and may be the same person?
    fn is_of_same(&self, number: u64, marks: &Marks) -> bool {
        let first = self.numbers.get(&number).into_iter();
        let mut all = first.chain(self.others.get(&number).into_iter().flatten());
        all.any(|one| !one.are_two(marks))
    }

    fn note(&mut self, number: u64, marks: Marks) {
        if let Some(before) = self.numbers.insert(number, marks) {
            self.others.entry(number).or_default().push(before);
        }
    }
}
