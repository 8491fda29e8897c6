//! A call as an agent sees it: who it is from, what is known of them, what it came to.
//!
//! Put together from what is stored, always the newest: no CRM is asked, and nobody waits.

use crate::actions::Enrichment;
use crate::answer::Candidate;
use crate::enrich::ask_of;
use crate::follow_up::Found;
use crate::lookup::{Engine, identify, keys, known};
use domain::{CallId, Contact, Status, Timestamp, Value};
use state::customers::Whose;
use state::{Key, StoredCall, StoredOutcome};
use std::collections::BTreeMap;

/// A call with everything that is known of it here.
#[derive(Debug, Clone)]
pub struct Card {
    pub call: StoredCall,
    /// Whoever it is from, as the directory has them.
    pub contact: Option<Contact>,
    /// When their own system said so.
    pub as_of: Option<Timestamp>,
    /// Who it could be, where nobody was chosen.
    pub candidates: Vec<Candidate>,
    /// What is kept of this call.
    pub kept: BTreeMap<String, Value>,
    pub outcome: Option<StoredOutcome>,
    /// What its queue's CRM was asked behind an answer, if it was.
    pub enrichment: Option<Enrichment>,
}

impl Engine {
    /// The call with this id; `None` where it is not, or no longer, stored.
    ///
    /// # Errors
    /// When our own store fails.
    pub async fn card(&self, id: &CallId) -> Result<Option<Card>, state::Error> {
        let Some(call) = self.store.call(id).await? else { return Ok(None) };
        let (mut contact, mut as_of) = (None, None);
        if let Some(record) = call.call.contact.clone() {
            let found = self.store.find(&call.call.connection, &[Key::Record(record)]).await?;
            let entry = found.into_iter().next();
            as_of = entry.as_ref().map(|entry| entry.as_of);
            contact = entry.map(|entry| entry.contact);
        }
        let candidates = match call.call.status {
            Status::Ambiguous => self.candidates(&call).await?,
            _ => Vec::new(),
        };
        let kept = self.store.data_of(Whose::Call(id)).await?.data;
        let outcome = self.store.outcome(id).await?;
        let enrichment = self.enrichment_of(id).await?;
        Ok(Some(Card { call, contact, as_of, candidates, kept, outcome, enrichment }))
    }

    /// Everybody who has what the call was asked for by, as the directory knows them.
    async fn candidates(&self, stored: &StoredCall) -> Result<Vec<Candidate>, state::Error> {
        let call = &stored.call;
        let (Some(connection), Some(ask)) = (self.connections.get(&call.connection), ask_of(call))
        else {
            return Ok(Vec::new());
        };
        let route = self.connections.route(call.queue.as_deref(), None, self.options.region);
        let (keys, policy) = (keys(&ask), route.policy(connection));
        let entries = known(&self.store, &connection.name, &keys, policy).await?;
        let Some(found) = Found::from_directory(&keys, entries) else { return Ok(Vec::new()) };
        Ok(identify(self, connection, Some(&ask), found, policy).candidates)
    }
}
