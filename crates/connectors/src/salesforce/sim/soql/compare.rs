//! What equals, follows and resembles what: text without regard to case, null as SOQL
//! treats it.

use std::cmp::Ordering;

use super::super::store::packed::ValueRef;
use super::super::store::{clock, ids};
use super::lexer::Piece;
use super::parser::{Literal, Sign};

/// Whether a value (null is none) stands in that relation to the literal.
pub(super) fn compares(value: Option<ValueRef<'_>>, sign: Sign, literal: &Literal) -> bool {
    if let Literal::Days(from, to) = literal {
        return value.is_some_and(|value| in_days(value, sign, *from, *to));
    }
    let found = match (value, literal) {
        (None, Literal::Null) => Some(Ordering::Equal),
        // Nothing is less or greater than null, and everything differs from it.
        (None, _) | (_, Literal::Null) => return sign == Sign::NotEqual,
        (Some(value), literal) => against(value, literal),
    };
    let Some(found) = found else { return sign == Sign::NotEqual };
    match sign {
        Sign::Equal => found == Ordering::Equal,
        Sign::NotEqual => found != Ordering::Equal,
        Sign::Less => value.is_some() && found == Ordering::Less,
        Sign::LessOrEqual => value.is_some() && found != Ordering::Greater,
        Sign::Greater => value.is_some() && found == Ordering::Greater,
        Sign::GreaterOrEqual => value.is_some() && found != Ordering::Less,
    }
}

fn in_days(value: ValueRef<'_>, sign: Sign, from: i64, to: i64) -> bool {
    let day = match value {
        ValueRef::Date(day) => day,
        ValueRef::Time(at) => at.div_euclid(clock::DAY),
        _ => return false,
    };
    match sign {
        Sign::Equal => day >= from && day < to,
        Sign::NotEqual => day < from || day >= to,
        Sign::Less => day < from,
        Sign::LessOrEqual => day < to,
        Sign::Greater => day >= to,
        Sign::GreaterOrEqual => day >= from,
    }
}

fn against(value: ValueRef<'_>, literal: &Literal) -> Option<Ordering> {
    match (value, literal) {
        (ValueRef::Text(a), Literal::Text(b)) => Some(text_order(a, b)),
        (ValueRef::Id(prefix, row), Literal::Text(b)) => Some(ids::id(prefix, row).as_str().cmp(b)),
        (ValueRef::Bool(a), Literal::Bool(b)) => Some(a.cmp(b)),
        (ValueRef::Number(a), Literal::Number(b)) => a.partial_cmp(b),
        (ValueRef::Time(a), Literal::Time(b)) | (ValueRef::Date(a), Literal::Date(b)) => {
            Some(a.cmp(b))
        }
        _ => None,
    }
}

/// Which of two values of one field comes first.
pub(super) fn order(a: ValueRef<'_>, b: ValueRef<'_>) -> Option<Ordering> {
    match (a, b) {
        (ValueRef::Text(a), ValueRef::Text(b)) => Some(text_order(a, b)),
        (ValueRef::Id(_, a), ValueRef::Id(_, b)) => Some(a.cmp(&b)),
        (ValueRef::Bool(a), ValueRef::Bool(b)) => Some(a.cmp(&b)),
        (ValueRef::Number(a), ValueRef::Number(b)) => a.partial_cmp(&b),
        (ValueRef::Time(a), ValueRef::Time(b)) | (ValueRef::Date(a), ValueRef::Date(b)) => {
            Some(a.cmp(&b))
        }
        _ => None,
    }
}

/// Text is compared without regard to case.
fn text_order(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() {
        return a
            .bytes()
            .map(|byte| byte.to_ascii_lowercase())
            .cmp(b.bytes().map(|byte| byte.to_ascii_lowercase()));
    }
    a.to_lowercase().cmp(&b.to_lowercase())
}

/// Whether a text fits a pattern, without regard to case. Linear in both but for
/// going back to the last `%`.
pub(super) fn like(text: &str, pattern: &[Piece]) -> bool {
    let text: Vec<char> = text.chars().collect();
    let same = |a: char, b: char| a == b || a.to_lowercase().eq(b.to_lowercase());
    let (mut t, mut p) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(Piece::Any) => {
                back = Some((p, t));
                p += 1;
                continue;
            }
            Some(Piece::One) => {
                (t, p) = (t + 1, p + 1);
                continue;
            }
            Some(Piece::Char(c)) if same(*c, text[t]) => {
                (t, p) = (t + 1, p + 1);
                continue;
            }
            _ => {}
        }
        let Some((any, from)) = back else { return false };
        back = Some((any, from + 1));
        (t, p) = (from + 1, any + 1);
    }
    pattern[p..].iter().all(|piece| *piece == Piece::Any)
}
