//! Erased people: what is kept of them goes, their pair stays as a tombstone. Nothing
//! rises again by it, and nothing is deleted elsewhere because of it.

use super::page::{drop_keys, split};
use super::{Logged, Pair, PairState, Review};
use crate::crash;
use crate::error::Result;
use crate::keys::{Hash, Keyring};
use crate::sql::{Row, Touched, Tx, Work};
use crate::store::Store;
use crate::subject::{Record, Removed};

/// What is kept of a person by one sync.
#[derive(Clone, PartialEq, Eq)]
pub struct Kept {
    pub sync: String,
    pub pair: Pair,
    pub journal: Vec<Logged>,
    pub reviews: Vec<Review>,
}

/// Pairs of one hash that are looked at: a number that more have is nobody's.
const PAIRS_MAX: i64 = 1000;

impl Store {
    /// What syncs keep of whoever is found by one of these hashes.
    pub(crate) async fn kept_by_syncs(&self, hashes: &[Hash]) -> Result<Vec<Kept>> {
        let mut kept = Vec::new();
        for (sync, seq) in self.read(&Found { hashes }).await? {
            let Some(of) = self.sync_of(sync).await? else { continue };
            for pair in self.pairs_at(sync, &[seq]).await? {
                let journal = self.journal_of_pair(seq, None, usize::MAX).await?;
                let reviews = self.reviews_of(seq).await?;
                kept.push(Kept { sync: of.name.clone(), pair, journal, reviews });
            }
        }
        Ok(kept)
    }

    /// The records, of both sides, of whoever is found by one of these hashes.
    pub(crate) async fn records_of_syncs(&self, hashes: &[Hash]) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        for (sync, seq) in self.read(&Found { hashes }).await? {
            let Some(of) = self.sync_of(sync).await? else { continue };
            for pair in self.pairs_at(sync, &[seq]).await? {
                for (half, connection) in pair.halves.iter().zip(&of.connections) {
                    let connection = connection.clone();
                    let record = half.id().map(str::to_owned);
                    records.extend(record.map(|record| Record { connection, record }));
                }
            }
        }
        Ok(records)
    }
}

/// Sync and seq of pairs that have one of the hashes and are not erased.
struct Found<'a> {
    hashes: &'a [Hash],
}

impl Work for Found<'_> {
    type Output = Vec<(i64, i64)>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output> {
        let mut found = Vec::new();
        for hash in self.hashes {
            found.extend(pairs_of(tx, hash).await?);
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }
}

/// Pairs that have this hash as a record's, an alias' or what they are matched by.
async fn pairs_of(tx: &mut Tx<'_>, hash: &Hash) -> Result<Vec<(i64, i64)>> {
    const LEFT: &str = "SELECT sync, seq, state FROM sync_pairs WHERE left_record = ?1 LIMIT ?2";
    const RIGHT: &str = "SELECT sync, seq, state FROM sync_pairs WHERE right_record = ?1 LIMIT ?2";
    const ALIAS: &str = "
        SELECT sync_pairs.sync, seq, state FROM sync_aliases JOIN sync_pairs ON seq = pair
        WHERE record = ?1 LIMIT ?2";
    const KEY: &str = "
        SELECT sync_pairs.sync, seq, state FROM sync_keys JOIN sync_pairs ON seq = pair
        WHERE hash = ?1 LIMIT ?2";
    let mut found = Vec::new();
    for sql in [LEFT, RIGHT, ALIAS, KEY] {
        for row in tx.rows(sql, &[hash.into(), PAIRS_MAX.into()]).await? {
            if row.int(2)? != PairState::Erased.number() {
                found.push((row.int(0)?, row.int(1)?));
            }
        }
    }
    Ok(found)
}

/// Reviews after a place: id, uid, what they are about, the decision. They may name others
/// than those whose pair it is.
pub(crate) struct Reviews {
    pub(crate) after: i64,
}

impl Work for Reviews {
    type Output = Vec<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        const SQL: &str = "
            SELECT id, uid, sealed, decision FROM sync_reviews WHERE id > ?1 ORDER BY id LIMIT 500";
        tx.rows(SQL, &[self.after.into()]).await
    }
}

/// What a row of [`Reviews`] is about, and what was decided.
pub(crate) fn review_texts(keys: &Keyring, row: &Row) -> Result<[Vec<u8>; 2]> {
    let uid = row.hash(1)?;
    let decision = row.opt_blob(3)?;
    let open = |cell| keys.open("sync_reviews.decision", &uid, cell);
    let about = keys.open("sync_reviews.sealed", &uid, row.blob(2)?)?;
    Ok([about, decision.map(open).transpose()?.unwrap_or_default()])
}

/// Reviews go, and what they were about is looked at anew.
pub(crate) struct RemoveReviews {
    pub(crate) ids: Vec<i64>,
}

impl Work for RemoveReviews {
    type Output = u64;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<u64> {
        const PAIR: &str = "
            UPDATE sync_pairs SET turn = turn + 1, waits = 1, due_at = 0,
                state = CASE WHEN state <> 2 THEN state
                    WHEN left_half = 0 OR right_half = 0 THEN 0 ELSE 1 END
            WHERE state <> 4 AND seq IN (SELECT pair FROM sync_reviews WHERE id = ?1 AND state = 0)";
        tx.touched = Touched::Nothing;
        let mut removed = 0;
        for id in &self.ids {
            tx.execute(PAIR, &[(*id).into()]).await?;
            removed +=
                tx.execute("DELETE FROM sync_reviews WHERE id = ?1", &[(*id).into()]).await?;
        }
        crash::point("sweep.reviews");
        Ok(removed)
    }
}

/// Takes away what is kept of whoever is found by this hash.
pub(crate) async fn erase_found(tx: &mut Tx<'_>, hash: &Hash, removed: &mut Removed) -> Result<()> {
    for (_, seq) in pairs_of(tx, hash).await? {
        let (journal, reviews) = erase_pair(tx, seq).await?;
        let counts = [("sync_pairs", 1), ("sync_journal", journal), ("sync_reviews", reviews)];
        for (table, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            *removed.entry(table).or_default() += count;
        }
        crash::point("sweep.syncs");
    }
    Ok(())
}

/// Takes away everything of a pair but the hashes of its records. How many entries of the
/// journal and reviews went with it.
pub(crate) async fn erase_pair(tx: &mut Tx<'_>, seq: i64) -> Result<(u64, u64)> {
    const KEYS: &str = "SELECT sync, left_keys, right_keys FROM sync_pairs WHERE seq = ?1";
    const PAIR: &str = "
        UPDATE sync_pairs SET turn = turn + 1, state = 4, waits = 0, tries = 0, failure = NULL,
            failure_note = NULL, failed_at = NULL, is_dead = 0, reviews = 0, left_half = 0,
            right_half = 0, left_digest = NULL, right_digest = NULL, left_revision = NULL,
            right_revision = NULL, left_replaced = NULL, right_replaced = NULL, left_modified = NULL,
            right_modified = NULL, left_keys = NULL, right_keys = NULL, left_copy = NULL,
            right_copy = NULL, base = NULL, in_doubt = 0
        WHERE seq = ?1";
    const ALIASES: &str = "DELETE FROM sync_aliases WHERE pair = ?1";
    const JOURNAL: &str = "DELETE FROM sync_journal WHERE pair = ?1";
    const REVIEWS: &str = "DELETE FROM sync_reviews WHERE pair = ?1";
    let Some(row) = tx.row(KEYS, &[seq.into()]).await? else { return Ok((0, 0)) };
    for side in [0, 1] {
        let keys: Vec<Hash> = split(row.opt_blob(1 + side)?)?;
        drop_keys(tx, (row.int(0)?, side, seq), &keys, &[]).await?;
    }
    tx.execute(ALIASES, &[seq.into()]).await?;
    let journal = tx.execute(JOURNAL, &[seq.into()]).await?;
    let reviews = tx.execute(REVIEWS, &[seq.into()]).await?;
    tx.execute(PAIR, &[seq.into()]).await?;
    Ok((journal, reviews))
}
