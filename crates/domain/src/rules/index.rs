//! For each field of a chain: which lines a value leaves in the race.
//!
//! The ends of all ranges that conditions ask for cut the values of a field into stretches;
//! within one stretch every value is the same to every line. So for each stretch the lines
//! are known beforehand, as bits, and a value costs one search for its stretch.

use super::number::Number;
use super::test::{Asks, Range, Test, TextKey, folded_of, is_empty, moment_of};
use crate::Value;
use std::cmp::Ordering;

/// Lines, each a bit.
pub(super) type Bits = Box<[u64]>;

/// One field.
#[derive(Debug)]
pub(super) struct Field {
    /// Lines that ask nothing of the field: what is not known about it is the same to them.
    pub(super) unasked: Bits,
    /// Lines that may still hold where the field is empty.
    empty: Bits,
    numbers: Option<Axis<Number>>,
    dates: Option<Axis<i64>>,
    texts: Option<Axis<TextKey>>,
    /// Every condition, for a field with several values.
    tests: Vec<(usize, Test)>,
}

/// The stretches of one nature of values.
#[derive(Debug)]
struct Axis<K> {
    /// In order, each once.
    ends: Vec<K>,
    /// Lines for the stretch before the first end, at it, behind it, at the second, …
    stretches: Vec<Bits>,
    /// For values that are not of this nature.
    other: Bits,
}

/// What a field leaves in the race, several sets of which each must have a line.
pub(super) enum Left<'a> {
    One(&'a Bits),
    Each([Option<&'a Bits>; 3]),
    Counted(Bits),
}

pub(super) fn words(lines: usize) -> usize {
    lines.div_ceil(64)
}

pub(super) fn all(lines: usize) -> Bits {
    let mut bits = vec![u64::MAX; words(lines)];
    let rest = lines % 64;
    if let (Some(last), true) = (bits.last_mut(), rest > 0) {
        *last = (1 << rest) - 1;
    }
    bits.into_boxed_slice()
}

fn clear(bits: &mut Bits, line: usize) {
    bits[line / 64] &= !(1 << (line % 64));
}

impl Field {
    pub(super) fn new(lines: usize, tests: Vec<(usize, Test)>) -> Self {
        let (mut unasked, mut empty) = (all(lines), all(lines));
        let (mut numbers, mut dates, mut texts) = (Vec::new(), Vec::new(), Vec::new());
        for (line, test) in &tests {
            clear(&mut unasked, *line);
            match &test.asks {
                // No text there is lies in no range at all.
                Asks::Nothing => texts.push((*line, [].as_slice())),
                Asks::Number(ranges) => numbers.push((*line, ranges.as_slice())),
                Asks::Date(ranges) => dates.push((*line, ranges.as_slice())),
                Asks::Text(ranges) => texts.push((*line, ranges.as_slice())),
            }
            if test.asks != Asks::Nothing {
                clear(&mut empty, *line);
            }
        }
        let (numbers, dates) = (Axis::new(lines, &numbers), Axis::new(lines, &dates));
        Self { unasked, empty, numbers, dates, texts: Axis::new(lines, &texts), tests }
    }

    pub(super) fn left(&self, value: Option<&Value>) -> Left<'_> {
        match value {
            None => Left::One(&self.empty),
            Some(value) if is_empty(value) => Left::One(&self.empty),
            Some(value @ Value::List(items)) => match items.as_slice() {
                [only] => self.left(Some(only)),
                _ => Left::Counted(self.counted(value)),
            },
            Some(value) => {
                let at = |axis: &Axis<Number>| {
                    Number::of(value).map(|key| axis.search(|own| own.cmp(&key)))
                };
                let numbers = self.numbers.as_ref().map(|axis| axis.lines(at(axis)));
                let at =
                    |axis: &Axis<i64>| moment_of(value).map(|key| axis.search(|own| own.cmp(&key)));
                let dates = self.dates.as_ref().map(|axis| axis.lines(at(axis)));
                let at = |axis: &Axis<TextKey>| {
                    folded_of(value).map(|key| axis.search(|own| own.cmp_text(&key)))
                };
                let texts = self.texts.as_ref().map(|axis| axis.lines(at(axis)));
                Left::Each([numbers, dates, texts])
            }
        }
    }

    /// For several values, of which each condition may be met by another: one by one.
    fn counted(&self, value: &Value) -> Bits {
        let lines = self.unasked.len() * 64;
        let mut left = all(lines);
        for (line, test) in &self.tests {
            if !test.holds(Some(value)) {
                clear(&mut left, *line);
            }
        }
        left
    }
}

impl Left<'_> {
    pub(super) fn word(&self, at: usize) -> u64 {
        match self {
            Self::One(bits) => bits[at],
            Self::Counted(bits) => bits[at],
            Self::Each(sets) => sets.iter().flatten().fold(u64::MAX, |left, bits| left & bits[at]),
        }
    }
}

impl<K: Ord + Clone> Axis<K> {
    /// `None` where no line asks for values of this nature.
    fn new(lines: usize, asked: &[(usize, &[Range<K>])]) -> Option<Self> {
        if asked.is_empty() {
            return None;
        }
        let ranges = asked.iter().flat_map(|(_, ranges)| ranges.iter());
        let mut ends: Vec<K> = ranges
            .flat_map(|range| [&range.from, &range.to])
            .filter_map(|end| end.as_ref().map(|(key, _)| key.clone()))
            .collect();
        ends.sort();
        ends.dedup();
        let mut other = all(lines);
        let mut stretches = vec![all(lines); 2 * ends.len() + 1];
        let place = |key: &K| ends.binary_search(key).unwrap_or_else(|at| at);
        for (line, ranges) in asked {
            clear(&mut other, *line);
            let mut covered = vec![false; stretches.len()];
            for range in *ranges {
                let from = range
                    .from
                    .as_ref()
                    .map_or(0, |(key, belongs)| 2 * place(key) + if *belongs { 1 } else { 2 });
                let to = range.to.as_ref().map_or(stretches.len(), |(key, belongs)| {
                    2 * place(key) + if *belongs { 2 } else { 1 }
                });
                covered.iter_mut().take(to).skip(from).for_each(|one| *one = true);
            }
            let out = stretches.iter_mut().zip(covered).filter(|(_, is_covered)| !is_covered);
            out.for_each(|(stretch, _)| clear(stretch, *line));
        }
        Some(Self { ends, stretches, other })
    }

    /// The stretch of a key whose order against an end `against` tells.
    fn search(&self, against: impl Fn(&K) -> Ordering) -> usize {
        match self.ends.binary_search_by(against) {
            Ok(at) => 2 * at + 1,
            Err(at) => 2 * at,
        }
    }

    fn lines(&self, stretch: Option<usize>) -> &Bits {
        stretch.map_or(&self.other, |at| &self.stretches[at])
    }
}
