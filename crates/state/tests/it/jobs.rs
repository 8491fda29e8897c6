//! Jobs are leased in order, by one worker at a time, and end as they are settled.

use crate::place::{Place, job};
use domain::Timestamp;
use state::jobs::{JobFilter, JobState, Redrive};
use state::{Lease, Leased, NewJob, Outcome, Settled, Settlement, Store};
use std::collections::BTreeSet;
use std::time::Duration;

crate::facts! {
    jobs_are_leased_in_order_by_kind_and_connection
    a_job_is_not_leased_before_its_time
    a_lease_that_ran_out_is_leased_again
    a_waiting_job_takes_the_newer_payload
    a_replaced_payload_keeps_its_place_and_its_pause
    a_job_behind_a_running_one_of_its_key_waits
    a_retry_gives_way_to_the_newer_job
    what_was_skipped_or_died_is_kept_with_its_reason
    the_dead_can_be_tried_again
    of_several_dead_with_one_key_the_newest_is_tried
    one_stale_settlement_disturbs_no_other
    two_workers_never_share_a_job
    a_nudge_follows_the_commit_and_wakes_its_own_line_alone
    old_skips_are_forgotten
}

const LEASE: Duration = Duration::from_secs(30);

async fn lease(store: &Store, limit: usize, now: i64) -> Vec<Leased> {
    store.lease("enrich", "crm", limit, LEASE, Timestamp(now)).await.expect("leased")
}

async fn payloads(store: &Store, limit: usize, now: i64) -> Vec<String> {
    let leased = lease(store, limit, now).await;
    leased.into_iter().map(|job| String::from_utf8(job.payload).expect("text")).collect()
}

async fn settle(store: &Store, lease: Lease, outcome: Outcome, now: i64) -> Settled {
    let settlement = Settlement { lease, outcome, follow_up: vec![] };
    store.settle(vec![settlement], Timestamp(now)).await.expect("answered")[0]
}

async fn enqueue(store: &Store, jobs: Vec<NewJob>) {
    store.enqueue(jobs).await.expect("enqueued");
}

async fn jobs_are_leased_in_order_by_kind_and_connection(place: Place) {
    let store = place.open().await;
    let kind = NewJob { kind: "push", ..job(None, "other kind", 0) };
    let erp = NewJob { connection: "erp".to_owned(), ..job(None, "other connection", 5) };
    let jobs = vec![job(None, "c", 30), job(None, "a", 10), kind, erp, job(None, "b", 10)];
    enqueue(&store, jobs).await;
    assert_eq!(store.next_due("enrich", "erp").await.expect("asked"), Some(Timestamp(5)));
    assert_eq!(store.next_due("enrich", "crm").await.expect("asked"), Some(Timestamp(10)));
    assert_eq!(payloads(&store, 2, 100).await, ["a", "b"]);
    assert_eq!(payloads(&store, 2, 100).await, ["c"]);
    assert!(payloads(&store, 2, 100).await.is_empty());
    assert_eq!(store.next_due("nothing", "crm").await.expect("asked"), None);
    assert_eq!(store.connections_with_jobs().await.expect("asked"), ["crm", "erp"]);
}

async fn a_job_is_not_leased_before_its_time(place: Place) {
    let store = place.open().await;
    enqueue(&store, vec![job(None, "later", 1_000)]).await;
    assert!(payloads(&store, 9, 999).await.is_empty());
    let leased = lease(&store, 9, 1_000).await;
    assert_eq!(leased[0].attempts, 1);
    let again = Outcome::Retry { at: Timestamp(5_000), error: "busy".to_owned() };
    assert_eq!(settle(&store, leased[0].lease, again, 1_001).await, Settled::Applied);
    assert!(payloads(&store, 9, 4_999).await.is_empty());
    let leased = lease(&store, 9, 5_000).await;
    assert_eq!(leased[0].attempts, 2);
    assert_eq!(settle(&store, leased[0].lease, Outcome::Done, 5_001).await, Settled::Applied);
    assert!(store.jobs(JobFilter::default(), 9).await.expect("listed").is_empty(), "done is gone");
}

async fn a_lease_that_ran_out_is_leased_again(place: Place) {
    let store = place.open().await;
    enqueue(&store, vec![job(None, "work", 0)]).await;
    let first = lease(&store, 1, 0).await;
    assert!(lease(&store, 1, 29_999).await.is_empty());
    let second = lease(&store, 1, 30_000).await;
    assert_eq!(second[0].attempts, 2);
    assert_eq!(settle(&store, first[0].lease, Outcome::Done, 30_001).await, Settled::Stale);
    assert_eq!(settle(&store, second[0].lease, Outcome::Done, 30_002).await, Settled::Applied);
    assert_eq!(settle(&store, second[0].lease, Outcome::Done, 30_003).await, Settled::Stale);
}

#[tokio::test]
async fn one_unreadable_job_dies_and_holds_up_no_other() {
    let place = Place::disk();
    let store = place.open().await;
    enqueue(&store, vec![job(None, "spoilt", 1), job(None, "sound", 2)]).await;
    store.close().await;
    let state::Location::Sqlite { path } = &place.location else { panic!("on disk") };
    let file = rusqlite::Connection::open(path).expect("the store's file");
    file.execute("UPDATE jobs SET payload = x'00' WHERE run_at = 1", []).expect("spoilt");
    drop(file);
    let store = place.open().await;
    let leased = lease(&store, 9, 5).await;
    assert_eq!(leased.iter().map(|job| job.payload.as_slice()).collect::<Vec<_>>(), [b"sound"]);
    let dead = JobFilter { state: Some(JobState::Dead), ..JobFilter::default() };
    let dead = store.jobs(dead, 9).await.expect("listed");
    assert_eq!(dead[0].note.as_deref(), Some("its payload cannot be read"));
}

#[tokio::test]
async fn what_a_killed_process_had_in_hand_is_due_at_the_next_start() {
    let place = Place::disk();
    let store = place.open().await;
    enqueue(&store, vec![job(None, "work", 5)]).await;
    let first = lease(&store, 1, 5).await;
    store.close().await;
    let store = place.open().await;
    let second = lease(&store, 1, 6).await;
    assert_eq!(second[0].attempts, 2);
    assert_eq!(settle(&store, first[0].lease, Outcome::Done, 7).await, Settled::Stale);
}

async fn a_waiting_job_takes_the_newer_payload(place: Place) {
    let store = place.open().await;
    enqueue(&store, vec![job(Some("k"), "old", 50), job(Some("other"), "apart", 60)]).await;
    enqueue(&store, vec![job(Some("k"), "new", 10)]).await;
    enqueue(&store, vec![NewJob { kind: "push", ..job(Some("k"), "another kind", 0) }]).await;
    assert_eq!(payloads(&store, 9, 10).await, ["new"], "at the earlier of both times");
    assert_eq!(payloads(&store, 9, 100).await, ["apart"]);
}

async fn a_replaced_payload_keeps_its_place_and_its_pause(place: Place) {
    let store = place.open().await;
    enqueue(&store, vec![job(Some("k"), "one", 10)]).await;
    enqueue(&store, vec![job(Some("k"), "two", 500)]).await;
    let leased = lease(&store, 1, 10).await;
    assert_eq!(leased[0].payload, b"two", "not put off by newer ones");
    let pause = Outcome::Retry { at: Timestamp(9_000), error: "throttled".to_owned() };
    settle(&store, leased[0].lease, pause, 20).await;
    enqueue(&store, vec![job(Some("k"), "three", 30)]).await;
    assert!(lease(&store, 1, 8_999).await.is_empty(), "the pause after a failure holds");
    let leased = lease(&store, 1, 9_000).await;
    assert_eq!((leased[0].payload.as_slice(), leased[0].attempts), (&b"three"[..], 2));
}

async fn a_job_behind_a_running_one_of_its_key_waits(place: Place) {
    let store = place.open().await;
    enqueue(&store, vec![job(Some("k"), "running", 0)]).await;
    let running = lease(&store, 9, 0).await;
    enqueue(&store, vec![job(Some("k"), "behind", 0)]).await;
    assert!(lease(&store, 9, 10).await.is_empty());
    let due = store.next_due("enrich", "crm").await.expect("asked");
    assert_eq!(due, Some(Timestamp(30_000)), "nothing to be had before the lease ends");
    settle(&store, running[0].lease, Outcome::Done, 20).await;
    assert_eq!(payloads(&store, 9, 20).await, ["behind"]);
}

async fn a_retry_gives_way_to_the_newer_job(place: Place) {
    let store = place.open().await;
    enqueue(&store, vec![job(Some("k"), "old", 0)]).await;
    let old = lease(&store, 1, 0).await;
    enqueue(&store, vec![job(Some("k"), "new", 0)]).await;
    let again = Outcome::Retry { at: Timestamp(700), error: "busy".to_owned() };
    assert_eq!(settle(&store, old[0].lease, again, 10).await, Settled::Applied);
    assert!(lease(&store, 9, 699).await.is_empty());
    let next = lease(&store, 9, 700).await;
    assert_eq!(next.len(), 1);
    assert_eq!((next[0].payload.as_slice(), next[0].attempts), (&b"new"[..], 2));
}

async fn what_was_skipped_or_died_is_kept_with_its_reason(place: Place) {
    let store = place.open().await;
    enqueue(&store, vec![job(None, "a", 0), job(None, "b", 0)]).await;
    let leased = lease(&store, 9, 0).await;
    let skipped = Outcome::Skipped { reason: "the call is unknown there".to_owned() };
    let dead = Outcome::Dead { error: "é\n\0".repeat(400) };
    settle(&store, leased[0].lease, skipped, 50).await;
    settle(&store, leased[1].lease, dead, 60).await;
    assert_eq!(store.next_due("enrich", "crm").await.expect("asked"), None);

    let kind = Some("enrich".to_owned());
    let filter = JobFilter { state: Some(JobState::Skipped), kind, ..JobFilter::default() };
    let jobs = store.jobs(filter, 9).await.expect("listed");
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0].note.as_deref(), Some("the call is unknown there"));
    assert_eq!((jobs[0].updated_at, jobs[0].attempts), (Timestamp(50), 1));

    let filter = JobFilter { state: Some(JobState::Dead), ..JobFilter::default() };
    let jobs = store.jobs(filter, 9).await.expect("listed");
    let note = jobs[0].note.clone().expect("an error");
    assert_eq!(note.chars().count(), 500);
    assert!(note.starts_with("é  é  "));

    let subject = domain::CallId::new("nobody-called");
    let jobs = store.jobs(JobFilter { subject, ..JobFilter::default() }, 9).await.expect("listed");
    assert_eq!(jobs, [], "neither is about that call");

    let counts = store.job_counts().await.expect("counted");
    let counts: Vec<_> = counts.iter().map(|c| (c.kind.as_str(), c.state, c.jobs)).collect();
    assert_eq!(counts, [("enrich", JobState::Dead, 1), ("enrich", JobState::Skipped, 1)]);
}

async fn die(store: &Store, new: NewJob, now: i64) -> i64 {
    enqueue(store, vec![new]).await;
    let leased = lease(store, 1, now).await;
    let dead = Outcome::Dead { error: "gave up".to_owned() };
    assert_eq!(settle(store, leased[0].lease, dead, now).await, Settled::Applied);
    leased[0].lease.job
}

async fn the_dead_can_be_tried_again(place: Place) {
    let store = place.open().await;
    let first = die(&store, job(None, "a", 0), 10).await;
    die(&store, job(None, "b", 0), 20).await;
    assert_eq!(store.redrive(Redrive::One(first), Timestamp(100)).await.expect("redriven"), 1);
    assert_eq!(store.redrive(Redrive::One(first), Timestamp(100)).await.expect("asked"), 0);
    let leased = lease(&store, 9, 100).await;
    assert_eq!(
        (leased[0].payload.as_slice(), leased[0].attempts),
        (&b"a"[..], 1),
        "from the start"
    );
    assert_eq!(store.redrive(Redrive::AllDead, Timestamp(100)).await.expect("redriven"), 1);
    assert_eq!(payloads(&store, 9, 100).await, ["b"]);
}

async fn of_several_dead_with_one_key_the_newest_is_tried(place: Place) {
    let store = place.open().await;
    die(&store, job(Some("k"), "oldest", 0), 10).await;
    let older = die(&store, job(Some("k"), "older", 0), 20).await;
    die(&store, job(Some("k"), "newest", 0), 30).await;
    assert_eq!(store.redrive(Redrive::AllDead, Timestamp(100)).await.expect("redriven"), 1);
    assert_eq!(store.redrive(Redrive::One(older), Timestamp(100)).await.expect("asked"), 0);
    assert_eq!(payloads(&store, 9, 100).await, ["newest"]);
}

async fn one_stale_settlement_disturbs_no_other(place: Place) {
    let store = place.open().await;
    enqueue(&store, vec![job(None, "a", 0), job(None, "b", 0)]).await;
    let leased = lease(&store, 9, 0).await;
    settle(&store, leased[0].lease, Outcome::Done, 10).await;
    let settlement = |leased: &Leased, follow_up: &str| Settlement {
        lease: leased.lease,
        outcome: Outcome::Done,
        follow_up: vec![job(None, follow_up, 0)],
    };
    let both = vec![settlement(&leased[0], "after a"), settlement(&leased[1], "after b")];
    let settled = store.settle(both, Timestamp(20)).await.expect("answered");
    assert_eq!(settled, [Settled::Stale, Settled::Applied]);
    assert_eq!(payloads(&store, 9, 20).await, ["after b"]);
}

async fn two_workers_never_share_a_job(place: Place) {
    let store = place.open().await;
    enqueue(&store, (0..100).map(|n| job(None, &n.to_string(), 0)).collect()).await;
    let workers = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut mine = Vec::new();
            for _ in 0..100 {
                mine.extend(payloads(&store, 3, 0).await);
            }
            mine
        })
    });
    let mut all = Vec::new();
    for worker in workers.collect::<Vec<_>>() {
        all.extend(worker.await.expect("ran"));
    }
    assert_eq!(all.len(), 100);
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>().len(), 100);
}

async fn a_nudge_follows_the_commit_and_wakes_its_own_line_alone(place: Place) {
    let store = place.open().await;
    let mut nudge = store.job_nudge("enrich", "crm");
    let others = [store.job_nudge("enrich", "erp"), store.job_nudge("push", "crm")];
    assert!(!nudge.has_changed().expect("open"));
    let writer = store.clone();
    let enqueued = tokio::spawn(async move { enqueue(&writer, vec![job(None, "work", 0)]).await });
    tokio::time::timeout(Duration::from_secs(10), nudge.changed())
        .await
        .expect("in time")
        .expect("open");
    for other in &others {
        assert!(!other.has_changed().expect("open"), "another line's work");
    }
    nudge.borrow_and_update();
    assert_eq!(payloads(&store, 1, 0).await, ["work"]);
    enqueued.await.expect("ran");
    store.redrive(Redrive::AllDead, Timestamp(1)).await.expect("none was dead");
    assert!(!nudge.has_changed().expect("open"), "nothing to be done");
}

async fn old_skips_are_forgotten(place: Place) {
    let store = place.open().await;
    enqueue(&store, vec![job(None, "a", 0), job(None, "b", 0)]).await;
    for (leased, at) in lease(&store, 9, 0).await.iter().zip([10, 20]) {
        settle(&store, leased.lease, Outcome::Skipped { reason: "none".to_owned() }, at).await;
    }
    assert_eq!(store.prune_jobs(Timestamp(20)).await.expect("pruned"), 1);
    assert_eq!(store.jobs(JobFilter::default(), 9).await.expect("listed").len(), 1);
}
