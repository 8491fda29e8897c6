//! Finds who is calling, inside one deadline.
//!
//! The directory, then the queue's own CRM. A slow CRM costs its own answer,
//! never the deadline (invariant 2); the call is stored before it is answered
//! (invariant 1), together with the jobs that finish what could not be said.
//!
//! What counts as a match: `domain::matching`. How old our copy may be:
//! `domain::freshness`. What a CRM answers: `kit::Lookup`. What is left to do
//! after the answer: [`crate::follow_up`].

use crate::actions::{self, Actions};
use crate::activity::CallOptions;
use crate::alerts::Alerting;
use crate::answer::{Answer, Candidate, answer, labels, listed};
use crate::connections::{Connection, Connections};
use crate::follow_up::{self, Found, Identity};
use crate::late::Answered;
use crate::overrides::{Answering, Corrections, queue_word};
use crate::presence::Presence;
use crate::reconcile::Reconciling;
use crate::rules::{Routing, Rules};
use crate::subjects::ERASED;
use crate::sync::{Syncing, Syncs};
use crate::{Clock, Metrics};
use domain::freshness::{Freshness, judge};
use domain::matching::{Match, Policy, Wanted, choose};
use domain::{CallId, Direction, ExternalId, MediaType, Region, Status, Timestamp};
use kit::Ask;
use state::{Key, NewCall, NewJob, Recorded, Store};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Everything the use cases need; cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub store: Store,
    pub connections: Arc<Connections>,
    pub clock: Clock,
    pub metrics: Arc<Metrics>,
    pub actions: Arc<Actions>,
    pub syncs: Arc<Syncs>,
    /// The teams whose presence is kept the same in two systems.
    pub presence: Arc<Presence>,
    /// The routing rules in force.
    pub rules: Arc<Rules>,
    /// Rules that are asked as well, and only counted.
    pub shadow: Option<Arc<Rules>>,
    pub options: Options,
}

/// What holds for every connection.
#[derive(Debug, Clone)]
pub struct Options {
    /// For numbers in national form.
    pub region: Region,
    /// How much of the deadline is kept for storing the call.
    pub store_reserve: Duration,
    /// The flow sets the call's attributes from our answer; else we set them.
    pub flow_sets_attributes: bool,
    pub corrections: Corrections,
    /// How long calls are kept; `None` for ever.
    pub keep_calls_for: Option<Duration>,
    /// How long it is told what became of agents' presence; `None` for ever.
    pub keep_presence_for: Option<Duration>,
    /// Names of `data` whose values are kept of each call as plain labels, for reports.
    pub dimensions: Arc<Vec<String>>,
    /// Names of `data` whose values are kept with each call, sealed, for the list of calls.
    pub columns: Arc<Vec<String>>,
    pub calls: Arc<CallOptions>,
    pub reconcile: Arc<Reconciling>,
    pub alerts: Arc<Alerting>,
    pub routing: Routing,
    pub syncing: Arc<Syncing>,
}

/// A call that has arrived.
#[derive(Debug, Clone)]
pub struct Request {
    pub call: CallId,
    pub direction: Direction,
    pub media: MediaType,
    pub from: Option<String>,
    /// The dialled number, or a queue id.
    pub to: Option<String>,
    pub queue: Option<String>,
    pub user: Option<String>,
    pub email: Option<String>,
    pub external_id: Option<String>,
}

/// Why a call could not be answered. Only our own store can be the reason: a
/// CRM's fault is an answer (`partial`), not an error.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the call could not be stored: {0}")]
    Store(#[from] state::Error),
    #[error("the call could not be stored in time")]
    StoreTooSlow,
}

/// How long past the deadline a slow disk is waited for before the flow is told
/// to take its failure exit: an answer that was not stored is not given.
const STORE_GRACE: Duration = Duration::from_secs(1);

impl Engine {
    /// Answers one call. The deadline counts from `arrived`.
    ///
    /// # Errors
    /// Only when the call cannot be stored.
    pub async fn lookup(&self, request: Request, arrived: Instant) -> Result<Answer, Error> {
        let now = self.clock.now();
        let customer = self.customer(&request);
        let dialled = match request.direction {
            Direction::Inbound => request.to.as_deref(),
            // Click-to-dial: `to` is the customer; only the queue says whose CRM answers.
            Direction::Outbound => None,
        };
        let route = self.connections.route(request.queue.as_deref(), dialled, self.options.region);
        let usual = Arc::clone(customer.owner.as_ref().unwrap_or(route.connection));
        let deadline = arrived + route.deadline(&usual);
        let mut warnings = customer.warnings;
        warnings.extend(route.warning.clone());

        let ask_until = deadline.checked_sub(self.options.store_reserve).unwrap_or(arrived);
        let policy = route.policy(&usual);
        let queue = queue_word(&route, request.queue.as_deref());
        let asked = customer.ask.as_ref();
        // Of them no CRM is asked, and no number is kept.
        let erased = asked.filter(|asked| self.names_erased(asked, &usual));
        warnings.extend(erased.map(|_| ERASED.to_owned()));
        let who = match erased {
            Some(asked) => Answering::erased(usual, asked, now),
            None => match self.corrected(asked, queue, policy, ask_until, now).await {
                Some(corrected) => corrected,
                None => self.usually(usual, asked, policy, ask_until, now).await,
            },
        };
        let Answering { connection, ask, found, goes_before } = who;
        let mut identity = identify(self, &connection, ask.as_ref(), found, policy);
        if !connection.beside.is_empty() {
            Box::pin(self.join_in_time(&connection, &mut identity, ask_until, now)).await;
        }

        let mut jobs = follow_up::after_answer(self, &connection, &request.call, &identity, now);
        jobs.extend(
            goes_before.map(|crm| follow_up::enrich(&crm, &request.call, now.next_second())),
        );
        self.show_kept(&connection, identity.contact.as_mut(), ask_until).await;
        let kept = asked.filter(|_| erased.is_none()).cloned().unwrap_or_default();
        let call = NewCall {
            id: request.call.clone(),
            direction: request.direction,
            media: request.media,
            number: kept.phone.map(|phone| phone.e164),
            email: kept.email,
            asked_record: kept.record,
            dialled: request.to.filter(|_| erased.is_none()),
            queue: request.queue.or_else(|| route.queue.map(|q| q.name.clone())),
            user: request.user,
            connection: connection.name.clone(),
            external_id: identity.external_id.clone(),
            contact: identity.contact.as_ref().map(|contact| contact.record.clone()),
            status: identity.status,
            source: identity.source,
            arrived_at: now,
            answered_in_us: micros(arrived.elapsed()),
            deadline_us: micros(deadline.saturating_duration_since(arrived)),
            warnings: warnings.clone(),
            labels: labels(&self.options.dimensions, identity.contact.as_ref()),
            data: listed(&self.options.columns, identity.contact.as_ref()),
        };
        let answered = Answered { call: request.call, arrived, deadline };
        let recorded = self.store_in_time(call, jobs, answered).await?;
        let answer = answer(identity, &connection, recorded.earlier_calls, warnings);
        self.metrics.answered(&connection.name, &answer, arrived.elapsed(), deadline);
        Ok(answer)
    }

    /// Stores the call; whether in time is noted behind the answer.
    async fn store_in_time(
        &self,
        call: NewCall,
        jobs: Vec<NewJob>,
        answered: Answered,
    ) -> Result<Recorded, Error> {
        let until = answered.deadline + STORE_GRACE;
        let stored = tokio::time::timeout_at(until, self.store.record_call(call, jobs)).await;
        if !matches!(&stored, Ok(Ok(recorded)) if recorded.repeated) {
            answered.note(&self.store);
        }
        Ok(stored.map_err(|_| Error::StoreTooSlow)??)
    }

    /// The directory first; the CRM, inside what is left, when it has nothing
    /// fresh enough to say.
    pub(crate) async fn find(
        &self,
        connection: &Arc<Connection>,
        ask: &Ask,
        policy: Policy,
        until: Instant,
        now: Timestamp,
    ) -> Found {
        let kept = self.kept(connection, ask, policy, until, now).await;
        self.find_unless_kept(connection, ask, until, now, kept).await
    }

    /// What the directory knows, and whether it may answer; `None` when it knows nobody.
    pub(crate) async fn kept(
        &self,
        connection: &Connection,
        ask: &Ask,
        policy: Policy,
        until: Instant,
        now: Timestamp,
    ) -> Option<(Found, Freshness)> {
        let keys = keys(ask);
        let known = known(&self.store, &connection.name, &keys, policy);
        let read = tokio::time::timeout_at(until, known).await;
        let entries = read.unwrap_or(Ok(Vec::new())).unwrap_or_else(|error| {
            tracing::warn!("the directory could not be read, the CRM is asked: {error}");
            Vec::new()
        });
        let kept = Found::from_directory(&keys, entries)?;
        let freshness = match judge(kept.as_of, now, connection.freshness) {
            // Something asked for led to nobody here: who has it is the CRM's to say.
            _ if !kept.has_all => Freshness::Expired,
            // Known by another identifier: answers at once, and it is asked who else shares this one.
            Freshness::Fresh if !kept.was_asked => Freshness::Stale,
            freshness => freshness,
        };
        Some((kept, freshness))
    }

    /// Our own copy where it may answer, else the CRM.
    pub(crate) async fn find_unless_kept(
        &self,
        connection: &Arc<Connection>,
        ask: &Ask,
        until: Instant,
        now: Timestamp,
        kept: Option<(Found, Freshness)>,
    ) -> Found {
        match kept {
            Some((kept, Freshness::Fresh)) => kept,
            Some((kept, Freshness::Stale)) => {
                self.revalidate(connection, ask);
                kept
            }
            None if connection.misses.holds(ask) => Found::nobody(now),
            kept => {
                let kept = kept.map(|(kept, _)| kept);
                self.ask_crm(connection, ask, until, now, kept).await
            }
        }
    }

    async fn ask_crm(
        &self,
        connection: &Arc<Connection>,
        ask: &Ask,
        until: Instant,
        now: Timestamp,
        kept: Option<Found>,
    ) -> Found {
        let Some(lookup) = &connection.capabilities.lookup else {
            return kept.unwrap_or_else(|| Found::nobody(now));
        };
        if kept.is_none()
            && let Some(people) = connection.flights.just_landed(ask)
        {
            return Found::from_crm(people.to_vec(), kept, now);
        }
        let landing = Arc::new(self.landing(connection));
        let flight = connection.flights.join(ask, lookup, &landing);
        let (failure, code) = match tokio::time::timeout_at(until, flight.outcome()).await {
            Ok(Ok(people)) => return Found::from_crm(people.to_vec(), kept, now),
            Ok(Err(error)) => (error.kind(), actions::code(&error)),
            Err(_) => ("deadline", "crm.deadline"),
        };
        self.metrics.crm_failed(&connection.name, failure);
        match kept {
            // Older than its limit, but better than nobody; the answer says so.
            Some(kept) => kept.marked_stale().because(code),
            None => Found::failed(now).because(code),
        }
    }

    /// Refreshes an entry behind the answer that it has just given.
    pub(crate) fn revalidate(&self, connection: &Arc<Connection>, ask: &Ask) {
        if let Some(lookup) = &connection.capabilities.lookup {
            let landing = Arc::new(self.landing(connection));
            drop(connection.behind.join(ask, lookup, &landing));
        }
    }
}

pub(crate) fn micros(period: Duration) -> u64 {
    u64::try_from(period.as_micros()).unwrap_or(u64::MAX)
}

/// What the directory knows; with the last calls only where these decide.
pub(crate) fn known<'a>(
    store: &'a Store,
    connection: &'a str,
    keys: &'a [Key],
    policy: Policy,
) -> state::Boxed<'a, Vec<state::Entry>> {
    match policy {
        Policy::MostRecent => store.find_with_last_calls(connection, keys),
        Policy::First | Policy::Ambiguous => store.find(connection, keys),
    }
}

/// The directory keys of an ask.
pub(crate) fn keys(ask: &Ask) -> Vec<Key> {
    let phone = ask.phone.iter().map(|p| Key::Phone(p.e164.clone()));
    let email = ask.email.iter().map(|e| Key::Email(e.clone()));
    let record = ask.record.iter().map(|r| Key::Record(r.clone()));
    phone.chain(email).chain(record).collect()
}

/// Decides who it is from what was found.
pub(crate) fn identify(
    engine: &Engine,
    connection: &Connection,
    ask: Option<&Ask>,
    mut found: Found,
    policy: Policy,
) -> Identity {
    let Some(ask) = ask else {
        return Identity::nobody(ExternalId::Unknown, Status::Unknown, &found);
    };
    let by_number = || match &ask.phone {
        Some(phone) => ExternalId::Phone(engine.store.phone_id(&phone.e164)),
        None => ExternalId::Unknown,
    };
    let record = canonical_record(ask, &found);
    let wanted = Wanted {
        phone: ask.phone.as_ref().map(|p| p.e164.as_str()),
        email: ask.email.as_deref(),
        record: record.as_deref(),
    };
    if found.has_failed {
        return Identity::nobody(by_number(), Status::Partial, &found);
    }
    let mut people = std::mem::take(&mut found.people);
    let all = people.len();
    people.retain(|person| !engine.is_erased(&connection.name, person));
    let left_out = people.len() < all;
    let chosen = match choose(people, &wanted, policy) {
        // By what an erased person has as well it may be them: nobody is named.
        Match::One(contact) if !engine.is_certain(ask, &contact, left_out) => {
            Match::Several(vec![*contact])
        }
        chosen => chosen,
    };
    match (chosen, &connection.prefix) {
        (Match::One(contact), Some(prefix)) => {
            let record = contact.record.clone();
            let external_id = ExternalId::Record { prefix: prefix.clone(), record };
            Identity::person(external_id, *contact, &found)
        }
        (Match::Several(people), Some(prefix)) => {
            let candidates = people.into_iter().map(|contact| Candidate {
                external_id: ExternalId::Record { prefix: prefix.clone(), record: contact.record },
                name: contact.name,
            });
            let mut identity = Identity::nobody(by_number(), Status::Ambiguous, &found);
            identity.candidates = candidates.collect();
            identity
        }
        (Match::Nobody, _) | (_, None) => Identity::nobody(by_number(), Status::Miss, &found),
    }
}

/// The asked record's id as its own system writes it: who comes back when only a
/// record was asked for is that record, also under a longer form of its id.
fn canonical_record(ask: &Ask, found: &Found) -> Option<String> {
    let asked = ask.record.as_ref()?;
    match found.people.as_slice() {
        [only] if ask.phone.is_none() && ask.email.is_none() => Some(only.record.clone()),
        people if people.iter().any(|one| one.record == *asked) => Some(asked.clone()),
        people => {
            let longer = people.iter().find(|one| one.record.starts_with(asked.as_str()));
            Some(longer.map_or_else(|| asked.clone(), |one| one.record.clone()))
        }
    }
}
