//! A call as a phone call record, on the contact or customer that it was with.
//!
//! Its external id follows from the call's, so that it is made once however often this is
//! repeated and whatever answer was lost (invariant 3). A phone call of a contact names the
//! contact's company as well, or NetSuite does not show it there.
//!
//! Source: Oracle, "Phone Call" (REST record `phoneCall`).

use super::client::{Client, Write};
use super::mapping::Table;
use super::signals::located;
use super::suiteql::{Column, Condition, Id, Name, Query};
use super::writes::{first, own_external};
use async_trait::async_trait;
use domain::{Direction, Timestamp};
use kit::{Activity, Error, Journal, Lane, Written};
use serde_json::{Value, json};
use std::sync::Arc;

/// Longest texts the record takes, in characters.
const TITLE_MAX: usize = 256;
const MESSAGE_MAX: usize = 3_900;

/// The phone calls of one account.
pub(super) struct Calls {
    pub(super) client: Arc<Client>,
    /// The tables in which people are looked for.
    pub(super) tables: Vec<Table>,
}

#[async_trait]
impl Journal for Calls {
    async fn write(&self, activity: &Activity) -> Result<Written, Error> {
        let who = Id::new(&activity.record).ok_or_else(|| Error::Invalid {
            field: Some("contact".to_owned()),
            reason: "the record's id is no number".to_owned(),
        })?;
        if let Some(known) = &activity.known {
            let id =
                Id::new(known).ok_or_else(|| Error::protocol("a phone call's id that is none"))?;
            let path = format!("phoneCall/{}", id.text());
            return match self.client.write(&path, Write::Change(&fields(activity))).await {
                // Somebody has deleted it: it is not for us to bring it back.
                Ok(_) | Err(Error::NotFound) => Ok(Written { id: id.text() }),
                Err(error) => Err(error),
            };
        }
        let body = self.whole(activity, who).await?;
        let external = own_external(&["phoneCall", activity.call.as_str()]);
        let reply =
            self.client.write(&format!("phoneCall/eid:{external}"), Write::Upsert(&body)).await?;
        match located(&reply) {
            Ok(id) => Ok(Written { id: id.text() }),
            // An upsert that changed what was there need not say where it is.
            Err(error) => {
                let query = super::writes::by_external(&Name::fixed("phonecall"), &external);
                let rows = self.client.rows(Lane::Background, &query).await?;
                first(&rows, "id").map(|id| Written { id: id.to_owned() }).ok_or(error)
            }
        }
    }
}

impl Calls {
    /// All of it, with whose it is: the table is asked, because by its id alone one
    /// cannot tell.
    async fn whole(&self, activity: &Activity, who: Id) -> Result<Value, Error> {
        let mut body = fields(activity);
        for table in &self.tables {
            let columns = match table {
                Table::Contact => vec!["id", "company"],
                Table::Customer => vec!["id"],
            };
            let columns: Vec<Column> =
                columns.into_iter().map(|name| Column::Plain(Name::fixed(name))).collect();
            let condition = Condition::ids(&Name::fixed("id"), &[who]);
            let query = Query::select(&table.name(), &columns, condition.as_ref(), None);
            let rows = self.client.rows(Lane::Background, &query).await?;
            if rows.is_empty() {
                continue;
            }
            match table {
                Table::Customer => body["company"] = json!({ "id": who.text() }),
                Table::Contact => {
                    body["contact"] = json!({ "id": who.text() });
                    if let Some(company) = first(&rows, "company") {
                        body["company"] = json!({ "id": company });
                    }
                }
            }
            return Ok(body);
        }
        Err(Error::NotFound)
    }
}

/// What may be set at any time.
fn fields(activity: &Activity) -> Value {
    let direction = match activity.direction {
        Direction::Inbound => "Inbound call",
        Direction::Outbound => "Outbound call",
    };
    let minutes = activity.duration_ms.saturating_add(59_999) / 60_000;
    let wrap_up = activity.wrap_up.as_ref().map(|code| format!(", {code}")).unwrap_or_default();
    // The record has no fields for these.
    let message = format!("{direction}, {minutes} min{wrap_up}\n{}", activity.body);
    json!({
        "title": cut(&activity.subject, TITLE_MAX),
        "message": cut(&message, MESSAGE_MAX),
        "status": { "id": "COMPLETE" },
        "startDate": day(activity.started),
        "completedDate": day(activity.started),
    })
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// The day in UTC: the record's date has no time.
fn day(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}

#[cfg(test)]
mod tests {
    use super::fields;
    use domain::{CallId, Direction, Timestamp};
    use kit::Activity;
    use serde_json::json;

    #[test]
    fn a_call_maps_to_a_phone_calls_fields() {
        let activity = Activity {
            call: CallId::new("abc-123").expect("an id"),
            record: "5".to_owned(),
            known: None,
            subject: "é".repeat(300),
            body: "line\nline".to_owned(),
            direction: Direction::Outbound,
            started: Timestamp(1_795_292_100_000),
            duration_ms: 61_500,
            wrap_up: Some("Resolved".to_owned()),
        };
        let expected = json!({
            "title": "é".repeat(256), "message": "Outbound call, 2 min, Resolved\nline\nline",
            "status": { "id": "COMPLETE" }, "startDate": "2026-11-21", "completedDate": "2026-11-21",
        });
        assert_eq!(fields(&activity), expected);
    }
}
