//! Whom records may be the same as: pairs of the other side that have a key of theirs.

use super::copy::{Key, NEVER, PairState};
use super::sided;
use crate::error::{Boxed, Result};
use crate::keys::Hash;
use crate::sql::{Param, Tx, Work};
use crate::store::Store;
use std::collections::HashMap;

/// Candidates of one key that are told; more than these share it.
const CANDIDATES: i64 = 50;
const SHARED_MAX: i64 = 1000;

/// A pair with a record that is matched by one of the keys asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Which of the keys, by its index.
    pub key: usize,
    pub pair: i64,
    pub state: PairState,
    /// It has, or had, a record on the other side as well.
    pub is_linked: bool,
    /// Records of its side with this very key; counted up to 1,000.
    pub shared_by: u64,
}

/// Whom records may be the same as.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Others {
    pub found: Vec<Candidate>,
    /// Of each key: records of the own side that have it; counted up to 1,000.
    pub shared: Vec<u64>,
}

impl Store {
    /// Pairs whose record of the other side has one of the keys of records of `side`; of each
    /// key at most 50.
    pub fn others<'a>(&'a self, sync: i64, side: usize, keys: &'a [Key]) -> Boxed<'a, Others> {
        Box::pin(async move {
            let ring = self.keys();
            let keys = keys.iter().map(|key| key.hash(&ring)).collect();
            self.read(&FindOthers { sync, side: side & 1, keys }).await
        })
    }
}

struct FindOthers {
    sync: i64,
    /// Whose keys these are.
    side: usize,
    keys: Vec<Hash>,
}

impl Work for FindOthers {
    type Output = Others;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Others> {
        // Of both sides, and of several keys at once: a statement is a way to the server and
        // back, and where none has a key of the other side, nothing but the index is read.
        const SQL: &str = "
            SELECT hash, side, pair FROM sync_keys
            WHERE hash IN (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
                AND sync = ?17
            LIMIT ?18";
        let mut others = Others { found: Vec::new(), shared: vec![0; self.keys.len()] };
        // Key, pair, and how many records of the other side have the key.
        let mut found: Vec<(usize, i64, u64)> = Vec::new();
        for (part, hashes) in self.keys.chunks(TOGETHER).enumerate() {
            let Some(last) = hashes.last() else { continue };
            let mut params: Vec<Param<'_>> = hashes.iter().map(Param::from).collect();
            params.resize(TOGETHER, last.into());
            params.extend([self.sync, ROWS].map(Param::from));
            let rows = tx.rows(SQL, &params).await?;
            let is_cut = rows.len() as u64 == ROWS.unsigned_abs();
            for (at, hash) in hashes.iter().enumerate() {
                let key = part * TOGETHER + at;
                if is_cut {
                    // Perhaps more: each key by itself, so that none crowds out another.
                    others.shared[key] = self.shared(tx, hash, self.side).await?;
                    let shared_by = self.shared(tx, hash, 1 - self.side).await?;
                    let pairs = self.pairs(tx, hash).await?;
                    found.extend(pairs.into_iter().map(|pair| (key, pair, shared_by)));
                    continue;
                }
                let of_key = rows.iter().filter(|row| row.hash(0).is_ok_and(|one| one == *hash));
                let mut theirs = Vec::new();
                for row in of_key {
                    match row.int(1)? == number(self.side) {
                        true => others.shared[key] += 1,
                        false => theirs.push(row.int(2)?),
                    }
                }
                theirs.sort_unstable();
                let shared_by = theirs.len() as u64;
                theirs.truncate(usize::try_from(CANDIDATES).unwrap_or(usize::MAX));
                found.extend(theirs.into_iter().map(|pair| (key, pair, shared_by)));
            }
        }
        others.found = self.with_states(tx, found).await?;
        Ok(others)
    }
}

/// Keys, or pairs, that are looked for at once.
const TOGETHER: usize = 16;
/// Rows of them that are looked at; of more each key is looked for by itself.
const ROWS: i64 = 128;

fn number(side: usize) -> i64 {
    i64::from(side == 1)
}

impl FindOthers {
    /// How many records of a side have the key.
    async fn shared(&self, tx: &mut Tx<'_>, hash: &Hash, side: usize) -> Result<u64> {
        const SQL: &str = "
            SELECT count(*) FROM (
                SELECT pair FROM sync_keys WHERE hash = ?1 AND sync = ?2 AND side = ?3 LIMIT ?4) AS those";
        let params = [hash.into(), self.sync.into(), number(side).into(), SHARED_MAX.into()];
        let row = tx.row(SQL, &params).await?;
        Ok(row.map_or(Ok(0), |row| row.int(0))?.unsigned_abs())
    }

    /// Pairs whose record of the other side has the key.
    async fn pairs(&self, tx: &mut Tx<'_>, hash: &Hash) -> Result<Vec<i64>> {
        const SQL: &str = "
            SELECT pair FROM sync_keys WHERE hash = ?1 AND sync = ?2 AND side = ?3 ORDER BY pair LIMIT ?4";
        let side = number(1 - self.side);
        let params = [hash.into(), self.sync.into(), side.into(), CANDIDATES.into()];
        tx.rows(SQL, &params).await?.iter().map(|row| row.int(0)).collect()
    }

    /// Those found, with where their pairs stand.
    async fn with_states(
        &self,
        tx: &mut Tx<'_>,
        found: Vec<(usize, i64, u64)>,
    ) -> Result<Vec<Candidate>> {
        const SQL: &str = "
            SELECT seq, state, own_half FROM sync_pairs
            WHERE seq IN (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";
        let sql = sided(SQL, self.side);
        let mut pairs: Vec<i64> = found.iter().map(|(_, pair, _)| *pair).collect();
        pairs.sort_unstable();
        pairs.dedup();
        let mut stand: HashMap<i64, (PairState, bool)> = HashMap::with_capacity(pairs.len());
        for some in pairs.chunks(TOGETHER) {
            let Some(last) = some.last() else { continue };
            let mut params: Vec<Param<'_>> = some.iter().map(|pair| (*pair).into()).collect();
            params.resize(TOGETHER, (*last).into());
            for row in tx.rows(&sql, &params).await? {
                let is_linked = row.int(2)? != NEVER;
                stand.insert(row.int(0)?, (PairState::parse(row.int(1)?)?, is_linked));
            }
        }
        let candidate = |(key, pair, shared_by)| {
            let (state, is_linked) = *stand.get(&pair)?;
            Some(Candidate { key, pair, state, is_linked, shared_by })
        };
        Ok(found.into_iter().filter_map(candidate).collect())
    }
}
