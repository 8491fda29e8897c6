//! A database as the rest of the folder sees it: queries that were compiled, answered by rows.
//!
//! Every query passes the connection's turnstile (invariant 12), runs in a read-only session
//! (writes have sessions of their own, see `within`), and is bounded three times: by the server, by us, and in rows and bytes. Each lane has
//! sessions of its own, as many as it has places. One that broke, or whose answer was not
//! waited for, is closed and never used again; one that broke while it lay idle is replaced
//! once, because a server that was started again is well.

pub(super) mod address;
pub(super) mod mysql;
pub(super) mod postgres;
pub(super) mod sqlite;
#[cfg(feature = "mssql")]
pub(super) mod sqlserver;
mod within;

use super::cell::Row;
use super::statement::{Argument, Statement};
use super::tables::{Batch, Outcomes};
use async_trait::async_trait;
use kit::{Error, Lane, Limits, Turnstile};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout};
use within::Step;

/// Rows of one answer; who asks for more is told. Numbers shared by more people are switchboards.
pub(super) const ROWS_MAX: usize = 500;
/// Bytes of one answer. More are refused, never cut.
pub(super) const BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long a session may lie idle: less than what firewalls forget connections after.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// What an answer may need beyond the time that the server gives its query.
const ON_THE_WAY: Duration = Duration::from_millis(100);
/// Longest wait for a session.
const CONNECT_MAX: Duration = Duration::from_secs(3);

/// How long a query may run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) call: Duration,
    pub(super) background: Duration,
}

impl Times {
    pub(super) fn of(&self, lane: Lane) -> Duration {
        match lane {
            Lane::Call => self.call,
            Lane::Background => self.background,
        }
    }
}

/// What a query is like, asked of the engine without running it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Outlook {
    /// Names of the columns it answers.
    pub(super) columns: Vec<String>,
    /// Tables that are read from end to end.
    pub(super) scans: Vec<String>,
}

/// Some database.
#[async_trait]
pub(super) trait Database: Send + Sync {
    /// The answer to a query, at most [`ROWS_MAX`] rows and [`BYTES_MAX`] bytes.
    async fn rows(
        &self,
        lane: Lane,
        statement: &Statement,
        arguments: Vec<Argument>,
    ) -> Result<Vec<Row>, Error>;

    /// What a query would do, with these arguments.
    async fn outlook(
        &self,
        statement: &Statement,
        arguments: Vec<Argument>,
    ) -> Result<Outlook, Error>;

    /// Tries to write, harmlessly. Whether it was refused because the session only reads.
    async fn refuses_to_write(&self) -> Result<bool, Error>;

    /// Does the writes, and says of each what became of it.
    async fn write(&self, batch: &Batch) -> Result<Outcomes, Error>;
}

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Read,
    Write,
}

/// What went wrong with a query.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server said so; the session is well.
    Told(Error),
    /// The session is gone.
    Broken(Error),
    /// Nobody waited any longer; the session is of no use.
    Late(Error),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Told(error) | Failure::Broken(error) | Failure::Late(error) => error,
        }
    }
}

/// How one kind of server is spoken to.
#[async_trait]
pub(super) trait Driver: Send + Sync {
    type Session: Send;

    /// A session whose queries end after `limit`; for all but [`Purpose::Write`] it only reads.
    async fn connect(&self, limit: Duration, purpose: Purpose) -> Result<Self::Session, Failure>;

    async fn rows(
        &self,
        session: &mut Self::Session,
        statement: &Statement,
        arguments: &[Argument],
    ) -> Result<Vec<Row>, Failure>;

    async fn outlook(
        &self,
        session: &mut Self::Session,
        statement: &Statement,
        arguments: &[Argument],
    ) -> Result<Outlook, Failure>;

    async fn refuses_to_write(&self, session: &mut Self::Session) -> Result<bool, Failure>;

    /// Rows, within the session's transaction.
    async fn rows_within(
        &self,
        session: &mut Self::Session,
        statement: &Statement,
        arguments: &[Argument],
    ) -> Result<Vec<Row>, Failure> {
        self.rows(session, statement, arguments).await
    }

    /// Changes rows, and says how many.
    async fn change(
        &self,
        session: &mut Self::Session,
        statement: &Statement,
        arguments: &[Argument],
    ) -> Result<u64, Failure>;

    /// Takes a step of a transaction; `false` where what was begun is over by it.
    async fn step(&self, session: &mut Self::Session, step: Step) -> Result<bool, Failure>;

    /// Can a row be taken back alone?
    fn marks(&self) -> bool {
        true
    }
}

/// A server behind a network, whatever its kind.
pub(super) struct Server<D: Driver> {
    driver: D,
    turnstile: Turnstile,
    times: Times,
    connect_limit: Duration,
    calls: Idle<D::Session>,
    background: Idle<D::Session>,
    writers: Idle<D::Session>,
}

/// Sessions that wait to be used; never more than the lane has places, because each was
/// taken by somebody who had one.
struct Idle<S>(Mutex<VecDeque<(S, Instant)>>);

impl<S> Idle<S> {
    fn new() -> Self {
        Self(Mutex::new(VecDeque::new()))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<(S, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one used last; those that lay too long are closed.
    fn take(&self) -> Option<S> {
        let mut idle = self.lock();
        idle.retain(|(_, since)| since.elapsed() < IDLE_MAX);
        idle.pop_back().map(|(session, _)| session)
    }

    fn put(&self, session: S) {
        self.lock().push_back((session, Instant::now()));
    }

    fn clear(&self) {
        self.lock().clear();
    }
}

/// What is asked of a session.
enum Asked<'a> {
    Rows(&'a Statement, &'a [Argument]),
    Outlook(&'a Statement, &'a [Argument]),
    Write,
}

/// Its answer.
enum Answer {
    Rows(Vec<Row>),
    Outlook(Outlook),
    Refused(bool),
}

impl<D: Driver> Server<D> {
    pub(super) fn new(driver: D, turnstile: Turnstile, limits: Limits, times: Times) -> Self {
        let connect_limit = CONNECT_MAX.min(limits.timeout);
        let (calls, background, writers) = (Idle::new(), Idle::new(), Idle::new());
        Self { driver, turnstile, times, connect_limit, calls, background, writers }
    }

    async fn ask(&self, lane: Lane, asked: Asked<'_>) -> Result<Answer, Error> {
        let passed = self.turnstile.pass(lane).await?;
        let outcome = self.asked(lane, asked).await;
        passed.settle(matches!(outcome, Err(Error::Unavailable { .. })));
        outcome
    }

    async fn asked(&self, lane: Lane, asked: Asked<'_>) -> Result<Answer, Error> {
        let idle = match lane {
            Lane::Call => &self.calls,
            Lane::Background => &self.background,
        };
        if let Some(session) = idle.take() {
            match self.try_once(lane, session, idle, &asked).await {
                Err(Failure::Broken(_)) => idle.clear(),
                outcome => return Ok(outcome?),
            }
        }
        let session = self.connected(self.times.of(lane), Purpose::Read).await?;
        Ok(self.try_once(lane, session, idle, &asked).await?)
    }

    async fn connected(&self, limit: Duration, purpose: Purpose) -> Result<D::Session, Failure> {
        let connecting = self.driver.connect(limit, purpose);
        match timeout(self.connect_limit, connecting).await {
            Ok(connected) => connected,
            Err(_) => {
                let ms = self.connect_limit.as_millis();
                let reason = format!("no session within {ms} ms");
                Err(Failure::Broken(Error::unavailable(reason)))
            }
        }
    }

    /// Asks on one session, and keeps it where it is well.
    async fn try_once(
        &self,
        lane: Lane,
        mut session: D::Session,
        idle: &Idle<D::Session>,
        asked: &Asked<'_>,
    ) -> Result<Answer, Failure> {
        let limit = self.times.of(lane) + ON_THE_WAY;
        let answering = async {
            Ok(match asked {
                Asked::Rows(statement, arguments) => {
                    Answer::Rows(self.driver.rows(&mut session, statement, arguments).await?)
                }
                Asked::Outlook(statement, arguments) => {
                    Answer::Outlook(self.driver.outlook(&mut session, statement, arguments).await?)
                }
                Asked::Write => Answer::Refused(self.driver.refuses_to_write(&mut session).await?),
            })
        };
        let Ok(outcome) = timeout(limit, answering).await else {
            return Err(Failure::Late(late(limit)));
        };
        if matches!(outcome, Ok(_) | Err(Failure::Told(_))) {
            idle.put(session);
        }
        outcome
    }
}

/// What a query is told that took too long, whoever ended it.
pub(super) fn late(limit: Duration) -> Error {
    Error::unavailable(format!("no whole answer within {} ms", limit.as_millis()))
}

/// What is told of an answer that is larger than anybody can use.
pub(super) fn too_large(statement: &Statement) -> Error {
    Error::Invalid {
        field: Some(statement.setting.clone()),
        reason: "answers more than 4 MiB; select fewer or shorter columns".to_owned(),
    }
}

#[async_trait]
impl<D: Driver> Database for Server<D> {
    async fn rows(
        &self,
        lane: Lane,
        statement: &Statement,
        arguments: Vec<Argument>,
    ) -> Result<Vec<Row>, Error> {
        match self.ask(lane, Asked::Rows(statement, &arguments)).await? {
            Answer::Rows(rows) => Ok(rows),
            Answer::Outlook(_) | Answer::Refused(_) => Ok(Vec::new()),
        }
    }

    async fn outlook(
        &self,
        statement: &Statement,
        arguments: Vec<Argument>,
    ) -> Result<Outlook, Error> {
        match self.ask(Lane::Background, Asked::Outlook(statement, &arguments)).await? {
            Answer::Outlook(outlook) => Ok(outlook),
            Answer::Rows(_) | Answer::Refused(_) => Ok(Outlook::default()),
        }
    }

    async fn refuses_to_write(&self) -> Result<bool, Error> {
        let answer = self.ask(Lane::Background, Asked::Write).await?;
        Ok(matches!(answer, Answer::Refused(true)))
    }

    async fn write(&self, batch: &Batch) -> Result<Outcomes, Error> {
        self.write_within(batch).await
    }
}
