//! Follows an agent who knows better who is calling.
//!
//! The new id is confirmed with its own CRM first (invariant 8). Then the call's
//! identity, what is remembered of the number, the jobs that tell the contact center
//! and the audit's entry are one commit. What is not confirmed changes nothing: the
//! answer says who the call is from all the same, because a flow is waiting for it.

use crate::answer::{labels, listed};
use crate::flights::Landing as _;
use crate::follow_up::{self, Found, Identity};
use crate::lookup::Engine;
use crate::overrides::queue_word;
use crate::{call_end, finish};
use domain::{CallId, Contact, ExternalId, Source, Status, Value};
use kit::{Ask, Lane};
use state::audit::Act;
use state::overrides::{Corrected, Correction, NewOverride};
use state::{Identified, StoredCall};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::Instant;

/// A correction as it was asked for.
#[derive(Clone)]
pub struct Request {
    pub call: CallId,
    /// As somebody typed it.
    pub new_external_id: String,
    pub reason: String,
    /// Who asks: an API key's id, or an agent's.
    pub actor: String,
}

/// What became of it.
#[derive(Clone)]
pub struct Answer {
    /// Who the call is from now.
    pub external_id: ExternalId,
    /// Who it was from before.
    pub previous: ExternalId,
    /// The CRM knows the new id and the call has it.
    pub is_confirmed: bool,
    /// The number's next calls are answered with it.
    pub is_remembered: bool,
    /// The contact center is being told.
    pub is_told: bool,
    /// Why it was not confirmed; empty when it was.
    pub reason: String,
    pub name: String,
    pub email: String,
    pub data: BTreeMap<String, Value>,
}

/// A record that its own CRM has confirmed.
struct Confirmed {
    connection: Arc<crate::Connection>,
    external_id: ExternalId,
    contact: Contact,
}

impl Engine {
    /// Corrects who a call is from.
    ///
    /// # Errors
    /// Only when our own store fails: then nothing was changed.
    pub async fn correct(&self, request: Request) -> Result<Answer, state::Error> {
        let until = Instant::now() + self.options.corrections.confirm_within;
        let stored = self.store.call(&request.call).await?;
        let before = stored.as_ref().map(|stored| stored.call.external_id.clone());
        let confirmed = match &stored {
            None => Err("this call is not known".to_owned()),
            Some(_) => self.confirm(&request.new_external_id).await,
        };
        let (confirmed, stored) = match (confirmed, stored) {
            (Ok(confirmed), Some(stored)) => (confirmed, stored),
            (confirmed, _) => {
                let reason = confirmed.err().unwrap_or_default();
                return self.unconfirmed(request, before, reason).await;
            }
        };
        self.apply(request, confirmed, stored, until).await
    }

    /// Asks the record's own CRM for it.
    async fn confirm(&self, text: &str) -> Result<Confirmed, String> {
        let parsed = text.trim().parse();
        let Ok(ExternalId::Record { prefix, record }) = parsed else {
            return Err("the new externalId does not name a record: PREFIX:id is its form".into());
        };
        let owner = self.connections.by_prefix(&prefix);
        let Some((connection, lookup)) =
            owner.and_then(|owner| Some((owner, owner.capabilities.lookup.as_ref()?)))
        else {
            return Err("the new externalId's prefix belongs to no connection".into());
        };
        let ask = Ask { record: Some(record), ..Ask::default() };
        let within = self.options.corrections.confirm_within;
        let asked_at = self.clock.now();
        let asked = lookup.find(Lane::Call, std::slice::from_ref(&ask));
        let people = match tokio::time::timeout(within, asked).await {
            Ok(Ok(mut people)) => people.pop().unwrap_or_default(),
            Ok(Err(error)) => return Err(format!("the CRM could not be asked: {}", error.kind())),
            Err(_) => return Err("the CRM did not answer in time".into()),
        };
        // Under whatever form the id was typed, its own system's is the one that counts.
        let [contact] = people.as_slice() else {
            return Err("the CRM does not know this record".into());
        };
        let contact = contact.clone();
        if self.is_erased(&connection.name, &contact) {
            return Err("this person was erased here: see `tieline subject tombstones`".into());
        }
        let landing = self.landing(connection);
        landing.landed(Lane::Call, vec![(ask, Arc::new(people))], asked_at).await;
        let external_id = ExternalId::Record { prefix, record: contact.record.clone() };
        Ok(Confirmed { connection: Arc::clone(connection), external_id, contact })
    }

    async fn apply(
        &self,
        request: Request,
        confirmed: Confirmed,
        stored: StoredCall,
        until: Instant,
    ) -> Result<Answer, state::Error> {
        let now = self.clock.now();
        let Confirmed { connection, external_id, contact } = confirmed;
        let call = stored.call;
        let known = vec![state::Key::Record(contact.record.clone())];
        let kept = self.store.find(&connection.name, &known).await?;
        let found = Found::from_crm(vec![], Found::from_directory(&known, kept), now);
        let mut identity = Identity::person(external_id.clone(), contact, &found);
        self.join_in_time(&connection, &mut identity, until, now).await;
        let contact = identity.contact.clone().unwrap_or_default();
        let has_changed = call.external_id != external_id;
        let mut jobs = follow_up::tell_contact_center(
            self,
            &connection,
            &request.call,
            &identity,
            has_changed,
            now,
        );
        let remember = self.to_remember(&request, &call, &connection.name, &external_id, &contact);
        let (is_told, is_remembered) = (!jobs.is_empty(), remember.is_some());
        jobs.extend(finish::jobs(&request.call, &identity.missing, now));
        // A call that is over by now has its activity on the wrong record.
        jobs.push(call_end::close(self, &connection.name, &request.call, now));
        let correction = Correction {
            identified: Identified {
                connection: connection.name.clone(),
                external_id: external_id.clone(),
                contact: Some(contact.record.clone()),
                status: Status::Hit,
                source: Source::Crm,
                labels: labels(&self.options.dimensions, Some(&contact)),
                data: listed(&self.options.columns, Some(&contact)),
                says_more: false,
                at: now,
            },
            remember,
            jobs,
            act: act(&request, "context.corrected", &call.external_id, ""),
        };
        let done = self.store.correct(&request.call, correction, now).await?;
        let undone = match done {
            Corrected::Applied { .. } => None,
            Corrected::UnknownCall => Some("this call is not known any more"),
            Corrected::Erased => Some("this person was erased meanwhile"),
        };
        if let Some(reason) = undone {
            let reason = reason.to_owned();
            return self.unconfirmed(request, None, reason).await;
        }
        Ok(Answer {
            external_id,
            previous: call.external_id,
            is_confirmed: true,
            is_remembered,
            is_told,
            reason: String::new(),
            name: contact.name,
            email: contact.email.unwrap_or_default(),
            data: contact.data,
        })
    }

    /// A withheld number is never remembered: it would be everybody's.
    fn to_remember(
        &self,
        request: &Request,
        call: &state::NewCall,
        connection: &str,
        external_id: &ExternalId,
        contact: &Contact,
    ) -> Option<NewOverride> {
        let settings = self.options.corrections;
        let number = call.number.clone().filter(|_| !settings.remember_for.is_zero())?;
        let route = self.connections.route(call.queue.as_deref(), None, self.options.region);
        let queue = queue_word(&route, call.queue.as_deref()).map(str::to_owned);
        Some(NewOverride {
            number,
            queue: queue.filter(|_| settings.per_queue),
            connection: connection.to_owned(),
            external_id: external_id.to_string(),
            record: contact.record.clone(),
            call: request.call.to_string(),
            reason: request.reason.clone(),
            actor: request.actor.clone(),
            expires_at: self.clock.now().plus(settings.remember_for),
        })
    }

    /// Nothing is changed; that it was tried is written down.
    async fn unconfirmed(
        &self,
        request: Request,
        before: Option<ExternalId>,
        reason: String,
    ) -> Result<Answer, state::Error> {
        let before = before.unwrap_or(ExternalId::Unknown);
        let act = act(&request, "context.refused", &before, &reason);
        self.store.audit(act, self.clock.now()).await?;
        Ok(Answer {
            external_id: before.clone(),
            previous: before,
            is_confirmed: false,
            is_remembered: false,
            is_told: false,
            reason,
            name: String::new(),
            email: String::new(),
            data: BTreeMap::new(),
        })
    }
}

fn act(request: &Request, action: &'static str, before: &ExternalId, refused: &str) -> Act {
    let details = [
        ("call", request.call.to_string()),
        ("newExternalId", request.new_external_id.chars().take(200).collect()),
        ("previousExternalId", before.to_string()),
        ("reason", request.reason.chars().take(500).collect()),
        ("refused", refused.to_owned()),
    ];
    let details = details.into_iter().filter(|(_, text)| !text.is_empty());
    Act {
        actor: request.actor.clone(),
        action,
        subject: request.call.to_string(),
        details: details.map(|(key, text)| (key.to_owned(), text)).collect(),
    }
}
