//! A Dataverse environment that runs on this machine: its Web API, and Entra's login.
//!
//! [`start`] fills an environment with people and serves it. `http` is the way of a
//! request, `batch` of many in one, `gate` who is let in (tokens, service protection),
//! `query` what is read and what changed, `write` what a change does, `metadata` what the
//! environment tells of itself; they stand on the rows (`store`), their description (`schema`) and the language
//! of conditions (`filter`). It follows the vendor's documents and knows nothing of our
//! connector; a client that others wrote holds it to that (`tests/clients`).
//!
//! Besides `unauthorized` and `throttled`, a plan of faults may name `throttled_time`,
//! `throttled_concurrency`, `no_user`, `no_privilege` and `expired` (a change token).

mod batch;
mod filter;
mod gate;
mod http;
mod metadata;
mod paging;
mod query;
mod schema;
mod seeds;
mod store;
mod wanted;
mod write;

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::request::Parts;
use serde_json::Value as Json;
use sim::faults::Faults;
use sim::server::{self, Running};
use sim::tokens::Tokens;

use self::store::{Row, Store};

/// Bytes of one request body.
const MOST_BODY: usize = 8 * 1024 * 1024;

/// The environment, and the app registration that is let in.
#[derive(Clone, Debug)]
pub struct Config {
    /// 0 takes a free port.
    pub port: u16,
    /// Generated people, besides the fixed ones.
    pub people: u64,
    /// The same seed gives the same people.
    pub seed: u64,
    /// The Entra tenant.
    pub tenant: String,
    /// The app registration.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// Its certificate: the public key in DER, and the SHA-256 in base64url.
    pub certificate: Option<(Vec<u8>, String)>,
    /// The application user.
    pub user_id: String,
    /// Its security roles: name, and the id of the template where the role came with one.
    pub roles: Vec<(String, Option<String>)>,
    /// How long a token holds.
    pub token_lifetime: Duration,
    /// Requests a minute; without it the vendor's 6,000 in five.
    pub requests_per_minute: Option<u32>,
    /// Whether a completed phone call refuses changes, as some environments have it.
    pub completed_is_read_only: bool,
}

impl Default for Config {
    /// A small environment with the fixed people only.
    fn default() -> Config {
        Config {
            port: 0,
            people: 0,
            seed: 1,
            tenant: "acme.onmicrosoft.com".to_owned(),
            client_id: "11111111-2222-4333-8444-555555555555".to_owned(),
            client_secret: "sim~client-secret.of-the-app".to_owned(),
            certificate: None,
            user_id: "99b0be2e-d01c-ed11-b83e-000d3a570001".to_owned(),
            roles: vec![("Tieline".to_owned(), None)],
            token_lifetime: Duration::from_secs(3_599),
            requests_per_minute: None,
            completed_is_read_only: false,
        }
    }
}

/// A running environment.
pub struct Dataverse {
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
    assertions: Mutex<HashSet<String>>,
    counted: Mutex<gate::Counted>,
}

/// Fills an environment as configured and serves it on 127.0.0.1.
///
/// # Errors
/// When the port is taken.
pub async fn start(config: Config) -> io::Result<Dataverse> {
    let mut store = Store::new();
    seeds::plant(&mut store, config.people, config.seed, &config.user_id);
    let world = Arc::new(World {
        tokens: Tokens::new(config.token_lifetime),
        store: RwLock::new(store),
        url: OnceLock::new(),
        assertions: Mutex::default(),
        counted: Mutex::default(),
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
    Ok(Dataverse { world, faults, running })
}

impl Dataverse {
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

    /// Lets every change token given out so far be too old.
    pub fn expire_change_tokens(&self) {
        let mut store = self.world.write();
        store.version += 1;
        store.oldest_token = store.version;
    }

    /// How many records a table has.
    pub fn count(&self, logical: &str) -> usize {
        let store = self.world.read();
        store.of(logical).map_or(0, |at| store.rows(at).rows.len())
    }

    /// Makes or changes a record as a person there would; `false` when there is no such table.
    pub fn put(&self, logical: &str, id: &str, values: &[(&str, Json)]) -> bool {
        let mut store = self.world.write();
        let Some(at) = store.of(logical) else { return false };
        let mut row: Row = store.row(at, id).cloned().unwrap_or_default();
        for (name, value) in values {
            row.values.insert((*name).to_owned(), value.clone());
        }
        store.put(at, id, row, "88b0be2e-d01c-ed11-b83e-000d3a570002");
        true
    }

    /// Merges one record into another, as a person there would: it stays, inactive.
    pub fn merge(&self, logical: &str, from: &str, into: &str) -> bool {
        self.put(
            logical,
            from,
            &[
                ("merged", true.into()),
                ("_masterid_value", into.into()),
                ("statecode", 1.into()),
                ("statuscode", 2.into()),
            ],
        )
    }

    /// Deletes a record; `false` when there is none.
    pub fn remove(&self, logical: &str, id: &str) -> bool {
        let mut store = self.world.write();
        let at = store.of(logical);
        at.is_some_and(|at| store.remove(at, id))
    }

    /// The value of a column of a record.
    pub fn value(&self, logical: &str, id: &str, column: &str) -> Json {
        let store = self.world.read();
        let row = store.of(logical).and_then(|at| store.row(at, id));
        row.map_or(Json::Null, |row| row.get(column).clone())
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
