//! What agents show in Omni-Channel, and which work they have at hand.
//!
//! `reading` asks for both, `seen` says what the rows mean and how versions grow, `following`
//! tells what happens: by Change Data Capture, or by asking every few seconds where the org
//! tells nothing. A status is set by nobody but the agent's own console: the vendor's data API
//! refuses it.
//!
//! Source: Object Reference, "UserServicePresence", "AgentWork", "ServiceChannelStatus".

mod following;
mod reading;
mod seen;

use super::changes::feed::Events;
use super::client::Client;
use super::mapping::at;
use super::records::{fixed, id};
use super::soql::{Condition, Name, RecordId, Soql};
use async_trait::async_trait;
use domain::presence::{Kind, Status};
use kit::presence::{Agent, Presence, Seen, Told};
use kit::{Answers, Error, Lane};
use seen::{Memory, OFFLINE};
use serde_json::Value;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::sync::{Mutex, mpsc};

/// Agents of one page: a batch of the vendor's.
const PAGE: u16 = 2_000;
/// Agents of an org: beyond this the rest is left out, and the log says so.
const AGENTS_MAX: usize = 50_000;
/// Statuses, and what joins them with channels; an org has tens.
const STATUSES_MAX: u16 = 2_000;
const USER: &str = "User";
const SHOWN: &str = "UserServicePresence";
const WORK: &str = "AgentWork";

/// What is read of an agent.
const AGENT: [&str; 4] = ["Id", "Name", "Email", "Username"];
/// The same where the integration user may see it.
const AGENT_BESIDES: [&str; 2] = ["FederationIdentifier", "Profile.Name"];
/// What is read of the statuses, and of what makes one a status of work.
const STATUS: [&str; 2] = ["Id", "MasterLabel"];
const JOIN: [&str; 1] = ["ServicePresenceStatusId"];

/// The agents of one org.
pub(super) struct Omni {
    client: Arc<Client>,
    events: Events,
    /// The org answers whoever asks it about agents.
    answers: Answers,
    /// Held while it is read, so that no answer overtakes a later one.
    memory: Mutex<Memory>,
    /// Each who follows is a reader of its own.
    followers: AtomicU64,
}

impl Omni {
    pub(super) fn new(client: Arc<Client>, events: Events) -> Self {
        let (memory, followers) = (Mutex::default(), AtomicU64::new(0));
        Self { client, events, answers: Answers::default(), memory, followers }
    }

    async fn rows(&self, soql: &Soql) -> Result<Vec<Value>, Error> {
        Ok(self.client.query(Lane::Background, soql).await?.rows)
    }
}

#[async_trait]
impl Presence for Omni {
    fn is_set_by_console(&self) -> bool {
        true
    }

    /// A status that is online for no channel is one of those that the vendor calls busy.
    async fn statuses(&self) -> Result<Vec<Status>, Error> {
        let all = Soql::by_id(&fixed("ServicePresenceStatus"), &names(&STATUS), None, STATUSES_MAX);
        let joins = Soql::by_id(&fixed("ServiceChannelStatus"), &names(&JOIN), None, STATUSES_MAX);
        let (all, joins) = tokio::try_join!(self.rows(&all), self.rows(&joins))?;
        let works: HashSet<&str> = joins.iter().filter_map(|row| text(row, JOIN[0])).collect();
        let mut statuses = Vec::with_capacity(all.len() + 1);
        for row in &all {
            let id = id(row)?;
            let kind = if works.contains(id.as_str()) { Kind::Work } else { Kind::NoWork };
            let name = text(row, "MasterLabel").unwrap_or_default().to_owned();
            statuses.push(Status { id: id.as_str().into(), name, kind });
        }
        let name = "Offline".to_owned();
        statuses.push(Status { id: OFFLINE.into(), name, kind: Kind::Offline });
        Ok(statuses)
    }

    /// Active users with a license of the org's own staff; who of them is an agent, the other
    /// system knows.
    async fn agents(&self) -> Result<Vec<Agent>, Error> {
        let is_staff = Condition::one_of(&fixed("UserType"), ["Standard"]);
        let staff = Condition::holds(&fixed("IsActive")).and_all(is_staff);
        let mut agents = Vec::new();
        let mut after: Option<RecordId> = None;
        let mut besides = AGENT_BESIDES.to_vec();
        while agents.len() < AGENTS_MAX {
            let beyond = after.as_ref().map(Condition::id_after);
            let condition = staff.clone().and_all(beyond);
            let fields = names(&[AGENT.as_slice(), besides.as_slice()].concat());
            let soql = Soql::by_id(&fixed(USER), &fields, Some(&condition), PAGE);
            let rows = match self.rows(&soql).await {
                Err(Error::Forbidden { missing }) => match without(&besides, &missing) {
                    Some(rest) => {
                        besides = rest;
                        continue;
                    }
                    None => return Err(Error::Forbidden { missing }),
                },
                told => told?,
            };
            for row in &rows {
                agents.push(agent(row)?);
            }
            after = agents.last().and_then(|agent| RecordId::new(&agent.id));
            if rows.len() < usize::from(PAGE) || after.is_none() {
                return Ok(agents);
            }
        }
        tracing::warn!("the org has more users than are listed as agents: {AGENTS_MAX}");
        Ok(agents)
    }

    async fn read(&self, agents: &[String]) -> Result<Vec<Result<Seen, Error>>, Error> {
        let seen = reading::read(self, agents).await?;
        if !agents.is_empty() {
            self.answers.came();
        }
        Ok(seen.into_iter().map(|one| one.ok_or(Error::NotFound)).collect())
    }

    /// After-call work is part of handling here: an item is closed when all is done.
    async fn follow(
        &self,
        agents: &[String],
        _tells_after_call: bool,
        to: mpsc::Sender<Told>,
    ) -> Result<(), Error> {
        following::follow(self, agents, to).await
    }
}

/// The fields without the one that is missing, named whole or by a step of its path; `None`
/// where it is none of them.
fn without<'a>(fields: &[&'a str], missing: &str) -> Option<Vec<&'a str>> {
    let bare = missing.rsplit('.').next().unwrap_or_default();
    let is_there = |field: &&str| !field.split('.').any(|step| step.eq_ignore_ascii_case(bare));
    let rest: Vec<&str> = fields.iter().copied().filter(is_there).collect();
    (rest.len() < fields.len()).then_some(rest)
}

fn agent(row: &Value) -> Result<Agent, Error> {
    let owned = |field: &str| text(row, field).map(str::to_owned);
    Ok(Agent {
        id: id(row)?,
        name: owned("Name").unwrap_or_default(),
        email: owned("Email"),
        aliases: ["Username", "FederationIdentifier"].into_iter().filter_map(owned).collect(),
        groups: owned("Profile.Name").into_iter().collect(),
    })
}

/// The objects that are read, besides the statuses, each with its fields.
pub(super) fn needed() -> [(Name, Vec<Name>); 4] {
    let [shown, work] = reading::needed();
    let joins = (fixed("ServiceChannelStatus"), names(&JOIN));
    [(fixed(USER), names(&AGENT)), joins, (fixed(SHOWN), shown), (fixed(WORK), work)]
}

/// Every field that is read of agents and of what they do.
#[cfg(test)]
pub(super) fn fields() -> impl Iterator<Item = &'static str> {
    AGENT.into_iter().chain(AGENT_BESIDES).chain(STATUS).chain(JOIN).chain(reading::fields())
}

fn text<'a>(row: &'a Value, field: &str) -> Option<&'a str> {
    at(row, field).and_then(Value::as_str)
}

fn names(fields: &[&str]) -> Vec<Name> {
    fields.iter().map(|field| fixed(field)).collect()
}
