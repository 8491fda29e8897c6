//! Knows accounts by the ids under which other systems link to them.
//!
//! By Zoho's own id, or by the field that an administrator named (`account_key`), such as
//! the number that an ERP gave. A number that several accounts have names none of them.

use super::client::{Client, record_id};
use super::coql::{Condition, Name, Query, ROWS_MAX, VALUES_MAX, name};
use super::mapping::AccountShape;
use async_trait::async_trait;
use kit::{Account, Accounts, Error, Lane};
use std::sync::Arc;

/// Longest link there can be: a single-line field holds no more.
const KEY_MAX: usize = 255;

/// The accounts of one organization.
pub(super) struct Ledger {
    pub(super) client: Arc<Client>,
    pub(super) shape: AccountShape,
    pub(super) key: Name,
}

#[async_trait]
impl Accounts for Ledger {
    fn batch_max(&self) -> usize {
        VALUES_MAX
    }

    async fn find(&self, lane: Lane, ids: &[String]) -> Result<Vec<Option<Account>>, Error> {
        let mut found = Vec::with_capacity(ids.len());
        for batch in ids.chunks(VALUES_MAX) {
            let rows = self.rows(lane, batch).await?;
            for id in batch {
                let own = |row: &&serde_json::Value| {
                    row[self.key.as_str()].as_str().is_some_and(|key| key.trim() == id)
                        || row[self.key.as_str()].as_u64().is_some_and(|key| key.to_string() == *id)
                };
                let mut own = rows.iter().filter(own);
                found.push(match (own.next(), own.next()) {
                    (Some(row), None) => Some(self.shape.account(row)?),
                    _ => None,
                });
            }
        }
        Ok(found)
    }
}

impl Ledger {
    async fn rows(&self, lane: Lane, ids: &[String]) -> Result<Vec<serde_json::Value>, Error> {
        let is_own = self.key.as_str() == "id";
        let fits = |id: &&str| match is_own {
            true => record_id(id).is_some(),
            false => (1..=KEY_MAX).contains(&id.chars().count()),
        };
        let ids = ids.iter().map(String::as_str).filter(fits);
        let mut fields = self.shape.fields.clone();
        if !fields.contains(&self.key) {
            fields.push(self.key.clone());
        }
        let mut rows = Vec::new();
        for condition in Condition::one_of(&self.key, ids) {
            let order = name("id");
            let query = Query::select(&name("Accounts"), &fields, &condition, &[&order], ROWS_MAX);
            rows.extend(self.client.rows(lane, &query).await?.0);
        }
        Ok(rows)
    }
}
