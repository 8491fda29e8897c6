//! One call, and those that arrived last.

use super::call_columns;
use crate::error::Result;
use crate::sql::{Row, Tx, Work};
use domain::CallId;

pub(crate) struct OneCall<'a> {
    pub(crate) id: &'a CallId,
}

impl Work for OneCall<'_> {
    type Output = Option<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<Row>> {
        tx.row(call_columns!("WHERE id = ?1"), &[self.id.as_str().into()]).await
    }
}

pub(super) struct RecentCalls {
    pub(super) limit: i64,
}

impl Work for RecentCalls {
    type Output = Vec<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        tx.rows(call_columns!("ORDER BY seq DESC LIMIT ?1"), &[self.limit.into()]).await
    }
}
