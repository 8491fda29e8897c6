//! Hears what happens to agents over the notification service.
//!
//! A channel carries at most a thousand topics over one socket, keeps nothing for a socket that
//! is not there, and lives for a day or as long as the token it was made with. So each thousand
//! has a line of its own, and whenever a line was not there for a moment its agents are told to
//! be read ([`Told::Gap`]): only once the new socket is open and subscribed, so that what comes
//! after the reading is heard.

use super::super::client::Send;
use super::Agents;
use super::reading::{modified, routing};
use domain::presence::StatusId;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use kit::Error;
use kit::http::Socket;
use kit::presence::Told;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use url::Url;

/// Topics of one channel.
const TOPICS_MAX: usize = 1_000;
/// Channels of one client; one more takes the oldest away.
const CHANNELS_MAX: usize = 20;

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// A socket that was silent for so long is asked whether it still is one; the platform
    /// says so about every 30 s by itself.
    pub(super) silence_max: Duration,
    /// And how long it may think.
    pub(super) pong_max: Duration,
    /// Before a channel, or the token it hangs on, would end, another takes its place.
    pub(super) renew_ahead: Duration,
    /// A channel's life: it is renewed in time however long the token lives.
    pub(super) lifetime: Duration,
    /// Between tries, doubling.
    pub(super) backoff_first: Duration,
    pub(super) backoff_max: Duration,
}

impl Default for Times {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            silence_max: seconds(40),
            pong_max: seconds(15),
            renew_ahead: seconds(300),
            lifetime: seconds(24 * 3_600),
            backoff_first: seconds(1),
            backoff_max: seconds(30),
        }
    }
}

/// A line that is heard.
struct Line {
    socket: Socket,
    /// When another must have taken its place.
    until: Instant,
}

/// Why a line is not heard any more.
enum Over {
    /// The next can take its place at once.
    Renew,
    /// Whoever listened is gone.
    Unheard,
}

impl Agents {
    /// Hears of these until nobody listens any more.
    pub(super) async fn hear(
        &self,
        agents: &[String],
        tells_after_call: bool,
        to: &mpsc::Sender<Told>,
    ) -> Result<(), Error> {
        let topics = if tells_after_call { 2 } else { 1 };
        let parts: Vec<&[String]> = agents.chunks(TOPICS_MAX / topics).collect();
        if parts.len() > CHANNELS_MAX {
            let reason = format!(
                "{} agents need {} channels, and a client has {CHANNELS_MAX}",
                agents.len(),
                parts.len()
            );
            return Err(Error::Invalid { field: None, reason });
        }
        let mut lines: FuturesUnordered<_> =
            parts.into_iter().map(|part| self.keep(part, tells_after_call, to)).collect();
        while let Some(ended) = lines.next().await {
            ended?;
        }
        Ok(())
    }

    /// Keeps one line heard.
    async fn keep(
        &self,
        agents: &[String],
        tells_after_call: bool,
        to: &mpsc::Sender<Told>,
    ) -> Result<(), Error> {
        let mut backoff = self.times.backoff_first;
        loop {
            let line = self.open(agents, tells_after_call, to).await;
            let over = match line {
                Ok(line) => {
                    backoff = self.times.backoff_first;
                    self.listen(line, to).await
                }
                Err(error) => Err(error),
            };
            match over {
                Ok(Over::Renew) => continue,
                Ok(Over::Unheard) => return Ok(()),
                Err(error) if is_final(&error) => return Err(error),
                Err(error) => tracing::debug!("a line to the notification service broke: {error}"),
            }
            if to.is_closed() {
                return Ok(());
            }
            sleep(backoff).await;
            backoff = (backoff * 2).min(self.times.backoff_max);
        }
    }

    /// A new channel with its socket, subscribed; its agents are told to be read.
    async fn open(
        &self,
        agents: &[String],
        tells_after_call: bool,
        to: &mpsc::Sender<Told>,
    ) -> Result<Line, Error> {
        let token = self.client.token().await?;
        let lives = token.expires_in().min(self.times.lifetime);
        let lives = lives.saturating_sub(self.times.renew_ahead).max(lives / 2);
        let until = Instant::now() + lives;
        let made = self.client.send(Send::PostNothing, "notifications/channels").await?.json()?;
        let told = |key: &str| made[key].as_str().unwrap_or_default().to_owned();
        let (id, uri) = (told("id"), told("connectUri"));
        let uri = Url::parse(&uri).map_err(|_| Error::protocol("a channel without an address"))?;
        let socket = self.http.socket(&uri).await?;
        let refused = self.subscribe(&id, agents, tells_after_call).await?;
        let heard = agents.iter().filter(|agent| !refused.contains(*agent)).cloned();
        // Nobody to hear it is noticed where the next frame is handed on.
        to.send(Told::Gap(heard.collect())).await.ok();
        Ok(Line { socket, until })
    }

    /// Subscribes; the agents of whom nothing is told, which costs the others nothing.
    async fn subscribe(
        &self,
        channel: &str,
        agents: &[String],
        tells_after_call: bool,
    ) -> Result<HashSet<String>, Error> {
        let topic =
            |agent: &String, word: &str| json!({ "id": format!("v2.users.{agent}.{word}") });
        let mut topics: Vec<Value> = agents.iter().map(|agent| topic(agent, "activity")).collect();
        if tells_after_call {
            topics.extend(agents.iter().map(|agent| topic(agent, "conversationsummary")));
        }
        let path = format!("notifications/channels/{channel}/subscriptions?ignoreErrors=true");
        let told = self.client.send(Send::Put(&Value::Array(topics)), &path).await?.json()?;
        let mut refused = HashSet::new();
        for one in told["entities"].as_array().into_iter().flatten() {
            let Some((agent, word)) = one["id"].as_str().and_then(agent_of) else { continue };
            if one["state"].as_str() != Some("Rejected") {
                continue;
            }
            let missing: Vec<&str> = one["missingPermissions"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            tracing::warn!(
                presence.agent = agent,
                "the platform does not tell the {word} of an agent; missing: {}",
                missing.join(", ")
            );
            if word == "activity" {
                refused.insert(agent.to_owned());
            }
        }
        Ok(refused)
    }

    /// Hands on what is heard until the line is over.
    async fn listen(&self, mut line: Line, to: &mpsc::Sender<Told>) -> Result<Over, Error> {
        let mut heard_at = Instant::now();
        let mut has_asked = false;
        loop {
            let patience = self.times.silence_max
                + if has_asked { self.times.pong_max } else { Duration::ZERO };
            let frame = tokio::select! {
                frame = timeout_at(heard_at + patience, line.socket.next()) => frame,
                () = sleep_until(line.until) => return Ok(Over::Renew),
                () = to.closed() => return Ok(Over::Unheard),
            };
            match frame {
                Ok(Ok(Some(text))) => {
                    (heard_at, has_asked) = (Instant::now(), false);
                    if let Some(over) = self.take(&text, to).await {
                        return Ok(over);
                    }
                }
                Ok(Ok(None)) => return Err(Error::unavailable("the platform closed a socket")),
                Ok(Err(error)) => return Err(error),
                Err(_) if has_asked => return Err(Error::unavailable("a socket fell silent")),
                Err(_) => {
                    has_asked = true;
                    line.socket.send(r#"{"message":"ping"}"#).await?;
                }
            }
        }
    }

    /// Takes in one frame.
    async fn take(&self, text: &str, to: &mpsc::Sender<Told>) -> Option<Over> {
        // What is no frame of theirs says at least that somebody is there.
        let frame: Value = serde_json::from_str(text).ok()?;
        let (topic, body) = (frame["topicName"].as_str()?, &frame["eventBody"]);
        if is_farewell(topic) {
            return Some(Over::Renew);
        }
        let (agent, word) = agent_of(topic)?;
        for told in self.told(agent, word, body) {
            if to.send(told).await.is_err() {
                return Some(Over::Unheard);
            }
        }
        None
    }

    fn told(&self, agent: &str, word: &str, body: &Value) -> Vec<Told> {
        let agent_id = || agent.to_owned();
        let work = |(work, version)| Told::Work { agent: agent_id(), work, version };
        if word == "conversationsummary" {
            return self.works.summarised(agent, body).map(work).into_iter().collect();
        }
        let presence = &body["presence"];
        let status = presence["presenceDefinition"]["id"].as_str().map(StatusId::from);
        let status = status.zip(modified(presence));
        let status =
            status.map(|(status, version)| Told::Status { agent: agent_id(), status, version });
        let routed = routing(&body["routingStatus"]);
        let routed = routed.map(|(routing, since)| work(self.works.of(agent, routing, since)));
        if status.is_none() && routed.is_none() {
            // Told in a way that we do not know: reading tells.
            return vec![Told::Changed(vec![agent_id()])];
        }
        status.into_iter().chain(routed).collect()
    }
}

/// `v2.users.{id}.{word}`
fn agent_of(topic: &str) -> Option<(&str, &str)> {
    topic.strip_prefix("v2.users.")?.split_once('.')
}

/// The socket is closed soon, or tells nothing any more.
fn is_farewell(topic: &str) -> bool {
    topic.starts_with("v2.system.")
        && ["socket_closing", "no_longer_subscribed", "token_revoked"]
            .iter()
            .any(|word| topic.contains(word))
}

/// Would it be the same if it were tried again?
fn is_final(error: &Error) -> bool {
    matches!(error, Error::Forbidden { .. } | Error::Invalid { .. })
}

#[cfg(test)]
mod tests {
    use super::{agent_of, is_farewell};

    #[test]
    fn a_topic_names_its_agent_and_what_it_tells() {
        assert_eq!(agent_of("v2.users.7f3.activity"), Some(("7f3", "activity")));
        assert_eq!(agent_of("channel.metadata"), None);
        assert!(is_farewell("v2.system.socket_closing"));
        assert!(is_farewell("v2.system.no_longer_subscribed.7f3"));
        assert!(!is_farewell("v2.users.7f3.activity"));
    }
}
