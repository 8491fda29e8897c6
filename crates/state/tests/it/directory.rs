//! Our copy of the CRM's contacts: what the newest answer said, found by key.

use crate::place::{Place, call, contact, crm};
use domain::Timestamp;
use state::{Key, Store};

crate::facts! {
    a_contact_is_found_by_every_key_of_it
    connections_do_not_see_each_other
    a_late_answer_is_dropped
    a_key_that_is_no_longer_answered_is_gone
    a_late_answer_does_not_bring_a_key_back
    a_changed_number_no_longer_leads_to_its_old_owner
    remembering_twice_is_remembering_once
    what_was_pushed_outlives_new_answers
    a_forgotten_contact_is_gone
    a_shared_number_leads_to_at_most_fifty
    an_account_is_nobody_who_calls
    the_last_call_of_a_contact_is_known
    the_mark_of_a_lost_key_is_forgotten_in_time
    what_was_found_a_moment_ago_is_read_anew_once_it_changes
}

const NUMBER: &str = "+15550199999";

fn by_phone(e164: &str) -> Key {
    Key::Phone(e164.to_owned())
}

async fn records(store: &Store, key: Key) -> Vec<String> {
    let found = store.find("crm", &[key]).await.expect("asked");
    found.into_iter().map(|entry| entry.contact.record).collect()
}

async fn remember(store: &Store, asked: &[Key], contacts: &[domain::Contact], as_of: i64) {
    store.remember("crm", asked, contacts, Timestamp(as_of)).await.expect("remembered");
}

async fn a_contact_is_found_by_every_key_of_it(place: Place) {
    let store = place.open().await;
    let john = contact("003A", &[NUMBER, "+15550100001"], Some(" John.Doe@Example.com"));
    remember(&store, &[], std::slice::from_ref(&john), 10).await;
    let email = Key::Email("john.doe@example.com".to_owned());
    let record = Key::Record("003A".to_owned());
    for key in [by_phone(NUMBER), by_phone("+15550100001"), email.clone(), record.clone()] {
        let found = store.find("crm", std::slice::from_ref(&key)).await.expect("asked");
        assert_eq!(found.len(), 1, "{key:?}");
        assert_eq!(found[0].contact, john);
        assert_eq!((found[0].as_of, found[0].pushed), (Timestamp(10), None));
        assert_eq!(found[0].matched, [key]);
    }
    let keys = [by_phone(NUMBER), email, record, by_phone("+15550100009")];
    let found = store.find("crm", &keys).await.expect("asked");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].matched, keys[..3]);
    assert!(store.find("crm", &[]).await.expect("asked").is_empty());
}

async fn connections_do_not_see_each_other(place: Place) {
    let store = place.open().await;
    let keys = [by_phone(NUMBER), Key::Record("1".to_owned())];
    for connection in ["crm", "erp"] {
        let mut person = contact("1", &[NUMBER], None);
        person.name = connection.to_owned();
        store.remember(connection, &keys, &[person], Timestamp(1)).await.expect("remembered");
    }
    for connection in ["crm", "erp"] {
        let found = store.find(connection, &keys).await.expect("asked");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].contact.name, connection);
    }
    assert!(store.find("other", &keys).await.expect("asked").is_empty());
    assert_eq!(store.directory_size().await.expect("asked"), 2);
}

async fn a_late_answer_is_dropped(place: Place) {
    let store = place.open().await;
    let (mut new, mut old) =
        (contact("003A", &[NUMBER], None), contact("003A", &["+15550100001"], None));
    new.name = "New".to_owned();
    old.name = "Old".to_owned();
    remember(&store, &[by_phone(NUMBER)], &[new], 20).await;
    remember(&store, &[by_phone("+15550100001")], &[old], 10).await;
    let found = store.find("crm", &[by_phone(NUMBER)]).await.expect("asked");
    assert_eq!((found[0].contact.name.as_str(), found[0].as_of), ("New", Timestamp(20)));
    assert!(records(&store, by_phone("+15550100001")).await.is_empty());
    remember(&store, &[by_phone(NUMBER)], &[], 15).await;
    assert_eq!(records(&store, by_phone(NUMBER)).await, ["003A"], "an old miss is late as well");
}

async fn a_key_that_is_no_longer_answered_is_gone(place: Place) {
    let store = place.open().await;
    let (a, b) = (contact("003A", &[NUMBER], None), contact("003B", &[NUMBER], None));
    remember(&store, &[by_phone(NUMBER)], &[a, b.clone()], 10).await;
    assert_eq!(records(&store, by_phone(NUMBER)).await, ["003A", "003B"]);
    remember(&store, &[by_phone(NUMBER)], std::slice::from_ref(&b), 20).await;
    assert_eq!(records(&store, by_phone(NUMBER)).await, ["003B"]);
    assert_eq!(
        records(&store, Key::Record("003A".to_owned())).await,
        ["003A"],
        "only the key is gone"
    );
    remember(&store, &[by_phone(NUMBER)], &[], 30).await;
    assert!(records(&store, by_phone(NUMBER)).await.is_empty());
    remember(&store, &[by_phone(NUMBER)], &[b], 40).await;
    assert_eq!(records(&store, by_phone(NUMBER)).await, ["003B"], "and comes back with newer news");
}

async fn a_late_answer_does_not_bring_a_key_back(place: Place) {
    let store = place.open().await;
    let john = contact("003A", &[NUMBER], None);
    let asked = [by_phone(NUMBER)];
    remember(&store, &asked, std::slice::from_ref(&john), 10).await;
    remember(&store, &asked, &[], 20).await;
    remember(&store, &asked, &[], 30).await;
    for late in [15, 25] {
        remember(&store, &asked, std::slice::from_ref(&john), late).await;
        assert!(records(&store, by_phone(NUMBER)).await.is_empty(), "the answer of {late}");
    }
}

async fn a_changed_number_no_longer_leads_to_its_old_owner(place: Place) {
    let store = place.open().await;
    remember(&store, &[], &[contact("003A", &[NUMBER], Some("a@example.com"))], 10).await;
    remember(&store, &[], &[contact("003A", &["+15550100001"], Some("a@example.com"))], 20).await;
    assert!(records(&store, by_phone(NUMBER)).await.is_empty());
    assert_eq!(records(&store, by_phone("+15550100001")).await, ["003A"]);
    assert_eq!(records(&store, Key::Email("a@example.com".to_owned())).await, ["003A"]);
}

async fn remembering_twice_is_remembering_once(place: Place) {
    let store = place.open().await;
    let john = contact("003A", &[NUMBER, NUMBER], None);
    for _ in 0..2 {
        remember(&store, &[by_phone(NUMBER)], &[john.clone(), john.clone()], 10).await;
    }
    assert_eq!(records(&store, by_phone(NUMBER)).await, ["003A"]);
    assert_eq!(store.directory_size().await.expect("asked"), 1);
}

async fn what_was_pushed_outlives_new_answers(place: Place) {
    let store = place.open().await;
    let john = contact("003A", &[NUMBER], None);
    assert!(!store.mark_pushed("crm", "003A", [7; 16]).await.expect("asked"), "not known yet");
    remember(&store, &[], std::slice::from_ref(&john), 10).await;
    assert!(store.mark_pushed("crm", "003A", [7; 16]).await.expect("marked"));
    remember(&store, &[], &[john], 20).await;
    let found = store.find("crm", &[by_phone(NUMBER)]).await.expect("asked");
    assert_eq!((found[0].pushed, found[0].as_of), (Some([7; 16]), Timestamp(20)));
}

async fn a_forgotten_contact_is_gone(place: Place) {
    let store = place.open().await;
    remember(&store, &[], &[contact("003A", &[NUMBER], None)], 10).await;
    assert!(store.forget("crm", "003A").await.expect("forgotten"));
    assert!(!store.forget("crm", "003A").await.expect("asked"));
    assert!(records(&store, by_phone(NUMBER)).await.is_empty());
    assert_eq!(store.directory_size().await.expect("asked"), 0);
}

async fn a_shared_number_leads_to_at_most_fifty(place: Place) {
    let store = place.open().await;
    let crowd: Vec<_> = (0..60).map(|n| contact(&format!("{n:03}"), &[NUMBER], None)).collect();
    remember(&store, &[by_phone(NUMBER)], &crowd, 10).await;
    let found = records(&store, by_phone(NUMBER)).await;
    assert_eq!(found, (0..50).map(|n| format!("{n:03}")).collect::<Vec<_>>());
}

async fn an_account_is_nobody_who_calls(place: Place) {
    let store = place.open().await;
    let person = contact("003A", &[NUMBER], None);
    remember(&store, &[by_phone(NUMBER)], std::slice::from_ref(&person), 10).await;
    // Of the same record, and with a number: an account has no keys but the id asked for.
    let account = |tier: &str| {
        let data = [("tier".to_owned(), tier.into())].into();
        domain::Contact { data, ..contact("003A", &["+15550100001"], None) }
    };
    let key = Key::Account("A-1".to_owned());
    for (tier, as_of) in [("B", 20), ("A", 30), ("too late", 25)] {
        let accounts = [("A-1", &account(tier))];
        store.remember_accounts("crm", &accounts, Timestamp(as_of)).await.expect("remembered");
    }
    let found = store.find("crm", std::slice::from_ref(&key)).await.expect("asked");
    assert_eq!((found.len(), found[0].as_of), (1, Timestamp(30)));
    assert_eq!(found[0].contact.data["tier"], "A".into(), "the newest word");
    assert_eq!(records(&store, by_phone("+15550100001")).await, Vec::<String>::new());
    for other in [Key::Record("A-1".to_owned()), Key::Account("003A".to_owned())] {
        assert_eq!(records(&store, other).await, Vec::<String>::new());
    }
    assert!(store.find("other", std::slice::from_ref(&key)).await.expect("asked").is_empty());
    assert!(store.forget_account("crm", "A-1").await.expect("forgotten"));
    assert!(!store.forget_account("crm", "A-1").await.expect("asked"));
    assert_eq!(records(&store, key).await, Vec::<String>::new());
    let known = store.find("crm", &[by_phone(NUMBER)]).await.expect("asked");
    assert_eq!(known[0].contact, person, "the person of that record is untouched");
}

async fn the_last_call_of_a_contact_is_known(place: Place) {
    let store = place.open().await;
    remember(&store, &[], &[contact("003A", &[NUMBER], None)], 10).await;
    let last_call = async || {
        let found = store.find_with_last_calls("crm", &[by_phone(NUMBER)]).await.expect("asked");
        assert_eq!(found[0].last_call_at, found[0].contact.last_call_at);
        found[0].last_call_at
    };
    assert_eq!(last_call().await, None);
    for (call_id, at) in [("call-1", 5_000), ("call-2", 9_000), ("call-0", 1_000)] {
        let mut new = call(call_id, crm("003A"));
        new.arrived_at = Timestamp(at);
        store.record_call(new, vec![]).await.expect("recorded");
    }
    assert_eq!(last_call().await, Some(Timestamp(9_000)));
}

async fn the_mark_of_a_lost_key_is_forgotten_in_time(place: Place) {
    let store = place.open().await;
    let asked = [by_phone(NUMBER)];
    remember(&store, &asked, &[contact("003A", &[NUMBER], None)], 10).await;
    remember(&store, &asked, &[], 20).await;
    assert_eq!(store.prune_directory(Timestamp(20)).await.expect("pruned"), 0, "not yet");
    assert_eq!(store.prune_directory(Timestamp(21)).await.expect("pruned"), 1);
    assert_eq!(store.prune_directory(Timestamp(21)).await.expect("pruned"), 0);
    assert_eq!(records(&store, Key::Record("003A".to_owned())).await, ["003A"], "others stay");
}

async fn what_was_found_a_moment_ago_is_read_anew_once_it_changes(place: Place) {
    let store = place.open().await;
    let mail = Key::Email("ann@example.com".to_owned());
    let keys = [by_phone(NUMBER), mail.clone(), Key::Record("003A".to_owned())];
    let find = async |key: &Key| store.find("crm", std::slice::from_ref(key)).await.expect("asked");
    let old = contact("003A", &[NUMBER], Some("ann@example.com"));
    remember(&store, &[], std::slice::from_ref(&old), 10).await;
    for key in &keys {
        assert_eq!(find(key).await, find(key).await);
    }
    // Asked for by one key, it is news under every other.
    let named = domain::Contact { name: "Ann".to_owned(), ..old.clone() };
    remember(&store, &[by_phone(NUMBER)], std::slice::from_ref(&named), 20).await;
    for key in &keys {
        assert_eq!(find(key).await[0].contact.name, "Ann", "{key:?}");
    }
    assert!(store.mark_pushed("crm", "003A", [7; 16]).await.expect("marked"));
    for key in &keys {
        assert_eq!(find(key).await[0].pushed, Some([7; 16]), "{key:?}");
    }
    // Somebody else has the number now; the e-mail still leads to Ann.
    let other = contact("003B", &[NUMBER], None);
    remember(&store, &[by_phone(NUMBER)], &[other], 30).await;
    assert_eq!(find(&keys[0]).await[0].contact.record, "003B");
    assert_eq!(find(&mail).await[0].contact.record, "003A");
    assert!(store.forget("crm", "003A").await.expect("forgotten"));
    assert!(find(&mail).await.is_empty() && find(&keys[2]).await.is_empty());
}
