//! A NetSuite account that runs on this machine: its token endpoint, SuiteQL and REST records.
//!
//! [`start`] fills an account with people and serves it. `http` is the way of a request,
//! `gate` who is let in, `query` the language of SuiteQL and `run` what a query gives,
//! `records` what a write does; they stand on the rows (`store`). It follows the vendor's
//! documents and knows nothing of our connector; programs on libraries that others wrote
//! hold it to that (`tests/clients`).
//!
//! Besides `unauthorized` and `throttled` (429 `CONCURRENCY_LIMIT_EXCEEDED`), a plan of
//! faults may name `request_limit` (429 `SSS_REQUEST_LIMIT_EXCEEDED`), `no_permission` and
//! `error` (500).

mod gate;
mod http;
mod query;
mod records;
mod run;
mod seeds;
mod store;

use std::io;
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::request::Parts;
use sim::faults::Faults;
use sim::server::{self, Running};
use sim::tokens::Tokens;

use self::store::Store;

/// Bytes of one request body.
const MOST_BODY: usize = 1024 * 1024;

/// How a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA with PSS padding.
    Ps256,
    /// The curve P-256.
    Es256,
}

/// The account, its integration and the certificates that it was given.
#[derive(Clone, Debug)]
pub struct Config {
    /// 0 takes a free port.
    pub port: u16,
    /// Generated people, besides the fixed ones.
    pub people: u64,
    /// The same seed gives the same people.
    pub seed: u64,
    /// The integration record's client id.
    pub client_id: String,
    /// Certificates: id, algorithm and public key (DER of an RSA key, point of a curve's).
    pub certificates: Vec<(String, Algorithm, Vec<u8>)>,
    /// How long a token holds.
    pub token_lifetime: Duration,
}

impl Default for Config {
    /// A small account with the fixed people only.
    fn default() -> Config {
        Config {
            port: 0,
            people: 0,
            seed: 1,
            client_id: "sim0client0id0of0the0integration".to_owned(),
            certificates: vec![],
            token_lifetime: Duration::from_secs(3_600),
        }
    }
}

/// A running account.
pub struct Account {
    world: Arc<World>,
    faults: Faults,
    running: Running,
}

/// What all requests share.
struct World {
    config: Config,
    url: OnceLock<String>,
    store: RwLock<Store>,
    tokens: Tokens,
}

/// Fills an account as configured and serves it on 127.0.0.1.
///
/// # Errors
/// When the port is taken.
pub async fn start(config: Config) -> io::Result<Account> {
    let mut store = Store::default();
    seeds::plant(&mut store, config.people, config.seed);
    let world = Arc::new(World {
        tokens: Tokens::new(config.token_lifetime),
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
    Ok(Account { world, faults, running })
}

impl Account {
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

    /// Ends every token given out so far.
    pub fn revoke_tokens(&self) {
        self.world.tokens.revoke_all();
    }

    /// How many rows a table has.
    pub fn count(&self, table: &str) -> usize {
        self.world.read().rows(table).len()
    }

    /// Lets the account's clock be so many seconds further on.
    pub fn advance(&self, seconds: u64) {
        self.world.write().ahead += seconds;
    }

    /// Makes or changes a row as a person there would; `false` when there is no such
    /// table or column.
    pub fn put(&self, table: &str, id: u64, values: &[(&str, &str)]) -> bool {
        let mut store = self.world.write();
        let own = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        store.put(table, id, own.collect())
    }

    /// Deletes a row; `false` when there is none.
    pub fn remove(&self, table: &str, id: u64) -> bool {
        self.world.write().remove(table, id)
    }

    /// The value of a column of a row; empty when there is none.
    pub fn value(&self, table: &str, id: u64, column: &str) -> String {
        let store = self.world.read();
        let row = store.rows(table).get(&id);
        row.and_then(|row| row.get(column)).cloned().unwrap_or_default()
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
