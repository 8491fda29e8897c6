//! Records that were part of a pair before: merged into another, or replaced by one.

use super::Sync;
use super::copy::Whose;
use crate::error::{Boxed, Result};
use crate::keys::Hash;
use crate::sql::{Param, Tx, Work};
use crate::store::Store;

/// Records that are looked for at once.
const TOGETHER: usize = 16;

impl Store {
    /// For each of these records of a side, in order: the pair that it was part of before.
    pub fn pairs_before<'a>(
        &'a self,
        sync: &'a Sync,
        side: usize,
        ids: &'a [String],
    ) -> Boxed<'a, Vec<Option<i64>>> {
        Box::pin(async move {
            let (keys, side) = (self.keys(), side & 1);
            let whose =
                Whose { keys: &keys, sync: sync.id, side, connection: &sync.connections[side] };
            let records = ids.iter().map(|id| whose.record(id)).collect();
            self.read(&Before { sync: sync.id, side: i64::from(side == 1), records }).await
        })
    }
}

struct Before {
    sync: i64,
    side: i64,
    records: Vec<Hash>,
}

impl Work for Before {
    type Output = Vec<Option<i64>>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output> {
        const ANY: &str = "SELECT pair FROM sync_aliases WHERE sync = ?1 LIMIT 1";
        const SQL: &str = "
            SELECT record, pair FROM sync_aliases
            WHERE record IN (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
                AND sync = ?17 AND side = ?18";
        let mut found = vec![None; self.records.len()];
        if tx.row(ANY, &[self.sync.into()]).await?.is_none() {
            return Ok(found);
        }
        for (part, records) in self.records.chunks(TOGETHER).enumerate() {
            let Some(last) = records.last() else { continue };
            let mut params: Vec<Param<'_>> = records.iter().map(Param::from).collect();
            params.resize(TOGETHER, last.into());
            params.extend([self.sync, self.side].map(Param::from));
            for row in tx.rows(SQL, &params).await? {
                let record = row.hash(0)?;
                let of = records.iter().enumerate().filter(|(_, one)| **one == record);
                for (at, _) in of {
                    found[part * TOGETHER + at] = Some(row.int(1)?);
                }
            }
        }
        Ok(found)
    }
}
