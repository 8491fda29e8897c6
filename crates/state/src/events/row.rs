//! The stored form of events and outcomes; as in [`crate::rows`], a field that
//! is added later needs a default, and none is ever renamed.

use crate::error::{Error, Result};
use domain::timeline::{AgentPart, CustomerPart, Event, Kind, Outcome, Session, Side, Spent};
use domain::{CallId, Timestamp};
use serde::{Deserialize, Serialize};

/// An event without its call and its time, which are columns.
#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
pub(super) struct EventRow {
    #[serde(rename = "k")]
    kind: String,
    /// Side and id of the session.
    #[serde(rename = "s", skip_serializing_if = "Option::is_none")]
    session: Option<(String, String)>,
    #[serde(rename = "u", skip_serializing_if = "Option::is_none")]
    until: Option<i64>,
    #[serde(rename = "t", skip_serializing_if = "Option::is_none")]
    talk_ms: Option<u64>,
    #[serde(rename = "h", skip_serializing_if = "Option::is_none")]
    hold_ms: Option<u64>,
    #[serde(rename = "w", skip_serializing_if = "Option::is_none")]
    work_ms: Option<u64>,
    #[serde(rename = "q", skip_serializing_if = "Option::is_none")]
    queue: Option<String>,
    #[serde(rename = "a", skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
    #[serde(rename = "c", skip_serializing_if = "Option::is_none")]
    wrap_up: Option<String>,
    #[serde(rename = "n", skip_serializing_if = "Option::is_none")]
    notes: Option<String>,
    #[serde(rename = "x", skip_serializing_if = "std::ops::Not::not")]
    is_transfer: bool,
    #[serde(rename = "z", skip_serializing_if = "std::ops::Not::not")]
    is_whole: bool,
}

impl From<Event> for EventRow {
    fn from(event: Event) -> Self {
        Self {
            kind: event.kind.as_str().to_owned(),
            session: event.session.map(|s| (s.side.as_str().to_owned(), s.id)),
            until: event.until.map(|until| until.0),
            talk_ms: event.spent.talk_ms,
            hold_ms: event.spent.hold_ms,
            work_ms: event.spent.work_ms,
            queue: event.queue,
            agent: event.agent,
            wrap_up: event.wrap_up,
            notes: event.notes,
            is_transfer: event.is_transfer,
            is_whole: event.is_whole,
        }
    }
}

const ODD: Error = Error::Corrupt { what: "an event's words" };

impl EventRow {
    pub(super) fn event(self, call: CallId, at: Timestamp) -> Result<Event> {
        let session = match self.session {
            Some((side, id)) => Some(Session { id, side: Side::parse(&side).ok_or(ODD)? }),
            None => None,
        };
        let Self { talk_ms, hold_ms, work_ms, .. } = self;
        Ok(Event {
            call,
            at,
            kind: Kind::parse(&self.kind).ok_or(ODD)?,
            session,
            until: self.until.map(Timestamp),
            spent: Spent { talk_ms, hold_ms, work_ms },
            queue: self.queue,
            agent: self.agent,
            wrap_up: self.wrap_up,
            notes: self.notes,
            is_transfer: self.is_transfer,
            is_whole: self.is_whole,
        })
    }
}

/// The part of an outcome that is not in columns.
#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
pub(super) struct OutcomeRow {
    #[serde(rename = "e", skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_estimated: bool,
    #[serde(rename = "a", skip_serializing_if = "Option::is_none")]
    pub(super) stated_agent: Option<String>,
    #[serde(rename = "w", skip_serializing_if = "Vec::is_empty")]
    pub(super) wrap_ups: Vec<String>,
    #[serde(rename = "n", skip_serializing_if = "Vec::is_empty")]
    pub(super) notes: Vec<String>,
    #[serde(rename = "p", skip_serializing_if = "Vec::is_empty")]
    agents: Vec<AgentRow>,
    #[serde(rename = "c", skip_serializing_if = "Vec::is_empty")]
    customers: Vec<CustomerRow>,
}

#[derive(Serialize, Deserialize)]
struct AgentRow {
    #[serde(rename = "s")]
    session: String,
    #[serde(rename = "a")]
    agent: Option<String>,
    #[serde(rename = "q")]
    queue: Option<String>,
    #[serde(rename = "j")]
    joined: i64,
    #[serde(rename = "l")]
    left: Option<i64>,
    /// Talk, hold, after-call work.
    #[serde(rename = "t")]
    spent_ms: (u64, u64, u64),
    #[serde(rename = "w")]
    wrap_ups: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct CustomerRow {
    #[serde(rename = "s")]
    session: String,
    #[serde(rename = "j")]
    joined: i64,
    #[serde(rename = "l")]
    left: Option<i64>,
    #[serde(rename = "t")]
    connected_ms: u64,
}

impl From<&Outcome> for OutcomeRow {
    fn from(outcome: &Outcome) -> Self {
        let agent = |part: &AgentPart| AgentRow {
            session: part.session.clone(),
            agent: part.agent.clone(),
            queue: part.queue.clone(),
            joined: part.joined.0,
            left: part.left.map(|left| left.0),
            spent_ms: (part.talk_ms, part.hold_ms, part.work_ms),
            wrap_ups: part.wrap_ups.clone(),
        };
        let customer = |part: &CustomerPart| CustomerRow {
            session: part.session.clone(),
            joined: part.joined.0,
            left: part.left.map(|left| left.0),
            connected_ms: part.connected_ms,
        };
        Self {
            is_estimated: outcome.is_estimated,
            stated_agent: outcome.stated_agent.clone(),
            wrap_ups: outcome.wrap_ups.clone(),
            notes: outcome.notes.clone(),
            agents: outcome.agents.iter().map(agent).collect(),
            customers: outcome.customers.iter().map(customer).collect(),
        }
    }
}

impl OutcomeRow {
    /// Gives the outcome its parts back.
    pub(super) fn fill(self, outcome: Outcome) -> Outcome {
        let agent = |row: AgentRow| AgentPart {
            session: row.session,
            agent: row.agent,
            queue: row.queue,
            joined: Timestamp(row.joined),
            left: row.left.map(Timestamp),
            talk_ms: row.spent_ms.0,
            hold_ms: row.spent_ms.1,
            work_ms: row.spent_ms.2,
            wrap_ups: row.wrap_ups,
        };
        let customer = |row: CustomerRow| CustomerPart {
            session: row.session,
            joined: Timestamp(row.joined),
            left: row.left.map(Timestamp),
            connected_ms: row.connected_ms,
        };
        Outcome {
            is_estimated: self.is_estimated,
            stated_agent: self.stated_agent,
            wrap_ups: self.wrap_ups,
            notes: self.notes,
            agents: self.agents.into_iter().map(agent).collect(),
            customers: self.customers.into_iter().map(customer).collect(),
            ..outcome
        }
    }
}
