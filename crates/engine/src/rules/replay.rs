//! What a draft would have done with the calls that there were.
//!
//! Decisions are read page by page, so a week of calls needs no more memory than an hour's.
//! What a draft needs and was never fetched is counted, not guessed.

use super::form;
use super::kept::{Details, as_seen};
use super::set::{Rules, SetBody};
use crate::lookup::Engine;
use domain::Timestamp;
use domain::rules::Outcome;
use std::collections::BTreeMap;

/// Decisions read at once.
const PAGE: usize = 500;
/// Ways from one destination to another that are told apart; the rest are told together.
const WAYS_MAX: usize = 200;

/// What is replayed.
#[derive(Debug)]
pub struct Replay {
    pub set: SetBody,
    pub from: Timestamp,
    pub until: Timestamp,
}

/// What came of it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Replayed {
    pub decisions: u64,
    /// Would go where they went.
    pub same: u64,
    /// Would go elsewhere.
    pub elsewhere: u64,
    /// A value that the draft needs was never fetched.
    pub never_fetched: u64,
    /// Of those elsewhere: from where, to where, how many.
    pub ways: BTreeMap<(String, String), u64>,
    /// Which fields were never fetched, and for how many decisions.
    pub lacking: BTreeMap<String, u64>,
}

impl Engine {
    /// Replays a set over the decisions of a span.
    ///
    /// # Errors
    /// What is wrong with the set, or our own store's failure.
    pub async fn replay(&self, replay: Replay) -> Result<Replayed, ReplayError> {
        let rules = Rules::new(0, &replay.set, self.options.region).map_err(ReplayError::Faults)?;
        let (mut done, mut after) = (Replayed::default(), None);
        loop {
            let page = self.store.decisions_since(replay.from, replay.until, after, PAGE).await?;
            for kept in &page.decisions {
                self.replay_one(&rules, kept, &mut done);
            }
            after = page.next;
            if after.is_none() {
                return Ok(done);
            }
        }
    }

    fn replay_one(&self, rules: &Rules, kept: &state::decisions::Decision, done: &mut Replayed) {
        done.decisions += 1;
        let entry = form::entry(&kept.entry, self.options.region);
        let default = self.options.routing.default.as_ref();
        let would = match entry.and_then(|entry| rules.at(&entry)) {
            None => default.map(ToString::to_string).unwrap_or_default(),
            Some(ready) => {
                let values = Details::read(&kept.details).values(&ready.compiled);
                match ready.compiled.decide(&as_seen(&values)) {
                    Outcome::Line(place) => {
                        let to = ready.compiled.destination(place);
                        to.map(ToString::to_string).unwrap_or_default()
                    }
                    Outcome::NoLine => ready.chain.default.to_string(),
                    Outcome::Undecided(_) => {
                        done.never_fetched += 1;
                        let slots = ready.compiled.slots().iter().zip(&values);
                        for (slot, _) in slots.filter(|(_, value)| value.is_none()) {
                            let name = format!("{}.{}", slot.source.connection, slot.field);
                            *done.lacking.entry(name).or_default() += 1;
                        }
                        return;
                    }
                }
            }
        };
        if would == kept.destination {
            done.same += 1;
            return;
        }
        done.elsewhere += 1;
        let way = (kept.destination.clone(), would);
        let is_full = done.ways.len() >= WAYS_MAX && !done.ways.contains_key(&way);
        let way = if is_full { ("…".to_owned(), "…".to_owned()) } else { way };
        *done.ways.entry(way).or_default() += 1;
    }
}

/// Why nothing was replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("the rules are wrong")]
    Faults(Vec<form::Fault>),
    #[error(transparent)]
    Store(#[from] state::Error),
}
