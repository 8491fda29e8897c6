//! Finds people in HubSpot by phone, e-mail or record id.
//!
//! E-mails and ids are read as batches, which know every change at once. Numbers can only
//! be searched for: by the digits that HubSpot works out of what was typed, and by the forms
//! in which people type them, in one search for a whole batch. Its index lags behind and it
//! may be asked only a few times a second. Everything that comes back is compared with what
//! was asked.

use super::client::{Ask as Sent, Client, Found, Method, SEARCH_MAX, record_id};
use super::mapping::{MERGED, Property, Shape, id_of, merged};
use async_trait::async_trait;
use domain::{Contact, Numbering, Phone, phone};
use kit::{Ask, Error, Lane, Lookup};
use serde_json::{Value, json};
use std::sync::Arc;

/// Numbers in one search: each in ten forms, a hundred values of a filter in all.
const PHONES_MAX: usize = 10;
const FORMS_MAX: usize = 10;
/// Pages read of one search; who shares a number with a thousand others is a switchboard.
const PAGES_MAX: usize = 5;
/// Longest e-mail there can be.
const EMAIL_MAX: usize = 254;

/// What HubSpot works out of `phone` and `mobilephone`: digits of the national number.
const NATIONAL: [&str; 2] =
    ["hs_searchable_calculated_phone_number", "hs_searchable_calculated_mobile_number"];
/// Likewise with the country's code before them.
const INTERNATIONAL: [&str; 2] = [
    "hs_searchable_calculated_international_phone_number",
    "hs_searchable_calculated_international_mobile_number",
];

/// The lookup of one connection.
pub(super) struct Directory {
    pub(super) client: Arc<Client>,
    pub(super) shape: Shape,
    pub(super) numbers: Numbering,
}

#[async_trait]
impl Lookup for Directory {
    fn batch_max(&self) -> usize {
        PHONES_MAX
    }

    async fn find(&self, lane: Lane, asks: &[Ask]) -> Result<Vec<Vec<Contact>>, Error> {
        let mut found = Vec::with_capacity(asks.len());
        for batch in asks.chunks(PHONES_MAX) {
            let contacts = self.find_batch(lane, batch).await?;
            found.extend(batch.iter().map(|ask| matching(&contacts, ask)));
        }
        Ok(found)
    }

    /// A record that was merged away answers with the one that it was merged into; where it
    /// does not, that one still has its id in a list.
    async fn successor(&self, lane: Lane, record: &str) -> Result<Option<String>, Error> {
        let Some(record) = record_id(record) else { return Ok(None) };
        let path = format!("{}/{record}", self.client.paths.objects("contacts"));
        let ask = Sent::new(Method::Get, path).query("properties", MERGED);
        match self.client.send(lane, &ask).await {
            Ok((found, _)) => {
                let id = id_of(&found)?;
                return Ok((id != record).then(|| id.to_owned()));
            }
            Err(Error::NotFound) => {}
            Err(error) => return Err(error),
        }
        let filter =
            json!({ "propertyName": MERGED, "operator": "CONTAINS_TOKEN", "value": record });
        let found =
            self.client.search(lane, "contacts", search(&[vec![filter]], &[MERGED], "0")).await?;
        let holder = found.records.iter().find(|holder| merged(holder).any(|id| id == record));
        holder.map(|holder| id_of(holder).map(str::to_owned)).transpose()
    }
}

impl Directory {
    async fn find_batch(&self, lane: Lane, asks: &[Ask]) -> Result<Vec<Contact>, Error> {
        let emails =
            once(asks.iter().filter_map(|ask| ask.email.as_deref()).filter(|e| is_askable(e)));
        let ids = once(asks.iter().filter_map(|ask| record_id(ask.record.as_deref()?)));
        let phones: Vec<&Phone> = asks.iter().filter_map(|ask| ask.phone.as_ref()).collect();
        let names = self.shape.names();
        let client = &self.client;
        let (by_email, by_id, by_phone) = tokio::try_join!(
            client.batch(lane, "contacts", Some("email"), &emails, &names),
            client.batch(lane, "contacts", None, &ids, &names),
            self.by_phone(lane, &phones),
        )?;
        let records = by_email.iter().chain(&by_id).chain(&by_phone);
        records.map(|record| self.shape.contact(record, self.numbers)).collect()
    }

    async fn by_phone(&self, lane: Lane, phones: &[&Phone]) -> Result<Vec<Value>, Error> {
        if phones.is_empty() {
            return Ok(Vec::new());
        }
        let national: Vec<String> = phones.iter().flat_map(|p| phone::digit_forms(p)).collect();
        let typed = phones.iter().flat_map(|p| self.numbers.forms(p).into_iter().take(FORMS_MAX));
        // A filter compares texts in lower case, and so must be written.
        let typed: Vec<String> = typed.map(|form| form.to_lowercase()).collect();
        let (national, typed) = (once(texts(&national)), once(texts(&typed)));
        let mut groups: Vec<Vec<Value>> =
            NATIONAL.iter().map(|name| vec![one_of(name, &national)]).collect();
        groups
            .extend(self.shape.phones.iter().map(|p: &Property| vec![one_of(p.as_str(), &typed)]));
        let mut found = self.pages(lane, &groups).await?;
        if lane == Lane::Background {
            let whole: Vec<String> = phones.iter().map(|p| p.e164[1..].to_owned()).collect();
            let whole = once(texts(&whole));
            let groups: Vec<_> =
                INTERNATIONAL.iter().map(|name| vec![one_of(name, &whole)]).collect();
            found.extend(self.pages(lane, &groups).await?);
        }
        Ok(found)
    }

    /// A call reads one page; behind it so many that nobody is missing who is meant.
    async fn pages(&self, lane: Lane, groups: &[Vec<Value>]) -> Result<Vec<Value>, Error> {
        let names = self.shape.names();
        let mut after = "0".to_owned();
        let mut all = Vec::new();
        let pages = if lane == Lane::Call { 1 } else { PAGES_MAX };
        for _ in 0..pages {
            let body = search(groups, &names, &after);
            let Found { records, next, .. } = self.client.search(lane, "contacts", body).await?;
            all.extend(records);
            match next {
                Some(next) => after = next,
                None => break,
            }
        }
        Ok(all)
    }
}

/// A search for who meets all filters of at least one group.
pub(super) fn search(groups: &[Vec<Value>], properties: &[&str], after: &str) -> Value {
    let groups: Vec<Value> = groups.iter().map(|filters| json!({ "filters": filters })).collect();
    json!({
        "filterGroups": groups, "properties": properties, "limit": SEARCH_MAX, "after": after, "sorts": [],
    })
}

fn one_of(property: &str, values: &[&str]) -> Value {
    json!({ "propertyName": property, "operator": "IN", "values": values })
}

fn is_askable(email: &str) -> bool {
    (3..=EMAIL_MAX).contains(&email.chars().count()) && !email.chars().any(char::is_control)
}

fn texts(all: &[String]) -> impl Iterator<Item = &str> {
    all.iter().map(String::as_str)
}

fn once<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut all = Vec::new();
    for text in texts {
        if !all.contains(&text) {
            all.push(text);
        }
    }
    all
}

/// Who of `contacts` has an identifier that was asked for, each once.
fn matching(contacts: &[Contact], ask: &Ask) -> Vec<Contact> {
    let people = contacts.iter().map(|contact| (contact, contact.email.as_slice()));
    kit::people::matching(people, ask, |own| ask.record.as_deref() == Some(own))
}
