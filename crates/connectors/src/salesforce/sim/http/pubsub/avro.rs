//! Change events in Avro: the schema of an object's events, and one event by it.
//!
//! A field is nullable; names and addresses are records of their parts. Which fields an
//! update changed is told by bitmaps over the schema's fields: `0x` and the bits, highest
//! first, for the plain ones, `{field}-0x…` for the parts of a compound one.
//!
//! Source: Pub/Sub API Guide, "Event Deserialization Considerations"; Change Data Capture
//! Developer Guide, "Change Event Header Fields".

use serde_json::{Value as Json, json};

use super::super::super::store::packed::ValueRef;
use super::super::super::store::schema::{Kind, Object, system};

const HEADER: usize = 1;
const KINDS: [&str; 10] = [
    "CREATE",
    "UPDATE",
    "DELETE",
    "UNDELETE",
    "GAP_CREATE",
    "GAP_UPDATE",
    "GAP_DELETE",
    "GAP_UNDELETE",
    "GAP_OVERFLOW",
    "SNAPSHOT",
];
const NAME_PARTS: [&str; 5] = ["Salutation", "FirstName", "MiddleName", "LastName", "Suffix"];
const ADDRESS_PARTS: [&str; 7] =
    ["Street", "City", "State", "PostalCode", "Country", "Latitude", "Longitude"];

/// One field of an event, or one compound of several.
pub(super) struct Told {
    name: String,
    /// The record type of a compound.
    compound: Option<&'static str>,
    /// Part name, number of the object's field, and its kind.
    parts: Vec<(String, u16, Kind)>,
}

impl Told {
    /// The numbers of the object's fields that it tells.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u16> + '_ {
        self.parts.iter().map(|(_, number, _)| *number)
    }
}

/// What an event says besides its fields.
pub(super) struct Header<'a> {
    pub(super) entity: &'a str,
    pub(super) ids: &'a [String],
    pub(super) kind: &'a str,
    pub(super) origin: &'a str,
    pub(super) transaction: &'a str,
    pub(super) sequence: i64,
    pub(super) at: i64,
    pub(super) number: i64,
    pub(super) user: &'a str,
}

/// The fields of an object's events, in the order of its schema.
pub(super) fn told(object: &Object) -> Vec<Told> {
    let mut all: Vec<Told> = Vec::new();
    let has = |name: &str| object.field(name).is_some();
    for (number, field) in object.fields.iter().enumerate() {
        let number = u16::try_from(number).unwrap_or(u16::MAX);
        let is_hidden = matches!(number, system::ID | system::IS_DELETED | system::STAMP);
        let is_joined = field.name == "Name" && has("LastName");
        if is_hidden || is_joined || field.via.is_some() {
            continue;
        }
        let (name, compound, part) = match compound(&field.name, has("LastName")) {
            Some((name, record, part)) => (name, Some(record), part),
            None => (field.name.clone(), None, field.name.clone()),
        };
        let part = (part, number, field.kind);
        match all.iter_mut().find(|told| told.name == name) {
            Some(told) => told.parts.push(part),
            None => all.push(Told { name, compound, parts: vec![part] }),
        }
    }
    all
}

/// The compound that a field is part of: its name, its record type, and the part's name.
fn compound(field: &str, is_person: bool) -> Option<(String, &'static str, String)> {
    if is_person && NAME_PARTS.contains(&field) {
        return Some(("Name".to_owned(), "PersonName", field.to_owned()));
    }
    let part = ADDRESS_PARTS.iter().find(|part| field.ends_with(**part))?;
    let of = field.strip_suffix(part)?;
    let is_address = matches!(of, "" | "Mailing" | "Other" | "Billing" | "Shipping");
    is_address.then(|| (format!("{of}Address"), "Address", (*part).to_owned()))
}

/// The schema of an object's events.
pub(super) fn schema(object: &Object, fields: &[Told]) -> Json {
    let strings = json!({ "type": "array", "items": "string" });
    let header = json!({ "type": "record", "name": "ChangeEventHeader", "fields": [
        { "name": "entityName", "type": "string" },
        { "name": "recordIds", "type": strings },
        { "name": "changeType", "type": { "type": "enum", "name": "ChangeType", "symbols": KINDS } },
        { "name": "changeOrigin", "type": "string" },
        { "name": "transactionKey", "type": "string" },
        { "name": "sequenceNumber", "type": "int" },
        { "name": "commitTimestamp", "type": "long" },
        { "name": "commitNumber", "type": "long" },
        { "name": "commitUser", "type": "string" },
        { "name": "nulledFields", "type": strings },
        { "name": "diffFields", "type": strings },
        { "name": "changedFields", "type": strings },
    ] });
    let mut all = vec![json!({ "name": "ChangeEventHeader", "type": header })];
    let mut known: Vec<&str> = Vec::new();
    for told in fields {
        let of = match told.compound {
            None => plain(told.parts[0].2),
            // A record that was described before is known by its name.
            Some(record) if known.contains(&record) => json!(record),
            Some(record) => {
                known.push(record);
                let part = |(name, _, kind): &(String, u16, Kind)| json!({ "name": name, "type": ["null", plain(*kind)], "default": null });
                let parts: Vec<Json> = told.parts.iter().map(part).collect();
                json!({ "type": "record", "name": record, "fields": parts })
            }
        };
        all.push(json!({ "name": told.name, "type": ["null", of], "default": null }));
    }
    let name = format!("{}ChangeEvent", object.name.strip_suffix("__c").unwrap_or(&object.name));
    json!({ "type": "record", "name": name, "namespace": "com.sforce.eventbus", "fields": all })
}

fn plain(kind: Kind) -> Json {
    match kind {
        Kind::Boolean => json!("boolean"),
        Kind::Int => json!("int"),
        Kind::Double | Kind::Currency => json!("double"),
        Kind::Date => json!({ "type": "int", "logicalType": "date" }),
        Kind::Datetime => json!({ "type": "long", "logicalType": "timestamp-millis" }),
        _ => json!("string"),
    }
}

/// One event: what `value` gives for a field is in it; `changed` are told in the bitmaps.
pub(super) fn event<'v>(
    header: &Header<'_>,
    fields: &[Told],
    changed: &[u16],
    value: impl Fn(u16) -> Option<ValueRef<'v>>,
) -> Vec<u8> {
    let mut out = Vec::new();
    text(&mut out, header.entity);
    texts(&mut out, header.ids);
    let kind = KINDS.iter().position(|kind| *kind == header.kind).unwrap_or(0);
    long(&mut out, i64::try_from(kind).unwrap_or(0));
    text(&mut out, header.origin);
    text(&mut out, header.transaction);
    for number in [header.sequence, header.at, header.number] {
        long(&mut out, number);
    }
    text(&mut out, header.user);
    let nulled: Vec<u16> =
        changed.iter().copied().filter(|number| value(*number).is_none()).collect();
    texts(&mut out, &bitmaps(fields, &nulled));
    texts(&mut out, &[]);
    texts(&mut out, &bitmaps(fields, changed));
    for told in fields {
        let values: Vec<Option<ValueRef<'v>>> =
            told.parts.iter().map(|(_, number, _)| value(*number)).collect();
        if values.iter().all(Option::is_none) {
            long(&mut out, 0);
            continue;
        }
        long(&mut out, 1);
        for ((_, _, kind), one) in told.parts.iter().zip(values) {
            match (told.compound, one) {
                (Some(_), None) => long(&mut out, 0),
                (Some(_), Some(one)) => {
                    long(&mut out, 1);
                    write(&mut out, *kind, one);
                }
                (None, Some(one)) => write(&mut out, *kind, one),
                (None, None) => {}
            }
        }
    }
    out
}

fn bitmaps(fields: &[Told], numbers: &[u16]) -> Vec<String> {
    let is_meant = |part: &&(String, u16, Kind)| numbers.contains(&part.1);
    let plain = fields.iter().enumerate().filter(|(_, told)| told.compound.is_none());
    let plain = plain.filter(|(_, told)| told.parts.iter().any(|part| is_meant(&part)));
    let plain: Vec<usize> = plain.map(|(at, _)| at + HEADER).collect();
    let mut all: Vec<String> = bits(&plain).into_iter().collect();
    for (at, told) in fields.iter().enumerate().filter(|(_, told)| told.compound.is_some()) {
        let parts = told.parts.iter().enumerate().filter(|(_, part)| is_meant(part));
        let parts: Vec<usize> = parts.map(|(at, _)| at).collect();
        all.extend(bits(&parts).map(|bits| format!("{}-{bits}", at + HEADER)));
    }
    all
}

/// `None` where no bit is set.
fn bits(set: &[usize]) -> Option<String> {
    let mut bytes = vec![0_u8; set.iter().max()? / 8 + 1];
    for at in set {
        bytes[at / 8] |= 1 << (at % 8);
    }
    let hex: String = bytes.iter().rev().map(|byte| format!("{byte:02X}")).collect();
    Some(format!("0x{hex}"))
}

fn write(out: &mut Vec<u8>, kind: Kind, value: ValueRef<'_>) {
    match (kind, value) {
        (Kind::Boolean, ValueRef::Bool(on)) => out.push(u8::from(on)),
        #[expect(clippy::cast_possible_truncation, reason = "a whole number, as the schema says")]
        (Kind::Int, ValueRef::Number(number)) => long(out, number as i64),
        (Kind::Double | Kind::Currency, ValueRef::Number(number)) => {
            out.extend_from_slice(&number.to_le_bytes());
        }
        (Kind::Date, ValueRef::Date(day)) => long(out, day),
        (Kind::Datetime, ValueRef::Time(at)) => long(out, at),
        (_, ValueRef::Text(is)) => text(out, is),
        (_, ValueRef::Id(prefix, row)) => {
            text(out, &super::super::super::store::ids::id(prefix, row));
        }
        _ => text(out, ""),
    }
}

fn texts(out: &mut Vec<u8>, all: &[String]) {
    if !all.is_empty() {
        long(out, i64::try_from(all.len()).unwrap_or(0));
        for one in all {
            text(out, one);
        }
    }
    long(out, 0);
}

fn text(out: &mut Vec<u8>, is: &str) {
    long(out, i64::try_from(is.len()).unwrap_or(0));
    out.extend_from_slice(is.as_bytes());
}

/// Zigzag, seven bits a byte, the lowest first.
fn long(out: &mut Vec<u8>, number: i64) {
    let mut left = ((number << 1) ^ (number >> 63)).cast_unsigned();
    loop {
        let byte = u8::try_from(left & 0x7f).unwrap_or(0);
        left >>= 7;
        if left == 0 {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}
