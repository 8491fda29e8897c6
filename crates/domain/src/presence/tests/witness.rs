//! Sees what happens in the world and says what must not have happened.
//!
//! It knows nothing of goals, flights and dwells: only what was told to whom, what was
//! commanded, what came through, and what the settings say.

use super::world::{Mail, Truth};
use crate::presence::*;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Witness {
    /// By side: the newest version of the work that was told, and whether it is an item.
    known: [(u64, bool); 2],
    /// By side: it has ceased to hand out work since an item of the other is known, and
    /// nobody but us could change that.
    is_guarded: [bool; 2],
    /// By side: the version of the agent's newest choice that was told.
    told: [u64; 2],
    /// By side: events may have been lost since it was read last.
    is_unheard: [bool; 2],
    /// The agent's act that was told last, if it could be told from a write of ours.
    newest: Option<(Side, StatusId)>,
}

impl Witness {
    /// Both were read at their first version; who is at work went there by an act.
    pub fn new(map: &Map, truth: &[Truth; 2]) -> Self {
        let sides = [Side::Center, Side::Crm].into_iter();
        let chosen = sides.map(|side| (side, truth[side.index()].status.clone()));
        Self {
            known: [(1, false); 2],
            is_guarded: [false; 2],
            is_unheard: [false; 2],
            told: [1; 2],
            newest: chosen.into_iter().find(|(side, status)| map.is_work(*side, status)),
        }
    }

    /// The agent has chosen a status.
    pub fn acted(&mut self, map: &Map, side: Side, status: &str) {
        if map.is_work(side, &status.into()) {
            self.is_guarded[side.index()] = false;
        }
    }

    /// A side has offered an item.
    pub fn offered(&self, side: Side) -> Result<(), String> {
        if self.is_guarded[side.index()] {
            return Err(format!("{side:?} offers work while an item of the other is handled"));
        }
        Ok(())
    }

    /// Something is told to us now.
    pub fn delivered(&mut self, state: &State, map: &Map, mail: &Mail) {
        match &mail.event {
            Event::Work { side, work, version } => {
                self.work_told(*side, *version, *work == Work::Handling);
            }
            Event::Status { side, status, version } if mail.by_agent => {
                self.act_told(state, map, (*side, status, *version));
            }
            Event::Read { side, reading } => {
                self.is_unheard[side.index()] = false;
                self.work_told(*side, reading.work_version, reading.work == Work::Handling);
                if mail.by_agent {
                    self.act_told(state, map, (*side, &reading.status, reading.version));
                }
            }
            _ => {}
        }
    }

    fn act_told(&mut self, state: &State, map: &Map, act: (Side, &StatusId, u64)) {
        let (side, status, version) = act;
        if version > self.told[side.index()] {
            self.told[side.index()] = version;
            // What we are about to set as well nobody can tell from our own write.
            let is_like_ours = state.target(map, side) == Some(status)
                || state.flight(side).is_some_and(|one| one.status == *status);
            self.newest = (!is_like_ours).then(|| (side, status.clone()));
        }
    }

    /// We learn that events of a side may have been lost.
    pub fn broken(&mut self, side: Side) {
        self.is_unheard[side.index()] = true;
    }

    fn work_told(&mut self, side: Side, version: u64, has_item: bool) {
        let known = &mut self.known[side.index()];
        *known = (*known).max((version, has_item));
    }

    /// Both are read at once. Of two acts that nobody told of, who hands out no work counts.
    pub fn compared(&mut self, state: &State, map: &Map, truth: &[Truth; 2]) {
        let works = |side: Side| map.is_work(side, &truth[side.index()].status);
        let crm_leads = match map.settings().master {
            Master::Both => works(Side::Center) && !works(Side::Crm),
            Master::Center => false,
            Master::Crm => true,
        };
        let order = if crm_leads { [Side::Center, Side::Crm] } else { [Side::Crm, Side::Center] };
        for side in order {
            self.is_unheard[side.index()] = false;
            let truth = &truth[side.index()];
            self.work_told(side, truth.work_version, truth.has_item);
            if truth.by_agent {
                self.act_told(state, map, (side, &truth.status, truth.version));
            }
        }
    }

    /// We command a status.
    pub fn commanded(&self, map: &Map, command: &Command) -> Result<(), String> {
        let Command { side, status, .. } = command;
        if !map.is_work(*side, status) {
            return Ok(());
        }
        let is_own = self.newest.as_ref().is_none_or(|(at, own)| at == side && own == status);
        match map.settings().scenario {
            Scenario::One if !is_own => Err(format!("{side:?} is put to work: {status}")),
            Scenario::Both if self.known[side.other().index()].1 => {
                Err(format!("{side:?} is put to work while an item of the other is handled"))
            }
            Scenario::Both if self.is_unheard[side.other().index()] => {
                Err(format!("{side:?} is put to work while the other is not heard"))
            }
            Scenario::One | Scenario::Both => Ok(()),
        }
    }

    /// The work status that somebody careless would set in place of a transition.
    pub fn before_transition(&self, map: &Map, command: &Command) -> Option<StatusId> {
        let Command { side, status, .. } = command;
        let is_transition = map.transition(*side) == status;
        let work = map.settings().pairs.iter().map(|pair| pair.half(*side));
        work.into_iter().find(|one| is_transition && map.is_work(*side, one)).cloned()
    }

    /// What holds in between.
    pub fn look(&mut self, map: &Map, truth: &[Truth; 2], air: &[Command]) {
        for side in [Side::Center, Side::Crm] {
            let is_known = self.known[side.other().index()].1;
            let is_safe = !map.is_work(side, &truth[side.index()].status)
                && !air.iter().any(|command| command.side == side);
            let guarded = &mut self.is_guarded[side.index()];
            *guarded = is_known && (*guarded || is_safe);
            *guarded &= map.settings().scenario == Scenario::Both;
        }
    }

    /// Nothing is on its way any more.
    pub fn at_rest(&self, map: &Map, state: &State, truth: &[Truth; 2]) -> Result<(), String> {
        let [center, crm] = truth;
        let shows = format!("{} {}", center.status, crm.status);
        if !state.is_settled(map) {
            return Err(format!("at rest, but not settled: {shows}"));
        }
        if state.shown(Side::Center) != Some(&center.status)
            || state.shown(Side::Crm) != Some(&crm.status)
        {
            return Err(format!("at rest, but not what we think: {shows}"));
        }
        if !is_stable(map, truth) {
            return Err(format!("at rest in no stable pair: {shows}"));
        }
        let Some((side, status)) = &self.newest else { return Ok(()) };
        let is_covered = map.settings().scenario == Scenario::Both
            && truth[side.other().index()].has_item
            && map.is_work(*side, status);
        let expected = if is_covered { map.transition(*side) } else { status };
        if truth[side.index()].status != *expected && map.settings().master.leads(*side) {
            return Err(format!("the agent chose {status} last, and it shows {shows}"));
        }
        Ok(())
    }
}

/// The pairs in which an agent may be left, as the table of the module says them.
fn is_stable(map: &Map, [center, crm]: &[Truth; 2]) -> bool {
    let works = [(Side::Center, center), (Side::Crm, crm)]
        .map(|(side, truth)| map.is_work(side, &truth.status));
    let is_paired = map.is_paired(Side::Center, &center.status, &crm.status);
    match (map.settings().scenario, works) {
        (Scenario::One, [true, true]) => false,
        (Scenario::One, _) | (_, [false, false]) => true,
        (Scenario::Both, [true, true]) => is_paired && !center.has_item && !crm.has_item,
        // Who does not lead may step out of work, and work where the master allows it.
        (Scenario::Both, _) if map.settings().master != Master::Both => true,
        (Scenario::Both, [true, false]) => {
            center.has_item && crm.status == *map.transition(Side::Crm)
        }
        (Scenario::Both, [false, true]) => {
            crm.has_item && center.status == *map.transition(Side::Center)
        }
    }
}
