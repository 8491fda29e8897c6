//! Holds the channels of the notification service, and what reaches whom.
//!
//! A channel lives for 24 hours from its last subscription, carries at most 1,000 topics and
//! one socket: a second drops the first. A client has at most 20; one more evicts the
//! oldest that has no socket, or the oldest at all where every one has. An event goes to the
//! sockets that are there, and is lost to everybody else. A socket that does not read is
//! cut when its buffer is full.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::ids::is_uuid;
use super::problem::Problem;

pub(crate) const MOST_TOPICS: usize = 1000;
const MOST_PER_CLIENT: usize = 20;
/// Frames that wait for a slow reader.
const MOST_FRAMES: usize = 1000;
/// Events kept back by a fault; past it they are lost.
const MOST_HELD: usize = 10_000;
const LIFETIME_MS: i64 = 86_400_000;
const TOPICS: [&str; 7] = [
    "v2.users.{id}.activity",
    "v2.users.{id}.presence",
    "v2.users.{id}.routingStatus",
    "v2.users.{id}.outofoffice",
    "v2.users.{id}.conversations",
    "v2.users.{id}.conversationsummary",
    "v2.routing.queues.{id}.users",
];

/// What the network does to the next event of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventFault {
    /// It never comes.
    Drop,
    /// It comes twice.
    Double,
    /// It comes when held events are released, so after later ones.
    Hold,
}

struct Channel {
    client: String,
    token: String,
    expires_at: i64,
    sequence: u64,
    topics: BTreeSet<String>,
    socket: Option<(u64, mpsc::Sender<String>)>,
}

/// Every channel by its id.
#[derive(Default)]
pub(crate) struct Channels {
    all: BTreeMap<String, Channel>,
    sequence: u64,
    faults: VecDeque<(String, EventFault)>,
    held: VecDeque<(String, Value)>,
    /// Sockets up to this number say nothing any more, and are not closed.
    mute: u64,
}

impl Channels {
    pub(crate) fn open(&mut self, id: &str, client: &str, token: &str, now: i64) {
        self.all.retain(|_, one| one.expires_at > now);
        let own = self.all.iter().filter(|(_, one)| one.client == client);
        if own.clone().count() >= MOST_PER_CLIENT {
            let oldest = own.min_by_key(|(_, one)| (one.is_connected(), one.sequence));
            let oldest = oldest.map(|(id, _)| id.clone());
            oldest.map(|id| self.all.remove(&id));
        }
        self.sequence += 1;
        let channel = Channel {
            client: client.to_owned(),
            token: token.to_owned(),
            expires_at: now + LIFETIME_MS,
            sequence: self.sequence,
            topics: BTreeSet::new(),
            socket: None,
        };
        self.all.insert(id.to_owned(), channel);
    }

    /// Id and end of the channels of a client, or of one token only, the oldest first.
    pub(crate) fn list(&self, client: &str, token: Option<&str>, now: i64) -> Vec<(String, i64)> {
        let is_own = |one: &Channel| one.client == client && token.is_none_or(|t| t == one.token);
        let mut own: Vec<_> =
            self.all.iter().filter(|(_, one)| one.expires_at > now && is_own(one)).collect();
        own.sort_by_key(|(_, one)| one.sequence);
        own.into_iter().map(|(id, one)| (id.clone(), one.expires_at)).collect()
    }

    fn get(&mut self, id: &str, client: &str, now: i64) -> Result<&mut Channel, Problem> {
        let found = self.all.get_mut(id).filter(|one| one.expires_at > now);
        found.filter(|one| client.is_empty() || one.client == client).ok_or_else(Problem::not_found)
    }

    /// The topics of a client's channel.
    pub(crate) fn topics(
        &mut self,
        id: &str,
        client: &str,
        now: i64,
    ) -> Result<Vec<String>, Problem> {
        Ok(self.get(id, client, now)?.topics.iter().cloned().collect())
    }

    /// Adds topics, or puts them in place of all, and gives the channel another 24 hours.
    /// An empty `client` stands for the channel's own socket.
    pub(crate) fn subscribe(
        &mut self,
        id: &str,
        client: &str,
        topics: &[String],
        is_whole: bool,
        now: i64,
    ) -> Result<(), Problem> {
        let channel = self.get(id, client, now)?;
        let kept = if is_whole { BTreeSet::new() } else { channel.topics.clone() };
        let all: BTreeSet<String> = kept.into_iter().chain(topics.iter().cloned()).collect();
        if all.len() > MOST_TOPICS {
            let text = format!("The channel exceeds the limit of {MOST_TOPICS} topics.");
            return Err(Problem::bad_request(text));
        }
        channel.topics = all;
        channel.expires_at = now + LIFETIME_MS;
        Ok(())
    }

    /// Takes the channel's one socket; its number, and what it is to send.
    pub(crate) fn connect(&mut self, id: &str, now: i64) -> Option<(u64, mpsc::Receiver<String>)> {
        self.sequence += 1;
        let number = self.sequence;
        let channel = self.get(id, "", now).ok()?;
        let (sender, receiver) = mpsc::channel(MOST_FRAMES);
        channel.socket = Some((number, sender));
        Some((number, receiver))
    }

    /// The socket of that number is gone.
    pub(crate) fn leave(&mut self, id: &str, number: u64) {
        if let Some(channel) = self.all.get_mut(id) {
            channel.socket.take_if(|(own, _)| *own == number);
        }
    }

    pub(crate) fn connected(&self) -> usize {
        self.all.values().filter(|one| one.is_connected()).count()
    }

    pub(crate) fn spoil(&mut self, topic: &str, fault: EventFault) {
        self.faults.push_back((topic.to_owned(), fault));
    }

    pub(crate) fn publish(&mut self, topic: &str, body: &Value, correlation: &str) {
        let frame = json!({
            "topicName": topic,
            "version": "2",
            "eventBody": body,
            "metadata": { "CorrelationId": correlation },
        });
        let planned = self.faults.iter().position(|(planned, _)| planned == topic);
        match planned.and_then(|at| self.faults.remove(at)).map(|(_, fault)| fault) {
            Some(EventFault::Drop) => {}
            Some(EventFault::Hold) if self.held.len() < MOST_HELD => {
                self.held.push_back((topic.to_owned(), frame));
            }
            Some(EventFault::Hold) => {}
            Some(EventFault::Double) => {
                self.send(topic, &frame);
                self.send(topic, &frame);
            }
            None => self.send(topic, &frame),
        }
    }

    pub(crate) fn release(&mut self) {
        while let Some((topic, frame)) = self.held.pop_front() {
            self.send(&topic, &frame);
        }
    }

    fn send(&mut self, topic: &str, frame: &Value) {
        let text = frame.to_string();
        for channel in self.all.values_mut().filter(|one| one.topics.contains(topic)) {
            let Some((_, socket)) = &channel.socket else { continue };
            if socket.try_send(text.clone()).is_err() {
                channel.socket = None;
            }
        }
    }

    /// Says on every socket that it will be closed.
    pub(crate) fn warn(&mut self) {
        for (id, channel) in &self.all {
            if let Some((_, socket)) = &channel.socket {
                let _ = socket.try_send(system("socket_closing", id, "maintenance"));
            }
        }
    }

    /// Closes every socket; what was sent to it before still arrives.
    pub(crate) fn cut(&mut self) {
        for channel in self.all.values_mut() {
            channel.socket = None;
        }
    }

    /// As if the network to every socket had died.
    pub(crate) fn mute(&mut self) {
        self.mute = self.sequence;
    }

    pub(crate) fn is_mute(&self, socket: u64) -> bool {
        socket <= self.mute
    }

    /// Every token is revoked: says so on every socket, and ends every channel.
    pub(crate) fn revoke(&mut self) {
        for (id, channel) in std::mem::take(&mut self.all) {
            let Some((_, socket)) = channel.socket else { continue };
            let text = system(&format!("token_revoked.{id}"), &id, "user_tokens_revoked");
            let _ = socket.try_send(text);
        }
    }

    /// As if 24 hours had passed.
    pub(crate) fn expire(&mut self) {
        self.all.clear();
    }
}

impl Channel {
    fn is_connected(&self) -> bool {
        self.socket.as_ref().is_some_and(|(_, socket)| !socket.is_closed())
    }
}

/// A message of the platform's own (`SystemMessageSystemMessage`).
fn system(topic: &str, channel: &str, reason: &str) -> String {
    let body = json!({
        "channelId": channel,
        "systemTopicType": topic.split('.').next(),
        "reason": reason,
        "message": "",
    });
    json!({ "topicName": format!("v2.system.{topic}"), "eventBody": body }).to_string()
}

/// The vendor's topic with `{id}`, of a topic for one id; 400 where there is none.
pub(crate) fn template(topic: &str) -> Result<&'static str, Problem> {
    let fits = |template: &&str| {
        let (head, tail) = template.split_once("{id}").unwrap_or((template, ""));
        topic.strip_prefix(head).and_then(|rest| rest.strip_suffix(tail)).is_some_and(is_uuid)
    };
    TOPICS.into_iter().find(fits).ok_or_else(Problem::invalid_topic)
}
