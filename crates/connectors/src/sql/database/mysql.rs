//! MySQL and MariaDB, by sqlx.
//!
//! One word apart the two are the same here: what ends a query that runs too long.

use super::address::{self, Address, PREPARED_MAX, Tls, cut};
use super::{BYTES_MAX, Driver, Failure, Outlook, Purpose, ROWS_MAX, Step, late, too_large};
use crate::sql::cell::{Cell, Row};
use crate::sql::statement::{Argument, Statement};
use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use kit::Error;
use sqlx::mysql::{
    MySqlArguments, MySqlConnectOptions, MySqlDatabaseError, MySqlRow, MySqlSslMode,
};
use sqlx::mysql::{MySqlConnection, MySqlValueRef};
use sqlx::{
    AssertSqlSafe, Column as _, ConnectOptions as _, Decode, Executor as _, Row as _,
    SqlSafeStr as _,
};
use sqlx::{MySql as My, TypeInfo as _, ValueRef as _, query::Query};
use std::time::Duration;

/// One server.
pub(in crate::sql) struct MySql {
    pub(in crate::sql) address: Address,
}

type Session = address::Session<MySqlConnection>;

/// A write waits this many times less for a row than a statement may run.
const LOCKS: u64 = 5;

#[async_trait]
impl Driver for MySql {
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
        let limit = session.limit;
        let mut answer = bound(&statement.text, arguments).fetch(&mut session.connection);
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while let Some(row) =
            answer.try_next().await.map_err(|error| of_query(&error, statement, limit))?
        {
            let row = row_of(&row)?;
            bytes += row.0.iter().map(|(_, cell)| cell.size()).sum::<usize>();
            if bytes > BYTES_MAX {
                // What is left of the answer is never read.
                return Err(Failure::Late(too_large(statement)));
            }
            rows.push(row);
            if rows.len() > ROWS_MAX {
                // The server's own bound does not hold for a query with a LIMIT.
                let reason = format!("answers more than {ROWS_MAX} rows; lower its LIMIT");
                return Err(Failure::Late(refused(statement, reason)));
            }
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
        let text = statement.within("EXPLAIN ", "");
        let plan =
            bound(&text, arguments).fetch_all(&mut session.connection).await.map_err(wrong)?;
        let mut scans = Vec::new();
        for step in &plan {
            let step = row_of(step)?;
            // `possible_keys`: a small table is read from end to end although it has an index.
            let is_whole = matches!(step.text("type").as_deref(), Some("ALL" | "index"));
            let table = step.text("table").filter(|table| !table.starts_with('<'));
            if let (true, None, Some(table)) = (is_whole, step.text("possible_keys"), table) {
                scans.push(table);
            }
        }
        Ok(Outlook { columns, scans })
    }

    async fn refuses_to_write(&self, session: &mut Session) -> Result<bool, Failure> {
        // Were it ever carried out, it would leave nothing behind the session.
        let sql = sqlx::raw_sql("CREATE TEMPORARY TABLE tieline_proof (n int)");
        match sql.execute(&mut session.connection).await {
            Ok(_) => Ok(false),
            // 1792: the transaction only reads. Who may not even make such a table cannot
            // show more than what the session says of itself.
            Err(error) => match number(&error) {
                Some(1792) => Ok(true),
                Some(_) => session.says_it_only_reads().await,
                None => Err(of_login(&error, session.limit)),
            },
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
        // Rows that were found count, also where they held the value already.
        Ok(done.map_err(|error| of_change(&error, statement, limit))?.rows_affected())
    }

    async fn step(&self, session: &mut Session, step: Step) -> Result<bool, Failure> {
        let run = sqlx::raw_sql(step.text()).execute(&mut session.connection).await;
        run.map(|_| true).map_err(|error| of_login(&error, session.limit))
    }
}

impl Session {
    /// No query longer or larger than its bounds; and reads only, from now on, but where it is
    /// to write. Then what does not fit its column is an error and not cut, whatever the
    /// server's own mode, and a row that is not there locks no others.
    async fn begin(&mut self, purpose: Purpose) -> Result<(), Failure> {
        let limit = self.limit;
        let version = sqlx::query("SELECT VERSION()").fetch_one(&mut self.connection).await;
        let version: String =
            version.and_then(|row| row.try_get(0)).map_err(|error| of_login(&error, limit))?;
        let ms = limit.as_millis();
        let end = if version.contains("MariaDB") {
            format!("SET SESSION max_statement_time = {}.{:03}", ms / 1_000, ms % 1_000)
        } else {
            format!("SET SESSION max_execution_time = {ms}")
        };
        let wait = limit.as_secs().max(1);
        let only = match purpose {
            Purpose::Read => "SET SESSION TRANSACTION READ ONLY".to_owned(),
            Purpose::Write => format!(
                "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE; \
                 SET SESSION sql_mode = CONCAT(@@SESSION.sql_mode, ',STRICT_ALL_TABLES'); \
                 SET SESSION innodb_lock_wait_timeout = {}",
                (wait / LOCKS).max(1)
            ),
        };
        for sql in [
            only,
            end,
            format!("SET SESSION lock_wait_timeout = {wait}"),
            format!("SET SESSION sql_select_limit = {ROWS_MAX}"),
        ] {
            let run = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.connection).await;
            run.map(drop).map_err(|error| of_login(&error, limit))?;
        }
        Ok(())
    }

    async fn says_it_only_reads(&mut self) -> Result<bool, Failure> {
        for sql in ["SELECT @@SESSION.tx_read_only", "SELECT @@SESSION.transaction_read_only"] {
            if let Ok(row) = sqlx::query(sql).fetch_one(&mut self.connection).await {
                return Ok(matches!(row_of(&row)?.0.first(), Some((_, Cell::Integer(1)))));
            }
        }
        Ok(false)
    }
}

impl MySql {
    fn options(&self, ip: &str) -> MySqlConnectOptions {
        let address = &self.address;
        // A certificate is for a name; who only has to be private is asked at the address
        // that was looked at.
        let (mode, host) = match address.tls {
            Tls::Verify => (MySqlSslMode::VerifyIdentity, address.host.as_str()),
            Tls::Encrypt => (MySqlSslMode::Required, ip),
            Tls::Off => (MySqlSslMode::Disabled, ip),
        };
        let mut options = MySqlConnectOptions::new()
            .host(host)
            .port(address.port)
            .username(&address.user)
            .database(&address.database)
            .ssl_mode(mode)
            .charset("utf8mb4")
            // What was written means here what it means there.
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .statement_cache_capacity(PREPARED_MAX)
            .disable_statement_logging();
        // An empty password is none: the server compares no proof of it.
        if !address.password.reveal().is_empty() {
            options = options.password(address.password.reveal());
        }
        if let Some(pem) = &address.authorities {
            options = options.ssl_ca_from_pem(pem.clone());
        }
        options
    }
}

fn bound(text: &str, arguments: &[Argument]) -> Query<'static, My, MySqlArguments> {
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

fn row_of(row: &MySqlRow) -> Result<Row, Failure> {
    let cells = row.columns().iter().map(|column| {
        let value = row.try_get_raw(column.ordinal()).ok()?;
        Some((column.name().to_owned(), cell(value)?))
    });
    cells
        .collect::<Option<Vec<_>>>()
        .map(Row)
        .ok_or_else(|| Failure::Broken(Error::protocol("a value that is not of its column's type")))
}

/// A value by its column's type; `None` when it is not of it.
fn cell(value: MySqlValueRef<'_>) -> Option<Cell> {
    if value.is_null() {
        return Some(Cell::Null);
    }
    let kind = value.type_info().name().to_owned();
    let cell = match kind.as_str() {
        "BOOLEAN" => Cell::Bool(<i64 as Decode<My>>::decode(value).ok()? != 0),
        "BIGINT UNSIGNED" | "BIT" => {
            Cell::number(&<u64 as Decode<My>>::decode(value).ok()?.to_string())
        }
        "FLOAT" => Cell::Float(<f32 as Decode<My>>::decode(value).ok()?.to_string().parse().ok()?),
        "DOUBLE" => Cell::Float(<f64 as Decode<My>>::decode(value).ok()?),
        "DECIMAL" => Cell::number(text(value)?),
        "DATE" | "DATETIME" => Cell::Text(moment(bytes(value)?)?),
        // The session's zone is UTC.
        "TIMESTAMP" => Cell::Text(format!("{}Z", moment(bytes(value)?)?)),
        "TIME" => Cell::Text(duration(bytes(value)?)?),
        "JSON" => Cell::of_json(text(value)?)?,
        kind if kind.contains("INT") || kind == "YEAR" => {
            match <i64 as Decode<My>>::decode(value.clone()) {
                Ok(number) => Cell::Integer(number),
                Err(_) => Cell::number(&<u64 as Decode<My>>::decode(value).ok()?.to_string()),
            }
        }
        _ => Cell::bytes(bytes(value)?),
    };
    Some(cell)
}

fn bytes(value: MySqlValueRef<'_>) -> Option<&[u8]> {
    <&[u8] as Decode<My>>::decode(value).ok()
}

fn text(value: MySqlValueRef<'_>) -> Option<&str> {
    std::str::from_utf8(bytes(value)?).ok()
}

/// A date, and its time where it has one, from the protocol's binary form: a length, a year of
/// two bytes, month and day; then hour, minute, second; then microseconds of four bytes.
fn moment(bytes: &[u8]) -> Option<String> {
    let (&length, rest) = bytes.split_first()?;
    let date = rest.get(..4)?;
    let year = u16::from_le_bytes([date[0], date[1]]);
    let mut text = format!("{year:04}-{:02}-{:02}", date[2], date[3]);
    if length == 4 {
        return Some(text);
    }
    let clock = rest.get(4..7)?;
    text.push_str(&format!("T{:02}:{:02}:{:02}", clock[0], clock[1], clock[2]));
    if let Some(micros) = rest.get(7..11) {
        let micros = u32::from_le_bytes([micros[0], micros[1], micros[2], micros[3]]);
        text.push_str(&format!(".{micros:06}"));
    }
    Some(text)
}

/// A time, which may be below nothing and longer than a day: a length, a sign, days of four
/// bytes, hour, minute, second; then microseconds.
fn duration(bytes: &[u8]) -> Option<String> {
    let (&length, rest) = bytes.split_first()?;
    if length == 0 {
        return Some("00:00:00".to_owned());
    }
    let head = rest.get(..8)?;
    let days = u32::from_le_bytes([head[1], head[2], head[3], head[4]]);
    let hours = u64::from(days) * 24 + u64::from(head[5]);
    let sign = if head[0] == 1 { "-" } else { "" };
    let mut text = format!("{sign}{hours:02}:{:02}:{:02}", head[6], head[7]);
    if let Some(micros) = rest.get(8..12) {
        let micros = u32::from_le_bytes([micros[0], micros[1], micros[2], micros[3]]);
        text.push_str(&format!(".{micros:06}"));
    }
    Some(text)
}

fn number(error: &sqlx::Error) -> Option<u16> {
    let told = error.as_database_error()?.try_downcast_ref::<MySqlDatabaseError>()?;
    Some(told.number())
}

fn refused(statement: &Statement, reason: impl Into<String>) -> Error {
    Error::Invalid { field: Some(statement.setting.clone()), reason: reason.into() }
}

/// What was said of a query. Messages about its text are passed on (names, and what stands
/// near), those about values are not.
fn of_query(error: &sqlx::Error, statement: &Statement, limit: Duration) -> Failure {
    let Some(number) = number(error) else { return of_login(error, limit) };
    let message = error.as_database_error().map(|told| told.message()).unwrap_or_default();
    match number {
        1142 | 1143 | 1370 => Failure::Told(Error::Forbidden { missing: message.to_owned() }),
        1792 => Failure::Told(refused(statement, "it writes; a query only reads")),
        // A text that is no number or no date: nobody has such an id.
        1292 | 1366 | 1264 => Failure::Told(Error::NotFound),
        1052 | 1054 | 1060 | 1064 | 1109 | 1111 | 1140 | 1146 | 1149 | 1235 | 1247 | 1305 => {
            Failure::Told(refused(statement, message))
        }
        _ => of_login(error, limit),
    }
}

/// What was said of a write, never with a value.
fn of_change(error: &sqlx::Error, statement: &Statement, limit: Duration) -> Failure {
    let Some(number) = number(error) else { return of_login(error, limit) };
    let refused =
        |reason: &str| Failure::Told(Error::Invalid { field: None, reason: reason.into() });
    match number {
        1022 | 1062 | 1586 => Failure::Told(Error::Conflict {
            reason: "another row has this value in a unique index".to_owned(),
        }),
        1048 | 1263 => refused("a column that may not be empty would be"),
        1364 => refused("a column of a new row has no default, and is not mapped"),
        1406 => refused("a text is longer than its column"),
        1216 | 1217 | 1451 | 1452 => refused("it breaks a foreign key of the table"),
        3819 | 4025 => refused("it breaks a check of the table"),
        1644 => refused("a trigger of the table refuses it"),
        1264 | 1265 | 1292 | 1366 | 1367 => refused("a value is none that its column takes"),
        _ => of_query(error, statement, limit),
    }
}

/// What was said of the login, the session or the server.
fn of_login(error: &sqlx::Error, limit: Duration) -> Failure {
    let Some(number) = number(error) else { return cut(error) };
    match number {
        1317 | 1969 | 3024 => Failure::Told(late(limit)),
        1044 | 1045 | 1698 | 1862 => {
            let reason = format!("the server refuses the user or the password ({number})");
            Failure::Told(Error::Unauthorized { reason })
        }
        1049 => Failure::Told(Error::Invalid {
            field: Some("database".to_owned()),
            reason: "there is no such database".to_owned(),
        }),
        1205 | 1213 => Failure::Told(Error::unavailable(format!("the server says {number}"))),
        // Too many sessions, shutting down, killed, packets out of order.
        1040 | 1053 | 1077..=1079 | 1152..=1161 | 1203 | 1226 | 1927 | 4031 => {
            Failure::Broken(Error::unavailable(format!("the server says {number}")))
        }
        number => {
            let reason = format!("the server refused it ({number})");
            Failure::Told(Error::Invalid { field: None, reason })
        }
    }
}
