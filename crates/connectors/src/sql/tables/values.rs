//! What a sync holds ⇄ what a column takes; pure.
//!
//! A value that its column does not take is refused here and by the column's name: left to
//! the engine, one would cut it, another make a nought of it, a third keep it as it came.

use super::JSON;
use super::shape::{Column, Holds, Shape};
use crate::sql::cell::Cell;
use crate::sql::queries::invalid;
use crate::sql::statement::{Argument, Dialect};
use domain::Timestamp;
use kit::Error;
use serde_json::Value as Json;

impl Shape {
    /// What is bound for a value.
    ///
    /// # Errors
    /// `Invalid` naming the column, never the value (invariant 9).
    pub(super) fn argument(&self, column: &Column, value: &Json) -> Result<Argument, Error> {
        let refused = |reason: &str| invalid(&column.name, reason);
        if value.is_null() {
            return match column.is_nullable {
                true => Ok(Argument::Null),
                false => Err(refused("may not be empty")),
            };
        }
        let text = scalar(value);
        let text = text.as_deref();
        let argument = match column.holds {
            Holds::Text | Holds::Other | Holds::Bytes => Argument::Text(self.text(column, value)?),
            Holds::Integer => {
                let whole = text.and_then(whole).ok_or_else(|| refused("holds whole numbers"))?;
                self.integer(whole)
            }
            Holds::Number => {
                let digits = text.filter(|text| is_number(text));
                Argument::Text(digits.ok_or_else(|| refused("holds numbers"))?.to_owned())
            }
            Holds::Bool => {
                let truth = text.and_then(truth).ok_or_else(|| refused("holds yes or no"))?;
                match self.dialect {
                    Dialect::PostgreSql => Argument::Text(truth.to_string()),
                    _ => Argument::Integer(i64::from(truth)),
                }
            }
            Holds::Date => {
                let day = text.and_then(|text| text.get(..10)).filter(|day| is_day(day));
                Argument::Text(day.ok_or_else(|| refused("holds days"))?.to_owned())
            }
            Holds::Moment { zoned } => {
                let moment = text.and_then(moment).ok_or_else(|| refused("holds times"))?;
                // Only these two take a zone; elsewhere it is UTC as it stands.
                let has_zone = zoned && self.dialect != Dialect::MySql;
                Argument::Text(if has_zone { format!("{moment}Z") } else { moment })
            }
            Holds::Json => Argument::Text(value.to_string()),
            Holds::List => Argument::Text(array(value).ok_or_else(|| refused("holds lists"))?),
            Holds::Uuid => {
                let id = text.filter(|text| is_uuid(text));
                Argument::Text(id.ok_or_else(|| refused("holds uuids"))?.to_owned())
            }
        };
        match &argument {
            Argument::Text(text) if text.contains('\0') => Err(refused("takes no NUL character")),
            _ => Ok(argument),
        }
    }

    fn integer(&self, whole: i64) -> Argument {
        match self.dialect {
            Dialect::PostgreSql => Argument::Text(whole.to_string()),
            _ => Argument::Integer(whole),
        }
    }

    /// Text, or a list as one text.
    fn text(&self, column: &Column, value: &Json) -> Result<String, Error> {
        let text = match value {
            Json::Array(_) if self.table.separator == JSON => Some(value.to_string()),
            Json::Array(all) => {
                let parts: Option<Vec<String>> = all.iter().map(scalar).collect();
                parts.map(|parts| parts.join(&self.table.separator))
            }
            one => scalar(one),
        };
        let text = text.ok_or_else(|| invalid(&column.name, "holds text"))?;
        match column.length {
            Some(most) if text.chars().count() > most => {
                Err(invalid(&column.name, &format!("holds at most {most} characters")))
            }
            _ => Ok(text),
        }
    }

    /// What is bound for an id or a key; `None` where no row can have it.
    pub(super) fn id(&self, column: &Column, text: &str) -> Option<Argument> {
        if text.is_empty() || text.contains('\0') {
            return None;
        }
        match column.holds {
            Holds::Integer => {
                let id: i64 = text.parse().ok()?;
                // `007` is no id that we gave.
                (id.to_string() == text).then(|| self.integer(id))
            }
            Holds::Uuid => is_uuid(text).then(|| Argument::Text(text.to_owned())),
            _ if column.length.is_some_and(|most| text.chars().count() > most) => None,
            _ => Some(Argument::Text(text.to_owned())),
        }
    }

    /// What is bound for a time that a row was told with.
    pub(super) fn time(&self, column: &Column, text: &str) -> Argument {
        match (column.holds, text.parse()) {
            (Holds::Integer, Ok(number)) => self.integer(number),
            _ if self.dialect == Dialect::SqlServer => {
                Argument::Text(text.trim_end_matches('Z').to_owned())
            }
            _ => Argument::Text(text.to_owned()),
        }
    }
}

/// Is a row with this in its `deleted` column gone?
pub(super) fn is_gone(cell: Option<&Cell>) -> bool {
    match cell {
        None | Some(Cell::Null | Cell::Bool(false) | Cell::Integer(0)) => false,
        Some(cell) => cell.text().is_some(),
    }
}

fn scalar(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(truth) => Some(truth.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

fn whole(text: &str) -> Option<i64> {
    let text = text.trim();
    text.strip_suffix(".0").unwrap_or(text).parse().ok()
}

fn is_number(text: &str) -> bool {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    is_plain && text.parse::<f64>().is_ok_and(f64::is_finite)
}

fn truth(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" => Some(true),
        "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

fn is_day(text: &str) -> bool {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u32>().ok();
    text.bytes().all(|b| b.is_ascii_digit() || b == b'-')
        && number(0, 4).is_some()
        && number(5, 7).is_some_and(|month| (1..=12).contains(&month))
        && number(8, 10).is_some_and(|day| (1..=31).contains(&day))
}

/// A time in UTC, to the millisecond, as every engine reads it.
fn moment(text: &str) -> Option<String> {
    if text.len() == 10 && is_day(text) {
        return Some(format!("{text} 00:00:00.000"));
    }
    let at = Timestamp::parse(text)?;
    let (year, month, day) = crate::sql::civil::civil(at.0.div_euclid(86_400_000));
    let ms = at.0.rem_euclid(86_400_000);
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    let ms = ms % 1_000;
    Some(format!("{year:04}-{month:02}-{day:02} {hours:02}:{minutes:02}:{seconds:02}.{ms:03}"))
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

/// PostgreSQL's own form of a list.
fn array(value: &Json) -> Option<String> {
    let one = std::slice::from_ref(value);
    let all = value.as_array().map_or(one, Vec::as_slice);
    let quoted = |text: String| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let parts: Option<Vec<String>> = all.iter().map(|part| scalar(part).map(quoted)).collect();
    Some(format!("{{{}}}", parts?.join(",")))
}

#[cfg(test)]
mod tests {
    use super::{array, is_number, is_uuid, moment, whole};
    use serde_json::json;

    #[test]
    fn times_are_written_in_utc() {
        for (text, expected) in [
            ("2026-11-22T08:00:00Z", Some("2026-11-22 08:00:00.000")),
            ("2026-11-22T08:00:00.123+02:00", Some("2026-11-22 06:00:00.123")),
            ("2026-11-22", Some("2026-11-22 00:00:00.000")),
            ("1969-12-31T23:59:59Z", Some("1969-12-31 23:59:59.000")),
            ("soon", None),
        ] {
            assert_eq!(moment(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_list_holds_quotes_and_braces_as_they_are() {
        assert_eq!(array(&json!(["a", "b\"},{\\"])).as_deref(), Some("{\"a\",\"b\\\"},{\\\\\"}"));
        assert_eq!(array(&json!([])).as_deref(), Some("{}"));
        assert_eq!(array(&json!([{ "a": 1 }])), None);
    }

    #[test]
    fn numbers_are_numbers() {
        assert_eq!(
            (whole(" 7 "), whole("7.0"), whole("7.5"), whole("x")),
            (Some(7), Some(7), None, None)
        );
        assert!(is_number("-7.5e3") && !is_number("NaN") && !is_number("inf") && !is_number("1;2"));
        assert!(is_uuid("0b9f8a52-7d4e-4c37-9a65-3f1c2d4e5f60") && !is_uuid("0b9f8a52"));
    }
}
