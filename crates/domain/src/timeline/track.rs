//! One session through time: when its sides spoke, waited on hold, worked on.
//!
//! Instants (connected, held, retrieved, left) and spans (from, until) both
//! become spans; where spans lie over each other an instant counts once, as hold
//! before talk and as talk before after-call work. Sums that the contact center
//! states count before what the spans add up to.

use super::{AgentPart, CustomerPart, Event, Kind, Spent, between, keep, replace};
use crate::Timestamp;

/// From, until.
type Span = (i64, i64);

/// What is known of one session.
pub(super) struct Track {
    pub(super) joined: Timestamp,
    pub(super) left: Option<Timestamp>,
    pub(super) is_transfer: bool,
    /// Its time was told, be it that there was none.
    pub(super) is_told: bool,
    pub(super) queue: Option<String>,
    agent: Option<String>,
    wrap_ups: Vec<String>,
    talk: Vec<Span>,
    hold: Vec<Span>,
    work: Vec<Span>,
    /// Since when they speak, or wait on hold.
    speaking: Option<Timestamp>,
    waiting: Option<Timestamp>,
    working: Option<Timestamp>,
    has_worked_on: bool,
    stated: Spent,
}

impl Track {
    /// A session whose first event this is.
    pub(super) fn new(first: &Event) -> Self {
        Self {
            joined: first.at,
            left: None,
            is_transfer: false,
            is_told: false,
            has_worked_on: false,
            queue: None,
            agent: None,
            wrap_ups: Vec::new(),
            talk: Vec::new(),
            hold: Vec::new(),
            work: Vec::new(),
            speaking: None,
            waiting: None,
            working: None,
            stated: Spent::default(),
        }
    }

    /// The next event in time.
    pub(super) fn take(&mut self, event: &Event) {
        let at = event.at;
        let span = (at.0, event.until.unwrap_or(at).0);
        match event.kind {
            Kind::Connected | Kind::Retrieved => {
                self.pause(at);
                self.speaking = Some(at);
                self.left = None;
            }
            // After it was left, holding is no news: the session is over.
            Kind::Held if self.left.is_none() => {
                self.pause(at);
                self.waiting = Some(at);
            }
            Kind::Left => {
                self.pause(at);
                self.left = Some(at);
                self.is_transfer = event.is_transfer;
            }
            Kind::Talked => self.talk.push(span),
            Kind::WasHeld => self.hold.push(span),
            Kind::Worked => self.work.push(span),
            Kind::WorkBegun => self.working = self.working.or(Some(at)),
            Kind::WorkEnded => self.work.extend(self.working.take().map(|from| (from.0, at.0))),
            Kind::Held | Kind::Started | Kind::Joined | Kind::WrappedUp | Kind::Ended => {}
        }
        self.is_told |= matches!(
            event.kind,
            Kind::Connected | Kind::Retrieved | Kind::Held | Kind::Left | Kind::Talked
        ) || event.spent.talk_ms.is_some();
        self.has_worked_on |=
            matches!(event.kind, Kind::WorkBegun | Kind::WorkEnded | Kind::Worked);
        let Spent { talk_ms, hold_ms, work_ms } = event.spent;
        self.stated.talk_ms = talk_ms.or(self.stated.talk_ms);
        self.stated.hold_ms = hold_ms.or(self.stated.hold_ms);
        self.stated.work_ms = work_ms.or(self.stated.work_ms);
        replace(&mut self.queue, event.queue.as_ref());
        replace(&mut self.agent, event.agent.as_ref());
        keep(&mut self.wrap_ups, event.wrap_up.as_ref());
    }

    /// It is over: it was left, or its agent has worked on after it.
    pub(super) fn is_done(&self) -> bool {
        self.left.is_some() || (self.has_worked_on && self.speaking.is_none())
    }

    /// Ends what goes on.
    fn pause(&mut self, at: Timestamp) {
        self.talk.extend(self.speaking.take().map(|from| (from.0, at.0)));
        self.hold.extend(self.waiting.take().map(|from| (from.0, at.0)));
    }

    /// Talk, hold and work; what still goes on goes on until the call's end.
    fn spent(&self, ended: Option<Timestamp>) -> (u64, u64, u64) {
        let open = |from: Option<Timestamp>| from.zip(ended).map(|(from, until)| (from.0, until.0));
        let hold: Vec<Span> = self.hold.iter().copied().chain(open(self.waiting)).collect();
        let mut either = hold.clone();
        either.extend(self.talk.iter().copied().chain(open(self.speaking)));
        let mut all = either.clone();
        all.extend(&self.work);
        let (hold, either, all) = (covered(hold), covered(either), covered(all));
        (
            self.stated.talk_ms.unwrap_or(either - hold),
            self.stated.hold_ms.unwrap_or(hold),
            self.stated.work_ms.unwrap_or(all - either),
        )
    }

    /// It as an agent's.
    pub(super) fn agent(&self, id: &str, ended: Option<Timestamp>) -> AgentPart {
        let (talk_ms, hold_ms, work_ms) = self.spent(ended);
        AgentPart {
            session: id.to_owned(),
            agent: self.agent.clone(),
            queue: self.queue.clone(),
            joined: self.joined,
            left: self.left,
            talk_ms,
            hold_ms,
            work_ms,
            wrap_ups: self.wrap_ups.clone(),
        }
    }

    /// It as a customer's.
    pub(super) fn customer(&self, id: &str, ended: Option<Timestamp>) -> CustomerPart {
        let (talk, hold, _) = self.spent(ended);
        let connected_ms = talk.saturating_add(hold);
        CustomerPart { session: id.to_owned(), joined: self.joined, left: self.left, connected_ms }
    }
}

/// How long at least one of the spans lasts. One that ends before it begins is nothing.
fn covered(mut spans: Vec<Span>) -> u64 {
    spans.sort_unstable();
    let mut reached = i64::MIN;
    let mut sum: u64 = 0;
    for (from, until) in spans {
        let from = from.max(reached);
        sum = sum.saturating_add(between(Timestamp(from), Timestamp(until)));
        reached = reached.max(until);
    }
    sum
}
