//! What is kept of a customer, and of a single call, besides what their systems say.
//!
//! Customer data outlives calls: it belongs to the record, whichever number it calls
//! from. Call data belongs to one conversation and goes with it. Both are small maps,
//! changed as a whole and versioned, so that two who change them at once notice.
//! A link says which record a contact of the contact center is.

use crate::calls::record_hash;
use crate::error::{Boxed, Result};
use crate::feed::{NewsKind, Telling, call_stream, take_turns};
use crate::keys::{Hash, Keyring};
use crate::rows::{ValueRow, decode, encode, stored};
use crate::sql::{Row, Touched, Tx, Work};
use crate::store::Store;
use crate::subject::Guard;
use domain::{CallId, Timestamp, Value};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Data as it is kept, and its version: 1 when first written.
#[derive(Clone, PartialEq, Default)]
pub struct Kept {
    pub data: BTreeMap<String, Value>,
    /// 0 where nothing was ever written.
    pub version: u64,
    pub updated_at: Option<Timestamp>,
}

/// Whether a change was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It stands, under this version.
    Kept { version: u64 },
    /// Somebody else has changed the data since it was read; this is its version now.
    Changed { version: u64 },
    /// The person was erased: nothing is kept of them.
    Erased,
}

/// Whose data it is.
#[derive(Debug, Clone, Copy)]
pub enum Whose<'a> {
    Record { connection: &'a str, record: &'a str },
    Call(&'a CallId),
}

impl Store {
    /// What is kept.
    pub fn data_of<'a>(&'a self, whose: Whose<'a>) -> Boxed<'a, Kept> {
        Box::pin(async move {
            let place = Place::of(&self.keys(), whose);
            let row = self.read(&Read { place: place.clone() }).await?;
            match row {
                Some(row) => self.unseal(|keys| kept(keys, &place, &row)).await,
                None => Ok(Kept::default()),
            }
        })
    }

    /// Replaces what is kept, if its version is still `seen` (any when `None`).
    pub fn put_data<'a>(
        &'a self,
        whose: Whose<'a>,
        data: BTreeMap<String, Value>,
        seen: Option<u64>,
        now: Timestamp,
    ) -> Boxed<'a, Put> {
        Box::pin(async move {
            let keys = self.keys();
            let place = Place::of(&keys, whose);
            let rows = data.iter().filter_map(|(name, value)| Some((name.clone(), stored(value)?)));
            let plain = encode(&Plain { data: rows.collect() })?;
            let sealed = keys.seal(place.column(), &place.bytes(), plain)?;
            let seen = seen.map(|version| i64::try_from(version).unwrap_or(i64::MAX));
            let stream = match whose {
                Whose::Call(call) => Some(call_stream(&keys, call)),
                Whose::Record { .. } => None,
            };
            self.write(Write { place, stream, sealed, seen, now }).await
        })
    }

    /// How many calls count to a record, and when the last one was.
    pub fn calls_of<'a>(
        &'a self,
        connection: &'a str,
        record: &'a str,
    ) -> Boxed<'a, (u64, Option<Timestamp>)> {
        Box::pin(async move {
            let subject = record_hash(&self.keys(), connection, record);
            let Some(row) = self.read(&CallsOf { subject }).await? else { return Ok((0, None)) };
            Ok((u64::try_from(row.int(0)?).unwrap_or(0), Some(Timestamp(row.int(1)?))))
        })
    }

    /// Notes which record a contact of the contact center is; of an erased person nothing.
    pub fn link<'a>(&'a self, link: &'a Link, now: Timestamp) -> Boxed<'a, ()> {
        Box::pin(async move {
            let keys = self.keys();
            let contact = contact_hash(&keys, &link.center, &link.contact);
            let plain = encode(&LinkRow {
                connection: link.connection.clone(),
                record: link.record.clone(),
                contact: link.contact.clone(),
            })?;
            self.write(WriteLink {
                subject: record_hash(&keys, &link.connection, &link.record),
                sealed: keys.seal("links.sealed", &contact, plain)?,
                contact,
                now: now.0,
            })
            .await
        })
    }

    /// The record that a contact of the contact center is.
    pub fn linked<'a>(&'a self, center: &'a str, contact: &'a str) -> Boxed<'a, Option<Link>> {
        Box::pin(async move {
            let hash = contact_hash(&self.keys(), center, contact);
            let Some(row) = self.read(&ReadLink { contact: hash }).await? else { return Ok(None) };
            let link = self.unseal(|keys| opened_link(keys, &row)).await?;
            Ok(Some(Link { center: center.to_owned(), ..link }))
        })
    }
}

/// A contact of the contact center and the record it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    /// The contact center's connection.
    pub center: String,
    /// The platform's id of the contact.
    pub contact: String,
    /// The record's connection.
    pub connection: String,
    pub record: String,
}

#[derive(Serialize, Deserialize)]
struct LinkRow {
    #[serde(rename = "n")]
    connection: String,
    #[serde(rename = "r")]
    record: String,
    #[serde(rename = "c")]
    contact: String,
}

#[derive(Serialize, Deserialize)]
struct Plain {
    #[serde(rename = "d")]
    data: BTreeMap<String, ValueRow>,
}

/// A link as contact and sealed cell; which contact center's it is is kept as a hash alone.
pub(crate) fn opened_link(keys: &Keyring, row: &Row) -> Result<Link> {
    let plain = keys.open("links.sealed", row.blob(0)?, row.blob(1)?)?;
    let LinkRow { connection, record, contact } = decode(&plain)?;
    Ok(Link { center: String::new(), contact, connection, record })
}

fn contact_hash(keys: &Keyring, center: &str, contact: &str) -> Hash {
    keys.hash("platform contact", &[center, contact])
}

#[derive(Clone)]
enum Place {
    Record(Hash),
    Call(CallId),
}

impl Place {
    fn of(keys: &Keyring, whose: Whose<'_>) -> Self {
        match whose {
            Whose::Record { connection, record } => {
                Self::Record(record_hash(keys, connection, record))
            }
            Whose::Call(call) => Self::Call(call.clone()),
        }
    }

    fn column(&self) -> &'static str {
        match self {
            Self::Record(_) => "customer_data.sealed",
            Self::Call(_) => "call_data.sealed",
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Record(hash) => hash.to_vec(),
            Self::Call(call) => call.as_str().as_bytes().to_vec(),
        }
    }
}

fn kept(keys: &Keyring, place: &Place, row: &Row) -> Result<Kept> {
    let Plain { data } = decode(&keys.open(place.column(), &place.bytes(), row.blob(0)?)?)?;
    Ok(Kept {
        data: data.into_iter().map(|(name, value)| (name, Value::from(value))).collect(),
        version: u64::try_from(row.int(1)?).unwrap_or(0),
        updated_at: Some(Timestamp(row.int(2)?)),
    })
}

struct Read {
    place: Place,
}

impl Work for Read {
    type Output = Option<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<Row>> {
        const RECORD: &str =
            "SELECT sealed, version, updated_at FROM customer_data WHERE subject = ?1";
        const CALL: &str = "SELECT sealed, version, updated_at FROM call_data WHERE call = ?1";
        match &self.place {
            Place::Record(hash) => tx.row(RECORD, &[hash.into()]).await,
            Place::Call(call) => tx.row(CALL, &[call.as_str().into()]).await,
        }
    }
}

struct Write {
    place: Place,
    /// Where news of the call go.
    stream: Option<Hash>,
    sealed: Vec<u8>,
    seen: Option<i64>,
    now: Timestamp,
}

impl Work for Write {
    type Output = Put;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Put> {
        const RECORD: &str = "
            INSERT INTO customer_data (subject, sealed, version, updated_at) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT (subject) DO UPDATE SET sealed = excluded.sealed, version = excluded.version,
                updated_at = excluded.updated_at";
        const CALL: &str = "
            INSERT INTO call_data (call, sealed, version, updated_at) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT (call) DO UPDATE SET sealed = excluded.sealed, version = excluded.version,
                updated_at = excluded.updated_at";
        const RECORD_VERSION: &str =
            "SELECT version FROM customer_data WHERE subject = ?1 /*pg: FOR UPDATE */";
        const CALL_VERSION: &str =
            "SELECT version FROM call_data WHERE call = ?1 /*pg: FOR UPDATE */";
        tx.touched = Touched::Nothing;
        match &self.place {
            Place::Record(hash) => {
                if Guard::take(tx).await?.refuses(tx, &[hash]).await? {
                    return Ok(Put::Erased);
                }
            }
            Place::Call(call) => take_turns(tx, call).await?,
        }
        let (write, read) = match &self.place {
            Place::Record(_) => (RECORD, RECORD_VERSION),
            Place::Call(_) => (CALL, CALL_VERSION),
        };
        let key = match &self.place {
            Place::Record(hash) => hash.into(),
            Place::Call(call) => call.as_str().into(),
        };
        let row = tx.row(read, &[key]).await?;
        let version = row.map_or(Ok(0), |row| row.int(0))?;
        if self.seen.is_some_and(|seen| seen != version) {
            return Ok(Put::Changed { version: u64::try_from(version).unwrap_or(0) });
        }
        let next = version + 1;
        tx.execute(write, &[key, self.sealed[..].into(), next.into(), self.now.0.into()]).await?;
        if let (Place::Call(call), Some(stream)) = (&self.place, &self.stream) {
            let (kind, at) = (NewsKind::ContextChanged, self.now);
            Telling { call, stream, kind, at }.tell(tx).await?;
        }
        Ok(Put::Kept { version: u64::try_from(next).unwrap_or(0) })
    }
}

struct CallsOf {
    subject: Hash,
}

impl Work for CallsOf {
    type Output = Option<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<Row>> {
        const SQL: &str = "SELECT calls, last_call_at FROM interactions WHERE subject = ?1";
        tx.row(SQL, &[(&self.subject).into()]).await
    }
}

struct WriteLink {
    contact: Hash,
    subject: Hash,
    sealed: Vec<u8>,
    now: i64,
}

impl Work for WriteLink {
    type Output = ();
    async fn run(&self, tx: &mut Tx<'_>) -> Result<()> {
        const SQL: &str = "
            INSERT INTO links (contact, subject, sealed, linked_at) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT (contact) DO UPDATE SET subject = excluded.subject, sealed = excluded.sealed,
                linked_at = excluded.linked_at";
        tx.touched = Touched::Nothing;
        if Guard::take(tx).await?.refuses(tx, &[&self.subject]).await? {
            return Ok(());
        }
        let params = [
            (&self.contact).into(),
            (&self.subject).into(),
            self.sealed[..].into(),
            self.now.into(),
        ];
        tx.execute(SQL, &params).await.map(drop)
    }
}

struct ReadLink {
    contact: Hash,
}

impl Work for ReadLink {
    type Output = Option<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<Row>> {
        tx.row("SELECT contact, sealed FROM links WHERE contact = ?1", &[(&self.contact).into()])
            .await
    }
}
