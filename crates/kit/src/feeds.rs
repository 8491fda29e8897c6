//! What a vendor tells by itself: which records changed, as it happens.
//!
//! A notice says that something happened to a record, not what it holds: who follows a feed
//! reads the record. Nothing is missed as long as there is no gap, and the place to go on from
//! is the caller's to keep (invariant 4). Where a feed has lost its place it says so, and the
//! caller reads what changed by [`Changes`](crate::Changes).

use crate::Error;
use async_trait::async_trait;
use std::time::Duration;

/// What is wanted of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedAsk {
    /// Who follows: each has a place of its own, and asks for one object.
    pub reader: String,
    /// The vendor's name of the object.
    pub object: String,
    /// Where the page before ended; `None`: from now on.
    pub cursor: Option<String>,
    /// How long to wait for something to happen.
    pub wait: Duration,
}

/// Something that happened to a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// It was made, changed or brought back. `is_own`: by a request of this connection, in
    /// its user's name; it may hold more than what was written all the same.
    Saved { id: String, is_own: bool },
    /// It is gone. `into`: it was merged into this one, where the vendor tells.
    Deleted { id: String, into: Option<String> },
}

impl Notice {
    /// The record's id.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Saved { id, .. } | Self::Deleted { id, .. } => id,
        }
    }
}

/// Some notices, and the place after them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeedPage {
    /// In the order in which it happened; one record may come several times.
    pub notices: Vec<Notice>,
    /// The place behind them, to be kept only once they are applied. `None`: there is no
    /// place yet, and one that was asked with is worth nothing any more.
    pub cursor: Option<String>,
    /// Between the place that was asked with and `cursor` lie changes that are not told, or
    /// there was no place: whoever reads what changed after this answer, and then goes on
    /// from `cursor`, misses nothing.
    pub has_gap: bool,
}

/// Tells of changes as they happen.
#[async_trait]
pub trait Feed: Send + Sync {
    /// What happened since the cursor, as soon as something did, or nothing after the wait.
    ///
    /// May be asked again with the same cursor, and then tells the same again, and perhaps
    /// more. It may be given up at any time.
    ///
    /// # Errors
    /// Any [`Error`]; `Invalid` naming `object` when the vendor tells nothing of it, or
    /// `cursor` when it is none of ours.
    async fn next(&self, ask: &FeedAsk) -> Result<FeedPage, Error>;
}
