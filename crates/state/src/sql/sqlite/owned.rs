//! The files of an embedded store: one owner, and for nobody else's eyes.

use crate::error::{Error, Result};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file of a store and the lock that makes it ours.
pub(crate) struct Owned {
    pub(crate) path: PathBuf,
    /// Held, not read: the lock ends with the file handle.
    _lock: std::fs::File,
}

/// How long a lock may be held by somebody who is about to let go of it: an owner that is
/// ending, or a process that one of ours was just about to become, which holds every file
/// of ours for the moment between its birth and its program.
const LETTING_GO: Duration = Duration::from_secs(1);

impl Owned {
    /// As [`Owned::take`], with patience for who is about to let go.
    pub(crate) async fn take_soon(path: &Path) -> Result<Self> {
        let until = tokio::time::Instant::now() + LETTING_GO;
        loop {
            match Self::take(path) {
                Err(Error::Locked { .. }) if tokio::time::Instant::now() < until => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                taken => return taken,
            }
        }
    }

    /// Takes the lock of the store at `path`, making folder and file (0700, 0600) where missing.
    fn take(path: &Path) -> Result<Self> {
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
