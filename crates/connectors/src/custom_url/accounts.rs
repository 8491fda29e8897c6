//! What a source knows of an account that a record of another system is linked to, such as
//! its open invoices beside an ERP.
//!
//! One request for each account. What is told of it is taken from the answer as a whole,
//! and from each of its records as a list. Records that name another account are left out.

use super::client::{Client, records};
use super::lookup::Way;
use super::mapping::{data, text, value};
use super::template::Values;
use async_trait::async_trait;
use domain::Value;
use kit::{Account, Accounts, Error, Lane};
use serde_json::Value as Json;
use std::sync::Arc;

/// Entries of one list in an answer's data.
const LIST_MAX: usize = 100;

/// The accounts of one connection.
pub(super) struct Ledger {
    pub(super) client: Arc<Client>,
    pub(super) way: Way,
    /// Where a record (or else the answer) names its account. `None`: the address does.
    pub(super) id_at: Option<String>,
    /// Where the account's name stands in the answer, or in its first record.
    pub(super) name_at: Option<String>,
    /// Names of data, and where they stand in the answer.
    pub(super) whole: Vec<(String, String)>,
    /// Names of lists, and where an entry stands in each record.
    pub(super) lists: Vec<(String, String)>,
    /// The name under which the number of records is told.
    pub(super) count: Option<String>,
}

#[async_trait]
impl Accounts for Ledger {
    async fn find(&self, lane: Lane, ids: &[String]) -> Result<Vec<Option<Account>>, Error> {
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            found.push(self.one(lane, id.trim()).await?);
        }
        Ok(found)
    }
}

impl Ledger {
    async fn one(&self, lane: Lane, id: &str) -> Result<Option<Account>, Error> {
        let values = Values { account: Some(id), ..Values::default() };
        let Some(asked) = self.way.asked(&self.client, &values) else { return Ok(None) };
        let pages = self.way.pages(&self.client, lane, &asked).await?;
        let Some(pages) = pages.filter(|pages| !pages.is_empty()) else { return Ok(None) };
        let mut ours = Vec::new();
        for page in &pages {
            let found = records(page, &self.way.records)?;
            ours.extend(found.into_iter().filter(|record| self.is_of(record, page, id)));
        }
        let first = &pages[0];
        let is_named = self.id_at.as_ref().is_none_or(|at| named(first, at).as_deref() == Some(id));
        if ours.is_empty() && !is_named {
            return Ok(None);
        }
        let mut told = if is_named { data(&self.whole, first) } else { Default::default() };
        for (name, pointer) in &self.lists {
            let entries = ours.iter().filter_map(|record| value(record.pointer(pointer)?));
            told.insert(name.clone(), Value::List(entries.take(LIST_MAX).collect()));
        }
        if let Some(name) = &self.count {
            let count = i64::try_from(ours.len()).unwrap_or(i64::MAX);
            told.insert(name.clone(), Value::Integer(count));
        }
        let name = self
            .name_at
            .as_ref()
            .and_then(|at| named(first, at).or_else(|| named(ours.first()?, at)));
        let name = name.unwrap_or_default();
        Ok(Some(Account { record: id.to_owned(), name, url: None, data: told }))
    }

    /// Is the record the account's? It says so, or the answer does, or the address did.
    fn is_of(&self, record: &Json, page: &Json, id: &str) -> bool {
        let Some(at) = &self.id_at else { return true };
        named(record, at).or_else(|| named(page, at)).as_deref() == Some(id)
    }
}

fn named(json: &Json, at: &str) -> Option<String> {
    text(json.pointer(at)?)
}
