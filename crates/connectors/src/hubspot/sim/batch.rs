//! Batches: each input has its own outcome, and a part is a success with errors in it (207).

use axum::http::StatusCode;
use serde_json::{Value as Json, json};
use sim::dates;

use super::World;
use super::http::{Answer, Asked, Refusal};
use super::objects::{all_of, checked, located};
use super::properties;
use super::store::US;

/// Inputs of one batch.
const INPUTS_MAX: usize = 100;

impl World {
    /// `POST …/{object}/batch/{what}`.
    pub(super) fn batch(
        &self,
        asked: &Asked<'_>,
        object: &'static str,
        what: &str,
    ) -> Result<Answer, Refusal> {
        let body = asked.json()?;
        let inputs =
            body["inputs"].as_array().ok_or_else(|| Refusal::invalid("inputs are required"))?;
        if inputs.is_empty() || inputs.len() > INPUTS_MAX {
            return Err(Refusal::invalid("from 1 to 100 inputs are possible"));
        }
        match what {
            "read" => self.batch_read(object, &body, inputs),
            "upsert" => self.batch_upsert(object, inputs),
            "update" => self.batch_update(object, &inputs.iter().collect::<Vec<_>>()),
            "archive" => {
                for id in inputs.iter().filter_map(|input| input["id"].as_str()?.parse().ok()) {
                    self.write().archive(object, id);
                }
                Ok(Answer::nothing())
            }
            _ => Err(Refusal::not_found("resource")),
        }
    }

    fn batch_read(
        &self,
        object: &'static str,
        body: &Json,
        inputs: &[Json],
    ) -> Result<Answer, Refusal> {
        let by = body["idProperty"].as_str();
        let names: Vec<&str> = strings(&body["properties"]);
        let store = self.read();
        let (mut results, mut missing): (Vec<Json>, Vec<&str>) = (vec![], vec![]);
        for input in inputs {
            let id = input["id"].as_str().ok_or_else(|| Refusal::invalid("an input without id"))?;
            match located(&store, object, by, id) {
                Ok((id, row)) if row.archived.is_none() => {
                    let shown = self.shown(object, id, row, &names);
                    if !results.contains(&shown) {
                        results.push(shown);
                    }
                }
                Ok(_) | Err(Refusal { status: 404, .. }) => missing.push(id),
                Err(refused) => return Err(refused),
            }
        }
        let mut errors = Vec::new();
        if !missing.is_empty() {
            errors.push(json!({
                "status": "error", "category": "OBJECT_NOT_FOUND", "message": "Could not get some objects",
                "context": { "ids": missing }, "errors": [], "links": {},
            }));
        }
        Ok(answered(results, errors))
    }

    /// By a property with unique values; of contacts also by e-mail.
    fn batch_upsert(&self, object: &'static str, inputs: &[Json]) -> Result<Answer, Refusal> {
        let mut store = self.write();
        let (mut results, mut errors): (Vec<Json>, Vec<Json>) = (vec![], vec![]);
        for input in inputs {
            let (Some(id), Some(by)) = (input["id"].as_str(), input["idProperty"].as_str()) else {
                return Err(Refusal::invalid("an input needs id and idProperty"));
            };
            let known = match located(&store, object, Some(by), id) {
                Ok((id, _)) => Some(id),
                Err(Refusal { status: 404, .. }) => None,
                Err(refused) => return Err(refused),
            };
            let values = match checked(&store, object, &input["properties"], known) {
                Ok(mut values) => {
                    values.insert(by.to_owned(), id.to_owned());
                    values
                }
                Err(refused) => {
                    errors.push(failed(input, &refused));
                    continue;
                }
            };
            let own = match known {
                Some(own) => {
                    store.change(object, own, values, US);
                    own
                }
                None => store.insert(object, values, US),
            };
            let Some(row) = store.row(object, own) else { continue };
            let mut shown = self.shown(object, own, row, &all_of(row));
            shown["new"] = known.is_none().into();
            results.push(shown);
        }
        Ok(answered(results, errors))
    }
}

impl World {
    /// By ids. Who is not there, or was archived, is an error among the others.
    fn batch_update(&self, object: &'static str, inputs: &[&Json]) -> Result<Answer, Refusal> {
        let mut store = self.write();
        let (mut results, mut errors): (Vec<Json>, Vec<Json>) = (vec![], vec![]);
        for input in inputs {
            let id = input["id"].as_str().ok_or_else(|| Refusal::invalid("an input without id"))?;
            let found = located(&store, object, input["idProperty"].as_str(), id);
            let known = found.and_then(|(id, row)| match row.archived {
                None => Ok(id),
                Some(_) => Err(Refusal::not_found("object")),
            });
            let written = known.and_then(|known| {
                let values = checked(&store, object, &input["properties"], Some(known))?;
                Ok((known, values))
            });
            match written {
                Ok((known, values)) => {
                    store.change(object, known, values, US);
                    let Some(row) = store.row(object, known) else { continue };
                    results.push(self.shown(object, known, row, &all_of(row)));
                }
                Err(refused) => errors.push(failed(input, &refused)),
            }
        }
        Ok(answered(results, errors))
    }
}

/// One error among the results: by the writer's trace of the input, where there is one.
fn failed(input: &Json, refused: &Refusal) -> Json {
    let mut context = json!({ "ids": [input["id"]] });
    if let Some(trace) = input["objectWriteTraceId"].as_str() {
        context["objectWriteTraceId"] = json!([trace]);
    }
    json!({
        "status": "error", "category": refused.category, "message": refused.message,
        "context": context, "errors": refused.errors, "links": {},
    })
}

fn answered(results: Vec<Json>, errors: Vec<Json>) -> Answer {
    let now = dates::utc(dates::now());
    let mut body =
        json!({ "status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now });
    if errors.is_empty() {
        return Answer::json(StatusCode::OK, &body);
    }
    body["numErrors"] = errors.len().into();
    body["errors"] = errors.into();
    Answer::json(StatusCode::MULTI_STATUS, &body)
}

/// The texts of a list.
pub(super) fn strings(list: &Json) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Json::as_str).collect()
}

/// Is there such a property, and if so, of what kind?
pub(super) fn kind_of(object: &str, name: &str) -> Option<properties::Kind> {
    properties::named(object, name).map(|property| property.kind)
}
