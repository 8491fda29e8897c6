//! How columns hold their values, and how they are named.
//!
//! A field of a sync is a column (`jobtitle`), a choice's label (`new_tier@label`, which is
//! read only), or a lookup's way to a table (`parentcustomerid_account`): it holds the id of
//! the record that it leads to. What a name alone cannot tell, the environment does
//! ([`super::tables`]): a text that came from elsewhere is written as the number, or the yes
//! or no, that its column takes, and what nobody may set is refused before it is sent.
//!
//! Source: Microsoft Learn, "Attribute metadata", "Associate and disassociate table rows".

use super::odata::{Guid, Name};
use super::tables::{Column, Holds, Table, Tables};
use async_trait::async_trait;
use domain::sync::Kind;
use kit::{Error, Fields, Form, Forms};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Behind a choice's column: its label in place of its number.
const LABEL: &str = "@label";
const LABELLED: &str = "@OData.Community.Display.V1.FormattedValue";
const LEADS_TO: &str = "@Microsoft.Dynamics.CRM.lookuplogicalname";
/// Before the address of the record that a way shall lead to.
pub(super) const BIND: &str = "@odata.bind";
/// What Dataverse sets itself in every table.
const CLOSED: [&str; 8] = [
    "createdon",
    "modifiedon",
    "versionnumber",
    "merged",
    "fullname",
    "contactid",
    "leadid",
    "accountid",
];

/// The sets of tables, by their logical names.
pub(super) type Sets = BTreeMap<String, Name>;

/// Forms by names, and what the environment says of its columns.
pub(super) struct Names {
    pub(super) tables: Arc<Tables>,
}

#[async_trait]
impl Forms for Names {
    /// `contact.emailaddress1` is `emailaddress1`: guides write the table before the column.
    fn form(&self, object: &str, name: &str, kind: Option<Kind>) -> Result<Form, Error> {
        if Name::new(object).is_none() {
            return Err(invalid("object", "is no name of a table's set"));
        }
        let is_own = |before: &str| {
            let singular = object.strip_suffix('s').unwrap_or(object);
            before.eq_ignore_ascii_case(object) || before.eq_ignore_ascii_case(singular)
        };
        let own = name.split_once('.').filter(|(before, _)| is_own(before));
        let field = own.map_or(name, |(_, field)| field).to_ascii_lowercase();
        let column = plain(&field)?;
        let kind = kind.unwrap_or_else(|| told(column.as_str()));
        let form = Form::plain(field.as_str(), kind);
        let is_closed = CLOSED.contains(&column.as_str()) || is_raw(column.as_str());
        Ok(if is_closed || field.ends_with(LABEL) { form.read_only() } else { form })
    }

    /// Nothing is made; what is not there, or nobody may set, is told before a run writes.
    async fn prepare(&self, object: &str, fields: &[String]) -> Result<Vec<String>, Error> {
        let table = self.tables.table(object).await?;
        for field in fields {
            let name = plain(field)?;
            let is_known = table.ways.contains_key(name.as_str());
            match table.columns.get(name.as_str()) {
                Some(column) if !column.can_write => return Err(closed(field)),
                None if !is_known && !table.columns.is_empty() => {
                    return Err(invalid(field, "is no column of this table, nor a lookup's way"));
                }
                _ => {}
            }
        }
        Ok(Vec::new())
    }
}

/// The column behind a field's name.
fn plain(field: &str) -> Result<Name, Error> {
    let name = field.strip_suffix(LABEL).unwrap_or(field);
    Name::new(name).ok_or_else(|| invalid(field, "is no name of a column"))
}

/// A lookup's column as it is read: `_parentcustomerid_value`.
fn is_raw(column: &str) -> bool {
    column.starts_with('_') && column.ends_with("_value")
}

/// The columns that are read for these fields.
///
/// # Errors
/// `Invalid` naming the one that is none.
pub(super) fn sources(table: &Table, fields: &[String]) -> Result<Vec<Name>, Error> {
    let source = |field: &String| {
        let name = plain(field)?;
        let way = table.ways.get(name.as_str());
        Ok(way.map_or(name, |way| way.column.clone()))
    };
    fields.iter().map(source).collect()
}

/// Does a field need more than a column's value: a label, or where a lookup leads to?
pub(super) fn is_annotated(table: &Table, fields: &[String]) -> bool {
    fields.iter().any(|field| field.ends_with(LABEL) || table.ways.contains_key(field))
}

/// What a row holds of a field.
pub(super) fn held(table: &Table, field: &str, row: &Value) -> Value {
    let of = |key: &str| row.get(key).cloned().unwrap_or_default();
    if let Some(column) = field.strip_suffix(LABEL) {
        return of(&format!("{column}{LABELLED}"));
    }
    let Some(way) = table.ways.get(field) else { return of(field) };
    let column = way.column.as_str();
    let is_there = row.get(format!("{column}{LEADS_TO}")).and_then(Value::as_str) == Some(&*way.to);
    if is_there { of(column) } else { Value::Null }
}

/// The tables that ways among these fields lead to.
pub(super) fn targets<'a>(table: &'a Table, fields: &Fields) -> Vec<&'a str> {
    let ways = fields.keys().filter_map(|name| table.ways.get(name));
    ways.map(|way| way.to.as_str()).collect()
}

/// Fields as Dataverse takes them.
///
/// # Errors
/// `Invalid` naming the one that it would not.
pub(super) fn body(table: &Table, sets: &Sets, fields: &Fields) -> Result<Fields, Error> {
    let mut out = Fields::new();
    for (name, value) in fields {
        if let Some(way) = table.ways.get(name) {
            let address = bound(name, sets.get(&way.to), value)?;
            out.insert(format!("{name}{BIND}"), address);
            continue;
        }
        if name.ends_with(LABEL) || is_raw(name) {
            return Err(closed(name));
        }
        plain(name.strip_suffix(BIND).unwrap_or(name))?;
        let value = match table.columns.get(name) {
            Some(Column { can_write: false, .. }) => return Err(closed(name)),
            Some(column) => as_held(name, column.holds, value)?,
            None => value.clone(),
        };
        out.insert(name.clone(), value);
    }
    Ok(out)
}

/// The address of the record that a way shall lead to; `null` leads nowhere.
fn bound(field: &str, set: Option<&Name>, value: &Value) -> Result<Value, Error> {
    let id = match value {
        Value::Null => return Ok(Value::Null),
        Value::String(text) => Guid::new(text),
        _ => None,
    };
    match (id, set) {
        (Some(id), Some(set)) => Ok(format!("/{}({})", set.as_str(), id.as_str()).into()),
        _ => Err(invalid(field, "takes the id of a record, which is a GUID")),
    }
}

/// A value as its column holds it.
fn as_held(field: &str, holds: Holds, value: &Value) -> Result<Value, Error> {
    let word = value.as_str().map(str::trim);
    let held = match (holds, value) {
        (_, Value::Null) | (Holds::Other, _) => Some(value.clone()),
        (Holds::Text, Value::Bool(_) | Value::Number(_)) => Some(value.to_string().into()),
        (Holds::Text, Value::String(_)) => Some(value.clone()),
        (Holds::Whole, Value::Number(number)) if number.is_i64() => Some(value.clone()),
        (Holds::Whole, _) => word.and_then(|word| word.parse::<i64>().ok()).map(Value::from),
        (Holds::Number, Value::Number(_)) => Some(value.clone()),
        (Holds::Number, _) => {
            let read = word.and_then(|word| word.parse::<f64>().ok());
            read.filter(|read| read.is_finite()).map(Value::from)
        }
        (Holds::Flag, Value::Bool(_)) => Some(value.clone()),
        (Holds::Flag, _) => match word.map(str::to_ascii_lowercase).as_deref() {
            Some("true" | "yes" | "1") => Some(true.into()),
            Some("false" | "no" | "0") => Some(false.into()),
            _ => value.as_i64().filter(|one| [0, 1].contains(one)).map(|one| (one == 1).into()),
        },
        (Holds::Text, _) => None,
    };
    held.ok_or_else(|| invalid(field, &format!("holds {}", holds.told())))
}

/// What a column's name says that it holds.
fn told(column: &str) -> Kind {
    let ends = |words: &[&str]| words.iter().any(|word| column.ends_with(word));
    let begins = |words: &[&str]| words.iter().any(|word| column.starts_with(word));
    match column {
        _ if begins(&["donot"]) || column == "creditonhold" => Kind::Bool,
        _ if begins(&["emailaddress"]) || ends(&["email"]) => Kind::Email,
        _ if begins(&["telephone", "mobilephone", "fax"]) || ends(&["phone", "_fax"]) => {
            Kind::Phone
        }
        "birthdate" | "anniversary" => Kind::Date,
        "createdon" | "modifiedon" | "lastusedincampaign" => Kind::Moment,
        "numberofemployees" | "revenue" | "creditlimit" | "annualincome" => Kind::Number,
        _ if ends(&["score"]) => Kind::Number,
        _ if ends(&["tags"]) => Kind::Tags,
        _ => Kind::Text,
    }
}

fn closed(field: &str) -> Error {
    invalid(field, "is set by Dataverse alone, or only read")
}

fn invalid(field: &str, reason: &str) -> Error {
    let field = Some(field.chars().take(60).collect());
    Error::Invalid { field, reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{as_held, is_raw, told};
    use crate::dynamics::tables::Holds;
    use domain::sync::Kind;
    use serde_json::{Value, json};

    #[test]
    fn names_tell_what_columns_hold() {
        for (name, kind) in [
            ("emailaddress2", Kind::Email),
            ("mobilephone", Kind::Phone),
            ("address1_telephone1", Kind::Text),
            ("birthdate", Kind::Date),
            ("donotbulkemail", Kind::Bool),
            ("new_leadscore", Kind::Number),
            ("lastname", Kind::Text),
        ] {
            assert_eq!(told(name), kind, "{name}");
        }
        assert!(is_raw("_parentcustomerid_value") && !is_raw("new_value"));
    }

    #[test]
    fn a_value_becomes_what_its_column_takes_or_is_refused() {
        let check = |holds, value: Value, expected: Option<Value>| {
            assert_eq!(as_held("x", holds, &value).ok(), expected, "{holds:?} {value}");
        };
        check(Holds::Whole, json!("100000002"), Some(json!(100_000_002)));
        check(Holds::Whole, json!("Gold"), None);
        check(Holds::Number, json!(" 7.5 "), Some(json!(7.5)));
        check(Holds::Number, json!("inf"), None);
        check(Holds::Flag, json!("Yes"), Some(json!(true)));
        check(Holds::Flag, json!(0), Some(json!(false)));
        check(Holds::Flag, json!("perhaps"), None);
        check(Holds::Text, json!(7), Some(json!("7")));
        check(Holds::Text, json!(["7"]), None);
        check(Holds::Whole, Value::Null, Some(Value::Null));
        check(Holds::Other, json!({ "a": 1 }), Some(json!({ "a": 1 })));
    }
}
