//! How often the search may be asked: a few times a second, calls first.
//!
//! HubSpot counts searches apart from all other requests, for the whole account, and says
//! nothing of them in its headers. So they have a budget of their own: a call is told at
//! once when there is none left, background work waits and leaves two of each second to calls.

use kit::{Error, Lane};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The window in which searches are counted; a little more, because clocks differ.
const WINDOW: Duration = Duration::from_millis(1_050);
/// What background work leaves to calls.
const RESERVED: usize = 2;
/// Longest wait of one background search for its turn.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// The searches of one connection.
pub(super) struct Pace {
    per_window: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    begun: VecDeque<Instant>,
    paused_until: Option<Instant>,
}

impl Pace {
    pub(super) fn new(per_second: usize) -> Self {
        Self { per_window: per_second.max(1), state: Mutex::default() }
    }

    /// Takes one search.
    ///
    /// # Errors
    /// `RateLimited` with the time after which one is likely to pass.
    pub(super) async fn take(&self, lane: Lane) -> Result<(), Error> {
        let started = Instant::now();
        loop {
            let Err(wait) = self.try_take(lane) else { return Ok(()) };
            if lane == Lane::Call || started.elapsed() + wait >= WAIT_MAX {
                return Err(Error::RateLimited { retry_after: Some(wait) });
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// HubSpot itself said that these were too many.
    pub(super) fn pause(&self, pause: Duration) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.paused_until = state.paused_until.max(Some(Instant::now() + pause));
    }

    fn try_take(&self, lane: Lane) -> Result<(), Duration> {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = state.paused_until.filter(|until| *until > now) {
            return Err(until - now);
        }
        while state.begun.front().is_some_and(|begun| now.duration_since(*begun) >= WINDOW) {
            state.begun.pop_front();
        }
        let allowed = match lane {
            Lane::Call => self.per_window,
            Lane::Background => self.per_window.saturating_sub(RESERVED).max(1),
        };
        if state.begun.len() < allowed {
            state.begun.push_back(now);
            return Ok(());
        }
        let frees = state.begun.len() - allowed;
        let until = state.begun.get(frees).map_or(now, |begun| *begun + WINDOW);
        Err(until.saturating_duration_since(now).max(Duration::from_millis(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Pace, WINDOW};
    use kit::{Error, Lane};
    use std::time::Duration;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn a_call_is_told_at_once_and_background_work_leaves_it_two() {
        let pace = Pace::new(5);
        for _ in 0..3 {
            pace.take(Lane::Background).await.expect("three");
        }
        let before = Instant::now();
        for _ in 0..2 {
            pace.take(Lane::Call).await.expect("the two that were left");
        }
        let refused = pace.take(Lane::Call).await.expect_err("none left");
        assert_eq!(refused, Error::RateLimited { retry_after: Some(WINDOW) });
        assert_eq!(before.elapsed(), Duration::ZERO);
        pace.take(Lane::Background).await.expect("waits its turn");
        assert!(before.elapsed() >= WINDOW);
    }

    #[tokio::test(start_paused = true)]
    async fn no_second_has_more_searches_than_are_allowed() {
        let pace = Pace::new(5);
        let began = Instant::now();
        for _ in 0..30 {
            pace.take(Lane::Background).await.expect("in turn");
        }
        assert!(began.elapsed() >= WINDOW * 9, "three a window: {:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_kept() {
        let pace = Pace::new(5);
        pace.pause(Duration::from_secs(4));
        assert!(pace.take(Lane::Call).await.is_err());
        let before = Instant::now();
        pace.take(Lane::Background).await.expect("waits it out");
        assert!(before.elapsed() >= Duration::from_secs(4));
    }
}
