//! The tombstones of an erasure: made, listed, taken back, and brought into a store that
//! was restored from a backup older than they are.

use super::find::{Identifiers, Subject};
use super::sought::{ACCOUNT, SHARED, marks};
use super::tombstones::{Erased, Name, TOMBSTONES_MAX, alone};
use crate::audit::{Act, Sealed};
use crate::crash;
use crate::error::{Boxed, Error, Result};
use crate::keys::{Hash, fill_random};
use crate::sql::{Touched, Tx, Work};
use crate::store::Store;
use domain::Timestamp;

/// One person, or several who share a number, erased at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// 16 hex digits.
    pub id: String,
    pub at: Timestamp,
    pub actor: String,
    /// A reference, such as a ticket's id.
    pub reason: String,
    /// `None`: something may still be there, and is looked for.
    pub swept_at: Option<Timestamp>,
    pub marks: Vec<Mark>,
}

/// One tombstone. It says nothing of anybody without the store's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// `phone`, `email`, `record`, `number`, `subject`, `external_id`, `account` or `shared`.
    pub kind: String,
    pub hash: [u8; 16],
}

/// The kinds that a tombstone may be of.
const KINDS: [&str; 8] =
    ["phone", "email", "record", "number", "subject", "external_id", ACCOUNT, SHARED];

impl Store {
    /// Puts up the tombstones of a subject, and writes down that it was done. From the
    /// commit on nothing of the subject is stored any more; what is there is left to the
    /// sweep. Returns the erasure, whose id `act` is given as its subject.
    pub fn erase<'a>(
        &'a self,
        subject: &'a Subject,
        reason: &'a str,
        act: Act,
        now: Timestamp,
    ) -> Boxed<'a, Erasure> {
        Box::pin(async move {
            let marks = marks(&self.keys(), subject).into_iter();
            let marks = marks.map(|(hash, kind)| Mark { kind: kind.to_owned(), hash });
            let erasure = Erasure {
                id: random_id()?,
                at: now,
                actor: crate::jobs::note(&act.actor),
                reason: crate::jobs::note(reason),
                swept_at: None,
                marks: marks.collect(),
            };
            let act = Act { subject: erasure.id.clone(), ..act };
            self.put_up(vec![erasure.clone()], act, now).await?;
            Ok(erasure)
        })
    }

    /// Puts up erasures of another time, as [`Store::erasures`] listed them, and has them
    /// swept again. Returns how many were not there, or not whole.
    pub fn erase_again(&self, erasures: Vec<Erasure>, act: Act, now: Timestamp) -> Boxed<'_, u64> {
        Box::pin(async move { self.put_up(erasures, act, now).await })
    }

    async fn put_up(&self, erasures: Vec<Erasure>, act: Act, now: Timestamp) -> Result<u64> {
        let keys = self.keys();
        // Known before they are there: a lookup between the two names nobody.
        let marks = erasures.iter().flat_map(|erasure| &erasure.marks);
        self.tombstones().add(marks.map(|mark| {
            (mark.hash, if mark.kind == SHARED { Erased::Shared } else { Erased::Yes })
        }));
        let put = self.write(PutUp { erasures, act: Sealed::seal(keys, act, now)? }).await;
        if put.is_err() {
            self.tombstones().distrust();
            self.load_tombstones().await?;
        }
        put
    }

    /// Every erasure, the newest first, at most 1000 from `skip` on.
    pub fn erasures(&self, skip: usize, limit: usize) -> Boxed<'_, Vec<Erasure>> {
        Box::pin(async move {
            let skip = i64::try_from(skip).unwrap_or(i64::MAX);
            let limit = i64::try_from(limit.min(1000)).unwrap_or(1000);
            self.read(&List { skip, limit }).await
        })
    }

    /// The erasures that one of these identifiers was part of.
    pub fn erasures_of<'a>(&'a self, asked: &'a Identifiers) -> Boxed<'a, Vec<String>> {
        Box::pin(async move {
            let keys = self.keys();
            let phones = asked.phones.iter().map(|phone| Name::Phone(phone));
            let emails = asked.emails.iter().map(|email| Name::Email(email));
            let records = asked.records.iter().map(|record| Name::Record {
                connection: &record.connection,
                record: &record.record,
            });
            let names = phones.chain(emails).chain(records);
            let hashes = names.map(|name| name.hash(&keys)).collect();
            self.read(&Of { hashes }).await
        })
    }

    /// Takes an erasure's tombstones away: who it was about may be known again. What was
    /// removed stays removed. Returns whether there was such an erasure.
    pub fn take_back<'a>(&'a self, id: &'a str, act: Act, now: Timestamp) -> Boxed<'a, bool> {
        Box::pin(async move {
            let act = Sealed::seal(self.keys(), act, now)?;
            let was_there = self.write(TakeBack { id: id.to_owned(), act }).await?;
            self.tombstones().distrust();
            self.load_tombstones().await?;
            Ok(was_there)
        })
    }
}

fn random_id() -> Result<String> {
    let mut bytes = [0; 8];
    fill_random(&mut bytes)?;
    Ok(format!("{:016x}", u64::from_le_bytes(bytes)))
}

struct PutUp {
    erasures: Vec<Erasure>,
    act: Sealed,
}

impl Work for PutUp {
    type Output = u64;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<u64> {
        const COUNT: &str = "SELECT count(*) FROM tombstones";
        const ERASURE: &str = "
            INSERT INTO erasures (id, at, actor, reason) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT (id) DO NOTHING";
        const MARK: &str = "
            INSERT INTO tombstones (erasure, hash, kind) VALUES (?1, ?2, ?3)
            ON CONFLICT (erasure, hash) DO NOTHING";
        const UNSWEPT: &str = "UPDATE erasures SET swept_at = NULL WHERE id = ?1";
        const FULL: Error = Error::Full {
            what: "tombstones",
            fix: "take back those of people who are customers again",
        };
        alone(tx).await?;
        let count = tx.row(COUNT, &[]).await?.map_or(Ok(0), |row| row.int(0))?;
        let more: usize = self.erasures.iter().map(|erasure| erasure.marks.len()).sum();
        if count.saturating_add_unsigned(more as u64) > TOMBSTONES_MAX {
            return Err(FULL);
        }
        let mut put = 0;
        for erasure in &self.erasures {
            let Erasure { id, at, actor, reason, marks, .. } = erasure;
            let params =
                [id.as_str().into(), at.0.into(), actor.as_str().into(), reason.as_str().into()];
            let mut news = tx.execute(ERASURE, &params).await?;
            for mark in marks.iter().filter(|mark| KINDS.contains(&mark.kind.as_str())) {
                let params = [id.as_str().into(), (&mark.hash).into(), mark.kind.as_str().into()];
                news += tx.execute(MARK, &params).await?;
            }
            if news > 0 {
                tx.execute(UNSWEPT, &[id.as_str().into()]).await?;
                put += 1;
            }
        }
        crash::point("erase.marked");
        self.act.append(tx).await?;
        Ok(put)
    }
}

struct List {
    skip: i64,
    limit: i64,
}

impl Work for List {
    type Output = Vec<Erasure>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Erasure>> {
        const SQL: &str = "
            SELECT id, at, actor, reason, swept_at FROM erasures ORDER BY at DESC, id LIMIT ?1 OFFSET ?2";
        const MARKS: &str = "SELECT hash, kind FROM tombstones WHERE erasure = ?1 ORDER BY hash";
        let mut all = Vec::new();
        for row in tx.rows(SQL, &[self.limit.into(), self.skip.into()]).await? {
            let id = row.text(0)?.to_owned();
            let marks = tx.rows(MARKS, &[id.as_str().into()]).await?;
            let marks = marks
                .iter()
                .map(|row| Ok(Mark { hash: row.hash(0)?, kind: row.text(1)?.to_owned() }));
            all.push(Erasure {
                at: Timestamp(row.int(1)?),
                actor: row.text(2)?.to_owned(),
                reason: row.text(3)?.to_owned(),
                swept_at: row.opt_int(4)?.map(Timestamp),
                marks: marks.collect::<Result<_>>()?,
                id,
            });
        }
        Ok(all)
    }
}

struct Of {
    hashes: Vec<Hash>,
}

impl Work for Of {
    type Output = Vec<String>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<String>> {
        let mut ids = Vec::new();
        for hash in &self.hashes {
            let sql = "SELECT erasure FROM tombstones WHERE hash = ?1 AND kind <> 'shared'";
            for row in tx.rows(sql, &[hash.into()]).await? {
                ids.push(row.text(0)?.to_owned());
            }
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }
}

struct TakeBack {
    id: String,
    act: Sealed,
}

impl Work for TakeBack {
    type Output = bool;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool> {
        let id = [self.id.as_str().into()];
        tx.touched = Touched::Nothing;
        alone(tx).await?;
        tx.execute("DELETE FROM tombstones WHERE erasure = ?1", &id).await?;
        let was_there = tx.execute("DELETE FROM erasures WHERE id = ?1", &id).await? > 0;
        if was_there {
            self.act.append(tx).await?;
        }
        Ok(was_there)
    }
}
