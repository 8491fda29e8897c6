//! Reads and writes single contacts of the platform.
//!
//! A contact is known by the id that it has in another system (`externalIds`, under our
//! External Source), and made by enriching, which the platform does once only for one id.
//! Fields are changed one by one (`PATCH`). The platform knows no conditional writes: the
//! contact is read just before. An id that was merged into another leads there at the
//! platform; here it is gone, or a write would hit somebody else.

use super::client::{Send, refused};
use super::mapping::is_uuid;
use super::platform::Platform;
use super::records::{EXTERNAL_IDS, OBJECT, check_field, check_object, record};
use async_trait::async_trait;
use kit::{Error, Fields, Lane, Record, Saved, Writes};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

/// Contacts of one bulk request; the platform states no number.
const READ_MAX: usize = 50;

/// The contacts of one organization.
pub(super) struct Contacts {
    pub(super) platform: Arc<Platform>,
}

#[async_trait]
impl Writes for Contacts {
    fn read_max(&self) -> usize {
        READ_MAX
    }

    async fn read(
        &self,
        _lane: Lane,
        object: &str,
        ids: &[String],
        fields: &[String],
    ) -> Result<Vec<Option<Record>>, Error> {
        check_object(object)?;
        for field in fields {
            check_field(field, false)?;
        }
        let mut found: HashMap<String, Record> = HashMap::new();
        let asked: Vec<&String> = ids.iter().filter(|id| is_uuid(id)).collect();
        for batch in asked.chunks(READ_MAX) {
            let entities: Vec<Value> = batch.iter().map(|id| json!({ "id": id })).collect();
            let body = json!({ "entities": entities });
            let path = format!("externalcontacts/bulk/{OBJECT}");
            let answer = self.platform.client.send(Send::Post(&body), &path).await?.json()?;
            let results = answer.get("results").and_then(Value::as_array);
            let results = results.ok_or_else(|| Error::protocol("an answer without results"))?;
            for result in results {
                // Known by the contact itself: results come in any order.
                if let Some(contact) = result.get("entity").filter(|_| result["success"] == true) {
                    let record = record(contact, fields)?;
                    found.insert(record.id.clone(), record);
                } else if let Some(error) = failure(result) {
                    return Err(error);
                }
            }
        }
        Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
    }

    async fn create(
        &self,
        object: &str,
        (key, value): (&str, &str),
        fields: &Fields,
    ) -> Result<Saved, Error> {
        check_object(object)?;
        check_written(fields)?;
        if key != EXTERNAL_IDS || value.is_empty() {
            let reason = format!("a contact is made under an id of {EXTERNAL_IDS} only");
            return Err(Error::Invalid { field: Some(key.to_owned()), reason });
        }
        let source = self.platform.source().await?;
        let own = json!({
            "type": "ExternalId", "value": value,
            "externalSource": { "id": source.id, "name": source.name },
        });
        let path = "externalcontacts/identifierlookup/contacts";
        match self.platform.client.send(Send::Post(&own), path).await {
            Ok(reply) => {
                let known = record(&reply.json()?, &[])?;
                return self.patch(&known, fields).await;
            }
            Err(Error::NotFound) => {}
            Err(error) => return Err(error),
        }
        let mut contact: Fields = Fields::new();
        for (path, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
            set(&mut contact, path, value);
        }
        let mut ids = contact.remove(EXTERNAL_IDS).unwrap_or_else(|| json!([]));
        if let Some(ids) = ids.as_array_mut() {
            ids.push(json!({ "externalSource": own["externalSource"], "value": value }));
        }
        contact.insert(EXTERNAL_IDS.to_owned(), ids);
        let body = json!({
            "division": { "id": self.platform.policy.division },
            "matchingIdentifiers": [own],
            "action": "Upsert",
            "contact": contact,
            "fieldRules": { "defaultAction": "AlwaysUseProvided", "defaultArrayAction": "Fill" },
            "options": { "promote": self.platform.policy.promote },
        });
        let path = "externalcontacts/contacts/enrich";
        let reply = self.platform.client.send(Send::Post(&body), path).await?;
        let made = record(&reply.json()?, &[])?;
        Ok(Saved { id: made.id, version: made.version, is_new: reply.status == 201 })
    }

    async fn update(
        &self,
        object: &str,
        id: &str,
        seen: Option<&str>,
        fields: &Fields,
    ) -> Result<Saved, Error> {
        check_object(object)?;
        check_written(fields)?;
        let known = self.unchanged(id, seen).await?.ok_or(Error::NotFound)?;
        self.patch(&known, fields).await
    }

    async fn delete(&self, object: &str, id: &str, seen: Option<&str>) -> Result<(), Error> {
        check_object(object)?;
        let Some(known) = self.unchanged(id, seen).await? else { return Ok(()) };
        let path = format!("externalcontacts/contacts/{}", known.id);
        match self.platform.client.send(Send::Delete, &path).await {
            Ok(_) | Err(Error::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Contacts {
    /// The contact of exactly this id, if it still is the version that was seen.
    async fn unchanged(&self, id: &str, seen: Option<&str>) -> Result<Option<Record>, Error> {
        let asked = [id.to_owned()];
        let found = self.read(Lane::Background, OBJECT, &asked, &[]).await?;
        let known = found.into_iter().flatten().next();
        let is_other =
            |known: &Record| seen.is_some_and(|seen| known.version.as_deref() != Some(seen));
        if known.as_ref().is_some_and(is_other) {
            return Err(Error::Conflict { reason: "it was changed since it was read".to_owned() });
        }
        Ok(known)
    }

    /// Sets and empties fields one by one.
    async fn patch(&self, known: &Record, fields: &Fields) -> Result<Saved, Error> {
        let mut changes = Vec::with_capacity(fields.len());
        for (path, value) in fields {
            let field = format!("$.{path}");
            changes.push(match value {
                Value::Null => json!({ "field": field, "action": "Remove" }),
                value => json!({ "field": field, "action": "Update", "value": value }),
            });
        }
        if changes.is_empty() {
            let version = known.version.clone();
            return Ok(Saved { id: known.id.clone(), version, is_new: false });
        }
        let path = format!("externalcontacts/contacts/{}", known.id);
        let body = json!({ "changes": changes });
        let reply = self.platform.client.send(Send::Patch(&body), &path).await?;
        let changed = record(&reply.json()?, &[])?;
        Ok(Saved { id: changed.id, version: changed.version, is_new: false })
    }
}

fn check_written(fields: &Fields) -> Result<(), Error> {
    fields.keys().try_for_each(|field| check_field(field, true))
}

/// Why one of several was not told; `None` where there is none.
fn failure(result: &Value) -> Option<Error> {
    let told = result.get("error").unwrap_or(&Value::Null);
    let status = told.get("status").or_else(|| result.get("status")).and_then(Value::as_u64);
    let status = status.and_then(|status| u16::try_from(status).ok()).unwrap_or(500);
    Some(refused(status, told)).filter(|error| *error != Error::NotFound)
}

/// Puts a value at `field` or `field.part`.
fn set(contact: &mut Fields, path: &str, value: &Value) {
    match path.split_once('.') {
        None => {
            contact.insert(path.to_owned(), value.clone());
        }
        Some((field, part)) => {
            let within = contact.entry(field).or_insert_with(|| json!({}));
            if let Some(within) = within.as_object_mut() {
                within.insert(part.to_owned(), value.clone());
            }
        }
    }
}
