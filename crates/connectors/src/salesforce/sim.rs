//! A Salesforce that runs on this machine.
//!
//! [`start`] fills an org with people ([`Config`] says how many) and serves it: tokens
//! and the REST
//! surface (`http`) over queries, records and searches (`search`), which stand on SOQL (`soql`) and the records themselves
//! (`store`). It follows the vendor's documents and knows nothing of our connector;
//! clients that others wrote hold it to that (`tests/clients`).
//!
//! Agents work in Omni-Channel with their browsers, which `agents` plays.
//!
//! Misbehaviour is planned with [`Salesforce::faults`] or `POST /_sim/faults`. Besides
//! `unauthorized` and `throttled`, a plan may name `throttled_daily`,
//! `throttled_concurrent`, `maintenance` (503 as HTML), `unavailable` and `unknown`.

mod agents;
mod config;
mod http;
mod search;
mod seeds;
mod soql;
mod store;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value as Json;
use sim::faults::Faults;
use sim::paging::Results;
use sim::server::{self, Running};
use sim::tokens::Tokens;

pub use self::agents::WorkAct;
pub use self::config::Config;
use self::http::pubsub::Writing;
pub use self::http::{Page, SignedInUser};
pub use self::store::schema::{CustomField, Kind, Permissions};
use self::store::{Refused, Store};

/// Bytes of one request body.
const MOST_BODY: usize = 16 * 1024 * 1024;
/// Query cursors open at once, and how long each lives.
const MOST_CURSORS: usize = 1000;
const CURSOR_LIFE: Duration = Duration::from_secs(15 * 60);

/// A running org.
pub struct Salesforce {
    world: Arc<World>,
    faults: Faults,
    running: Running,
    events: http::pubsub::Serving,
}

/// What all requests share.
struct World {
    config: Config,
    key: Option<Vec<u8>>,
    url: OnceLock<String>,
    store: RwLock<Store>,
    tokens: Tokens,
    sessions: Mutex<http::Sessions>,
    results: Results<soql::Found>,
    used: AtomicU64,
    limit: AtomicU64,
    /// The log of deletions begins here.
    purged: AtomicI64,
    events: http::pubsub::Log,
    /// The next answer with events breaks off in its middle.
    cut: AtomicBool,
    /// Schemas are answered with half of them.
    spoilt: AtomicBool,
    /// Nothing is told of what changes.
    muted: AtomicBool,
}

/// Fills an org as configured and serves it on 127.0.0.1.
///
/// Fails where the port is taken, or where a configured row is refused.
pub async fn start(config: Config) -> io::Result<Salesforce> {
    let world = Arc::new(World::new(config)?);
    let faults = Faults::default();
    faults.vendor(http::vendor_answer);
    let router = Router::new().fallback(serve).with_state(Arc::clone(&world));
    let running = server::start(router, world.config.port, faults.clone()).await?;
    world.url.get_or_init(|| running.url());
    let events = http::pubsub::start(Arc::clone(&world), world.config.pubsub_port).await?;
    Ok(Salesforce { world, faults, running, events })
}

async fn serve(State(world): State<Arc<World>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MOST_BODY).await else {
        return http::Answer::error(
            StatusCode::PAYLOAD_TOO_LARGE,
            "REQUEST_TOO_LARGE",
            "the body is too large",
        )
        .response();
    };
    let path =
        parts.uri.path().split('/').filter(|part| !part.is_empty()).map(http::decode).collect();
    let query =
        parts.uri.query().map(|text| http::decode_form(text.as_bytes())).unwrap_or_default();
    let asked =
        http::Asked { method: &parts.method, path, query, headers: &parts.headers, body: &body };
    let length = parts.uri.path_and_query().map_or(0, |both| both.as_str().len());
    world.handle(&asked, length).response()
}

impl Salesforce {
    /// `http://127.0.0.1:port`: login URL and instance URL in one.
    pub fn url(&self) -> String {
        self.running.url()
    }

    /// What goes wrong on purpose, and what was asked.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Adds a record as a client would; its id, or the vendor's error code and message.
    pub fn add(&self, object: &str, body: &Json) -> Result<String, String> {
        self.world.add(object, body).map_err(told)
    }

    /// Changes a record as a client would.
    pub fn update(&self, id: &str, body: &Json) -> Result<(), String> {
        let mut store = self.world.write();
        let (object, row) = store.locate(id).map_err(|_| "NOT_FOUND".to_owned())?;
        let body = body.as_object().ok_or("JSON_PARSER_ERROR")?;
        store.update(object, row, body).map(|_| ()).map_err(told)
    }

    /// Moves a record to the recycle bin.
    pub fn delete(&self, id: &str) -> Result<(), String> {
        let mut store = self.world.write();
        let (object, row) = store.locate(id).map_err(|_| "NOT_FOUND".to_owned())?;
        store.delete(object, row).map(|_| ()).map_err(told)
    }

    /// As if a record had been deleted so long ago, and since then emptied from the recycle
    /// bin if wanted.
    pub fn delete_before(&self, id: &str, ago: Duration, emptied: bool) -> Result<(), String> {
        let mut store = self.world.write();
        let (object, row) = store.locate(id).map_err(|_| "NOT_FOUND".to_owned())?;
        store.delete_before(object, row, millis(ago), emptied);
        Ok(())
    }

    /// Merges a record into another of its object, as a user does on a page.
    pub fn merge(&self, id: &str, master: &str) -> Result<(), String> {
        let mut store = self.world.write();
        let (object, row) = store.locate(id).map_err(|_| "NOT_FOUND".to_owned())?;
        store.merge(object, row, master).map(|_| ()).map_err(told)
    }

    /// Runs a query in process; the records as the REST answer has them.
    pub fn query(&self, soql: &str) -> Result<Vec<Json>, String> {
        let store = self.world.read();
        let found = soql::run(&store, soql, false).map_err(told)?;
        if let Some(grouping) = &found.plan.grouping {
            return grouping.groups(&store, &found.plan, &found.rows).map_err(told);
        }
        let record = |row: &u32| {
            let mut out = Vec::new();
            soql::render::record(&store, "/services/data/v67.0", &found.plan, *row, &mut out);
            serde_json::from_slice(&out).map_err(|error| error.to_string())
        };
        found.rows.iter().map(record).collect()
    }

    /// These fields of every record of an object, as the REST answer has them.
    pub fn all(&self, object: &str, fields: &[&str]) -> Result<Vec<Json>, String> {
        self.query(&format!("SELECT {} FROM {object}", fields.join(", ")))
    }

    /// The id of the contact with this e-mail.
    pub fn contact_with(&self, email: &str) -> Option<String> {
        let email = email.replace('\\', "\\\\").replace('\'', "\\'");
        let found = self.query(&format!("SELECT Id FROM Contact WHERE Email = '{email}'")).ok()?;
        found.first()?.get("Id")?.as_str().map(str::to_owned)
    }

    /// How many records of an object there are, without deleted ones.
    pub fn count(&self, object: &str) -> usize {
        self.query(&format!("SELECT Id FROM {object}")).map_or(0, |records| records.len())
    }

    /// A user signs in on a page of the org; what an app there gets.
    pub fn sign_in(&self, who: SignedInUser) -> Page {
        self.world.sign_in(who)
    }

    /// Ends one session: its user has logged out, was deactivated, or it has expired.
    pub fn revoke_token(&self, token: &str) {
        self.world.tokens.revoke(token);
    }

    /// Ends every session, as an administrator can.
    pub fn revoke_tokens(&self) {
        self.world.tokens.revoke_all();
    }

    /// Changes how long tokens hold, also those already issued.
    pub fn set_token_lifetime(&self, lifetime: Duration) {
        self.world.tokens.set_lifetime(lifetime);
    }

    /// Gives or takes away permissions from the next request on.
    pub fn set_permissions(&self, permissions: Permissions) {
        self.world.write().allowed = permissions;
    }

    /// Changes the daily limit; requests made so far count.
    pub fn set_daily_limit(&self, limit: u64) {
        self.world.limit.store(limit, Ordering::Relaxed);
    }

    /// API requests that counted against the daily limit.
    pub fn api_usage(&self) -> u64 {
        self.world.used.load(Ordering::Relaxed)
    }

    /// Changes how long a fresh record is unknown to search.
    pub fn set_index_lag(&self, lag: Duration) {
        self.world.write().search.set_lag(millis(lag));
    }

    /// Purges the log of deletions, as the vendor does when it is full: what was deleted
    /// before now is no longer told, save by what lies in the recycle bin.
    pub fn purge_deletions(&self) {
        self.world.purged.store(store::clock::now(), Ordering::Relaxed);
    }

    /// Lets every open query cursor expire.
    pub fn expire_cursors(&self) {
        self.world.results.clear();
    }

    /// Stops answering; requests in flight get a second.
    pub async fn stop(self) {
        self.running.stop().await;
    }
}

impl World {
    fn new(config: Config) -> io::Result<World> {
        let search = search::Search::new(millis(config.index_lag));
        let mut store = Store::new(&config.custom_fields, Permissions::default(), search);
        seeds::plant(&mut store, &config.username, config.people, config.seed);
        let world = World {
            key: config.public_key.as_deref().map(http::der),
            url: OnceLock::new(),
            store: RwLock::new(store),
            tokens: Tokens::new(config.token_lifetime),
            sessions: Mutex::default(),
            results: Results::new(MOST_CURSORS, CURSOR_LIFE),
            used: AtomicU64::new(0),
            limit: AtomicU64::new(config.daily_limit),
            purged: AtomicI64::new(0),
            events: http::pubsub::Log::new(millis(config.retention)),
            cut: AtomicBool::new(false),
            spoilt: AtomicBool::new(false),
            muted: AtomicBool::new(false),
            config,
        };
        for (object, body) in &world.config.rows {
            world
                .add(object, body)
                .map_err(|refused| io::Error::new(io::ErrorKind::InvalidInput, told(refused)))?;
        }
        {
            let mut store = world.write();
            store.touched.clear();
            store.told.clear();
            search::build(&mut store);
            store.allowed = world.config.permissions.clone();
        }
        Ok(world)
    }

    fn add(&self, object: &str, body: &Json) -> Result<String, Refused> {
        let mut store = self.write();
        let at = store.object(object).ok_or_else(|| Refused::new("INVALID_TYPE", object))?;
        let body = body
            .as_object()
            .ok_or_else(|| Refused::new("JSON_PARSER_ERROR", "an object is wanted"))?;
        let (row, _) = store.create(at, body)?;
        Ok(store.id(at, row))
    }

    fn url(&self) -> String {
        self.url.get().cloned().unwrap_or_default()
    }

    fn read(&self) -> RwLockReadGuard<'_, Store> {
        self.store.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// In the name of somebody who works in the org.
    fn write(&self) -> Writing<'_> {
        self.write_from("com/salesforce/core".to_owned())
    }

    fn write_from(&self, origin: String) -> Writing<'_> {
        let store = self.store.write().unwrap_or_else(PoisonError::into_inner);
        Writing::new(self, store, origin)
    }
}

fn told(refused: Refused) -> String {
    format!("{}: {}", refused.code, refused.message)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
