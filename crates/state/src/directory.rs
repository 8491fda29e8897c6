//! The directory: our own encrypted copy of the CRMs' contacts, found by key.
//!
//! [`Store::find`] on the call's path, in place and in microseconds.
//! [`Store::remember`] with every answer of a CRM: what it says replaces what
//! an older answer said, and a late answer changes nothing that a newer one
//! has settled. Keys that a contact no longer answers to are kept as marks
//! with their date, or a late answer could bring them back.

mod opened;

use crate::calls::record_hash;
use crate::crash;
use crate::error::Result;
use crate::keys::{Hash, Keyring};
use crate::rows::{ContactRow, decode, encode};
use crate::sql::{Row, Tx, Work};
use crate::store::Store;
use domain::{Contact, Timestamp};
use std::collections::HashMap;
use std::sync::Arc;

pub(crate) use opened::Opened;

/// What a contact is found by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// A number as E.164.
    Phone(String),
    /// An e-mail, in lower case.
    Email(String),
    /// The record's id in its own system.
    Record(String),
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
    /// The last call that counted to this record.
    pub last_call_at: Option<Timestamp>,
    /// Which of the keys asked for led here.
    pub matched: Vec<Key>,
}

impl Store {
    /// The contacts of a connection under any of the keys, at most 50 for
    /// each key (those known longest), in the order of their first appearance.
    pub async fn find(&self, connection: &str, keys: &[Key]) -> Result<Vec<Entry>> {
        let ring = self.keys();
        let hashes = keys.iter().map(|key| hash_of(&ring, connection, key)).collect();
        let rows = self.read(&Find { connection, keys, hashes }).await?;
        self.unseal(|ring| entries(ring, self.opened(), keys, &rows)).await
    }

    /// Stores what a connection answered at `as_of`: these contacts with all
    /// their keys, and that nobody else answers to the keys asked for. Of two
    /// answers the newer one stands, in whatever order they come.
    /// Only E.164 numbers and e-mails of the contact itself become its keys.
    pub async fn remember(
        &self,
        connection: &str,
        asked: &[Key],
        contacts: &[Contact],
        as_of: Timestamp,
    ) -> Result<()> {
        self.remember_all(connection, &[(asked, contacts)], as_of).await
    }

    /// Stores several answers, each the keys asked for and who came back, as
    /// [`Store::remember`] does; all or none.
    pub async fn remember_all(
        &self,
        connection: &str,
        answers: &[(&[Key], &[Contact])],
        as_of: Timestamp,
    ) -> Result<()> {
        let ring = self.keys();
        let answer = |(asked, contacts): &(&[Key], &[Contact])| -> Result<Answer> {
            let asked = asked.iter().filter(|key| !matches!(key, Key::Record(_)));
            let contacts = contacts.iter().map(|one| Remembered::new(&ring, connection, one));
            Ok(Answer {
                asked: asked.map(|key| hash_of(&ring, connection, key)).collect(),
                contacts: contacts.collect::<Result<_>>()?,
            })
        };
        self.write(Remember {
            connection: connection.to_owned(),
            answers: answers.iter().map(answer).collect::<Result<_>>()?,
            as_of: as_of.0,
        })
        .await
    }

    /// Notes what the contact center has been told of a record. Returns
    /// whether the directory knows the record.
    pub async fn mark_pushed(
        &self,
        connection: &str,
        record: &str,
        digest: [u8; 16],
    ) -> Result<bool> {
        let record = record_hash(&self.keys(), connection, record);
        self.write(MarkPushed { connection: connection.to_owned(), record, digest }).await
    }

    /// Forgets a record and its keys; its calls stay. Returns whether it was known.
    pub async fn forget(&self, connection: &str, record: &str) -> Result<bool> {
        let record = record_hash(&self.keys(), connection, record);
        self.write(Forget { connection: connection.to_owned(), record }).await
    }

    /// How many contacts the directory holds.
    pub async fn directory_size(&self) -> Result<u64> {
        self.read(&Size).await
    }
}

fn hash_of(keys: &Keyring, connection: &str, key: &Key) -> Hash {
    match key {
        Key::Phone(e164) => keys.hash("phone", &[e164]),
        Key::Email(email) => keys.hash("email", &[email]),
        Key::Record(record) => record_hash(keys, connection, record),
    }
}

struct Find<'a> {
    connection: &'a str,
    keys: &'a [Key],
    hashes: Vec<Hash>,
}

impl Work for Find<'_> {
    /// The key's position, and a contact it leads to.
    type Output = Vec<(usize, Row)>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output> {
        const BY_KEY: &str = "
            SELECT contacts.id, contacts.record, contacts.sealed, contacts.as_of, contacts.pushed,
                interactions.last_call_at, contact_keys.asked_at
            FROM contact_keys
            JOIN contacts ON contacts.id = contact_keys.contact
            LEFT JOIN interactions ON interactions.subject = contacts.record
            WHERE contact_keys.connection = ?1 AND contact_keys.hash = ?2 AND contact_keys.gone_at IS NULL
            ORDER BY contact_keys.contact LIMIT 50";
        const BY_RECORD: &str = "
            SELECT contacts.id, contacts.record, contacts.sealed, contacts.as_of, contacts.pushed,
                interactions.last_call_at, contacts.as_of
            FROM contacts
            LEFT JOIN interactions ON interactions.subject = contacts.record
            WHERE contacts.connection = ?1 AND contacts.record = ?2";
        let mut found = Vec::new();
        for (at, (key, hash)) in self.keys.iter().zip(&self.hashes).enumerate() {
            let sql = if matches!(key, Key::Record(_)) { BY_RECORD } else { BY_KEY };
            let rows = tx.rows(sql, &[self.connection.into(), hash.into()]).await?;
            found.extend(rows.into_iter().map(|row| (at, row)));
        }
        Ok(found)
    }
}

fn entries(
    ring: &Keyring,
    opened: &Opened,
    keys: &[Key],
    rows: &[(usize, Row)],
) -> Result<Vec<Entry>> {
    let mut places: HashMap<i64, usize> = HashMap::with_capacity(rows.len());
    let mut entries: Vec<Entry> = Vec::with_capacity(rows.len());
    for (key, row) in rows {
        let id = row.int(0)?;
        if let Some(&place) = places.get(&id) {
            let entry = &mut entries[place];
            entry.matched.push(keys[*key].clone());
            entry.asked_at = entry.asked_at.min(row.opt_int(6)?.map(Timestamp));
            continue;
        }
        let (record, sealed) = (row.blob(1)?, row.blob(2)?);
        let known = match opened.get(record, sealed) {
            Some(known) => known,
            None => {
                let plain = ring.open("contacts.sealed", record, sealed)?;
                let contact = Arc::new(Contact::from(decode::<ContactRow>(&plain)?));
                opened.keep(record, sealed, Arc::clone(&contact));
                contact
            }
        };
        let mut contact = Contact::clone(&known);
        let last_call_at = row.opt_int(5)?.map(Timestamp);
        contact.last_call_at = last_call_at;
        places.insert(id, entries.len());
        entries.push(Entry {
            contact,
            as_of: Timestamp(row.int(3)?),
            asked_at: row.opt_int(6)?.map(Timestamp),
            pushed: row.opt_hash(4)?,
            last_call_at,
            matched: vec![keys[*key].clone()],
        });
    }
    Ok(entries)
}

/// A contact ready to be stored.
struct Remembered {
    record: Hash,
    sealed: Vec<u8>,
    keys: Vec<Hash>,
}

impl Remembered {
    fn new(ring: &Keyring, connection: &str, contact: &Contact) -> Result<Self> {
        let record = record_hash(ring, connection, &contact.record);
        let phones = contact.phones.iter().map(|phone| ring.hash("phone", &[phone]));
        let email =
            contact.email.as_ref().map(|email| ring.hash("email", &[&email.trim().to_lowercase()]));
        let mut keys: Vec<Hash> = phones.chain(email).collect();
        keys.sort_unstable();
        keys.dedup();
        let plain = encode(&ContactRow::from(contact))?;
        Ok(Self { record, sealed: ring.seal("contacts.sealed", &record, plain)?, keys })
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
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<()> {
        crash::point("directory.remember");
        for answer in &self.answers {
            for contact in &answer.contacts {
                self.store(tx, contact, &answer.asked).await?;
            }
            for key in &answer.asked {
                self.drop_others(tx, key, &answer.contacts).await?;
            }
        }
        crash::point("directory.remembered");
        Ok(())
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
        for row in tx.rows(KEYS, &[id.into()]).await? {
            let key = row.hash(0)?;
            if !contact.keys.contains(&key) {
                let params = [connection.into(), (&key).into(), id.into(), self.as_of.into()];
                tx.execute(GONE, &params).await?;
            }
        }
        for key in &contact.keys {
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
        const SQL: &str = "UPDATE contacts SET pushed = ?3 WHERE connection = ?1 AND record = ?2";
        let params =
            [self.connection.as_str().into(), (&self.record).into(), (&self.digest).into()];
        Ok(tx.execute(SQL, &params).await? > 0)
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
