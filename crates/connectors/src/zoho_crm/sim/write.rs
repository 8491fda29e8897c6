//! What a change does: insert, update, upsert and delete, each record with its own outcome.
//!
//! Names of fields that do not exist are passed over without a word, as the vendor does.
//! The status tells only whether all records, none (400) or some (207) were written.

use axum::http::StatusCode;
use serde_json::{Map, Value as Json, json};
use sim::dates;

use super::World;
use super::http::{Answer, Asked};
use super::schema::{Field, Kind, Module};
use super::store::{Store, US, user};

/// Records in one request.
const ROWS_MAX: usize = 100;

/// What became of one record.
enum Outcome {
    Done(Json),
    Failed(Json),
    /// Changed since the time that was named.
    Stale(Json),
}

impl World {
    /// `POST /{module}`.
    pub(super) fn insert(
        &self,
        asked: &Asked<'_>,
        module: &'static Module,
    ) -> Result<Answer, Answer> {
        let (rows, _) = rows(asked)?;
        let mut store = self.write();
        let outcomes = rows.into_iter().enumerate().map(|(at, row)| {
            let row = checked(&store, module, row, at, None)?;
            let id = store.insert(module.name, row, US);
            Ok(done(&store, module, &id.to_string(), "record added"))
        });
        Ok(answered(collected(outcomes), StatusCode::CREATED))
    }

    /// `PUT /{module}` and `PUT /{module}/{id}`.
    pub(super) fn update(
        &self,
        asked: &Asked<'_>,
        module: &'static Module,
        id: Option<&str>,
    ) -> Result<Answer, Answer> {
        let (rows, _) = rows(asked)?;
        let mut store = self.write();
        let outcomes = rows.into_iter().enumerate().map(|(at, row)| {
            let own = row.get("id").and_then(Json::as_str).map(str::to_owned);
            let id = id.map(str::to_owned).or(own).unwrap_or_default();
            changed(&mut store, asked, module, &id, row, at)
        });
        Ok(answered(collected(outcomes), StatusCode::OK))
    }

    /// `POST /{module}/upsert`.
    pub(super) fn upsert(
        &self,
        asked: &Asked<'_>,
        module: &'static Module,
    ) -> Result<Answer, Answer> {
        let (rows, body) = rows(asked)?;
        if module.duplicates.is_empty() {
            let details = json!({ "resource_path_index": 0 });
            return Err(Answer::refused(
                "INVALID_MODULE",
                details,
                "the module is not supported in api",
            ));
        }
        let told = body["duplicate_check_fields"].as_array();
        let mut fields: Vec<&str> = told.into_iter().flatten().filter_map(Json::as_str).collect();
        if told.is_none() {
            fields = module.duplicates.to_vec();
        }
        let can = |name: &&str| {
            module.duplicates.contains(name) || module.field(name).is_some_and(|field| field.unique)
        };
        if let Some(name) = fields.iter().find(|name| !can(name)) {
            let details = json!({ "api_name": name, "json_path": "$.duplicate_check_fields" });
            return Err(Answer::refused("INVALID_DATA", details, "invalid duplicate check field"));
        }
        let mut store = self.write();
        let outcomes = rows.into_iter().enumerate().map(|(at, row)| {
            let twin = fields.iter().find_map(|name| {
                let field = module.field(name)?;
                Some((field.name, twin(&store, module, field, row.get(field.name)?)?))
            });
            match twin {
                Some((name, id)) => {
                    let mut done = changed(&mut store, asked, module, &id, row, at)?;
                    done["duplicate_field"] = name.into();
                    done["action"] = "update".into();
                    Ok(done)
                }
                None => {
                    let row = checked(&store, module, row, at, None)?;
                    let id = store.insert(module.name, row, US).to_string();
                    let mut done = done(&store, module, &id, "record added");
                    done["action"] = "insert".into();
                    done["duplicate_field"] = Json::Null;
                    Ok(done)
                }
            }
        });
        Ok(answered(collected(outcomes), StatusCode::OK))
    }

    /// `DELETE /{module}/{id}`.
    pub(super) fn delete_one(&self, module: &'static Module, id: &str) -> Result<Answer, Answer> {
        let mut store = self.write();
        if store.delete(module.name, id, US) {
            return Ok(answered(vec![Outcome::Done(deleted(id))], StatusCode::OK));
        }
        let details = json!({ "resource_path_index": 1 });
        Ok(answered(
            vec![failed("INVALID_DATA", details, "the related id given seems to be invalid")],
            StatusCode::OK,
        ))
    }

    /// `DELETE /{module}?ids=`.
    pub(super) fn delete_many(
        &self,
        asked: &Asked<'_>,
        module: &'static Module,
    ) -> Result<Answer, Answer> {
        let Some(ids) = asked.get("ids") else {
            let details = json!({ "param_name": "ids", "resource_path_index": 0 });
            return Err(Answer::refused(
                "REQUIRED_PARAM_MISSING",
                details,
                "One of the expected parameter is missing",
            ));
        };
        let mut store = self.write();
        let one = |id: &str| {
            if store.delete(module.name, id, US) {
                return Outcome::Done(deleted(id));
            }
            failed("INVALID_DATA", json!({ "id": id }), "record not deleted")
        };
        Ok(answered(ids.split(',').take(ROWS_MAX).map(one).collect(), StatusCode::OK))
    }
}

/// The records of a body, and the body.
fn rows(asked: &Asked<'_>) -> Result<(Vec<Map<String, Json>>, Json), Answer> {
    let body = asked.json()?;
    let rows = body["data"].as_array().filter(|rows| !rows.is_empty());
    let Some(rows) = rows else {
        let details = json!({ "api_name": "data", "json_path": "$.data" });
        return Err(Answer::refused("MANDATORY_NOT_FOUND", details, "required field not found"));
    };
    if rows.len() > ROWS_MAX {
        let details =
            json!({ "maximum_length": ROWS_MAX, "api_name": "data", "json_path": "$.data" });
        return Err(Answer::refused("INVALID_DATA", details, "invalid data"));
    }
    let rows = rows.iter().map(|row| row.as_object().cloned().unwrap_or_default()).collect();
    Ok((rows, body))
}

fn changed(
    store: &mut Store,
    asked: &Asked<'_>,
    module: &'static Module,
    id: &str,
    row: Map<String, Json>,
    at: usize,
) -> Result<Json, Outcome> {
    let Some((_, known)) = store.row(module, id).filter(|(_, row)| row.converted.is_none()) else {
        let details = json!({ "api_name": "id", "json_path": format!("$.data[{at}].id") });
        return Err(failed("INVALID_DATA", details, "the id given seems to be invalid"));
    };
    let since = asked.header("if-unmodified-since").and_then(dates::parse);
    if since.is_some_and(|since| known.modified > since) {
        let details = json!({
            "id": id, "Modified_Time": store.time(known.modified), "Created_Time": store.time(known.created),
            "Modified_By": user(known.modified_by), "Created_By": user(known.created_by),
        });
        let told = "the record was modified after the time specified";
        return Err(Outcome::Stale(
            json!({ "code": "ALREADY_MODIFIED", "details": details, "message": told, "status": "error" }),
        ));
    }
    let row = checked(store, module, row, at, Some(id))?;
    store.change(module.name, id, row, US);
    Ok(done(store, module, id, "record updated"))
}

/// Only fields that there are, in their form.
fn checked(
    store: &Store,
    module: &'static Module,
    row: Map<String, Json>,
    at: usize,
    id: Option<&str>,
) -> Result<Map<String, Json>, Outcome> {
    let mut values = Map::new();
    for (name, value) in row {
        let Some(field) = module.field(&name).filter(|field| !field.read_only()) else { continue };
        form(field, &value, at)?;
        let taken = |other: &String| id != Some(other.as_str());
        if field.unique
            && !value.is_null()
            && let Some(other) = twin(store, module, field, &value).filter(taken)
        {
            let mut details = place(field.name, at);
            details["duplicate_record"] =
                json!({ "id": other, "module": { "api_name": module.name } });
            return Err(failed("DUPLICATE_DATA", details, "duplicate data"));
        }
        values.insert(field.name.to_owned(), value);
    }
    let lacks = |field: &&Field| {
        let given = values.get(field.name);
        field.mandatory && given.map_or(id.is_none(), Json::is_null)
    };
    if let Some(field) = module.fields.iter().find(lacks) {
        return Err(failed(
            "MANDATORY_NOT_FOUND",
            place(field.name, at),
            "required field not found",
        ));
    }
    Ok(values)
}

fn form(field: &Field, value: &Json, at: usize) -> Result<(), Outcome> {
    let fits = match field.kind {
        _ if value.is_null() => true,
        Kind::Boolean => value.is_boolean(),
        Kind::Integer => value.is_i64() || value.is_u64(),
        Kind::DateTime => value.as_str().is_some_and(|text| dates::parse(text).is_some()),
        Kind::Lookup(_) => value["id"].as_str().or(value.as_str()).is_some(),
        Kind::Email => value.as_str().is_some_and(|text| text.contains('@')),
        _ => value.is_string(),
    };
    if !fits {
        let mut details = place(field.name, at);
        details["expected_data_type"] = field.kind.word().into();
        return Err(failed("INVALID_DATA", details, "invalid data"));
    }
    let length = value.as_str().map_or(0, |text| text.chars().count());
    if field.length > 0 && length > field.length {
        let mut details = place(field.name, at);
        details["maximum_length"] = field.length.into();
        return Err(failed("INVALID_DATA", details, "invalid data"));
    }
    Ok(())
}

/// A record that has the value already.
fn twin(store: &Store, module: &'static Module, field: &Field, value: &Json) -> Option<String> {
    let text = value.as_str()?.to_lowercase();
    let same = |own: &Json| own.as_str().is_some_and(|own| own.to_lowercase() == text);
    let mut rows = store.rows(module);
    rows.find(|(_, row)| row.values.get(field.name).is_some_and(same)).map(|(id, _)| id.to_string())
}

fn place(name: &str, at: usize) -> Json {
    json!({ "api_name": name, "json_path": format!("$.data[{at}].{name}") })
}

fn failed(code: &str, details: Json, message: &str) -> Outcome {
    Outcome::Failed(
        json!({ "code": code, "details": details, "message": message, "status": "error" }),
    )
}

fn deleted(id: &str) -> Json {
    json!({ "code": "SUCCESS", "details": { "id": id }, "message": "record deleted", "status": "success" })
}

fn done(store: &Store, module: &'static Module, id: &str, message: &str) -> Json {
    let Some((_, row)) = store.row(module, id) else { return Json::Null };
    json!({
        "code": "SUCCESS", "message": message, "status": "success",
        "details": {
            "id": id, "Modified_Time": store.time(row.modified), "Created_Time": store.time(row.created),
            "Modified_By": user(row.modified_by), "Created_By": user(row.created_by),
            "$approval_state": "approved",
        },
    })
}

fn collected(outcomes: impl Iterator<Item = Result<Json, Outcome>>) -> Vec<Outcome> {
    outcomes.map(|outcome| outcome.map_or_else(|failed| failed, Outcome::Done)).collect()
}

fn answered(outcomes: Vec<Outcome>, success: StatusCode) -> Answer {
    let is_done = |outcome: &Outcome| matches!(outcome, Outcome::Done(_));
    let is_stale = outcomes.iter().any(|outcome| matches!(outcome, Outcome::Stale(_)));
    let done = outcomes.iter().filter(|outcome| is_done(outcome)).count();
    let status = match done {
        _ if done == outcomes.len() => success,
        0 if is_stale => StatusCode::PRECONDITION_FAILED,
        0 => StatusCode::BAD_REQUEST,
        _ => StatusCode::MULTI_STATUS,
    };
    let rows: Vec<Json> = outcomes
        .into_iter()
        .map(|outcome| match outcome {
            Outcome::Done(row) | Outcome::Failed(row) | Outcome::Stale(row) => row,
        })
        .collect();
    Answer::json(status, &json!({ "data": rows }))
}
