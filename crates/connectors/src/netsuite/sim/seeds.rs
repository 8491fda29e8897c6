//! The records of a fresh account: the fixed people and their company, and as many generated
//! people as wanted; every fourth of those is a customer in person, the others are contacts.

use std::collections::HashMap;

use sim::seed::{self, Person, Use};

use super::store::{Row, Store};

/// Fills an empty account. John Doe is contact 1, Jane Smith 2, Maria Garcia 3.
pub(super) fn plant(store: &mut Store, count: u64, seed: u64) {
    let mut companies = HashMap::new();
    for (at, person) in (1..).zip(seed::fixed().iter()) {
        contact(store, &mut companies, person, at);
    }
    for person in seed::people(count, seed) {
        let id = person.index + 4;
        if person.index % 4 == 3 {
            let mut values = reached(&person, &["phone", "mobilephone", "homephone"]);
            values.insert("isperson".to_owned(), "T".to_owned());
            values.insert("category".to_owned(), "2".to_owned());
            store.put("customer", id, values);
        } else {
            contact(store, &mut companies, &person, id);
        }
    }
}

fn contact(store: &mut Store, companies: &mut HashMap<String, u64>, of: &Person, id: u64) {
    let nth = companies.len() as u64;
    let company = *companies.entry(of.company.clone()).or_insert_with(|| 1_000_001 + nth);
    if store.rows("customer").get(&company).is_none() {
        enter(store, &of.company, company, nth);
    }
    let mut values = reached(of, &["officephone", "mobilephone", "homephone"]);
    values.insert("company".to_owned(), company.to_string());
    values.insert("title".to_owned(), of.title.to_owned());
    values.insert("custentity_tier".to_owned(), of.tier.to_owned());
    store.put("contact", id, values);
}

/// A company, with what it owes: every third has open invoices, every eighth is on hold.
fn enter(store: &mut Store, name: &str, id: u64, nth: u64) {
    let owes = nth.is_multiple_of(3);
    let values = [
        ("companyname", name.to_owned()),
        ("entityid", format!("CUST{id}")),
        ("externalid", format!("ext-{id}")),
        ("custentity_crm_id", format!("CRM-{id}")),
        ("isperson", "F".to_owned()),
        ("category", "1".to_owned()),
        ("creditlimit", "25000".to_owned()),
        ("creditholdoverride", if nth % 8 == 7 { "ON" } else { "AUTO" }.to_owned()),
        ("balancesearch", if owes { "1200.5" } else { "0" }.to_owned()),
        ("overduebalancesearch", if owes { "200.5" } else { "0" }.to_owned()),
    ];
    store.put("customer", id, row(&values));
    if !owes {
        return;
    }
    for (nth, unpaid) in
        [("1000", "1000"), ("200.5", "200.5"), ("300", "0")].into_iter().enumerate()
    {
        let invoice = [
            ("type", "CustInvc".to_owned()),
            ("entity", id.to_string()),
            ("foreigntotal", unpaid.0.to_owned()),
            ("foreignamountunpaid", unpaid.1.to_owned()),
        ];
        store.put("transaction", id * 10 + nth as u64, row(&invoice));
    }
}

fn reached(of: &Person, columns: &[&str; 3]) -> Row {
    let mut values = vec![
        ("firstname", of.first.clone()),
        ("lastname", of.last.clone()),
        ("entityid", of.name()),
        ("email", of.email.clone()),
    ];
    for phone in &of.phones {
        let column = match phone.used {
            Use::Work => columns[0],
            Use::Mobile => columns[1],
            Use::Home => columns[2],
        };
        values.push((column, phone.typed.clone()));
    }
    row(&values)
}

fn row(values: &[(&str, String)]) -> Row {
    values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}
