//! One customer has a record in each of several systems: which, is said by links.
//!
//! From a record of one connection to the same customer's in another: by a link that
//! somebody has made, else by the field of the record that leads beside it, as our own copy
//! has it. Nothing is guessed: of two links none counts, and an id goes to its own system
//! alone. A link whose record was merged away follows it, as a correction does.

use crate::connections::Connection;
use crate::lookup::Engine;
use domain::{ExternalId, Prefix};
use kit::{Ask, Lane};
use state::Key;
use state::audit::Act;
use state::crosswalk::{Link, Put};
use state::subject::Record;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::{Instant, timeout_at};

/// A customer's record in the system that is asked.
pub(crate) struct Counterpart {
    /// As that system writes it.
    pub(crate) record: String,
    /// The link that led here; `None` for a field of the other record.
    pub(crate) link: Option<Link>,
}

/// What leads from a record to another system's.
#[derive(Clone, PartialEq, Eq)]
pub enum Leads {
    Link(Link),
    /// A field of the record itself, which is its own system's to change.
    Field(Record),
}

/// What became of a new link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Linked {
    Linked {
        id: i64,
    },
    /// One of the two was erased here.
    Erased,
    /// What is wrong, by the field that is.
    Refused {
        field: &'static str,
        reason: &'static str,
    },
}

impl Engine {
    /// The record in `other` of whom another connection knows by this one.
    pub(crate) async fn counterpart(
        &self,
        (prefix, record): (&Prefix, &str),
        other: &Connection,
        until: Instant,
    ) -> Option<Counterpart> {
        let owner = self.connections.by_prefix(prefix).filter(|owner| owner.name != other.name)?;
        if self.is_erased_record(&owner.name, record) {
            return None;
        }
        let side = Record { connection: owner.name.clone(), record: record.to_owned() };
        let read = timeout_at(until, self.store.elsewhere(&side, &other.name)).await.ok()?;
        let link = read
            .inspect_err(|error| tracing::warn!("links could not be read: {error}"))
            .ok()
            .flatten();
        if let Some(link) = link {
            let there = if link.record == side { &link.other } else { &link.record };
            let record = other.formats.ids.write(&there.record);
            let is_erased = self.is_erased_record(&other.name, &there.record)
                || self.is_erased_account(&other.name, &record);
            return (!is_erased).then_some(Counterpart { record, link: Some(link) });
        }
        let record = self.by_field(owner, record, &other.name, until).await?;
        Some(Counterpart { record, link: None })
    }

    /// The account beside a connection that a field of this record names, as our copy has it.
    async fn by_field(
        &self,
        owner: &Connection,
        record: &str,
        other: &str,
        until: Instant,
    ) -> Option<String> {
        let beside = owner.beside.iter().find(|beside| beside.connection == other)?;
        let keys = [Key::Record(record.to_owned())];
        let read = timeout_at(until, self.store.find(&owner.name, &keys)).await.ok()?;
        let entry = read
            .inspect_err(|error| tracing::warn!("the directory could not be read: {error}"))
            .ok()?
            .into_iter()
            .next()?;
        self.linked(beside, &entry.contact).map(|linked| linked.id)
    }

    /// Links a record to a customer's record in another connection.
    ///
    /// # Errors
    /// When our own store fails.
    pub async fn link(
        &self,
        external_id: &str,
        connection: &str,
        record: &str,
        actor: String,
    ) -> Result<Linked, state::Error> {
        let refused = |field, reason| Ok(Linked::Refused { field, reason });
        let Ok(ExternalId::Record { prefix, record: own }) = external_id.trim().parse() else {
            return refused("externalId", "does not name a record: PREFIX:id is its form");
        };
        let Some(owner) = self.connections.by_prefix(&prefix) else {
            return refused("externalId", "has a prefix that belongs to no connection");
        };
        let Some(other) = self.connections.get(connection.trim()) else {
            return refused("connection", "is no connection");
        };
        if other.name == owner.name {
            return refused("connection", "is that of the externalId: a link leads to another");
        }
        // What stands there is an id of that system: with or without its prefix.
        let bare = match record.trim().parse() {
            Ok(ExternalId::Record { prefix, record }) if other.prefix.as_ref() == Some(&prefix) => {
                record
            }
            Ok(_) => return refused("record", "is an id of another system"),
            Err(_) => record.trim().to_owned(),
        };
        let there = other.formats.ids.write(&bare);
        if there.is_empty() || there.len() > RECORD_MAX || there.chars().any(char::is_control) {
            return refused("record", "is no id: 1 to 200 characters, none of them a control");
        }
        let here = Record { connection: owner.name.clone(), record: own };
        let there = Record { connection: other.name.clone(), record: there };
        let act = self.act("link.set", &here, &[("linkedTo", self.shown(&there))], actor);
        let put = self.store.put_link(&here, &there, act, self.clock.now()).await?;
        Ok(match put {
            Put::Linked { id, .. } => Linked::Linked { id },
            Put::Erased => Linked::Erased,
        })
    }

    /// Takes a link away; `false` where there is none of this id.
    ///
    /// # Errors
    /// When our own store fails.
    pub async fn unlink(&self, id: i64, actor: String) -> Result<bool, state::Error> {
        let act = Act {
            actor,
            action: "link.removed",
            subject: id.to_string(),
            details: BTreeMap::new(),
        };
        self.store.remove_link(id, act, self.clock.now()).await
    }

    /// Everything that leads from a customer's record elsewhere: links, and fields of our
    /// own copy. `None` where the text names no record.
    ///
    /// # Errors
    /// When our own store fails.
    pub async fn links_of(&self, external_id: &str) -> Result<Option<Vec<Leads>>, state::Error> {
        let Ok(ExternalId::Record { prefix, record }) = external_id.trim().parse() else {
            return Ok(None);
        };
        let Some(owner) = self.connections.by_prefix(&prefix) else { return Ok(None) };
        let side = Record { connection: owner.name.clone(), record };
        if self.is_erased_record(&side.connection, &side.record) {
            return Ok(Some(Vec::new()));
        }
        let links = self.store.links_of(&side).await?;
        let mut leads: Vec<Leads> = links.into_iter().map(Leads::Link).collect();
        let until = Instant::now() + crate::beside::STORE_MAX;
        for beside in &owner.beside {
            let found = self.by_field(owner, &side.record, &beside.connection, until).await;
            leads.extend(found.map(|record| {
                Leads::Field(Record { connection: beside.connection.clone(), record })
            }));
        }
        Ok(Some(leads))
    }

    /// Looks behind an answer whether the record that a link leads to was merged into
    /// another, and follows it. A link whose record is gone stays: it is somebody's to undo.
    pub(crate) fn follow_link(&self, link: Link, to: &Arc<Connection>) {
        let (engine, to) = (self.clone(), Arc::clone(to));
        tokio::spawn(async move {
            let there = if link.record.connection == to.name { &link.record } else { &link.other };
            let Some(lookup) = &to.capabilities.lookup else { return };
            let ask = Ask { record: Some(there.record.clone()), ..Ask::default() };
            match lookup.find(Lane::Background, std::slice::from_ref(&ask)).await {
                Ok(found) if found.first().is_some_and(Vec::is_empty) => {}
                Ok(_) => return,
                Err(error) => {
                    tracing::info!(connection = to.name, "a link could not be followed: {error}");
                    return;
                }
            }
            match lookup.successor(Lane::Background, &there.record).await {
                Ok(Some(record)) => engine.move_links(there, &record).await,
                Ok(None) => {}
                Err(error) => {
                    tracing::info!(connection = to.name, "a link could not be followed: {error}");
                }
            }
        });
    }

    /// A record was merged into another: its links go there.
    pub(crate) async fn move_links(&self, old: &Record, record: &str) {
        if self.is_erased_record(&old.connection, record) {
            return;
        }
        let new = Record { connection: old.connection.clone(), record: record.to_owned() };
        let details = [("newExternalId", self.shown(&new))];
        let act = self.act("link.followed", old, &details, "tieline".to_owned());
        if let Err(error) = self.store.follow_links(old, record, act, self.clock.now()).await {
            tracing::warn!("links could not be changed: {error}");
        }
    }

    /// A record as people read it, and as an erasure finds it in the audit log.
    fn shown(&self, record: &Record) -> String {
        let owner = self.connections.get(&record.connection);
        let prefix = owner.and_then(|owner| owner.prefix.as_ref());
        let name = prefix.map_or(record.connection.as_str(), Prefix::as_str);
        format!("{name}:{}", record.record)
    }

    fn act(
        &self,
        action: &'static str,
        of: &Record,
        details: &[(&str, String)],
        actor: String,
    ) -> Act {
        let details = details.iter().map(|(key, text)| ((*key).to_owned(), text.clone()));
        Act { actor, action, subject: self.shown(of), details: details.collect() }
    }
}

/// Longest id of a record.
const RECORD_MAX: usize = 200;
