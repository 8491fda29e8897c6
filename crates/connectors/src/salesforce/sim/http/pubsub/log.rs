//! What the org's event bus keeps: every change event, for as long as it is retained.
//!
//! Numbers are the bus's and go on whatever the topic. A place is known as long as nothing
//! after it was thrown away.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::super::super::store::clock;

/// Events kept at most; past it the oldest go early.
const MOST: usize = 200_000;
/// The first number of all.
const FIRST: u64 = 1_000;

/// One event as it is delivered.
#[derive(Clone)]
pub(super) struct Logged {
    pub(super) number: u64,
    pub(super) object: usize,
    pub(super) schema: String,
    pub(super) payload: Vec<u8>,
    at: i64,
}

struct Kept {
    events: VecDeque<Logged>,
    last: u64,
    /// Whoever was before this place has missed something.
    gone: u64,
    /// How often streams were broken off because of that.
    breaks: u64,
    retention: i64,
}

/// The bus.
pub(in super::super::super) struct Log {
    kept: Mutex<Kept>,
    /// Its last number, so that streams wake.
    pub(super) tip: watch::Sender<u64>,
}

impl Log {
    pub(in super::super::super) fn new(retention: i64) -> Log {
        let kept = Kept { events: VecDeque::new(), last: FIRST, gone: FIRST, breaks: 0, retention };
        Log { kept: Mutex::new(kept), tip: watch::Sender::new(FIRST) }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, object: usize, schema: String, payload: Vec<u8>) {
        let mut kept = self.kept();
        kept.last += 1;
        let (number, at) = (kept.last, clock::now());
        kept.events.push_back(Logged { number, object, schema, payload, at });
        kept.purge();
        drop(kept);
        self.tip.send_replace(number);
    }

    /// The next event after a place, of some objects; and the place where looking ended.
    pub(super) fn next(
        &self,
        after: u64,
        most: usize,
        is_meant: impl Fn(usize) -> bool,
    ) -> (Vec<Logged>, u64) {
        let mut kept = self.kept();
        kept.purge();
        let from = kept.events.partition_point(|event| event.number <= after);
        let found = kept.events.iter().skip(from).filter(|event| is_meant(event.object));
        let found: Vec<Logged> = found.take(most).cloned().collect();
        let place = match found.last() {
            Some(last) if found.len() == most => last.number,
            _ => kept.last.max(after),
        };
        (found, place)
    }

    pub(super) fn last(&self) -> u64 {
        self.kept().last
    }

    /// The place before everything that is kept.
    pub(super) fn earliest(&self) -> u64 {
        let mut kept = self.kept();
        kept.purge();
        kept.gone
    }

    /// Is everything after this place still there?
    pub(super) fn has(&self, place: u64) -> bool {
        let mut kept = self.kept();
        kept.purge();
        (kept.gone..=kept.last).contains(&place)
    }

    /// As if every stream had broken off, and the retention had gone by since, with others that
    /// came and went.
    pub(in super::super::super) fn expire(&self) {
        let mut kept = self.kept();
        kept.events.clear();
        kept.last += 1_000;
        kept.gone = kept.last;
        kept.breaks += 1;
    }

    pub(super) fn breaks(&self) -> u64 {
        self.kept().breaks
    }

    pub(in super::super::super) fn set_retention(&self, retention: i64) {
        self.kept().retention = retention;
    }
}

impl Kept {
    fn purge(&mut self) {
        let oldest = clock::now() - self.retention;
        while self.events.len() > MOST || self.events.front().is_some_and(|event| event.at < oldest)
        {
            self.gone = self.events.pop_front().map_or(self.gone, |event| event.number);
        }
    }
}
