//! Writing: made, changed, upserted and deleted records, under the conditions of their headers.
//!
//! `If-Match: *` changes only what is there (404), `If-None-Match: *` makes only what is
//! not (412), `If-Match` with an ETag changes only that version (412). Codes of these are
//! empty, as in the vendor's own samples.

use axum::http::StatusCode;
use serde_json::{Map, Value as Json};

use super::World;
use super::http::{API, Answer, Asked, Target, missing, target};
use super::query::found;
use super::store::{Row, Store, fits, is_guid};
use super::wanted::Wanted;

impl World {
    /// Makes a record in a table.
    pub(super) fn make(&self, at: usize, asked: &Asked<'_>) -> Result<Answer, Answer> {
        let body = body(asked)?;
        let mut store = self.write();
        let table_id = store.rows(at).table.id;
        let id = body.get(table_id).and_then(Json::as_str).map(str::to_lowercase);
        let id = id.filter(|id| is_guid(id)).unwrap_or_else(random_id);
        if store.row(at, &id).is_some() {
            return Err(duplicate());
        }
        let row = self.changed_row(&store, at, &id, Row::default(), &body)?;
        store.put(at, &id, row, &self.config.user_id);
        self.done(&store, at, (&id, true), asked)
    }

    /// Changes a record, or makes the one that is not there.
    pub(super) fn patch(&self, of: Target, asked: &Asked<'_>) -> Result<Answer, Answer> {
        let body = body(asked)?;
        let mut store = self.write();
        let (at, id) = match (&of, found(&store, &of)) {
            (_, Ok((at, id))) => (at, Some(id)),
            (Target::Key(at, _), Err(_)) => (*at, None),
            (_, Err(refused)) => return Err(refused),
        };
        let known = id.as_deref().and_then(|id| store.row(at, id)).cloned();
        conditions(asked, known.as_ref(), store.rows(at).table.logical, id.as_deref())?;
        let is_new = known.is_none();
        let mut row = known.unwrap_or_default();
        let logical = store.rows(at).table.logical;
        let is_completed = row.get("statecode").as_i64().is_some_and(|state| state != 0);
        if logical == "phonecall"
            && is_completed
            && self.config.completed_is_read_only
            && !body.contains_key("statecode")
        {
            let message = "This activity is read-only because it is completed or canceled.";
            return Err(Answer::error(StatusCode::BAD_REQUEST, "0x80043b02", message));
        }
        let id = id.unwrap_or_else(random_id);
        if let Target::Key(_, pairs) = &of {
            for (column, value) in pairs {
                if body.contains_key(column) {
                    return Err(Answer::bad(
                        "The key attributes cannot be part of the body as well.",
                    ));
                }
                row.values.insert(column.clone(), value.clone());
            }
        }
        let row = self.changed_row(&store, at, &id, row, &body)?;
        store.put(at, &id, row, &self.config.user_id);
        self.done(&store, at, (&id, is_new), asked)
    }

    /// Deletes a record.
    pub(super) fn delete(&self, of: &Target, asked: &Asked<'_>) -> Result<Answer, Answer> {
        let mut store = self.write();
        let (at, id) = found(&store, of)?;
        let logical = store.rows(at).table.logical;
        let known = store.row(at, &id).cloned().ok_or_else(|| missing(logical, &id))?;
        conditions(asked, Some(&known), logical, Some(&id))?;
        store.remove(at, &id);
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }

    /// The row with the body's values, or why it cannot be so.
    fn changed_row(
        &self,
        store: &Store,
        at: usize,
        id: &str,
        mut row: Row,
        body: &Map<String, Json>,
    ) -> Result<Row, Answer> {
        let table = &store.rows(at).table;
        for (name, value) in body {
            if let Some(way) = name.strip_suffix("@odata.bind") {
                self.bind(store, at, &mut row, (way, value))?;
                continue;
            }
            if name == "phonecall_activity_parties" && table.logical == "phonecall" {
                parties(store, value)?;
                row.values.insert(name.clone(), value.clone());
                continue;
            }
            if name.starts_with('@') || name == table.id {
                continue;
            }
            fits(table, name, value).map_err(|message| payload(&message))?;
            match value {
                Json::Null => row.values.remove(name),
                value => row.values.insert(name.clone(), value.clone()),
            };
        }
        for (_, columns, is_ready) in &table.keys {
            let pairs: Vec<(String, Json)> = columns
                .iter()
                .map(|column| ((*column).to_owned(), row.get(column).clone()))
                .collect();
            let is_whole = pairs.iter().all(|(_, value)| !value.is_null());
            if *is_ready && is_whole && store.with(at, &pairs).iter().any(|other| other != id) {
                return Err(duplicate());
            }
        }
        Ok(row)
    }

    /// Lets a lookup lead to the record that an address names.
    fn bind(
        &self,
        store: &Store,
        at: usize,
        row: &mut Row,
        (way, value): (&str, &Json),
    ) -> Result<(), Answer> {
        let table = &store.rows(at).table;
        let told = || {
            payload(&format!(
                "An undeclared property '{way}' which only has property annotations in the payload."
            ))
        };
        let way = table.way(way).ok_or_else(told)?;
        let mark = format!("{}@to", way.column);
        let Some(address) = value.as_str() else {
            row.values.remove(way.column);
            row.values.remove(&mark);
            return Ok(());
        };
        let whole = format!("{}{API}/", self.url());
        let step = address.strip_prefix(&whole).unwrap_or(address).trim_start_matches('/');
        let of = target(store, step).map_err(|refused| refused.unwrap_or_else(told))?;
        let (to, id) = found(store, &of)?;
        if store.rows(to).table.logical != way.to {
            return Err(payload("The lookup leads to another table."));
        }
        store.row(to, &id).ok_or_else(|| missing(way.to, &id))?;
        row.values.insert(way.column.to_owned(), id.into());
        row.values.insert(mark, way.to.into());
        Ok(())
    }

    fn done(
        &self,
        store: &Store,
        at: usize,
        (id, is_new): (&str, bool),
        asked: &Asked<'_>,
    ) -> Result<Answer, Answer> {
        let table = &store.rows(at).table;
        let address = format!("{}{API}/{}({id})", self.url(), table.set);
        if asked.preference("return").as_deref() != Some("representation") {
            return Ok(Answer::empty(StatusCode::NO_CONTENT).with("odata-entityid", address));
        }
        let wanted = Wanted::read(store, table, asked)?;
        let row = store.row(at, id).ok_or_else(|| missing(table.logical, id))?;
        let mut body = wanted.row(store, table, row);
        body["@odata.context"] = self.context(&format!("{}/$entity", table.set)).into();
        let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
        let answer = Answer::json(status, &body)
            .with("preference-applied", "return=representation".to_owned());
        Ok(answer.with("odata-entityid", address))
    }
}

/// Holds the headers' conditions against what is there.
fn conditions(
    asked: &Asked<'_>,
    known: Option<&Row>,
    logical: &str,
    id: Option<&str>,
) -> Result<(), Answer> {
    let failed = |message| Err(Answer::error(StatusCode::PRECONDITION_FAILED, "", message));
    match (asked.header("if-match"), known) {
        (Some(_), None) => return Err(missing(logical, id.unwrap_or_default())),
        (Some(version), Some(row)) if version != "*" && version != row.etag() => {
            return failed(
                "The version of the existing record doesn't match the RowVersion property provided.",
            );
        }
        _ => {}
    }
    if asked.header("if-none-match") == Some("*") && known.is_some() {
        return failed("A record with matching key values already exists.");
    }
    Ok(())
}

/// Every party is somebody who is there.
fn parties(store: &Store, value: &Json) -> Result<(), Answer> {
    for party in value.as_array().into_iter().flatten() {
        if !party["participationtypemask"].as_i64().is_some_and(|mask| (1..=12).contains(&mask)) {
            return Err(payload("The property 'participationtypemask' is out of range."));
        }
        for logical in ["contact", "lead", "account"] {
            let Some(address) = party[format!("partyid_{logical}@odata.bind")].as_str() else {
                continue;
            };
            let of = target(store, address.trim_start_matches('/'));
            let of = of.map_err(|refused| refused.unwrap_or_else(|| payload("No such party.")))?;
            let (at, id) = found(store, &of)?;
            store.row(at, &id).ok_or_else(|| missing(logical, &id))?;
        }
    }
    Ok(())
}

fn body(asked: &Asked<'_>) -> Result<Map<String, Json>, Answer> {
    match serde_json::from_slice(asked.body) {
        Ok(Json::Object(map)) => Ok(map),
        _ => Err(payload("The body is no JSON object.")),
    }
}

fn payload(message: &str) -> Answer {
    let told =
        format!("Error identified in Payload provided by the user. InnerException: {message}");
    Answer::error(StatusCode::BAD_REQUEST, "0x80048d19", &told)
}

fn duplicate() -> Answer {
    let message = "A record with matching key values already exists.";
    Answer::error(StatusCode::PRECONDITION_FAILED, "0x80040237", message)
}

/// An id that nobody has yet.
pub(super) fn random_id() -> String {
    let mut bytes = [0_u8; 16];
    // Without randomness there is no simulator either: its tokens need it.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    bytes[6] = (bytes[6] & 0x0F) | 0x40;
    bytes[8] = (bytes[8] & 0x3F) | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
