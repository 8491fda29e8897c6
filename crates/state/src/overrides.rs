//! What agents have corrected: a number, or a number in one queue, is this record.
//!
//! [`Store::override_for`] on the call's path: nearly every number has none, and where
//! one process owns the store that is known without a read. [`Store::correct`] makes
//! one together with the call's new identity. Bounded by their time to live.

mod correct;

pub use correct::{Corrected, Correction};

use crate::audit::{Act, Sealed as SealedAct};
use crate::calls::record_hash;
use crate::error::{Boxed, Result};
use crate::keys::{Hash, Keyring};
use crate::rows::{decode, encode};
use crate::sql::{Row, Touched, Tx, Work};
use crate::store::Store;
use domain::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

/// A correction to be remembered.
#[derive(Clone, PartialEq, Eq)]
pub struct NewOverride {
    /// E.164.
    pub number: String,
    /// Only in this queue; `None` for all.
    pub queue: Option<String>,
    pub connection: String,
    pub external_id: String,
    /// The record behind it, in its own system.
    pub record: String,
    pub call: String,
    pub reason: String,
    /// Who corrected it.
    pub actor: String,
    pub expires_at: Timestamp,
}

/// A correction that is remembered.
#[derive(Clone, PartialEq, Eq)]
pub struct Override {
    pub id: i64,
    pub created_at: Timestamp,
    pub said: NewOverride,
}

/// Which overrides to clear.
#[derive(Debug, Clone)]
pub enum Clear {
    One(i64),
    /// All of a number, E.164.
    Number(String),
    All,
    /// Those that ended before this.
    Expired(Timestamp),
}

impl Store {
    /// The override of a number: that of the queue, else that of all queues. `None`
    /// where there is none that still holds.
    pub fn override_for<'a>(
        &'a self,
        number: &'a str,
        queue: Option<&'a str>,
        now: Timestamp,
    ) -> Boxed<'a, Option<Override>> {
        let hash = number_hash(&self.keys(), number);
        if self.overridden().is_some_and(|known| !known.holds(&hash)) {
            return Box::pin(std::future::ready(Ok(None)));
        }
        Box::pin(async move {
            let queue = queue.map(str::to_lowercase).unwrap_or_default();
            let row = self.read(&OfNumber { hash, queue, now }).await?;
            match row {
                Some(row) => self.unseal(|keys| opened(keys, &row)).await.map(Some),
                None => Ok(None),
            }
        })
    }

    /// Overrides with an id below `before` (all when `None`), newest first, at most 1000;
    /// also those that no longer hold and have not been cleared yet.
    pub fn overrides(&self, before: Option<i64>, limit: usize) -> Boxed<'_, Vec<Override>> {
        Box::pin(async move {
            let limit = i64::try_from(limit.min(1000)).unwrap_or(1000);
            let rows = self.read(&List { before: before.unwrap_or(i64::MAX), limit }).await?;
            self.unseal(|keys| rows.iter().map(|row| opened(keys, row)).collect()).await
        })
    }

    /// One override.
    pub fn override_by_id(&self, id: i64) -> Boxed<'_, Option<Override>> {
        Box::pin(async move {
            match self.read(&One { id }).await? {
                Some(row) => self.unseal(|keys| opened(keys, &row)).await.map(Some),
                None => Ok(None),
            }
        })
    }

    /// Clears overrides and writes down who did; returns how many there were. Without
    /// an effect nothing is written down.
    pub fn clear_overrides(&self, which: Clear, act: Act, now: Timestamp) -> Boxed<'_, u64> {
        Box::pin(async move {
            let keys = self.keys();
            let number = match &which {
                Clear::Number(number) => Some(number_hash(&keys, number)),
                _ => None,
            };
            let act = SealedAct::seal(keys, act, now)?;
            self.write(ClearWork { which, number, act }).await
        })
    }

    /// Gives an override another record of the same connection: the one that its own
    /// was merged into.
    pub fn follow_merge<'a>(
        &'a self,
        old: &'a Override,
        record: &'a str,
        external_id: &'a str,
        act: Act,
        now: Timestamp,
    ) -> Boxed<'a, bool> {
        Box::pin(async move {
            let keys = self.keys();
            let new = NewOverride {
                external_id: external_id.to_owned(),
                record: record.to_owned(),
                ..old.said.clone()
            };
            let sealed = Sealed::seal(&keys, &new, old.created_at)?;
            let act = SealedAct::seal(keys, act, now)?;
            self.write(Follow { id: old.id, sealed, act }).await
        })
    }
}

/// Which numbers have an override, where nobody else writes to the store. Sixteen
/// bytes each; a number whose override is gone stays, at the price of a read, until the
/// next start.
#[derive(Default)]
pub(crate) struct Overridden(RwLock<HashSet<Hash>>);

impl Overridden {
    pub(crate) fn of(hashes: HashSet<Hash>) -> Self {
        Self(RwLock::new(hashes))
    }

    fn holds(&self, hash: &Hash) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(hash)
    }

    fn add(&self, hash: Hash) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(hash);
    }
}

/// Reads which numbers have one, when the store is opened.
pub(crate) struct AllNumbers;

impl Work for AllNumbers {
    type Output = HashSet<Hash>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<HashSet<Hash>> {
        let rows = tx.rows("SELECT DISTINCT number FROM overrides", &[]).await?;
        rows.iter().map(|row| row.hash(0)).collect()
    }
}

pub(crate) fn number_hash(keys: &Keyring, number: &str) -> Hash {
    keys.hash("override", &[number])
}

/// The personal part of an override.
#[derive(Serialize, Deserialize)]
struct Plain {
    #[serde(rename = "n")]
    number: String,
    #[serde(rename = "x")]
    external_id: String,
    #[serde(rename = "r")]
    record: String,
    #[serde(rename = "c")]
    call: String,
    #[serde(rename = "w")]
    reason: String,
    #[serde(rename = "a")]
    actor: String,
}

/// An override ready to be stored.
pub(crate) struct Sealed {
    number: Hash,
    queue: String,
    connection: String,
    record: Hash,
    sealed: Vec<u8>,
    created_at: i64,
    expires_at: i64,
}

impl Sealed {
    fn seal(keys: &Keyring, new: &NewOverride, now: Timestamp) -> Result<Self> {
        let number = number_hash(keys, &new.number);
        let queue = new.queue.as_deref().map(str::to_lowercase).unwrap_or_default();
        let plain = encode(&Plain {
            number: new.number.clone(),
            external_id: new.external_id.clone(),
            record: new.record.clone(),
            call: new.call.clone(),
            reason: new.reason.chars().take(500).collect(),
            actor: new.actor.clone(),
        })?;
        Ok(Self {
            sealed: keys.seal("overrides.sealed", &place(&number, &queue), plain)?,
            number,
            queue,
            connection: new.connection.clone(),
            record: record_hash(keys, &new.connection, &new.record),
            created_at: now.0,
            expires_at: new.expires_at.0,
        })
    }

    /// The newest correction of a number (in a queue) is the one that holds.
    async fn store(&self, tx: &mut Tx<'_>) -> Result<()> {
        const SQL: &str = "
            INSERT INTO overrides (number, queue, connection, record, sealed, created_at, expires_at)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
            ON CONFLICT (number, queue) DO UPDATE SET connection = excluded.connection, record = excluded.record,
                sealed = excluded.sealed, created_at = excluded.created_at, expires_at = excluded.expires_at";
        let params = [
            (&self.number).into(),
            self.queue.as_str().into(),
            self.connection.as_str().into(),
            (&self.record).into(),
            self.sealed[..].into(),
            self.created_at.into(),
            self.expires_at.into(),
        ];
        tx.execute(SQL, &params).await.map(drop)
    }
}

/// What an override is sealed to.
fn place(number: &Hash, queue: &str) -> Vec<u8> {
    [&number[..], queue.as_bytes()].concat()
}

pub(crate) fn opened(keys: &Keyring, row: &Row) -> Result<Override> {
    let (number, queue) = (row.hash(1)?, row.text(2)?);
    let plain = keys.open("overrides.sealed", &place(&number, queue), row.blob(4)?)?;
    let Plain { number, external_id, record, call, reason, actor } = decode(&plain)?;
    let said = NewOverride {
        number,
        queue: Some(queue.to_owned()).filter(|queue| !queue.is_empty()),
        connection: row.text(3)?.to_owned(),
        external_id,
        record,
        call,
        reason,
        actor,
        expires_at: Timestamp(row.int(6)?),
    };
    Ok(Override { id: row.int(0)?, created_at: Timestamp(row.int(5)?), said })
}

struct OfNumber {
    hash: Hash,
    queue: String,
    now: Timestamp,
}

impl Work for OfNumber {
    type Output = Option<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<Row>> {
        // The queue's own sorts before the one of all queues.
        const SQL: &str = "
            SELECT id, number, queue, connection, sealed, created_at, expires_at FROM overrides
            WHERE number = ?1 AND (queue = ?2 OR queue = '') AND expires_at > ?3
            ORDER BY queue DESC LIMIT 1";
        tx.row(SQL, &[(&self.hash).into(), self.queue.as_str().into(), self.now.0.into()]).await
    }
}

struct One {
    id: i64,
}

impl Work for One {
    type Output = Option<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<Row>> {
        const SQL: &str = "
            SELECT id, number, queue, connection, sealed, created_at, expires_at FROM overrides WHERE id = ?1";
        tx.row(SQL, &[self.id.into()]).await
    }
}

struct List {
    before: i64,
    limit: i64,
}

impl Work for List {
    type Output = Vec<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        const SQL: &str = "
            SELECT id, number, queue, connection, sealed, created_at, expires_at FROM overrides
            WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
        tx.rows(SQL, &[self.before.into(), self.limit.into()]).await
    }
}

struct ClearWork {
    which: Clear,
    number: Option<Hash>,
    act: SealedAct,
}

impl Work for ClearWork {
    type Output = u64;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<u64> {
        const ONE: &str = "DELETE FROM overrides WHERE id = ?1";
        const NUMBER: &str = "DELETE FROM overrides WHERE number = ?1";
        const ALL: &str = "DELETE FROM overrides";
        const EXPIRED: &str = "DELETE FROM overrides WHERE expires_at <= ?1";
        tx.touched = Touched::Nothing;
        let cleared = match (&self.which, &self.number) {
            (Clear::One(id), _) => tx.execute(ONE, &[(*id).into()]).await?,
            (Clear::Number(_), Some(hash)) => tx.execute(NUMBER, &[hash.into()]).await?,
            (Clear::Number(_), None) => 0,
            (Clear::All, _) => tx.execute(ALL, &[]).await?,
            (Clear::Expired(before), _) => tx.execute(EXPIRED, &[before.0.into()]).await?,
        };
        if cleared > 0 {
            self.act.append(tx).await?;
        }
        Ok(cleared)
    }
}

struct Follow {
    id: i64,
    sealed: Sealed,
    act: SealedAct,
}

impl Work for Follow {
    type Output = bool;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool> {
        const SQL: &str = "UPDATE overrides SET record = ?2, sealed = ?3 WHERE id = ?1";
        tx.touched = Touched::Nothing;
        let Sealed { record, sealed, .. } = &self.sealed;
        let params = [self.id.into(), record.into(), sealed[..].into()];
        let is_there = tx.execute(SQL, &params).await? > 0;
        if is_there {
            self.act.append(tx).await?;
        }
        Ok(is_there)
    }
}
