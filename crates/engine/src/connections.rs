//! Which connection answers for which queue.

use crate::accounts::Accounts;
use crate::actions::Serving;
use crate::beside::Beside;
use crate::flights::Flights;
use crate::misses::Misses;
use domain::freshness::Limits;
use domain::matching::Policy;
use domain::{Caller, IdFormat, Numbering, Phone, Prefix, Region, phone};
use kit::health::SLOW_AFTER;
use kit::{Capabilities, Health, Lane, Need};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

pub use data::Data;

/// One authorized account of one vendor.
pub struct Connection {
    pub name: String,
    /// What its externalIds begin with; `None` for one that identifies nobody.
    pub prefix: Option<Prefix>,
    /// The word for its connector, as the configuration has it.
    pub kind: String,
    pub capabilities: Capabilities,
    pub policy: Policy,
    pub freshness: Limits,
    pub deadline: Duration,
    /// What is asked of the accounts that this connection's people are linked to.
    pub beside: Vec<Beside>,
    /// Scopes that it and the actions on it need.
    pub needs: Vec<Need>,
    /// How its system writes numbers and ids, where that is known.
    pub formats: Formats,
    /// What can be named of its people.
    pub data: Data,
    /// Its own accounts, for connections that it stands beside.
    pub(crate) accounts: Option<Accounts>,
    /// Requests of calls.
    pub(crate) flights: Arc<Flights>,
    /// Requests that renew what has just answered; never in a call's way.
    pub(crate) behind: Arc<Flights>,
    pub(crate) misses: Arc<Misses>,
}

/// How a connection's system writes what it is asked with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Formats {
    /// `None`: E.164.
    pub numbers: Option<Numbering>,
    pub ids: IdFormat,
}

impl Formats {
    /// A number, given as E.164.
    #[must_use]
    pub fn number(&self, e164: &str) -> String {
        let phone = || Phone { e164: e164.to_owned(), extension: None };
        self.numbers.map_or_else(|| e164.to_owned(), |numbers| numbers.write(&phone()))
    }
}

/// How a connection answers; see the configuration reference for each.
#[derive(Debug, Clone, Copy)]
pub struct Behaviour {
    pub policy: Policy,
    pub freshness: Limits,
    pub deadline: Duration,
    pub remember_misses_for: Duration,
    /// Lookups of this connection under way at once for calls.
    pub concurrent_calls: u32,
    /// The same for background work.
    pub concurrent_background: u32,
}

impl Connection {
    #[must_use]
    pub fn new(
        name: &str,
        prefix: Option<Prefix>,
        capabilities: Capabilities,
        behaviour: Behaviour,
    ) -> Self {
        let capabilities = match capabilities.turnstile.health() {
            Some(_) => capabilities,
            None => capabilities.watched(&Arc::new(Health::new(name, SLOW_AFTER))),
        };
        let accounts = capabilities.accounts.clone();
        Self {
            name: name.to_owned(),
            prefix,
            kind: String::new(),
            beside: Vec::new(),
            needs: Vec::new(),
            formats: Formats::default(),
            data: Data::default(),
            accounts: accounts.map(|accounts| Accounts::new(accounts, &behaviour)),
            capabilities,
            policy: behaviour.policy,
            freshness: behaviour.freshness,
            deadline: behaviour.deadline,
            flights: Arc::new(Flights::new(Lane::Call, behaviour.concurrent_calls as usize)),
            behind: Arc::new(Flights::new(
                Lane::Background,
                behaviour.concurrent_background as usize,
            )),
            misses: Arc::new(Misses::new(behaviour.remember_misses_for)),
        }
    }

    /// Of this connector.
    #[must_use]
    pub fn of_kind(self, kind: &str) -> Self {
        Self { kind: kind.to_owned(), ..self }
    }

    /// Needing these scopes.
    #[must_use]
    pub fn with_needs(self, needs: Vec<Need>) -> Self {
        Self { needs, ..self }
    }

    /// Writing numbers and ids in this way.
    #[must_use]
    pub fn with_formats(self, formats: Formats) -> Self {
        Self { formats, ..self }
    }

    /// With these modules and fields.
    #[must_use]
    pub fn with_data(self, data: Data) -> Self {
        Self { data, ..self }
    }

    /// With these systems beside it.
    #[must_use]
    pub fn with_beside(self, beside: Vec<Beside>) -> Self {
        Self { beside, ..self }
    }
}

/// A queue and what serves it.
#[derive(Debug, Clone, Default)]
pub struct Queue {
    pub name: String,
    /// The platform's ids of it.
    pub ids: Vec<String>,
    /// Numbers that lead to it, E.164.
    pub dids: Vec<String>,
    pub connection: String,
    pub deadline: Option<Duration>,
    pub policy: Option<Policy>,
    /// What an enrichment of its calls asks.
    pub serving: Serving,
}

/// Every connection and queue; read by calls without a lock.
pub struct Connections {
    by_name: BTreeMap<String, Arc<Connection>>,
    by_prefix: HashMap<Prefix, Arc<Connection>>,
    queues: Vec<Queue>,
    by_word: HashMap<String, usize>,
    lists_dids: bool,
    default: Arc<Connection>,
    contact_center: Option<Arc<Connection>>,
}

/// Where a call is answered from.
pub struct Route<'a> {
    pub connection: &'a Arc<Connection>,
    pub queue: Option<&'a Queue>,
    pub warning: Option<String>,
}

impl Route<'_> {
    /// The queue's own, else that of the connection which answers: an externalId
    /// leads to its own connection, whatever the queue.
    #[must_use]
    pub fn deadline(&self, answers: &Connection) -> Duration {
        self.queue.and_then(|q| q.deadline).unwrap_or(answers.deadline)
    }

    /// As [`Route::deadline`].
    #[must_use]
    pub fn policy(&self, answers: &Connection) -> Policy {
        self.queue.and_then(|q| q.policy).unwrap_or(answers.policy)
    }
}

impl Connections {
    /// `default` answers for queues nobody named; `contact_center` learns of calls.
    /// Queues whose connection does not exist are served by the default; the
    /// configuration refuses them before.
    #[must_use]
    pub fn new(
        all: Vec<Arc<Connection>>,
        default: Arc<Connection>,
        contact_center: Option<Arc<Connection>>,
        queues: Vec<Queue>,
    ) -> Self {
        let mut by_word = HashMap::new();
        for (index, queue) in queues.iter().enumerate() {
            let words = queue.ids.iter().chain(&queue.dids).chain([&queue.name]);
            by_word.extend(words.map(|word| (word.to_lowercase(), index)));
        }
        // What a rule has brought comes last, and shares the prefix of the CRM that it asks.
        let mut by_prefix = HashMap::new();
        for (prefix, one) in all.iter().filter_map(|c| Some((c.prefix.clone()?, c))) {
            by_prefix.entry(prefix).or_insert_with(|| Arc::clone(one));
        }
        let lists_dids = queues.iter().any(|queue| !queue.dids.is_empty());
        let by_name = all.into_iter().map(|c| (c.name.clone(), c)).collect();
        Self { by_name, by_prefix, queues, by_word, lists_dids, default, contact_center }
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Connection>> {
        self.by_name.get(name)
    }

    pub fn all(&self) -> impl Iterator<Item = &Arc<Connection>> {
        self.by_name.values()
    }

    /// The connection that answers where nothing says otherwise.
    #[must_use]
    pub fn default_connection(&self) -> &Arc<Connection> {
        &self.default
    }

    #[must_use]
    pub fn contact_center(&self) -> Option<&Arc<Connection>> {
        self.contact_center.as_ref()
    }

    /// The connection whose externalIds begin with `prefix`.
    #[must_use]
    pub fn by_prefix(&self, prefix: &Prefix) -> Option<&Arc<Connection>> {
        self.by_prefix.get(prefix)
    }

    /// The connection for a call: by queue id or name, else by the dialled
    /// number (a DNIS or, from some flows, a queue id). Never an error: a caller
    /// does not wait because a table is behind.
    #[must_use]
    pub fn route(&self, queue: Option<&str>, dialled: Option<&str>, region: Region) -> Route<'_> {
        let wanted = queue.map(str::trim).filter(|q| !q.is_empty());
        if let Some(found) = wanted.and_then(|q| self.queue(q)) {
            return self.through(found);
        }
        let dialled = dialled.map(str::trim).filter(|d| !d.is_empty());
        let by_dialled =
            dialled.and_then(|text| self.queue(text).or_else(|| self.by_did(text, region)));
        let mut route = match by_dialled {
            Some(found) => self.through(found),
            None => Route { connection: &self.default, queue: None, warning: None },
        };
        let is_number =
            |text: &str| is_e164(text) || matches!(phone::parse(text, region), Caller::Number(_));
        route.warning = match (wanted, dialled) {
            (Some(_), _) => Some(unknown_queue(route.queue)),
            (None, Some(text))
                if route.queue.is_none() && (self.lists_dids || !is_number(text)) =>
            {
                Some(
                    "toNumber names no configured queue or DID: the default connection answers"
                        .into(),
                )
            }
            _ => None,
        };
        route
    }

    /// The queue of an id, a name, or a number that leads to it.
    #[must_use]
    pub fn queue_by_word(&self, word: &str, region: Region) -> Option<&Queue> {
        let word = word.trim();
        self.queue(word).or_else(|| self.by_did(word, region))
    }

    fn through<'a>(&'a self, queue: &'a Queue) -> Route<'a> {
        let connection = self.by_name.get(&queue.connection).unwrap_or(&self.default);
        Route { connection, queue: Some(queue), warning: None }
    }

    fn queue(&self, word: &str) -> Option<&Queue> {
        self.by_word.get(&word.to_lowercase()).map(|&index| &self.queues[index])
    }

    fn by_did(&self, text: &str, region: Region) -> Option<&Queue> {
        if is_e164(text) {
            return self.queue(text);
        }
        phone::parse_stored(text, region).and_then(|phone| self.queue(&phone.e164))
    }
}

/// Written as E.164 already, as platforms send their own numbers: need not be parsed.
fn is_e164(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (8..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}

fn unknown_queue(by_dialled: Option<&Queue>) -> String {
    let who = match by_dialled {
        Some(queue) => format!("the queue {} that toNumber leads to", queue.name),
        None => "the default connection".to_owned(),
    };
    format!("the queue is not configured: {who} answers")
}

mod data;
#[cfg(test)]
mod tests;
