//! Who is left alone because somebody wants it so: one agent, or a whole team.

use crate::audit::{Act, Sealed as SealedAct};
use crate::error::{Boxed, Result};
use crate::sql::{Row, Touched, Tx, Work};
use crate::store::Store;
use domain::Timestamp;

/// Whom a pause is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Who {
    Team,
    /// By the id in the contact center.
    Agent(String),
}

impl Who {
    fn word(&self) -> &str {
        match self {
            // No agent has an empty id.
            Self::Team => "",
            Self::Agent(agent) => agent,
        }
    }
}

/// A pause that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    pub team: String,
    pub who: Who,
    pub by: String,
    pub at: Timestamp,
}

/// Pauses read at most.
const PAUSES_MAX: i64 = 50_000;

impl Store {
    /// Every pause that holds.
    pub fn presence_pauses(&self) -> Boxed<'_, Vec<Pause>> {
        Box::pin(async move { self.read(&All).await?.iter().map(pause).collect() })
    }

    /// Pauses somebody, or ends a pause, and writes down who did. False, and nothing written
    /// down, where it was so already.
    pub fn pause_presence<'a>(
        &'a self,
        (team, who): (&'a str, &'a Who),
        is_paused: bool,
        act: Act,
        now: Timestamp,
    ) -> Boxed<'a, bool> {
        Box::pin(async move {
            let by = act.actor.clone();
            let act = SealedAct::seal(self.keys(), act, now)?;
            let (team, agent) = (team.to_owned(), who.word().to_owned());
            self.write(Change { team, agent, is_paused, by, act, now: now.0 }).await
        })
    }
}

fn pause(row: &Row) -> Result<Pause> {
    let who = match row.text(1)? {
        "" => Who::Team,
        agent => Who::Agent(agent.to_owned()),
    };
    let (team, by) = (row.text(0)?.to_owned(), row.text(2)?.to_owned());
    Ok(Pause { team, who, by, at: Timestamp(row.int(3)?) })
}

struct All;

impl Work for All {
    type Output = Vec<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        const SQL: &str = "
            SELECT team, agent, paused_by, paused_at FROM presence_pauses
            ORDER BY team, agent LIMIT ?1";
        tx.rows(SQL, &[PAUSES_MAX.into()]).await
    }
}

struct Change {
    team: String,
    agent: String,
    is_paused: bool,
    by: String,
    act: SealedAct,
    now: i64,
}

impl Work for Change {
    type Output = bool;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool> {
        const PAUSE: &str = "
            INSERT INTO presence_pauses (team, agent, paused_by, paused_at) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT (team, agent) DO NOTHING";
        const END: &str = "DELETE FROM presence_pauses WHERE team = ?1 AND agent = ?2";
        tx.touched = Touched::Nothing;
        let (team, agent) = (self.team.as_str(), self.agent.as_str());
        let touched = if self.is_paused {
            let params = [team.into(), agent.into(), self.by.as_str().into(), self.now.into()];
            tx.execute(PAUSE, &params).await?
        } else {
            tx.execute(END, &[team.into(), agent.into()]).await?
        };
        if touched > 0 {
            self.act.append(tx).await?;
        }
        Ok(touched > 0)
    }
}
