//! Says what an agent shows and whether the routing hands them work.
//!
//! Presence is chosen, routing status follows: going on queue makes an agent IDLE, leaving
//! makes them OFF_QUEUE, and an interaction in progress stays INTERACTING until it and its
//! after-call work end. Only an agent on queue and IDLE is offered work. Every step leaves
//! the events that the notification service tells of it, in order: one for presence or
//! routing status, one for activity.
//!
//! Facts: the vendor's glossary "Routing status" and help "Change an agent's status". Not
//! documented, so chosen here: an offer that rings leaves the agent IDLE, and the only
//! transition that a writer may ask for is NOT_RESPONDING to IDLE.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::dates;
use super::definitions::{Definition, Definitions};
use super::problem::Problem;

/// What the routing says of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Routing {
    OffQueue,
    Idle,
    Interacting,
    NotResponding,
    Communicating,
}

impl Routing {
    const ALL: [Self; 5] =
        [Self::OffQueue, Self::Idle, Self::Interacting, Self::NotResponding, Self::Communicating];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::OffQueue => "OFF_QUEUE",
            Self::Idle => "IDLE",
            Self::Interacting => "INTERACTING",
            Self::NotResponding => "NOT_RESPONDING",
            Self::Communicating => "COMMUNICATING",
        }
    }

    fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }
}

/// What happens at an agent's desk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// The routing offers work; it does so only to an agent who is on queue and IDLE.
    Offer,
    /// The agent takes what is offered.
    Accept,
    /// The agent lets it ring, or declines.
    Miss,
    /// The interaction ends and leaves after-call work, which `End` ends.
    EndWithWork,
    /// The interaction, or its after-call work, ends.
    End,
    /// A call that is no queue's begins.
    Call,
    /// It ends.
    HangUp,
}

/// A user of the organization.
#[derive(Debug, Clone)]
pub(crate) struct Agent {
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) state: String,
    definition: Definition,
    message: String,
    modified_at: i64,
    routing: Routing,
    routing_since: i64,
    is_offered: bool,
    at_hand: bool,
    /// What is at hand is after-call work.
    is_wrapping_up: bool,
    /// What else is told of the user: `department`, `team`, `groups`, `division`.
    pub(crate) place: Value,
    /// Authority and key of each external identifier.
    pub(crate) external_ids: Vec<(String, String)>,
}

/// Every user by id, and what is still to be told of them.
#[derive(Debug, Default)]
pub(crate) struct Agents {
    pub(crate) definitions: Definitions,
    all: BTreeMap<String, Agent>,
    told: Vec<(String, Value)>,
}

impl Agents {
    pub(crate) fn add(&mut self, id: &str, name: &str, email: &str, state: &str, now: i64) {
        let agent = Agent {
            name: name.to_owned(),
            email: email.to_owned(),
            state: state.to_owned(),
            definition: self.definitions.offline(),
            message: String::new(),
            modified_at: now,
            routing: Routing::OffQueue,
            routing_since: now,
            is_offered: false,
            at_hand: false,
            is_wrapping_up: false,
            place: json!({}),
            external_ids: Vec::new(),
        };
        self.all.insert(id.to_owned(), agent);
    }

    pub(crate) fn get(&self, id: &str) -> Result<&Agent, Problem> {
        self.all.get(id).ok_or_else(Problem::not_found)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Agent> {
        self.all.get_mut(id)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&String, &Agent)> {
        self.all.iter()
    }

    /// Topics and bodies of what happened since they were last taken, in order.
    pub(crate) fn take_told(&mut self) -> Vec<(String, Value)> {
        std::mem::take(&mut self.told)
    }

    /// Whether a body names a definition that can be shown; what it names.
    pub(crate) fn wanted(&self, body: &Value) -> Result<Option<Definition>, Problem> {
        match body.get("presenceDefinition").filter(|one| !one.is_null()) {
            Some(one) => self.definitions.shown(one["id"].as_str().unwrap_or_default()).map(Some),
            None => Ok(None),
        }
    }

    /// Changes presence as a body of `PATCH …/presences/purecloud` says.
    pub(crate) fn present(&mut self, id: &str, body: &Value, now: i64) -> Result<(), Problem> {
        let wanted = self.wanted(body)?;
        let agent = self.all.get_mut(id).ok_or_else(Problem::not_found)?;
        let was_on_queue = agent.definition.is_on_queue();
        if let Some(definition) = wanted {
            agent.definition = definition;
        }
        if let Some(message) = body["message"].as_str() {
            message.clone_into(&mut agent.message);
        }
        // Two acts in one millisecond are still told apart: the newest wins by its date.
        agent.modified_at = now.max(agent.modified_at + 1);
        let is_on_queue = agent.definition.is_on_queue();
        let routing = match (was_on_queue, is_on_queue, agent.at_hand) {
            (false, true, false) => Routing::Idle,
            (true, false, false) => Routing::OffQueue,
            (_, _, true) => Routing::Interacting,
            _ => agent.routing,
        };
        if was_on_queue && !is_on_queue {
            agent.is_offered = false;
        }
        let event = agent.presence_event();
        self.tell(id, "presence", event);
        self.route(id, routing, now);
        Ok(())
    }

    /// Changes routing status as a writer asks.
    pub(crate) fn ask_routing(&mut self, id: &str, body: &Value, now: i64) -> Result<(), Problem> {
        let text = body["status"].as_str().unwrap_or_default();
        let wanted = Routing::read(text).ok_or_else(|| {
            let allowed = Routing::ALL.map(Routing::as_str).join(", ");
            Problem::invalid_value("status", text, "String", &allowed)
        })?;
        let agent = self.get(id)?;
        let is_back = agent.routing == Routing::NotResponding && wanted == Routing::Idle;
        if wanted != agent.routing && !is_back {
            return Err(Problem::invalid_transition());
        }
        self.route(id, wanted, now);
        Ok(())
    }

    /// Whether it could happen; if not, nothing has.
    pub(crate) fn act(&mut self, id: &str, act: Act, now: i64) -> bool {
        let Some(agent) = self.all.get_mut(id) else { return false };
        let idle = if agent.definition.is_on_queue() { Routing::Idle } else { Routing::OffQueue };
        let is_free = agent.routing == Routing::Idle && !agent.is_offered;
        let routing = match act {
            Act::Offer if is_free && agent.definition.is_on_queue() => {
                agent.is_offered = true;
                return true;
            }
            Act::Accept if agent.is_offered => Routing::Interacting,
            Act::Miss if agent.is_offered => Routing::NotResponding,
            Act::EndWithWork if agent.at_hand => Routing::Interacting,
            Act::End if agent.at_hand => idle,
            Act::Call if is_free => Routing::Communicating,
            Act::HangUp if agent.routing == Routing::Communicating => idle,
            _ => return false,
        };
        agent.is_offered = false;
        let before = agent.summary(id);
        agent.at_hand = matches!(act, Act::Accept | Act::EndWithWork);
        agent.is_wrapping_up = act == Act::EndWithWork;
        let event = agent.summary(id);
        if before != event {
            self.told.push((format!("v2.users.{id}.conversationsummary"), event));
        }
        self.route(id, routing, now);
        true
    }

    fn route(&mut self, id: &str, routing: Routing, now: i64) {
        let Some(agent) = self.all.get_mut(id).filter(|agent| agent.routing != routing) else {
            return;
        };
        agent.routing = routing;
        agent.routing_since = now.max(agent.routing_since + 1);
        let event = json!({ "id": id, "routingStatus": agent.routing_status() });
        self.tell(id, "routingStatus", event);
    }

    fn tell(&mut self, id: &str, topic: &str, body: Value) {
        let Some(agent) = self.all.get(id) else { return };
        self.told.push((format!("v2.users.{id}.{topic}"), body));
        self.told.push((format!("v2.users.{id}.activity"), agent.activity_event(id)));
    }
}

impl Agent {
    fn routing_status(&self) -> Value {
        json!({ "status": self.routing.as_str(), "startTime": dates::iso(self.routing_since) })
    }

    pub(crate) fn definition(&self) -> &Definition {
        &self.definition
    }

    pub(crate) fn routing_text(&self) -> &'static str {
        self.routing.as_str()
    }

    /// `RoutingStatus`.
    pub(crate) fn routing(&self, id: &str) -> Value {
        let mut body = self.routing_status();
        body["userId"] = id.into();
        body
    }

    /// `UserConversationSummary`, of one medium.
    pub(crate) fn summary(&self, id: &str) -> Value {
        let (acw, active) =
            (u8::from(self.is_wrapping_up), u8::from(self.at_hand && !self.is_wrapping_up));
        let none = json!({
            "contactCenter": { "active": 0, "acw": 0 },
            "enterprise": { "active": 0, "acw": 0 },
        });
        let mut body = json!({ "userId": id, "call": none, "email": none, "message": none });
        body["call"]["contactCenter"] = json!({ "active": active, "acw": acw });
        body
    }

    /// `UserPresence`.
    pub(crate) fn presence(&self, id: &str) -> Value {
        let definition = &self.definition;
        json!({
            "id": id,
            "source": "PURECLOUD",
            "primary": true,
            "presenceDefinition": {
                "id": definition.id,
                "systemPresence": definition.spoken(),
                "selfUri": format!("/api/v2/presencedefinitions/{}", definition.id),
            },
            "message": self.message,
            "modifiedDate": dates::iso(self.modified_at),
            "selfUri": format!("/api/v2/users/{id}/presences/PURECLOUD"),
        })
    }

    /// `PresenceEventUserPresence`.
    fn presence_event(&self) -> Value {
        json!({
            "source": "PURECLOUD",
            "presenceDefinition": self.definition.event(),
            "primary": true,
            "message": self.message,
            "modifiedDate": dates::iso(self.modified_at),
        })
    }

    /// `AgentActivityChangedTopicAgentActivity`.
    fn activity_event(&self, id: &str) -> Value {
        json!({
            "id": id,
            "routingStatus": self.routing_status(),
            "presence": {
                "presenceDefinition": self.definition.event(),
                "presenceMessage": self.message,
                "modifiedDate": dates::iso(self.modified_at),
            },
            "outOfOffice": { "active": false, "modifiedDate": dates::iso(0) },
            "activeQueueIds": [],
            "dateActiveQueuesChanged": dates::iso(0),
        })
    }
}
