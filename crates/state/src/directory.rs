//! The directory: our own encrypted copy of the CRMs' contacts, found by key.
//!
//! [`Store::find`] on the call's path, in place and in microseconds.
//! [`Store::remember`] with every answer of a CRM: what it says replaces what
//! an older answer said, and a late answer changes nothing that a newer one
//! has settled. Keys that a contact no longer answers to are kept as marks
//! with their date, or a late answer could bring them back.

mod find;
mod prune;
mod recent;

use crate::calls::record_hash;
use crate::crash;
use crate::error::{Boxed, Result};
use crate::keys::{Hash, Keyring};
use crate::rows::{ContactRow, encode};
use crate::sql::{Touched, Tx, Work};
use crate::store::Store;
use crate::subject::{Guard, Name, mark_shared};
use domain::{Contact, Timestamp};

pub(crate) use recent::Recent;

/// What a contact is found by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// A number as E.164.
    Phone(String),
    /// An e-mail, in lower case.
    Email(String),
    /// The record's id in its own system.
    Record(String),
    /// The id by which records of other systems are linked to an account, as they write it.
    Account(String),
}

/// A contact as the directory knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// With `last_call_at` as below.
    pub contact: Contact,
    /// When its own system said so.
    pub as_of: Timestamp,
    /// When its system last answered for the keys that led here, for the one
    /// longest ago. `None`: one of them was never asked for, the contact came by
    /// another key, so others may share this one.
    pub asked_at: Option<Timestamp>,
    /// Digest of what the contact center has last been told, as given to
    /// [`Store::mark_pushed`].
    pub pushed: Option<[u8; 16]>,
    /// The last call that counted to this record, where it was asked for.
    pub last_call_at: Option<Timestamp>,
    /// Which of the keys asked for led here.
    pub matched: Vec<Key>,
}

impl Store {
    /// Stores what a connection answered at `as_of`: these contacts with all
    /// their keys, and that nobody else answers to the keys asked for. Of two
    /// answers the newer one stands, in whatever order they come.
    /// Only E.164 numbers and e-mails of the contact itself become its keys. Whoever was
    /// erased is left out.
    pub fn remember<'a>(
        &'a self,
        connection: &'a str,
        asked: &'a [Key],
        contacts: &'a [Contact],
        as_of: Timestamp,
    ) -> Boxed<'a, ()> {
        Box::pin(async move { self.remember_all(connection, &[(asked, contacts)], as_of).await })
    }

    /// Stores several answers, each the keys asked for and who came back, as
    /// [`Store::remember`] does; all or none.
    pub fn remember_all<'a>(
        &'a self,
        connection: &'a str,
        answers: &'a [(&'a [Key], &'a [Contact])],
        as_of: Timestamp,
    ) -> Boxed<'a, ()> {
        Box::pin(async move {
            let ring = self.keys();
            let answer = |(asked, contacts): &(&[Key], &[Contact])| -> Result<Answer> {
                let asked =
                    asked.iter().filter(|key| !matches!(key, Key::Record(_) | Key::Account(_)));
                let contacts = contacts.iter().map(|one| Remembered::new(&ring, connection, one));
                Ok(Answer {
                    asked: asked.map(|key| hash_of(&ring, connection, key)).collect(),
                    contacts: contacts.collect::<Result<_>>()?,
                })
            };
            let work = Remember {
                connection: connection.to_owned(),
                answers: answers.iter().map(answer).collect::<Result<_>>()?,
                as_of: as_of.0,
            };
            let shared = self.write(work).await?;
            self.learn_shared(&shared);
            Ok(())
        })
    }

    /// Stores what a connection said at `as_of` of accounts, each under the id it was
    /// asked for by; all or none. An account is found by [`Key::Account`] alone: it is
    /// nobody who calls, also where the same record is a person as well.
    pub fn remember_accounts<'a>(
        &'a self,
        connection: &'a str,
        accounts: &'a [(&'a str, &'a Contact)],
        as_of: Timestamp,
    ) -> Boxed<'a, ()> {
        Box::pin(async move {
            let ring = self.keys();
            let account = |&(id, account): &(&str, &Contact)| {
                let place = hash_of(&ring, connection, &Key::Account(id.to_owned()));
                let whose = Some(record_hash(&ring, connection, &account.record));
                Ok(Remembered { whose, ..Remembered::under(&ring, place, account, Vec::new())? })
            };
            let contacts = accounts.iter().map(account).collect::<Result<Vec<_>>>()?;
            let answers = vec![Answer { asked: Vec::new(), contacts }];
            let connection = connection.to_owned();
            self.write(Remember { connection, answers, as_of: as_of.0 }).await.map(drop)
        })
    }

    /// Forgets an account. Returns whether it was known.
    pub fn forget_account<'a>(&'a self, connection: &'a str, id: &'a str) -> Boxed<'a, bool> {
        Box::pin(async move {
            let record = hash_of(&self.keys(), connection, &Key::Account(id.to_owned()));
            self.write(Forget { connection: connection.to_owned(), record }).await
        })
    }

    /// Notes what the contact center has been told of a record. Returns
    /// whether the directory knows the record.
    pub fn mark_pushed<'a>(
        &'a self,
        connection: &'a str,
        record: &'a str,
        digest: [u8; 16],
    ) -> Boxed<'a, bool> {
        Box::pin(async move {
            let record = record_hash(&self.keys(), connection, record);
            self.write(MarkPushed { connection: connection.to_owned(), record, digest }).await
        })
    }

    /// Forgets a record and its keys; its calls stay. Returns whether it was known.
    pub fn forget<'a>(&'a self, connection: &'a str, record: &'a str) -> Boxed<'a, bool> {
        Box::pin(async move {
            let record = record_hash(&self.keys(), connection, record);
            self.write(Forget { connection: connection.to_owned(), record }).await
        })
    }

    /// How many contacts and accounts the directory holds.
    pub fn directory_size(&self) -> Boxed<'_, u64> {
        Box::pin(async move { self.read(&Size).await })
    }
}

fn hash_of(keys: &Keyring, connection: &str, key: &Key) -> Hash {
    match key {
        Key::Phone(e164) => keys.hash("phone", &[e164]),
        Key::Email(email) => keys.hash("email", &[email]),
        Key::Record(record) => record_hash(keys, connection, record),
        Key::Account(id) => Name::Account { connection, id }.hash(keys),
    }
}

/// A contact ready to be stored.
struct Remembered {
    record: Hash,
    sealed: Vec<u8>,
    keys: Vec<Hash>,
    /// Of an account: the record that it is, which may be an erased person's.
    whose: Option<Hash>,
}

impl Remembered {
    fn new(ring: &Keyring, connection: &str, contact: &Contact) -> Result<Self> {
        let record = record_hash(ring, connection, &contact.record);
        let phones = contact.phones.iter().map(|phone| ring.hash("phone", &[&phone.e164]));
        let email =
            contact.email.as_ref().map(|email| ring.hash("email", &[&email.trim().to_lowercase()]));
        let mut keys: Vec<Hash> = phones.chain(email).collect();
        keys.sort_unstable();
        keys.dedup();
        Self::under(ring, record, contact, keys)
    }

    fn under(ring: &Keyring, record: Hash, contact: &Contact, keys: Vec<Hash>) -> Result<Self> {
        let plain = encode(&ContactRow::from(contact))?;
        let sealed = ring.seal("contacts.sealed", &record, plain)?;
        Ok(Self { record, sealed, keys, whose: None })
    }
}

struct Remember {
    connection: String,
    answers: Vec<Answer>,
    as_of: i64,
}

/// One answer, ready to be stored.
struct Answer {
    asked: Vec<Hash>,
    contacts: Vec<Remembered>,
}

impl Work for Remember {
    /// Keys asked for that somebody who was erased has as well as others.
    type Output = Vec<Hash>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Hash>> {
        crash::point("directory.remember");
        tx.touched = Touched::Nothing;
        let guard = Guard::take(tx).await?;
        let mut shared = Vec::new();
        for answer in &self.answers {
            for contact in &answer.contacts {
                let names: Vec<&Hash> =
                    contact.keys.iter().chain([&contact.record]).chain(&contact.whose).collect();
                if let Some(erasure) = guard.refusal(tx, &names).await? {
                    // Erased: no answer brings them back, and who shares a key with them
                    // is not named by it alone.
                    if answer.contacts.len() > 1 {
                        let asked = answer.asked.iter().filter(|key| contact.keys.contains(key));
                        let own: Vec<Hash> = asked.copied().collect();
                        mark_shared(tx, &erasure, &own).await?;
                        shared.extend(own);
                    }
                    continue;
                }
                self.store(tx, contact, &answer.asked).await?;
            }
            for key in &answer.asked {
                tx.touched.add(*key);
                self.drop_others(tx, key, &answer.contacts).await?;
            }
        }
        crash::point("directory.remembered");
        Ok(shared)
    }
}

impl Remember {
    async fn store(&self, tx: &mut Tx<'_>, contact: &Remembered, asked: &[Hash]) -> Result<()> {
        const CONTACT: &str = "
            INSERT INTO contacts (connection, record, sealed, as_of) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT (connection, record) DO UPDATE SET sealed = excluded.sealed, as_of = excluded.as_of
            WHERE contacts.as_of <= excluded.as_of
            RETURNING id";
        const KEYS: &str = "SELECT hash FROM contact_keys WHERE contact = ?1";
        const GONE: &str = "
            UPDATE contact_keys SET gone_at = ?4
            WHERE connection = ?1 AND hash = ?2 AND contact = ?3 AND gone_at IS NULL";
        const HERE: &str = "
            INSERT INTO contact_keys (connection, hash, contact, asked_at) VALUES (?1, ?2, ?3, ?5)
            ON CONFLICT (connection, hash, contact) DO UPDATE SET gone_at = NULL,
                asked_at = coalesce(excluded.asked_at, contact_keys.asked_at)
            WHERE contact_keys.gone_at <= ?4
                OR (contact_keys.gone_at IS NULL AND excluded.asked_at IS NOT NULL)";
        let connection = self.connection.as_str();
        let params = [
            connection.into(),
            (&contact.record).into(),
            contact.sealed[..].into(),
            self.as_of.into(),
        ];
        let Some(row) = tx.row(CONTACT, &params).await? else {
            return Ok(()); // a newer answer has been here
        };
        let id = row.int(0)?;
        tx.touched.add(contact.record);
        for row in tx.rows(KEYS, &[id.into()]).await? {
            let key = row.hash(0)?;
            tx.touched.add(key);
            if !contact.keys.contains(&key) {
                let params = [connection.into(), (&key).into(), id.into(), self.as_of.into()];
                tx.execute(GONE, &params).await?;
            }
        }
        for key in &contact.keys {
            tx.touched.add(*key);
            let asked_at = asked.contains(key).then_some(self.as_of);
            let params =
                [connection.into(), key.into(), id.into(), self.as_of.into(), asked_at.into()];
            tx.execute(HERE, &params).await?;
        }
        Ok(())
    }

    /// Whoever else had the key, as far as nothing newer is known of them, has it no more.
    async fn drop_others(
        &self,
        tx: &mut Tx<'_>,
        key: &Hash,
        answered: &[Remembered],
    ) -> Result<()> {
        const HOLDERS: &str = "
            SELECT contacts.record, contacts.id, contacts.as_of FROM contact_keys
            JOIN contacts ON contacts.id = contact_keys.contact
            WHERE contact_keys.connection = ?1 AND contact_keys.hash = ?2
                AND (contact_keys.gone_at IS NULL OR contact_keys.gone_at < ?3)";
        const GONE: &str = "
            UPDATE contact_keys SET gone_at = ?4 WHERE connection = ?1 AND hash = ?2 AND contact = ?3";
        let connection = self.connection.as_str();
        for row in tx.rows(HOLDERS, &[connection.into(), key.into(), self.as_of.into()]).await? {
            let record = row.hash(0)?;
            let is_answered = answered.iter().any(|contact| contact.record == record);
            if !is_answered && row.int(2)? <= self.as_of {
                let params = [connection.into(), key.into(), row.int(1)?.into(), self.as_of.into()];
                tx.execute(GONE, &params).await?;
            }
        }
        Ok(())
    }
}

struct MarkPushed {
    connection: String,
    record: Hash,
    digest: [u8; 16],
}

impl Work for MarkPushed {
    type Output = bool;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool> {
        const SQL: &str = "
            UPDATE contacts SET pushed = ?3 WHERE connection = ?1 AND record = ?2 RETURNING id";
        const KEYS: &str = "SELECT hash FROM contact_keys WHERE contact = ?1";
        let params =
            [self.connection.as_str().into(), (&self.record).into(), (&self.digest).into()];
        tx.touched = Touched::Keys(vec![self.record]);
        let Some(row) = tx.row(SQL, &params).await? else { return Ok(false) };
        for key in tx.rows(KEYS, &[row.int(0)?.into()]).await? {
            tx.touched.add(key.hash(0)?);
        }
        Ok(true)
    }
}

struct Forget {
    connection: String,
    record: Hash,
}

impl Work for Forget {
    type Output = bool;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool> {
        const SQL: &str = "DELETE FROM contacts WHERE connection = ?1 AND record = ?2";
        let params = [self.connection.as_str().into(), (&self.record).into()];
        Ok(tx.execute(SQL, &params).await? > 0)
    }
}

struct Size;

impl Work for Size {
    type Output = u64;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<u64> {
        let row = tx.row("SELECT count(*) FROM contacts", &[]).await?;
        row.map_or(Ok(0), |row| Ok(u64::try_from(row.int(0)?).unwrap_or(0)))
    }
}
