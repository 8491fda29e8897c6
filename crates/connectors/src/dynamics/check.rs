//! Asks Dataverse, live, whether this connection may do what it needs to.
//!
//! The login; who we are there; each table of people, and the accounts, by the very request
//! that a lookup makes, for a record that cannot be; then a change of a phone call that
//! cannot be, which changes nothing and needs the right to.

use super::accounts::Ledger;
use super::client::{Client, Condition, Method, Write};
use super::mapping::Shape;
use super::odata::{Filter, Guid, Name, Query, record as address};
use async_trait::async_trait;
use kit::connector::Flaw;
use kit::{Check, Error, Finding, Lane};
use serde_json::json;
use std::sync::Arc;

/// An id that no record has.
const NOBODY: &str = "00000000-0000-0000-0000-000000000001";

/// The check of one connection.
pub(super) struct Access {
    pub(super) client: Arc<Client>,
    pub(super) shapes: Vec<Shape>,
    pub(super) accounts: Arc<Ledger>,
}

#[async_trait]
impl Check for Access {
    async fn check(&self) -> Vec<Finding> {
        if let Err(error) = self.client.token(Lane::Background).await {
            return vec![finding("login", Err(login_flaw(&error)))];
        }
        let mut findings = match self.client.function("WhoAmI()").await {
            Ok(_) => vec![finding("login", Ok(()))],
            Err(error) => return vec![finding("login", Err(flaw("the environment", &error)))],
        };
        for shape in &self.shapes {
            let what = shape.table.logical();
            let asked = self.client.rows(Lane::Background, &self.nobody(shape)).await;
            findings.push(finding(what, asked.map(drop).map_err(|error| flaw(what, &error))));
        }
        let links = [NOBODY.to_owned()];
        let asked = self.client.all(Lane::Background, self.accounts.queries(&links)).await;
        findings
            .push(finding("accounts", asked.map(drop).map_err(|error| flaw("account", &error))));
        let what = "phonecall";
        let outcome = match self.change_nothing().await {
            Ok(()) | Err(Error::NotFound) => Ok(()),
            Err(error) => Err(flaw(what, &error)),
        };
        findings.push(finding(what, outcome));
        findings
    }
}

impl Access {
    fn nobody(&self, shape: &Shape) -> Query {
        let (select, expand) = shape.of_person();
        let filter = Guid::new(NOBODY).map(|id| Filter::id(&shape.table.id(), &id));
        Query { set: shape.table.set(), filter, select, expand, top: None }
    }

    async fn change_nothing(&self) -> Result<(), Error> {
        let Some(id) = Guid::new(NOBODY) else { return Ok(()) };
        let url = address(&self.client.api, &Name::fixed("phonecalls"), &id, &[]);
        let (body, condition) = (json!({ "leftvoicemail": false }), Condition::There);
        let write = Write { method: Method::Patch, url, body: Some(&body), condition };
        self.client.write(&write).await.map(drop)
    }
}

fn finding(what: &str, outcome: Result<(), Flaw>) -> Finding {
    Finding { what: what.to_owned(), outcome }
}

fn login_flaw(error: &Error) -> Flaw {
    let (code, message, fix) = match error {
        Error::Unauthorized { reason } => (
            "connection.credentials_refused",
            format!("Microsoft Entra refused the login: {reason}."),
            "Compare tenant, client_id and client_secret (its value, not its id; it may have expired) with the app registration.",
        ),
        Error::Invalid { .. } | Error::Forbidden { .. } => (
            "connection.credentials_refused",
            format!("The login is not possible: {error}."),
            "Correct the setting that is named.",
        ),
        error => (
            "connection.unreachable",
            format!("Microsoft Entra gave no token: {error}."),
            "Make sure that login.microsoftonline.com (or login_url) can be reached from here.",
        ),
    };
    Flaw { code, message, fix: fix.to_owned() }
}

fn flaw(what: &str, error: &Error) -> Flaw {
    let (code, message, fix) = match error {
        Error::Forbidden { missing } => (
            "connection.scope_missing",
            format!("Dataverse let us in but not to {what}: {missing} is missing."),
            "Give the application user a security role with it, in the Power Platform admin center.".to_owned(),
        ),
        Error::Unauthorized { reason } => (
            "connection.credentials_refused",
            format!("Dataverse refused the token: {reason}."),
            "Make sure that base_url is the environment for which the app registration has an application user.".to_owned(),
        ),
        Error::Invalid { field: Some(field), .. } => (
            "connection.field_missing",
            format!("The table {what} has no {field}."),
            format!("Correct {field} under data, account_data, account_key or phone_fields; it is the column's logical name."),
        ),
        Error::NotFound | Error::Invalid { .. } => (
            "connection.setting_refused",
            format!("Dataverse refused the request for {what}: {error}."),
            "Compare base_url, api_version and data with the environment.".to_owned(),
        ),
        error => (
            "connection.unreachable",
            format!("Dataverse did not answer for {what}: {error}."),
            "Try again; make sure that base_url is the environment's address and can be reached from here.".to_owned(),
        ),
    };
    Flaw { code, message, fix }
}
