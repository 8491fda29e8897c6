//! Figures over many calls, by what they have in common.
//!
//! Durations are read in pages and reduced to a few figures here, exactly, over at most
//! a million calls; whoever asks for more is told so.

mod identification;

pub use identification::{Buckets, Identification, Identifications};

use crate::error::{Boxed, Result};
use crate::labels;
use crate::sql::{Row, Tx, Work};
use crate::store::Store;
use domain::Timestamp;
use std::collections::BTreeMap;

/// What calls have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupBy {
    Queue,
    Source,
    Status,
    /// A label that was kept of each call.
    Label(String),
}

/// Handle time of the calls of one group, in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandleTime {
    /// Empty where a call has none.
    pub group: String,
    pub calls: u64,
    pub mean_ms: u64,
    pub p50_ms: u64,
    pub p95_ms: u64,
}

/// A report, and whether it is of all calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub groups: Vec<HandleTime>,
    /// There were more calls, or more groups, than one report holds.
    pub is_cut: bool,
}

/// Calls in one report.
const CALLS_MAX: i64 = 1_000_000;
/// Groups in one report: more is no dimension but an identifier.
const GROUPS_MAX: usize = 1_000;
/// Rows read at once.
const PAGE: i64 = 10_000;

impl Store {
    /// Handle time of the calls that ended in `from..to`, by what they have in common.
    pub fn handle_time(&self, by: GroupBy, from: Timestamp, to: Timestamp) -> Boxed<'_, Report> {
        Box::pin(async move {
            let mut groups: BTreeMap<String, Vec<i64>> = BTreeMap::new();
            let (mut is_cut, mut count) = (false, 0);
            let mut after = (from.0, String::new());
            loop {
                let rows = self.read_apart(Ended { after: after.clone(), to: to.0 }).await?;
                let Some(last) = rows.last() else { break };
                after = (last.int(0)?, last.text(1)?.to_owned());
                for row in &rows {
                    let group = group_of(&by, row, 3)?;
                    count += 1;
                    if groups.len() >= GROUPS_MAX && !groups.contains_key(&group) {
                        is_cut = true;
                        continue;
                    }
                    groups.entry(group).or_default().push(row.int(2)?);
                }
                if count >= CALLS_MAX {
                    is_cut = true;
                    break;
                }
            }
            let groups = groups.into_iter().map(|(group, times)| figures(group, times));
            Ok(Report { groups: groups.collect(), is_cut })
        })
    }
}

/// The group of a row with queue, source, status and labels from `first` on.
fn group_of(by: &GroupBy, row: &Row, first: usize) -> Result<String> {
    let text = |at| Ok(row.opt_text(at)?.unwrap_or_default().to_owned());
    match by {
        GroupBy::Queue => text(first),
        GroupBy::Source => text(first + 1),
        GroupBy::Status => text(first + 2),
        GroupBy::Label(name) => Ok(label_of(row.opt_text(first + 3)?, name)),
    }
}

/// One of the labels that a call is kept with; empty where it has none.
fn label_of(labels: Option<&str>, name: &str) -> String {
    let mut labels = labels.map(labels::read).unwrap_or_default();
    labels.remove(name).unwrap_or_default()
}

fn figures(group: String, mut times: Vec<i64>) -> HandleTime {
    times.sort_unstable();
    let at = |share: usize| {
        // The smallest time that at least so many hundredths of all do not exceed.
        let place = (times.len() * share).div_ceil(100).max(1) - 1;
        times.get(place).copied().unwrap_or_default().unsigned_abs()
    };
    let sum: u64 = times.iter().map(|ms| ms.unsigned_abs()).sum();
    let calls = times.len() as u64;
    HandleTime { group, calls, mean_ms: sum / calls.max(1), p50_ms: at(50), p95_ms: at(95) }
}

struct Ended {
    after: (i64, String),
    to: i64,
}

impl Work for Ended {
    type Output = Vec<Row>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>> {
        const SQL: &str = "
            SELECT call_outcomes.ended_at, call_outcomes.call, call_outcomes.handle_ms,
                coalesce(call_outcomes.queue, calls.queue), calls.source, calls.status, calls.labels
            FROM call_outcomes JOIN calls ON calls.id = call_outcomes.call
            WHERE (call_outcomes.ended_at, call_outcomes.call) > (?1, ?2)
                AND call_outcomes.ended_at < ?3
            ORDER BY call_outcomes.ended_at, call_outcomes.call LIMIT ?4";
        let (at, call) = &self.after;
        let params = [(*at).into(), call.as_str().into(), self.to.into(), PAGE.into()];
        tx.rows(SQL, &params).await
    }
}

#[cfg(test)]
mod tests {
    use super::figures;

    #[test]
    fn the_figures_are_those_of_the_calls() {
        let all = figures("Gold".to_owned(), (1..=100).rev().collect());
        assert_eq!((all.calls, all.mean_ms, all.p50_ms, all.p95_ms), (100, 50, 50, 95));
        let one = figures(String::new(), vec![7]);
        assert_eq!((one.calls, one.mean_ms, one.p50_ms, one.p95_ms), (1, 7, 7, 7));
    }
}
