//! Opaque bearer tokens that age, as a vendor's identity service hands them out.
//!
//! [`Tokens::issue`] mints, [`Tokens::check`] answers whether a token still holds,
//! and a test makes them die with [`Tokens::revoke_all`] or a short lifetime.

use std::collections::{HashMap, VecDeque};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::rand;
use tokio::time::Instant;

/// Tokens alive at once; past it the oldest stops working.
pub const MOST_TOKENS: usize = 10_000;

/// To whom a token was given, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The user or client it acts for, in the vendor's own terms.
    pub subject: String,
    /// The vendor's scope string.
    pub scope: String,
    /// When it was issued.
    pub issued: Instant,
}

/// Why a token does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Never issued here, revoked, or pushed out by newer ones.
    Unknown,
    /// Older than the lifetime.
    Expired,
}

/// The tokens of one simulator.
pub struct Tokens {
    alive: RwLock<Alive>,
}

struct Alive {
    lifetime: Duration,
    grants: HashMap<String, Grant>,
    order: VecDeque<String>,
}

impl Tokens {
    /// Tokens that hold for `lifetime` from their issue.
    pub fn new(lifetime: Duration) -> Tokens {
        let alive = Alive { lifetime, grants: HashMap::new(), order: VecDeque::new() };
        Tokens { alive: RwLock::new(alive) }
    }

    /// A new token: `prefix` and 40 random hex digits.
    pub fn issue(&self, prefix: &str, subject: &str, scope: &str) -> String {
        let token = format!("{prefix}{}", random_hex());
        let grant =
            Grant { subject: subject.to_owned(), scope: scope.to_owned(), issued: Instant::now() };
        let mut alive = self.write();
        if alive.order.len() >= MOST_TOKENS
            && let Some(oldest) = alive.order.pop_front()
        {
            alive.grants.remove(&oldest);
        }
        alive.order.push_back(token.clone());
        alive.grants.insert(token.clone(), grant);
        token
    }

    /// To whom the token was given, if it still holds.
    pub fn check(&self, token: &str) -> Result<Grant, Refusal> {
        let alive = self.alive.read().unwrap_or_else(PoisonError::into_inner);
        let grant = alive.grants.get(token).ok_or(Refusal::Unknown)?;
        if grant.issued.elapsed() >= alive.lifetime {
            return Err(Refusal::Expired);
        }
        Ok(grant.clone())
    }

    /// Ends one token; false when it was none.
    pub fn revoke(&self, token: &str) -> bool {
        let mut alive = self.write();
        alive.order.retain(|one| one != token);
        alive.grants.remove(token).is_some()
    }

    /// Ends every token issued so far.
    pub fn revoke_all(&self) {
        let mut alive = self.write();
        alive.grants.clear();
        alive.order.clear();
    }

    /// Changes the lifetime, also of tokens already issued.
    pub fn set_lifetime(&self, lifetime: Duration) {
        self.write().lifetime = lifetime;
    }

    /// The lifetime in force.
    pub fn lifetime(&self) -> Duration {
        self.alive.read().unwrap_or_else(PoisonError::into_inner).lifetime
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Alive> {
        self.alive.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 40 hex digits that nobody can guess.
fn random_hex() -> String {
    let mut bytes = [0_u8; 20];
    rand::fill(&mut bytes).expect("the system's random source answers");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_token_dies_at_the_end_of_its_lifetime() {
        let tokens = Tokens::new(Duration::from_secs(60));
        let token = tokens.issue("00D!", "user", "api");
        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!(tokens.check(&token).map(|g| g.subject), Ok("user".to_owned()));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(tokens.check(&token), Err(Refusal::Expired));
    }

    #[tokio::test]
    async fn revoked_tokens_are_unknown() {
        let tokens = Tokens::new(Duration::from_secs(60));
        let (a, b) = (tokens.issue("", "a", ""), tokens.issue("", "b", ""));
        assert_ne!(a, b);
        assert!(tokens.revoke(&a));
        assert_eq!(tokens.check(&a), Err(Refusal::Unknown));
        assert!(tokens.check(&b).is_ok());
        tokens.revoke_all();
        assert_eq!(tokens.check(&b), Err(Refusal::Unknown));
    }

    #[tokio::test]
    async fn the_oldest_token_makes_room() {
        let tokens = Tokens::new(Duration::from_secs(60));
        let first = tokens.issue("", "a", "");
        for _ in 0..MOST_TOKENS {
            tokens.issue("", "b", "");
        }
        assert_eq!(tokens.check(&first), Err(Refusal::Unknown));
    }
}
