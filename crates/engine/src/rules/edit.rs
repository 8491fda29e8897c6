//! Rules are made as drafts and put in force together.
//!
//! Each rule and each chain has at most one draft over what is in force. Publishing takes
//! drafts into a new rule set, which is checked as a whole before it is stored and served at
//! once; other nodes follow by a version that every change counts up. Rolling back puts an
//! older set in force again, as a new one: history is never rewritten.

use super::fit::UNKEPT;
use super::form::{self, Body, Fault};
use super::held::Held;
use super::set::{Rules, SetBody, fault};
use crate::live::Live;
use crate::lookup::Engine;
use domain::Timestamp;
use state::Store;
use state::audit::Act;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard, watch};

/// How often other nodes' changes are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often a change is decided anew because another node was quicker.
pub(super) const TRIES: usize = 8;
/// Rules, and chains, that there may be.
pub const RULES_MAX: usize = 1_000;

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Rule,
    Chain,
}

/// The rules of this node: what is in force, and the drafts.
pub struct Book {
    pub(super) store: Store,
    held: Mutex<Held>,
}

/// One rule or chain as it is told.
#[derive(Debug, Clone)]
pub struct Told {
    pub kind: Kind,
    pub name: String,
    /// As it is in force.
    pub published: Option<Body>,
    /// How it is to become; `Some(None)`: it is to go.
    pub draft: Option<Option<Body>>,
    /// Of the draft; else 0.
    pub version: u64,
    /// Another one as soon as the item has changed: its draft, or what is in force.
    pub tag: String,
    pub changed: Option<(Timestamp, String)>,
    /// Where the rule hangs, as it would be with every draft.
    pub entries: Vec<String>,
    /// What each value is compared as, such as `lines[0].value: number`.
    pub compared: Vec<(String, &'static str)>,
    /// What is wrong with it now, such as a connection that has gone.
    pub faults: Vec<Fault>,
    /// Where it leads to what the platform has not, or could not be asked for; only of an
    /// item that was just drafted.
    pub warnings: Vec<String>,
}

/// What somebody wants of one item.
#[derive(Debug, Clone)]
pub struct Wish {
    pub kind: Kind,
    pub name: String,
    pub to: Wanted,
    /// What they have seen of it; `None`: whatever there is.
    pub seen: Option<Seen>,
    pub is_dry: bool,
    pub actor: String,
    /// What the rule is asked through is made with it, unless this is dry.
    pub brings: bool,
}

/// What somebody has seen of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// There was none.
    Nothing,
    /// [`Told::tag`].
    Tag(String),
}

/// How an item is to become.
#[derive(Debug, Clone)]
pub enum Wanted {
    Body(Body),
    Gone,
    /// As it is in force: the draft is forgotten.
    AsPublished,
}

/// Why nothing was changed.
#[derive(Debug)]
pub enum Refused {
    Unknown,
    Changed,
    Nothing,
    Faults(Vec<Fault>),
    Store(state::Error),
}

impl From<state::Error> for Refused {
    fn from(error: state::Error) -> Self {
        Self::Store(error)
    }
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::Rule, Self::Chain];

    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Chain => "chain",
        }
    }

    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

impl SetBody {
    pub(super) fn of(&self, kind: Kind) -> &BTreeMap<String, Body> {
        match kind {
            Kind::Rule => &self.rules,
            Kind::Chain => &self.chains,
        }
    }

    pub(super) fn of_mut(&mut self, kind: Kind) -> &mut BTreeMap<String, Body> {
        match kind {
            Kind::Rule => &mut self.rules,
            Kind::Chain => &mut self.chains,
        }
    }
}

impl Book {
    #[must_use]
    pub fn new(store: &Store) -> Self {
        Self { store: store.clone(), held: Mutex::default() }
    }

    /// Reads what is in force and serves it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn start(&self, live: &Live) -> Result<(), state::Error> {
        self.newest(live).await.map(drop)
    }

    /// Every rule and chain, those in force and drafts, by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn list(&self, live: &Live) -> Result<(u64, Vec<Told>), Refused> {
        let held = self.newest(live).await?;
        let all = held.all();
        let engine = live.now();
        let told = Kind::ALL.into_iter().flat_map(|kind| {
            let names: BTreeSet<&String> =
                all.of(kind).keys().chain(held.set.of(kind).keys()).collect();
            names.into_iter().map(move |name| (kind, name.clone())).collect::<Vec<_>>()
        });
        let faults = engine.faults_of(&all);
        let told = told.map(|(kind, name)| held.told(&all, &faults, kind, &name));
        Ok((held.revision, told.collect()))
    }

    /// One of them.
    ///
    /// # Errors
    /// When there is none, or the store cannot be read.
    pub async fn one(&self, live: &Live, kind: Kind, name: &str) -> Result<Told, Refused> {
        let held = self.newest(live).await?;
        let name = canonical(&live.now(), kind, name);
        let is_there = held.set.of(kind).contains_key(&name) || held.draft(kind, &name).is_some();
        if !is_there {
            return Err(Refused::Unknown);
        }
        let all = held.all();
        Ok(held.told(&all, &live.now().faults_of(&all), kind, &name))
    }

    /// What is in force, or all as it would be with every draft.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn body(&self, live: &Live, with_drafts: bool) -> Result<(u64, SetBody), Refused> {
        let held = self.newest(live).await?;
        let body = if with_drafts { held.all() } else { held.set.clone() };
        Ok((held.revision, body))
    }

    /// A draft with whatever of its destinations the platform has not, or does not tell.
    pub async fn with_places(&self, live: &Live, mut told: Told, body: Body) -> Told {
        let mut alone = SetBody::default();
        alone.of_mut(told.kind).insert(told.name.clone(), body);
        let places = live.now().places_of(&alone).await;
        told.warnings = places.warnings;
        let unknown = places.unknown.into_iter();
        told.warnings.extend(unknown.map(|fault| format!("{} {}", fault.at, fault.message)));
        told
    }

    /// Keeps drafts, all or none, if nothing is wrong with them that was not wrong before.
    ///
    /// # Errors
    /// Everything that is wrong; nothing was changed.
    pub async fn draft_all(
        &self,
        live: &Live,
        wishes: Vec<Wish>,
        is_dry: bool,
        actor: &str,
    ) -> Result<Vec<Told>, Refused> {
        for _ in 0..TRIES {
            let mut held = self.newest(live).await?;
            let engine = live.now();
            let before = held.all();
            let mut after = before.clone();
            let mut changes = Vec::new();
            for wish in &wishes {
                changes.push(held.wanted(&engine, wish, &mut after)?);
            }
            let known: BTreeSet<(String, String)> =
                engine.faults_of(&before).into_iter().map(|f| (f.at, f.message)).collect();
            let own: Vec<String> = wishes.iter().map(|wish| lead(&engine, wish)).collect();
            let mut faults = engine.faults_of(&after);
            let brings = |fault: &Fault| {
                let mut bringing = wishes.iter().zip(&own).filter(|(wish, _)| wish.brings);
                is_dry
                    && fault.message == UNKEPT
                    && bringing.any(|(_, lead)| fault.at.starts_with(lead.as_str()))
            };
            faults.retain(|fault| !brings(fault));
            faults.retain(|fault| {
                own.iter().any(|lead| fault.at.starts_with(lead.as_str()))
                    || !known.contains(&(fault.at.clone(), fault.message.clone()))
            });
            if !faults.is_empty() {
                return Err(Refused::Faults(faults));
            }
            let names: Vec<(Kind, String)> =
                wishes.iter().map(|w| (w.kind, canonical(&engine, w.kind, &w.name))).collect();
            if is_dry {
                let told = names.iter().map(|(kind, name)| held.told(&after, &[], *kind, name));
                return Ok(told.collect());
            }
            let act = Act {
                actor: actor.to_owned(),
                action: "rules.drafted",
                subject: names
                    .iter()
                    .map(|(k, n)| format!("{} {n}", k.word()))
                    .collect::<Vec<_>>()
                    .join(", "),
                details: BTreeMap::new(),
            };
            let now = engine.clock.now();
            if self.store.change_rule_drafts(changes, held.version, act, now).await?.is_some() {
                self.read(live, &mut held).await?;
                let told = names.iter().map(|(kind, name)| held.told(&after, &[], *kind, name));
                return Ok(told.collect());
            }
        }
        Err(Refused::Changed)
    }

    /// Follows other nodes until told to stop.
    pub async fn follow(self: Arc<Self>, live: Live, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            if let Err(error) = self.newest(&live).await {
                tracing::warn!("rules could not be looked at: {error}");
            }
            tokio::select! {
                _ = stop.changed() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// What is held, once it is as new as the store.
    pub(super) async fn newest(&self, live: &Live) -> Result<MutexGuard<'_, Held>, state::Error> {
        let mut held = self.held.lock().await;
        if held.version == 0 || self.store.rules_version().await? != held.version {
            self.read(live, &mut held).await?;
        }
        Ok(held)
    }

    pub(super) async fn read(&self, live: &Live, held: &mut Held) -> Result<(), state::Error> {
        let stored = self.store.rules().await?;
        let engine = live.now();
        let (revision, body) = match &stored.set {
            Some(set) => match serde_json::from_slice(&set.body) {
                Ok(body) => (set.revision, body),
                Err(error) => {
                    // What is served stays, and it is looked at again.
                    tracing::error!("the rule set {} cannot be read: {error}", set.revision);
                    return Ok(());
                }
            },
            None => (0, SetBody::default()),
        };
        *held = Held { version: stored.version, revision, set: body, drafts: stored.drafts };
        if engine.rules.revision != revision || revision == 0 {
            match Rules::new(revision, &held.set, engine.options.region) {
                Ok(rules) => live.set_rules(Arc::new(rules)),
                // It was checked when it was put in force: what is served stays.
                Err(faults) => tracing::error!("rules cannot be served: {faults:?}"),
            }
        }
        let shadow = match engine.options.routing.has_shadow && !held.drafts.is_empty() {
            true => Rules::new(revision, &held.all(), engine.options.region).ok().map(Arc::new),
            false => None,
        };
        live.set_shadow(shadow);
        Ok(())
    }
}

/// An entry in the one form in which it is kept; names of rules as they are.
pub(super) fn canonical(engine: &Engine, kind: Kind, name: &str) -> String {
    match kind {
        Kind::Rule => name.trim().to_owned(),
        Kind::Chain => form::entry(name, engine.options.region)
            .map_or_else(|| name.trim().to_owned(), |entry| entry.to_string()),
    }
}

impl Engine {
    /// Items by the names under which they are kept.
    ///
    /// # Errors
    /// Names two that are the same.
    pub fn named(
        &self,
        kind: Kind,
        items: BTreeMap<String, Body>,
    ) -> Result<BTreeMap<String, Body>, Vec<Fault>> {
        let (mut named, mut faults) = (BTreeMap::new(), Vec::new());
        for (name, body) in items {
            let own = canonical(self, kind, &name);
            if named.insert(own, body).is_some() {
                let at = format!("{}s.{name}", kind.word());
                faults.push(fault(&at, "stands twice.", "Leave one of the two out."));
            }
        }
        if faults.is_empty() { Ok(named) } else { Err(faults) }
    }
}

pub(super) fn lead(engine: &Engine, wish: &Wish) -> String {
    format!("{}s.{}.", wish.kind.word(), canonical(engine, wish.kind, &wish.name))
}
