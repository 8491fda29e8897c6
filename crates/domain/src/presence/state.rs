//! What is known of one agent, what both sides are to show, and why.

use super::{Alert, Kind, Map, Scenario, Side, StatusId, TRIES_MAX, Work, words};
use crate::Timestamp;
use std::collections::BTreeSet;

/// One agent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct State {
    /// What must outlive a restart.
    pub kept: Kept,
    /// `[center, crm]`.
    pub halves: [Half; 2],
    /// Both sides have been read since the agent was resumed.
    pub is_met: bool,
    /// Since when the agent's console in the CRM is not there.
    pub console_gone: Option<Timestamp>,
    /// When the agent was resumed: consoles take a while to find us again.
    pub resumed: Timestamp,
    pub alerts: BTreeSet<Alert>,
    /// The tick asked for last.
    pub wake: Option<Timestamp>,
}

/// The part of a [`State`] that is kept in the store. All else is read anew.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Kept {
    /// `[center, crm]`: what each showed last.
    pub shown: [Option<Shown>; 2],
    /// `[center, crm]`: what each is to show when nothing speaks against it. None before
    /// both were read for the first time.
    pub goals: [Option<StatusId>; 2],
    pub decided: Option<Decided>,
    /// `[center, crm]`: the command in the air. Kept before it goes out, or its echo would be
    /// taken for an act after a restart.
    pub flights: [Option<Flight>; 2],
    /// The side that shows its transition status since work was left, and until when.
    pub dwell: Option<(Side, Timestamp)>,
    /// The number of the last command.
    pub number: u64,
    /// The map by which the goals were found: [`Map::fingerprint`].
    pub map: Option<u64>,
    pub is_paused: bool,
}

/// A status that a side showed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Shown {
    pub status: StatusId,
    pub version: u64,
}

/// Who brought the goals about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decided {
    pub by: By,
    pub at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum By {
    /// The agent, by an act in the contact center.
    AgentInCenter,
    AgentInCrm,
    /// Work was missed, and the policy says to step out.
    Missed,
    /// The console is gone, and the policy says to step out.
    ConsoleGone,
}

words!(
    By: AgentInCenter = "agent_in_contact_center",
    AgentInCrm = "agent_in_crm",
    Missed = "missed",
    ConsoleGone = "console_gone",
);

impl By {
    pub(super) fn agent(side: Side) -> Self {
        match side {
            Side::Center => Self::AgentInCenter,
            Side::Crm => Self::AgentInCrm,
        }
    }

    /// The side on which the agent decided.
    #[must_use]
    pub fn side(self) -> Option<Side> {
        match self {
            Self::AgentInCenter => Some(Side::Center),
            Self::AgentInCrm => Some(Side::Crm),
            Self::Missed | Self::ConsoleGone => None,
        }
    }
}

/// One side of an agent, as far as it need not outlive a restart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Half {
    pub work: Work,
    pub work_version: u64,
    /// Since when the last offer counts as missed.
    pub missed: Option<Timestamp>,
    /// The agent was brought back, and nothing was heard of it yet.
    pub is_recalled: bool,
    /// What did not come through, until a comparison, an act, or the console's return.
    pub failed: Option<Failed>,
    /// Nothing is certain since then, until a reading begun later.
    pub blind: Option<Timestamp>,
    /// The side does not tell what happens: what was read may be over by now.
    pub is_unheard: bool,
    /// Versions between two that were never seen lie under our own writes. Since the newest
    /// act; at most four, the oldest are forgotten.
    pub trodden: Vec<(u64, u64)>,
}

/// Own writes in a row under which an act that is told late is still found.
const TRODDEN_MAX: usize = 4;

/// A command in the air, until it is answered or read about: its echo may come first.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Flight {
    pub number: u64,
    pub status: StatusId,
    pub fence: u64,
    pub until: Timestamp,
    /// Over time: only a reading begun after `until` tells whether it came through.
    pub is_doubtful: bool,
    /// When a reading is to be asked for, again.
    pub ask: Timestamp,
}

/// Commands for one status that came to nothing, one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Failed {
    pub status: StatusId,
    pub tries: u8,
}

impl Half {
    /// Our own write has made this version; `known` was the newest before.
    pub(super) fn landed(&mut self, known: Option<u64>, version: u64) {
        self.failed = None;
        if let Some(known) = known.filter(|known| known + 1 < version) {
            self.trodden.truncate(TRODDEN_MAX - 1);
            self.trodden.insert(0, (known, version));
        }
    }

    /// Did our own write cover this version before anybody saw it? It is seen now, and so
    /// what is older counts no more.
    pub(super) fn is_trodden(&mut self, version: u64) -> bool {
        let is_in = |(from, to): &(u64, u64)| (from + 1..*to).contains(&version);
        let is_trodden = self.trodden.iter().any(is_in);
        if is_trodden {
            self.trodden.retain(|(_, to)| *to > version);
            self.trodden.iter_mut().for_each(|(from, _)| *from = version.max(*from));
        }
        is_trodden
    }

    /// Was this tried often enough for now?
    pub(super) fn is_given_up(&self, status: &StatusId) -> bool {
        self.failed.as_ref().is_some_and(|one| one.tries >= TRIES_MAX && one.status == *status)
    }
}

impl State {
    /// An agent as the store remembers them; nothing else is certain until both are read.
    #[must_use]
    pub fn resume(kept: Kept, now: Timestamp) -> Self {
        let half = || Half { blind: Some(now), ..Half::default() };
        Self { kept, halves: [half(), half()], resumed: now, ..Self::default() }
    }

    #[must_use]
    pub fn half(&self, side: Side) -> &Half {
        &self.halves[side.index()]
    }

    /// The command in the air on a side.
    #[must_use]
    pub fn flight(&self, side: Side) -> Option<&Flight> {
        self.kept.flights[side.index()].as_ref()
    }

    /// Has this command come through, as far as anybody can tell?
    pub(super) fn shows(&self, side: Side, flight: &Flight) -> bool {
        let shown = self.kept.shown[side.index()].as_ref();
        shown.is_some_and(|one| one.status == flight.status && one.version > flight.fence)
    }

    /// What a side shows, as far as it was told.
    #[must_use]
    pub fn shown(&self, side: Side) -> Option<&StatusId> {
        self.kept.shown[side.index()].as_ref().map(|shown| &shown.status)
    }

    #[must_use]
    pub fn goal(&self, side: Side) -> Option<&StatusId> {
        self.kept.goals[side.index()].as_ref()
    }

    /// What a side is to show now. `None`: whatever it shows, as before both were read, or
    /// since the agent logged out.
    #[must_use]
    pub fn target<'a>(&'a self, map: &'a Map, side: Side) -> Option<&'a StatusId> {
        let goal = self.goal(side).filter(|goal| is_ours_to_set(map, side, goal))?;
        if self.dwells(side) || self.is_covered(map, side) {
            return Some(map.transition(side));
        }
        Some(goal)
    }

    /// Is a side in transition since work was left?
    #[must_use]
    pub fn dwells(&self, side: Side) -> bool {
        self.kept.dwell.is_some_and(|(dwelling, _)| dwelling == side)
    }

    /// Is a side kept from handing out work because of an item of the other?
    #[must_use]
    pub fn is_covered(&self, map: &Map, side: Side) -> bool {
        map.settings().scenario == Scenario::Both
            && self.goal(side).is_some_and(|goal| map.is_mapped_work(side, goal))
            && self.is_handling(map, side.other())
    }

    /// Does the agent have something at hand on this side, as the settings count it?
    #[must_use]
    pub fn is_handling(&self, map: &Map, side: Side) -> bool {
        match self.half(side).work {
            Work::Free => false,
            Work::Handling | Work::Missed => true,
            Work::AfterCall => map.settings().after_call_counts,
        }
    }

    /// The console has been gone for longer than its grace.
    #[must_use]
    pub fn is_console_gone(&self, map: &Map, now: Timestamp) -> bool {
        self.console_given_up(map).is_some_and(|at| now >= at)
    }

    /// When a console that is not there counts as gone. After a restart no console is there,
    /// and each comes back in its own time: three times the grace.
    pub(super) fn console_given_up(&self, map: &Map) -> Option<Timestamp> {
        let grace = map.settings().console_grace;
        self.console_gone.map(|since| since.plus(grace).max(self.resumed.plus(grace * 3)))
    }

    /// Is this the last word on the agent: does every side that can be written show its target?
    #[must_use]
    pub fn is_settled(&self, map: &Map) -> bool {
        let is_settled = |side: Side| {
            let (shown, target) = (self.shown(side), self.target(map, side));
            self.flight(side).is_none()
                && self.half(side).blind.is_none()
                && (target.is_none() || shown == target || !self.is_writable(map, side))
        };
        Side::ALL.iter().all(|side| is_settled(*side))
    }

    /// May the status that a side shows be replaced by another?
    pub(super) fn is_writable(&self, map: &Map, side: Side) -> bool {
        self.shown(side).is_some_and(|status| is_ours_to_set(map, side, status))
    }

    pub(super) fn shows_work(&self, map: &Map, side: Side) -> bool {
        self.shown(side).is_some_and(|status| map.is_work(side, status))
    }
}

/// Nobody is logged in or out by us, and what a system set by itself is its own affair.
fn is_ours_to_set(map: &Map, side: Side, status: &StatusId) -> bool {
    !matches!(map.kind(side, status), Some(Kind::Offline | Kind::System))
}
