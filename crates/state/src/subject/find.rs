//! From a number, an e-mail or a record to everything that one person is known by.
//!
//! One step wide, on purpose: a named record gives its numbers and e-mails; a number or
//! an e-mail alone gives everybody who has it, and theirs. What others have as well is
//! marked as shared: nothing is removed by it.

use super::sought::Sought;
use super::tables;
use super::tombstones::Name;
use crate::calls::record_hash;
use crate::error::{Boxed, Result};
use crate::keys::{Hash, Keyring};
use crate::overrides::{number_hash, opened};
use crate::rows::{Identity, decode};
use crate::sql::Row;
use crate::store::Store;
use domain::Contact;
use std::collections::{BTreeMap, BTreeSet};

/// People behind one number beyond whom a subject is cut: a switchboard is nobody.
const PEOPLE_MAX: usize = 1_000;

/// A record in one system.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    pub connection: String,
    pub record: String,
}

impl Record {
    /// This as the name of an account.
    pub(crate) fn account(&self) -> Name<'_> {
        Name::Account { connection: &self.connection, id: &self.record }
    }
}

/// What a person was asked for by.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Identifiers {
    /// E.164.
    pub phones: BTreeSet<String>,
    /// In lower case.
    pub emails: BTreeSet<String>,
    pub records: BTreeSet<Record>,
}

/// Why an identifier counts as the person's.
#[derive(Clone, PartialEq, Eq)]
pub enum Why {
    /// It was asked for.
    Asked,
    /// This externalId's record has it.
    Of(String),
}

/// A number or an e-mail of the subject.
#[derive(Clone, PartialEq, Eq)]
pub struct Identifier {
    pub why: Why,
    /// Somebody who is not meant has it as well.
    pub is_shared: bool,
}

/// One of the records that are meant, or that share something with them.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// Empty where the connection is no longer configured and no call says it.
    pub external_id: String,
    /// Empty where the directory does not know the record.
    pub name: String,
}

/// Who is meant.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Subject {
    pub people: BTreeMap<Record, Person>,
    pub phones: BTreeMap<String, Identifier>,
    pub emails: BTreeMap<String, Identifier>,
    /// Accounts of theirs in systems beside the CRM, by connection and the id by which
    /// their records are linked to it.
    pub accounts: BTreeMap<Record, Identifier>,
    /// Who shares a number or an e-mail and is not meant.
    pub others: BTreeMap<Record, Person>,
    /// More people than are looked at.
    pub is_cut: bool,
}

impl Store {
    /// Who is meant, and everything they are known by. `prefixes`: of externalIds, by
    /// connection. Calls are read one page after the other where a number or an e-mail
    /// alone is asked for: nothing leads from these to a call.
    pub fn subject<'a>(
        &'a self,
        asked: &'a Identifiers,
        prefixes: &'a BTreeMap<String, String>,
    ) -> Boxed<'a, Subject> {
        Box::pin(async move {
            let mut found = Subject::default();
            for phone in &asked.phones {
                found.phones.insert(phone.clone(), asked_for());
            }
            for email in &asked.emails {
                found.emails.insert(email.clone(), asked_for());
            }
            let search = Search { store: self, prefixes };
            for record in &asked.records {
                let person = search.nameless(record);
                found.people.insert(record.clone(), person);
            }
            if asked.records.is_empty() {
                search.everybody(&mut found).await?;
            }
            search.tie(&mut found).await?;
            search.widen(&mut found).await?;
            search.mark_shared(&mut found).await?;
            found.is_cut |= found.people.len() > PEOPLE_MAX;
            Ok(found)
        })
    }

    /// What the directory has of a connection, 500 entries after a place; the next place
    /// is `None` behind the last.
    pub fn directory_page<'a>(
        &'a self,
        connection: &'a str,
        after: i64,
    ) -> Boxed<'a, (Vec<Contact>, Option<i64>)> {
        Box::pin(async move {
            let rows = self.read(&tables::Contacts { after }).await?;
            let next = rows.last().map(|row| row.int(0)).transpose()?;
            let contacts = self.unseal(|keys| {
                let own =
                    rows.iter().filter(|row| row.text(3).is_ok_and(|name| name == connection));
                own.map(|row| tables::contact(keys, row)).collect::<Result<Vec<_>>>()
            });
            Ok((contacts.await?, next))
        })
    }
}

fn asked_for() -> Identifier {
    Identifier { why: Why::Asked, is_shared: false }
}

struct Search<'a> {
    store: &'a Store,
    prefixes: &'a BTreeMap<String, String>,
}

impl Search<'_> {
    fn nameless(&self, record: &Record) -> Person {
        let prefix = self.prefixes.get(&record.connection);
        let external_id = prefix.map(|prefix| format!("{prefix}:{}", record.record));
        Person { external_id: external_id.unwrap_or_default(), name: String::new() }
    }

    /// Everybody who has one of the numbers or e-mails: in the directory, by a
    /// correction, or in a call.
    async fn everybody(&self, found: &mut Subject) -> Result<()> {
        let keys = self.store.keys();
        let hashes = found.phones.keys().map(|phone| (keys.hash("phone", &[phone]), Some(phone)));
        let emails = found.emails.keys().map(|email| (keys.hash("email", &[email]), None));
        let named: Vec<_> = hashes.chain(emails).collect();
        let mut people = BTreeMap::new();
        for (hash, phone) in named {
            let number = phone.map(|phone| number_hash(&keys, phone));
            people.extend(self.holders(&hash, number.as_ref()).await?);
        }
        found.people.extend(people);
        let sought = Sought::of(&keys, found);
        let mut after = 0;
        while found.people.len() <= PEOPLE_MAX {
            let rows = self.store.read(&tables::Calls { after }).await?;
            let Some(last) = rows.last() else { break };
            after = last.int(0)?;
            let seen = self.store.unseal(|keys| {
                let seen = rows.iter().map(|row| whose(keys, &sought, row));
                seen.collect::<Result<Vec<_>>>()
            });
            for (record, external_id) in seen.await?.into_iter().flatten() {
                let person = found.people.entry(record.clone());
                let person = person.or_insert_with(|| self.nameless(&record));
                if person.external_id.is_empty() {
                    person.external_id = external_id;
                }
            }
        }
        Ok(())
    }

    /// The same people's records in other systems, as syncs have tied them.
    async fn tie(&self, found: &mut Subject) -> Result<()> {
        let keys = self.store.keys();
        let hash = |of: &Record| record_hash(&keys, &of.connection, &of.record);
        let hashes: Vec<Hash> = found.people.keys().map(hash).collect();
        for record in self.store.records_of_syncs(&hashes).await? {
            let person = self.nameless(&record);
            found.people.entry(record).or_insert(person);
        }
        Ok(())
    }

    /// The numbers, e-mails and names of the records that are meant.
    async fn widen(&self, found: &mut Subject) -> Result<()> {
        for (record, person) in &mut found.people {
            let Some(contact) = self.contact(record).await? else { continue };
            person.name = contact.name;
            let of = || Identifier { why: Why::Of(person.external_id.clone()), is_shared: false };
            for phone in contact.phones {
                found.phones.entry(phone.e164).or_insert_with(of);
            }
            if let Some(email) = contact.email {
                found.emails.entry(email.trim().to_lowercase()).or_insert_with(of);
            }
        }
        Ok(())
    }

    async fn mark_shared(&self, found: &mut Subject) -> Result<()> {
        let keys = self.store.keys();
        let Subject { people, phones, emails, others, .. } = found;
        let phones = phones
            .iter_mut()
            .map(|(phone, of)| (keys.hash("phone", &[phone]), Some(number_hash(&keys, phone)), of));
        let emails = emails.iter_mut().map(|(email, of)| (keys.hash("email", &[email]), None, of));
        let all: Vec<_> = phones.chain(emails).collect();
        for (hash, number, identifier) in all {
            for (record, person) in self.holders(&hash, number.as_ref()).await? {
                if !people.contains_key(&record) {
                    identifier.is_shared = true;
                    others.insert(record, person);
                }
            }
        }
        Ok(())
    }

    async fn contact(&self, record: &Record) -> Result<Option<Contact>> {
        let hash = record_hash(&self.store.keys(), &record.connection, &record.record);
        let row =
            self.store.read(&tables::OneContact { hash, connection: &record.connection }).await?;
        self.store
            .unseal(|keys| row.as_ref().map(|row| tables::contact(keys, row)).transpose())
            .await
    }

    /// Whose a number or an e-mail is, as the directory, syncs and corrections have it.
    async fn holders(
        &self,
        hash: &Hash,
        number: Option<&Hash>,
    ) -> Result<BTreeMap<Record, Person>> {
        let mut people = BTreeMap::new();
        for connection in self.store.read(&tables::Connections).await? {
            let mut after = 0;
            while people.len() <= PEOPLE_MAX {
                let work = tables::Holders { connection: &connection, hash: *hash, after };
                let rows = self.store.read(&work).await?;
                let Some(last) = rows.last() else { break };
                after = last.int(0)?;
                let contacts = self.store.unseal(|keys| {
                    rows.iter().map(|row| tables::contact(keys, row)).collect::<Result<Vec<_>>>()
                });
                for contact in contacts.await? {
                    let record =
                        Record { connection: connection.clone(), record: contact.record.clone() };
                    let person = Person { name: contact.name, ..self.nameless(&record) };
                    people.insert(record, person);
                }
            }
        }
        for record in self.store.records_of_syncs(&[*hash]).await? {
            let person = self.nameless(&record);
            people.entry(record).or_insert(person);
        }
        if let Some(number) = number {
            let rows = self.store.read(&tables::OverridesOf { hash: *number }).await?;
            let known = self.store.unseal(|keys| {
                rows.iter().map(|row| opened(keys, row)).collect::<Result<Vec<_>>>()
            });
            for found in known.await? {
                let record =
                    Record { connection: found.said.connection, record: found.said.record };
                let person = Person { external_id: found.said.external_id, name: String::new() };
                people.entry(record).or_insert(person);
            }
        }
        Ok(people)
    }
}

/// The record that a call of one of the numbers or e-mails was found to be from.
fn whose(keys: &Keyring, sought: &Sought, row: &Row) -> Result<Option<(Record, String)>> {
    if !sought.names(keys, row)? {
        return Ok(None);
    }
    let identity: Identity =
        decode(&keys.open("calls.identity", row.text(1)?.as_bytes(), row.blob(6)?)?)?;
    let Some(record) = identity.contact else { return Ok(None) };
    Ok(Some((Record { connection: row.text(2)?.to_owned(), record }, identity.external_id)))
}
