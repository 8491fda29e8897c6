//! Knows companies by the ids under which other systems link to them.
//!
//! By HubSpot's own id, or by a property whose values are unique (`account_key`), such as
//! the number that an ERP gave. Both are read as a batch, without the search's lag.

use super::client::{BATCH_MAX, Client, record_id};
use super::mapping::{CompanyShape, ID, Property, text};
use async_trait::async_trait;
use kit::{Account, Accounts, Error, Lane};
use std::sync::Arc;

/// Longest link there can be.
const KEY_MAX: usize = 255;

/// The companies of one account.
pub(super) struct Ledger {
    pub(super) client: Arc<Client>,
    pub(super) shape: CompanyShape,
    pub(super) key: Property,
}

#[async_trait]
impl Accounts for Ledger {
    fn batch_max(&self) -> usize {
        BATCH_MAX
    }

    async fn find(&self, lane: Lane, ids: &[String]) -> Result<Vec<Option<Account>>, Error> {
        let is_own = self.key.as_str() == ID;
        let fits = |id: &&str| match is_own {
            true => record_id(id).is_some(),
            false => (1..=KEY_MAX).contains(&id.chars().count()),
        };
        let asked: Vec<&str> = ids.iter().map(String::as_str).filter(fits).collect();
        let mut names: Vec<&str> = self.shape.properties.iter().map(Property::as_str).collect();
        if !names.contains(&self.key.as_str()) {
            names.push(self.key.as_str());
        }
        let id_property = (!is_own).then(|| self.key.as_str());
        let records = self.client.batch(lane, "companies", id_property, &asked, &names).await?;
        let is = |record: &serde_json::Value, id: &str| match is_own {
            true => record["id"] == id,
            false => {
                text(record, self.key.as_str()).is_some_and(|key| key.eq_ignore_ascii_case(id))
            }
        };
        let of = |id: &String| records.iter().find(|record| is(record, id));
        ids.iter().map(|id| of(id).map(|record| self.shape.account(record)).transpose()).collect()
    }
}
