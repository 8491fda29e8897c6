//! PostgreSQL, by sqlx.
//!
//! Each row is made JSON by the server itself, so that every type there is has one form and
//! is read in one way; a query that stands inside another cannot write even where it says
//! so (`WITH … DELETE`), whatever the session.

use super::address::{self, Address, PREPARED_MAX, Tls, cut};
use super::{BYTES_MAX, Driver, Failure, Outlook, Purpose, ROWS_MAX, Step, late, too_large};
use crate::sql::cell::{Cell, Row};
use crate::sql::statement::{Argument, Statement};
use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use kit::Error;
use serde_json::value::RawValue;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgDatabaseError, PgSslMode};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Executor as _, PgConnection, Postgres as Pg, Row as _,
    SqlSafeStr as _,
};
use sqlx::{Column as _, query::Query};
use std::time::Duration;

/// One server.
pub(in crate::sql) struct Postgres {
    pub(in crate::sql) address: Address,
}

type Session = address::Session<PgConnection>;

/// A write waits this many times less for a row than a statement may run.
const LOCKS: u128 = 5;

#[async_trait]
impl Driver for Postgres {
    type Session = Session;

    async fn connect(&self, limit: Duration, purpose: Purpose) -> Result<Session, Failure> {
        let options = |ip: &str| self.options(ip);
        let mut session = self.address.connect(limit, options, of_login).await?;
        session.begin(purpose).await?;
        Ok(session)
    }

    async fn rows(
        &self,
        session: &mut Session,
        statement: &Statement,
        arguments: &[Argument],
    ) -> Result<Vec<Row>, Failure> {
        let text = as_json(statement);
        let limit = session.limit;
        let mut answer = bound(&text, arguments).fetch(&mut session.connection);
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while let Some(row) =
            answer.try_next().await.map_err(|error| of_query(&error, statement, limit))?
        {
            let json: Option<String> = row.try_get(0).map_err(|_| outside())?;
            bytes += json.as_ref().map_or(BYTES_MAX + 1, String::len);
            if bytes > BYTES_MAX {
                // What is left of the answer is never read.
                return Err(Failure::Late(too_large(statement)));
            }
            rows.push(row_of(&json.unwrap_or_default()).ok_or_else(outside)?);
        }
        Ok(rows)
    }

    async fn outlook(
        &self,
        session: &mut Session,
        statement: &Statement,
        arguments: &[Argument],
    ) -> Result<Outlook, Failure> {
        let limit = session.limit;
        let wrong = |error: sqlx::Error| of_query(&error, statement, limit);
        let text = AssertSqlSafe(statement.text.clone()).into_sql_str();
        let prepared = session.connection.prepare(text).await.map_err(wrong)?;
        let columns = sqlx::Statement::columns(&prepared);
        let columns = columns.iter().map(|column| column.name().to_owned()).collect();
        drop(prepared);
        // A small table is read from end to end although it has an index; without the leave
        // to do so, only what has none is.
        session.run("BEGIN READ ONLY; SET LOCAL enable_seqscan = off").await?;
        let text = statement.within("EXPLAIN ", "");
        let plan = bound(&text, arguments).fetch_all(&mut session.connection).await;
        session.run("ROLLBACK").await?;
        let plan = plan.map_err(wrong)?;
        let lines = plan.iter().filter_map(|row| row.try_get::<String, _>(0).ok());
        let scans = lines.filter_map(|line| {
            let (_, rest) = line.split_once("Seq Scan on ")?;
            rest.split(' ').next().map(str::to_owned)
        });
        Ok(Outlook { columns, scans: scans.collect() })
    }

    async fn refuses_to_write(&self, session: &mut Session) -> Result<bool, Failure> {
        // Were it ever carried out, it would leave nothing behind the session.
        let sql = sqlx::raw_sql("CREATE TEMPORARY TABLE tieline_proof (n int)");
        match sql.execute(&mut session.connection).await {
            Ok(_) => Ok(false),
            Err(error) if code(&error).as_deref() == Some("25006") => Ok(true),
            Err(error) => Err(of_login(&error, session.limit)),
        }
    }

    async fn change(
        &self,
        session: &mut Session,
        statement: &Statement,
        arguments: &[Argument],
    ) -> Result<u64, Failure> {
        let limit = session.limit;
        let done = bound(&statement.text, arguments).execute(&mut session.connection).await;
        let done = done.map_err(|error| of_change(&error, statement, limit))?;
        Ok(done.rows_affected())
    }

    async fn step(&self, session: &mut Session, step: Step) -> Result<bool, Failure> {
        session.run(step.text()).await.map(|()| true)
    }
}

impl Session {
    /// No query longer than its time; and reads only, from now on, but where it is to write.
    async fn begin(&mut self, purpose: Purpose) -> Result<(), Failure> {
        let ms = self.limit.as_millis();
        let (only, locks) = match purpose {
            Purpose::Read => ("on", ms),
            Purpose::Write => ("off", (ms / LOCKS).max(10)),
        };
        let settings = format!(
            "SET default_transaction_read_only = {only}; SET statement_timeout = {ms}; \
             SET default_transaction_isolation = 'read committed'; \
             SET lock_timeout = {locks}; SET idle_in_transaction_session_timeout = {ms}; \
             SET standard_conforming_strings = on; SET timezone = 'UTC'; \
             SET datestyle = 'ISO'; SET intervalstyle = 'iso_8601'; SET bytea_output = 'hex'"
        );
        self.run(&settings).await
    }

    /// Text of this file's own.
    async fn run(&mut self, sql: &str) -> Result<(), Failure> {
        let run = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.connection).await;
        run.map(drop).map_err(|error| of_login(&error, self.limit))
    }
}

impl Postgres {
    fn options(&self, ip: &str) -> PgConnectOptions {
        let address = &self.address;
        // A certificate is for a name; who only has to be private is asked at the address
        // that was looked at.
        let (mode, host) = match address.tls {
            Tls::Verify => (PgSslMode::VerifyFull, address.host.as_str()),
            Tls::Encrypt => (PgSslMode::Require, ip),
            Tls::Off => (PgSslMode::Disable, ip),
        };
        let mut options = PgConnectOptions::new_without_pgpass()
            .host(host)
            .port(address.port)
            .username(&address.user)
            .password(address.password.reveal())
            .database(&address.database)
            .ssl_mode(mode)
            .application_name("tieline")
            .statement_cache_capacity(PREPARED_MAX)
            .disable_statement_logging();
        if let Some(pem) = &address.authorities {
            options = options.ssl_root_cert_from_pem(pem.clone());
        }
        options
    }
}

fn as_json(statement: &Statement) -> String {
    let before = format!(
        "SELECT CASE WHEN octet_length(tieline_json) <= {BYTES_MAX} THEN tieline_json END FROM \
         (SELECT pg_catalog.to_json(tieline_row)::text AS tieline_json FROM ("
    );
    statement.within(&before, &format!(") AS tieline_row LIMIT {ROWS_MAX}) AS tieline_rows"))
}

fn bound(text: &str, arguments: &[Argument]) -> Query<'static, Pg, PgArguments> {
    let mut query = sqlx::query(AssertSqlSafe(text.to_owned()));
    for argument in arguments {
        query = match argument {
            Argument::Text(text) => query.bind(text.clone()),
            Argument::Integer(number) => query.bind(*number),
            Argument::Null => query.bind(None::<String>),
        };
    }
    query
}

/// A JSON object, in the order in which it was written.
fn row_of(json: &str) -> Option<Row> {
    let columns: Columns<'_> = serde_json::from_str(json).ok()?;
    let cells = columns.0.into_iter();
    let cells = cells.map(|(name, raw)| Some((name, Cell::of_json(raw.get())?)));
    cells.collect::<Option<Vec<_>>>().map(Row)
}

/// Columns as written: one name may be there twice, and then the first counts.
struct Columns<'a>(Vec<(String, &'a RawValue)>);

impl<'de> serde::Deserialize<'de> for Columns<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> serde::de::Visitor<'de> for Read {
            type Value = Columns<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Self::Value, A::Error> {
                let mut columns: Vec<(String, &RawValue)> = Vec::new();
                while let Some((name, value)) = map.next_entry()? {
                    columns.push((name, value));
                }
                Ok(Columns(columns))
            }
        }
        from.deserialize_map(Read)
    }
}

fn outside() -> Failure {
    Failure::Broken(Error::protocol("a row that is not the JSON it was asked for as"))
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(|told| told.code()).map(std::borrow::Cow::into_owned)
}

/// What was said of a query. Messages about its text are passed on (class 42: names and
/// types), those about values are not.
fn of_query(error: &sqlx::Error, statement: &Statement, limit: Duration) -> Failure {
    let Some(code) = code(error) else { return of_login(error, limit) };
    let message = error.as_database_error().map(|told| told.message()).unwrap_or_default();
    let refused = |reason: &str| {
        let field = Some(statement.setting.clone());
        Failure::Told(Error::Invalid { field, reason: reason.to_owned() })
    };
    match code.as_str() {
        "42501" => Failure::Told(Error::Forbidden { missing: message.to_owned() }),
        "25006" => refused("it writes; a query only reads"),
        // A text that is no number, no date, too large for one, or none: nobody has such an id.
        "22P02" | "22003" | "22007" | "22008" | "22021" => Failure::Told(Error::NotFound),
        code if code.starts_with("42") => refused(message),
        "0A000" => refused(message),
        code if code.starts_with("22") => {
            refused(&format!("PostgreSQL refused to run it with these values ({code})"))
        }
        _ => of_login(error, limit),
    }
}

/// What was said of a write: constraints and columns by their names, never a value.
fn of_change(error: &sqlx::Error, statement: &Statement, limit: Duration) -> Failure {
    let Some(code) = code(error) else { return of_login(error, limit) };
    let told = error.as_database_error();
    let told = told.and_then(|told| told.try_downcast_ref::<PgDatabaseError>());
    let constraint = told.and_then(PgDatabaseError::constraint).unwrap_or("of the table");
    let refused = |reason: String| {
        let field = told.and_then(PgDatabaseError::column).map(str::to_owned);
        Failure::Told(Error::Invalid { field, reason })
    };
    match code.as_str() {
        "23505" => {
            let reason = format!("another row has this value in the unique index {constraint}");
            Failure::Told(Error::Conflict { reason })
        }
        "23502" => refused("may not be empty".to_owned()),
        "22001" => refused("a text is longer than its column".to_owned()),
        "P0001" => refused("a trigger of the table refuses it".to_owned()),
        code if code.starts_with("23") => {
            refused(format!("it breaks the constraint {constraint} ({code})"))
        }
        code if code.starts_with("22") => {
            refused(format!("a value is none that its column takes ({code})"))
        }
        _ => of_query(error, statement, limit),
    }
}

/// What was said of the login, the session or the server.
fn of_login(error: &sqlx::Error, limit: Duration) -> Failure {
    let Some(code) = code(error) else { return cut(error) };
    let invalid = |field: &str, reason: &str| {
        Failure::Told(Error::Invalid { field: Some(field.into()), reason: reason.into() })
    };
    match code.as_str() {
        "57014" => Failure::Told(late(limit)),
        "28P01" | "28000" => {
            let reason = format!("PostgreSQL refuses the user or the password ({code})");
            Failure::Told(Error::Unauthorized { reason })
        }
        "3D000" => invalid("database", "there is no such database"),
        "42501" => {
            let missing = "to connect to the database (42501)".to_owned();
            Failure::Told(Error::Forbidden { missing })
        }
        code if ["08", "53", "57", "58", "XX"].iter().any(|class| code.starts_with(class)) => {
            Failure::Broken(Error::unavailable(format!("PostgreSQL says {code}")))
        }
        // A lock, or a conflict of two transactions: another time.
        code if code.starts_with("55") || code.starts_with("40") => {
            Failure::Told(Error::unavailable(format!("PostgreSQL says {code}")))
        }
        code => {
            let reason = format!("PostgreSQL refused it ({code})");
            Failure::Told(Error::Invalid { field: None, reason })
        }
    }
}
