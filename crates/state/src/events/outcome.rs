//! What a call came to, and whether its CRM knows.

use super::row::OutcomeRow;
use crate::crash;
use crate::error::{Boxed, Error, Result};
use crate::feed::{NewsKind, Telling, call_stream, take_turns};
use crate::jobs::{NewJob, SealedJob, SealedSettlement, Settled, Settlement, note, settle_one};
use crate::keys::{Hash, Keyring};
use crate::rows::{decode, encode};
use crate::sql::{Row, Touched, Tx, Work};
use crate::store::Store;
use domain::timeline::Outcome;
use domain::{CallId, Timestamp};

/// Whether the CRM knows of a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum JournalState {
    /// There is nothing to be told yet.
    #[default]
    None,
    /// It is about to be told.
    Waiting,
    Written,
    /// It will not be told, because nobody is known who called.
    Skipped,
}

impl JournalState {
    const ALL: [Self; 4] = [Self::None, Self::Waiting, Self::Written, Self::Skipped];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Waiting => "waiting",
            Self::Written => "written",
            Self::Skipped => "skipped",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// The activity that a CRM keeps of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    /// Where it is.
    pub connection: String,
    /// Its id there.
    pub record: String,
    /// Of what it says, as from [`Store::digest`].
    pub digest: [u8; 16],
}

/// What a call came to, as it has just been found out.
#[derive(Debug, Clone)]
pub struct NewOutcome {
    pub outcome: Outcome,
    /// [`JournalState::None`] leaves it as it was.
    pub journal: JournalState,
    /// Stored with it.
    pub jobs: Vec<NewJob>,
}

/// An outcome as it is kept.
#[derive(Debug, Clone)]
pub struct StoredOutcome {
    pub outcome: Outcome,
    pub updated_at: Timestamp,
    pub journal_state: JournalState,
    /// What was written last, if anything was.
    pub journal: Option<Journal>,
}

impl Store {
    /// Keeps what a call came to and settles the job that found it out, in one
    /// transaction.
    pub fn keep_outcome<'a>(
        &'a self,
        call: &'a CallId,
        new: NewOutcome,
        settle: Settlement,
        now: Timestamp,
    ) -> Boxed<'a, Settled> {
        Box::pin(async move {
            let NewOutcome { outcome, journal, jobs } = new;
            let keys = self.keys();
            let row = encode(&OutcomeRow::from(&outcome))?;
            self.write(Keep {
                stream: call_stream(&keys, call),
                call: call.clone(),
                times: Times::of(&outcome),
                queue: outcome.queue.as_deref().map(note),
                wrap_up: outcome.wrap_ups.last().map(|code| note(code)),
                sealed: keys.seal("call_outcomes.sealed", call.as_str().as_bytes(), row)?,
                journal,
                jobs: SealedJob::seal_all(&keys, jobs)?,
                settle: SealedSettlement::seal(&keys, settle)?,
                now,
            })
            .await
        })
    }

    /// Keeps what became of a call's activity and settles the job behind it.
    pub fn keep_journal<'a>(
        &'a self,
        call: &'a CallId,
        state: JournalState,
        written: Option<Journal>,
        settle: Settlement,
        now: Timestamp,
    ) -> Boxed<'a, Settled> {
        Box::pin(async move {
            let settle = SealedSettlement::seal(&self.keys(), settle)?;
            self.write(Mark { call: call.clone(), state, written, settle, now }).await
        })
    }

    /// What a call came to, as far as was told.
    pub fn outcome<'a>(&'a self, call: &'a CallId) -> Boxed<'a, Option<StoredOutcome>> {
        Box::pin(async move {
            match self.read(&OutcomeOf { call }).await? {
                Some(row) => self.unseal(|keys| outcome_at(keys, call, &row, 0)).await.map(Some),
                None => Ok(None),
            }
        })
    }
}

/// The columns that a report adds up.
struct Times {
    started_at: Option<i64>,
    ended_at: Option<i64>,
    talk_ms: i64,
    hold_ms: i64,
    work_ms: i64,
    handle_ms: i64,
}

impl Times {
    fn of(outcome: &Outcome) -> Self {
        let ms = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        Self {
            started_at: outcome.started.map(|at| at.0),
            ended_at: outcome.ended.map(|at| at.0),
            talk_ms: ms(outcome.talk_ms),
            hold_ms: ms(outcome.hold_ms),
            work_ms: ms(outcome.work_ms),
            handle_ms: ms(outcome.handle_ms()),
        }
    }
}

struct Keep {
    call: CallId,
    stream: Hash,
    times: Times,
    queue: Option<String>,
    wrap_up: Option<String>,
    sealed: Vec<u8>,
    journal: JournalState,
    jobs: Vec<SealedJob>,
    settle: SealedSettlement,
    now: Timestamp,
}

impl Work for Keep {
    type Output = Settled;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Settled> {
        const SQL: &str = "
            INSERT INTO call_outcomes (call, started_at, ended_at, talk_ms, hold_ms, work_ms, handle_ms, queue,
                wrap_up, updated_at, sealed, journal)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
            ON CONFLICT (call) DO UPDATE SET
                started_at = excluded.started_at, ended_at = excluded.ended_at, talk_ms = excluded.talk_ms,
                hold_ms = excluded.hold_ms, work_ms = excluded.work_ms, handle_ms = excluded.handle_ms,
                queue = excluded.queue, wrap_up = excluded.wrap_up, updated_at = excluded.updated_at,
                sealed = excluded.sealed,
                journal = CASE WHEN excluded.journal = 'none' THEN call_outcomes.journal ELSE excluded.journal END";
        tx.touched = Touched::Nothing;
        take_turns(tx, &self.call).await?;
        if settle_one(tx, &self.settle, self.now).await? == Settled::Stale {
            return Ok(Settled::Stale);
        }
        let is_news = self.is_news(tx).await?;
        let times = &self.times;
        let params = [
            self.call.as_str().into(),
            times.started_at.into(),
            times.ended_at.into(),
            times.talk_ms.into(),
            times.hold_ms.into(),
            times.work_ms.into(),
            times.handle_ms.into(),
            self.queue.as_deref().into(),
            self.wrap_up.as_deref().into(),
            self.now.0.into(),
            self.sealed[..].into(),
            self.journal.as_str().into(),
        ];
        tx.execute(SQL, &params).await?;
        if is_news {
            let (call, stream, kind) = (&self.call, &self.stream, NewsKind::Ended);
            Telling { call, stream, kind, at: self.now }.tell(tx).await?;
        }
        crash::point("outcome.kept");
        for job in &self.jobs {
            job.insert(tx).await?;
        }
        Ok(Settled::Applied)
    }
}

impl Keep {
    /// A call that is stored has ended, or what it came to is another now.
    async fn is_news(&self, tx: &mut Tx<'_>) -> Result<bool> {
        const BEFORE: &str = "
            SELECT call_outcomes.ended_at, handle_ms, wrap_up FROM calls
            LEFT JOIN call_outcomes ON call_outcomes.call = calls.id WHERE calls.id = ?1";
        let Some(row) = tx.row(BEFORE, &[self.call.as_str().into()]).await? else {
            return Ok(false);
        };
        let before = (row.opt_int(0)?, row.opt_int(1)?, row.opt_text(2)?);
        let Times { ended_at, handle_ms, .. } = self.times;
        Ok(ended_at.is_some() && before != (ended_at, Some(handle_ms), self.wrap_up.as_deref()))
    }
}

struct Mark {
    call: CallId,
    state: JournalState,
    written: Option<Journal>,
    settle: SealedSettlement,
    now: Timestamp,
}

impl Work for Mark {
    type Output = Settled;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Settled> {
        const STATE: &str = "UPDATE call_outcomes SET journal = ?2 WHERE call = ?1";
        const WRITTEN: &str = "
            UPDATE call_outcomes SET journal = ?2, journal_connection = ?3, journal_record = ?4, journal_digest = ?5
            WHERE call = ?1";
        tx.touched = Touched::Nothing;
        crash::point("journal.mark");
        // What was written is known even where another worker has the job by now.
        let (call, state) = (self.call.as_str(), self.state.as_str());
        match &self.written {
            None => tx.execute(STATE, &[call.into(), state.into()]).await?,
            Some(Journal { connection, record, digest }) => {
                let (connection, record) = (connection.as_str(), record.as_str());
                let params =
                    [call.into(), state.into(), connection.into(), record.into(), digest.into()];
                tx.execute(WRITTEN, &params).await?
            }
        };
        crash::point("journal.marked");
        settle_one(tx, &self.settle, self.now).await
    }
}

struct OutcomeOf<'a> {
    call: &'a CallId,
}

impl Work for OutcomeOf<'_> {
    type Output = Option<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<Row>> {
        const SQL: &str = "
            SELECT updated_at, started_at, ended_at, talk_ms, hold_ms, work_ms, queue, sealed, journal,
                journal_connection, journal_record, journal_digest
            FROM call_outcomes WHERE call = ?1";
        tx.row(SQL, &[self.call.as_str().into()]).await
    }
}

/// An outcome whose columns, as [`OutcomeOf`] has them, begin at `first`.
pub(crate) fn outcome_at(
    keys: &Keyring,
    call: &CallId,
    row: &Row,
    first: usize,
) -> Result<StoredOutcome> {
    const ODD: Error = Error::Corrupt { what: "an outcome's words" };
    let sealed =
        keys.open("call_outcomes.sealed", call.as_str().as_bytes(), row.blob(first + 7)?)?;
    let parts: OutcomeRow = decode(&sealed)?;
    let ms = |at: usize| row.int(first + at).map(|ms| u64::try_from(ms).unwrap_or(0));
    let outcome = parts.fill(Outcome {
        started: row.opt_int(first + 1)?.map(Timestamp),
        ended: row.opt_int(first + 2)?.map(Timestamp),
        talk_ms: ms(3)?,
        hold_ms: ms(4)?,
        work_ms: ms(5)?,
        queue: row.opt_text(first + 6)?.map(str::to_owned),
        ..Outcome::default()
    });
    let digest: Option<Hash> = row.opt_hash(first + 11)?;
    let journal = match (row.opt_text(first + 9)?, row.opt_text(first + 10)?, digest) {
        (Some(connection), Some(record), Some(digest)) => {
            Some(Journal { connection: connection.to_owned(), record: record.to_owned(), digest })
        }
        _ => None,
    };
    Ok(StoredOutcome {
        outcome,
        updated_at: Timestamp(row.int(first)?),
        journal_state: JournalState::parse(row.text(first + 8)?).ok_or(ODD)?,
        journal,
    })
}
