//! Moving up: from one way over more fields to both ways, and then cheaper.
//!
//! Where a sync stands is told by how it is configured; whether it is ready for the next
//! phase, by what it did: its last runs, its measured drift, what people still have to
//! decide. The change itself is planned before it is made ([`Engine::rehearse_sync`]).

use super::control::Proposed;
use super::health::{Health, drifted};
use super::rehearse::rehearsed;
use super::{Asked, Started, Sync};
use crate::lookup::Engine;
use domain::sync::Side;
use state::sync::{Change, EntryState, Run, RunKind, RunState};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How far a sync has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// One side mirrors the other, with few fields or few people.
    OneWay,
    /// The same, with every field that both sides have, and everybody.
    MoreFields,
    /// Both sides write.
    TwoWay,
    /// It runs well: what it costs is looked at.
    Optimise,
}

impl Phase {
    pub const ALL: [Self; 4] = [Self::OneWay, Self::MoreFields, Self::TwoWay, Self::Optimise];

    /// A stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OneWay => "one_way",
            Self::MoreFields => "more_fields",
            Self::TwoWay => "two_way",
            Self::Optimise => "optimise",
        }
    }

    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == word)
    }

    /// Where a sync stands. `widens`: there are fields or people that it leaves out.
    #[must_use]
    pub fn of(sync: &Sync, widens: bool) -> Self {
        match (sync.policy.creates, widens) {
            ([true, true], _) => Self::TwoWay,
            (_, true) => Self::OneWay,
            (_, false) => Self::MoreFields,
        }
    }

    /// The one after.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::OneWay => Self::MoreFields,
            Self::MoreFields => Self::TwoWay,
            Self::TwoWay | Self::Optimise => Self::Optimise,
        }
    }
}

/// Something to be looked at before a sync moves up.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// A stable word.
    pub what: &'static str,
    /// `None`: it is not known.
    pub is: Option<f64>,
    /// What it has to be: at least, or at most.
    pub limit: f64,
    pub at_least: bool,
}

impl Check {
    #[must_use]
    pub fn is_met(&self) -> bool {
        let fits = |is: f64| if self.at_least { is >= self.limit } else { is <= self.limit };
        self.is.is_some_and(fits)
    }
}

/// Runs in a row that have to have come through, and the other thresholds.
const RUNS: u64 = 3;
const SCORE: f64 = 90.0;
const DRIFT_PERCENT: f64 = 1.0;
const DRIFT_DAYS: f64 = 7.0;
const DAY: Duration = Duration::from_secs(86_400);

/// What has to hold before a sync moves up.
#[must_use]
pub fn checks(health: &Health, now: domain::Timestamp) -> Vec<Check> {
    let is_well = |run: &&Run| {
        run.state == RunState::Done && run.counts.get("errors").is_none_or(|errors| *errors == 0)
    };
    let well = health.runs.iter().map(|did| &did.run).take_while(is_well).count();
    let drift = health.drift.as_ref();
    let age = drift.map(|drift| now.since(drift.at).as_secs_f64() / DAY.as_secs_f64());
    let most = |what, is, limit| Check { what, is, limit, at_least: false };
    let least = |what, is: f64, limit| Check { what, is: Some(is), limit, at_least: true };
    vec![
        least("runs_well_in_a_row", number(well as u64), number(RUNS)),
        least("score", health.score, SCORE),
        most("drift_percent", drift.map(drifted), DRIFT_PERCENT),
        most("drift_measured_days_ago", age, DRIFT_DAYS),
        most("open_reviews", Some(number(health.open_reviews)), 0.0),
        most("failing", Some(number(health.failing + health.dead)), 0.0),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "counts of records lie far below 2⁵³")]
fn number(count: u64) -> f64 {
    count as f64
}

/// What a sync costs, and which of its fields change.
#[derive(Debug, Clone, PartialEq)]
pub struct Usage {
    /// How many days are looked at, and how many writes were found in them.
    pub days: u64,
    pub writes: u64,
    /// There were more writes than are looked at: a field may have changed before.
    pub is_cut: bool,
    pub sides: [SideUsage; 2],
    /// By field of the map, how often it was written to the left and to the right.
    pub fields: BTreeMap<String, [u64; 2]>,
}

/// One side's part of it.
#[derive(Debug, Clone, PartialEq)]
pub struct SideUsage {
    /// Requests of a run, in the mean of the last ten.
    pub calls: f64,
    /// Records that it told as new or changed, of a run.
    pub changes: f64,
    /// Its vendor pushes changes, and need not be asked for them.
    pub is_pushed: bool,
}

/// How far back writes are looked at, and how many.
const DAYS: u64 = 30;
const WRITES: u64 = 20_000;
const PART: usize = 1_000;

/// Does a side push its changes? No connection does so far: all are polled.
fn is_pushed(sync: &Sync, side: Side) -> bool {
    let _capabilities = &sync.end(side).connection.capabilities;
    false
}

impl Engine {
    /// What a sync costs, and which of its fields change.
    ///
    /// # Errors
    /// When our own store fails.
    pub async fn sync_usage(&self, sync: &Sync, health: &Health) -> Result<Usage, state::Error> {
        let known = self.sync_state(sync).await?;
        let since = self.clock.now().minus(DAY * u32::try_from(DAYS).unwrap_or(u32::MAX));
        let mut fields: BTreeMap<String, [u64; 2]> = BTreeMap::new();
        for at in 0..sync.map.fields().len() {
            fields.insert(sync.map.key(at).to_owned(), [0, 0]);
        }
        let (mut writes, mut is_cut) = (0, false);
        let runs = self.store.sync_runs(Some(known.id), None, PART).await?;
        let own = runs.iter().filter(|run| run.kind == RunKind::Run && run.started_at >= since);
        'runs: for run in own {
            let mut before = None;
            loop {
                if writes >= WRITES {
                    is_cut = true;
                    break 'runs;
                }
                let entries = self.store.journal_of_run(run.id, before, PART).await?;
                let Some(last) = entries.last() else { break };
                before = Some(last.id);
                for logged in &entries {
                    let entry = &logged.entry;
                    if entry.kind != "update" || entry.state != EntryState::Done {
                        continue;
                    }
                    writes += 1;
                    let side = if entry.side == 0 { Side::Left } else { Side::Right };
                    for key in written(sync, side, &entry.after) {
                        fields.entry(key).or_default()[side.index()] += 1;
                    }
                }
            }
        }
        let sides = [Side::Left, Side::Right].map(|side| side_usage(sync, side, health));
        Ok(Usage { days: DAYS, writes, is_cut, sides, fields })
    }

    /// Plans a sync as it would be. The run is watched like any other, and writes nothing.
    ///
    /// # Errors
    /// When our own store fails.
    pub async fn rehearse_sync(
        &self,
        name: &str,
        proposed: Sync,
        digest: String,
        by: String,
    ) -> Result<Started, state::Error> {
        let Some(sync) = self.syncs.get(name) else { return Ok(Started::Unknown) };
        let known = self.sync_state(sync).await?;
        let proposed = Proposed { sync: Arc::new(proposed), digest };
        self.options.syncing.propose(known.id, proposed);
        let asked = Asked { kind: RunKind::Rehearsal, of: None, is_approved: false, by };
        self.start_sync(name, asked).await
    }

    /// The newest rehearsal of this very change, under way or ended.
    ///
    /// # Errors
    /// When our own store fails.
    pub async fn rehearsal(&self, sync: &Sync, digest: &str) -> Result<Option<Run>, state::Error> {
        let known = self.sync_state(sync).await?;
        let runs = self.store.sync_runs(Some(known.id), None, PART).await?;
        let step = rehearsed(digest);
        let is_it = |run: &Run| run.kind == RunKind::Rehearsal && run.step == step;
        Ok(runs.into_iter().find(is_it))
    }

    /// Writes down that a sync has moved up.
    ///
    /// # Errors
    /// When our own store fails.
    pub async fn promoted(&self, name: &str, to: Phase, by: &str) -> Result<bool, state::Error> {
        self.change_sync(name, Change::Phase(to.as_str().to_owned()), by).await
    }
}

/// The fields of the map that a write has set.
fn written(sync: &Sync, side: Side, after: &[u8]) -> Vec<String> {
    let after: serde_json::Value = serde_json::from_slice(after).unwrap_or_default();
    let fields = after["fields"].as_object().cloned().unwrap_or_default();
    sync.map.keys_in(side, &fields)
}

fn side_usage(sync: &Sync, side: Side, health: &Health) -> SideUsage {
    let mean = |words: &[&str]| {
        let word = |word: &&str| format!("{word}_{}", side.as_str());
        let of = |did: &super::health::Did| -> u64 {
            words.iter().filter_map(|one| did.run.counts.get(&word(one))).sum()
        };
        let sum: u64 = health.runs.iter().map(of).sum();
        (number(sum) * 10.0 / number(health.runs.len().max(1) as u64)).round() / 10.0
    };
    SideUsage {
        calls: mean(&["calls"]),
        changes: mean(&["new", "changed", "gone"]),
        is_pushed: is_pushed(sync, side),
    }
}

#[cfg(test)]
mod tests {
    use super::{Check, Phase};

    #[test]
    fn what_is_not_known_is_not_met() {
        let check = |is, at_least| Check { what: "score", is, limit: 90.0, at_least }.is_met();
        assert!(check(Some(90.0), true) && check(Some(90.0), false));
        assert!(!check(Some(89.9), true) && !check(Some(90.1), false));
        assert!(!check(None, true) && !check(None, false));
    }

    #[test]
    fn phases_go_up_and_end() {
        let mut phase = Phase::OneWay;
        for expected in ["more_fields", "two_way", "optimise", "optimise"] {
            phase = phase.next();
            assert_eq!(phase.as_str(), expected);
            assert_eq!(Phase::parse(expected), Some(phase));
        }
    }
}
