//! What is personal opens with the right keys, in its own place, and nowhere else.

use crate::place::{Place, call, contact, crm, id, job, master, phone};
use domain::{ExternalId, Timestamp};
use state::{Error, Key, MasterKey};
use std::time::Duration;

crate::facts! {
    rows_of_older_keys_open_after_a_rotation
    a_phone_id_is_stable_and_says_nothing
}

async fn rows_of_older_keys_open_after_a_rotation(place: Place) {
    let store = place.open().await;
    let john = contact("003A", &["+15550199999"], None);
    let remember = store.remember("crm", &[], std::slice::from_ref(&john), Timestamp(1));
    remember.await.expect("remembered");
    store.enqueue(vec![job(Some("k"), "old", 0)]).await.expect("enqueued");
    for n in 0..3 {
        store.record_call(call(&format!("call-{n}"), crm("003A")), vec![]).await.expect("recorded");
        store.rotate_data_key().await.expect("rotated");
    }
    let last = store.record_call(call("last", crm("003A")), vec![]).await.expect("recorded");
    assert_eq!(last.earlier_calls, 3, "lookups do not depend on data keys");
    for call_id in ["call-0", "call-1", "call-2", "last"] {
        let stored = store.call(&id(call_id)).await.expect("opens").expect("stored");
        assert_eq!(stored.call.number.as_deref(), Some("+15550199999"));
    }
    let found = store.find("crm", &[Key::Phone("+15550199999".to_owned())]).await.expect("opens");
    assert_eq!(found[0].contact.name, john.name);
    let leased =
        store.lease("enrich", "crm", 1, Duration::from_secs(1), Timestamp(0)).await.expect("opens");
    assert_eq!(leased[0].payload, b"old");
}

async fn a_phone_id_is_stable_and_says_nothing(place: Place) {
    let store = place.open().await;
    let before = store.phone_id("+15550199999");
    store.rotate_data_key().await.expect("rotated");
    assert_eq!(store.phone_id("+15550199999"), before);
    assert_ne!(store.phone_id("+15550199998"), before);
    let text = format!("PHONE:{before}");
    assert_eq!(text.parse(), Ok(ExternalId::Phone(before.clone())), "32 lower-case hex digits");
    let another = place.another().await;
    assert_ne!(another.open().await.phone_id("+15550199999"), before, "each store has its own");
    another.drop_schema().await;
}

mod lasting {
    use super::*;

    crate::lasting_facts! {
        everything_is_there_after_a_restart
        another_nodes_rotation_is_noticed
        a_wrong_master_key_is_refused_and_changes_nothing
        a_newer_schema_is_refused
        a_moved_ciphertext_does_not_open
    }

    async fn everything_is_there_after_a_restart(place: Place) {
        let store = place.open().await;
        let number = phone(&store, "+15550199999");
        store
            .record_call(call("call-1", number.clone()), vec![job(None, "work", 0)])
            .await
            .expect("recorded");
        store.close().await;
        let store = place.open().await;
        assert_eq!(phone(&store, "+15550199999"), number);
        let stored = store.call(&id("call-1")).await.expect("opens").expect("stored");
        assert_eq!(stored.call.external_id, number);
        let leased = store
            .lease("enrich", "crm", 1, Duration::from_secs(1), Timestamp(0))
            .await
            .expect("opens");
        assert_eq!(leased[0].payload, b"work");
        let next = store.record_call(call("call-2", number), vec![]).await.expect("recorded");
        assert_eq!(next.earlier_calls, 1);
    }

    async fn another_nodes_rotation_is_noticed(place: Place) {
        let store = place.open().await;
        let Ok(other) = place.try_open(&master()).await else {
            return; // an embedded store has no other nodes
        };
        other.rotate_data_key().await.expect("rotated");
        other.record_call(call("call-1", crm("003A")), vec![]).await.expect("recorded");
        let stored = store.call(&id("call-1")).await.expect("opens").expect("stored");
        assert_eq!(stored.call.external_id, crm("003A"));
    }

    async fn a_wrong_master_key_is_refused_and_changes_nothing(place: Place) {
        let store = place.open().await;
        store.record_call(call("call-1", crm("003A")), vec![]).await.expect("recorded");
        store.close().await;
        let wrong = MasterKey::generate().expect("a key");
        let error = place.try_open(&wrong).await.expect_err("another key");
        assert!(matches!(error, Error::WrongKey), "{error}");
        let store = place.open().await;
        assert!(store.call(&id("call-1")).await.expect("opens").is_some());
    }

    async fn a_newer_schema_is_refused(place: Place) {
        place.open().await.close().await;
        place.tamper("INSERT INTO schema_version (version, applied_at) VALUES (999, 0)").await;
        let error = place.try_open(&master()).await.expect_err("a newer store");
        assert!(matches!(error, Error::NewerSchema { store: 999, .. }), "{error}");
    }

    async fn a_moved_ciphertext_does_not_open(place: Place) {
        let store = place.open().await;
        store.record_call(call("call-1", crm("003A")), vec![]).await.expect("recorded");
        store.record_call(call("call-2", crm("003B")), vec![]).await.expect("recorded");
        store.close().await;
        place
            .tamper("UPDATE calls SET identity = (SELECT identity FROM calls WHERE id = 'call-2') WHERE id = 'call-1'")
            .await;
        let store = place.open().await;
        let error = store.call(&id("call-1")).await.expect_err("not its own");
        assert!(matches!(error, Error::Corrupt { .. }), "{error}");
        assert!(store.call(&id("call-2")).await.expect("opens").is_some());
    }
}
