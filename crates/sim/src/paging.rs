//! Result sets that are read in pieces.
//!
//! Two ways, as vendors have them: a stored result with a locator that names it and
//! the next row ([`Results`]), and plain page numbers over a list ([`page`]).

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Stored results, at most so many and for so long; the oldest goes first.
pub struct Results<T> {
    most: usize,
    lifetime: Duration,
    kept: Mutex<Kept<T>>,
}

struct Kept<T> {
    next: u64,
    order: VecDeque<u64>,
    results: HashMap<u64, (Instant, Arc<T>)>,
}

impl<T> Results<T> {
    /// Keeps at most `most` results for `lifetime` each.
    pub fn new(most: usize, lifetime: Duration) -> Results<T> {
        let kept = Kept { next: 1, order: VecDeque::new(), results: HashMap::new() };
        Results { most: most.max(1), lifetime, kept: Mutex::new(kept) }
    }

    /// Stores a result; its number goes into the locator.
    pub fn keep(&self, result: Arc<T>) -> u64 {
        let mut kept = self.kept();
        let number = kept.next;
        kept.next += 1;
        while kept.order.len() >= self.most {
            if let Some(oldest) = kept.order.pop_front() {
                kept.results.remove(&oldest);
            }
        }
        kept.order.push_back(number);
        kept.results.insert(number, (Instant::now(), result));
        number
    }

    /// The result of that number, while it is kept.
    pub fn get(&self, number: u64) -> Option<Arc<T>> {
        let kept = self.kept();
        let (since, result) = kept.results.get(&number)?;
        (since.elapsed() < self.lifetime).then(|| Arc::clone(result))
    }

    /// How many results are kept.
    pub fn len(&self) -> usize {
        self.kept().results.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets every result, as a vendor does when its cursors expire.
    pub fn clear(&self) {
        let mut kept = self.kept();
        kept.order.clear();
        kept.results.clear();
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept<T>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rows of page `number` (from 1) when each holds `size`; empty past the end.
pub fn page(total: usize, number: usize, size: usize) -> Range<usize> {
    let start = number.saturating_sub(1).saturating_mul(size).min(total);
    start..start.saturating_add(size).min(total)
}

/// How many pages of `size` hold `total` rows.
pub fn page_count(total: usize, size: usize) -> usize {
    total.div_ceil(size.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_cover_every_row_once() {
        let rows: Vec<usize> = (1..=page_count(105, 25)).flat_map(|n| page(105, n, 25)).collect();
        assert_eq!(rows, (0..105).collect::<Vec<_>>());
        assert_eq!(page(105, 6, 25), 105..105);
        assert_eq!(page(0, 1, 25), 0..0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_locator_expires() {
        let results = Results::new(10, Duration::from_secs(60));
        let number = results.keep(Arc::new(vec![1, 2, 3]));
        assert_eq!(results.get(number).map(|r| r.len()), Some(3));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(results.get(number).is_none());
    }

    #[tokio::test]
    async fn the_oldest_result_makes_room() {
        let results = Results::new(2, Duration::from_secs(60));
        let numbers: Vec<u64> = (0..3).map(|n| results.keep(Arc::new(n))).collect();
        assert!(results.get(numbers[0]).is_none());
        assert!(results.get(numbers[2]).is_some());
        assert_eq!(results.len(), 2);
    }
}
