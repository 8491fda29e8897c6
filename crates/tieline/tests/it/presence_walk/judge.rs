//! Says whether an agent may stand as they do, from the rules in words alone: the table in
//! `domain::presence`, and the pairs as [`super::people::sections`] writes them.

use super::people::{Scenario, Stands};
use std::collections::BTreeSet;

/// What each side shows while it must hand out nothing.
pub(super) const TRANSITION: [&str; 2] = ["Available", "Transition"];
/// Pairs in which an agent may stand: `(center, crm)`.
const ONE: [(&str, &str); 5] = [
    ("On Queue", "Busy"),
    ("Busy", "Online"),
    ("Busy", "Chat"),
    ("Meal", "Lunch"),
    ("Break", "Lunch"),
];
const BOTH: [(&str, &str); 4] =
    [("On Queue", "Online"), ("On Queue", "Chat"), ("Meal", "Lunch"), ("Break", "Lunch")];

fn pairs(scenario: Scenario) -> &'static [(&'static str, &'static str)] {
    match scenario {
        Scenario::One => &ONE,
        Scenario::Both => &BOTH,
    }
}

/// A status that is mapped and hands out work.
fn works(side: usize, status: &str) -> bool {
    if side == 0 { status == "On Queue" } else { matches!(status, "Online" | "Chat") }
}

/// Does the other side follow it? Nobody is put to work in the first scenario, and so what is
/// paired with work there leads nowhere.
fn leads(side: usize, status: &str) -> bool {
    let leading: &[&str] = [&["On Queue", "Meal", "Break"], &["Online", "Chat", "Lunch"]][side];
    leading.contains(&status)
}

/// Who is logged out, or idle by the system's own doing, is nobody's to set.
fn is_left_alone(status: &str) -> bool {
    matches!(status, "Offline" | "Idle")
}

/// Work that nobody mapped is left alone, and only said.
fn is_unmapped_work(stands: &Stands) -> bool {
    stands.shows[0] == "On Queue, chat only"
}

/// Both are offered work where only one may: what must not last while all is well.
pub(super) fn is_offered_too_much(scenario: Scenario, stands: &Stands) -> bool {
    let [center, crm] = [0, 1].map(|side| works(side, &stands.shows[side]));
    match scenario {
        Scenario::One => center && crm,
        Scenario::Both => (center && stands.handles[1]) || (crm && stands.handles[0]),
    }
}

/// May an agent rest so? `own`: what they chose last on each side.
pub(super) fn may_rest(
    scenario: Scenario,
    stands: &Stands,
    own: &[String; 2],
) -> Result<(), String> {
    if is_unmapped_work(stands) {
        return Ok(());
    }
    if is_offered_too_much(scenario, stands) {
        return Err("both hand out work".to_owned());
    }
    let [center, crm] = &stands.shows;
    if pairs(scenario).contains(&(center, crm)) {
        return Ok(());
    }
    for (side, other) in [(0, 1), (1, 0)] {
        let (status, others) = (&stands.shows[side], &stands.shows[other]);
        if !leads(side, status) || is_left_alone(others) {
            continue;
        }
        let is_handling = stands.handles[side] || (side == 1 && stands.may_have_missed);
        let is_covered =
            scenario == Scenario::Both && is_handling && others.as_str() == TRANSITION[other];
        // What leads nowhere the agent may have chosen themselves.
        let is_own = own[other] == *others && !leads(other, others);
        if !is_covered && !is_own {
            return Err(format!("`{others}` does not go with `{status}`"));
        }
    }
    Ok(())
}

/// May Tieline set this at all? Only what the map says, and where the agent was.
pub(super) fn may_be_set(
    scenario: Scenario,
    side: usize,
    status: &str,
    chosen: &BTreeSet<String>,
) -> bool {
    let halves = |(center, crm): &(&'static str, &'static str)| [*center, *crm][side];
    let is_mapped = pairs(scenario).iter().map(halves).any(|half| half == status);
    let is_their_own = chosen.contains(status);
    // In the first scenario only the agent enters work.
    let is_rash = scenario == Scenario::One && works(side, status) && !is_their_own;
    !is_left_alone(status) && !is_rash && (is_mapped || is_their_own || status == TRANSITION[side])
}
