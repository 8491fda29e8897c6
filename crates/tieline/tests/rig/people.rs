//! The people whom the simulated Salesforce knows, and one whom it does not.

use connectors::salesforce::sim::{Config, Salesforce};

/// Somebody whom a simulated Salesforce knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) number: String,
    pub(crate) email: String,
}

/// A fixed person of every simulated Salesforce: name, number, e-mail.
pub(crate) struct Fixed(pub(crate) &'static str, pub(crate) &'static str, pub(crate) &'static str);

/// John and Jane share a number; his record is the oldest of the org, hers the youngest.
pub(crate) const JOHN: Fixed = Fixed("John Doe", "+15550199999", "john.doe@example.com");
pub(crate) const JANE: Fixed = Fixed("Jane Smith", "+15550199999", "jane.smith@example.com");
pub(crate) const MARIA: Fixed = Fixed("Maria Garcia", "+15550198888", "maria.garcia@example.com");

/// A number that no simulated person has.
pub(crate) const STRANGER: &str = "+13175550123";

/// The first `count` generated people who are contacts and share their number with nobody.
pub(crate) fn loners(count: usize) -> Vec<Person> {
    let seed = Config::default().seed;
    let person = |index| sim::seed::person(index, seed);
    let loners = (0..).filter(|index| {
        let is_lead = index % 25 == 24;
        !is_lead && !person(*index).household && !person(index + 1).household
    });
    let people = loners.map(|index| {
        let person = person(index);
        let number = person.phones.first().expect("everybody has a number").e164.clone();
        Person { name: person.name(), number, email: person.email }
    });
    people.take(count).collect()
}

/// The externalId of whoever has this e-mail, with the prefix that tests use.
pub(crate) fn external_id(salesforce: &Salesforce, email: &str) -> String {
    format!("CRM:{}", record(salesforce, email))
}

/// The record id of whoever has this e-mail.
pub(crate) fn record(salesforce: &Salesforce, email: &str) -> String {
    let rows = salesforce.query(&format!("SELECT Id FROM Contact WHERE Email = '{email}'"));
    let rows = rows.expect("a query of our own");
    rows.first().and_then(|row| row["Id"].as_str()).expect("somebody").to_owned()
}
