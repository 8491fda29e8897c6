//! Who changed or saw what: appended to, never changed, and whoever changes it is found out.
//!
//! Each entry is chained to the one before it by a keyed hash, so that without the
//! store's keys none can be altered, inserted or taken out of the middle unnoticed.
//! What was taken off the end shows where the head of an earlier [`Store::verify_audit`]
//! was written down elsewhere. The details are sealed; their digest is what is
//! chained, so that keys can rotate, and so that the details of a person who was erased
//! can go: an entry of its own says of which entries. Any other that lost them is found out.

use crate::error::{Boxed, Error, Result};
use crate::keys::{Hash, Keyring, fill_random, hex};
use crate::rows::{decode, encode};
use crate::sql::{Row, Touched, Tx, Work};
use crate::store::Store;
use domain::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Something that somebody did, to be written down with it.
#[derive(Clone, PartialEq, Eq)]
pub struct Act {
    /// Who: an API key's id, an agent's, or a command.
    pub actor: String,
    /// What, as `context.corrected`.
    pub action: &'static str,
    /// To whom or what: an externalId, a call id, a key's id. Sealed.
    pub subject: String,
    /// What else there is to know. Sealed.
    pub details: BTreeMap<String, String>,
}

/// An entry as it stands.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    pub seq: u64,
    pub at: Timestamp,
    pub actor: String,
    pub action: String,
    pub subject: String,
    pub details: BTreeMap<String, String>,
}

/// What a walk along the whole chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub entries: u64,
    /// Of these, how many lost their details to an erasure.
    pub blanked: u64,
    /// The first entry that is not as it was written, and in what.
    pub broken: Option<(u64, &'static str)>,
    /// 32 hex digits of the last entry's chain: written down elsewhere, they show later
    /// that nothing was taken off the end.
    pub head: String,
}

/// The act that says which entries before it lost their details to an erasure.
pub(crate) const BLANKED: &str = "audit.blanked";
/// Entries read at once.
const PAGE: i64 = 500;
/// Two nodes that append at once take turns. The number is ours, chosen freely.
const POSTGRES_LOCK: &str = "SELECT 1 FROM (SELECT pg_advisory_xact_lock(7465657)) AS taken";

impl Store {
    /// Writes an act down.
    pub fn audit(&self, act: Act, at: Timestamp) -> Boxed<'_, ()> {
        Box::pin(async move {
            let entry = Sealed::seal(self.keys(), act, at)?;
            self.write(Append { entry }).await
        })
    }

    /// Entries before `before` (all when `None`), newest first, at most 1000.
    pub fn audit_entries(&self, before: Option<u64>, limit: usize) -> Boxed<'_, Vec<Entry>> {
        Box::pin(async move {
            let before = before.and_then(|seq| i64::try_from(seq).ok()).unwrap_or(i64::MAX);
            let limit = i64::try_from(limit.min(1000)).unwrap_or(1000);
            let rows = self.read(&Before { before, limit }).await?;
            self.unseal(|keys| rows.iter().map(|row| entry(keys, row)).collect()).await
        })
    }

    /// Walks along the chain from its first entry.
    pub fn verify_audit(&self) -> Boxed<'_, Verdict> {
        Box::pin(async move {
            let (mut entries, mut chain, mut broken) = (0_u64, Hash::default(), None);
            let (mut blank, mut blanked) = (BTreeSet::new(), 0);
            loop {
                let after = i64::try_from(entries).unwrap_or(i64::MAX);
                let rows = self.read(&After { after }).await?;
                if rows.is_empty() {
                    break;
                }
                for row in &rows {
                    entries += 1;
                    let fault = self.unseal(|keys| fault(keys, &chain, entries, row)).await?;
                    chain = row.hash(7)?;
                    if row.blob(5)?.is_empty() {
                        blank.insert(entries);
                    } else if fault.is_none() && row.text(3)? == BLANKED {
                        let said = self.unseal(|keys| entry(keys, row)).await?;
                        blanked += said_blank(&said).filter(|seq| blank.remove(seq)).count() as u64;
                    }
                    if let Some(fault) = fault {
                        broken = broken.or(Some((entries, fault)));
                    }
                }
                if broken.is_some() {
                    break;
                }
            }
            if let (None, Some(first)) = (broken, blank.first()) {
                broken = Some((*first, "its details are gone and no erasure says so"));
            }
            let head = hex(&chain);
            Ok(Verdict { entries, blanked, broken, head })
        })
    }
}

/// What is sealed of an act.
#[derive(Serialize, Deserialize)]
pub(crate) struct About {
    #[serde(rename = "s")]
    pub(crate) subject: String,
    #[serde(rename = "d", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) details: BTreeMap<String, String>,
}

/// An act ready to be stored; its place in the chain is found in the transaction.
pub(crate) struct Sealed {
    keys: Arc<Keyring>,
    at: i64,
    actor: String,
    action: &'static str,
    uid: Hash,
    sealed: Vec<u8>,
    digest: Hash,
}

impl Sealed {
    pub(crate) fn seal(keys: Arc<Keyring>, act: Act, at: Timestamp) -> Result<Self> {
        let mut uid = Hash::default();
        fill_random(&mut uid)?;
        let plain = encode(&About { subject: act.subject, details: act.details })?;
        let digest = digest(&keys, &plain);
        let sealed = keys.seal("audit.sealed", &uid, plain)?;
        let actor = crate::jobs::note(&act.actor);
        Ok(Self { keys, at: at.0, actor, action: act.action, uid, sealed, digest })
    }

    pub(crate) async fn append(&self, tx: &mut Tx<'_>) -> Result<()> {
        const LAST: &str = "SELECT seq, chain FROM audit ORDER BY seq DESC LIMIT 1";
        const SQL: &str = "
            INSERT INTO audit (seq, at, actor, action, uid, sealed, digest, chain)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        if tx.is_postgres() {
            tx.execute(POSTGRES_LOCK, &[]).await?;
        }
        let (last, chain) = match tx.row(LAST, &[]).await? {
            Some(row) => (row.int(0)?, row.hash(1)?),
            None => (0, Hash::default()),
        };
        let seq = last + 1;
        let link = Link { seq, at: self.at, actor: &self.actor, action: self.action };
        let chain = link.chained(&self.keys, &chain, &self.digest);
        let params = [
            seq.into(),
            self.at.into(),
            self.actor.as_str().into(),
            self.action.into(),
            (&self.uid).into(),
            self.sealed[..].into(),
            (&self.digest).into(),
            (&chain).into(),
        ];
        tx.execute(SQL, &params).await.map(drop)
    }
}

/// The open part of an entry.
struct Link<'a> {
    seq: i64,
    at: i64,
    actor: &'a str,
    action: &'a str,
}

impl Link<'_> {
    fn chained(&self, keys: &Keyring, before: &Hash, digest: &Hash) -> Hash {
        let (seq, at) = (self.seq.to_string(), self.at.to_string());
        let (before, digest) = (hex(before), hex(digest));
        keys.hash("audit chain", &[&before, &seq, &at, self.actor, self.action, &digest])
    }
}

fn digest(keys: &Keyring, plain: &[u8]) -> Hash {
    keys.hash("audit digest", &[&String::from_utf8_lossy(plain)])
}

/// What is wrong with an entry, given the chain before it.
fn fault(keys: &Keyring, before: &Hash, seq: u64, row: &Row) -> Result<Option<&'static str>> {
    if u64::try_from(row.int(0)?) != Ok(seq) {
        return Ok(Some("an entry before it is missing"));
    }
    let written = row.hash(6)?;
    if !row.blob(5)?.is_empty() {
        let plain = match keys.open("audit.sealed", row.blob(4)?, row.blob(5)?) {
            Err(error @ Error::UnknownKey { .. }) => return Err(error),
            Err(_) => return Ok(Some("its details do not open")),
            Ok(plain) => plain,
        };
        if digest(keys, &plain) != written {
            return Ok(Some("its details are not those that were written"));
        }
    }
    let link =
        Link { seq: row.int(0)?, at: row.int(1)?, actor: row.text(2)?, action: row.text(3)? };
    let is_whole = link.chained(keys, before, &written) == row.hash(7)?;
    Ok((!is_whole).then_some("it, or one before it, was altered"))
}

/// The entries that an act says have lost their details.
fn said_blank(said: &Entry) -> impl Iterator<Item = u64> {
    let named = said.details.get("entries").map(String::as_str).unwrap_or_default();
    named.split(' ').filter_map(|seq| seq.parse().ok())
}

/// What an entry is about; `None` where that is gone.
pub(crate) fn about(keys: &Keyring, row: &Row) -> Result<Option<About>> {
    if row.blob(5)?.is_empty() {
        return Ok(None);
    }
    decode(&keys.open("audit.sealed", row.blob(4)?, row.blob(5)?)?).map(Some)
}

pub(crate) fn entry(keys: &Keyring, row: &Row) -> Result<Entry> {
    let gone = || About { subject: "erased".to_owned(), details: BTreeMap::new() };
    let about = about(keys, row)?.unwrap_or_else(gone);
    Ok(Entry {
        seq: u64::try_from(row.int(0)?).unwrap_or(0),
        at: Timestamp(row.int(1)?),
        actor: row.text(2)?.to_owned(),
        action: row.text(3)?.to_owned(),
        subject: about.subject,
        details: about.details,
    })
}

struct Append {
    entry: Sealed,
}

impl Work for Append {
    type Output = ();
    async fn run(&self, tx: &mut Tx<'_>) -> Result<()> {
        tx.touched = Touched::Nothing;
        self.entry.append(tx).await
    }
}

struct Before {
    before: i64,
    limit: i64,
}

impl Work for Before {
    type Output = Vec<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        const SQL: &str = "
            SELECT seq, at, actor, action, uid, sealed, digest, chain FROM audit
            WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2";
        tx.rows(SQL, &[self.before.into(), self.limit.into()]).await
    }
}

struct After {
    after: i64,
}

impl Work for After {
    type Output = Vec<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        const SQL: &str = "
            SELECT seq, at, actor, action, uid, sealed, digest, chain FROM audit
            WHERE seq > ?1 ORDER BY seq LIMIT ?2";
        tx.rows(SQL, &[self.after.into(), PAGE.into()]).await
    }
}
