//! Single records: `/sobjects/{object}/…`.

use std::sync::atomic::Ordering;

use axum::http::{Method, StatusCode, header};
use serde_json::{Map, Value as Json, json};

use super::super::World;
use super::super::soql::render;
use super::super::store::schema::system;
use super::super::store::{Refused, State, Store, clock};
use super::{Answer, Asked, body_object, not_found, wrong_method};

impl World {
    /// `/sobjects[/{object}[/describe|updated|deleted|{id}|{field}/{value}]]`
    pub(super) fn sobjects(&self, asked: &Asked<'_>, base: &str, path: &[&str]) -> Answer {
        let [name, rest @ ..] = path else {
            let store = self.read();
            let seen = store.objects.iter().filter(|object| store.object(&object.name).is_some());
            let all: Vec<Json> = seen.map(|object| object.summary(&store.allowed, base)).collect();
            return Answer::json(
                StatusCode::OK,
                &json!({ "encoding": "UTF-8", "maxBatchSize": 200, "sobjects": all }),
            );
        };
        let Some(object) = self.read().object(name) else { return not_found() };
        match (asked.method, rest) {
            (&Method::GET, []) => {
                let store = self.read();
                let of = store.objects[object].summary(&store.allowed, base);
                Answer::json(StatusCode::OK, &json!({ "objectDescribe": of, "recentItems": [] }))
            }
            (&Method::POST, []) => self.create(asked, object),
            (&Method::GET, ["describe"]) => {
                let store = self.read();
                Answer::json(StatusCode::OK, &store.describe(object, base))
            }
            (&Method::GET, ["updated"]) => self.changes(asked, object, false),
            (&Method::GET, ["deleted"]) => self.changes(asked, object, true),
            (_, [id]) => self.record(asked, base, object, id),
            (_, [field, value]) => self.by_external_id(asked, base, object, field, value),
            _ => wrong_method(asked.method),
        }
    }

    fn create(&self, asked: &Asked<'_>, object: usize) -> Answer {
        let body = match body_object(asked.body) {
            Ok(body) => body,
            Err(refused) => return refused,
        };
        let mut store = self.write_for(asked);
        match store.create(object, &body) {
            Err(refused) => refused.into(),
            Ok((row, _)) => created(&store.id(object, row), None),
        }
    }

    fn record(&self, asked: &Asked<'_>, base: &str, object: usize, id: &str) -> Answer {
        let row = match self.read().living(object, id) {
            Ok(row) => row,
            // Behind a path even a malformed id is only a resource that is not there.
            Err(refused) if refused.code == "MALFORMED_ID" && asked.method == Method::GET => {
                return Answer::error(
                    StatusCode::NOT_FOUND,
                    "NOT_FOUND",
                    "Provided external ID field does not exist or is not accessible: Id",
                );
            }
            Err(refused) => return refused.into(),
        };
        if let Some(answer) = self.condition(asked, object, row) {
            return answer;
        }
        match *asked.method {
            Method::GET => self.retrieve(asked, base, object, row),
            Method::PATCH => match body_object(asked.body) {
                Err(refused) => refused,
                Ok(body) => self
                    .write_for(asked)
                    .update(object, row, &body)
                    .map_or_else(Answer::from, |_| Answer::empty(StatusCode::NO_CONTENT)),
            },
            Method::DELETE => self
                .write_for(asked)
                .delete(object, row)
                .map_or_else(Answer::from, |_| Answer::empty(StatusCode::NO_CONTENT)),
            _ => wrong_method(asked.method),
        }
    }

    /// 304, 412 or 400 where a conditional header says so.
    fn condition(&self, asked: &Asked<'_>, object: usize, row: u32) -> Option<Answer> {
        let header = |name: header::HeaderName| {
            asked.headers.get(name).and_then(|value| value.to_str().ok())
        };
        let store = self.read();
        // One second is the resolution of an HTTP date.
        let modified = store.row(object, row).map_or(0, |row| row.stamp) / 1000;
        if asked.method == Method::GET
            && let Some(since) = header(header::IF_MODIFIED_SINCE).and_then(clock::parse_http_date)
            && modified <= since / 1000
        {
            return Some(Answer::empty(StatusCode::NOT_MODIFIED));
        }
        if asked.method == Method::DELETE {
            return None;
        }
        let since = header(header::IF_UNMODIFIED_SINCE)?;
        match clock::parse_http_date(since) {
            Some(since) if modified > since / 1000 => Some(Answer::error(
                StatusCode::PRECONDITION_FAILED,
                "PRECONDITION_FAILED",
                "The record was modified after the date in If-Unmodified-Since",
            )),
            None if asked.method == Method::PATCH => Some(Answer::error(
                StatusCode::BAD_REQUEST,
                "INVALID_HEADER",
                "If-Unmodified-Since is not an HTTP date",
            )),
            _ => None,
        }
    }

    fn retrieve(&self, asked: &Asked<'_>, base: &str, object: usize, row: u32) -> Answer {
        let store = self.read();
        match whole_record(&store, base, object, row, asked.query.get("fields").map(String::as_str))
        {
            Err(refused) => refused.into(),
            Ok(body) => {
                let modified = clock::http_date(store.row(object, row).map_or(0, |row| row.stamp));
                Answer::bytes(StatusCode::OK, body).with("last-modified", modified)
            }
        }
    }

    fn by_external_id(
        &self,
        asked: &Asked<'_>,
        base: &str,
        object: usize,
        field: &str,
        value: &str,
    ) -> Answer {
        let mut store = self.write_for(asked);
        let number = match external_id(&store, object, field) {
            Ok(number) => number,
            Err(refused) => return refused.into(),
        };
        let rows = store.rows_with(object, number, value);
        if rows.len() > 1 {
            let name = &store.objects[object].name;
            let urls: Vec<String> = rows
                .iter()
                .map(|row| format!("{base}/sobjects/{name}/{}", store.id(object, *row)))
                .collect();
            return Answer::json(StatusCode::MULTIPLE_CHOICES, &Json::from(urls));
        }
        match *asked.method {
            Method::GET => match rows.first() {
                None => not_found(),
                Some(row) => {
                    let (row, fields) = (*row, asked.query.get("fields").map(String::as_str));
                    whole_record(&store, base, object, row, fields)
                        .map_or_else(Answer::from, |body| Answer::bytes(StatusCode::OK, body))
                }
            },
            Method::DELETE => match rows.first() {
                None => not_found(),
                Some(row) => store
                    .delete(object, *row)
                    .map_or_else(Answer::from, |_| Answer::empty(StatusCode::NO_CONTENT)),
            },
            Method::PATCH => {
                let update_only = asked.query.get("updateOnly").is_some_and(|only| only == "true");
                if rows.is_empty() && update_only {
                    return not_found();
                }
                match body_object(asked.body) {
                    Err(refused) => refused,
                    Ok(body) => match upsert(&mut store, object, number, value, &body) {
                        Err(refused) => refused.into(),
                        Ok((id, new, _)) => created(&id, Some(new)),
                    },
                }
            }
            _ => wrong_method(asked.method),
        }
    }

    /// `/updated` and `/deleted` between `start` and `end`, to the minute.
    fn changes(&self, asked: &Asked<'_>, object: usize, deleted: bool) -> Answer {
        let at = |name: &str| {
            let text = asked.query.get(name)?;
            clock::parse_datetime(text).map(|at| at - at.rem_euclid(60_000))
        };
        let refuse = |message: &str| {
            Answer::error(StatusCode::BAD_REQUEST, "INVALID_REPLICATION_DATE", message)
        };
        let (Some(start), Some(end)) = (at("start"), at("end")) else {
            return refuse("start and end have to be dates and times");
        };
        let now = clock::now();
        let oldest = now - if deleted { 15 } else { 30 } * clock::DAY;
        if start < oldest - 60_000 {
            return refuse("startDate before org replication enabled date");
        }
        if end < start + 60_000 {
            return refuse("endDate must be at least one minute greater than startDate");
        }
        let oldest = oldest.max(self.purged.load(Ordering::Relaxed));
        let store = self.read();
        let within = |row: &u32| {
            store.row(object, *row).is_some_and(|found| {
                let is_meant = match found.state {
                    State::Alive => !deleted,
                    State::Deleted | State::Emptied => deleted && found.modified >= oldest,
                    State::Erased => false,
                };
                is_meant && (start..end).contains(&found.modified)
            })
        };
        let rows: Vec<u32> = (0..store.rows(object)).filter(within).collect();
        let covered = clock::datetime(end.min(now));
        let body = if deleted {
            let stamp =
                |row: u32| clock::datetime(store.row(object, row).map_or(0, |row| row.stamp));
            let all: Vec<Json> = rows
                .iter()
                .map(|row| json!({ "deletedDate": stamp(*row), "id": store.id(object, *row) }))
                .collect();
            json!({ "deletedRecords": all, "earliestDateAvailable": clock::datetime(oldest), "latestDateCovered": covered })
        } else {
            let all: Vec<String> = rows.iter().map(|row| store.id(object, *row)).collect();
            json!({ "ids": all, "latestDateCovered": covered })
        };
        Answer::json(StatusCode::OK, &body)
    }
}

fn created(id: &str, new: Option<bool>) -> Answer {
    let mut body = json!({ "id": id, "success": true, "errors": [] });
    if let Some(new) = new {
        body["created"] = Json::from(new);
    }
    let status = if new == Some(false) { StatusCode::OK } else { StatusCode::CREATED };
    Answer::json(status, &body)
}

/// The number of a field that records can be named by.
pub(super) fn external_id(store: &Store, object: usize, field: &str) -> Result<u16, Refused> {
    let number = store.field(object, field).filter(|number| {
        let field = store.objects[object].at(*number);
        field.external_id || field.is('I') || *number == system::ID
    });
    number.ok_or_else(|| {
        let message =
            format!("Provided external ID field does not exist or is not accessible: {field}");
        Refused::new("NOT_FOUND", message)
    })
}

/// Id of the record, whether it is new, and how to take it back.
type Upserted = (String, bool, super::super::store::Undo);

/// Writes the record of that external id, which exists once or not at all.
pub(super) fn upsert(
    store: &mut Store,
    object: usize,
    field: u16,
    value: &str,
    body: &Map<String, Json>,
) -> Result<Upserted, Refused> {
    let name = store.objects[object].at(field).name.clone();
    if body.keys().any(|key| key.eq_ignore_ascii_case(&name)) {
        let message = format!("The {name} field should not be specified in the sobject data.");
        return Err(Refused::of("INVALID_FIELD", message, &name));
    }
    if let Some(row) = store.rows_with(object, field, value).first().copied() {
        let undo = store.update(object, row, body)?;
        return Ok((store.id(object, row), false, undo));
    }
    let mut body = body.clone();
    body.insert(name, Json::from(value));
    let (row, undo) = store.create(object, &body)?;
    Ok((store.id(object, row), true, undo))
}

/// A record with the fields asked for, or with all that the user may see.
pub(super) fn whole_record(
    store: &Store,
    base: &str,
    object: usize,
    row: u32,
    fields: Option<&str>,
) -> Result<Vec<u8>, Refused> {
    let of = &store.objects[object];
    let mut numbers = Vec::new();
    match fields {
        None => numbers.extend((0..of.fields.len()).filter_map(|at| {
            let number = u16::try_from(at).ok()?;
            store.field(object, &of.at(number).name)
        })),
        Some(names) => {
            for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                numbers.push(store.field(object, name).ok_or_else(|| {
                    Refused::new(
                        "INVALID_FIELD",
                        format!("No such column '{name}' on entity '{}'", of.name),
                    )
                })?);
            }
        }
    }
    let mut out = Vec::with_capacity(1024);
    render::attributes(store, base, object, row, &mut out);
    for number in numbers {
        out.push(b',');
        render::key(&of.at(number).name, &mut out);
        render::value(store.value(object, row, number), &mut out);
    }
    out.push(b'}');
    Ok(out)
}
