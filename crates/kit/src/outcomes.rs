//! What became of each of many writes, while it is being found out.
//!
//! A batch is taken apart into the vendor's requests ([`Parts`]), and each answer says
//! something of some rows ([`Outcomes`]). Nobody is forgotten: who was told nothing is told
//! so. Where a vendor refuses a request as a whole, the rows at fault are looked for, so
//! that they spoil no other.

use crate::{Error, Saved};

/// Further requests to find rows at fault; then all that are left are.
const SPLITS_MAX: usize = 16;

/// Rows on their way, as many to a request as the vendor takes.
#[derive(Debug)]
pub struct Parts<T> {
    /// The next one last.
    waiting: Vec<Vec<T>>,
    splits: usize,
}

impl<T> Parts<T> {
    /// `most` to a request, at least one.
    #[must_use]
    pub fn new(mut rows: Vec<T>, most: usize) -> Self {
        let mut waiting = Vec::new();
        while !rows.is_empty() {
            let rest = rows.split_off(rows.len().min(most.max(1)));
            waiting.push(std::mem::replace(&mut rows, rest));
        }
        waiting.reverse();
        Self { waiting, splits: SPLITS_MAX }
    }

    /// The rows of the next request.
    pub fn next_part(&mut self) -> Option<Vec<T>> {
        self.waiting.pop()
    }

    /// A request with these rows failed as a whole; whom that settles. Was it refused, and
    /// not just lost, the others come again without those that have a part in it, or in
    /// halves where nobody knows who has.
    pub fn failed(&mut self, rows: Vec<T>, error: &Error, has_part: impl Fn(&T) -> bool) -> Vec<T> {
        let is_refused = matches!(error, Error::Invalid { .. } | Error::Forbidden { .. });
        if !is_refused || rows.len() == 1 || self.splits == 0 {
            return rows;
        }
        self.splits -= 1;
        let (at_fault, mut rest): (Vec<T>, Vec<T>) = rows.into_iter().partition(has_part);
        if at_fault.is_empty() {
            let half = rest.split_off(rest.len() / 2);
            self.waiting.push(half);
        }
        if !rest.is_empty() {
            self.waiting.push(rest);
        }
        at_fault
    }
}

/// One place per write, in the order of the batch.
#[derive(Debug)]
pub struct Outcomes(Vec<Option<Result<Saved, Error>>>);

impl Outcomes {
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self(vec![None; count])
    }

    /// Says what became of one. The first word stands: an answer that names a row twice
    /// does not undo it.
    pub fn set(&mut self, at: usize, outcome: Result<Saved, Error>) {
        if let Some(place) = self.0.get_mut(at) {
            place.get_or_insert(outcome);
        }
    }

    /// Says the same of several.
    pub fn fail(&mut self, rows: impl IntoIterator<Item = usize>, error: &Error) {
        for at in rows {
            self.set(at, Err(error.clone()));
        }
    }

    /// Is it still unknown what becomes of this one?
    #[must_use]
    pub fn is_open(&self, at: usize) -> bool {
        self.0.get(at).is_some_and(Option::is_none)
    }

    /// Was this one refused for good?
    #[must_use]
    pub fn is_refused(&self, at: usize) -> bool {
        let told = self.0.get(at).and_then(Option::as_ref);
        told.is_some_and(|outcome| outcome.as_ref().is_err_and(Error::is_refusal))
    }

    /// All of them; whom no answer has named may be written or not.
    #[must_use]
    pub fn finish(self) -> Vec<Result<Saved, Error>> {
        let unnamed = || Err(Error::protocol("an answer to many that leaves this one out"));
        self.0.into_iter().map(|outcome| outcome.unwrap_or_else(unnamed)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Outcomes, Parts};
    use crate::{Error, Saved};

    #[test]
    fn who_was_left_out_is_told_so_and_the_first_word_stands() {
        let saved = Saved { id: "1".into(), version: None, is_new: true };
        let mut outcomes = Outcomes::new(3);
        outcomes.set(1, Ok(saved.clone()));
        outcomes.set(9, Err(Error::NotFound));
        outcomes.fail([0, 1], &Error::NotFound);
        assert_eq!([0, 1, 2, 3].map(|at| outcomes.is_open(at)), [false, false, true, false]);
        let told = outcomes.finish();
        assert_eq!(told[..2], [Err(Error::NotFound), Ok(saved)]);
        assert_eq!(told[2].as_ref().map_err(Error::kind), Err("protocol"));
    }

    /// Rows of which some are bad, to a vendor who refuses all for one: who was refused,
    /// and in how many requests.
    fn sent(count: u32, bad: &[u32], is_told: bool) -> (Vec<u32>, usize) {
        let error = Error::Invalid { field: None, reason: "bad".into() };
        let mut parts = Parts::new((0..count).collect(), 50);
        let (mut refused, mut requests) = (Vec::new(), 0);
        while let Some(rows) = parts.next_part() {
            requests += 1;
            if rows.iter().any(|row| bad.contains(row)) {
                refused.extend(parts.failed(rows, &error, |row| is_told && bad.contains(row)));
            }
        }
        refused.sort_unstable();
        (refused, requests)
    }

    #[test]
    fn a_bad_row_is_found_and_the_others_are_sent() {
        assert_eq!(sent(120, &[], false), (vec![], 3));
        assert_eq!(sent(120, &[7, 60], true), (vec![7, 60], 5));
        let (refused, requests) = sent(120, &[7, 60], false);
        assert_eq!(refused, [7, 60]);
        assert!(requests < 30, "{requests}");
    }

    #[test]
    fn a_vendor_who_refuses_everything_is_not_asked_without_end() {
        let all: Vec<u32> = (0..200).collect();
        let (refused, requests) = sent(200, &all, false);
        assert_eq!(refused, all);
        assert!(requests <= 4 + 2 * 16, "{requests}");
    }

    #[test]
    fn rows_of_a_request_that_was_lost_are_not_sent_again() {
        let mut parts = Parts::new(vec![1, 2, 3], 2);
        let rows = parts.next_part().expect("rows");
        assert_eq!(parts.failed(rows, &Error::unavailable("lost"), |_| true), [1, 2]);
        assert_eq!(parts.next_part(), Some(vec![3]));
    }
}
