//! What an agent's act means for both sides, and what else may speak for the agent.
//!
//! The newest act wins: on its own side it stands, and the other side follows the map. Work
//! that is left leads through the transition. What nobody mapped moves nothing.

use super::decide::Step;
use super::{By, Decided, Master, Reading, Side, StatusId, Work};

impl Step<'_> {
    /// The agent has chosen a status: it is a side's goal, and what it leads to the other's.
    pub(super) fn act(&mut self, side: Side, status: StatusId) {
        self.forgive();
        let crm = &mut self.state.halves[Side::Crm.index()];
        if crm.work == Work::Missed {
            // The CRM does not say when somebody is back; an act says it.
            (crm.work, crm.missed) = (Work::Free, None);
        }
        if !self.map.settings().master.leads(side) {
            return self.act_of_mirror(side, status);
        }
        self.state.kept.decided = Some(Decided { by: By::agent(side), at: self.now });
        let other = side.other();
        let old = self.state.kept.goals[side.index()].replace(status.clone());
        let goes_to_work = self.map.is_work(side, &status);
        if goes_to_work || self.state.dwells(side) {
            self.state.kept.dwell = None;
        }
        // Work was left, and the other side shows what went with it.
        let is_parting = !goes_to_work
            && old.zip(self.state.goal(other)).is_some_and(|(old, goal)| {
                self.map.is_work(side, &old) && self.map.is_paired(side, &old, goal)
            });
        if let Some(goal) = self.followed(side, &status, is_parting) {
            self.state.kept.goals[other.index()] = Some(goal);
            if is_parting {
                let until = self.now.plus(self.map.settings().transition.dwell);
                self.state.kept.dwell = Some((other, until));
            }
        }
    }

    /// What the other side's goal becomes; `None`: it stays.
    fn followed(&self, side: Side, status: &StatusId, is_parting: bool) -> Option<StatusId> {
        let other = side.other();
        let goal = self.state.goal(other)?;
        if self.map.is_paired(side, status, goal) {
            // Several may be mapped to one: what stands already need not move.
            return None;
        }
        if let Some(to) = self.map.leads_to(side, status) {
            return Some(to.clone());
        }
        if is_parting {
            return Some(self.map.transition(other).clone());
        }
        // Left alone: what was to come after the dwell does not come any more.
        self.state.dwells(other).then(|| self.map.transition(other).clone())
    }

    /// An act on the side that does not lead: it stays if it is no work, or work that the
    /// master's goal allows. It moves nothing on the master's side.
    fn act_of_mirror(&mut self, side: Side, status: StatusId) {
        let is_allowed = !self.map.is_mapped_work(side, &status)
            || self.state.goal(side.other()).is_none_or(|goal| {
                !self.map.is_mapped(side.other(), goal) || self.map.is_paired(side, &status, goal)
            });
        if is_allowed {
            self.state.kept.decided = Some(Decided { by: By::agent(side), at: self.now });
            self.state.kept.goals[side.index()] = Some(status);
            if self.state.dwells(side) {
                self.state.kept.dwell = None;
            }
        }
    }

    /// What the agent chose last stands; what it leads to may be another status now.
    pub(super) fn map_changed(&mut self) {
        self.forgive();
        let master = self.map.settings().master;
        let side = match master {
            Master::Center => Some(Side::Center),
            Master::Crm => Some(Side::Crm),
            Master::Both => self.state.kept.decided.and_then(|decided| decided.by.side()),
        };
        let Some((side, status)) =
            side.and_then(|side| Some((side, self.state.goal(side)?.clone())))
        else {
            return;
        };
        if let Some(goal) = self.followed(side, &status, false) {
            self.state.kept.goals[side.other().index()] = Some(goal);
        }
    }

    /// Both sides leave work, as if the agent had. They go back by themselves.
    pub(super) fn step_out(&mut self, by: By) {
        let Some((center, crm)) = self.state.goal(Side::Center).zip(self.state.goal(Side::Crm))
        else {
            return;
        };
        let is_paired = self.map.is_paired(Side::Center, center, crm);
        let goals = [(Side::Center, center), (Side::Crm, crm)];
        let works = goals.map(|(side, goal)| self.map.is_mapped_work(side, goal));
        for side in Side::ALL.iter().copied() {
            if works[side.index()] || (is_paired && works[side.other().index()]) {
                self.state.kept.goals[side.index()] = Some(self.map.transition(side).clone());
                self.state.kept.decided = Some(Decided { by, at: self.now });
                self.state.kept.dwell = None;
            }
        }
    }

    /// Who is right where both sides have changed and nobody knows in which order: the master;
    /// else who hands out no work, so that nobody is put to work by mistake; else the center.
    pub(super) fn lead(&self, readings: &[Reading; 2]) -> Side {
        let works = |side: Side| self.map.is_work(side, &readings[side.index()].status);
        match self.map.settings().master {
            Master::Center => Side::Center,
            Master::Crm => Side::Crm,
            Master::Both if works(Side::Center) && !works(Side::Crm) => Side::Crm,
            Master::Both => Side::Center,
        }
    }

    /// What was given up may be tried again.
    pub(super) fn forgive(&mut self) {
        for half in &mut self.state.halves {
            half.failed = None;
        }
    }
}
