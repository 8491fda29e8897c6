//! Finds customers and contacts in NetSuite by phone, e-mail or internal id.
//!
//! One query a table, for a whole batch of asks. Numbers are stored as typed, so that a
//! column is compared with the beginning in every form in which people write the number
//! (an extension may follow); what comes back is compared with what was asked, and
//! nothing is trusted to match. Who is inactive is nobody any more.

use super::client::Client;
use super::mapping::{Person, Shape};
use super::suiteql::{Condition, Id, Name, Query};
use async_trait::async_trait;
use domain::{Contact, phone};
pub(super) use kit::people::Forms;
use kit::{Ask, Error, Lane, Lookup};
use std::sync::Arc;

/// Asks that travel together: some eighty conditions each.
const BATCH_MAX: usize = 5;
/// Longest e-mail NetSuite stores.
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
}

impl Directory {
    async fn find_batch(&self, lane: Lane, asks: &[Ask]) -> Result<Vec<Person>, Error> {
        let (mut of, mut asked) = (Vec::new(), Vec::new());
        for shape in &self.shapes {
            for query in queries(shape, lane, asks, self.forms) {
                of.push(shape);
                asked.push(query);
            }
        }
        let found = self.client.all(lane, asked).await?;
        let rows = of
            .iter()
            .zip(&found)
            .flat_map(|(shape, rows)| rows.iter().map(move |row| (shape, row)));
        rows.map(|(shape, row)| shape.person(row, self.forms.numbers)).collect()
    }
}

/// Everything that is asked of one table.
pub(super) fn queries(shape: &Shape, lane: Lane, asks: &[Ask], forms: Forms) -> Vec<Query> {
    let mut conditions: Vec<Condition> = Vec::new();
    let mut add = |condition: Condition| {
        if !conditions.contains(&condition) {
            conditions.push(condition);
        }
    };
    for ask in asks {
        let id = ask.record.as_deref().and_then(Id::new);
        if let Some(by_id) = id.and_then(|id| Condition::ids(&Name::fixed("id"), &[id])) {
            add(by_id);
        }
        let email = ask.email.as_deref().map(str::trim);
        if let Some(email) = email.filter(|email| (3..=EMAIL_MAX).contains(&email.chars().count()))
        {
            shape.emails.iter().for_each(|column| add(Condition::text(column, email)));
        }
        let Some(phone) = &ask.phone else { continue };
        for form in forms.beginnings(phone) {
            shape.phones.iter().for_each(|(column, _)| add(Condition::starts_with(column, &form)));
        }
        if forms.is_thorough && lane == Lane::Background {
            let digits = phone::national_digits(phone);
            shape
                .phones
                .iter()
                .for_each(|(column, _)| add(Condition::digits_in_order(column, &digits)));
        }
    }
    let columns = shape.of_person();
    let query = |condition: Condition| {
        let active = Condition::flag(&Name::fixed("isinactive"), false);
        Query::select(&shape.table.name(), &columns, Some(&condition.and(active)), None)
    };
    Condition::packed(conditions).into_iter().map(query).collect()
}

/// Who of `people` has an identifier that was asked for, each once.
fn matching(people: &[Person], ask: &Ask) -> Vec<Contact> {
    let id = ask.record.as_deref().and_then(Id::new).map(Id::text);
    let people = people.iter().map(|person| (&person.contact, person.emails.as_slice()));
    kit::people::matching(people, ask, |record| id.as_deref() == Some(record))
}
