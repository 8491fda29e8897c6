//! One person who asks: what is kept of them, and to be forgotten.
//!
//! Who is meant is widened first ([`Engine::subject`]), and the answer says by what. An
//! erasure puts up tombstones, then sweeps; a minute later it is swept once more, for
//! what was under way when it was made, and a killed one is swept at the next start
//! (invariant 10). From then on a call that names an erased person is nobody's: no CRM
//! is asked, and neither number nor e-mail is kept of it. In other systems nothing is
//! deleted: the answer names what was put there.

use crate::Connection;
use crate::beside::Linked;
use crate::follow_up::Found;
use crate::live::Live;
use crate::lookup::Engine;
use crate::overrides::Answering;
use domain::{Caller, Contact, ExternalId, Timestamp, phone};
use kit::Ask;
use state::Key;
use state::audit::Act;
use state::subject::{
    Erased, Export, Identifier, Identifiers, Name, Record, Removed, Subject, Why,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long after an erasure it is swept again: longer than any lookup takes, and than
/// other nodes take to learn of it.
const SWEPT_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// How often other nodes' erasures are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Identifiers of each kind in one request.
const ASKED_MAX: usize = 16;

/// What a call is answered, and stored, with that names an erased person.
pub(crate) const ERASED: &str = "the caller was erased here: nobody is looked up";

/// Whom somebody asks about, as they typed it.
#[derive(Clone, Default)]
pub struct Asked {
    pub phones: Vec<String>,
    pub emails: Vec<String>,
    pub external_ids: Vec<String>,
}

/// What could not be read of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    pub field: &'static str,
    pub reason: &'static str,
    pub fix: &'static str,
}

/// Something of the person that we have put into another system.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Elsewhere {
    pub connection: String,
    /// `contact`, `activity` or `conversation`.
    pub kind: &'static str,
    /// Its id there.
    pub id: String,
}

/// Who is meant, and what there is of them.
pub struct Preview {
    pub subject: Subject,
    pub export: Export,
    pub elsewhere: Vec<Elsewhere>,
    /// Erasures that an identifier of the request was part of.
    pub erasures: Vec<String>,
}

/// What became of an erasure.
pub struct Erasure {
    pub id: String,
    pub removed: Removed,
    pub tombstones: usize,
}

impl Engine {
    /// What was asked for, in the form in which it is kept.
    ///
    /// # Errors
    /// The first identifier that is none.
    pub fn identifiers(&self, asked: &Asked) -> Result<Identifiers, Unreadable> {
        let wrong = |field, reason, fix| Unreadable { field, reason, fix };
        let lists = [&asked.phones, &asked.emails, &asked.external_ids];
        let count: usize = lists.iter().map(|list| list.len()).sum();
        if count == 0 || lists.iter().any(|list| list.len() > ASKED_MAX) {
            let fix = "Name the person by one to sixteen of phones, emails or externalIds.";
            return Err(wrong("phones", "nobody, or too many, are asked for", fix));
        }
        let mut found = Identifiers::default();
        for text in &asked.phones {
            let Caller::Number(phone) = phone::parse(text, self.options.region) else {
                let fix = "Write it as +, country code and number.";
                return Err(wrong("phones", "a number cannot be read", fix));
            };
            found.phones.insert(phone.e164);
        }
        for text in &asked.emails {
            let email = text.trim().to_lowercase();
            if !email.contains('@') || email.len() > 254 {
                return Err(wrong("emails", "an e-mail cannot be read", "Write name@host."));
            }
            found.emails.insert(email);
        }
        for text in &asked.external_ids {
            let fix = "Write PREFIX:id, as a lookup answers it.";
            let Ok(ExternalId::Record { prefix, record }) = text.trim().parse() else {
                return Err(wrong("externalIds", "an externalId names no record", fix));
            };
            let Some(owner) = self.connections.by_prefix(&prefix) else {
                return Err(wrong("externalIds", "a prefix belongs to no connection", fix));
            };
            found.records.insert(Record { connection: owner.name.clone(), record });
        }
        Ok(found)
    }

    /// Who is meant, and everything that is kept of them.
    ///
    /// # Errors
    /// When our own store fails.
    pub async fn subject(&self, asked: &Identifiers) -> Result<Preview, state::Error> {
        let prefixes = self.connections.all().filter_map(|connection| {
            let prefix = connection.prefix.as_ref()?;
            Some((connection.name.clone(), prefix.as_str().to_owned()))
        });
        let prefixes: BTreeMap<String, String> = prefixes.collect();
        let mut subject = self.store.subject(asked, &prefixes).await?;
        self.add_accounts(&mut subject).await?;
        let export = self.store.export(&subject).await?;
        let elsewhere = self.elsewhere(&export);
        let erasures = self.store.erasures_of(asked).await?;
        Ok(Preview { subject, export, elsewhere, erasures })
    }

    /// The accounts that the records who are meant are linked to. One that others of the
    /// CRM are linked to as well is a house's, not a person's: it stays.
    async fn add_accounts(&self, subject: &mut Subject) -> Result<(), state::Error> {
        let Subject { people, accounts, .. } = subject;
        for (record, person) in &*people {
            let Some(crm) = self.connections.get(&record.connection) else { continue };
            let keys = [Key::Record(record.record.clone())];
            for entry in self.store.find(&crm.name, &keys).await? {
                for account in self.accounts_of(crm, &entry.contact) {
                    let why = Why::Of(person.external_id.clone());
                    accounts.insert(account, Identifier { why, is_shared: false });
                }
            }
        }
        if accounts.is_empty() {
            return Ok(());
        }
        // Nothing leads from an account to its people: everybody is looked at.
        for crm in self.connections.all().filter(|crm| !crm.beside.is_empty()) {
            let mut place = Some(0);
            while let Some(after) = place {
                let (all, next) = self.store.directory_page(&crm.name, after).await?;
                for other in all {
                    for account in self.accounts_of(crm, &other) {
                        let record = other.record.clone();
                        let is_meant =
                            people.contains_key(&Record { connection: crm.name.clone(), record });
                        if let Some(account) = accounts.get_mut(&account) {
                            account.is_shared |= !is_meant;
                        }
                    }
                }
                place = next;
            }
        }
        Ok(())
    }

    fn accounts_of(&self, crm: &Connection, person: &Contact) -> Vec<Record> {
        let linked = crm.beside.iter().filter_map(|beside| self.linked(beside, person));
        let account = |linked: Linked<'_>| Record {
            connection: linked.other.name.clone(),
            record: linked.id,
        };
        linked.map(account).collect()
    }

    /// What we have put into other systems, as far as is known here.
    fn elsewhere(&self, export: &Export) -> Vec<Elsewhere> {
        let center = self.connections.contact_center().map(|center| center.name.clone());
        let center = center.unwrap_or_default();
        let contacts = export.links.iter().map(|link| Elsewhere {
            connection: center.clone(),
            kind: "contact",
            id: link.contact.clone(),
        });
        let activities = export.calls.iter().filter_map(|call| {
            let journal = call.outcome.as_ref()?.journal.clone()?;
            Some(Elsewhere { connection: journal.connection, kind: "activity", id: journal.record })
        });
        let conversations = export.calls.iter().filter(|_| !center.is_empty()).map(|call| {
            let id = call.call.call.id.to_string();
            Elsewhere { connection: center.clone(), kind: "conversation", id }
        });
        let mut all: Vec<_> = contacts.chain(activities).chain(conversations).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Erases a subject here and keeps it from coming back.
    ///
    /// # Errors
    /// When our own store fails. Where its tombstones stand already, the sweep goes on by
    /// itself.
    pub async fn erase(
        &self,
        subject: &Subject,
        reason: &str,
        actor: String,
    ) -> Result<Erasure, state::Error> {
        let count = |kind: &str, count: usize| (kind.to_owned(), count.to_string());
        let act = Act {
            actor,
            action: "subject.erased",
            subject: String::new(),
            details: BTreeMap::from([
                count("records", subject.people.len()),
                count("phones", subject.phones.len()),
                count("emails", subject.emails.len()),
                ("reason".to_owned(), reason.to_owned()),
            ]),
        };
        let made = self.store.erase(subject, reason, act, self.clock.now()).await?;
        for connection in self.connections.all() {
            connection.misses.forget_all();
            if let Some(accounts) = &connection.accounts {
                accounts.misses.forget_all();
            }
        }
        self.actions.forget_all();
        let removed = self.sweep().await?;
        Ok(Erasure { id: made.id, removed, tombstones: made.marks.len() })
    }

    /// Removes what unswept erasures name, from every table and from the store's file.
    ///
    /// # Errors
    /// When our own store fails; it is tried again soon.
    pub async fn sweep(&self) -> Result<Removed, state::Error> {
        let _turn = self.store.turn_to_sweep().await;
        let began = self.clock.now();
        let Some(mut sweep) = self.store.begin_sweep().await? else { return Ok(Removed::new()) };
        while self.store.sweep_on(&mut sweep, self.clock.now()).await? {
            // Calls that wait for the writer go between two parts.
            tokio::task::yield_now().await;
        }
        if let Err(error) = self.store.fold_log().await {
            // A backup may be reading: the next sweep, a minute later, tries again.
            tracing::warn!("an erasure's log could not be folded yet: {error}");
            return Ok(sweep.removed);
        }
        let removed = sweep.removed.iter().filter(|(_, count)| **count > 0);
        let details = removed.map(|(table, count)| ((*table).to_owned(), count.to_string()));
        let act = Act {
            actor: "tieline".to_owned(),
            action: "subjects.swept",
            subject: String::new(),
            details: details.collect(),
        };
        let before = began.minus(SWEPT_AGAIN_AFTER);
        self.store.end_sweep(&sweep, before, act, self.clock.now()).await?;
        Ok(sweep.removed)
    }

    /// Whether a call asks for somebody who was erased, by whatever it names them.
    pub(crate) fn names_erased(&self, ask: &Ask, owner: &Connection) -> bool {
        if !self.store.has_tombstones() {
            return false;
        }
        let phone = ask.phone.as_ref().map(|phone| Name::Phone(&phone.e164));
        let email = ask.email.as_deref().map(Name::Email);
        let record = ask.record.as_deref();
        let record = record.map(|record| Name::Record { connection: &owner.name, record });
        let mut names = phone.into_iter().chain(email).chain(record);
        names.any(|name| self.store.erased(name) == Erased::Yes)
    }

    /// Whether an account was an erased person's alone: nobody asks for it.
    pub(crate) fn is_erased_account(&self, connection: &str, id: &str) -> bool {
        self.store.erased(Name::Account { connection, id }) == Erased::Yes
    }

    pub(crate) fn is_erased_record(&self, connection: &str, record: &str) -> bool {
        self.store.erased(Name::Record { connection, record }) == Erased::Yes
    }

    /// Whether this is an erased person, also under another record of theirs.
    pub(crate) fn is_erased(&self, connection: &str, contact: &Contact) -> bool {
        if !self.store.has_tombstones() {
            return false;
        }
        let phones = contact.phones.iter().map(|phone| Name::Phone(&phone.e164));
        let email = contact.email.as_deref().map(Name::Email);
        let mut names = phones.chain(email);
        self.is_erased_record(connection, &contact.record)
            || names.any(|name| self.store.erased(name) == Erased::Yes)
    }

    /// Whether an ask leads to this person by something that no erased person has: what
    /// both had names neither of them. `left_out`: somebody found with them was erased.
    pub(crate) fn is_certain(&self, ask: &Ask, contact: &Contact, left_out: bool) -> bool {
        if !self.store.has_tombstones() || ask.record.is_some() {
            return true;
        }
        let is_own = |name| self.store.erased(name) == Erased::No;
        let by_email = ask.email.as_deref().is_some_and(|email| {
            let has = contact.email.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(email));
            has && is_own(Name::Email(email))
        });
        let by_phone = ask.phone.as_ref().is_some_and(|phone| {
            contact.has_phone(&phone.e164) && is_own(Name::Phone(&phone.e164))
        });
        by_email || (by_phone && !left_out)
    }
}

impl Answering {
    /// A call that names an erased person is a number's, at most.
    pub(crate) fn erased(connection: Arc<Connection>, ask: &Ask, now: Timestamp) -> Self {
        let ask = ask.phone.clone().map(|phone| Ask { phone: Some(phone), ..Ask::default() });
        Self::of(connection, ask, Found::nobody(now))
    }
}

/// Learns of erasures of other nodes, and sweeps what is not swept yet: after a kill,
/// after a restore, and a second time after each erasure.
pub(crate) async fn keep_up(live: Live, mut stop: watch::Receiver<bool>) {
    let mut last = None;
    while !*stop.borrow() {
        if let Err(error) = keep_up_once(&live.now(), &mut last).await {
            tracing::warn!("an erasure is not finished, it is tried again: {error}");
        }
        tokio::select! {
            _ = stop.changed() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// At the start whatever is not swept, then each erasure a minute after it was made; one
/// that failed waits as long. `last`: when this was last tried.
async fn keep_up_once(engine: &Engine, last: &mut Option<Timestamp>) -> Result<(), state::Error> {
    engine.store.refresh_tombstones().await?;
    let (now, is_start) = (engine.clock.now(), last.is_none());
    let last = last.get_or_insert(now);
    let Some(since) = engine.store.unswept_since().await? else { return Ok(()) };
    if is_start || now >= since.max(*last).plus(SWEPT_AGAIN_AFTER) {
        *last = now;
        engine.sweep().await?;
    }
    Ok(())
}
