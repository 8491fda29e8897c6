//! What the agents of the organization do, and what the network does to the news of it.

use serde_json::{Value, json};

use super::GenesysCloud;
use super::http::platform::{Platform, now};
use super::model::agents::Act;
use super::model::channels::EventFault;

/// An agent takes a presence by the name of its definition. The error is the vendor's sentence.
pub(super) fn show(platform: &Platform, user: &str, definition: &str) -> Result<(), String> {
    let changed = platform.change(|world| {
        let known = world.agents.definitions.named(definition).map(|one| one.id.clone());
        let id = known.unwrap_or_else(|| definition.to_owned());
        world.agents.present(user, &json!({ "presenceDefinition": { "id": id } }), now())
    });
    changed.map_err(|problem| problem.message)
}

impl GenesysCloud {
    /// Adds an active user, offline; its id.
    pub fn add_agent(&self, name: &str, email: &str) -> String {
        let mut world = self.platform.world();
        let id = world.ids.next();
        world.agents.add(&id, name, email, "active", now());
        id
    }

    /// Where a user belongs: any of `department`, `division`, `team` and `groups`, as the
    /// vendor's `User` has them. Names of groups and divisions are not told with the user.
    pub fn place_agent(&self, user: &str, place: Value) {
        if let Some(agent) = self.platform.world().agents.get_mut(user) {
            agent.place = place;
        }
    }

    /// Another system calls the user so (`UserExternalIdentifier`); false where there is no
    /// such user.
    pub fn name_agent(&self, user: &str, authority: &str, key: &str) -> bool {
        let mut world = self.platform.world();
        let own = (authority.to_owned(), key.to_owned());
        world.agents.get_mut(user).map(|agent| agent.external_ids.push(own)).is_some()
    }

    /// The user becomes `active`, `inactive` or `deleted`.
    pub fn set_agent_state(&self, user: &str, state: &str) {
        if let Some(agent) = self.platform.world().agents.get_mut(user) {
            state.clone_into(&mut agent.state);
        }
    }

    /// The agent takes a presence themselves: a definition's name or id. The error is the
    /// vendor's sentence.
    pub fn agent_sets(&self, user: &str, definition: &str) -> Result<(), String> {
        show(&self.platform, user, definition)
    }

    /// Something happens at the agent's desk; false where it cannot, such as an offer to
    /// somebody who is not on queue and IDLE.
    pub fn agent_act(&self, user: &str, act: Act) -> bool {
        self.platform.change(|world| world.agents.act(user, act, now()))
    }

    /// The name of the definition that a user shows, and the routing status.
    pub fn agent_status(&self, user: &str) -> Option<(String, String)> {
        let world = self.platform.world();
        let agent = world.agents.get(user).ok()?;
        Some((agent.definition().name.clone(), agent.routing_text().to_owned()))
    }

    /// The id of a presence definition by its name.
    pub fn definition(&self, name: &str) -> Option<String> {
        self.platform.world().agents.definitions.named(name).map(|one| one.id.clone())
    }

    /// Takes a definition away, or gives it back; false where there is none of that name.
    pub fn deactivate_definition(&self, name: &str, is_deactivated: bool) -> bool {
        let mut world = self.platform.world();
        let all = world.agents.definitions.all_mut();
        let found = all.iter_mut().find(|one| one.name == name);
        found.map(|one| one.is_deactivated = is_deactivated).is_some()
    }

    /// What happens to the next event of a topic that no earlier fault is for.
    pub fn spoil_event(&self, topic: &str, fault: EventFault) {
        self.platform.channels().spoil(topic, fault);
    }

    /// Sends the events that were held back, in their order.
    pub fn release_events(&self) {
        self.platform.channels().release();
    }

    /// Says on every socket that it will be closed (`v2.system.socket_closing`).
    pub fn warn_sockets(&self) {
        self.platform.channels().warn();
    }

    /// Closes every socket; the channels stay.
    pub fn cut_sockets(&self) {
        self.platform.channels().cut();
    }

    /// Every socket falls silent and answers nothing, and none is closed: a dead network.
    pub fn mute_sockets(&self) {
        self.platform.channels().mute();
    }

    /// Ends every channel, as after 24 hours.
    pub fn expire_channels(&self) {
        self.platform.channels().expire();
    }

    /// How many channels have a socket.
    pub fn sockets(&self) -> usize {
        self.platform.channels().connected()
    }
}
