//! What the contact center tells of calls, and what each call came to.
//!
//! [`Store::record_events`] commits events together with the jobs that follow
//! from them, each event once however often it is told (invariants 1 and 10); a
//! call that we have not seen yet may have events already. What they come to is
//! decided elsewhere and kept by [`Store::keep_outcome`]; that the CRM knows of
//! it, by [`Store::keep_journal`]. Both commit with the end of the job behind them.

mod outcome;
mod row;

pub(crate) use outcome::outcome_at;
pub use outcome::{Journal, JournalState, NewOutcome, StoredOutcome};

use crate::crash;
use crate::error::{Boxed, Result};
use crate::feed::{agent_stream, join, take_turns};
use crate::jobs::{NewJob, SealedJob};
use crate::keys::{Hash, Keyring};
use crate::rows::{decode, encode};
use crate::sql::{Row, Touched, Tx, Work};
use crate::store::Store;
use domain::timeline::Event;
use domain::{CallId, Timestamp};
use row::EventRow;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The job that closes a call. It is stored only for a call of which something was
/// told, so that who does not know whether anything was may always ask for it.
pub const CLOSE_CALL: &str = "close_call";

/// Events of one call that are read; a real call has tens.
const EVENTS_MAX: i64 = 10_000;

/// An event as it came in.
#[derive(Debug, Clone)]
pub struct NewEvent {
    pub event: Event,
    /// Whoever told it said when it happened. Otherwise its time is that of its
    /// coming, and told again it is still the same event.
    pub is_timed: bool,
}

/// An event as it is kept.
#[derive(Debug, Clone)]
pub struct StoredEvent {
    pub event: Event,
    pub received_at: Timestamp,
}

/// What became of events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Received {
    pub stored: u64,
    /// Were there already.
    pub repeated: u64,
}

impl Store {
    /// Stores events and, for each call that got a new one, the jobs about it
    /// (see [`NewJob::subject`]), in one transaction.
    pub fn record_events(
        &self,
        events: Vec<NewEvent>,
        jobs: Vec<NewJob>,
        now: Timestamp,
    ) -> Boxed<'_, Received> {
        Box::pin(async move { self.write(Receive::seal(&self.keys(), events, jobs, now)?).await })
    }

    /// What was told of a call, at most 10,000 events.
    pub fn events<'a>(&'a self, call: &'a CallId) -> Boxed<'a, Vec<StoredEvent>> {
        Box::pin(async move {
            let rows = self.read(&EventsOf { call }).await?;
            self.unseal(|keys| rows.iter().map(|row| stored(keys, call, row)).collect()).await
        })
    }
}

struct Sealed {
    call: CallId,
    id: Hash,
    at: Timestamp,
    sealed: Vec<u8>,
    /// The stream of the agent whom it names.
    agent: Option<Hash>,
}

impl Sealed {
    fn seal(keys: &Arc<Keyring>, NewEvent { event, is_timed }: NewEvent) -> Result<Self> {
        let (call, at) = (event.call.clone(), event.at);
        let agent = event.agent.as_deref().filter(|agent| !agent.trim().is_empty());
        let agent = agent.map(|agent| agent_stream(keys, agent));
        let says = encode(&EventRow::from(event))?;
        let time = if is_timed { at.0.to_string() } else { String::new() };
        let said = String::from_utf8_lossy(&says);
        let id = keys.hash("event", &[call.as_str(), &time, &said]);
        let sealed = keys.seal("call_events.sealed", &cell(&call, &id), says)?;
        Ok(Self { call, id, at, sealed, agent })
    }
}

fn cell(call: &CallId, id: &[u8]) -> Vec<u8> {
    [id, call.as_str().as_bytes()].concat()
}

pub(crate) struct Receive {
    events: Vec<Sealed>,
    jobs: Vec<SealedJob>,
    now: Timestamp,
}

impl Receive {
    pub(crate) fn seal(
        keys: &Arc<Keyring>,
        events: Vec<NewEvent>,
        jobs: Vec<NewJob>,
        now: Timestamp,
    ) -> Result<Self> {
        let events = events.into_iter().map(|event| Sealed::seal(keys, event));
        let events = events.collect::<Result<Vec<_>>>()?;
        Ok(Self { events, jobs: SealedJob::seal_all(keys, jobs)?, now })
    }
}

impl Work for Receive {
    type Output = Received;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Received> {
        const SQL: &str = "
            INSERT INTO call_events (call, id, at, received_at, sealed) VALUES (?1, ?2, ?3, ?4, ?5)
            ON CONFLICT (call, id) DO NOTHING";
        tx.touched = Touched::Nothing;
        let mut received = Received::default();
        let mut touched = BTreeSet::new();
        let mut joined = BTreeSet::new();
        for event in &self.events {
            crash::point("event.insert");
            let params = [
                event.call.as_str().into(),
                (&event.id).into(),
                event.at.0.into(),
                self.now.0.into(),
                event.sealed[..].into(),
            ];
            match tx.execute(SQL, &params).await? {
                0 => received.repeated += 1,
                _ => {
                    received.stored += 1;
                    touched.insert(&event.call);
                    joined.extend(event.agent.map(|agent| (&event.call, agent)));
                }
            }
            crash::point("event.inserted");
        }
        // In order, so that two who tell of the same calls do not wait for each other.
        for (call, agent) in &joined {
            take_turns(tx, call).await?;
            join(tx, call, agent, self.now).await?;
        }
        for job in self.jobs.iter().filter(|job| job.call().is_none_or(|c| touched.contains(c))) {
            job.insert(tx).await?;
        }
        Ok(received)
    }
}

/// Whether anything was told of the call.
pub(crate) async fn is_told(tx: &mut Tx<'_>, call: Option<&CallId>) -> Result<bool> {
    const SQL: &str = "SELECT at FROM call_events WHERE call = ?1 LIMIT 1";
    let Some(call) = call else { return Ok(false) };
    Ok(tx.row(SQL, &[call.as_str().into()]).await?.is_some())
}

struct EventsOf<'a> {
    call: &'a CallId,
}

impl Work for EventsOf<'_> {
    type Output = Vec<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        const SQL: &str = "
            SELECT id, at, received_at, sealed FROM call_events WHERE call = ?1 ORDER BY id LIMIT ?2";
        tx.rows(SQL, &[self.call.as_str().into(), EVENTS_MAX.into()]).await
    }
}

fn stored(keys: &Keyring, call: &CallId, row: &Row) -> Result<StoredEvent> {
    let sealed = keys.open("call_events.sealed", &cell(call, &row.hash(0)?), row.blob(3)?)?;
    let event: EventRow = decode(&sealed)?;
    let at = Timestamp(row.int(1)?);
    Ok(StoredEvent { event: event.event(call.clone(), at)?, received_at: Timestamp(row.int(2)?) })
}
