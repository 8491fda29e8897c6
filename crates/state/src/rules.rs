//! Routing rules: drafts of single rules and chains, and the sets that were published.
//!
//! Bodies are sealed texts that the store does not interpret. Drafts and publications
//! count one version up, in the transaction that also writes down who did it: whoever
//! decided on an older version is refused, so that nothing is published unseen, and other
//! nodes notice by asking for it. The newest set is in force; going back is publishing the
//! body of an older one anew, so that the history only ever grows at its end.

mod publish;
mod read;

pub use publish::{NewRuleSet, Publication, SETS_KEPT};
pub use read::{RuleSetHead, Rules};

use crate::audit::{Act, Sealed as SealedAct};
use crate::crash;
use crate::error::{Boxed, Result};
use crate::keys::Keyring;
use crate::sql::{Param, Touched, Tx, Work};
use crate::store::Store;
use domain::Timestamp;
use std::fmt;

/// How one rule or chain is to become.
#[derive(Clone, PartialEq, Eq)]
pub struct Draft {
    /// A word that the store does not interpret, such as `rule` or `chain`.
    pub kind: String,
    pub name: String,
    /// As it was given to [`Store::change_rule_drafts`]; `None`: it is to go.
    pub body: Option<Vec<u8>>,
    /// [`Rules::version`] when it was changed last.
    pub version: u64,
    pub changed_at: Timestamp,
    pub changed_by: String,
}

impl fmt::Debug for Draft {
    /// Never the body: nobody knows what is written into it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let goes = if self.body.is_some() { "" } else { " goes" };
        write!(f, "Draft({} {:?}{goes} at {})", self.kind, self.name, self.version)
    }
}

/// All rules and chains as they were published together.
#[derive(Clone, PartialEq, Eq)]
pub struct RuleSet {
    /// 1 for the first; no two sets ever have the same.
    pub revision: u64,
    /// As it was given to [`Store::publish_rules`].
    pub body: Vec<u8>,
    pub at: Timestamp,
    pub by: String,
    /// What changed, in words for the history.
    pub summary: String,
}

impl fmt::Debug for RuleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RuleSet({} of {} bytes)", self.revision, self.body.len())
    }
}

/// What is to become of one draft.
#[derive(Clone)]
pub struct DraftChange {
    pub kind: &'static str,
    pub name: String,
    pub to: To,
}

/// How the rule or chain is to become.
#[derive(Clone)]
pub enum To {
    Body(Vec<u8>),
    /// It is to go with the next publication.
    Gone,
    /// It stays as it was published: the draft is forgotten.
    AsPublished,
}

impl fmt::Debug for DraftChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let to = match self.to {
            To::Body(_) => "changes",
            To::Gone => "goes",
            To::AsPublished => "stays",
        };
        write!(f, "DraftChange({} {:?} {to})", self.kind, self.name)
    }
}

impl Store {
    /// Changes drafts, all of them or none, and writes the act down. The new version;
    /// `None` where somebody else has changed something since `seen`, and then nothing
    /// is done. Whoever makes drafts bounds how many there are.
    pub fn change_rule_drafts(
        &self,
        changes: Vec<DraftChange>,
        seen: u64,
        act: Act,
        at: Timestamp,
    ) -> Boxed<'_, Option<u64>> {
        Box::pin(async move {
            let keys = self.keys();
            let by = act.actor.clone();
            let changes = changes.into_iter().map(|change| Sealed::seal(&keys, change));
            let changes = changes.collect::<Result<Vec<_>>>()?;
            let act = SealedAct::seal(keys, act, at)?;
            let changed = self.write(Change { changes, seen, by, act, at }).await?;
            crash::point("rules.drafted");
            Ok(changed)
        })
    }
}

/// What a draft is sealed to.
pub(crate) fn draft_place(kind: &str, name: &str) -> Vec<u8> {
    // No kind has a space in it.
    format!("{kind} {name}").into_bytes()
}

/// What a set is sealed to.
pub(crate) fn set_place(revision: i64) -> Vec<u8> {
    revision.to_be_bytes().to_vec()
}

/// Counts the version up if it is still `seen`; the new one where it was. One statement: of
/// two nodes that change something at once one waits for the other.
async fn bump(tx: &mut Tx<'_>, seen: u64) -> Result<Option<i64>> {
    const FIRST: &str = "
        INSERT INTO rules_version (id, version) VALUES (1, ?2)
        ON CONFLICT (id) DO UPDATE SET version = ?2 WHERE rules_version.version = ?1";
    const NEXT: &str = "UPDATE rules_version SET version = ?2 WHERE id = 1 AND version = ?1";
    let seen = i64::try_from(seen).unwrap_or(i64::MAX - 1);
    // Where there is none yet, only whoever saw none may make the first.
    let sql = if seen == 0 { FIRST } else { NEXT };
    let is_ours = tx.execute(sql, &[seen.into(), (seen + 1).into()]).await? > 0;
    crash::point("rules.bumped");
    Ok(is_ours.then_some(seen + 1))
}

/// A change of a draft, ready to be stored.
struct Sealed {
    kind: &'static str,
    name: String,
    to: SealedTo,
}

enum SealedTo {
    Body(Vec<u8>),
    Gone,
    AsPublished,
}

impl Sealed {
    fn seal(keys: &Keyring, change: DraftChange) -> Result<Self> {
        let DraftChange { kind, name, to } = change;
        let to = match to {
            To::Body(body) => {
                SealedTo::Body(keys.seal("rule_drafts.sealed", &draft_place(kind, &name), body)?)
            }
            To::Gone => SealedTo::Gone,
            To::AsPublished => SealedTo::AsPublished,
        };
        Ok(Self { kind, name, to })
    }
}

struct Change {
    changes: Vec<Sealed>,
    seen: u64,
    by: String,
    act: SealedAct,
    at: Timestamp,
}

impl Work for Change {
    type Output = Option<u64>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<u64>> {
        const PUT: &str = "
            INSERT INTO rule_drafts (kind, name, sealed, version, changed_at, changed_by)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6)
            ON CONFLICT (kind, name) DO UPDATE SET
                sealed = ?3, version = ?4, changed_at = ?5, changed_by = ?6";
        tx.touched = Touched::Nothing;
        let Some(version) = bump(tx, self.seen).await? else { return Ok(None) };
        for Sealed { kind, name, to } in &self.changes {
            let sealed = match to {
                SealedTo::Body(sealed) => Some(&sealed[..]),
                SealedTo::Gone => None,
                SealedTo::AsPublished => {
                    forget_draft(tx, kind, name).await?;
                    continue;
                }
            };
            let params = [
                (*kind).into(),
                name.as_str().into(),
                Param::Blob(sealed),
                version.into(),
                self.at.0.into(),
                self.by.as_str().into(),
            ];
            tx.execute(PUT, &params).await?;
        }
        self.act.append(tx).await?;
        Ok(Some(version.unsigned_abs()))
    }
}

async fn forget_draft(tx: &mut Tx<'_>, kind: &str, name: &str) -> Result<()> {
    const SQL: &str = "DELETE FROM rule_drafts WHERE kind = ?1 AND name = ?2";
    tx.execute(SQL, &[kind.into(), name.into()]).await.map(drop)
}
