//! Queues, IVRs and recordings (user prompts) of the organization, by id, name or number.
//!
//! Each kind's list is read to the end, a hundred at a time, and compared here: what the
//! platform's own filters by name do with case and asterisks is described for queues alone.
//! A list that does not end fails: nothing is said to be absent that was not looked at.

use super::client::{Client, Send};
use async_trait::async_trait;
use kit::destinations::{Kind, Sought};
use kit::{Destination, Destinations, Error, Lane};
use serde_json::Value;
use std::sync::Arc;

/// On a page; what the vendor's own Terraform provider asks for.
const PAGE: &str = "100";
/// Pages of one list: ten thousand of a kind.
const PAGES_MAX: usize = 100;

/// What calls can be sent to.
pub(super) struct Places {
    pub(super) client: Arc<Client>,
}

#[async_trait]
impl Destinations for Places {
    fn can_be_asked(&self, kind: Kind) -> bool {
        match kind {
            Kind::Queue | Kind::Ivr | Kind::Recording => true,
        }
    }

    async fn find(
        &self,
        lane: Lane,
        kind: Kind,
        words: &[String],
    ) -> Result<Vec<Option<Destination>>, Error> {
        let mut sought = Sought::new(words);
        for number in 1..=PAGES_MAX {
            if sought.is_settled() {
                return Ok(sought.found());
            }
            let page = self.page(lane, kind, number).await?;
            let entities = page.get("entities").and_then(Value::as_array);
            let entities = entities.ok_or_else(|| Error::protocol("a list without entities"))?;
            entities.iter().for_each(|one| offer(&mut sought, one));
            if !has_more(&page, number) {
                return Ok(sought.found());
            }
        }
        Err(Error::protocol(format!("more than {PAGES_MAX} pages of what calls can be sent to")))
    }
}

impl Places {
    async fn page(&self, lane: Lane, kind: Kind, number: usize) -> Result<Value, Error> {
        let number = number.to_string();
        let (path, own) = list(kind);
        let mut query = vec![("pageSize", PAGE), ("pageNumber", number.as_str())];
        query.extend_from_slice(own);
        self.client.send_in(lane, Send::Get(&query), path).await?.json()
    }

    /// Whether the kind's list is shown to us.
    ///
    /// # Errors
    /// `Forbidden` naming the permission, any other [`Error`].
    pub(super) async fn look(&self, kind: Kind) -> Result<(), Error> {
        self.page(Lane::Background, kind, 1).await.map(drop)
    }
}

/// Where a kind is listed, and how.
fn list(kind: Kind) -> (&'static str, &'static [(&'static str, &'static str)]) {
    match kind {
        Kind::Queue => ("routing/queues", &[]),
        Kind::Ivr => ("architect/ivrs", &[]),
        // Without its audio in every language.
        Kind::Recording => {
            ("architect/prompts", &[("includeMediaUris", "false"), ("includeResources", "false")])
        }
    }
}

fn offer(sought: &mut Sought, one: &Value) {
    let text = |key: &str| one.get(key).and_then(Value::as_str);
    // What was deleted may stay in the list of IVRs for a while.
    if text("state") == Some("deleted") {
        return;
    }
    if let (Some(id), Some(name)) = (text("id"), text("name")) {
        let numbers = one.get("dnis").and_then(Value::as_array).into_iter().flatten();
        sought.offer(id, name, numbers.filter_map(Value::as_str));
    }
}

/// A page may be short because its rest lies in divisions that we may not see.
fn has_more(page: &Value, number: usize) -> bool {
    let count = page.get("pageCount").and_then(Value::as_u64).unwrap_or(0);
    count > number as u64 || page.get("nextUri").is_some_and(Value::is_string)
}
