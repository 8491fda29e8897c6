//! The engine as it is now: connections, actions, queues and rules can change while it
//! runs.
//!
//! Whoever does one thing takes one snapshot ([`Live::now`], no lock) and keeps it to the
//! end: what is under way never sees half a change, and what a change took away lives until
//! the last who uses it is done. Whoever goes on for long takes a new one each round.

use crate::connections::Connections;
use crate::lookup::Engine;
use crate::sync::Syncs;
use crate::{Actions, Rules};
use arc_swap::ArcSwap;
use std::sync::Arc;
use tokio::sync::watch;

/// The engine as it is now. Cloning is cheap; all clones are one.
#[derive(Clone)]
pub struct Live {
    current: Arc<ArcSwap<Engine>>,
    /// Counts changes, so that whoever waits for one wakes.
    changes: Arc<watch::Sender<u64>>,
}

impl Live {
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        let current = Arc::new(ArcSwap::from_pointee(engine));
        Self { current, changes: Arc::new(watch::Sender::new(0)) }
    }

    /// The engine of this moment.
    #[must_use]
    pub fn now(&self) -> Arc<Engine> {
        self.current.load_full()
    }

    /// From now on these; everything else stays.
    pub fn set(&self, connections: Arc<Connections>, actions: Arc<Actions>, syncs: Arc<Syncs>) {
        self.replace(|now| Engine {
            connections: Arc::clone(&connections),
            actions: Arc::clone(&actions),
            syncs: Arc::clone(&syncs),
            ..Engine::clone(now)
        });
    }

    /// From now on these rules decide.
    pub fn set_rules(&self, rules: Arc<Rules>) {
        self.replace(|now| Engine { rules: Arc::clone(&rules), ..Engine::clone(now) });
    }

    /// From now on these are asked as well, and what they say is only counted.
    pub fn set_shadow(&self, shadow: Option<Arc<Rules>>) {
        self.replace(|now| Engine { shadow: shadow.clone(), ..Engine::clone(now) });
    }

    /// Two that change something at once do not undo each other's.
    fn replace(&self, change: impl Fn(&Arc<Engine>) -> Engine) {
        self.current.rcu(|now| Arc::new(change(now)));
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// Wakes with each change.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}
