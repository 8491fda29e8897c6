//! A pair of records as it stands: what each side holds, and what people said of it.

use super::{Agreed, Side, Values, words};
use crate::{Hidden, Timestamp, Value};
use std::fmt;

/// A record as it is now.
#[derive(Clone, Copy)]
pub struct Now<'a> {
    pub values: &'a Values,
    /// When it was last changed, by its own system's clock less what that clock is ahead.
    pub modified: Option<Timestamp>,
}

/// One side of a pair.
#[derive(Debug, Clone, Copy)]
pub enum Half<'a> {
    /// There was never a record.
    Never,
    Present(Now<'a>),
    /// It was deleted.
    Gone,
}

/// What a person decided about a field.
#[derive(Clone, PartialEq)]
pub enum Choice {
    /// The left wins this conflict, and later ones of the field.
    Left,
    Right,
    /// Both sides get this; to be given once. `None`: both are emptied.
    Value(Option<Value>),
}

/// A pair: a record of the left and the one of the right that are the same person.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    pub left: Half<'a>,
    pub right: Half<'a>,
    /// What was agreed on, one per field; what is missing at the end was never agreed on.
    pub base: &'a [Agreed],
    /// What [`Plan::buried`](super::Plan::buried) said before.
    pub buried: Option<Buried>,
    /// A person's decisions, by field.
    pub decided: &'a [(usize, Choice)],
    /// A person's decision about a pair that was held.
    pub stands: Option<Stands>,
}

/// How a pair has ended that is now a tombstone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Buried {
    /// One record is gone and the other lives on by itself: it is not made anew. If the one
    /// that is gone comes back, the two meet again.
    Alone,
    /// Both are gone. One that comes back begins anew.
    Both,
}

words!(Buried: Alone = "alone", Both = "both");

/// What a person says of a pair of which one record was deleted and the other edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stands {
    /// What has become of the left one: if it is gone, the right one is deleted, else the
    /// right one is made anew, or the left lives on by itself where none may be made.
    Left,
    Right,
    /// One is gone, and the other lives on by itself.
    Both,
}

words!(Stands: Left = "left", Right = "right", Both = "both");

impl Stands {
    pub(super) fn is(self, side: Side) -> bool {
        matches!((self, side), (Self::Left, Side::Left) | (Self::Right, Side::Right))
    }
}

impl fmt::Debug for Now<'_> {
    /// Which fields are filled, never with what (invariant 9).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values: Vec<_> = self.values.iter().map(|value| Hidden::of(value.as_ref())).collect();
        f.debug_struct("Now").field("values", &values).field("modified", &self.modified).finish()
    }
}

impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left => f.write_str("Left"),
            Self::Right => f.write_str("Right"),
            Self::Value(value) => {
                f.debug_tuple("Value").field(&Hidden::of(value.as_ref())).finish()
            }
        }
    }
}
