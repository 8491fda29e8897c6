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
use domain::{Contact, Numbering, Phone, phone};
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

/// In which forms a number is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Forms {
    pub(super) numbers: Numbering,
    /// Behind a call also in any other form, at the price of a scan of the table.
    pub(super) is_thorough: bool,
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
        for form in written(phone, forms.numbers) {
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

/// The forms to compare with, none of which begins with another.
fn written(phone: &Phone, numbers: Numbering) -> Vec<String> {
    let all = numbers.all_forms(phone);
    let mut forms: Vec<String> = Vec::new();
    for form in &all {
        let is_covered = all.iter().any(|other| other != form && form.starts_with(other.as_str()));
        if !is_covered && !forms.contains(form) {
            forms.push(form.clone());
        }
    }
    forms
}

/// Who of `people` has an identifier that was asked for, each once.
fn matching(people: &[Person], ask: &Ask) -> Vec<Contact> {
    let id = ask.record.as_deref().and_then(Guid::new);
    let email = ask.email.as_deref().map(str::trim);
    let mut matching: Vec<Contact> = Vec::new();
    for Person { contact, emails } in people {
        let by_id = id.as_ref().is_some_and(|id| id.as_str() == contact.record);
        let by_phone = ask.phone.as_ref().is_some_and(|phone| contact.has_phone(&phone.e164));
        let own =
            email.and_then(|wanted| emails.iter().find(|own| own.eq_ignore_ascii_case(wanted)));
        let is_known = matching.iter().any(|known| known.record == contact.record);
        if is_known || !(by_id || by_phone || own.is_some()) {
            continue;
        }
        let mut contact = contact.clone();
        // Of several e-mails the one that was asked for.
        contact.email = own.cloned().or(contact.email);
        matching.push(contact);
    }
    matching
}

#[cfg(test)]
mod tests {
    use super::written;
    use domain::{Numbering, Phone, Region, Written};

    fn phone(e164: &str) -> Phone {
        Phone { e164: e164.to_owned(), extension: None }
    }

    fn us(written: Option<Written>) -> Numbering {
        Numbering::new(Region::parse("US").expect("a region"), written)
    }

    #[test]
    fn a_number_is_compared_with_a_bounded_set_of_forms() {
        for e164 in ["+15550199999", "+442079460018", "+4930901820"] {
            let forms = written(&phone(e164), us(None));
            assert!((5..=24).contains(&forms.len()), "{}: {forms:?}", forms.len());
            assert!(forms.contains(&e164.to_owned()));
            for form in &forms {
                assert!(
                    forms.iter().all(|other| other == form || !form.starts_with(other)),
                    "{form}"
                );
            }
        }
        assert_eq!(written(&phone("+15550199999"), us(Some(Written::E164))), ["+15550199999"]);
        assert_eq!(written(&phone("+15550199999"), us(Some(Written::Digits))), ["15550199999"]);
    }
}
