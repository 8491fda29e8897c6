//! What is left to do once a call is answered, as durable jobs.
//!
//! A caller answered in time and unchanged leaves nothing to do. A partial
//! answer leaves its enrichment; a person whom the contact center does not know
//! yet, or knows differently, leaves a push. The payloads are this file's own:
//! whoever reads them reads them here.

use crate::answer::Candidate;
use crate::connections::Connection;
use crate::lookup::Engine;
use crate::{beside, call_end, finish};
use domain::{CallId, Contact, ContactPhone, ExternalId, Source, Status, Timestamp, Value};
use kit::{Profile, Push};
use serde::{Deserialize, Serialize};
use state::{Entry, Key, NewJob};
use std::collections::BTreeMap;

/// Finish what a deadline cut short.
pub(crate) const ENRICH: &str = "enrich";
/// Tell the contact center about a person.
pub(crate) const PUSH: &str = "push_contact";
/// Tell the contact center about a conversation.
pub(crate) const ANNOTATE: &str = "annotate_conversation";

/// Everybody the identifiers fit, and how sure that is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    pub people: Vec<Contact>,
    /// By record id: the digest of what the contact center was last told.
    pub pushed: BTreeMap<String, [u8; 16]>,
    pub source: Source,
    pub as_of: Timestamp,
    /// The CRM was asked for just these identifiers; else somebody else may share them.
    pub was_asked: bool,
    /// Every identifier asked for led to somebody.
    pub has_all: bool,
    pub is_stale: bool,
    pub has_failed: bool,
    /// Why the CRM was not heard, as a code.
    pub failure: Option<&'static str>,
}

impl Found {
    fn of(people: Vec<Contact>, source: Source, as_of: Timestamp) -> Self {
        Self {
            people,
            pushed: BTreeMap::new(),
            source,
            as_of,
            was_asked: true,
            has_all: true,
            is_stale: false,
            has_failed: false,
            failure: None,
        }
    }

    /// Nobody: there was nothing to ask for, or it is known that nobody fits.
    pub(crate) fn nobody(now: Timestamp) -> Self {
        Self::of(Vec::new(), Source::None, now)
    }

    pub(crate) fn failed(now: Timestamp) -> Self {
        Self { has_failed: true, ..Self::nobody(now) }
    }

    pub(crate) fn because(self, failure: &'static str) -> Self {
        Self { failure: Some(failure), ..self }
    }

    /// As old as its oldest part; `None` when the directory has nobody.
    pub(crate) fn from_directory(keys: &[Key], entries: Vec<Entry>) -> Option<Self> {
        let told_at = |entry: &Entry| entry.asked_at.unwrap_or(entry.as_of).min(entry.as_of);
        let as_of = entries.iter().map(told_at).min()?;
        let mut found = Self::of(Vec::new(), Source::Directory, as_of);
        found.was_asked = entries.iter().all(|entry| entry.asked_at.is_some());
        let leads = |key: &Key| entries.iter().any(|entry| entry.matched.contains(key));
        found.has_all = keys.iter().all(leads);
        for entry in entries {
            if let Some(digest) = entry.pushed {
                found.pushed.insert(entry.contact.record.clone(), digest);
            }
            found.people.push(Contact { last_call_at: entry.last_call_at, ..entry.contact });
        }
        Some(found)
    }

    /// What the CRM says now, with what the directory knew of the same records.
    pub(crate) fn from_crm(mut people: Vec<Contact>, kept: Option<Self>, now: Timestamp) -> Self {
        let kept = kept.map(|kept| (kept.people, kept.pushed)).unwrap_or_default();
        for person in &mut people {
            let known = kept.0.iter().find(|k| k.record == person.record);
            person.last_call_at = known.and_then(|k| k.last_call_at);
        }
        Self { pushed: kept.1, ..Self::of(people, Source::Crm, now) }
    }

    pub(crate) fn marked_stale(self) -> Self {
        Self { is_stale: true, ..self }
    }
}

/// Who it is, decided.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Identity {
    pub external_id: ExternalId,
    pub status: Status,
    pub source: Source,
    pub contact: Option<Contact>,
    pub candidates: Vec<Candidate>,
    pub as_of: Timestamp,
    pub is_stale: bool,
    /// What the contact center was last told of this person.
    pub pushed: Option<[u8; 16]>,
    /// What systems beside the person's own have added to the contact's data.
    pub joined: BTreeMap<String, Value>,
    /// Of these systems those that could not say it in time, or at all.
    pub missing: Vec<String>,
    /// Why the CRM was not heard, as a code.
    pub failure: Option<&'static str>,
}

impl Identity {
    pub(crate) fn nobody(external_id: ExternalId, status: Status, found: &Found) -> Self {
        Self {
            external_id,
            status,
            source: found.source,
            contact: None,
            candidates: Vec::new(),
            as_of: found.as_of,
            is_stale: found.is_stale,
            pushed: None,
            joined: BTreeMap::new(),
            missing: Vec::new(),
            failure: found.failure,
        }
    }

    pub(crate) fn person(external_id: ExternalId, contact: Contact, found: &Found) -> Self {
        let pushed = found.pushed.get(&contact.record).copied();
        Self { contact: Some(contact), pushed, ..Self::nobody(external_id, Status::Hit, found) }
    }
}

/// Payload of [`PUSH`].
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct PushPayload {
    pub connection: String,
    pub record: String,
    pub external_id: String,
    pub name: String,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub email: Option<String>,
    #[serde(with = "phones")]
    pub phones: Vec<ContactPhone>,
    pub url: Option<String>,
    /// The conversation to tie to the contact afterwards.
    pub call: String,
    /// What to set on it; empty where the flow has set everything.
    pub attributes: BTreeMap<String, String>,
}

/// Phones as a payload carries them: `[["work", "+1555…"], …]`.
mod phones {
    use domain::{ContactPhone, PhoneKind};
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(of: &[ContactPhone], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(of.iter().map(|phone| (phone.kind.as_str(), &phone.e164)))
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(
        from: D,
    ) -> Result<Vec<ContactPhone>, D::Error> {
        let pairs: Vec<(String, String)> = Vec::deserialize(from)?;
        let phone =
            |(kind, e164): (String, String)| ContactPhone::new(PhoneKind::parse(&kind), e164);
        Ok(pairs.into_iter().map(phone).collect())
    }
}

/// Payload of [`ANNOTATE`].
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct AnnotatePayload {
    pub call: String,
    /// The platform's contact to tie the conversation to.
    pub contact: Option<String>,
    pub attributes: BTreeMap<String, String>,
}

impl PushPayload {
    pub(crate) fn push(&self) -> Push {
        let profile = Profile {
            name: self.name.clone(),
            first_name: self.first_name.clone(),
            last_name: self.last_name.clone(),
            email: self.email.clone(),
            phones: self.phones.clone(),
            url: self.url.clone(),
        };
        Push { external_id: self.external_id.clone(), profile }
    }
}

/// The jobs that go into the store together with an answered call.
pub(crate) fn after_answer(
    engine: &Engine,
    connection: &Connection,
    call: &CallId,
    identity: &Identity,
    now: Timestamp,
) -> Vec<NewJob> {
    let mut jobs = match identity.status {
        Status::Partial => vec![enrich(connection, call, now)],
        // A miss of the quick search is looked into once more behind the answer:
        // a search index may hide a record of minutes ago. Strangers of the same
        // second are looked into together.
        Status::Miss if identity.source == Source::Crm => {
            vec![enrich(connection, call, now.next_second())]
        }
        Status::Hit | Status::Miss | Status::Ambiguous => {
            let must_tell = !engine.options.flow_sets_attributes;
            tell_contact_center(engine, connection, call, identity, must_tell, now)
        }
        Status::Unknown => Vec::new(),
    };
    jobs.extend(finish::jobs(call, &identity.missing, now));
    // Its end may have been told before it came.
    jobs.push(call_end::close(engine, &connection.name, call, now));
    jobs
}

/// The jobs by which the contact center learns of an identity. `must_tell`:
/// the flow could not have set the attributes itself.
pub(crate) fn tell_contact_center(
    engine: &Engine,
    connection: &Connection,
    call: &CallId,
    identity: &Identity,
    must_tell: bool,
    now: Timestamp,
) -> Vec<NewJob> {
    let Some(center) = engine.connections.contact_center() else {
        return Vec::new();
    };
    let must_tell = must_tell || identity.status == Status::Ambiguous;
    let attributes = if must_tell { attributes(identity) } else { BTreeMap::new() };
    let Some(contact) = &identity.contact else {
        // A PHONE: id goes onto the conversation and never becomes a contact.
        let payload = AnnotatePayload { call: call.to_string(), contact: None, attributes };
        return if must_tell {
            vec![annotate(&center.name, call, &payload, now)]
        } else {
            Vec::new()
        };
    };
    let payload = PushPayload {
        connection: connection.name.clone(),
        record: contact.record.clone(),
        external_id: identity.external_id.to_string(),
        name: contact.name.clone(),
        first_name: contact.first_name.clone(),
        last_name: contact.last_name.clone(),
        email: contact.email.clone(),
        phones: contact.phones.clone(),
        url: contact.url.clone(),
        call: call.to_string(),
        attributes,
    };
    let is_known = identity.pushed == Some(digest(engine, &payload.push()));
    if is_known && !must_tell {
        return Vec::new();
    }
    vec![NewJob {
        kind: PUSH,
        connection: center.name.clone(),
        // By call and person, so that no call loses its association to another's.
        key: Some(format!("{call} {} {}", identity.external_id, told(&payload.attributes))),
        payload: bytes(&payload),
        run_at: now,
        subject: Some(call.clone()),
    }]
}

pub(crate) fn enrich(connection: &Connection, call: &CallId, run_at: Timestamp) -> NewJob {
    NewJob::of_call(ENRICH, &connection.name, call, run_at)
}

pub(crate) fn annotate(
    center: &str,
    call: &CallId,
    payload: &AnnotatePayload,
    now: Timestamp,
) -> NewJob {
    NewJob {
        kind: ANNOTATE,
        connection: center.to_owned(),
        key: Some(format!("{call} {}", told(&payload.attributes))),
        payload: bytes(payload),
        run_at: now,
        subject: Some(call.clone()),
    }
}

/// Part of a job's key: one that sets attributes never gives way to one that sets none.
fn told(attributes: &BTreeMap<String, String>) -> &'static str {
    if attributes.is_empty() { "untold" } else { "told" }
}

/// Every attribute that is ever set on a conversation, and what it says; besides, the data
/// of systems beside the CRM, under the names that the configuration gives it.
pub const ATTRIBUTES: &[(&str, &str)] = &[
    ("externalId", "externalId"),
    ("identityStatus", "how the caller was found"),
    ("customerName", "name"),
    ("PT_SearchValue", "e-mail, else name"),
    ("PT_URLPop", "page of the record in its CRM"),
    ("candidateCount", "how many people share the number"),
    ("candidates", "externalIds and names of up to five of them"),
];

/// The customer participant's attributes: what a flow would have set from an
/// answer in time, and what the platform's CRM clients pop a screen by.
pub(crate) fn attributes(identity: &Identity) -> BTreeMap<String, String> {
    // First, so that a name of theirs is never one of ours.
    let joined = identity.joined.iter().map(|(name, value)| (name.clone(), beside::text(value)));
    let mut set: BTreeMap<_, _> = joined.filter(|(_, text)| !text.is_empty()).collect();
    let mut put = |key: &str, value: String| {
        debug_assert!(ATTRIBUTES.iter().any(|(known, _)| *known == key), "{key} is not told");
        if !value.is_empty() {
            set.insert(key.to_owned(), value);
        }
    };
    put("externalId", identity.external_id.to_string());
    put("identityStatus", identity.status.as_str().to_owned());
    if let Some(contact) = &identity.contact {
        put("customerName", contact.name.clone());
        let search = contact.email.clone().unwrap_or_else(|| contact.name.clone());
        put("PT_SearchValue", search);
        put("PT_URLPop", contact.url.clone().unwrap_or_default());
    }
    if !identity.candidates.is_empty() {
        put("candidateCount", identity.candidates.len().to_string());
        let shown = identity.candidates.iter().take(5);
        let shown: Vec<_> = shown.map(|c| format!("{} {}", c.external_id, c.name)).collect();
        put("candidates", shown.join("; "));
    }
    set
}

/// A digest of what the contact center is told, to see whether it knows it already.
pub(crate) fn digest(engine: &Engine, push: &Push) -> [u8; 16] {
    let Profile { name, first_name, last_name, email, phones, url } = &push.profile;
    let phone = |phone: &ContactPhone| format!("{} {}", phone.kind.as_str(), phone.e164);
    let parts = [
        push.external_id.as_str(),
        name,
        first_name.as_deref().unwrap_or_default(),
        last_name.as_deref().unwrap_or_default(),
        email.as_deref().unwrap_or_default(),
        &phones.iter().map(phone).collect::<Vec<_>>().join(" "),
        url.as_deref().unwrap_or_default(),
    ];
    engine.store.digest(&parts.join("\n"))
}

fn bytes<T: Serialize>(payload: &T) -> Vec<u8> {
    // Texts and maps of texts: there is nothing in them that JSON cannot hold.
    serde_json::to_vec(payload).unwrap_or_default()
}
