//! Asks ServiceNow, live, whether this connection may do what it needs to.
//!
//! The login; for each table its columns, against the dictionary where it may be read and
//! against a row; then each column that people are looked for by, with a value that nobody
//! has: rows that come back all the same mean that the instance drops the condition.

use super::accounts::Ledger;
use super::client::Client;
use super::dictionary::{Dictionary, absent};
use super::journal::Interactions;
use super::mapping::{Shape, record, stored};
use super::query::{AnyOf, Moment, Name, Query, Term};
use async_trait::async_trait;
use kit::connector::Flaw;
use kit::{Check, Error, Finding, Lane, Rights};
use std::sync::Arc;

/// Nobody has this number, e-mail or id.
const NOBODY: &str = "tieline-check-nobody-has-this";

/// The check of one connection.
pub(super) struct Access {
    pub(super) client: Arc<Client>,
    pub(super) dictionary: Arc<Dictionary>,
    pub(super) shapes: Vec<Shape>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) journal: Arc<Interactions>,
    pub(super) with_deletions: bool,
}

#[async_trait]
impl Check for Access {
    async fn check(&self) -> Vec<Finding> {
        if let Err(error) = self.client.token(Lane::Background).await {
            return vec![finding("login", Err(login_flaw(&error)))];
        }
        let mut findings = Vec::new();
        for shape in &self.shapes {
            if let Err(error) = self.table(&shape.table, &shape.fields, &mut findings).await {
                if let (true, Error::Unauthorized { .. }) = (findings.is_empty(), &error) {
                    return vec![finding("login", Err(login_flaw(&error)))];
                }
                findings.push(finding(shape.table.as_str(), Err(flaw(&shape.table, &error))));
                continue;
            }
            self.searched(shape, &mut findings).await;
        }
        findings.insert(0, finding("login", Ok(())));
        let (ledger, places) = (&self.ledger, &self.journal.places);
        let used = ledger.data.columns().next().map(|_| (&ledger.table, ledger.fields()));
        for (table, fields) in used.into_iter().chain([(&places.table, places.columns())]) {
            if let Err(error) = self.table(table, &fields, &mut findings).await {
                findings.push(finding(table.as_str(), Err(flaw(table, &error))));
            }
        }
        findings.extend(self.clock().await);
        if self.with_deletions {
            findings.extend(self.deletions().await);
        }
        findings
    }

    /// Roles of the integration user; an OAuth scope says nothing here but `useraccount`.
    async fn rights(&self) -> Result<Rights, Error> {
        let (table, role) = (Name::fixed("sys_user_has_role"), Name::fixed("role.name"));
        let all = vec![AnyOf::from(Term::own(&Name::fixed("user")))];
        let query = Query::of(&table, all, vec![role.clone()], ROLES_MAX);
        let rows = match self.client.rows(Lane::Background, &query).await {
            Ok(found) => found.rows,
            Err(Error::Forbidden { .. }) => {
                return Ok(Rights::untold("the user may not read its own roles", PLACE));
            }
            Err(error) => return Err(error),
        };
        let roles = rows.iter().map(|row| stored(row, role.as_str()).unwrap_or_default());
        let roles: Vec<String> = roles.filter(|role| !role.is_empty()).map(str::to_owned).collect();
        if roles.is_empty() {
            return Ok(Rights::untold("the instance shows none of the user's roles", PLACE));
        }
        let administrator =
            roles.iter().find(|role| ["admin", "security_admin"].contains(&role.as_str()));
        let administrator = administrator.map(|role| format!("the role {role}"));
        let mut rights = Rights::told(roles, PLACE);
        rights.administrator = administrator;
        // What an administrator may is everything.
        rights.covers = |granted, needed| granted == "admin" || granted == needed;
        Ok(rights)
    }
}

/// Roles that are read.
const ROLES_MAX: u32 = 200;
/// Where roles are given.
const PLACE: &str = "in ServiceNow under User Administration, Users, the integration user, Roles";

impl Access {
    /// Whether the table can be read, and each of the columns.
    async fn table(
        &self,
        table: &Name,
        columns: &[Name],
        findings: &mut Vec<Finding>,
    ) -> Result<(), Error> {
        let described = self.dictionary.described(table, columns).await?;
        let hidden = self.dictionary.hidden(table, columns).await?;
        let missing = match &described {
            Some(described) => absent(columns, described),
            None => Vec::new(),
        };
        let mut told = missing.clone();
        told.extend(
            hidden.clone().unwrap_or_default().into_iter().filter(|c| !missing.contains(c)),
        );
        for column in &told {
            let what = format!("{}.{}", table.as_str(), column.as_str());
            findings.push(finding(&what, Err(field_flaw(&what, missing.contains(column)))));
        }
        if told.is_empty() {
            let outcome = match (hidden, described) {
                (None, None) => Err(unseen_flaw(table)),
                _ => Ok(()),
            };
            findings.push(finding(table.as_str(), outcome));
        }
        Ok(())
    }

    /// Whether the instance keeps to each condition that people are looked for by.
    async fn searched(&self, shape: &Shape, findings: &mut Vec<Finding>) {
        let columns = shape.phones.iter().map(|(column, _)| column).chain([&shape.email]);
        for column in columns {
            let what = format!("search by {}.{}", shape.table.as_str(), column.as_str());
            let all = Term::one_of(column, [NOBODY]).map(AnyOf::from).into_iter().collect();
            let query = Query::of(&shape.table, all, vec![Name::fixed("sys_id")], 1);
            let outcome = match self.client.rows(Lane::Background, &query).await {
                Ok(found) if found.rows.is_empty() => continue,
                Ok(_) => Err(field_flaw(&what, true)),
                Err(error) => Err(flaw(&shape.table, &error)),
            };
            findings.push(finding(&what, outcome));
        }
    }
}

impl Access {
    /// Whether times in our queries are read as UTC: they are read by the clock of the
    /// integration user, while times in answers are UTC.
    async fn clock(&self) -> Option<Finding> {
        let (updated, id) = (Name::fixed("sys_updated_on"), Name::fixed("sys_id"));
        let table = &self.shapes.first()?.table;
        let fields = vec![id.clone(), updated.clone()];
        let query = Query::of(table, Vec::new(), fields.clone(), 1);
        let row = self.client.rows(Lane::Background, &query).await.ok()?.rows.pop()?;
        let at = stored(&row, updated.as_str()).and_then(Moment::parse)?;
        let of_row = Term::is(&id, &record(&row).ok()?)?;
        let all = vec![AnyOf::from(of_row), AnyOf::from(Term::at(&updated, &at))];
        let query = Query::of(table, all, fields, 1);
        let found = self.client.rows(Lane::Background, &query).await.ok()?;
        let outcome = if found.rows.is_empty() { Err(clock_flaw()) } else { Ok(()) };
        Some(finding("time zone", outcome))
    }

    /// Whether deletions reach us: the table of them, and that each table is audited.
    async fn deletions(&self) -> Vec<Finding> {
        let audit = Name::fixed("sys_audit_delete");
        let query = Query::of(&audit, Vec::new(), vec![Name::fixed("sys_id")], 1);
        if let Err(error) = self.client.rows(Lane::Background, &query).await {
            return vec![finding(audit.as_str(), Err(flaw(&audit, &error)))];
        }
        let mut findings = Vec::new();
        for table in self.shapes.iter().map(|shape| &shape.table) {
            let of = |column, value| Term::is(&Name::fixed(column), value).map(AnyOf::from);
            let all = [of("name", table.as_str()), of("internal_type", "collection")];
            let all = all.into_iter().flatten().collect();
            let fields = vec![Name::fixed("name"), Name::fixed("audit")];
            let query = Query::of(&Name::fixed("sys_dictionary"), all, fields, 1);
            // Where the dictionary may not be read, nothing can be said.
            let Ok(found) = self.client.rows(Lane::Background, &query).await else { continue };
            let Some(row) = found.rows.first() else { continue };
            let is_audited = stored(row, "audit") == Some("true");
            let what = format!("deletions of {}", table.as_str());
            let outcome = if is_audited { Ok(()) } else { Err(audit_flaw(table)) };
            findings.push(finding(&what, outcome));
        }
        findings
    }
}

fn clock_flaw() -> Flaw {
    Flaw {
        code: "connection.setting_refused",
        message: "ServiceNow reads the times in our queries by another clock than UTC.".to_owned(),
        fix: "Set the time zone of the integration user to GMT, or changes are read too late or twice.".to_owned(),
    }
}

fn audit_flaw(table: &Name) -> Flaw {
    let table = table.as_str();
    Flaw {
        code: "connection.setting_refused",
        message: format!("ServiceNow does not keep who is deleted from {table}."),
        fix: format!(
            "Switch on auditing for {table} in its dictionary entry, or set deletions = false."
        ),
    }
}

fn finding(what: &str, outcome: Result<(), Flaw>) -> Finding {
    Finding { what: what.to_owned(), outcome }
}

fn login_flaw(error: &Error) -> Flaw {
    let (code, message, fix) = match error {
        Error::Unauthorized { reason } => (
            "connection.credentials_refused",
            format!("ServiceNow refused the login: {reason}."),
            "Compare client_id, client_secret, username and password with the instance; the true reason stands in its system log only. Client credentials need glide.oauth.inbound.client.credential.grant_type.enabled = true and an OAuth application user.",
        ),
        Error::Invalid { .. } | Error::Forbidden { .. } => (
            "connection.credentials_refused",
            format!("The login is not possible: {error}."),
            "Correct the setting that is named.",
        ),
        error => (
            "connection.unreachable",
            format!("ServiceNow's login gave no token: {error}."),
            "Make sure that instance_url is right, can be reached from here, and that the instance is awake.",
        ),
    };
    Flaw { code, message, fix: fix.to_owned() }
}

fn field_flaw(what: &str, is_unknown: bool) -> Flaw {
    let message = if is_unknown {
        format!(
            "ServiceNow has no field {what}; it would drop it from a query and return all rows."
        )
    } else {
        format!("ServiceNow does not show us {what}.")
    };
    Flaw {
        code: "connection.field_missing",
        message,
        fix: "Correct the name in the settings, or give the integration user a role whose ACLs let it read the field. Set glide.invalid_query.returns_no_rows = true on the instance as well.".to_owned(),
    }
}

fn unseen_flaw(table: &Name) -> Flaw {
    let table = table.as_str();
    Flaw {
        code: "connection.scope_missing",
        message: format!("ServiceNow shows us no row of {table}, nor its dictionary."),
        fix: format!(
            "Give the integration user a role whose ACLs let it read {table}, such as sn_customerservice_agent for contacts and consumers."
        ),
    }
}

pub(super) fn flaw(table: &Name, error: &Error) -> Flaw {
    let table = table.as_str();
    let (code, message, fix) = match error {
        Error::Forbidden { missing } => (
            "connection.scope_missing",
            format!("ServiceNow let us in but not to {table}: {missing}."),
            format!("Give the integration user a role whose ACLs let it read {table}, or take it out of the settings."),
        ),
        Error::Unauthorized { reason } => (
            "connection.credentials_refused",
            format!("ServiceNow refused its own token: {reason}."),
            "Look into the instance's system log.".to_owned(),
        ),
        Error::NotFound | Error::Invalid { .. } => (
            "connection.setting_refused",
            format!("ServiceNow refused the request for {table}: {error}."),
            "Compare instance_url and tables with the instance, and whether the plugin of the table is active.".to_owned(),
        ),
        error => (
            "connection.unreachable",
            format!("ServiceNow did not answer for {table}: {error}."),
            "Try again; see whether the instance hibernates or is being upgraded.".to_owned(),
        ),
    };
    Flaw { code, message, fix }
}
