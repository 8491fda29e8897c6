//! Waiting for a condition, with a bound; and telling a slow machine from a slow answer.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

/// Longer than anything that is waited for takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Looks until there is something, and panics with `what` when it never comes.
pub(crate) async fn until_some<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {} s", PATIENCE.as_secs());
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Looks until it is so.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    until_some(what, async || is_so().await.then_some(())).await;
}

/// Polls all of them side by side; results in order.
pub(crate) async fn join_all<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut all: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<T>> = all.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, done) in all.iter_mut().zip(&mut done).filter(|(_, done)| done.is_none()) {
            if let Poll::Ready(value) = future.as_mut().poll(context) {
                *done = Some(value);
            }
        }
        if done.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.into_iter().map(|value| value.expect("polled to its end")).collect()
}

/// Measures how late this machine wakes a task that wants to run, so that a
/// test on a busy one blames the machine for the machine's share only.
pub(crate) struct Stalls {
    worst_us: Arc<AtomicU64>,
    watch: tokio::task::JoinHandle<()>,
}

impl Stalls {
    pub(crate) fn watch() -> Self {
        let worst_us = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&worst_us);
        let watch = tokio::spawn(async move {
            const STEP: Duration = Duration::from_millis(5);
            let mut ticks = tokio::time::interval(STEP);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            let mut last = ticks.tick().await;
            loop {
                ticks.tick().await;
                let late = last.elapsed().saturating_sub(STEP);
                let late = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
                seen.fetch_max(late, Ordering::Relaxed);
                last = tokio::time::Instant::now();
            }
        });
        Self { worst_us, watch }
    }

    /// The longest so far.
    pub(crate) fn worst(&self) -> Duration {
        Duration::from_micros(self.worst_us.load(Ordering::Relaxed))
    }
}

impl Drop for Stalls {
    fn drop(&mut self) {
        self.watch.abort();
    }
}
