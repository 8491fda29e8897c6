//! What happened in a call, and what it comes to when it is over.
//!
//! A contact center tells of a call in single events: in any order, several
//! times over, late, or never. [`fold`] makes one [`Outcome`] of those there
//! are, and the same one whatever their order and however often each came. How
//! times are told apart within one session: [`track`].

mod track;

use crate::call::words;
use crate::{CallId, Hidden, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use track::Track;

words! {
    /// What an event says. Of events at the same instant the earlier word counts first.
    Kind {
        /// The call began.
        Started = "started",
        /// Somebody's session began: it may still ring.
        Joined = "joined",
        /// They speak.
        Connected = "connected",
        /// The agent put them on hold.
        Held = "held",
        /// The agent took them back from hold.
        Retrieved = "retrieved",
        /// Between `at` and `until` they spoke.
        Talked = "talked",
        /// Between `at` and `until` they were on hold.
        WasHeld = "was_held",
        /// Between `at` and `until` the agent worked on after the call.
        Worked = "worked",
        /// The session is over.
        Left = "left",
        /// The agent's after-call work began.
        WorkBegun = "work_begun",
        /// The agent's after-call work ended.
        WorkEnded = "work_ended",
        /// The agent said what the call was about.
        WrappedUp = "wrapped_up",
        /// The call is over for everybody.
        Ended = "ended",
    }
}

words! {
    /// Whose session it is. Those of menus and queues are nobody's.
    Side {
        Customer = "customer",
        Agent = "agent",
    }
}

/// One side's connection to the call; a transfer or a conference makes more of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Session {
    /// The contact center's id.
    pub id: String,
    pub side: Side,
}

/// Times that an event states as sums, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spent {
    pub talk_ms: Option<u64>,
    pub hold_ms: Option<u64>,
    /// After-call work.
    pub work_ms: Option<u64>,
}

/// One thing that happened in a call. What is not said is `None`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    pub call: CallId,
    /// When it happened, by the contact center's clock.
    pub at: Timestamp,
    pub kind: Kind,
    /// `None`: it is about the whole call.
    pub session: Option<Session>,
    /// Of [`Kind::Talked`], [`Kind::WasHeld`] and [`Kind::Worked`].
    pub until: Option<Timestamp>,
    /// Sums of the session, or of the whole call where there is none. They count
    /// before what its events add up to.
    pub spent: Spent,
    /// The queue, by id or name.
    pub queue: Option<String>,
    /// The agent, by the contact center's id.
    pub agent: Option<String>,
    /// Wrap-up code.
    pub wrap_up: Option<String>,
    /// What the agent wrote beside it.
    pub notes: Option<String>,
    /// The session was left because the call went on elsewhere.
    pub is_transfer: bool,
    /// Who tells this tells the whole call: there are no sessions but those told.
    pub is_whole: bool,
}

impl Event {
    /// The bare fact.
    #[must_use]
    pub fn new(call: CallId, at: Timestamp, kind: Kind) -> Self {
        Self {
            call,
            at,
            kind,
            session: None,
            until: None,
            spent: Spent::default(),
            queue: None,
            agent: None,
            wrap_up: None,
            notes: None,
            is_transfer: false,
            is_whole: false,
        }
    }
}

impl fmt::Debug for Event {
    /// Everything but what an agent wrote (invariant 9).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("call", &self.call)
            .field("at", &self.at)
            .field("kind", &self.kind)
            .field("session", &self.session)
            .field("until", &self.until)
            .field("spent", &self.spent)
            .field("queue", &self.queue)
            .field("agent", &self.agent)
            .field("wrap_up", &self.wrap_up)
            .field("notes", &Hidden::of(self.notes.as_ref()))
            .field("is_transfer", &self.is_transfer)
            .field("is_whole", &self.is_whole)
            .finish()
    }
}

/// What one agent's session came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentPart {
    pub session: String,
    pub agent: Option<String>,
    pub queue: Option<String>,
    pub joined: Timestamp,
    /// `None` while it goes on, as far as was told.
    pub left: Option<Timestamp>,
    pub talk_ms: u64,
    pub hold_ms: u64,
    pub work_ms: u64,
    /// In the order in which they were given, each once.
    pub wrap_ups: Vec<String>,
}

/// What one customer's session came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerPart {
    pub session: String,
    pub joined: Timestamp,
    pub left: Option<Timestamp>,
    pub connected_ms: u64,
}

/// What a call has come to, as far as was told.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    pub started: Option<Timestamp>,
    /// `None`: it goes on, as far as was told.
    pub ended: Option<Timestamp>,
    pub talk_ms: u64,
    pub hold_ms: u64,
    /// After-call work.
    pub work_ms: u64,
    /// Nobody told of any agent's time: talk is all of the customer's, or all of the call.
    pub is_estimated: bool,
    /// The queue that the last agent took it from.
    pub queue: Option<String>,
    /// Wrap-up codes in order, each once.
    pub wrap_ups: Vec<String>,
    /// What agents wrote, in order, each once.
    pub notes: Vec<String>,
    /// By the time they joined. An agent with two sessions is there twice.
    pub agents: Vec<AgentPart>,
    pub customers: Vec<CustomerPart>,
    /// Who handled it, where it is told without any session.
    pub stated_agent: Option<String>,
}

impl Outcome {
    /// Talk, hold and after-call work together.
    #[must_use]
    pub fn handle_ms(&self) -> u64 {
        self.talk_ms.saturating_add(self.hold_ms).saturating_add(self.work_ms)
    }

    /// The agent who handled it last.
    #[must_use]
    pub fn agent(&self) -> Option<&str> {
        let last = self.agents.iter().rev().find_map(|part| part.agent.as_deref());
        self.stated_agent.as_deref().or(last)
    }

    /// How long somebody spoke with the customer or had them on hold; where no
    /// agent's time is known, how long the call was.
    #[must_use]
    pub fn duration_ms(&self) -> u64 {
        match (self.talk_ms.saturating_add(self.hold_ms), self.started, self.ended) {
            (0, Some(started), Some(ended)) => between(started, ended),
            (connected, _, _) => connected,
        }
    }
}

impl fmt::Debug for Outcome {
    /// Everything but what agents wrote (invariant 9).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcome")
            .field("started", &self.started)
            .field("ended", &self.ended)
            .field("talk_ms", &self.talk_ms)
            .field("hold_ms", &self.hold_ms)
            .field("work_ms", &self.work_ms)
            .field("is_estimated", &self.is_estimated)
            .field("queue", &self.queue)
            .field("wrap_ups", &self.wrap_ups)
            .field("notes", &self.notes.len())
            .field("agents", &self.agents)
            .field("customers", &self.customers)
            .field("stated_agent", &self.stated_agent)
            .finish()
    }
}

/// What the events of one call come to. `arrived` is when we learned of the
/// call: it begins then where no event says when it began.
#[must_use]
pub fn fold<'a>(
    events: impl IntoIterator<Item = &'a Event>,
    arrived: Option<Timestamp>,
) -> Outcome {
    // In one order and each once: whatever came is as if it had come in order.
    let events: BTreeSet<&Event> = events.into_iter().collect();
    let mut call = Whole::default();
    let mut tracks: BTreeMap<&Session, Track> = BTreeMap::new();
    for event in &events {
        match &event.session {
            Some(session) => tracks.entry(session).or_insert_with(|| Track::new(event)).take(event),
            None => call.take(event),
        }
        keep(&mut call.wrap_ups, event.wrap_up.as_ref());
        keep(&mut call.notes, event.notes.as_ref());
    }
    call.outcome(&tracks, arrived)
}

/// What is said of the call as a whole.
#[derive(Default)]
struct Whole {
    started: Option<Timestamp>,
    /// By one who does not tell the whole call.
    ended: Option<Timestamp>,
    whole_ended: Option<Timestamp>,
    spent: Spent,
    queue: Option<String>,
    agent: Option<String>,
    wrap_ups: Vec<String>,
    notes: Vec<String>,
}

impl Whole {
    fn take(&mut self, event: &Event) {
        match (event.kind, event.is_whole) {
            (Kind::Started, _) => self.started = self.started.or(Some(event.at)),
            (Kind::Ended, true) => self.whole_ended = Some(event.at),
            (Kind::Ended, false) => self.ended = Some(event.at),
            _ => {}
        }
        let Spent { talk_ms, hold_ms, work_ms } = event.spent;
        self.spent.talk_ms = talk_ms.or(self.spent.talk_ms);
        self.spent.hold_ms = hold_ms.or(self.spent.hold_ms);
        self.spent.work_ms = work_ms.or(self.spent.work_ms);
        replace(&mut self.queue, event.queue.as_ref());
        replace(&mut self.agent, event.agent.as_ref());
    }

    fn outcome(self, tracks: &BTreeMap<&Session, Track>, arrived: Option<Timestamp>) -> Outcome {
        let of = |side| {
            let mut of: Vec<(&String, &Track)> = tracks
                .iter()
                .filter(move |(session, _)| session.side == side)
                .map(|(session, track)| (&session.id, track))
                .collect();
            of.sort_by_key(|(id, track)| (track.joined, *id));
            of
        };
        let (customers, agents) = (of(Side::Customer), of(Side::Agent));
        let by_sessions = ended(&customers, &agents);
        let ended = self.ended.or(by_sessions).or(self.whole_ended);
        let customers: Vec<CustomerPart> =
            customers.into_iter().map(|(id, track)| track.customer(id, ended)).collect();
        let is_untold =
            self.whole_ended.is_none() && agents.iter().all(|(_, track)| !track.is_told);
        let agents: Vec<AgentPart> =
            agents.into_iter().map(|(id, track)| track.agent(id, ended)).collect();
        let joined = customers.iter().map(|c| c.joined).chain(agents.iter().map(|a| a.joined));
        let started = self.started.or(joined.min()).or(arrived);
        let sum = |of: fn(&AgentPart) -> u64| agents.iter().map(of).fold(0, u64::saturating_add);
        let is_estimated = is_untold && self.spent.talk_ms.is_none() && ended.is_some();
        let estimate = || match customers.iter().map(|c| c.connected_ms).max().unwrap_or(0) {
            0 => started.zip(ended).map_or(0, |(started, ended)| between(started, ended)),
            connected => connected,
        };
        let talked = if is_estimated { estimate() } else { sum(|a| a.talk_ms) };
        let last_queue = agents.iter().rev().find_map(|part| part.queue.clone());
        let any_queue = || tracks.values().find_map(|track| track.queue.clone());
        Outcome {
            started,
            ended,
            talk_ms: self.spent.talk_ms.unwrap_or(talked),
            hold_ms: self.spent.hold_ms.unwrap_or_else(|| sum(|a| a.hold_ms)),
            work_ms: self.spent.work_ms.unwrap_or_else(|| sum(|a| a.work_ms)),
            is_estimated,
            queue: self.queue.or(last_queue).or_else(any_queue),
            wrap_ups: self.wrap_ups,
            notes: self.notes,
            agents,
            customers,
            stated_agent: self.agent,
        }
    }
}

/// When the call was over, by its sessions: every customer is gone; or one is, and
/// every agent (a party that an agent had called may hang on for weeks); or, where
/// no customer is told of, the last agent left and did not pass the call on.
fn ended(customers: &[(&String, &Track)], agents: &[(&String, &Track)]) -> Option<Timestamp> {
    let left = |tracks: &[(&String, &Track)]| -> Vec<Timestamp> {
        tracks.iter().filter_map(|(_, track)| track.left).collect()
    };
    let (gone, done) = (left(customers), left(agents));
    let agents_are_done = !agents.is_empty() && agents.iter().all(|(_, track)| track.is_done());
    if !gone.is_empty() && gone.len() == customers.len() {
        return gone.into_iter().max();
    }
    if !gone.is_empty() && agents_are_done {
        return gone.into_iter().chain(done).max();
    }
    let last = agents.iter().max_by_key(|(id, track)| (track.left, *id))?;
    (customers.is_empty() && agents_are_done && !last.1.is_transfer).then_some(last.1.left?)
}

fn between(from: Timestamp, until: Timestamp) -> u64 {
    u64::try_from(until.0.saturating_sub(from.0)).unwrap_or(0)
}

/// The newest word counts; silence changes nothing.
fn replace(known: &mut Option<String>, said: Option<&String>) {
    if let Some(said) = said {
        *known = Some(said.clone());
    }
}

fn keep(all: &mut Vec<String>, said: Option<&String>) {
    if let Some(said) = said.filter(|said| !all.contains(said)) {
        all.push(said.clone());
    }
}

#[cfg(test)]
mod tests;
