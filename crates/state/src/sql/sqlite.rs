//! SQLite: one writer thread that groups commits, readers in place, one owner.
//!
//! A write is queued (bounded), the writer takes everything that waits, runs
//! each write in a savepoint of one transaction, commits once, and only then
//! answers each (invariants 1 and 10): a bad write costs its neighbours
//! nothing, and sixty-four callers share one sync of the disk. A read runs on
//! the caller's own thread, on a connection of its own; it takes microseconds.

mod folding;
mod owned;
mod statement;
mod writer;

pub(crate) use owned::{Owned, beside, private_file};
pub(super) use statement::{batch, execute, insert, rows};

use super::{Nudges, Tx, Work, at_once};
use crate::directory::Recent;
use crate::error::{Error, Result};
use crate::store::{Durability, Options};
use folding::Folding;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use writer::{Queued, Waiting, WriterThread};

/// Writes that may wait; the next caller waits for room.
const QUEUE: usize = 4096;
/// Statements kept prepared per connection; we have fewer.
const PREPARED: usize = 64;

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

impl Sqlite {
    /// Opens the store and runs `prepare` in its first transaction. Blocks for
    /// a few milliseconds; no table is scanned.
    pub(crate) fn open<W: Work>(
        owned: Option<Owned>,
        options: &Options,
        nudges: Nudges,
        recent: Arc<Recent>,
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
        let (mut readers, mut folding) = (Vec::new(), None);
        if let Some(owned) = &owned {
            into_wal(&writer, options.durability).map_err(opening)?;
            folding = Some(Folding::start(&owned.path, &writer)?);
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
            folding,
            connection: writer.clone(),
            nudges,
            recent,
            runtime: Handle::try_current().ok(),
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

    /// Folds the log into the file and empties it. Blocks the writer for as long as it takes.
    pub(crate) fn fold_log(&self) -> Result<()> {
        let writer = hold(&self.writer);
        let connection = writer.as_ref().ok_or(Error::Closed)?;
        connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))
            .map_err(|error| Error::sqlite("folding the log", &error))
            .and_then(|is_held| match is_held {
                0 => Ok(()),
                _ => Err(Error::Unavailable {
                    during: "folding the log",
                    reason: "a long read holds it".to_owned(),
                }),
            })
    }

    /// Whether this is the store's own file, by whatever name.
    pub(crate) fn owns(&self, file: &Path) -> bool {
        let real = |path: &Path| std::fs::canonicalize(path).ok();
        self.path.as_deref().and_then(real).is_some_and(|own| real(file) == Some(own))
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
    // A plan holds whatever is bound: else a statement is prepared anew for each new value.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // What is deleted is gone from the file as well, not only from view.
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    // Not mapped into memory: measured, and the growing file's remapping cost what reading saved.
    connection.pragma_update(None, "cache_size", -4096) // 4 MB, filled as used
}

fn into_wal(writer: &Connection, durability: Durability) -> rusqlite::Result<()> {
    writer.pragma_update(None, "journal_mode", "wal")?;
    writer.pragma_update(None, "journal_size_limit", i64::from(folding::ANEW) * 4096)?;
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
