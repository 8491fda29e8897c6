//! What Genesys Cloud does with identity: contacts, live conversations, who is on them.
//!
//! One contact goes by itself, two to ten together: the platform allows 300
//! requests a minute, and a bulk request counts as one. Every write is keyed, so
//! that repeating it has no second effect (invariant 3).

use super::client::{Client, Send, refused};
use super::mapping::{self, Policy, Source};
use async_trait::async_trait;
use domain::CallId;
use kit::{ContactCenter, Conversation, Enriched, Error, Push};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Mutex;

/// Contacts in one bulk request, the vendor's limit.
const BULK_MAX: usize = 10;
/// Pages of External Sources looked through: 2,000 of them.
const SOURCE_PAGES_MAX: usize = 10;

/// One organization.
pub(super) struct Platform {
    pub(super) client: Arc<Client>,
    pub(super) policy: Policy,
    /// Name of the External Source.
    pub(super) source_name: String,
    /// It, once it was looked up.
    pub(super) known_source: Mutex<Option<Source>>,
}

impl Platform {
    /// The External Source of our ids; asked for once, by one task at a time.
    ///
    /// # Errors
    /// `Invalid` naming `external_source` when there is none of that name.
    pub(super) async fn source(&self) -> Result<Source, Error> {
        let mut known = self.known_source.lock().await;
        if let Some(source) = known.as_ref() {
            return Ok(source.clone());
        }
        let mut cursor: Option<String> = None;
        for _ in 0..SOURCE_PAGES_MAX {
            let mut query =
                vec![("name", self.source_name.as_str()), ("active", "true"), ("limit", "200")];
            if let Some(cursor) = &cursor {
                query.push(("cursor", cursor));
            }
            let reply =
                self.client.send(Send::Get(&query), "externalcontacts/externalsources").await?;
            let (found, after) = mapping::source(&reply.json()?, &self.source_name)?;
            if let Some(source) = found {
                *known = Some(source.clone());
                return Ok(source);
            }
            cursor = after;
            if cursor.is_none() {
                break;
            }
        }
        Err(Error::Invalid {
            field: Some("external_source".to_owned()),
            reason: format!("there is no active External Source named {}", self.source_name),
        })
    }

    async fn enrich_batch(&self, pushes: &[Push]) -> Result<Vec<Result<Enriched, Error>>, Error> {
        let source = self.source().await?;
        let requests: Vec<_> =
            pushes.iter().map(|push| mapping::enrich(push, &source, &self.policy)).collect();
        if let [request] = requests.as_slice() {
            let path = "externalcontacts/contacts/enrich";
            let outcome = self.client.send(Send::Post(request), path).await;
            let outcome = outcome.and_then(|reply| mapping::enriched(&reply.json()?));
            return Ok(vec![outcome]);
        }
        let body = mapping::enrich_all(&requests);
        let path = "externalcontacts/bulk/contacts/enrich";
        let reply = self.client.send(Send::Post(&body), path).await?;
        Ok(mapping::enriched_all(&reply.json()?, pushes.len(), refused))
    }

    /// Looks the source up anew next time: a refusal may mean that it was deleted
    /// and made again under the same name.
    async fn forget_source(&self) {
        *self.known_source.lock().await = None;
    }
}

#[async_trait]
impl ContactCenter for Platform {
    fn batch_max(&self) -> usize {
        BULK_MAX
    }

    async fn enrich(&self, pushes: &[Push]) -> Result<Vec<Result<Enriched, Error>>, Error> {
        let mut outcomes = Vec::with_capacity(pushes.len());
        for batch in pushes.chunks(BULK_MAX) {
            match self.enrich_batch(batch).await {
                Ok(answered) => outcomes.extend(answered),
                // Nothing was tried yet: the whole fails. Later, only what is left does.
                Err(error) if outcomes.is_empty() => return Err(error),
                Err(error) => outcomes.extend(batch.iter().map(|_| Err(error.clone()))),
            }
        }
        if outcomes.iter().any(|outcome| matches!(outcome, Err(Error::Invalid { .. }))) {
            self.forget_source().await;
        }
        Ok(outcomes)
    }

    async fn conversation(&self, call: &CallId) -> Result<Conversation, Error> {
        if !mapping::is_uuid(call.as_str()) {
            return Err(Error::NotFound);
        }
        let path = format!("conversations/{call}");
        let reply = self.client.send(Send::Get(&[]), &path).await?;
        mapping::conversation(&reply.json()?)
    }

    async fn set_attributes(
        &self,
        conversation: &Conversation,
        attributes: &BTreeMap<String, String>,
    ) -> Result<(), Error> {
        if attributes.is_empty() {
            return Ok(());
        }
        let participant = conversation.participant.as_deref().filter(|id| mapping::is_uuid(id));
        let (Some(participant), true) = (participant, mapping::is_uuid(&conversation.id)) else {
            return Err(Error::NotFound);
        };
        let path =
            format!("conversations/{}/participants/{participant}/attributes", conversation.id);
        let body = json!({ "attributes": attributes });
        self.client.send(Send::Patch(&body), &path).await.map(drop)
    }

    async fn associate(&self, conversation: &Conversation, contact: &str) -> Result<(), Error> {
        let communication = conversation.communication.as_deref();
        let (Some(communication), true) = (communication, mapping::is_uuid(&conversation.id))
        else {
            return Err(Error::NotFound);
        };
        let path = format!("externalcontacts/conversations/{}", conversation.id);
        let body = mapping::association(conversation, communication, contact);
        self.client.send(Send::Put(&body), &path).await.map(drop)
    }
}
