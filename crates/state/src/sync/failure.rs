//! Pairs that could not be settled: why, when they are tried again, and which are given up
//! until a person says otherwise.

use super::Pair;
use super::copy::{opened, pair_columns};
use crate::audit::{Act, Sealed};
use crate::crash;
use crate::error::{Boxed, Result};
use crate::keys::Keyring;
use crate::sql::{Row, Touched, Tx, Work};
use crate::store::Store;
use domain::Timestamp;

/// Why a pair could not be settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A stable word.
    pub class: String,
    /// What there is to know besides; nothing personal.
    pub note: Option<String>,
    /// When it is tried again.
    pub due_at: Timestamp,
    /// It is not, until somebody says so or a record changes.
    pub is_dead: bool,
}

/// A failure as it stands.
#[derive(Clone, PartialEq, Eq)]
pub struct Failed {
    pub pair: Pair,
    /// As it was last said.
    pub failure: Failure,
    pub failed_at: Timestamp,
}

/// What is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redrive {
    /// One pair.
    One(i64),
    /// Those of a class.
    Class(String),
    All,
}

/// Failures read at once, and tried again at once.
const PART: i64 = 500;

impl Store {
    /// Failures by their pair's seq, after a place, at most 500: of one sync, of one class
    /// or of all.
    pub fn sync_failures<'a>(
        &'a self,
        sync: i64,
        class: Option<&'a str>,
        after: i64,
        limit: usize,
    ) -> Boxed<'a, Vec<Failed>> {
        Box::pin(async move {
            let limit = i64::try_from(limit).unwrap_or(PART).min(PART);
            let rows = self.read(&List { sync, class, after, limit }).await?;
            let failed = |keys: &Keyring, (pair, failed): &(Row, Row)| {
                let failure = Failure {
                    class: failed.text(0)?.to_owned(),
                    note: failed.opt_text(1)?.map(str::to_owned),
                    due_at: Timestamp(failed.int(3)?),
                    is_dead: failed.int(4)? != 0,
                };
                let failed_at = Timestamp(failed.opt_int(2)?.unwrap_or_default());
                Ok(Failed { pair: opened(keys, pair)?, failure, failed_at })
            };
            self.unseal(|keys| rows.iter().map(|row| failed(keys, row)).collect()).await
        })
    }

    /// How many pairs have failed and are tried again, and how many are given up.
    pub fn count_failures(&self, sync: i64) -> Boxed<'_, (u64, u64)> {
        Box::pin(async move { self.read(&Count { sync }).await })
    }

    /// Tries failures again at once, with what their records are now, and writes down who
    /// said so. Returns how many.
    pub fn redrive_pairs(
        &self,
        sync: i64,
        which: Redrive,
        act: Act,
        now: Timestamp,
    ) -> Boxed<'_, u64> {
        Box::pin(async move {
            let mut act = Some(Sealed::seal(self.keys(), act, now)?);
            let (mut after, mut all) = (0, 0);
            loop {
                let which = which.clone();
                let work = Again { sync, which, after, act: act.take() };
                let (redriven, last) = self.write(work).await?;
                all += redriven;
                match last {
                    Some(last) => after = last,
                    None => return Ok(all),
                }
            }
        })
    }
}

struct List<'a> {
    sync: i64,
    class: Option<&'a str>,
    after: i64,
    limit: i64,
}

impl Work for List<'_> {
    type Output = Vec<(Row, Row)>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output> {
        const SQL: &str = "
            SELECT seq FROM sync_pairs
            WHERE failure IS NOT NULL AND sync = ?1 AND seq > ?2 AND (failure = ?4 OR ?4 = '')
            ORDER BY seq LIMIT ?3";
        const FAILED: &str = "SELECT failure, failure_note, failed_at, due_at, is_dead FROM sync_pairs WHERE seq = ?1";
        let class = self.class.unwrap_or_default();
        let params = [self.sync.into(), self.after.into(), self.limit.into(), class.into()];
        let mut found = Vec::new();
        for row in tx.rows(SQL, &params).await? {
            let seq = [row.int(0)?.into()];
            let failed = tx.row(FAILED, &seq).await?;
            let pair =
                tx.row(pair_columns!("WHERE seq = ?1 AND failure IS NOT NULL"), &seq).await?;
            found.extend(pair.zip(failed));
        }
        Ok(found)
    }
}

struct Count {
    sync: i64,
}

impl Work for Count {
    type Output = (u64, u64);
    async fn run(&self, tx: &mut Tx<'_>) -> Result<(u64, u64)> {
        const SQL: &str = "
            SELECT count(CASE WHEN is_dead = 0 THEN 1 END), count(CASE WHEN is_dead = 1 THEN 1 END)
            FROM sync_pairs WHERE failure IS NOT NULL AND sync = ?1";
        let Some(row) = tx.row(SQL, &[self.sync.into()]).await? else { return Ok((0, 0)) };
        Ok((row.int(0)?.unsigned_abs(), row.int(1)?.unsigned_abs()))
    }
}

struct Again {
    sync: i64,
    which: Redrive,
    after: i64,
    act: Option<Sealed>,
}

impl Work for Again {
    /// How many, and the last of them where there may be more.
    type Output = (u64, Option<i64>);

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output> {
        const SQL: &str = "
            SELECT seq FROM sync_pairs
            WHERE failure IS NOT NULL AND sync = ?1 AND seq > ?2 AND (failure = ?4 OR ?4 = '')
                AND (seq = ?5 OR ?5 = 0)
            ORDER BY seq LIMIT ?3";
        const AGAIN: &str = "
            UPDATE sync_pairs SET waits = 1, due_at = 0, tries = 0, is_dead = 0
            WHERE seq = ?1 AND failure IS NOT NULL";
        tx.touched = Touched::Nothing;
        let (class, one) = match &self.which {
            Redrive::One(seq) => ("", *seq),
            Redrive::Class(class) => (class.as_str(), 0),
            Redrive::All => ("", 0),
        };
        let params = [self.sync.into(), self.after.into(), PART.into(), class.into(), one.into()];
        let rows = tx.rows(SQL, &params).await?;
        let mut redriven = 0;
        for row in &rows {
            redriven += tx.execute(AGAIN, &[row.int(0)?.into()]).await?;
        }
        if let (Some(act), true) = (&self.act, redriven > 0) {
            act.append(tx).await?;
        }
        crash::point("sync.redriven");
        let is_full = rows.len() as u64 == PART.unsigned_abs();
        let last = rows.last().filter(|_| is_full).map(|row| row.int(0)).transpose()?;
        Ok((redriven, last))
    }
}
