//! A new set of rules: it is in force from the commit on, and the drafts in it are gone.

use super::{bump, forget_draft, set_place};
use crate::audit::{Act, Sealed as SealedAct};
use crate::crash;
use crate::error::{Boxed, Result};
use crate::keys::Keyring;
use crate::sql::{Touched, Tx, Work};
use crate::store::Store;
use domain::Timestamp;
use std::fmt;
use std::sync::Arc;

/// Sets that the history keeps; an older one can no longer be gone back to.
pub const SETS_KEPT: u64 = 200;

/// What is to be in force.
#[derive(Clone)]
pub struct NewRuleSet {
    /// All rules and chains.
    pub body: Vec<u8>,
    /// What changes, in words for the history. It is kept in clear.
    pub summary: String,
    /// Kinds and names of the drafts that are in the set and so are drafts no more. None
    /// where an older set is published again: then every draft stays.
    pub takes: Vec<(String, String)>,
}

impl fmt::Debug for NewRuleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewRuleSet({} bytes, takes {:?})", self.body.len(), self.takes)
    }
}

/// What is in force now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publication {
    /// [`super::Rules::version`] from now on.
    pub version: u64,
    pub revision: u64,
}

impl Store {
    /// Puts a set in force and writes the act down. `None` where somebody else has changed
    /// a draft or published since `seen`, and then nothing is done.
    pub fn publish_rules(
        &self,
        set: NewRuleSet,
        seen: u64,
        act: Act,
        at: Timestamp,
    ) -> Boxed<'_, Option<Publication>> {
        Box::pin(async move {
            let keys = self.keys();
            let by = act.actor.clone();
            let act = SealedAct::seal(keys.clone(), act, at)?;
            let published = self.write(Publish { keys, set, seen, by, act, at }).await?;
            crash::point("rules.published");
            Ok(published)
        })
    }
}

struct Publish {
    keys: Arc<Keyring>,
    set: NewRuleSet,
    seen: u64,
    by: String,
    act: SealedAct,
    at: Timestamp,
}

impl Work for Publish {
    type Output = Option<Publication>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<Publication>> {
        const LAST: &str = "SELECT revision FROM rule_sets ORDER BY revision DESC LIMIT 1";
        const SQL: &str = "
            INSERT INTO rule_sets (revision, sealed, published_at, published_by, summary)
            VALUES (?1, ?2, ?3, ?4, ?5)";
        const OLD: &str = "DELETE FROM rule_sets WHERE revision <= ?1";
        tx.touched = Touched::Nothing;
        let Some(version) = bump(tx, self.seen).await? else { return Ok(None) };
        let revision = tx.row(LAST, &[]).await?.map_or(Ok(0), |row| row.int(0))? + 1;
        // Sealed here, because only here its revision is known.
        let body = self.set.body.clone();
        let sealed = self.keys.seal("rule_sets.sealed", &set_place(revision), body)?;
        let params = [
            revision.into(),
            sealed[..].into(),
            self.at.0.into(),
            self.by.as_str().into(),
            self.set.summary.as_str().into(),
        ];
        tx.execute(SQL, &params).await?;
        crash::point("rules.set");
        for (kind, name) in &self.set.takes {
            forget_draft(tx, kind, name).await?;
        }
        crash::point("rules.taken");
        tx.execute(OLD, &[revision.saturating_sub_unsigned(SETS_KEPT).into()]).await?;
        self.act.append(tx).await?;
        let (version, revision) = (version.unsigned_abs(), revision.unsigned_abs());
        Ok(Some(Publication { version, revision }))
    }
}
