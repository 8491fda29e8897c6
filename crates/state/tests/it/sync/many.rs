//! Many pairs: all of them come in and are settled. With `PAIRS=1000000` it tells how long
//! that takes and that memory stays flat:
//! `cargo test --release -p state --test it -- --nocapture many_pairs`.

use super::settling::linked;
use super::{HOLD, LEFT, RIGHT, at, held, take};
use crate::place::Place;
use state::sync::{Arrival, Copy, Key, Outcome, PairState, Settled};
use state::{Durability, Options, Store};
use std::io::Write as _;
use std::time::Instant;

const PAGE: usize = 500;

fn person(side: &str, number: usize, modified: i64) -> Arrival {
    let fields = format!(
        "[\"First {number}\",\"Last {number}\",\"{number}@example.com\",\"+1555{number:07}\",\
         \"Street {number}, Springfield\",\"Tags\",\"{modified}\"]"
    );
    let copy = Copy {
        id: format!("{side}{number:015}"),
        version: Some(format!("v{modified}")),
        modified: Some(at(modified)),
        modified_by: Some("user".to_owned()),
        fields: fields.into_bytes(),
    };
    let keys = vec![
        Key { kind: Key::EMAIL, text: format!("{number}@example.com") },
        Key { kind: Key::PHONE, text: format!("+1555{number:07}") },
        Key { kind: Key::NAME, text: format!("first {number}|last {number}|acme") },
    ];
    Arrival::Saved { copy, keys, may_enter: true }
}

/// Resident memory in MB, where the system tells.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0)
        / 1024
}

fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn told(what: &str, count: usize, since: Instant) {
    let took = since.elapsed().as_secs_f64();
    let (speed, memory) = (count as f64 / took, resident());
    say(&format!("{what}: {count} in {took:.1} s, {speed:.0} a second, {memory} MB"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_pairs() {
    let pairs: usize = std::env::var("PAIRS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000);
    let places = [Some(Place::disk()), Place::postgres().await];
    for place in places.into_iter().flatten() {
        say(&place.location.to_string());
        let options = Options { durability: Durability::Process, ..Options::default() };
        let master = crate::place::master();
        let store = Store::open(&place.location, &master, options).await.expect("it opens");
        let (sync, hold) = held(&store, 1).await;
        let since = Instant::now();
        for page in 0..pairs / PAGE {
            let people = (page * PAGE..(page + 1) * PAGE).map(|number| person("L", number, 10));
            take(&store, hold, LEFT, people.collect()).await;
        }
        told("new", pairs, since);
        first_settle(&store, &sync, hold, pairs).await;
        let since = Instant::now();
        for page in 0..pairs / PAGE {
            let people = (page * PAGE..(page + 1) * PAGE).map(|number| person("L", number, 10));
            take(&store, hold, LEFT, people.collect()).await;
        }
        told("unchanged", pairs, since);
        let since = Instant::now();
        let people =
            (0..pairs).step_by((pairs / 1000).max(1)).map(|number| person("R", number, 99));
        let changed: Vec<Arrival> = people.collect();
        for part in changed.chunks(PAGE) {
            take(&store, hold, RIGHT, part.to_vec()).await;
        }
        let waiting = store.waiting_pairs(sync.id, 0, 1000, at(100)).await.expect("pairs");
        assert_eq!(waiting.len(), changed.len().min(1000));
        for part in waiting.chunks(200) {
            let settled = part.iter().map(Settled::of).collect();
            store.settle_pairs(hold, settled, Default::default(), at(9)).await.expect("settled");
        }
        told("1,000 changed and settled", waiting.len(), since);
        assert!(store.hold_sync_run(hold, HOLD, at(2)).await.expect("asked"));
        store.close().await;
        place.drop_schema().await;
    }
}

async fn first_settle(
    store: &Store,
    sync: &state::sync::Sync,
    hold: state::sync::Hold,
    pairs: usize,
) {
    let (since, mut after, mut all) = (Instant::now(), 0, 0);
    loop {
        let batch = store.waiting_pairs(sync.id, after, 200, at(10)).await.expect("pairs");
        let Some(last) = batch.last() else { break };
        after = last.seq;
        let keys = |pair: &state::sync::Pair| {
            let id = pair.halves[LEFT].id().expect("it")[1..].parse::<usize>().expect("a number");
            let Arrival::Saved { keys, .. } = person("R", id, 20) else {
                unreachable!("it is saved")
            };
            keys
        };
        let asked: Vec<Key> = batch.iter().flat_map(keys).collect();
        assert!(store.others(sync.id, LEFT, &asked).await.expect("candidates").found.is_empty());
        let entries = batch.iter().map(super::entry).collect();
        store.intend(hold, entries, at(9)).await.expect("said");
        let settled = batch.iter().map(|pair| {
            let id = format!("R{}", &pair.halves[LEFT].id().expect("it")[1..]);
            let settled = linked(pair, &id, 20, "[\"First\",\"Last\",\"someone@example.com\"]");
            Settled { keys: [None, Some(keys(pair))], state: PairState::Linked, ..settled }
        });
        let done = store.settle_pairs(hold, settled.collect(), Default::default(), at(9)).await;
        let done = done.expect("settled").expect("held");
        assert!(done.iter().all(|one| *one == Outcome::Applied));
        all += done.len();
    }
    assert_eq!(all, pairs);
    told("matched, said and settled", all, since);
}
