//! PostgreSQL: a pool, one transaction per piece of work, bounded retries.
//!
//! Any number of nodes may use one database. Where two of them collide (same
//! new call, deadlock), the loser's transaction is run again from the start,
//! at most [`TRIES`] times.

use super::{Added, Cell, Param, Row, Tx, Work};
use crate::crash;
use crate::error::{Error, Result};
use crate::store::{Durability, Options};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgRow};
use sqlx::{AssertSqlSafe, Column, PgConnection, Row as _, TypeInfo};
use std::str::FromStr;
use std::time::Duration;

/// How often a transaction that lost to another is run again.
const TRIES: u32 = 10;
/// How long a caller waits for a connection before the store counts as unavailable.
const ACQUIRE: Duration = Duration::from_secs(3);
/// No statement of ours takes this long unless the server is in trouble.
const STATEMENT_TIMEOUT: &str = "10s";

pub(crate) struct Postgres {
    pool: PgPool,
}

impl Postgres {
    pub(crate) async fn open(url: &str, options: &Options) -> Result<Self> {
        let durable = match options.durability {
            Durability::Power => "on",
            // Survives us; a crash of the server itself may cost the last moments.
            Durability::Process => "off",
        };
        let connect = PgConnectOptions::from_str(url)
            .map_err(|_| Error::NotALocation)?
            .application_name("tieline")
            .options([("statement_timeout", STATEMENT_TIMEOUT), ("synchronous_commit", durable)]);
        let pool = PgPoolOptions::new()
            .max_connections(options.connections.max(1))
            .acquire_timeout(ACQUIRE)
            .connect_with(connect)
            .await
            .map_err(|error| Error::postgres("connecting", &error))?;
        Ok(Self { pool })
    }

    /// Runs the work in a transaction; returns once it is committed (invariant 1).
    /// Beside the output: who is to be woken.
    pub(crate) async fn write<W: Work>(&self, work: &W) -> Result<(W::Output, Added)> {
        for _ in 0..TRIES {
            crash::point("write.begin");
            match self.try_write(work).await {
                Err(Error::Contended) => {}
                done => return done,
            }
        }
        Err(Error::Contended)
    }

    async fn try_write<W: Work>(&self, work: &W) -> Result<(W::Output, Added)> {
        let mut transaction = self.begin().await?;
        let mut tx = Tx::postgres(&mut transaction);
        let output = work.run(&mut tx).await; // an error drops the transaction: rolled back
        let (output, added) = (output?, tx.added());
        crash::point("write.commit");
        transaction.commit().await.map_err(|error| Error::postgres("committing", &error))?;
        crash::point("write.committed");
        Ok((output, added))
    }

    pub(crate) async fn read<W: Work>(&self, work: &W) -> Result<W::Output> {
        let mut connection =
            self.pool.acquire().await.map_err(|error| Error::postgres("connecting", &error))?;
        work.run(&mut Tx::postgres(&mut connection)).await
    }

    /// A transaction for those who end it themselves: a backup, a restore.
    pub(crate) async fn begin(&self) -> Result<sqlx::Transaction<'static, sqlx::Postgres>> {
        self.pool.begin().await.map_err(|error| Error::postgres("beginning", &error))
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

pub(super) async fn rows(
    connection: &mut PgConnection,
    sql: &str,
    params: &[Param<'_>],
) -> Result<Vec<Row>> {
    let mut query = sqlx::query(AssertSqlSafe(dialect(sql)));
    for param in params {
        query = match *param {
            Param::Int(value) => query.bind(value),
            Param::Text(value) => query.bind(value),
            Param::Blob(value) => query.bind(value),
        };
    }
    let rows =
        query.fetch_all(connection).await.map_err(|error| Error::postgres("reading", &error))?;
    rows.iter().map(cells).collect()
}

pub(super) async fn execute(
    connection: &mut PgConnection,
    sql: &str,
    params: &[Param<'_>],
) -> Result<u64> {
    let mut query = sqlx::query(AssertSqlSafe(dialect(sql)));
    for param in params {
        query = match *param {
            Param::Int(value) => query.bind(value),
            Param::Text(value) => query.bind(value),
            Param::Blob(value) => query.bind(value),
        };
    }
    let done =
        query.execute(connection).await.map_err(|error| Error::postgres("writing", &error))?;
    Ok(done.rows_affected())
}

pub(super) async fn batch(connection: &mut PgConnection, sql: &'static str) -> Result<()> {
    sqlx::raw_sql(sql)
        .execute(connection)
        .await
        .map_err(|error| Error::postgres("changing the schema", &error))?;
    Ok(())
}

/// `?1` becomes `$1`, and what is written for PostgreSQL alone comes out of its comment.
fn dialect(sql: &str) -> String {
    sql.replace('?', "$").replace("/*pg:", "").replace("*/", "")
}

fn cells(row: &PgRow) -> Result<Row> {
    let odd = |_| Error::Corrupt { what: "a column of another type than the schema's" };
    row.columns()
        .iter()
        .map(|column| {
            let at = column.ordinal();
            let cell = match column.type_info().name() {
                "INT8" => row.try_get::<Option<i64>, _>(at).map_err(odd)?.map(Cell::Int),
                "BYTEA" => row.try_get::<Option<Vec<u8>>, _>(at).map_err(odd)?.map(Cell::Blob),
                _ => row.try_get::<Option<String>, _>(at).map_err(odd)?.map(Cell::Text),
            };
            Ok(cell.unwrap_or(Cell::Null))
        })
        .collect::<Result<Vec<_>>>()
        .map(Row)
}

#[cfg(test)]
mod tests {
    use super::dialect;

    #[test]
    fn a_statement_is_rewritten_for_postgresql() {
        let sql = "SELECT a FROM b WHERE c = ?1 AND d = ?12 /*pg: FOR UPDATE */";
        assert_eq!(dialect(sql), "SELECT a FROM b WHERE c = $1 AND d = $12  FOR UPDATE ");
    }
}
