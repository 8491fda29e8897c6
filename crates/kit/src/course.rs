//! How a connection did over the last day, a sample a minute: what a chart is drawn of.
//!
//! Like [`crate::Health`] it is one node's own knowledge, and gone with the process.

use domain::Timestamp;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How often a sample is taken, and how many are kept: a day of them.
pub const EVERY: Duration = Duration::from_secs(60);
pub const SAMPLES_MAX: usize = 24 * 60;

/// How a connection was at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    pub at: Timestamp,
    /// Requests that the times are of: those of the five minutes before.
    pub requests: usize,
    pub p50: Duration,
    pub p95: Duration,
    pub p99: Duration,
    /// Requests that could go out at once by our own count.
    pub available: u64,
    /// What the vendor says is left of its own allowance, where it does.
    pub left: Option<u64>,
    /// The breaker was open: nothing was asked.
    pub is_open: bool,
}

/// The samples of one connection, the oldest first; the oldest go as new ones come.
#[derive(Debug, Default)]
pub struct Course {
    samples: Mutex<VecDeque<Sample>>,
}

impl Course {
    pub fn note(&self, sample: Sample) {
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.len() >= SAMPLES_MAX {
            samples.pop_front();
        }
        samples.push_back(sample);
    }

    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        samples.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Course, SAMPLES_MAX, Sample};
    use domain::Timestamp;
    use std::time::Duration;

    #[test]
    fn a_day_is_kept_and_no_more() {
        let course = Course::default();
        let none = Duration::ZERO;
        let sample = |at| Sample {
            at: Timestamp(at),
            requests: 0,
            p50: none,
            p95: none,
            p99: none,
            available: 0,
            left: None,
            is_open: false,
        };
        (0..2_000).for_each(|at| course.note(sample(at)));
        let kept = course.samples();
        assert_eq!(kept.len(), SAMPLES_MAX);
        assert_eq!((kept[0].at.0, kept[SAMPLES_MAX - 1].at.0), (560, 1_999));
    }
}
