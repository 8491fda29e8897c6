//! A Zoho CRM that runs on this machine: records, COQL, search, deletions and the login.
//!
//! [`start`] fills an organization with accounts, contacts and leads and serves it, the
//! accounts server and the API on one port. `http` is the way of a request, `oauth` gives
//! tokens, `coql` and `criteria` read the two languages, `select` answers them from the
//! rows (`store`, described by `schema`), `write` does what a change does. It follows the
//! vendor's documents and knows nothing of our connector; clients that others wrote, and
//! the vendor's own description of the API, hold it to that.
//!
//! Besides `unauthorized` and `throttled`, a plan of faults may name `login_throttled`
//! (400 "Access Denied"), `no_permission`, `scope`, `locked` and `error` (500).

mod coql;
mod criteria;
mod http;
mod meta;
mod oauth;
mod read;
mod schema;
mod seeds;
mod select;
mod store;
mod write;

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::request::Parts;
use serde_json::{Map, Value as Json};
use sim::faults::Faults;
use sim::server::{self, Running};
use sim::tokens::Tokens;
use tokio::time::Instant;

use self::store::Store;

/// Bytes of one request body.
const MOST_BODY: usize = 4 * 1024 * 1024;

/// The organization, its client and its user.
#[derive(Clone, Debug)]
pub struct Config {
    /// 0 takes a free port.
    pub port: u16,
    /// Generated people, besides the fixed ones; every third is a lead.
    pub people: u64,
    /// The same seed gives the same people.
    pub seed: u64,
    /// The client's id.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: String,
    /// The refresh token, which does not end.
    pub refresh_token: String,
    /// The scopes that it was given for.
    pub scope: String,
    /// The organization's number.
    pub org_id: String,
    /// How long a token holds.
    pub token_lifetime: Duration,
    /// Logins in ten minutes; beyond it they are refused.
    pub logins: usize,
    /// What a token answer names as the API's host, in place of this simulator.
    pub api_domain: Option<String>,
    /// The offset in which times are written.
    pub offset_minutes: i64,
    /// How long the search does not know of a change.
    pub search_lag: Duration,
    /// API credits of the day.
    pub credits: u64,
}

impl Default for Config {
    /// A small organization with the fixed people only.
    fn default() -> Config {
        Config {
            port: 0,
            people: 0,
            seed: 1,
            client_id: "1000.SIMULATEDCLIENT".to_owned(),
            client_secret: "sim-zoho-client-secret".to_owned(),
            refresh_token: "1000.sim-zoho-refresh-token".to_owned(),
            scope: "ZohoCRM.modules.contacts.ALL ZohoCRM.modules.leads.ALL ZohoCRM.modules.accounts.ALL \
                ZohoCRM.modules.calls.ALL ZohoCRM.coql.READ ZohoCRM.settings.fields.READ"
                .to_owned(),
            org_id: "60001234567".to_owned(),
            token_lifetime: Duration::from_secs(3_600),
            logins: 10,
            api_domain: None,
            offset_minutes: 330,
            search_lag: Duration::ZERO,
            credits: 1_000_000,
        }
    }
}

/// A running organization.
pub struct Zoho {
    world: Arc<World>,
    faults: Faults,
    running: Running,
}

/// What all requests share.
struct World {
    config: Config,
    api_domain: OnceLock<String>,
    store: RwLock<Store>,
    tokens: Tokens,
    logins: Mutex<VecDeque<Instant>>,
    credits_used: AtomicU64,
}

/// Fills an organization as configured and serves it on 127.0.0.1.
///
/// # Errors
/// When the port is taken.
pub async fn start(config: Config) -> io::Result<Zoho> {
    let mut store = Store::new(config.offset_minutes, config.search_lag);
    seeds::plant(&mut store, config.people, config.seed);
    let world = Arc::new(World {
        tokens: Tokens::new(config.token_lifetime),
        store: RwLock::new(store),
        api_domain: OnceLock::new(),
        logins: Mutex::default(),
        credits_used: AtomicU64::new(0),
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
    let domain = world.config.api_domain.clone().unwrap_or_else(|| running.url());
    world.api_domain.get_or_init(|| domain);
    Ok(Zoho { world, faults, running })
}

impl Zoho {
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

    /// How many records of a module there are.
    pub fn count(&self, module: &str) -> usize {
        self.world.read().count(module)
    }

    /// Adds a record as somebody in the organization would; its id.
    pub fn add(&self, module: &str, values: &Json) -> String {
        let values = values.as_object().cloned().unwrap_or_default();
        self.world.write().add(module, values).to_string()
    }

    /// Changes a record as somebody else would; false when there is none.
    pub fn change(&self, module: &str, id: &str, values: &Json) -> bool {
        let values = values.as_object().cloned().unwrap_or_default();
        self.world.write().change(module, id, values, store::COLLEAGUE)
    }

    /// Says when a record was last changed, in milliseconds since 1970.
    pub fn set_modified(&self, module: &str, id: &str, ms: i64) {
        self.world.write().set_modified(module, id, ms);
    }

    /// Lets a second pass for what is written from now on.
    pub fn pass_time(&self) {
        self.world.write().ahead += 1_000;
    }

    /// Deletes a record as somebody else would.
    pub fn delete(&self, module: &str, id: &str) -> bool {
        self.world.write().delete(module, id, store::COLLEAGUE)
    }

    /// Makes a contact of a lead; the contact's id.
    pub fn convert(&self, lead: &str) -> Option<String> {
        self.world.write().convert(lead)
    }

    /// The whole of a record.
    pub fn record(&self, module: &str, id: &str) -> Option<Map<String, Json>> {
        self.world.read().whole(module, id)
    }

    /// Stops answering; requests in flight get a second.
    pub async fn stop(self) {
        self.running.stop().await;
    }
}

impl World {
    fn read(&self) -> RwLockReadGuard<'_, Store> {
        self.store.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Store> {
        self.store.write().unwrap_or_else(PoisonError::into_inner)
    }
}
