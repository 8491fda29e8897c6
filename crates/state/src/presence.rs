//! How the agents stand whose presence is kept the same in two systems, and what became of
//! them, in the ids of those systems alone: no name of anybody lies here.
//!
//! Of all nodes one holds a team ([`Store::hold_team`]); who has lost it writes nothing any
//! more. [`Store::keep_agents`] commits what a decision came to, with its story, before
//! anybody is told to do something about it.

mod form;
mod pause;

pub use pause::{Pause, Who};

use crate::crash;
use crate::error::{Boxed, Error, Result};
use crate::keys::fill_random;
use crate::sql::{Row, Touched, Tx, Work};
use crate::store::Store;
use domain::Timestamp;
use domain::presence::{Kept, Side, StatusId};
use std::time::Duration;

/// Proof that a node holds a team, for as long as nobody takes it after them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamHold {
    pub team: String,
    holder: i64,
}

impl TeamHold {
    /// A claim to a team, not yet made good by [`Store::hold_team`].
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn new(team: &str) -> Result<Self> {
        let mut bytes = [0; 8];
        fill_random(&mut bytes)?;
        Ok(Self { team: team.to_owned(), holder: i64::from_be_bytes(bytes) })
    }
}

/// An agent as they are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAgent {
    /// In the contact center.
    pub agent: String,
    /// In the CRM.
    pub crm_agent: String,
    pub kept: Kept,
    /// `[center, crm]`: since when each shows what it shows.
    pub since: [Option<Timestamp>; 2],
    pub updated_at: Timestamp,
}

/// A line of an agent's story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// A word, such as `acted` or `told`.
    pub what: &'static str,
    pub side: Option<Side>,
    pub status: Option<StatusId>,
    pub note: Option<String>,
}

/// A line as it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLine {
    pub id: i64,
    pub at: Timestamp,
    pub what: String,
    pub side: Option<Side>,
    pub status: Option<StatusId>,
    pub note: Option<String>,
}

/// What a decision came to for one agent.
#[derive(Debug, Clone)]
pub struct NewKept {
    pub agent: String,
    pub crm_agent: String,
    pub kept: Kept,
    pub since: [Option<Timestamp>; 2],
    pub lines: Vec<Line>,
}

/// Lines of one agent that are read at once.
pub const STORY_MAX: usize = 500;
/// Agents of one team; a node is made for a tenth of it.
const AGENTS_MAX: i64 = 50_000;
/// Lines forgotten at once; a writer's queue is never held up for longer.
const PART: i64 = 1_000;

impl Store {
    /// Takes a team, or holds on to it, for so long; false where another node has it.
    pub fn hold_team<'a>(
        &'a self,
        hold: &'a TeamHold,
        time: Duration,
        now: Timestamp,
    ) -> Boxed<'a, bool> {
        let until = now.plus(time).0;
        Box::pin(self.write(Hold { hold: hold.clone(), until, now: now.0 }))
    }

    /// Lets a team go, so that another node need not wait.
    pub fn let_team_go<'a>(&'a self, hold: &'a TeamHold) -> Boxed<'a, ()> {
        Box::pin(self.write(LetGo { hold: hold.clone() }))
    }

    /// Lets a team go whoever holds it, where no other node can: whoever held it before us has
    /// died, and nobody need wait until that shows.
    pub fn free_team<'a>(&'a self, team: &'a str) -> Boxed<'a, ()> {
        Box::pin(async move {
            if self.is_shared() {
                return Ok(());
            }
            self.write(Free { team: team.to_owned() }).await
        })
    }

    /// Every agent of a team who was ever kept.
    pub fn kept_agents<'a>(&'a self, team: &'a str) -> Boxed<'a, Vec<KeptAgent>> {
        Box::pin(async move {
            let rows = self.read_apart(All { team: team.to_owned() }).await?;
            rows.iter().map(kept_agent).collect()
        })
    }

    /// Keeps what decisions came to. False where another node holds the team now; then
    /// nothing was kept.
    pub fn keep_agents<'a>(
        &'a self,
        hold: &'a TeamHold,
        agents: Vec<NewKept>,
        now: Timestamp,
    ) -> Boxed<'a, bool> {
        Box::pin(async move {
            let agents = agents
                .into_iter()
                .map(|new| Ok((form::written(&new.kept, new.since)?, new)))
                .collect::<Result<Vec<_>>>()?;
            let is_kept = self.write(Keep { hold: hold.clone(), agents, now: now.0 }).await?;
            crash::point("presence.kept");
            Ok(is_kept)
        })
    }

    /// An agent's story with an id below `before` (all when `None`), newest first, at most
    /// [`STORY_MAX`] lines.
    pub fn presence_story<'a>(
        &'a self,
        team: &'a str,
        agent: &'a str,
        before: Option<i64>,
        limit: usize,
    ) -> Boxed<'a, Vec<StoredLine>> {
        Box::pin(async move {
            let limit = i64::try_from(limit.min(STORY_MAX)).unwrap_or(1);
            let (team, agent) = (team.to_owned(), agent.to_owned());
            let work = Story { team, agent, before: before.unwrap_or(i64::MAX), limit };
            self.read(&work).await?.iter().map(line).collect()
        })
    }

    /// Forgets lines older than this, at most 1,000 at once; returns how many.
    pub fn forget_presence(&self, before: Timestamp) -> Boxed<'_, u64> {
        Box::pin(self.write(Forget { before: before.0 }))
    }
}

fn kept_agent(row: &Row) -> Result<KeptAgent> {
    let (kept, since) = form::read(row.text(2)?)?;
    Ok(KeptAgent {
        agent: row.text(0)?.to_owned(),
        crm_agent: row.text(1)?.to_owned(),
        kept,
        since,
        updated_at: Timestamp(row.int(3)?),
    })
}

fn line(row: &Row) -> Result<StoredLine> {
    const ODD: Error = Error::Corrupt { what: "a side of presence" };
    let side = row.opt_text(3)?.map(|word| Side::parse(word).ok_or(ODD)).transpose()?;
    Ok(StoredLine {
        id: row.int(0)?,
        at: Timestamp(row.int(1)?),
        what: row.text(2)?.to_owned(),
        side,
        status: row.opt_text(4)?.map(StatusId::from),
        note: row.opt_text(5)?.map(str::to_owned),
    })
}

struct Hold {
    hold: TeamHold,
    until: i64,
    now: i64,
}

impl Work for Hold {
    type Output = bool;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool> {
        const SQL: &str = "
            INSERT INTO presence_holds (team, holder, held_until) VALUES (?1, ?2, ?3)
            ON CONFLICT (team) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until
            WHERE presence_holds.holder = ?2 OR presence_holds.held_until <= ?4";
        tx.touched = Touched::Nothing;
        let TeamHold { team, holder } = &self.hold;
        let params = [team.as_str().into(), (*holder).into(), self.until.into(), self.now.into()];
        Ok(tx.execute(SQL, &params).await? == 1)
    }
}

struct Free {
    team: String,
}

impl Work for Free {
    type Output = ();
    async fn run(&self, tx: &mut Tx<'_>) -> Result<()> {
        const SQL: &str = "DELETE FROM presence_holds WHERE team = ?1";
        tx.touched = Touched::Nothing;
        tx.execute(SQL, &[self.team.as_str().into()]).await.map(drop)
    }
}

struct LetGo {
    hold: TeamHold,
}

impl Work for LetGo {
    type Output = ();
    async fn run(&self, tx: &mut Tx<'_>) -> Result<()> {
        const SQL: &str = "DELETE FROM presence_holds WHERE team = ?1 AND holder = ?2";
        tx.touched = Touched::Nothing;
        let TeamHold { team, holder } = &self.hold;
        tx.execute(SQL, &[team.as_str().into(), (*holder).into()]).await.map(drop)
    }
}

struct All {
    team: String,
}

impl Work for All {
    type Output = Vec<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        const SQL: &str = "
            SELECT agent, crm_agent, kept, updated_at FROM presence_agents
            WHERE team = ?1 ORDER BY agent LIMIT ?2";
        tx.rows(SQL, &[self.team.as_str().into(), AGENTS_MAX.into()]).await
    }
}

struct Keep {
    hold: TeamHold,
    agents: Vec<(String, NewKept)>,
    now: i64,
}

impl Work for Keep {
    type Output = bool;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool> {
        const HELD: &str = "
            SELECT held_until FROM presence_holds WHERE team = ?1 AND holder = ?2 /*pg: FOR UPDATE */";
        const AGENT: &str = "
            INSERT INTO presence_agents (team, agent, crm_agent, kept, updated_at)
            VALUES (?1, ?2, ?3, ?4, ?5)
            ON CONFLICT (team, agent) DO UPDATE SET crm_agent = excluded.crm_agent,
                kept = excluded.kept, updated_at = excluded.updated_at";
        const LINE: &str = "
            INSERT INTO presence_story (team, agent, at, what, side, status, note)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        tx.touched = Touched::Nothing;
        let TeamHold { team, holder } = &self.hold;
        if tx.row(HELD, &[team.as_str().into(), (*holder).into()]).await?.is_none() {
            return Ok(false);
        }
        for (kept, new) in &self.agents {
            let (team, agent) = (team.as_str(), new.agent.as_str());
            let crm_agent = new.crm_agent.as_str();
            let params = [
                team.into(),
                agent.into(),
                crm_agent.into(),
                kept.as_str().into(),
                self.now.into(),
            ];
            tx.execute(AGENT, &params).await?;
            for line in &new.lines {
                let params = [
                    team.into(),
                    agent.into(),
                    self.now.into(),
                    line.what.into(),
                    line.side.map(Side::as_str).into(),
                    line.status.as_ref().map(StatusId::as_str).into(),
                    line.note.as_deref().into(),
                ];
                tx.execute(LINE, &params).await?;
            }
        }
        Ok(true)
    }
}

struct Story {
    team: String,
    agent: String,
    before: i64,
    limit: i64,
}

impl Work for Story {
    type Output = Vec<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        const SQL: &str = "
            SELECT id, at, what, side, status, note FROM presence_story
            WHERE team = ?1 AND agent = ?2 AND id < ?3 ORDER BY id DESC LIMIT ?4";
        let params = [
            self.team.as_str().into(),
            self.agent.as_str().into(),
            self.before.into(),
            self.limit.into(),
        ];
        tx.rows(SQL, &params).await
    }
}

struct Forget {
    before: i64,
}

impl Work for Forget {
    type Output = u64;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<u64> {
        const SQL: &str = "
            DELETE FROM presence_story WHERE id IN (
                SELECT id FROM presence_story WHERE at < ?1 ORDER BY at LIMIT ?2)";
        tx.touched = Touched::Nothing;
        tx.execute(SQL, &[self.before.into(), PART.into()]).await
    }
}
