//! How much people are asked: open reviews of a sync by kind, without what they hold.

use crate::error::{Boxed, Result};
use crate::sql::{Tx, Work};
use crate::store::Store;
use std::collections::BTreeMap;

impl Store {
    /// How many reviews of a sync are open, by kind.
    pub fn open_kinds(&self, sync: i64) -> Boxed<'_, BTreeMap<String, u64>> {
        Box::pin(async move { self.read(&Kinds { sync }).await })
    }
}

struct Kinds {
    sync: i64,
}

impl Work for Kinds {
    type Output = BTreeMap<String, u64>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output> {
        const SQL: &str = "
            SELECT kind, count(*) FROM sync_reviews WHERE state = 0 AND sync = ?1 GROUP BY kind";
        let rows = tx.rows(SQL, &[self.sync.into()]).await?;
        rows.iter().map(|row| Ok((row.text(0)?.to_owned(), row.int(1)?.unsigned_abs()))).collect()
    }
}
