//! How a sync does: its last runs and the score of the guides; what a plan would cost; and
//! what is counted of a run that has ended. How far both sides are apart is measured by
//! [`drift`].

pub(super) mod drift;

use super::Sync;
use super::work::Worker;
use crate::lookup::Engine;
use domain::sync::{OnDelete, Side, brake, score};
use kit::turnstile::Tally;
use serde_json::Value as Json;
use state::sync::{Counts, Drift, Run, RunKind};
use std::collections::BTreeMap;

/// Runs that health looks at.
const RUNS: usize = 10;

/// How a sync did of late.
#[derive(Debug, Clone, PartialEq)]
pub struct Health {
    /// The last ten that have ended, newest first; no plans, no undos.
    pub runs: Vec<Did>,
    /// Of the guides: 100 − 5 × mean errors − mean seconds, never below 0.
    pub score: f64,
    pub open_reviews: u64,
    /// Pairs that have failed and are tried again.
    pub failing: u64,
    /// Pairs that are given up until somebody says otherwise.
    pub dead: u64,
    /// How far both sides were apart when it was measured last; `None`: never.
    pub drift: Option<Drift>,
}

/// What one run did, of both sides together.
#[derive(Debug, Clone, PartialEq)]
pub struct Did {
    pub run: Run,
    pub created: u64,
    pub updated: u64,
    pub deleted: u64,
    /// Looked at and left: unchanged, held, duplicates.
    pub skipped: u64,
    pub errors: u64,
    pub conflicts: u64,
    pub seconds: f64,
}

impl Did {
    fn of(run: Run) -> Self {
        let sum = |words: &[&str]| words.iter().filter_map(|word| run.counts.get(*word)).sum();
        let both = |word: &str| sum(&[&format!("{word}_left"), &format!("{word}_right")]);
        let took = run.ended_at.map(|ended| ended.since(run.started_at)).unwrap_or_default();
        Self {
            created: both("created"),
            updated: both("updated") + both("marked"),
            deleted: both("deleted"),
            skipped: sum(&["unchanged", "held", "duplicates"]),
            errors: sum(&["errors"]),
            conflicts: sum(&["conflicts"]),
            seconds: took.as_secs_f64(),
            run,
        }
    }
}

/// What a plan would do to one side, and what that takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    pub side: Side,
    pub creates: u64,
    /// Marks among them.
    pub updates: u64,
    pub deletes: u64,
    /// All of them, of a hundred people that the sync knows.
    pub percent: f64,
    /// Calls of a run, to hear what changed and to write it in batches as large as the vendor
    /// takes: at least so many.
    pub calls: u64,
    /// How long these calls take within the connection's rate budget.
    pub seconds: u64,
}

/// A plan's run, with what it comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    pub run: Run,
    /// People that the sync knows.
    pub pairs: u64,
    pub sides: [Forecast; 2],
    /// It would delete more than the brake allows, and stop to ask.
    pub is_braked: bool,
}

fn forecast(sync: &Sync, side: Side, counts: &Counts, pairs: u64) -> Forecast {
    let end = sync.end(side);
    let count = |word: &str| counts.get(&format!("{word}_{}", side.as_str())).copied();
    let count = |word: &str| count(word).unwrap_or_default();
    let (creates, deletes) = (count("created"), count("deleted"));
    let updates = count("updated") + count("marked");
    let told: u64 = ["new", "changed", "seen"].into_iter().map(count).sum();
    let calls =
        end.changes.pass_requests(told) + end.writes.write_requests(creates, updates, deletes);
    let a_minute = end.connection.capabilities.turnstile.budget().standing().capacity.max(1);
    Forecast {
        side,
        creates,
        updates,
        deletes,
        percent: percent(creates + updates + deletes, pairs),
        calls,
        // What the bucket holds goes at once; the rest as it fills.
        seconds: (calls.saturating_sub(a_minute) * 60).div_ceil(a_minute),
    }
}

/// Of a hundred pairs that were compared, how many differed.
#[must_use]
pub fn drifted(drift: &Drift) -> f64 {
    percent(drift.differing, drift.compared)
}

#[expect(clippy::cast_precision_loss, reason = "counts of records lie far below 2⁵³")]
fn percent(part: u64, whole: u64) -> f64 {
    (part as f64 * 1_000.0 / whole.max(1) as f64).round() / 10.0
}

/// What both sides last agreed on, by the names of the map.
#[must_use]
pub fn agreed(base: Option<&[u8]>) -> BTreeMap<String, Json> {
    let base: Json = base.and_then(|base| serde_json::from_slice(base).ok()).unwrap_or_default();
    let agreed = base["a"].as_object().cloned().unwrap_or_default();
    agreed.into_iter().collect()
}

impl Engine {
    /// How a sync did of late.
    ///
    /// # Errors
    /// When our own store fails.
    pub async fn sync_health(&self, sync: &Sync) -> Result<Health, state::Error> {
        let known = self.sync_state(sync).await?;
        let runs = self.store.sync_runs_of(known.id, RunKind::Run, RUNS + 1).await?;
        let ended = runs.into_iter().filter(|run| !run.is_dry && run.ended_at.is_some());
        let runs: Vec<Did> = ended.take(RUNS).map(Did::of).collect();
        let (failing, dead) = self.store.count_failures(known.id).await?;
        Ok(Health {
            score: scored(&runs),
            runs,
            open_reviews: self.store.open_reviews(known.id).await?,
            failing,
            dead,
            drift: self.store.drifts(known.id, 1).await?.pop(),
        })
    }

    /// The newest plan of a sync.
    ///
    /// # Errors
    /// When our own store fails.
    pub async fn sync_plan(&self, sync: &Sync) -> Result<Option<Planned>, state::Error> {
        let known = self.sync_state(sync).await?;
        let runs = self.store.sync_runs_of(known.id, RunKind::Plan, 1).await?;
        let Some(run) = runs.into_iter().next() else {
            return Ok(None);
        };
        let sides = [Side::Left, Side::Right];
        let sides = sides.map(|side| forecast(sync, side, &run.counts, known.pairs));
        let deletes = sides.iter().map(|side| side.deletes).sum();
        let policy = &sync.policy;
        let may_delete = Side::ALL.iter().any(|side| policy.on_deleted(*side) == OnDelete::Delete);
        let limits = sync.brake;
        let is_braked =
            may_delete && brake(deletes, known.pairs, limits.deletes_max, limits.percent_max);
        Ok(Some(Planned { run, pairs: known.pairs, sides, is_braked }))
    }
}

#[expect(clippy::cast_precision_loss, reason = "errors of a run lie far below 2⁵³")]
fn scored(runs: &[Did]) -> f64 {
    let number = runs.len().max(1) as f64;
    let errors: u64 = runs.iter().map(|run| run.errors).sum();
    let seconds: f64 = runs.iter().map(|run| run.seconds).sum();
    score(errors as f64 / number, seconds / number)
}

impl Worker<'_> {
    /// Counts what the run has asked of each side; of one connection for both, on the left.
    pub(super) fn called(&mut self, tally: &Tally) {
        for &side in Side::ALL {
            let calls = tally.take(&self.sync.end(side).connection.capabilities.turnstile);
            if calls > 0 {
                *self.counts.entry(format!("calls_{}", side.as_str())).or_default() += calls;
            }
        }
    }
}

/// Counts a run that has ended.
pub(super) async fn tell(engine: &Engine, run: i64) -> Result<(), state::Error> {
    let Some(run) = engine.store.sync_run(run).await? else { return Ok(()) };
    let mut syncs = engine.store.syncs().await?.into_iter();
    if let Some(sync) = syncs.find(|sync| sync.id == run.sync) {
        engine.metrics.synced(&sync.name, &run);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Did, agreed, percent, scored};
    use domain::Timestamp;
    use serde_json::json;
    use state::sync::{Run, RunKind, RunState};

    fn run(errors: u64, seconds: i64) -> Did {
        let counts =
            [("created_left", 1), ("created_right", 2), ("updated_left", 3), ("marked_right", 4)];
        let counts = counts.into_iter().chain([("unchanged", 5), ("held", 1), ("errors", errors)]);
        Did::of(Run {
            id: 1,
            sync: 1,
            kind: RunKind::Run,
            of: None,
            is_dry: false,
            due_at: None,
            by: "schedule".to_owned(),
            state: RunState::Done,
            step: String::new(),
            cursor: None,
            counts: counts.map(|(word, number)| (word.to_owned(), number)).collect(),
            note: None,
            started_at: Timestamp(1_000),
            updated_at: Timestamp(1_000),
            ended_at: Some(Timestamp(1_000 + seconds * 1_000)),
        })
    }

    #[test]
    fn a_run_is_told_of_both_sides_together() {
        let did = run(2, 10);
        assert_eq!((did.created, did.updated, did.deleted), (3, 7, 0));
        assert_eq!((did.skipped, did.errors, did.conflicts), (6, 2, 0));
        assert!((did.seconds - 10.0).abs() < 1e-9);
    }

    #[test]
    fn the_score_is_that_of_the_guides() {
        assert!((scored(&[run(2, 10), run(0, 2)]) - (100.0 - 5.0 - 6.0)).abs() < 1e-9);
        assert!((scored(&[]) - 100.0).abs() < 1e-9, "nothing went wrong yet");
        assert!(scored(&[run(50, 100)]).abs() < 1e-9);
    }

    #[test]
    fn a_part_is_told_of_a_hundred_and_nothing_of_nothing_is_nothing() {
        assert!((percent(1, 3) - 33.3).abs() < 1e-9);
        assert!(percent(0, 0).abs() < 1e-9);
    }

    #[test]
    fn what_was_agreed_is_read_from_what_is_kept() {
        let kept = json!({ "a": { "Email>workEmail": "a@b.example" } }).to_string();
        assert_eq!(agreed(Some(kept.as_bytes()))["Email>workEmail"], "a@b.example");
        assert!(agreed(None).is_empty());
    }
}
