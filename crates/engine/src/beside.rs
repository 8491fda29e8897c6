//! Asks what stands beside a CRM: an ERP that knows the accounts of its people.
//!
//! A person whose record carries a link is joined by what the other system says of the
//! account: from our own copy, else live in what is left of the deadline (invariant 2),
//! else in phase two by a job in the other system's own line ([`crate::finish`]). A record
//! without a link costs nothing. The directory keeps each system's word apart, so that
//! none is ever taken for the other's (invariant 7); a name that both give is the CRM's.
//!
//! A number that the CRM does not know is the other system's customer where our copy of
//! that system has it. It is asked for numbers in phase two alone.

use crate::accounts::{self, Accounts, Booked};
use crate::connections::Connection;
use crate::flights::Flight;
use crate::follow_up::{Found, Identity};
use crate::lookup::{Engine, identify};
use crate::overrides::Answering;
use domain::beside::{LinkedBy, join};
use domain::freshness::{Freshness, judge};
use domain::matching::Policy;
use domain::{Contact, Status, Timestamp, Value};
use kit::Ask;
use state::{Key, StoredCall};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long our own store may take behind an answer.
pub(crate) const STORE_MAX: Duration = Duration::from_secs(5);

/// A system beside a CRM, and what leads from the one to the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beside {
    /// The name of its connection.
    pub connection: String,
    pub linked_by: LinkedBy,
}

pub(crate) type Data = BTreeMap<String, Value>;

/// Who may be asked for what our own copy does not have.
#[derive(Clone, Copy)]
pub(crate) enum Asking<'a> {
    /// Everybody, for a call.
    Live,
    /// Nobody; the system of this name has just said so.
    Told(&'a str, Option<&'a Data>),
    Nobody,
}

/// An account that a person is linked to, and where.
pub(crate) struct Linked<'a> {
    pub(crate) other: &'a Arc<Connection>,
    pub(crate) accounts: &'a Accounts,
    pub(crate) id: String,
}

/// What one system says of an account.
enum Said {
    Data(Data),
    /// There is no such account.
    Nothing,
    /// It is being asked; an old copy serves if it does not answer.
    Asked(Flight, Option<Data>),
    /// It was not asked.
    Unknown(Option<Data>),
}

impl Engine {
    /// Who answers for a call as its request says, when no agent has said otherwise.
    pub(crate) async fn usually(
        &self,
        connection: Arc<Connection>,
        ask: Option<&Ask>,
        policy: Policy,
        until: Instant,
        now: Timestamp,
    ) -> Answering {
        let Some(ask) = ask else {
            return Answering::of(connection, None, Found::nobody(now));
        };
        let kept = self.kept(&connection, ask, policy, until, now).await;
        if kept.is_none() && !connection.beside.is_empty() {
            let beside = Box::pin(self.known_beside(&connection, ask, policy, until, now));
            if let Some(known) = beside.await {
                return known;
            }
        }
        let found = self.find_unless_kept(&connection, ask, until, now, kept).await;
        Answering::of(connection, Some(ask.clone()), found)
    }

    /// Joins what the systems beside a connection say of a person, as far as they say it
    /// before `until`.
    pub(crate) async fn join_in_time(
        &self,
        connection: &Connection,
        identity: &mut Identity,
        until: Instant,
        now: Timestamp,
    ) {
        self.join(connection, identity, Asking::Live, until, now).await;
    }

    /// The same of what our own copies have, without a word to anybody.
    pub(crate) async fn join_known(
        &self,
        connection: &Connection,
        identity: &mut Identity,
        now: Timestamp,
    ) {
        let until = Instant::now() + STORE_MAX;
        self.join(connection, identity, Asking::Nobody, until, now).await;
    }

    pub(crate) async fn join(
        &self,
        connection: &Connection,
        identity: &mut Identity,
        asking: Asking<'_>,
        until: Instant,
        now: Timestamp,
    ) {
        let Some(contact) = &mut identity.contact else { return };
        let mut said = Vec::new();
        for beside in &connection.beside {
            let Some(linked) = self.linked(beside, contact) else { continue };
            let word = match asking {
                Asking::Told(name, data) if name == linked.other.name => {
                    data.cloned().map_or(Said::Nothing, Said::Data)
                }
                _ => self.account(&linked, asking, until, now).await,
            };
            said.push((linked.other, word));
        }
        // All are being asked by now: one after the other is waited for at the same time.
        for (other, word) in said {
            let (data, failure) = match word {
                Said::Data(data) => (Some(data), None),
                Said::Nothing => (None, None),
                Said::Unknown(kept) => (kept, Some(None)),
                Said::Asked(flight, kept) => match timeout_at(until, flight.outcome()).await {
                    Ok(Ok(found)) => (self.data_of_account(other, &found), None),
                    Ok(Err(error)) => (kept, Some(Some(error.kind()))),
                    Err(_) => (kept, Some(Some("deadline"))),
                },
            };
            if let Some(reason) = failure {
                identity.missing.push(other.name.clone());
                // Older than its limit, but better than nothing; the answer says so.
                identity.is_stale |= data.is_some();
                if let Some(reason) = reason {
                    self.metrics.crm_failed(&other.name, reason);
                }
            }
            identity.joined.extend(join(&mut contact.data, &data.unwrap_or_default()));
        }
    }

    /// What a person is linked to in a system beside their own.
    pub(crate) fn linked(&self, beside: &Beside, person: &Contact) -> Option<Linked<'_>> {
        let other = self.connections.get(&beside.connection)?;
        let typed = beside.linked_by.account_of(person)?;
        let id = other.formats.ids.write(&typed);
        if [&id, &typed].into_iter().any(|id| self.is_erased_account(&other.name, id)) {
            return None;
        }
        Some(Linked { other, accounts: other.accounts.as_ref()?, id })
    }

    /// What a system answered of an account, unless that is an erased person.
    pub(crate) fn data_of_account(&self, other: &Connection, found: &[Contact]) -> Option<Data> {
        let account = found.first()?;
        let is_erased = self.is_erased_record(&other.name, &account.record);
        (!is_erased).then(|| account.data.clone())
    }

    /// From our own copy where it may answer; else it is asked, as far as may be.
    async fn account(
        &self,
        linked: &Linked<'_>,
        asking: Asking<'_>,
        until: Instant,
        now: Timestamp,
    ) -> Said {
        let Linked { other, accounts, id } = linked;
        let is_live = matches!(asking, Asking::Live);
        let ask = accounts::ask(id);
        let kept = self.kept_account(other, id, until).await;
        let freshness = kept.as_ref().map(|(_, as_of)| judge(*as_of, now, other.freshness));
        let kept = kept.map(|(data, _)| data);
        match (kept, freshness) {
            (Some(data), Some(Freshness::Fresh)) => Said::Data(data),
            (Some(data), Some(Freshness::Stale)) => {
                if is_live {
                    let landing = Booked::new(self, other);
                    drop(accounts.behind.join(&ask, &accounts.lookup, &landing));
                }
                Said::Data(data)
            }
            (None, _) if accounts.misses.holds(&ask) => Said::Nothing,
            (kept, _) if is_live => {
                let landing = Booked::new(self, other);
                Said::Asked(accounts.flights.join(&ask, &accounts.lookup, &landing), kept)
            }
            (kept, _) => Said::Unknown(kept),
        }
    }

    pub(crate) async fn kept_account(
        &self,
        other: &Connection,
        id: &str,
        until: Instant,
    ) -> Option<(Data, Timestamp)> {
        let keys = [Key::Account(id.to_owned())];
        let read = timeout_at(until, self.store.find(&other.name, &keys)).await.ok()?;
        let read = read.inspect_err(|error| {
            tracing::warn!("the directory could not be read for an account: {error}");
        });
        let entry = read.ok()?.into_iter().next()?;
        Some((entry.contact.data, entry.as_of))
    }

    /// Whoever a system beside the CRM is known to have under this number or e-mail, where
    /// our copy of the CRM has nobody. The CRM is asked behind, because it goes before.
    async fn known_beside(
        &self,
        crm: &Arc<Connection>,
        ask: &Ask,
        policy: Policy,
        until: Instant,
        now: Timestamp,
    ) -> Option<Answering> {
        // Whoever is named by a record of the CRM is the CRM's to find.
        let ask = by_number(ask).filter(|_| ask.record.is_none())?;
        for other in self.identifying(crm) {
            let Some((found, _)) = self.kept(other, &ask, policy, until, now).await else {
                continue;
            };
            // By age alone: what else could be known of them is asked behind.
            match judge(found.as_of, now, other.freshness) {
                Freshness::Expired => continue,
                Freshness::Stale => self.revalidate(other, &ask),
                Freshness::Fresh => {}
            }
            let known = identify(self, other, Some(&ask), found.clone(), policy);
            if known.status == Status::Hit {
                let answering = Answering::of(Arc::clone(other), Some(ask.clone()), found);
                let is_asked = !crm.misses.holds(&ask);
                return Some(Answering {
                    goes_before: is_asked.then(|| Arc::clone(crm)),
                    ..answering
                });
            }
        }
        None
    }

    /// The systems beside a CRM that can name a caller themselves.
    pub(crate) fn identifying<'a>(
        &'a self,
        crm: &'a Connection,
    ) -> impl Iterator<Item = &'a Arc<Connection>> + 'a {
        let others =
            crm.beside.iter().filter_map(|beside| self.connections.get(&beside.connection));
        others.filter(|other| other.prefix.is_some() && other.capabilities.lookup.is_some())
    }

    /// What is known of a stored call's customer by now: the CRM's word and what has joined it.
    ///
    /// # Errors
    /// When our own store fails.
    pub async fn data_of_call(&self, stored: &StoredCall) -> Result<Data, state::Error> {
        let call = &stored.call;
        let (Some(record), Some(connection)) =
            (&call.contact, self.connections.get(&call.connection))
        else {
            return Ok(Data::new());
        };
        let keys = [Key::Record(record.clone())];
        let entries = self.store.find(&connection.name, &keys).await?;
        let now = self.clock.now();
        let Some(mut found) = Found::from_directory(&keys, entries) else {
            return Ok(Data::new());
        };
        let Some(contact) = found.people.pop() else { return Ok(Data::new()) };
        let mut identity = Identity::person(call.external_id.clone(), contact, &found);
        self.join_known(connection, &mut identity, now).await;
        Ok(identity.contact.map(|contact| contact.data).unwrap_or_default())
    }
}

/// What people are found by whatever the system: a record's id belongs to one alone.
pub(crate) fn by_number(ask: &Ask) -> Option<Ask> {
    let ask = Ask { record: None, ..ask.clone() };
    (ask != Ask::default()).then_some(ask)
}

/// Whether `other` may have answered in the place of the CRM named `crm`.
pub(crate) fn stands_beside(engine: &Engine, other: &str, crm: &str) -> bool {
    let crm = engine.connections.get(crm);
    crm.is_some_and(|crm| crm.beside.iter().any(|beside| beside.connection == other))
}

/// A value as a contact center's attribute has it.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::List(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
    }
}
