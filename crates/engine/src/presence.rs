//! Keeps what agents show the same in two systems that hand out work to them.
//!
//! Of all nodes one works at a team ([`work`]): it finds out who is who ([`roster`]), takes in
//! what both systems tell, lets `domain::presence` decide, keeps what was decided
//! (`state::presence`) and only then has it done ([`hands`]). A status that nobody but the
//! agent's own console can set is told to that console ([`consoles`]). Whatever is lost on the
//! way, the periodic comparison of both sides finds.
//!
//! What it looks like now, for people and programs: [`Desk`].

mod consoles;
mod desk;
mod external;
mod hands;
mod roster;
mod shift;
mod story;
mod team;
pub(crate) mod troubles;
pub(crate) mod work;

pub use consoles::{Consoles, Order, Outcome};
pub use desk::{AgentView, Desk, SideView, Standing, TeamView};
pub use roster::{By, Members};
pub use team::{PairOfNames, Team};

use domain::presence::Side;
use state::presence::{StoredLine, Who};
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Engine;

/// Every team, and the consoles of all agents.
#[derive(Default)]
pub struct Presence {
    desks: Vec<Arc<Desk>>,
    consoles: Arc<Consoles>,
}

impl Presence {
    /// The teams, in the order in which an agent of several is taken by the first.
    #[must_use]
    pub fn new(teams: Vec<Team>) -> Self {
        let mut desks: Vec<Arc<Desk>> = Vec::new();
        for team in teams {
            let before = desks.iter().filter(|desk| desk.team().shares_a_system_with(&team));
            let before = before.cloned().collect();
            desks.push(Arc::new(Desk::new(team, before)));
        }
        Self { desks, consoles: Arc::default() }
    }

    pub fn desks(&self) -> impl Iterator<Item = &Arc<Desk>> {
        self.desks.iter()
    }

    #[must_use]
    pub fn desk(&self, team: &str) -> Option<&Arc<Desk>> {
        self.desks.iter().find(|desk| desk.team().name == team)
    }

    #[must_use]
    pub fn consoles(&self) -> &Arc<Consoles> {
        &self.consoles
    }

    /// The CRM connection of a team that has this agent of the CRM, where the CRM is `signed_in`,
    /// if that is known.
    #[must_use]
    pub fn of_crm(&self, agent: &str, signed_in: Option<&str>) -> Option<String> {
        let crm = |desk: &&Arc<Desk>| desk.team().connections[Side::Crm.index()].clone();
        let mut desks = self.desks.iter();
        let desk = desks
            .find(|desk| signed_in.is_none_or(|name| name == crm(desk)) && desk.has_in_crm(agent));
        desk.as_ref().map(crm)
    }

    /// The contact center's id of the agent whom this CRM connection knows by this id; `None`
    /// where no team has them.
    #[must_use]
    pub fn center_of(&self, agent: &str, crm: &str) -> Option<String> {
        let of_crm = |desk: &&Arc<Desk>| desk.team().connections[Side::Crm.index()] == crm;
        self.desks.iter().filter(of_crm).find_map(|desk| desk.center_of(agent))
    }

    /// Does another node work for an agent with this id?
    #[must_use]
    pub fn is_elsewhere(&self, agent: &str) -> bool {
        self.desks.iter().any(|desk| desk.has_elsewhere(agent))
    }

    /// An agent by an id of either system, or by e-mail.
    #[must_use]
    pub fn find(&self, word: &str) -> Option<(&Arc<Desk>, AgentView)> {
        self.desks.iter().find_map(|desk| Some((desk, desk.find(word)?)))
    }
}

impl Engine {
    /// Leaves an agent or a team alone, or no longer so. False where it was so already.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn pause_presence(
        &self,
        (team, who): (&str, &Who),
        is_paused: bool,
        actor: &str,
    ) -> Result<bool, state::Error> {
        let mut details = BTreeMap::new();
        if let Who::Agent(agent) = who {
            details.insert("agent".to_owned(), agent.clone());
        }
        let action = if is_paused { "presence.paused" } else { "presence.resumed" };
        let (actor, subject) = (actor.to_owned(), team.to_owned());
        let act = state::audit::Act { actor, action, subject, details };
        let now = self.clock.now();
        let has_changed = self.store.pause_presence((team, who), is_paused, act, now).await?;
        if let Some(desk) = self.presence.desk(team) {
            desk.look_again();
        }
        Ok(has_changed)
    }

    /// What became of an agent, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn presence_story(
        &self,
        (team, agent): (&str, &str),
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<StoredLine>, state::Error> {
        self.store.presence_story(team, agent, before, limit).await
    }
}

/// Both sides, the contact center's first.
pub(crate) const SIDES: [Side; 2] = [Side::Center, Side::Crm];
