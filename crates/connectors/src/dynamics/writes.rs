//! Records one by one: read, made once, changed only as they were seen, deleted.
//!
//! A record's version is its ETag. Where the key's column is an alternate key, making a
//! record is one upsert. Elsewhere it is looked for first, and made under an id that its
//! key gives it: repeated, it meets itself (invariant 3). 412 means "there already" where
//! `If-None-Match` was sent, and "changed since" where `If-Match` was.

use super::changes::record;
use super::client::{Client, Condition, Method, Write};
use super::forms::{Sets, body, sources, targets};
use super::mapping::text;
use super::odata::{Filter, Guid, Name, Query, keyed, record as address};
use super::tables::{Table, Tables};
use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use kit::{Error, Fields, Lane, Record, Reply, Saved, Writes};
use serde_json::Value;
use std::sync::Arc;

/// Ids in one read.
const READ_MAX: usize = 50;

/// The records of one environment.
pub(super) struct Editor {
    pub(super) client: Arc<Client>,
    pub(super) tables: Arc<Tables>,
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
        let table = self.tables.table(object).await?;
        let mut select = sources(&table, fields)?;
        select.extend([
            table.id.clone(),
            Name::fixed("modifiedon"),
            Name::fixed("_modifiedby_value"),
        ]);
        let merged = Name::fixed("merged");
        select.extend((table.can_merge && !select.contains(&merged)).then_some(merged));
        let wanted: Vec<Option<Guid>> = ids.iter().map(|id| Guid::new(id)).collect();
        let rows = self.rows(lane, &table, &wanted, &select).await?;
        // Who was merged away is kept, inactive, and stands for nobody any more.
        let standing = rows.iter().filter(|row| row.get("merged") != Some(&Value::Bool(true)));
        let records: Result<Vec<Record>, Error> =
            standing.map(|row| record(&table, fields, row)).collect();
        let records = records?;
        let own = |id: &Guid| records.iter().find(|record| record.id == id.as_str()).cloned();
        Ok(wanted.iter().map(|id| id.as_ref().and_then(own)).collect())
    }

    async fn successors(&self, object: &str, ids: &[String]) -> Result<Vec<Option<String>>, Error> {
        let table = self.tables.table(object).await?;
        if !table.can_merge {
            return Ok(vec![None; ids.len()]);
        }
        let wanted: Vec<Option<Guid>> = ids.iter().map(|id| Guid::new(id)).collect();
        let select =
            [table.id.clone(), Name::fixed("merged"), Name::fixed("_masterid_value")].to_vec();
        let rows = self.rows(Lane::Background, &table, &wanted, &select).await?;
        let id = |row: &Value, column: &str| text(row, column).and_then(Guid::new);
        let into = |own: &Guid| {
            let mut rows = rows.iter().filter(|row| row.get("merged") == Some(&Value::Bool(true)));
            let row = rows.find(|row| id(row, table.id.as_str()).as_ref() == Some(own))?;
            id(row, "_masterid_value").map(|master| master.as_str().to_owned())
        };
        Ok(wanted.iter().map(|own| own.as_ref().and_then(into)).collect())
    }

    async fn find(&self, object: &str, key: (&str, &str)) -> Result<Option<String>, Error> {
        let table = self.tables.table(object).await?;
        let column = Name::new(key.0).ok_or_else(|| no_column(key.0))?;
        let found = self.found(&table, &column, key.1).await?;
        Ok(found.map(|id| id.as_str().to_owned()))
    }

    async fn create(
        &self,
        object: &str,
        key: (&str, &str),
        fields: &Fields,
    ) -> Result<Saved, Error> {
        let table = self.tables.table(object).await?;
        let column = Name::new(key.0).ok_or_else(|| no_column(key.0))?;
        let mut body = body(&table, &self.sets(&table, [fields]).await?, fields)?;
        if table.keys.contains(&column)
            && let Some(url) = keyed(
                &self.client.api,
                &table.set,
                (&column, key.1),
                std::slice::from_ref(&table.id),
            )
        {
            // The key stands in the address and nowhere else.
            body.remove(column.as_str());
            return self.upsert(&table, url, &Value::Object(body), Condition::None).await;
        }
        if let Some(found) = self.found(&table, &column, key.1).await? {
            return self.change(&table, &found, Condition::There, &Value::Object(body)).await;
        }
        body.insert(key.0.to_owned(), key.1.into());
        let body = Value::Object(body);
        let id = own_id(&[table.set.as_str(), column.as_str(), key.1]);
        let url = address(&self.client.api, &table.set, &id, std::slice::from_ref(&table.id));
        match self.upsert(&table, url, &body, Condition::New).await {
            // Made at the same moment, by an earlier try of this.
            Err(Error::Conflict { .. }) => self.change(&table, &id, Condition::There, &body).await,
            outcome => outcome,
        }
    }

    async fn update(
        &self,
        object: &str,
        id: &str,
        seen: Option<&str>,
        fields: &Fields,
    ) -> Result<Saved, Error> {
        let table = self.tables.table(object).await?;
        let id = Guid::new(id).ok_or(Error::NotFound)?;
        let body = body(&table, &self.sets(&table, [fields]).await?, fields)?;
        self.change(&table, &id, since(seen)?, &Value::Object(body)).await
    }

    async fn delete(&self, object: &str, id: &str, seen: Option<&str>) -> Result<(), Error> {
        let table = self.tables.table(object).await?;
        let Some(id) = Guid::new(id) else { return Ok(()) };
        let url = address(&self.client.api, &table.set, &id, &[]);
        let condition = match seen {
            Some(_) => since(seen)?,
            None => Condition::None,
        };
        let write = Write { method: Method::Delete, url, body: None, condition };
        match self.client.write(&write).await {
            Ok(_) | Err(Error::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn write_max(&self) -> usize {
        super::batch::WRITE_MAX
    }

    async fn write(
        &self,
        object: &str,
        writes: &[kit::Write],
    ) -> Result<Vec<Result<Saved, Error>>, Error> {
        self.write_all(object, writes).await
    }
}

impl Editor {
    /// The sets of the tables that ways among these fields lead to.
    pub(super) async fn sets(
        &self,
        table: &Table,
        fields: impl IntoIterator<Item = &Fields>,
    ) -> Result<Sets, Error> {
        let mut logical: Vec<&str> =
            fields.into_iter().flat_map(|fields| targets(table, fields)).collect();
        logical.sort_unstable();
        logical.dedup();
        if logical.is_empty() { Ok(Sets::new()) } else { self.tables.sets(&logical).await }
    }

    /// The rows of these ids.
    async fn rows(
        &self,
        lane: Lane,
        table: &Table,
        ids: &[Option<Guid>],
        select: &[Name],
    ) -> Result<Vec<Value>, Error> {
        let mut rows = Vec::new();
        let filters = ids.iter().flatten().map(|id| Filter::id(&table.id, id)).collect();
        for filter in Filter::packed(filters) {
            let (set, select) = (table.set.clone(), select.to_vec());
            let query = Query { set, filter: Some(filter), select, expand: vec![], top: None };
            rows.append(&mut self.client.rows(lane, &query).await?);
        }
        Ok(rows)
    }

    /// The one record with this text in a column.
    pub(super) async fn found(
        &self,
        table: &Table,
        column: &Name,
        value: &str,
    ) -> Result<Option<Guid>, Error> {
        let query = Query {
            set: table.set.clone(),
            filter: Some(Filter::text(column, value)),
            select: vec![table.id.clone()],
            expand: vec![],
            top: Some(2),
        };
        let rows = self.client.rows(Lane::Background, &query).await?;
        if rows.len() > 1 {
            return Err(several(column));
        }
        let id = |row: &Value| text(row, table.id.as_str()).and_then(Guid::new);
        let id =
            rows.first().map(|row| id(row).ok_or_else(|| Error::protocol("a row without an id")));
        id.transpose()
    }

    async fn change(
        &self,
        table: &Table,
        id: &Guid,
        condition: Condition<'_>,
        body: &Value,
    ) -> Result<Saved, Error> {
        let url = address(&self.client.api, &table.set, id, std::slice::from_ref(&table.id));
        self.upsert(table, url, body, condition).await
    }

    async fn upsert(
        &self,
        table: &Table,
        url: url::Url,
        body: &Value,
        condition: Condition<'_>,
    ) -> Result<Saved, Error> {
        let write = Write { method: Method::Patch, url, body: Some(body), condition };
        saved(&table.id, &self.client.write(&write).await?)
    }
}

pub(super) fn several(column: &Name) -> Error {
    Error::Conflict { reason: format!("several records have the same {}", column.as_str()) }
}

/// The record that a write left behind: 201 where it made one.
pub(super) fn saved(id: &Name, reply: &Reply) -> Result<Saved, Error> {
    let row = reply.json()?;
    let own = text(&row, id.as_str()).and_then(Guid::new);
    let own = own.ok_or_else(|| Error::protocol("a record was written without an id"))?;
    let version = text(&row, "@odata.etag").map(str::to_owned);
    Ok(Saved { id: own.as_str().to_owned(), version, is_new: reply.status == 201 })
}

/// What a write depends on: the version that was seen, or that the record is there.
pub(super) fn since(seen: Option<&str>) -> Result<Condition<'_>, Error> {
    let Some(version) = seen else { return Ok(Condition::There) };
    let inner = version.strip_prefix("W/\"").and_then(|rest| rest.strip_suffix('"'));
    if inner.is_some_and(|inner| inner.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')) {
        return Ok(Condition::Unchanged(version));
    }
    let reason = "is no version of a record of this connection".to_owned();
    Err(Error::Invalid { field: Some("seen".to_owned()), reason })
}

/// The id that a record has by what it stands for.
pub(super) fn own_id(parts: &[&str]) -> Guid {
    let parts: Vec<String> = parts.iter().map(|part| format!("{}:{part}", part.len())).collect();
    Guid::of(digest(&SHA256, parts.join("/").as_bytes()).as_ref())
}

pub(super) fn no_column(name: &str) -> Error {
    let field = Some(name.chars().take(60).collect());
    Error::Invalid { field, reason: "is no name of a column".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{own_id, since};

    #[test]
    fn the_same_key_gives_the_same_id_and_no_other_key_does() {
        assert_eq!(own_id(&["contacts", "a", "b"]), own_id(&["contacts", "a", "b"]));
        assert_ne!(own_id(&["contacts", "a", "b"]), own_id(&["contacts", "ab", ""]));
        assert_ne!(own_id(&["contacts", "a", "b"]), own_id(&["contacts", "a", "c"]));
    }

    #[test]
    fn only_an_etag_is_a_version() {
        assert!(since(Some("W/\"72201545\"")).is_ok() && since(None).is_ok());
        for odd in ["", "*", "72201545", "W/\"1\", W/\"2\"", "W/\"1\r\n\""] {
            assert!(since(Some(odd)).is_err(), "{odd}");
        }
    }
}
