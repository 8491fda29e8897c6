//! What one condition asks of a value, and what the two are compared as.
//!
//! The rule's own value decides: one that is written as a number compares as a number, one
//! written as a date or a time as such, and everything else as text without regard to case
//! and outer space. A value of another nature than the rule's is simply not equal, nor
//! less, nor greater.

use super::number::Number;
use super::{Operator, VALUES_MAX};
use crate::{Timestamp, Value};
use std::borrow::Cow;
use std::cmp::Ordering;

/// What a field and a rule's value are compared as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Comparison {
    Number,
    /// A day of UTC (`2026-11-22`) or a moment; a day is all moments of it.
    Date,
    Text,
}

/// A condition, ready to be asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    pub(super) asks: Asks,
    /// The operator takes several values of a field, of which any may hold.
    takes_any: bool,
}

/// Ranges of keys in which a value must lie.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Asks {
    /// For nothing at all.
    Nothing,
    Number(Vec<Range<Number>>),
    Date(Vec<Range<i64>>),
    Text(Vec<Range<TextKey>>),
}

/// From one key to another; each end belongs to it or not.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Range<K> {
    pub(super) from: Option<(K, bool)>,
    pub(super) to: Option<(K, bool)>,
}

/// A place among texts: a text itself, or behind every text that begins with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TextKey {
    pub(super) text: String,
    pub(super) behind_all: bool,
}

/// Why a condition asks for nothing that could be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misused {
    /// The operator needs a value.
    NoValue,
    /// The operator takes one value, or none.
    TooManyValues,
    /// A value is empty: what is empty is asked for by [`Operator::IsEmpty`].
    EmptyValue,
}

const DAY_MS: i64 = 86_400_000;

impl Comparison {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Date => "date",
            Self::Text => "text",
        }
    }

    /// What these values are compared as: the one nature that all of them have.
    #[must_use]
    pub fn of(operator: Operator, values: &[String]) -> Self {
        let all = |is: fn(&str) -> bool| !values.is_empty() && values.iter().all(|v| is(v.trim()));
        match operator {
            Operator::StartsWith | Operator::IsEmpty => Self::Text,
            _ if all(|text| Number::parse(text).is_some()) => Self::Number,
            _ if all(|text| Moment::parse(text).is_some()) => Self::Date,
            _ => Self::Text,
        }
    }
}

impl Test {
    /// The test of a condition.
    ///
    /// # Errors
    /// Where its values do not fit its operator.
    pub fn new(operator: Operator, values: &[String]) -> Result<Self, Misused> {
        let fits = match operator {
            Operator::IsEmpty => values.is_empty(),
            Operator::In => values.len() <= VALUES_MAX,
            _ => values.len() <= 1,
        };
        if !fits {
            return Err(Misused::TooManyValues);
        }
        if operator == Operator::IsEmpty {
            return Ok(Self { asks: Asks::Nothing, takes_any: false });
        }
        if values.is_empty() {
            return Err(Misused::NoValue);
        }
        if values.iter().any(|value| value.trim().is_empty()) {
            return Err(Misused::EmptyValue);
        }
        let trimmed = values.iter().map(|value| value.trim());
        let asks = match Comparison::of(operator, values) {
            Comparison::Number => Asks::Number(
                trimmed.filter_map(Number::parse).map(|key| Range::around(operator, key)).collect(),
            ),
            Comparison::Date => Asks::Date(
                trimmed.filter_map(Moment::parse).map(|moment| moment.range(operator)).collect(),
            ),
            Comparison::Text => Asks::Text(trimmed.map(|text| of_text(operator, text)).collect()),
        };
        let takes_any = matches!(operator, Operator::Equal | Operator::In | Operator::StartsWith);
        Ok(Self { asks, takes_any })
    }

    /// Does it hold of what a field has? `None` stands for a missing field.
    #[must_use]
    pub fn holds(&self, value: Option<&Value>) -> bool {
        let Some(value) = value.filter(|value| !is_empty(value)) else {
            return self.asks == Asks::Nothing;
        };
        match value {
            Value::List(items) => match items.as_slice() {
                [only] => self.holds(Some(only)),
                several => self.takes_any && several.iter().any(|one| self.holds(Some(one))),
            },
            value => self.holds_of_one(value),
        }
    }

    fn holds_of_one(&self, value: &Value) -> bool {
        match &self.asks {
            Asks::Nothing => false,
            Asks::Number(ranges) => Number::of(value)
                .is_some_and(|key| ranges.iter().any(|range| range.has(|own| own.cmp(&key)))),
            Asks::Date(ranges) => moment_of(value)
                .is_some_and(|key| ranges.iter().any(|range| range.has(|own| own.cmp(&key)))),
            Asks::Text(ranges) => with_folded(value, |key| {
                ranges.iter().any(|range| range.has(|own| own.cmp_folded(key)))
            })
            .unwrap_or(false),
        }
    }

    /// What it compares as.
    #[must_use]
    pub fn comparison(&self) -> Comparison {
        match self.asks {
            Asks::Number(_) => Comparison::Number,
            Asks::Date(_) => Comparison::Date,
            Asks::Text(_) | Asks::Nothing => Comparison::Text,
        }
    }
}

/// Nothing but space, or nothing at all.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Text(text) => trimmed(text).is_empty(),
        Value::List(items) => items.iter().all(is_empty),
        Value::Integer(_) | Value::Number(_) | Value::Bool(_) => false,
    }
}

impl<K> Range<K> {
    /// Is the key in it whose order against an end `against` tells?
    fn has(&self, against: impl Fn(&K) -> Ordering) -> bool {
        let behind_start = self.from.as_ref().is_none_or(|(end, belongs)| match against(end) {
            Ordering::Less => true,
            Ordering::Equal => *belongs,
            Ordering::Greater => false,
        });
        behind_start
            && self.to.as_ref().is_none_or(|(end, belongs)| match against(end) {
                Ordering::Greater => true,
                Ordering::Equal => *belongs,
                Ordering::Less => false,
            })
    }
}

impl<K: Clone> Range<K> {
    fn around(operator: Operator, key: K) -> Self {
        match operator {
            Operator::Less => Self { from: None, to: Some((key, false)) },
            Operator::LessOrEqual => Self { from: None, to: Some((key, true)) },
            Operator::Greater => Self { from: Some((key, false)), to: None },
            Operator::GreaterOrEqual => Self { from: Some((key, true)), to: None },
            Operator::Equal | Operator::In | Operator::StartsWith | Operator::IsEmpty => {
                Self { from: Some((key.clone(), true)), to: Some((key, true)) }
            }
        }
    }
}

fn of_text(operator: Operator, text: &str) -> Range<TextKey> {
    let text = folded(text).into_owned();
    let key = TextKey { text: text.clone(), behind_all: false };
    match operator {
        Operator::StartsWith => {
            Range { from: Some((key, true)), to: Some((TextKey { text, behind_all: true }, false)) }
        }
        operator => Range::around(operator, key),
    }
}

impl TextKey {
    /// The order against a folded text.
    pub(super) fn cmp_folded(&self, text: &[u8]) -> Ordering {
        let own = self.text.as_bytes();
        match self.behind_all && text.starts_with(own) {
            true => Ordering::Greater,
            false => own.cmp(text),
        }
    }
}

impl PartialOrd for TextKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TextKey {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.behind_all, other.behind_all) {
            (_, false) => self.cmp_folded(other.text.as_bytes()),
            (false, true) => other.cmp_folded(self.text.as_bytes()).reverse(),
            (true, true) if self.text == other.text => Ordering::Equal,
            // Of two ends the one of the longer text lies within the other's texts.
            (true, true) if self.text.starts_with(&other.text) => Ordering::Less,
            (true, true) if other.text.starts_with(&self.text) => Ordering::Greater,
            (true, true) => self.text.cmp(&other.text),
        }
    }
}

/// A day or a moment that somebody wrote.
struct Moment {
    from: i64,
    is_day: bool,
}

impl Moment {
    fn parse(text: &str) -> Option<Self> {
        if let Some(from) = day(text) {
            return Some(Self { from, is_day: true });
        }
        Timestamp::parse(text).map(|at| Self { from: at.0, is_day: false })
    }

    fn range(&self, operator: Operator) -> Range<i64> {
        if !self.is_day {
            return Range::around(operator, self.from);
        }
        let (first, next) = (self.from, self.from.saturating_add(DAY_MS));
        match operator {
            Operator::Less => Range { from: None, to: Some((first, false)) },
            Operator::LessOrEqual => Range { from: None, to: Some((next, false)) },
            Operator::Greater => Range { from: Some((next, true)), to: None },
            Operator::GreaterOrEqual => Range { from: Some((first, true)), to: None },
            _ => Range { from: Some((first, true)), to: Some((next, false)) },
        }
    }
}

/// The first moment of `2026-11-22`, in UTC; `None` for a day that no month has.
fn day(text: &str) -> Option<i64> {
    let digits: &[u8; 10] = text.as_bytes().try_into().ok()?;
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = digits else { return None };
    if ![y1, y2, y3, y4, m1, m2, d1, d2].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |tens: u8, ones: u8| i64::from((tens - b'0') * 10 + ones - b'0');
    let year = number(y1, y2) * 100 + number(y3, y4);
    Timestamp::of_day(year, number(m1, m2), number(d1, d2)).map(|at| at.0)
}

/// The moment, or the first of the day, that a text without outer space names.
pub(super) fn moment(text: &str) -> Option<i64> {
    Moment::parse(text).map(|moment| moment.from)
}

fn moment_of(value: &Value) -> Option<i64> {
    match value {
        Value::Text(text) => moment(trimmed(text)),
        Value::Integer(_) | Value::Number(_) | Value::Bool(_) | Value::List(_) => None,
    }
}

/// A text as it is compared.
pub(super) fn folded(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    match text.bytes().any(|byte| !byte.is_ascii() || byte.is_ascii_uppercase()) {
        true => Cow::Owned(text.to_lowercase()),
        false => Cow::Borrowed(text),
    }
}

/// What `ask` says of a single value as a text that is compared; `None` of several.
pub(super) fn with_folded<T>(value: &Value, ask: impl FnOnce(&[u8]) -> T) -> Option<T> {
    match value {
        Value::Text(text) => Some(with_folded_text(trimmed(text), ask)),
        Value::Integer(number) => Some(ask(number.to_string().as_bytes())),
        Value::Number(number) => Some(ask(number.to_string().as_bytes())),
        Value::Bool(true) => Some(ask(b"true")),
        Value::Bool(false) => Some(ask(b"false")),
        Value::List(_) => None,
    }
}

/// Short plain texts, which most are, need no allocation.
pub(super) fn with_folded_text<T>(text: &str, ask: impl FnOnce(&[u8]) -> T) -> T {
    let mut short = [0; 32];
    if let Some(folded) = short.get_mut(..text.len()) {
        let mut all = 0;
        for (own, byte) in folded.iter_mut().zip(text.bytes()) {
            *own = byte.to_ascii_lowercase();
            all |= byte;
        }
        if all.is_ascii() {
            return ask(folded);
        }
    }
    ask(folded(text).as_bytes())
}

/// Without outer space, of which most have none.
pub(super) fn trimmed(text: &str) -> &str {
    let is_mark = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_graphic);
    match is_mark(text.as_bytes().first()) && is_mark(text.as_bytes().last()) {
        true => text,
        false => text.trim(),
    }
}
