//! How often a key may ask: a bucket that fills steadily and holds one minute.
//!
//! In memory of one process: with several nodes each counts for itself.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What is left of one key's requests.
#[derive(Debug)]
pub struct Bucket {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    left: f64,
    at: Instant,
}

impl Bucket {
    /// A full one.
    pub fn new(per_minute: u32, now: Instant) -> Self {
        Self { state: Mutex::new(State { left: f64::from(per_minute), at: now }) }
    }

    /// Takes one request, of so many a minute; otherwise how long until there is one.
    pub fn take(&self, per_minute: u32, now: Instant) -> Result<(), Duration> {
        let most = f64::from(per_minute);
        self.take_of(most, most / 60.0, now)
    }

    /// Takes one of so many at most, which come back so many a second.
    pub fn take_of(&self, most: f64, per_second: f64, now: Instant) -> Result<(), Duration> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_duration_since(state.at).as_secs_f64();
        state.left = (state.left + passed * per_second).min(most);
        state.at = state.at.max(now);
        if state.left >= 1.0 {
            state.left -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - state.left) / per_second))
    }

    /// What was taken is given back.
    pub fn give_back(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).left += 1.0;
    }

    /// Whether it is as a new one would be.
    fn is_full(&self, per_minute: u32, now: Instant) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_duration_since(state.at).as_secs_f64();
        state.left + passed * f64::from(per_minute) / 60.0 >= f64::from(per_minute)
    }
}

/// A bucket for each of many, in bounded memory. At the bound those that are full
/// again are forgotten, which changes nothing; where none is, newcomers share one,
/// so that nobody gets more by being many.
pub struct Buckets<K> {
    held: Mutex<HashMap<K, Arc<Bucket>>>,
    shared: Arc<Bucket>,
    most: usize,
}

impl<K: Hash + Eq> Buckets<K> {
    pub fn new(per_minute: u32, most: usize) -> Self {
        let shared = Arc::new(Bucket::new(per_minute, Instant::now()));
        Self { held: Mutex::default(), shared, most }
    }

    pub fn of(&self, key: K, per_minute: u32, now: Instant) -> Arc<Bucket> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = held.get(&key) {
            return Arc::clone(bucket);
        }
        if held.len() >= self.most {
            held.retain(|_, bucket| !bucket.is_full(per_minute, now));
        }
        if held.len() >= self.most {
            return Arc::clone(&self.shared);
        }
        Arc::clone(held.entry(key).or_insert_with(|| Arc::new(Bucket::new(per_minute, now))))
    }
}

/// What is said once in a while is said this often, with how often it was.
const SAID_EVERY: Duration = Duration::from_secs(60);

/// What strangers can bring about as often as they like and is said once in a while:
/// how often it was since, and when it was said.
#[derive(Default)]
pub struct Seldom(Mutex<(u64, Option<Instant>)>);

impl Seldom {
    /// Counts it; how often it was since it was said, when it is to be said now.
    pub fn count(&self, now: Instant) -> Option<u64> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, last) = &mut *held;
        *count += 1;
        if last.is_some_and(|at| now.saturating_duration_since(at) < SAID_EVERY) {
            return None;
        }
        *last = Some(now);
        Some(std::mem::take(count))
    }
}

#[cfg(test)]
mod tests {
    use super::{Bucket, Buckets, SAID_EVERY, Seldom};
    use std::time::{Duration, Instant};

    #[test]
    fn what_comes_back_slowly_is_soon_gone_and_can_be_given_back() {
        let begun = Instant::now();
        let bucket = Bucket::new(5, begun);
        let take = |at| bucket.take_of(5.0, 1.0 / 180.0, at);
        assert!((0..5).all(|_| take(begun).is_ok()));
        assert_eq!(take(begun).map_err(|wait| wait.as_secs()), Err(180));
        bucket.give_back();
        assert!(take(begun).is_ok());
        assert!(take(begun + Duration::from_secs(181)).is_ok());
        assert!(take(begun + Duration::from_secs(200)).is_err());
    }

    #[test]
    fn a_minute_holds_so_many_and_fills_steadily() {
        let begun = Instant::now();
        let bucket = Bucket::new(30, begun);
        assert!((0..30).all(|_| bucket.take(30, begun).is_ok()));
        assert_eq!(bucket.take(30, begun), Err(Duration::from_secs(2)));
        let later = begun + Duration::from_millis(2_001);
        assert!(bucket.take(30, later).is_ok());
        assert!(bucket.take(30, later).is_err());
        let much_later = later + Duration::from_secs(3_600);
        let taken = (0..100).filter(|_| bucket.take(30, much_later).is_ok()).count();
        assert_eq!(taken, 30, "never more than full");
    }

    #[test]
    fn many_have_a_bucket_each_and_too_many_share_one() {
        let begun = Instant::now();
        let buckets = Buckets::new(1, 3);
        let take = |key: u32, now| buckets.of(key, 1, now).take(1, now).is_ok();
        assert!((0..3).all(|key| take(key, begun)), "one each");
        assert!((0..3).all(|key| !take(key, begun)));
        assert!(take(3, begun) && !take(4, begun) && !take(5, begun), "one for all others");
        let later = begun + Duration::from_secs(61);
        assert!((6..9).all(|key| take(key, later)), "those that are full again made room");
        assert!(buckets.held.lock().expect("unpoisoned").len() <= 3);
    }

    #[test]
    fn no_time_is_counted_twice() {
        let begun = Instant::now();
        let bucket = Bucket::new(60, begun);
        let later = begun + Duration::from_secs(5);
        assert_eq!((0..100).filter(|_| bucket.take(60, later).is_ok()).count(), 60);
        // Two threads may come in another order than they looked at the clock.
        assert!(bucket.take(60, begun).is_err());
        assert!(bucket.take(60, later).is_err());
    }

    #[test]
    fn what_strangers_bring_about_is_said_once_a_minute_with_how_often_it_was() {
        let (seldom, begun) = (Seldom::default(), Instant::now());
        assert_eq!(seldom.count(begun), Some(1));
        let later = begun + SAID_EVERY - Duration::from_millis(1);
        assert!((0..500).all(|_| seldom.count(later).is_none()));
        assert_eq!(seldom.count(begun + SAID_EVERY), Some(501));
        assert_eq!(seldom.count(begun), None, "two threads may look at the clock in any order");
    }
}
