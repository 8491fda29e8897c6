//! Asks S/4HANA, live, whether this connection may do what it needs to.
//!
//! The login; then the service's own description, in which every configured property
//! must be; then each entity set by the very request that a lookup makes of it, for
//! a partner that cannot be. Nothing is written.

use super::client::Client;
use super::mapping::Shape;
use super::odata::{Filter, Name, Query};
use async_trait::async_trait;
use kit::connector::Flaw;
use kit::{Check, Error, Finding, Lane, Rights};
use std::sync::Arc;

/// The sets a lookup reads, and a property of each by which nobody is found.
const SETS: [(&str, &str); 4] = [
    ("A_BusinessPartner", "BusinessPartner"),
    ("A_BusinessPartnerAddress", "AddressID"),
    ("A_AddressPhoneNumber", "PhoneNumber"),
    ("A_AddressEmailAddress", "SearchEmailAddress"),
];

/// The check of one connection.
pub(super) struct Access {
    pub(super) client: Arc<Client>,
    pub(super) shape: Shape,
}

#[async_trait]
impl Check for Access {
    async fn check(&self) -> Vec<Finding> {
        if let Err(error) = self.client.token(Lane::Background).await {
            return vec![finding("login", Err(login_flaw(&error)))];
        }
        let described = match self.client.metadata().await {
            Ok(described) => described,
            Err(error @ Error::Unauthorized { .. }) => {
                return vec![finding("login", Err(login_flaw(&error)))];
            }
            Err(error) => {
                return vec![
                    finding("login", Ok(())),
                    finding("$metadata", Err(flaw("$metadata", &error))),
                ];
            }
        };
        let mut findings = vec![finding("login", Ok(()))];
        let missing: Vec<Name> = self
            .shape
            .fields()
            .into_iter()
            .filter(|field| !has(&described, field.as_str()))
            .collect();
        findings.extend(
            missing.iter().map(|field| finding(field.as_str(), Err(field_flaw(field.as_str())))),
        );
        for (set, property) in SETS {
            let outcome =
                self.client.all(Lane::Background, vec![self.nobody(set, property, &missing)]).await;
            findings.push(finding(set, outcome.map(drop).map_err(|error| flaw(set, &error))));
        }
        findings
    }

    async fn rights(&self) -> Result<Rights, Error> {
        Ok(Rights::untold("SAP tells the authorizations of a communication user to nobody", PLACE))
    }
}

/// Where permissions are given.
const PLACE: &str = "in SAP under Maintain Business Roles or PFCG of the communication user, and the communication arrangement SAP_COM_0008";

impl Access {
    /// The request of a lookup, less the properties that are not there.
    fn nobody(&self, set: &'static str, property: &str, missing: &[Name]) -> Query {
        let property = Name::new(property).expect("written in this file");
        let (mut select, expand) = match set {
            "A_BusinessPartner" => self.shape.of_partner(),
            _ => (Vec::new(), Vec::new()),
        };
        select.retain(|field| !missing.contains(field));
        Query { set, filter: Some(Filter::eq(&property, "0")), select, expand, order: None, top: 1 }
    }
}

/// Does the description have the property, of the partner or of its customer?
fn has(described: &str, path: &str) -> bool {
    let (of, property) = match path.split_once('/') {
        Some((_, property)) => ("A_CustomerType", property),
        None => ("A_BusinessPartnerType", path),
    };
    let begin = format!("<EntityType Name=\"{of}\"");
    let Some((_, body)) = described.split_once(&begin) else { return false };
    let body = body.split("</EntityType>").next().unwrap_or_default();
    body.contains(&format!("<Property Name=\"{property}\""))
}

fn finding(what: &str, outcome: Result<(), Flaw>) -> Finding {
    Finding { what: what.to_owned(), outcome }
}

fn login_flaw(error: &Error) -> Flaw {
    let (code, message, fix) = match error {
        Error::Unauthorized { reason } => (
            "connection.credentials_refused",
            format!("SAP refused the login: {reason}."),
            "Compare username and password, or client_id and client_secret, with the communication user of the communication system; a user may also be locked after failed logins.",
        ),
        Error::Invalid { .. } | Error::Forbidden { .. } => (
            "connection.credentials_refused",
            format!("The login is not possible: {error}."),
            "Correct the setting that is named.",
        ),
        error => (
            "connection.unreachable",
            format!("SAP's login gave no token: {error}."),
            "Make sure that base_url (or token_url) is the system's address and can be reached from here.",
        ),
    };
    Flaw { code, message, fix: fix.to_owned() }
}

fn field_flaw(field: &str) -> Flaw {
    Flaw {
        code: "connection.field_missing",
        message: format!("The business partner service has no property {field}."),
        fix: format!("Correct {field} under data, or have the custom field enabled for the API."),
    }
}

fn flaw(what: &str, error: &Error) -> Flaw {
    let (code, message, fix) = match error {
        Error::Forbidden { missing } => (
            "connection.scope_missing",
            format!("SAP let us in but not to {what}: {missing}."),
            format!("Give the communication user read access to {what} (communication scenario SAP_COM_0008)."),
        ),
        Error::Unauthorized { reason } => (
            "connection.credentials_refused",
            format!("SAP refused the request for {what}: {reason}."),
            "Compare the credentials with the communication user.".to_owned(),
        ),
        Error::NotFound | Error::Invalid { .. } => (
            "connection.setting_refused",
            format!("SAP refused the request for {what}: {error}."),
            "Compare base_url, service_path, sap_client and data with the system.".to_owned(),
        ),
        error => (
            "connection.unreachable",
            format!("SAP did not answer for {what}: {error}."),
            "Try again; make sure that base_url is the API address (with -api) and not that of the user interface.".to_owned(),
        ),
    };
    Flaw { code, message, fix }
}
