//! What contact sync keeps of somebody: their records on both sides, as last seen, and what
//! was written to them.

use serde_json::{Value as Json, json};
use state::sync::{Half, Kept, Logged, Review, SIDES};

pub(super) fn document(kept: Kept) -> Json {
    let Kept { sync, pair, journal, reviews } = kept;
    let [left, right] = pair.halves;
    json!({
        "sync": sync, "state": pair.state.as_str(), "left": half(left), "right": half(right),
        "agreed": pair.base.as_deref().map(values),
        "journal": journal.into_iter().map(entry).collect::<Vec<_>>(),
        "reviews": reviews.into_iter().map(review).collect::<Vec<_>>(),
    })
}

fn half(half: Half) -> Json {
    match half {
        Half::Never => Json::Null,
        Half::Gone { id, into } => json!({ "record": id, "gone": true, "mergedInto": into }),
        Half::Present(copy) => json!({
            "record": copy.id, "version": copy.version, "modifiedBy": copy.modified_by,
            "modifiedAt": copy.modified.map(|at| at.to_string()), "fields": values(&copy.fields),
        }),
    }
}

fn entry(logged: Logged) -> Json {
    let entry = logged.entry;
    json!({
        "at": logged.at.to_string(), "run": logged.run, "side": SIDES[entry.side & 1],
        "record": entry.record, "kind": entry.kind, "state": entry.state.as_str(), "why": entry.why,
        "before": values(&entry.before), "after": values(&entry.after),
    })
}

fn review(review: Review) -> Json {
    json!({
        "id": review.id, "kind": review.kind, "field": review.field,
        "state": review.state.as_str(), "about": values(&review.about),
        "decision": review.decision.as_deref().map(values),
        "madeAt": review.made_at.to_string(), "decidedBy": review.decided_by,
    })
}

/// What the engine has written as JSON.
fn values(bytes: &[u8]) -> Json {
    serde_json::from_slice(bytes).unwrap_or(Json::Null)
}
