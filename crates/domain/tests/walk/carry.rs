//! A small engine around the plan: reads, plans, writes and keeps, over a bad network.
//!
//! What it read may be old, each write depends on the version seen, an answer may be lost,
//! and one of two writes may come through. [`Bug`] is what it can be made to do wrong.

use crate::dice::Dice;
use crate::edits::Cell;
use crate::witness::Witness;
use crate::world::{Cells, Record, State, World};
use domain::sync::{
    Agreed, Buried, Choice, Field, Half, Now, Pair, Plan, Policy, Side, Stands, Step, Values, Won,
    plan,
};
use domain::{Timestamp, Value};
use std::collections::BTreeSet;

/// What is planted, to see whether it is caught.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    None,
    /// One field of a write is left out, and taken for done.
    DropsAnEdit,
    /// What was written is not taken for agreed.
    LetsAnEchoThrough,
    /// The value that lost is not kept.
    ForgetsWhoLost,
    /// A deleted record is taken for one that never was.
    RaisesTheDead,
    /// Writes over what it has not seen.
    WritesBlindly,
    /// Takes every field to go both ways.
    GoesBothWays,
    /// Takes a write of which nothing was heard for undone.
    ForgetsWhatItBegan,
}

/// What is kept of a pair.
#[derive(Default)]
struct Kept {
    seen: [Option<Record>; 2],
    base: Vec<Agreed>,
    buried: Option<Buried>,
    decided: Vec<(usize, Choice)>,
    stands: Option<Stands>,
    /// Began, and nothing was heard of it.
    doubtful: Option<Doubt>,
}

struct Doubt {
    plan: Plan,
    /// The versions seen before.
    seen: [u64; 2],
}

pub struct Carrier {
    fields: Vec<Field>,
    policy: Policy,
    pairs: Vec<Kept>,
    bug: Bug,
    /// What was planned, for a test that wants to see that everything was.
    pub steps: BTreeSet<&'static str>,
    pub log: Vec<String>,
}

impl Carrier {
    pub fn new(people: usize, fields: &[Field], policy: Policy, bug: Bug) -> Self {
        let pairs = (0..people).map(|_| Kept::default()).collect();
        let (fields, steps) = (fields.to_vec(), BTreeSet::new());
        Self { fields, policy, pairs, bug, steps, log: Vec::new() }
    }

    pub fn fetch(&mut self, world: &World, side: usize, person: usize) {
        self.pairs[person].seen[side] = Some(world.records[side][person].clone());
    }

    /// Settles one pair; `true` when there is nothing left to do. `trouble`: in percent.
    pub fn settle(
        &mut self,
        world: &mut World,
        witness: &mut Witness,
        person: usize,
        (dice, trouble): (&mut Dice, u64),
    ) -> Result<bool, String> {
        if self.is_in_doubt(person) {
            witness.in_doubt(person);
            self.make_good(world, person);
        }
        for side in [0, 1] {
            // Who was not there yet is looked for anew: a pair is made of records that are.
            let seen = self.pairs[person].seen[side].as_ref();
            if seen.is_none_or(|seen| seen.state == State::Never) {
                self.fetch(world, side, person);
            }
        }
        let seen = &self.pairs[person].seen;
        if seen.iter().flatten().all(|record| record.cells().is_none()) {
            witness.found_none(person);
        }
        let plan = self.planned(world, person);
        self.log.push(format!("{person}: {:?}", plan.step));
        self.steps.insert(word(&plan.step));
        let by_word = self.pairs[person].stands.is_some();
        let mut done = [true; 2];
        let mut is_heard = true;
        for side in [0, 1] {
            let (is_written, heard) =
                self.write(world, witness, &plan, (side, person, by_word), (&mut *dice, trouble))?;
            done[side] = is_written;
            is_heard &= heard;
        }
        let is_rest =
            plan.step == Step::Rest && !plan.conflicts.iter().any(|one| one.won == Won::Open);
        self.keep(person, plan, done, is_heard);
        Ok(is_rest)
    }

    /// What was begun and not heard of is looked at: what stands there now is done.
    fn make_good(&mut self, world: &World, person: usize) {
        let Some(Doubt { plan, seen }) = self.pairs[person].doubtful.take() else { return };
        self.pairs[person].seen = [None, None];
        if self.bug == Bug::ForgetsWhatItBegan {
            return;
        }
        let record = |side: usize| &world.records[side][person];
        let now = [0, 1].map(|side| record(side).cells().map(|cells| values(world, cells)));
        let pair = &mut self.pairs[person];
        // A record that was made may have been deleted since: that is somebody's word too.
        let made = match plan.step {
            Step::Create { side, .. } => Some(record(side.index()).version != seen[side.index()]),
            _ => None,
        };
        pair.base = plan.settled_where(&pair.base, |side, field| {
            let holds = |now: &Values| now[field].as_ref() == plan.value(field);
            made.unwrap_or_else(|| now[side.index()].as_ref().is_some_and(holds))
        });
        if made == Some(true) {
            pair.buried = None;
        }
    }

    fn planned(&self, world: &World, person: usize) -> Plan {
        let pair = &self.pairs[person];
        let own = |side: usize| pair.seen[side].clone().unwrap_or_default();
        let seen = [own(0), own(1)];
        let told = [0, 1].map(|side| seen[side].cells().map(|cells| values(world, cells)));
        let half = |side: usize| match (&seen[side].state, &told[side]) {
            (State::Present(_), Some(values)) => {
                Half::Present(Now { values, modified: Some(Timestamp(seen[side].modified)) })
            }
            (State::Gone(_), _) if self.bug != Bug::RaisesTheDead => Half::Gone,
            _ => Half::Never,
        };
        let (base, decided) = (&pair.base, &pair.decided);
        let (left, right) = (half(0), half(1));
        let pair = Pair { left, right, base, buried: pair.buried, decided, stands: pair.stands };
        let mut fields = self.fields.clone();
        if self.bug == Bug::GoesBothWays {
            fields.iter_mut().for_each(|field| field.direction = domain::sync::Direction::Both);
        }
        plan(&fields, &self.policy, &pair)
    }

    /// Does what is planned for a side: is it done, and was it heard of?
    fn write(
        &mut self,
        world: &mut World,
        witness: &mut Witness,
        plan: &Plan,
        (side, person, by_word): (usize, usize, bool),
        (dice, trouble): (&mut Dice, u64),
    ) -> Result<(bool, bool), String> {
        let fields: Vec<usize> = match &plan.step {
            Step::Write { left, right } => [left, right][side].clone(),
            Step::Create { side: on, fields } if on.index() == side => fields.clone(),
            Step::Delete(on) if on.index() == side => Vec::new(),
            _ => return Ok((true, true)),
        };
        if fields.is_empty() && !matches!(plan.step, Step::Delete(_)) {
            return Ok((true, true));
        }
        let before = world.records[side][person].clone();
        let seen = self.pairs[person].seen[side].as_ref().map(|seen| seen.version);
        let is_refused = seen != Some(before.version) && self.bug != Bug::WritesBlindly;
        // Refused, or cut off on the way there.
        if is_refused || dice.is(trouble) {
            return Ok((false, true));
        }
        let Some(after) = self.after(world, plan, &before, &fields) else {
            return Ok((false, true));
        };
        if self.bug != Bug::ForgetsWhoLost {
            for conflict in &plan.conflicts {
                for (on, lost) in conflict.lost.iter().filter(|(on, _)| on.index() == side) {
                    witness.kept(person, conflict.field, on.index(), &words(lost.as_ref()))?;
                }
            }
        }
        world.change(side, person, after);
        witness.written(world, (side, person), &before, by_word)?;
        // Done, and perhaps the answer is cut off on the way back.
        Ok((true, !dice.is(trouble)))
    }

    fn after(
        &self,
        world: &World,
        plan: &Plan,
        before: &Record,
        fields: &[usize],
    ) -> Option<State> {
        let mut cells = match (&plan.step, &before.state) {
            (Step::Delete(_), State::Present(cells)) => return Some(State::Gone(cells.clone())),
            (Step::Write { .. }, State::Present(cells)) => cells.clone(),
            (Step::Create { .. }, State::Never | State::Gone(_)) => {
                vec![BTreeSet::new(); world.cells.len()]
            }
            _ => return None,
        };
        let skipped = usize::from(self.bug == Bug::DropsAnEdit);
        for &field in fields.iter().skip(skipped) {
            cells[field] = words(plan.value(field));
        }
        Some(State::Present(cells))
    }

    fn keep(&mut self, person: usize, plan: Plan, done: [bool; 2], is_heard: bool) {
        let is_echo = self.bug == Bug::LetsAnEchoThrough;
        let pair = &mut self.pairs[person];
        let seen = std::mem::take(&mut pair.seen);
        if !is_heard {
            let seen = seen.map(|seen| seen.map_or(0, |seen| seen.version));
            pair.doubtful = Some(Doubt { plan, seen });
            return;
        }
        if !(is_echo && matches!(plan.step, Step::Write { .. })) {
            pair.base = plan.settled(&pair.base, done);
        }
        if done == [true; 2] {
            pair.buried = plan.buried;
            pair.decided.retain(|(_, choice)| !matches!(choice, Choice::Value(_)));
            pair.stands = None;
        }
    }

    /// A write was begun, and nothing was heard of it.
    pub fn is_in_doubt(&self, person: usize) -> bool {
        self.pairs[person].doubtful.is_some()
    }

    /// A person decides what is open, if anything is.
    pub fn decide(&mut self, world: &World, person: usize, dice: &mut Dice) {
        if self.pairs[person].doubtful.is_some() {
            return;
        }
        for side in [0, 1] {
            self.fetch(world, side, person);
        }
        let plan = self.planned(world, person);
        let pair = &mut self.pairs[person];
        if matches!(plan.step, Step::Hold(_)) {
            pair.stands = Some(dice.pick(&[Stands::Left, Stands::Right, Stands::Both]));
        }
        for conflict in plan.conflicts.iter().filter(|one| one.won == Won::Open) {
            let typed = format!("typed{}", dice.roll());
            let choice = match (dice.below(3), world.cells[conflict.field]) {
                (0, _) => Choice::Left,
                (1, _) => Choice::Right,
                (_, Cell::Word) => Choice::Value(Some(Value::Text(typed))),
                (_, Cell::Tags) => Choice::Value(Some(Value::List(vec![Value::Text(typed)]))),
            };
            pair.decided.push((conflict.field, choice));
        }
    }
}

fn word(step: &Step) -> &'static str {
    match step {
        Step::Rest => "rest",
        Step::Write { .. } => "write",
        Step::Create { side: Side::Left, .. } => "create left",
        Step::Create { side: Side::Right, .. } => "create right",
        Step::Delete(_) => "delete",
        Step::Mark(_) => "mark",
        Step::Bury => "bury",
        Step::Hold(_) => "hold",
    }
}

fn values(world: &World, cells: &Cells) -> Values {
    let value = |(cell, words): (&Cell, &BTreeSet<String>)| match cell {
        Cell::Word => words.first().cloned().map(Value::Text),
        Cell::Tags => {
            let words: Vec<Value> = words.iter().cloned().map(Value::Text).collect();
            (!words.is_empty()).then_some(Value::List(words))
        }
    };
    world.cells.iter().zip(cells).map(value).collect()
}

fn words(value: Option<&Value>) -> BTreeSet<String> {
    match value {
        Some(Value::Text(text)) => BTreeSet::from([text.clone()]),
        Some(Value::List(items)) => items.iter().flat_map(|item| words(Some(item))).collect(),
        _ => BTreeSet::new(),
    }
}
