//! Keeps the calls of the organization: participants, attributes, associations.
//!
//! A call has a customer, an IVR and (with a queue) an ACD participant, each with
//! one leg under `calls`; addresses are `tel:+1…` or `sip:…@host`, as given.
//! Attributes merge. Analytics keeps what they were when the call ended.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde_json::{Map, Value, json};

use super::dates;
use super::problem::Problem;

/// Most conversations kept; the oldest go first.
const MOST: usize = 100_000;

/// The vendor's `ConversationAssociation.mediaType`; events use another vocabulary.
pub(crate) const MEDIA_TYPES: [&str; 11] = [
    "CALL",
    "CALLBACK",
    "CHAT",
    "COBROWSE",
    "EMAIL",
    "MESSAGE",
    "INTERNAL_MESSAGE",
    "SCREEN_MONITORING",
    "SOCIAL_EXPRESSION",
    "VIDEO",
    "SCREENSHARE",
];

#[derive(Debug, Default)]
pub(crate) struct Conversations {
    by_id: HashMap<String, Conversation>,
    /// In order of their start; also the order in which they are forgotten.
    pub(crate) order: VecDeque<String>,
    /// Every association made, in order, for assertions; bounded like the calls.
    pub(crate) associations: VecDeque<Association>,
}

/// One `PUT /externalcontacts/conversations/{id}` that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Association {
    /// The conversation.
    pub conversation_id: String,
    /// The leg.
    pub communication_id: String,
    /// As sent: never redirected to a canonical contact. `None` disassociates.
    pub external_contact_id: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Conversation {
    pub(crate) id: String,
    pub(crate) outbound: bool,
    pub(crate) started_at: i64,
    pub(crate) ended_at: Option<i64>,
    pub(crate) participants: Vec<Participant>,
    /// Attributes by participant as analytics saved them, once the call has ended.
    pub(crate) saved: Option<BTreeMap<String, BTreeMap<String, String>>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Participant {
    pub(crate) id: String,
    pub(crate) purpose: &'static str,
    pub(crate) communication: String,
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) ani: String,
    pub(crate) dnis: String,
    pub(crate) queue: Option<(String, String)>,
    pub(crate) user: Option<String>,
    pub(crate) external_contact: Option<String>,
    pub(crate) attributes: BTreeMap<String, String>,
}

impl Conversations {
    pub(crate) fn add(&mut self, conversation: Conversation) {
        while self.order.len() >= MOST {
            if let Some(oldest) = self.order.pop_front() {
                self.by_id.remove(&oldest);
            }
        }
        self.order.push_back(conversation.id.clone());
        self.by_id.insert(conversation.id.clone(), conversation);
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Conversation> {
        self.by_id.values()
    }

    pub(crate) fn get(&self, id: &str) -> Result<&Conversation, Problem> {
        self.by_id.get(id).ok_or_else(Problem::not_found)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Result<&mut Conversation, Problem> {
        self.by_id.get_mut(id).ok_or_else(Problem::not_found)
    }

    /// `PUT /externalcontacts/conversations/{id}`; `known` says whether a contact exists.
    pub(crate) fn associate(
        &mut self,
        id: &str,
        body: &Value,
        known: impl Fn(&str) -> bool,
    ) -> Result<(), Problem> {
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let required = |name: &str| {
            let missing = || {
                Problem::bad_request(format!("The field {name} is required."))
                    .at("field.required", name)
            };
            text(name).ok_or_else(missing)
        };
        let (conversation_id, communication_id) =
            (required("conversationId")?, required("communicationId")?);
        let media = required("mediaType")?;
        if !MEDIA_TYPES.contains(&media) {
            return Err(Problem::invalid_value(
                "mediaType",
                media,
                "MediaType",
                &MEDIA_TYPES.join(", "),
            ));
        }
        if conversation_id != id {
            return Err(Problem::bad_request("The conversation ids of path and body differ.")
                .at("invalid.value", "conversationId"));
        }
        let contact = text("externalContactId").map(str::to_owned);
        let conversation = self.get_mut(id)?;
        if !conversation.participants.iter().any(|one| one.communication == communication_id) {
            return Err(Problem::bad_request("The communication is not part of the conversation.")
                .at("invalid.value", "communicationId"));
        }
        if contact.as_deref().is_some_and(|contact| !known(contact)) {
            return Err(Problem::not_found());
        }
        if let Some(customer) = conversation.customer_mut() {
            customer.external_contact.clone_from(&contact);
        }
        if self.associations.len() >= MOST {
            self.associations.pop_front();
        }
        self.associations.push_back(Association {
            conversation_id: id.to_owned(),
            communication_id: communication_id.to_owned(),
            external_contact_id: contact,
        });
        Ok(())
    }
}

impl Conversation {
    pub(crate) fn customer_mut(&mut self) -> Option<&mut Participant> {
        self.participants.iter_mut().find(|one| matches!(one.purpose, "customer" | "external"))
    }

    pub(crate) fn participant_mut(&mut self, id: &str) -> Result<&mut Participant, Problem> {
        self.participants.iter_mut().find(|one| one.id == id).ok_or_else(Problem::not_found)
    }

    /// Ends the call; analytics saves the attributes as they are now.
    pub(crate) fn end(&mut self, now: i64) {
        self.ended_at.get_or_insert(now);
        let attributes = |one: &Participant| (one.id.clone(), one.attributes.clone());
        self.saved.get_or_insert_with(|| self.participants.iter().map(attributes).collect());
    }

    /// The vendor's `Conversation`.
    pub(crate) fn render(&self) -> Value {
        let participants: Vec<Value> =
            self.participants.iter().map(|one| one.render(self)).collect();
        let mut body = json!({
            "id": self.id,
            "startTime": dates::iso(self.started_at),
            "address": self.participants.first().map(|one| one.address.clone()).unwrap_or_default(),
            "participants": participants,
            "recordingState": "NONE",
            "divisions": [],
            "recentTransfers": [],
            "securePause": false,
            "selfUri": format!("/api/v2/conversations/{}", self.id),
        });
        if let Some(ended_at) = self.ended_at {
            body["endTime"] = dates::iso(ended_at).into();
        }
        body
    }
}

/// Reads `{"attributes":{"k":"v"}}` and merges it; anything but texts is refused.
pub(crate) fn merge_attributes(
    into: &mut BTreeMap<String, String>,
    body: &Value,
) -> Result<(), Problem> {
    let written = body.get("attributes").and_then(Value::as_object).ok_or_else(|| {
        Problem::bad_request("The field attributes is required.").at("field.required", "attributes")
    })?;
    let mut read = Vec::with_capacity(written.len());
    for (key, value) in written {
        let text = value.as_str().ok_or_else(|| {
            let field = format!("attributes.{key}");
            Problem::invalid_value(&field, &value.to_string(), "String", "text")
        })?;
        read.push((key.clone(), text.to_owned()));
    }
    into.extend(read);
    Ok(())
}

impl Participant {
    fn render(&self, of: &Conversation) -> Value {
        let start = dates::iso(of.started_at);
        let mut body = json!({
            "id": self.id,
            "startTime": start,
            "connectedTime": start,
            "name": self.name,
            "purpose": self.purpose,
            "participantType": match self.purpose {
                "customer" | "external" => "External",
                "ivr" => "IVR",
                "acd" => "ACD",
                _ => "Internal",
            },
            "address": self.address,
            "ani": self.ani,
            "aniName": self.name,
            "dnis": self.dnis,
            "wrapupRequired": false,
            "mediaRoles": ["full"],
            "attributes": self.attributes,
            "calls": [self.leg(of)],
        });
        let empty = [
            "callbacks",
            "chats",
            "cobrowsesessions",
            "emails",
            "messages",
            "screenshares",
            "socialExpressions",
            "videos",
            "internalMessages",
        ];
        for media in empty {
            body[media] = json!([]);
        }
        if let Some((id, name)) = &self.queue {
            body["queueId"] = id.clone().into();
            body["queueName"] = name.clone().into();
        }
        if let Some(user) = &self.user {
            body["userId"] = user.clone().into();
        }
        if let Some(contact) = &self.external_contact {
            body["externalContactId"] = contact.clone().into();
            body["externalContactInitialDivisionId"] = "*".into();
        }
        if let Some(ended_at) = of.ended_at {
            body["endTime"] = dates::iso(ended_at).into();
        }
        body
    }

    fn leg(&self, of: &Conversation) -> Value {
        let side = |name: &str, address: &str| {
            json!({
                "name": name, "nameRaw": name, "addressNormalized": address,
                "addressRaw": address, "addressDisplayable": "unavailable",
            })
        };
        let start = dates::iso(of.started_at);
        let mut segment = json!({ "startTime": start, "type": "Interact" });
        let mut leg = Map::new();
        let mut set = |name: &str, value: Value| leg.insert(name.to_owned(), value);
        set("id", self.communication.clone().into());
        set("initialState", "offering".into());
        set("direction", if of.outbound { "outbound" } else { "inbound" }.into());
        for flag in
            ["recording", "muted", "confined", "held", "securePause", "afterCallWorkRequired"]
        {
            set(flag, false.into());
        }
        set("recordingState", "none".into());
        set("connectedTime", start.into());
        set("provider", "Edge".into());
        set("self", side(&self.name, &self.address));
        set("other", side("", &self.dnis));
        set("afterCallWork", json!({}));
        set("disconnectReasons", json!([]));
        match of.ended_at {
            Some(ended_at) => {
                segment["endTime"] = dates::iso(ended_at).into();
                segment["howEnded"] = "Disconnect".into();
                segment["disconnectType"] = "peer".into();
                set("state", "terminated".into());
                set("disconnectType", "peer".into());
                set("disconnectedTime", dates::iso(ended_at).into());
            }
            None => drop(set("state", "connected".into())),
        }
        set("segments", json!([segment]));
        Value::Object(leg)
    }
}
