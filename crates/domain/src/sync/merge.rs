//! One field of a pair: what becomes of two values and the one that both last agreed on.
//!
//! Who alone changed a field wins it. What both changed is a conflict, unless they changed
//! it to the same or it is a set, whose additions and removals go together. A field that
//! goes one way has no conflicts: there is a master, and drift.

use super::pair::Choice;
use super::plan::{By, Won};
use super::value::EXTENSION;
use super::{Agreed, Direction, Field, Kind, Policy, Side, Strategy, Winner};
use crate::{Timestamp, Value};

/// One field, as it stands. All in pairs are `[left, right]`.
pub(super) struct Ask<'a> {
    pub(super) field: Field,
    pub(super) policy: &'a Policy,
    pub(super) base: &'a Agreed,
    pub(super) values: [Option<&'a Value>; 2],
    pub(super) modified: [Option<Timestamp>; 2],
    /// What a person decided.
    pub(super) choice: Option<&'a Choice>,
}

/// What becomes of it.
pub(super) struct Merged {
    pub(super) agreed: Agreed,
    /// On which side it is to be written.
    pub(super) writes: [bool; 2],
    /// The mirror's value was changed by somebody.
    pub(super) has_drifted: bool,
    pub(super) conflict: Option<(Won, By)>,
}

impl Ask<'_> {
    pub(super) fn merged(&self) -> Merged {
        if let Some(value) = self.alike() {
            return Merged { writes: [false; 2], ..self.agree(value.cloned()) };
        }
        match self.field.direction {
            Direction::ToRight => self.mirrored(Side::Left),
            Direction::ToLeft => self.mirrored(Side::Right),
            Direction::Both => self.both_ways(),
        }
    }

    fn mirrored(&self, master: Side) -> Merged {
        let (told, found) = (self.of(master), self.of(master.other()));
        let write = || self.agree(told.cloned());
        let is_untouched = self.is_still(found);
        match self.base {
            // A master that has never said anything has nothing to say: what the mirror
            // holds was there before.
            Agreed::Never if told.is_none() => self.rest(),
            Agreed::Never if found.is_none() => write(),
            Agreed::Never => Merged { conflict: Some((Won::of(master), By::Direction)), ..write() },
            Agreed::On(_) if is_untouched => write(),
            Agreed::On(_) if self.is_still(told) && self.policy.drift == super::Drift::Leave => {
                Merged { has_drifted: true, ..self.rest() }
            }
            Agreed::On(_) => Merged {
                has_drifted: true,
                conflict: Some((Won::of(master), By::Direction)),
                ..write()
            },
        }
    }

    fn both_ways(&self) -> Merged {
        let [left, right] = self.values;
        if let Some(Choice::Value(value)) = self.choice {
            return Merged {
                conflict: Some((Won::Typed, By::Decision)),
                ..self.agree(value.clone())
            };
        }
        let alone = match self.base {
            Agreed::Never if left.is_none() => Some(Side::Right),
            Agreed::Never if right.is_none() => Some(Side::Left),
            Agreed::Never => None,
            Agreed::On(_) if self.is_still(left) => Some(Side::Right),
            Agreed::On(_) if self.is_still(right) => Some(Side::Left),
            Agreed::On(_) => None,
        };
        if let Some(side) = alone {
            return self.agree(self.of(side).cloned());
        }
        if self.field.kind == Kind::Tags && self.field.winner.side().is_none() {
            return self.agree(united(self.base, left, right));
        }
        match self.decided() {
            (Some(side), by) => {
                Merged { conflict: Some((Won::of(side), by)), ..self.agree(self.of(side).cloned()) }
            }
            (None, by) => Merged { conflict: Some((Won::Open, by)), ..self.rest() },
        }
    }

    /// Who wins what both changed, and by which rule; nobody when a person is to decide.
    fn decided(&self) -> (Option<Side>, By) {
        match self.choice {
            Some(Choice::Left) => return (Some(Side::Left), By::Decision),
            Some(Choice::Right) => return (Some(Side::Right), By::Decision),
            Some(Choice::Value(_)) | None => {}
        }
        let (strategy, winner) = (self.policy.strategy, self.field.winner);
        if strategy == Strategy::Manual || winner == Winner::Manual {
            return (None, By::Manual);
        }
        if matches!(strategy, Strategy::LastWriteWins | Strategy::TimestampWithLock) {
            return self.last_write();
        }
        let [left, right] = self.values.map(length);
        match winner {
            Winner::Left => (Some(Side::Left), By::Owner),
            Winner::Right => (Some(Side::Right), By::Owner),
            Winner::NonEmpty if self.values[0].is_none() => (Some(Side::Right), By::NonEmpty),
            Winner::NonEmpty if self.values[1].is_none() => (Some(Side::Left), By::NonEmpty),
            Winner::Longest if left > right => (Some(Side::Left), By::Longest),
            Winner::Longest if left < right => (Some(Side::Right), By::Longest),
            Winner::LastWrite | Winner::NonEmpty | Winner::Longest | Winner::Manual => {
                self.last_write()
            }
        }
    }

    fn last_write(&self) -> (Option<Side>, By) {
        let owner = self.field.winner.side().unwrap_or(Side::Left);
        let [Some(left), Some(right)] = self.modified else { return (Some(owner), By::Tie) };
        if left.since(right).max(right.since(left)) <= self.policy.skew {
            return (Some(owner), By::Tie);
        }
        (Some(if left > right { Side::Left } else { Side::Right }), By::LastWrite)
    }

    fn is_still(&self, value: Option<&Value>) -> bool {
        is_still(self.field.kind, self.base, value)
    }

    /// What both sides say, where they say the same. A number with an extension and the same
    /// without are: not every system keeps extensions, and the one that does keeps its own.
    /// (So an extension that is taken off alone does not travel.)
    fn alike(&self) -> Option<Option<&Value>> {
        let [left, right] = self.values;
        if left == right || is_shortened(self.field.kind, left, right) {
            return Some(left);
        }
        is_shortened(self.field.kind, right, left).then_some(right)
    }

    fn of(&self, side: Side) -> Option<&Value> {
        self.values[side.index()]
    }

    /// Both sides are to hold `value`.
    fn agree(&self, value: Option<Value>) -> Merged {
        let writes = self.values.map(|own| own != value.as_ref());
        Merged { agreed: Agreed::On(value), writes, has_drifted: false, conflict: None }
    }

    /// Nothing is written, and nothing is agreed on that was not before.
    fn rest(&self) -> Merged {
        Merged { agreed: self.base.clone(), writes: [false; 2], has_drifted: false, conflict: None }
    }
}

/// Is this what was agreed on, as far as its system can keep it?
pub(super) fn is_still(kind: Kind, base: &Agreed, value: Option<&Value>) -> bool {
    base.is_on(value)
        || matches!(base, Agreed::On(agreed) if is_shortened(kind, agreed.as_ref(), value))
}

/// Is `short` the number of `whole` without its extension?
fn is_shortened(kind: Kind, whole: Option<&Value>, short: Option<&Value>) -> bool {
    match (kind, whole, short) {
        (Kind::Phone, Some(Value::Text(whole)), Some(Value::Text(short))) => {
            whole.strip_prefix(short.as_str()).is_some_and(|rest| rest.starts_with(EXTENSION))
        }
        _ => false,
    }
}

/// How much there is: characters of a text, items of a list; of anything else nothing.
fn length(value: Option<&Value>) -> usize {
    match value {
        Some(Value::Text(text)) => text.chars().count(),
        Some(Value::List(items)) => items.len(),
        _ => 0,
    }
}

/// What is agreed on of a list that was to be written to both sides and came through on one: of
/// what the `other` side holds, what both sides hold now or both had. What either side added or
/// took away and the other has not got yet is still to be brought over.
#[must_use]
pub fn half_way(base: &Agreed, written: Option<&Value>, other: Option<&Value>) -> Agreed {
    let before = match base {
        Agreed::On(Some(value)) => items(Some(value)),
        Agreed::On(None) | Agreed::Never => &[],
    };
    let is_known = |tag: &&Value| items(written).contains(tag) || before.contains(tag);
    let tags: Vec<Value> = items(other).iter().filter(is_known).cloned().collect();
    Agreed::On((!tags.is_empty()).then_some(Value::List(tags)))
}

/// What was there and nobody took away, and what either added.
fn united(base: &Agreed, left: Option<&Value>, right: Option<&Value>) -> Option<Value> {
    let before = match base {
        Agreed::On(Some(value)) => items(Some(value)),
        Agreed::On(None) | Agreed::Never => &[],
    };
    let (left, right) = (items(left), items(right));
    let stays = |tag: &Value| {
        let was_there = before.contains(tag);
        if was_there { left.contains(tag) && right.contains(tag) } else { true }
    };
    let mut tags: Vec<Value> = left.iter().chain(right).filter(|tag| stays(tag)).cloned().collect();
    tags.sort_by(|a, b| text(a).cmp(text(b)));
    tags.dedup();
    (!tags.is_empty()).then_some(Value::List(tags))
}

fn items(value: Option<&Value>) -> &[Value] {
    match value {
        Some(Value::List(items)) => items,
        Some(single) => std::slice::from_ref(single),
        None => &[],
    }
}

/// Canonical tags are texts.
fn text(tag: &Value) -> &str {
    match tag {
        Value::Text(text) => text,
        _ => "",
    }
}
