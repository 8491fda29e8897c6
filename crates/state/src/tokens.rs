//! Tokens of connections, sealed, and the right to refresh them.
//!
//! One row per connection. Over all nodes one at a time holds it, refreshes, and keeps
//! what it received before it is used (invariant 11); a hold that is not given back ends
//! by itself. What other credentials got is nobody's.

use crate::crash;
use crate::error::{Boxed, Result};
use crate::keys::{Hash, fill_random};
use crate::sql::{Touched, Tx, Work};
use crate::store::Store;
use domain::Timestamp;
use std::time::Duration;

/// What is kept for a connection.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptToken {
    /// As it was given to [`Store::keep_token`].
    pub bytes: Vec<u8>,
    /// How often it was replaced.
    pub generation: u64,
}

impl std::fmt::Debug for KeptToken {
    /// Never the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeptToken").field("generation", &self.generation).finish_non_exhaustive()
    }
}

/// The right to refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenHold(pub i64);

impl Store {
    /// What is kept for a connection, if it was got with these credentials.
    pub fn kept_token<'a>(
        &'a self,
        connection: &'a str,
        credentials: &'a str,
    ) -> Boxed<'a, Option<KeptToken>> {
        Box::pin(async move {
            let credentials = self.credentials_hash(connection, credentials);
            let work = Read { connection: connection.to_owned(), credentials };
            let Some((sealed, generation)) = self.read(&work).await? else { return Ok(None) };
            let bytes = self
                .unseal(|keys| keys.open("tokens.sealed", connection.as_bytes(), &sealed))
                .await?;
            Ok(Some(KeptToken { bytes, generation }))
        })
    }

    /// The right to refresh a connection's token for so long; `None` while another has it.
    pub fn hold_token<'a>(
        &'a self,
        connection: &'a str,
        time: Duration,
        now: Timestamp,
    ) -> Boxed<'a, Option<TokenHold>> {
        Box::pin(async move {
            let mut random = [0; 8];
            fill_random(&mut random)?;
            let hold = i64::from_le_bytes(random);
            let until = now.plus(time).0;
            let taken = self
                .write(Take { connection: connection.to_owned(), hold, until, now: now.0 })
                .await?;
            Ok(taken.then_some(TokenHold(hold)))
        })
    }

    /// Keeps what was received and gives the hold back; its generation, or `None` when
    /// the hold has ended and another node has it.
    pub fn keep_token<'a>(
        &'a self,
        connection: &'a str,
        credentials: &'a str,
        hold: TokenHold,
        bytes: Vec<u8>,
        now: Timestamp,
    ) -> Boxed<'a, Option<u64>> {
        Box::pin(async move {
            crash::point("token.received");
            let sealed = self.keys().seal("tokens.sealed", connection.as_bytes(), bytes)?;
            let credentials = self.credentials_hash(connection, credentials);
            let connection = connection.to_owned();
            let work = Keep { connection, credentials, hold: hold.0, sealed, now: now.0 };
            let generation = self.write(work).await?;
            crash::point("token.kept");
            Ok(generation)
        })
    }

    /// Gives a hold back without anything to keep.
    pub fn release_token<'a>(&'a self, connection: &'a str, hold: TokenHold) -> Boxed<'a, ()> {
        let work = Release { connection: connection.to_owned(), hold: hold.0 };
        Box::pin(async move { self.write(work).await })
    }

    fn credentials_hash(&self, connection: &str, credentials: &str) -> Hash {
        self.keys().hash("credentials", &[connection, credentials])
    }
}

struct Read {
    connection: String,
    credentials: Hash,
}

impl Work for Read {
    type Output = Option<(Vec<u8>, u64)>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output> {
        const SQL: &str = "
            SELECT sealed, generation FROM tokens
            WHERE connection = ?1 AND credentials = ?2 AND length(sealed) > 0";
        let params = [self.connection.as_str().into(), (&self.credentials[..]).into()];
        let Some(row) = tx.row(SQL, &params).await? else { return Ok(None) };
        Ok(Some((row.blob(0)?.to_vec(), row.int(1)?.unsigned_abs())))
    }
}

struct Take {
    connection: String,
    hold: i64,
    until: i64,
    now: i64,
}

impl Work for Take {
    type Output = bool;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool> {
        // One statement: of two nodes that come at once one waits for the other's row.
        const SQL: &str = "
            INSERT INTO tokens (connection, generation, sealed, hold, held_until, updated_at)
            VALUES (?1, 0, ?5, ?2, ?3, ?4)
            ON CONFLICT (connection) DO UPDATE SET hold = ?2, held_until = ?3
            WHERE tokens.hold IS NULL OR tokens.held_until <= ?4";
        tx.touched = Touched::Nothing;
        let nothing: &[u8] = &[];
        let params = [
            self.connection.as_str().into(),
            self.hold.into(),
            self.until.into(),
            self.now.into(),
            nothing.into(),
        ];
        Ok(tx.execute(SQL, &params).await? > 0)
    }
}

struct Keep {
    connection: String,
    credentials: Hash,
    hold: i64,
    sealed: Vec<u8>,
    now: i64,
}

impl Work for Keep {
    type Output = Option<u64>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<u64>> {
        const SQL: &str = "
            UPDATE tokens SET credentials = ?2, sealed = ?3, generation = generation + 1,
                hold = NULL, held_until = 0, updated_at = ?4
            WHERE connection = ?1 AND hold = ?5";
        const GENERATION: &str = "SELECT generation FROM tokens WHERE connection = ?1";
        tx.touched = Touched::Nothing;
        let connection = self.connection.as_str();
        let params = [
            connection.into(),
            (&self.credentials[..]).into(),
            (&self.sealed[..]).into(),
            self.now.into(),
            self.hold.into(),
        ];
        if tx.execute(SQL, &params).await? == 0 {
            return Ok(None);
        }
        let row = tx.row(GENERATION, &[connection.into()]).await?;
        row.map(|row| row.int(0).map(i64::unsigned_abs)).transpose()
    }
}

struct Release {
    connection: String,
    hold: i64,
}

impl Work for Release {
    type Output = ();
    async fn run(&self, tx: &mut Tx<'_>) -> Result<()> {
        const SQL: &str = "
            UPDATE tokens SET hold = NULL, held_until = 0 WHERE connection = ?1 AND hold = ?2";
        tx.touched = Touched::Nothing;
        tx.execute(SQL, &[self.connection.as_str().into(), self.hold.into()]).await.map(drop)
    }
}
