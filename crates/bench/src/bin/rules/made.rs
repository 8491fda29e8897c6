//! Makes up a chain as a contact center of some size has one, and callers for it.
//!
//! The lines are five kinds in turn: segment and tier; a region of account numbers with open
//! invoices; a band of revenue; old customers of some segments; those who came in one span of
//! days, by tier. The last line takes whoever has a tier. The more lines, the narrower each,
//! so that about one caller in three is left for the last. The same scene for the same size.

use crate::scene::{Condition, Line, Scene};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Callers of a scene.
pub(crate) const CALLERS: usize = 1_024;
/// Callers made up, of whom a scene may take only those of the last line.
const MADE: usize = 8 * CALLERS;
const TIERS: [&str; 4] = ["Bronze", "Silver", "Gold", "Platinum"];
const TRADES: [&str; 4] = ["Retail", "Trade", "Health", "Public"];
const COUNTRIES: [&str; 4] = ["DE", "AT", "CH", "LI"];
const REVENUE_MAX: f64 = 1_000_000.0;
/// Every month has as many days as the shortest: 26 years of them.
const DAYS: u64 = 26 * 12 * 28;

/// A scene whose answers are still to be found.
pub(crate) fn scene(lines: usize) -> Result<Scene, String> {
    if !(10..=domain::rules::LINES_MAX).contains(&lines) {
        return Err(format!("{lines} lines: from 10 to {}", domain::rules::LINES_MAX));
    }
    let mut world = World { random: Random(7), size: lines as u64 };
    let mut all: Vec<Line> = (0..lines - 1).map(|nth| world.line(nth)).collect();
    all.push(Line { conditions: vec![condition("tier", "in", &TIERS)] });
    let callers = (0..MADE).map(|_| world.caller()).collect();
    Ok(Scene { lines: all, callers, answers: Vec::new() })
}

struct World {
    random: Random,
    /// Lines of the chain: as much as there is of everything.
    size: u64,
}

impl World {
    fn line(&mut self, nth: usize) -> Line {
        let conditions = match nth % 5 {
            0 => vec![
                condition("segment", "=", &[&self.segment()]),
                condition("tier", "=", &[self.random.of(&TIERS)]),
            ],
            1 => vec![
                condition("account", "starts with", &[&self.region()]),
                condition("openInvoices", ">", &[&self.random.below(20).to_string()]),
            ],
            2 => {
                let from = self.random.below(1_000_000);
                let to = from + 1_000_000 / self.size;
                vec![
                    condition("revenue", ">=", &[&from.to_string()]),
                    condition("revenue", "<", &[&to.to_string()]),
                ]
            }
            3 => {
                let segments = [self.segment(), self.segment(), self.segment()];
                vec![
                    condition("segment", "in", &segments.each_ref().map(String::as_str)),
                    condition("customerSince", "<", &[&day(self.random.below(DAYS / 3))]),
                ]
            }
            _ => {
                let from = self.random.below(DAYS);
                let to = from + 2 * DAYS / self.size;
                vec![
                    condition("customerSince", ">=", &[&day(from)]),
                    condition("customerSince", "<", &[&day(to)]),
                    condition("tier", "=", &[self.random.of(&TIERS)]),
                ]
            }
        };
        Line { conditions }
    }

    /// A caller of whom each thing is known mostly.
    fn caller(&mut self) -> BTreeMap<String, Value> {
        let account = format!("{}-{:05}", self.region(), self.random.below(100_000));
        let revenue = self.random.below(100_000_000) as f64 * REVENUE_MAX / 1e8;
        let all = [
            ("tier", json!(self.random.of(&TIERS))),
            ("segment", json!(self.segment())),
            ("account", json!(account)),
            ("openInvoices", json!(self.random.below(40))),
            ("revenue", json!(revenue)),
            ("customerSince", json!(day(self.random.below(DAYS)))),
        ];
        let known = all.into_iter().filter(|_| self.random.below(20) > 0);
        known.map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Such as `Retail 17`.
    fn segment(&mut self) -> String {
        format!("{} {}", self.random.of(&TRADES), self.random.below(self.size / 10))
    }

    /// The beginning of an account number, such as `DE-017`.
    fn region(&mut self) -> String {
        format!("{}-{:03}", self.random.of(&COUNTRIES), self.random.below(self.size / 10))
    }
}

fn condition(field: &str, operator: &str, values: &[&str]) -> Condition {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    Condition { field: field.to_owned(), operator: operator.to_owned(), values }
}

fn day(nth: u64) -> String {
    format!("{:04}-{:02}-{:02}", 2000 + nth / 336, 1 + nth / 28 % 12, 1 + nth % 28)
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn of(&mut self, all: &[&'static str; 4]) -> &'static str {
        all[(self.next() % 4) as usize]
    }
}
