//! Forgets, in time, that a contact has lost a key.

use crate::error::{Boxed, Result};
use crate::sql::{Tx, Work};
use crate::store::Store;
use domain::Timestamp;

impl Store {
    /// Forgets the marks of keys that contacts have lost before this, at most 1000
    /// at once: an answer that could bring them back would be older still.
    /// Returns how many.
    pub fn prune_directory(&self, before: Timestamp) -> Boxed<'_, u64> {
        Box::pin(async move { self.write(Prune { before }).await })
    }
}

struct Prune {
    before: Timestamp,
}

impl Work for Prune {
    type Output = u64;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<u64> {
        const SQL: &str = "
            DELETE FROM contact_keys WHERE (connection, hash, contact) IN (
                SELECT connection, hash, contact FROM contact_keys
                WHERE gone_at IS NOT NULL AND gone_at < ?1 LIMIT 1000)";
        tx.execute(SQL, &[self.before.0.into()]).await
    }
}
