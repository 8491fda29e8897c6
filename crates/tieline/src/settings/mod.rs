//! Connections, actions and queues from the file and from the store, as one.
//!
//! The file stands by itself and is read-only here. What is made by API lies in the store
//! ([`item`], [`secrets`]) and is checked together with the file, whole, before it is stored
//! ([`assemble`]); then it is served at once, from one snapshot to the next
//! ([`engine::Live`]). Other nodes follow by a revision that every change counts up.
//!
//! A change is acknowledged when it is stored and served. One that was stored and not served,
//! because the process died between, is served from the next start.

mod act;
mod assemble;
mod brought;
pub mod item;
mod own;
pub mod promote;
mod secrets;

pub use assemble::File;

use crate::config::{Loaded, Mistake};
use crate::exit::Failure;
use crate::wiring;
use act::act;
use assemble::{Assembled, Pool};
use domain::Timestamp;
use engine::{Actions, Connections, Live, Syncs};
use item::{Body, Item, Key, Kind, of_file};
use state::Store;
use state::settings::Change;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard, watch};

/// How often another node's changes are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often a change is decided anew because another node was quicker.
const TRIES: usize = 8;

/// Keeps them.
pub struct Keeper {
    file: File,
    store: Store,
    held: Mutex<Held>,
}

/// What this node serves.
struct Held {
    revision: u64,
    items: Vec<Item>,
    problems: BTreeMap<Key, Vec<Mistake>>,
    pool: Pool,
}

/// One item as it is told.
pub struct Told {
    pub name: String,
    pub from_file: bool,
    /// Without secrets.
    pub section: Body,
    /// 0 for one of the file.
    pub revision: u64,
    pub changed: Option<(Timestamp, String)>,
    /// Why it is not served.
    pub problems: Vec<Mistake>,
    /// The rule that has brought it; empty for others.
    pub of_rule: String,
}

/// What somebody wants of one item.
#[derive(Clone)]
pub struct Wish {
    pub kind: Kind,
    pub name: String,
    /// `None`: that it goes.
    pub body: Option<Body>,
    /// The revision of the item that they have seen: 0 for that there is none.
    pub seen: Option<u64>,
    /// Only say what would be.
    pub is_dry: bool,
    pub actor: String,
}

/// Why nothing was changed.
#[derive(Debug)]
pub enum Refused {
    FromFile,
    Unknown,
    /// It is not as they have seen it; or others change things too quickly.
    Changed,
    Mistakes(Vec<Mistake>),
    Store(state::Error),
}

impl From<state::Error> for Refused {
    fn from(error: state::Error) -> Self {
        Self::Store(error)
    }
}

/// What a server starts with.
pub struct Start {
    pub connections: Arc<Connections>,
    pub actions: Arc<Actions>,
    pub syncs: Arc<Syncs>,
    pub keeper: Keeper,
}

impl Keeper {
    /// The file and as much of the store as can be served; what cannot is warned of.
    ///
    /// # Errors
    /// Where the file alone cannot be served, or the store cannot be read.
    pub async fn start(file: File, store: &Store) -> Result<Start, Failure> {
        let (revision, items) = read(store).await?;
        let mut pool = Pool::new();
        let settled = file.settle(&items, &BTreeSet::new(), &mut pool).map_err(wiring::told)?;
        warn(&settled.problems);
        settled.assembled.begin();
        let Assembled { connections, actions, syncs, .. } = settled.assembled;
        let held = Held { revision, items, problems: settled.problems, pool };
        let keeper = Self { file, store: store.clone(), held: Mutex::new(held) };
        Ok(Start { connections, actions, syncs, keeper })
    }

    /// What the file says.
    pub fn loaded(&self) -> &Loaded {
        &self.file.loaded
    }

    /// Every item of a kind, the file's too, by name.
    pub async fn list(&self, live: &Live, kind: Kind) -> Result<Vec<Told>, Refused> {
        let held = self.newest(live).await?;
        let config = &self.file.loaded.config;
        let names: Vec<&String> = match kind {
            Kind::Connection => config.connections.keys().collect(),
            Kind::Action => config.actions.keys().collect(),
            Kind::Queue => config.queues.iter().map(|queue| &queue.name).collect(),
            Kind::Sync => config.syncs.iter().map(|sync| &sync.name).collect(),
            Kind::Rule => Vec::new(),
        };
        let of_file = names.into_iter().filter_map(|name| self.in_file(kind, name));
        let is_told = |item: &&Item| item.kind == kind || item.is_told_as(kind);
        let of_store = held.items.iter().filter(is_told);
        let mut all: Vec<Told> = of_file.chain(of_store.map(|item| held.told(item))).collect();
        all.sort_by(|one, two| (&one.name, two.from_file).cmp(&(&two.name, one.from_file)));
        Ok(all)
    }

    /// One item; the file's goes before.
    pub async fn one(&self, live: &Live, kind: Kind, name: &str) -> Result<Option<Told>, Refused> {
        if let Some(told) = self.in_file(kind, name) {
            return Ok(Some(told));
        }
        let held = self.newest(live).await?;
        let brought = || held.item(Kind::Rule, name).filter(|item| item.is_told_as(kind));
        Ok(held.item(kind, name).or_else(brought).map(|item| held.told(item)))
    }

    fn in_file(&self, kind: Kind, name: &str) -> Option<Told> {
        let loaded = &self.file.loaded;
        let config = &loaded.config;
        let section = match kind {
            Kind::Connection => of_file(config.connections.get(name)?, loaded.settings.get(name)),
            Kind::Action => of_file(config.actions.get(name)?, None),
            Kind::Queue => of_file(config.queues.iter().find(|queue| queue.name == name)?, None),
            Kind::Sync => of_file(config.syncs.iter().find(|sync| sync.name == name)?, None),
            Kind::Rule => return None,
        };
        let (name, revision, changed) = (name.to_owned(), 0, None);
        let (problems, of_rule) = (Vec::new(), String::new());
        Some(Told { name, from_file: true, section, revision, changed, problems, of_rule })
    }

    /// Makes a change, if everything is well with it, and serves it. The item as it is
    /// then, or was.
    pub async fn change(&self, live: &Live, wish: Wish) -> Result<Told, Refused> {
        for _ in 0..TRIES {
            let mut held = self.newest(live).await?;
            let (item, before) = self.wanted(&held, &wish)?;
            let mut items: Vec<Item> = held.items.clone();
            items.retain(|other| other.key() != item.key());
            if wish.body.is_some() {
                items.push(item.clone());
                items.sort_by_key(Item::key);
            }
            // What is at fault already is not this change's to mend.
            // Nor does a connection's change wait for logins that were given for what it was.
            let outdated = self.file.outdated(&items);
            let is_at_fault = |key: &Key| held.problems.contains_key(key) || outdated.contains(key);
            let is_sound = |one: &&Item| one.key() == item.key() || !is_at_fault(&one.key());
            let sound: Vec<&Item> = items.iter().filter(is_sound).collect();
            let mut pool = held.pool.clone();
            let tried = self.file.assemble(&sound, &mut pool);
            if let Err(faults) = tried {
                let mistakes = faults.into_iter().map(|fault| fault.mistake).collect();
                return Err(Refused::Mistakes(explained(mistakes, &before)));
            }
            if wish.is_dry {
                return Ok(held.told(&item));
            }
            let change = Change {
                kind: item.kind.word(),
                name: item.name.clone(),
                body: wish.body.as_ref().and(item.body.as_ref()).map(bytes),
                seen: held.revision,
            };
            let act = act(&wish, &item, before.body.as_ref());
            let now = live.now().clock.now();
            let Some(revision) = self.store.change_settings(change, act, now).await? else {
                continue;
            };
            let trusted = sound.iter().map(|item| item.key()).collect();
            let mut made = Item { revision, changed_at: now, changed_by: wish.actor, ..item };
            for item in items.iter_mut().filter(|one| one.key() == made.key()) {
                *item = made.clone();
            }
            if wish.body.is_none() {
                made.body.clone_from(&before.body);
            }
            held.pool = pool;
            self.serve(live, &mut held, (revision, items), &trusted);
            return Ok(held.told(&made));
        }
        Err(Refused::Changed)
    }

    /// The item as it is to be, or as it was where it is to go; and what was before.
    fn wanted(&self, held: &Held, wish: &Wish) -> Result<(Item, Before), Refused> {
        let Wish { kind, name, .. } = wish;
        let before = held.item(*kind, name);
        // One of the store that the file has overtaken may go, and nothing else.
        if self.file.has(*kind, name) && (wish.body.is_some() || before.is_none()) {
            return Err(Refused::FromFile);
        }
        if wish.seen.is_some_and(|seen| seen != before.map_or(0, |item| item.revision)) {
            return Err(Refused::Changed);
        }
        let mut was = Before {
            at: format!("{}.{name}", kind.plural()),
            body: before.and_then(|item| item.body.clone()),
            lost: BTreeSet::new(),
        };
        let Some(mut body) = wish.body.clone() else {
            let item = before.cloned().ok_or(Refused::Unknown)?;
            return Ok((item, was));
        };
        let mistake = |message: String, fix: &str| {
            Refused::Mistakes(vec![Mistake::new(was.at.clone(), message, fix)])
        };
        if !kind.is_name(name) {
            let fix = "1 to 64 letters, digits, _ or -; a queue as the platform calls it, to 128.";
            return Err(mistake("cannot be called that.".to_owned(), fix));
        }
        let count = held.items.iter().filter(|item| item.kind == *kind).count();
        if before.is_none() && count >= kind.most() {
            let message = format!("there are {count} {} already.", kind.plural());
            return Err(mistake(message, "Delete what is not needed."));
        }
        match body.remove("name") {
            Some(given) if kind.is_named_within() && given != name.as_str() => {
                let message = "is called otherwise in its address.".to_owned();
                return Err(mistake(message, "Leave `name` out."));
            }
            Some(given) if !kind.is_named_within() => drop(body.insert("name".to_owned(), given)),
            _ => {}
        }
        if *kind == Kind::Connection {
            was.lost = secrets::keep(&mut body, was.body.as_ref());
        }
        let body = Some(item::without_nulls(body));
        let (name, changed_at) = (name.clone(), Timestamp::default());
        let item =
            Item { kind: *kind, name, body, revision: 0, changed_at, changed_by: String::new() };
        Ok((item, was))
    }

    /// From now on these items are served, as far as they can be.
    fn serve(
        &self,
        live: &Live,
        held: &mut Held,
        (revision, items): (u64, Vec<Item>),
        trusted: &BTreeSet<Key>,
    ) {
        match self.file.settle(&items, trusted, &mut held.pool) {
            Ok(settled) => {
                if settled.problems != held.problems {
                    warn(&settled.problems);
                }
                settled.assembled.begin();
                let Assembled { connections, actions, syncs, .. } = settled.assembled;
                live.set(connections, actions, syncs);
                (held.revision, held.items) = (revision, items);
                held.problems = settled.problems;
            }
            // The file was served before: nothing is taken away, and it is tried again.
            Err(mistakes) => tracing::error!("settings cannot be served: {mistakes:?}"),
        }
    }

    /// What is held, once it is as new as the store.
    async fn newest(&self, live: &Live) -> Result<MutexGuard<'_, Held>, state::Error> {
        let mut held = self.held.lock().await;
        if self.store.settings_revision().await? != held.revision {
            let read = read(&self.store).await?;
            let sound = held.items.iter().filter(|item| !held.problems.contains_key(&item.key()));
            let trusted = sound.map(Item::key).collect();
            self.serve(live, &mut held, read, &trusted);
            tracing::info!(revision = held.revision, "settings of another node are served");
        }
        Ok(held)
    }

    /// Follows other nodes until told to stop.
    pub async fn follow(self: Arc<Self>, live: Live, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            if let Err(error) = self.newest(&live).await {
                tracing::warn!("settings could not be looked at: {error}");
            }
            tokio::select! {
                _ = stop.changed() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }
}

impl Held {
    fn item(&self, kind: Kind, name: &str) -> Option<&Item> {
        self.items.iter().find(|item| item.kind == kind && item.name == name)
    }

    fn told(&self, item: &Item) -> Told {
        Told {
            name: item.name.clone(),
            from_file: false,
            section: item.shown(),
            revision: item.revision,
            changed: (item.revision > 0).then(|| (item.changed_at, item.changed_by.clone())),
            problems: self.problems.get(&item.key()).cloned().unwrap_or_default(),
            of_rule: item.of_rule().to_owned(),
        }
    }
}

/// What an item was before a change.
struct Before {
    at: String,
    body: Option<Body>,
    /// Secrets that were left out and could not be kept.
    lost: BTreeSet<String>,
}

/// A secret that is missing because its use has changed is told so.
fn explained(mut mistakes: Vec<Mistake>, before: &Before) -> Vec<Mistake> {
    for name in &before.lost {
        let at = format!("{}.settings.{name}", before.at);
        for mistake in mistakes.iter_mut().filter(|mistake| mistake.at == at) {
            mistake.fix = "A secret stays only where type and settings (but data) stay: \
                           send it again."
                .to_owned();
        }
    }
    mistakes
}

fn bytes(body: &Body) -> Vec<u8> {
    // An object of texts and numbers: there is nothing that JSON cannot hold.
    serde_json::to_vec(body).unwrap_or_default()
}

async fn read(store: &Store) -> Result<(u64, Vec<Item>), state::Error> {
    let state::settings::Settings { revision, items } = store.settings().await?;
    let mut items: Vec<Item> = items.into_iter().filter_map(Item::of).collect();
    items.sort_by_key(Item::key);
    Ok((revision, items))
}

fn warn(problems: &BTreeMap<Key, Vec<Mistake>>) {
    for mistakes in problems.values() {
        for mistake in mistakes {
            tracing::warn!("left out, though it was made by API: {mistake}");
        }
    }
}
