//! What the CRMs of a chain know of a caller, each asked once and all at the same time.
//!
//! As for a lookup: an agent's correction, the directory, then the system itself by a
//! flight that a lookup of the same call joins. So a lookup and a decision of one call cost
//! one request to each CRM, within the same budgets.

use super::decide::decided_by;
use super::set::Ready;
use crate::connections::{Connection, Connections};
use crate::follow_up::{Found, Identity};
use crate::lookup::{Engine, identify, micros};
use domain::freshness::Freshness;
use domain::rules::{Module, Outcome, Seen, Slot, Source};
use domain::{Prefix, Status, Timestamp, Value};
use kit::Ask;
use std::iter::repeat_n;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Whom a decision is about.
pub(super) struct About {
    /// `None`: nobody can be asked for.
    pub ask: Option<Ask>,
    /// Whose record the ask names, where it names one.
    pub owner: Option<Prefix>,
    /// The ask's record is what an agent has corrected the number to.
    pub is_corrected: bool,
}

/// What one connection says of the caller.
pub(super) struct Heard {
    pub connection: Arc<Connection>,
    /// For each module that the chain looks at.
    pub identities: Vec<(Option<Module>, Identity)>,
    /// Why it was not heard, as a code.
    pub failure: Option<&'static str>,
    pub took_us: u64,
}

/// What was heard, and what it comes to.
pub(super) struct Gathered {
    pub heard: Vec<Heard>,
    pub outcome: Outcome,
}

/// A module that is looked at.
#[derive(Clone, Copy)]
struct Looked {
    module: Option<Module>,
    /// A field of it is told by what stands beside the connection.
    joins: bool,
}

/// What one connection is asked, and what our own copy has of it.
struct Asking {
    connection: Arc<Connection>,
    modules: Vec<Looked>,
    /// `None`: there is nothing to ask by, or it is an erased person.
    ask: Option<Ask>,
    kept: Option<(Found, Freshness)>,
    /// The ask is an agent's correction: where its record has gone, this is asked instead.
    usual: Option<Ask>,
    begun: Instant,
}

impl Engine {
    /// Asks every CRM of the chain, our own copies first and then all others at once, until
    /// what was heard decides or time is over.
    ///
    /// Whoever `goes_early` stops as soon as it is decided; else all are waited for.
    pub(super) async fn gather(
        &self,
        ready: &Ready,
        about: &About,
        (until, now): (Instant, Timestamp),
        goes_early: bool,
    ) -> Gathered {
        let (mut heard, mut silent) = (Vec::new(), Vec::new());
        for (name, modules) in self.connections_of(ready.compiled.slots()) {
            let Some(connection) = self.connections.get(name) else { continue };
            let asking = self.asking(Arc::clone(connection), modules, about, until, now).await;
            match asking.is_answered() {
                true => heard.push(self.hear(asking, until, now).await),
                false => silent.push(asking),
            }
        }
        let is_decided = |heard: &[Heard]| {
            let so_far = decided_by(ready, heard, &self.connections);
            goes_early && !matches!(so_far, Outcome::Undecided(_))
        };
        if silent.len() > 1 && !is_decided(&heard) {
            let mut under_way = JoinSet::new();
            for asking in silent.drain(..) {
                let engine = self.clone();
                under_way.spawn(async move { engine.hear(asking, until, now).await });
            }
            // A task that panicked has said nothing, as a CRM that is silent.
            while let Some(one) = under_way.join_next().await {
                heard.extend(one);
                if is_decided(&heard) {
                    break;
                }
            }
        } else if let (Some(asking), false) = (silent.pop(), is_decided(&heard)) {
            heard.push(self.hear(asking, until, now).await);
        }
        let outcome = decided_by(ready, &heard, &self.connections);
        Gathered { heard, outcome }
    }

    /// Each connection once, with the modules that are looked at, and whether what stands
    /// beside it is.
    fn connections_of<'a>(&self, slots: &'a [Slot]) -> Vec<(&'a str, Vec<Looked>)> {
        let mut all: Vec<(&str, Vec<Looked>)> = Vec::new();
        for Slot { source, field } in slots {
            let joins = self.connections.get(&source.connection).is_some_and(|connection| {
                let is_own = |module| connection.data.can_tell(module, field);
                !connection.beside.is_empty() && !source.module.is_some_and(is_own)
            });
            let looked = Looked { module: source.module, joins };
            let Some((_, modules)) = all.iter_mut().find(|(name, _)| *name == source.connection)
            else {
                all.push((&source.connection, vec![looked]));
                continue;
            };
            match modules.iter_mut().find(|one| one.module == source.module) {
                Some(known) => known.joins |= joins,
                None => modules.push(looked),
            }
        }
        all
    }

    async fn asking(
        &self,
        connection: Arc<Connection>,
        modules: Vec<Looked>,
        about: &About,
        until: Instant,
        now: Timestamp,
    ) -> Asking {
        let begun = Instant::now();
        let ask = self.ask_of(&connection, about, until).await;
        let ask = ask.filter(|ask| !self.names_erased(ask, &connection));
        let kept = match &ask {
            Some(ask) => self.kept(&connection, ask, connection.policy, until, now).await,
            None => None,
        };
        let by_number = |asked: &Ask| Ask { record: None, ..asked.clone() };
        let usual = about.ask.as_ref().filter(|_| about.is_corrected).map(by_number);
        Asking { connection, modules, ask, kept, usual, begun }
    }

    /// What a connection says, for each of the modules.
    async fn hear(&self, asking: Asking, until: Instant, now: Timestamp) -> Heard {
        let Asking { connection, modules, mut ask, kept, usual, begun } = asking;
        let mut found = match &ask {
            Some(ask) => self.find_unless_kept(&connection, ask, until, now, kept).await,
            None => Found::nobody(now),
        };
        // A lookup sees to it that such a correction follows a merge, or lapses.
        if let (Some(usual), true, false) = (usual, found.people.is_empty(), found.has_failed)
            && !self.names_erased(&usual, &connection)
            && ask.as_ref() != Some(&usual)
        {
            found = self.find(&connection, &usual, connection.policy, until, now).await;
            ask = Some(usual);
        }
        let failure = found.failure.filter(|_| found.has_failed);
        let mut identities = Vec::with_capacity(modules.len());
        let mut found = repeat_n(found, modules.len());
        for Looked { module, joins } in modules {
            let Some(mut found) = found.next() else { break };
            found.people.retain(|person| is_of(&connection, module, &person.object));
            let mut identity = identify(self, &connection, ask.as_ref(), found, connection.policy);
            if joins {
                Box::pin(self.join_in_time(&connection, &mut identity, until, now)).await;
            }
            self.show_kept(&connection, identity.contact.as_mut(), until).await;
            identities.push((module, identity));
        }
        Heard { connection, identities, failure, took_us: micros(begun.elapsed()) }
    }

    /// By what this connection knows the caller: its own record where one is named or
    /// linked, else number and e-mail.
    async fn ask_of(&self, connection: &Connection, about: &About, until: Instant) -> Option<Ask> {
        let ask = about.ask.as_ref()?;
        let (Some(record), Some(owner)) = (&ask.record, &about.owner) else {
            return Some(ask.clone());
        };
        if connection.prefix.as_ref() == Some(owner) {
            // What an agent has said goes before what a number could mean.
            return match about.is_corrected {
                true => Some(Ask { record: Some(record.clone()), ..Ask::default() }),
                false => Some(ask.clone()),
            };
        }
        let linked = self.counterpart((owner, record), connection, until).await;
        let ask = match linked {
            Some(linked) => Ask { record: Some(linked.record), ..Ask::default() },
            None => Ask { record: None, ..ask.clone() },
        };
        (ask != Ask::default()).then_some(ask)
    }
}

impl Asking {
    /// No system need be asked: our own copy answers, or there is nothing to ask by.
    fn is_answered(&self) -> bool {
        match (&self.ask, &self.kept) {
            (None, _) => true,
            (Some(_), Some((found, freshness))) => {
                *freshness != Freshness::Expired
                    && (self.usual.is_none() || !found.people.is_empty())
                    && !self.modules.iter().any(|looked| looked.joins)
            }
            (Some(_), None) => false,
        }
    }
}

impl Heard {
    pub(super) fn is_of(&self, source: &Source) -> bool {
        self.connection.name == source.connection
    }

    /// What is known of a field.
    pub(super) fn seen<'a>(&'a self, slot: &'a Slot, connections: &'a Connections) -> Seen<'a> {
        let of_module = self.identities.iter().find(|(module, _)| *module == slot.source.module);
        let Some((_, identity)) = of_module else { return Seen::Unheard };
        if self.failure.is_some() || identity.status == Status::Partial {
            return Seen::Unheard;
        }
        let Some(contact) = &identity.contact else { return Seen::Told(None) };
        let data = &self.connection.data;
        let (own, named) = match slot.source.module {
            Some(module) => {
                let object = contact.object.as_str();
                let own = data.name(module, object, &slot.field);
                (own, connections.data_name(&self.connection, module, object, &slot.field))
            }
            None => (Some(slot.field.as_str()), Some(slot.field.as_str())),
        };
        match named.and_then(|name| contact.data.get(name)) {
            Some(value) => Seen::Told(Some(value)),
            // What stands beside it might know, and has not answered.
            None if own.is_none() && !identity.missing.is_empty() => Seen::Unheard,
            None => Seen::Told(None),
        }
    }

    /// Its old copy decides, for it could not be asked, or what stands beside it could not.
    pub(super) fn is_stale(&self) -> bool {
        self.identities.iter().any(|(_, identity)| identity.is_stale)
    }

    /// What stands beside it and was not heard.
    pub(super) fn missing(&self) -> &[String] {
        self.identities.first().map_or(&[], |(_, identity)| &identity.missing)
    }

    /// What the caller is to this connection, in a word.
    pub(super) fn status(&self) -> &'static str {
        match (self.failure, self.identities.first()) {
            (Some(_), _) | (None, None) => "partial",
            (None, Some((_, identity))) => identity.status.as_str(),
        }
    }
}

/// Is a record of this object of the module, or does it lead to one?
fn is_of(connection: &Connection, module: Option<Module>, object: &str) -> bool {
    module.is_none_or(|module| connection.data.modules.path(module, object).is_some())
}

/// A value as it is written for people: of what is long only how it begins.
pub(super) fn masked(value: &Value) -> String {
    match value {
        Value::List(items) => items.iter().map(masked).collect::<Vec<_>>().join(", "),
        Value::Bool(_) => plain(value),
        Value::Integer(_) | Value::Number(_) => mask(&plain(value), SHOWN_OF_NUMBERS),
        Value::Text(_) => mask(&plain(value), SHOWN_OF_TEXTS),
    }
}

/// Characters that are shown: a count or an age, a word's beginning.
const SHOWN_OF_NUMBERS: usize = 4;
const SHOWN_OF_TEXTS: usize = 2;

fn mask(text: &str, shown: usize) -> String {
    match text.chars().count() {
        length if length <= shown => text.to_owned(),
        length => {
            let begin: String = text.chars().take(2).collect();
            format!("{begin}… ({length} characters)")
        }
    }
}

pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::List(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
    }
}
