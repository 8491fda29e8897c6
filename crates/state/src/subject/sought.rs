//! What is looked for, as keyed hashes, and whether a row speaks of it.
//!
//! Sealed rows have no index that leads to a person: they are read page by page, opened
//! and judged here, the same for an export and for an erasure.

use super::find::Subject;
use super::tombstones::Name;
use crate::calls::{A_RECORD, record_hash};
use crate::decisions::details_of;
use crate::error::Result;
use crate::keys::{Hash, Keyring};
use crate::overrides::number_hash;
use crate::rows::{Details, decode};
use crate::sql::Row;
use domain::Contact;
use std::collections::{BTreeMap, HashSet};

/// The kinds of hashes by which one person is found.
pub(super) const PHONE: &str = "phone";
pub(super) const EMAIL: &str = "email";
pub(super) const RECORD: &str = "record";
/// As overrides are found.
pub(super) const NUMBER: &str = "number";
/// Whose interactions a caller without a record counts to.
pub(super) const SUBJECT: &str = "subject";
/// As it is written in jobs and in the audit log.
pub(super) const EXTERNAL_ID: &str = "external_id";
/// An account beside the CRM, by the id that records are linked to it by.
pub(super) const ACCOUNT: &str = "account";
/// A number or an e-mail that others have as well: nothing is removed by it.
pub(super) const SHARED: &str = "shared";

/// The hashes of everything that names a subject alone, and of what it shares.
pub(super) fn marks(keys: &Keyring, subject: &Subject) -> BTreeMap<Hash, &'static str> {
    let mut marks = BTreeMap::new();
    for (phone, found) in &subject.phones {
        if found.is_shared {
            marks.insert(Name::Phone(phone).hash(keys), SHARED);
            continue;
        }
        let id = keys.phone_id(phone);
        marks.insert(Name::Phone(phone).hash(keys), PHONE);
        marks.insert(number_hash(keys, phone), NUMBER);
        marks.insert(keys.hash("phone id", &[&id]), SUBJECT);
        marks.insert(external_id(keys, &format!("PHONE:{id}")), EXTERNAL_ID);
    }
    for (email, found) in &subject.emails {
        let kind = if found.is_shared { SHARED } else { EMAIL };
        marks.insert(Name::Email(email).hash(keys), kind);
    }
    for record in subject.people.keys() {
        marks.insert(record_hash(keys, &record.connection, &record.record), RECORD);
    }
    for (account, _) in subject.accounts.iter().filter(|(_, found)| !found.is_shared) {
        marks.insert(account.account().hash(keys), ACCOUNT);
    }
    for person in subject.people.values().filter(|person| !person.external_id.is_empty()) {
        marks.insert(external_id(keys, &person.external_id), EXTERNAL_ID);
    }
    marks
}

fn external_id(keys: &Keyring, text: &str) -> Hash {
    keys.hash("external id", &[text])
}

/// Whether a call is one of those looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallHit {
    No,
    Whole,
    /// It was somebody else's, and only names the record that it was asked for by.
    Asked,
}

/// Whether a decision speaks of whom is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DecisionHit {
    No,
    /// Their values were seen.
    Whole,
    /// It names them, and so is theirs unless its call is known to be somebody else's.
    Named,
}

/// What is looked for.
#[derive(Clone, Default)]
pub(crate) struct Sought {
    pub(super) hashes: HashSet<Hash>,
}

impl Sought {
    pub(super) fn of(keys: &Keyring, subject: &Subject) -> Self {
        let marks = marks(keys, subject).into_iter().filter(|(_, kind)| *kind != SHARED);
        Self { hashes: marks.map(|(hash, _)| hash).collect() }
    }

    /// Of a row as [`super::tables::Calls`] reads it. A call of somebody else's record
    /// stays theirs, whatever number it came from.
    pub(super) fn call(&self, keys: &Keyring, row: &Row) -> Result<CallHit> {
        if row.opt_hash(4)?.is_some_and(|subject| self.hashes.contains(&subject)) {
            return Ok(CallHit::Whole);
        }
        let details = details(keys, row)?;
        let is_elses = row.int(3)? >= A_RECORD;
        if self.asked(keys, row.text(2)?, &details) {
            return Ok(if is_elses { CallHit::Asked } else { CallHit::Whole });
        }
        let is_hit = !is_elses && self.called(keys, &details);
        Ok(if is_hit { CallHit::Whole } else { CallHit::No })
    }

    /// Of a row as [`super::tables::Decisions`] reads it.
    pub(super) fn decision(&self, keys: &Keyring, row: &Row) -> Result<DecisionHit> {
        let mut records = row.blob(5)?.as_chunks::<16>().0.iter();
        if records.any(|hash| self.hashes.contains(hash)) {
            return Ok(DecisionHit::Whole);
        }
        let is_named = row.opt_hash(4)?.is_some_and(|number| self.hashes.contains(&number))
            || self.is_in_json(keys, &details_of(keys, row)?);
        Ok(if is_named { DecisionHit::Named } else { DecisionHit::No })
    }

    /// Of a row as [`super::tables::OneCall`] reads it: a call of somebody else's record.
    pub(super) fn is_elses(&self, keys: &Keyring, call: &Row) -> Result<bool> {
        Ok(call.int(3)? >= A_RECORD && self.call(keys, call)? != CallHit::Whole)
    }

    /// Whether a call came from one of the numbers or e-mails, whoever it was.
    pub(super) fn names(&self, keys: &Keyring, row: &Row) -> Result<bool> {
        Ok(self.called(keys, &details(keys, row)?))
    }

    /// Whether an entry of the directory is an account that is one of the records, under
    /// whatever id records of other systems are linked to it.
    pub(super) fn account(&self, keys: &Keyring, connection: &str, contact: &Contact) -> bool {
        self.hashes.contains(&record_hash(keys, connection, &contact.record))
    }

    fn called(&self, keys: &Keyring, details: &Details) -> bool {
        let phone = details.number.as_deref().map(Name::Phone);
        let email = details.email.as_deref().map(Name::Email);
        phone.into_iter().chain(email).any(|name| self.hashes.contains(&name.hash(keys)))
    }

    fn asked(&self, keys: &Keyring, connection: &str, details: &Details) -> bool {
        let record = details.record.as_deref();
        record.is_some_and(|record| self.hashes.contains(&record_hash(keys, connection, record)))
    }

    /// Whether a text names what is looked for: an externalId, a number or an e-mail
    /// among its words.
    pub(super) fn is_in(&self, keys: &Keyring, text: &str) -> bool {
        is_in_text(keys, text, &|hash| self.hashes.contains(hash))
    }

    /// The same of any text within a job's payload; one that is no JSON says nothing.
    pub(super) fn is_in_json(&self, keys: &Keyring, payload: &[u8]) -> bool {
        is_named_in_json(keys, payload, &|hash| self.hashes.contains(hash))
    }
}

type IsSought<'a> = &'a dyn Fn(&Hash) -> bool;

/// As [`Sought::is_in_json`], for whoever knows the hashes in another way.
pub(super) fn is_named_in_json(keys: &Keyring, payload: &[u8], is_sought: IsSought<'_>) -> bool {
    let json: std::result::Result<serde_json::Value, _> = serde_json::from_slice(payload);
    json.is_ok_and(|json| is_in_value(keys, &json, is_sought))
}

fn is_in_value(keys: &Keyring, value: &serde_json::Value, is_sought: IsSought<'_>) -> bool {
    match value {
        serde_json::Value::String(text) => is_in_text(keys, text, is_sought),
        serde_json::Value::Array(list) => list.iter().any(|one| is_in_value(keys, one, is_sought)),
        serde_json::Value::Object(map) => map.values().any(|one| is_in_value(keys, one, is_sought)),
        _ => false,
    }
}

fn is_in_text(keys: &Keyring, text: &str, is_sought: IsSought<'_>) -> bool {
    let is_between = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '"' | '(' | ')');
    text.split(is_between).filter(|word| !word.is_empty()).any(|word| {
        let hash = if word.contains('@') {
            Name::Email(word).hash(keys)
        } else if word.starts_with('+') {
            Name::Phone(word).hash(keys)
        } else if word.contains(':') {
            external_id(keys, word)
        } else {
            return false;
        };
        is_sought(&hash)
    })
}

/// What is sealed of a call besides who it was.
pub(super) fn details(keys: &Keyring, row: &Row) -> Result<Details> {
    decode(&keys.open("calls.details", row.text(1)?.as_bytes(), row.blob(5)?)?)
}
