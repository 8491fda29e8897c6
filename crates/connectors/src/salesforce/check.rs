//! Asks Salesforce, live, whether this connection may do what it needs to.
//!
//! The login, the token's scopes, the search that calls use, and for each object
//! a query of every field: what the integration user may not see, Salesforce
//! says does not exist, one field at a time, until all missing ones are named. Last,
//! whether activities can be written, and whether presence can be read where the org has it.

use super::client::Client;
use super::journal;
use super::mapping::Shape;
use super::presence;
use super::sign_in::Agents;
use super::soql::{Digits, Name, Soql, Sosl};
use async_trait::async_trait;
use kit::connector::Flaw;
use kit::{Check, Error, Finding, Lane, Rights, Secret};
use std::sync::Arc;

/// The check of one connection.
pub(super) struct Access {
    pub(super) client: Arc<Client>,
    pub(super) shapes: Vec<Shape>,
    pub(super) agents: Option<Arc<Agents>>,
}

#[async_trait]
impl Check for Access {
    async fn check(&self) -> Vec<Finding> {
        let token = match self.client.token(Lane::Background).await {
            Ok(token) => token,
            Err(error) => return vec![finding("login", Err(login_flaw(&error)))],
        };
        let mut findings = vec![finding("login", Ok(())), scope(&token.scope)];
        for shape in &self.shapes {
            self.fields(shape, &mut findings).await;
        }
        findings.push(self.search().await);
        findings.push(self.activities().await);
        findings.extend(self.omni_channel().await);
        if let Some(agents) = &self.agents {
            findings.push(sign_in(agents).await);
        }
        findings
    }

    async fn rights(&self) -> Result<Rights, Error> {
        let token = self.client.token(Lane::Background).await?;
        let scopes: Vec<String> = token.scope.split_whitespace().map(str::to_owned).collect();
        let mut rights = match scopes.is_empty() {
            true => Rights::untold("the token names no scopes", PLACE),
            false => Rights::told(scopes, PLACE),
        };
        rights.covers = |granted, needed| granted == "full" || granted == needed;
        rights.administrator = match rights.granted.iter().flatten().any(|scope| scope == "full") {
            true => Some("the scope full".to_owned()),
            false => self.modifies_all().await?,
        };
        Ok(rights)
    }
}

/// Where scopes and permissions are given.
const PLACE: &str = "in Salesforce under Setup, External Client App Manager, OAuth scopes; the user's \
    permissions under Permission Sets";

impl Access {
    /// The permission over every record there is. Whoever cannot see the object that tells
    /// has it not: an administrator sees all.
    async fn modifies_all(&self) -> Result<Option<String>, Error> {
        let name = |text| Name::new(text).expect("written in this file");
        let (object, field) = (name("UserPermissionAccess"), name("PermissionsModifyAllData"));
        let soql = Soql::select(&object, &[field], None, 1);
        let rows = match self.client.query(Lane::Background, &soql).await {
            Ok(found) => found.rows,
            Err(Error::Forbidden { .. } | Error::Invalid { .. } | Error::NotFound) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let has = rows.first().is_some_and(|row| row["PermissionsModifyAllData"] == true);
        Ok(has.then(|| "the permission Modify All Data".to_owned()))
    }

    /// Queries all fields of an object, then again without those found missing.
    async fn fields(&self, shape: &Shape, findings: &mut Vec<Finding>) {
        let object = shape.object.as_str();
        let mut fields = shape.fields.clone();
        for _ in 0..=shape.fields.len() {
            let soql = Soql::select(&shape.object, &fields, None, 1);
            let missing = match self.client.query(Lane::Background, &soql).await {
                Ok(_) => return findings.push(finding(object, Ok(()))),
                Err(Error::Forbidden { missing }) => missing,
                Err(error) => return findings.push(finding(object, Err(flaw(object, &error)))),
            };
            let bare = missing.rsplit_once('.').map_or(missing.as_str(), |(_, field)| field);
            let before = fields.len();
            // A field is named as asked for, or by the step of its path that is missing.
            fields.retain(|field| {
                !field.as_str().split('.').any(|step| step.eq_ignore_ascii_case(bare))
            });
            if missing.eq_ignore_ascii_case(object) || fields.len() == before || fields.is_empty() {
                let error = Error::Forbidden { missing };
                return findings.push(finding(object, Err(flaw(object, &error))));
            }
            findings.push(finding(&missing, Err(field_flaw(object, bare))));
        }
    }

    /// Whether activities can be written, field by field: what cannot be set, an org
    /// refuses together with the rest.
    async fn activities(&self) -> Finding {
        let what = "activities";
        let described = match self.client.describe(&journal::object()).await {
            Ok(described) => described,
            Err(Error::NotFound) => return finding(what, Err(task_flaw("Task"))),
            Err(error) => return finding(what, Err(flaw(what, &error))),
        };
        if described["createable"] != true {
            return finding(what, Err(task_flaw("Task")));
        }
        let fields = described["fields"].as_array();
        let can_set = |name: &str| {
            let mut fields = fields.into_iter().flatten();
            fields.any(|field| field["name"] == name && field["createable"] == true)
        };
        match journal::FIELDS.iter().find(|name| !can_set(name)) {
            Some(name) => finding(what, Err(task_flaw(&format!("Task.{name}")))),
            None => finding(what, Ok(())),
        }
    }

    /// Whether presence can be read, where the org has Omni-Channel: then its statuses are
    /// shown to every user. Calls do without, so what is missing is a warning.
    async fn omni_channel(&self) -> Option<Finding> {
        let what = "agents in Omni-Channel";
        let statuses = Name::new("ServicePresenceStatus").expect("written in this file");
        let id = Name::new("Id").expect("written in this file");
        let asked = Soql::select(&statuses, &[id], None, 1);
        self.client.query(Lane::Background, &asked).await.ok()?;
        for (object, fields) in presence::needed() {
            let soql = Soql::select(&object, &fields, None, 1);
            match self.client.query(Lane::Background, &soql).await {
                Ok(_) => {}
                Err(Error::Forbidden { missing }) => {
                    return Some(finding(what, Err(presence_flaw(object.as_str(), &missing))));
                }
                Err(error) => return Some(finding(what, Err(flaw(what, &error)))),
            }
        }
        Some(finding(what, Ok(())))
    }

    async fn search(&self) -> Finding {
        let what = "search by phone";
        let digits = Digits::of("0000000000").into_iter().collect::<Vec<_>>();
        let objects = self.shapes.iter().map(|s| (&s.object, &s.fields[..1]));
        let Some(search) = Sosl::phones(&digits, objects, 1) else {
            return finding(what, Ok(()));
        };
        let outcome = self.client.search(Lane::Background, &search).await;
        finding(what, outcome.map(drop).map_err(|error| flaw(what, &error)))
    }
}

/// Whether the widget's app may introspect: a token that is none is told inactive.
async fn sign_in(agents: &Agents) -> Finding {
    let what = "sign-in of agents";
    let asked = async {
        agents.org().await?;
        agents.introspect(&Secret::new("none".to_owned())).await
    };
    finding(
        what,
        asked.await.map(drop).map_err(|error| match error {
            Error::Invalid { .. } => Flaw {
                code: "connection.credentials_refused",
                message: format!("Salesforce lets the widget's app introspect no token: {error}."),
                fix: "Compare widget_client_id and widget_client_secret with the app that the widget logs in through."
                    .to_owned(),
            },
            error => flaw(what, &error),
        }),
    )
}

fn finding(what: &str, outcome: Result<(), Flaw>) -> Finding {
    Finding { what: what.to_owned(), outcome }
}

/// A token that names its scopes must name one that opens the REST API.
fn scope(granted: &str) -> Finding {
    let mut scopes = granted.split_whitespace();
    if granted.is_empty() || scopes.any(|scope| matches!(scope, "api" | "full")) {
        return finding("scope api", Ok(()));
    }
    let flaw = Flaw {
        code: "connection.scope_missing",
        message: format!("Salesforce let us in, but only to: {granted}."),
        fix: "Add \"Manage user data via APIs (api)\" to the External Client App's OAuth scopes."
            .to_owned(),
    };
    finding("scope api", Err(flaw))
}

fn login_flaw(error: &Error) -> Flaw {
    let (code, message, fix) = match error {
        Error::Unauthorized { reason } => (
            "connection.credentials_refused",
            format!("Salesforce refused the login: {reason}."),
            "Compare client_id and client_secret (or username, private_key and audience) with the External Client App; approve the app for the user, or set its Run As user.",
        ),
        Error::Invalid { .. } | Error::Forbidden { .. } => (
            "connection.credentials_refused",
            format!("The login is not possible: {error}."),
            "Correct the setting that is named.",
        ),
        error => (
            "connection.unreachable",
            format!("Salesforce's login gave no token: {error}."),
            "Make sure that login_url is the org's My Domain and can be reached from here.",
        ),
    };
    Flaw { code, message, fix: fix.to_owned() }
}

fn task_flaw(missing: &str) -> Flaw {
    Flaw {
        code: "connection.scope_missing",
        message: format!("Salesforce lets us write no {missing}."),
        fix: format!(
            "Give the integration user the permission Edit Tasks and edit access to {missing}, or set calls.activity.enabled = false."
        ),
    }
}

fn presence_flaw(object: &str, missing: &str) -> Flaw {
    Flaw {
        code: kit::rights::OPTIONAL,
        message: format!("Salesforce lets us not read {missing}, which a presence sync needs."),
        fix: format!(
            "Give the integration user Read and View All of {object}; without a presence sync, nothing needs it."
        ),
    }
}

fn field_flaw(object: &str, field: &str) -> Flaw {
    Flaw {
        code: "connection.field_missing",
        message: format!("Salesforce shows us no field {field} of {object}."),
        fix: format!(
            "Give the integration user read access to {object}.{field}, or take it out of data and phone_fields."
        ),
    }
}

fn flaw(what: &str, error: &Error) -> Flaw {
    let (code, message, fix) = match error {
        Error::Forbidden { missing } => (
            "connection.scope_missing",
            format!("Salesforce let us in but not to {missing}."),
            format!("Grant the integration user read access to {missing}, or take it out of the settings."),
        ),
        Error::Unauthorized { reason } => (
            "connection.credentials_refused",
            format!("Salesforce refused its own token: {reason}."),
            "Look into the session policies of the External Client App and the login history of the integration user.".to_owned(),
        ),
        Error::NotFound | Error::Invalid { .. } => (
            "connection.setting_refused",
            format!("Salesforce refused the request for {what}: {error}."),
            "Compare api_version, objects and data with the org.".to_owned(),
        ),
        error => (
            "connection.unreachable",
            format!("Salesforce did not answer for {what}: {error}."),
            "Try again; look at the org's status page and its remaining API requests.".to_owned(),
        ),
    };
    Flaw { code, message, fix }
}
