//! Finds people in ServiceNow by phone, e-mail or record id.
//!
//! One request a table for a whole batch: each phone column compared with the forms in
//! which people type the number, the e-mail column, the id. Background work also looks
//! for the number's last digits, which finds it in any grouping. ServiceNow drops what it
//! does not understand of a query and returns all rows: so every row is compared with
//! what was asked, and "nobody" is not said on the word of an answer that was not.

use super::client::Client;
use super::mapping::{Shape, ignored, is_asked, stored};
use super::query::{AnyOf, Name, QUERY_MAX, Query, Term, sys_id};
use async_trait::async_trait;
use domain::{Contact, Numbering, Phone, phone};
use kit::{Ask, Error, Lane, Lookup};
use serde_json::Value as Json;
use std::sync::Arc;

/// Asks in one batch: five numbers in all their forms are one request of a usual size.
const BATCH_MAX: usize = 5;
/// Rows of one answer. Numbers shared by more people are switchboards.
const ROWS_MAX: u32 = 200;
/// Rows that are looked through for a number in an unusual grouping.
const LOOSE_ROWS_MAX: u32 = 1_000;
/// Digits at the end of a number that even unusual groupings leave together.
const LAST_DIGITS: usize = 3;

/// The lookup of one connection.
pub(super) struct Directory {
    pub(super) client: Arc<Client>,
    pub(super) shapes: Vec<Shape>,
    pub(super) numbers: Numbering,
}

/// What one ask is looked for by, as texts.
struct Sought {
    phones: Vec<String>,
    email: Option<String>,
    record: Option<String>,
}

#[async_trait]
impl Lookup for Directory {
    fn batch_max(&self) -> usize {
        BATCH_MAX
    }

    async fn find(&self, lane: Lane, asks: &[Ask]) -> Result<Vec<Vec<Contact>>, Error> {
        let mut found = Vec::with_capacity(asks.len());
        for batch in asks.chunks(BATCH_MAX) {
            let (contacts, is_trusted) = self.find_batch(lane, batch).await?;
            for ask in batch {
                let matching = matching(&contacts, ask);
                if let (true, Err(table)) = (matching.is_empty(), &is_trusted) {
                    return Err(ignored(table));
                }
                found.push(matching);
            }
        }
        Ok(found)
    }
}

impl Directory {
    /// Everybody whom the queries found; and the table whose answer was to another question.
    async fn find_batch(
        &self,
        lane: Lane,
        asks: &[Ask],
    ) -> Result<(Vec<Contact>, Result<(), Name>), Error> {
        let sought: Vec<Sought> = asks.iter().map(|ask| self.sought(ask)).collect();
        let exact = self.shapes.iter().flat_map(|shape| {
            packed(shape, &sought).into_iter().map(move |condition| (shape, condition, true))
        });
        let numbers: Vec<&Phone> = match lane {
            Lane::Call => Vec::new(),
            Lane::Background => asks.iter().filter_map(|ask| ask.phone.as_ref()).collect(),
        };
        let loose = self
            .shapes
            .iter()
            .filter_map(|shape| loose(shape, &numbers).map(|condition| (shape, condition, false)));
        let parts: Vec<(&Shape, AnyOf, bool)> = exact.chain(loose).collect();
        let queries = parts.iter().map(|(shape, condition, is_exact)| {
            let most = if *is_exact { ROWS_MAX } else { LOOSE_ROWS_MAX };
            self.query(shape, condition, most)
        });
        let answers = self.client.all(lane, queries.collect()).await?;
        let (mut contacts, mut is_trusted) = (Vec::new(), Ok(()));
        for ((shape, _, is_exact), rows) in parts.iter().zip(answers) {
            for row in rows {
                if *is_exact && !is_explained(shape, &row, &sought) {
                    is_trusted = Err(shape.table.clone());
                }
                contacts.push(shape.contact(&row, &self.client.instance, self.numbers)?);
            }
        }
        Ok((contacts, is_trusted))
    }

    fn query(&self, shape: &Shape, condition: &AnyOf, most: u32) -> Query {
        let mut query =
            Query::of(&shape.table, vec![condition.clone()], shape.fields.clone(), most)
                .ordered(&[&Name::fixed("sys_created_on"), &Name::fixed("sys_id")]);
        query.with_display = !shape.data.display.is_empty();
        query
    }

    fn sought(&self, ask: &Ask) -> Sought {
        let phones = ask.phone.as_ref().map(|phone| self.numbers.forms(phone)).unwrap_or_default();
        let email = ask.email.as_deref().map(str::trim);
        // Longer than an e-mail can be, it could only fill up the query.
        let email = email.filter(|email| (3..=254).contains(&email.chars().count()));
        Sought {
            phones,
            email: email.map(str::to_owned),
            record: ask.record.as_deref().and_then(sys_id),
        }
    }
}

/// The conditions of all asks, as few as fit an address each.
fn packed(shape: &Shape, sought: &[Sought]) -> Vec<AnyOf> {
    let mut packs: Vec<AnyOf> = Vec::new();
    let mut from = 0;
    for to in 1..=sought.len() {
        let fits = to < sought.len()
            && terms(shape, &sought[from..=to]).is_none_or(|next| next.len() <= QUERY_MAX);
        if !fits {
            packs.extend(terms(shape, &sought[from..to]));
            from = to;
        }
    }
    packs
}

fn terms(shape: &Shape, sought: &[Sought]) -> Option<AnyOf> {
    let phones: Vec<&str> = sought.iter().flat_map(|s| &s.phones).map(String::as_str).collect();
    let records: Vec<&str> = sought.iter().filter_map(|s| s.record.as_deref()).collect();
    let by_phone =
        shape.phones.iter().filter_map(|(column, _)| Term::one_of(column, phones.iter().copied()));
    let emails = sought.iter().filter_map(|s| s.email.as_deref());
    let (plain, with_comma): (Vec<&str>, Vec<&str>) =
        emails.partition(|email| !email.contains(','));
    let by_email = Term::one_of(&shape.email, plain)
        .into_iter()
        .chain(with_comma.into_iter().filter_map(|email| Term::is(&shape.email, email)));
    let by_record = Term::one_of(&Name::fixed("sys_id"), records);
    AnyOf::new(by_phone.chain(by_email).chain(by_record))
}

/// The last digits of each number, side by side in a phone column.
fn loose(shape: &Shape, numbers: &[&Phone]) -> Option<AnyOf> {
    let mut ends: Vec<String> = Vec::new();
    for number in numbers {
        let digits = phone::national_digits(number);
        let end = digits.get(digits.len().saturating_sub(LAST_DIGITS)..).unwrap_or_default();
        if !ends.iter().any(|known| known == end) {
            ends.push(end.to_owned());
        }
    }
    let columns = shape.phones.iter();
    AnyOf::new(
        columns
            .flat_map(|(column, _)| ends.iter().filter_map(move |end| Term::contains(column, end))),
    )
}

/// Does the row hold, in one of the columns that were compared, what it was compared with?
fn is_explained(shape: &Shape, row: &Json, sought: &[Sought]) -> bool {
    let holds = |column: &str, asked: &str| {
        stored(row, column).is_some_and(|stored| is_asked(stored, asked))
    };
    sought.iter().any(|one| {
        one.phones.iter().any(|form| shape.phones.iter().any(|(c, _)| holds(c.as_str(), form)))
            || one.email.as_ref().is_some_and(|email| holds(shape.email.as_str(), email))
            || one.record.as_ref().is_some_and(|record| holds("sys_id", record))
    })
}

/// Who of `contacts` has an identifier that was asked for, each once.
fn matching(contacts: &[Contact], ask: &Ask) -> Vec<Contact> {
    let record = ask.record.as_deref().and_then(sys_id);
    let people = contacts.iter().map(|contact| (contact, contact.email.as_slice()));
    kit::people::matching(people, ask, |own| record.as_deref() == Some(own))
}

#[cfg(test)]
mod tests {
    use super::super::mapping::{Data, Shape};
    use super::super::query::{Name, QUERY_MAX};
    use super::{BATCH_MAX, Sought, packed};
    use domain::Phone;
    use domain::phone::typed_forms;

    #[test]
    fn a_calls_batch_is_a_few_requests_of_a_usual_size() {
        let shape = Shape::new(Name::fixed("customer_contact"), &[], None, Data::default());
        let sought: Vec<Sought> = (0..BATCH_MAX)
            .map(|n| Sought {
                phones: typed_forms(&Phone { e164: format!("+1415555{n:04}"), extension: None }),
                email: Some(format!("somebody.{n}@example.com")),
                record: None,
            })
            .collect();
        let packs = packed(&shape, &sought);
        assert!(packs.len() <= BATCH_MAX, "{}", packs.len());
        assert!(packs.iter().all(|pack| pack.len() <= QUERY_MAX), "{packs:?}");
    }
}
