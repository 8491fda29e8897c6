//! A team as it stands: its agents, what is wrong, and what people may see of it.
//!
//! Whoever works at the team changes it; everybody else looks, and waits for nobody.

use super::external::External;
use super::team::Team;
use super::{SIDES, story};
use domain::Timestamp;
use domain::presence::{Fault, Known, Map, Side, State, StatusId};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::time::Instant;

/// Why a team is not worked at, or that it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Standing {
    /// Both systems are being asked.
    #[default]
    Starting,
    Working,
    /// Another node works at it.
    Elsewhere,
    /// The settings do not fit what the systems have: nothing is commanded.
    Faulty(Vec<String>),
    /// A system did not answer, or does not let us.
    Unreachable(String),
}

impl Standing {
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Working => "working",
            Self::Elsewhere => "elsewhere",
            Self::Faulty(_) => "faulty",
            Self::Unreachable(_) => "unreachable",
        }
    }
}

/// A team, and its agents of now.
pub struct Desk {
    team: Team,
    /// Teams before this one: who is in one of them is not in this.
    before: Vec<Arc<Desk>>,
    table: Mutex<Table>,
    external: External,
    /// Pauses have changed.
    again: Notify,
}

#[derive(Default)]
pub(super) struct Table {
    pub(super) standing: Standing,
    pub(super) map: Option<Arc<Map>>,
    pub(super) known: Option<[Known; 2]>,
    pub(super) seats: Vec<Seat>,
    pub(super) by_id: [HashMap<String, usize>; 2],
    /// Agents of the contact center without a certain other.
    pub(super) alone: Vec<String>,
    /// `[center, crm]`: statuses that wait to be set.
    pub(super) backlog: [usize; 2],
    /// Whom another node keeps, `[center, crm]`, and when that was read.
    pub(super) elsewhere: Option<(Instant, Vec<[String; 2]>)>,
}

/// One agent.
#[derive(Debug, Clone)]
pub(super) struct Seat {
    /// `[center, crm]`: ids.
    pub(super) ids: [String; 2],
    pub(super) name: String,
    pub(super) email: Option<String>,
    pub(super) state: State,
    /// Since when each side is known to show what it shows.
    pub(super) since: [Option<Timestamp>; 2],
    /// `[center, crm]`: why a side does not tell what happens to them, where it does not.
    pub(super) unheard: [Option<Arc<str>>; 2],
    /// `[center, crm]`: why what a side says of them cannot be read, where it cannot.
    pub(super) unread: [Option<Arc<str>>; 2],
    /// `[center, crm]`: a system does not have them any more.
    pub(super) gone: [bool; 2],
}

impl Seat {
    pub(super) fn is_gone(&self) -> bool {
        self.gone.contains(&true)
    }
}

/// A team, as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamView {
    pub name: String,
    pub connections: [String; 2],
    pub scenario: &'static str,
    pub standing: Standing,
    pub agents: usize,
    /// Who could not be found on the other side; ids of the contact center, at most 100.
    pub alone: Vec<String>,
    pub alone_count: usize,
    /// `[center, crm]`: of how many agents a side does not tell what happens, and why.
    pub unheard: [Option<String>; 2],
    pub backlog: [usize; 2],
    /// Agents by alert.
    pub alerts: BTreeMap<&'static str, usize>,
}

/// An agent, as people see them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentView {
    pub team: String,
    pub name: String,
    pub email: Option<String>,
    /// `[center, crm]`.
    pub sides: [SideView; 2],
    /// Who brought it about, in a word.
    pub decided_by: Option<&'static str>,
    pub decided_at: Option<Timestamp>,
    pub is_paused: bool,
    /// Both sides show what they are to show, and would tell of anything else.
    pub is_settled: bool,
    /// The console in the CRM is not there since then.
    pub console_gone: Option<Timestamp>,
    pub alerts: Vec<&'static str>,
}

/// One side of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SideView {
    pub id: String,
    /// What it shows; `None`: it was not read yet.
    pub status: Option<String>,
    pub status_name: Option<String>,
    pub since: Option<Timestamp>,
    /// What it is to show.
    pub target_name: Option<String>,
    pub work: &'static str,
}

/// Ids of agents without another that are told.
const ALONE_TOLD: usize = 100;

impl Desk {
    pub(super) fn new(team: Team, before: Vec<Arc<Desk>>) -> Self {
        Self {
            team,
            before,
            table: Mutex::default(),
            external: External::default(),
            again: Notify::new(),
        }
    }

    #[must_use]
    pub fn team(&self) -> &Team {
        &self.team
    }

    pub(super) fn external(&self) -> &External {
        &self.external
    }

    /// The ids of its agents, `[center, crm]`; `None`: nobody of this node has asked yet.
    pub(super) fn ids(&self) -> Option<Vec<[String; 2]>> {
        let table = self.table();
        if table.standing == Standing::Elsewhere {
            return table.elsewhere.as_ref().map(|(_, ids)| ids.clone());
        }
        table.map.as_ref()?;
        Some(table.seats.iter().map(|seat| seat.ids.clone()).collect())
    }

    /// Teams before this one that share a system with it.
    pub(super) fn before(&self) -> &[Arc<Desk>] {
        &self.before
    }

    /// Whoever works at the team looks at the pauses again.
    pub(crate) fn look_again(&self) {
        self.again.notify_one();
    }

    pub(super) async fn asked_to_look(&self) {
        self.again.notified().await;
    }

    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[must_use]
    pub fn view(&self) -> TeamView {
        let table = self.table();
        let mut alerts = BTreeMap::new();
        for seat in &table.seats {
            let words: BTreeSet<_> =
                seat.state.alerts.iter().map(|one| story::word(*one)).collect();
            for word in words {
                *alerts.entry(word).or_insert(0) += 1;
            }
        }
        TeamView {
            name: self.team.name.clone(),
            connections: self.team.connections.clone(),
            scenario: self.team.scenario.as_str(),
            standing: table.standing.clone(),
            agents: table.seats.iter().filter(|seat| !seat.is_gone()).count(),
            alone: table.alone.iter().take(ALONE_TOLD).cloned().collect(),
            alone_count: table.alone.len(),
            unheard: SIDES.map(|side| table.unheard(side)),
            backlog: SIDES.map(|side| {
                // What a console is to set waits in the air.
                let in_air = table.seats.iter().filter(|seat| seat.state.flight(side).is_some());
                table.backlog[side.index()].max(in_air.count())
            }),
            alerts,
        }
    }

    /// Agents whose id in the contact center comes after this one, in that order.
    #[must_use]
    pub fn agents(&self, after: Option<&str>, limit: usize) -> Vec<AgentView> {
        let table = self.table();
        let mut seats: Vec<&Seat> = table
            .seats
            .iter()
            .filter(|seat| {
                !seat.is_gone() && after.is_none_or(|after| seat.ids[0].as_str() > after)
            })
            .collect();
        seats.sort_unstable_by(|a, b| a.ids[0].cmp(&b.ids[0]));
        seats.truncate(limit);
        seats.into_iter().map(|seat| table.agent(&self.team.name, seat)).collect()
    }

    /// An agent by an id of either side, or by e-mail.
    #[must_use]
    pub fn find(&self, word: &str) -> Option<AgentView> {
        let table = self.table();
        let by_id = table.by_id.iter().find_map(|ids| ids.get(word)).copied();
        let by_email = || {
            let is_it = |email: &String| email.eq_ignore_ascii_case(word);
            table.seats.iter().position(|seat| seat.email.as_ref().is_some_and(is_it))
        };
        let seat = &table.seats[by_id.or_else(by_email)?];
        Some(table.agent(&self.team.name, seat))
    }

    /// Does another node work for this agent, by an id of either side?
    pub(super) fn has_elsewhere(&self, agent: &str) -> bool {
        let table = self.table();
        let known = table.elsewhere.iter().flat_map(|(_, ids)| ids);
        table.standing == Standing::Elsewhere && known.flatten().any(|id| id == agent)
    }

    /// The contact center's id of an agent by that of the CRM, also where another node works
    /// for them.
    pub(super) fn center_of(&self, agent: &str) -> Option<String> {
        let table = self.table();
        let crm = Side::Crm.index();
        if let Some(seat) = table.by_id[crm].get(agent) {
            return Some(table.seats[*seat].ids[Side::Center.index()].clone());
        }
        let mut known = table.elsewhere.iter().flat_map(|(_, ids)| ids);
        let [center, _] = known.find(|ids| ids[crm] == agent)?;
        Some(center.clone())
    }

    pub(super) fn has_in_crm(&self, agent: &str) -> bool {
        self.table().by_id[Side::Crm.index()].contains_key(agent)
    }

    /// The name of a status, where it is known.
    #[must_use]
    pub fn status_name(&self, side: Side, status: &StatusId) -> Option<String> {
        self.table().status_name(side, status)
    }
}

impl Table {
    /// Another node works here now: what we know grows old.
    pub(super) fn leave(&mut self) {
        let elsewhere = self.elsewhere.take();
        *self = Self { standing: Standing::Elsewhere, elsewhere, ..Self::default() };
    }

    /// Of whom a side does not tell what happens, and why of the first of them.
    fn unheard(&self, side: Side) -> Option<String> {
        let there = || self.seats.iter().filter(|seat| !seat.is_gone());
        let mut reasons = there().filter_map(|seat| {
            let (unheard, unread) = (&seat.unheard[side.index()], &seat.unread[side.index()]);
            unheard.as_ref().or(unread.as_ref())
        });
        let why = reasons.next()?;
        let count = 1 + reasons.count();
        let all = there().count();
        Some(if count == all { why.to_string() } else { format!("{count} of {all} agents: {why}") })
    }

    fn status_name(&self, side: Side, status: &StatusId) -> Option<String> {
        let known = &self.known.as_ref()?[side.index()];
        known.statuses.iter().find(|one| one.id == *status).map(|one| one.name.clone())
    }

    fn agent(&self, team: &str, seat: &Seat) -> AgentView {
        let state = &seat.state;
        let side = |side: Side| {
            let target = self.map.as_ref().and_then(|map| state.target(map, side));
            let shown = state.shown(side);
            SideView {
                id: seat.ids[side.index()].clone(),
                status: shown.map(|one| one.as_str().to_owned()),
                status_name: shown.and_then(|one| self.status_name(side, one)),
                since: seat.since[side.index()],
                target_name: target.and_then(|one| self.status_name(side, one)),
                work: state.half(side).work.as_str(),
            }
        };
        let is_heard = seat.unheard.iter().chain(&seat.unread).all(Option::is_none);
        AgentView {
            team: team.to_owned(),
            name: seat.name.clone(),
            email: seat.email.clone(),
            sides: SIDES.map(side),
            decided_by: state.kept.decided.map(|one| one.by.as_str()),
            decided_at: state.kept.decided.map(|one| one.at),
            is_paused: state.kept.is_paused,
            is_settled: is_heard && self.map.as_ref().is_some_and(|map| state.is_settled(map)),
            console_gone: state.console_gone,
            alerts: state.alerts.iter().map(|alert| story::word(*alert)).collect(),
        }
    }
}

/// Faults, in words.
pub(super) fn words(faults: &[Fault]) -> Vec<String> {
    faults.iter().map(ToString::to_string).collect()
}
