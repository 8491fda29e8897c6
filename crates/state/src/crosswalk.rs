//! The crosswalk: a customer's record in one system and their record in another.
//!
//! [`Store::elsewhere`] on the call's path: what a record was linked to, else the one
//! record that was linked to it; of several none, for nobody guesses. Both ids are sealed,
//! found by keyed hashes, and go with whichever of the two people is erased.

use crate::audit::{Act, Sealed as SealedAct};
use crate::calls::record_hash;
use crate::error::{Boxed, Result};
use crate::keys::{Hash, Keyring};
use crate::rows::{decode, encode};
use crate::sql::{Row, Touched, Tx, Work};
use crate::store::Store;
use crate::subject::{Guard, Name, Record};
use domain::Timestamp;
use serde::{Deserialize, Serialize};

/// Who said that two records are one customer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// An administrator or an integrator, by the API.
    Api,
}

impl Source {
    /// A stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
        }
    }
}

/// Two records of one customer.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    pub id: i64,
    pub record: Record,
    /// Their record in another connection, as that one writes it.
    pub other: Record,
    pub source: Source,
    pub created_at: Timestamp,
}

/// What became of a new link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// Both are linked; `is_new`: they were not before.
    Linked { id: i64, is_new: bool },
    /// One of them was erased here.
    Erased,
}

/// Links of one record read at once.
const OF_RECORD_MAX: i64 = 500;

impl Store {
    /// Links a record to one of another connection, in the place of what it was linked to
    /// there. Twice has the effect of once.
    pub fn put_link<'a>(
        &'a self,
        record: &'a Record,
        other: &'a Record,
        act: Act,
        now: Timestamp,
    ) -> Boxed<'a, Put> {
        Box::pin(async move {
            let keys = self.keys();
            let act = SealedAct::seal(keys.clone(), act, now)?;
            let sealed = Sealed::seal(&keys, record, other, Source::Api, now)?;
            self.write(PutWork { sealed, act }).await
        })
    }

    /// The link of a record to its customer's in another connection: what it was linked to,
    /// else the only one that was linked to it.
    pub fn elsewhere<'a>(&'a self, record: &'a Record, other: &'a str) -> Boxed<'a, Option<Link>> {
        Box::pin(async move {
            let hash = hash_of(&self.keys(), record);
            match self.read(&Elsewhere { hash, other }).await? {
                Some(row) => self.unseal(|keys| opened(keys, &row)).await.map(Some),
                None => Ok(None),
            }
        })
    }

    /// Links with an id below `before` (all when `None`), newest first, at most 1000.
    pub fn links(&self, before: Option<i64>, limit: usize) -> Boxed<'_, Vec<Link>> {
        Box::pin(async move {
            let limit = i64::try_from(limit.min(1000)).unwrap_or(1000);
            let rows = self.read(&List { before: before.unwrap_or(i64::MAX), limit }).await?;
            self.unseal(|keys| rows.iter().map(|row| opened(keys, row)).collect()).await
        })
    }

    /// Every link of a record, whichever of the two was linked to the other.
    pub fn links_of<'a>(&'a self, record: &'a Record) -> Boxed<'a, Vec<Link>> {
        Box::pin(async move {
            let hash = hash_of(&self.keys(), record);
            let rows = self.read(&OfRecord { hash }).await?;
            self.unseal(|keys| rows.iter().map(|row| opened(keys, row)).collect()).await
        })
    }

    /// Takes a link away and writes down who did; `None` where there is none of this id.
    pub fn remove_link(&self, id: i64, act: Act, now: Timestamp) -> Boxed<'_, bool> {
        Box::pin(async move {
            let act = SealedAct::seal(self.keys(), act, now)?;
            self.write(Remove { id, act }).await
        })
    }

    /// A record was merged into another of its connection: its links go there. One that the
    /// other has already stays in their place. Returns how many followed.
    pub fn follow_links<'a>(
        &'a self,
        old: &'a Record,
        new: &'a str,
        act: Act,
        now: Timestamp,
    ) -> Boxed<'a, u64> {
        Box::pin(async move {
            let keys = self.keys();
            let moved = |side: &Record| match side == old {
                true => Record { connection: side.connection.clone(), record: new.to_owned() },
                false => side.clone(),
            };
            let links = self.links_of(old).await?;
            let seal = |link: &Link| {
                let (record, other) = (moved(&link.record), moved(&link.other));
                Ok((link.id, Sealed::seal(&keys, &record, &other, link.source, link.created_at)?))
            };
            let links = links.iter().map(seal).collect::<Result<Vec<_>>>()?;
            if links.is_empty() {
                return Ok(0);
            }
            let act = SealedAct::seal(keys.clone(), act, now)?;
            self.write(Follow { links, act }).await
        })
    }
}

fn hash_of(keys: &Keyring, record: &Record) -> Hash {
    record_hash(keys, &record.connection, &record.record)
}

#[derive(Serialize, Deserialize)]
struct Plain {
    #[serde(rename = "r")]
    record: String,
    #[serde(rename = "o")]
    other: String,
}

/// A link ready to be stored.
struct Sealed {
    connection: String,
    record: Hash,
    other: String,
    other_record: Hash,
    /// As a record beside a CRM is known: an erased one stays away under that name as well.
    account: Hash,
    source: Source,
    sealed: Vec<u8>,
    created_at: i64,
}

impl Sealed {
    fn seal(
        keys: &Keyring,
        record: &Record,
        other: &Record,
        source: Source,
        at: Timestamp,
    ) -> Result<Self> {
        let (hash, other_hash) = (hash_of(keys, record), hash_of(keys, other));
        let plain = encode(&Plain { record: record.record.clone(), other: other.record.clone() })?;
        let account = Name::Account { connection: &other.connection, id: &other.record };
        Ok(Self {
            connection: record.connection.clone(),
            other: other.connection.clone(),
            sealed: keys.seal("crosswalk.sealed", &place(&hash, &other_hash), plain)?,
            record: hash,
            other_record: other_hash,
            account: account.hash(keys),
            source,
            created_at: at.0,
        })
    }
}

/// What a link is sealed to.
fn place(record: &Hash, other: &Hash) -> Vec<u8> {
    [&record[..], &other[..]].concat()
}

const COLUMNS: &str = "id, connection, record, other, other_record, sealed, created_at";

pub(crate) fn opened(keys: &Keyring, row: &Row) -> Result<Link> {
    let (record, other) = (row.hash(2)?, row.hash(4)?);
    let plain = keys.open("crosswalk.sealed", &place(&record, &other), row.blob(5)?)?;
    let plain: Plain = decode(&plain)?;
    Ok(Link {
        id: row.int(0)?,
        record: Record { connection: row.text(1)?.to_owned(), record: plain.record },
        other: Record { connection: row.text(3)?.to_owned(), record: plain.other },
        source: Source::Api,
        created_at: Timestamp(row.int(6)?),
    })
}

struct PutWork {
    sealed: Sealed,
    act: SealedAct,
}

impl Work for PutWork {
    type Output = Put;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Put> {
        const KNOWN: &str = "
            SELECT id, other_record FROM crosswalk WHERE record = ?1 AND other = ?2";
        const SQL: &str = "
            INSERT INTO crosswalk (connection, record, other, other_record, source, sealed, created_at)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
            ON CONFLICT (record, other) DO UPDATE SET other_record = excluded.other_record,
                source = excluded.source, sealed = excluded.sealed, created_at = excluded.created_at
            RETURNING id";
        tx.touched = Touched::Nothing;
        let one = &self.sealed;
        let names = [&one.record, &one.other_record, &one.account];
        if Guard::take(tx).await?.refuses(tx, &names).await? {
            return Ok(Put::Erased);
        }
        let key = [(&one.record).into(), one.other.as_str().into()];
        if let Some(row) = tx.row(KNOWN, &key).await?
            && row.hash(1)? == one.other_record
        {
            return Ok(Put::Linked { id: row.int(0)?, is_new: false });
        }
        let params = [
            one.connection.as_str().into(),
            (&one.record).into(),
            one.other.as_str().into(),
            (&one.other_record).into(),
            one.source.as_str().into(),
            one.sealed[..].into(),
            one.created_at.into(),
        ];
        let row = tx.row(SQL, &params).await?;
        self.act.append(tx).await?;
        Ok(Put::Linked { id: row.map_or(Ok(0), |row| row.int(0))?, is_new: true })
    }
}

struct Elsewhere<'a> {
    hash: Hash,
    other: &'a str,
}

impl Work for Elsewhere<'_> {
    type Output = Option<Row>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<Row>> {
        let own = format!("SELECT {COLUMNS} FROM crosswalk WHERE record = ?1 AND other = ?2");
        let towards = format!(
            "SELECT {COLUMNS} FROM crosswalk
             WHERE other_record = ?1 AND connection = ?2 ORDER BY id LIMIT 2"
        );
        let params = [(&self.hash).into(), self.other.into()];
        if let Some(row) = tx.row(&own, &params).await? {
            return Ok(Some(row));
        }
        let mut rows = tx.rows(&towards, &params).await?;
        Ok(if rows.len() == 1 { rows.pop() } else { None })
    }
}

struct List {
    before: i64,
    limit: i64,
}

impl Work for List {
    type Output = Vec<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        let sql =
            format!("SELECT {COLUMNS} FROM crosswalk WHERE id < ?1 ORDER BY id DESC LIMIT ?2");
        tx.rows(&sql, &[self.before.into(), self.limit.into()]).await
    }
}

/// Links of a record, from it and to it.
pub(crate) struct OfRecord {
    pub(crate) hash: Hash,
}

impl Work for OfRecord {
    type Output = Vec<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM crosswalk WHERE record = ?1 OR other_record = ?1
             ORDER BY id LIMIT ?2"
        );
        tx.rows(&sql, &[(&self.hash).into(), OF_RECORD_MAX.into()]).await
    }
}

struct Remove {
    id: i64,
    act: SealedAct,
}

impl Work for Remove {
    type Output = bool;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool> {
        tx.touched = Touched::Nothing;
        let is_gone =
            tx.execute("DELETE FROM crosswalk WHERE id = ?1", &[self.id.into()]).await? > 0;
        if is_gone {
            self.act.append(tx).await?;
        }
        Ok(is_gone)
    }
}

struct Follow {
    links: Vec<(i64, Sealed)>,
    act: SealedAct,
}

impl Work for Follow {
    type Output = u64;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<u64> {
        const TAKEN: &str = "
            SELECT id FROM crosswalk WHERE record = ?1 AND other = ?2 AND id <> ?3";
        const SQL: &str = "
            UPDATE crosswalk SET record = ?2, other_record = ?3, sealed = ?4 WHERE id = ?1";
        tx.touched = Touched::Nothing;
        let guard = Guard::take(tx).await?;
        let mut followed = 0;
        for (id, one) in &self.links {
            let key = [(&one.record).into(), one.other.as_str().into(), (*id).into()];
            let is_refused = guard.refuses(tx, &[&one.record, &one.other_record]).await?;
            if is_refused || tx.row(TAKEN, &key).await?.is_some() {
                tx.execute("DELETE FROM crosswalk WHERE id = ?1", &[(*id).into()]).await?;
                continue;
            }
            let params = [
                (*id).into(),
                (&one.record).into(),
                (&one.other_record).into(),
                one.sealed[..].into(),
            ];
            followed += tx.execute(SQL, &params).await?;
        }
        self.act.append(tx).await?;
        Ok(followed)
    }
}
