//! The copy of one left record, by its sync's name: on the call's path, in one read.

use super::copy::{Copy, Half, PRESENT, Whose};
use crate::error::{Boxed, Result};
use crate::keys::Hash;
use crate::sql::{Row, Tx, Work};
use crate::store::Store;

impl Store {
    /// A left record as the sync of this name has it; `None` where it has none.
    pub fn left_copy<'a>(
        &'a self,
        name: &'a str,
        connection: &'a str,
        record: &'a str,
    ) -> Boxed<'a, Option<Copy>> {
        Box::pin(async move {
            let keys = self.keys();
            let hash = Whose { keys: &keys, sync: 0, side: 0, connection }.record(record);
            let Some(row) = self.read(&Find { name, connection, record: hash }).await? else {
                return Ok(None);
            };
            let sync = row.int(0)?;
            let opened = self
                .unseal(|keys| {
                    let whose = Whose { keys, sync, side: 0, connection };
                    whose.open(PRESENT, &hash, row.blob(1)?)
                })
                .await?;
            Ok(match opened.0 {
                Half::Present(copy) => Some(copy),
                _ => None,
            })
        })
    }
}

struct Find<'a> {
    name: &'a str,
    connection: &'a str,
    record: Hash,
}

impl Work for Find<'_> {
    type Output = Option<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<Row>> {
        const SQL: &str = "
            SELECT syncs.id, left_copy FROM syncs JOIN sync_pairs ON sync = syncs.id
            WHERE left_record = ?1 AND name = ?2 AND left_connection = ?3 AND left_half = 1";
        let params = [(&self.record).into(), self.name.into(), self.connection.into()];
        tx.row(SQL, &params).await
    }
}
