//! A person as one CRM knows them.
//!
//! Debug output shows record ids and the shape of the rest, never a name, an
//! address or a number (invariant 9).

use crate::{Hidden, Timestamp, Value};
use std::collections::BTreeMap;
use std::fmt;

/// One record of a person in one system, mapped by its connector.
#[derive(Clone, PartialEq, Default)]
pub struct Contact {
    /// The record's id within its own system, e.g. `0035g00000ABCdEAAW`.
    pub record: String,
    /// The system's name for the kind of record: `Contact`, `Lead`, …
    pub object: String,
    /// Display name; empty when the system holds none.
    pub name: String,
    /// First name, where the system keeps it apart.
    pub first_name: Option<String>,
    /// Last name, where the system keeps it apart.
    pub last_name: Option<String>,
    /// E-mail as stored, outer space removed.
    pub email: Option<String>,
    /// Every number of the record that is a possible number, in the system's order.
    pub phones: Vec<ContactPhone>,
    /// When the record was made, as its system says.
    pub created_at: Option<Timestamp>,
    /// When the record was last changed, as its system says.
    pub modified_at: Option<Timestamp>,
    /// The last call of this person that Tieline itself has seen.
    pub last_call_at: Option<Timestamp>,
    /// Id of the account the record hangs on, in the same system.
    pub account: Option<String>,
    /// Address of the record's page, for the agent's screen pop.
    pub url: Option<String>,
    /// What the answer's `data` carries: names as configured, never null.
    pub data: BTreeMap<String, Value>,
}

impl Contact {
    /// Is this one of the record's numbers, of whatever kind?
    #[must_use]
    pub fn has_phone(&self, e164: &str) -> bool {
        self.phones.iter().any(|own| own.e164 == e164)
    }
}

/// One number of a contact, and what it is for.
#[derive(Clone, PartialEq, Eq)]
pub struct ContactPhone {
    /// `+` and up to 17 digits.
    pub e164: String,
    /// What its own system says it is for.
    pub kind: PhoneKind,
}

impl ContactPhone {
    /// A number of this kind.
    #[must_use]
    pub fn new(kind: PhoneKind, e164: impl Into<String>) -> Self {
        Self { e164: e164.into(), kind }
    }
}

/// What a number of a contact is for. A system that receives contacts keeps a
/// place for each kind: a number in another kind's place destroys what was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum PhoneKind {
    /// At their desk, or the company's.
    Work,
    /// Carried along.
    Mobile,
    /// At home.
    Home,
    /// None of these, or the system does not say.
    #[default]
    Other,
}

impl PhoneKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Work, Self::Mobile, Self::Home, Self::Other];

    /// A stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Work => "work",
            Self::Mobile => "mobile",
            Self::Home => "home",
            Self::Other => "other",
        }
    }

    /// The kind of that word; a word that is none is `Other`.
    #[must_use]
    pub fn parse(word: &str) -> Self {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word).unwrap_or_default()
    }
}

impl fmt::Debug for ContactPhone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ContactPhone").field(&self.kind).field(&Hidden).finish()
    }
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contact")
            .field("record", &self.record)
            .field("object", &self.object)
            .field("name", &Hidden::text(&self.name))
            .field("first_name", &Hidden::of(self.first_name.as_ref()))
            .field("last_name", &Hidden::of(self.last_name.as_ref()))
            .field("email", &Hidden::of(self.email.as_ref()))
            .field("phones", &self.phones)
            .field("created_at", &self.created_at)
            .field("modified_at", &self.modified_at)
            .field("last_call_at", &self.last_call_at)
            .field("account", &self.account)
            .field("url", &Hidden::of(self.url.as_ref()))
            .field("data", &self.data.keys())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{Contact, ContactPhone, PhoneKind};

    #[test]
    fn debug_output_of_a_contact_names_the_record_and_nobody() {
        let contact = Contact {
            record: "0035g00000ABCdEAAW".into(),
            object: "Contact".into(),
            name: "John Doe".into(),
            first_name: Some("John".into()),
            last_name: Some("Doe".into()),
            email: Some("john.doe@example.com".into()),
            phones: vec![ContactPhone::new(PhoneKind::Mobile, "+15550199999")],
            url: Some("https://crm.example/people?tel=5550199999".into()),
            data: [("nickname".to_owned(), "Johnny".into())].into(),
            ..Contact::default()
        };
        let shown = format!("{contact:?} {contact:#?}");
        for personal in ["John", "Doe", "example", "5550199999"] {
            assert!(!shown.contains(personal), "{personal} in {shown}");
        }
        for structure in ["0035g00000ABCdEAAW", "Mobile", "nickname", "email: Some"] {
            assert!(shown.contains(structure), "{structure} not in {shown}");
        }
    }

    #[test]
    fn a_kind_reads_back_from_its_word() {
        for kind in PhoneKind::ALL {
            assert_eq!(PhoneKind::parse(kind.as_str()), kind);
        }
        assert_eq!(PhoneKind::parse("fax"), PhoneKind::Other);
    }
}
