//! Takes what happened into the state: whose doing it was, and what it changes.
//!
//! A status that is newer than what was known is ours if it is what a command in the air
//! would make, or what the side is to show anyway; it is the agent's act otherwise. What
//! follows from the state after that is [`settle`](super::settle)'s.

use super::{
    Action, Answer, By, COMMAND_TIMEOUT, Event, Failed, Flight, Kind, Map, OnConsoleGone, OnMissed,
    Reading, Shown, Side, State, StatusId, TRIES_MAX, Work,
};
use crate::Timestamp;

/// The state after `event`, and what is to be done.
#[must_use]
pub fn decide(map: &Map, state: State, event: Event, now: Timestamp) -> (State, Vec<Action>) {
    let mut step = Step { map, state, now, actions: Vec::new() };
    step.take(event);
    step.pass_time();
    step.settle();
    (step.state, step.actions)
}

/// One decision under way.
pub(super) struct Step<'a> {
    pub(super) map: &'a Map,
    pub(super) state: State,
    pub(super) now: Timestamp,
    pub(super) actions: Vec<Action>,
}

impl Step<'_> {
    fn take(&mut self, event: Event) {
        match event {
            // Before both were read nobody can say what it means; the reading may be older.
            Event::Status { side, .. } if !self.state.is_met => {
                self.state.halves[side.index()].blind = Some(self.now);
            }
            Event::Read { .. } if !self.state.is_met => {}
            Event::Status { side, status, version } => self.status(side, status, version, false),
            Event::Work { side, work, version } => {
                if version > self.state.half(side).work_version {
                    self.work(side, work, version);
                }
            }
            Event::Console { is_there } => self.console(is_there),
            Event::Gap(side) => {
                self.state.halves[side.index()].is_unheard = false;
                self.go_blind(side);
            }
            Event::Read { side, reading } => self.read(side, reading),
            Event::Compared(readings) => self.compared(readings),
            Event::Answer { side, number, answer } => self.answer(side, number, answer),
            Event::Tick => {}
            Event::Pause(is_paused) => {
                self.state.kept.is_paused = is_paused;
                self.forgive();
            }
            Event::Lost(side) => self.state.halves[side.index()].is_unheard = true,
        }
    }

    /// A side shows a status. `is_read`: it was asked, and so this holds whatever its version.
    fn status(&mut self, side: Side, status: StatusId, version: u64, is_read: bool) {
        if let Some(status) = self.news(side, status, version, is_read) {
            self.act(side, status);
        }
    }

    /// Takes in what a side shows; the agent's act if it is one.
    fn news(
        &mut self,
        side: Side,
        status: StatusId,
        version: u64,
        is_read: bool,
    ) -> Option<StatusId> {
        let at = side.index();
        let before =
            self.state.kept.shown[at].as_ref().map(|one| (one.status == status, one.version));
        if let Some((is_same, known)) = before {
            if version < known {
                return self.is_late_act(side, &status, version).then_some(status);
            }
            if version == known && (is_same || !is_read) {
                if !is_same {
                    // One version, two statuses: the order of these two was never told.
                    self.go_blind(side);
                }
                return None;
            }
        }
        let is_aimed = self.state.target(self.map, side) == Some(&status);
        let is_ours = self.state.flight(side).is_some_and(|one| {
            // The CRM's console writes on that version or not at all.
            let is_behind = side == Side::Crm && before.is_some_and(|(_, known)| known > one.fence);
            one.status == status && version > one.fence && !is_behind
        });
        let shown = Shown { status: status.clone(), version };
        let old = self.state.kept.shown[at].replace(shown).map(|one| one.status);
        let logged_out = old.filter(|old| self.map.kind(side, old) == Some(Kind::Offline));
        if is_ours {
            self.state.halves[at].landed(before.map(|(_, known)| known), version);
        }
        // A browser that was closed logs out of the CRM as well, and that is nobody's act.
        let is_act = match self.map.kind(side, &status) {
            _ if is_ours || is_aimed => false,
            Some(Kind::System) => false,
            Some(Kind::Offline) => side == Side::Center,
            Some(Kind::Work | Kind::NoWork) | None => true,
        };
        if is_act {
            self.state.halves[at].trodden.clear();
            if let Some(from) = logged_out {
                // Whoever comes back has not left work just now, whatever they left once.
                self.state.kept.goals[at] = Some(from);
            }
        }
        is_act.then_some(status)
    }

    /// An old status. If it came between what a command was decided on and what the command
    /// made, it is an act that our write has trodden on, and it is followed all the same.
    fn is_late_act(&mut self, side: Side, status: &StatusId, version: u64) -> bool {
        let is_own = matches!(self.map.kind(side, status), Some(Kind::System | Kind::Offline));
        self.state.halves[side.index()].is_trodden(version) && !is_own
    }

    fn work(&mut self, side: Side, work: Work, version: u64) {
        let half = &mut self.state.halves[side.index()];
        half.work_version = version;
        if work != Work::Missed {
            (half.missed, half.is_recalled) = (None, false);
        } else if half.work != work {
            half.missed = Some(self.now);
        }
        half.work = work;
    }

    fn console(&mut self, is_there: bool) {
        if !is_there {
            self.state.console_gone.get_or_insert(self.now);
        } else if self.state.console_gone.take().is_some() {
            // Whatever was done in the CRM meanwhile was done without us.
            self.go_blind(Side::Crm);
            self.forgive();
        }
    }

    fn read(&mut self, side: Side, reading: Reading) {
        self.work_read(side, &reading);
        self.status(side, reading.status, reading.version, true);
        self.conclude(side, reading.began);
    }

    /// A reading begun then was taken in: what was uncertain before is certain.
    fn conclude(&mut self, side: Side, began: Timestamp) {
        let half = &mut self.state.halves[side.index()];
        half.blind.take_if(|since| began >= *since);
        let is_over = |one: &mut Flight| one.is_doubtful && began >= one.until;
        let Some(flight) = self.state.kept.flights[side.index()].take_if(is_over) else { return };
        if !self.state.shows(side, &flight) {
            let half = &mut self.state.halves[side.index()];
            let before = half.failed.take().filter(|failed| failed.status == flight.status);
            let tries = before.map_or(0, |failed| failed.tries) + 1;
            half.failed = Some(Failed { status: flight.status, tries });
        }
    }

    fn work_read(&mut self, side: Side, reading: &Reading) {
        let half = self.state.half(side);
        // What the CRM still calls missed an act may have made good since.
        let is_corrected = side == Side::Center
            && reading.work_version == half.work_version
            && reading.work != half.work;
        if reading.work_version > half.work_version || is_corrected {
            self.work(side, reading.work, reading.work_version);
        }
    }

    fn compared(&mut self, readings: [Reading; 2]) {
        self.state.is_met = true;
        let is_first = self.state.kept.goals.iter().any(Option::is_none);
        let lead = self.lead(&readings);
        let status = readings[lead.index()].status.clone();
        if is_first {
            self.state.kept.goals = [0, 1].map(|at| Some(readings[at].status.clone()));
        }
        // Before any status: it may be a cover.
        for side in Side::ALL.iter().copied() {
            self.work_read(side, &readings[side.index()]);
        }
        let began = readings.each_ref().map(|reading| reading.began);
        let [center, crm] = readings;
        let mut acts = [(Side::Center, center), (Side::Crm, crm)]
            .map(|(side, reading)| self.news(side, reading.status, reading.version, true));
        // Who leads comes last, and so has the newest word where both have changed.
        for side in [lead.other(), lead] {
            if let Some(status) = acts[side.index()].take() {
                self.act(side, status);
            }
            self.conclude(side, began[side.index()]);
        }
        if is_first {
            self.act(lead, status);
        } else if self.state.kept.map != Some(self.map.fingerprint()) {
            self.map_changed();
        }
        self.state.kept.map = Some(self.map.fingerprint());
        self.forgive();
        for side in Side::ALL.iter().copied() {
            self.state.halves[side.index()].is_recalled = false;
            if self.state.half(side).blind.is_some() {
                self.actions.push(Action::Read(side));
            }
        }
    }

    fn answer(&mut self, side: Side, number: u64, answer: Answer) {
        let at = side.index();
        let Some(flight) = self.state.flight(side).filter(|one| one.number == number).cloned()
        else {
            return;
        };
        let has_landed = self.state.shows(side, &flight);
        match answer {
            Answer::Done(Some(version)) => self.status(side, flight.status, version, true),
            Answer::Done(None) | Answer::Refused if has_landed => {}
            Answer::Refused if side == Side::Center => {
                let failed = Failed { status: flight.status, tries: TRIES_MAX };
                self.state.halves[at].failed = Some(failed);
            }
            // It never went out.
            Answer::Late if side == Side::Center => self.go_blind(side),
            // A reading tells: what comes late to a console may be a second copy, and what it
            // could not set now it may the next time.
            Answer::Done(None) | Answer::Late | Answer::Refused => {
                let flight = Flight { until: self.now, ask: self.now, ..flight };
                self.state.kept.flights[at] = Some(flight);
                return;
            }
        }
        self.state.kept.flights[at] = None;
    }

    /// What is over by now.
    fn pass_time(&mut self) {
        let now = self.now;
        self.state.kept.dwell.take_if(|(_, until)| now >= *until);
        for side in Side::ALL.iter().copied() {
            self.doubt(side);
        }
        // What is kept from before may be long over.
        if !self.state.kept.is_paused && self.state.is_met {
            self.apply_policies();
        }
    }

    fn apply_policies(&mut self) {
        for side in Side::ALL.iter().copied() {
            self.missed(side);
        }
        let works = |side: Side| self.state.shows_work(self.map, side);
        if self.map.settings().on_console_gone == OnConsoleGone::StepOut
            && self.state.is_console_gone(self.map, self.now)
            && works(Side::Center)
            && works(Side::Crm)
        {
            self.step_out(By::ConsoleGone);
        }
    }

    fn doubt(&mut self, side: Side) {
        let now = self.now;
        let Some(flight) = &mut self.state.kept.flights[side.index()] else { return };
        if now >= flight.until && now >= flight.ask {
            (flight.is_doubtful, flight.ask) = (true, now.plus(COMMAND_TIMEOUT));
            self.actions.push(Action::Read(side));
        }
    }

    fn missed(&mut self, side: Side) {
        let half = &mut self.state.halves[side.index()];
        let Some(since) = half.missed else { return };
        match self.map.settings().on_missed {
            OnMissed::Wait => {}
            OnMissed::BringBack(after) if self.now < since.plus(after) => {}
            OnMissed::BringBack(_) if side == Side::Crm => {
                (half.work, half.missed) = (Work::Free, None);
            }
            OnMissed::BringBack(_) if half.is_recalled => {}
            OnMissed::BringBack(_) => {
                half.is_recalled = true;
                self.actions.push(Action::BringBack);
            }
            OnMissed::StepOut => {
                half.missed = None;
                self.step_out(By::Missed);
            }
        }
    }

    /// Nothing is certain of a side until it was read.
    fn go_blind(&mut self, side: Side) {
        self.state.halves[side.index()].blind = Some(self.now);
        self.actions.push(Action::Read(side));
    }
}
