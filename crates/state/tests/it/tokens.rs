//! Tokens are kept for those who got them, and refreshed by one node at a time.

use crate::place::Place;
use domain::Timestamp;
use std::time::Duration;

crate::facts! {
    what_is_kept_is_read_back_by_the_same_credentials_alone
    one_at_a_time_holds_a_token
    a_hold_ends_by_itself_and_what_comes_late_is_not_kept
}

const MINUTE: Duration = Duration::from_secs(60);

async fn what_is_kept_is_read_back_by_the_same_credentials_alone(place: Place) {
    let store = place.open().await;
    assert_eq!(store.kept_token("crm", "client").await.expect("read"), None);
    for generation in 1..=2 {
        let hold = store.hold_token("crm", MINUTE, Timestamp(5)).await.expect("asked");
        let bytes = format!("token {generation}").into_bytes();
        let hold = hold.expect("nobody has it");
        let kept = store.keep_token("crm", "client", hold, bytes.clone(), Timestamp(5)).await;
        assert_eq!(kept.expect("kept"), Some(generation));
        let found = store.kept_token("crm", "client").await.expect("read").expect("there");
        assert_eq!((found.bytes, found.generation), (bytes, generation));
    }
    assert_eq!(store.kept_token("crm", "another client").await.expect("read"), None);
    assert_eq!(store.kept_token("erp", "client").await.expect("read"), None);
    store.close().await;
}

async fn one_at_a_time_holds_a_token(place: Place) {
    let store = place.open().await;
    let asked = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.hold_token("crm", MINUTE, Timestamp(5)).await })
    });
    let mut holds = Vec::new();
    for hold in asked.collect::<Vec<_>>() {
        holds.extend(hold.await.expect("no panic").expect("asked"));
    }
    assert_eq!(holds.len(), 1);
    assert!(store.hold_token("erp", MINUTE, Timestamp(5)).await.expect("asked").is_some());
    store.release_token("crm", holds[0]).await.expect("given back");
    assert!(store.hold_token("crm", MINUTE, Timestamp(5)).await.expect("asked").is_some());
    store.close().await;
}

async fn a_hold_ends_by_itself_and_what_comes_late_is_not_kept(place: Place) {
    let store = place.open().await;
    let first = store.hold_token("crm", MINUTE, Timestamp(0)).await.expect("asked").expect("free");
    let later = Timestamp(0).plus(MINUTE);
    let second = store.hold_token("crm", MINUTE, later).await.expect("asked").expect("it ended");
    let late = store.keep_token("crm", "client", first, b"late".to_vec(), later).await;
    assert_eq!(late.expect("asked"), None);
    store.release_token("crm", first).await.expect("without effect");
    let kept = store.keep_token("crm", "client", second, b"kept".to_vec(), later).await;
    assert_eq!(kept.expect("asked"), Some(1));
    let found = store.kept_token("crm", "client").await.expect("read").expect("there");
    assert_eq!(found.bytes, b"kept");
    store.close().await;
}
