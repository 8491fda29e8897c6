//! An answer that took longer than was known when its call was stored.

use crate::error::{Boxed, Result};
use crate::sql::{Touched, Tx, Work};
use crate::store::Store;
use domain::CallId;

impl Store {
    /// Notes how long the answer has really taken, where that is longer than was stored.
    pub fn mark_late<'a>(&'a self, id: &'a CallId, took_us: u64) -> Boxed<'a, ()> {
        Box::pin(async move {
            let took_us = i64::try_from(took_us).unwrap_or(i64::MAX);
            self.write(MarkLate { id: id.clone(), took_us }).await
        })
    }
}

struct MarkLate {
    id: CallId,
    took_us: i64,
}

impl Work for MarkLate {
    type Output = ();
    async fn run(&self, tx: &mut Tx<'_>) -> Result<()> {
        const SQL: &str = "
            UPDATE calls SET answered_in_us = ?2 WHERE id = ?1 AND answered_in_us < ?2";
        tx.touched = Touched::Nothing;
        tx.execute(SQL, &[self.id.as_str().into(), self.took_us.into()]).await.map(drop)
    }
}
