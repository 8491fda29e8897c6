//! Reading news: everything after an id, or one topic's; and forgetting what is old.

use super::{News, Topic, news};
use crate::error::{Boxed, Result};
use crate::sql::{Row, Touched, Tx, Work};
use crate::store::{Engine, Store};
use domain::{CallId, Timestamp};

/// News in one answer.
const PAGE_MAX: usize = 1_000;
/// Rows deleted at once.
const PART: i64 = 500;

/// News of one moment.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// In the order of their ids, oldest first.
    pub news: Vec<News>,
    /// There are more after `next`.
    pub has_more: bool,
    /// Where to go on: everything up to this id was read.
    pub next: i64,
    /// The oldest id that is kept at all, of whatever topic; 0 where there is none.
    pub oldest: i64,
    /// The newest; 0 where there is none.
    pub newest: i64,
}

impl Page {
    /// Whether whoever has seen everything up to this id can go on without a gap.
    #[must_use]
    pub fn goes_on_after(&self, id: i64) -> bool {
        id + 1 >= self.oldest && id <= self.newest
    }
}

impl Store {
    /// Whether others may write to the store, of whose commits nobody here is told.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(self.engine(), Engine::Postgres(_))
    }

    /// Everything after this id, at most `limit` (1,000).
    pub fn news_after(&self, after: i64, limit: usize) -> Boxed<'_, Page> {
        Box::pin(async move {
            self.place_news().await?;
            let read = Everything { after, limit: bounded(limit) };
            self.page(self.read(&read).await?, after, read.limit)
        })
    }

    /// News of one topic after this id, at most `limit` (1,000). `call` beside the topic
    /// of that call, so that its first is found.
    pub fn news_of<'a>(
        &'a self,
        topic: Topic,
        call: Option<&'a CallId>,
        after: i64,
        limit: usize,
    ) -> Boxed<'a, Page> {
        Box::pin(async move {
            self.place_news().await?;
            let read = OfTopic { topic, call, after, limit: bounded(limit) };
            self.page(self.read(&read).await?, after, read.limit)
        })
    }

    /// Whether the agent was ever named on the call.
    pub fn is_agent_of<'a>(&'a self, agent: &'a str, call: &'a CallId) -> Boxed<'a, bool> {
        Box::pin(async move { self.read(&IsNamed { agent: self.agent_topic(agent), call }).await })
    }

    /// Forgets news that are older than this, at most 500 at once, but never the newest
    /// of all: the next id follows from it. Returns how many: 0 when none are left.
    pub fn prune_news(&self, before: Timestamp) -> Boxed<'_, u64> {
        Box::pin(async move {
            self.place_news().await?;
            self.write(Prune { before: before.0 }).await
        })
    }

    fn page(&self, (mut rows, oldest, newest): Rows, after: i64, limit: i64) -> Result<Page> {
        let keys = self.keys();
        let limit = usize::try_from(limit).unwrap_or(PAGE_MAX);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let mut next = rows.last().map_or(Ok(after), |row| row.int(0))?;
        if !has_more {
            next = next.max(newest);
        }
        let news = rows.iter().filter_map(|row| news(&keys, row).transpose());
        Ok(Page { news: news.collect::<Result<_>>()?, has_more, next, oldest, newest })
    }
}

fn bounded(limit: usize) -> i64 {
    i64::try_from(limit.clamp(1, PAGE_MAX)).unwrap_or(1)
}

/// Rows, one more than asked for where there are more, and the bounds of what is kept.
type Rows = (Vec<Row>, i64, i64);

/// Before the rows: all that is not newer is among them.
async fn newest(tx: &mut Tx<'_>) -> Result<i64> {
    const SQL: &str = "SELECT place FROM news ORDER BY place DESC LIMIT 1";
    tx.row(SQL, &[]).await?.map_or(Ok(0), |row| row.int(0))
}

/// After the rows: what is not older had not been forgotten when they were read.
async fn oldest(tx: &mut Tx<'_>) -> Result<i64> {
    const SQL: &str = "SELECT place FROM news ORDER BY place LIMIT 1";
    tx.row(SQL, &[]).await?.map_or(Ok(0), |row| row.int(0))
}

struct Everything {
    after: i64,
    limit: i64,
}

impl Work for Everything {
    type Output = Rows;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Rows> {
        const SQL: &str = "
            SELECT place, stream, call, kind, at FROM news WHERE place > ?1 ORDER BY place LIMIT ?2";
        let newest = newest(tx).await?;
        let rows = tx.rows(SQL, &[self.after.into(), (self.limit + 1).into()]).await?;
        Ok((rows, oldest(tx).await?, newest))
    }
}

struct OfTopic<'a> {
    topic: Topic,
    call: Option<&'a CallId>,
    after: i64,
    limit: i64,
}

impl Work for OfTopic<'_> {
    type Output = Rows;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Rows> {
        const FIRST: &str = "
            SELECT news.place, news.stream, news.call, news.kind, news.at
            FROM calls JOIN news ON news.place = calls.news
            WHERE calls.id = ?1 AND news.call = ?1 AND news.place > ?2 AND news.stream IS NULL";
        const REST: &str = "
            SELECT place, stream, call, kind, at FROM news
            WHERE stream = ?1 AND place > ?2 ORDER BY place LIMIT ?3";
        let newest = newest(tx).await?;
        let mut rows = match self.call {
            Some(call) => tx.rows(FIRST, &[call.as_str().into(), self.after.into()]).await?,
            None => Vec::new(),
        };
        let limit = (self.limit + 1).into();
        rows.extend(tx.rows(REST, &[(&self.topic.0).into(), self.after.into(), limit]).await?);
        Ok((rows, oldest(tx).await?, newest))
    }
}

struct IsNamed<'a> {
    agent: Topic,
    call: &'a CallId,
}

impl Work for IsNamed<'_> {
    type Output = bool;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool> {
        const SQL: &str = "SELECT at FROM call_agents WHERE call = ?1 AND agent = ?2";
        let params = [self.call.as_str().into(), (&self.agent.0).into()];
        Ok(tx.row(SQL, &params).await?.is_some())
    }
}

struct Prune {
    before: i64,
}

impl Work for Prune {
    type Output = u64;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<u64> {
        // News lie in the order of their commits: where the oldest are young, all are.
        const OLDEST: &str = "SELECT place, at FROM news ORDER BY place LIMIT ?1";
        const SQL: &str = "
            DELETE FROM news WHERE place <= ?1 AND place < (SELECT max(place) FROM news)";
        tx.touched = Touched::Nothing;
        let rows = tx.rows(OLDEST, &[PART.into()]).await?;
        let mut last = None;
        for row in &rows {
            if row.int(1)? >= self.before {
                break;
            }
            last = Some(row.int(0)?);
        }
        match last {
            Some(last) => tx.execute(SQL, &[last.into()]).await,
            None => Ok(0),
        }
    }
}
