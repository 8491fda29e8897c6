//! That somebody said that records have changed: kept until a run was begun for it.

use crate::error::{Boxed, Result};
use crate::sql::{Touched, Tx, Work};
use crate::store::Store;
use domain::Timestamp;

/// A sync of which it was said that records have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nudged {
    pub sync: i64,
    pub name: String,
    /// When it was said last.
    pub at: Timestamp,
}

impl Store {
    /// Notes that records of a sync have changed.
    pub fn nudge_sync(&self, sync: i64, now: Timestamp) -> Boxed<'_, ()> {
        Box::pin(async move { self.write(Nudge { sync, at: now.0 }).await })
    }

    /// Syncs of which it was said, at most 1,000.
    pub fn nudged_syncs(&self) -> Boxed<'_, Vec<Nudged>> {
        Box::pin(async move { self.read(&All).await })
    }

    /// A run was begun for what was said so far; what was said since stays.
    pub fn take_nudge(&self, nudged: &Nudged) -> Boxed<'_, ()> {
        let work = Take { sync: nudged.sync, at: nudged.at.0 };
        Box::pin(async move { self.write(work).await })
    }
}

struct Nudge {
    sync: i64,
    at: i64,
}

impl Work for Nudge {
    type Output = ();
    async fn run(&self, tx: &mut Tx<'_>) -> Result<()> {
        // Told twice in one moment, it is still told anew.
        const SQL: &str = "
            UPDATE syncs SET nudged_at = CASE WHEN nudged_at < ?2 THEN ?2 ELSE nudged_at + 1 END
            WHERE id = ?1";
        tx.touched = Touched::Nothing;
        tx.execute(SQL, &[self.sync.into(), self.at.into()]).await.map(drop)
    }
}

struct All;

impl Work for All {
    type Output = Vec<Nudged>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Nudged>> {
        const SQL: &str =
            "SELECT id, name, nudged_at FROM syncs WHERE nudged_at > 0 ORDER BY id LIMIT 1000";
        let rows = tx.rows(SQL, &[]).await?;
        let nudged = rows.iter().map(|row| {
            let (name, at) = (row.text(1)?.to_owned(), Timestamp(row.int(2)?));
            Ok(Nudged { sync: row.int(0)?, name, at })
        });
        nudged.collect()
    }
}

struct Take {
    sync: i64,
    at: i64,
}

impl Work for Take {
    type Output = ();
    async fn run(&self, tx: &mut Tx<'_>) -> Result<()> {
        const SQL: &str = "UPDATE syncs SET nudged_at = 0 WHERE id = ?1 AND nudged_at = ?2";
        tx.touched = Touched::Nothing;
        tx.execute(SQL, &[self.sync.into(), self.at.into()]).await.map(drop)
    }
}
