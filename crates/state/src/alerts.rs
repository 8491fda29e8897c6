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

/// How a turn is told.
#[derive(Debug, Clone, Default)]
pub struct Words {
    /// One sentence.
    pub title: String,
    /// What is known of it, and what to do.
    pub detail: String,
    /// One for each who is to be told.
    pub jobs: Vec<NewJob>,
}

/// The words for a turn: nothing of a customer, no secret.
pub type Tell = Arc<dyn Fn(&Turn) -> Words + Send + Sync>;

/// A turn, as it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    pub turn: Turn,
    pub title: String,
    pub detail: String,
}

/// Turns that are kept: the newest.
pub const TURNS_MAX: usize = 1_000;

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

    /// What has begun and ended, the newest first, at most [`TURNS_MAX`].
    pub fn past_troubles(&self, limit: usize) -> Boxed<'_, Vec<Past>> {
        Box::pin(async move { self.read(&Turns { limit: limit.min(TURNS_MAX) }).await })
    }

    /// What is wrong now, over all nodes, and since when.
    pub fn troubles(&self) -> Boxed<'_, BTreeMap<Trouble, Timestamp>> {
        Box::pin(async move { Ok(oldest(&self.read(&All).await?)) })
    }
}

struct Turns {
    limit: usize,
}

impl Work for Turns {
    type Output = Vec<Past>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Past>> {
        const SQL: &str = "
            SELECT kind, connection, is_over, since, at, title, detail FROM alert_turns
            ORDER BY seq DESC LIMIT ?1";
        let limit = i64::try_from(self.limit).unwrap_or(i64::MAX);
        tx.rows(SQL, &[limit.into()]).await?.iter().map(past).collect()
    }
}

fn past(row: &Row) -> Result<Past> {
    let trouble = Trouble { kind: row.text(0)?.to_owned(), connection: row.text(1)?.to_owned() };
    let (since, at) = (Timestamp(row.int(3)?), Timestamp(row.int(4)?));
    let turn = Turn { trouble, is_over: row.int(2)? != 0, since, at };
    Ok(Past { turn, title: row.text(5)?.to_owned(), detail: row.text(6)?.to_owned() })
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
        for turn in &turns {
            let Words { title, detail, jobs } = (self.tell)(turn);
            keep(tx, turn, &title, &detail).await?;
            for job in jobs {
                Sealed::seal(&self.keys, job)?.insert(tx).await?;
            }
        }
        Ok(turns)
    }
}

/// Keeps a turn, and of all of them the newest.
async fn keep(tx: &mut Tx<'_>, turn: &Turn, title: &str, detail: &str) -> Result<()> {
    const KEEP: &str = "
        INSERT INTO alert_turns (kind, connection, is_over, since, at, title, detail)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    const FORGET: &str = "
        DELETE FROM alert_turns WHERE seq <= (SELECT MAX(seq) FROM alert_turns) - ?1";
    let Turn { trouble, is_over, since, at } = turn;
    let params = [
        trouble.kind.as_str().into(),
        trouble.connection.as_str().into(),
        i64::from(*is_over).into(),
        since.0.into(),
        at.0.into(),
        title.into(),
        detail.into(),
    ];
    tx.execute(KEEP, &params).await?;
    let most = i64::try_from(TURNS_MAX).unwrap_or(i64::MAX);
    tx.execute(FORGET, &[most.into()]).await?;
    Ok(())
}

/// Of each trouble, since when somebody sees it.
fn oldest(rows: &[Known]) -> BTreeMap<Trouble, Timestamp> {
    let mut oldest: BTreeMap<Trouble, Timestamp> = BTreeMap::new();
    for row in rows {
        let since = oldest.entry(row.trouble.clone()).or_insert(Timestamp(row.since));
        *since = (*since).min(Timestamp(row.since));
    }
    oldest
}

/// What began and what ended, over all nodes.
fn turns(before: &[Known], after: &[Known], now: Timestamp) -> Vec<Turn> {
    let (before, after) = (oldest(before), oldest(after));
    let turn = |trouble: &Trouble, since: Timestamp, is_over| Turn {
        trouble: trouble.clone(),
        is_over,
        since,
        at: now,
    };
    let begun = after.iter().filter(|(trouble, _)| !before.contains_key(trouble));
    let ended = before.iter().filter(|(trouble, _)| !after.contains_key(trouble));
    let begun = begun.map(|(trouble, since)| turn(trouble, *since, false));
    begun.chain(ended.map(|(trouble, since)| turn(trouble, *since, true))).collect()
}
