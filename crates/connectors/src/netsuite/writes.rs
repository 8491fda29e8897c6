//! Single records: read by SuiteQL, made once by external id, changed only as they were seen.
//!
//! NetSuite has no conditional writes. A record's version is the second of its last change;
//! it is read just before a write. After one none is told: an answer has none in it, and one
//! that is read later may be of somebody who saved since, or in that same second. An external
//! id is what an upsert goes by: the caller's own, or one that the key gives (invariant 3).

use super::changes::{columns, named, read};
use super::client::{Client, Write};
use super::mapping::{record, text};
use super::signals::located;
use super::suiteql::{Column, Condition, Id, Name, Query};
use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use kit::{Error, Fields, Lane, Record, Saved, Writes};
use serde_json::Value;
use std::sync::Arc;

/// Ids in one read.
const READ_MAX: usize = 100;
/// The field of an external id, and its column.
const EXTERNAL: &str = "externalId";

/// The records of one account.
pub(super) struct Editor {
    pub(super) client: Arc<Client>,
}

#[async_trait]
impl Writes for Editor {
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
        let table = named("object", object)?;
        let columns = columns(fields)?;
        let wanted: Vec<Option<Id>> = ids.iter().map(|id| Id::new(id)).collect();
        let known: Vec<Id> = wanted.iter().flatten().copied().collect();
        let Some(condition) = Condition::ids(&Name::fixed("id"), &known) else {
            return Ok(vec![None; ids.len()]);
        };
        let query = Query::select(&table, &columns, Some(&condition), None);
        let rows = self.client.rows(lane, &query).await?;
        let records: Result<Vec<Record>, Error> =
            rows.iter().map(|row| read(fields, row)).collect();
        let records = records?;
        let own = |id: &Id| records.iter().find(|record| record.id == id.text()).cloned();
        Ok(wanted.iter().map(|id| id.as_ref().and_then(own)).collect())
    }

    async fn find(&self, object: &str, key: (&str, &str)) -> Result<Option<String>, Error> {
        let (table, column) = (record_type(object)?, named(key.0, key.0)?);
        Ok(self.found(&table, &column, key.1).await?.map(|id| id.text()))
    }

    async fn create(
        &self,
        object: &str,
        key: (&str, &str),
        fields: &Fields,
    ) -> Result<Saved, Error> {
        let table = record_type(object)?;
        let column = named(key.0, key.0)?;
        let is_external = key.0.eq_ignore_ascii_case(EXTERNAL);
        let mut body = checked(fields)?;
        if let Some(found) = self.found(&table, &column, key.1).await? {
            body.retain(|name, _| !name.eq_ignore_ascii_case(EXTERNAL));
            let path = format!("{object}/{}", found.text());
            self.client.write(&path, Write::Change(&Value::Object(body))).await?;
            return Ok(saved(found, false));
        }
        let external = if is_external {
            external(key.1)?
        } else {
            body.insert(key.0.to_owned(), key.1.into());
            own_external(&[object, key.0, key.1])
        };
        body.retain(|name, _| !name.eq_ignore_ascii_case(EXTERNAL));
        let path = format!("{object}/eid:{external}");
        let reply = self.client.write(&path, Write::Upsert(&Value::Object(body))).await?;
        Ok(saved(located(&reply)?, true))
    }

    async fn update(
        &self,
        object: &str,
        id: &str,
        seen: Option<&str>,
        fields: &Fields,
    ) -> Result<Saved, Error> {
        record_type(object)?;
        let id = Id::new(id).ok_or(Error::NotFound)?;
        let body = Value::Object(checked(fields)?);
        if seen.is_some() {
            let now = self.version(object, id).await?.ok_or(Error::NotFound)?;
            unchanged(seen, &now)?;
        }
        let path = format!("{object}/{}", id.text());
        self.client.write(&path, Write::Change(&body)).await?;
        Ok(saved(id, false))
    }

    async fn delete(&self, object: &str, id: &str, seen: Option<&str>) -> Result<(), Error> {
        record_type(object)?;
        let Some(id) = Id::new(id) else { return Ok(()) };
        if seen.is_some() {
            let Some(now) = self.version(object, id).await? else { return Ok(()) };
            unchanged(seen, &now)?;
        }
        match self.client.write(&format!("{object}/{}", id.text()), Write::Delete).await {
            Ok(_) | Err(Error::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Editor {
    /// The one record with this text in a column.
    async fn found(&self, table: &Name, column: &Name, value: &str) -> Result<Option<Id>, Error> {
        let condition = Condition::text(column, value);
        let id = [Column::Plain(Name::fixed("id"))];
        let query = Query::select(table, &id, Some(&condition), None);
        let (rows, _) = self.client.page(Lane::Background, &query, 2, 0).await?;
        if rows.len() > 1 {
            let reason = format!("several records have the same {}", column.as_str());
            return Err(Error::Conflict { reason });
        }
        rows.first().map(record).transpose()
    }

    /// The moment of a record's last change; `None` when there is no such record.
    async fn version(&self, object: &str, id: Id) -> Result<Option<String>, Error> {
        let read = self.read(Lane::Background, object, &[id.text()], &[]).await?;
        let record = read.into_iter().next().flatten();
        let version = |record: Record| {
            record.version.ok_or_else(|| Error::protocol("a record without lastmodifieddate"))
        };
        record.map(version).transpose()
    }
}

fn saved(id: Id, is_new: bool) -> Saved {
    Saved { id: id.text(), version: None, is_new }
}

/// A record type, which is its table's name in SuiteQL but for capitals.
fn record_type(object: &str) -> Result<Name, Error> {
    named("object", object)
}

/// An external id that can stand in an address.
fn external(value: &str) -> Result<String, Error> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !value.is_empty() && value.len() <= 100 && value.bytes().all(fits) {
        return Ok(value.to_owned());
    }
    Err(Error::Invalid {
        field: Some(EXTERNAL.to_owned()),
        reason: "is letters, digits, _ and - where a record is made by it".to_owned(),
    })
}

/// The external id that a record has by what it stands for.
pub(super) fn own_external(parts: &[&str]) -> String {
    let parts: Vec<String> = parts.iter().map(|part| format!("{}:{part}", part.len())).collect();
    let hash = digest(&SHA256, parts.join("/").as_bytes());
    let hex: String = hash.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("tieline-{hex}")
}

fn unchanged(seen: Option<&str>, now: &str) -> Result<(), Error> {
    if seen == Some(now) {
        return Ok(());
    }
    Err(Error::Conflict { reason: "the record was changed since it was seen".to_owned() })
}

/// Fields whose names are names.
fn checked(fields: &Fields) -> Result<Fields, Error> {
    for name in fields.keys() {
        named(name, name)?;
    }
    Ok(fields.clone())
}

/// The id of the record with an external id, where there is one.
pub(super) fn by_external(table: &Name, external: &str) -> Query {
    let condition = Condition::text(&Name::fixed("externalid"), external);
    Query::select(table, &[Column::Plain(Name::fixed("id"))], Some(&condition), None)
}

/// The text of a column of the first row.
pub(super) fn first<'a>(rows: &'a [Value], column: &str) -> Option<&'a str> {
    rows.first().and_then(|row| text(row, column))
}
