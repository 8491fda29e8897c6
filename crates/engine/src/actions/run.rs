//! Runs one action: fill, ask, read out.
//!
//! The request runs in a task of its own, for as long as the action allows: a caller who
//! has stopped waiting does not keep its answer from the next.

use super::Action;
use super::outcome::{Outcome, Word, code};
use super::values::Asked;
use crate::connections::Connection;
use crate::lookup::Engine;
use domain::Timestamp;
use kit::{Custom, Given, Lane, Unfilled};
use state::crosswalk::Link;
use std::sync::Arc;
use tokio::time::Instant;

/// A request that is ready to be sent.
pub(super) struct Prepared {
    /// What stands in it.
    pub given: Given,
    pub custom: Custom,
    /// The link by which its record was found.
    link: Option<Link>,
}

impl Engine {
    /// Puts the values into the request, with the record of the system that is asked; else
    /// how that has ended.
    pub(super) async fn prepare(
        &self,
        action: &Action,
        connection: &Arc<Connection>,
        asked: &Asked,
        lane: Lane,
        until: Instant,
    ) -> Result<Prepared, Outcome> {
        let needs = action.template.names();
        let mut given = self.for_connection(asked, connection);
        if !self.may_be_asked_for(&given, connection) {
            return Err(Outcome::of(Word::Unknown, ""));
        }
        let mut link = None;
        if super::values::lacks_record(needs, &given) {
            link = self.add_record(&mut given, asked, connection, lane, until).await;
        }
        if !self.may_be_asked_for(&given, connection) {
            return Err(Outcome::of(Word::Unknown, ""));
        }
        given.retain(|name, _| needs.contains(name));
        super::values::write(&mut given, connection);
        let code = match action.template.fill(&given) {
            Ok(custom) => return Ok(Prepared { given, custom, link }),
            Err(Unfilled::Missing { .. }) => "action.value_missing",
            Err(Unfilled::Refused { .. }) => "action.value_refused",
        };
        Err(Outcome::of(Word::Unknown, code))
    }

    pub(super) async fn run(
        &self,
        action: &Arc<Action>,
        connection: &Arc<Connection>,
        asked: &Asked,
        lane: Lane,
        until: Instant,
    ) -> Outcome {
        let prepared = self.prepare(action, connection, asked, lane, until).await;
        let Prepared { given, custom, link } = match prepared {
            Ok(prepared) => prepared,
            Err(outcome) => return outcome,
        };
        let key = cache_key(&given);
        if let Some(kept) = action.cache.as_ref().and_then(|cache| cache.get(&key)) {
            return Outcome { source: "cache", ..kept };
        }
        if lane == Lane::Call && super::ready::is_degraded(connection) {
            return Outcome::of(Word::Degraded, "crm.degraded");
        }
        let Some(requests) = connection.capabilities.requests.clone() else {
            // The configuration refuses it before.
            return Outcome::of(Word::Failed, "crm.invalid");
        };
        let (of, now) = (Arc::clone(action), self.clock.now());
        let task = tokio::spawn(async move {
            let patience = if lane == Lane::Call { of.timeout } else { super::pending::PATIENCE };
            let sent = tokio::time::timeout(patience, requests.send(lane, &custom)).await;
            let answer = match sent {
                Ok(Ok(answer)) => answer,
                Ok(Err(error)) => return Err(Some(error)),
                Err(_) => return Err(None),
            };
            let outcome = read_out(&of, &answer, now);
            if let Some(cache) = &of.cache {
                cache.put(key, outcome.clone());
            }
            Ok(outcome)
        });
        let ended = tokio::time::timeout_at(until, task).await;
        let outcome = self.told(connection, action, ended.ok().and_then(Result::ok));
        if let Some(link) = link.filter(|_| outcome.word == Word::Miss) {
            self.follow_link(link, connection);
        }
        outcome
    }

    /// What came of it; a failure counts, and one that only a person can mend is told.
    fn told(
        &self,
        connection: &Connection,
        action: &Action,
        ended: Option<Result<Outcome, Option<kit::Error>>>,
    ) -> Outcome {
        let error = match ended {
            Some(Ok(outcome)) => return outcome,
            Some(Err(Some(error))) => error,
            Some(Err(None)) | None => {
                self.metrics.crm_failed(&connection.name, "deadline");
                return Outcome::of(Word::Failed, "crm.deadline");
            }
        };
        if error != kit::Error::NotFound {
            self.metrics.crm_failed(&connection.name, error.kind());
        }
        if error.is_refusal() {
            tracing::warn!(
                connection = connection.name,
                action = action.name,
                error.code = code(&error),
                "an action was refused: {error}"
            );
        }
        Outcome::failed(&error)
    }
}

/// Of texts, numbers and truth values, in the order of their names.
fn cache_key(given: &Given) -> String {
    serde_json::to_string(given).unwrap_or_default()
}

/// The declared fields of an answer. Where none of them is there, nobody is known.
pub(super) fn read_out(action: &Action, answer: &serde_json::Value, now: Timestamp) -> Outcome {
    let mut outcome = Outcome { source: "crm", as_of: Some(now), ..Outcome::of(Word::Miss, "") };
    for field in &action.fields {
        let found = field.path.of(answer);
        let value = found.and_then(|value| field.kind.read(value));
        if found.is_some() {
            outcome.word = Word::Hit;
        }
        if found.is_some() && value.is_none() {
            outcome.code = "action.field_type";
        }
        outcome.fields.insert(field.name.clone(), value.unwrap_or_else(|| field.default.clone()));
    }
    if action.fields.is_empty() {
        outcome.word = Word::Hit;
    }
    outcome
}
