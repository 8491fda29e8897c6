//! What to do with a pair of records: written, made, deleted, left alone or held.
//!
//! Two that are there are merged field by field. One that is missing yet is made; one that
//! is gone takes the other with it, or not, as the policy says, and never an edit. The end
//! of a pair is a tombstone: see [`Plan::buried`].

use super::merge::{Ask, Merged, is_still};
use super::pair::{Buried, Half, Now, Pair};
use super::{Agreed, Drift, Field, OnDelete, Policy, Side, Strategy, Values, words};
use crate::{Hidden, Value};
use std::fmt;

/// What is to be done. Fields are places in the map; what is written in a field is
/// [`Plan::value`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Rest,
    /// These fields on these sides, at least one.
    Write { left: Vec<usize>, right: Vec<usize> },
    /// A record with these fields, none of them empty.
    Create { side: Side, fields: Vec<usize> },
    /// Delete the record of this side, then the pair is a tombstone.
    Delete(Side),
    /// Mark the record of this side as one whose other is gone, then the pair is a tombstone.
    Mark(Side),
    /// Keep the pair as a tombstone.
    Bury,
    /// A person decides.
    Hold(Why),
}

/// Why a person must decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// The left was deleted, and the right was edited since both last agreed.
    LeftDeletedRightEdited,
    RightDeletedLeftEdited,
}

words!(
    Why: LeftDeletedRightEdited = "left_deleted_right_edited",
    RightDeletedLeftEdited = "right_deleted_left_edited",
);

/// What is to be done with a pair, and what it costs whom.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub step: Step,
    /// What both sides agree on once the step is done, one per field; a field left open
    /// keeps what it had. For steps done in part see [`Plan::settled`].
    pub agreed: Vec<Agreed>,
    /// The pair is a tombstone once the step is done; if not, it is none, or no more.
    pub buried: Option<Buried>,
    pub conflicts: Vec<Conflict>,
    /// Fields whose mirror was edited by somebody.
    pub drift: Vec<usize>,
}

/// A field in which the two sides could not both be right.
#[derive(Clone, PartialEq)]
pub struct Conflict {
    pub field: usize,
    pub won: Won,
    pub by: By,
    /// Each value that this overwrites and nobody had agreed to lose; `None`: somebody had
    /// emptied the field there. Nothing while the conflict is open.
    pub lost: Vec<(Side, Option<Value>)>,
    /// A person is to see it: it is open, or it was decided by clocks alone under
    /// [`Strategy::TimestampWithLock`].
    pub for_review: bool,
}

/// What came of a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Won {
    /// Nothing yet: nothing is written.
    Open,
    Left,
    Right,
    /// A value that a person typed.
    Typed,
}

words!(Won: Open = "open", Left = "left", Right = "right", Typed = "typed");

impl Won {
    pub(super) fn of(side: Side) -> Self {
        match side {
            Side::Left => Self::Left,
            Side::Right => Self::Right,
        }
    }

    #[must_use]
    pub fn side(self) -> Option<Side> {
        match self {
            Self::Left => Some(Side::Left),
            Self::Right => Some(Side::Right),
            Self::Open | Self::Typed => None,
        }
    }
}

/// The rule that decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum By {
    /// The field goes one way; no conflict that anybody must look at.
    Direction,
    /// The field's winner is a side.
    Owner,
    LastWrite,
    /// The times were equal, or there were none: the field's owner, else the left.
    Tie,
    Longest,
    NonEmpty,
    /// None: it waits for a person.
    Manual,
    /// A person.
    Decision,
}

words!(
    By: Direction = "direction",
    Owner = "owner",
    LastWrite = "last_write",
    Tie = "tie",
    Longest = "longest",
    NonEmpty = "non_empty",
    Manual = "manual",
    Decision = "decision",
);

/// What to do with `pair`, whose values are canonical and as long as `fields`.
#[must_use]
pub fn plan(fields: &[Field], policy: &Policy, pair: &Pair<'_>) -> Plan {
    let (there, other, now) = match (pair.left, pair.right) {
        (Half::Present(left), Half::Present(right)) => {
            return merged(fields, policy, pair, [left, right]);
        }
        (Half::Present(now), other) => (Side::Left, other, now),
        (other, Half::Present(now)) => (Side::Right, other, now),
        (Half::Never, Half::Never) => return still(pair, fields.len()),
        (Half::Never | Half::Gone, Half::Never | Half::Gone) => {
            let is_done = pair.buried == Some(Buried::Both);
            return ended(if is_done { Step::Rest } else { Step::Bury }, pair, fields.len());
        }
    };
    let begins = matches!(other, Half::Never) || pair.buried == Some(Buried::Both);
    let is_to_be = begins || pair.stands.is_some_and(|stands| stands.is(there));
    let made = is_to_be.then(|| created(fields, policy, there, now)).flatten();
    match made {
        Some(plan) => plan,
        None if begins => still(pair, fields.len()),
        None => widowed(fields, policy, pair, there, now),
    }
}

impl Plan {
    /// What is to be written in a field.
    #[must_use]
    pub fn value(&self, field: usize) -> Option<&Value> {
        match self.agreed.get(field)? {
            Agreed::On(value) => value.as_ref(),
            Agreed::Never => None,
        }
    }

    /// Fields that are to be written on both sides: somebody has typed a value, or a list has
    /// changed on both.
    pub fn both(&self) -> impl Iterator<Item = usize> {
        let (left, right): (&[usize], &[usize]) = match &self.step {
            Step::Write { left, right } => (left, right),
            _ => (&[], &[]),
        };
        left.iter().copied().filter(|at| right.contains(at))
    }

    /// What both sides agree on when the writes of `done` (`[left, right]`) came through and
    /// the others did not. A field that is still to be written somewhere keeps what `base`
    /// says. Keep this even when the other side has changed meanwhile: else the value that
    /// we wrote ourselves would be taken for somebody's edit (invariant 5).
    #[must_use]
    pub fn settled(&self, base: &[Agreed], done: [bool; 2]) -> Vec<Agreed> {
        self.settled_where(base, |side, _| done[side.index()])
    }

    /// The same, where it is known only field by field whether a write came through: it did
    /// where the record now holds [`Plan::value`]. So a write of which nobody heard again is
    /// made good.
    #[must_use]
    pub fn settled_where(
        &self,
        base: &[Agreed],
        is_done: impl Fn(Side, usize) -> bool,
    ) -> Vec<Agreed> {
        let waits = |field: usize| match &self.step {
            Step::Write { left, right } => {
                (left.contains(&field) && !is_done(Side::Left, field))
                    || (right.contains(&field) && !is_done(Side::Right, field))
            }
            Step::Create { side, .. } | Step::Delete(side) | Step::Mark(side) => {
                !is_done(*side, field)
            }
            Step::Rest | Step::Bury | Step::Hold(_) => false,
        };
        let kept = |field: usize| base.get(field).cloned().unwrap_or_default();
        let agreed = self.agreed.iter().enumerate();
        agreed.map(|(at, new)| if waits(at) { kept(at) } else { new.clone() }).collect()
    }
}

fn only(step: Step, agreed: Vec<Agreed>) -> Plan {
    Plan { step, agreed, buried: None, conflicts: Vec::new(), drift: Vec::new() }
}

/// Nothing happens, and nothing changes.
fn still(pair: &Pair<'_>, fields: usize) -> Plan {
    Plan { buried: pair.buried, ..only(Step::Rest, kept(pair.base, fields)) }
}

/// Nobody is left. What was agreed on is kept for the case that both come back.
fn ended(step: Step, pair: &Pair<'_>, fields: usize) -> Plan {
    Plan { buried: Some(Buried::Both), ..only(step, kept(pair.base, fields)) }
}

fn kept(base: &[Agreed], fields: usize) -> Vec<Agreed> {
    (0..fields).map(|at| base.get(at).cloned().unwrap_or_default()).collect()
}

/// Both records are there.
fn merged(fields: &[Field], policy: &Policy, pair: &Pair<'_>, now: [Now<'_>; 2]) -> Plan {
    let mut plan = only(Step::Rest, Vec::with_capacity(fields.len()));
    let mut writes = [Vec::new(), Vec::new()];
    for (at, &field) in fields.iter().enumerate() {
        let base = pair.base.get(at).unwrap_or(&Agreed::Never);
        let values = now.map(|now| value(now.values, at));
        let choice = pair.decided.iter().rev().find(|(field, _)| *field == at);
        let ask = Ask {
            field,
            policy,
            base,
            values,
            modified: now.map(|now| now.modified),
            choice: choice.map(|(_, choice)| choice),
        };
        let merged = ask.merged();
        for side in [Side::Left, Side::Right] {
            if merged.writes[side.index()] {
                writes[side.index()].push(at);
            }
        }
        plan.conflicts.extend(conflict(at, policy, &ask, &merged));
        if merged.has_drifted {
            plan.drift.push(at);
        }
        plan.agreed.push(merged.agreed);
    }
    let [left, right] = writes;
    if !left.is_empty() || !right.is_empty() {
        plan.step = Step::Write { left, right };
    }
    plan
}

fn conflict(field: usize, policy: &Policy, ask: &Ask<'_>, merged: &Merged) -> Option<Conflict> {
    let (won, by) = merged.conflict?;
    // What was agreed on is known to both: only an edit can be lost.
    let is_lost =
        |side: &Side| merged.writes[side.index()] && !ask.base.is_on(ask.values[side.index()]);
    let lost = [Side::Left, Side::Right].into_iter().filter(is_lost);
    let lost = lost.map(|side| (side, ask.values[side.index()].cloned())).collect();
    let is_by_clock = matches!(by, By::LastWrite | By::Tie);
    let for_review =
        won == Won::Open || (policy.strategy == Strategy::TimestampWithLock && is_by_clock);
    Some(Conflict { field, won, by, lost, for_review })
}

fn value(values: &Values, at: usize) -> Option<&Value> {
    values.get(at).and_then(Option::as_ref)
}

/// Only `there` has a record, and the other side is to have one; `None` where that is not
/// allowed, or nothing would stand in it.
fn created(fields: &[Field], policy: &Policy, there: Side, now: Now<'_>) -> Option<Plan> {
    let side = there.other();
    let goes = |at: usize| fields[at].direction.goes_to(side);
    let told = |at: usize| value(now.values, at);
    let to_write: Vec<usize> =
        (0..fields.len()).filter(|&at| goes(at) && told(at).is_some()).collect();
    if !policy.may_create(side) || to_write.is_empty() {
        return None;
    }
    let agreed = (0..fields.len()).map(|at| match told(at) {
        // What the new record is master of, it has not said anything about yet.
        Some(_) if !goes(at) => Agreed::Never,
        told => Agreed::On(told.cloned()),
    });
    Some(only(Step::Create { side, fields: to_write }, agreed.collect()))
}

/// The record beside the one of `there` is gone, and it is not to be made anew.
fn widowed(fields: &[Field], policy: &Policy, pair: &Pair<'_>, there: Side, now: Now<'_>) -> Plan {
    // What was agreed on is kept for the case that the other comes back.
    let alone = |step: Step| {
        let plan = only(step, kept(pair.base, fields.len()));
        Plan { buried: Some(Buried::Alone), ..plan }
    };
    let gone = there.other();
    match pair.stands {
        Some(stands) if stands.is(gone) => return ended(Step::Delete(there), pair, fields.len()),
        // Both stand; or the other was to be made anew, and may not be.
        Some(_) if pair.buried.is_none() => return alone(Step::Bury),
        _ => {}
    }
    if pair.buried.is_some() {
        return still(pair, fields.len());
    }
    if is_edited(fields, policy, pair, there, now) {
        let why = match gone {
            Side::Left => Why::LeftDeletedRightEdited,
            Side::Right => Why::RightDeletedLeftEdited,
        };
        return only(Step::Hold(why), kept(pair.base, fields.len()));
    }
    match policy.on_deleted(gone) {
        OnDelete::Ignore => alone(Step::Bury),
        OnDelete::Mark => alone(Step::Mark(there)),
        OnDelete::Delete => ended(Step::Delete(there), pair, fields.len()),
    }
}

/// Does the record of `there` hold what was not agreed on? What would be set back anyway
/// does not count.
fn is_edited(
    fields: &[Field],
    policy: &Policy,
    pair: &Pair<'_>,
    there: Side,
    now: Now<'_>,
) -> bool {
    fields.iter().enumerate().any(|(at, field)| {
        let is_set_back = field.direction.mirror() == Some(there) && policy.drift == Drift::SetBack;
        !is_set_back
            && match pair.base.get(at).unwrap_or(&Agreed::Never) {
                Agreed::Never => value(now.values, at).is_some(),
                agreed @ Agreed::On(_) => !is_still(field.kind, agreed, value(now.values, at)),
            }
    })
}

impl fmt::Debug for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lost: Vec<_> =
            self.lost.iter().map(|(side, value)| (side, Hidden::of(value.as_ref()))).collect();
        f.debug_struct("Conflict")
            .field("field", &self.field)
            .field("won", &self.won)
            .field("by", &self.by)
            .field("lost", &lost)
            .field("for_review", &self.for_review)
            .finish()
    }
}
