//! Gives news their place in the one order of all: after their commit, not before.
//!
//! SQLite has one writer: the number a row gets is the order of commits. On PostgreSQL
//! a number taken inside a transaction is not: another may take a higher one and commit
//! first, and whoever has read that far would never see the lower one. So there news
//! wait in a table of their own, and whoever is about to read gives those that are
//! committed their places, one at a time across all nodes (a lock of the transaction).
//! What is committed later gets a later place. The call's path pays for none of it.

use crate::error::Result;
use crate::sql::{Touched, Tx, Work};
use crate::store::Store;

/// Rows that get their places in one transaction.
const PART: i64 = 2_000;

/// The number is ours, chosen freely.
const POSTGRES_LOCK: &str = "SELECT 1 FROM (SELECT pg_advisory_xact_lock(7465657)) AS taken";

impl Store {
    /// Gives a place to everything that was committed before this was called.
    pub(crate) async fn place_news(&self) -> Result<()> {
        // Looked at first: a reader that finds nothing writes nothing.
        while self.read(&IsWaiting).await? {
            if self.write(Place).await? < PART.unsigned_abs() {
                break;
            }
        }
        Ok(())
    }
}

struct IsWaiting;

impl Work for IsWaiting {
    type Output = bool;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool> {
        Ok(tx.row("SELECT seq FROM news_waiting LIMIT 1", &[]).await?.is_some())
    }
}

/// Public to the crate for the start over SQLite: a store that came from PostgreSQL may
/// still have news that wait.
pub(crate) struct Place;

impl Work for Place {
    type Output = u64;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<u64> {
        // One statement sees one moment: what commits meanwhile is neither moved nor deleted.
        const POSTGRES: &str = "
            WITH taken AS (
                DELETE FROM news_waiting
                WHERE seq IN (SELECT seq FROM news_waiting ORDER BY seq LIMIT ?1)
                RETURNING seq, stream, call, kind, at)
            INSERT INTO news (place, stream, call, kind, at)
            SELECT (SELECT coalesce(max(place), 0) FROM news) + row_number() OVER (ORDER BY seq),
                stream, call, kind, at
            FROM taken";
        const MOVE: &str = "
            INSERT INTO news (stream, call, kind, at)
            SELECT stream, call, kind, at FROM news_waiting ORDER BY seq LIMIT ?1";
        const EMPTY: &str = "
            DELETE FROM news_waiting WHERE seq IN (SELECT seq FROM news_waiting ORDER BY seq LIMIT ?1)";
        tx.touched = Touched::Nothing;
        if tx.is_postgres() {
            tx.execute(POSTGRES_LOCK, &[]).await?;
            return tx.execute(POSTGRES, &[PART.into()]).await;
        }
        let moved = tx.execute(MOVE, &[PART.into()]).await?;
        tx.execute(EMPTY, &[PART.into()]).await?;
        Ok(moved)
    }
}
