//! The bulkhead: how many requests of one connection are under way at once.
//!
//! Calls and background work have places of their own, so that a sync never
//! stands in a call's way (invariant 12), and the queue before the places is
//! bounded, so that a hanging CRM exhausts neither sockets nor memory.

use crate::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// On whose behalf a request goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Somebody is on the line. Never waits for a token; searches what is quick.
    Call,
    /// Enrichment, revalidation, sync. May wait, and may search thoroughly.
    Background,
}

impl Lane {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Background => "background",
        }
    }
}

/// Waiting requests beyond this are refused at once.
const WAITING_MAX: usize = 1_024;

/// The places of one connection.
#[derive(Debug)]
pub struct Gate {
    calls: Places,
    background: Places,
}

#[derive(Debug)]
struct Places {
    free: Arc<Semaphore>,
    size: usize,
    waiting: AtomicUsize,
}

impl Gate {
    /// A gate with this many places for each lane, at least one.
    #[must_use]
    pub fn new(calls: u32, background: u32) -> Self {
        Self { calls: Places::new(calls), background: Places::new(background) }
    }

    /// A place, held until the permit is dropped.
    ///
    /// # Errors
    /// `Unavailable` when too many wait already.
    pub async fn enter(&self, lane: Lane) -> Result<OwnedSemaphorePermit, Error> {
        let places = self.places(lane);
        if let Ok(permit) = Arc::clone(&places.free).try_acquire_owned() {
            return Ok(permit);
        }
        let _waiting = Waiting::begin(&places.waiting)?;
        let permit = Arc::clone(&places.free).acquire_owned().await;
        permit.map_err(|_| Error::unavailable("the connection is closing"))
    }

    /// Requests under way in `lane` now.
    #[must_use]
    pub fn under_way(&self, lane: Lane) -> usize {
        let places = self.places(lane);
        places.size.saturating_sub(places.free.available_permits())
    }

    fn places(&self, lane: Lane) -> &Places {
        match lane {
            Lane::Call => &self.calls,
            Lane::Background => &self.background,
        }
    }
}

impl Places {
    fn new(size: u32) -> Self {
        let size = size.max(1) as usize;
        Self { free: Arc::new(Semaphore::new(size)), size, waiting: AtomicUsize::new(0) }
    }
}

/// Counts one waiter for as long as it waits, also when it is given up.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicUsize) -> Result<Self, Error> {
        let waiting = Self(count);
        if count.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            return Err(Error::unavailable("too many requests wait for this connection"));
        }
        Ok(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{Gate, Lane, WAITING_MAX};
    use std::sync::Arc;

    #[tokio::test]
    async fn background_work_never_takes_a_calls_place() {
        let gate = Gate::new(1, 1);
        let _held = gate.enter(Lane::Background).await.expect("a place");
        let call = gate.enter(Lane::Call).await.expect("a place of its own");
        assert_eq!((gate.under_way(Lane::Call), gate.under_way(Lane::Background)), (1, 1));
        drop(call);
        assert_eq!(gate.under_way(Lane::Call), 0);
    }

    #[tokio::test]
    async fn the_queue_before_the_gate_is_bounded() {
        let gate = Arc::new(Gate::new(1, 1));
        let held = gate.enter(Lane::Call).await.expect("a place");
        let waiters: Vec<_> = (0..WAITING_MAX)
            .map(|_| {
                let gate = Arc::clone(&gate);
                tokio::spawn(async move { gate.enter(Lane::Call).await.map(drop) })
            })
            .collect();
        while gate.calls.waiting.load(std::sync::atomic::Ordering::Relaxed) < WAITING_MAX {
            tokio::task::yield_now().await;
        }
        assert!(gate.enter(Lane::Call).await.is_err());
        drop(held);
        for waiter in waiters {
            waiter.await.expect("no panic").expect("a place in turn");
        }
    }
}
