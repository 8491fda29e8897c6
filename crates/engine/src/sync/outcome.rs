//! What comes of one item: where its pair stands once its writes are done, or failed.

use super::Sync;
use super::agreed::Kept;
use super::doubt::{self, Doubt};
use super::fetch::{decode, encode};
use super::perform::{Task, count, count_of, word};
use super::review;
use super::settle::{Fate, Item};
use domain::Timestamp;
use domain::sync::{Agreed, By, Kind, Plan, Side, Step, half_way};
use kit::{Error, Saved, Write};
use state::sync::{Copy, Counts, Entry, EntryState, Failure, Half, PairState, Settled};
use std::time::Duration;

/// How often a record is tried before it is left to a person, and how long it waits between.
const TRIES: u32 = 8;
/// What is refused for good is tried again in case somebody mends it.
const TRIES_REFUSED: u32 = 3;
/// The class of a failure of which nobody knows whether it is one.
pub(super) const UNANSWERED: &str = "unanswered";
const BACKOFF_FIRST: Duration = Duration::from_secs(30);
const BACKOFF_MAX: Duration = Duration::from_secs(3_600);

/// What came of an item's write on each side.
pub(super) type Outcomes = [Option<Result<Saved, Error>>; 2];

/// One item, and what came of its writes.
pub(super) struct Settling<'a> {
    pub(super) sync: &'a Sync,
    pub(super) item: &'a Item,
    pub(super) tasks: Vec<&'a Task>,
    /// What its conflicts cost, once that is written.
    pub(super) lost: Vec<&'a Entry>,
    pub(super) outcomes: &'a Outcomes,
    /// When its writes were about to be sent.
    pub(super) begun: Timestamp,
    pub(super) now: Timestamp,
}

impl Settling<'_> {
    /// What is committed of it; nothing of one who waits for somebody else of the batch.
    pub(super) fn settled(&self, counts: &mut Counts) -> Option<Settled> {
        let item = self.item;
        let mut settled = Settled::of(&item.pair);
        settled.absorbs = item.absorbed.as_ref().map(|other| (other.seq, other.turn));
        match &item.fate {
            Fate::Later { .. } | Fate::Open => return None,
            Fate::Ambiguous { pairs, by } => {
                settled.state = PairState::Held;
                settled.reviews.push(review::ambiguous(pairs, *by));
                count(counts, "held");
            }
            Fate::Duplicate { of, by } => {
                settled.state = PairState::Held;
                // Said to be one already: nothing follows, and nobody is asked again.
                let decisions = &item.pair.decisions;
                if !review::is_known_duplicate(decisions, *of)
                    && !review::parted(decisions).contains(of)
                {
                    settled.reviews.push(review::duplicate(*of, *by));
                }
                count(counts, "duplicates");
            }
            Fate::Planned(plan) => self.planned(plan, &mut settled, counts),
        }
        Some(settled)
    }

    fn planned(&self, plan: &Plan, settled: &mut Settled, counts: &mut Counts) {
        let (sync, item) = (self.sync, self.item);
        let failed = |side: Side| matches!(&self.outcomes[side.index()], Some(Err(_)));
        let done = [Side::Left, Side::Right].map(|side| !failed(side));
        let mut base = item.base.clone();
        let before = base.agreed(&sync.map);
        let mut agreed = plan.settled(&before, done);
        for at in self.tasks.iter().flat_map(|task| &task.left_out) {
            agreed[*at] = before[*at].clone();
            count(counts, "left_out");
        }
        self.half_way(plan, &before, done, &mut agreed);
        base.agree(&sync.map, &agreed);
        // Of what is still to be written elsewhere nothing is agreed on yet: what this side
        // holds of it is no form that it gives to what was agreed on before.
        let open: Vec<&str> = (0..agreed.len())
            .filter(|at| plan.agreed.get(*at) != agreed.get(*at))
            .map(|at| sync.map.key(at))
            .collect();
        self.writes(settled, &mut base, &open, counts);
        for &side in Side::ALL {
            let at = side.index();
            let is_written = self.tasks.iter().any(|task| task.side == side);
            if let (false, Some(fresh)) = (is_written, &item.fresh[at]) {
                settled.keys[at] =
                    Some(item.keys(sync, side).into_iter().map(|(_, key)| key).collect());
                settled.halves[at] = Some(fresh.clone());
            }
        }
        let is_done = done == [true, true];
        if is_done {
            base.bury(plan.buried);
            if !matches!(plan.step, Step::Hold(_)) {
                settled.spent = review::spent(&item.pair.decisions);
            }
        }
        if self.is_echo(&mut base) {
            count(counts, "echoes");
        }
        base.store(settled);
        self.ends(plan, is_done, settled, counts);
        settled.told.clone_from(&item.told);
        settled.entries.extend(self.lost.iter().map(|lost| {
            let side = if lost.side == 0 { Side::Left } else { Side::Right };
            let is_lost = match &self.outcomes[side.index()] {
                Some(Err(error)) => doubt::is_unclear(error),
                Some(Ok(_)) | None => true,
            };
            let state = if is_lost { EntryState::Done } else { EntryState::Failed };
            Entry { state, ..Entry::clone(lost) }
        }));
        for conflict in &plan.conflicts {
            // A mirror that is set back is no conflict; what it loses is kept all the same.
            if conflict.by != By::Direction {
                count(counts, "conflicts");
            }
            settled.reviews.extend(review::conflict(sync, item, conflict));
        }
        *counts.entry("drift".to_owned()).or_default() += plan.drift.len() as u64;
    }

    /// Lists that were to be written to both sides and came through on one.
    fn half_way(&self, plan: &Plan, before: &[Agreed], done: [bool; 2], agreed: &mut [Agreed]) {
        let undone = match done {
            [true, false] => Side::Right,
            [false, true] => Side::Left,
            _ => return,
        };
        let Some(other) = &self.item.values[undone.index()] else { return };
        for at in plan.both() {
            if self.sync.map.fields()[at].kind == Kind::Tags {
                agreed[at] = half_way(&before[at], plan.value(at), other[at].as_ref());
            }
        }
    }

    /// What came of each write.
    fn writes(&self, settled: &mut Settled, base: &mut Kept, open: &[&str], counts: &mut Counts) {
        for task in &self.tasks {
            let Some(outcome) = &self.outcomes[task.side.index()] else { continue };
            let mut entry = task.entry(self.item, EntryState::Done);
            match outcome {
                Ok(saved) => {
                    self.written((task, saved), settled, base, open);
                    entry.record.clone_from(&saved.id);
                    entry.after = task.after(saved);
                    if task.kind != "update" || !task.fields.is_empty() {
                        count_of(counts, word(task.kind), task.side);
                    }
                }
                Err(error) => {
                    self.refused(task, error, settled);
                    if doubt::is_unclear(error) {
                        let doubt =
                            Doubt::new(&self.sync.map, task.side, (task.entry, self.begun), &entry);
                        base.doubts(task.side, doubt);
                    }
                    entry.why = error.to_string();
                    entry.state = EntryState::Failed;
                    count(counts, "errors");
                }
            }
            settled.entries.push(entry);
        }
    }

    /// Where the pair stands then.
    fn ends(&self, plan: &Plan, is_done: bool, settled: &mut Settled, counts: &mut Counts) {
        let item = self.item;
        settled.state = match &plan.step {
            Step::Hold(why) => {
                settled.reviews.push(review::held(*why));
                count(counts, "held");
                PairState::Held
            }
            _ if plan.buried.is_some() && is_done => PairState::Buried,
            Step::Create { .. } | Step::Write { .. } if is_done => PairState::Linked,
            Step::Rest if item.values.iter().all(Option::is_some) => PairState::Linked,
            _ => item.pair.state,
        };
        if item.absorbed.is_some() {
            settled.state = PairState::Linked;
            settled.entries.push(review::linked(item));
            count(counts, "linked");
        }
        if self.tasks.is_empty() {
            count(counts, "unchanged");
        }
    }

    /// Is there nothing to do because what came was our own last write, as its system holds it
    /// (invariant 5)?
    fn is_echo(&self, base: &mut Kept) -> bool {
        let item = self.item;
        let mut is_echo = false;
        for &side in Side::ALL {
            let told = item.copy(side).filter(|copy| copy.modified.is_some());
            is_echo |= told.is_some_and(|copy| base.came_back(side, copy.version.as_deref()));
        }
        is_echo && self.tasks.is_empty() && matches!(item.pair.state, PairState::Linked)
    }

    /// Our copy of what was written.
    fn written(
        &self,
        (task, saved): (&Task, &Saved),
        settled: &mut Settled,
        base: &mut Kept,
        open: &[&str],
    ) {
        let (sync, at) = (self.sync, task.side.index());
        if task.kind == "delete" {
            settled.halves[at] = Some(Half::Gone { id: task.record.clone(), into: None });
            settled.keys[at] = Some(Vec::new());
            return;
        }
        let mut fields =
            self.item.copy(task.side).map(|copy| decode(&copy.fields)).unwrap_or_default();
        let mut fields_written = task.fields.clone();
        if let Write::Create { key: (_, value), .. } = &task.write {
            fields_written.extend(sync.map.made_under(task.side, value));
        }
        fields.extend(fields_written.clone());
        let mut set = sync.map.keys_in(task.side, &fields_written);
        set.retain(|name| !open.contains(&name.as_str()));
        // Somebody else's record stood there under the key: it is read before more is decided.
        settled.is_waiting |= task.kind == "create" && !saved.is_new;
        base.wrote(task.side, saved.version.clone(), set);
        let values = sync.map.read(task.side, &saved.id, &fields);
        settled.keys[at] = Some(sync.map.store_keys(&values));
        settled.halves[at] = Some(Half::Present(Copy {
            id: saved.id.clone(),
            version: saved.version.clone(),
            // Its own system says when, and by its own clock: with the next page.
            modified: None,
            modified_by: None,
            fields: encode(&fields),
        }));
    }

    /// What a write that failed leaves behind: the pair waits.
    fn refused(&self, task: &Task, error: &Error, settled: &mut Settled) {
        let at = task.side.index();
        settled.is_waiting = true;
        // What was read of it was acted on, and a list may be behind that.
        if let Some(Half::Present(fresh)) = &self.item.fresh[at] {
            let is_old = matches!(error, Error::Conflict { .. } | Error::NotFound);
            let version = fresh.version.clone().filter(|_| !is_old);
            settled.halves[at] = Some(Half::Present(Copy { version, ..fresh.clone() }));
            let keys = self.item.keys(self.sync, task.side).into_iter();
            settled.keys[at] = Some(keys.map(|(_, key)| key).collect());
        }
        match error {
            // Somebody was quicker, or it was merged into another: it is read again before
            // anything is decided, and asked what it has become.
            Error::Conflict { .. } | Error::NotFound
                if task.kind != "create" && self.item.fresh[at].is_none() =>
            {
                let copy = self.item.copy(task.side).cloned();
                settled.halves[at] = copy.map(|copy| Half::Present(Copy { version: None, ..copy }));
            }
            error => {
                let tries = self.item.pair.tries.saturating_add(1);
                let most = if error.is_refusal() { TRIES_REFUSED } else { TRIES };
                let wait = BACKOFF_FIRST * (1 << tries.saturating_sub(1).min(10));
                let class = if doubt::is_unclear(error) { UNANSWERED } else { error.kind() };
                settled.failure = Some(Failure {
                    class: class.to_owned(),
                    note: Some(error.to_string()),
                    due_at: self.now.plus(wait.min(BACKOFF_MAX)),
                    is_dead: tries >= most,
                });
            }
        }
    }
}
