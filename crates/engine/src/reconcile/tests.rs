//! When runs begin, and how far back they look.

use super::schedule::Schedule;
use super::{Due, Reconciling, span};
use crate::activity::{CallOptions, Template};
use crate::connections::Behaviour;
use crate::{Clock, Connection, Connections, Corrections, Engine, Metrics, Options, Routing};
use domain::matching::Policy;
use domain::{Region, Timestamp, freshness};
use kit::{Capabilities, Check, Finding, Http, Limits, Network};
use prometheus_client::registry::Registry;
use state::reconcile::{Counts, Run, RunState, Step};
use state::{Location, MasterKey, Store};
use std::sync::Arc;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);

fn run(state: RunState, since: Timestamp, until: Timestamp) -> Run {
    Run {
        id: 1,
        due_at: None,
        is_dry: false,
        since,
        until,
        state,
        step: Step::Writes,
        cursor: None,
        reached: None,
        counts: Counts::new(),
        note: None,
        started_at: until,
        updated_at: until,
        ended_at: Some(until),
    }
}

#[test]
fn a_run_looks_back_to_where_the_last_one_was_whole() {
    let now = Timestamp(1_795_292_100_000);
    let ago = |hours: u32| now.minus(HOUR * hours);
    let day = HOUR * 24;
    let check = |earlier: &[Run], is_scheduled, expected| {
        assert_eq!(span(earlier, now, day, is_scheduled, None), expected, "{earlier:?}");
    };
    check(&[], true, ago(24));
    let whole = run(RunState::Done, ago(100), ago(60));
    check(std::slice::from_ref(&whole), true, ago(60));
    check(std::slice::from_ref(&whole), false, ago(24));
    let partial = run(RunState::Partial, ago(90), ago(50));
    check(&[partial.clone(), whole.clone()], false, ago(90));
    let recent = run(RunState::Done, ago(5), ago(2));
    check(&[recent.clone(), partial], true, ago(24));
    let dry = Run { is_dry: true, ..recent };
    check(&[dry, whole], true, ago(60));
    let ancient = run(RunState::Partial, ago(2_000), ago(1_900));
    check(std::slice::from_ref(&ancient), true, ago(7 * 24));
    assert_eq!(span(&[ancient], now, day, true, Some(HOUR * 30)), ago(30), "forgotten is gone");
}

/// A connection that can do nothing: what is asked here is only when a run begins.
struct Mute;

#[async_trait::async_trait]
impl Check for Mute {
    async fn check(&self) -> Vec<Finding> {
        Vec::new()
    }
}

fn connections() -> Connections {
    let limits = Limits {
        requests_per_minute: 1,
        reserved_for_calls: 0,
        concurrent_calls: 1,
        concurrent_background: 1,
        timeout: HOUR,
    };
    let capabilities = Capabilities {
        ..Capabilities::new(
            Http::new(limits, Network::default()).expect("a client"),
            Arc::new(Mute),
        )
    };
    let behaviour = Behaviour {
        policy: Policy::First,
        freshness: freshness::Limits { fresh_for: HOUR, stale_limit: HOUR },
        deadline: HOUR,
        remember_misses_for: HOUR,
        concurrent_calls: 1,
        concurrent_background: 1,
    };
    let only = Arc::new(Connection::new("crm", None, capabilities, behaviour));
    Connections::new(vec![Arc::clone(&only)], only, None, Vec::new())
}

async fn engine(store: Store, now: &str) -> Engine {
    let schedule = Schedule::new("02:30", "Europe/Berlin").expect("a schedule");
    let template = || Template::parse("").expect("no placeholder");
    Engine {
        rules: Arc::default(),
        shadow: None,
        syncs: Arc::default(),
        presence: Arc::default(),
        actions: Arc::default(),
        store,
        connections: Arc::new(connections()),
        clock: Clock::held(at(now)),
        metrics: Arc::new(Metrics::register(&mut Registry::default())),
        options: Options {
            region: Region::parse("DE").expect("a region"),
            store_reserve: HOUR,
            flow_sets_attributes: true,
            corrections: Corrections { remember_for: HOUR, per_queue: false, confirm_within: HOUR },
            keep_calls_for: None,
            keep_presence_for: None,
            dimensions: Arc::default(),
            columns: Arc::default(),
            alerts: Arc::default(),
            calls: Arc::new(CallOptions {
                settle_for: HOUR,
                writes_activities: false,
                subject: template(),
                body: template(),
            }),
            reconcile: Arc::new(Reconciling::new(Some(schedule), HOUR * 30)),
            syncing: Arc::default(),
            routing: Routing { deadline: HOUR, default: None, passes_max: 10, has_shadow: false },
        },
    }
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect(text)
}

async fn store() -> Store {
    let master: MasterKey = "5a".repeat(32).parse().expect("a key");
    Store::open(&Location::SqliteMemory, &master, state::Options::default()).await.expect("a store")
}

/// Ends the run under way; for which time of the schedule it was.
async fn had(engine: &Engine) -> Option<Timestamp> {
    let taken = engine.store.take_run(HOUR, engine.clock.now()).await.expect("answered");
    let (hold, run) = taken?;
    let now = engine.clock.now();
    engine.store.end_run(hold, RunState::Done, None, now).await.expect("ended");
    run.due_at
}

#[tokio::test]
async fn a_run_begins_once_a_night_over_all_processes_also_when_clocks_change() {
    let engine = engine(store().await, "2026-10-24T12:00:00Z").await;
    let mut one = Due { had: None, started: engine.clock.now() };
    let mut other = Due { had: None, started: engine.clock.now() };
    let mut runs = Vec::new();
    // Two nights in half hours: in the first one 02:30 comes twice.
    for _ in 0..80 {
        one.begin(&engine).await;
        other.begin(&engine).await;
        runs.extend(had(&engine).await);
        other.begin(&engine).await;
        assert_eq!(had(&engine).await, None, "it has had its run");
        engine.clock.advance(HOUR / 2);
    }
    assert_eq!(runs, [at("2026-10-25T02:30:00+02:00"), at("2026-10-26T02:30:00+01:00")]);
}

#[tokio::test]
async fn a_run_that_was_missed_is_made_up_for_once() {
    let store = store().await;
    let engine_of = |now| engine(store.clone(), now);
    let first = engine_of("2026-11-20T12:00:00Z").await;
    let mut due = Due { had: None, started: first.clock.now() };
    due.begin(&first).await;
    assert_eq!(had(&first).await, None, "nothing was missed before the first start");
    first.clock.advance(HOUR * 14);
    due.begin(&first).await;
    assert_eq!(had(&first).await, Some(at("2026-11-21T02:30:00+01:00")));
    // Down for three nights.
    let second = engine_of("2026-11-24T09:00:00Z").await;
    let mut due = Due { had: None, started: second.clock.now() };
    due.begin(&second).await;
    let run = second.store.runs(1).await.expect("runs").remove(0);
    assert_eq!(had(&second).await, Some(at("2026-11-24T02:30:00+01:00")), "once, for the last");
    assert_eq!(run.since, at("2026-11-21T02:00:00.001Z"), "from where the last one ended");
    due.begin(&second).await;
    assert_eq!(had(&second).await, None);
    let third = engine_of("2026-11-24T10:00:00Z").await;
    let mut due = Due { had: None, started: third.clock.now() };
    due.begin(&third).await;
    assert_eq!(had(&third).await, None, "not again after a restart");
}
