//! `cargo xtask bench streams`: what ten thousand idle streams cost, by each carrier.
//!
//! A server of its own for each, so that one's memory is not the other's.

use super::contestants::{self, Directory, KEY};
use crate::{process, tools};
use anyhow::Result;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Opening, waiting for heartbeats and two hundred corrections, on a busy machine.
const LIMIT: Duration = Duration::from_secs(300);

pub(super) fn run(count: u32, folder: &Path) -> Result<()> {
    let crm = contestants::simulator()?;
    for by in ["sse", "websocket"] {
        let folder = folder.join(by);
        let part = contestants::ours(&crm, Directory::Usual, &folder)?;
        let mut command = Command::new(contestants::program("streams"));
        command.args(["--to", part.url.trim_start_matches("http://"), "--key", KEY, "--by", by]);
        command.args(["--count", &count.to_string(), "--pid", &part.running.pid().to_string()]);
        let done = process::capture("streams", &mut command, LIMIT)?;
        anyhow::ensure!(done.ok, "streams: {}", done.err.trim());
        tools::print(done.out.trim());
    }
    Ok(())
}
