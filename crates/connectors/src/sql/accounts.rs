//! What the database knows of an account that a record of another system is linked to:
//! open invoices beside a CRM, for example.

use super::database::Database;
use super::queries::Queries;
use super::statement::Statement;
use async_trait::async_trait;
use kit::{Account, Accounts, Error, Lane};
use std::sync::Arc;

/// Longest id that is asked for.
const ID_MAX: usize = 254;

/// The accounts of one connection.
pub(super) struct Ledger {
    pub(super) database: Arc<dyn Database>,
    pub(super) queries: Arc<Queries>,
    pub(super) statement: Statement,
}

#[async_trait]
impl Accounts for Ledger {
    async fn find(&self, lane: Lane, ids: &[String]) -> Result<Vec<Option<Account>>, Error> {
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            found.push(self.account(lane, id.trim()).await?);
        }
        Ok(found)
    }
}

impl Ledger {
    /// The first row of the query. A sum over all invoices of nobody is a row as well: it has
    /// no `record`, where the query names one.
    async fn account(&self, lane: Lane, id: &str) -> Result<Option<Account>, Error> {
        if !(1..=ID_MAX).contains(&id.len()) {
            return Ok(None);
        }
        let arguments = self.statement.arguments(&[("account", id.into())])?;
        let rows = match self.database.rows(lane, &self.statement, arguments).await {
            Err(Error::NotFound) => return Ok(None),
            rows => rows?,
        };
        let columns = &self.queries.columns;
        let Some(row) = rows.first() else { return Ok(None) };
        let names_it = row.get(columns.column("record")).is_some();
        if names_it && columns.text(row, "record").is_none() {
            return Ok(None);
        }
        Ok(Some(columns.account(row, id)))
    }
}
