//! SQL Server, by tiberius; a part of builds with the feature `mssql`.
//!
//! It has no session that only reads, so each query runs in a transaction that is rolled
//! back, and whether the user could write at all is asked of the server. What ends a query
//! that runs too long is that its session is closed.

use super::address::{Address, Tls};
use super::{BYTES_MAX, Driver, Failure, Outlook, Purpose, ROWS_MAX, Step, late, too_large};
use crate::sql::cell::{Cell, Row};
use crate::sql::civil::civil;
use crate::sql::statement::{Argument, Statement};
use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use kit::Error;
use std::time::Duration;
use tiberius::{AuthMethod, Client, ColumnData, Config, EncryptionLevel, Query, QueryItem};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt as _};

/// One server.
pub(in crate::sql) struct SqlServer {
    pub(in crate::sql) address: Address,
}

/// A session, and how long its queries may run.
pub(in crate::sql) struct Session {
    client: Client<Compat<TcpStream>>,
    limit: Duration,
}

#[async_trait]
impl Driver for SqlServer {
    type Session = Session;

    async fn connect(&self, limit: Duration, purpose: Purpose) -> Result<Session, Failure> {
        let config = self.config(limit, purpose);
        let mut failure = Failure::Broken(Error::unavailable("the host has no address"));
        for address in self.address.resolve().await.map_err(Failure::Told)? {
            let stream = match TcpStream::connect(address).await {
                Ok(stream) => stream,
                Err(error) => {
                    failure = cut(error.kind());
                    continue;
                }
            };
            // A lookup is one small packet, which shall not wait for more.
            let _ = stream.set_nodelay(true);
            let logging_in = Client::connect(config.clone(), stream.compat_write());
            let client = Box::pin(logging_in).await;
            let client = client.map_err(|error| of_login(&error, limit))?;
            let mut session = Session { client, limit };
            session.begin().await?;
            return Ok(session);
        }
        Err(failure)
    }

    async fn rows(
        &self,
        session: &mut Session,
        statement: &Statement,
        arguments: &[Argument],
    ) -> Result<Vec<Row>, Failure> {
        let limit = session.limit;
        let wrong = |error: tiberius::error::Error| of_query(&error, statement, limit);
        session.client.begin_transaction().await.map_err(wrong)?;
        let answer = session.answer(&statement.text, arguments, statement).await;
        // A refused statement has rolled it back itself (XACT_ABORT).
        if !matches!(answer, Err(Failure::Late(_) | Failure::Broken(_))) {
            session.run("IF @@TRANCOUNT > 0 ROLLBACK").await?;
        }
        answer
    }

    async fn outlook(
        &self,
        session: &mut Session,
        statement: &Statement,
        arguments: &[Argument],
    ) -> Result<Outlook, Failure> {
        let declared: Vec<String> = (1..=arguments.len())
            .zip(arguments)
            .map(|(nth, argument)| match argument {
                Argument::Text(_) | Argument::Null => format!("@P{nth} nvarchar(4000)"),
                Argument::Integer(_) => format!("@P{nth} bigint"),
            })
            .collect();
        let asked = [Argument::Text(statement.text.clone()), Argument::Text(declared.join(", "))];
        let described = session
            .answer(
                "SELECT name, error_message FROM sys.dm_exec_describe_first_result_set(@P1, @P2, 0)",
                &asked,
                statement,
            )
            .await?;
        if let Some(message) = described.iter().find_map(|row| row.text("error_message")) {
            return Err(Failure::Told(refused(statement, message)));
        }
        let columns = described.iter().filter_map(|row| row.text("name")).collect();
        // Its plans come as XML of their own; which index serves a query is not looked at.
        Ok(Outlook { columns, scans: Vec::new() })
    }

    async fn refuses_to_write(&self, session: &mut Session) -> Result<bool, Failure> {
        let sql = "SELECT CAST(HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'INSERT') \
                   + HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'UPDATE') \
                   + HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'DELETE') \
                   + HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'CREATE TABLE') AS int) AS rights";
        let limit = session.limit;
        let wrong = |error: tiberius::error::Error| of_login(&error, limit);
        let row = session.client.simple_query(sql).await.map_err(wrong)?;
        let row = row.into_row().await.map_err(wrong)?;
        Ok(row.and_then(|row| row.get::<i32, _>(0)) == Some(0))
    }

    async fn rows_within(
        &self,
        session: &mut Session,
        statement: &Statement,
        arguments: &[Argument],
    ) -> Result<Vec<Row>, Failure> {
        session.answer(&statement.text, arguments, statement).await
    }

    async fn change(
        &self,
        session: &mut Session,
        statement: &Statement,
        arguments: &[Argument],
    ) -> Result<u64, Failure> {
        let limit = session.limit;
        let mut query = Query::new(statement.text.clone());
        for argument in arguments {
            bind(&mut query, argument);
        }
        let done = query.execute(&mut session.client).await;
        Ok(done.map_err(|error| of_change(&error, statement, limit))?.total())
    }

    async fn step(&self, session: &mut Session, step: Step) -> Result<bool, Failure> {
        let sql = match step {
            Step::Begin => "BEGIN TRANSACTION",
            Step::Commit => "COMMIT TRANSACTION",
            Step::Rollback => "IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION",
            Step::Mark | Step::Keep => return Ok(true),
            // A refused statement has rolled everything back (XACT_ABORT).
            Step::Back => return Ok(false),
        };
        session.run(sql).await.map(|()| true)
    }

    fn marks(&self) -> bool {
        false
    }
}

impl Session {
    /// Waits for no lock longer than for a query, and gives no more rows than are read.
    async fn begin(&mut self) -> Result<(), Failure> {
        let ms = self.limit.as_millis();
        self.run(&format!("SET XACT_ABORT ON; SET LOCK_TIMEOUT {ms}; SET ROWCOUNT {ROWS_MAX}"))
            .await
    }

    /// Text of this file's own.
    async fn run(&mut self, sql: &str) -> Result<(), Failure> {
        let limit = self.limit;
        let wrong = |error: tiberius::error::Error| of_login(&error, limit);
        let run = self.client.simple_query(sql).await.map_err(wrong)?;
        run.into_results().await.map(drop).map_err(wrong)
    }

    async fn answer(
        &mut self,
        text: &str,
        arguments: &[Argument],
        statement: &Statement,
    ) -> Result<Vec<Row>, Failure> {
        let limit = self.limit;
        let wrong = |error: tiberius::error::Error| of_query(&error, statement, limit);
        let mut query = Query::new(text.to_owned());
        for argument in arguments {
            bind(&mut query, argument);
        }
        let mut answer = query.query(&mut self.client).await.map_err(wrong)?;
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while let Some(item) = answer.try_next().await.map_err(wrong)? {
            let QueryItem::Row(row) = item else { continue };
            let cells = row.cells().map(|(column, data)| (column.name().to_owned(), cell(data)));
            let row = Row(cells.collect());
            bytes += row.0.iter().map(|(_, cell)| cell.size()).sum::<usize>();
            if bytes > BYTES_MAX {
                // What is left of the answer is never read.
                return Err(Failure::Late(too_large(statement)));
            }
            rows.push(row);
        }
        Ok(rows)
    }
}

impl SqlServer {
    fn config(&self, limit: Duration, purpose: Purpose) -> Config {
        let address = &self.address;
        let mut config = Config::new();
        // The name is for the certificate; where it leads was looked up and looked at before.
        config.host(&address.host);
        config.port(address.port);
        config.database(&address.database);
        config.authentication(AuthMethod::sql_server(&address.user, address.password.reveal()));
        config.application_name("tieline");
        config.readonly(purpose == Purpose::Read);
        config.command_timeout(Some(limit));
        match address.tls {
            Tls::Verify => {
                config.encryption(EncryptionLevel::Required);
                if let Some(pem) = &address.authorities {
                    config.trust_cert_ca_bundle(pem.clone());
                }
            }
            Tls::Encrypt => {
                config.encryption(EncryptionLevel::Required);
                config.trust_cert();
            }
            Tls::Off => config.encryption(EncryptionLevel::NotSupported),
        }
        config
    }
}

fn bind(query: &mut Query<'_>, argument: &Argument) {
    match argument {
        Argument::Text(text) => query.bind(text.clone()),
        Argument::Integer(number) => query.bind(*number),
        Argument::Null => query.bind(None::<String>),
    }
}

fn cell(data: &ColumnData<'_>) -> Cell {
    let found = match data {
        ColumnData::U8(value) => value.map(|number| Cell::Integer(number.into())),
        ColumnData::I16(value) => value.map(|number| Cell::Integer(number.into())),
        ColumnData::I32(value) => value.map(|number| Cell::Integer(number.into())),
        ColumnData::I64(value) => value.map(Cell::Integer),
        ColumnData::F32(value) => {
            value.and_then(|number| Some(Cell::Float(number.to_string().parse().ok()?)))
        }
        ColumnData::F64(value) => value.map(Cell::Float),
        ColumnData::Bit(value) => value.map(Cell::Bool),
        ColumnData::String(value) => value.as_ref().map(|text| Cell::Text(text.to_string())),
        ColumnData::Guid(value) => value.map(|id| Cell::Text(id.to_string())),
        ColumnData::Binary(value) => value.as_ref().map(|bytes| Cell::bytes(bytes)),
        ColumnData::Numeric(value) => {
            // Without a scale it is written with a point and nothing behind it.
            value.map(|number| {
                Cell::number(number.to_string().trim_end_matches(".0").trim_end_matches('.'))
            })
        }
        ColumnData::Xml(value) => value.as_ref().map(|xml| Cell::Text(xml.to_string())),
        ColumnData::DateTime(value) => value.map(|at| {
            let ms = u64::from(at.seconds_fragments()) * 10 / 3;
            Cell::Text(format!("{}T{}", day(at.days().into(), 1900), clock(ms, 3)))
        }),
        ColumnData::SmallDateTime(value) => value.map(|at| {
            let seconds = u64::from(at.seconds_fragments()) * 60;
            Cell::Text(format!("{}T{}", day(at.days().into(), 1900), clock(seconds, 0)))
        }),
        ColumnData::Time(value) => value.map(|at| Cell::Text(clock(at.increments(), at.scale()))),
        ColumnData::Date(value) => value.map(|date| Cell::Text(day(date.days().into(), 1))),
        ColumnData::DateTime2(value) => value.map(|at| Cell::Text(moment(at))),
        // What is kept is UTC; the zone it was written in is not told.
        ColumnData::DateTimeOffset(value) => {
            value.map(|at| Cell::Text(format!("{}Z", moment(at.datetime2()))))
        }
    };
    found.unwrap_or(Cell::Null)
}

fn moment(at: tiberius::time::DateTime2) -> String {
    let (date, time) = (at.date(), at.time());
    format!("{}T{}", day(date.days().into(), 1), clock(time.increments(), time.scale()))
}

/// A date so many days after the first of January of a year.
fn day(days: i64, of: i64) -> String {
    // Days from there to 1970-01-01.
    let begin = if of == 1 { -719_162 } else { -25_567 };
    let (year, month, day) = civil(begin + days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// A time of day from a count of parts of a second.
fn clock(count: u64, scale: u8) -> String {
    let parts = 10_u64.pow(u32::from(scale.min(9)));
    let (seconds, fraction) = (count / parts, count % parts);
    let text = format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if scale == 0 { text } else { format!("{text}.{fraction:0width$}", width = usize::from(scale)) }
}

fn refused(statement: &Statement, reason: impl Into<String>) -> Error {
    Error::Invalid { field: Some(statement.setting.clone()), reason: reason.into() }
}

/// What was said of a query. Messages about its text are passed on, those about values are not.
fn of_query(error: &tiberius::error::Error, statement: &Statement, limit: Duration) -> Failure {
    let tiberius::error::Error::Server(told) = error else { return of_login(error, limit) };
    match told.code() {
        229 | 230 => Failure::Told(Error::Forbidden { missing: told.message().to_owned() }),
        // A text that is no number or no date: nobody has such an id.
        241 | 245 | 248 | 8114 | 8115 => Failure::Told(Error::NotFound),
        102 | 105 | 156 | 170 | 195 | 207 | 208 | 209 | 4104 | 4121 | 8120 | 8155 | 8156 | 8180 => {
            Failure::Told(refused(statement, told.message()))
        }
        _ => of_login(error, limit),
    }
}

/// What was said of a write, never with a value.
fn of_change(error: &tiberius::error::Error, statement: &Statement, limit: Duration) -> Failure {
    let tiberius::error::Error::Server(told) = error else { return of_login(error, limit) };
    let invalid = |reason: &str| Failure::Told(refused(statement, reason));
    match told.code() {
        2601 | 2627 => Failure::Told(Error::Conflict {
            reason: "another row has this value in a unique index".to_owned(),
        }),
        515 => invalid("a column that may not be empty would be"),
        547 => invalid("it breaks a constraint of the table"),
        2628 | 8152 => invalid("a text is longer than its column"),
        241 | 242 | 245 | 248 | 8114 | 8115 => invalid("a value is none that its column takes"),
        _ => of_query(error, statement, limit),
    }
}

/// What was said of the login, the session or the server.
fn of_login(error: &tiberius::error::Error, limit: Duration) -> Failure {
    use tiberius::error::Error as Told;
    let setting = |field: &str, reason: String| {
        Failure::Told(Error::Invalid { field: Some(field.to_owned()), reason })
    };
    match error {
        Told::Server(told) => match told.code() {
            18_452 | 18_456 | 18_470 | 18_487 | 18_488 => {
                let reason =
                    format!("SQL Server refuses the user or the password ({})", told.code());
                Failure::Told(Error::Unauthorized { reason })
            }
            4060 => {
                setting("database", "there is no such database, or not for this user".to_owned())
            }
            1205 | 1222 => {
                Failure::Told(Error::unavailable(format!("SQL Server says {}", told.code())))
            }
            code => {
                let reason = format!("SQL Server refused it ({code})");
                Failure::Told(Error::Invalid { field: None, reason })
            }
        },
        Told::Io { kind: std::io::ErrorKind::TimedOut, .. } => Failure::Late(late(limit)),
        Told::Io { kind, .. } => cut(*kind),
        Told::Tls(reason) => setting("tls", format!("no TLS with this server: {reason}")),
        Told::Routing { .. } => {
            setting("host", "sends us to another server; name that one".to_owned())
        }
        _ => Failure::Broken(Error::protocol("an answer outside the server's protocol")),
    }
}

fn cut(kind: std::io::ErrorKind) -> Failure {
    Failure::Broken(Error::unavailable(format!("the connection is cut: {kind}")))
}

#[cfg(test)]
mod tests {
    use super::cell;
    use crate::sql::cell::Cell;
    use tiberius::ColumnData;
    use tiberius::numeric::Numeric;
    use tiberius::time::{Date, DateTime, DateTime2, SmallDateTime, Time};

    #[test]
    fn every_type_has_one_form() {
        let text = |text: &str| Cell::Text(text.to_owned());
        // 2026-11-22 is day 739,941 of the calendar and day 46,346 since 1900.
        let date = Date::new(739_941);
        for (data, expected) in [
            (ColumnData::I32(Some(7)), Cell::Integer(7)),
            (ColumnData::I32(None), Cell::Null),
            (
                ColumnData::Numeric(Some(Numeric::new_with_scale(-123_450, 2))),
                Cell::Decimal("-1234.50".into()),
            ),
            (ColumnData::Date(Some(date)), text("2026-11-22")),
            (
                ColumnData::DateTime2(Some(DateTime2::new(date, Time::new(288_005_000, 4)))),
                text("2026-11-22T08:00:00.5000"),
            ),
            (
                ColumnData::DateTime(Some(DateTime::new(46_346, 8_640_150))),
                text("2026-11-22T08:00:00.500"),
            ),
            (
                ColumnData::SmallDateTime(Some(SmallDateTime::new(46_346, 480))),
                text("2026-11-22T08:00:00"),
            ),
            (ColumnData::Bit(Some(true)), Cell::Bool(true)),
        ] {
            assert!(cell(&data) == expected, "{data:?}");
        }
    }
}
