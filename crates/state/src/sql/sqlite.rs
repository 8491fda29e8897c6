//! SQLite: one writer thread that groups commits, readers in place, one owner.
//!
//! A write is queued (bounded), the writer takes everything that waits, runs
//! each write in a savepoint of one transaction, commits once, and only then
//! answers each (invariants 1 and 10): a bad write costs its neighbours
//! nothing, and sixty-four callers share one sync of the disk. A read runs on
//! the caller's own thread, on a connection of its own; it takes microseconds.

use super::{Cell, Param, Row, Tx, Work, at_once};
use crate::crash;
use crate::error::{Error, Result};
use crate::store::{Durability, Options};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, ToSql};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// Writes that may wait; the next caller waits for room.
const QUEUE: usize = 4096;
/// Writes that share one commit.
const BATCH: usize = 256;
/// Statements kept prepared per connection; we have fewer.
const PREPARED: usize = 64;
/// Pages in the log before it is folded into the file: 16 MB.
const CHECKPOINT_PAGES: u32 = 4000;

pub(crate) struct Sqlite {
    /// `None` in memory.
    path: Option<PathBuf>,
    queue: Mutex<Option<mpsc::Sender<Queued>>>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
    /// Also serves reads of a store in memory, which has no second connection.
    writer: Arc<Mutex<Option<Connection>>>,
    readers: Vec<Mutex<Option<Connection>>>,
    next_reader: AtomicUsize,
    healthy: Arc<AtomicBool>,
}

/// The file of a store and the lock that makes it ours.
pub(crate) struct Owned {
    pub(crate) path: PathBuf,
    /// Held, not read: the lock ends with the file handle.
    _lock: std::fs::File,
}

impl Owned {
    /// Takes the lock of the store at `path`, making folder and file (0700, 0600) where missing.
    pub(crate) fn take(path: &Path) -> Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.exists()) {
            private_folder(folder).map_err(|error| Error::file(folder, &error))?;
        }
        let lock_path = beside(path, ".lock");
        let mut lock =
            private_file(&lock_path, false).map_err(|error| Error::file(&lock_path, &error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                let pid = std::fs::read_to_string(&lock_path).ok();
                return Err(Error::Locked { pid: pid.and_then(|pid| pid.trim().parse().ok()) });
            }
            Err(std::fs::TryLockError::Error(error)) => {
                return Err(Error::file(&lock_path, &error));
            }
        }
        use std::io::Write;
        lock.set_len(0)
            .and_then(|()| writeln!(lock, "{}", std::process::id()))
            .map_err(|error| Error::file(&lock_path, &error))?;
        private_file(path, false).map_err(|error| Error::file(path, &error))?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }
}

/// The path with `suffix` after its last component.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Opens a file only we can read, keeping what is in it unless it must be new.
pub(crate) fn private_file(path: &Path, new: bool) -> std::io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).create(!new).create_new(new).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn private_folder(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

impl Sqlite {
    /// Opens the store and runs `prepare` in its first transaction. Blocks for
    /// a few milliseconds; no table is scanned.
    pub(crate) fn open<W: Work>(
        owned: Option<Owned>,
        options: &Options,
        jobs_added: watch::Sender<u64>,
        prepare: &W,
    ) -> Result<(Self, W::Output)> {
        let opening = |error| Error::sqlite("opening", &error);
        let mut writer = match &owned {
            Some(owned) => open_file(&owned.path)?,
            None => {
                let memory = Connection::open_in_memory().map_err(opening)?;
                tune(&memory).map_err(opening)?;
                memory
            }
        };
        let output = in_transaction(&mut writer, prepare)?;
        let mut readers = Vec::new();
        if let Some(owned) = &owned {
            into_wal(&writer, options.durability).map_err(opening)?;
            for _ in 0..options.readers.max(1) {
                let reader = open_file(&owned.path)?;
                reader.pragma_update(None, "query_only", true).map_err(opening)?;
                readers.push(Mutex::new(Some(reader)));
            }
        }
        let writer = Arc::new(Mutex::new(Some(writer)));
        let healthy = Arc::new(AtomicBool::new(true));
        let (queue, waiting) = mpsc::channel(QUEUE);
        let path = owned.as_ref().map(|owned| owned.path.clone());
        let thread = WriterThread {
            waiting,
            connection: writer.clone(),
            jobs_added,
            healthy: healthy.clone(),
            _owned: owned,
        };
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || thread.run())
            .map_err(|error| Error::Unavailable {
                during: "opening",
                reason: error.kind().to_string(),
            })?;
        let store = Self {
            path,
            queue: Mutex::new(Some(queue)),
            thread: Mutex::new(Some(thread)),
            writer,
            readers,
            next_reader: AtomicUsize::new(0),
            healthy,
        };
        Ok((store, output))
    }

    /// Queues the work; returns once it is committed.
    pub(crate) async fn write<W: Work + 'static>(&self, work: W) -> Result<W::Output> {
        let (reply, answer) = oneshot::channel();
        let queue = hold(&self.queue).clone().ok_or(Error::Closed)?;
        let queued = Box::new(Waiting { work, result: None, reply });
        queue.send(queued).await.map_err(|_| Error::Closed)?;
        drop(queue);
        answer.await.map_err(|_| Error::Closed)?
    }

    /// Runs the work at once, on this thread.
    pub(crate) fn read<W: Work>(&self, work: &W) -> Result<W::Output> {
        let mut reader = self.reader();
        let connection = reader.as_mut().ok_or(Error::Closed)?;
        at_once(work.run(&mut Tx::sqlite(connection)))
    }

    /// A free reader, or the next one in turn when all are busy.
    fn reader(&self) -> MutexGuard<'_, Option<Connection>> {
        if self.readers.is_empty() {
            return hold(&self.writer);
        }
        let first = self.next_reader.fetch_add(1, Ordering::Relaxed);
        let turn = |step: usize| &self.readers[first.wrapping_add(step) % self.readers.len()];
        (0..self.readers.len())
            .find_map(|step| turn(step).try_lock().ok())
            .unwrap_or_else(|| hold(turn(0)))
    }

    /// Writes the store as it is at this moment into an empty file. Readers
    /// and the writer go on, except in memory. Blocks for as long as it takes.
    pub(crate) fn copy_into(&self, target: &Path) -> Result<()> {
        let copy = |connection: &Connection| {
            let into = connection.execute("VACUUM INTO ?1", [target.to_string_lossy()]);
            into.map(|_| ()).map_err(|error| Error::sqlite("copying", &error))
        };
        match &self.path {
            Some(path) => copy(&open_file(path)?),
            None => copy(hold(&self.writer).as_ref().ok_or(Error::Closed)?),
        }
    }

    /// Whether the last commit went well and the writer is there.
    pub(crate) fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed) && hold(&self.queue).is_some()
    }

    /// Commits what waits, folds the log into the file and gives up the lock.
    pub(crate) fn close(&self) {
        drop(hold(&self.queue).take());
        for reader in &self.readers {
            drop(hold(reader).take());
        }
        if let Some(thread) = hold(&self.thread).take() {
            // The writer answers all that waits before it ends; a panic there is already logged.
            let _ = thread.join();
        }
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.close();
    }
}

/// A poisoned lock only means that a reader panicked; the connection is fine.
fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection to a file that is there; each is used by one thread at a time.
pub(crate) fn open_file(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags)
        .and_then(|connection| tune(&connection).map(|()| connection))
        .map_err(|error| Error::sqlite("opening", &error))
}

fn tune(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(PREPARED);
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "cache_size", -4096) // 4 MB, filled as used
}

fn into_wal(writer: &Connection, durability: Durability) -> rusqlite::Result<()> {
    writer.pragma_update(None, "journal_mode", "wal")?;
    writer.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    writer.pragma_update(None, "journal_size_limit", i64::from(CHECKPOINT_PAGES) * 4096)?;
    let synchronous = match durability {
        Durability::Power => "full",
        Durability::Process => "normal",
    };
    writer.pragma_update(None, "synchronous", synchronous)
}

/// Runs the work in a transaction of its own, on this thread.
pub(crate) fn in_transaction<W: Work>(connection: &mut Connection, work: &W) -> Result<W::Output> {
    batch(connection, "BEGIN IMMEDIATE")?;
    let output = at_once(work.run(&mut Tx::sqlite(connection)));
    match output {
        Ok(output) => batch(connection, "COMMIT").map(|()| output),
        Err(error) => {
            // The first error is the one to tell.
            let _ = batch(connection, "ROLLBACK");
            Err(error)
        }
    }
}

type Queued = Box<dyn Write>;

/// A write in the queue: run in the transaction, answered after the commit.
trait Write: Send {
    fn run(&mut self, connection: &mut Connection) -> Ran;
    fn answer(self: Box<Self>, commit: Result<()>);
}

struct Ran {
    well: bool,
    added_jobs: bool,
}

struct Waiting<W: Work> {
    work: W,
    result: Option<Result<W::Output>>,
    reply: oneshot::Sender<Result<W::Output>>,
}

impl<W: Work> Write for Waiting<W> {
    fn run(&mut self, connection: &mut Connection) -> Ran {
        let mut tx = Tx::sqlite(connection);
        let result = at_once(self.work.run(&mut tx));
        let ran = Ran { well: result.is_ok(), added_jobs: tx.added_jobs };
        self.result = Some(result);
        ran
    }

    fn answer(self: Box<Self>, commit: Result<()>) {
        let answer = match self.result {
            Some(Err(error)) => Err(error),
            Some(Ok(output)) => commit.map(|()| output),
            None => Err(commit.err().unwrap_or(Error::Closed)),
        };
        // Nobody listens when the caller has given up; the write stands all the same.
        let _ = self.reply.send(answer);
    }
}

struct WriterThread {
    waiting: mpsc::Receiver<Queued>,
    connection: Arc<Mutex<Option<Connection>>>,
    jobs_added: watch::Sender<u64>,
    healthy: Arc<AtomicBool>,
    /// Held as long as the thread lives: the store is ours until the last commit.
    _owned: Option<Owned>,
}

impl WriterThread {
    /// Until the store is closed or its last owner is gone, and nothing waits any more.
    fn run(mut self) {
        let mut batch: Vec<Queued> = Vec::with_capacity(BATCH);
        while let Some(first) = self.waiting.blocking_recv() {
            batch.push(first);
            while batch.len() < BATCH
                && let Ok(next) = self.waiting.try_recv()
            {
                batch.push(next);
            }
            self.commit(&mut batch);
        }
        if let Some(connection) = hold(&self.connection).take() {
            // The log would be folded in at the next start anyway.
            let _ = connection.pragma_update(None, "wal_checkpoint", "truncate");
        }
    }

    fn commit(&self, writes: &mut Vec<Queued>) {
        crash::point("write.begin");
        let answer_early = crash::planted("answer-before-commit");
        let mut connection = hold(&self.connection);
        let Some(connection) = connection.as_mut() else {
            writes.drain(..).for_each(|write| write.answer(Err(Error::Closed)));
            return;
        };
        let mut added_jobs = false;
        let mut outcome = batch(connection, "BEGIN IMMEDIATE")
            .and_then(|()| run_each(connection, writes, &mut added_jobs));
        if answer_early {
            writes.drain(..).for_each(|write| write.answer(outcome.clone()));
        }
        crash::point("write.commit");
        outcome = outcome.and_then(|()| execute(connection, "COMMIT", &[]).map(|_| ()));
        crash::point("write.committed");
        self.healthy.store(outcome.is_ok(), Ordering::Relaxed);
        if let Err(error) = &outcome {
            tracing::error!(%error, writes = writes.len(), "the store could not commit");
            if !connection.is_autocommit() {
                // What cannot be rolled back either is rolled back by the next open.
                let _ = batch(connection, "ROLLBACK");
            }
        } else if added_jobs {
            self.jobs_added.send_modify(|count| *count = count.wrapping_add(1));
        }
        writes.drain(..).for_each(|write| write.answer(outcome.clone()));
        crash::point("write.answered");
    }
}

/// Runs every write, each undone alone when it fails. An error is one of the
/// transaction as a whole: then none of them stands.
fn run_each(
    connection: &mut Connection,
    writes: &mut [Queued],
    added_jobs: &mut bool,
) -> Result<()> {
    for write in writes {
        execute(connection, "SAVEPOINT one", &[])?;
        let ran = write.run(connection);
        if connection.is_autocommit() {
            // Disk full or failing: SQLite has rolled back the whole transaction.
            return Err(Error::Unavailable {
                during: "writing",
                reason: "SQLite gave up the transaction".to_owned(),
            });
        }
        if ran.well {
            *added_jobs |= ran.added_jobs;
        } else {
            execute(connection, "ROLLBACK TO one", &[])?;
        }
        execute(connection, "RELEASE one", &[])?;
    }
    Ok(())
}

impl ToSql for Param<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Self::Int(Some(value)) => ValueRef::Integer(value),
            Self::Text(Some(value)) => ValueRef::Text(value.as_bytes()),
            Self::Blob(Some(value)) => ValueRef::Blob(value),
            Self::Int(None) | Self::Text(None) | Self::Blob(None) => ValueRef::Null,
        }))
    }
}

pub(super) fn rows(connection: &Connection, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>> {
    let read = || -> rusqlite::Result<Vec<Row>> {
        let mut statement = connection.prepare_cached(sql)?;
        let columns = statement.column_count();
        let mut answer = statement.query(rusqlite::params_from_iter(params))?;
        let mut rows = Vec::new();
        while let Some(row) = answer.next()? {
            let cells = (0..columns).map(|at| row.get_ref(at).map(Cell::from));
            rows.push(Row(cells.collect::<rusqlite::Result<_>>()?));
        }
        Ok(rows)
    };
    read().map_err(|error| Error::sqlite("reading", &error))
}

pub(super) fn execute(connection: &Connection, sql: &str, params: &[Param<'_>]) -> Result<u64> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute(rusqlite::params_from_iter(params)))
        .map(|rows| rows as u64)
        .map_err(|error| Error::sqlite("writing", &error))
}

pub(super) fn batch(connection: &Connection, sql: &str) -> Result<()> {
    connection.execute_batch(sql).map_err(|error| Error::sqlite("writing", &error))
}

impl From<ValueRef<'_>> for Cell {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Integer(value) => Self::Int(value),
            ValueRef::Text(value) => Self::Text(String::from_utf8_lossy(value).into_owned()),
            ValueRef::Blob(value) => Self::Blob(value.to_vec()),
            ValueRef::Null | ValueRef::Real(_) => Self::Null, // no column of ours is real
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Sqlite;
    use crate::error::{Error, Result};
    use crate::sql::{Tx, Work};
    use crate::store::Options;
    use tokio::sync::watch;

    /// Writes a number, and may then fail.
    struct Number(i64, bool);

    impl Work for Number {
        type Output = ();
        async fn run(&self, tx: &mut Tx<'_>) -> Result<()> {
            tx.execute("INSERT INTO numbers VALUES (?1)", &[self.0.into()]).await?;
            if self.1 { Err(Error::Corrupt { what: "on purpose" }) } else { Ok(()) }
        }
    }

    struct Table;

    impl Work for Table {
        type Output = ();
        async fn run(&self, tx: &mut Tx<'_>) -> Result<()> {
            tx.batch("CREATE TABLE numbers (n INTEGER PRIMARY KEY)", "").await
        }
    }

    struct Sum;

    impl Work for Sum {
        type Output = i64;
        async fn run(&self, tx: &mut Tx<'_>) -> Result<i64> {
            let row = tx.row("SELECT coalesce(sum(n), 0) FROM numbers", &[]).await?;
            row.expect("a sum").int(0)
        }
    }

    #[tokio::test]
    async fn a_bad_write_costs_its_neighbours_nothing() {
        let (nudge, _) = watch::channel(0);
        let (store, ()) = Sqlite::open(None, &Options::default(), nudge, &Table).expect("open");
        let store = std::sync::Arc::new(store);
        // The reader of a store in memory holds the writer up, so that all share one batch.
        let held = store.reader();
        let mut writes = Vec::new();
        for n in 1..=100 {
            let store = store.clone();
            writes.push(tokio::spawn(async move { store.write(Number(n, n % 10 == 0)).await }));
        }
        tokio::task::yield_now().await;
        drop(held);
        for (n, write) in (1..=100).zip(writes) {
            assert_eq!(write.await.expect("ran").is_err(), n % 10 == 0, "{n}");
        }
        assert_eq!(store.read(&Sum).expect("read"), 5050 - 550);
        let twice = store.write(Number(1, false)).await.expect_err("a constraint");
        assert!(matches!(twice, Error::Unavailable { .. }), "{twice}");
        assert_eq!(store.read(&Sum).expect("read"), 5050 - 550);
    }
}
