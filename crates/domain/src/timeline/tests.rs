//! What calls come to: a table of stories, and any order and repetition.

use super::{Event, Kind, Outcome, Session, Side, Spent, fold};
use crate::{CallId, Timestamp};
use proptest::prelude::*;

/// An event at that second, of that session (`a…` is an agent's, `c…` a customer's).
fn event(second: i64, session: &str, kind: Kind) -> Event {
    let call = CallId::new("call").expect("an id");
    let side = if session.starts_with('a') { Side::Agent } else { Side::Customer };
    let session = (!session.is_empty()).then(|| Session { id: session.to_owned(), side });
    Event { session, ..Event::new(call, Timestamp(second * 1_000), kind) }
}

fn span(from: i64, until: i64, session: &str, kind: Kind) -> Event {
    Event { until: Some(Timestamp(until * 1_000)), ..event(from, session, kind) }
}

fn by(agent: &str, queue: &str, event: Event) -> Event {
    Event { agent: Some(agent.to_owned()), queue: Some(queue.to_owned()), ..event }
}

fn left_for_another(event: Event) -> Event {
    Event { is_transfer: true, ..event }
}

/// Ended, talk, hold, after-call work; in seconds.
fn check(story: &str, events: &[Event], expected: (Option<i64>, u64, u64, u64)) -> Outcome {
    let outcome = fold(events, None);
    let (ended, talk, hold, work) = expected;
    let told = (outcome.ended, outcome.talk_ms, outcome.hold_ms, outcome.work_ms);
    let expected = (ended.map(|s| Timestamp(s * 1_000)), talk * 1_000, hold * 1_000, work * 1_000);
    assert_eq!(told, expected, "{story}: {outcome:?}");
    outcome
}

use Kind::{
    Connected, Ended, Held, Joined, Left, Retrieved, Started, Talked, WasHeld, WorkBegun,
    WorkEnded, Worked, WrappedUp,
};

#[test]
fn a_plain_call_with_hold_and_after_call_work() {
    let mut events = vec![
        event(0, "c1", Connected),
        by("anna", "sales", event(10, "a1", Connected)),
        event(40, "a1", Held),
        event(55, "a1", Retrieved),
        event(100, "a1", Left),
        event(100, "c1", Left),
        event(100, "a1", WorkBegun),
        event(130, "a1", WorkEnded),
    ];
    let outcome = check("plain", &events, (Some(100), 75, 15, 30));
    assert_eq!((outcome.handle_ms(), outcome.agent()), (120_000, Some("anna")));
    assert_eq!(outcome.queue.as_deref(), Some("sales"));
    events.remove(2);
    check("the hold was not told", &events, (Some(100), 90, 0, 30));
}

#[test]
fn a_transfer_adds_up_over_the_agents() {
    let events = [
        event(0, "c1", Connected),
        by("anna", "sales", event(10, "a1", Connected)),
        left_for_another(event(60, "a1", Left)),
        event(60, "a1", WorkBegun),
        event(80, "a1", WorkEnded),
        by("ben", "service", event(65, "a2", Connected)),
        event(125, "a2", Left),
        event(125, "c1", Left),
    ];
    let outcome = check("transfer", &events, (Some(125), 110, 0, 20));
    assert_eq!((outcome.agent(), outcome.queue.as_deref()), (Some("ben"), Some("service")));
    assert_eq!(outcome.agents.len(), 2);
    // Of the first agent alone nobody knows yet that the call is over.
    check("passed on", &events[1..5], (None, 50, 0, 20));
}

#[test]
fn a_conference_ends_with_its_last_customer() {
    let mut events = vec![
        event(0, "c1", Connected),
        by("anna", "sales", event(10, "a1", Connected)),
        event(30, "c2", Connected),
        by("ben", "sales", event(20, "a2", Connected)),
        event(50, "c1", Left),
    ];
    check("one of two is gone", &events, (None, 0, 0, 0));
    events.extend([event(70, "a1", Left), event(90, "c2", Left), event(90, "a2", Left)]);
    let outcome = check("both are gone", &events, (Some(90), 130, 0, 0));
    let connected: Vec<u64> = outcome.customers.iter().map(|c| c.connected_ms / 1_000).collect();
    assert_eq!(connected, [50, 60]);
}

#[test]
fn a_party_that_hangs_on_for_weeks_holds_no_call_open() {
    let events = [
        event(0, "c1", Connected),
        by("anna", "sales", event(10, "a1", Connected)),
        event(20, "c2", Connected),
        event(100, "c1", Left),
        event(101, "a1", Left),
        Event { is_whole: true, ..event(5_000_000, "", Ended) },
    ];
    check("an outside party was never hung up", &events, (Some(101), 91, 0, 0));
}

#[test]
fn spans_that_lie_over_each_other_count_once() {
    let events = [
        span(0, 60, "a1", Talked),
        span(30, 90, "a1", Talked),
        span(40, 50, "a1", WasHeld),
        span(45, 55, "a1", WasHeld),
        span(80, 120, "a1", Worked),
        // Another session of the same agent is another work.
        span(0, 10, "a2", Talked),
        span(9, 5, "a2", Talked),
        event(90, "a1", Left),
        event(10, "a2", Left),
    ];
    check("overlaps", &events, (Some(90), 75 + 10, 15, 30));
}

#[test]
fn sums_of_the_contact_center_count_before_our_own() {
    let stated = |talk, hold, work| Spent { talk_ms: talk, hold_ms: hold, work_ms: work };
    let events = [
        event(0, "a1", Connected),
        Event { spent: stated(Some(50_000), Some(5_000), None), ..event(60, "a1", Left) },
        Event { spent: stated(None, None, Some(7_000)), ..event(70, "a1", WrappedUp) },
    ];
    check("of a session", &events, (Some(60), 50, 5, 7));
    let call = Event { spent: stated(Some(40_000), None, Some(0)), ..event(61, "", Ended) };
    let events: Vec<Event> = events.into_iter().chain([call]).collect();
    check("of the call", &events, (Some(61), 40, 5, 0));
}

#[test]
fn an_end_alone_is_estimated_from_the_customers_time() {
    let ends = [event(0, "", Started), event(90, "", Ended)];
    assert!(check("begin and end", &ends, (Some(90), 90, 0, 0)).is_estimated);
    let arrived = fold(&ends[1..], Some(Timestamp(30_000)));
    assert_eq!((arrived.started, arrived.talk_ms), (Some(Timestamp(30_000)), 60_000));
    let spent = Spent { talk_ms: Some(45_000), ..Spent::default() };
    let customer = [Event { spent, ..event(90, "c1", Left) }];
    assert!(check("the customer's end", &customer, (Some(90), 45, 0, 0)).is_estimated);
    // An agent's after-call work alone says nothing of how long they spoke.
    let worked = Spent { work_ms: Some(5_000), ..Spent::default() };
    let work = Event { spent: worked, ..event(95, "a1", WorkEnded) };
    let both = [customer[0].clone(), work];
    assert!(check("and after-call work", &both, (Some(90), 45, 0, 5)).is_estimated);
    // Who tells the whole call and names no agent says that there was none.
    let abandoned = [
        event(0, "c1", Connected),
        event(20, "c1", Left),
        Event { is_whole: true, ..event(20, "", Ended) },
    ];
    assert!(!check("abandoned in the queue", &abandoned, (Some(20), 0, 0, 0)).is_estimated);
}

#[test]
fn wrap_ups_are_kept_in_order_and_once() {
    let said = |second, code: &str| Event {
        wrap_up: Some(code.to_owned()),
        notes: Some(format!("about {code}")),
        ..event(second, "a1", WrappedUp)
    };
    let outcome = fold(&[said(9, "late"), said(5, "early"), said(7, "late")], None);
    assert_eq!(outcome.wrap_ups, ["early", "late"]);
    assert!(!format!("{outcome:?}").contains("about"), "what agents write is not shown");
}

fn any_event() -> impl Strategy<Value = Event> {
    let session = prop::sample::select(vec!["", "a1", "a2", "c1", "c2"]);
    let kind = prop::sample::select(Kind::ALL);
    let sum = prop::option::of(0..9_u64);
    let flags = (any::<bool>(), any::<bool>());
    (0..8_i64, session, kind, 0..8_i64, prop::option::of(0..3_u8), sum, flags).prop_map(
        |(second, session, kind, until, word, sum, (is_transfer, is_whole))| Event {
            until: Some(Timestamp(until * 1_000)),
            spent: Spent { talk_ms: sum, ..Spent::default() },
            agent: word.map(|word| format!("agent {word}")),
            wrap_up: word.map(|word| format!("code {word}")),
            is_transfer,
            is_whole,
            ..event(second, session, kind)
        },
    )
}

proptest! {
    #[test]
    fn neither_order_nor_repetition_changes_anything(
        events in prop::collection::vec(any_event(), 0..24),
        again in prop::collection::vec(any::<prop::sample::Index>(), 0..24),
        turns in prop::collection::vec(any::<prop::sample::Index>(), 48),
    ) {
        let once = fold(&events, None);
        let mut other = events.clone();
        if !events.is_empty() {
            other.extend(again.iter().map(|index| index.get(&events).clone()));
        }
        for (at, turn) in (1..other.len()).zip(&turns) {
            other.swap(at, turn.index(at + 1));
        }
        prop_assert_eq!(once, fold(&other, None));
    }

    #[test]
    fn no_session_spends_more_than_the_time_it_was_told_of(
        events in prop::collection::vec(any_event(), 0..24),
    ) {
        let events: Vec<Event> =
            events.into_iter().map(|e| Event { spent: Spent::default(), ..e }).collect();
        for part in fold(&events, None).agents {
            prop_assert!(part.talk_ms + part.hold_ms + part.work_ms <= 7_000, "{:?}", part);
        }
    }
}

#[test]
fn a_session_that_only_rang_is_joined_and_costs_nothing() {
    let events = [event(0, "a1", Joined), event(8, "a1", Left), event(9, "", Ended)];
    check("declined", &events, (Some(9), 0, 0, 0));
}
