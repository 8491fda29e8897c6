//! Two records of one customer are linked once, found from either side where that is
//! certain, follow a merge, and go with whoever is erased.

use crate::place::Place;
use domain::Timestamp;
use state::Store;
use state::audit::Act;
use state::crosswalk::Put;
use state::subject::{Identifiers, Record};
use std::collections::{BTreeMap, BTreeSet};

crate::facts! {
    a_record_leads_to_what_it_was_linked_to_and_back_where_that_is_certain
    a_second_link_to_the_same_system_takes_the_place_of_the_first
    links_follow_a_merge
    a_link_goes_with_its_person_and_does_not_come_back
    a_link_taken_away_is_gone_and_written_down
}

fn of(connection: &str, record: &str) -> Record {
    Record { connection: connection.to_owned(), record: record.to_owned() }
}

fn act(action: &'static str) -> Act {
    Act { actor: "key-1".into(), action, subject: "CRM:003A".into(), details: BTreeMap::new() }
}

async fn put(store: &Store, from: &Record, to: &Record) -> Put {
    store.put_link(from, to, act("link.set"), Timestamp(5)).await.expect("put")
}

async fn leads(store: &Store, from: &Record, other: &str) -> Option<String> {
    let link = store.elsewhere(from, other).await.expect("read")?;
    let there = if link.record == *from { link.other } else { link.record };
    assert_eq!(there.connection, other);
    Some(there.record)
}

async fn a_record_leads_to_what_it_was_linked_to_and_back_where_that_is_certain(place: Place) {
    let store = place.open().await;
    let (a, b) = (of("crm", "003A"), of("crm", "003B"));
    assert!(matches!(put(&store, &a, &of("erp", "42")).await, Put::Linked { is_new: true, .. }));
    assert_eq!(leads(&store, &a, "erp").await.as_deref(), Some("42"));
    assert_eq!(leads(&store, &of("erp", "42"), "crm").await.as_deref(), Some("003A"));
    for (from, other) in [(&a, "desk"), (&b, "erp"), (&of("desk", "42"), "crm")] {
        assert_eq!(leads(&store, from, other).await, None);
    }
    // A second person of the same account: from there nobody can be named.
    put(&store, &b, &of("erp", "42")).await;
    assert_eq!(leads(&store, &b, "erp").await.as_deref(), Some("42"));
    assert_eq!(leads(&store, &of("erp", "42"), "crm").await, None);
    // Unless the account itself says who.
    put(&store, &of("erp", "42"), &b).await;
    assert_eq!(leads(&store, &of("erp", "42"), "crm").await.as_deref(), Some("003B"));
    assert_eq!(store.links_of(&of("erp", "42")).await.expect("read").len(), 3);
}

async fn a_second_link_to_the_same_system_takes_the_place_of_the_first(place: Place) {
    let store = place.open().await;
    let a = of("crm", "003A");
    let Put::Linked { id, .. } = put(&store, &a, &of("erp", "42")).await else { panic!("linked") };
    let again = put(&store, &a, &of("erp", "42")).await;
    assert_eq!(again, Put::Linked { id, is_new: false }, "twice is once");
    put(&store, &a, &of("desk", "d-1")).await;
    let Put::Linked { id: new, .. } = put(&store, &a, &of("erp", "43")).await else { panic!() };
    assert_eq!(new, id, "the same link");
    assert_eq!(leads(&store, &a, "erp").await.as_deref(), Some("43"));
    assert_eq!(leads(&store, &of("erp", "42"), "crm").await, None);
    assert_eq!(leads(&store, &a, "desk").await.as_deref(), Some("d-1"));
    let written = store.audit_entries(None, 10).await.expect("read");
    assert_eq!(written.len(), 3, "what changed nothing is not written down");
    assert_eq!(store.links(None, 10).await.expect("listed").len(), 2);
}

async fn links_follow_a_merge(place: Place) {
    let store = place.open().await;
    let (a, b, c) = (of("crm", "003A"), of("crm", "003B"), of("crm", "003C"));
    put(&store, &a, &of("erp", "42")).await;
    put(&store, &of("desk", "d-1"), &a).await;
    put(&store, &b, &of("erp", "77")).await;
    let moved = store.follow_links(&a, "003C", act("link.followed"), Timestamp(6)).await;
    assert_eq!(moved.expect("followed"), 2);
    assert_eq!(leads(&store, &c, "erp").await.as_deref(), Some("42"));
    assert_eq!(leads(&store, &of("desk", "d-1"), "crm").await.as_deref(), Some("003C"));
    assert_eq!(leads(&store, &a, "erp").await, None);
    // Where the other has a link already, that one holds.
    store.follow_links(&c, "003B", act("link.followed"), Timestamp(7)).await.expect("followed");
    assert_eq!(leads(&store, &b, "erp").await.as_deref(), Some("77"));
    assert_eq!(leads(&store, &of("erp", "42"), "crm").await, None);
    let none = store.follow_links(&a, "003C", act("link.followed"), Timestamp(8)).await;
    assert_eq!(none.expect("nothing to do"), 0);
}

async fn a_link_goes_with_its_person_and_does_not_come_back(place: Place) {
    let store = place.open().await;
    let (a, b) = (of("crm", "003A"), of("crm", "003B"));
    put(&store, &a, &of("erp", "42")).await;
    put(&store, &of("desk", "d-1"), &a).await;
    put(&store, &b, &of("erp", "43")).await;
    let records = BTreeSet::from([a.clone()]);
    let asked = Identifiers { records, ..Identifiers::default() };
    let prefixes = BTreeMap::from([("crm".to_owned(), "CRM".to_owned())]);
    let subject = store.subject(&asked, &prefixes).await.expect("found");
    let shown = store.export(&subject).await.expect("shown");
    assert_eq!(shown.crosswalk.len(), 2, "from it and to it");
    store.erase(&subject, "", act("subject.erased"), Timestamp(9)).await.expect("erased");
    let mut sweep = store.begin_sweep().await.expect("begun").expect("one to sweep");
    while store.sweep_on(&mut sweep, Timestamp(9)).await.expect("swept") {}
    assert_eq!(sweep.removed["crosswalk"], 2);
    assert_eq!(leads(&store, &a, "erp").await, None);
    assert_eq!(leads(&store, &b, "erp").await.as_deref(), Some("43"));
    assert_eq!(put(&store, &a, &of("erp", "42")).await, Put::Erased);
    assert_eq!(put(&store, &of("desk", "d-1"), &a).await, Put::Erased);
    assert_eq!(store.links(None, 10).await.expect("listed").len(), 1);
}

async fn a_link_taken_away_is_gone_and_written_down(place: Place) {
    let store = place.open().await;
    let a = of("crm", "003A");
    let Put::Linked { id, .. } = put(&store, &a, &of("erp", "42")).await else { panic!("linked") };
    assert!(store.remove_link(id, act("link.removed"), Timestamp(6)).await.expect("removed"));
    assert!(!store.remove_link(id, act("link.removed"), Timestamp(6)).await.expect("asked"));
    assert_eq!(leads(&store, &a, "erp").await, None);
    let written = store.audit_entries(None, 10).await.expect("read");
    let actions: Vec<&str> = written.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["link.removed", "link.set"]);
}
