//! Agents who came from a page where a vendor had signed them in.
//!
//! Their tokens name the page's connection in place of a key, `page-<connection>`,
//! and die when it no longer offers sign-in. Each agent has requests of their own.
//! How often an address may try, and what of it is written down, is kept here too;
//! all of it in bounded memory of one process.

use super::limits::{Buckets, Seldom};
use super::{Claims, Identity, Principal, Scopes};
use crate::http::access::refusal::Refusal;
use domain::Timestamp;
use engine::Live;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// What stands before the connection's name in place of a key's id.
const PAGE: &str = "page-";
/// Agents whose requests are counted apart; further ones share one count.
const AGENTS_MAX: usize = 10_000;
/// Tries of one address in a minute: a team behind one address renews its tokens
/// every quarter of an hour, and whoever guesses gets nowhere.
const TRIES_PER_MINUTE: u32 = 120;
/// Addresses whose tries are counted apart; further ones share one count.
const ADDRESSES_MAX: usize = 4_096;
/// Sign-ins of one connection that ask the vendor at once: no budget of the connection
/// bounds them, because other tokens than its own are asked about.
const ASKING_MAX: usize = 4;
/// Sign-ins of one connection that ask or wait to.
const UNDER_WAY_MAX: usize = 64;
/// Within this time an agent at the same address is written down once.
const WRITTEN_FOR: Duration = Duration::from_secs(3_600);
/// Agents with their addresses who are remembered as written down. At the bound all
/// are forgotten, and written down once more than they had to be.
const WRITTEN_MAX: usize = 10_000;

/// An agent of a connection who has signed in from an address.
type SeenAt = (String, String, IpAddr);

/// The pages of the connections that offer sign-in.
pub struct Pages {
    live: Live,
    /// By the connection's name; as many at most as ever offered sign-in.
    offers: Mutex<BTreeMap<String, Arc<Offer>>>,
    per_minute: u32,
    agents: Buckets<(String, String)>,
    addresses: Buckets<IpAddr>,
    written: Mutex<HashMap<SeenAt, Instant>>,
}

/// One connection's: a vendor that hangs holds up no other's agents.
struct Offer {
    asking: Semaphore,
    under_way: Arc<Semaphore>,
    refusals: Seldom,
    troubles: Seldom,
}

impl Default for Offer {
    fn default() -> Self {
        let (asking, under_way) = (Semaphore::new(ASKING_MAX), Semaphore::new(UNDER_WAY_MAX));
        let under_way = Arc::new(under_way);
        Self { asking, under_way, refusals: Seldom::default(), troubles: Seldom::default() }
    }
}

/// A place to ask the vendor from, to be waited for.
pub struct Place {
    offer: Arc<Offer>,
    _under_way: OwnedSemaphorePermit,
}

impl Place {
    /// Waits for its turn, which ends when what this gives is dropped.
    pub async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.offer.asking.acquire().await.ok()
    }
}

/// What a token from a page of this connection names in place of a key.
pub fn key_of(connection: &str) -> String {
    format!("{PAGE}{connection}")
}

impl Pages {
    /// `per_minute`: requests of one agent; 0 is as many as they like.
    pub fn new(live: &Live, per_minute: u32) -> Self {
        Self {
            live: live.clone(),
            offers: Mutex::default(),
            per_minute,
            agents: Buckets::new(per_minute, AGENTS_MAX),
            addresses: Buckets::new(TRIES_PER_MINUTE, ADDRESSES_MAX),
            written: Mutex::default(),
        }
    }

    /// Whether the connection, as it is now, lets agents sign in.
    fn is_offering(&self, connection: &str) -> bool {
        let engine = self.live.now();
        engine.connections.get(connection).is_some_and(|one| one.capabilities.sign_in.is_some())
    }

    fn offer(&self, connection: &str) -> Option<Arc<Offer>> {
        self.is_offering(connection)
            .then(|| Arc::clone(lock(&self.offers).entry(connection.to_owned()).or_default()))
    }

    /// Whoever holds a token from a page; `None` where it came from a key.
    pub fn holder(&self, claims: &Claims) -> Option<Result<Identity, Refusal>> {
        let connection = claims.key.strip_prefix(PAGE)?;
        let (Some(agent), true) = (&claims.agent, self.is_offering(connection)) else {
            return Some(Err(Refusal::TokenInvalid));
        };
        let bucket =
            self.agents.of((connection.to_owned(), agent.clone()), self.per_minute, Instant::now());
        let id = claims.key.as_str().into();
        let principal = Principal::of_a_page(id, self.per_minute, bucket);
        Some(Ok(Identity {
            scopes: Scopes::of_an_agent(),
            principal: Arc::new(principal),
            agent: Some(agent.as_str().into()),
            connection: Some(connection.into()),
            call: claims.call.as_deref().map(Into::into),
            session: None,
            expires_at: Some(Timestamp(claims.expires_at)),
        }))
    }

    /// Counts a try; otherwise how long until the address may try again.
    pub fn may_try(&self, address: IpAddr) -> Result<(), Duration> {
        let now = Instant::now();
        let bucket = self.addresses.of(network(address), TRIES_PER_MINUTE, now);
        bucket.take(TRIES_PER_MINUTE, now)
    }

    /// A place in the connection's queue, if one is free.
    pub fn place(&self, connection: &str) -> Option<Place> {
        let offer = self.offer(connection)?;
        let under_way = Arc::clone(&offer.under_way).try_acquire_owned().ok()?;
        Some(Place { offer, _under_way: under_way })
    }

    /// Whether this sign-in is to be written down: the agent's first at this address
    /// within [`WRITTEN_FOR`].
    pub fn is_news(&self, seen: &SeenAt, now: Instant) -> bool {
        let written = lock(&self.written);
        written.get(seen).is_none_or(|at| now.saturating_duration_since(*at) >= WRITTEN_FOR)
    }

    /// It has been written down.
    pub fn written(&self, seen: SeenAt, now: Instant) {
        let mut written = lock(&self.written);
        if written.len() >= WRITTEN_MAX && !written.contains_key(&seen) {
            written.clear();
        }
        written.insert(seen, now);
    }

    /// Counts a refusal; how many there were since one was said, when this one is to be.
    pub fn refused(&self, connection: &str, now: Instant) -> Option<u64> {
        self.offer(connection)?.refusals.count(now)
    }

    /// The same for a vendor that could not be asked.
    pub fn troubled(&self, connection: &str, now: Instant) -> Option<u64> {
        self.offer(connection)?.troubles.count(now)
    }
}

/// Whose address it is: of IPv6 a customer has at least a whole /64.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::network;

    #[test]
    fn addresses_of_one_customer_count_as_one() {
        let same = |one: &str, two: &str| {
            network(one.parse().expect(one)) == network(two.parse().expect(two))
        };
        assert!(same("2001:db8:0:7::1", "2001:db8:0:7:ffff::9"));
        assert!(!same("2001:db8:0:7::1", "2001:db8:0:8::1"));
        assert!(same("::ffff:192.0.2.1", "192.0.2.1"));
        assert!(!same("192.0.2.1", "192.0.2.2"));
    }
}
