//! Which properties there are, and how they are described.

use axum::http::StatusCode;
use serde_json::{Value as Json, json};

use super::World;
use super::http::{Answer, Refusal};

/// One property: name, type of data, whether values are unique, whether HubSpot sets it.
pub(super) struct Property {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) unique: bool,
    pub(super) read_only: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Date,
    Choice,
}

const fn text(name: &'static str) -> Property {
    Property { name, kind: Kind::Text, unique: false, read_only: false }
}

const fn unique(name: &'static str) -> Property {
    Property { name, kind: Kind::Text, unique: true, read_only: false }
}

const fn own(name: &'static str, kind: Kind) -> Property {
    Property { name, kind, unique: false, read_only: true }
}

const ID: Property = own("hs_object_id", Kind::Number);
const CREATED: Property = own("createdate", Kind::Date);
const BY: Property = own("hs_updated_by_user_id", Kind::Number);
const MERGED: Property = own("hs_merged_object_ids", Kind::Choice);

const CONTACTS: &[Property] = &[
    ID,
    CREATED,
    BY,
    MERGED,
    own("lastmodifieddate", Kind::Date),
    own("hs_searchable_calculated_phone_number", Kind::Text),
    own("hs_searchable_calculated_mobile_number", Kind::Text),
    own("hs_searchable_calculated_international_phone_number", Kind::Text),
    own("hs_searchable_calculated_international_mobile_number", Kind::Text),
    own("associatedcompanyid", Kind::Number),
    text("firstname"),
    text("lastname"),
    text("email"),
    text("phone"),
    text("mobilephone"),
    text("home_phone"),
    text("jobtitle"),
    text("city"),
    text("loyalty_tier"),
    unique("external_number"),
];

const COMPANIES: &[Property] = &[
    ID,
    CREATED,
    BY,
    MERGED,
    own("hs_lastmodifieddate", Kind::Date),
    text("name"),
    text("domain"),
    text("phone"),
    text("city"),
    Property { name: "industry", kind: Kind::Choice, unique: false, read_only: false },
    unique("erp_number"),
];

const CALLS: &[Property] = &[
    ID,
    CREATED,
    BY,
    own("hs_lastmodifieddate", Kind::Date),
    Property { name: "hs_timestamp", kind: Kind::Date, unique: false, read_only: false },
    Property { name: "hs_call_duration", kind: Kind::Number, unique: false, read_only: false },
    Property { name: "hs_call_direction", kind: Kind::Choice, unique: false, read_only: false },
    Property { name: "hs_call_status", kind: Kind::Choice, unique: false, read_only: false },
    text("hs_call_title"),
    text("hs_call_body"),
    text("hs_call_disposition"),
    unique("tieline_call_id"),
];

/// The properties of a type of records.
pub(super) fn of(object: &str) -> &'static [Property] {
    match object {
        "contacts" => CONTACTS,
        "companies" => COMPANIES,
        "calls" => CALLS,
        _ => &[],
    }
}

/// One of them.
pub(super) fn named(object: &str, name: &str) -> Option<&'static Property> {
    of(object).iter().find(|property| property.name == name)
}

/// What a record has where nothing was asked for.
pub(super) fn usual(object: &str) -> &'static [&'static str] {
    match object {
        "contacts" => {
            &["createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname"]
        }
        "companies" => &["createdate", "domain", "hs_lastmodifieddate", "hs_object_id", "name"],
        _ => &["hs_createdate", "hs_lastmodifieddate", "hs_object_id"],
    }
}

impl World {
    /// `GET …/properties/{object}/{name}`.
    pub(super) fn property(&self, object: &str, name: &str) -> Result<Answer, Refusal> {
        let property = named(object, name).ok_or_else(|| Refusal::not_found("property"))?;
        let (kind, field) = match property.kind {
            Kind::Text => ("string", "text"),
            Kind::Number => ("number", "number"),
            Kind::Date => ("datetime", "date"),
            Kind::Choice => ("enumeration", "select"),
        };
        let described = json!({
            "name": name, "label": name, "type": kind, "fieldType": field, "description": "",
            "groupName": "information", "options": Json::Array(vec![]), "displayOrder": -1,
            "calculated": property.read_only, "externalOptions": false, "hidden": false,
            "hasUniqueValue": property.unique, "formField": false, "archived": false,
        });
        Ok(Answer::json(StatusCode::OK, &described))
    }
}
