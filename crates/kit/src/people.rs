//! What lookups have in common where numbers are stored as people typed them: the forms
//! that are asked for, and who of those found is whom one asked for.

use crate::connector::Ask;
use domain::{Contact, Numbering, Phone};

/// In which forms a number is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forms {
    pub numbers: Numbering,
    /// Behind a call also in any other form, at the price of a scan of the table.
    pub is_thorough: bool,
}

impl Forms {
    /// With what a stored number may begin, where it is this one (an extension may follow);
    /// none of it begins with another.
    #[must_use]
    pub fn beginnings(self, phone: &Phone) -> Vec<String> {
        let all = self.numbers.all_forms(phone);
        let mut forms: Vec<String> = Vec::new();
        for form in &all {
            let covers = |other: &String| other != form && form.starts_with(other.as_str());
            if !all.iter().any(covers) && !forms.contains(form) {
                forms.push(form.clone());
            }
        }
        forms
    }
}

/// Who of `people` has an identifier that was asked for, each once. Each comes with all of
/// their e-mails, of which the one asked for is told; whether a record is the one asked
/// for, `is_record` says.
#[must_use]
pub fn matching<'a>(
    people: impl IntoIterator<Item = (&'a Contact, &'a [String])>,
    ask: &Ask,
    is_record: impl Fn(&str) -> bool,
) -> Vec<Contact> {
    let email = ask.email.as_deref().map(|wanted| wanted.trim().to_lowercase());
    let mut matching: Vec<Contact> = Vec::new();
    for (contact, emails) in people {
        let by_phone = ask.phone.as_ref().is_some_and(|phone| contact.has_phone(&phone.e164));
        let own = email
            .as_ref()
            .and_then(|wanted| emails.iter().find(|own| own.to_lowercase() == *wanted));
        let is_known = matching.iter().any(|known| known.record == contact.record);
        if is_known || !(by_phone || own.is_some() || is_record(&contact.record)) {
            continue;
        }
        let email = own.cloned().or_else(|| contact.email.clone());
        matching.push(Contact { email, ..contact.clone() });
    }
    matching
}

#[cfg(test)]
mod tests {
    use super::Forms;
    use domain::{Numbering, Phone, Region, Written};

    fn beginnings(e164: &str, written: Option<Written>) -> Vec<String> {
        let numbers = Numbering::new(Region::parse("US").expect("a region"), written);
        let phone = Phone { e164: e164.to_owned(), extension: None };
        Forms { numbers, is_thorough: false }.beginnings(&phone)
    }

    #[test]
    fn a_number_is_compared_with_a_bounded_set_of_forms() {
        for e164 in ["+15550199999", "+442079460018", "+4930901820"] {
            let forms = beginnings(e164, None);
            assert!((5..=24).contains(&forms.len()), "{}: {forms:?}", forms.len());
            assert!(forms.contains(&e164.to_owned()));
            for form in &forms {
                let is_apart = |other: &String| other == form || !form.starts_with(other.as_str());
                assert!(forms.iter().all(is_apart), "{form}");
            }
        }
        assert_eq!(beginnings("+15550199999", Some(Written::E164)), ["+15550199999"]);
    }
}
