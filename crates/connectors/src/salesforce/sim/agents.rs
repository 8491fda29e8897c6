//! What the agents of the org do in Omni-Channel: their browsers' part, which the vendor's data
//! API does not have.
//!
//! In process by [`Salesforce`], over HTTP by `POST /_sim/omni/{what}` with JSON:
//! `agent {name, email}`, `status {user, status}`, `shown {user}`, `log-out {user}`,
//! `offer {user}`, and `accept`, `decline`, `time-out`, `close` and `cancel {work}`. A user is
//! named by id or by user name, a status by id or by its name in the API. A page of any origin
//! may ask; `GET /_sim/omni/toolkit.js` is what it would have of the vendor's own toolkits.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use serde_json::{Map, Value as Json, json};

use super::http::{Answer, Asked, body_object, not_found, wrong_method};
pub use super::store::omni::WorkAct;
use super::store::{Refused, clock};
use super::{Salesforce, World, millis, told};

/// The console's toolkits for a page.
const TOOLKIT: &str = include_str!("toolkit.js");

impl Salesforce {
    /// Adds an active user with a profile for agents, logged out; the id.
    pub fn add_agent(&self, name: &str, email: &str) -> Result<String, String> {
        self.world.add_agent(name, email).map_err(told)
    }

    /// The agent takes a status in their console, by its id or its name in the API; who was
    /// logged out is then logged in.
    pub fn agent_sets(&self, user: &str, status: &str) -> Result<(), String> {
        self.world.write().show(user, Some(status)).map_err(told)
    }

    /// The agent logs out of Omni-Channel: what was offered and not accepted goes elsewhere.
    pub fn agent_logs_out(&self, user: &str) -> Result<(), String> {
        self.world.write().show(user, None).map_err(told)
    }

    /// As if an agent had taken a status so long ago, and ended it so long ago if they have.
    pub fn agent_showed(
        &self,
        user: &str,
        status: &str,
        began: Duration,
        ended: Option<Duration>,
    ) -> Result<(), String> {
        let ago = |ago: Duration| clock::now() - millis(ago);
        let mut store = self.world.write();
        store.showed(user, status, ago(began), ended.map(ago)).map_err(told)
    }

    /// Pushes a case to an agent; the id of the work. Refused where the agent is not online for
    /// any channel, or has no room.
    pub fn offer_work(&self, user: &str) -> Result<String, String> {
        self.world.offer(user).map_err(told)
    }

    /// Something happens to a piece of work.
    pub fn work_act(&self, work: &str, act: WorkAct) -> Result<(), String> {
        self.world.write().act(work, act).map_err(told)
    }

    /// The API name of the status that an agent shows; none when they are logged out.
    pub fn agent_status(&self, user: &str) -> Option<String> {
        self.world.read().shown(user)
    }

    /// The id of a status by its name in the API.
    pub fn status(&self, name: &str) -> Option<String> {
        let all = self.all("ServicePresenceStatus", &["Id", "DeveloperName"]).ok()?;
        let found = all.iter().find(|one| one["DeveloperName"] == name)?;
        found["Id"].as_str().map(str::to_owned)
    }
}

impl World {
    fn add_agent(&self, name: &str, email: &str) -> Result<String, Refused> {
        let (first, last) = name.rsplit_once(' ').unwrap_or(("", name));
        let alias: String = last.chars().take(8).collect();
        let profile = self.read().first("Profile");
        let body = json!({
            "FirstName": first, "LastName": last, "Email": email, "Username": email,
            "Alias": alias, "CommunityNickname": email, "IsActive": true, "ProfileId": profile,
            "EmailEncodingKey": "UTF-8", "LanguageLocaleKey": "en_US", "LocaleSidKey": "en_US",
            "TimeZoneSidKey": "America/Chicago",
        });
        self.add("User", &body)
    }

    fn offer(&self, user: &str) -> Result<String, Refused> {
        let (channel, item) = {
            let store = self.read();
            (store.channels(user).into_iter().next(), store.first("Case"))
        };
        let Some(channel) = channel else {
            return Err(Refused::new("NOT_ONLINE", "the agent is not online for any channel"));
        };
        let body = json!({ "UserId": user, "ServiceChannelId": channel, "WorkItemId": item });
        self.add("AgentWork", &body)
    }

    /// `POST /_sim/omni/{what}`, and the script that a page asks it by.
    pub(super) fn omni(&self, asked: &Asked<'_>, what: &str) -> Answer {
        let answer = if asked.method == Method::GET && what == "toolkit.js" {
            let headers = vec![("content-type", "text/javascript;charset=UTF-8".to_owned())];
            Answer { status: StatusCode::OK, headers, body: TOOLKIT.as_bytes().to_vec() }
        } else if asked.method == Method::POST {
            self.played(asked, what)
        } else {
            wrong_method(asked.method)
        };
        answer.with("access-control-allow-origin", "*".to_owned())
    }

    fn played(&self, asked: &Asked<'_>, what: &str) -> Answer {
        let body = match body_object(asked.body) {
            Ok(body) => body,
            Err(refused) => return refused,
        };
        if what == "shown" {
            let user = body.get("user").and_then(Json::as_str).unwrap_or_default();
            return self.shown_to_page(&self.user_named(user));
        }
        match self.did(what, &body) {
            None => not_found(),
            Some(Err(refused)) => refused.into(),
            Some(Ok(None)) => Answer::empty(StatusCode::NO_CONTENT),
            Some(Ok(Some(id))) => Answer::json(StatusCode::CREATED, &json!({ "id": id })),
        }
    }

    /// What a user shows, as the vendor's toolkits tell it; refused to who is logged out.
    fn shown_to_page(&self, user: &str) -> Answer {
        let store = self.read();
        let Some(status) = store.shown_status(user) else {
            return Refused::new("NOT_FOUND", "the user is not logged in to Omni-Channel").into();
        };
        let [id, name, label] = status;
        let body = json!({
            "statusId": id.get(..15), "statusApiName": name, "statusName": label,
        });
        Answer::json(StatusCode::OK, &body)
    }

    fn did(&self, what: &str, body: &Map<String, Json>) -> Option<Result<Option<String>, Refused>> {
        let text = |key: &str| body.get(key).and_then(Json::as_str).unwrap_or_default();
        let act = match what {
            "agent" => return Some(self.add_agent(text("name"), text("email")).map(Some)),
            "status" => {
                let user = self.user_named(text("user"));
                return Some(self.write().show(&user, Some(text("status"))).map(|()| None));
            }
            "log-out" => {
                let user = self.user_named(text("user"));
                return Some(self.write().show(&user, None).map(|()| None));
            }
            "offer" => return Some(self.offer(&self.user_named(text("user"))).map(Some)),
            "accept" => WorkAct::Accept,
            "decline" => WorkAct::Decline,
            "time-out" => WorkAct::TimeOut,
            "close" => WorkAct::Close,
            "cancel" => WorkAct::Cancel,
            _ => return None,
        };
        Some(self.write().act(text("work"), act).map(|()| None))
    }

    /// The id of a user by id or user name.
    fn user_named(&self, name: &str) -> String {
        let store = self.read();
        let named = store.object_always("User").and_then(|user| {
            let field = store.objects[user].field("Username")?;
            let row = store.rows_with(user, field, name).first().copied()?;
            Some(store.id(user, row))
        });
        named.unwrap_or_else(|| name.to_owned())
    }
}
