//! What an agent has corrected answers the next call of the same number.
//!
//! Before the directory and before the CRM's search, because a person knew better.
//! The record that a correction names must still be there: one that its system has
//! merged into another is followed, one that is gone takes the correction with it.

use crate::connections::{Connection, Route};
use crate::follow_up::Found;
use crate::lookup::Engine;
use domain::matching::Policy;
use domain::{ExternalId, Timestamp};
use kit::{Ask, Lane};
use state::audit::Act;
use state::overrides::{Clear, Override};
use state::subject::Record;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::Instant;

/// How corrections are made and remembered.
#[derive(Debug, Clone, Copy)]
pub struct Corrections {
    /// How long the next calls are answered by one.
    pub remember_for: std::time::Duration,
    /// Only in the queue of the call that was corrected.
    pub per_queue: bool,
    /// How long the CRM may take to confirm one.
    pub confirm_within: std::time::Duration,
}

/// Who answers for a call, by a correction or as usual.
pub(crate) struct Answering {
    pub connection: Arc<Connection>,
    /// What is asked for; with the caller's own number, which names them if nobody is found.
    pub ask: Option<Ask>,
    pub found: Found,
    /// The CRM that the call is for, where another system has answered in its place and
    /// it was not asked yet.
    pub goes_before: Option<Arc<Connection>>,
}

impl Answering {
    pub(crate) fn of(connection: Arc<Connection>, ask: Option<Ask>, found: Found) -> Self {
        Self { connection, ask, found, goes_before: None }
    }
}

/// Under which word a call's queue is remembered, whichever of its words it came by.
pub(crate) fn queue_word<'a>(route: &Route<'a>, said: Option<&'a str>) -> Option<&'a str> {
    route.queue.map(|queue| queue.name.as_str()).or(said)
}

impl Engine {
    /// What a correction of this number leads to; `None` where there is none, or none
    /// that still holds. A CRM that fails does not undo it: then nobody is named.
    pub(crate) async fn corrected(
        &self,
        ask: Option<&Ask>,
        queue: Option<&str>,
        policy: Policy,
        until: Instant,
        now: Timestamp,
    ) -> Option<Answering> {
        let ask = ask?;
        let (old, connection) = self.correction_of(ask, queue, until, now).await?;
        let by_record = Ask { record: Some(old.said.record.clone()), ..Ask::default() };
        let found = self.find(&connection, &by_record, policy, until, now).await;
        if found.people.is_empty() && !found.has_failed {
            let engine = self.clone();
            tokio::spawn(async move { engine.follow_or_lapse(&old, &connection).await });
            return None;
        }
        let ask = Some(Ask { record: by_record.record, ..ask.clone() });
        Some(Answering::of(connection, ask, found))
    }

    /// The correction of an ask's number and its connection. A request that names a
    /// record itself knows better.
    pub(crate) async fn correction_of(
        &self,
        ask: &Ask,
        queue: Option<&str>,
        until: Instant,
        now: Timestamp,
    ) -> Option<(Override, Arc<Connection>)> {
        let number = ask.phone.as_ref().filter(|_| ask.record.is_none())?;
        let read = self.store.override_for(&number.e164, queue, now);
        let read = tokio::time::timeout_at(until, read).await.ok()?;
        let old = read
            .inspect_err(|error| tracing::warn!("corrections could not be read: {error}"))
            .ok()??;
        let connection = self.connections.get(&old.said.connection)?;
        Some((old, Arc::clone(connection)))
    }

    /// The record of a correction is gone: it follows a merge, or it lapses. Where the
    /// CRM cannot say, the next call tries again.
    async fn follow_or_lapse(&self, old: &Override, connection: &Arc<Connection>) {
        let (Some(lookup), Some(prefix)) =
            (&connection.capabilities.lookup, connection.prefix.clone())
        else {
            return;
        };
        let now = self.clock.now();
        let act = |action, details: &[(&str, &str)]| Act {
            actor: "tieline".to_owned(),
            action,
            subject: old.said.external_id.clone(),
            details: details.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect(),
        };
        let done = match lookup.successor(Lane::Background, &old.said.record).await {
            Ok(Some(record)) if !self.is_erased_record(&connection.name, &record) => {
                let new = ExternalId::Record { prefix, record: record.clone() }.to_string();
                let act = act("override.followed", &[("newExternalId", &new)]);
                let gone =
                    Record { connection: connection.name.clone(), record: old.said.record.clone() };
                self.move_links(&gone, &record).await;
                self.store.follow_merge(old, &record, &new, act, now).await.map(drop)
            }
            Ok(_) => {
                let act = act("override.lapsed", &[("reason", "its record is gone")]);
                self.store.clear_overrides(Clear::One(old.id), act, now).await.map(drop)
            }
            Err(error) => {
                let connection = &connection.name;
                tracing::info!(connection, "a correction could not be followed: {error}");
                return;
            }
        };
        if let Err(error) = done {
            tracing::warn!("a correction could not be changed: {error}");
        }
    }

    /// Forgets corrections that have ended; they answer nothing any more.
    pub(crate) async fn forget_ended_overrides(&self) -> Result<(), state::Error> {
        let now = self.clock.now();
        let act = Act {
            actor: "tieline".to_owned(),
            action: "overrides.ended",
            subject: String::new(),
            details: BTreeMap::new(),
        };
        self.store.clear_overrides(Clear::Expired(now), act, now).await.map(drop)
    }
}
