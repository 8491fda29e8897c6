//! Keeps the external organizations and which of them holds which external id.
//!
//! An external id that another organization of the division already holds stays there, as
//! with contacts; the oldest that still has it takes over when its holder lets go. That a
//! contact's reference to a deleted organization dangles is a reading of ours.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::{Map, Value, json};

use super::contacts::enrich::{Rules, one_of};
use super::contacts::fields::{self, Fields};
use super::contacts::identifiers::{Key, division};
use super::contacts::phones;
use super::dates;
use super::problem::Problem;
use super::world::World;

const ACTIONS: [&str; 3] = ["Upsert", "Update", "Insert"];
const TEXTS: [&str; 4] = ["name", "companyType", "industry", "externalSystemUrl"];

/// One organization as stored.
#[derive(Debug, Clone)]
pub(crate) struct Organization {
    pub(crate) id: String,
    pub(crate) division: String,
    /// Rises with creation: the order of a scan, and who was first.
    pub(crate) sequence: u64,
    created_at: i64,
    modified_at: i64,
    pub(crate) fields: Fields,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Organizations {
    by_id: HashMap<String, Organization>,
    order: BTreeMap<u64, String>,
    /// Who has an external id, oldest first: the first one holds it.
    mentions: HashMap<Key, BTreeSet<u64>>,
    removed: HashSet<String>,
    last: u64,
}

impl Organizations {
    pub(crate) fn get(&self, id: &str) -> Result<&Organization, Problem> {
        self.by_id.get(id).ok_or_else(Problem::not_found)
    }

    /// Is it there, or was it once?
    pub(crate) fn knew(&self, id: &str) -> bool {
        self.by_id.contains_key(id) || self.removed.contains(id)
    }

    /// Those after a place in the order of creation.
    pub(crate) fn after(&self, sequence: u64) -> impl Iterator<Item = &Organization> {
        self.order.range(sequence + 1..).filter_map(|(_, id)| self.by_id.get(id))
    }

    /// The oldest that has this external id.
    pub(crate) fn holder(&self, key: &Key) -> Option<&Organization> {
        let oldest = self.mentions.get(key)?.first()?;
        self.by_id.get(self.order.get(oldest)?)
    }

    pub(crate) fn put(&mut self, mut organization: Organization, now: i64) -> Organization {
        organization.modified_at = now;
        self.last = self.last.max(organization.sequence);
        if let Some(old) = self.by_id.get(&organization.id).cloned() {
            self.unmention(&old);
        }
        for key in keys(&organization.fields, &organization.division) {
            self.mentions.entry(key).or_default().insert(organization.sequence);
        }
        self.order.insert(organization.sequence, organization.id.clone());
        self.by_id.insert(organization.id.clone(), organization.clone());
        organization
    }

    pub(crate) fn remove(&mut self, id: &str) -> Result<(), Problem> {
        let gone = self.by_id.remove(id).ok_or_else(Problem::not_found)?;
        self.unmention(&gone);
        self.order.remove(&gone.sequence);
        self.removed.insert(gone.id);
        Ok(())
    }

    fn unmention(&mut self, organization: &Organization) {
        for key in keys(&organization.fields, &organization.division) {
            if let Some(all) = self.mentions.get_mut(&key) {
                all.remove(&organization.sequence);
            }
        }
    }
}

impl World {
    /// What a writer's organization body becomes.
    fn organization_fields(&self, body: &Value) -> Result<Fields, Problem> {
        let Value::Object(written) = body else { return Err(Problem::malformed()) };
        let mut stored = Fields::new();
        for (name, value) in written.iter().filter(|(_, value)| !value.is_null()) {
            let value = match name.as_str() {
                name if TEXTS.contains(&name) => fields::text(name, value, 1000)?,
                "phoneNumber" | "faxNumber" => phones::stored(name, value)?.map(Value::Object),
                "address" => fields::address(value)?,
                "externalIds" => Some(fields::external_ids(value, &self.sources)?),
                "employeeCount" | "revenue" if value.is_i64() || value.is_u64() => {
                    Some(value.clone())
                }
                "tags" | "websites" if is_texts(value) => Some(value.clone()),
                "tickers" if value.is_array() => Some(value.clone()),
                "twitterId" | "schema" | "customFields" if value.is_object() => Some(value.clone()),
                "employeeCount" | "revenue" | "tags" | "websites" | "tickers" | "twitterId"
                | "schema" | "customFields" => return Err(fields::wrong_type(name, value)),
                _ => None,
            };
            stored.extend(value.map(|value| (name.clone(), value)));
        }
        self.organization_schemas.check(&stored)?;
        Ok(stored)
    }

    /// A new organization.
    pub(crate) fn add_organization(
        &mut self,
        body: &Value,
        now: i64,
    ) -> Result<Organization, Problem> {
        let fields = self.organization_fields(body)?;
        let division = division(body)?.unwrap_or_else(|| "*".to_owned());
        self.new_organization(fields, division, now)
    }

    fn new_organization(
        &mut self,
        fields: Fields,
        division: String,
        now: i64,
    ) -> Result<Organization, Problem> {
        named(&fields)?;
        let id = self.ids.next();
        let sequence = self.organizations.last + 1;
        let (created_at, modified_at) = (now, now);
        let made = Organization { id, division, sequence, created_at, modified_at, fields };
        Ok(self.organizations.put(made, now))
    }

    /// An organization replaced as a whole.
    pub(crate) fn replace_organization(
        &mut self,
        id: &str,
        body: &Value,
        now: i64,
    ) -> Result<Organization, Problem> {
        let known = self.organizations.get(id)?.clone();
        if division(body)?.is_some_and(|division| division != known.division) {
            return Err(Problem::bad_request("The division of an organization cannot be changed.")
                .at("invalid.value", "division"));
        }
        let fields = self.organization_fields(body)?;
        named(&fields)?;
        Ok(self.organizations.put(Organization { fields, ..known }, now))
    }

    /// Carries out one enrich request: the organization, and 201 or 200.
    pub(crate) fn enrich_organization(
        &mut self,
        body: &Value,
        dry_run: bool,
        now: i64,
    ) -> Result<(Organization, u16), Problem> {
        let identifiers = body.get("matchingIdentifiers").and_then(Value::as_array);
        let identifiers =
            identifiers.filter(|all| (1..=25).contains(&all.len())).ok_or_else(|| {
                let why = "There must be between 1 and 25 matching identifiers.";
                Problem::bad_request(why).at("field.size", "matchingIdentifiers")
            })?;
        let keys: Result<Vec<Key>, Problem> =
            identifiers.iter().map(|one| self.organization_key(one)).collect();
        let action = one_of("action", body.get("action"), &ACTIONS)?.ok_or_else(|| {
            Problem::bad_request("The field action is required.").at("field.required", "action")
        })?;
        let given = body.get("externalOrganization").filter(|given| !given.is_null());
        let given = given.map_or_else(|| Ok(Fields::new()), |it| self.organization_fields(it))?;
        let rules = Rules::read(body.get("fieldRules").unwrap_or(&Value::Null))?;
        let found = keys?.iter().find_map(|key| self.organizations.holder(key)).cloned();
        match (action, found) {
            ("Update", None) => Err(Problem::not_found()),
            ("Insert", Some(_)) => {
                Err(Problem::conflict("An organization with a matching identifier exists."))
            }
            (_, None) if dry_run => {
                named(&given)?;
                let id = self.ids.next();
                let (division, sequence) = ("*".to_owned(), 0);
                let (created_at, modified_at, fields) = (now, now, given);
                let would =
                    Organization { id, division, sequence, created_at, modified_at, fields };
                Ok((would, 201))
            }
            (_, None) => {
                let division = division(body)?.unwrap_or_else(|| "*".to_owned());
                Ok((self.new_organization(given, division, now)?, 201))
            }
            (_, Some(mut known)) => {
                known.fields = rules.combine("$", &known.fields, &given)?;
                Ok((if dry_run { known } else { self.organizations.put(known, now) }, 200))
            }
        }
    }

    /// An `ExternalOrganizationIdentifier`, which is an external id always.
    pub(crate) fn organization_key(&self, body: &Value) -> Result<Key, Problem> {
        if body["type"] != "ExternalId" {
            let kind = body["type"].as_str().unwrap_or_default();
            return Err(Problem::invalid_value("type", kind, "String", "ExternalId"));
        }
        Key::read(body, &self.sources)
    }

    /// The vendor's `ExternalOrganization`.
    pub(crate) fn render_organization(&self, organization: &Organization) -> Value {
        let mut body: Map<String, Value> = organization.fields.clone();
        if let Some(Value::Array(ids)) = body.get_mut("externalIds") {
            for id in ids {
                let source = id["externalSource"]["id"].as_str().unwrap_or_default().to_owned();
                id["externalSource"] = self.sources.reference(&source, false);
            }
        }
        let mut set = |name: &str, value: Value| body.insert(name.to_owned(), value);
        set("id", organization.id.clone().into());
        set("division", json!({ "id": organization.division }));
        set("createDate", dates::iso(organization.created_at).into());
        set("modifyDate", dates::iso(organization.modified_at).into());
        set("externalDataSources", json!([]));
        set("selfUri", uri(&organization.id).into());
        Value::Object(body)
    }
}

pub(crate) fn uri(id: &str) -> String {
    format!("/api/v2/externalcontacts/organizations/{id}")
}

fn named(fields: &Fields) -> Result<(), Problem> {
    match fields.contains_key("name") {
        true => Ok(()),
        false => {
            Err(Problem::bad_request("The field name is required.").at("field.required", "name"))
        }
    }
}

fn is_texts(value: &Value) -> bool {
    value.as_array().is_some_and(|items| items.iter().all(Value::is_string))
}

/// The external ids of an organization, as contacts' are.
fn keys(fields: &Fields, division: &str) -> Vec<Key> {
    let ids = fields.get("externalIds").and_then(Value::as_array).into_iter().flatten();
    let key = |id: &Value| {
        let source = id["externalSource"]["id"].as_str()?;
        Some(Key::external(division, source, id["value"].as_str()?))
    };
    ids.filter_map(key).collect()
}
