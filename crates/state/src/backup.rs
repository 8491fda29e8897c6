//! A copy of the store while it serves, and the way back.
//!
//! A backup is one SQLite file, whichever engine it came from, and restores
//! into either. It is consistent (one moment of the store) and complete: the
//! keys travel with it, still wrapped, so it is worth nothing without the
//! master key and everything with it. It appears under its name only when it
//! is whole.

mod alerts;
mod copy;
mod presence;
mod routing;
mod syncing;
mod tables;

use crate::crash;
use crate::error::{Boxed, Error, Result};
use crate::keys::{Keyring, MasterKey, fill_random};
use crate::sql::postgres::Postgres;
use crate::sql::schema::{self, Prepare};
use crate::sql::sqlite::{Owned, beside, in_transaction, open_file, private_file};
use crate::sql::{Tx, Work};
use crate::store::{Engine, Location, Options, Store, now};
use std::path::Path;

/// How every SQLite file begins (sqlite.org/fileformat.html).
const SQLITE_HEAD: &[u8; 16] = b"SQLite format 3\0";

/// What to do where something is already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// Refuse with [`Error::NotEmpty`].
    #[default]
    Keep,
    Replace,
}

impl Store {
    /// Writes a backup to `to`, readable by us alone. Calls go on meanwhile.
    pub fn backup<'a>(&'a self, to: &'a Path, existing: Existing) -> Boxed<'a, ()> {
        Box::pin(async move {
            if to.exists() && (existing == Existing::Keep || !self.may_replace(to)) {
                return Err(Error::NotEmpty { path: to.to_owned() });
            }
            let partial = beside(to, ".partial");
            make_empty(&partial)?;
            let copied = self.copy_into(&partial).await;
            let done = copied.and_then(|()| rename_whole(&partial, to, "backup.copied"));
            if done.is_err() {
                // What is left of a failed copy helps nobody; the error is the news.
                let _ = std::fs::remove_file(&partial);
            }
            done?;
            crash::point("backup.renamed");
            Ok(())
        })
    }

    /// Only another backup is ever replaced: not the store that is being served,
    /// nor a file that is something else.
    fn may_replace(&self, to: &Path) -> bool {
        let is_ours = match self.engine() {
            Engine::Sqlite(sqlite) => sqlite.owns(to),
            Engine::Postgres(_) => false,
        };
        let mut head = [0; SQLITE_HEAD.len()];
        let read = std::fs::File::open(to).and_then(|mut file| {
            use std::io::Read as _;
            file.read_exact(&mut head)
        });
        !is_ours && read.is_ok() && &head == SQLITE_HEAD
    }

    async fn copy_into(&self, file: &Path) -> Result<()> {
        match self.engine() {
            Engine::Sqlite(_) => {
                let (store, file) = (self.clone(), file.to_owned());
                let copying = tokio::task::spawn_blocking(move || match store.engine() {
                    Engine::Sqlite(sqlite) => sqlite.copy_into(&file),
                    Engine::Postgres(_) => Ok(()),
                });
                copying.await.map_err(|_| Error::Unavailable {
                    during: "copying",
                    reason: "the copy was cut short".to_owned(),
                })?
            }
            Engine::Postgres(postgres) => dump(postgres, file).await,
        }
    }
}

/// Brings a backup back into an empty place, or in place of what is there.
/// Nobody else may use the store meanwhile (SQLite: the lock sees to it).
///
/// # Errors
/// A backup that is damaged, of a newer schema, or of another master key is
/// refused before the target is touched.
pub async fn restore(
    from: &Path,
    to: &Location,
    master: &MasterKey,
    existing: Existing,
) -> Result<()> {
    match to {
        Location::Sqlite { path } => {
            if !from.is_file() {
                return Err(Error::File {
                    path: from.to_owned(),
                    reason: "no such file".to_owned(),
                });
            }
            let owned = Owned::take_soon(path).await?;
            let (from, master) = (from.to_owned(), master.clone());
            let restoring =
                tokio::task::spawn_blocking(move || restore_file(&from, &owned, &master, existing));
            restoring.await.map_err(|_| Error::Unavailable {
                during: "restoring",
                reason: "the copy was cut short".to_owned(),
            })?
        }
        Location::Postgres { url } => restore_postgres(from, url, master, existing).await,
        Location::SqliteMemory => Err(Error::NotALocation),
    }
}

fn restore_file(from: &Path, to: &Owned, master: &MasterKey, existing: Existing) -> Result<()> {
    let path = to.path.as_path();
    let is_empty = std::fs::metadata(path).is_ok_and(|file| file.len() == 0);
    if existing == Existing::Keep && !is_empty {
        return Err(Error::NotEmpty { path: path.to_owned() });
    }
    let restoring = beside(path, ".restoring");
    let done = copy_checked(from, &restoring, master)
        .and_then(|()| settle_log(path))
        .and_then(|()| rename_whole(&restoring, path, "restore.copied"));
    if done.is_err() {
        // As in a backup: what is left helps nobody.
        let _ = std::fs::remove_file(&restoring);
    }
    done?;
    crash::point("restore.renamed");
    Ok(())
}

async fn restore_postgres(
    from: &Path,
    url: &str,
    master: &MasterKey,
    existing: Existing,
) -> Result<()> {
    // A copy is brought up to our schema first; the backup itself is left alone.
    let mut name = [0; 8];
    fill_random(&mut name)?;
    let name = format!("tieline-restore-{:016x}.db", u64::from_le_bytes(name));
    let copy = std::env::temp_dir().join(name);
    let done = async {
        copy_checked(from, &copy, master)?;
        let mut file = open_file(&copy)?;
        in_transaction(&mut file, &Prepare { master, now: now() })?;
        let postgres = Postgres::open(url, &Options::default()).await?;
        let mut transaction = postgres.begin().await?;
        let mut target = Tx::postgres(&mut transaction);
        schema::take_turns(&mut target).await?;
        let version = schema::version(&mut target).await?;
        schema::refuse_newer(version)?;
        schema::upgrade(&mut target, version, now()).await?;
        if copy::is_used(&mut target).await? {
            if existing == Existing::Keep {
                return Err(Error::NotEmpty {
                    path: Location::Postgres { url: url.to_owned() }.to_string().into(),
                });
            }
            copy::clear(&mut target).await?;
        }
        copy::all(&mut Tx::sqlite(&mut file), &mut target).await?;
        crash::point("restore.copied");
        transaction.commit().await.map_err(|error| Error::postgres("committing", &error))?;
        crash::point("restore.renamed");
        postgres.close().await;
        Ok(())
    }
    .await;
    // Ours, in the system's own temporary folder, and sealed: leaving it would be untidy, not worse.
    let _ = std::fs::remove_file(&copy);
    done
}

/// Copies PostgreSQL's rows, as of one moment, into an empty file.
async fn dump(postgres: &Postgres, file: &Path) -> Result<()> {
    const ONE_MOMENT: &str = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY";
    let mut file = open_file(file)?;
    let mut transaction = postgres.begin().await?;
    let mut source = Tx::postgres(&mut transaction);
    source.batch("", ONE_MOMENT).await?;
    let mut target = Tx::sqlite(&mut file);
    target.batch("BEGIN IMMEDIATE", "").await?;
    schema::upgrade(&mut target, 0, now()).await?;
    copy::all(&mut source, &mut target).await?;
    target.batch("COMMIT", "").await
}

/// Copies a backup and makes sure that the copy is one we can use.
fn copy_checked(from: &Path, copy: &Path, master: &MasterKey) -> Result<()> {
    make_empty(copy)?;
    std::fs::copy(from, copy).map_err(|error| Error::file(from, &error))?;
    in_transaction(&mut open_file(copy)?, &Check { master })
}

struct Check<'a> {
    master: &'a MasterKey,
}

impl Work for Check<'_> {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<()> {
        const DAMAGED: Error = Error::Corrupt { what: "the backup is damaged" };
        let check = tx.row("PRAGMA integrity_check(1)", &[]).await?.ok_or(DAMAGED)?;
        if check.text(0)? != "ok" {
            return Err(DAMAGED);
        }
        let version = schema::version(tx).await?;
        if version == 0 {
            return Err(Error::Corrupt { what: "the file is no backup of a store" });
        }
        schema::refuse_newer(version)?;
        Keyring::load(tx, self.master).await?.map(|_| ()).ok_or(DAMAGED)
    }
}

/// Folds the log of what is replaced into its file, so that neither log nor
/// file is ever read with the other's counterpart.
fn settle_log(path: &Path) -> Result<()> {
    if let Ok(old) = open_file(path) {
        // Whatever is in there is to be replaced: only its log must go.
        let _ = old.pragma_update(None, "wal_checkpoint", "truncate");
    }
    for log in ["-wal", "-shm", "-journal"].map(|suffix| beside(path, suffix)) {
        match std::fs::remove_file(&log) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::file(&log, &error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn make_empty(path: &Path) -> Result<()> {
    let file = private_file(path, false).and_then(|file| file.set_len(0));
    file.map_err(|error| Error::file(path, &error))
}

/// Gives a complete file its name, for good: both survive a power cut.
fn rename_whole(partial: &Path, to: &Path, point: &'static str) -> Result<()> {
    let whole = || {
        std::fs::File::open(partial)?.sync_all()?;
        crash::point(point);
        std::fs::rename(partial, to)?;
        #[cfg(unix)]
        {
            let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
            std::fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        }
        Ok(())
    };
    whole().map_err(|error| Error::file(to, &error))
}
