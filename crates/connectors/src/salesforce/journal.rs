//! A call as a Task: the activity that people see on the contact or lead.
//!
//! Which call a Task is of stands in `CallObject`. It is looked for there before one
//! is created, so that an answer that was lost makes no second one (invariant 3).
//!
//! Source: Object Reference, "Task" (lengths, `CallType`, and that `TaskSubtype` is
//! set once and for all).

use super::client::{Client, Write};
use super::mapping::record_id;
use super::soql::{Condition, Name, Soql};
use async_trait::async_trait;
use domain::{Direction, Timestamp};
use kit::{Activity, Error, Lane, Written};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Longest texts the vendor takes, in characters.
const LINE_MAX: usize = 255;
const DESCRIPTION_MAX: usize = 32_000;
/// A Task is looked for among those created since the call began, with a day for
/// clocks that differ: the index on `CreatedDate` answers that in the largest org.
const SLACK: Duration = Duration::from_secs(24 * 3_600);

/// Every field of a Task that is set.
pub(super) const FIELDS: [&str; 10] = [
    "WhoId",
    "Subject",
    "Description",
    "ActivityDate",
    "CallDurationInSeconds",
    "CallDisposition",
    "CallType",
    "CallObject",
    "Status",
    "TaskSubtype",
];

/// The object that activities are.
pub(super) fn object() -> Name {
    name("Task")
}

/// The Tasks of one org.
pub(super) struct Tasks {
    pub(super) client: Arc<Client>,
}

#[async_trait]
impl kit::Journal for Tasks {
    async fn write(&self, activity: &Activity) -> Result<Written, Error> {
        let mut fields = fields(activity)?;
        let known = match &activity.known {
            Some(id) => Some(id.clone()),
            None => self.find(activity).await?,
        };
        if let Some(id) = known {
            let path = format!("sobjects/Task/{}", task_id(&id)?);
            return match self.client.write(Write::Change(&fields), &path).await {
                // Somebody has deleted it: it is not for us to bring it back.
                Ok(_) | Err(Error::NotFound) => Ok(Written { id }),
                Err(error) => Err(error),
            };
        }
        fields["CallObject"] = activity.call.as_str().into();
        fields["Status"] = "Completed".into();
        fields["TaskSubtype"] = "Call".into();
        let created = self.client.write(Write::Create(&fields), "sobjects/Task").await?;
        let id = created.get("id").and_then(Value::as_str);
        let id = id.ok_or_else(|| Error::protocol("a record was created without an id"))?;
        Ok(Written { id: id.to_owned() })
    }
}

impl Tasks {
    /// The call's Task, where an answer that never came had made one.
    async fn find(&self, activity: &Activity) -> Result<Option<String>, Error> {
        let of_call = Condition::one_of(&name("CallObject"), [activity.call.as_str()]);
        let recent = Condition::since(&name("CreatedDate"), activity.started.minus(SLACK));
        let condition = of_call.map(|of_call| of_call.and(recent));
        let soql = Soql::select(&object(), &[name("Id")], condition.as_ref(), 1);
        let found = self.client.query(Lane::Background, &soql).await?;
        let id = found.rows.first().and_then(|row| row.get("Id")).and_then(Value::as_str);
        Ok(id.map(str::to_owned))
    }
}

/// What may be set at any time.
fn fields(activity: &Activity) -> Result<Value, Error> {
    let who = record_id(&activity.record).ok_or_else(|| Error::Invalid {
        field: Some("WhoId".to_owned()),
        reason: "the record's id has not the vendor's form".to_owned(),
    })?;
    let disposition = activity.wrap_up.as_deref().map(|code| cut(code, LINE_MAX));
    Ok(json!({
        "WhoId": who,
        "Subject": cut(&activity.subject, LINE_MAX),
        "Description": cut(&activity.body, DESCRIPTION_MAX),
        "ActivityDate": day(activity.started),
        "CallDurationInSeconds": activity.duration_ms.saturating_add(500) / 1_000,
        "CallDisposition": disposition,
        "CallType": match activity.direction {
            Direction::Inbound => "Inbound",
            Direction::Outbound => "Outbound",
        },
    }))
}

/// Part of an address: nothing but an id gets there.
fn task_id(id: &str) -> Result<String, Error> {
    record_id(id).ok_or_else(|| Error::protocol("a Task's id that is none"))
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// The day in UTC: the vendor's field has no time.
fn day(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}

fn name(text: &str) -> Name {
    Name::new(text).expect("written in this file")
}

#[cfg(test)]
mod tests {
    use super::fields;
    use domain::{CallId, Direction, Timestamp};
    use kit::Activity;
    use serde_json::json;

    fn activity() -> Activity {
        Activity {
            call: CallId::new("abc-123").expect("an id"),
            record: "0015000000Gv7qJ".to_owned(),
            known: None,
            subject: "é".repeat(300),
            body: "line\nline".to_owned(),
            direction: Direction::Outbound,
            started: Timestamp(1_795_292_100_000),
            duration_ms: 61_500,
            wrap_up: None,
        }
    }

    #[test]
    fn a_call_maps_to_a_tasks_fields() {
        let expected = json!({
            "WhoId": "0015000000Gv7qJAAR", "Subject": "é".repeat(255),
            "Description": "line\nline", "ActivityDate": "2026-11-21",
            "CallDurationInSeconds": 62, "CallDisposition": null, "CallType": "Outbound",
        });
        assert_eq!(fields(&activity()).expect("fields"), expected);
    }

    #[test]
    fn a_record_that_is_none_is_refused() {
        let odd = Activity { record: "../../x".to_owned(), ..activity() };
        assert_eq!(fields(&odd).expect_err("no id").kind(), "invalid");
    }
}
