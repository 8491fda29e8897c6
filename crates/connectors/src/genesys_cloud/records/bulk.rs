//! The platform's bulk requests: many entities, and of each what became of it.
//!
//! Results come in any order and are known by their ids. An id that was merged into
//! another leads there at the platform, so that an answer may be about somebody else.

use super::super::client::{Send, refused};
use super::super::mapping::is_uuid;
use super::{Object, Records, ancestors};
use kit::Error;
use serde_json::{Value, json};
use std::collections::HashMap;

/// Entities of one request; the platform states no number, but bounds its size.
pub(super) const BULK_MAX: usize = 50;

/// What a bulk request does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Deed {
    Fetch,
    Enrich,
    Update,
    Remove,
}

/// An entity, and the status that came with it.
pub(super) type Result = std::result::Result<(u64, Value), Error>;

impl Records {
    /// What became of each, by the id that it was sent with.
    ///
    /// # Errors
    /// When what became of all is unknown, or all were refused.
    pub(super) async fn bulk(
        &self,
        object: Object,
        deed: Deed,
        entities: &[Value],
    ) -> std::result::Result<HashMap<String, Result>, Error> {
        let end = match deed {
            Deed::Fetch => "",
            Deed::Enrich => "/enrich",
            Deed::Update => "/update",
            Deed::Remove => "/remove",
        };
        let path = format!("externalcontacts/bulk/{}{end}", object.path());
        let body = json!({ "entities": entities });
        let mut answer = self.platform.client.send(Send::Post(&body), &path).await?.json()?;
        match answer.get_mut("results").map(Value::take) {
            Some(Value::Array(results)) => Ok(results.into_iter().filter_map(result).collect()),
            _ => Err(Error::protocol("an answer without results")),
        }
    }

    /// The entities of exactly these ids, as they are now.
    ///
    /// # Errors
    /// Any [`Error`], also of one of them.
    pub(super) async fn fetch(
        &self,
        object: Object,
        ids: &[String],
    ) -> std::result::Result<HashMap<String, Value>, Error> {
        let mut found = HashMap::new();
        let asked: Vec<&String> = ids.iter().filter(|id| is_uuid(id)).collect();
        for asked in asked.chunks(BULK_MAX) {
            let entities: Vec<Value> = asked.iter().map(|id| json!({ "id": id })).collect();
            for (_, result) in self.bulk(object, Deed::Fetch, &entities).await? {
                match result {
                    // Known by the entity itself: it may be the one that was merged into.
                    Ok((_, entity)) => {
                        let id = entity.get("id").and_then(Value::as_str).map(str::to_owned);
                        let id = id.ok_or_else(|| Error::protocol("an entity without an id"))?;
                        found.insert(id, entity);
                    }
                    Err(Error::NotFound) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(found)
    }
}

impl Records {
    /// To which entity each of these ids leads, where it leads to one: the platform answers
    /// an id that was merged away with what it has become, which also names all it was.
    ///
    /// # Errors
    /// Any [`Error`], also of one of them.
    pub(super) async fn led_on(
        &self,
        object: Object,
        ids: &[String],
    ) -> std::result::Result<HashMap<String, String>, Error> {
        let mut into = HashMap::new();
        let asked: Vec<&String> = ids.iter().filter(|id| is_uuid(id)).collect();
        for asked in asked.chunks(BULK_MAX) {
            let entities: Vec<Value> = asked.iter().map(|id| json!({ "id": id })).collect();
            for (sent, result) in self.bulk(object, Deed::Fetch, &entities).await? {
                match result {
                    Ok((_, entity)) => {
                        let own = entity.get("id").and_then(Value::as_str);
                        let own = own.ok_or_else(|| Error::protocol("an entity without an id"))?;
                        let all = ancestors(&entity).chain([sent.as_str()]);
                        into.extend(all.map(|id| (id.to_owned(), own.to_owned())));
                    }
                    Err(Error::NotFound) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(into)
    }
}

/// One result, by the id that was sent; a failure repeats the entity, and the id in it.
fn result(mut result: Value) -> Option<(String, Result)> {
    let id = result.get("id").or_else(|| result.pointer("/error/entity/id"));
    let id = id.or_else(|| result.pointer("/entity/id"))?.as_str()?.to_owned();
    let status = |within: &Value| within.get("status").and_then(Value::as_u64);
    if result["success"] == true {
        let status = status(&result).unwrap_or(200);
        return Some((id, Ok((status, result["entity"].take()))));
    }
    let told = result.get("error").unwrap_or(&Value::Null);
    let status = status(told).or_else(|| status(&result));
    let status = status.and_then(|status| u16::try_from(status).ok()).unwrap_or(500);
    Some((id, Err(refused(status, told))))
}

#[cfg(test)]
mod tests {
    use super::result;
    use kit::Error;
    use serde_json::json;

    #[test]
    fn a_result_is_known_by_the_id_that_was_sent() {
        let told = json!({ "id": "a", "success": true, "status": 200, "entity": { "id": "b" } });
        assert_eq!(result(told), Some(("a".into(), Ok((200, json!({ "id": "b" }))))));
        let failed = json!({
            "success": false, "status": 404,
            "error": { "status": 404, "code": "not.found", "entity": { "id": "c" } },
        });
        assert_eq!(result(failed), Some(("c".into(), Err(Error::NotFound))));
        assert_eq!(result(json!({ "success": true, "entity": {} })), None);
    }
}
