//! A call as a record of the module Calls, on the contact or lead it was from.
//!
//! Which call a record is of stands in a field of its own, which an administrator adds. It
//! is looked for there before one is made, so that an answer that was lost makes no second
//! one (invariant 3); where the field is unique, Zoho itself refuses a second one.
//!
//! Source: "Insert Records", sample input for Calls (v8).

use super::client::{Ask, Client, Method, record_id};
use super::coql::{Condition, Name, Query, name, second};
use super::mapping::Module;
use super::signals::row;
use async_trait::async_trait;
use domain::Direction;
use kit::{Activity, Error, Lane, Written};
use serde_json::{Value, json};
use std::sync::Arc;

/// Longest texts the vendor takes, in characters.
const SUBJECT_MAX: usize = 255;
const DESCRIPTION_MAX: usize = 32_000;
/// Where people are, in the order in which a record is looked for.
const PEOPLE: [Module; 2] = [Module::Contacts, Module::Leads];

/// The calls of one organization.
pub(super) struct Calls {
    pub(super) client: Arc<Client>,
    /// The field in which the call's id stands.
    pub(super) key: Name,
    pub(super) triggers: Value,
}

#[async_trait]
impl kit::Journal for Calls {
    async fn write(&self, activity: &Activity) -> Result<Written, Error> {
        let record = record_id(&activity.record).ok_or_else(|| Error::Invalid {
            field: Some("Who_Id".to_owned()),
            reason: "the record's id has not the vendor's form".to_owned(),
        })?;
        let known = match &activity.known {
            Some(id) => Some(id.clone()),
            None => self.find(activity).await?,
        };
        let mut fields = fields(activity);
        self.link(&mut fields, record).await?;
        if let Some(id) = known {
            let own = record_id(&id).ok_or_else(|| Error::protocol("a call's id that is none"))?;
            return match self.put(Method::Put, &format!("/Calls/{own}"), &fields).await {
                // Somebody has deleted it: it is not for us to bring it back.
                Ok(_) | Err(Error::NotFound) => Ok(Written { id }),
                Err(error) => Err(error),
            };
        }
        fields[self.key.as_str()] = activity.call.as_str().into();
        let id = self.put(Method::Post, "/Calls", &fields).await?;
        Ok(Written { id })
    }
}

impl Calls {
    /// The call's record, where an answer that never came had made one.
    async fn find(&self, activity: &Activity) -> Result<Option<String>, Error> {
        let Some(of_call) = Condition::equals(&self.key, activity.call.as_str()) else {
            let reason = "a call's id with a backslash cannot be looked for".to_owned();
            return Err(Error::Invalid { field: Some(self.key.as_str().to_owned()), reason });
        };
        let id = name("id");
        let query = Query::select(&name("Calls"), std::slice::from_ref(&id), &of_call, &[&id], 1);
        let (rows, _, _) = self.client.rows(Lane::Background, &query).await?;
        Ok(rows.first().and_then(|row| row["id"].as_str()).map(str::to_owned))
    }

    /// Ties the call to the record, in the place that its module has there.
    async fn link(&self, fields: &mut Value, record: &str) -> Result<(), Error> {
        for module in PEOPLE {
            let id = name("id");
            for condition in Condition::one_of(&id, [record]) {
                let module = name(module.as_str());
                let query = Query::select(&module, std::slice::from_ref(&id), &condition, &[], 1);
                if self.client.rows(Lane::Background, &query).await?.0.is_empty() {
                    continue;
                }
                if module.as_str() == "Contacts" {
                    fields["Who_Id"] = json!({ "id": record });
                } else {
                    fields["What_Id"] = json!({ "id": record });
                    fields["$se_module"] = "Leads".into();
                }
                return Ok(());
            }
        }
        Err(Error::NotFound)
    }

    /// Writes one record; its id.
    async fn put(&self, method: Method, path: &str, fields: &Value) -> Result<String, Error> {
        let body = json!({ "data": [fields], "trigger": self.triggers });
        let ask = Ask::new(method, path).json(body);
        let answer = self.client.send(Lane::Background, &ask).await?;
        let body = answer.body.ok_or_else(|| Error::protocol("a write without an answer"))?;
        let (details, _) = row(&body)?;
        let id = details["id"].as_str().and_then(record_id);
        id.map(str::to_owned).ok_or_else(|| Error::protocol("a record was written without an id"))
    }
}

/// What may be set at any time.
fn fields(activity: &Activity) -> Value {
    let seconds = activity.duration_ms.saturating_add(500) / 1_000;
    let (kind, is_out) = match activity.direction {
        Direction::Inbound => ("Inbound", false),
        Direction::Outbound => ("Outbound", true),
    };
    let mut fields = json!({
        "Subject": cut(&activity.subject, SUBJECT_MAX),
        "Description": cut(&activity.body, DESCRIPTION_MAX),
        "Call_Type": kind,
        "Call_Start_Time": second(activity.started),
        // Minutes and seconds, the minutes beyond 59 as well.
        "Call_Duration": format!("{:02}:{:02}", seconds / 60, seconds % 60),
        "Call_Result": activity.wrap_up.as_deref().map(|code| cut(code, SUBJECT_MAX)),
    });
    if is_out {
        fields["Outgoing_Call_Status"] = "Completed".into();
    }
    fields
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::fields;
    use domain::{CallId, Direction, Timestamp};
    use kit::Activity;
    use serde_json::json;

    #[test]
    fn a_call_maps_to_the_fields_of_a_call() {
        let activity = Activity {
            call: CallId::new("abc-123").expect("an id"),
            record: "5725767000000524157".to_owned(),
            known: None,
            subject: "é".repeat(300),
            body: "line\nline".to_owned(),
            direction: Direction::Outbound,
            started: Timestamp(1_795_292_100_000),
            duration_ms: 3_661_500,
            wrap_up: None,
        };
        let expected = json!({
            "Subject": "é".repeat(255), "Description": "line\nline", "Call_Type": "Outbound",
            "Call_Start_Time": "2026-11-21T20:15:00+00:00", "Call_Duration": "61:02",
            "Call_Result": null, "Outgoing_Call_Status": "Completed",
        });
        assert_eq!(fields(&activity), expected);
    }
}
