//! One SQL text, two engines: what a statement is and what a piece of work is.
//!
//! A [`Work`] is written once, as an async function over a [`Tx`]. On
//! PostgreSQL it awaits; on SQLite every step is ready at once, so the writer
//! thread and the readers run it to its end in one poll, without a hop.
//!
//! The dialect: parameters are `?1`, `?2` … (PostgreSQL gets `$1`), integers
//! are 64 bit everywhere, and what only PostgreSQL should see is written
//! `/*pg: FOR UPDATE */`, a comment to SQLite. No statement holds any other
//! question mark or comment, and none is built from input.

mod nudges;
pub(crate) mod postgres;
mod row;
pub(crate) mod schema;
pub(crate) mod sqlite;

pub(crate) use nudges::{Added, AddedJobs, Nudges};
pub(crate) use row::{Cell, Param, Row};

use crate::error::Result;
use crate::keys::Hash;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Something done in one transaction. `run` may be repeated from the start
/// after a rollback, so it changes nothing but the store.
pub(crate) trait Work: Send {
    type Output: Send + 'static;
    fn run(&self, tx: &mut Tx<'_>) -> impl Future<Output = Result<Self::Output>> + Send;
}

/// Whose entries in the directory a piece of work has changed, or may have.
#[derive(Debug, Default)]
pub(crate) enum Touched {
    /// It did not say, so: anybody's.
    #[default]
    Everything,
    Nothing,
    /// Those found by these keys.
    Keys(Vec<Hash>),
}

impl Touched {
    pub(crate) fn add(&mut self, key: Hash) {
        match self {
            Self::Everything => {}
            Self::Nothing => *self = Self::Keys(vec![key]),
            Self::Keys(keys) => keys.push(key),
        }
    }

    /// Both of them.
    pub(crate) fn join(&mut self, other: Self) {
        match (&mut *self, other) {
            (_, Self::Nothing) | (Self::Everything, _) => {}
            (_, Self::Everything) => *self = Self::Everything,
            (Self::Nothing, other) => *self = other,
            (Self::Keys(keys), Self::Keys(more)) => keys.extend(more),
        }
    }
}

/// One open transaction, or for reads one connection.
pub(crate) struct Tx<'a> {
    on: On<'a>,
    /// Jobs that were added: after the commit, those who wait for them are woken.
    pub(crate) added_jobs: AddedJobs,
    /// Something was told: after the commit, those who follow are woken.
    pub(crate) added_news: bool,
    pub(crate) touched: Touched,
}

enum On<'a> {
    Sqlite(&'a mut rusqlite::Connection),
    Postgres(&'a mut sqlx::PgConnection),
}

impl<'a> Tx<'a> {
    pub(crate) fn sqlite(connection: &'a mut rusqlite::Connection) -> Self {
        Self::on(On::Sqlite(connection))
    }

    pub(crate) fn postgres(connection: &'a mut sqlx::PgConnection) -> Self {
        Self::on(On::Postgres(connection))
    }

    fn on(on: On<'a>) -> Self {
        Self {
            on,
            added_jobs: AddedJobs::default(),
            added_news: false,
            touched: Touched::default(),
        }
    }

    /// Who is to be woken once it is committed.
    pub(crate) fn added(&mut self) -> Added {
        Added { jobs: std::mem::take(&mut self.added_jobs), news: self.added_news }
    }

    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.on, On::Postgres(_))
    }

    /// Every row of the answer. Statements bound their own answers.
    pub(crate) async fn rows(&mut self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>> {
        match &mut self.on {
            On::Sqlite(connection) => sqlite::rows(connection, sql, params),
            On::Postgres(connection) => postgres::rows(connection, sql, params).await,
        }
    }

    /// The first row of the answer, if any.
    pub(crate) async fn row(&mut self, sql: &str, params: &[Param<'_>]) -> Result<Option<Row>> {
        Ok(self.rows(sql, params).await?.into_iter().next())
    }

    /// How many rows the statement touched.
    pub(crate) async fn execute(&mut self, sql: &str, params: &[Param<'_>]) -> Result<u64> {
        match &mut self.on {
            On::Sqlite(connection) => sqlite::execute(connection, sql, params),
            On::Postgres(connection) => postgres::execute(connection, sql, params).await,
        }
    }

    /// Inserts at most one row; its number, or `None` where it was not inserted. The text
    /// says which column that is, to PostgreSQL alone: `/*pg: RETURNING seq */`; what it
    /// returns besides is in the row there and nowhere else. SQLite knows the last row's
    /// number anyway, and would make a table in memory for each `RETURNING`.
    pub(crate) async fn insert(&mut self, sql: &str, params: &[Param<'_>]) -> Result<Option<Row>> {
        match &mut self.on {
            On::Sqlite(connection) => sqlite::insert(connection, sql, params),
            On::Postgres(connection) => {
                Ok(postgres::rows(connection, sql, params).await?.into_iter().next())
            }
        }
    }

    /// Several statements without parameters, each engine its own text.
    pub(crate) async fn batch(
        &mut self,
        sqlite: &'static str,
        postgres: &'static str,
    ) -> Result<()> {
        match &mut self.on {
            On::Sqlite(connection) => sqlite::batch(connection, sqlite),
            On::Postgres(connection) => postgres::batch(connection, postgres).await,
        }
    }
}

/// Runs to its end what never waits: work over SQLite.
pub(crate) fn at_once<F: Future>(work: F) -> F::Output {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("work over SQLite awaits nothing but its statements"),
    }
}
