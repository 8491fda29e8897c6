//! A chain's rules, made ready to answer in a moment.
//!
//! Lines of all rules stand in one row. Each field leaves some of them in the race
//! ([`super::index`]); the first that all fields leave wins. [`Compiled::verdicts`] says the
//! same line by line, for people, and a test holds the two together.

use super::index::{Bits, Field, Sets, WORD, all};
use super::test::Test;
use super::{Condition, Destination, Line, Misused, Rule, Source};
use crate::Value;

/// A field that somebody must be asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    pub source: Source,
    pub field: String,
}

/// What is known of a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Seen<'a> {
    /// It was asked for; `None` where it is missing, or the caller is known to nobody.
    Told(Option<&'a Value>),
    /// Its system has not answered.
    Unheard,
}

/// Which line it is, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Among the rules of the chain.
    pub rule: usize,
    /// Among the lines of that rule.
    pub line: usize,
}

/// What the rules come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The first line that holds.
    Line(Place),
    /// None holds.
    NoLine,
    /// Whether this one holds, and no line before does, depends on what was not heard.
    Undecided(Place),
}

/// What became of one condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Holds,
    Fails,
    /// The field's system has not answered.
    Unheard,
}

/// The rules of one chain.
#[derive(Debug)]
pub struct Compiled {
    rules: Vec<Rule>,
    slots: Vec<Slot>,
    fields: Vec<Field>,
    /// Of each line of the row.
    places: Vec<Place>,
    /// Every line.
    lines: Bits,
    /// Of each line its conditions: which slot, and what is asked of it.
    tests: Vec<Vec<(usize, Test)>>,
}

impl Compiled {
    /// The rules in order.
    ///
    /// # Errors
    /// The place of a condition whose values do not fit its operator: a rule that was
    /// checked has none.
    pub fn new(rules: Vec<Rule>) -> Result<Self, (Place, Misused)> {
        let (mut slots, mut places, mut tests) = (Vec::new(), Vec::new(), Vec::new());
        for (rule_at, rule) in rules.iter().enumerate() {
            for (line_at, line) in rule.lines.iter().enumerate() {
                let place = Place { rule: rule_at, line: line_at };
                let test = |condition: &Condition| {
                    let slot = Slot {
                        source: rule.source.clone(),
                        field: condition.field(rule).to_owned(),
                    };
                    let at = slots.iter().position(|own| *own == slot).unwrap_or_else(|| {
                        slots.push(slot);
                        slots.len() - 1
                    });
                    let test = Test::new(condition.operator, &condition.values);
                    test.map(|test| (at, test)).map_err(|wrong| (place, wrong))
                };
                tests.push(line.conditions.iter().map(test).collect::<Result<Vec<_>, _>>()?);
                places.push(place);
            }
        }
        let of_slot = |slot: usize| {
            let all = tests.iter().enumerate().flat_map(|(line, of_line)| {
                of_line
                    .iter()
                    .filter(move |(at, _)| *at == slot)
                    .map(move |(_, t)| (line, t.clone()))
            });
            Field::new(places.len(), all.collect())
        };
        let fields = (0..slots.len()).map(of_slot).collect();
        let lines = all(places.len());
        Ok(Self { rules, slots, fields, places, lines, tests })
    }

    /// What must be asked for, each once; [`Compiled::decide`] takes what was seen in this
    /// order.
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// The rules in order.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The line at a place, and its rule.
    #[must_use]
    pub fn at(&self, place: Place) -> Option<(&Rule, &Line)> {
        let rule = self.rules.get(place.rule)?;
        rule.lines.get(place.line).map(|line| (rule, line))
    }

    /// Where the line at a place leads.
    #[must_use]
    pub fn destination(&self, place: Place) -> Option<&Destination> {
        self.at(place).map(|(_, line)| &line.destination)
    }

    /// The first line that holds. What is missing from `seen` was not heard.
    #[must_use]
    pub fn decide(&self, seen: &[Seen<'_>]) -> Outcome {
        let mut sets = Sets::default();
        let mut all_told = seen.len() >= self.fields.len();
        for (field, one) in self.fields.iter().zip(seen) {
            match one {
                Seen::Told(value) => field.left(*value, &mut sets),
                Seen::Unheard => all_told = false,
            }
        }
        for (word, lines) in self.lines.iter().enumerate() {
            let possible = lines & sets.word(word);
            if possible == 0 {
                continue;
            }
            let bit = possible.trailing_zeros();
            let place = self.places[word * WORD + bit as usize];
            let is_certain = all_told || {
                let is_told = |at| matches!(seen.get(at), Some(Seen::Told(_)));
                let unasked = |field: &Field| field.unasked[word] >> bit & 1 == 1;
                self.fields.iter().enumerate().all(|(at, field)| is_told(at) || unasked(field))
            };
            return if is_certain { Outcome::Line(place) } else { Outcome::Undecided(place) };
        }
        Outcome::NoLine
    }

    /// What becomes of every condition of every line, in order.
    #[must_use]
    pub fn verdicts(&self, seen: &[Seen<'_>]) -> Vec<(Place, Vec<(usize, Verdict)>)> {
        let of_line = |(place, tests): (&Place, &Vec<(usize, Test)>)| {
            let verdict = |(slot, test): &(usize, Test)| {
                let verdict = match seen.get(*slot) {
                    Some(Seen::Told(value)) if test.holds(*value) => Verdict::Holds,
                    Some(Seen::Told(_)) => Verdict::Fails,
                    Some(Seen::Unheard) | None => Verdict::Unheard,
                };
                (*slot, verdict)
            };
            (*place, tests.iter().map(verdict).collect())
        };
        self.places.iter().zip(&self.tests).map(of_line).collect()
    }
}
