//! The rounds of the lookup's bench, one function for each promise of its speed.

use super::contestants::{self, CRM_LATENCY_MS, DEADLINE_MS, Directory, KEY, Part, Simulator};
use super::figures::{Generators, Pressure, Series, fdatasync};
use super::guarded;
use super::table::{Table, spread};
use crate::tools;
use anyhow::{Context, Result};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Lookups that a part answers before it is measured.
const FIRST: usize = 2_000;

/// How long and how often.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    pub(super) rounds: usize,
    pub(super) seconds: u64,
}

impl Plan {
    pub(super) fn full() -> Self {
        Self { rounds: 5, seconds: 4 }
    }

    pub(super) fn quick() -> Self {
        Self { rounds: 2, seconds: 2 }
    }
}

/// Requests a second and 99th percentile of one contestant over the rounds.
#[derive(Default)]
struct Measured {
    per_second: Series,
    p99: Series,
}

impl Measured {
    fn take(&mut self, report: &Value) -> Result<()> {
        self.per_second.push(report["perSecond"].as_f64().context("no perSecond")?);
        self.p99.push(report["p99"].as_f64().context("no p99")?);
        Ok(())
    }

    fn says(&self) -> String {
        format!("{}, p99 {}", spread(&self.per_second, "/s"), spread(&self.p99, "ms"))
    }
}

/// Everything that stands while the rounds go on.
pub(super) struct Stage {
    pub(super) plan: Plan,
    pub(super) folder: PathBuf,
    pub(super) generators: Generators,
    pub(super) crm: Simulator,
    pub(super) known: PathBuf,
    mixed: PathBuf,
    pub(super) table: Table,
}

/// Runs all rounds and returns their table. A part that cannot be started leaves its rows void.
pub(super) fn lookup(plan: Plan, folder: &Path) -> Result<Table> {
    let generators = Generators::prepare(folder, contestants::program("load"))?;
    let mut table = Table::default();
    let (median, tail) = fdatasync(folder)?;
    table.tell("disk: fdatasync of 4 KiB", format!("p50 {median:.2} ms, p99 {tail:.2} ms"));
    let crm = contestants::simulator()?;
    let (known, mixed) = crm.numbers(folder)?;
    let mut stage = Stage { plan, folder: folder.into(), generators, crm, known, mixed, table };
    let bare = contestants::bare()?;
    let ceiling = directory_hits(&mut stage, &bare)?;
    if let Err(reason) = guarded::cost(&mut stage) {
        let what = "with authentication, audit and overrides ÷ without";
        stage.table.void(what, "≥ 90 %", &format!("{reason:#}"));
    }
    live(&mut stage, ceiling)?;
    slow_and_hanging(&mut stage)?;
    idle(&mut stage)?;
    let (median, tail) = fdatasync(folder)?;
    stage.table.tell("disk, once more", format!("p50 {median:.2} ms, p99 {tail:.2} ms"));
    Ok(stage.table)
}

/// Known callers from the directory, against the bare endpoint. Returns the bare requests a second.
fn directory_hits(stage: &mut Stage, bare: &Part) -> Result<f64> {
    tools::say("directory hits, 64 connections");
    let ours = contestants::ours(&stage.crm, Directory::Usual, &stage.folder);
    if let Ok(ours) = &ours {
        stage.generators.warm(&ours.url, KEY, &stage.known, usize::MAX)?;
    }
    let (mut of_bare, mut of_ours) = (Measured::default(), Measured::default());
    for _ in 0..stage.plan.rounds {
        of_bare.take(&stage.ceiling(bare, &stage.known)?)?;
        if let Ok(ours) = &ours {
            of_ours.take(&stage.ceiling(ours, &stage.known)?)?;
        }
    }
    let (what, target) = ("directory hits ÷ bare", "≥ 40 %");
    stage.table.tell("bare endpoint, 64 connections", of_bare.says());
    match &ours {
        Err(reason) => stage.table.void(what, target, &format!("{reason:#}")),
        Ok(ours) => {
            stage.table.tell("ours, directory hits", of_ours.says());
            let share = 100.0 * of_ours.per_second.median() / of_bare.per_second.median();
            stage.table.judge(what, target, format!("{share:.0} %"), share >= 40.0);
            let times = of_ours.p99.median() / of_bare.p99.median();
            stage.table.judge("its p99 ÷ bare's", "≤ 3", format!("{times:.1}"), times <= 3.0);
            let pressure = stage.pressure(64, Some("CRM:"));
            let checked = stage.generators.load(&ours.url, KEY, &stage.known, pressure)?;
            let good = flawless(&checked);
            stage.table.judge("every answer read and checked", "all CRM:", outcome(&checked), good);
        }
    }
    Ok(of_bare.per_second.median())
}

/// Every call to a CRM that answers at once, against the Node service in both modes.
fn live(stage: &mut Stage, ceiling: f64) -> Result<()> {
    tools::say("live CRM, 0 ms, 64 connections");
    let parts = [
        ("ours, live CRM 0 ms", contestants::ours(&stage.crm, Directory::Never, &stage.folder)),
        ("Node, synchronous=NORMAL", contestants::node(&stage.crm, "NORMAL", &stage.folder)),
        ("Node, synchronous=FULL", contestants::node(&stage.crm, "FULL", &stage.folder)),
    ];
    for part in parts.iter().filter_map(|(_, part)| part.as_ref().ok()) {
        stage.generators.warm(&part.url, KEY, &stage.mixed, FIRST)?;
    }
    let mut measured: [Measured; 3] = Default::default();
    for _ in 0..stage.plan.rounds {
        for ((_, part), measured) in parts.iter().zip(&mut measured) {
            if let Ok(part) = part {
                measured.take(&stage.ceiling(part, &stage.mixed)?)?;
            }
        }
    }
    for ((name, part), measured) in parts.iter().zip(&measured) {
        match part {
            Ok(_) => stage.table.tell(name, measured.says()),
            Err(reason) => stage.table.void(name, "", &format!("{reason:#}")),
        }
    }
    let [ours, normal, full] = measured.map(|measured| measured.per_second.median());
    let share = 100.0 * normal / ceiling;
    let (what, target) =
        ("ours (survives a power cut) ÷ Node NORMAL (a killed process only)", "≥ 5");
    if share >= 4.0 && ours.is_finite() {
        let times = ours / normal;
        stage.table.judge(what, target, format!("{times:.1}"), times >= 5.0);
    } else {
        stage.table.void(
            what,
            target,
            &format!("Node is at {share:.1} % of bare; below 4 % it is badly written"),
        );
    }
    stage.table.tell("ours ÷ Node FULL (both survive a power cut)", format!("{:.1}", ours / full));
    stage.table.tell("Node NORMAL ÷ bare", format!("{share:.1} %"));
    Ok(())
}

/// A CRM that takes its time, and one that never answers.
fn slow_and_hanging(stage: &mut Stage) -> Result<()> {
    tools::say("CRM of 50 ms, then hanging, then 50 ms again");
    let started = [
        ("ours", contestants::ours(&stage.crm, Directory::Never, &stage.folder)),
        ("Node NORMAL", contestants::node(&stage.crm, "NORMAL", &stage.folder)),
        ("Node FULL", contestants::node(&stage.crm, "FULL", &stage.folder)),
    ];
    let mut parts: Vec<(&str, &Part)> = Vec::new();
    for (name, part) in &started {
        match part {
            Ok(part) => {
                stage.generators.warm(&part.url, KEY, &stage.mixed, FIRST)?;
                parts.push((name, part));
            }
            Err(reason) => stage.table.void(name, "", &format!("{reason:#}")),
        }
    }
    stage.crm.be_slow(CRM_LATENCY_MS)?;
    let closed = stage.interleave(&parts, &stage.mixed, stage.pressure(64, None))?;
    let paced = Pressure { rate: Some(800), ..stage.pressure(64, None) };
    let paced = stage.interleave(&parts, &stage.mixed, paced)?;
    let crowd = stage.interleave(&parts, &stage.known, stage.pressure(256, Some("CRM:")))?;
    // What ours has heard before it would tell again, so the hanging CRM's callers are new to it.
    let new = contestants::ours(&stage.crm, Directory::Empty, &stage.folder);
    if let (Ok(new), Some(ours)) = (&new, parts.iter_mut().find(|(name, _)| *name == "ours")) {
        ours.1 = new;
    }
    stage.crm.hang()?;
    let late = Some(DEADLINE_MS + 25);
    let hung = Pressure { limit_ms: late, ..stage.pressure(256, Some("PHONE:")) };
    let hung = stage.interleave(&parts, &stage.known, hung)?;
    stage.crm.be_slow(0)?;

    for (index, (name, _)) in parts.iter().enumerate() {
        for (how, reports) in [("closed loop", &closed[index]), ("800/s", &paced[index])] {
            let p99 = series(reports, "p99");
            let what = format!("{name}: p99, CRM 50 ms, 64 connections, {how}");
            let met = p99.median() <= 65.0;
            stage.tell_or_judge(name, &what, "≤ 65 ms", spread(&p99, "ms"), met);
        }
        for (what, target, reports) in [
            ("known callers, CRM 50 ms, 256 connections", "no PHONE:", &crowd[index]),
            ("CRM hanging, 256 connections", "all PHONE:, in time, none lost", &hung[index]),
        ] {
            let met = reports.iter().all(flawless);
            let what = format!("{name}: {what}");
            stage.tell_or_judge(name, &what, target, totals(reports), met);
        }
    }
    Ok(())
}

/// What it costs to have it standing, and how soon it stands, on the store the first rounds filled.
fn idle(stage: &mut Stage) -> Result<()> {
    tools::say("idle memory and time to ready");
    let (mut memory, mut ready) = (Series::default(), Series::default());
    for _ in 0..stage.plan.rounds {
        let begin = Instant::now();
        match contestants::ours(&stage.crm, Directory::Usual, &stage.folder) {
            Ok(part) => {
                ready.push(begin.elapsed().as_secs_f64() * 1_000.0);
                memory.push(contestants::resident_mb(&part)?);
                part.running.stop("TERM")?;
            }
            Err(reason) => {
                stage.table.void("idle serve", "≤ 40 MB, ≤ 100 ms", &format!("{reason:#}"));
                return Ok(());
            }
        }
    }
    stage.table.judge(
        "idle serve, resident",
        "≤ 40 MB",
        spread(&memory, "MB"),
        memory.median() <= 40.0,
    );
    stage.table.judge(
        "ready on an existing store",
        "≤ 100 ms",
        spread(&ready, "ms"),
        ready.median() <= 100.0,
    );
    Ok(())
}

impl Stage {
    fn pressure(&self, connections: usize, expect: Option<&'static str>) -> Pressure {
        Pressure { connections, seconds: self.plan.seconds, rate: None, limit_ms: None, expect }
    }

    fn ceiling(&self, part: &Part, numbers: &Path) -> Result<Value> {
        self.generators.ceiling(&part.url, KEY, numbers, 64, self.plan.seconds)
    }

    /// Only we have promised anything.
    fn tell_or_judge(&mut self, name: &str, what: &str, target: &str, figure: String, met: bool) {
        if name == "ours" {
            self.table.judge(what, target, figure, met);
        } else {
            self.table.tell(what, figure);
        }
    }

    /// For each part its reports, the rounds interleaved.
    fn interleave(
        &self,
        parts: &[(&str, &Part)],
        numbers: &Path,
        pressure: Pressure,
    ) -> Result<Vec<Vec<Value>>> {
        let mut reports = vec![Vec::new(); parts.len()];
        for _ in 0..self.plan.rounds {
            for ((_, part), reports) in parts.iter().zip(&mut reports) {
                reports.push(self.generators.load(&part.url, KEY, numbers, pressure)?);
            }
        }
        Ok(reports)
    }
}

fn series(reports: &[Value], name: &str) -> Series {
    let mut series = Series::default();
    for figure in reports.iter().filter_map(|report| report[name].as_f64()) {
        series.push(figure);
    }
    series
}

/// Answered, and nothing wrong, late or lost.
fn flawless(report: &Value) -> bool {
    report["answered"].as_u64() > Some(0)
        && ["wrong", "late", "lost"].iter().all(|name| report[*name].as_u64() == Some(0))
}

fn outcome(report: &Value) -> String {
    totals(std::slice::from_ref(report))
}

fn totals(reports: &[Value]) -> String {
    let sum = |name: &str| series(reports, name).sum();
    format!(
        "{:.0} answers, {:.0} wrong, {:.0} late, {:.0} lost, slowest {:.0} ms",
        sum("answered"),
        sum("wrong"),
        sum("late"),
        sum("lost"),
        series(reports, "max").most()
    )
}

#[cfg(test)]
mod tests {
    use super::flawless;
    use serde_json::json;

    #[test]
    fn one_lost_answer_is_a_flaw_and_so_is_no_answer_at_all() {
        let report =
            |answered, lost| json!({"answered": answered, "wrong": 0, "late": 0, "lost": lost});
        assert!(flawless(&report(9, 0)));
        assert!(!flawless(&report(9, 1)));
        assert!(!flawless(&report(0, 0)));
    }
}
