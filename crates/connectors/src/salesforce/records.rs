//! Whole records by the org's own names: what `changes` tells and `writes` changes.
//!
//! Every name passes [`Name`] and every id its pattern before a query is made of them.

use super::mapping::{at, record_id};
use super::soql::Name;
use domain::Timestamp;
use kit::{Error, Fields, Record};
use serde_json::Value;

/// What is read besides what was asked for. `SystemModstamp` moves with every change,
/// also those of the org's own jobs; `LastModifiedDate` with those of users.
const BESIDES: [&str; 4] = ["Id", "SystemModstamp", "LastModifiedDate", "LastModifiedById"];

/// An object by its name in the API.
///
/// # Errors
/// `Invalid` naming `object`.
pub(super) fn object(text: &str) -> Result<Name, Error> {
    Name::new(text).filter(|name| !name.as_str().contains('.')).ok_or_else(|| Error::Invalid {
        field: Some("object".to_owned()),
        reason: "is no name of an object".to_owned(),
    })
}

/// The fields to select: those asked for, each once, and what is read besides.
///
/// # Errors
/// `Invalid` when one is no name; it is not repeated, for it may be anything.
pub(super) fn selected(fields: &[String]) -> Result<Vec<Name>, Error> {
    let mut names: Vec<Name> = BESIDES.into_iter().map(fixed).collect();
    for field in fields {
        let name = field_name(field)?;
        if !names.iter().any(|known| known.is(name.as_str())) {
            names.push(name);
        }
    }
    Ok(names)
}

/// A field, or a path to one.
///
/// # Errors
/// `Invalid` naming `fields`.
pub(super) fn field_name(text: &str) -> Result<Name, Error> {
    Name::new(text).ok_or_else(|| Error::Invalid {
        field: Some("fields".to_owned()),
        reason: "one is no name of a field".to_owned(),
    })
}

/// A row as a record with the fields asked for.
///
/// # Errors
/// `Protocol` when it has no id.
pub(super) fn record(row: &Value, fields: &[String]) -> Result<Record, Error> {
    let text = |field: &str| at(row, field).and_then(Value::as_str);
    let value = |field: &String| (field.clone(), at(row, field).cloned().unwrap_or(Value::Null));
    Ok(Record {
        id: id(row)?,
        version: text("SystemModstamp").map(str::to_owned),
        modified: text("LastModifiedDate").and_then(Timestamp::parse),
        modified_by: text("LastModifiedById").and_then(record_id),
        fields: fields.iter().map(value).collect::<Fields>(),
    })
}

/// The id of a row.
///
/// # Errors
/// `Protocol` when it has none of the vendor's form.
pub(super) fn id(row: &Value) -> Result<String, Error> {
    let id = at(row, "Id").and_then(Value::as_str).and_then(record_id);
    id.ok_or_else(|| Error::protocol("a row without an Id"))
}

pub(super) fn fixed(text: &str) -> Name {
    Name::new(text).expect("written in the program")
}
