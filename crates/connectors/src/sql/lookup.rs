//! Finds people by the queries from the configuration: by phone, e-mail or id.
//!
//! One query for each identifier of an ask, at the same time. What comes back is compared
//! with what was asked; a query that finds more does no harm.

use super::database::Database;
use super::mapping::Columns;
use super::queries::{Queries, invalid, of_email, of_phone};
use super::statement::{Given, Statement};
use async_trait::async_trait;
use domain::{Contact, Numbering};
use kit::{Ask, Error, Lane, Lookup};
use std::sync::Arc;

/// Longest e-mail there is (RFC 5321 §4.5.3.1.3), and longest id that is asked for.
const ASK_MAX: usize = 254;

/// The lookup of one connection.
pub(super) struct Directory {
    pub(super) database: Arc<dyn Database>,
    pub(super) queries: Arc<Queries>,
    pub(super) numbers: Numbering,
}

#[async_trait]
impl Lookup for Directory {
    async fn find(&self, lane: Lane, asks: &[Ask]) -> Result<Vec<Vec<Contact>>, Error> {
        let mut found = Vec::with_capacity(asks.len());
        for ask in asks {
            found.push(self.find_one(lane, ask).await?);
        }
        Ok(found)
    }
}

impl Directory {
    async fn find_one(&self, lane: Lane, ask: &Ask) -> Result<Vec<Contact>, Error> {
        let queries = &self.queries;
        let fits = |text: &&String| (1..=ASK_MAX).contains(&text.trim().len());
        let phone = queries.by_phone.as_ref().zip(ask.phone.as_ref());
        let phone = phone.map(|(statement, phone)| (statement, of_phone(phone, self.numbers)));
        let email = queries.by_email.as_ref().zip(ask.email.as_ref().filter(fits));
        let email = email.map(|(statement, email)| (statement, of_email(email)));
        let record = queries.by_record.as_ref().zip(ask.record.as_ref().filter(fits));
        let record =
            record.map(|(statement, id)| (statement, vec![("record", id.as_str().into())]));
        let (phone, email, record) =
            tokio::try_join!(self.people(lane, phone), self.people(lane, email), async {
                or_nobody(self.people(lane, record).await)
            },)?;
        let mut people: Vec<Contact> = Vec::new();
        for contact in phone.into_iter().chain(email).chain(record) {
            let is_known = people.iter().any(|known| known.record == contact.record);
            if agrees(&contact, ask) && !is_known {
                people.push(contact);
            }
        }
        Ok(people)
    }

    async fn people(
        &self,
        lane: Lane,
        asked: Option<(&Statement, Vec<(&str, Given)>)>,
    ) -> Result<Vec<Contact>, Error> {
        let Some((statement, given)) = asked else { return Ok(Vec::new()) };
        let arguments = statement.arguments(&given)?;
        let rows = self.database.rows(lane, statement, arguments).await?;
        let columns = &self.queries.columns;
        if let Some(row) = rows.first() {
            let names: Vec<String> = row.0.iter().map(|(name, _)| name.clone()).collect();
            missing(columns, statement, &names).map_or(Ok(()), Err)?;
        }
        // A row without an id is nobody whom a call could be given to.
        Ok(rows.iter().filter_map(|row| columns.contact(row, self.numbers)).collect())
    }
}

/// What a query must answer and does not: without it nobody could be told from anybody else.
pub(super) fn missing(columns: &Columns, statement: &Statement, names: &[String]) -> Option<Error> {
    let lacks = |what: &str| Some(invalid(&statement.setting, &format!("answers no {what}")));
    if !columns.has(names, "record") {
        return lacks(&format!("column `{}`, the record's id", columns.column("record")));
    }
    match statement.setting.as_str() {
        "lookup_by_phone" if !columns.has_phone(names) => {
            lacks("column with a number (such as `phone`), by which the caller is known again")
        }
        "lookup_by_email" if !columns.has(names, "email") => {
            lacks(&format!("column `{}`, by which they are known again", columns.column("email")))
        }
        _ => None,
    }
}

/// An id in a form that none can have (`abc` where ids are numbers) is nobody's.
fn or_nobody(found: Result<Vec<Contact>, Error>) -> Result<Vec<Contact>, Error> {
    match found {
        Err(Error::NotFound) => Ok(Vec::new()),
        found => found,
    }
}

/// Has the contact something that was asked for?
fn agrees(contact: &Contact, ask: &Ask) -> bool {
    let by_record = ask.record.as_deref().is_some_and(|id| id.trim() == contact.record);
    let by_phone = ask.phone.as_ref().is_some_and(|phone| contact.has_phone(&phone.e164));
    let by_email = ask.email.as_deref().is_some_and(|wanted| {
        let own = contact.email.as_deref();
        own.is_some_and(|own| own.eq_ignore_ascii_case(wanted.trim()))
    });
    by_record || by_phone || by_email
}
