//! The records of a fresh environment: the fixed people, their companies, and as many
//! generated people as wanted; every tenth of those is a lead.

use std::collections::HashMap;

use serde_json::{Value as Json, json};
use sim::seed::{self, Person, Use};

use super::store::{Row, Store};

/// Fills an empty environment.
pub(super) fn plant(store: &mut Store, count: u64, seed: u64, user: &str) {
    let mut companies = HashMap::new();
    for (at, person) in seed::fixed().iter().enumerate() {
        contact(store, &mut companies, person, at as u64, user);
    }
    for person in seed::people(count, seed) {
        let at = person.index + 3;
        if at % 10 == 9 {
            lead(store, &person, at, user);
        } else {
            contact(store, &mut companies, &person, at, user);
        }
    }
}

/// The nth id of a kind, such as `49b0be2e-d01c-ed11-b83e-000d3a570000`.
pub(super) fn id(kind: &str, nth: u64) -> String {
    format!("{kind}b0be2e-d01c-ed11-b83e-{:012x}", 0x000d_3a57_0000 + nth)
}

fn contact(
    store: &mut Store,
    companies: &mut HashMap<String, String>,
    of: &Person,
    at: u64,
    user: &str,
) {
    let company = company(store, companies, of, at, user);
    let mut values = person(of);
    values.extend([
        ("externaluseridentifier", json!(format!("C-{:07}", at + 1))),
        ("new_caseref", json!(format!("CAS-{:05}", at + 1))),
        ("new_tier", json!(tier(of.tier))),
        ("_parentcustomerid_value", json!(company)),
        ("_parentcustomerid_value@to", json!("account")),
    ]);
    put(store, "contact", &id("49", at), &values, user);
}

fn lead(store: &mut Store, of: &Person, at: u64, user: &str) {
    let mut values = person(of);
    values.extend([("companyname", json!(of.company)), ("subject", json!("Web form"))]);
    put(store, "lead", &id("a9", at), &values, user);
}

/// The company's id; it is entered with the first of its people.
fn company(
    store: &mut Store,
    companies: &mut HashMap<String, String>,
    of: &Person,
    at: u64,
    user: &str,
) -> String {
    if let Some(known) = companies.get(&of.company) {
        return known.clone();
    }
    let nth = companies.len() as u64;
    let own = id("39", nth);
    let values = [
        ("name", json!(of.company)),
        ("accountnumber", json!((1_000_001 + nth).to_string())),
        ("creditonhold", json!(at % 8 == 7)),
        ("creditlimit", json!(25_000.5)),
    ];
    put(store, "account", &own, &values, user);
    companies.insert(of.company.clone(), own.clone());
    own
}

fn person(of: &Person) -> Vec<(&'static str, Json)> {
    let mut values = vec![
        ("firstname", json!(of.first)),
        ("lastname", json!(of.last)),
        ("jobtitle", json!(of.title)),
        ("emailaddress1", json!(of.email)),
        ("address1_city", json!(of.city.0)),
        ("preferredcontactmethodcode", json!(1)),
    ];
    for phone in &of.phones {
        let column = match phone.used {
            Use::Work => "telephone1",
            Use::Mobile => "mobilephone",
            Use::Home => "telephone2",
        };
        values.push((column, json!(phone.typed)));
    }
    values
}

fn tier(name: &str) -> i64 {
    let all = ["Bronze", "Silver", "Gold", "Platinum"];
    100_000_000
        + all.iter().position(|own| *own == name).map_or(0, |at| i64::try_from(at).unwrap_or(0))
}

fn put(store: &mut Store, table: &str, id: &str, values: &[(&'static str, Json)], user: &str) {
    let Some(at) = store.of(table) else { return };
    let values = values.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    store.put(at, id, Row { version: 0, values: values.collect() }, user);
}
