//! Reads a value that was written in Avro's binary form, by the schema it was written with.
//!
//! As much of the specification as a vendor's schemas use: records, unions, arrays, maps,
//! enums, fixed and the plain types; what a value means besides (`logicalType`) is the
//! reader's. Bytes come from outside: nesting, items and lengths are bounded, and nothing is
//! taken aside for more than has come.
//!
//! Source: Apache Avro 1.12, "Binary Encoding".

use kit::Error;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Nesting of a schema and of a value.
const DEPTH_MAX: usize = 32;
/// Items of all arrays and maps of a value; those that take no bytes could be any number.
const ITEMS_MAX: u64 = 100_000;

/// A schema, ready to read with.
#[derive(Debug)]
pub(super) struct Schema {
    root: Type,
    named: HashMap<String, Type>,
}

#[derive(Debug, Clone)]
enum Type {
    Null,
    Boolean,
    /// `int` and `long`.
    Whole,
    Float,
    Double,
    Bytes,
    Text,
    Fixed(usize),
    Enum(Vec<String>),
    Array(Box<Type>),
    Map(Box<Type>),
    Union(Vec<Type>),
    Record(Vec<(String, Type)>),
    Named(String),
}

impl Schema {
    /// # Errors
    /// `Protocol` when it is no schema.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let json: Value =
            serde_json::from_str(text).map_err(|_| odd("a schema that is no JSON"))?;
        let mut named = HashMap::new();
        let root = parsed(&json, "", &mut named, 0)?;
        Ok(Self { root, named })
    }

    /// The value of these bytes; `bytes` and `fixed` are told as `null`, for nobody asks.
    ///
    /// # Errors
    /// `Protocol` when they were not written with this schema.
    pub(super) fn read(&self, bytes: &[u8]) -> Result<Value, Error> {
        let mut reading = Reading { schema: self, bytes, items: 0 };
        let value = reading.value(&self.root, 0)?;
        if reading.bytes.is_empty() { Ok(value) } else { Err(odd("an event longer than it says")) }
    }
}

fn odd(reason: &str) -> Error {
    Error::protocol(reason)
}

fn parsed(
    json: &Value,
    space: &str,
    named: &mut HashMap<String, Type>,
    depth: usize,
) -> Result<Type, Error> {
    const ODD: &str = "a schema of an unknown form";
    if depth > DEPTH_MAX {
        return Err(odd(ODD));
    }
    let inner = match json {
        Value::String(name) => return Ok(plain(name, space)),
        Value::Array(all) => {
            let all = all.iter().map(|one| parsed(one, space, named, depth + 1));
            return all.collect::<Result<_, _>>().map(Type::Union);
        }
        Value::Object(object) => object,
        _ => return Err(odd(ODD)),
    };
    let text = |key: &str| inner.get(key).and_then(Value::as_str);
    let own_space = text("namespace").unwrap_or(space).to_owned();
    let name = text("name").map(|name| full(name, &own_space));
    let under = |key: &str| inner.get(key).ok_or_else(|| odd(ODD));
    let kind = match text("type") {
        Some("record") => {
            let mut fields = Vec::new();
            for field in under("fields")?.as_array().ok_or_else(|| odd(ODD))? {
                let name = field.get("name").and_then(Value::as_str).ok_or_else(|| odd(ODD))?;
                let of = field.get("type").ok_or_else(|| odd(ODD))?;
                fields.push((name.to_owned(), parsed(of, &own_space, named, depth + 1)?));
            }
            Type::Record(fields)
        }
        Some("enum") => {
            let symbols = under("symbols")?.as_array().ok_or_else(|| odd(ODD))?;
            let symbols = symbols.iter().map(|one| one.as_str().map(str::to_owned));
            Type::Enum(symbols.collect::<Option<_>>().ok_or_else(|| odd(ODD))?)
        }
        Some("fixed") => {
            let size = under("size")?.as_u64().and_then(|size| usize::try_from(size).ok());
            Type::Fixed(size.ok_or_else(|| odd(ODD))?)
        }
        Some("array") => {
            return parsed(under("items")?, space, named, depth + 1).map(Box::new).map(Type::Array);
        }
        Some("map") => {
            return parsed(under("values")?, space, named, depth + 1).map(Box::new).map(Type::Map);
        }
        // A plain type with something besides, or one in braces.
        _ => return parsed(under("type")?, space, named, depth + 1),
    };
    let name = name.ok_or_else(|| odd(ODD))?;
    named.insert(name.clone(), kind);
    Ok(Type::Named(name))
}

fn plain(name: &str, space: &str) -> Type {
    match name {
        "null" => Type::Null,
        "boolean" => Type::Boolean,
        "int" | "long" => Type::Whole,
        "float" => Type::Float,
        "double" => Type::Double,
        "bytes" => Type::Bytes,
        "string" => Type::Text,
        name => Type::Named(full(name, space)),
    }
}

fn full(name: &str, space: &str) -> String {
    if name.contains('.') || space.is_empty() {
        return name.to_owned();
    }
    format!("{space}.{name}")
}

struct Reading<'a> {
    schema: &'a Schema,
    bytes: &'a [u8],
    items: u64,
}

impl Reading<'_> {
    fn value(&mut self, of: &Type, depth: usize) -> Result<Value, Error> {
        if depth > DEPTH_MAX {
            return Err(odd("an event nested too deeply"));
        }
        Ok(match of {
            Type::Null => Value::Null,
            Type::Boolean => Value::Bool(self.take(1)? != [0]),
            Type::Whole => Value::from(self.whole()?),
            Type::Float => {
                let bytes = self.take(4)?.try_into().unwrap_or_default();
                Value::from(f64::from(f32::from_le_bytes(bytes)))
            }
            Type::Double => {
                Value::from(f64::from_le_bytes(self.take(8)?.try_into().unwrap_or_default()))
            }
            Type::Bytes => {
                let length = self.length()?;
                self.take(length)?;
                Value::Null
            }
            Type::Fixed(size) => {
                self.take(*size)?;
                Value::Null
            }
            Type::Text => Value::from(self.text()?),
            Type::Enum(symbols) => {
                let at = self.length()?;
                let symbol =
                    symbols.get(at).ok_or_else(|| odd("a word that the schema has not"))?;
                Value::from(symbol.as_str())
            }
            Type::Union(all) => {
                let at = self.length()?;
                let one = all.get(at).ok_or_else(|| odd("a type that the schema has not"))?;
                self.value(one, depth + 1)?
            }
            Type::Array(items) => {
                let mut all = Vec::new();
                self.blocks(|reading| {
                    all.push(reading.value(items, depth + 1)?);
                    Ok(())
                })?;
                Value::Array(all)
            }
            Type::Map(values) => {
                let mut all = Map::new();
                self.blocks(|reading| {
                    let key = reading.text()?;
                    all.insert(key, reading.value(values, depth + 1)?);
                    Ok(())
                })?;
                Value::Object(all)
            }
            Type::Record(fields) => {
                let mut all = Map::new();
                for (name, of) in fields {
                    all.insert(name.clone(), self.value(of, depth + 1)?);
                }
                Value::Object(all)
            }
            Type::Named(name) => {
                let schema = self.schema;
                let of = schema.named.get(name).ok_or_else(|| odd("a type that is nowhere"))?;
                self.value(of, depth + 1)?
            }
        })
    }

    /// Items come in blocks; a negative count is followed by the block's bytes.
    fn blocks(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        loop {
            let count = self.whole()?;
            if count < 0 {
                self.whole()?;
            }
            let count = count.unsigned_abs();
            self.items = self.items.saturating_add(count);
            if self.items > ITEMS_MAX {
                return Err(odd("a list that is too long"));
            }
            if count == 0 {
                return Ok(());
            }
            for _ in 0..count {
                item(self)?;
            }
        }
    }

    fn text(&mut self) -> Result<String, Error> {
        let length = self.length()?;
        let text = std::str::from_utf8(self.take(length)?);
        text.map(str::to_owned).map_err(|_| odd("a text that is none"))
    }

    fn length(&mut self) -> Result<usize, Error> {
        usize::try_from(self.whole()?).map_err(|_| odd("a length below zero"))
    }

    /// Seven bits at a time, the lowest first; the sign in the lowest of all.
    fn whole(&mut self) -> Result<i64, Error> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = *self.take(1)? else { break };
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
            }
        }
        Err(odd("a number without an end"))
    }

    fn take(&mut self, length: usize) -> Result<&[u8], Error> {
        let (taken, rest) =
            self.bytes.split_at_checked(length).ok_or_else(|| odd("an event that was cut"))?;
        self.bytes = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::Schema;
    use proptest::prelude::*;
    use serde_json::json;

    fn schema(json: &serde_json::Value) -> Schema {
        Schema::parse(&json.to_string()).expect("a schema")
    }

    /// The examples of the specification.
    #[test]
    fn values_are_read_as_the_specification_writes_them() {
        for (of, bytes, value) in [
            (json!("long"), &[0x00][..], json!(0)),
            (json!("long"), &[0x01], json!(-1)),
            (json!("int"), &[0x7f], json!(-64)),
            (json!("long"), &[0x80, 0x01], json!(64)),
            (json!("string"), &[0x06, 0x66, 0x6f, 0x6f], json!("foo")),
            (
                json!({ "type": "array", "items": "long" }),
                &[0x04, 0x06, 0x36, 0x00],
                json!([3, 27]),
            ),
            (json!(["null", "string"]), &[0x00], json!(null)),
            (json!(["null", "string"]), &[0x02, 0x02, 0x61], json!("a")),
            (
                json!({ "type": "record", "name": "test", "fields": [
                    { "name": "a", "type": "long" }, { "name": "b", "type": "string" }] }),
                &[0x36, 0x06, 0x66, 0x6f, 0x6f],
                json!({ "a": 27, "b": "foo" }),
            ),
            (
                json!({ "type": "enum", "name": "Foo", "symbols": ["A", "B", "C", "D"] }),
                &[0x06],
                json!("D"),
            ),
            (json!({ "type": "map", "values": "int" }), &[1, 4, 2, 0x61, 2, 0], json!({ "a": 1 })),
        ] {
            assert_eq!(schema(&of).read(bytes), Ok(value), "{of}");
        }
    }

    #[test]
    fn a_type_is_known_again_by_its_name() {
        let of = json!({ "type": "record", "name": "R", "namespace": "n", "fields": [
            { "name": "a", "type": { "type": "enum", "name": "E", "symbols": ["X", "Y"] } },
            { "name": "b", "type": ["null", "n.E"] }, { "name": "c", "type": "E" } ] });
        let told = schema(&of).read(&[2, 2, 0, 2]);
        assert_eq!(told, Ok(json!({ "a": "Y", "b": "X", "c": "Y" })));
    }

    #[test]
    fn what_does_not_fit_is_refused_and_takes_no_room() {
        let long = schema(&json!({ "type": "array", "items": "null" }));
        assert!(
            long.read(&[0xfe, 0xff, 0xff, 0xff, 0x0f, 0]).is_err(),
            "two thousand million nulls"
        );
        let text = schema(&json!("string"));
        assert!(text.read(&[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]).is_err());
        assert!(text.read(&[2, 0x61, 0]).is_err(), "more than it says");
        let deep =
            json!({ "type": "record", "name": "R", "fields": [{ "name": "r", "type": "R" }] });
        assert!(schema(&deep).read(&[]).is_err(), "a record of itself");
        let mut nested = json!("long");
        for _ in 0..100 {
            nested = json!({ "type": "array", "items": nested });
        }
        assert!(Schema::parse(&nested.to_string()).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_at_all_bring_it_down(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let of = json!({ "type": "record", "name": "R", "fields": [
                { "name": "a", "type": { "type": "array", "items": ["null", "string", "R"] } },
                { "name": "m", "type": { "type": "map", "values": "double" } },
                { "name": "f", "type": { "type": "fixed", "name": "F", "size": 3 } } ] });
            let _ = schema(&of).read(&bytes);
        }
    }
}
