//! Asks Dataverse, live, whether this connection may do what it needs to.
//!
//! The login; who we are there; each table of people, and the accounts, by the very request
//! that a lookup makes, for a record that cannot be; then a change of a phone call that
//! cannot be, which changes nothing and needs the right to.

use super::accounts::Ledger;
use super::client::{Client, Condition, Method, Write};
use super::mapping::Shape;
use super::odata::{self, Filter, Guid, Name, Query, record as address};
use async_trait::async_trait;
use kit::connector::Flaw;
use kit::{Check, Error, Finding, Lane, Rights};
use serde_json::{Value, json};
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

    /// Security roles of the application user; a token of Dataverse names no scopes.
    async fn rights(&self) -> Result<Rights, Error> {
        let user = self.client.function("WhoAmI()").await?;
        let user = user["UserId"].as_str().and_then(Guid::new);
        let user = user.ok_or_else(|| Error::protocol("WhoAmI without a user"))?;
        let path = format!("systemusers({})", user.as_str());
        let mut url = odata::below(&self.client.api, &path);
        url.query_pairs_mut().append_pair("$select", "systemuserid").append_pair(
            "$expand",
            "systemuserroles_association($select=name,_roletemplateid_value)",
        );
        let row = match self.client.one(Lane::Background, &url).await {
            Ok(row) => row,
            Err(Error::Forbidden { .. } | Error::NotFound) => {
                return Ok(Rights::untold("the user may not read its own roles", PLACE));
            }
            Err(error) => return Err(error),
        };
        let roles = row["systemuserroles_association"].as_array().map(Vec::as_slice);
        let roles = roles.unwrap_or_default();
        let name = |role: &Value| role["name"].as_str().unwrap_or_default().to_owned();
        let breadth = roles.iter().find(|role| {
            let template = role["_roletemplateid_value"].as_str().unwrap_or_default();
            template.eq_ignore_ascii_case(ADMINISTRATOR)
        });
        let administrator = breadth.map(|role| format!("the security role {}", name(role)));
        let names = roles.iter().map(name).filter(|name| !name.is_empty()).collect();
        Ok(Rights { administrator, ..Rights::told(names, PLACE) })
    }
}

/// The template of the role System Administrator, whatever it is called in the user's tongue.
/// (Microsoft Learn, "Security roles and templates": role template ids are the same everywhere.)
const ADMINISTRATOR: &str = "627090ff-40a3-4053-8790-584edc5be201";
/// Where roles are given.
const PLACE: &str = "in the Power Platform admin center, the environment's Settings, Users + permissions, \
    Application users, Edit security roles";

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
