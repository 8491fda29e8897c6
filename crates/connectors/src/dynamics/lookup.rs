//! Finds people in Dataverse by phone, e-mail or record id.
//!
//! One request a table, for a whole batch of asks. Numbers are stored as typed, so that a
//! column is compared with the beginning in every form in which people write the number
//! (an extension may follow); what comes back is compared with what was asked, and
//! nothing is trusted to match. Who is inactive is nobody any more.

use super::client::Client;
use super::mapping::{Person, Shape, text};
use super::odata::{Filter, Guid, Name, Query, record as address};
use async_trait::async_trait;
use domain::{Contact, phone};
pub(super) use kit::people::Forms;
use kit::{Ask, Error, Lane, Lookup};
use std::sync::Arc;

/// Asks that travel together: some eighty conditions each.
const BATCH_MAX: usize = 5;
/// Merges of merges that are followed.
const MERGES_MAX: usize = 5;
/// Longest e-mail there can be.
const EMAIL_MAX: usize = 254;

/// The lookup of one connection.
pub(super) struct Directory {
    pub(super) client: Arc<Client>,
    pub(super) shapes: Vec<Shape>,
    pub(super) forms: Forms,
}

#[async_trait]
impl Lookup for Directory {
    fn batch_max(&self) -> usize {
        BATCH_MAX
    }

    async fn find(&self, lane: Lane, asks: &[Ask]) -> Result<Vec<Vec<Contact>>, Error> {
        let mut found = Vec::with_capacity(asks.len());
        for batch in asks.chunks(BATCH_MAX) {
            let people = self.find_batch(lane, batch).await?;
            found.extend(batch.iter().map(|ask| matching(&people, ask)));
        }
        Ok(found)
    }

    /// A record that was merged away stays, inactive, and names its master, which may
    /// itself have been merged away meanwhile.
    async fn successor(&self, lane: Lane, record: &str) -> Result<Option<String>, Error> {
        let Some(mut id) = Guid::new(record) else { return Ok(None) };
        let mut is_first = true;
        for _ in 0..MERGES_MAX {
            match self.master(lane, &id).await? {
                Some(master) => id = master,
                None => return Ok((!is_first).then(|| id.as_str().to_owned())),
            }
            is_first = false;
        }
        Ok(None)
    }
}

impl Directory {
    /// Into which record one was merged.
    async fn master(&self, lane: Lane, id: &Guid) -> Result<Option<Guid>, Error> {
        for shape in &self.shapes {
            let select = [Name::fixed("merged"), Name::fixed("_masterid_value")];
            let url = address(&self.client.api, &shape.table.set(), id, &select);
            let row = match self.client.one(lane, &url).await {
                Ok(row) => row,
                Err(Error::NotFound) => continue,
                Err(error) => return Err(error),
            };
            let is_merged = row.get("merged") == Some(&serde_json::Value::Bool(true));
            return Ok(text(&row, "_masterid_value").filter(|_| is_merged).and_then(Guid::new));
        }
        Ok(None)
    }

    async fn find_batch(&self, lane: Lane, asks: &[Ask]) -> Result<Vec<Person>, Error> {
        let mut people = Vec::new();
        let asked = self.shapes.iter();
        let queries = asked.flat_map(|shape| queries(shape, lane, asks, self.forms)).collect();
        // Rows of all tables come back together; each has its own table's id.
        for row in self.client.all(lane, queries).await? {
            let own = |shape: &&Shape| row.get(shape.table.id().as_str()).is_some();
            let shape = self.shapes.iter().find(own);
            let shape = shape.ok_or_else(|| Error::protocol("a row without an id"))?;
            people.push(shape.person(&row, self.forms.numbers)?);
        }
        Ok(people)
    }
}

/// Everything that is asked of one table.
fn queries(shape: &Shape, lane: Lane, asks: &[Ask], forms: Forms) -> Vec<Query> {
    let mut filters: Vec<Filter> = Vec::new();
    let mut add = |filter: Filter| {
        if !filters.contains(&filter) {
            filters.push(filter);
        }
    };
    for ask in asks {
        if let Some(id) = ask.record.as_deref().and_then(Guid::new) {
            add(Filter::id(&shape.table.id(), &id));
        }
        let email = ask.email.as_deref().map(str::trim);
        if let Some(email) = email.filter(|email| (3..=EMAIL_MAX).contains(&email.chars().count()))
        {
            shape.emails.iter().for_each(|column| add(Filter::text(column, email)));
        }
        let Some(phone) = &ask.phone else { continue };
        for form in forms.beginnings(phone) {
            shape.phones.iter().for_each(|(column, _)| add(Filter::starts_with(column, &form)));
        }
        if forms.is_thorough && lane == Lane::Background {
            let digits = phone::national_digits(phone);
            shape
                .phones
                .iter()
                .for_each(|(column, _)| add(Filter::digits_in_order(column, &digits)));
        }
    }
    let (select, expand) = shape.of_person();
    let active = Filter::number(&Name::fixed("statecode"), 0);
    let query = |filter: Filter| Query {
        set: shape.table.set(),
        filter: Some(filter.and(active.clone())),
        select: select.clone(),
        expand: expand.clone(),
        top: None,
    };
    Filter::packed(filters).into_iter().map(query).collect()
}

/// Who of `people` has an identifier that was asked for, each once.
fn matching(people: &[Person], ask: &Ask) -> Vec<Contact> {
    let id = ask.record.as_deref().and_then(Guid::new);
    let people = people.iter().map(|person| (&person.contact, person.emails.as_slice()));
    kit::people::matching(people, ask, |record| id.as_ref().is_some_and(|id| id.as_str() == record))
}
