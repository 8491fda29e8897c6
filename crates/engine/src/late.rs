//! Notes with a call that its answer was late.
//!
//! A call is stored with the time of its decision, before it is answered. Whether the
//! commit itself took longer than there was time is known only afterwards, so it is
//! written behind the answer. If it cannot be, only a report's figure lacks it.

use crate::lookup::micros;
use domain::CallId;
use state::Store;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Notes that may wait for the store at once. A store so slow that there are more has
/// `tieline_lookups_late` to tell of it.
const WAITING_MAX: usize = 256;

static WAITING: Semaphore = Semaphore::const_new(WAITING_MAX);

/// A call whose answer is on its way.
pub(crate) struct Answered {
    pub(crate) call: CallId,
    pub(crate) arrived: Instant,
    pub(crate) deadline: Instant,
}

impl Answered {
    /// Notes it if it is late by now; costs nothing otherwise.
    pub(crate) fn note(self, store: &Store) {
        let now = Instant::now();
        if now <= self.deadline {
            return;
        }
        let Ok(permit) = WAITING.try_acquire() else { return };
        let (store, took) = (store.clone(), micros(now.saturating_duration_since(self.arrived)));
        tokio::spawn(async move {
            if let Err(error) = store.mark_late(&self.call, took).await {
                tracing::warn!("a late answer could not be noted: {error}");
            }
            drop(permit);
        });
    }
}
