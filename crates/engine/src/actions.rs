//! Asks a queue's own CRM for what a flow needs, and answers flat.
//!
//! [`Engine::enrich`] goes by the queue: an action of it, else its connection's lookup
//! ([`people`]). [`Engine::execute`] runs one action by its name. Both end inside their
//! deadline and never in silence: what failed is told by a code, and every answer of a
//! server has the same keys. Another connection is asked only where the queue allows it
//! and while there is time: never one CRM after another.
//!
//! How one request runs: [`run`]. What an answer holds: [`fields`], [`outcome`]. What is
//! answered behind: [`pending`]. Whether it is worth asking at all: [`ready`].

mod cache;
pub mod fields;
mod outcome;
mod pending;
mod people;
mod ready;
mod run;
mod tried;
mod values;

pub use cache::Cache;
pub(crate) use outcome::code;
pub use outcome::{CODES, Enrichment, FIXED, Word};
pub(crate) use pending::{ACCEPT, ASK, accept, run as ask_behind};
pub use pending::{ENRICHED, Started};
pub use people::PERSON;
pub use ready::Ready;
pub use tried::Tried;
pub use values::STANDARD;

use crate::connections::{Connection, Queue};
use crate::lookup::Engine;
use domain::{CallId, Value};
use fields::Field;
use kit::{Given, Template};
use outcome::Outcome;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A request that an administrator named.
#[derive(Debug)]
pub struct Action {
    pub name: String,
    /// The connection that sends it.
    pub connection: String,
    pub template: Template,
    pub fields: Vec<Field>,
    /// How long it may take altogether.
    pub timeout: Duration,
    pub cache: Option<Cache>,
    /// Names of values besides the standard ones, with their types.
    pub inputs: BTreeMap<String, fields::Kind>,
}

/// When a queue's enrichment runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// While the flow waits.
    #[default]
    Sync,
    /// Behind an answer that says `pending`: now, or when an agent has accepted the call.
    Async { waits_for_agent: bool },
}

/// How a queue's enrichment is served, besides by its connection.
#[derive(Debug, Clone, Default)]
pub struct Serving {
    pub action: Option<String>,
    pub mode: Mode,
    /// A connection or an action that may be asked where the first has failed.
    pub fallback_crm: Option<String>,
    /// Where the flow shall route a call whose CRM cannot be asked; empty for nowhere.
    pub fallback_queue: String,
    /// Values of fields where everything has failed.
    pub otherwise: BTreeMap<String, Value>,
}

/// The queue that serves calls of queues nobody configured, where it is configured.
pub const DEFAULT_QUEUE: &str = "Standard_CRM";

/// Every action, and what every enrichment answers.
#[derive(Debug, Default)]
pub struct Actions {
    by_name: HashMap<String, Arc<Action>>,
    /// Fields of all actions and connections, with what stands where nothing is known.
    fields: BTreeMap<String, Value>,
    waits_for_agents: bool,
}

impl Actions {
    /// `fields` of an enrichment besides those of the actions; `waits_for_agents` where a
    /// queue's enrichment does.
    #[must_use]
    pub fn new(all: Vec<Action>, fields: BTreeMap<String, Value>, waits_for_agents: bool) -> Self {
        let mut fields = fields;
        for field in all.iter().flat_map(|action| &action.fields) {
            // Of several defaults that of the type: which action answers is not known before.
            fields.insert(field.name.clone(), field.kind.empty());
        }
        let by_name = all.into_iter().map(|one| (one.name.clone(), Arc::new(one))).collect();
        Self { by_name, fields, waits_for_agents }
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Action>> {
        self.by_name.get(name)
    }

    pub fn all(&self) -> impl Iterator<Item = &Arc<Action>> {
        self.by_name.values()
    }

    /// The fields of every enrichment, whatever the queue.
    #[must_use]
    pub fn fields(&self) -> &BTreeMap<String, Value> {
        &self.fields
    }

    /// Nobody's values are kept any more.
    pub(crate) fn forget_all(&self) {
        self.by_name.values().filter_map(|action| action.cache.as_ref()).for_each(Cache::clear);
    }
}

/// What asks for an enrichment.
#[derive(Debug, Clone)]
pub struct Enrich {
    pub call: CallId,
    /// The queue, by id, name or a number that leads to it.
    pub queue: String,
    /// Texts, numbers and truth values by name.
    pub given: Given,
}

/// What serves a request.
#[derive(Clone)]
pub(crate) enum Target {
    Action(Arc<Action>, Arc<Connection>),
    Lookup(Arc<Connection>),
}

/// Less time than this is no time to ask somebody else in.
const FALLBACK_LEAST: Duration = Duration::from_millis(20);

impl Engine {
    /// What the queue's CRM knows, inside the queue's deadline, which counts from `arrived`;
    /// or that it follows.
    ///
    /// # Errors
    /// When what follows could not be stored.
    pub async fn enrich(
        &self,
        request: Enrich,
        arrived: Instant,
    ) -> Result<Enrichment, state::Error> {
        let queue = self.queue_of(&request);
        match queue.map(|queue| queue.serving.mode) {
            Some(Mode::Async { waits_for_agent }) => {
                self.enrich_behind(request, waits_for_agent, arrived).await
            }
            _ => Ok(self.enrich_now(&request, kit::Lane::Call, arrived).await),
        }
    }

    /// One action by its name; `None` where there is none.
    pub async fn execute(
        &self,
        name: &str,
        call: Option<&CallId>,
        given: Given,
        arrived: Instant,
    ) -> Option<Enrichment> {
        let action = self.actions.get(name)?;
        let connection = self.connections.get(&action.connection)?;
        let until = arrived + action.timeout;
        let asked = self.asked(call, "", given);
        let outcome = Box::pin(self.run(action, connection, &asked, kit::Lane::Call, until)).await;
        let fields = action.fields.iter().map(|field| (field.name.clone(), field.default.clone()));
        let fields = fields.collect();
        Some(outcome.answer(fields, connection, arrived.elapsed()))
    }

    /// Asks, and asks elsewhere where that is allowed and there is time.
    pub(crate) async fn enrich_now(
        &self,
        request: &Enrich,
        lane: kit::Lane,
        arrived: Instant,
    ) -> Enrichment {
        let queue = self.queue_of(request);
        let serving = queue.map(|queue| &queue.serving);
        let target = self.target_of(queue);
        let until = arrived + self.time_of(queue, &target, lane);
        let word = queue.map_or(request.queue.as_str(), |queue| queue.name.as_str());
        let asked = self.asked(Some(&request.call), word, request.given.clone());
        let (mut asking, mut outcome) =
            (target.clone(), Box::pin(self.ask(&target, queue, &asked, lane, until)).await);
        let fallback = serving.and_then(|serving| serving.fallback_crm.as_deref());
        let fallback = fallback.and_then(|name| self.target(name));
        let has_time = until.saturating_duration_since(Instant::now()) >= FALLBACK_LEAST;
        let mut fallback_crm = String::new();
        if let Some(other) = fallback.filter(|_| outcome.has_failed() && has_time) {
            let second = Box::pin(self.ask(&other, queue, &asked, lane, until)).await;
            if !second.has_failed() {
                fallback_crm = other.connection().name.clone();
                // Why the first was not heard stays told.
                outcome = Outcome { code: outcome.code, ..second };
                asking = other;
            }
        }
        let mut fields = self.actions.fields().clone();
        fields.extend(asking.defaults());
        let mut fallback_queue = String::new();
        if let Some(serving) = serving.filter(|_| outcome.has_failed()) {
            fields.extend(serving.otherwise.clone());
            fallback_queue.clone_from(&serving.fallback_queue);
        }
        let answer = outcome.answer(fields, asking.connection(), arrived.elapsed());
        Enrichment { fallback_crm, fallback_queue, ..answer }
    }

    async fn ask(
        &self,
        target: &Target,
        queue: Option<&Queue>,
        asked: &values::Asked,
        lane: kit::Lane,
        until: Instant,
    ) -> Outcome {
        match target {
            Target::Action(action, connection) => {
                self.run(action, connection, asked, lane, until).await
            }
            Target::Lookup(connection) => self.look_up(connection, queue, asked, lane, until).await,
        }
    }

    /// The configured queue of a request: its own, else the default one.
    pub(crate) fn queue_of(&self, request: &Enrich) -> Option<&Queue> {
        self.connections
            .queue_by_word(&request.queue, self.options.region)
            .or_else(|| self.connections.queue_by_word(DEFAULT_QUEUE, self.options.region))
    }

    fn target_of(&self, queue: Option<&Queue>) -> Target {
        let action = queue.and_then(|queue| queue.serving.action.as_deref());
        let connection = queue.map(|queue| queue.connection.as_str());
        let named = action.or(connection).and_then(|name| self.target(name));
        named.unwrap_or_else(|| Target::Lookup(Arc::clone(self.connections.default_connection())))
    }

    /// An action or a connection of this name; the configuration sees to it that no name
    /// is both.
    fn target(&self, name: &str) -> Option<Target> {
        if let Some(action) = self.actions.get(name) {
            let connection = self.connections.get(&action.connection)?;
            return Some(Target::Action(Arc::clone(action), Arc::clone(connection)));
        }
        self.connections.get(name).cloned().map(Target::Lookup)
    }

    /// The queue's deadline, else that of what serves it; behind an answer as long as an
    /// action may take, for nobody waits.
    fn time_of(&self, queue: Option<&Queue>, target: &Target, lane: kit::Lane) -> Duration {
        let own = match target {
            Target::Action(action, _) => action.timeout,
            Target::Lookup(connection) => connection.deadline,
        };
        match lane {
            kit::Lane::Call => queue.and_then(|queue| queue.deadline).unwrap_or(own),
            kit::Lane::Background => own.max(pending::PATIENCE),
        }
    }
}

impl Target {
    /// What stands in its own fields where nothing is known.
    fn defaults(&self) -> BTreeMap<String, Value> {
        let fields = match self {
            Self::Action(action, _) => action.fields.as_slice(),
            Self::Lookup(_) => &[],
        };
        fields.iter().map(|field| (field.name.clone(), field.default.clone())).collect()
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        match self {
            Self::Action(_, connection) | Self::Lookup(connection) => connection,
        }
    }
}
