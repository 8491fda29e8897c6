//! Asks Genesys Cloud, live, whether this connection may do what it needs to.
//!
//! Each permission is tried by the very request that needs it, made harmless: an
//! enrichment as a dry run, a conversation that does not exist. The platform
//! looks at permissions first, so that "not found" means "permitted".

use super::client::Send;
use super::destinations::Places;
use super::mapping;
use super::platform::Platform;
use super::presence::Desks;
use super::sign_in::Agents;
use async_trait::async_trait;
use kit::connector::Flaw;
use kit::destinations::Kind;
use kit::{Check, Error, Finding, Profile, Push, Rights};
use serde_json::{Value, json};
use std::sync::Arc;

/// A conversation that no organization has: the platform's ids are random UUIDs.
const NO_CONVERSATION: &str = "00000000-0000-4000-8000-000000000000";

/// The check of one connection.
pub(super) struct Access {
    pub(super) platform: Arc<Platform>,
    pub(super) agents: Option<Arc<Agents>>,
    pub(super) desks: Arc<Desks>,
}

#[async_trait]
impl Check for Access {
    async fn check(&self) -> Vec<Finding> {
        let client = &self.platform.client;
        if let Err(error) = client.token().await {
            return vec![finding("login", Err(error))];
        }
        let mut findings = vec![finding("login", Ok(()))];
        let own = client.own_token().await;
        let lives = own.is_ok();
        findings.push(finding("token", own.map(drop)));
        if !lives {
            return findings;
        }
        let source = self.platform.source().await;
        findings.push(finding("External Source", source.as_ref().map(drop).map_err(Clone::clone)));
        if let Ok(source) = source {
            findings.push(finding("externalContacts:contact:enrich", self.dry_run(&source).await));
        }
        findings.push(finding("conversation:communication:view", self.view().await));
        findings.push(finding("participant attributes", self.attributes().await));
        findings.push(finding("externalContacts:conversation:associate", self.associate().await));
        findings.push(finding("analytics:conversationDetail:view", self.history().await));
        findings.push(finding("externalContacts:contact:view", self.contact().await));
        if self.platform.policy.promote {
            findings.push(finding("externalContacts:identity:promote", self.promote().await));
        }
        findings.extend(self.destinations().await);
        let may_set = absent(self.desks.may_set().await);
        findings.push(optional(finding("presence:userPresence:edit", may_set)));
        if let Some(agents) = &self.agents {
            findings.push(sign_in(agents).await);
        }
        findings
    }

    /// What the roles of the client grant, as `domain:entity:action`.
    async fn rights(&self) -> Result<Rights, Error> {
        // Without it roles are only named.
        let full = [("includeFullRoles", "true")];
        let told = self.platform.client.send(Send::Get(&full), "authorization/subjects/me").await;
        let body = match told {
            Ok(reply) => reply.json()?,
            Err(Error::Forbidden { .. } | Error::NotFound | Error::Invalid { .. }) => {
                return Ok(Rights::untold(
                    "the platform tells this client none of its roles",
                    PLACE,
                ));
            }
            Err(error) => return Err(error),
        };
        let grants = body["grants"].as_array().map(Vec::as_slice).unwrap_or_default();
        let (mut granted, mut administrator) = (Vec::new(), None);
        for role in grants.iter().map(|grant| &grant["role"]) {
            let name = role["name"].as_str().unwrap_or_default();
            let policies = role["policies"].as_array().map(Vec::as_slice).unwrap_or_default();
            let all: Vec<String> = policies.iter().flat_map(permissions).collect();
            let is_broad = ["Master Admin", "Admin", "admin"].contains(&name)
                || all.iter().any(|permission| permission.starts_with("*:"));
            if is_broad {
                administrator = Some(format!("the role {name}"));
            }
            granted
                .extend(all.into_iter().filter(|one| !granted.contains(one)).collect::<Vec<_>>());
        }
        Ok(Rights { covers, administrator, ..Rights::told(granted, PLACE) })
    }
}

/// Where permissions are given.
const PLACE: &str =
    "in Genesys Cloud under Admin, People & Permissions, Roles, the role of the OAuth client";

/// The permissions of a role's policy (`AuthzGrantPolicy`).
fn permissions(policy: &Value) -> Vec<String> {
    let text = |key: &str| policy[key].as_str().unwrap_or("*").to_owned();
    let (domain, entity) = (text("domain"), text("entityName"));
    let actions = policy["actions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let actions = actions.iter().filter_map(Value::as_str);
    actions.map(|action| format!("{domain}:{entity}:{action}")).collect()
}

/// A star stands for every word.
fn covers(granted: &str, needed: &str) -> bool {
    let (mut granted, mut needed) = (granted.split(':'), needed.split(':'));
    loop {
        match (granted.next(), needed.next()) {
            (None, None) => return true,
            (Some(own), Some(word)) if own == "*" || own.eq_ignore_ascii_case(word) => {}
            _ => return false,
        }
    }
}

impl Access {
    async fn dry_run(&self, source: &mapping::Source) -> Result<(), Error> {
        let push = Push {
            external_id: "TIELINE:check".to_owned(),
            profile: Profile { name: "Tieline Check".to_owned(), ..Profile::default() },
        };
        let body = mapping::enrich(&push, source, &self.platform.policy);
        let path = "externalcontacts/contacts/enrich?dryRun=true";
        self.platform.client.send(Send::Post(&body), path).await.map(drop)
    }

    async fn view(&self) -> Result<(), Error> {
        let path = format!("conversations/{NO_CONVERSATION}");
        absent(self.platform.client.send(Send::Get(&[]), &path).await.map(drop))
    }

    async fn attributes(&self) -> Result<(), Error> {
        let path =
            format!("conversations/{NO_CONVERSATION}/participants/{NO_CONVERSATION}/attributes");
        let body = json!({ "attributes": {} });
        absent(self.platform.client.send(Send::Patch(&body), &path).await.map(drop))
    }

    async fn associate(&self) -> Result<(), Error> {
        let path = format!("externalcontacts/conversations/{NO_CONVERSATION}");
        let body = json!({
            "conversationId": NO_CONVERSATION,
            "communicationId": NO_CONVERSATION,
            "mediaType": "CALL",
        });
        absent(self.platform.client.send(Send::Put(&body), &path).await.map(drop))
    }
}

/// Whether widgets can log agents in. Of a client that we may not look at, only its
/// users will tell what it lacks.
async fn sign_in(agents: &Agents) -> Finding {
    let what = "sign-in of agents";
    if let Err(error) = agents.organization().await {
        return finding(what, Err(error));
    }
    for widget in &agents.widgets {
        let outcome = match agents.widget(widget).await {
            Err(Error::Forbidden { .. }) => continue,
            Err(Error::NotFound | Error::Invalid { .. }) => {
                Err(widget_flaw(widget, "is no OAuth client of the organization"))
            }
            Err(error) => return finding(what, Err(error)),
            Ok(client) => match lack(&client) {
                None => continue,
                Some(lack) => Err(widget_flaw(widget, lack)),
            },
        };
        return Finding { what: what.to_owned(), outcome };
    }
    finding(what, Ok(()))
}

/// What a widget's client (`OAuthClient`) lacks to log users in.
fn lack(client: &Value) -> Option<&'static str> {
    let text = |key: &str| client.get(key).and_then(Value::as_str);
    let scopes = client.get("scope").and_then(Value::as_array);
    let has_scope = scopes.is_some_and(|all| all.iter().any(|scope| scope == "user-basic-info"));
    if text("state").is_some_and(|state| state != "active") {
        return Some("is not active");
    }
    if text("authorizedGrantType") == Some("CLIENT-CREDENTIALS") {
        return Some("acts for itself: its grant type is Client Credentials");
    }
    (!has_scope).then_some("lacks the scope user-basic-info")
}

fn widget_flaw(widget: &str, lack: &str) -> Flaw {
    Flaw {
        code: "connection.setting_refused",
        message: format!("The widget's OAuth client {widget} {lack}."),
        fix: "Name in widget_client_id a client with the grant type Code Authorization (PKCE) and the scope user-basic-info."
            .to_owned(),
    }
}

/// What reconciliation and routing rules need.
impl Access {
    /// Calls do without these lists: one that we may not see is warned of.
    async fn destinations(&self) -> Vec<Finding> {
        let places = Places { client: Arc::clone(&self.platform.client) };
        let mut findings = Vec::new();
        for kind in Kind::ALL {
            let what = match kind {
                Kind::Queue => "queues of routing rules",
                Kind::Ivr => "IVRs of routing rules",
                Kind::Recording => "recordings of routing rules",
            };
            findings.push(optional(finding(what, places.look(kind).await)));
        }
        findings
    }

    async fn history(&self) -> Result<(), Error> {
        let body = json!({
            "interval": "2020-01-01T00:00:00.000Z/2020-01-01T00:00:01.000Z",
            "paging": { "pageSize": 1, "pageNumber": 1 },
        });
        let path = "analytics/conversations/details/query";
        absent(self.platform.client.send(Send::Post(&body), path).await.map(drop))
    }

    async fn contact(&self) -> Result<(), Error> {
        let body = json!({ "entities": [{ "id": NO_CONVERSATION }] });
        let path = "externalcontacts/bulk/contacts";
        absent(self.platform.client.send(Send::Post(&body), path).await.map(drop))
    }

    async fn promote(&self) -> Result<(), Error> {
        let path = format!("externalcontacts/contacts/{NO_CONVERSATION}/promotion");
        absent(self.platform.client.send(Send::PostNothing, &path).await.map(drop))
    }
}

/// "Not found" and "wrong" are said only to who may do it.
fn absent(outcome: Result<(), Error>) -> Result<(), Error> {
    match outcome {
        Err(Error::NotFound | Error::Invalid { .. } | Error::Conflict { .. }) => Ok(()),
        outcome => outcome,
    }
}

/// What calls do without: a permission that is missing is warned of.
fn optional(mut finding: Finding) -> Finding {
    if let Err(flaw) = &mut finding.outcome
        && flaw.code == "connection.scope_missing"
    {
        flaw.code = kit::rights::OPTIONAL;
    }
    finding
}

fn finding(what: &str, outcome: Result<(), Error>) -> Finding {
    Finding { what: what.to_owned(), outcome: outcome.map_err(|error| flaw(what, &error)) }
}

fn flaw(what: &str, error: &Error) -> Flaw {
    let (code, message, fix) = match error {
        Error::Unauthorized { reason } => (
            "connection.credentials_refused",
            format!("Genesys Cloud refused the credentials: {reason}."),
            "Compare client_id, client_secret and region with the OAuth client, and make sure that it is active.".to_owned(),
        ),
        Error::Forbidden { missing } => (
            "connection.scope_missing",
            format!("Genesys Cloud let us in but not to {missing}."),
            format!("Grant {missing} to a role of the OAuth client, in the division that contacts are kept in."),
        ),
        Error::Invalid { field: Some(field), .. } if field == "external_source" => (
            "connection.external_source_missing",
            format!("The External Source was not found: {error}."),
            "Create it under Admin, External Contacts, External Sources, or correct external_source.".to_owned(),
        ),
        Error::Invalid { .. } | Error::NotFound | Error::Conflict { .. } => (
            "connection.setting_refused",
            format!("Genesys Cloud refused the request for {what}: {error}."),
            "Compare division and region with the organization.".to_owned(),
        ),
        error => (
            "connection.unreachable",
            format!("Genesys Cloud did not answer for {what}: {error}."),
            "Make sure that region is right and can be reached from here, and try again.".to_owned(),
        ),
    };
    Flaw { code, message, fix }
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn a_star_stands_for_every_word_of_its_place() {
        for (granted, needed, is_enough) in [
            ("externalContacts:contact:view", "externalContacts:contact:view", true),
            ("externalContacts:*:*", "externalContacts:contact:view", true),
            ("*:*:*", "analytics:conversationDetail:view", true),
            ("externalContacts:contact:*", "externalContacts:identity:promote", false),
            ("externalContacts:contact", "externalContacts:contact:view", false),
        ] {
            assert_eq!(covers(granted, needed), is_enough, "{granted} for {needed}");
        }
    }
}
