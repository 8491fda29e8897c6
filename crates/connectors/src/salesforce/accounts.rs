//! What Salesforce knows of an account that a record of another system is linked to.
//!
//! One query for many accounts at once, by the field that holds the link: the id, or an
//! external id that the other system has given them.

use super::client::Client;
use super::mapping::{Ledger, at, record_id};
use super::records::fixed;
use super::soql::{Condition, Name, Soql};
use async_trait::async_trait;
use kit::{Account, Error, Lane};
use serde_json::Value;
use std::sync::Arc;

/// Accounts in one request: their list stays below the longest WHERE clause.
const BATCH_MAX: usize = 50;
/// Characters of a link of one's own; the vendor's external ids have no more.
const LINK_MAX: usize = 255;
/// Characters of a request's address, which carries the query.
const LINKS_MAX: usize = 3_000;
/// Rows in one answer: a link of one's own may be on a few accounts.
const ROWS_MAX: u16 = 200;

/// The accounts of one connection.
pub(super) struct Accounts {
    pub(super) client: Arc<Client>,
    pub(super) ledger: Ledger,
}

impl Accounts {
    /// The link as Salesforce holds it, or `None` when none can look like that.
    fn link(&self, text: &str) -> Option<String> {
        let text = text.trim();
        if self.ledger.key.is("Id") {
            return record_id(text);
        }
        (1..=LINK_MAX).contains(&text.chars().count()).then(|| text.to_owned())
    }

    /// Texts are compared there without regard to case.
    fn is_same(&self, one: &str, other: &str) -> bool {
        if self.ledger.key.is("Id") {
            return record_id(one).is_some_and(|one| one == other);
        }
        one.trim().to_lowercase() == other.to_lowercase()
    }
}

#[async_trait]
impl kit::Accounts for Accounts {
    fn batch_max(&self) -> usize {
        BATCH_MAX
    }

    async fn find(&self, lane: Lane, ids: &[String]) -> Result<Vec<Option<Account>>, Error> {
        let wanted: Vec<Option<String>> = ids.iter().map(|id| self.link(id)).collect();
        let mut asked: Vec<&str> = wanted.iter().flatten().map(String::as_str).collect();
        asked.sort_unstable();
        asked.dedup();
        let (mut rows, mut instance) = (Vec::new(), String::new());
        for part in packed(&asked) {
            let condition = Condition::one_of(&self.ledger.key, part.iter().copied());
            let account = fixed("Account");
            let soql = Soql::select(&account, &self.ledger.fields, condition.as_ref(), ROWS_MAX);
            let found = self.client.query(lane, &soql).await?;
            rows.extend(found.rows);
            instance = found.instance;
        }
        let key = self.ledger.key.as_str();
        let text = |row: &Value| at(row, key).and_then(Value::as_str).map(str::to_owned);
        let row_of = |link: &String| {
            rows.iter().find(|row| text(row).is_some_and(|held| self.is_same(&held, link)))
        };
        let account = |link: &Option<String>| {
            let row = link.as_ref().and_then(row_of);
            row.map(|row| self.ledger.account(row, &instance)).transpose()
        };
        wanted.iter().map(account).collect()
    }
}

/// The links in lists that each fit into one query.
fn packed<'a>(links: &[&'a str]) -> Vec<Vec<&'a str>> {
    let mut lists: Vec<Vec<&str>> = Vec::new();
    let mut length = usize::MAX;
    for link in links {
        // Each character may be escaped by another, and stands between quotes.
        let more = link.chars().count() * 2 + 4;
        length = length.saturating_add(more);
        match lists.last_mut().filter(|_| length <= LINKS_MAX) {
            Some(list) => list.push(link),
            None => {
                lists.push(vec![*link]);
                length = more;
            }
        }
    }
    lists
}

/// The field that holds the link, as configured.
///
/// # Errors
/// `Invalid` naming `account_key`.
pub(super) fn key(text: Option<&str>) -> Result<Name, Error> {
    let name = Name::new(text.unwrap_or("Id")).filter(|name| !name.as_str().contains('.'));
    name.ok_or_else(|| Error::Invalid {
        field: Some("account_key".to_owned()),
        reason: "is no field of Account".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::{LINKS_MAX, packed};

    #[test]
    fn every_link_is_asked_for_once_in_lists_that_fit() {
        let links: Vec<String> = (0..50).map(|n| format!("{n}{}", "x".repeat(n * 4))).collect();
        let links: Vec<&str> = links.iter().map(String::as_str).collect();
        let lists = packed(&links);
        assert!(lists.len() > 1);
        assert_eq!(lists.concat(), links);
        for list in lists {
            let length: usize = list.iter().map(|link| link.len() * 2 + 4).sum();
            assert!(length <= LINKS_MAX, "{length}");
        }
    }
}
