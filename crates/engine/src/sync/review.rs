//! What a person is asked, and what they decided.

use super::Sync;
use super::map::Map;
use super::settle::Item;
use domain::sync::matching::KeyKind;
use domain::sync::{Choice, Conflict, Plan, Side, Stands, Why, Won};
use kit::forms::{read_plain, write_plain};
use serde_json::{Value as Json, json};
use state::sync::{Entry, EntryState, NewReview, Review};

/// A person's decisions about a pair, as `domain::sync` takes them.
pub(super) fn decided(map: &Map, decisions: &[Review]) -> (Vec<(usize, Choice)>, Option<Stands>) {
    let (mut fields, mut stands) = (Vec::new(), None);
    for review in decisions {
        let Some(decision) = review.decision.as_deref().and_then(json_of) else { continue };
        if review.kind == "deleted" {
            stands = decision["choice"].as_str().and_then(Stands::parse).or(stands);
            continue;
        }
        let choice = match decision["choice"].as_str() {
            Some("left") => Choice::Left,
            Some("right") => Choice::Right,
            Some("value") => Choice::Value(read_plain(&decision["value"])),
            _ => continue,
        };
        if let ("conflict", Some(at)) = (review.kind.as_str(), map.keyed(&review.field)) {
            fields.push((at, choice));
        }
    }
    (fields, stands)
}

/// Did a person say that so many records may go?
pub(super) fn lets_through(review: &Review, deletes: u64) -> bool {
    let decision = review.decision.as_deref().and_then(json_of);
    let seen = json_of(&review.about).and_then(|about| about["deletes"].as_u64());
    decision.is_some_and(|decision| decision["choice"] == "approve")
        && seen.is_some_and(|seen| deletes <= seen)
}

/// Decisions that hold once: a value that was typed, and what was said of a deletion.
pub(super) fn spent(decisions: &[Review]) -> Vec<i64> {
    let is_once = |review: &&Review| {
        let decision = review.decision.as_deref().and_then(json_of);
        review.kind == "deleted" || decision.is_some_and(|decision| decision["choice"] == "value")
    };
    decisions.iter().filter(is_once).map(|review| review.id).collect()
}

/// Did a person say that this one is a duplicate of that pair?
pub(super) fn is_known_duplicate(decisions: &[Review], of: i64) -> bool {
    let of_duplicates = decisions.iter().filter(|review| review.kind == "duplicate");
    let mut said = of_duplicates.filter_map(|review| review.decision.as_deref().and_then(json_of));
    said.any(|decision| decision["pair"] == of)
}

/// Pairs that a person said are somebody else, when one of both was merged into the other or
/// was found to be tied.
pub(super) fn parted(decisions: &[Review]) -> Vec<i64> {
    others(decisions.iter().filter(|review| review.kind == "duplicate"))
}

/// Pairs that a person said are somebody else.
pub(super) fn refused(decisions: &[Review]) -> Vec<i64> {
    others(decisions.iter())
}

fn others<'a>(decisions: impl Iterator<Item = &'a Review>) -> Vec<i64> {
    let others = decisions.filter_map(|review| {
        let decision = review.decision.as_deref().and_then(json_of)?;
        let about = json_of(&review.about)?;
        let mut all: Vec<i64> =
            about["pairs"].as_array()?.iter().filter_map(Json::as_i64).collect();
        // `pair`: this one is meant, so the others are not; without one nobody is.
        let meant = decision["pair"].as_i64();
        all.retain(|pair| Some(*pair) != meant);
        Some(all)
    });
    others.flatten().collect()
}

pub(super) fn ambiguous(pairs: &[i64], by: KeyKind) -> NewReview {
    new("ambiguous", "", &json!({ "pairs": pairs, "by": by.as_str() }))
}

pub(super) fn duplicate(of: i64, by: KeyKind) -> NewReview {
    new("duplicate", "", &json!({ "pairs": [of], "by": by.as_str() }))
}

pub(super) fn held(why: Why) -> NewReview {
    new("deleted", "", &json!({ "why": why.as_str() }))
}

pub(super) fn braked(deletes: u64, pairs: u64) -> NewReview {
    new("brake", "", &json!({ "deletes": deletes, "of": pairs }))
}

/// A conflict that waits for a person, or that one should see.
pub(super) fn conflict(sync: &Sync, item: &Item, conflict: &Conflict) -> Option<NewReview> {
    let value = |side: Side| {
        let values = item.values[side.index()].as_ref();
        let value = values.and_then(|values| values[conflict.field].as_ref());
        value.map_or(Json::Null, write_plain)
    };
    let about = json!({
        "left": value(Side::Left),
        "right": value(Side::Right),
        "won": conflict.won.as_str(),
        "by": conflict.by.as_str(),
    });
    let name = sync.map.key(conflict.field);
    conflict.for_review.then(|| new("conflict", name, &about))
}

/// The values that a conflict has cost, so that they can be put back (invariant 6).
pub(super) fn lost(sync: &Sync, item: &Item, plan: &Plan, conflict: &Conflict) -> Vec<Entry> {
    let field = sync.map.key(conflict.field);
    let won = plan.value(conflict.field).map_or(Json::Null, write_plain);
    let entry = |(side, value): &(Side, Option<domain::Value>)| Entry {
        id: None,
        pair: item.pair.seq,
        side: side.index(),
        record: item.copy(*side).map(|copy| copy.id.clone()).unwrap_or_default(),
        kind: "conflict".to_owned(),
        before: bytes(&json!({ field: value.as_ref().map_or(Json::Null, write_plain) })),
        after: bytes(&json!({ field: won })),
        why: conflict.by.as_str().to_owned(),
        state: EntryState::Intended,
    };
    if conflict.won == Won::Open { Vec::new() } else { conflict.lost.iter().map(entry).collect() }
}

/// Two records were found to be one person.
pub(super) fn linked(item: &Item) -> Entry {
    let ids = [Side::Left, Side::Right].map(|side| item.copy(side).map(|copy| copy.id.as_str()));
    Entry {
        id: None,
        pair: item.pair.seq,
        side: 0,
        record: ids[0].unwrap_or_default().to_owned(),
        kind: "link".to_owned(),
        before: Vec::new(),
        after: bytes(&json!({ "left": ids[0], "right": ids[1] })),
        why: item.by.map(|by| by.as_str().to_owned()).unwrap_or_default(),
        state: EntryState::Done,
    }
}

fn new(kind: &'static str, field: &str, about: &Json) -> NewReview {
    NewReview { kind: kind.to_owned(), field: field.to_owned(), about: bytes(about) }
}

fn bytes(json: &Json) -> Vec<u8> {
    serde_json::to_vec(json).unwrap_or_default()
}

fn json_of(bytes: impl AsRef<[u8]>) -> Option<Json> {
    serde_json::from_slice(bytes.as_ref()).ok()
}
