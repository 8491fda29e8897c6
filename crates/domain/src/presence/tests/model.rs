//! Every interleaving of a small world, breadth first, up to what it may spend.

use super::desk::{both, one, with};
use super::world::{Bug, Left, Move, World};
use crate::presence::{Map, Master};
use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};

type Acts = [&'static [&'static str]; 2];

/// What is seen of a world when everything was gone through.
#[derive(Debug, Default)]
struct Seen {
    states: usize,
    at_rest: usize,
    deepest: usize,
    most_commands: u64,
}

/// Goes through everything. The end is a proof of its own: each command has a number and each
/// change a version, so that two sides that answer each other for ever would never end it.
fn explore(map: &Map, begin: &World, acts: Acts, bug: Bug) -> Result<Seen, String> {
    let hasher = RandomState::new();
    let mut known = HashSet::from([hasher.hash_one(begin)]);
    let mut trail: Vec<(usize, Option<Move>)> = vec![(0, None)];
    let mut waiting = VecDeque::from([(begin.clone(), 0, 0)]);
    let mut seen = Seen::default();
    let story = |wrong: String, trail: &[(usize, Option<Move>)], at: usize, last: Option<Move>| {
        let mut steps: Vec<Move> = last.into_iter().collect();
        let mut at = at;
        while let (before, Some(step)) = &trail[at] {
            steps.push(step.clone());
            at = *before;
        }
        let mut world = begin.clone();
        let told = steps.iter().rev().map(|step| {
            let words = world.words(step);
            let _ = world.go(map, step, bug);
            words
        });
        format!("{wrong}\n{}", told.collect::<Vec<_>>().join("\n"))
    };
    while let Some((world, at, depth)) = waiting.pop_front() {
        seen.states += 1;
        seen.deepest = seen.deepest.max(depth);
        seen.most_commands = seen.most_commands.max(world.state.kept.number);
        if seen.most_commands > COMMANDS_MAX {
            return Err(story("ping-pong".into(), &trail, at, None));
        }
        if world.is_at_rest() {
            seen.at_rest += 1;
            let looked = world.witness.at_rest(map, &world.state, &world.truth);
            looked.map_err(|wrong| story(wrong, &trail, at, None))?;
        }
        for step in world.moves(map, acts) {
            let mut next = world.clone();
            let gone = next.go(map, &step, bug);
            gone.map_err(|wrong| story(wrong, &trail, at, Some(step.clone())))?;
            if known.insert(hasher.hash_one(&next)) {
                trail.push((at, Some(step)));
                waiting.push_back((next, trail.len() - 1, depth + 1));
            }
        }
    }
    Ok(seen)
}

/// Commands in any one story; each of its acts, items and faults may cost a few.
const COMMANDS_MAX: u64 = 20;

const ACTS_ONE: Acts = [&["on_queue", "available", "meal"], &["online", "busy", "lunch"]];
const ACTS_BOTH: Acts = [&["on_queue", "available", "meal"], &["online", "transition", "lunch"]];

fn left(acts: u8, items: u8, faults: u8) -> Left {
    Left { acts, items, faults }
}

#[test]
fn probe() {
    for (name, map, acts, begin) in [
        ("one", one(), ACTS_ONE, ["on_queue", "busy"]),
        ("both", both(), ACTS_BOTH, ["on_queue", "online"]),
    ] {
        for budget in [
            left(1, 0, 0),
            left(1, 1, 0),
            left(2, 0, 0),
            left(0, 2, 0),
            left(0, 1, 1),
            left(1, 1, 1),
            left(2, 1, 0),
            left(2, 0, 1),
        ] {
            let start = std::time::Instant::now();
            let seen = explore(&map, &World::new(&map, begin, budget.clone()), acts, Bug::None);
            match seen {
                Ok(seen) => println!("{name} {budget:?} {seen:?} {:?}", start.elapsed()),
                Err(e) => println!("{name} {budget:?} ERR {e}\n"),
            }
        }
    }
}
