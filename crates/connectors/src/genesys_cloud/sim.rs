//! A Genesys Cloud that runs on this machine and follows the vendor's documents.
//!
//! `start` gives one organization on its own loopback port: OAuth and the API on
//! one address, external contacts with identifier claiming and merging, organizations, calls
//! with attributes and associations, queues, IVRs, prompts, limits, permissions and throttling.
//! It shares no type with the product: what it says is JSON of the vendor's shape.
//! Users have a presence and a routing status, and the notification service tells of them.
//!
//! `model` holds the rules, `http` the wire, `calls` what a phone call does.
//! Facts: the vendor's API description and developer center; where they are
//! silent, the module that had to choose says so.

mod agents;
mod calls;
mod config;
mod http;
mod model;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sim::faults::Faults;
use sim::server::Running;

use http::platform::{Platform, now};
use model::problem::Problem;
use model::world::{Expand, World};

pub use calls::{NewCall, PlacedCall};
pub use config::Config;
pub use http::users::SignedInUser;
pub use model::agents::Act;
pub use model::channels::EventFault;
pub use model::contacts::ContactType;
pub use model::conversations::Association;

/// Every permission a simulated operation asks for, without the old `relate:` names.
pub fn all_permissions() -> BTreeSet<String> {
    let named = http::gate::operations().flat_map(|operation| operation.permissions);
    named.filter(|name| !name.starts_with("relate:")).map(|name| (*name).to_owned()).collect()
}

/// Every simulated operation: method, path template, and the permissions of which
/// any one is enough.
pub fn operations() -> impl Iterator<Item = (String, &'static str, &'static [&'static str])> {
    http::gate::operations().map(|one| (one.method.to_string(), one.path, one.permissions))
}

/// A running organization; it ends when dropped.
pub struct GenesysCloud {
    platform: Arc<Platform>,
    faults: Faults,
    running: Running,
    _sockets: Sockets,
}

/// Closes the sockets of the notification service when dropped.
struct Sockets(Arc<Platform>);

impl Drop for Sockets {
    fn drop(&mut self) {
        self.0.channels().expire();
    }
}

/// Starts the organization on 127.0.0.1. Fails when the port is taken, or when the
/// configured external source has no name.
pub async fn start(config: Config) -> io::Result<GenesysCloud> {
    let lag = i64::try_from(config.index_lag.as_millis()).unwrap_or(i64::MAX / 2);
    let mut world = World::new(config.seed, lag);
    let (id, name) = config.external_source.clone();
    http::sources::write_source(&mut world, &id, &serde_json::json!({ "name": name }))
        .map_err(|problem| io::Error::new(io::ErrorKind::InvalidInput, problem.message))?;
    for (id, name) in &config.queues {
        add_queue(&mut world, id, name);
    }
    for (id, name, email) in &config.agents {
        world.agents.add(id, name, email, "active", now());
    }
    world.ivrs = config.ivrs.iter().map(http::organization::ivr).collect();
    world.prompts = config.prompts.iter().map(http::organization::prompt).collect();
    let port = config.port;
    let platform = Arc::new(Platform::new(config, world));
    let faults = Faults::default();
    let answering = Arc::clone(&platform);
    faults.vendor(move |name| own_answer(&answering, name));
    let router = http::gate::router(Arc::clone(&platform));
    let running = sim::server::start(router, port, faults.clone()).await?;
    let _ = platform.address.set(running.address.to_string());
    let sockets = Sockets(Arc::clone(&platform));
    Ok(GenesysCloud { platform, faults, running, _sockets: sockets })
}

fn add_queue(world: &mut World, id: &str, name: &str) {
    world.queues.push((id.to_owned(), name.to_owned()));
    world.queues.sort_by(|one, two| one.1.cmp(&two.1));
}

/// The platform's own refusals, by the names a fault plan gives them:
/// `unauthorized`, `throttled` (or `throttled:SECONDS`), `forbidden`, `unavailable`, `conflict`.
fn own_answer(platform: &Platform, name: &str) -> Option<axum::response::Response> {
    let problem = match name.split_once(':').unwrap_or((name, "")) {
        ("unauthorized", _) => Problem::bad_credentials(),
        ("throttled", seconds) => Problem::too_many_requests(seconds.parse().unwrap_or(1)),
        ("forbidden", _) => Problem::not_authorized(),
        ("not_found", _) => Problem::not_found(),
        ("unavailable", _) => Problem::unavailable(),
        ("conflict", _) => Problem::conflict(
            "The request conflicts with the current state of the target resource.",
        ),
        _ => return None,
    };
    Some(http::gate::refusal(&platform.correlation_id(), &problem))
}

impl GenesysCloud {
    /// `http://127.0.0.1:PORT`, for login and API alike.
    pub fn url(&self) -> String {
        self.running.url()
    }

    /// Faults to inject, and the record of requests.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// How it was set up.
    pub fn config(&self) -> &Config {
        &self.platform.config
    }

    /// Stops serving.
    pub async fn stop(self) {
        self.running.stop().await;
    }

    /// A call arrives, or is dialled.
    pub fn place_call(&self, call: &NewCall) -> PlacedCall {
        calls::place(&mut self.platform.world(), call, now())
    }

    /// The call ends; analytics saves its attributes as they are. False where unknown.
    pub fn end_call(&self, conversation_id: &str) -> bool {
        let mut world = self.platform.world();
        world.conversations.get_mut(conversation_id).map(|call| call.end(now())).is_ok()
    }

    /// Names of the integrations, data actions and triggers that there are.
    pub fn set_up(&self) -> [Vec<String>; 3] {
        let world = self.platform.world();
        [&world.integrations, &world.actions, &world.triggers].map(|all| {
            all.iter().filter_map(|one| one["name"].as_str().map(str::to_owned)).collect()
        })
    }

    /// The attributes of a participant as the live conversation has them.
    pub fn attributes(
        &self,
        conversation_id: &str,
        participant_id: &str,
    ) -> Option<BTreeMap<String, String>> {
        let mut world = self.platform.world();
        let call = world.conversations.get_mut(conversation_id).ok()?;
        call.participant_mut(participant_id).ok().map(|one| one.attributes.clone())
    }

    /// The attributes of a participant as analytics saved them when the call ended.
    pub fn saved_attributes(
        &self,
        conversation_id: &str,
        participant_id: &str,
    ) -> Option<BTreeMap<String, String>> {
        let world = self.platform.world();
        world.conversations.get(conversation_id).ok()?.saved.as_ref()?.get(participant_id).cloned()
    }

    /// Every association accepted so far, in order.
    pub fn associations(&self) -> Vec<Association> {
        self.platform.world().conversations.associations.iter().cloned().collect()
    }

    /// Writes a contact as the API would; its id. The error is the vendor's sentence.
    pub fn add_contact(&self, body: &Value) -> Result<String, String> {
        self.plant_contact(body, now())
    }

    /// The same, as if it had been written so many milliseconds after 1970.
    pub fn plant_contact(&self, body: &Value, at: i64) -> Result<String, String> {
        let added = http::contacts::added(&mut self.platform.world(), body, at);
        added.map(|contact| contact.id).map_err(|problem| problem.message)
    }

    /// Merges contacts as `POST /contacts/merge` would; the id of the one they become.
    pub fn merge_contacts(&self, ids: &[&str]) -> Result<String, String> {
        let body = serde_json::json!({ "contactIds": ids });
        let merged = model::contacts::merge::merge(&mut self.platform.world(), &body, now());
        merged.map(|contact| contact.id).map_err(|problem| problem.message)
    }

    /// Sets fields of a contact as a user does on its page; null empties one. The error is
    /// the vendor's sentence.
    pub fn edit_contact(&self, id: &str, fields: &Value) -> Result<(), String> {
        let edited = http::contacts::edited(&mut self.platform.world(), id, fields, now());
        edited.map_err(|problem| problem.message)
    }

    /// Writes an organization as the API would; its id. The error is the vendor's sentence.
    pub fn add_organization(&self, body: &Value) -> Result<String, String> {
        let added = self.platform.world().add_organization(body, now());
        added.map(|organization| organization.id).map_err(|problem| problem.message)
    }

    /// Every organization as an `ExternalOrganization`, in order of creation.
    pub fn organizations(&self) -> Vec<Value> {
        let world = self.platform.world();
        world.organizations.after(0).map(|one| world.render_organization(one)).collect()
    }

    /// Every contact of whatever type, merged ones included, in order of creation,
    /// as `ExternalContact`s with identifiers and external sources expanded.
    pub fn contacts(&self) -> Vec<Value> {
        let world = self.platform.world();
        let mut all: Vec<_> = world.contacts.all().collect();
        all.sort_by_key(|contact| contact.sequence);
        let everything = Expand { identifiers: true, external_sources: true, organization: false };
        all.into_iter().map(|contact| world.render(contact, everything)).collect()
    }

    /// The canonical contact behind an id, expanded like `contacts`.
    pub fn contact(&self, id: &str) -> Option<Value> {
        let world = self.platform.world();
        let everything = Expand { identifiers: true, external_sources: true, organization: false };
        world.contacts.resolve(id).ok().map(|contact| world.render(contact, everything))
    }

    /// As if so much time had gone by without a call: contacts that the platform made by
    /// itself are forgotten 60 days after their last interaction. Their ids.
    pub fn expire_contacts(&self, after: Duration) -> Vec<String> {
        let after = i64::try_from(after.as_millis()).unwrap_or(i64::MAX / 2);
        self.platform.world().expire_contacts(now().saturating_add(after))
    }

    /// Adds a queue; its id.
    pub fn add_queue(&self, name: &str) -> String {
        let mut world = self.platform.world();
        let id = world.ids.next();
        add_queue(&mut world, &id, name);
        id
    }

    /// Every queue, id and name, by name.
    pub fn queues(&self) -> Vec<(String, String)> {
        self.platform.world().queues.clone()
    }

    /// Adds a user prompt; its id.
    pub fn add_prompt(&self, name: &str) -> String {
        let mut world = self.platform.world();
        let id = world.ids.next();
        world.prompts.push(http::organization::prompt(&(id.clone(), name.to_owned())));
        id
    }

    /// Deletes an IVR: its list goes on showing it, in the state `deleted`.
    pub fn delete_ivr(&self, id: &str) {
        let mut world = self.platform.world();
        for ivr in world.ivrs.iter_mut().filter(|ivr| ivr["id"] == id) {
            ivr["state"] = "deleted".into();
        }
    }

    /// Takes a permission from the client.
    pub fn take_permission(&self, name: &str) {
        self.platform.permissions().remove(name);
    }

    /// Gives it one.
    pub fn give_permission(&self, name: &str) {
        self.platform.permissions().insert(name.to_owned());
    }

    /// A user signs in on the platform's page; the token that the page's widget gets.
    pub fn sign_in(&self, user: SignedInUser) -> String {
        http::users::sign_in(&self.platform, user).0
    }

    /// Ends one token: its user has logged out, or it has expired.
    pub fn revoke_token(&self, token: &str) {
        self.platform.tokens.revoke(token);
    }

    /// Ends every token given out so far, and the channels that were made with them.
    pub fn revoke_tokens(&self) {
        self.platform.tokens.revoke_all();
        self.platform.channels().revoke();
    }

    /// Changes the lifetime of tokens, those given out included.
    pub fn set_token_lifetime(&self, lifetime: Duration) {
        self.platform.tokens.set_lifetime(lifetime);
    }

    /// Changes the rate, and starts every client's minute anew.
    pub fn set_rate_per_minute(&self, requests: u32) {
        self.platform.set_rate(requests);
    }

    /// Changes how long the search index lags behind.
    pub fn set_index_lag(&self, lag: Duration) {
        let lag = i64::try_from(lag.as_millis()).unwrap_or(i64::MAX / 2);
        self.platform.world().contacts.index.set_lag(lag);
    }

    /// The search index catches up at once with everything written so far.
    pub fn settle_index(&self) {
        self.platform.world().contacts.index.catch_up(i64::MAX);
    }
}
