//! People who sign in at the console: made, listed, changed and taken away.
//!
//! A password is kept as whoever made its hash wrote it; the second factor's secret and the
//! full name are sealed with it. A change is made on the version that was read, together with
//! the act that says who made it: whoever decided on an older one is refused. All of a user's
//! sessions end by `sessions_after`; one alone by its id ([`ended`]).

mod ended;

use crate::audit::{Act, Sealed as SealedAct};
use crate::error::{Boxed, Result};
use crate::keys::{Hash, Keyring, fill_random, hex};
use crate::rows::{decode, encode};
use crate::sql::{Row, Touched, Tx, Work};
use crate::store::Store;
use domain::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Users listed at most; far more than ever look after a contact center's line.
const LISTED: i64 = 1_000;

/// A person who signs in.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// 16 lower-case hex digits.
    pub id: String,
    /// What they sign in with, in lower case.
    pub name: String,
    pub full_name: String,
    /// A word that the store does not interpret.
    pub role: String,
    /// Hash of their password, as whoever made it wrote it; empty where they have none.
    pub password: String,
    /// The second factor, where there is one.
    pub totp: Option<Totp>,
    /// Who they are at an identity provider; empty where they are known here alone.
    pub subject: String,
    /// The last step of the second factor that was used.
    pub totp_step: i64,
    /// Sessions begun before have ended.
    pub sessions_after: Timestamp,
    pub disabled_at: Option<Timestamp>,
    pub created_at: Timestamp,
    /// How often they were changed: a change holds only on the newest.
    pub version: i64,
}

impl fmt::Debug for User {
    /// Nothing that proves who somebody is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "User({} {:?} {})", self.id, self.name, self.role)
    }
}

/// A second factor by time.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totp {
    /// As it was told to the app: Base32.
    #[serde(rename = "s")]
    pub secret: String,
    /// A code of it was shown; before, signing in does not need one.
    #[serde(rename = "o")]
    pub is_on: bool,
}

/// What a user is to be.
#[derive(Clone, Default)]
pub struct NewUser {
    /// In lower case.
    pub name: String,
    pub full_name: String,
    pub role: String,
    pub password: String,
    pub subject: String,
}

/// The part that lies sealed.
#[derive(Serialize, Deserialize)]
struct Sealed {
    #[serde(rename = "n", default, skip_serializing_if = "String::is_empty")]
    full_name: String,
    #[serde(rename = "p", default, skip_serializing_if = "String::is_empty")]
    password: String,
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    totp: Option<Totp>,
    #[serde(rename = "s", default, skip_serializing_if = "String::is_empty")]
    subject: String,
}

/// Which user.
#[derive(Debug, Clone, Copy)]
pub enum Who<'a> {
    Id(&'a str),
    /// In lower case.
    Name(&'a str),
    /// At an identity provider.
    Subject(&'a str),
}

impl Store {
    /// Every user, by name, at most 1000.
    pub fn users(&self) -> Boxed<'_, Vec<User>> {
        Box::pin(async move {
            let rows = self.read(&List).await?;
            self.unseal(|keys| rows.iter().map(|row| opened(keys, row)).collect()).await
        })
    }

    /// Whether anybody signs in with a password or at a provider.
    pub fn has_users(&self) -> Boxed<'_, bool> {
        Box::pin(async move { self.read(&Any).await })
    }

    /// One user.
    pub fn user<'a>(&'a self, who: Who<'a>) -> Boxed<'a, Option<User>> {
        Box::pin(async move {
            let subject = match who {
                Who::Subject(subject) => subject_hash(&self.keys(), subject),
                Who::Id(_) | Who::Name(_) => None,
            };
            match self.read(&Find { who, subject }).await? {
                Some(row) => self.unseal(|keys| opened(keys, &row)).await.map(Some),
                None => Ok(None),
            }
        })
    }

    /// Makes a user; `None` where somebody has the name, or is the same at the provider.
    /// The act's subject becomes the new user's id.
    pub fn create_user(&self, new: NewUser, act: Act, now: Timestamp) -> Boxed<'_, Option<User>> {
        Box::pin(async move {
            let mut id = [0; 8];
            fill_random(&mut id)?;
            let user = User {
                id: hex(&id),
                name: new.name,
                full_name: new.full_name,
                role: new.role,
                password: new.password,
                totp: None,
                subject: new.subject,
                totp_step: 0,
                // A new user has no session that could have begun before.
                sessions_after: Timestamp(0),
                disabled_at: None,
                created_at: now,
                version: 1,
            };
            let keys = self.keys();
            let act = Act { subject: user.id.clone(), ..act };
            let work = Insert {
                sealed: sealed(&keys, &user)?,
                subject: subject_hash(&keys, &user.subject),
                act: SealedAct::seal(keys, act, now)?,
                user: user.clone(),
            };
            Ok(self.write(work).await?.then_some(user))
        })
    }

    /// Makes of a user what this copy says, and writes down who did it. `false` where
    /// somebody has changed or removed them since it was read, and then nothing is done.
    pub fn change_user(&self, user: User, act: Act, now: Timestamp) -> Boxed<'_, bool> {
        Box::pin(async move {
            let keys = self.keys();
            let sealed = sealed(&keys, &user)?;
            let act = SealedAct::seal(keys, act, now)?;
            self.write(Change { user, sealed, act }).await
        })
    }

    /// Takes a user away; `false` where there is none.
    pub fn remove_user<'a>(&'a self, id: &'a str, act: Act, now: Timestamp) -> Boxed<'a, bool> {
        Box::pin(async move {
            let act = SealedAct::seal(self.keys(), act, now)?;
            self.write(Remove { id: id.to_owned(), act }).await
        })
    }

    /// Uses a step of the second factor up; `false` where it, or a later one, was used.
    pub fn spend_totp_step<'a>(&'a self, id: &'a str, step: i64) -> Boxed<'a, bool> {
        Box::pin(async move { self.write(Spend { id: id.to_owned(), step }).await })
    }
}

fn subject_hash(keys: &Keyring, subject: &str) -> Option<Hash> {
    (!subject.is_empty()).then(|| keys.hash("user subject", &[subject]))
}

fn sealed(keys: &Keyring, user: &User) -> Result<Vec<u8>> {
    let plain = Sealed {
        full_name: user.full_name.clone(),
        password: user.password.clone(),
        totp: user.totp.clone(),
        subject: user.subject.clone(),
    };
    keys.seal("users.sealed", user.id.as_bytes(), encode(&plain)?)
}

const COLUMNS: &str =
    "id, name, role, sealed, totp_step, sessions_after, disabled_at, created_at, version";

fn opened(keys: &Keyring, row: &Row) -> Result<User> {
    let id = row.text(0)?;
    let plain: Sealed = decode(&keys.open("users.sealed", id.as_bytes(), row.blob(3)?)?)?;
    Ok(User {
        id: id.to_owned(),
        name: row.text(1)?.to_owned(),
        full_name: plain.full_name,
        role: row.text(2)?.to_owned(),
        password: plain.password,
        totp: plain.totp,
        subject: plain.subject,
        totp_step: row.int(4)?,
        sessions_after: Timestamp(row.int(5)?),
        disabled_at: row.opt_int(6)?.map(Timestamp),
        created_at: Timestamp(row.int(7)?),
        version: row.int(8)?,
    })
}

struct List;

impl Work for List {
    type Output = Vec<Row>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        tx.rows(&format!("SELECT {COLUMNS} FROM users ORDER BY name LIMIT {LISTED}"), &[]).await
    }
}

struct Any;

impl Work for Any {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool> {
        Ok(tx.row("SELECT id FROM users LIMIT 1", &[]).await?.is_some())
    }
}

struct Find<'a> {
    who: Who<'a>,
    subject: Option<Hash>,
}

impl Work for Find<'_> {
    type Output = Option<Row>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<Row>> {
        let (column, param) = match (self.who, &self.subject) {
            (Who::Id(id), _) => ("id", id.into()),
            (Who::Name(name), _) => ("name", name.into()),
            (Who::Subject(_), Some(hash)) => ("subject", hash[..].into()),
            (Who::Subject(_), None) => return Ok(None),
        };
        tx.row(&format!("SELECT {COLUMNS} FROM users WHERE {column} = ?1"), &[param]).await
    }
}

struct Insert {
    user: User,
    sealed: Vec<u8>,
    subject: Option<Hash>,
    act: SealedAct,
}

impl Work for Insert {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool> {
        const SQL: &str = "
            INSERT INTO users (id, name, role, subject, sealed, totp_step, sessions_after, created_at, version)
            VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, ?6, 1) ON CONFLICT DO NOTHING";
        tx.touched = Touched::Nothing;
        let user = &self.user;
        let params = [
            user.id.as_str().into(),
            user.name.as_str().into(),
            user.role.as_str().into(),
            self.subject.as_ref().map(|hash| &hash[..]).into(),
            self.sealed[..].into(),
            user.created_at.0.into(),
        ];
        let is_made = tx.execute(SQL, &params).await? == 1;
        if is_made {
            self.act.append(tx).await?;
        }
        Ok(is_made)
    }
}

struct Change {
    user: User,
    sealed: Vec<u8>,
    act: SealedAct,
}

impl Work for Change {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool> {
        const SQL: &str = "
            UPDATE users SET role = ?3, sealed = ?4, sessions_after = ?5, disabled_at = ?6,
                version = version + 1
            WHERE id = ?1 AND version = ?2";
        tx.touched = Touched::Nothing;
        let user = &self.user;
        let params = [
            user.id.as_str().into(),
            user.version.into(),
            user.role.as_str().into(),
            self.sealed[..].into(),
            user.sessions_after.0.into(),
            user.disabled_at.map(|at| at.0).into(),
        ];
        let is_changed = tx.execute(SQL, &params).await? == 1;
        if is_changed {
            self.act.append(tx).await?;
        }
        Ok(is_changed)
    }
}

struct Remove {
    id: String,
    act: SealedAct,
}

impl Work for Remove {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool> {
        tx.touched = Touched::Nothing;
        let is_removed =
            tx.execute("DELETE FROM users WHERE id = ?1", &[self.id.as_str().into()]).await? == 1;
        if is_removed {
            self.act.append(tx).await?;
        }
        Ok(is_removed)
    }
}

struct Spend {
    id: String,
    step: i64,
}

impl Work for Spend {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool> {
        const SQL: &str = "UPDATE users SET totp_step = ?2 WHERE id = ?1 AND totp_step < ?2";
        tx.touched = Touched::Nothing;
        Ok(tx.execute(SQL, &[self.id.as_str().into(), self.step.into()]).await? == 1)
    }
}
