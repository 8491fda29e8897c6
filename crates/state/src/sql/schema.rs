//! Brings a store up to this binary's schema, or refuses it untouched.
//!
//! Migrations are numbered SQL files, one set per engine, embedded here. They
//! and the first keys are applied in one transaction: a store is either ready
//! or as it was. Checked first: that no newer binary has been here, and that
//! the master key opens it.

use super::{Tx, Work};
use crate::error::{Error, Result};
use crate::keys::{Keyring, MasterKey};
use domain::Timestamp;

pub(crate) struct Migration {
    version: i64,
    pub(crate) sqlite: &'static str,
    pub(crate) postgres: &'static str,
}

macro_rules! migration {
    ($version:literal, $file:literal) => {
        Migration {
            version: $version,
            sqlite: include_str!(concat!("../../migrations/sqlite/", $file)),
            postgres: include_str!(concat!("../../migrations/postgres/", $file)),
        }
    };
}

/// Ascending; what has been released is never edited.
pub(crate) const MIGRATIONS: &[Migration] = &[
    migration!(1, "0001_foundation.sql"),
    migration!(2, "0002_corrections.sql"),
    migration!(3, "0003_access.sql"),
    migration!(4, "0004_events.sql"),
    migration!(5, "0005_customers.sql"),
    migration!(6, "0006_feed.sql"),
    migration!(7, "0007_reconcile.sql"),
    migration!(8, "0008_subjects.sql"),
    migration!(10, "0010_reports.sql"),
    migration!(20, "0020_tokens.sql"),
    migration!(21, "0021_alerts.sql"),
    migration!(22, "0022_actions.sql"),
    migration!(23, "0023_settings.sql"),
    migration!(24, "0024_crosswalk.sql"),
    migration!(25, "0025_rules.sql"),
    migration!(26, "0026_sync.sql"),
    migration!(27, "0027_drift.sql"),
    migration!(28, "0028_sync_feeds.sql"),
    migration!(29, "0029_doubts.sql"),
    migration!(30, "0030_nudges.sql"),
    migration!(31, "0031_presence.sql"),
    migration!(32, "0032_users.sql"),
    migration!(33, "0033_history.sql"),
    migration!(34, "0034_alert_turns.sql"),
    migration!(35, "0035_shadow.sql"),
];

/// Two nodes that start at once take turns. The number is ours, chosen freely.
const POSTGRES_LOCK: &str = "SELECT 1 FROM (SELECT pg_advisory_xact_lock(7465656)) AS taken";

/// Makes the store ready and hands out its keys.
pub(crate) struct Prepare<'a> {
    pub(crate) master: &'a MasterKey,
    pub(crate) now: Timestamp,
}

impl Work for Prepare<'_> {
    type Output = Keyring;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Keyring> {
        take_turns(tx).await?;
        let version = version(tx).await?;
        refuse_newer(version)?;
        if version > 0 {
            Keyring::load(tx, self.master).await?; // the wrong key is noticed before anything changes
        }
        upgrade(tx, version, self.now).await?;
        if let Some(keys) = Keyring::load(tx, self.master).await? {
            return Ok(keys);
        }
        Keyring::create(tx, self.master, self.now).await?;
        let keys = Keyring::load(tx, self.master).await?;
        keys.ok_or(Error::Corrupt { what: "the keys just made" })
    }
}

/// Waits until no other node is changing the schema, for this transaction.
pub(crate) async fn take_turns(tx: &mut Tx<'_>) -> Result<()> {
    if tx.is_postgres() {
        tx.execute(POSTGRES_LOCK, &[]).await?;
    }
    Ok(())
}

/// Applies what is missing after `version`.
pub(crate) async fn upgrade(tx: &mut Tx<'_>, version: i64, now: Timestamp) -> Result<()> {
    const TABLE: &str = "CREATE TABLE schema_version (version BIGINT NOT NULL PRIMARY KEY, applied_at BIGINT NOT NULL)";
    const APPLIED: &str = "INSERT INTO schema_version (version, applied_at) VALUES (?1, ?2)";
    if version == 0 {
        tx.execute(TABLE, &[]).await?;
    }
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > version) {
        tx.batch(migration.sqlite, migration.postgres).await?;
        tx.execute(APPLIED, &[migration.version.into(), now.0.into()]).await?;
    }
    Ok(())
}

/// The schema this binary makes.
pub(crate) fn latest() -> i64 {
    MIGRATIONS.last().map_or(0, |migration| migration.version)
}

pub(crate) fn refuse_newer(version: i64) -> Result<()> {
    if version > latest() {
        return Err(Error::NewerSchema { store: version, binary: latest() });
    }
    Ok(())
}

/// The schema the store has; 0 for an empty one.
pub(crate) async fn version(tx: &mut Tx<'_>) -> Result<i64> {
    let is_there = if tx.is_postgres() {
        "SELECT 1::BIGINT FROM pg_tables WHERE tablename = 'schema_version' AND schemaname = current_schema()"
    } else {
        "SELECT 1 FROM sqlite_master WHERE name = 'schema_version'"
    };
    if tx.row(is_there, &[]).await?.is_none() {
        return Ok(0);
    }
    let last =
        tx.row("SELECT version FROM schema_version ORDER BY version DESC LIMIT 1", &[]).await?;
    last.map_or(Ok(0), |row| row.int(0))
}
