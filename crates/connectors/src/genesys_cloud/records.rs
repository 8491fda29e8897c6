//! Whole contacts and organizations, by the platform's own names.
//!
//! `scan` tells them, `writes` changes one and `batch` many, over the platform's `bulk`
//! requests. Two fields are not the platform's: an id under our External Source, and that of
//! a contact's organization; `compose` says what they stand for, `organizations` knows the
//! ids. `forms` is how fields hold their values, `schemas` where custom fields are.

mod batch;
mod bulk;
mod compose;
mod forms;
mod organizations;
mod scan;
mod schemas;
mod writes;

use super::mapping::Source;
use super::platform::Platform;
use domain::Timestamp;
use kit::{Error, Fields, Record};
use organizations::Organizations;
use schemas::Schemas;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// The list of ids in other systems, and the one of them under our External Source.
const EXTERNAL_IDS: &str = "externalIds";
const EXTERNAL_ID: &str = "externalId";
/// The id under our External Source that a contact's organization has.
const ORGANIZATION_ID: &str = "externalOrganization.externalId";
const CUSTOM: &str = "customFields";

/// Fields of `ExternalContact` that may be set.
const CONTACT: [&str; 25] = [
    "firstName",
    "middleName",
    "lastName",
    "salutation",
    "title",
    "workPhone",
    "cellPhone",
    "homePhone",
    "otherPhone",
    "workEmail",
    "personalEmail",
    "otherEmail",
    "address",
    "twitterId",
    "lineId",
    "whatsAppId",
    "facebookId",
    "instagramId",
    "appleOpaqueIds",
    EXTERNAL_IDS,
    "externalOrganization",
    "externalSystemUrl",
    "surveyOptOut",
    "schema",
    CUSTOM,
];
/// Fields of `ExternalOrganization` that may be set.
const ORGANIZATION: [&str; 16] = [
    "name",
    "companyType",
    "industry",
    "address",
    "phoneNumber",
    "faxNumber",
    "employeeCount",
    "revenue",
    "tags",
    "websites",
    "tickers",
    "twitterId",
    EXTERNAL_IDS,
    "externalSystemUrl",
    "schema",
    CUSTOM,
];
/// What the platform sets itself.
const CLOSED: [&str; 13] = [
    "id",
    "type",
    "division",
    "identifiers",
    "createDate",
    "modifyDate",
    "canonicalContact",
    "mergeSet",
    "mergedFrom",
    "mergedTo",
    "mergeOperation",
    "externalDataSources",
    "selfUri",
];

/// What is told and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Object {
    Contacts,
    Organizations,
}

impl Object {
    /// # Errors
    /// `Invalid` naming `object` when it is another.
    fn named(text: &str) -> Result<Self, Error> {
        match text {
            "contacts" => Ok(Self::Contacts),
            "organizations" => Ok(Self::Organizations),
            _ => {
                let reason = "only contacts and organizations are told and written".to_owned();
                Err(Error::Invalid { field: Some("object".to_owned()), reason })
            }
        }
    }

    /// Its word in the platform's paths.
    fn path(self) -> &'static str {
        match self {
            Self::Contacts => "contacts",
            Self::Organizations => "organizations",
        }
    }

    fn open(self) -> &'static [&'static str] {
        match self {
            Self::Contacts => &CONTACT,
            Self::Organizations => &ORGANIZATION,
        }
    }

    /// Is this a field, or a part of one (`address.city`)? `is_written`: one that may be set.
    ///
    /// # Errors
    /// `Invalid` naming it.
    fn check(self, path: &str, is_written: bool) -> Result<(), Error> {
        let is_plain = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        };
        if path == EXTERNAL_ID || (path == ORGANIZATION_ID && self == Self::Contacts) {
            return Ok(());
        }
        let mut parts = path.split('.');
        let first = parts.next().unwrap_or_default();
        let is_known = self.open().contains(&first) || (!is_written && CLOSED.contains(&first));
        if is_known && parts.clone().count() <= 1 && parts.all(is_plain) {
            return Ok(());
        }
        // What is no word may be anything, and is not repeated.
        let named = path.len() <= 100 && path.split('.').all(is_plain);
        Err(Error::Invalid {
            field: Some(if named { path } else { "fields" }.to_owned()),
            reason: format!("is no field of {} that can be asked for here", self.path()),
        })
    }
}

/// Those that were merged into an entity, however long ago and over however many others.
fn ancestors(entity: &Value) -> impl Iterator<Item = &str> {
    let set = entity.get("mergeSet").and_then(Value::as_array).into_iter().flatten();
    let ids = set.filter_map(|one| one.get("id").and_then(Value::as_str));
    ids.filter(|id| entity["id"] != *id)
}

/// The contacts and organizations of one organization.
pub(super) struct Records {
    platform: Arc<Platform>,
    organizations: Organizations,
    schemas: Schemas,
}

impl Records {
    pub(super) fn new(platform: Arc<Platform>) -> Self {
        let (organizations, schemas) = (Organizations::default(), Schemas::default());
        Self { platform, organizations, schemas }
    }

    /// Entities as records with the fields asked for.
    ///
    /// # Errors
    /// `Protocol` when one has no id; those of looking up what fields stand for.
    async fn told(
        &self,
        object: Object,
        entities: &[Value],
        fields: &[String],
    ) -> Result<Vec<Record>, Error> {
        let wants = |field: &str| fields.iter().any(|wanted| wanted == field);
        let is_known_by_source = wants(EXTERNAL_ID) || wants(ORGANIZATION_ID);
        let source = match is_known_by_source {
            true => Some(self.platform.source().await?),
            false => None,
        };
        if let Some(source) = source.as_ref().filter(|_| object == Object::Organizations) {
            self.organizations.note(entities, source);
        }
        let named = match wants(ORGANIZATION_ID) {
            true => {
                let ids = entities.iter().filter_map(organization).collect::<BTreeSet<_>>();
                self.named(&ids).await?
            }
            false => HashMap::new(),
        };
        let value = |entity: &Value, path: &str| -> Value {
            match path {
                EXTERNAL_ID => source.as_ref().and_then(|s| own_id(entity, s)).into(),
                ORGANIZATION_ID => {
                    let id = organization(entity).and_then(|id| named.get(id));
                    id.cloned().flatten().into()
                }
                path => {
                    let found = path.split('.').try_fold(entity, |within, part| within.get(part));
                    found.cloned().unwrap_or(Value::Null)
                }
            }
        };
        let record = |entity: &Value| {
            let told = |path: &String| (path.clone(), value(entity, path));
            Ok(Record { fields: fields.iter().map(told).collect::<Fields>(), ..bare(entity)? })
        };
        entities.iter().map(record).collect()
    }
}

/// An entity as a record without fields.
///
/// # Errors
/// `Protocol` when it has no id.
fn bare(entity: &Value) -> Result<Record, Error> {
    let text = |key: &str| entity.get(key).and_then(Value::as_str).map(str::to_owned);
    let version = text("modifyDate");
    Ok(Record {
        id: text("id").ok_or_else(|| Error::protocol("an entity without an id"))?,
        modified: version.as_deref().and_then(Timestamp::parse),
        version,
        modified_by: None,
        fields: Fields::new(),
    })
}

/// The id that an entity has under a source.
fn own_id<'a>(entity: &'a Value, source: &Source) -> Option<&'a str> {
    let ids = entity.get(EXTERNAL_IDS)?.as_array()?;
    let own = ids.iter().find(|id| id["externalSource"]["id"] == source.id.as_str());
    own?.get("value")?.as_str()
}

/// The id of a contact's organization.
fn organization(contact: &Value) -> Option<&str> {
    contact.get("externalOrganization")?.get("id")?.as_str()
}
