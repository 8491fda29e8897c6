//! Reads and writes single records of an org.
//!
//! A record is made by upsert where its key is an external id of the org's; elsewhere it
//! is looked for first. A change is guarded twice: the record is read, and what was seen
//! compared with it, and the org itself refuses what was changed since that second
//! (`If-Unmodified-Since` counts no less). README.md says how wide the gap is.
//!
//! Source: REST API Guide, "Insert or Update (Upsert) a Record Using an External ID",
//! "Conditional Requests".

use super::batch;
use super::changes::{master, with_fate};
use super::client::{Client, Write};
use super::mapping::record_id;
use super::records::{field_name, fixed, id, object, record, selected};
use super::soql::{Condition, Name, Soql};
use async_trait::async_trait;
use domain::Timestamp;
use kit::http::http_date;
use kit::{Error, Fields, Lane, Record, Saved, Writes};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use url::Url;

/// Ids in one query: their list stays below the longest WHERE clause.
const READ_MAX: usize = 150;
/// Objects whose external ids are remembered; another one drops them all.
const OBJECTS_MAX: usize = 100;

/// The records of one org.
pub(super) struct Records {
    pub(super) client: Arc<Client>,
    /// Fields of an object by which it can be upserted, in lower case.
    keys: Mutex<HashMap<String, Arc<BTreeSet<String>>>>,
}

impl Records {
    pub(super) fn new(client: Arc<Client>) -> Self {
        Self { client, keys: Mutex::default() }
    }
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
        let object = self::object(object)?;
        let select = selected(fields)?;
        let ids: Vec<Option<String>> = ids.iter().map(|id| record_id(id)).collect();
        let mut found: HashMap<String, Record> = HashMap::new();
        for batch in ids.chunks(READ_MAX) {
            let asked = batch.iter().flatten().map(String::as_str);
            let Some(condition) = Condition::one_of(&fixed("Id"), asked) else { continue };
            let soql = Soql::select(&object, &select, Some(&condition), 200);
            for row in self.client.query(lane, &soql).await?.rows {
                let record = record(&row, fields)?;
                found.insert(record.id.clone(), record);
            }
        }
        // One id may be asked for twice.
        Ok(ids.iter().map(|id| id.as_ref().and_then(|id| found.get(id).cloned())).collect())
    }

    /// A record that was merged away stays in the recycle bin for a while and names its master.
    async fn successors(&self, object: &str, ids: &[String]) -> Result<Vec<Option<String>>, Error> {
        let object = self::object(object)?;
        let ids: Vec<Option<String>> = ids.iter().map(|id| record_id(id)).collect();
        let mut into: HashMap<String, String> = HashMap::new();
        for batch in ids.chunks(READ_MAX) {
            let asked = batch.iter().flatten().map(String::as_str);
            let Some(condition) = Condition::one_of(&fixed("Id"), asked) else { continue };
            let fields = with_fate(&object, vec![fixed("Id")]);
            let soql = Soql::select(&object, &fields, Some(&condition), 200);
            for row in self.client.query_all(Lane::Background, &soql).await? {
                if let Some(master) = master(&row) {
                    into.insert(id(&row)?, master);
                }
            }
        }
        Ok(ids.iter().map(|id| id.as_ref().and_then(|id| into.get(id).cloned())).collect())
    }

    async fn find(
        &self,
        object: &str,
        (key, value): (&str, &str),
    ) -> Result<Option<String>, Error> {
        let found = self.keyed(&self::object(object)?, &field_name(key)?, value).await?;
        match found.as_slice() {
            [] => Ok(None),
            [id] => Ok(Some(id.clone())),
            _ => Err(several()),
        }
    }

    async fn create(
        &self,
        object: &str,
        (key, value): (&str, &str),
        fields: &Fields,
    ) -> Result<Saved, Error> {
        let object = self::object(object)?;
        let key = field_name(key)?;
        let body = body(fields, Some(&key))?;
        if value.is_empty() {
            let reason = "a record cannot be known by nothing".to_owned();
            return Err(Error::Invalid { field: Some(key.as_str().to_owned()), reason });
        }
        if self.is_external_id(&object, &key).await?
            && let Some(path) = path(&["sobjects", object.as_str(), key.as_str(), value])
        {
            match self.client.write(Write::Change(&body), &path).await {
                // A value that looks like the name of a blocked file is no resource to the vendor.
                Err(Error::NotFound) => {}
                outcome => {
                    let told = outcome?;
                    let is_new = told.get("created") == Some(&Value::Bool(true));
                    return Ok(saved(&made(&told)?, is_new));
                }
            }
        }
        match self.keyed(&object, &key, value).await?.as_slice() {
            [] => {
                let mut body = body;
                body[key.as_str()] = value.into();
                let path = format!("sobjects/{}", object.as_str());
                let told = self.client.write(Write::Create(&body), &path).await?;
                Ok(saved(&made(&told)?, true))
            }
            [id] => {
                let path = format!("sobjects/{}/{id}", object.as_str());
                self.client.write(Write::Change(&body), &path).await?;
                Ok(saved(id, false))
            }
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
        let object = self::object(object)?;
        let body = body(fields, None)?;
        let id = record_id(id).ok_or(Error::NotFound)?;
        let path = format!("sobjects/{}/{id}", object.as_str());
        let Some(seen) = seen else {
            self.client.write(Write::Change(&body), &path).await?;
            return Ok(saved(&id, false));
        };
        let since = self.unchanged(&object, &id, seen).await?.ok_or(Error::NotFound)?;
        let write = Write::ChangeSince(&body, &http_date(since));
        self.client.write(write, &path).await?;
        Ok(saved(&id, false))
    }

    async fn delete(&self, object: &str, id: &str, seen: Option<&str>) -> Result<(), Error> {
        let object = self::object(object)?;
        let Some(id) = record_id(id) else { return Ok(()) };
        if let Some(seen) = seen
            && self.unchanged(&object, &id, seen).await?.is_none()
        {
            return Ok(());
        }
        let path = format!("sobjects/{}/{id}", object.as_str());
        match self.client.write(Write::Delete, &path).await {
            Ok(_) | Err(Error::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// What is changed or deleted is compared before.
    fn write_requests(&self, made: u64, changed: u64, deleted: u64) -> u64 {
        let collections = |writes: u64| writes.div_ceil(batch::WRITE_MAX as u64);
        collections(made) + 2 * collections(changed) + 2 * collections(deleted)
    }

    fn write_max(&self) -> usize {
        batch::WRITE_MAX
    }

    async fn write(
        &self,
        object: &str,
        writes: &[kit::Write],
    ) -> Result<Vec<Result<Saved, Error>>, Error> {
        self.write_all(object, writes).await
    }
}

impl Records {
    /// Can records be named by this field? Described once, while the process runs.
    pub(super) async fn is_external_id(&self, object: &Name, key: &Name) -> Result<bool, Error> {
        let (of, field) = (object.as_str().to_lowercase(), key.as_str().to_lowercase());
        let known = self.keys.lock().unwrap_or_else(PoisonError::into_inner).get(&of).cloned();
        if let Some(keys) = known {
            return Ok(keys.contains(&field));
        }
        let described = self.client.describe(object).await.map_err(|error| match error {
            Error::NotFound => Error::Invalid {
                field: Some("object".to_owned()),
                reason: "the org has no such object, or does not show it".to_owned(),
            },
            error => error,
        })?;
        let fields = described["fields"].as_array().into_iter().flatten();
        let named = fields.filter(|field| field["externalId"] == true && field["unique"] == true);
        let names = named.filter_map(|field| field["name"].as_str()).map(str::to_lowercase);
        let keys: Arc<BTreeSet<String>> = Arc::new(names.collect());
        let is_one = keys.contains(&field);
        let mut known = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= OBJECTS_MAX {
            known.clear();
        }
        known.insert(of, keys);
        Ok(is_one)
    }

    /// The records with this value, two at most.
    async fn keyed(&self, object: &Name, key: &Name, value: &str) -> Result<Vec<String>, Error> {
        let condition = Condition::one_of(key, [value]);
        let soql = Soql::select(object, &[fixed("Id")], condition.as_ref(), 2);
        let rows = self.client.query(Lane::Background, &soql).await?.rows;
        rows.iter().map(id).collect()
    }

    /// When a record was changed last, if it still is the version that was seen.
    async fn unchanged(
        &self,
        object: &Name,
        id: &str,
        seen: &str,
    ) -> Result<Option<Timestamp>, Error> {
        let asked = [id.to_owned()];
        let found = self.read(Lane::Background, object.as_str(), &asked, &[]).await?;
        let Some(record) = found.into_iter().flatten().next() else { return Ok(None) };
        still(record.version.as_deref(), seen).map(Some)
    }
}

/// What was written. No version: what is read afterwards may be somebody else's, and whoever
/// saves in the same second leaves the same stamp.
fn saved(id: &str, is_new: bool) -> Saved {
    Saved { id: id.to_owned(), version: None, is_new }
}

fn several() -> Error {
    Error::Conflict { reason: "several records have this key".to_owned() }
}

/// When a record with this stamp was changed last, if it is the version that was seen.
///
/// # Errors
/// `Conflict` when it is another.
pub(super) fn still(stamp: Option<&str>, seen: &str) -> Result<Timestamp, Error> {
    let stamp = stamp.and_then(Timestamp::parse);
    let stamp = stamp.ok_or_else(|| Error::protocol("a row without SystemModstamp"))?;
    // Compared as moments: the vendor writes one and the same in several ways.
    if Timestamp::parse(seen) != Some(stamp) {
        return Err(Error::Conflict { reason: "it was changed since it was read".to_owned() });
    }
    Ok(stamp)
}

/// The fields as the org takes them, without the key. Which record they are of is said
/// elsewhere, and no field may say another.
pub(super) fn body(fields: &Fields, key: Option<&Name>) -> Result<Value, Error> {
    let mut body = Fields::new();
    for (name, value) in fields {
        let name = field_name(name)?;
        if name.as_str().contains('.') {
            let reason = "belongs to another record, and is written there".to_owned();
            return Err(Error::Invalid { field: Some(name.as_str().to_owned()), reason });
        }
        if name.is("Id") || name.is("attributes") {
            let reason = "names the record, and is not set".to_owned();
            return Err(Error::Invalid { field: Some(name.as_str().to_owned()), reason });
        }
        if !key.is_some_and(|key| key.is(name.as_str())) {
            body.insert(name.as_str().to_owned(), value.clone());
        }
    }
    Ok(Value::Object(body))
}

/// A path of these steps, each percent-encoded; `None` where one would be none (`.`).
fn path(steps: &[&str]) -> Option<String> {
    if steps.iter().any(|step| matches!(*step, "" | "." | "..")) {
        return None;
    }
    let mut url = Url::parse("https://org.invalid").ok()?;
    url.path_segments_mut().ok()?.extend(steps);
    url.path().strip_prefix('/').map(str::to_owned)
}

/// The id of a record that was made.
pub(super) fn made(told: &Value) -> Result<String, Error> {
    let id = told.get("id").and_then(Value::as_str).and_then(record_id);
    id.ok_or_else(|| Error::protocol("a record was written without an id"))
}

#[cfg(test)]
mod tests {
    use super::path;
    use proptest::prelude::*;
    use url::Url;

    proptest! {
        #[test]
        fn a_value_stays_one_step_of_the_path(value in any::<String>()) {
            let Some(path) = path(&["sobjects", "Contact", "Ext__c", &value]) else {
                prop_assert!(matches!(value.as_str(), "" | "." | ".."));
                return Ok(());
            };
            let base = Url::parse("https://acme.example/services/data/v67.0/").expect("a URL");
            let url = base.join(&format!("/services/data/v67.0/{path}")).expect("a URL");
            let steps: Vec<&str> = url.path_segments().expect("steps").collect();
            prop_assert_eq!(steps.len(), 7, "{}", url);
            prop_assert_eq!((url.query(), url.fragment()), (None, None));
        }
    }
}
