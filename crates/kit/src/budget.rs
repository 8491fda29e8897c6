//! The rate budget of one connection, shared by all its uses; calls go first.
//!
//! A bucket refills evenly. Background work must leave a reserve in it, so the
//! last requests always belong to calls (invariant 12). What the vendor says
//! itself (`Retry-After`, requests left today) overrules our own count.

use crate::{Error, Lane};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// Shared by every request of a connection.
#[derive(Debug)]
pub struct Budget {
    per_second: f64,
    capacity: f64,
    reserve: f64,
    floor: AtomicU64,
    state: Mutex<State>,
}

/// How a budget stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// Requests that could go out at once, by our own count, and how many that is of at most.
    pub available: u64,
    pub capacity: u64,
    /// What the vendor says is left of its own allowance; `None` where it does not say.
    pub left: Option<u64>,
    /// At or below this the budget is low.
    pub floor: u64,
    /// Is it at its floor, or did the vendor ask for a pause?
    pub is_low: bool,
    /// When it is likely not to be low any more.
    pub resets_in: Option<Duration>,
}

#[derive(Debug)]
struct State {
    tokens: f64,
    refilled_at: Instant,
    /// The vendor asked everybody to wait until then.
    paused_until: Option<Instant>,
    /// What the vendor says is left of a daily or other long allowance, and when it said so.
    left: Option<(u64, Instant)>,
    /// When the vendor's allowance is renewed, where it says.
    renewed_at: Option<Instant>,
}

/// Longest wait of one background request for its turn, before it is given back
/// to its job's own backoff.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// At or below this many requests left, background work stops and calls are told that the
/// connection is degraded, unless the configuration says otherwise.
pub const FLOOR: u64 = 10;

/// Longest time to a renewal that is believed: a day and a bit.
const RENEWED_MAX: Duration = Duration::from_secs(25 * 3_600);

/// How long that word counts: then one background request may ask again, or
/// without calls nobody would ever learn that the allowance was renewed.
const LEFT_TRUSTED: Duration = Duration::from_secs(300);

impl Budget {
    /// `per_minute` requests, of which background work leaves `reserved` to calls.
    #[must_use]
    pub fn new(per_minute: u32, reserved: u32) -> Self {
        let capacity = f64::from(per_minute.max(1));
        let state = State {
            tokens: capacity,
            refilled_at: Instant::now(),
            paused_until: None,
            left: None,
            renewed_at: None,
        };
        Self {
            floor: AtomicU64::new(FLOOR),
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
        state.renew(now);
        let renewed_at = state.renewed_at;
        if let Some(until) = state.paused_until {
            if until > now {
                return Err(until - now);
            }
            state.paused_until = None;
        }
        if lane == Lane::Background
            && let Some((left, told_at)) = &mut state.left
            && *left <= self.floor.load(Ordering::Relaxed)
        {
            let until = renewed_at.unwrap_or(*told_at + LEFT_TRUSTED);
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
        let mut state = self.lock();
        state.left = Some((left, Instant::now()));
        state.renewed_at = None;
    }

    /// The same, where it also says after how long all of it is there again.
    pub fn told_left_until(&self, left: u64, renewed_in: Duration) {
        let now = Instant::now();
        let mut state = self.lock();
        state.left = Some((left, now));
        state.renewed_at = Some(now + renewed_in.min(RENEWED_MAX));
    }

    /// At or below how many requests left this budget is low.
    pub fn set_floor(&self, floor: u64) {
        self.floor.store(floor, Ordering::Relaxed);
    }

    /// How it stands, for health, metrics, and whoever routes around it.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let now = Instant::now();
        let available = self.available();
        let mut state = self.lock();
        state.renew(now);
        let floor = self.floor.load(Ordering::Relaxed);
        // A small allowance is not low from the beginning.
        #[expect(clippy::cast_precision_loss, reason = "a floor is a small number")]
        let own_floor = (floor as f64).min(self.capacity / 10.0);
        let own = (available < own_floor)
            .then(|| Duration::from_secs_f64((own_floor - available) / self.per_second));
        let paused = state.paused_until.and_then(|until| until.checked_duration_since(now));
        // A word that is too old to count lets the next request ask what is left.
        let told = state.left.filter(|(left, _)| *left <= floor).map(|(_, told_at)| {
            let until = state.renewed_at.unwrap_or(told_at + LEFT_TRUSTED);
            until.saturating_duration_since(now)
        });
        let lasts = |wait: &Duration| !wait.is_zero();
        let resets_in = own.max(paused.filter(lasts)).max(told.filter(lasts));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "small and positive"
        )]
        let whole = |number: f64| number as u64;
        Standing {
            available: whole(available),
            capacity: whole(self.capacity),
            left: state.left.map(|(left, _)| left),
            floor,
            is_low: resets_in.is_some(),
            resets_in,
        }
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

impl State {
    /// What was left counts no more once the vendor has renewed it.
    fn renew(&mut self, now: Instant) {
        if self.renewed_at.is_some_and(|renewed| renewed <= now) {
            (self.left, self.renewed_at) = (None, None);
        }
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
    async fn a_budget_whose_last_word_is_too_old_is_not_low_for_ever() {
        let budget = Budget::new(600, 0);
        budget.told_left(3);
        assert!(budget.standing().is_low);
        tokio::time::advance(super::LEFT_TRUSTED).await;
        assert!(!budget.standing().is_low, "the next request learns what is left");
        budget.told_left(3);
        assert!(budget.standing().is_low);
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

    #[tokio::test(start_paused = true)]
    async fn at_its_floor_it_is_low_until_the_vendor_renews_it() {
        let budget = Budget::new(600, 0);
        assert!(!budget.standing().is_low);
        budget.told_left_until(11, Duration::from_secs(60));
        assert!(!budget.standing().is_low, "one above the floor");
        budget.told_left_until(10, Duration::from_secs(60));
        let standing = budget.standing();
        assert!(standing.is_low);
        assert_eq!((standing.left, standing.resets_in), (Some(10), Some(Duration::from_secs(60))));
        assert!(budget.take(Lane::Background).await.is_err(), "left to calls");
        budget.take(Lane::Call).await.expect("calls go on");
        tokio::time::advance(Duration::from_secs(60)).await;
        let standing = budget.standing();
        assert_eq!((standing.is_low, standing.left), (false, None));
        budget.take(Lane::Background).await.expect("renewed");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_makes_it_low_until_it_is_over() {
        let budget = Budget::new(600, 0);
        budget.pause(Duration::from_secs(7));
        assert_eq!(budget.standing().resets_in, Some(Duration::from_secs(7)));
        tokio::time::advance(Duration::from_secs(7)).await;
        assert!(!budget.standing().is_low);
    }

    #[tokio::test(start_paused = true)]
    async fn our_own_count_makes_it_low_as_well() {
        let budget = Budget::new(600, 0);
        for _ in 0..591 {
            budget.take(Lane::Call).await.expect("there");
        }
        assert_eq!(budget.standing().available, 9);
        assert!(budget.standing().is_low);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!budget.standing().is_low, "refilled");
        budget.set_floor(0);
        for _ in 0..19 {
            budget.take(Lane::Call).await.expect("there");
        }
        assert!(!budget.standing().is_low, "a floor of nothing is no floor");
        let small = Budget::new(6, 0);
        assert!(!small.standing().is_low, "a small allowance is not low from the beginning");
    }
}
