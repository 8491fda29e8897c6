//! People who sign in: found, changed by one at a time, gone when they are taken away.

use crate::place::{Place, master};
use domain::Timestamp;
use state::audit::Act;
use state::backup::{Existing, restore};
use state::users::Who;
use state::{Location, NewUser, Store, Totp, User};
use std::collections::BTreeMap;

crate::facts! {
    a_user_is_found_by_id_name_and_subject
    a_name_and_a_subject_are_one_persons
    of_two_who_change_a_user_one_is_refused
    a_step_of_the_second_factor_is_used_once
    a_user_who_is_gone_is_found_no_more
    a_session_that_was_ended_stays_so_until_its_time
    what_proves_a_user_is_sealed_and_sealed_anew
    a_backup_keeps_every_user
}

fn act(action: &'static str) -> Act {
    let subject = String::new();
    Act { actor: "key 1".to_owned(), action, subject, details: BTreeMap::new() }
}

fn new(name: &str) -> NewUser {
    NewUser {
        name: name.to_owned(),
        full_name: "Ada Byron".to_owned(),
        role: "admin".to_owned(),
        password: "$argon2id$x".to_owned(),
        subject: format!("https://id.example.com {name}"),
    }
}

async fn made(store: &Store, name: &str) -> User {
    let made = store.create_user(new(name), act("user.created"), Timestamp(5)).await;
    made.expect("answered").expect("a free name")
}

async fn found(store: &Store, who: Who<'_>) -> Option<User> {
    store.user(who).await.expect("read")
}

async fn a_user_is_found_by_id_name_and_subject(place: Place) {
    let store = place.open().await;
    let (ada, bo) = (made(&store, "ada").await, made(&store, "bo").await);
    assert_eq!((ada.full_name.as_str(), ada.password.as_str()), ("Ada Byron", "$argon2id$x"));
    assert_eq!((ada.sessions_after, ada.created_at), (Timestamp(0), Timestamp(5)));
    for who in [Who::Id(&ada.id), Who::Name("ada"), Who::Subject("https://id.example.com ada")] {
        assert_eq!(found(&store, who).await.as_ref(), Some(&ada), "{who:?}");
    }
    for who in [Who::Id("x"), Who::Name("Ada"), Who::Subject(""), Who::Subject("ada")] {
        assert_eq!(found(&store, who).await, None, "{who:?}");
    }
    assert_eq!(store.users().await.expect("listed"), [ada.clone(), bo]);
    assert!(!format!("{ada:?}").contains("argon2"), "it is not shown");
    let audit = store.audit_entries(None, 10).await.expect("read");
    assert_eq!((audit[1].action.as_str(), &audit[1].subject), ("user.created", &ada.id));
}

async fn a_name_and_a_subject_are_one_persons(place: Place) {
    let store = place.open().await;
    made(&store, "ada").await;
    let same_name = NewUser { subject: String::new(), ..new("ada") };
    let same_subject = NewUser { name: "bo".to_owned(), ..new("ada") };
    for taken in [same_name, same_subject] {
        let made = store.create_user(taken, act("user.created"), Timestamp(6)).await;
        assert_eq!(made.expect("answered"), None);
    }
    for name in ["bo", "cy"] {
        // Nobody at a provider: as many as there are.
        let new = NewUser { subject: String::new(), ..new(name) };
        let made = store.create_user(new, act("user.created"), Timestamp(6)).await;
        assert!(made.expect("answered").is_some());
    }
    assert_eq!(store.audit_entries(None, 10).await.expect("read").len(), 3);
}

async fn of_two_who_change_a_user_one_is_refused(place: Place) {
    let store = place.open().await;
    let ada = made(&store, "ada").await;
    let totp = Some(Totp { secret: "GEZDGNBV".to_owned(), is_on: true });
    let change = |role: &str| User {
        role: role.to_owned(),
        totp: totp.clone(),
        disabled_at: Some(Timestamp(7)),
        sessions_after: Timestamp(8),
        ..ada.clone()
    };
    let changes = ["analyst", "agent"].map(|role| async {
        store.change_user(change(role), act("user.changed"), Timestamp(9)).await.expect("answered")
    });
    let [one, two] = changes;
    assert_eq!((one.await, two.await), (true, false));
    let now = found(&store, Who::Id(&ada.id)).await.expect("there");
    assert_eq!((now.role.as_str(), now.disabled_at), ("analyst", Some(Timestamp(7))));
    assert_eq!(now.sessions_after, Timestamp(8));
    assert!(now.totp == totp);
    let again = User { disabled_at: None, ..now };
    assert!(store.change_user(again, act("user.changed"), Timestamp(9)).await.expect("answered"));
    let audit = store.audit_entries(None, 10).await.expect("read");
    assert_eq!(audit.len(), 3, "what was refused is not written down");
}

async fn a_step_of_the_second_factor_is_used_once(place: Place) {
    let store = place.open().await;
    let ada = made(&store, "ada").await;
    for (step, expected) in [(100, true), (100, false), (99, false), (101, true)] {
        let is_spent = store.spend_totp_step(&ada.id, step).await.expect("answered");
        assert_eq!(is_spent, expected, "{step}");
    }
    assert!(!store.spend_totp_step("nobody", 1).await.expect("answered"));
    assert_eq!(found(&store, Who::Id(&ada.id)).await.expect("there").totp_step, 101);
}

async fn a_user_who_is_gone_is_found_no_more(place: Place) {
    let store = place.open().await;
    let ada = made(&store, "ada").await;
    let gone = |id: &'static str| store.remove_user(id, act("user.removed"), Timestamp(6));
    assert!(!gone("nobody").await.expect("answered"));
    assert!(store.remove_user(&ada.id, act("user.removed"), Timestamp(6)).await.expect("answered"));
    assert_eq!(found(&store, Who::Name("ada")).await, None);
    let late = store.change_user(ada.clone(), act("user.changed"), Timestamp(7)).await;
    assert!(!late.expect("answered"), "nobody is brought back");
    assert_ne!(made(&store, "ada").await.id, ada.id);
}

async fn a_session_that_was_ended_stays_so_until_its_time(place: Place) {
    let store = place.open().await;
    let is_ended = async |id: &str| store.is_session_ended(id).await.expect("read");
    assert!(!is_ended("a").await);
    store.end_session("a", Timestamp(100), Timestamp(10)).await.expect("ended");
    store.end_session("a", Timestamp(100), Timestamp(11)).await.expect("ended twice");
    assert!(is_ended("a").await && !is_ended("b").await);
    store.end_session("b", Timestamp(300), Timestamp(200)).await.expect("ended");
    assert!(!is_ended("a").await && is_ended("b").await, "its time is over anyway");
}

async fn what_proves_a_user_is_sealed_and_sealed_anew(place: Place) {
    let store = place.open().await;
    let ada = made(&store, "ada").await;
    store.rotate_data_key().await.expect("rotated");
    let mut place_at = state::reseal::Place::default();
    let mut cells = 0;
    loop {
        let part = store.reseal(place_at).await.expect("sealed anew");
        cells += part.cells;
        match part.next {
            Some(next) => place_at = next,
            None => break,
        }
    }
    assert!(cells >= 1);
    assert_eq!(found(&store, Who::Name("ada")).await, Some(ada.clone()));
    let other = store.user(Who::Subject(&ada.subject)).await.expect("read");
    assert_eq!(other, Some(ada), "what is found by has a key of its own");
}

async fn a_backup_keeps_every_user(place: Place) {
    let store = place.open().await;
    made(&store, "ada").await;
    store.end_session("s", Timestamp(100), Timestamp(10)).await.expect("ended");
    let copy = place.folder.0.join("copy.db");
    store.backup(&copy, Existing::Keep).await.expect("copied");
    let target = match place.location {
        Location::SqliteMemory => Place::disk(),
        _ => place.another().await,
    };
    restore(&copy, &target.location, &master(), Existing::Keep).await.expect("restored");
    let restored = target.open().await;
    assert_eq!(restored.users().await.expect("listed"), store.users().await.expect("listed"));
    assert!(restored.is_session_ended("s").await.expect("read"));
    target.drop_schema().await;
}
