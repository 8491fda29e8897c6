//! The records of the organization, its users, and what was deleted.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde_json::{Map, Value as Json, json};
use sim::dates;
use tokio::time::Instant;

use super::schema::{self, Field, Kind, Module};

/// The user whose tokens there are.
pub(super) const US: &str = "5725767000000411001";
/// Somebody else in the organization.
pub(super) const COLLEAGUE: &str = "5725767000000411002";
const FIRST_ID: u64 = 5_725_767_000_000_524_000;

pub(super) struct Row {
    pub(super) values: Map<String, Json>,
    pub(super) created: i64,
    pub(super) modified: i64,
    pub(super) created_by: &'static str,
    pub(super) modified_by: &'static str,
    /// When the search knows of its last change.
    pub(super) found_from: Instant,
    /// The contact that a lead has become.
    pub(super) converted: Option<u64>,
}

pub(super) struct Gone {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) at: i64,
    pub(super) by: &'static str,
}

pub(super) struct Store {
    rows: HashMap<&'static str, BTreeMap<u64, Row>>,
    gone: HashMap<&'static str, Vec<Gone>>,
    next: u64,
    offset_minutes: i64,
    lag: Duration,
    /// Milliseconds that the organization's clock is ahead.
    pub(super) ahead: i64,
}

impl Store {
    pub(super) fn new(offset_minutes: i64, lag: Duration) -> Store {
        let (rows, gone) = (HashMap::new(), HashMap::new());
        Store { rows, gone, next: FIRST_ID, offset_minutes, lag, ahead: 0 }
    }

    /// This second, as records are stamped with it.
    fn now(&self) -> i64 {
        second(dates::now() + self.ahead)
    }

    pub(super) fn count(&self, module: &str) -> usize {
        self.rows.get(module).map_or(0, BTreeMap::len)
    }

    /// All rows of a module that lists show: leads that were converted are not among them.
    pub(super) fn rows(&self, module: &Module) -> impl Iterator<Item = (u64, &Row)> {
        let rows = self.rows.get(module.name).into_iter().flatten();
        rows.map(|(id, row)| (*id, row)).filter(|(_, row)| row.converted.is_none())
    }

    /// A row, converted or not.
    pub(super) fn row(&self, module: &Module, id: &str) -> Option<(u64, &Row)> {
        let id: u64 = id.parse().ok()?;
        self.rows.get(module.name)?.get(&id).map(|row| (id, row))
    }

    pub(super) fn gone(&self, module: &Module) -> &[Gone] {
        self.gone.get(module.name).map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn is_found(&self, row: &Row) -> bool {
        row.found_from <= Instant::now()
    }

    /// Adds a row that the search knows at once: what was there before.
    pub(super) fn plant(&mut self, module: &str, values: Map<String, Json>) -> u64 {
        let id = self.insert(module, values, US);
        self.set_found(module, id);
        id
    }

    pub(super) fn add(&mut self, module: &str, values: Map<String, Json>) -> u64 {
        self.insert(module, values, COLLEAGUE)
    }

    pub(super) fn insert(
        &mut self,
        module: &str,
        values: Map<String, Json>,
        by: &'static str,
    ) -> u64 {
        let Some(module) = schema::module(module) else { return 0 };
        self.next += 157;
        let now = self.now();
        let mut row = Row {
            values,
            created: now,
            modified: now,
            created_by: by,
            modified_by: by,
            found_from: Instant::now() + self.lag,
            converted: None,
        };
        derive(&mut row);
        self.rows.entry(module.name).or_default().insert(self.next, row);
        self.next
    }

    pub(super) fn change(
        &mut self,
        module: &str,
        id: &str,
        values: Map<String, Json>,
        by: &'static str,
    ) -> bool {
        let (lag, now) = (self.lag, self.now());
        let Some(row) = self.row_mut(module, id) else { return false };
        row.values.extend(values);
        row.values.retain(|_, value| !value.is_null());
        row.modified = now.max(row.modified);
        row.modified_by = by;
        row.found_from = Instant::now() + lag;
        derive(row);
        true
    }

    pub(super) fn set_modified(&mut self, module: &str, id: &str, ms: i64) {
        if let Some(row) = self.row_mut(module, id) {
            row.modified = second(ms);
        }
    }

    pub(super) fn delete(&mut self, module: &str, id: &str, by: &'static str) -> bool {
        let Some(module) = schema::module(module) else { return false };
        let Some(id) = id.parse::<u64>().ok() else { return false };
        let Some(row) = self.rows.get_mut(module.name).and_then(|rows| rows.remove(&id)) else {
            return false;
        };
        let name =
            row.values.get(module.title).and_then(Json::as_str).unwrap_or_default().to_owned();
        let gone = Gone { id, name, at: self.now(), by };
        self.gone.entry(module.name).or_default().push(gone);
        true
    }

    pub(super) fn convert(&mut self, lead: &str) -> Option<String> {
        let values = self.row_mut("Leads", lead)?.values.clone();
        let kept = ["First_Name", "Last_Name", "Email", "Phone", "Mobile", "Description"];
        let values = values.into_iter().filter(|(key, _)| kept.contains(&key.as_str())).collect();
        let contact = self.insert("Contacts", values, US);
        self.row_mut("Leads", lead)?.converted = Some(contact);
        Some(contact.to_string())
    }

    pub(super) fn whole(&self, module: &str, id: &str) -> Option<Map<String, Json>> {
        let module = schema::module(module)?;
        let (id, row) = self.row(module, id)?;
        let values =
            module.fields.iter().map(|field| (field.name.to_owned(), self.value(id, row, field)));
        Some(values.collect())
    }

    /// A field as it is answered.
    pub(super) fn value(&self, id: u64, row: &Row, field: &Field) -> Json {
        match field.name {
            "id" => return id.to_string().into(),
            "Created_Time" => return self.time(row.created).into(),
            "Modified_Time" => return self.time(row.modified).into(),
            "Created_By" => return user(row.created_by),
            "Modified_By" => return user(row.modified_by),
            "Owner" => return user(US),
            _ => {}
        }
        let Some(value) = row.values.get(field.name) else { return Json::Null };
        match field.kind {
            Kind::Lookup(_) => self.related(value),
            Kind::DateTime => {
                let at = value.as_str().and_then(dates::parse);
                at.map_or(Json::Null, |at| self.time(at).into())
            }
            _ => value.clone(),
        }
    }

    /// Another record, by id and name.
    fn related(&self, value: &Json) -> Json {
        let id = value["id"].as_str().or(value.as_str()).unwrap_or_default();
        let named = schema::MODULES.iter().find_map(|module| Some((module, self.row(module, id)?)));
        let Some((module, (_, row))) = named else { return Json::Null };
        json!({ "name": row.values.get(module.title), "id": id })
    }

    pub(super) fn time(&self, ms: i64) -> String {
        dates::with_offset(ms, self.offset_minutes)
    }

    pub(super) fn set_found(&mut self, module: &str, id: u64) {
        if let Some(row) = self.row_mut(module, &id.to_string()) {
            row.found_from = Instant::now();
        }
    }

    fn row_mut(&mut self, module: &str, id: &str) -> Option<&mut Row> {
        let module = schema::module(module)?;
        self.rows.get_mut(module.name)?.get_mut(&id.parse().ok()?)
    }
}

/// What Zoho works out by itself.
fn derive(row: &mut Row) {
    let part = |name: &str| row.values.get(name).and_then(Json::as_str).unwrap_or_default();
    let full = format!("{} {}", part("First_Name"), part("Last_Name"));
    if !full.trim().is_empty() {
        row.values.insert("Full_Name".to_owned(), full.trim().into());
    }
}

/// Times have no fractions there.
fn second(ms: i64) -> i64 {
    ms - ms.rem_euclid(1_000)
}

/// A user, as records name them.
pub(super) fn user(id: &str) -> Json {
    let name = if id == US { "Tieline Integration" } else { "Pat Colleague" };
    json!({ "name": name, "id": id })
}
