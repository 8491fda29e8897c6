//! How a pass ends, and what our own writes do not look like.

use super::{LEFT, RIGHT, at, contacts, copy, gone, held, rest, saved, settle, take, waiting};
use crate::place::Place;
use state::sync::{Arrival, Half, Page, Paged, PairState, Settled, Taken};

crate::facts! {
    who_was_not_seen_in_a_whole_pass_is_gone_and_waits_once
}

fn page(arrivals: Vec<Arrival>, after: &str, is_restart: bool, ends_pass: bool) -> Page {
    let cursor = format!("{after}+");
    Page { side: LEFT, after: Some(after.to_owned()), arrivals, cursor, is_restart, ends_pass }
}

async fn who_was_not_seen_in_a_whole_pass_is_gone_and_waits_once(place: Place) {
    let store = place.open().await;
    let (sync, hold) = held(&store, 1).await;
    let all = || vec![saved("Lann", 10, "{1}"), saved("Lbob", 11, "{2}"), saved("Leve", 12, "{3}")];
    take(&store, hold, LEFT, all()).await;
    take(&store, hold, RIGHT, vec![saved("Rzoe", 10, "{9}")]).await;
    rest(&store, hold, &sync).await;
    let take_page = async |page| match store.take_page(hold, page, at(5)).await.expect("answered") {
        Paged::Taken(taken) => taken,
        other => panic!("{other:?}"),
    };
    take_page(page(vec![saved("Lann", 10, "{1}")], "0", true, false)).await;
    let taken = take_page(page(vec![saved("Leve", 12, "{3}")], "0+", false, true)).await;
    assert_eq!(taken, Taken { unchanged: 1, gone: 1, ..Taken::default() });
    let pairs = waiting(&store, &sync).await;
    assert_eq!(pairs.len(), 1, "the other side has a pass of its own");
    assert!(pairs[0].halves[LEFT] == Half::Gone { id: "Lbob".to_owned(), into: None });
    assert_eq!(store.waiting_counts(sync.id).await.expect("counts").gone, [1, 0]);
    rest(&store, hold, &sync).await;
    assert_eq!(take(&store, hold, LEFT, vec![gone("Lbob")]).await, Taken::default(), "once");
    // A page behind the end of the pass says nothing of those it leaves out.
    let sync = contacts(&store).await;
    let after = sync.cursors[LEFT].clone().expect("a cursor");
    assert_eq!(take_page(page(vec![], &after, false, true)).await, Taken::default());
    // What comes back is news, and so is that it lives again.
    let settled = Settled { state: PairState::Buried, ..Settled::of(&pairs[0]) };
    let now = store.pairs_at(sync.id, &[pairs[0].seq]).await.expect("read").remove(0);
    settle(&store, hold, vec![Settled { turn: now.turn, ..settled }]).await;
    let taken = take(&store, hold, LEFT, vec![saved("Lbob", 11, "{2}")]).await;
    assert_eq!(taken, Taken { changed: 1, ..Taken::default() });
    let back = waiting(&store, &sync).await.remove(0);
    assert!(back.state == PairState::Buried);
    assert!(back.halves[LEFT] == Half::Present(copy("Lbob", 11, "{2}")));
}
