//! Settings that are refused, with every fault at once.

use super::desk::{known, open, pair, settings};
use crate::presence::*;
use std::time::Duration;

fn refused(settings: &Settings) -> Vec<String> {
    let [center, crm] = known();
    let faults = Map::open(settings, [&center, &crm]).err().unwrap_or_default();
    faults.iter().map(ToString::to_string).collect()
}

fn check(scenario: Scenario, pairs: &[(&str, &str, Way)], expected: &[&str]) {
    let pairs = pairs.iter().map(|(center, crm, way)| pair(center, crm, *way));
    assert_eq!(refused(&settings(scenario, pairs.collect())), expected);
}

use Scenario::{Both, One};

#[test]
fn a_mapped_status_must_hand_out_work_just_where_it_is_needed() {
    check(
        One,
        &[("on_queue", "online", Way::Both), ("busy", "online", Way::Both)],
        &["pairs[0]: in `on queue` ↔ `online` both hand out work, and only one may at a time; \
           map `on queue` and `online` each to a status without work"],
    );
    check(
        Both,
        &[("on_queue", "busy", Way::Both), ("meal", "online", Way::Both)],
        &[
            "pairs[0].crm: in `on queue` ↔ `busy` only `on queue` hands out work; \
             replace `busy` by a work status of the CRM, or `on queue` by one without work",
            "pairs[1].contact_center: in `meal` ↔ `online` only `online` hands out work; \
             replace `meal` by a work status of the center, or `online` by one without work",
        ],
    );
    check(
        One,
        &[("on_queue", "busy", Way::Both)],
        &["pairs.crm: no pair leads from a work status of the CRM; \
           map one to a status without work of the center, or make the center the master"],
    );
    let mut one_way = settings(Both, vec![pair("on_queue", "online", Way::ToCenter)]);
    one_way.master = Master::Center;
    assert_eq!(
        refused(&one_way),
        ["pairs.contact_center: no pair leads from a work status of the center; \
          map one to a work status of the CRM"]
    );
}

#[test]
fn a_status_that_is_no_more_or_cannot_be_chosen_is_named() {
    check(
        Both,
        &[
            ("on_queue", "online", Way::Both),
            ("nap", "lunch", Way::Both),
            ("meal", "siesta", Way::Both),
            ("offline", "training", Way::Both),
            ("idle", "busy", Way::Both),
        ],
        &[
            "pairs[1].contact_center: in `nap` ↔ `lunch` `nap` is no status of the center any more; \
             choose one that the center has",
            "pairs[2].crm: in `meal` ↔ `siesta` `siesta` is no status of the CRM any more; \
             choose one that the CRM has",
            "pairs[3].contact_center: in `offline` ↔ `training` `offline` is a log-out, which is left \
             to the agent; leave it out, or choose a status without work",
            "pairs[4].contact_center: in `idle` ↔ `busy` the center sets `idle` itself; \
             leave it out, or choose a status that agents can set",
        ],
    );
}

#[test]
fn doubles_and_ambiguous_ways_are_named() {
    check(
        Both,
        &[
            ("on_queue", "online", Way::Both),
            ("meal", "lunch", Way::Both),
            ("meal", "lunch", Way::ToCrm),
        ],
        &["pairs[2]: `meal` ↔ `lunch` is the same pair as pairs[1]; leave one of them out"],
    );
    check(
        Both,
        &[
            ("on_queue", "online", Way::Both),
            ("on_queue", "chat", Way::Both),
            ("meal", "lunch", Way::Both),
            ("break", "lunch", Way::Both),
        ],
        &[
            "pairs[1].contact_center: `on queue` leads to `online` and to `chat`; \
             let one of `on queue` ↔ `online` and `on queue` ↔ `chat` lead only to the center",
            "pairs[3].crm: `lunch` leads to `meal` and to `break`; \
             let one of `meal` ↔ `lunch` and `break` ↔ `lunch` lead only to the CRM",
        ],
    );
}

#[test]
fn a_circle_is_told_with_its_stations() {
    check(
        Both,
        &[
            ("on_queue", "online", Way::Both),
            ("meal", "lunch", Way::ToCrm),
            ("break", "lunch", Way::ToCenter),
            ("break", "busy", Way::ToCrm),
            ("meal", "busy", Way::ToCenter),
        ],
        &["pairs: the pairs lead in a circle: `meal` → `lunch` → `break` → `busy` → `meal`; \
           turn one of these pairs, so that two statuses lead to each other"],
    );
}

#[test]
fn a_transition_leads_into_no_work_and_stands_for_nothing_else() {
    let mut settings = settings(
        Both,
        vec![pair("on_queue", "online", Way::Both), pair("busy", "lunch", Way::Both)],
    );
    settings.transition.center = "on_queue".into();
    settings.transition.crm = "lunch".into();
    settings.transition.dwell = Duration::from_secs(7_200);
    assert_eq!(
        refused(&settings),
        [
            "dwell: the dwell is longer than 3600 s; give agents seconds or minutes",
            "transition.contact_center: the transition status `on queue` hands out work; \
             choose a status of the center without work",
            "transition.contact_center: the transition status `on queue` is also mapped, in \
             `on queue` ↔ `online`; choose a status of the center that stands for nothing else",
            "transition.crm: the transition status `lunch` is also mapped, in `busy` ↔ `lunch`; \
             choose a status of the CRM that stands for nothing else",
        ]
    );
}

#[test]
fn settings_as_the_vendors_users_know_them_are_taken() {
    // One center status for both: what it shows in transition is what it shows for the CRM's work.
    let pairs = vec![pair("on_queue", "busy", Way::Both), pair("available", "online", Way::Both)];
    open(&settings(One, pairs));
    open(&settings(Both, vec![pair("on_queue", "online", Way::Both)]));
    let mut center = settings(One, vec![pair("on_queue", "busy", Way::Both)]);
    center.master = Master::Center;
    open(&center);
}
