//! Looks at some calls: who they were from, and what follows from it.
//!
//! The same words as on a call's own path decide: the queue names the connection, an
//! agent's correction goes before a search, and the policy chooses among several.

use super::ask::{People, Unknown};
use super::{Halt, Worker};
use crate::answer::{labels, listed};
use crate::call_end;
use crate::connections::Connection;
use crate::contact_center;
use crate::enrich::ask_of;
use crate::follow_up::{self, Found, Identity};
use crate::lookup::{Request, identify, keys, known};
use crate::overrides::{Answering, queue_word};
use crate::subjects;
use domain::matching::Policy;
use domain::{CallId, Direction, ExternalId, Status};
use kit::{Ask, PastCall};
use state::customers::Link;
use state::reconcile::{ERASED, Found as Effect, Note, Step};
use state::{Identified, NewCall, NewEvent};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long the store may take to say whether a number was corrected.
const CORRECTION_MAX: Duration = Duration::from_secs(5);
const SEVERAL: &str = "several records share the number and the policy names none of them";
const FROM_HISTORY: &str = "found by reconciliation: no flow has asked for this call";

/// A call to look at.
pub(super) struct Subject {
    pub(super) call: CallId,
    /// As it is stored; `None`: we never saw it.
    pub(super) known: Option<NewCall>,
    /// As the contact center remembers it.
    pub(super) past: Option<PastCall>,
}

/// A call of which somebody is to be found.
struct Asked {
    subject: Subject,
    connection: Arc<Connection>,
    policy: Policy,
    /// Who is asked for, with the caller's own number.
    ask: Ask,
    /// What the CRM is asked: less, where an agent has named the record.
    find_by: Ask,
    queue: Option<String>,
}

enum Plan {
    Said(Box<Note>),
    Ask(Box<Asked>),
}

fn said(call: CallId, what: &'static str, reason: Option<String>) -> Note {
    Note { call, what, reason, also: Vec::new(), found: Effect::Nothing }
}

/// Of this call nobody can be found, now or later.
fn refused(call: CallId, reason: String) -> Note {
    Note { also: vec!["failed"], ..said(call, "refused", Some(reason)) }
}

impl Worker<'_> {
    /// Looks at calls and commits what came of it, with the place where the run goes on.
    pub(super) async fn examine(
        &mut self,
        subjects: Vec<Subject>,
        place: (Step, Option<String>),
    ) -> Result<(), Halt> {
        let promotions = self.promote(&subjects).await?;
        let (mut notes, mut asked) = (Vec::new(), Vec::new());
        for subject in subjects {
            match self.plan(subject).await {
                Plan::Said(note) => notes.push(*note),
                Plan::Ask(ask) => asked.push(*ask),
            }
        }
        for note in &mut notes {
            match promotions.get(&note.call) {
                Some(Ok(true)) => note.also.push("promoted"),
                Some(Err(reason)) => {
                    note.also.push("failed");
                    note.reason = Some(reason.clone());
                }
                Some(Ok(false)) | None => {}
            }
        }
        let found = self.find_all(&asked).await?;
        for one in asked {
            let people = found.get(&one.connection.name).and_then(|all| all.get(&one.find_by));
            let unasked = || Unknown { reason: "not asked".to_owned(), is_passing: true };
            let people = people.cloned().unwrap_or_else(|| Err(unasked()));
            notes.push(self.conclude(one, people).await?);
        }
        self.commit(notes, Some(place), &[]).await
    }

    /// What there is to do with a call before anybody is asked.
    async fn plan(&self, subject: Subject) -> Plan {
        let engine = self.engine;
        let Subject { call, known, past } = &subject;
        if let Some(known) = known
            && matches!(known.external_id, ExternalId::Record { .. })
        {
            return Plan::Said(Box::new(said(call.clone(), "known", None)));
        }
        let (ask, queue, dialled) = match (known, past) {
            (Some(known), _) => (ask_of(known), known.queue.clone(), None),
            (None, Some(past)) if past.ended.is_none() => {
                return Plan::Said(Box::new(said(call.clone(), "ongoing", None)));
            }
            (None, Some(past)) if past.address.is_none() => {
                return Plan::Said(Box::new(said(call.clone(), "internal", None)));
            }
            (None, Some(past)) => {
                let customer = engine.customer(&request(past));
                (customer.ask, past.queue.clone(), past.dialled.clone())
            }
            (None, None) => (None, None, None),
        };
        let Some(ask) = ask else {
            let is_erased =
                |call: &NewCall| call.warnings.iter().any(|word| word == subjects::ERASED);
            let what = if known.as_ref().is_some_and(is_erased) { ERASED } else { "withheld" };
            return Plan::Said(Box::new(said(call.clone(), what, None)));
        };
        let region = engine.options.region;
        let route = engine.connections.route(queue.as_deref(), dialled.as_deref(), region);
        let mut connection = match known {
            Some(known) => match engine.connections.get(&known.connection) {
                Some(connection) => Arc::clone(connection),
                None => {
                    let reason = "the call's connection is no longer configured".to_owned();
                    return Plan::Said(Box::new(refused(call.clone(), reason)));
                }
            },
            None => Arc::clone(route.connection),
        };
        let policy = route.policy(&connection);
        let word = queue_word(&route, queue.as_deref());
        let until = Instant::now() + CORRECTION_MAX;
        let corrected = engine.correction_of(&ask, word, until, engine.clock.now()).await;
        let (mut ask, mut find_by) = (ask.clone(), ask);
        if let Some((old, owner)) = corrected {
            connection = owner;
            ask.record = Some(old.said.record.clone());
            find_by = Ask { record: Some(old.said.record), ..Ask::default() };
        }
        let queue = queue.or_else(|| route.queue.map(|queue| queue.name.clone()));
        let is_erased = [&ask, &find_by].iter().any(|ask| engine.names_erased(ask, &connection));
        let asked = Asked { subject, connection, policy, ask, find_by, queue };
        if is_erased {
            return Plan::Said(Box::new(self.erased(asked)));
        }
        Plan::Ask(Box::new(asked))
    }

    /// A call of somebody who was erased: no CRM is asked, and what was never seen is
    /// stored as a lookup would have, without number or e-mail.
    fn erased(&self, mut asked: Asked) -> Note {
        let mut note = said(asked.subject.call.clone(), ERASED, None);
        if asked.subject.known.is_some() {
            return note; // the sweep's
        }
        note.also.push("unseen");
        if self.run.is_dry {
            return note;
        }
        let (engine, now) = (self.engine, self.engine.clock.now());
        let who = Answering::erased(Arc::clone(&asked.connection), &asked.ask, now);
        let identity = identify(engine, &who.connection, who.ask.as_ref(), who.found, asked.policy);
        asked.ask = Ask::default();
        if let Some(past) = &mut asked.subject.past {
            past.dialled = None; // on an outbound call it is theirs
        }
        note.found = self.effect(asked, &identity);
        if let Effect::Unseen { call, .. } = &mut note.found {
            call.warnings.push(subjects::ERASED.to_owned());
        }
        note
    }

    /// Asks each CRM once for each that is asked for.
    async fn find_all(
        &mut self,
        asked: &[Asked],
    ) -> Result<BTreeMap<String, HashMap<Ask, People>>, Halt> {
        let mut by_connection: BTreeMap<String, (Arc<Connection>, Vec<Ask>)> = BTreeMap::new();
        for one in asked {
            let (_, asks) = by_connection
                .entry(one.connection.name.clone())
                .or_insert_with(|| (Arc::clone(&one.connection), Vec::new()));
            if !asks.contains(&one.find_by) {
                asks.push(one.find_by.clone());
            }
        }
        let mut found = BTreeMap::new();
        for (name, (connection, asks)) in by_connection {
            found.insert(name, self.find(&connection, asks).await?);
        }
        Ok(found)
    }

    /// Who it is, as a note with what is to be stored.
    async fn conclude(&mut self, asked: Asked, people: People) -> Result<Note, Halt> {
        let engine = self.engine;
        let call = asked.subject.call.clone();
        let people = match people {
            Ok(people) => people,
            Err(Unknown { reason, is_passing: true }) => {
                return Ok(said(call, "unasked", Some(reason)));
            }
            Err(Unknown { reason, .. }) => return Ok(refused(call, reason)),
        };
        let connection = &asked.connection;
        let of = keys(&asked.find_by);
        let entries = known(&engine.store, &connection.name, &of, asked.policy).await?;
        let kept = Found::from_directory(&of, entries);
        let found = Found::from_crm(people.to_vec(), kept, engine.clock.now());
        let identity = identify(engine, connection, Some(&asked.ask), found, asked.policy);
        let (what, mut reason) = match identity.status {
            Status::Hit => ("linked", None),
            Status::Ambiguous => ("ambiguous", Some(SEVERAL.to_owned())),
            Status::Miss | Status::Partial | Status::Unknown => ("unknown", None),
        };
        let also = if asked.subject.known.is_none() { vec!["unseen"] } else { Vec::new() };
        if !self.run.is_dry {
            let found = self.effect(asked, &identity);
            return Ok(Note { call, what, reason, also, found });
        }
        if what == "linked" {
            let foreseen = || contact_center::foresee(engine, &call, &identity);
            reason = match self.patiently(foreseen).await? {
                Ok(reason) => reason,
                Err(error) => Some(error.to_string()),
            };
        }
        let mut also = also;
        also.extend(reason.as_ref().filter(|_| what == "linked").map(|_| "reported"));
        Ok(Note { call, what, reason, also, found: Effect::Nothing })
    }

    /// What is to be stored of it, with the jobs that tell others.
    fn effect(&self, asked: Asked, identity: &Identity) -> Effect {
        let (engine, now) = (self.engine, self.engine.clock.now());
        let Asked { subject: Subject { call, known, past }, connection, ask, queue, .. } = asked;
        let jobs = || {
            let mut jobs = Vec::new();
            if identity.status == Status::Hit {
                let tell = follow_up::tell_contact_center;
                jobs = tell(engine, &connection, &call, identity, true, now);
            }
            // A call that is over has an activity to be written.
            jobs.push(call_end::close(engine, &connection.name, &call, now));
            jobs
        };
        let contact = identity.contact.as_ref().map(|contact| contact.record.clone());
        let labels = labels(&engine.options.dimensions, identity.contact.as_ref());
        let data = listed(&engine.options.columns, identity.contact.as_ref());
        match (known, past) {
            (Some(known), _) if known.status == identity.status => Effect::Nothing,
            (Some(_), _) => Effect::Better {
                jobs: jobs(),
                identified: Identified {
                    connection: connection.name.clone(),
                    external_id: identity.external_id.clone(),
                    contact,
                    status: identity.status,
                    source: identity.source,
                    labels,
                    data,
                    says_more: false,
                    at: now,
                },
            },
            (None, Some(past)) => {
                let event = |event| NewEvent { event, is_timed: true };
                let events = past.events.into_iter().map(event).collect();
                let new = NewCall {
                    id: call.clone(),
                    direction: past.direction,
                    media: past.media,
                    number: ask.phone.map(|phone| phone.e164),
                    email: ask.email,
                    asked_record: None,
                    dialled: past.dialled,
                    queue,
                    user: past.user,
                    connection: connection.name.clone(),
                    external_id: identity.external_id.clone(),
                    contact,
                    status: identity.status,
                    source: identity.source,
                    arrived_at: past.started,
                    answered_in_us: 0,
                    deadline_us: 0,
                    warnings: vec![FROM_HISTORY.to_owned()],
                    labels,
                    data,
                };
                Effect::Unseen { call: Box::new(new), events, jobs: jobs() }
            }
            (None, None) => Effect::Nothing,
        }
    }

    /// Contacts that the platform made by itself and that belong to calls of known
    /// customers are kept for good, before it forgets them. By call: whether that was
    /// needed, or why it failed.
    async fn promote(
        &mut self,
        subjects: &[Subject],
    ) -> Result<HashMap<CallId, Result<bool, String>>, Halt> {
        let mut outcomes = HashMap::new();
        let (Some(history), Some(center)) = (self.past(), self.engine.connections.contact_center())
        else {
            return Ok(outcomes);
        };
        let mut wanted: BTreeMap<String, &Subject> = BTreeMap::new();
        for subject in subjects {
            let is_known = subject.known.as_ref().is_some_and(|known| {
                let record = known.contact.as_ref();
                record.is_some_and(|one| !self.engine.is_erased_record(&known.connection, one))
            });
            let contact = subject.past.as_ref().and_then(|past| past.contact.clone());
            if let Some(contact) = contact.filter(|_| is_known) {
                wanted.entry(contact).or_insert(subject);
            }
        }
        let contacts: Vec<String> = wanted.keys().cloned().collect();
        for batch in contacts.chunks(history.promote_max().max(1)) {
            let is_dry = self.run.is_dry;
            let told = match self.patiently(|| history.promote(batch, is_dry)).await? {
                Ok(told) => told,
                Err(error) => batch.iter().map(|_| Err(error.clone())).collect(),
            };
            for (contact, told) in batch.iter().zip(told) {
                let Some(subject) = wanted.get(contact) else { continue };
                if told == Ok(true) && !is_dry {
                    self.link(&center.name, contact, subject).await?;
                }
                // Gone meanwhile: there is nothing left to be kept.
                let told = match told {
                    Err(kit::Error::NotFound) => Ok(false),
                    told => told.map_err(|error| format!("its contact was not kept: {error}")),
                };
                outcomes.insert(subject.call.clone(), told);
            }
        }
        Ok(outcomes)
    }

    async fn link(&self, center: &str, contact: &str, subject: &Subject) -> Result<(), Halt> {
        let Some(known) = &subject.known else { return Ok(()) };
        let Some(record) = &known.contact else { return Ok(()) };
        let link = Link {
            center: center.to_owned(),
            contact: contact.to_owned(),
            connection: known.connection.clone(),
            record: record.clone(),
        };
        self.engine.store.link(&link, self.engine.clock.now()).await.map_err(Into::into)
    }
}

/// The request that a flow would have made.
fn request(past: &PastCall) -> Request {
    let is_number =
        past.media == domain::MediaType::Voice || past.media == domain::MediaType::Message;
    let number = past.address.clone().filter(|_| is_number);
    let (from, to) = match past.direction {
        Direction::Inbound => (number, past.dialled.clone()),
        Direction::Outbound => (None, number),
    };
    Request {
        call: past.call.clone(),
        direction: past.direction,
        media: past.media,
        from,
        to,
        queue: past.queue.clone(),
        user: past.user.clone(),
        email: past.address.clone().filter(|_| past.media == domain::MediaType::Email),
        external_id: None,
    }
}
