//! Who is in the account from the start.

use std::collections::HashMap;

use sim::seed::{self, Person, Use};

use super::store::{Properties, Store};

/// The fixed people, and so many more, with their companies.
pub(super) fn plant(store: &mut Store, people: u64, seed: u64) {
    let mut companies = HashMap::new();
    for person in seed::fixed().into_iter().chain(seed::people(people, seed)) {
        plant_one(store, &person, &mut companies);
    }
}

fn plant_one(store: &mut Store, person: &Person, companies: &mut HashMap<String, u64>) {
    let nth = companies.len() + 1;
    let company = *companies.entry(person.company.clone()).or_insert_with(|| {
        let properties = [
            ("name", person.company.clone()),
            ("erp_number", (1_000_000 + nth).to_string()),
            ("city", person.city.0.to_owned()),
            ("industry", "RETAIL".to_owned()),
        ];
        store.plant("companies", owned(properties))
    });
    let mut properties = owned([
        ("firstname", person.first.clone()),
        ("lastname", person.last.clone()),
        ("email", person.email.clone()),
        ("loyalty_tier", person.tier.to_owned()),
        ("jobtitle", person.title.to_owned()),
        ("associatedcompanyid", company.to_string()),
    ]);
    for phone in &person.phones {
        let name = match phone.used {
            Use::Work => "phone",
            Use::Mobile => "mobilephone",
            Use::Home => "home_phone",
        };
        properties.insert(name.to_owned(), phone.typed.clone());
    }
    let contact = store.plant("contacts", properties);
    store.tie(("contacts", contact), ("companies", company));
}

fn owned<const N: usize>(properties: [(&str, String); N]) -> Properties {
    properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
