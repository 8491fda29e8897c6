//! Reads and writes single records; many at once are `batch`'s.
//!
//! HubSpot has no conditional write: `updatedAt` is read just before and compared. A record
//! is made by upsert where the key is a property with unique values; by `email`, whose
//! upsert HubSpot calls not partial, it is read first and then changed or made.
//!
//! Source: "Using object APIs", "Contacts: upsert".

use super::super::client::{Ask, BATCH_MAX, Client, Method, record_id};
use super::super::mapping::{Property, id_of};
use super::super::signals::partial;
use super::{BY, all_known, object, properties, record};
use async_trait::async_trait;
use kit::{Error, Fields, Lane, Record, Saved};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The records of one account.
pub(in super::super) struct Writes {
    pub(in super::super) client: Arc<Client>,
}

#[async_trait]
impl kit::Writes for Writes {
    fn read_max(&self) -> usize {
        BATCH_MAX
    }

    async fn read(
        &self,
        lane: Lane,
        kind: &str,
        ids: &[String],
        fields: &[String],
    ) -> Result<Vec<Option<Record>>, Error> {
        let asked: Vec<&str> = ids.iter().filter_map(|id| record_id(id)).collect();
        let names = properties(fields, &[BY])?;
        let found = self.client.batch(lane, object(kind)?, None, &asked, &names).await?;
        // A call waits for nothing that it was not asked for.
        if lane == Lane::Background {
            all_known(&self.client, kind, fields, &found).await?;
        }
        // Who was merged away answers as the one that stayed, which is another record.
        let of = |id: &String| found.iter().find(|found| found["id"] == id.as_str());
        ids.iter().map(|id| of(id).map(|found| record(found, fields)).transpose()).collect()
    }

    async fn find(&self, kind: &str, key: (&str, &str)) -> Result<Option<String>, Error> {
        let (kind, property) = (object(kind)?, keyed(key)?);
        let asked = [key.1];
        let lane = Lane::Background;
        let found = self.client.batch(lane, kind, Some(property), &asked, &[property]).await?;
        found.first().map(|known| id_of(known).map(str::to_owned)).transpose()
    }

    async fn create(&self, kind: &str, key: (&str, &str), fields: &Fields) -> Result<Saved, Error> {
        let kind = object(kind)?;
        keyed(key)?;
        let mut values = texts(fields)?;
        values.insert(key.0.to_owned(), key.1.into());
        if key.0 == "email" {
            return self.create_by_email(kind, key.1, values).await;
        }
        let path = format!("{}/batch/upsert", self.client.paths.objects(kind));
        let input = json!({ "idProperty": key.0, "id": key.1, "properties": values });
        let ask = Ask::new(Method::Post, path).json(json!({ "inputs": [input] }));
        let (body, _) = self.client.send(Lane::Background, &ask).await?;
        saved(partial(&body)?)
    }

    async fn update(
        &self,
        kind: &str,
        id: &str,
        seen: Option<&str>,
        fields: &Fields,
    ) -> Result<Saved, Error> {
        let (kind, id) = (object(kind)?, record_id(id).ok_or(Error::NotFound)?);
        if seen.is_some() {
            self.compare(kind, id, seen).await?;
        }
        self.change(kind, id, texts(fields)?).await
    }

    async fn delete(&self, kind: &str, id: &str, seen: Option<&str>) -> Result<(), Error> {
        let (kind, Some(id)) = (object(kind)?, record_id(id)) else { return Ok(()) };
        if seen.is_some() {
            match self.compare(kind, id, seen).await {
                Err(Error::NotFound) => return Ok(()),
                outcome => outcome?,
            }
        }
        let ask = Ask::new(Method::Delete, format!("{}/{id}", self.client.paths.objects(kind)));
        match self.client.send(Lane::Background, &ask).await {
            Ok(_) | Err(Error::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn write_max(&self) -> usize {
        BATCH_MAX
    }

    async fn write(
        &self,
        kind: &str,
        writes: &[kit::Write],
    ) -> Result<Vec<Result<Saved, Error>>, Error> {
        self.write_all(object(kind)?, writes).await
    }
}

impl Writes {
    /// Is the record still as it was seen?
    async fn compare(&self, kind: &str, id: &str, seen: Option<&str>) -> Result<(), Error> {
        let mut read =
            kit::Writes::read(self, Lane::Background, kind, &[id.to_owned()], &[]).await?;
        let now = read.pop().flatten().ok_or(Error::NotFound)?;
        if now.version.as_deref() == seen {
            return Ok(());
        }
        Err(Error::Conflict { reason: "the record was changed".to_owned() })
    }

    async fn change(
        &self,
        kind: &str,
        id: &str,
        values: Map<String, Value>,
    ) -> Result<Saved, Error> {
        let ask = Ask::new(Method::Patch, format!("{}/{id}", self.client.paths.objects(kind)));
        let ask = ask.json(json!({ "properties": values }));
        let (body, _) = self.client.send(Lane::Background, &ask).await?;
        saved(&body)
    }

    /// Read first; somebody else may make it in between, and is then found by a second look.
    async fn create_by_email(
        &self,
        kind: &str,
        email: &str,
        values: Map<String, Value>,
    ) -> Result<Saved, Error> {
        for _ in 0..2 {
            let lane = Lane::Background;
            let found = self.client.batch(lane, kind, Some("email"), &[email], &["email"]).await?;
            if let Some(known) = found.first() {
                return self.change(kind, id_of(known)?, values).await;
            }
            let ask = Ask::new(Method::Post, self.client.paths.objects(kind));
            let ask = ask.json(json!({ "properties": values, "associations": [] }));
            match self.client.send(lane, &ask).await {
                Ok((body, _)) => return saved(&body).map(|saved| Saved { is_new: true, ..saved }),
                Err(Error::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::Conflict {
            reason: "the e-mail is taken by a record that cannot be read".to_owned(),
        })
    }
}

/// The property of a key.
fn keyed<'a>((property, value): (&'a str, &str)) -> Result<&'a str, Error> {
    if Property::new(property).is_none() || value.is_empty() {
        let reason = "is no key: a property and its value".to_owned();
        return Err(Error::Invalid { field: Some(property.to_owned()), reason });
    }
    Ok(property)
}

/// All values are texts there; an empty one empties.
///
/// # Errors
/// `Invalid` naming a field whose value is none that HubSpot keeps.
pub(super) fn texts(fields: &Fields) -> Result<Map<String, Value>, Error> {
    let text = |(name, value): (&String, &Value)| {
        let text = match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            Value::Array(_) | Value::Object(_) => {
                let reason = "is a list or an object, which HubSpot does not keep".to_owned();
                return Err(Error::Invalid { field: Some(name.clone()), reason });
            }
        };
        Ok((name.clone(), text.into()))
    };
    fields.iter().map(text).collect()
}

pub(super) fn saved(record: &Value) -> Result<Saved, Error> {
    Ok(Saved {
        id: id_of(record)?.to_owned(),
        version: record["updatedAt"].as_str().map(str::to_owned),
        is_new: record["new"] == true,
    })
}
