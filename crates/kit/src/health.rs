//! How one connection is: what it answered lately, how fast, and what is wrong.
//!
//! [`crate::Http`] tells it of every request, [`crate::Capabilities::watched`] of what
//! each came to in the end. It holds the connection's [`Breaker`]. Nothing of it names a
//! customer or a secret: kinds of errors, permissions, times.

use crate::Error;
use crate::breaker::Breaker;
use crate::clock::now;
use domain::Timestamp;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Requests whose times are kept, and for how long they count.
const TIMES_MAX: usize = 1_024;
const TIMES_FOR: Duration = Duration::from_secs(300);
/// Errors that are kept: one of each kind and subject, the last ones.
const ERRORS_MAX: usize = 10;
/// A slow system is told of once in so long, with how often it was slow meanwhile.
const TOLD_EVERY: Duration = Duration::from_secs(10);
/// Above this a request is slow, unless the configuration says otherwise.
pub const SLOW_AFTER: Duration = Duration::from_secs(1);

/// The health of one connection.
#[derive(Debug)]
pub struct Health {
    connection: String,
    slow_after: Duration,
    pub breaker: Breaker,
    times: Mutex<VecDeque<(Instant, Duration)>>,
    errors: Mutex<VecDeque<Trouble>>,
    slow: Mutex<Slow>,
    slow_total: AtomicU64,
    /// What the vendor said of the credentials.
    pub rights: crate::rights::Noted,
    /// How it was over the last day.
    pub course: crate::course::Course,
}

#[derive(Debug, Default)]
struct Slow {
    told_at: Option<Instant>,
    /// Slow ones since then, and the slowest.
    since: u64,
    slowest: Duration,
    last: Option<(Timestamp, Duration)>,
}

/// Something that went wrong, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// When it was seen last.
    pub at: Timestamp,
    /// How often in a row.
    pub times: u64,
    /// What was tried: `lookup`, `write`, …
    pub doing: &'static str,
    pub error: Error,
    /// Has the same thing gone well since?
    pub is_over: bool,
}

impl Trouble {
    /// What an administrator can do about it.
    #[must_use]
    pub fn fix(&self) -> String {
        match &self.error {
            Error::Unauthorized { .. } => {
                "Compare the connection's credentials with the vendor's app; `tieline check` tries them.".to_owned()
            }
            Error::Forbidden { missing } => {
                format!("Grant the connection's user {missing}, or take it out of the settings.")
            }
            Error::RateLimited { .. } => {
                "Wait for the reset; lower limits.requests_per_minute, or buy more requests.".to_owned()
            }
            Error::Unavailable { .. } => {
                "Look at the vendor's status page and at the way there; Tieline tries again by itself.".to_owned()
            }
            Error::NotFound => "The record is gone there; nothing needs to be done.".to_owned(),
            Error::Conflict { .. } => {
                "Somebody else changed the record; it is read and tried again.".to_owned()
            }
            Error::Invalid { field: Some(field), .. } => {
                format!("Correct {field}: compare the connection's settings with the vendor's system.")
            }
            Error::Invalid { field: None, .. } => {
                "Compare the connection's settings with the vendor's system.".to_owned()
            }
            Error::Protocol { .. } => {
                "Something between here and the vendor answers in its place (a proxy, a login page), or the vendor changed its API.".to_owned()
            }
        }
    }
}

/// How fast a connection was in the last five minutes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pace {
    pub requests: usize,
    pub p50: Duration,
    pub p95: Duration,
    pub p99: Duration,
    /// Above this a request is slow.
    pub slow_after: Duration,
    /// Requests that were slow, since the start.
    pub slow: u64,
    /// The last of them: when, and how long it took.
    pub slow_last: Option<(Timestamp, Duration)>,
}

impl Health {
    #[must_use]
    pub fn new(connection: &str, slow_after: Duration) -> Self {
        Self {
            connection: connection.to_owned(),
            slow_after,
            breaker: Breaker::default(),
            times: Mutex::default(),
            errors: Mutex::default(),
            slow: Mutex::default(),
            slow_total: AtomicU64::new(0),
            rights: crate::rights::Noted::default(),
            course: crate::course::Course::default(),
        }
    }

    /// A request has ended after so long, answered or not.
    pub fn took(&self, time: Duration) {
        {
            let mut times = lock(&self.times);
            if times.len() >= TIMES_MAX {
                times.pop_front();
            }
            times.push_back((Instant::now(), time));
        }
        if time >= self.slow_after {
            self.was_slow(time);
        }
    }

    fn was_slow(&self, time: Duration) {
        self.slow_total.fetch_add(1, Ordering::Relaxed);
        let mut slow = lock(&self.slow);
        slow.since += 1;
        slow.slowest = slow.slowest.max(time);
        slow.last = Some((now(), time));
        if slow.told_at.is_some_and(|told| told.elapsed() < TOLD_EVERY) {
            return;
        }
        let (requests, ms) = (slow.since, slow.slowest.as_millis());
        let limit = self.slow_after.as_millis();
        tracing::warn!(
            connection = self.connection,
            latency_ms = u64::try_from(ms).unwrap_or(u64::MAX),
            requests,
            "slow: a request took {ms} ms, the threshold is {limit} ms"
        );
        (slow.told_at, slow.since, slow.slowest) = (Some(Instant::now()), 0, Duration::ZERO);
    }

    /// What was tried has ended.
    pub fn ended<T>(&self, doing: &'static str, outcome: &Result<T, Error>) {
        let error = match outcome {
            // Neither is anything wrong with the connection.
            Ok(_) | Err(Error::NotFound | Error::Conflict { .. }) => {
                for trouble in lock(&self.errors).iter_mut().filter(|t| t.doing == doing) {
                    trouble.is_over = true;
                }
                return;
            }
            Err(error) => error,
        };
        let mut errors = lock(&self.errors);
        let known = errors.iter().position(|known| {
            known.doing == doing
                && std::mem::discriminant(&known.error) == std::mem::discriminant(error)
        });
        let known = known.and_then(|at| errors.remove(at)).filter(|known| !known.is_over);
        if errors.len() >= ERRORS_MAX {
            errors.pop_front();
        }
        let times = known.map_or(1, |known| known.times + 1);
        let error = error.clone();
        errors.push_back(Trouble { at: now(), times, doing, error, is_over: false });
    }

    /// What went wrong, the latest first.
    #[must_use]
    pub fn troubles(&self) -> Vec<Trouble> {
        lock(&self.errors).iter().rev().cloned().collect()
    }

    /// Permissions that were found missing and have not been seen to be there since.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let errors = lock(&self.errors);
        let missing = errors.iter().filter(|trouble| !trouble.is_over).filter_map(|trouble| {
            match &trouble.error {
                Error::Forbidden { missing } => Some(missing.clone()),
                _ => None,
            }
        });
        missing.collect()
    }

    #[must_use]
    pub fn pace(&self) -> Pace {
        let oldest = Instant::now().checked_sub(TIMES_FOR);
        let mut times: Vec<Duration> = lock(&self.times)
            .iter()
            .filter(|(at, _)| oldest.is_none_or(|oldest| *at >= oldest))
            .map(|(_, time)| *time)
            .collect();
        times.sort_unstable();
        let of = |percent: usize| {
            let at = (times.len() * percent).div_ceil(100).saturating_sub(1);
            times.get(at).copied().unwrap_or_default()
        };
        Pace {
            requests: times.len(),
            p50: of(50),
            p95: of(95),
            p99: of(99),
            slow_after: self.slow_after,
            slow: self.slow_total.load(Ordering::Relaxed),
            slow_last: lock(&self.slow).last,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // What is behind these locks is replaced whole or counted, never half written.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::{ERRORS_MAX, Health};
    use crate::Error;
    use std::time::Duration;

    fn health() -> Health {
        Health::new("acme", Duration::from_millis(500))
    }

    #[test]
    fn times_are_told_by_their_share() {
        let health = health();
        assert_eq!(health.pace().requests, 0);
        for ms in 1..=100 {
            health.took(Duration::from_millis(ms));
        }
        let pace = health.pace();
        let ms = [pace.p50, pace.p95, pace.p99].map(|time| time.as_millis());
        assert_eq!((ms, pace.slow), ([50, 95, 99], 0));
        health.took(Duration::from_millis(700));
        let pace = health.pace();
        let last = pace.slow_last.expect("a slow one").1;
        assert_eq!((pace.slow, last), (1, Duration::from_millis(700)));
    }

    #[test]
    fn times_are_kept_up_to_a_bound() {
        let health = health();
        (0..3_000).for_each(|_| health.took(Duration::from_millis(1)));
        assert_eq!(health.pace().requests, super::TIMES_MAX);
    }

    #[test]
    fn a_missing_permission_is_told_until_it_is_there() {
        let health = health();
        let missing = || Err::<(), _>(Error::Forbidden { missing: "Contact.Tier__c".to_owned() });
        health.ended("lookup", &missing());
        health.ended("lookup", &missing());
        assert_eq!(health.missing(), ["Contact.Tier__c"]);
        let trouble = health.troubles().remove(0);
        assert_eq!((trouble.times, trouble.is_over), (2, false));
        assert!(trouble.fix().contains("Contact.Tier__c"));
        health.ended("write", &Ok(()));
        assert_eq!(health.missing().len(), 1, "something else went well");
        health.ended("lookup", &Ok(()));
        assert_eq!(health.missing(), Vec::<String>::new());
        assert!(health.troubles()[0].is_over, "and is still to be read");
    }

    #[test]
    fn troubles_are_bounded_and_a_record_that_is_gone_is_none() {
        let health = health();
        health.ended("lookup", &Err::<(), _>(Error::NotFound));
        assert!(health.troubles().is_empty());
        for doing in ["a", "b", "c", "d", "e", "f", "g"] {
            health.ended(doing, &Err::<(), _>(Error::unavailable("down")));
            health.ended(doing, &Err::<(), _>(Error::protocol("html")));
        }
        assert_eq!(health.troubles().len(), ERRORS_MAX);
    }
}
