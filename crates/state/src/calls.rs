//! A call is stored before it is answered (invariant 1), and counted once.
//!
//! [`Store::record_call`] on the call's path, [`Store::identify_call`] when the
//! enrichment knows better. The same call id is the same call, however often it
//! comes. What was identified as a record never falls back to a mere number.
//! Each call counts to one subject (the person or the number it was from);
//! when who it was changes, the count moves along. Callers without a number
//! have no subject: nothing links them to each other.

mod identify;
mod late;
mod list;
mod read;
mod who;

use crate::crash;
use crate::error::{Boxed, Error, Result};
use crate::feed::{NewsKind, Telling, agent_stream, join, name};
use crate::jobs::{NewJob, SealedJob, SealedSettlement, Settlement, note};
use crate::keys::{Hash, Keyring};
use crate::labels::{self, Labels};
use crate::rows::{Details, Identity, decode, encode};
use crate::sql::{Row, Touched, Tx, Work};
use crate::store::Store;
use domain::{CallId, Direction, ExternalId, MediaType, Source, Status, Timestamp, Value};
use identify::{Identify, count_in};
pub(crate) use identify::{Known, identify, known};
pub use list::{CallFilter, CallPage, LABELS_MAX, ListedCall, Place};
pub(crate) use read::OneCall;
use read::RecentCalls;
use std::collections::BTreeMap;
use std::sync::Arc;
pub(crate) use who::{A_RECORD, AN_AGENT, Said, Who, record_hash};

/// A call as it was answered.
#[derive(Debug, Clone)]
pub struct NewCall {
    pub id: CallId,
    pub direction: Direction,
    pub media: MediaType,
    /// The customer's number, E.164 where it could be read.
    pub number: Option<String>,
    pub email: Option<String>,
    /// The record that the request itself named, in its own system.
    pub asked_record: Option<String>,
    /// What was dialled: a number of ours, or on an outbound call the customer's.
    pub dialled: Option<String>,
    pub queue: Option<String>,
    /// The agent, by the contact center's id.
    pub user: Option<String>,
    pub connection: String,
    pub external_id: ExternalId,
    /// The record behind the external id, in its own system.
    pub contact: Option<String>,
    pub status: Status,
    pub source: Source,
    pub arrived_at: Timestamp,
    pub answered_in_us: u64,
    /// How long the answer had.
    pub deadline_us: u64,
    pub warnings: Vec<String>,
    /// Report dimensions: few values each, nothing personal. Not sealed.
    pub labels: BTreeMap<String, String>,
    /// Of the contact's data at that time, what the list of calls shows. Sealed.
    pub data: BTreeMap<String, Value>,
}

/// What the store knows of a call just recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// Distinct calls of the same external id before this one. 0 for `UNKNOWN`.
    pub earlier_calls: u64,
    /// This call id had been recorded before.
    pub repeated: bool,
}

/// A better answer to who a call was from.
#[derive(Debug, Clone)]
pub struct Identified {
    /// The connection that says so.
    pub connection: String,
    pub external_id: ExternalId,
    pub contact: Option<String>,
    pub status: Status,
    pub source: Source,
    pub labels: BTreeMap<String, String>,
    pub data: BTreeMap<String, Value>,
    /// More is known than who it is: whoever follows the call is told.
    pub says_more: bool,
    pub at: Timestamp,
}

/// What became of an [`Identified`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enriched {
    /// It stands, as it may have before.
    Applied { earlier_calls: u64 },
    /// The call is known better already. The settlement stands, the jobs (which
    /// would tell others what is no longer so) do not.
    Kept { earlier_calls: u64 },
    /// No such call. The settlement stands, the jobs do not.
    UnknownCall,
    /// The settlement was stale: nothing at all was done.
    Stale,
}

/// A call as it is known now.
#[derive(Debug, Clone)]
pub struct StoredCall {
    /// As recorded and since identified. `arrived_at` is the first arrival.
    pub call: NewCall,
    pub earlier_calls: u64,
    /// When the enrichment last spoke.
    pub identified_at: Option<Timestamp>,
}

impl Store {
    /// Stores the call and its jobs; returns once they are committed.
    pub fn record_call(&self, call: NewCall, jobs: Vec<NewJob>) -> Boxed<'_, Recorded> {
        Box::pin(async move {
            let mut call = call;
            let labels = self.admit(std::mem::take(&mut call.labels)).await?;
            self.write(Record::seal(&self.keys(), call, labels, jobs)?).await
        })
    }

    /// Betters who a call was from, adds jobs, and settles the job that found
    /// it out, all in one transaction. Twice has the effect of once.
    pub fn identify_call<'a>(
        &'a self,
        id: &'a CallId,
        identified: Identified,
        jobs: Vec<NewJob>,
        settle: Option<Settlement>,
    ) -> Boxed<'a, Enriched> {
        Box::pin(async move {
            let keys = self.keys();
            let says_more = identified.says_more;
            let (at, connection, external_id, contact, said) = self.said(identified).await?;
            self.write(Identify {
                who: Who::new(&keys, id, &connection, &external_id, contact, said)?,
                id: id.clone(),
                at,
                says_more,
                jobs: SealedJob::seal_all(&keys, jobs)?,
                settle: settle.map(|settle| SealedSettlement::seal(&keys, settle)).transpose()?,
            })
            .await
        })
    }

    /// The call with this id.
    pub fn call<'a>(&'a self, id: &'a CallId) -> Boxed<'a, Option<StoredCall>> {
        Box::pin(async move {
            let row = self.read(&OneCall { id }).await?;
            match row {
                Some(row) => self.unseal(|keys| stored(keys, &row)).await.map(Some),
                None => Ok(None),
            }
        })
    }

    /// Whether a call with this id is stored.
    pub fn call_exists<'a>(&'a self, id: &'a CallId) -> Boxed<'a, bool> {
        Box::pin(async move { Ok(self.read(&OneCall { id }).await?.is_some()) })
    }

    /// The calls that arrived last, newest first, at most 1000.
    pub fn recent_calls(&self, limit: usize) -> Boxed<'_, Vec<StoredCall>> {
        Box::pin(async move {
            let limit = i64::try_from(limit.min(1000)).unwrap_or(1000);
            let rows = self.read(&RecentCalls { limit }).await?;
            self.unseal(|keys| rows.iter().map(|row| stored(keys, row)).collect()).await
        })
    }
}

/// A call ready to be stored.
pub(crate) struct Record {
    id: CallId,
    direction: Direction,
    media: MediaType,
    queue: Option<String>,
    arrived_at: Timestamp,
    answered_in_us: i64,
    deadline_us: i64,
    details: Vec<u8>,
    who: Who,
    jobs: Vec<SealedJob>,
    /// The request said at least one thing to find somebody by.
    has_identifiers: bool,
    /// The stream of the agent whom the request names.
    agent: Option<Hash>,
}

impl Work for Record {
    type Output = Recorded;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Recorded> {
        crash::point("call.insert");
        tx.touched = Touched::Nothing;
        let telling = self.telling();
        let first = telling.first(tx).await?;
        let inserted = self.insert(tx, first.place).await?;
        if inserted.is_none() {
            first.take_back(tx).await?;
        }
        let repeated = inserted.is_none();
        let earlier_calls = match inserted {
            Some((earlier_calls, is_named)) => {
                if let Some(agent) = &self.agent {
                    name(tx, &self.id, agent, self.arrived_at).await?;
                }
                if self.agent.is_some() || is_named {
                    telling.tell_agents(tx).await?;
                }
                earlier_calls
            }
            None => self.repeat(tx).await?,
        };
        for job in &self.jobs {
            job.insert(tx).await?;
        }
        Ok(Recorded { earlier_calls: u64::try_from(earlier_calls).unwrap_or(0), repeated })
    }
}

impl Record {
    /// `labels`: those of the call that may be kept.
    pub(crate) fn seal(
        keys: &Arc<Keyring>,
        call: NewCall,
        labels: Labels,
        jobs: Vec<NewJob>,
    ) -> Result<Self> {
        let has_identifiers =
            call.number.is_some() || call.email.is_some() || call.asked_record.is_some();
        let agent = call.user.as_deref().map(|user| agent_stream(keys, user));
        let details = Details {
            number: call.number,
            email: call.email,
            record: call.asked_record,
            dialled: call.dialled,
            user: call.user,
            warnings: call.warnings,
        };
        let details = keys.seal("calls.details", call.id.as_str().as_bytes(), encode(&details)?)?;
        let said = Said { status: call.status, source: call.source, labels, data: call.data };
        let (connection, external_id) = (&call.connection, &call.external_id);
        Ok(Self {
            who: Who::new(keys, &call.id, connection, external_id, call.contact, said)?,
            direction: call.direction,
            media: call.media,
            queue: call.queue.map(|queue| note(&queue)),
            arrived_at: call.arrived_at,
            answered_in_us: i64::try_from(call.answered_in_us).unwrap_or(i64::MAX),
            deadline_us: i64::try_from(call.deadline_us).unwrap_or(i64::MAX),
            details,
            has_identifiers,
            agent,
            id: call.id,
            jobs: SealedJob::seal_all(keys, jobs)?,
        })
    }

    /// What is told of the call's lookup.
    fn telling(&self) -> Telling<'_> {
        let kind = NewsKind::Identified.or_candidates(self.who.status);
        Telling { call: &self.id, stream: &self.who.stream, kind, at: self.arrived_at }
    }

    /// Stores a new call and counts it; `None` where its id is stored already. Beside the
    /// count: was an agent named on the call before it came.
    async fn insert(&self, tx: &mut Tx<'_>, news: Option<i64>) -> Result<Option<(i64, bool)>> {
        const SQL: &str = "
            INSERT INTO calls (id, direction, media, queue, connection, status, source, certainty, subject,
                earlier_calls, arrived_at, answered_in_us, details, identity, labels, news, deadline_us)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,
                coalesce((SELECT calls FROM interactions WHERE subject = ?9), 0), ?10, ?11, ?12, ?13, ?14, ?15, ?16)
            ON CONFLICT (id) DO NOTHING
            /*pg: RETURNING seq, earlier_calls, (SELECT count(*) FROM call_agents WHERE call = ?1) */";
        const RECOUNTED: &str = "UPDATE calls SET earlier_calls = ?2 WHERE id = ?1";
        const NAMED: &str = "SELECT 1 FROM call_agents WHERE call = ?1 LIMIT 1";
        let labels = labels::written(&self.who.labels);
        let params = [
            self.id.as_str().into(),
            self.direction.as_str().into(),
            self.media.as_str().into(),
            self.queue.as_deref().into(),
            self.who.connection.as_str().into(),
            self.who.status.into(),
            self.who.source.into(),
            self.who.certainty.into(),
            self.who.subject.as_ref().into(),
            self.arrived_at.0.into(),
            self.answered_in_us.into(),
            self.details[..].into(),
            self.who.identity[..].into(),
            labels.as_deref().into(),
            news.into(),
            self.deadline_us.into(),
        ];
        let Some(row) = tx.insert(SQL, &params).await? else { return Ok(None) };
        crash::point("call.inserted");
        labels::index(tx, &self.who.labels, (self.arrived_at.0, row.int(0)?)).await?;
        let counted = count_in(tx, self.who.subject.as_ref(), self.arrived_at.0).await?;
        if tx.is_postgres() && counted != row.int(1)? {
            // Another node has counted a call of the same subject meanwhile.
            tx.execute(RECOUNTED, &[self.id.as_str().into(), counted.into()]).await?;
        }
        crash::point("call.counted");
        let is_named = match tx.is_postgres() {
            true => row.int(2)? > 0,
            false => tx.row(NAMED, &[self.id.as_str().into()]).await?.is_some(),
        };
        Ok(Some((counted, is_named)))
    }

    /// The same call again: its newer identification, unless that knows less.
    async fn repeat(&self, tx: &mut Tx<'_>) -> Result<i64> {
        const SQL: &str = "UPDATE calls SET details = ?2 WHERE id = ?1";
        const GONE: Error = Error::Corrupt { what: "a call that was there a moment ago" };
        let known = known(tx, &self.id).await?.ok_or(GONE)?;
        // A repeat that knows less (an agent's script without the number) erases nothing.
        if self.has_identifiers {
            tx.execute(SQL, &[self.id.as_str().into(), self.details[..].into()]).await?;
        }
        let identified = identify(tx, &self.id, &known, &self.who, None).await?;
        if identified.is_news {
            self.telling().tell(tx).await?;
        }
        if let Some(agent) = &self.agent {
            join(tx, &self.id, agent, self.arrived_at).await?;
        }
        Ok(identified.earlier_calls)
    }
}

macro_rules! call_columns {
    ($rest:literal) => {
        concat!(
            "SELECT id, direction, media, queue, connection, status, source, earlier_calls, arrived_at, ",
            "answered_in_us, identified_at, details, identity, labels, deadline_us, seq FROM calls ",
            $rest
        )
    };
}

pub(crate) use call_columns;

pub(crate) fn stored(keys: &Keyring, row: &Row) -> Result<StoredCall> {
    const ODD: Error = Error::Corrupt { what: "a call's words" };
    let id = CallId::new(row.text(0)?).ok_or(ODD)?;
    let cell = id.as_str().as_bytes();
    let details: Details = decode(&keys.open("calls.details", cell, row.blob(11)?)?)?;
    let identity: Identity = decode(&keys.open("calls.identity", cell, row.blob(12)?)?)?;
    let call = NewCall {
        direction: Direction::parse(row.text(1)?).ok_or(ODD)?,
        media: MediaType::parse(row.text(2)?).ok_or(ODD)?,
        number: details.number,
        email: details.email,
        asked_record: details.record,
        dialled: details.dialled,
        queue: row.opt_text(3)?.map(str::to_owned),
        user: details.user,
        connection: row.text(4)?.to_owned(),
        external_id: identity.external_id.parse().map_err(|_| ODD)?,
        contact: identity.contact,
        status: Status::parse(row.text(5)?).ok_or(ODD)?,
        source: Source::parse(row.text(6)?).ok_or(ODD)?,
        arrived_at: Timestamp(row.int(8)?),
        answered_in_us: u64::try_from(row.int(9)?).unwrap_or(0),
        warnings: details.warnings,
        deadline_us: row.opt_int(14)?.map_or(0, |us| u64::try_from(us).unwrap_or(0)),
        labels: row.opt_text(13)?.map(labels::read).unwrap_or_default(),
        data: identity.data.into_iter().map(|(name, value)| (name, value.into())).collect(),
        id,
    };
    Ok(StoredCall {
        call,
        earlier_calls: u64::try_from(row.int(7)?).unwrap_or(0),
        identified_at: row.opt_int(10)?.map(Timestamp),
    })
}
