//! Where a connection's tokens are kept, so that nodes share them and a restart finds them.
//!
//! The store implements it: sealed, one row per connection, with a hold that one
//! refresher at a time has over all nodes (invariant 11). What the vendor gave is kept
//! whole, because any of it may be needed again, a rotated refresh token above all.

use crate::{Error, Mint, Minted, Secret};
use async_trait::async_trait;
use domain::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Everything that a token endpoint answered, by the vendor's names.
pub type Given = Map<String, Value>;

/// What was minted, with all that came with it.
#[derive(Debug)]
pub struct Renewed {
    pub minted: Minted,
    /// Kept, and shown to the next [`Mint::renew`].
    pub given: Given,
}

/// A token as it is kept: serialized by [`Kept::to_bytes`], sealed by the vault.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    pub value: String,
    pub base_url: Option<String>,
    pub scope: String,
    pub received_at: i64,
    pub lifetime_ms: u64,
    pub given: Given,
    /// What was given before, until this one has been used once: a vendor that rotates
    /// refresh tokens may not know yet that its answer came through.
    #[serde(default)]
    pub before: Given,
}

impl fmt::Debug for Kept {
    /// Never the token, nor what came with it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept")
            .field("scope", &self.scope)
            .field("received_at", &self.received_at)
            .field("lifetime_ms", &self.lifetime_ms)
            .field("given", &self.given.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl Kept {
    pub(crate) fn of(renewed: Renewed, before: Given, now: Timestamp) -> Self {
        let Renewed { minted, given } = renewed;
        Self {
            value: minted.value.reveal().to_owned(),
            base_url: minted.base_url,
            scope: minted.scope,
            received_at: now.0,
            lifetime_ms: u64::try_from(minted.lifetime.as_millis()).unwrap_or(u64::MAX),
            given,
            before,
        }
    }

    /// How long it may still be used. Clocks of nodes differ: never longer than it lived.
    #[must_use]
    pub fn left(&self, now: Timestamp) -> Duration {
        let lifetime = Duration::from_millis(self.lifetime_ms);
        lifetime.saturating_sub(now.since(Timestamp(self.received_at)))
    }

    pub(crate) fn minted(&self, now: Timestamp) -> Minted {
        Minted {
            value: Secret::new(self.value.clone()),
            lifetime: self.left(now),
            base_url: self.base_url.clone(),
            scope: self.scope.clone(),
        }
    }

    /// As the vault seals it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// `None` when these are not bytes of [`Kept::to_bytes`].
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

/// What lies in the vault, and how often it was replaced.
#[derive(Debug, Clone, PartialEq)]
pub struct InVault {
    pub kept: Kept,
    pub generation: u64,
}

/// The right to refresh; it ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold(pub i64);

/// The vault of one connection.
#[async_trait]
pub trait Vault: Send + Sync {
    /// What is kept; `None` where there is nothing, or only what other credentials got.
    ///
    /// # Errors
    /// `Unavailable` when the store cannot be asked.
    async fn read(&self) -> Result<Option<InVault>, Error>;

    /// The right to refresh for so long; `None` while another node has it.
    ///
    /// # Errors
    /// `Unavailable` when the store cannot be asked.
    async fn take(&self, time: Duration) -> Result<Option<Hold>, Error>;

    /// Keeps what was received, durably, and gives the hold back. Called before anything
    /// else is done with it.
    ///
    /// # Errors
    /// `Conflict` when the hold had ended and somebody else has it, `Unavailable` when
    /// the store cannot be asked.
    async fn keep(&self, hold: Hold, kept: &Kept) -> Result<u64, Error>;

    /// Gives the hold back without having anything to keep.
    async fn release(&self, hold: Hold);
}

thread_local! {
    static OPENING: RefCell<Option<Arc<dyn Vault>>> = const { RefCell::new(None) };
}

/// Opens a connection whose tokens lie in this vault: [`crate::Tokens::start`], called
/// while `open` runs, takes it from here. Connectors need not know that there is one.
pub fn within<T>(vault: Arc<dyn Vault>, open: impl FnOnce() -> T) -> T {
    struct Restore(Option<Arc<dyn Vault>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            OPENING.with(|place| *place.borrow_mut() = self.0.take());
        }
    }
    let before = OPENING.with(|place| place.borrow_mut().replace(vault));
    let _restore = Restore(before);
    open()
}

thread_local! {
    static ASLEEP: RefCell<bool> = const { RefCell::new(false) };
}

/// Opens a connection that asks for no token until [`crate::Tokens::begin`]: it is only
/// tried, and what is shown to its vendor once may be worth nothing afterwards.
pub fn asleep<T>(open: impl FnOnce() -> T) -> T {
    struct Wake(bool);
    impl Drop for Wake {
        fn drop(&mut self) {
            ASLEEP.with(|place| *place.borrow_mut() = self.0);
        }
    }
    let _wake = Wake(ASLEEP.with(|place| place.replace(true)));
    open()
}

/// What is begun once, at some time.
pub(crate) struct Asleep<T>(Mutex<Option<T>>);

impl<T> Asleep<T> {
    pub(crate) fn new(what: T) -> Self {
        Self(Mutex::new(Some(what)))
    }

    pub(crate) fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<T> fmt::Debug for Asleep<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asleep")
    }
}

pub(crate) fn is_asleep() -> bool {
    ASLEEP.with(|place| *place.borrow())
}

pub(crate) fn of_opening() -> Option<Arc<dyn Vault>> {
    OPENING.with(|place| place.borrow().clone())
}

/// Renews with what is kept. Where the vendor refuses a rotated token whose answer may
/// never have been kept, the one before is tried as well.
pub(crate) async fn renew(mint: &dyn Mint, known: Option<&Kept>) -> Result<Renewed, Error> {
    let Some(known) = known else { return mint.renew(&Given::new()).await };
    match mint.renew(&known.given).await {
        Err(Error::Unauthorized { .. }) if !known.before.is_empty() => {
            mint.renew(&known.before).await
        }
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::{Given, Hold, InVault, Kept, Renewed, Vault, within};
    use crate::{Error, Mint, Minted, Secret, Tokens};
    use async_trait::async_trait;
    use serde_json::json;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    /// A vault in memory; while `is_full`, a node dies before it keeps anything.
    #[derive(Default)]
    struct Memory(Mutex<(Option<InVault>, Option<i64>, bool)>);

    #[async_trait]
    impl Vault for Memory {
        async fn read(&self) -> Result<Option<InVault>, Error> {
            Ok(self.0.lock().expect("whole").0.clone())
        }

        async fn take(&self, _time: Duration) -> Result<Option<Hold>, Error> {
            let mut inner = self.0.lock().expect("whole");
            if inner.1.is_some() {
                return Ok(None);
            }
            inner.1 = Some(7);
            Ok(Some(Hold(7)))
        }

        async fn keep(&self, _hold: Hold, kept: &Kept) -> Result<u64, Error> {
            let mut inner = self.0.lock().expect("whole");
            inner.1 = None;
            if inner.2 {
                return Err(Error::unavailable("killed"));
            }
            let generation = inner.0.as_ref().map_or(1, |found| found.generation + 1);
            inner.0 = Some(InVault { kept: kept.clone(), generation });
            Ok(generation)
        }

        async fn release(&self, _hold: Hold) {
            self.0.lock().expect("whole").1 = None;
        }
    }

    /// A vendor that rotates refresh tokens. The one before works until the new one was
    /// used (`is_patient`), or not at all.
    struct Rotating {
        issued: Mutex<u32>,
        is_patient: bool,
    }

    #[async_trait]
    impl Mint for Rotating {
        async fn mint(&self) -> Result<Minted, Error> {
            self.renew(&Given::new()).await.map(|renewed| renewed.minted)
        }

        async fn renew(&self, before: &Given) -> Result<Renewed, Error> {
            let mut issued = self.issued.lock().expect("whole");
            let shown = before.get("refresh_token").map_or(Some(0), |token| {
                token.as_str()?.strip_prefix("refresh-")?.parse::<u32>().ok()
            });
            let is_last = shown == Some(*issued);
            let is_before = shown.is_some_and(|shown| shown + 1 == *issued);
            let is_taken = is_last || (self.is_patient && is_before);
            if !is_taken {
                return Err(Error::Unauthorized { reason: "invalid_grant".to_owned() });
            }
            *issued += 1;
            let given = json!({ "refresh_token": format!("refresh-{issued}"), "odd": [1] });
            let minted = Minted {
                value: Secret::new(format!("token-{issued}")),
                lifetime: Duration::from_secs(100),
                base_url: Some("https://eu.acme.example".to_owned()),
                scope: "api".to_owned(),
            };
            Ok(Renewed { minted, given: given.as_object().cloned().expect("an object") })
        }

        fn rotates(&self) -> bool {
            true
        }
    }

    fn vendor(is_patient: bool) -> Arc<Rotating> {
        Arc::new(Rotating { issued: Mutex::new(0), is_patient })
    }

    fn node(vault: &Arc<Memory>, mint: &Arc<Rotating>) -> Arc<Tokens> {
        let vault = Arc::clone(vault) as Arc<dyn Vault>;
        within(vault, || Tokens::start("acme", Arc::clone(mint) as Arc<dyn Mint>))
    }

    async fn token(node: &Tokens) -> Result<String, Error> {
        let token = node.fresh(Duration::from_secs(20)).await?;
        Ok(token.value.reveal().to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn nodes_share_a_token_and_one_of_them_refreshes_it() {
        let (vault, vendor) = (Arc::<Memory>::default(), vendor(false));
        let nodes: Vec<_> = (0..5).map(|_| node(&vault, &vendor)).collect();
        for node in &nodes {
            assert_eq!(token(node).await.expect("a token"), "token-1");
        }
        let refused: Vec<_> = nodes.iter().map(|node| node.current().expect("a token")).collect();
        for (node, refused) in nodes.iter().zip(&refused) {
            node.reject(refused);
        }
        for node in &nodes {
            assert_eq!(token(node).await.expect("a token"), "token-2");
            assert_eq!(node.given().expect("given")["odd"], json!([1]), "all of it is kept");
            let token = node.current().expect("a token");
            assert_eq!(token.base_url.as_deref(), Some("https://eu.acme.example"));
        }
        assert_eq!(*vendor.issued.lock().expect("whole"), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_opened_asleep_asks_for_no_token_until_it_is_wanted() {
        let (vault, vendor) = (Arc::<Memory>::default(), vendor(false));
        let tried = super::asleep(|| node(&vault, &vendor));
        tokio::time::sleep(Duration::from_secs(100)).await;
        assert_eq!(*vendor.issued.lock().expect("whole"), 0, "nobody was asked");
        tried.begin();
        tried.begin();
        assert_eq!(token(&tried).await.expect("a token"), "token-1");
        assert_eq!(*vendor.issued.lock().expect("whole"), 1);
        let after = node(&vault, &vendor);
        assert_eq!(token(&after).await.expect("a token"), "token-1", "the next one is awake");
    }

    #[tokio::test(start_paused = true)]
    async fn a_restart_takes_what_was_kept_and_asks_nobody() {
        let (vault, vendor) = (Arc::<Memory>::default(), vendor(false));
        assert_eq!(token(&node(&vault, &vendor)).await.expect("a token"), "token-1");
        assert_eq!(token(&node(&vault, &vendor)).await.expect("a token"), "token-1");
        assert_eq!(*vendor.issued.lock().expect("whole"), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refresh_token_that_was_received_and_not_kept_costs_one_try() {
        let (vault, vendor) = (Arc::<Memory>::default(), vendor(true));
        let before = node(&vault, &vendor);
        token(&before).await.expect("a token");
        vault.0.lock().expect("whole").2 = true;
        before.reject(&before.current().expect("a token"));
        let killed = before.fresh(Duration::from_millis(100)).await.expect_err("killed");
        assert_eq!(killed, Error::unavailable("killed"));
        assert!(before.current().is_none(), "what is not kept is not used");
        drop(before);
        vault.0.lock().expect("whole").2 = false;
        // The vendor has issued the second; the vault still has the first.
        let stale =
            InVault { generation: 9, ..vault.0.lock().expect("whole").0.clone().expect("one") };
        let mut dead = stale.kept.clone();
        dead.received_at = 0;
        vault.0.lock().expect("whole").0 = Some(InVault { kept: dead, ..stale });
        let after = node(&vault, &vendor);
        assert!(token(&after).await.expect("a token").starts_with("token-"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_token_before_is_tried_when_the_last_one_is_refused() {
        let vendor = vendor(false);
        *vendor.issued.lock().expect("whole") = 3;
        let given = |number: u32| {
            let given = json!({ "refresh_token": format!("refresh-{number}") });
            given.as_object().cloned().expect("an object")
        };
        let kept = Kept {
            value: String::new(),
            base_url: None,
            scope: String::new(),
            received_at: 0,
            lifetime_ms: 1,
            given: given(9),
            before: given(3),
        };
        let renewed = super::renew(vendor.as_ref(), Some(&kept)).await.expect("by the one before");
        assert_eq!(renewed.minted.value.reveal(), "token-4");
        let neither = Kept { before: given(1), ..kept };
        let refused = super::renew(vendor.as_ref(), Some(&neither)).await.expect_err("refused");
        assert_eq!(refused.kind(), "unauthorized");
    }

    #[test]
    fn debug_output_of_what_is_kept_hides_it() {
        let kept = Kept {
            value: "hunter2".to_owned(),
            base_url: None,
            scope: "api".to_owned(),
            received_at: 1,
            lifetime_ms: 2,
            given: json!({ "refresh_token": "hunter3" }).as_object().cloned().expect("an object"),
            before: Given::new(),
        };
        let shown = format!("{kept:?}");
        assert!(!shown.contains("hunter") && shown.contains("refresh_token"), "{shown}");
        assert_eq!(Kept::from_bytes(&kept.to_bytes()), Some(kept));
    }
}
