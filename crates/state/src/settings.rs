//! What was set by API rather than by the configuration file: connections, actions, queues.
//!
//! Each item is a sealed text that the store does not interpret; secrets lie in it. Every
//! change bumps one revision over all, in the transaction that also writes down who did it:
//! whoever decided on an older revision is refused, and other nodes notice by asking for it.

use crate::audit::{Act, Sealed as SealedAct};
use crate::crash;
use crate::error::{Boxed, Error, Result};
use crate::keys::Keyring;
use crate::sql::{Row, Touched, Tx, Work};
use crate::store::Store;
use domain::Timestamp;
use std::fmt;

/// Items read at most; whoever makes them has bounds of their own below it.
const ITEMS_MAX: i64 = 20_000;

/// One item as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Item {
    /// A word that the store does not interpret, such as `connection`.
    pub kind: String,
    pub name: String,
    /// As it was given to [`Store::change_settings`]; `None` where it does not open any more.
    pub body: Option<Vec<u8>>,
    /// [`Settings::revision`] when it was changed last.
    pub revision: u64,
    pub changed_at: Timestamp,
    pub changed_by: String,
}

impl fmt::Debug for Item {
    /// Never the body: there are secrets in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Item({} {:?} at {})", self.kind, self.name, self.revision)
    }
}

/// All items, and how often any of them was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// 0 before the first change; never smaller than it was.
    pub revision: u64,
    /// By kind, then name.
    pub items: Vec<Item>,
}

/// What is to become of one item.
#[derive(Clone)]
pub struct Change {
    pub kind: &'static str,
    pub name: String,
    /// `None`: it is taken away.
    pub body: Option<Vec<u8>>,
    /// The revision of the whole on which this was decided.
    pub seen: u64,
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Change({} {:?} after {})", self.kind, self.name, self.seen)
    }
}

impl Store {
    /// Everything that was set.
    pub fn settings(&self) -> Boxed<'_, Settings> {
        Box::pin(async move {
            let (revision, rows) = self.read_apart(All).await?;
            let items = self
                .unseal(|keys| rows.iter().map(|row| item(keys, row)).collect::<Result<Vec<_>>>());
            Ok(Settings { revision, items: items.await? })
        })
    }

    /// How often anything was changed.
    pub fn settings_revision(&self) -> Boxed<'_, u64> {
        Box::pin(async move { self.read(&Revision).await })
    }

    /// Makes a change and writes the act down with it. The new revision; `None` where
    /// somebody else has changed something since `seen`, and then nothing is done.
    pub fn change_settings(
        &self,
        change: Change,
        act: Act,
        at: Timestamp,
    ) -> Boxed<'_, Option<u64>> {
        Box::pin(async move {
            let keys = self.keys();
            let Change { kind, name, body, seen } = change;
            let place = place(kind, &name);
            let sealed = body.map(|body| keys.seal("settings.sealed", &place, body)).transpose()?;
            let by = act.actor.clone();
            let act = SealedAct::seal(keys, act, at)?;
            let changed = self.write(Write { kind, name, sealed, seen, by, act, at }).await?;
            crash::point("settings.kept");
            Ok(changed)
        })
    }
}

fn place(kind: &str, name: &str) -> Vec<u8> {
    // No kind has a space in it.
    format!("{kind} {name}").into_bytes()
}

fn item(keys: &Keyring, row: &Row) -> Result<Item> {
    let (kind, name) = (row.text(0)?, row.text(1)?);
    let body = match keys.open("settings.sealed", &place(kind, name), row.blob(2)?) {
        Ok(body) => Some(body),
        Err(Error::Corrupt { .. }) => None,
        Err(error) => return Err(error),
    };
    Ok(Item {
        kind: kind.to_owned(),
        name: name.to_owned(),
        body,
        revision: row.int(3)?.unsigned_abs(),
        changed_at: Timestamp(row.int(4)?),
        changed_by: row.text(5)?.to_owned(),
    })
}

async fn revision(tx: &mut Tx<'_>) -> Result<u64> {
    let row = tx.row("SELECT revision FROM settings_revision WHERE id = 1", &[]).await?;
    row.map_or(Ok(0), |row| row.int(0).map(i64::unsigned_abs))
}

struct Revision;

impl Work for Revision {
    type Output = u64;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<u64> {
        revision(tx).await
    }
}

struct All;

impl Work for All {
    type Output = (u64, Vec<Row>);
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output> {
        const SQL: &str = "
            SELECT kind, name, sealed, revision, changed_at, changed_by FROM settings
            ORDER BY kind, name LIMIT ?1";
        // The revision first: whoever sees newer items under an older one looks again, and
        // is refused where they decide on it.
        let revision = revision(tx).await?;
        Ok((revision, tx.rows(SQL, &[ITEMS_MAX.into()]).await?))
    }
}

struct Write {
    kind: &'static str,
    name: String,
    sealed: Option<Vec<u8>>,
    seen: u64,
    by: String,
    act: SealedAct,
    at: Timestamp,
}

impl Work for Write {
    type Output = Option<u64>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<u64>> {
        // One statement: of two nodes that change something at once one waits for the other.
        // The first makes the row, and so is only for who saw that there was none.
        const FIRST: &str = "
            INSERT INTO settings_revision (id, revision) VALUES (1, ?2)
            ON CONFLICT (id) DO UPDATE SET revision = ?2
            WHERE settings_revision.revision = ?1";
        const NEXT: &str = "
            UPDATE settings_revision SET revision = ?2 WHERE id = 1 AND revision = ?1";
        const PUT: &str = "
            INSERT INTO settings (kind, name, sealed, revision, changed_at, changed_by)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6)
            ON CONFLICT (kind, name) DO UPDATE SET
                sealed = ?3, revision = ?4, changed_at = ?5, changed_by = ?6";
        const DELETE: &str = "DELETE FROM settings WHERE kind = ?1 AND name = ?2";
        tx.touched = Touched::Nothing;
        let seen = i64::try_from(self.seen).unwrap_or(i64::MAX - 1);
        let bump = if seen == 0 { FIRST } else { NEXT };
        if tx.execute(bump, &[seen.into(), (seen + 1).into()]).await? == 0 {
            return Ok(None);
        }
        crash::point("settings.bumped");
        let (kind, name) = (self.kind.into(), self.name.as_str().into());
        match &self.sealed {
            Some(sealed) => {
                let at = [(seen + 1).into(), self.at.0.into(), self.by.as_str().into()];
                let params: Vec<_> =
                    [kind, name, sealed[..].into()].into_iter().chain(at).collect();
                tx.execute(PUT, &params).await?;
            }
            None => {
                tx.execute(DELETE, &[kind, name]).await?;
            }
        }
        self.act.append(tx).await?;
        Ok(Some(self.seen + 1))
    }
}
