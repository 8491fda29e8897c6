//! Finds people in Salesforce by phone, e-mail or record id.
//!
//! A call asks once for a whole batch: one search for all phones, beside it one
//! query per object where somebody is asked for by e-mail or id. Background work
//! also queries what the search index, which lags behind, may hide. Everything
//! that comes back is compared with what was asked; nothing is trusted to match.

use super::client::{Client, Rows};
use super::mapping::{Shape, object_of, record_id};
use super::soql::{Condition, Digits, Name, Soql, Sosl, WHERE_MAX};
use async_trait::async_trait;
use domain::{Contact, Numbering, Phone, Timestamp, phone};
use kit::{Ask, Error, Lane, Lookup};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Asks in one request: twenty numbers of at most four terms stay far below the
/// 4,000 characters beyond which a search drops its operators.
const BATCH_MAX: usize = 20;
/// Merges of merges that are followed.
const MERGES_MAX: usize = 5;
/// Rows of one object in one answer. Numbers shared by more people are switchboards.
const ROWS_MAX: u16 = 200;
/// How far back a record may be missing from the search index.
const INDEX_LAG: Duration = Duration::from_secs(2 * 24 * 3_600);

/// The lookup of one connection.
pub(super) struct Directory {
    pub(super) client: Arc<Client>,
    pub(super) shapes: Vec<Shape>,
    pub(super) numbers: Numbering,
}

#[async_trait]
impl Lookup for Directory {
    fn batch_max(&self) -> usize {
        BATCH_MAX
    }

    async fn find(&self, lane: Lane, asks: &[Ask]) -> Result<Vec<Vec<Contact>>, Error> {
        let mut found = Vec::with_capacity(asks.len());
        for batch in asks.chunks(BATCH_MAX) {
            let contacts = self.find_batch(lane, batch).await.map_err(misdirected)?;
            found.extend(batch.iter().map(|ask| matching(&contacts, ask)));
        }
        Ok(found)
    }

    /// A record that was merged away stays in the recycle bin for a while and names its
    /// master, which may itself have been merged away meanwhile.
    async fn successor(&self, lane: Lane, record: &str) -> Result<Option<String>, Error> {
        let Some(mut id) = record_id(record) else { return Ok(None) };
        let mut is_first = true;
        for _ in 0..MERGES_MAX {
            let Some((is_deleted, master)) = self.fate(lane, &id).await? else { return Ok(None) };
            match master {
                Some(master) if is_deleted => id = master,
                _ => return Ok((!is_first && !is_deleted).then_some(id)),
            }
            is_first = false;
        }
        Ok(None)
    }
}

impl Directory {
    /// Whether a record is deleted, and into which it was merged; `None` when it is gone for good.
    async fn fate(&self, lane: Lane, id: &str) -> Result<Option<(bool, Option<String>)>, Error> {
        let Some(condition) = Condition::one_of(&name("Id"), [id]) else { return Ok(None) };
        let fields = [name("Id"), name("IsDeleted"), name("MasterRecordId")];
        for shape in &self.shapes {
            let soql = Soql::select(&shape.object, &fields, Some(&condition), 1);
            let Some(row) = self.client.query_all(lane, &soql).await?.pop() else { continue };
            let master = row.get("MasterRecordId").and_then(serde_json::Value::as_str);
            let is_deleted = row.get("IsDeleted") == Some(&serde_json::Value::Bool(true));
            return Ok(Some((is_deleted, master.and_then(record_id))));
        }
        Ok(None)
    }

    async fn find_batch(&self, lane: Lane, asks: &[Ask]) -> Result<Vec<Contact>, Error> {
        let phones: Vec<&Phone> = asks.iter().filter_map(|ask| ask.phone.as_ref()).collect();
        let exact = exact(asks);
        let queried = async {
            let mut contacts = Vec::new();
            for shape in &self.shapes {
                let mut conditions = exact.clone();
                if lane == Lane::Background {
                    conditions.extend(hidden_by_the_index(shape, &phones, self.numbers));
                }
                contacts.append(&mut self.query(lane, shape, conditions).await?);
            }
            Ok(contacts)
        };
        let (mut contacts, queried) = tokio::try_join!(self.search(lane, &phones), queried)?;
        contacts.extend(queried);
        Ok(contacts)
    }

    /// Searches the phone index. An answer that is full may lack somebody, so
    /// that a batch is then halved until each part fits or is a single number.
    async fn search(&self, lane: Lane, phones: &[&Phone]) -> Result<Vec<Contact>, Error> {
        let mut contacts = Vec::new();
        let mut parts = vec![phones];
        while let Some(part) = parts.pop() {
            let terms = terms(part);
            let objects = self.shapes.iter().map(|s| (&s.object, s.fields.as_slice()));
            let Some(search) = Sosl::phones(&terms, objects, ROWS_MAX) else {
                continue;
            };
            let found = self.client.search(lane, &search).await?;
            if part.len() > 1 && self.is_full(&found) {
                let (left, right) = part.split_at(part.len() / 2);
                parts.extend([left, right]);
                continue;
            }
            contacts.append(&mut self.mapped(&found)?);
        }
        Ok(contacts)
    }

    /// Rows of one object that meet any of the conditions, in as many queries as
    /// the vendor's limit on their length needs.
    async fn query(
        &self,
        lane: Lane,
        shape: &Shape,
        conditions: Vec<Condition>,
    ) -> Result<Vec<Contact>, Error> {
        let mut contacts = Vec::new();
        for condition in packed(conditions) {
            let soql = Soql::select(&shape.object, &shape.fields, Some(&condition), ROWS_MAX);
            let found = self.client.query(lane, &soql).await?;
            contacts.append(&mut self.mapped(&found)?);
        }
        Ok(contacts)
    }

    fn is_full(&self, found: &Rows) -> bool {
        self.shapes.iter().any(|shape| {
            let rows = found.rows.iter();
            let of_shape = rows.filter(|row| object_of(row) == Some(shape.object.as_str()));
            of_shape.count() >= usize::from(ROWS_MAX)
        })
    }

    fn mapped(&self, found: &Rows) -> Result<Vec<Contact>, Error> {
        let rows = found.rows.iter().filter_map(|row| {
            let object = object_of(row)?;
            let shape = self.shapes.iter().find(|s| s.object.as_str() == object)?;
            Some(shape.contact(row, &found.instance, self.numbers))
        });
        rows.collect()
    }
}

/// What the search index is asked for: the digits of the forms in which people
/// type a number, with country code, without, with a trunk prefix; each once.
fn terms(phones: &[&Phone]) -> Vec<Digits> {
    let mut terms = Vec::new();
    for phone in phones {
        for term in phone::digit_forms(phone).iter().filter_map(|form| Digits::of(form)) {
            if !terms.contains(&term) {
                terms.push(term);
            }
        }
    }
    terms
}

/// Who is asked for by e-mail or by id. What has not the form of an id is nobody's.
fn exact(asks: &[Ask]) -> Vec<Condition> {
    let emails = asks.iter().filter_map(|ask| ask.email.as_deref());
    // Longer than an e-mail can be, it could only fill up the query.
    let emails = emails.filter(|email| (3..=254).contains(&email.chars().count()));
    let emails = emails.filter_map(|email| Condition::one_of(&name("Email"), [email]));
    let ids = asks.iter().filter_map(|ask| record_id(ask.record.as_deref()?));
    let ids: Vec<String> = ids.collect();
    let ids = Condition::one_of(&name("Id"), ids.iter().map(String::as_str));
    emails.chain(ids).collect()
}

/// One condition a phone: stored in a form people type, anywhere (an index on
/// the field can answer that), or with its digits in order in any other form,
/// in what changed lately (the index on `SystemModstamp` answers that).
fn hidden_by_the_index(shape: &Shape, phones: &[&Phone], numbers: Numbering) -> Vec<Condition> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let lately = now.saturating_sub(INDEX_LAG).as_millis();
    let lately = Timestamp(i64::try_from(lately).unwrap_or(i64::MAX));
    let condition = |phone: &&Phone| {
        let forms = numbers.forms(phone);
        let digits = Digits::of(&phone::national_digits(phone))?;
        let fields = shape.phone_fields.iter();
        let typed = fields
            .clone()
            .filter_map(|field| Condition::one_of(field, forms.iter().map(String::as_str)));
        let spread = fields.map(|field| Condition::digits_in_order(field, &digits));
        let recent = Condition::since(&name("SystemModstamp"), lately)
            .and(Condition::any(spread.collect())?);
        Condition::any(typed.chain([recent]).collect())
    };
    phones.iter().filter_map(condition).collect()
}

/// Joins conditions into as few as fit a WHERE clause each.
fn packed(conditions: Vec<Condition>) -> Vec<Condition> {
    let mut packs: Vec<Vec<Condition>> = Vec::new();
    let mut length = 0;
    for condition in conditions {
        let more = condition.len() + " OR ".len();
        match packs.last_mut() {
            Some(pack) if length + more <= WHERE_MAX => pack.push(condition),
            _ => {
                packs.push(vec![condition]);
                length = 0;
            }
        }
        length += more;
    }
    packs.into_iter().filter_map(Condition::any).collect()
}

/// Who of `contacts` has an identifier that was asked for, each once.
fn matching(contacts: &[Contact], ask: &Ask) -> Vec<Contact> {
    let record = ask.record.as_deref().and_then(record_id);
    let people = contacts.iter().map(|contact| (contact, contact.email.as_slice()));
    kit::people::matching(people, ask, |own| record.is_some() && record == record_id(own))
}

/// A search has no record to be missing: a 404 means that the address is wrong.
fn misdirected(error: Error) -> Error {
    match error {
        Error::NotFound => Error::Invalid {
            field: Some("api_version".to_owned()),
            reason: "the org knows no such version of its API".to_owned(),
        },
        error => error,
    }
}

fn name(text: &str) -> Name {
    Name::new(text).expect("written in this file")
}

#[cfg(test)]
mod tests {
    use super::super::mapping::{Object, Shape};
    use super::super::soql::WHERE_MAX;
    use super::{hidden_by_the_index, packed, terms};
    use domain::{Phone, Region, phone};

    fn phone_of(text: &str) -> Phone {
        let region = Region::parse("US").expect("a region");
        phone::parse_stored(text, region).expect(text)
    }

    #[test]
    fn a_number_is_searched_for_with_and_without_what_precedes_it() {
        let (us, gb) = (phone_of("+15550199999"), phone_of("+442079460018"));
        let terms = format!("{:?}", terms(&[&us, &gb, &us]));
        for term in ["5550199999", "15550199999", "2079460018", "442079460018", "02079460018"] {
            assert_eq!(terms.matches(&format!("\"{term}\"")).count(), 1, "{term} in {terms}");
        }
    }

    #[test]
    fn twenty_phones_make_conditions_that_the_vendor_takes() {
        let shape = Shape::new(Object::Contact, &[], vec![]);
        let phones: Vec<Phone> = (0..20).map(|n| phone_of(&format!("+15550199{n:03}"))).collect();
        let phones: Vec<&Phone> = phones.iter().collect();
        let us = Region::parse("US").expect("a region").into();
        let conditions = hidden_by_the_index(&shape, &phones, us);
        assert_eq!(conditions.len(), 20);
        let packs = packed(conditions);
        assert!(packs.len() < 20, "some go together");
        for pack in packs {
            assert!(pack.len() <= WHERE_MAX + 2, "{}", pack.len());
        }
    }
}
