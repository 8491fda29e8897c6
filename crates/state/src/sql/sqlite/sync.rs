//! Waits for the disk in the writer's place, so that it fills the next commit meanwhile.
//!
//! What is committed survives the death of the process, but not a power cut, until the
//! log is synced. This thread syncs it and only then answers what was committed before
//! the sync began: one sync for all the commits that came during the last one.

use super::writer::{Queued, answer};
use crate::crash;
use crate::error::{Error, Result};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use tokio::runtime::Handle;

/// Commits that wait for the sync; the writer waits for room.
const COMMITS: usize = 2;

/// The thread and the way to it. Dropped, it syncs and answers what waits.
pub(super) struct Syncer {
    commits: Option<SyncSender<Vec<Queued>>>,
    thread: Option<JoinHandle<()>>,
    /// A sync failed: what the system holds of the log may be lost, and a later sync may
    /// say that all is well. Nothing is written any more until the store is opened anew.
    is_lost: Arc<AtomicBool>,
}

impl Syncer {
    /// Of the log beside this database, which is there as long as one connection is.
    pub(super) fn start(database: &Path, runtime: Option<Handle>) -> io::Result<Self> {
        let mut log = database.as_os_str().to_owned();
        log.push("-wal");
        Self::of(OpenOptions::new().read(true).write(true).open(log)?, runtime)
    }

    fn of(log: File, runtime: Option<Handle>) -> io::Result<Self> {
        let (commits, waiting) = sync_channel(COMMITS);
        let is_lost = Arc::new(AtomicBool::new(false));
        let thread = Thread { log, waiting, runtime, is_lost: is_lost.clone() };
        let thread = std::thread::Builder::new()
            .name("store-sync".to_owned())
            .spawn(move || thread.run())?;
        Ok(Self { commits: Some(commits), thread: Some(thread), is_lost })
    }

    /// Whether the disk has failed.
    pub(super) fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Acquire)
    }

    /// Answers the writes of one commit once it is synced.
    pub(super) fn answer(&self, committed: Vec<Queued>) {
        if let Some(commits) = &self.commits
            && let Err(unsent) = commits.send(committed)
        {
            // The thread has died: nobody knows what the disk holds.
            self.is_lost.store(true, Ordering::Release);
            answer(None, unsent.0, Err(lost()));
        }
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        drop(self.commits.take());
        if let Some(thread) = self.thread.take() {
            // A panic there is already logged.
            let _ = thread.join();
        }
    }
}

/// What a write is told after a sync has failed.
pub(super) fn lost() -> Error {
    Error::Unavailable {
        during: "writing",
        reason: "the disk failed to sync: mend it and start again".to_owned(),
    }
}

struct Thread {
    log: File,
    waiting: Receiver<Vec<Queued>>,
    runtime: Option<Handle>,
    is_lost: Arc<AtomicBool>,
}

impl Thread {
    fn run(self) {
        while let Ok(mut writes) = self.waiting.recv() {
            while let Ok(more) = self.waiting.try_recv() {
                writes.extend(more);
            }
            let outcome = self.sync();
            crash::point("write.synced");
            answer(self.runtime.as_ref(), writes, outcome);
            crash::point("write.answered");
        }
    }

    fn sync(&self) -> Result<()> {
        if let Err(error) = self.log.sync_data() {
            tracing::error!(error = %error.kind(), "the disk failed to sync: nothing is written any more");
            self.is_lost.store(true, Ordering::Release);
        }
        // What follows a failure was not written either, whatever its own sync said.
        if self.is_lost.load(Ordering::Acquire) { Err(lost()) } else { Ok(()) }
    }
}
