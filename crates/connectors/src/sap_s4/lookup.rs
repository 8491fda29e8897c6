//! Finds business partners by number, phone or e-mail.
//!
//! Numbers and e-mails lie in tables of their own, so that it takes three steps:
//! who has the number (`A_AddressPhoneNumber`, beside it `A_AddressEmailAddress`),
//! whose address that is (`A_BusinessPartnerAddress`), and who that is
//! (`A_BusinessPartner` with all that belongs to it). A contact person is found by
//! their person number beside the second step, and how else they are reached beside
//! the third. What a step brings is compared with what was asked before the next one.

use super::client::Client;
use super::mapping::{Partner, Reached, Shape, What, partner_id};
use super::odata::{Filter, Name, Query};
use async_trait::async_trait;
use domain::{Contact, Numbering, Phone, phone};
use kit::{Ask, Error, Lane, Lookup};
use serde_json::Value;
use std::sync::Arc;

/// Asks that travel together.
const BATCH_MAX: usize = 10;
/// Rows of one request. Numbers shared by more partners are switchboards.
const ROWS_MAX: u16 = 200;
/// Places looked into for one batch: twice what one request may bring.
const PLACES_MAX: usize = 400;
/// Characters of an e-mail that SAP's index of e-mails holds, in capitals.
const INDEXED_MAX: usize = 20;
/// Longest e-mail SAP stores.
const EMAIL_MAX: usize = 241;

const PHONE_FIELDS: [&str; 9] = [
    "AddressID",
    "Person",
    "OrdinalNumber",
    "DestinationLocationCountry",
    "IsDefaultPhoneNumber",
    "PhoneNumber",
    "PhoneNumberExtension",
    "InternationalPhoneNumber",
    "PhoneNumberType",
];
const EMAIL_FIELDS: [&str; 5] =
    ["AddressID", "Person", "OrdinalNumber", "IsDefaultEmailAddress", "EmailAddress"];

/// The lookup of one connection.
pub(super) struct Directory {
    pub(super) client: Arc<Client>,
    pub(super) shape: Shape,
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
            let partners = self.find_batch(lane, batch).await.map_err(misdirected)?;
            found.extend(batch.iter().map(|ask| matching(&partners, ask)));
        }
        Ok(found)
    }
}

impl Directory {
    async fn find_batch(&self, lane: Lane, asks: &[Ask]) -> Result<Vec<Partner>, Error> {
        let records: Vec<String> =
            asks.iter().filter_map(|ask| partner_id(ask.record.as_deref()?)).collect();
        let (named, phones, emails) = tokio::try_join!(
            self.partners(lane, "BusinessPartner", &records),
            self.client.all(lane, phone_queries(lane, asks, self.numbers)),
            self.client.all(lane, email_queries(asks)),
        )?;
        let phones = phones.iter().filter_map(|row| Reached::phone(row, self.numbers));
        let mut places: Vec<Reached> = Vec::new();
        for one in phones.chain(emails.iter().filter_map(Reached::email)) {
            if places.len() < PLACES_MAX && is_asked_for(&one, asks) && !places.contains(&one) {
                places.push(one);
            }
        }
        let mut addresses: Vec<String> = places.iter().map(|one| one.address.clone()).collect();
        let mut people: Vec<String> = places.iter().map(|one| one.person.clone()).collect();
        people.retain(|person| !person.is_empty());
        for list in [&mut addresses, &mut people] {
            list.sort_unstable();
            list.dedup();
        }
        let (owners, mut rows) = tokio::try_join!(
            self.client.all(lane, owner_queries(&addresses)),
            self.partners(lane, "PersonNumber", &people),
        )?;
        rows.extend(named);
        let owners = owners_of(&owners, &places, &rows);
        let (owners, reached) = tokio::try_join!(
            self.partners(lane, "BusinessPartner", &owners),
            self.reached_at_work(lane, &rows),
        )?;
        rows.extend(owners);
        places.extend(reached);
        let partners = rows.iter().map(|row| self.shape.partner(row, &places, self.numbers));
        partners.filter_map(Result::transpose).collect()
    }

    /// Every number and e-mail of the contact persons among these partners: they lie at
    /// an address that is not theirs, so that they do not come with the partner.
    async fn reached_at_work(&self, lane: Lane, rows: &[Value]) -> Result<Vec<Reached>, Error> {
        let person = name("Person");
        let people: Vec<Filter> =
            rows.iter().filter_map(contact_person).map(|id| Filter::eq(&person, id)).collect();
        let (phones, emails) = tokio::try_join!(
            self.client.all(lane, queries("A_AddressPhoneNumber", people.clone(), &PHONE_FIELDS)),
            self.client.all(lane, queries("A_AddressEmailAddress", people, &EMAIL_FIELDS)),
        )?;
        let phones = phones.iter().filter_map(|row| Reached::phone(row, self.numbers));
        Ok(phones.chain(emails.iter().filter_map(Reached::email)).collect())
    }

    /// The partners with one of these values in a property.
    async fn partners(
        &self,
        lane: Lane,
        property: &str,
        values: &[String],
    ) -> Result<Vec<Value>, Error> {
        let property = name(property);
        let filters = values.iter().map(|value| Filter::eq(&property, value)).collect();
        let (select, expand) = self.shape.of_partner();
        let query = |filter| Query {
            set: "A_BusinessPartner",
            filter: Some(filter),
            select: select.clone(),
            expand: expand.clone(),
            order: None,
            top: ROWS_MAX,
        };
        self.client.all(lane, Filter::packed(filters).into_iter().map(query).collect()).await
    }
}

/// Rows of the table of numbers: by SAP's own international form, which an extension
/// may follow, and as typed, for rows that SAP could make no such form of.
fn phone_queries(lane: Lane, asks: &[Ask], numbers: Numbering) -> Vec<Query> {
    let (international, typed) = (name("InternationalPhoneNumber"), name("PhoneNumber"));
    let mut filters: Vec<Filter> = Vec::new();
    for phone in asks.iter().filter_map(|ask| ask.phone.as_ref()) {
        let forms = typed_forms(lane, phone, numbers);
        let typed = forms.iter().map(|form| Filter::eq(&typed, form));
        let all = [Filter::starts_with(&international, &phone.e164)].into_iter().chain(typed);
        filters.extend(all.filter(|filter| !filters.contains(filter)).collect::<Vec<_>>());
    }
    queries("A_AddressPhoneNumber", filters, &PHONE_FIELDS)
}

/// A call compares with the plain forms only, so that a batch stays one request.
fn typed_forms(lane: Lane, phone: &Phone, numbers: Numbering) -> Vec<String> {
    match lane {
        _ if numbers.is_uniform() => numbers.forms(phone),
        Lane::Call => {
            let mut forms = phone::digit_forms(phone);
            forms.push(phone.e164.clone());
            forms
        }
        Lane::Background => {
            let mut forms = numbers.all_forms(phone);
            // A longer text does not fit the property.
            forms.retain(|form| form.chars().count() <= 30);
            forms
        }
    }
}

/// Rows of the table of e-mails, by the beginning that SAP keeps in capitals. More than
/// were asked for begin alike; which were, is seen when they come back.
fn email_queries(asks: &[Ask]) -> Vec<Query> {
    let indexed = name("SearchEmailAddress");
    let emails = asks.iter().filter_map(|ask| ask.email.as_deref());
    let emails = emails.filter(|email| (3..=EMAIL_MAX).contains(&email.chars().count()));
    let mut filters: Vec<Filter> = Vec::new();
    for email in emails {
        let begins: String = email.trim().to_uppercase().chars().take(INDEXED_MAX).collect();
        let filter = Filter::eq(&indexed, &begins);
        filters.extend((!filters.contains(&filter)).then_some(filter));
    }
    queries("A_AddressEmailAddress", filters, &EMAIL_FIELDS)
}

fn owner_queries(addresses: &[String]) -> Vec<Query> {
    let address = name("AddressID");
    let filters = addresses.iter().map(|id| Filter::eq(&address, id)).collect();
    queries("A_BusinessPartnerAddress", filters, &["BusinessPartner", "AddressID", "Person"])
}

fn queries(set: &'static str, filters: Vec<Filter>, fields: &[&str]) -> Vec<Query> {
    let select: Vec<Name> = fields.iter().map(|field| name(field)).collect();
    let query = |filter| Query {
        set,
        filter: Some(filter),
        select: select.clone(),
        expand: Vec::new(),
        order: None,
        top: ROWS_MAX,
    };
    Filter::packed(filters).into_iter().map(query).collect()
}

/// Whose addresses these are, less who is known already, and less the company where it
/// is one of its people that was found.
fn owners_of(rows: &[Value], places: &[Reached], known: &[Value]) -> Vec<String> {
    let text = |row: &Value, field: &str| {
        row.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let known: Vec<String> = known.iter().map(|row| text(row, "BusinessPartner")).collect();
    let mut owners: Vec<String> = Vec::new();
    for row in rows {
        let (address, person) = (text(row, "AddressID"), text(row, "Person"));
        let is_theirs = places
            .iter()
            .any(|one| one.address == address && (one.person.is_empty() || one.person == person));
        let owner = partner_id(&text(row, "BusinessPartner"));
        let owner = owner.filter(|id| is_theirs && !known.contains(id) && !owners.contains(id));
        owners.extend(owner);
    }
    owners
}

/// The person number of a partner who has no address of their own.
fn contact_person(row: &Value) -> Option<&str> {
    let addresses = row.pointer("/to_BusinessPartnerAddress/results").and_then(Value::as_array);
    let is_elsewhere = addresses.is_none_or(Vec::is_empty);
    let number = row.get("PersonNumber").and_then(Value::as_str).map(str::trim);
    number.filter(|number| is_elsewhere && !number.is_empty())
}

fn is_asked_for(one: &Reached, asks: &[Ask]) -> bool {
    asks.iter().any(|ask| match &one.what {
        What::Phone { e164, .. } => ask.phone.as_ref().is_some_and(|phone| phone.e164 == *e164),
        What::Email(email) => {
            ask.email.as_deref().is_some_and(|wanted| wanted.trim().eq_ignore_ascii_case(email))
        }
    })
}

/// Who of the partners has an identifier that was asked for, each once. A contact has
/// room for one e-mail: of several it gets the one that was asked for.
fn matching(partners: &[Partner], ask: &Ask) -> Vec<Contact> {
    let record = ask.record.as_deref().and_then(partner_id);
    let people = partners.iter().map(|partner| (&partner.contact, partner.emails.as_slice()));
    kit::people::matching(people, ask, |own| record.is_some() && record == partner_id(own))
}

/// A search has no entity to be missing: a 404 means that the address is wrong.
pub(super) fn misdirected(error: Error) -> Error {
    match error {
        Error::NotFound => Error::Invalid {
            field: Some("service_path".to_owned()),
            reason: "the system has no business partner service there".to_owned(),
        },
        error => error,
    }
}

fn name(text: &str) -> Name {
    Name::new(text).expect("written in this file")
}

#[cfg(test)]
mod tests {
    use super::{BATCH_MAX, email_queries, phone_queries};
    use domain::{Numbering, Phone, Region};
    use kit::{Ask, Lane};

    fn us() -> Numbering {
        Region::parse("US").expect("a region").into()
    }

    fn asks() -> Vec<Ask> {
        let ask = |n: usize| Ask {
            phone: Some(Phone { e164: format!("+1415555{n:04}"), extension: None }),
            email: Some(format!("somebody.with.a.long.name.{n}@example.com")),
            record: None,
        };
        (0..BATCH_MAX).map(ask).collect()
    }

    #[test]
    fn a_calls_batch_is_one_request_for_numbers_and_one_for_emails() {
        assert_eq!(phone_queries(Lane::Call, &asks(), us()).len(), 1);
        // They begin alike, so that they are one condition.
        assert_eq!(email_queries(&asks()).len(), 1);
    }

    #[test]
    fn background_work_compares_with_every_form_in_several_requests() {
        let queries = phone_queries(Lane::Background, &asks(), us());
        assert!((3..=6).contains(&queries.len()), "{}", queries.len());
    }
}
