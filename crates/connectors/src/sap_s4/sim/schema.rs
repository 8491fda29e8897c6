//! The entity sets that are simulated: properties, keys, and what leads from one to another.
//!
//! `properties.txt` has one property a line: name, type, longest text (0: no text), and
//! whether it is a key, fixed for clients, or open to change. Without the vendor's own
//! description the service describes itself by [`Schema::edmx`].

use std::collections::HashMap;
use std::fmt::Write as _;

/// Sets by their place in the schema.
pub(super) const PARTNERS: usize = 0;
pub(super) const ADDRESSES: usize = 1;
pub(super) const PHONES: usize = 2;
pub(super) const EMAILS: usize = 3;
pub(super) const CUSTOMERS: usize = 4;

const NAMESPACE: &str = "API_BUSINESS_PARTNER";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edm {
    String,
    Boolean,
    DateTime,
    DateTimeOffset,
    Time,
    Guid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Key,
    Fixed,
    Open,
}

pub(super) struct Property {
    pub(super) name: String,
    pub(super) edm: Edm,
    pub(super) longest: usize,
    pub(super) access: Access,
}

pub(super) struct Set {
    pub(super) name: String,
    pub(super) properties: Vec<Property>,
    places: HashMap<String, usize>,
}

/// What leads from an entity to others.
pub(super) struct Way {
    pub(super) from: usize,
    pub(super) name: &'static str,
    pub(super) to: usize,
    /// Properties of both sides that are the same.
    pub(super) on: &'static [&'static str],
    pub(super) is_many: bool,
    /// Of the table of numbers, only mobile ones or only the others.
    pub(super) is_mobile: Option<bool>,
}

const REACHED_BY: &[&str] = &["AddressID", "Person"];
const fn many(from: usize, name: &'static str, to: usize, on: &'static [&'static str]) -> Way {
    Way { from, name, to, on, is_many: true, is_mobile: None }
}

const WAYS: &[Way] = &[
    many(PARTNERS, "to_BusinessPartnerAddress", ADDRESSES, &["BusinessPartner"]),
    Way { is_many: false, ..many(PARTNERS, "to_Customer", CUSTOMERS, &["Customer"]) },
    Way { is_mobile: Some(false), ..many(ADDRESSES, "to_PhoneNumber", PHONES, REACHED_BY) },
    Way { is_mobile: Some(true), ..many(ADDRESSES, "to_MobilePhoneNumber", PHONES, REACHED_BY) },
    many(ADDRESSES, "to_EmailAddress", EMAILS, REACHED_BY),
];

pub(super) struct Schema {
    pub(super) sets: Vec<Set>,
}

impl Schema {
    pub(super) fn new() -> Schema {
        let mut sets: Vec<Set> = Vec::new();
        for line in include_str!("properties.txt").lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match (words.as_slice(), sets.last_mut()) {
                (["set", name], _) => {
                    let name = (*name).to_owned();
                    sets.push(Set { name, properties: vec![], places: HashMap::new() });
                }
                ([name, edm, longest, access], Some(set)) => {
                    set.places.insert((*name).to_owned(), set.properties.len());
                    set.properties.push(property(name, edm, longest, access));
                }
                _ => {}
            }
        }
        Schema { sets }
    }

    pub(super) fn set(&self, name: &str) -> Option<usize> {
        self.sets.iter().position(|set| set.name == name)
    }

    pub(super) fn way(&self, from: usize, name: &str) -> Option<&'static Way> {
        WAYS.iter().find(|way| way.from == from && way.name == name)
    }

    pub(super) fn ways(&self, from: usize) -> impl Iterator<Item = &'static Way> {
        WAYS.iter().filter(move |way| way.from == from)
    }

    /// A description of what is simulated, in the vendor's form.
    pub(super) fn edmx(&self) -> String {
        let mut types = String::new();
        let mut container = String::new();
        for (at, set) in self.sets.iter().enumerate() {
            let _ = write!(types, "<EntityType Name=\"{}Type\"><Key>", set.name);
            for key in set.keys() {
                let _ = write!(types, "<PropertyRef Name=\"{key}\"/>");
            }
            types.push_str("</Key>");
            for property in &set.properties {
                types.push_str(&property.edmx());
            }
            for way in self.ways(at) {
                let name = way.name;
                let _ = write!(
                    types,
                    "<NavigationProperty Name=\"{name}\" Relationship=\"{NAMESPACE}.assoc_{name}\" FromRole=\"From_{name}\" ToRole=\"To_{name}\"/>"
                );
            }
            types.push_str("</EntityType>");
            let _ = write!(
                container,
                "<EntitySet Name=\"{0}\" EntityType=\"{NAMESPACE}.{0}Type\"/>",
                set.name
            );
        }
        for way in WAYS {
            let (from, to) = (&self.sets[way.from].name, &self.sets[way.to].name);
            let (name, many) = (way.name, if way.is_many { "*" } else { "0..1" });
            let _ = write!(
                types,
                "<Association Name=\"assoc_{name}\"><End Type=\"{NAMESPACE}.{from}Type\" Multiplicity=\"1\" Role=\"From_{name}\"/><End Type=\"{NAMESPACE}.{to}Type\" Multiplicity=\"{many}\" Role=\"To_{name}\"/></Association>"
            );
            let _ = write!(
                container,
                "<AssociationSet Name=\"assoc_{name}\" Association=\"{NAMESPACE}.assoc_{name}\"><End EntitySet=\"{from}\" Role=\"From_{name}\"/><End EntitySet=\"{to}\" Role=\"To_{name}\"/></AssociationSet>"
            );
        }
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><edmx:Edmx Version=\"1.0\" xmlns:edmx=\"http://schemas.microsoft.com/ado/2007/06/edmx\" xmlns:m=\"http://schemas.microsoft.com/ado/2007/08/dataservices/metadata\" xmlns:sap=\"http://www.sap.com/Protocols/SAPData\"><edmx:DataServices m:DataServiceVersion=\"2.0\"><Schema Namespace=\"{NAMESPACE}\" xmlns=\"http://schemas.microsoft.com/ado/2008/09/edm\">{types}<EntityContainer Name=\"{NAMESPACE}_Entities\" m:IsDefaultEntityContainer=\"true\">{container}</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>"
        )
    }
}

impl Set {
    pub(super) fn property(&self, name: &str) -> Option<&Property> {
        self.places.get(name).map(|at| &self.properties[*at])
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        let keys = self.properties.iter().filter(|property| property.access == Access::Key);
        keys.map(|property| property.name.as_str())
    }
}

impl Property {
    fn edmx(&self) -> String {
        let mut text = format!("<Property Name=\"{}\" Type=\"Edm.{:?}\"", self.name, self.edm);
        if self.access == Access::Key {
            text.push_str(" Nullable=\"false\"");
        }
        if self.longest > 0 {
            let _ = write!(text, " MaxLength=\"{}\"", self.longest);
        }
        if matches!(self.edm, Edm::DateTime | Edm::DateTimeOffset | Edm::Time) {
            text.push_str(" Precision=\"0\"");
        }
        if self.access == Access::Fixed {
            text.push_str(" sap:creatable=\"false\" sap:updatable=\"false\"");
        }
        text + "/>"
    }
}

fn property(name: &str, edm: &str, longest: &str, access: &str) -> Property {
    Property {
        name: name.to_owned(),
        edm: match edm {
            "Boolean" => Edm::Boolean,
            "DateTime" => Edm::DateTime,
            "DateTimeOffset" => Edm::DateTimeOffset,
            "Time" => Edm::Time,
            "Guid" => Edm::Guid,
            _ => Edm::String,
        },
        longest: longest.parse().unwrap_or(0),
        access: match access {
            "key" => Access::Key,
            "fixed" => Access::Fixed,
            _ => Access::Open,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{Access, Schema};
    use std::path::PathBuf;

    /// What stands between two marks.
    fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
        text.split_once(from)?.1.split_once(to).map(|(inner, _)| inner)
    }

    /// Is all that is simulated in a description, with the same types and bounds?
    fn agrees(schema: &Schema, edmx: &str) {
        for (at, set) in schema.sets.iter().enumerate() {
            let entity = format!("<EntityType Name=\"{}Type\"", set.name);
            let body = between(edmx, &entity, "</EntityType>").expect(&set.name);
            for property in &set.properties {
                let mark = format!("<Property Name=\"{}\"", property.name);
                let told = between(body, &mark, ">").expect(&property.name);
                let has = |attribute: &str, value: &str| {
                    told.contains(&format!(" {attribute}=\"{value}\""))
                };
                assert!(
                    has("Type", &format!("Edm.{:?}", property.edm)),
                    "{}: {told}",
                    property.name
                );
                let longest = property.longest.to_string();
                assert_eq!(property.longest > 0, has("MaxLength", &longest), "{}", property.name);
                assert_eq!(
                    property.access == Access::Key,
                    has("Nullable", "false"),
                    "{}",
                    property.name
                );
                assert_eq!(
                    property.access == Access::Fixed,
                    has("sap:updatable", "false"),
                    "{}",
                    property.name
                );
            }
            for way in schema.ways(at) {
                assert!(
                    body.contains(&format!("<NavigationProperty Name=\"{}\"", way.name)),
                    "{}",
                    way.name
                );
            }
        }
    }

    #[test]
    fn what_is_simulated_is_described_as_the_vendor_describes_it() {
        let schema = Schema::new();
        agrees(&schema, &schema.edmx());
        let near = || concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/specs").into();
        let specs: std::ffi::OsString = std::env::var_os("TIELINE_SPECS").unwrap_or_else(near);
        let file = PathBuf::from(specs).join("sap/API_BUSINESS_PARTNER.edmx");
        let Ok(edmx) = std::fs::read_to_string(file) else {
            eprintln!("skipped: the vendor's description is not at hand (TIELINE_SPECS)");
            return;
        };
        agrees(&schema, &edmx);
    }
}
