//! What agents show and whether the routing hands them work.
//!
//! `follow` hears of it over the notification service, `reading` says what JSON means, and here
//! is what is asked and set. The presence is by its definition's id, never by text; the routing
//! status is the platform's own and never set, except to bring back who did not respond.

mod follow;
mod reading;

use super::client::{Client, Send};
use async_trait::async_trait;
use domain::presence::{Status, StatusId};
use kit::presence::{Agent, Seen, Told};
use kit::{Error, Http, Presence};
use reading::{Works, agent, definition, modified, seen};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc;

/// Users on a page of the list.
const PAGE: usize = 100;
/// Pages of users: fifty thousand.
const PAGES_MAX: usize = 500;
/// Users read by their ids, or set, in one request: what the platform states for reading
/// presences in bulk. For the others it states none.
const AT_ONCE: usize = 50;

/// The agents of an organization.
pub(super) struct Agents {
    client: Arc<Client>,
    http: Http,
    times: follow::Times,
    /// After-call work is told apart from handling.
    tells_after_call: AtomicBool,
    works: Works,
}

impl Agents {
    pub(super) fn new(client: Arc<Client>, http: Http) -> Self {
        let (times, tells_after_call) = (follow::Times::default(), AtomicBool::new(false));
        Self { client, http, times, tells_after_call, works: Works::default() }
    }

    async fn page(&self, number: usize) -> Result<Value, Error> {
        let (size, number) = (PAGE.to_string(), number.to_string());
        let query = [
            ("pageSize", size.as_str()),
            ("pageNumber", number.as_str()),
            ("state", "active"),
            ("expand", "team"),
        ];
        self.client.send(Send::Get(&query), "users").await?.json()
    }

    /// Presence and routing status of at most [`AT_ONCE`] users, by id.
    async fn standing(&self, ids: &[String]) -> Result<HashMap<String, Value>, Error> {
        let mut expand = "presence,routingStatus".to_owned();
        if self.tells_after_call.load(Ordering::Relaxed) {
            expand.push_str(",conversationSummary");
        }
        let (size, all) = (AT_ONCE.to_string(), ids.join(","));
        let query = [
            ("id", all.as_str()),
            ("pageSize", size.as_str()),
            ("state", "active"),
            ("expand", expand.as_str()),
        ];
        let page = self.client.send(Send::Get(&query), "users").await?.json()?;
        let entities = page["entities"].as_array();
        let entities = entities.ok_or_else(|| Error::protocol("a list without entities"))?;
        let by_id =
            entities.iter().filter_map(|one| Some((one["id"].as_str()?.to_owned(), one.clone())));
        Ok(by_id.collect())
    }

    /// What a user shows; what the list left out is asked for by itself, since the platform
    /// expands with its best effort alone.
    async fn seen(&self, id: &str, mut user: Value) -> Result<Seen, Error> {
        for (key, path) in [("presence", "presences/purecloud"), ("routingStatus", "routingstatus")]
        {
            if !user[key].is_object() {
                let path = format!("users/{id}/{path}");
                user[key] = self.client.send(Send::Get(&[]), &path).await?.json()?;
            }
        }
        let after_call = self.tells_after_call.load(Ordering::Relaxed);
        seen(&user, after_call, &self.works)
            .ok_or_else(|| Error::protocol("a user without presence or routing status"))
    }

    async fn set_one(&self, agent: &str, status: &StatusId) -> Result<Option<u64>, Error> {
        let body = json!({ "presenceDefinition": { "id": status.as_str() } });
        let path = format!("users/{agent}/presences/purecloud");
        let shown = self.client.send(Send::Patch(&body), &path).await?.json()?;
        Ok(modified(&shown).filter(|_| shows(&shown, status)))
    }

    async fn set_many(
        &self,
        wanted: &[(String, StatusId)],
    ) -> Result<Vec<Result<Option<u64>, Error>>, Error> {
        let one = |(agent, status): &(String, StatusId)| json!({ "id": agent, "presenceDefinition": { "id": status.as_str() } });
        let body = Value::Array(wanted.iter().map(one).collect());
        let told = self.client.send(Send::Put(&body), "users/presences/bulk").await?.json()?;
        let told = told.as_array().map(Vec::as_slice).unwrap_or_default();
        let of = |(agent, status): &(String, StatusId)| {
            let own = told.iter().find(|one| one["id"].as_str() == Some(agent))?;
            modified(own).filter(|_| shows(own, status))
        };
        // Whoever the answer leaves out was taken as well: a reading tells.
        Ok(wanted.iter().map(|one| Ok(of(one))).collect())
    }
}

/// Is this the status that was wanted? A newer act may be what is answered.
fn shows(presence: &Value, status: &StatusId) -> bool {
    presence["presenceDefinition"]["id"].as_str() == Some(status.as_str())
}

#[async_trait]
impl Presence for Agents {
    async fn statuses(&self) -> Result<Vec<Status>, Error> {
        let query = [("deactivated", "false"), ("localeCode", "ALL")];
        let told = self.client.send(Send::Get(&query), "presence/definitions").await?.json()?;
        let all = told["entities"].as_array();
        let all = all.ok_or_else(|| Error::protocol("a list without entities"))?;
        Ok(all.iter().filter_map(definition).collect())
    }

    async fn agents(&self) -> Result<Vec<Agent>, Error> {
        let mut agents = Vec::new();
        for number in 1..=PAGES_MAX {
            let page = self.page(number).await?;
            let entities = page["entities"].as_array();
            let entities = entities.ok_or_else(|| Error::protocol("a list without entities"))?;
            agents.extend(entities.iter().filter_map(agent));
            if page["pageCount"].as_u64().unwrap_or(0) <= number as u64 {
                return Ok(agents);
            }
        }
        Err(Error::protocol(format!("more than {PAGES_MAX} pages of users")))
    }

    async fn known_as(
        &self,
        authority: &str,
        agents: &[String],
    ) -> Result<Vec<Vec<String>>, Error> {
        let mut known = Vec::with_capacity(agents.len());
        for agent in agents {
            let path = format!("users/{agent}/externalid");
            let told = self.client.send(Send::Get(&[]), &path).await?.json()?;
            let own = told.as_array().into_iter().flatten();
            let own = own.filter(|one| one["authorityName"].as_str() == Some(authority));
            let keys = own.filter_map(|one| one["externalKey"].as_str());
            known.push(keys.map(str::to_owned).collect());
        }
        Ok(known)
    }

    async fn read(&self, agents: &[String]) -> Result<Vec<Option<Seen>>, Error> {
        let mut all = Vec::with_capacity(agents.len());
        for part in agents.chunks(AT_ONCE) {
            let mut users = self.standing(part).await?;
            for agent in part {
                all.push(match users.remove(agent) {
                    Some(user) => Some(self.seen(agent, user).await?),
                    None => None,
                });
            }
        }
        Ok(all)
    }

    async fn follow(
        &self,
        agents: &[String],
        tells_after_call: bool,
        to: mpsc::Sender<Told>,
    ) -> Result<(), Error> {
        self.tells_after_call.store(tells_after_call, Ordering::Relaxed);
        self.hear(agents, tells_after_call, &to).await
    }

    fn set_max(&self) -> usize {
        AT_ONCE
    }

    async fn set(
        &self,
        wanted: &[(String, StatusId)],
    ) -> Result<Vec<Result<Option<u64>, Error>>, Error> {
        if let [(agent, status)] = wanted {
            return Ok(vec![self.set_one(agent, status).await]);
        }
        match self.set_many(wanted).await {
            // One who cannot be set may have refused them all.
            Err(Error::Invalid { .. } | Error::NotFound | Error::Conflict { .. }) => {}
            outcome => return outcome,
        }
        let mut outcomes = Vec::with_capacity(wanted.len());
        for (agent, status) in wanted {
            outcomes.push(self.set_one(agent, status).await);
        }
        Ok(outcomes)
    }

    async fn bring_back(&self, agent: &str) -> Result<(), Error> {
        let body = json!({ "userId": agent, "status": "IDLE" });
        let path = format!("users/{agent}/routingstatus");
        match self.client.send(Send::Put(&body), &path).await {
            // "An invalid routing status transition was attempted."
            Err(Error::Invalid { reason, .. }) => Err(Error::Conflict { reason }),
            outcome => outcome.map(drop),
        }
    }
}
