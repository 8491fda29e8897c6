//! Who was erased, as keyed hashes: known to every lookup without a read, and to every
//! write that could bring somebody back, in its own transaction.
//!
//! Where one process owns the store the hashes in memory are all there are. With several
//! nodes each reads them anew every few seconds, and what a node did not know of yet is
//! removed by the erasure's second sweep.

use super::sought::is_named_in_json;
use crate::calls::record_hash;
use crate::error::{Boxed, Result};
use crate::keys::{Hash, Keyring};
use crate::sql::{Tx, Work};
use crate::store::Store;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};

/// Tombstones of one store, 16 bytes and a word each; an erasure beyond this is refused.
pub(super) const TOMBSTONES_MAX: i64 = 1_000_000;

/// What somebody is named by.
#[derive(Clone, Copy)]
pub enum Name<'a> {
    /// E.164.
    Phone(&'a str),
    Email(&'a str),
    Record {
        connection: &'a str,
        record: &'a str,
    },
    /// An account, by the id that records of other systems are linked to it by.
    Account {
        connection: &'a str,
        id: &'a str,
    },
}

/// Whether a name is that of an erased person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erased {
    No,
    /// An erased person had it, and others have it as well.
    Shared,
    Yes,
}

impl Name<'_> {
    pub(crate) fn hash(self, keys: &Keyring) -> Hash {
        match self {
            Self::Phone(e164) => keys.hash("phone", &[e164]),
            Self::Email(email) => keys.hash("email", &[&email.trim().to_lowercase()]),
            Self::Record { connection, record } => record_hash(keys, connection, record),
            Self::Account { connection, id } => keys.hash("account", &[connection, id]),
        }
    }
}

impl Store {
    /// Whether somebody of this name was erased. Costs nothing while nobody was.
    #[must_use]
    pub fn erased(&self, name: Name<'_>) -> Erased {
        let tombstones = self.tombstones();
        if tombstones.count.load(Ordering::Acquire) == 0 {
            return Erased::No;
        }
        tombstones.of(&name.hash(&self.keys()))
    }

    /// Whether a text within some JSON names somebody who was erased.
    pub(crate) fn names_erased(&self, json: &[u8]) -> bool {
        let is_erased = |hash: &Hash| self.tombstones().of(hash) == Erased::Yes;
        self.has_tombstones() && is_named_in_json(&self.keys(), json, &is_erased)
    }

    /// Whether anybody was erased at all.
    #[must_use]
    pub fn has_tombstones(&self) -> bool {
        self.tombstones().count.load(Ordering::Acquire) > 0
    }

    /// Learns what other nodes have erased. A read of two figures where nothing is new.
    pub fn refresh_tombstones(&self) -> Boxed<'_, ()> {
        Box::pin(async move {
            if self.writes_in_order() {
                return Ok(()); // nobody else writes
            }
            self.load_tombstones().await
        })
    }

    pub(crate) fn learn_shared(&self, hashes: &[Hash]) {
        if !hashes.is_empty() {
            self.tombstones().add(hashes.iter().map(|hash| (*hash, Erased::Shared)));
        }
    }

    pub(crate) async fn load_tombstones(&self) -> Result<()> {
        let count = self.read(&Count).await?;
        let known = self.tombstones();
        if known.figures.read().unwrap_or_else(PoisonError::into_inner).as_ref() == Some(&count) {
            return Ok(());
        }
        let mut all = HashMap::new();
        let mut after = (String::new(), Vec::new());
        loop {
            let rows = self.read(&Page { after: after.clone() }).await?;
            let Some(last) = rows.last() else { break };
            after = (last.0.clone(), last.1.to_vec());
            for (_, hash, erased) in rows {
                strengthen(&mut all, hash, erased);
            }
        }
        known.replace(all, count);
        Ok(())
    }
}

/// The tombstones of a store, in memory.
#[derive(Default)]
pub(crate) struct Tombstones {
    /// Read by every lookup before anything else.
    count: AtomicUsize,
    all: RwLock<HashMap<Hash, Erased>>,
    /// By which it shows whether another node has changed them.
    figures: RwLock<Option<Figures>>,
}

/// How many there are, how many erasures they come from, and which is the newest.
pub(crate) type Figures = (i64, i64, String);

fn strengthen(all: &mut HashMap<Hash, Erased>, hash: Hash, erased: Erased) {
    let known = all.entry(hash).or_insert(erased);
    if erased == Erased::Yes {
        *known = erased;
    }
}

impl Tombstones {
    fn of(&self, hash: &Hash) -> Erased {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        all.get(hash).copied().unwrap_or(Erased::No)
    }

    fn replace(&self, all: HashMap<Hash, Erased>, figures: Figures) {
        self.count.store(all.len(), Ordering::Release);
        *self.all.write().unwrap_or_else(PoisonError::into_inner) = all;
        *self.figures.write().unwrap_or_else(PoisonError::into_inner) = Some(figures);
    }

    /// Before they are there: a lookup between the two names nobody, which is right soon.
    pub(super) fn add(&self, marks: impl Iterator<Item = (Hash, Erased)>) {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        for (hash, erased) in marks {
            strengthen(&mut all, hash, erased);
        }
        self.count.store(all.len(), Ordering::Release);
    }

    /// They are read anew, whatever was known.
    pub(super) fn distrust(&self) {
        *self.figures.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Held by whoever writes what may be an erased person's, for the transaction.
pub(crate) struct Guard {
    is_needed: bool,
}

/// Writers that may store something of a person go side by side, an erasure goes alone:
/// after its commit each of them sees it. The number is ours, chosen freely.
const SHARED_LOCK: &str = "SELECT 1 FROM (SELECT pg_advisory_xact_lock_shared(7465658)) AS taken";
const OWN_LOCK: &str = "SELECT 1 FROM (SELECT pg_advisory_xact_lock(7465658)) AS taken";

impl Guard {
    pub(crate) async fn take(tx: &mut Tx<'_>) -> Result<Self> {
        if tx.is_postgres() {
            tx.execute(SHARED_LOCK, &[]).await?;
        }
        let any = tx.row("SELECT hash FROM tombstones LIMIT 1", &[]).await?;
        Ok(Self { is_needed: any.is_some() })
    }

    /// Whether one of these is the hash of somebody who was erased.
    pub(crate) async fn refuses(&self, tx: &mut Tx<'_>, hashes: &[&Hash]) -> Result<bool> {
        Ok(self.refusal(tx, hashes).await?.is_some())
    }

    /// The erasure that one of these hashes is part of.
    pub(crate) async fn refusal(
        &self,
        tx: &mut Tx<'_>,
        hashes: &[&Hash],
    ) -> Result<Option<String>> {
        const SQL: &str =
            "SELECT erasure FROM tombstones WHERE hash = ?1 AND kind <> 'shared' LIMIT 1";
        if !self.is_needed {
            return Ok(None);
        }
        for hash in hashes {
            if let Some(row) = tx.row(SQL, &[(*hash).into()]).await? {
                return Ok(Some(row.text(0)?.to_owned()));
            }
        }
        Ok(None)
    }
}

/// Notes that others have these numbers and e-mails as well as somebody who was erased.
pub(crate) async fn mark_shared(tx: &mut Tx<'_>, erasure: &str, hashes: &[Hash]) -> Result<()> {
    const SQL: &str = "
        INSERT INTO tombstones (erasure, hash, kind) VALUES (?1, ?2, 'shared')
        ON CONFLICT (erasure, hash) DO NOTHING";
    for hash in hashes {
        tx.execute(SQL, &[erasure.into(), hash.into()]).await?;
    }
    Ok(())
}

/// Waits until no guard is held, for the transaction.
pub(super) async fn alone(tx: &mut Tx<'_>) -> Result<()> {
    if tx.is_postgres() {
        tx.execute(OWN_LOCK, &[]).await?;
    }
    Ok(())
}

struct Count;

impl Work for Count {
    type Output = Figures;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Figures> {
        const SQL: &str = "SELECT (SELECT count(*) FROM tombstones), count(*), coalesce(max(id), '') FROM erasures";
        let row = tx.row(SQL, &[]).await?;
        row.map_or(Ok((0, 0, String::new())), |row| {
            Ok((row.int(0)?, row.int(1)?, row.text(2)?.to_owned()))
        })
    }
}

/// Tombstones read at once.
const PAGE: i64 = 10_000;

struct Page {
    after: (String, Vec<u8>),
}

impl Work for Page {
    type Output = Vec<(String, Hash, Erased)>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output> {
        const SQL: &str = "
            SELECT erasure, hash, kind FROM tombstones WHERE (erasure, hash) > (?1, ?2)
            ORDER BY erasure, hash LIMIT ?3";
        let params = [self.after.0.as_str().into(), self.after.1[..].into(), PAGE.into()];
        let rows = tx.rows(SQL, &params).await?;
        let read = rows.iter().map(|row| {
            let erased = if row.text(2)? == "shared" { Erased::Shared } else { Erased::Yes };
            Ok((row.text(0)?.to_owned(), row.hash(1)?, erased))
        });
        read.collect()
    }
}
