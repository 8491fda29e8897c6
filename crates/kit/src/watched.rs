//! Capabilities that tell the connection's [`Health`] what came of each use.
//!
//! A connector says what an answer means, and its callers care for the answer alone;
//! between them stands this, so that no missing permission goes unseen.

use crate::health::Health;
use crate::presence::{Agent, Seen, Told};
use crate::{
    Account, Accounts, Activity, Ask, Capabilities, Changes, ChangesAsk, ChangesPage,
    ContactCenter, Conversation, Custom, Destination, Destinations, Enriched, Error, Feed, FeedAsk,
    FeedPage, Fields, Journal, Lane, Language, Lookup, Place, Presence, Push, Record, Requests,
    Saved, Write, Writes, Written, destinations,
};
use async_trait::async_trait;
use domain::presence::{Status, StatusId};
use domain::{CallId, Contact};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;

struct Watched<T: ?Sized> {
    inner: Arc<T>,
    health: Arc<Health>,
}

impl<T: ?Sized> Watched<T> {
    fn told<R>(&self, doing: &'static str, outcome: Result<R, Error>) -> Result<R, Error> {
        self.health.ended(doing, &outcome);
        outcome
    }
}

impl Capabilities {
    /// The same, telling `health` of every request and of what came of it.
    #[must_use]
    pub fn watched(self, health: &Arc<Health>) -> Self {
        self.turnstile.watch(Arc::clone(health));
        macro_rules! watch {
            ($capability:expr, $kind:ident) => {
                $capability.map(|inner| {
                    Arc::new(Watched { inner, health: Arc::clone(health) }) as Arc<dyn $kind>
                })
            };
        }
        Self {
            lookup: watch!(self.lookup, Lookup),
            accounts: watch!(self.accounts, Accounts),
            contact_center: watch!(self.contact_center, ContactCenter),
            destinations: watch!(self.destinations, Destinations),
            journal: watch!(self.journal, Journal),
            changes: watch!(self.changes, Changes),
            feed: watch!(self.feed, Feed),
            writes: watch!(self.writes, Writes),
            requests: watch!(self.requests, Requests),
            presence: watch!(self.presence, Presence),
            ..self
        }
    }
}

#[async_trait]
impl Lookup for Watched<dyn Lookup> {
    fn batch_max(&self) -> usize {
        self.inner.batch_max()
    }

    async fn find(&self, lane: Lane, asks: &[Ask]) -> Result<Vec<Vec<Contact>>, Error> {
        self.told("lookup", self.inner.find(lane, asks).await)
    }

    async fn successor(&self, lane: Lane, record: &str) -> Result<Option<String>, Error> {
        self.told("lookup", self.inner.successor(lane, record).await)
    }
}

#[async_trait]
impl Accounts for Watched<dyn Accounts> {
    fn batch_max(&self) -> usize {
        self.inner.batch_max()
    }

    async fn find(&self, lane: Lane, ids: &[String]) -> Result<Vec<Option<Account>>, Error> {
        self.told("accounts", self.inner.find(lane, ids).await)
    }
}

#[async_trait]
impl ContactCenter for Watched<dyn ContactCenter> {
    fn batch_max(&self) -> usize {
        self.inner.batch_max()
    }

    async fn enrich(&self, pushes: &[Push]) -> Result<Vec<Result<Enriched, Error>>, Error> {
        let outcome = self.inner.enrich(pushes).await;
        for one in outcome.iter().flatten() {
            self.health.ended("enrich", one);
        }
        if outcome.is_err() {
            self.health.ended("enrich", &outcome);
        }
        outcome
    }

    async fn conversation(&self, call: &CallId) -> Result<Conversation, Error> {
        self.told("conversation", self.inner.conversation(call).await)
    }

    async fn set_attributes(
        &self,
        conversation: &Conversation,
        attributes: &BTreeMap<String, String>,
    ) -> Result<(), Error> {
        self.told("attributes", self.inner.set_attributes(conversation, attributes).await)
    }

    async fn associate(&self, conversation: &Conversation, contact: &str) -> Result<(), Error> {
        self.told("association", self.inner.associate(conversation, contact).await)
    }
}

#[async_trait]
impl Destinations for Watched<dyn Destinations> {
    fn can_be_asked(&self, kind: destinations::Kind) -> bool {
        self.inner.can_be_asked(kind)
    }

    async fn find(
        &self,
        lane: Lane,
        kind: destinations::Kind,
        words: &[String],
    ) -> Result<Vec<Option<Destination>>, Error> {
        self.told("destinations", self.inner.find(lane, kind, words).await)
    }
}

#[async_trait]
impl Journal for Watched<dyn Journal> {
    async fn write(&self, activity: &Activity) -> Result<Written, Error> {
        self.told("activity", self.inner.write(activity).await)
    }
}

#[async_trait]
impl Changes for Watched<dyn Changes> {
    fn pass_requests(&self, records: u64) -> u64 {
        self.inner.pass_requests(records)
    }

    fn tells_deletions(&self) -> bool {
        self.inner.tells_deletions()
    }

    async fn page(&self, ask: &ChangesAsk) -> Result<ChangesPage, Error> {
        self.told("changes", self.inner.page(ask).await)
    }
}

#[async_trait]
impl Feed for Watched<dyn Feed> {
    async fn next(&self, ask: &FeedAsk) -> Result<FeedPage, Error> {
        self.told("feed", self.inner.next(ask).await)
    }
}

#[async_trait]
impl Writes for Watched<dyn Writes> {
    fn read_max(&self) -> usize {
        self.inner.read_max()
    }

    async fn read(
        &self,
        lane: Lane,
        object: &str,
        ids: &[String],
        fields: &[String],
    ) -> Result<Vec<Option<Record>>, Error> {
        self.told("read", self.inner.read(lane, object, ids, fields).await)
    }

    async fn successors(&self, object: &str, ids: &[String]) -> Result<Vec<Option<String>>, Error> {
        self.told("read", self.inner.successors(object, ids).await)
    }

    async fn find(&self, object: &str, key: (&str, &str)) -> Result<Option<String>, Error> {
        self.told("read", self.inner.find(object, key).await)
    }

    async fn create(
        &self,
        object: &str,
        key: (&str, &str),
        fields: &Fields,
    ) -> Result<Saved, Error> {
        self.told("write", self.inner.create(object, key, fields).await)
    }

    async fn update(
        &self,
        object: &str,
        id: &str,
        seen: Option<&str>,
        fields: &Fields,
    ) -> Result<Saved, Error> {
        self.told("write", self.inner.update(object, id, seen, fields).await)
    }

    async fn delete(&self, object: &str, id: &str, seen: Option<&str>) -> Result<(), Error> {
        self.told("delete", self.inner.delete(object, id, seen).await)
    }

    fn write_max(&self) -> usize {
        self.inner.write_max()
    }

    fn write_requests(&self, made: u64, changed: u64, deleted: u64) -> u64 {
        self.inner.write_requests(made, changed, deleted)
    }

    fn create_max(&self) -> usize {
        self.inner.create_max()
    }

    async fn write(
        &self,
        object: &str,
        writes: &[Write],
    ) -> Result<Vec<Result<Saved, Error>>, Error> {
        let outcomes = self.inner.write(object, writes).await;
        // What is wrong with one record says nothing of the connection.
        let shut = outcomes.iter().flatten().filter_map(|one| one.as_ref().err());
        let mut shut = shut.filter(|error| {
            !matches!(error, Error::Invalid { .. } | Error::NotFound | Error::Conflict { .. })
        });
        match shut.next().cloned() {
            Some(error) => drop(self.told::<()>("write", Err(error))),
            None => return self.told("write", outcomes),
        }
        outcomes
    }
}

#[async_trait]
impl Requests for Watched<dyn Requests> {
    fn language(&self, place: Place<'_>) -> Option<Language> {
        self.inner.language(place)
    }

    async fn send(&self, lane: Lane, request: &Custom) -> Result<serde_json::Value, Error> {
        self.told("action", self.inner.send(lane, request).await)
    }
}

#[async_trait]
impl Presence for Watched<dyn Presence> {
    fn is_set_by_console(&self) -> bool {
        self.inner.is_set_by_console()
    }

    async fn statuses(&self) -> Result<Vec<Status>, Error> {
        self.told("statuses", self.inner.statuses().await)
    }

    async fn agents(&self) -> Result<Vec<Agent>, Error> {
        self.told("agents", self.inner.agents().await)
    }

    async fn known_as(
        &self,
        authority: &str,
        agents: &[String],
    ) -> Result<Vec<Vec<String>>, Error> {
        self.told("agents", self.inner.known_as(authority, agents).await)
    }

    async fn read(&self, agents: &[String]) -> Result<Vec<Result<Seen, Error>>, Error> {
        self.told("presence", self.inner.read(agents).await)
    }

    async fn follow(
        &self,
        agents: &[String],
        tells_after_call: bool,
        to: mpsc::Sender<Told>,
    ) -> Result<(), Error> {
        self.told("presence", self.inner.follow(agents, tells_after_call, to).await)
    }

    fn set_max(&self) -> usize {
        self.inner.set_max()
    }

    async fn set(
        &self,
        wanted: &[(String, StatusId)],
    ) -> Result<Vec<Result<Option<u64>, Error>>, Error> {
        self.told("set_presence", self.inner.set(wanted).await)
    }

    async fn bring_back(&self, agent: &str) -> Result<(), Error> {
        self.told("bring_back", self.inner.bring_back(agent).await)
    }
}
