//! Records one by one: read, made once, changed only as they were seen, deleted.
//!
//! ServiceNow makes no write depend on a version, has no upsert, and ignores what it does
//! not understand. So a record is read just before it is changed, looked for by its key
//! before it is made, and no field is written that the instance has not shown to us. What
//! was made without its key, or another column, is taken away again ([`super::keyless`]).
//! Somebody who writes between our reading and our writing is noticed by `sys_mod_count`
//! afterwards: then no version is told, and what they did comes as news.

use super::client::Client;
use super::columns::{body, column, columns, table, wanted};
use super::dictionary::Dictionary;
use super::keyless::Keyless;
use super::mapping::{ignored, is_asked, record, stored};
use super::query::{AnyOf, Moment, Name, Query, Term, sys_id};
use async_trait::async_trait;
use kit::{Error, Fields, Lane, Record, Saved, Write, Writes};
use serde_json::Value as Json;
use std::sync::Arc;

/// Ids in one request: 33 characters each.
const READ_MAX: usize = 60;
/// Records with one key that are looked at: two are one too many.
const KEYED_MAX: u32 = 10;
/// The version of a record: how often it was changed.
const VERSION: &str = "sys_mod_count";
/// What is read besides the fields asked for.
const SYSTEM: [&str; 4] = ["sys_id", VERSION, "sys_updated_on", "sys_updated_by"];

/// The records of one instance.
pub(super) struct Records {
    pub(super) client: Arc<Client>,
    pub(super) dictionary: Arc<Dictionary>,
    pub(super) keyless: Arc<Keyless>,
}

#[async_trait]
impl Writes for Records {
    fn read_max(&self) -> usize {
        READ_MAX
    }

    async fn read(
        &self,
        lane: Lane,
        object: &str,
        ids: &[String],
        fields: &[String],
    ) -> Result<Vec<Option<Record>>, Error> {
        let (table, fields) = (table(object)?, columns(fields)?);
        let mut found = Vec::with_capacity(ids.len());
        for batch in ids.chunks(READ_MAX) {
            let wanted: Vec<String> = batch.iter().filter_map(|id| sys_id(id)).collect();
            let rows = self.rows(lane, &table, &wanted, &fields).await?;
            for id in batch {
                let id = sys_id(id);
                let row = rows.iter().find(|row| id.is_some() && record(row).ok() == id);
                found.push(row.map(|row| record_of(row, &table, &fields)).transpose()?);
            }
        }
        Ok(found)
    }

    async fn find(&self, object: &str, key: (&str, &str)) -> Result<Option<String>, Error> {
        let (table, column) = (table(object)?, column(key.0)?);
        let columns = [column.clone()];
        // A column that does not exist would be ignored, and anybody be found.
        self.dictionary.require(&table, &columns).await?;
        match self.keyed(&table, (&column, key.1), &columns).await?.as_slice() {
            [] => Ok(None),
            [row] => record(row).map(Some),
            _ => Err(several()),
        }
    }

    async fn create(
        &self,
        object: &str,
        key: (&str, &str),
        fields: &Fields,
    ) -> Result<Saved, Error> {
        let (table, column) = (table(object)?, column(key.0)?);
        let wanted = wanted(fields, Some(&column))?;
        let mut columns: Vec<Name> = wanted.iter().map(|(name, _)| name.clone()).collect();
        columns.push(column.clone());
        // A key that does not exist would be ignored, and each repetition make one more.
        self.dictionary.require(&table, &columns).await?;
        match self.keyed(&table, (&column, key.1), &columns).await?.as_slice() {
            [] => {
                self.may_make(&table, &column).await?;
                let mut body = body(&wanted);
                body.insert(column.as_str().to_owned(), key.1.into());
                let row = self.client.create(&table, &read(&columns), &Json::Object(body)).await?;
                self.made(&table, (&column, key.1), &wanted, &row).await
            }
            [row] => self.save(&table, row, &wanted).await,
            _ => Err(several()),
        }
    }

    async fn update(
        &self,
        object: &str,
        id: &str,
        seen: Option<&str>,
        fields: &Fields,
    ) -> Result<Saved, Error> {
        let (table, wanted) = (table(object)?, wanted(fields, None)?);
        let columns: Vec<Name> = wanted.iter().map(|(name, _)| name.clone()).collect();
        let row = self.one(&table, id, &columns).await?.ok_or(Error::NotFound)?;
        match done(&table, &row, seen, &wanted)? {
            Some(saved) => Ok(saved),
            None => self.save(&table, &row, &wanted).await,
        }
    }

    async fn delete(&self, object: &str, id: &str, seen: Option<&str>) -> Result<(), Error> {
        let table = table(object)?;
        let Some(row) = self.one(&table, id, &[]).await? else { return Ok(()) };
        if seen.is_some() && seen != version(&row).as_deref() {
            return Err(changed());
        }
        match self.client.remove(&table, &record(&row)?).await {
            Err(Error::NotFound) => Ok(()),
            outcome => outcome,
        }
    }

    fn write_max(&self) -> usize {
        super::batch::WRITE_MAX
    }

    async fn write(
        &self,
        object: &str,
        writes: &[Write],
    ) -> Result<Vec<Result<Saved, Error>>, Error> {
        self.write_all(&table(object)?, writes).await
    }
}

impl Records {
    /// Rows of these ids; every one compared with what was asked.
    pub(super) async fn rows(
        &self,
        lane: Lane,
        table: &Name,
        ids: &[String],
        fields: &[Name],
    ) -> Result<Vec<Json>, Error> {
        let id = Name::fixed("sys_id");
        let Some(term) = Term::one_of(&id, ids.iter().map(String::as_str)) else {
            return Ok(Vec::new());
        };
        let most = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        let query = Query::of(table, vec![AnyOf::from(term)], read(fields), most);
        let rows = self.client.rows(lane, &query).await?.rows;
        for row in &rows {
            if !ids.contains(&record(row)?) {
                return Err(ignored(table));
            }
        }
        Ok(rows)
    }

    /// One record as it is now.
    pub(super) async fn one(
        &self,
        table: &Name,
        id: &str,
        fields: &[Name],
    ) -> Result<Option<Json>, Error> {
        let Some(id) = sys_id(id) else { return Ok(None) };
        Ok(self.rows(Lane::Background, table, &[id], fields).await?.pop())
    }

    /// The records whose column holds exactly this value.
    pub(super) async fn keyed(
        &self,
        table: &Name,
        key: (&Name, &str),
        fields: &[Name],
    ) -> Result<Vec<Json>, Error> {
        let query = by_key(table, key, fields)?;
        let rows = self.client.rows(Lane::Background, &query).await?.rows;
        with_key(table, key, rows)
    }

    /// Writes into a record what it does not hold yet.
    async fn save(
        &self,
        table: &Name,
        row: &Json,
        wanted: &[(Name, String)],
    ) -> Result<Saved, Error> {
        let id = record(row)?;
        let open = open(row, wanted);
        if open.is_empty() {
            return Ok(Saved { id, version: version(row), is_new: false });
        }
        let columns: Vec<Name> = open.iter().map(|(column, _)| column.clone()).collect();
        let after =
            self.client.change(table, &id, &read(&columns), &Json::Object(body(&open))).await?;
        changed_to(table, row, &open, &after)
    }
}

/// The question for the records whose column holds this value.
pub(super) fn by_key(
    table: &Name,
    (column, value): (&Name, &str),
    fields: &[Name],
) -> Result<Query, Error> {
    let term = Term::is(column, value).ok_or_else(|| Error::Invalid {
        field: Some(column.as_str().to_owned()),
        reason: "its value cannot stand in a query: it is empty, or holds ^ or javascript:"
            .to_owned(),
    })?;
    let mut fields = read(fields);
    fields.extend((!fields.contains(column)).then(|| column.clone()));
    let query = Query::of(table, vec![AnyOf::from(term)], fields, KEYED_MAX);
    Ok(query.ordered(&[&Name::fixed("sys_created_on"), &Name::fixed("sys_id")]))
}

/// Those of its rows that hold exactly this value.
pub(super) fn with_key(
    table: &Name,
    (column, value): (&Name, &str),
    rows: Vec<Json>,
) -> Result<Vec<Json>, Error> {
    let held = |row: &Json| stored(row, column.as_str()).unwrap_or_default().trim().to_owned();
    if rows.iter().any(|row| !is_asked(&held(row), value)) {
        return Err(ignored(table));
    }
    Ok(rows.into_iter().filter(|row| held(row) == value.trim()).collect())
}

/// Is nothing left to be written into a record that was just read?
///
/// # Errors
/// `Invalid` naming a column that is not shown; `Conflict` when it changed since `seen`.
pub(super) fn done(
    table: &Name,
    row: &Json,
    seen: Option<&str>,
    wanted: &[(Name, String)],
) -> Result<Option<Saved>, Error> {
    let hidden = wanted.iter().find(|(column, _)| stored(row, column.as_str()).is_none());
    if let Some((hidden, _)) = hidden {
        return Err(unknown(table, hidden));
    }
    let now = version(row);
    let is_as_seen = seen.is_none() || seen == now.as_deref();
    if open(row, wanted).is_empty() {
        // An earlier try did it, or somebody else: whose version it is now, nobody can say.
        let version = now.filter(|_| is_as_seen);
        return Ok(Some(Saved { id: record(row)?, version, is_new: false }));
    }
    if is_as_seen { Ok(None) } else { Err(changed()) }
}

/// What a record does not hold yet.
pub(super) fn open(row: &Json, wanted: &[(Name, String)]) -> Vec<(Name, String)> {
    let differs =
        |(column, value): &&(Name, String)| stored(row, column.as_str()) != Some(value.as_str());
    wanted.iter().filter(differs).cloned().collect()
}

/// What was made of a record, by its row afterwards.
pub(super) fn changed_to(
    table: &Name,
    row: &Json,
    open: &[(Name, String)],
    after: &Json,
) -> Result<Saved, Error> {
    let ignored = open.iter().find(|(column, value)| {
        let now = stored(after, column.as_str());
        now == stored(row, column.as_str()) && now != Some(value.as_str())
    });
    if let Some((column, _)) = ignored {
        return Err(unwritable(table, column));
    }
    let count = |row: &Json| version(row).and_then(|count| count.parse::<u64>().ok());
    let is_ours = count(row).map(|before| before + 1) == count(after);
    let version = version(after).filter(|_| is_ours);
    Ok(Saved { id: record(row)?, version, is_new: false })
}

pub(super) fn several() -> Error {
    Error::Conflict { reason: "several records have this key".to_owned() }
}

/// A row as a record. A field that was asked for and is not told is no empty one: who took
/// it for empty would empty it elsewhere.
///
/// # Errors
/// `Forbidden` naming such a field.
pub(super) fn record_of(row: &Json, table: &Name, fields: &[Name]) -> Result<Record, Error> {
    let mut out = Fields::new();
    for column in fields {
        let value = stored(row, column.as_str()).ok_or_else(|| Error::Forbidden {
            missing: format!("{}.{}", table.as_str(), column.as_str()),
        })?;
        let value = if value.is_empty() { Json::Null } else { value.into() };
        out.insert(column.as_str().to_owned(), value);
    }
    let by = stored(row, "sys_updated_by").filter(|by| !by.is_empty());
    Ok(Record {
        id: record(row)?,
        version: version(row),
        modified: stored(row, "sys_updated_on").and_then(Moment::parse).map(|at| at.timestamp()),
        modified_by: by.map(str::to_owned),
        fields: out,
    })
}

/// The system's columns before those asked for.
pub(super) fn read(fields: &[Name]) -> Vec<Name> {
    let mut all: Vec<Name> = SYSTEM.into_iter().map(Name::fixed).collect();
    all.extend(fields.iter().filter(|field| !SYSTEM.contains(&field.as_str())).cloned());
    all
}

pub(super) fn version(row: &Json) -> Option<String> {
    stored(row, VERSION).filter(|count| !count.is_empty()).map(str::to_owned)
}

fn unknown(table: &Name, column: &Name) -> Error {
    Error::Invalid {
        field: Some(column.as_str().to_owned()),
        reason: format!("{} has no such field, or does not show it to us", table.as_str()),
    }
}

/// What may not be written is ignored without a word.
pub(super) fn unwritable(table: &Name, column: &Name) -> Error {
    Error::Forbidden { missing: format!("writing {}.{}", table.as_str(), column.as_str()) }
}

pub(super) fn changed() -> Error {
    Error::Conflict { reason: "the record was changed since it was read".to_owned() }
}
