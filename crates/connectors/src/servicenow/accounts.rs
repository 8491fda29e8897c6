//! What ServiceNow knows of an account that a record of another system is linked to.
//!
//! One request for many: the column that holds the link is compared with their ids.

use super::client::Client;
use super::mapping::{Data, ignored, is_asked, page, record, stored, text};
use super::query::{AnyOf, Name, Query, Term};
use async_trait::async_trait;
use kit::{Account, Accounts, Error, Lane};
use serde_json::Value as Json;
use std::sync::Arc;

/// Accounts in one request: their ids are short.
const BATCH_MAX: usize = 40;
/// Rows in one answer: a link of one's own may be on a few accounts.
const ROWS_MAX: u32 = 200;
/// Characters of an id by which an account is known elsewhere.
const LINK_MAX: usize = 40;

/// The accounts of one connection.
pub(super) struct Ledger {
    pub(super) client: Arc<Client>,
    pub(super) table: Name,
    /// The column by which an account is known elsewhere.
    pub(super) key: Name,
    pub(super) data: Data,
}

impl Ledger {
    /// Every column that is read.
    pub(super) fn fields(&self) -> Vec<Name> {
        let mut fields = vec![Name::fixed("sys_id"), Name::fixed("name")];
        for column in [self.key.clone()].into_iter().chain(self.data.columns()) {
            if !fields.contains(&column) {
                fields.push(column);
            }
        }
        fields
    }

    fn account(&self, row: &Json) -> Result<Account, Error> {
        let record = record(row)?;
        Ok(Account {
            name: text(row, "name"),
            url: page(&self.client.instance, &self.table, &record),
            data: self.data.of(row),
            record,
        })
    }
}

#[async_trait]
impl Accounts for Ledger {
    fn batch_max(&self) -> usize {
        BATCH_MAX
    }

    async fn find(&self, lane: Lane, ids: &[String]) -> Result<Vec<Option<Account>>, Error> {
        let mut found = Vec::with_capacity(ids.len());
        for batch in ids.chunks(BATCH_MAX) {
            let fits = |id: &&str| (1..=LINK_MAX).contains(&id.chars().count());
            let wanted: Vec<&str> = batch.iter().map(|id| id.trim()).filter(fits).collect();
            let Some(term) = Term::one_of(&self.key, wanted.iter().copied()) else {
                found.extend(batch.iter().map(|_| None));
                continue;
            };
            let mut query =
                Query::of(&self.table, vec![AnyOf::from(term)], self.fields(), ROWS_MAX)
                    .ordered(&[&Name::fixed("sys_id")]);
            query.with_display = !self.data.display.is_empty();
            let rows = self.client.rows(lane, &query).await?.rows;
            let key = self.key.as_str();
            let is_explained = |row: &Json| {
                stored(row, key).is_some_and(|held| wanted.iter().any(|id| is_asked(held, id)))
            };
            let is_trusted = rows.iter().all(is_explained);
            for id in batch {
                let held = rows.iter().find(|row| text(row, key).eq_ignore_ascii_case(id.trim()));
                if held.is_none() && !is_trusted {
                    return Err(ignored(&self.table));
                }
                // Of several with the same link always the same one answers.
                found.push(held.map(|row| self.account(row)).transpose()?);
            }
        }
        Ok(found)
    }
}
