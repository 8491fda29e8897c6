//! One person is found, shown and erased; others stay, and nothing brings anybody back.

use crate::place::{Place, call, contact, crm, decision, id, job, phone};
use domain::timeline::{Event, Kind};
use domain::{Contact, Timestamp};
use state::audit::Act;
use state::customers::{Link, Put, Whose};
use state::subject::{Erased, Identifiers, Name, Record, Subject};
use state::{Key, NewCall, NewEvent, Store};
use std::collections::BTreeMap;

crate::facts! {
    whoever_shares_a_number_stays
    a_number_means_everybody_who_has_it
    an_erased_person_is_not_stored_again
    an_erased_person_may_be_known_again
    tombstones_of_a_later_time_erase_in_a_restored_store
    an_erased_entry_stays_in_the_chain_and_no_other_may_lose_its_details
    nothing_sealed_of_an_erased_person_stays_in_the_files
    news_labels_and_notes_of_an_erased_persons_calls_go_with_them
}

const SHARED: &str = "+15550199999";
const OWN: &str = "+15550177777";

fn act(action: &'static str, subject: &str) -> Act {
    let (actor, details) = ("test".to_owned(), BTreeMap::new());
    Act { actor, action, subject: subject.to_owned(), details }
}

fn of_record(record: &str) -> Identifiers {
    let record = Record { connection: "crm".to_owned(), record: record.to_owned() };
    Identifiers { records: [record].into(), ..Identifiers::default() }
}

fn of_phone(phone: &str) -> Identifiers {
    Identifiers { phones: [phone.to_owned()].into(), ..Identifiers::default() }
}

async fn who(store: &Store, asked: &Identifiers) -> Subject {
    let prefixes = [("crm".to_owned(), "CRM".to_owned())].into();
    store.subject(asked, &prefixes).await.expect("looked for")
}

async fn sweep(store: &Store) -> BTreeMap<&'static str, u64> {
    let Some(mut sweep) = store.begin_sweep().await.expect("begun") else { return BTreeMap::new() };
    while store.sweep_on(&mut sweep, Timestamp(50)).await.expect("swept") {}
    let ended = act("subjects.swept", "");
    store.end_sweep(&sweep, Timestamp(100), ended, Timestamp(51)).await.expect("ended");
    sweep.removed
}

async fn erase(store: &Store, asked: &Identifiers) -> BTreeMap<&'static str, u64> {
    let subject = who(store, asked).await;
    let erased = act("subject.erased", "");
    store.erase(&subject, "DSR-1", erased, Timestamp(40)).await.expect("erased");
    sweep(store).await
}

fn john() -> Contact {
    contact("john", &[SHARED, OWN], Some("john@example.com"))
}

fn jane() -> Contact {
    contact("jane", &[SHARED], Some("jane@example.com"))
}

/// John and Jane share a number, and each has something in every table.
async fn plant(store: &Store) {
    let asked = [Key::Phone(SHARED.to_owned())];
    store.remember("crm", &asked, &[john(), jane()], Timestamp(1)).await.expect("remembered");
    for (name, record, number) in
        [("c-john", "john", SHARED), ("c-jane", "jane", SHARED), ("c-own", "john", OWN)]
    {
        let new = NewCall { number: Some(number.to_owned()), ..call(name, crm(record)) };
        let says = format!(r#"{{"external_id":"CRM:{record}","phones":[["work","{number}"]]}}"#);
        store.record_call(new, vec![job(None, &says, 1)]).await.expect("recorded");
        let decided = decision(name, Some(number), Some(record));
        store.record_decision(decided).await.expect("kept");
        let mut event = Event::new(id(name), Timestamp(5), Kind::Ended);
        event.notes = Some(format!("a note of {record}"));
        let event = NewEvent { event, is_timed: true };
        store.record_events(vec![event], vec![], Timestamp(6)).await.expect("told");
        let data = [("note".to_owned(), record.into())].into();
        store.put_data(Whose::Call(&id(name)), data, None, Timestamp(6)).await.expect("kept");
        let entry = act("context.corrected", &format!("CRM:{record}"));
        store.audit(entry, Timestamp(7)).await.expect("written down");
    }
    for record in ["john", "jane"] {
        let data = [("language".to_owned(), record.into())].into();
        let whose = Whose::Record { connection: "crm", record };
        store.put_data(whose, data, None, Timestamp(6)).await.expect("kept");
        store.link(&link(record), Timestamp(6)).await.expect("linked");
    }
    // Known by the numbers alone: his is his, the shared one's is nobody's.
    for (name, number) in [("c-number", OWN), ("c-either", SHARED)] {
        let new = NewCall { number: Some(number.to_owned()), ..call(name, phone(store, number)) };
        store.record_call(new, vec![]).await.expect("recorded");
    }
}

fn link(record: &str) -> Link {
    Link {
        center: "genesys".to_owned(),
        contact: format!("contact-of-{record}"),
        connection: "crm".to_owned(),
        record: record.to_owned(),
    }
}

async fn whoever_shares_a_number_stays(place: Place) {
    let store = place.open().await;
    plant(&store).await;
    let subject = who(&store, &of_record("john")).await;
    assert_eq!(subject.people.len(), 1);
    assert!(subject.phones[SHARED].is_shared && !subject.phones[OWN].is_shared);
    assert_eq!(subject.others.keys().next().expect("Jane").record, "jane");
    let shown = store.export(&subject).await.expect("shown");
    let calls: Vec<&str> = shown.calls.iter().map(|one| one.call.call.id.as_str()).collect();
    assert_eq!(calls, ["c-john", "c-own", "c-number"]);
    assert_eq!((shown.jobs.len(), shown.audit.len(), shown.links.len()), (2, 2, 1));
    assert_eq!(shown.calls[0].events[0].event.notes.as_deref(), Some("a note of john"));

    let removed = erase(&store, &of_record("john")).await;
    for (table, rows) in [
        ("calls", 3),
        ("call_events", 2),
        ("call_data", 2),
        ("decisions", 2),
        ("jobs", 2),
        ("audit", 2),
        ("contacts", 1),
        ("customer_data", 1),
        ("links", 1),
        ("interactions", 2),
    ] {
        assert_eq!(removed[table], rows, "{table}: {removed:?}");
    }
    let left = store.export(&who(&store, &of_record("john")).await).await.expect("shown");
    assert!(left.calls.is_empty() && left.contacts.is_empty() && left.jobs.is_empty());
    assert!(left.customer_data.is_empty() && left.links.is_empty() && left.audit.is_empty());
    let jane = store.export(&who(&store, &of_record("jane")).await).await.expect("shown");
    assert_eq!((jane.contacts.len(), jane.customer_data.len(), jane.links.len()), (1, 1, 1));
    assert_eq!((jane.jobs.len(), jane.audit.len()), (1, 1));
    assert!(store.call_exists(&id("c-jane")).await.expect("asked"));
    assert!(store.call_exists(&id("c-either")).await.expect("asked"), "it may be hers");
    assert_eq!(store.erased(Name::Phone(SHARED)), Erased::Shared);
    assert_eq!(store.erased(Name::Phone(OWN)), Erased::Yes);
    assert_eq!(store.erased(Name::Email("Jane@example.com")), Erased::No);
    assert_eq!(store.erased(Name::Record { connection: "crm", record: "john" }), Erased::Yes);
    assert_eq!(erase(&store, &of_record("john")).await.values().sum::<u64>(), 0, "once is enough");
}

async fn a_number_means_everybody_who_has_it(place: Place) {
    let store = place.open().await;
    plant(&store).await;
    // Nobody the directory knows by that number; a call of it was found to be theirs.
    let third = NewCall { number: Some(SHARED.to_owned()), ..call("c-third", crm("third")) };
    store.record_call(third, vec![]).await.expect("recorded");
    let subject = who(&store, &of_phone(SHARED)).await;
    let people: Vec<&str> = subject.people.keys().map(|one| one.record.as_str()).collect();
    assert_eq!(people, ["jane", "john", "third"]);
    assert!(subject.others.is_empty() && subject.phones.values().all(|one| !one.is_shared));
    assert!(subject.emails.contains_key("john@example.com"), "widened");
    erase(&store, &of_phone(SHARED)).await;
    assert!(store.recent_calls(10).await.expect("listed").is_empty());
    assert_eq!(store.directory_size().await.expect("counted"), 0);
}

async fn an_erased_person_is_not_stored_again(place: Place) {
    let store = place.open().await;
    plant(&store).await;
    // Prepared before, written after: as a late flight does.
    erase(&store, &of_record("john")).await;
    let asked = [Key::Phone(SHARED.to_owned())];
    store.remember("crm", &asked, &[john(), jane()], Timestamp(60)).await.expect("remembered");
    let again = contact("john-anew", &[OWN], None);
    store.remember("crm", &[], &[again], Timestamp(60)).await.expect("remembered");
    let found = store.find("crm", &asked).await.expect("found");
    let records: Vec<&str> = found.iter().map(|one| one.contact.record.as_str()).collect();
    assert_eq!(records, ["jane"]);
    assert_eq!(store.directory_size().await.expect("counted"), 1);
    let whose = Whose::Record { connection: "crm", record: "john" };
    let put = store.put_data(whose, BTreeMap::new(), None, Timestamp(60)).await.expect("asked");
    assert_eq!(put, Put::Erased);
    store.link(&link("john"), Timestamp(60)).await.expect("asked");
    let linked = store.linked("genesys", "contact-of-john").await.expect("asked");
    assert!(linked.is_none());
    // A number that others turn out to have as well names none of them.
    let number = "+15550166666";
    let both = [contact("john", &[number], None), contact("jane", &[number], None)];
    let hers = "jane@example.com".to_owned();
    let asked = [Key::Phone(number.to_owned()), Key::Email(hers.clone())];
    store.remember("crm", &asked, &both, Timestamp(61)).await.expect("remembered");
    assert_eq!(store.erased(Name::Phone(number)), Erased::Shared);
    assert_eq!(store.erased(Name::Email(&hers)), Erased::No, "what he never had");
}

async fn an_erased_person_may_be_known_again(place: Place) {
    let store = place.open().await;
    plant(&store).await;
    erase(&store, &of_record("john")).await;
    let erasures = store.erasures_of(&of_phone(OWN)).await.expect("asked");
    assert_eq!(erasures.len(), 1);
    let listed = store.erasures(0, 10).await.expect("listed");
    assert_eq!((listed[0].id.as_str(), listed[0].reason.as_str()), (erasures[0].as_str(), "DSR-1"));
    assert!(listed[0].swept_at.is_some());
    let back = act("subject.taken_back", &erasures[0]);
    assert!(store.take_back(&erasures[0], back.clone(), Timestamp(70)).await.expect("done"));
    assert!(!store.take_back(&erasures[0], back, Timestamp(70)).await.expect("done"));
    assert!(!store.has_tombstones());
    store.remember("crm", &[], &[john()], Timestamp(71)).await.expect("remembered");
    let known = store.find("crm", &[Key::Phone(OWN.to_owned())]).await.expect("found");
    assert_eq!(known.len(), 1);
}

async fn tombstones_of_a_later_time_erase_in_a_restored_store(place: Place) {
    let store = place.open().await;
    plant(&store).await;
    let copy = place.folder.0.join("copy.db");
    store.backup(&copy, state::backup::Existing::Keep).await.expect("backed up");
    erase(&store, &of_record("john")).await;
    let saved = store.erasures(0, 10).await.expect("listed");
    store.close().await;
    if matches!(place.location, state::Location::SqliteMemory) {
        return; // there is no way back into memory
    }
    let existing = state::backup::Existing::Replace;
    state::backup::restore(&copy, &place.location, &crate::place::master(), existing)
        .await
        .expect("restored");
    let store = place.open().await;
    let shown = store.export(&who(&store, &of_record("john")).await).await.expect("shown");
    assert_eq!(shown.calls.len(), 3, "the backup is older");
    let again = act("subjects.erased_again", "");
    assert_eq!(store.erase_again(saved, again, Timestamp(80)).await.expect("put up"), 1);
    assert_eq!(sweep(&store).await["calls"], 3);
    let left = store.export(&who(&store, &of_record("john")).await).await.expect("shown");
    assert!(left.calls.is_empty() && left.contacts.is_empty());
    assert!(store.call_exists(&id("c-jane")).await.expect("asked"));
}

async fn an_erased_entry_stays_in_the_chain_and_no_other_may_lose_its_details(place: Place) {
    let store = place.open().await;
    plant(&store).await;
    erase(&store, &of_record("john")).await;
    let verdict = store.verify_audit().await.expect("walked");
    assert_eq!((verdict.broken, verdict.blanked), (None, 2));
    let entries = store.audit_entries(None, 100).await.expect("listed");
    assert_eq!(entries.iter().filter(|entry| entry.subject == "erased").count(), 2);
    // Keys rotate over it.
    store.rotate_data_key().await.expect("rotated");
    let mut next = Some(state::reseal::Place::default());
    while let Some(place) = next {
        next = store.reseal(place).await.expect("resealed").next;
    }
    assert_eq!(store.verify_audit().await.expect("walked").broken, None);
    store.close().await;
    if matches!(place.location, state::Location::SqliteMemory) {
        return;
    }
    let empty = match place.location {
        state::Location::Postgres { .. } => "''::bytea",
        _ => "x''",
    };
    place.tamper(&format!("UPDATE audit SET sealed = {empty} WHERE seq = 2")).await;
    let store = place.open().await;
    let broken = store.verify_audit().await.expect("walked").broken.expect("noticed");
    assert_eq!(broken, (2, "its details are gone and no erasure says so"));
}

async fn nothing_sealed_of_an_erased_person_stays_in_the_files(place: Place) {
    if matches!(place.location, state::Location::SqliteMemory) {
        return;
    }
    let store = place.open().await;
    plant(&store).await;
    let before = place.sealed().await;
    store
        .erase(&who(&store, &of_phone(SHARED)).await, "", act("e", ""), Timestamp(40))
        .await
        .expect("erased");
    sweep(&store).await;
    store.fold_log().await.expect("folded");
    let (after, bytes) = (place.sealed().await, place.bytes().await);
    let gone: Vec<&(String, Vec<u8>)> = before.difference(&after).collect();
    assert!(gone.len() > 20, "only {} cells are gone", gone.len());
    for (table, cell) in gone {
        assert!(cell.len() > 20, "{table}");
        let is_there = bytes.windows(cell.len()).any(|part| part == cell);
        assert!(!is_there, "a sealed cell of {table} is still in the files");
    }
    for word in [SHARED, OWN, "Zzgold"] {
        let is_there = bytes.windows(word.len()).any(|part| part == word.as_bytes());
        assert!(!is_there, "{word} is in the files");
    }
    for table in [
        "calls",
        "contacts",
        "contact_keys",
        "call_events",
        "call_data",
        "customer_data",
        "links",
        "jobs",
        "overrides",
        "decisions",
    ] {
        assert_eq!(place.count(table).await, 0, "{table}");
    }
}

async fn news_labels_and_notes_of_an_erased_persons_calls_go_with_them(place: Place) {
    let store = place.open().await;
    for (name, record) in [("c-john", "john"), ("c-jane", "jane")] {
        let data = [("segment".to_owned(), record.into())].into();
        let labels = [("tier".to_owned(), "gold".to_owned())].into();
        let new = NewCall { labels, data, ..call(name, crm(record)) };
        store.record_call(new, vec![]).await.expect("recorded");
        let mut event = Event::new(id(name), Timestamp(5), Kind::Joined);
        event.agent = Some("agent-1".to_owned());
        let event = NewEvent { event, is_timed: true };
        store.record_events(vec![event], vec![], Timestamp(6)).await.expect("told");
    }
    let first = store.news_after(0, 100).await.expect("read");
    // One more that waits for its place where news wait.
    let data = [("note".to_owned(), "later".into())].into();
    store.put_data(Whose::Call(&id("c-john")), data, None, Timestamp(7)).await.expect("kept");
    note_of_a_run(&store).await;
    let shown = store.export(&who(&store, &of_record("john")).await).await.expect("shown");
    let [his] = &shown.calls[..] else { panic!("one call") };
    assert_eq!(his.call.call.data["segment"], "john".into());
    assert_eq!(his.reconciled.len(), 1);
    assert_eq!(his.reconciled[0].what, "linked");

    let removed = erase(&store, &of_record("john")).await;
    assert_eq!(removed["reconcile_calls"], 1);
    let left = store.news_after(0, 100).await.expect("read");
    assert!(left.news.iter().all(|news| news.call == id("c-jane")), "{left:?}");
    assert!(!left.news.is_empty() && left.newest >= first.newest, "no gap");
    assert!(!store.is_agent_of("agent-1", &id("c-john")).await.expect("asked"));
    assert!(store.is_agent_of("agent-1", &id("c-jane")).await.expect("asked"));
    let jane = store.export(&who(&store, &of_record("jane")).await).await.expect("shown");
    assert_eq!(jane.calls[0].reconciled.len(), 1);
    if matches!(place.location, state::Location::SqliteMemory) {
        return;
    }
    for (rows, left) in [
        ("call_labels", 1),
        ("reconcile_calls", 1),
        ("call_agents", 1),
        ("news WHERE call = 'c-john'", 0),
        ("news_waiting", 0),
    ] {
        assert_eq!(place.count(rows).await, left, "{rows}");
    }
}

/// A run of reconciliation that has something to tell of both calls.
async fn note_of_a_run(store: &Store) {
    use state::reconcile::{Found, NewRun, Note, Page};
    let new =
        NewRun { due_at: None, is_dry: false, since: Timestamp(0), until: Timestamp(1_000_000) };
    store.begin_run(new, Timestamp(10)).await.expect("begun");
    let hold = std::time::Duration::from_secs(30);
    let (hold, _) = store.take_run(hold, Timestamp(10)).await.expect("answered").expect("a run");
    let note = |call| Note {
        call: id(call),
        what: "linked",
        reason: Some("a custom field is missing".to_owned()),
        also: vec![],
        found: Found::Nothing,
    };
    let notes = vec![note("c-john"), note("c-jane")];
    let page = Page { notes, place: None, also: vec![], reached: None };
    store.run_page(hold, page, Timestamp(11)).await.expect("paged");
}
