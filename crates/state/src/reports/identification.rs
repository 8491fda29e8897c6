//! How well callers are identified, over time.
//!
//! What was answered counts, not what was found out since: that is a figure of its own.

use super::{CALLS_MAX, GroupBy, label_of};
use crate::calls::AN_AGENT;
use crate::error::{Boxed, Error, Result};
use crate::sql::{Row, Tx, Work};
use crate::store::Store;
use domain::Timestamp;
use std::collections::BTreeMap;

/// Time, cut into equal pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buckets {
    /// One piece, in milliseconds.
    pub width_ms: i64,
    /// How far local time is ahead of UTC, in milliseconds: days begin at its midnight.
    pub ahead_ms: i64,
}

impl Buckets {
    fn width(self) -> i64 {
        self.width_ms.max(1)
    }

    fn begin_of(self, at: i64) -> i64 {
        let width = self.width();
        let local = at.saturating_add(self.ahead_ms);
        local.div_euclid(width).saturating_mul(width).saturating_sub(self.ahead_ms)
    }
}

/// The calls of one group that arrived in one piece of time. The first five after
/// `calls` are by what was answered at first, and come to `calls` together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identification {
    pub calls: u64,
    pub hits: u64,
    pub ambiguous: u64,
    pub misses: u64,
    pub partial: u64,
    /// Withheld: there was nothing to be found by.
    pub unknown: u64,
    /// Answered after the deadline, or too late to be answered at all.
    pub late: u64,
    /// No hit when answered, and one by now.
    pub identified_later: u64,
    /// An agent has said who it was.
    pub corrected: u64,
}

/// The report's lines by time and group, and whether they are all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identifications {
    pub lines: BTreeMap<(Timestamp, String), Identification>,
    /// There were more calls, or more lines, than one report holds.
    pub is_cut: bool,
}

/// Lines of one report: three months of hours, or a year of days for twenty groups.
const LINES_MAX: usize = 10_000;
/// What one piece of time is counted by: each combination of labels is one.
const PARTS_MAX: i64 = 100_000;

impl Store {
    /// How the calls that arrived in `from..to` were identified.
    pub fn identification(
        &self,
        by: Option<GroupBy>,
        buckets: Buckets,
        (from, to): (Timestamp, Timestamp),
    ) -> Boxed<'_, Identifications> {
        Box::pin(async move {
            let mut lines: BTreeMap<(Timestamp, String), Identification> = BTreeMap::new();
            let (mut after, mut count) = (from.0, 0);
            while let Some((begin, rows)) =
                self.read_apart(Piece { by: by.clone(), buckets, after, to: to.0 }).await?
            {
                after = begin.saturating_add(buckets.width());
                for row in &rows {
                    let group = match &by {
                        None => String::new(),
                        Some(GroupBy::Label(name)) => label_of(row.opt_text(0)?, name),
                        Some(_) => row.opt_text(0)?.unwrap_or_default().to_owned(),
                    };
                    let line = lines.entry((Timestamp(begin), group)).or_default();
                    add(line, row)?;
                    count += row.int(1)?;
                }
                let has_more = rows.len() as u64 > PARTS_MAX.unsigned_abs();
                if has_more || lines.len() > LINES_MAX || count > CALLS_MAX {
                    return Ok(Identifications { lines, is_cut: true });
                }
            }
            Ok(Identifications { lines, is_cut: false })
        })
    }
}

fn add(line: &mut Identification, row: &Row) -> Result<()> {
    let at = |place| Ok::<_, Error>(row.int(place)?.unsigned_abs());
    let (calls, hits, ambiguous, misses, partial) = (at(1)?, at(2)?, at(3)?, at(4)?, at(5)?);
    line.calls += calls;
    line.hits += hits;
    line.ambiguous += ambiguous;
    line.misses += misses;
    line.partial += partial;
    line.unknown += calls - hits - ambiguous - misses - partial;
    line.late += at(6)?;
    line.identified_later += at(7)?;
    line.corrected += at(8)?;
    Ok(())
}

/// The first piece of time from `after` on in which calls arrived, counted where they stand:
/// a report reads every call of its time, and none of them is wanted itself.
struct Piece {
    by: Option<GroupBy>,
    buckets: Buckets,
    after: i64,
    to: i64,
}

impl Work for Piece {
    type Output = Option<(i64, Vec<Row>)>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output> {
        const FIRST: &str = "
            SELECT arrived_at FROM calls WHERE arrived_at >= ?1 AND arrived_at < ?2
            ORDER BY arrived_at LIMIT 1";
        const COUNTED: &str = "
            SELECT CASE CAST(?3 AS BIGINT) WHEN 1 THEN queue WHEN 2 THEN source WHEN 3 THEN status
                    WHEN 4 THEN labels END AS part,
                count(*),
                count(*) FILTER (WHERE coalesce(answered, status) = 'hit'),
                count(*) FILTER (WHERE coalesce(answered, status) = 'ambiguous'),
                count(*) FILTER (WHERE coalesce(answered, status) = 'miss'),
                count(*) FILTER (WHERE coalesce(answered, status) = 'partial'),
                count(*) FILTER (WHERE answered_in_us > deadline_us),
                count(*) FILTER (WHERE answered <> 'hit' AND status = 'hit'),
                count(*) FILTER (WHERE certainty = ?4)
            FROM calls WHERE arrived_at >= ?1 AND arrived_at < ?2
            GROUP BY part LIMIT ?5";
        let Some(first) = tx.row(FIRST, &[self.after.into(), self.to.into()]).await? else {
            return Ok(None);
        };
        let begin = self.buckets.begin_of(first.int(0)?);
        let end = begin.saturating_add(self.buckets.width()).min(self.to);
        let by: i64 = match &self.by {
            None => 0,
            Some(GroupBy::Queue) => 1,
            Some(GroupBy::Source) => 2,
            Some(GroupBy::Status) => 3,
            Some(GroupBy::Label(_)) => 4,
        };
        let from = begin.max(self.after);
        let params = [from.into(), end.into(), by.into(), AN_AGENT.into(), (PARTS_MAX + 1).into()];
        Ok(Some((begin, tx.rows(COUNTED, &params).await?)))
    }
}

#[cfg(test)]
mod tests {
    use super::Buckets;

    #[test]
    fn a_day_begins_at_the_midnight_of_its_offset() {
        const HOUR: i64 = 3_600_000;
        let noon = 1_795_348_800_000; // 2026-11-22T12:00:00Z
        let check = |ahead: i64, expected: i64| {
            let days = Buckets { width_ms: 24 * HOUR, ahead_ms: ahead * HOUR };
            assert_eq!(days.begin_of(noon), noon + expected * HOUR, "{ahead}");
        };
        check(0, -12);
        check(1, -13);
        check(-5, -7);
        check(13, -1);
        let hours = Buckets { width_ms: HOUR, ahead_ms: HOUR / 2 };
        assert_eq!(hours.begin_of(noon), noon - HOUR / 2);
        assert_eq!(hours.begin_of(-1), -HOUR / 2, "before 1970 as well");
    }
}
