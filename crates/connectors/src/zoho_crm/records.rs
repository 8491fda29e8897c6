//! Whole records of any module, by Zoho's own names: what changed, and how they are written.

mod batch;
mod changes;
mod cursor;
mod forms;
mod writes;

pub(super) use changes::Changes;
pub(super) use forms::Names;
pub(super) use writes::Writes;

use super::coql::{COLUMNS_MAX, Name, name};
use super::mapping::id_of;
use domain::Timestamp;
use kit::{Error, Fields, Record};
use serde_json::Value;

/// What comes with every record besides the fields that were asked for.
const OWN: [&str; 3] = ["id", "Modified_Time", "Modified_By"];

/// A module's name.
fn module(object: &str) -> Result<Name, Error> {
    // Part of an address as well: no path of two steps.
    Name::new(object).filter(|name| !name.as_str().contains('.')).ok_or_else(|| Error::Invalid {
        field: Some("object".to_owned()),
        reason: "is no name of a module".to_owned(),
    })
}

/// The columns to ask for.
fn columns(fields: &[String]) -> Result<Vec<Name>, Error> {
    let mut columns: Vec<Name> = OWN.into_iter().map(name).collect();
    for field in fields {
        let refused = |reason: String| Error::Invalid { field: Some(field.clone()), reason };
        let column = Name::new(field).ok_or_else(|| refused("is no name of a field".to_owned()))?;
        if !columns.contains(&column) {
            columns.push(column);
        }
        if columns.len() > COLUMNS_MAX {
            return Err(refused(format!(
                "is one more than the {COLUMNS_MAX} that a query can have"
            )));
        }
    }
    Ok(columns)
}

/// A row as a record: what was asked for, an empty field as null.
fn record(row: &Value, fields: &[String]) -> Result<Record, Error> {
    let value = |field: &String| (field.clone(), row.get(field).cloned().unwrap_or(Value::Null));
    let fields: Fields = fields.iter().map(value).collect();
    let version = row["Modified_Time"].as_str();
    Ok(Record {
        id: id_of(row)?.to_owned(),
        version: version.map(str::to_owned),
        modified: version.and_then(Timestamp::parse),
        modified_by: row["Modified_By"]["id"].as_str().map(str::to_owned),
        fields,
    })
}
