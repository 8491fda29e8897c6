//! What SAP knows of an account that a record of another system is linked to.
//!
//! One step, for many accounts at once: the property that holds the link is compared
//! with their ids.

use super::client::Client;
use super::lookup::misdirected;
use super::mapping::{Shape, partner_id};
use super::odata::{Filter, Name, Query};
use async_trait::async_trait;
use kit::{Account, Accounts, Error, Lane};
use serde_json::Value;
use std::sync::Arc;

/// Accounts in one request.
const BATCH_MAX: usize = 50;
/// Rows in one answer: a link of one's own may be on a few partners.
const ROWS_MAX: u16 = 200;

/// The accounts of one connection.
pub(super) struct Ledger {
    pub(super) client: Arc<Client>,
    pub(super) shape: Shape,
    pub(super) link: Link,
}

/// The property by which an account is known elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    BusinessPartner,
    Customer,
    External,
}

impl Link {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let all = [Self::BusinessPartner, Self::Customer, Self::External];
        all.into_iter().find(|link| link.as_str() == text)
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::BusinessPartner => "BusinessPartner",
            Self::Customer => "Customer",
            Self::External => "BusinessPartnerIDByExtSystem",
        }
    }

    /// The id as SAP writes it, or `None` when none can look like that.
    fn id(self, text: &str) -> Option<String> {
        let text = text.trim();
        match self {
            Self::BusinessPartner | Self::Customer => partner_id(text),
            Self::External => (1..=20).contains(&text.chars().count()).then(|| text.to_owned()),
        }
    }
}

#[async_trait]
impl Accounts for Ledger {
    fn batch_max(&self) -> usize {
        BATCH_MAX
    }

    async fn find(&self, lane: Lane, ids: &[String]) -> Result<Vec<Option<Account>>, Error> {
        let wanted: Vec<Option<String>> = ids.iter().map(|id| self.link.id(id)).collect();
        let mut asked: Vec<&String> = wanted.iter().flatten().collect();
        asked.sort_unstable();
        asked.dedup();
        let property = Name::new(self.link.as_str()).expect("written in this file");
        let filters = asked.into_iter().map(|id| Filter::eq(&property, id)).collect();
        let (select, expand) = self.shape.of_account(self.link.as_str());
        let query = |filter| Query {
            set: "A_BusinessPartner",
            filter: Some(filter),
            select: select.clone(),
            expand: expand.clone(),
            order: None,
            top: ROWS_MAX,
        };
        let queries = Filter::packed(filters).into_iter().map(query).collect();
        let mut rows = self.client.all(lane, queries).await.map_err(misdirected)?;
        // Of several with the same link always the same one answers.
        rows.sort_by_key(|row| text(row, "BusinessPartner"));
        let row_of = |id: &String| {
            rows.iter()
                .find(|row| self.link.id(&text(row, self.link.as_str())).as_ref() == Some(id))
        };
        let account = |id: &Option<String>| {
            id.as_ref().and_then(row_of).map(|row| self.shape.account(row)).transpose()
        };
        wanted.iter().map(account).collect()
    }
}

fn text(row: &Value, field: &str) -> String {
    row.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}
