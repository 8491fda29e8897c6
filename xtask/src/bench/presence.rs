//! `cargo xtask bench presence`: five thousand agents in both systems, a hundred acts a second.
//!
//! The load is an example of crate `connectors`, which has both simulators in its process and a
//! console for each agent; the server is a process of its own. How long deciding took is what
//! the server's own histogram says: from hearing of something until it is decided, kept and
//! handed on. Bounds are those of its buckets.

use super::contestants;
use super::table::Table;
use crate::{process, tools};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const BUILD_LIMIT: Duration = Duration::from_secs(40 * 60);
/// Starting, opening consoles, the load, and coming to rest after it.
const LIMIT: Duration = Duration::from_secs(15 * 60);
const A_SECOND: u32 = 100;
const P99_MS: f64 = 50.0;
const RESIDENT_MB: f64 = 150.0;

/// Builds the load, as it is run.
pub(super) fn build() -> Result<()> {
    let mut command = Command::new(tools::cargo());
    command.args(["build", "--release", "--quiet", "-p", "connectors", "--features", "sim"]);
    command.args(["--example", "presence_desks"]);
    let built = process::run("cargo build", command.current_dir(tools::root()), BUILD_LIMIT)?;
    ensure!(built.success(), "the release build failed");
    Ok(())
}

pub(super) fn agents(is_quick: bool, folder: &Path) -> Result<Table> {
    let (agents, seconds) = if is_quick { ("500", "10") } else { ("5000", "60") };
    tools::say(&format!("{agents} agents, {A_SECOND} acts a second for {seconds} s"));
    let mut command = Command::new(contestants::program("examples/presence_desks"));
    command.arg("--tieline").arg(contestants::program("tieline")).arg("--folder").arg(folder);
    command.args(["--agents", agents, "--seconds", seconds, "--events", &A_SECOND.to_string()]);
    let done = process::capture("presence_desks", &mut command, LIMIT)?;
    ensure!(done.ok, "presence_desks: {}", done.err.trim());
    let told: Value = serde_json::from_str(done.out.trim()).context("its report")?;
    let figure = |key: &str| told[key].as_f64().unwrap_or(f64::NAN);
    let mut table = Table::default();
    let seconds = |key: &str| format!("{:.1} s", figure(key));
    table.tell(&format!("{agents} agents read and settled, after"), seconds("first_agreed_s"));
    table.tell("events decided a second", format!("{:.0}", figure("events_a_second")));
    let (median, tail) = (figure("decided_p50_ms"), figure("decided_p99_ms"));
    table.tell("decided, kept and handed on, p50", format!("≤ {median} ms"));
    table.judge("the same, p99", "≤ 50 ms", format!("≤ {tail} ms"), tail <= P99_MS);
    let resident = figure("resident_mb");
    let met = resident <= RESIDENT_MB;
    table.judge("resident", "≤ 150 MB", format!("{resident:.0} MB"), met);
    table.tell("both sides agreed after the load, after", seconds("agreed_after_load_s"));
    let wrong = told["wrong_pairs"].as_u64().unwrap_or(u64::MAX);
    table.judge("pairs that are wrong then", "0", format!("{wrong}"), wrong == 0);
    Ok(table)
}
