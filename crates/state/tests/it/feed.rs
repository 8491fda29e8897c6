//! News: one order without a gap, told with what they tell of, found from any id.

use crate::place::{Place, call, crm, id};
use domain::timeline::{Event, Kind, Outcome};
use domain::{CallId, Status, Timestamp};
use state::audit::Act;
use state::customers::Whose;
use state::feed::Page;
use state::overrides::Correction;
use state::{Identified, NewCall, NewEvent, NewsKind, Store, Topic};
use std::collections::BTreeSet;

crate::facts! {
    each_change_of_a_call_is_told_once_and_in_order
    what_changes_nothing_is_no_news
    what_joins_the_same_person_later_is_news
    an_agent_is_told_from_when_they_are_named
    a_reader_goes_on_after_any_id_that_is_kept
    news_of_a_forgotten_call_are_forgotten_and_leave_no_gap
    two_stores_lose_no_news_and_double_none
}

fn said(status: Status, at: i64) -> Identified {
    Identified {
        connection: "crm".to_owned(),
        external_id: crm("003A"),
        contact: Some("003A".to_owned()),
        status,
        source: domain::Source::Crm,
        labels: Default::default(),
        data: Default::default(),
        says_more: false,
        at: Timestamp(at),
    }
}

fn correction(record: &str) -> Correction {
    let identified = Identified { external_id: crm(record), ..said(Status::Hit, 30) };
    let act = Act {
        actor: "agent".to_owned(),
        action: "context.corrected",
        subject: "call".to_owned(),
        details: Default::default(),
    };
    Correction { identified, remember: None, jobs: vec![], act }
}

fn of(store: &Store, name: &str, status: Status) -> NewCall {
    NewCall { status, ..call(name, domain::ExternalId::Phone(store.phone_id("+15550100000"))) }
}

async fn record(store: &Store, call: NewCall) {
    store.record_call(call, vec![]).await.expect("recorded");
}

async fn told(store: &Store, call: &str, agent: &str, at: i64) {
    let event = Event { agent: Some(agent.to_owned()), ..joined(&id(call), at) };
    let events = vec![NewEvent { event, is_timed: true }];
    store.record_events(events, vec![], Timestamp(at)).await.expect("stored");
}

fn joined(call: &CallId, at: i64) -> Event {
    Event::new(call.clone(), Timestamp(at), Kind::Joined)
}

async fn page_of(store: &Store, call: &CallId, after: i64) -> Page {
    store.news_of(store.call_topic(call), Some(call), after, 100).await.expect("read")
}

async fn kinds(store: &Store, call: &str) -> Vec<NewsKind> {
    page_of(store, &id(call), 0).await.news.iter().map(|news| news.kind).collect()
}

async fn all(store: &Store, after: i64) -> Page {
    store.news_after(after, 1_000).await.expect("read")
}

async fn close(store: &Store, call: &CallId, ended: Option<i64>, now: i64) {
    let job = state::NewJob {
        kind: "test_end",
        connection: "crm".to_owned(),
        key: Some(call.to_string()),
        payload: vec![],
        run_at: Timestamp(0),
        subject: Some(call.clone()),
    };
    store.enqueue(vec![job]).await.expect("added");
    let hour = std::time::Duration::from_secs(3_600);
    let leased = store.lease("test_end", "crm", 1, hour, Timestamp(now)).await.expect("leased");
    let lease = leased[0].lease;
    let outcome = Outcome { ended: ended.map(Timestamp), ..Outcome::default() };
    let journal = state::JournalState::None;
    let new = state::NewOutcome { outcome, journal, jobs: vec![] };
    let done = state::Settlement { lease, outcome: state::Outcome::Done, follow_up: vec![] };
    store.keep_outcome(call, new, done, Timestamp(now)).await.expect("kept");
}

async fn each_change_of_a_call_is_told_once_and_in_order(place: Place) {
    let store = place.open().await;
    let nudge = store.news_nudge();
    record(&store, of(&store, "one", Status::Partial)).await;
    assert!(nudge.has_changed().expect("open"), "who waits is woken");
    record(&store, of(&store, "other", Status::Ambiguous)).await;
    let one = id("one");
    let done = store.identify_call(&one, said(Status::Hit, 20), vec![], None).await;
    done.expect("identified");
    store.correct(&one, correction("003B"), Timestamp(30)).await.expect("corrected");
    let kept = store.put_data(Whose::Call(&one), Default::default(), None, Timestamp(40)).await;
    kept.expect("kept");
    close(&store, &one, None, 45).await;
    close(&store, &one, Some(44), 50).await;
    use NewsKind::{Candidates, ContextChanged, Ended, Enriched, Identified};
    let expected = [Identified, Enriched, ContextChanged, ContextChanged, Ended];
    assert_eq!(kinds(&store, "one").await, expected);
    assert_eq!(kinds(&store, "other").await, [Candidates]);
    let page = all(&store, 0).await;
    let ids: Vec<i64> = page.news.iter().map(|news| news.id).collect();
    assert_eq!(ids, (1..=6).collect::<Vec<_>>(), "one order of all, without a gap");
    assert_eq!((page.oldest, page.newest, page.next, page.has_more), (1, 6, 6, false));
    let own: Vec<_> = page.news.iter().filter(|news| news.call == one).cloned().collect();
    assert_eq!(own, page_of(&store, &one, 0).await.news, "as all the world sees them");
    assert!(own.iter().all(|news| news.topic == store.call_topic(&one)));
}

async fn what_changes_nothing_is_no_news(place: Place) {
    let store = place.open().await;
    record(&store, of(&store, "one", Status::Miss)).await;
    record(&store, of(&store, "one", Status::Miss)).await;
    assert_eq!(kinds(&store, "one").await, [NewsKind::Identified]);
    let one = id("one");
    for _ in 0..2 {
        store.correct(&one, correction("003A"), Timestamp(30)).await.expect("corrected");
        close(&store, &one, Some(44), 50).await;
        // Knows less than the agent: it does not stand.
        let late = store.identify_call(&one, said(Status::Hit, 60), vec![], None).await;
        late.expect("kept");
    }
    let expected = [NewsKind::Identified, NewsKind::ContextChanged, NewsKind::Ended];
    assert_eq!(kinds(&store, "one").await, expected);
    // Of a call that nobody has looked up there is nothing to be told.
    close(&store, &id("stranger"), Some(44), 50).await;
    assert!(kinds(&store, "stranger").await.is_empty());
    assert_eq!(all(&store, 0).await.newest, 3);
}

async fn what_joins_the_same_person_later_is_news(place: Place) {
    let store = place.open().await;
    record(&store, of(&store, "one", Status::Miss)).await;
    let more = Identified { says_more: true, ..said(Status::Hit, 70) };
    for identified in [said(Status::Hit, 60), more] {
        store.identify_call(&id("one"), identified, vec![], None).await.expect("identified");
    }
    let expected = [NewsKind::Identified, NewsKind::Enriched, NewsKind::Enriched];
    assert_eq!(kinds(&store, "one").await, expected);
}

async fn an_agent_is_told_from_when_they_are_named(place: Place) {
    let store = place.open().await;
    let agent = async |name: &str| {
        let news = store.news_of(store.agent_topic(name), None, 0, 100).await.expect("read").news;
        news.iter().map(|news| (news.call.to_string(), news.kind)).collect::<Vec<_>>()
    };
    // Named before the call is known, by the call itself, and after.
    told(&store, "one", "early", 5).await;
    assert!(agent("early").await.is_empty());
    let dialled = NewCall { user: Some("dials".to_owned()), ..of(&store, "one", Status::Partial) };
    record(&store, dialled).await;
    let one = id("one");
    store.identify_call(&one, said(Status::Hit, 20), vec![], None).await.expect("identified");
    told(&store, "one", "late", 25).await;
    told(&store, "one", "late", 26).await;
    store.correct(&one, correction("003B"), Timestamp(30)).await.expect("corrected");
    use NewsKind::{ContextChanged, Enriched, Identified};
    let expected = |kinds: &[NewsKind]| -> Vec<_> {
        kinds.iter().map(|kind| ("one".to_owned(), *kind)).collect()
    };
    assert_eq!(agent("early").await, expected(&[Identified, Enriched, ContextChanged]));
    assert_eq!(agent("dials").await, expected(&[Identified, Enriched, ContextChanged]));
    assert_eq!(agent("late").await, expected(&[Identified, ContextChanged]));
    assert!(agent("nobody").await.is_empty());
    assert_eq!(kinds(&store, "one").await, [Identified, Enriched, ContextChanged]);
    assert!(store.is_agent_of("late", &one).await.expect("read"));
    assert!(!store.is_agent_of("nobody", &one).await.expect("read"));
    assert!(!store.is_agent_of("late", &id("other")).await.expect("read"));
}

async fn a_reader_goes_on_after_any_id_that_is_kept(place: Place) {
    let store = place.open().await;
    for n in 0..10 {
        let at = if n < 4 { 100 } else { 900 };
        let call = of(&store, &format!("call-{n}"), Status::Hit);
        record(&store, NewCall { arrived_at: Timestamp(at), ..call }).await;
    }
    let first = store.news_after(2, 3).await.expect("read");
    assert_eq!(first.news.iter().map(|news| news.id).collect::<Vec<_>>(), [3, 4, 5]);
    assert_eq!((first.next, first.has_more), (5, true));
    assert!(first.goes_on_after(0) && first.goes_on_after(10) && !first.goes_on_after(11));
    while store.prune_news(Timestamp(500)).await.expect("pruned") > 0 {}
    let page = all(&store, 4).await;
    assert_eq!((page.oldest, page.newest, page.news.len()), (5, 10, 6));
    assert!(!page.goes_on_after(3) && page.goes_on_after(4));
    // However old they are, the newest stays: the next id follows from it.
    while store.prune_news(Timestamp(5_000)).await.expect("pruned") > 0 {}
    record(&store, of(&store, "next", Status::Hit)).await;
    let page = all(&store, 10).await;
    assert_eq!((page.oldest, page.newest), (10, 11));
    assert_eq!(page.news[0].call, id("next"));
}

async fn news_of_a_forgotten_call_are_forgotten_and_leave_no_gap(place: Place) {
    let store = place.open().await;
    record(&store, NewCall { arrived_at: Timestamp(1), ..of(&store, "old", Status::Partial) })
        .await;
    told(&store, "old", "agent", 2).await;
    store.identify_call(&id("old"), said(Status::Hit, 20), vec![], None).await.expect("done");
    record(&store, NewCall { arrived_at: Timestamp(900), ..of(&store, "new", Status::Hit) }).await;
    assert_eq!(store.purge_calls(Timestamp(500)).await.expect("purged"), 1);
    assert!(kinds(&store, "old").await.is_empty());
    assert!(!store.is_agent_of("agent", &id("old")).await.expect("read"));
    let page = all(&store, 0).await;
    assert_eq!((page.oldest, page.newest, page.news.len()), (1, 5, 1));
    assert_eq!(page.news[0].call, id("new"));
}

/// Follows everything until it has seen so many.
async fn follow(store: Store, expected: usize) -> Vec<(i64, Topic)> {
    let (mut seen, mut after) = (Vec::new(), 0);
    while seen.len() < expected {
        let page = store.news_after(after, 7).await.expect("read");
        seen.extend(page.news.iter().map(|news| (news.id, news.topic)));
        after = page.next;
        tokio::task::yield_now().await;
    }
    seen
}

async fn two_stores_lose_no_news_and_double_none(place: Place) {
    const EACH: usize = 60;
    let one = place.open().await;
    let is_shared = matches!(place.location, state::Location::Postgres { .. });
    let other = if is_shared { place.open().await } else { one.clone() };
    let readers =
        [&one, &other].map(|store| tokio::spawn(follow(store.clone(), EACH * 4 + EACH * 4)));
    let writers = (0..4_usize).map(|task| {
        let store = if task % 2 == 0 { one.clone() } else { other.clone() };
        tokio::spawn(async move {
            for n in 0..EACH {
                let name = format!("{task}-{n}");
                record(&store, of(&store, &name, Status::Partial)).await;
                let call = id(&name);
                let found = store.identify_call(&call, said(Status::Hit, 20), vec![], None);
                found.await.expect("identified");
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("written");
    }
    for reader in readers {
        let bound = std::time::Duration::from_secs(30);
        let seen = tokio::time::timeout(bound, reader).await.expect("all of them").expect("ran");
        let ids: Vec<i64> = seen.iter().map(|(id, _)| *id).collect();
        assert!(ids.is_sorted_by(|a, b| a + 1 == *b), "without a gap and without a double");
        let topics: BTreeSet<String> = seen.iter().map(|(_, topic)| format!("{topic:?}")).collect();
        assert_eq!(topics.len(), EACH * 4, "each call");
    }
}

/// A number taken inside a transaction is no order: this is what would be lost by it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn news_that_commit_late_come_after_what_was_read() {
    let Some(place) = Place::postgres().await else { return };
    let store = place.open().await;
    let mut late = place.connect().await;
    let insert = "INSERT INTO news_waiting (stream, call, kind, at)
        VALUES (decode('00000000000000000000000000000000', 'hex'), 'late', 'ended', 1)";
    sqlx::raw_sql("BEGIN").execute(&mut late).await.expect("begun");
    sqlx::raw_sql(insert).execute(&mut late).await.expect("written");
    record(&store, of(&store, "early", Status::Hit)).await;
    let page = all(&store, 0).await;
    assert_eq!(page.news.iter().map(|news| news.call.as_str()).collect::<Vec<_>>(), ["early"]);
    sqlx::raw_sql("COMMIT").execute(&mut late).await.expect("committed");
    let rest = all(&store, page.next).await;
    assert_eq!(rest.news.iter().map(|news| news.call.as_str()).collect::<Vec<_>>(), ["late"]);
    drop((late, store));
    place.drop_schema().await;
}
