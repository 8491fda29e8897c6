//! Decisions of one call, and of a time, page by page.

use super::{COLUMNS, Decision, opened};
use crate::error::{Boxed, Result};
use crate::sql::{Row, Tx, Work};
use crate::store::Store;
use domain::{CallId, Timestamp};

/// Decisions of one call that are read; a call that goes around is stopped long before.
const OF_CALL_MAX: i64 = 100;
/// Decisions of one page.
const PAGE_MAX: usize = 1_000;

/// A place in the order of decisions: what comes after it was decided later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub at: i64,
    pub seq: i64,
}

/// A part of the decisions of a time.
#[derive(Debug, Clone)]
pub struct DecisionPage {
    /// Oldest first; those of the same millisecond in the order in which they were kept.
    pub decisions: Vec<Decision>,
    /// Where to go on; `None` at the end.
    pub next: Option<Place>,
}

impl Store {
    /// What was decided for a call, oldest first, at most 100.
    pub fn decisions_of<'a>(&'a self, call: &'a CallId) -> Boxed<'a, Vec<Decision>> {
        Box::pin(async move {
            let rows = self.read(&OfCall { call: call.as_str() }).await?;
            self.unseal(|keys| rows.iter().map(|row| opened(keys, row)).collect()).await
        })
    }

    /// How many decisions a call has.
    pub fn passes<'a>(&'a self, call: &'a CallId) -> Boxed<'a, u64> {
        Box::pin(async move { self.read(&Passes { call: call.as_str() }).await })
    }

    /// Decisions from a time on and before another, after a place, at most 1,000. What is
    /// kept meanwhile moves no page.
    pub fn decisions_since(
        &self,
        from: Timestamp,
        until: Timestamp,
        after: Option<Place>,
        limit: usize,
    ) -> Boxed<'_, DecisionPage> {
        Box::pin(async move {
            let limit = limit.clamp(1, PAGE_MAX);
            let start = Place { at: from.0, seq: 0 };
            let after = after.filter(|after| after.at >= from.0).unwrap_or(start);
            let mut rows = self.read_apart(Page { after, until: until.0, limit }).await?;
            let has_more = rows.len() > limit;
            rows.truncate(limit);
            let next = match rows.last().filter(|_| has_more) {
                Some(last) => Some(Place { at: last.int(3)?, seq: last.int(0)? }),
                None => None,
            };
            let decisions = self.unseal(|keys| rows.iter().map(|row| opened(keys, row)).collect());
            Ok(DecisionPage { decisions: decisions.await?, next })
        })
    }
}

struct OfCall<'a> {
    call: &'a str,
}

impl Work for OfCall<'_> {
    type Output = Vec<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        let sql =
            format!("SELECT {COLUMNS} FROM decisions WHERE call = ?1 ORDER BY at, seq LIMIT ?2");
        tx.rows(&sql, &[self.call.into(), OF_CALL_MAX.into()]).await
    }
}

struct Passes<'a> {
    call: &'a str,
}

impl Work for Passes<'_> {
    type Output = u64;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<u64> {
        const SQL: &str = "SELECT count(*) FROM decisions WHERE call = ?1";
        let row = tx.row(SQL, &[self.call.into()]).await?;
        row.map_or(Ok(0), |row| row.int(0).map(i64::unsigned_abs))
    }
}

struct Page {
    after: Place,
    until: i64,
    limit: usize,
}

impl Work for Page {
    /// One row more than asked for where there is one.
    type Output = Vec<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM decisions WHERE (at, seq) > (?1, ?2) AND at < ?3
             ORDER BY at, seq LIMIT ?4"
        );
        let limit = i64::try_from(self.limit).unwrap_or(i64::MAX).saturating_add(1);
        let params = [self.after.at.into(), self.after.seq.into(), self.until.into(), limit.into()];
        tx.rows(&sql, &params).await
    }
}

/// What drafts would have done, asked beside what is in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shadowed {
    /// Decisions there were, whether or not a draft was asked.
    pub decisions: u64,
    /// Where calls went and where the draft would have sent them, with how many; most first.
    pub ways: Vec<(String, String, u64)>,
}

/// Ways that are told.
const WAYS_MAX: i64 = 100;

impl Store {
    /// What drafts would have done since then, where they were asked beside what is in force.
    pub fn shadowed(&self, since: Timestamp) -> Boxed<'_, Shadowed> {
        Box::pin(async move { self.read_apart(Shadow { since: since.0 }).await })
    }
}

struct Shadow {
    since: i64,
}

impl Work for Shadow {
    type Output = Shadowed;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Shadowed> {
        const ALL: &str = "SELECT count(*) FROM decisions WHERE at >= ?1";
        const WAYS: &str = "
            SELECT destination, shadow, count(*) AS calls FROM decisions
            WHERE at >= ?1 AND shadow IS NOT NULL
            GROUP BY destination, shadow ORDER BY calls DESC, destination, shadow LIMIT ?2";
        let all = tx.row(ALL, &[self.since.into()]).await?;
        let decisions = all.map(|row| row.int(0)).transpose()?.unwrap_or_default();
        let rows = tx.rows(WAYS, &[self.since.into(), WAYS_MAX.into()]).await?;
        let way = |row: &Row| {
            Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned(), row.int(2)?.unsigned_abs()))
        };
        let ways = rows.iter().map(way).collect::<Result<_>>()?;
        Ok(Shadowed { decisions: decisions.unsigned_abs(), ways })
    }
}
