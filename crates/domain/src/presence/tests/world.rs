//! A small world around the decision: two systems, an agent, and a network in between.
//!
//! Everything that can happen next is a [`Move`]. Events and commands wait in it for as long
//! as it pleases; what costs a fault, a change of mind or an item is bounded by [`Left`].

use super::witness::Witness;
use crate::Timestamp;
use crate::presence::decide::Step;
use crate::presence::*;
use std::hash::{Hash, Hasher};

/// What is planted, to see whether it is caught.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    None,
    /// Our own write is taken for the agent's act.
    TakesAnEchoForAnAct,
    /// Commands come through whatever the side shows by then, and however late it is.
    IgnoresFences,
    /// Where the transition is due the mapped status is set.
    SkipsTheTransition,
    /// An item is taken for done as soon as the other side is in transition.
    ReturnsTooEarly,
    /// A status that comes late is taken for new.
    TakesOldForNew,
    /// A command of which nothing was heard is taken for undone.
    ForgetsWhatIsInDoubt,
    /// While a side is not heard it is taken for free.
    GuessesInAGap,
}

/// One side as it truly is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Truth {
    pub status: StatusId,
    pub version: u64,
    /// The status is the agent's own choice.
    pub by_agent: bool,
    pub has_item: bool,
    pub work_version: u64,
}

/// Something on its way to us. `by_agent`: the status was the agent's choice.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mail {
    pub event: Event,
    pub by_agent: bool,
}

/// How much of what costs something may still happen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Left {
    pub acts: u8,
    pub items: u8,
    pub faults: u8,
}

impl Left {
    /// The most commands of any story: two for all that may happen, and two more.
    pub fn commands(&self) -> u64 {
        2 * u64::from(self.acts + self.items + self.faults) + 2
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    Act(Side, &'static str),
    Offer(Side),
    End(Side),
    Deliver(usize),
    DeliverTwice(usize),
    LoseEvent(usize),
    /// The stream broke: the event is lost, and we know that something may be.
    Break(usize),
    Land(usize),
    LandTwice(usize),
    LoseCommand(usize),
    /// To the next wake-up.
    Time,
    Compare,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    pub truth: [Truth; 2],
    pub mail: Vec<Mail>,
    pub air: Vec<Command>,
    pub state: State,
    pub left: Left,
    pub witness: Witness,
    /// Both were compared since anything went wrong or changed.
    pub is_compared: bool,
}

impl World {
    pub fn new(map: &Map, statuses: [&str; 2], left: Left) -> Self {
        let truth = |at: usize| Truth {
            status: statuses[at].into(),
            version: 1,
            by_agent: true,
            has_item: false,
            work_version: 1,
        };
        let truth = [truth(0), truth(1)];
        let mut world = Self {
            witness: Witness::new(map, &truth),
            truth,
            mail: Vec::new(),
            air: Vec::new(),
            state: State::resume(Kept::default(), Timestamp(0)),
            left,
            is_compared: false,
        };
        let readings = Side::ALL.iter().map(|side| world.reading(*side)).collect::<Vec<_>>();
        let readings = readings.try_into().expect("two sides");
        let (state, actions) = decide(map, world.state, Event::Compared(readings), Timestamp(0));
        assert!(actions.is_empty(), "begins in a stable pair: {actions:?}");
        world.state = state;
        world
    }

    /// Everything that may come next. `acts`: what the agent may choose on each side.
    pub fn moves(&self, map: &Map, acts: [&[&'static str]; 2]) -> Vec<Move> {
        let mut moves = Vec::new();
        for side in Side::ALL.iter().copied() {
            let truth = &self.truth[side.index()];
            if self.left.acts > 0 {
                let others = acts[side.index()].iter().filter(|one| truth.status.as_str() != **one);
                moves.extend(others.map(|status| Move::Act(side, status)));
            }
            if self.left.items > 0 && !truth.has_item && map.is_work(side, &truth.status) {
                moves.push(Move::Offer(side));
            }
            if truth.has_item {
                moves.push(Move::End(side));
            }
        }
        let can_fail = self.left.faults > 0;
        for at in 0..self.mail.len() {
            moves.push(Move::Deliver(at));
            if can_fail {
                moves.extend([Move::DeliverTwice(at), Move::LoseEvent(at), Move::Break(at)]);
            }
        }
        for at in 0..self.air.len() {
            moves.push(Move::Land(at));
            if can_fail {
                moves.push(Move::LoseCommand(at));
                // A stream may tell the console twice; the center is asked once.
                if self.air[at].side == Side::Crm {
                    moves.push(Move::LandTwice(at));
                }
            }
        }
        let is_quiet = self.mail.is_empty() && self.air.is_empty();
        if self.state.wake.is_some() && (is_quiet || can_fail) {
            moves.push(Move::Time);
        }
        if self.state.wake.is_none() && is_quiet && !self.is_compared {
            moves.push(Move::Compare);
        }
        moves
    }

    /// Nothing is left to come but what somebody does.
    pub fn is_at_rest(&self) -> bool {
        self.is_compared && self.mail.is_empty() && self.air.is_empty() && self.state.wake.is_none()
    }

    /// A move in words that can be read without the world.
    pub fn words(&self, step: &Move) -> String {
        match step {
            Move::Deliver(at) | Move::DeliverTwice(at) | Move::LoseEvent(at) | Move::Break(at) => {
                format!("{step:?} {:?}", self.mail[*at])
            }
            Move::Land(at) | Move::LandTwice(at) | Move::LoseCommand(at) => {
                format!("{step:?} {:?}", self.air[*at])
            }
            _ => format!("{step:?}"),
        }
    }

    pub fn go(&mut self, map: &Map, step: &Move, bug: Bug) -> Result<(), String> {
        match step {
            Move::Act(side, status) => {
                self.left.acts -= 1;
                let truth = &mut self.truth[side.index()];
                (truth.status, truth.version) = (StatusId::from(*status), truth.version + 1);
                truth.by_agent = true;
                self.post_status(*side);
                self.witness.acted(map, *side, status);
            }
            Move::Offer(side) => {
                self.left.items -= 1;
                self.witness.offered(*side)?;
                self.post_work(*side, true);
            }
            Move::End(side) => self.post_work(*side, false),
            Move::Deliver(at) => {
                let mail = self.mail.remove(*at);
                self.deliver(map, mail, bug)?;
            }
            Move::DeliverTwice(at) => {
                self.left.faults -= 1;
                self.deliver(map, self.mail[*at].clone(), bug)?;
            }
            Move::LoseEvent(at) => {
                self.left.faults -= 1;
                self.mail.remove(*at);
            }
            Move::Break(at) => {
                self.left.faults -= 1;
                let side = match &self.mail.remove(*at).event {
                    Event::Status { side, .. } | Event::Work { side, .. } => *side,
                    Event::Read { side, .. } | Event::Answer { side, .. } => *side,
                    _ => Side::Center,
                };
                self.witness.broken(side);
                self.tell(map, Event::Gap(side), bug)?;
            }
            Move::Land(at) => {
                let command = self.air.remove(*at);
                self.land(command, bug);
            }
            Move::LandTwice(at) => {
                self.left.faults -= 1;
                self.land(self.air[*at].clone(), bug);
            }
            Move::LoseCommand(at) => {
                self.left.faults -= 1;
                self.air.remove(*at);
            }
            Move::Time => self.pass(map, bug)?,
            Move::Compare => {
                self.is_compared = true;
                self.witness.compared(&self.state, map, &self.truth);
                let [center, crm] = [Side::Center, Side::Crm].map(|side| self.reading(side));
                self.tell(map, Event::Compared([center, crm]), bug)?;
            }
        }
        self.is_compared &= matches!(step, Move::Compare | Move::Deliver(_) | Move::Land(_));
        self.witness.look(map, &self.truth, &self.air);
        let state = &self.state;
        self.mail.retain(|mail| !is_over(state, &mail.event));
        self.mail.sort_by_cached_key(mixed);
        self.mail.dedup();
        Ok(())
    }

    fn reading(&self, side: Side) -> Reading {
        let truth = &self.truth[side.index()];
        Reading {
            began: Timestamp(0),
            status: truth.status.clone(),
            version: truth.version,
            work: if truth.has_item { Work::Handling } else { Work::Free },
            work_version: truth.work_version,
        }
    }

    fn post_status(&mut self, side: Side) {
        let Truth { status, version, by_agent, .. } = self.truth[side.index()].clone();
        self.mail.push(Mail { event: Event::Status { side, status, version }, by_agent });
    }

    fn post_work(&mut self, side: Side, has_item: bool) {
        let truth = &mut self.truth[side.index()];
        (truth.has_item, truth.work_version) = (has_item, truth.work_version + 1);
        let work = if has_item { Work::Handling } else { Work::Free };
        let event = Event::Work { side, work, version: truth.work_version };
        self.mail.push(Mail { event, by_agent: false });
    }

    /// A command reaches its side, or what stands before it.
    fn land(&mut self, command: Command, bug: Bug) {
        let Command { side, number, status, fence, until } = command;
        let at = side.index();
        // The console looks at what shows. The center takes any write, so we look at what was
        // told of it until now, just before it is sent.
        let known = match side {
            Side::Center => self.state.kept.shown[at].as_ref().map(|one| one.version),
            Side::Crm => Some(self.truth[at].version),
        };
        let is_late = until <= Timestamp(0) || known.is_some_and(|version| version > fence);
        let answer = if is_late && bug != Bug::IgnoresFences {
            Answer::Late
        } else {
            let truth = &mut self.truth[at];
            (truth.status, truth.version) = (status, truth.version + 1);
            truth.by_agent = false;
            let version = truth.version;
            self.post_status(side);
            Answer::Done(Some(version))
        };
        self.mail.push(Mail { event: Event::Answer { side, number, answer }, by_agent: false });
    }

    /// Time passes to the next wake-up; it is a fault when the network takes that long.
    fn pass(&mut self, map: &Map, bug: Bug) -> Result<(), String> {
        if !(self.mail.is_empty() && self.air.is_empty()) {
            self.left.faults -= 1;
        }
        let by = self.state.wake.take().map_or(0, |wake| wake.0);
        self.shift(by);
        if bug == Bug::ForgetsWhatIsInDoubt {
            for flight in &mut self.state.kept.flights {
                flight.take_if(|flight| flight.until <= Timestamp(0));
            }
        }
        self.tell(map, Event::Tick, bug)
    }

    /// It is always 0: what was at `by` is now.
    fn shift(&mut self, by: i64) {
        let shift = |at: &mut Timestamp| at.0 = (at.0 - by).max(-1);
        let kept = &mut self.state.kept;
        kept.dwell.iter_mut().for_each(|(_, until)| shift(until));
        for flight in kept.flights.iter_mut().flatten() {
            shift(&mut flight.until);
            shift(&mut flight.ask);
        }
        for half in &mut self.state.halves {
            half.blind.iter_mut().for_each(shift);
        }
        self.air.iter_mut().for_each(|command| shift(&mut command.until));
        for mail in &mut self.mail {
            if let Event::Read { reading, .. } = &mut mail.event {
                shift(&mut reading.began);
            }
        }
    }

    fn deliver(&mut self, map: &Map, mail: Mail, bug: Bug) -> Result<(), String> {
        self.witness.delivered(&self.state, map, &mail);
        let Mail { mut event, by_agent } = mail;
        if let Event::Status { side, status, version } = &mut event {
            let shown = self.state.kept.shown[side.index()].as_ref();
            if let (Bug::TakesOldForNew, Some(shown)) = (bug, shown) {
                *version = (*version).max(shown.version + 1);
            }
            if bug == Bug::TakesAnEchoForAnAct && !by_agent {
                let (map, now) = (map, Timestamp(0));
                let mut step = Step { map, state: self.state.clone(), now, actions: Vec::new() };
                step.act(*side, status.clone());
                self.state = step.state;
            }
        }
        self.tell(map, event, bug)
    }

    fn tell(&mut self, map: &Map, event: Event, bug: Bug) -> Result<(), String> {
        let mut actions = Vec::new();
        let mut tell = |event| {
            let (state, more) = decide(map, std::mem::take(&mut self.state), event, Timestamp(0));
            self.state = state;
            actions.extend(more);
        };
        tell(event);
        if bug == Bug::GuessesInAGap {
            for half in &mut self.state.halves {
                half.blind = None;
            }
        }
        if bug == Bug::ReturnsTooEarly {
            for side in [Side::Center, Side::Crm] {
                let cover = map.transition(side.other());
                if self.state.shown(side.other()) == Some(cover) {
                    self.state.halves[side.index()].work = Work::Free;
                }
            }
        }
        self.state.kept.decided.iter_mut().for_each(|decided| decided.at = Timestamp(0));
        for action in actions {
            match action {
                Action::Set(mut command) => {
                    if let (Bug::SkipsTheTransition, Some(goal)) =
                        (bug, self.witness.before_transition(map, &command))
                    {
                        command.status = goal;
                    }
                    self.witness.commanded(map, &command)?;
                    self.air.push(command);
                }
                Action::Read(side) => {
                    let event = Event::Read { side, reading: self.reading(side) };
                    let by_agent = self.truth[side.index()].by_agent;
                    self.mail.push(Mail { event, by_agent });
                }
                Action::BringBack | Action::Raise(_) | Action::Clear(_) | Action::Wake(_) => {}
            }
        }
        Ok(())
    }
}

/// Changes nothing, whenever it comes: an answer to a command that is over, old news of work.
fn is_over(state: &State, event: &Event) -> bool {
    match event {
        Event::Answer { side, number, .. } => {
            state.flight(*side).is_none_or(|flight| flight.number != *number)
        }
        Event::Work { side, version, .. } => *version <= state.half(*side).work_version,
        _ => false,
    }
}

/// 64 bits in place of a whole world: of a hundred thousand hardly two are the same.
pub fn mixed(of: &impl Hash) -> u64 {
    let mut mixer = Mixer(0);
    of.hash(&mut mixer);
    mixer.finish()
}

/// Quick where nothing is optimized, and the same in every run.
struct Mixer(u64);

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, one: u8) {
        self.write_u64(one.into());
    }

    fn write_usize(&mut self, one: usize) {
        self.write_u64(one as u64);
    }

    fn write_u64(&mut self, one: u64) {
        self.0 = (self.0.rotate_left(23) ^ one).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 29)
    }
}
