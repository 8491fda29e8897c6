//! What a queue's CRM is asked behind an answer: kept from the question to its answer.
//!
//! [`Store::put_enrichment`] commits the question and the job that asks, once for a call
//! in a queue (invariants 1 and 10). One that waits for an agent has no job until
//! [`Store::start_enrichments`]. [`Store::keep_enrichment`] commits the answer, its news,
//! the jobs that tell others and the end of the job that asked.

use crate::crash;
use crate::error::{Boxed, Error, Result};
use crate::feed::{NewsKind, Telling, call_stream, take_turns};
use crate::jobs::{NewJob, SealedJob, SealedSettlement, Settled, Settlement, settle_one};
use crate::keys::{Hash, Keyring};
use crate::sql::{Row, Touched, Tx, Work};
use crate::store::Store;
use domain::{CallId, Timestamp};
use serde_json::{Map, Value};
use std::fmt;

/// How far an enrichment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// An agent must have accepted the call first.
    Waiting,
    /// It is being asked.
    Pending,
    Done,
}

/// Flat values by name, as they came and as they go.
pub type Flat = Map<String, Value>;

/// What was asked for a call in a queue.
#[derive(Clone, PartialEq)]
pub struct Enrichment {
    pub call: CallId,
    /// The queue's configured name.
    pub queue: String,
    pub stage: Stage,
    /// What it is asked with.
    pub asked: Flat,
    /// What came of it; empty until it is done.
    pub answer: Flat,
    pub created_at: Timestamp,
}

impl fmt::Debug for Enrichment {
    /// Which values, never what they are (invariant 9).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enrichment")
            .field("call", &self.call)
            .field("queue", &self.queue)
            .field("stage", &self.stage)
            .field("asked", &self.asked.keys().collect::<Vec<_>>())
            .field("answer", &self.answer.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl Stage {
    fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Pending => "pending",
            Self::Done => "done",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Waiting, Self::Pending, Self::Done].into_iter().find(|one| one.as_str() == text)
    }
}

impl Store {
    /// Keeps a new enrichment and the jobs that come with it; one that the call has in
    /// this queue already stays as it is. Returns whether it is new.
    pub fn put_enrichment(&self, new: Enrichment, jobs: Vec<NewJob>) -> Boxed<'_, bool> {
        Box::pin(async move {
            let keys = self.keys();
            let sealed = seal(&keys, &new.call, &new.queue, &new.asked, &new.answer)?;
            let jobs = SealedJob::seal_all(&keys, jobs)?;
            self.write(Put { new, sealed, jobs }).await
        })
    }

    /// The enrichment of a call in a queue; without one, the newest of the call.
    pub fn enrichment<'a>(
        &'a self,
        call: &'a CallId,
        queue: Option<&'a str>,
    ) -> Boxed<'a, Option<Enrichment>> {
        Box::pin(async move {
            match self.read(&OfCall { call: call.as_str(), queue }).await?.first() {
                Some(row) => self.unseal(|keys| opened(keys, row)).await.map(Some),
                None => Ok(None),
            }
        })
    }

    /// Every enrichment of a call, newest first.
    pub fn enrichments<'a>(&'a self, call: &'a CallId) -> Boxed<'a, Vec<Enrichment>> {
        Box::pin(async move {
            let rows = self.read(&OfCall { call: call.as_str(), queue: None }).await?;
            self.unseal(|keys| rows.iter().map(|row| opened(keys, row)).collect()).await
        })
    }

    /// Lets those that wait for an agent begin, each with its job. Returns how many did.
    pub fn start_enrichments<'a>(
        &'a self,
        call: &'a CallId,
        jobs: Vec<(String, NewJob)>,
        now: Timestamp,
    ) -> Boxed<'a, u64> {
        Box::pin(async move {
            let keys = self.keys();
            let sealed = jobs
                .into_iter()
                .map(|(queue, job)| Ok((queue, SealedJob::seal_all(&keys, vec![job])?)));
            let jobs = sealed.collect::<Result<Vec<_>>>()?;
            self.write(Start { call: call.clone(), jobs, now: now.0 }).await
        })
    }

    /// Keeps what came of an enrichment, tells those who follow the call, and settles
    /// the job behind it.
    pub fn keep_enrichment(
        &self,
        done: Enrichment,
        jobs: Vec<NewJob>,
        settle: Settlement,
        now: Timestamp,
    ) -> Boxed<'_, Settled> {
        Box::pin(async move {
            let keys = self.keys();
            self.write(Keep {
                stream: call_stream(&keys, &done.call),
                sealed: seal(&keys, &done.call, &done.queue, &done.asked, &done.answer)?,
                jobs: SealedJob::seal_all(&keys, jobs)?,
                settle: SealedSettlement::seal(&keys, settle)?,
                call: done.call,
                queue: done.queue,
                now,
            })
            .await
        })
    }
}

fn place(call: &str, queue: &str) -> Vec<u8> {
    // No id of a call has a space in it.
    format!("{call} {queue}").into_bytes()
}

/// As JSON, so that whoever looks for a person finds them in it.
fn seal(
    keys: &Keyring,
    call: &CallId,
    queue: &str,
    asked: &Flat,
    answer: &Flat,
) -> Result<Vec<u8>> {
    let plain = serde_json::json!({ "asked": asked, "answer": answer }).to_string();
    keys.seal("enrichments.sealed", &place(call.as_str(), queue), plain.into_bytes())
}

/// What is sealed of a row as [`OfCall`] has it.
pub(crate) fn sealed_json(keys: &Keyring, row: &Row) -> Result<Vec<u8>> {
    keys.open("enrichments.sealed", &place(row.text(1)?, row.text(2)?), row.blob(4)?)
}

pub(crate) fn opened(keys: &Keyring, row: &Row) -> Result<Enrichment> {
    const ODD: Error = Error::Corrupt { what: "an enrichment" };
    let mut plain: Value = serde_json::from_slice(&sealed_json(keys, row)?).map_err(|_| ODD)?;
    let mut flat = |name: &str| match plain.get_mut(name).map(Value::take) {
        Some(Value::Object(map)) => Ok(map),
        _ => Err(ODD),
    };
    Ok(Enrichment {
        call: CallId::new(row.text(1)?).ok_or(ODD)?,
        queue: row.text(2)?.to_owned(),
        stage: Stage::parse(row.text(3)?).ok_or(ODD)?,
        asked: flat("asked")?,
        answer: flat("answer")?,
        created_at: Timestamp(row.int(5)?),
    })
}

struct Put {
    new: Enrichment,
    sealed: Vec<u8>,
    jobs: Vec<SealedJob>,
}

impl Work for Put {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool> {
        const SQL: &str = "
            INSERT INTO enrichments (call, queue, state, sealed, created_at, updated_at)
            VALUES (?1, ?2, ?3, ?4, ?5, ?5) ON CONFLICT (call, queue) DO NOTHING";
        tx.touched = Touched::Nothing;
        let params = [
            self.new.call.as_str().into(),
            self.new.queue.as_str().into(),
            self.new.stage.as_str().into(),
            self.sealed[..].into(),
            self.new.created_at.0.into(),
        ];
        crash::point("enrichment.insert");
        if tx.execute(SQL, &params).await? == 0 {
            return Ok(false);
        }
        crash::point("enrichment.inserted");
        for job in &self.jobs {
            job.insert(tx).await?;
        }
        Ok(true)
    }
}

/// id, call, queue, state, sealed, created_at.
struct OfCall<'a> {
    call: &'a str,
    queue: Option<&'a str>,
}

impl Work for OfCall<'_> {
    type Output = Vec<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        const ALL: &str = "
            SELECT id, call, queue, state, sealed, created_at FROM enrichments
            WHERE call = ?1 ORDER BY id DESC LIMIT 100";
        const ONE: &str = "
            SELECT id, call, queue, state, sealed, created_at FROM enrichments
            WHERE call = ?1 AND queue = ?2";
        match self.queue {
            Some(queue) => tx.rows(ONE, &[self.call.into(), queue.into()]).await,
            None => tx.rows(ALL, &[self.call.into()]).await,
        }
    }
}

struct Start {
    call: CallId,
    jobs: Vec<(String, Vec<SealedJob>)>,
    now: i64,
}

impl Work for Start {
    type Output = u64;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<u64> {
        const SQL: &str = "
            UPDATE enrichments SET state = 'pending', updated_at = ?3
            WHERE call = ?1 AND queue = ?2 AND state = 'waiting'";
        tx.touched = Touched::Nothing;
        let mut started = 0;
        for (queue, jobs) in &self.jobs {
            let params = [self.call.as_str().into(), queue.as_str().into(), self.now.into()];
            if tx.execute(SQL, &params).await? == 0 {
                continue;
            }
            crash::point("enrichment.started");
            started += 1;
            for job in jobs {
                job.insert(tx).await?;
            }
        }
        Ok(started)
    }
}

struct Keep {
    call: CallId,
    queue: String,
    stream: Hash,
    sealed: Vec<u8>,
    jobs: Vec<SealedJob>,
    settle: SealedSettlement,
    now: Timestamp,
}

impl Work for Keep {
    type Output = Settled;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Settled> {
        const SQL: &str = "
            UPDATE enrichments SET state = 'done', sealed = ?3, updated_at = ?4
            WHERE call = ?1 AND queue = ?2";
        const CALL: &str = "SELECT seq FROM calls WHERE id = ?1";
        tx.touched = Touched::Nothing;
        take_turns(tx, &self.call).await?;
        if settle_one(tx, &self.settle, self.now).await? == Settled::Stale {
            return Ok(Settled::Stale);
        }
        let params = [
            self.call.as_str().into(),
            self.queue.as_str().into(),
            self.sealed[..].into(),
            self.now.0.into(),
        ];
        // Forgotten meanwhile, with the call: nobody is told.
        if tx.execute(SQL, &params).await? == 0 {
            return Ok(Settled::Applied);
        }
        crash::point("enrichment.kept");
        if tx.row(CALL, &[self.call.as_str().into()]).await?.is_some() {
            let (call, stream, kind) = (&self.call, &self.stream, NewsKind::Enriched);
            Telling { call, stream, kind, at: self.now }.tell(tx).await?;
        }
        for job in &self.jobs {
            job.insert(tx).await?;
        }
        Ok(Settled::Applied)
    }
}
