//! Keeps records of two connections the same: one way, or both.
//!
//! A run ([`work`]) first fills the store with what both sides say ([`fetch`]); each side's
//! cursor moves in that commit (invariant 4). Then it settles who waits, batch by batch
//! ([`settle`]): a person is matched, `domain::sync` plans, what is to be written is
//! journaled, written and committed. A run that is killed goes on: who was not settled still
//! waits, records are made by a key, and a change carries the version that it was decided on
//! (invariants 3 and 10). A plan is the same without the writes.

mod agreed;
pub mod control;
pub mod decide;
pub mod fetch;
pub mod health;
pub mod map;
mod matching;
mod outcome;
mod patience;
mod perform;
mod review;
pub mod schedule;
mod send;
mod settle;
mod undo;
mod work;

pub use control::{Asked, Started, Syncing};

use crate::connections::Connection;
use domain::sync::matching::KeyKind;
use domain::sync::{Policy, Side};
use kit::{Changes, Writes};
use map::Map;
use schedule::Schedule;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A sync as it is configured.
#[derive(Clone)]
pub struct Sync {
    pub name: String,
    /// The left and the right.
    pub ends: [End; 2],
    pub map: Map,
    pub policy: Policy,
    /// By what a record finds its other, in this order.
    pub steps: Vec<KeyKind>,
    /// A key that more records of one side have is nobody's own.
    pub generic_over: u64,
    pub brake: Brake,
    /// `None`: only when somebody asks.
    pub schedule: Option<Schedule>,
}

/// One side of a sync.
#[derive(Clone)]
pub struct End {
    pub connection: Arc<Connection>,
    /// The vendor's name of the object.
    pub object: String,
    /// The field by which records are made here.
    pub key: Option<String>,
    /// Who comes in.
    pub filter: Vec<fetch::Condition>,
    /// What says that a record's other is gone: a field and its value.
    pub mark: Option<(String, String)>,
    pub(crate) changes: Arc<dyn Changes>,
    pub(crate) writes: Arc<dyn Writes>,
}

/// A run that would delete more than this stops and asks.
#[derive(Debug, Clone, Copy)]
pub struct Brake {
    pub deletes_max: u64,
    pub percent_max: f64,
}

impl Sync {
    #[must_use]
    pub fn end(&self, side: Side) -> &End {
        &self.ends[side.index()]
    }
}

impl End {
    /// `None` where the connection tells no changes or takes no writes.
    #[must_use]
    pub fn new(connection: &Arc<Connection>, object: &str) -> Option<Self> {
        Some(Self {
            changes: connection.capabilities.changes.clone()?,
            writes: connection.capabilities.writes.clone()?,
            connection: Arc::clone(connection),
            object: object.to_owned(),
            key: None,
            filter: Vec::new(),
            mark: None,
        })
    }

    /// A record's id as the other side keeps it: with the connection's prefix, where it has one.
    pub(crate) fn external_id(&self, record: &str) -> String {
        match &self.connection.prefix {
            Some(prefix) => format!("{}:{record}", prefix.as_str()),
            None => record.to_owned(),
        }
    }
}

/// Every sync, by its name.
#[derive(Default)]
pub struct Syncs {
    by_name: BTreeMap<String, Arc<Sync>>,
}

impl Syncs {
    #[must_use]
    pub fn new(all: Vec<Sync>) -> Self {
        Self { by_name: all.into_iter().map(|sync| (sync.name.clone(), Arc::new(sync))).collect() }
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Sync>> {
        self.by_name.get(name)
    }

    /// In the order of their names.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Sync>> {
        self.by_name.values()
    }
}
