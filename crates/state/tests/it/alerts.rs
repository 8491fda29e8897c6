//! A trouble is told once when it begins and once when it has ended everywhere.

use crate::place::Place;
use domain::Timestamp;
use state::alerts::{Sight, TURNS_MAX, Tell, Trouble, Turn, Words};
use state::{NewJob, Store};
use std::sync::Arc;
use std::time::Duration;

crate::facts! {
    a_trouble_is_told_once_and_its_end_once
    what_two_nodes_see_is_one_trouble
    a_node_that_stopped_sees_nothing_any_more
    what_was_wrong_is_kept_as_it_was_told_and_the_oldest_goes
}

fn tell() -> Tell {
    Arc::new(|turn: &Turn| {
        let payload = format!("{} {}", turn.trouble.kind, turn.is_over).into_bytes();
        let (connection, run_at) = ("pager".to_owned(), turn.at);
        let job = NewJob { kind: "alert", connection, key: None, payload, run_at, subject: None };
        let (title, detail) = (turn.trouble.kind.clone(), "how".to_owned());
        Words { title, detail, jobs: vec![job] }
    })
}

async fn see(store: &Store, node: i64, kinds: &[&str], now: i64) -> Vec<(String, bool)> {
    let troubles = kinds
        .iter()
        .map(|kind| Trouble { kind: (*kind).to_owned(), connection: "crm".to_owned() })
        .collect();
    let silent_after = Duration::from_secs(60);
    let sight = Sight { node, troubles, silent_after, now: Timestamp(now) };
    let turns = store.see_troubles(sight, tell()).await.expect("noted");
    turns.into_iter().map(|turn| (turn.trouble.kind, turn.is_over)).collect()
}

async fn told(store: &Store) -> Vec<String> {
    let jobs = store.lease("alert", "pager", 100, Duration::from_secs(60), Timestamp(i64::MAX / 2));
    let jobs = jobs.await.expect("leased").into_iter();
    let mut told: Vec<String> =
        jobs.map(|job| String::from_utf8(job.payload).expect("a text")).collect();
    told.sort();
    told
}

fn turn(kind: &str, is_over: bool) -> (String, bool) {
    (kind.to_owned(), is_over)
}

async fn a_trouble_is_told_once_and_its_end_once(place: Place) {
    let store = place.open().await;
    assert_eq!(see(&store, 1, &[], 0).await, []);
    assert_eq!(see(&store, 1, &["breaker_open"], 1).await, [turn("breaker_open", false)]);
    for now in 2..20 {
        assert_eq!(see(&store, 1, &["breaker_open"], now).await, []);
    }
    let both = see(&store, 1, &["budget_low"], 20).await;
    assert_eq!(both, [turn("budget_low", false), turn("breaker_open", true)]);
    assert_eq!(see(&store, 1, &[], 21).await, [turn("budget_low", true)]);
    assert_eq!(see(&store, 1, &[], 22).await, []);
    let expected =
        ["breaker_open false", "breaker_open true", "budget_low false", "budget_low true"];
    assert_eq!(told(&store).await, expected);
    store.close().await;
}

async fn what_two_nodes_see_is_one_trouble(place: Place) {
    let store = place.open().await;
    let asked = (1..=4).map(|node| {
        let store = store.clone();
        tokio::spawn(async move { see(&store, node, &["token_failed"], 1).await })
    });
    let mut turns = Vec::new();
    for asked in asked.collect::<Vec<_>>() {
        turns.extend(asked.await.expect("no panic"));
    }
    assert_eq!(turns, [turn("token_failed", false)]);
    for node in 1..=3 {
        assert_eq!(see(&store, node, &[], 2).await, [], "another still sees it");
    }
    assert_eq!(see(&store, 4, &[], 3).await, [turn("token_failed", true)]);
    assert_eq!(told(&store).await, ["token_failed false", "token_failed true"]);
    store.close().await;
}

async fn a_node_that_stopped_sees_nothing_any_more(place: Place) {
    let store = place.open().await;
    assert_eq!(see(&store, 1, &["late"], 0).await.len(), 1);
    assert_eq!(see(&store, 2, &[], 60_000).await, []);
    assert_eq!(see(&store, 2, &[], 60_001).await, [turn("late", true)]);
    store.close().await;
}

async fn what_was_wrong_is_kept_as_it_was_told_and_the_oldest_goes(place: Place) {
    let store = place.open().await;
    see(&store, 1, &["late"], 5).await;
    see(&store, 2, &["late", "partial"], 6).await;
    let now: Vec<_> = store.troubles().await.expect("read").into_iter().collect();
    let trouble = |kind: &str| Trouble { kind: kind.to_owned(), connection: "crm".to_owned() };
    assert_eq!(now, [(trouble("late"), Timestamp(5)), (trouble("partial"), Timestamp(6))]);
    let past = store.past_troubles(10).await.expect("read");
    let told: Vec<_> = past.iter().map(|one| (one.title.as_str(), one.detail.as_str())).collect();
    assert_eq!(told, [("partial", "how"), ("late", "how")]);
    for now in 0..(TURNS_MAX as i64 / 2 + 10) {
        see(&store, 2, &["late"], 100 + 2 * now).await;
        see(&store, 2, &["late", "partial"], 101 + 2 * now).await;
    }
    let past = store.past_troubles(usize::MAX).await.expect("read");
    assert_eq!(past.len(), TURNS_MAX);
    assert!(past.iter().all(|one| one.turn.trouble == trouble("partial")));
    store.close().await;
}
