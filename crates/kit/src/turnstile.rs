//! The way in to a connection's system, whatever protocol it speaks: a place, then a request.
//!
//! There is one for each connection, and everything that asks the system passes it: its
//! bulkhead and its rate budget are shared by calls, rules and sync (invariant 12), and
//! its breaker leaves a sick system alone.

use crate::breaker::Pass;
use crate::budget::Budget;
use crate::clock::VendorClock;
use crate::gate::{Gate, Lane};
use crate::health::Health;
use crate::{Error, Limits};
use std::cell::RefCell;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

/// A cheap handle; all clones share one bulkhead, one budget and one breaker.
#[derive(Debug, Clone)]
pub struct Turnstile(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    gate: Arc<Gate>,
    budget: Arc<Budget>,
    health: OnceLock<Arc<Health>>,
    clock: VendorClock,
}

/// Somebody who passed: their place is theirs until this is dropped. Dropped without
/// being settled, it says nothing of how the system is.
#[derive(Debug)]
#[must_use = "the place is given back when this is dropped"]
pub struct Passed {
    watched: Option<(Arc<Health>, Pass, Instant)>,
    #[allow(dead_code, reason = "held, and given back by its drop")]
    place: OwnedSemaphorePermit,
}

/// Counts the requests of one piece of work, by the turnstile that each has passed.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Vec<(Turnstile, u64)>>);

tokio::task_local! {
    static TALLY: Arc<Tally>;
}

/// Does some work and counts its requests. What it leaves to other tasks is not counted.
pub async fn counting<F: Future>(tally: &Arc<Tally>, work: F) -> F::Output {
    TALLY.scope(Arc::clone(tally), work).await
}

impl Tally {
    /// How many requests have passed a turnstile since this was asked last.
    pub fn take(&self, turnstile: &Turnstile) -> u64 {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = counts.iter_mut().find(|(of, _)| of.is(turnstile));
        own.map_or(0, |(_, count)| std::mem::take(count))
    }

    fn count(&self, turnstile: &Turnstile) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match counts.iter_mut().find(|(of, _)| of.is(turnstile)) {
            Some((_, count)) => *count += 1,
            None => counts.push((turnstile.clone(), 1)),
        }
    }
}

thread_local! {
    static SHARED: RefCell<Option<Turnstile>> = const { RefCell::new(None) };
}

/// Opens a connection that asks the same account of the same system with another login: it
/// shares bulkhead and budget, and not the breaker, which a wrong password is no reason to
/// open for all. Connectors need not know of it.
pub fn sharing<T>(turnstile: &Turnstile, open: impl FnOnce() -> T) -> T {
    struct Restore(Option<Turnstile>);
    impl Drop for Restore {
        fn drop(&mut self) {
            SHARED.with(|place| *place.borrow_mut() = self.0.take());
        }
    }
    let before = SHARED.with(|place| place.borrow_mut().replace(turnstile.clone()));
    let _restore = Restore(before);
    open()
}

impl Passed {
    /// What was asked has ended: was the system sick, rather than this request refused?
    pub fn settle(mut self, is_sick: bool) {
        if let Some((health, pass, started)) = self.watched.take() {
            health.took(started.elapsed());
            pass.settle(is_sick);
        }
    }
}

impl Turnstile {
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let shared = SHARED.with(|place| place.borrow().clone());
        let (gate, budget) = match shared {
            Some(Self(other)) => (Arc::clone(&other.gate), Arc::clone(&other.budget)),
            None => (
                Arc::new(Gate::new(limits.concurrent_calls, limits.concurrent_background)),
                Arc::new(Budget::new(limits.requests_per_minute, limits.reserved_for_calls)),
            ),
        };
        Self(Arc::new(Inner {
            gate,
            budget,
            health: OnceLock::new(),
            clock: VendorClock::default(),
        }))
    }

    /// Are both the same?
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.0.budget
    }

    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.0.gate
    }

    /// The system's clock beside ours, where its answers tell it.
    #[must_use]
    pub fn clock(&self) -> &VendorClock {
        &self.0.clock
    }

    /// From now on `health` is told of every request, and its breaker decides which may go
    /// out. The first one stays.
    pub fn watch(&self, health: Arc<Health>) {
        self.0.health.get_or_init(|| health);
    }

    /// Who is told of the requests, if anybody is.
    #[must_use]
    pub fn health(&self) -> Option<&Arc<Health>> {
        self.0.health.get()
    }

    /// Waits for a place and takes one request of the budget.
    ///
    /// # Errors
    /// `RateLimited` by our own budget, `Unavailable` when too many wait for a place, or
    /// when the system is left alone because it was sick.
    pub async fn pass(&self, lane: Lane) -> Result<Passed, Error> {
        // Before the bulkhead: who waits here, or is told that nothing is asked, takes no place.
        let breaker = self.health().map(|health| health.breaker.clone());
        let pass = match (&breaker, lane) {
            (None, _) => None,
            (Some(breaker), Lane::Call) => Some(breaker.pass()),
            (Some(breaker), Lane::Background) => Some(breaker.pass_patiently().await),
        };
        let pass = pass.transpose().map_err(|_| left_alone())?;
        let place = self.0.gate.enter(lane).await?;
        self.0.budget.take(lane).await?;
        if pass.as_ref().is_some_and(|pass| !pass.holds()) {
            return Err(left_alone());
        }
        let _ = TALLY.try_with(|tally| tally.count(self)); // only where somebody counts
        let watched = self.health().zip(pass);
        let watched = watched.map(|(health, pass)| (Arc::clone(health), pass, Instant::now()));
        Ok(Passed { watched, place })
    }
}

fn left_alone() -> Error {
    Error::unavailable("it was sick a moment ago and is left alone until a trial succeeds")
}

#[cfg(test)]
mod tests {
    use super::{Tally, Turnstile, counting, sharing};
    use crate::{Error, Lane, Limits};
    use std::sync::Arc;
    use std::time::Duration;

    #[tokio::test]
    async fn requests_are_counted_for_whom_they_are_made() {
        let limits = Limits {
            requests_per_minute: 100,
            reserved_for_calls: 0,
            concurrent_calls: 9,
            concurrent_background: 9,
            timeout: Duration::from_secs(1),
        };
        let (one, two) = (Turnstile::new(limits), Turnstile::new(limits));
        let tally = Arc::new(Tally::default());
        let work = async {
            for turnstile in [&one, &two, &one.clone()] {
                turnstile.pass(Lane::Background).await.expect("a place").settle(false);
            }
        };
        counting(&tally, work).await;
        one.pass(Lane::Call).await.expect("a place").settle(false);
        assert_eq!([tally.take(&one), tally.take(&two), tally.take(&one)], [2, 1, 0]);
    }

    #[tokio::test]
    async fn all_clones_share_one_budget_and_one_bulkhead() {
        let turnstile = Turnstile::new(Limits {
            requests_per_minute: 2,
            reserved_for_calls: 0,
            concurrent_calls: 2,
            concurrent_background: 1,
            timeout: Duration::from_secs(1),
        });
        let other = turnstile.clone();
        let (first, second) = (turnstile.pass(Lane::Call).await, other.pass(Lane::Call).await);
        assert_eq!(turnstile.gate().under_way(Lane::Call), 2);
        drop((first, second));
        assert_eq!(other.gate().under_way(Lane::Call), 0);
        assert!(matches!(other.pass(Lane::Call).await, Err(Error::RateLimited { .. })));
    }

    #[test]
    fn another_login_shares_the_budget_and_not_the_breaker() {
        let limits = Limits {
            requests_per_minute: 2,
            reserved_for_calls: 0,
            concurrent_calls: 2,
            concurrent_background: 1,
            timeout: Duration::from_secs(1),
        };
        let base = Turnstile::new(limits);
        let own = sharing(&base, || Turnstile::new(limits));
        assert!(std::ptr::eq(own.budget(), base.budget()) && std::ptr::eq(own.gate(), base.gate()));
        own.watch(std::sync::Arc::new(crate::Health::new("own", Duration::from_secs(1))));
        assert!(base.health().is_none());
        assert!(!std::ptr::eq(Turnstile::new(limits).budget(), base.budget()));
    }
}
