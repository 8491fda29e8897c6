//! Folds the write-ahead log into the file beside the writer, so that no commit waits for it.
//!
//! SQLite would let whoever commits next fold all of a full log, with everybody who waits
//! behind it. Here a thread of its own folds while the writer goes on. What it cannot do is to
//! let the log begin anew: under load there is always a commit that it has not seen. So the
//! writer folds the few pages that are left once most are done, and then begins anew.

use super::open_file;
use crate::error::{Error, Result};
use rusqlite::Connection;
use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Pages of 4 KiB after which what was written is folded by the thread: 4 MB.
const STEP: u32 = 1_000;
/// The log begins anew from here on, as soon as few are left: 16 MB.
pub(super) const ANEW: u32 = 4_000;
/// So few that the writer folds them itself: some hundred microseconds.
const FEW: u32 = 400;
/// A log that the thread cannot keep up with is folded by the writer, whatever that costs: 128 MB.
const MOST: u32 = 32_000;

thread_local! {
    /// Pages in the log after the last commit of this thread.
    static PAGES: Cell<u32> = const { Cell::new(0) };
}

/// The writer's end.
pub(super) struct Folding {
    ask: SyncSender<()>,
    thread: JoinHandle<()>,
    /// Pages of the log that lie in the file, as far as the thread has told.
    folded: Arc<AtomicU32>,
    /// Pages in the log when the thread was asked last.
    asked_at: u32,
    /// Pages from which on the writer looks whether the log can begin anew.
    anew_at: u32,
}

impl Folding {
    /// Takes the folding over from SQLite, for a store that logs ahead.
    pub(super) fn start(path: &Path, writer: &Connection) -> Result<Self> {
        // Called by the writer's own thread, after each of its commits.
        writer.wal_hook(Some(|_, pages| {
            PAGES.set(u32::try_from(pages).unwrap_or_default());
            Ok(())
        }));
        let connection = open_file(path)?;
        let (ask, asked) = sync_channel(1);
        let folded = Arc::new(AtomicU32::new(0));
        let told = Arc::clone(&folded);
        let thread = std::thread::Builder::new()
            .name("store-folder".to_owned())
            .spawn(move || fold_when(&asked, &connection, &told))
            .map_err(|error| Error::Unavailable {
                during: "opening",
                reason: error.kind().to_string(),
            })?;
        Ok(Self { ask, thread, folded, asked_at: 0, anew_at: ANEW })
    }

    /// After a commit: what is to be folded is folded, or asked for.
    pub(super) fn committed(&mut self, writer: &Connection) {
        let pages = PAGES.get();
        if pages < self.asked_at {
            // It has begun anew.
            (self.asked_at, self.anew_at) = (0, ANEW);
            self.folded.store(0, Ordering::Relaxed);
        }
        let left = pages.saturating_sub(self.folded.load(Ordering::Relaxed));
        if pages >= self.anew_at && (left <= FEW || pages >= MOST) {
            // Where the thread is at it just now, or a long read needs the log, again later.
            self.folded.store(fold(writer), Ordering::Relaxed);
            self.anew_at = pages + FEW;
        } else if pages >= self.asked_at + STEP && self.ask.try_send(()).is_ok() {
            self.asked_at = pages;
        }
    }

    /// Waits until nothing is being folded any more.
    pub(super) fn end(self) {
        drop(self.ask);
        // A panic there is already logged, and costs nothing: the log is folded when it is closed.
        let _ = self.thread.join();
    }
}

fn fold_when(asked: &Receiver<()>, connection: &Connection, told: &AtomicU32) {
    while asked.recv().is_ok() {
        told.store(fold(connection), Ordering::Relaxed);
    }
}

/// Folds what no reader needs any more, without waiting for anybody; how many pages of the log
/// lie in the file then.
fn fold(connection: &Connection) -> u32 {
    let folding =
        connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get::<_, i64>(2));
    // What fails is tried again with the next pages, and a disk that fails fails the commits.
    folding.ok().and_then(|pages| u32::try_from(pages).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{ANEW, Folding, PAGES};
    use crate::store::Durability;
    use rusqlite::Connection;
    use std::path::{Path, PathBuf};
    use std::sync::atomic::Ordering;
    use std::time::{Duration, Instant};

    /// A folder of its own, gone with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = format!("tieline-folding-{name}-{}", std::process::id());
            let folder = std::env::temp_dir().join(folder);
            std::fs::create_dir_all(&folder).expect("a folder");
            Self(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).ok();
        }
    }

    fn open(path: &Path) -> (Connection, Folding) {
        std::fs::File::create(path).expect("a file");
        let writer = super::open_file(path).expect("opens");
        super::super::into_wal(&writer, Durability::Process).expect("logs ahead");
        let folding = Folding::start(path, &writer).expect("a thread");
        writer.execute_batch("CREATE TABLE pages (page BLOB)").expect("a table");
        (writer, folding)
    }

    fn write(writer: &Connection, folding: &mut Folding, pages: u32) {
        let sql = "
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
            INSERT INTO pages SELECT zeroblob(4000) FROM n";
        writer.execute(sql, [pages]).expect("written");
        folding.committed(writer);
    }

    /// Until the thread has folded so many.
    fn wait(folding: &Folding, pages: u32) {
        let until = Instant::now() + Duration::from_secs(60);
        while folding.folded.load(Ordering::Relaxed) < pages {
            assert!(Instant::now() < until, "the thread folds");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_log_that_was_folded_beside_the_writer_begins_anew() {
        let folder = Folder::new("anew");
        let (writer, mut folding) = open(&folder.0.join("a.db"));
        write(&writer, &mut folding, ANEW + 100);
        let written = PAGES.get();
        assert!(written > ANEW, "{written}");
        wait(&folding, written);
        // The writer folds what is left after its next commit, if anything is.
        write(&writer, &mut folding, 1);
        write(&writer, &mut folding, 1);
        assert!(PAGES.get() < 10, "{} pages", PAGES.get());
        folding.end();
        let rows: u32 =
            writer.query_row("SELECT count(*) FROM pages", [], |row| row.get(0)).expect("read");
        assert_eq!(rows, ANEW + 102);
    }

    #[test]
    fn a_long_read_keeps_the_log_and_costs_no_commit_a_fold() {
        let folder = Folder::new("read");
        let path = folder.0.join("a.db");
        let (writer, mut folding) = open(&path);
        let reader = super::open_file(&path).expect("opens");
        reader.execute_batch("BEGIN; SELECT count(*) FROM pages").expect("reads");
        write(&writer, &mut folding, ANEW + 100);
        let written = PAGES.get();
        for _ in 0..50 {
            write(&writer, &mut folding, 1);
        }
        assert!(PAGES.get() >= written + 50, "what the read may need stays in the log");
        reader.execute_batch("COMMIT").expect("ends");
        let until = Instant::now() + Duration::from_secs(60);
        while PAGES.get() >= written {
            assert!(Instant::now() < until, "it begins anew once nobody reads");
            write(&writer, &mut folding, 100);
        }
        folding.end();
    }
}
