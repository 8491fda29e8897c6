//! Reads and writes single records; many at once are `batch`'s.
//!
//! A write names one record and reads that record's own outcome, because the answer as a
//! whole says little. A change is made to depend on `Modified_Time` by the vendor itself
//! (`If-Unmodified-Since`, 412), which knows whole seconds only. A deletion cannot be made
//! to depend on it: there the record is read just before. After a write no version is told:
//! whoever saves in the same second leaves the same one. A field that a module does not
//! have, Zoho passes over without a word: so each is queried once before it is written.
//!
//! Source: "Update Records", "Upsert Records", "Delete Records" (v8).

use super::super::client::{Ask, Client, Method, record_id};
use super::super::coql::{COLUMNS_MAX, Condition, Name, Query, VALUES_MAX, name};
use super::super::mapping::id_of;
use super::super::signals::row;
use super::batch::WRITE_MAX;
use super::{columns, module, record};
use async_trait::async_trait;
use kit::{Error, Fields, Lane, Record, Saved};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Modules that Zoho's upsert does not take.
pub(super) const WITHOUT_UPSERT: [&str; 3] = ["Calls", "Events", "Tasks"];

/// The records of one organization.
pub(in super::super) struct Writes {
    pub(in super::super) client: Arc<Client>,
    /// What starts in Zoho when a record is written.
    pub(in super::super) triggers: Value,
    /// Fields that were queried and exist, by module and name.
    pub(in super::super) known: Mutex<BTreeSet<(String, String)>>,
}

#[async_trait]
impl kit::Writes for Writes {
    fn read_max(&self) -> usize {
        VALUES_MAX
    }

    async fn read(
        &self,
        lane: Lane,
        object: &str,
        ids: &[String],
        fields: &[String],
    ) -> Result<Vec<Option<Record>>, Error> {
        let (object, columns) = (module(object)?, columns(fields)?);
        let mut rows = Vec::new();
        for condition in Condition::one_of(&name("id"), ids.iter().filter_map(|id| record_id(id))) {
            let query = Query::select(&object, &columns, &condition, &[], VALUES_MAX);
            rows.extend(self.client.rows(lane, &query).await?.0);
        }
        let of = |id: &String| rows.iter().find(|row| row["id"] == id.as_str());
        ids.iter().map(|id| of(id).map(|row| record(row, fields)).transpose()).collect()
    }

    async fn find(&self, object: &str, key: (&str, &str)) -> Result<Option<String>, Error> {
        self.found(&module(object)?, key).await
    }

    async fn create(
        &self,
        object: &str,
        key: (&str, &str),
        fields: &Fields,
    ) -> Result<Saved, Error> {
        let object = module(object)?;
        let found = self.found(&object, key).await?;
        self.require(&object, fields.keys().map(String::as_str)).await?;
        let mut values = fields.clone();
        values.insert(key.0.to_owned(), key.1.into());
        match found {
            None if WITHOUT_UPSERT.contains(&object.as_str()) => {
                self.put(Method::Post, format!("/{}", object.as_str()), &values, None).await
            }
            None => {
                let path = format!("/{}/upsert", object.as_str());
                self.put_by(Method::Post, path, &values, Some(key.0), None).await
            }
            Some(id) => {
                let path = format!("/{}/{id}", object.as_str());
                self.put(Method::Put, path, &values, None).await
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
        let object = module(object)?;
        let id = record_id(id).ok_or(Error::NotFound)?;
        self.require(&object, fields.keys().map(String::as_str)).await?;
        let path = format!("/{}/{id}", object.as_str());
        self.put(Method::Put, path, fields, seen).await
    }

    async fn delete(&self, object: &str, id: &str, seen: Option<&str>) -> Result<(), Error> {
        let Some(own) = record_id(id) else { return Ok(()) };
        if seen.is_some() {
            let now = self.read(Lane::Background, object, &[own.to_owned()], &[]).await?.remove(0);
            match now {
                None => return Ok(()),
                Some(now) if now.version.as_deref() != seen => {
                    return Err(Error::Conflict { reason: "the record was changed".to_owned() });
                }
                Some(_) => {}
            }
        }
        let object = module(object)?;
        let ask = Ask::new(Method::Delete, format!("/{}/{own}", object.as_str()));
        let outcome = self.client.send(Lane::Background, &ask).await;
        match outcome.and_then(|answer| outcome_of(answer.body).map(drop)) {
            Ok(()) | Err(Error::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn write_max(&self) -> usize {
        WRITE_MAX
    }

    async fn write(
        &self,
        object: &str,
        writes: &[kit::Write],
    ) -> Result<Vec<Result<Saved, Error>>, Error> {
        self.write_all(module(object)?, writes).await
    }
}

impl Writes {
    /// The id of the one record with this key.
    async fn found(&self, object: &Name, key: (&str, &str)) -> Result<Option<String>, Error> {
        let field = Name::new(key.0).ok_or_else(|| invalid(key.0, "is no name of a field"))?;
        let condition = Condition::equals(&field, key.1);
        let condition =
            condition.ok_or_else(|| invalid(key.0, "cannot be looked for: a backslash"))?;
        let id = name("id");
        let query = Query::select(object, std::slice::from_ref(&id), &condition, &[&id], 2);
        let (rows, _, _) = self.client.rows(Lane::Background, &query).await?;
        match rows.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(id_of(one)?.to_owned())),
            _ => Err(Error::Conflict {
                reason: format!("several records have this {}", field.as_str()),
            }),
        }
    }

    /// Does the module have these fields? Those that are not known yet are asked for of
    /// nobody, by the query that [`kit::Writes::read`] would make.
    ///
    /// # Errors
    /// `Invalid` naming the one that it has not, any other [`Error`].
    pub(super) async fn require<'a>(
        &self,
        object: &Name,
        fields: impl Iterator<Item = &'a str>,
    ) -> Result<(), Error> {
        let key = |field: &str| (object.as_str().to_owned(), field.to_owned());
        let open: Vec<String> = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            // What begins with a dollar sign is a word to Zoho and no field.
            let is_open = |field: &&str| !field.starts_with('$') && !known.contains(&key(field));
            fields.filter(is_open).map(str::to_owned).collect()
        };
        let Some(nobody) = Condition::equals(&name("id"), "1") else { return Ok(()) };
        for some in open.chunks(COLUMNS_MAX / 2) {
            let query = Query::select(object, &columns(some)?, &nobody, &[], 1);
            self.client.rows(Lane::Background, &query).await?;
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.extend(some.iter().map(|field| key(field)));
        }
        Ok(())
    }

    async fn put(
        &self,
        method: Method,
        path: String,
        fields: &Fields,
        seen: Option<&str>,
    ) -> Result<Saved, Error> {
        self.put_by(method, path, fields, None, seen).await
    }

    async fn put_by(
        &self,
        method: Method,
        path: String,
        fields: &Fields,
        key: Option<&str>,
        seen: Option<&str>,
    ) -> Result<Saved, Error> {
        let mut body = json!({ "data": [fields], "trigger": self.triggers });
        if let Some(key) = key {
            body["duplicate_check_fields"] = json!([key]);
        }
        let mut ask = Ask::new(method, path).json(body);
        if let Some(seen) = seen {
            ask = ask.header("if-unmodified-since", seen);
        }
        let answer = self.client.send(Lane::Background, &ask).await?;
        let (details, is_new) = outcome_of(answer.body)?;
        let is_new = is_new || method == Method::Post && key.is_none();
        Ok(Saved { id: id_of(&details)?.to_owned(), version: None, is_new })
    }
}

/// What became of the one record, and whether it is new.
fn outcome_of(body: Option<Value>) -> Result<(Value, bool), Error> {
    let body = body.ok_or_else(|| Error::protocol("a write without an answer"))?;
    let (details, action) = row(&body)?;
    Ok((details.clone(), action == "insert"))
}

pub(super) fn invalid(field: &str, reason: &str) -> Error {
    Error::Invalid { field: Some(field.to_owned()), reason: reason.to_owned() }
}
