//! Many writes in one request: 100 inputs of one kind, each with its own outcome.
//!
//! What was seen is read for all of them at once and compared. Records made by a property
//! with unique values are upserted; by `email` one by one, because HubSpot calls that
//! upsert not partial. Results name the record, errors the trace that each input was given.
//!
//! Source: "Using object APIs" (batches, `objectWriteTraceId`).

use super::super::client::{Ask, BATCH_MAX, Method, record_id};
use super::super::mapping::Property;
use super::super::signals::failed;
use super::writes::{Writes, saved, texts};
use kit::{Error, Lane, Outcomes, Parts, Saved, Write};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What a batch does.
#[derive(Clone, Copy)]
enum Deed<'a> {
    /// By this property.
    Upsert(&'a str),
    Update,
    Archive,
}

/// One input: its place among the writes, by what its result is known, what is sent.
struct Row {
    at: usize,
    id: String,
    input: Value,
}

impl Writes {
    /// See [`kit::Writes::write`].
    pub(super) async fn write_all(
        &self,
        kind: &str,
        writes: &[Write],
    ) -> Result<Vec<Result<Saved, Error>>, Error> {
        let mut outcomes = Outcomes::new(writes.len());
        self.compare_all(kind, writes, &mut outcomes).await?;
        let mut upserts: BTreeMap<&str, Vec<Row>> = BTreeMap::new();
        let (mut updates, mut archives) = (Vec::new(), Vec::new());
        for (at, write) in writes.iter().enumerate() {
            if !outcomes.is_open(at) {
                continue;
            }
            match write {
                Write::Create { key: (key, value), fields } if key == "email" => {
                    let made = kit::Writes::create(self, kind, (key, value), fields).await;
                    outcomes.set(at, made);
                }
                Write::Create { key: (key, value), .. }
                    if Property::new(key).is_none() || value.is_empty() =>
                {
                    let reason = "is no key: a property and its value".to_owned();
                    outcomes.set(at, Err(Error::Invalid { field: Some(key.clone()), reason }));
                }
                Write::Create { key: (key, value), fields } => match texts(fields) {
                    Ok(mut values) => {
                        values.insert(key.clone(), value.as_str().into());
                        let mut input = input(at, value, &Value::Object(values));
                        input["idProperty"] = key.as_str().into();
                        upserts.entry(key).or_default().push(Row { at, id: value.clone(), input });
                    }
                    Err(error) => outcomes.set(at, Err(error)),
                },
                Write::Update { id, fields, .. } => {
                    let id = record_id(id).ok_or(Error::NotFound);
                    match id.and_then(|id| Ok((id, texts(fields)?))) {
                        Ok((id, values)) => {
                            let input = input(at, id, &Value::Object(values));
                            updates.push(Row { at, id: id.to_owned(), input });
                        }
                        Err(error) => outcomes.set(at, Err(error)),
                    }
                }
                Write::Delete { id, .. } => match record_id(id) {
                    Some(own) => {
                        archives.push(Row { at, id: own.to_owned(), input: json!({ "id": own }) });
                    }
                    None => outcomes.set(at, Ok(gone(id))),
                },
            }
        }
        for (key, rows) in upserts {
            self.send_all(kind, Deed::Upsert(key), rows, &mut outcomes).await;
        }
        self.send_all(kind, Deed::Update, updates, &mut outcomes).await;
        self.send_all(kind, Deed::Archive, archives, &mut outcomes).await;
        Ok(outcomes.finish())
    }

    /// Settles who was changed since it was seen, or is gone.
    async fn compare_all(
        &self,
        kind: &str,
        writes: &[Write],
        outcomes: &mut Outcomes,
    ) -> Result<(), Error> {
        let seen = |(at, write): (usize, &Write)| match write {
            Write::Update { id, seen: Some(seen), .. } => {
                Some((at, id.clone(), seen.clone(), Err(Error::NotFound)))
            }
            Write::Delete { id, seen: Some(seen) } => {
                Some((at, id.clone(), seen.clone(), Ok(gone(id))))
            }
            _ => None,
        };
        let asked: Vec<_> = writes.iter().enumerate().filter_map(seen).collect();
        let ids: Vec<String> = asked.iter().map(|(_, id, ..)| id.clone()).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let found = kit::Writes::read(self, Lane::Background, kind, &ids, &[]).await?;
        for ((at, _, seen, gone), now) in asked.into_iter().zip(found) {
            match now {
                None => outcomes.set(at, gone),
                Some(now) if now.version.as_deref() != Some(&*seen) => {
                    let reason = "the record was changed".to_owned();
                    outcomes.set(at, Err(Error::Conflict { reason }));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    async fn send_all(&self, kind: &str, deed: Deed<'_>, rows: Vec<Row>, outcomes: &mut Outcomes) {
        let end = match deed {
            Deed::Upsert(_) => "upsert",
            Deed::Update => "update",
            Deed::Archive => "archive",
        };
        let path = format!("{}/batch/{end}", self.client.paths.objects(kind));
        let mut parts = Parts::new(rows, BATCH_MAX);
        while let Some(rows) = parts.next_part() {
            let inputs: Vec<&Value> = rows.iter().map(|row| &row.input).collect();
            let ask = Ask::new(Method::Post, path.as_str()).json(json!({ "inputs": inputs }));
            match self.client.send(Lane::Background, &ask).await {
                Ok((body, _)) => told(deed, &rows, &body, outcomes),
                Err(error) => {
                    let settled = parts.failed(rows, &error, |row| row.has_part_in(&error));
                    outcomes.fail(settled.iter().map(|row| row.at), &error);
                }
            }
        }
    }
}

impl Row {
    /// Does it set the property that a refusal names?
    fn has_part_in(&self, error: &Error) -> bool {
        let Error::Invalid { field: Some(field), .. } = error else { return false };
        self.input["properties"].get(field.as_str()).is_some()
    }
}

fn input(at: usize, id: &str, properties: &Value) -> Value {
    json!({ "id": id, "objectWriteTraceId": at.to_string(), "properties": properties })
}

fn gone(id: &str) -> Saved {
    Saved { id: id.to_owned(), version: None, is_new: false }
}

/// What an answer says of each row. An archived one is not told of: whom no error names is.
fn told(deed: Deed<'_>, rows: &[Row], body: &Value, outcomes: &mut Outcomes) {
    for result in body["results"].as_array().into_iter().flatten() {
        let own = match deed {
            Deed::Upsert(key) => result["properties"][key].as_str(),
            Deed::Update | Deed::Archive => result["id"].as_str(),
        };
        let of = |row: &&Row| own.is_some_and(|own| own.eq_ignore_ascii_case(&row.id));
        if let Some(row) = rows.iter().find(of) {
            outcomes.set(row.at, saved(result));
        }
    }
    for error in body["errors"].as_array().into_iter().flatten() {
        let context = &error["context"];
        let named = ["objectWriteTraceId", "ids", "id"].iter().find_map(|key| {
            context[*key].as_array().map(|all| all.iter().filter_map(Value::as_str))
        });
        let named: Vec<&str> = named.into_iter().flatten().collect();
        for row in rows {
            let trace = row.at.to_string();
            if named.iter().any(|named| *named == trace || *named == row.id) {
                outcomes.set(row.at, Err(failed(error)));
            }
        }
    }
    if matches!(deed, Deed::Archive) {
        for row in rows {
            outcomes.set(row.at, Ok(gone(&row.id)));
        }
    }
}
