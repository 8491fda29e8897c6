//! Events are stored once, with their jobs; outcomes and activities with the job behind them.

use crate::place::{Place, call, crm, id};
use domain::timeline::{AgentPart, CustomerPart, Event, Kind, Outcome, Session, Side, Spent};
use domain::{CallId, Timestamp};
use state::events::CLOSE_CALL;
use state::{
    Journal, JournalState, Leased, NewEvent, NewJob, NewOutcome, Outcome as End, Received, Settled,
    Settlement, Store,
};
use std::time::Duration;

crate::facts! {
    an_event_is_stored_once_however_often_it_is_told
    an_event_without_a_time_is_the_same_whenever_it_comes
    only_calls_with_news_get_their_jobs
    a_call_is_only_closed_when_something_was_told_of_it
    an_outcome_is_kept_with_the_end_of_its_job
    what_was_written_is_kept_beside_later_outcomes
}

fn event(call: &CallId, at: i64, kind: Kind) -> Event {
    Event::new(call.clone(), Timestamp(at), kind)
}

fn timed(event: Event) -> NewEvent {
    NewEvent { event, is_timed: true }
}

fn close(call: &CallId) -> NewJob {
    NewJob::of_call(CLOSE_CALL, "crm", call, Timestamp(0))
}

async fn receive(store: &Store, events: Vec<NewEvent>, jobs: Vec<NewJob>) -> (u64, u64) {
    let received = store.record_events(events, jobs, Timestamp(77)).await.expect("stored");
    let Received { stored, repeated } = received;
    (stored, repeated)
}

async fn lease(store: &Store, kind: &'static str) -> Vec<Leased> {
    let lease = store.lease(kind, "crm", 10, Duration::from_secs(30), Timestamp(100));
    lease.await.expect("leased")
}

fn done(job: &Leased) -> Settlement {
    Settlement { lease: job.lease, outcome: End::Done, follow_up: vec![] }
}

/// Everything an event can say.
fn rich(call: &CallId) -> Event {
    Event {
        session: Some(Session { id: "session-1".to_owned(), side: Side::Agent }),
        until: Some(Timestamp(9)),
        spent: Spent { talk_ms: Some(1), hold_ms: Some(2), work_ms: Some(3) },
        queue: Some("Support".to_owned()),
        agent: Some("agent-anna".to_owned()),
        wrap_up: Some("resolved".to_owned()),
        notes: Some("wants a call".to_owned()),
        is_transfer: true,
        is_whole: true,
        ..event(call, 5, Kind::Talked)
    }
}

fn outcome() -> Outcome {
    Outcome {
        started: Some(Timestamp(5)),
        ended: Some(Timestamp(65)),
        talk_ms: 40,
        hold_ms: 15,
        work_ms: 10,
        is_estimated: true,
        queue: Some("Support".to_owned()),
        wrap_ups: vec!["first".to_owned(), "last".to_owned()],
        notes: vec!["wants a call".to_owned()],
        agents: vec![AgentPart {
            session: "session-1".to_owned(),
            agent: Some("agent-anna".to_owned()),
            queue: None,
            joined: Timestamp(6),
            left: Some(Timestamp(60)),
            talk_ms: 40,
            hold_ms: 15,
            work_ms: 10,
            wrap_ups: vec!["last".to_owned()],
        }],
        customers: vec![CustomerPart {
            session: "session-2".to_owned(),
            joined: Timestamp(5),
            left: None,
            connected_ms: 60,
        }],
        stated_agent: Some("agent-anna".to_owned()),
    }
}

async fn an_event_is_stored_once_however_often_it_is_told(place: Place) {
    let store = place.open().await;
    let (one, other) = (id("one"), id("other"));
    let told = [event(&one, 5, Kind::Started), event(&one, 9, Kind::Ended), rich(&one)];
    let events: Vec<NewEvent> = told.iter().cloned().map(timed).collect();
    assert_eq!(receive(&store, events.clone(), vec![]).await, (3, 0));
    let again: Vec<NewEvent> = events.iter().rev().cloned().collect();
    assert_eq!(receive(&store, again, vec![]).await, (0, 3));
    let twice = vec![timed(event(&other, 5, Kind::Started)); 2];
    assert_eq!(receive(&store, twice, vec![]).await, (1, 1), "the same words of another call");
    assert_eq!(receive(&store, vec![timed(event(&one, 6, Kind::Started))], vec![]).await, (1, 0));
    assert_eq!(store.events(&one).await.expect("read").len(), 4);
}

async fn an_event_without_a_time_is_the_same_whenever_it_comes(place: Place) {
    let store = place.open().await;
    let call = id("one");
    for (at, expected) in [(5, (1, 0)), (6, (0, 1))] {
        let event = NewEvent { event: event(&call, at, Kind::Ended), is_timed: false };
        assert_eq!(receive(&store, vec![event], vec![]).await, expected);
    }
    let kept = store.events(&call).await.expect("read");
    assert_eq!((kept.len(), kept[0].event.at), (1, Timestamp(5)), "the first coming counts");
}

async fn only_calls_with_news_get_their_jobs(place: Place) {
    let store = place.open().await;
    let (one, other) = (id("one"), id("other"));
    let started = |call: &CallId| timed(event(call, 5, Kind::Started));
    receive(&store, vec![started(&one)], vec![close(&one)]).await;
    assert_eq!(lease(&store, CLOSE_CALL).await.len(), 1);
    receive(&store, vec![started(&one), started(&other)], vec![close(&one), close(&other)]).await;
    let leased = lease(&store, CLOSE_CALL).await;
    let subjects: Vec<_> = leased.iter().filter_map(|job| job.subject.clone()).collect();
    assert_eq!(subjects, [other]);
}

async fn a_call_is_only_closed_when_something_was_told_of_it(place: Place) {
    let store = place.open().await;
    let (quiet, told) = (id("quiet"), id("told"));
    receive(&store, vec![timed(event(&told, 9, Kind::Ended))], vec![]).await;
    for name in ["quiet", "told"] {
        let jobs = vec![close(&id(name))];
        store.record_call(call(name, crm("003A")), jobs).await.expect("recorded");
    }
    let leased = lease(&store, CLOSE_CALL).await;
    let subjects: Vec<_> = leased.iter().filter_map(|job| job.subject.clone()).collect();
    assert_eq!(subjects, [told]);
    assert!(store.events(&quiet).await.expect("read").is_empty());
}

async fn an_outcome_is_kept_with_the_end_of_its_job(place: Place) {
    let store = place.open().await;
    let call = id("one");
    receive(&store, vec![timed(event(&call, 9, Kind::Ended))], vec![close(&call)]).await;
    let job = lease(&store, CLOSE_CALL).await.remove(0);
    let journal = NewJob { kind: "journal", ..close(&call) };
    let keep = |outcome: Outcome, jobs, settle| {
        let (store, call) = (&store, &call);
        async move {
            let new = NewOutcome { outcome, journal: JournalState::Waiting, jobs };
            let kept = store.keep_outcome(call, new, settle, Timestamp(80));
            kept.await.expect("answered")
        }
    };
    assert_eq!(keep(outcome(), vec![journal.clone()], done(&job)).await, Settled::Applied);
    let kept = store.outcome(&call).await.expect("read").expect("an outcome");
    assert_eq!((&kept.outcome, kept.updated_at), (&outcome(), Timestamp(80)));
    assert_eq!((kept.journal_state, kept.journal), (JournalState::Waiting, None));
    assert_eq!(lease(&store, "journal").await.len(), 1);
    // Who has lost the job changes nothing.
    assert_eq!(keep(Outcome::default(), vec![journal], done(&job)).await, Settled::Stale);
    let kept = store.outcome(&call).await.expect("read").expect("an outcome");
    assert_eq!(kept.outcome, outcome());
    assert!(lease(&store, "journal").await.is_empty());
}

async fn what_was_written_is_kept_beside_later_outcomes(place: Place) {
    let store = place.open().await;
    let call = id("one");
    let journal = Journal {
        connection: "crm".to_owned(),
        record: "00T1".to_owned(),
        digest: store.digest("what it says"),
    };
    let states = [
        (JournalState::Waiting, JournalState::Waiting),
        (JournalState::None, JournalState::Written),
        (JournalState::Skipped, JournalState::Skipped),
    ];
    for (n, (said, expected)) in (0..).zip(states) {
        receive(&store, vec![timed(event(&call, n, Kind::Ended))], vec![close(&call)]).await;
        let job = lease(&store, CLOSE_CALL).await.remove(0);
        let next = NewJob { kind: "journal", ..close(&call) };
        let new = NewOutcome { outcome: outcome(), journal: said, jobs: vec![next] };
        let kept = store.keep_outcome(&call, new, done(&job), Timestamp(n)).await;
        assert_eq!(kept.expect("answered"), Settled::Applied);
        let kept = store.outcome(&call).await.expect("read").expect("an outcome");
        assert_eq!(kept.journal_state, expected, "{said:?}");
        let job = lease(&store, "journal").await.remove(0);
        let (state, written) = (JournalState::Written, (n == 0).then(|| journal.clone()));
        let marked = store.keep_journal(&call, state, written, done(&job), Timestamp(n)).await;
        assert_eq!(marked.expect("answered"), Settled::Applied);
        let kept = store.outcome(&call).await.expect("read").expect("an outcome");
        assert_eq!((kept.journal_state, kept.journal), (state, Some(journal.clone())));
    }
}

#[tokio::test]
async fn everything_told_reads_back_after_a_restart() {
    let place = Place::disk();
    let store = place.open().await;
    let call = id("one");
    receive(&store, vec![timed(rich(&call))], vec![]).await;
    store.close().await;
    let store = place.open().await;
    let kept = store.events(&call).await.expect("read");
    assert_eq!((&kept[0].event, kept[0].received_at), (&rich(&call), Timestamp(77)));
}

#[tokio::test]
async fn what_agents_and_customers_are_lies_sealed() {
    let place = Place::disk();
    let store = place.open().await;
    let call = id("one");
    receive(&store, vec![timed(rich(&call))], vec![close(&call)]).await;
    let job = lease(&store, CLOSE_CALL).await.remove(0);
    let new = NewOutcome { outcome: outcome(), journal: JournalState::None, jobs: vec![] };
    let kept = store.keep_outcome(&call, new, done(&job), Timestamp(80));
    kept.await.expect("kept");
    store.close().await;
    let bytes = std::fs::read(place.file()).expect("the file");
    let holds = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(holds("Support"), "a queue lies open, for reports");
    for sealed in ["agent-anna", "wants a call", "session-1"] {
        assert!(!holds(sealed), "{sealed} lies open");
    }
}
