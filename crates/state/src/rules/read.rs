//! What is in force, what is drafted, and how it was before.

use super::{Draft, RuleSet, draft_place, set_place};
use crate::error::{Boxed, Result};
use crate::keys::Keyring;
use crate::sql::{Row, Tx, Work};
use crate::store::Store;
use domain::Timestamp;

/// Drafts read at most; whoever makes them has bounds of their own below it.
const DRAFTS_MAX: i64 = 20_000;

/// Everything about rules, and how often any of it was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// 0 before the first change; never smaller than it was.
    pub version: u64,
    /// By kind, then name.
    pub drafts: Vec<Draft>,
    /// The set in force; `None` before the first publication.
    pub set: Option<RuleSet>,
}

/// A line of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSetHead {
    pub revision: u64,
    pub at: Timestamp,
    pub by: String,
    pub summary: String,
}

impl Store {
    /// How often a draft was changed or a set was published. A point read: cheap enough
    /// to ask every few seconds whether another node has done so.
    pub fn rules_version(&self) -> Boxed<'_, u64> {
        Box::pin(async move { self.read(&Version).await })
    }

    /// The drafts and the set in force.
    pub fn rules(&self) -> Boxed<'_, Rules> {
        Box::pin(async move {
            let (version, drafts, set) = self.read_apart(All).await?;
            let opened = |keys: &Keyring| {
                let drafts = drafts.iter().map(|row| draft(keys, row)).collect::<Result<_>>()?;
                let set = set.as_ref().map(|row| rule_set(keys, row)).transpose()?;
                Ok(Rules { version, drafts, set })
            };
            self.unseal(opened).await
        })
    }

    /// One set of the history; `None` where there was none or it is too old.
    pub fn rule_set(&self, revision: u64) -> Boxed<'_, Option<RuleSet>> {
        Box::pin(async move {
            let revision = i64::try_from(revision).unwrap_or(i64::MAX);
            let row = self.read(&One { revision }).await?;
            self.unseal(|keys| row.as_ref().map(|row| rule_set(keys, row)).transpose()).await
        })
    }

    /// The history, newest first: the first is in force.
    pub fn rule_sets(&self, limit: usize) -> Boxed<'_, Vec<RuleSetHead>> {
        Box::pin(async move {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows = self.read(&Heads { limit }).await?;
            rows.iter().map(head).collect()
        })
    }
}

fn draft(keys: &Keyring, row: &Row) -> Result<Draft> {
    let (kind, name) = (row.text(0)?, row.text(1)?);
    let open = |sealed| keys.open("rule_drafts.sealed", &draft_place(kind, name), sealed);
    Ok(Draft {
        kind: kind.to_owned(),
        name: name.to_owned(),
        body: row.opt_blob(2)?.map(open).transpose()?,
        version: row.int(3)?.unsigned_abs(),
        changed_at: Timestamp(row.int(4)?),
        changed_by: row.text(5)?.to_owned(),
    })
}

fn head(row: &Row) -> Result<RuleSetHead> {
    Ok(RuleSetHead {
        revision: row.int(0)?.unsigned_abs(),
        at: Timestamp(row.int(1)?),
        by: row.text(2)?.to_owned(),
        summary: row.text(3)?.to_owned(),
    })
}

fn rule_set(keys: &Keyring, row: &Row) -> Result<RuleSet> {
    let RuleSetHead { revision, at, by, summary } = head(row)?;
    let body = keys.open("rule_sets.sealed", &set_place(row.int(0)?), row.blob(4)?)?;
    Ok(RuleSet { revision, body, at, by, summary })
}

struct Version;

impl Work for Version {
    type Output = u64;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<u64> {
        let row = tx.row("SELECT version FROM rules_version WHERE id = 1", &[]).await?;
        row.map_or(Ok(0), |row| row.int(0).map(i64::unsigned_abs))
    }
}

struct All;

impl Work for All {
    type Output = (u64, Vec<Row>, Option<Row>);
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output> {
        const DRAFTS: &str = "
            SELECT kind, name, sealed, version, changed_at, changed_by FROM rule_drafts
            ORDER BY kind, name LIMIT ?1";
        const IN_FORCE: &str = "
            SELECT revision, published_at, published_by, summary, sealed FROM rule_sets
            ORDER BY revision DESC LIMIT 1";
        // In this order: whoever sees something newer under an older version looks again
        // and is refused where they decide on it, and no draft that was taken into a set
        // is missing from both.
        let version = Version.run(tx).await?;
        let drafts = tx.rows(DRAFTS, &[DRAFTS_MAX.into()]).await?;
        Ok((version, drafts, tx.row(IN_FORCE, &[]).await?))
    }
}

struct One {
    revision: i64,
}

impl Work for One {
    type Output = Option<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<Row>> {
        const SQL: &str = "
            SELECT revision, published_at, published_by, summary, sealed FROM rule_sets
            WHERE revision = ?1";
        tx.row(SQL, &[self.revision.into()]).await
    }
}

/// Without the sets themselves.
struct Heads {
    limit: i64,
}

impl Work for Heads {
    type Output = Vec<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        const SQL: &str = "
            SELECT revision, published_at, published_by, summary FROM rule_sets
            ORDER BY revision DESC LIMIT ?1";
        tx.rows(SQL, &[self.limit.into()]).await
    }
}
