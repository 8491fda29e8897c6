//! How a connection is, as far as those must know who route around it.
//!
//! What it answered, how fast, and what it lacks is [`kit::Health`]'s to tell; here
//! stands what follows: a degraded connection still answers calls as well as it can, and
//! a flow is told so that it can go elsewhere.

use crate::Connection;
use crate::live::Live;
use domain::Timestamp;
use kit::Health;
use kit::breaker::Position;
use kit::course::{EVERY, Sample};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Why a connection is degraded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Degraded {
    /// Its budget is at its floor, or the vendor asked for a pause.
    Budget { resets_in: Duration },
    /// It was sick and is left alone until a trial succeeds.
    Sick { tries_in: Duration },
    /// It has no token that could be used.
    NoToken,
}

impl Degraded {
    /// A stable word for answers and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Budget { .. } => "budget",
            Self::Sick { .. } => "sick",
            Self::NoToken => "no_token",
        }
    }

    /// After how long it is likely to be over, where that can be said.
    #[must_use]
    pub fn ends_in(self) -> Option<Duration> {
        match self {
            Self::Budget { resets_in } => Some(resets_in),
            Self::Sick { tries_in } => Some(tries_in),
            Self::NoToken => None,
        }
    }
}

impl Connection {
    /// What it answered lately, and what went wrong.
    ///
    /// # Panics
    /// Never: [`Connection::new`] sees to it.
    #[must_use]
    pub fn health(&self) -> &Arc<Health> {
        self.capabilities.turnstile.health().expect("a connection is watched from its beginning")
    }

    /// Why calls had better go elsewhere for a while; `None` when they need not. Asks nobody
    /// and takes two locks for an instant.
    #[must_use]
    pub fn degraded(&self) -> Option<Degraded> {
        match self.health().breaker.position() {
            Position::Closed => {}
            Position::Open(tries_in) => return Some(Degraded::Sick { tries_in }),
            Position::Trying => return Some(Degraded::Sick { tries_in: Duration::ZERO }),
        }
        if self.capabilities.tokens.as_ref().is_some_and(|tokens| tokens.current().is_none()) {
            return Some(Degraded::NoToken);
        }
        let standing = self.capabilities.turnstile.budget().standing();
        let resets_in = standing.resets_in.filter(|_| standing.is_low)?;
        Some(Degraded::Budget { resets_in })
    }

    /// Whether calls had better go elsewhere for a while.
    #[must_use]
    pub fn is_degraded(&self) -> bool {
        self.degraded().is_some()
    }

    /// How it is at this moment, for the course of the day.
    fn sample(&self, at: Timestamp) -> Sample {
        let (health, pace) = (self.health(), self.health().pace());
        let standing = self.capabilities.turnstile.budget().standing();
        Sample {
            at,
            requests: pace.requests,
            p50: pace.p50,
            p95: pace.p95,
            p99: pace.p99,
            available: standing.available,
            left: standing.left,
            is_open: matches!(health.breaker.position(), Position::Open(_)),
        }
    }
}

/// Notes how every connection is, until told to stop.
pub(crate) async fn keep_course(live: Live, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        let engine = live.now();
        let now = engine.clock.now();
        for connection in engine.connections.all() {
            connection.health().course.note(connection.sample(now));
        }
        drop(engine);
        tokio::select! {
            _ = stop.changed() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}
