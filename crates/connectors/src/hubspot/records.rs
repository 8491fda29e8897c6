//! Whole records of any type, by HubSpot's own names: what changed, and how they are written.

mod batch;
mod changes;
mod cursor;
mod forms;
mod writes;

pub(super) use changes::Changes;
pub(super) use forms::Names;
pub(super) use writes::Writes;

use super::client::Client;
use super::mapping::{Property, id_of};
use domain::Timestamp;
use kit::{Error, Fields, Record};
use serde_json::Value;

/// Who changed a record last.
const BY: &str = "hs_updated_by_user_id";

/// Is this a name of a type of records: `contacts`, `2-123456`, `p_customers`?
fn object(name: &str) -> Result<&str, Error> {
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    let fits = !name.is_empty() && name.len() <= 100 && name.bytes().all(is_name);
    fits.then_some(name).ok_or_else(|| Error::Invalid {
        field: Some("object".to_owned()),
        reason: "is no name of a type of records".to_owned(),
    })
}

/// The property that says when a record of a type was changed.
fn modified_property(object: &str) -> &'static str {
    match object {
        "contacts" | "contact" | "0-1" => "lastmodifieddate",
        _ => "hs_lastmodifieddate",
    }
}

/// The names of the properties to ask for, with ours.
fn properties<'a>(fields: &'a [String], own: &[&'a str]) -> Result<Vec<&'a str>, Error> {
    let mut names: Vec<&str> = own.to_vec();
    for field in fields {
        if Property::new(field).is_none() {
            let reason = "is no name of a property".to_owned();
            return Err(Error::Invalid { field: Some(field.clone()), reason });
        }
        if !names.contains(&field.as_str()) {
            names.push(field);
        }
    }
    Ok(names)
}

/// Do all these properties exist? HubSpot tells an empty one as null and passes over one
/// that there is not, which must not be taken for empty: so each that an answer lacks is
/// looked up by its name, once.
///
/// # Errors
/// `Invalid` naming the one that does not exist.
async fn all_known(
    client: &Client,
    object: &str,
    fields: &[String],
    found: &[Value],
) -> Result<(), Error> {
    let Some(first) = found.first() else { return Ok(()) };
    for field in fields.iter().filter(|field| first["properties"].get(field.as_str()).is_none()) {
        client.require(object, field).await?;
    }
    Ok(())
}

/// A record as it was asked for; what is empty there is null.
fn record(found: &Value, fields: &[String]) -> Result<Record, Error> {
    let value = |field: &String| {
        let value = found["properties"].get(field).cloned().unwrap_or(Value::Null);
        (field.clone(), if value == "" { Value::Null } else { value })
    };
    let fields: Fields = fields.iter().map(value).collect();
    let version = found["updatedAt"].as_str();
    Ok(Record {
        id: id_of(found)?.to_owned(),
        version: version.map(str::to_owned),
        modified: version.and_then(Timestamp::parse),
        modified_by: found["properties"][BY].as_str().map(str::to_owned),
        fields,
    })
}
