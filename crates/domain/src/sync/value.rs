//! Makes values of two systems comparable: the same thing said twice is one value.
//!
//! What a value cannot be read as, it stays, without its outer space: a number typed as
//! "ask at the desk" is still somebody's edit. Making canonical twice changes nothing.

use crate::sync::Kind;
use crate::{Numbering, Timestamp, Value};

/// Stands between a number and its extension.
pub(super) const EXTENSION: &str = " ext. ";

/// The value as it is compared, kept and written; `None`: empty, which text of spaces and a
/// list of nothing are too.
///
/// - `Text`: outer space off, one kind of line end; numbers and yes or no as text;
/// - `Email`: also in lower case;
/// - `Phone`: E.164, with ` ext. 12` where there is an extension;
/// - `Number`: a whole one where it is one; `Bool`: also from `true`, `yes`, `1` and kin;
/// - `Date`: `2026-11-21`, of a time the day that is written there;
/// - `Moment`: RFC 3339 in UTC, whole seconds (not every system keeps more);
/// - `Tags`: sorted, each once; a text is cut at `;` and `,`.
#[must_use]
pub fn canonical(kind: Kind, value: Option<Value>, numbers: Numbering) -> Option<Value> {
    match value? {
        Value::Number(number) if !number.is_finite() => None,
        value if kind == Kind::Tags => tags(value, numbers),
        Value::List(mut items) if items.len() <= 1 => canonical(kind, items.pop(), numbers),
        Value::List(items) => {
            let items: Vec<Value> =
                items.into_iter().filter_map(|item| canonical(kind, Some(item), numbers)).collect();
            if items.len() > 1 { Some(Value::List(items)) } else { items.into_iter().next() }
        }
        single => scalar(kind, single, numbers),
    }
}

fn scalar(kind: Kind, value: Value, numbers: Numbering) -> Option<Value> {
    let value = match value {
        Value::Text(text) if text.trim().is_empty() => return None,
        Value::Number(number) => whole(number).map_or(Value::Number(number), Value::Integer),
        other => other,
    };
    let read = match kind {
        Kind::Number => number(&value),
        Kind::Bool => truth(&value),
        Kind::Moment => moment(&value),
        Kind::Date => day(&value),
        Kind::Phone => phone(&as_text(&value), numbers),
        Kind::Email => Some(Value::Text(as_text(&value).to_lowercase())),
        Kind::Text | Kind::Tags => None,
    };
    Some(read.unwrap_or_else(|| Value::Text(as_text(&value))))
}

/// The value as people would type it, without outer space.
fn as_text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.replace("\r\n", "\n").replace('\r', "\n").trim().to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::List(_) => String::new(),
    }
}

/// Floats below 2⁵³ hold whole numbers exactly.
#[allow(clippy::cast_possible_truncation)] // whole, and within 64 bits
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0).then_some(number as i64)
}

/// Digits that a float is sure to keep. A longer number stays text, where it is not whole
/// and within 64 bits: a float would take one long number for another.
const DIGITS_MAX: usize = 15;

fn number(value: &Value) -> Option<Value> {
    let text = match value {
        Value::Integer(_) | Value::Number(_) => return Some(value.clone()),
        Value::Text(text) => text.trim(),
        Value::Bool(_) | Value::List(_) => return None,
    };
    if let Ok(whole) = text.parse() {
        return Some(Value::Integer(whole));
    }
    let is_plain = text.bytes().all(|b| b.is_ascii_digit() || b"+-.".contains(&b));
    if !is_plain || text.len() > DIGITS_MAX {
        return None;
    }
    let read: f64 = text.parse().ok()?;
    Some(whole(read).map_or(Value::Number(read), Value::Integer))
}

fn truth(value: &Value) -> Option<Value> {
    let truth = match value {
        Value::Bool(truth) => *truth,
        Value::Integer(1) => true,
        Value::Integer(0) => false,
        Value::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => true,
            "false" | "no" | "0" => false,
            _ => return None,
        },
        _ => return None,
    };
    Some(Value::Bool(truth))
}

fn moment(value: &Value) -> Option<Value> {
    let at = match value {
        Value::Integer(ms) => Timestamp(*ms),
        Value::Text(text) => Timestamp::parse(text).or_else(|| written_day(text.trim()))?,
        _ => return None,
    };
    let seconds = at.0.div_euclid(1_000).checked_mul(1_000)?;
    let text = Timestamp(seconds).to_string();
    // Years that the form cannot hold stay as they were told.
    (Timestamp::parse(&text) == Some(Timestamp(seconds))).then_some(Value::Text(text))
}

fn day(value: &Value) -> Option<Value> {
    let day = match value {
        // Midnight of the day in UTC, as systems that count milliseconds keep days.
        Value::Integer(ms) => match moment(&Value::Integer(*ms))? {
            Value::Text(text) => text.get(..10)?.to_owned(),
            _ => return None,
        },
        Value::Text(text) => {
            let text = text.trim();
            written_day(text.get(..10)?)?;
            let is_day = text.len() == 10 || Timestamp::parse(text).is_some();
            is_day.then(|| text[..10].to_owned())?
        }
        _ => return None,
    };
    Some(Value::Text(day))
}

/// The first moment of `2026-11-21`.
fn written_day(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let part = |from: usize, to: usize| -> Option<i64> {
        let part = text.get(from..to)?;
        part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok())?
    };
    Timestamp::of_day(part(0, 4)?, part(5, 7)?, part(8, 10)?)
}

fn phone(text: &str, numbers: Numbering) -> Option<Value> {
    let phone = numbers.read(text)?;
    Some(Value::Text(match phone.extension {
        Some(extension) => format!("{}{EXTENSION}{extension}", phone.e164),
        None => phone.e164,
    }))
}

fn tags(value: Value, numbers: Numbering) -> Option<Value> {
    let mut tags: Vec<String> = match value {
        Value::List(items) => items
            .into_iter()
            .filter_map(|item| canonical(Kind::Text, Some(item), numbers))
            .map(|item| as_text(&item))
            .collect(),
        Value::Text(text) => text.split([';', ',']).map(|tag| as_text(&tag.into())).collect(),
        single => scalar(Kind::Text, single, numbers).iter().map(as_text).collect(),
    };
    tags.retain(|tag| !tag.is_empty());
    tags.sort_unstable();
    tags.dedup();
    let tags: Vec<Value> = tags.into_iter().map(Value::Text).collect();
    (!tags.is_empty()).then_some(Value::List(tags))
}

#[cfg(test)]
mod tests;
