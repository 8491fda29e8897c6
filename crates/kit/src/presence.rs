//! The agents of a system that hands out work: what each shows and has at hand, and a way to
//! change what they show.
//!
//! A system tells of its agents while somebody follows ([`Presence::follow`]), and is read
//! ([`Presence::read`]) where something may not have been told. What it all means for the
//! agent's other system, `domain::presence` decides.

use crate::Error;
use async_trait::async_trait;
use domain::Hidden;
use domain::presence::{Status, StatusId, Work};
use std::fmt;
use tokio::sync::mpsc;

/// Somebody whom a system hands work to.
#[derive(Clone, PartialEq, Eq)]
pub struct Agent {
    /// As its own system writes it.
    pub id: String,
    /// Display name; empty when the system holds none.
    pub name: String,
    pub email: Option<String>,
    /// Other names by which another system may know them: a user name, a federation id.
    pub aliases: Vec<String>,
    /// Names of the groups, profiles or teams they belong to.
    pub groups: Vec<String>,
}

impl fmt::Debug for Agent {
    /// Which agent, never who it is (invariant 9).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent")
            .field("id", &self.id)
            .field("name", &Hidden::text(&self.name))
            .field("email", &Hidden::of(self.email.as_ref()))
            .field("groups", &self.groups)
            .finish_non_exhaustive()
    }
}

/// What a system says of an agent when it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub status: StatusId,
    /// Grows with every change of the status, by the system's own count or clock.
    pub version: u64,
    pub work: Work,
    /// Grows with every change of the work.
    pub work_version: u64,
}

/// What a system tells by itself. May come late or twice, and in any order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// What happened to these before may not have been told; what happens from now on is.
    Gap(Vec<String>),
    /// What happens to these is not told, and why, until a [`Told::Gap`] names them.
    Lost { agents: Vec<String>, why: String },
    /// An agent shows this status since this version.
    Status { agent: String, status: StatusId, version: u64 },
    /// What an agent has at hand since this version.
    Work { agent: String, work: Work, version: u64 },
    /// Something happened to these; reading tells what.
    Changed(Vec<String>),
}

/// Knows what agents show and have at hand.
#[async_trait]
pub trait Presence: Send + Sync {
    /// Can nobody but the agent's own console set the status? Then `set` is never asked.
    fn is_set_by_console(&self) -> bool {
        false
    }

    /// Every status that agents can show now, also those that only the system itself sets.
    ///
    /// # Errors
    /// Any [`Error`].
    async fn statuses(&self) -> Result<Vec<Status>, Error>;

    /// Everybody who could be followed.
    ///
    /// # Errors
    /// Any [`Error`].
    async fn agents(&self) -> Result<Vec<Agent>, Error>;

    /// For each of these agents' ids, in order, what the other system calls them, where this
    /// one keeps that; `authority` is the other system's name there. One request each: for
    /// those whom nothing else identifies.
    ///
    /// # Errors
    /// Any [`Error`].
    async fn known_as(
        &self,
        authority: &str,
        agents: &[String],
    ) -> Result<Vec<Vec<String>>, Error> {
        let _ = authority;
        Ok(vec![Vec::new(); agents.len()])
    }

    /// For each agent, in order, what is so now, or why that is not told: `NotFound` where
    /// there is no such agent. Any number of agents: asked for in as few requests as the
    /// system allows.
    ///
    /// # Errors
    /// Any [`Error`]; it holds for all of them.
    async fn read(&self, agents: &[String]) -> Result<Vec<Result<Seen, Error>>, Error>;

    /// Tells what happens to these agents, beginning with a [`Told::Gap`] for each, until it
    /// is dropped or `to` is closed. After-call work is told apart from handling only where
    /// `tells_after_call` asks for it, since that may cost more of what is told.
    ///
    /// # Errors
    /// Any [`Error`] that ended it; whoever follows again is told of the gap.
    async fn follow(
        &self,
        agents: &[String],
        tells_after_call: bool,
        to: mpsc::Sender<Told>,
    ) -> Result<(), Error>;

    /// How many statuses one request can set.
    fn set_max(&self) -> usize {
        1
    }

    /// Sets the statuses of at most [`Presence::set_max`] agents, each named once, in one
    /// request; for each, in order, the version that it made, where the system tells. Given
    /// up midway, it may have come through.
    ///
    /// # Errors
    /// When none was tried.
    async fn set(
        &self,
        wanted: &[(String, StatusId)],
    ) -> Result<Vec<Result<Option<u64>, Error>>, Error> {
        let _ = wanted;
        let reason = "only the agent's own console sets the status there".to_owned();
        Err(Error::Invalid { field: None, reason })
    }

    /// Lets the system offer work again to an agent who missed some.
    ///
    /// # Errors
    /// Any [`Error`]; `Conflict` when the agent missed nothing.
    async fn bring_back(&self, agent: &str) -> Result<(), Error> {
        let _ = agent;
        let reason = "an agent comes back by themselves there".to_owned();
        Err(Error::Invalid { field: None, reason })
    }
}
