//! Numbers the CRM did not know a moment ago, so that a caller who redials at
//! once costs no second request. In memory, bounded, and short: a contact that
//! somebody creates now must be found in a minute.

use kit::Ask;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// More than this are not remembered: each costs one more request.
const REMEMBERED_MAX: usize = 20_000;

/// The recent misses of one connection.
#[derive(Debug)]
pub(crate) struct Misses {
    keep_for: Duration,
    until: Mutex<HashMap<Ask, Instant>>,
}

impl Misses {
    /// Remembers each miss for `keep_for`, at most a minute.
    pub(crate) fn new(keep_for: Duration) -> Self {
        Self { keep_for: keep_for.min(Duration::from_secs(60)), until: Mutex::default() }
    }

    pub(crate) fn add(&self, ask: &Ask) {
        let now = Instant::now();
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if until.len() >= REMEMBERED_MAX {
            until.retain(|_, end| *end > now);
        }
        if until.len() < REMEMBERED_MAX {
            until.insert(ask.clone(), now + self.keep_for);
        }
    }

    pub(crate) fn holds(&self, ask: &Ask) -> bool {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        match until.get(ask) {
            Some(end) if *end > Instant::now() => true,
            Some(_) => {
                until.remove(ask);
                false
            }
            None => false,
        }
    }

    /// Nobody's identifiers are kept any more.
    pub(crate) fn forget_all(&self) {
        self.until.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Somebody is known under these identifiers after all.
    pub(crate) fn forget(&self, ask: &Ask) {
        self.until.lock().unwrap_or_else(PoisonError::into_inner).remove(ask);
    }
}

#[cfg(test)]
mod tests {
    use super::Misses;
    use kit::Ask;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_miss_is_remembered_for_a_minute_at_most() {
        let misses = Misses::new(Duration::from_secs(3_600));
        let ask = Ask { email: Some("nobody@example.com".into()), ..Ask::default() };
        misses.add(&ask);
        tokio::time::advance(Duration::from_secs(59)).await;
        assert!(misses.holds(&ask));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(!misses.holds(&ask));
    }
}
