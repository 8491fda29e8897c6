//! The whole simulated organization, as one value behind one lock.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use super::agents::Agents;
use super::contacts::fields::Fields;
use super::contacts::identifiers;
use super::contacts::{Contact, ContactType, Contacts};
use super::conversations::Conversations;
use super::dates;
use super::ids::Ids;
use super::organizations::{self, Organizations};
use super::problem::Problem;
use super::schemas::Schemas;

/// Most contacts in one merge tree.
pub(crate) const MERGE_SET_LIMIT: usize = 52;

/// Everything the organization knows.
pub(crate) struct World {
    pub(crate) ids: Ids,
    /// Users, what they show and what the routing says of them.
    pub(crate) agents: Agents,
    pub(crate) contacts: Contacts,
    pub(crate) sources: Sources,
    /// Of custom fields of contacts, and of organizations.
    pub(crate) schemas: Schemas,
    pub(crate) organization_schemas: Schemas,
    pub(crate) organizations: Organizations,
    /// Notes by id, each with the contact it is about.
    pub(crate) notes: BTreeMap<String, Note>,
    pub(crate) conversations: Conversations,
    /// Queues in order of name.
    pub(crate) queues: Vec<(String, String)>,
    pub(crate) ivrs: Vec<Value>,
    /// User prompts.
    pub(crate) prompts: Vec<Value>,
    pub(crate) integrations: Vec<Value>,
    /// Data actions.
    pub(crate) actions: Vec<Value>,
    pub(crate) triggers: Vec<Value>,
}

/// A note on a contact.
#[derive(Debug, Clone)]
pub(crate) struct Note {
    pub(crate) contact: String,
    pub(crate) text: String,
    pub(crate) author: String,
    pub(crate) created_at: i64,
    pub(crate) modified_at: i64,
}

/// What a reader asked to have expanded.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Expand {
    pub(crate) identifiers: bool,
    pub(crate) external_sources: bool,
    pub(crate) organization: bool,
}

impl World {
    pub(crate) fn new(seed: u64, lag_ms: i64) -> Self {
        Self {
            ids: Ids::new(seed),
            agents: Agents::default(),
            contacts: Contacts::new(lag_ms),
            sources: Sources::default(),
            schemas: Schemas::default(),
            organization_schemas: Schemas::default(),
            organizations: Organizations::default(),
            notes: BTreeMap::new(),
            conversations: Conversations::default(),
            queues: Vec::new(),
            ivrs: Vec::new(),
            prompts: Vec::new(),
            integrations: Vec::new(),
            actions: Vec::new(),
            triggers: Vec::new(),
        }
    }

    /// What a writer's contact body becomes.
    pub(crate) fn fields(&self, body: &Value) -> Result<Fields, Problem> {
        let fields = super::contacts::fields::stored(body, &self.sources, &self.schemas)?;
        let organization = fields.get("externalOrganization");
        let id = organization.map(|one| one["id"].as_str().unwrap_or_default());
        if id.is_some_and(|id| !self.organizations.knew(id)) {
            let why = "The external organization does not exist.";
            return Err(Problem::bad_request(why).at("not.found", "externalOrganization"));
        }
        Ok(fields)
    }

    /// The vendor's `ExternalContact`; absent values are left out, never null.
    pub(crate) fn render(&self, contact: &Contact, expand: Expand) -> Value {
        let mut body = contact.fields.clone();
        if let Some(Value::Array(ids)) = body.get_mut("externalIds") {
            for id in ids {
                let source = id["externalSource"]["id"].as_str().unwrap_or_default().to_owned();
                id["externalSource"] = self.sources.reference(&source, expand.external_sources);
            }
        }
        if let Some(one) = body.get_mut("externalOrganization") {
            let id = one["id"].as_str().unwrap_or_default().to_owned();
            let whole = self.organizations.get(&id).ok().filter(|_| expand.organization);
            *one = match whole {
                Some(whole) => self.render_organization(whole),
                None => json!({ "id": id, "selfUri": organizations::uri(&id) }),
            };
        }
        let mut set = |name: &str, value: Value| body.insert(name.to_owned(), value);
        set("id", contact.id.clone().into());
        set("division", json!({ "id": contact.division }));
        set("type", contact.kind.as_str().into());
        set("createDate", dates::iso(contact.created_at).into());
        set("modifyDate", dates::iso(contact.modified_at).into());
        set("externalDataSources", json!([]));
        set("selfUri", uri(&contact.id).into());
        if expand.identifiers {
            set("identifiers", self.identifiers(contact).into());
        }
        if let Some(to) = &contact.merged_to {
            set("mergedTo", reference(to));
            let canonical = self.contacts.resolve(&contact.id);
            set("canonicalContact", reference(canonical.map_or(to, |canonical| &canonical.id)));
        }
        if !contact.ancestors.is_empty() {
            let members = std::iter::once(&contact.id).chain(&contact.ancestors);
            set("mergeSet", members.map(|id| reference(id)).collect::<Vec<_>>().into());
            set("canonicalContact", reference(&contact.id));
        }
        if !contact.merged_from.is_empty() {
            let inputs = contact.merged_from.iter().map(|id| reference(id));
            set("mergedFrom", inputs.collect::<Vec<_>>().into());
        }
        Value::Object(body)
    }

    /// The keys a contact holds, as `ContactIdentifier`s.
    pub(crate) fn identifiers(&self, contact: &Contact) -> Vec<Value> {
        contact.held.iter().map(|(key, at)| key.render(*at, &self.sources)).collect()
    }

    /// Forgets contacts of the platform's own that had no interaction for 60 days; their ids.
    pub(crate) fn expire_contacts(&mut self, now: i64) -> Vec<String> {
        const KEPT_MS: i64 = 60 * 86_400_000;
        let mut last: HashMap<&str, i64> = HashMap::new();
        for call in self.conversations.all() {
            let at = call.ended_at.unwrap_or(call.started_at);
            for contact in
                call.participants.iter().filter_map(|one| one.external_contact.as_deref())
            {
                last.entry(contact).and_modify(|known| *known = at.max(*known)).or_insert(at);
            }
        }
        let is_old = |one: &&std::sync::Arc<Contact>| {
            let seen = last.get(one.id.as_str()).copied().unwrap_or(one.modified_at);
            one.kind != ContactType::Curated && one.merged_to.is_none() && seen < now - KEPT_MS
        };
        let old: Vec<String> =
            self.contacts.all().filter(is_old).map(|one| one.id.clone()).collect();
        for id in &old {
            self.contacts.remove(id, now);
        }
        old
    }

    /// The contact an identifier body finds, exactly.
    pub(crate) fn lookup(&self, body: &Value) -> Result<&Contact, Problem> {
        let key = identifiers::Key::read(body, &self.sources)?;
        self.contacts.holder(&key).map(|contact| &**contact).ok_or_else(Problem::not_found)
    }
}

pub(crate) fn uri(contact: &str) -> String {
    format!("/api/v2/externalcontacts/contacts/{contact}")
}

fn reference(contact: &str) -> Value {
    json!({ "id": contact, "selfUri": uri(contact) })
}

/// The systems whose ids contacts carry, by id; names are unique.
#[derive(Debug, Default)]
pub(crate) struct Sources(pub(crate) BTreeMap<String, Source>);

/// An external source.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) active: bool,
    pub(crate) uri_template: Option<String>,
    /// Order of creation, for the cursor of the list.
    pub(crate) sequence: u64,
}

impl Sources {
    /// The id a reference means: by `id`, else by `name`; 400 where it means none.
    pub(crate) fn resolve(&self, reference: &Value) -> Result<String, Problem> {
        let text = |name: &str| reference.get(name).and_then(Value::as_str);
        let found = match (text("id"), text("name")) {
            (Some(id), _) => self.0.contains_key(id).then(|| id.to_owned()),
            (None, Some(name)) => self.named(name.trim()),
            (None, None) => None,
        };
        found.ok_or_else(|| {
            Problem::bad_request("The external source does not exist.")
                .at("not.found", "externalSource")
        })
    }

    /// The id of the source of that name, whatever its case.
    pub(crate) fn named(&self, name: &str) -> Option<String> {
        let found = self.0.iter().find(|(_, source)| source.name.eq_ignore_ascii_case(name));
        found.map(|(id, _)| id.clone())
    }

    /// How a source is referred to inside a contact; its name only when expanded.
    pub(crate) fn reference(&self, id: &str, expanded: bool) -> Value {
        let mut body = json!({
            "id": id,
            "selfUri": format!("/api/v2/externalcontacts/externalsources/{id}"),
        });
        // A deleted source leaves dangling references, as at the vendor.
        if let Some(source) = self.0.get(id).filter(|_| expanded) {
            body["name"] = source.name.clone().into();
            body["active"] = source.active.into();
        }
        body
    }

    /// The vendor's `ExternalSource`.
    pub(crate) fn render(&self, id: &str) -> Result<Value, Problem> {
        let source = self.0.get(id).ok_or_else(Problem::not_found)?;
        let mut body = self.reference(id, true);
        if let Some(template) = &source.uri_template {
            body["linkConfiguration"] = json!({ "uriTemplate": template });
        }
        body["name"] = source.name.clone().into();
        Ok(body)
    }
}
