//! Where a token comes from: another node's that lies in the vault, else the vendor.
//!
//! Under the vault's hold one node at a time asks the vendor, and what came is kept before
//! it is used: a token that replaces the one before may be the only one that still works.

use super::{Mint, Minted};
use crate::Error;
use crate::clock::now;
use crate::vault::{self, Given, Hold, InVault, Kept, Vault};
use std::sync::Arc;
use std::time::Duration;

/// A token to be used from now on.
pub(super) struct Had {
    pub(super) minted: Minted,
    /// How long ago it was minted.
    pub(super) age: Duration,
    pub(super) given: Given,
}

/// Where tokens come from: the vault, and the vendor under the vault's hold.
pub(super) struct Source {
    mint: Arc<dyn Mint>,
    vault: Option<Arc<dyn Vault>>,
    /// Of what was taken from the vault last.
    generation: u64,
    /// What was had last, for when there is no vault or it is away: a refresh token that
    /// the vendor has replaced is not shown again.
    kept: Option<Kept>,
}

/// How long one refresher may take before another may try; far longer than a request.
const HOLD: Duration = Duration::from_secs(60);
/// How often a node looks whether another has refreshed, and how often at most.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const LOOKS_MAX: u32 = 240;

impl Source {
    pub(super) fn new(mint: Arc<dyn Mint>, vault: Option<Arc<dyn Vault>>) -> Self {
        Self { mint, vault, generation: 0, kept: None }
    }

    /// The next token: one that another node has got meanwhile, or a new one.
    pub(super) async fn next(&mut self, connection: &str) -> Result<Had, Error> {
        let Some(vault) = self.vault.clone() else { return self.minted().await };
        match self.shared(vault.as_ref()).await {
            // Calls must not suffer from a store that is away, where a token more does no harm.
            Err(Shared::Vault(error)) if !self.mint.rotates() => {
                tracing::warn!(connection, "a token is got without the store: {error}");
                self.minted().await
            }
            Err(Shared::Vault(error) | Shared::Mint(error)) => Err(error),
            Ok(had) => Ok(had),
        }
    }

    async fn minted(&mut self) -> Result<Had, Error> {
        let renewed = vault::renew(self.mint.as_ref(), self.kept.as_ref()).await?;
        let before = self.kept.take().map(|kept| kept.given).unwrap_or_default();
        Ok(self.had(Kept::of(renewed, before, now())))
    }

    /// A token that is new here.
    fn had(&mut self, kept: Kept) -> Had {
        let (now, life) = (now(), Duration::from_millis(kept.lifetime_ms));
        let age = life.saturating_sub(kept.left(now));
        let had = Had { minted: kept.minted(now), age, given: kept.given.clone() };
        self.kept = Some(kept);
        had
    }

    async fn shared(&mut self, vault: &dyn Vault) -> Result<Had, Shared> {
        for _ in 0..LOOKS_MAX {
            let found = vault.read().await.map_err(Shared::Vault)?;
            if let Some(had) = self.unused(found.as_ref()) {
                return Ok(had);
            }
            let Some(hold) = vault.take(HOLD).await.map_err(Shared::Vault)? else {
                tokio::time::sleep(LOOK_EVERY).await;
                continue;
            };
            // Whoever held it before us may just have refreshed.
            let found = match vault.read().await {
                Ok(found) => found,
                Err(error) => {
                    vault.release(hold).await;
                    return Err(Shared::Vault(error));
                }
            };
            if let Some(had) = self.unused(found.as_ref()) {
                vault.release(hold).await;
                return Ok(had);
            }
            return self.renew(vault, hold, found.map(|found| found.kept)).await;
        }
        let reason = "another node has been refreshing the token for a minute";
        Err(Shared::Vault(Error::unavailable(reason)))
    }

    /// What lies in the vault, if this node has not used it yet and most of its life is left.
    fn unused(&mut self, found: Option<&InVault>) -> Option<Had> {
        let InVault { kept, generation } = found?;
        let (left, life) = (kept.left(now()), Duration::from_millis(kept.lifetime_ms));
        if *generation == self.generation || left < life.mul_f32(0.2) || left.is_zero() {
            return None;
        }
        self.generation = *generation;
        Some(self.had(kept.clone()))
    }

    async fn renew(
        &mut self,
        vault: &dyn Vault,
        hold: Hold,
        known: Option<Kept>,
    ) -> Result<Had, Shared> {
        let renewed = match vault::renew(self.mint.as_ref(), known.as_ref()).await {
            Ok(renewed) => renewed,
            Err(error) => {
                vault.release(hold).await;
                return Err(Shared::Mint(error));
            }
        };
        let before = known.map(|known| known.given).unwrap_or_default();
        let kept = Kept::of(renewed, before, now());
        // Kept before it is used: what is lost here may be the only one that still works.
        self.generation = vault.keep(hold, &kept).await.map_err(Shared::Vault)?;
        Ok(self.had(kept))
    }
}

/// Who failed.
enum Shared {
    Vault(Error),
    Mint(Error),
}
