//! The values of one row in one small allocation, so that a million contacts fit.
//!
//! Field number (2 bytes), kind (1), then the value; absent fields are null.

use super::ids;

/// A value that a row holds; null is no value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// Text of any kind: strings, phones, picklists, ids.
    Text(String),
    /// A checkbox.
    Bool(bool),
    /// A number, whole or not.
    Number(f64),
    /// Milliseconds since 1970 UTC.
    Time(i64),
    /// Days since 1970-01-01.
    Date(i64),
}

/// A value as read from a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ValueRef<'a> {
    Text(&'a str),
    Bool(bool),
    Number(f64),
    Time(i64),
    Date(i64),
    /// The id of a row: prefix of its object, and its number.
    Id(&'a str, u32),
}

impl ValueRef<'_> {
    pub(crate) fn to_owned(self) -> Value {
        match self {
            ValueRef::Text(text) => Value::Text(text.to_owned()),
            ValueRef::Bool(on) => Value::Bool(on),
            ValueRef::Number(n) => Value::Number(n),
            ValueRef::Time(at) => Value::Time(at),
            ValueRef::Date(day) => Value::Date(day),
            ValueRef::Id(prefix, row) => Value::Text(ids::id(prefix, row)),
        }
    }
}

/// The packed values of one row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Packed(Box<[u8]>);

impl Packed {
    /// Packs fields and their values; the order is kept.
    pub(crate) fn new<'a>(values: impl IntoIterator<Item = (u16, &'a Value)>) -> Packed {
        let mut bytes = Vec::with_capacity(128);
        for (field, value) in values {
            bytes.extend_from_slice(&field.to_le_bytes());
            match value {
                Value::Text(text) => {
                    bytes.push(0);
                    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
                    bytes.extend_from_slice(&length.to_le_bytes());
                    bytes.extend_from_slice(text.as_bytes());
                }
                Value::Bool(on) => bytes.extend_from_slice(&[1, u8::from(*on)]),
                Value::Number(n) => put(&mut bytes, 2, n.to_le_bytes()),
                Value::Time(at) => put(&mut bytes, 3, at.to_le_bytes()),
                Value::Date(day) => put(&mut bytes, 4, day.to_le_bytes()),
            }
        }
        Packed(bytes.into_boxed_slice())
    }

    /// The value of one field.
    pub(crate) fn get(&self, field: u16) -> Option<ValueRef<'_>> {
        self.iter().find(|(at, _)| *at == field).map(|(_, value)| value)
    }

    /// Every field that is not null, with its value.
    pub(crate) fn iter(&self) -> Iter<'_> {
        Iter(&self.0)
    }
}

fn put(bytes: &mut Vec<u8>, kind: u8, value: [u8; 8]) {
    bytes.push(kind);
    bytes.extend_from_slice(&value);
}

/// The values of a row, one after the other.
pub(crate) struct Iter<'a>(&'a [u8]);

impl<'a> Iterator for Iter<'a> {
    type Item = (u16, ValueRef<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (head, rest) = self.0.split_at_checked(3)?;
        let field = u16::from_le_bytes([head[0], head[1]]);
        let (value, rest) = match head[2] {
            0 => {
                let (length, rest) = rest.split_at_checked(4)?;
                let length = u32::from_le_bytes(length.try_into().ok()?);
                let (text, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
                (ValueRef::Text(std::str::from_utf8(text).ok()?), rest)
            }
            1 => (ValueRef::Bool(*rest.first()? != 0), rest.get(1..)?),
            kind => {
                let (eight, rest) = rest.split_at_checked(8)?;
                let eight: [u8; 8] = eight.try_into().ok()?;
                let value = match kind {
                    2 => ValueRef::Number(f64::from_le_bytes(eight)),
                    3 => ValueRef::Time(i64::from_le_bytes(eight)),
                    _ => ValueRef::Date(i64::from_le_bytes(eight)),
                };
                (value, rest)
            }
        };
        self.0 = rest;
        Some((field, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out_again() {
        let values = [
            (3, Value::Text("(555) 019-9999".into())),
            (9, Value::Bool(true)),
            (10, Value::Number(-1.5)),
            (300, Value::Time(-7)),
            (301, Value::Date(20_454)),
            (302, Value::Text(String::new())),
        ];
        let packed = Packed::new(values.iter().map(|(field, value)| (*field, value)));
        let back: Vec<(u16, Value)> = packed.iter().map(|(f, v)| (f, v.to_owned())).collect();
        assert_eq!(back, values);
        assert_eq!(packed.get(9), Some(ValueRef::Bool(true)));
        assert_eq!(packed.get(4), None);
    }
}
