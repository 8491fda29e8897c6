//! Many writes in one request: collections of 200 records, each with its own outcome.
//!
//! [`Records::write_all`] reads what was seen of all of them at once and compares, sorts
//! the rest by how the org takes them (made, upserted by a key, changed, deleted), and
//! sends each sort. A collection knows no conditional writes: README.md says how wide the
//! gap is. Where the org refuses a request as a whole, the rows at fault are found, so
//! that they spoil no other. No version is told: what was read afterwards might be
//! somebody else's.
//!
//! Source: REST API Guide, "sObject Collections".

use super::client::{Write, refused};
use super::mapping::record_id;
use super::records::{field_name, fixed, id};
use super::soql::{Condition, Name, Soql};
use super::writes::{Records, body, made, still};
use kit::{Error, Lane, Outcomes, Parts, Saved};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// Records of one request.
pub(super) const WRITE_MAX: usize = 200;
/// Characters of the values in one list; a WHERE clause has at most 4,000.
const LISTED_MAX: usize = 3_500;
/// Rows of one question by keys: more have a key that is none.
const KEYED_MAX: u16 = 2_000;

/// How the org takes a collection.
#[derive(Clone, Copy)]
enum Way<'a> {
    Make,
    Change,
    /// Made or changed, by this external id.
    Upsert(&'a Name),
    Delete,
}

/// One record on its way: its place among the writes, and what is sent of it.
struct Row {
    at: usize,
    body: Value,
}

/// The rows by how they are sent.
#[derive(Default)]
struct Sorted {
    made: Vec<Row>,
    changed: Vec<Row>,
    deleted: Vec<Row>,
    /// By the field that is their key: place, value, and what is set.
    keyed: BTreeMap<String, Vec<(usize, String, Value)>>,
}

impl Records {
    /// See [`kit::Writes::write`].
    pub(super) async fn write_all(
        &self,
        object: &str,
        writes: &[kit::Write],
    ) -> Result<Vec<Result<Saved, Error>>, Error> {
        let object = super::records::object(object)?;
        let mut outcomes = Outcomes::new(writes.len());
        self.compare(&object, writes, &mut outcomes).await?;
        let Sorted { mut made, mut changed, deleted, keyed } =
            sorted(&object, writes, &mut outcomes);
        for (key, rows) in keyed {
            let key = field_name(&key)?;
            if self.is_external_id(&object, &key).await? {
                let rows =
                    rows.into_iter().map(|(at, value, body)| Row::keyed(at, body, &key, value));
                self.send(Way::Upsert(&key), &object, rows.collect(), &mut outcomes).await;
                continue;
            }
            let values = rows.iter().map(|(_, value, _)| value.as_str()).collect::<Vec<_>>();
            let known = self.known(&object, &key, &values).await?;
            for (at, value, mut body) in rows {
                match known.get(&value.to_lowercase()).map(Vec::as_slice) {
                    None | Some([]) => made.push(Row::keyed(at, body, &key, value)),
                    Some([id]) => {
                        body["id"] = id.as_str().into();
                        changed.push(Row { at, body });
                    }
                    Some(_) => {
                        let reason = "several records have this key".to_owned();
                        outcomes.set(at, Err(Error::Conflict { reason }));
                    }
                }
            }
        }
        self.send(Way::Make, &object, made, &mut outcomes).await;
        self.send(Way::Change, &object, changed, &mut outcomes).await;
        self.send(Way::Delete, &object, deleted, &mut outcomes).await;
        Ok(outcomes.finish())
    }

    /// Reads those that were seen before, and settles who was changed or is gone since.
    async fn compare(
        &self,
        object: &Name,
        writes: &[kit::Write],
        outcomes: &mut Outcomes,
    ) -> Result<(), Error> {
        let seen = |(at, write): (usize, &kit::Write)| match write {
            kit::Write::Update { id, seen: Some(seen), .. } => {
                Some((at, record_id(id)?, seen.clone(), Err(Error::NotFound)))
            }
            kit::Write::Delete { id, seen: Some(seen) } => {
                let gone = Saved { id: id.clone(), version: None, is_new: false };
                Some((at, record_id(id)?, seen.clone(), Ok(gone)))
            }
            _ => None,
        };
        let asked: Vec<_> = writes.iter().enumerate().filter_map(seen).collect();
        for asked in asked.chunks(WRITE_MAX) {
            let ids: Vec<&str> = asked.iter().map(|(_, id, ..)| id.as_str()).collect();
            let body = json!({ "ids": ids, "fields": ["Id", "SystemModstamp"] });
            let path = format!("composite/sobjects/{}", object.as_str());
            let told = self.client.write(Write::Create(&body), &path).await?;
            let rows = told.as_array().filter(|rows| rows.len() == asked.len());
            let rows = rows.ok_or_else(|| Error::protocol("not one row for each id"))?;
            for ((at, id, seen, gone), row) in asked.iter().zip(rows) {
                if row.is_null() {
                    outcomes.set(*at, gone.clone());
                    continue;
                }
                if self::id(row)? != *id {
                    return Err(Error::protocol("rows in another order than the ids"));
                }
                let stamp = row.get("SystemModstamp").and_then(Value::as_str);
                if let Err(error) = still(stamp, seen) {
                    outcomes.set(*at, Err(error));
                }
            }
        }
        Ok(())
    }

    /// The records that have these values, by the value in lower case: the org's own
    /// comparison knows no case.
    async fn known(
        &self,
        object: &Name,
        key: &Name,
        values: &[&str],
    ) -> Result<HashMap<String, Vec<String>>, Error> {
        let mut known: HashMap<String, Vec<String>> = HashMap::new();
        let mut rest = values;
        while !rest.is_empty() {
            let mut length = 0;
            let fits = rest.iter().take_while(|value| {
                length += 2 * value.len() + 3;
                length <= LISTED_MAX
            });
            let (listed, left) = rest.split_at(fits.count().max(1));
            rest = left;
            let condition = Condition::one_of(key, listed.iter().copied());
            let select = [fixed("Id"), key.clone()];
            let soql = Soql::select(object, &select, condition.as_ref(), KEYED_MAX);
            for row in self.client.query(Lane::Background, &soql).await?.rows {
                let value = match super::mapping::at(&row, key.as_str()) {
                    Some(Value::String(text)) => text.to_lowercase(),
                    Some(Value::Number(number)) => number.to_string(),
                    _ => continue,
                };
                known.entry(value).or_default().push(id(&row)?);
            }
        }
        Ok(known)
    }

    /// Sends rows in collections, and those of a refused one again without who was at fault.
    async fn send(&self, way: Way<'_>, object: &Name, rows: Vec<Row>, outcomes: &mut Outcomes) {
        let mut parts = Parts::new(rows, WRITE_MAX);
        while let Some(rows) = parts.next_part() {
            match self.collection(way, object, &rows).await {
                Ok(results) => {
                    for (row, result) in rows.iter().zip(&results) {
                        outcomes.set(row.at, outcome(way, row, result));
                    }
                }
                Err(error) => {
                    let settled = parts.failed(rows, &error, |row| row.has_part_in(&error));
                    outcomes.fail(settled.iter().map(|row| row.at), &error);
                }
            }
        }
    }

    /// One collection; as many results as rows.
    async fn collection(
        &self,
        way: Way<'_>,
        object: &Name,
        rows: &[Row],
    ) -> Result<Vec<Value>, Error> {
        let records: Vec<&Value> = rows.iter().map(|row| &row.body).collect();
        let body = json!({ "allOrNone": false, "records": records });
        let path = "composite/sobjects";
        let told = match way {
            Way::Make => self.client.write(Write::Create(&body), path).await?,
            Way::Change => self.client.write(Write::Change(&body), path).await?,
            Way::Upsert(key) => {
                let path = format!("{path}/{}/{}", object.as_str(), key.as_str());
                self.client.write(Write::Change(&body), &path).await?
            }
            Way::Delete => {
                let ids: Vec<&str> =
                    rows.iter().filter_map(|row| row.body["id"].as_str()).collect();
                let path = format!("{path}?ids={}&allOrNone=false", ids.join(","));
                self.client.write(Write::Delete, &path).await?
            }
        };
        match told {
            Value::Array(results) if results.len() == rows.len() => Ok(results),
            _ => Err(Error::protocol("not one result for each record")),
        }
    }
}

impl Row {
    fn keyed(at: usize, mut body: Value, key: &Name, value: String) -> Self {
        body[key.as_str()] = value.into();
        Self { at, body }
    }

    /// Does it set the field that a refusal names?
    fn has_part_in(&self, error: &Error) -> bool {
        let named = match error {
            Error::Invalid { field: Some(field), .. } => field,
            Error::Forbidden { missing } => missing,
            _ => return false,
        };
        let field = named.rsplit('.').next().unwrap_or_default();
        let mut names = self.body.as_object().into_iter().flat_map(|body| body.keys());
        names.any(|name| name.eq_ignore_ascii_case(field))
    }
}

/// The writes that are still open, by how they are sent; what can be none is settled.
fn sorted(object: &Name, writes: &[kit::Write], outcomes: &mut Outcomes) -> Sorted {
    let typed = |mut body: Value| {
        body["attributes"] = json!({ "type": object.as_str() });
        body
    };
    let mut sorted = Sorted::default();
    for (at, write) in writes.iter().enumerate() {
        if !outcomes.is_open(at) {
            continue;
        }
        match write {
            kit::Write::Create { key: (key, value), fields } => {
                let own = field_name(key).and_then(|key| {
                    if value.is_empty() {
                        let reason = "a record cannot be known by nothing".to_owned();
                        return Err(Error::Invalid {
                            field: Some(key.as_str().to_owned()),
                            reason,
                        });
                    }
                    body(fields, Some(&key))
                });
                match own {
                    Ok(body) => {
                        let row = (at, value.clone(), typed(body));
                        sorted.keyed.entry(key.clone()).or_default().push(row);
                    }
                    Err(error) => outcomes.set(at, Err(error)),
                }
            }
            kit::Write::Update { id, fields, .. } => {
                match record_id(id)
                    .ok_or(Error::NotFound)
                    .and_then(|id| Ok((id, body(fields, None)?)))
                {
                    Ok((id, body)) => {
                        let mut body = typed(body);
                        body["id"] = id.into();
                        sorted.changed.push(Row { at, body });
                    }
                    Err(error) => outcomes.set(at, Err(error)),
                }
            }
            kit::Write::Delete { id, .. } => match record_id(id) {
                Some(id) => sorted.deleted.push(Row { at, body: json!({ "id": id }) }),
                None => {
                    outcomes.set(at, Ok(Saved { id: id.clone(), version: None, is_new: false }));
                }
            },
        }
    }
    sorted
}

/// What became of one record.
fn outcome(way: Way<'_>, row: &Row, result: &Value) -> Result<Saved, Error> {
    if result["success"] == true {
        let is_new = matches!(way, Way::Make) || result["created"] == true;
        return Ok(Saved { id: made(result)?, version: None, is_new });
    }
    let told = result.get("errors").and_then(|errors| errors.get(0));
    match (refused(0, told.unwrap_or(&Value::Null), "statusCode"), way) {
        (Error::NotFound, Way::Delete) => {
            let id = row.body["id"].as_str().unwrap_or_default().to_owned();
            Ok(Saved { id, version: None, is_new: false })
        }
        (error, _) => Err(error),
    }
}
