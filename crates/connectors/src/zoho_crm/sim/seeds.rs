//! Who is in the organization from the start.

use std::collections::HashMap;

use serde_json::{Map, Value as Json, json};
use sim::seed::{self, Person, Use};

use super::store::Store;

/// The fixed people (John and Jane contacts, Maria a lead), and so many more.
pub(super) fn plant(store: &mut Store, people: u64, seed: u64) {
    let mut companies = HashMap::new();
    for (at, person) in seed::fixed().into_iter().enumerate() {
        plant_one(store, &person, at == 2, &mut companies);
    }
    for person in seed::people(people, seed) {
        plant_one(store, &person, person.index % 3 == 2, &mut companies);
    }
}

fn plant_one(
    store: &mut Store,
    person: &Person,
    is_lead: bool,
    companies: &mut HashMap<String, u64>,
) {
    let mut values: Map<String, Json> = Map::new();
    let mut set = |name: &str, value: Json| drop(values.insert(name.to_owned(), value));
    set("First_Name", person.first.clone().into());
    set("Last_Name", person.last.clone().into());
    set("Email", person.email.clone().into());
    set("Loyalty_Tier", person.tier.into());
    for phone in &person.phones {
        let name = match phone.used {
            Use::Work => "Phone",
            Use::Mobile => "Mobile",
            Use::Home if is_lead => continue,
            Use::Home => "Home_Phone",
        };
        set(name, phone.typed.clone().into());
    }
    if is_lead {
        set("Company", person.company.clone().into());
        set("City", person.city.0.into());
        store.plant("Leads", values);
        return;
    }
    let known = companies.len() as u64 + 1;
    let account = *companies.entry(person.company.clone()).or_insert_with(|| {
        let account = json!({
            "Account_Name": person.company, "Account_Number": (1_000_000 + known).to_string(),
            "Rating": "Active", "Employees": 40, "Billing_City": person.city.0,
        });
        store.plant("Accounts", account.as_object().cloned().unwrap_or_default())
    });
    set("Account_Name", json!({ "id": account.to_string() }));
    set("Title", person.title.into());
    set("Mailing_City", person.city.0.into());
    store.plant("Contacts", values);
}
