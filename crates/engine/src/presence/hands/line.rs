//! Agents who wait for something that is done to many at once, and the wait after a failure.

use kit::Error;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// From so many on, as many as usual are asked for again.
const FEWER_MAX: usize = 200;
/// Agents refused one after the other, each alone: beyond it, it is not they.
const REFUSED_MAX: usize = 3;
/// Before what failed is tried again, doubling.
pub(super) const BACKOFF_FIRST: Duration = Duration::from_secs(1);
pub(super) const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// Agents who wait for something that is done to many at once.
#[derive(Default)]
pub(super) struct Line {
    pub(super) waiting: BTreeSet<usize>,
    pub(super) is_busy: bool,
    pub(super) pause: Pause,
    /// How many are asked for at once, where fewer than usual: one of many was refused, and
    /// it is found out which.
    fewer: Option<usize>,
    /// How many were refused alone, one after the other.
    refused: usize,
}

/// A wait after a failure.
#[derive(Default)]
pub(super) struct Pause {
    failures: u32,
    pub(super) until: Option<Instant>,
}

impl Pause {
    pub(super) fn is_over(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() >= until)
    }

    pub(super) fn ended(&mut self, is_well: bool, longest: Duration) {
        if is_well {
            *self = Self::default();
            return;
        }
        let wait = BACKOFF_FIRST * 2_u32.pow(self.failures.min(6));
        self.failures += 1;
        self.until = Some(Instant::now() + wait.min(longest));
    }
}

impl Line {
    /// Who is next; nobody while somebody is, or after a failure.
    pub(super) fn next(&mut self, max: usize) -> Vec<usize> {
        if self.is_busy || self.waiting.is_empty() || !self.pause.is_over() {
            return Vec::new();
        }
        self.is_busy = true;
        let max = self.fewer.map_or(max, |fewer| fewer.min(max));
        let rest = self.waiting.iter().nth(max).copied();
        let rest = rest.map(|first| self.waiting.split_off(&first)).unwrap_or_default();
        std::mem::replace(&mut self.waiting, rest).into_iter().collect()
    }

    pub(super) fn ended(&mut self, again: &[usize], longest: Duration) {
        self.is_busy = false;
        self.pause.ended(again.is_empty(), longest);
        self.waiting.extend(again);
        if again.is_empty() {
            self.refused = 0;
            self.fewer = self.fewer.map(|fewer| fewer * 2).filter(|fewer| *fewer < FEWER_MAX);
        }
    }

    /// They could not be asked for. An outage is waited for, and so is whatever refuses one
    /// after the other. Where it lies in one of many, they are halved until that one is alone,
    /// who is then left for the next comparison.
    pub(super) fn failed(
        &mut self,
        seats: &[usize],
        error: &Error,
        longest: Duration,
    ) -> Option<usize> {
        let is_ones_own = matches!(
            error,
            Error::NotFound
                | Error::Forbidden { .. }
                | Error::Invalid { .. }
                | Error::Conflict { .. }
        );
        if !is_ones_own || self.refused >= REFUSED_MAX {
            self.ended(seats, longest);
            return None;
        }
        self.is_busy = false;
        if let [one] = seats {
            self.refused += 1;
            return Some(*one);
        }
        self.waiting.extend(seats);
        self.fewer = Some(seats.len().div_ceil(2));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{BACKOFF_MAX, Error, Instant, Line, Pause, REFUSED_MAX};
    use crate::presence::hands::Hands;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_side_that_does_not_answer_is_asked_again_within_one_comparison() {
        for (compare_every, longest) in [(1, 1), (20, 20), (300, 60)] {
            let hands = Hands::new(Duration::from_secs(compare_every));
            let mut pause = Pause::default();
            for _ in 0..9 {
                pause.ended(false, hands.longest);
                let wait = pause.until.expect("a wait") - Instant::now();
                assert!(wait <= Duration::from_secs(longest) && wait <= BACKOFF_MAX, "{wait:?}");
            }
            let wait = pause.until.expect("a wait") - Instant::now();
            assert_eq!(wait, Duration::from_secs(longest));
        }
    }

    /// Asks for those who wait, eight at once, until nobody waits or it is put off; who was
    /// found to be refused.
    fn ask(line: &mut Line, is_refused: impl Fn(usize) -> bool) -> Vec<usize> {
        let mut found = Vec::new();
        loop {
            let seats = line.next(8);
            if seats.is_empty() {
                return found;
            }
            if seats.iter().any(|seat| is_refused(*seat)) {
                let error = Error::Forbidden { missing: "one of them".to_owned() };
                found.extend(line.failed(&seats, &error, BACKOFF_MAX));
            } else {
                line.ended(&[], BACKOFF_MAX);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_cannot_be_read_is_found_and_keeps_nobody_else() {
        let mut line = Line::default();
        line.waiting.extend(0..20);
        assert_eq!(ask(&mut line, |seat| seat == 5 || seat == 13), [5, 13]);
        assert!(line.waiting.is_empty() && line.pause.is_over(), "everybody else was read");
    }

    #[tokio::test(start_paused = true)]
    async fn where_everybody_is_refused_it_is_waited() {
        let mut line = Line::default();
        line.waiting.extend(0..20);
        assert_eq!(ask(&mut line, |_| true).len(), REFUSED_MAX);
        assert!(!line.pause.is_over() && line.waiting.len() == 20 - REFUSED_MAX);
    }
}
