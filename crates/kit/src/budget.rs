//! The rate budget of one connection, shared by all its uses; calls go first.
//!
//! A bucket refills evenly. Background work must leave a reserve in it, so the
//! last requests always belong to calls (invariant 12). What the vendor says
//! itself (`Retry-After`, requests left today) overrules our own count.

use crate::{Error, Lane};
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// Shared by every request of a connection.
#[derive(Debug)]
pub struct Budget {
    per_second: f64,
    capacity: f64,
    reserve: f64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tokens: f64,
    refilled_at: Instant,
    /// The vendor asked everybody to wait until then.
    paused_until: Option<Instant>,
    /// What the vendor says is left of a daily or other long allowance, and when it said so.
    left: Option<(u64, Instant)>,
}

/// Longest wait of one background request for its turn, before it is given back
/// to its job's own backoff.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// At or below this many requests left, as told by the vendor, background work stops.
const LEFT_FLOOR: u64 = 10;

/// How long that word counts: then one background request may ask again, or
/// without calls nobody would ever learn that the allowance was renewed.
const LEFT_TRUSTED: Duration = Duration::from_secs(300);

impl Budget {
    /// `per_minute` requests, of which background work leaves `reserved` to calls.
    #[must_use]
    pub fn new(per_minute: u32, reserved: u32) -> Self {
        let capacity = f64::from(per_minute.max(1));
        let state =
            State { tokens: capacity, refilled_at: Instant::now(), paused_until: None, left: None };
        Self {
            per_second: capacity / 60.0,
            capacity,
            reserve: f64::from(reserved).min(capacity - 1.0).max(0.0),
            state: Mutex::new(state),
        }
    }

    /// Takes one request. A call is told at once; background work waits its turn.
    ///
    /// # Errors
    /// `RateLimited` with the time after which a request is likely to pass.
    pub async fn take(&self, lane: Lane) -> Result<(), Error> {
        let started = Instant::now();
        loop {
            let Err(wait) = self.try_take(lane) else {
                return Ok(());
            };
            if lane == Lane::Call || started.elapsed() + wait >= WAIT_MAX {
                return Err(Error::RateLimited { retry_after: Some(wait) });
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Takes one request now, or says how long to wait for it.
    fn try_take(&self, lane: Lane) -> Result<(), Duration> {
        let now = Instant::now();
        let mut state = self.lock();
        if let Some(until) = state.paused_until {
            if until > now {
                return Err(until - now);
            }
            state.paused_until = None;
        }
        if lane == Lane::Background
            && let Some((left, told_at)) = &mut state.left
            && *left <= LEFT_FLOOR
        {
            let until = *told_at + LEFT_TRUSTED;
            if until > now {
                return Err(until - now);
            }
            *told_at = now;
        }
        let refill = now.duration_since(state.refilled_at).as_secs_f64() * self.per_second;
        state.tokens = (state.tokens + refill).min(self.capacity);
        state.refilled_at = now;
        let keep = if lane == Lane::Background { self.reserve } else { 0.0 };
        if state.tokens >= keep + 1.0 {
            state.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64(((keep + 1.0 - state.tokens) / self.per_second).max(0.001)))
    }

    /// The vendor asked for a pause: nobody asks again before it is over.
    pub fn pause(&self, pause: Duration) {
        let until = Instant::now() + pause.min(Duration::from_secs(3_600));
        let mut state = self.lock();
        state.paused_until = Some(state.paused_until.map_or(until, |old| old.max(until)));
    }

    /// The vendor says how many requests are left of its long allowance.
    pub fn told_left(&self, left: u64) {
        self.lock().left = Some((left, Instant::now()));
    }

    /// Requests that could go out at once now, for health and metrics.
    #[must_use]
    pub fn available(&self) -> f64 {
        let state = self.lock();
        let refill = state.refilled_at.elapsed().as_secs_f64() * self.per_second;
        (state.tokens + refill).min(self.capacity)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // A panic while holding the lock leaves counters, which are never half written.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::Budget;
    use crate::{Error, Lane};
    use std::time::Duration;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn background_work_leaves_the_last_requests_to_calls() {
        let budget = Budget::new(10, 4);
        for _ in 0..6 {
            budget.take(Lane::Background).await.expect("above the reserve");
        }
        let before = Instant::now();
        budget.take(Lane::Background).await.expect("after a refill");
        assert!(before.elapsed() >= Duration::from_secs(5), "one request is six seconds here");
        for _ in 0..4 {
            budget.take(Lane::Call).await.expect("the reserve is for calls");
        }
        assert!(matches!(budget.take(Lane::Call).await, Err(Error::RateLimited { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_is_told_at_once_and_never_waits() {
        let budget = Budget::new(1, 0);
        budget.take(Lane::Call).await.expect("the first");
        let before = Instant::now();
        assert!(budget.take(Lane::Call).await.is_err());
        assert_eq!(before.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_that_the_vendor_asks_for_is_kept() {
        let budget = Budget::new(600, 0);
        budget.pause(Duration::from_secs(7));
        let refused = budget.take(Lane::Call).await;
        assert_eq!(refused, Err(Error::RateLimited { retry_after: Some(Duration::from_secs(7)) }));
        budget.take(Lane::Background).await.expect("waits the pause out");
        budget.take(Lane::Call).await.expect("the pause is over");
    }

    #[tokio::test(start_paused = true)]
    async fn near_the_end_of_the_days_allowance_only_calls_go_out() {
        let budget = Budget::new(600, 0);
        budget.told_left(10);
        let before = Instant::now();
        assert!(budget.take(Lane::Background).await.is_err());
        assert_eq!(before.elapsed(), Duration::ZERO, "told at once");
        budget.take(Lane::Call).await.expect("calls go on");
    }

    #[tokio::test(start_paused = true)]
    async fn now_and_then_one_background_request_asks_what_is_left() {
        let budget = Budget::new(600, 0);
        budget.told_left(0);
        tokio::time::advance(Duration::from_secs(301)).await;
        budget.take(Lane::Background).await.expect("one may ask");
        assert!(budget.take(Lane::Background).await.is_err(), "and only one");
        budget.told_left(5_000);
        budget.take(Lane::Background).await.expect("renewed");
    }
}
