//! Two records that are not one person after all: each gets a pair of its own again.

use crate::crash;
use crate::error::{Boxed, Error, Result};
use crate::sql::{Touched, Tx, Work};
use crate::store::Store;
use crate::sync::page::{add_keys, drop_keys, split};
use crate::sync::run::{Hold, held};
use crate::sync::sided;

impl Store {
    /// Takes the record of a side out of a pair into a new one, which is returned. Neither
    /// waits: nothing follows until one of them changes. `None` where the pair changed
    /// meanwhile, has no such record, or another holds the run.
    pub fn split_pair(
        &self,
        hold: Hold,
        (seq, turn): (i64, i64),
        side: usize,
    ) -> Boxed<'_, Option<i64>> {
        Box::pin(async move { self.write(Split { hold, seq, turn, side: side & 1 }).await })
    }
}

struct Split {
    hold: Hold,
    seq: i64,
    turn: i64,
    side: usize,
}

impl Work for Split {
    type Output = Option<i64>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<i64>> {
        const FIND: &str = "
            SELECT own_keys FROM sync_pairs
            WHERE seq = ?1 AND turn = ?2 AND sync = ?3 AND state <> 4 AND own_record IS NOT NULL
                AND other_record IS NOT NULL /*pg: FOR UPDATE */";
        // First without the record's hash, which only one pair may have.
        const NEW: &str = "
            INSERT INTO sync_pairs (sync, turn, state, waits, due_at, tries, is_dead, reviews, own_half,
                own_digest, own_revision, own_replaced, own_modified, own_pass, own_copy, own_keys,
                other_half, other_pass)
            SELECT sync, 1, CASE WHEN own_half = 2 THEN 3 ELSE 0 END, 0, 0, 0, 0, 0, own_half, own_digest,
                own_revision, own_replaced, own_modified, own_pass, own_copy, own_keys, 0, 0
            FROM sync_pairs WHERE seq = ?1 /*pg: RETURNING seq */";
        const RECORD: &str = "SELECT own_record FROM sync_pairs WHERE seq = ?1";
        const OLD: &str = "
            UPDATE sync_pairs SET turn = turn + 1, waits = 0, tries = 0, failure = NULL,
                failure_note = NULL, failed_at = NULL, is_dead = 0, base = NULL,
                state = CASE WHEN other_half = 2 THEN 3 ELSE 0 END, own_record = NULL, own_half = 0,
                own_digest = NULL, own_revision = NULL, own_replaced = NULL, own_modified = NULL,
                own_keys = NULL, own_copy = NULL
            WHERE seq = ?1";
        const GIVE: &str = "UPDATE sync_pairs SET own_record = ?2 WHERE seq = ?1";
        const REVIEWS: &str = "
            UPDATE sync_reviews SET state = CASE WHEN state = 0 THEN 2 ELSE 3 END
            WHERE pair = ?1 AND state IN (0, 1)";
        const PAIRS: &str = "UPDATE syncs SET pairs = pairs + 1 WHERE id = ?1";
        const GONE: Error = Error::Corrupt { what: "a pair that was just stored" };
        tx.touched = Touched::Nothing;
        if held(tx, self.hold).await?.is_none() {
            return Ok(None);
        }
        let (sync, of) = (self.hold.sync, |sql| sided(sql, self.side));
        let params = [self.seq.into(), self.turn.into(), sync.into()];
        let Some(row) = tx.row(&of(FIND), &params).await? else { return Ok(None) };
        let keys = split(row.opt_blob(0)?)?;
        let old = [self.seq.into()];
        let record = tx.row(&of(RECORD), &old).await?.ok_or(GONE)?.hash(0)?;
        let new = tx.insert(&of(NEW), &old).await?.ok_or(GONE)?.int(0)?;
        tx.execute(&of(OLD), &old).await?;
        tx.execute(&of(GIVE), &[new.into(), (&record).into()]).await?;
        tx.execute(REVIEWS, &old).await?;
        tx.execute(PAIRS, &[sync.into()]).await?;
        drop_keys(tx, (sync, self.side, self.seq), &keys, &[]).await?;
        add_keys(tx, (sync, self.side, new), &keys, &[]).await?;
        crash::point("sync.split");
        Ok(Some(new))
    }
}
