//! What NetSuite knows of a customer that a record of another system is linked to.
//!
//! One query for many: the column that holds the link is compared with their ids. Where
//! open invoices are configured, a second one counts them. Inactive customers are told as
//! well, after those that are active.

use super::client::Client;
use super::mapping::{Shape, number, record, text};
use super::suiteql::{Condition, Id, Name, Query};
use async_trait::async_trait;
use domain::Value;
use kit::{Account, Accounts, Error, Lane};
use serde_json::Value as Json;
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
    pub(super) invoices: Invoices,
}

/// Under which names open invoices are told; none is not asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Invoices {
    pub(super) count: Option<String>,
    pub(super) due: Option<String>,
}

impl Ledger {
    /// The link as it is compared, or `None` when none can look like that.
    fn link(&self, id: &str) -> Option<String> {
        if self.key.as_str() == "id" {
            return Id::new(id).map(Id::text);
        }
        let id = id.trim().to_lowercase();
        (1..=LINK_MAX).contains(&id.chars().count()).then_some(id)
    }

    /// The requests for these accounts.
    pub(super) fn queries(&self, links: &[String]) -> Vec<Query> {
        let condition = |link: &String| match self.key.as_str() {
            "id" => Condition::ids(&self.key, &[Id::new(link)?]),
            _ => Some(Condition::text(&self.key, link)),
        };
        let columns = self.shape.of_account(&self.key);
        let conditions = links.iter().filter_map(condition).collect();
        let packs = Condition::packed(conditions).into_iter();
        packs
            .map(|pack| Query::select(&self.shape.table.name(), &columns, Some(&pack), None))
            .collect()
    }

    /// How many invoices of these customers are open, and what is due.
    pub(super) async fn open(&self, lane: Lane, customers: &[Id]) -> Result<Vec<Json>, Error> {
        if self.invoices == Invoices::default() {
            return Ok(Vec::new());
        }
        match Query::open_invoices(customers) {
            Some(query) => self.client.rows(lane, &query).await,
            None => Ok(Vec::new()),
        }
    }

    fn account(&self, row: &Json, open: &[Json]) -> Result<Account, Error> {
        let mut account = self.shape.account(row)?;
        let of = open.iter().find(|one| text(one, "entity") == Some(account.record.as_str()));
        let told = |column: &str| of.and_then(|one| text(one, column)).and_then(number);
        for (name, column) in [(&self.invoices.count, "invoices"), (&self.invoices.due, "due")] {
            if let Some(name) = name {
                // A customer without open invoices has no row.
                account.data.insert(name.clone(), told(column).unwrap_or(Value::Integer(0)));
            }
        }
        Ok(account)
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
        let mut rows = self.client.all(lane, self.queries(&asked)).await?.concat();
        // Of several with the same link always the same one answers, an active one first.
        rows.sort_by_key(|row| (text(row, "isinactive") == Some("T"), record(row).ok()));
        let customers: Result<Vec<Id>, Error> = rows.iter().map(record).collect();
        let open = self.open(lane, &customers?).await?;
        let row_of = |link: &String| {
            let own = |row: &&Json| text(row, self.key.as_str()).and_then(|own| self.link(own));
            rows.iter().find(|row| own(row).as_ref() == Some(link))
        };
        let account = |link: &Option<String>| {
            link.as_ref().and_then(row_of).map(|row| self.account(row, &open)).transpose()
        };
        wanted.iter().map(account).collect()
    }
}
