//! `kill -9` at any instant loses nothing that was acknowledged (invariant 10), seen
//! from outside: whoever was answered over HTTP is in the store after the restart.
//!
//! Each round loads a real server with concurrent calls, some of them partial, until
//! it dies: at a named crash point (`state::crash::POINTS`), or by a signal at a
//! seeded moment. Then it is started again and compared with what the callers
//! were told ([`check`]). A planted bug shows that the comparison would notice.
//! Run with `--features crash-points`.

mod check;
mod load;
mod reconcile;
#[path = "../rig/mod.rs"]
// Shared with the `it` binary: what only that one uses is no dead code.
#[allow(dead_code, unused_imports)]
mod rig;
mod settings;

use load::{Death, Round};
use rig::{Line, Place};
use serde_json::json;
use sim::seed::SplitMix64;
use state::crash::POINTS;

/// Rounds under way at once.
const TOGETHER: usize = 3;

/// Runs rounds side by side, and returns them all.
async fn all(deaths: Vec<(Death, Option<&'static str>)>) -> Vec<Round> {
    let running = async {
        let mut waiting = deaths.into_iter();
        let mut under_way = tokio::task::JoinSet::new();
        let mut rounds = Vec::new();
        loop {
            while under_way.len() < TOGETHER
                && let Some((death, plant)) = waiting.next()
            {
                under_way.spawn_local(load::run(death, plant, Place::disk()));
            }
            match under_way.join_next().await {
                Some(round) => rounds.push(round.expect("a round without a panic")),
                None => return rounds,
            }
        }
    };
    tokio::task::LocalSet::new().run_until(running).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_any_point_loses_nothing_acknowledged() {
    // Restores, erasures, reconciliations and settings have rounds of their own; enrichments,
    // decisions, rules and contact sync are the store's own crash test's.
    const ELSEWHERE: [&str; 9] = [
        "restore.",
        "erase.",
        "sweep.",
        "reconcile.",
        "enrichment.",
        "settings.",
        "decision.",
        "rules.",
        "sync.",
    ];
    let is_elsewhere = |point: &str| ELSEWHERE.iter().any(|own| point.starts_with(own));
    let of_the_server = POINTS.iter().filter(|point| !is_elsewhere(point));
    let deaths = of_the_server.clone().flat_map(|point| {
        let nths: &[u64] = match point.split('.').next() {
            Some("write") => &[1, 9, 90],
            Some("backup") => &[1, 2],
            _ => &[1, 40],
        };
        nths.iter().map(|nth| (Death::At { point, nth: *nth }, None))
    });
    let rounds = all(deaths.collect()).await;
    let acknowledged: usize = rounds.iter().map(|round| round.acknowledged).sum();
    for round in &rounds {
        assert_eq!(round.odd, Vec::<String>::new(), "killed at {:?}", round.death);
    }
    for point in of_the_server {
        let died_there = rounds.iter().any(|round| {
            matches!(round.death, Death::At { point: at, .. } if at == *point) && round.died_itself
        });
        assert!(died_there, "{point} is never passed");
    }
    assert!(acknowledged > 500, "only {acknowledged} calls were answered in all");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_any_moment_loses_nothing_acknowledged() {
    let mut dice = SplitMix64::new(20_261_121);
    let deaths = (0..8).map(|_| {
        let answers = usize::try_from(1 + dice.below(200)).expect("a small number");
        (Death::After { answers }, None)
    });
    let rounds = all(deaths.collect()).await;
    for round in &rounds {
        assert_eq!(round.odd, Vec::<String>::new(), "killed {:?}", round.death);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_over_postgres_loses_nothing_acknowledged() {
    let deaths = [
        Death::At { point: "write.commit", nth: 40 },
        Death::At { point: "write.committed", nth: 90 },
        Death::After { answers: 77 },
    ];
    for death in deaths {
        let Some(place) = Place::postgres().await else { return };
        let round = load::run(death, None, place).await;
        assert_eq!(round.odd, Vec::<String>::new(), "killed {death:?}");
        assert!(round.died_itself && round.acknowledged > 0, "{round:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_before_the_commit_would_be_caught() {
    // Not every write is a call's: the plant is given several chances to be seen.
    for nth in [9, 13, 17, 21, 29, 34, 47, 55, 63, 71, 80, 89] {
        let death = Death::At { point: "write.commit", nth };
        let rounds = all(vec![(death, Some("answer-before-commit"))]).await;
        if rounds.iter().any(|round| !round.odd.is_empty()) {
            return;
        }
    }
    panic!("the planted bug went unnoticed");
}

/// What is kept of whoever has this number or this id, and whether they were erased.
async fn left_of(line: &Line, who: &serde_json::Value) -> (usize, bool) {
    let shown = line.post("/api/v1/subjects/export", who).await;
    let lists = ["contacts", "calls", "jobs", "audit", "corrections", "customerData"];
    let rows = |list: &&str| shown[list].as_array().map_or(usize::MAX, Vec::len);
    (lists.iter().map(rows).sum(), shown["erasures"] != json!([]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_erasure_is_finished_by_the_next_start() {
    // The end of the second sweep, a minute later, enrichments, decisions and contact sync
    // are the store's own crash test's.
    let own = |point: &&&str| point.starts_with("erase.") || point.starts_with("sweep.");
    for point in POINTS.iter().filter(own) {
        const ELSEWHERE: [&str; 5] =
            ["sweep.ended", "sweep.enrichments", "sweep.decisions", "sweep.syncs", "sweep.reviews"];
        if ELSEWHERE.contains(point) {
            continue;
        }
        let fuse = format!("{point}:1");
        let plan = Line::with_salesforce().and_genesys().people(30);
        let mut line = plan.variable("TIELINE_CRASH_AT", &fuse).start().await;
        let person = Line::loners(1).swap_remove(0);
        let down = sim::faults::Fault::Status { code: 503, body: None };
        line.genesys().faults().add(sim::faults::Rule::always(down).on("/api/v2/"));
        let call = json!({ "fromNumber": person.number, "callId": "c-1" });
        let id = line.lookup(call).await.id().to_owned();
        let correct = json!({ "callId": "c-1", "newExternalId": id, "reason": "seen" });
        line.post("/api/v1/genesys/update-context", &correct).await;
        let who = json!({ "externalIds": [id] });
        let erase = line.http.post(line.url("/api/v1/subjects/erase"));
        let erase = erase.bearer_auth(rig::plan::API_KEY).json(&who);
        assert!(rig::Answer::try_of(erase).await.is_err(), "{point} is passed");
        line.kill().await;
        line.environment.retain(|(name, _)| name != "TIELINE_CRASH_AT");
        line.start_server().await;
        let (_, is_erased) = left_of(&line, &who).await;
        assert_eq!(is_erased, *point != "erase.marked", "{point}: committed or not, never half");
        if !is_erased {
            assert_eq!(line.post("/api/v1/subjects/erase", &who).await["erased"], true);
        }
        rig::until("the erasure is finished", async || left_of(&line, &who).await == (0, true))
            .await;
        line.call_from(&person.number).await.assert_by_number("miss");
        assert_eq!(line.get("/api/v1/audit/verify").await["whole"], true, "{point}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_during_a_restore_leaves_the_old_store_or_the_new() {
    for point in POINTS.iter().filter(|point| point.starts_with("restore.")) {
        let mut line = Line::with_salesforce().people(60).start().await;
        for person in Line::loners(10) {
            line.call_from(&person.number).await.assert_hit("crm");
        }
        let copy = line.folder.join("copy.db").display().to_string();
        assert_eq!(line.command(&["backup", &copy]).await.code, Some(0));
        assert_eq!(line.stop().await, Some(0));
        let sound = line.environment.clone();
        line.environment.push(("TIELINE_CRASH_AT".to_owned(), format!("{point}:1")));
        let killed = line.command_elsewhere(&["restore", &copy, "--overwrite"]).await;
        assert_eq!(killed.code, None, "{point} is passed: {killed:?}");
        line.environment = sound;
        line.start_server().await;
        assert_eq!(line.calls().await.len(), 10, "{point}");
        assert_eq!(line.stop().await, Some(0));
        let again = line.command_elsewhere(&["restore", &copy, "--overwrite"]).await;
        assert_eq!(again.code, Some(0), "{point}: {again:?}");
        line.start_server().await;
        assert_eq!(line.calls().await.len(), 10, "{point}");
        let next = json!({ "fromNumber": Line::loners(1)[0].number, "callId": "next" });
        assert_eq!(line.lookup(next).await["data"]["previousInteractionCount"], 1, "{point}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reconciliation_killed_between_any_two_steps_is_continued() {
    let points = POINTS.iter().filter(|point| point.starts_with("reconcile."));
    let mut deaths: Vec<String> = Vec::new();
    for point in points.clone() {
        let nths: &[u64] = match *point {
            "reconcile.call" | "reconcile.noted" => &[1, 25],
            "reconcile.identified" => &[1, 4],
            "reconcile.moved" => &[1, 2, 3],
            _ => &[1],
        };
        deaths.extend(nths.iter().map(|nth| format!("{point}:{nth}")));
    }
    // Every write of the run, one after the other, before and after it is committed.
    deaths.extend((1..=12).map(|nth| format!("write.commit:{nth}")));
    deaths.extend((2..=12).step_by(3).map(|nth| format!("write.committed:{nth}")));
    deaths.extend(["job.settled:3", "job.settled:30", "journal.marked:5"].map(str::to_owned));
    let rounds = reconcile::all(deaths.into_iter().map(|at| (at, None)).collect()).await;
    for round in &rounds {
        assert!(round.died && round.odd.is_empty(), "killed at {}: {round:?}", round.at);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_that_moves_before_its_calls_would_be_caught() {
    // Among the last calls of a page: their part of it carries the cursor.
    let death = "reconcile.call:25".to_owned();
    let rounds = reconcile::all(vec![(death, Some("cursor-before-calls"))]).await;
    assert!(rounds.iter().all(|round| round.died && !round.odd.is_empty()), "{rounds:?}");
}
