//! Rotates the store's data key while calls go on.
//!
//! A new key seals from now on; then everything that older ones have sealed is sealed
//! anew, part by part. A pass that was cut off, also by a kill, is begun again at the
//! next start. `PHONE:` ids stay as they are.

use crate::lookup::Engine;
use std::sync::Arc;
use tokio::sync::watch;

impl Engine {
    /// Adds a data key and seals everything anew. Returns how many cells that were.
    ///
    /// # Errors
    /// When the store fails; what was sealed anew until then stays so, and the next
    /// start goes on.
    pub async fn rotate_keys(&self) -> Result<u64, state::Error> {
        self.store.rotate_data_key().await?;
        self.reseal().await
    }

    /// Seals anew what older keys have sealed.
    async fn reseal(&self) -> Result<u64, state::Error> {
        let (mut cells, mut next) = (0, Some(state::reseal::Place::default()));
        while let Some(place) = next {
            let part = self.store.reseal(place).await?;
            cells += part.cells;
            next = part.next;
            // Calls that wait for the writer go between two parts.
            tokio::task::yield_now().await;
        }
        self.store.retire_older_keys(self.clock.now()).await?;
        Ok(cells)
    }
}

/// Ends at the start what was cut off before.
pub(crate) async fn resume(engine: Arc<Engine>, mut stop: watch::Receiver<bool>) {
    let resumed = async {
        if engine.store.needs_reseal().await? {
            let cells = engine.reseal().await?;
            tracing::info!("a rotation of keys that was cut off is done: {cells} cells");
        }
        Ok::<(), state::Error>(())
    };
    let outcome = tokio::select! {
        outcome = resumed => outcome,
        _ = stop.wait_for(|stop| *stop) => return,
    };
    if let Err(error) = outcome {
        tracing::warn!("keys could not be rotated to the end, the next start tries again: {error}");
    }
}
