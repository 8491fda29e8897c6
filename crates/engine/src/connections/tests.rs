//! What a call costs does not grow with the table of queues.

use super::{Behaviour, Connection, Connections, Queue};
use domain::freshness;
use domain::matching::Policy;
use domain::{Prefix, Region};
use kit::{Capabilities, Check, Finding, Http, Limits, Network};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

struct Mute;

#[async_trait::async_trait]
impl Check for Mute {
    async fn check(&self) -> Vec<Finding> {
        Vec::new()
    }
}

/// A connection that can do nothing.
pub(super) fn connection(name: &str) -> Connection {
    let second = Duration::from_secs(1);
    let limits = Limits {
        requests_per_minute: 1,
        reserved_for_calls: 0,
        concurrent_calls: 1,
        concurrent_background: 1,
        timeout: second,
    };
    let http = Http::new(limits, Network::default()).expect("a client");
    let behaviour = Behaviour {
        policy: Policy::First,
        freshness: freshness::Limits { fresh_for: second, stale_limit: second },
        deadline: second,
        remember_misses_for: second,
        concurrent_calls: 1,
        concurrent_background: 1,
    };
    let prefix = Prefix::new(&name.to_uppercase()).expect("a prefix");
    let capabilities = Capabilities::new(http, Arc::new(Mute));
    Connection::new(name, Some(prefix), capabilities, behaviour)
}

/// Connections without queues, of which the first is the default.
pub(super) fn joined(all: impl IntoIterator<Item = Connection>) -> Connections {
    let all: Vec<_> = all.into_iter().map(Arc::new).collect();
    let first = Arc::clone(&all[0]);
    Connections::new(all, first, None, Vec::new())
}

fn table(connections: usize, queues: usize) -> Connections {
    let all: Vec<_> =
        (0..connections).map(|index| Arc::new(connection(&format!("p{index}")))).collect();
    let queue = |index: usize| Queue {
        name: format!("Queue {index}"),
        ids: vec![format!("id-{index}")],
        dids: vec![format!("+1202555{index:04}")],
        connection: format!("p{}", index % connections),
        ..Queue::default()
    };
    Connections::new(all.clone(), Arc::clone(&all[0]), None, (0..queues).map(queue).collect())
}

/// The quickest of some rounds of what a call looks up: by id, name, number, prefix, in vain.
fn cost(table: &Connections) -> Duration {
    let region = Region::parse("US").expect("a region");
    let prefix = Prefix::new("P1").expect("a prefix");
    let round = || {
        let began = Instant::now();
        for _ in 0..500 {
            for word in ["id-1", "Queue 1", "+12025550001"] {
                assert!(black_box(table.queue_by_word(black_box(word), region)).is_some());
            }
            black_box(table.route(Some("nobody's"), None, region).connection);
            assert!(black_box(table.by_prefix(&prefix)).is_some());
        }
        began.elapsed()
    };
    (0..30).map(|_| round()).min().unwrap_or_default()
}

#[tokio::test]
async fn a_thousand_queues_and_fifty_connections_cost_a_call_no_more_than_two() {
    let (few, many) = (table(2, 2), table(50, 1_000));
    // In turns, so that a busy moment is both's; a walk over the table would be hundreds of times.
    let costs: Vec<_> = (0..3).map(|_| (cost(&few), cost(&many))).collect();
    let least = |of: fn(&(Duration, Duration)) -> Duration| costs.iter().map(of).min();
    let (few, many) = (least(|c| c.0).unwrap_or_default(), least(|c| c.1).unwrap_or_default());
    assert!(many < few * 3, "{many:?} against {few:?}");
}
