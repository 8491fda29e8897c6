//! Finds people in Zoho CRM by phone, e-mail or record id.
//!
//! A call asks once for a whole batch: one COQL query per module, at the same time, with
//! each number in the forms in which people type it. Background work also asks the search,
//! which compares digits and so finds a number in any other form, but whose index lags
//! behind. Everything that comes back is compared with what was asked.

use super::client::{Ask as Sent, Client, Method, page, record_id};
use super::coql::{COLUMNS_MAX, Condition, Query, ROWS_MAX, VALUES_MAX, name};
use super::mapping::{Module, Shape};
use async_trait::async_trait;
use domain::{Contact, Numbering, Phone, phone};
use kit::{Ask, Error, Lane, Lookup};
use serde_json::Value;
use std::sync::Arc;

/// Written forms of one number that are compared; the likeliest come first.
const FORMS_MAX: usize = 25;
/// Asks in one request, however few the phone fields are.
const BATCH_MAX: usize = 20;
/// Criteria of a query that are left to e-mails and ids.
const OTHER_CRITERIA: usize = 2;
/// Longest e-mail there can be: longer ones could only fill up the query.
const EMAIL_MAX: usize = 254;

/// The lookup of one connection.
pub(super) struct Directory {
    pub(super) client: Arc<Client>,
    pub(super) shapes: Vec<Shape>,
    pub(super) numbers: Numbering,
}

#[async_trait]
impl Lookup for Directory {
    /// As many numbers as one query per module holds with all their forms.
    fn batch_max(&self) -> usize {
        let fields = self.shapes.iter().map(|shape| shape.phone_fields.len()).max().unwrap_or(1);
        let lists = (super::coql::CRITERIA_MAX - OTHER_CRITERIA) / fields.max(1);
        (lists * (VALUES_MAX / FORMS_MAX)).clamp(1, BATCH_MAX)
    }

    async fn find(&self, lane: Lane, asks: &[Ask]) -> Result<Vec<Vec<Contact>>, Error> {
        let mut found = Vec::with_capacity(asks.len());
        for batch in asks.chunks(self.batch_max()) {
            let contacts = self.find_batch(lane, batch).await?;
            found.extend(batch.iter().map(|ask| matching(&contacts, ask)));
        }
        Ok(found)
    }

    /// A lead that was converted is a contact since, and Zoho tells which. Into what a
    /// record was merged it does not tell by the one that is gone.
    async fn successor(&self, lane: Lane, record: &str) -> Result<Option<String>, Error> {
        let Some(record) = record_id(record) else { return Ok(None) };
        if !self.shapes.iter().any(|shape| shape.module == Module::Leads) {
            return Ok(None);
        }
        let ask = Sent::new(Method::Get, format!("/Leads/{record}"))
            .query("fields", "Last_Name")
            .query("converted", "true");
        let rows = match self.client.send(lane, &ask).await.and_then(page) {
            Ok((rows, _)) => rows,
            Err(Error::NotFound) => return Ok(None),
            Err(error) => return Err(error),
        };
        let into = rows.first().map(|row| &row["$converted_detail"]["contact"]);
        // An id alone, or with the name beside it.
        let id = into.and_then(|into| into["id"].as_str().or_else(|| into.as_str()));
        Ok(id.and_then(record_id).map(str::to_owned))
    }
}

impl Directory {
    async fn find_batch(&self, lane: Lane, asks: &[Ask]) -> Result<Vec<Contact>, Error> {
        let mut asking = tokio::task::JoinSet::new();
        for shape in self.shapes.iter().skip(1) {
            let (client, shape, asks) = (Arc::clone(&self.client), shape.clone(), asks.to_vec());
            let numbers = self.numbers;
            asking.spawn(async move { module(&client, lane, &shape, &asks, numbers).await });
        }
        let mut contacts = match self.shapes.first() {
            Some(shape) => module(&self.client, lane, shape, asks, self.numbers).await?,
            None => Vec::new(),
        };
        // Dropped with this future, the others end as well.
        while let Some(joined) = asking.join_next().await {
            let more = joined.map_err(|_| Error::unavailable("a request was given up"))?;
            contacts.extend(more?);
        }
        Ok(contacts)
    }
}

/// Who of one module may be meant by one of the asks.
async fn module(
    client: &Client,
    lane: Lane,
    shape: &Shape,
    asks: &[Ask],
    numbers: Numbering,
) -> Result<Vec<Contact>, Error> {
    let mut rows = queried(client, lane, shape, asks, numbers).await?;
    if lane == Lane::Background {
        rows.extend(searched(client, shape, asks).await?);
    }
    rows.iter().map(|row| shape.contact(row, numbers)).collect()
}

/// Rows by COQL. An answer that is full may lack somebody, so that a batch is then halved
/// until each part fits or is a single ask.
async fn queried(
    client: &Client,
    lane: Lane,
    shape: &Shape,
    asks: &[Ask],
    numbers: Numbering,
) -> Result<Vec<Value>, Error> {
    let module = name(shape.module.as_str());
    let order = name("id");
    let mut found = Vec::new();
    let mut parts = vec![asks];
    while let Some(part) = parts.pop() {
        let mut rows = Vec::new();
        let mut is_full = false;
        for condition in Condition::any(conditions(shape, part, numbers)) {
            let query = Query::select(&module, &shape.fields, &condition, &[&order], ROWS_MAX);
            let (more, has_more, _) = client.rows(lane, &query).await?;
            is_full |= has_more || more.len() >= ROWS_MAX;
            rows.extend(more);
        }
        if is_full && part.len() > 1 {
            let (left, right) = part.split_at(part.len() / 2);
            parts.extend([left, right]);
            continue;
        }
        found.extend(rows);
    }
    Ok(found)
}

/// Rows by the search: a number in whatever form, an e-mail in whatever case.
async fn searched(client: &Client, shape: &Shape, asks: &[Ask]) -> Result<Vec<Value>, Error> {
    let mut terms: Vec<(&str, String)> = Vec::new();
    for ask in asks {
        let number = ask.phone.as_ref().map(phone::national_digits);
        let number = number.filter(|digits| (3..=50).contains(&digits.len()));
        let email = ask.email.clone().filter(|email| is_askable(email));
        let both = [("phone", number), ("email", email)];
        for (key, term) in both.into_iter().filter_map(|(key, term)| Some((key, term?))) {
            if !terms.contains(&(key, term.clone())) {
                terms.push((key, term));
            }
        }
    }
    let fields: Vec<&str> = shape.fields.iter().take(COLUMNS_MAX).map(|f| f.as_str()).collect();
    let mut rows = Vec::new();
    for (key, term) in terms {
        let path = format!("/{}/search", shape.module.as_str());
        let ask = Sent::new(Method::Get, path)
            .query(key, term)
            .query("fields", fields.join(","))
            .query("per_page", ROWS_MAX.to_string());
        rows.extend(page(client.send(Lane::Background, &ask).await?)?.0);
    }
    Ok(rows)
}

/// Who is asked for, as conditions of which one must hold.
fn conditions(shape: &Shape, asks: &[Ask], numbers: Numbering) -> Vec<Condition> {
    let forms: Vec<Vec<String>> =
        asks.iter().filter_map(|ask| ask.phone.as_ref()).map(|p| forms(p, numbers)).collect();
    let forms: Vec<&str> = once(forms.iter().flatten().map(String::as_str));
    let mut conditions = Vec::new();
    for field in &shape.phone_fields {
        conditions.extend(Condition::one_of(field, forms.iter().copied()));
    }
    let emails: Vec<String> = asks.iter().filter_map(|ask| ask.email.clone()).collect();
    let lower: Vec<String> = emails.iter().map(|email| email.to_lowercase()).collect();
    let emails = once(emails.iter().chain(&lower).map(String::as_str).filter(|e| is_askable(e)));
    conditions.extend(Condition::one_of(&name("Email"), emails));
    let ids = once(asks.iter().filter_map(|ask| record_id(ask.record.as_deref()?)));
    conditions.extend(Condition::one_of(&name("id"), ids));
    conditions
}

/// The forms of a number that are compared with what is stored.
fn forms(phone: &Phone, numbers: Numbering) -> Vec<String> {
    let mut forms = numbers.forms(phone);
    forms.truncate(FORMS_MAX);
    forms
}

fn is_askable(email: &str) -> bool {
    (3..=EMAIL_MAX).contains(&email.chars().count())
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
