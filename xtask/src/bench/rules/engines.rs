//! Our compiled rules beside zen-engine (a decision table, hit policy "first", compiled) and
//! json-rules-engine (a rule for each line by priority, stopped by the first success).
//!
//! One thread each, over one scene that `rules make` writes: its lines, its callers, and the
//! answers that going through the lines gives. Preparing is not measured. A program that gives
//! any other answer ends with an error instead of a figure. Ours is given days as texts, as a
//! CRM tells them; the others, which have no dates, whole numbers, which is less work.

use crate::bench::contestants;
use crate::bench::figures::Series;
use crate::bench::rounds::Plan;
use crate::bench::table::{Table, spread};
use crate::test::clients;
use crate::{process, tools};
use anyhow::{Context, Result};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Some four hundred crates on two busy cores.
const BUILD_LIMIT: Duration = Duration::from_secs(40 * 60);
/// Reading a scene, checking it and getting warm, beside the measured seconds.
const PREPARING: Duration = Duration::from_secs(120);

/// What is promised of ours on one core.
struct Promise {
    what: &'static str,
    lines: usize,
    /// Only callers whose first matching line is the last.
    is_last: bool,
    per_second: f64,
    target: &'static str,
}

const PROMISES: [Promise; 2] = [
    Promise {
        what: "100 lines",
        lines: 100,
        is_last: false,
        per_second: 5e6,
        target: "≥ 5,000,000/s",
    },
    Promise {
        what: "1,000 lines, the last matches",
        lines: 1_000,
        is_last: true,
        per_second: 1e6,
        target: "≥ 1,000,000/s",
    },
];

/// An engine, and how it is started before the scene and the seconds; or why it is not here.
struct Contestant {
    name: &'static str,
    command: Result<Vec<PathBuf>>,
    /// Words between the scene and the seconds, and behind them.
    between: &'static str,
    last: Option<PathBuf>,
}

impl Contestant {
    /// Decisions a second over a scene, and how many answers that were.
    fn measure(&self, scene: &Path, seconds: u64) -> Result<(f64, f64)> {
        let Ok(words) = &self.command else { anyhow::bail!("{} is not here", self.name) };
        let (program, first) = words.split_first().context("no program")?;
        let mut command = Command::new(program);
        command.args(first).arg(scene);
        command.args(self.between.split_whitespace()).arg(seconds.to_string()).args(&self.last);
        let limit = Duration::from_secs(seconds) + PREPARING;
        let done = process::capture(self.name, &mut command, limit)?;
        anyhow::ensure!(done.ok, "{}: {}", self.name, done.err.trim());
        let report: Value = serde_json::from_str(done.out.trim())
            .with_context(|| format!("{} said {}", self.name, done.out.trim()))?;
        let figure = |name: &str| report[name].as_f64().with_context(|| format!("no {name}"));
        Ok((figure("perSecond")?, figure("decisions")?))
    }
}

/// All rounds of all sizes.
pub(super) fn side_by_side(
    plan: Plan,
    build: bool,
    folder: &Path,
    table: &mut Table,
) -> Result<()> {
    let contestants = contestants(build);
    for promise in PROMISES {
        tools::say(&format!("decisions on one core: {}", promise.what));
        let scene = folder.join(format!("scene-{}.json", promise.lines));
        make(&scene, &promise)?;
        let mut measured: Vec<(Series, Series)> = vec![Default::default(); contestants.len()];
        for _ in 0..plan.rounds {
            for (one, (per_second, answers)) in contestants.iter().zip(&mut measured) {
                if one.command.is_ok() {
                    let (speed, count) = one.measure(&scene, plan.seconds)?;
                    per_second.push(speed);
                    answers.push(count);
                }
            }
        }
        tell(&promise, &contestants, &measured, table);
    }
    Ok(())
}

fn tell(
    promise: &Promise,
    contestants: &[Contestant],
    measured: &[(Series, Series)],
    table: &mut Table,
) {
    let mut ours = f64::NAN;
    for (one, (per_second, answers)) in contestants.iter().zip(measured) {
        let what = format!("{}: {}, one core", one.name, promise.what);
        match &one.command {
            Err(reason) => table.void(&what, "", &format!("{reason:#}")),
            Ok(_) if one.name == "ours" => {
                ours = per_second.median();
                let met = ours >= promise.per_second;
                table.judge(&what, promise.target, spread(per_second, "/s"), met);
            }
            Ok(_) => {
                let checked = format!("{}, every answer as ours", spread(per_second, "/s"));
                table.tell(&what, format!("{checked} ({:.0} at least)", answers.least()));
                let times = ours / per_second.median();
                let what = format!("ours ÷ {}: {}", one.name, promise.what);
                table.tell(&what, format!("{times:.0}"));
            }
        }
    }
}

fn contestants(build: bool) -> [Contestant; 3] {
    let ours = vec![contestants::program("rules"), PathBuf::from("run")];
    let script = tools::root().join("crates/bench/node/json-rules.mjs");
    let (node, modules) = match clients::rules_engine() {
        Ok(modules) => (Ok(vec![PathBuf::from("node"), script]), Some(modules)),
        Err(reason) => (Err(reason), None),
    };
    [
        Contestant { name: "ours", command: Ok(ours), between: "--seconds", last: None },
        Contestant { name: "zen-engine", command: zen(build), between: "", last: None },
        Contestant { name: "json-rules-engine", command: node, between: "", last: modules },
    ]
}

/// The program around zen-engine, which is a workspace of its own.
fn zen(build: bool) -> Result<Vec<PathBuf>> {
    let target = tools::target().join("bench/zen");
    let program = target.join("release/zen");
    if build {
        tools::say("building zen-engine, which takes ten minutes the first time");
        let mut command = Command::new(tools::cargo());
        command.args(["build", "--release", "--quiet", "--locked", "--manifest-path"]);
        command.arg(tools::root().join("crates/bench/zen/Cargo.toml"));
        command.env("CARGO_TARGET_DIR", &target);
        let built = process::run("cargo build of zen-engine", &mut command, BUILD_LIMIT)?;
        anyhow::ensure!(built.success(), "zen-engine could not be built");
    }
    anyhow::ensure!(program.is_file(), "zen-engine is not built");
    Ok(vec![program])
}

fn make(scene: &Path, promise: &Promise) -> Result<()> {
    let mut command = Command::new(contestants::program("rules"));
    command.arg("make").arg(scene).args(["--lines", &promise.lines.to_string()]);
    if promise.is_last {
        command.arg("--last");
    }
    let done = process::capture("rules make", &mut command, PREPARING)?;
    anyhow::ensure!(done.ok, "rules make: {}", done.err.trim());
    Ok(())
}
