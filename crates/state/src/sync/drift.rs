//! How far the two sides of a sync are apart, as it was measured: figures and the names of
//! fields, nothing of anybody. Which pairs are looked at is drawn by [`sample`].

mod sample;

use super::run::{Hold, held};
use crate::error::{Boxed, Error, Result};
use crate::sql::{Row, Touched, Tx, Work};
use crate::store::Store;
use domain::Timestamp;
use std::collections::BTreeMap;

/// One measurement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// Its run.
    pub run: i64,
    pub at: Timestamp,
    /// Pairs that were drawn.
    pub sampled: u64,
    /// Of these: compared.
    pub compared: u64,
    /// Of these: not compared, because they wait, are in conflict, or changed just now.
    pub pending: u64,
    /// Of those compared: with any difference.
    pub differing: u64,
    /// Of those that differ: the record of the left, or the right, is not there.
    pub missing: [u64; 2],
    /// By field of the map, how often the left and the right have moved away from what was
    /// agreed on.
    pub fields: BTreeMap<String, [u64; 2]>,
}

/// Measurements of a sync that are kept: more than a year of days.
const KEPT: i64 = 400;

impl Store {
    /// Keeps a measurement, and forgets the oldest. False when another holds the run.
    pub fn keep_drift(&self, hold: Hold, drift: Drift, now: Timestamp) -> Boxed<'_, bool> {
        Box::pin(async move {
            let fields = serde_json::to_string(&drift.fields)
                .map_err(|_| Error::Corrupt { what: "names of fields" })?;
            self.write(Keep { hold, drift, fields, now: now.0 }).await
        })
    }

    /// What was measured of a sync, newest first, at most 400.
    pub fn drifts(&self, sync: i64, limit: usize) -> Boxed<'_, Vec<Drift>> {
        Box::pin(async move {
            let limit = i64::try_from(limit).unwrap_or(KEPT).min(KEPT);
            self.read(&Kept { sync, limit }).await?.iter().map(opened).collect()
        })
    }
}

fn opened(row: &Row) -> Result<Drift> {
    let number = |at| row.int(at).map(i64::unsigned_abs);
    Ok(Drift {
        run: row.int(0)?,
        at: Timestamp(row.int(1)?),
        sampled: number(2)?,
        compared: number(3)?,
        pending: number(4)?,
        differing: number(5)?,
        missing: [number(6)?, number(7)?],
        fields: serde_json::from_str(row.text(8)?)
            .map_err(|_| Error::Corrupt { what: "names of fields" })?,
    })
}

struct Keep {
    hold: Hold,
    drift: Drift,
    fields: String,
    now: i64,
}

impl Work for Keep {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool> {
        const SQL: &str = "
            INSERT INTO sync_drift (sync, run, at, sampled, compared, pending, differing, left_missing,
                right_missing, fields)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        const FORGET: &str = "
            DELETE FROM sync_drift WHERE sync = ?1 AND id <= (
                SELECT id FROM sync_drift WHERE sync = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";
        tx.touched = Touched::Nothing;
        if held(tx, self.hold).await?.is_none() {
            return Ok(false);
        }
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX).into();
        let (drift, sync) = (&self.drift, self.hold.sync);
        let params = [
            sync.into(),
            self.hold.run.into(),
            self.now.into(),
            number(drift.sampled),
            number(drift.compared),
            number(drift.pending),
            number(drift.differing),
            number(drift.missing[0]),
            number(drift.missing[1]),
            self.fields.as_str().into(),
        ];
        tx.execute(SQL, &params).await?;
        tx.execute(FORGET, &[sync.into(), KEPT.into()]).await?;
        Ok(true)
    }
}

struct Kept {
    sync: i64,
    limit: i64,
}

impl Work for Kept {
    type Output = Vec<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        const SQL: &str = "
            SELECT run, at, sampled, compared, pending, differing, left_missing, right_missing, fields
            FROM sync_drift WHERE sync = ?1 ORDER BY id DESC LIMIT ?2";
        tx.rows(SQL, &[self.sync.into(), self.limit.into()]).await
    }
}
