//! One run is under way at a time, counts each call once, and changes no call that is
//! known better.

use crate::place::{Place, call, crm, id, job, phone};
use domain::{Source, Status, Timestamp};
use state::reconcile::{Begun, Found, Hold, NewRun, Note, Page, Paged, RunState, Step, Told};
use state::subject::{Identifiers, Record};
use state::{Enriched, Identified, NewCall, NewJob, Store};
use std::time::Duration;

crate::facts! {
    one_run_is_under_way_and_a_time_of_the_schedule_has_one_ever
    a_run_is_held_by_one_worker_until_its_hold_runs_out
    a_page_is_counted_once_and_changes_no_call_that_is_known_better
    calls_known_by_less_than_a_record_are_paged_oldest_first
    a_run_ends_with_what_is_to_be_told_and_nothing_else
    what_others_could_not_be_told_is_noted_once
    nothing_is_stored_of_whoever_was_erased_since_they_were_looked_up
}

const HOLD: Duration = Duration::from_secs(30);

fn new(due_at: Option<i64>) -> NewRun {
    let due_at = due_at.map(Timestamp);
    NewRun { due_at, is_dry: false, since: Timestamp(0), until: Timestamp(1_000_000) }
}

async fn begun(store: &Store, now: i64) -> Hold {
    let begun = store.begin_run(new(None), Timestamp(now)).await.expect("answered");
    assert!(matches!(begun, Begun::Started { .. }), "{begun:?}");
    store.take_run(HOLD, Timestamp(now)).await.expect("answered").expect("a run").0
}

fn note(call: &str, what: &'static str, found: Found) -> Note {
    Note { call: id(call), what, reason: None, also: Vec::new(), found }
}

fn better(record: &str, jobs: Vec<NewJob>) -> Found {
    let identified = Identified {
        connection: "crm".to_owned(),
        external_id: crm(record),
        contact: Some(record.to_owned()),
        status: Status::Hit,
        source: Source::Crm,
        labels: Default::default(),
        data: Default::default(),
        says_more: false,
        at: Timestamp(50),
    };
    Found::Better { identified, jobs }
}

fn page(notes: Vec<Note>, cursor: &str) -> Page {
    let place = Some((Step::Calls, Some(cursor.to_owned())));
    Page { notes, place, also: Vec::new(), reached: None }
}

fn by_number(store: &Store, name: &str, at: i64) -> NewCall {
    let id = phone(store, "+15550199999");
    NewCall { status: Status::Miss, arrived_at: Timestamp(at), ..call(name, id) }
}

async fn one_run_is_under_way_and_a_time_of_the_schedule_has_one_ever(place: Place) {
    let store = place.open().await;
    let begin = async |due_at| store.begin_run(new(due_at), Timestamp(1)).await.expect("answered");
    let Begun::Started { run } = begin(Some(7)).await else { panic!("it begins") };
    assert_eq!(begin(None).await, Begun::Busy { run });
    assert_eq!(begin(Some(7)).await, Begun::Busy { run });
    let (hold, _) = store.take_run(HOLD, Timestamp(1)).await.expect("answered").expect("a run");
    let ended = store.end_run(hold, RunState::Partial, Some("why".into()), Timestamp(9)).await;
    assert!(ended.expect("answered"));
    assert_eq!(begin(Some(7)).await, Begun::Had, "also after its end");
    assert!(matches!(begin(Some(8)).await, Begun::Started { .. }));
    let runs = store.runs(10).await.expect("runs");
    assert_eq!(runs.len(), 2);
    assert_eq!(
        (runs[1].id, runs[1].state, runs[1].note.as_deref()),
        (run, RunState::Partial, Some("why"))
    );
    assert_eq!(runs[1].ended_at, Some(Timestamp(9)));
}

async fn a_run_is_held_by_one_worker_until_its_hold_runs_out(place: Place) {
    let store = place.open().await;
    let first = begun(&store, 100).await;
    assert!(store.take_run(HOLD, Timestamp(200)).await.expect("answered").is_none());
    assert!(store.hold_run(first, HOLD, Timestamp(20_000)).await.expect("answered"));
    assert!(store.take_run(HOLD, Timestamp(31_000)).await.expect("answered").is_none());
    let taken = store.take_run(HOLD, Timestamp(50_001)).await.expect("answered");
    let (second, run) = taken.expect("the hold has run out");
    assert_eq!((second.run, run.state), (first.run, RunState::Running));
    assert!(!store.hold_run(first, HOLD, Timestamp(50_002)).await.expect("answered"));
    let stale = store.run_page(first, page(vec![], "x"), Timestamp(50_003)).await;
    assert_eq!(stale.expect("answered"), Paged::Stale);
    let ended = store.end_run(first, RunState::Done, None, Timestamp(50_004)).await;
    assert!(!ended.expect("answered"));
    assert_eq!(store.run(first.run).await.expect("read").expect("it").cursor, None);
}

async fn a_page_is_counted_once_and_changes_no_call_that_is_known_better(place: Place) {
    let store = place.open().await;
    for name in ["a", "b", "c"] {
        store.record_call(by_number(&store, name, 10), vec![]).await.expect("stored");
    }
    // Somebody else has found out meanwhile.
    let found = Identified {
        connection: "crm".to_owned(),
        external_id: crm("003OTHER"),
        contact: Some("003OTHER".to_owned()),
        status: Status::Hit,
        source: Source::Crm,
        labels: Default::default(),
        data: Default::default(),
        says_more: false,
        at: Timestamp(40),
    };
    let known = store.identify_call(&id("b"), found, vec![], None).await.expect("identified");
    assert!(matches!(known, Enriched::Applied { .. }));
    let hold = begun(&store, 100).await;
    let notes = || {
        let unseen = Found::Unseen {
            call: Box::new(call("new", crm("003A"))),
            events: vec![],
            jobs: vec![job(None, "new", 1)],
        };
        vec![
            note("a", "linked", better("003A", vec![job(None, "a", 1)])),
            note("b", "linked", better("003A", vec![job(None, "b", 1)])),
            note("c", "unknown", Found::Nothing),
            Note { also: vec!["unseen"], ..note("new", "linked", unseen) },
            note("gone", "linked", better("003A", vec![job(None, "gone", 1)])),
        ]
    };
    for _ in 0..2 {
        let paged = store.run_page(hold, page(notes(), "next"), Timestamp(100)).await;
        let expected = [("known", 2), ("linked", 2), ("unknown", 1), ("unseen", 1)];
        let expected = expected.into_iter().map(|(word, n)| (word.to_owned(), n)).collect();
        assert_eq!(paged.expect("answered"), Paged::Applied { counts: expected });
    }
    let who = async |name| store.call(&id(name)).await.expect("read").expect("it").call.external_id;
    assert_eq!(who("a").await, crm("003A"));
    assert_eq!(who("b").await, crm("003OTHER"), "known better");
    assert_eq!(who("new").await, crm("003A"));
    assert_eq!(store.call(&id("gone")).await.expect("read").map(|_| ()), None);
    let leased = store.lease("enrich", "crm", 10, HOLD, Timestamp(200)).await.expect("leased");
    let payloads: Vec<_> = leased.iter().map(|job| job.payload.as_slice()).collect();
    assert_eq!(payloads, [b"a".as_slice(), b"new".as_slice()], "each job once");
    assert_eq!(store.calls_of("crm", "003A").await.expect("counted").0, 2);
    let run = store.run(hold.run).await.expect("read").expect("it");
    assert_eq!((run.step, run.cursor.as_deref()), (Step::Calls, Some("next")));
    let before = store.before_run(hold.run, &[id("a"), id("other")]).await.expect("read");
    assert_eq!((before[0].is_noted, before[1].is_noted), (true, false));
    assert!(before[0].stored.is_some() && before[1].stored.is_none());
}

async fn calls_known_by_less_than_a_record_are_paged_oldest_first(place: Place) {
    let store = place.open().await;
    // Two of the same instant, and one that was stored late.
    for (name, at) in [("c", 30), ("d", 30), ("e", 40), ("a", 10), ("late", 5), ("after", 99)] {
        store.record_call(by_number(&store, name, at), vec![]).await.expect("stored");
    }
    let known = NewCall { arrived_at: Timestamp(20), ..call("known", crm("003A")) };
    store.record_call(known, vec![]).await.expect("stored");
    let span = (Timestamp(10), Timestamp(99));
    let (mut names, mut cursor) = (Vec::new(), None);
    loop {
        let found = store.unresolved_calls(span, cursor.as_deref(), 2).await.expect("read");
        names.extend(found.calls.iter().map(|stored| stored.call.id.to_string()));
        cursor = found.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(names, ["a", "c", "d", "e"]);
}

async fn a_run_ends_with_what_is_to_be_told_and_nothing_else(place: Place) {
    let store = place.open().await;
    let hold = begun(&store, 100).await;
    let quiet = (0..700).map(|n| note(&format!("q{n}"), "known", Found::Nothing)).collect();
    store.run_page(hold, page(quiet, "x"), Timestamp(100)).await.expect("paged");
    let told = |name: &str, reason: &str| Note {
        reason: Some(reason.to_owned()),
        ..note(name, "unasked", Found::Nothing)
    };
    let notes = vec![told("b", "down"), told("a", "down"), told("c", "refused")];
    store.run_page(hold, page(notes, "y"), Timestamp(100)).await.expect("paged");
    assert!(store.end_run(hold, RunState::Partial, None, Timestamp(101)).await.expect("ended"));
    let first = store.run_notes(hold.run, "", 2).await.expect("read");
    let names: Vec<&str> = first.iter().map(|noted| noted.call.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(store.run_notes(hold.run, "b", 2).await.expect("read").len(), 1);
    let reasons = store.run_reasons(hold.run).await.expect("read");
    assert_eq!(reasons, [("down".to_owned(), 2), ("refused".to_owned(), 1)]);
    let before = store.before_run(hold.run, &[id("q1")]).await.expect("read");
    assert!(!before[0].is_noted, "what there is nothing to tell of is forgotten");
    // What is told of calls goes with them; the run itself stays.
    store.purge_calls(Timestamp(101)).await.expect("purged");
    assert_eq!(store.run_notes(hold.run, "", 10).await.expect("read").len(), 3);
    store.purge_calls(Timestamp(102)).await.expect("purged");
    assert_eq!(store.run_notes(hold.run, "", 10).await.expect("read").len(), 0);
    assert!(store.run(hold.run).await.expect("read").is_some());
}

async fn what_others_could_not_be_told_is_noted_once(place: Place) {
    let store = place.open().await;
    let later = NewJob { run_at: Timestamp(200), ..job(None, "in its pause", 200) };
    store.enqueue(vec![job(None, "due", 1), later]).await.expect("enqueued");
    assert_eq!(store.jobs_in_line("enrich", "crm", Timestamp(100)).await.expect("counted"), 1);
    assert_eq!(store.jobs_in_line("enrich", "crm", Timestamp(200)).await.expect("counted"), 2);
    store.record_call(by_number(&store, "a", 10), vec![]).await.expect("stored");
    let hold = begun(&store, 100).await;
    let notes = vec![note("a", "linked", better("003A", vec![]))];
    store.run_page(hold, page(notes, "x"), Timestamp(100)).await.expect("paged");
    for _ in 0..2 {
        let told = Told { call: id("a"), reason: "too late".to_owned(), has_failed: false };
        assert!(store.run_told(hold, vec![told], Timestamp(101)).await.expect("noted"));
    }
    let run = store.run(hold.run).await.expect("read").expect("it");
    assert_eq!((run.counts["linked"], run.counts["reported"]), (1, 1));
    let noted = store.run_notes(hold.run, "", 10).await.expect("read");
    assert_eq!((noted[0].what.as_str(), noted[0].reason.as_str()), ("linked", "too late"));
}

async fn nothing_is_stored_of_whoever_was_erased_since_they_were_looked_up(place: Place) {
    let store = place.open().await;
    store.record_call(by_number(&store, "seen", 10), vec![]).await.expect("stored");
    let hold = begun(&store, 100).await;
    let number = "+15550177777";
    let record = Record { connection: "crm".to_owned(), record: "gone".to_owned() };
    let (phones, records) = ([number.to_owned()].into(), [record].into());
    let asked = Identifiers { phones, records, ..Identifiers::default() };
    let subject = store.subject(&asked, &Default::default()).await.expect("looked for");
    let act = state::audit::Act {
        actor: "test".to_owned(),
        action: "subject.erased",
        subject: String::new(),
        details: Default::default(),
    };
    store.erase(&subject, "", act, Timestamp(110)).await.expect("erased");
    let unseen = |call: NewCall| Found::Unseen {
        call: Box::new(call),
        events: vec![],
        jobs: vec![job(None, "says who", 1)],
    };
    let by_number = NewCall { number: Some(number.to_owned()), ..call("new-1", crm("other")) };
    let notes = vec![
        note("new-1", "linked", unseen(by_number)),
        note("new-2", "linked", unseen(call("new-2", crm("gone")))),
        note("seen", "linked", better("gone", vec![job(None, "says who", 1)])),
    ];
    let paged = store.run_page(hold, page(notes, "x"), Timestamp(120)).await.expect("paged");
    let Paged::Applied { counts } = paged else { panic!("it is held") };
    assert_eq!(counts, [("erased".to_owned(), 3)].into());
    for name in ["new-1", "new-2"] {
        assert!(!store.call_exists(&id(name)).await.expect("asked"), "{name}");
    }
    let seen = store.call(&id("seen")).await.expect("read").expect("stays");
    assert_eq!(seen.call.contact, None);
    let told = store.jobs_in_line("enrich", "crm", Timestamp(1_000)).await.expect("counted");
    assert_eq!(told, 0, "nobody is told");
}
