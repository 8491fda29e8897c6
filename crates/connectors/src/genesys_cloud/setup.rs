//! What an organization needs besides permissions: looked at, and made where it is asked for.
//!
//! Everything is found by its name before it is made, so that doing it again makes
//! nothing. What the platform's API does not offer here, or what only a person may
//! decide, is said with the way to do it by hand.

use super::client::{Client, LIFETIME_UNTOLD, Send};
use super::data_actions::{INTEGRATION_TYPE, KEY_FIELD, Offer, config, contract};
use super::{addresses, invalid};
use kit::oauth::ClientCredentials;
use kit::{Error, Http, Opening, Tokens};
use serde_json::{Value, json};
use std::sync::Arc;

/// How a thing stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stands {
    There,
    /// It was not there, and is now.
    Made,
    /// It is not there; `--apply` makes it.
    Missing,
    /// Only a person can do it, or something else comes first.
    ByHand,
    /// The platform refused.
    Refused(String),
}

/// One thing that an organization needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub what: String,
    pub stands: Stands,
    /// How to do it by hand, or what it is for.
    pub how: String,
}

/// What is wanted.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Name of the integration, and what every name here begins with.
    pub name: String,
    /// The server's own address as the platform reaches it.
    pub base: String,
    pub offers: Vec<Offer>,
    /// Id of the published workflow that the call-end trigger starts.
    pub workflow: Option<String>,
    /// Make what is missing.
    pub apply: bool,
}

/// The way to one organization, for setting it up.
pub struct Setup {
    client: Client,
    source: String,
}

/// The end of a customer's part in a conversation.
const TOPIC: &str = "v2.detail.events.conversation.{id}.customer.end";
/// Pages that are read of a list: an organization has tens of each.
const PAGES_MAX: usize = 50;

impl Setup {
    /// Opens it as a connection is opened.
    ///
    /// # Errors
    /// `Invalid` naming the setting that cannot be.
    pub fn open(opening: &Opening) -> Result<Self, Error> {
        let settings = &opening.settings;
        let (api, login) = addresses(settings)?;
        let http = Http::new(opening.limits, opening.network.clone())?;
        let endpoint = login.join("/oauth/token");
        let login = ClientCredentials {
            http: http.clone(),
            endpoint: endpoint.map_err(|_| invalid("login_url", "is no address"))?,
            id: settings.required("client_id")?.to_owned(),
            secret: settings.secret("client_secret")?.clone(),
            lifetime_untold: LIFETIME_UNTOLD,
        };
        let tokens = Tokens::start(&opening.name, Arc::new(login));
        let source = settings.required("external_source")?.trim().to_owned();
        Ok(Self { client: Client::new(http, tokens, api), source })
    }

    /// Looks at everything, in the order in which it is needed.
    pub async fn run(&self, wanted: &Wanted) -> Vec<Step> {
        let mut steps = vec![self.external_source(wanted).await];
        let (integration, step) = self.integration(wanted).await;
        steps.push(step);
        steps.push(Step {
            what: format!("credentials of the integration {}", wanted.name),
            stands: Stands::ByHand,
            how: format!(
                "Admin, Integrations, {}, Configuration, Credentials: type User Defined, with a \
                 field {KEY_FIELD} that holds a key made by `tieline api-keys create` with the \
                 scopes lookup, events and context. Then set the integration active.",
                wanted.name
            ),
        });
        for offer in &wanted.offers {
            steps.push(self.action(wanted, offer, integration.as_deref()).await);
        }
        steps.push(Step {
            what: "workflow that tells the end of a call".to_owned(),
            stands: if wanted.workflow.is_some() { Stands::There } else { Stands::ByHand },
            how:
                "Import tieline-call-end.i3WorkFlow.yaml with Archy (`archy publish`), or draw it \
                  in Architect: a workflow that calls the data action Call Event; then pass its id \
                  with --workflow."
                    .to_owned(),
        });
        steps.push(self.trigger(wanted).await);
        steps.push(Step {
            what: "sample flow".to_owned(),
            stands: Stands::ByHand,
            how: "Import tieline-inbound.yaml with Archy, or draw it in Architect: it calls \
                  Lookup and Enrich and routes by what they answer."
                .to_owned(),
        });
        steps
    }

    async fn external_source(&self, wanted: &Wanted) -> Step {
        let what = format!("external source {}", self.source);
        let how = "Customers carry their CRM's id under it.";
        let path = "externalcontacts/externalsources";
        let found = self.named(path, &[("name", &self.source)], &self.source).await;
        let body = json!({ "name": self.source, "active": true });
        self.step((what, how), found, wanted, path, &body).await.1
    }

    async fn integration(&self, wanted: &Wanted) -> (Option<String>, Step) {
        let what = format!("integration {} (Web Services Data Actions)", wanted.name);
        let how = "Data actions belong to it, and its credential is their key.";
        let query = [("integrationType", INTEGRATION_TYPE)];
        let found = self.named("integrations", &query, &wanted.name).await;
        let body = json!({ "name": wanted.name, "integrationType": { "id": INTEGRATION_TYPE } });
        self.step((what, how), found, wanted, "integrations", &body).await
    }

    async fn action(&self, wanted: &Wanted, offer: &Offer, integration: Option<&str>) -> Step {
        let what = format!("data action {}", offer.name);
        let how = "Its contract cannot be changed once it is published: one of this name stays.";
        let Some(integration) = integration else {
            let how = "Its integration comes first.".to_owned();
            return Step { what, stands: Stands::Missing, how };
        };
        let path = "integrations/actions";
        let query = [("name", offer.name.as_str()), ("category", wanted.name.as_str())];
        let found = self.named(path, &query, &offer.name).await;
        let body = json!({
            "category": wanted.name, "name": offer.name, "integrationId": integration,
            "config": config(offer, &wanted.base), "contract": contract(offer), "secure": false,
        });
        self.step((what, how), found, wanted, path, &body).await.1
    }

    async fn trigger(&self, wanted: &Wanted) -> Step {
        let name = format!("{} call end", wanted.name);
        let what = format!("trigger {name}");
        let how = format!("Starts the workflow with {TOPIC}.");
        let path = "processautomation/triggers";
        let found = self.named(path, &[], &name).await;
        let Some(workflow) = &wanted.workflow else {
            let stands = match found {
                Ok(Some(_)) => Stands::There,
                Ok(None) => Stands::ByHand,
                Err(error) => Stands::Refused(error.to_string()),
            };
            return Step { what, stands, how: format!("{how} Its workflow comes first.") };
        };
        let body = json!({
            "name": name, "topicName": TOPIC, "enabled": true,
            "target": { "type": "Workflow", "id": workflow,
                "workflowTargetSettings": { "dataFormat": "TopLevelPrimitives" } },
            "matchCriteria": [],
        });
        self.step((what, &how), found, wanted, path, &body).await.1
    }

    /// The id, where there is one by now, and how it stands.
    async fn step(
        &self,
        thing: (String, &str),
        found: Result<Option<String>, Error>,
        wanted: &Wanted,
        path: &str,
        body: &Value,
    ) -> (Option<String>, Step) {
        let (what, how) = thing;
        let (id, stands) = match found {
            Err(error) => (None, Stands::Refused(error.to_string())),
            Ok(Some(id)) => (Some(id), Stands::There),
            Ok(None) if !wanted.apply => (None, Stands::Missing),
            Ok(None) => match self.make(path, body).await {
                Ok(id) => (Some(id), Stands::Made),
                Err(error) => (None, Stands::Refused(error.to_string())),
            },
        };
        (id, Step { what, stands, how: how.to_owned() })
    }

    async fn make(&self, path: &str, body: &Value) -> Result<String, Error> {
        let made = self.client.send(Send::Post(body), path).await?.json()?;
        let id = made.get("id").and_then(Value::as_str);
        id.map(str::to_owned).ok_or_else(|| Error::protocol("something made without an id"))
    }

    /// The id of the entity of this very name, on whatever page.
    async fn named(
        &self,
        path: &str,
        query: &[(&str, &str)],
        name: &str,
    ) -> Result<Option<String>, Error> {
        let mut query: Vec<(String, String)> =
            query.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        query.push(("pageSize".to_owned(), "100".to_owned()));
        for _ in 0..PAGES_MAX {
            let pairs: Vec<(&str, &str)> =
                query.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            let page = self.client.send(Send::Get(&pairs), path).await?.json()?;
            let entities = page.get("entities").and_then(Value::as_array);
            let entities = entities.ok_or_else(|| Error::protocol("a list without entities"))?;
            let found = entities.iter().find(|one| one["name"] == name);
            if let Some(id) = found.and_then(|one| one["id"].as_str()) {
                return Ok(Some(id.to_owned()));
            }
            // Of the next page only the options are taken.
            let next = page.get("nextUri").and_then(Value::as_str);
            let Some((_, options)) = next.and_then(|next| next.split_once('?')) else {
                return Ok(None);
            };
            query = url::form_urlencoded::parse(options.as_bytes()).into_owned().collect();
        }
        Err(Error::protocol("a list without an end"))
    }
}
