//! Does what was planned for a batch: journals it, writes it, commits what came of it.
//!
//! What is about to be written is in the journal before it is sent. The writes of a side go
//! in batches as large as the vendor takes, a few at once; each row has its own outcome, and
//! one that fails keeps only its own pair waiting.

use super::fetch::decode;
use super::outcome::{Outcomes, Settling};
use super::send::{Told, send_both, without_refused};
use super::settle::{Fate, Item};
use super::work::{Halt, Worker};
use super::{Sync, doubt, review};
use domain::sync::{By, Plan, Side, Step};
use kit::{Fields, Saved, Write};
use serde_json::{Value as Json, json};
use state::sync::{Counts, Entry, EntryState, Half};
use std::sync::Arc;

/// Writes that a plan lists; all are counted.
const PLANNED_MAX: usize = 10_000;

/// One write of one item.
pub(super) struct Task {
    pub(super) item: usize,
    pub(super) side: Side,
    pub(super) kind: &'static str,
    /// Empty where it is made.
    pub(super) record: String,
    pub(super) write: Write,
    /// What is written, for the journal and for our copy.
    pub(super) fields: Fields,
    /// Fields of the map that are written to the other side as well.
    pub(super) both: Vec<String>,
    pub(super) why: String,
    /// The journal's row, once it is there.
    pub(super) entry: i64,
    /// Fields of the map that the vendor refused and that can be done without.
    pub(super) left_out: Vec<usize>,
}

/// Whether somebody waits on and can be settled at once.
pub(super) async fn perform(worker: &mut Worker<'_>, items: Vec<Item>) -> Result<bool, Halt> {
    let sync = Arc::clone(&worker.sync);
    let mut tasks = Vec::new();
    for (at, item) in items.iter().enumerate() {
        tasks.extend(tasks_of(&sync, at, item));
    }
    let (begun, mut lost) = (worker.now(), Vec::<(usize, Entry)>::new());
    if !tasks.is_empty() {
        // What a conflict costs is kept before it is overwritten: a run that is killed in
        // between would not see any more that there was one (invariant 6).
        lost = items.iter().enumerate().flat_map(|(at, item)| lost_of(&sync, at, item)).collect();
        let entries = tasks.iter().map(|task| task.entry(&items[task.item], EntryState::Intended));
        let entries = entries.chain(lost.iter().map(|(_, entry)| entry.clone()));
        let mut ids = worker.intend(entries.collect()).await?.into_iter();
        for (task, id) in tasks.iter_mut().zip(&mut ids) {
            task.entry = id.unwrap_or_default();
        }
        for ((_, entry), id) in lost.iter_mut().zip(ids) {
            entry.id = id;
        }
        // Who was erased meanwhile is not written.
        tasks.retain(|task| task.entry != 0);
    }
    let all: Vec<usize> = (0..tasks.len()).collect();
    let mut told = worker.held(send_both(&sync, &tasks, &all)).await?;
    let again = without_refused(&sync, &mut tasks, &mut told);
    if !again.is_empty() {
        told.extend(worker.held(send_both(&sync, &tasks, &again)).await?);
    }
    worker.held(doubt::look(&sync, &tasks, &mut told)).await?;
    let mut items = items;
    meet(worker, &mut items, &tasks, &mut told).await?;
    let mut outcomes: Vec<Outcomes> = items.iter().map(|_| [None, None]).collect();
    for &side in Side::ALL {
        let own = told.iter().filter(|(at, _)| tasks[*at].side == side);
        worker.heard(side, own.map(|(_, outcome)| outcome.as_ref().map(drop)));
    }
    for (at, outcome) in told {
        let task = &tasks[at];
        outcomes[task.item][task.side.index()] = Some(outcome);
    }
    let now = worker.now();
    let mut settled = Vec::with_capacity(items.len());
    for (at, (item, outcomes)) in items.into_iter().zip(outcomes).enumerate() {
        let tasks = tasks.iter().filter(|task| task.item == at).collect();
        let lost = lost.iter().filter(|(of, _)| *of == at).map(|(_, entry)| entry).collect();
        let outcomes = &outcomes;
        let settling = Settling { sync: &sync, item: &item, tasks, lost, outcomes, begun, now };
        settled.extend(settling.settled(&mut worker.counts));
    }
    let is_left = settled.iter().any(|one| one.is_waiting && one.failure.is_none());
    let is_taken = worker.settle(settled).await?;
    worker.stop_if_down()?;
    Ok(is_left || !is_taken)
}

/// Whom somebody was made over: a record that stood there under the key. Has it been told of, its
/// row goes into this one; what it holds besides is not known, so no version of it is.
async fn meet(
    worker: &Worker<'_>,
    items: &mut [Item],
    tasks: &[Task],
    told: &mut Told,
) -> Result<(), Halt> {
    for (at, outcome) in told {
        let (task, Ok(saved)) = (&tasks[*at], outcome) else { continue };
        if task.kind != "create" || saved.is_new {
            continue;
        }
        saved.version = None;
        let item = &mut items[task.item];
        let known = worker.pair_of(task.side, &saved.id).await?;
        let other = task.side.other().index();
        let known = known
            .filter(|pair| pair.seq != item.pair.seq && matches!(pair.halves[other], Half::Never));
        if let (Some(known), None) = (known, &item.absorbed) {
            item.absorb(known);
        }
    }
    Ok(())
}

/// What would be written, into the journal of a plan, and counted.
pub(super) async fn foretell(worker: &mut Worker<'_>, items: &[Item]) -> Result<(), Halt> {
    let sync = Arc::clone(&worker.sync);
    let (mut entries, counts) = (Vec::new(), &mut worker.counts);
    for (at, item) in items.iter().enumerate() {
        match &item.fate {
            Fate::Open | Fate::Later { is_duplicate: false } => continue,
            Fate::Later { .. } | Fate::Duplicate { .. } => count(counts, "duplicates"),
            Fate::Ambiguous { .. } => count(counts, "held"),
            Fate::Planned(plan) => {
                let tasks = tasks_of(&sync, at, item);
                for task in &tasks {
                    count_of(counts, word(task.kind), task.side);
                    entries.push(task.entry(item, EntryState::Planned));
                }
                if item.absorbed.is_some() {
                    count(counts, "linked");
                }
                match &plan.step {
                    Step::Hold(_) => count(counts, "held"),
                    _ if tasks.is_empty() => count(counts, "unchanged"),
                    _ => {}
                }
                for conflict in &plan.conflicts {
                    if conflict.by != By::Direction {
                        count(counts, "conflicts");
                    }
                }
                let lost = lost_of(&sync, at, item).into_iter();
                entries.extend(lost.map(|(_, lost)| Entry { state: EntryState::Planned, ..lost }));
                *counts.entry("drift".to_owned()).or_default() += plan.drift.len() as u64;
            }
        }
    }
    entries.truncate(PLANNED_MAX.saturating_sub(worker.foretold));
    worker.foretold += entries.len();
    if !entries.is_empty() {
        worker.intend(entries).await?;
    }
    worker.tell_counts().await
}

/// What the conflicts of an item are about to cost.
fn lost_of(sync: &Sync, at: usize, item: &Item) -> Vec<(usize, Entry)> {
    let Fate::Planned(plan) = &item.fate else { return Vec::new() };
    let lost = plan.conflicts.iter().flat_map(|one| review::lost(sync, item, plan, one));
    lost.map(|entry| (at, entry)).collect()
}

/// What is to be written of an item.
fn tasks_of(sync: &Sync, at: usize, item: &Item) -> Vec<Task> {
    let Fate::Planned(plan) = &item.fate else { return Vec::new() };
    let task = |side, kind, record: &str, write, fields| Task {
        item: at,
        side,
        kind,
        record: record.to_owned(),
        write,
        fields,
        both: plan.both().map(|at| sync.map.key(at).to_owned()).collect(),
        why: why(plan),
        entry: 0,
        left_out: Vec::new(),
    };
    let update = |side: Side, kind: &'static str, fields: Fields| {
        let copy = item.copy(side).filter(|_| !fields.is_empty())?;
        let (id, seen) = (copy.id.clone(), copy.version.clone());
        let write = Write::Update { id, seen, fields: fields.clone() };
        Some(task(side, kind, &copy.id, write, fields))
    };
    let all = match &plan.step {
        Step::Rest | Step::Bury | Step::Hold(_) => [None, None],
        Step::Write { left, right } => [
            update(Side::Left, "update", sync.map.written(Side::Left, plan, left)),
            update(Side::Right, "update", sync.map.written(Side::Right, plan, right)),
        ],
        Step::Create { side, fields } => {
            let fields = sync.map.written(*side, plan, fields);
            let other = item.copy(side.other());
            let key = sync.end(*side).key.clone().zip(other);
            let made = key.map(|(key, other)| {
                let value = sync.end(side.other()).external_id(&other.id);
                let write = Write::Create { key: (key, value), fields: fields.clone() };
                task(*side, "create", "", write, fields)
            });
            [made, None]
        }
        Step::Delete(side) => {
            let gone = item.copy(*side).map(|copy| {
                let write = Write::Delete { id: copy.id.clone(), seen: copy.version.clone() };
                task(*side, "delete", &copy.id, write, Fields::new())
            });
            [gone, None]
        }
        Step::Mark(side) => {
            let mark = sync.end(*side).mark.clone();
            let fields = mark.into_iter().map(|(field, value)| (field, Json::from(value)));
            [update(*side, "mark", fields.collect()), None]
        }
    };
    all.into_iter().flatten().collect()
}

/// By what it was decided, for the journal.
fn why(plan: &Plan) -> String {
    let mut rules: Vec<&str> = plan.conflicts.iter().map(|one| one.by.as_str()).collect();
    rules.sort_unstable();
    rules.dedup();
    rules.join(",")
}

fn bytes(json: &Json) -> Vec<u8> {
    serde_json::to_vec(json).unwrap_or_default()
}

impl Task {
    /// What was written, and what an undo has to know of it.
    pub(super) fn after(&self, saved: &Saved) -> Vec<u8> {
        let was_there = self.kind == "create" && !saved.is_new;
        let version = Some(&saved.version).filter(|_| self.kind == "create");
        bytes(&json!({ "fields": self.fields, "version": version, "wasThere": was_there }))
    }

    pub(super) fn entry(&self, item: &Item, state: EntryState) -> Entry {
        let held = item.copy(self.side).map(|copy| decode(&copy.fields)).unwrap_or_default();
        let before: Fields = match self.kind {
            "delete" => held,
            "create" => Fields::new(),
            _ => self
                .fields
                .keys()
                .map(|name| (name.clone(), held.get(name).cloned().unwrap_or_default()))
                .collect(),
        };
        let seen = match &self.write {
            Write::Update { seen, .. } | Write::Delete { seen, .. } => seen.as_deref(),
            Write::Create { .. } => None,
        };
        // A record that was there and may come back from the bin is not the one that is made.
        let gone = match self.write {
            Write::Create { .. } => item.half(self.side).id(),
            Write::Update { .. } | Write::Delete { .. } => None,
        };
        let known = json!({ "fields": before, "base": item.base, "seen": seen, "gone": gone });
        Entry {
            id: (self.entry != 0).then_some(self.entry),
            pair: item.pair.seq,
            side: self.side.index(),
            record: self.record.clone(),
            kind: self.kind.to_owned(),
            before: bytes(&known),
            after: bytes(&json!({ "fields": self.fields, "both": self.both })),
            why: self.why.clone(),
            state,
        }
    }
}

pub(super) fn word(kind: &str) -> &'static str {
    match kind {
        "create" => "created",
        "delete" => "deleted",
        "mark" => "marked",
        _ => "updated",
    }
}

/// Under which a run counts what it did to a side.
pub(super) fn counted(word: &str, side: Side) -> String {
    format!("{word}_{}", side.as_str())
}

pub(super) fn count_of(counts: &mut Counts, word: &str, side: Side) {
    *counts.entry(counted(word, side)).or_default() += 1;
}

pub(super) fn count(counts: &mut Counts, word: &str) {
    *counts.entry(word.to_owned()).or_default() += 1;
}
