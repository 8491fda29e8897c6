//! One agent in two systems that hand out work, and one truth about whether they are free.
//!
//! [`decide`] takes what is known of an agent ([`State`]), what happened ([`Event`]) and the
//! time, and gives the state after it and what is to be done ([`Action`]). [`Map::open`]
//! checks what an administrator wants. The agent's newest act, by arrival, sets a *goal* for
//! both sides. A side is to show its goal ([`State::target`]), or its transition status for as
//! long as it must not hand out work. What shows otherwise is commanded, one command a side
//! at a time, fenced by the version it was decided on. A newer status that nobody aimed at
//! is an act; all else is an echo. Where they can come to rest:
//!
//! | | center | CRM |
//! | --- | --- | --- |
//! | **one at a time**: works in the center | work | mapped, no work |
//! | works in the CRM | mapped, no work | work |
//! | left work: for the dwell; then | chosen | transition; mapped, if without work |
//! | **both at once**: free | work | mapped work |
//! | handles an item of the center | work | transition |
//! | handles an item of the CRM | transition | work |
//! | handles both: they were offered at once | transition | transition |
//!
//! One at a time, only the agent enters work. Both at once, no command puts a side to work
//! while an item of the other is known, or the other is not heard. Nobody is logged in or
//! out, and what nobody mapped is left alone.

mod act;
mod check;
mod decide;
mod map;
mod settings;
mod settle;
mod state;

pub use check::Fault;
pub use decide::decide;
pub use map::Map;
pub use settings::{
    Kind, Known, Master, OnConsoleGone, OnMissed, Pair, Scenario, Settings, Status, Transition, Way,
};
pub use state::{By, Decided, Failed, Flight, Half, Kept, Shown, State};

use crate::Timestamp;
use crate::words::words;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How long a command may take. Whoever performs it drops it after that, so that a reading
/// begun later tells for certain whether it came through.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
/// Commands that may get lost on the way to one target; then the side is left as it is, and
/// an alert says so, until the next comparison.
pub const TRIES_MAX: u8 = 3;

/// One of the two systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The contact center. Its status can be written at any time, on no condition.
    Center,
    /// The CRM with work of its own. Only the agent's console there can write the status.
    Crm,
}

words!(Side: Center = "contact_center", Crm = "crm");

impl Side {
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Center => Self::Crm,
            Self::Crm => Self::Center,
        }
    }

    /// Its place in a `[center, crm]`.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self == Self::Crm)
    }
}

/// A status by the id that its own system gave it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusId(Arc<str>);

impl StatusId {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for StatusId {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

impl fmt::Display for StatusId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StatusId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// What an agent has at hand on a side, all items together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Work {
    #[default]
    Free,
    /// At least one item is offered or open.
    Handling,
    /// Nothing but after-call work.
    AfterCall,
    /// What was offered last was missed or declined.
    Missed,
}

words!(Work: Free = "free", Handling = "handling", AfterCall = "after_call", Missed = "missed");

/// What a side says of an agent when it is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reading {
    /// When we began to ask, by our own clock.
    pub began: Timestamp,
    pub status: StatusId,
    /// Grows with every change of the status, by the side's own count or clock.
    pub version: u64,
    pub work: Work,
    /// Grows with every change of the work.
    pub work_version: u64,
}

/// Something that happened. May come late, twice, in any order, or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Event {
    /// A side shows this status since this version; whose doing it was is found out here.
    Status { side: Side, status: StatusId, version: u64 },
    /// What the agent has at hand on a side.
    Work { side: Side, work: Work, version: u64 },
    /// The agent's console in the CRM has come, or is not there any more.
    Console { is_there: bool },
    /// A side does not tell what happens any more, until a gap is told.
    Lost(Side),
    /// Events of a side may have been lost; it tells from now on.
    Gap(Side),
    /// An answer to [`Action::Read`].
    Read { side: Side, reading: Reading },
    /// `[center, crm]`, each read anew: the first thing told of an agent, then at intervals.
    Compared([Reading; 2]),
    /// What came of a command.
    Answer { side: Side, number: u64, answer: Answer },
    /// The time of [`Action::Wake`] has come.
    Tick,
    /// An administrator wants this agent left alone, or no longer so.
    Pause(bool),
}

/// What came of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// Done; the version that it made, where the side tells.
    Done(Option<u64>),
    /// The side does not want it, and would not if asked again.
    Refused,
    /// Dropped: the side has moved on from its fence.
    Late,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Set(Command),
    /// Tell the contact center to offer work again to who missed some.
    BringBack,
    /// Read this side: [`Event::Read`].
    Read(Side),
    Raise(Alert),
    Clear(Alert),
    /// Send [`Event::Tick`] then; takes the place of the one asked for before.
    Wake(Timestamp),
}

/// A status to be set. Drop it when the side shows a newer version than `fence`, if that can
/// be known, and when `until` has come.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Command {
    pub side: Side,
    /// Counts an agent's commands; never used twice.
    pub number: u64,
    pub status: StatusId,
    /// The version that it was decided on.
    pub fence: u64,
    pub until: Timestamp,
}

/// Something a person should look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Alert {
    /// A side does not show what it should, and does not take it.
    Drift(Side),
    /// The agent works, and there is no console that could set the CRM's status.
    ConsoleGone,
    /// Both sides hand out work where only one may, and nothing is under way against it.
    BothWork,
}

#[cfg(test)]
mod tests;
