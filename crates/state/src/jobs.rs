//! Work that must happen, as rows with leases.
//!
//! A job is committed together with the change that asks for it, leased by a
//! worker for a while, and settled by the holder of that lease alone. A worker
//! that dies lets its lease run out: the job is leased again, so what it does
//! must bear repeating (invariant 3). Of jobs with the same kind and key at
//! most one waits (the newest payload) and at most one runs.
//!
//! Waiting → leased → gone (done), `skipped` or `dead`; or waiting again, later.

mod lease;
mod list;
mod settle;

pub(crate) use lease::ReleaseLeases;
use lease::{NextDue, TakeLease, leased};
pub use list::{JobCount, JobFilter, JobRow};
pub use settle::{Outcome, Settled, Settlement};

use crate::crash;
use crate::error::{Boxed, Error, Result};
use crate::events::{CLOSE_CALL, is_told};
use crate::keys::{Hash, Keyring, fill_random};
use crate::sql::{Touched, Tx, Work};
use crate::store::Store;
use domain::{CallId, Timestamp};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

pub(crate) use settle::{Sealed as SealedSettlement, settle_one};

/// Characters of an error or a reason that are kept.
const NOTE_CHARS: usize = 500;

/// Work to be done.
#[derive(Debug, Clone)]
pub struct NewJob {
    pub kind: &'static str,
    /// The connection it works on. Each has a line of its own, so that one that
    /// hangs holds up no other's work.
    pub connection: String,
    /// A waiting job of the same kind and key is given this payload instead of
    /// a second job. It keeps its place, and the pause it is in after a failure.
    pub key: Option<String>,
    /// Sealed at rest.
    pub payload: Vec<u8>,
    /// Not before this.
    pub run_at: Timestamp,
    /// The call it is about, for whoever looks at it.
    pub subject: Option<CallId>,
}

impl NewJob {
    /// All there is to say is which call: of one kind, one waits for each call.
    #[must_use]
    pub fn of_call(kind: &'static str, connection: &str, call: &CallId, run_at: Timestamp) -> Self {
        Self {
            kind,
            connection: connection.to_owned(),
            key: Some(call.to_string()),
            payload: Vec::new(),
            run_at,
            subject: Some(call.clone()),
        }
    }
}

/// Proof that a worker holds a job, for as long as nobody leases it after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    pub job: i64,
    token: i64,
}

/// A job in a worker's hands.
#[derive(Debug, Clone)]
pub struct Leased {
    pub lease: Lease,
    pub kind: &'static str,
    pub payload: Vec<u8>,
    /// How often it has been leased, this time included: 1 on the first try.
    pub attempts: u32,
    pub subject: Option<CallId>,
    pub created_at: Timestamp,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobState {
    Waiting,
    Leased,
    /// Ended without effect, for a stated reason.
    Skipped,
    /// Given up after an error: to be looked at and redriven.
    Dead,
}

impl JobState {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Leased => "leased",
            Self::Skipped => "skipped",
            Self::Dead => "dead",
        }
    }

    /// The state's word read back; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Waiting, Self::Leased, Self::Skipped, Self::Dead]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// Which dead jobs to try again.
#[derive(Debug, Clone, Copy)]
pub enum Redrive {
    One(i64),
    AllDead,
}

impl Store {
    /// Adds jobs, all or none.
    pub fn enqueue(&self, jobs: Vec<NewJob>) -> Boxed<'_, ()> {
        Box::pin(async move {
            let jobs = SealedJob::seal_all(&self.keys(), jobs)?;
            self.write(Enqueue { jobs }).await
        })
    }

    /// Takes up to `limit` due jobs of a kind and a connection, oldest first, for
    /// `lease_for`. Where none is due this is a read.
    pub fn lease<'a>(
        &'a self,
        kind: &'static str,
        connection: &'a str,
        limit: usize,
        lease_for: Duration,
        now: Timestamp,
    ) -> Boxed<'a, Vec<Leased>> {
        Box::pin(async move {
            match self.next_due(kind, connection).await? {
                Some(due) if due <= now => {}
                _ => return Ok(Vec::new()),
            }
            let mut token = [0; 8];
            fill_random(&mut token)?;
            let limit = i64::try_from(limit.min(1000)).unwrap_or(1000);
            let until = now.plus(lease_for);
            let token = i64::from_le_bytes(token);
            let rows = self
                .write(TakeLease {
                    kind,
                    connection: connection.to_owned(),
                    limit,
                    until,
                    now,
                    token,
                })
                .await?;
            let open = |keys: &Keyring| -> Result<Vec<_>> {
                let opened = rows.iter().map(|row| match leased(keys, kind, token, row) {
                    Err(Error::Corrupt { .. }) => Ok(Err(Lease { job: row.int(0)?, token })),
                    opened => opened.map(Ok),
                });
                opened.collect()
            };
            let mut jobs = Vec::with_capacity(rows.len());
            let mut unreadable = Vec::new();
            for opened in self.unseal(open).await? {
                match opened {
                    Ok(job) => jobs.push(job),
                    Err(lease) => unreadable.push(Settlement {
                        lease,
                        outcome: Outcome::Dead { error: "its payload cannot be read".to_owned() },
                        follow_up: Vec::new(),
                    }),
                }
            }
            if !unreadable.is_empty() {
                // One unreadable job does not hold up those leased with it.
                self.settle(unreadable, now).await?;
            }
            jobs.sort_unstable_by_key(|(place, _)| *place);
            Ok(jobs.into_iter().map(|(_, job)| job).collect())
        })
    }

    /// When the next job of that kind and connection may be leased, be it now or in the past.
    pub fn next_due<'a>(
        &'a self,
        kind: &'static str,
        connection: &'a str,
    ) -> Boxed<'a, Option<Timestamp>> {
        Box::pin(async move { self.read(&NextDue { kind, connection }).await })
    }

    /// Changes after every commit on this node that may have made a job of that kind and
    /// connection leasable, but for what its own settling sets free. Jobs that other nodes add
    /// are found by asking now and then.
    #[must_use]
    pub fn job_nudge(&self, kind: &'static str, connection: &str) -> watch::Receiver<u64> {
        self.nudges().of_jobs(kind, connection)
    }

    /// Lets dead jobs be tried again from the start. One whose work already
    /// waits anew (same kind and key) is dropped instead. Returns how many wait now.
    pub fn redrive(&self, which: Redrive, now: Timestamp) -> Boxed<'_, u64> {
        Box::pin(async move { self.write(settle::Revive { which, now }).await })
    }

    /// Forgets skipped jobs that ended before this, at most 1000 at once.
    /// Returns how many. Dead ones stay until someone decides.
    pub fn prune_jobs(&self, before: Timestamp) -> Boxed<'_, u64> {
        Box::pin(async move { self.write(settle::Prune { before }).await })
    }
}

/// A job ready to be stored.
pub(crate) enum SealedJob {
    Sealed(Sealed),
    /// Stored only where something was told of the call. Each lookup brings one, and hardly
    /// ever is there anything told by then: it is sealed when it is needed.
    IfTold {
        job: NewJob,
        keys: Arc<Keyring>,
    },
}

pub(crate) struct Sealed {
    kind: &'static str,
    connection: String,
    slot: Option<Hash>,
    uid: Hash,
    payload: Vec<u8>,
    run_at: Timestamp,
    call: Option<CallId>,
}

impl SealedJob {
    pub(crate) fn seal_all(keys: &Arc<Keyring>, jobs: Vec<NewJob>) -> Result<Vec<Self>> {
        let seal = |job: NewJob| match job.kind {
            CLOSE_CALL => Ok(Self::IfTold { job, keys: Arc::clone(keys) }),
            _ => Sealed::seal(keys, job).map(Self::Sealed),
        };
        jobs.into_iter().map(seal).collect()
    }

    pub(crate) fn call(&self) -> Option<&CallId> {
        match self {
            Self::Sealed(job) => job.call.as_ref(),
            Self::IfTold { job, .. } => job.subject.as_ref(),
        }
    }

    /// Stores the job, or gives its payload to the one that already waits.
    pub(crate) async fn insert(&self, tx: &mut Tx<'_>) -> Result<()> {
        match self {
            Self::Sealed(job) => job.insert(tx).await,
            Self::IfTold { job, keys } if is_told(tx, job.subject.as_ref()).await? => {
                Sealed::seal(keys, job.clone())?.insert(tx).await
            }
            Self::IfTold { .. } => Ok(()),
        }
    }
}

impl Sealed {
    pub(crate) fn seal(keys: &Keyring, job: NewJob) -> Result<Self> {
        let mut uid = [0; 16];
        fill_random(&mut uid)?;
        Ok(Self {
            kind: job.kind,
            connection: job.connection,
            slot: job.key.map(|key| keys.hash("job", &[job.kind, &key])),
            uid,
            payload: keys.seal("jobs.payload", &bound_to(job.kind, &uid), job.payload)?,
            run_at: job.run_at,
            call: job.subject,
        })
    }

    pub(crate) async fn insert(&self, tx: &mut Tx<'_>) -> Result<()> {
        const SQL: &str = "
            INSERT INTO jobs (uid, kind, slot, state, call, payload, run_at, due_at, attempts, created_at, updated_at, connection)
            VALUES (?1, ?2, ?3, 'waiting', ?4, ?5, ?6, ?6, 0, ?6, ?6, ?7)
            ON CONFLICT (kind, slot) WHERE state = 'waiting' AND slot IS NOT NULL DO UPDATE SET
                uid = excluded.uid, payload = excluded.payload, call = excluded.call, connection = excluded.connection,
                updated_at = excluded.updated_at,
                run_at = CASE WHEN jobs.attempts = 0 AND excluded.run_at < jobs.run_at
                    THEN excluded.run_at ELSE jobs.run_at END,
                due_at = CASE WHEN jobs.attempts = 0 AND excluded.due_at < jobs.due_at
                    THEN excluded.due_at ELSE jobs.due_at END";
        crash::point("job.insert");
        let params = [
            (&self.uid).into(),
            self.kind.into(),
            self.slot.as_ref().into(),
            self.call.as_ref().map(CallId::as_str).into(),
            self.payload[..].into(),
            self.run_at.0.into(),
            self.connection.as_str().into(),
        ];
        tx.execute(SQL, &params).await?;
        tx.added_jobs.add(self.kind, &self.connection);
        crash::point("job.inserted");
        Ok(())
    }
}

fn bound_to(kind: &str, uid: &[u8]) -> Vec<u8> {
    [uid, kind.as_bytes()].concat()
}

struct Enqueue {
    jobs: Vec<SealedJob>,
}

impl Work for Enqueue {
    type Output = ();
    async fn run(&self, tx: &mut Tx<'_>) -> Result<()> {
        tx.touched = Touched::Nothing;
        for job in &self.jobs {
            job.insert(tx).await?;
        }
        Ok(())
    }
}

fn attempts(count: i64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// An error's or a reason's beginning, on one line and without NUL, which PostgreSQL refuses.
pub(crate) fn note(text: &str) -> String {
    text.chars().take(NOTE_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
