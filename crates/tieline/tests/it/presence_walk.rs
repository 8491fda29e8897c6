//! Walks of twelve agents between two simulated systems, with the built binary between them:
//! they act at random, events are dropped, doubled and held back, sockets are cut, systems and
//! Tieline itself go down, consoles are closed in mid-call. Then all heals, and every pair must
//! be one that the map allows, soon, and for good.
//!
//! Each walk follows from its seed, as far as the clocks of five programs let it; one that fails
//! prints its steps and the command that goes it again. `WALK_SEEDS=100 cargo test -p tieline
//! --features connectors/sim --test it every_presence_walk` goes more of them than the ordinary
//! run, four at once (`WALK_TOGETHER`), and `WALK_FROM` says where they begin.

mod acts;
#[path = "../../../domain/tests/walk/dice.rs"]
mod dice;
mod faults;
mod judge;
mod people;
mod rest;
mod walk;

use std::io::Write as _;
use std::time::Duration;
use tokio::task::{JoinSet, LocalSet};
use walk::{Length, Walk};

/// Walks of the ordinary run, and at once.
const SEEDS: u64 = 4;
const TOGETHER: u64 = 4;
/// How long a side is out in the long walk.
const LONG: u64 = 60;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Straight to the stream, which no harness swallows.
fn say(told: &str) {
    writeln!(std::io::stdout(), "{told}").ok();
}

async fn goes(seed: u64, length: Length) -> Result<String, String> {
    let mut walk = Walk::new(seed, length).await;
    let went = walk.go().await;
    if went.is_err() || number("WALK_SEED").is_some() {
        say(&format!("walk {seed}:\n{}", walk.told().join("\n")));
    }
    went
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_presence_walk_ends_with_all_agents_where_the_map_says() {
    let only = number("WALK_SEED");
    let from = number("WALK_FROM").unwrap_or(0);
    let most = number("WALK_SEEDS").unwrap_or(SEEDS);
    let seeds = only.map_or(from..from + most, |seed| seed..seed + 1);
    let wrong = LocalSet::new().run_until(go_all(seeds)).await;
    assert!(wrong.is_empty(), "{} walks end wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Goes some of them at once, until all are gone; what went wrong.
async fn go_all(mut seeds: std::ops::Range<u64>) -> Vec<String> {
    let together = number("WALK_TOGETHER").unwrap_or(TOGETHER);
    let (mut under_way, mut wrong) = (JoinSet::new(), Vec::new());
    loop {
        while (under_way.len() as u64) < together
            && let Some(seed) = seeds.next()
        {
            under_way.spawn_local(async move { (seed, goes(seed, Length::Short).await) });
        }
        match under_way.join_next().await {
            None => return wrong,
            Some(Ok((seed, Ok(told)))) => say(&format!("walk {seed}: {told}")),
            Some(Ok((seed, Err(told)))) => wrong.push(format!(
                "{seed}: {told}\n  again, step by step: WALK_SEED={seed} cargo test -p tieline \
                 --features connectors/sim --test it every_presence_walk -- --nocapture"
            )),
            Some(Err(panic)) => wrong.push(format!("a walk panicked: {panic}")),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_a_minute_is_made_good_within_a_comparison() {
    let length = Duration::from_secs(number("WALK_OUTAGE").unwrap_or(LONG));
    let seed = number("WALK_SEED").unwrap_or(60);
    let went = goes(seed, Length::Outage(length)).await;
    say(&went.unwrap_or_else(|told| panic!("{seed}: {told}")));
}
