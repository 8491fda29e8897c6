//! A SQLite file of the customer's, read in place.
//!
//! Opened for reading only, and told so once more (`query_only`); writes have a connection of
//! their own, in which foreign keys hold. SQLite works in the thread
//! that asks, so every query has a blocking one of its own, which keeps its place of the
//! turnstile until it is really done; a handler ends the query when its time is up.

use super::within::{BATCH, Ended, Step, carried_out};
use super::{BYTES_MAX, Database, Failure, Idle, Outlook, ROWS_MAX, Times, late, too_large};
use crate::sql::cell::{Cell, Row};
use crate::sql::statement::{Argument, Statement};
use crate::sql::tables::{Batch, Outcomes, Transaction};
use async_trait::async_trait;
use kit::{Error, Lane, Turnstile};
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags, ffi, limits::Limit};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Steps of SQLite's machine between two looks at the clock; about a tenth of a millisecond.
const STEPS: i32 = 10_000;
/// What a blocking thread may need beyond the query's own time.
const ON_THE_WAY: Duration = Duration::from_millis(100);

/// One file.
pub(in crate::sql) struct File {
    shared: Arc<Shared>,
    turnstile: Turnstile,
    times: Times,
}

struct Shared {
    path: PathBuf,
    calls: Idle<Connection>,
    background: Idle<Connection>,
    writers: Idle<Connection>,
}

/// What a connection is wanted for.
#[derive(Clone, Copy)]
enum Wanted {
    Read(Lane),
    Write,
}

impl File {
    pub(in crate::sql) fn new(path: PathBuf, turnstile: Turnstile, times: Times) -> Self {
        let (calls, background, writers) = (Idle::new(), Idle::new(), Idle::new());
        let shared = Shared { path, calls, background, writers };
        Self { shared: Arc::new(shared), turnstile, times }
    }

    /// Runs `work` on a connection of the lane, in a thread that may wait.
    async fn run<T: Send + 'static>(
        &self,
        lane: Lane,
        work: impl FnOnce(&Connection, Duration) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Error> {
        let limit = self.times.of(lane);
        self.run_in(Wanted::Read(lane), limit, move |connection, limit| work(connection, limit))
            .await
    }

    async fn run_in<T: Send + 'static>(
        &self,
        wanted: Wanted,
        limit: Duration,
        work: impl FnOnce(&mut Connection, Duration) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Error> {
        let lane = match wanted {
            Wanted::Read(lane) => lane,
            Wanted::Write => Lane::Background,
        };
        let passed = self.turnstile.pass(lane).await?;
        let shared = Arc::clone(&self.shared);
        let working = tokio::task::spawn_blocking(move || {
            let outcome = shared.run(wanted, limit, work).map_err(Error::from);
            // Given back here and not by the caller, who may have left: a disk that hangs
            // holds no more threads than the lane has places.
            passed.settle(matches!(outcome, Err(Error::Unavailable { .. })));
            outcome
        });
        match tokio::time::timeout(limit + ON_THE_WAY, working).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(Error::protocol("the thread that read the file ended")),
            Err(_) => Err(late(limit)),
        }
    }
}

impl Shared {
    fn run<T>(
        &self,
        wanted: Wanted,
        limit: Duration,
        work: impl FnOnce(&mut Connection, Duration) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let idle = match wanted {
            Wanted::Read(Lane::Call) => &self.calls,
            Wanted::Read(Lane::Background) => &self.background,
            Wanted::Write => &self.writers,
        };
        let mut connection = match idle.take() {
            Some(connection) => connection,
            None => open(&self.path, wanted).map_err(|error| failure(&error, limit))?,
        };
        let until = Instant::now() + limit;
        let bounded = connection.busy_timeout(limit).and_then(|()| {
            connection.progress_handler(STEPS, Some(move || Instant::now() > until))
        });
        bounded.map_err(|error| failure(&error, limit))?;
        let outcome = work(&mut connection, limit);
        if matches!(outcome, Ok(_) | Err(Failure::Told(_))) {
            idle.put(connection);
        }
        outcome
    }
}

fn open(path: &Path, wanted: Wanted) -> rusqlite::Result<Connection> {
    let way = match wanted {
        Wanted::Read(_) => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Wanted::Write => OpenFlags::SQLITE_OPEN_READ_WRITE,
    };
    let connection = Connection::open_with_flags(path, way | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    match wanted {
        Wanted::Read(_) => connection.pragma_update(None, "query_only", true)?,
        Wanted::Write => connection.pragma_update(None, "foreign_keys", true)?,
    }
    connection.pragma_update(None, "trusted_schema", false)?;
    let bytes = i32::try_from(BYTES_MAX).unwrap_or(i32::MAX);
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, bytes)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    Ok(connection)
}

#[async_trait]
impl Database for File {
    async fn rows(
        &self,
        lane: Lane,
        statement: &Statement,
        arguments: Vec<Argument>,
    ) -> Result<Vec<Row>, Error> {
        let statement = statement.clone();
        self.run(lane, move |connection, limit| rows(connection, &statement, &arguments, limit))
            .await
    }

    async fn outlook(
        &self,
        statement: &Statement,
        arguments: Vec<Argument>,
    ) -> Result<Outlook, Error> {
        let statement = statement.clone();
        self.run(Lane::Background, move |connection, limit| {
            outlook(connection, &statement, &arguments, limit)
        })
        .await
    }

    async fn refuses_to_write(&self) -> Result<bool, Error> {
        self.run(Lane::Background, |connection, limit| {
            let is_read_only =
                connection.is_readonly(MAIN_DB).map_err(|error| failure(&error, limit))?;
            // Were it ever carried out, it would leave nothing.
            let tried = connection.execute_batch("CREATE TEMPORARY TABLE tieline_proof (n)");
            Ok(is_read_only && tried.is_err())
        })
        .await
    }

    async fn write(&self, batch: &Batch) -> Result<Outcomes, Error> {
        let (batch, limit) = (batch.clone(), self.times.of(Lane::Background) * BATCH);
        let here = tokio::runtime::Handle::current();
        self.run_in(Wanted::Write, limit, move |connection, limit| {
            // Nothing in it waits: SQLite has answered when it returns.
            here.block_on(carried_out(&mut Within { connection, limit }, &batch))
        })
        .await
    }
}

/// A transaction in the file.
struct Within<'a> {
    connection: &'a mut Connection,
    limit: Duration,
}

#[async_trait]
impl Transaction for Within<'_> {
    async fn rows(
        &mut self,
        statement: &Statement,
        arguments: &[Argument],
    ) -> Result<Vec<Row>, Failure> {
        rows(self.connection, statement, arguments, self.limit)
    }

    async fn change(
        &mut self,
        statement: &Statement,
        arguments: &[Argument],
    ) -> Result<u64, Failure> {
        let wrong = |error: rusqlite::Error| of_change(&error, statement, self.limit);
        let mut prepared = self.connection.prepare_cached(&statement.text).map_err(wrong)?;
        let count = prepared.execute(rusqlite::params_from_iter(arguments.iter()));
        count.map_err(wrong).map(|count| u64::try_from(count).unwrap_or(u64::MAX))
    }

    async fn mark(&mut self) -> Result<(), Failure> {
        self.step(Step::Mark).await.map(drop)
    }

    async fn keep(&mut self) -> Result<(), Failure> {
        self.step(Step::Keep).await.map(drop)
    }

    async fn back(&mut self) -> Result<bool, Failure> {
        self.step(Step::Back).await
    }
}

#[async_trait]
impl Ended for Within<'_> {
    async fn step(&mut self, step: Step) -> Result<bool, Failure> {
        let sql = match step {
            // The file's one place for a writer is taken at once, not after rows were read.
            Step::Begin => "BEGIN IMMEDIATE",
            // What failed for the file's sake has ended the transaction itself.
            Step::Rollback if self.connection.is_autocommit() => return Ok(true),
            step => step.text(),
        };
        let done = self.connection.execute_batch(sql);
        done.map(|()| true).map_err(|error| failure(&error, self.limit))
    }

    fn marks(&self) -> bool {
        true
    }
}

impl ToSql for Argument {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Text(text) => text.to_sql(),
            Self::Integer(number) => number.to_sql(),
            Self::Null => rusqlite::types::Null.to_sql(),
        }
    }
}

fn rows(
    connection: &Connection,
    statement: &Statement,
    arguments: &[Argument],
    limit: Duration,
) -> Result<Vec<Row>, Failure> {
    let wrong = |error: rusqlite::Error| of_query(&error, statement, limit);
    let mut prepared = connection.prepare_cached(&statement.text).map_err(wrong)?;
    if !prepared.readonly() {
        return Err(Failure::Told(refused(statement, "it writes; a query only reads")));
    }
    let booleans: Vec<bool> =
        prepared.columns().iter().map(|column| is_boolean(column.decl_type())).collect();
    let names: Vec<String> = prepared.column_names().into_iter().map(str::to_owned).collect();
    let bound = rusqlite::params_from_iter(arguments.iter());
    let mut answer = prepared.query(bound).map_err(wrong)?;
    let (mut rows, mut bytes) = (Vec::new(), 0);
    while let Some(row) = answer.next().map_err(wrong)? {
        let mut cells = Vec::with_capacity(names.len());
        for (at, name) in names.iter().enumerate() {
            let cell = cell(row.get_ref(at).map_err(wrong)?, booleans[at]);
            bytes += cell.size();
            cells.push((name.clone(), cell));
        }
        if bytes > BYTES_MAX {
            return Err(Failure::Told(too_large(statement)));
        }
        rows.push(Row(cells));
        if rows.len() == ROWS_MAX {
            break;
        }
    }
    Ok(rows)
}

fn is_boolean(declared: Option<&str>) -> bool {
    declared.is_some_and(|kind| kind.to_ascii_lowercase().starts_with("bool"))
}

fn cell(value: ValueRef<'_>, is_boolean: bool) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number @ (0 | 1)) if is_boolean => Cell::Bool(number == 1),
        ValueRef::Integer(number) => Cell::Integer(number),
        ValueRef::Real(number) => Cell::Float(number),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Cell::bytes(bytes),
    }
}

fn outlook(
    connection: &Connection,
    statement: &Statement,
    arguments: &[Argument],
    limit: Duration,
) -> Result<Outlook, Failure> {
    let wrong = |error: rusqlite::Error| of_query(&error, statement, limit);
    let prepared = connection.prepare(&statement.text).map_err(wrong)?;
    if !prepared.readonly() {
        return Err(Failure::Told(refused(statement, "it writes; a query only reads")));
    }
    let columns = prepared.column_names().into_iter().map(str::to_owned).collect();
    let text = statement.within("EXPLAIN QUERY PLAN ", "");
    let mut plan = connection.prepare(&text).map_err(wrong)?;
    let bound = rusqlite::params_from_iter(arguments.iter());
    let details = plan.query_map(bound, |row| row.get::<_, String>("detail")).map_err(wrong)?;
    let details = details.collect::<rusqlite::Result<Vec<String>>>().map_err(wrong)?;
    let is_made = |name: &str| {
        let made = |word: &str, line: &str| line.strip_prefix(word).is_some_and(|of| of == name);
        details.iter().any(|line| made("MATERIALIZE ", line) || made("CO-ROUTINE ", line))
    };
    // `SCAN customers` (or what the query calls it), and not `SCAN customers USING COVERING
    // INDEX …` or of what the query itself made.
    let scanned = details.iter().filter_map(|line| line.strip_prefix("SCAN "));
    let scans = scanned.filter(|name| !name.contains([' ', '(']) && !is_made(name));
    let scans = scans.map(str::to_owned).collect();
    Ok(Outlook { columns, scans })
}

fn refused(statement: &Statement, reason: impl Into<String>) -> Error {
    Error::Invalid { field: Some(statement.setting.clone()), reason: reason.into() }
}

/// What SQLite said of a query. Its sentences about the text are of names in the query; those
/// about values are not passed on.
fn of_query(error: &rusqlite::Error, statement: &Statement, limit: Duration) -> Failure {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } => Failure::Told(refused(statement, msg)),
        rusqlite::Error::SqliteFailure(code, Some(message))
            if code.code == ErrorCode::Unknown && message.starts_with("no such ") =>
        {
            Failure::Told(refused(statement, message))
        }
        rusqlite::Error::SqliteFailure(code, _) => match code.code {
            ErrorCode::TooBig => Failure::Told(too_large(statement)),
            ErrorCode::Unknown => {
                Failure::Told(refused(statement, "SQLite refused to run it with these values"))
            }
            _ => failure(error, limit),
        },
        _ => failure(error, limit),
    }
}

/// What SQLite said of a write. What a constraint's message names are its columns.
fn of_change(error: &rusqlite::Error, statement: &Statement, limit: Duration) -> Failure {
    let rusqlite::Error::SqliteFailure(code, message) = error else {
        return of_query(error, statement, limit);
    };
    let message = message.as_deref().unwrap_or("a constraint of the table");
    match (code.code, code.extended_code) {
        (_, ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY) => {
            let reason = format!("another row has this value ({message})");
            Failure::Told(Error::Conflict { reason })
        }
        (_, ffi::SQLITE_CONSTRAINT_TRIGGER) => {
            Failure::Told(refused(statement, "a trigger of the table refuses it"))
        }
        (ErrorCode::ConstraintViolation, _) => Failure::Told(refused(statement, message)),
        _ => of_query(error, statement, limit),
    }
}

/// What SQLite said of the file or the time.
fn failure(error: &rusqlite::Error, limit: Duration) -> Failure {
    let Some(code) = error.sqlite_error_code() else {
        return Failure::Broken(Error::protocol("an answer that this SQLite cannot read"));
    };
    let file = |reason: &str| Error::Invalid { field: Some("file".into()), reason: reason.into() };
    match code {
        ErrorCode::OperationInterrupted => Failure::Told(late(limit)),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            Failure::Told(Error::unavailable("the file is locked by whoever writes it"))
        }
        ErrorCode::NotADatabase => Failure::Broken(file("is no SQLite database")),
        ErrorCode::ReadOnly => Failure::Told(Error::Invalid {
            field: None,
            reason: "the query writes, and this connection only reads".to_owned(),
        }),
        ErrorCode::CannotOpen | ErrorCode::PermissionDenied => Failure::Broken(Error::unavailable(
            "the file cannot be opened; does it exist, and may we read it and its folder?",
        )),
        other => Failure::Broken(Error::unavailable(format!("SQLite says {other:?}"))),
    }
}
