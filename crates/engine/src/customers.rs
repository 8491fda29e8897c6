//! What there is to know of one customer: what its own system says, always the newest,
//! and what is kept here besides.
//!
//! By externalId, or by the contact center's id of the contact it was pushed as.

use crate::lookup::Engine;
use crate::{Connection, follow_up::Identity};
use domain::matching::Policy;
use domain::phone::{self, Region};
use domain::{Caller, Contact, ExternalId, Timestamp, Value};
use kit::Ask;
use state::Key;
use state::customers::{Kept, Put, Whose};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::Instant;

/// A customer, as known now.
#[derive(Clone)]
pub struct Profile {
    pub external_id: ExternalId,
    pub connection: String,
    /// As its own system has it.
    pub contact: Contact,
    /// When that system said so.
    pub as_of: Timestamp,
    /// Older than it should be, because the system could not be asked.
    pub is_stale: bool,
    /// Connections beside that system that could not be asked.
    pub missing: Vec<String>,
    /// What is kept here of this customer.
    pub kept: Kept,
    /// Calls that count to this customer.
    pub calls: u64,
    pub last_call_at: Option<Timestamp>,
}

/// What customers are looked for by: a number, an e-mail, or whoever has either.
#[derive(Debug, Clone)]
pub struct Wanted {
    keys: Vec<Key>,
}

impl Wanted {
    /// As somebody wrote them; `None` where neither is there.
    #[must_use]
    pub fn read(phone: &str, email: &str, region: Region) -> Option<Self> {
        let mut keys = Vec::new();
        if let Caller::Number(number) = phone::parse(phone.trim(), region) {
            keys.push(Key::Phone(number.e164));
        }
        let email = email.trim().to_lowercase();
        if email.contains('@') {
            keys.push(Key::Email(email));
        }
        (!keys.is_empty()).then_some(Self { keys })
    }
}

/// A customer whom the directory knows.
#[derive(Clone)]
pub struct Known {
    pub external_id: ExternalId,
    pub connection: String,
    pub contact: Contact,
    /// When its own system said so.
    pub as_of: Timestamp,
}

/// What became of a change of persistent data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    Kept,
    /// Somebody else changed it since it was read.
    Meanwhile,
    /// There is nobody, or no call, to keep it of.
    Unknown,
}

impl Engine {
    /// The customer with this externalId or contact-center id; `None` where there is none.
    ///
    /// # Errors
    /// When our own store fails.
    pub async fn customer_profile(&self, id: &str) -> Result<Option<Profile>, state::Error> {
        let Some((connection, record)) = self.record_of(id).await? else { return Ok(None) };
        if self.is_erased_record(&connection.name, &record) {
            return Ok(None);
        }
        let Some(prefix) = connection.prefix.clone() else { return Ok(None) };
        let now = self.clock.now();
        let ask = Ask { record: Some(record), ..Ask::default() };
        let until = Instant::now() + self.options.corrections.confirm_within;
        let found = self.find(&connection, &ask, Policy::First, until, now).await;
        let Some(contact) = found.people.first().cloned() else { return Ok(None) };
        if self.is_erased(&connection.name, &contact) {
            return Ok(None);
        }
        let external_id = ExternalId::Record { prefix, record: contact.record.clone() };
        let mut identity = Identity::person(external_id, contact, &found);
        self.join_in_time(&connection, &mut identity, until, now).await;
        let Identity { external_id, as_of, is_stale, missing, contact, .. } = identity;
        let Some(contact) = contact else { return Ok(None) };
        let whose = Whose::Record { connection: &connection.name, record: &contact.record };
        let kept = self.store.data_of(whose).await?;
        let (calls, last_call_at) = self.store.calls_of(&connection.name, &contact.record).await?;
        let connection = connection.name.clone();
        Ok(Some(Profile {
            external_id,
            connection,
            contact,
            as_of,
            is_stale,
            missing,
            kept,
            calls,
            last_call_at,
        }))
    }

    /// Whom the directory knows by these; no system is asked.
    ///
    /// # Errors
    /// When our own store fails.
    pub async fn customers_with(&self, wanted: &Wanted) -> Result<Vec<Known>, state::Error> {
        let mut known = Vec::new();
        for connection in self.connections.all() {
            let Some(prefix) = &connection.prefix else { continue };
            for entry in self.store.find(&connection.name, &wanted.keys).await? {
                let (contact, as_of) = (entry.contact, entry.as_of);
                if self.is_erased(&connection.name, &contact) {
                    continue;
                }
                let record = contact.record.clone();
                let external_id = ExternalId::Record { prefix: prefix.clone(), record };
                let connection = connection.name.clone();
                known.push(Known { external_id, connection, contact, as_of });
            }
        }
        Ok(known)
    }

    /// Changes what is kept of a customer: `None` removes a name, names that are not
    /// mentioned stay. Only if its version is still `seen`, where that is given.
    ///
    /// # Errors
    /// When our own store fails.
    pub async fn keep_of_customer(
        &self,
        profile: &Profile,
        changes: BTreeMap<String, Option<Value>>,
        seen: Option<u64>,
    ) -> Result<Changed, state::Error> {
        let whose =
            Whose::Record { connection: &profile.connection, record: &profile.contact.record };
        self.keep(whose, changes, seen).await
    }

    /// The same of a call. Unknown calls have no data.
    ///
    /// # Errors
    /// When our own store fails.
    pub async fn keep_of_call(
        &self,
        call: &domain::CallId,
        changes: BTreeMap<String, Option<Value>>,
        seen: Option<u64>,
    ) -> Result<Changed, state::Error> {
        if !self.store.call_exists(call).await? {
            return Ok(Changed::Unknown);
        }
        self.keep(Whose::Call(call), changes, seen).await
    }

    async fn keep(
        &self,
        whose: Whose<'_>,
        changes: BTreeMap<String, Option<Value>>,
        seen: Option<u64>,
    ) -> Result<Changed, state::Error> {
        // Who gave no version changes what is there now, once more if it changes meanwhile.
        for _ in 0..TRIES {
            let Kept { mut data, version, .. } = self.store.data_of(whose).await?;
            if seen.is_some_and(|seen| seen != version) {
                return Ok(Changed::Meanwhile);
            }
            for (name, value) in changes.clone() {
                match value {
                    Some(value) => drop(data.insert(name, value)),
                    None => drop(data.remove(&name)),
                }
            }
            let put = self.store.put_data(whose, data, Some(version), self.clock.now()).await?;
            match put {
                Put::Kept { .. } => return Ok(Changed::Kept),
                Put::Erased => return Ok(Changed::Unknown),
                Put::Changed { .. } => {}
            }
        }
        Ok(Changed::Meanwhile)
    }

    /// The record behind an externalId or a contact-center id.
    async fn record_of(&self, id: &str) -> Result<Option<(Arc<Connection>, String)>, state::Error> {
        if let Ok(ExternalId::Record { prefix, record }) = id.parse() {
            let owner = self.connections.by_prefix(&prefix).cloned();
            return Ok(owner.map(|owner| (owner, record)));
        }
        let Some(center) = self.connections.contact_center() else { return Ok(None) };
        let link = self.store.linked(&center.name, id).await?;
        Ok(link.and_then(|link| {
            let owner = self.connections.get(&link.connection).cloned()?;
            Some((owner, link.record))
        }))
    }
}

/// How often a change without a version is tried against others.
const TRIES: usize = 5;
