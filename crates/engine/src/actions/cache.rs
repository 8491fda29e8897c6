//! What an action answered a moment ago, by the values that it was asked with.
//!
//! In memory, bounded and short: a flow that asks twice costs one request.

use super::outcome::Outcome;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Answers of one action.
pub struct Cache {
    keep_for: Duration,
    most: usize,
    kept: Mutex<HashMap<String, (Instant, Outcome)>>,
}

impl Cache {
    /// Keeps at most this many answers, each for so long.
    #[must_use]
    pub fn new(keep_for: Duration, most: usize) -> Self {
        Self { keep_for, most: most.max(1), kept: Mutex::default() }
    }

    pub(crate) fn get(&self, key: &str) -> Option<Outcome> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match kept.get(key) {
            Some((until, outcome)) if *until > Instant::now() => Some(outcome.clone()),
            Some(_) => {
                kept.remove(key);
                None
            }
            None => None,
        }
    }

    /// At the bound what has ended goes; where nothing has, all of it: that costs requests
    /// and nothing else.
    pub(crate) fn put(&self, key: String, outcome: Outcome) {
        let now = Instant::now();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= self.most {
            kept.retain(|_, (until, _)| *until > now);
        }
        if kept.len() >= self.most {
            kept.clear();
        }
        kept.insert(key, (now + self.keep_for, outcome));
    }

    pub(crate) fn clear(&self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl fmt::Debug for Cache {
    /// Nobody's values (invariant 9).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("keep_for", &self.keep_for)
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{Cache, Outcome};
    use crate::actions::Word;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn answers_are_kept_for_a_while_and_never_more_than_the_bound() {
        let cache = Cache::new(Duration::from_secs(60), 3);
        let outcome = || Outcome::of(Word::Hit, "");
        for key in ["a", "b", "c", "d"] {
            cache.put(key.to_owned(), outcome());
            assert_eq!(cache.get(key), Some(outcome()));
            assert!(cache.kept.lock().expect("kept").len() <= 3);
        }
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(cache.get("d"), None);
        cache.put("e".to_owned(), outcome());
        cache.clear();
        assert_eq!(cache.get("e"), None);
    }
}
