//! Keeps records of two connections the same: one way, or both.
//!
//! A run ([`work`]) first fills the store with what both sides say ([`fetch`]); each side's
//! cursor moves in that commit (invariant 4). Then it settles who waits, batch by batch
//! ([`settle`]): a person is matched, `domain::sync` plans, what is to be written is
//! journaled, written and committed. A run that is killed goes on: who was not settled still
//! waits, records are made by a key, and a change carries the version that it was decided on
//! (invariants 3 and 10). A plan is the same without the writes. Where a side tells by itself
//! who changed, that is followed ([`follow`]), and a short run takes those alone.

mod agreed;
mod brake;
pub mod control;
pub mod decide;
mod doubt;
pub mod fetch;
pub(crate) mod follow;
pub mod health;
mod kept;
pub mod map;
mod matching;
mod nudge;
mod outcome;
mod patience;
mod perform;
pub mod promote;
mod rehearse;
mod returned;
mod review;
pub mod sample;
pub mod schedule;
mod send;
mod settle;
mod undo;
pub(crate) mod work;

pub use control::{Asked, Forgotten, Started, Syncing, work_on_one};
pub use nudge::Told;

use crate::connections::Connection;
use domain::sync::matching::KeyKind;
use domain::sync::{Policy, Side};
use kit::{Changes, Feed, Writes};
use map::Map;
use schedule::Schedule;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

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
    pub upkeep: Upkeep,
}

/// What is watched over.
#[derive(Debug, Clone, Copy)]
pub struct Upkeep {
    /// A run with more errors is told.
    pub errors_over: u64,
    /// A run that takes longer is told; zero: none is.
    pub run_over: Duration,
    /// Pairs that a measurement of drift reads.
    pub sample: usize,
    /// How often drift is measured; zero: only when somebody asks.
    pub measure_every: Duration,
}

impl Default for Upkeep {
    fn default() -> Self {
        Self {
            errors_over: 10,
            run_over: Duration::from_secs(300),
            sample: 200,
            measure_every: Duration::from_secs(86_400),
        }
    }
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
    /// Tells by itself who changed; `None`: nobody listens.
    pub(crate) feed: Option<Arc<dyn Feed>>,
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

    /// The policy of now: times of the two sides are told apart no closer than their clocks
    /// were measured to be apart, nor closer than was configured.
    pub(crate) fn trusting(&self) -> Policy {
        let measured = [Side::Left, Side::Right]
            .map(|side| self.end(side).connection.capabilities.turnstile.clock().ahead());
        let apart = match measured {
            [Some(left), Some(right)] => left.apart(right),
            // Who tells no time is taken at its word.
            _ => Duration::ZERO,
        };
        Policy { skew: self.policy.skew.max(apart), ..self.policy }
    }

    /// Does a side tell by itself who changed, and is that followed?
    #[must_use]
    pub fn is_pushed(&self) -> bool {
        self.ends.iter().any(|end| end.feed.is_some())
    }
}

impl End {
    /// `None` where the connection tells no changes or takes no writes.
    #[must_use]
    pub fn new(connection: &Arc<Connection>, object: &str) -> Option<Self> {
        Some(Self {
            changes: connection.capabilities.changes.clone()?,
            writes: connection.capabilities.writes.clone()?,
            feed: None,
            connection: Arc::clone(connection),
            object: object.to_owned(),
            key: None,
            filter: Vec::new(),
            mark: None,
        })
    }

    /// May a record with these fields come in?
    pub(crate) fn lets_in(&self, fields: &kit::Fields) -> bool {
        self.filter.iter().all(|condition| condition.holds(fields))
    }

    /// From now on what this side tells by itself is followed; false where it does not.
    pub fn follow(&mut self) -> bool {
        self.feed.clone_from(&self.connection.capabilities.feed);
        self.feed.is_some()
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
    /// By the connection of their left: those that read something for the directory alone.
    keeping: BTreeMap<String, Vec<Arc<Sync>>>,
}

impl Syncs {
    #[must_use]
    pub fn new(all: Vec<Sync>) -> Self {
        let mut syncs = Self::default();
        for sync in all.into_iter().map(Arc::new) {
            if sync.map.keeps() {
                let left = sync.end(Side::Left).connection.name.clone();
                syncs.keeping.entry(left).or_default().push(Arc::clone(&sync));
            }
            syncs.by_name.insert(sync.name.clone(), sync);
        }
        syncs
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Sync>> {
        self.by_name.get(name)
    }

    pub(crate) fn keeping(&self, connection: &str) -> &[Arc<Sync>] {
        self.keeping.get(connection).map(Vec::as_slice).unwrap_or_default()
    }

    /// In the order of their names.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Sync>> {
        self.by_name.values()
    }
}
