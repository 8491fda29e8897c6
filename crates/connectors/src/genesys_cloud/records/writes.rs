//! Reads and writes single contacts and organizations; many at once are `batch`'s.
//!
//! An entity is known by the id that it has in another system (`externalIds`, under our
//! External Source), and made by enriching, which the platform does once only for one id.
//! A contact's fields are changed one by one (`PATCH`), an organization's as a whole. The
//! platform knows no conditional writes: the entity is read just before. An id that was
//! merged into another leads there at the platform; here it is gone, or a write would hit
//! somebody else.

use super::super::client::Send;
use super::batch::{ENRICH_MAX, WRITE_MAX, changed, check_key, check_new, same, saved, unchanged};
use super::bulk::{BULK_MAX, Deed};
use super::{Object, Records};
use async_trait::async_trait;
use kit::{Error, Fields, Lane, Record, Saved, Write, Writes};
use serde_json::{Value, json};

#[async_trait]
impl Writes for Records {
    fn read_max(&self) -> usize {
        BULK_MAX
    }

    async fn read(
        &self,
        _lane: Lane,
        object: &str,
        ids: &[String],
        fields: &[String],
    ) -> Result<Vec<Option<Record>>, Error> {
        let object = Object::named(object)?;
        fields.iter().try_for_each(|field| object.check(field, false))?;
        let found: Vec<Value> = self.fetch(object, ids).await?.into_values().collect();
        let records = self.told(object, &found, fields).await?;
        let of = |id: &String| records.iter().find(|record| record.id == *id).cloned();
        Ok(ids.iter().map(of).collect())
    }

    async fn successors(&self, object: &str, ids: &[String]) -> Result<Vec<Option<String>>, Error> {
        let object = Object::named(object)?;
        let into = self.led_on(object, ids).await?;
        Ok(ids.iter().map(|id| into.get(id).filter(|into| *into != id).cloned()).collect())
    }

    async fn find(&self, object: &str, key: (&str, &str)) -> Result<Option<String>, Error> {
        let object = Object::named(object)?;
        check_key(object, key)?;
        let known = self.keyed(object, key.1).await?;
        known.map(|known| saved(&known, false).map(|saved| saved.id)).transpose()
    }

    async fn create(
        &self,
        object: &str,
        key: (&str, &str),
        fields: &Fields,
    ) -> Result<Saved, Error> {
        let object = Object::named(object)?;
        fields.keys().try_for_each(|field| object.check(field, true))?;
        check_new(object, key, fields)?;
        if let Some(known) = self.keyed(object, key.1).await? {
            return self.change(object, &known, fields).await;
        }
        let beyond = self.beyond(object, &[fields]).await?;
        let body = self.enrichment(object, key.1, fields, &beyond)?;
        let path = format!("externalcontacts/{}/enrich", object.path());
        let reply = self.platform.client.send(Send::Post(&body), &path).await?;
        let entity = reply.json()?;
        let saved = saved(&entity, reply.status == 201)?;
        self.emptied(object, fields, saved, entity).await
    }

    async fn update(
        &self,
        object: &str,
        id: &str,
        seen: Option<&str>,
        fields: &Fields,
    ) -> Result<Saved, Error> {
        let object = Object::named(object)?;
        fields.keys().try_for_each(|field| object.check(field, true))?;
        let known = self.unchanged(object, id, seen).await?.ok_or(Error::NotFound)?;
        self.change(object, &known, fields).await
    }

    async fn delete(&self, object: &str, id: &str, seen: Option<&str>) -> Result<(), Error> {
        let object = Object::named(object)?;
        if self.unchanged(object, id, seen).await?.is_none() {
            return Ok(());
        }
        let path = format!("externalcontacts/{}/{id}", object.path());
        match self.platform.client.send(Send::Delete, &path).await {
            Ok(_) | Err(Error::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn write_max(&self) -> usize {
        WRITE_MAX
    }

    fn create_max(&self) -> usize {
        ENRICH_MAX
    }

    /// What is changed or removed is read before.
    fn write_requests(&self, made: u64, changed: u64, deleted: u64) -> u64 {
        let bulk = |writes: u64| 2 * writes.div_ceil(WRITE_MAX as u64);
        made.div_ceil(ENRICH_MAX as u64) + bulk(changed) + bulk(deleted)
    }

    async fn write(
        &self,
        object: &str,
        writes: &[Write],
    ) -> Result<Vec<Result<Saved, Error>>, Error> {
        self.write_all(Object::named(object)?, writes).await
    }
}

impl Records {
    /// The entity that is known by an id of our own source.
    async fn keyed(&self, object: Object, id: &str) -> Result<Option<Value>, Error> {
        let own = self.platform.source().await?.identifier(id);
        let path = format!("externalcontacts/identifierlookup/{}", object.path());
        match self.platform.client.send(Send::Post(&own), &path).await {
            Ok(reply) => reply.json().map(Some),
            Err(Error::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The entity of exactly this id, if it still is the version that was seen.
    async fn unchanged(
        &self,
        object: Object,
        id: &str,
        seen: Option<&str>,
    ) -> Result<Option<Value>, Error> {
        let known = self.fetch(object, &[id.to_owned()]).await?.remove(id);
        known.as_ref().map_or(Ok(()), |known| unchanged(known, seen))?;
        Ok(known)
    }

    /// Sets and empties fields of an entity that was just read.
    pub(super) async fn change(
        &self,
        object: Object,
        known: &Value,
        fields: &Fields,
    ) -> Result<Saved, Error> {
        let before = saved(known, false)?;
        if fields.is_empty() {
            return Ok(before);
        }
        let beyond = self.beyond(object, &[fields]).await?;
        let id = before.id;
        if object == Object::Organizations {
            let whole = changed(Some(known), None, fields, &beyond)?;
            let mut results = self.bulk(object, Deed::Update, &[whole]).await?;
            let (_, entity) = results
                .remove(&id)
                .unwrap_or_else(|| Err(Error::protocol("an answer that lacks a result")))?;
            return same(&id, &entity);
        }
        let change = |(path, value)| {
            let field = format!("$.{path}");
            match value {
                None => json!({ "field": field, "action": "Remove" }),
                Some(value) => json!({ "field": field, "action": "Update", "value": value }),
            }
        };
        let changes: Vec<Value> = beyond.sets(known, fields)?.into_iter().map(change).collect();
        let path = format!("externalcontacts/{}/{id}", object.path());
        let body = json!({ "changes": changes });
        let reply = self.platform.client.send(Send::Patch(&body), &path).await?;
        same(&id, &reply.json()?)
    }
}
