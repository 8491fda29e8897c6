//! What objects and fields this org has: the vendor's standard ones and the custom
//! fields of the configuration.
//!
//! The standard fields are data (`fields.txt`), taken from the vendor's object
//! reference; here they become lookups by name, whatever its case.

use std::collections::{HashMap, HashSet};

use serde_json::{Value as Json, json};

use super::omni;

/// How a field is typed, as `describe` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any single-line text.
    String,
    /// Several lines of text.
    Textarea,
    /// One of a list of words.
    Picklist,
    /// A word from a list, or any other.
    Combobox,
    /// A phone number as typed.
    Phone,
    /// An e-mail address.
    Email,
    /// A web address.
    Url,
    /// The id of another record.
    Reference,
    /// The record's own id.
    Id,
    /// A checkbox.
    Boolean,
    /// A whole number.
    Int,
    /// A number.
    Double,
    /// An amount.
    Currency,
    /// A day.
    Date,
    /// A moment.
    Datetime,
}

impl Kind {
    /// The name in `describe`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::Textarea => "textarea",
            Kind::Picklist => "picklist",
            Kind::Combobox => "combobox",
            Kind::Phone => "phone",
            Kind::Email => "email",
            Kind::Url => "url",
            Kind::Reference => "reference",
            Kind::Id => "id",
            Kind::Boolean => "boolean",
            Kind::Int => "int",
            Kind::Double => "double",
            Kind::Currency => "currency",
            Kind::Date => "date",
            Kind::Datetime => "datetime",
        }
    }

    fn parse(name: &str) -> Kind {
        [
            Kind::Textarea,
            Kind::Picklist,
            Kind::Combobox,
            Kind::Phone,
            Kind::Email,
            Kind::Url,
            Kind::Reference,
            Kind::Id,
            Kind::Boolean,
            Kind::Int,
            Kind::Double,
            Kind::Currency,
            Kind::Date,
            Kind::Datetime,
        ]
        .into_iter()
        .find(|kind| kind.name() == name)
        .unwrap_or(Kind::String)
    }

    /// Whether values are held as text.
    pub(crate) fn is_text(self) -> bool {
        !matches!(
            self,
            Kind::Boolean | Kind::Int | Kind::Double | Kind::Currency | Kind::Date | Kind::Datetime
        )
    }
}

/// A field that the administrator of this org added.
#[derive(Clone, Debug)]
pub struct CustomField {
    /// `Contact`, `Case` …
    pub object: String,
    /// Ends in `__c`.
    pub name: String,
    /// How it is typed.
    pub kind: Kind,
    /// Most characters, for text.
    pub length: u32,
    /// Usable in `…/sobjects/{object}/{name}/{value}`.
    pub external_id: bool,
    /// No two records have the same value.
    pub unique: bool,
}

/// One field of one object.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) length: u32,
    flags: String,
    pub(crate) external_id: bool,
    pub(crate) unique: bool,
    /// Relationship name and the objects it may lead to.
    pub(crate) leads_to: Option<(String, Vec<String>)>,
    /// The value is that of `.1` on the record that the reference `.0` names.
    pub(crate) via: Option<(String, String)>,
}

impl Field {
    pub(crate) fn is(&self, flag: char) -> bool {
        self.flags.contains(flag)
    }

    /// Whether a new record must bring a value.
    pub(crate) fn is_required(&self) -> bool {
        self.is('C') && !self.is('N') && !self.is('D') && self.kind != Kind::Boolean
    }

    /// Whether rows are found by it through an index, as the vendor indexes them
    /// (and phones, which the vendor does not, so that the simulator is no bottleneck).
    pub(crate) fn is_indexed(&self) -> bool {
        let phone_or_mail = matches!(self.kind, Kind::Phone | Kind::Email) && self.name != "Fax";
        self.via.is_none()
            && (phone_or_mail
                || self.external_id
                || self.is('A')
                || matches!(
                    self.name.as_str(),
                    "AccountId" | "ContactId" | "UserId" | "WhoId" | "WhatId"
                ))
    }

    /// `First Name` for `FirstName`, `Loyalty Tier` for `Loyalty_Tier__c`.
    pub(crate) fn label(&self) -> String {
        let mut label = String::new();
        let name = self.name.strip_suffix("__c").unwrap_or(&self.name);
        for (at, c) in name.char_indices() {
            if c == '_' {
                label.push(' ');
            } else {
                let after = at > 0 && name[..at].ends_with(|b: char| b.is_ascii_lowercase());
                if after && c.is_ascii_uppercase() {
                    label.push(' ');
                }
                label.push(c);
            }
        }
        label
    }

    fn describe(&self, writable: bool) -> Json {
        let (relationship, to) = match &self.leads_to {
            Some((name, to)) => (Json::from(name.as_str()), to.clone()),
            None => (Json::Null, Vec::new()),
        };
        json!({
            "name": self.name, "label": self.label(), "type": self.kind.name(),
            "length": self.length, "byteLength": self.length * 3,
            "nillable": self.is('N'), "createable": writable && self.is('C'),
            "updateable": writable && self.is('U'), "filterable": self.is('F'),
            "sortable": self.is('S'), "groupable": self.is('G'),
            "defaultedOnCreate": self.is('D'), "idLookup": self.is('I') || self.external_id,
            "externalId": self.external_id, "unique": self.unique,
            "custom": self.name.ends_with("__c"), "autoNumber": self.is('A'),
            "calculated": false, "restrictedPicklist": self.is('R'), "picklistValues": [],
            "nameField": self.name == "Name" || self.name == "CaseNumber",
            "referenceTo": to, "relationshipName": relationship,
            "soapType": if self.kind.is_text() { "xsd:string" } else { self.kind.name() },
        })
    }
}

/// What the integration user may not do. Empty: everything is allowed.
#[derive(Clone, Debug, Default)]
pub struct Permissions {
    /// Whether they have Modify All Data, as an administrator has.
    pub modify_all_data: bool,
    /// Objects that do not exist for the user (`INVALID_TYPE`).
    pub hidden_objects: HashSet<String>,
    /// `Object.Field` that do not exist for the user (`INVALID_FIELD`).
    pub hidden_fields: HashSet<String>,
    /// Objects the user can read but not write (`INSUFFICIENT_ACCESS`).
    pub read_only_objects: HashSet<String>,
    /// `Object.Field` the user can read but not write.
    pub read_only_fields: HashSet<String>,
}

/// One object: its fields by number, the first seven being those every object has.
pub(crate) struct Object {
    pub(crate) name: String,
    pub(crate) prefix: String,
    pub(crate) plural: String,
    pub(crate) fields: Vec<Field>,
    by_name: HashMap<String, u16>,
    by_relationship: HashMap<String, u16>,
}

/// Numbers of the fields that every object has.
pub(crate) mod system {
    pub(crate) const ID: u16 = 0;
    pub(crate) const IS_DELETED: u16 = 1;
    pub(crate) const CREATED_DATE: u16 = 2;
    pub(crate) const CREATED_BY: u16 = 3;
    pub(crate) const MODIFIED_DATE: u16 = 4;
    pub(crate) const MODIFIED_BY: u16 = 5;
    pub(crate) const STAMP: u16 = 6;
}

const SYSTEM: &str = "Id id DFSG 18\nIsDeleted boolean DF 0\nCreatedDate datetime DFS 0\n\
CreatedById reference DFSG 18 CreatedBy>User\nLastModifiedDate datetime DFS 0\n\
LastModifiedById reference DFSG 18 LastModifiedBy>User\nSystemModstamp datetime DFS 0";

impl Object {
    /// The number of a field, by name in any case.
    pub(crate) fn field(&self, name: &str) -> Option<u16> {
        self.by_name.get(name).or_else(|| self.by_name.get(&name.to_ascii_lowercase())).copied()
    }

    /// The reference field behind a relationship name.
    pub(crate) fn relationship(&self, name: &str) -> Option<u16> {
        self.by_relationship.get(&name.to_ascii_lowercase()).copied()
    }

    pub(crate) fn at(&self, field: u16) -> &Field {
        &self.fields[usize::from(field)]
    }

    fn add(&mut self, field: Field) {
        let number = u16::try_from(self.fields.len()).unwrap_or(u16::MAX);
        self.by_name.insert(field.name.to_ascii_lowercase(), number);
        self.by_name.insert(field.name.clone(), number);
        if let Some((name, _)) = &field.leads_to {
            self.by_relationship.insert(name.to_ascii_lowercase(), number);
        }
        self.fields.push(field);
    }

    /// The object with its fields, as far as the user may see.
    pub(crate) fn describe(&self, allowed: &Permissions, base: &str) -> Json {
        let writable = !allowed.read_only_objects.contains(&self.name);
        let named = |field: &Field| format!("{}.{}", self.name, field.name);
        let fields: Vec<Json> = self
            .fields
            .iter()
            .filter(|field| !allowed.hidden_fields.contains(&named(field)))
            .map(|f| f.describe(writable && !allowed.read_only_fields.contains(&named(f))))
            .collect();
        let mut whole = self.summary(allowed, base);
        whole["fields"] = Json::from(fields);
        whole["recordTypeInfos"] = json!([]);
        whole
    }

    /// The object as the list of all objects shows it.
    pub(crate) fn summary(&self, allowed: &Permissions, base: &str) -> Json {
        let writable = !allowed.read_only_objects.contains(&self.name);
        let own = writable && !omni::is_the_orgs_own(&self.name);
        let url = format!("{base}/sobjects/{}", self.name);
        json!({
            "name": self.name, "label": self.name, "labelPlural": self.plural,
            "keyPrefix": self.prefix, "custom": false, "queryable": true, "retrieveable": true,
            "searchable": true, "createable": own, "updateable": own,
            "deletable": writable, "undeletable": writable, "replicateable": true,
            "urls": { "sobject": url, "describe": format!("{url}/describe"),
                      "rowTemplate": format!("{url}/{{ID}}") },
        })
    }
}

/// Every object of the org: the standard fields, then the custom ones.
///
/// Custom fields of an unknown object, or of a name already there, are left out.
pub(crate) fn objects(custom: &[CustomField]) -> Vec<Object> {
    let mut objects: Vec<Object> = Vec::new();
    for line in include_str!("fields.txt").lines() {
        if let Some(head) = line.strip_prefix("object ") {
            objects.push(object(head));
        } else if !line.is_empty()
            && !line.starts_with('#')
            && let Some(object) = objects.last_mut()
        {
            object.add(field(line));
        }
    }
    for wanted in custom {
        let object = objects.iter_mut().find(|o| o.name.eq_ignore_ascii_case(&wanted.object));
        if let Some(object) = object.filter(|object| object.field(&wanted.name).is_none()) {
            let flags = if wanted.kind == Kind::Boolean { "CUDFSG" } else { "CUNFSG" };
            object.add(Field {
                name: wanted.name.clone(),
                kind: wanted.kind,
                length: wanted.length,
                flags: flags.to_owned(),
                external_id: wanted.external_id,
                unique: wanted.unique,
                leads_to: None,
                via: None,
            });
        }
    }
    objects
}

fn object(head: &str) -> Object {
    let mut words = head.split(' ').map(str::to_owned);
    let mut word = || words.next().unwrap_or_default();
    let mut object = Object {
        name: word(),
        prefix: word(),
        plural: word(),
        fields: Vec::new(),
        by_name: HashMap::new(),
        by_relationship: HashMap::new(),
    };
    for line in SYSTEM.lines() {
        object.add(field(line));
    }
    object
}

fn field(line: &str) -> Field {
    let words: Vec<&str> = line.split(' ').collect();
    let word = |at: usize| words.get(at).copied().unwrap_or_default();
    let leads_to = words
        .iter()
        .find_map(|word| word.split_once('>'))
        .map(|(name, to)| (name.to_owned(), to.split(',').map(str::to_owned).collect()));
    let via =
        words.iter().position(|word| *word == "via").and_then(|at| word(at + 1).split_once('.'));
    Field {
        name: word(0).to_owned(),
        kind: Kind::parse(word(1)),
        length: word(3).parse().unwrap_or(0),
        flags: word(2).to_owned(),
        external_id: false,
        unique: false,
        leads_to,
        via: via.map(|(reference, field)| (reference.to_owned(), field.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number of the first field that is the object's own.
    const OWN: u16 = system::STAMP + 1;

    #[test]
    fn the_standard_fields_are_read() {
        let objects = objects(&[]);
        let names: Vec<&str> = objects.iter().map(|object| object.name.as_str()).collect();
        assert_eq!(names[..6], ["Account", "Contact", "Case", "Lead", "Task", "User"]);
        assert_eq!(names.last(), Some(&"AgentWork"));
        let contact = &objects[1];
        let phone = contact.at(contact.field("phone").expect("Contact has a phone"));
        assert_eq!((phone.kind, phone.length, phone.name.as_str()), (Kind::Phone, 40, "Phone"));
        assert!(phone.is('U') && phone.is('N') && !phone.is_required());
        assert!(contact.at(contact.field("LastName").expect("it has")).is_required());
        assert!(!contact.at(contact.field("Name").expect("it has")).is('C'));
        let account = contact.relationship("account").expect("Contact leads to Account");
        assert_eq!(contact.at(account).name, "AccountId");
        assert_eq!(contact.at(system::STAMP).name, "SystemModstamp");
        assert_eq!(
            contact.fields.iter().position(|f| f.name == "AccountId"),
            Some(usize::from(OWN))
        );
    }

    #[test]
    fn labels_are_words() {
        let objects = objects(&[]);
        let label = |name| objects[1].at(objects[1].field(name).expect("it has")).label();
        assert_eq!(label("FirstName"), "First Name");
        assert_eq!(label("HasOptedOutOfEmail"), "Has Opted Out Of Email");
    }

    /// Where the Object Reference is wrong or says nothing: by the Field Reference and every
    /// published query, `UserId` leads to the user, and the moment of acceptance is one.
    const MENDED: [(&str, &str, &str); 2] =
        [("UserServicePresence", "UserId", "string"), ("AgentWork", "AcceptDateTime", "absent")];

    /// Holds `fields.txt` to the vendor's reference where the specs are at hand.
    #[test]
    fn every_standard_field_is_in_the_vendors_reference() {
        let near = || concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/specs").into();
        let specs: std::ffi::OsString = std::env::var_os("TIELINE_SPECS").unwrap_or_else(near);
        if !std::path::Path::new(&specs).join("salesforce").is_dir() {
            eprintln!("skipped: the vendors' references are not at hand (TIELINE_SPECS)");
            return;
        }
        // Of a profile nothing but the name is known here.
        for object in objects(&[]).iter().filter(|object| object.name != "Profile") {
            let path = std::path::Path::new(&specs)
                .join(format!("salesforce/objects/{}.json", object.name));
            let text = std::fs::read_to_string(path).expect("the reference of the object");
            let reference: Json = serde_json::from_str(&text).expect("it is JSON");
            for field in object.fields.iter().skip(usize::from(OWN)) {
                let known = &reference["fields"][&field.name];
                let kind = known["type"].as_str().unwrap_or("absent").to_lowercase();
                let is_mended =
                    MENDED.contains(&(object.name.as_str(), field.name.as_str(), kind.as_str()));
                assert!(
                    is_mended || kind == field.kind.name(),
                    "{}.{}: {kind}",
                    object.name,
                    field.name
                );
                let flags = known["properties"].as_str().unwrap_or_default();
                assert_eq!(
                    flags.contains("Create"),
                    field.is('C'),
                    "{}.{}",
                    object.name,
                    field.name
                );
                assert_eq!(
                    flags.contains("Nillable"),
                    field.is('N'),
                    "{}.{}",
                    object.name,
                    field.name
                );
            }
        }
    }
}
