//! For each field of a chain: which lines a value leaves in the race.
//!
//! The ends of all ranges that conditions ask for cut the values of a field into stretches;
//! within one stretch every value is the same to every line. So for each stretch the lines
//! are known beforehand, as bits, and a value costs one search for its stretch.

use super::number::Number;
use super::test::{Asks, Range, Test, TextKey, is_empty, moment_of, with_folded};
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
struct Axis<K: Key> {
    /// Of each end its beginning: most searches need no more.
    heads: Heads<K::Head>,
    /// In order, each once.
    ends: Vec<K>,
    /// Lines for the stretch before the first end, at it, behind it, at the second, …
    stretches: Vec<u64>,
    /// For values that are not of this nature; as long as each stretch.
    other: Bits,
}

/// Heads in order, in blocks; over them the last of each block, and so on up to one block.
/// Within a block all are compared: halving would have the processor guess, and half of its
/// guesses about callers would be wrong.
#[derive(Debug)]
struct Heads<H> {
    /// The finest first. Behind the last head stands the greatest there is, once at least, so
    /// that no search leaves a level.
    levels: Vec<Vec<[H; BLOCK]>>,
}

const BLOCK: usize = 8;

/// A place among values of one nature.
trait Key: Ord + Clone + std::fmt::Debug {
    /// Of two keys the lesser one has no greater head.
    type Head: Copy + Ord;
    /// No head is greater.
    const LAST: Self::Head;

    fn head(&self) -> Self::Head;
}

/// Sets of lines, of which each must have a line.
#[derive(Debug, Default)]
pub(super) struct Sets<'a> {
    count: usize,
    usual: [&'a [u64]; USUAL],
    more: Vec<&'a [u64]>,
}

/// Sets of a usual chain; more of them cost an allocation.
const USUAL: usize = 12;

impl<'a> Sets<'a> {
    pub(super) fn push(&mut self, set: &'a [u64]) {
        match self.usual.get_mut(self.count) {
            Some(place) => {
                *place = set;
                self.count += 1;
            }
            None => self.more.push(set),
        }
    }

    /// What all of them have of a word of `full`.
    pub(super) fn word(&self, at: usize, full: u64) -> u64 {
        let both = |left: u64, set: &&[u64]| left & set[at];
        let left = self.usual[..self.count].iter().fold(full, both);
        self.more.iter().fold(left, both)
    }
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

    /// Puts the lines that a value leaves in the race to the others. `false`: several values
    /// need a set of their own, which [`Field::counted`] makes.
    pub(super) fn left<'a>(&'a self, value: Option<&Value>, sets: &mut Sets<'a>) -> bool {
        let Some(value) = value.filter(|value| !is_empty(value)) else {
            sets.push(&self.empty);
            return true;
        };
        let value = match value {
            Value::List(items) => match items.as_slice() {
                [Value::List(_)] => return false,
                [only] => only,
                _ => return false,
            },
            value => value,
        };
        self.left_of_one(value, sets);
        true
    }

    fn left_of_one<'a>(&'a self, value: &Value, sets: &mut Sets<'a>) {
        if let Some(axis) = &self.numbers {
            let stretch =
                Number::of(value).map(|key| axis.search(Key::head(&key), |own| own.cmp(&key)));
            sets.push(axis.lines(stretch));
        }
        if let Some(axis) = &self.dates {
            let stretch =
                moment_of(value).map(|key| axis.search(Key::head(&key), |own| own.cmp(&key)));
            sets.push(axis.lines(stretch));
        }
        if let Some(axis) = &self.texts {
            let stretch = with_folded(value, |text| {
                axis.search(head_of(text, 0), |own| own.cmp_folded(text))
            });
            sets.push(axis.lines(stretch));
        }
    }

    /// For several values, of which each condition may be met by another: one by one.
    pub(super) fn counted(&self, value: Option<&Value>) -> Bits {
        let lines = self.unasked.len() * 64;
        let mut left = all(lines);
        for (line, test) in &self.tests {
            if !test.holds(value) {
                clear(&mut left, *line);
            }
        }
        left
    }
}

impl<K: Key> Axis<K> {
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
        let heads = Heads::new(ends.iter().map(Key::head).collect(), K::LAST);
        let stretches = stretches.iter().flatten().copied().collect();
        Some(Self { heads, ends, stretches, other })
    }

    /// The stretch of a key with this head, whose order against an end `against` tells.
    fn search(&self, head: K::Head, against: impl Fn(&K) -> Ordering) -> usize {
        let from = self.heads.search(head);
        if from >= self.ends.len() || self.heads.at(from) != head {
            return 2 * from;
        }
        let to = match self.heads.at(from + 1) == head {
            true => from + self.alike(from, head),
            false => from + 1,
        };
        match self.ends[from..to].binary_search_by(against) {
            Ok(at) => 2 * (from + at) + 1,
            Err(at) => 2 * (from + at),
        }
    }

    /// How many ends from here on have this head.
    fn alike(&self, from: usize, head: K::Head) -> usize {
        self.ends[from..].partition_point(|end| end.head() == head)
    }

    fn lines(&self, stretch: Option<usize>) -> &[u64] {
        let words = self.other.len();
        stretch.map_or(&self.other, |at| &self.stretches[at * words..][..words])
    }
}

impl Key for Number {
    type Head = u64;
    const LAST: u64 = u64::MAX;

    fn head(&self) -> u64 {
        self.head()
    }
}

impl Key for i64 {
    type Head = Self;
    const LAST: Self = Self::MAX;

    fn head(&self) -> Self {
        *self
    }
}

impl Key for TextKey {
    type Head = u128;
    const LAST: u128 = u128::MAX;

    fn head(&self) -> u128 {
        // No text has this byte, so it is behind all that begin with it.
        head_of(self.text.as_bytes(), if self.behind_all { u8::MAX } else { 0 })
    }
}

/// The first bytes of a text, and behind a shorter one as many others.
fn head_of(text: &[u8], others: u8) -> u128 {
    let mut head = [others; 16];
    match text.first_chunk() {
        Some(first) => head = *first,
        None => head.iter_mut().zip(text).for_each(|(own, byte)| *own = *byte),
    }
    u128::from_be_bytes(head)
}

impl<H: Copy + Ord> Heads<H> {
    fn new(mut heads: Vec<H>, last: H) -> Self {
        let mut levels = Vec::new();
        loop {
            heads.resize((heads.len() / BLOCK + 1) * BLOCK, last);
            let blocks = heads.as_chunks().0.to_vec();
            heads = blocks.iter().map(|block: &[H; BLOCK]| block[BLOCK - 1]).collect();
            levels.push(blocks);
            if heads.len() == 1 {
                return Self { levels };
            }
        }
    }

    /// The place of the first that is not less.
    fn search(&self, head: H) -> usize {
        self.levels.iter().rev().fold(0, |block, level| {
            let less = level[block].iter().map(|own| usize::from(*own < head));
            block * BLOCK + less.sum::<usize>()
        })
    }

    fn at(&self, place: usize) -> H {
        self.levels[0][place / BLOCK][place % BLOCK]
    }
}
