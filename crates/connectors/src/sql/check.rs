//! Asks the database, live, whether this connection can do what it is for.
//!
//! Is it reached; is it true that it only reads; then each query: is it understood, has it
//! the columns it needs, and is there an index for it. Nothing is read but the plan.

use super::database::{Database, Outlook};
use super::lookup::missing;
use super::queries::Queries;
use super::statement::{Argument, Given, Statement};
use async_trait::async_trait;
use kit::connector::Flaw;
use kit::{Check, Error, Finding};
use std::sync::Arc;

/// The check of one connection.
pub(super) struct Access {
    pub(super) database: Arc<dyn Database>,
    pub(super) queries: Arc<Queries>,
}

#[async_trait]
impl Check for Access {
    async fn check(&self) -> Vec<Finding> {
        let refuses = match self.database.refuses_to_write().await {
            Ok(refuses) => refuses,
            Err(error) => return vec![finding("session", Err(flaw("session", &error)))],
        };
        let mut findings = vec![finding("session", Ok(()))];
        findings.push(finding("reads only", if refuses { Ok(()) } else { Err(writes()) }));
        for (statement, given) in self.queries.samples() {
            findings.push(finding(&statement.setting, self.query(statement, &given).await));
        }
        findings
    }
}

impl Access {
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
