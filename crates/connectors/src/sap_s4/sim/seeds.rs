//! The partners of a fresh system: the fixed people, their companies, and as many
//! generated people as wanted.
//!
//! John Doe and Maria Garcia are persons at their own address, and customers; Jane Smith
//! is a contact person, reached at the address of Acme Corporation. Every third of the
//! generated people is a contact person as well. Numbers are stored as typed, the
//! extension apart, beside the form that the system works out.

use std::collections::HashMap;

use serde_json::{Value as Json, json};
use sim::seed::{self, Person, Use};

use super::schema::{ADDRESSES, CUSTOMERS, EMAILS, PARTNERS, PHONES};
use super::store::Store;
use super::write::indexed;

/// 2019-03-04 in milliseconds; everybody comes an hour after the one before.
const FIRST_DAY: i64 = 1_551_657_600_000;
const DAY: i64 = 86_400_000;
/// Numbers that the system gives out, each kind from its own range.
const FIRST_PERSON: u64 = 1_000_001;
const FIRST_COMPANY: u64 = 2_000_001;

/// Fills an empty system with the fixed people and `count` others.
pub(super) fn plant(store: &mut Store, count: u64, seed: u64) {
    let mut companies = HashMap::new();
    let [john, jane, maria] = seed::fixed();
    person(store, &mut companies, &john, 0, false);
    person(store, &mut companies, &jane, 1, true);
    person(store, &mut companies, &maria, 2, false);
    for person_ in seed::people(count, seed) {
        let at = person_.index + 3;
        person(store, &mut companies, &person_, at, at % 3 == 1);
    }
}

fn person(
    store: &mut Store,
    companies: &mut HashMap<String, String>,
    of: &Person,
    at: u64,
    is_contact: bool,
) {
    let record = (FIRST_PERSON + at).to_string();
    let number = (500_000 + at).to_string();
    let workplace = company(store, companies, of, at);
    let address = if is_contact { workplace } else { (23_000 + at).to_string() };
    let customer = if is_contact { String::new() } else { record.clone() };
    let mut values = general(&record, "1", &of.name(), at);
    values.extend([
        ("FirstName", json!(of.first)),
        ("LastName", json!(of.last)),
        ("PersonFullName", json!(of.name())),
        ("PersonNumber", json!(number)),
        ("SearchTerm1", json!(of.last.to_uppercase().chars().take(20).collect::<String>())),
        ("Customer", json!(customer)),
        ("BusinessPartnerIDByExtSystem", json!(format!("C-{:07}", at + 1))),
        // Every eighth is blocked; of the fixed people nobody.
        ("BusinessPartnerIsBlocked", json!(at % 8 == 7)),
    ]);
    store.add(PARTNERS, &values);
    if !is_contact {
        place(store, &record, &address, &number, of);
        customer_of(store, &customer, &of.name(), if at == 2 { "01" } else { "" }, at);
    }
    reach(store, &address, &number, of);
}

/// The company's address; the company is entered with the first of its people.
fn company(
    store: &mut Store,
    companies: &mut HashMap<String, String>,
    of: &Person,
    at: u64,
) -> String {
    if let Some(address) = companies.get(&of.company) {
        return address.clone();
    }
    let nth = companies.len() as u64;
    let (record, address) = ((FIRST_COMPANY + nth).to_string(), (90_000_000 + nth).to_string());
    let mut values = general(&record, "2", &of.company, at);
    values.extend([
        ("OrganizationBPName1", json!(of.company.chars().take(40).collect::<String>())),
        ("Customer", json!(record)),
    ]);
    store.add(PARTNERS, &values);
    place(store, &record, &address, "", of);
    customer_of(store, &record, &of.company, "", at);
    companies.insert(of.company.clone(), address.clone());
    address
}

fn general(record: &str, category: &str, name: &str, at: u64) -> Vec<(&'static str, Json)> {
    let created = FIRST_DAY + i64::try_from(at / 24).unwrap_or(0) * DAY;
    vec![
        ("BusinessPartner", json!(record)),
        ("BusinessPartnerCategory", json!(category)),
        ("BusinessPartnerFullName", json!(name)),
        ("BusinessPartnerName", json!(name)),
        ("BusinessPartnerGrouping", json!("BP02")),
        ("CorrespondenceLanguage", json!("EN")),
        ("CreatedByUser", json!("CC0000000001")),
        ("CreationDate", json!(format!("/Date({created})/"))),
        ("CreationTime", json!(format!("PT{:02}H19M51S", at % 24))),
        ("LastChangeDate", json!(format!("/Date({})/", created + 40 * DAY))),
        ("LastChangeTime", json!("PT09H00M00S")),
    ]
}

fn place(store: &mut Store, record: &str, address: &str, person: &str, of: &Person) {
    let values = [
        ("BusinessPartner", json!(record)),
        ("AddressID", json!(address)),
        ("Person", json!(person)),
        ("CityName", json!(of.city.0)),
        ("Region", json!(of.city.1)),
        ("Country", json!("US")),
    ];
    store.add(ADDRESSES, &values);
}

fn customer_of(store: &mut Store, customer: &str, name: &str, order_block: &str, at: u64) {
    let values = [
        ("Customer", json!(customer)),
        ("CustomerName", json!(name)),
        ("CustomerFullName", json!(name)),
        ("CustomerClassification", json!(["A", "B", "C"][usize::try_from(at % 3).unwrap_or(0)])),
        ("OrderIsBlockedForCustomer", json!(order_block)),
    ];
    store.add(CUSTOMERS, &values);
}

/// Numbers and e-mail of a person at an address.
fn reach(store: &mut Store, address: &str, person: &str, of: &Person) {
    for (at, phone) in of.phones.iter().enumerate() {
        let (typed, extension) = apart(&phone.typed);
        let is_mobile = phone.used == Use::Mobile;
        let kind = match (is_mobile, at == 0) {
            (true, _) => "3",
            (false, true) => "1",
            (false, false) => "",
        };
        let country = if phone.e164.starts_with("+44") { "GB" } else { "US" };
        let values = [
            ("AddressID", json!(address)),
            ("Person", json!(person)),
            ("OrdinalNumber", json!(format!("{}", at + 1))),
            ("DestinationLocationCountry", json!(country)),
            ("IsDefaultPhoneNumber", json!(at == 0)),
            ("PhoneNumber", json!(typed)),
            ("PhoneNumberExtension", json!(extension)),
            ("InternationalPhoneNumber", json!(format!("{}{extension}", phone.e164))),
            ("PhoneNumberType", json!(kind)),
        ];
        store.add(PHONES, &values);
    }
    let values = [
        ("AddressID", json!(address)),
        ("Person", json!(person)),
        ("OrdinalNumber", json!("1")),
        ("IsDefaultEmailAddress", json!(true)),
        ("EmailAddress", json!(of.email)),
        ("SearchEmailAddress", json!(indexed(&of.email))),
    ];
    store.add(EMAILS, &values);
}

/// `555.019.9999 x12` → number and extension, which SAP keeps apart.
fn apart(typed: &str) -> (String, String) {
    let Some((number, extension)) = typed.split_once(" x").or_else(|| typed.split_once(" ext. "))
    else {
        return (typed.to_owned(), String::new());
    };
    (number.trim().to_owned(), extension.trim().to_owned())
}
