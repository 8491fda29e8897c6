//! A backup is one whole moment of the store, and comes back anywhere.

use crate::place::{Place, call, contact, crm, id, job, master};
use domain::Timestamp;
use state::backup::{Existing, restore};
use state::{Error, Key, Location, MasterKey, Outcome, Settlement, Store};
use std::time::Duration;

crate::facts! {
    a_backup_made_while_serving_is_whole
    a_backup_does_not_overwrite_unasked
}

async fn fill(store: &Store) {
    for n in 0..450 {
        let new = call(&format!("call-{n}"), crm("003A"));
        store.record_call(new, vec![job(None, &format!("work-{n}"), n)]).await.expect("recorded");
    }
    let john = contact("003A", &["+15550199999"], Some("john@example.com"));
    store.remember("crm", &[], &[john], Timestamp(1)).await.expect("remembered");
    store.mark_pushed("crm", "003A", [9; 16]).await.expect("marked");
    let leased = store
        .lease("enrich", "crm", 1, Duration::from_secs(30), Timestamp(0))
        .await
        .expect("leased");
    let dead = Outcome::Dead { error: "gave up".to_owned() };
    let settlement = Settlement { lease: leased[0].lease, outcome: dead, follow_up: vec![] };
    store.settle(vec![settlement], Timestamp(5)).await.expect("settled");
}

async fn assert_filled(store: &Store) {
    let stored = store.call(&id("call-449")).await.expect("opens").expect("stored");
    assert_eq!(stored.earlier_calls, 449);
    let next = store.record_call(call("next", crm("003A")), vec![]).await.expect("recorded");
    assert_eq!(next.earlier_calls, 450);
    let found =
        store.find("crm", &[Key::Email("john@example.com".to_owned())]).await.expect("opens");
    assert_eq!((found[0].pushed, found[0].as_of), (Some([9; 16]), Timestamp(1)));
    let leased = store
        .lease("enrich", "crm", 1000, Duration::from_secs(1), Timestamp(1_000))
        .await
        .expect("opens");
    assert_eq!(leased.len(), 449);
    assert_eq!(leased[0].payload, b"work-1");
    store.enqueue(vec![job(None, "new", 0)]).await.expect("a number nobody has");
    let jobs = store.jobs(Default::default(), 1000).await.expect("listed");
    assert_eq!(jobs.last().and_then(|job| job.note.as_deref()), Some("gave up"));
}

async fn a_backup_made_while_serving_is_whole(place: Place) {
    let store = place.open().await;
    fill(&store).await;
    let phone_id = store.phone_id("+15550199999");
    let backup = place.folder.0.join("backup.db");
    let serving = {
        let store = store.clone();
        tokio::spawn(async move {
            for n in 0..100 {
                store
                    .record_call(call(&format!("meanwhile-{n}"), crm("003B")), vec![])
                    .await
                    .expect("recorded");
            }
        })
    };
    store.backup(&backup, Existing::Keep).await.expect("backed up");
    serving.await.expect("calls went on");
    assert!(!place.folder.0.join("backup.db.partial").exists());

    let mut targets = vec![Place::disk()];
    targets.extend(Place::postgres().await);
    for target in targets {
        restore(&backup, &target.location, &master(), Existing::Keep).await.expect("restored");
        let restored = target.open().await;
        assert_eq!(restored.phone_id("+15550199999"), phone_id);
        assert_filled(&restored).await;
        restored.close().await;
        let error = restore(&backup, &target.location, &master(), Existing::Keep)
            .await
            .expect_err("not empty");
        assert!(matches!(error, Error::NotEmpty { .. }), "{error}");
        restore(&backup, &target.location, &master(), Existing::Replace).await.expect("replaced");
        let restored = target.open().await;
        assert!(
            restored.call(&id("next")).await.expect("asked").is_none(),
            "what came after is gone"
        );
        assert_filled(&restored).await;
        restored.close().await;
        target.drop_schema().await;
    }
}

#[tokio::test]
async fn a_backup_never_replaces_the_store_that_is_served() {
    let place = Place::disk();
    let store = place.open().await;
    let state::Location::Sqlite { path } = &place.location else { panic!("on disk") };
    let around = path.parent().expect("a folder").join(".").join("tieline.db");
    for own in [path, &around] {
        let error = store.backup(own, Existing::Replace).await.expect_err("our own");
        assert!(matches!(error, Error::NotEmpty { .. }), "{error}");
    }
    store.check().await.expect("still served");
}

async fn a_backup_does_not_overwrite_unasked(place: Place) {
    let store = place.open().await;
    let backup = place.folder.0.join("backup.db");
    std::fs::write(&backup, "something dear").expect("written");
    let error = store.backup(&backup, Existing::Keep).await.expect_err("something is there");
    assert!(matches!(error, Error::NotEmpty { .. }), "{error}");
    let error = store.backup(&backup, Existing::Replace).await.expect_err("and no backup");
    assert!(matches!(error, Error::NotEmpty { .. }), "{error}");
    assert_eq!(std::fs::read(&backup).expect("there"), b"something dear");
    std::fs::remove_file(&backup).expect("removed");
    store.backup(&backup, Existing::Keep).await.expect("a first one");
    store.backup(&backup, Existing::Replace).await.expect("told to");
    let target = Place::disk();
    restore(&backup, &target.location, &master(), Existing::Keep).await.expect("restored");
    target.open().await.check().await.expect("healthy");
}

#[tokio::test]
async fn what_cannot_be_restored_leaves_the_target_alone() {
    let place = Place::disk();
    let store = place.open().await;
    store.record_call(call("call-1", crm("003A")), vec![]).await.expect("recorded");
    let backup = place.folder.0.join("backup.db");
    store.backup(&backup, Existing::Keep).await.expect("backed up");
    let target = &place.location;

    let error = restore(&backup, target, &master(), Existing::Replace).await.expect_err("in use");
    assert!(matches!(error, Error::Locked { .. }), "{error}");
    store.close().await;

    let wrong = MasterKey::generate().expect("a key");
    let error = restore(&backup, target, &wrong, Existing::Replace).await.expect_err("another key");
    assert!(matches!(error, Error::WrongKey), "{error}");

    let whole = std::fs::read(&backup).expect("read");
    std::fs::write(&backup, &whole[..whole.len() / 2]).expect("cut in half");
    let error = restore(&backup, target, &master(), Existing::Replace).await.expect_err("damaged");
    assert!(matches!(error, Error::Corrupt { .. } | Error::Unavailable { .. }), "{error}");

    let gone = place.folder.0.join("nothing.db");
    let error = restore(&gone, target, &master(), Existing::Replace).await.expect_err("not there");
    assert!(matches!(error, Error::File { .. }), "{error}");

    let store = place.open().await;
    assert!(store.call(&id("call-1")).await.expect("opens").is_some());
    let memory = restore(&backup, &Location::SqliteMemory, &master(), Existing::Keep).await;
    assert!(memory.is_err());
}
