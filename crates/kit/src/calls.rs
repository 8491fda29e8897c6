//! What a platform tells of calls, and what a CRM keeps of them.

use crate::Error;
use async_trait::async_trait;
use domain::timeline::Event;
use domain::{CallId, Direction, Hidden, Timestamp};
use std::fmt;

/// Reads what a platform tells of calls, in its own form.
pub trait CallEvents: Send + Sync {
    /// The events in one message; none where it tells nothing that matters here.
    /// `None`: it is no message of this platform's.
    ///
    /// # Errors
    /// `Invalid` naming the field, when it is this platform's and cannot be read.
    fn read(&self, message: &serde_json::Value) -> Option<Result<Vec<Event>, Error>>;

    /// The page where people look at the call, if there is one.
    fn page(&self, call: &CallId) -> Option<String>;
}

/// Keeps activities: what happened with a customer, on the customer's own record.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Writes the activity of one call, or changes the one that is there: a call has
    /// one, however often this is repeated and whatever answer was lost (invariant 3).
    ///
    /// # Errors
    /// Any [`Error`]; `Invalid` and `NotFound` when the record cannot have it.
    async fn write(&self, activity: &Activity) -> Result<Written, Error>;
}

/// A call as a CRM shall keep it.
#[derive(Clone, PartialEq, Eq)]
pub struct Activity {
    pub call: CallId,
    /// The customer's record in the connection's own system.
    pub record: String,
    /// The activity's own id there, where it was written before.
    pub known: Option<String>,
    pub subject: String,
    pub body: String,
    pub direction: Direction,
    pub started: Timestamp,
    /// How long somebody spoke with the customer, hold included.
    pub duration_ms: u64,
    pub wrap_up: Option<String>,
}

impl fmt::Debug for Activity {
    /// Without its text, in which agents write what they like (invariant 9).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Activity")
            .field("call", &self.call)
            .field("record", &self.record)
            .field("known", &self.known)
            .field("subject", &Hidden::text(&self.subject))
            .field("body", &Hidden::text(&self.body))
            .field("direction", &self.direction)
            .field("started", &self.started)
            .field("duration_ms", &self.duration_ms)
            .field("wrap_up", &self.wrap_up)
            .finish()
    }
}

/// The activity that is there now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its id in the CRM.
    pub id: String,
}
