//! Ties between records.

use axum::http::StatusCode;
use serde_json::json;
use sim::dates;

use super::World;
use super::http::{Answer, Refusal};

impl World {
    /// `PUT …/{object}/{id}/associations/default/{to}/{other}`.
    pub(super) fn tie(
        &self,
        object: &'static str,
        id: &str,
        to: &'static str,
        other: &str,
    ) -> Result<Answer, Refusal> {
        let mut store = self.write();
        let number = |text: &str| text.parse::<u64>().map_err(|_| Refusal::not_found("object"));
        let (from, other) = (number(id)?, number(other)?);
        let there = |object, id| store.find(object, id).map(|(id, _)| id);
        let (Some(from), Some(other)) = (there(object, from), there(to, other)) else {
            return Err(Refusal::not_found("object"));
        };
        store.tie((object, from), (to, other));
        let now = dates::utc(dates::now());
        let spec = json!({ "associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 194 });
        let tied = json!({
            "from": { "id": from.to_string() }, "to": { "id": other.to_string() }, "associationSpec": spec,
        });
        let body = json!({ "status": "COMPLETE", "results": [tied], "startedAt": now, "completedAt": now });
        Ok(Answer::json(StatusCode::OK, &body))
    }

    /// `DELETE …/{object}/{id}/associations/{to}/{other}`.
    pub(super) fn untie(
        &self,
        object: &'static str,
        id: &str,
        to: &'static str,
        other: &str,
    ) -> Result<Answer, Refusal> {
        if let (Ok(id), Ok(other)) = (id.parse(), other.parse()) {
            self.write().untie((object, id), (to, other));
        }
        Ok(Answer::nothing())
    }
}
