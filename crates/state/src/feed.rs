//! News of calls, for whoever follows a call or an agent: kept for a while, in order.
//!
//! What tells something of a call commits a row here in the same transaction, so that
//! nothing acknowledged is lost between the commit and a reader (invariant 10). A row
//! names a call and a kind; what there is to say is read from the call. A reader goes on
//! after the last [`News::id`] it has seen. Rows for agents are written for those who are
//! on the call at that moment: an agent's stream is what concerned them.
//!
//! Ids follow the order of commits without a gap, also where many nodes write
//! ([`place`]); so "everything after this id" never misses what commits late.

mod forget;
mod place;
mod read;

pub(crate) use forget::forget_call;
pub use read::Page;

use crate::crash;
use crate::error::{Error, Result};
use crate::keys::{Hash, Keyring};
use crate::sql::{Row, Tx};
use crate::store::Store;
use domain::{CallId, Status, Timestamp};
use tokio::sync::watch;

/// What a piece of news says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewsKind {
    /// A lookup was answered; to an agent: this call is yours now.
    Identified,
    /// Several people have what was asked for, and nobody was chosen.
    Candidates,
    /// What a deadline cut short is known now.
    Enriched,
    /// Somebody who knows better has said who it is, or has kept data of the call.
    ContextChanged,
    /// The call is over, or what it came to has changed since.
    Ended,
}

impl NewsKind {
    pub const ALL: [Self; 5] =
        [Self::Identified, Self::Candidates, Self::Enriched, Self::ContextChanged, Self::Ended];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identified => "identified",
            Self::Candidates => "candidates",
            Self::Enriched => "enriched",
            Self::ContextChanged => "context_changed",
            Self::Ended => "ended",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// This, unless the status says that there is a choice to be made.
    pub(crate) fn or_candidates(self, status: &str) -> Self {
        if status == Status::Ambiguous.as_str() { Self::Candidates } else { self }
    }
}

/// What somebody follows: one call, or one agent. Tells nothing of either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Topic(Hash);

/// A piece of news.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// Rises by one from each to the next, over all topics together.
    pub id: i64,
    pub topic: Topic,
    pub kind: NewsKind,
    pub call: CallId,
    pub at: Timestamp,
}

impl Store {
    /// The topic of one call's news.
    #[must_use]
    pub fn call_topic(&self, call: &CallId) -> Topic {
        Topic(call_stream(&self.keys(), call))
    }

    /// The topic of the news that concern one agent, by the contact center's id.
    #[must_use]
    pub fn agent_topic(&self, agent: &str) -> Topic {
        Topic(agent_stream(&self.keys(), agent))
    }

    /// Changes after each commit of this process that tells news. What other nodes
    /// commit brings no nudge.
    #[must_use]
    pub fn news_nudge(&self) -> watch::Receiver<u64> {
        self.nudges().news.subscribe()
    }
}

pub(crate) fn call_stream(keys: &Keyring, call: &CallId) -> Hash {
    keys.hash("news of call", &[call.as_str()])
}

pub(crate) fn agent_stream(keys: &Keyring, agent: &str) -> Hash {
    keys.hash("news of agent", &[agent.trim()])
}

/// Something to be told of a call, ready to be committed with it.
pub(crate) struct Telling<'a> {
    pub(crate) call: &'a CallId,
    pub(crate) stream: &'a Hash,
    pub(crate) kind: NewsKind,
    pub(crate) at: Timestamp,
}

/// The row of a call's first news, in case the call turns out to be known.
pub(crate) struct First {
    row: i64,
    /// Its place where it has one already.
    pub(crate) place: Option<i64>,
}

/// Lets nobody else tell of this call until the transaction ends: who joins it and what
/// is told of it never miss each other. Before anything of the call is locked or read.
pub(crate) async fn take_turns(tx: &mut Tx<'_>, call: &CallId) -> Result<()> {
    const LOCK: &str =
        "SELECT 1 FROM (SELECT pg_advisory_xact_lock(7465658, hashtext(?1))) AS taken";
    if tx.is_postgres() {
        tx.execute(LOCK, &[call.as_str().into()]).await?;
    }
    Ok(())
}

impl Telling<'_> {
    /// A new call's first news, before the call itself. On the call's path.
    pub(crate) async fn first(&self, tx: &mut Tx<'_>) -> Result<First> {
        const PLACED: &str = "INSERT INTO news (call, kind, at) VALUES (?1, ?2, ?3)";
        // Takes its turn in the same statement.
        const WAITING: &str = "
            INSERT INTO news_waiting (stream, call, kind, at) SELECT ?1, ?2, ?3, ?4
            FROM (SELECT pg_advisory_xact_lock(7465658, hashtext(?2))) AS taken /*pg: RETURNING seq */";
        const GONE: Error = Error::Corrupt { what: "news that were just told" };
        let (call, kind, at) =
            (self.call.as_str().into(), self.kind.as_str().into(), self.at.0.into());
        tx.added_news = true;
        let is_placed = !tx.is_postgres();
        let row = match is_placed {
            true => tx.insert(PLACED, &[call, kind, at]).await?,
            false => tx.insert(WAITING, &[self.stream.into(), call, kind, at]).await?,
        };
        let row = row.ok_or(GONE)?.int(0)?;
        crash::point("news.told");
        Ok(First { row, place: is_placed.then_some(row) })
    }

    /// Tells those who follow the call, and its agents.
    pub(crate) async fn tell(&self, tx: &mut Tx<'_>) -> Result<()> {
        self.tell_stream(tx, self.stream).await?;
        self.tell_agents(tx).await
    }

    /// Tells everybody who is on the call.
    pub(crate) async fn tell_agents(&self, tx: &mut Tx<'_>) -> Result<()> {
        const PLACED: &str = "
            INSERT INTO news (stream, call, kind, at)
            SELECT agent, call, ?2, ?3 FROM call_agents WHERE call = ?1";
        const WAITING: &str = "
            INSERT INTO news_waiting (stream, call, kind, at)
            SELECT agent, call, ?2, ?3 FROM call_agents WHERE call = ?1";
        let sql = if tx.is_postgres() { WAITING } else { PLACED };
        tx.added_news = true;
        let params = [self.call.as_str().into(), self.kind.as_str().into(), self.at.0.into()];
        tx.execute(sql, &params).await?;
        crash::point("news.told");
        Ok(())
    }

    /// Tells those who follow this stream.
    async fn tell_stream(&self, tx: &mut Tx<'_>, stream: &Hash) -> Result<()> {
        const PLACED: &str = "INSERT INTO news (stream, call, kind, at) VALUES (?1, ?2, ?3, ?4)";
        const WAITING: &str =
            "INSERT INTO news_waiting (stream, call, kind, at) VALUES (?1, ?2, ?3, ?4)";
        let sql = if tx.is_postgres() { WAITING } else { PLACED };
        tx.added_news = true;
        let kind = self.kind.as_str();
        let params = [stream.into(), self.call.as_str().into(), kind.into(), self.at.0.into()];
        tx.execute(sql, &params).await.map(drop)
    }
}

impl First {
    /// Takes it back: the call was known already.
    pub(crate) async fn take_back(self, tx: &mut Tx<'_>) -> Result<()> {
        let sql = if tx.is_postgres() {
            "DELETE FROM news_waiting WHERE seq = ?1"
        } else {
            "DELETE FROM news WHERE place = ?1"
        };
        tx.execute(sql, &[self.row.into()]).await.map(drop)
    }
}

/// Somebody is named as the call's agent: from now on its news are theirs, beginning
/// with who it is from, if the call is known. `stream` is the agent's. In turn.
pub(crate) async fn join(
    tx: &mut Tx<'_>,
    call: &CallId,
    stream: &Hash,
    at: Timestamp,
) -> Result<()> {
    const STATUS: &str = "SELECT status FROM calls WHERE id = ?1";
    if !name(tx, call, stream, at).await? {
        return Ok(());
    }
    let Some(row) = tx.row(STATUS, &[call.as_str().into()]).await? else { return Ok(()) };
    let kind = NewsKind::Identified.or_candidates(row.text(0)?);
    Telling { call, stream, kind, at }.tell_stream(tx, stream).await
}

/// Notes the agent, without a word to anybody. Returns whether they are new.
pub(crate) async fn name(
    tx: &mut Tx<'_>,
    call: &CallId,
    stream: &Hash,
    at: Timestamp,
) -> Result<bool> {
    const SQL: &str = "
        INSERT INTO call_agents (call, agent, at) VALUES (?1, ?2, ?3) ON CONFLICT (call, agent) DO NOTHING";
    let params = [call.as_str().into(), stream.into(), at.0.into()];
    Ok(tx.execute(SQL, &params).await? > 0)
}

/// `None` for news of a call that is forgotten.
fn news(keys: &Keyring, row: &Row) -> Result<Option<News>> {
    const ODD: Error = Error::Corrupt { what: "the words of a piece of news" };
    if row.text(3)? == "forgotten" {
        return Ok(None);
    }
    let call = CallId::new(row.text(2)?).ok_or(ODD)?;
    let stream = row.opt_hash(1)?.unwrap_or_else(|| call_stream(keys, &call));
    Ok(Some(News {
        id: row.int(0)?,
        topic: Topic(stream),
        kind: NewsKind::parse(row.text(3)?).ok_or(ODD)?,
        at: Timestamp(row.int(4)?),
        call,
    }))
}
