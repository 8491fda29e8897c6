//! The store as the vault of connections' tokens.
//!
//! Tokens are bound to the credentials they were got with: who changes those in the
//! configuration is not answered with what the old ones got.

use async_trait::async_trait;
use domain::Timestamp;
use engine::Clock;
use kit::vault::{Hold, InVault, Kept};
use kit::{Error, Secret, Settings, Vault};
use state::{Store, TokenHold};
use std::sync::Arc;
use std::time::Duration;

/// The vault of one connection.
pub struct InStore {
    store: Store,
    connection: String,
    /// All settings as one text; the store keeps a keyed hash of it.
    credentials: Secret,
}

impl InStore {
    #[must_use]
    pub fn new(store: &Store, connection: &str, connector: &str, settings: &Settings) -> Arc<Self> {
        let mut credentials = format!("{connector}\n");
        for (key, value) in &settings.plain {
            credentials.push_str(&format!("{key}={value}\n"));
        }
        for (key, secret) in &settings.secrets {
            credentials.push_str(&format!("{key}:{}\n", secret.reveal()));
        }
        Arc::new(Self {
            store: store.clone(),
            connection: connection.to_owned(),
            credentials: Secret::new(credentials),
        })
    }

    fn now() -> Timestamp {
        Clock::System.now()
    }
}

fn away(error: state::Error) -> Error {
    Error::unavailable(error.to_string())
}

#[async_trait]
impl Vault for InStore {
    async fn read(&self) -> Result<Option<InVault>, Error> {
        let found = self.store.kept_token(&self.connection, self.credentials.reveal()).await;
        // What is not readable is as good as nothing: a new token replaces it.
        let in_vault = found.map_err(away)?.and_then(|found| {
            let kept = Kept::from_bytes(&found.bytes)?;
            Some(InVault { kept, generation: found.generation })
        });
        Ok(in_vault)
    }

    async fn take(&self, time: Duration) -> Result<Option<Hold>, Error> {
        let hold = self.store.hold_token(&self.connection, time, Self::now()).await;
        Ok(hold.map_err(away)?.map(|TokenHold(hold)| Hold(hold)))
    }

    async fn keep(&self, Hold(hold): Hold, kept: &Kept) -> Result<u64, Error> {
        let (connection, credentials) = (&self.connection, self.credentials.reveal());
        let bytes = kept.to_bytes();
        let kept =
            self.store.keep_token(connection, credentials, TokenHold(hold), bytes, Self::now());
        kept.await.map_err(away)?.ok_or_else(|| Error::Conflict {
            reason: "another node has refreshed the token meanwhile".to_owned(),
        })
    }

    async fn release(&self, Hold(hold): Hold) {
        // A hold that is not given back ends by itself.
        self.store.release_token(&self.connection, TokenHold(hold)).await.ok();
    }
}
