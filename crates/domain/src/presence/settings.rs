//! What an administrator says of a group of agents.

use super::{Side, StatusId, words};
use std::time::Duration;

/// How the two systems share an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scenario {
    /// Work comes from one product at a time.
    One,
    /// Work comes from both, but not while an item of the other is handled.
    Both,
}

words!(Scenario: One = "one_at_a_time", Both = "both_at_once");

/// Whose acts are followed on the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Master {
    #[default]
    Both,
    /// The contact center's. In the CRM the agent may only step out of work; work that the
    /// map does not allow there is set back.
    Center,
    /// The CRM's, and the other way round.
    Crm,
}

words!(Master: Both = "both", Center = "contact_center", Crm = "crm");

impl Master {
    /// Are acts on this side followed?
    #[must_use]
    pub fn leads(self, side: Side) -> bool {
        match self {
            Self::Both => true,
            Self::Center => side == Side::Center,
            Self::Crm => side == Side::Crm,
        }
    }
}

/// From which half of a pair the other follows. Where several statuses are mapped to one,
/// the pair that leads from that one is the way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Way {
    #[default]
    Both,
    ToCrm,
    ToCenter,
}

words!(Way: Both = "both", ToCrm = "to_crm", ToCenter = "to_contact_center");

impl Way {
    #[must_use]
    pub fn leads_from(self, side: Side) -> bool {
        match self {
            Self::Both => true,
            Self::ToCrm => side == Side::Center,
            Self::ToCenter => side == Side::Crm,
        }
    }
}

/// Two statuses that belong together. In the first scenario a pair with a work status leads
/// only from it: nobody is put to work because of a break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    pub center: StatusId,
    pub crm: StatusId,
    pub way: Way,
}

impl Pair {
    #[must_use]
    pub fn half(&self, side: Side) -> &StatusId {
        match side {
            Side::Center => &self.center,
            Side::Crm => &self.crm,
        }
    }
}

/// What a side shows while it must hand out nothing, and when the agent has left work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    pub center: StatusId,
    pub crm: StatusId,
    /// How long it stands after work was left before the map is followed again.
    pub dwell: Duration,
}

impl Transition {
    #[must_use]
    pub fn half(&self, side: Side) -> &StatusId {
        match side {
            Side::Center => &self.center,
            Side::Crm => &self.crm,
        }
    }
}

/// What becomes of an agent who missed or declined what was offered. Until they are back the
/// other side counts them as handling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnMissed {
    /// Nothing: they come back by an act of their own.
    #[default]
    Wait,
    /// They are brought back after so long.
    BringBack(Duration),
    /// Both sides go to their transition statuses, as if they had left.
    StepOut,
}

/// What is done when a status in the CRM cannot be set because the agent's console there has
/// been gone for the grace, and the CRM still hands out work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum OnConsoleGone {
    /// It is said, and made good when the console is back.
    #[default]
    Wait,
    /// The contact center goes to its transition status; the agent goes back by themselves.
    StepOut,
}

words!(OnConsoleGone: Wait = "wait", StepOut = "step_out");

/// All of it; [`Map::open`](super::Map::open) checks it. A status that is in no pair is left
/// alone, and moves nothing on the other side except where work is left for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub scenario: Scenario,
    pub pairs: Vec<Pair>,
    pub transition: Transition,
    pub master: Master,
    /// Does after-call work count as handling?
    pub after_call_counts: bool,
    pub on_missed: OnMissed,
    pub on_console_gone: OnConsoleGone,
    /// How long a console may be away, as while its page is loaded anew.
    pub console_grace: Duration,
}

/// What a status means for who shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The system hands out work: on queue; online for at least one channel.
    Work,
    /// There, but given nothing: available, busy, away, a meal, a meeting.
    NoWork,
    /// The system sets it itself, such as idle: never written, and nobody's act.
    System,
    /// Not logged in.
    Offline,
}

words!(Kind: Work = "work", NoWork = "no_work", System = "system", Offline = "offline");

/// A status that a system has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    pub id: StatusId,
    pub name: String,
    pub kind: Kind,
}

/// The statuses that a system has now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// What people call the system.
    pub system: String,
    pub statuses: Vec<Status>,
}

impl Known {
    pub(super) fn find(&self, id: &StatusId) -> Option<&Status> {
        self.statuses.iter().find(|one| one.id == *id)
    }
}
