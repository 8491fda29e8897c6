//! How far one reader of the events is: the place that was asked from, and what came since.
//!
//! The same question finds the same answer, until a later place is asked from. A place that is
//! none of these begins a new subscription.

use super::messages::{ConsumerEvent, FetchResponse};
use kit::Token;
use kit::http::grpc::Stream;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::time::Instant;

/// How far one reader is, and what came behind that.
pub(super) struct Line {
    pub(super) stream: Option<(Stream, Arc<Token>)>,
    /// The place behind which `held` begins; `None`: wherever the org was when we came.
    pub(super) at: Option<Vec<u8>>,
    pub(super) held: VecDeque<ConsumerEvent>,
    /// The place behind everything that came.
    pub(super) tip: Option<Vec<u8>>,
    /// Nobody has asked from `at` yet: what was before it is not known.
    pub(super) is_new: bool,
    /// Asked for and not come yet.
    pub(super) pending: usize,
    pub(super) heard: Instant,
    /// A session was refused, and nothing came since.
    pub(super) is_refused: bool,
}

impl Line {
    pub(super) fn new(at: Option<Vec<u8>>) -> Self {
        Self {
            stream: None,
            is_new: at.is_none(),
            tip: at.clone(),
            at,
            held: VecDeque::new(),
            pending: 0,
            heard: Instant::now(),
            is_refused: false,
        }
    }

    /// The reader has kept this place: what was before it is done with.
    pub(super) fn go_on(&mut self, cursor: Option<Vec<u8>>) {
        let Some(cursor) = cursor else {
            if !self.is_new {
                *self = Self::new(None);
            }
            return;
        };
        self.is_new = false;
        if self.at.as_ref() == Some(&cursor) {
            return;
        }
        if let Some(last) = self.held.iter().position(|event| event.replay_id == cursor) {
            self.held.drain(..=last);
        } else if self.tip.as_ref() == Some(&cursor) {
            self.held.clear();
        } else {
            *self = Self::new(Some(cursor));
            return;
        }
        self.at = Some(cursor);
    }

    /// Takes what came. Where there was no place yet, this is the first, and what it tells is
    /// before it.
    pub(super) fn take(&mut self, response: FetchResponse) {
        self.heard = Instant::now();
        self.is_refused = false;
        self.pending = usize::try_from(response.pending_num_requested).unwrap_or(0);
        let last = response.events.last().map(|event| event.replay_id.clone());
        let place = last.or(Some(response.latest_replay_id)).filter(|place| !place.is_empty());
        match &self.at {
            None => self.at.clone_from(&place),
            Some(_) => self.held.extend(response.events),
        }
        self.tip = place.or(self.tip.take());
    }
}
