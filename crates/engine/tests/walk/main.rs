//! Walks of a sync over the real engine and its store: two systems that people edit at random,
//! a network that drops, doubles, reorders and cuts, and crashes anywhere.
//!
//! Each walk follows from its seed. One that fails prints the command that goes it again, step
//! by step. `WALK_SEEDS=1000000 cargo test --release -p engine --test walk every_walk` goes more
//! of them than the ordinary run, and `WALK_FROM` says where they begin. (Thousands go in the
//! ordinary run over the plan alone: `domain`'s walk.) A witness who knows nothing of merges
//! watches; that it sees what goes wrong is shown by planting it.

#[path = "../../../domain/tests/walk/dice.rs"]
mod dice;
mod drive;
mod edits;
mod faults;
mod judge;
mod setup;
mod tells;
mod vendor;
mod walk;
mod witness;
mod world;

use faults::Bug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tokio::runtime::{Builder, Runtime};
use walk::Walk;

/// Walks of the ordinary run.
const SEEDS: u64 = 300;
/// Walks in which a planted bug is to be caught.
const CAUGHT_WITHIN: u64 = 400;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// A runtime in which nothing is left to chance: see [`drive`].
fn runtime() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_time().start_paused(true).max_blocking_threads(1);
    builder.build().expect("a runtime")
}

/// Goes a walk: what went wrong, and what happened.
fn go(seed: u64, bug: Bug) -> (Result<(), String>, Vec<String>) {
    let runtime = runtime();
    runtime.block_on(async {
        let mut walk = Walk::new(seed, bug).await;
        let end = walk.go().await;
        let mut log = vec![walk.setting()];
        log.extend(walk.log());
        (end, log)
    })
}

#[test]
fn every_walk_comes_to_rest_with_both_sides_the_same_and_no_edit_lost() {
    let only = number("WALK_SEED");
    let from = number("WALK_FROM").unwrap_or(0);
    let most = number("WALK_SEEDS").unwrap_or(SEEDS);
    let seeds = only.map_or(from..from + most, |seed| seed..seed + 1);
    let mut wrong = Vec::new();
    for seed in seeds {
        let gone = catch_unwind(AssertUnwindSafe(|| go(seed, Bug::None)));
        let (end, log) = gone.unwrap_or_else(|_| (Err("a panic".to_owned()), Vec::new()));
        if only.is_some() {
            println!("{}", log.join("\n"));
        }
        if let Err(told) = end {
            wrong.push(format!(
                "{seed}: {told}\n  again, step by step: \
                 WALK_SEED={seed} cargo test -p engine --test walk every_walk -- --nocapture"
            ));
        }
    }
    assert!(wrong.is_empty(), "{} walks end wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_goes_wrong_is_caught() {
    for (bug, word) in [
        (Bug::DropsAnEdit, ""),
        (Bug::MovesTheCursorEarly, "missed"),
        (Bug::LetsAnEchoThrough, ""),
        (Bug::WritesBlindly, "Lost"),
        (Bug::MakesTwice, "twice"),
        (Bug::TurnsBack, "turns back"),
    ] {
        let told = |seed| go(seed, bug).0.err().filter(|told| told.contains(word));
        let caught = (0..CAUGHT_WITHIN).find_map(|seed| Some((seed, told(seed)?)));
        let (seed, told) = caught.unwrap_or_else(|| panic!("{bug:?} is not caught"));
        println!("{bug:?} is caught by seed {seed}: {told}");
        assert_eq!(go(seed, Bug::None).0, Ok(()), "{seed} without {bug:?}");
    }
}

#[test]
fn the_same_seed_goes_the_same_walk() {
    for seed in 0..8 {
        assert_eq!(go(seed, Bug::None), go(seed, Bug::None), "{seed}");
    }
}
