//! Records as their own system holds them: what changed, and how they are written.
//!
//! A [`Lookup`](crate::Lookup) answers who somebody is; here stand the whole records that
//! a sync compares, by the vendor's own names of objects and fields. [`Changes`] misses
//! nothing and may tell some things twice; [`Writes`] may be repeated without a second
//! effect (invariant 3) and never overwrites what it has not seen.

use crate::{Error, Lane};
use async_trait::async_trait;
use domain::Timestamp;
use serde_json::{Map, Value};
use std::fmt;

/// The fields of a record, by the vendor's own names, in the vendor's own forms.
pub type Fields = Map<String, Value>;

/// A record as its own system holds it.
#[derive(Clone, PartialEq)]
pub struct Record {
    /// Its id within its own system and object.
    pub id: String,
    /// Something that is another with each change of the record (an ETag, a count of
    /// changes, a time), in a form that [`Writes`] of the same connection takes back.
    /// `None` where the vendor has nothing of the kind.
    pub version: Option<String>,
    /// When it was last changed, by the vendor's clock.
    pub modified: Option<Timestamp>,
    /// Who changed it last, by the vendor's id of a user; to tell our own writes.
    pub modified_by: Option<String>,
    /// What was asked for; a field that is empty there is `null` here.
    pub fields: Fields,
}

impl fmt::Debug for Record {
    /// Which record and which fields, never what they hold (invariant 9).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("id", &self.id)
            .field("version", &self.version)
            .field("modified", &self.modified)
            .field("modified_by", &self.modified_by)
            .field("fields", &self.fields.keys().collect::<Vec<_>>())
            .finish()
    }
}

/// Which changes are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangesAsk {
    /// The vendor's name of the object (`Contact`, `customer_contact`, `contacts`).
    pub object: String,
    /// The vendor's names of the fields; the id and what orders the changes come besides.
    pub fields: Vec<String>,
    /// Where the page before ended; `None` begins with everything there is.
    pub cursor: Option<String>,
    /// The most changes wanted at once; the vendor may give fewer.
    pub page_max: usize,
}

/// One thing that happened to a record.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// It was made or changed, and is now like this.
    Saved(Record),
    /// It is gone. `into`: it was merged into this one, where the vendor tells.
    Deleted { id: String, into: Option<String> },
}

/// Some changes, and where the next ones are.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangesPage {
    pub changes: Vec<Change>,
    /// Where the next page begins, to be kept only once these are applied (invariant 4).
    /// At the end of what there is it waits there for what comes later. It holds no
    /// personal data and no secret.
    pub cursor: String,
    /// There is more to be had at once.
    pub has_more: bool,
    /// The cursor asked with had expired, or could not be trusted: this page begins
    /// everything anew. What is not told until `has_more` ends is no longer there.
    pub is_restart: bool,
}

/// Tells what changed.
#[async_trait]
pub trait Changes: Send + Sync {
    /// Does a deletion reach us as a [`Change`]? If not, the caller must compare ids.
    fn tells_deletions(&self) -> bool;

    /// One page of what changed in an object since the cursor.
    ///
    /// Equal times, late commits and a record that changes while pages are read lose
    /// nothing: what is in doubt comes twice. A page that was cut off is asked for
    /// again with the same cursor.
    ///
    /// # Errors
    /// Any [`Error`]; `Invalid` naming `object`, a field, or `cursor` when it is none of ours.
    async fn page(&self, ask: &ChangesAsk) -> Result<ChangesPage, Error>;

    /// Requests that a pass takes at least where so many records are and next to none has
    /// changed: a feed needs one, whoever must go through all of them more.
    fn pass_requests(&self, records: u64) -> u64 {
        let _ = records;
        1
    }
}

/// A record that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    pub id: String,
    /// Its version since then, where the vendor tells: by it our own write is known
    /// again when it comes back as news (invariant 5).
    pub version: Option<String>,
    /// It was not there before.
    pub is_new: bool,
}

/// One write among many.
#[derive(Clone, PartialEq)]
pub enum Write {
    /// As [`Writes::create`]: the key's field and value, and the fields.
    Create { key: (String, String), fields: Fields },
    /// As [`Writes::update`].
    Update { id: String, seen: Option<String>, fields: Fields },
    /// As [`Writes::delete`].
    Delete { id: String, seen: Option<String> },
}

impl fmt::Debug for Write {
    /// Which record and which fields, never what they hold (invariant 9).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |fields: &Fields| fields.keys().cloned().collect::<Vec<_>>();
        match self {
            Self::Create { key: (field, _), fields } => f
                .debug_struct("Create")
                .field("key", field)
                .field("fields", &names(fields))
                .finish(),
            Self::Update { id, seen, fields } => f
                .debug_struct("Update")
                .field("id", id)
                .field("seen", seen)
                .field("fields", &names(fields))
                .finish(),
            Self::Delete { id, seen } => {
                f.debug_struct("Delete").field("id", id).field("seen", seen).finish()
            }
        }
    }
}

/// Reads and writes records, one by one or many in one request.
#[async_trait]
pub trait Writes: Send + Sync {
    /// How many ids one [`Writes::read`] can carry.
    fn read_max(&self) -> usize {
        1
    }

    /// The records of these ids as they are now, in order; `None` where there is none.
    ///
    /// # Errors
    /// Any [`Error`]; it holds for all of them.
    async fn read(
        &self,
        lane: Lane,
        object: &str,
        ids: &[String],
        fields: &[String],
    ) -> Result<Vec<Option<Record>>, Error>;

    /// For each of these ids, in order, of records that [`Writes::read`] does not know: the
    /// one that it was merged into; `None` where it was deleted, or where the vendor does
    /// not tell. To be asked before a record that is merely gone counts as deleted.
    ///
    /// # Errors
    /// Any [`Error`]; it holds for all of them.
    async fn successors(&self, object: &str, ids: &[String]) -> Result<Vec<Option<String>>, Error> {
        let _ = object;
        Ok(vec![None; ids.len()])
    }

    /// The id of the record with this key, as [`Writes::create`] goes by it; `None` where there
    /// is none. To be asked where nobody knows whether an earlier try has made it: what a
    /// person has set in it since is not to be overwritten.
    ///
    /// # Errors
    /// `Conflict` when several have the key; any [`Error`].
    async fn find(&self, object: &str, key: (&str, &str)) -> Result<Option<String>, Error>;

    /// Makes a record, or finds the one that an earlier try has made and sets its fields:
    /// `key` names a field and a value that at most one record has. Where the vendor can
    /// upsert by it, that is one request; elsewhere it is looked for first.
    ///
    /// # Errors
    /// `Conflict` when several have the key; `Invalid` naming the field that was refused.
    async fn create(
        &self,
        object: &str,
        key: (&str, &str),
        fields: &Fields,
    ) -> Result<Saved, Error>;

    /// Sets fields of a record and leaves all others alone (invariant 7); `null` empties.
    /// `seen` is the version that the decision was made on: has somebody changed the
    /// record since, nothing is written. Where the vendor cannot make a write depend on
    /// it, the record is read just before; README.md says how wide the gap is.
    ///
    /// # Errors
    /// `Conflict` when it changed since; `NotFound` when it is gone; `Invalid` naming the field.
    async fn update(
        &self,
        object: &str,
        id: &str,
        seen: Option<&str>,
        fields: &Fields,
    ) -> Result<Saved, Error>;

    /// Deletes a record as a person would (into the bin, where there is one). One that is
    /// gone already is no error.
    ///
    /// # Errors
    /// `Conflict` when it changed since `seen`; any [`Error`].
    async fn delete(&self, object: &str, id: &str, seen: Option<&str>) -> Result<(), Error>;

    /// How many writes of one kind one request of [`Writes::write`] can carry; a caller who
    /// gives more at once gains nothing.
    fn write_max(&self) -> usize {
        1
    }

    /// How many of them, where they make records: whoever does several such requests at once
    /// gains by it. As [`Writes::write_max`], unless the vendor says otherwise.
    fn create_max(&self) -> usize {
        self.write_max()
    }

    /// Requests that so many writes take at least, when as many go together as can.
    fn write_requests(&self, made: u64, changed: u64, deleted: u64) -> u64 {
        let most = u64::try_from(self.write_max().max(1)).unwrap_or(u64::MAX);
        [made, changed, deleted].iter().map(|writes| writes.div_ceil(most)).sum()
    }

    /// Does many writes, each as its own method would, and says of each, in order, what
    /// became of it: one that is refused spoils no other. What was deleted, or was gone
    /// already, is `Saved` under its id. No two of them may be about the same record or
    /// key: the caller sees to it.
    ///
    /// The default does them one by one, and once the connection lets nobody in, or asks
    /// to wait, says the same of the rest unsent.
    ///
    /// # Errors
    /// When what became of all of them is unknown, or none was tried: they may all be
    /// repeated (invariant 3).
    async fn write(
        &self,
        object: &str,
        writes: &[Write],
    ) -> Result<Vec<Result<Saved, Error>>, Error> {
        let mut outcomes: Vec<Result<Saved, Error>> = Vec::with_capacity(writes.len());
        for write in writes {
            let told = match outcomes.last() {
                Some(Err(shut @ (Error::Unauthorized { .. } | Error::RateLimited { .. }))) => {
                    Err(shut.clone())
                }
                _ => one_by_one(self, object, write).await,
            };
            outcomes.push(told);
        }
        Ok(outcomes)
    }
}

/// One write of many, by the method that does it alone.
///
/// # Errors
/// As [`Writes::create`], [`Writes::update`] and [`Writes::delete`].
async fn one_by_one<W: Writes + ?Sized>(
    writes: &W,
    object: &str,
    write: &Write,
) -> Result<Saved, Error> {
    match write {
        Write::Create { key: (field, value), fields } => {
            writes.create(object, (field, value), fields).await
        }
        Write::Update { id, seen, fields } => {
            writes.update(object, id, seen.as_deref(), fields).await
        }
        Write::Delete { id, seen } => {
            writes.delete(object, id, seen.as_deref()).await?;
            Ok(Saved { id: id.clone(), version: None, is_new: false })
        }
    }
}
