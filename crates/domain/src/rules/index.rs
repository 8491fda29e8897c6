//! For each field of a chain: which lines a value leaves in the race.
//!
//! The ends of all ranges that conditions ask for cut the values of a field into stretches;
//! within one stretch every value is the same to every line. So for each stretch the lines
//! are known beforehand, as bits, and a value costs one search for its stretch.

use super::head::Head;
use super::number::Number;
use super::test::{
    Asks, Range, Test, TextKey, is_empty, moment, trimmed, with_folded, with_folded_text,
};
use crate::Value;
use std::borrow::Cow;
use std::cmp::Ordering;

/// Lines, each a bit.
pub(super) type Bits = Box<[Word]>;
/// The lines that are looked at in one step: all of a usual chain.
pub(super) type Word = u128;

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
    heads: Vec<K::Head>,
    /// In order, each once.
    ends: Vec<K>,
    /// Lines for the stretch before the first end, at it, behind it, at the second, …
    stretches: Vec<Word>,
    /// For values that are not of this nature; as long as each stretch.
    other: Bits,
}

/// A place among values of one nature.
trait Key: Ord + Clone + std::fmt::Debug {
    /// Of two keys the lesser one has no greater head.
    type Head: Copy + PartialOrd;

    fn head(&self) -> Self::Head;

    /// Is there but one key with this head?
    fn is_alone(head: Self::Head) -> bool;
}

/// Lines of a word.
pub(super) const WORD: usize = Word::BITS as usize;

/// Sets of lines, of which each must have a line.
#[derive(Debug, Default)]
pub(super) struct Sets<'a> {
    count: usize,
    usual: [&'a [Word]; USUAL],
    more: Vec<Cow<'a, [Word]>>,
}

/// Sets of a usual chain; more of them cost an allocation.
const USUAL: usize = 12;

impl<'a> Sets<'a> {
    pub(super) fn push(&mut self, set: &'a [Word]) {
        match self.usual.get_mut(self.count) {
            Some(place) => {
                *place = set;
                self.count += 1;
            }
            None => self.more.push(Cow::Borrowed(set)),
        }
    }

    /// What all of them have of a word; all of it where there are none.
    #[inline]
    pub(super) fn word(&self, at: usize) -> Word {
        let left = self.usual[..self.count].iter().fold(Word::MAX, |left, set| left & set[at]);
        self.more.iter().fold(left, |left, set| left & set[at])
    }
}

pub(super) fn all(lines: usize) -> Bits {
    let mut bits = vec![Word::MAX; lines.div_ceil(WORD)];
    let rest = lines % WORD;
    if let (Some(last), true) = (bits.last_mut(), rest > 0) {
        *last = (1 << rest) - 1;
    }
    bits.into_boxed_slice()
}

fn clear(bits: &mut Bits, line: usize) {
    bits[line / WORD] &= !(1 << (line % WORD));
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

    /// Puts the lines that a value leaves in the race to the others.
    #[inline]
    pub(super) fn left<'a>(&'a self, value: Option<&Value>, sets: &mut Sets<'a>) {
        match value {
            None => sets.push(&self.empty),
            Some(Value::Text(text)) => match trimmed(text) {
                "" => sets.push(&self.empty),
                text => self.left_of_text(text, sets),
            },
            Some(value @ Value::List(items)) => self.left_of_list(value, items, sets),
            Some(value) => self.left_of_plain(value, sets),
        }
    }

    #[inline]
    fn left_of_text<'a>(&'a self, text: &str, sets: &mut Sets<'a>) {
        if let Some(axis) = &self.numbers {
            sets.push(axis.lines(Number::parse(text).map(|key| axis.stretch(&key))));
        }
        if let Some(axis) = &self.dates {
            sets.push(axis.lines(moment(text).map(|key| axis.stretch(&key))));
        }
        if let Some(axis) = &self.texts {
            sets.push(axis.lines(Some(axis.stretch_of(text))));
        }
    }

    /// Of a number, or of yes or no.
    #[inline]
    fn left_of_plain<'a>(&'a self, value: &Value, sets: &mut Sets<'a>) {
        if let Some(axis) = &self.numbers {
            sets.push(axis.lines(Number::of(value).map(|key| axis.stretch(&key))));
        }
        if let Some(axis) = &self.dates {
            sets.push(axis.lines(None));
        }
        if let Some(axis) = &self.texts {
            sets.push(axis.lines(with_folded(value, |text| axis.stretch_of_folded(text))));
        }
    }

    #[cold]
    fn left_of_list<'a>(&'a self, list: &Value, items: &[Value], sets: &mut Sets<'a>) {
        match items {
            _ if items.iter().all(is_empty) => sets.push(&self.empty),
            [Value::Text(text)] => self.left_of_text(trimmed(text), sets),
            [only @ (Value::Integer(_) | Value::Number(_) | Value::Bool(_))] => {
                self.left_of_plain(only, sets);
            }
            _ => sets.more.push(Cow::Owned(self.counted(list))),
        }
    }

    /// For several values, of which each condition may be met by another: one by one.
    fn counted(&self, list: &Value) -> Vec<Word> {
        let mut left = all(self.unasked.len() * WORD);
        for (line, _) in self.tests.iter().filter(|(_, test)| !test.holds(Some(list))) {
            clear(&mut left, *line);
        }
        left.into_vec()
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
        let heads = ends.iter().map(Key::head).collect();
        let stretches = stretches.iter().flatten().copied().collect();
        Some(Self { heads, ends, stretches, other })
    }

    fn stretch(&self, key: &K) -> usize {
        self.search(key.head(), |own| own.cmp(key))
    }

    /// The stretch of a key with this head, whose order against an end `against` tells.
    fn search(&self, head: K::Head, against: impl Fn(&K) -> Ordering) -> usize {
        let from = self.heads.partition_point(|own| *own < head);
        let is_end = self.heads.get(from) == Some(&head);
        if K::is_alone(head) || !is_end {
            return 2 * from + usize::from(is_end);
        }
        let alike = self.heads[from..].partition_point(|own| *own == head);
        match self.ends[from..][..alike].binary_search_by(against) {
            Ok(at) => 2 * (from + at) + 1,
            Err(at) => 2 * (from + at),
        }
    }

    fn lines(&self, stretch: Option<usize>) -> &[Word] {
        let words = self.other.len();
        stretch.map_or(&self.other, |at| &self.stretches[at * words..][..words])
    }
}

impl Axis<TextKey> {
    fn stretch_of(&self, text: &str) -> usize {
        match Head::of_short(text) {
            Some(head) => self.search(head, |_| Ordering::Equal),
            None => with_folded_text(text, |text| self.stretch_of_folded(text)),
        }
    }

    fn stretch_of_folded(&self, text: &[u8]) -> usize {
        self.search(Head::of(text), |own| own.cmp_folded(text))
    }
}

impl Key for Number {
    type Head = u64;

    fn head(&self) -> u64 {
        self.head()
    }

    fn is_alone(head: u64) -> bool {
        Self::is_alone(head)
    }
}

impl Key for i64 {
    type Head = Self;

    fn head(&self) -> Self {
        *self
    }

    fn is_alone(_: Self) -> bool {
        true
    }
}

impl Key for TextKey {
    type Head = Head;

    fn head(&self) -> Head {
        match self.behind_all {
            true => Head::behind_all(self.text.as_bytes()),
            false => Head::of(self.text.as_bytes()),
        }
    }

    fn is_alone(head: Head) -> bool {
        head.is_whole()
    }
}
