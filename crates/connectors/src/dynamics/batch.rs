//! Many writes in one request: `$batch`, in which each operation stands for itself.
//!
//! The operations are those of [`super::writes`], with the same conditions, so that nothing
//! is overwritten unseen here either. Outside a change set one that is refused undoes no
//! other, and with `Prefer: odata.continue-on-error` the rest goes on. Answers come in the
//! order of the operations, one for each or none counts, and one that tells of a record is
//! held against its id or its key. (That of a deletion tells of none.)
//!
//! Source: Microsoft Learn, "Execute batch operations using the Web API".

use super::client::{Condition, Method, Write};
use super::forms::{Sets, body};
use super::mapping::text;
use super::odata::{Filter, Guid, Name, Query, keyed, record as address};
use super::tables::Table;
use super::writes::{Editor, no_column, own_id, saved, several, since};
use kit::{Error, Lane, Outcomes, Parts, Reply, Saved};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use url::Url;

/// Operations of one request. A batch takes 1,000; they are done one after another, and so
/// many are done well within the time that a request has.
pub(super) const WRITE_MAX: usize = 100;
/// Rows of one question by keys that are surely all there are: pages end at 1,250.
const KEYED_MAX: usize = 1_000;

/// One write on its way.
struct Row<'a> {
    /// Its place among the writes.
    at: usize,
    url: Url,
    /// `None` deletes.
    body: Option<Value>,
    condition: Condition<'a>,
    /// The record that an answer must be about, where the address says it.
    id: Option<Guid>,
    /// The key that it must have, where the address says that.
    key: Option<(Name, &'a str)>,
}

/// A record to be made that has no alternate key: its place, the key's value, and what is set.
type Keyed<'a> = (usize, &'a str, Value);

impl Editor {
    /// See [`kit::Writes::write`].
    pub(super) async fn write_all(
        &self,
        object: &str,
        writes: &[kit::Write],
    ) -> Result<Vec<Result<Saved, Error>>, Error> {
        let table = self.tables.table(object).await?;
        let set = writes.iter().filter_map(|write| match write {
            kit::Write::Create { fields, .. } | kit::Write::Update { fields, .. } => Some(fields),
            kit::Write::Delete { .. } => None,
        });
        let sets = self.sets(&table, set).await?;
        let mut outcomes = Outcomes::new(writes.len());
        let mut rows = Vec::new();
        let mut keyed: BTreeMap<&str, Vec<Keyed<'_>>> = BTreeMap::new();
        for (at, write) in writes.iter().enumerate() {
            match self.row(&table, &sets, at, write) {
                Ok(Some(row)) => rows.push(row),
                Ok(None) => match write {
                    kit::Write::Create { key: (key, value), fields } => {
                        match body(&table, &sets, fields) {
                            Ok(body) => {
                                let row = (at, value.as_str(), Value::Object(body));
                                keyed.entry(key).or_default().push(row);
                            }
                            Err(error) => outcomes.set(at, Err(error)),
                        }
                    }
                    // An id that is none: nobody has it.
                    kit::Write::Delete { id, .. } => outcomes.set(at, Ok(gone(id))),
                    kit::Write::Update { .. } => outcomes.set(at, Err(Error::NotFound)),
                },
                Err(error) => outcomes.set(at, Err(error)),
            }
        }
        for (key, made) in keyed {
            match Name::new(key).ok_or_else(|| no_column(key)) {
                Ok(column) => {
                    self.look_for(&table, &column, made, &mut rows, &mut outcomes).await?
                }
                Err(error) => outcomes.fail(made.iter().map(|(at, ..)| *at), &error),
            }
        }
        let again = self.send_all(&table, rows, &mut outcomes).await;
        // There already, made by an earlier try of the same: it is changed instead.
        let again = again.into_iter().map(|row| Row { condition: Condition::There, ..row });
        self.send_all(&table, again.collect(), &mut outcomes).await;
        Ok(outcomes.finish())
    }

    /// The operation of a write; `None` for what must be looked for first, or has no id.
    fn row<'a>(
        &self,
        table: &Table,
        sets: &Sets,
        at: usize,
        write: &'a kit::Write,
    ) -> Result<Option<Row<'a>>, Error> {
        let api = &self.client.api;
        let own = std::slice::from_ref(&table.id);
        Ok(match write {
            kit::Write::Create { key: (key, value), fields } => {
                let mut body = body(table, sets, fields)?;
                let column = Name::new(key).filter(|column| table.keys.contains(column));
                // The key stands in the address and nowhere else.
                body.remove(key);
                column.and_then(|column| {
                    let select = [table.id.clone(), column.clone()];
                    let url = keyed(api, &table.set, (&column, value), &select)?;
                    let (body, condition) = (Some(Value::Object(body)), Condition::None);
                    Some(Row { at, url, body, condition, id: None, key: Some((column, value)) })
                })
            }
            kit::Write::Update { id, seen, fields } => Guid::new(id)
                .map(|id| -> Result<Row<'a>, Error> {
                    Ok(Row {
                        at,
                        url: address(api, &table.set, &id, own),
                        body: Some(Value::Object(body(table, sets, fields)?)),
                        condition: since(seen.as_deref())?,
                        id: Some(id),
                        key: None,
                    })
                })
                .transpose()?,
            kit::Write::Delete { id, seen } => Guid::new(id)
                .map(|id| -> Result<Row<'a>, Error> {
                    let condition = match seen {
                        Some(seen) => since(Some(seen))?,
                        None => Condition::None,
                    };
                    let url = address(api, &table.set, &id, &[]);
                    Ok(Row { at, url, body: None, condition, id: Some(id), key: None })
                })
                .transpose()?,
        })
    }

    /// Looks for records by a column that is no alternate key: who is there is changed,
    /// who is not is made under the id that the key gives.
    async fn look_for<'a>(
        &self,
        table: &Table,
        column: &Name,
        made: Vec<Keyed<'a>>,
        rows: &mut Vec<Row<'a>>,
        outcomes: &mut Outcomes,
    ) -> Result<(), Error> {
        let values: Vec<&str> = made.iter().map(|(_, value, _)| *value).collect();
        let known = self.known(table, column, &values).await?;
        for (at, value, mut body) in made {
            let (id, condition) = match known.get(&value.to_lowercase()) {
                None => {
                    body[column.as_str()] = value.into();
                    (own_id(&[table.set.as_str(), column.as_str(), value]), Condition::New)
                }
                Some(Some(id)) => (id.clone(), Condition::There),
                Some(None) => {
                    outcomes.set(at, Err(several(column)));
                    continue;
                }
            };
            let own = std::slice::from_ref(&table.id);
            let url = address(&self.client.api, &table.set, &id, own);
            rows.push(Row { at, url, body: Some(body), condition, id: Some(id), key: None });
        }
        Ok(())
    }

    /// The records that have these values, by the value in lower case; `None`: several.
    async fn known(
        &self,
        table: &Table,
        column: &Name,
        values: &[&str],
    ) -> Result<HashMap<String, Option<Guid>>, Error> {
        let mut known: HashMap<String, Option<Guid>> = HashMap::new();
        for values in values.chunks(WRITE_MAX) {
            let asked: Vec<String> = values.iter().map(|value| value.to_lowercase()).collect();
            let mut rows = Vec::new();
            let filters = values.iter().map(|value| Filter::text(column, value)).collect();
            for filter in Filter::packed(filters) {
                let query = Query {
                    set: table.set.clone(),
                    filter: Some(filter),
                    select: vec![table.id.clone(), column.clone()],
                    expand: vec![],
                    top: None,
                };
                rows.append(&mut self.client.rows(Lane::Background, &query).await?);
            }
            let held = |row: &Value| text(row, column.as_str()).map(str::to_lowercase);
            let is_told = |row: &Value| held(row).is_some_and(|value| asked.contains(&value));
            if rows.len() < KEYED_MAX && rows.iter().all(is_told) {
                for row in &rows {
                    let id = text(row, table.id.as_str()).and_then(Guid::new);
                    let id = id.ok_or_else(|| Error::protocol("a row without an id"))?;
                    let entry = known.entry(held(row).unwrap_or_default());
                    entry.and_modify(|one| *one = None).or_insert(Some(id));
                }
                continue;
            }
            // Too many to be sure that all were told, or rows that the environment takes for
            // equal and we do not: then it says of each value alone.
            for value in values {
                match self.found(table, column, value).await {
                    Ok(None) => {}
                    Ok(found) => drop(known.insert(value.to_lowercase(), found)),
                    Err(Error::Conflict { .. }) => drop(known.insert(value.to_lowercase(), None)),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(known)
    }

    /// Sends operations in batches; those that were to make what is there already come back.
    async fn send_all<'a>(
        &self,
        table: &Table,
        rows: Vec<Row<'a>>,
        outcomes: &mut Outcomes,
    ) -> Vec<Row<'a>> {
        let mut again = Vec::new();
        let mut parts = Parts::new(rows, WRITE_MAX);
        let mut shut: Option<Error> = None;
        while let Some(rows) = parts.next_part() {
            if let Some(error) = &shut {
                outcomes.fail(rows.iter().map(|row| row.at), error);
                continue;
            }
            let told = {
                let writes: Vec<Write<'_>> = rows.iter().map(Row::write).collect();
                self.client.write_many(&writes).await
            };
            let told = match told {
                Ok(told) => told,
                Err(error) => {
                    if matches!(error, Error::Unauthorized { .. } | Error::RateLimited { .. }) {
                        shut = Some(error.clone());
                    }
                    let settled = parts.failed(rows, &error, |_| false);
                    outcomes.fail(settled.iter().map(|row| row.at), &error);
                    continue;
                }
            };
            for (row, told) in rows.into_iter().zip(told) {
                let is_there = matches!(told, Err(Error::Conflict { .. }));
                if is_there && matches!(row.condition, Condition::New) {
                    again.push(row);
                } else {
                    outcomes.set(row.at, outcome(table, &row, told));
                }
            }
        }
        again
    }
}

impl Row<'_> {
    fn write(&self) -> Write<'_> {
        let method = if self.body.is_some() { Method::Patch } else { Method::Delete };
        let (url, body) = (self.url.clone(), self.body.as_ref());
        Write { method, url, body, condition: self.condition }
    }
}

/// What became of one record.
fn outcome(table: &Table, row: &Row<'_>, told: Result<Reply, Error>) -> Result<Saved, Error> {
    let is_delete = row.body.is_none();
    match (told, &row.id) {
        (Ok(_) | Err(Error::NotFound), Some(id)) if is_delete => Ok(gone(id.as_str())),
        (Ok(reply), id) => {
            let saved = saved(&table.id, &reply)?;
            let is_other_id = id.as_ref().is_some_and(|id| id.as_str() != saved.id);
            let is_other_key = row.key.as_ref().is_some_and(|(column, value)| {
                let told = reply.json().unwrap_or_default();
                let told = text(&told, column.as_str()).unwrap_or_default();
                told.trim().to_lowercase() != value.trim().to_lowercase()
            });
            if is_other_id || is_other_key {
                return Err(Error::protocol("answers in another order than the operations"));
            }
            Ok(saved)
        }
        (Err(error), _) => Err(error),
    }
}

fn gone(id: &str) -> Saved {
    Saved { id: id.to_owned(), version: None, is_new: false }
}
