//! A vendor's clock beside ours, as its answers tell it.
//!
//! An answer's `Date` says the vendor's time to the second, somewhere between our sending
//! and our receiving. Each answer bounds how far its clock is ahead of ours; many together
//! bound it to about the time that a quick one takes. Of two systems' clocks it follows how
//! far they can be apart, and so which of two edits nobody can call the later one.

use domain::Timestamp;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What two clocks may drift apart in a second: 1 in 5,000, more than any that is disciplined.
const DRIFT: i64 = 5_000;

/// How far a clock is ahead of ours, in milliseconds: between the two. Behind is negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ahead {
    pub least_ms: i64,
    pub most_ms: i64,
}

/// What is known of one vendor's clock.
#[derive(Debug, Default)]
pub struct VendorClock(Mutex<Option<Measured>>);

#[derive(Debug, Clone, Copy)]
struct Measured {
    ahead: Ahead,
    /// When, by our clock.
    at: Timestamp,
}

impl Measured {
    /// What it still says at another time.
    fn at(self, now: Timestamp) -> Ahead {
        let drift = (now.0 - self.at.0).abs() / DRIFT;
        let Ahead { least_ms, most_ms } = self.ahead;
        Ahead { least_ms: least_ms - drift, most_ms: most_ms + drift }
    }
}

impl Ahead {
    /// How far two clocks can be apart, at the most.
    #[must_use]
    pub fn apart(self, other: Self) -> Duration {
        let ways = [self.most_ms - other.least_ms, other.most_ms - self.least_ms];
        let most = ways.into_iter().max().unwrap_or_default().max(0);
        Duration::from_millis(u64::try_from(most).unwrap_or_default())
    }
}

impl VendorClock {
    /// As far as it is known by now; `None` until the vendor has told a time.
    #[must_use]
    pub fn ahead(&self) -> Option<Ahead> {
        self.ahead_at(now())
    }

    fn ahead_at(&self, now: Timestamp) -> Option<Ahead> {
        let measured = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        measured.map(|measured| measured.at(now))
    }

    /// An answer that was asked for at `sent` and was here at `received` (both by our
    /// clock) says that its time is `told`, to the second.
    pub(crate) fn told(&self, told: Timestamp, (sent, received): (Timestamp, Timestamp)) {
        if received < sent {
            // Our own clock was set meanwhile: this says nothing.
            return;
        }
        let now = Ahead { least_ms: told.0 - received.0, most_ms: told.0 + 999 - sent.0 };
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let both = place.map(|known| known.at(received)).map(|known| Ahead {
            least_ms: known.least_ms.max(now.least_ms),
            most_ms: known.most_ms.min(now.most_ms),
        });
        // Where they contradict one another, a clock was set: the new word stands alone.
        let ahead = both.filter(|ahead| ahead.least_ms <= ahead.most_ms).unwrap_or(now);
        *place = Some(Measured { ahead, at: received });
    }
}

/// Our own time of day.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::{Ahead, VendorClock};
    use domain::Timestamp;
    use std::time::Duration;

    fn told(clock: &VendorClock, told: i64, sent: i64, received: i64) {
        clock.told(Timestamp(told), (Timestamp(sent), Timestamp(received)));
    }

    fn ahead(clock: &VendorClock, now: i64) -> Option<Ahead> {
        clock.ahead_at(Timestamp(now))
    }

    #[test]
    fn a_second_says_little_and_many_say_much() {
        // The vendor is 2,500 ms ahead; answers take 80 ms; it cuts its time to the second.
        let clock = VendorClock::default();
        assert_eq!(clock.ahead(), None);
        for sent in (1_000_000..1_060_000).step_by(730) {
            let theirs = sent + 40 + 2_500;
            told(&clock, theirs / 1_000 * 1_000, sent, sent + 80);
            let Ahead { least_ms, most_ms } = ahead(&clock, sent + 80).expect("told");
            assert!(least_ms <= 2_500 && 2_500 <= most_ms, "{least_ms} to {most_ms}");
        }
        let Ahead { least_ms, most_ms } = ahead(&clock, 1_060_000).expect("told");
        assert!(most_ms - least_ms <= 150, "{least_ms} to {most_ms}");
    }

    #[test]
    fn what_was_measured_long_ago_says_less() {
        let clock = VendorClock::default();
        told(&clock, 10_000, 10_000, 10_000);
        assert_eq!(ahead(&clock, 10_000), Some(Ahead { least_ms: 0, most_ms: 999 }));
        let an_hour_later = 10_000 + 3_600_000;
        assert_eq!(ahead(&clock, an_hour_later), Some(Ahead { least_ms: -720, most_ms: 1_719 }));
    }

    #[test]
    fn a_clock_that_was_set_is_measured_anew() {
        let clock = VendorClock::default();
        told(&clock, 10_000, 10_000, 10_100);
        told(&clock, 80_000, 20_000, 20_100);
        let set = Some(Ahead { least_ms: 59_900, most_ms: 60_999 });
        assert_eq!(ahead(&clock, 20_100), set);
        // Our own was set back while the answer was under way.
        told(&clock, 5_000, 20_050, 20_049);
        assert_eq!(ahead(&clock, 20_100), set);
    }

    #[test]
    fn two_clocks_are_apart_as_far_as_they_can_be() {
        let (slow, fast) =
            (Ahead { least_ms: -3_000, most_ms: -2_000 }, Ahead { least_ms: 10, most_ms: 500 });
        assert_eq!(slow.apart(fast), Duration::from_millis(3_500));
        assert_eq!(fast.apart(slow), Duration::from_millis(3_500));
        let exact = Ahead { least_ms: 7, most_ms: 7 };
        assert_eq!(exact.apart(exact), Duration::ZERO);
    }
}
