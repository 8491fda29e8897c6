//! Many records in one request: `/composite/sobjects…`, at most 200.
//!
//! The answer is 200 with one result per record, in order, whatever became of each;
//! with `allOrNone` one failure takes back all the others. A request that is not well
//! formed is refused as a whole (400): a field that its object has not makes it so.

use axum::http::{Method, StatusCode};
use serde_json::{Map, Value as Json, json};

use super::super::World;
use super::super::store::{Refused, Store, Undo};
use super::records::{external_id, upsert, whole_record};
use super::{Answer, Asked, body_object, not_found, wrong_method};

const MOST_WRITTEN: usize = 200;
const MOST_READ: usize = 2000;

/// What became of one record: its id, whether it is new (for upserts), how to undo it.
type Done = (String, Option<bool>, Undo);

impl World {
    pub(super) fn collections(&self, asked: &Asked<'_>, base: &str, path: &[&str]) -> Answer {
        match (asked.method, path) {
            (&Method::POST, []) => self.each(asked, create),
            (&Method::PATCH, []) => self.each(asked, update),
            (&Method::DELETE, []) => self.delete_all(asked),
            (&Method::PATCH, [object, field]) => {
                let (object, field) = ((*object).to_owned(), (*field).to_owned());
                self.each(asked, move |store, record| upsert_one(store, &object, &field, record))
            }
            (&Method::GET | &Method::POST, [object]) => self.retrieve_all(asked, base, object),
            _ => wrong_method(asked.method),
        }
    }

    fn each(
        &self,
        asked: &Asked<'_>,
        act: impl Fn(&mut Store, &Map<String, Json>) -> Result<Done, Refused>,
    ) -> Answer {
        let body = match body_object(asked.body) {
            Ok(body) => body,
            Err(refused) => return refused,
        };
        let Some(records) = body.get("records").and_then(Json::as_array) else {
            return Answer::error(
                StatusCode::BAD_REQUEST,
                "JSON_PARSER_ERROR",
                "records is required",
            );
        };
        if records.len() > MOST_WRITTEN {
            return too_many();
        }
        let all_or_none = body.get("allOrNone").and_then(Json::as_bool).unwrap_or(false);
        let mut store = self.write_for(asked);
        if let Some(refused) = records.iter().find_map(|record| malformed(&store, record)) {
            return Answer::error(StatusCode::BAD_REQUEST, refused.code, &refused.message);
        }
        let results = records.iter().map(|record| match record.as_object() {
            Some(record) => act(&mut store, record),
            None => Err(Refused::new("JSON_PARSER_ERROR", "a record has to be an object")),
        });
        let results: Vec<Result<Done, Refused>> = results.collect();
        settle(&mut store, results, all_or_none)
    }

    fn delete_all(&self, asked: &Asked<'_>) -> Answer {
        let ids: Vec<&str> =
            asked.query.get("ids").map(|ids| ids.split(',').collect()).unwrap_or_default();
        if ids.len() > MOST_WRITTEN {
            return too_many();
        }
        let all_or_none = asked.query.get("allOrNone").is_some_and(|all| all == "true");
        let mut store = self.write_for(asked);
        let mut results = Vec::new();
        for id in ids {
            results.push(locate(&store, id).and_then(|(object, row)| {
                let undo = store.delete(object, row)?;
                Ok((store.id(object, row), None, undo))
            }));
        }
        settle(&mut store, results, all_or_none)
    }

    fn retrieve_all(&self, asked: &Asked<'_>, base: &str, object: &str) -> Answer {
        let store = self.read();
        let Some(object) = store.object(object) else { return not_found() };
        let (ids, fields) = if asked.method == Method::POST {
            let Ok(body) = body_object(asked.body) else { return not_found() };
            let list = |key: &str| -> Vec<String> {
                let all = body.get(key).and_then(Json::as_array).into_iter().flatten();
                all.filter_map(Json::as_str).map(str::to_owned).collect()
            };
            (list("ids"), list("fields"))
        } else {
            let list = |key: &str| -> Vec<String> {
                asked
                    .query
                    .get(key)
                    .map(|all| all.split(',').map(str::to_owned).collect())
                    .unwrap_or_default()
            };
            (list("ids"), list("fields"))
        };
        if ids.len() > MOST_READ {
            return too_many();
        }
        let fields = fields.join(",");
        let mut out = b"[".to_vec();
        for (at, id) in ids.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            match store.living(object, id).ok() {
                None => out.extend_from_slice(b"null"),
                Some(row) => match whole_record(&store, base, object, row, Some(&fields)) {
                    Ok(record) => out.extend_from_slice(&record),
                    Err(refused) => return refused.into(),
                },
            }
        }
        out.push(b']');
        Answer::bytes(StatusCode::OK, out)
    }
}

/// The field of a record that its object has not.
fn malformed(store: &Store, record: &Json) -> Option<Refused> {
    let record = record.as_object()?;
    let object = object_of(store, record).ok()?;
    let unknown = |name: &&String| {
        let is_own = ["attributes", "id"].iter().any(|own| name.eq_ignore_ascii_case(own));
        !is_own && store.field(object, name).is_none()
    };
    let name = record.keys().find(unknown)?;
    let of = &store.objects[object].name;
    let message = format!("No such column '{name}' on sobject of type {of}");
    Some(Refused::new("INVALID_FIELD", message))
}

fn too_many() -> Answer {
    Answer::error(
        StatusCode::BAD_REQUEST,
        "EXCEEDED_ID_LIMIT",
        "record limit reached. cannot submit more than 200 records into this call",
    )
}

/// The results as JSON; with `all_or_none` and a failure, none of them happened.
fn settle(store: &mut Store, results: Vec<Result<Done, Refused>>, all_or_none: bool) -> Answer {
    let rolled_back = all_or_none && results.iter().any(Result::is_err);
    let mut shown = Vec::new();
    let mut undone = Vec::new();
    for result in results {
        match result {
            Ok((_, _, undo)) if rolled_back => {
                undone.push(undo);
                let message = "Record rolled back because not all records were valid and the request was using AllOrNone header";
                shown.push(failed(&Refused::new("ALL_OR_NONE_OPERATION_ROLLED_BACK", message)));
            }
            Ok((id, new, _)) => {
                let mut one = json!({ "id": id, "success": true, "errors": [] });
                if let Some(new) = new {
                    one["created"] = Json::from(new);
                }
                shown.push(one);
            }
            Err(refused) => shown.push(failed(&refused)),
        }
    }
    // The last change first, so that a record changed twice ends as it began.
    for undo in undone.into_iter().rev() {
        store.undo(undo);
    }
    Answer::json(StatusCode::OK, &Json::from(shown))
}

fn failed(refused: &Refused) -> Json {
    let error =
        json!({ "statusCode": refused.code, "message": refused.message, "fields": refused.fields });
    json!({ "success": false, "errors": [error] })
}

fn object_of(store: &Store, record: &Map<String, Json>) -> Result<usize, Refused> {
    let name = record.get("attributes").and_then(|all| all.get("type")).and_then(Json::as_str);
    let name = name.ok_or_else(|| Refused::new("INVALID_TYPE", "attributes.type is required"))?;
    store.object(name).ok_or_else(|| {
        Refused::new("INVALID_TYPE", format!("sObject type '{name}' is not supported."))
    })
}

fn locate(store: &Store, id: &str) -> Result<(usize, u32), Refused> {
    let found = store.locate(id).ok().map(|(object, _)| object);
    let object = found.ok_or_else(|| Refused::of("MALFORMED_ID", format!("bad id {id}"), "Id"))?;
    let row = store.living(object, id)?;
    Ok((object, row))
}

fn create(store: &mut Store, record: &Map<String, Json>) -> Result<Done, Refused> {
    let object = object_of(store, record)?;
    let (row, undo) = store.create(object, record)?;
    Ok((store.id(object, row), None, undo))
}

fn update(store: &mut Store, record: &Map<String, Json>) -> Result<Done, Refused> {
    let mut record = record.clone();
    let id = record.remove("id").or_else(|| record.remove("Id"));
    let id = id.as_ref().and_then(Json::as_str);
    let id =
        id.ok_or_else(|| Refused::new("MISSING_ARGUMENT", "Id not specified in an update call"))?;
    let (object, row) = locate(store, id)?;
    let undo = store.update(object, row, &record)?;
    Ok((store.id(object, row), None, undo))
}

fn upsert_one(
    store: &mut Store,
    object: &str,
    field: &str,
    record: &Map<String, Json>,
) -> Result<Done, Refused> {
    let missing = || Refused::new("NOT_FOUND", "The requested resource does not exist");
    let object = store.object(object).ok_or_else(missing)?;
    let number = external_id(store, object, field)?;
    let name = store.objects[object].at(number).name.clone();
    let mut record = record.clone();
    let key = record.keys().find(|key| key.eq_ignore_ascii_case(&name)).cloned();
    let value = key.and_then(|key| record.remove(&key));
    let value = match value {
        Some(Json::String(text)) => text,
        Some(Json::Number(n)) => n.to_string(),
        _ => {
            let message = format!("{name} not specified");
            return Err(Refused::of("MISSING_ARGUMENT", message, &name));
        }
    };
    if store.rows_with(object, number, &value).len() > 1 {
        let message = format!("{name}: more than one record found for external id field");
        return Err(Refused::of("DUPLICATE_EXTERNAL_ID", message, &name));
    }
    let (id, new, undo) = upsert(store, object, number, &value, &record)?;
    Ok((id, Some(new), undo))
}
