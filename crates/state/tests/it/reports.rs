//! Labels of calls and what is asked of them: lists and figures, the same over every engine.

use crate::place::{Place, call, crm, id, phone};
use domain::{CallId, ExternalId, Source, Status, Timestamp, Value};
use state::calls::{CallFilter, Place as At};
use state::reports::{Buckets, GroupBy, Identification};
use state::{Identified, NewCall, Store};
use std::collections::{BTreeMap, BTreeSet};

crate::facts! {
    the_list_is_paged_newest_first_and_stays_right_while_calls_arrive
    calls_are_found_by_their_labels_as_they_are_now
    the_list_takes_what_every_part_of_the_filter_takes
    a_customers_calls_before_one_are_found_newest_first
    a_call_keeps_the_data_it_was_answered_with
    a_dimension_with_too_many_values_is_refused_and_forgotten
    values_that_no_call_has_any_more_make_room
    identification_counts_what_was_answered
    labels_go_with_their_calls
}

mod lasting {
    use super::a_refused_dimension_stays_so_until_it_may_have_more;

    crate::lasting_facts! {
        a_refused_dimension_stays_so_until_it_may_have_more
    }
}

fn labelled(name: &str, value: &str) -> BTreeMap<String, String> {
    [(name.to_owned(), value.to_owned())].into()
}

fn tier(call_id: &str, arrived_at: i64, value: &str) -> NewCall {
    let labels = labelled("tier", value);
    NewCall { arrived_at: Timestamp(arrived_at), labels, ..call(call_id, crm("003A")) }
}

async fn record(store: &Store, call: NewCall) {
    store.record_call(call, vec![]).await.expect("recorded");
}

fn by(labels: &[(&str, &str)]) -> CallFilter {
    let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    CallFilter { labels: labels.collect(), ..CallFilter::default() }
}

async fn page(store: &Store, filter: &CallFilter, after: Option<At>) -> (Vec<String>, Option<At>) {
    let page = store.list_calls(filter, after, 3).await.expect("listed");
    let ids = page.calls.iter().map(|listed| listed.call.call.id.to_string());
    (ids.collect(), page.next)
}

/// Every call of the list, over as many pages as there are.
async fn all(store: &Store, filter: &CallFilter) -> Vec<String> {
    let (mut ids, mut after) = page(store, filter, None).await;
    while after.is_some() {
        let (more, next) = page(store, filter, after).await;
        ids.extend(more);
        after = next;
    }
    ids
}

async fn a_customers_calls_before_one_are_found_newest_first(place: Place) {
    let store = place.open().await;
    let of = |name: &str, at: i64, who: ExternalId| NewCall {
        arrived_at: Timestamp(at),
        ..call(name, who)
    };
    for (n, at) in [1_000, 2_000, 2_000, 3_000].into_iter().enumerate() {
        record(&store, of(&format!("a{n}"), at, crm("003A"))).await;
        record(&store, of(&format!("b{n}"), at, crm("003B"))).await;
        record(&store, of(&format!("nobody{n}"), at, ExternalId::Unknown)).await;
    }
    let before = async |call: &str, limit: usize| -> Vec<String> {
        let calls = store.calls_before(&id(call), limit).await.expect("listed");
        calls.iter().map(|one| one.call.call.id.to_string()).collect()
    };
    assert_eq!(before("a3", 10).await, ["a2", "a1", "a0"]);
    assert_eq!(before("a3", 2).await, ["a2", "a1"]);
    assert_eq!(before("a1", 10).await, ["a0"]);
    for nothing in ["a0", "nobody3", "unheard-of"] {
        assert_eq!(before(nothing, 10).await, [""; 0], "{nothing}");
    }
}

async fn the_list_is_paged_newest_first_and_stays_right_while_calls_arrive(place: Place) {
    let store = place.open().await;
    // Three at the same instant: their place among each other must not be lost.
    for (n, at) in [1_000, 2_000, 2_000, 2_000, 3_000].into_iter().enumerate() {
        record(&store, tier(&format!("c{n}"), at, "Gold")).await;
    }
    for filter in [by(&[]), by(&[("tier", "Gold")])] {
        let (first, next) = page(&store, &filter, None).await;
        let newest = ["new", "c4", "c3"];
        let is_first = filter.labels.is_empty();
        assert_eq!(first, if is_first { ["c4", "c3", "c2"] } else { newest });
        if is_first {
            record(&store, tier("new", 9_000, "Gold")).await;
        }
        let (mut second, end) = page(&store, &filter, next).await;
        if !is_first {
            assert_eq!(second.remove(0), "c2");
        }
        assert_eq!((second, end), (vec!["c1".to_owned(), "c0".to_owned()], None));
    }
    let window = CallFilter {
        from: Some(Timestamp(2_000)),
        to: Some(Timestamp(3_000)),
        ..CallFilter::default()
    };
    assert_eq!(all(&store, &window).await, ["c3", "c2", "c1"]);
    let exactly = store.list_calls(&window, None, 3).await.expect("listed");
    assert_eq!((exactly.calls.len(), exactly.next), (3, None), "no empty page at the end");
}

async fn calls_are_found_by_their_labels_as_they_are_now(place: Place) {
    let store = place.open().await;
    record(&store, tier("c1", 1_000, "Gold")).await;
    let mut stranger = call("c2", phone(&store, "+15550199999"));
    stranger.status = Status::Partial;
    record(&store, stranger).await;
    let identify = |call: &str, value: &str| Identified {
        connection: "crm".to_owned(),
        external_id: crm("003A"),
        contact: Some("003A".to_owned()),
        status: Status::Hit,
        source: Source::Crm,
        labels: [("tier".to_owned(), value.to_owned()), ("vip".to_owned(), "true".to_owned())]
            .into_iter()
            .take(if call == "c2" { 2 } else { 1 })
            .collect(),
        data: [("case".to_owned(), Value::from("CASE-1"))].into(),
        says_more: false,
        at: Timestamp(5_000),
    };
    for (call, value) in [("c1", "Silver"), ("c2", "Gold"), ("c2", "Gold")] {
        store.identify_call(&id(call), identify(call, value), vec![], None).await.expect("done");
    }
    assert_eq!(all(&store, &by(&[("tier", "Gold")])).await, ["c2"]);
    assert_eq!(all(&store, &by(&[("tier", "Silver")])).await, ["c1"]);
    assert_eq!(all(&store, &by(&[("tier", "Gold"), ("vip", "true")])).await, ["c2"]);
    assert_eq!(all(&store, &by(&[("vip", "true"), ("tier", "Gold")])).await, ["c2"]);
    for nobody in [&[("tier", "gold")][..], &[("tier", "")], &[("tier", "Silver"), ("vip", "true")]]
    {
        assert!(all(&store, &by(nobody)).await.is_empty(), "{nobody:?}");
    }
}

async fn the_list_takes_what_every_part_of_the_filter_takes(place: Place) {
    let store = place.open().await;
    record(&store, tier("c1", 1_000, "Gold")).await;
    record(&store, NewCall { source: Source::Directory, ..tier("c2", 2_000, "Gold") }).await;
    record(&store, NewCall { queue: Some("support".to_owned()), ..tier("c3", 3_000, "Gold") })
        .await;
    let unknown = NewCall {
        status: Status::Unknown,
        source: Source::None,
        queue: None,
        ..call("c4", ExternalId::Unknown)
    };
    record(&store, unknown).await;
    let check = async |filter: CallFilter, expected: &[&str]| {
        assert_eq!(all(&store, &filter).await, expected, "{filter:?}");
    };
    let queue = |queue: &str, filter| CallFilter { queue: Some(queue.to_owned()), ..filter };
    check(queue("sales", by(&[])), &["c2", "c1"]).await;
    check(queue("sales", by(&[("tier", "Gold")])), &["c2", "c1"]).await;
    check(queue("support", by(&[("tier", "Gold")])), &["c3"]).await;
    check(CallFilter { source: Some(Source::Directory), ..by(&[]) }, &["c2"]).await;
    check(CallFilter { status: Some(Status::Unknown), ..by(&[]) }, &["c4"]).await;
    check(CallFilter { status: Some(Status::Unknown), ..by(&[("tier", "Gold")]) }, &[]).await;
    let after = CallFilter { from: Some(Timestamp(2_000)), ..queue("sales", by(&[])) };
    check(after, &["c2"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rare_call_among_many_is_found_in_bounded_pages() {
    let store = Place::memory().open().await;
    record(&store, NewCall { queue: Some("rare".to_owned()), ..tier("rare", 1, "Gold") }).await;
    let many: Vec<_> = (0..20_100)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(
                async move { record(&store, tier(&format!("c{n}"), 10 + n, "Gold")).await },
            )
        })
        .collect();
    for one in many {
        one.await.expect("recorded");
    }
    for filter in [by(&[]), by(&[("tier", "Gold")])] {
        let filter = CallFilter { queue: Some("rare".to_owned()), ..filter };
        let (first, next) = page(&store, &filter, None).await;
        assert!(first.is_empty() && next.is_some(), "twenty thousand were looked at: {first:?}");
        let (second, end) = page(&store, &filter, next).await;
        assert_eq!((second, end), (vec!["rare".to_owned()], None));
    }
}

async fn a_call_keeps_the_data_it_was_answered_with(place: Place) {
    let store = place.open().await;
    let data: BTreeMap<String, Value> =
        [("case".to_owned(), Value::from("CASE-99812")), ("open".to_owned(), Value::Integer(3))]
            .into();
    record(&store, NewCall { data: data.clone(), ..tier("c1", 1, "Gold") }).await;
    let own: BTreeMap<String, Value> = [("intent".to_owned(), Value::from("billing"))].into();
    let whose = state::customers::Whose::Call(&id("c1"));
    store.put_data(whose, own.clone(), None, Timestamp(2)).await.expect("kept");
    store.rotate_data_key().await.expect("rotated");
    let mut place = state::reseal::Place::default();
    while let Some(next) = store.reseal(place).await.expect("resealed").next {
        place = next;
    }
    let listed = store.list_calls(&by(&[]), None, 10).await.expect("listed").calls.remove(0);
    assert_eq!((listed.call.call.data, listed.own_data), (data, own));
    assert!(listed.outcome.is_none(), "nothing was told of it");
}

/// Calls with these many values of `tier`, each once.
async fn record_values(store: &Store, values: std::ops::Range<i64>) {
    for n in values {
        record(store, tier(&format!("c{n}"), n, &format!("value-{n}"))).await;
    }
}

async fn label_of(store: &Store, call: &str) -> Option<String> {
    let stored = store.call(&CallId::new(call).expect("an id")).await.expect("read");
    stored.expect("stored").call.labels.remove("tier")
}

async fn a_dimension_with_too_many_values_is_refused_and_forgotten(place: Place) {
    let store = place.open().await;
    store.use_dimensions(&["tier".to_owned(), "vip".to_owned()], 3).await.expect("said");
    record_values(&store, 0..3).await;
    record(&store, tier("again", 50, "value-1")).await;
    assert!(store.refused_dimensions().await.expect("read").is_empty());
    let mut last = tier("c3", 3, "value-3");
    last.labels.insert("vip".to_owned(), "true".to_owned());
    record(&store, last).await;
    assert_eq!(store.refused_dimensions().await.expect("read"), [("tier".to_owned(), 3)].into());
    record(&store, tier("c4", 4, "value-0")).await;
    for late in ["c3", "c4"] {
        assert_eq!(label_of(&store, late).await, None, "{late}: no label once it is refused");
    }
    assert_eq!(label_of(&store, "c0").await.as_deref(), Some("value-0"));
    assert_eq!(store.prune_labels().await.expect("pruned"), 4);
    assert_eq!(store.prune_labels().await.expect("pruned"), 0);
    for early in ["c0", "c1", "again"] {
        assert_eq!(label_of(&store, early).await, None, "{early}: what was kept is gone");
    }
    assert!(all(&store, &by(&[("tier", "value-0")])).await.is_empty());
    assert_eq!(all(&store, &by(&[("vip", "true")])).await, ["c3"], "others stay");
}

async fn a_refused_dimension_stays_so_until_it_may_have_more(place: Place) {
    let names = ["tier".to_owned()];
    let store = place.open().await;
    store.use_dimensions(&names, 2).await.expect("said");
    record_values(&store, 0..3).await;
    store.close().await;
    let store = place.open().await;
    store.use_dimensions(&names, 2).await.expect("said");
    record(&store, tier("later", 9, "value-0")).await;
    assert_eq!(label_of(&store, "later").await, None);
    assert_eq!(store.refused_dimensions().await.expect("read").len(), 1);
    store.close().await;
    let store = place.open().await;
    store.use_dimensions(&names, 3).await.expect("said");
    assert!(store.refused_dimensions().await.expect("read").is_empty());
    record(&store, tier("anew", 10, "value-7")).await;
    assert_eq!(label_of(&store, "anew").await.as_deref(), Some("value-7"));
    // Named no more, and named again: it begins anew as well.
    record_values(&store, 20..23).await;
    assert_eq!(store.refused_dimensions().await.expect("read").len(), 1);
    store.use_dimensions(&[], 3).await.expect("said");
    store.use_dimensions(&names, 3).await.expect("said");
    assert!(store.refused_dimensions().await.expect("read").is_empty());
}

async fn values_that_no_call_has_any_more_make_room(place: Place) {
    let store = place.open().await;
    store.use_dimensions(&["tier".to_owned()], 2).await.expect("said");
    record_values(&store, 0..2).await;
    assert_eq!(store.purge_calls(Timestamp(1)).await.expect("purged"), 1);
    assert_eq!(store.prune_labels().await.expect("pruned"), 0);
    record_values(&store, 7..8).await;
    assert_eq!(label_of(&store, "c7").await.as_deref(), Some("value-7"));
    assert!(store.refused_dimensions().await.expect("read").is_empty());
}

async fn labels_go_with_their_calls(place: Place) {
    let store = place.open().await;
    record_values(&store, 0..3).await;
    while store.purge_calls(Timestamp(2)).await.expect("purged") > 0 {}
    assert!(all(&store, &by(&[("tier", "value-0")])).await.is_empty());
    let target = place.folder.0.join("copy.db");
    store.backup(&target, state::backup::Existing::Keep).await.expect("copied");
    let copy = rusqlite::Connection::open(&target).expect("a file");
    let count = |sql: &str| copy.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("a count");
    assert_eq!(count("SELECT count(*) FROM call_labels"), 1, "and the copy has what is left");
    assert_eq!(count("SELECT count(*) FROM label_values"), 3, "until they are pruned");
}

async fn identification_counts_what_was_answered(place: Place) {
    const HOUR: i64 = 3_600_000;
    let store = place.open().await;
    let statuses = [Status::Hit, Status::Partial, Status::Miss, Status::Ambiguous, Status::Unknown];
    for (n, status) in (0_i64..).zip(statuses) {
        let arrived_at = Timestamp(10 * HOUR + n);
        let who = if status == Status::Hit { crm("003A") } else { ExternalId::Unknown };
        let new = NewCall { status, arrived_at, ..call(&format!("c{n}"), who) };
        record(&store, new).await;
    }
    record(&store, NewCall { answered_in_us: 300_001, ..tier("slow", 11 * HOUR, "Gold") }).await;
    store.mark_late(&id("c0"), 400_000).await.expect("noted");
    store.mark_late(&id("c2"), 1).await.expect("noted");
    let found = Identified {
        connection: "crm".to_owned(),
        external_id: crm("003B"),
        contact: None,
        status: Status::Hit,
        source: Source::Crm,
        labels: labelled("tier", "Gold"),
        data: BTreeMap::new(),
        says_more: false,
        at: Timestamp(12 * HOUR),
    };
    for _ in 0..2 {
        store.identify_call(&id("c1"), found.clone(), vec![], None).await.expect("done");
    }
    let report = async |by, width_ms, ahead_ms| {
        let buckets = Buckets { width_ms, ahead_ms };
        let times = (Timestamp(0), Timestamp(100 * HOUR));
        let report = store.identification(by, buckets, times).await.expect("reported");
        assert!(!report.is_cut);
        report.lines
    };
    let first = Identification {
        calls: 5,
        hits: 1,
        ambiguous: 1,
        misses: 1,
        partial: 1,
        unknown: 1,
        late: 1,
        identified_later: 1,
        corrected: 0,
    };
    let second = Identification { calls: 1, hits: 1, late: 1, ..Identification::default() };
    let hours = report(None, HOUR, 0).await;
    let at = |hour: i64| (Timestamp(hour * HOUR), String::new());
    assert_eq!(hours, [(at(10), first), (at(11), second.clone())].into());
    let days = report(None, 24 * HOUR, 13 * HOUR).await;
    let begins: BTreeSet<i64> = days.keys().map(|(at, _)| at.0 / HOUR).collect();
    assert_eq!(begins, [-13, 11].into(), "a new day has begun there by eleven");
    let tiers = report(Some(GroupBy::Label("tier".to_owned())), 24 * HOUR, 0).await;
    let groups: Vec<_> =
        tiers.iter().map(|((_, group), line)| (group.as_str(), line.calls)).collect();
    assert_eq!(groups, [("", 4), ("Gold", 2)]);
    // A piece that the time asked for cuts, with a silent one between.
    let buckets = Buckets { width_ms: HOUR / 2, ahead_ms: 0 };
    let times = (Timestamp(10 * HOUR + 1), Timestamp(11 * HOUR));
    let by_queue = store.identification(Some(GroupBy::Queue), buckets, times).await;
    let counts: Vec<_> = by_queue.expect("reported").lines.values().map(|l| l.calls).collect();
    assert_eq!(counts, [4], "neither the first call nor the one of eleven");
}
