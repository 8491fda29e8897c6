//! How well callers are identified, over time.
//!
//! What was answered counts, not what was found out since: that is a figure of its own.

use super::{CALLS_MAX, GroupBy, PAGE, group_of};
use crate::error::{Boxed, Result};
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
    fn begin_of(self, at: i64) -> i64 {
        let width = self.width_ms.max(1);
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
            let (mut after, mut count) = ((from.0, i64::MIN), 0);
            loop {
                let rows = self.read_apart(Arrived { after, to: to.0 }).await?;
                let Some(last) = rows.last() else { break };
                after = (last.int(0)?, last.int(1)?.saturating_add(1));
                count += rows.len();
                for row in &rows {
                    let begin = Timestamp(buckets.begin_of(row.int(0)?));
                    let group = by.as_ref().map_or(Ok(String::new()), |by| group_of(by, row, 2))?;
                    let line = lines.entry((begin, group)).or_default();
                    add(line, row)?;
                }
                if lines.len() > LINES_MAX || count > CALLS_MAX {
                    return Ok(Identifications { lines, is_cut: true });
                }
            }
            Ok(Identifications { lines, is_cut: false })
        })
    }
}

fn add(line: &mut Identification, row: &Row) -> Result<()> {
    let now = row.text(4)?;
    let answered = row.opt_text(6)?.unwrap_or(now);
    line.calls += 1;
    match answered {
        "hit" => line.hits += 1,
        "ambiguous" => line.ambiguous += 1,
        "miss" => line.misses += 1,
        "partial" => line.partial += 1,
        _ => line.unknown += 1,
    }
    let deadline = row.opt_int(8)?.unwrap_or(i64::MAX);
    line.late += u64::from(row.int(7)? > deadline);
    line.identified_later += u64::from(answered != "hit" && now == "hit");
    line.corrected += u64::from(row.int(9)? == crate::calls::AN_AGENT);
    Ok(())
}

struct Arrived {
    after: (i64, i64),
    to: i64,
}

impl Work for Arrived {
    type Output = Vec<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        const SQL: &str = "
            SELECT arrived_at, seq, queue, source, status, labels, answered, answered_in_us, deadline_us, certainty
            FROM calls WHERE (arrived_at, seq) >= (?1, ?2) AND arrived_at < ?3
            ORDER BY arrived_at, seq LIMIT ?4";
        let (at, seq) = self.after;
        tx.rows(SQL, &[at.into(), seq.into(), self.to.into(), PAGE.into()]).await
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
