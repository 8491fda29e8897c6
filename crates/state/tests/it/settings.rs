//! What is set by API is kept sealed, each change once and with who made it.

use crate::place::{Place, master};
use domain::Timestamp;
use state::audit::Act;
use state::backup::{Existing, restore};
use state::reseal::Place as Part;
use state::settings::Change;
use state::{Location, Options, Store};
use std::collections::BTreeMap;

crate::facts! {
    a_change_counts_once_and_is_written_down
    whoever_decided_on_a_state_that_never_was_changes_nothing
    whoever_decided_on_an_older_state_changes_nothing
    of_two_who_change_at_once_one_is_refused
    settings_survive_a_rotation_of_keys_and_a_backup
}

const SECRET: &[u8] = br#"{"secret":"hunter2-and-more"}"#;

fn act(subject: &str) -> Act {
    let (actor, action) = ("key abc".to_owned(), "settings.changed");
    Act { actor, action, subject: subject.to_owned(), details: BTreeMap::new() }
}

fn change(kind: &'static str, name: &str, body: Option<&[u8]>, seen: u64) -> Change {
    Change { kind, name: name.to_owned(), body: body.map(<[u8]>::to_vec), seen }
}

async fn make(store: &Store, change: Change) -> Option<u64> {
    let act = act(&change.name);
    store.change_settings(change, act, Timestamp(7)).await.expect("asked")
}

async fn a_change_counts_once_and_is_written_down(place: Place) {
    let store = place.open().await;
    let nothing = store.settings().await.expect("read");
    assert_eq!((nothing.revision, nothing.items.len()), (0, 0));
    assert_eq!(make(&store, change("connection", "crm", Some(SECRET), 0)).await, Some(1));
    assert_eq!(make(&store, change("queue", "crm", Some(b"{}"), 1)).await, Some(2));
    assert_eq!(make(&store, change("connection", "crm", Some(b"{}"), 2)).await, Some(3));
    assert_eq!(store.settings_revision().await.expect("read"), 3);
    let all = store.settings().await.expect("read");
    let told: Vec<_> = all
        .items
        .iter()
        .map(|item| (item.kind.as_str(), item.name.as_str(), item.revision))
        .collect();
    assert_eq!(told, [("connection", "crm", 3), ("queue", "crm", 2)]);
    assert_eq!(all.items[0].body.as_deref(), Some(&b"{}"[..]));
    assert_eq!((all.items[0].changed_at, &*all.items[0].changed_by), (Timestamp(7), "key abc"));
    assert_eq!(make(&store, change("connection", "crm", None, 3)).await, Some(4));
    let left = store.settings().await.expect("read");
    assert_eq!((left.revision, left.items.len()), (4, 1));
    assert_eq!(store.audit_entries(None, 10).await.expect("read").len(), 4);
    assert_eq!(store.verify_audit().await.expect("walked").broken, None);
    store.close().await;
}

async fn whoever_decided_on_a_state_that_never_was_changes_nothing(place: Place) {
    let store = place.open().await;
    for seen in [1, 7, u64::MAX] {
        assert_eq!(make(&store, change("action", "a", Some(b"1"), seen)).await, None, "{seen}");
    }
    let nothing = store.settings().await.expect("read");
    assert_eq!((nothing.revision, nothing.items.len()), (0, 0));
    assert_eq!(store.audit_entries(None, 10).await.expect("read").len(), 0, "nothing is said");
    store.close().await;
}

async fn whoever_decided_on_an_older_state_changes_nothing(place: Place) {
    let store = place.open().await;
    assert_eq!(make(&store, change("action", "a", Some(b"1"), 0)).await, Some(1));
    for seen in [0, 2, u64::MAX] {
        assert_eq!(make(&store, change("action", "a", Some(b"2"), seen)).await, None, "{seen}");
    }
    assert_eq!(make(&store, change("action", "a", None, 0)).await, None);
    let all = store.settings().await.expect("read");
    assert_eq!((all.revision, all.items[0].body.as_deref()), (1, Some(&b"1"[..])));
    assert_eq!(store.audit_entries(None, 10).await.expect("read").len(), 1, "nothing is said");
    store.close().await;
}

async fn of_two_who_change_at_once_one_is_refused(place: Place) {
    let store = place.open().await;
    for round in 0..5 {
        let racers = (0..4).map(|racer| {
            let store = store.clone();
            let name = format!("q{racer}");
            tokio::spawn(
                async move { make(&store, change("queue", &name, Some(b"{}"), round)).await },
            )
        });
        let mut won = 0;
        for racer in racers.collect::<Vec<_>>() {
            won += usize::from(racer.await.expect("no panic").is_some());
        }
        assert_eq!(won, 1, "round {round}");
    }
    assert_eq!(store.settings_revision().await.expect("read"), 5);
    store.close().await;
}

async fn settings_survive_a_rotation_of_keys_and_a_backup(place: Place) {
    let store = place.open().await;
    assert_eq!(make(&store, change("connection", "crm", Some(SECRET), 0)).await, Some(1));
    store.rotate_data_key().await.expect("rotated");
    let (mut cells, mut next) = (0, Some(Part::default()));
    while let Some(part) = next {
        let done = store.reseal(part).await.expect("resealed");
        (cells, next) = (cells + done.cells, done.next);
    }
    assert_eq!(cells, 2, "the item, and who made it");
    let before = store.settings().await.expect("read");
    assert_eq!(before.items[0].body.as_deref(), Some(SECRET));
    assert!(!format!("{before:?}").contains("hunter2"));
    let backup = place.folder.0.join("backup.db");
    store.backup(&backup, Existing::Keep).await.expect("backed up");
    let bytes = std::fs::read(&backup).expect("a file");
    assert!(!bytes.windows(7).any(|window| window == b"hunter2"), "a secret lies in clear");
    let copy = Location::Sqlite { path: place.folder.0.join("copy.db") };
    restore(&backup, &copy, &master(), Existing::Keep).await.expect("restored");
    let copy = Store::open(&copy, &master(), Options::default()).await.expect("opens");
    assert_eq!(copy.settings().await.expect("read"), before);
    assert_eq!(make(&copy, change("connection", "crm", None, 1)).await, Some(2));
    copy.close().await;
    store.close().await;
}
