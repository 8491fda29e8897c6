//! Walks of a sync: two record sets edited at random on both sides, over a bad network.
//!
//! Each walk follows from its seed. One that fails prints it: `WALK_SEED=7 cargo test -p
//! domain --test walk` goes it again and prints every step. `WALKS=1000000` goes more of
//! them than the ordinary run. A witness who knows nothing of merges watches; that it sees
//! what goes wrong is shown by planting it.

mod carry;
mod dice;
mod edits;
mod witness;
mod world;

use carry::{Bug, Carrier};
use dice::Dice;
use domain::sync::{Direction, Drift, Field, Kind, OnDelete, Policy, Strategy, Winner};
use edits::{Cell, Edit, People};
use std::collections::BTreeSet;
use std::time::Duration;
use witness::Witness;
use world::World;

/// Walks of the ordinary run.
const WALKS: u64 = 4_000;
/// Records of a walk, of which each side has one or none.
const PEOPLE: usize = 3;
const EVENTS: usize = 90;
/// By then everything is at rest: once for what was begun, once for what was decided, once
/// for what that makes, once for the end of a pair.
const ROUNDS: usize = 5;

struct Walk {
    world: World,
    people: People,
    carrier: Carrier,
    witness: Witness,
    dice: Dice,
}

impl Walk {
    fn new(seed: u64, bug: Bug) -> Self {
        let mut dice = Dice::new(seed);
        let fields: Vec<Field> = (0..1 + dice.below(5)).map(|_| field(&mut dice)).collect();
        let cells: Vec<Cell> = fields
            .iter()
            .map(|field| if field.kind == Kind::Tags { Cell::Tags } else { Cell::Word })
            .collect();
        let policy = Policy {
            strategy: dice.pick(Strategy::ALL),
            drift: dice.pick(Drift::ALL),
            skew: Duration::from_millis(500),
            on_left_deleted: dice.pick(OnDelete::ALL),
            on_right_deleted: dice.pick(OnDelete::ALL),
            creates: [dice.is(80), dice.is(80)],
        };
        let ahead = i64::try_from(dice.below(400)).unwrap_or(0);
        Self {
            world: World::new(PEOPLE, cells.clone(), ahead),
            people: People::new(cells),
            carrier: Carrier::new(PEOPLE, &fields, policy, bug),
            witness: Witness::new(PEOPLE, &fields, policy),
            dice,
        }
    }

    fn go(&mut self) -> Result<(), String> {
        let trouble = self.dice.pick(&[0, 10, 30]);
        for _ in 0..EVENTS {
            self.world.now += i64::try_from(self.dice.below(3_000)).unwrap_or(0);
            let (person, side) = (self.dice.below(PEOPLE), self.dice.below(2));
            match self.dice.below(100) {
                0..55 => self.edit(side, person),
                55..65 => self.carrier.fetch(&self.world, side, person),
                65..68 => self.carrier.decide(&self.world, person, &mut self.dice),
                _ => {
                    self.settle(person, trouble)?;
                }
            }
        }
        self.come_to_rest()
    }

    fn edit(&mut self, side: usize, person: usize) {
        let edit = self.people.edit(&mut self.dice);
        // What a deleted record held nobody can ask: a write in doubt would stay so.
        if edit == Edit::Delete && self.carrier.is_in_doubt(person) {
            return;
        }
        if self.world.edit(side, person, &edit, &mut self.people) {
            self.carrier.log.push(format!("{person}: side {side} {edit:?}"));
            self.witness.edited(&self.world, side, person);
        }
    }

    fn settle(&mut self, person: usize, trouble: u64) -> Result<bool, String> {
        let dice = (&mut self.dice, trouble);
        self.carrier.settle(&mut self.world, &mut self.witness, person, dice)
    }

    /// Nobody edits any more, and the network is well.
    fn come_to_rest(&mut self) -> Result<(), String> {
        for person in 0..PEOPLE {
            let mut is_at_rest = false;
            for _ in 0..ROUNDS {
                self.carrier.decide(&self.world, person, &mut self.dice);
                is_at_rest = self.settle(person, 0)?;
            }
            if !is_at_rest {
                return Err(format!("{person} does not come to rest"));
            }
            self.witness.at_rest(&self.world, person)?;
        }
        Ok(())
    }
}

fn field(dice: &mut Dice) -> Field {
    let ways = [Direction::Both, Direction::Both, Direction::ToRight, Direction::ToLeft];
    Field {
        direction: dice.pick(&ways),
        winner: dice.pick(Winner::ALL),
        kind: dice.pick(&[Kind::Text, Kind::Text, Kind::Tags]),
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn every_walk_comes_to_rest_with_both_sides_the_same_and_no_edit_lost() {
    let only = number("WALK_SEED");
    let seeds = only.map_or(0..number("WALKS").unwrap_or(WALKS), |seed| seed..seed + 1);
    let mut steps = BTreeSet::new();
    for seed in seeds {
        let mut walk = Walk::new(seed, Bug::None);
        let end = walk.go();
        if only.is_some() {
            println!("{}", walk.carrier.log.join("\n"));
        }
        if let Err(wrong) = end {
            panic!(
                "{wrong}\nthe walk again, step by step: WALK_SEED={seed} cargo test -p domain --test walk"
            );
        }
        steps.append(&mut walk.carrier.steps);
    }
    if only.is_none() {
        let all =
            ["bury", "create left", "create right", "delete", "hold", "mark", "rest", "write"];
        assert!(steps.iter().eq(all.iter()), "walks that do not go everywhere: {steps:?}");
    }
}

#[test]
fn what_goes_wrong_is_caught() {
    for (bug, word) in [
        (Bug::DropsAnEdit, ""),
        (Bug::LetsAnEchoThrough, "echo"),
        (Bug::ForgetsWhoLost, "lost"),
        (Bug::RaisesTheDead, "rises again"),
        (Bug::WritesBlindly, "lost"),
        (Bug::GoesBothWays, "master"),
        (Bug::ForgetsWhatItBegan, "echo"),
    ] {
        let caught = (0..2_000).find_map(|seed| Walk::new(seed, bug).go().err());
        let caught = caught.unwrap_or_else(|| panic!("{bug:?} is not caught"));
        assert!(caught.contains(word), "{bug:?}: {caught}");
    }
}

#[test]
fn the_same_seed_goes_the_same_walk() {
    for seed in 0..20 {
        let [mut one, mut other] = [Walk::new(seed, Bug::None), Walk::new(seed, Bug::None)];
        assert_eq!(one.go(), other.go());
        assert_eq!(one.carrier.log, other.carrier.log);
    }
}
