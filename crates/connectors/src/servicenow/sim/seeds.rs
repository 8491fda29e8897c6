//! The people of an instance: contacts with their accounts, a consumer, a few users.

use std::collections::HashMap;

use sim::seed::{Person, Use, fixed, people};

use super::store::Store;

/// Fills the tables.
pub(super) fn plant(store: &mut Store, count: u64, seed: u64) {
    let mut accounts: HashMap<String, String> = HashMap::new();
    for (at, person) in fixed().into_iter().chain(people(count, seed)).enumerate() {
        let account = accounts.entry(person.company.clone()).or_insert_with(|| {
            let code = format!("{}", 1_000_001 + at);
            let values = [
                ("name", person.company.as_str()),
                ("account_code", &code),
                ("city", person.city.0),
                ("u_open_cases", "2"),
            ];
            store.insert("customer_account", values, "admin")
        });
        let account = account.clone();
        plant_contact(store, &person, &account, &format!("EXT-{at}"));
    }
    let consumer = [
        ("first_name", "Carla"),
        ("last_name", "Stone"),
        ("email", "carla.stone@example.com"),
        ("business_phone", "+44 20 7946 0018"),
    ];
    store.insert("csm_consumer", consumer, "admin");
}

fn plant_contact(store: &mut Store, person: &Person, account: &str, key: &str) {
    let phone = |used: Use| {
        let typed = person.phones.iter().find(|phone| phone.used == used);
        typed.map(|phone| phone.typed.as_str()).unwrap_or_default()
    };
    let tier = person.tier.to_lowercase();
    let values = [
        ("first_name", person.first.as_str()),
        ("last_name", &person.last),
        ("email", &person.email),
        ("user_name", &person.email),
        ("phone", phone(Use::Work)),
        ("mobile_phone", phone(Use::Mobile)),
        ("home_phone", phone(Use::Home)),
        ("title", person.title),
        ("account", account),
        ("u_tier", &tier),
        ("u_external_key", key),
        ("active", "true"),
    ];
    store.insert("customer_contact", values, "admin");
}
