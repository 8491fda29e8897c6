//! What the JSON of Acme Crm means, without asking anybody.

use domain::{Contact, ContactPhone, Numbering, PhoneKind};
use kit::Error;
use serde_json::Value;

/// Everybody in an answer `{ "people": […] }`.
pub(super) fn contacts(answer: &Value, numbers: Numbering) -> Result<Vec<Contact>, Error> {
    let people = answer["people"].as_array().ok_or_else(|| Error::protocol("no people"))?;
    people.iter().map(|person| contact(person, numbers)).collect()
}

fn contact(person: &Value, numbers: Numbering) -> Result<Contact, Error> {
    let text = |name: &str| person[name].as_str().map(str::trim).filter(|text| !text.is_empty());
    let record = text("id").ok_or_else(|| Error::protocol("a person without id"))?;
    let number = text("phone").and_then(|typed| numbers.read(typed));
    Ok(Contact {
        record: record.to_owned(),
        object: "Person".to_owned(),
        name: text("name").unwrap_or_default().to_owned(),
        email: text("email").map(str::to_owned),
        // Other, unless the vendor says what a number is for.
        phones: number.map(|n| ContactPhone::new(PhoneKind::Other, n.e164)).into_iter().collect(),
        ..Contact::default()
    })
}

#[cfg(test)]
mod tests {
    use super::contacts;
    use domain::Region;

    #[test]
    fn a_person_is_mapped_as_documented() {
        let answer =
            serde_json::from_str(include_str!("fixtures/person.json")).expect("a fixture is JSON");
        let numbers = Region::parse("US").expect("a region").into();
        let people = contacts(&answer, numbers).expect("the fixture is as documented");
        assert_eq!(people[0].name, "John Doe");
        assert!(people[0].has_phone("+15550199999"));
    }
}
