//! Why the store could not do it, without saying a word about anybody.
//!
//! No message carries a number, a name, a key or a password (invariant 9):
//! engines are quoted by their result codes only, never by their own texts,
//! because those repeat values.

use std::path::PathBuf;
use std::pin::Pin;

/// What can go wrong with the store. Nothing was written unless said otherwise.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Another process owns this store; its process id where it could be read.
    #[error("the store is in use by another process{}", pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    Locked { pid: Option<u32> },
    /// The master key does not open this store. Nothing was changed.
    #[error("the master key is not the one this store was made with")]
    WrongKey,
    /// The text given is not a master key.
    #[error("a master key is 32 bytes, as 64 hex digits or as base64")]
    NotAKey,
    /// The text given is not a location.
    #[error("a store is `sqlite:PATH`, `sqlite::memory:` or `postgres://USER@HOST/DATABASE`")]
    NotALocation,
    /// A newer Tieline has been here. Nothing was changed.
    #[error("the store has schema {store}, this binary knows up to {binary}: use a newer one")]
    NewerSchema { store: i64, binary: i64 },
    /// The disk, the server or the pool did not answer as needed. When it was
    /// a commit that failed, whether it took effect is unknown: repeat it.
    #[error("the store is unavailable while {during}: {reason}")]
    Unavailable { during: &'static str, reason: String },
    /// Other writers won every one of a bounded number of tries.
    #[error("the store was too contended: nothing was written")]
    Contended,
    /// [`close`](crate::Store::close) has been called.
    #[error("the store is closed")]
    Closed,
    /// What was read cannot be what was written.
    #[error("the store holds something unreadable: {what}")]
    Corrupt { what: &'static str },
    /// A key that this process has not read: another node has rotated since.
    #[error("the store was sealed with key {id}, which is not there")]
    UnknownKey { id: u32 },
    /// A backup or restore would overwrite something and was not told to.
    #[error("{} is not empty", path.display())]
    NotEmpty { path: PathBuf },
    /// A bound is reached. Nothing was written.
    #[error("the store holds no more {what}: {fix}")]
    Full { what: &'static str, fix: &'static str },
    /// A file of the store or of a backup could not be read or written.
    #[error("{}: {reason}", path.display())]
    File { path: PathBuf, reason: String },
}

/// The result of nearly everything here.
pub type Result<T> = std::result::Result<T, Error>;

/// What the store's methods return, to be awaited. Boxed here, so that what they do
/// is compiled once, in this crate, and a caller's own future stays small.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

impl Error {
    /// An error of a file operation, with the path and the system's reason.
    pub(crate) fn file(path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::File { path: path.to_owned(), reason: error.to_string() }
    }

    /// SQLite's result code, never its text.
    pub(crate) fn sqlite(during: &'static str, error: &rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error {
            rusqlite::Error::SqliteFailure(code, _) => match code.code {
                ErrorCode::DatabaseCorrupt => Self::Corrupt { what: "the database file" },
                ErrorCode::NotADatabase => Self::Corrupt { what: "not a database file" },
                _ => Self::Unavailable {
                    during,
                    reason: format!("SQLite {:?} ({})", code.code, code.extended_code),
                },
            },
            _ => Self::Unavailable { during, reason: "SQLite refused the statement".to_owned() },
        }
    }

    /// PostgreSQL's SQLSTATE or the kind of I/O failure, never a text with values in it.
    pub(crate) fn postgres(during: &'static str, error: &sqlx::Error) -> Self {
        let reason = match error {
            sqlx::Error::Database(error) => {
                let code = error.code().unwrap_or_default();
                // Unique violation, serialization failure, deadlock: try again.
                if matches!(code.as_ref(), "23505" | "40001" | "40P01") {
                    return Self::Contended;
                }
                format!("SQLSTATE {code}")
            }
            sqlx::Error::Io(error) => format!("connection: {}", error.kind()),
            sqlx::Error::Tls(_) => "TLS failed".to_owned(),
            sqlx::Error::PoolTimedOut => "no connection became free in time".to_owned(),
            sqlx::Error::PoolClosed => return Self::Closed,
            sqlx::Error::Configuration(_) => "the URL is not usable".to_owned(),
            _ => "the driver refused".to_owned(),
        };
        Self::Unavailable { during, reason }
    }
}
