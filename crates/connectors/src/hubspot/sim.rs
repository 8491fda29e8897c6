//! A HubSpot that runs on this machine: contacts, companies, calls, their search and login.
//!
//! [`start`] fills an account and serves it, under numbered and dated paths alike. `http` is
//! the way of a request, `objects` and `batch` read and write records, `search` finds them
//! in an index that lags behind, `links` ties them, `oauth` gives tokens, `properties`
//! describes. They stand on the rows (`store`). It follows the vendor's documents and knows
//! nothing of our connector; clients that others wrote, and the vendor's own description
//! of the API, hold it to that.
//!
//! Besides `unauthorized` and `throttled` (by the second), a plan of faults may name
//! `throttled_ten` (by ten seconds), `throttled_daily`, `scopes`, `locked` (423),
//! `migration` (477) and `error` (500).

mod batch;
mod http;
mod links;
mod oauth;
mod objects;
mod properties;
mod search;
mod seeds;
mod store;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::request::Parts;
use sim::faults::Faults;
use sim::server::{self, Running};
use sim::tokens::Tokens;
use tokio::time::Instant;

use self::store::Store;

/// Bytes of one request body.
const MOST_BODY: usize = 4 * 1024 * 1024;

/// The account, its service key and its app.
#[derive(Clone, Debug)]
pub struct Config {
    /// 0 takes a free port.
    pub port: u16,
    /// Generated people, besides the fixed ones.
    pub people: u64,
    /// The same seed gives the same people.
    pub seed: u64,
    /// The service key.
    pub service_key: String,
    /// The app's id.
    pub client_id: String,
    /// The app's secret.
    pub client_secret: String,
    /// What the account granted the app.
    pub refresh_token: String,
    /// The scopes that it was granted for.
    pub scopes: Vec<String>,
    /// Each login gives another refresh token, and the one before ends.
    pub rotates: bool,
    /// How long a token holds.
    pub token_lifetime: Duration,
    /// How long the search does not know of a change.
    pub index_lag: Duration,
    /// Searches in a second.
    pub searches: usize,
    /// Other requests in ten seconds.
    pub requests: usize,
    /// Requests in a day.
    pub daily: u64,
    /// Whether a property that was asked for and is empty comes as null, as it does there
    /// (the vendor's description says that all values are texts).
    pub nulls: bool,
}

impl Default for Config {
    /// A small account with the fixed people only.
    fn default() -> Config {
        Config {
            port: 0,
            people: 0,
            seed: 1,
            service_key: "pat-na1-sim-service-key".to_owned(),
            client_id: "7e1c3a52-0000-4000-8000-000000000001".to_owned(),
            client_secret: "sim-hubspot-client-secret".to_owned(),
            refresh_token: "sim-hubspot-refresh-token".to_owned(),
            scopes: [
                "crm.objects.contacts.read",
                "crm.objects.contacts.write",
                "crm.objects.companies.read",
            ]
            .map(str::to_owned)
            .to_vec(),
            rotates: false,
            token_lifetime: Duration::from_secs(1_800),
            index_lag: Duration::ZERO,
            searches: 5,
            requests: 100,
            daily: 250_000,
            nulls: true,
        }
    }
}

/// A running account.
pub struct HubSpot {
    world: Arc<World>,
    faults: Faults,
    running: Running,
}

/// What all requests share.
struct World {
    config: Config,
    store: RwLock<Store>,
    tokens: Tokens,
    refresh_token: Mutex<String>,
    searches: Mutex<VecDeque<Instant>>,
    requests: Mutex<VecDeque<Instant>>,
    today: AtomicU64,
    correlation: AtomicU64,
}

/// Fills an account as configured and serves it on 127.0.0.1.
///
/// # Errors
/// When the port is taken.
pub async fn start(config: Config) -> io::Result<HubSpot> {
    let mut store = Store::new(config.index_lag);
    seeds::plant(&mut store, config.people, config.seed);
    let world = Arc::new(World {
        tokens: Tokens::new(config.token_lifetime),
        refresh_token: Mutex::new(config.refresh_token.clone()),
        store: RwLock::new(store),
        searches: Mutex::default(),
        requests: Mutex::default(),
        today: AtomicU64::new(0),
        correlation: AtomicU64::new(0),
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
    Ok(HubSpot { world, faults, running })
}

impl HubSpot {
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

    /// Ends every token given out so far; the service key stays.
    pub fn revoke_tokens(&self) {
        self.world.tokens.revoke_all();
    }

    /// How many records of a type there are.
    pub fn count(&self, object: &str) -> usize {
        self.world.read().live(object).count()
    }

    /// Adds a record as somebody in the account would; its id.
    pub fn add(&self, object: &str, properties: &[(&str, &str)]) -> String {
        self.world.write().insert(object, owned(properties), store::COLLEAGUE).to_string()
    }

    /// Changes a record as somebody else would; false when there is none.
    pub fn change(&self, object: &str, id: &str, properties: &[(&str, &str)]) -> bool {
        let Ok(id) = id.parse() else { return false };
        self.world.write().change(object, id, owned(properties), store::COLLEAGUE)
    }

    /// Says when a record was last changed, in milliseconds since 1970.
    pub fn set_modified(&self, object: &str, id: &str, ms: i64) {
        if let Ok(id) = id.parse() {
            self.world.write().set_modified(object, id, ms);
        }
    }

    /// A record's properties.
    pub fn record(&self, object: &str, id: &str) -> Option<BTreeMap<String, String>> {
        let store = self.world.read();
        store.row(object, id.parse().ok()?).map(|row| row.properties.clone())
    }

    /// Archives a record as somebody else would.
    pub fn archive(&self, object: &str, id: &str) {
        if let Ok(id) = id.parse() {
            self.world.write().archive(object, id);
        }
    }

    /// Merges `gone` into `primary`.
    pub fn merge(&self, primary: &str, gone: &str) -> bool {
        let (Ok(primary), Ok(gone)) = (primary.parse(), gone.parse()) else { return false };
        self.world.write().merge("contacts", primary, gone)
    }

    /// The contacts that a call is tied to.
    pub fn contacts_of(&self, call: &str) -> Vec<String> {
        let store = self.world.read();
        let tied = call.parse().map(|call| store.tied(("calls", call), "contacts"));
        tied.unwrap_or_default().iter().map(u64::to_string).collect()
    }

    /// Stops answering; requests in flight get a second.
    pub async fn stop(self) {
        self.running.stop().await;
    }
}

fn owned(properties: &[(&str, &str)]) -> BTreeMap<String, String> {
    properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

impl World {
    fn read(&self) -> RwLockReadGuard<'_, Store> {
        self.store.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Store> {
        self.store.write().unwrap_or_else(PoisonError::into_inner)
    }
}
