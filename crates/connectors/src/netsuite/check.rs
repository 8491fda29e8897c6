//! Asks NetSuite, live, whether this connection may do what it needs to.
//!
//! The login; each table of people, and the accounts, by the very query that a lookup makes,
//! for a record that cannot be; open invoices and deletions, where they are wanted; then a
//! change of a phone call that cannot be, which changes nothing and needs the right to.

use super::accounts::Ledger;
use super::changes::Deletions;
use super::client::{Client, Write};
use super::lookup::{Forms, queries};
use super::mapping::Shape;
use super::suiteql::{Condition, Id, Moment, Name, Query};
use async_trait::async_trait;
use kit::connector::Flaw;
use kit::{Ask, Check, Error, Finding, Lane, Rights};
use serde_json::json;
use std::sync::Arc;

/// An id that no record has.
const NOBODY: &str = "999999999999";

/// The check of one connection.
pub(super) struct Access {
    pub(super) client: Arc<Client>,
    pub(super) shapes: Vec<Shape>,
    pub(super) accounts: Arc<Ledger>,
    pub(super) deletions: Deletions,
    pub(super) forms: Forms,
}

#[async_trait]
impl Check for Access {
    async fn check(&self) -> Vec<Finding> {
        if let Err(error) = self.client.token(Lane::Background).await {
            return vec![finding("login", Err(login_flaw(&error)))];
        }
        let mut findings = vec![finding("login", Ok(()))];
        let nobody = [Ask { record: Some(NOBODY.to_owned()), ..Ask::default() }];
        for shape in &self.shapes {
            let asked = queries(shape, Lane::Background, &nobody, self.forms);
            findings.push(self.asked(shape.table.as_str(), asked).await);
        }
        findings.push(self.asked("accounts", self.accounts.queries(&[NOBODY.to_owned()])).await);
        let ids: Vec<Id> = Id::new(NOBODY).into_iter().collect();
        let open = self.accounts.open(Lane::Background, &ids).await;
        findings.push(told("transaction", open.map(drop)));
        if self.deletions.are_told {
            findings.push(self.asked("deletedrecord", self.gone().into_iter().collect()).await);
        }
        let path = format!("phoneCall/{NOBODY}");
        let changed = match self.client.write(&path, Write::Change(&json!({}))).await {
            Ok(_) | Err(Error::NotFound) => Ok(()),
            Err(error) => Err(error),
        };
        findings.push(told("phoneCall", changed));
        findings
    }

    async fn rights(&self) -> Result<Rights, Error> {
        Ok(Rights::untold("NetSuite tells no permissions of a role by REST", PLACE))
    }
}

/// Where permissions are given.
const PLACE: &str =
    "in NetSuite under Setup, Users/Roles, Manage Roles, the role of the integration";

impl Access {
    async fn asked(&self, what: &str, queries: Vec<Query>) -> Finding {
        told(what, self.client.all(Lane::Background, queries).await.map(drop))
    }

    /// Deletions of what cannot be, long after anything.
    fn gone(&self) -> Option<Query> {
        let late = Moment::new("9999-01-01T00:00:00")?;
        let condition = Condition::text(&self.deletions.kind, "customer");
        let condition = condition.and(Condition::since(&Name::fixed("deleteddate"), &late));
        Some(Query::deletions(&self.deletions.id, &condition))
    }
}

fn finding(what: &str, outcome: Result<(), Flaw>) -> Finding {
    Finding { what: what.to_owned(), outcome }
}

fn told(what: &str, outcome: Result<(), Error>) -> Finding {
    finding(what, outcome.map_err(|error| flaw(what, &error)))
}

fn login_flaw(error: &Error) -> Flaw {
    let (code, message, fix) = match error {
        Error::Unauthorized { reason } => (
            "connection.credentials_refused",
            format!("NetSuite refused the login: {reason}."),
            "Compare client_id, certificate_id, private_key and algorithm with Setup > Integration > OAuth 2.0 Client Credentials; the certificate may have expired, or this machine's clock be wrong.",
        ),
        Error::Invalid { .. } | Error::Forbidden { .. } => (
            "connection.credentials_refused",
            format!("The login is not possible: {error}."),
            "Correct the setting that is named.",
        ),
        error => (
            "connection.unreachable",
            format!("NetSuite's login gave no token: {error}."),
            "Make sure that account is right and that its suitetalk host can be reached from here.",
        ),
    };
    Flaw { code, message, fix: fix.to_owned() }
}

fn flaw(what: &str, error: &Error) -> Flaw {
    let (code, message, fix) = match error {
        Error::Forbidden { missing } => (
            "connection.scope_missing",
            format!("NetSuite let us in but not to {what}: {missing}."),
            "Give the integration's role that permission (Setup > Users/Roles > Manage Roles).".to_owned(),
        ),
        Error::Unauthorized { reason } => (
            "connection.credentials_refused",
            format!("NetSuite refused the token: {reason}."),
            "Give the integration's role Log in using OAuth 2.0 Access Tokens, REST Web Services and SuiteAnalytics Workbook.".to_owned(),
        ),
        Error::Invalid { field: Some(field), .. } => (
            "connection.field_missing",
            format!("NetSuite has no {field} for {what}."),
            format!("Correct {field} under data, account_data, account_key, phone_fields or deleted_id and deleted_type; or give the role the permission to see it."),
        ),
        Error::NotFound | Error::Invalid { .. } => (
            "connection.setting_refused",
            format!("NetSuite refused the request for {what}: {error}."),
            "Compare account and data with the account.".to_owned(),
        ),
        error => (
            "connection.unreachable",
            format!("NetSuite did not answer for {what}: {error}."),
            "Try again; make sure that the account's suitetalk host can be reached from here.".to_owned(),
        ),
    };
    Flaw { code, message, fix }
}
