//! Whole contacts by the platform's own names: what `scan` tells and `writes` changes.

use domain::Timestamp;
use kit::{Error, Fields, Record};
use serde_json::Value;

/// The one object whose records are told and written.
pub(super) const OBJECT: &str = "contacts";
/// The field by which a contact is known as a record of another system.
pub(super) const EXTERNAL_IDS: &str = "externalIds";
/// Fields of `ExternalContact` that may be set.
const OPEN: [&str; 25] = [
    "firstName",
    "middleName",
    "lastName",
    "salutation",
    "title",
    "workPhone",
    "cellPhone",
    "homePhone",
    "otherPhone",
    "workEmail",
    "personalEmail",
    "otherEmail",
    "address",
    "twitterId",
    "lineId",
    "whatsAppId",
    "facebookId",
    "instagramId",
    "appleOpaqueIds",
    EXTERNAL_IDS,
    "externalOrganization",
    "externalSystemUrl",
    "surveyOptOut",
    "schema",
    "customFields",
];
/// What the platform sets itself.
const CLOSED: [&str; 9] = [
    "id",
    "type",
    "division",
    "identifiers",
    "createDate",
    "modifyDate",
    "canonicalContact",
    "mergeSet",
    "externalDataSources",
];

/// # Errors
/// `Invalid` naming `object` when it is another.
pub(super) fn check_object(object: &str) -> Result<(), Error> {
    if object == OBJECT {
        return Ok(());
    }
    let reason = format!("only {OBJECT} are told and written");
    Err(Error::Invalid { field: Some("object".to_owned()), reason })
}

/// Is this a field, or a part of one (`address.city`)? `is_written`: one that may be set.
///
/// # Errors
/// `Invalid` naming it.
pub(super) fn check_field(path: &str, is_written: bool) -> Result<(), Error> {
    let is_plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let mut parts = path.split('.');
    let first = parts.next().unwrap_or_default();
    let is_known = OPEN.contains(&first) || (!is_written && CLOSED.contains(&first));
    if is_known && parts.clone().count() <= 1 && parts.all(is_plain) {
        return Ok(());
    }
    // What is no word may be anything, and is not repeated.
    let named = path.len() <= 100 && path.split('.').all(is_plain);
    Err(Error::Invalid {
        field: Some(if named { path } else { "fields" }.to_owned()),
        reason: "is no field of a contact that can be asked for here".to_owned(),
    })
}

/// An `ExternalContact` as a record with the fields asked for.
///
/// # Errors
/// `Protocol` when it has no id.
pub(super) fn record(contact: &Value, fields: &[String]) -> Result<Record, Error> {
    let text = |key: &str| contact.get(key).and_then(Value::as_str).map(str::to_owned);
    let value = |path: &String| {
        let found = path.split('.').try_fold(contact, |within, part| within.get(part));
        (path.clone(), found.cloned().unwrap_or(Value::Null))
    };
    let version = text("modifyDate");
    Ok(Record {
        id: text("id").ok_or_else(|| Error::protocol("a contact without an id"))?,
        modified: version.as_deref().and_then(Timestamp::parse),
        version,
        modified_by: None,
        fields: fields.iter().map(value).collect::<Fields>(),
    })
}
