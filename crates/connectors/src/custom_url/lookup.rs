//! Finds people at a source, by the requests that an administrator wrote.
//!
//! One request for each identifier, at the same time. What comes back is compared with
//! what was asked: a source that ignores a parameter names nobody wrong. Only where the
//! configuration vouches for it is an answer taken for whoever was asked for.

use super::client::{Asked, Client, records};
use super::mapping::Shape;
use super::template::{Template, Values};
use async_trait::async_trait;
use domain::{Contact, Numbering};
use kit::http::Method;
use kit::{Ask, Error, Lane, Lookup};
use serde_json::Value as Json;
use std::sync::Arc;
use tokio::task::JoinSet;

/// The lookup of one connection.
pub(super) struct Directory {
    pub(super) client: Arc<Client>,
    pub(super) shape: Shape,
    pub(super) ways: Ways,
    pub(super) numbers: Numbering,
}

/// How people are asked for.
#[derive(Default)]
pub(super) struct Ways {
    pub(super) phone: Option<Way>,
    pub(super) email: Option<Way>,
    pub(super) record: Option<Way>,
}

/// One way to ask.
#[derive(Clone)]
pub(super) struct Way {
    /// The setting that holds it.
    pub(super) setting: &'static str,
    pub(super) template: Template,
    /// Where the records of its answer stand.
    pub(super) records: String,
}

impl Way {
    /// The request for these values; `None` when it cannot carry them.
    pub(super) fn asked(&self, client: &Client, values: &Values<'_>) -> Option<Asked> {
        let method = if self.template.has_body() { Method::POST } else { Method::GET };
        let filled = self.template.fill(&client.base, values)?;
        Some(Asked { filled, method, records: self.records.clone() })
    }

    /// The answers, page after page; none where the address names whom, and there is nobody.
    ///
    /// # Errors
    /// Any [`Error`]; `Invalid` naming the setting when the source has no such address.
    pub(super) async fn pages(
        &self,
        client: &Client,
        lane: Lane,
        asked: &Asked,
    ) -> Result<Option<Vec<Json>>, Error> {
        match client.pages(lane, asked).await {
            Ok(pages) => Ok(Some(pages)),
            Err(Error::NotFound) if self.template.is_in_path() || client.errors.tells_nobody() => {
                Ok(None)
            }
            Err(Error::NotFound) => Err(Error::Invalid {
                field: Some(self.setting.to_owned()),
                reason: "the source has nothing at this address (status 404)".to_owned(),
            }),
            Err(error) => Err(error),
        }
    }
}

impl Ways {
    pub(super) fn all(&self) -> impl Iterator<Item = &Way> {
        [&self.phone, &self.email, &self.record].into_iter().flatten()
    }
}

#[async_trait]
impl Lookup for Directory {
    async fn find(&self, lane: Lane, asks: &[Ask]) -> Result<Vec<Vec<Contact>>, Error> {
        let mut found = Vec::with_capacity(asks.len());
        for ask in asks {
            found.push(self.one(lane, ask).await?);
        }
        Ok(found)
    }
}

impl Directory {
    async fn one(&self, lane: Lane, ask: &Ask) -> Result<Vec<Contact>, Error> {
        let values = Values {
            phone: ask.phone.as_ref(),
            email: ask.email.as_deref(),
            record: ask.record.as_deref(),
            account: None,
        };
        // Dropped with this future, the others end as well.
        let mut asking = JoinSet::new();
        for way in self.ways.all() {
            let Some(asked) = way.asked(&self.client, &values) else { continue };
            let (client, way) = (Arc::clone(&self.client), way.clone());
            asking.spawn(async move {
                let pages = way.pages(&client, lane, &asked).await;
                pages.map(|pages| (pages.unwrap_or_default(), asked.records))
            });
        }
        let mut contacts: Vec<Contact> = Vec::new();
        while let Some(joined) = asking.join_next().await {
            let (pages, at) =
                joined.map_err(|_| Error::unavailable("a request was given up"))??;
            if self.shape.is_of_asked() {
                let first = pages.first().map(|page| records(page, &at)).transpose()?;
                if let Some(record) = first.and_then(|found| found.into_iter().next()) {
                    contacts = vec![self.shape.asked_contact(record, ask, self.numbers)?];
                }
                continue;
            }
            for page in &pages {
                for record in records(page, &at)? {
                    let contact = self.shape.contact(record, self.numbers)?;
                    let is_known = contacts.iter().any(|known| known.record == contact.record);
                    if agrees(&contact, ask) && !is_known {
                        contacts.push(contact);
                    }
                }
            }
        }
        contacts.sort_by(|a, b| a.record.cmp(&b.record));
        Ok(contacts)
    }
}

/// Has the contact an identifier that was asked for?
fn agrees(contact: &Contact, ask: &Ask) -> bool {
    let by_record = ask.record.as_deref().is_some_and(|record| record.trim() == contact.record);
    let by_phone = ask.phone.as_ref().is_some_and(|phone| contact.has_phone(&phone.e164));
    let by_email = ask.email.as_deref().is_some_and(|wanted| {
        contact.email.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(wanted.trim()))
    });
    by_record || by_phone || by_email
}
