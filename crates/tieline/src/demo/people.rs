//! The people of the simulated Genesys Cloud: most of those whom Salesforce has, as another
//! system would have come to know them, and some whom it has not.
//!
//! The same people for the same number of them. Some are linked by their id, some share an
//! e-mail with their other, some a phone alone, some their name and company; one in ten says
//! something else than Salesforce, and a few are there twice. A company's switchboard is the
//! number of many. The people whom examples call by name are left to Salesforce.

use ::sim::seed::{self, Person, SplitMix64};
use connectors::{genesys_cloud, salesforce};
use domain::Timestamp;
use serde_json::{Value, json};
use std::collections::HashMap;

/// Of so many who are in Salesforce, one is in the contact center alone.
const ALONE: u64 = 8;
/// Their numbers and e-mails begin here, so that they are nobody's of Salesforce.
const ALONE_FROM: u64 = 1_000_000;
/// A number that many have.
const SWITCHBOARD: &str = "+13125550100";
const BEHIND_SWITCHBOARD: u64 = 8;
/// Calls that the demo places are from the first people: these stay as they are in Salesforce.
const CALLERS: u64 = 500;
const DAY_MS: i64 = 86_400_000;

/// A person as both systems know them.
pub struct Twin {
    pub person: Person,
    pub left: String,
    /// `None`: not there, or told apart by nobody.
    pub right: Option<String>,
}

/// What Salesforce holds of a contact.
struct Held {
    id: String,
    account: String,
    modified: i64,
}

/// How the contact center came to know somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Not,
    ById,
    ByMail,
    ByPhone,
    ByName,
    /// By their mail, twice.
    Twice,
    /// By their id, and once more under another mail.
    Again,
}

/// Fills the simulated Genesys Cloud; whoever is in both, or in Salesforce.
///
/// # Errors
/// The sentence of the system that refuses somebody.
pub fn plant(
    people: usize,
    left: &salesforce::sim::Salesforce,
    right: &genesys_cloud::sim::GenesysCloud,
) -> Result<Vec<Twin>, String> {
    let people = u64::try_from(people).unwrap_or(u64::MAX);
    let seed = salesforce::sim::Config::default().seed;
    let source = json!({ "id": right.config().external_source.0 });
    let companies = companies(left, right, &source)?;
    let held = held(left)?;
    let planting = Planting { right, source, companies };
    let mut twins = Vec::with_capacity(held.len());
    for person in seed::people(people, seed) {
        let Some(held) = held.get(&person.email) else { continue };
        let right = planting.twin(&person, held)?;
        twins.push(Twin { left: held.id.clone(), right, person });
    }
    for person in (0..people / ALONE).map(|nth| seed::person(ALONE_FROM + nth, seed)) {
        planting.alone(&person)?;
    }
    twice_in_salesforce(left, &twins)?;
    Ok(twins)
}

/// Every company, as an organization that bears its account's id.
fn companies(
    left: &salesforce::sim::Salesforce,
    right: &genesys_cloud::sim::GenesysCloud,
    source: &Value,
) -> Result<HashMap<String, String>, String> {
    let mut companies = HashMap::new();
    for account in left.all("Account", &["Id", "Name"])? {
        let (id, name) = (text(&account, "Id"), text(&account, "Name"));
        let body =
            json!({ "name": name, "externalIds": [{ "externalSource": source, "value": id }] });
        companies.insert(id, right.add_organization(&body)?);
    }
    Ok(companies)
}

fn held(left: &salesforce::sim::Salesforce) -> Result<HashMap<String, Held>, String> {
    let all = left.all("Contact", &["Id", "Email", "AccountId", "LastModifiedDate"])?;
    let held = all.iter().map(|contact| {
        let modified = Timestamp::parse(&text(contact, "LastModifiedDate"));
        let held = Held {
            id: text(contact, "Id"),
            account: text(contact, "AccountId"),
            modified: modified.map(|at| at.0).unwrap_or_default(),
        };
        (text(contact, "Email"), held)
    });
    Ok(held.collect())
}

struct Planting<'a> {
    right: &'a genesys_cloud::sim::GenesysCloud,
    source: Value,
    /// The platform's ids of organizations, by the account's.
    companies: HashMap<String, String>,
}

impl Planting<'_> {
    /// Somebody of Salesforce as the contact center knows them.
    fn twin(&self, person: &Person, held: &Held) -> Result<Option<String>, String> {
        let mut dice = SplitMix64::new(person.index ^ 0x0071_1E11);
        let known = known(dice.below(100));
        if known == Known::Not {
            return Ok(None);
        }
        let mut body = self.body(person, Some(held), known);
        if matches!(known, Known::ById | Known::ByMail) && dice.below(8) == 0 {
            differ(&mut body, person, known, &mut dice);
        }
        // Who was changed last differs from one to the next.
        let days = i64::try_from(dice.below(60)).unwrap_or(0) - 30;
        let id = self.right.plant_contact(&body, held.modified + days * DAY_MS + 1_000)?;
        if matches!(known, Known::Twice | Known::Again) {
            let mut again = self.body(person, None, Known::ByMail);
            if known == Known::Again {
                again["firstName"] = initial(person).into();
                again["workEmail"] = short_mail(person).into();
            }
            self.right.plant_contact(&again, held.modified + 40 * DAY_MS)?;
        }
        Ok((known != Known::Twice).then_some(id))
    }

    /// Somebody whom Salesforce does not know.
    fn alone(&self, person: &Person) -> Result<(), String> {
        let mut body = self.body(person, None, Known::ByMail);
        let nth = person.index - ALONE_FROM;
        if nth < BEHIND_SWITCHBOARD {
            body["workPhone"] = json!({ "display": SWITCHBOARD });
        }
        let at = 1_600_000_000_000 + i64::try_from(nth).unwrap_or(0) * DAY_MS;
        self.right.plant_contact(&body, at).map(drop)
    }

    fn body(&self, person: &Person, held: Option<&Held>, known: Known) -> Value {
        let mut body = json!({
            "firstName": person.first, "lastName": person.last, "title": person.title,
        });
        if !matches!(known, Known::ByPhone | Known::ByName) {
            body["workEmail"] = person.email.clone().into();
        }
        let phone = person.phones.first().filter(|_| known != Known::ByName);
        if let Some(phone) = phone {
            body["workPhone"] = json!({ "display": spaced(&phone.e164) });
        }
        let Some(held) = held else { return body };
        let company = self.companies.get(&held.account).filter(|_| known != Known::ByMail);
        if let Some(company) = company {
            body["externalOrganization"] = json!({ "id": company });
        }
        if matches!(known, Known::ById | Known::Again) {
            let value = format!("CRM:{}", held.id);
            body["externalIds"] = json!([{ "externalSource": self.source, "value": value }]);
        }
        body
    }
}

fn known(percent: u64) -> Known {
    match percent {
        0..14 => Known::Not,
        14..72 => Known::ById,
        72..88 => Known::ByMail,
        88..94 => Known::ByPhone,
        94..97 => Known::ByName,
        97 => Known::Twice,
        _ => Known::Again,
    }
}

/// Something that both know, and that is not the same.
fn differ(body: &mut Value, person: &Person, known: Known, dice: &mut SplitMix64) {
    let other = seed::person(2 * ALONE_FROM + person.index, 0);
    match dice.below(4) {
        0 => body["firstName"] = other.first.into(),
        1 => body["lastName"] = format!("{}-{}", person.last, other.last).into(),
        // Who is known by the mail alone keeps it.
        2 if known == Known::ById => body["workEmail"] = short_mail(person).into(),
        _ => {
            let phone = other.phones.first().map(|phone| spaced(&phone.e164));
            body["workPhone"] = json!({ "display": phone });
        }
    }
}

/// People who are in Salesforce twice, and those behind a switchboard.
fn twice_in_salesforce(left: &salesforce::sim::Salesforce, twins: &[Twin]) -> Result<(), String> {
    let later = twins.iter().filter(|twin| twin.person.index >= CALLERS);
    for twin in later.clone().filter(|twin| twin.person.index % 100 == 3) {
        let person = &twin.person;
        let phone = person.phones.first().map(|phone| phone.typed.as_str());
        let again = json!({
            "FirstName": initial(person), "LastName": person.last, "Email": short_mail(person),
            "Phone": phone,
        });
        left.add("Contact", &again)?;
    }
    let behind = later.filter(|twin| twin.person.index % 50 == 7);
    for twin in behind.take(usize::try_from(BEHIND_SWITCHBOARD).unwrap_or(0)) {
        left.update(&twin.left, &json!({ "Phone": SWITCHBOARD }))?;
    }
    Ok(())
}

/// As the same person would call themselves elsewhere: `jdoe12@example.com`.
fn short_mail(person: &Person) -> String {
    let domain = person.email.rsplit('@').next().unwrap_or("example.com");
    let name = format!("{}{}", initial(person), person.last).to_lowercase();
    format!("{name}{}@{domain}", person.index)
}

fn initial(person: &Person) -> String {
    person.first.chars().take(1).collect()
}

/// A number as somebody typed it here: not as the platform shows it.
fn spaced(e164: &str) -> String {
    let (head, tail) = e164.split_at(e164.len().saturating_sub(7));
    format!("{head} {tail}")
}

fn text(record: &Value, field: &str) -> String {
    record[field].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Known, known, short_mail, spaced};

    #[test]
    fn people_are_known_in_every_way() {
        let all: Vec<Known> = (0..100).map(known).collect();
        for way in [
            Known::Not,
            Known::ById,
            Known::ByMail,
            Known::ByPhone,
            Known::ByName,
            Known::Twice,
            Known::Again,
        ] {
            assert!(all.contains(&way), "{way:?}");
        }
    }

    #[test]
    fn the_same_person_has_another_mail_elsewhere() {
        let [john, ..] = sim::seed::fixed();
        assert_eq!(short_mail(&john), "jdoe0@example.com");
        assert_eq!(spaced("+15550199999"), "+1555 0199999");
    }
}
