//! A ServiceNow instance that runs on this machine: its token endpoint and its Table API.
//!
//! [`start`] fills an instance with contacts, consumers, users and accounts and serves it.
//! `http` is the way of a request, `gate` who is let in, `table` what the Table API does,
//! `batch` many calls in one; they stand on the rows (`store`), what tables there are
//! (`schema`) and the language of conditions (`query`). It follows the vendor's documents, also where that is awkward: what
//! it does not understand of a query it drops, a limit counts rows that an ACL then hides,
//! unknown fields of a write are ignored. Clients that others wrote hold it to that.
//!
//! Besides `unauthorized` and `throttled`, a plan of faults may name `hibernating` (200 as
//! HTML), `cancelled` (200 with some rows and an error) and `error` (500).

mod batch;
mod gate;
mod http;
mod query;
mod schema;
mod seeds;
mod store;
mod table;

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::request::Parts;
use sim::faults::Faults;
use sim::server::{self, Running};

use self::gate::Gate;
use self::store::Store;

/// Bytes of one request body.
const MOST_BODY: usize = 16 * 1024 * 1024;

/// The instance, its integration user and its OAuth application.
#[derive(Clone, Debug)]
pub struct Config {
    /// 0 takes a free port.
    pub port: u16,
    /// Generated contacts, besides the fixed ones.
    pub people: u64,
    /// The same seed gives the same people.
    pub seed: u64,
    /// The integration user.
    pub username: String,
    /// The integration user's password.
    pub password: String,
    /// Roles of the integration user.
    pub roles: Vec<String>,
    /// The OAuth application.
    pub client_id: String,
    /// The OAuth application's secret.
    pub client_secret: String,
    /// How long a token holds.
    pub token_lifetime: Duration,
    /// `glide.invalid_query.returns_no_rows`: off, as instances come.
    pub returns_no_rows: bool,
    /// Tables that the integration user may not read (403).
    pub unreadable: BTreeSet<String>,
    /// Fields (`table.field`) that it may not write: they are ignored.
    pub unwritable: BTreeSet<String>,
    /// Hours by which the integration user's clock is ahead of UTC: times in queries are
    /// read by it, times in answers are UTC.
    pub user_hours: i64,
    /// A rate limit rule: requests that the integration user may make in an hour.
    pub requests_per_hour: Option<u64>,
    /// Calls of a batch that are done before its time is over.
    pub calls_per_batch: Option<usize>,
}

impl Default for Config {
    /// A small instance with the fixed people only.
    fn default() -> Config {
        Config {
            port: 0,
            people: 0,
            seed: 1,
            username: "tieline.integration".to_owned(),
            password: "sim-instance-password".to_owned(),
            roles: vec!["snc_platform_rest_api_access".to_owned(), "itil".to_owned()],
            client_id: "5f2c0a1be1d0c01037f6a2c8e9f4d3b7".to_owned(),
            client_secret: "sim-instance-client-secret".to_owned(),
            token_lifetime: Duration::from_secs(1_800),
            returns_no_rows: false,
            unreadable: BTreeSet::new(),
            unwritable: BTreeSet::new(),
            user_hours: 0,
            requests_per_hour: None,
            calls_per_batch: None,
        }
    }
}

/// A running instance.
pub struct Instance {
    world: Arc<World>,
    faults: Faults,
    running: Running,
}

/// What all requests share.
struct World {
    config: Config,
    url: OnceLock<String>,
    store: RwLock<Store>,
    gate: Gate,
    /// Requests that a rule has counted.
    counted: AtomicU64,
}

/// Fills an instance as configured and serves it on 127.0.0.1.
///
/// # Errors
/// When the port is taken.
pub async fn start(config: Config) -> io::Result<Instance> {
    let mut store = Store::new(&config.username);
    store.give_roles(&config.roles);
    seeds::plant(&mut store, config.people, config.seed);
    let world = Arc::new(World {
        gate: Gate::new(config.token_lifetime),
        counted: AtomicU64::new(0),
        store: RwLock::new(store),
        url: OnceLock::new(),
        config,
    });
    let faults = Faults::default();
    faults.vendor(http::vendor_answer);
    let serving = Arc::clone(&world);
    let answer = move |parts: &Parts, body: &Bytes| {
        serving.handle(&http::Asked::new(parts, body)).response()
    };
    let port = world.config.port;
    let running = server::start_whole(port, faults.clone(), MOST_BODY, answer).await?;
    world.url.get_or_init(|| running.url());
    Ok(Instance { world, faults, running })
}

impl Instance {
    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        self.running.url()
    }

    /// What goes wrong on purpose, and what was asked.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// How it was set up.
    pub fn config(&self) -> &Config {
        &self.world.config
    }

    /// Ends every access token given out so far; refresh tokens live on.
    pub fn revoke_tokens(&self) {
        self.world.gate.revoke_all();
    }

    /// How many rows a table has, with those of tables that extend it.
    pub fn count(&self, table: &str) -> usize {
        self.world.read().of(table).count()
    }

    /// Adds a row as somebody on a page would; its sys_id.
    pub fn add(&self, table: &str, values: &[(&str, &str)]) -> String {
        self.world.write().insert(table, values.iter().copied(), "admin")
    }

    /// Changes a row as somebody on a page would.
    pub fn change(&self, sys_id: &str, values: &[(&str, &str)]) {
        self.world.write().update(sys_id, values.iter().copied(), "admin");
    }

    /// Sets a row's time of change: a transaction that ended late.
    pub fn backdate(&self, sys_id: &str, time: &str) {
        self.world.write().put(sys_id, "sys_updated_on", time);
    }

    /// Deletes a row as somebody on a page would; audited tables remember it.
    pub fn delete(&self, sys_id: &str) -> bool {
        self.world.write().delete(sys_id, "admin")
    }

    /// Hides a row from the integration user, as a row's ACL does.
    pub fn hide(&self, sys_id: &str) {
        self.world.write().hidden.insert(sys_id.to_owned());
    }

    /// A column of every row of a table, in the order of entry.
    pub fn values(&self, table: &str, column: &str) -> Vec<String> {
        let store = self.world.read();
        store.of(table).map(|row| row.get(column).to_owned()).collect()
    }

    /// Stops answering; requests in flight get a second.
    pub async fn stop(self) {
        self.running.stop().await;
    }
}

impl World {
    fn url(&self) -> &str {
        self.url.get().map(String::as_str).unwrap_or_default()
    }

    fn read(&self) -> RwLockReadGuard<'_, Store> {
        self.store.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Store> {
        self.store.write().unwrap_or_else(PoisonError::into_inner)
    }
}
