//! Leaves a sick system alone until it has shown that it is well.
//!
//! A few failures in a row, or half of the last ones, open the breaker: nothing is asked
//! for a while, and callers are told at once. Then one request goes out to try; it closes
//! the breaker or opens it for twice as long. What counts as sick is a system that does
//! not answer or says that it cannot; a refusal or a throttle is an answer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// So many failures in a row open it.
const IN_A_ROW: u32 = 5;
/// Or so many of the last [`WINDOW`].
const OF_WINDOW: u32 = 10;
const WINDOW: u32 = 20;
/// How long it stays open at first, and at most.
const OPEN_FIRST: Duration = Duration::from_secs(1);
const OPEN_MAX: Duration = Duration::from_secs(5);

/// How long background work waits for a trial to succeed.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the breaker lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Everything.
    Closed,
    /// Nothing, for so long yet.
    Open(Duration),
    /// One request, which is under way.
    Trying,
}

impl Position {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open(_) => "open",
            Self::Trying => "trying",
        }
    }
}

/// The breaker of one connection; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Breaker(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    in_a_row: u32,
    /// One bit for each of the last requests; set where it failed.
    last: u32,
    open: Option<Open>,
    /// How often it was opened, for metrics.
    opened: u64,
}

#[derive(Debug)]
struct Open {
    until: Instant,
    lasts: Duration,
    is_trying: bool,
}

/// A request that was let through. Given up unsettled, it says nothing of the system.
#[derive(Debug)]
pub struct Pass {
    breaker: Breaker,
    is_trial: bool,
}

impl Breaker {
    /// Lets a request through, or says how long nothing is asked.
    ///
    /// # Errors
    /// The time until the next one may try.
    pub fn pass(&self) -> Result<Pass, Duration> {
        let mut state = self.lock();
        let Some(open) = &mut state.open else {
            drop(state);
            return Ok(Pass { breaker: self.clone(), is_trial: false });
        };
        let left = open.until.saturating_duration_since(Instant::now());
        if open.is_trying || !left.is_zero() {
            return Err(left.max(Duration::from_millis(100)));
        }
        open.is_trying = true;
        drop(state);
        Ok(Pass { breaker: self.clone(), is_trial: true })
    }

    /// As [`Breaker::pass`], for work that nobody waits for: it waits for a while for a
    /// trial to succeed, or to be the one that tries. So what was held up by a sick system
    /// goes on as soon as that is well, and costs it no request more.
    ///
    /// # Errors
    /// As [`Breaker::pass`].
    pub async fn pass_patiently(&self) -> Result<Pass, Duration> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.pass() {
                Err(wait) if Instant::now() + wait < deadline => {
                    tokio::time::sleep(wait).await;
                }
                outcome => return outcome,
            }
        }
    }

    #[must_use]
    pub fn position(&self) -> Position {
        match &self.lock().open {
            None => Position::Closed,
            Some(open) if open.is_trying => Position::Trying,
            Some(open) => Position::Open(open.until.saturating_duration_since(Instant::now())),
        }
    }

    /// How often it was opened so far; a trial that failed does not count again.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.lock().opened
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // A panic while holding the lock leaves counters, which are never half written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass {
    /// May it still go out? What waited for a place while the breaker opened may not.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.is_trial || self.breaker.lock().open.is_none()
    }

    /// The request has ended: was the system sick?
    pub fn settle(self, is_sick: bool) {
        let mut state = self.breaker.lock();
        if self.is_trial {
            match (&mut state.open, is_sick) {
                (Some(open), true) => {
                    open.lasts = (open.lasts * 2).min(OPEN_MAX);
                    open.until = Instant::now() + open.lasts;
                    open.is_trying = false;
                }
                _ => {
                    let opened = state.opened;
                    *state = State { opened, ..State::default() };
                }
            }
            return;
        }
        state.last = (state.last << 1 | u32::from(is_sick)) & ((1 << WINDOW) - 1);
        state.in_a_row = if is_sick { state.in_a_row + 1 } else { 0 };
        let is_broken = state.in_a_row >= IN_A_ROW || state.last.count_ones() >= OF_WINDOW;
        // What was let through before it opened comes back late, and says nothing new.
        if is_sick && is_broken && state.open.is_none() {
            let until = Instant::now() + OPEN_FIRST;
            state.open = Some(Open { until, lasts: OPEN_FIRST, is_trying: false });
            state.opened += 1;
        }
    }
}

impl Drop for Pass {
    /// A trial that was given up leaves its place to the next one.
    fn drop(&mut self) {
        if self.is_trial
            && let Some(open) = &mut self.breaker.lock().open
        {
            open.is_trying = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Breaker, Position};
    use std::time::Duration;

    fn ends(breaker: &Breaker, is_sick: bool) {
        breaker.pass().expect("let through").settle(is_sick);
    }

    async fn opened() -> Breaker {
        let breaker = Breaker::default();
        (0..5).for_each(|_| ends(&breaker, true));
        assert!(matches!(breaker.position(), Position::Open(_)));
        breaker
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_failures_in_a_row_open_it() {
        let breaker = opened().await;
        assert_eq!(breaker.pass().expect_err("nothing is asked"), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn half_of_the_last_ones_open_it_and_a_few_do_not() {
        let breaker = Breaker::default();
        for _ in 0..9 {
            ends(&breaker, true);
            ends(&breaker, false);
        }
        assert_eq!(breaker.position(), Position::Closed);
        ends(&breaker, true);
        assert!(matches!(breaker.position(), Position::Open(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn one_request_tries_and_closes_it() {
        let breaker = opened().await;
        tokio::time::advance(Duration::from_secs(1)).await;
        let trial = breaker.pass().expect("one may try");
        assert_eq!(breaker.position(), Position::Trying);
        assert!(breaker.pass().is_err(), "and only one");
        trial.settle(false);
        assert_eq!(breaker.position(), Position::Closed);
        ends(&breaker, true);
        assert_eq!(breaker.position(), Position::Closed, "the past is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn each_trial_that_fails_doubles_the_wait_up_to_a_bound() {
        let breaker = opened().await;
        let mut waits = Vec::new();
        for _ in 0..7 {
            let Position::Open(wait) = breaker.position() else { panic!("open") };
            waits.push(wait.as_secs());
            tokio::time::advance(wait).await;
            ends(&breaker, true);
        }
        assert_eq!(waits, [1, 2, 4, 5, 5, 5, 5]);
        assert_eq!(breaker.opened(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_trial_that_is_given_up_leaves_its_place() {
        let breaker = opened().await;
        tokio::time::advance(Duration::from_secs(1)).await;
        drop(breaker.pass().expect("one may try"));
        breaker.pass().expect("another may").settle(false);
        assert_eq!(breaker.position(), Position::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_back_late_does_not_open_it_again() {
        let breaker = Breaker::default();
        let late: Vec<_> = (0..8).map(|_| breaker.pass().expect("let through")).collect();
        late.into_iter().for_each(|pass| pass.settle(true));
        assert_eq!(breaker.opened(), 1);
        assert_eq!(breaker.position(), Position::Open(Duration::from_secs(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn background_work_waits_for_a_trial_and_not_for_ever() {
        let breaker = opened().await;
        let before = tokio::time::Instant::now();
        let trial = breaker.pass_patiently().await.expect("it tries itself");
        assert_eq!(before.elapsed(), Duration::from_secs(1));
        let waiting = breaker.pass_patiently();
        let (outcome, ()) = tokio::join!(waiting, async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            trial.settle(false);
        });
        outcome.expect("the trial succeeded").settle(false);
        let breaker = opened().await;
        tokio::time::advance(Duration::from_secs(1)).await;
        let _held = breaker.pass().expect("a trial that never ends");
        let before = tokio::time::Instant::now();
        assert!(breaker.pass_patiently().await.is_err());
        assert!(before.elapsed() <= Duration::from_secs(10));
    }

    #[tokio::test(start_paused = true)]
    async fn what_waited_while_it_opened_may_not_go_out() {
        let breaker = Breaker::default();
        let waiting = breaker.pass().expect("let through");
        assert!(waiting.holds());
        (0..5).for_each(|_| ends(&breaker, true));
        assert!(!waiting.holds());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(breaker.pass().expect("a trial").holds());
    }
}
