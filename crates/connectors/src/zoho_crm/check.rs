//! Asks Zoho, live, whether this connection may do what it needs to.
//!
//! The login; then of each module a query of every field that is asked for, for a record
//! that cannot be: what the user may not see, Zoho names, one column at a time. Then the
//! search, the accounts, and the field by which calls are known. Nothing is written.

use super::client::{Ask, Client, Method};
use super::coql::{Condition, Name, Query, name};
use super::mapping::{AccountShape, Shape};
use async_trait::async_trait;
use kit::connector::Flaw;
use kit::{Check, Error, Finding, Lane, Rights};
use std::sync::Arc;

/// The check of one connection.
pub(super) struct Access {
    pub(super) client: Arc<Client>,
    pub(super) shapes: Vec<Shape>,
    pub(super) accounts: AccountShape,
    pub(super) call_key: Name,
}

#[async_trait]
impl Check for Access {
    async fn check(&self) -> Vec<Finding> {
        if let Err(error) = self.client.token(Lane::Background).await {
            return vec![finding("login", Err(login_flaw(&error)))];
        }
        let mut findings = vec![finding("login", Ok(()))];
        for shape in &self.shapes {
            let module = shape.module.as_str();
            self.fields(module, shape.fields.clone(), &mut findings).await;
            findings.push(self.search(module).await);
        }
        self.fields("Accounts", self.accounts.fields.clone(), &mut findings).await;
        self.fields("Calls", vec![name("id"), self.call_key.clone()], &mut findings).await;
        findings
    }

    async fn rights(&self) -> Result<Rights, Error> {
        let token = self.client.token(Lane::Background).await?;
        let scopes = token.scope.split([' ', ',']).filter(|scope| !scope.is_empty());
        let scopes: Vec<String> = scopes.map(str::to_owned).collect();
        if scopes.is_empty() {
            return Ok(Rights::untold("Zoho named no scopes with the token", PLACE));
        }
        let all = |scope: &&String| {
            scope.eq_ignore_ascii_case("ZohoCRM.modules.ALL")
                || scope.eq_ignore_ascii_case("ZohoCRM.settings.ALL")
        };
        let administrator = scopes.iter().find(all).map(|scope| format!("the scope {scope}"));
        Ok(Rights { covers, administrator, ..Rights::told(scopes, PLACE) })
    }
}

/// Where scopes are given.
const PLACE: &str = "in the API console of Zoho, Self Client, Generate Code with all scopes, and trade \
    the code for a new refresh token";

/// `ALL` at the end stands for every word that could be there: `ZohoCRM.modules.ALL` for
/// every module, `ZohoCRM.modules.contacts.ALL` for whatever is done to contacts.
fn covers(granted: &str, needed: &str) -> bool {
    let granted = granted.to_ascii_lowercase();
    let needed = needed.to_ascii_lowercase();
    granted == needed
        || granted.strip_suffix("all").is_some_and(|start| {
            start.ends_with('.') && needed.len() > start.len() && needed.starts_with(start)
        })
}

impl Access {
    /// Asks for all fields of a module, then again without those found missing.
    async fn fields(
        &self,
        module: &'static str,
        mut fields: Vec<Name>,
        findings: &mut Vec<Finding>,
    ) {
        for _ in 0..=fields.len() {
            let Some(nobody) = Condition::equals(&name("id"), "1") else { return };
            let query = Query::select(&name(module), &fields, &nobody, &[], 1);
            let missing = match self.client.rows(Lane::Background, &query).await {
                Ok(_) => return findings.push(finding(module, Ok(()))),
                Err(Error::Invalid { field: Some(missing), .. }) => missing,
                Err(error) => return findings.push(finding(module, Err(flaw(module, &error)))),
            };
            let before = fields.len();
            fields.retain(|field| field.as_str() != missing);
            if fields.len() == before || fields.is_empty() {
                let error = Error::Forbidden { missing: module.to_owned() };
                return findings.push(finding(module, Err(flaw(module, &error))));
            }
            findings.push(finding(&missing, Err(field_flaw(module, &missing))));
        }
    }

    async fn search(&self, module: &str) -> Finding {
        let what = format!("search of {module}");
        let ask = Ask::new(Method::Get, format!("/{module}/search"))
            .query("phone", "0000000000")
            .query("fields", "id")
            .query("per_page", "1");
        let outcome = self.client.send(Lane::Background, &ask).await;
        finding(&what, outcome.map(drop).map_err(|error| flaw(&what, &error)))
    }
}

fn finding(what: &str, outcome: Result<(), Flaw>) -> Finding {
    Finding { what: what.to_owned(), outcome }
}

fn login_flaw(error: &Error) -> Flaw {
    let (code, message, fix) = match error {
        Error::Unauthorized { reason } => (
            "connection.credentials_refused",
            format!("Zoho refused the login: {reason}."),
            "Compare client_id, client_secret and refresh_token with the client at api-console.zoho.com, and accounts_url with its data center; the oldest of more than twenty refresh tokens of a user is dropped.",
        ),
        Error::Invalid { .. } | Error::Forbidden { .. } => (
            "connection.credentials_refused",
            format!("The login is not possible: {error}."),
            "Correct the setting that is named.",
        ),
        error => (
            "connection.unreachable",
            format!("Zoho's accounts server gave no token: {error}."),
            "Make sure that accounts_url can be reached from here; after too many logins, wait ten minutes.",
        ),
    };
    Flaw { code, message, fix: fix.to_owned() }
}

fn field_flaw(module: &str, field: &str) -> Flaw {
    let fix = if module == "Calls" {
        format!(
            "Add {field} to Calls as a single line (Setup, Modules and Fields), set call_id_field to its API name, or set calls.activity.enabled = false."
        )
    } else {
        format!("Correct {field} in the settings, or give the user's profile access to it.")
    };
    Flaw {
        code: "connection.field_missing",
        message: format!("{module} has no field {field} that the user may see."),
        fix,
    }
}

fn flaw(what: &str, error: &Error) -> Flaw {
    let (code, message, fix) = match error {
        Error::Forbidden { missing } => (
            "connection.scope_missing",
            format!("Zoho let us in but not to {what}: {missing}."),
            format!(
                "Make the refresh token with the scopes ZohoCRM.modules.ALL and ZohoCRM.coql.READ, and give the user's profile access to {what}."
            ),
        ),
        Error::Unauthorized { reason } => (
            "connection.credentials_refused",
            format!("Zoho refused the request for {what}: {reason}."),
            "Compare the credentials with the client at api-console.zoho.com.".to_owned(),
        ),
        Error::NotFound | Error::Invalid { .. } => (
            "connection.setting_refused",
            format!("Zoho refused the request for {what}: {error}."),
            "Compare the settings with Setup, Developer Hub, APIs and SDKs, API names.".to_owned(),
        ),
        error => (
            "connection.unreachable",
            format!("Zoho did not answer for {what}: {error}."),
            "Try again; make sure that the API's host can be reached from here.".to_owned(),
        ),
    };
    Flaw { code, message, fix }
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn all_stands_for_whatever_could_be_there_and_for_nothing_else() {
        for (granted, needed, is_enough) in [
            ("ZohoCRM.modules.contacts.READ", "ZohoCRM.modules.contacts.READ", true),
            ("ZohoCRM.modules.ALL", "ZohoCRM.modules.contacts.READ", true),
            ("ZohoCRM.modules.Contacts.ALL", "ZohoCRM.modules.contacts.READ", true),
            ("ZohoCRM.modules.leads.ALL", "ZohoCRM.modules.contacts.READ", false),
            ("ZohoCRM.modules.contacts.READ", "ZohoCRM.modules.contacts.UPDATE", false),
            ("ZohoCRM.settings.ALL", "ZohoCRM.coql.READ", false),
            ("ZohoCRM.modules.contacts.READ", "ZohoCRM.modules.ALL", false),
        ] {
            assert_eq!(covers(granted, needed), is_enough, "{granted} for {needed}");
        }
    }
}
