//! A queue without an action is enriched by its connection's lookup: our own copy, else
//! its CRM, and what systems beside it say, as for a call that arrives.

use super::outcome::{Outcome, Word};
use super::values::{Asked, ask_of, put_record};
use crate::connections::{Connection, Queue};
use crate::crosswalk::Counterpart;
use crate::follow_up::{Found, Identity};
use crate::lookup::{Engine, identify};
use crate::overrides::Answering;
use domain::freshness::Freshness;
use domain::matching::Policy;
use domain::{ExternalId, Source, Status, Timestamp, Value};
use kit::{Ask, Given, Lane};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::Instant;

impl Engine {
    pub(super) async fn look_up(
        &self,
        connection: &Arc<Connection>,
        queue: Option<&Queue>,
        asked: &Asked,
        lane: Lane,
        until: Instant,
    ) -> Outcome {
        let mut given = self.for_connection(asked, connection);
        let linked = self.linked_record(asked, connection, until).await;
        if let Some(linked) = &linked {
            put_record(&mut given, &linked.record);
        }
        let Some(identity) = self.who(connection, queue, &given, lane, until).await else {
            return Outcome::of(Word::Unknown, "");
        };
        if let Some(Counterpart { record, link: Some(link) }) = linked
            && identity.status != Status::Partial
            && identity.contact.as_ref().is_none_or(|contact| contact.record != record)
        {
            self.follow_link(link, connection);
        }
        let word = match identity.status {
            Status::Hit => Word::Hit,
            Status::Miss => Word::Miss,
            Status::Ambiguous => Word::Ambiguous,
            Status::Unknown => Word::Unknown,
            Status::Partial => return self.not_heard(connection, &identity, lane),
        };
        let mut outcome = Outcome::of(word, "");
        outcome.fields = fields(&identity);
        if word == Word::Hit {
            outcome.source = match identity.source {
                Source::Directory => "directory",
                Source::Crm => "crm",
                Source::None => "none",
            };
            outcome.as_of = Some(identity.as_of);
        }
        outcome
    }

    fn not_heard(&self, connection: &Connection, identity: &Identity, lane: Lane) -> Outcome {
        if lane == Lane::Call && super::ready::is_degraded(connection) {
            return Outcome::of(Word::Degraded, "crm.degraded");
        }
        Outcome::of(Word::Failed, identity.failure.unwrap_or("crm.deadline"))
    }

    /// Who it is; `None` where there is nothing to ask by, or nobody may be asked for.
    async fn who(
        &self,
        connection: &Arc<Connection>,
        queue: Option<&Queue>,
        given: &Given,
        lane: Lane,
        until: Instant,
    ) -> Option<Identity> {
        let ask = ask_of(given);
        if ask == Ask::default() || self.names_erased(&ask, connection) {
            return None;
        }
        let now = self.clock.now();
        let policy = queue.and_then(|queue| queue.policy).unwrap_or(connection.policy);
        let name = queue.map(|queue| queue.name.as_str());
        let corrected = self.corrected(Some(&ask), name, policy, until, now).await;
        let who = match corrected {
            Some(corrected) => corrected,
            None if lane == Lane::Call && super::ready::is_degraded(connection) => {
                let found = self.kept_at_floor(connection, &ask, policy, until, now).await;
                Answering::of(Arc::clone(connection), Some(ask), found)
            }
            None => self.usually(Arc::clone(connection), Some(&ask), policy, until, now).await,
        };
        let Answering { connection, ask, found, .. } = who;
        let mut identity = identify(self, &connection, ask.as_ref(), found, policy);
        if !connection.beside.is_empty() {
            Box::pin(self.join_in_time(&connection, &mut identity, until, now)).await;
        }
        self.show_kept(&connection, identity.contact.as_mut(), until).await;
        Some(identity)
    }

    /// What our own copy says while a connection is spared: what it still allows is kept for
    /// calls that are only just arriving.
    async fn kept_at_floor(
        &self,
        connection: &Connection,
        ask: &Ask,
        policy: Policy,
        until: Instant,
        now: Timestamp,
    ) -> Found {
        match self.kept(connection, ask, policy, until, now).await {
            Some((kept, Freshness::Fresh | Freshness::Stale)) => kept,
            Some((kept, Freshness::Expired)) => kept.marked_stale().because("crm.degraded"),
            None => Found::failed(now).because("crm.degraded"),
        }
    }

    /// The record that a connection has for a number or an e-mail.
    pub(super) async fn record_by_search(
        &self,
        given: &Given,
        connection: &Arc<Connection>,
        lane: Lane,
        until: Instant,
    ) -> Option<String> {
        connection.capabilities.lookup.as_ref()?;
        let identity = self.who(connection, None, given, lane, until).await?;
        match identity.external_id {
            ExternalId::Record { prefix, record } => {
                (connection.prefix.as_ref() == Some(&prefix)).then_some(record)
            }
            ExternalId::Phone(_) | ExternalId::Unknown => None,
        }
    }
}

/// Names that every lookup gives, besides the data of its connection.
pub const PERSON: [&str; 3] = ["externalId", "name", "email"];

fn fields(identity: &Identity) -> BTreeMap<String, Value> {
    let mut fields = BTreeMap::new();
    if let Some(contact) = &identity.contact {
        fields = contact.data.clone();
        fields.insert("name".to_owned(), Value::Text(contact.name.clone()));
        let email = contact.email.clone().unwrap_or_default();
        fields.insert("email".to_owned(), Value::Text(email));
    }
    fields.insert("externalId".to_owned(), Value::Text(identity.external_id.to_string()));
    fields
}
