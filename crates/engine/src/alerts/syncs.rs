//! What counts as a trouble of a sync, and in which words it is told.
//!
//! What is seen lies in the store, so every node sees the same, and it is told once. A
//! trouble is over with the next run that comes through, or once a person has decided.

use super::Alert;
use crate::Engine;
use crate::sync::{Sync, work};
use domain::Timestamp;
use state::alerts::{Trouble, Turn};
use state::sync::{Run, RunKind, RunState};
use std::collections::BTreeMap;

const ERRORS: &str = "sync_errors";
const SLOW: &str = "sync_slow";
const REVIEWS: &str = "sync_reviews";
const BRAKED: &str = "sync_braked";
const HALTED: &str = "sync_halted";
const PAUSED: &str = "sync_paused";

/// Among so many the last run is looked for; the others are plans and the like.
const RUNS: usize = 50;

/// Is this the trouble of a sync, which bears its name?
pub(super) fn is_one(trouble: &Trouble) -> bool {
    [ERRORS, SLOW, REVIEWS, BRAKED, HALTED, PAUSED].contains(&trouble.kind.as_str())
}

/// What is wrong with syncs now, and what is known of it.
pub(super) async fn seen(engine: &Engine) -> Result<BTreeMap<Trouble, String>, state::Error> {
    let mut troubles = BTreeMap::new();
    if engine.syncs.all().next().is_none() {
        return Ok(troubles);
    }
    for known in engine.store.syncs().await? {
        let Some(sync) = engine.syncs.get(&known.name) else { continue };
        let runs = engine.store.sync_runs(Some(known.id), None, RUNS).await?;
        let open = engine.store.open_kinds(known.id).await?;
        let of_runs = of_runs(sync, &runs, engine.clock.now());
        let paused = known.paused.map(|why| (PAUSED, paused(&why, &known.name)));
        for (kind, told) in of_runs.into_iter().chain(asked(&open, &known.name)).chain(paused) {
            let trouble = Trouble { kind: kind.to_owned(), connection: known.name.clone() };
            troubles.insert(trouble, told);
        }
    }
    Ok(troubles)
}

/// The last run that has ended, and the one under way.
fn of_runs(sync: &Sync, runs: &[Run], now: Timestamp) -> Vec<(&'static str, String)> {
    let mut told = Vec::new();
    let own = || runs.iter().filter(|run| run.kind == RunKind::Run);
    let ended = own().find(|run| run.ended_at.is_some());
    let limits = sync.upkeep;
    let both = own().find(|run| run.ended_at.is_none()).into_iter().chain(ended);
    for run in both {
        let errors = run.counts.get("errors").copied().unwrap_or_default();
        if errors > limits.errors_over {
            let name = &sync.name;
            let text = format!(
                "{errors} records failed in run {}, more than {}. `tieline sync failures {name}` \
                 says why.",
                run.id, limits.errors_over
            );
            told.push((ERRORS, text));
        }
        let took = run.ended_at.unwrap_or(now).since(run.started_at);
        if !limits.run_over.is_zero() && took > limits.run_over {
            let still = if run.ended_at.is_none() { " and is under way" } else { "" };
            let text = format!(
                "Run {} has taken {} s{still}, more than {} s.",
                run.id,
                took.as_secs(),
                limits.run_over.as_secs()
            );
            told.push((SLOW, text));
        }
    }
    let halted = ended.filter(|run| run.state == RunState::Partial);
    let note = halted.and_then(|run| run.note.as_deref()).filter(|note| *note != work::BRAKED);
    if let (Some(run), Some(note)) = (halted, note) {
        told.push((HALTED, format!("Run {} stopped before its end: {note}.", run.id)));
    }
    told
}

/// What people are asked.
fn asked(open: &BTreeMap<String, u64>, name: &str) -> Vec<(&'static str, String)> {
    let mut told = Vec::new();
    if open.contains_key("brake") {
        let text = format!(
            "A run would delete more than the brake allows, and has written nothing. Look at `tieline \
             sync plan {name}`, then decide: `tieline review list --sync {name}`."
        );
        told.push((BRAKED, text));
    }
    let words = open.iter().filter(|(kind, _)| *kind != "brake");
    let words: Vec<String> = words.map(|(kind, number)| format!("{number} {kind}")).collect();
    if !words.is_empty() {
        let words = words.join(", ");
        told.push((REVIEWS, format!("Open: {words}. `tieline review list --sync {name}`.")));
    }
    told
}

fn paused(why: &str, name: &str) -> String {
    format!("No run begins: {why}. `tieline sync resume {name}` ends its rest.")
}

/// The words for a turn.
pub(super) fn told(turn: &Turn, known: Option<&str>) -> Alert {
    let Trouble { kind, connection: name } = &turn.trouble;
    let title = match (kind.as_str(), turn.is_over) {
        (ERRORS, false) => "too many records fail",
        (ERRORS, true) => "records come through again",
        (SLOW, false) => "a run takes too long",
        (SLOW, true) => "runs are in time again",
        (REVIEWS, false) => "something is to be decided",
        (REVIEWS, true) => "all is decided",
        (BRAKED, false) => "the brake has stopped a run",
        (BRAKED, true) => "the brake is off",
        (HALTED, false) => "a run has not come through",
        (HALTED, true) => "runs come through again",
        (PAUSED, false) => "the sync rests",
        (_, false) => "something is wrong",
        (PAUSED, true) => "the sync goes on",
        (_, true) => "all is well again",
    };
    let detail = match known {
        Some(known) if !turn.is_over => known.to_owned(),
        _ => format!("It began at {}.", turn.since),
    };
    Alert {
        kind: kind.clone(),
        connection: String::new(),
        sync: name.clone(),
        team: String::new(),
        is_over: turn.is_over,
        since: turn.since.to_string(),
        at: turn.at.to_string(),
        title: format!("sync {name}: {title}"),
        detail,
    }
}
