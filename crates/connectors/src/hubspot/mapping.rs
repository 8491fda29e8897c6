//! HubSpot's records as contacts and accounts; pure.
//!
//! All values are texts there. Phones are stored as somebody typed them, so every one is
//! parsed, and what is no possible number is left out.

use super::client::record_id;
use domain::{Contact, ContactPhone, Numbering, PhoneKind, Timestamp, Value};
use kit::{Account, Error};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// A record's own id, as a property.
pub(super) const ID: &str = "hs_object_id";
/// Ids of the records that were merged into this one.
pub(super) const MERGED: &str = "hs_merged_object_ids";
/// Phone properties that a search has room for.
pub(super) const PHONES_MAX: usize = 3;

/// Name of a property: small letters, digits and `_`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Property(String);

impl Property {
    pub(super) fn new(text: &str) -> Option<Self> {
        let is_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let fits = !text.is_empty() && text.len() <= 100 && text.bytes().all(is_name);
        fits.then(|| Self(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

fn fixed(text: &'static str) -> Property {
    Property::new(text).expect("written in this program")
}

/// The pages of an account's records, before `/{type}/{id}`.
#[derive(Debug, Clone)]
pub(super) struct Page(pub(super) Option<String>);

impl Page {
    fn of(&self, kind: &str, record: &str) -> Option<String> {
        self.0.as_ref().map(|page| format!("{page}/{kind}/{record}"))
    }
}

/// What is read of contacts.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) phones: Vec<Property>,
    /// Every property asked for, each once.
    pub(super) properties: Vec<Property>,
    data: Vec<(String, Property)>,
    page: Page,
}

impl Shape {
    pub(super) fn new(phones: Vec<Property>, data: Vec<(String, Property)>, page: Page) -> Self {
        let phones = match phones.is_empty() {
            true => vec![fixed("phone"), fixed("mobilephone")],
            false => phones,
        };
        let standard = [
            "firstname",
            "lastname",
            "email",
            "associatedcompanyid",
            "createdate",
            "lastmodifieddate",
        ];
        let mut properties: Vec<Property> = standard.into_iter().map(fixed).collect();
        for property in phones.iter().chain(data.iter().map(|(_, property)| property)) {
            if !properties.contains(property) {
                properties.push(property.clone());
            }
        }
        Self { phones, properties, data, page }
    }

    pub(super) fn names(&self) -> Vec<&str> {
        self.properties.iter().map(Property::as_str).collect()
    }

    /// Reads one record.
    ///
    /// # Errors
    /// `Protocol` when it has no id of the vendor's form.
    pub(super) fn contact(&self, record: &Json, numbers: Numbering) -> Result<Contact, Error> {
        let id = id_of(record)?;
        let part = |name: &str| text(record, name).map(str::to_owned);
        let (first, last) = (part("firstname"), part("lastname"));
        let name =
            [&first, &last].into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" ");
        let mut phones = Vec::new();
        for property in &self.phones {
            let stored = text(record, property.as_str()).and_then(|t| numbers.read(t));
            let kind = match property.as_str() {
                "phone" => PhoneKind::Work,
                "mobilephone" => PhoneKind::Mobile,
                _ => PhoneKind::Other,
            };
            let phone = stored.map(|phone| ContactPhone::new(kind, phone.e164));
            phones.extend(phone.filter(|phone| !phones.contains(phone)));
        }
        Ok(Contact {
            url: self.page.of("0-1", id),
            object: "contacts".to_owned(),
            name,
            first_name: first,
            last_name: last,
            email: part("email"),
            phones,
            created_at: record["createdAt"].as_str().and_then(Timestamp::parse),
            modified_at: record["updatedAt"].as_str().and_then(Timestamp::parse),
            last_call_at: None,
            account: text(record, "associatedcompanyid").and_then(record_id).map(str::to_owned),
            data: data(record, &self.data),
            record: id.to_owned(),
        })
    }
}

/// What is read of companies.
#[derive(Debug, Clone)]
pub(super) struct CompanyShape {
    pub(super) properties: Vec<Property>,
    data: Vec<(String, Property)>,
    page: Page,
}

impl CompanyShape {
    pub(super) fn new(data: Vec<(String, Property)>, page: Page) -> Self {
        let mut properties = vec![fixed("name"), fixed(ID)];
        for (_, property) in &data {
            if !properties.contains(property) {
                properties.push(property.clone());
            }
        }
        Self { properties, data, page }
    }

    /// Reads one record.
    ///
    /// # Errors
    /// As [`Shape::contact`].
    pub(super) fn account(&self, record: &Json) -> Result<Account, Error> {
        let id = id_of(record)?;
        Ok(Account {
            record: id.to_owned(),
            name: text(record, "name").unwrap_or_default().to_owned(),
            url: self.page.of("0-2", id),
            data: data(record, &self.data),
        })
    }
}

/// The record's id.
///
/// # Errors
/// `Protocol` when it has none of the vendor's form.
pub(super) fn id_of(record: &Json) -> Result<&str, Error> {
    let id = record["id"].as_str().and_then(record_id);
    id.ok_or_else(|| Error::protocol("a record without an id"))
}

/// A property that is not empty.
pub(super) fn text<'a>(record: &'a Json, name: &str) -> Option<&'a str> {
    let text = record["properties"].get(name)?.as_str()?.trim();
    (!text.is_empty()).then_some(text)
}

/// Ids of the records that were merged into this one.
pub(super) fn merged(record: &Json) -> impl Iterator<Item = &str> {
    let list = text(record, MERGED).unwrap_or_default();
    list.split(';').map(str::trim).filter_map(record_id)
}

fn data(record: &Json, properties: &[(String, Property)]) -> BTreeMap<String, Value> {
    let value = |property: &Property| text(record, property.as_str()).map(Value::from);
    properties.iter().filter_map(|(key, p)| Some((key.clone(), value(p)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::{CompanyShape, Page, Property, Shape, merged};
    use domain::{ContactPhone, PhoneKind, Region, Timestamp, Value};
    use serde_json::{Value as Json, json};

    fn page() -> Page {
        Page(Some("https://app.hubspot.com/contacts/123/record".to_owned()))
    }

    #[test]
    fn a_documented_answer_maps_to_a_contact() {
        let property = |text: &str| Property::new(text).expect(text);
        let data = [("tier", "loyalty_tier"), ("none", "gone"), ("empty", "jobtitle")];
        let data = data.map(|(key, name)| (key.to_owned(), property(name))).to_vec();
        let shape = Shape::new(vec![], data, page());
        let region = Region::parse("US").expect("a region").into();
        let answer: Json =
            serde_json::from_str(include_str!("fixtures/search.json")).expect("JSON");
        let contact = shape.contact(&answer["results"][0], region).expect("a contact");
        assert_eq!((contact.record.as_str(), contact.object.as_str()), ("512", "contacts"));
        assert_eq!(contact.name, "John Doe");
        assert_eq!(contact.email.as_deref(), Some("john.doe@example.com"));
        let phones = [(PhoneKind::Work, "+15550199999"), (PhoneKind::Mobile, "+15550199998")];
        assert_eq!(contact.phones, phones.map(|(kind, e164)| ContactPhone::new(kind, e164)));
        assert_eq!(contact.account.as_deref(), Some("7001"));
        assert_eq!(contact.modified_at, Timestamp::parse("2026-11-20T03:42:44.123Z"));
        let url = "https://app.hubspot.com/contacts/123/record/0-1/512";
        assert_eq!(contact.url.as_deref(), Some(url));
        assert_eq!(contact.data, [("tier".to_owned(), Value::from("Gold"))].into());
        let gone: Vec<&str> = merged(&answer["results"][0]).collect();
        assert_eq!(gone, ["401", "402"]);
    }

    #[test]
    fn a_record_without_an_id_is_outside_the_protocol() {
        let region = Region::parse("US").expect("a region").into();
        let (shape, companies) =
            (Shape::new(vec![], vec![], page()), CompanyShape::new(vec![], page()));
        for record in [json!({}), json!({ "id": null }), json!({ "id": "x" }), json!(7)] {
            assert_eq!(shape.contact(&record, region).expect_err("no id").kind(), "protocol");
            assert_eq!(companies.account(&record).expect_err("no id").kind(), "protocol");
        }
    }

    #[test]
    fn a_masked_number_is_none() {
        let shape = Shape::new(vec![], vec![], Page(None));
        let region = Region::parse("US").expect("a region").into();
        let record =
            json!({ "id": "1", "properties": { "phone": "******9999", "firstname": null } });
        let contact = shape.contact(&record, region).expect("a contact");
        assert!(contact.phones.is_empty() && contact.name.is_empty() && contact.url.is_none());
    }

    #[test]
    fn names_of_properties_are_small() {
        for text in ["", "Phone", "a b", "a.b", "a-b", "ä"] {
            assert_eq!(Property::new(text), None, "{text}");
        }
        assert!(Property::new("hs_calculated_phone_number_2").is_some());
    }
}
