//! The contact center: contacts made one at a time, or many in one request.

use super::Told;
use super::org::Org;
use axum::http::Method;
use domain::Timestamp;
use serde_json::{Value, json};
use std::collections::HashMap;

const SOURCE: &str = "00000000-0000-4000-8000-00000000c0de";
/// Entities of one page of the scan, at most.
const PAGE: usize = 200;
const READ: &str = "platform read";
const WRITE: &str = "platform write";

#[derive(Default)]
pub(crate) struct Platform {
    all: Vec<Value>,
    by_external: HashMap<String, usize>,
}

fn id(at: usize) -> String {
    format!("{at:08x}-0000-4000-8000-000000000000")
}

fn place(id: &str) -> Option<usize> {
    usize::from_str_radix(id.get(..8)?, 16).ok()
}

/// The id that an entity has in the CRM.
fn external(entity: &Value) -> Option<&str> {
    entity["externalIds"].as_array()?.iter().find_map(|one| one["value"].as_str())
}

impl Platform {
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// How many have the names, e-mail and number that the CRM has.
    pub(crate) fn same_as(&self, org: &Org) -> usize {
        let is_same = |entity: &&Value| {
            let own = external(entity).and_then(|id| org.get(id.rsplit(':').next()?));
            own.is_some_and(|own| {
                entity["firstName"] == *own.first
                    && entity["lastName"] == *own.last
                    && entity["workEmail"] == *own.email
                    && entity["workPhone"]["display"] == *own.phone
            })
        };
        self.all.iter().filter(is_same).count()
    }

    pub(crate) fn answer(
        &mut self,
        method: &Method,
        path: &str,
        query: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Option<Told> {
        let rest = path.strip_prefix("/api/v2/externalcontacts/")?;
        let given = || serde_json::from_slice::<Value>(body).ok();
        match (method.as_str(), rest) {
            ("GET", "externalsources") => {
                let source = json!({ "id": SOURCE, "name": "CRM", "active": true });
                Some(Told::json(READ, &json!({ "entities": [source], "cursors": {} })))
            }
            ("GET", "scan/contacts") => Some(self.scan(query)),
            ("POST", "contacts") => {
                let entity = self.made(given()?, now).0;
                Some(Told::json(WRITE, &entity))
            }
            ("POST", "bulk/contacts") => self.each(READ, given()?, |own, entity| {
                let at = entity["id"].as_str().and_then(place)?;
                Some((200, own.all.get(at)?.clone()))
            }),
            ("POST", "bulk/contacts/add") => self.each(WRITE, given()?, |own, entity| {
                let (entity, _) = own.made(entity.clone(), now);
                Some((201, entity))
            }),
            ("POST", "bulk/contacts/enrich") => self.each(WRITE, given()?, |own, asked| {
                let (entity, is_new) = own.made(asked["contact"].clone(), now);
                Some((if is_new { 201 } else { 200 }, entity))
            }),
            ("POST", "bulk/contacts/update") => self.each(WRITE, given()?, |own, entity| {
                let at = entity["id"].as_str().and_then(place)?;
                Some((200, own.put(at, entity.clone(), now)?))
            }),
            ("PUT", rest) => {
                let at = place(rest.strip_prefix("contacts/")?)?;
                let entity = self.put(at, given()?, now)?;
                Some(Told::json(WRITE, &entity))
            }
            _ => None,
        }
    }

    /// Answers for each entity of a request, by the id that it came with.
    fn each(
        &mut self,
        counted: &'static str,
        body: Value,
        does: impl Fn(&mut Self, &Value) -> Option<(u16, Value)>,
    ) -> Option<Told> {
        let mut results = Vec::new();
        for entity in body["entities"].as_array()? {
            let sent = entity["id"].clone();
            results.push(match does(self, entity) {
                Some((status, entity)) => {
                    json!({ "id": sent, "success": true, "status": status, "entity": entity })
                }
                None => json!({
                    "id": sent, "success": false, "status": 404,
                    "error": { "status": 404, "code": "not.found" },
                }),
            });
        }
        Some(Told::json(counted, &json!({ "results": results })))
    }

    /// Made, unless somebody has its id in the CRM already. Whether it is new.
    fn made(&mut self, mut entity: Value, now: Timestamp) -> (Value, bool) {
        let key = external(&entity).map(str::to_owned);
        if let Some(at) = key.as_ref().and_then(|key| self.by_external.get(key)).copied() {
            return (self.put(at, entity, now).unwrap_or_default(), false);
        }
        let at = self.all.len();
        entity["id"] = id(at).into();
        entity["type"] = "Curated".into();
        entity["createDate"] = now.to_string().into();
        entity["modifyDate"] = now.to_string().into();
        if let Some(ids) = entity["externalIds"].as_array_mut() {
            ids.iter_mut().for_each(|one| one["externalSource"]["id"] = SOURCE.into());
        }
        if let Some(number) = entity["workPhone"]["display"].as_str().map(str::to_owned) {
            entity["workPhone"]["e164"] = number.into();
        }
        self.by_external.extend(key.map(|key| (key, at)));
        self.all.push(entity.clone());
        (entity, true)
    }

    fn put(&mut self, at: usize, mut entity: Value, now: Timestamp) -> Option<Value> {
        let held = self.all.get_mut(at)?;
        entity["id"] = id(at).into();
        entity["createDate"] = held["createDate"].take();
        entity["modifyDate"] = now.to_string().into();
        held.clone_from(&entity);
        Some(entity)
    }

    fn scan(&self, query: &str) -> Told {
        let of = |name: &str| {
            let one = query.split('&').find_map(|one| one.strip_prefix(name));
            one.and_then(|text| text.parse::<usize>().ok())
        };
        let from = of("cursor=").unwrap_or_default().min(self.all.len());
        let to = (from + of("limit=").unwrap_or(PAGE).min(PAGE)).min(self.all.len());
        let after = (to < self.all.len()).then(|| to.to_string());
        Told::json(
            READ,
            &json!({
                "entities": &self.all[from..to], "cursors": { "after": after },
            }),
        )
    }
}
