//! Whole business partners by SAP's own names: what `changes` tells and `writes` changes.
//!
//! SAP has blanks where others have nulls: a blank text is `null` here.

use super::client::Client;
use super::mapping::{date, partner_id, text, time_of_day};
use super::odata::Name;
use domain::Timestamp;
use kit::{Error, Fields, Record};
use serde_json::Value;

/// The one object whose records are told and written.
pub(super) const SET: &str = "A_BusinessPartner";
pub(super) const NUMBER: &str = "BusinessPartner";
/// What is read besides what was asked for.
const BESIDES: [&str; 6] = [
    NUMBER,
    "CreationDate",
    "CreationTime",
    "LastChangeDate",
    "LastChangeTime",
    "LastChangedByUser",
];

/// # Errors
/// `Invalid` naming `object` when it is another.
pub(super) fn check_object(object: &str) -> Result<(), Error> {
    if object == SET {
        return Ok(());
    }
    let reason = format!("only {SET} is told and written");
    Err(Error::Invalid { field: Some("object".to_owned()), reason })
}

/// The properties to select: those asked for, each once, and what is read besides.
///
/// # Errors
/// `Invalid` naming `fields` when one is no property's name.
pub(super) fn selected(fields: &[String]) -> Result<Vec<Name>, Error> {
    let mut names: Vec<Name> = BESIDES.into_iter().map(fixed).collect();
    for field in fields {
        let name = property(field)?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

/// A property of the partner itself.
///
/// # Errors
/// `Invalid` naming `fields`.
pub(super) fn property(text: &str) -> Result<Name, Error> {
    let name = Name::new(text).filter(|name| !name.as_str().contains('/'));
    name.ok_or_else(|| Error::Invalid {
        field: Some("fields".to_owned()),
        reason: "one is no name of a property of a business partner".to_owned(),
    })
}

/// # Errors
/// `Protocol` when the row has no number.
pub(super) fn record(row: &Value, fields: &[String]) -> Result<Record, Error> {
    let id = text(row, NUMBER).and_then(partner_id);
    let value = |field: &String| {
        let value = row.get(field).filter(|value| value.as_str() != Some(""));
        (field.clone(), value.cloned().unwrap_or(Value::Null))
    };
    Ok(Record {
        id: id.ok_or_else(|| Error::protocol("a row without a number"))?,
        version: row.pointer("/__metadata/etag").and_then(Value::as_str).map(str::to_owned),
        modified: changed(row),
        modified_by: text(row, "LastChangedByUser").map(str::to_owned),
        fields: fields.iter().map(value).collect::<Fields>(),
    })
}

/// When a row was changed or made last; a day without a time of it counts to its end.
pub(super) fn changed(row: &Value) -> Option<Timestamp> {
    let moment = |date_of: &str, time_of: &str| {
        let Timestamp(day) = date(text(row, date_of)?)?;
        Some(Timestamp(day + text(row, time_of).and_then(time_of_day).unwrap_or(86_399_999)))
    };
    let made = moment("CreationDate", "CreationTime");
    moment("LastChangeDate", "LastChangeTime").max(made)
}

/// Names the property that the system does not have: its refusal often names none.
pub(super) async fn named(client: &Client, fields: &[String], error: Error) -> Error {
    let Error::Invalid { field: None, reason } = error else { return error };
    let described = client.metadata().await.unwrap_or_default();
    let is_unknown = |field: &&String| {
        !described.is_empty() && !described.contains(&format!("Name=\"{field}\""))
    };
    Error::Invalid { field: fields.iter().find(is_unknown).cloned(), reason }
}

pub(super) fn fixed(text: &str) -> Name {
    Name::new(text).expect("written in the program")
}
