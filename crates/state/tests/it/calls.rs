//! A call is stored before it is answered, once, and counts to one person.

use crate::place::{Place, call, crm, id, job, phone};
use domain::{ExternalId, Source, Status, Timestamp};
use state::{Enriched, Identified, Outcome, Recorded, Settlement};
use std::collections::BTreeSet;
use std::time::Duration;

crate::facts! {
    calls_that_are_too_old_are_forgotten_with_what_hangs_on_them
    a_recorded_call_reads_back
    the_same_call_twice_is_one_call
    earlier_calls_are_those_of_one_person
    a_record_never_falls_back_to_a_number
    a_repeat_that_knows_less_erases_nothing
    what_is_kept_is_not_told_otherwise
    the_count_moves_when_a_number_becomes_a_record
    callers_without_a_number_have_nothing_in_common
    calls_at_once_are_each_counted_once
    the_same_call_at_once_is_counted_once
    an_identification_commits_with_its_settlement
    a_stale_lease_identifies_nothing
    a_call_brings_its_jobs
}

fn identified(external_id: ExternalId, at: i64) -> Identified {
    Identified {
        connection: "crm".to_owned(),
        external_id,
        contact: None,
        status: Status::Hit,
        source: Source::Crm,
        labels: Default::default(),
        data: Default::default(),
        says_more: false,
        at: Timestamp(at),
    }
}

async fn a_recorded_call_reads_back(place: Place) {
    let store = place.open().await;
    let mut new = call("call-1", crm("003A"));
    new.email = Some("john.doe@example.com".to_owned());
    new.user = Some("agent-7".to_owned());
    new.warnings = vec!["the queue is unknown".to_owned()];
    assert!(!store.call_exists(&id("call-1")).await.expect("asked"));
    let recorded = store.record_call(new.clone(), vec![]).await.expect("recorded");
    assert_eq!(recorded, Recorded { earlier_calls: 0, repeated: false });

    let back = store.call(&id("call-1")).await.expect("asked").expect("stored");
    assert_eq!(format!("{:?}", back.call), format!("{new:?}"));
    assert_eq!((back.earlier_calls, back.identified_at), (0, None));
    assert!(store.call_exists(&id("call-1")).await.expect("asked"));
    assert!(store.call(&id("call-2")).await.expect("asked").is_none());

    store.record_call(call("call-2", ExternalId::Unknown), vec![]).await.expect("recorded");
    let recent = store.recent_calls(10).await.expect("asked");
    let ids: Vec<_> = recent.iter().map(|call| call.call.id.as_str()).collect();
    assert_eq!(ids, ["call-2", "call-1"]);
    assert_eq!(store.recent_calls(1).await.expect("asked").len(), 1);
}

async fn the_same_call_twice_is_one_call(place: Place) {
    let store = place.open().await;
    store.record_call(call("call-0", crm("003A")), vec![]).await.expect("recorded");
    let first = store.record_call(call("call-1", crm("003A")), vec![]).await.expect("recorded");
    store.record_call(call("call-2", crm("003A")), vec![]).await.expect("recorded");
    let mut again = call("call-1", crm("003A"));
    again.arrived_at = Timestamp(9_000);
    let again = store.record_call(again, vec![]).await.expect("recorded");
    assert_eq!(first, Recorded { earlier_calls: 1, repeated: false });
    assert_eq!(again, Recorded { earlier_calls: 1, repeated: true });
    let stored = store.call(&id("call-1")).await.expect("asked").expect("stored");
    assert_eq!(stored.call.arrived_at, Timestamp(1_000), "the first arrival");
    assert_eq!(store.recent_calls(10).await.expect("asked").len(), 3);
}

async fn earlier_calls_are_those_of_one_person(place: Place) {
    let store = place.open().await;
    for (call_id, who, earlier) in [
        ("a1", crm("003A"), 0),
        ("b1", crm("003B"), 0),
        ("a2", crm("003A"), 1),
        ("p1", phone(&store, "+15550100001"), 0),
        ("p2", phone(&store, "+15550100001"), 1),
        ("q1", phone(&store, "+15550100002"), 0),
        ("a3", crm("003A"), 2),
    ] {
        let recorded = store.record_call(call(call_id, who), vec![]).await.expect("recorded");
        assert_eq!(recorded.earlier_calls, earlier, "{call_id}");
    }
}

async fn a_record_never_falls_back_to_a_number(place: Place) {
    let store = place.open().await;
    store.record_call(call("call-1", crm("003A")), vec![]).await.expect("recorded");
    for weaker in [phone(&store, "+15550199999"), ExternalId::Unknown] {
        store.record_call(call("call-1", weaker.clone()), vec![]).await.expect("recorded");
        let kept =
            store.identify_call(&id("call-1"), identified(weaker, 5_000), vec![], None).await;
        assert_eq!(kept.expect("answered"), Enriched::Kept { earlier_calls: 0 });
        let stored = store.call(&id("call-1")).await.expect("asked").expect("stored");
        assert_eq!(stored.call.external_id, crm("003A"));
        assert_eq!(stored.call.status, Status::Hit);
    }
    let next = store.record_call(call("call-2", crm("003A")), vec![]).await.expect("recorded");
    assert_eq!(next.earlier_calls, 1);
}

async fn a_repeat_that_knows_less_erases_nothing(place: Place) {
    let store = place.open().await;
    let number = phone(&store, "+15550199999");
    let mut first = call("call-1", number.clone());
    first.number = Some("+15550199999".to_owned());
    store.record_call(first, vec![]).await.expect("recorded");
    let mut bare = call("call-1", ExternalId::Unknown);
    (bare.number, bare.email, bare.asked_record) = (None, None, None);
    store.record_call(bare, vec![]).await.expect("repeated");
    let stored = store.call(&id("call-1")).await.expect("asked").expect("stored").call;
    assert_eq!(stored.number.as_deref(), Some("+15550199999"));
    assert_eq!(stored.external_id, number);
    let next = store.record_call(call("call-2", number), vec![]).await.expect("recorded");
    assert_eq!(next.earlier_calls, 1, "it still counts");
}

async fn what_is_kept_is_not_told_otherwise(place: Place) {
    let store = place.open().await;
    store.record_call(call("call-1", crm("003A")), vec![]).await.expect("recorded");
    let weaker = identified(phone(&store, "+15550199999"), 5_000);
    let told = vec![job(None, "told otherwise", 0)];
    let kept = store.identify_call(&id("call-1"), weaker, told, None).await;
    assert_eq!(kept.expect("answered"), Enriched::Kept { earlier_calls: 0 });
    let leased = store.lease("enrich", "crm", 9, Duration::from_secs(1), Timestamp(9_000)).await;
    assert!(leased.expect("asked").is_empty());
}

async fn the_count_moves_when_a_number_becomes_a_record(place: Place) {
    let store = place.open().await;
    let number = phone(&store, "+15550199999");
    store.record_call(call("old", crm("003A")), vec![]).await.expect("recorded");
    store.record_call(call("call-1", number.clone()), vec![]).await.expect("recorded");
    for _ in 0..2 {
        let applied =
            store.identify_call(&id("call-1"), identified(crm("003A"), 5_000), vec![], None).await;
        assert_eq!(applied.expect("applied"), Enriched::Applied { earlier_calls: 1 });
    }
    let stored = store.call(&id("call-1")).await.expect("asked").expect("stored");
    assert_eq!(stored.call.external_id, crm("003A"));
    assert_eq!((stored.earlier_calls, stored.identified_at), (1, Some(Timestamp(5_000))));
    let person = store.record_call(call("call-2", crm("003A")), vec![]).await.expect("recorded");
    assert_eq!(person.earlier_calls, 2, "the person gained the call");
    let nobody = store.record_call(call("call-3", number), vec![]).await.expect("recorded");
    assert_eq!(nobody.earlier_calls, 0, "the number lost it");
    let missing =
        store.identify_call(&id("nope"), identified(crm("003A"), 5_000), vec![], None).await;
    assert_eq!(missing.expect("answered"), Enriched::UnknownCall);
}

async fn callers_without_a_number_have_nothing_in_common(place: Place) {
    let store = place.open().await;
    for call_id in ["w1", "w2", "w3"] {
        let mut withheld = call(call_id, ExternalId::Unknown);
        withheld.number = None;
        let recorded = store.record_call(withheld, vec![]).await.expect("recorded");
        assert_eq!(recorded, Recorded { earlier_calls: 0, repeated: false });
    }
    assert_eq!(store.recent_calls(10).await.expect("asked").len(), 3);
    assert_eq!(store.directory_size().await.expect("asked"), 0);
}

async fn calls_at_once_are_each_counted_once(place: Place) {
    let store = place.open().await;
    let calls = (0..64).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            let new = call(&format!("call-{n}"), crm("003A"));
            store.record_call(new, vec![]).await.expect("recorded").earlier_calls
        })
    });
    let mut counts = BTreeSet::new();
    for call in calls.collect::<Vec<_>>() {
        counts.insert(call.await.expect("ran"));
    }
    assert_eq!(counts, (0..64).collect());
}

async fn the_same_call_at_once_is_counted_once(place: Place) {
    let store = place.open().await;
    let calls = (0..16).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            store.record_call(call("call-1", crm("003A")), vec![]).await.expect("recorded")
        })
    });
    let mut first = 0;
    for call in calls.collect::<Vec<_>>() {
        let recorded = call.await.expect("ran");
        assert_eq!(recorded.earlier_calls, 0);
        first += u32::from(!recorded.repeated);
    }
    assert_eq!(first, 1);
}

async fn an_identification_commits_with_its_settlement(place: Place) {
    let store = place.open().await;
    let number = phone(&store, "+15550199999");
    let (now, lease_for) = (Timestamp(2_000), Duration::from_secs(30));
    store
        .record_call(call("call-1", number), vec![job(None, "find out", 0)])
        .await
        .expect("recorded");
    let leased = store.lease("enrich", "crm", 10, lease_for, now).await.expect("leased");
    let settle = Settlement {
        lease: leased[0].lease,
        outcome: Outcome::Done,
        follow_up: vec![job(None, "tell the contact center", 0)],
    };
    let found = store
        .identify_call(&id("call-1"), identified(crm("003A"), 3_000), vec![], Some(settle.clone()))
        .await;
    assert_eq!(found.expect("applied"), Enriched::Applied { earlier_calls: 0 });
    let next = store.lease("enrich", "crm", 10, lease_for, now).await.expect("leased");
    assert_eq!(next.len(), 1);
    assert_eq!(next[0].payload, b"tell the contact center");
    let again = store
        .identify_call(&id("call-1"), identified(crm("003B"), 4_000), vec![], Some(settle))
        .await;
    assert_eq!(again.expect("answered"), Enriched::Stale);
    let stored = store.call(&id("call-1")).await.expect("asked").expect("stored");
    assert_eq!(stored.call.external_id, crm("003A"));
}

async fn a_stale_lease_identifies_nothing(place: Place) {
    let store = place.open().await;
    let number = phone(&store, "+15550199999");
    store
        .record_call(call("call-1", number.clone()), vec![job(None, "x", 0)])
        .await
        .expect("recorded");
    let slow = store
        .lease("enrich", "crm", 1, Duration::from_secs(1), Timestamp(0))
        .await
        .expect("leased");
    let fast = store
        .lease("enrich", "crm", 1, Duration::from_secs(1), Timestamp(1_000))
        .await
        .expect("leased");
    assert_eq!((slow.len(), fast.len()), (1, 1), "the first lease ran out");
    let settle =
        |lease| Settlement { lease, outcome: Outcome::Done, follow_up: vec![job(None, "y", 0)] };
    let late = store
        .identify_call(
            &id("call-1"),
            identified(crm("003A"), 3_000),
            vec![job(None, "z", 0)],
            Some(settle(slow[0].lease)),
        )
        .await;
    assert_eq!(late.expect("answered"), Enriched::Stale);
    let stored = store.call(&id("call-1")).await.expect("asked").expect("stored");
    assert_eq!(stored.call.external_id, number);
    assert_eq!(
        store.jobs(Default::default(), 10).await.expect("listed").len(),
        1,
        "neither y nor z"
    );
}

async fn a_call_brings_its_jobs(place: Place) {
    let store = place.open().await;
    let mut about = job(Some("k"), "work", 0);
    about.subject = Some(id("call-1"));
    let new = || call("call-1", crm("003A"));
    store.record_call(new(), vec![about.clone()]).await.expect("recorded");
    store.record_call(new(), vec![about]).await.expect("recorded");
    let jobs = store.jobs(Default::default(), 10).await.expect("listed");
    assert_eq!(jobs.len(), 1, "the same job twice is one job");
    assert_eq!(jobs[0].subject, Some(id("call-1")));
}

async fn calls_that_are_too_old_are_forgotten_with_what_hangs_on_them(place: Place) {
    let store = place.open().await;
    let old = |n: i64| {
        let mut old = call(&format!("canary-call-{n:04}"), crm("003A"));
        old.arrived_at = Timestamp(1_000 + n);
        old
    };
    for n in 0..1_203 {
        store.record_call(old(n), vec![]).await.expect("recorded");
    }
    let data = [("intent".to_owned(), domain::Value::Text("canary-data".to_owned()))];
    for n in ["canary-call-0000", "canary-call-1202"] {
        let whose = state::customers::Whose::Call(&id(n));
        store.put_data(whose, data.clone().into(), None, Timestamp(1)).await.expect("kept");
    }
    let mut parts = Vec::new();
    loop {
        match store.purge_calls(Timestamp(1_000 + 1_200)).await.expect("purged") {
            0 => break,
            part => parts.push(part),
        }
    }
    assert_eq!(parts, [500, 500, 200], "bounded parts, the oldest first");
    assert!(store.call(&id("canary-call-0000")).await.expect("asked").is_none());
    assert!(store.call(&id("canary-call-1200")).await.expect("asked").is_some());
    let kept = store.data_of(state::customers::Whose::Call(&id("canary-call-0000"))).await;
    assert_eq!(kept.expect("asked").version, 0);
    let kept = store.data_of(state::customers::Whose::Call(&id("canary-call-1202"))).await;
    assert_eq!(kept.expect("asked").version, 1);
    let next = store.record_call(call("next", crm("003A")), vec![]).await.expect("recorded");
    assert_eq!(next.earlier_calls, 1_203, "their number stays");
    store.fold_log().await.expect("folded");
    if let state::Location::Sqlite { path } = &place.location {
        for entry in std::fs::read_dir(path.parent().expect("a folder")).expect("read") {
            let bytes = std::fs::read(entry.expect("an entry").path()).expect("read");
            let is_in = |canary: &[u8]| bytes.windows(canary.len()).any(|at| at == canary);
            assert!(!is_in(b"canary-call-0"), "a purged call is left in a file");
        }
    }
}
