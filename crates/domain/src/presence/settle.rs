//! Makes what follows from a state: commands, alerts, and when to look again.

use super::decide::Step;
use super::{Action, Alert, COMMAND_TIMEOUT, Command, Flight, OnMissed, Scenario, Side, StatusId};
use crate::Timestamp;
use std::collections::BTreeSet;

impl Step<'_> {
    pub(super) fn settle(&mut self) {
        for side in Side::ALL.iter().copied() {
            self.command(side);
        }
        self.tell();
        self.ask_to_be_woken();
    }

    fn command(&mut self, side: Side) {
        let Some((status, fence)) = self.needed(side) else { return };
        let kept = &mut self.state.kept;
        kept.number += 1;
        let (number, until) = (kept.number, self.now.plus(COMMAND_TIMEOUT));
        let flight =
            Flight { number, status: status.clone(), fence, until, is_doubtful: false, ask: until };
        kept.flights[side.index()] = Some(flight);
        self.actions.push(Action::Set(Command { side, number, status, fence, until }));
    }

    /// The status that a side must be told to show, and the version that it shows now.
    fn needed(&self, side: Side) -> Option<(StatusId, u64)> {
        let (state, half) = (&self.state, self.state.half(side));
        let shown = state.kept.shown[side.index()].as_ref()?;
        let target = state.target(self.map, side)?;
        let is_mute = side == Side::Crm && state.console_gone.is_some();
        let waits =
            state.flight(side).is_some() || half.is_given_up(target) || half.blind.is_some();
        // What the agent has at hand on the other side is not known now.
        let other = state.half(side.other());
        let is_rash = self.map.is_work(side, target) && (other.blind.is_some() || other.is_unheard);
        let is_needed = shown.status != *target
            && state.is_writable(self.map, side)
            && !(state.kept.is_paused || is_mute || waits || is_rash);
        is_needed.then(|| (target.clone(), shown.version))
    }

    fn tell(&mut self) {
        let now = self.alerts();
        let before = std::mem::replace(&mut self.state.alerts, now.clone());
        self.actions.extend(now.difference(&before).map(|alert| Action::Raise(*alert)));
        self.actions.extend(before.difference(&now).map(|alert| Action::Clear(*alert)));
    }

    fn alerts(&self) -> BTreeSet<Alert> {
        let (state, map) = (&self.state, self.map);
        let is_adrift = |side: Side| {
            let is_given_up = |status| state.half(side).is_given_up(status);
            let target = state.target(map, side).filter(|_| state.is_writable(map, side));
            target.is_some_and(is_given_up) && state.shown(side) != target
        };
        let works = |side: Side| state.shows_work(map, side);
        let is_gone = state.is_console_gone(map, self.now);
        let is_there = works(Side::Center) || state.is_writable(map, Side::Crm);
        let is_allowed = map.settings().scenario == Scenario::Both
            && state
                .shown(Side::Center)
                .zip(state.shown(Side::Crm))
                .is_some_and(|(center, crm)| map.is_paired(Side::Center, center, crm))
            && !Side::ALL.iter().any(|side| state.is_handling(map, *side));
        let is_under_way = Side::ALL
            .iter()
            .any(|side| state.flight(*side).is_some() || state.half(*side).blind.is_some());
        let works_twice = works(Side::Center) && works(Side::Crm) && !is_allowed && !is_under_way;
        let drift =
            Side::ALL.iter().filter(|side| is_adrift(**side)).map(|side| Alert::Drift(*side));
        let gone = (is_gone && is_there).then_some(Alert::ConsoleGone);
        drift.chain(gone).chain(works_twice.then_some(Alert::BothWork)).collect()
    }

    fn ask_to_be_woken(&mut self) {
        let wake = self.next_wake();
        if wake != self.state.wake {
            self.state.wake = wake;
            self.actions.extend(wake.map(Action::Wake));
        }
    }

    /// The first time at which something is over that is not over yet.
    fn next_wake(&self) -> Option<Timestamp> {
        let (state, settings) = (&self.state, self.map.settings());
        let dwell = state.kept.dwell.map(|(_, until)| until);
        let grace = state.console_given_up(self.map);
        let flights = state.kept.flights.iter().flatten();
        let asks = flights.map(|flight| flight.until.max(flight.ask));
        let back = state.halves.iter().filter_map(|half| match settings.on_missed {
            OnMissed::BringBack(after) => half.missed.map(|since| since.plus(after)),
            OnMissed::Wait | OnMissed::StepOut => None,
        });
        let all = dwell.into_iter().chain(grace).chain(asks).chain(back);
        all.filter(|at| *at > self.now).min()
    }
}
