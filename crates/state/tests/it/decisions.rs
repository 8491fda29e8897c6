//! A decision is kept once, is found by its call and by its time, and goes with its call or
//! with whom it was about.

use crate::place::{Place, call, contact, crm, decision, id, master, phone};
use domain::Timestamp;
use state::audit::Act;
use state::backup::{Existing, restore};
use state::decisions::{Decision, NewDecision};
use state::subject::{Identifiers, Record};
use state::{NewCall, Store};
use std::collections::BTreeMap;

crate::facts! {
    a_decision_comes_back_as_it_was_kept_and_twice_is_once
    a_calls_decisions_are_told_in_order_and_counted
    pages_go_over_decisions_of_one_moment_without_loss_or_repeat
    decisions_go_with_their_calls_and_without_one_by_their_age
    decisions_go_with_whom_they_speak_of_and_others_stay
    of_an_erased_person_only_that_it_was_decided_is_kept
    decisions_survive_a_backup_and_show_nothing_of_anybody
}

const JOHN: &str = "+15550177777";
const JANE: &str = "+15550166666";
const SHARED: &str = "+15550199999";

fn act(action: &'static str) -> Act {
    Act { actor: "key".into(), action, subject: String::new(), details: BTreeMap::new() }
}

async fn keep(store: &Store, new: NewDecision) {
    store.record_decision(new).await.expect("kept");
}

async fn of(store: &Store, call: &str) -> Vec<Decision> {
    store.decisions_of(&id(call)).await.expect("read")
}

/// The calls of a time's decisions, read in pages of two.
async fn calls_since(store: &Store, from: i64, until: i64) -> Vec<String> {
    let (mut calls, mut after) = (Vec::new(), None);
    for _ in 0..100 {
        let (from, until) = (Timestamp(from), Timestamp(until));
        let page = store.decisions_since(from, until, after, 2).await.expect("read");
        assert!(page.decisions.len() <= 2 && (page.next.is_none() || page.decisions.len() == 2));
        calls.extend(page.decisions.iter().map(|one| format!("{} {}", one.call, one.at.0)));
        after = page.next;
        if after.is_none() {
            return calls;
        }
    }
    panic!("the pages do not end");
}

async fn a_decision_comes_back_as_it_was_kept_and_twice_is_once(place: Place) {
    let store = place.open().await;
    let new = NewDecision {
        shadow: Some("queue:Billing".to_owned()),
        details: b"{\n \"two\": \"lines\"}\n".to_vec(),
        ..decision("c-1", Some(JOHN), Some("john"))
    };
    keep(&store, new.clone()).await;
    keep(&store, NewDecision { destination: "queue:Other".to_owned(), ..new.clone() }).await;
    let kept = of(&store, "c-1").await;
    let [one] = &kept[..] else { panic!("{kept:?}") };
    let told = (&one.entry, one.at, one.set_revision, &one.rule, one.line, &one.destination);
    let said = (&new.entry, new.at, new.set_revision, &new.rule, new.line, &new.destination);
    assert_eq!(told, said, "the first one stands");
    let told = (one.took_us, &one.shadow, &one.number, &one.connection, &one.details);
    assert_eq!(told, (new.took_us, &new.shadow, &new.number, &new.connection, &new.details));
    assert!(one.status == new.status && one.records == new.records);
    let bare = NewDecision {
        rule: None,
        line: None,
        connection: None,
        destination: String::new(),
        status: "unattached",
        details: Vec::new(),
        ..decision("c-2", None, None)
    };
    keep(&store, bare).await;
    let kept = of(&store, "c-2").await;
    let bare = (&kept[0].rule, kept[0].line, &kept[0].number, &kept[0].connection);
    assert_eq!(bare, (&None, None, &None, &None));
    assert!(kept[0].details.is_empty() && kept[0].records.is_empty());
    store.close().await;
}

async fn a_calls_decisions_are_told_in_order_and_counted(place: Place) {
    let store = place.open().await;
    assert_eq!(store.passes(&id("c-1")).await.expect("counted"), 0);
    for at in [5, 3, 3, 4] {
        keep(&store, NewDecision { at: Timestamp(at), ..decision("c-1", None, None) }).await;
    }
    let entry = "ivr:Main menu/1".to_owned();
    keep(&store, NewDecision { entry, at: Timestamp(3), ..decision("c-1", None, None) }).await;
    keep(&store, decision("c-2", None, None)).await;
    let told = of(&store, "c-1").await;
    let told: Vec<_> = told.iter().map(|one| (one.at.0, &one.entry[..3])).collect();
    assert_eq!(told, [(3, "did"), (3, "ivr"), (4, "did"), (5, "did")]);
    assert_eq!(store.passes(&id("c-1")).await.expect("counted"), 4);
    for at in 100..250 {
        keep(&store, NewDecision { at: Timestamp(at), ..decision("c-1", None, None) }).await;
    }
    assert_eq!(of(&store, "c-1").await.len(), 100);
    assert_eq!(store.passes(&id("c-1")).await.expect("counted"), 154);
    store.close().await;
}

async fn pages_go_over_decisions_of_one_moment_without_loss_or_repeat(place: Place) {
    let store = place.open().await;
    // Five of one moment, kept in another order than that of their ids and times.
    for (call, at) in
        [("e", 20), ("a", 10), ("d", 10), ("b", 10), ("c", 10), ("f", 10), ("g", 30), ("z", 9)]
    {
        keep(&store, NewDecision { at: Timestamp(at), ..decision(call, None, None) }).await;
    }
    let all = ["z 9", "a 10", "d 10", "b 10", "c 10", "f 10", "e 20", "g 30"];
    assert_eq!(calls_since(&store, 0, 100).await, all);
    assert_eq!(calls_since(&store, 10, 30).await, all[1..7], "from is in it, until is not");
    assert_eq!(calls_since(&store, 11, 20).await, [""; 0]);
    let (from, until) = (Timestamp(0), Timestamp(100));
    let first = store.decisions_since(from, until, None, 3).await.expect("read");
    keep(&store, NewDecision { at: Timestamp(1), ..decision("late", None, None) }).await;
    let rest = store.decisions_since(from, until, first.next, 10_000).await.expect("read");
    let rest: Vec<_> = rest.decisions.iter().map(|one| one.call.as_str()).collect();
    assert_eq!(rest, ["b", "c", "f", "e", "g"], "what comes before moves nothing");
    store.close().await;
}

async fn decisions_go_with_their_calls_and_without_one_by_their_age(place: Place) {
    let store = place.open().await;
    for (name, arrived) in [("old", 1_000), ("young", 2_000)] {
        let new = NewCall { arrived_at: Timestamp(arrived), ..call(name, crm("john")) };
        store.record_call(new, vec![]).await.expect("recorded");
    }
    for (call, at) in [("old", 1_001), ("young", 1_001), ("stray", 1_001), ("later", 2_001)] {
        keep(&store, NewDecision { at: Timestamp(at), ..decision(call, None, None) }).await;
    }
    assert_eq!(store.purge_calls(Timestamp(1_500)).await.expect("purged"), 1, "the call");
    assert_eq!(calls_since(&store, 0, 9_999).await, ["young 1001", "stray 1001", "later 2001"]);
    assert_eq!(store.purge_calls(Timestamp(1_500)).await.expect("purged"), 1, "the stray one");
    assert_eq!(store.purge_calls(Timestamp(1_500)).await.expect("purged"), 0);
    assert_eq!(calls_since(&store, 0, 9_999).await, ["young 1001", "later 2001"]);
    for n in 0..501 {
        keep(&store, NewDecision { at: Timestamp(n), ..decision("switch", None, None) }).await;
    }
    let mut parts = Vec::new();
    while let more @ 1.. = store.purge_calls(Timestamp(1_500)).await.expect("purged") {
        parts.push(more);
    }
    assert_eq!(parts, [500, 1], "a part at a time");
    store.close().await;
}

fn of_record(record: &str) -> Identifiers {
    let record = Record { connection: "crm".to_owned(), record: record.to_owned() };
    Identifiers { records: [record].into(), ..Identifiers::default() }
}

async fn erase(store: &Store, asked: &Identifiers) -> BTreeMap<&'static str, u64> {
    let prefixes = [("crm".to_owned(), "CRM".to_owned())].into();
    let subject = store.subject(asked, &prefixes).await.expect("looked for");
    let act = act("subject.erased");
    store.erase(&subject, "", act, Timestamp(40)).await.expect("erased");
    let mut sweep = store.begin_sweep().await.expect("begun").expect("one to sweep");
    while store.sweep_on(&mut sweep, Timestamp(50)).await.expect("swept") {}
    sweep.removed
}

async fn exported(store: &Store, asked: &Identifiers) -> Vec<String> {
    let prefixes = [("crm".to_owned(), "CRM".to_owned())].into();
    let subject = store.subject(asked, &prefixes).await.expect("looked for");
    let shown = store.export(&subject).await.expect("shown");
    shown.decisions.iter().map(|one| one.call.to_string()).collect()
}

/// Decisions that are John's, and some that are not, told by the ids of their calls.
async fn plant(store: &Store) {
    let john = contact("john", &[SHARED, JOHN], Some("john@example.com"));
    let jane = contact("jane", &[SHARED, JANE], None);
    store.remember("crm", &[], &[john, jane], Timestamp(1)).await.expect("remembered");
    let mailed = br#"{"asked":{"email":"john@example.com"}}"#.to_vec();
    let mailed = NewDecision { details: mailed, ..decision("mailed", None, None) };
    let account = Record { connection: "erp".to_owned(), record: "42".to_owned() };
    let account = NewDecision { records: vec![account], ..decision("account", Some(JOHN), None) };
    for new in [
        decision("by-record", Some(SHARED), Some("john")),
        decision("by-number", Some(JOHN), None),
        account,
        mailed,
        decision("of-call", None, None),
        decision("hers-by-call", Some(JOHN), None),
        decision("hers", Some(SHARED), Some("jane")),
        decision("either", Some(SHARED), None),
        decision("nobody", None, None),
    ] {
        keep(store, new).await;
    }
    store.record_call(call("of-call", crm("john")), vec![]).await.expect("recorded");
    let hers = NewCall { number: Some(JOHN.to_owned()), ..call("hers-by-call", crm("jane")) };
    store.record_call(hers, vec![]).await.expect("recorded");
    let number = NewCall { number: Some(JOHN.to_owned()), ..call("by-number", phone(store, JOHN)) };
    store.record_call(number, vec![]).await.expect("recorded");
}

async fn decisions_go_with_whom_they_speak_of_and_others_stay(place: Place) {
    let store = place.open().await;
    plant(&store).await;
    let his = ["by-record", "by-number", "account", "mailed", "of-call"];
    assert_eq!(exported(&store, &of_record("john")).await, his);
    assert_eq!(exported(&store, &of_record("jane")).await, ["hers-by-call", "hers"]);
    let removed = erase(&store, &of_record("john")).await;
    assert_eq!(removed["decisions"], 5);
    assert_eq!(exported(&store, &of_record("john")).await, [""; 0]);
    // The number that they shared is hers alone by now.
    assert_eq!(exported(&store, &of_record("jane")).await, ["hers-by-call", "hers", "either"]);
    let left = ["hers-by-call", "hers", "either", "nobody"].map(|call| format!("{call} 1000"));
    assert_eq!(calls_since(&store, 0, 9_999).await, left);
    store.close().await;
}

async fn of_an_erased_person_only_that_it_was_decided_is_kept(place: Place) {
    let store = place.open().await;
    plant(&store).await;
    erase(&store, &of_record("john")).await;
    for (name, number, record) in [
        ("new-number", Some(JOHN), None),
        ("new-record", Some(SHARED), Some("john")),
        ("new-hers", Some(SHARED), Some("jane")),
    ] {
        keep(&store, decision(name, number, record)).await;
        let kept = of(&store, name).await;
        let [one] = &kept[..] else { panic!("{kept:?}") };
        assert_eq!((&*one.destination, one.line), ("queue:Premium Support", Some(1)), "{name}");
        let is_hers = name == "new-hers";
        assert_eq!(one.number.is_some(), is_hers, "{name}");
        assert_eq!((one.records.len() == 1, !one.details.is_empty()), (is_hers, is_hers), "{name}");
        assert_eq!(store.passes(&id(name)).await.expect("counted"), 1, "a loop is still noticed");
    }
    let mailed = br#"{"asked":{"email":"John@Example.com"}}"#.to_vec();
    keep(&store, NewDecision { details: mailed, ..decision("new-mail", None, None) }).await;
    assert!(of(&store, "new-mail").await[0].details.is_empty());
    assert_eq!(exported(&store, &of_record("john")).await, [""; 0]);
    store.close().await;
}

async fn decisions_survive_a_backup_and_show_nothing_of_anybody(place: Place) {
    let store = place.open().await;
    let new = decision("c-1", Some(JOHN), Some("zzrecord"));
    let shown = format!("{new:?}");
    keep(&store, new).await;
    let before = of(&store, "c-1").await;
    assert_eq!(shown, format!("New{:?}", before[0]));
    for shown in [shown, format!("{before:?}")] {
        for word in ["5550177777", "zzrecord", "Zzgold", &format!("{:?}", before[0].details)] {
            assert!(!shown.contains(word), "{shown}");
        }
    }
    let backup = place.folder.0.join("backup.db");
    store.backup(&backup, Existing::Keep).await.expect("backed up");
    let bytes = std::fs::read(&backup).expect("a file");
    for word in ["5550177777", "zzrecord", "Zzgold"] {
        let is_there = bytes.windows(word.len()).any(|part| part == word.as_bytes());
        assert!(!is_there, "{word} lies in clear");
    }
    let mut targets = vec![Place::disk()];
    targets.extend(Place::postgres().await);
    for target in targets {
        restore(&backup, &target.location, &master(), Existing::Keep).await.expect("restored");
        let copy = target.open().await;
        assert_eq!(of(&copy, "c-1").await, before);
        keep(&copy, NewDecision { at: Timestamp(1_001), ..decision("c-1", None, None) }).await;
        assert_eq!(copy.passes(&id("c-1")).await.expect("counted"), 2, "a number nobody has");
        copy.close().await;
        target.drop_schema().await;
    }
    store.close().await;
}
