//! A call as an interaction: the activity that people see on the contact or consumer.
//!
//! Which call an interaction is of stands in `client_session_id`, the vendor's place for the
//! id that another system has for a phone call. It is looked for there before one is made,
//! so that an answer that was lost makes no second one (invariant 3). What was said goes
//! into work notes, to which ServiceNow only ever adds: so what is there already is looked
//! up first, and where that may not be read nothing is added again.
//!
//! Sources: OpenFrame REST API (`clientSessionId`, `direction`); Interaction Management.

use super::client::Client;
use super::dictionary::Dictionary;
use super::mapping::{record, stored};
use super::query::{AnyOf, Moment, Name, Query, Term, sys_id};
use super::writes::Records;
use async_trait::async_trait;
use domain::Direction;
use kit::{Activity, Error, Lane, Written};
use serde_json::{Map, Value as Json};
use std::sync::Arc;
use std::time::Duration;

/// Longest texts that the columns take, in characters.
const LINE_MAX: usize = 160;
const NOTES_MAX: usize = 4_000;
/// Notes of one interaction that are compared.
const NOTES_ROWS_MAX: u32 = 100;
/// Columns that only ever grow.
const GROWING: [&str; 2] = ["work_notes", "comments"];

/// The interactions of one instance.
pub(super) struct Interactions {
    pub(super) client: Arc<Client>,
    pub(super) dictionary: Arc<Dictionary>,
    pub(super) records: Records,
    pub(super) places: Places,
    /// The tables that the customer's record may be in.
    pub(super) people: Vec<Name>,
}

/// Where an activity is kept.
pub(super) struct Places {
    pub(super) table: Name,
    /// Holds the call's id.
    pub(super) key: Name,
    /// Holds what was said.
    pub(super) notes: Name,
    /// Holds the wrap-up code, where there is a place for it.
    pub(super) wrap_up: Option<Name>,
}

impl Places {
    /// Every column that an activity needs.
    pub(super) fn columns(&self) -> Vec<Name> {
        let fixed = ["short_description", "type", "direction", "state", "opened_at", "closed_at"];
        let own = [self.key.clone(), self.notes.clone()];
        own.into_iter().chain(self.wrap_up.clone()).chain(fixed.map(Name::fixed)).collect()
    }

    fn notes_grow(&self) -> bool {
        GROWING.contains(&self.notes.as_str())
    }
}

#[async_trait]
impl kit::Journal for Interactions {
    async fn write(&self, activity: &Activity) -> Result<Written, Error> {
        let who = sys_id(&activity.record).ok_or_else(|| Error::Invalid {
            field: Some("contact".to_owned()),
            reason: "the record's id has not the vendor's form".to_owned(),
        })?;
        let mut body = self.body(activity);
        let notes: String = activity.body.chars().take(NOTES_MAX).collect();
        if let Some(id) = self.known(activity).await? {
            if !self.places.notes_grow() || self.is_new_note(&id, &notes).await? {
                body.insert(self.places.notes.as_str().to_owned(), notes.into());
            }
            self.refer(&mut body, &who).await?;
            let read = [Name::fixed("sys_id")];
            let body = Json::Object(body);
            return match self.client.change(&self.places.table, &id, &read, &body).await {
                // Somebody has deleted it: it is not for us to bring it back.
                Ok(_) | Err(Error::NotFound) => Ok(Written { id }),
                Err(error) => Err(error),
            };
        }
        let key = self.places.key.as_str().to_owned();
        body.insert(self.places.notes.as_str().to_owned(), notes.into());
        body.insert(key.clone(), activity.call.as_str().into());
        body.insert("type".to_owned(), "phone".into());
        body.insert("state".to_owned(), "closed_complete".into());
        self.refer(&mut body, &who).await?;
        let read = [Name::fixed("sys_id"), self.places.key.clone()];
        let made = self.client.create(&self.places.table, &read, &Json::Object(body)).await?;
        if stored(&made, &key) != Some(activity.call.as_str()) {
            let missing = format!("writing {}.{key}", self.places.table.as_str());
            return Err(Error::Forbidden { missing });
        }
        Ok(Written { id: record(&made)? })
    }
}

impl Interactions {
    /// The call's interaction: as we were told, or where an answer that never came had
    /// made one.
    async fn known(&self, activity: &Activity) -> Result<Option<String>, Error> {
        if let Some(known) = &activity.known {
            let id = sys_id(known);
            return id.map(Some).ok_or_else(|| Error::protocol("an interaction's id that is none"));
        }
        let (table, key) = (&self.places.table, &self.places.key);
        // A key that does not exist would be ignored, and each repetition make one more.
        self.dictionary.require(table, std::slice::from_ref(key)).await?;
        let rows = self.records.keyed(table, (key, activity.call.as_str()), &[]).await?;
        // Of several (another integration's as well) the oldest is ours to keep.
        rows.first().map(record).transpose()
    }

    /// Is this note not among those that are there? Where none can be read there is one
    /// all the same: it was made with the first.
    async fn is_new_note(&self, id: &str, notes: &str) -> Result<bool, Error> {
        let of = |column, value| Term::is(&Name::fixed(column), value).map(AnyOf::from);
        let all = [of("element_id", id), of("element", self.places.notes.as_str())];
        let fields = ["element_id", "element", "value"].map(Name::fixed).to_vec();
        let all = all.into_iter().flatten().collect();
        let query = Query::of(&Name::fixed("sys_journal_field"), all, fields, NOTES_ROWS_MAX);
        let rows = match self.client.rows(Lane::Background, &query).await {
            Err(Error::Forbidden { .. } | Error::Invalid { .. }) => return Ok(false),
            rows => rows?.rows,
        };
        let plain = |text: &str| text.replace("\r\n", "\n").trim().to_owned();
        let mut ours = rows.iter().filter(|row| stored(row, "element_id") == Some(id)).peekable();
        Ok(ours.peek().is_some()
            && ours.all(|row| plain(stored(row, "value").unwrap_or_default()) != plain(notes)))
    }

    /// Names the customer in the column for their table.
    async fn refer(&self, body: &mut Map<String, Json>, who: &str) -> Result<(), Error> {
        let table = self.table_of(who).await?;
        let columns: &[&str] = match table.as_str() {
            "customer_contact" => &["contact", "opened_for"],
            "csm_consumer" => &["consumer"],
            _ => &["opened_for"],
        };
        body.extend(columns.iter().map(|column| ((*column).to_owned(), who.into())));
        Ok(())
    }

    /// The table of people that has the record; the only one there is need not be asked.
    async fn table_of(&self, who: &str) -> Result<Name, Error> {
        if let [only] = self.people.as_slice() {
            return Ok(only.clone());
        }
        for table in &self.people {
            if self.records.one(table, who, &[]).await?.is_some() {
                return Ok(table.clone());
            }
        }
        Err(Error::NotFound)
    }

    /// What may be set at any time.
    fn body(&self, activity: &Activity) -> Map<String, Json> {
        let ended = activity.started.plus(Duration::from_millis(activity.duration_ms));
        let subject: String = activity.subject.chars().take(LINE_MAX).collect();
        let direction = match activity.direction {
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
        };
        let mut body: Map<String, Json> = [
            ("short_description", subject.as_str()),
            ("direction", direction),
            ("opened_at", Moment::of(activity.started).as_str()),
            ("closed_at", Moment::of(ended).as_str()),
        ]
        .map(|(column, value)| (column.to_owned(), value.into()))
        .into_iter()
        .collect();
        if let (Some(column), Some(code)) = (&self.places.wrap_up, &activity.wrap_up) {
            body.insert(column.as_str().to_owned(), code.as_str().into());
        }
        body
    }
}
