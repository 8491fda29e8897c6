//! Keeps a connection's token fresh ahead of need.
//!
//! One task per connection mints at four fifths of a token's life, or at once
//! when the vendor refused it, and never twice at a time. A call takes what
//! there is ([`Tokens::current`]) and never waits for a mint (invariant 11);
//! background work may wait ([`Tokens::fresh`]). Over a [`vault::Vault`] the same holds for all
//! nodes together: one refreshes, the others take what it has kept ([`source`]).

mod source;

use crate::vault::{self, Given, Renewed};
use crate::{Error, Secret};
use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use source::{Had, Source};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// A token in use.
#[derive(Debug)]
pub struct Token {
    pub value: Secret,
    /// Where to send requests, when the vendor says so with the token.
    pub base_url: Option<String>,
    /// Scopes the vendor granted, in its own words; empty when it did not say.
    pub scope: String,
    minted_at: Instant,
    expires_at: Instant,
}

impl Token {
    /// How long ago it was minted.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.minted_at.elapsed()
    }

    /// How long it may still be used.
    #[must_use]
    pub fn expires_in(&self) -> Duration {
        self.expires_at.saturating_duration_since(Instant::now())
    }
}

/// What a vendor's token endpoint gave.
#[derive(Debug)]
pub struct Minted {
    pub value: Secret,
    /// How long it may be used. Some vendors do not say: the connector decides.
    pub lifetime: Duration,
    pub base_url: Option<String>,
    pub scope: String,
}

/// Gets a new token. Implemented by each connector.
#[async_trait]
pub trait Mint: Send + Sync {
    /// # Errors
    /// `Unauthorized` or `Forbidden` when the credentials themselves are refused.
    async fn mint(&self) -> Result<Minted, Error>;

    /// Gets a new token with the help of all that came with the last one, and returns all
    /// that comes with it. To be implemented where something of it is needed again, such
    /// as a refresh token.
    ///
    /// # Errors
    /// As [`Mint::mint`].
    async fn renew(&self, before: &Given) -> Result<Renewed, Error> {
        let _ = before;
        Ok(Renewed { minted: self.mint().await?, given: Given::new() })
    }

    /// Does each token make the one before it useless? Then it is never asked for outside
    /// the vault's hold.
    fn rotates(&self) -> bool {
        false
    }
}

/// The token of one connection and the task that keeps it fresh.
pub struct Tokens {
    current: ArcSwapOption<Token>,
    /// Counts attempts, so that a waiter sees the outcome of the next one.
    attempts: watch::Sender<u64>,
    refused: Notify,
    last_error: Mutex<Option<Error>>,
    /// All that came with the token in use.
    given: ArcSwapOption<Given>,
    /// A refresher that has not begun.
    asleep: vault::Asleep<(String, Source)>,
}

impl fmt::Debug for Tokens {
    /// Of what came with the token only the names: a refresh token is among it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given = self.given.load_full();
        f.debug_struct("Tokens")
            .field("current", &self.current.load_full())
            .field("last_error", &self.last_error())
            .field("given", &given.map(|given| given.keys().cloned().collect::<Vec<_>>()))
            .finish_non_exhaustive()
    }
}

/// How long background work waits for a token being minted: for several attempts at a vendor
/// that resets or refuses, and shorter than whoever looks at a check waits for it.
pub const WAIT: Duration = Duration::from_secs(5);

const BACKOFF_FIRST: Duration = Duration::from_millis(250);
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// A token refused sooner than this was no good from the start: a vendor that
/// grants such tokens is asked less and less often, or every call would cost a login.
const TOO_YOUNG: Duration = Duration::from_secs(30);

impl Tokens {
    /// Starts the refresher of `connection`; it ends with the last handle. Within
    /// [`vault::asleep`] it waits for [`Tokens::begin`].
    #[must_use]
    pub fn start(connection: &str, mint: Arc<dyn Mint>) -> Arc<Self> {
        let tokens = Arc::new(Self {
            current: ArcSwapOption::empty(),
            attempts: watch::Sender::new(0),
            refused: Notify::new(),
            last_error: Mutex::new(None),
            given: ArcSwapOption::empty(),
            asleep: vault::Asleep::new((
                connection.to_owned(),
                Source::new(mint, vault::of_opening()),
            )),
        });
        if !vault::is_asleep() {
            tokens.begin();
        }
        tokens
    }

    /// Starts the refresher of a connection that was opened asleep; else nothing happens.
    pub fn begin(self: &Arc<Self>) {
        if let Some((connection, source)) = self.asleep.take() {
            tokio::spawn(refresh(connection, Arc::downgrade(self), source));
        }
    }

    /// The token to use now, if there is a live one. Never waits.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Token>> {
        self.current.load_full().filter(|token| token.expires_at > Instant::now())
    }

    /// The token to use now, waiting for a mint under way: background work only.
    ///
    /// # Errors
    /// The mint's own error (at once when the credentials themselves are refused,
    /// because waiting mends nothing), or `Unavailable` when none ends in time.
    pub async fn fresh(&self, within: Duration) -> Result<Arc<Token>, Error> {
        let mut attempts = self.attempts.subscribe();
        let deadline = Instant::now() + within;
        loop {
            attempts.borrow_and_update();
            if let Some(token) = self.current() {
                return Ok(token);
            }
            if let Some(refusal) = self.last_error().filter(Error::is_refusal) {
                return Err(refusal);
            }
            match tokio::time::timeout_at(deadline, attempts.changed()).await {
                Ok(Ok(())) => {}
                _ => break,
            }
        }
        Err(self.last_error().unwrap_or_else(|| Error::unavailable("no token in time")))
    }

    /// The vendor refused this token: drop it and mint behind. A refusal of a
    /// token that was replaced meanwhile changes nothing, so one expiry makes
    /// one refresh however many requests met it.
    pub fn reject(&self, token: &Arc<Token>) {
        let current = self.current.load();
        if current.as_ref().is_some_and(|held| Arc::ptr_eq(held, token)) {
            self.current.store(None);
            self.refused.notify_one();
        }
    }

    /// All that the vendor gave with the token in use, by its own names.
    #[must_use]
    pub fn given(&self) -> Option<Arc<Given>> {
        self.given.load_full()
    }

    /// Why the last mint failed, until one succeeds: for health.
    #[must_use]
    pub fn last_error(&self) -> Option<Error> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn settle(&self, outcome: Result<Had, Error>) -> Result<Duration, Error> {
        let (error, result) = match outcome {
            Ok(Had { minted, age, given }) => {
                let lifetime = minted.lifetime.max(Duration::from_secs(1));
                self.given.store(Some(Arc::new(given)));
                self.current.store(Some(Arc::new(Token {
                    value: minted.value,
                    base_url: minted.base_url,
                    scope: minted.scope,
                    minted_at: Instant::now().checked_sub(age).unwrap_or_else(Instant::now),
                    expires_at: Instant::now() + lifetime,
                })));
                // Four fifths of its whole life; of one from the vault some is over already.
                let due = (lifetime + age).mul_f32(0.8).saturating_sub(age);
                (None, Ok(due.max(Duration::from_millis(100))))
            }
            // A token that is still alive is kept: a failed mint ahead of need costs nothing.
            Err(error) => (Some(error.clone()), Err(error)),
        };
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
        self.attempts.send_modify(|n| *n = n.wrapping_add(1));
        result
    }
}

/// Mints ahead of need until the last handle is gone.
async fn refresh(connection: String, tokens: Weak<Tokens>, mut source: Source) {
    let mut backoff = BACKOFF_FIRST;
    let mut patience = Duration::ZERO;
    let mut is_failing = false;
    loop {
        // Of a connection that was taken away nothing is asked any more.
        if tokens.strong_count() == 0 {
            return;
        }
        let outcome = source.next(&connection).await;
        let minted_at = Instant::now();
        let Some(held) = tokens.upgrade() else { return };
        let wait = match held.settle(outcome) {
            Ok(wait) => {
                backoff = BACKOFF_FIRST;
                if std::mem::take(&mut is_failing) {
                    tracing::info!(connection, "the token is refreshed again");
                }
                wait
            }
            Err(error) => {
                tracing::warn!(
                    connection,
                    error.kind = error.kind(),
                    "a token could not be refreshed: {error}"
                );
                is_failing = true;
                let wait = backoff;
                backoff = (backoff * 2).min(BACKOFF_MAX);
                wait
            }
        };
        // The handle is not kept across the wait, or the last one would never go;
        // a bounded slice of waiting lets the task notice that it went.
        let until = Instant::now() + wait;
        drop(held);
        match wait_until(&tokens, until).await {
            Woken::Gone => return,
            Woken::Refused if minted_at.elapsed() < TOO_YOUNG => {
                tokio::time::sleep(patience).await;
                patience = (patience * 2).clamp(BACKOFF_FIRST, BACKOFF_MAX);
            }
            Woken::Refused | Woken::Due => patience = Duration::ZERO,
        }
    }
}

/// Why the refresher goes on.
enum Woken {
    Due,
    /// The vendor refused the token in use.
    Refused,
    /// Nobody holds the tokens any more.
    Gone,
}

async fn wait_until(tokens: &Weak<Tokens>, until: Instant) -> Woken {
    const SLICE: Duration = Duration::from_secs(60);
    loop {
        let Some(held) = tokens.upgrade() else {
            return Woken::Gone;
        };
        let slice = until.min(Instant::now() + SLICE);
        tokio::select! {
            // Word of a token that was replaced meanwhile comes too late to matter.
            () = held.refused.notified() => {
                if held.current().is_none() {
                    return Woken::Refused;
                }
            }
            () = tokio::time::sleep_until(slice) => {}
        }
        if Instant::now() >= until {
            return Woken::Due;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Mint, Minted, Tokens};
    use crate::{Error, Secret};
    use async_trait::async_trait;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    /// Mints `token-1`, `token-2`, …; refuses while `down`.
    #[derive(Default)]
    struct Counting {
        minted: AtomicU32,
        down: std::sync::atomic::AtomicBool,
    }

    #[async_trait]
    impl Mint for Counting {
        async fn mint(&self) -> Result<Minted, Error> {
            if self.down.load(Ordering::SeqCst) {
                return Err(Error::unavailable("down"));
            }
            let number = self.minted.fetch_add(1, Ordering::SeqCst) + 1;
            Ok(Minted {
                value: Secret::new(format!("token-{number}")),
                lifetime: Duration::from_secs(100),
                base_url: None,
                scope: String::new(),
            })
        }
    }

    async fn settled(tokens: &Tokens) -> String {
        let token = tokens.fresh(Duration::from_secs(5)).await.expect("a token");
        token.value.reveal().to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_refreshed_ahead_of_need() {
        let mint = Arc::new(Counting::default());
        let tokens = Tokens::start("acme", Arc::clone(&mint) as Arc<dyn Mint>);
        assert_eq!(settled(&tokens).await, "token-1");
        tokio::time::sleep(Duration::from_secs(81)).await;
        assert_eq!(tokens.current().expect("a token").value.reveal(), "token-2");
    }

    #[tokio::test(start_paused = true)]
    async fn many_refusals_of_one_token_make_one_refresh() {
        let mint = Arc::new(Counting::default());
        let tokens = Tokens::start("acme", Arc::clone(&mint) as Arc<dyn Mint>);
        settled(&tokens).await;
        let token = tokens.current().expect("a token");
        for _ in 0..50 {
            tokens.reject(&token);
        }
        assert!(tokens.current().is_none(), "a call does not use a refused token");
        assert_eq!(settled(&tokens).await, "token-2");
        tokens.reject(&token);
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(mint.minted.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_live_token_survives_a_failed_refresh() {
        let mint = Arc::new(Counting::default());
        let tokens = Tokens::start("acme", Arc::clone(&mint) as Arc<dyn Mint>);
        settled(&tokens).await;
        mint.down.store(true, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(85)).await;
        assert_eq!(tokens.current().expect("still alive").value.reveal(), "token-1");
        assert!(tokens.last_error().is_some());
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert!(tokens.current().is_none(), "but not beyond its life");
        mint.down.store(false, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(31)).await;
        assert_eq!(settled(&tokens).await, "token-2");
        assert!(tokens.last_error().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_vendor_that_grants_tokens_it_refuses_is_asked_less_and_less() {
        let mint = Arc::new(Counting::default());
        let tokens = Tokens::start("acme", Arc::clone(&mint) as Arc<dyn Mint>);
        let until = tokio::time::Instant::now() + Duration::from_secs(60);
        while tokio::time::Instant::now() < until {
            if let Ok(token) = tokens.fresh(Duration::from_secs(60)).await {
                tokens.reject(&token);
            }
        }
        let minted = mint.minted.load(Ordering::SeqCst);
        assert!((5..=12).contains(&minted), "{minted} logins in a minute");
    }

    /// Refuses the credentials.
    struct Refusing;

    #[async_trait]
    impl Mint for Refusing {
        async fn mint(&self) -> Result<Minted, Error> {
            Err(Error::Unauthorized { reason: "invalid_client".to_owned() })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_credentials_that_are_refused() {
        let tokens = Tokens::start("acme", Arc::new(Refusing));
        let before = tokio::time::Instant::now();
        for _ in 0..2 {
            let error = tokens.fresh(Duration::from_secs(10)).await.expect_err("no token");
            assert_eq!(error.kind(), "unauthorized");
        }
        assert!(before.elapsed() < Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_token_a_waiter_learns_why() {
        let mint = Arc::new(Counting::default());
        mint.down.store(true, Ordering::SeqCst);
        let tokens = Tokens::start("acme", mint);
        let error = tokens.fresh(Duration::from_secs(2)).await.expect_err("no token");
        assert_eq!(error, Error::unavailable("down"));
    }
}
