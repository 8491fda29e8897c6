//! The wall clock, held in one place so that a test can hold it still.

use domain::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where the engine gets the time of day from.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    #[default]
    System,
    /// Stands at a time that the holder moves.
    Held(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands still at `at`.
    #[must_use]
    pub fn held(at: Timestamp) -> Self {
        Self::Held(Arc::new(AtomicI64::new(at.0)))
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp::default().plus(since)
            }
            Self::Held(at) => Timestamp(at.load(Ordering::SeqCst)),
        }
    }

    /// Moves a held clock; the system's clock stays as it is.
    pub fn advance(&self, by: std::time::Duration) {
        if let Self::Held(at) = self {
            let now = Timestamp(at.load(Ordering::SeqCst));
            at.store(now.plus(by).0, Ordering::SeqCst);
        }
    }
}
