//! Sessions that were signed out of before their time.

use crate::error::{Boxed, Result};
use crate::sql::{Touched, Tx, Work};
use crate::store::Store;
use domain::Timestamp;

impl Store {
    /// Ends a session before its time. Those whose time is over are forgotten with it.
    pub fn end_session<'a>(
        &'a self,
        id: &'a str,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Boxed<'a, ()> {
        Box::pin(async move { self.write(End { id: id.to_owned(), expires_at, now }).await })
    }

    /// Whether a session was ended before its time.
    pub fn is_session_ended<'a>(&'a self, id: &'a str) -> Boxed<'a, bool> {
        Box::pin(async move { self.read(&IsEnded { id }).await })
    }
}

struct End {
    id: String,
    expires_at: Timestamp,
    now: Timestamp,
}

impl Work for End {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<()> {
        const FORGET: &str = "DELETE FROM ended_sessions WHERE expires_at < ?1";
        const SQL: &str = "
            INSERT INTO ended_sessions (id, expires_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        tx.touched = Touched::Nothing;
        tx.execute(FORGET, &[self.now.0.into()]).await?;
        tx.execute(SQL, &[self.id.as_str().into(), self.expires_at.0.into()]).await.map(drop)
    }
}

struct IsEnded<'a> {
    id: &'a str,
}

impl Work for IsEnded<'_> {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool> {
        const SQL: &str = "SELECT expires_at FROM ended_sessions WHERE id = ?1";
        Ok(tx.row(SQL, &[self.id.into()]).await?.is_some())
    }
}
