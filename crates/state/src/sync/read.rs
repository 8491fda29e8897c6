//! What a run reads: pairs that wait, who might be the same person, a record's pair.

use super::copy::{Pair, Whose, opened, pair_columns};
use super::review::{Review, of_pair};
use super::{Sync, sided};
use crate::error::{Boxed, Result};
use crate::keys::Hash;
use crate::sql::{Row, Tx, Work};
use crate::store::Store;
use domain::Timestamp;

/// How much there is to be settled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    pub pairs: u64,
    /// Of these: a record is gone, left and right.
    pub gone: [u64; 2],
}

/// Pairs read at once.
const PAIRS_MAX: i64 = 1000;

impl Store {
    /// Pairs that are to be settled now, by seq, after a place, at most 1,000. Those that
    /// are held or given up do not wait.
    pub fn waiting_pairs(
        &self,
        sync: i64,
        after: i64,
        limit: usize,
        now: Timestamp,
    ) -> Boxed<'_, Vec<Pair>> {
        Box::pin(async move {
            let limit = i64::try_from(limit).unwrap_or(PAIRS_MAX).min(PAIRS_MAX);
            let found = self.read_apart(WaitingWork { sync, after, limit, now: now.0 }).await?;
            self.open_pairs(found).await
        })
    }

    /// Pairs with a write of which nobody knows whether it was done, whether they wait or are
    /// given up, by seq, after a place, at most 1,000.
    pub fn pairs_in_doubt(&self, sync: i64, after: i64, limit: usize) -> Boxed<'_, Vec<Pair>> {
        Box::pin(async move {
            let limit = i64::try_from(limit).unwrap_or(PAIRS_MAX).min(PAIRS_MAX);
            let found = self.read_apart(InDoubt { sync, after, limit }).await?;
            self.open_pairs(found).await
        })
    }

    /// Every pair by seq, after a place, at most 1,000.
    pub fn pairs_after(&self, sync: i64, after: i64, limit: usize) -> Boxed<'_, Vec<Pair>> {
        Box::pin(async move {
            let limit = i64::try_from(limit).unwrap_or(PAIRS_MAX).min(PAIRS_MAX);
            let found = self.read_apart(After { sync, after, limit }).await?;
            self.open_pairs(found).await
        })
    }

    /// These pairs, as far as they are there, in the order asked for.
    pub fn pairs_at<'a>(&'a self, sync: i64, seqs: &'a [i64]) -> Boxed<'a, Vec<Pair>> {
        Box::pin(async move {
            let found = self.read(&At { sync, seqs }).await?;
            self.open_pairs(found).await
        })
    }

    /// The pair of a record, also of one that was merged into another.
    pub fn pair_of<'a>(
        &'a self,
        sync: &'a Sync,
        side: usize,
        id: &'a str,
    ) -> Boxed<'a, Option<Pair>> {
        Box::pin(async move {
            let (keys, side) = (self.keys(), side & 1);
            let connection = &sync.connections[side];
            let record = Whose { keys: &keys, sync: sync.id, side, connection }.record(id);
            let found = self.read(&Of { sync: sync.id, side, record }).await?;
            Ok(self.open_pairs(found).await?.pop())
        })
    }

    /// How much there is to be settled, whenever it is due: for the brake. Reads all of it.
    pub fn waiting_counts(&self, sync: i64) -> Boxed<'_, Waiting> {
        Box::pin(async move { self.read_apart(CountWaiting { sync }).await })
    }

    pub(super) async fn open_pairs(&self, found: Found) -> Result<Vec<Pair>> {
        let Found { rows, decided } = found;
        let mut pairs = self
            .unseal(|keys| rows.iter().map(|row| opened(keys, row)).collect::<Result<Vec<_>>>())
            .await?;
        for (at, rows) in decided {
            let open = |row| super::review::opened_by(self, row);
            let mut decisions: Vec<Review> = Vec::with_capacity(rows.len());
            for row in &rows {
                decisions.push(open(row).await?);
            }
            pairs[at].decisions = decisions;
        }
        Ok(pairs)
    }
}

/// Rows of pairs, and by their index the decisions about them.
#[derive(Default)]
pub(super) struct Found {
    rows: Vec<Row>,
    decided: Vec<(usize, Vec<Row>)>,
}

impl Found {
    async fn of(tx: &mut Tx<'_>, rows: Vec<Row>) -> Result<Self> {
        let mut decided = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            let (has_reviews, waits) = (row.int(8)? != 0, row.int(4)? != 0);
            if has_reviews && waits {
                decided.push((at, of_pair(tx, row.int(0)?).await?));
            }
        }
        Ok(Self { rows, decided })
    }
}

struct WaitingWork {
    sync: i64,
    after: i64,
    limit: i64,
    now: i64,
}

impl Work for WaitingWork {
    type Output = Found;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Found> {
        let sql = pair_columns!(
            "WHERE waits = 1 AND sync = ?1 AND seq > ?2 AND due_at <= ?4 ORDER BY seq LIMIT ?3"
        );
        let params = [self.sync.into(), self.after.into(), self.limit.into(), self.now.into()];
        let rows = tx.rows(sql, &params).await?;
        Found::of(tx, rows).await
    }
}

struct InDoubt {
    sync: i64,
    after: i64,
    limit: i64,
}

impl Work for InDoubt {
    type Output = Found;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Found> {
        let sql =
            pair_columns!("WHERE in_doubt = 1 AND sync = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3");
        let rows = tx.rows(sql, &[self.sync.into(), self.after.into(), self.limit.into()]).await?;
        Found::of(tx, rows).await
    }
}

struct After {
    sync: i64,
    after: i64,
    limit: i64,
}

impl Work for After {
    type Output = Found;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Found> {
        let sql = pair_columns!("WHERE seq > ?2 AND sync = ?1 ORDER BY seq LIMIT ?3");
        let rows = tx.rows(sql, &[self.sync.into(), self.after.into(), self.limit.into()]).await?;
        Found::of(tx, rows).await
    }
}

struct At<'a> {
    sync: i64,
    seqs: &'a [i64],
}

impl Work for At<'_> {
    type Output = Found;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Found> {
        let mut rows = Vec::with_capacity(self.seqs.len());
        for seq in self.seqs {
            let sql = pair_columns!("WHERE seq = ?1 AND sync = ?2");
            rows.extend(tx.row(sql, &[(*seq).into(), self.sync.into()]).await?);
        }
        Found::of(tx, rows).await
    }
}

struct Of {
    sync: i64,
    side: usize,
    record: Hash,
}

impl Work for Of {
    type Output = Found;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Found> {
        const ALIAS: &str = "
            SELECT pair FROM sync_aliases WHERE record = ?1 AND sync = ?2 AND side = ?3";
        let sql = sided(pair_columns!("WHERE own_record = ?1 AND sync = ?2"), self.side);
        let record = [(&self.record).into(), self.sync.into()];
        if let Some(row) = tx.row(&sql, &record).await? {
            return Found::of(tx, vec![row]).await;
        }
        let side = i64::from(self.side == 1);
        let params = [(&self.record).into(), self.sync.into(), side.into()];
        let Some(row) = tx.row(ALIAS, &params).await? else { return Ok(Found::default()) };
        At { sync: self.sync, seqs: &[row.int(0)?] }.run(tx).await
    }
}

struct CountWaiting {
    sync: i64,
}

impl Work for CountWaiting {
    type Output = Waiting;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Waiting> {
        const SQL: &str = "
            SELECT count(*), count(CASE WHEN left_half = 2 THEN 1 END),
                count(CASE WHEN right_half = 2 THEN 1 END)
            FROM sync_pairs WHERE waits = 1 AND sync = ?1";
        let Some(row) = tx.row(SQL, &[self.sync.into()]).await? else {
            return Ok(Waiting::default());
        };
        let number = |at| row.int(at).map(i64::unsigned_abs);
        Ok(Waiting { pairs: number(0)?, gone: [number(1)?, number(2)?] })
    }
}
