//! Reads what a client sent for a record, and refuses it the way the vendor does.

use serde_json::{Map, Value as Json};

use super::packed::{Value, ValueRef};
use super::schema::{Field, Kind, Object};
use super::{Refused, Store, clock, ids, omni};

/// Field numbers and values (`None` empties the field) of a body, checked one by one.
pub(super) fn read(
    store: &Store,
    object: usize,
    body: &Map<String, Json>,
    creating: bool,
) -> Result<Vec<(u16, Option<Value>)>, Refused> {
    check_writable(store, object)?;
    let of = &store.objects[object];
    omni::check_write(&of.name, creating)?;
    let mut values = Vec::new();
    for (name, json) in body {
        if name == "attributes" {
            continue;
        }
        let number = store.field(object, name).ok_or_else(|| {
            Refused::new(
                "INVALID_FIELD",
                format!("No such column '{name}' on sobject of type {}", of.name),
            )
        })?;
        let field = of.at(number);
        let closed =
            store.allowed.read_only_fields.contains(&format!("{}.{}", of.name, field.name));
        if closed || !field.is(if creating { 'C' } else { 'U' }) {
            return Err(Refused::of(
                "INVALID_FIELD_FOR_INSERT_UPDATE",
                format!(
                    "Unable to create/update fields: {}. Please check the security settings of this \
                     field and verify that it is read/write for your profile or permission set.",
                    field.name
                ),
                &field.name,
            ));
        }
        values.push((number, value(store, field, json)?));
    }
    Ok(values)
}

/// Refuses any write where the user may only read the object.
pub(super) fn check_writable(store: &Store, object: usize) -> Result<(), Refused> {
    let name = &store.objects[object].name;
    if store.allowed.read_only_objects.contains(name) {
        let message =
            format!("insufficient access rights on object id: entity type {name} is read-only");
        return Err(Refused::new("INSUFFICIENT_ACCESS", message));
    }
    Ok(())
}

/// Refuses a record without a value in a required field.
pub(super) fn check_required(object: &Object, values: &[(u16, Value)]) -> Result<(), Refused> {
    let missing: Vec<String> = object
        .fields
        .iter()
        .enumerate()
        .filter(|(at, field)| {
            field.is_required() && values.iter().all(|(has, _)| usize::from(*has) != *at)
        })
        .map(|(_, field)| field.name.clone())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!("Required fields are missing: [{}]", missing.join(", "));
    Err(Refused { code: "REQUIRED_FIELD_MISSING", message, fields: missing })
}

/// Refuses a value that another record already has in a unique field.
pub(super) fn check_unique(
    store: &Store,
    object: usize,
    values: &[(u16, Value)],
    own: Option<u32>,
) -> Result<(), Refused> {
    for (number, value) in values {
        let field = store.objects[object].at(*number);
        let Value::Text(text) = value else { continue };
        if !field.unique {
            continue;
        }
        let other =
            store.rows_with(object, *number, text).into_iter().find(|row| Some(*row) != own);
        if let Some(row) = other {
            let id = store.id(object, row);
            let message = format!(
                "duplicate value found: {} duplicates value on record with id: {id}",
                field.name
            );
            return Err(Refused::new("DUPLICATE_VALUE", message));
        }
    }
    Ok(())
}

fn value(store: &Store, field: &Field, json: &Json) -> Result<Option<Value>, Refused> {
    match (field.kind, json) {
        (Kind::Boolean, Json::Bool(on)) => Ok(Some(Value::Bool(*on))),
        (Kind::Boolean, Json::String(word)) if word == "true" || word == "false" => {
            Ok(Some(Value::Bool(word == "true")))
        }
        (Kind::Boolean, _) => Err(unreadable(field, json)),
        (_, Json::Null) => Ok(None),
        (Kind::Int | Kind::Double | Kind::Currency, Json::Number(n)) => {
            let n = n.as_f64().ok_or_else(|| unreadable(field, json))?;
            if field.kind == Kind::Int && n.fract() != 0.0 {
                return Err(unreadable(field, json));
            }
            Ok(Some(Value::Number(n)))
        }
        (Kind::Int | Kind::Double | Kind::Currency, Json::String(word)) => {
            word.parse().map(|n| Some(Value::Number(n))).map_err(|_| unreadable(field, json))
        }
        (Kind::Date, Json::String(word)) => {
            let day = clock::parse_date(word)
                .or_else(|| clock::parse_datetime(word).map(|at| at.div_euclid(clock::DAY)));
            day.map(|day| Some(Value::Date(day))).ok_or_else(|| unreadable(field, json))
        }
        (Kind::Datetime, Json::String(word)) => {
            let at = clock::parse_datetime(word)
                .or_else(|| clock::parse_date(word).map(|day| day * clock::DAY));
            at.map(|at| Some(Value::Time(at))).ok_or_else(|| unreadable(field, json))
        }
        (kind, Json::String(word)) if kind.is_text() => text(store, field, word),
        _ => Err(unreadable(field, json)),
    }
}

/// Text is trimmed; what is then empty is null.
fn text(store: &Store, field: &Field, word: &str) -> Result<Option<Value>, Refused> {
    let word = word.trim();
    if word.is_empty() {
        return Ok(None);
    }
    if field.kind == Kind::Reference {
        return reference(store, field, word).map(Some);
    }
    if word.chars().count() > usize::try_from(field.length).unwrap_or(usize::MAX) {
        let message = format!(
            "{}: data value too large: {word} (max length={})",
            field.label(),
            field.length
        );
        return Err(Refused::of("STRING_TOO_LONG", message, &field.name));
    }
    if field.kind == Kind::Email && !is_email(word) {
        let message = format!("{}: invalid email address: {word}", field.label());
        return Err(Refused::of("INVALID_EMAIL_ADDRESS", message, &field.name));
    }
    Ok(Some(Value::Text(word.to_owned())))
}

fn reference(store: &Store, field: &Field, id: &str) -> Result<Value, Refused> {
    let (object, row) = match store.locate(id) {
        Ok(found) => found,
        Err(ids::BadId::Malformed) => {
            let message = format!("{}: id value of incorrect type: {id}", field.label());
            return Err(Refused::of("MALFORMED_ID", message, &field.name));
        }
        Err(ids::BadId::Elsewhere) => {
            return Err(Refused::of(
                "INVALID_CROSS_REFERENCE_KEY",
                "invalid cross reference id",
                &field.name,
            ));
        }
    };
    let of = &store.objects[object].name;
    if field.leads_to.as_ref().is_some_and(|(_, to)| !to.contains(of)) {
        let message = format!("{}: id value of incorrect type: {id}", field.label());
        return Err(Refused::of("FIELD_INTEGRITY_EXCEPTION", message, &field.name));
    }
    match store.value(object, row, super::system::IS_DELETED) {
        Some(ValueRef::Bool(true)) => {
            Err(Refused::of("ENTITY_IS_DELETED", "entity is deleted", &field.name))
        }
        _ => Ok(Value::Text(store.id(object, row))),
    }
}

fn unreadable(field: &Field, json: &Json) -> Refused {
    let what = match json {
        Json::Null => "VALUE_NULL",
        Json::Bool(_) => "VALUE_TRUE",
        Json::Number(_) => "VALUE_NUMBER_INT",
        Json::String(_) => "VALUE_STRING",
        Json::Array(_) => "START_ARRAY",
        Json::Object(_) => "START_OBJECT",
    };
    let message = format!(
        "Cannot deserialize instance of {} from {what} value {json} or request may be missing a \
         required field at [line:1, column:1]",
        field.kind.name()
    );
    Refused::of("JSON_PARSER_ERROR", message, &field.name)
}

fn is_email(word: &str) -> bool {
    let Some((local, domain)) = word.rsplit_once('@') else { return false };
    let plain = |part: &str| !part.is_empty() && !part.contains([' ', '@', ',', '<', '>', '"']);
    plain(local)
        && plain(domain)
        && domain.contains('.')
        && domain.split('.').all(|p| !p.is_empty())
}
