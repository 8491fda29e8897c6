//! The one thread that writes: it takes all that waits and commits it at once.
//!
//! Each write runs in a savepoint of the shared transaction and is answered
//! only after the commit (invariants 1 and 10). A write that fails is undone
//! alone; a commit that fails is told to everyone who was part of it.

use super::folding::Folding;
use super::{batch, execute, hold};
use crate::crash;
use crate::directory::Recent;
use crate::error::{Error, Result};
use crate::sql::sqlite::Owned;
use crate::sql::{Added, Nudges, Touched, Tx, Work, at_once};
use rusqlite::Connection;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

/// Writes that share one commit.
const BATCH: usize = 256;
/// When so many shared the last commit, the next one waits for company: a commit
/// costs the same for many. A lone write never waits.
const BUSY: usize = 8;
const GATHER: Duration = Duration::from_micros(200);

pub(super) type Queued = Box<dyn Write>;

/// A write in the queue: run in the transaction, answered after the commit.
pub(super) trait Write: Send {
    fn run(&mut self, connection: &mut Connection) -> Ran;
    fn answer(self: Box<Self>, commit: Result<()>);
}

pub(super) struct Ran {
    well: bool,
    added: Added,
    touched: Touched,
}

/// What follows from a commit, besides its answers.
struct Effects {
    added: Added,
    touched: Touched,
}

impl Effects {
    fn none() -> Self {
        Self { added: Added::default(), touched: Touched::Nothing }
    }

    fn add(&mut self, ran: Ran) {
        self.added.join(ran.added);
        self.touched.join(ran.touched);
    }
}

pub(super) struct Waiting<W: Work> {
    pub(super) work: W,
    pub(super) result: Option<Result<W::Output>>,
    pub(super) reply: oneshot::Sender<Result<W::Output>>,
}

impl<W: Work> Write for Waiting<W> {
    fn run(&mut self, connection: &mut Connection) -> Ran {
        let mut tx = Tx::sqlite(connection);
        let result = at_once(self.work.run(&mut tx));
        let ran = Ran { well: result.is_ok(), added: tx.added(), touched: tx.touched };
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

pub(super) struct WriterThread {
    pub(super) waiting: mpsc::Receiver<Queued>,
    pub(super) connection: Arc<Mutex<Option<Connection>>>,
    /// `None` in memory.
    pub(super) folding: Option<Folding>,
    pub(super) nudges: Nudges,
    pub(super) recent: Arc<Recent>,
    /// Where those who wait are awakened: all of a batch at once, by one crossing
    /// of threads instead of one each.
    pub(super) runtime: Option<Handle>,
    pub(super) healthy: Arc<AtomicBool>,
    /// Held as long as the thread lives: the store is ours until the last commit.
    pub(super) _owned: Option<Owned>,
}

impl WriterThread {
    /// Until the store is closed or its last owner is gone, and nothing waits any more.
    pub(super) fn run(mut self) {
        let mut batch: Vec<Queued> = Vec::with_capacity(BATCH);
        let mut is_busy = false;
        while let Some(first) = self.waiting.blocking_recv() {
            batch.push(first);
            if is_busy {
                std::thread::sleep(GATHER);
            }
            while batch.len() < BATCH
                && let Ok(next) = self.waiting.try_recv()
            {
                batch.push(next);
            }
            is_busy = batch.len() >= BUSY;
            self.commit(&mut batch);
            self.fold();
        }
        if let Some(folding) = self.folding.take() {
            folding.end();
        }
        if let Some(connection) = hold(&self.connection).take() {
            // The log would be folded in at the next start anyway.
            let _ = connection.pragma_update(None, "wal_checkpoint", "truncate");
        }
    }

    /// What was committed is answered already; the next commit waits for this.
    fn fold(&mut self) {
        let connection = hold(&self.connection);
        if let (Some(folding), Some(connection)) = (&mut self.folding, &*connection) {
            folding.committed(connection);
        }
    }

    fn commit(&self, writes: &mut Vec<Queued>) {
        crash::point("write.begin");
        let answer_early = crash::planted("answer-before-commit");
        let mut connection = hold(&self.connection);
        let Some(connection) = connection.as_mut() else {
            self.answer(writes, Err(Error::Closed));
            return;
        };
        let mut effects = Effects::none();
        let mut outcome = run_batch(connection, writes, &mut effects);
        if answer_early {
            self.answer(writes, outcome.clone());
            // The planted bug has its effect where the disk is slow: the answers get out first.
            std::thread::sleep(Duration::from_millis(20));
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
        } else {
            self.recent.forget(&effects.touched);
            self.nudges.send(effects.added);
        }
        self.answer(writes, outcome);
        crash::point("write.answered");
    }
}

impl WriterThread {
    fn answer(&self, writes: &mut Vec<Queued>, outcome: Result<()>) {
        let writes = std::mem::replace(writes, Vec::with_capacity(BATCH));
        let all = move || writes.into_iter().for_each(|write| write.answer(outcome.clone()));
        match &self.runtime {
            Some(runtime) => drop(runtime.spawn(async move { all() })),
            None => all(),
        }
    }
}

/// Runs every write in one transaction that is left open. All go well nearly
/// always, so they first run together; where one fails, all are undone and run
/// again, each in a savepoint (which costs a copy of every page it changes), so
/// that a bad write costs its neighbours nothing. An error is one of the
/// transaction as a whole: then none of them stands.
fn run_batch(
    connection: &mut Connection,
    writes: &mut [Queued],
    effects: &mut Effects,
) -> Result<()> {
    batch(connection, "BEGIN IMMEDIATE")?;
    let mut all_well = true;
    for write in writes.iter_mut() {
        let ran = run_one(connection, write)?;
        all_well = ran.well;
        effects.add(ran);
        if !all_well {
            break;
        }
    }
    if all_well {
        return Ok(());
    }
    *effects = Effects::none();
    batch(connection, "ROLLBACK")?;
    batch(connection, "BEGIN IMMEDIATE")?;
    for write in writes {
        execute(connection, "SAVEPOINT one", &[])?;
        let ran = run_one(connection, write)?;
        if ran.well {
            effects.add(ran);
        } else {
            execute(connection, "ROLLBACK TO one", &[])?;
        }
        execute(connection, "RELEASE one", &[])?;
    }
    Ok(())
}

fn run_one(connection: &mut Connection, write: &mut Queued) -> Result<Ran> {
    let ran = write.run(connection);
    if connection.is_autocommit() {
        // Disk full or failing: SQLite has rolled back the whole transaction.
        return Err(Error::Unavailable {
            during: "writing",
            reason: "SQLite gave up the transaction".to_owned(),
        });
    }
    Ok(ran)
}

#[cfg(test)]
mod tests {
    use crate::error::{Error, Result};
    use crate::sql::sqlite::{Sqlite, hold};
    use crate::sql::{Tx, Work};
    use crate::store::Options;
    use std::sync::Arc;

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

    #[test]
    fn a_bad_write_costs_its_neighbours_nothing() {
        let (store, ()) =
            Sqlite::open(None, &Options::default(), Default::default(), Arc::default(), &Table)
                .expect("open");
        let store = Arc::new(store);
        let runtime = tokio::runtime::Builder::new_multi_thread().build().expect("a runtime");
        // Whoever reads a store in memory holds its writer up, so that writes gather.
        let held = hold(&store.writer);
        let writes: Vec<_> = (1..=100)
            .map(|n| {
                let store = store.clone();
                runtime.spawn(async move { store.write(Number(n, n % 10 == 0)).await })
            })
            .collect();
        drop(held);
        for (n, write) in (1..=100).zip(writes) {
            let written = runtime.block_on(write).expect("ran");
            assert_eq!(written.is_err(), n % 10 == 0, "{n}");
        }
        assert_eq!(store.read(&Sum).expect("read"), 5050 - 550);
        let twice = runtime.block_on(store.write(Number(1, false))).expect_err("a constraint");
        assert!(matches!(twice, Error::Unavailable { .. }), "{twice}");
        assert_eq!(store.read(&Sum).expect("read"), 5050 - 550);
    }
}
