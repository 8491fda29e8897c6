//! Every key: those of the configuration, and the store's, remembered for a moment.
//!
//! A stored key is read at most every [`FRESH_FOR`], so that a call waits for no
//! database to be let in. What is revoked here is dead at once; other nodes learn
//! of it when they read the key again.

use super::limits::Bucket;
use super::refusal::Refusal;
use super::scopes::{Scope, Scopes};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use domain::Timestamp;
use engine::Clock;
use kit::Secret;
use state::{ApiKey, Store};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

/// How long a stored key is believed without looking again.
const FRESH_FOR: Duration = Duration::from_secs(10);
/// Keys remembered at once. At the bound all are forgotten, and their limits
/// begin anew; only real keys are ever remembered, so nobody can bring it about.
const REMEMBERED_MAX: usize = 4_096;

/// Whoever holds a key.
#[derive(Debug)]
pub struct Principal {
    pub id: Arc<str>,
    pub name: Arc<str>,
    pub scopes: Scopes,
    /// 0: as often as they like.
    pub per_minute: u32,
    bucket: Arc<Bucket>,
}

impl Principal {
    /// An agent whom a page of a vendor's brought.
    pub fn of_a_page(id: Arc<str>, per_minute: u32, bucket: Arc<Bucket>) -> Self {
        Self { id, name: "sign-in".into(), scopes: Scopes::of_an_agent(), per_minute, bucket }
    }

    /// A person who signed in.
    pub fn of_a_user(
        id: Arc<str>,
        name: Arc<str>,
        scopes: Scopes,
        per_minute: u32,
        bucket: Arc<Bucket>,
    ) -> Self {
        Self { id, name, scopes, per_minute, bucket }
    }

    /// What is left of their requests, for whoever reads them again.
    pub fn bucket(&self) -> Arc<Bucket> {
        Arc::clone(&self.bucket)
    }

    /// Counts a request against the key's limit.
    pub fn count(&self) -> Result<(), Refusal> {
        if self.per_minute == 0 {
            return Ok(());
        }
        self.bucket.take(self.per_minute, Instant::now()).map_err(|wait| {
            let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            Refusal::RateLimited { retry_after_s: whole.max(1) }
        })
    }
}

/// A key of the configuration, as a hash: comparing takes the same time however much fits.
struct FileKey {
    hash: [u8; 32],
    principal: Arc<Principal>,
}

struct Remembered {
    key: ApiKey,
    principal: Arc<Principal>,
    read_at: Timestamp,
}

impl Remembered {
    /// A clock that was set back makes it old, not fresh.
    fn is_fresh(&self, now: Timestamp) -> bool {
        self.read_at <= now && now.since(self.read_at) < FRESH_FOR
    }
}

#[derive(Default)]
struct Memory {
    by_id: HashMap<String, Arc<Remembered>>,
    /// Counts what was forgotten, so that what was read before is not kept after.
    forgotten: u64,
}

pub struct Keys {
    store: Store,
    clock: Clock,
    file: Vec<FileKey>,
    per_minute: u32,
    memory: RwLock<Memory>,
}

impl Keys {
    pub fn new(store: &Store, clock: &Clock, keys: &[Secret], per_minute: u32) -> Self {
        let namer = hmac::Key::new(hmac::HMAC_SHA256, &store.derived_key("names of keys")[..]);
        let file = keys.iter().map(|key| FileKey {
            hash: hash(key.reveal()),
            principal: Arc::new(Principal {
                id: public_id(&namer, key).into(),
                name: "server.api_keys".into(),
                scopes: Scopes::grantable(),
                per_minute,
                bucket: Arc::new(Bucket::new(per_minute, Instant::now())),
            }),
        });
        let (store, clock, memory) = (store.clone(), clock.clone(), RwLock::default());
        Self { store, clock, file: file.collect(), per_minute, memory }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Those of the configuration.
    pub fn of_the_file(&self) -> impl Iterator<Item = &Principal> {
        self.file.iter().map(|key| &*key.principal)
    }

    /// Whose key this is: `tl_<id>_<secret>`, or one of the configuration.
    pub async fn by_text(&self, text: &str) -> Result<Arc<Principal>, Refusal> {
        match state::access::parts(text) {
            Some((id, secret)) => self.by_secret(id, secret, text).await,
            None => self.by_file(text),
        }
    }

    /// Whose these are: an id with its secret, or any name with a whole key.
    pub async fn by_pair(&self, user: &str, password: &str) -> Result<Arc<Principal>, Refusal> {
        match state::access::parts(password) {
            Some((id, secret)) => self.by_secret(id, secret, password).await,
            None => self.by_secret(user, password, password).await,
        }
    }

    /// A key that somebody has proved to hold before: it may have died since.
    pub async fn by_id(&self, id: &str) -> Result<Arc<Principal>, Refusal> {
        if let Some(key) = self.file.iter().find(|key| &*key.principal.id == id) {
            return Ok(Arc::clone(&key.principal));
        }
        match self.stored(id).await? {
            Some(found) => self.if_alive(&found),
            None => Err(Refusal::TokenInvalid),
        }
    }

    async fn by_secret(
        &self,
        id: &str,
        secret: &str,
        whole: &str,
    ) -> Result<Arc<Principal>, Refusal> {
        // No other text can be an id: the store is not asked for it.
        let is_id = id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit());
        let found = if is_id { self.stored(id).await? } else { None };
        match found.filter(|found| found.key.fits(secret)) {
            Some(found) => self.if_alive(&found),
            None => self.by_file(whole),
        }
    }

    fn if_alive(&self, found: &Remembered) -> Result<Arc<Principal>, Refusal> {
        if found.key.revoked_at.is_some() {
            return Err(Refusal::Revoked);
        }
        if !found.key.is_alive(self.clock.now()) {
            return Err(Refusal::Expired);
        }
        Ok(Arc::clone(&found.principal))
    }

    fn by_file(&self, key: &str) -> Result<Arc<Principal>, Refusal> {
        let given = hash(key);
        // Every key is compared, so that the time does not tell which one fitted.
        let fitting = self.file.iter().fold(None, |fitting, known| {
            let fits = verify_slices_are_equal(&known.hash, &given).is_ok();
            if fits { Some(known) } else { fitting }
        });
        fitting.map(|known| Arc::clone(&known.principal)).ok_or(Refusal::Unknown)
    }

    async fn stored(&self, id: &str) -> Result<Option<Arc<Remembered>>, Refusal> {
        let read_at = self.clock.now();
        let forgotten = {
            let memory = self.read();
            match memory.by_id.get(id) {
                Some(known) if known.is_fresh(read_at) => {
                    return Ok(Some(Arc::clone(known)));
                }
                _ => memory.forgotten,
            }
        };
        let Some(key) = self.store.api_key(id).await? else { return Ok(None) };
        let mut memory = self.write();
        let found = Arc::new(self.remembered(key, read_at, memory.by_id.get(id)));
        if memory.forgotten == forgotten {
            if memory.by_id.len() >= REMEMBERED_MAX {
                memory.by_id.clear();
            }
            memory.by_id.insert(id.to_owned(), Arc::clone(&found));
        }
        Ok(Some(found))
    }

    fn remembered(
        &self,
        key: ApiKey,
        read_at: Timestamp,
        before: Option<&Arc<Remembered>>,
    ) -> Remembered {
        let per_minute = key.requests_per_minute.unwrap_or(self.per_minute);
        let bucket = before.map(|before| Arc::clone(&before.principal.bucket));
        let principal = Principal {
            id: key.id.as_str().into(),
            name: key.name.as_str().into(),
            // A scope of a later version is none of ours.
            scopes: key.scopes.iter().filter_map(|word| Scope::parse(word)).collect(),
            per_minute,
            bucket: bucket.unwrap_or_else(|| Arc::new(Bucket::new(per_minute, Instant::now()))),
        };
        Remembered { key, principal: Arc::new(principal), read_at }
    }

    /// What has changed in the store is read anew before it opens anything.
    pub fn forget(&self, id: &str) {
        let mut memory = self.write();
        memory.by_id.remove(id);
        memory.forgotten += 1;
    }

    fn read(&self) -> RwLockReadGuard<'_, Memory> {
        self.memory.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Memory> {
        self.memory.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(key: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, key.as_bytes()).as_ref());
    hash
}

/// `file-` and 12 hex digits of a keyed hash: the same after every restart.
fn public_id(namer: &hmac::Key, key: &Secret) -> String {
    let name = hmac::sign(namer, key.reveal().as_bytes());
    format!("file-{}", state::hex(&name.as_ref()[..6]))
}

#[cfg(test)]
mod tests {
    use super::{FRESH_FOR, Keys};
    use crate::http::access::refusal::Refusal;
    use domain::Timestamp;
    use engine::Clock;
    use kit::Secret;
    use state::access::By;
    use state::{Location, MasterKey, NewApiKey, Options, Store};

    async fn store() -> Store {
        let master: MasterKey = "5a".repeat(32).parse().expect("a key");
        Store::open(&Location::SqliteMemory, &master, Options::default()).await.expect("a store")
    }

    fn keys(store: &Store) -> (Keys, Clock) {
        let file = [Secret::new("a-key-of-the-file".to_owned())];
        let clock = Clock::held(Timestamp(1_000));
        (Keys::new(store, &clock, &file, 0), clock)
    }

    #[tokio::test]
    async fn a_key_revoked_by_another_node_dies_within_seconds_and_here_at_once() {
        let (store, new) = (store().await, NewApiKey::default());
        let ((here, _), (there, clock)) = (keys(&store), keys(&store));
        let issued = store.create_api_key(new, By::default(), Timestamp(1)).await.expect("created");
        for node in [&here, &there] {
            node.by_text(&issued.text).await.expect("alive");
        }
        store.revoke_api_key(&issued.key.id, By::default(), Timestamp(2)).await.expect("revoked");
        here.forget(&issued.key.id);
        assert!(matches!(here.by_text(&issued.text).await, Err(Refusal::Revoked)));
        assert!(there.by_text(&issued.text).await.is_ok(), "remembered");
        clock.advance(FRESH_FOR);
        assert!(matches!(there.by_text(&issued.text).await, Err(Refusal::Revoked)));
    }

    #[tokio::test]
    async fn a_key_keeps_its_limit_when_it_is_read_again() {
        let store = store().await;
        let (keys, clock) = keys(&store);
        let new = NewApiKey { requests_per_minute: Some(2), ..NewApiKey::default() };
        let issued = store.create_api_key(new, By::default(), Timestamp(1)).await.expect("created");
        for _ in 0..2 {
            keys.by_text(&issued.text).await.expect("alive").count().expect("within the limit");
        }
        clock.advance(FRESH_FOR);
        let again = keys.by_text(&issued.text).await.expect("alive");
        assert!(matches!(again.count(), Err(Refusal::RateLimited { retry_after_s: 1..=30 })));
    }

    #[tokio::test]
    async fn a_key_of_the_file_has_the_same_public_id_after_a_restart() {
        let store = store().await;
        let ((one, _), (two, _)) = (keys(&store), keys(&store));
        let id = |keys: &Keys| keys.of_the_file().map(|key| key.id.to_string()).collect::<String>();
        assert_eq!(id(&one), id(&two));
        assert!(one.by_id(&id(&one)).await.is_ok());
        assert!(matches!(one.by_id("file-000000000000").await, Err(Refusal::TokenInvalid)));
    }
}
