//! Every interleaving of a small world, breadth first, up to what it may spend.

use super::desk::{both, one, with};
use super::world::{Bug, Left, Move, World, mixed};
use crate::presence::{Map, Master};
use std::collections::{HashSet, VecDeque};

type Acts = [&'static [&'static str]; 2];

/// What is seen of a world when everything was gone through.
#[derive(Debug, Default)]
struct Seen {
    states: usize,
    at_rest: usize,
    deepest: usize,
    most_commands: u64,
}

/// Goes through everything. That it ends is a proof of its own: each command has a number and
/// each change a version, so that two sides that answer each other for ever would never end it.
fn explore(map: &Map, begin: &World, acts: Acts, bug: Bug) -> Result<Seen, String> {
    let mut known = HashSet::from([mixed(begin)]);
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
        if seen.most_commands > begin.left.commands() {
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
            if known.insert(mixed(&next)) {
                trail.push((at, Some(step)));
                waiting.push_back((next, trail.len() - 1, depth + 1));
            }
        }
    }
    Ok(seen)
}

const ACTS_ONE: Acts = [&["on_queue", "available", "meal"], &["online", "busy", "lunch"]];
const ACTS_BOTH: Acts = [&["on_queue", "available", "meal"], &["online", "transition", "lunch"]];

fn left(acts: u8, items: u8, faults: u8) -> Left {
    Left { acts, items, faults }
}
const ACTS_FEW: Acts = [&["on_queue", "meal"], &["online", "lunch"]];
/// With two statuses that lead to one, and one that nobody mapped.
const ACTS_WIDE: Acts = [&["on_queue", "available", "training"], &["online", "chat", "training"]];

/// Goes through one world, and says how much of it there is.
fn holds(name: &str, map: &Map, acts: Acts, begin: [&str; 2], left: &Left) {
    let started = std::time::Instant::now();
    match explore(map, &World::new(map, begin, left.clone()), acts, Bug::None) {
        Ok(seen) => println!("{name}, {left:?}: {seen:?} in {:?}", started.elapsed()),
        Err(wrong) => panic!("{name}, {left:?}: {wrong}"),
    }
}

fn led_by(master: Master, map: Map) -> Map {
    with(map, |settings| settings.master = master)
}

#[test]
fn one_at_a_time_ends_well_in_every_order() {
    for (acts, begin, left) in [
        (ACTS_ONE, ["on_queue", "busy"], left(1, 1, 1)),
        (ACTS_ONE, ["on_queue", "busy"], left(2, 1, 0)),
        (ACTS_ONE, ["busy", "online"], left(2, 0, 1)),
        (ACTS_ONE, ["available", "transition"], left(3, 0, 0)),
        (ACTS_WIDE, ["on_queue", "busy"], left(2, 0, 1)),
    ] {
        holds("one at a time", &one(), acts, begin, &left);
    }
    let [center, crm] = [Master::Center, Master::Crm].map(|master| led_by(master, one()));
    holds("led by the center", &center, ACTS_ONE, ["on_queue", "busy"], &left(2, 0, 1));
    holds("led by the CRM", &crm, ACTS_ONE, ["busy", "online"], &left(2, 0, 1));
}

#[test]
fn both_at_once_ends_well_in_every_order_of_acts_and_items() {
    let begin = ["on_queue", "online"];
    holds("both at once", &both(), ACTS_FEW, begin, &left(2, 1, 0));
    holds("both at once", &both(), ACTS_BOTH, begin, &left(0, 2, 0));
    holds("both at once", &both(), ACTS_BOTH, ["available", "transition"], &left(3, 0, 0));
}

#[test]
fn both_at_once_ends_well_with_faults() {
    let begin = ["on_queue", "online"];
    holds("both at once", &both(), ACTS_FEW, begin, &left(1, 1, 1));
    holds("both at once", &both(), ACTS_WIDE, begin, &left(2, 0, 1));
    holds("both at once", &both(), ACTS_BOTH, begin, &left(0, 1, 2));
    let [center, crm] = [Master::Center, Master::Crm].map(|master| led_by(master, both()));
    holds("led by the center", &center, ACTS_BOTH, begin, &left(2, 0, 1));
    holds("led by the CRM", &crm, ACTS_BOTH, begin, &left(2, 0, 1));
}

/// `DEEPER=1 cargo test --release -p domain presence` goes through these as well.
#[test]
fn everything_ends_well_deeper_down() {
    if std::env::var_os("DEEPER").is_none() {
        return;
    }
    let begin = ["on_queue", "online"];
    holds("one at a time", &one(), ACTS_ONE, ["on_queue", "busy"], &left(2, 1, 1));
    holds("one at a time", &one(), ACTS_ONE, ["on_queue", "busy"], &left(2, 0, 2));
    holds("both at once", &both(), ACTS_BOTH, begin, &left(2, 1, 0));
    holds("both at once", &both(), ACTS_BOTH, begin, &left(1, 1, 1));
    holds("both at once", &both(), ACTS_BOTH, begin, &left(0, 2, 1));
    holds("both at once", &both(), ACTS_BOTH, begin, &left(1, 2, 0));
    holds("both at once", &both(), ACTS_BOTH, begin, &left(2, 0, 2));
    holds("both at once", &both(), ACTS_WIDE, begin, &left(2, 1, 0));
    for master in [Master::Center, Master::Crm] {
        let map = led_by(master, both());
        holds("led by one", &map, ACTS_BOTH, begin, &left(1, 1, 1));
        holds("led by one", &map, ACTS_BOTH, begin, &left(2, 1, 0));
    }
}

#[test]
fn what_goes_wrong_is_caught() {
    let [both, one] = [(both(), ACTS_BOTH, "online"), (one(), ACTS_ONE, "busy")];
    for (bug, (map, acts, crm), left, word) in [
        (Bug::TakesAnEchoForAnAct, &both, left(1, 1, 0), "chose on_queue last"),
        (Bug::TakesAnEchoForAnAct, &one, left(2, 0, 0), "last, and it shows"),
        (Bug::IgnoresFences, &both, left(1, 1, 0), "chose lunch last"),
        (Bug::SkipsTheTransition, &both, left(0, 1, 0), "put to work while an item"),
        (Bug::SkipsTheTransition, &one, left(1, 0, 0), "Crm is put to work"),
        (Bug::ReturnsTooEarly, &both, left(0, 1, 0), "put to work while an item"),
        (Bug::TakesOldForNew, &both, left(2, 0, 0), "at rest"),
        (Bug::ForgetsWhatIsInDoubt, &both, left(0, 1, 1), "chose on_queue last"),
        (Bug::GuessesInAGap, &both, left(0, 2, 1), "while the other is not heard"),
    ] {
        let caught = explore(map, &World::new(map, ["on_queue", crm], left), *acts, bug).err();
        let caught = caught.unwrap_or_else(|| panic!("{bug:?} is not caught"));
        assert!(caught.contains(word), "{bug:?}: {caught}");
    }
}
