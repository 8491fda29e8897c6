//! `cargo xtask check`: what a change must pass before anyone looks at it: fmt, clippy, tidy.

use crate::{Outcome, process, tidy, tools, words};
use anyhow::Result;
use std::process::Command;
use std::time::Duration;

/// A cold clippy of the whole tree on two busy cores.
const LINT_LIMIT: Duration = Duration::from_secs(40 * 60);

/// What every build of the workspace is given, so that all of them share their results: the
/// simulators are part of what is checked and tested.
pub(crate) const FEATURES: [&str; 2] = ["--features", "connectors/sim"];

pub(crate) fn run(rest: &[String]) -> Result<Outcome> {
    if let Some(wrong) = rest.first() {
        return Ok(words::refuse("word of check", wrong, &[]));
    }
    let offences = tidy::offences()?;
    tidy::report(&offences);
    let formatted = format()?;
    let linted = lint()?;
    let good = offences.is_empty() && formatted && linted;
    Ok(if good { Outcome::Done } else { Outcome::Failed })
}

/// Whether this toolchain has the component, `fmt` or `clippy`.
pub(crate) fn has(component: &str) -> bool {
    let asked = process::capture(
        component,
        Command::new(tools::cargo()).args([component, "--version"]),
        Duration::from_secs(60),
    );
    asked.is_ok_and(|answer| answer.ok)
}

pub(crate) fn format() -> Result<bool> {
    let mut command = Command::new(tools::cargo());
    command.args(["fmt", "--all", "--check"]).current_dir(tools::root());
    Ok(process::run("cargo fmt", &mut command, Duration::from_secs(300))?.success())
}

pub(crate) fn lint() -> Result<bool> {
    let mut command = Command::new(tools::cargo());
    command
        .args(["clippy", "--quiet", "--workspace", "--all-targets"])
        .args(FEATURES)
        .args(["--", "-D", "warnings"])
        .current_dir(tools::root());
    Ok(process::run("cargo clippy", &mut command, LINT_LIMIT)?.success())
}
