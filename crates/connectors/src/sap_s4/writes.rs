//! Reads and writes single business partners.
//!
//! SAP has no upsert: a partner is looked for by its key before one is made. A change
//! depends on the ETag that was seen, so that nothing is overwritten unseen, but for what is
//! saved in one second: that is all an ETag knows, and why none is told after a write. A
//! partner cannot be deleted through this API.

use super::client::Client;
use super::mapping::partner_id;
use super::odata::{Entity, Filter, Name, Query};
use super::records::{NUMBER, SET, check_object, fixed, named, property, record, selected};
use async_trait::async_trait;
use kit::{Error, Fields, Lane, Record, Saved, Writes};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// Partners in one request.
const READ_MAX: usize = 50;

/// The partners of one system.
pub(super) struct Partners {
    pub(super) client: Arc<Client>,
}

#[async_trait]
impl Writes for Partners {
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
        check_object(object)?;
        let select = selected(fields)?;
        let ids: Vec<Option<String>> = ids.iter().map(|id| partner_id(id)).collect();
        let filters = ids.iter().flatten().map(|id| Filter::eq(&fixed(NUMBER), id)).collect();
        let query = |filter| Query {
            set: SET,
            filter: Some(filter),
            select: select.clone(),
            expand: Vec::new(),
            order: None,
            top: 50,
        };
        let queries = Filter::packed(filters).into_iter().map(query).collect();
        let rows = match self.client.all(lane, queries).await {
            Ok(rows) => rows,
            Err(error) => return Err(named(&self.client, fields, error).await),
        };
        let found: Result<HashMap<String, Record>, Error> = rows
            .iter()
            .map(|row| record(row, fields).map(|record| (record.id.clone(), record)))
            .collect();
        let found = found?;
        Ok(ids.iter().map(|id| id.as_ref().and_then(|id| found.get(id).cloned())).collect())
    }

    async fn find(&self, object: &str, key: (&str, &str)) -> Result<Option<String>, Error> {
        check_object(object)?;
        Ok(self.found(&property(key.0)?, key.1).await?.map(|known| known.id))
    }

    async fn create(
        &self,
        object: &str,
        (key, value): (&str, &str),
        fields: &Fields,
    ) -> Result<Saved, Error> {
        check_object(object)?;
        let key = property(key)?;
        let mut body = body(fields)?;
        match self.found(&key, value).await? {
            None => {
                body.insert(key.as_str().to_owned(), value.into());
                let made = self.client.create(SET, &Value::Object(body)).await;
                let made = match made {
                    Ok(row) => record(&row, &[])?,
                    Err(error) => return Err(self.named(fields, error).await),
                };
                Ok(Saved { id: made.id, version: None, is_new: true })
            }
            Some(known) => {
                body.remove(key.as_str());
                self.change(&known.id, known.version.as_deref(), body).await
            }
        }
    }

    async fn update(
        &self,
        object: &str,
        id: &str,
        seen: Option<&str>,
        fields: &Fields,
    ) -> Result<Saved, Error> {
        check_object(object)?;
        let id = partner_id(id).ok_or(Error::NotFound)?;
        let body = body(fields)?;
        if seen.is_some() {
            return self.change(&id, seen, body).await;
        }
        let (_, etag) = self.client.entity(Lane::Background, &entity(&id)).await?;
        self.change(&id, etag.as_deref(), body).await
    }

    async fn delete(&self, object: &str, _id: &str, _seen: Option<&str>) -> Result<(), Error> {
        check_object(object)?;
        let reason = "SAP lets no client delete a business partner; mark it for archiving";
        Err(Error::Invalid { field: None, reason: reason.to_owned() })
    }
}

impl Partners {
    /// The one partner with this value of a property.
    async fn found(&self, key: &Name, value: &str) -> Result<Option<Record>, Error> {
        if value.is_empty() {
            let reason = "a partner cannot be known by nothing".to_owned();
            return Err(Error::Invalid { field: Some(key.as_str().to_owned()), reason });
        }
        let query = Query {
            set: SET,
            filter: Some(Filter::eq(key, value)),
            select: selected(&[])?,
            expand: Vec::new(),
            order: Some(NUMBER),
            top: 2,
        };
        let names = [key.as_str().to_owned()];
        let rows = match self.client.page(&query).await {
            Ok((rows, ..)) => rows,
            Err(error) => return Err(named(&self.client, &names, error).await),
        };
        match rows.as_slice() {
            [] => Ok(None),
            [row] => record(row, &[]).map(Some),
            _ => Err(Error::Conflict { reason: "several partners have this key".to_owned() }),
        }
    }

    async fn change(&self, id: &str, etag: Option<&str>, body: Fields) -> Result<Saved, Error> {
        let names: Fields = body.clone();
        match self.client.update(&entity(id), etag, &Value::Object(body)).await {
            Ok(_) => Ok(Saved { id: id.to_owned(), version: None, is_new: false }),
            Err(error) => Err(self.named(&names, error).await),
        }
    }

    async fn named(&self, fields: &Fields, error: Error) -> Error {
        let names: Vec<String> = fields.keys().cloned().collect();
        named(&self.client, &names, error).await
    }
}

fn entity(id: &str) -> Entity {
    Entity::new(fixed(SET), [(fixed(NUMBER), id)])
}

fn body(fields: &Fields) -> Result<Fields, Error> {
    for name in fields.keys() {
        property(name)?;
    }
    Ok(fields.clone())
}
