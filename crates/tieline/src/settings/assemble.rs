//! The file and the store's items together, as connections, actions and queues that run.
//!
//! Everything is checked by what checks the file. A connection whose item has not changed is
//! the very same as before: its budget, breaker and tokens go on. A new one asks for no
//! token until it is really used ([`Assembled::begin`]).

use super::item::{Body, Item, Key, Kind, Section};
use super::own;
use crate::config::load::together;
use crate::config::{Config, Loaded, Mistake};
use crate::exit::Failure;
use crate::wiring;
use engine::{Actions, Connection, Connections, Syncs};
use kit::Settings;
use state::Store;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the file says, with its connections open.
pub struct File {
    pub loaded: Loaded,
    connections: Vec<Arc<Connection>>,
    store: Store,
}

/// Connections of the store that are open, with the item that each was opened from.
pub type Pool = BTreeMap<String, (Body, Arc<Connection>)>;

/// What can be served.
pub struct Assembled {
    pub connections: Arc<Connections>,
    pub actions: Arc<Actions>,
    pub syncs: Arc<Syncs>,
    config: Config,
}

/// A mistake, and the item of the store that it is in.
#[derive(Debug)]
pub struct Fault {
    pub key: Option<Key>,
    pub mistake: Mistake,
}

/// What runs of the items, and why the others do not.
pub struct Settled {
    pub assembled: Assembled,
    pub problems: BTreeMap<Key, Vec<Mistake>>,
}

impl Assembled {
    /// From now on tokens are fetched.
    pub fn begin(&self) {
        wiring::tell_clashes(&self.config);
        for connection in self.connections.all() {
            if let Some(tokens) = &connection.capabilities.tokens {
                tokens.begin();
            }
        }
    }
}

impl File {
    /// Opens the connections of the file.
    pub fn open(loaded: Loaded, store: &Store) -> Result<Self, Failure> {
        let connections = wiring::opened(&loaded, Some(store))?;
        Ok(Self { loaded, connections, store: store.clone() })
    }

    /// Whether the file has an item of this name.
    pub fn has(&self, kind: Kind, name: &str) -> bool {
        let config = &self.loaded.config;
        match kind {
            Kind::Connection | Kind::Rule => config.connections.contains_key(name),
            Kind::Action => config.actions.contains_key(name),
            Kind::Queue => {
                let name = name.to_lowercase();
                config.queues.iter().any(|queue| queue.name.to_lowercase() == name)
            }
            Kind::Sync => config.syncs.iter().any(|sync| sync.name == name),
        }
    }

    /// The file and these items, if they are without fault.
    pub fn assemble(&self, items: &[&Item], pool: &mut Pool) -> Result<Assembled, Vec<Fault>> {
        let (config, known) = self.merged(items)?;
        let faults = |mistakes: Vec<Mistake>| self.faults(mistakes, items);
        let loaded = self.with_own(together(config, known).map_err(faults)?, items)?;
        let mut all = self.connections.clone();
        let (mut opened, mut mistakes) = (BTreeSet::new(), Vec::new());
        // In this order: what a rule brings may need a connection that is open.
        let kinds = [Kind::Connection, Kind::Rule].into_iter();
        let opening = kinds.flat_map(|kind| items.iter().filter(move |item| item.kind == kind));
        for item in opening {
            let body = own::origin(item, items);
            if let Some((_, connection)) = pool.get(&item.name).filter(|(of, _)| *of == body) {
                all.push(Arc::clone(connection));
                continue;
            }
            let base = own::base(item).and_then(|base| all.iter().find(|one| one.name == base));
            let base = base.cloned();
            let open = || match item.kind {
                Kind::Rule => {
                    wiring::of_rule(&loaded, &item.name, Some(&self.store), base.as_deref())
                }
                _ => wiring::connection(&loaded, &item.name, Some(&self.store)),
            };
            match kit::vault::asleep(open) {
                Ok(connection) => {
                    let connection = Arc::new(connection);
                    opened.insert(item.name.clone());
                    all.push(Arc::clone(&connection));
                    pool.insert(item.name.clone(), (body, connection));
                }
                Err(mistake) => mistakes.push(mistake),
            }
        }
        if !mistakes.is_empty() {
            return Err(faults(mistakes));
        }
        let connections = wiring::joined(&loaded, all).map_err(faults)?;
        let actions = wiring::actions::all(&loaded, &connections).map_err(faults)?;
        let syncs = wiring::syncs::all(&loaded, &connections).map_err(faults)?;
        // Teams come from the file alone; what they need must stay.
        wiring::presence::all(&loaded, &connections).map_err(faults)?;
        let (connections, actions) = (Arc::new(connections), Arc::new(actions));
        Ok(Assembled { connections, actions, syncs: Arc::new(syncs), config: loaded.config })
    }

    /// The configuration with the items in it, and the settings of every connection.
    fn merged(&self, items: &[&Item]) -> Result<(Config, BTreeMap<String, Settings>), Vec<Fault>> {
        let (mut config, mut known) = (self.loaded.config.clone(), self.loaded.settings.clone());
        let mut faults = Vec::new();
        for item in items {
            let fault = |mistake| Fault { key: Some(item.key()), mistake };
            if self.has(item.kind, &item.name) {
                let message = "tieline.toml has one of this name, which goes before.";
                let fix = "Delete it, or take it out of the file.";
                faults.push(fault(Mistake::new(item.at(), message, fix)));
                continue;
            }
            match item.read() {
                Ok(Section::Connection(section, settings)) => {
                    known.insert(item.name.clone(), settings);
                    config.connections.insert(item.name.clone(), section);
                }
                Ok(Section::Action(section)) => {
                    config.actions.insert(item.name.clone(), section);
                }
                Ok(Section::Queue(section)) => config.queues.push(section),
                Ok(Section::Sync(section)) => config.syncs.push(section),
                // Once all connections are there.
                Ok(Section::Own) => {}
                Err(mistakes) => faults.extend(mistakes.into_iter().map(fault)),
            }
        }
        if faults.is_empty() { Ok((config, known)) } else { Err(faults) }
    }

    /// Which item each mistake is in; a queue of the store is called by its name.
    pub(super) fn faults(&self, mistakes: Vec<Mistake>, items: &[&Item]) -> Vec<Fault> {
        let in_file = self.loaded.config.queues.len();
        let queues: Vec<&Item> =
            items.iter().copied().filter(|item| item.kind == Kind::Queue).collect();
        let fault = |mut mistake: Mistake| {
            if let Some(rest) = mistake.at.strip_prefix("queues.") {
                let (index, rest) = rest.split_once('.').map_or((rest, ""), |(i, rest)| (i, rest));
                let index = index.parse::<usize>().ok().and_then(|i| i.checked_sub(in_file));
                let item = index.and_then(|index| queues.get(index));
                let key = item.map(|item| item.key());
                if let Some(item) = item {
                    mistake.at = format!("{}.{rest}", item.at()).trim_end_matches('.').to_owned();
                }
                return Fault { key, mistake };
            }
            let is_in = |item: &&&Item| {
                let rest = mistake.at.strip_prefix(&item.at());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            let key = items.iter().find(is_in).map(|item| item.key());
            Fault { key, mistake }
        };
        mistakes.into_iter().map(fault).collect()
    }

    /// As many of the items as can be served; those that are `trusted` go last. One that is
    /// at fault never keeps the others, or the file, from being served.
    ///
    /// # Errors
    /// Where the file alone cannot be served.
    pub fn settle(
        &self,
        items: &[Item],
        trusted: &BTreeSet<Key>,
        pool: &mut Pool,
    ) -> Result<Settled, Vec<Mistake>> {
        let mut problems: BTreeMap<Key, Vec<Mistake>> = BTreeMap::new();
        let mut kept: Vec<&Item> = items.iter().collect();
        // Each round takes at least one item away.
        loop {
            let faults = match self.assemble(&kept, pool) {
                Ok(assembled) => return Ok(settled(assembled, problems, pool)),
                Err(faults) => faults,
            };
            let mut suspects: Vec<&Item> =
                kept.iter().copied().filter(|item| !trusted.contains(&item.key())).collect();
            if suspects.is_empty() {
                suspects.clone_from(&kept);
            }
            let blamed = blamed(&faults, &suspects);
            if blamed.is_empty() {
                return Err(faults.into_iter().map(|fault| fault.mistake).collect());
            }
            kept.retain(|item| !blamed.contains_key(&item.key()));
            problems.extend(blamed);
        }
    }
}

/// What was opened only to be tried is let go of.
fn settled(
    assembled: Assembled,
    problems: BTreeMap<Key, Vec<Mistake>>,
    pool: &mut Pool,
) -> Settled {
    pool.retain(|name, (_, connection)| {
        assembled.connections.get(name).is_some_and(|used| Arc::ptr_eq(used, connection))
    });
    Settled { assembled, problems }
}

/// Which of the suspects the faults are in; where that is none, the one that was changed
/// last. Empty where there are no suspects.
fn blamed(faults: &[Fault], suspects: &[&Item]) -> BTreeMap<Key, Vec<Mistake>> {
    let mut blamed: BTreeMap<Key, Vec<Mistake>> = BTreeMap::new();
    let keys: BTreeSet<Key> = suspects.iter().map(|item| item.key()).collect();
    for Fault { key, mistake } in faults {
        if let Some(key) = key.as_ref().filter(|key| keys.contains(*key)) {
            blamed.entry(key.clone()).or_default().push(mistake.clone());
        }
    }
    let last = suspects.iter().max_by_key(|item| item.revision);
    if let (true, Some(last)) = (blamed.is_empty(), last) {
        blamed.insert(last.key(), faults.iter().map(|fault| fault.mistake.clone()).collect());
    }
    blamed
}
