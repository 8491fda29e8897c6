//! The store itself: where it lies, how it opens, how work reaches it.
//!
//! [`Store::open`] takes the lock, refuses what it must (another owner, another
//! master key, a newer schema), migrates, and is ready without a scan. Every
//! other file of this crate adds its part to `impl Store`.

use crate::crash;
use crate::directory::Recent;
use crate::error::{Boxed, Error, Result};
use crate::jobs::ReleaseLeases;
use crate::keys::{Keyring, MasterKey};
use crate::labels::Dimensions;
use crate::overrides::{AllNumbers, Overridden};
use crate::sql::postgres::Postgres;
use crate::sql::schema::{self, Prepare};
use crate::sql::sqlite::{Owned, Sqlite};
use crate::sql::{Nudges, Tx, Work};
use crate::subject::Tombstones;
use domain::Timestamp;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};

/// Everything that outlives a request. Cloning is cheap; all clones are one store.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    master: MasterKey,
    keys: RwLock<Arc<Keyring>>,
    nudges: Nudges,
    recent: Arc<Recent>,
    overridden: Overridden,
    tombstones: Tombstones,
    sweeping: tokio::sync::Mutex<()>,
    dimensions: Dimensions,
}

pub(crate) enum Engine {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

/// Where a store lies.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// A file, owned by one process at a time.
    Sqlite { path: PathBuf },
    /// Gone when dropped; for tests.
    SqliteMemory,
    /// A server, for any number of equal nodes. The URL may hold a password: it is never shown.
    Postgres { url: String },
}

impl FromStr for Location {
    type Err = Error;

    /// `sqlite:PATH`, `sqlite::memory:` or a `postgres://` URL.
    fn from_str(text: &str) -> Result<Self> {
        match text.split_once(':') {
            Some(("sqlite", ":memory:")) => Ok(Self::SqliteMemory),
            Some(("sqlite", path)) if !path.is_empty() && !path.starts_with(':') => {
                Ok(Self::Sqlite { path: path.into() })
            }
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => {
                Ok(Self::Postgres { url: text.to_owned() })
            }
            _ => Err(Error::NotALocation),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { path } => write!(f, "sqlite:{}", path.display()),
            Self::SqliteMemory => f.write_str("sqlite::memory:"),
            Self::Postgres { url } => {
                // Passwords may stand before the @ or among the parameters: show neither part.
                let rest = url.split_once("//").map_or("", |(_, rest)| rest);
                let rest = rest.split(['?', '#']).next().unwrap_or_default();
                let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
                write!(f, "postgres://{place}")
            }
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Location({self})")
    }
}

/// What a returned write has survived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// The death of our process. A power cut (on PostgreSQL: a crash of the
    /// server) may cost the last moments, never consistency.
    Process,
    /// A power cut as well: every commit waits for the disk.
    #[default]
    Power,
}

/// How the store works; the defaults suit `serve`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    pub durability: Durability,
    /// SQLite: connections that read, each with a cache of at most 4 MB.
    pub readers: usize,
    /// PostgreSQL: connections of the pool.
    pub connections: u32,
}

impl Default for Options {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self { durability: Durability::Power, readers: cores.clamp(2, 8), connections: 10 }
    }
}

impl Store {
    /// Opens the store, making it (schema and keys) where there is none.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::WrongKey`] and [`Error::NewerSchema`] leave
    /// everything as it was.
    pub fn open<'a>(
        location: &'a Location,
        master: &'a MasterKey,
        options: Options,
    ) -> Boxed<'a, Self> {
        Box::pin(async move {
            let nudges = Nudges::default();
            let recent = Arc::<Recent>::default();
            let prepare = Prepare { master, now: now() };
            let (engine, keys) = match location {
                Location::Postgres { url } => {
                    let postgres = Postgres::open(url, &options).await?;
                    let (keys, _) = postgres.write(&prepare).await?;
                    (Engine::Postgres(postgres), keys)
                }
                Location::Sqlite { path } => {
                    let owned = Owned::take_soon(path).await?;
                    let (sqlite, keys) = Sqlite::open(
                        Some(owned),
                        &options,
                        nudges.clone(),
                        recent.clone(),
                        &prepare,
                    )?;
                    (Engine::Sqlite(sqlite), keys)
                }
                Location::SqliteMemory => {
                    let (sqlite, keys) =
                        Sqlite::open(None, &options, nudges.clone(), recent.clone(), &prepare)?;
                    (Engine::Sqlite(sqlite), keys)
                }
            };
            let keys = RwLock::new(Arc::new(keys));
            let overridden = match &engine {
                Engine::Sqlite(sqlite) => Overridden::of(sqlite.read(&AllNumbers)?),
                Engine::Postgres(_) => Overridden::default(),
            };
            let master = master.clone();
            let inner = Inner {
                engine,
                master,
                keys,
                nudges,
                recent,
                overridden,
                tombstones: Tombstones::default(),
                sweeping: tokio::sync::Mutex::default(),
                dimensions: Dimensions::default(),
            };
            let store = Self { inner: Arc::new(inner) };
            store.load_tombstones().await?;
            if matches!(store.inner.engine, Engine::Sqlite(_)) {
                // One process owns this store: whoever held a lease before is gone.
                store.write(ReleaseLeases).await?;
                // And a copy of a store on PostgreSQL may hold news without their place.
                store.place_news().await?;
            }
            Ok(store)
        })
    }

    /// Whether the store can be used right now: a point read, and the last commit went well.
    pub fn check(&self) -> Boxed<'_, ()> {
        Box::pin(async move {
            if let Engine::Sqlite(sqlite) = &self.inner.engine
                && !sqlite.is_healthy()
            {
                return Err(Error::Unavailable {
                    during: "committing",
                    reason: "the last commit failed, or the store is closed".to_owned(),
                });
            }
            self.read(&SchemaVersion).await.map(|_| ())
        })
    }

    /// The public id of a number, for [`domain::ExternalId::Phone`]: 32 lower-case
    /// hex digits. Its key outlives every rotation of the data keys.
    #[must_use]
    pub fn phone_id(&self, e164: &str) -> String {
        self.keys().phone_id(e164)
    }

    /// A keyed digest, to see later whether a personal text is still the same
    /// without keeping it. For [`Store::mark_pushed`].
    #[must_use]
    pub fn digest(&self, text: &str) -> [u8; 16] {
        self.keys().hash("digest", &[text])
    }

    /// Does a write that was queued first also commit first? True where one writer
    /// serves all; with a pool of connections the later one may overtake it.
    #[must_use]
    pub fn writes_in_order(&self) -> bool {
        matches!(self.inner.engine, Engine::Sqlite(_))
    }

    /// Adds a data key, which from now on seals. What older keys sealed still opens.
    pub fn rotate_data_key(&self) -> Boxed<'_, ()> {
        Box::pin(async move {
            let rotate = Rotate { master: self.inner.master.clone(), now: now() };
            let keys = self.write(rotate).await?;
            self.set_keys(keys);
            Ok(())
        })
    }

    /// Commits what waits, then lets go of files, lock and connections. Later
    /// calls on any clone fail with [`Error::Closed`].
    pub async fn close(&self) {
        if let Engine::Postgres(postgres) = &self.inner.engine {
            postgres.close().await;
            return;
        }
        let store = self.clone();
        let closed = tokio::task::spawn_blocking(move || {
            if let Engine::Sqlite(sqlite) = &store.inner.engine {
                sqlite.close();
            }
        });
        if let Err(error) = closed.await {
            tracing::error!(%error, "closing the store failed");
        }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    /// Which numbers have an override, where nobody else writes to the store.
    pub(crate) fn overridden(&self) -> Option<&Overridden> {
        matches!(self.inner.engine, Engine::Sqlite(_)).then_some(&self.inner.overridden)
    }

    /// Who was erased.
    pub(crate) fn tombstones(&self) -> &Tombstones {
        &self.inner.tombstones
    }

    /// Sweeps of one process take turns; two at once would each count half.
    pub async fn turn_to_sweep(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.inner.sweeping.lock().await
    }

    pub(crate) fn dimensions(&self) -> &Dimensions {
        &self.inner.dimensions
    }

    /// Where nobody else writes to the store.
    pub(crate) fn recent(&self) -> Option<&Recent> {
        matches!(self.inner.engine, Engine::Sqlite(_)).then_some(&self.inner.recent)
    }

    pub(crate) fn nudges(&self) -> &Nudges {
        &self.inner.nudges
    }

    pub(crate) fn keys(&self) -> Arc<Keyring> {
        self.inner.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_keys(&self, keys: Keyring) {
        *self.inner.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    /// Runs the work in a transaction; returns once it is committed.
    pub(crate) async fn write<W: Work + 'static>(&self, work: W) -> Result<W::Output> {
        match &self.inner.engine {
            Engine::Sqlite(sqlite) => sqlite.write(work).await,
            // Apart, like every wait for PostgreSQL here: what such a transaction holds
            // while it waits is kilobytes, and would be carried through each call over SQLite.
            Engine::Postgres(postgres) => {
                let (output, added) = Box::pin(postgres.write(&work)).await?;
                self.inner.nudges.send(added);
                crash::point("write.answered");
                Ok(output)
            }
        }
    }

    /// Runs work that only reads.
    pub(crate) async fn read<W: Work>(&self, work: &W) -> Result<W::Output> {
        match &self.inner.engine {
            Engine::Sqlite(sqlite) => sqlite.read(work),
            Engine::Postgres(postgres) => Box::pin(postgres.read(work)).await,
        }
    }

    /// Runs work that only reads and takes longer than a point read: not on the thread
    /// that answers calls.
    pub(crate) async fn read_apart<W: Work + 'static>(&self, work: W) -> Result<W::Output> {
        let store = self.clone();
        match &self.inner.engine {
            Engine::Postgres(postgres) => Box::pin(postgres.read(&work)).await,
            Engine::Sqlite(_) => {
                let read = tokio::task::spawn_blocking(move || match &store.inner.engine {
                    Engine::Sqlite(sqlite) => sqlite.read(&work),
                    Engine::Postgres(_) => Err(Error::Closed), // it is the store matched above
                });
                read.await.unwrap_or(Err(Error::Closed))
            }
        }
    }

    /// Opens sealed rows; where another node has rotated, reads the keys anew, once.
    pub(crate) async fn unseal<T>(&self, open: impl Fn(&Keyring) -> Result<T>) -> Result<T> {
        match open(&self.keys()) {
            Err(Error::UnknownKey { .. }) => {
                let load = LoadKeys { master: self.inner.master.clone() };
                self.set_keys(self.read(&load).await?);
                open(&self.keys())
            }
            opened => opened,
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let engine = match self.inner.engine {
            Engine::Sqlite(_) => "sqlite",
            Engine::Postgres(_) => "postgres",
        };
        write!(f, "Store({engine})")
    }
}

/// When a key or a migration came to be: only ever told, never decided upon.
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp(since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX)))
}

struct SchemaVersion;

impl Work for SchemaVersion {
    type Output = i64;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<i64> {
        schema::version(tx).await
    }
}

struct Rotate {
    master: MasterKey,
    now: Timestamp,
}

impl Work for Rotate {
    type Output = Keyring;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Keyring> {
        Keyring::rotate(tx, &self.master, self.now).await?;
        LoadKeys { master: self.master.clone() }.run(tx).await
    }
}

struct LoadKeys {
    master: MasterKey,
}

impl Work for LoadKeys {
    type Output = Keyring;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Keyring> {
        let keys = Keyring::load(tx, &self.master).await?;
        keys.ok_or(Error::Corrupt { what: "the keys are gone" })
    }
}

#[cfg(test)]
mod tests {
    use super::Location;

    #[test]
    fn a_location_is_read_from_its_text() {
        let check = |text: &str| text.parse::<Location>().expect(text).to_string();
        assert_eq!(
            check("sqlite:/var/lib/tieline/tieline.db"),
            "sqlite:/var/lib/tieline/tieline.db"
        );
        assert_eq!(check("sqlite::memory:"), "sqlite::memory:");
        for text in ["", "sqlite:", "mysql://x", "postgres:x", "/a/path"] {
            assert!(text.parse::<Location>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_locations_password_is_not_shown() {
        for url in [
            "postgres://me:hunter2@db.example/tieline",
            "postgres://me:hun@ter2@db.example/tieline?password=hunter2",
            "postgres://db.example/tieline?user=me&password=hunter2#hunter2",
        ] {
            let location: Location = url.parse().expect(url);
            for shown in [location.to_string(), format!("{location:?}")] {
                assert!(!shown.contains("ter2"), "{shown}");
                assert!(shown.contains("postgres://db.example/tieline"), "{shown}");
            }
        }
    }
}
