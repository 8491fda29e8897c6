//! What a column held, in no engine's form: exact, and with nothing that is empty.
//!
//! Numbers that a float would round stay text. A date is `2026-11-22`, a time of day
//! `08:30:00`, an instant `2026-11-22T08:30:00.000Z`, one without a zone the same without `Z`.

use domain::Value;
use serde_json::Value as Json;
use std::fmt;

/// Digits up to which a decimal is the same as a float.
const DIGITS_MAX: usize = 15;

/// One value of a row.
#[derive(Clone, PartialEq)]
pub(super) enum Cell {
    Null,
    Text(String),
    Integer(i64),
    /// In the engine's own digits: an integer beyond 64 bits, or with a fraction.
    Decimal(String),
    Float(f64),
    Bool(bool),
    List(Vec<Cell>),
    /// An object, or whatever else JSON can hold.
    Json(Json),
}

/// Names and values, in the query's order.
#[derive(Clone, PartialEq)]
pub(super) struct Row(pub(super) Vec<(String, Cell)>);

impl fmt::Debug for Row {
    /// Names alone (invariant 9).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Row {
    /// The value of a column, whatever the case of its name: engines fold it in their own ways.
    pub(super) fn get(&self, column: &str) -> Option<&Cell> {
        let mut cells = self.0.iter();
        cells.find(|(name, _)| name.eq_ignore_ascii_case(column)).map(|(_, cell)| cell)
    }

    /// The text of a column; `None` where it is absent, NULL or blank.
    pub(super) fn text(&self, column: &str) -> Option<String> {
        self.get(column)?.text()
    }
}

impl Cell {
    /// As text: an id may be a number.
    pub(super) fn text(&self) -> Option<String> {
        let text = match self {
            Self::Null | Self::List(_) => return None,
            Self::Text(text) => text.trim().to_owned(),
            Self::Integer(number) => number.to_string(),
            Self::Decimal(digits) => digits.clone(),
            Self::Float(number) => number.to_string(),
            Self::Bool(value) => value.to_string(),
            Self::Json(json) => json.to_string(),
        };
        Some(text).filter(|text| !text.is_empty())
    }

    /// As an answer's data carries it; `None` for NULL and blanks.
    pub(super) fn value(&self) -> Option<Value> {
        match self {
            Self::Null => None,
            Self::Integer(number) => Some(Value::Integer(*number)),
            Self::Float(number) => number.is_finite().then_some(Value::Number(*number)),
            Self::Bool(value) => Some(Value::Bool(*value)),
            Self::List(cells) => Some(Value::List(cells.iter().filter_map(Self::value).collect())),
            Self::Decimal(digits) => Some(match exact(digits) {
                Some(number) => Value::Number(number),
                None => Value::Text(digits.clone()),
            }),
            Self::Text(_) | Self::Json(_) => self.text().map(Value::Text),
        }
    }

    /// As JSON, with NULL as `null`.
    pub(super) fn json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Text(text) => text.as_str().into(),
            Self::Integer(number) => (*number).into(),
            Self::Float(number) => (*number).into(),
            Self::Bool(value) => (*value).into(),
            Self::List(cells) => cells.iter().map(Self::json).collect(),
            Self::Json(json) => json.clone(),
            Self::Decimal(digits) => match exact(digits) {
                Some(number) => number.into(),
                None => digits.as_str().into(),
            },
        }
    }

    /// A value as JSON text has it, digit by digit; `None` when it is no JSON.
    pub(super) fn of_json(text: &str) -> Option<Self> {
        let text = text.trim();
        Some(match text.as_bytes().first()? {
            b'n' => Self::Null,
            b't' => Self::Bool(true),
            b'f' => Self::Bool(false),
            b'"' => Self::Text(serde_json::from_str(text).ok()?),
            b'[' => {
                let all: Vec<&serde_json::value::RawValue> = serde_json::from_str(text).ok()?;
                let cells = all.into_iter().map(|raw| Self::of_json(raw.get()));
                Self::List(cells.collect::<Option<Vec<Self>>>()?)
            }
            b'{' => Self::Json(serde_json::from_str(text).ok()?),
            _ => Self::number(text),
        })
    }

    /// A number by its digits.
    pub(super) fn number(digits: &str) -> Self {
        digits.parse().map_or_else(|_| Self::Decimal(digits.to_owned()), Self::Integer)
    }

    /// Text, or where it is none, its bytes in hexadecimal.
    pub(super) fn bytes(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => {
                let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                Self::Text(format!("\\x{}", hex.concat()))
            }
        }
    }

    /// Roughly what it takes in memory, in bytes.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Text(text) | Self::Decimal(text) => text.len(),
            Self::List(cells) => cells.iter().map(Self::size).sum(),
            Self::Json(json) => json.to_string().len(),
            Self::Null | Self::Integer(_) | Self::Float(_) | Self::Bool(_) => 8,
        }
    }
}

/// The float that is exactly this decimal, if one is.
fn exact(digits: &str) -> Option<f64> {
    let significant = digits.bytes().filter(u8::is_ascii_digit).count();
    let number: f64 = digits.parse().ok()?;
    (significant <= DIGITS_MAX && number.is_finite()).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::Cell;
    use domain::Value;
    use serde_json::json;

    #[test]
    fn numbers_stay_what_they_are() {
        for (text, expected) in [
            ("42", Value::Integer(42)),
            ("-7", Value::Integer(-7)),
            ("1234.50", Value::Number(1234.5)),
            ("12345678901234567890", Value::Text("12345678901234567890".into())),
            ("0.1234567890123456789", Value::Text("0.1234567890123456789".into())),
            ("true", Value::Bool(true)),
            ("[1, null, \"b\"]", Value::List(vec![1.into(), "b".into()])),
            ("{\"a\": [1]}", Value::Text("{\"a\":[1]}".into())),
        ] {
            assert_eq!(Cell::of_json(text).expect(text).value(), Some(expected), "{text}");
        }
        let id = Cell::of_json("12345678901234567890").expect("a number");
        assert_eq!(id.text().as_deref(), Some("12345678901234567890"));
        assert_eq!(id.json(), json!("12345678901234567890"));
        assert_eq!(Cell::of_json("null").expect("JSON").value(), None);
        assert_eq!(Cell::Text("  ".into()).value(), None);
        assert_eq!(Cell::Float(f64::NAN).value(), None);
        assert!(Cell::of_json("[1").is_none());
        assert!(Cell::bytes(&[0xff, 0x01]) == Cell::Text("\\xff01".into()));
    }
}
