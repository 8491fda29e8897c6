//! A page and its cursor are one commit, what changed waits, what is settled was read as
//! it still is, and whoever lost the hold writes nothing.

use crate::place::Place;
use domain::Timestamp;
use state::Store;
use state::sync::{
    Arrival, Begun, Copy, Entry, EntryState, Half, Hold, Key, NewRun, Outcome, Page, Paged, Pair,
    PairState, RunKind, Settled, Sync, Taken,
};
use std::time::Duration;

mod asking;
mod dissolving;
mod drift;
mod ends;
mod erasing;
mod many;
mod settling;

crate::facts! {
    a_page_and_its_cursor_are_one_commit
    what_came_back_as_it_was_known_does_not_wait
    a_page_that_does_not_follow_is_refused_and_the_last_one_may_be_repeated
    whoever_lost_the_hold_writes_nothing
    a_record_is_matched_and_the_two_rows_become_one
    a_pair_that_changed_meanwhile_is_not_settled
    one_run_of_a_sync_is_under_way_and_other_syncs_go_on
}

pub(crate) const HOLD: Duration = Duration::from_secs(30);
pub(crate) const LEFT: usize = 0;
pub(crate) const RIGHT: usize = 1;

pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp(ms)
}

pub(crate) fn copy(id: &str, modified: i64, fields: &str) -> Copy {
    Copy {
        id: id.to_owned(),
        version: Some(format!("v{modified}")),
        modified: Some(at(modified)),
        modified_by: None,
        fields: fields.as_bytes().to_vec(),
    }
}

pub(crate) fn email(text: &str) -> Key {
    Key { kind: Key::EMAIL, text: text.to_owned() }
}

/// A record with an e-mail made of its id.
pub(crate) fn saved(id: &str, modified: i64, fields: &str) -> Arrival {
    Arrival::Saved {
        may_enter: true,
        copy: copy(id, modified, fields),
        keys: vec![email(&format!("{}@example.com", &id[1..]))],
    }
}

pub(crate) fn gone(id: &str) -> Arrival {
    Arrival::Gone { id: id.to_owned(), into: None }
}

pub(crate) async fn contacts(store: &Store) -> Sync {
    store.sync("contacts", ["crm", "center"], at(1)).await.expect("a sync")
}

pub(crate) fn asked(kind: RunKind) -> NewRun {
    NewRun { kind, of: None, is_dry: false, due_at: None, by: "test".to_owned() }
}

/// A run of the sync under a hold.
pub(crate) async fn held(store: &Store, now: i64) -> (Sync, Hold) {
    let sync = contacts(store).await;
    let begun =
        store.begin_sync_run(sync.id, asked(RunKind::Run), at(now)).await.expect("answered");
    assert!(matches!(begun, Begun::Started { .. }), "{begun:?}");
    let (hold, run) = store.take_sync_run(HOLD, at(now)).await.expect("answered").expect("a run");
    assert_eq!((run.sync, run.step.as_str()), (sync.id, ""));
    (sync, hold)
}

/// Takes a page behind what was taken last.
pub(crate) async fn take(store: &Store, hold: Hold, side: usize, arrivals: Vec<Arrival>) -> Taken {
    let sync = contacts(store).await;
    let after = sync.cursors[side].clone();
    let number = after.as_deref().and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
    let page = Page {
        side,
        after,
        arrivals,
        cursor: (number + 1).to_string(),
        is_restart: false,
        ends_pass: false,
    };
    match store.take_page(hold, page, at(5)).await.expect("answered") {
        Paged::Taken(taken) => taken,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn waiting(store: &Store, sync: &Sync) -> Vec<Pair> {
    store.waiting_pairs(sync.id, 0, 100, at(10)).await.expect("pairs")
}

pub(crate) async fn settle(store: &Store, hold: Hold, settled: Vec<Settled>) -> Vec<Outcome> {
    let done = store.settle_pairs(hold, settled, Default::default(), at(20)).await;
    done.expect("answered").expect("it is held")
}

/// Nothing is left to be done for the pairs that wait.
pub(crate) async fn rest(store: &Store, hold: Hold, sync: &Sync) {
    let settled: Vec<_> = waiting(store, sync).await.iter().map(Settled::of).collect();
    for outcome in settle(store, hold, settled).await {
        assert_eq!(outcome, Outcome::Applied);
    }
    assert!(waiting(store, sync).await.is_empty());
}

async fn a_page_and_its_cursor_are_one_commit(place: Place) {
    let store = place.open().await;
    let (sync, hold) = held(&store, 1).await;
    assert_eq!((sync.cursors, sync.passes), ([None, None], [0, 0]));
    let taken =
        take(&store, hold, LEFT, vec![saved("Lann", 10, "{1}"), saved("Lbob", 11, "{2}")]).await;
    assert_eq!(taken, Taken { new: 2, ..Taken::default() });
    let sync = contacts(&store).await;
    assert_eq!(sync.cursors, [Some("1".to_owned()), None]);
    assert_eq!((sync.passes, sync.pairs), ([1, 0], 2));
    let pairs = waiting(&store, &sync).await;
    let ids: Vec<_> = pairs.iter().map(|pair| pair.halves[LEFT].id().expect("it")).collect();
    assert_eq!(ids, ["Lann", "Lbob"]);
    assert!(pairs[0].halves[LEFT] == Half::Present(copy("Lann", 10, "{1}")));
    assert!(pairs[0].halves[RIGHT] == Half::Never && pairs[0].state == PairState::Open);
    let more = store.waiting_pairs(sync.id, pairs[0].seq, 1, at(10)).await.expect("pairs");
    assert!(more.len() == 1 && more[0] == pairs[1]);
}

async fn what_came_back_as_it_was_known_does_not_wait(place: Place) {
    let store = place.open().await;
    let (sync, hold) = held(&store, 1).await;
    take(&store, hold, LEFT, vec![saved("Lann", 10, "{1}"), saved("Lbob", 11, "{2}")]).await;
    rest(&store, hold, &sync).await;
    let again = vec![saved("Lann", 10, "{1}"), saved("Lbob", 15, "{2}")];
    assert_eq!(take(&store, hold, LEFT, again).await, Taken { unchanged: 2, ..Taken::default() });
    assert!(waiting(&store, &sync).await.is_empty());
    // Its version is followed nevertheless.
    let bob = store.pair_of(&sync, LEFT, "Lbob").await.expect("read").expect("it");
    assert!(bob.halves[LEFT] == Half::Present(copy("Lbob", 15, "{2}")));
    let changed = vec![saved("Lann", 16, "{3}"), saved("Lbob", 12, "{old}"), gone("Lnobody")];
    let taken = take(&store, hold, LEFT, changed).await;
    assert_eq!(taken, Taken { changed: 1, unchanged: 1, ..Taken::default() }, "one is older");
    let pairs = waiting(&store, &sync).await;
    assert!(pairs.len() == 1 && pairs[0].halves[LEFT] == Half::Present(copy("Lann", 16, "{3}")));
}

async fn a_page_that_does_not_follow_is_refused_and_the_last_one_may_be_repeated(place: Place) {
    let store = place.open().await;
    let (sync, hold) = held(&store, 1).await;
    let page = |after: Option<&str>, cursor: &str| Page {
        side: RIGHT,
        after: after.map(str::to_owned),
        arrivals: vec![saved("Rann", 10, "{1}")],
        cursor: cursor.to_owned(),
        is_restart: false,
        ends_pass: false,
    };
    let take = async |page| store.take_page(hold, page, at(5)).await.expect("answered");
    assert_eq!(take(page(Some("7"), "8")).await, Paged::OutOfTurn);
    assert!(waiting(&store, &sync).await.is_empty());
    assert_eq!(take(page(None, "1")).await, Paged::Taken(Taken { new: 1, ..Taken::default() }));
    assert_eq!(
        take(page(Some("1"), "2")).await,
        Paged::Taken(Taken { unchanged: 1, ..Taken::default() })
    );
    assert_eq!(take(page(Some("1"), "2")).await, Paged::Taken(Taken::default()), "repeated");
    assert_eq!(take(page(None, "1")).await, Paged::OutOfTurn, "a cursor never moves back");
    assert_eq!(contacts(&store).await.cursors, [None, Some("2".to_owned())]);
    // Everything is read anew: that is said, and a pass of its own.
    assert_eq!(
        take(Page { is_restart: true, ..page(None, "1") }).await,
        Paged::Taken(Taken { unchanged: 1, ..Taken::default() })
    );
    let sync = contacts(&store).await;
    assert_eq!((sync.cursors[RIGHT].as_deref(), sync.passes), (Some("1"), [0, 2]));
}

async fn whoever_lost_the_hold_writes_nothing(place: Place) {
    let store = place.open().await;
    let (sync, first) = held(&store, 100).await;
    take(&store, first, LEFT, vec![saved("Lann", 10, "{1}")]).await;
    assert!(store.take_sync_run(HOLD, at(200)).await.expect("answered").is_none());
    assert!(store.hold_sync_run(first, HOLD, at(20_000)).await.expect("answered"));
    assert!(store.take_sync_run(HOLD, at(31_000)).await.expect("answered").is_none());
    let (second, _) = store.take_sync_run(HOLD, at(50_001)).await.expect("answered").expect("it");
    assert_eq!(second.run, first.run);
    assert!(!store.hold_sync_run(first, HOLD, at(50_002)).await.expect("answered"));
    let page = Page {
        side: LEFT,
        after: Some("1".to_owned()),
        arrivals: vec![saved("Lbob", 10, "{1}")],
        cursor: "2".to_owned(),
        is_restart: false,
        ends_pass: false,
    };
    let paged = store.take_page(first, page.clone(), at(50_003)).await.expect("answered");
    assert_eq!(paged, Paged::Stale);
    let pairs = waiting(&store, &sync).await;
    let settled = || vec![Settled::of(&pairs[0])];
    let stale = store.settle_pairs(first, settled(), Default::default(), at(50_003)).await;
    assert!(stale.expect("answered").is_none());
    assert!(
        store.intend(first, vec![entry(&pairs[0])], at(50_003)).await.expect("answered").is_none()
    );
    assert!(
        !store.move_sync_run(first, None, Default::default(), at(50_003)).await.expect("answered")
    );
    let ended = store.end_sync_run(first, state::sync::RunState::Done, None, at(50_004)).await;
    assert!(!ended.expect("answered"));
    assert_eq!(contacts(&store).await.cursors[LEFT].as_deref(), Some("1"));
    assert_eq!(waiting(&store, &sync).await.len(), 1);
    let paged = store.take_page(second, page, at(50_005)).await.expect("answered");
    assert!(matches!(paged, Paged::Taken(_)));
}

pub(crate) fn entry(pair: &Pair) -> Entry {
    Entry {
        id: None,
        pair: pair.seq,
        side: RIGHT,
        record: String::new(),
        kind: "create".to_owned(),
        before: Vec::new(),
        after: b"{after}".to_vec(),
        why: "left is the master".to_owned(),
        state: EntryState::Intended,
    }
}

async fn a_record_is_matched_and_the_two_rows_become_one(place: Place) {
    let store = place.open().await;
    let (sync, hold) = held(&store, 1).await;
    take(&store, hold, LEFT, vec![saved("Lann", 10, "{1}"), saved("Lbob", 10, "{2}")]).await;
    take(&store, hold, RIGHT, vec![saved("Rann", 11, "{1}"), saved("Reve", 11, "{3}")]).await;
    assert_eq!(contacts(&store).await.pairs, 4);
    let pairs = waiting(&store, &sync).await;
    let keys = [email("nobody@example.com"), email("ann@example.com")];
    let found = store.others(sync.id, LEFT, &keys).await.expect("candidates").found;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].key, found[0].shared_by, found[0].is_linked), (1, 1, false));
    let other = store.pairs_at(sync.id, &[found[0].pair]).await.expect("pairs").remove(0);
    assert!(other.halves[RIGHT] == Half::Present(copy("Rann", 11, "{1}")));
    let settled = Settled {
        base: Some(b"{base}".to_vec()),
        state: PairState::Linked,
        absorbs: Some((other.seq, other.turn)),
        ..Settled::of(&pairs[0])
    };
    assert_eq!(settle(&store, hold, vec![settled]).await, [Outcome::Applied]);
    let ann = store.pair_of(&sync, RIGHT, "Rann").await.expect("read").expect("it");
    assert_eq!((ann.seq, ann.state, ann.is_waiting), (pairs[0].seq, PairState::Linked, false));
    assert!(ann.halves[LEFT] == Half::Present(copy("Lann", 10, "{1}")));
    assert!(ann.halves[RIGHT] == Half::Present(copy("Rann", 11, "{1}")));
    assert!(ann.base.as_deref() == Some(b"{base}"));
    assert!(store.pairs_at(sync.id, &[other.seq]).await.expect("read").is_empty());
    assert_eq!(contacts(&store).await.pairs, 3);
    // Still found by its key, now as one that is tied.
    let found = store.others(sync.id, LEFT, &keys).await.expect("candidates").found;
    assert_eq!((found[0].pair, found[0].is_linked), (ann.seq, true));
    assert_eq!(waiting(&store, &sync).await.len(), 2);
}

async fn a_pair_that_changed_meanwhile_is_not_settled(place: Place) {
    let store = place.open().await;
    let (sync, hold) = held(&store, 1).await;
    take(&store, hold, LEFT, vec![saved("Lann", 10, "{1}"), saved("Lbob", 10, "{2}")]).await;
    let pairs = waiting(&store, &sync).await;
    let ids =
        store.intend(hold, vec![entry(&pairs[0])], at(6)).await.expect("answered").expect("held");
    take(&store, hold, LEFT, vec![saved("Lann", 12, "{1b}")]).await;
    let done = Entry {
        id: ids[0],
        record: "Rnew".to_owned(),
        state: EntryState::Done,
        ..entry(&pairs[0])
    };
    let made = |pair: &Pair, id: &str| Settled {
        halves: [None, Some(Half::Present(copy(id, 13, "{1}")))],
        state: PairState::Linked,
        ..Settled::of(pair)
    };
    let settled =
        vec![Settled { entries: vec![done], ..made(&pairs[0], "Rann") }, made(&pairs[1], "Rbob")];
    assert_eq!(settle(&store, hold, settled).await, [Outcome::Changed, Outcome::Applied]);
    let left = waiting(&store, &sync).await;
    assert!(left.len() == 1 && left[0].halves[LEFT] == Half::Present(copy("Lann", 12, "{1b}")));
    assert!(left[0].halves[RIGHT] == Half::Never);
    // What was written is a fact nevertheless.
    let journal = store.journal_of_run(hold.run, None, 10).await.expect("journal");
    assert_eq!(journal.len(), 1);
    assert!(journal[0].entry.state == EntryState::Done && journal[0].entry.record == "Rnew");
    let bob = store.pair_of(&sync, RIGHT, "Rbob").await.expect("read").expect("it");
    assert_eq!((bob.seq, bob.state), (pairs[1].seq, PairState::Linked));
}

async fn one_run_of_a_sync_is_under_way_and_other_syncs_go_on(place: Place) {
    let store = place.open().await;
    let (sync, hold) = held(&store, 1).await;
    let begin = async |sync: i64, due_at: Option<i64>| {
        let new = NewRun { due_at: due_at.map(at), ..asked(RunKind::Plan) };
        store.begin_sync_run(sync, new, at(2)).await.expect("answered")
    };
    assert_eq!(begin(sync.id, None).await, Begun::Busy { run: hold.run });
    let other = store.sync("leads", ["crm", "center"], at(1)).await.expect("a sync");
    let Begun::Started { run } = begin(other.id, Some(7)).await else { panic!("it begins") };
    let (second, taken) = store.take_sync_run(HOLD, at(2)).await.expect("answered").expect("it");
    assert_eq!((taken.id, taken.kind, second.sync), (run, RunKind::Plan, other.id));
    let counts = state::sync::Counts::from([("created".to_owned(), 2)]);
    let place = Some(("fetch".to_owned(), Some("here".to_owned())));
    for _ in 0..2 {
        assert!(
            store
                .move_sync_run(second, place.clone(), counts.clone(), at(3))
                .await
                .expect("answered")
        );
    }
    let run = store.sync_run(run).await.expect("read").expect("it");
    assert_eq!(
        (run.step.as_str(), run.cursor.as_deref(), run.counts["created"]),
        ("fetch", Some("here"), 4)
    );
    let ended =
        store.end_sync_run(second, state::sync::RunState::Partial, Some("why".into()), at(9)).await;
    assert!(ended.expect("answered"));
    assert_eq!(begin(other.id, Some(7)).await, Begun::Had, "a time of the schedule has one ever");
    assert!(matches!(begin(other.id, Some(8)).await, Begun::Started { .. }));
    assert_eq!(store.sync_runs(None, None, 10).await.expect("runs").len(), 3);
    let of = store.sync_runs(Some(other.id), None, 10).await.expect("runs");
    assert_eq!((of.len(), of[1].note.as_deref(), of[1].ended_at), (2, Some("why"), Some(at(9))));
}
