//! What a platform remembers of calls that are over, and of the contacts it made itself.

use crate::Error;
use async_trait::async_trait;
use domain::timeline::Event;
use domain::{CallId, Direction, Hidden, MediaType, Timestamp};
use std::fmt;

/// Tells of calls after the fact.
#[async_trait]
pub trait History: Send + Sync {
    /// One page of the calls that began from `since` on and before `until`, by the
    /// platform's clock. A call may be on more than one page: what is told while it
    /// still changes shifts. `cursor` is what the page before named.
    ///
    /// # Errors
    /// Any [`Error`]; `Invalid` naming `cursor` when it is none of this platform's.
    async fn page(
        &self,
        since: Timestamp,
        until: Timestamp,
        cursor: Option<&str>,
    ) -> Result<PastPage, Error>;

    /// How many contacts [`History::promote`] takes at once.
    fn promote_max(&self) -> usize {
        1
    }

    /// Keeps contacts for good that the platform made by itself and would forget: one
    /// outcome each, in order, `true` where that was needed. With `is_dry` it is only
    /// found out. Repeating it has no second effect (invariant 3).
    ///
    /// # Errors
    /// When none was tried.
    async fn promote(
        &self,
        contacts: &[String],
        is_dry: bool,
    ) -> Result<Vec<Result<bool, Error>>, Error>;
}

/// Some calls, and where the next ones are.
#[derive(Debug, Clone, PartialEq)]
pub struct PastPage {
    pub calls: Vec<PastCall>,
    /// `None`: these were the last.
    pub next: Option<String>,
}

/// A call as the platform remembers it. What it does not know is `None`.
#[derive(Clone, PartialEq)]
pub struct PastCall {
    pub call: CallId,
    pub direction: Direction,
    pub media: MediaType,
    /// The customer's address as the platform writes it; `None` where no customer was on it.
    pub address: Option<String>,
    /// The number of ours that was dialled, on an inbound call.
    pub dialled: Option<String>,
    /// The queue that it waited in last, by the platform's id.
    pub queue: Option<String>,
    /// The agent who took it last, by the platform's id.
    pub user: Option<String>,
    pub started: Timestamp,
    /// `None`: it goes on.
    pub ended: Option<Timestamp>,
    /// The platform's contact that it is tied to.
    pub contact: Option<String>,
    /// What happened in it.
    pub events: Vec<Event>,
}

impl fmt::Debug for PastCall {
    /// Without the customer's address (invariant 9).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PastCall")
            .field("call", &self.call)
            .field("direction", &self.direction)
            .field("media", &self.media)
            .field("address", &Hidden::of(self.address.as_ref()))
            .field("queue", &self.queue)
            .field("user", &self.user)
            .field("started", &self.started)
            .field("ended", &self.ended)
            .field("contact", &self.contact)
            .finish_non_exhaustive()
    }
}
