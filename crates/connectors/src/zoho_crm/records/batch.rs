//! Many writes in one request: 100 rows, each with its own outcome, in their order.
//!
//! A condition holds for a whole request, so what was seen is read for all rows at once and
//! compared. Keys are looked for first, as with single records; a row that is not there is
//! upserted by its key, so that another try finds it.
//!
//! Source: "Insert Records", "Update Records", "Upsert Records", "Delete Records" (v8).

use super::super::client::{Ask, Method, record_id};
use super::super::coql::{Condition, Name, Query, ROWS_MAX, name};
use super::super::mapping::id_of;
use super::super::signals::outcome;
use super::writes::{WITHOUT_UPSERT, Writes, invalid};
use kit::{Error, Fields, Lane, Outcomes, Parts, Saved, Write};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Rows of one request.
pub(super) const WRITE_MAX: usize = 100;

/// How rows are sent.
#[derive(Clone, Copy)]
enum Way<'a> {
    Upsert(&'a Name),
    Update,
    Delete,
}

/// One row: its place among the writes, its record's id where it has one, what is sent.
struct Row {
    at: usize,
    id: String,
    fields: Fields,
}

impl Writes {
    /// See [`kit::Writes::write`].
    pub(super) async fn write_all(
        &self,
        object: Name,
        writes: &[Write],
    ) -> Result<Vec<Result<Saved, Error>>, Error> {
        let mut outcomes = Outcomes::new(writes.len());
        self.compare_all(&object, writes, &mut outcomes).await?;
        self.know(&object, writes, &mut outcomes).await?;
        let mut keyed: BTreeMap<&str, Vec<(usize, &str, &Fields)>> = BTreeMap::new();
        let (mut updates, mut deletes) = (Vec::new(), Vec::new());
        for (at, write) in writes.iter().enumerate() {
            if !outcomes.is_open(at) {
                continue;
            }
            match write {
                Write::Create { key: (key, value), fields } => {
                    keyed.entry(key).or_default().push((at, value, fields));
                }
                Write::Update { id, fields, .. } => match record_id(id) {
                    Some(id) => updates.push(Row::known(at, id, fields)),
                    None => outcomes.set(at, Err(Error::NotFound)),
                },
                Write::Delete { id, .. } => match record_id(id) {
                    Some(id) => deletes.push(Row::known(at, id, &Fields::new())),
                    None => outcomes.set(at, Ok(gone(id))),
                },
            }
        }
        for (key, rows) in keyed {
            self.make(&object, key, rows, (&mut updates, &mut outcomes)).await?;
        }
        self.send_all(&object, Way::Update, updates, &mut outcomes).await;
        self.send_all(&object, Way::Delete, deletes, &mut outcomes).await;
        Ok(outcomes.finish())
    }

    /// Rows of one key: those that are there already become changes.
    async fn make(
        &self,
        object: &Name,
        key: &str,
        rows: Vec<(usize, &str, &Fields)>,
        (updates, outcomes): (&mut Vec<Row>, &mut Outcomes),
    ) -> Result<(), Error> {
        let Some(field) = Name::new(key) else {
            let error = invalid(key, "is no name of a field");
            outcomes.fail(rows.iter().map(|(at, ..)| *at), &error);
            return Ok(());
        };
        if WITHOUT_UPSERT.contains(&object.as_str()) {
            for (at, value, fields) in rows {
                let made = kit::Writes::create(self, object.as_str(), (key, value), fields).await;
                outcomes.set(at, made);
            }
            return Ok(());
        }
        let known = self.keyed(object, &field, rows.iter().map(|(_, value, _)| *value)).await?;
        let mut upserts = Vec::new();
        for (at, value, fields) in rows {
            if Condition::equals(&field, value).is_none() {
                outcomes.set(at, Err(invalid(key, "cannot be looked for: a backslash")));
                continue;
            }
            let mut fields = fields.clone();
            fields.insert(key.to_owned(), value.into());
            match known.get(&value.to_lowercase()).map(Vec::as_slice) {
                None | Some([]) => upserts.push(Row { at, id: String::new(), fields }),
                Some([id]) => updates.push(Row::known(at, id, &fields)),
                Some(_) => {
                    let reason = format!("several records have this {key}");
                    outcomes.set(at, Err(Error::Conflict { reason }));
                }
            }
        }
        self.send_all(object, Way::Upsert(&field), upserts, outcomes).await;
        Ok(())
    }

    /// The ids of the records that have these values, by the value in lower case.
    async fn keyed<'a>(
        &self,
        object: &Name,
        field: &Name,
        values: impl Iterator<Item = &'a str>,
    ) -> Result<HashMap<String, Vec<String>>, Error> {
        let mut known: HashMap<String, Vec<String>> = HashMap::new();
        let select = [name("id"), field.clone()];
        for condition in Condition::one_of(field, values) {
            let query = Query::select(object, &select, &condition, &[&select[0]], ROWS_MAX);
            for row in self.client.rows(Lane::Background, &query).await?.0 {
                let value = row[field.as_str()].as_str().unwrap_or_default().to_lowercase();
                known.entry(value).or_default().push(id_of(&row)?.to_owned());
            }
        }
        Ok(known)
    }

    /// Settles the rows with fields that the module has not: those are asked for together,
    /// and one by one where one of them is unknown.
    async fn know(
        &self,
        object: &Name,
        writes: &[Write],
        outcomes: &mut Outcomes,
    ) -> Result<(), Error> {
        let of = |write: &'_ Write| -> Vec<String> {
            match write {
                Write::Create { fields, .. } | Write::Update { fields, .. } => {
                    fields.keys().cloned().collect()
                }
                Write::Delete { .. } => Vec::new(),
            }
        };
        let mut all: BTreeSet<String> = writes.iter().flat_map(of).collect();
        loop {
            match self.require(object, all.iter().map(String::as_str)).await {
                Ok(()) => return Ok(()),
                Err(Error::Invalid { field: Some(field), reason }) => {
                    let is_it = |known: &String| known.eq_ignore_ascii_case(&field);
                    let before = all.len();
                    all.retain(|known| !is_it(known));
                    if all.len() == before {
                        return Err(Error::Invalid { field: Some(field), reason });
                    }
                    let has =
                        |(at, write): (usize, &Write)| of(write).iter().any(is_it).then_some(at);
                    let rows: Vec<usize> = writes.iter().enumerate().filter_map(has).collect();
                    outcomes.fail(rows, &Error::Invalid { field: Some(field), reason });
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Settles who was changed since it was seen, or is gone.
    async fn compare_all(
        &self,
        object: &Name,
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
        let lane = Lane::Background;
        let found = kit::Writes::read(self, lane, object.as_str(), &ids, &[]).await?;
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

    async fn send_all(&self, object: &Name, way: Way<'_>, rows: Vec<Row>, outcomes: &mut Outcomes) {
        let mut parts = Parts::new(rows, WRITE_MAX);
        while let Some(rows) = parts.next_part() {
            let error = match self.several(object, way, &rows).await {
                Ok(results) => {
                    for (row, result) in rows.iter().zip(&results) {
                        outcomes.set(row.at, told(result));
                    }
                    continue;
                }
                // One row that was refused is answered as a refusal of the whole.
                Err(Error::NotFound | Error::Invalid { .. })
                    if matches!(way, Way::Delete) && self.are_gone(object, &rows).await =>
                {
                    for row in &rows {
                        outcomes.set(row.at, Ok(gone(&row.id)));
                    }
                    continue;
                }
                Err(error) => error,
            };
            let settled = parts.failed(rows, &error, |row| row.has_part_in(&error));
            outcomes.fail(settled.iter().map(|row| row.at), &error);
        }
    }

    /// One request; as many results as rows. Who could not be deleted because it is gone
    /// already, Zoho says no other than of any other reason: it is looked at.
    async fn several(
        &self,
        object: &Name,
        way: Way<'_>,
        rows: &[Row],
    ) -> Result<Vec<Value>, Error> {
        let path = format!("/{}", object.as_str());
        let data: Vec<&Fields> = rows.iter().map(|row| &row.fields).collect();
        let mut body = json!({ "data": data, "trigger": self.triggers });
        let ask = match way {
            Way::Upsert(key) => {
                body["duplicate_check_fields"] = json!([key.as_str()]);
                Ask::new(Method::Post, format!("{path}/upsert")).json(body)
            }
            Way::Update => Ask::new(Method::Put, path).json(body),
            Way::Delete => {
                let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
                Ask::new(Method::Delete, path).query("ids", ids.join(","))
            }
        };
        let answer = self.client.send(Lane::Background, &ask).await?;
        let results = answer.body.and_then(|mut body| match body["data"].take() {
            Value::Array(results) if results.len() == rows.len() => Some(results),
            _ => None,
        });
        let mut results = results.ok_or_else(|| Error::protocol("not one result for each row"))?;
        if matches!(way, Way::Delete) {
            for (row, result) in rows.iter().zip(&mut results) {
                let is_refused =
                    matches!(outcome(result), Err(Error::NotFound | Error::Invalid { .. }));
                if is_refused && self.are_gone(object, std::slice::from_ref(row)).await {
                    *result = json!({ "code": "SUCCESS", "details": { "id": row.id } });
                }
            }
        }
        Ok(results)
    }

    async fn are_gone(&self, object: &Name, rows: &[Row]) -> bool {
        let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
        let found = kit::Writes::read(self, Lane::Background, object.as_str(), &ids, &[]).await;
        found.is_ok_and(|found| found.iter().all(Option::is_none))
    }
}

impl Row {
    fn known(at: usize, id: &str, fields: &Fields) -> Self {
        let mut fields = fields.clone();
        fields.insert("id".to_owned(), id.into());
        Self { at, id: id.to_owned(), fields }
    }

    /// Does it set the field that a refusal names?
    fn has_part_in(&self, error: &Error) -> bool {
        let Error::Invalid { field: Some(field), .. } = error else { return false };
        self.fields.keys().any(|known| known.eq_ignore_ascii_case(field))
    }
}

fn gone(id: &str) -> Saved {
    Saved { id: id.to_owned(), version: None, is_new: false }
}

fn told(result: &Value) -> Result<Saved, Error> {
    let (details, action) = outcome(result)?;
    Ok(Saved { id: id_of(details)?.to_owned(), version: None, is_new: action == "insert" })
}
