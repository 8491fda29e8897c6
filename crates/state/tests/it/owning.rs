//! One process owns an embedded store, and nobody else reads it.

use crate::place::{Place, call, contact, crm, job, master};
use domain::Timestamp;
use state::{Error, Location, Store};

crate::facts! {
    a_closed_store_refuses_everything
    an_open_store_is_healthy
}

async fn an_open_store_is_healthy(place: Place) {
    let store = place.open().await;
    store.check().await.expect("healthy");
    store.clone().check().await.expect("healthy");
}

async fn a_closed_store_refuses_everything(place: Place) {
    let store = place.open().await;
    let clone = store.clone();
    store.close().await;
    store.close().await;
    assert!(clone.check().await.is_err());
    let error = clone.record_call(call("call-1", crm("003A")), vec![]).await.expect_err("closed");
    assert!(matches!(error, Error::Closed), "{error}");
    let error = clone.recent_calls(1).await.expect_err("closed");
    assert!(matches!(error, Error::Closed), "{error}");
}

#[tokio::test]
async fn a_second_owner_is_told_who_has_the_store() {
    let place = Place::disk();
    let store = place.open().await;
    let error = place.try_open(&master()).await.expect_err("owned");
    assert!(
        matches!(error, Error::Locked { pid: Some(pid) } if pid == std::process::id()),
        "{error}"
    );
    let master = master();
    let (second, ()) = tokio::join!(place.try_open(&master), store.close());
    second.expect("the first was about to let go").close().await;
    place.open().await;
    let last = place.open().await; // the one before is gone with its last clone
    last.check().await.expect("healthy");
}

#[tokio::test]
async fn what_waits_is_committed_before_a_store_closes() {
    let place = Place::disk();
    let store = place.open().await;
    let calls = (0..200).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            store.record_call(call(&format!("call-{n}"), crm("003A")), vec![]).await.is_ok()
        })
    });
    let calls: Vec<_> = calls.collect();
    tokio::task::yield_now().await;
    store.close().await;
    let mut answered = 0;
    for call in calls {
        answered += usize::from(call.await.expect("ran"));
    }
    let store = place.open().await;
    let stored = store.recent_calls(1000).await.expect("listed").len();
    assert_eq!(stored, answered, "answered and stored are the same");
}

#[tokio::test]
async fn nothing_personal_lies_in_clear() {
    let place = Place::disk();
    let store = place.open().await;
    let mut new = call("call-1", crm("003SECRETRECORD"));
    new.email = Some("john.doe@example.com".to_owned());
    store
        .record_call(new, vec![job(Some("key-of-john"), "payload-of-john", 0)])
        .await
        .expect("recorded");
    let john = contact("003SECRETRECORD", &["+15550199999"], Some("john.doe@example.com"));
    store.remember("crm", &[], &[john], Timestamp(1)).await.expect("remembered");
    let log = std::fs::read(place.file().with_file_name("tieline.db-wal")).expect("a log");
    store.close().await;
    let file = std::fs::read(place.file()).expect("a file");
    let contains = |haystack: &[u8], needle: &str| {
        haystack.windows(needle.len()).any(|part| part == needle.as_bytes())
    };
    assert!(contains(&file, "call-1"), "the call itself is there");
    for secret in [
        "5550199999",
        "5550190000",
        "john",
        "John",
        "003SECRETRECORD",
        "Gold",
        "key-of-john",
        "payload-of-john",
    ] {
        assert!(!contains(&file, secret), "{secret} in the file");
        assert!(!contains(&log, secret), "{secret} in the log");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn folder_and_files_are_ours_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::disk();
    let store = place.open().await;
    store.record_call(call("call-1", crm("003A")), vec![]).await.expect("recorded");
    let mode = |path: &std::path::Path| {
        std::fs::metadata(path).expect("there").permissions().mode() & 0o777
    };
    assert_eq!(mode(place.file().parent().expect("a folder")), 0o700);
    for name in ["tieline.db", "tieline.db-wal", "tieline.db-shm", "tieline.db.lock"] {
        assert_eq!(mode(&place.file().with_file_name(name)), 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_store_is_refused() {
    let place = Place::disk();
    let path = place.folder.0.join("letter.txt");
    std::fs::write(&path, "Dear store, I am a letter and not a database.\n".repeat(100))
        .expect("written");
    let error = Store::open(&Location::Sqlite { path }, &master(), Default::default())
        .await
        .expect_err("a letter");
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
}

#[tokio::test]
async fn a_servers_password_is_in_no_error() {
    let url = "postgres://me:hunter2@127.0.0.1:1/none";
    let location: Location = url.parse().expect("a location");
    let error =
        Store::open(&location, &master(), Default::default()).await.expect_err("nobody there");
    for text in [error.to_string(), format!("{error:?}"), format!("{location:?}")] {
        assert!(!text.contains("hunter2"), "{text}");
    }
}
