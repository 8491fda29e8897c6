//! A call as a record of the type calls, tied to the contact it was from.
//!
//! Which call a record is of stands in a property of its own with unique values, which an
//! administrator adds. It is read by that property before one is made (a batch knows every
//! change at once), and HubSpot itself refuses a second one (invariant 3).
//!
//! Source: "Calls engagements API"; association type 194 is a call's with a contact.

use super::client::{Ask, Client, Method, record_id};
use super::mapping::{Property, id_of};
use async_trait::async_trait;
use domain::Direction;
use kit::{Activity, Error, Lane, Written};
use serde_json::{Value, json};
use std::sync::Arc;

/// Longest texts the vendor takes, in characters.
const TITLE_MAX: usize = 255;
const BODY_MAX: usize = 65_000;
/// A call's association with a contact.
const CALL_TO_CONTACT: u32 = 194;

/// The calls of one account.
pub(super) struct Calls {
    pub(super) client: Arc<Client>,
    /// The property in which the call's id stands.
    pub(super) key: Property,
}

#[async_trait]
impl kit::Journal for Calls {
    async fn write(&self, activity: &Activity) -> Result<Written, Error> {
        let contact = record_id(&activity.record).ok_or_else(|| Error::Invalid {
            field: Some("record".to_owned()),
            reason: "the record's id has not the vendor's form".to_owned(),
        })?;
        let known = match &activity.known {
            Some(id) => Some(id.clone()),
            None => self.find(activity).await?,
        };
        let mut properties = properties(activity);
        let calls = self.client.paths.objects("calls");
        if let Some(id) = known {
            let own = record_id(&id).ok_or_else(|| Error::protocol("a call's id that is none"))?;
            let change = Ask::new(Method::Patch, format!("{calls}/{own}"));
            let change = change.json(json!({ "properties": properties }));
            return match self.client.send(Lane::Background, &change).await {
                Ok(_) => self.tie(own, contact).await.map(|()| Written { id: own.to_owned() }),
                // Somebody has deleted it: it is not for us to bring it back.
                Err(Error::NotFound) => Ok(Written { id }),
                Err(error) => Err(error),
            };
        }
        properties[self.key.as_str()] = activity.call.as_str().into();
        let kind = json!({ "associationCategory": "HUBSPOT_DEFINED", "associationTypeId": CALL_TO_CONTACT });
        let body = json!({
            "properties": properties, "associations": [{ "to": { "id": contact }, "types": [kind] }],
        });
        let made = Ask::new(Method::Post, calls).json(body);
        let (made, _) = self.client.send(Lane::Background, &made).await?;
        Ok(Written { id: id_of(&made)?.to_owned() })
    }
}

impl Calls {
    /// The call's record, where an answer that never came had made one.
    async fn find(&self, activity: &Activity) -> Result<Option<String>, Error> {
        let key = self.key.as_str();
        let id = [activity.call.as_str()];
        let found = self.client.batch(Lane::Background, "calls", Some(key), &id, &[key]).await?;
        found.first().map(|record| id_of(record).map(str::to_owned)).transpose()
    }

    /// Ties a call to this contact alone: who it was from may have been corrected.
    async fn tie(&self, call: &str, contact: &str) -> Result<(), Error> {
        let path = format!("{}/{call}", self.client.paths.objects("calls"));
        let ask = Ask::new(Method::Get, path).query("associations", "contacts");
        let (record, _) = self.client.send(Lane::Background, &ask).await?;
        let tied = record["associations"]["contacts"]["results"].as_array();
        let tied: Vec<&str> =
            tied.into_iter().flatten().filter_map(|one| record_id(one["id"].as_str()?)).collect();
        let links = self.client.paths.links("calls", call);
        if !tied.contains(&contact) {
            let put = Ask::new(Method::Put, format!("{links}/default/contacts/{contact}"));
            self.client.send(Lane::Background, &put).await?;
        }
        for other in tied.into_iter().filter(|id| *id != contact) {
            let delete = Ask::new(Method::Delete, format!("{links}/contacts/{other}"));
            self.client.send(Lane::Background, &delete).await?;
        }
        Ok(())
    }
}

/// What may be set at any time.
fn properties(activity: &Activity) -> Value {
    json!({
        "hs_timestamp": activity.started.to_string(),
        "hs_call_title": cut(&activity.subject, TITLE_MAX),
        "hs_call_body": cut(&activity.body, BODY_MAX),
        "hs_call_duration": activity.duration_ms.to_string(),
        "hs_call_direction": match activity.direction {
            Direction::Inbound => "INBOUND",
            Direction::Outbound => "OUTBOUND",
        },
        "hs_call_status": "COMPLETED",
    })
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::properties;
    use domain::{CallId, Direction, Timestamp};
    use kit::Activity;
    use serde_json::json;

    #[test]
    fn a_call_maps_to_the_properties_of_a_call() {
        let activity = Activity {
            call: CallId::new("abc-123").expect("an id"),
            record: "512".to_owned(),
            known: None,
            subject: "é".repeat(300),
            body: "line\nline".to_owned(),
            direction: Direction::Outbound,
            started: Timestamp(1_795_292_100_000),
            duration_ms: 61_500,
            wrap_up: Some("Resolved".to_owned()),
        };
        let expected = json!({
            "hs_timestamp": "2026-11-21T20:15:00.000Z", "hs_call_title": "é".repeat(255),
            "hs_call_body": "line\nline", "hs_call_duration": "61500",
            "hs_call_direction": "OUTBOUND", "hs_call_status": "COMPLETED",
        });
        assert_eq!(properties(&activity), expected);
    }
}
