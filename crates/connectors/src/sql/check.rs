//! Asks the database, live, whether this connection can do what it is for.
//!
//! Is it reached; is it true that it only reads; then each query: is it understood, has it
//! the columns it needs, and is there an index for it. Nothing is read but the plan. Of a table
//! that is written: is each column there and fit for its part, and may the user write it.

use super::cell::Cell;
use super::database::{Database, Outlook};
use super::lookup::missing;
use super::queries::Queries;
use super::statement::{Argument, Dialect, Given, Statement, Takes};
use super::tables::Shapes;
use super::tables::check::Told;
use async_trait::async_trait;
use kit::connector::Flaw;
use kit::{Check, Error, Finding, Lane, Rights};
use std::sync::Arc;

/// The check of one connection.
pub(super) struct Access {
    pub(super) database: Arc<dyn Database>,
    pub(super) queries: Arc<Queries>,
    pub(super) shapes: Arc<Shapes>,
    /// What asks the server of its user, where there is one.
    pub(super) rights: Option<Statement>,
}

/// Whether the user is above all others, and how many tables it may write, as the server
/// says. A file has no users.
pub(super) fn of_user(dialect: Dialect) -> Result<Option<Statement>, Error> {
    let sql = match dialect {
        Dialect::PostgreSql => {
            "SELECT (SELECT count(*) FROM pg_catalog.pg_roles WHERE rolname = current_user AND rolsuper) AS above, \
             (SELECT count(*) FROM information_schema.role_table_grants \
              WHERE privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE') \
              AND table_schema NOT IN ('pg_catalog', 'information_schema')) AS writable"
        }
        Dialect::MySql => {
            "SELECT (SELECT count(*) FROM information_schema.user_privileges \
              WHERE privilege_type IN ('SUPER', 'CREATE USER', 'GRANT OPTION')) AS above, \
             (SELECT count(*) FROM information_schema.user_privileges \
              WHERE privilege_type IN ('INSERT', 'UPDATE', 'DELETE')) \
             + (SELECT count(*) FROM information_schema.schema_privileges \
              WHERE privilege_type IN ('INSERT', 'UPDATE', 'DELETE')) \
             + (SELECT count(*) FROM information_schema.table_privileges \
              WHERE privilege_type IN ('INSERT', 'UPDATE', 'DELETE')) AS writable"
        }
        Dialect::Sqlite | Dialect::SqlServer => return Ok(None),
    };
    Statement::compile("rights", sql, dialect, Takes::Any).map(Some)
}

#[async_trait]
impl Check for Access {
    async fn check(&self) -> Vec<Finding> {
        let refuses = match self.database.refuses_to_write().await {
            Ok(refuses) => refuses,
            Err(error) => return vec![finding("session", Err(flaw("session", &error)))],
        };
        let mut findings = vec![finding("session", Ok(()))];
        // SQL Server tells of the user and not of the session: one that writes elsewhere may.
        let is_told = !self.has_tables() || self.shapes.dialect != Dialect::SqlServer;
        if is_told {
            findings.push(finding("reads only", if refuses { Ok(()) } else { Err(writes()) }));
        }
        for (statement, given) in self.queries.samples() {
            findings.push(finding(&statement.setting, self.query(statement, &given).await));
        }
        for (at, told) in self.shapes.checked().await {
            let outcome = told.map_err(|told| match told {
                Told::Flaw(flaw) => flaw,
                Told::Error(error) => flaw(&at, &error),
            });
            findings.push(finding(&at, outcome));
        }
        findings
    }

    async fn rights(&self) -> Result<Rights, Error> {
        let mut rights =
            Rights::untold("a database has no scopes, each query was tried instead", PLACE);
        let Some(statement) = &self.rights else { return Ok(rights) };
        let rows = self.database.rows(Lane::Background, statement, Vec::new()).await?;
        let count = |name: &str| match rows.first().and_then(|row| row.get(name)) {
            Some(Cell::Integer(count)) => *count > 0,
            Some(Cell::Decimal(count)) => count != "0",
            _ => false,
        };
        rights.administrator = match (count("above"), count("writable")) {
            (true, _) => Some("the user is a superuser".to_owned()),
            (false, true) if !self.has_tables() => {
                Some("the user may write tables, and Tieline only reads".to_owned())
            }
            (false, _) => None,
        };
        Ok(rights)
    }
}

/// Where privileges are given.
const PLACE: &str =
    "GRANT SELECT on what the queries name, to a user of Tieline's own, and nothing else";

impl Access {
    fn has_tables(&self) -> bool {
        !self.shapes.tables.is_empty()
    }

    async fn query(&self, statement: &Statement, given: &[(&str, Given)]) -> Result<(), Flaw> {
        let what = &statement.setting;
        let arguments: Vec<Argument> =
            statement.arguments(given).map_err(|error| flaw(what, &error))?;
        let outlook = match self.database.outlook(statement, arguments).await {
            // No id has the form of the sample: the query was understood.
            Err(Error::NotFound) => return Ok(()),
            outlook => outlook.map_err(|error| flaw(what, &error))?,
        };
        let Outlook { columns, scans } = outlook;
        let finds_people = what.starts_with("lookup_by_");
        let lacks = finds_people.then(|| missing(&self.queries.columns, statement, &columns));
        if let Some(Error::Invalid { reason, .. }) = lacks.flatten() {
            return Err(Flaw {
                code: "connection.field_missing",
                message: format!("{what} {reason}."),
                fix: format!("Select it in {what}, or say under columns what it is called."),
            });
        }
        match scans.first() {
            Some(table) => Err(Flaw {
                code: "connection.full_scan",
                message: format!("{what} reads the whole of {table}: no index serves it."),
                fix: format!(
                    "Make an index on what {what} compares, in the form in which it compares it."
                ),
            }),
            None => Ok(()),
        }
    }
}

fn finding(what: &str, outcome: Result<(), Flaw>) -> Finding {
    Finding { what: what.to_owned(), outcome }
}

fn writes() -> Flaw {
    Flaw {
        code: "connection.can_write",
        message: "A session that only reads was asked for, and it let us write.".to_owned(),
        fix: "Give Tieline a user that may read what the queries name, and nothing else."
            .to_owned(),
    }
}

fn flaw(what: &str, error: &Error) -> Flaw {
    let (code, fix) = match error {
        Error::Unauthorized { .. } => (
            "connection.credentials_refused",
            "Compare user and password with the database's, and where it lets the user log in from.",
        ),
        Error::Forbidden { .. } => {
            ("connection.scope_missing", "Grant the user SELECT on what is named.")
        }
        Error::Invalid { .. } | Error::NotFound => {
            ("connection.setting_refused", "Correct the setting that is named.")
        }
        _ => (
            "connection.unreachable",
            "Make sure that the server runs and can be reached from here, and that tls is as it has it.",
        ),
    };
    Flaw { code, message: format!("{what}: {error}."), fix: fix.to_owned() }
}
