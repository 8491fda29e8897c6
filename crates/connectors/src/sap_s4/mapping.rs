//! SAP's rows as people and accounts.
//!
//! [`Shape`] says which properties of a business partner are asked for and what each
//! means. A partner's numbers and e-mails lie in tables of their own, by address and
//! person: [`Reached`] is one such row, and [`Shape::partner`] takes in only those
//! that are the partner's, not those of a colleague at the same address.

use super::odata::Name;
use domain::{Contact, ContactPhone, Numbering, PhoneKind, Region, Timestamp, Value};
use kit::{Account, Error};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// Standing of an account over all its blocks; a name that SAP cannot have, since its begin with capitals.
const STATUS: &str = "status";
/// What the standing is read from.
const STATUS_OF: [&str; 6] = [
    "BusinessPartnerIsBlocked",
    "IsMarkedForArchiving",
    "to_Customer/OrderIsBlockedForCustomer",
    "to_Customer/DeliveryIsBlocked",
    "to_Customer/BillingIsBlockedForCustomer",
    "to_Customer/PostingIsBlocked",
];
const CUSTOMER: &str = "to_Customer";
const ADDRESSES: &str = "to_BusinessPartnerAddress";
/// Below an address. SAP keeps mobile numbers apart.
const REACHED: [&str; 3] = ["to_PhoneNumber", "to_MobilePhoneNumber", "to_EmailAddress"];
/// Of every partner and account.
const NAMED: [&str; 6] = [
    "BusinessPartner",
    "BusinessPartnerCategory",
    "BusinessPartnerFullName",
    "BusinessPartnerName",
    "FirstName",
    "LastName",
];
/// Of a partner besides.
const STANDARD: [&str; 8] = [
    "Customer",
    "PersonNumber",
    "IsMarkedForArchiving",
    "BusinessPartnerIsBlocked",
    "CreationDate",
    "CreationTime",
    "LastChangeDate",
    "LastChangeTime",
];

/// What is read of a business partner.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    /// Properties that the data needs, those of the customer by their path.
    wanted: Vec<Name>,
    data: Vec<(String, Name)>,
    /// The page of a record, with `{record}` in place of its number.
    page: Option<String>,
}

/// A partner, and the e-mails that a contact has no room for.
#[derive(Clone)]
pub(super) struct Partner {
    pub(super) contact: Contact,
    pub(super) emails: Vec<String>,
}

/// One number or e-mail as stored: of an address, or of one person there.
#[derive(Clone, PartialEq)]
pub(super) struct Reached {
    pub(super) address: String,
    pub(super) person: String,
    is_default: bool,
    pub(super) what: What,
}

#[derive(Clone, PartialEq)]
pub(super) enum What {
    Phone { e164: String, is_mobile: bool },
    Email(String),
}

impl Shape {
    /// A path may only be `status`, a property of the partner, or one of its customer.
    ///
    /// # Errors
    /// The path that is none of these.
    pub(super) fn new(data: Vec<(String, Name)>, page: Option<String>) -> Result<Self, String> {
        let mut wanted: Vec<Name> = Vec::new();
        for (_, path) in &data {
            match path.as_str().split_once('/') {
                None if path.as_str() == STATUS => wanted.extend(STATUS_OF.map(fixed)),
                None => wanted.push(path.clone()),
                Some((CUSTOMER, rest)) if !rest.contains('/') => wanted.push(path.clone()),
                Some(_) => return Err(path.as_str().to_owned()),
            }
        }
        Ok(Self { wanted, data, page })
    }

    /// Every property asked for of a partner, those of the customer by their path.
    pub(super) fn fields(&self) -> Vec<Name> {
        self.and_wanted(NAMED.into_iter().chain(STANDARD))
    }

    /// What an answer must carry of an account that `link` names: `$select` and `$expand`.
    pub(super) fn of_account(&self, link: &'static str) -> (Vec<Name>, Vec<Name>) {
        self.and_expand(self.and_wanted(NAMED.into_iter().chain([link])))
    }

    /// What it must carry of a partner, with every number and e-mail.
    pub(super) fn of_partner(&self) -> (Vec<Name>, Vec<Name>) {
        let (mut select, mut expand) = self.and_expand(self.fields());
        select.extend(["AddressID", "Person"].map(|field| fixed(&format!("{ADDRESSES}/{field}"))));
        let reached = REACHED.map(|table| fixed(&format!("{ADDRESSES}/{table}")));
        select.extend(reached.clone());
        expand.extend(reached);
        (select, expand)
    }

    /// These and what is configured, each once.
    fn and_wanted(&self, these: impl Iterator<Item = &'static str>) -> Vec<Name> {
        let mut fields: Vec<Name> = Vec::new();
        for name in these.map(fixed).chain(self.wanted.iter().cloned()) {
            fields.extend((!fields.contains(&name)).then_some(name));
        }
        fields
    }

    fn and_expand(&self, select: Vec<Name>) -> (Vec<Name>, Vec<Name>) {
        let is_customers = |name: &Name| name.as_str().split_once('/').is_some();
        let expand = select.iter().any(is_customers).then(|| fixed(CUSTOMER));
        (select, expand.into_iter().collect())
    }

    /// Reads one partner; `None` for one that is to be archived: SAP deletes nobody
    /// otherwise. `found` are rows that were read before.
    ///
    /// # Errors
    /// `Protocol` when the row has no number of a partner's form.
    pub(super) fn partner(
        &self,
        row: &Json,
        found: &[Reached],
        numbers: Numbering,
    ) -> Result<Option<Partner>, Error> {
        let record = text(row, "BusinessPartner").filter(|id| partner_id(id).is_some());
        let record = record.ok_or_else(|| Error::protocol("a row without a BusinessPartner"))?;
        if row.get("IsMarkedForArchiving") == Some(&Json::Bool(true)) {
            return Ok(None);
        }
        let is_person = text(row, "BusinessPartnerCategory") == Some("1");
        let reached = reached(row, found, numbers);
        let mut phones: Vec<ContactPhone> = Vec::new();
        let mut emails: Vec<String> = Vec::new();
        for (one, is_at_work) in &reached {
            match &one.what {
                What::Phone { e164, .. } if phones.iter().any(|known| known.e164 == *e164) => {}
                What::Phone { e164, is_mobile } => {
                    let kind = kind(*is_mobile, *is_at_work || !is_person);
                    phones.push(ContactPhone::new(kind, e164.clone()));
                }
                What::Email(email) => {
                    let is_known = emails.iter().any(|known| known.eq_ignore_ascii_case(email));
                    emails.extend((!is_known).then(|| email.clone()));
                }
            }
        }
        let contact = Contact {
            object: "BusinessPartner".to_owned(),
            name: name(row, is_person),
            first_name: text(row, "FirstName").filter(|_| is_person).map(str::to_owned),
            last_name: text(row, "LastName").filter(|_| is_person).map(str::to_owned),
            email: emails.first().cloned(),
            phones,
            created_at: moment(row, "CreationDate", "CreationTime"),
            modified_at: moment(row, "LastChangeDate", "LastChangeTime"),
            last_call_at: None,
            account: text(row, "Customer").map(str::to_owned),
            url: self.url(record),
            data: self.data(row),
            record: record.to_owned(),
        };
        Ok(Some(Partner { contact, emails }))
    }

    /// Reads one partner as an account, also one that is to be archived.
    pub(super) fn account(&self, row: &Json) -> Result<Account, Error> {
        let record = text(row, "BusinessPartner");
        let record = record.ok_or_else(|| Error::protocol("a row without a BusinessPartner"))?;
        Ok(Account {
            name: name(row, text(row, "BusinessPartnerCategory") == Some("1")),
            url: self.url(record),
            data: self.data(row),
            record: record.to_owned(),
        })
    }

    fn url(&self, record: &str) -> Option<String> {
        self.page.as_ref().map(|page| page.replace("{record}", record))
    }

    fn data(&self, row: &Json) -> BTreeMap<String, Value> {
        let value = |path: &Name| match path.as_str() {
            STATUS => Some(Value::from(status(row))),
            path => at(row, path).and_then(value),
        };
        let pairs = self.data.iter();
        pairs.filter_map(|(name, path)| Some((name.clone(), value(path)?))).collect()
    }
}

impl Reached {
    /// A row of the table of numbers; `None` where it holds no possible number.
    pub(super) fn phone(row: &Json, numbers: Numbering) -> Option<Self> {
        // 2 and 3 are mobile phones, 3 the usual one; 1 is the usual landline.
        let is_mobile = matches!(text(row, "PhoneNumberType"), Some("2" | "3"));
        let e164 = e164(row, numbers)?;
        Self::new(row, "IsDefaultPhoneNumber", What::Phone { e164, is_mobile })
    }

    /// A row of the table of e-mails.
    pub(super) fn email(row: &Json) -> Option<Self> {
        let email = text(row, "EmailAddress")?.to_owned();
        Self::new(row, "IsDefaultEmailAddress", What::Email(email))
    }

    fn new(row: &Json, default: &str, what: What) -> Option<Self> {
        Some(Self {
            address: text(row, "AddressID")?.to_owned(),
            person: text(row, "Person").unwrap_or_default().to_owned(),
            is_default: row.get(default) == Some(&Json::Bool(true)),
            what,
        })
    }
}

/// The partner's number as SAP shows it, or `None` when it cannot be one: up to ten
/// letters and digits, and leading zeros only where there are letters.
pub(super) fn partner_id(text: &str) -> Option<String> {
    let fits = (1..=10).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
    if !fits {
        return None;
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        let bare = text.trim_start_matches('0');
        return (!bare.is_empty()).then(|| bare.to_owned());
    }
    Some(text.to_ascii_uppercase())
}

/// Everything that is the partner's own, the usual ones first, and whether it is for a
/// contact person at the address of their company.
fn reached(row: &Json, found: &[Reached], numbers: Numbering) -> Vec<(Reached, bool)> {
    let own = text(row, "PersonNumber").unwrap_or_default();
    let addresses = rows(row, ADDRESSES);
    let mut all: Vec<(Reached, bool)> = Vec::new();
    for address in addresses {
        let id = text(address, "AddressID");
        let person = text(address, "Person").unwrap_or_default();
        let is_own = |one: &Reached| {
            Some(one.address.as_str()) == id
                && (one.person.is_empty() || one.person == person || one.person == own)
        };
        let [phones, mobiles, emails] = REACHED.map(|table| rows(address, table));
        let numbers = phones.iter().chain(mobiles).filter_map(|row| Reached::phone(row, numbers));
        let emails = emails.iter().filter_map(Reached::email);
        let here = numbers.chain(emails).chain(found.iter().cloned()).filter(is_own);
        all.extend(here.map(|one| (one, false)));
    }
    let is_elsewhere = |one: &&Reached| {
        let is_own = addresses.iter().any(|a| text(a, "AddressID") == Some(one.address.as_str()));
        !one.person.is_empty() && one.person == own && !is_own
    };
    all.extend(found.iter().filter(is_elsewhere).map(|one| (one.clone(), true)));
    all.sort_by_key(|(one, _)| !one.is_default);
    all
}

/// What a number is for. Whether a person's landline at their own address is at home,
/// SAP does not say.
fn kind(is_mobile: bool, is_at_work: bool) -> PhoneKind {
    match (is_mobile, is_at_work) {
        (true, _) => PhoneKind::Mobile,
        (false, true) => PhoneKind::Work,
        (false, false) => PhoneKind::Other,
    }
}

/// SAP's own international form less the extension at its end, else what was typed.
fn e164(row: &Json, numbers: Numbering) -> Option<String> {
    let extension: String = text(row, "PhoneNumberExtension")
        .unwrap_or_default()
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    let whole = text(row, "InternationalPhoneNumber").filter(|number| number.starts_with('+'));
    let international =
        whole.map(|number| number.strip_suffix(extension.as_str()).unwrap_or(number));
    let typed = || {
        let country = text(row, "DestinationLocationCountry").and_then(Region::parse);
        country.map_or(numbers, |country| numbers.of(country)).read(text(row, "PhoneNumber")?)
    };
    let parsed = international.and_then(|number| numbers.read(number));
    parsed.or_else(typed).map(|phone| phone.e164)
}

fn name(row: &Json, is_person: bool) -> String {
    let parts = (text(row, "FirstName"), text(row, "LastName"));
    if let ((Some(first), Some(last)), true) = (parts, is_person) {
        return format!("{first} {last}");
    }
    let name = text(row, "BusinessPartnerName").or(text(row, "BusinessPartnerFullName"));
    name.unwrap_or_default().to_owned()
}

/// The worst that is said of an account.
fn status(row: &Json) -> &'static str {
    let is_set = |path: &str| match at(row, path) {
        Some(Json::Bool(flag)) => *flag,
        Some(Json::String(reason)) => !reason.trim().is_empty(),
        _ => false,
    };
    let [blocked, archived, order, delivery, billing, posting] = STATUS_OF.map(is_set);
    match (archived, blocked) {
        (true, _) => "archived",
        (_, true) => "blocked",
        _ if order => "orders_blocked",
        _ if delivery => "delivery_blocked",
        _ if billing => "billing_blocked",
        _ if posting => "posting_blocked",
        _ => "active",
    }
}

/// The value at a path; a partner that is no customer has a null in its place.
fn at<'a>(row: &'a Json, path: &str) -> Option<&'a Json> {
    path.split('/').try_fold(row, |row, step| row.get(step)).filter(|value| !value.is_null())
}

/// A text that says something: SAP has blanks where others have nulls.
pub(super) fn text<'a>(row: &'a Json, field: &str) -> Option<&'a str> {
    row.get(field)?.as_str().map(str::trim).filter(|text| !text.is_empty())
}

/// The rows of an expanded table; one that was left out says where it could be read.
fn rows<'a>(row: &'a Json, table: &str) -> &'a [Json] {
    let list = row.get(table).and_then(|table| table.get("results")?.as_array());
    list.map(Vec::as_slice).unwrap_or_default()
}

/// Date and time of day, each in a property of its own: `/Date(1533686400000)/`, `PT09H19M51S`.
fn moment(row: &Json, date: &str, time: &str) -> Option<Timestamp> {
    let Timestamp(day) = self::date(text(row, date)?)?;
    Some(Timestamp(day + text(row, time).and_then(time_of_day).unwrap_or(0)))
}

pub(super) fn date(text: &str) -> Option<Timestamp> {
    let inner = text.strip_prefix("/Date(")?.strip_suffix(")/")?;
    // An offset in minutes may follow; the milliseconds are UTC all the same.
    let end = inner.get(1..)?.find(['+', '-']).map_or(inner.len(), |at| at + 1);
    inner[..end].parse().ok().map(Timestamp)
}

pub(super) fn time_of_day(text: &str) -> Option<i64> {
    let mut rest = text.strip_prefix("PT")?;
    let mut seconds: i64 = 0;
    for (mark, worth) in [('H', 3_600), ('M', 60), ('S', 1)] {
        if let Some((number, after)) = rest.split_once(mark) {
            seconds += number.parse::<i64>().ok()? * worth;
            rest = after;
        }
    }
    Some(seconds * 1_000)
}

/// A property's value; a date becomes what people read.
fn value(json: &Json) -> Option<Value> {
    match json {
        Json::String(text) if text.trim().is_empty() => None,
        Json::String(text) => {
            Some(Value::Text(date(text).map_or_else(|| text.clone(), |at| at.to_string())))
        }
        Json::Bool(flag) => Some(Value::Bool(*flag)),
        Json::Number(number) => {
            number.as_i64().map(Value::Integer).or_else(|| number.as_f64().map(Value::Number))
        }
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

fn fixed(name: &str) -> Name {
    Name::new(name).expect("written in this file")
}

#[cfg(test)]
mod tests {
    use super::{Name, Partner, Reached, Shape, partner_id, status, time_of_day};
    use domain::{Numbering, PhoneKind, Region};
    use serde_json::{Value as Json, json};

    fn region() -> Numbering {
        Region::parse("US").expect("a region").into()
    }

    fn shape() -> Shape {
        let data = [
            ("erpAccountStatus", "status"),
            ("class", "to_Customer/CustomerClassification"),
            ("blocked", "BusinessPartnerIsBlocked"),
            ("industry", "Industry"),
            ("born", "BirthDate"),
        ];
        let data = data.map(|(key, path)| (key.to_owned(), Name::new(path).expect(path)));
        let page = Some("https://my300000.s4hana.cloud.sap/ui#BP?id={record}".to_owned());
        Shape::new(data.to_vec(), page).expect("a shape")
    }

    fn shown(Partner { contact, emails }: &Partner) -> Json {
        crate::shown::person(contact, emails)
    }

    /// Maps the rows of one documented answer and compares with the snapshot beside it.
    fn check(fixture: &str, answer: &str) {
        let answer: Json = serde_json::from_str(answer).expect("JSON");
        let rows = answer.pointer("/d/results").and_then(Json::as_array).expect("rows");
        let mapped = rows.iter().map(|row| shape().partner(row, &[], region()));
        let mapped: Vec<Partner> =
            mapped.map(|partner| partner.expect("a partner").expect("alive")).collect();
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("fixtures");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        let shown: Vec<Json> = mapped.iter().map(shown).collect();
        settings.bind(|| insta::assert_json_snapshot!(fixture, shown));
    }

    #[test]
    fn documented_answers_map_as_their_snapshots_say() {
        check("person", include_str!("fixtures/person.json"));
        check("company", include_str!("fixtures/company.json"));
    }

    #[test]
    fn a_contact_person_has_the_numbers_that_name_them() {
        let row =
            json!({ "BusinessPartner": "7", "BusinessPartnerCategory": "1", "PersonNumber": "9" });
        let phone = |person: &str, number: &str, kind: &str| {
            let row = json!({
                "AddressID": "1", "Person": person, "InternationalPhoneNumber": number,
                "PhoneNumberType": kind,
            });
            Reached::phone(&row, region()).expect("a number")
        };
        let found = [
            phone("8", "+15550199991", "1"),
            phone("9", "+15550199992", "1"),
            phone("", "+15550199993", "1"),
            phone("9", "+15550199994", "2"),
        ];
        let partner = shape().partner(&row, &found, region()).expect("a partner").expect("alive");
        let phones = partner.contact.phones.iter().map(|phone| (phone.kind, phone.e164.as_str()));
        let expected = [(PhoneKind::Work, "+15550199992"), (PhoneKind::Mobile, "+15550199994")];
        assert_eq!(phones.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_row_without_a_number_of_a_partner_is_outside_the_protocol() {
        for row in [
            json!({}),
            json!({ "BusinessPartner": "" }),
            json!({ "BusinessPartner": "a/b" }),
            json!(7),
        ] {
            let error = shape().partner(&row, &[], region()).err().expect("no number");
            assert_eq!(error.kind(), "protocol");
            assert!(shape().account(&row).is_err() || row["BusinessPartner"] == "a/b");
        }
    }

    #[test]
    fn the_status_is_the_worst_of_all_blocks() {
        let check = |row: Json, expected: &str| assert_eq!(status(&row), expected, "{row}");
        check(json!({}), "active");
        check(json!({ "to_Customer": null, "BusinessPartnerIsBlocked": false }), "active");
        check(json!({ "to_Customer": { "OrderIsBlockedForCustomer": " " } }), "active");
        check(json!({ "to_Customer": { "PostingIsBlocked": true } }), "posting_blocked");
        let two = json!({ "DeliveryIsBlocked": "01", "BillingIsBlockedForCustomer": "02" });
        check(json!({ "to_Customer": two }), "delivery_blocked");
        let order = json!({ "OrderIsBlockedForCustomer": "01" });
        check(json!({ "to_Customer": order }), "orders_blocked");
        check(json!({ "to_Customer": order, "BusinessPartnerIsBlocked": true }), "blocked");
        check(
            json!({ "IsMarkedForArchiving": true, "BusinessPartnerIsBlocked": true }),
            "archived",
        );
    }

    #[test]
    fn a_partner_is_known_with_leading_zeros_and_without() {
        assert_eq!(partner_id("0001003764").as_deref(), Some("1003764"));
        assert_eq!(partner_id("1003764").as_deref(), Some("1003764"));
        assert_eq!(partner_id("tielin01").as_deref(), Some("TIELIN01"));
        for wrong in ["", "0", "12345678901", "1 2", "1'", "ä"] {
            assert_eq!(partner_id(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn times_of_day_are_read_whatever_parts_they_have() {
        assert_eq!(time_of_day("PT09H19M51S"), Some(33_591_000));
        assert_eq!(time_of_day("PT1H"), Some(3_600_000));
        assert_eq!(time_of_day("PT00H00M00S"), Some(0));
        assert_eq!(time_of_day("09:00"), None);
    }
}
