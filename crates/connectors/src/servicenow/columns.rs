//! Tables, columns and what stands in them, as ServiceNow takes them.

use super::query::Name;
use kit::{Error, Fields};
use serde_json::{Map, Value as Json};

/// What shall stand in which column, as ServiceNow keeps it: everything is a text.
pub(super) fn wanted(fields: &Fields, key: Option<&Name>) -> Result<Vec<(Name, String)>, Error> {
    let mut wanted = Vec::new();
    for (name, value) in fields {
        let name = column(name)?;
        if name.as_str().contains('.') || name.as_str().starts_with("sys_") {
            let reason = "is another record's or the system's own, and cannot be written";
            return Err(Error::Invalid {
                field: Some(name.as_str().to_owned()),
                reason: reason.to_owned(),
            });
        }
        let text = match value {
            Json::Null => String::new(),
            Json::String(text) => text.clone(),
            Json::Bool(_) | Json::Number(_) => value.to_string(),
            Json::Array(_) | Json::Object(_) => {
                let reason = "is a list or an object, which ServiceNow does not keep";
                return Err(Error::Invalid {
                    field: Some(name.as_str().to_owned()),
                    reason: reason.to_owned(),
                });
            }
        };
        wanted.extend((Some(&name) != key).then_some((name, text)));
    }
    Ok(wanted)
}

pub(super) fn body(wanted: &[(Name, String)]) -> Map<String, Json> {
    wanted.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_str().into())).collect()
}

pub(super) fn table(object: &str) -> Result<Name, Error> {
    Name::table(object).ok_or_else(|| Error::Invalid {
        field: Some("object".to_owned()),
        reason: "is no name of a table".to_owned(),
    })
}

pub(super) fn columns(fields: &[String]) -> Result<Vec<Name>, Error> {
    fields.iter().map(|field| column(field)).collect()
}

pub(super) fn column(field: &str) -> Result<Name, Error> {
    Name::new(field).ok_or_else(|| Error::Invalid {
        field: Some(field.to_owned()),
        reason: "is no name of a field".to_owned(),
    })
}
