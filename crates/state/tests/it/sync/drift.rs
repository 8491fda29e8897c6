//! A sample is fair, what was measured is kept for a while, and what is open is counted.

use super::{LEFT, RIGHT, at, contacts, copy, held, saved, settle, take};
use crate::place::Place;
use state::Store;
use state::sync::{Arrival, Drift, Half, Hold, NewReview, PairState, Settled, Sync};
use std::collections::{BTreeMap, BTreeSet};

crate::facts! {
    a_sample_is_fair_however_the_pairs_lie
    what_was_measured_is_kept_newest_first_and_not_for_ever
    open_reviews_are_counted_by_kind
}

/// 600 of the left, of whom the first 100, and of the others every fifth, are tied.
async fn some_tied(store: &Store, sync: &Sync, hold: Hold) -> BTreeSet<i64> {
    let arrivals: Vec<Arrival> = (0..600).map(|n| saved(&format!("L{n}"), 10, "{1}")).collect();
    for part in arrivals.chunks(300) {
        take(store, hold, LEFT, part.to_vec()).await;
    }
    let pairs = store.waiting_pairs(sync.id, 0, 1_000, at(10)).await.expect("pairs");
    assert_eq!(pairs.len(), 600);
    let tied = pairs.iter().enumerate().filter(|(n, _)| *n < 100 || n % 5 == 0);
    let settled: Vec<Settled> = tied
        .map(|(n, pair)| {
            let mut settled = Settled::of(pair);
            settled.halves[RIGHT] = Some(Half::Present(copy(&format!("R{n}"), 11, "{1}")));
            settled.state = PairState::Linked;
            settled
        })
        .collect();
    let seqs = settled.iter().map(|one| one.seq).collect();
    settle(store, hold, settled).await;
    seqs
}

async fn a_sample_is_fair_however_the_pairs_lie(place: Place) {
    let store = place.open().await;
    let (sync, hold) = held(&store, 1).await;
    assert!(store.sample_pairs(sync.id, 10, 1).await.expect("none").is_empty());
    let tied = some_tied(&store, &sync, hold).await;
    let dense = *tied.iter().nth(99).expect("the last of those side by side");
    let mut drawn: BTreeMap<i64, u32> = BTreeMap::new();
    for seed in 0..150 {
        let sample = store.sample_pairs(sync.id, 10, seed).await.expect("a sample");
        let seqs: BTreeSet<i64> = sample.iter().map(|pair| pair.seq).collect();
        assert_eq!(seqs.len(), 10, "ten others");
        for seq in seqs {
            *drawn.entry(seq).or_default() += 1;
        }
    }
    assert!(drawn.keys().all(|seq| tied.contains(seq)), "nobody else: {drawn:?}");
    assert!(drawn.len() >= 190, "nearly all of 200: {}", drawn.len());
    assert!(drawn.values().all(|times| *times <= 25), "7.5 each: {drawn:?}");
    let early: u32 = drawn.range(..=dense).map(|(_, times)| times).sum();
    assert!((650..850).contains(&early), "half of 1,500: {early}");
    // Where many are wanted all are walked through.
    for (number, found) in [(100, 100), (1_000, 200)] {
        let sample = store.sample_pairs(sync.id, number, 7).await.expect("a sample");
        assert_eq!(sample.len(), found);
        assert!(sample.iter().all(|pair| tied.contains(&pair.seq)));
    }
    let other = store.sync("other", ["crm", "center"], at(1)).await.expect("a sync");
    assert!(store.sample_pairs(other.id, 10, 1).await.expect("none").is_empty());
}

async fn what_was_measured_is_kept_newest_first_and_not_for_ever(place: Place) {
    let store = place.open().await;
    let (sync, hold) = held(&store, 1).await;
    let drift = |differing| Drift {
        run: hold.run,
        at: at(0),
        sampled: 10,
        compared: 9,
        pending: 1,
        differing,
        missing: [0, 1],
        fields: BTreeMap::from([("Email>workEmail".to_owned(), [1, 2])]),
    };
    for number in 0..405 {
        let now = i64::try_from(number).expect("small");
        assert!(store.keep_drift(hold, drift(number), at(now)).await.expect("kept"));
    }
    let kept = store.drifts(sync.id, 1_000).await.expect("kept");
    assert_eq!((kept.len(), kept[0].differing, kept[399].differing), (400, 404, 5));
    assert_eq!(kept[0], Drift { at: at(404), ..drift(404) });
    let (again, _) =
        store.take_sync_run(super::HOLD, at(999_999)).await.expect("read").expect("it");
    assert!(!store.keep_drift(hold, drift(1), at(1)).await.expect("refused"), "another holds it");
    assert!(store.keep_drift(again, drift(1), at(1)).await.expect("kept"));
}

async fn open_reviews_are_counted_by_kind(place: Place) {
    let store = place.open().await;
    let (sync, hold) = held(&store, 1).await;
    assert!(store.open_kinds(sync.id).await.expect("read").is_empty());
    take(&store, hold, LEFT, vec![saved("Lann", 10, "{1}"), saved("Lbob", 10, "{2}")]).await;
    let review = |kind: &str| NewReview {
        kind: kind.to_owned(),
        field: String::new(),
        about: b"{}".to_vec(),
    };
    let pairs = super::waiting(&store, &contacts(&store).await).await;
    let settled =
        pairs.iter().map(|pair| Settled { reviews: vec![review("conflict")], ..Settled::of(pair) });
    settle(&store, hold, settled.collect()).await;
    assert!(store.ask_review(hold, review("brake"), at(30)).await.expect("asked"));
    let open = store.open_kinds(sync.id).await.expect("read");
    let expected = [("brake".to_owned(), 1), ("conflict".to_owned(), 2)];
    assert_eq!(open, BTreeMap::from(expected));
}
