//! The end of a whole pass: who was not seen in it is gone. In bounded parts, so that
//! nobody waits long behind it; the sync remembers that it is under way.

use super::{ENDING, READING, drop_keys, split};
use crate::crash;
use crate::error::Result;
use crate::keys::Hash;
use crate::sql::{Touched, Tx, Work};
use crate::store::Store;
use crate::sync::copy::{GONE, PRESENT};
use crate::sync::run::{Hold, held};
use crate::sync::{Sync, sided};
use domain::Timestamp;

/// Pairs looked at, and marked, at once.
const LOOK: i64 = 20_000;
const PART: usize = 500;

/// What the end of a pass came to.
pub(super) struct Ended {
    pub(super) gone: u64,
    /// False: another holds the run.
    pub(super) is_whole: bool,
}

impl Store {
    /// Whoever takes a run ends the passes whose end was cut off.
    pub(in crate::sync) async fn finish_passes(&self, hold: Hold, now: Timestamp) -> Result<()> {
        let Some(sync) = self.sync_of(hold.sync).await? else { return Ok(()) };
        for side in [0, 1] {
            if sync.stages[side] == ENDING {
                self.end_pass(hold, &sync, side, now).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn end_pass(
        &self,
        hold: Hold,
        sync: &Sync,
        side: usize,
        now: Timestamp,
    ) -> Result<Ended> {
        let (mut gone, mut after) = (0, 0);
        let pass = sync.passes[side];
        while let Some((next, unseen)) =
            self.read_apart(Unseen { sync: sync.id, side, pass, after }).await?
        {
            for part in unseen.chunks(PART) {
                let work = MarkGone { hold, side, pass, unseen: part.to_vec() };
                let Some(marked) = self.write(work).await? else {
                    return Ok(Ended { gone, is_whole: false });
                };
                gone += marked;
            }
            after = next;
        }
        let is_whole = self.write(ReadOn { hold, side, now: now.0 }).await?;
        Ok(Ended { gone, is_whole })
    }
}

/// Pairs of a stretch that were not seen, with their keys; `None` behind the last stretch.
struct Unseen {
    sync: i64,
    side: usize,
    pass: i64,
    after: i64,
}

impl Work for Unseen {
    type Output = Option<(i64, Vec<(i64, Vec<Hash>)>)>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output> {
        const LAST: &str = "SELECT max(seq) FROM sync_pairs";
        const SQL: &str = "
            SELECT seq, own_keys FROM sync_pairs
            WHERE seq > ?1 AND seq <= ?2 AND sync = ?3 AND own_half = 1 AND own_pass < ?4 ORDER BY seq";
        let last = tx.row(LAST, &[]).await?.map_or(Ok(None), |row| row.opt_int(0))?;
        if last.is_none_or(|last| last <= self.after) {
            return Ok(None);
        }
        let until = self.after + LOOK;
        let params = [self.after.into(), until.into(), self.sync.into(), self.pass.into()];
        let rows = tx.rows(&sided(SQL, self.side), &params).await?;
        let unseen = rows.iter().map(|row| Ok((row.int(0)?, split(row.opt_blob(1)?)?)));
        Ok(Some((until, unseen.collect::<Result<_>>()?)))
    }
}

struct MarkGone {
    hold: Hold,
    side: usize,
    pass: i64,
    unseen: Vec<(i64, Vec<Hash>)>,
}

impl Work for MarkGone {
    type Output = Option<u64>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<u64>> {
        // Its copy stays until it is settled: only its id is read from it.
        const SQL: &str = "
            UPDATE sync_pairs SET turn = turn + 1, waits = 1, due_at = 0, tries = 0, failure = NULL,
                failure_note = NULL, failed_at = NULL, is_dead = 0, own_half = ?3, own_digest = NULL,
                own_revision = NULL, own_replaced = NULL, own_modified = NULL, own_keys = NULL,
                state = CASE WHEN state <> 2 THEN state WHEN other_half = 0 THEN 0 ELSE 1 END
            WHERE seq = ?1 AND own_half = ?4 AND own_pass < ?2";
        tx.touched = Touched::Nothing;
        if held(tx, self.hold).await?.is_none() {
            return Ok(None);
        }
        let (sql, mut gone) = (sided(SQL, self.side), 0);
        for (seq, keys) in &self.unseen {
            let params = [(*seq).into(), self.pass.into(), GONE.into(), PRESENT.into()];
            if tx.execute(&sql, &params).await? == 1 {
                drop_keys(tx, (self.hold.sync, self.side, *seq), keys, &[]).await?;
                gone += 1;
            }
        }
        crash::point("sync.unseen");
        Ok(Some(gone))
    }
}

struct ReadOn {
    hold: Hold,
    side: usize,
    now: i64,
}

impl Work for ReadOn {
    type Output = bool;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool> {
        const SQL: &str = "
            UPDATE syncs SET own_stage = ?2, updated_at = ?4 WHERE id = ?1 AND own_stage = ?3";
        tx.touched = Touched::Nothing;
        if held(tx, self.hold).await?.is_none() {
            return Ok(false);
        }
        let params = [self.hold.sync.into(), READING.into(), ENDING.into(), self.now.into()];
        tx.execute(&sided(SQL, self.side), &params).await?;
        crash::point("sync.passed");
        Ok(true)
    }
}
