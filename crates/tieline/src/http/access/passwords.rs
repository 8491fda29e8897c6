//! Passwords: hashed so that whoever steals the hash has not stolen the password.
//!
//! Argon2id with OWASP's parameters (19 MiB, two passes). Each takes tens of milliseconds
//! and its memory, so two are under way at a time, apart from the threads that answer calls.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use kit::Secret;
use tokio::sync::{OnceCell, Semaphore};

const UNDER_WAY_MAX: usize = 2;
/// More do not wait: whoever sends endless names keeps out nobody for long.
const WAITING_MAX: usize = 32;
/// Characters of a password that is chosen, and bytes at most.
pub const LENGTH_MIN: usize = 12;
pub const LENGTH_MAX: usize = 256;
/// Letters and digits of one that is made: none is taken for another, each is 1 of 32.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// 100 bits.
const MADE_LENGTH: usize = 20;

pub struct Passwords {
    turn: Semaphore,
    places: Semaphore,
    /// Of a password that nobody has: who is not there takes as long as who is.
    nobodys: OnceCell<String>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            turn: Semaphore::new(UNDER_WAY_MAX),
            places: Semaphore::new(WAITING_MAX),
            nobodys: OnceCell::new(),
        }
    }
}

impl Passwords {
    /// The hash, as a PHC string; `None` where it could not be computed.
    pub async fn hash(&self, password: Secret) -> Option<String> {
        let _turn = self.turn.acquire().await.ok()?;
        let hashing = tokio::task::spawn_blocking(move || {
            let hash = Argon2::default().hash_password(password.reveal().as_bytes());
            hash.map(|hash| hash.to_string()).ok()
        });
        hashing.await.ok().flatten()
    }

    /// Whether this is the password; takes the same time where there is no hash. `None` where
    /// too many wait to be told.
    pub async fn fits(&self, password: Secret, hash: Option<&str>) -> Option<bool> {
        let _place = self.places.try_acquire().ok()?;
        let nobodys = async { self.hash(made()?).await };
        let compared = match hash {
            Some(hash) => hash.to_owned(),
            None => {
                let nobodys = self.nobodys.get_or_try_init(|| async { nobodys.await.ok_or(()) });
                let Ok(nobodys) = nobodys.await else { return Some(false) };
                nobodys.clone()
            }
        };
        let _turn = self.turn.acquire().await.ok()?;
        let comparing = tokio::task::spawn_blocking(move || {
            PasswordHash::new(&compared).is_ok_and(|known| {
                Argon2::default().verify_password(password.reveal().as_bytes(), &known).is_ok()
            })
        });
        Some(comparing.await.unwrap_or(false) && hash.is_some())
    }
}

/// One by chance; `None` where the system has no randomness.
pub fn made() -> Option<Secret> {
    let mut bytes = [0; MADE_LENGTH];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    let letters = bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)]));
    Some(Secret::new(letters.collect()))
}

/// What is wrong with a password that somebody chose for this name; `None`: nothing.
pub fn fault(password: &str, name: &str) -> Option<&'static str> {
    let folded = password.to_lowercase();
    let mut others = folded.chars();
    let first = others.next();
    if password.chars().count() < LENGTH_MIN {
        return Some("has fewer than 12 characters");
    }
    if password.len() > LENGTH_MAX {
        return Some("is longer than 256 bytes");
    }
    if !name.is_empty() && folded.contains(name) {
        return Some("has the name in it");
    }
    others.all(|other| Some(other) == first).then_some("is one character again and again")
}

#[cfg(test)]
mod tests {
    use super::{Passwords, fault, made};
    use kit::Secret;

    #[tokio::test]
    async fn a_password_fits_its_own_hash_and_nothing_fits_none() {
        let passwords = Passwords::default();
        let given = || Secret::new("correct horse battery".to_owned());
        let hash = passwords.hash(given()).await.expect("hashed");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_eq!(passwords.fits(given(), Some(&hash)).await, Some(true));
        let wrong = Secret::new("correct horse".to_owned());
        assert_eq!(passwords.fits(wrong, Some(&hash)).await, Some(false));
        assert_eq!(passwords.fits(given(), None).await, Some(false));
        assert_eq!(passwords.fits(given(), Some("no hash")).await, Some(false));
        let all = passwords.places.try_acquire_many(super::WAITING_MAX as u32).expect("free");
        assert_eq!(passwords.fits(given(), Some(&hash)).await, None, "too many wait");
        drop(all);
        assert_ne!(passwords.hash(given()).await, Some(hash), "each has a salt of its own");
    }

    #[test]
    fn what_is_made_is_no_two_times_the_same() {
        let (one, two) = (made().expect("made"), made().expect("made"));
        assert_eq!(one.reveal().len(), 20);
        assert_ne!(one.reveal(), two.reveal());
        assert_eq!(fault(one.reveal(), "ada"), None);
    }

    #[test]
    fn a_password_is_long_and_not_the_name() {
        let check = |password: &str, expected| {
            assert_eq!(fault(password, "ada").is_none(), expected, "{password}");
        };
        check("a sentence is good", true);
        check("kürzer als 12", true);
        check("elevenchars", false);
        check("my name is Ada!", false);
        check("aaaaaaaaaaaaaaaa", false);
        check(&"ab".repeat(129), false);
    }
}
