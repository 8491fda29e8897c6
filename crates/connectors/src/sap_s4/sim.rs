//! An S/4HANA that runs on this machine: the business partner service and its login.
//!
//! [`start`] fills a system with partners and serves it. `http` is the way of a
//! request, `gate` who is let in (user, token, client, CSRF session), `render` what an
//! answer looks like, `write` what a change does; they stand on the rows (`store`),
//! their description (`schema`) and the language of conditions (`filter`). It follows
//! the vendor's documents and knows nothing of our connector; clients that others
//! wrote hold it to that (`tests/clients`).
//!
//! Besides `unauthorized` and `throttled`, a plan of faults may name `busy` (503 with
//! `Retry-After`), `login_page` (200 as HTML), `csrf`, `locked` (423) and `error` (500).

mod filter;
mod gate;
mod http;
mod render;
mod schema;
mod seeds;
mod store;
mod write;

use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::request::Parts;
use serde_json::Value as Json;
use sim::faults::Faults;
use sim::server::{self, Running};
use sim::tokens::Tokens;

use self::gate::Sessions;
use self::store::Store;

/// Bytes of one request body.
const MOST_BODY: usize = 1024 * 1024;

/// The system, its communication user and its OAuth client.
#[derive(Clone, Debug)]
pub struct Config {
    /// 0 takes a free port.
    pub port: u16,
    /// Generated people, besides the fixed ones.
    pub people: u64,
    /// The same seed gives the same people.
    pub seed: u64,
    /// The communication user.
    pub username: String,
    /// The communication user's password.
    pub password: String,
    /// The OAuth 2 client.
    pub client_id: String,
    /// The OAuth 2 client's secret.
    pub client_secret: String,
    /// How long a token holds.
    pub token_lifetime: Duration,
    /// The one client there is; a request for another is refused.
    pub sap_client: String,
    /// The vendor's own description of the service, to be served in place of ours.
    pub metadata: Option<String>,
    /// Rows of one page at most.
    pub page: usize,
}

impl Default for Config {
    /// A small system with the fixed people only.
    fn default() -> Config {
        Config {
            port: 0,
            people: 0,
            seed: 1,
            username: "TIELINE".to_owned(),
            password: "sim-communication-password".to_owned(),
            client_id: "TIELINE_OAUTH".to_owned(),
            client_secret: "sim-oauth-client-secret".to_owned(),
            token_lifetime: Duration::from_secs(3_600),
            sap_client: "100".to_owned(),
            metadata: None,
            page: 1_000,
        }
    }
}

/// A running system.
pub struct S4 {
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
    sessions: Mutex<Sessions>,
}

/// Fills a system as configured and serves it on 127.0.0.1.
///
/// # Errors
/// When the port is taken.
pub async fn start(config: Config) -> io::Result<S4> {
    let mut store = Store::new();
    seeds::plant(&mut store, config.people, config.seed);
    let world = Arc::new(World {
        tokens: Tokens::new(config.token_lifetime),
        store: RwLock::new(store),
        url: OnceLock::new(),
        sessions: Mutex::default(),
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
    Ok(S4 { world, faults, running })
}

impl S4 {
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

    /// Ends every session, and with it every CSRF token.
    pub fn end_sessions(&self) {
        self.world.sessions().clear();
    }

    /// How many business partners there are.
    pub fn partners(&self) -> usize {
        self.world.read().count(schema::PARTNERS)
    }

    /// Adds a row as somebody in the system would; `false` when there is no such set.
    pub fn add(&self, set: &str, values: &[(&str, Json)]) -> bool {
        let mut store = self.world.write();
        let set = store.schema.set(set);
        set.inspect(|set| store.add(*set, values)).is_some()
    }

    /// Every value of a property of a set, in the order of entry.
    pub fn values(&self, set: &str, property: &str) -> Vec<String> {
        let store = self.world.read();
        let Some(set) = store.schema.set(set) else { return vec![] };
        let text = |at| store.value(set, at, property).as_str().unwrap_or_default().to_owned();
        (0..store.count(set)).map(text).collect()
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

    fn sessions(&self) -> std::sync::MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
