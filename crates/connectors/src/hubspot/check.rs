//! Asks HubSpot, live, whether this connection may do what it needs to.
//!
//! HubSpot passes over names of properties that do not exist, so each is asked for by its
//! own description. Then the search, and that what calls and companies are known by has
//! unique values. Nothing is written.

use super::client::{Ask, Client, Method};
use super::lookup;
use super::mapping::{CompanyShape, ID, Property, Shape};
use async_trait::async_trait;
use kit::connector::Flaw;
use kit::{Check, Error, Finding, Lane, Rights};
use serde_json::{Value, json};
use std::sync::Arc;

/// The check of one connection.
pub(super) struct Access {
    pub(super) client: Arc<Client>,
    pub(super) shape: Shape,
    pub(super) companies: CompanyShape,
    pub(super) account_key: Property,
    pub(super) call_key: Property,
}

#[async_trait]
impl Check for Access {
    async fn check(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        match self.login().await {
            Ok(()) => findings.push(finding("login", Ok(()))),
            Err(flaw) => return vec![finding("login", Err(flaw))],
        }
        self.properties("contacts", &self.shape.properties, &mut findings).await;
        self.properties("companies", &self.companies.properties, &mut findings).await;
        if self.account_key.as_str() != ID {
            self.unique("companies", &self.account_key, &mut findings).await;
        }
        self.unique("calls", &self.call_key, &mut findings).await;
        let nobody =
            json!({ "propertyName": "email", "operator": "EQ", "value": "nobody@tieline.invalid" });
        let search = lookup::search(&[vec![nobody]], &["email"], "0");
        let searched = self.client.search(Lane::Background, "contacts", search).await;
        let what = "search of contacts";
        findings.push(finding(what, searched.map(drop).map_err(|error| flaw(what, &error))));
        findings
    }

    async fn rights(&self) -> Result<Rights, Error> {
        let Some(token) = self.client.token(Lane::Background).await? else {
            return Ok(Rights::untold("HubSpot tells the scopes of an app, not of a key", PLACE));
        };
        let scopes: Vec<String> = token.scope.split_whitespace().map(str::to_owned).collect();
        if scopes.is_empty() {
            return Ok(Rights::untold("HubSpot named no scopes with the token", PLACE));
        }
        let broad = |scope: &&String| BROAD.contains(&scope.as_str());
        let administrator = scopes.iter().find(broad).map(|scope| format!("the scope {scope}"));
        Ok(Rights { administrator, ..Rights::told(scopes, PLACE) })
    }
}

/// Scopes by which an app may make itself whatever it wants: over users and their teams.
const BROAD: [&str; 2] = ["settings.users.write", "settings.users.teams.write"];
/// Where scopes are given.
const PLACE: &str = "in HubSpot under Settings, Integrations, the key's or the app's scopes; an app must \
    then be installed again";

impl Access {
    /// Logs in; a key proves itself by the first thing that is asked with it.
    async fn login(&self) -> Result<(), Flaw> {
        self.client.token(Lane::Background).await.map_err(|error| login_flaw(&error))?;
        match self.described("contacts", "email").await {
            Err(error @ (Error::Unauthorized { .. } | Error::Unavailable { .. })) => {
                Err(login_flaw(&error))
            }
            _ => Ok(()),
        }
    }

    async fn properties(&self, object: &str, properties: &[Property], findings: &mut Vec<Finding>) {
        for property in properties {
            match self.described(object, property.as_str()).await {
                Ok(_) => {}
                Err(Error::NotFound) => {
                    findings.push(finding(property.as_str(), Err(property_flaw(object, property))));
                }
                // What one property meets, all meet.
                Err(error) => return findings.push(finding(object, Err(flaw(object, &error)))),
            }
        }
        findings.push(finding(object, Ok(())));
    }

    async fn unique(&self, object: &str, property: &Property, findings: &mut Vec<Finding>) {
        let outcome = match self.described(object, property.as_str()).await {
            Ok(described) if described["hasUniqueValue"] == true => Ok(()),
            Ok(_) | Err(Error::NotFound) => Err(property_flaw(object, property)),
            Err(error) => Err(flaw(object, &error)),
        };
        findings.push(finding(&format!("{object}.{}", property.as_str()), outcome));
    }

    async fn described(&self, object: &str, property: &str) -> Result<Value, Error> {
        let ask = Ask::new(Method::Get, self.client.paths.property(object, property));
        self.client.send(Lane::Background, &ask).await.map(|(body, _)| body)
    }
}

fn finding(what: &str, outcome: Result<(), Flaw>) -> Finding {
    Finding { what: what.to_owned(), outcome }
}

fn login_flaw(error: &Error) -> Flaw {
    let (code, message, fix) = match error {
        Error::Unauthorized { reason } => (
            "connection.credentials_refused",
            format!("HubSpot refused the login: {reason}."),
            "Set the service key again (Settings, Integrations, Service keys), or client_id, client_secret and refresh_token of the app.",
        ),
        Error::Invalid { .. } | Error::Forbidden { .. } => (
            "connection.credentials_refused",
            format!("The login is not possible: {error}."),
            "Correct the setting that is named.",
        ),
        error => (
            "connection.unreachable",
            format!("HubSpot did not answer: {error}."),
            "Make sure that api_url can be reached from here, and try again.",
        ),
    };
    Flaw { code, message, fix: fix.to_owned() }
}

fn property_flaw(object: &str, property: &Property) -> Flaw {
    let name = property.as_str();
    let fix = match object {
        "calls" => format!(
            "Add {name} to calls as a single line with unique values (Settings, Properties), set call_id_property to its name, or set calls.activity.enabled = false."
        ),
        _ => {
            format!("Correct {name} in the settings; what others link by must have unique values.")
        }
    };
    Flaw {
        code: "connection.field_missing",
        message: format!("{object} have no property {name} as it is needed."),
        fix,
    }
}

fn flaw(what: &str, error: &Error) -> Flaw {
    let (code, message, fix) = match error {
        Error::Forbidden { missing } => (
            "connection.scope_missing",
            format!("HubSpot let us in but not to {what}: {missing}."),
            "Give the service key or the app the scopes that README.md lists.".to_owned(),
        ),
        Error::Unauthorized { reason } => (
            "connection.credentials_refused",
            format!("HubSpot refused the request for {what}: {reason}."),
            "Set the service key, or the app's credentials, again.".to_owned(),
        ),
        Error::NotFound | Error::Invalid { .. } => (
            "connection.setting_refused",
            format!("HubSpot refused the request for {what}: {error}."),
            "Compare api_version and the names of properties with the account.".to_owned(),
        ),
        error => (
            "connection.unreachable",
            format!("HubSpot did not answer for {what}: {error}."),
            "Try again; make sure that api_url can be reached from here.".to_owned(),
        ),
    };
    Flaw { code, message, fix }
}
