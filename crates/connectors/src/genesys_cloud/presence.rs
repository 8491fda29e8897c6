//! What agents of the organization show and have at hand, and setting what they show.
//!
//! A status is a presence definition, by its id: texts are spelled differently wherever the
//! platform tells them. Its version is the presence's `modifiedDate`. Work is the routing
//! status, its version `startTime`, in milliseconds; after-call work begins at no time of its
//! own, so that only reading tells it ([`kit::presence::Told::Changed`] says when to).
//!
//! `people` is who there is, `reading` the platform's JSON, `setting` what is written,
//! `follow` what is told, `line` one channel of it, and `frame` what comes through that.

mod follow;
mod frame;
mod line;
mod people;
mod reading;
mod setting;

use super::client::{Client, Send};
use super::mapping::is_uuid;
use async_trait::async_trait;
use domain::presence::{Status, StatusId};
use kit::presence::{Agent, Seen, Told};
use kit::{Answers, Error, Pauses, Presence};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

/// Users whom one request reads, the vendor's limit (`max.user.ids`).
const READ_MAX: usize = 100;
/// Users whom one request sets. The platform tells no limit: that of reading presences is 50.
const SET_MAX: usize = 50;

/// How long things may take. They are the vendor's, or follow from them, and no settings;
/// tests are in a hurry.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Silence after which the platform is asked whether it still is there: it says so by
    /// itself about every 30 s.
    pub ping_after: Duration,
    /// How long it may take to answer that.
    pub pong_within: Duration,
    /// Before a lost channel is opened again: doubled with each try, cut by chance.
    pub pause_first: Duration,
    pub pause_most: Duration,
    /// Not sooner than that, whoever else is answered.
    pub pause_least: Duration,
    /// A channel that lived so long was well: the pauses begin anew.
    pub settled: Duration,
    /// When a channel gives way to a new one; the platform ends it after 24 hours.
    pub channel_life: Duration,
    /// Before a channel that was refused for good is tried again, if others are heard.
    pub refused: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            ping_after: Duration::from_secs(30),
            pong_within: Duration::from_secs(15),
            pause_first: Duration::from_secs(1),
            pause_most: Duration::from_secs(30),
            pause_least: Duration::from_millis(200),
            settled: Duration::from_secs(60),
            channel_life: Duration::from_hours(20),
            refused: Duration::from_mins(5),
        }
    }
}

impl Times {
    fn pauses(self) -> Pauses {
        Pauses::new(self.pause_first, self.pause_most)
    }
}

/// The agents' desks of one organization.
pub(super) struct Desks {
    pub(super) client: Arc<Client>,
    pub(super) times: Times,
    answers: Arc<Answers>,
    /// Is after-call work told apart by whoever follows? Then reading tells it apart, too.
    tells_after_call: AtomicBool,
}

impl Desks {
    pub(super) fn new(client: Arc<Client>, times: Times) -> Self {
        Self { client, times, answers: Arc::default(), tells_after_call: AtomicBool::new(false) }
    }

    /// Whether we may set what agents show, tried on nobody.
    ///
    /// # Errors
    /// `Forbidden` naming the permission, any other [`Error`].
    pub(super) async fn may_set(&self) -> Result<(), Error> {
        self.client.send(Send::Put(&json!([])), setting::MANY).await.map(drop)
    }

    async fn read_some(&self, ids: &[&str]) -> Result<HashMap<String, Result<Seen, Error>>, Error> {
        let tells_after_call = self.tells_after_call.load(Ordering::Relaxed);
        let size = READ_MAX.to_string();
        let mut query = vec![("pageSize", size.as_str()), ("state", "active")];
        query.extend(ids.iter().map(|id| ("id", *id)));
        query.extend([("expand", "presence"), ("expand", "routingStatus")]);
        if tells_after_call {
            query.push(("expand", "conversationSummary"));
        }
        let users = self.client.send(Send::Get(&query), "users").await?.json()?;
        self.answers.came();
        let mut found = HashMap::new();
        for user in reading::entities(&users)? {
            let Some(id) = user["id"].as_str() else { continue };
            let seen = match reading::seen(user, tells_after_call) {
                Ok(seen) => Ok(seen),
                // What is expanded is "best effort and not guaranteed to be returned".
                Err(_) => match self.read_alone(id, user, tells_after_call).await {
                    Err(error) if !is_ones_own(&error) => return Err(error),
                    alone => alone,
                },
            };
            found.insert(id.to_owned(), seen);
        }
        Ok(found)
    }

    /// One user, by the requests that answer for nothing else.
    async fn read_alone(
        &self,
        id: &str,
        user: &Value,
        tells_after_call: bool,
    ) -> Result<Seen, Error> {
        let get = async |path: String| self.client.send(Send::Get(&[]), &path).await?.json();
        let user = json!({
            "presence": get(setting::one(id)).await?,
            "routingStatus": get(setting::routing(id)).await?,
            "conversationSummary": user["conversationSummary"],
        });
        reading::seen(&user, tells_after_call)
    }
}

/// Does it say something of one user, and nothing of the platform?
fn is_ones_own(error: &Error) -> bool {
    matches!(
        error,
        Error::NotFound
            | Error::Forbidden { .. }
            | Error::Invalid { .. }
            | Error::Conflict { .. }
            | Error::Protocol { .. }
    )
}

#[async_trait]
impl Presence for Desks {
    async fn statuses(&self) -> Result<Vec<Status>, Error> {
        let query = [("localeCode", "ALL")];
        let told = self.client.send(Send::Get(&query), "presence/definitions").await?.json()?;
        Ok(reading::entities(&told)?.iter().filter_map(reading::status).collect())
    }

    async fn agents(&self) -> Result<Vec<Agent>, Error> {
        people::all(&self.client).await
    }

    async fn known_as(
        &self,
        authority: &str,
        agents: &[String],
    ) -> Result<Vec<Vec<String>>, Error> {
        people::known_as(&self.client, authority, agents).await
    }

    async fn read(&self, agents: &[String]) -> Result<Vec<Result<Seen, Error>>, Error> {
        // Whoever is named by no id of the platform's is nobody there.
        let mut ids: Vec<&str> =
            agents.iter().map(String::as_str).filter(|id| is_uuid(id)).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut found = HashMap::new();
        for some in ids.chunks(READ_MAX) {
            found.extend(self.read_some(some).await?);
        }
        let seen = |id| found.get(id).cloned().unwrap_or(Err(Error::NotFound));
        Ok(agents.iter().map(seen).collect())
    }

    async fn follow(
        &self,
        agents: &[String],
        tells_after_call: bool,
        to: mpsc::Sender<Told>,
    ) -> Result<(), Error> {
        // Whoever does not need it told apart is told no less.
        self.tells_after_call.fetch_or(tells_after_call, Ordering::Relaxed);
        follow::follow(&self.client, &self.answers, self.times, agents, tells_after_call, to).await
    }

    fn set_max(&self) -> usize {
        SET_MAX
    }

    async fn set(
        &self,
        wanted: &[(String, StatusId)],
    ) -> Result<Vec<Result<Option<u64>, Error>>, Error> {
        setting::set(&self.client, wanted).await
    }

    async fn bring_back(&self, agent: &str) -> Result<(), Error> {
        if !is_uuid(agent) {
            return Err(Error::NotFound);
        }
        let body = json!({ "status": "IDLE" });
        self.client.send(Send::Put(&body), &setting::routing(agent)).await.map(drop)
    }
}
