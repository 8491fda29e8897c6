//! Decides where a call goes, inside one deadline.
//!
//! The chain at the entry, the CRMs that its rules look at, the first line that holds. As
//! soon as what was heard decides, nobody else is waited for; what a CRM does not say in
//! time leads to the default and is said (invariant 2). The decision is kept behind the
//! answer's back if the store is slow: a lost explanation is less than a lost call.

use super::gather::{About, Gathered, Heard};
use super::keep::{details, records};
use super::set::{Ready, Rules};
use super::words::{doubts, unheard};
use crate::connections::Connections;
use crate::lookup::{Engine, Request, micros};
use domain::rules::{Destination, DestinationKind, Entry, Outcome, Place, Seen, Slot};
use domain::{CallId, Direction, MediaType, Timestamp};
use kit::Ask;
use state::decisions::NewDecision;
use std::time::Duration;
use tokio::time::Instant;

/// How calls are decided, whatever the rules.
#[derive(Debug, Clone)]
pub struct Routing {
    /// How long a decision may take.
    pub deadline: Duration,
    /// Where calls go that come in where no chain hangs.
    pub default: Option<Destination>,
    /// Decisions of one call that may lead on to an IVR.
    pub passes_max: u64,
    /// Whether drafts are decided by as well, and differences counted.
    pub has_shadow: bool,
}

/// A call that is to go somewhere.
#[derive(Debug, Clone)]
pub struct Arriving {
    pub call: CallId,
    /// As it came.
    pub entry: String,
    pub ani: Option<String>,
    pub email: Option<String>,
    pub external_id: Option<String>,
    pub queue: Option<String>,
}

/// How a decision was come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// By a line.
    Matched,
    /// No line holds.
    Default,
    /// A line needs what a CRM did not say in time.
    Degraded,
    /// The call goes round in a circle.
    Loop,
    /// No chain hangs at the entry.
    Unattached,
}

/// Where a call goes, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    pub destination: Option<Destination>,
    pub greeting: Option<String>,
    pub rule: Option<String>,
    /// Counted from 1.
    pub line: Option<u32>,
    pub how: How,
    pub reason: String,
    pub revision: u64,
    pub took: Duration,
    pub warnings: Vec<String>,
}

impl How {
    pub const ALL: [Self; 5] =
        [Self::Matched, Self::Default, Self::Degraded, Self::Loop, Self::Unattached];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Matched => "matched",
            Self::Default => "default",
            Self::Degraded => "degraded",
            Self::Loop => "loop",
            Self::Unattached => "unattached",
        }
    }
}

impl Engine {
    /// Decides. The deadline counts from `arrived`.
    pub async fn decide(&self, ask: Arriving, arrived: Instant) -> Decided {
        let now = self.clock.now();
        let routing = &self.options.routing;
        let deadline = arrived + routing.deadline;
        let until = deadline.checked_sub(self.options.store_reserve).unwrap_or(arrived);
        let entry = super::form::entry(&ask.entry, self.options.region);
        let ready = entry.as_ref().and_then(|entry| self.rules.at(entry)).cloned();
        let (about, mut warnings) = self.about(&ask, entry.as_ref(), until, now).await;
        // Counted before anybody is asked: a CRM that hangs leaves no time for it.
        let passes = match ready.as_ref().is_some_and(|ready| ready.leads_to_ivrs()) {
            true => self.passes(&ask.call, until).await,
            false => 0,
        };
        let (mut decided, heard) = match &ready {
            None => (self.unattached(&ask), Vec::new()),
            Some(ready) => {
                let Gathered { heard, outcome } =
                    self.gather(ready, &about, (until, now), true).await;
                warnings.extend(doubts(ready, &heard, &self.connections));
                (self.come_to(ready, outcome, &heard), heard)
            }
        };
        let shadow = entry.as_ref().and_then(|entry| self.shadowed(entry, &decided, &heard));
        if let Some(ready) = &ready {
            self.break_circle(ready, passes, &mut decided);
        }
        // What is no entry may be anything, also somebody's address: it is not kept.
        let entry = entry.map_or_else(|| "?".to_owned(), |entry| entry.to_string());
        decided.warnings = warnings;
        decided.took = arrived.elapsed();
        let is_corrected = about.is_corrected && !heard.is_empty();
        let details = details(&decided, is_corrected, ready.as_deref(), &heard, &self.connections);
        let kept = NewDecision {
            call: ask.call,
            entry,
            at: now,
            set_revision: decided.revision,
            rule: decided.rule.clone(),
            line: decided.line,
            destination: decided.destination.as_ref().map(ToString::to_string).unwrap_or_default(),
            status: decided.how.as_str(),
            took_us: micros(decided.took),
            shadow,
            number: about.ask.and_then(|ask| ask.phone).map(|phone| phone.e164),
            connection: heard.first().map(|heard| heard.connection.name.clone()),
            records: records(&heard),
            details,
        };
        if !self.keep_in_time(kept, deadline).await {
            decided.warnings.push("the decision is not kept yet".to_owned());
        }
        self.metrics.decided(decided.how.as_str(), arrived.elapsed(), deadline);
        decided
    }

    /// Whom the decision is about: by a correction of the number, else as the request says.
    pub(super) async fn about(
        &self,
        ask: &Arriving,
        entry: Option<&Entry>,
        until: Instant,
        now: Timestamp,
    ) -> (About, Vec<String>) {
        let did = match entry {
            Some(Entry::Did(number)) => Some(number.clone()),
            _ => None,
        };
        let request = Request {
            call: ask.call.clone(),
            direction: Direction::Inbound,
            media: MediaType::Voice,
            from: ask.ani.clone(),
            to: did.clone(),
            queue: ask.queue.clone(),
            user: None,
            email: ask.email.clone(),
            external_id: ask.external_id.clone(),
        };
        let customer = self.customer(&request);
        let owner = customer.owner.as_ref().and_then(|owner| owner.prefix.clone());
        let mut about = About { ask: customer.ask, owner, is_corrected: false };
        let route =
            self.connections.route(ask.queue.as_deref(), did.as_deref(), self.options.region);
        let queue = crate::overrides::queue_word(&route, ask.queue.as_deref());
        if let Some(asked) = &about.ask
            && let Some((old, connection)) = self.correction_of(asked, queue, until, now).await
        {
            about.owner.clone_from(&connection.prefix);
            about.ask = Some(Ask { record: Some(old.said.record), ..asked.clone() });
            about.is_corrected = true;
        }
        (about, customer.warnings)
    }

    fn unattached(&self, ask: &Arriving) -> Decided {
        let destination = self.options.routing.default.clone();
        let where_to = match destination {
            Some(_) => "the default of all goes",
            None => "and there is no default for all",
        };
        let entry = match ask.entry.trim() {
            "" => "without an entry".to_owned(),
            _ => "at this entry".to_owned(),
        };
        let reason = format!("No chain hangs {entry}: {where_to}.");
        Decided { destination, ..self.answer(How::Unattached, reason) }
    }

    fn answer(&self, how: How, reason: String) -> Decided {
        Decided {
            destination: None,
            greeting: None,
            rule: None,
            line: None,
            how,
            reason,
            revision: self.rules.revision,
            took: Duration::ZERO,
            warnings: Vec::new(),
        }
    }

    /// The outcome in words, and where it leads.
    fn come_to(&self, ready: &Ready, outcome: Outcome, heard: &[Heard]) -> Decided {
        let default = Some(ready.chain.default.clone());
        let named = |place: Place| {
            let (rule, line) = ready.compiled.at(place)?;
            let number = u32::try_from(place.line + 1).unwrap_or(u32::MAX);
            Some((rule, line, number))
        };
        match outcome {
            Outcome::Line(place) => {
                let Some((rule, line, number)) = named(place) else {
                    return self.answer(How::Default, String::new());
                };
                let reason = format!("{} (line {number} of {}).", line.words(rule), rule.name);
                Decided {
                    destination: Some(line.destination.clone()),
                    greeting: rule.greeting.clone(),
                    rule: Some(rule.name.clone()),
                    line: Some(number),
                    ..self.answer(How::Matched, reason)
                }
            }
            Outcome::NoLine => {
                let is_known = heard.iter().any(|heard| heard.status() == "hit");
                let reason = match is_known {
                    true => "No line holds: the default.",
                    false => "The caller is not known, and no line holds: the default.",
                };
                Decided { destination: default, ..self.answer(How::Default, reason.to_owned()) }
            }
            Outcome::Undecided(place) => {
                let line = named(place)
                    .map(|(rule, _, number)| format!("line {number} of {}", rule.name))
                    .unwrap_or_default();
                let reason = format!(
                    "{}, and {line} depends on it: the default.",
                    unheard(ready, heard, &self.connections)
                );
                Decided { destination: default, ..self.answer(How::Degraded, reason) }
            }
        }
    }

    /// How often the call was decided already. Where that cannot be read in time the call
    /// passes, and the next decision counts.
    async fn passes(&self, call: &CallId, until: Instant) -> u64 {
        let read = tokio::time::timeout_at(until, self.store.passes(call)).await;
        read.ok().and_then(Result::ok).unwrap_or(0)
    }

    /// A call that has been led on too often goes to where no IVR is.
    fn break_circle(&self, ready: &Ready, passes: u64, decided: &mut Decided) {
        let leads_on =
            decided.destination.as_ref().is_some_and(|to| to.kind == DestinationKind::Ivr);
        if !leads_on || passes < self.options.routing.passes_max {
            return;
        }
        let ways_out = [self.options.routing.default.as_ref(), Some(&ready.chain.default)];
        let mut ways_out = ways_out.into_iter().flatten();
        let way_out = ways_out.find(|to| to.kind != DestinationKind::Ivr).cloned();
        tracing::warn!(call.passes = passes, "a call goes round in a circle of IVRs");
        let reason = format!("The call was led on {passes} times already: the default.");
        *decided = Decided { destination: way_out, ..self.answer(How::Loop, reason) };
    }

    /// Where the draft would send the call, if elsewhere; counts that it was asked.
    fn shadowed(&self, entry: &Entry, decided: &Decided, heard: &[Heard]) -> Option<String> {
        let shadow = self.shadow.as_ref()?;
        let would = would_go(shadow, entry, heard, &self.connections);
        let (word, differs) = match would {
            None => ("unheard", None),
            Some(would) if would == decided.destination.clone() => ("same", None),
            Some(would) => ("other", Some(would.map(|to| to.to_string()).unwrap_or_default())),
        };
        self.metrics.shadowed(word);
        differs
    }
}

/// What the chain comes to by what was heard so far.
pub(super) fn decided_by(ready: &Ready, heard: &[Heard], connections: &Connections) -> Outcome {
    ready.compiled.decide(&seen(ready, heard, connections))
}

pub(super) fn seen<'a>(
    ready: &'a Ready,
    heard: &'a [Heard],
    connections: &'a Connections,
) -> Vec<Seen<'a>> {
    let of = |slot: &'a Slot| {
        let from = heard.iter().find(|heard| heard.is_of(&slot.source));
        from.map_or(Seen::Unheard, |heard| heard.seen(slot, connections))
    };
    ready.compiled.slots().iter().map(of).collect()
}

/// Where a rule set leads by what was heard; `None` where it needs more than that.
fn would_go(
    rules: &Rules,
    entry: &Entry,
    heard: &[Heard],
    connections: &Connections,
) -> Option<Option<Destination>> {
    let Some(ready) = rules.at(entry) else { return Some(None) };
    match decided_by(ready, heard, connections) {
        Outcome::Line(place) => Some(ready.compiled.destination(place).cloned()),
        Outcome::NoLine => Some(Some(ready.chain.default.clone())),
        Outcome::Undecided(_) => None,
    }
}
