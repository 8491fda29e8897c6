//! Keeps two records of one person the same, field by field, and loses nobody's edit.
//!
//! Values are made comparable by [`canonical`], who belongs to whom is found by
//! [`matching`], and [`plan`] says what to write: a three-way merge of each field between
//! the left, the right and what both last [agreed](Agreed) on. Nothing is done here: the
//! plan names fields by their place in the map, and [`Plan::settled`] says what both sides
//! agree on once its writes, or some of them, have come through.
//!
//! What it promises: a field directed one way is never written the other way; a value that
//! loses is in [`Plan::conflicts`] (invariant 6); planning again after the writes were done
//! says [`Step::Rest`] (invariant 5); an edited record is never deleted, and a deleted one
//! does not rise again, unless a person says so.

mod health;
pub mod matching;
mod merge;
mod pair;
mod plan;
mod value;

pub use health::{brake, score};
pub use merge::half_way;
pub use pair::{Buried, Choice, Half, Now, Pair, Stands};
pub use plan::{By, Conflict, Plan, Step, Why, Won, plan};
pub use value::canonical;

use crate::words::words;
use crate::{Hidden, Value};
use std::fmt;
use std::time::Duration;

/// One of the two records, and the system that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    Left,
    Right,
}

words!(Side: Left = "left", Right = "right");

impl Side {
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }

    /// Its place in a `[left, right]`.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self == Self::Right)
    }
}

/// Which way a field's values go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    Both,
    /// From the left, the master, to the right, its mirror.
    ToRight,
    /// From the right, the master, to the left, its mirror.
    ToLeft,
}

words!(Direction: Both = "both", ToRight = "right", ToLeft = "left");

impl Direction {
    /// May the field be written on this side?
    #[must_use]
    pub fn goes_to(self, side: Side) -> bool {
        self.mirror().is_none_or(|mirror| mirror == side)
    }

    /// The side that only ever receives; `None` where both may.
    #[must_use]
    pub fn mirror(self) -> Option<Side> {
        match self {
            Self::Both => None,
            Self::ToRight => Some(Side::Right),
            Self::ToLeft => Some(Side::Left),
        }
    }

    /// Could both hold at once for one field, as when a sync's way and a field's are joined?
    /// The narrower of the two; `None` when they exclude each other.
    #[must_use]
    pub fn within(self, outer: Self) -> Option<Self> {
        match (self, outer) {
            (own, Self::Both) => Some(own),
            (Self::Both, outer) => Some(outer),
            (own, outer) => (own == outer).then_some(own),
        }
    }
}

/// Who wins a field that was changed on both sides, under [`Strategy::FieldPriority`].
/// `Left` and `Right` also name the field's owner, who wins when times are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Winner {
    Left,
    Right,
    /// Whose record was changed later.
    LastWrite,
    /// The longer text; of equal ones the last write.
    Longest,
    /// The one that is not empty; of two the last write.
    NonEmpty,
    /// A person decides, under every strategy.
    Manual,
}

words!(
    Winner: Left = "left",
    Right = "right",
    LastWrite = "last_write",
    Longest = "longest",
    NonEmpty = "non_empty",
    Manual = "manual",
);

impl Winner {
    /// The side that owns the field.
    #[must_use]
    pub fn side(self) -> Option<Side> {
        match self {
            Self::Left => Some(Side::Left),
            Self::Right => Some(Side::Right),
            Self::LastWrite | Self::Longest | Self::NonEmpty | Self::Manual => None,
        }
    }
}

/// How conflicts of a whole sync are decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Strategy {
    /// By the time of the records' last changes, whatever the fields say.
    LastWriteWins,
    /// Each field by its own [`Winner`].
    #[default]
    FieldPriority,
    /// As `LastWriteWins`; whoever writes reads again first, alone, and a person is told.
    TimestampWithLock,
    /// Every conflict waits for a person.
    Manual,
}

words!(
    Strategy: LastWriteWins = "last_write_wins",
    FieldPriority = "field_priority",
    TimestampWithLock = "timestamp_with_lock",
    Manual = "manual",
);

/// What becomes of an edit on the mirror's side of a field that goes one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Drift {
    /// It stays until the master's value changes.
    #[default]
    Leave,
    /// The master's value is written over it.
    SetBack,
}

words!(Drift: Leave = "leave", SetBack = "set_back");

/// What happens on the other side when a record is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum OnDelete {
    /// Nothing: the other record lives on by itself.
    #[default]
    Ignore,
    /// The other record is marked and lives on by itself.
    Mark,
    /// The other record is deleted too.
    Delete,
}

words!(OnDelete: Ignore = "ignore", Mark = "mark", Delete = "delete");

/// How the values of a field compare; see [`canonical`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Kind {
    #[default]
    Text,
    Email,
    Phone,
    Number,
    Bool,
    /// A day, without a time.
    Date,
    /// A point in time.
    Moment,
    /// A list as a set.
    Tags,
}

words!(
    Kind: Text = "text",
    Email = "email",
    Phone = "phone",
    Number = "number",
    Bool = "bool",
    Date = "date",
    Moment = "moment",
    Tags = "tags",
);

/// What a merge has to know of a field. Its names are the map's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    pub direction: Direction,
    pub winner: Winner,
    pub kind: Kind,
}

/// One canonical value per field of the map, in its order; `None`: empty.
pub type Values = Vec<Option<Value>>;

/// What both sides last agreed on for a field.
#[derive(Clone, PartialEq, Default)]
pub enum Agreed {
    /// They never met, or never came to agree: what either says is news.
    #[default]
    Never,
    /// On this value; `None`: that it is empty.
    On(Option<Value>),
}

impl Agreed {
    /// Is this what both agreed on?
    #[must_use]
    pub fn is_on(&self, value: Option<&Value>) -> bool {
        matches!(self, Self::On(agreed) if agreed.as_ref() == value)
    }
}

impl fmt::Debug for Agreed {
    /// Never the value (invariant 9).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("Never"),
            Self::On(value) => f.debug_tuple("On").field(&Hidden::of(value.as_ref())).finish(),
        }
    }
}

/// What holds for a whole sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    pub strategy: Strategy,
    pub drift: Drift,
    /// Times closer than this are equal: the two systems' clocks differ by as much.
    pub skew: Duration,
    /// What becomes of the right record when the left one was deleted.
    pub on_left_deleted: OnDelete,
    pub on_right_deleted: OnDelete,
    /// May records be made on the `[left, right]`?
    pub creates: [bool; 2],
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            strategy: Strategy::default(),
            drift: Drift::default(),
            skew: Duration::from_secs(2),
            on_left_deleted: OnDelete::default(),
            on_right_deleted: OnDelete::default(),
            creates: [true; 2],
        }
    }
}

impl Policy {
    /// What becomes of the other record when the one of `side` was deleted.
    #[must_use]
    pub fn on_deleted(&self, side: Side) -> OnDelete {
        match side {
            Side::Left => self.on_left_deleted,
            Side::Right => self.on_right_deleted,
        }
    }

    #[must_use]
    pub fn may_create(&self, side: Side) -> bool {
        self.creates[side.index()]
    }
}

#[cfg(test)]
mod tests;
