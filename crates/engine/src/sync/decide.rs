//! What a person says of a review, and that what failed is tried again.
//!
//! A decision is read from JSON ([`Decision::read`]) and held against what the review asks
//! ([`Decision::fits`]), so that none is kept which nothing would follow from.

use super::Sync;
use crate::lookup::Engine;
use serde_json::{Map, Value as Json, json};
use state::audit::Act;
use state::sync::{Redrive, Review, ReviewState};
use std::collections::BTreeMap;

/// What a person decides.
#[derive(Clone, PartialEq)]
pub enum Decision {
    /// What the left one holds, or what has become of it.
    Left,
    Right,
    /// Of a deletion: one is gone, and the other lives on by itself.
    Both,
    /// Both get this; `null` empties both.
    Value(Json),
    /// So many may be deleted.
    Approve,
    /// This one of those that are asked about is meant; `None`: nobody of them.
    Pair(Option<i64>),
}

/// Why a text of a person is no decision, with its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Misread {
    pub at: &'static str,
    pub message: &'static str,
    pub fix: &'static str,
}

/// What became of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decided {
    Done,
    Unknown,
    /// Nothing is to be decided any more.
    Over(ReviewState),
    /// The review asks for something else: its kind, and the words that it takes.
    Unfit {
        kind: String,
        takes: &'static [&'static str],
    },
    /// It is not one of the pairs that the review asks about.
    Elsewhere {
        pairs: Vec<i64>,
    },
}

impl Decision {
    /// Reads `{"choice": …, "value": …}` or `{"pair": …}`.
    ///
    /// # Errors
    /// What is wrong with it; never with what it says (invariant 9).
    pub fn read(body: &Map<String, Json>) -> Result<Self, Misread> {
        const CHOICES: &str = "One of left, right, both, value and approve; or pass pair.";
        let odd = |at, message, fix| Err(Misread { at, message, fix });
        let keys = ["choice", "value", "pair"];
        if body.keys().any(|key| !keys.contains(&key.as_str())) {
            return odd(
                "decision",
                "There is a field of another name.",
                "Pass choice, value, pair.",
            );
        }
        let (choice, value, pair) = (body.get("choice"), body.get("value"), body.get("pair"));
        if value.is_some() && choice != Some(&json!("value")) {
            return odd("value", "It goes with the choice value alone.", "Leave it out.");
        }
        match (choice.map(Json::as_str), pair) {
            (Some(_), Some(_)) => odd("pair", "It stands beside a choice.", "Pass one of the two."),
            (None, Some(Json::Null)) => Ok(Self::Pair(None)),
            (None, Some(pair)) => match whole(pair).filter(|pair| *pair <= PAIR_MAX) {
                Some(pair) => Ok(Self::Pair(Some(pair))),
                None => odd("pair", "It is no pair's number.", "Pass a whole number, or null."),
            },
            (Some(Some("left")), None) => Ok(Self::Left),
            (Some(Some("right")), None) => Ok(Self::Right),
            (Some(Some("both")), None) => Ok(Self::Both),
            (Some(Some("approve")), None) => Ok(Self::Approve),
            (Some(Some("value")), None) => match value {
                Some(value) if is_plain(value) => Ok(Self::Value(value.clone())),
                Some(_) => {
                    odd("value", "It has parts.", "Pass a text, a number, a truth or a list.")
                }
                None => odd("value", "It is missing.", "Pass value, or null to empty the field."),
            },
            _ => odd("choice", "It is missing, or none that there is.", CHOICES),
        }
    }

    /// Whether a review asks for this.
    ///
    /// # Errors
    /// What it asks for instead.
    pub fn fits(&self, review: &Review) -> Result<(), Decided> {
        let takes = takes(&review.kind);
        if !takes.contains(&self.word()) {
            return Err(Decided::Unfit { kind: review.kind.clone(), takes });
        }
        let pairs = pairs(review);
        match self {
            Self::Pair(Some(pair)) if !pairs.contains(pair) => Err(Decided::Elsewhere { pairs }),
            _ => Ok(()),
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
            Self::Both => "both",
            Self::Value(_) => "value",
            Self::Approve => "approve",
            Self::Pair(_) => "pair",
        }
    }

    /// As a run reads it.
    fn encode(&self) -> Vec<u8> {
        let json = match self {
            Self::Pair(pair) => json!({ "pair": pair }),
            Self::Value(value) => json!({ "choice": "value", "value": value }),
            other => json!({ "choice": other.word() }),
        };
        serde_json::to_vec(&json).unwrap_or_default()
    }
}

/// What a review of a kind can be decided by.
#[must_use]
pub fn takes(kind: &str) -> &'static [&'static str] {
    match kind {
        "conflict" => &["left", "right", "value"],
        "deleted" => &["left", "right", "both"],
        "brake" => &["approve"],
        "ambiguous" | "duplicate" => &["pair"],
        _ => &[],
    }
}

/// No store has so many pairs.
const PAIR_MAX: i64 = 1_000_000_000_000;

/// The pairs that a review asks about, besides its own.
#[must_use]
pub fn pairs(review: &Review) -> Vec<i64> {
    let about: Json = serde_json::from_slice(&review.about).unwrap_or_default();
    about["pairs"].as_array().into_iter().flatten().filter_map(Json::as_i64).collect()
}

/// A number above 0, also where it is written `7.0`: to JSON that is the same.
fn whole(number: &Json) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and small")]
    let float = || number.as_f64().filter(|f| f.fract() == 0.0 && *f < 9e15).map(|f| f as i64);
    number.as_i64().or_else(float).filter(|number| *number > 0)
}

fn is_plain(value: &Json) -> bool {
    match value {
        Json::Object(_) => false,
        Json::Array(all) => all.iter().all(|one| !matches!(one, Json::Object(_) | Json::Array(_))),
        _ => true,
    }
}

impl Engine {
    /// Keeps what a person has decided: the next run does it.
    ///
    /// # Errors
    /// When our own store fails.
    pub async fn decide_review(
        &self,
        id: i64,
        decision: &Decision,
        by: &str,
    ) -> Result<Decided, state::Error> {
        let Some(review) = self.store.review(id).await? else { return Ok(Decided::Unknown) };
        if !matches!(review.state, ReviewState::Open | ReviewState::Decided) {
            return Ok(Decided::Over(review.state));
        }
        if let Err(unfit) = decision.fits(&review) {
            return Ok(unfit);
        }
        let details = [("kind", review.kind.as_str()), ("choice", decision.word())];
        let act = act(by, "review.decided", format!("review {id}"), &details);
        let now = self.clock.now();
        let is_kept = self.store.decide_review(id, decision.encode(), act, now).await?;
        Ok(if is_kept { Decided::Done } else { Decided::Over(ReviewState::Withdrawn) })
    }

    /// Tries what failed again with the next run, with what its records are then. How many.
    ///
    /// # Errors
    /// When our own store fails.
    pub async fn redrive_sync(
        &self,
        sync: &Sync,
        which: Redrive,
        by: &str,
    ) -> Result<u64, state::Error> {
        let known = self.sync_state(sync).await?;
        let told = match &which {
            Redrive::One(pair) => format!("pair {pair}"),
            Redrive::Class(class) => format!("class {class}"),
            Redrive::All => "all".to_owned(),
        };
        let subject = format!("sync {}", sync.name);
        let act = act(by, "sync.redriven", subject, &[("which", &told)]);
        self.store.redrive_pairs(known.id, which, act, self.clock.now()).await
    }
}

fn act(by: &str, action: &'static str, subject: String, details: &[(&str, &str)]) -> Act {
    let details = details.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let details: BTreeMap<String, String> = details.collect();
    Act { actor: by.to_owned(), action, subject, details }
}

#[cfg(test)]
mod tests {
    use super::{Decided, Decision, takes};
    use domain::Timestamp;
    use serde_json::{Value as Json, json};
    use state::sync::{Review, ReviewState};

    fn read(body: Json) -> Result<Decision, &'static str> {
        let Json::Object(body) = body else { panic!("an object") };
        Decision::read(&body).map_err(|misread| misread.at)
    }

    fn review(kind: &str) -> Review {
        Review {
            id: 1,
            sync: 1,
            pair: Some(7),
            run: 1,
            kind: kind.to_owned(),
            field: String::new(),
            state: ReviewState::Open,
            about: br#"{"pairs":[3,4]}"#.to_vec(),
            decision: None,
            made_at: Timestamp(0),
            decided_at: None,
            decided_by: None,
        }
    }

    #[test]
    fn a_decision_is_kept_as_a_run_reads_it() {
        for (body, kept) in [
            (json!({ "choice": "left" }), json!({ "choice": "left" })),
            (
                json!({ "choice": "value", "value": null }),
                json!({ "choice": "value", "value": null }),
            ),
            (
                json!({ "choice": "value", "value": ["vip", 1] }),
                json!({ "choice": "value", "value": ["vip", 1] }),
            ),
            (json!({ "choice": "approve" }), json!({ "choice": "approve" })),
            (json!({ "pair": 3.0 }), json!({ "pair": 3 })),
            (json!({ "pair": null }), json!({ "pair": null })),
        ] {
            let Ok(decision) = read(body) else { panic!("it reads") };
            let bytes = decision.encode();
            assert_eq!(serde_json::from_slice::<Json>(&bytes).expect("JSON"), kept);
        }
    }

    #[test]
    fn what_is_no_decision_is_refused_by_its_place() {
        for (body, at) in [
            (json!({}), "choice"),
            (json!({ "choice": "middle" }), "choice"),
            (json!({ "choice": 1 }), "choice"),
            (json!({ "choice": "value" }), "value"),
            (json!({ "choice": "value", "value": { "a": 1 } }), "value"),
            (json!({ "choice": "value", "value": [[1]] }), "value"),
            (json!({ "choice": "left", "value": "x" }), "value"),
            (json!({ "choice": "left", "pair": 3 }), "pair"),
            (json!({ "pair": 0 }), "pair"),
            (json!({ "pair": "3" }), "pair"),
            (json!({ "choice": "left", "other": 3 }), "decision"),
        ] {
            assert_eq!(read(body.clone()).err(), Some(at), "{body}");
        }
    }

    #[test]
    fn a_decision_that_the_review_does_not_ask_for_is_refused() {
        for kind in ["conflict", "deleted", "brake", "ambiguous", "duplicate"] {
            for decision in [
                Decision::Left,
                Decision::Both,
                Decision::Value(json!("x")),
                Decision::Approve,
                Decision::Pair(None),
                Decision::Pair(Some(4)),
            ] {
                let fits = takes(kind).contains(&decision.word());
                let told = decision.fits(&review(kind));
                assert_eq!(told.is_ok(), fits, "{kind} {}", decision.word());
            }
        }
        let elsewhere = Decision::Pair(Some(5)).fits(&review("ambiguous"));
        assert_eq!(elsewhere, Err(Decided::Elsewhere { pairs: vec![3, 4] }));
    }
}
