//! `cargo xtask codegen`: writes the generated files anew: config reference, OpenAPI, CLI and metrics pages.
//!
//! The binary itself knows what it accepts and says, so it writes them. A test
//! of its own fails when one of them is stale.

use crate::{Outcome, process, tools, words};
use anyhow::Result;
use std::process::Command;
use std::time::Duration;

pub(crate) fn run(rest: &[String]) -> Result<Outcome> {
    if let Some(wrong) = rest.first() {
        return Ok(words::refuse("word of codegen", wrong, &[]));
    }
    let mut command = Command::new(tools::cargo());
    command
        .args(["run", "--quiet", "--package", "tieline", "--", "docs", "--write"])
        .current_dir(tools::root());
    let status = process::run("tieline docs", &mut command, Duration::from_secs(30 * 60))?;
    Ok(if status.success() { Outcome::Done } else { Outcome::Failed })
}
