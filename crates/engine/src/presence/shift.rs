//! One node's time at a team: takes in what happens, has it decided, keeps it, has it done.
//!
//! All of it in one task, so nothing is decided on what another has just changed. What takes
//! time (asking, setting) is begun here and told here when it has ended ([`super::hands`]).
//! What was decided is committed before anything is done about it, in one commit for all that
//! came together.

pub(super) mod open;
mod pausing;

use super::consoles::{Heard, Order, Outcome};
use super::desk::{Desk, Seat};
use super::hands::{Done, Hands};
use super::work::{HOLD, HOLD_ON_EVERY, hold_on, stopped};
use super::{SIDES, story};
use crate::lookup::Engine;
use crate::{Connection, live::Live};
use domain::Timestamp;
use domain::presence::{Action, Answer, Event, Map, Reading, Side, decide};
use kit::presence::{Seen, Told};
use kit::{Error, Presence};
use state::presence::{NewKept, TeamHold};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// What is taken in at once; the rest waits for the next commit.
const BATCH: usize = 500;
/// Told events that wait; beyond it whoever tells has to wait as well.
const WAITING_MAX: usize = 2_048;
/// How often it is looked whether somebody was paused by another node.
const PAUSES_EVERY: Duration = Duration::from_secs(2);
/// A tick that is due is looked for at least so often, whatever the clock does.
const TICK_MAX: Duration = Duration::from_millis(500);

/// Why a shift is over.
#[derive(Debug)]
pub(super) enum End {
    Stopped,
    /// Another node has the team.
    Lost,
    /// Connections, agents or statuses are others now.
    Changed,
    Faulty(Vec<String>),
    Failed(String),
}

pub(super) struct Shift {
    engine: Arc<Engine>,
    desk: Arc<Desk>,
    hold: TeamHold,
    map: Arc<Map>,
    connections: [Arc<Connection>; 2],
    ends: [Arc<dyn Presence>; 2],
    /// Ticks that agents asked for; one that is not an agent's newest is passed over.
    wakes: BinaryHeap<Reverse<(Timestamp, usize)>>,
    hands: Hands,
    told: mpsc::Receiver<(Side, Followed)>,
    heard: mpsc::UnboundedReceiver<Heard>,
    /// Who follows both sides; they end with the shift.
    _followers: JoinSet<()>,
}

/// What a follower tells.
pub(super) enum Followed {
    /// And when it came.
    Told(Told, Instant),
    /// The side does not tell any more, and why.
    Lost(String),
}

/// Something that happened to who sits there, and when it came to us.
struct Come {
    seat: usize,
    event: Event,
    at: Instant,
}

type Events = Vec<Come>;

/// It came just now.
fn just(seat: usize, event: Event) -> Come {
    Come { seat, event, at: Instant::now() }
}

impl Shift {
    /// Works until something ends it.
    pub(super) async fn work(mut self, live: &Live, stop: watch::Receiver<bool>) -> End {
        let mut changes = live.changes();
        let mut holding = every(HOLD_ON_EVERY);
        let mut held = Instant::now();
        let mut pauses = every(PAUSES_EVERY);
        let mut compare = every(self.desk.team().compare_every);
        let mut agents = every(self.desk.team().agents_every);
        // Who was not asked for before work began is asked for now.
        if open::authorities(self.desk.team()).next().is_none() {
            agents.reset();
        }
        loop {
            self.hands.pump(&self.desk, &self.ends, &self.engine.clock);
            let desk = Arc::clone(&self.desk);
            let tick = self.next_tick();
            let outcome = tokio::select! {
                () = stopped(stop.clone()) => return End::Stopped,
                Some(one) = self.told.recv() => self.take_told(one).await,
                Some(one) = self.heard.recv() => self.take_heard(one).await,
                Some(done) = self.hands.done() => self.take_done(done).await,
                () = tokio::time::sleep(tick) => self.tick().await,
                _ = holding.tick() => self.hold_on(&mut held).await,
                _ = pauses.tick(), if self.engine.store.is_shared() => self.look_at_pauses().await,
                () = desk.asked_to_look() => self.look_at_pauses().await,
                _ = compare.tick() => { self.compare_all(); Ok(()) }
                _ = agents.tick() => { self.hands.ask_who(&self.desk, &self.ends); Ok(()) }
                _ = changes.changed() => self.are_connections_same(live),
            };
            if let Err(end) = outcome {
                return end;
            }
        }
    }

    /// A store that does not answer for a moment costs nothing while the team is held.
    async fn hold_on(&self, held: &mut Instant) -> Result<(), End> {
        let asked = Instant::now();
        match hold_on(&self.engine.store, &self.engine.clock, &self.hold).await {
            Ok(()) => *held = asked,
            Err(End::Failed(why)) if held.elapsed() + HOLD_ON_EVERY < HOLD => {
                tracing::warn!("the hold of a team was not renewed, it is tried again: {why}");
            }
            Err(end) => return Err(end),
        }
        Ok(())
    }

    fn are_connections_same(&self, live: &Live) -> Result<(), End> {
        let engine = live.now();
        let is_same = self.connections.iter().all(|known| {
            engine.connections.get(&known.name).is_some_and(|now| Arc::ptr_eq(now, known))
        });
        if is_same { Ok(()) } else { Err(End::Changed) }
    }

    fn compare_all(&mut self) {
        let seats = self.desk.table().seats.len();
        self.hands.compare(0..seats);
    }

    /// What was told, and whatever else waits already.
    async fn take_told(&mut self, first: (Side, Followed)) -> Result<(), End> {
        let mut events = Events::new();
        let mut next = Some(first);
        while let Some((side, followed)) = next {
            match followed {
                Followed::Told(told, at) => self.events_of((side, told, at), &mut events),
                Followed::Lost(why) => {
                    let why: Arc<str> = why.into();
                    let mut table = self.desk.table();
                    for (at, seat) in table.seats.iter_mut().enumerate() {
                        seat.unheard[side.index()] = Some(Arc::clone(&why));
                        events.push(just(at, Event::Lost(side)));
                    }
                }
            }
            next = if events.len() < BATCH { self.told.try_recv().ok() } else { None };
        }
        self.take(events).await
    }

    fn events_of(&mut self, (side, told, at): (Side, Told, Instant), events: &mut Events) {
        let mut table = self.desk.table();
        let seat = |agent: &String| table.by_id[side.index()].get(agent).copied();
        match told {
            Told::Status { agent, status, version } => {
                let event = Event::Status { side, status, version };
                events.extend(seat(&agent).map(|seat| Come { seat, event, at }));
            }
            Told::Work { agent, work, version } => {
                let event = Event::Work { side, work, version };
                events.extend(seat(&agent).map(|seat| Come { seat, event, at }));
            }
            Told::Changed(agents) => {
                self.hands.read(side, agents.iter().filter_map(seat));
            }
            Told::Gap(agents) => {
                let seats: Vec<usize> = agents.iter().filter_map(seat).collect();
                seats.iter().for_each(|seat| table.seats[*seat].unheard[side.index()] = None);
                let gap = |seat| Come { seat, event: Event::Gap(side), at };
                events.extend(seats.into_iter().map(gap));
            }
            Told::Lost { agents, why } => {
                let seats: Vec<usize> = agents.iter().filter_map(seat).collect();
                let why: Arc<str> = why.into();
                for seat in seats {
                    table.seats[seat].unheard[side.index()] = Some(Arc::clone(&why));
                    events.push(Come { seat, event: Event::Lost(side), at });
                }
            }
        }
    }

    async fn take_heard(&mut self, heard: Heard) -> Result<(), End> {
        let (agent, event) = match heard {
            Heard::Came { agent } => (agent, Event::Console { is_there: true }),
            Heard::Left { agent } => (agent, Event::Console { is_there: false }),
            Heard::Said { agent, number, outcome } => {
                let answer = match outcome {
                    // What it really shows, the CRM itself tells.
                    Outcome::Done => Answer::Done(None),
                    Outcome::Late => Answer::Late,
                    Outcome::Refused => Answer::Refused,
                };
                (agent, Event::Answer { side: Side::Crm, number, answer })
            }
        };
        let seat = self.desk.table().by_id[Side::Crm.index()].get(&agent).copied();
        self.take(seat.map(|seat| just(seat, event)).into_iter().collect()).await
    }

    async fn take_done(&mut self, done: Done) -> Result<(), End> {
        let events = match done {
            Done::Read { side, began, seats } => {
                let seats = seats.into_iter().filter_map(|(seat, seen)| {
                    let seen = self.looked(seat, side, seen)?;
                    Some(just(seat, Event::Read { side, reading: reading(began, seen) }))
                });
                seats.collect()
            }
            Done::Compared { began, seats } => {
                let seats = seats.into_iter().filter_map(|(seat, [center, crm])| {
                    let center = self.looked(seat, Side::Center, center);
                    let crm = self.looked(seat, Side::Crm, crm);
                    let readings = [center?, crm?].map(|seen| reading(began, seen));
                    Some(just(seat, Event::Compared(readings)))
                });
                seats.collect()
            }
            Done::Unread { side, seat, why } => {
                self.looked(seat, side, Err(why));
                Events::new()
            }
            Done::Set { side, answers } => {
                let answers = answers.into_iter().map(|(seat, number, answer)| {
                    just(seat, Event::Answer { side, number, answer })
                });
                answers.collect()
            }
            Done::Who(opened) => {
                return if open::is_same(&self.desk, &opened) { Ok(()) } else { Err(End::Changed) };
            }
            Done::Nothing => Events::new(),
        };
        self.take(events).await
    }

    /// What a side says of an agent. One whom it does not have any more is commanded nothing;
    /// one of whom it cannot be read is told of, and looked at again with the next comparison.
    fn looked(&self, seat: usize, side: Side, seen: Result<Seen, Error>) -> Option<Seen> {
        let mut table = self.desk.table();
        let seat = &mut table.seats[seat];
        match &seen {
            Ok(_) => (seat.gone[side.index()], seat.unread[side.index()]) = (false, None),
            Err(Error::NotFound) => seat.gone[side.index()] = true,
            Err(why) => seat.unread[side.index()] = Some(format!("cannot be read: {why}").into()),
        }
        seen.ok()
    }

    async fn tick(&mut self) -> Result<(), End> {
        let now = self.engine.clock.now();
        let mut events = Events::new();
        {
            let table = self.desk.table();
            while let Some(Reverse((at, seat))) = self.wakes.peek().copied()
                && at <= now
                && events.len() < BATCH
            {
                self.wakes.pop();
                if table.seats[seat].state.wake == Some(at) {
                    events.push(just(seat, Event::Tick));
                }
            }
        }
        self.take(events).await
    }

    fn next_tick(&self) -> Duration {
        let now = self.engine.clock.now();
        let next = self.wakes.peek().map(|Reverse((at, _))| at.since(now));
        next.map_or(TICK_MAX, |next| next.min(TICK_MAX))
    }

    /// Decides, keeps, and has done.
    async fn take(&mut self, events: Events) -> Result<(), End> {
        if events.is_empty() {
            return Ok(());
        }
        let now = self.engine.clock.now();
        let (kept, actions, came) = self.decide(events, now);
        if !kept.is_empty() {
            let is_kept = self.engine.store.keep_agents(&self.hold, kept, now).await;
            match is_kept {
                Ok(true) => {}
                Ok(false) => return Err(End::Lost),
                // What was decided is decided anew, from what was kept.
                Err(error) => return Err(End::Failed(error.to_string())),
            }
        }
        for (seat, action) in actions {
            self.perform(seat, action);
        }
        let took = came.into_iter().map(|at| at.elapsed());
        self.engine.metrics.presence_decided(&self.desk.team().name, took);
        Ok(())
    }

    fn decide(
        &mut self,
        events: Events,
        now: Timestamp,
    ) -> (Vec<NewKept>, Vec<(usize, Action)>, Vec<Instant>) {
        let came = events.iter().map(|come| come.at).collect();
        let mut dirty: BTreeMap<usize, Vec<state::presence::Line>> = BTreeMap::new();
        let mut all = Vec::new();
        let mut table = self.desk.table();
        for Come { seat: at, event, .. } in events {
            let seat = &mut table.seats[at];
            let before = std::mem::take(&mut seat.state);
            let (after, actions) = decide(&self.map, before.clone(), event.clone(), now);
            let lines = story::lines(&before, &event, &after, &actions);
            if before.kept != after.kept || !lines.is_empty() {
                dirty.entry(at).or_default().extend(lines);
            }
            for side in SIDES {
                if before.shown(side) != after.shown(side) {
                    seat.since[side.index()] = Some(now);
                }
            }
            seat.state = after;
            all.extend(actions.into_iter().map(|action| (at, action)));
        }
        let kept = dirty.into_iter().map(|(at, lines)| table.seats[at].kept(lines));
        (kept.collect(), all, came)
    }

    fn perform(&mut self, seat: usize, action: Action) {
        match action {
            Action::Set(command) if self.is_console(command.side) => {
                let (agent, expected) = {
                    let table = self.desk.table();
                    let seat = &table.seats[seat];
                    let Some(shown) = seat.state.shown(command.side).cloned() else { return };
                    (seat.ids[Side::Crm.index()].clone(), shown)
                };
                let order = Order {
                    number: command.number,
                    status: command.status,
                    expected,
                    until: command.until,
                };
                // Where it has just left, the command is over time soon, and a reading tells.
                let connection = &self.connections[Side::Crm.index()].name;
                let now = self.engine.clock.now();
                self.engine.presence.consoles().order((connection, &agent), order, now);
            }
            Action::Set(command) => self.hands.set(seat, command),
            Action::BringBack => self.hands.bring_back(&self.desk, seat, &self.ends),
            Action::Read(side) => self.hands.read(side, [seat]),
            Action::Wake(at) => self.wakes.push(Reverse((at, seat))),
            // Whoever looks at the desk sees them.
            Action::Raise(_) | Action::Clear(_) => {}
        }
    }

    fn is_console(&self, side: Side) -> bool {
        self.ends[side.index()].is_set_by_console()
    }
}

impl Seat {
    fn kept(&self, lines: Vec<state::presence::Line>) -> NewKept {
        let [agent, crm_agent] = self.ids.clone();
        let since = self.since;
        NewKept { agent, crm_agent, kept: self.state.kept.clone(), since, lines }
    }
}

fn reading(began: Timestamp, seen: Seen) -> Reading {
    let Seen { status, version, work, work_version } = seen;
    Reading { began, status, version, work, work_version }
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut interval = interval(period.max(Duration::from_millis(10)));
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
