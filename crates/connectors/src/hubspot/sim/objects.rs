//! Single records: lists, reads, changes, merges, and the two ways of deleting.

use axum::http::StatusCode;
use serde_json::{Map, Value as Json, json};
use sim::dates;

use super::World;
use super::http::{Answer, Asked, Refusal};
use super::properties;
use super::store::{Properties, Row, Store, US};

/// Records of one page of a list.
const PAGE_MAX: usize = 100;

impl World {
    /// `GET …/{object}`, in the order of ids.
    pub(super) fn list(&self, asked: &Asked<'_>, object: &'static str) -> Result<Answer, Refusal> {
        let limit = asked.get("limit").map_or(Ok(10), str::parse).unwrap_or(0);
        if !(1..=PAGE_MAX).contains(&limit) {
            return Err(Refusal::invalid("limit must be from 1 to 100"));
        }
        let after: u64 =
            asked.get("after").map_or(Ok(0), str::parse).map_err(|_| Refusal::invalid("after"))?;
        let wants_archived = asked.get("archived") == Some("true");
        let store = self.read();
        let rows = store
            .all(object)
            .filter(|(id, row)| row.archived.is_some() == wants_archived && *id >= after);
        let mut rows: Vec<(u64, &Row)> = rows.take(limit + 1).collect();
        let next = (rows.len() > limit).then(|| rows.pop()).flatten().map(|(id, _)| id);
        let names = asked.list("properties");
        let shown: Vec<Json> =
            rows.into_iter().map(|(id, row)| self.shown(object, id, row, &names)).collect();
        let mut body = json!({ "results": shown });
        if let Some(next) = next {
            body["paging"] = json!({ "next": { "after": next.to_string() } });
        }
        Ok(Answer::json(StatusCode::OK, &body))
    }

    /// `GET …/{object}/{id}[?idProperty=]`.
    pub(super) fn get(
        &self,
        asked: &Asked<'_>,
        object: &'static str,
        id: &str,
    ) -> Result<Answer, Refusal> {
        let store = self.read();
        let (id, row) = located(&store, object, asked.get("idProperty"), id)?;
        let wants_archived = asked.get("archived") == Some("true");
        if row.archived.is_some() != wants_archived {
            return Err(Refusal::not_found("object"));
        }
        let mut shown = self.shown(object, id, row, &asked.list("properties"));
        for to in asked.list("associations") {
            let Some(to) = super::store::kind(to) else { continue };
            let results: Vec<Json> = store
                .tied((object, id), to)
                .into_iter()
                .map(
                    |other| json!({ "id": other.to_string(), "type": format!("{object}_to_{to}") }),
                )
                .collect();
            if !results.is_empty() {
                shown["associations"][to] = json!({ "results": results });
            }
        }
        Ok(Answer::json(StatusCode::OK, &shown))
    }

    /// `POST …/{object}`.
    pub(super) fn create(
        &self,
        asked: &Asked<'_>,
        object: &'static str,
    ) -> Result<Answer, Refusal> {
        let body = asked.json()?;
        let mut store = self.write();
        let values = checked(&store, object, &body["properties"], None)?;
        let mut ties = Vec::new();
        for association in body["associations"].as_array().into_iter().flatten() {
            let other: Option<u64> =
                association["to"]["id"].as_str().and_then(|id| id.parse().ok());
            let kinds = association["types"].as_array().into_iter().flatten();
            let kinds: Vec<u64> =
                kinds.filter_map(|kind| kind["associationTypeId"].as_u64()).collect();
            let to = match (object, kinds.as_slice()) {
                ("calls", [194]) => "contacts",
                ("calls", [182]) => "companies",
                _ => {
                    return Err(Refusal::invalid(
                        "associationTypeId is not valid for these objects",
                    ));
                }
            };
            let found = other.and_then(|id| store.find(to, id)).map(|(id, _)| id);
            ties.push((
                to,
                found.ok_or_else(|| Refusal::invalid("One or more associations are not valid"))?,
            ));
        }
        let id = store.insert(object, values, US);
        for other in ties {
            store.tie((object, id), other);
        }
        let row = store.row(object, id).ok_or_else(|| Refusal::not_found("object"))?;
        Ok(Answer::json(StatusCode::CREATED, &self.shown(object, id, row, &all_of(row))))
    }

    /// `PATCH …/{object}/{id}`.
    pub(super) fn update(
        &self,
        asked: &Asked<'_>,
        object: &'static str,
        id: &str,
    ) -> Result<Answer, Refusal> {
        let body = asked.json()?;
        let mut store = self.write();
        let (id, row) = located(&store, object, asked.get("idProperty"), id)?;
        if row.archived.is_some() {
            return Err(Refusal::not_found("object"));
        }
        let values = checked(&store, object, &body["properties"], Some(id))?;
        let names: Vec<String> = values.keys().cloned().collect();
        store.change(object, id, values, US);
        let row = store.row(object, id).ok_or_else(|| Refusal::not_found("object"))?;
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Ok(Answer::json(StatusCode::OK, &self.shown(object, id, row, &names)))
    }

    /// `DELETE …/{object}/{id}`: into the bin; one that is not there is no error.
    pub(super) fn archive(&self, object: &'static str, id: &str) -> Result<Answer, Refusal> {
        if let Ok(id) = id.parse() {
            self.write().archive(object, id);
        }
        Ok(Answer::nothing())
    }

    /// `POST …/contacts/merge`.
    pub(super) fn merge(&self, asked: &Asked<'_>, object: &'static str) -> Result<Answer, Refusal> {
        let body = asked.json()?;
        let id = |name: &str| body[name].as_str().and_then(|id| id.parse().ok());
        let (Some(primary), Some(gone)) = (id("primaryObjectId"), id("objectIdToMerge")) else {
            return Err(Refusal::invalid("primaryObjectId and objectIdToMerge are required"));
        };
        let mut store = self.write();
        if !store.merge(object, primary, gone) {
            return Err(Refusal::invalid("the objects cannot be merged"));
        }
        let row = store.row(object, primary).ok_or_else(|| Refusal::not_found("object"))?;
        Ok(Answer::json(StatusCode::OK, &self.shown(object, primary, row, &all_of(row))))
    }

    /// `POST …/contacts/gdpr-delete`: leaves nothing, in no list.
    pub(super) fn gdpr_delete(
        &self,
        asked: &Asked<'_>,
        object: &'static str,
    ) -> Result<Answer, Refusal> {
        let body = asked.json()?;
        let mut store = self.write();
        let id = body["objectId"].as_str().unwrap_or_default();
        let id = located(&store, object, body["idProperty"].as_str(), id).map(|(id, _)| id)?;
        store.forget(object, id);
        Ok(Answer::nothing())
    }

    /// A record with the properties that were asked for, or the usual ones. Names that do
    /// not exist are passed over.
    pub(super) fn shown(&self, object: &str, id: u64, row: &Row, names: &[&str]) -> Json {
        let asked = names.iter().filter(|name| properties::named(object, name).is_some());
        let mut all: Vec<&str> = asked.copied().collect();
        if names.is_empty() {
            all = properties::usual(object).to_vec();
        }
        // These come in any case.
        all.extend(["createdate", super::store::modified(object), "hs_object_id"]);
        let value = |name: &&str| match row.properties.get(*name) {
            Some(value) => Some(((*name).to_owned(), Json::from(value.as_str()))),
            None => self.config.nulls.then(|| ((*name).to_owned(), Json::Null)),
        };
        let values: Map<String, Json> = all.iter().filter_map(value).collect();
        let mut shown = json!({
            "id": id.to_string(), "properties": values, "createdAt": dates::utc(row.created),
            "updatedAt": dates::utc(row.updated), "archived": row.archived.is_some(),
        });
        if let Some(at) = row.archived {
            shown["archivedAt"] = dates::utc(at).into();
        }
        shown
    }
}

/// The names of all that a record has.
pub(super) fn all_of(row: &Row) -> Vec<&str> {
    row.properties.keys().map(String::as_str).collect()
}

/// A record by its id, by e-mail, or by a property with unique values.
pub(super) fn located<'a>(
    store: &'a Store,
    object: &str,
    by: Option<&str>,
    id: &str,
) -> Result<(u64, &'a Row), Refusal> {
    let found = match by {
        None | Some("hs_object_id") => id.parse().ok().and_then(|id| store.find(object, id)),
        Some(name) => {
            let is_unique = properties::named(object, name).is_some_and(|property| property.unique);
            let is_email = object == "contacts" && name == "email";
            if !is_unique && !is_email {
                return Err(Refusal::invalid(format!(
                    "{name} is not a unique property of {object}"
                )));
            }
            store.by(object, name, id)
        }
    };
    found.ok_or_else(|| Refusal::not_found("object"))
}

/// Only properties that there are, whose unique values nobody else has.
pub(super) fn checked(
    store: &Store,
    object: &'static str,
    given: &Json,
    own: Option<u64>,
) -> Result<Properties, Refusal> {
    let mut values = Properties::new();
    for (name, value) in given.as_object().into_iter().flatten() {
        let wrong = |code: &str, message: String| {
            let error =
                json!({ "message": message, "code": code, "context": { "propertyName": [name] } });
            Refusal::invalid("Property values were not valid").with(error)
        };
        let Some(property) = properties::named(object, name) else {
            return Err(wrong(
                "PROPERTY_DOESNT_EXIST",
                format!("Property \"{name}\" does not exist"),
            ));
        };
        if property.read_only {
            return Err(wrong("READ_ONLY_VALUE", format!("\"{name}\" is a read only property")));
        }
        let Some(value) = value.as_str() else {
            return Err(wrong("INVALID_VALUE", format!("{name} is no text")));
        };
        let is_email = object == "contacts" && name == "email";
        if is_email && !value.is_empty() && !value.contains('@') {
            return Err(wrong("INVALID_EMAIL", format!("Email address {value} is invalid")));
        }
        if (property.unique || is_email)
            && !value.is_empty()
            && let Some((id, _)) = store.by(object, name, value).filter(|(id, _)| Some(*id) != own)
        {
            let told = format!("Contact already exists. Existing ID: {id}");
            return Err(Refusal::new(409, "CONFLICT", told));
        }
        values.insert(name.clone(), value.to_owned());
    }
    Ok(values)
}
