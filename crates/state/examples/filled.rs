//! Fills a store with calls and contacts, for a bench that looks at it through a server.
//!
//! `cargo run --release -p state --example filled -- LOCATION KEY CALLS CONTACTS`
//! The key is the store's master key as `serve` reads it. Calls lie over the last twenty days,
//! contacts are those of a connection `crm`.

#[path = "many/mod.rs"]
mod many;

use domain::contact::{ContactPhone, PhoneKind};
use domain::{Contact, Timestamp};
use many::Any;
use state::{Durability, Key, Location, MasterKey, Options, Store};
use std::time::{SystemTime, UNIX_EPOCH};

const SPAN: i64 = 20 * 86_400_000;
const PART: i64 = 500;

#[tokio::main]
async fn main() -> Result<(), Any> {
    let mut args = std::env::args().skip(1);
    let mut next = |what: &str| args.next().ok_or_else(|| format!("{what} is missing"));
    let place: Location = next("LOCATION")?.parse()?;
    let key: MasterKey = next("KEY")?.parse()?;
    let (calls, contacts) = (next("CALLS")?.parse()?, next("CONTACTS")?.parse()?);
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let now = Timestamp(i64::try_from(now)?);
    let options = Options { durability: Durability::Process, ..Options::default() };
    let store = Store::open(&place, &key, options).await?;
    people(&store, contacts, now).await?;
    many::calls(&store, calls, Timestamp(now.0 - SPAN), SPAN).await?;
    store.close().await;
    Ok(())
}

/// As the answers of a CRM that each caller was asked of.
async fn people(store: &Store, contacts: i64, now: Timestamp) -> Result<(), Any> {
    for first in (0..contacts).step_by(usize::try_from(PART)?) {
        let part: Vec<(Vec<Key>, Vec<Contact>)> = (first..contacts.min(first + PART))
            .map(|n| {
                let number = format!("+1555{n:07}");
                let contact = Contact {
                    record: format!("0035g{n:013}"),
                    object: "Contact".to_owned(),
                    name: format!("Person {n}"),
                    email: Some(format!("person.{n}@example.com")),
                    phones: vec![ContactPhone::new(PhoneKind::Work, number.clone())],
                    data: [("loyaltyTier".to_owned(), "Gold".into())].into(),
                    ..Contact::default()
                };
                (vec![Key::Phone(number)], vec![contact])
            })
            .collect();
        let answers: Vec<(&[Key], &[Contact])> =
            part.iter().map(|(keys, people)| (keys.as_slice(), people.as_slice())).collect();
        store.remember_all("crm", &answers, now).await?;
    }
    Ok(())
}
