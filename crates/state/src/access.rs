//! Keys of those who may call the API: made, listed, replaced and withdrawn.
//!
//! A key reads `tl_<id>_<secret>`. Its text is told once, by the [`IssuedKey`]
//! that made it; what is stored is the SHA-256 of the secret, which is 256
//! random bits and so needs no salt and no slow hash. A dead key keeps its row
//! for [`REMEMBERED`], so that its holder is told why and a log can name it.

use crate::audit::{Act, Sealed as SealedAct};
use crate::error::{Boxed, Error, Result};
use crate::keys::{fill_random, hex};
use crate::sql::{Row, Touched, Tx, Work};
use crate::store::Store;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use domain::Timestamp;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use zeroize::Zeroizing;

/// How every key of the store begins.
pub const PREFIX: &str = "tl_";
/// Keys listed at most; far more than anybody gives out.
const LISTED: i64 = 1_000;
/// How long a revoked or expired key is remembered.
const REMEMBERED: Duration = Duration::from_secs(365 * 86_400);

/// A stored key, without its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Public: 16 lower-case hex digits.
    pub id: String,
    pub name: String,
    hash: [u8; 32],
    /// Words that the store does not interpret.
    pub scopes: Vec<String>,
    /// `None`: as the configuration says.
    pub requests_per_minute: Option<u32>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    /// Id of the key it came to replace.
    pub rotated_from: Option<String>,
}

impl ApiKey {
    /// Whether this is its secret. Takes the same time however much of it fits.
    #[must_use]
    pub fn fits(&self, secret: &str) -> bool {
        verify_slices_are_equal(&self.hash, &hash(secret)).is_ok()
    }

    /// Whether it opens anything at `now`.
    #[must_use]
    pub fn is_alive(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({} {:?} {:?})", self.id, self.name, self.scopes)
    }
}

/// What a key is to be.
#[derive(Debug, Clone, Default)]
pub struct NewApiKey {
    pub name: String,
    /// Words without white space.
    pub scopes: Vec<String>,
    pub requests_per_minute: Option<u32>,
    pub expires_at: Option<Timestamp>,
}

/// Who changes a key: written into the audit log in the same transaction.
#[derive(Debug, Clone, Default)]
pub struct By {
    /// An API key's id, an agent's, or a command.
    pub actor: String,
    /// Where they are.
    pub address: String,
}

impl By {
    fn act(self, action: &'static str, key: &str, details: &[(&str, String)]) -> Act {
        let mut all: BTreeMap<String, String> =
            details.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        all.insert("address".to_owned(), self.address);
        Act { actor: self.actor, action, subject: key.to_owned(), details: all }
    }
}

/// A key just made, with the only copy of its text.
pub struct IssuedKey {
    pub key: ApiKey,
    /// `tl_<id>_<secret>`: handle as the secret it is.
    pub text: Zeroizing<String>,
}

impl fmt::Debug for IssuedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.fmt(f)
    }
}

/// What became of a wish to replace a key.
#[derive(Debug)]
pub enum Rotation {
    Done(IssuedKey),
    /// No key has this id.
    Unknown,
    /// It is revoked or has expired: there is nothing to replace.
    Ended,
}

/// The id and the secret of a key's text; `None` when it is no key of the store.
#[must_use]
pub fn parts(text: &str) -> Option<(&str, &str)> {
    let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
    (!id.is_empty() && !secret.is_empty()).then_some((id, secret))
}

impl Store {
    /// Makes a key. Long dead ones are forgotten with it.
    pub fn create_api_key(&self, new: NewApiKey, by: By, now: Timestamp) -> Boxed<'_, IssuedKey> {
        Box::pin(async move {
            let issued = issue(new, None, now)?;
            let key = issued.key.clone();
            let about = [("name", key.name.clone()), ("scopes", key.scopes.join(" "))];
            let act = by.act("api_key.created", &key.id, &about);
            let act = SealedAct::seal(self.keys(), act, now)?;
            self.write(Insert { key, act, now }).await?;
            Ok(issued)
        })
    }

    /// Every key, dead ones too, newest first, at most 1000.
    pub fn api_keys(&self) -> Boxed<'_, Vec<ApiKey>> {
        Box::pin(async move { self.read(&List).await })
    }

    /// One key, dead or alive.
    pub fn api_key<'a>(&'a self, id: &'a str) -> Boxed<'a, Option<ApiKey>> {
        Box::pin(async move { self.read(&Find { id }).await })
    }

    /// Withdraws a key for good; the key as it is then. One that was revoked
    /// before keeps its time.
    pub fn revoke_api_key<'a>(
        &'a self,
        id: &'a str,
        by: By,
        now: Timestamp,
    ) -> Boxed<'a, Option<ApiKey>> {
        Box::pin(async move {
            let act = by.act("api_key.revoked", id, &[]);
            let act = SealedAct::seal(self.keys(), act, now)?;
            self.write(Revoke { id: id.to_owned(), act, now }).await
        })
    }

    /// Makes a key that replaces this one: same name, scopes, limit and end. The
    /// old one goes on for `overlap`, or to its own end if that comes first.
    pub fn rotate_api_key<'a>(
        &'a self,
        id: &'a str,
        overlap: Duration,
        by: By,
        now: Timestamp,
    ) -> Boxed<'a, Rotation> {
        Box::pin(async move {
            let Some(old) = self.api_key(id).await? else { return Ok(Rotation::Unknown) };
            let new = NewApiKey {
                name: old.name,
                scopes: old.scopes,
                requests_per_minute: old.requests_per_minute,
                expires_at: old.expires_at,
            };
            let issued = issue(new, Some(old.id), now)?;
            let (key, old_ends) = (issued.key.clone(), now.plus(overlap));
            let about = [("replaces", id.to_owned()), ("oldEnds", old_ends.to_string())];
            let act = by.act("api_key.rotated", &key.id, &about);
            let act = SealedAct::seal(self.keys(), act, now)?;
            let rotate = Rotate { key, act, now, old_ends };
            let is_done = self.write(rotate).await?;
            Ok(if is_done { Rotation::Done(issued) } else { Rotation::Ended })
        })
    }

    /// 32 bytes for one purpose, from the store's own keys: the same on every
    /// node, and after every rotation of the data keys.
    #[must_use]
    pub fn derived_key(&self, purpose: &'static str) -> Zeroizing<[u8; 32]> {
        self.keys().derive(purpose)
    }
}

fn issue(new: NewApiKey, rotated_from: Option<String>, now: Timestamp) -> Result<IssuedKey> {
    let (mut id, mut secret) = ([0; 8], Zeroizing::new([0; 32]));
    fill_random(&mut id)?;
    fill_random(&mut secret[..])?;
    let (id, secret) = (hex(&id), Zeroizing::new(hex(&secret[..])));
    let key = ApiKey {
        hash: hash(&secret),
        id: id.clone(),
        name: new.name,
        scopes: new.scopes,
        requests_per_minute: new.requests_per_minute,
        created_at: now,
        expires_at: new.expires_at,
        revoked_at: None,
        rotated_from,
    };
    Ok(IssuedKey { key, text: Zeroizing::new(format!("{PREFIX}{id}_{}", *secret)) })
}

fn hash(secret: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
    hash
}

const COLUMNS: &str =
    "id, name, hash, scopes, requests_per_minute, created_at, expires_at, revoked_at, rotated_from";

fn read(row: &Row) -> Result<ApiKey> {
    const ODD: Error = Error::Corrupt { what: "an API key" };
    let limit = row.opt_int(4)?.map(|limit| u32::try_from(limit).map_err(|_| ODD));
    Ok(ApiKey {
        id: row.text(0)?.to_owned(),
        name: row.text(1)?.to_owned(),
        hash: row.blob(2)?.try_into().map_err(|_| ODD)?,
        scopes: row.text(3)?.split_whitespace().map(str::to_owned).collect(),
        requests_per_minute: limit.transpose()?,
        created_at: Timestamp(row.int(5)?),
        expires_at: row.opt_int(6)?.map(Timestamp),
        revoked_at: row.opt_int(7)?.map(Timestamp),
        rotated_from: row.opt_text(8)?.map(str::to_owned),
    })
}

async fn insert(tx: &mut Tx<'_>, key: &ApiKey) -> Result<()> {
    const SQL: &str = "INSERT INTO api_keys (id, name, hash, scopes, requests_per_minute, created_at, expires_at, revoked_at, rotated_from)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let scopes = key.scopes.join(" ");
    let params = [
        key.id.as_str().into(),
        key.name.as_str().into(),
        key.hash[..].into(),
        scopes.as_str().into(),
        key.requests_per_minute.map(i64::from).into(),
        key.created_at.0.into(),
        key.expires_at.map(|at| at.0).into(),
        key.revoked_at.map(|at| at.0).into(),
        key.rotated_from.as_deref().into(),
    ];
    tx.execute(SQL, &params).await?;
    Ok(())
}

struct Insert {
    key: ApiKey,
    act: SealedAct,
    now: Timestamp,
}

impl Work for Insert {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<()> {
        const FORGET: &str = "DELETE FROM api_keys WHERE revoked_at < ?1 OR expires_at < ?1";
        tx.touched = Touched::Nothing;
        tx.execute(FORGET, &[self.now.minus(REMEMBERED).0.into()]).await?;
        insert(tx, &self.key).await?;
        self.act.append(tx).await
    }
}

struct List;

impl Work for List {
    type Output = Vec<ApiKey>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<ApiKey>> {
        let sql =
            format!("SELECT {COLUMNS} FROM api_keys ORDER BY created_at DESC, id LIMIT {LISTED}");
        tx.rows(&sql, &[]).await?.iter().map(read).collect()
    }
}

struct Find<'a> {
    id: &'a str,
}

impl Work for Find<'_> {
    type Output = Option<ApiKey>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<ApiKey>> {
        let sql = format!("SELECT {COLUMNS} FROM api_keys WHERE id = ?1");
        tx.row(&sql, &[self.id.into()]).await?.as_ref().map(read).transpose()
    }
}

struct Revoke {
    id: String,
    act: SealedAct,
    now: Timestamp,
}

impl Work for Revoke {
    type Output = Option<ApiKey>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<ApiKey>> {
        const SQL: &str =
            "UPDATE api_keys SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL";
        tx.touched = Touched::Nothing;
        if tx.execute(SQL, &[self.id.as_str().into(), self.now.0.into()]).await? > 0 {
            self.act.append(tx).await?;
        }
        Find { id: &self.id }.run(tx).await
    }
}

struct Rotate {
    /// The new one, which names the old.
    key: ApiKey,
    act: SealedAct,
    now: Timestamp,
    old_ends: Timestamp,
}

impl Work for Rotate {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool> {
        const SQL: &str = "UPDATE api_keys
            SET expires_at = CASE WHEN expires_at < ?3 THEN expires_at ELSE ?3 END
            WHERE id = ?1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?2)";
        tx.touched = Touched::Nothing;
        let old = self.key.rotated_from.as_deref();
        let params = [old.into(), self.now.0.into(), self.old_ends.0.into()];
        let is_alive = tx.execute(SQL, &params).await? == 1;
        if is_alive {
            insert(tx, &self.key).await?;
            self.act.append(tx).await?;
        }
        Ok(is_alive)
    }
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn a_keys_text_falls_into_id_and_secret() {
        let check = |text, expected| assert_eq!(parts(text), expected, "{text}");
        check("tl_0a1b_c2d3", Some(("0a1b", "c2d3")));
        check("tl_0a1b_c2_d3", Some(("0a1b", "c2_d3")));
        for text in ["", "tl_", "tl__", "tl_0a1b", "tl_0a1b_", "tl__c2d3", "xx_0a1b_c2d3"] {
            check(text, None);
        }
    }
}
