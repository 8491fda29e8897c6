//! A call as a phone call activity, on the record that it was with.
//!
//! Its id follows from the call's, so that it is made once however often this is repeated
//! and whatever answer was lost (invariant 3). It is made open, because Dataverse makes
//! every activity so, and completed then. What is completed may refuse a change: it is
//! opened for it, and completed again.
//!
//! Source: Microsoft Learn, "PhoneCall table/entity reference", "Activity tables".

use super::client::{Client, Condition, Method, Write};
use super::mapping::Table;
use super::odata::{Guid, Name, record as address};
use super::writes::own_id;
use async_trait::async_trait;
use domain::Direction;
use kit::{Activity, Error, Journal, Lane, Written};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Longest texts the table takes, in characters.
const SUBJECT_MAX: usize = 200;
const DESCRIPTION_MAX: usize = 2_000;
const CATEGORY_MAX: usize = 250;
/// `statecode`.
const OPEN: i64 = 0;
const COMPLETED: i64 = 1;

/// The phone calls of one environment.
pub(super) struct Calls {
    pub(super) client: Arc<Client>,
    /// The tables in which people are looked for.
    pub(super) tables: Vec<Table>,
}

#[async_trait]
impl Journal for Calls {
    async fn write(&self, activity: &Activity) -> Result<Written, Error> {
        let who = Guid::new(&activity.record).ok_or_else(|| Error::Invalid {
            field: Some("regardingobjectid".to_owned()),
            reason: "the record's id is no GUID".to_owned(),
        })?;
        if let Some(known) = &activity.known {
            let id =
                Guid::new(known).ok_or_else(|| Error::protocol("an activity's id that is none"))?;
            return self.change(&id, activity).await;
        }
        let id = own_id(&["phonecalls", activity.call.as_str()]);
        let table = self.table(&who).await?;
        let made = self.patch(&id, Condition::New, &created(activity, table, &who)).await;
        match made {
            Ok(_) => self.complete(&id, activity).await?,
            // An answer that never came had made it.
            Err(Error::Conflict { .. }) => return self.change(&id, activity).await,
            Err(error) => return Err(error),
        }
        Ok(Written { id: id.as_str().to_owned() })
    }
}

impl Calls {
    /// The table that holds the record: by its id alone one cannot tell.
    async fn table(&self, who: &Guid) -> Result<Table, Error> {
        if let [only] = self.tables.as_slice() {
            return Ok(*only);
        }
        for table in &self.tables {
            let url = address(&self.client.api, &table.set(), who, &[table.id()]);
            match self.client.one(Lane::Background, &url).await {
                Ok(_) => return Ok(*table),
                Err(Error::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::NotFound)
    }

    async fn change(&self, id: &Guid, activity: &Activity) -> Result<Written, Error> {
        let written = Written { id: id.as_str().to_owned() };
        let fields = fields(activity);
        match self.patch(id, Condition::There, &fields).await {
            Ok(COMPLETED) => return Ok(written),
            Ok(_) => {}
            // Somebody has deleted it: it is not for us to bring it back.
            Err(Error::NotFound) => return Ok(written),
            Err(Error::Invalid { field: None, .. } | Error::Forbidden { .. }) => {
                let open = json!({ "statecode": OPEN, "statuscode": 1 });
                self.patch(id, Condition::There, &open).await?;
                self.patch(id, Condition::There, &fields).await?;
            }
            Err(error) => return Err(error),
        }
        self.complete(id, activity).await?;
        Ok(written)
    }

    async fn complete(&self, id: &Guid, activity: &Activity) -> Result<(), Error> {
        let made = 2;
        let received = 4;
        let status = match activity.direction {
            Direction::Inbound => received,
            Direction::Outbound => made,
        };
        let done = json!({ "statecode": COMPLETED, "statuscode": status });
        self.patch(id, Condition::There, &done).await.map(drop)
    }

    /// Writes fields; the state that the activity has now.
    async fn patch(&self, id: &Guid, condition: Condition<'_>, body: &Value) -> Result<i64, Error> {
        let select = ["activityid", "statecode"].map(Name::fixed);
        let url = address(&self.client.api, &Name::fixed("phonecalls"), id, &select);
        let write = Write { method: Method::Patch, url, body: Some(body), condition };
        let row = self.client.write(&write).await?.json()?;
        let state = row.get("statecode").and_then(Value::as_i64);
        state.ok_or_else(|| Error::protocol("an activity without a state"))
    }
}

/// What is set once: on whose record it is, and who took part.
fn created(activity: &Activity, table: Table, who: &Guid) -> Value {
    let mut fields = fields(activity);
    let whose = format!("/{}({})", table.set().as_str(), who.as_str());
    let table = table.logical();
    fields[format!("regardingobjectid_{table}_phonecall@odata.bind")] = whose.clone().into();
    let sender = 1;
    let recipient = 2;
    let part = match activity.direction {
        Direction::Inbound => sender,
        Direction::Outbound => recipient,
    };
    let mut party = json!({ "participationtypemask": part });
    party[format!("partyid_{table}@odata.bind")] = whose.into();
    fields["phonecall_activity_parties"] = json!([party]);
    fields
}

/// What may be set at any time.
fn fields(activity: &Activity) -> Value {
    let end = activity.started.plus(Duration::from_millis(activity.duration_ms));
    json!({
        "subject": cut(&activity.subject, SUBJECT_MAX),
        "description": cut(&activity.body, DESCRIPTION_MAX),
        "category": activity.wrap_up.as_deref().map(|code| cut(code, CATEGORY_MAX)),
        "directioncode": activity.direction == Direction::Outbound,
        "actualstart": activity.started.to_string(),
        "actualend": end.to_string(),
        "actualdurationminutes": activity.duration_ms.saturating_add(59_999) / 60_000,
    })
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::super::mapping::Table;
    use super::super::odata::Guid;
    use super::created;
    use domain::{CallId, Direction, Timestamp};
    use kit::Activity;
    use serde_json::json;

    #[test]
    fn a_call_maps_to_a_phone_calls_columns() {
        let activity = Activity {
            call: CallId::new("abc-123").expect("an id"),
            record: "49b0be2e-d01c-ed11-b83e-000d3a572421".to_owned(),
            known: None,
            subject: "é".repeat(300),
            body: "line\nline".to_owned(),
            direction: Direction::Outbound,
            started: Timestamp(1_795_292_100_000),
            duration_ms: 61_500,
            wrap_up: None,
        };
        let who = Guid::new(&activity.record).expect("an id");
        let whose = "/leads(49b0be2e-d01c-ed11-b83e-000d3a572421)";
        let expected = json!({
            "subject": "é".repeat(200), "description": "line\nline", "category": null,
            "directioncode": true, "actualstart": "2026-11-21T20:15:00.000Z",
            "actualend": "2026-11-21T20:16:01.500Z", "actualdurationminutes": 2,
            "regardingobjectid_lead_phonecall@odata.bind": whose,
            "phonecall_activity_parties": [
                { "participationtypemask": 2, "partyid_lead@odata.bind": whose },
            ],
        });
        assert_eq!(created(&activity, Table::Lead, &who), expected);
    }
}
