//! What is wrong now, as each node sees it, and the messages that tell of it.
//!
//! A trouble that several nodes see is one: its first sight and its end over all nodes
//! are each committed together with the jobs that tell of them, so each is told once
//! however many nodes there are, and none is lost to a crash. A node that says nothing
//! any more has stopped, and sees nothing.

use crate::error::{Boxed, Result};
use crate::jobs::{NewJob, Sealed};
use crate::keys::Keyring;
use crate::sql::{Row, Touched, Tx, Work};
use crate::store::Store;
use domain::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Something that is wrong: what, and of which connection or sync.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Trouble {
    pub kind: String,
    /// By the kind its connection, or its sync. Empty: of none.
    pub connection: String,
}

/// A trouble has begun, or has ended everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    pub trouble: Trouble,
    pub is_over: bool,
    /// When it began.
    pub since: Timestamp,
    pub at: Timestamp,
}

/// What a node sees.
#[derive(Debug, Clone)]
pub struct Sight {
    /// The process.
    pub node: i64,
    pub troubles: BTreeSet<Trouble>,
    /// A node that has said nothing for so long sees nothing.
    pub silent_after: Duration,
    pub now: Timestamp,
}

/// The jobs that tell of a turn.
pub type Tell = Arc<dyn Fn(&Turn) -> Vec<NewJob> + Send + Sync>;

impl Store {
    /// Notes what a node sees, and adds the jobs that tell of what began or ended by it.
    pub fn see_troubles(&self, sight: Sight, tell: Tell) -> Boxed<'_, Vec<Turn>> {
        Box::pin(async move {
            let known = self.read(&All).await?;
            let is_own = |row: &Known| row.node == sight.node;
            if sight.troubles.is_empty()
                && !known.iter().any(|row| is_own(row) || sight.is_silent(row))
            {
                return Ok(Vec::new());
            }
            let keys = self.keys();
            self.write(See { sight, tell, keys }).await
        })
    }
}

struct Known {
    trouble: Trouble,
    node: i64,
    since: i64,
    seen_at: i64,
}

impl Sight {
    fn is_silent(&self, row: &Known) -> bool {
        row.node != self.node && self.now.since(Timestamp(row.seen_at)) > self.silent_after
    }
}

fn known(row: &Row) -> Result<Known> {
    let trouble = Trouble { kind: row.text(0)?.to_owned(), connection: row.text(1)?.to_owned() };
    Ok(Known { trouble, node: row.int(2)?, since: row.int(3)?, seen_at: row.int(4)? })
}

async fn all(tx: &mut Tx<'_>) -> Result<Vec<Known>> {
    const SQL: &str = "SELECT kind, connection, node, since, seen_at FROM alerts ORDER BY since";
    tx.rows(SQL, &[]).await?.iter().map(known).collect()
}

struct All;

impl Work for All {
    type Output = Vec<Known>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Known>> {
        all(tx).await
    }
}

struct See {
    sight: Sight,
    tell: Tell,
    keys: Arc<Keyring>,
}

impl Work for See {
    type Output = Vec<Turn>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Turn>> {
        // Nodes take turns: two that see the same at once tell it once.
        const LOCK: &str = "SELECT 1 FROM (SELECT pg_advisory_xact_lock(7465657)) AS taken";
        const GONE: &str = "DELETE FROM alerts WHERE kind = ?1 AND connection = ?2 AND node = ?3";
        const SEEN: &str = "
            INSERT INTO alerts (kind, connection, node, since, seen_at) VALUES (?1, ?2, ?3, ?4, ?4)
            ON CONFLICT (kind, connection, node) DO UPDATE SET seen_at = ?4";
        tx.touched = Touched::Nothing;
        if tx.is_postgres() {
            tx.execute(LOCK, &[]).await?;
        }
        let (sight, before) = (&self.sight, all(tx).await?);
        for row in &before {
            let is_ended = row.node == sight.node && !sight.troubles.contains(&row.trouble);
            if is_ended || sight.is_silent(row) {
                let Trouble { kind, connection } = &row.trouble;
                let params = [kind.as_str().into(), connection.as_str().into(), row.node.into()];
                tx.execute(GONE, &params).await?;
            }
        }
        for Trouble { kind, connection } in &sight.troubles {
            let (node, now) = (sight.node.into(), sight.now.0.into());
            tx.execute(SEEN, &[kind.as_str().into(), connection.as_str().into(), node, now])
                .await?;
        }
        let turns = turns(&before, &all(tx).await?, sight.now);
        for job in turns.iter().flat_map(|turn| (self.tell)(turn)) {
            Sealed::seal(&self.keys, job)?.insert(tx).await?;
        }
        Ok(turns)
    }
}

/// What began and what ended, over all nodes.
fn turns(before: &[Known], after: &[Known], now: Timestamp) -> Vec<Turn> {
    let by_trouble = |rows: &[Known]| {
        let mut oldest: BTreeMap<Trouble, i64> = BTreeMap::new();
        for row in rows {
            let since = oldest.entry(row.trouble.clone()).or_insert(row.since);
            *since = (*since).min(row.since);
        }
        oldest
    };
    let (before, after) = (by_trouble(before), by_trouble(after));
    let turn = |trouble: &Trouble, since: i64, is_over| Turn {
        trouble: trouble.clone(),
        is_over,
        since: Timestamp(since),
        at: now,
    };
    let begun = after.iter().filter(|(trouble, _)| !before.contains_key(trouble));
    let ended = before.iter().filter(|(trouble, _)| !after.contains_key(trouble));
    let begun = begun.map(|(trouble, since)| turn(trouble, *since, false));
    begun.chain(ended.map(|(trouble, since)| turn(trouble, *since, true))).collect()
}
