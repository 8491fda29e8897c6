//! The way in to a connection's system, whatever protocol it speaks: a place, then a request.
//!
//! There is one for each connection, and everything that asks the system passes it: its
//! bulkhead and its rate budget are shared by calls, rules and sync (invariant 12).

use crate::budget::Budget;
use crate::gate::{Gate, Lane};
use crate::{Error, Limits};
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// A cheap handle; all clones share one bulkhead and one budget.
#[derive(Debug, Clone)]
pub struct Turnstile(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    gate: Gate,
    budget: Budget,
}

/// Somebody who passed: their place is theirs until this is dropped.
#[derive(Debug)]
#[must_use = "the place is given back when this is dropped"]
pub struct Passed(
    #[allow(dead_code, reason = "held, and given back by its drop")] OwnedSemaphorePermit,
);

impl Turnstile {
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new(Inner {
            gate: Gate::new(limits.concurrent_calls, limits.concurrent_background),
            budget: Budget::new(limits.requests_per_minute, limits.reserved_for_calls),
        }))
    }

    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.0.budget
    }

    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.0.gate
    }

    /// Waits for a place and takes one request of the budget.
    ///
    /// # Errors
    /// `RateLimited` by our own budget, `Unavailable` when too many wait for a place.
    pub async fn pass(&self, lane: Lane) -> Result<Passed, Error> {
        let place = self.0.gate.enter(lane).await?;
        self.0.budget.take(lane).await?;
        Ok(Passed(place))
    }
}

#[cfg(test)]
mod tests {
    use super::Turnstile;
    use crate::{Error, Lane, Limits};
    use std::time::Duration;

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
}
