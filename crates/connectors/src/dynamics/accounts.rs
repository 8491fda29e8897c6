//! What Dataverse knows of an account that a record of another system is linked to.
//!
//! One request for many: the column that holds the link is compared with their ids. An
//! account that is inactive is told as well, after those that are not.

use super::client::Client;
use super::mapping::{Shape, text};
use super::odata::{Filter, Guid, Name, Query};
use async_trait::async_trait;
use kit::{Account, Accounts, Error, Lane};
use serde_json::Value;
use std::sync::Arc;

/// Accounts in one request.
const BATCH_MAX: usize = 50;
/// Longest link that a column of text holds.
const LINK_MAX: usize = 100;

/// The accounts of one connection.
pub(super) struct Ledger {
    pub(super) client: Arc<Client>,
    pub(super) shape: Shape,
    /// The column by which an account is known elsewhere.
    pub(super) key: Name,
}

impl Ledger {
    fn is_by_id(&self) -> bool {
        self.key == self.shape.table.id()
    }

    /// The link as it is compared, or `None` when none can look like that.
    fn link(&self, id: &str) -> Option<String> {
        if self.is_by_id() {
            return Guid::new(id).map(|id| id.as_str().to_owned());
        }
        let id = id.trim().to_lowercase();
        (1..=LINK_MAX).contains(&id.chars().count()).then_some(id)
    }

    fn filter(&self, link: &str) -> Option<Filter> {
        if self.is_by_id() {
            return Guid::new(link).map(|id| Filter::id(&self.key, &id));
        }
        Some(Filter::text(&self.key, link))
    }

    /// The request for these accounts.
    pub(super) fn queries(&self, links: &[String]) -> Vec<Query> {
        let (select, expand) = self.shape.of_account(&self.key);
        let filters = links.iter().filter_map(|link| self.filter(link)).collect();
        let query = |filter| Query {
            set: self.shape.table.set(),
            filter: Some(filter),
            select: select.clone(),
            expand: expand.clone(),
            top: None,
        };
        Filter::packed(filters).into_iter().map(query).collect()
    }
}

#[async_trait]
impl Accounts for Ledger {
    fn batch_max(&self) -> usize {
        BATCH_MAX
    }

    async fn find(&self, lane: Lane, ids: &[String]) -> Result<Vec<Option<Account>>, Error> {
        let wanted: Vec<Option<String>> = ids.iter().map(|id| self.link(id)).collect();
        let mut asked: Vec<String> = wanted.iter().flatten().cloned().collect();
        asked.sort_unstable();
        asked.dedup();
        let mut rows = self.client.all(lane, self.queries(&asked)).await?;
        // Of several with the same link always the same one answers, an active one first.
        let state = |row: &Value| row.get("statecode").and_then(Value::as_i64).unwrap_or(0);
        let id = self.shape.table.id();
        rows.sort_by_key(|row| (state(row), text(row, id.as_str()).map(str::to_owned)));
        let row_of = |link: &String| {
            let own = |row: &&Value| text(row, self.key.as_str()).and_then(|own| self.link(own));
            rows.iter().find(|row| own(row).as_ref() == Some(link))
        };
        let account = |link: &Option<String>| {
            link.as_ref().and_then(row_of).map(|row| self.shape.account(row)).transpose()
        };
        wanted.iter().map(account).collect()
    }
}
