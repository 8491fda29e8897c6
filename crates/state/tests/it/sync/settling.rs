//! What is settled: echoes, records that arrived meanwhile, merges, and what our own
//! writes have replaced.

use super::{
    LEFT, RIGHT, at, contacts, copy, entry, gone, held, rest, saved, settle, take, waiting,
};
use crate::place::Place;
use state::Store;
use state::sync::{
    Arrival, Half, Hold, Key, Outcome, Page, Paged, Pair, PairState, Settled, Taken,
};

crate::facts! {
    what_we_wrote_comes_back_as_no_news
    an_answer_from_before_our_write_changes_nothing
    a_record_that_we_made_and_that_arrived_meanwhile_is_one
    a_record_that_is_tied_elsewhere_is_told
    a_merged_record_stays_known_by_its_old_id
    what_we_made_and_a_pass_under_way_has_missed_is_not_sure
    what_we_made_and_was_told_since_is_missed_by_the_next_pass
    what_differs_from_our_write_before_that_came_back_is_not_sure
    keys_follow_the_record_and_many_share_one
    two_who_are_not_one_part_again
}

/// Both sides tied.
pub(super) fn linked(pair: &Pair, right: &str, modified: i64, fields: &str) -> Settled {
    Settled {
        halves: [None, Some(Half::Present(copy(right, modified, fields)))],
        base: Some(fields.as_bytes().to_vec()),
        state: PairState::Linked,
        ..Settled::of(pair)
    }
}

async fn what_we_wrote_comes_back_as_no_news(place: Place) {
    let store = place.open().await;
    let (sync, hold) = held(&store, 1).await;
    take(&store, hold, LEFT, vec![saved("Lann", 10, "{1}")]).await;
    let ann = waiting(&store, &sync).await.remove(0);
    assert_eq!(
        settle(&store, hold, vec![linked(&ann, "Rann", 20, "{1}")]).await,
        [Outcome::Applied]
    );
    let echo = take(&store, hold, RIGHT, vec![saved("Rann", 21, "{1}")]).await;
    assert_eq!(echo, Taken { unchanged: 1, ..Taken::default() });
    assert!(waiting(&store, &sync).await.is_empty());
    assert_eq!(contacts(&store).await.pairs, 1);
    let edit = take(&store, hold, RIGHT, vec![saved("Rann", 22, "{2}")]).await;
    assert_eq!(edit, Taken { changed: 1, ..Taken::default() });
    let ann = waiting(&store, &sync).await.remove(0);
    assert!(
        ann.base.as_deref() == Some(b"{1}")
            && ann.halves[RIGHT] == Half::Present(copy("Rann", 22, "{2}"))
    );
}

async fn an_answer_from_before_our_write_changes_nothing(place: Place) {
    let store = place.open().await;
    let (sync, hold) = held(&store, 1).await;
    take(&store, hold, LEFT, vec![saved("Lann", 10, "{1}")]).await;
    let ann = waiting(&store, &sync).await.remove(0);
    settle(&store, hold, vec![linked(&ann, "Rann", 20, "{1}")]).await;
    take(&store, hold, LEFT, vec![saved("Lann", 30, "{2}")]).await;
    let ann = waiting(&store, &sync).await.remove(0);
    // The vendor does not say when it was written.
    let mut written = linked(&ann, "Rann", 0, "{2}");
    if let Some(Half::Present(copy)) = &mut written.halves[RIGHT] {
        (copy.modified, copy.version) = (None, None);
    }
    settle(&store, hold, vec![written]).await;
    let late = take(&store, hold, RIGHT, vec![saved("Rann", 20, "{1}")]).await;
    assert_eq!(late, Taken { unchanged: 1, ..Taken::default() });
    let echo = take(&store, hold, RIGHT, vec![saved("Rann", 31, "{2}")]).await;
    assert_eq!(echo, Taken { unchanged: 1, echoes: 1, ..Taken::default() });
    let again = take(&store, hold, RIGHT, vec![saved("Rann", 31, "{2}")]).await;
    assert_eq!(again, Taken { unchanged: 1, ..Taken::default() });
    assert!(waiting(&store, &sync).await.is_empty());
    // And a record that we have deleted does not rise by a late answer.
    let ann = store.pair_of(&sync, LEFT, "Lann").await.expect("read").expect("it");
    let right = Some(Half::Gone { id: "Rann".to_owned(), into: None });
    let deleted = Settled { halves: [None, right], state: PairState::Buried, ..Settled::of(&ann) };
    settle(&store, hold, vec![deleted]).await;
    assert_eq!(take(&store, hold, RIGHT, vec![gone("Rann")]).await, Taken::default());
    assert!(waiting(&store, &sync).await.is_empty());
    // Somebody who brings it back does.
    let back = take(&store, hold, RIGHT, vec![saved("Rann", 40, "{2}")]).await;
    assert_eq!(back, Taken { changed: 1, ..Taken::default() });
}

async fn a_record_that_we_made_and_that_arrived_meanwhile_is_one(place: Place) {
    let store = place.open().await;
    let (sync, hold) = held(&store, 1).await;
    take(&store, hold, LEFT, vec![saved("Lann", 10, "{1}")]).await;
    let ann = waiting(&store, &sync).await.remove(0);
    // Its system has changed it since.
    take(&store, hold, RIGHT, vec![saved("Rann", 21, "{1+}")]).await;
    assert_eq!(
        settle(&store, hold, vec![linked(&ann, "Rann", 20, "{1}")]).await,
        [Outcome::Applied]
    );
    let sync = contacts(&store).await;
    assert_eq!(sync.pairs, 1);
    let pairs = waiting(&store, &sync).await;
    assert_eq!((pairs.len(), pairs[0].seq, pairs[0].state), (1, ann.seq, PairState::Linked));
    assert!(pairs[0].halves[RIGHT] == Half::Present(copy("Rann", 21, "{1+}")));
    assert!(pairs[0].base.as_deref() == Some(b"{1}"));
}

async fn a_record_that_is_tied_elsewhere_is_told(place: Place) {
    let store = place.open().await;
    let (sync, hold) = held(&store, 1).await;
    take(&store, hold, LEFT, vec![saved("Lann", 10, "{1}"), saved("Lbob", 10, "{2}")]).await;
    let pairs = waiting(&store, &sync).await;
    settle(&store, hold, vec![linked(&pairs[0], "Rann", 20, "{1}")]).await;
    let mut again = linked(&pairs[1], "Rann", 22, "{2}");
    again.entries = vec![entry(&pairs[1])];
    assert_eq!(settle(&store, hold, vec![again]).await, [Outcome::Tied { pair: pairs[0].seq }]);
    assert_eq!(waiting(&store, &sync).await.len(), 1);
    let ann = store.pair_of(&sync, RIGHT, "Rann").await.expect("read").expect("it");
    assert!(ann.halves[RIGHT] == Half::Present(copy("Rann", 20, "{1}")));
    assert_eq!(store.intended(sync.id, None, 10).await.expect("entries").len(), 1);
}

async fn a_merged_record_stays_known_by_its_old_id(place: Place) {
    let store = place.open().await;
    let (sync, hold) = held(&store, 1).await;
    take(&store, hold, LEFT, vec![saved("Lold", 10, "{1}"), saved("Lnew", 10, "{2}")]).await;
    let pairs = waiting(&store, &sync).await;
    settle(&store, hold, vec![linked(&pairs[0], "Rold", 20, "{1}"), Settled::of(&pairs[1])]).await;
    let merged = Arrival::Gone { id: "Lold".to_owned(), into: Some("Lnew".to_owned()) };
    take(&store, hold, LEFT, vec![merged, saved("Lnew", 12, "{2}")]).await;
    let old = waiting(&store, &sync).await.remove(0);
    let into = Some("Lnew".to_owned());
    assert!(old.halves[LEFT] == Half::Gone { id: "Lold".to_owned(), into });
    // What was the old one's goes to the new one.
    let new = store.pair_of(&sync, LEFT, "Lnew").await.expect("read").expect("it");
    let settled = Settled {
        state: PairState::Linked,
        absorbs: Some((old.seq, old.turn)),
        ..Settled::of(&new)
    };
    assert_eq!(settle(&store, hold, vec![settled]).await, [Outcome::Applied]);
    for (side, id) in [(LEFT, "Lold"), (LEFT, "Lnew"), (RIGHT, "Rold")] {
        let pair = store.pair_of(&sync, side, id).await.expect("read").expect(id);
        assert_eq!(pair.seq, new.seq, "{id}");
        assert!(pair.halves[RIGHT] == Half::Present(copy("Rold", 20, "{1}")));
    }
    // A late word of the old one changes nothing; one that it is back makes it its own.
    assert_eq!(take(&store, hold, LEFT, vec![gone("Lold")]).await, Taken::default());
    take(&store, hold, LEFT, vec![saved("Lold", 30, "{3}")]).await;
    let own = store.pair_of(&sync, LEFT, "Lold").await.expect("read").expect("it");
    assert!(own.seq != new.seq && own.state == PairState::Open);
}

/// A pass of the right in which nobody is listed: who is gone by it.
async fn empty_pass(store: &Store, hold: Hold, number: i64) -> u64 {
    let page = Page {
        side: RIGHT,
        after: None,
        arrivals: vec![],
        cursor: format!("pass {number}"),
        is_restart: true,
        ends_pass: true,
    };
    match store.take_page(hold, page, at(5)).await.expect("answered") {
        Paged::Taken(taken) => taken.gone,
        other => panic!("{other:?}"),
    }
}

async fn what_we_made_and_was_told_since_is_missed_by_the_next_pass(place: Place) {
    let store = place.open().await;
    let (sync, hold) = held(&store, 1).await;
    take(&store, hold, LEFT, vec![saved("Lann", 10, "{1}")]).await;
    let ann = waiting(&store, &sync).await.remove(0);
    assert_eq!(empty_pass(&store, hold, 1).await, 0);
    settle(&store, hold, vec![linked(&ann, "Rann", 20, "{1}")]).await;
    take(&store, hold, RIGHT, vec![saved("Rann", 21, "{1}")]).await;
    assert_eq!(empty_pass(&store, hold, 2).await, 1, "she was listed, and is no more");
}

async fn what_differs_from_our_write_before_that_came_back_is_not_sure(place: Place) {
    let store = place.open().await;
    let (sync, hold) = held(&store, 1).await;
    take(&store, hold, LEFT, vec![saved("Lann", 10, "{1}")]).await;
    let ann = waiting(&store, &sync).await.remove(0);
    settle(&store, hold, vec![linked(&ann, "Rann", 20, "{1}")]).await;
    take(&store, hold, LEFT, vec![saved("Lann", 30, "{2}")]).await;
    let ann = waiting(&store, &sync).await.remove(0);
    assert_eq!(ann.is_unsure, [false, false]);
    let mut written = linked(&ann, "Rann", 0, "{2}");
    if let Some(Half::Present(copy)) = &mut written.halves[RIGHT] {
        copy.modified = None;
    }
    settle(&store, hold, vec![written]).await;
    // A list that is behind, or somebody who was quick.
    take(&store, hold, RIGHT, vec![saved("Rann", 25, "{3}")]).await;
    let ann = waiting(&store, &sync).await.remove(0);
    assert_eq!(ann.is_unsure, [false, true]);
    // Nor is the next page of the same list; the record itself is.
    take(&store, hold, RIGHT, vec![saved("Rann", 26, "{4}")]).await;
    let ann = waiting(&store, &sync).await.remove(0);
    assert_eq!(ann.is_unsure, [false, true]);
    settle(&store, hold, vec![linked(&ann, "Rann", 35, "{2}")]).await;
    take(&store, hold, RIGHT, vec![saved("Rann", 40, "{5}")]).await;
    let ann = waiting(&store, &sync).await.remove(0);
    assert_eq!(ann.is_unsure, [false, false]);
    // At the very time that is known it may be from before what is known.
    settle(&store, hold, vec![linked(&ann, "Rann", 40, "{5}")]).await;
    take(&store, hold, RIGHT, vec![saved("Rann", 40, "{6}")]).await;
    assert_eq!(waiting(&store, &sync).await.remove(0).is_unsure, [false, true]);
}

async fn what_we_made_and_a_pass_under_way_has_missed_is_not_sure(place: Place) {
    let store = place.open().await;
    let (sync, hold) = held(&store, 1).await;
    take(&store, hold, LEFT, vec![saved("Lann", 10, "{1}")]).await;
    let ann = waiting(&store, &sync).await.remove(0);
    let pass = async |number: i64| empty_pass(&store, hold, number).await;
    assert_eq!(pass(1).await, 0);
    settle(&store, hold, vec![linked(&ann, "Rann", 20, "{1}")]).await;
    // It may have begun before the record was listed: whoever settles it reads it first.
    assert_eq!(pass(2).await, 1);
    let missed = waiting(&store, &sync).await;
    assert_eq!((missed.len(), missed[0].is_unsure), (1, [false, true]));
    rest(&store, hold, &sync).await;
    assert_eq!(pass(3).await, 0, "once");
}

async fn keys_follow_the_record_and_many_share_one(place: Place) {
    let store = place.open().await;
    let (sync, hold) = held(&store, 1).await;
    let office = Key { kind: Key::PHONE, text: "+15550100000".to_owned() };
    let arrival = |number: i64, keys: Vec<Key>| Arrival::Saved {
        may_enter: true,
        copy: copy(&format!("L{number}"), number, &number.to_string()),
        keys,
    };
    let many = (1..=60).map(|number| arrival(number, vec![office.clone()])).collect();
    take(&store, hold, LEFT, many).await;
    let candidates = async |key: &Key| {
        store.others(sync.id, RIGHT, std::slice::from_ref(key)).await.expect("candidates").found
    };
    let found = candidates(&office).await;
    assert_eq!((found.len(), found[0].shared_by), (50, 60));
    let own = super::email("one@example.com");
    let mut moved = arrival(1, vec![own.clone()]);
    if let Arrival::Saved { copy, .. } = &mut moved {
        (copy.modified, copy.fields) = (Some(at(99)), b"moved".to_vec());
    }
    take(&store, hold, LEFT, vec![moved, gone("L2")]).await;
    assert_eq!(candidates(&office).await[0].shared_by, 58);
    assert_eq!(candidates(&own).await.len(), 1);
    assert!(store.others(sync.id, LEFT, &[office]).await.expect("candidates").found.is_empty());
}

async fn two_who_are_not_one_part_again(place: Place) {
    let store = place.open().await;
    let (sync, hold) = held(&store, 1).await;
    take(&store, hold, LEFT, vec![saved("Lann", 10, "{1}")]).await;
    take(&store, hold, RIGHT, vec![saved("Rann", 10, "{2}")]).await;
    let pairs = waiting(&store, &sync).await;
    let tied = Settled {
        state: PairState::Linked,
        base: Some(b"{1}".to_vec()),
        absorbs: Some((pairs[1].seq, pairs[1].turn)),
        ..Settled::of(&pairs[0])
    };
    settle(&store, hold, vec![tied]).await;
    let ann = store.pair_of(&sync, LEFT, "Lann").await.expect("read").expect("it");
    let stale = store.split_pair(hold, (ann.seq, ann.turn - 1), RIGHT).await.expect("answered");
    assert!(stale.is_none());
    let new =
        store.split_pair(hold, (ann.seq, ann.turn), RIGHT).await.expect("answered").expect("it");
    let [left, right] = [(LEFT, "Lann"), (RIGHT, "Rann")].map(|(side, id)| (side, id));
    let left = store.pair_of(&sync, left.0, left.1).await.expect("read").expect("it");
    let right = store.pair_of(&sync, right.0, right.1).await.expect("read").expect("it");
    assert_eq!((left.seq, right.seq), (ann.seq, new));
    assert!(
        left.halves == [Half::Present(copy("Lann", 10, "{1}")), Half::Never] && left.base.is_none()
    );
    assert!(right.halves == [Half::Never, Half::Present(copy("Rann", 10, "{2}"))]);
    assert_eq!((left.state, right.state), (PairState::Open, PairState::Open));
    assert!(waiting(&store, &sync).await.is_empty());
    assert_eq!(contacts(&store).await.pairs, 2);
    let found = store
        .others(sync.id, LEFT, &[super::email("ann@example.com")])
        .await
        .expect("candidates")
        .found;
    assert_eq!((found.len(), found[0].pair, found[0].is_linked), (1, new, false));
    let alone = store.split_pair(hold, (right.seq, right.turn), RIGHT).await.expect("answered");
    assert!(alone.is_none(), "there is nobody to part from");
}
