//! Asks a source, live, whether each configured request works: the login, then each of them
//! for somebody who cannot be.

use super::accounts::Ledger;
use super::client::{Client, records};
use super::lookup::{Directory, Way};
use super::template::Values;
use async_trait::async_trait;
use domain::Phone;
use kit::connector::Flaw;
use kit::{Check, Error, Finding, Lane};
use std::sync::Arc;

/// Nobody's.
const RECORD: &str = "tieline-check-nobody";
const EMAIL: &str = "tieline-check-nobody@example.invalid";
const PHONE: &str = "+15550100000";

/// The check of one connection.
pub(super) struct Access {
    pub(super) client: Arc<Client>,
    pub(super) directory: Option<Arc<Directory>>,
    pub(super) ledger: Option<Arc<Ledger>>,
}

#[async_trait]
impl Check for Access {
    async fn check(&self) -> Vec<Finding> {
        if let Err(error) = self.client.token(Lane::Background).await {
            return vec![finding("login", Err(login_flaw(&error)))];
        }
        let ways = self.directory.iter().flat_map(|directory| directory.ways.all());
        let ways = ways.chain(self.ledger.iter().map(|ledger| &ledger.way));
        let mut findings = vec![finding("login", Ok(()))];
        for way in ways {
            match self.tried(way).await {
                Err(error @ Error::Unauthorized { .. }) => {
                    return vec![finding("login", Err(login_flaw(&error)))];
                }
                outcome => {
                    let outcome = outcome.map_err(|error| flaw(way.setting, &error));
                    findings.push(finding(way.setting, outcome));
                }
            }
        }
        findings
    }
}

impl Access {
    async fn tried(&self, way: &Way) -> Result<(), Error> {
        let phone = Phone { e164: PHONE.to_owned(), extension: None };
        let values = Values {
            phone: Some(&phone),
            email: Some(EMAIL),
            record: Some(RECORD),
            account: Some(RECORD),
        };
        let Some(asked) = way.asked(&self.client, &values) else { return Ok(()) };
        let pages = way.pages(&self.client, Lane::Background, &asked).await?;
        pages.iter().flatten().try_for_each(|page| records(page, &asked.records).map(drop))
    }
}

fn finding(what: &str, outcome: Result<(), Flaw>) -> Finding {
    Finding { what: what.to_owned(), outcome }
}

fn login_flaw(error: &Error) -> Flaw {
    let (code, message, fix) = match error {
        Error::Unauthorized { reason } => (
            "connection.credentials_refused",
            format!("The source refused the login: {reason}."),
            "Compare auth and its credentials with those that the source gave you.",
        ),
        Error::Invalid { .. } | Error::Forbidden { .. } => (
            "connection.credentials_refused",
            format!("The login is not possible: {error}."),
            "Correct the setting that is named.",
        ),
        error => (
            "connection.unreachable",
            format!("The login gave no token: {error}."),
            "Make sure that token_url is right and can be reached from here.",
        ),
    };
    Flaw { code, message, fix: fix.to_owned() }
}

fn flaw(setting: &str, error: &Error) -> Flaw {
    let (code, message, fix) = match error {
        Error::Forbidden { missing } => (
            "connection.scope_missing",
            format!("The source let us in but not to {missing}."),
            format!("Grant the credentials what {setting} asks for, or take it out."),
        ),
        Error::NotFound | Error::Invalid { .. } => (
            "connection.setting_refused",
            format!("The source refused the request of {setting}: {error}."),
            format!("Compare base_url and {setting} with the source's own description."),
        ),
        Error::Protocol { reason } => (
            "connection.setting_refused",
            format!("The answer to {setting} is not as configured: {reason}."),
            "Compare records_at, record_at and paging with an answer of the source.".to_owned(),
        ),
        error => (
            "connection.unreachable",
            format!("The source did not answer {setting}: {error}."),
            "Make sure that base_url is right and can be reached from here, and try again."
                .to_owned(),
        ),
    };
    Flaw { code, message, fix }
}
