//! May our own copy answer, and must it be looked after?

use crate::Timestamp;
use std::time::Duration;

/// How long a directory entry is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Within this age an entry answers and nothing else happens.
    pub fresh_for: Duration,
    /// Past this age the CRM is asked first; the entry serves only when that fails.
    pub stale_limit: Duration,
}

/// What an entry of some age is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Answers.
    Fresh,
    /// Answers, and is revalidated behind the answer.
    Stale,
    /// The CRM first; serves only when the CRM fails, and says so.
    Expired,
}

/// Judges an entry by its age; a limit of zero is never kept. A clock that ran
/// backwards makes an entry fresh, not old.
#[must_use]
pub fn judge(as_of: Timestamp, now: Timestamp, limits: Limits) -> Freshness {
    let age = now.since(as_of);
    if age < limits.fresh_for {
        Freshness::Fresh
    } else if age < limits.stale_limit {
        Freshness::Stale
    } else {
        Freshness::Expired
    }
}

#[cfg(test)]
mod tests {
    use super::{Freshness, Limits, judge};
    use crate::Timestamp;
    use std::time::Duration;

    #[test]
    fn a_limit_of_zero_is_never_kept() {
        let never = Limits { fresh_for: Duration::ZERO, stale_limit: Duration::ZERO };
        assert_eq!(judge(Timestamp(7), Timestamp(7), never), Freshness::Expired);
    }

    #[test]
    fn age_decides_what_an_entry_is_good_for() {
        let limits = Limits {
            fresh_for: Duration::from_secs(15 * 60),
            stale_limit: Duration::from_secs(24 * 3_600),
        };
        for (age_s, expected) in [
            (-5, Freshness::Fresh),
            (0, Freshness::Fresh),
            (899, Freshness::Fresh),
            (900, Freshness::Stale),
            (86_399, Freshness::Stale),
            (86_400, Freshness::Expired),
        ] {
            let got = judge(Timestamp(0), Timestamp(age_s * 1_000), limits);
            assert_eq!(got, expected, "{age_s} s");
        }
    }
}
