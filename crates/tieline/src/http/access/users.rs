//! People, remembered for a moment as keys are: what they may do is what their role says now.

use super::keys::Principal;
use super::limits::Bucket;
use super::refusal::Refusal;
use super::roles::Role;
use domain::Timestamp;
use engine::Clock;
use state::users::Who;
use state::{Store, User};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What stands before a user's id in place of a key's.
const USER: &str = "user-";
/// How long a user, or that a session goes on, is believed without looking again.
const FRESH_FOR: Duration = Duration::from_secs(10);
/// Users and sessions remembered at once. At the bound all are forgotten; only real ones are
/// ever remembered.
const REMEMBERED_MAX: usize = 4_096;

/// A session of a browser: which, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub id: Arc<str>,
    pub began_at: Timestamp,
}

/// What a session of a user names in place of a key.
pub fn key_of(user: &User) -> String {
    format!("{USER}{}", user.id)
}

/// Who a user is, for the audit log: a name may be another's later.
pub fn actor(user: &User) -> String {
    format!("user {} ({})", user.name, user.id)
}

/// The user's id, where it is not a key's.
pub fn id_of(key: &str) -> Option<&str> {
    key.strip_prefix(USER)
}

struct Remembered {
    principal: Arc<Principal>,
    sessions_after: Timestamp,
    is_disabled: bool,
    read_at: Timestamp,
}

#[derive(Default)]
struct Memory {
    by_id: HashMap<String, Arc<Remembered>>,
    /// Sessions that go on, and when that was found out.
    going_on: HashMap<Arc<str>, Timestamp>,
    /// Counts what was forgotten, so that what was read before is not kept after.
    forgotten: u64,
}

pub struct Users {
    store: Store,
    clock: Clock,
    per_minute: u32,
    memory: Mutex<Memory>,
}

impl Users {
    pub fn new(store: &Store, clock: &Clock, per_minute: u32) -> Self {
        let (store, clock) = (store.clone(), clock.clone());
        Self { store, clock, per_minute, memory: Mutex::default() }
    }

    /// The user of a session or token: dead once they are disabled or gone, or all their
    /// sessions were ended after this one began.
    pub async fn by_id(
        &self,
        id: &str,
        session: Option<&Session>,
    ) -> Result<Arc<Principal>, Refusal> {
        let found = self.found(id).await?.ok_or(Refusal::TokenInvalid)?;
        let is_ended = session.is_some_and(|session| session.began_at < found.sessions_after);
        if found.is_disabled || is_ended {
            return Err(Refusal::TokenExpired);
        }
        Ok(Arc::clone(&found.principal))
    }

    async fn found(&self, id: &str) -> Result<Option<Arc<Remembered>>, Refusal> {
        let now = self.clock.now();
        let forgotten = {
            let memory = self.memory();
            match memory.by_id.get(id) {
                Some(known) if is_fresh(known.read_at, now) => return Ok(Some(Arc::clone(known))),
                _ => memory.forgotten,
            }
        };
        let Some(user) = self.store.user(Who::Id(id)).await? else { return Ok(None) };
        let mut memory = self.memory();
        let bucket = memory.by_id.get(id).map(|before| before.principal.bucket());
        let found = Arc::new(Remembered {
            principal: Arc::new(self.principal(&user, bucket)),
            sessions_after: user.sessions_after,
            is_disabled: user.disabled_at.is_some(),
            read_at: now,
        });
        if memory.forgotten == forgotten {
            if memory.by_id.len() >= REMEMBERED_MAX {
                memory.by_id.clear();
            }
            memory.by_id.insert(id.to_owned(), Arc::clone(&found));
        }
        Ok(Some(found))
    }

    /// The user as somebody who may do things.
    pub fn principal(&self, user: &User, bucket: Option<Arc<Bucket>>) -> Principal {
        // A role of a later version is none of ours.
        let scopes = Role::parse(&user.role).map(Role::scopes).unwrap_or_default();
        let bucket =
            bucket.unwrap_or_else(|| Arc::new(Bucket::new(self.per_minute, Instant::now())));
        let (id, name) = (key_of(user).into(), user.name.as_str().into());
        Principal::of_a_user(id, name, scopes, self.per_minute, bucket)
    }

    /// Refuses a session that was signed out of.
    pub async fn goes_on(&self, session: &Session) -> Result<(), Refusal> {
        let now = self.clock.now();
        let forgotten = {
            let memory = self.memory();
            if memory.going_on.get(&session.id).is_some_and(|read_at| is_fresh(*read_at, now)) {
                return Ok(());
            }
            memory.forgotten
        };
        if self.store.is_session_ended(&session.id).await? {
            return Err(Refusal::TokenExpired);
        }
        let mut memory = self.memory();
        if memory.going_on.len() >= REMEMBERED_MAX {
            memory.going_on.clear();
        }
        if memory.forgotten == forgotten {
            memory.going_on.insert(Arc::clone(&session.id), now);
        }
        Ok(())
    }

    /// What has changed in the store is read anew before it opens anything.
    pub fn forget(&self, id: &str) {
        let mut memory = self.memory();
        memory.by_id.remove(id);
        memory.forgotten += 1;
    }

    /// A session was ended here.
    pub fn forget_session(&self, session: &Session) {
        let mut memory = self.memory();
        memory.going_on.remove(&session.id);
        memory.forgotten += 1;
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A clock that was set back makes it old, not fresh.
fn is_fresh(read_at: Timestamp, now: Timestamp) -> bool {
    read_at <= now && now.since(read_at) < FRESH_FOR
}
