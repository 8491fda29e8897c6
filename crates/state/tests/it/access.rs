//! Keys of callers: told once, kept as hashes, dead when they should be.

use crate::place::{Place, master};
use domain::Timestamp;
use state::access::{By, parts};
use state::backup::{Existing, restore};
use state::{IssuedKey, Location, NewApiKey, Rotation, Store};
use std::time::Duration;

crate::facts! {
    a_key_is_found_by_its_id_and_fits_its_secret_alone
    keys_are_listed_newest_first
    a_revoked_key_stays_dead_and_keeps_its_time
    a_key_ends_at_its_time
    a_rotation_leaves_the_old_key_its_overlap
    a_rotation_never_lengthens_a_life
    what_is_dead_or_unknown_cannot_be_rotated
    the_long_dead_are_forgotten
    a_derived_key_is_stable_and_its_purposes_own
    a_backup_keeps_every_key
    every_change_of_a_key_is_written_down_with_it
}

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: i64 = 86_400_000;

fn by() -> By {
    By { actor: "operator".to_owned(), address: "192.0.2.1".to_owned() }
}

fn flow() -> NewApiKey {
    NewApiKey {
        name: "flow".to_owned(),
        scopes: vec!["lookup".to_owned(), "events".to_owned()],
        requests_per_minute: Some(600),
        expires_at: None,
    }
}

async fn create(store: &Store, new: NewApiKey, now: i64) -> IssuedKey {
    store.create_api_key(new, by(), Timestamp(now)).await.expect("created")
}

async fn rotated(store: &Store, id: &str, overlap: Duration, now: i64) -> IssuedKey {
    match store.rotate_api_key(id, overlap, by(), Timestamp(now)).await.expect("answered") {
        Rotation::Done(issued) => issued,
        other => panic!("{other:?}"),
    }
}

async fn a_key_is_found_by_its_id_and_fits_its_secret_alone(place: Place) {
    let store = place.open().await;
    let (one, two) = (create(&store, flow(), 1).await, create(&store, flow(), 2).await);
    let (id, secret) = parts(&one.text).expect("a key's text");
    let (_, other) = parts(&two.text).expect("a key's text");
    let found = store.api_key(id).await.expect("read").expect("found");
    assert_eq!(found, one.key);
    assert_eq!((found.name.as_str(), found.requests_per_minute), ("flow", Some(600)));
    assert_eq!(found.scopes, ["lookup", "events"]);
    assert!(found.fits(secret) && found.is_alive(Timestamp(i64::MAX)));
    for wrong in [other, "", &secret[1..], &secret.to_uppercase(), &one.text] {
        assert!(!found.fits(wrong), "{wrong}");
    }
    assert_eq!(secret.len(), 64, "256 bits");
    assert!(store.api_key("0000000000000000").await.expect("read").is_none());
    assert!(!format!("{one:?} {found:?}").contains(secret), "it is not shown");
}

async fn keys_are_listed_newest_first(place: Place) {
    let store = place.open().await;
    assert!(store.api_keys().await.expect("listed").is_empty());
    for (name, at) in [("a", 10), ("c", 30), ("b", 20)] {
        create(&store, NewApiKey { name: name.to_owned(), ..NewApiKey::default() }, at).await;
    }
    let keys = store.api_keys().await.expect("listed");
    assert_eq!(keys.iter().map(|key| key.name.as_str()).collect::<String>(), "cba");
    assert_eq!((keys[0].scopes.len(), keys[0].requests_per_minute), (0, None));
}

async fn a_revoked_key_stays_dead_and_keeps_its_time(place: Place) {
    let store = place.open().await;
    let id = create(&store, flow(), 1).await.key.id;
    let revoked =
        store.revoke_api_key(&id, by(), Timestamp(5)).await.expect("revoked").expect("known");
    assert_eq!(revoked.revoked_at, Some(Timestamp(5)));
    assert!(!revoked.is_alive(Timestamp(0)));
    let again =
        store.revoke_api_key(&id, by(), Timestamp(9)).await.expect("revoked").expect("known");
    assert_eq!(again, revoked);
    assert_eq!(store.api_key(&id).await.expect("read"), Some(revoked));
    assert!(store.revoke_api_key("nobody", by(), Timestamp(5)).await.expect("asked").is_none());
}

async fn a_key_ends_at_its_time(place: Place) {
    let store = place.open().await;
    let end = Some(Timestamp(1_000));
    let id = create(&store, NewApiKey { expires_at: end, ..flow() }, 1).await.key.id;
    let key = store.api_key(&id).await.expect("read").expect("found");
    assert!(key.is_alive(Timestamp(999)) && !key.is_alive(Timestamp(1_000)));
}

async fn a_rotation_leaves_the_old_key_its_overlap(place: Place) {
    let store = place.open().await;
    let old = create(&store, flow(), 1).await;
    let new = rotated(&store, &old.key.id, HOUR, 1_000).await;
    assert_eq!(new.key.rotated_from.as_deref(), Some(old.key.id.as_str()));
    assert_eq!((&new.key.name, &new.key.scopes), (&old.key.name, &old.key.scopes));
    assert_eq!((new.key.requests_per_minute, new.key.expires_at), (Some(600), None));
    assert_ne!(*new.text, *old.text);
    let old = store.api_key(&old.key.id).await.expect("read").expect("found");
    let end = Timestamp(1_000).plus(HOUR);
    assert_eq!(old.expires_at, Some(end));
    assert!(new.key.is_alive(end) && !old.is_alive(end) && old.is_alive(Timestamp(end.0 - 1)));
}

async fn a_rotation_never_lengthens_a_life(place: Place) {
    let store = place.open().await;
    let soon = NewApiKey { expires_at: Some(Timestamp(2_000)), ..flow() };
    let old = create(&store, soon, 1).await.key.id;
    let new = rotated(&store, &old, HOUR, 1_000).await;
    assert_eq!(new.key.expires_at, Some(Timestamp(2_000)));
    let old = store.api_key(&old).await.expect("read").expect("found");
    assert_eq!(old.expires_at, Some(Timestamp(2_000)));
    // Replaced twice: the shorter overlap holds.
    let first = create(&store, flow(), 1).await.key.id;
    rotated(&store, &first, Duration::from_millis(10), 1_000).await;
    rotated(&store, &first, HOUR, 1_001).await;
    let first = store.api_key(&first).await.expect("read").expect("found");
    assert_eq!(first.expires_at, Some(Timestamp(1_010)));
}

async fn what_is_dead_or_unknown_cannot_be_rotated(place: Place) {
    let store = place.open().await;
    let rotate = async |id: &str| store.rotate_api_key(id, HOUR, by(), Timestamp(50)).await;
    assert!(matches!(rotate("nobody").await, Ok(Rotation::Unknown)));
    let revoked = create(&store, flow(), 1).await.key.id;
    store.revoke_api_key(&revoked, by(), Timestamp(2)).await.expect("revoked");
    let past = NewApiKey { expires_at: Some(Timestamp(50)), ..flow() };
    let expired = create(&store, past, 1).await.key.id;
    for id in [revoked, expired] {
        assert!(matches!(rotate(&id).await, Ok(Rotation::Ended)), "{id}");
    }
    assert_eq!(store.api_keys().await.expect("listed").len(), 2, "none was made");
}

async fn the_long_dead_are_forgotten(place: Place) {
    let store = place.open().await;
    let old = create(&store, flow(), 1).await.key.id;
    store.revoke_api_key(&old, by(), Timestamp(DAY)).await.expect("revoked");
    let end = Some(Timestamp(300 * DAY));
    let recent = create(&store, NewApiKey { expires_at: end, ..flow() }, 1).await.key.id;
    let new = create(&store, flow(), 400 * DAY).await.key.id;
    let ids: Vec<String> =
        store.api_keys().await.expect("listed").into_iter().map(|key| key.id).collect();
    assert_eq!(ids, [new, recent]);
}

async fn a_derived_key_is_stable_and_its_purposes_own(place: Place) {
    let store = place.open().await;
    let before = store.derived_key("tokens");
    store.rotate_data_key().await.expect("rotated");
    assert_eq!(*store.derived_key("tokens"), *before);
    assert_ne!(*store.derived_key("others"), *before);
}

async fn every_change_of_a_key_is_written_down_with_it(place: Place) {
    let store = place.open().await;
    let first = create(&store, flow(), 1).await.key.id;
    let second = rotated(&store, &first, HOUR, 2).await.key.id;
    for now in [3, 4] {
        store.revoke_api_key(&second, by(), Timestamp(now)).await.expect("revoked");
    }
    store.revoke_api_key("nobody", by(), Timestamp(5)).await.expect("asked");
    store.rotate_api_key(&second, HOUR, by(), Timestamp(6)).await.expect("asked");
    let entries = store.audit_entries(None, 10).await.expect("listed");
    let told: Vec<(&str, &str)> =
        entries.iter().map(|entry| (entry.action.as_str(), entry.subject.as_str())).collect();
    let expected = [
        ("api_key.revoked", second.as_str()),
        ("api_key.rotated", second.as_str()),
        ("api_key.created", first.as_str()),
    ];
    assert_eq!(told, expected, "what changed nothing is no entry");
    assert!(entries.iter().all(|entry| entry.actor == "operator"));
    assert_eq!(entries[1].details["replaces"], first);
    assert_eq!(entries[2].details["scopes"], "lookup events");
    assert_eq!(entries[2].details["address"], "192.0.2.1");
    assert_eq!(store.verify_audit().await.expect("walked").broken, None);
}

async fn a_backup_keeps_every_key(place: Place) {
    let store = place.open().await;
    let issued = create(&store, flow(), 1).await;
    let revoked = create(&store, flow(), 2).await.key.id;
    store.revoke_api_key(&revoked, by(), Timestamp(3)).await.expect("revoked");
    let tokens = store.derived_key("tokens");
    let copy = place.folder.0.join("copy.db");
    store.backup(&copy, Existing::Keep).await.expect("copied");
    let target = match place.location {
        Location::SqliteMemory => Place::disk(),
        _ => place.another().await,
    };
    restore(&copy, &target.location, &master(), Existing::Keep).await.expect("restored");
    let restored = target.open().await;
    assert_eq!(restored.api_keys().await.expect("listed"), store.api_keys().await.expect("listed"));
    let (id, secret) = parts(&issued.text).expect("a key's text");
    assert!(restored.api_key(id).await.expect("read").is_some_and(|key| key.fits(secret)));
    assert_eq!(*restored.derived_key("tokens"), *tokens, "tokens go on as well");
    target.drop_schema().await;
}

#[tokio::test]
async fn no_secret_lies_in_the_stores_files() {
    let place = Place::disk();
    let store = place.open().await;
    let issued = create(&store, flow(), 1).await;
    let (_, secret) = parts(&issued.text).expect("a key's text");
    let folder = place.file().parent().expect("a folder");
    let mut read = 0;
    for file in std::fs::read_dir(folder).expect("the folder") {
        let bytes = std::fs::read(file.expect("an entry").path()).expect("a file");
        read += bytes.len();
        assert!(!bytes.windows(64).any(|part| part == secret.as_bytes()));
    }
    assert!(read > 1_000, "the store has been read");
}
