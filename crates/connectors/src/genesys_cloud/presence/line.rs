//! One channel of the notification service: opened, heard, and opened again.
//!
//! The platform keeps nothing for whoever does not hear it. So a channel's agents are named
//! in a [`Told::Gap`] each time that its socket is open and its topics are taken, and never
//! before. A channel dies with its token and after a day: it gives way to a new one in time,
//! by the one way that a lost one is replaced, and is left only then.

use super::super::client::{Client, Send};
use super::Times;
use super::frame::{self, Frame};
use super::reading::entities;
use kit::http::Socket;
use kit::presence::Told;
use kit::{Answers, Error, Token};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep_until};
use url::Url;

/// Agents whom one line of the log names; of the rest it says how many they are.
const NAMED_MAX: usize = 20;

/// Some of the agents, and the channel that tells of them.
pub(super) struct Line {
    pub(super) client: Arc<Client>,
    pub(super) times: Times,
    pub(super) agents: Vec<String>,
    pub(super) tells_after_call: bool,
    pub(super) to: mpsc::Sender<Told>,
    /// The platform answers whoever asks it about agents.
    pub(super) answers: Arc<Answers>,
    /// Channels that are heard now, of all lines together.
    pub(super) heard: Arc<AtomicUsize>,
    /// One line at a time has two channels.
    pub(super) turn: Arc<Semaphore>,
    pub(super) channel: Option<Channel>,
    /// Topics that were refused when it was last told.
    pub(super) rejected: usize,
}

#[derive(Clone)]
pub(super) struct Channel {
    id: String,
    address: Url,
    token: Arc<Token>,
    /// When it gives way to a new one.
    until: Instant,
}

impl Channel {
    fn is_over(&self) -> bool {
        self.until <= Instant::now()
    }
}

/// A channel that is heard.
struct Open {
    channel: Channel,
    socket: Socket,
    followed: HashSet<String>,
    /// Whether each has nothing but after-call work, as far as it was told.
    after_call: HashMap<String, bool>,
    _counted: Counted,
}

struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why a channel is heard no longer.
enum End {
    /// Nobody wants to be told any more.
    Unwanted,
    Lost(Error),
}

/// What follows from a text.
enum Step {
    Go,
    ChangeOver,
    End(End),
}

impl Line {
    /// Until nobody wants to be told, or the platform refuses for good.
    pub(super) async fn run(mut self) -> (Self, Result<(), Error>) {
        let mut pauses = self.times.pauses();
        loop {
            match self.open().await {
                Ok(open) => {
                    let since = Instant::now();
                    let lost = match self.hear(open).await {
                        End::Unwanted => return (self, Ok(())),
                        End::Lost(why) => why,
                    };
                    tracing::info!(
                        "a channel of agents' news was lost and is opened again: {lost}"
                    );
                    if since.elapsed() >= self.times.settled {
                        pauses.begin_anew();
                    }
                }
                Err(_) if self.to.is_closed() => return (self, Ok(())),
                Err(error) => {
                    // One that only broke off was opened again by now.
                    let why = error.to_string();
                    let lost = Told::Lost { agents: self.agents.clone(), why };
                    if self.to.send(lost).await.is_err() {
                        return (self, Ok(()));
                    }
                    if error.is_refusal() {
                        return (self, Err(error));
                    }
                    tracing::warn!("a channel of agents' news could not be opened: {error}");
                }
            }
            pauses.pause(self.times.pause_least, &self.answers).await;
        }
    }

    /// The channel there is, or a new one.
    async fn open(&mut self) -> Result<Open, Error> {
        self.channel.take_if(|channel| channel.is_over());
        if let Some(channel) = self.channel.clone() {
            match self.attach(channel).await {
                // The platform has ended it: another one takes its place.
                Err(Error::NotFound) => self.channel = None,
                outcome => return outcome,
            }
        }
        let channel = self.make().await?;
        self.channel = Some(channel.clone());
        let outcome = self.attach(channel).await;
        if outcome.as_ref().is_err_and(|error| *error == Error::NotFound) {
            self.channel = None;
            return Err(Error::unavailable("a new channel cannot be heard"));
        }
        outcome
    }

    async fn make(&self) -> Result<Channel, Error> {
        let token = self.client.token().await?;
        let told = self.client.send(Send::PostNothing, "notifications/channels").await?.json()?;
        let text = |key: &str| told[key].as_str().unwrap_or_default();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let id = text("id").to_owned();
        let address = Url::parse(text("connectUri"));
        let (true, Ok(address)) = (!id.is_empty() && id.chars().all(is_plain), address) else {
            return Err(Error::protocol("a channel without id or address"));
        };
        // By then there is a newer token, if there ever is.
        let token_left = ((token.age() + token.expires_in()) * 9 / 10).saturating_sub(token.age());
        let life = token_left.min(self.times.channel_life).max(self.times.pause_most);
        Ok(Channel { id, address, token, until: Instant::now() + life })
    }

    /// Hears a channel. Its socket is open before its topics are taken, so that nothing
    /// falls between the two; and both before anybody is told so.
    async fn attach(&mut self, channel: Channel) -> Result<Open, Error> {
        let socket = match self.client.socket(&channel.address).await {
            // Its address is all that a socket needs: what is refused is the channel.
            Err(Error::Unauthorized { .. } | Error::Forbidden { .. }) => {
                return Err(Error::NotFound);
            }
            socket => socket?,
        };
        let (followed, refused) = self.subscribe(&channel).await?;
        self.heard.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(Arc::clone(&self.heard));
        let own = self.agents.iter().filter(|agent| followed.contains(*agent));
        let gap = Told::Gap(own.cloned().collect());
        let unwanted = |_| Error::unavailable("nobody wants to be told");
        self.to.send(gap).await.map_err(unwanted)?;
        for (why, agents) in refused {
            self.to.send(Told::Lost { agents, why }).await.map_err(unwanted)?;
        }
        Ok(Open { channel, socket, followed, after_call: HashMap::new(), _counted: counted })
    }

    /// Takes the topics, all anew: those whom the platform lets us follow, and whom not, by
    /// what is missing.
    async fn subscribe(
        &mut self,
        channel: &Channel,
    ) -> Result<(HashSet<String>, BTreeMap<String, Vec<String>>), Error> {
        let mut topics: Vec<Value> = Vec::new();
        for agent in &self.agents {
            topics.push(json!({ "id": frame::activity(agent) }));
            if self.tells_after_call {
                topics.push(json!({ "id": frame::summary(agent) }));
            }
        }
        let path = format!("notifications/channels/{}/subscriptions?ignoreErrors=true", channel.id);
        let told = self.client.send(Send::Put(&topics.into()), &path).await?.json()?;
        let rejected = entities(&told)?.iter().filter(|topic| topic["state"] == "Rejected");
        let mut followed: HashSet<String> = self.agents.iter().cloned().collect();
        let (mut count, mut wanting) = (0, BTreeMap::<String, Vec<&str>>::new());
        let mut refused = BTreeMap::<String, Vec<String>>::new();
        for topic in rejected {
            let Some(agent) = topic["id"].as_str().and_then(frame::agent) else { continue };
            if topic["id"] == frame::activity(agent) && followed.remove(agent) {
                refused.entry(missing(topic)).or_default().push(agent.to_owned());
            }
            wanting.entry(missing(topic)).or_default().push(agent);
            count += 1;
        }
        if followed.is_empty() {
            let missing = wanting.into_keys().collect::<Vec<_>>().join(", ");
            return Err(Error::Forbidden { missing });
        }
        // Once, and again only when it has become another number.
        if std::mem::replace(&mut self.rejected, count) != count {
            for (missing, agents) in wanting {
                let agents_named = agents[..agents.len().min(NAMED_MAX)].join(" ");
                let count = agents.len();
                tracing::warn!(count, agents = agents_named, "agents are not told of: {missing}");
            }
        }
        Ok((followed, refused))
    }

    async fn hear(&mut self, mut open: Open) -> End {
        let mut pauses = self.times.pauses();
        let mut change_at = open.channel.until;
        let (mut quiet_at, mut is_asked) = (Instant::now() + self.times.ping_after, false);
        loop {
            let came = tokio::select! {
                biased;
                () = sleep_until(change_at) => None,
                came = open.socket.next() => Some(came),
                () = sleep_until(quiet_at) => {
                    if is_asked {
                        return End::Lost(Error::unavailable("no answer to a ping"));
                    }
                    if let Err(error) = self.ping(&mut open.socket).await {
                        return End::Lost(error);
                    }
                    (quiet_at, is_asked) = (Instant::now() + self.times.pong_within, true);
                    continue;
                }
            };
            let step = match came {
                // The time has come to change to another socket.
                None => match self.change_over(&mut open).await {
                    Ok(()) => {
                        change_at = open.channel.until;
                        Step::Go
                    }
                    Err(End::Unwanted) => return End::Unwanted,
                    // The one there is is heard for as long as it lasts.
                    Err(End::Lost(_)) => {
                        change_at = Instant::now() + pauses.length();
                        continue;
                    }
                },
                Some(Ok(Some(text))) => self.take(&mut open, &text).await,
                Some(Ok(None)) => Step::End(End::Lost(Error::unavailable("it was closed"))),
                Some(Err(error)) => Step::End(End::Lost(error)),
            };
            match step {
                Step::Go => {}
                Step::ChangeOver => change_at = Instant::now(),
                Step::End(end) => return end,
            }
            (quiet_at, is_asked) = (Instant::now() + self.times.ping_after, false);
        }
    }

    /// Asks for a sign of life. A dead network takes what is sent to it for a while, or not.
    async fn ping(&self, socket: &mut Socket) -> Result<(), Error> {
        let sending = socket.send(r#"{"message":"ping"}"#);
        let sent = tokio::time::timeout(self.times.pong_within, sending).await;
        sent.unwrap_or_else(|_| Err(Error::unavailable("a ping could not be sent")))
    }

    /// To a new socket, and where its time has come to a new channel. The old one is left
    /// once the new one is heard; what it may still have told lies in the gap.
    async fn change_over(&mut self, open: &mut Open) -> Result<(), End> {
        let is_one_more = self.channel.as_ref().is_none_or(Channel::is_over);
        let turn = is_one_more.then(|| Arc::clone(&self.turn).try_acquire_owned()).transpose();
        let _turn = turn.map_err(|_| End::Lost(Error::unavailable("another is at it")))?;
        match self.open().await {
            Ok(new) => {
                *open = new;
                Ok(())
            }
            Err(_) if self.to.is_closed() => Err(End::Unwanted),
            Err(error) => {
                tracing::warn!("a channel of agents' news could not be changed: {error}");
                Err(End::Lost(error))
            }
        }
    }

    /// Tells what a text says. Whoever is told may take their time: the socket waits.
    async fn take(&mut self, open: &mut Open, text: &str) -> Step {
        let lost = |why: &str| Step::End(End::Lost(Error::unavailable(why)));
        let mut news = Vec::new();
        match frame::read(text) {
            Frame::Alive => {}
            Frame::Closing => return Step::ChangeOver,
            Frame::Revoked => {
                self.client.reject(&open.channel.token);
                self.channel = None;
                return lost("its token was revoked");
            }
            Frame::Unsubscribed => return lost("its topics were taken away"),
            Frame::Activity { agent, status, work } if open.followed.contains(&agent) => {
                // It says that something happened, and not what in words that we know.
                if status.is_none() && work.is_none() {
                    news.push(Told::Changed(vec![agent.clone()]));
                }
                if let Some((status, version)) = status {
                    news.push(Told::Status { agent: agent.clone(), status, version });
                }
                if let Some((work, version)) = work {
                    news.push(Told::Work { agent, work, version });
                }
            }
            // Nobody says when it began, so that it cannot be put in order: it is read.
            Frame::Summary { agent, is_after_call } if open.followed.contains(&agent) => {
                let before = open.after_call.insert(agent.clone(), is_after_call);
                if before != Some(is_after_call) {
                    news.push(Told::Changed(vec![agent]));
                }
            }
            Frame::Activity { .. } | Frame::Summary { .. } => {}
        }
        for one in news {
            if self.to.send(one).await.is_err() {
                return Step::End(End::Unwanted);
            }
        }
        Step::Go
    }
}

/// The permissions that a refused topic wants, and nothing else of what is said of it.
fn missing(topic: &Value) -> String {
    let named = topic["missingPermissions"].as_array().into_iter().flatten();
    let is_plain = |name: &&str| {
        name.len() < 100 && name.chars().all(|c| c.is_ascii_alphanumeric() || ":_*".contains(c))
    };
    let named: Vec<&str> = named.filter_map(Value::as_str).filter(is_plain).collect();
    if named.is_empty() { "a topic that was refused".to_owned() } else { named.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::missing;
    use serde_json::json;

    #[test]
    fn of_a_refused_topic_only_permissions_are_passed_on() {
        let told = |names| missing(&json!({ "missingPermissions": names }));
        assert_eq!(told(json!(["a:b:c", "d:e:f"])), "a:b:c, d:e:f");
        assert_eq!(told(json!(["Jane Doe <jane@example.com>"])), "a topic that was refused");
        assert_eq!(missing(&json!({})), "a topic that was refused");
    }
}
